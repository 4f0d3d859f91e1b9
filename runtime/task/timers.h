#ifndef WEIR_RUNTIME_TASK_TIMERS_H
#define WEIR_RUNTIME_TASK_TIMERS_H

#include "runtime/task/node.h"

/**
 * The timers of one task.
 *
 * A stream-time timer ticks at multiples of its interval, the first tick is due with the first
 * record; a wall-clock timer ticks one interval after it was made and every interval from there.
 * Missed ticks are skipped: the next is the first on the grid after now (STREAMS.md T3). How far a
 * stream-time timer got is state: it travels in the commit as a mark of its node.
 */
struct weir_timer {
    struct weir_node *node;
    int32_t id; /* of the node's timers, in order of their making */
    enum weir_punctuation type;
    int64_t interval_ms;
    int64_t next_ms; /* INT64_MAX: never again */
    weir_timer_fn fire;
    void *context;
};

/** A time that is a node's state: written with each commit and given back after a restart. */
struct weir_node_mark {
    const char *node; /* its mark_name */
    int32_t id;       /* a stream-time timer: when it ticks next; or one of the following */
    int64_t time_ms;
};
enum {
    WEIR_MARK_OBSERVED = -1, /* observed_ms */
    WEIR_MARK_SEEN = -2,     /* seen_ms, where that is larger */
    WEIR_MARK_STREAM =
        -3, /* of WEIR_MARK_TASK: its stream time, where partition times do not say it */
    WEIR_MARK_EMITTED = -4, /* emitted_ms */
    WEIR_MARK_NUMBER = -8,  /* number */
};
/** What was dropped as late (struct weir_late), where something was. */
enum { WEIR_MARK_LATE = -5, WEIR_MARK_LATE_MAX = -6, WEIR_MARK_GRACE_ENOUGH = -7 };
/** What the task itself is called among its nodes. */
#define WEIR_MARK_TASK "task"

struct weir_timers {
    struct weir_budget *budget;
    struct weir_timer *timers;
    size_t count;
    size_t capacity;
    int64_t next_stream_ms; /* smallest due time of each kind; INT64_MAX: none */
    int64_t next_wall_ms;
    const struct weir_node_mark *marks; /* of the last commit; borrowed until all timers are made */
    size_t mark_count;
};

void weir_timers_init(struct weir_timers *timers, struct weir_budget *budget);
void weir_timers_close(struct weir_timers *timers);
/** WEIR_INVALID_ARGUMENT (interval under 1), WEIR_NO_MEMORY. */
int weir_timers_add(struct weir_timers *timers, struct weir_timer timer, int64_t wall_now_ms);
/** Fire what is due at `now_ms`, the longest due first, in order of making where that is the same; how
 * many fired, or a negative code of one. */
int weir_timers_run(struct weir_timers *timers, enum weir_punctuation type, int64_t now_ms);

#endif
