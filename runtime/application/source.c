#include "runtime/application/source.h"

#include "base/error.h"

/* A request to a log of this process, sent and waited for. */

enum { READ_SIZE = 1 << 20 };

#define ASK(log, send, asked, error)                                                               \
    (weir_request_wait_begin((log)->env, &(asked)->request, error) < 0                             \
         ? (int)WEIR_WRONG_THREAD                                                                  \
         : (send(log, asked), weir_request_wait((log)->env, &(asked)->request, error)))

static int ask_committed(void *impl, struct weir_committed_request *request,
                         struct weir_error *error)
{
    struct weir_log *log = impl;
    return ASK(log, weir_log_committed, request, error);
}

static int ask_topic(void *impl, struct weir_topic_request *request, struct weir_error *error)
{
    struct weir_log *log = impl;
    return ASK(log, weir_log_topic, request, error);
}

static int ask_partition(void *impl, struct weir_describe_partition_request *request,
                         struct weir_error *error)
{
    struct weir_log *log = impl;
    return ASK(log, weir_log_describe_partition, request, error);
}

static int ask_epoch_end(void *impl, struct weir_epoch_end_request *request,
                         struct weir_error *error)
{
    struct weir_log *log = impl;
    return ASK(log, weir_log_epoch_end, request, error);
}

static int fetch(void *impl, struct weir_topic_partition from, int64_t offset,
                 struct weir_buffer *to, struct weir_error *error)
{
    struct weir_log *log = impl;
    struct weir_fetch_request request = {
        .from = from,
        .offset = offset,
        .size_max = READ_SIZE,
        .deadline = WEIR_MONO_NEVER,
        .read_uncommitted_end = true,
    };
    int rc = ASK(log, weir_log_fetch, &request, error);
    if (rc < 0) return rc;
    for (size_t i = 0; i < request.batches.part_count; i++) {
        struct weir_slice bytes = weir_log_part_bytes(&request.batches.parts[i]);
        weir_buffer_append(to, bytes.data, bytes.size);
    }
    weir_log_batches_release(&request.batches);
    return to->failed ? weir_error_set(error, WEIR_NO_MEMORY, "no memory for what was read") : 0;
}

static const struct weir_app_source_ops log_source = {
    .committed = ask_committed,
    .topic = ask_topic,
    .partition = ask_partition,
    .epoch_end = ask_epoch_end,
    .fetch = fetch,
};

struct weir_app_source weir_app_source_of(struct weir_log *log)
{
    return (struct weir_app_source){&log_source, log};
}
