#ifndef WEIR_CLIENT_CLIENT_H
#define WEIR_CLIENT_CLIENT_H

#include "client/log_ops.h"
#include "weir/log.h"

struct weir_embedded; /* client/embedded/embedded.h */

/**
 * What the runtime sees of a log: the environment and the asynchronous requests, whoever answers them.
 * (The public calls of weir/log.h are these requests, waited for.)
 */
struct weir_log {
    uint32_t magic;
    struct weir_env *env;
    bool owns_env; /* made by weir_open */
    const struct weir_log_ops *ops;
    void *impl;                     /* who answers */
    struct weir_embedded *embedded; /* the same, if it is the engine in this process; else NULL */
    struct weir_logger logger;
    char *directory;
    struct weir_budget budget;  /* "client": what producers and consumers hold */
    bool auto_create_topics;    /* of a topic that is produced to */
    _Atomic int producer_count; /* open handles: weir_close refuses while there are any */
    _Atomic int consumer_count;
    _Atomic int job_count; /* counted by the runtime */
};

/** Open on an environment of the caller's: the simulator, or one shared by several logs. In the
 * simulator also from inside an event. Freed by weir_close, the environment stays. */
int weir_log_open_in(struct weir_env *env, const char *directory,
                     const struct weir_log_options *options, struct weir_log **log_out,
                     struct weir_error *error);

/* ---- requests, as log_ops.h says what they do ------------------------------------------------ */

static inline void weir_log_produce(struct weir_log *log, struct weir_produce_request *request)
{
    log->ops->produce(log->impl, request);
}
static inline void weir_log_fetch(struct weir_log *log, struct weir_fetch_request *request)
{
    log->ops->fetch(log->impl, request);
}
static inline void weir_log_cancel_fetch(struct weir_log *log, struct weir_fetch_request *request)
{
    log->ops->cancel_fetch(log->impl, request);
}
static inline void weir_log_report_damage(struct weir_log *log, struct weir_damage_report *request)
{
    log->ops->report_damage(log->impl, request);
}
static inline void weir_log_list_offsets(struct weir_log *log,
                                         struct weir_list_offsets_request *request)
{
    log->ops->list_offsets(log->impl, request);
}
static inline void weir_log_epoch_end(struct weir_log *log, struct weir_epoch_end_request *request)
{
    log->ops->epoch_end(log->impl, request);
}
static inline void weir_log_describe_partition(struct weir_log *log,
                                               struct weir_describe_partition_request *request)
{
    log->ops->describe_partition(log->impl, request);
}
static inline void weir_log_cut(struct weir_log *log, struct weir_cut_request *request)
{
    log->ops->cut(log->impl, request);
}
static inline void weir_log_topic(struct weir_log *log, struct weir_topic_request *request)
{
    log->ops->topic(log->impl, request);
}
static inline void weir_log_list_topics(struct weir_log *log,
                                        struct weir_list_topics_request *request)
{
    log->ops->list_topics(log->impl, request);
}
static inline void weir_log_init_producer(struct weir_log *log,
                                          struct weir_init_producer_request *request)
{
    log->ops->init_producer(log->impl, request);
}
static inline void weir_log_init_transactions(struct weir_log *log,
                                              struct weir_init_transactions_request *request)
{
    log->ops->init_transactions(log->impl, request);
}
static inline void weir_log_add_partitions(struct weir_log *log,
                                           struct weir_add_partitions_request *request)
{
    log->ops->add_partitions(log->impl, request);
}
static inline void weir_log_end_transaction(struct weir_log *log,
                                            struct weir_end_transaction_request *request)
{
    log->ops->end_transaction(log->impl, request);
}
static inline void weir_log_describe_transaction(struct weir_log *log,
                                                 struct weir_describe_transaction_request *request)
{
    log->ops->describe_transaction(log->impl, request);
}
static inline void weir_log_list_transactions(struct weir_log *log,
                                              struct weir_list_transactions_request *request)
{
    log->ops->list_transactions(log->impl, request);
}
static inline void weir_log_describe_producers(struct weir_log *log,
                                               struct weir_describe_producers_request *request)
{
    log->ops->describe_producers(log->impl, request);
}
static inline void weir_log_write_marker(struct weir_log *log,
                                         struct weir_write_marker_request *request)
{
    log->ops->write_marker(log->impl, request);
}
static inline void weir_log_commit_offsets(struct weir_log *log,
                                           struct weir_commit_request *request)
{
    log->ops->commit_offsets(log->impl, request);
}
static inline void weir_log_committed(struct weir_log *log, struct weir_committed_request *request)
{
    log->ops->committed(log->impl, request);
}
static inline void weir_log_consumer_heartbeat(struct weir_log *log,
                                               struct weir_consumer_heartbeat_request *request)
{
    log->ops->consumer_heartbeat(log->impl, request);
}
static inline void weir_log_list_groups(struct weir_log *log,
                                        struct weir_list_groups_request *request)
{
    log->ops->list_groups(log->impl, request);
}
static inline void weir_log_describe_group(struct weir_log *log,
                                           struct weir_describe_group_request *request)
{
    log->ops->describe_group(log->impl, request);
}
static inline void weir_log_delete_group(struct weir_log *log,
                                         struct weir_delete_group_request *request)
{
    log->ops->delete_group(log->impl, request);
}
static inline void weir_log_delete_offsets(struct weir_log *log,
                                           struct weir_delete_offsets_request *request)
{
    log->ops->delete_offsets(log->impl, request);
}
static inline const struct weir_topic_defaults *weir_log_topic_defaults(struct weir_log *log)
{
    return log->ops->topic_defaults(log->impl);
}
static inline int weir_log_claim_group(struct weir_log *log, struct weir_slice group,
                                       struct weir_group_claim *claim, struct weir_error *error)
{
    return log->ops->claim_group(log->impl, group, claim, error);
}
static inline void weir_log_release_group(struct weir_log *log, struct weir_group_claim *claim)
{
    log->ops->release_group(log->impl, claim);
}

#endif
