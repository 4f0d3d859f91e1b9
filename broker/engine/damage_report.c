#include "broker/engine/damage_report.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/partition_life.h"
#include "broker/engine/route.h"

/*
 * Bytes are served as they were stored: only who decodes a batch sees that its crc is wrong. It may be
 * wrong on the disk, or on the way from there to the reader. So the reader is asked nothing but where,
 * and a worker reads the batch once more, past every cache.
 */
struct reread {
    struct weir_work work; /* first */
    struct weir_partition *partition;
    struct weir_damage_report *report;
    struct weir_log_read read;
};

static void reread_run(struct weir_work *work)
{
    weir_log_read_run(&((struct reread *)work)->read);
}

static void say_is_whole(const struct weir_partition *partition, int64_t offset)
{
    weir_log(&partition->shard->env->logger, WEIR_LOG_WARN, "damage.not_confirmed",
             "topic=%.*s partition=%d offset=%lld reason=\"a reader was given a batch that is not "
             "what the disk holds, which is whole: is the memory in order?\"",
             (int)partition->topic.size, (const char *)partition->topic.data, partition->number,
             (long long)offset);
}

/* What the read has found, or why there was none. */
static void answer(struct weir_partition *partition, struct weir_damage_report *report, int rc,
                   const struct weir_error *error)
{
    weir_partition_refresh(partition);
    weir_partition_look_for_damage(partition);
    if (rc < 0) report->request.error = *error;
    weir_request_reply(&report->request, rc);
}

static void reread_done(struct weir_message *message)
{
    struct reread *reread = (struct reread *)message;
    struct weir_partition *partition = reread->partition;
    struct weir_engine *engine = partition->shard->engine;
    weir_assert(partition->state == WEIR_PARTITION_OPEN && partition->reads > 0);
    partition->reads--;
    int rc = weir_log_read_end(&reread->read);
    weir_assert(rc <= 0);
    if (reread->read.batches.part_count > 0) say_is_whole(partition, reread->report->offset);
    weir_log_read_release(&reread->read);
    answer(partition, reread->report, rc, &reread->read.error);
    weir_free(reread);
    weir_partition_settle(partition);
    weir_serving_release(&engine->serving);
}

static void submit(struct weir_partition *partition, struct reread *reread)
{
    reread->work = (struct weir_work){
        .done.handle = reread_done, .run = reread_run, .reply_to = partition->shard->actor};
    partition->reads++;
    weir_serving_hold(&partition->shard->engine->serving);
    weir_work_submit(partition->shard->env, &reread->work);
}

static void report_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_damage_report *report = (struct weir_damage_report *)request;
    struct reread *reread = weir_alloc_zero(partition->shard->budget, sizeof *reread);
    if (reread == NULL) {
        weir_request_refuse(request, WEIR_NO_MEMORY, "read a batch again");
        return;
    }
    reread->partition = partition;
    reread->report = report;
    reread->read = (struct weir_log_read){
        .offset = report->offset, .offset_max = INT64_MAX, .checks_disk = true};
    int rc = weir_log_read_begin(partition->log, &reread->read);
    if (rc == WEIR_END) {
        submit(partition, reread);
    } else {
        answer(partition, report, rc, &reread->read.error);
        weir_free(reread);
    }
}

void weir_engine_report_damage(struct weir_engine *engine, struct weir_damage_report *report)
{
    weir_assert(report->offset >= 0);
    weir_request_send(engine, &report->request, report->of, report_stage);
}
