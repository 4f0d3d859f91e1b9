#include "runtime/application/reset.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/uuid.h"
#include "runtime/state/folder.h"

/* ---- the state ------------------------------------------------------------------------------- */

/* Tasks are called "0_3"; beside them lies the lock of the job. */
static bool is_task(const char *name)
{
    static const char digits[] = "0123456789";
    size_t first = strspn(name, digits);
    if (first == 0 || name[first] != '_') return false;
    size_t second = strspn(name + first + 1, digits);
    return second > 0 && name[first + 1 + second] == '\0';
}

struct removal {
    struct weir_app_reset *reset;
    struct weir_error *error;
};

static int remove_one(void *context, const char *name, enum weir_file_kind kind)
{
    const struct removal *removal = context;
    struct weir_app_reset *reset = removal->reset;
    struct weir_env *env = reset->hold->log->env;
    if (strcmp(name, "lock") == 0) return 0;
    if (kind != WEIR_FILE_DIRECTORY || !is_task(name)) {
        reset->has_kept_files = true;
        return 0;
    }
    char *path = weir_folder_join(reset->app->arena->budget, reset->hold->state_path, name);
    if (path == NULL) return weir_error_set(removal->error, WEIR_NO_MEMORY, "no memory");
    int rc = weir_folder_remove(env, path, removal->error);
    weir_free(path);
    return rc;
}

/* The folder itself, which has nothing in it but the lock that is held. */
static int remove_folder(struct weir_app_reset *reset, struct weir_error *error)
{
    struct weir_app_hold *hold = reset->hold;
    struct weir_env *env = hold->log->env;
    char *path = weir_folder_join(reset->app->arena->budget, hold->state_path, "lock");
    if (path == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "no memory");
    int rc = weir_remove(env, path, error);
    weir_free(path);
    weir_file_close(hold->lock);
    hold->lock = NULL;
    return rc < 0 ? rc : weir_remove_directory(env, hold->state_path, error);
}

static int remove_state(struct weir_app_reset *reset, struct weir_error *error)
{
    struct weir_app_hold *hold = reset->hold;
    struct removal removal = {reset, error};
    if (!hold->has_state) return 0;
    int rc = weir_list(hold->log->env, hold->state_path, remove_one, &removal, error);
    if (rc >= 0) rc = weir_sync_directory(hold->log->env, hold->state_path, error);
    if (rc >= 0 && !reset->has_kept_files) rc = remove_folder(reset, error);
    return weir_error_wrap(error, rc, "remove the state in '%s'", hold->state_path);
}

/* ---- the other steps ------------------------------------------------------------------------- */

static int make_topic(struct weir_app_reset *reset, struct weir_error *error)
{
    if (reset->app->facts.has_topic) return 0;
    return weir_app_make_records_topic(reset->hold, reset->app, error);
}

static int commit_positions(struct weir_app_reset *reset, struct weir_error *error)
{
    struct weir_app_commit commit;
    if (reset->app->committed.is_reset_begun) return 0;
    int rc =
        weir_app_plan_reset(reset->app, reset->positions, reset->position_count, &commit, error);
    return rc < 0 ? rc : weir_app_commit(reset->hold, reset->app, &commit, error);
}

/* The topic that lies there is the one that the application's records or its last commit name. */
static int delete_topics(struct weir_app_reset *reset, struct weir_error *error)
{
    const struct weir_app *app = reset->app;
    while (reset->topic < app->facts.topic_count) {
        const struct weir_start_topic *topic = &app->facts.topics[reset->topic++];
        if (!weir_app_is_internal(topic) || !weir_start_is_ours(topic)) continue;
        int rc = weir_app_delete_topic(reset->hold, topic->name, topic->id, error);
        return rc < 0 ? rc : 1;
    }
    return 0;
}

/* A store that no program names any more has its changelog, too. */
static int delete_left(struct weir_app_reset *reset, struct weir_error *error)
{
    const struct weir_start_facts *facts = &reset->app->facts;
    int rc = 0;
    for (size_t i = 0; rc >= 0 && i < facts->left_count; i++) {
        const struct weir_own_topic *left = facts->left[i].record;
        rc = weir_app_delete_topic(reset->hold, left->name, left->id, error);
    }
    return rc;
}

static int forget_records(struct weir_app_reset *reset, struct weir_error *error)
{
    return weir_app_write_records(reset->hold, reset->app, true, &reset->records_end, error);
}

static int end(struct weir_app_reset *reset, struct weir_error *error)
{
    struct weir_app_commit commit;
    int rc = weir_app_end_reset(reset->app, reset->records_end, &commit, error);
    return rc < 0 ? rc : weir_app_commit(reset->hold, reset->app, &commit, error);
}

/* ---- the reset ------------------------------------------------------------------------------- */

/* 1: the same once more. */
static int (*const steps[])(struct weir_app_reset *reset, struct weir_error *error) = {
    make_topic, commit_positions, delete_topics, delete_left, remove_state, forget_records, end,
};
enum { STEP_COUNT = sizeof steps / sizeof steps[0] };

void weir_app_reset_init(struct weir_app_reset *reset, struct weir_app_hold *hold,
                         struct weir_app *app, const struct weir_app_position *positions,
                         size_t position_count)
{
    weir_assert(hold->log != NULL);
    weir_assert(app->committed.has_commit);
    *reset = (struct weir_app_reset){.hold = hold,
                                     .app = app,
                                     .positions = positions,
                                     .position_count = position_count,
                                     .records_end = app->records_end};
}

int weir_app_reset_run_once(struct weir_app_reset *reset, struct weir_error *error)
{
    weir_assert(reset->step < STEP_COUNT);
    int rc = steps[reset->step](reset, error);
    if (rc < 0) return weir_error_wrap(error, rc, "reset application '%s'", reset->app->id);
    if (rc == 0) reset->step++;
    return reset->step < STEP_COUNT ? 1 : 0;
}
