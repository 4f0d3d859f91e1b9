#include "runtime/application/change.h"

#include "base/assert.h"
#include "base/error.h"
#include "runtime/application/fence.h"
#include "wire/record_batch.h"

enum { METADATA_SIZE_MAX = 1 << 20 };

static int no_memory(struct weir_error *error)
{
    return weir_error_set(error, WEIR_NO_MEMORY, "no memory to change an application");
}

/* ---- the hold -------------------------------------------------------------------------------- */

/* As a job does it: the folder itself, whose lock no file takes away that is removed, and the file in it. */
static int lock_state(struct weir_app_hold *hold, struct weir_arena *arena,
                      struct weir_error *error)
{
    struct weir_env *env = hold->log->env;
    struct weir_file_stat stat;
    int rc = weir_stat(env, hold->state_path, &stat, error);
    if (rc == WEIR_NOT_FOUND) weir_error_clear(error);
    if (rc < 0) return rc == WEIR_NOT_FOUND ? 0 : rc;
    const char *path = weir_arena_printf(arena, "%s/lock", hold->state_path);
    if (path == NULL) return no_memory(error);
    hold->has_state = true;
    rc = weir_directory_lock(env, hold->state_path, &hold->held, error);
    if (rc >= 0) {
        rc = weir_file_open(env, path, WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &hold->lock, error);
    }
    if (rc >= 0) rc = weir_file_lock(hold->lock, error);
    if (rc != WEIR_LOCKED) return rc;
    return weir_error_set(error, rc, "'%s' is in use by a job: close that job first",
                          hold->state_path);
}

int weir_app_hold_take(struct weir_app_hold *hold, struct weir_log *log, struct weir_arena *arena,
                       const char *id, const char *state_dir, struct weir_error *error)
{
    weir_assert(hold->log == NULL);
    const char *path = state_dir != NULL
                           ? weir_arena_printf(arena, "%s/%s", state_dir, id)
                           : weir_arena_printf(arena, "%s/state/%s", log->directory, id);
    if (path == NULL) return no_memory(error);
    *hold = (struct weir_app_hold){.log = log, .state_path = path};
    int rc = weir_log_claim_group(log, weir_text(id), &hold->claim, error);
    if (rc >= 0) rc = lock_state(hold, arena, error);
    if (rc >= 0) rc = weir_app_end_transactions(log, arena, id, error);
    if (rc < 0) weir_app_hold_drop(hold);
    return rc;
}

void weir_app_hold_drop(struct weir_app_hold *hold)
{
    if (hold->log == NULL) return;
    weir_file_close(hold->lock);
    weir_file_close(hold->held);
    weir_log_release_group(hold->log, &hold->claim);
    *hold = (struct weir_app_hold){0};
}

/* ---- writes ---------------------------------------------------------------------------------- */

int weir_app_commit(struct weir_app_hold *hold, const struct weir_app *app,
                    const struct weir_app_commit *commit, struct weir_error *error)
{
    struct weir_commit_request request = {
        .group = weir_text(app->id),
        .entries = commit->entries,
        .entry_count = commit->entry_count,
        .metadata_size_max = METADATA_SIZE_MAX,
        .is_application = true,
        .claim = &hold->claim,
        .releases = commit->releases ? &hold->claim : NULL,
    };
    struct weir_env *env = hold->log->env;
    int rc = weir_request_wait_begin(env, &request.request, error);
    if (rc < 0) return rc;
    weir_log_commit_offsets(hold->log, &request);
    rc = weir_request_wait(env, &request.request, error);
    return weir_error_wrap(error, rc, "commit to group '%s'", app->id);
}

static int ask_topic(struct weir_app_hold *hold, struct weir_topic_request *request,
                     struct weir_error *error)
{
    int rc = weir_request_wait_begin(hold->log->env, &request->request, error);
    if (rc < 0) return rc;
    weir_log_topic(hold->log, request);
    return weir_request_wait(hold->log->env, &request->request, error);
}

int weir_app_make_records_topic(struct weir_app_hold *hold, const struct weir_app *app,
                                struct weir_error *error)
{
    struct weir_config_entry configs[WEIR_OWN_TOPIC_CONFIGS + 1];
    size_t count = 0;
    weir_own_topic_configs(configs, &count);
    configs[count++] = (struct weir_config_entry){.key = "cleanup.policy", .value = "compact"};
    struct weir_topic_request request = {
        .operation = WEIR_TOPIC_CREATE,
        .topic = weir_text(app->records_topic),
        .partition_count = 1,
        .configs = configs,
        .config_count = count,
    };
    int rc = ask_topic(hold, &request, error);
    if (rc == WEIR_EXISTS) {
        weir_error_clear(error);
        return 0;
    }
    return weir_error_wrap(error, rc, "create topic '%s'", app->records_topic);
}

int weir_app_delete_topic(struct weir_app_hold *hold, const char *name, struct weir_uuid id,
                          struct weir_error *error)
{
    struct weir_topic_request request = {
        .request = {.topic_id = id}, .operation = WEIR_TOPIC_DELETE, .topic = weir_text(name)};
    int rc = ask_topic(hold, &request, error);
    if (rc == WEIR_UNKNOWN_TOPIC_OR_PARTITION || rc == WEIR_UNKNOWN_TOPIC_ID) {
        weir_error_clear(error);
        return 0;
    }
    return weir_error_wrap(error, rc, "delete topic '%s'", name);
}

/* ---- records --------------------------------------------------------------------------------- */

struct writing {
    struct weir_batch_builder builder;
    struct weir_buffer key;
    struct weir_buffer value;
    int64_t now_ms;
    int rc;
};

static void begin(struct writing *writing)
{
    weir_buffer_reset(&writing->key);
    weir_buffer_reset(&writing->value);
}

/* What the two buffers hold; no value: it is forgotten. */
static void add(struct writing *writing)
{
    const struct weir_slice none = {0};
    const struct weir_record record = {
        .key = weir_buffer_slice(&writing->key),
        .value = writing->value.size > 0 ? weir_buffer_slice(&writing->value) : none,
        .timestamp_ms = writing->now_ms,
    };
    if (writing->key.failed || writing->value.failed) writing->rc = WEIR_NO_MEMORY;
    if (writing->rc >= 0) writing->rc = weir_batch_builder_add(&writing->builder, &record);
}

static void forget_all(struct writing *writing, const struct weir_application *records)
{
    for (size_t i = 0; i < records->topic_count; i++) {
        begin(writing);
        weir_application_forget_topic(records->topics[i].name, &writing->key);
        add(writing);
    }
    for (size_t i = 0; i < records->input_count; i++) {
        begin(writing);
        weir_application_forget_input(records->inputs[i].name, &writing->key);
        add(writing);
    }
}

static int send(struct weir_app_hold *hold, const struct weir_app *app,
                struct weir_batch_builder *builder, int64_t *end_out, struct weir_error *error)
{
    struct weir_slice batch;
    int rc = weir_batch_builder_finish(builder, &WEIR_BATCH_FINISH_NONE, &batch);
    if (rc < 0) return rc;
    struct weir_shared *bytes = weir_shared_new(&hold->log->budget, batch.size);
    if (bytes == NULL) return WEIR_NO_MEMORY;
    memcpy(bytes->data, batch.data, batch.size);
    bytes->size = batch.size;
    struct weir_produce_request request = {
        .to = {weir_text(app->records_topic), 0},
        .batches = bytes,
        .acks = WEIR_ACKS_ALL,
        .is_internal = true,
    };
    rc = weir_request_wait_begin(hold->log->env, &request.request, error);
    if (rc >= 0) {
        weir_log_produce(hold->log, &request);
        rc = weir_request_wait(hold->log->env, &request.request, error);
    }
    if (rc >= 0) *end_out = request.last_offset + 1;
    if (rc != WEIR_CRASHED) weir_shared_unref(bytes); /* else it has gone with the node */
    return rc;
}

int weir_app_write_records(struct weir_app_hold *hold, const struct weir_app *app, bool forgets,
                           int64_t *end_out, struct weir_error *error)
{
    struct weir_budget *budget = app->arena->budget;
    const struct weir_application state = {.has_committed = true};
    struct writing writing = {.now_ms = weir_wall_now(hold->log->env).ms};
    weir_batch_builder_init(&writing.builder, budget, WEIR_CODEC_NONE, 0);
    weir_buffer_init(&writing.key, budget, 0);
    weir_buffer_init(&writing.value, budget, 0);
    if (forgets) forget_all(&writing, &app->records);
    begin(&writing);
    weir_application_encode_state(&state, &writing.key, &writing.value);
    add(&writing);
    int rc = writing.rc;
    if (rc >= 0) rc = send(hold, app, &writing.builder, end_out, error);
    weir_buffer_close(&writing.key);
    weir_buffer_close(&writing.value);
    weir_batch_builder_close(&writing.builder);
    if (rc == WEIR_NO_MEMORY) return no_memory(error);
    return weir_error_wrap(error, rc, "write to topic '%s'", app->records_topic);
}
