#ifndef WEIR_RUNTIME_JOB_COMMIT_GROUPS_H
#define WEIR_RUNTIME_JOB_COMMIT_GROUPS_H

#include "base/arena.h"
#include "runtime/topology/plan.h"

/**
 * Which stream threads of a job commit together. A *commit group* is a set of threads that share one transaction; each
 * group commits on its own, so that a function which takes its time on one thread holds up its group alone.
 *
 * Where repartition topics are read uncommitted a reader may have what its writer will abort: its commit must not become
 * durable without the writer's. So who writes a repartition topic and who reads it are in one group. Where they are read
 * committed nobody is linked with anybody, and each thread is a group.
 *
 *     read_uncommitted    { t0 ══repartition══> t1 }   { t2 }        a hop costs nothing
 *     read_committed      { t0 } ──committed──> { t1 }  { t2 }       a hop costs a commit
 *
 * Pure.
 */
struct weir_commit_groups {
    size_t *of_thread; /* by thread: its group's number */
    size_t count;
};

/** Tasks go round the threads, in order of sub-topology and partition. */
size_t weir_thread_of_task(size_t task_number, size_t thread_count);

/** `task_counts` by sub-topology; at least one thread. In `arena`. WEIR_NO_MEMORY. */
int weir_commit_groups_find(const struct weir_topology *topology, const int32_t *task_counts,
                            size_t thread_count, bool reads_uncommitted, struct weir_arena *arena,
                            struct weir_commit_groups *groups_out);

#endif
