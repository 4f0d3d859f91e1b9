#ifndef WEIR_RUNTIME_TASK_TIME_ALIGNMENT_H
#define WEIR_RUNTIME_TASK_TIME_ALIGNMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/env/env.h"

/**
 * Tasks of a process are kept together in event time while they catch up (task.max.time.skew.ms).
 *
 * What one task has read months ahead of another waits in repartition topics and open windows until
 * the other has come there. So a task that has more to read than it has at hand does not take a
 * record that is more than the skew ahead of the last of all such tasks:
 *
 *   task 0_0  catches up    June 3  10:00   takes records up to 10:10 (a skew of ten minutes)
 *   task 0_1  catches up    June 3  10:25   waits until 0_0 has come to 10:15
 *   task 0_2  is at its log's end           neither waits nor holds others back
 *
 * The last of them always goes on, so all do. It is about room and delay, and never about what is
 * right: that is for writer_times.h. A task that has once read to the end of its inputs is out of
 * it until it is a thousand records behind again; else one clock years ahead would keep its
 * partition waiting for as long as anybody has work.
 *
 * Each stream thread has a slot that only it writes: the least time of its tasks that catch up,
 * INT64_MAX for none. One that has nothing to do but wait says so, looks once more, and is sent a
 * message by whoever moves on next.
 */
struct weir_aligned_thread {
    _Atomic int64_t time_ms;
    _Atomic bool is_waiting;
    _Atomic bool is_woken;        /* the message is on its way */
    struct weir_actor *actor;     /* set before any thread runs */
    struct weir_message *message; /* handled there; its handler calls weir_time_alignment_awake */
};

struct weir_time_alignment {
    int64_t skew_ms; /* > 0 */
    struct weir_aligned_thread *threads;
    size_t thread_count;
};

/** All catch up, from the beginning of time. */
void weir_time_alignment_init(struct weir_time_alignment *alignment, int64_t skew_ms,
                              struct weir_aligned_thread *threads, size_t thread_count);
/** Up to this timestamp a task that catches up may take records; INT64_MAX: no limit. */
int64_t weir_time_alignment_limit(const struct weir_time_alignment *alignment);
/** The thread's tasks that catch up are here; those who wait for it are woken. On that thread, as
 * the next two. */
void weir_time_alignment_publish(struct weir_time_alignment *alignment, size_t thread,
                                 int64_t time_ms);
/** It waits from here on, or no longer. Whoever begins to wait looks at the limit once more. */
void weir_time_alignment_wait(struct weir_time_alignment *alignment, size_t thread,
                              bool is_waiting);
void weir_time_alignment_awake(struct weir_time_alignment *alignment, size_t thread);

#endif
