#ifndef WEIR_CLI_CONSUME_H
#define WEIR_CLI_CONSUME_H

#include "cli/interrupt.h"
#include "cli/offset_range.h"
#include "cli/place.h"
#include "cli/record_format.h"
#include "cli/record_json.h"

/**
 * `weir consume`, in three parts: consume.c reads what the command line names, consume_group.c what a group
 * assigns, consume_print.c prints what came.
 */
struct consume_values {
    struct place_target target;
    const char *offset;
    const char *format;
    const char *partitions;
    int64_t count_max;
    bool ends_at_end;
    bool is_pretty;
    bool is_lines;
    bool is_meta_only;
    bool with_control;
    const char *isolation; /* "read_committed" or "read_uncommitted" */
    const char *group;     /* NULL: as nobody, from --offset on */
};

/* One partition that is being read. */
struct consume_reader {
    int64_t to; /* exclusive; INT64_MAX: never ends */
    int64_t start;
    int64_t end; /* INT64_MAX: nobody knows */
};

struct consumption {
    const struct consume_values *values;
    struct place *place;
    const char *topic;
    struct interrupt interrupt;
    struct weir_arena arena;   /* of the whole run */
    struct weir_arena headers; /* of one batch */
    struct weir_buffer plain;
    struct weir_buffer output;
    struct weir_buffer room;
    struct weir_data_type key_type; /* as the topic's settings say */
    struct weir_data_type value_type;
    bool has_key_type;
    bool has_value_type;
    struct record_format format;
    struct offset_range range;
    bool is_json;
    struct place_fetch_partition *partitions; /* those still being read come first */
    struct consume_reader *readers;           /* of the same index */
    size_t active;
    size_t partition_count;
    int64_t printed;
    struct place_patience patience;
};

enum { CONSUME_FETCH_WAIT_MS = 5000, CONSUME_FETCH_SIZE_MAX = 4 << 20 };

/* ---- consume_print.c ------------------------------------------------------------------------- */

/** What the topic's settings say of its keys and values, as far as it is asked for. */
void consume_find_types(struct consumption *run, struct place_topic *topic);
/** All that was asked for (--num) is printed. */
bool consume_has_enough(const struct consumption *run);
/** Print what came of one partition, up to the reader's `to`; its offset moves behind what was printed. Who stops at
 * the end stops before what is open, if it reads committed: `to` is moved there. */
int consume_print_batches(struct consumption *run, struct place_fetch_partition *partition,
                          struct consume_reader *reader, struct weir_error *error);
/** Of records that are committed, by --isolation. */
bool consume_reads_committed(const struct consumption *run);
/** What was printed is with the reader of stdout. */
void consume_flush(struct consumption *run);

/* ---- consume_group.c ------------------------------------------------------------------------- */

/** Read `topic` as a member of the group, and commit what was printed, until it is enough. */
int consume_as_member(struct consumption *run, const struct place_topic *topic,
                      struct weir_error *error);

#endif
