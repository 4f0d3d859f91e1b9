#include "tests/unit/broker/coordinator/txn/txn_stage.h"

#include "base/buffer.h"
#include "broker/coordinator/txn/txn_record.h"

void stage_init(struct stage *stage)
{
    *stage = (struct stage){
        .now_ms = 5000,
        .wall_ms = 1700000000000,
        .deadline_ms = WEIR_TXN_NEVER_MS,
        .last_id = 1000,
        .settings = weir_txn_settings_default(),
    };
    weir_heap_init(&stage->heap, false);
    weir_budget_init(&stage->budget, "test", &stage->heap, NULL, 0);
    weir_arena_init(&stage->arena, &stage->budget, 0);
    weir_txn_image_init(&stage->image, &stage->budget);
}

void stage_close(struct stage *stage)
{
    weir_txn_image_close(&stage->image);
    weir_arena_close(&stage->arena);
    ck_assert_uint_eq(atomic_load(&stage->budget.used), 0);
}

const struct weir_txn *stage_txn(const struct stage *stage)
{
    return weir_txn_image_find(&stage->image, weir_text(STAGE_ID));
}

static void fold(struct stage *stage, const struct weir_txn *txn, bool is_gone)
{
    struct weir_buffer key;
    struct weir_buffer value;
    weir_buffer_init(&key, &stage->budget, 0);
    weir_buffer_init(&value, &stage->budget, 0);
    ck_ok(weir_txn_key_encode(txn->transactional_id, &key), NULL);
    if (!is_gone) ck_ok(weir_txn_value_encode(txn, &stage->arena, &value), NULL);
    struct weir_record record = {
        .key = weir_buffer_slice(&key),
        .value = is_gone ? weir_null() : weir_buffer_slice(&value),
    };
    ck_ok(weir_txn_image_apply(&stage->image, &record, &stage->error), &stage->error);
    if (!is_gone) {
        weir_txn_image_remember(&stage->image, txn->transactional_id, txn->last_producer_epoch);
    }
    weir_buffer_close(&key);
    weir_buffer_close(&value);
}

void stage_put(struct stage *stage, const struct weir_txn *txn)
{
    fold(stage, txn, false);
}

struct weir_txn stage_make(struct stage *stage, enum weir_transaction_state state)
{
    static const struct weir_topic_partition clicks = {{(const uint8_t *)"clicks", 6}, 0};
    bool is_open = state >= WEIR_TRANSACTION_ONGOING && state <= WEIR_TRANSACTION_PREPARE_ABORT;
    return (struct weir_txn){
        .transactional_id = weir_text(STAGE_ID),
        .state = state,
        .producer_id = 1000,
        .previous_producer_id = -1,
        .next_producer_id = -1,
        .producer_epoch = 5,
        .last_producer_epoch = -1,
        .client_version = WEIR_TXN_VERSION_2,
        .timeout_ms = STAGE_TIMEOUT_MS,
        .start_ms = state == WEIR_TRANSACTION_EMPTY ? -1 : stage->wall_ms,
        .update_ms = stage->wall_ms,
        .partitions = is_open ? &clicks : NULL,
        .partition_count = is_open ? 1 : 0,
    };
}

/* As the shell does it. */
static int run(struct stage *stage, struct weir_txn_event *event)
{
    int rc;
    stage->error = (struct weir_error){0};
    event->now_ms = stage->now_ms;
    event->wall_ms = stage->wall_ms;
    event->deadline_ms = stage->deadline_ms;
    event->new_producer_id = -1;
    event->settings = &stage->settings;
    for (;;) {
        weir_arena_reset(&stage->arena);
        stage->update.arena = &stage->arena;
        rc = weir_txn_step(stage_txn(stage), weir_text(STAGE_ID), event, &stage->update,
                           &stage->error);
        if (stage->update.wants_producer_id) {
            event->new_producer_id = ++stage->last_id;
            stage->id_count++;
        } else if (stage->update.wants_sync) {
            event->is_synced = true;
            stage->sync_count++;
        } else {
            break;
        }
    }
    stage->deadline_ms = stage->update.deadline_ms;
    if (stage->update.writes) {
        const struct weir_txn *before = stage_txn(stage);
        enum weir_transaction_state to = stage->update.next.state;
        bool is_fence = before != NULL && before->state == WEIR_TRANSACTION_ONGOING &&
                        to == WEIR_TRANSACTION_PREPARE_ABORT;
        ck_assert(before == NULL || is_fence || weir_txn_may_follow(before->state, to));
        fold(stage, &stage->update.next, stage->update.is_gone);
    }
    ck_told(rc, &stage->error);
    return rc;
}

int stage_init_with(struct stage *stage, struct weir_init_transactions_request *init)
{
    struct weir_txn_event event = {.type = WEIR_TXN_INIT, .init = init};
    return run(stage, &event);
}

int stage_begin(struct stage *stage, int64_t *id_out, int16_t *epoch_out)
{
    struct weir_init_transactions_request init = {
        .base = {.producer_id = -1, .producer_epoch = -1},
        .timeout_ms = STAGE_TIMEOUT_MS,
    };
    int rc = stage_init_with(stage, &init);
    *id_out = init.producer_id;
    *epoch_out = init.producer_epoch;
    return rc;
}

int stage_add(struct stage *stage, int64_t id, int16_t epoch, const char *topic, int32_t partition)
{
    struct weir_topic_partition added = {weir_text(topic), partition};
    struct weir_add_partitions_request add = {
        .base = {.producer_id = id, .producer_epoch = epoch, .is_version_2 = true},
        .partitions = &added,
        .partition_count = 1,
    };
    struct weir_txn_event event = {.type = WEIR_TXN_ADD_PARTITIONS, .add = &add};
    return run(stage, &event);
}

int stage_end(struct stage *stage, struct weir_end_transaction_request *end)
{
    struct weir_txn_event event = {.type = WEIR_TXN_END, .end = end};
    end->next_producer_id = -1;
    end->next_producer_epoch = -1;
    return run(stage, &event);
}

int stage_event(struct stage *stage, enum weir_txn_event_type type)
{
    struct weir_txn_event event = {.type = type};
    return run(stage, &event);
}

void stage_complete(struct stage *stage)
{
    ck_assert(weir_txn_is_prepared(stage_txn(stage)));
    ck_ok(stage_event(stage, WEIR_TXN_MARKERS_WRITTEN), &stage->error);
    ck_assert(weir_txn_is_idle(stage_txn(stage)));
}
