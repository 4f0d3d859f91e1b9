#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/start_internal.h"

/**
 * How a job starts, one round of requests after the other:
 *
 *   look ──────> topics ──> commit ──> partitions, the application's records
 *                  ──> epochs ──> tails ──> what was read last ──> owners
 *   compare ───> what differs, and what comes of it (start_compare.c, start_decide.c)
 *   inputs ────> read through, where state is to be dropped and made anew from them
 *   make ──────> intents ──> topics ──> their ids
 *   begin ─────> what no commit covers is made void ──> tasks, first commit
 *                  ──> the application's records ──> threads
 *
 * Nothing is created, cut or written before the comparison. What the last commit says and how the run
 * begins behind it is a question to the kind of commit (commit_kind.h); it comes before anything is
 * read: outputs may repeat, state may not. An idle start finds nothing to make, and costs a commit.
 */

/* ---- the comparison -------------------------------------------------------------------------- */

static void log_difference(struct weir_start *start, const struct weir_start_difference *difference)
{
    char text[WEIR_ERROR_TEXT_SIZE];
    char quoted[WEIR_ERROR_TEXT_SIZE + 8];
    weir_start_difference_text(difference, text, sizeof text);
    weir_log(&start->streams->env->logger, WEIR_LOG_WARN, "start.differs",
             "application=%s what=%s goes_on=%d why=%s", start->facts.application_id,
             weir_start_what_name(difference->what), weir_start_is_noted(difference->what),
             weir_log_quote(quoted, sizeof quoted, text));
}

static int compare(struct weir_start *start, struct weir_error *error)
{
    weir_assert(!start->is_rebuild && !start->is_emptying && !start->reads_again);
    struct weir_start_differences found = {.arena = &start->arena};
    int rc = weir_start_check_letters(start, error);
    if (rc < 0) return rc;
    if (weir_start_compare_chosen(&start->facts, &found) < 0 ||
        weir_start_compare(&start->facts, &found) < 0) {
        return weir_start_no_memory(error);
    }
    for (size_t i = 0; i < found.count; i++) {
        log_difference(start, &found.items[i]);
    }
    int verdict =
        weir_start_decide(&start->facts, &found, start->streams->options.on_mismatch, error);
    if (verdict < 0) return verdict;
    start->is_rebuild = verdict == WEIR_START_REBUILD;
    start->is_emptying = verdict == WEIR_START_EMPTY;
    start->reads_again = weir_start_reads_again(&start->facts, verdict);
    rc = start->reads_again ? 0 : weir_start_refuse_unserved(&start->facts, error);
    if (rc < 0) return rc;
    start->may_lose =
        start->is_emptying || start->streams->options.on_mismatch == WEIR_ON_MISMATCH_LOSSY_REBUILD;
    start->records_end = start->reader.log_end;
    return 0;
}

/* ---- the steps ------------------------------------------------------------------------------- */

static int (*const steps[])(struct weir_start *start, struct weir_error *error) = {
    weir_start_look_at_topics,
    weir_start_look_at_commit,
    weir_start_look_at_partitions,
    weir_start_read_records,
    weir_start_look_at_epochs,
    weir_start_look_at_tails,
    weir_start_look_at_read,
    weir_start_look_for_owners,
    compare,
    weir_start_read_inputs,
    weir_start_make_topics,
    weir_start_write_intents,
    weir_start_delete_topics,
    weir_start_create_topics,
    weir_start_look_again,
    weir_start_write_ids,
    weir_start_look_at_new,
    weir_start_prepare,
    weir_start_make_tasks,
    weir_start_seal,
    weir_start_write,
    weir_start_write_kept,
    weir_start_run,
};

enum { STEP_COUNT = sizeof steps / sizeof steps[0] };

static void check_what_is_asked(const struct weir_start *start)
{
    const size_t topic_count = start->facts.topic_count;
    weir_assert(start->is_writing == (start->written.batches != NULL));
    weir_assert(!start->is_tail_asked || start->tail_topic < topic_count);
    weir_assert(start->read_count == 0 || start->read != NULL);
    weir_assert(start->epoch_count == 0 || start->epochs != NULL);
    weir_assert(start->owner == NULL || start->owner_topic < topic_count);
    weir_assert(start->prepare.tail_count == 0 || start->tails != NULL);
    weir_records_reader_check(&start->reader);
    weir_records_reader_check(&start->other_reader);
}

static void check_what_is_decided(const struct weir_start *start)
{
    weir_assert(!start->is_rebuild || !start->is_emptying);
    weir_assert(!start->is_rebuild || start->reads_again);
    weir_assert(!start->is_emptying || start->may_lose);
    weir_assert(start->inputs == NULL || start->reads_again);
}

void weir_start_check(const struct weir_start *start)
{
    const struct weir_streams *streams = start->streams;
    weir_assert(streams->start == start);
    weir_assert(start->step <= STEP_COUNT);
    weir_assert(start->outstanding <= streams->outstanding);
    weir_assert(start->facts.topic_count == 0 || start->facts.topic_count == streams->topic_count);
    check_what_is_asked(start);
    check_what_is_decided(start);
}

int weir_start_new(struct weir_streams *streams, struct weir_error *error)
{
    weir_assert(streams->start == NULL);
    struct weir_start *start = weir_alloc_zero(&streams->budget, sizeof *start);
    if (start == NULL) return weir_start_no_memory(error);
    start->streams = streams;
    weir_arena_init(&start->arena, &streams->budget, 0);
    streams->start = start;
    return 0;
}

/* A job that is closed while it starts leaves answers that nobody has looked at. */
static void drop_fetched(bool is_asked, struct weir_fetch_request *fetch)
{
    if (is_asked && fetch->request.rc >= 0) weir_log_batches_release(&fetch->batches);
}

void weir_start_free(struct weir_streams *streams)
{
    struct weir_start *start = streams->start;
    if (start == NULL) return;
    weir_assert(start->outstanding == 0);
    drop_fetched(start->reader.is_fetching, &start->reader.fetch);
    drop_fetched(start->other_reader.is_fetching, &start->other_reader.fetch);
    drop_fetched(start->is_tail_asked, &start->tail);
    for (size_t i = 0; i < start->read_count; i++) {
        drop_fetched(true, &start->read[i].fetch);
    }
    weir_start_drop_inputs(start);
    if (start->is_writing) weir_shared_unref(start->written.batches);
    weir_arena_close(&start->arena);
    weir_free(start);
    streams->start = NULL;
}

void weir_start_step(struct weir_streams *streams)
{
    struct weir_start *start = streams->start;
    struct weir_error error = {0};
    int rc = 0;
    while (rc >= 0 && start->outstanding == 0 && start->step < STEP_COUNT) {
        weir_start_check(start);
        rc = steps[start->step](start, &error);
        if (rc != WEIR_START_AGAIN) start->step++;
        weir_assert(rc != WEIR_START_AGAIN || start->outstanding > 0);
    }
    if (rc < 0) weir_streams_fail(streams, rc, &error);
    if (rc >= 0) weir_start_check(start);
    if (rc >= 0 && start->outstanding == 0) weir_start_free(streams);
}
