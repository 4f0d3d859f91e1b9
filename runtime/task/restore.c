#include "runtime/task/restore.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/uuid.h"

enum { UNDECIDED_WAIT_MS = 1000 };

/* Whether the store can go on from where it is: a folder that was put in another task's place has the rows of
 * another partition. */
static bool is_usable(const struct weir_changelog_position *position,
                      const struct weir_restore_source *source)
{
    if (position->offset == 0) return true;
    return weir_uuid_equal(position->topic_id, source->topic_id) &&
           position->partition == source->partition.partition &&
           position->leader_epoch <= source->leader_epoch && position->offset <= source->end &&
           position->offset >= source->log_start;
}

/* The source of a table whose topic serves as its changelog; NULL: the store has one of its own. */
static const struct weir_plan_node *source_of(const struct weir_task *task,
                                              const struct weir_store *store)
{
    const struct weir_topology *topology = task->options.config->topology;
    size_t local = 0;
    while (weir_state_store(task->state, local) != store) {
        local++;
    }
    int32_t topic = weir_task_source_topic(task->options.config, (size_t)task->plan->stores[local]);
    for (size_t i = 0; topic >= 0 && i < task->plan->source_count; i++) {
        const struct weir_plan_node *source = &topology->nodes[task->plan->sources[i]];
        if (source->topic == topic) return source;
    }
    return NULL;
}

/* Forget what is there and read from the log's start. */
static int begin_anew(struct weir_restore *restore, int64_t position, const char *reason,
                      struct weir_error *error)
{
    const char *name = weir_store_spec(restore->store)->name;
    struct weir_task *task = restore->task;
    weir_log(&task->options.env->logger, WEIR_LOG_WARN, "restore.from_start",
             "task=%s store=%s position=%" PRId64 " committed=%" PRId64 " reason=%s", task->name,
             name, position, restore->end, reason);
    int rc = weir_store_clear(restore->store, error);
    return weir_error_wrap(error, rc, "clear store '%s'", name);
}

/* All from `position` on is needed. */
static int check_whole(const struct weir_restore *restore, struct weir_error *error)
{
    const struct weir_topic_partition *from = &restore->fetch.from;
    if (restore->position.offset >= restore->lost_end) return 0;
    return weir_error_set(
        error, WEIR_MISMATCH,
        "store '%s' has to be restored from offset %" PRId64 " of '%.*s' partition %" PRId32
        ", which has lost records below %" PRId64
        " that 'weir log repair' gave up: put the state folder back, or choose, .on_mismatch: "
        "WEIR_ON_MISMATCH_REBUILD drops all state and reads the inputs from their beginning, "
        "WEIR_ON_MISMATCH_START_EMPTY goes on and starts the store empty",
        weir_store_spec(restore->store)->name, restore->position.offset, (int)from->topic.size,
        (const char *)from->topic.data, from->partition, restore->lost_end);
}

int weir_restore_init(struct weir_restore *restore, struct weir_task *task,
                      struct weir_store *store, const struct weir_restore_source *source,
                      struct weir_error *error)
{
    struct weir_changelog_position position = weir_store_position(store);
    struct weir_wall now = weir_wall_now(task->options.env);
    bool is_of_log = is_usable(&position, source);
    bool usable = is_of_log && !weir_restore_may_lack_tombstones(&position, source, now);
    int64_t from =
        usable && position.offset > source->log_start ? position.offset : source->log_start;
    bool is_in_doubt =
        usable && position.offset > 0 && position.leader_epoch != source->leader_epoch;
    *restore = (struct weir_restore){
        .fetch = {.from = source->partition},
        .task = task,
        .store = store,
        .source = source_of(task, store),
        .position = {source->topic_id, source->leader_epoch, from, source->partition.partition,
                     usable && position.offset > 0 ? position.caught_up_ms : now.ms},
        .end = source->end,
        .lost_end = source->lost_end,
        .log_start = source->log_start,
        .epoch = {.epoch = position.leader_epoch},
        .is_in_doubt = is_in_doubt,
        .is_done = from >= source->end && !is_in_doubt,
    };
    weir_input_queue_init(&restore->queue, task->options.input_pool, from);
    int rc = check_whole(restore, error); /* before anything is cleared */
    if (rc < 0 || usable) return rc;
    return begin_anew(restore, position.offset, is_of_log ? "tombstones" : "position", error);
}

void weir_restore_close(struct weir_restore *restore)
{
    weir_assert(!restore->is_outstanding);
    weir_input_queue_close(&restore->queue);
}

bool weir_restore_fetch(struct weir_restore *restore, struct weir_log *log, size_t size_max,
                        struct weir_actor *reply_to, void (*done)(struct weir_request *request),
                        void *context)
{
    if (restore->is_done || restore->is_outstanding || restore->has_taken) return false;
    struct weir_topic_partition from = restore->fetch.from;
    restore->context = context;
    if (restore->is_in_doubt) {
        restore->epoch = (struct weir_epoch_end_request){
            .request = {.reply_to = reply_to, .done = done, .context = restore},
            .of = from,
            .epoch = restore->epoch.epoch,
        };
        restore->is_outstanding = true;
        weir_log_epoch_end(log, &restore->epoch);
        return true;
    }
    restore->fetch = (struct weir_fetch_request){
        .request = {.reply_to = reply_to, .done = done, .context = restore},
        .from = from,
        .offset = restore->position.offset,
        .size_max = size_max,
        .size_min = restore->is_undecided ? 1 : 0,
        .deadline = weir_mono_after_ms(weir_mono_now(log->env), UNDECIDED_WAIT_MS),
        .read_committed = true,
    };
    restore->is_outstanding = true;
    weir_log_fetch(log, &restore->fetch);
    return true;
}

static bool is_readable(const struct weir_restore *restore, bool is_key, struct weir_slice bytes)
{
    const struct weir_plan_node *source = restore->source;
    weir_assert(source != NULL);
    const struct weir_serde *serde = is_key ? source->key_serde : source->value_serde;
    struct weir_error error;
    struct weir_serde_call call = {
        .topic = source->name,
        .is_key = is_key,
        .scope = &restore->task->scope,
        .error = &error,
    };
    const void *object;
    return serde->deserialize(serde, &call, &bytes, 1, &object) == 1;
}

/* What the table took when it was processed: no null keys, and nothing that was unreadable. */
static bool was_taken(const struct weir_restore *restore, const struct weir_record *record)
{
    if (weir_slice_is_null(record->key) || record->timestamp_ms < 0) return false;
    if (restore->task->options.config->on_deserialization_error == WEIR_ON_ERROR_FAIL) return true;
    return is_readable(restore, true, record->key) && is_readable(restore, false, record->value);
}

/* Records of an input topic, those that its table took. */
static int restore_taken(struct weir_restore *restore, const struct weir_record *records,
                         size_t count, struct weir_error *error)
{
    struct weir_arena *arena = restore->task->arena;
    struct weir_record *taken = weir_arena_array(arena, count, sizeof *taken);
    size_t kept = 0;
    for (size_t i = 0; taken != NULL && i < count; i++) {
        if (was_taken(restore, &records[i])) taken[kept++] = records[i];
    }
    int rc = weir_arena_failed(arena)
                 ? weir_error_set(error, WEIR_NO_MEMORY, "no memory for %zu records", count)
                 : weir_store_restore(restore->store, taken, kept, restore->position, error);
    weir_arena_reset(arena);
    return rc;
}

/* Records of one decoded batch, those below the end. */
static int apply_records(struct weir_restore *restore, const struct weir_record *records,
                         size_t count, struct weir_error *error)
{
    size_t wanted = 0;
    while (wanted < count && records[wanted].offset < restore->end) {
        wanted++;
    }
    if (wanted > 0) {
        restore->position.offset = records[wanted - 1].offset + 1;
        int rc = restore->source != NULL ? restore_taken(restore, records, wanted, error)
                                         : weir_store_restore(restore->store, records, wanted,
                                                              restore->position, error);
        if (rc < 0) return rc;
        weir_counter_add(&restore->task->options.metrics->restored_records, (int64_t)wanted);
    }
    restore->is_done = wanted < count;
    return 0;
}

/* Up to where the epoch of the store's position ended; beyond it, the position is of records
 * that the log does not have any more. */
static int apply_epoch(struct weir_restore *restore, struct weir_error *error)
{
    const struct weir_epoch_end_request *epoch = &restore->epoch;
    int64_t position = restore->position.offset;
    weir_assert(restore->is_in_doubt);
    restore->is_in_doubt = false;
    if (epoch->request.rc < 0) {
        weir_error_copy(error, &epoch->request.error);
        return weir_error_wrap(error, epoch->request.rc, "restore store '%s'",
                               weir_store_spec(restore->store)->name);
    }
    if (epoch->end_offset < position) {
        restore->position.offset = restore->log_start;
        restore->position.caught_up_ms = weir_wall_now(restore->task->options.env).ms;
        int rc = check_whole(restore, error);
        if (rc >= 0) rc = begin_anew(restore, position, "epoch", error);
        if (rc < 0) return rc;
        weir_input_queue_close(&restore->queue);
        weir_input_queue_init(&restore->queue, restore->task->options.input_pool,
                              restore->log_start);
    }
    restore->is_done = restore->position.offset >= restore->end;
    return 0;
}

static void release_fetched(struct weir_fetch_request *fetch)
{
    weir_log_batches_release(&fetch->batches);
    weir_free(fetch->aborted);
    fetch->aborted = NULL;
}

void weir_restore_drop(struct weir_restore *restore)
{
    release_fetched(&restore->fetch);
}

static int failed(const struct weir_restore *restore, int rc, struct weir_error *error)
{
    const struct weir_topic_partition *from = &restore->fetch.from;
    if (rc == WEIR_CORRUPT) weir_input_say_repair(from, error);
    return weir_error_wrap(error, rc, "restore store '%s' from '%.*s' partition %" PRId32,
                           weir_store_spec(restore->store)->name, (int)from->topic.size,
                           (const char *)from->topic.data, from->partition);
}

/* All that was taken is applied. Compaction may have left nothing up to the end. */
static void exhaust(struct weir_restore *restore)
{
    restore->has_taken = false;
    if (restore->queue.position > restore->position.offset) {
        restore->position.offset = restore->queue.position;
    }
    restore->is_done = restore->position.offset >= restore->end || restore->is_at_end;
}

int weir_restore_take(struct weir_restore *restore, struct weir_error *error)
{
    weir_assert(!restore->is_outstanding && !restore->is_done);
    if (restore->is_in_doubt) return apply_epoch(restore, error);
    struct weir_fetch_request *fetch = &restore->fetch;
    int rc = fetch->request.rc;
    if (rc < 0 && error != NULL) *error = fetch->request.error;
    if (rc >= 0) {
        rc = weir_input_queue_push_committed(&restore->queue, &fetch->batches, fetch->aborted,
                                             fetch->aborted_count, error);
    }
    /* What is committed is decided; that its disk has it may be known a moment later. */
    restore->is_undecided = rc >= 0 && fetch->last_stable_offset < restore->end;
    restore->is_at_end = fetch->batches.part_count == 0 && !restore->is_undecided;
    release_fetched(fetch);
    if (rc < 0) return failed(restore, rc, error);
    restore->has_taken = true;
    return 0;
}

int weir_restore_apply(struct weir_restore *restore, size_t records_max, struct weir_error *error)
{
    size_t applied = 0;
    while (restore->has_taken && !restore->is_done && applied < records_max) {
        const struct weir_record *records = NULL;
        int rc = weir_input_queue_peek(&restore->queue, &records, error);
        if (rc == 0) {
            exhaust(restore);
            break;
        }
        size_t count = rc > 0 ? (size_t)rc : 0;
        if (count > records_max - applied) count = records_max - applied;
        if (count > 0) rc = apply_records(restore, records, count, error);
        if (rc < 0) return failed(restore, rc, error);
        weir_input_queue_advance(&restore->queue, count);
        weir_input_queue_release(&restore->queue);
        applied += count;
        if (restore->position.offset >= restore->end) restore->is_done = true;
    }
    return (int)applied;
}

int64_t weir_restore_left(const struct weir_restore *restore)
{
    const int64_t left = restore->end - restore->position.offset;
    return restore->is_done || left < 0 ? 0 : left;
}
