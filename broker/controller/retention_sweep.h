#ifndef WEIR_BROKER_CONTROLLER_RETENTION_SWEEP_H
#define WEIR_BROKER_CONTROLLER_RETENTION_SWEEP_H

#include "broker/broker.h"
#include "wire/topic_names.h"

struct weir_engine;
struct weir_metadata_image;

/**
 * Retention for partitions that nobody has used since the start. Open ones are looked after by their
 * shards; one that is not open does not change, so a worker looks into its folder, and only where
 * something might go the partition is opened, which makes it its shard's from then on: where there is
 * more than one segment, or where the newest record of the only one has expired. A few folders at a
 * time, with a pause between, until all topics with an end to their retention are through; then again
 * when the first of what was young is old, or when a topic is given an end later.
 *
 *     idle ──deadline──> looking (worker) ──> visiting (shards) ──pause──> looking … ──> idle
 *
 * Thread: shard 0's.
 */
enum { WEIR_SWEEP_COUNT_MAX = 16, WEIR_SWEEP_PAUSE_MS = 1000, WEIR_SWEEP_REST_MS_MAX = 86400000 };

struct weir_sweep_place {
    struct weir_request request; /* the visit; first */
    struct weir_retention_sweep *sweep;
    char topic[WEIR_TOPIC_NAME_SIZE_MAX + 1];
    int32_t partition;
    int64_t retention_ms; /* of a segment that is alone; -1: it stays */
    enum weir_retention_by retention_by;
    bool is_visited;    /* given by the worker */
    int64_t expires_ms; /* by the wall clock, if it is not visited; INT64_MAX: never */
};

struct weir_retention_sweep {
    struct weir_work work; /* first */
    struct weir_engine *engine;
    const struct weir_metadata_image *image;
    struct weir_mono next_at; /* NEVER: through, or under way */
    bool is_under_way;
    bool begins_again;         /* asked for while it was under way */
    struct weir_uuid topic_id; /* the last one looked at; zero: none yet */
    int32_t partition;         /* its next one */
    struct weir_sweep_place places[WEIR_SWEEP_COUNT_MAX];
    size_t place_count;
    size_t visits;      /* out with shards */
    int64_t expires_ms; /* the first of what this pass found to be young */
};

/** The first pass begins after a check interval. Borrows both. */
void weir_retention_sweep_init(struct weir_retention_sweep *sweep, struct weir_engine *engine,
                               const struct weir_metadata_image *image);
/** Have all topics looked at once more. */
void weir_retention_sweep_again(struct weir_retention_sweep *sweep);
/** A step, if it is time for one; how much was done. */
int weir_retention_sweep_run(struct weir_retention_sweep *sweep, struct weir_mono now);

#endif
