/** Fetches, whose turn it is, and waiting. */
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
        .request = {.done = on_fetched},
        .from = {.topic = weir_text(partition->topic), .partition = partition->index},
        .offset = partition->position,
        .size_max = consumer->options.fetch_max_bytes,
        .size_min = is_long ? 1 : 0,
        .deadline = WEIR_MONO_NEVER,
    };
    weir_log_fetch(consumer->log, &partition->fetch);
}

/* Take an event, and do what comes of it; true if it is to be stopped and has to answer first. */
static bool take(struct weir_consumer_partition *partition, struct weir_consumer_event event)
{
    struct weir_consumer_update update;
    weir_consumer_step(&partition->turn, &event, &update);
    if (update.cancels) weir_log_cancel_fetch(partition->consumer->log, &partition->fetch);
    if (update.sends) send_fetch(partition, update.is_long);
    if (update.releases) weir_log_batches_release(&partition->fetch.batches);
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
    (void)take(partition, answered);
    if (rc >= 0) partition->high_watermark = fetch->high_watermark;
}

static void take_answers(struct weir_consumer *consumer)
{
    if (atomic_load_explicit(&consumer->answered.head, memory_order_relaxed) == NULL) return;
    struct weir_message *message = weir_mailbox_take(&consumer->answered);
    while (message != NULL) {
        struct weir_message *next = message->next;
        take_answer((struct weir_consumer_partition *)message);
        message = next;
    }
}

static bool has_answers(void *context)
{
    struct weir_consumer *consumer = context;
    return atomic_load_explicit(&consumer->answered.head, memory_order_acquire) != NULL;
}

/* WEIR_TIMED_OUT at the deadline. */
static int await_answers(struct weir_consumer *consumer, struct weir_mono deadline,
                         struct weir_error *error)
{
    int rc = weir_wait(consumer->log->env, has_answers, consumer, deadline);
    if (rc == 0) {
        take_answers(consumer);
    } else {
        weir_error_set(error, (enum weir_code)rc, "wait for records: %s", weir_code_text(rc));
    }
    return rc;
}

static bool is_fetching(const struct weir_consumer *consumer)
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
    while (take(partition, stop)) {
        int rc = await_answers(consumer, WEIR_MONO_NEVER, error);
        if (rc < 0) return rc;
    }
    if (consumer->held.partition == partition) weir_consumer_let_go(consumer);
    return 0;
}

int weir_consumer_stop(struct weir_consumer *consumer, struct weir_consumer_partition *partition,
                       struct weir_error *error)
{
    take_answers(consumer);
    if (partition != NULL) return stop_one(consumer, partition, error);
    for (size_t i = 0; i < consumer->partition_count; i++) {
        (void)take(consumer->partitions[i],
                   (struct weir_consumer_event){.type = WEIR_CONSUMER_RECALL});
    }
    int rc = 0;
    for (size_t i = 0; i < consumer->partition_count && rc == 0; i++) {
        rc = stop_one(consumer, consumer->partitions[i], error);
    }
    return rc;
}

/* ---- turns ----------------------------------------------------------------------------------- */

/* Ask for what is not asked for yet. A poll that waits leaves its fetches with the log until
 * something comes; one that does not asks each partition once, and calls back what an earlier poll
 * has left there. */
static void ask(struct weir_consumer *consumer, bool is_waiting)
{
    const struct weir_consumer_event event = {
        .type = WEIR_CONSUMER_ASK, .is_waiting = is_waiting, .round = consumer->round};
    for (size_t i = 0; i < consumer->partition_count; i++) {
        struct weir_consumer_partition *partition = consumer->partitions[i];
        if (partition != consumer->held.partition) (void)take(partition, event);
    }
}

/* The next partition, in turn, that has records or an error to give. */
static struct weir_consumer_partition *take_turn(struct weir_consumer *consumer)
{
    size_t count = consumer->partition_count;
    for (size_t i = 0; i < count; i++) {
        size_t at = (consumer->turn + i) % count;
        struct weir_consumer_partition *partition = consumer->partitions[at];
        if (!weir_consumer_has_something(&partition->turn)) continue;
        consumer->turn = (at + 1) % count;
        return partition;
    }
    return NULL;
}

/* Why the fetch failed; for an offset that is not there, what is. */
static int report(struct weir_consumer *consumer, struct weir_consumer_partition *partition,
                  struct weir_error *error)
{
    int rc = partition->fetch.request.rc;
    weir_assert(rc < 0);
    int64_t start = 0;
    int64_t end = 0;
    weir_consumer_note(partition, (struct weir_consumer_event){.type = WEIR_CONSUMER_REPORTED});
    if (rc == WEIR_OFFSET_OUT_OF_RANGE &&
        weir_topic_offsets(consumer->log, partition->topic, partition->index, &start, &end, NULL) ==
            0) {
        return weir_error_set(
            error, WEIR_OFFSET_OUT_OF_RANGE,
            "offset %lld of topic '%s' partition %d is out of range: it holds %lld "
            "to %lld; weir_consumer_seek goes there",
            (long long)partition->position, partition->topic, (int)partition->index,
            (long long)start, (long long)end);
    }
    if (error != NULL) *error = partition->fetch.request.error;
    if (error != NULL && error->code == 0) {
        weir_error_set(error, (enum weir_code)rc, "%s", weir_code_text(rc));
    }
    return weir_error_wrap(error, rc, "fetch from topic '%s' partition %d", partition->topic,
                           (int)partition->index);
}

/* Views of what is held, or of what the next in turn has. WEIR_END: nobody has anything. */
static int give(struct weir_consumer *consumer, bool is_waiting, size_t *count_out,
                struct weir_error *error)
{
    for (;;) {
        if (consumer->held.partition != NULL) {
            int rc = weir_consumer_decode(consumer, count_out, error);
            if (rc == 0) return 0;
            weir_consumer_let_go(consumer); /* after damage the others have their turn */
            ask(consumer, is_waiting);
            if (rc < 0) return rc;
        }
        take_answers(consumer);
        struct weir_consumer_partition *partition = take_turn(consumer);
        if (partition == NULL) return WEIR_END;
        if (partition->turn.has_failed) return report(consumer, partition, error);
        weir_consumer_hold(consumer, partition);
    }
}

/* Nobody has anything: ask, and wait for an answer. WEIR_END: all have answered, or it is time. */
static int ask_and_wait(struct weir_consumer *consumer, bool is_waiting, struct weir_mono deadline,
                        struct weir_error *error)
{
    ask(consumer, is_waiting);
    if (!is_fetching(consumer)) return WEIR_END;
    int rc = await_answers(consumer, is_waiting ? deadline : WEIR_MONO_NEVER, error);
    return rc == WEIR_TIMED_OUT ? WEIR_END : rc;
}

static int check_poll(struct weir_consumer *consumer, const struct weir_batch_view *batch_out,
                      struct weir_error *error)
{
    int rc = weir_log_may_wait(consumer->log, "weir_consumer_poll", error);
    if (rc < 0) return rc;
    if (batch_out == NULL) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "weir_consumer_poll: no batch_out");
    }
    if (consumer->partition_count == 0) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "nothing to poll: weir_consumer_assign says what to read");
    }
    return 0;
}

static int poll_once(struct weir_consumer *consumer, int64_t timeout_ms,
                     struct weir_batch_view *batch_out, struct weir_error *error)
{
    int rc = check_poll(consumer, batch_out, error);
    if (rc < 0) return rc;
    bool is_waiting = timeout_ms != 0;
    struct weir_mono deadline = WEIR_MONO_NEVER;
    if (timeout_ms > 0) {
        deadline = weir_mono_after_ms(weir_mono_now(consumer->log->env), timeout_ms);
    }
    consumer->round++;
    size_t count = 0;
    rc = give(consumer, is_waiting, &count, error);
    while (rc == WEIR_END) {
        rc = ask_and_wait(consumer, is_waiting, deadline, error);
        if (rc != 0) return rc;
        rc = give(consumer, is_waiting, &count, error);
    }
    if (rc < 0) return rc;

    struct weir_consumer_partition *partition = consumer->held.partition;
    weir_assert(partition != NULL && count > 0);
    if (weir_consumer_is_used_up(consumer)) {
        struct weir_consumer_event event = {
            .type = WEIR_CONSUMER_USED_UP, .is_waiting = is_waiting, .round = consumer->round};
        (void)take(partition, event);
    }
    *batch_out = (struct weir_batch_view){
        .topic = partition->topic,
        .partition = partition->index,
        .records = consumer->records,
        .record_count = count,
        .high_watermark = partition->high_watermark,
    };
    return 0;
}

int weir_consumer_poll(struct weir_consumer *consumer, int64_t timeout_ms,
                       struct weir_batch_view *batch_out, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = weir_consumer_enter(consumer, "weir_consumer_poll", error);
    if (rc < 0) return rc;
    return weir_consumer_leave(consumer, poll_once(consumer, timeout_ms, batch_out, error));
}
