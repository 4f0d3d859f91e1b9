/**
 * Transactions of a producer: what transaction_step.h wants, done.
 *
 *   commit: all that was sent is stored ──> the log is asked to commit ──> the next epoch
 *   abort:  nothing more is sent, what is on its way is waited for ──> the log is asked to abort ──> the next epoch
 *
 * With each transaction the producer is given the epoch of the next one (version 2, KIP-890); a partition's queue takes
 * it up when it is written to again, so that a transaction costs what it touches.
 */
#include "client/producer_internal.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"

enum {
    MAX_BLOCK_MS = 60000, /* max.block.ms */
    RETRY_BACKOFF_MS = 100,
    CONCURRENT_BACKOFF_MS = 10, /* markers of the transaction before are being written */
};

static int take(struct weir_producer *producer, struct weir_transaction_event event,
                struct weir_error *error)
{
    return weir_producer_transaction_step(&producer->transaction, &event, error);
}

/* ---- requests, again for as long as it makes sense -------------------------------------------- */

/* A call that is sent until it is decided, or it is time. */
struct patience {
    struct weir_producer *producer;
    const char *call;
    struct weir_mono until;
};

static struct patience patience_of(struct weir_producer *producer, const char *call)
{
    struct weir_mono now = weir_mono_now(producer->log->env);
    return (struct patience){producer, call, weir_mono_after_ms(now, MAX_BLOCK_MS)};
}

/* WEIR_END: what failed with `rc` is to be sent again. Else `rc`. */
static int wait_for_another(const struct patience *patience, int rc)
{
    struct weir_env *env = patience->producer->log->env;
    struct weir_mono now = weir_mono_now(env);
    bool is_ending = rc == WEIR_CONCURRENT_TRANSACTIONS;
    if (rc >= 0 || weir_code_action(rc) != WEIR_ACTION_RETRY) return rc;
    if (now.ns >= patience->until.ns) return rc;
    int64_t backoff_ms = is_ending ? CONCURRENT_BACKOFF_MS : RETRY_BACKOFF_MS;
    int waited = weir_log_pause(patience->producer->log, backoff_ms);
    return waited == 0 ? WEIR_END : waited;
}

static struct weir_transaction_request whose(const struct weir_producer *producer)
{
    return (struct weir_transaction_request){
        .transactional_id = weir_text(producer->options.transactional_id),
        .producer_id = producer->producer_id,
        .producer_epoch = producer->producer_epoch,
        .is_version_2 = true,
    };
}

static void take_epoch(struct weir_producer *producer, int64_t id, int16_t epoch)
{
    weir_assert(id >= 0 && epoch >= 0);
    producer->producer_id = id;
    producer->producer_epoch = epoch;
    producer->transaction_number++;
}

static int init_once(struct weir_producer *producer, struct weir_error *error)
{
    struct weir_init_transactions_request request = {
        .base = whose(producer),
        .timeout_ms = (int32_t)producer->options.transaction_timeout_ms,
    };
    request.base.producer_id = WEIR_NO_PRODUCER_ID;
    request.base.producer_epoch = WEIR_NO_PRODUCER_EPOCH;
    int rc = weir_log_wait_begin(producer->log, &request.base.request, "weir_producer_new", error);
    if (rc < 0) return rc;
    weir_log_init_transactions(producer->log, &request);
    rc = weir_request_wait(producer->log->env, &request.base.request, error);
    if (rc == 0) take_epoch(producer, request.producer_id, request.producer_epoch);
    return rc;
}

int weir_producer_init_transactions(struct weir_producer *producer, struct weir_error *error)
{
    struct patience patience = patience_of(producer, "weir_producer_new");
    int rc;
    do {
        weir_error_clear(error);
        rc = wait_for_another(&patience, init_once(producer, error));
    } while (rc == WEIR_END);
    if (rc == WEIR_CRASHED) return rc;
    return weir_error_wrap(error, rc, "transactional id '%.200s'",
                           producer->options.transactional_id);
}

/* Kafka's coordinator, and so ours, takes who ends a transaction while the one before is still being ended for an older
 * producer, unless it has heard of it from a partition. Whose the id is it tells: with our epoch we are the newest. */
static bool is_newest(struct weir_producer *producer, const char *call)
{
    struct weir_arena arena;
    weir_arena_init(&arena, &producer->log->budget, 0);
    struct weir_describe_transaction_request request = {.base = whose(producer), .arena = &arena};
    int rc = weir_log_wait_begin(producer->log, &request.base.request, call, NULL);
    if (rc == 0) {
        weir_log_describe_transaction(producer->log, &request);
        rc = weir_request_wait(producer->log->env, &request.base.request, NULL);
    }
    if (rc == WEIR_CRASHED) return false; /* the arena's memory went with the node */
    bool is_ours = rc == 0 && request.info.producer_id == producer->producer_id &&
                   request.info.producer_epoch == producer->producer_epoch;
    weir_arena_close(&arena);
    return is_ours;
}

static int end_once(struct weir_producer *producer, const struct patience *patience, bool is_commit,
                    struct weir_error *error)
{
    struct weir_end_transaction_request request = {.base = whose(producer), .is_commit = is_commit};
    int rc = weir_log_wait_begin(producer->log, &request.base.request, patience->call, error);
    if (rc < 0) return rc;
    weir_log_end_transaction(producer->log, &request);
    rc = weir_request_wait(producer->log->env, &request.base.request, error);
    if (rc == 0) take_epoch(producer, request.next_producer_id, request.next_producer_epoch);
    if (rc == WEIR_PRODUCER_FENCED && is_newest(producer, patience->call)) {
        return weir_error_set(error, WEIR_CONCURRENT_TRANSACTIONS, "%s",
                              weir_code_text(WEIR_CONCURRENT_TRANSACTIONS));
    }
    return rc;
}

/* The step has asked for it. */
static int end(struct weir_producer *producer, const char *call, bool is_commit,
               struct weir_error *error)
{
    struct patience patience = patience_of(producer, call);
    struct weir_error why;
    int rc;
    do {
        why = (struct weir_error){0};
        rc = wait_for_another(&patience, end_once(producer, &patience, is_commit, &why));
    } while (rc == WEIR_END);
    if (rc == WEIR_CRASHED) return rc;
    return take(producer, (struct weir_transaction_event){WEIR_TRANSACTION_ENDED, rc, &why}, error);
}

/* ---- abort ------------------------------------------------------------------------------------ */

/* What is open or waits is not sent. */
static void drop_unsent(struct weir_producer *producer)
{
    struct weir_producer_partition *partition = producer->busy;
    for (; partition != NULL; partition = partition->next_busy) {
        struct weir_producer_update update;
        struct weir_producer_batch *open = weir_producer_take_open(partition);
        if (open != NULL) {
            weir_producer_batch_move(&open->queued, partition->queue.topic, WEIR_BATCH_DONE);
            weir_producer_settle(producer, open, WEIR_TRANSACTION_ABORTABLE, NULL);
        }
        weir_producer_step(&partition->queue,
                           &(struct weir_producer_event){.type = WEIR_PRODUCER_FAILED,
                                                         .rc = WEIR_TRANSACTION_ABORTABLE},
                           &update);
    }
}

/* Nothing of it is on its way any more; what failed of it is not told twice. A delivery sends nothing more: it is broken,
 * or lost. */
static int give_up_sent(struct weir_producer *producer, struct weir_error *error)
{
    weir_producer_note_failure(producer, WEIR_TRANSACTION_ABORTABLE, NULL);
    drop_unsent(producer);
    int rc = weir_producer_await_all(producer, error);
    if (rc < 0) return rc;
    (void)weir_producer_deliver(producer);
    weir_assert(producer->busy == NULL);
    producer->failure.code = 0;
    return 0;
}

static int abort_transaction(struct weir_producer *producer, const char *call,
                             struct weir_error *error)
{
    int rc = weir_producer_transaction_check_end(&producer->transaction, false, error);
    if (rc == 0) rc = give_up_sent(producer, error);
    if (rc < 0) return rc;
    rc = take(producer, (struct weir_transaction_event){.type = WEIR_TRANSACTION_ABORT}, error);
    return rc == 1 ? end(producer, call, false, error) : rc;
}

/* ---- commit ----------------------------------------------------------------------------------- */

static int commit_transaction(struct weir_producer *producer, struct weir_error *error)
{
    static const char call[] = "weir_producer_commit";
    const struct weir_producer_transaction *transaction = &producer->transaction;
    int rc = weir_producer_transaction_check_end(transaction, true, error);
    if (rc < 0) return rc;
    while (transaction->standing == WEIR_STANDING_OPEN) {
        rc = weir_producer_flush_all(producer, error);
        if (rc == WEIR_CRASHED) return rc;
        bool is_open = transaction->standing == WEIR_STANDING_OPEN;
        if (rc < 0 && is_open) return rc;  /* for want of memory: again */
        if (producer->busy == NULL) break; /* else a delivery has sent once more */
    }
    weir_error_clear(error);
    rc = take(producer, (struct weir_transaction_event){.type = WEIR_TRANSACTION_COMMIT}, error);
    return rc == 1 ? end(producer, call, true, error) : rc;
}

int weir_producer_end_for_close(struct weir_producer *producer, struct weir_error *error)
{
    static const char call[] = "weir_producer_close";
    if (!producer->is_transactional) return 0;
    switch (producer->transaction.standing) {
    case WEIR_STANDING_IDLE:
        return 0;
    case WEIR_STANDING_COMMITTING:
        return end(producer, call, true, error);
    case WEIR_STANDING_LOST: /* which it has been told */
        return give_up_sent(producer, error);
    case WEIR_STANDING_OPEN:
    case WEIR_STANDING_BROKEN:
    case WEIR_STANDING_ABORTING:
        break;
    }
    int rc = abort_transaction(producer, call, error);
    bool is_lost = rc != WEIR_CRASHED && producer->transaction.standing == WEIR_STANDING_LOST;
    return is_lost ? 0 : rc; /* aborted by whoever has the id now */
}

/* ---- offsets ---------------------------------------------------------------------------------- */

static int take_entry(const struct weir_offset_to_commit *offset, struct weir_offset_entry *entry,
                      struct weir_error *error)
{
    int rc = weir_topic_text_check(offset->topic, error);
    if (rc < 0) return rc;
    if (offset->offset < 0 || offset->partition < 0) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "offset %lld of topic '%s' partition %d: both are 0 or more",
                              (long long)offset->offset, offset->topic, (int)offset->partition);
    }
    *entry = (struct weir_offset_entry){
        .partition = {.topic = weir_text(offset->topic), .partition = offset->partition},
        .offset = offset->offset,
        .leader_epoch = -1,
        .metadata = weir_text(offset->metadata != NULL ? offset->metadata : ""),
    };
    return 0;
}

static int send_once(struct weir_producer *producer, const struct weir_offset_entry *entries,
                     size_t count, const struct weir_group_metadata *group,
                     struct weir_error *error)
{
    struct weir_commit_request request = {
        .group = weir_text(group->group),
        .entries = entries,
        .entry_count = count,
        .generation = -1,
        .transactional_id = weir_text(producer->options.transactional_id),
        .producer_id = producer->producer_id,
        .producer_epoch = producer->producer_epoch,
        .is_transaction_version_2 = true,
    };
    if (group->member_id != NULL) {
        request.has_member = true;
        request.member.member_id = weir_text(group->member_id);
        request.member.instance_id = weir_text(group->group_instance_id);
        request.generation = group->generation;
    }
    int rc =
        weir_log_wait_begin(producer->log, &request.request, "weir_producer_send_offsets", error);
    if (rc < 0) return rc;
    weir_log_commit_offsets(producer->log, &request);
    return weir_request_wait(producer->log->env, &request.request, error);
}

static int send_entries(struct weir_producer *producer, const struct weir_offset_entry *entries,
                        size_t count, const struct weir_group_metadata *group,
                        struct weir_error *error)
{
    struct patience patience = patience_of(producer, "weir_producer_send_offsets");
    struct weir_error why;
    int rc;
    do {
        why = (struct weir_error){0};
        rc = wait_for_another(&patience, send_once(producer, entries, count, group, &why));
    } while (rc == WEIR_END);
    if (rc == WEIR_CRASHED || rc == 0) return rc;
    (void)weir_error_wrap(&why, rc, "send offsets of group '%.200s'", group->group);
    weir_producer_note_failure(producer, rc, &why);
    if (error != NULL) *error = why;
    return rc;
}

static int check_offsets(const struct weir_offset_to_commit *offsets, size_t count,
                         const struct weir_group_metadata *group, struct weir_error *error)
{
    if (group == NULL || group->group == NULL || group->group[0] == '\0') {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "weir_producer_send_offsets: offsets are a group's, and none is "
                              "named (weir_consumer_group_metadata does)");
    }
    if (offsets != NULL || count == 0) return 0;
    return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                          "weir_producer_send_offsets: offsets is NULL");
}

static int send_offsets(struct weir_producer *producer, const struct weir_offset_to_commit *offsets,
                        size_t count, const struct weir_group_metadata *group,
                        struct weir_error *error)
{
    int rc = check_offsets(offsets, count, group, error);
    if (rc == 0) rc = weir_producer_may_wait(producer, "weir_producer_send_offsets", error);
    if (rc < 0) return rc;
    struct weir_offset_entry *entries =
        weir_alloc(&producer->log->budget, count * sizeof *entries + 1);
    if (entries == NULL)
        return weir_error_set(error, WEIR_NO_MEMORY, "send offsets: out of memory");
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = take_entry(&offsets[i], &entries[i], error);
    }
    if (rc == 0 && count > 0) {
        rc = take(producer, (struct weir_transaction_event){.type = WEIR_TRANSACTION_SEND}, error);
        if (rc == 0) rc = send_entries(producer, entries, count, group, error);
    }
    if (rc != WEIR_CRASHED) weir_free(entries);
    return rc;
}

/* ---- the public calls ------------------------------------------------------------------------- */

static int enter(struct weir_producer *producer, const char *call, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = weir_producer_enter(producer, call, error);
    if (rc < 0 || producer->is_transactional) return rc;
    rc = weir_error_set(error, WEIR_INVALID_TXN_STATE,
                        "%s: the producer has no transactional_id among its options", call);
    return weir_producer_leave(producer, rc);
}

static int leave(struct weir_producer *producer, int rc)
{
    if (rc != WEIR_CRASHED) weir_producer_check(producer);
    return weir_producer_leave(producer, rc);
}

int weir_producer_begin(struct weir_producer *producer, struct weir_error *error)
{
    int rc = enter(producer, "weir_producer_begin", error);
    if (rc < 0) return rc;
    rc = take(producer, (struct weir_transaction_event){.type = WEIR_TRANSACTION_BEGIN}, error);
    return leave(producer, rc);
}

int weir_producer_commit(struct weir_producer *producer, struct weir_error *error)
{
    int rc = enter(producer, "weir_producer_commit", error);
    if (rc < 0) return rc;
    rc = weir_producer_may_wait(producer, "weir_producer_commit", error);
    if (rc == 0) rc = commit_transaction(producer, error);
    return leave(producer, rc);
}

int weir_producer_abort(struct weir_producer *producer, struct weir_error *error)
{
    int rc = enter(producer, "weir_producer_abort", error);
    if (rc < 0) return rc;
    rc = weir_producer_may_wait(producer, "weir_producer_abort", error);
    if (rc == 0) rc = abort_transaction(producer, "weir_producer_abort", error);
    return leave(producer, rc);
}

int weir_producer_send_offsets(struct weir_producer *producer,
                               const struct weir_offset_to_commit *offsets, size_t offset_count,
                               const struct weir_group_metadata *group, struct weir_error *error)
{
    int rc = enter(producer, "weir_producer_send_offsets", error);
    if (rc < 0) return rc;
    return leave(producer, send_offsets(producer, offsets, offset_count, group, error));
}

int weir_producer_status(const struct weir_producer *producer)
{
    static const int statuses[] = {
        [WEIR_STANDING_IDLE] = WEIR_PRODUCER_IDLE,
        [WEIR_STANDING_OPEN] = WEIR_PRODUCER_IN_TRANSACTION,
        [WEIR_STANDING_BROKEN] = WEIR_PRODUCER_MUST_ABORT,
        [WEIR_STANDING_COMMITTING] = WEIR_PRODUCER_ENDING,
        [WEIR_STANDING_ABORTING] = WEIR_PRODUCER_ENDING,
        [WEIR_STANDING_LOST] = WEIR_PRODUCER_LOST,
    };
    /* What it says is unchanged; who is inside is not part of that. */
    struct weir_producer *entered = (struct weir_producer *)producer;
    int rc = weir_producer_enter(entered, "weir_producer_status", NULL);
    if (rc < 0) return rc;
    return weir_producer_leave(entered, statuses[producer->transaction.standing]);
}
