#ifndef WEIR_CLIENT_CONSUMER_INTERNAL_H
#define WEIR_CLIENT_CONSUMER_INTERNAL_H

#include "base/map.h"
#include "client/access.h"
#include "client/client_internal.h"
#include "client/consumer_step.h"
#include "wire/record_batch_reader.h"

/**
 * What the parts of a consumer share.
 *
 *   consumer_state.c   who is inside, and the states of a partition
 *   consumer.c         assign, seek, positions; new and close
 *   consumer_step.c    when a partition is fetched: pure
 *   consumer_poll.c    fetches, whose turn it is, waiting
 *   consumer_decode.c  fetched bytes into record views
 *   offsets.c          committed offsets
 *
 * Thread: one at a time, and a second is refused (access.h); except on_fetched, which runs on a shard and only pushes into
 * `answered`. No locks.
 */
struct weir_consumer_partition {
    struct weir_fetch_request fetch; /* first: its message comes back through `answered` */
    struct weir_consumer *consumer;
    struct weir_slice key; /* in the map: partition number and topic, behind the struct */
    const char *topic;
    int32_t index;
    struct weir_consumer_turn turn;
    int64_t position; /* next offset to be given to the user */
    int32_t epoch;    /* leader epoch of the record before it; -1: not known */
    int64_t high_watermark;
};

/* What is being handed out: the batches of one fetch. */
struct weir_consumer_held {
    struct weir_consumer_partition *partition; /* NULL: nothing */
    struct weir_log_batches batches;
    size_t part;                     /* the first that `reader` has not come to */
    struct weir_batch_reader reader; /* of the part before it */
    bool has_batch;                  /* its batch at hand is not used up */
    bool in_batch;                   /* and is open */
};

struct weir_consumer {
    uint32_t magic;
    struct weir_access access;
    struct weir_log *log;
    struct weir_consumer_options options; /* `group` is a copy of ours */
    struct weir_map by_name;
    struct weir_consumer_partition **partitions; /* in order of assignment */
    size_t partition_count;
    size_t partition_capacity;
    size_t turn;    /* whose it is next */
    uint64_t round; /* how many polls there were */
    struct weir_mailbox answered;
    struct weir_consumer_held held;
    struct weir_record *records; /* the views, WEIR_CONSUMER_RECORDS_MAX of them */
    struct weir_arena headers;   /* of the views */
    struct weir_buffer plain;    /* of a compressed batch */
};

enum {
    WEIR_CONSUMER_MAGIC = 0x434f4e53,
    WEIR_CONSUMER_RECORDS_MAX = 4096, /* views per poll */
};

/* ---- consumer_state.c ------------------------------------------------------------------------ */

/** Every public call comes in here: WEIR_INVALID_ARGUMENT unless it is an open consumer,
 * WEIR_WRONG_THREAD if another thread is in a call on it. */
int weir_consumer_enter(struct weir_consumer *consumer, const char *call, struct weir_error *error);
/** And goes out here, with its `rc`. */
int weir_consumer_leave(struct weir_consumer *consumer, int rc);
/** Take an event that asks for nothing. */
void weir_consumer_note(struct weir_consumer_partition *partition,
                        struct weir_consumer_event event);
/** What holds between the fields, after each public call. */
void weir_consumer_check(const struct weir_consumer *consumer);

/* ---- consumer_decode.c ----------------------------------------------------------------------- */

/** Take over what `partition` has fetched. It is IDLE then, and nothing else is held. */
void weir_consumer_hold(struct weir_consumer *consumer, struct weir_consumer_partition *partition);
/** Drop what is held; views die. */
void weir_consumer_let_go(struct weir_consumer *consumer);
/**
 * Views of the next held records, and the position moves behind them. WEIR_END: there are no more.
 * An error says which batch is damaged, and stands until a seek.
 */
int weir_consumer_decode(struct weir_consumer *consumer, size_t *count_out,
                         struct weir_error *error);
/** Nothing is held behind the views that were given last: the next fetch may be sent. */
bool weir_consumer_is_used_up(const struct weir_consumer *consumer);

/* ---- consumer_poll.c ------------------------------------------------------------------------- */

/** Have no fetch under way, and nothing fetched: of one partition, or of all (NULL). Waits. */
int weir_consumer_stop(struct weir_consumer *consumer, struct weir_consumer_partition *partition,
                       struct weir_error *error);

/* ---- offsets.c ------------------------------------------------------------------------------- */

/** A place in a partition, and the leader epoch of the record before it (-1: not known). */
struct weir_consumer_place {
    int64_t offset;
    int32_t epoch;
};

/** What the group has committed for the topic with this id; -1 if nothing. Waits. */
int weir_committed_offset(struct weir_log *log, const char *group, const char *topic,
                          int32_t partition, struct weir_uuid topic_id, const char *call,
                          struct weir_consumer_place *place_out, struct weir_error *error);
/** Take `place` back to where the log's history parts from it, if it does: the tail that was read has
 * been lost since, and other records may stand there. One line in the log names what is gone. Waits. */
int weir_consumer_check_place(struct weir_consumer *consumer, const char *topic, int32_t partition,
                              const char *call, struct weir_consumer_place *place,
                              struct weir_error *error);

#endif
