#include "broker/engine/shard.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/delayed_fetch.h"
#include "broker/engine/delayed_produce.h"
#include "broker/engine/fetch.h"
#include "broker/engine/partition_chores.h"
#include "broker/engine/partition_cleaning.h"
#include "broker/engine/partition_flush.h"
#include "broker/engine/partition_life.h"
#include "broker/engine/transaction_hold.h"
#include "broker/log/boot_file.h"

/* Of the newest batches of all its logs, for readers at their tails. */
enum { TAILS_SIZE_MAX = 32 << 20 };

/*
 * A shard is an actor: what has arrived is handled message by message, then it has a turn. In a turn all that
 * waited for the others comes at once: the appends, with one write for each log; fetches whose time is up, on shard 0
 * the metadata, then one flush for whatever was appended, retention, and last the service. What a turn begins (flushes,
 * reads) comes back as messages; what it waits for it says by one time to be woken at.
 */

/* ---- news ------------------------------------------------------------------------------------ */

/* Answer everything that waits on this shard without a flush or a worker on its way to it. */
static void answer_all(struct weir_shard *shard, int rc, const char *text, bool with_acks)
{
    size_t at = 0;
    struct weir_partition *partition;
    while ((partition = weir_map_next(&shard->partitions, &at)) != NULL) {
        weir_partition_answer_fetches(partition, rc, text);
        weir_partition_refuse_holds(partition, rc, text);
        weir_partition_refuse_waiting(partition, rc, text);
        if (with_acks) weir_partition_answer_acks(partition, rc, text);
        weir_partition_settle(partition);
    }
}

/* Closing: fetches that wait for data would wait for ever. What waits for the disk is answered by
 * it. */
static void hear_closing(struct weir_message *message)
{
    struct weir_shard *shard =
        (struct weir_shard *)((char *)message - offsetof(struct weir_shard, listener.closing));
    answer_all(shard, WEIR_CLOSED, "the log is being closed", false);
    weir_shard_cleaner_stop(shard, WEIR_CLOSED, "the log is being closed");
    weir_serving_release(&shard->engine->serving);
}

/* A sync of one file, or of all, that failed may have dropped pages of any. Those that are open
 * need no descriptor to be told (weir_boot_file_forget_all does). */
static void distrust_all(struct weir_shard *shard)
{
    size_t at = 0;
    struct weir_partition *partition;
    while ((partition = weir_map_next(&shard->partitions, &at)) != NULL) {
        if (partition->state == WEIR_PARTITION_OPEN) weir_partition_log_distrust(partition->log);
    }
}

static void hear_offline(struct weir_message *message)
{
    struct weir_shard *shard =
        (struct weir_shard *)((char *)message - offsetof(struct weir_shard, listener.offline));
    distrust_all(shard);
    weir_shard_cleaner_stop(shard, WEIR_OFFLINE, "the log directory is offline");
    answer_all(shard, WEIR_OFFLINE, "a write or a sync has failed; the log directory is offline",
               true);
    weir_serving_release(&shard->engine->serving);
}

/* ---- turns ----------------------------------------------------------------------------------- */

static int append_gathered(struct weir_shard *shard)
{
    int count = 0;
    struct weir_partition *partition;
    while ((partition = shard->gathering) != NULL) {
        shard->gathering = partition->gathering_next;
        partition->is_gathering = false;
        if (partition->append_gathered == NULL) continue;
        partition->append_gathered(partition);
        count++;
    }
    return count;
}

static int expire_fetches(struct weir_shard *shard, struct weir_mono now)
{
    int count = 0;
    struct weir_fetch_request *fetch;
    while ((fetch = weir_deadline_heap_due(&shard->deadlines, now)) != NULL) {
        weir_fetch_expire(fetch);
        count++;
    }
    return count;
}

static int retry_holds(struct weir_shard *shard, struct weir_mono now)
{
    int count = 0;
    struct weir_transaction_hold *hold;
    while ((hold = weir_deadline_heap_due(&shard->retries, now)) != NULL) {
        weir_transaction_hold_retry(hold);
        count++;
    }
    return count;
}

/* Each that is due at most once, whatever they ask for meanwhile. */
static int run_state_machines(struct weir_shard *shard, struct weir_mono now)
{
    int count = 0;
    struct weir_partition *partition;
    for (size_t left = shard->turns.count; left > 0; left--) {
        partition = weir_deadline_heap_due(&shard->turns, now);
        if (partition == NULL) break;
        weir_partition_wake_at(partition, WEIR_MONO_NEVER);
        partition->state_machine_ops->run_once(partition->state_machine, now);
        count++;
    }
    return count;
}

static int retain_all(struct weir_shard *shard, struct weir_mono now)
{
    size_t at = 0;
    struct weir_partition *partition;
    if (now.ns < shard->retention_at.ns) return 0;
    shard->retention_at =
        weir_mono_after_ms(now, shard->engine->options.log_retention_check_interval_ms);
    /* Not on a disk that has failed, for it writes marks and unlinks (L9), nor at the end. */
    if (weir_serving_check(&shard->engine->serving, NULL) < 0) return 0;
    while ((partition = weir_map_next(&shard->partitions, &at)) != NULL) {
        weir_partition_retain(partition);
    }
    return 1;
}

static struct weir_mono earlier(struct weir_mono a, struct weir_mono b)
{
    return a.ns < b.ns ? a : b;
}

int weir_shard_run_once(void *impl)
{
    struct weir_shard *shard = impl;
    weir_shard_check(shard);
    const struct weir_metadata_owner *owner = &shard->engine->metadata;
    bool is_home = shard == &shard->engine->shards[0];
    struct weir_mono now = weir_mono_now(shard->env);
    struct weir_mono next = WEIR_MONO_NEVER;
    int count = append_gathered(shard);
    count += expire_fetches(shard, now);
    count += retry_holds(shard, now);
    count += run_state_machines(shard, now);
    if (is_home) count += owner->ops->run_once(owner->impl, now, &next);
    count += weir_flush_group_run(&shard->flush, now);
    count += retain_all(shard, now);
    next = earlier(next, weir_deadline_heap_first(&shard->deadlines));
    next = earlier(next, weir_deadline_heap_first(&shard->retries));
    next = earlier(next, weir_deadline_heap_first(&shard->turns));
    next = earlier(next, weir_flush_group_deadline(&shard->flush));
    next = earlier(next, shard->retention_at);
    count += weir_shard_cleaner_run(shard, now, &next);
    if (is_home) next = earlier(next, owner->ops->deadline(owner->impl, now));
    if (shard->service.run_once != NULL) {
        count += shard->service.run_once(shard->service.impl, now, &next);
    }
    weir_actor_wake_at(shard->actor, next);
    if (shard->gathering != NULL) count++; /* somebody in here has let requests in */
    return count;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

void weir_shard_init(struct weir_shard *shard, struct weir_engine *engine)
{
    *shard = (struct weir_shard){.engine = engine, .env = engine->env, .budget = &engine->budget};
    weir_metadata_view_init(&shard->metadata, &shard->actor);
    weir_map_init(&shard->partitions, &engine->budget);
    weir_flush_group_init(&shard->flush, &engine->serving, &shard->actor,
                          &weir_partition_flush_ops);
    weir_deadline_heap_init(&shard->deadlines, &engine->budget);
    weir_deadline_heap_init(&shard->retries, &engine->budget);
    weir_deadline_heap_init(&shard->turns, &engine->budget);
    shard->tails.bytes_max = TAILS_SIZE_MAX;
    shard->listener = (struct weir_serving_listener){
        .actor = &shard->actor, .closing.handle = hear_closing, .offline.handle = hear_offline};
    weir_serving_listen(&engine->serving, &shard->listener);
    weir_shard_cleaner_init(shard);
    shard->retention_at = weir_mono_after_ms(weir_mono_now(engine->env),
                                             engine->options.log_retention_check_interval_ms);
}

/* How many logs have something to write when they are closed. */
static size_t count_unmarked(const struct weir_shard *shard)
{
    size_t count = 0;
    size_t at = 0;
    const struct weir_partition *partition;
    while ((partition = weir_map_next(&shard->partitions, &at)) != NULL) {
        if (partition->log != NULL && weir_partition_log_needs_mark(partition->log)) count++;
    }
    return count;
}

static int lay_marks(struct weir_shard *shard, struct weir_error *error)
{
    int rc = 0;
    size_t at = 0;
    const struct weir_partition *partition;
    while (rc == 0 && (partition = weir_map_next(&shard->partitions, &at)) != NULL) {
        if (partition->log != NULL) rc = weir_partition_log_lay_mark(partition->log, error);
    }
    return rc;
}

static int take_marks(struct weir_shard *shard, struct weir_error *error)
{
    int rc = 0;
    size_t at = 0;
    const struct weir_partition *partition;
    while (rc == 0 && (partition = weir_map_next(&shard->partitions, &at)) != NULL) {
        if (partition->log != NULL) rc = weir_partition_log_take_mark(partition->log, error);
    }
    return rc;
}

/* The disk has failed: no log writes anything more. */
static void give_up(struct weir_shard *shard, int rc, const struct weir_error *reason)
{
    size_t at = 0;
    const struct weir_partition *partition;
    while ((partition = weir_map_next(&shard->partitions, &at)) != NULL) {
        if (partition->log != NULL) weir_partition_log_give_up(partition->log, rc, reason);
    }
}

enum { IN_STEP_FROM = 4 };

/* A thousand logs that are closed one by one cost thousands of syncs: in step they share two. */
static int mark_in_step(struct weir_shard *shard, struct weir_error *error)
{
    struct weir_error local = {0};
    struct weir_file *anchor = shard->flush.anchor;
    size_t count = count_unmarked(shard);
    if (count < IN_STEP_FROM || atomic_load(&shard->engine->serving.is_offline)) return 0;
    int rc = lay_marks(shard, &local);
    if (rc == 0) rc = weir_sync_file_system(anchor, &local);
    if (rc == 0) rc = take_marks(shard, &local);
    if (rc == 0) rc = weir_sync_file_system(anchor, &local);
    if (rc == WEIR_IO) {
        weir_boot_file_forget_all(shard->env, shard->engine->directory.log_path.text);
    }
    if (rc < 0) give_up(shard, rc, &local);
    if (rc < 0 && error != NULL) *error = local;
    return rc;
}

int weir_shard_close(struct weir_shard *shard, struct weir_error *error)
{
    size_t at = 0;
    struct weir_partition *partition;
    if (shard->engine == NULL) return 0;
    weir_shard_cleaner_close(shard);
    int rc = mark_in_step(shard, error);
    while ((partition = weir_map_next(&shard->partitions, &at)) != NULL) {
        (void)weir_map_remove(&shard->partitions, partition->key);
        int closed = weir_partition_free(partition, rc == 0 ? error : NULL);
        if (rc == 0) rc = closed;
    }
    weir_map_close(&shard->partitions);
    weir_metadata_view_close(&shard->metadata);
    weir_flush_group_close(&shard->flush);
    weir_deadline_heap_close(&shard->deadlines);
    weir_deadline_heap_close(&shard->retries);
    weir_deadline_heap_close(&shard->turns);
    *shard = (struct weir_shard){0};
    return rc;
}
