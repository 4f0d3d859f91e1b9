#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "runtime/job/streams_internal.h"

/** What a job can be started with: what is refused is named, with its value and what would be right. */
enum { APPLICATION_ID_SIZE_MAX = 100, STREAM_THREADS_MAX = 1024 };

static int check_application_id(const char *id, struct weir_error *error)
{
    size_t size = id != NULL ? strlen(id) : 0;
    if (size == 0 || size > APPLICATION_ID_SIZE_MAX) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "application_id has %zu characters: 1 to %d", size,
                              APPLICATION_ID_SIZE_MAX);
    }
    for (size_t i = 0; i < size; i++) {
        bool is_legal = (id[i] >= 'a' && id[i] <= 'z') || (id[i] >= 'A' && id[i] <= 'Z') ||
                        (id[i] >= '0' && id[i] <= '9') || id[i] == '-' || id[i] == '_' ||
                        (id[i] == '.' && i > 0);
        if (!is_legal) {
            return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                                  "application_id '%s': letters, digits, '.', '_' and '-' only",
                                  id);
        }
    }
    return 0;
}

/* Any other value would count as one that goes on without the record. */
static int check_on_error(const char *name, enum weir_on_error value, struct weir_error *error)
{
    if ((int)value >= WEIR_ON_ERROR_FAIL && value <= WEIR_ON_ERROR_DEAD_LETTER) return 0;
    return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                          "%s is %d: WEIR_ON_ERROR_FAIL, WEIR_ON_ERROR_SKIP or "
                          "WEIR_ON_ERROR_DEAD_LETTER",
                          name, (int)value);
}

static int check_on_errors(const struct weir_streams_options *options, struct weir_error *error)
{
    int rc = check_on_error("on_deserialization_error", options->on_deserialization_error, error);
    if (rc == 0) rc = check_on_error("on_processing_error", options->on_processing_error, error);
    if (rc == 0) rc = check_on_error("on_production_error", options->on_production_error, error);
    return rc;
}

static int check_threads(const struct weir_streams_options *options, struct weir_error *error)
{
    if (options->num_stream_threads < 0 || options->num_stream_threads > STREAM_THREADS_MAX) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "num_stream_threads is %" PRId32
                              ": 1 to %d, or 0 for one per core that the process may run on",
                              options->num_stream_threads, STREAM_THREADS_MAX);
    }
    if (options->commit_interval_ms < 0 || options->commit_interval_ms > INT32_MAX) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "commit_interval_ms is %" PRId64 ": milliseconds up to %" PRId32
                              ", 0 for the default",
                              options->commit_interval_ms, INT32_MAX);
    }
    return 0;
}

int weir_streams_check_options(const struct weir_streams_options *options, struct weir_error *error)
{
    int rc = check_application_id(options->application_id, error);
    if (rc == 0) rc = check_on_errors(options, error);
    if (rc == 0) rc = check_threads(options, error);
    if (rc < 0) return rc;
    if (weir_streams_writes_letters(options) && options->dead_letter_topic == NULL) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "%s needs dead_letter_topic",
                              options->on_timestamp_after_max == WEIR_TIMESTAMP_DEAD_LETTER
                                  ? "WEIR_TIMESTAMP_DEAD_LETTER"
                                  : "WEIR_ON_ERROR_DEAD_LETTER");
    }
    if (options->timestamp_after_max_ms < 0 ||
        (int)options->on_timestamp_after_max < WEIR_TIMESTAMP_SKIP ||
        options->on_timestamp_after_max > WEIR_TIMESTAMP_DEAD_LETTER) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "timestamp_after_max_ms is %" PRId64
                              ", on_timestamp_after_max %d: milliseconds or 0, and one of the "
                              "WEIR_TIMESTAMP_ values",
                              options->timestamp_after_max_ms,
                              (int)options->on_timestamp_after_max);
    }
    if ((int)options->on_mismatch < WEIR_ON_MISMATCH_REFUSE ||
        options->on_mismatch > WEIR_ON_MISMATCH_LOSSY_REBUILD) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "on_mismatch is %d: one of the WEIR_ON_MISMATCH_ values",
                              (int)options->on_mismatch);
    }
    if ((int)options->processing_guarantee < WEIR_EXACTLY_ONCE ||
        options->processing_guarantee > WEIR_AT_LEAST_ONCE) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "processing_guarantee is %d: WEIR_EXACTLY_ONCE or WEIR_AT_LEAST_ONCE",
                              (int)options->processing_guarantee);
    }
    if ((int)options->repartition_isolation_level < WEIR_REPARTITION_READ_UNCOMMITTED ||
        options->repartition_isolation_level > WEIR_REPARTITION_READ_COMMITTED) {
        return weir_error_set(
            error, WEIR_INVALID_ARGUMENT,
            "repartition_isolation_level is %d: one of the WEIR_REPARTITION_READ_ "
            "values",
            (int)options->repartition_isolation_level);
    }
    if (options->transaction_timeout_ms < 0 || options->transaction_timeout_ms > INT32_MAX) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "transaction_timeout_ms is %" PRId64 ": milliseconds up to %" PRId32
                              ", 0 for the default",
                              options->transaction_timeout_ms, INT32_MAX);
    }
    if (options->task_max_time_skew_ms < WEIR_TIME_SKEW_OFF) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "task_max_time_skew_ms is %" PRId64
                              ": milliseconds, 0 for the default or WEIR_TIME_SKEW_OFF",
                              options->task_max_time_skew_ms);
    }
    if (options->idle_close_ms < 0) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "idle_close_ms is %" PRId64 ": milliseconds, or 0 for never",
                              options->idle_close_ms);
    }
    if (options->window_emit_interval_ms < WEIR_EMIT_AT_ONCE) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "window_emit_interval_ms is %" PRId64
                              ": 0 for 1000, or WEIR_EMIT_AT_ONCE",
                              options->window_emit_interval_ms);
    }
    if (options->state_memory_max_bytes < 0) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "state_memory_max_bytes is %" PRId64 ": bytes, or 0 for the default",
                              options->state_memory_max_bytes);
    }
    if (options->cache_max_bytes < WEIR_CACHE_OFF) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "cache_max_bytes is %" PRId64
                              ": bytes, 0 for the default or WEIR_CACHE_OFF",
                              options->cache_max_bytes);
    }
    return 0;
}
