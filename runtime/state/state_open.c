#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/logger.h"
#include "runtime/state/backend_run.h"
#include "runtime/state/folder.h"
#include "runtime/state/state_internal.h"

/*
 * A task's folder:
 *
 *   lock   held while the state is open, so that nobody wipes what somebody else uses
 *   rows   the backend while it is small (backend_run.h)
 *   db/    the database it goes over to (RocksDB)
 */
enum {
    OPEN_BYTES_MAX = 32 << 20,
    SEALED_BYTES_MAX = 64 << 20,
    WRITE_DOWN_CHANGELOG_BYTES = 128 << 20,
    WRITE_DOWN_INTERVAL_MS = 10 * 1000,
    FLUSH_INTERVAL_MS = 10 * 1000,
    ROWS_BYTES_MAX = 128 << 10, /* less than an open database takes */
};

/* ---- the backend ----------------------------------------------------------------------------- */

static int open_backend(struct weir_state *state, struct weir_error *error)
{
    const struct weir_backend_options options = {
        .env = state->options.env,
        .budget = state->options.budget,
        .path = state->backend_path,
        .write_buffer_bytes = state->options.write_buffer_bytes,
        .block_cache_bytes = state->options.block_cache_bytes,
        .cache = state->options.cache,
        .store_count = state->options.store_count,
    };
    const struct weir_run_backend_options run = {
        .database = state->options.backend,
        .folder = state->path,
        .rows_bytes_max = state->options.rows_bytes_max,
    };
    return weir_run_backend_open(&run, &options, &state->backend, error);
}

static void forget_backend(struct weir_state *state)
{
    if (state->backend.ops == NULL) return;
    (void)state->backend.ops->close(state->backend.impl, false, NULL); /* it is wiped next */
    state->backend = (struct weir_backend){0};
    for (size_t i = 0; i < state->options.store_count; i++) {
        weir_store_forget(&state->stores[i]);
        state->stores[i].prefix = 0;
    }
}

static int open_and_look(struct weir_state *state, struct weir_error *error)
{
    int rc = open_backend(state, error);
    if (rc >= 0) rc = weir_state_find_positions(state, error);
    if (rc < 0) forget_backend(state);
    return rc;
}

/* What cannot be read is thrown away: the changelog has it all. Want of memory says nothing about
 * the disk. */
static int open_or_wipe(struct weir_state *state, bool *wiped_out, struct weir_error *error)
{
    struct weir_error why = {0};
    int rc = open_and_look(state, &why);
    if (rc != WEIR_CORRUPT && rc != WEIR_IO) {
        if (rc < 0 && error != NULL) *error = why;
        return rc;
    }
    char quoted[WEIR_ERROR_TEXT_SIZE];
    weir_log(&state->options.env->logger, WEIR_LOG_WARN, "state.wiped", "path=%s reason=%s",
             state->path, weir_log_quote(quoted, sizeof quoted, why.text));
    rc = weir_run_backend_wipe(state->options.backend, state->options.env, state->path,
                               state->backend_path, error);
    if (rc >= 0) rc = open_and_look(state, error);
    if (rc >= 0) *wiped_out = true;
    return rc;
}

static bool has_durable_store(const struct weir_state *state)
{
    for (size_t i = 0; i < state->options.store_count; i++) {
        if (!state->stores[i].is_resident) return true;
    }
    return false;
}

/* ---- open ------------------------------------------------------------------------------------ */

/* What one of `count` states has of what all of them may. */
struct share {
    size_t all;
    size_t most;
    size_t least;
};
static const struct share write_buffer = {256 << 20, 16 << 20, 1 << 20};
static const struct share block_cache = {128 << 20, 8 << 20, 256 << 10};
static const struct share write_down = {256 << 20, 32 << 20, 512 << 10};

static size_t share_of(struct share share, size_t count)
{
    const size_t part = share.all / (count > 0 ? count : 1);
    if (part > share.most) return share.most;
    return part > share.least ? part : share.least;
}

static void set_defaults(struct weir_state_options *options)
{
    const size_t count = options->share_count;
    if (options->open_bytes_max == 0) options->open_bytes_max = OPEN_BYTES_MAX;
    if (options->sealed_bytes_max == 0) options->sealed_bytes_max = SEALED_BYTES_MAX;
    if (options->write_buffer_bytes == 0) {
        options->write_buffer_bytes = share_of(write_buffer, count);
    }
    if (options->block_cache_bytes == 0) options->block_cache_bytes = share_of(block_cache, count);
    if (options->write_down_bytes == 0) options->write_down_bytes = share_of(write_down, count);
    if (options->rows_bytes_max == 0) options->rows_bytes_max = ROWS_BYTES_MAX;
    if (options->write_down_changelog_bytes == 0) {
        options->write_down_changelog_bytes = WRITE_DOWN_CHANGELOG_BYTES;
    }
    if (options->write_down_interval_ms == 0) {
        options->write_down_interval_ms = WRITE_DOWN_INTERVAL_MS;
    }
    if (options->flush_interval_ms == 0) options->flush_interval_ms = FLUSH_INTERVAL_MS;
}

/* Memory only; the state can be freed after a failure. */
static int init(struct weir_state *state, const struct weir_state_options *options)
{
    struct weir_budget *budget = options->budget;
    state->magic = WEIR_STATE_MAGIC;
    state->options = *options;
    set_defaults(&state->options);
    weir_budget_init(&state->table_budget, "state tables", budget->heap, budget, 0);
    weir_slabs_init(&state->entry_slabs, &state->table_budget);
    weir_slabs_init(&state->value_slabs, &state->table_budget);
    weir_arena_init(&state->scratch, budget, 16 * 1024);
    weir_arena_init(&state->lookup, budget, 16 * 1024);
    weir_arena_init(&state->walked, budget, 16 * 1024);
    weir_arena_init(&state->versions, budget, 0);

    state->path = weir_alloc_text(budget, options->path, strlen(options->path));
    state->backend_path = weir_folder_join(budget, options->path, "db");
    state->stores = weir_alloc_zero(budget, (options->store_count + 1) * sizeof *state->stores);
    if (state->path == NULL || state->backend_path == NULL || state->stores == NULL) {
        state->options.store_count = 0;
        return WEIR_NO_MEMORY;
    }
    for (size_t i = 0; i < options->store_count; i++) {
        weir_store_init(&state->stores[i], state, i);
    }
    return weir_state_init_generations(state);
}

static void state_free(struct weir_state *state)
{
    for (size_t i = 0; i < state->options.store_count; i++) {
        weir_store_close(&state->stores[i]);
    }
    weir_state_close_generations(state);
    weir_free(state->missing.entries);
    weir_slabs_close(&state->entry_slabs);
    weir_slabs_close(&state->value_slabs);
    weir_arena_close(&state->scratch);
    weir_arena_close(&state->lookup);
    weir_arena_close(&state->walked);
    weir_arena_close(&state->versions);
    weir_file_close(state->lock);
    weir_free(state->stores);
    weir_free(state->backend_path);
    weir_free(state->path);
    state->magic = 0;
    weir_free(state);
}

static int lock_folder(struct weir_state *state, struct weir_error *error)
{
    struct weir_env *env = state->options.env;
    char *path = weir_folder_join(state->options.budget, state->path, "lock");
    if (path == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "out of memory");
    int rc = weir_folder_make(env, state->path, error);
    if (rc >= 0) {
        rc = weir_file_open(env, path, WEIR_OPEN_READ | WEIR_OPEN_WRITE | WEIR_OPEN_CREATE,
                            &state->lock, error);
    }
    if (rc >= 0) rc = weir_file_lock(state->lock, error);
    weir_free(path);
    return rc;
}

int weir_state_open(const struct weir_state_options *options, struct weir_state **state_out,
                    bool *wiped_out, struct weir_error *error)
{
    bool is_wiped = false;
    weir_assert(options->backend != NULL);
    struct weir_state *state = weir_alloc_zero(options->budget, sizeof *state);
    int rc = state == NULL ? WEIR_NO_MEMORY : init(state, options);
    if (rc < 0) {
        (void)weir_error_set(error, (enum weir_code)rc, "out of memory");
        goto out;
    }
    rc = lock_folder(state, error);
    if (rc < 0) goto out;
    if (has_durable_store(state)) rc = open_or_wipe(state, &is_wiped, error);
    if (rc < 0) goto out;

    *state_out = state;
    state = NULL;
    if (wiped_out != NULL) *wiped_out = is_wiped;
out:
    if (state != NULL) state_free(state);
    return weir_error_wrap(error, rc, "open state '%s'", options->path);
}

int weir_state_close(struct weir_state *state, bool is_clean, struct weir_error *error)
{
    if (state == NULL) return WEIR_OK;
    weir_assert(state->magic == WEIR_STATE_MAGIC);
    weir_assert(!weir_state_is_writing(state));
    int rc = WEIR_OK;
    if (state->backend.ops != NULL) {
        if (is_clean) rc = weir_state_write_rest(state, error);
        bool is_whole = is_clean && rc >= 0 && state->failed_rc == 0;
        int closed =
            state->backend.ops->close(state->backend.impl, is_whole, rc >= 0 ? error : NULL);
        if (rc >= 0) rc = closed;
        rc = weir_error_wrap(error, rc, "close state '%s'", state->path);
    }
    state_free(state);
    return rc;
}

int weir_state_wipe(const struct weir_backend_kind *backend, struct weir_env *env, const char *path,
                    struct weir_error *error)
{
    char *backend_path = weir_folder_join(env->budget, path, "db");
    if (backend_path == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "wipe '%s'", path);
    int rc = weir_run_backend_wipe(backend, env, path, backend_path, error);
    weir_free(backend_path);
    if (rc >= 0) rc = weir_folder_remove(env, path, error);
    return weir_error_wrap(error, rc, "wipe state '%s'", path);
}
