/* count, reduce and aggregate over sliding windows: all records of a key within a difference d.
 *
 * A window is [start, start + d], both inclusive, and is there for the records that define it: each
 * record at t has the one that ends with it, [t - d, t] (its left window), and the one that begins
 * behind it, [t + 1, t + 1 + d] (its right window), if a record lies in there. So a record (W2)
 *
 *   - is folded into each window that has its time in it;
 *   - makes its left window, if that is not there: out of the window of the record before it, whose
 *     records are in both, or out of nothing;
 *   - makes the right window of the record before it, if that is the first to lie in there;
 *   - makes its own right window, if a later record is there already: a copy, without itself.
 *
 *       d 5        a at 10         [5───10]
 *                  b at 13         [5───10]   [8───13]            a's left window, b's left: a b
 *                                     [11───16]                   a's right window: b
 *
 * Before d time has not been going on for long enough: all records there share one window, [0, d].
 * A window is late when its end is before (observed stream time - grace), a record when all of its
 * own are.
 *
 * What a record does is planned out of the index of the key's windows alone (live_rows.h: start,
 * and the largest timestamp in it), then done. The order is that of Kafka Streams, from the last
 * window to the first. Windows are found as long as its store would find them: while they start
 * after (last start put - retention).
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/saturate.h"
#include "operators/row_fold.h"
#include "operators/rows.h"
#include "operators/shared_rows.h"
#include "operators/table_rows.h"
#include "operators/window_close.h"

struct sliding_state {
    struct weir_shared_rows *shared; /* `own`, or that of all inputs of a cogroup */
    struct weir_shared_rows own;
    struct weir_window_close close;
};

enum step_kind {
    UPDATE, /* fold into the window that is there */
    BEGIN,  /* a new one of this record alone */
    EXTEND, /* a new one: the record, and what is in the window `left` */
    COPY,   /* a new one: what was in the window `right` before this record */
};

struct step {
    enum step_kind kind;
    int64_t start_ms;
};

/* What one record does; windows are named by their place in the key's rows, -1: none. */
struct plan {
    const struct weir_live_key *key;
    int64_t difference_ms;
    int64_t timestamp_ms;
    struct step *steps;
    size_t count;
    int64_t left;        /* the window before, which ends before this record */
    int64_t right;       /* the last that has this record's time in it */
    int64_t previous_ms; /* the record before; -1: none */
    bool has_left;       /* its own left window is there */
    bool has_right;
    bool has_previous_right;
};

/* ---- the plan -------------------------------------------------------------------------------- */

static void add_step(struct plan *plan, enum step_kind kind, int64_t start_ms)
{
    plan->steps[plan->count++] = (struct step){kind, start_ms};
}

static bool has_window(const struct weir_live_key *key, int64_t start_ms)
{
    const uint32_t at = weir_live_key_at(key, start_ms);
    return at < key->count && key->rows[at].time_ms == start_ms;
}

static void plan_right(struct plan *plan)
{
    const bool is_empty =
        plan->right < 0 || plan->key->rows[plan->right].other_ms <= plan->timestamp_ms;
    if (plan->has_right || is_empty || plan->timestamp_ms == INT64_MAX) return;
    add_step(plan, COPY, plan->timestamp_ms + 1);
}

static void plan_previous_right(struct plan *plan, bool is_early)
{
    if (plan->previous_ms < 0) return;
    const int64_t start_ms = plan->previous_ms + 1;
    if (has_window(plan->key, start_ms)) return;
    if (!is_early && weir_saturating_add(start_ms, plan->difference_ms) < plan->timestamp_ms)
        return;
    add_step(plan, BEGIN, start_ms);
}

/* From the window that begins right behind the record down to the first that ends before it. False:
 * another record of this time was there, and has made all the windows. */
static bool plan_known(struct plan *plan)
{
    const struct weir_live_key *key = plan->key;
    const int64_t next_ms = weir_saturating_add(plan->timestamp_ms, 1);
    const int64_t first_ms = weir_saturating_sub(plan->timestamp_ms, 2 * plan->difference_ms);
    const uint32_t to = weir_live_key_at(key, next_ms);
    plan->has_right = next_ms > plan->timestamp_ms && has_window(key, next_ms);
    for (int64_t i = (int64_t)to - 1; i >= 0 && key->rows[i].time_ms >= first_ms; i--) {
        const struct weir_live_row *window = &key->rows[i];
        const int64_t end_ms = weir_saturating_add(window->time_ms, plan->difference_ms);
        if (end_ms < plan->timestamp_ms) {
            plan->left = i;
            plan->previous_ms = window->other_ms;
            return true;
        }
        add_step(plan, UPDATE, window->time_ms);
        if (end_ms > plan->timestamp_ms) {
            if (plan->right < 0) plan->right = i;
            continue;
        }
        plan->has_left = true;
        if (window->other_ms >= plan->timestamp_ms) return false;
        plan->previous_ms = window->other_ms;
    }
    return true;
}

static void plan_record(struct plan *plan)
{
    if (!plan_known(plan)) return;
    plan_previous_right(plan, false);
    if (!plan->has_left) {
        const int64_t start_ms = plan->timestamp_ms - plan->difference_ms;
        const bool is_alone = plan->previous_ms < start_ms;
        add_step(plan, is_alone ? BEGIN : EXTEND, start_ms);
    }
    plan_right(plan);
}

/* Before the difference: one window from 0 has them all. */
static void plan_early(struct plan *plan)
{
    const struct weir_live_key *key = plan->key;
    const bool has_first = has_window(key, 0);
    plan->has_right = has_window(key, plan->timestamp_ms + 1);
    if (has_first && key->rows[weir_live_key_at(key, 0)].other_ms < plan->timestamp_ms) {
        plan->previous_ms = key->rows[weir_live_key_at(key, 0)].other_ms;
    }
    const uint32_t to = weir_live_key_at(key, plan->timestamp_ms + 1);
    for (uint32_t i = weir_live_key_at(key, 1); i < to; i++) {
        plan->right = i;
        add_step(plan, UPDATE, key->rows[i].time_ms);
    }
    if (plan->right < 0 && has_first) plan->right = weir_live_key_at(key, 0);
    plan_right(plan);
    plan_previous_right(plan, true);
    add_step(plan, has_first ? UPDATE : BEGIN, 0);
}

static int make_plan(struct weir_node *node, const struct weir_live_key *key, int64_t timestamp_ms,
                     struct plan *plan)
{
    enum { STEPS_MORE = 3 };
    const struct weir_aggregate_config *config = node->plan->config;
    /* Windows of the key that begin elsewhere have no step. */
    const uint32_t from =
        weir_live_key_at(key, weir_saturating_sub(timestamp_ms, 2 * config->window_size_ms));
    const uint32_t to = weir_live_key_at(key, weir_saturating_add(timestamp_ms, 2));
    *plan = (struct plan){
        .key = key,
        .difference_ms = config->window_size_ms,
        .timestamp_ms = timestamp_ms,
        .steps =
            weir_arena_array(weir_node_arena(node), to - from + STEPS_MORE, sizeof *plan->steps),
        .left = -1,
        .right = -1,
        .previous_ms = -1,
    };
    if (plan->steps == NULL) return WEIR_NO_MEMORY;
    if (timestamp_ms < config->window_size_ms) {
        plan_early(plan);
    } else {
        plan_record(plan);
    }
    return 0;
}

/* ---- what a plan needs ----------------------------------------------------------------------- */

/* The entries of its steps, then that of the window before. The copy of what the last window had:
 * its own update comes first. */
struct found {
    struct weir_slice *keys;
    struct weir_store_entry **entries;
    struct weir_slice left;
    struct weir_slice right;
    int64_t right_ms; /* the largest timestamp in it */
};

static int64_t start_at(const struct plan *plan, size_t i)
{
    return i < plan->count ? plan->steps[i].start_ms : plan->key->rows[plan->left].time_ms;
}

static int find(struct weir_node *node, struct weir_slice record_key, const struct plan *plan,
                struct found *found)
{
    struct weir_arena *arena = weir_node_arena(node);
    const size_t count = plan->count + (plan->left >= 0);
    const size_t size = weir_window_key_size(record_key);
    uint8_t *bytes = weir_arena_alloc(arena, count * size);
    *found = (struct found){
        .keys = weir_arena_array(arena, count, sizeof *found->keys),
        .entries = weir_arena_array(arena, count, sizeof(void *)),
    };
    if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        weir_window_key_write(bytes + i * size, record_key, start_at(plan, i));
        found->keys[i] = weir_slice(bytes + i * size, size);
    }
    int rc =
        weir_store_touch(node->stores[0], found->keys, count, found->entries, node->call.error);
    if (rc < 0) return rc;
    if (plan->left >= 0) {
        const struct weir_store_entry *left = found->entries[plan->count];
        found->left = weir_slice(left->value, left->value_size);
    }
    for (size_t i = 0; i < plan->count && plan->right >= 0; i++) {
        const struct weir_live_row *right = &plan->key->rows[plan->right];
        const struct weir_store_entry *entry = found->entries[i];
        if (plan->steps[i].kind != UPDATE || plan->steps[i].start_ms != right->time_ms) continue;
        found->right_ms = right->other_ms;
        found->right = weir_arena_copy(arena, weir_slice(entry->value, entry->value_size));
        if (found->right.data == NULL) return WEIR_NO_MEMORY;
    }
    return 0;
}

/* ---- a step ---------------------------------------------------------------------------------- */

struct work {
    struct weir_row_fold fold;
    const struct weir_batch *batch;
    uint32_t row;
    uint64_t hash; /* of its key */
    struct weir_live_key *key;
    struct weir_rows *updates; /* NULL: nothing is forwarded */
    int64_t close_ms;
    int64_t late;
};

static int add_update(struct work *work, struct weir_slice store_key, struct weir_slice old,
                      bool is_copy, int64_t timestamp_ms)
{
    struct weir_node *node = work->fold.node;
    const struct weir_aggregate_config *config = node->plan->config;
    struct weir_rows *rows = work->updates;
    if (rows == NULL) return 0;
    struct weir_windowed_key *windowed = weir_arena_alloc(weir_node_arena(node), sizeof *windowed);
    int64_t row = weir_rows_add(rows);
    if (row < 0 || windowed == NULL) return WEIR_NO_MEMORY;
    *windowed = weir_windowed_key_of(&weir_key_schema_window, store_key, config->window_size_ms);
    windowed->key = work->batch->keys[work->row];
    weir_rows_set_origin(rows, row, work->batch, work->row);
    rows->keys[row] = windowed;
    rows->key_bytes[row] = store_key;
    rows->values[row] = work->fold.object;
    rows->timestamps[row] = timestamp_ms;
    if (!rows->has_olds) return 0;
    if (weir_slice_is_null(old) && !is_copy)
        return weir_fold_initial(&work->fold, &rows->olds[row]);
    return weir_rows_object(node, config->value_serde, false, old, &rows->olds[row]);
}

/* The new value of a step's window, in work->fold. A failure is the record's. */
static int fold_step(struct work *work, const struct step *step, const struct found *found,
                     struct weir_slice old, struct weir_slice key)
{
    struct weir_node *node = work->fold.node;
    const struct weir_aggregate_config *config = node->plan->config;
    int rc = 0;
    if (step->kind == COPY) {
        work->fold.bytes = found->right;
        rc = weir_rows_object(node, config->value_serde, false, found->right, &work->fold.object);
    } else {
        /* A new one may be there since the step before: the same window, made for another
         * reason. */
        const struct weir_slice from = step->kind == UPDATE   ? old
                                       : step->kind == EXTEND ? found->left
                                                              : weir_null();
        rc = weir_fold_row(&work->fold, work->batch, work->row, from);
    }
    if (rc < 0) return rc;
    return weir_store_check_change(node->stores[0], key, work->fold.bytes, node->call.error);
}

static int do_step(struct work *work, const struct step *step, const struct found *found, size_t i)
{
    struct weir_node *node = work->fold.node;
    const struct weir_aggregate_config *config = node->plan->config;
    struct sliding_state *state = node->state;
    struct weir_store_entry *entry = found->entries[i];
    const struct weir_slice old = weir_slice(entry->value, entry->value_size);
    int64_t timestamp_ms = work->batch->timestamps[work->row];
    if (step->kind == UPDATE && entry->timestamp_ms > timestamp_ms) {
        timestamp_ms = entry->timestamp_ms;
    }
    if (step->kind == COPY) timestamp_ms = found->right_ms;
    if (step->kind != COPY &&
        weir_window_end(step->start_ms, config->window_size_ms) < work->close_ms) {
        const int64_t end_ms = weir_window_end(step->start_ms, config->window_size_ms);
        weir_node_note_late(node, work->batch->timestamps[work->row],
                            weir_saturating_sub(node->observed_ms, end_ms));
        work->late++;
        return 0;
    }
    int rc = fold_step(work, step, found, old, found->keys[i]);
    if (rc < 0) {
        rc = weir_node_record_failed(node, work->batch, work->row, rc);
        return rc < 0 ? rc : WEIR_END; /* the steps behind it are not done */
    }
    /* As in Kafka Streams: what the fold began with, and nothing of a copy. */
    const struct weir_slice before = step->kind == EXTEND   ? found->left
                                     : step->kind == UPDATE ? old
                                                            : weir_null();
    rc = add_update(work, found->keys[i], before, step->kind == COPY, timestamp_ms);
    if (rc < 0) return rc;
    if (step->start_ms > state->shared->store_ms) state->shared->store_ms = step->start_ms;
    if (!weir_slice_is_null(work->fold.bytes)) {
        weir_live_key_put(work->key, (struct weir_live_row){step->start_ms, timestamp_ms});
    } else if (has_window(work->key, step->start_ms)) {
        weir_live_key_remove(work->key, weir_live_key_at(work->key, step->start_ms), 1);
    }
    /* As aggregates of other windows: what is deleted has the time of what deleted it. */
    if (weir_slice_is_null(work->fold.bytes)) timestamp_ms = work->batch->timestamps[work->row];
    return weir_store_set(node->stores[0], entry, work->fold.bytes, timestamp_ms, node->call.error);
}

/* The last start that was put, as the store counts time. It is at most one behind the observed
 * time, but where writers hold that back: then the store waits for them as well. */
static int64_t store_time(const struct weir_node *node)
{
    const struct sliding_state *state = node->state;
    const struct weir_shared_rows *shared = state->shared;
    const int64_t observed_ms =
        node->observed_ms > shared->observed_ms ? node->observed_ms : shared->observed_ms;
    const int64_t bound_ms = weir_saturating_add(observed_ms, 1);
    return state->shared->store_ms < bound_ms ? state->shared->store_ms : bound_ms;
}

/* ---- a record -------------------------------------------------------------------------------- */

static int process_row(struct work *work)
{
    struct weir_node *node = work->fold.node;
    const struct weir_aggregate_config *config = node->plan->config;
    struct sliding_state *state = node->state;
    const int64_t timestamp_ms = work->batch->timestamps[work->row];
    const struct weir_slice record_key = work->batch->key_bytes[work->row];
    struct plan plan;
    struct found found = {0};
    weir_node_observe(node, timestamp_ms);
    weir_shared_rows_observe(state->shared, node);
    work->close_ms = weir_saturating_sub(node->observed_ms, config->grace_ms);
    const int64_t end_ms = weir_saturating_add(timestamp_ms, config->window_size_ms);
    if (end_ms < work->close_ms) {
        weir_node_note_late(node, timestamp_ms, weir_saturating_sub(node->observed_ms, end_ms));
        work->late++;
        return 0;
    }
    int rc = weir_live_rows_find(&state->shared->live, record_key, work->hash,
                                 weir_saturating_sub(store_time(node), config->retention_ms),
                                 &work->key);
    if (rc == 0) rc = make_plan(node, work->key, timestamp_ms, &plan);
    if (rc == 0) rc = weir_live_key_reserve(&state->shared->live, work->key, (uint32_t)plan.count);
    if (rc == 0) rc = find(node, record_key, &plan, &found);
    if (rc < 0) return weir_live_rows_failed(&state->shared->live, node, rc, node->call.error);
    weir_node_call_row(node, work->batch, work->row);
    for (size_t i = 0; i < plan.count && rc == 0; i++) {
        rc = do_step(work, &plan.steps[i], &found, i);
    }
    return rc < 0 ? rc : 0;
}

/* W4: those that end before the close time and have not been emitted. `batch` NULL: no row has
 * moved the time. */
static int emit_closed(struct weir_node *node, const struct weir_batch *batch, uint32_t row)
{
    const struct weir_aggregate_config *config = node->plan->config;
    struct sliding_state *state = node->state;
    const int64_t size_ms = config->window_size_ms;
    const int64_t close_ms = weir_saturating_sub(node->observed_ms, config->grace_ms);
    if (!config->emits_on_close || !weir_window_close_is_due(&state->close, node)) return 0;
    const struct weir_closed_range range = {
        .from_ms = node->emitted_ms < size_ms ? 0 : node->emitted_ms - size_ms,
        .to_ms = close_ms - size_ms - 1,
        .close_ms = close_ms,
    };
    weir_window_close_looked(&state->close, node);
    return weir_window_close_emit(&state->close, node, &range, batch, row);
}

/* Early records and late ones do not look, as in Kafka Streams. */
static bool looks(const struct work *work)
{
    const struct weir_aggregate_config *config = work->fold.node->plan->config;
    const int64_t timestamp_ms = work->batch->timestamps[work->row];
    return timestamp_ms >= config->window_size_ms &&
           weir_saturating_add(timestamp_ms, config->window_size_ms) >= work->close_ms;
}

/* What has not been emitted does not expire, however far time jumps. */
static void advance_store(struct weir_node *node)
{
    const struct weir_aggregate_config *config = node->plan->config;
    int64_t time_ms = store_time(node);
    if (config->emits_on_close) {
        const int64_t next_ms = node->emitted_ms < config->window_size_ms
                                    ? 0
                                    : node->emitted_ms - config->window_size_ms;
        const int64_t held_ms = weir_saturating_add(next_ms, config->retention_ms - 1);
        if (held_ms < time_ms) time_ms = held_ms;
    }
    if (time_ms >= 0) weir_store_advance(node->stores[0], time_ms);
}

/* ---- the batch ------------------------------------------------------------------------------- */

static int process_rows(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_store_spec *spec = weir_store_spec(node->stores[0]);
    const bool forwards = weir_row_fold_forwards(node);
    struct weir_rows updates;
    struct work work = {.batch = batch, .updates = forwards ? &updates : NULL};
    struct sliding_state *state = node->state;
    int rc = weir_window_close_go_on(&state->close, node);
    weir_rows_init(&updates, weir_node_arena(node), spec->keeps_old, true);
    weir_row_fold_init(&work.fold, node, forwards);
    uint64_t *hashes = weir_arena_array(weir_node_arena(node), batch->count, sizeof *hashes);
    if (hashes == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < batch->count; i++) {
        hashes[i] =
            weir_live_rows_hash(&state->shared->live, batch->key_bytes[weir_batch_row(batch, i)]);
    }
    for (size_t i = 0; i < batch->count && rc >= 0; i++) {
        work.row = weir_batch_row(batch, i);
        work.hash = hashes[i];
        weir_live_rows_prefetch(&state->shared->live, hashes, i, batch->count);
        const int64_t late = work.late;
        const int64_t refused = weir_row_fold_refused(node);
        rc = process_row(&work);
        work.late += weir_row_fold_refused(node) - refused;
        if (rc >= 0 && work.late > late) {
            rc = weir_node_send_late(node, batch, work.row, work.late - late);
        }
        if (rc >= 0 && looks(&work)) rc = emit_closed(node, batch, work.row);
    }
    if (work.late > 0) weir_node_dropped(node, WEIR_DROP_LATE, work.late);
    advance_store(node);
    return rc < 0 ? rc : weir_rows_forward(&updates, node);
}

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_aggregate_config *config = node->plan->config;
    struct weir_batch keyed = {0};
    struct weir_batch rows = {0};
    weir_assert(node->plan->store_count == 1);
    int rc = weir_rows_without_nulls(node, batch, true, true, &keyed);
    if (rc < 0 || keyed.count == 0) return rc;
    rc = weir_node_key_bytes(node, &keyed, config->key_serde, &rows);
    return rc < 0 || rows.count == 0 ? rc : process_rows(node, &rows);
}

/* Windows may close though no row has come. */
static int time_advanced(struct weir_node *node)
{
    struct sliding_state *state = node->state;
    int rc = weir_window_close_go_on(&state->close, node);
    if (rc >= 0) rc = emit_closed(node, NULL, 0);
    advance_store(node);
    return rc;
}

static struct weir_live_row live_row(struct weir_slice key, int64_t timestamp_ms)
{
    return (struct weir_live_row){weir_key_schema_time(&weir_key_schema_window, key), timestamp_ms};
}

/* The last start that was put is that of the last window in the store. */
static void find_store_time(struct sliding_state *state)
{
    for (size_t i = 0; i < state->shared->live.slot_count; i++) {
        const struct weir_live_key *key = state->shared->live.slots[i].key;
        if (key == NULL || key->count == 0) continue;
        const int64_t last_ms = key->rows[key->count - 1].time_ms;
        if (last_ms > state->shared->store_ms) state->shared->store_ms = last_ms;
    }
}

static int open_windows(struct weir_node *node, struct weir_error *error)
{
    const struct weir_aggregate_config *config = node->plan->config;
    struct sliding_state *state = node->state;
    const int64_t expired_ms = weir_saturating_sub(
        weir_saturating_sub(node->observed_ms, config->window_size_ms), config->retention_ms);
    state->shared = weir_shared_rows_of(node, &state->own);
    const bool is_first = weir_shared_rows_open(state->shared, node);
    weir_window_close_open(&state->close, node);
    int rc = 0;
    if (is_first) {
        rc = weir_live_rows_load(&state->shared->live, node, expired_ms, live_row, error);
        if (rc >= 0) find_store_time(state);
    }
    if (rc < 0) return rc;
    advance_store(node);
    return 0;
}

static void close_windows(struct weir_node *node)
{
    struct sliding_state *state = node->state;
    weir_shared_rows_close(&state->own);
    weir_window_close_close(&state->close);
}

static int flush(struct weir_node *node)
{
    struct sliding_state *state = node->state;
    int rc = weir_window_close_finish(&state->close, node);
    return rc < 0 ? rc : weir_row_fold_flush(node);
}

const struct weir_operator_ops weir_sliding_ops = {
    .name = "sliding",
    .traits =
        {
            .is_value_changing = true,
            .makes_rows = true,
            .store_use = WEIR_CHANGES_STORES,
            .fills_table = true,
            .forwards_on_flush = true,
            .meets_by_key = true,
        },
    .state_size = sizeof(struct sliding_state),
    .open = open_windows,
    .process = process,
    .flush = flush,
    .time_advanced = time_advanced,
    .holds_from_ms = weir_window_close_holds_from,
    .close = close_windows,
};
