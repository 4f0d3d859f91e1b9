#ifndef WEIR_CLI_APP_VIEW_H
#define WEIR_CLI_APP_VIEW_H

#include "cli/app_source.h"

/** What the commands of `weir app` share: finding an application, and showing what is known of it. */

/** The names of those that there are: of the topics `<name>-application` that an application has written, and of the
 * groups that are a stream application's own. Sorted; in the arena. */
struct app_names {
    const char **items;
    size_t count;
};
int app_names_load(struct place *place, struct weir_arena *arena, struct app_names *names_out,
                   struct weir_error *error);

/** All names of topics. */
int app_topic_names(struct place *place, struct weir_arena *arena, const char ***names_out,
                    size_t *count_out, struct weir_error *error);

/** An application that was looked at. */
struct app_view {
    struct place *place;
    struct app_source source;
    struct weir_app app;
};
int app_view_load(struct app_view *view, struct place *place, struct weir_arena *arena,
                  const char *name, struct weir_error *error);

/** Say that a call about an application failed, and what to do next: for an unknown one its nearest name. Returns the
 * exit code. */
int app_say_failure(struct place *place, struct weir_arena *arena, const char *name,
                    const struct weir_error *error);

/** Of a command that changes something: it works in a directory. CLI_OK, or what was said. */
int app_check_directory(const struct cli_command *command, const struct place_target *target);

/** In a word: "owned", "resetting", "given back" (its group is anybody's), "new" (it has not committed). */
const char *app_state_text(const struct weir_app *app);

/** Records that are not processed, of all inputs; -1: a partition does not say where it ends. */
int64_t app_lag(const struct weir_app *app);
/** One partition's; -1: not known. */
int64_t app_partition_lag(const struct weir_start_partition *partition);

/** "2026-01-31T12:00:00Z", or "-" for -1. Gives `to`. */
enum { APP_TIME_SIZE = 32 };
const char *app_time_text(char to[APP_TIME_SIZE], int64_t time_ms);

/** `, "name": number` in JSON, null for -1, which is not known or none. */
void app_put_number(const char *name, int64_t number);

#endif
