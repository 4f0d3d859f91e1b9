#ifndef WEIR_CLI_RESET_MOVES_H
#define WEIR_CLI_RESET_MOVES_H

#include "cli/place.h"
#include "cli/reset_plan.h"

/**
 * What `weir group reset` and the commands of `weir app` share: the options that say where to, partitions on their way
 * there, and how these are shown.
 */

/** Rows of a command whose values have a `struct reset_words words`, RESET_WORDS_INIT before they are parsed, and a
 * `bool is_dry`. */
#define RESET_OPTIONS(type)                                                                        \
    {0, "to-earliest", CLI_FLAG, offsetof(type, words.to_earliest), NULL, "to the beginning"},     \
        {0, "to-latest", CLI_FLAG, offsetof(type, words.to_latest), NULL, "to the end"},           \
        {0,        "to-current",                                                                   \
         CLI_FLAG, offsetof(type, words.to_current),                                               \
         NULL,     "where it is; without an offset, the end"},                                     \
        {0, "to-offset", CLI_NUMBER, offsetof(type, words.to_offset), "N", "to offset N"},         \
        {0,          "shift-by",                                                                   \
         CLI_NUMBER, offsetof(type, words.shift_by),                                               \
         "N",        "N records on, or with a minus back"},                                        \
        {0,        "to-datetime",                                                                  \
         CLI_TEXT, offsetof(type, words.to_datetime),                                              \
         "T",      "to the first record at or after T"},                                           \
        {0,        "by-duration",                                                                  \
         CLI_TEXT, offsetof(type, words.by_duration),                                              \
         "D",      "to the first record that is not older than D"},                                \
        {0,        "from-file",                                                                    \
         CLI_TEXT, offsetof(type, words.from_file),                                                \
         "CSV",    "lines of topic,partition,offset"},                                             \
        DRY_RUN_OPTION(type)

#define DRY_RUN_OPTION(type)                                                                       \
    {                                                                                              \
        'n', "dry-run", CLI_FLAG, offsetof(type, is_dry), NULL,                                    \
            "show what it would do, and change nothing"                                            \
    }

/** For the help: what T and D look like. */
#define RESET_TIMES_HELP                                                                           \
    "T is 2026-01-31, 2026-01-31T12:00:00.000 (UTC) or 1767225600000 (ms); D is PT1H30M or "       \
    "1h30m.\n"

/** One partition, from where it is to where it goes. */
struct reset_move {
    const char *topic;
    int32_t partition;
    int64_t before; /* -1: nothing was committed */
    int64_t after;  /* -1: nothing is, then */
    int64_t start;  /* of the log */
    int64_t end;
    enum reset_bend bend;
};

/** Decide where it goes, `after` and `bend`. `facts` have all but what the log has at the target's time, which the
 * place is asked for if it is needed. */
int reset_move_decide(struct reset_move *move, struct place *place,
                      const struct reset_target *target, const struct reset_facts *facts,
                      struct weir_error *error);

/** Say which could not go where it was said, and where they go instead. */
void reset_moves_say_bends(const struct reset_move *moves, size_t count);
/** A table, whose first column is called `what`; nothing of none. */
void reset_moves_print(const char *what, const struct reset_move *moves, size_t count);
/** The same as a JSON array, without a line's end. */
void reset_moves_print_json(const struct reset_move *moves, size_t count);

/** Behind a dry run: that it was one, and the command line that does it. */
void reset_say_dry_run(const struct cli_command *command, int argc, char **argv);

#endif
