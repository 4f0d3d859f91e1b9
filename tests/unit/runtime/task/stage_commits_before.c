#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/application.h"
#include "runtime/job/commit_metadata.h"
#include "runtime/job/commit_offsets.h"
#include "tests/unit/runtime/task/stage.h"

/**
 * What a Weir before transactions wrote, byte for byte: one batch of OffsetCommit records in `__consumer_offsets` named
 * the ends, and what lay beyond them was cut by the next start. Records are in no transaction; with each commit they
 * have another epoch of the run's producer, since sequences begin anew.
 */
enum { METADATA_SIZE_MAX = 1 << 20 };

struct offsets_batch {
    struct weir_commit_kind_options options;
    const char *records_topic; /* the application's own */
    int64_t *producer_ids;     /* of the run; since it was prepared */
    size_t producer_count;
    struct weir_commit_call *call; /* the operation under way; NULL: none */
    /* Its requests. */
    struct weir_committed_request committed;
    struct weir_cut_request *cuts;
    struct weir_init_producer_request *producers;
    size_t outstanding; /* of `cuts` or `producers` */
    struct weir_commit_request commit;
    int16_t epoch;
};

static int offsets_batch_open(const struct weir_commit_kind_options *options, void **impl_out,
                              struct weir_error *error)
{
    struct offsets_batch *batch = weir_alloc_zero(options->budget, sizeof *batch);
    const char *topic = weir_application_topic_name(options->memory, options->application_id);
    if (batch == NULL || topic == NULL) {
        weir_free(batch);
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for commits");
    }
    *batch = (struct offsets_batch){.options = *options, .records_topic = topic};
    *impl_out = batch;
    return 0;
}

static void offsets_batch_close(void *impl)
{
    struct offsets_batch *batch = impl;
    weir_assert(batch == NULL || batch->call == NULL);
    weir_free(batch);
}

/* ---- an operation ---------------------------------------------------------------------------- */

static void begin(struct offsets_batch *batch, struct weir_commit_call *call)
{
    weir_assert(batch->call == NULL && batch->outstanding == 0);
    weir_assert(call->arena != NULL && call->done != NULL);
    batch->call = call;
}

static struct weir_request request_of(struct offsets_batch *batch,
                                      void (*done)(struct weir_request *request))
{
    weir_assert(batch->call != NULL);
    return (struct weir_request){.reply_to = batch->call->reply_to, .done = done, .context = batch};
}

/* The next operation may begin in it. */
static void answer(struct offsets_batch *batch, int rc, const struct weir_error *error)
{
    struct weir_commit_call *call = batch->call;
    weir_assert(call != NULL && batch->outstanding == 0);
    batch->call = NULL;
    weir_commit_answer(call, rc, error);
}

static void answer_no_memory(struct offsets_batch *batch)
{
    struct weir_error error = {0};
    int rc = weir_error_set(&error, WEIR_NO_MEMORY, "no memory for a commit");
    answer(batch, rc, &error);
}

/* ---- recover --------------------------------------------------------------------------------- */

static void on_read(struct weir_request *request)
{
    struct offsets_batch *batch = request->context;
    struct weir_error error = request->error;
    int rc = weir_error_wrap(&error, request->rc, "read the last commit");
    if (rc >= 0) {
        const struct weir_commit_offsets from = {
            .records_topic = batch->records_topic,
            .entries = batch->committed.entries,
            .entry_count = batch->committed.entry_count,
        };
        rc = weir_commit_offsets_read(&from, batch->options.memory,
                                      (struct weir_commit_recover *)batch->call, &error);
    }
    answer(batch, rc, &error);
}

static void offsets_batch_recover(void *impl, struct weir_commit_recover *recover)
{
    struct offsets_batch *batch = impl;
    begin(batch, &recover->call);
    batch->committed = (struct weir_committed_request){
        .request = request_of(batch, on_read),
        .group = weir_text(batch->options.application_id),
        .arena = recover->call.arena,
    };
    weir_log_committed(batch->options.log, &batch->committed);
}

/* ---- prepare --------------------------------------------------------------------------------- */

static int take_producers(struct offsets_batch *batch, struct weir_error *error)
{
    struct weir_commit_prepare *prepare = (struct weir_commit_prepare *)batch->call;
    for (size_t i = 0; i < 1; i++) {
        const struct weir_init_producer_request *producer = &batch->producers[i];
        if (producer->request.rc < 0) {
            weir_error_copy(error, &producer->request.error);
            return weir_error_wrap(error, producer->request.rc, "take a producer id");
        }
        batch->producer_ids[i] = producer->producer_id;
    }
    batch->producer_count = 1;
    prepare->transactional_ids = NULL;
    return 0;
}

static void finish_prepare(struct offsets_batch *batch)
{
    struct weir_error error = {0};
    int rc = take_producers(batch, &error);
    answer(batch, rc, &error);
}

static void on_producer(struct weir_request *request)
{
    struct offsets_batch *batch = request->context;
    weir_assert(batch->outstanding > 0);
    batch->outstanding--;
    if (batch->outstanding == 0) finish_prepare(batch);
}

/* Each thread writes as a producer of its own. */
static void ask_producers(struct offsets_batch *batch)
{
    size_t count = 1;
    weir_assert(batch->outstanding == 0); /* all cuts are answered */
    batch->producers = weir_arena_array(batch->call->arena, count + 1, sizeof *batch->producers);
    batch->producer_ids =
        weir_arena_array(batch->options.memory, count + 1, sizeof *batch->producer_ids);
    if (batch->producers == NULL || batch->producer_ids == NULL) {
        answer_no_memory(batch);
        return;
    }
    batch->outstanding = count;
    for (size_t i = 0; i < count; i++) {
        batch->producers[i] =
            (struct weir_init_producer_request){.request = request_of(batch, on_producer)};
        weir_log_init_producer(batch->options.log, &batch->producers[i]);
    }
}

static int take_cuts(struct offsets_batch *batch, struct weir_error *error)
{
    struct weir_commit_prepare *prepare = (struct weir_commit_prepare *)batch->call;
    for (size_t i = 0; i < prepare->tail_count; i++) {
        const struct weir_cut_request *cut = &batch->cuts[i];
        if (cut->request.rc < 0) {
            const struct weir_slice name = cut->partition.topic;
            weir_error_copy(error, &cut->request.error);
            return weir_error_wrap(error, cut->request.rc, "cut back '%.*s' to the last commit",
                                   (int)name.size, (const char *)name.data);
        }
        prepare->tails[i].leader_epoch = cut->leader_epoch;
    }
    return 0;
}

static void finish_cuts(struct offsets_batch *batch)
{
    struct weir_error error = {0};
    int rc = take_cuts(batch, &error);
    if (rc < 0) {
        answer(batch, rc, &error);
    } else {
        ask_producers(batch);
    }
}

static void on_cut(struct weir_request *request)
{
    struct offsets_batch *batch = request->context;
    weir_assert(batch->outstanding > 0);
    batch->outstanding--;
    if (batch->outstanding == 0) finish_cuts(batch);
}

static void cut(struct offsets_batch *batch, const struct weir_commit_tail *tail,
                struct weir_cut_request *request)
{
    weir_assert(tail->committed_end >= 0 && tail->committed_end < tail->log_end);
    *request = (struct weir_cut_request){
        .request = request_of(batch, on_cut),
        .partition = tail->of,
        .what = WEIR_CUT_TAIL,
        .offset = tail->committed_end,
    };
    request->request.topic_id = tail->topic_id;
    weir_log(&batch->options.env->logger, WEIR_LOG_INFO, "commit.cut",
             "topic=%.*s partition=%" PRId32 " from=%" PRId64 " to=%" PRId64,
             (int)tail->of.topic.size, (const char *)tail->of.topic.data, tail->of.partition,
             tail->log_end, tail->committed_end);
    weir_log_cut(batch->options.log, request);
}

/* First the cuts, then the producers: a tail has been looked at for the ids of the run that wrote it. */
static void offsets_batch_prepare(void *impl, struct weir_commit_prepare *prepare)
{
    struct offsets_batch *batch = impl;
    begin(batch, &prepare->call);
    size_t count = prepare->tail_count;
    weir_assert(batch->producer_ids == NULL); /* a run begins once */
    batch->cuts = weir_arena_array(prepare->call.arena, count, sizeof *batch->cuts);
    if (batch->cuts == NULL && count > 0) {
        answer_no_memory(batch);
        return;
    }
    batch->outstanding = count;
    for (size_t i = 0; i < count; i++) {
        cut(batch, &prepare->tails[i], &batch->cuts[i]);
    }
    if (count == 0) finish_cuts(batch);
}

/* ---- seal and write -------------------------------------------------------------------------- */

static struct weir_offset_entry offset_entry(const struct weir_commit_entry *entry,
                                             struct weir_arena *arena)
{
    const struct weir_commit_metadata metadata = {
        .partition_time_ms = entry->partition_time_ms,
        .end_offset = entry->end,
        .read = entry->read,
        .marks = entry->marks,
        .mark_count = entry->mark_count,
    };
    weir_assert(entry->mark_count == 0 || entry->marks != NULL);
    if (entry->is_given_up) {
        return (struct weir_offset_entry){.partition = entry->of, .is_tombstone = true};
    }
    return (struct weir_offset_entry){
        .partition = entry->of,
        .offset = entry->offset,
        .leader_epoch = entry->leader_epoch,
        .metadata = weir_commit_metadata_encode(&metadata, arena),
    };
}

static struct weir_offset_entry run_entry(const struct offsets_batch *batch, int64_t records_end,
                                          struct weir_arena *arena)
{
    weir_assert(batch->producer_ids != NULL); /* the run has been prepared */
    const struct weir_commit_run run = {.producer_ids = batch->producer_ids,
                                        .count = batch->producer_count};
    return (struct weir_offset_entry){
        .partition = {weir_text(batch->records_topic), 0},
        .offset = records_end,
        .leader_epoch = -1,
        .metadata = weir_commit_run_encode(&run, arena),
    };
}

static void offsets_batch_seal(void *impl, struct weir_commit_seal *seal)
{
    struct offsets_batch *batch = impl;
    struct weir_arena *arena = seal->call.arena;
    begin(batch, &seal->call);
    size_t count = 0;
    struct weir_offset_entry *entries =
        weir_arena_array(arena, seal->entry_count + 1, sizeof *entries);
    for (size_t i = 0; entries != NULL && i < seal->entry_count; i++) {
        entries[count++] = offset_entry(&seal->entries[i], arena);
    }
    if (entries != NULL && seal->records_end >= 0) {
        entries[count++] = run_entry(batch, seal->records_end, arena);
    }
    if (weir_arena_failed(arena)) {
        answer_no_memory(batch);
        return;
    }
    batch->commit = (struct weir_commit_request){
        .group = weir_text(batch->options.application_id),
        .entries = entries,
        .entry_count = count,
        .metadata_size_max = METADATA_SIZE_MAX,
        .is_application = true,
        .claim = batch->options.claim,
    };
    answer(batch, 0, NULL);
}

static void on_written(struct weir_request *request)
{
    answer(request->context, request->rc, &request->error);
}

static void offsets_batch_write(void *impl, struct weir_commit_call *call)
{
    struct offsets_batch *batch = impl;
    weir_assert(batch->commit.entry_count > 0);
    begin(batch, call);
    batch->commit.request = request_of(batch, on_written);
    weir_log_commit_offsets(batch->options.log, &batch->commit);
}

static void offsets_batch_begin(void *impl, struct weir_commit_begin *begun)
{
    struct offsets_batch *batch = impl;
    begun->writer = (struct weir_commit_writer){batch->producer_ids[0], batch->epoch++};
    weir_commit_answer(&begun->call, 0, NULL);
}

static void offsets_batch_nothing(void *impl, struct weir_commit_call *call)
{
    (void)impl;
    weir_commit_answer(call, 0, NULL);
}

const struct weir_commit_kind stage_commits_before = {
    .name = "offsets batch",
    .open = offsets_batch_open,
    .close = offsets_batch_close,
    .recover = offsets_batch_recover,
    .prepare = offsets_batch_prepare,
    .begin = offsets_batch_begin,
    .seal = offsets_batch_seal,
    .write = offsets_batch_write,
    .renew = offsets_batch_nothing,
    .settle = offsets_batch_nothing,
    .abort = offsets_batch_nothing,
};
