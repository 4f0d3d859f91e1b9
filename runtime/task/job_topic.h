#ifndef WEIR_RUNTIME_TASK_JOB_TOPIC_H
#define WEIR_RUNTIME_TASK_JOB_TOPIC_H

#include <stdbool.h>
#include <stdint.h>

#include "weir/types.h"

/**
 * A topic as a job found or made it. Filled in while the job starts, immutable afterwards, shared
 * by all its threads. The job's table: the topology's topics by their index, then one changelog per
 * store (empty name: the store has none of its own), then the dead-letter topic and that of late records. These two have a
 * place of their own only where the topology does not have the topic already: a topic has one place.
 */
enum { WEIR_JOB_TOPICS_BEHIND = 2 };

struct weir_job_topic {
    const char *name; /* in full; NULL: no such topic */
    struct weir_uuid id;
    int32_t partition_count;
    bool is_internal;   /* repartition or changelog: the job is its only writer */
    bool keys_required; /* compacted */
    bool decides_time;  /* stream time decides something behind it */
    bool is_timed;      /* its writers say how far they are in time (time_state.h) */
    bool bounds_time;   /* and may be apart: stream time behind it is the least of theirs */
    int64_t max_message_bytes;
    int64_t delete_retention_ms; /* how long compaction leaves a tombstone for readers to see */
    /* message.timestamp.before.max.ms and after.max.ms; 0: the log does not look */
    int64_t before_max_ms;
    int64_t after_max_ms;
};

#endif
