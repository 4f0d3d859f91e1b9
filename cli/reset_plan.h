#ifndef WEIR_CLI_RESET_PLAN_H
#define WEIR_CLI_RESET_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "weir/error.h"
#include "weir/types.h"

/**
 * Where `weir group reset` puts a partition: the words of the command line, and what comes of them. Pure.
 *
 *     words ──choose──> one target ─┬─ and, of each partition, what is committed, where the log begins and ends,
 *                                   │  what it has at that time, what the file says
 *                                   └──decide──> its offset within the log, and what had to be bent for that
 */
enum reset_kind {
    RESET_EARLIEST,
    RESET_LATEST,
    RESET_CURRENT,
    RESET_OFFSET, /* to `value` */
    RESET_SHIFT,  /* by `value` records from what is committed */
    RESET_TIME,   /* the first record at or after `value`, ms since 1970 */
    RESET_FILE,   /* each partition as a line of a file says */
};

struct reset_target {
    enum reset_kind kind;
    int64_t value;
};

#define RESET_NUMBER_NOT_SET INT64_MIN /* no offset, and no shift anybody means */

/** As the options came; a text that is not there is NULL. */
struct reset_words {
    bool to_earliest;
    bool to_latest;
    bool to_current;
    int64_t to_offset; /* RESET_NUMBER_NOT_SET if it is not there, as the next */
    int64_t shift_by;
    const char *to_datetime;
    const char *by_duration;
    const char *from_file;
};

#define RESET_WORDS_INIT                                                                           \
    {                                                                                              \
        .to_offset = RESET_NUMBER_NOT_SET, .shift_by = RESET_NUMBER_NOT_SET                        \
    }

/** There is one at least. */
bool reset_words_say(const struct reset_words *words);
/** Exactly one of them. WEIR_INVALID_ARGUMENT says which there are, or what a time looks like. */
int reset_target_choose(const struct reset_words *words, int64_t now_ms,
                        struct reset_target *target_out, struct weir_error *error);

/** "PT1H30M", "P2DT3H", also "1h30m": in ms. WEIR_INVALID_ARGUMENT. */
int reset_duration_parse(const char *text, int64_t *ms_out, struct weir_error *error);

/** What is known of one partition. */
struct reset_facts {
    int64_t committed; /* -1: nothing */
    int64_t start;
    int64_t end;
    int64_t at_time; /* for RESET_TIME; -1: no record is that late */
    int64_t in_file; /* for RESET_FILE */
};

enum reset_bend {
    RESET_AS_ASKED,
    RESET_RAISED,  /* it lay below the log's start */
    RESET_LOWERED, /* it lay beyond the end */
    RESET_NO_TIME, /* no record is that late: the end */
};

/** What is said of an offset that had to be bent; NULL: nothing, it is as it was asked for. */
const char *reset_bend_text(enum reset_bend bend);

/** WEIR_INVALID_ARGUMENT: a shift from nothing. */
int reset_decide(const struct reset_target *target, const struct reset_facts *facts,
                 int64_t *offset_out, enum reset_bend *bend_out, struct weir_error *error);

/** A line of the file, as Kafka's tool exports them: topic,partition,offset. */
struct reset_line {
    const char *topic;
    int32_t partition;
    int64_t offset;
    size_t number; /* of the line, from 1 */
};

/** Blank lines are passed over. WEIR_INVALID_ARGUMENT names the line, or says that there is none. `lines_out` is in the arena. */
int reset_file_parse(struct weir_slice text, struct weir_arena *arena,
                     struct reset_line **lines_out, size_t *count_out, struct weir_error *error);

#endif
