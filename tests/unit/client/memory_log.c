#include "tests/unit/client/memory_log.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "broker/log/topic_config.h"
#include "client/client_internal.h"
#include "tests/unit/client/memory_log_internal.h"

static struct memory_log *memory_of(const struct weir_log *log)
{
    ck_assert_str_eq(log->ops->name, "memory");
    return log->impl;
}

/* ---- the table ------------------------------------------------------------------------------- */

static void send(void *impl, struct weir_request *request,
                 void (*arrives)(struct weir_message *message))
{
    struct memory_log *memory = impl;
    request->answerer = memory;
    request->message.handle = arrives;
    weir_actor_post(memory->actor, &request->message);
}

/* A request goes through the mailbox to its handler. */
#define OPERATION(name, type)                                                                      \
    static void name##_arrives(struct weir_message *message)                                       \
    {                                                                                              \
        struct weir_request *request = (struct weir_request *)message;                             \
        memory_handle_##name(request->answerer, request);                                          \
    }                                                                                              \
    static void name(void *impl, struct weir_##type *request)                                      \
    {                                                                                              \
        send(impl, &request->request, name##_arrives);                                             \
    }
OPERATION(produce, produce_request)
OPERATION(list_offsets, list_offsets_request)
OPERATION(epoch_end, epoch_end_request)
OPERATION(describe, describe_partition_request)
OPERATION(cut, cut_request)
OPERATION(topic, topic_request)
OPERATION(list_topics, list_topics_request)
OPERATION(init_producer, init_producer_request)
OPERATION(commit, commit_request)
OPERATION(list_transactions, list_transactions_request)
OPERATION(describe_producers, describe_producers_request)
OPERATION(write_marker, write_marker_request)
OPERATION(committed, committed_request)
OPERATION(report_damage, damage_report)
OPERATION(fetch, fetch_request)
#define GROUP_OPERATION(name)                                                                      \
    static void name##_arrives(struct weir_message *message)                                       \
    {                                                                                              \
        struct weir_request *request = (struct weir_request *)message;                             \
        memory_handle_##name(request->answerer, request);                                          \
    }                                                                                              \
    static void name(void *impl, struct weir_##name##_request *request)                            \
    {                                                                                              \
        send(impl, &request->base.request, name##_arrives);                                        \
    }
GROUP_OPERATION(consumer_heartbeat)
GROUP_OPERATION(list_groups)
GROUP_OPERATION(describe_group)
GROUP_OPERATION(delete_group)
GROUP_OPERATION(delete_offsets)
GROUP_OPERATION(init_transactions)
GROUP_OPERATION(add_partitions)
GROUP_OPERATION(end_transaction)
GROUP_OPERATION(describe_transaction)

static void fetch_anew(void *impl, struct weir_fetch_request *request)
{
    request->batches.part_count = 0;
    request->size = 0;
    request->diverging_epoch = request->leader_epoch = -1;
    request->high_watermark = request->log_start_offset = request->log_end_offset = -1;
    fetch(impl, request);
}

static const struct weir_topic_defaults *topic_defaults(void *impl)
{
    return &((const struct memory_log *)impl)->defaults;
}

static int close_memory(void *impl, struct weir_error *error)
{
    (void)error;
    struct memory_log *memory = impl;
    weir_actor_stop(memory->actor);
    for (size_t i = 0; i < MEMORY_TOPICS_MAX; i++) {
        memory_clear_topic(&memory->topics[i]);
    }
    free(memory);
    return 0;
}

static const struct weir_log_ops memory_ops = {
    .name = "memory",
    .produce = produce,
    .fetch = fetch_anew,
    .cancel_fetch = memory_cancel_fetch,
    .report_damage = report_damage,
    .list_offsets = list_offsets,
    .epoch_end = epoch_end,
    .describe_partition = describe,
    .cut = cut,
    .topic = topic,
    .list_topics = list_topics,
    .topic_defaults = topic_defaults,
    .init_producer = init_producer,
    .init_transactions = init_transactions,
    .add_partitions = add_partitions,
    .end_transaction = end_transaction,
    .describe_transaction = describe_transaction,
    .list_transactions = list_transactions,
    .describe_producers = describe_producers,
    .write_marker = write_marker,
    .commit_offsets = commit,
    .committed = committed,
    .consumer_heartbeat = consumer_heartbeat,
    .list_groups = list_groups,
    .describe_group = describe_group,
    .delete_group = delete_group,
    .delete_offsets = delete_offsets,
    .claim_group = memory_claim_group,
    .release_group = memory_release_group,
    .close = close_memory,
};

/* ---- what a test sees ------------------------------------------------------------------------ */

static int rest(void *impl)
{
    (void)impl;
    return 0;
}

struct weir_log *memory_log_open(struct weir_env *env, const char *directory)
{
    struct weir_error error;
    struct memory_log *memory = calloc(1, sizeof *memory);
    struct weir_log *log = weir_alloc_zero(env->budget, sizeof *log);
    ck_assert(memory != NULL && log != NULL);
    memory->env = env;
    memory->defaults = (struct weir_topic_defaults){1, weir_topic_config_default()};
    const struct weir_actor_options options = {.name = "memory log", .run_once = rest};
    ck_assert_int_eq(weir_actor_start(env, &options, &memory->actor, &error), 0);
    log->env = env;
    log->ops = &memory_ops;
    log->impl = memory;
    log->directory = weir_alloc_text(env->budget, directory, strlen(directory));
    log->auto_create_topics = true;
    log->magic = WEIR_LOG_MAGIC;
    weir_budget_init(&log->budget, "client", env->heap, env->budget, 0);
    (void)weir_make_directory(env, directory, NULL);
    return log;
}

struct memory_log_faults *memory_log_faults(struct weir_log *log)
{
    return &memory_of(log)->faults;
}

int memory_log_answered(const struct weir_log *log, enum memory_kind kind)
{
    return memory_of(log)->answered[kind];
}

static int length(const struct weir_fetch_request *line)
{
    int count = 0;
    for (; line != NULL; line = line->next) {
        count++;
    }
    return count;
}

int memory_log_ended(const struct weir_log *log, bool is_commit)
{
    return memory_of(log)->ended[is_commit];
}

int memory_log_waiting(const struct weir_log *log)
{
    const struct memory_log *memory = memory_of(log);
    int count = length(memory->held);
    for (size_t t = 0; t < MEMORY_TOPICS_MAX; t++) {
        for (size_t p = 0; p < MEMORY_PARTITIONS_MAX; p++) {
            count += length(memory->topics[t].partitions[p].waiting);
        }
    }
    return count;
}

void memory_log_let_go(struct weir_log *log)
{
    struct memory_log *memory = memory_of(log);
    memory->faults.is_held = false;
    memory_wake(memory, &memory->held);
}
