#include "runtime/application/release.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"

/* ---- release --------------------------------------------------------------------------------- */

static int cut(struct weir_app_hold *hold, const struct weir_start_topic *topic, int32_t partition,
               enum weir_cut what, int64_t offset, struct weir_error *error)
{
    struct weir_cut_request request = {
        .request = {.topic_id = topic->id},
        .partition = {weir_text(topic->name), partition},
        .what = what,
        .offset = offset,
    };
    int rc = weir_request_wait_begin(hold->log->env, &request.request, error);
    if (rc < 0) return rc;
    weir_log_cut(hold->log, &request);
    rc = weir_request_wait(hold->log->env, &request.request, error);
    return weir_error_wrap(error, rc, "cut '%s' partition %" PRId32 " at %" PRId64, topic->name,
                           partition, offset);
}

/* What was left without transactions is cut; in one it is void by itself. */
static int cut_partition(struct weir_app_hold *hold, const struct weir_app *app,
                         const struct weir_start_topic *topic, int32_t number,
                         struct weir_error *error)
{
    const struct weir_start_partition *partition = &topic->partitions[number];
    if (!partition->has_entry || partition->is_foreign_entry || partition->is_offline) return 0;
    weir_assert(partition->foreign_at < 0); /* weir_app_check_release */
    int rc = 0;
    bool is_transactional = app->committed.transaction_count > 0;
    bool has_tail = !is_transactional && partition->log_end > partition->committed_end &&
                    partition->committed_end >= partition->log_start;
    if (has_tail) rc = cut(hold, topic, number, WEIR_CUT_TAIL, partition->committed_end, error);
    bool has_head = topic->role == WEIR_START_REPARTITION &&
                    partition->committed > partition->log_start &&
                    partition->committed <= partition->log_end;
    if (rc >= 0 && has_head) {
        rc = cut(hold, topic, number, WEIR_CUT_HEAD, partition->committed, error);
    }
    return rc;
}

int weir_app_release(struct weir_app_hold *hold, const struct weir_app *app,
                     struct weir_error *error)
{
    struct weir_app_commit commit;
    int rc = 0;
    for (size_t t = 0; rc >= 0 && t < app->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &app->facts.topics[t];
        if (!weir_app_is_internal(topic) || !weir_start_is_ours(topic)) continue;
        for (int32_t p = 0; rc >= 0 && p < topic->partition_count; p++) {
            rc = cut_partition(hold, app, topic, p, error);
        }
    }
    if (rc >= 0) rc = weir_app_plan_release(app, &commit, error);
    if (rc >= 0) rc = weir_app_commit(hold, app, &commit, error);
    return weir_error_wrap(error, rc, "release application '%s'", app->id);
}

/* ---- adopt ----------------------------------------------------------------------------------- */

int weir_app_adopt(struct weir_app_hold *hold, const struct weir_app *app,
                   const struct weir_app_adoption *adoption, struct weir_error *error)
{
    struct weir_app_commit commit = {0};
    int64_t records_end = app->records_end;
    int rc = weir_app_commit(hold, app, &commit, error);
    for (size_t i = 0; rc >= 0 && i < adoption->delete_count; i++) {
        const struct weir_start_topic *topic = adoption->deletes[i];
        rc = weir_app_delete_topic(hold, topic->name, topic->id, error);
    }
    if (rc >= 0 && !app->facts.has_topic) rc = weir_app_make_records_topic(hold, app, error);
    if (rc >= 0) rc = weir_app_write_records(hold, app, false, &records_end, error);
    if (rc >= 0) rc = weir_app_plan_adopt(app, records_end, &commit, error);
    if (rc >= 0) rc = weir_app_commit(hold, app, &commit, error);
    return weir_error_wrap(error, rc, "adopt group '%s'", app->id);
}
