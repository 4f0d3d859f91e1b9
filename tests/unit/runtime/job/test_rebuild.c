/* State that is dropped and made anew from the inputs: what these have lost, before it is dropped, while it is
 * made anew, and where a start is killed in between. In the simulator. */
#include <stdio.h>
#include <string.h>

#include "broker/log/repair.h"
#include "runtime/job/start_internal.h"
#include "runtime/state/sim/backend_model.h"
#include "tests/unit/client/memory_log.h"
#include "tests/unit/runtime/task/stage.h"

enum {
    BATCHES = 5,
    BATCH_RECORDS = 100,
    ALL = BATCHES * BATCH_RECORDS,
    ROTTEN = 200,
    BEHIND = 300
};

static const char changelog[] = "app-counts-changelog";
static struct stage stage;
static struct plan plan;
static struct weir_error why;

static void open_stage(void)
{
    stage_open(&stage, 7);
}

static void close_stage(void)
{
    stage_close(&stage);
}

/* Records of key "a", in one batch. */
static void produce_batch(int32_t partition, int count)
{
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT};
    struct weir_producer *producer = weir_producer_new(stage.log, &options, &stage.error);
    ck_assert_msg(producer != NULL, "%s", stage.error.text);
    const struct weir_record record = {
        .key = weir_text("a"), .value = weir_text("1"), .timestamp_ms = 1000};
    for (int i = 0; i < count; i++) {
        ck_ok(weir_producer_send(producer, "in", partition, &record, NULL, &stage.error),
              &stage.error);
    }
    ck_ok(weir_producer_close(producer, &stage.error), &stage.error);
}

/* A count of "in", whose values are of that type. */
static const struct weir_topology *counting(const char *type)
{
    (void)plan_count(&plan, WEIR_STORE_ROCKSDB);
    plan.stores[0].formats = (struct weir_plan_formats){.key = {"text", 0}, .value = {type, 0}};
    return &plan.topology;
}

static const struct weir_topology *before(void)
{
    return counting("i64");
}

static const struct weir_topology *after(void)
{
    return counting("f64");
}

static void run(const struct weir_topology *topology, enum weir_on_mismatch choice)
{
    stage_start(&stage, topology, STAGE_OPTIONS(.on_mismatch = choice));
    stage_drain(&stage);
}

static void expect_count(uint64_t count)
{
    ck_assert_uint_eq(stage_stored(&stage, 0, "a"), count);
}

/* All is counted and committed, and the job stopped. */
static void run_before(int32_t partitions)
{
    stage_topic(&stage, "in", partitions);
    stage_topic(&stage, "counts", 1);
    for (int i = 0; i < BATCHES; i++) {
        for (int32_t p = 0; p < partitions; p++)
            produce_batch(p, BATCH_RECORDS);
    }
    run(before(), WEIR_ON_MISMATCH_REFUSE);
    expect_count(ALL);
    stage_stop(&stage);
}

static void expect_refused(const struct weir_topology *topology, enum weir_on_mismatch choice,
                           const char *text)
{
    stage_start_refused(&stage, topology, STAGE_OPTIONS(.on_mismatch = choice), WEIR_MISMATCH, text,
                        &why);
}

static void expect_offline(const struct weir_topology *topology, enum weir_on_mismatch choice,
                           const char *text)
{
    stage_start_refused(&stage, topology, STAGE_OPTIONS(.on_mismatch = choice), WEIR_OFFLINE, text,
                        &why);
}

static void expect_in_text(const char *text)
{
    ck_assert_msg(strstr(why.text, text) != NULL, "'%s' is not in: %s", text, why.text);
}

static void expect_not_in_text(const char *text)
{
    ck_assert_msg(strstr(why.text, text) == NULL, "'%s' is in: %s", text, why.text);
}

/* What a start may not have touched, and says when it has. */
struct before_start {
    int64_t changelog_end;
    int64_t records_end;
    int64_t committed;
};

static struct before_start look(void)
{
    return (struct before_start){stage_end(&stage, changelog, 0),
                                 stage_end(&stage, "app-application", 0),
                                 stage_committed(&stage, "in", 0)};
}

static void expect_untouched(struct before_start was)
{
    struct before_start is = look();
    ck_assert_int_eq(is.changelog_end, was.changelog_end);
    ck_assert_int_eq(is.records_end, was.records_end);
    ck_assert_int_eq(is.committed, was.committed);
}

/* ---- the disk -------------------------------------------------------------------------------- */

static const char *folder(int32_t partition)
{
    static char text[64];
    (void)snprintf(text, sizeof text, "data/log/in-%d", (int)partition);
    return text;
}

/* A byte of the batch at ROTTEN: the batches are all of one size. */
static void flip(int32_t partition)
{
    char path[128];
    struct weir_file_stat stat;
    (void)snprintf(path, sizeof path, "%s/00000000000000000000.log", folder(partition));
    ck_ok(weir_stat(stage.env, path, &stat, &stage.error), &stage.error);
    int64_t position = stat.size / BATCHES * (ROTTEN / BATCH_RECORDS) + 200;
    ck_ok(weir_sim_disk_flip(stage.sim, 0, path, position, 3), NULL);
}

static void close_log(void)
{
    ck_ok(weir_close(stage.log, &stage.error), &stage.error);
}

/* As it happens to a log that nobody has open; no start and no read has met it. */
static void rot(int32_t partition)
{
    close_log();
    flip(partition);
    stage_revive(&stage);
}

/* As `weir log repair` does it. */
static void give_up(int32_t partition)
{
    struct weir_repair repair;
    char kept[WEIR_CUT_NAME_SIZE];
    close_log();
    ck_ok(weir_repair_open(&repair, stage.env, folder(partition), partition, &stage.error),
          &stage.error);
    ck_assert_uint_eq(repair.range_count, 1);
    ck_assert_int_eq(repair.ranges[0].from, ROTTEN);
    ck_assert_int_eq(repair.ranges[0].to, BEHIND);
    ck_ok(weir_repair_give_up(&repair, &repair.ranges[0], kept, &stage.error), &stage.error);
    weir_repair_close(&repair);
    ck_ok(weir_repair_open(&repair, stage.env, folder(partition), partition, &stage.error),
          &stage.error);
    ck_ok(weir_repair_finish(&repair, &stage.error), &stage.error);
    weir_repair_close(&repair);
    stage_revive(&stage);
}

/* `weir log repair` of bytes that were put back: the note goes. */
static void put_back(int32_t partition)
{
    struct weir_repair repair;
    close_log();
    flip(partition); /* once more is as it was */
    ck_ok(weir_repair_open(&repair, stage.env, folder(partition), partition, &stage.error),
          &stage.error);
    ck_assert_uint_eq(repair.range_count, 0);
    ck_ok(weir_repair_finish(&repair, &stage.error), &stage.error);
    weir_repair_close(&repair);
    stage_revive(&stage);
}

static void send_cut_of(const char *topic, int64_t offset)
{
    struct weir_cut_request request = {
        .partition = {weir_text(topic), 0}, .what = WEIR_CUT_HEAD, .offset = offset};
    ck_ok(weir_request_wait_begin(stage.env, &request.request, &stage.error), &stage.error);
    weir_log_cut(stage.log, &request);
    ck_ok(weir_request_wait(stage.env, &request.request, &stage.error), &stage.error);
}

static void send_cut(int64_t offset)
{
    send_cut_of("in", offset);
}

static bool is_known_to_be_damaged(int32_t partition)
{
    struct weir_describe_partition_request asked = {.of = {weir_text("in"), partition}};
    ck_ok(weir_request_wait_begin(stage.env, &asked.request, &stage.error), &stage.error);
    weir_log_describe_partition(stage.log, &asked);
    ck_ok(weir_request_wait(stage.env, &asked.request, &stage.error), &stage.error);
    return asked.is_offline;
}

static void forget_commit(void)
{
    struct weir_arena arena;
    weir_arena_init(&arena, stage.env->budget, 0);
    struct weir_committed_request all = {.group = weir_text("app"), .arena = &arena};
    ck_ok(weir_request_wait_begin(stage.env, &all.request, &stage.error), &stage.error);
    weir_log_committed(stage.log, &all);
    ck_ok(weir_request_wait(stage.env, &all.request, &stage.error), &stage.error);
    for (size_t i = 0; i < all.entry_count; i++)
        all.entries[i].is_tombstone = true;
    struct weir_commit_request forget = {.group = weir_text("app"),
                                         .entries = all.entries,
                                         .entry_count = all.entry_count,
                                         .is_application = true};
    ck_ok(weir_request_wait_begin(stage.env, &forget.request, &stage.error), &stage.error);
    weir_log_commit_offsets(stage.log, &forget);
    ck_ok(weir_request_wait(stage.env, &forget.request, &stage.error), &stage.error);
    weir_arena_close(&arena);
}

/* ---- before state is dropped ----------------------------------------------------------------- */

START_TEST(rot_that_nobody_has_met_is_found_before_state_is_dropped)
{
    run_before(1);
    rot(0);
    struct before_start was = look();
    ck_assert(!is_known_to_be_damaged(0));
    for (int again = 0; again < 2; again++) {
        expect_refused(after(),
                       again == 0 ? WEIR_ON_MISMATCH_REBUILD : WEIR_ON_MISMATCH_LOSSY_REBUILD,
                       "'in' partition 0 is damaged from offset 200 on");
        expect_in_text("'weir log repair DIR in/0'");
        expect_not_in_text("WEIR_ON_MISMATCH_START_EMPTY"); /* nothing is served at the commit */
        expect_untouched(was);
        ck_assert(is_known_to_be_damaged(0));
    }
    /* Nor is it offered as long as it is known, and nothing else that could not be had. */
    expect_refused(after(), WEIR_ON_MISMATCH_REFUSE, "the values of store 'counts'");
    expect_in_text(
        "a rebuild, or WEIR_ON_MISMATCH_START_EMPTY, once 'weir log repair' has seen to");
    expect_untouched(was);
    const struct weir_topology *(*const programs[])(void) = {after, before};
    for (size_t i = 0; i < 2; i++) {
        expect_offline(programs[i](),
                       i == 0 ? WEIR_ON_MISMATCH_START_EMPTY : WEIR_ON_MISMATCH_REFUSE,
                       "input topic 'in' partition 0 is offline from offset 200 on, below the last "
                       "commit at 500");
        expect_in_text("'weir log repair DIR in/0'");
        expect_untouched(was);
    }

    if (_i == 0) { /* the bytes are found */
        put_back(0);
        run(after(), WEIR_ON_MISMATCH_REBUILD);
        expect_count(ALL);
        return;
    }
    give_up(0);
    run(before(), WEIR_ON_MISMATCH_REFUSE); /* the state is all there */
    expect_count(ALL);
    stage_stop(&stage);
    expect_refused(after(), WEIR_ON_MISMATCH_REFUSE, "WEIR_ON_MISMATCH_LOSSY_REBUILD");
    expect_refused(after(), WEIR_ON_MISMATCH_REBUILD, "'in' has removed records");
    expect_in_text("lost up to 300");
    expect_in_text("WEIR_ON_MISMATCH_LOSSY_REBUILD");
    expect_in_text("WEIR_ON_MISMATCH_START_EMPTY");
    run(after(), WEIR_ON_MISMATCH_LOSSY_REBUILD);
    expect_count(ALL - BATCH_RECORDS);
    stage_stop(&stage);
    run(after(), WEIR_ON_MISMATCH_REFUSE);
    expect_count(ALL - BATCH_RECORDS);
}
END_TEST

/* More partitions than are read at a time, of which two are damaged: the rest is read on. */
START_TEST(all_damage_is_found_in_one_go)
{
    enum { PARTITIONS = 7 };
    run_before(PARTITIONS);
    close_log();
    flip(1);
    flip(6);
    stage_revive(&stage);
    struct before_start was = look();
    expect_refused(after(), WEIR_ON_MISMATCH_REBUILD,
                   "'in' partition 1 is damaged from offset 200 on");
    expect_in_text("(and 1 more)");
    for (int32_t p = 0; p < PARTITIONS; p++)
        ck_assert(is_known_to_be_damaged(p) == (p == 1 || p == 6));
    expect_untouched(was);
    put_back(1);
    put_back(6);
    run(after(), WEIR_ON_MISMATCH_REBUILD);
    for (int32_t p = 0; p < PARTITIONS; p++)
        ck_assert_uint_eq(stage_stored(&stage, p, "a"), ALL);
}
END_TEST

/* Where the commit is gone all is read again whatever is chosen, so that is looked at first too. */
START_TEST(without_a_commit_emptying_reads_the_inputs_through_too)
{
    run_before(1);
    forget_commit();
    rot(0);
    struct before_start was = look();
    expect_refused(before(), WEIR_ON_MISMATCH_START_EMPTY,
                   "'in' partition 0 is damaged from offset 200 on");
    expect_not_in_text("WEIR_ON_MISMATCH");
    expect_untouched(was);
    put_back(0);
    run(before(), WEIR_ON_MISMATCH_START_EMPTY);
    expect_count(ALL);
}
END_TEST

static bool is_finished(void *context)
{
    (void)context;
    return weir_streams_is_finished(stage.streams);
}

/* Wherever it is in reading them. */
START_TEST(a_job_that_is_closed_while_it_reads_its_inputs_has_touched_nothing)
{
    const struct weir_streams_hooks hooks = {.backend = &weir_backend_model,
                                             .commit = &weir_commit_transaction};
    run_before(13); /* several rounds of them */
    struct before_start was = look();
    size_t closed = 0;
    for (int at = 0; at < 60; at++) {
        ck_ok(weir_streams_start_begin(stage.log, after(),
                                       STAGE_OPTIONS(.on_mismatch = WEIR_ON_MISMATCH_REBUILD),
                                       &hooks, &stage.streams, &stage.error),
              &stage.error);
        while (stage.streams->start == NULL || stage.streams->start->inputs == NULL)
            ck_assert(weir_sim_step(stage.sim));
        for (int i = 0; i < at; i++)
            ck_assert(weir_sim_step(stage.sim));
        bool is_reading = stage.streams->start != NULL && stage.streams->start->work == NULL;
        weir_streams_close_begin(stage.streams);
        (void)weir_sim_run(stage.sim, is_finished, NULL, 0);
        ck_assert_int_eq(weir_streams_error(stage.streams, &stage.error), 0);
        weir_streams_free(stage.streams);
        stage.streams = NULL;
        if (!is_reading) break;
        closed++;
        expect_untouched(was);
    }
    ck_assert_uint_gt(closed, 5);
}
END_TEST

/* A byte of the last batch, wherever the log keeps it by reference: in memory only. */
static void flip_in_memory(void)
{
    struct weir_fetch_request fetch = {
        .from = {weir_text("in"), 0}, .offset = 400, .size_max = 1, .read_uncommitted_end = true};
    ck_ok(weir_request_wait_begin(stage.env, &fetch.request, &stage.error), &stage.error);
    weir_log_fetch(stage.log, &fetch);
    ck_ok(weir_request_wait(stage.env, &fetch.request, &stage.error), &stage.error);
    ck_assert_uint_eq(fetch.batches.part_count, 1);
    const struct weir_log_part *part = &fetch.batches.parts[0];
    part->bytes->data[part->from + part->size - 1] ^= 1;
    weir_log_batches_release(&fetch.batches);
}

START_TEST(a_bit_that_is_wrong_in_memory_alone_is_no_damage)
{
    run_before(1);
    flip_in_memory();
    run(after(), WEIR_ON_MISMATCH_REBUILD);
    expect_count(ALL);
    ck_assert(!is_known_to_be_damaged(0));
}
END_TEST

/* ---- on a log that is not the engine --------------------------------------------------------- */

static void open_memory(void)
{
    stage_open_memory(&stage, 7);
}

static void close_memory(void)
{
    stage_stop(&stage);
    ck_ok(weir_close(stage.log, &stage.error), &stage.error);
    ck_assert_uint_eq(stage.env->budget->used, 0);
    weir_sim_free(stage.sim);
}

/* Nobody can look at its disk again: what it has given counts. */
START_TEST(a_log_that_cannot_look_again_is_believed)
{
    run_before(1);
    flip_in_memory();
    struct before_start was = look();
    expect_refused(after(), WEIR_ON_MISMATCH_REBUILD,
                   "'in' partition 0 is damaged from offset 400 on");
    expect_untouched(was);
    flip_in_memory();
    run(after(), WEIR_ON_MISMATCH_REBUILD);
    expect_count(ALL);
}
END_TEST

START_TEST(a_shortage_while_inputs_are_read_touches_nothing)
{
    run_before(1);
    struct before_start was = look();
    int fetches = memory_log_answered(stage.log, MEMORY_FETCH);
    expect_refused(after(), WEIR_ON_MISMATCH_REFUSE, "the values of store 'counts'");
    fetches = memory_log_answered(stage.log, MEMORY_FETCH) - fetches; /* of the records */
    struct memory_log_faults *faults = memory_log_faults(stage.log);
    faults->rc[MEMORY_FETCH] = WEIR_NO_MEMORY;
    faults->skipped[MEMORY_FETCH] = fetches;
    faults->left[MEMORY_FETCH] = 1;
    ck_assert_ptr_null(stage_try_start(
        &stage, after(), STAGE_OPTIONS(.on_mismatch = WEIR_ON_MISMATCH_REBUILD), &why));
    ck_assert_int_eq(why.code, WEIR_NO_MEMORY);
    expect_in_text("read 'in' partition 0 from offset 0");
    expect_untouched(was);
    run(after(), WEIR_ON_MISMATCH_REBUILD);
    expect_count(ALL);
}
END_TEST

/* The choice is written down in one batch with what it was made from: not without that. */
START_TEST(a_shortage_while_the_choice_is_written_down_writes_nothing)
{
    const struct weir_streams_hooks hooks = {.backend = &weir_backend_model,
                                             .commit = &weir_commit_transaction};
    run_before(1);
    /* To be made anew: a round of requests between what is planned and what is written. */
    ck_ok(weir_topic_delete(stage.log, "counts", &stage.error), &stage.error);
    struct before_start was = look();
    ck_ok(weir_streams_start_begin(stage.log, after(),
                                   STAGE_OPTIONS(.on_mismatch = WEIR_ON_MISMATCH_REBUILD), &hooks,
                                   &stage.streams, &stage.error),
          &stage.error);
    while (stage.streams->start == NULL || stage.streams->start->work == NULL)
        ck_assert(weir_sim_step(stage.sim));
    ck_assert(!stage.streams->start->is_writing);
    stage.streams->start->arena.failed = true; /* as the next allocation would leave it */
    while (weir_streams_state(stage.streams) != WEIR_STREAMS_ERROR)
        ck_assert(weir_sim_step(stage.sim));
    ck_assert_int_eq(weir_streams_close(stage.streams, &why), WEIR_NO_MEMORY);
    stage.streams = NULL;
    expect_untouched(was);
    run(after(), WEIR_ON_MISMATCH_REBUILD);
    expect_count(ALL);
}
END_TEST

/* The first fetch of the input is under way, and its answer comes when the records are gone. */
START_TEST(retention_may_take_the_beginning_while_it_is_read)
{
    enum weir_on_mismatch choice =
        _i == 0 ? WEIR_ON_MISMATCH_REBUILD : WEIR_ON_MISMATCH_LOSSY_REBUILD;
    const struct weir_streams_hooks hooks = {.backend = &weir_backend_model,
                                             .commit = &weir_commit_transaction};
    run_before(1);
    struct before_start was = look();
    ck_ok(weir_streams_start_begin(stage.log, after(), STAGE_OPTIONS(.on_mismatch = choice), &hooks,
                                   &stage.streams, &stage.error),
          &stage.error);
    while (stage.streams->start == NULL || stage.streams->start->inputs == NULL)
        ck_assert(weir_sim_step(stage.sim));
    memory_log_faults(stage.log)->is_held = true;
    while (memory_log_waiting(stage.log) == 0)
        ck_assert(weir_sim_step(stage.sim));
    send_cut(100);
    memory_log_let_go(stage.log);
    while (weir_streams_state(stage.streams) == WEIR_STREAMS_RESTORING)
        ck_assert(weir_sim_step(stage.sim));
    if (_i == 1) {
        stage_drain(&stage);
        expect_count(ALL - 100);
        return;
    }
    ck_assert_int_eq(weir_streams_close(stage.streams, &why), WEIR_MISMATCH);
    stage.streams = NULL;
    expect_in_text("'in' partition 0 has removed its records 0 to 100 while it was read through");
    expect_in_text("WEIR_ON_MISMATCH_LOSSY_REBUILD");
    expect_untouched(was);
}
END_TEST

/* The job runs, and its first fetch is under way. Where the loss was accepted it goes on. */
START_TEST(retention_may_not_overtake_a_rebuild_in_silence)
{
    const struct weir_streams_hooks hooks = {.backend = &weir_backend_model,
                                             .commit = &weir_commit_transaction};
    run_before(1);
    enum weir_on_mismatch choice =
        _i == 0 ? WEIR_ON_MISMATCH_REBUILD : WEIR_ON_MISMATCH_LOSSY_REBUILD;
    ck_ok(weir_streams_start_begin(stage.log, after(), STAGE_OPTIONS(.on_mismatch = choice), &hooks,
                                   &stage.streams, &stage.error),
          &stage.error);
    while (!atomic_load(&stage.streams->has_begun))
        ck_assert(weir_sim_step(stage.sim));
    memory_log_faults(stage.log)->is_held = true;
    while (memory_log_waiting(stage.log) == 0)
        ck_assert(weir_sim_step(stage.sim));
    send_cut(100);
    memory_log_let_go(stage.log);
    if (_i == 1) {
        stage_drain(&stage);
        expect_count(ALL - 100);
        return;
    }
    while (weir_streams_state(stage.streams) != WEIR_STREAMS_ERROR)
        ck_assert(weir_sim_step(stage.sim));
    ck_assert_int_eq(weir_streams_close(stage.streams, &why), WEIR_MISMATCH);
    stage.streams = NULL;
    expect_in_text("records 0 to 100 were removed before they were read again");
    expect_refused(after(), WEIR_ON_MISMATCH_REFUSE,
                   "'in' partition 0 has removed its records 0 to 100");
    run(after(), WEIR_ON_MISMATCH_LOSSY_REBUILD);
    expect_count(ALL - 100);
}
END_TEST

/* The count of "in", and one of "other" beside it. */
static bool is_other_logged;
static const struct weir_topology *beside(const char *type)
{
    (void)counting(type);
    int32_t other = plan_topic(&plan, "other", false);
    int32_t source = plan_node(&plan, 1, WEIR_PLAN_SOURCE, &stage_source, -1, other, NULL);
    int32_t count = plan_node(&plan, 1, WEIR_PLAN_OPERATOR, &stage_count, source, -1, NULL);
    int32_t store = plan_store(&plan, 1, count, "others", WEIR_STORE_ROCKSDB);
    plan.stores[store].spec.is_logged = is_other_logged;
    return plan_done(&plan);
}

/* Up to where it runs, and has read nothing yet. */
static void begin(const struct weir_topology *topology, enum weir_on_mismatch choice)
{
    const struct weir_streams_hooks hooks = {.backend = &weir_backend_model,
                                             .commit = &weir_commit_transaction};
    ck_ok(weir_streams_start_begin(stage.log, topology, STAGE_OPTIONS(.on_mismatch = choice),
                                   &hooks, &stage.streams, &stage.error),
          &stage.error);
    while (!atomic_load(&stage.streams->has_begun))
        ck_assert(weir_sim_step(stage.sim));
}

/* All is to be read again, for the store of "in", and nothing has been. */
static struct memory_log_faults *begin_rebuild_beside(bool is_logged)
{
    is_other_logged = is_logged;
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "other", 1);
    stage_topic(&stage, "counts", 1);
    for (int i = 0; i < BATCHES; i++)
        produce_batch(0, BATCH_RECORDS);
    stage_produce(&stage, "other", 0, "a", "1", 1000);
    run(beside("i64"), WEIR_ON_MISMATCH_REFUSE);
    stage_stop(&stage);
    begin(beside("f64"), WEIR_ON_MISMATCH_REBUILD);
    struct memory_log_faults *faults = memory_log_faults(stage.log);
    faults->rc[MEMORY_FETCH] = WEIR_NO_MEMORY; /* it waits for that to pass, and has read nothing */
    faults->left[MEMORY_FETCH] = INT32_MAX;
    stage_stop(&stage);
    faults->left[MEMORY_FETCH] = 0;
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 0);
    return faults;
}

/* Emptying is chosen for a store that the input does not feed, or for the one that is made anew from it. */
START_TEST(emptying_accepts_what_its_stores_lose_and_nothing_else)
{
    struct memory_log_faults *faults = begin_rebuild_beside(true);
    if (_i == 0)
        ck_ok(weir_topic_delete(stage.log, "app-others-changelog", &stage.error), &stage.error);
    if (_i == 1) send_cut(100);
    begin(beside("f64"), WEIR_ON_MISMATCH_START_EMPTY);
    faults->is_held = true;
    while (memory_log_waiting(stage.log) == 0)
        ck_assert(weir_sim_step(stage.sim));
    send_cut(200);
    memory_log_let_go(stage.log);
    if (_i == 1) {
        stage_drain(&stage);
        expect_count(ALL - 200);
        return;
    }
    while (weir_streams_state(stage.streams) != WEIR_STREAMS_ERROR)
        ck_assert(weir_sim_step(stage.sim));
    ck_assert_int_eq(weir_streams_close(stage.streams, &why), WEIR_MISMATCH);
    stage.streams = NULL;
    expect_in_text("records 0 to 200 were removed before they were read again");
}
END_TEST

/* Its store has no changelog, so nothing else speaks against it when it is back. */
START_TEST(an_input_that_has_left_a_program_in_a_rebuild_is_read_like_any_when_it_is_back)
{
    (void)begin_rebuild_beside(false);
    run(counting("f64"), WEIR_ON_MISMATCH_REFUSE);
    stage_stop(&stage);
    send_cut_of("other", 1);
    run(beside("f64"), WEIR_ON_MISMATCH_REFUSE);
    expect_count(ALL);
}
END_TEST

/* ---- while it is made anew ------------------------------------------------------------------- */

/* The rebuild has begun, and nothing of it is committed: as if the job had met the rot that has come since. */
static void begin_rebuild(void)
{
    run_before(1);
    stage_start(
        &stage, after(),
        STAGE_OPTIONS(.on_mismatch = WEIR_ON_MISMATCH_REBUILD, .commit_interval_ms = 60000));
    stage_crash(&stage, WEIR_SIM_KILL);
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 0);
}

START_TEST(what_is_given_up_before_it_is_read_again_is_refused_until_chosen)
{
    begin_rebuild();
    rot(0);
    if (_i ==
        2) { /* nothing is lost as long as nobody has given it up: the job says what it meets */
        stage_start(&stage, after(), STAGE_OPTIONS());
        while (weir_streams_state(stage.streams) != WEIR_STREAMS_ERROR)
            ck_assert(weir_sim_step(stage.sim));
        ck_assert_int_lt(weir_streams_close(stage.streams, &why), 0);
        stage.streams = NULL;
    } else {
        close_log();
        stage_revive(&stage);
    }
    give_up(0);
    for (int again = 0; again < 2; again++) {
        expect_refused(after(), WEIR_ON_MISMATCH_REFUSE,
                       "'in' partition 0 has lost records within 200 to 300");
        expect_in_text("the state that was dropped had counted them");
        expect_in_text("WEIR_ON_MISMATCH_LOSSY_REBUILD");
        expect_in_text("WEIR_ON_MISMATCH_START_EMPTY");
        expect_refused(after(), WEIR_ON_MISMATCH_REBUILD, "'in' has removed records");
    }
    run(after(), _i == 1 ? WEIR_ON_MISMATCH_START_EMPTY : WEIR_ON_MISMATCH_LOSSY_REBUILD);
    stage_stop(&stage);
    run(after(), WEIR_ON_MISMATCH_REFUSE);
    expect_count(ALL -
                 BATCH_RECORDS); /* emptied, it goes on from a commit that is at the beginning */
}
END_TEST

START_TEST(what_is_removed_before_it_is_read_again_is_refused_until_chosen)
{
    begin_rebuild();
    send_cut(100);
    expect_refused(after(), WEIR_ON_MISMATCH_REFUSE,
                   "'in' partition 0 has removed its records 0 to 100");
    expect_in_text("WEIR_ON_MISMATCH_LOSSY_REBUILD");
    run(after(), WEIR_ON_MISMATCH_LOSSY_REBUILD);
    expect_count(ALL - 100);
    stage_stop(&stage);
    send_cut(200); /* it is read again */
    run(after(), WEIR_ON_MISMATCH_REFUSE);
    expect_count(ALL - 100);
}
END_TEST

/* What came behind the state that was dropped is lost as anything is that was not read yet. */
START_TEST(what_the_dropped_state_had_not_counted_may_be_lost)
{
    run_before(1);
    stage_start(
        &stage, after(),
        STAGE_OPTIONS(.on_mismatch = WEIR_ON_MISMATCH_REBUILD, .commit_interval_ms = 60000));
    stage_crash(&stage, WEIR_SIM_KILL);
    produce_batch(0, 10);
    rot(0);
    put_back(0);
    run(after(), WEIR_ON_MISMATCH_REFUSE);
    expect_count(ALL + 10);
}
END_TEST

/* From then on the state is what it is, and a repair of what it has counted changes nothing. */
START_TEST(a_rebuild_that_has_caught_up_is_over)
{
    run_before(1);
    run(after(), WEIR_ON_MISMATCH_REBUILD);
    stage_stop(&stage);
    rot(0);
    if (_i == 0) { /* a start in between has found that it is over */
        run(after(), WEIR_ON_MISMATCH_REFUSE);
        stage_stop(&stage);
    }
    close_log();
    stage_revive(&stage);
    give_up(0);
    for (int again = 0; again < 2; again++) {
        run(after(), WEIR_ON_MISMATCH_REFUSE);
        expect_count(ALL);
        stage_stop(&stage);
    }
    produce_batch(0, 1);
    run(after(), WEIR_ON_MISMATCH_REFUSE);
    expect_count(ALL + 1);
}
END_TEST

START_TEST(an_input_made_anew_before_it_is_read_again_is_refused)
{
    begin_rebuild();
    ck_ok(weir_topic_delete(stage.log, "in", &stage.error), &stage.error);
    stage_topic(&stage, "in", 1);
    produce_batch(0, 1);
    expect_refused(after(), WEIR_ON_MISMATCH_REFUSE, "'in' was deleted and made anew");
    run(after(), WEIR_ON_MISMATCH_START_EMPTY);
    expect_count(1);
    stage_stop(&stage);
    run(after(), WEIR_ON_MISMATCH_REFUSE);
}
END_TEST

/* ---- a kill at every step -------------------------------------------------------------------- */

/* True: the start was crashed at disk operation `at`. */
static bool crash_in_start(const struct weir_topology *topology, enum weir_on_mismatch choice,
                           uint64_t at, int kind)
{
    return stage_start_crashing(&stage, topology,
                                STAGE_OPTIONS(.on_mismatch = choice, .commit_interval_ms = 60000),
                                at, kind, &why);
}

/* Over an input that is damaged: at no step has it touched anything, and the program of before goes on. */
START_TEST(a_start_that_finds_damage_may_be_killed_at_any_step)
{
    uint64_t at = 0;
    for (bool has_crashed = true; has_crashed;) {
        stage_open(&stage, at);
        run_before(1);
        rot(0);
        int64_t changelog_end = stage_end(&stage, changelog, 0);
        has_crashed = crash_in_start(after(), WEIR_ON_MISMATCH_REBUILD, ++at, _i);
        ck_assert_ptr_null(stage.streams);
        expect_refused(after(), WEIR_ON_MISMATCH_REFUSE, "the values of store 'counts'");
        expect_refused(after(), WEIR_ON_MISMATCH_REBUILD,
                       "'in' partition 0 is damaged from offset 200 on");
        ck_assert_int_eq(stage_end(&stage, changelog, 0), changelog_end);
        give_up(0);
        run(before(), WEIR_ON_MISMATCH_REFUSE);
        expect_count(ALL);
        stage_close(&stage);
    }
    ck_assert_uint_gt(at, 1);
}
END_TEST

/* The input rots after each step of a rebuild, and what has rotted is given up. Whatever the start had come to,
 * the next one never counts what is left as if it were all. */
START_TEST(a_rebuild_that_is_killed_at_any_step_asks_for_what_is_lost_since)
{
    bool is_emptied = _i / 4 == 1;
    uint64_t at = 0;
    int asked[2] = {0, 0};
    for (bool has_crashed = true; has_crashed;) {
        stage_open(&stage, at);
        run_before(1);
        has_crashed = crash_in_start(after(), WEIR_ON_MISMATCH_REBUILD, ++at, _i % 4);
        if (!has_crashed) stage_crash(&stage, WEIR_SIM_KILL);
        rot(0);
        give_up(0);
        why = (struct weir_error){0};
        ck_assert_ptr_null(stage_try_start(&stage, after(), STAGE_OPTIONS(0), &why));
        ck_assert_int_eq(why.code, WEIR_MISMATCH);
        bool is_chosen = strstr(why.text, "has lost records within 200 to 300") != NULL;
        ck_assert_msg(is_chosen || strstr(why.text, "the values of store 'counts'") != NULL,
                      "at %d: %s", (int)at, why.text);
        asked[is_chosen]++;
        expect_refused(after(), WEIR_ON_MISMATCH_REBUILD, "'in' has removed records");
        if (is_emptied) {
            int64_t goes_on_at = stage_committed(&stage, "in", 0);
            run(after(), WEIR_ON_MISMATCH_START_EMPTY);
            expect_count(goes_on_at == 0 ? ALL - BATCH_RECORDS : 0);
        } else {
            run(after(), WEIR_ON_MISMATCH_LOSSY_REBUILD);
            expect_count(ALL - BATCH_RECORDS);
        }
        uint64_t count = stage_stored(&stage, 0, "a");
        stage_stop(&stage);
        produce_batch(0, 1);
        run(after(), WEIR_ON_MISMATCH_REFUSE);
        expect_count(count + 1);
        stage_close(&stage);
    }
    ck_assert_int_gt(asked[0], 0);
    ck_assert_int_gt(asked[1], 4);
}
END_TEST

/* A lossy rebuild is killed at each step: it goes on, without being asked for the same loss again. */
START_TEST(a_lossy_rebuild_that_is_killed_at_any_step_is_gone_on_with)
{
    uint64_t at = 0;
    int held = 0;
    for (bool has_crashed = true; has_crashed;) {
        stage_open(&stage, at);
        run_before(1);
        rot(0);
        give_up(0);
        has_crashed = crash_in_start(after(), WEIR_ON_MISMATCH_LOSSY_REBUILD, ++at, _i);
        if (!has_crashed) stage_crash(&stage, WEIR_SIM_KILL);
        why = (struct weir_error){0};
        stage.streams = stage_try_start(&stage, after(), STAGE_OPTIONS(0), &why);
        ck_assert_msg(stage.streams != NULL || strstr(why.text, "the values of store") != NULL,
                      "at %d: %s", (int)at, why.text);
        held += stage.streams != NULL;
        if (stage.streams == NULL) {
            stage_start(&stage, after(),
                        STAGE_OPTIONS(.on_mismatch = WEIR_ON_MISMATCH_LOSSY_REBUILD));
        }
        stage_drain(&stage);
        expect_count(ALL - BATCH_RECORDS);
        stage_close(&stage);
    }
    ck_assert_int_gt(held, 4);
}
END_TEST

/* After each step of a rebuild the application's records are deleted, and with them what it was about: the next start
 * asks again where it has to, and whatever it names can be chosen. */
START_TEST(a_rebuild_that_is_killed_and_loses_its_records_is_chosen_about_anew)
{
    bool is_emptied = _i / 4 == 1;
    uint64_t at = 0;
    int asked = 0;
    for (bool has_crashed = true; has_crashed;) {
        stage_open(&stage, at);
        run_before(1);
        ck_ok(weir_topic_delete(stage.log, changelog, &stage.error), &stage.error);
        has_crashed = crash_in_start(before(), WEIR_ON_MISMATCH_REBUILD, ++at, _i % 4);
        if (!has_crashed) stage_crash(&stage, WEIR_SIM_KILL);
        int rc = weir_topic_delete(stage.log, "app-application", &stage.error);
        ck_assert_msg(rc >= 0, "%s", stage.error.text);
        why = (struct weir_error){0};
        stage.streams = stage_try_start(&stage, before(), STAGE_OPTIONS(0), &why);
        bool goes_on = stage.streams != NULL;
        uint64_t wanted = ALL;
        if (!goes_on) {
            ck_assert_int_eq(why.code, WEIR_MISMATCH);
            expect_in_text("WEIR_ON_MISMATCH_REBUILD");
            expect_in_text("WEIR_ON_MISMATCH_START_EMPTY");
            asked += strstr(why.text, "is empty and not the one") != NULL;
            wanted = is_emptied ? ALL - (uint64_t)stage_committed(&stage, "in", 0) : ALL;
            stage_start(&stage, before(),
                        STAGE_OPTIONS(.on_mismatch = is_emptied ? WEIR_ON_MISMATCH_START_EMPTY
                                                                : WEIR_ON_MISMATCH_REBUILD));
        }
        stage_drain(&stage);
        expect_count(wanted);
        stage_close(&stage);
    }
    ck_assert_int_gt(asked, 0);
}
END_TEST

/* Of a store without a changelog only its threads can clear what is on the disk: a kill before they have does
 * not leave it to be counted on top of. */
START_TEST(a_store_without_a_changelog_is_not_rebuilt_on_top_of_what_it_had)
{
    uint64_t at = 0;
    for (bool has_crashed = true; has_crashed;) {
        stage_open(&stage, at);
        for (int round = 0; round < 2; round++) {
            (void)plan_count(&plan, WEIR_STORE_ROCKSDB);
            plan.stores[0].spec.is_logged = false;
            int32_t second = plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &stage_count, 0, -1, NULL);
            plan_store(&plan, 0, second, "more", WEIR_STORE_ROCKSDB);
            (void)plan_done(&plan);
            if (round == 1) break;
            stage_topic(&stage, "in", 1);
            stage_topic(&stage, "counts", 1);
            produce_batch(0, 10);
            run(&plan.topology, WEIR_ON_MISMATCH_REFUSE);
            stage_stop(&stage);
        }
        ck_ok(weir_topic_delete(stage.log, "app-more-changelog", &stage.error), &stage.error);
        has_crashed = crash_in_start(&plan.topology, WEIR_ON_MISMATCH_REBUILD, ++at, _i);
        if (!has_crashed) stage_crash(&stage, WEIR_SIM_KILL);
        run(&plan.topology, WEIR_ON_MISMATCH_REBUILD); /* where it was not written down yet */
        expect_count(10);
        stage_close(&stage);
    }
    ck_assert_uint_gt(at, 10);
}
END_TEST

/* A count in a store without a changelog. */
static const struct weir_topology *unlogged(void)
{
    (void)plan_count(&plan, WEIR_STORE_ROCKSDB);
    plan.stores[0].spec.is_logged = false;
    return &plan.topology;
}

/* The commit is gone, so all is read again whatever is chosen, and nothing is counted on top of what there was. */
START_TEST(a_store_without_a_changelog_starts_empty_where_its_inputs_are_read_again)
{
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "counts", 1);
    produce_batch(0, 10);
    run(unlogged(), WEIR_ON_MISMATCH_REFUSE);
    expect_count(10);
    stage_stop(&stage);
    forget_commit();
    expect_refused(unlogged(), WEIR_ON_MISMATCH_REFUSE, "has no commit of it any more");
    run(unlogged(), WEIR_ON_MISMATCH_START_EMPTY);
    expect_count(10);
    stage_stop(&stage);
    produce_batch(0, 1);
    run(unlogged(), WEIR_ON_MISMATCH_REFUSE);
    expect_count(11);
}
END_TEST

/* Commit and records are gone, and with them the application: to the next start it is a new one, of which nothing is
 * on the disk. */
START_TEST(a_store_without_a_changelog_is_of_no_forgotten_application)
{
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "counts", 1);
    produce_batch(0, 10);
    run(unlogged(), WEIR_ON_MISMATCH_REFUSE);
    expect_count(10);
    stage_stop(&stage);
    ck_ok(weir_topic_delete(stage.log, "app-application", &stage.error), &stage.error);
    forget_commit();
    run(unlogged(), WEIR_ON_MISMATCH_REFUSE);
    expect_count(10);
    stage_stop(&stage);
    produce_batch(0, 1);
    run(unlogged(), WEIR_ON_MISMATCH_REFUSE);
    expect_count(11);
}
END_TEST

/* Its input was made anew: what was chosen holds over a kill at any step, and once only. */
START_TEST(a_store_without_a_changelog_starts_empty_when_that_is_chosen)
{
    uint64_t at = 0;
    int held = 0;
    for (bool has_crashed = true; has_crashed;) {
        stage_open(&stage, at);
        stage_topic(&stage, "in", 1);
        stage_topic(&stage, "counts", 1);
        produce_batch(0, 10);
        run(unlogged(), WEIR_ON_MISMATCH_REFUSE);
        stage_stop(&stage);
        ck_ok(weir_topic_delete(stage.log, "in", &stage.error), &stage.error);
        stage_topic(&stage, "in", 1);
        produce_batch(0, 3);
        has_crashed = crash_in_start(unlogged(), WEIR_ON_MISMATCH_START_EMPTY, ++at, _i);
        if (!has_crashed) stage_crash(&stage, WEIR_SIM_KILL);
        why = (struct weir_error){0};
        stage.streams = stage_try_start(&stage, unlogged(), STAGE_OPTIONS(0), &why);
        held += stage.streams != NULL;
        if (stage.streams == NULL) {
            expect_in_text("'in' was deleted and made anew");
            stage_start(&stage, unlogged(),
                        STAGE_OPTIONS(.on_mismatch = WEIR_ON_MISMATCH_START_EMPTY));
        }
        stage_drain(&stage);
        expect_count(3);
        stage_stop(&stage);
        produce_batch(0, 1);
        run(unlogged(), WEIR_ON_MISMATCH_START_EMPTY); /* nothing differs */
        expect_count(4);
        stage_close(&stage);
    }
    ck_assert_int_gt(held, 4);
}
END_TEST

/* Where no input has anything to be read again nothing but the life of the store tells that it was not cleared yet. */
START_TEST(a_store_without_a_changelog_is_cleared_though_no_input_is_read_again)
{
    uint64_t at = 0;
    for (bool has_crashed = true; has_crashed;) {
        stage_open(&stage, at);
        stage_topic(&stage, "in", 1);
        stage_topic(&stage, "counts", 1);
        produce_batch(0, 10);
        run(unlogged(), WEIR_ON_MISMATCH_REFUSE);
        stage_stop(&stage);
        send_cut(10);
        forget_commit();
        has_crashed = crash_in_start(unlogged(), WEIR_ON_MISMATCH_LOSSY_REBUILD, ++at, _i);
        if (!has_crashed) stage_crash(&stage, WEIR_SIM_KILL);
        run(unlogged(), WEIR_ON_MISMATCH_LOSSY_REBUILD);
        expect_count(0);
        stage_stop(&stage);
        produce_batch(0, 1);
        run(unlogged(), WEIR_ON_MISMATCH_REFUSE);
        expect_count(1);
        stage_close(&stage);
    }
    ck_assert_uint_gt(at, 10);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("rebuild");
    tcase_add_checked_fixture(tests, open_stage, close_stage);
    tcase_add_loop_test(tests, rot_that_nobody_has_met_is_found_before_state_is_dropped, 0, 2);
    tcase_add_test(tests, all_damage_is_found_in_one_go);
    tcase_add_test(tests, without_a_commit_emptying_reads_the_inputs_through_too);
    tcase_add_test(tests, a_job_that_is_closed_while_it_reads_its_inputs_has_touched_nothing);
    tcase_add_loop_test(tests, what_is_given_up_before_it_is_read_again_is_refused_until_chosen, 0,
                        3);
    tcase_add_test(tests, what_is_removed_before_it_is_read_again_is_refused_until_chosen);
    tcase_add_test(tests, what_the_dropped_state_had_not_counted_may_be_lost);
    tcase_add_loop_test(tests, a_rebuild_that_has_caught_up_is_over, 0, 2);
    tcase_add_test(tests, an_input_made_anew_before_it_is_read_again_is_refused);
    tcase_add_test(tests, a_store_without_a_changelog_starts_empty_where_its_inputs_are_read_again);
    tcase_add_test(tests, a_store_without_a_changelog_is_of_no_forgotten_application);
    tcase_add_test(tests, a_bit_that_is_wrong_in_memory_alone_is_no_damage);
    suite_add_tcase(suite, tests);

    TCase *others = tcase_create("other logs");
    tcase_add_checked_fixture(others, open_memory, close_memory);
    tcase_add_test(others, a_log_that_cannot_look_again_is_believed);
    tcase_add_test(others, a_shortage_while_inputs_are_read_touches_nothing);
    tcase_add_test(others, a_shortage_while_the_choice_is_written_down_writes_nothing);
    tcase_add_loop_test(others, retention_may_take_the_beginning_while_it_is_read, 0, 2);
    tcase_add_loop_test(others, retention_may_not_overtake_a_rebuild_in_silence, 0, 2);
    tcase_add_test(others,
                   an_input_that_has_left_a_program_in_a_rebuild_is_read_like_any_when_it_is_back);
    tcase_add_loop_test(others, emptying_accepts_what_its_stores_lose_and_nothing_else, 0, 2);
    suite_add_tcase(suite, others);

    TCase *crashes = tcase_create("crashes"); /* each opens stages of its own */
    tcase_set_timeout(crashes, 120);
    tcase_add_loop_test(crashes, a_start_that_finds_damage_may_be_killed_at_any_step, 0, 4);
    tcase_add_loop_test(crashes, a_rebuild_that_is_killed_at_any_step_asks_for_what_is_lost_since,
                        0, 8);
    tcase_add_loop_test(crashes, a_lossy_rebuild_that_is_killed_at_any_step_is_gone_on_with, 0, 4);
    tcase_add_loop_test(crashes,
                        a_rebuild_that_is_killed_and_loses_its_records_is_chosen_about_anew, 0, 8);
    tcase_add_loop_test(crashes, a_store_without_a_changelog_is_not_rebuilt_on_top_of_what_it_had,
                        0, 4);
    tcase_add_loop_test(crashes, a_store_without_a_changelog_starts_empty_when_that_is_chosen, 0,
                        4);
    tcase_add_loop_test(crashes,
                        a_store_without_a_changelog_is_cleared_though_no_input_is_read_again, 0, 4);
    suite_add_tcase(suite, crashes);
}

int main(void)
{
    return weir_test_main("rebuild", add);
}
