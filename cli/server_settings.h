#ifndef WEIR_CLI_SERVER_SETTINGS_H
#define WEIR_CLI_SERVER_SETTINGS_H

#include "cli/cli.h"

/**
 * The server's settings under Kafka's names, as `--set` and `--config` give them: each is checked as
 * it comes and sorted by who is told. A later one wins over an earlier one of the same name.
 */
enum { SERVER_SETTINGS_MAX = 2 * CLI_LIST_MAX };

struct server_settings {
    struct weir_log_options *log_options;           /* the engine's are put here */
    struct weir_config topics[SERVER_SETTINGS_MAX]; /* of topics and groups, for weir_open */
    size_t topic_count;
    struct weir_config port[SERVER_SETTINGS_MAX]; /* for weir_listen */
    size_t port_count;
    struct cli_configs listed; /* where the strings of a list live, */
    char *file;                /* and those of a file */
};

/** Lines of key=value, and comments that begin with '#' or '!'. The error names file and line. */
int server_settings_take_file(struct server_settings *settings, const char *path,
                              struct weir_error *error);
/** WEIR_INVALID_CONFIG: what it is, what it takes, or which one was meant. */
int server_settings_take_list(struct server_settings *settings, const struct cli_list *list,
                              struct weir_error *error);
/** When nobody looks at what was taken any more. */
void server_settings_close(struct server_settings *settings);

#endif
