#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/uuid.h"
#include "runtime/state/state_internal.h"

/*
 * From the gathering generation to the backend.
 *
 *    stream thread   seal 1   commit 1   seal 2   commit 2          seal 3            written
 *                      │         │         │         │                │                  │
 *    gathering         ├─ rows of 1 ───────┼─ and 2 ─┤ due?  ─ none ──┼─ rows of 3 ───────────>
 *                                                    │                                   ^
 *    worker                                          └─ one batch: rows of 1 and 2, ─────┘
 *                                                       positions of commit 2
 *
 * 1. At a commit: every seal so far is committed, no write-down is under way, none has failed, and the
 *    generation is due: large, old, or the changelog behind it long, because that is what a crash costs.
 * 2. The generation leaves `gathering`; what is sealed meanwhile gathers in the next one. The position of
 *    each store that has one to tell is put behind its rows, as of the last commit.
 * 3. A worker sorts the rows and writes all of it in one batch, so that the backend is at every moment
 *    exactly what its position says; then it has it forget dead segments, and flush now and then.
 * 4. Back on the stream thread the entries of these rows may leave the table, and the generation's memory
 *    serves again. A failure is final: the rows stay where they are read from. But for want of memory, which
 *    leaves everything as it was: the same batch is tried again at the next commits.
 *
 * Not before everything is committed, because an overwritten row cannot be had back as it was.
 */

/* ---- on a worker --------------------------------------------------------------------------------- */

/* Rows and positions in one batch, before anything that may throw rows away. In order of keys, each of
 * which is there once: a memtable takes sorted rows at less than half the cost (2.4 us a row against
 * 5.7 at a million keys, measured). */
static int write_generation(struct weir_state *state)
{
    struct weir_write_down *down = &state->write_down;
    const struct weir_backend *backend = &state->backend;
    struct weir_backend_write *writes = down->generation->writes;
    int rc = WEIR_OK;
    if (down->write_count > 0) {
        weir_sort_writes(&down->sort, state->options.budget, writes, down->write_count);
        rc = backend->ops->write(backend->impl, writes, down->write_count, &down->error);
    }
    for (size_t i = 0; rc >= 0 && down->expires && i < state->options.store_count; i++) {
        if (down->live_segments[i] == 0) continue;
        rc = backend->ops->expire(backend->impl, state->stores[i].prefix, down->live_segments[i],
                                  &down->error);
    }
    if (rc >= 0 && down->flushes) rc = backend->ops->flush(backend->impl, false, &down->error);
    return rc;
}

static void run_write_down(struct weir_work *work)
{
    struct weir_write_down *down = (struct weir_write_down *)work;
    struct weir_state *state =
        (struct weir_state *)((char *)down - offsetof(struct weir_state, write_down));
    weir_assert(state->magic == WEIR_STATE_MAGIC);
    down->rc = write_generation(state);
}

/* ---- before it ----------------------------------------------------------------------------------- */

static bool positions_equal(const struct weir_changelog_position *a,
                            const struct weir_changelog_position *b)
{
    return weir_uuid_equal(a->topic_id, b->topic_id) && a->leader_epoch == b->leader_epoch &&
           a->offset == b->offset && a->partition == b->partition;
}

/* Positions only go forward, so one that equals the last one written is no news. */
static bool needs_position(const struct weir_store *store,
                           const struct weir_changelog_position *position)
{
    if (store->is_resident) return false;
    return !store->is_registered || store->sealed_segment != store->stored_segment ||
           !positions_equal(&store->position, position);
}

/* Behind the rows; the room for them is reserved. */
static void add_positions(struct weir_state *state)
{
    struct weir_write_down *down = &state->write_down;
    struct weir_generation *generation = down->generation;
    down->write_count = generation->row_count;
    for (size_t i = 0; i < state->options.store_count; i++) {
        const struct weir_store *store = &state->stores[i];
        down->positions[i] = state->committed_positions[i];
        if (!needs_position(store, &down->positions[i])) continue;
        weir_assert(down->write_count < generation->capacity);
        weir_position_record_build(store, &down->positions[i], &generation->position_bytes,
                                   &generation->writes[down->write_count++]);
    }
    weir_assert(!weir_arena_failed(&generation->position_bytes));
}

/* What this write-down does besides writing: forget dead segments, flush now and then. */
static void plan_write_down(struct weir_state *state)
{
    struct weir_write_down *down = &state->write_down;
    weir_assert(state->gathering != NULL);
    weir_assert(down->generation == NULL);
    down->generation = state->gathering;
    state->gathering = NULL;
    state->is_awaited = false;
    add_positions(state);
    down->expires = false;
    for (size_t i = 0; i < state->options.store_count; i++) {
        struct weir_store *store = &state->stores[i];
        bool has_died = !store->is_resident && store->expired_segment < store->sealed_segment;
        down->live_segments[i] = has_died ? store->sealed_segment : 0;
        down->expires = down->expires || has_died;
    }
    /* A large one fills a write buffer, which would be flushed before long anyway. */
    down->flushes = down->generation->size >= state->options.write_buffer_bytes ||
                    weir_mono_now(state->options.env).ns >= state->flush_deadline.ns;
    down->rc = WEIR_OK;
    down->error = (struct weir_error){0};
}

/* Nothing is under way, nothing has failed, and every gathered row is committed. */
static bool may_write_down(const struct weir_state *state)
{
    return state->gathering != NULL && state->write_down.generation == NULL &&
           state->failed_rc == 0 && !state->is_torn &&
           state->committed_count == state->sealed_count;
}

static bool is_due(const struct weir_state *state)
{
    const struct weir_state_options *options = &state->options;
    const struct weir_generation *generation = state->gathering;
    if (generation->size >= options->write_down_bytes) return true;
    if (generation->changelog_bytes >= options->write_down_changelog_bytes) return true;
    if (state->is_awaited || weir_state_is_stalled(state)) return true;
    struct weir_mono due = weir_mono_after_ms(generation->begun, options->write_down_interval_ms);
    return weir_mono_now(options->env).ns >= due.ns;
}

/* ---- after it ------------------------------------------------------------------------------------ */

/* Entries whose last sealed change was in this generation may leave from now on. */
static void settle_rows(struct weir_state *state, const struct weir_generation *generation)
{
    enum { AHEAD = 8 };
    for (size_t i = 0; i < generation->row_count; i++) {
        if (i + AHEAD < generation->row_count) {
            __builtin_prefetch(generation->rows[i + AHEAD].entry);
        }
        const struct weir_gathered_row *row = &generation->rows[i];
        row->entry->flags &= ~generation->flag;
        weir_store_settle(&state->stores[row->store], row->entry);
    }
}

static void take_over(struct weir_state *state)
{
    struct weir_write_down *down = &state->write_down;
    settle_rows(state, down->generation);
    for (size_t i = 0; i < state->options.store_count; i++) {
        struct weir_store *store = &state->stores[i];
        store->position = down->positions[i];
        store->is_registered = true;
        if (down->live_segments[i] == 0) continue;
        store->stored_segment = store->expired_segment = down->live_segments[i];
    }
    if (down->flushes) {
        state->flush_deadline =
            weir_mono_after_ms(weir_mono_now(state->options.env), state->options.flush_interval_ms);
    }
    weir_generation_give_back(state, down->generation);
    down->generation = NULL;
    down->shortage_count = 0;
    weir_state_check(state);
    for (size_t i = 0; i < state->options.store_count; i++)
        weir_assert_slow(weir_store_counts_agree(&state->stores[i]));
}

static void start_write_down(struct weir_state *state);

/* Memory was short: nothing has happened, and the same may be tried again, now and then. A stalled task would
 * wait for a commit that never comes. */
static bool is_tried_again(const struct weir_state *state)
{
    enum { SHORTAGES_MAX = 100 };
    const struct weir_write_down *down = &state->write_down;
    return down->rc == WEIR_NO_MEMORY && down->shortage_count < SHORTAGES_MAX &&
           !weir_state_is_stalled(state);
}

static void finish_write_down(struct weir_state *state)
{
    struct weir_write_down *down = &state->write_down;
    down->is_running = false;
    if (is_tried_again(state)) {
        down->shortage_count++;
        return;
    }
    if (down->rc < 0) {
        state->failed_rc = down->rc; /* the rows stay where they are read from, for good */
        (void)weir_error_wrap(&down->error, down->rc, "write down to '%s'", state->path);
    } else {
        take_over(state);
    }
    /* The callback may commit more, and even close: nothing is touched after it. */
    struct weir_error error = down->error;
    int rc = down->rc;
    start_write_down(state);
    if (state->options.on_written != NULL) {
        state->options.on_written(state->options.context, rc, rc < 0 ? &error : NULL);
    }
}

static void handle_written(struct weir_message *message)
{
    struct weir_work *work =
        (struct weir_work *)((char *)message - offsetof(struct weir_work, done));
    struct weir_state *state =
        (struct weir_state *)((char *)work - offsetof(struct weir_state, write_down.work));
    weir_assert(state->magic == WEIR_STATE_MAGIC);
    finish_write_down(state);
}

/* One that was planned and has found no memory. */
static bool is_left_over(const struct weir_state *state)
{
    const struct weir_write_down *down = &state->write_down;
    return down->generation != NULL && !down->is_running && state->failed_rc == 0;
}

/* If it may and should be. */
static void start_write_down(struct weir_state *state)
{
    struct weir_write_down *down = &state->write_down;
    if (!is_left_over(state)) {
        if (!may_write_down(state) || !is_due(state)) return;
        plan_write_down(state);
    }
    down->is_running = true;
    down->work = (struct weir_work){
        .done = {.handle = handle_written},
        .run = run_write_down,
        .reply_to = state->options.reply_to,
        .is_long = true,
    };
    if (state->options.reply_to != NULL) {
        weir_work_submit(state->options.env, &down->work);
    } else {
        run_write_down(&down->work);
        finish_write_down(state);
    }
}

/* ---- doors --------------------------------------------------------------------------------------- */

int weir_state_committed(struct weir_state *state, const struct weir_changelog_position *positions,
                         struct weir_error *error)
{
    weir_assert(state->magic == WEIR_STATE_MAGIC);
    weir_assert(state->committed_count < state->sealed_count);
    if (state->failed_rc < 0) {
        return weir_error_set(error, (enum weir_code)state->failed_rc,
                              "state '%s': an earlier write-down failed", state->path);
    }
    state->committed_count++;
    for (size_t i = 0; i < state->options.store_count; i++) {
        state->committed_positions[i] = positions[i];
        if (state->stores[i].is_resident) state->stores[i].position = positions[i];
    }
    start_write_down(state);
    return WEIR_OK;
}

/* What is planned, here and now. */
static int write_planned(struct weir_state *state, struct weir_error *error)
{
    struct weir_write_down *down = &state->write_down;
    int rc = write_generation(state);
    if (rc < 0) {
        weir_error_copy(error, &down->error);
    } else {
        take_over(state);
    }
    return weir_error_wrap(error, rc, "write down to '%s'", state->path);
}

int weir_state_write_rest(struct weir_state *state, struct weir_error *error)
{
    int rc = is_left_over(state) ? write_planned(state, error) : WEIR_OK;
    if (rc < 0 || !may_write_down(state)) return rc;
    plan_write_down(state);
    return write_planned(state, error);
}
