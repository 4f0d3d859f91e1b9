#ifndef WEIR_RUNTIME_TASK_RESTORE_H
#define WEIR_RUNTIME_TASK_RESTORE_H

#include "client/client.h"
#include "runtime/task/task.h"

/**
 * Bringing one store up to the last commit.
 *
 * The backend says how far it is: {topic id, leader epoch, offset}. Where that lies within what is
 * committed, only the tail of the changelog is read; a position of another topic, of a later epoch
 * or beyond the committed end means that the log is not the one the store was written with: it is
 * cleared and read from the start. So is one of an epoch that ended below the position: a table's
 * own topic may have lost its tail with the power, and other records have taken the offsets. The
 * log is asked where an older epoch ended before the first fetch.
 *
 * Compaction takes the tombstones of a topic that serves as a table's changelog, delete.retention.ms after it has met
 * them. A store that may have missed one would keep the row for ever: it is cleared and read from the start where
 * compaction has been beyond its position, and the last time at which it had seen all is longer ago than that, or not
 * known, or in the future (a clock that was put back). Of a log that cannot say where compaction has been it is
 * assumed to have been everywhere.
 *
 * A changelog that a repair has given records up of is still a changelog for a store that is beyond them.
 * One that is not would lack their rows, and is refused (WEIR_MISMATCH).
 */
struct weir_restore {
    struct weir_fetch_request fetch;
    void *context; /* the caller's */
    struct weir_task *task;
    struct weir_store *store;
    const struct weir_plan_node
        *source; /* reads the topic that serves as changelog; NULL: it is one */
    struct weir_input_queue queue;
    struct weir_changelog_position position; /* topic id and epoch to be stamped; offset: reached */
    int64_t log_start;
    int64_t end;                         /* exclusive */
    int64_t lost_end;                    /* what is read from below it lacks records */
    struct weir_epoch_end_request epoch; /* of the position that the store came with */
    bool is_in_doubt;                    /* the epoch has to be asked for */
    bool is_undecided;                   /* the log is not known to be stable up to the end */
    bool has_taken;                      /* something that is not all applied */
    bool is_at_end;                      /* nothing came, and nothing will */
    bool is_outstanding;
    bool is_done;
};

struct weir_restore_source {
    struct weir_topic_partition partition;
    struct weir_uuid topic_id;
    int32_t leader_epoch;
    int64_t log_start;
    int64_t log_end;
    int64_t compacted_end; /* nothing from there on was compacted; INT64_MAX: not known */
    bool keeps_tombstones; /* for ever */
    int64_t delete_retention_ms;
    int64_t end;      /* what is committed */
    int64_t lost_end; /* where the last records end that a repair has given up; 0: none */
};

/** Whether a tombstone that the store has yet to see may be gone. Pure. */
bool weir_restore_may_lack_tombstones(const struct weir_changelog_position *position,
                                      const struct weir_restore_source *source,
                                      struct weir_wall now);
/** Compare positions and decide from where; clears the store if need be. WEIR_MISMATCH: records are lost that it
 * would need. */
int weir_restore_init(struct weir_restore *restore, struct weir_task *task,
                      struct weir_store *store, const struct weir_restore_source *source,
                      struct weir_error *error);
void weir_restore_close(struct weir_restore *restore);
/** Send the next request, a fetch of up to `size_max` bytes or the question for the epoch, unless one is under way,
 * what came is not yet applied or all is read. True if one was sent; the restore is the context that `done` finds,
 * `context` is in it. */
bool weir_restore_fetch(struct weir_restore *restore, struct weir_log *log, size_t size_max,
                        struct weir_actor *reply_to, void (*done)(struct weir_request *request),
                        void *context);
/** Nobody wants what the fetch brought. */
void weir_restore_drop(struct weir_restore *restore);
/** The request is answered: take what it brought. */
int weir_restore_take(struct weir_restore *restore, struct weir_error *error);
/** Apply up to so many records of that: how many. */
int weir_restore_apply(struct weir_restore *restore, size_t records_max, struct weir_error *error);
/** So many offsets are still to be read. */
int64_t weir_restore_left(const struct weir_restore *restore);

#endif
