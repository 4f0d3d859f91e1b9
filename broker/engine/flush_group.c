#include "broker/engine/flush_group.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/broker_internal.h"
#include "broker/log/boot_file.h"

void weir_flush_group_init(struct weir_flush_group *group, struct weir_shard *shard)
{
    *group = (struct weir_flush_group){.shard = shard, .lazy_at = WEIR_MONO_NEVER};
}

int weir_flush_group_open(struct weir_flush_group *group, struct weir_error *error)
{
    const struct weir_shard *shard = group->shard;
    struct weir_file_stat stat;
    int rc = weir_directory_open(shard->env, shard->broker->directory.log_path.text, &group->anchor,
                                 error);
    if (rc == 0) rc = weir_file_stat(group->anchor, &stat, error);
    if (rc == 0) group->device = stat.device;
    return rc;
}

void weir_flush_group_close(struct weir_flush_group *group)
{
    weir_file_close(group->anchor);
    group->anchor = NULL;
}

static void push_dirty(struct weir_flush_group *group, struct weir_partition *partition)
{
    partition->flush_next = NULL;
    if (group->dirty_last != NULL) {
        group->dirty_last->flush_next = partition;
    } else {
        group->dirty_first = partition;
    }
    group->dirty_last = partition;
}

void weir_flush_group_add(struct weir_flush_group *group, struct weir_partition *partition)
{
    /* In flight its link belongs to the flight; it is listed again when it comes back dirty. */
    if (partition->is_listed || partition->is_flushing) return;
    partition->is_listed = true;
    if (partition->config.flush_policy == WEIR_FLUSH_GROUP) {
        push_dirty(group, partition);
        return;
    }
    partition->flush_next = group->lazy_first;
    group->lazy_first = partition;
    if (group->lazy_at.ns == WEIR_MONO_NEVER.ns) {
        group->lazy_at =
            weir_mono_after_ms(weir_mono_now(group->shard->env), WEIR_FLUSH_OS_DELAY_MS);
    }
}

/* Take `partition` out of the list that begins at `*first`; the one before it, or NULL. */
static bool unlink_from(struct weir_partition **first, const struct weir_partition *partition)
{
    for (struct weir_partition **link = first; *link != NULL; link = &(*link)->flush_next) {
        if (*link == partition) {
            *link = partition->flush_next;
            return true;
        }
    }
    return false;
}

void weir_flush_group_remove(struct weir_flush_group *group, struct weir_partition *partition)
{
    weir_assert(!partition->is_flushing);
    if (!partition->is_listed) return;
    if (!unlink_from(&group->lazy_first, partition)) {
        (void)unlink_from(&group->dirty_first, partition);
        group->dirty_last = group->dirty_first;
        while (group->dirty_last != NULL && group->dirty_last->flush_next != NULL) {
            group->dirty_last = group->dirty_last->flush_next;
        }
    }
    partition->flush_next = NULL;
    partition->is_listed = false;
}

/* ---- in flight ------------------------------------------------------------------------------- */

static struct weir_flush_group *group_of(struct weir_work *work)
{
    return (struct weir_flush_group *)work; /* its first member */
}

/* On a worker. */
static void run(struct weir_work *work)
{
    struct weir_flush_group *group = group_of(work);
    struct weir_error error = {0};
    bool is_synced = false;
    int rc = 0;
    if (group->flight_count >= WEIR_FLUSH_FILE_SYSTEM_FROM) {
        rc = weir_sync_file_system(group->anchor, &error);
        is_synced = rc == 0;
        if (rc < 0) {
            const struct weir_broker *broker = group->shard->broker;
            weir_boot_file_forget_all(group->shard->env, broker->directory.log_path.text);
        }
    }
    for (struct weir_partition *partition = group->flight_first; partition != NULL;
         partition = partition->flush_next) {
        if (rc == 0) {
            weir_log_sync_run(&partition->sync, is_synced);
        } else {
            weir_log_sync_failed(&partition->sync, rc, &error);
        }
    }
}

static void flushed(struct weir_flush_group *group, struct weir_partition *partition)
{
    struct weir_broker *broker = group->shard->broker;
    partition->is_flushing = false;
    int rc = weir_log_sync_end(partition->log, &partition->sync);
    if (rc < 0) {
        /* One log that cannot be kept (its folder is gone) is no failed disk. */
        if (rc != WEIR_OFFLINE) weir_serving_go_offline(&broker->serving, &partition->sync.error);
        weir_partition_answer_acks(partition, WEIR_OFFLINE, partition->sync.error.text);
        weir_partition_settle(partition);
        return;
    }
    if (partition->bytes_visible < partition->flush_bytes) {
        partition->bytes_visible = partition->flush_bytes;
    }
    weir_partition_refresh(partition);
    weir_partition_answer_acks(partition, 0, NULL);
    weir_partition_wake_fetches(partition);
    if (weir_partition_log_is_dirty(partition->log)) weir_flush_group_add(group, partition);
    weir_partition_settle(partition);
}

/* On the shard. */
static void done(struct weir_message *message)
{
    struct weir_flush_group *group = group_of((struct weir_work *)message);
    struct weir_partition *partition = group->flight_first;
    int64_t took_ns = weir_mono_now(group->shard->env).ns - group->began.ns;
    weir_histogram_add(&group->duration_us, took_ns / 1000);
    weir_counter_add(&group->flushes, 1);
    group->flight_first = NULL;
    group->flight_count = 0;
    group->is_in_flight = false;
    while (partition != NULL) {
        struct weir_partition *next = partition->flush_next;
        partition->flush_next = NULL;
        flushed(group, partition);
        partition = next;
    }
    weir_serving_release(&group->shard->broker->serving);
}

/* What a partition's log says when it is to be flushed is not the disk's word yet, but as final. */
static void fail_boarding(struct weir_partition *partition, int rc)
{
    partition->is_listed = false;
    if (rc == WEIR_IO) {
        weir_serving_go_offline(&partition->shard->broker->serving, &partition->sync.error);
    }
    weir_partition_answer_acks(partition, WEIR_OFFLINE, partition->sync.error.text);
    weir_partition_settle(partition);
}

enum boarding { ABOARD, STAYS, FAILED };

/* Capture one partition for the flight; those whose log is with a worker stay in the list. */
static enum boarding board(struct weir_partition *partition)
{
    if (partition->state != WEIR_PARTITION_OPEN) return STAYS;
    int rc = weir_log_sync_begin(partition->log, &partition->sync);
    if (rc < 0) {
        weir_assert(!weir_code_is_shortage(rc));
        fail_boarding(partition, rc);
        return FAILED;
    }
    partition->is_listed = false;
    partition->is_flushing = true;
    partition->flush_bytes = partition->bytes_appended;
    return ABOARD;
}

static void take_lazy(struct weir_flush_group *group, struct weir_mono now)
{
    if (now.ns < group->lazy_at.ns) return;
    group->lazy_at = WEIR_MONO_NEVER;
    while (group->lazy_first != NULL) {
        struct weir_partition *partition = group->lazy_first;
        group->lazy_first = partition->flush_next;
        push_dirty(group, partition);
    }
}

int weir_flush_group_run(struct weir_flush_group *group, struct weir_mono now)
{
    take_lazy(group, now);
    struct weir_partition *waiting = group->dirty_first;
    if (group->is_in_flight || waiting == NULL) return 0;
    if (atomic_load_explicit(&group->shard->broker->serving.is_offline, memory_order_relaxed))
        return 0;
    if (!weir_serving_try_hold(&group->shard->broker->serving))
        return 0; /* closing syncs what is left */

    struct weir_partition **flight_last = &group->flight_first;
    group->dirty_first = NULL;
    group->dirty_last = NULL;
    while (waiting != NULL) {
        struct weir_partition *partition = waiting;
        waiting = partition->flush_next;
        partition->flush_next = NULL;
        enum boarding boarding = board(partition);
        if (boarding == ABOARD) {
            *flight_last = partition;
            flight_last = &partition->flush_next;
            group->flight_count++;
        } else if (boarding == STAYS) {
            push_dirty(group, partition);
        }
    }
    if (group->flight_count == 0) {
        weir_serving_release(&group->shard->broker->serving);
        return 0;
    }
    group->is_in_flight = true;
    group->began = now;
    group->work =
        (struct weir_work){.done.handle = done, .run = run, .reply_to = group->shard->actor};
    weir_work_submit(group->shard->env, &group->work);
    return (int)group->flight_count;
}

struct weir_mono weir_flush_group_deadline(const struct weir_flush_group *group)
{
    return group->lazy_at;
}
