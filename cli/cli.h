#ifndef WEIR_CLI_CLI_H
#define WEIR_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/alloc.h"
#include "weir/error.h"
#include "weir/log.h"

/**
 * What the commands of `weir` share: their table, their options, and how they speak.
 *
 * A command is one file with one `const struct cli_command`: what the help shows and what the parser
 * takes are the same rows. Exit codes: 0 done, 1 failed, 2 called wrongly.
 */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli {
    struct weir_heap heap;
    struct weir_budget budget;
};

/* ---- options --------------------------------------------------------------------------------- */

enum cli_option_kind {
    CLI_FLAG,   /* bool; --name, --name=false */
    CLI_TEXT,   /* const char * */
    CLI_NUMBER, /* int64_t */
    CLI_LIST,   /* struct cli_list, repeatable */
};

enum { CLI_LIST_MAX = 256 };
struct cli_list {
    const char *items[CLI_LIST_MAX];
    size_t count;
};

struct cli_option {
    char letter; /* 0: none */
    const char *name;
    enum cli_option_kind kind;
    size_t field;         /* where in the command's struct of values */
    const char *argument; /* as the help shows it */
    const char *text;     /* NULL: taken, to say why it does not fit, and not shown */
};

struct cli_operands {
    const char *items[CLI_LIST_MAX];
    size_t count;
};

struct cli_command {
    const char *name; /* "topic create" */
    const char *operands;
    size_t operand_min;
    size_t operand_max;
    const char *summary; /* a line in the list of commands */
    const char *details; /* below the options in the command's own help; may be NULL */
    const struct cli_option *options;
    size_t option_count;
    int (*run)(struct cli *cli, const struct cli_command *command, int argc, char **argv);
};

/**
 * Read `argv` into `values` (with the defaults in it) and `operands_out`. 0 to go on; otherwise
 * everything has been said and `*exit_out` is what the program returns: 0 after --help, 2 after a
 * mistake.
 */
int cli_options_parse(const struct cli_command *command, int argc, char **argv, void *values,
                      struct cli_operands *operands_out, int *exit_out);

/** The command line once more, as a shell reads it, without the flag of that name; no line's end. */
void cli_print_without(FILE *to, const struct cli_command *command, int argc, char **argv,
                       const char *flag);

/** Split `text` at the first `separator` of `key=value`; false if there is none. Modifies `room`. */
bool cli_split(const char *text, char separator, char *room, size_t room_size, const char **key_out,
               const char **value_out);

/** `-c key=value` of a list as configs; the strings live in `room`. WEIR_INVALID_CONFIG. */
struct cli_configs {
    struct weir_config rows[CLI_LIST_MAX];
    size_t count;
    char room[CLI_LIST_MAX * 64];
};
int cli_configs_parse(const struct cli_list *list, struct cli_configs *configs_out,
                      struct weir_error *error);

/* ---- the commands ---------------------------------------------------------------------------- */

extern const struct cli_command cli_server;
extern const struct cli_command cli_topic_create;
extern const struct cli_command cli_topic_list;
extern const struct cli_command cli_topic_describe;
extern const struct cli_command cli_topic_alter;
extern const struct cli_command cli_topic_add_partitions;
extern const struct cli_command cli_topic_compact;
extern const struct cli_command cli_topic_delete;
extern const struct cli_command cli_produce;
extern const struct cli_command cli_consume;
extern const struct cli_command cli_group_list;
extern const struct cli_command cli_group_describe;
extern const struct cli_command cli_group_reset;
extern const struct cli_command cli_group_delete;
extern const struct cli_command cli_group_watch;
extern const struct cli_command cli_app_list;
extern const struct cli_command cli_app_describe;
extern const struct cli_command cli_app_reset;
extern const struct cli_command cli_app_release;
extern const struct cli_command cli_app_adopt;
extern const struct cli_command cli_topology_diff;
extern const struct cli_command cli_log_dump;
extern const struct cli_command cli_log_verify;
extern const struct cli_command cli_log_repair;
extern const struct cli_command cli_txn_list;
extern const struct cli_command cli_txn_describe;
extern const struct cli_command cli_txn_abort;
extern const struct cli_command cli_txn_find_hanging;

/** The help of one command, to stdout. */
void cli_help_command(const struct cli_command *command);

#endif
