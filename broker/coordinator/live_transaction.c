#include "broker/coordinator/live_transaction.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/state_table.h"
#include "broker/coordinator/group_hash.h"
#include "broker/coordinator/transaction_coordinator.h"
#include "broker/coordinator/txn/txn_record.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/request.h"

enum {
    RETRY_MS = 250, /* first, and twice that each time up to: */
    RETRY_MAX_MS = 10000,
    KEPT_BYTES = 1 << 20, /* of the memory that records are made in */
};

#define TO(phase) WEIR_STATE_BIT(WEIR_LIVE_##phase)
static const struct weir_state_row rows[] = {
    [WEIR_LIVE_IDLE] = {"idle", TO(ASKING) | TO(SYNCING) | TO(WRITING) | TO(MARKING)},
    [WEIR_LIVE_ASKING] = {"asking", TO(IDLE) | TO(SYNCING) | TO(WRITING)},
    [WEIR_LIVE_SYNCING] = {"syncing", TO(IDLE) | TO(WRITING)},
    [WEIR_LIVE_WRITING] = {"writing", TO(IDLE) | TO(MARKING)},
    [WEIR_LIVE_MARKING] = {"marking", TO(WRITING)},
};
#undef TO
static const struct weir_state_table phases = WEIR_STATE_TABLE("live transaction", rows);

/* The beginning of its id, for a line of the log. */
enum { NAME_SIZE = 64 + 1 };
static const char *name_of(const struct weir_live_transaction *live, char name[NAME_SIZE])
{
    memset(name, 0, NAME_SIZE);
    weir_copy(name, live->id.data, live->id.size < NAME_SIZE ? live->id.size : NAME_SIZE - 1);
    return name;
}

static void move(struct weir_live_transaction *live, enum weir_live_phase to)
{
    char name[NAME_SIZE];
    (void)name_of(live, name);
    live->phase = (enum weir_live_phase)weir_state_move(&phases, name, live->phase, to);
}

static struct weir_env *env_of(const struct weir_live_transaction *live)
{
    return live->home->partition->shard->env;
}

static int64_t now_ms(const struct weir_transaction_partition *home)
{
    return weir_mono_now(home->partition->shard->env).ns / 1000000;
}

static const struct weir_txn *durable(const struct weir_live_transaction *live)
{
    return weir_txn_image_find(&live->home->image, live->id);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

void weir_live_transactions_wake(struct weir_transaction_partition *home)
{
    struct weir_mono at = weir_deadline_heap_first(&home->deadlines);
    if (!home->is_loaded && home->load_at.ns < at.ns) at = home->load_at;
    if (home->expiry_at.ns < at.ns) at = home->expiry_at;
    weir_partition_wake_at(home->partition, at);
}

/* Transactions whose time is over are looked for at intervals, as many as there are at once. */
static struct weir_mono timeout_at(const struct weir_live_transaction *live)
{
    int64_t interval_ms = live->home->coordinator->settings.abort_interval_ms;
    int64_t rounded_ms;
    if (live->deadline_ms == WEIR_TXN_NEVER_MS) return WEIR_MONO_NEVER;
    bool is_far = __builtin_add_overflow(live->deadline_ms, interval_ms - 1, &rounded_ms);
    if (is_far) return WEIR_MONO_NEVER;
    return weir_mono_after_ms((struct weir_mono){0}, rounded_ms - rounded_ms % interval_ms);
}

static struct weir_mono wants_turn_at(const struct weir_live_transaction *live)
{
    if (live->phase == WEIR_LIVE_MARKING) return live->retry_at;
    if (live->phase != WEIR_LIVE_IDLE) return WEIR_MONO_NEVER;
    return live->retry_at.ns != INT64_MAX ? live->retry_at : timeout_at(live);
}

/* It has had a place in the heap since it was made, so that this needs no memory. */
static void set_deadline(struct weir_live_transaction *live)
{
    struct weir_deadline deadline = {
        .at = wants_turn_at(live), .item = live, .index = &live->deadline_index};
    weir_deadline_heap_remove(&live->home->deadlines, &live->deadline_index);
    int rc = weir_deadline_heap_add(&live->home->deadlines, deadline);
    weir_assert(rc == 0);
    weir_live_transactions_wake(live->home);
}

static void retry_later(struct weir_live_transaction *live, int rc, const char *text)
{
    char name[NAME_SIZE];
    char quoted_name[2 * NAME_SIZE];
    char quoted[2 * WEIR_ERROR_TEXT_SIZE];
    int shift = live->retries < 6 ? live->retries : 6;
    int64_t after_ms = RETRY_MS << shift;
    if (live->retries++ == 0 && rc != WEIR_CLOSED) {
        weir_log(&env_of(live)->logger, WEIR_LOG_WARN, "transaction.not_ended",
                 "transactional_id=%s reason=%s",
                 weir_log_quote(quoted_name, sizeof quoted_name, name_of(live, name)),
                 weir_log_quote(quoted, sizeof quoted, text));
    }
    live->retry_at = weir_mono_after_ms(weir_mono_now(env_of(live)),
                                        after_ms < RETRY_MAX_MS ? after_ms : RETRY_MAX_MS);
}

static void did_not_fail(struct weir_live_transaction *live)
{
    live->retry_at = WEIR_MONO_NEVER;
    live->retries = 0;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static bool is_out(const struct weir_live_transaction *live)
{
    bool rests = live->phase == WEIR_LIVE_IDLE ||
                 (live->phase == WEIR_LIVE_MARKING && !weir_transaction_fan_is_out(&live->fan));
    return !rests;
}

static void forget(struct weir_live_transaction *live)
{
    struct weir_transaction_partition *home = live->home;
    weir_assert(live->first == NULL && live->asker == NULL);
    weir_assert(!live->is_running && !live->holds && !is_out(live));
    (void)weir_map_remove(&home->live, live->id);
    weir_deadline_heap_remove(&home->deadlines, &live->deadline_index);
    weir_transaction_fan_close(&live->fan);
    atomic_fetch_sub(&home->coordinator->live_count, 1);
    weir_free(live);
}

/* What nobody has asked for: a close waits for it too, once it has begun. False: it must not begin any more. */
static bool hold_serving(struct weir_live_transaction *live)
{
    struct weir_serving *serving = &live->home->partition->shard->engine->serving;
    if (!live->holds) live->holds = weir_serving_try_hold(serving);
    return live->holds;
}

/* All that is known of an id that is idle is in the image. */
static void settle(struct weir_live_transaction *live)
{
    struct weir_serving *serving = &live->home->partition->shard->engine->serving;
    const struct weir_txn *txn = durable(live);
    bool lets_go = live->holds && !is_out(live);
    bool is_behind = weir_coordinator_log_is_behind(&live->home->log);
    bool is_idle = live->phase == WEIR_LIVE_IDLE && live->first == NULL && !is_behind;
    if (lets_go) live->holds = false;
    if (is_behind && live->retry_at.ns == INT64_MAX) { /* then it is known what is left to do */
        live->retry_at = weir_mono_after_ms(weir_mono_now(env_of(live)), RETRY_MS);
    }
    if (is_idle && (txn == NULL || weir_txn_is_idle(txn))) {
        forget(live);
    } else {
        set_deadline(live);
    }
    if (lets_go) weir_serving_release(serving);
}

static struct weir_live_transaction *new_live(struct weir_transaction_partition *home,
                                              struct weir_slice id)
{
    struct weir_live_transaction *live =
        weir_alloc_zero(&home->coordinator->budget, sizeof *live + id.size);
    if (live == NULL) return NULL;
    weir_copy(live + 1, id.data, id.size);
    live->home = home;
    live->id = weir_slice(live + 1, id.size);
    live->deadline_ms = WEIR_TXN_NEVER_MS;
    live->retry_at = WEIR_MONO_NEVER;
    struct weir_deadline deadline = {
        .at = WEIR_MONO_NEVER, .item = live, .index = &live->deadline_index};
    if (weir_deadline_heap_add(&home->deadlines, deadline) < 0 ||
        weir_map_add(&home->live, live->id, live) < 0) {
        weir_deadline_heap_remove(&home->deadlines, &live->deadline_index);
        weir_free(live);
        return NULL;
    }
    atomic_fetch_add(&home->coordinator->live_count, 1);
    return live;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void answer(struct weir_live_transaction *live, int rc)
{
    struct weir_transaction_request *asker = live->asker;
    live->asker = NULL;
    while (asker != NULL) {
        struct weir_transaction_request *next = asker->next;
        if (next != NULL && rc < 0) next->request.error = asker->request.error;
        asker->next = NULL;
        weir_request_reply(&asker->request, rc);
        asker = next;
    }
}

/* Nothing has happened. What nobody waits for is tried again. */
static void fail(struct weir_live_transaction *live, int rc, const char *text)
{
    bool is_asked = live->asker != NULL;
    if (is_asked) (void)weir_error_set(&live->asker->request.error, (enum weir_code)rc, "%s", text);
    answer(live, rc);
    if (live->phase != WEIR_LIVE_IDLE && live->phase != WEIR_LIVE_MARKING) {
        move(live, WEIR_LIVE_IDLE);
    }
    if (!is_asked) retry_later(live, rc, text);
}

/* ---- performing an update --------------------------------------------------------------------- */

static void proceed(struct weir_live_transaction *live);
static void mark(struct weir_live_transaction *live);
static void leave(struct weir_live_transaction *live, bool was_running);

/* What is done with it until it is left may end at once, and begin the next thing. */
static bool enter(struct weir_live_transaction *live)
{
    bool was_running = live->is_running;
    live->is_running = true;
    return was_running;
}

static void id_given(struct weir_request *request)
{
    struct weir_live_transaction *live = request->context;
    bool was_running = enter(live);
    if (request->rc < 0) {
        fail(live, request->rc, request->error.text);
    } else {
        live->event.new_producer_id = live->ids.producer_id;
        proceed(live);
    }
    leave(live, was_running);
}

static void ask_id(struct weir_live_transaction *live)
{
    const struct weir_transaction_helpers *helpers = &live->home->coordinator->helpers;
    move(live, WEIR_LIVE_ASKING);
    live->ids = (struct weir_init_producer_request){
        .request = {.reply_to = live->home->partition->shard->actor,
                    .done = id_given,
                    .context = live},
    };
    helpers->init_producer(helpers->producer_impl, &live->ids);
}

static struct weir_live_transaction *of_fan(struct weir_transaction_fan *fan)
{
    return (struct weir_live_transaction *)((char *)fan -
                                            offsetof(struct weir_live_transaction, fan));
}

/* Of what is durable, which nothing changes until the fan has ended. */
static int begin_fan(struct weir_live_transaction *live, const struct weir_txn *txn,
                     void (*send)(struct weir_transaction_fan *fan,
                                  struct weir_transaction_fan_slot *slot),
                     void (*ended)(struct weir_transaction_fan *fan))
{
    live->fan.partitions = txn->partitions;
    live->fan.count = txn->partition_count;
    live->fan.send = send;
    live->fan.ended = ended;
    live->fan.reply_to = live->home->partition->shard->actor;
    live->fan.env = env_of(live);
    return weir_transaction_fan_begin(&live->fan, &live->home->coordinator->budget);
}

static void send_sync(struct weir_transaction_fan *fan, struct weir_transaction_fan_slot *slot)
{
    weir_engine_sync_partition(of_fan(fan)->home->partition->shard->engine, &slot->sync,
                               fan->partitions[slot->index]);
}

static void synced(struct weir_transaction_fan *fan)
{
    struct weir_live_transaction *live = of_fan(fan);
    bool was_running = enter(live);
    struct weir_error error = fan->error;
    int rc = fan->rc;
    weir_transaction_fan_close(fan);
    if (rc < 0) {
        fail(live, rc, error.text);
    } else {
        live->event.is_synced = true;
        proceed(live);
    }
    leave(live, was_running);
}

static void sync(struct weir_live_transaction *live)
{
    move(live, WEIR_LIVE_SYNCING);
    int rc = begin_fan(live, durable(live), send_sync, synced);
    if (rc < 0) fail(live, rc, "sync what a transaction wrote");
}

static void write_ended(struct weir_coordinator_write *write, int rc, struct weir_error *error)
{
    struct weir_live_transaction *live =
        (struct weir_live_transaction *)((char *)write -
                                         offsetof(struct weir_live_transaction, write));
    bool was_running = enter(live);
    bool is_complete = live->event.type == WEIR_TXN_MARKERS_WRITTEN;
    if (!write->is_durable) {
        fail(live, rc, error->text);
        if (is_complete) move(live, WEIR_LIVE_MARKING); /* once more, markers and all */
        leave(live, was_running);
        return;
    }
    bool is_known = rc == 0 && !weir_coordinator_log_is_behind(&live->home->log);
    if (is_known && !live->update.is_gone) {
        weir_txn_image_remember(&live->home->image, live->id,
                                live->update.next.last_producer_epoch);
    }
    did_not_fail(live);
    live->deadline_ms = live->update.deadline_ms;
    bool marks = live->update.marks;
    move(live, WEIR_LIVE_IDLE);
    answer(live, live->rc);
    if (marks) mark(live);
    leave(live, was_running);
}

static int encode(struct weir_live_transaction *live, const struct weir_txn_update *update)
{
    struct weir_transaction_partition *home = live->home;
    struct weir_slice value = weir_null();
    weir_buffer_reset(&home->key);
    weir_buffer_reset(&home->value);
    int rc = weir_txn_key_encode(live->id, &home->key);
    if (rc == 0 && !update->is_gone) {
        rc = weir_txn_value_encode(&update->next, &home->update_arena, &home->value);
        value = weir_buffer_slice(&home->value);
    }
    if (rc < 0) return rc;
    weir_coordinator_log_begin(&home->log);
    return weir_coordinator_log_add(&home->log, weir_buffer_slice(&home->key), value,
                                    weir_wall_now(env_of(live)).ms);
}

static void give_back(struct weir_transaction_partition *home)
{
    if (home->update_arena.used > KEPT_BYTES) weir_arena_close(&home->update_arena);
    if (home->value.capacity > KEPT_BYTES) weir_buffer_close(&home->value);
}

/* It may have ended on return. */
static void write_record(struct weir_live_transaction *live, const struct weir_txn_update *update,
                         int rc_then)
{
    enum weir_live_phase before = live->phase;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_shared *batch;
    int rc = encode(live, update);
    live->update = *update;
    live->update.next.partitions = NULL;
    live->rc = rc_then;
    live->write.ended = write_ended;
    give_back(live->home);
    if (rc == 0) rc = weir_coordinator_log_finish(&live->home->log, &finish, &batch);
    if (rc == 0) {
        move(live, WEIR_LIVE_WRITING);
        weir_coordinator_log_write(&live->home->log, &live->write, batch);
        return;
    }
    fail(live, rc, "write down a transaction");
    if (before == WEIR_LIVE_MARKING && live->phase == WEIR_LIVE_IDLE) move(live, before);
}

/* The event again, with what it has asked for. */
static void proceed(struct weir_live_transaction *live)
{
    struct weir_transaction_partition *home = live->home;
    struct weir_error own = {0};
    struct weir_error *error = live->asker != NULL ? &live->asker->request.error : &own;
    struct weir_txn_update update = {.arena = &home->update_arena};
    weir_arena_reset(&home->update_arena);
    int rc = weir_coordinator_log_catch_up(&home->log, error);
    if (rc < 0) {
        struct weir_error why = *error;
        fail(live, rc, why.text);
        return;
    }
    rc = weir_txn_step(durable(live), live->id, &live->event, &update, error);
    if (update.wants_producer_id) {
        ask_id(live);
    } else if (update.wants_sync) {
        sync(live);
    } else if (update.writes) {
        weir_assert(live->phase != WEIR_LIVE_MARKING ||
                    live->event.type == WEIR_TXN_MARKERS_WRITTEN);
        write_record(live, &update, rc);
    } else {
        if (live->phase != WEIR_LIVE_MARKING) {
            did_not_fail(live);
            live->deadline_ms = update.deadline_ms;
            if (live->phase != WEIR_LIVE_IDLE) move(live, WEIR_LIVE_IDLE);
        }
        answer(live, rc);
        if (update.marks && live->phase == WEIR_LIVE_IDLE) mark(live);
    }
}

static void begin(struct weir_live_transaction *live, const struct weir_txn_event *event,
                  struct weir_transaction_request *asker)
{
    weir_assert(live->phase == WEIR_LIVE_IDLE || live->phase == WEIR_LIVE_MARKING);
    weir_assert(live->asker == NULL);
    live->event = *event;
    live->event.now_ms = now_ms(live->home);
    live->event.wall_ms = weir_wall_now(env_of(live)).ms;
    live->event.deadline_ms = live->deadline_ms;
    live->event.new_producer_id = -1;
    live->event.is_synced = false;
    live->event.settings = &live->home->coordinator->settings;
    live->asker = asker;
    proceed(live);
}

/* ---- in line ---------------------------------------------------------------------------------- */

static void wait_in_line(struct weir_live_transaction *live,
                         struct weir_transaction_request *request)
{
    request->next = NULL;
    if (live->last != NULL) {
        live->last->next = request;
    } else {
        live->first = request;
    }
    live->last = request;
}

static struct weir_transaction_request *take_first(struct weir_live_transaction *live)
{
    struct weir_transaction_request *request = live->first;
    live->first = request->next;
    if (live->first == NULL) live->last = NULL;
    return request;
}

/* Who waits for the end of what cannot end for now hears why. It is tried again all the same. */
static void refuse_waiting(struct weir_live_transaction *live, int rc, const char *text)
{
    struct weir_transaction_request *line = live->first;
    live->first = live->last = NULL;
    while (line != NULL) {
        struct weir_transaction_request *request = line;
        line = request->next;
        if (request->waits_for_end) {
            weir_request_refuse(&request->request, rc, text);
        } else {
            wait_in_line(live, request);
        }
    }
}

/* ---- markers --------------------------------------------------------------------------------- */

static void send_marker(struct weir_transaction_fan *fan, struct weir_transaction_fan_slot *slot)
{
    const struct weir_live_transaction *live = of_fan(fan);
    const struct weir_transaction_helpers *helpers = &live->home->coordinator->helpers;
    const struct weir_txn *txn = durable(live);
    weir_assert(txn != NULL && weir_txn_is_prepared(txn));
    slot->marker.to = fan->partitions[slot->index];
    slot->marker.producer_id = txn->producer_id;
    slot->marker.producer_epoch = txn->producer_epoch;
    slot->marker.coordinator_epoch = live->home->partition->epoch.current;
    slot->marker.is_commit = txn->state == WEIR_TRANSACTION_PREPARE_COMMIT;
    slot->marker.is_version_2 = txn->client_version >= WEIR_TXN_VERSION_2;
    helpers->write_marker(helpers->marker_impl, &slot->marker);
}

static void marked(struct weir_transaction_fan *fan)
{
    struct weir_live_transaction *live = of_fan(fan);
    bool was_running = enter(live);
    struct weir_txn_event event = {.type = WEIR_TXN_MARKERS_WRITTEN};
    if (fan->rc < 0) {
        retry_later(live, fan->rc, fan->error.text); /* of those that have none yet */
        if (fan->rc == WEIR_OFFLINE) refuse_waiting(live, fan->rc, fan->error.text);
    } else {
        weir_transaction_fan_close(fan);
        begin(live, &event, NULL);
    }
    leave(live, was_running);
}

/* What is durable says Prepare*, and nothing else is under way. */
static void mark(struct weir_live_transaction *live)
{
    struct weir_error error = {0};
    live->retry_at = WEIR_MONO_NEVER;
    if (live->phase != WEIR_LIVE_MARKING) move(live, WEIR_LIVE_MARKING);
    int rc = hold_serving(live) ? 0 : WEIR_CLOSED;
    if (rc == 0) rc = weir_coordinator_log_catch_up(&live->home->log, &error);
    if (rc == 0) rc = begin_fan(live, durable(live), send_marker, marked);
    if (rc < 0) retry_later(live, rc, error.text[0] != '\0' ? error.text : weir_code_text(rc));
}

/* ---- who asks -------------------------------------------------------------------------------- */

static bool may_begin(const struct weir_live_transaction *live,
                      const struct weir_transaction_request *request)
{
    if (live->phase == WEIR_LIVE_IDLE) return true;
    return live->phase == WEIR_LIVE_MARKING && live->asker == NULL && !request->waits_for_end;
}

/* Whoever is the last to leave goes on with those in line, as far as nothing holds them up. Then it may be gone. */
static void leave(struct weir_live_transaction *live, bool was_running)
{
    if (was_running) return;
    while (live->first != NULL && may_begin(live, live->first)) {
        struct weir_request *request = &take_first(live)->request;
        request->stage(live->home->partition, request);
    }
    live->is_running = false;
    settle(live);
}

/* As a partition that is added; groups that are being moved are asked about again. */
static int find_offsets_partition(struct weir_live_transaction *live, struct weir_slice group,
                                  struct weir_transaction_request *request)
{
    const struct weir_group_settle *groups = live->home->coordinator->groups;
    if (!weir_group_settle_is_done(groups)) {
        return weir_error_set(
            &request->request.error, WEIR_LOCKED,
            "groups are being moved to the partitions where they belong; ask again");
    }
    live->offsets_partition = (struct weir_topic_partition){
        weir_text(WEIR_CONSUMER_OFFSETS_TOPIC),
        weir_group_partition(group, atomic_load(&groups->partition_count))};
    return 0;
}

/* A request of that kind, which names nothing else. */
static int find_offsets(struct weir_live_transaction *live, struct weir_txn_event *event,
                        struct weir_transaction_request *request)
{
    const struct weir_add_offsets_request *asked = (const struct weir_add_offsets_request *)request;
    int rc = find_offsets_partition(live, asked->group, request);
    if (rc < 0) return rc;
    live->offsets = (struct weir_add_partitions_request){
        .base = {.producer_id = request->producer_id,
                 .producer_epoch = request->producer_epoch,
                 .is_version_2 = request->is_version_2},
        .partitions = &live->offsets_partition,
        .partition_count = 1,
    };
    event->add = &live->offsets;
    return 0;
}

/* An add of partitions may name a group beside them. */
static int take_group(struct weir_live_transaction *live, struct weir_txn_event *event,
                      struct weir_transaction_request *request)
{
    struct weir_add_partitions_request *add = event->add;
    if (add == NULL) return find_offsets(live, event, request);
    if (weir_slice_is_null(add->group)) return 0;
    int rc = find_offsets_partition(live, add->group, request);
    if (rc == 0) add->offsets = &live->offsets_partition;
    return rc;
}

static bool is_added_with(const struct weir_transaction_request *request,
                          const struct weir_transaction_request *other)
{
    if (!request->is_add || !other->is_add) return false;
    return request->producer_id == other->producer_id &&
           request->producer_epoch == other->producer_epoch &&
           request->is_version_2 == other->is_version_2 &&
           weir_slice_is_null(((const struct weir_add_partitions_request *)other)->group);
}

/* A producer that begins to write to many partitions at once asks for each: those that wait in line are added
 * with the first of them, in one record. */
static void add_those_in_line(struct weir_live_transaction *live,
                              struct weir_transaction_request *request)
{
    struct weir_transaction_request *last = request;
    request->next = NULL;
    while (live->first != NULL && is_added_with(request, live->first)) {
        last->next = take_first(live);
        last = last->next;
        last->next = NULL;
    }
}

static size_t size_of(const struct weir_txn_event *event, struct weir_slice id)
{
    size_t size = id.size + sizeof(struct weir_txn) + sizeof(struct weir_live_transaction);
    if (event->type != WEIR_TXN_ADD_PARTITIONS) return size;
    for (size_t i = 0; i < event->add->partition_count; i++) {
        size += event->add->partitions[i].topic.size + sizeof(struct weir_topic_partition);
    }
    return size;
}

/* Who ends, or asks, may always. */
static int check_room(const struct weir_live_transaction *live, const struct weir_txn_event *event,
                      struct weir_error *error)
{
    bool is_known = durable(live) != NULL;
    bool is_new = event->type == WEIR_TXN_INIT && !is_known;
    bool adds = event->type == WEIR_TXN_ADD_PARTITIONS && !event->add->is_verify;
    bool grows = adds && !event->add->is_renewal && is_known;
    if (!is_new && !grows) return 0;
    return weir_transactions_check_room(live->home->coordinator, is_known, size_of(event, live->id),
                                        error);
}

/* Read from the image, whose transaction may be open or decided already. NULL without memory. */
static struct weir_live_transaction *find_or_make(struct weir_transaction_partition *home,
                                                  struct weir_slice id)
{
    struct weir_live_transaction *live = weir_map_get(&home->live, id);
    if (live != NULL) return live;
    live = new_live(home, id);
    if (live == NULL) return NULL;
    const struct weir_txn *txn = durable(live);
    if (txn != NULL && !weir_txn_is_idle(txn)) {
        struct weir_txn_event load = {.type = WEIR_TXN_LOAD};
        live->is_running = true; /* until whoever asked for it leaves it */
        begin(live, &load, NULL);
        live->is_running = false;
    }
    return live;
}

void weir_live_transaction_ask(struct weir_transaction_partition *home,
                               struct weir_transaction_request *request,
                               const struct weir_txn_event *event)
{
    struct weir_error *error = &request->request.error;
    struct weir_txn_event asked = *event;
    int rc = weir_serving_check(&home->partition->shard->engine->serving, error);
    if (rc == 0) rc = weir_coordinator_log_catch_up(&home->log, error);
    struct weir_live_transaction *live =
        rc == 0 ? find_or_make(home, request->transactional_id) : NULL;
    if (live == NULL) {
        if (rc == 0) rc = weir_error_set(error, WEIR_NO_MEMORY, "look at a transaction");
        weir_request_reply(&request->request, rc);
        return;
    }
    if (!may_begin(live, request)) {
        wait_in_line(live, request);
        return;
    }
    bool was_running = enter(live);
    if (asked.type == WEIR_TXN_ADD_PARTITIONS) rc = take_group(live, &asked, request);
    if (rc == 0) rc = check_room(live, &asked, error);
    if (rc == 0) {
        add_those_in_line(live, request);
        begin(live, &asked, request);
    } else {
        weir_request_reply(&request->request, rc);
    }
    leave(live, was_running);
}

const struct weir_live_transaction *
weir_live_transaction_find(const struct weir_transaction_partition *home, struct weir_slice id)
{
    return weir_map_get(&home->live, id);
}

bool weir_live_transaction_is_marked(const struct weir_live_transaction *live, size_t partition)
{
    bool is_known = live->phase == WEIR_LIVE_MARKING && live->fan.is_done != NULL;
    return is_known && partition < live->fan.count && live->fan.is_done[partition];
}

/* ---- times ------------------------------------------------------------------------------------ */

static void take_turn(struct weir_live_transaction *live)
{
    struct weir_txn_event timeout = {.type = WEIR_TXN_TIMEOUT};
    bool was_running = enter(live);
    struct weir_error error = {0};
    weir_assert(!was_running);
    live->retry_at = WEIR_MONO_NEVER;
    /* What is left to do only what is durable tells: it may be further than the image. */
    int rc = weir_coordinator_log_catch_up(&live->home->log, &error);
    const struct weir_txn *txn = durable(live);
    bool is_prepared = txn != NULL && weir_txn_is_prepared(txn);
    weir_assert(rc < 0 || is_prepared || live->phase != WEIR_LIVE_MARKING);
    if (rc < 0) {
        retry_later(live, rc, error.text);
    } else if (is_prepared) {
        mark(live);
    } else if (hold_serving(live)) {
        begin(live, &timeout, NULL);
    } else {
        retry_later(live, WEIR_CLOSED, "the log is being closed");
    }
    leave(live, was_running);
}

void weir_live_transactions_tick(struct weir_transaction_partition *home, struct weir_mono now,
                                 size_t count_max)
{
    struct weir_live_transaction *live;
    for (size_t i = 0; i < count_max; i++) {
        live = weir_deadline_heap_due(&home->deadlines, now);
        if (live == NULL) break;
        take_turn(live);
    }
}

void weir_live_transactions_load(struct weir_transaction_partition *home, struct weir_mono now,
                                 size_t count_max)
{
    const struct weir_txn_entry *entry = NULL;
    if (home->is_loaded || now.ns < home->load_at.ns) return;
    for (size_t i = 0; i < count_max; i++) {
        entry = weir_map_walk_next(&home->image.entries, &home->load_walk);
        if (entry == NULL) break;
        if (weir_txn_is_idle(entry->txn)) continue;
        struct weir_live_transaction *live = find_or_make(home, entry->id);
        if (live == NULL) { /* what waits for its end must not wait for ever */
            home->load_walk = (struct weir_map_walk){0};
            home->load_at = weir_mono_after_ms(now, RETRY_MS);
            return;
        }
        leave(live, enter(live));
    }
    home->is_loaded = entry == NULL;
}

bool weir_live_transaction_expire(struct weir_transaction_partition *home,
                                  const struct weir_txn *txn)
{
    struct weir_txn_event expire = {.type = WEIR_TXN_EXPIRE};
    if (weir_map_get(&home->live, txn->transactional_id) != NULL) return false;
    struct weir_live_transaction *live = new_live(home, txn->transactional_id);
    if (live == NULL) return false;
    bool was_running = enter(live);
    if (hold_serving(live)) begin(live, &expire, NULL);
    bool goes = live->phase == WEIR_LIVE_WRITING;
    leave(live, was_running);
    return goes;
}

/* ---- the end ---------------------------------------------------------------------------------- */

void weir_live_transactions_refuse(struct weir_transaction_partition *home, int rc,
                                   const char *text)
{
    struct weir_live_transaction *live;
    size_t at = 0;
    while ((live = weir_map_next(&home->live, &at)) != NULL) {
        while (live->first != NULL) {
            weir_request_refuse(&take_first(live)->request, rc, text);
        }
    }
}

void weir_live_transactions_close(struct weir_transaction_partition *home)
{
    struct weir_live_transaction *live;
    size_t at = 0;
    while ((live = weir_map_next(&home->live, &at)) != NULL) {
        forget(live);
    }
}
