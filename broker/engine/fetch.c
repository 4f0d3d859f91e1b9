#include "broker/engine/fetch.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/cancel.h"
#include "broker/engine/delayed_fetch.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition_life.h"
#include "broker/engine/route.h"
#include "wire/record_batch_reader.h"

/*
 * A fetch is answered at once if there is enough, or waits on its partition: in the partition's
 * list, to be woken by what arrives, and in the shard's heap of deadlines. A fetch that needs the
 * disk is with a worker meanwhile and in neither.
 * A cancel may cross the answer on its way: cancel.h.
 */

/* ---- answers --------------------------------------------------------------------------------- */

static bool wait_for_cancel(struct weir_request *request)
{
    return weir_cancel_holds_answer(&((struct weir_fetch_request *)request)->cancel_state);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* A read that a worker does. */
struct cold_read {
    struct weir_work work; /* first */
    struct weir_partition *partition;
    struct weir_fetch_request *fetch;
    struct weir_log_read read;
};

static bool is_watch(const struct weir_fetch_request *fetch)
{
    return fetch->port != NULL && fetch->port->is_watch;
}

static bool is_last_chance(const struct weir_partition *partition,
                           const struct weir_fetch_request *fetch)
{
    return fetch->size_min == 0 || fetch->deadline.ns <= weir_mono_now(partition->shard->env).ns ||
           weir_serving_check(&partition->shard->engine->serving, NULL) < 0;
}

static void release(struct weir_log_read *read)
{
    weir_log_read_release(read);
    read->size = 0;
}

/* One past the last batch that was read. */
static int64_t end_of(const struct weir_log_read *read)
{
    const struct weir_log_part *last = &read->batches.parts[read->batches.part_count - 1];
    struct weir_batch_reader reader = {.rest = weir_log_part_bytes(last)};
    int64_t end = read->offset;
    while (weir_batch_reader_next(&reader, NULL) == 0) {
        end = weir_batch_last_offset(&reader.header) + 1;
    }
    return end;
}

/* There is more behind what was read, which ended at some bound of its own (`size_max`, a segment, an
 * epoch): to wait would not make it longer. */
static bool is_cut_short(const struct weir_log_read *read)
{
    if (read->range.segment != NULL) return true;
    return read->batches.part_count > 0 && end_of(read) < read->offset_bound;
}

/* Where what was read ends. */
static int64_t given_end(const struct weir_log_read *read)
{
    return read->range.segment != NULL ? read->range_end_offset : end_of(read);
}

/* Whoever reads committed has to know what of it was aborted, or gets none of it. */
static int tell_aborted(const struct weir_partition *partition, struct weir_fetch_request *fetch,
                        const struct weir_log_read *read)
{
    if (!fetch->read_committed || read->size == 0) return 0;
    return weir_partition_log_aborted(partition->log, fetch->offset, given_end(read),
                                      &fetch->aborted, &fetch->aborted_count);
}

/* What was read is the answer if it is enough, or if waiting is over. */
static void take(struct weir_partition *partition, struct weir_fetch_request *fetch,
                 struct weir_log_read *read)
{
    if (read->size < fetch->size_min && !is_cut_short(read) && !is_last_chance(partition, fetch)) {
        size_t missing = fetch->size_min - read->size;
        release(read);
        weir_fetch_wait(partition, fetch, missing);
        return;
    }
    if (is_watch(fetch)) release(read);
    if (tell_aborted(partition, fetch, read) < 0) {
        release(read);
        weir_fetch_show(partition, fetch);
        weir_request_refuse(&fetch->request, WEIR_NO_MEMORY, "name the aborted transactions");
        return;
    }
    weir_log_batches_move(&fetch->batches, &read->batches);
    if (fetch->port != NULL) fetch->port->range = read->range;
    fetch->size = read->size;
    weir_counter_add(&partition->shard->bytes_out, (int64_t)read->size);
    weir_fetch_show(partition, fetch);
    weir_request_reply(&fetch->request, 0);
}

static void refuse_read(struct weir_partition *partition, struct weir_fetch_request *fetch,
                        const struct weir_log_read *read, int rc)
{
    weir_fetch_show(partition, fetch);
    weir_request_refuse(&fetch->request, rc,
                        read->error.text[0] != '\0' ? read->error.text : weir_code_text(rc));
}

static void cold_run(struct weir_work *work)
{
    weir_log_read_run(&((struct cold_read *)work)->read);
}

static void cold_done(struct weir_message *message)
{
    struct cold_read *cold = (struct cold_read *)message;
    struct weir_partition *partition = cold->partition;
    struct weir_engine *engine = partition->shard->engine;
    weir_assert(partition->state == WEIR_PARTITION_OPEN && partition->reads > 0);
    partition->reads--;
    int rc = weir_log_read_end(&cold->read);
    weir_partition_refresh(partition);
    weir_partition_look_for_damage(partition);
    bool has_more = weir_fetch_bytes_now(partition, cold->fetch) > cold->fetch->seen_bytes;
    if (rc < 0) {
        refuse_read(partition, cold->fetch, &cold->read, rc);
    } else {
        take(partition, cold->fetch, &cold->read);
    }
    weir_free(cold);
    if (has_more) weir_partition_wake_fetches(partition); /* it may wait for what has come since */
    weir_partition_settle(partition);
    weir_serving_release(&engine->serving);
}

static void submit_cold(struct weir_partition *partition, struct weir_fetch_request *fetch,
                        const struct weir_log_read *read)
{
    struct cold_read *cold = weir_alloc_zero(partition->shard->budget, sizeof *cold);
    if (cold == NULL) {
        struct weir_log_read unread = *read;
        unread.rc = WEIR_NO_MEMORY; /* nothing was run: only what begin holds is let go */
        (void)weir_log_read_end(&unread);
        weir_request_refuse(&fetch->request, WEIR_NO_MEMORY, "read from the disk");
        return;
    }
    cold->work = (struct weir_work){
        .done.handle = cold_done, .run = cold_run, .reply_to = partition->shard->actor};
    cold->partition = partition;
    cold->fetch = fetch;
    cold->read = *read;
    partition->reads++;
    weir_assert(partition->state == WEIR_PARTITION_OPEN && partition->reads > 0);
    weir_serving_hold(&partition->shard->engine->serving);
    weir_work_submit(partition->shard->env, &cold->work);
}

/* How far it may see. */
static int64_t end_for(const struct weir_partition *partition,
                       const struct weir_fetch_request *fetch)
{
    if (fetch->read_committed) return partition->last_stable_offset;
    return fetch->read_uncommitted_end ? partition->shown.end_offset : partition->high_watermark;
}

static void try_fetch(struct weir_partition *partition, struct weir_fetch_request *fetch)
{
    struct weir_log_read read = {
        .offset = fetch->offset,
        .offset_max = end_for(partition, fetch),
        .size_max = is_watch(fetch) ? fetch->size_min : fetch->size_max,
        .range_min = fetch->port == NULL || is_watch(fetch) ? 0 : fetch->port->range_min,
    };
    fetch->seen_bytes = weir_fetch_bytes_now(partition, fetch);
    bool is_beyond =
        fetch->offset >= read.offset_max && fetch->offset <= partition->shown.end_offset;
    /* Of a log that is offline nothing more will come: to wait would hide it. */
    int rc = is_beyond ? weir_partition_log_check_online(partition->log, &read.error)
                       : weir_log_read_begin(partition->log, &read);
    if (rc == WEIR_END) {
        submit_cold(partition, fetch, &read);
    } else if (rc < 0) {
        refuse_read(partition, fetch, &read, rc);
        weir_partition_look_for_damage(partition);
    } else {
        take(partition, fetch, &read);
    }
}

/*
 * A reader says which epoch the last record had that it has read. Where that epoch ended before the
 * offset it asks for, or is not here at all, the reader has records that were cut away: it is told
 * where to go back to instead of being given others (KIP-320, KIP-595). True if it was.
 */
static bool tell_divergence(struct weir_partition *partition, struct weir_fetch_request *fetch)
{
    int32_t epoch;
    int64_t end;
    bool is_in_log = fetch->offset >= partition->shown.start_offset;
    if (!fetch->epochs.has_fetched || !is_in_log) return false;
    weir_partition_epoch_end(partition, fetch->epochs.fetched, &epoch, &end);
    if (epoch == fetch->epochs.fetched && end >= fetch->offset) return false;
    weir_fetch_show(partition, fetch);
    if (epoch < 0) {
        weir_request_refuse(&fetch->request, WEIR_OFFSET_OUT_OF_RANGE,
                            "the last fetched epoch is not one of this partition's");
        return true;
    }
    fetch->diverging_epoch = epoch;
    fetch->diverging_end_offset = end;
    weir_request_reply(&fetch->request, 0);
    return true;
}

/* Look whether there is enough, for a fetch that has come or one that has waited. */
static void look(struct weir_partition *partition, struct weir_fetch_request *fetch)
{
    int rc = weir_partition_check_epoch(partition, &fetch->epochs, &fetch->request.error);
    if (rc < 0) {
        weir_fetch_show(partition, fetch);
        weir_request_reply(&fetch->request, rc);
        return;
    }
    if (!tell_divergence(partition, fetch)) try_fetch(partition, fetch);
}

/* A watch stands for many fetches: it ends when what they would be told changes. */
static bool has_new_start(const struct weir_partition *partition,
                          const struct weir_fetch_request *fetch)
{
    return is_watch(fetch) && fetch->seen_start_offset != partition->shown.start_offset;
}

void weir_partition_wake_fetches(struct weir_partition *partition)
{
    struct weir_fetch_request *next = partition->fetches;
    weir_assert(partition->state == WEIR_PARTITION_OPEN); /* else a worker has the log */
    while (next != NULL) {
        struct weir_fetch_request *fetch = next;
        next = fetch->next;
        bool was_cut = fetch->offset > partition->shown.end_offset ||
                       fetch->offset < partition->shown.start_offset ||
                       weir_partition_check_epoch(partition, &fetch->epochs, NULL) < 0;
        bool has_enough = weir_fetch_bytes_now(partition, fetch) >= fetch->wake_at_bytes;
        if (!has_enough && !was_cut && !has_new_start(partition, fetch)) continue;
        weir_fetch_stop_waiting(fetch);
        if (has_enough || was_cut) {
            look(partition, fetch);
        } else {
            weir_fetch_show(partition, fetch);
            weir_request_reply(&fetch->request, 0);
        }
    }
}

void weir_fetch_expire(struct weir_fetch_request *fetch)
{
    struct weir_partition *partition = fetch->waits_on;
    weir_fetch_stop_waiting(fetch);
    if (partition->state == WEIR_PARTITION_OPEN) {
        look(partition, fetch);
        return;
    }
    weir_fetch_show(partition, fetch); /* the log is with a worker: what is known must do */
    weir_request_reply(&fetch->request, 0);
}

/* ---- the door -------------------------------------------------------------------------------- */

static void fetch_stage(struct weir_partition *partition, struct weir_request *request)
{
    look(partition, (struct weir_fetch_request *)request);
}

void weir_engine_fetch(struct weir_engine *engine, struct weir_fetch_request *request)
{
    request->request.before_reply = wait_for_cancel;
    request->batches.part_count = 0;
    if (request->port != NULL) request->port->range = (struct weir_log_range){0};
    request->size = 0;
    request->leader_epoch = -1;
    request->diverging_epoch = -1;
    request->diverging_end_offset = -1;
    request->high_watermark = -1;
    request->last_stable_offset = -1;
    request->aborted = NULL;
    request->aborted_count = 0;
    request->log_start_offset = -1;
    request->log_end_offset = -1;
    request->durable_offset = 0;
    request->next = NULL;
    request->previous = NULL;
    request->waits_on = NULL;
    request->deadline_index = 0;
    atomic_store(&request->cancel_state, WEIR_CANCEL_LIVE); /* it is made */
    weir_request_send(engine, &request->request, request->from, fetch_stage);
}

/* On the shard. Three places it can be in: waiting, on its way (with a worker, or in line for the
 * partition), or answered and held back for this message. */
static void cancelled(struct weir_message *message)
{
    struct weir_fetch_request *fetch =
        (struct weir_fetch_request *)((char *)message -
                                      offsetof(struct weir_fetch_request, cancel));
    struct weir_engine *engine = fetch->request.shard->engine;
    if (weir_cancel_arrives(&fetch->cancel_state)) {
        fetch->request.before_reply = NULL;
        weir_request_reply(&fetch->request, fetch->request.rc);
    } else {
        fetch->deadline = (struct weir_mono){0}; /* what comes next is the last chance */
        if (fetch->waits_on != NULL) {
            weir_fetch_stop_waiting(fetch);
            weir_request_refuse(&fetch->request, WEIR_CLOSED, "the fetch was cancelled");
        }
    }
    weir_serving_release(&engine->serving);
}

void weir_engine_cancel_fetch(struct weir_engine *engine, struct weir_fetch_request *request)
{
    if (!weir_cancel_begin(&request->cancel_state)) return;
    struct weir_shard *shard =
        weir_engine_shard(engine, request->from.topic, request->from.partition);
    request->cancel.handle = cancelled;
    weir_serving_hold(&engine->serving);
    weir_actor_post(shard->actor, &request->cancel);
}

void weir_fetch_release(struct weir_fetch_request *request)
{
    weir_log_batches_release(&request->batches);
    if (request->port != NULL) weir_log_range_release(&request->port->range);
    weir_free(request->aborted);
    request->aborted = NULL;
    request->aborted_count = 0;
    request->size = 0;
}
