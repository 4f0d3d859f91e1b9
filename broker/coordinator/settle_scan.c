#include "broker/coordinator/settle_scan.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/coordinator/group/group_text.h"
#include "broker/coordinator/group_hash.h"
#include "broker/coordinator/group_write.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/request.h"
#include "broker/engine/route.h"

/*
 * A chunk at a time: the first group that belongs elsewhere says where to, and all of the same way go with it, as
 * many records as a chunk takes.
 *
 *     look ──chunk──> adopt: written there, durable ──> take back: written here, durable ──> look
 *      └─none─> answered
 *
 * Two batches are made at once, of the same keys: the records, and what takes them back. A group in an open transaction
 * cannot be moved, for the marker comes here: what has to move waits until it has ended, which the transaction's timeout
 * bounds.
 */
enum { CHUNK_BYTES = 256 * 1024 };

struct chunk {
    struct weir_batch_builder records;
    struct weir_batch_builder back;
    int32_t from;
    int32_t to; /* -1: nothing belongs elsewhere */
    int32_t count;
    bool is_full;
    const struct weir_committed_group *pending; /* one that cannot be moved yet, or NULL */
};

/* On the shard of where they belong. */
struct adoption {
    struct weir_request request; /* first */
    struct weir_group_write write;
    struct weir_shared *batch;
};

struct weir_settle_scan {
    struct weir_request request; /* first */
    struct weir_engine *engine;
    int32_t partition;
    int32_t count;
    struct weir_offsets_partition *offsets;
    struct adoption adoption;
    struct weir_shared *back;
    struct weir_group_write write;
};

static const char NAME[] = "groups on their way";

static void look_stage(struct weir_partition *partition, struct weir_request *request);

static struct weir_topic_partition place_of(int32_t partition)
{
    return (struct weir_topic_partition){weir_text(WEIR_CONSUMER_OFFSETS_TOPIC), partition};
}

/* ---- a chunk --------------------------------------------------------------------------------- */

/* A record more than fits ends it: WEIR_END. */
static int add(void *context, int64_t producer_id, const struct weir_record *record)
{
    struct chunk *chunk = context;
    weir_assert(producer_id < 0);
    struct weir_record back = *record;
    size_t size = weir_batch_builder_size(&chunk->records);
    if (chunk->count > 0 && size + record->key.size + record->value.size > CHUNK_BYTES) {
        chunk->is_full = true;
        return WEIR_END;
    }
    struct weir_record moved = *record;
    moved.timestamp_ms = back.timestamp_ms = 0; /* what counts is in the values */
    back.value = weir_null();
    int rc = weir_batch_builder_add(&chunk->records, &moved);
    if (rc == 0) rc = weir_batch_builder_add(&chunk->back, &back);
    if (rc == 0) chunk->count++;
    return rc;
}

static int fill(struct chunk *chunk, const struct weir_offsets_image *image, int32_t count)
{
    const struct weir_committed_group *group;
    size_t at = 0;
    int rc = 0;
    while (rc == 0 && !chunk->is_full && (group = weir_map_next(&image->groups, &at)) != NULL) {
        int32_t place = weir_group_partition(group->name, count);
        if (place == chunk->from) continue;
        if (group->pending_count > 0) {
            chunk->pending = group;
            continue;
        }
        if (chunk->to < 0) chunk->to = place;
        if (place == chunk->to) rc = weir_committed_group_each(image, group, add, chunk);
    }
    return rc == WEIR_END ? 0 : rc;
}

static int finish(struct weir_batch_builder *builder, struct weir_budget *budget,
                  struct weir_shared **batch_out)
{
    struct weir_batch_finish finish_with = WEIR_BATCH_FINISH_NONE;
    struct weir_slice bytes;
    int rc = weir_batch_builder_finish(builder, &finish_with, &bytes);
    if (rc < 0) return rc;
    struct weir_shared *batch = weir_shared_new(budget, bytes.size);
    if (batch == NULL) return WEIR_NO_MEMORY;
    memcpy(batch->data, bytes.data, bytes.size);
    batch->size = bytes.size;
    *batch_out = batch;
    return 0;
}

static int say_pending(const struct weir_committed_group *group, struct weir_error *error)
{
    return weir_error_set(error, WEIR_LOCKED,
                          "group '%.*s' has offsets in an open transaction: it is moved to the "
                          "partition where it belongs when that has ended; ask again",
                          WEIR_GROUP_SHOWN(group->name));
}

static int make_chunk(struct weir_settle_scan *scan, int32_t *to_out, struct weir_error *error)
{
    struct weir_budget *budget = scan->offsets->partition->shard->budget;
    struct chunk chunk = {.from = scan->partition, .to = -1};
    weir_batch_builder_init(&chunk.records, budget, WEIR_CODEC_NONE, 0);
    weir_batch_builder_init(&chunk.back, budget, WEIR_CODEC_NONE, 0);
    int rc = fill(&chunk, &scan->offsets->image, scan->count);
    if (rc == 0 && chunk.count > 0) rc = finish(&chunk.records, budget, &scan->adoption.batch);
    if (rc == 0 && chunk.count > 0) rc = finish(&chunk.back, budget, &scan->back);
    weir_batch_builder_close(&chunk.records);
    weir_batch_builder_close(&chunk.back);
    if (rc < 0) return weir_error_set(error, (enum weir_code)rc, "move groups");
    if (chunk.count == 0 && chunk.pending != NULL) return say_pending(chunk.pending, error);
    *to_out = chunk.count > 0 ? chunk.to : -1;
    return 0;
}

static void drop_batches(struct weir_settle_scan *scan)
{
    weir_shared_unref(scan->adoption.batch);
    weir_shared_unref(scan->back);
    scan->adoption.batch = scan->back = NULL;
}

static void end(struct weir_settle_scan *scan, int rc, const char *text)
{
    drop_batches(scan);
    if (rc < 0) (void)weir_error_set(&scan->request.error, (enum weir_code)rc, "%s", text);
    weir_request_reply(&scan->request, rc);
}

/* ---- here: taken back ------------------------------------------------------------------------ */

static void taken_back(struct weir_group_write *write, int rc, struct weir_error *error)
{
    struct weir_settle_scan *scan =
        (struct weir_settle_scan *)((char *)write - offsetof(struct weir_settle_scan, write));
    if (rc < 0) {
        end(scan, rc, error->text);
        return;
    }
    weir_request_enter(&scan->request, place_of(scan->partition), look_stage);
}

static void adopted(struct weir_request *request)
{
    struct weir_settle_scan *scan = request->context;
    if (request->rc < 0) {
        end(scan, request->rc, request->error.text);
        return;
    }
    struct weir_shared *back = scan->back;
    scan->back = NULL;
    scan->write = (struct weir_group_write){.group = weir_text(NAME), .ended = taken_back};
    weir_group_write_submit_batch(scan->offsets, &scan->write, back);
}

/* ---- there: adopted -------------------------------------------------------------------------- */

static void adoption_ended(struct weir_group_write *write, int rc, struct weir_error *error)
{
    struct adoption *adoption =
        (struct adoption *)((char *)write - offsetof(struct adoption, write));
    if (rc < 0) adoption->request.error = *error;
    weir_request_reply(&adoption->request, rc);
}

static void adopt_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct adoption *adoption = (struct adoption *)request;
    struct weir_shared *batch = adoption->batch;
    adoption->batch = NULL;
    adoption->write = (struct weir_group_write){.group = weir_text(NAME), .ended = adoption_ended};
    weir_group_write_submit_batch(weir_offsets_partition_of(partition), &adoption->write, batch);
}

/* ---- looked through -------------------------------------------------------------------------- */

static void look_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_settle_scan *scan = (struct weir_settle_scan *)request;
    int32_t to = -1;
    scan->offsets = weir_offsets_partition_of(partition);
    int rc = weir_serving_check(&scan->engine->serving, &request->error);
    if (rc == 0) rc = weir_offsets_partition_catch_up(scan->offsets, &request->error);
    if (rc == 0) rc = make_chunk(scan, &to, &request->error);
    if (rc < 0 || to < 0) {
        drop_batches(scan);
        weir_request_reply(request, rc);
        return;
    }
    scan->adoption.request = (struct weir_request){
        .reply_to = partition->shard->actor, .done = adopted, .context = scan};
    weir_request_send(scan->engine, &scan->adoption.request, place_of(to), adopt_stage);
}

/* ---- the door -------------------------------------------------------------------------------- */

struct weir_settle_scan *weir_settle_scan_new(struct weir_engine *engine, int32_t partition,
                                              int32_t partition_count)
{
    struct weir_settle_scan *scan = weir_alloc_zero(&engine->budget, sizeof *scan);
    if (scan == NULL) return NULL;
    scan->engine = engine;
    scan->partition = partition;
    scan->count = partition_count;
    return scan;
}

struct weir_request *weir_settle_scan_request(struct weir_settle_scan *scan)
{
    return &scan->request;
}

void weir_settle_scan_send(struct weir_settle_scan *scan)
{
    weir_request_send(scan->engine, &scan->request, place_of(scan->partition), look_stage);
}

void weir_settle_scan_free(struct weir_settle_scan *scan)
{
    weir_free(scan);
}
