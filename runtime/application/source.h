#ifndef WEIR_RUNTIME_APPLICATION_SOURCE_H
#define WEIR_RUNTIME_APPLICATION_SOURCE_H

#include "base/buffer.h"
#include "client/client.h"

/**
 * Who is asked about an application: a log of this process, or a server somewhere (cli/app_source.c). Each call
 * waits for its answer. The requests are those of wire/request/log_requests.h, in what they are asked and given;
 * of fields that a server does not show stands what says that it is not known.
 */
struct weir_app_source_ops {
    /** All offsets of a group, in the request's arena. `is_application` false where it is not known. */
    int (*committed)(void *impl, struct weir_committed_request *request, struct weir_error *error);
    /** WEIR_TOPIC_DESCRIBE. WEIR_UNKNOWN_TOPIC_OR_PARTITION. */
    int (*topic)(void *impl, struct weir_topic_request *request, struct weir_error *error);
    int (*partition)(void *impl, struct weir_describe_partition_request *request,
                     struct weir_error *error);
    /** WEIR_UNSUPPORTED: nobody says. */
    int (*epoch_end)(void *impl, struct weir_epoch_end_request *request, struct weir_error *error);
    /** Whole batches from the one that holds `offset` on, appended. */
    int (*fetch)(void *impl, struct weir_topic_partition from, int64_t offset,
                 struct weir_buffer *to, struct weir_error *error);
};

struct weir_app_source {
    const struct weir_app_source_ops *ops;
    void *impl;
};

/** A log of this process. Thread: one that may block. */
struct weir_app_source weir_app_source_of(struct weir_log *log);

#endif
