/** Fetches: how they go out, come back, and are stopped; waiting for them. */
#include "client/consumer_internal.h"

#include "base/assert.h"
#include "base/error.h"

/* ---- fetches --------------------------------------------------------------------------------- */

/* On the shard's thread. Once pushed, the consumer may be gone: nothing of it is touched after. */
static void on_fetched(struct weir_request *request)
{
    struct weir_consumer_partition *partition = (struct weir_consumer_partition *)request;
    struct weir_consumer *consumer = partition->consumer;
    struct weir_env *env = consumer->log->env;
    (void)weir_mailbox_push(&consumer->answered, &request->message);
    weir_signal(env);
}

static void send_fetch(struct weir_consumer_partition *partition, bool is_long)
{
    struct weir_consumer *consumer = partition->consumer;
    weir_assert(partition->turn.state == WEIR_CONSUMER_FETCHING);
    weir_assert(partition->fetch.batches.part_count == 0); /* what came before is taken over */
    partition->fetch = (struct weir_fetch_request){
        .request = {.done = on_fetched, .topic_id = partition->topic_id},
        .from = {.topic = weir_text(partition->topic), .partition = partition->index},
        .offset = partition->position,
        .size_max = consumer->options.fetch_max_bytes,
        .size_min = is_long ? 1 : 0,
        .deadline = WEIR_MONO_NEVER,
        .read_committed = weir_consumer_reads_committed(consumer),
    };
    weir_log_fetch(consumer->log, &partition->fetch);
}

static void release(struct weir_fetch_request *fetch)
{
    weir_log_batches_release(&fetch->batches);
    weir_free(fetch->aborted);
    fetch->aborted = NULL;
    fetch->aborted_count = 0;
}

bool weir_consumer_take(struct weir_consumer_partition *partition, struct weir_consumer_event event)
{
    struct weir_consumer_update update;
    weir_consumer_step(&partition->turn, &event, &update);
    if (update.cancels) weir_log_cancel_fetch(partition->consumer->log, &partition->fetch);
    if (update.sends) send_fetch(partition, update.is_long);
    if (update.releases) release(&partition->fetch);
    return update.waits;
}

static void take_answer(struct weir_consumer_partition *partition)
{
    const struct weir_fetch_request *fetch = &partition->fetch;
    int rc = fetch->request.rc;
    weir_assert(rc >= 0 || fetch->batches.part_count == 0);
    struct weir_consumer_event answered = {
        .type = WEIR_CONSUMER_ANSWERED,
        .has_batches = rc >= 0 && fetch->batches.part_count > 0,
        .rc = rc,
    };
    (void)weir_consumer_take(partition, answered);
    if (rc >= 0) partition->high_watermark = fetch->high_watermark;
}

void weir_consumer_take_answers(struct weir_consumer *consumer)
{
    if (atomic_load_explicit(&consumer->answered.head, memory_order_relaxed) == NULL) return;
    struct weir_message *message = weir_mailbox_take(&consumer->answered);
    while (message != NULL) {
        struct weir_message *next = message->next;
        take_answer((struct weir_consumer_partition *)message);
        message = next;
    }
}

bool weir_consumer_has_answers(void *context)
{
    struct weir_consumer *consumer = context;
    return atomic_load_explicit(&consumer->answered.head, memory_order_acquire) != NULL;
}

int weir_consumer_await(struct weir_consumer *consumer, bool (*has_come)(void *context),
                        struct weir_mono deadline, struct weir_error *error)
{
    int rc = weir_wait(consumer->log->env, has_come, consumer, deadline);
    if (rc == 0) {
        weir_consumer_take_answers(consumer);
    } else {
        weir_error_set(error, (enum weir_code)rc, "wait for records: %s", weir_code_text(rc));
    }
    return rc;
}

bool weir_consumer_is_fetching(const struct weir_consumer *consumer)
{
    for (size_t i = 0; i < consumer->partition_count; i++) {
        if (consumer->partitions[i]->turn.state == WEIR_CONSUMER_FETCHING) return true;
    }
    return false;
}

static int stop_one(struct weir_consumer *consumer, struct weir_consumer_partition *partition,
                    struct weir_error *error)
{
    const struct weir_consumer_event stop = {.type = WEIR_CONSUMER_STOP};
    while (weir_consumer_take(partition, stop)) {
        int rc = weir_consumer_await(consumer, weir_consumer_has_answers, WEIR_MONO_NEVER, error);
        if (rc < 0) return rc;
    }
    if (consumer->held.partition == partition) weir_consumer_let_go(consumer);
    return 0;
}

int weir_consumer_stop(struct weir_consumer *consumer, struct weir_consumer_partition *partition,
                       struct weir_error *error)
{
    weir_consumer_take_answers(consumer);
    if (partition != NULL) return stop_one(consumer, partition, error);
    for (size_t i = 0; i < consumer->partition_count; i++) {
        (void)weir_consumer_take(consumer->partitions[i],
                                 (struct weir_consumer_event){.type = WEIR_CONSUMER_RECALL});
    }
    int rc = 0;
    for (size_t i = 0; i < consumer->partition_count && rc == 0; i++) {
        rc = stop_one(consumer, consumer->partitions[i], error);
    }
    return rc;
}
