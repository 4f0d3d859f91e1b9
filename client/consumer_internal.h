#ifndef WEIR_CLIENT_CONSUMER_INTERNAL_H
#define WEIR_CLIENT_CONSUMER_INTERNAL_H

#include "base/map.h"
#include "client/access.h"
#include "client/client_internal.h"
#include "client/consumer_step.h"
#include "client/membership.h"
#include "wire/record_batch_reader.h"
#include "wire/request/committed_filter.h"

/**
 * What the parts of a consumer share.
 *
 *   consumer_state.c   who is inside, and the states of a partition
 *   consumer.c         assign, seek, positions, pause; new and close
 *   consumer_partitions.c  what is assigned, by name
 *   consumer_step.c    when a partition is fetched: pure
 *   consumer_fetch.c   fetches, and waiting for them
 *   consumer_poll.c    whose turn it is
 *   consumer_decode.c  fetched bytes into record views
 *   offsets.c          committed offsets
 *   subscription.c     what the group assigns and takes away, callbacks, automatic commits
 *   subscription_positions.c   and where that is read from
 *   membership.c       heartbeats, on an actor of their own
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
    struct weir_uuid
        topic_id; /* when it was assigned, or sought: a commit is of this one and no other */
    bool is_paused;
    bool is_gone;      /* its topic is: the group takes it back soon */
    int64_t position;  /* next offset to be given to the user; -1: it is to be found yet */
    int64_t committed; /* the position that was committed last; -1: none was */
    int32_t epoch;     /* leader epoch of the record before it; -1: not known */
    int64_t high_watermark;
};

/* What is being handed out: the batches of one fetch. */
struct weir_consumer_held {
    struct weir_consumer_partition *partition; /* NULL: nothing */
    struct weir_log_batches batches;
    struct weir_aborted_transaction *aborted; /* owned: what `filter` goes by */
    struct weir_committed_filter filter;
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
    struct weir_consumer_partition **chosen; /* room for as many, for callbacks: */
    struct weir_assigned_partition *chosen_names;
    size_t turn;    /* whose it is next */
    uint64_t round; /* how many polls there were */
    struct weir_mailbox answered;
    struct weir_consumer_held held;
    struct weir_record *records; /* the views, WEIR_CONSUMER_RECORDS_MAX of them */
    struct weir_arena headers;   /* of the views */
    struct weir_buffer plain;    /* of a compressed batch */
    /* of one that subscribes */
    struct weir_member *member;      /* NULL: it does not */
    struct weir_member_offer *offer; /* taken, and not done yet: poll goes on with it */
    bool in_callback;
    int64_t reset_position; /* auto_offset_reset: WEIR_POSITION_..., or COMMITTED for "none" */
    struct weir_mono auto_commit_at;    /* not before */
    struct weir_error membership_error; /* code 0, or why the membership has ended */
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
/** Does it read committed records only? */
bool weir_consumer_reads_committed(const struct weir_consumer *consumer);
/** What holds between the fields, after each public call. */
void weir_consumer_check(const struct weir_consumer *consumer);

/* ---- consumer_partitions.c ------------------------------------------------------------------------------ */

struct weir_consumer_partition *weir_consumer_find(const struct weir_consumer *consumer,
                                                   const char *topic, int32_t partition);
/** A partition without a position, read by nobody yet. WEIR_NO_MEMORY. */
int weir_consumer_add(struct weir_consumer *consumer, const char *topic, int32_t index,
                      struct weir_consumer_partition **partition_out);
/** Stop reading it, and forget it. Waits. */
int weir_consumer_drop(struct weir_consumer *consumer, struct weir_consumer_partition *partition,
                       struct weir_error *error);

/* ---- subscription_positions.c ---------------------------------------------------------------- */

/** All positions that are missing: the group's, or what auto_offset_reset says. The first failure is told, and the
 * others are found all the same. Of a member that its group has forgotten they stay missing. Waits. */
int weir_consumer_find_positions(struct weir_consumer *consumer, struct weir_error *error);
/** Where a partition goes on whose position the log does not hold; WEIR_OFFSET_OUT_OF_RANGE: it may not move. */
int weir_consumer_reset(struct weir_consumer *consumer, struct weir_consumer_partition *partition,
                        struct weir_error *error);

/* ---- subscription.c -------------------------------------------------------------------------- */

/** Take up what the group offers, commit if it is time, and find positions that are missing. WEIR_... of the
 * membership once it has ended. */
int weir_consumer_serve_group(struct weir_consumer *consumer, struct weir_error *error);
/** Leave the group; nothing that it assigned is left. Fine without a subscription. */
int weir_consumer_leave_group(struct weir_consumer *consumer, const char *call,
                              struct weir_error *error);
/** A check of the options of a new consumer, and what follows of them. */
int weir_consumer_take_group_options(struct weir_consumer_options *options,
                                     int64_t *reset_position_out, struct weir_error *error);

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

/* ---- consumer_fetch.c ------------------------------------------------------------------------ */

/** Take an event, and do what comes of it; true if it is to be stopped and has to answer first. */
bool weir_consumer_take(struct weir_consumer_partition *partition,
                        struct weir_consumer_event event);
/** Take up the answers that have come. */
void weir_consumer_take_answers(struct weir_consumer *consumer);
/** There are some. For weir_consumer_await, as `context` the consumer. */
bool weir_consumer_has_answers(void *context);
/** Wait until `has_come`, and take up the answers. WEIR_TIMED_OUT at the deadline. */
int weir_consumer_await(struct weir_consumer *consumer, bool (*has_come)(void *context),
                        struct weir_mono deadline, struct weir_error *error);
bool weir_consumer_is_fetching(const struct weir_consumer *consumer);
/** Have no fetch under way, and nothing fetched: of one partition, or of all (NULL). Waits. */
int weir_consumer_stop(struct weir_consumer *consumer, struct weir_consumer_partition *partition,
                       struct weir_error *error);

/* ---- offsets.c ------------------------------------------------------------------------------- */

/** A place in a partition, and the leader epoch of the record before it (-1: not known). */
struct weir_consumer_place {
    int64_t offset;
    int32_t epoch;
};

enum { WEIR_STALE_TRIES_MAX = 10 }; /* with an epoch that the group has left behind */

/** A second at most for another member epoch than `from`: the group may be ahead of this member by a heartbeat that is
 * on its way. WEIR_TIMED_OUT, WEIR_CRASHED. */
int weir_consumer_await_epoch(struct weir_consumer *consumer, int32_t from);
/** The end that this consumer reads to: the last stable offset, or the high watermark; or where the partition begins. Waits. */
int weir_consumer_list_offset(struct weir_consumer *consumer, const char *topic, int32_t partition,
                              int64_t position, const char *call, int64_t *offset_out,
                              struct weir_error *error);
enum { WEIR_STABLE_BACKOFF_MS = 50, WEIR_STABLE_WAIT_MS = 60000 };
/** Commit what is at hand of these, as the member if it is one. `only_moved`: what was not committed yet. */
int weir_consumer_commit_positions(struct weir_consumer *consumer,
                                   struct weir_consumer_partition *const *partitions, size_t count,
                                   bool only_moved, const char *call, struct weir_error *error);
/** What the group has committed for the topic with this id; -1 if nothing. Waits; `is_stable`: also for transactions that
 * are open and have committed it too (WEIR_UNSTABLE_OFFSET_COMMIT after a minute). */
int weir_committed_offset(struct weir_log *log, const char *group, const char *topic,
                          int32_t partition, struct weir_uuid topic_id, bool is_stable,
                          const char *call, struct weir_consumer_place *place_out,
                          struct weir_error *error);
/** Take `place` back to where the log's history parts from it, if it does: the tail that was read has
 * been lost since, and other records may stand there. One line in the log names what is gone. Waits. */
int weir_consumer_check_place(struct weir_consumer *consumer, const char *topic, int32_t partition,
                              const char *call, struct weir_consumer_place *place,
                              struct weir_error *error);

#endif
