#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/application.h"
#include "runtime/job/commit_kind.h"
#include "runtime/job/commit_metadata.h"
#include "runtime/job/commit_offsets.h"
#include "runtime/job/commit_transaction.h"

/**
 * A commit is a transaction of the log, of a transactional id named after the application. In it are all that the job
 * writes and, under the group named after the application, its positions: for each input partition the next offset
 * (with its partition time and the task's timers), for each changelog partition its end offset, for a repartition
 * partition both. Source: DESIGN.md "Commit"; docs/format/commit.md.
 *
 *     begin     the partitions are named to the coordinator, in one request       a flush
 *     (work)    records are appended; nobody waits for the disk
 *     write     offsets, appended as a batch of the transaction                    a flush, and what is left of the records
 *               the coordinator writes that it is committed: from here on it is    a flush
 *     settle    markers, and that they are there                                   two flushes, beside what goes on
 *
 * Whoever takes the transactional id over shuts the one before out, and what that has left open is aborted: there is
 * nothing to cut. What a run of an older Weir has left, which had no transactions, is cut once (prepare).
 *
 * The first commit of a run is none: nothing has been written. It says that the commit is ours, who the run is, and
 * takes back what the program has given up, which no transaction may.
 */
enum { METADATA_SIZE_MAX = 1 << 20 };
/* As long as one may be: what a commit waits for (a user's function, a full disk) has no bound of its own. */
enum { TIMEOUT_MS = 15 * 60000, TRANSACTIONS = 1 };

struct transactions {
    struct weir_commit_kind_options options;
    const char *records_topic; /* the application's own */
    const char *transactional_id;
    int64_t producer_id; /* -1: none was given yet */
    int16_t producer_epoch;
    int32_t timeout_ms;
    int64_t *run_ids; /* that the run names; ours is the last */
    size_t run_count;
    bool is_run_due;               /* ours is another since it was named */
    int64_t run_recorded;          /* `records_end` as the first commit has it */
    bool is_first;                 /* what is sealed is the first commit */
    struct weir_commit_call *call; /* the operation under way; NULL: none */
    /* Its requests. */
    struct weir_committed_request committed;
    struct weir_init_transactions_request init;
    void (*inited)(struct transactions *kind);
    struct weir_cut_request *cuts;
    struct weir_init_producer_request *producers;
    size_t outstanding; /* of `cuts` or `producers` */
    struct weir_add_partitions_request add;
    struct weir_commit_request commit;
    struct weir_end_transaction_request end;
    struct weir_end_transaction_request settling;
    struct weir_commit_call *settle; /* NULL: none is under way */
};

static int transactions_open(const struct weir_commit_kind_options *options, void **impl_out,
                             struct weir_error *error)
{
    struct transactions *kind = weir_alloc_zero(options->budget, sizeof *kind);
    const char *topic = weir_application_topic_name(options->memory, options->application_id);
    const char *id = weir_commit_transactional_id(options->memory, options->application_id, 0);
    if (kind == NULL || topic == NULL || id == NULL) {
        weir_free(kind);
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for commits");
    }
    *kind = (struct transactions){
        .options = *options,
        .records_topic = topic,
        .transactional_id = id,
        .producer_id = WEIR_NO_PRODUCER_ID,
        .producer_epoch = WEIR_NO_PRODUCER_EPOCH,
        .timeout_ms = TIMEOUT_MS,
    };
    *impl_out = kind;
    return 0;
}

static void transactions_close(void *impl)
{
    struct transactions *kind = impl;
    weir_assert(kind == NULL || (kind->call == NULL && kind->settle == NULL));
    weir_free(kind);
}

/* ---- an operation ---------------------------------------------------------------------------- */

static void begin(struct transactions *kind, struct weir_commit_call *call)
{
    weir_assert(kind->call == NULL && kind->outstanding == 0);
    weir_assert(call->arena != NULL && call->done != NULL);
    kind->call = call;
}

static struct weir_request request_of(struct transactions *kind,
                                      void (*done)(struct weir_request *request))
{
    weir_assert(kind->call != NULL);
    return (struct weir_request){.reply_to = kind->call->reply_to, .done = done, .context = kind};
}

/* The next operation may begin in it. */
static void answer(struct transactions *kind, int rc, const struct weir_error *error)
{
    struct weir_commit_call *call = kind->call;
    weir_assert(call != NULL && kind->outstanding == 0);
    kind->call = NULL;
    weir_commit_answer(call, rc, error);
}

static void answer_no_memory(struct transactions *kind)
{
    struct weir_error error = {0};
    int rc = weir_error_set(&error, WEIR_NO_MEMORY, "no memory for a commit");
    answer(kind, rc, &error);
}

/* ---- the transactional id ---------------------------------------------------------------------- */

const char *weir_commit_transactional_id(struct weir_arena *memory, const char *application_id,
                                         size_t index)
{
    return weir_arena_printf(memory, "%s-%zu", application_id, index);
}

static struct weir_transaction_request whose(struct transactions *kind,
                                             void (*done)(struct weir_request *request))
{
    return (struct weir_transaction_request){
        .request = request_of(kind, done),
        .transactional_id = weir_text(kind->transactional_id),
        .producer_id = kind->producer_id,
        .producer_epoch = kind->producer_epoch,
        .is_version_2 = true,
    };
}

static void take_id(struct transactions *kind, int64_t producer_id, int16_t producer_epoch)
{
    weir_assert(producer_id >= 0 && producer_epoch >= 0);
    kind->is_run_due |= kind->run_count > 0 && producer_id != kind->producer_id;
    kind->producer_id = producer_id;
    kind->producer_epoch = producer_epoch;
}

static void ask_id(struct transactions *kind);

/* A server may allow less time. What the one before has open is aborted meanwhile. */
static void on_id(struct weir_request *request)
{
    struct transactions *kind = request->context;
    const int rc = request->rc;
    if (rc == WEIR_INVALID_TRANSACTION_TIMEOUT && kind->timeout_ms > 1) {
        kind->timeout_ms /= 2;
        ask_id(kind);
    } else if (rc == WEIR_CONCURRENT_TRANSACTIONS) {
        ask_id(kind);
    } else if (rc < 0) {
        struct weir_error error = request->error;
        (void)weir_error_wrap(&error, rc, "transactional id '%s'", kind->transactional_id);
        answer(kind, rc, &error);
    } else {
        take_id(kind, kind->init.producer_id, kind->init.producer_epoch);
        kind->inited(kind);
    }
}

static void ask_id(struct transactions *kind)
{
    kind->init = (struct weir_init_transactions_request){.base = whose(kind, on_id),
                                                         .timeout_ms = kind->timeout_ms};
    kind->init.base.producer_id = WEIR_NO_PRODUCER_ID;
    kind->init.base.producer_epoch = WEIR_NO_PRODUCER_EPOCH;
    kind->init.base.waits_for_end = true;
    weir_log_init_transactions(kind->options.log, &kind->init);
}

static void take_over(struct transactions *kind, void (*inited)(struct transactions *kind))
{
    kind->inited = inited;
    ask_id(kind);
}

/* ---- recover --------------------------------------------------------------------------------- */

static void ask_committed(struct transactions *kind, void (*done)(struct weir_request *request))
{
    kind->committed = (struct weir_committed_request){
        .request = request_of(kind, done),
        .group = weir_text(kind->options.application_id),
        .arena = kind->call->arena,
    };
    weir_log_committed(kind->options.log, &kind->committed);
}

static int take_committed(struct transactions *kind, const struct weir_request *request,
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

/* Ours is among the producers of the last run, which may not have named it yet. */
static int add_own(struct transactions *kind, struct weir_commit_recover *recover)
{
    size_t count = recover->producer_count;
    int64_t *ids = weir_arena_array(kind->options.memory, count + 1, sizeof *ids);
    recover->are_there = weir_arena_alloc_zero(kind->options.memory, count + 1);
    if (ids == NULL || recover->are_there == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        ids[i] = recover->producer_ids[i];
    }
    if (count > 0 && kind->producer_id >= 0) ids[recover->producer_count++] = kind->producer_id;
    recover->producer_ids = ids;
    return 0;
}

static void on_recovered(struct weir_request *request)
{
    struct transactions *kind = request->context;
    struct weir_commit_recover *recover = (struct weir_commit_recover *)kind->call;
    struct weir_error error = {0};
    int rc = take_committed(kind, request, recover, &error);
    if (rc >= 0 && add_own(kind, recover) < 0) {
        rc = weir_error_set(&error, WEIR_NO_MEMORY, "no memory for the last commit");
    }
    answer(kind, rc, &error);
}

/* Nothing of the last run is open any more. */
static void read_again(struct transactions *kind)
{
    ask_committed(kind, on_recovered);
}

static void on_read(struct weir_request *request)
{
    struct transactions *kind = request->context;
    struct weir_commit_recover last = {.call = {.arena = kind->call->arena}};
    struct weir_error error = {0};
    int rc = take_committed(kind, request, &last, &error);
    if (rc < 0) {
        answer(kind, rc, &error);
    } else if (last.transaction_count > 0) {
        take_over(kind, read_again);
    } else {
        read_again(kind);
    }
}

/* First who the last run was, then what it has committed, which may be more by then. */
static void transactions_recover(void *impl, struct weir_commit_recover *recover)
{
    struct transactions *kind = impl;
    begin(kind, &recover->call);
    ask_committed(kind, on_read);
}

/* ---- prepare --------------------------------------------------------------------------------- */

static int take_producers(struct transactions *kind, struct weir_error *error)
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

/* Those of runs before whose records lie behind what is committed, and ours. */
static int name_run(struct transactions *kind, const struct weir_commit_recover *recovered)
{
    size_t count = recovered->transaction_count > 0 ? recovered->producer_count : 0;
    kind->run_ids = weir_arena_array(kind->options.memory, count + 1, sizeof *kind->run_ids);
    if (kind->run_ids == NULL) return WEIR_NO_MEMORY;
    kind->run_count = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_kept = recovered->are_there[i] && recovered->producer_ids[i] != kind->producer_id;
        if (is_kept) kind->run_ids[kind->run_count++] = recovered->producer_ids[i];
    }
    kind->run_ids[kind->run_count++] = kind->producer_id;
    return 0;
}

static void finish_prepare(struct transactions *kind)
{
    struct weir_commit_prepare *prepare = (struct weir_commit_prepare *)kind->call;
    struct weir_error error = {0};
    int rc = take_producers(kind, &error);
    if (rc >= 0 && name_run(kind, prepare->recovered) < 0) {
        rc = weir_error_set(&error, WEIR_NO_MEMORY, "no memory for a commit");
    }
    prepare->transactional_id = kind->transactional_id;
    answer(kind, rc, &error);
}

static void on_producer(struct weir_request *request)
{
    struct transactions *kind = request->context;
    weir_assert(kind->outstanding > 0);
    kind->outstanding--;
    if (kind->outstanding == 0) finish_prepare(kind);
}

/* Each thread that writes outside of transactions does so as a producer of its own. */
static void ask_producers(struct transactions *kind)
{
    const struct weir_commit_prepare *prepare = (struct weir_commit_prepare *)kind->call;
    size_t count = prepare->writer_count;
    weir_assert(kind->outstanding == 0); /* all cuts are answered */
    kind->producers = weir_arena_array(kind->call->arena, count + 1, sizeof *kind->producers);
    if (kind->producers == NULL) {
        answer_no_memory(kind);
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

static int take_cuts(struct transactions *kind, struct weir_error *error)
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

static void finish_cuts(struct transactions *kind)
{
    struct weir_error error = {0};
    int rc = take_cuts(kind, &error);
    if (rc < 0) {
        answer(kind, rc, &error);
    } else if (kind->producer_id < 0) {
        take_over(kind, ask_producers);
    } else {
        ask_producers(kind);
    }
}

static void on_cut(struct weir_request *request)
{
    struct transactions *kind = request->context;
    weir_assert(kind->outstanding > 0);
    kind->outstanding--;
    if (kind->outstanding == 0) finish_cuts(kind);
}

static void cut(struct transactions *kind, const struct weir_commit_tail *tail,
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
static void transactions_prepare(void *impl, struct weir_commit_prepare *prepare)
{
    struct transactions *kind = impl;
    begin(kind, &prepare->call);
    size_t count = prepare->tail_count;
    weir_assert(kind->run_ids == NULL); /* a run begins once */
    kind->cuts = weir_arena_array(prepare->call.arena, count, sizeof *kind->cuts);
    if (kind->cuts == NULL && count > 0) {
        answer_no_memory(kind);
        return;
    }
    kind->outstanding = count;
    for (size_t i = 0; i < count; i++) {
        cut(kind, &prepare->tails[i], &kind->cuts[i]);
    }
    if (count == 0) finish_cuts(kind);
}

/* ---- begin ----------------------------------------------------------------------------------- */

static void on_added(struct weir_request *request)
{
    struct transactions *kind = request->context;
    struct weir_commit_begin *begun = (struct weir_commit_begin *)kind->call;
    begun->writer = (struct weir_commit_writer){kind->producer_id, kind->producer_epoch};
    answer(kind, request->rc, &request->error);
}

/* The group's partition belongs to every one of them. */
static void transactions_begin(void *impl, struct weir_commit_begin *begun)
{
    struct transactions *kind = impl;
    begin(kind, &begun->call);
    weir_assert(kind->producer_id >= 0);
    kind->add = (struct weir_add_partitions_request){
        .base = whose(kind, on_added),
        .partitions = begun->partitions,
        .partition_count = begun->partition_count,
        .group = weir_text(kind->options.application_id),
    };
    kind->add.base.waits_for_end = true;
    weir_log_add_partitions(kind->options.log, &kind->add);
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

static struct weir_offset_entry run_entry(const struct transactions *kind, struct weir_arena *arena)
{
    weir_assert(kind->run_count > 0); /* the run has been prepared */
    const struct weir_commit_run run = {
        .producer_ids = kind->run_ids, .count = kind->run_count, .transaction_count = TRANSACTIONS};
    return (struct weir_offset_entry){
        .partition = {weir_text(kind->records_topic), 0},
        .offset = kind->run_recorded,
        .leader_epoch = -1,
        .metadata = weir_commit_run_encode(&run, arena),
    };
}

static void transactions_seal(void *impl, struct weir_commit_seal *seal)
{
    struct transactions *kind = impl;
    struct weir_arena *arena = seal->call.arena;
    begin(kind, &seal->call);
    size_t count = 0;
    struct weir_offset_entry *entries =
        weir_arena_array(arena, seal->entry_count + 1, sizeof *entries);
    for (size_t i = 0; entries != NULL && i < seal->entry_count; i++) {
        entries[count++] = offset_entry(&seal->entries[i], arena);
    }
    kind->is_first = seal->records_end >= 0;
    if (kind->is_first) kind->run_recorded = seal->records_end;
    if (kind->is_run_due) kind->run_ids[kind->run_count - 1] = kind->producer_id;
    if (entries != NULL && (kind->is_first || kind->is_run_due)) {
        entries[count++] = run_entry(kind, arena);
    }
    if (weir_arena_failed(arena)) {
        answer_no_memory(kind);
        return;
    }
    kind->commit = (struct weir_commit_request){
        .group = weir_text(kind->options.application_id),
        .entries = entries,
        .entry_count = count,
        .metadata_size_max = METADATA_SIZE_MAX,
        .is_application = true,
        .claim = kind->options.claim,
    };
    answer(kind, 0, NULL);
}

static void on_ended(struct weir_request *request)
{
    struct transactions *kind = request->context;
    if (request->rc >= 0) {
        kind->is_run_due = false;
        take_id(kind, kind->end.next_producer_id, kind->end.next_producer_epoch);
    }
    answer(kind, request->rc, &request->error);
}

static void ask_end(struct transactions *kind, bool is_commit)
{
    kind->end = (struct weir_end_transaction_request){.base = whose(kind, on_ended),
                                                      .is_commit = is_commit};
    weir_log_end_transaction(kind->options.log, &kind->end);
}

static void on_written(struct weir_request *request)
{
    struct transactions *kind = request->context;
    if (request->rc < 0 || kind->is_first) {
        answer(kind, request->rc, &request->error);
    } else {
        ask_end(kind, true);
    }
}

static void transactions_write(void *impl, struct weir_commit_call *call)
{
    struct transactions *kind = impl;
    weir_assert(kind->commit.entry_count > 0);
    begin(kind, call);
    kind->commit.request = request_of(kind, on_written);
    if (!kind->is_first) {
        kind->commit.transactional_id = weir_text(kind->transactional_id);
        kind->commit.producer_id = kind->producer_id;
        kind->commit.producer_epoch = kind->producer_epoch;
        kind->commit.is_transaction_version_2 = true;
    }
    weir_log_commit_offsets(kind->options.log, &kind->commit);
}

static void transactions_abort(void *impl, struct weir_commit_call *call)
{
    struct transactions *kind = impl;
    begin(kind, call);
    ask_end(kind, false);
}

/* ---- settle ---------------------------------------------------------------------------------- */

static void on_settled(struct weir_request *request)
{
    struct transactions *kind = request->context;
    struct weir_commit_call *call = kind->settle;
    weir_assert(call != NULL);
    kind->settle = NULL;
    weir_commit_answer(call, request->rc, &request->error);
}

/* The end once more, as it was asked for: it is confirmed when the last marker is there. */
static void transactions_settle(void *impl, struct weir_commit_call *call)
{
    struct transactions *kind = impl;
    weir_assert(kind->settle == NULL && kind->call == NULL);
    kind->settle = call;
    kind->settling =
        (struct weir_end_transaction_request){.base = kind->end.base, .is_commit = true};
    kind->settling.base.request =
        (struct weir_request){.reply_to = call->reply_to, .done = on_settled, .context = kind};
    kind->settling.base.next = NULL;
    kind->settling.base.waits_for_end = true;
    weir_log_end_transaction(kind->options.log, &kind->settling);
}

const struct weir_commit_kind weir_commit_transaction = {
    .name = "transaction",
    .open = transactions_open,
    .close = transactions_close,
    .recover = transactions_recover,
    .prepare = transactions_prepare,
    .begin = transactions_begin,
    .seal = transactions_seal,
    .write = transactions_write,
    .settle = transactions_settle,
    .abort = transactions_abort,
};
