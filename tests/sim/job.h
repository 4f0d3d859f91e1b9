#ifndef WEIR_TESTS_SIM_JOB_H
#define WEIR_TESTS_SIM_JOB_H

#include "tests/sim/clients.h"
#include "weir/streams.h"

/**
 * The job under test, made with the public builder. Each part may be there or not:
 *
 *   events ─┬─ filter ─┬─> filtered
 *           │          └─ group by another key (repartition) ── count ─────────> counts
 *           ├─ by key, in windows with grace ── count ─────────────────────────> windows
 *           ├─ by key, uncached ── fold (order matters) ───────────────────────> folds
 *           ├─ a processor: a store, and a timer on stream time that counts itself in it
 *           ├─ by key, in hopping windows ── count ── suppress until they close > closed
 *           └─ join with clicks, within a window ──────────────────────────────> met
 *   clicks ─┬─ join with the table rows ───────────────────────────────────────> joined
 *           └─ join with what it was, with grace ──────────────────────────────> graced
 */
enum job_part {
    JOB_COUNTS = 1,
    JOB_WINDOWS = 2,
    JOB_FOLDS = 4,
    JOB_SEEN = 8,
    JOB_JOINED = 16,
    JOB_GRACED = 32,
    JOB_CLOSED = 64,
    JOB_MET = 128,
    JOB_ALL = 255,
};

enum {
    JOB_WINDOW_MS = 100,
    JOB_GRACE_MS = 60,
    JOB_ADVANCE_MS = 40, /* of hopping windows */
    JOB_WITHIN_MS = 20,  /* of the join */
    JOB_TIMER_MS = 50,
    JOB_JOIN_GRACE_MS = 40,
    JOB_HISTORY_MS = 1 << 30, /* all there is */
    JOB_GROUPS = 5,
    JOB_KEYS = 4, /* per partition */
};

struct job_shape {
    unsigned parts;
    int32_t partition_count;
    enum weir_store_kind store;
    bool is_uncached;
    bool is_at_least_once; /* its outputs may repeat */
};

#define JOB_APPLICATION "sim"

/** NULL and an anomaly if it does not build. */
struct weir_topology *job_topology(struct simulation *simulation, const struct job_shape *shape);

/* What the job's functions compute, for the batch answer. */
bool job_is_kept(int64_t value);
int job_group(int64_t value);
int64_t job_fold(int64_t aggregate, int64_t value);
int64_t job_join(int64_t click, int64_t row);
/* Shape of a value. */
int64_t job_timestamp_ms(int64_t value);
size_t job_key(int64_t value, int32_t partition, char key[16]);

/** A job on the log, started again whenever it has gone; a client of the simulation. */
struct job;
struct job *job_new(struct simulation *simulation, const struct weir_topology *topology,
                    const struct job_shape *shape);
/** As drawn; what is changed holds from the next start on. */
struct weir_streams_options *job_options(struct job *job);
/** A job that is held is not started again; one that runs goes on. */
void job_hold(struct job *job, bool is_held);
/** From now on it is not started again, and stopped if it runs; or it is. */
void job_rest(struct job *job, bool is_resting);
/** NULL: it does not run. */
struct weir_streams *job_streams(const struct job *job);
/** Everything that is in the input topics is processed and committed; false and an anomaly if not. */
bool job_drain(struct job *job);
/** Commit and stop; false if the node died or the job cannot. */
bool job_stop(struct job *job);

/** Read inputs, outputs and changelogs, compute the answer in one go, and compare. */
void job_check(struct simulation *simulation, const struct job_shape *shape);

#endif
