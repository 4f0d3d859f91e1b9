#ifndef WEIR_BROKER_LOG_GLANCE_H
#define WEIR_BROKER_LOG_GLANCE_H

#include "base/env/env.h"

/**
 * What the folder of a partition says of it without its being opened: for a worker, and for
 * partitions that nobody uses. Of one that is being written it is a moment's guess.
 */
struct weir_log_glance {
    int32_t segment_count;
    int64_t size_bytes; /* of the records' files */
    /* Of the newest record and of the last append, by the durable mark; -1: there is none, or it is
     * not known. */
    int64_t max_timestamp_ms;
    int64_t last_append_ms;
    bool is_empty; /* certainly without records */
};

/** Errors: WEIR_NOT_FOUND (never written), WEIR_IO, WEIR_PERMISSION. Any thread that may block. */
int weir_log_glance(struct weir_env *env, const char *path, struct weir_log_glance *glance_out,
                    struct weir_error *error);

/** The same with the newest times, which costs reading the durable mark. */
int weir_log_glance_newest(struct weir_env *env, struct weir_budget *budget, const char *path,
                           struct weir_log_glance *glance_out, struct weir_error *error);

#endif
