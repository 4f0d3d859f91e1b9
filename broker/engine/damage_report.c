#include "broker/engine/damage_report.h"

#include <stddef.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/partition_life.h"
#include "broker/engine/route.h"

/*
 * Bytes are served as they were stored: only who decodes a batch sees that its crc is wrong. It may be
 * wrong on the disk, or on the way from there to the reader. So the reader is asked nothing but where,
 * and a worker reads the batch once more, past every cache.
 */
static struct weir_damage_report *report_of(struct weir_work *work)
{
    return (struct weir_damage_report *)((char *)work - offsetof(struct weir_damage_report, work));
}

static void check_run(struct weir_work *work)
{
    weir_log_read_run(&report_of(work)->read);
}

static void say_is_whole(const struct weir_partition *partition, int64_t offset)
{
    weir_log(&partition->shard->env->logger, WEIR_LOG_WARN, "damage.not_confirmed",
             "topic=%.*s partition=%d offset=%lld reason=\"a reader was given a batch that is not "
             "what the disk holds, which is whole: is the memory in order?\"",
             (int)partition->topic.size, (const char *)partition->topic.data, partition->number,
             (long long)offset);
}

static void answer(struct weir_damage_report *report, int rc)
{
    weir_partition_refresh(report->on);
    weir_partition_look_for_damage(report->on);
    if (rc < 0) report->request.error = report->read.error;
    weir_request_reply(&report->request, rc);
}

static void check_done(struct weir_message *message)
{
    struct weir_damage_report *report = report_of((struct weir_work *)message);
    struct weir_partition *partition = report->on;
    struct weir_engine *engine = partition->shard->engine;
    weir_assert(partition->state == WEIR_PARTITION_OPEN && partition->reads > 0);
    partition->reads--;
    int rc = weir_log_read_end(&report->read);
    weir_assert(rc <= 0);
    if (report->read.part_count > 0) say_is_whole(partition, report->offset);
    weir_log_read_release(&report->read);
    answer(report, rc);
    weir_partition_settle(partition);
    weir_serving_release(&engine->serving);
}

static void report_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_damage_report *report = (struct weir_damage_report *)request;
    report->on = partition;
    report->read = (struct weir_log_read){
        .offset = report->offset, .offset_max = INT64_MAX, .checks_disk = true};
    int rc = weir_log_read_begin(partition->log, &report->read);
    if (rc != WEIR_END) {
        answer(report, rc);
        return;
    }
    report->work = (struct weir_work){
        .done.handle = check_done, .run = check_run, .reply_to = partition->shard->actor};
    partition->reads++;
    weir_serving_hold(&partition->shard->engine->serving);
    weir_work_submit(partition->shard->env, &report->work);
}

void weir_engine_report_damage(struct weir_engine *engine, struct weir_damage_report *report)
{
    weir_assert(report->offset >= 0);
    weir_request_send(engine, &report->request, report->of, report_stage);
}
