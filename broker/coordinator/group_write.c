#include "broker/coordinator/group_write.h"

#include "base/assert.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/partition_life.h"
#include "broker/engine/request.h"

/* Of the memory that updates are made in; what a large one took beyond it is given back. */
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

/* ---- when it has ended -------------------------------------------------------------------------- */

static void write_ended(struct weir_coordinator_write *base, int rc, struct weir_error *error)
{
    struct weir_group_write *write = (struct weir_group_write *)base;
    struct weir_shard *shard = write->offsets->partition->shard;
    write->is_durable = base->is_durable;
    delist(write->offsets, write);
    struct weir_request *held = take_held(write);
    write->ended(write, rc, error);
    ask_again(shard, held);
}

/* ---- the door --------------------------------------------------------------------------------- */

void weir_group_write_begin(struct weir_offsets_partition *offsets)
{
    weir_coordinator_log_begin(&offsets->log);
}

int weir_group_write_add(struct weir_offsets_partition *offsets, struct weir_slice key,
                         struct weir_slice value, int64_t wall_ms)
{
    return weir_coordinator_log_add(&offsets->log, key, value, wall_ms);
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

/* The batch is a copy: what it was made of is not looked at any more. */
int weir_group_write_submit(struct weir_offsets_partition *offsets, struct weir_group_write *write)
{
    struct weir_batch_finish finish_with = finish_of(write);
    struct weir_shared *batch;
    int rc = weir_coordinator_log_finish(&offsets->log, &finish_with, &batch);
    if (rc < 0) return rc;
    if (offsets->update_arena.used > KEPT_BYTES) weir_arena_close(&offsets->update_arena);
    weir_group_write_submit_batch(offsets, write, batch);
    return 0;
}

void weir_group_write_submit_batch(struct weir_offsets_partition *offsets,
                                   struct weir_group_write *write, struct weir_shared *batch)
{
    const struct weir_commit_request *transaction = write->transaction;
    weir_assert(write->ended != NULL && write->group.size > 0);
    write->offsets = offsets;
    write->write = (struct weir_coordinator_write){.ended = write_ended};
    if (transaction != NULL) {
        write->write.transactional_id = transaction->transactional_id;
        write->write.is_transaction_version_2 = transaction->is_transaction_version_2;
    }
    write->held_first = write->held_last = NULL;
    enlist(offsets, write);
    weir_coordinator_log_write(&offsets->log, &write->write, batch);
}
