#include "broker/engine/snapshotter.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition_chores.h"

void weir_snapshotter_init(struct weir_snapshotter *snapshotter, struct weir_partition *partition,
                           struct weir_fold *fold)
{
    *snapshotter = (struct weir_snapshotter){.partition = partition, .fold = fold};
}

static int make(struct weir_snapshotter *snapshotter)
{
    snapshotter->id = (struct weir_snapshot_id){
        .offset = snapshotter->fold->next_offset,
        .epoch = snapshotter->partition->epoch.current,
    };
    return weir_fold_snapshot(snapshotter->fold, &snapshotter->builder);
}

static int write(struct weir_snapshotter *snapshotter, struct weir_error *error)
{
    return weir_snapshot_write(snapshotter->partition->shard->env, snapshotter->partition->path,
                               snapshotter->id, snapshotter->fold->snapshot_offset,
                               weir_buffer_slice(&snapshotter->builder.bytes), error);
}

static void run(struct weir_work *work)
{
    struct weir_snapshotter *snapshotter = (struct weir_snapshotter *)work; /* first member */
    snapshotter->rc = write(snapshotter, &snapshotter->error);
}

static void done(struct weir_message *message)
{
    struct weir_snapshotter *snapshotter = (struct weir_snapshotter *)message;
    struct weir_partition *partition = snapshotter->partition;
    struct weir_engine *engine = partition->shard->engine;
    weir_assert(snapshotter->is_running);
    weir_snapshot_builder_close(&snapshotter->builder);
    snapshotter->is_running = false;
    if (snapshotter->rc == 0) {
        /* The log stays as far back as the snapshot before this one. */
        int64_t before = snapshotter->fold->snapshot_offset;
        weir_fold_snapshot_taken(snapshotter->fold, snapshotter->id.offset);
        weir_partition_trim(partition, before);
    } else {
        char text[2 * WEIR_ERROR_TEXT_SIZE];
        weir_log(&engine->env->logger, WEIR_LOG_WARN, "snapshot.failed", "path=%s reason=%s",
                 partition->path, weir_log_quote(text, sizeof text, snapshotter->error.text));
        if (snapshotter->rc == WEIR_IO)
            weir_serving_go_offline(&engine->serving, &snapshotter->error);
        snapshotter->fold->bytes_since = 0; /* not again at once: the log still has everything */
    }
    weir_serving_release(&engine->serving);
}

void weir_snapshotter_run(struct weir_snapshotter *snapshotter)
{
    if (snapshotter->is_running || !weir_fold_wants_snapshot(snapshotter->fold)) return;
    struct weir_engine *engine = snapshotter->partition->shard->engine;
    if (weir_serving_check(&engine->serving, NULL) < 0) return;
    if (make(snapshotter) < 0) {
        weir_snapshot_builder_close(&snapshotter->builder);
        return;
    }
    snapshotter->is_running = true;
    snapshotter->work = (struct weir_work){
        .done.handle = done, .run = run, .reply_to = snapshotter->partition->shard->actor};
    weir_serving_hold(&engine->serving);
    weir_work_submit(engine->env, &snapshotter->work);
}

int weir_snapshotter_finish(struct weir_snapshotter *snapshotter, struct weir_error *error)
{
    weir_assert(!snapshotter->is_running);
    if (snapshotter->fold->next_offset == snapshotter->fold->snapshot_offset) return 0;
    int rc = make(snapshotter);
    rc = rc < 0 ? weir_error_set(error, (enum weir_code)rc, "make a snapshot")
                : write(snapshotter, error);
    weir_snapshot_builder_close(&snapshotter->builder);
    if (rc == 0) weir_fold_snapshot_taken(snapshotter->fold, snapshotter->id.offset);
    return rc;
}
