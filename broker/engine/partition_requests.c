#include "broker/engine/partition_requests.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition_chores.h"
#include "broker/engine/partition_cleaning.h"
#include "broker/engine/partition_life.h"
#include "broker/engine/route.h"

/* The smaller questions to one partition: where epochs end, what it looks like, and cutting it. */

/* ---- epochs ---------------------------------------------------------------------------------- */

static void epoch_end_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_epoch_end_request *end = (struct weir_epoch_end_request *)request;
    int rc = weir_partition_check_epoch(partition, &end->epochs, &request->error);
    weir_partition_refresh(partition);
    if (rc == 0) {
        weir_partition_epoch_end(partition, end->epoch, &end->epoch_found, &end->end_offset);
    }
    weir_request_reply(request, rc);
}

/* The newest one has no record, and no earlier one can have had any. */
static void epoch_end_unmade(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_epoch_end_request *end = (struct weir_epoch_end_request *)request;
    int rc = weir_partition_check_epoch(partition, &end->epochs, &request->error);
    if (rc == 0 && end->epoch >= 0 && end->epoch <= partition->epoch.current) {
        end->epoch_found = end->epoch;
        end->end_offset = 0;
    }
    weir_request_reply(request, rc);
}

void weir_engine_epoch_end(struct weir_engine *engine, struct weir_epoch_end_request *request)
{
    request->epoch_found = -1;
    request->end_offset = -1;
    weir_request_send_to_look(engine, &request->request, request->of, epoch_end_stage,
                              epoch_end_unmade);
}

/* ---- describe -------------------------------------------------------------------------------- */

static void describe_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_describe_partition_request *describe =
        (struct weir_describe_partition_request *)request;
    weir_partition_refresh(partition);
    struct weir_partition_log_state state = weir_partition_log_state(partition->log);
    describe->log_start_offset = state.start_offset;
    describe->log_end_offset = state.end_offset;
    describe->high_watermark = partition->high_watermark;
    describe->leader_epoch = state.leader_epoch;
    weir_shard_cleaner_glance(partition, &describe->clean_bytes, &describe->dirty_bytes);
    describe->compacted_end_offset = weir_partition_log_compacted_end(partition->log);
    describe->is_offline = state.is_offline;
    describe->offline_from = state.offline_from;
    describe->lost = state.lost;
    describe->lost_count = state.lost_count;
    weir_request_reply(request, 0);
}

static void describe_unmade(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_describe_partition_request *describe =
        (struct weir_describe_partition_request *)request;
    describe->log_start_offset = 0;
    describe->log_end_offset = 0;
    describe->high_watermark = 0;
    describe->leader_epoch = partition->epoch.current;
    describe->clean_bytes = 0;
    describe->dirty_bytes = 0;
    describe->compacted_end_offset = 0;
    describe->is_offline = false;
    describe->offline_from = -1;
    describe->lost = (struct weir_lost_range){0};
    describe->lost_count = 0;
    weir_request_reply(request, 0);
}

void weir_engine_describe_partition(struct weir_engine *engine,
                                    struct weir_describe_partition_request *request)
{
    weir_request_send_to_look(engine, &request->request, request->of, describe_stage,
                              describe_unmade);
}

static void state_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_partition_state_request *asked = (struct weir_partition_state_request *)request;
    weir_partition_refresh(partition);
    asked->state = weir_partition_log_state(partition->log);
    asked->high_watermark = partition->high_watermark;
    weir_shard_cleaner_glance(partition, &asked->clean_bytes, &asked->dirty_bytes);
    weir_request_reply(request, 0);
}

static void state_unmade(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_partition_state_request *asked = (struct weir_partition_state_request *)request;
    asked->state = (struct weir_partition_log_state){
        .max_timestamp_ms = WEIR_NO_TIMESTAMP,
        .leader_epoch = partition->epoch.current,
        .offline_from = -1,
    };
    asked->high_watermark = 0;
    asked->clean_bytes = 0;
    asked->dirty_bytes = 0;
    weir_request_reply(request, 0);
}

void weir_engine_partition_state(struct weir_engine *engine,
                                 struct weir_partition_state_request *request)
{
    weir_request_send_to_look(engine, &request->request, request->of, state_stage, state_unmade);
}

/* ---- cut ------------------------------------------------------------------------------------- */

/*
 * What a cut does, and when, epoch_step.h says. The partition works (nothing else gets in) from
 * before the first step to after the last.
 */
static struct weir_cut_request *take_cut(struct weir_partition *partition)
{
    struct weir_cut_request *cut = (struct weir_cut_request *)partition->cut;
    partition->cut = NULL;
    return cut;
}

static int cut_job(struct weir_partition *partition)
{
    const struct weir_cut_request *cut = (struct weir_cut_request *)partition->cut;
    if (cut->what == WEIR_CUT_HEAD) {
        return weir_partition_log_set_start(partition->log, cut->offset, &partition->job_error);
    }
    int rc = weir_partition_log_truncate(partition->log, cut->offset, &partition->job_error);
    if (rc < 0) return rc;
    return weir_partition_log_set_epoch(partition->log, partition->epoch.current,
                                        &partition->job_error);
}

static void cut_finished(struct weir_partition *partition)
{
    struct weir_cut_request *cut = take_cut(partition);
    int rc = partition->job_rc;
    struct weir_epoch_event worked = {.type = WEIR_EPOCH_WORKED};
    struct weir_epoch_update update;
    weir_epoch_step(&partition->epoch, &worked, &update);
    if (rc < 0) {
        cut->request.error = partition->job_error;
        weir_partition_failed(partition, WEIR_AVAILABILITY_WORK_FAILED, rc, &partition->job_error);
    }
    partition->shown = weir_partition_log_offsets(partition->log);
    if (partition->high_watermark > partition->shown.end_offset) {
        partition->high_watermark = partition->shown.end_offset;
    }
    weir_partition_note_stable(partition);
    if (partition->never_cut_below > partition->shown.end_offset) {
        partition->never_cut_below =
            partition->shown.end_offset; /* its owner has thought better of it */
    }
    cut->start_offset = partition->shown.start_offset;
    cut->end_offset = partition->shown.end_offset;
    cut->leader_epoch = partition->epoch.current;
    weir_request_reply(&cut->request, rc);
    weir_partition_resume(partition);
}

static void fail_cut(struct weir_partition *partition, int rc, const char *text)
{
    weir_request_refuse(&take_cut(partition)->request, rc, text);
    weir_partition_resume(partition);
}

/* `rc` and `text` are for a cut that fails. */
static void perform(struct weir_partition *partition, const struct weir_epoch_update *update,
                    int rc, const char *text)
{
    if (update->cuts) weir_partition_submit(partition, cut_job, cut_finished);
    if (update->fails) fail_cut(partition, rc, text);
}

static void raised(struct weir_partition *partition, const struct weir_epoch_raised *raised)
{
    struct weir_epoch_event event = {
        .type = WEIR_EPOCH_RAISED, .epoch = raised->leader_epoch, .rc = raised->rc};
    struct weir_epoch_update update;
    weir_assert(partition->state == WEIR_PARTITION_WORKING);
    weir_epoch_step(&partition->epoch, &event, &update);
    perform(partition, &update, raised->rc, raised->error->text);
}

static void begin_cut(struct weir_partition *partition)
{
    const struct weir_cut_request *cut = (struct weir_cut_request *)partition->cut;
    const struct weir_metadata_owner *owner = &partition->shard->engine->metadata;
    bool is_head = cut->what == WEIR_CUT_HEAD;
    struct weir_epoch_event event = {.type = is_head ? WEIR_EPOCH_CUT_HEAD : WEIR_EPOCH_CUT_TAIL};
    struct weir_epoch_update update;
    weir_epoch_step(&partition->epoch, &event, &update);
    if (update.raises) {
        int rc = owner->ops->raise_epoch(owner->impl, partition, raised);
        if (rc == 0) return;
        event = (struct weir_epoch_event){.type = WEIR_EPOCH_RAISED, .rc = rc};
        weir_epoch_step(&partition->epoch, &event, &update);
    }
    perform(partition, &update, event.rc, "cut a partition");
}

static int check_cut(const struct weir_partition *partition, const struct weir_cut_request *cut,
                     struct weir_error *error)
{
    if (weir_topic_name_is_internal(partition->topic)) {
        return weir_error_set(error, WEIR_INVALID_TOPIC, "the engine's own topics are not cut");
    }
    bool is_head = cut->what == WEIR_CUT_HEAD;
    int64_t end = is_head ? partition->high_watermark : partition->shown.end_offset;
    if (cut->offset >= partition->shown.start_offset && cut->offset <= end) return 0;
    return weir_error_set(
        error, WEIR_OFFSET_OUT_OF_RANGE, "cut at %lld: '%.*s' partition %d holds %lld to %lld",
        (long long)cut->offset, (int)partition->topic.size, (const char *)partition->topic.data,
        partition->number, (long long)partition->shown.start_offset, (long long)end);
}

static void cut_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_cut_request *cut = (struct weir_cut_request *)request;
    weir_partition_refresh(partition);
    if (cut->what == WEIR_CUT_NEVER_BELOW) {
        bool moves = cut->offset > partition->never_cut_below;
        if (moves) partition->never_cut_below = cut->offset;
        if (moves) weir_partition_note_cleanable(partition);
        weir_request_reply(request, 0);
        return;
    }
    bool is_to_watermark = cut->what == WEIR_CUT_HEAD && cut->offset == -1;
    if (is_to_watermark) cut->offset = partition->high_watermark;
    int rc = check_cut(partition, cut, &request->error);
    if (rc < 0) {
        cut->start_offset = partition->shown.start_offset;
        cut->end_offset = partition->shown.end_offset;
        weir_request_reply(request, rc);
        return;
    }
    if (!weir_partition_want(partition, begin_cut)) {
        weir_request_refuse(request, WEIR_UNKNOWN_TOPIC_OR_PARTITION, "the topic is being deleted");
        return;
    }
    partition->cut = request;
    weir_partition_settle(partition);
}

void weir_engine_cut(struct weir_engine *engine, struct weir_cut_request *request)
{
    weir_request_send(engine, &request->request, request->partition, cut_stage);
}
