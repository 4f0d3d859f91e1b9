#include "broker/coordinator/group_write.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/partition_life.h"
#include "broker/engine/produce.h"
#include "broker/engine/request.h"

/* Of the memory that updates and batches are made in; what a large one took beyond it is given back. */
enum { KEPT_BYTES = 1 << 20 };

/* ---- the list of those on their way ----------------------------------------------------------- */

static void enlist(struct weir_offsets_partition *offsets, struct weir_group_write *write)
{
    write->previous = offsets->writes_last;
    write->next = NULL;
    if (write->previous != NULL) {
        write->previous->next = write;
    } else {
        offsets->writes_first = write;
    }
    offsets->writes_last = write;
    offsets->owning_count += write->is_owning;
}

static void delist(struct weir_offsets_partition *offsets, struct weir_group_write *write)
{
    if (write->previous != NULL) {
        write->previous->next = write->next;
    } else {
        weir_assert(offsets->writes_first == write);
        offsets->writes_first = write->next;
    }
    if (write->next != NULL) {
        write->next->previous = write->previous;
    } else {
        weir_assert(offsets->writes_last == write);
        offsets->writes_last = write->previous;
    }
    weir_assert(!write->is_owning || offsets->owning_count > 0);
    offsets->owning_count -= write->is_owning;
}

bool weir_group_write_is_under_way(const struct weir_offsets_partition *offsets,
                                   struct weir_slice group)
{
    const struct weir_group_write *write = offsets->writes_first;
    while (write != NULL && !weir_slice_equal(write->group, group))
        write = write->next;
    return write != NULL;
}

bool weir_group_write_is_owning(const struct weir_offsets_partition *offsets,
                                struct weir_slice group)
{
    if (offsets->owning_count == 0) return false;
    const struct weir_group_write *write = offsets->writes_first;
    while (write != NULL && !(write->is_owning && weir_slice_equal(write->group, group)))
        write = write->next;
    return write != NULL;
}

/* ---- who waits for them ----------------------------------------------------------------------- */

void weir_group_write_hold(struct weir_offsets_partition *offsets, struct weir_slice group,
                           struct weir_request *request)
{
    struct weir_group_write *write = offsets->writes_last;
    while (write != NULL && !weir_slice_equal(write->group, group))
        write = write->previous;
    weir_assert(write != NULL && request->stage != NULL);
    request->message.next = NULL;
    if (write->held_last != NULL) {
        write->held_last->message.next = &request->message;
    } else {
        write->held_first = request;
    }
    write->held_last = request;
}

static struct weir_request *take_held(struct weir_group_write *write)
{
    struct weir_request *first = write->held_first;
    write->held_first = write->held_last = NULL;
    return first;
}

/* In the order in which they came. They may wait again, for a later write. */
static void ask_again(struct weir_shard *shard, struct weir_request *request)
{
    while (request != NULL) {
        struct weir_request *next = (struct weir_request *)request->message.next;
        weir_partition_enter(shard, request);
        request = next;
    }
}

void weir_group_write_refuse_held(struct weir_offsets_partition *offsets, int rc, const char *text)
{
    for (struct weir_group_write *write = offsets->writes_first; write != NULL;
         write = write->next) {
        struct weir_request *request = take_held(write);
        while (request != NULL) {
            struct weir_request *next = (struct weir_request *)request->message.next;
            weir_request_refuse(request, rc, text);
            request = next;
        }
    }
}

/* ---- when it is durable ----------------------------------------------------------------------- */

/* What is durable is folded in. What memory was short for before is read from the log first, unless a worker has
 * that now: then whoever comes next catches up. */
static int fold_flushed(struct weir_offsets_partition *offsets,
                        const struct weir_group_write *write, struct weir_error *error)
{
    const struct weir_shared *batch = write->produce.batches;
    bool is_behind = offsets->fold.next_offset < write->produce.base_offset;
    if (is_behind && offsets->partition->state != WEIR_PARTITION_OPEN) return 0;
    int rc = weir_offsets_partition_catch_up_to(offsets, write->produce.base_offset, error);
    if (rc < 0) return rc;
    return weir_fold_batches(&offsets->fold, weir_slice(batch->data, batch->size), error);
}

static void flushed(struct weir_request *request)
{
    struct weir_group_write *write = request->context;
    struct weir_offsets_partition *offsets = write->offsets;
    struct weir_error error = request->error;
    int rc = request->rc;
    write->is_durable = rc == 0;
    if (rc == 0) {
        rc = fold_flushed(offsets, write, &error);
        weir_snapshotter_run(&offsets->snapshotter);
    }
    delist(offsets, write);
    weir_shared_unref(write->produce.batches);
    write->produce.batches = NULL;
    struct weir_request *held = take_held(write);
    write->ended(write, rc, &error);
    ask_again(offsets->partition->shard, held);
}

/* ---- the door --------------------------------------------------------------------------------- */

void weir_group_write_begin(struct weir_offsets_partition *offsets)
{
    weir_batch_builder_reset(&offsets->builder);
}

int weir_group_write_add(struct weir_offsets_partition *offsets, struct weir_slice key,
                         struct weir_slice value, int64_t wall_ms)
{
    struct weir_record record = {.key = key, .value = value, .timestamp_ms = wall_ms};
    return weir_batch_builder_add(&offsets->builder, &record);
}

/* The batch is a copy: what it was made of is not looked at any more. */
static void give_back(struct weir_offsets_partition *offsets)
{
    if (offsets->update_arena.used > KEPT_BYTES) weir_arena_close(&offsets->update_arena);
    if (offsets->builder.plain.capacity > KEPT_BYTES) weir_batch_builder_close(&offsets->builder);
}

/* Without a sequence: nobody repeats such a batch, the coordinator writes each once (Kafka's form). */
static struct weir_batch_finish finish_of(const struct weir_group_write *write)
{
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    if (write->transaction == NULL) return finish;
    finish.producer_id = write->transaction->producer_id;
    finish.producer_epoch = write->transaction->producer_epoch;
    finish.is_transactional = true;
    return finish;
}

int weir_group_write_submit(struct weir_offsets_partition *offsets, struct weir_group_write *write)
{
    struct weir_partition *partition = offsets->partition;
    struct weir_batch_finish finish_with = finish_of(write);
    struct weir_slice bytes;
    int rc = weir_batch_builder_finish(&offsets->builder, &finish_with, &bytes);
    if (rc < 0) return rc;
    struct weir_shared *batch = weir_shared_new(partition->shard->budget, bytes.size);
    if (batch == NULL) return WEIR_NO_MEMORY;
    memcpy(batch->data, bytes.data, bytes.size);
    batch->size = bytes.size;
    give_back(offsets);
    weir_group_write_submit_batch(offsets, write, batch);
    return 0;
}

void weir_group_write_submit_batch(struct weir_offsets_partition *offsets,
                                   struct weir_group_write *write, struct weir_shared *batch)
{
    weir_assert(write->ended != NULL && write->group.size > 0);
    write->offsets = offsets;
    write->produce = (struct weir_produce_request){
        .request = {.done = flushed, .context = write},
        .batches = batch,
        .acks = WEIR_ACKS_ALL,
        .is_internal = true,
    };
    if (write->transaction != NULL) {
        write->produce.transactional_id = write->transaction->transactional_id;
        write->produce.is_transaction_version_2 = write->transaction->is_transaction_version_2;
    }
    write->held_first = write->held_last = NULL;
    enlist(offsets, write);
    weir_partition_write(offsets->partition, &write->produce);
}
