#include "broker/engine/list_offsets.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/partition_life.h"
#include "broker/engine/route.h"

/*
 * Where a partition begins and ends is answered on the spot; the first record of a time, or of the
 * largest, is looked for by a worker, since the batch that has it may have to come from the disk.
 */

/* The epoch of the record at `offset`, or of the one that will be there. */
static int32_t epoch_at(const struct weir_partition *partition, int64_t offset)
{
    if (offset < 0) return -1;
    if (offset >= partition->shown.end_offset) return partition->epoch.current;
    return weir_partition_log_epoch_at(partition->log, offset);
}

/* What the reader may see ends here. */
static int64_t end_for(const struct weir_partition *partition,
                       const struct weir_list_offsets_request *list)
{
    return list->read_committed ? partition->last_stable_offset : partition->high_watermark;
}

/* ---- by time --------------------------------------------------------------------------------- */

struct time_search {
    struct weir_work work; /* first */
    struct weir_partition *partition;
    struct weir_list_offsets_request *list;
    struct weir_log_time find;
};

/* What lies above the high watermark, or the last stable offset, is not there yet; but of damaged records nobody can say that
 * none of them is late enough. */
static int answer(struct weir_partition *partition, struct weir_list_offsets_request *list,
                  const struct weir_log_time *find)
{
    if (find->offset < 0 || find->offset >= end_for(partition, list)) {
        return weir_partition_log_check_online(partition->log, &list->request.error);
    }
    list->offset = find->offset;
    list->timestamp_found_ms = find->found_ms;
    list->leader_epoch = epoch_at(partition, find->offset);
    return 0;
}

static void search_run(struct weir_work *work)
{
    weir_log_time_run(&((struct time_search *)work)->find);
}

static void search_done(struct weir_message *message);

static void submit(struct time_search *search)
{
    struct weir_partition *partition = search->partition;
    search->work = (struct weir_work){
        .done.handle = search_done, .run = search_run, .reply_to = partition->shard->actor};
    weir_work_submit(partition->shard->env, &search->work);
}

static void search_done(struct weir_message *message)
{
    struct time_search *search = (struct time_search *)message;
    struct weir_partition *partition = search->partition;
    struct weir_engine *engine = partition->shard->engine;
    struct weir_list_offsets_request *list = search->list;
    int rc = weir_log_time_end(&search->find);
    if (rc == WEIR_END) {
        submit(search); /* it was not in that segment */
        return;
    }
    weir_assert(partition->state == WEIR_PARTITION_OPEN && partition->reads > 0);
    partition->reads--;
    weir_partition_refresh(partition);
    list->log_end_offset = partition->shown.end_offset;
    weir_partition_look_for_damage(partition);
    if (rc < 0) list->request.error = search->find.error;
    if (rc == 0) rc = answer(partition, list, &search->find);
    weir_request_reply(&list->request, rc);
    weir_free(search);
    weir_partition_settle(partition);
    weir_serving_release(&engine->serving);
}

/* 0: answered. WEIR_END: a worker is on it. */
static int search_time(struct weir_partition *partition, struct weir_list_offsets_request *list)
{
    bool is_largest = list->timestamp_ms == WEIR_OFFSET_MAX_TIMESTAMP;
    struct time_search *search = weir_alloc_zero(partition->shard->budget, sizeof *search);
    if (search == NULL) {
        return weir_error_set(&list->request.error, WEIR_NO_MEMORY, "no memory to find a time");
    }
    search->partition = partition;
    search->list = list;
    search->find.timestamp_ms = list->timestamp_ms;
    search->find.offset_max = end_for(partition, list);
    int rc = is_largest ? weir_log_time_begin_largest(partition->log, &search->find)
                        : weir_log_time_begin(partition->log, &search->find);
    if (rc == WEIR_END) {
        partition->reads++;
        weir_serving_hold(&partition->shard->engine->serving);
        submit(search);
        return WEIR_END;
    }
    if (rc < 0) list->request.error = search->find.error;
    if (rc == 0) rc = answer(partition, list, &search->find);
    weir_free(search);
    return rc;
}

/* ---- the door -------------------------------------------------------------------------------- */

static int check_timestamp(const struct weir_list_offsets_request *list, struct weir_error *error)
{
    int64_t timestamp_ms = list->timestamp_ms;
    bool has_meaning = timestamp_ms == WEIR_OFFSET_LATEST || timestamp_ms == WEIR_OFFSET_EARLIEST ||
                       timestamp_ms == WEIR_OFFSET_MAX_TIMESTAMP;
    if (timestamp_ms >= 0 || has_meaning) return 0;
    return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                          "timestamp %lld is neither a time nor one of -1, -2, -3",
                          (long long)timestamp_ms);
}

static int list_offsets(struct weir_partition *partition, struct weir_list_offsets_request *list)
{
    int rc;
    switch (list->timestamp_ms) {
    case WEIR_OFFSET_LATEST: /* of a damaged log nobody knows the end */
        rc = weir_partition_log_check_online(partition->log, &list->request.error);
        if (rc < 0) return rc;
        list->offset = end_for(partition, list);
        list->leader_epoch = partition->epoch.current;
        return 0;
    case WEIR_OFFSET_EARLIEST:
        list->offset = partition->shown.start_offset;
        list->leader_epoch = epoch_at(partition, list->offset);
        return 0;
    case WEIR_OFFSET_MAX_TIMESTAMP: /* the first record that is as young as any */
        rc = weir_partition_log_check_online(partition->log, &list->request.error);
        return rc < 0 ? rc : search_time(partition, list);
    default:
        rc = check_timestamp(list, &list->request.error);
        return rc < 0 ? rc : search_time(partition, list);
    }
}

static void list_offsets_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_list_offsets_request *list = (struct weir_list_offsets_request *)request;
    weir_partition_refresh(partition);
    list->log_end_offset = partition->shown.end_offset;
    int rc = weir_partition_check_epoch(partition, &list->epochs, &request->error);
    if (rc == 0) rc = list_offsets(partition, list);
    if (rc != WEIR_END) weir_request_reply(request, rc);
}

/* It begins and ends at 0, and has no record. */
static void list_unmade(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_list_offsets_request *list = (struct weir_list_offsets_request *)request;
    int64_t timestamp_ms = list->timestamp_ms;
    list->log_end_offset = 0;
    int rc = weir_partition_check_epoch(partition, &list->epochs, &request->error);
    if (rc == 0) rc = check_timestamp(list, &request->error);
    if (rc == 0 && (timestamp_ms == WEIR_OFFSET_LATEST || timestamp_ms == WEIR_OFFSET_EARLIEST)) {
        list->offset = 0;
        list->leader_epoch = partition->epoch.current;
    }
    weir_request_reply(request, rc);
}

void weir_engine_list_offsets(struct weir_engine *engine, struct weir_list_offsets_request *request)
{
    request->offset = -1;
    request->timestamp_found_ms = -1;
    request->leader_epoch = -1;
    weir_request_send_to_look(engine, &request->request, request->of, list_offsets_stage,
                              list_unmade);
}
