#include "broker/engine/partition_chores.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/delayed_produce.h"
#include "broker/engine/engine.h"
#include "broker/engine/fetch.h"
#include "broker/engine/partition_life.h"

/* What comes by itself and must have the log alone: a worker does it, and requests wait meanwhile. */

void weir_partition_resume(struct weir_partition *partition)
{
    weir_assert(partition->state == WEIR_PARTITION_WORKING);
    weir_partition_take_back(partition);
    weir_partition_wake_fetches(partition); /* the log may begin or end elsewhere now */
    weir_partition_settle(partition);
}

/* What has taken the log offline has a line of its own. */
static void say_chore_failed(struct weir_partition *partition)
{
    char text[2 * WEIR_ERROR_TEXT_SIZE];
    if (weir_partition_log_check_online(partition->log, NULL) < 0) return;
    weir_log(&partition->shard->env->logger, WEIR_LOG_WARN, "log.chore_failed", "path=%s reason=%s",
             partition->path, weir_log_quote(text, sizeof text, partition->job_error.text));
}

static void chore_done(struct weir_partition *partition)
{
    if (partition->job_rc < 0) {
        weir_partition_failed(partition, WEIR_AVAILABILITY_WORK_FAILED, partition->job_rc,
                              &partition->job_error);
        say_chore_failed(partition);
    }
    weir_partition_resume(partition);
}

static int retain_job(struct weir_partition *partition)
{
    return weir_partition_log_retain(partition->log, weir_wall_now(partition->shard->env),
                                     &partition->job_error);
}

static void begin_retain(struct weir_partition *partition)
{
    weir_partition_submit(partition, retain_job, chore_done);
}

void weir_partition_retain(struct weir_partition *partition)
{
    if (partition->state != WEIR_PARTITION_OPEN) return;
    struct weir_wall now = weir_wall_now(partition->shard->env);
    bool may_remove = partition->state_machine == NULL && partition->config.cleanup_delete &&
                      weir_partition_log_may_retain(partition->log, now);
    if (!may_remove && !weir_partition_log_owes_damage(partition->log)) return;
    if (weir_partition_want(partition, begin_retain)) weir_partition_settle(partition);
}

/*
 * A new segment is four syncs and as many waits for the journal of the file system; on the shard they would be all its
 * partitions' to wait for. Where records come by a time of their own many partitions want one at once.
 */
static int roll_job(struct weir_partition *partition)
{
    return weir_partition_log_roll(partition->log, &partition->job_error);
}

/* All that was appended is durable. After a shortage nothing has changed: who is in line tries again, and is told. */
static void roll_done(struct weir_partition *partition)
{
    int rc = partition->job_rc;
    if (rc == 0) partition->bytes_visible = partition->bytes_appended;
    if (rc < 0 && !weir_code_is_shortage(rc)) {
        weir_partition_failed(partition, WEIR_AVAILABILITY_SYNC_FAILED, rc, &partition->job_error);
        say_chore_failed(partition);
    }
    weir_partition_take_back(partition);
    weir_partition_answer_acks(partition, 0, NULL);
    weir_partition_wake_fetches(partition);
    weir_partition_settle(partition);
}

static void begin_roll(struct weir_partition *partition)
{
    weir_partition_submit(partition, roll_job, roll_done);
}

bool weir_partition_may_roll(const struct weir_partition *partition)
{
    weir_assert(partition->state == WEIR_PARTITION_OPEN);
    return partition->state_machine == NULL && partition->wanted == NULL &&
           partition->closing == NULL && !partition->waits_for_roll;
}

void weir_partition_roll_before(struct weir_partition *partition,
                                struct weir_request *const *requests, size_t count)
{
    bool is_wanted = weir_partition_want(partition, begin_roll);
    weir_assert(is_wanted && !partition->waits_for_roll && count > 0);
    partition->waits_for_roll = true;
    while (count > 0)
        weir_partition_put_back(partition, requests[--count]);
    weir_partition_settle(partition);
}

void weir_partition_roll_if_owed(struct weir_partition *partition)
{
    if (!weir_partition_log_owes_roll(partition->log)) return;
    if (weir_partition_may_roll(partition)) (void)weir_partition_want(partition, begin_roll);
}

static int trim_job(struct weir_partition *partition)
{
    return weir_partition_log_set_start(partition->log, partition->trim_offset,
                                        &partition->job_error);
}

static void begin_trim(struct weir_partition *partition)
{
    weir_partition_submit(partition, trim_job, chore_done);
}

void weir_partition_trim(struct weir_partition *partition, int64_t offset)
{
    weir_assert(offset >= 0);
    partition->trim_offset = offset;
    if (weir_partition_want(partition, begin_trim)) weir_partition_settle(partition);
}
