/** Whose turn it is, and what a poll waits for. */
#include "client/consumer_internal.h"

#include "base/assert.h"
#include "base/error.h"

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
        bool is_read = partition->position >= 0 && !partition->is_paused && !partition->is_gone;
        if (is_read && partition != consumer->held.partition)
            (void)weir_consumer_take(partition, event);
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

/* Why the fetch failed; for an offset that is not there, what is. 0: a member's position goes where its options
 * say, and it is read from there. */
static int report(struct weir_consumer *consumer, struct weir_consumer_partition *partition,
                  struct weir_error *error)
{
    int rc = partition->fetch.request.rc;
    weir_assert(rc < 0);
    int64_t start = 0;
    int64_t end = 0;
    weir_consumer_note(partition, (struct weir_consumer_event){.type = WEIR_CONSUMER_REPORTED});
    bool is_gone = rc == WEIR_UNKNOWN_TOPIC_OR_PARTITION || rc == WEIR_UNKNOWN_TOPIC_ID;
    if (is_gone && consumer->member != NULL) {
        partition->is_gone = true; /* no error of the reader's: the group takes it back */
        return 0;
    }
    if (rc == WEIR_OFFSET_OUT_OF_RANGE) {
        int moved = weir_consumer_reset(consumer, partition, error);
        if (moved != WEIR_OFFSET_OUT_OF_RANGE) return moved;
    }
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
    const struct weir_consumer_event empty = {.type = WEIR_CONSUMER_EMPTY};
    bool is_new = false; /* nothing of what is held has been given */
    for (;;) {
        if (consumer->held.partition != NULL) {
            int rc = weir_consumer_decode(consumer, count_out, error);
            if (rc == 0) return 0;
            if (rc > 0 && is_new) weir_consumer_note(consumer->held.partition, empty);
            is_new = false;
            weir_consumer_let_go(consumer); /* after damage the others have their turn */
            ask(consumer, is_waiting);
            if (rc < 0) return rc;
        }
        weir_consumer_take_answers(consumer);
        struct weir_consumer_partition *partition = take_turn(consumer);
        if (partition == NULL) return WEIR_END;
        if (!partition->turn.has_failed) {
            weir_consumer_hold(consumer, partition);
            is_new = true;
            continue;
        }
        int rc = report(consumer, partition, error);
        if (rc < 0) return rc;
    }
}

/* An answer, or something from the group. */
static bool has_news(void *context)
{
    struct weir_consumer *consumer = context;
    return weir_consumer_has_answers(consumer) ||
           (consumer->member != NULL && weir_member_has_offer(consumer->member));
}

/* A member that waits commits in time, and says that it is there. */
static struct weir_mono next_service(const struct weir_consumer *consumer,
                                     struct weir_mono deadline)
{
    if (consumer->member == NULL) return deadline;
    struct weir_mono service = weir_mono_after_ms(weir_mono_now(consumer->log->env),
                                                  consumer->options.max_poll_interval_ms / 2 + 1);
    bool commits = consumer->options.enable_auto_commit && consumer->partition_count > 0;
    if (commits && consumer->auto_commit_at.ns < service.ns) service = consumer->auto_commit_at;
    return service.ns < deadline.ns ? service : deadline;
}

/* Nobody has anything: ask, and wait for an answer. WEIR_END: all have answered, or it is time. */
static int ask_and_wait(struct weir_consumer *consumer, bool is_waiting, struct weir_mono deadline,
                        struct weir_error *error)
{
    ask(consumer, is_waiting);
    bool waits_for_group = is_waiting && consumer->member != NULL;
    if (!weir_consumer_is_fetching(consumer) && !waits_for_group) return WEIR_END;
    if (!is_waiting)
        return weir_consumer_await(consumer, weir_consumer_has_answers, WEIR_MONO_NEVER, error);
    struct weir_mono until = next_service(consumer, deadline);
    int rc = weir_consumer_await(consumer, has_news, until, error);
    if (rc < 0 && rc != WEIR_TIMED_OUT) return rc;
    weir_error_clear(error);
    if (rc == WEIR_TIMED_OUT && until.ns >= deadline.ns) return WEIR_END;
    return consumer->member != NULL ? weir_consumer_serve_group(consumer, error) : 0;
}

static int check_poll(struct weir_consumer *consumer, const struct weir_batch_view *batch_out,
                      struct weir_error *error)
{
    int rc = weir_log_may_wait(consumer->log, "weir_consumer_poll", error);
    if (rc < 0) return rc;
    if (batch_out == NULL) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "weir_consumer_poll: no batch_out");
    }
    if (consumer->in_callback) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "weir_consumer_poll: not from a callback of a poll");
    }
    if (consumer->partition_count == 0 && consumer->member == NULL) {
        return weir_error_set(
            error, WEIR_INVALID_ARGUMENT,
            "nothing to poll: weir_consumer_subscribe or weir_consumer_assign says "
            "what to read");
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
    if (consumer->member != NULL) rc = weir_consumer_serve_group(consumer, error);
    if (rc < 0) return rc;
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
        (void)weir_consumer_take(partition, event);
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
