#ifndef WEIR_CLI_PLACE_H
#define WEIR_CLI_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "cli/cli.h"
#include "weir/log.h"

/**
 * Where a command works: in a data directory, opened in this process (place_embedded.c), or at a
 * server, over Kafka's protocol (place_remote.c). The commands know only this.
 *
 * Results live in the arena that the caller hands in. One thread.
 */
struct place;
struct place_group_ops;       /* place_groups.h */
struct place_transaction_ops; /* place_transactions.h */
enum { PLACE_OPTION_SIZE = 512 };

struct place_target { /* from the command line */
    const char *data;
    const char *brokers;
    bool makes_directory; /* set by a command that may begin a new data directory */
    bool
        is_directory; /* set by a command that works in a directory only, which nobody else may have open */
};

/** The two options, for a command whose values have a `struct place_target target`. */
#define PLACE_OPTIONS(type)                                                                        \
    {'d',      "data",                                                                             \
     CLI_TEXT, offsetof(type, target.data),                                                        \
     "DIR",    "work in this data directory, without a server"},                                   \
    {                                                                                              \
        'b', "brokers", CLI_TEXT, offsetof(type, target.brokers), "HOST:PORT",                     \
            "the server (default: $WEIR_BROKERS, else 127.0.0.1:9092)"                             \
    }

/** Of a command that works in a directory only. Who names a server is told so, and the help does not offer it. */
#define PLACE_DIRECTORY_OPTIONS(type)                                                              \
    {'d',      "data",                                                                             \
     CLI_TEXT, offsetof(type, target.data),                                                        \
     "DIR",    "the data directory, which no job and no server has open"},                         \
    {                                                                                              \
        'b', "brokers", CLI_TEXT, offsetof(type, target.brokers), "HOST:PORT", NULL                \
    }

struct place_partition {
    int32_t partition;
    int64_t start_offset;
    int64_t end_offset;
    int64_t size_bytes; /* -1: not known */
    int64_t
        clean_bytes; /* of a compacted topic, and what is dirty; both 0: not known, or not one */
    int64_t dirty_bytes;
    int32_t leader_epoch; /* -1: not known */
    const char *
        offline; /* why it is, in the arena; its offsets and size are not known then. NULL: it is not */
};

/** The answer about one partition is that it is offline: it is described as that, and `error` cleared.
 * WEIR_NO_MEMORY. */
int place_keep_offline(struct place_partition *partition, struct weir_arena *arena,
                       struct weir_error *error);

struct place_config {
    const char *key;
    const char *value;
    bool is_default;
};

struct place_topic {
    const char *name;
    struct weir_uuid id;
    int32_t partition_count;
    bool is_internal;
    /* only when described */
    struct place_partition *partitions;
    struct place_config *configs;
    size_t config_count;
};

struct place_topics {
    struct place_topic *rows;
    size_t count;
};

struct place_new_topic {
    const char *name;
    int32_t partition_count; /* 0: the default */
    const struct weir_config *configs;
    size_t config_count;
};

enum { PLACE_EARLIEST = -2, PLACE_LATEST = -1 };

struct place_produce {
    const char *topic;
    int32_t partition;
    struct weir_slice batch;
    int acks; /* -1 all, 1 leader, 0 none */
    /* given; -1 with acks 0 */
    int64_t base_offset;
    int64_t append_time_ms; /* LogAppendTime; -1: the records' own */
};

/** What one partition has from `offset` on: whole batches, the first may begin below it. */
struct place_fetch_partition {
    int32_t partition;
    int64_t offset;
    struct weir_buffer batches; /* initialised by the caller, filled */
    struct weir_buffer aborted; /* likewise, where it reads committed: weir_aborted_transaction's */
    int64_t log_start_offset;   /* given */
    int64_t last_stable_offset;
    int64_t high_watermark;
};

struct place_fetch {
    const char *topic;
    struct place_fetch_partition *partitions;
    size_t partition_count;
    bool read_committed; /* up to the last stable offset, and told what was aborted */
    int32_t wait_ms;     /* for the first byte of any */
    int32_t size_max;
};

struct place_compaction {
    const char *topic;
    int32_t partition;
    /* given */
    int64_t records_before;
    int64_t records_after;
    int64_t bytes_before; /* 0: there was nothing to do */
    int64_t bytes_after;
};

struct place_ops {
    void (*close)(struct place *place);
    int (*list)(struct place *place, struct weir_arena *arena, struct place_topics *topics_out,
                struct weir_error *error);
    /* name, id and partition count; `with_details` the rest too */
    int (*describe)(struct place *place, struct weir_arena *arena, const char *topic,
                    bool with_details, struct place_topic *topic_out, struct weir_error *error);
    /* the settings alone, of a topic whose `name` is known */
    int (*configs)(struct place *place, struct weir_arena *arena, struct place_topic *topic,
                   struct weir_error *error);
    int (*create)(struct place *place, const struct place_new_topic *topic,
                  struct weir_error *error);
    int (*configure)(struct place *place, const char *topic, const struct weir_config *configs,
                     size_t config_count, struct weir_error *error);
    /* `total` with those there are */
    int (*add_partitions)(struct place *place, const char *topic, int32_t total,
                          struct weir_error *error);
    int (*remove)(struct place *place, const char *topic, struct weir_error *error);
    /* now; NULL: the protocol has no word for it */
    int (*compact)(struct place *place, struct place_compaction *compaction,
                   struct weir_error *error);
    /* the first offset at or after a time, or one of the constants; -1: none */
    int (*offset_at)(struct place *place, const char *topic, int32_t partition,
                     int64_t timestamp_ms, int64_t *offset_out, struct weir_error *error);
    int (*produce)(struct place *place, struct place_produce *produce, struct weir_error *error);
    int (*fetch)(struct place *place, struct place_fetch *fetch, struct weir_error *error);
    /* The batch that holds `offset` was fetched and is damaged: the partition reads it once more, past
     * every cache, and is offline from there on if the disk is why. NULL: the protocol has no word for
     * it, and a server hears of it from its own readers. */
    void (*report_damage)(struct place *place, const char *topic, int32_t partition,
                          int64_t offset);
    const struct place_group_ops *groups;
    const struct place_transaction_ops *transactions;
};

/* What every place begins with. */
struct place {
    const struct place_ops *ops;
    const char *what;     /* "data directory './data'", "127.0.0.1:9092": for sentences */
    bool is_alone;        /* nobody else can write here: at the end there is nothing to wait for */
    struct weir_log *log; /* the directory's; NULL: it is a server */
    /* " --data ./data": the option that the user named it by, quoted for a shell, for commands that are
     * suggested; "" if there was none. */
    char option[PLACE_OPTION_SIZE];
};

/**
 * Open what the options say. A server that refuses the connection may be starting: it gets some seconds.
 * On failure everything has been said, with what to do next, and the
 * program's exit code is returned; 0 is success.
 */
int place_open(struct cli *cli, const struct place_target *target, struct place **place_out);
void place_close(struct place *place); /* NULL is fine */

/**
 * How long somebody has asked again and again for what is refused only for now: a place that is short of
 * something says WEIR_LIMIT, and answers when that is over. Zeroed: not yet.
 */
struct place_patience {
    int64_t since_ms;
    bool has_said;
};
/** `rc` is what was answered. True: ask again, after the little wait that this takes; not for ever. */
bool place_asks_again(struct place_patience *patience, int rc);

/** A command whose work is done at one place. */
struct place_command {
    void *values;                      /* with the defaults in it */
    const struct place_target *target; /* within `values` */
    /* Say what is wrong with the values, before anything is opened: the exit code. NULL: nothing can be. */
    int (*check)(const struct cli_command *command, void *values,
                 const struct cli_operands *operands);
    int (*work)(struct cli *cli, struct place *place, const void *values,
                const struct cli_operands *operands);
};
/** Read the command line, open the place, do the work and close it: the exit code. */
int place_command_run(struct cli *cli, const struct cli_command *command, int argc, char **argv,
                      const struct place_command *at_place);

/** The two of them. A directory that is none yet is refused unless it may be made. */
int place_embedded_open(struct cli *cli, const struct place_target *target,
                        struct place **place_out, struct weir_error *error);
int place_remote_open(struct cli *cli, const char *address, struct place **place_out,
                      struct weir_error *error);

/** A text of an answer, in `arena`; null is "". NULL: no memory. */
const char *place_keep_text(struct weir_arena *arena, struct weir_slice text);

/** What a command wants a topic for: to make one is no way on for who wants to have one deleted. */
enum place_topic_use { PLACE_TOPIC_TO_FILL, PLACE_TOPIC_TO_HAVE };

/**
 * Say that a call about `topic` failed, and what to do next: for an unknown topic its nearest name, or else
 * where the names are. Returns the exit code.
 */
int place_say_failure(struct place *place, const char *topic, enum place_topic_use use,
                      const struct weir_error *error);

#endif
