#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/commit_offsets.h"
#include "runtime/job/commit_transaction.h"

/**
 * A start finds the last commit and makes void what none covers. All transactional ids of the last run are taken over
 * before anything is read, also those that this run has no threads for: what is open in them would be void only when
 * its time is over, and whoever still writes in them is shut out.
 */

static struct weir_request request_of(struct weir_job_transactions *kind,
                                      void (*done)(struct weir_request *request))
{
    weir_assert(kind->call != NULL);
    return (struct weir_request){.reply_to = kind->call->reply_to, .done = done, .context = kind};
}

static void begin(struct weir_job_transactions *kind, struct weir_commit_call *call)
{
    weir_assert(kind->call == NULL && kind->outstanding == 0);
    weir_assert(call->arena != NULL && call->done != NULL);
    kind->call = call;
}

/* ---- recover --------------------------------------------------------------------------------- */

static void ask_committed(struct weir_job_transactions *kind,
                          void (*done)(struct weir_request *request))
{
    kind->committed = (struct weir_committed_request){
        .request = request_of(kind, done),
        .group = weir_text(kind->options.application_id),
        .arena = kind->call->arena,
    };
    weir_log_committed(kind->options.log, &kind->committed);
}

static int take_committed(struct weir_job_transactions *kind, const struct weir_request *request,
                          struct weir_commit_recover *recover, struct weir_error *error)
{
    *error = request->error;
    int rc = weir_error_wrap(error, request->rc, "read the last commit");
    if (rc < 0) return rc;
    const struct weir_commit_offsets from = {
        .records_topic = kind->records_topic,
        .entries = kind->committed.entries,
        .entry_count = kind->committed.entry_count,
    };
    return weir_commit_offsets_read(&from, kind->options.memory, recover, error);
}

/* Ours are among the producers of the last run, which may not have named them yet. */
static int add_own(struct weir_job_transactions *kind, struct weir_commit_recover *recover)
{
    const size_t count = recover->producer_count;
    int64_t *ids = weir_arena_array(kind->options.memory, count + kind->count + 1, sizeof *ids);
    recover->are_there = weir_arena_alloc_zero(kind->options.memory, count + kind->count + 1);
    if (ids == NULL || recover->are_there == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        ids[i] = recover->producer_ids[i];
    }
    for (size_t i = 0; count > 0 && i < kind->count; i++) {
        if (kind->transactions[i]->producer_id < 0) continue;
        ids[recover->producer_count++] = kind->transactions[i]->producer_id;
    }
    recover->producer_ids = ids;
    return 0;
}

static void on_recovered(struct weir_request *request)
{
    struct weir_job_transactions *kind = request->context;
    struct weir_commit_recover *recover = (struct weir_commit_recover *)kind->call;
    struct weir_error error = {0};
    int rc = take_committed(kind, request, recover, &error);
    if (rc >= 0 && add_own(kind, recover) < 0) {
        rc = weir_error_set(&error, WEIR_NO_MEMORY, "no memory for the last commit");
    }
    weir_job_transactions_answer(kind, rc, &error);
}

/* Nothing of the last run is open any more. */
static void read_again(struct weir_job_transactions *kind)
{
    ask_committed(kind, on_recovered);
}

static void on_read(struct weir_request *request)
{
    struct weir_job_transactions *kind = request->context;
    struct weir_commit_recover last = {.call = {.arena = kind->call->arena}};
    struct weir_error error = {0};
    int rc = take_committed(kind, request, &last, &error);
    if (rc >= 0 && weir_job_transactions_know(kind, last.transaction_count) < 0) {
        rc = weir_error_set(&error, WEIR_NO_MEMORY, "no memory for the last commit");
    }
    if (rc < 0) {
        weir_job_transactions_answer(kind, rc, &error);
    } else {
        weir_job_transactions_take_over(kind, last.transaction_count, read_again);
    }
}

/* First who the last run was, then what it has committed, which may be more by then. */
void weir_job_transactions_recover(void *impl, struct weir_commit_recover *recover)
{
    struct weir_job_transactions *kind = impl;
    begin(kind, &recover->call);
    ask_committed(kind, on_read);
}

/* ---- prepare --------------------------------------------------------------------------------- */

static int take_producers(struct weir_job_transactions *kind, struct weir_error *error)
{
    struct weir_commit_prepare *prepare = (struct weir_commit_prepare *)kind->call;
    for (size_t i = 0; i < prepare->writer_count; i++) {
        const struct weir_init_producer_request *producer = &kind->producers[i];
        if (producer->request.rc < 0) {
            weir_error_copy(error, &producer->request.error);
            return weir_error_wrap(error, producer->request.rc, "take a producer id");
        }
        prepare->writers[i] = (struct weir_commit_writer){
            .producer_id = producer->producer_id, .producer_epoch = producer->producer_epoch};
    }
    return 0;
}

static bool is_own(const struct weir_job_transactions *kind, size_t count, int64_t producer_id)
{
    for (size_t i = 0; i < count; i++) {
        if (kind->transactions[i]->producer_id == producer_id) return true;
    }
    return false;
}

/* Those of runs before whose records lie behind what is committed, and ours. */
static int name_run(struct weir_job_transactions *kind, const struct weir_commit_prepare *prepare)
{
    const struct weir_commit_recover *recovered = prepare->recovered;
    const size_t own = prepare->transaction_count;
    size_t count = recovered->transaction_count > 0 ? recovered->producer_count : 0;
    kind->run_ids = weir_arena_array(kind->options.memory, count + own, sizeof *kind->run_ids);
    if (kind->run_ids == NULL) return WEIR_NO_MEMORY;
    kind->run_kept = 0;
    for (size_t i = 0; i < count; i++) {
        const int64_t id = recovered->producer_ids[i];
        if (recovered->are_there[i] && !is_own(kind, own, id)) kind->run_ids[kind->run_kept++] = id;
    }
    for (size_t i = 0; i < own; i++) {
        kind->run_ids[kind->run_kept + i] = kind->transactions[i]->producer_id;
    }
    kind->run_transactions = own;
    kind->run_version = 1;
    return 0;
}

static int name_transactions(const struct weir_job_transactions *kind,
                             struct weir_commit_prepare *prepare)
{
    const char **ids =
        weir_arena_array(kind->options.memory, prepare->transaction_count, sizeof *ids);
    if (ids == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < prepare->transaction_count; i++) {
        ids[i] = kind->transactions[i]->id;
    }
    prepare->transactional_ids = ids;
    return 0;
}

static void finish_prepare(struct weir_job_transactions *kind)
{
    struct weir_commit_prepare *prepare = (struct weir_commit_prepare *)kind->call;
    struct weir_error error = {0};
    int rc = take_producers(kind, &error);
    if (rc >= 0 && (name_run(kind, prepare) < 0 || name_transactions(kind, prepare) < 0)) {
        rc = weir_error_set(&error, WEIR_NO_MEMORY, "no memory for a commit");
    }
    prepare->timeout_ms = kind->timeout_ms;
    weir_job_transactions_answer(kind, rc, &error);
}

static void on_producer(struct weir_request *request)
{
    struct weir_job_transactions *kind = request->context;
    weir_assert(kind->outstanding > 0);
    kind->outstanding--;
    if (kind->outstanding == 0) finish_prepare(kind);
}

/* Each thread that writes outside of transactions does so as a producer of its own. */
static void ask_producers(struct weir_job_transactions *kind)
{
    const struct weir_commit_prepare *prepare = (struct weir_commit_prepare *)kind->call;
    size_t count = prepare->writer_count;
    weir_assert(kind->outstanding == 0); /* all cuts are answered */
    kind->producers = weir_arena_array(kind->call->arena, count + 1, sizeof *kind->producers);
    if (kind->producers == NULL) {
        weir_job_transactions_answer_no_memory(kind);
        return;
    }
    kind->outstanding = count;
    for (size_t i = 0; i < count; i++) {
        kind->producers[i] =
            (struct weir_init_producer_request){.request = request_of(kind, on_producer)};
        weir_log_init_producer(kind->options.log, &kind->producers[i]);
    }
    if (count == 0) finish_prepare(kind);
}

static int take_cuts(struct weir_job_transactions *kind, struct weir_error *error)
{
    struct weir_commit_prepare *prepare = (struct weir_commit_prepare *)kind->call;
    for (size_t i = 0; i < prepare->tail_count; i++) {
        const struct weir_cut_request *cut = &kind->cuts[i];
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

static void finish_cuts(struct weir_job_transactions *kind)
{
    const struct weir_commit_prepare *prepare = (struct weir_commit_prepare *)kind->call;
    struct weir_error error = {0};
    int rc = take_cuts(kind, &error);
    if (rc >= 0 && weir_job_transactions_know(kind, prepare->transaction_count) < 0) {
        rc = weir_error_set(&error, WEIR_NO_MEMORY, "no memory for a commit");
    }
    if (rc < 0) {
        weir_job_transactions_answer(kind, rc, &error);
    } else {
        weir_job_transactions_take_over(kind, prepare->transaction_count, ask_producers);
    }
}

static void on_cut(struct weir_request *request)
{
    struct weir_job_transactions *kind = request->context;
    weir_assert(kind->outstanding > 0);
    kind->outstanding--;
    if (kind->outstanding == 0) finish_cuts(kind);
}

static void cut(struct weir_job_transactions *kind, const struct weir_commit_tail *tail,
                struct weir_cut_request *request)
{
    weir_assert(tail->committed_end >= 0 && tail->committed_end < tail->log_end);
    *request = (struct weir_cut_request){
        .request = request_of(kind, on_cut),
        .partition = tail->of,
        .what = WEIR_CUT_TAIL,
        .offset = tail->committed_end,
    };
    request->request.topic_id = tail->topic_id;
    weir_log(&kind->options.env->logger, WEIR_LOG_INFO, "commit.cut",
             "topic=%.*s partition=%" PRId32 " from=%" PRId64 " to=%" PRId64,
             (int)tail->of.topic.size, (const char *)tail->of.topic.data, tail->of.partition,
             tail->log_end, tail->committed_end);
    weir_log_cut(kind->options.log, request);
}

/* First the cuts, then the producers: a tail has been looked at for the ids of the run that wrote it. */
void weir_job_transactions_prepare(void *impl, struct weir_commit_prepare *prepare)
{
    struct weir_job_transactions *kind = impl;
    begin(kind, &prepare->call);
    size_t count = prepare->tail_count;
    weir_assert(kind->run_version == 0 && prepare->transaction_count > 0); /* a run begins once */
    kind->cuts = weir_arena_array(prepare->call.arena, count, sizeof *kind->cuts);
    if (kind->cuts == NULL && count > 0) {
        weir_job_transactions_answer_no_memory(kind);
        return;
    }
    kind->outstanding = count;
    for (size_t i = 0; i < count; i++) {
        cut(kind, &prepare->tails[i], &kind->cuts[i]);
    }
    if (count == 0) finish_cuts(kind);
}
