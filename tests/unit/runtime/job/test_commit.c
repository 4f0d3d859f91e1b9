/* What a commit says, and what a start makes of it: cut, restore, go on. In the simulator. */
#include <stdio.h>

#include "broker/broker.h"
#include "client/embedded/embedded.h"
#include "runtime/job/commit_metadata.h"
#include "runtime/state/state_internal.h"
#include "tests/unit/runtime/task/stage.h"

static struct stage stage;
static struct plan plan;

static void open_stage(void)
{
    stage_open(&stage, 11);
}

static void close_stage(void)
{
    stage_close(&stage);
}

static void topics(int32_t partitions)
{
    stage_topic(&stage, "in", partitions);
    stage_topic(&stage, "counts", partitions);
}

static void produce(const char *keys, int64_t timestamp_ms)
{
    char key[2] = {0};
    for (; *keys != '\0'; keys++) {
        key[0] = *keys;
        stage_produce(&stage, "in", 0, key, "1", timestamp_ms++);
    }
}

static int32_t leader_epoch(const char *topic)
{
    struct weir_partition_state_request request = {.of = {weir_text(topic), 0}};
    ck_ok(weir_request_wait_begin(stage.log->env, &request.request, &stage.error), &stage.error);
    weir_broker_partition_state(weir_embedded_broker(stage.log->embedded), &request);
    ck_ok(weir_request_wait(stage.log->env, &request.request, &stage.error), &stage.error);
    return request.state.leader_epoch;
}

static int64_t producer_of_job(void)
{
    return stage.streams->commit.groups[0].producer.id;
}

/* What a crash between the changelog's append and the commit record leaves behind, if the producer is
 * the job's. */
static void append_uncommitted(const char *topic, const char *key, int64_t producer_id)
{
    struct weir_batch_builder builder;
    weir_batch_builder_init(&builder, stage.env->budget, WEIR_CODEC_NONE, 0);
    static const uint8_t value[8] = {0, 0, 0, 0, 0, 0, 0, 99};
    const struct weir_record record = {
        .key = weir_text(key), .value = weir_slice(value, 8), .timestamp_ms = 1};
    ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    if (producer_id >= 0) {
        finish.producer_id = producer_id;
        finish.producer_epoch = 1000; /* begins anew, at sequence 0 */
        finish.base_sequence = 0;
    }
    struct weir_slice batch;
    ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &batch), 0);
    struct weir_shared *bytes = weir_shared_new(&stage.log->budget, batch.size);
    memcpy(bytes->data, batch.data, batch.size);
    bytes->size = batch.size;
    struct weir_produce_request produce_request = {
        .to = {weir_text(topic), 0}, .batches = bytes, .acks = WEIR_ACKS_ALL, .is_internal = true};
    ck_ok(weir_request_wait_begin(stage.log->env, &produce_request.request, &stage.error),
          &stage.error);
    weir_log_produce(stage.log, &produce_request);
    ck_ok(weir_request_wait(stage.log->env, &produce_request.request, &stage.error), &stage.error);
    weir_shared_unref(bytes);
    weir_batch_builder_close(&builder);
}

static struct weir_commit_metadata committed(const char *topic, struct weir_arena *arena,
                                             int64_t *offset_out)
{
    struct weir_offset_entry entry = {.partition = {weir_text(topic), 0}};
    struct weir_committed_request request = {
        .group = weir_text("app"), .arena = arena, .entries = &entry, .entry_count = 1};
    ck_ok(weir_request_wait_begin(stage.log->env, &request.request, &stage.error), &stage.error);
    weir_log_committed(stage.log, &request);
    ck_ok(weir_request_wait(stage.log->env, &request.request, &stage.error), &stage.error);
    *offset_out = entry.offset;
    struct weir_commit_metadata metadata;
    ck_ok(weir_commit_metadata_decode(entry.metadata, arena, &metadata, &stage.error),
          &stage.error);
    return metadata;
}

static void cut_head(const char *topic, int64_t offset)
{
    struct weir_cut_request request = {
        .partition = {weir_text(topic), 0}, .what = WEIR_CUT_HEAD, .offset = offset};
    ck_ok(weir_request_wait_begin(stage.log->env, &request.request, &stage.error), &stage.error);
    weir_log_cut(stage.log, &request);
    ck_ok(weir_request_wait(stage.log->env, &request.request, &stage.error), &stage.error);
}

/* Input: next offset and partition time. Repartition: the same, and the end that is covered.
 * Changelog: the end as its offset. */
START_TEST(a_commit_names_offsets_times_and_ends)
{
    struct weir_arena arena;
    weir_arena_init(&arena, stage.env->budget, 0);
    topics(1);
    stage_start(&stage, plan_repartition(&plan, WEIR_STORE_ROCKSDB), STAGE_OPTIONS(0));
    produce("aab", 1000);
    stage_drain(&stage);
    int64_t offset = -1;
    struct weir_commit_metadata metadata = committed("in", &arena, &offset);
    ck_assert_int_eq(offset, 3);
    ck_assert_int_eq(metadata.partition_time_ms, 1002);
    ck_assert_int_eq(metadata.end_offset, -1);
    metadata = committed("app-again-repartition", &arena, &offset);
    ck_assert_int_eq(offset, 3);
    ck_assert_int_eq(metadata.partition_time_ms, 1002);
    ck_assert_int_eq(metadata.end_offset, 3);
    (void)committed("app-counts-changelog", &arena, &offset);
    ck_assert_int_eq(offset, stage_end(&stage, "app-counts-changelog", 0));
    weir_arena_close(&arena);
}
END_TEST

/* An idle job commits nothing: the group's log does not grow. */
START_TEST(an_idle_job_commits_nothing)
{
    topics(1);
    stage_start(&stage, plan_count(&plan, WEIR_STORE_ROCKSDB), STAGE_OPTIONS(0));
    produce("a", 1);
    stage_drain(&stage);
    struct weir_streams_metrics before;
    struct weir_streams_metrics after;
    weir_streams_metrics(stage.streams, &before);
    weir_sim_advance_ms(stage.sim, 5000);
    weir_streams_metrics(stage.streams, &after);
    ck_assert_int_eq(before.commits, after.commits);
    ck_assert_int_ge(before.commits, 1);
}
END_TEST

/* What commits waited for: the three add up to them, none of them is told longer than it was, and a commit of
 * nothing has waited for nothing. */
START_TEST(what_commits_wait_for_adds_up)
{
    topics(1);
    stage_start(&stage, plan_count(&plan, WEIR_STORE_ROCKSDB), STAGE_OPTIONS(0));
    struct weir_streams_metrics metrics;
    weir_streams_metrics(stage.streams, &metrics);
    ck_assert_int_eq(metrics.commits, 0);
    ck_assert_int_eq(metrics.commit_seal_us + metrics.commit_flush_us + metrics.commit_write_us, 0);
    for (int i = 0; i < 3; i++) {
        produce("ab", 10 * i);
        stage_drain(&stage);
    }
    weir_streams_metrics(stage.streams, &metrics);
    ck_assert_int_ge(metrics.commits, 3);
    ck_assert_int_eq(metrics.commit_seal_us + metrics.commit_flush_us + metrics.commit_write_us,
                     weir_histogram_sum(&stage.streams->commit_us));
    ck_assert_int_ge(metrics.commit_seal_us, 0);
    ck_assert_int_gt(metrics.commit_flush_us, 0); /* the changelog had to be on the disk, */
    ck_assert_int_gt(metrics.commit_write_us, 0); /* and then the record */
    ck_assert_int_le(metrics.commit_seal_p99_us, metrics.commit_seal_us);
    ck_assert_int_le(metrics.commit_flush_p99_us, metrics.commit_flush_us);
    ck_assert_int_le(metrics.commit_write_p99_us, metrics.commit_write_us);
    ck_assert_int_le(metrics.commit_p99_us, metrics.commit_seal_p99_us +
                                                metrics.commit_flush_p99_us +
                                                metrics.commit_write_p99_us);
}
END_TEST

/* A start that finds nothing to make writes a commit, and nothing into the application's records. */
START_TEST(an_idle_start_writes_a_commit_only)
{
    topics(1);
    const struct weir_topology *topology = plan_count(&plan, WEIR_STORE_ROCKSDB);
    stage_start(&stage, topology, STAGE_OPTIONS(0));
    produce("a", 1);
    stage_drain(&stage);
    stage_stop(&stage);
    int64_t records = stage_end(&stage, "app-application", 0);
    int32_t epoch = leader_epoch("app-counts-changelog");
    stage_start(&stage, topology, STAGE_OPTIONS(0));
    stage_stop(&stage);
    ck_assert_int_gt(records, 0);
    ck_assert_int_eq(stage_end(&stage, "app-application", 0), records);
    ck_assert_int_eq(leader_epoch("app-counts-changelog"), epoch); /* nothing was cut */
}
END_TEST

/* What a Weir without transactions has left: changelog and repartition records that no commit covers are cut off
 * before anything is read, and the epoch says that the tail was rewritten. The next start has nothing to cut. */
START_TEST(what_was_left_without_transactions_is_cut_off_once)
{
    topics(1);
    const struct weir_topology *topology = plan_repartition(&plan, WEIR_STORE_ROCKSDB);
    stage.commits = &stage_commits_before;
    stage_start(&stage, topology, STAGE_OPTIONS(0));
    produce("aab", 1000);
    stage_drain(&stage);
    int64_t producer_id = producer_of_job();
    stage_stop(&stage);
    stage.commits = NULL;
    int64_t changelog_end = stage_log_end(&stage, "app-counts-changelog", 0);
    int64_t repartition_end = stage_log_end(&stage, "app-again-repartition", 0);
    int32_t epoch = leader_epoch("app-counts-changelog");
    append_uncommitted("app-counts-changelog", "a", producer_id);
    append_uncommitted("app-again-repartition", "a", producer_id);
    if (_i == 1) stage_crash(&stage, WEIR_SIM_KILL);
    stage_start(&stage, topology, STAGE_OPTIONS(0));
    ck_assert_int_eq(stage_log_end(&stage, "app-counts-changelog", 0), changelog_end);
    ck_assert_int_eq(stage_log_end(&stage, "app-again-repartition", 0), repartition_end);
    ck_assert_int_gt(leader_epoch("app-counts-changelog"), epoch);
    epoch = leader_epoch("app-counts-changelog");
    stage_drain(&stage);
    ck_assert_uint_eq(stage_stored(&stage, 0, "a"), 2);
    ck_assert_uint_eq(stage_stored(&stage, 0, "b"), 1);
    produce("ab", 2000);
    stage_drain(&stage);
    stage_stop(&stage);
    stage_start(&stage, topology, STAGE_OPTIONS(0));
    stage_drain(&stage);
    ck_assert_int_le(leader_epoch("app-counts-changelog"), epoch);
    ck_assert_uint_eq(stage_stored(&stage, 0, "a"), 3);
    ck_assert_uint_eq(stage_stored(&stage, 0, "b"), 2);
}
END_TEST

/* Records in the open transaction of a killed job stay where they are, and count nowhere: neither for the store that
 * is restored nor for who reads the repartition topic. Nothing is cut. */
START_TEST(what_no_commit_covers_is_aborted)
{
    char text[256];
    topics(1);
    const struct weir_topology *topology = plan_repartition(&plan, WEIR_STORE_MEMORY);
    stage_start(&stage, topology, STAGE_OPTIONS(.commit_interval_ms = 3600000));
    produce("aab", 1000);
    int64_t before = stage_log_end(&stage, "app-again-repartition", 0);
    while (stage_log_end(&stage, "app-again-repartition", 0) < before + 3) {
        ck_assert(weir_sim_step(stage.sim));
    }
    stage_crash(&stage, _i == 0 ? WEIR_SIM_KILL : WEIR_SIM_POWER);
    stage_start(&stage, topology, STAGE_OPTIONS(0));
    stage_drain(&stage);
    ck_assert_uint_eq(stage_stored(&stage, 0, "a"), 2);
    ck_assert_uint_eq(stage_stored(&stage, 0, "b"), 1);
    stage_stop(&stage);
    ck_assert_str_eq(stage_read(&stage, "counts", 0, text, sizeof text), "a=2@1001 b=1@1002 ");
}
END_TEST

/* Of the last commit, whether or not it is written down. */
static struct weir_changelog_position position_of_store(void)
{
    const struct weir_stream_thread *thread = stage.streams->threads[0];
    for (size_t i = 0; i < thread->task_count; i++) {
        const struct weir_task *task = thread->tasks[i].task;
        if (task->state != NULL) return task->state->committed_positions[0];
    }
    ck_abort_msg("no task has a store");
    return (struct weir_changelog_position){0};
}

static void rename_state(const char *from, const char *to)
{
    char paths[2][512];
    (void)snprintf(paths[0], sizeof paths[0], "%s/state/app/%s", stage.log->directory, from);
    (void)snprintf(paths[1], sizeof paths[1], "%s/state/app/%s", stage.log->directory, to);
    ck_ok(weir_rename(stage.env, paths[0], paths[1], &stage.error), &stage.error);
}

/* Two tasks' folders have changed places, of the same stores and the same topic: a store knows of which partition it
 * is, and is restored. */
START_TEST(another_partitions_state_is_not_taken_for_its_own)
{
    topics(2);
    const struct weir_topology *topology = plan_count(&plan, WEIR_STORE_ROCKSDB);
    stage_start(&stage, topology, STAGE_OPTIONS(0));
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    stage_produce(&stage, "in", 1, "b", "1", 1000);
    stage_drain(&stage);
    stage_stop(&stage);
    rename_state("0_0", "kept");
    rename_state("0_1", "0_0");
    rename_state("kept", "0_1");
    stage_start(&stage, topology, STAGE_OPTIONS(0));
    stage_produce(&stage, "in", 0, "a", "1", 2000);
    stage_produce(&stage, "in", 1, "b", "1", 2000);
    stage_drain(&stage);
    ck_assert_uint_eq(stage_stored(&stage, 0, "a"), 2);
    ck_assert_uint_eq(stage_stored(&stage, 1, "b"), 2);
    ck_assert_uint_eq(stage_stored(&stage, 0, "b"), 0);
}
END_TEST

/* With each commit a store knows how far its changelog was: its end, and the epoch that it has
 * since a tail was cut. */
START_TEST(a_store_knows_how_far_its_changelog_was)
{
    topics(1);
    const struct weir_topology *topology = plan_count(&plan, WEIR_STORE_ROCKSDB);
    stage.commits = &stage_commits_before;
    stage_start(&stage, topology, STAGE_OPTIONS(0));
    produce("aab", 1000);
    stage_drain(&stage);
    weir_sim_advance_ms(stage.sim, 100); /* the thread hears of the commit */
    ck_assert_int_eq(position_of_store().offset, stage_end(&stage, "app-counts-changelog", 0));
    ck_assert_int_eq(position_of_store().leader_epoch, leader_epoch("app-counts-changelog"));
    int64_t producer_id = producer_of_job();
    stage_stop(&stage);
    stage.commits = NULL;
    append_uncommitted("app-counts-changelog", "a", producer_id);
    stage_start(&stage, topology, STAGE_OPTIONS(0));
    produce("cad", 2000);
    stage_drain(&stage);
    weir_sim_advance_ms(stage.sim, 100); /* the thread hears of the commit */
    ck_assert_int_gt(leader_epoch("app-counts-changelog"), 0);
    ck_assert_int_eq(position_of_store().leader_epoch, leader_epoch("app-counts-changelog"));
    ck_assert_int_eq(position_of_store().offset, stage_end(&stage, "app-counts-changelog", 0));
}
END_TEST

/* What lies past the commit and was written by somebody else is no tail of a crash: it is not cut. */
START_TEST(a_tail_of_another_producer_is_refused)
{
    int64_t end = _i == 0 ? 0 : 3; /* before the first record, and behind some and their marker */
    topics(1);
    const struct weir_topology *topology = plan_count(&plan, WEIR_STORE_ROCKSDB);
    stage_start(&stage, topology, STAGE_OPTIONS(0));
    if (_i > 0) produce("ab", 1000);
    stage_drain(&stage);
    stage_stop(&stage);
    append_uncommitted("app-counts-changelog", "a", _i == 2 ? 4711 : WEIR_NO_PRODUCER_ID);
    struct weir_error error = {0};
    ck_assert_ptr_null(stage_try_start(&stage, topology, STAGE_OPTIONS(0), &error));
    ck_assert_int_eq(error.code, WEIR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(error.text, "app-counts-changelog"));
    ck_assert_int_eq(stage_log_end(&stage, "app-counts-changelog", 0), end + 1);
}
END_TEST

/* A store is restored to what was committed: a persistent one from its position, a memory one from
 * the start. */
START_TEST(a_restart_restores_the_tail)
{
    enum weir_store_kind kind = _i == 0 ? WEIR_STORE_ROCKSDB : WEIR_STORE_MEMORY;
    topics(1);
    const struct weir_topology *topology = plan_count(&plan, kind);
    stage_start(&stage, topology, STAGE_OPTIONS(0));
    produce("aabc", 1000);
    stage_drain(&stage);
    stage_stop(&stage);
    stage_start(&stage, topology, STAGE_OPTIONS(0));
    struct weir_streams_metrics metrics;
    weir_streams_metrics(stage.streams, &metrics);
    ck_assert_int_eq(metrics.restored_records == 0, kind == WEIR_STORE_ROCKSDB);
    ck_assert_int_eq(metrics.records_in, 0);
    ck_assert_uint_eq(stage_stored(&stage, 0, "a"), 2);
    produce("a", 1010);
    stage_drain(&stage);
    ck_assert_uint_eq(stage_stored(&stage, 0, "a"), 3);
}
END_TEST

/* The changelog was deleted, and its store may start empty: what the store has on the disk is of
 * another topic, so its content goes, never runs on. */
START_TEST(a_position_of_another_topic_wipes_the_store)
{
    topics(1);
    const struct weir_topology *topology = plan_count(&plan, WEIR_STORE_ROCKSDB);
    stage_start(&stage, topology, STAGE_OPTIONS(0));
    produce("aab", 1000);
    stage_drain(&stage);
    stage_stop(&stage);
    ck_ok(weir_topic_delete(stage.log, "app-counts-changelog", &stage.error), &stage.error);
    stage_start(&stage, topology, STAGE_OPTIONS(.on_mismatch = WEIR_ON_MISMATCH_START_EMPTY));
    ck_assert_uint_eq(stage_stored(&stage, 0, "a"), 0);
    produce("a", 1010);
    stage_drain(&stage);
    ck_assert_uint_eq(stage_stored(&stage, 0, "a"), 1);
    ck_assert_uint_eq(stage_stored(&stage, 0, "b"), 0);
}
END_TEST

/* The log lost the end of a changelog that a commit covers: the job says so and does not run on. */
START_TEST(a_changelog_that_ends_too_early_is_refused)
{
    topics(1);
    const struct weir_topology *topology = plan_count(&plan, WEIR_STORE_ROCKSDB);
    stage_start(&stage, topology, STAGE_OPTIONS(0));
    produce("aab", 1000);
    stage_drain(&stage);
    stage_stop(&stage);
    struct weir_cut_request cut = {
        .partition = {weir_text("app-counts-changelog"), 0}, .what = WEIR_CUT_TAIL, .offset = 1};
    ck_ok(weir_request_wait_begin(stage.log->env, &cut.request, &stage.error), &stage.error);
    weir_log_cut(stage.log, &cut);
    ck_ok(weir_request_wait(stage.log->env, &cut.request, &stage.error), &stage.error);
    struct weir_error error = {0};
    ck_assert_ptr_null(stage_try_start(&stage, topology, STAGE_OPTIONS(0), &error));
    ck_assert_int_eq(error.code, WEIR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(error.text, "app-counts-changelog"));
}
END_TEST

/* A table whose own topic is its changelog is restored from it, up to what was committed. */
START_TEST(a_table_is_restored_from_its_topic)
{
    stage_topic(&stage, "in", 1);
    plan = (struct plan){0};
    int32_t in = plan_topic(&plan, "in", false);
    int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    int32_t table = plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &stage_table, source, -1, NULL);
    int32_t store = plan_store(&plan, 0, table, "table", WEIR_STORE_MEMORY);
    plan.stores[store].source_topic = in;
    stage_start(&stage, plan_done(&plan), STAGE_OPTIONS(0));
    produce("ab", 1000);
    stage_drain(&stage);
    stage_stop(&stage);
    produce("c", 1010);
    stage_start(&stage, plan_done(&plan), STAGE_OPTIONS(0));
    struct weir_streams_metrics metrics;
    weir_streams_metrics(stage.streams, &metrics);
    ck_assert_int_eq(metrics.restored_records, 2);
    stage_drain(&stage);
    ck_assert_uint_eq(stage_stored(&stage, 0, "a"), 1);
    ck_assert_uint_eq(stage_stored(&stage, 0, "c"), 1);
}
END_TEST

/* Repartition topics are cut at their head once what lies there is committed. */
START_TEST(processed_repartition_records_are_trimmed)
{
    topics(1);
    stage_start(&stage, plan_repartition(&plan, WEIR_STORE_MEMORY), STAGE_OPTIONS(0));
    produce("aab", 1000);
    stage_drain(&stage);
    weir_sim_advance_ms(stage.sim, 31000);
    produce("c", 1010);
    stage_drain(&stage);
    weir_sim_advance_ms(stage.sim, 1000);
    int64_t start = 0;
    int64_t end = 0;
    ck_ok(weir_topic_offsets(stage.log, "app-again-repartition", 0, &start, &end, &stage.error),
          &stage.error);
    ck_assert_int_ge(end, 3 + 1 + 2); /* a marker for each, at least */
    ck_assert_int_ge(start, 3);
}
END_TEST

static int observe_rows(struct weir_node *node, const struct weir_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        int64_t timestamp = batch->timestamps[weir_batch_row(batch, i)];
        if (timestamp > node->observed_ms) node->observed_ms = timestamp;
    }
    return weir_node_forward(node, batch);
}

static const struct weir_operator_ops observe = {.name = "observe", .process = observe_rows};

/* "in" -> sink to "again-repartition" | source -> observe -> sink "counts" */
static const struct weir_topology *plan_observe(void)
{
    plan = (struct plan){0};
    int32_t in = plan_topic(&plan, "in", false);
    int32_t again = plan_topic(&plan, "again-repartition", true);
    int32_t out = plan_topic(&plan, "counts", false);
    int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    plan_node(&plan, 0, WEIR_PLAN_SINK, &stage_sink, source, again, NULL);
    int32_t second = plan_node(&plan, 1, WEIR_PLAN_SOURCE, &stage_source, -1, again, NULL);
    int32_t watch = plan_node(&plan, 1, WEIR_PLAN_OPERATOR, &observe, second, -1, NULL);
    plan_node(&plan, 1, WEIR_PLAN_SINK, &stage_sink, watch, out, NULL);
    return plan_done(&plan);
}

static bool is_dirty(void *context)
{
    (void)context;
    return weir_streams_is_dirty(stage.streams);
}

static bool commit_has_ended(void *context)
{
    const int64_t *round = context;
    return weir_streams_commit_round(stage.streams) > *round &&
           stage.streams->commit.groups[0].settling == 0;
}

static void commit_once(void)
{
    int64_t round = weir_streams_commit_round(stage.streams);
    weir_streams_commit_begin(stage.streams);
    ck_ok(weir_wait(stage.env, commit_has_ended, &round, WEIR_MONO_NEVER), &stage.error);
}

/* A repartition topic has one thread's task as its writer and another's as its reader. In a commit in
 * which only the end has moved, because the reader had nothing new when it sealed, the record still
 * says the reader's marks, as they were when its task was last sealed. */
START_TEST(an_idle_reader_keeps_its_marks_while_the_end_moves)
{
    const char *again = "app-again-repartition";
    struct weir_arena arena;
    int64_t offset = -1;
    weir_arena_init(&arena, stage.env->budget, 0);
    topics(1);
    stage_start(&stage, plan_observe(),
                STAGE_OPTIONS(.num_stream_threads = 2, .commit_interval_ms = 3600000));
    ck_assert_uint_eq(stage.streams->thread_count, 2);
    produce("a", 1000);
    weir_sim_advance_ms(stage.sim, 1000); /* both tasks have had it */
    commit_once();
    struct weir_commit_metadata said = committed(again, &arena, &offset);
    ck_assert_int_eq(offset, 1);
    ck_assert_int_eq(said.end_offset, 1);

    produce("b", 2000);
    (void)weir_sim_run(stage.sim, is_dirty, NULL, 0);
    commit_once(); /* asks for the seal while what the writer makes of it is on its way to the log */
    said = committed(again, &arena, &offset);
    ck_assert_int_eq(offset, 1);
    ck_assert_int_eq(said.end_offset, 3); /* behind the marker of the first */
    ck_assert_uint_eq(said.mark_count, 1);
    ck_assert_int_eq(said.marks[0].time_ms, 1000);

    weir_sim_advance_ms(stage.sim, 1000);
    commit_once();
    said = committed(again, &arena, &offset);
    ck_assert_int_eq(offset, 4); /* behind its own, too */
    ck_assert_uint_eq(said.mark_count, 1);
    ck_assert_int_eq(said.marks[0].time_ms, 2000);
    weir_arena_close(&arena);
}
END_TEST

/* 0 is a time like any other: what has observed it and nothing later says so. */
START_TEST(the_first_time_there_is_is_kept_as_a_mark)
{
    struct weir_arena arena;
    int64_t offset = -1;
    weir_arena_init(&arena, stage.env->budget, 0);
    topics(1);
    stage_start(&stage, plan_observe(), STAGE_OPTIONS(.commit_interval_ms = 3600000));
    produce("a", 0);
    weir_sim_advance_ms(stage.sim, 1000);
    commit_once();
    struct weir_commit_metadata said = committed("app-again-repartition", &arena, &offset);
    ck_assert_int_eq(offset, 1);
    ck_assert_int_eq(said.partition_time_ms, 0);
    ck_assert_uint_eq(said.mark_count, 1);
    ck_assert_int_eq(said.marks[0].time_ms, 0);
    weir_arena_close(&arena);
}
END_TEST

/* What a node has observed before a restart it has observed behind it: an older record takes nothing back. */
START_TEST(marks_are_given_back_at_a_restart)
{
    const char *again = "app-again-repartition";
    struct weir_arena arena;
    int64_t offset = -1;
    weir_arena_init(&arena, stage.env->budget, 0);
    topics(1);
    for (int64_t round = 1; round <= 3; round++) {
        stage_start(&stage, plan_observe(), STAGE_OPTIONS(0));
        produce("a", round == 1 ? 1000 : 1000 - round);
        stage_drain(&stage);
        stage_stop(&stage);
        struct weir_commit_metadata said = committed(again, &arena, &offset);
        ck_assert_int_eq(offset, 2 * round - 1); /* each but the last has a marker behind it */
        ck_assert_int_eq(said.partition_time_ms, 1000);
        ck_assert_uint_eq(said.mark_count, 1);
        ck_assert_int_eq(said.marks[0].time_ms, 1000);
    }
    weir_arena_close(&arena);
}
END_TEST

/* Metadata goes round; damage and newer versions are told apart. */
START_TEST(metadata_goes_round)
{
    struct weir_arena arena;
    weir_arena_init(&arena, stage.env->budget, 0);
    const struct weir_node_mark marks[] = {{"store:counts", 0, 100},
                                           {"kind:process#1", WEIR_MARK_OBSERVED, INT64_MAX}};
    for (size_t count = 0; count <= 2; count++) {
        const struct weir_commit_metadata in = {
            .partition_time_ms = 77,
            .end_offset = 5,
            .read = {.base_offset = 3, .last_offset_delta = 4, .record_count = 5, .crc = ~0U},
            .marks = marks,
            .mark_count = count};
        struct weir_slice text = weir_commit_metadata_encode(&in, &arena);
        struct weir_commit_metadata out;
        ck_ok(weir_commit_metadata_decode(text, &arena, &out, &stage.error), &stage.error);
        ck_assert_int_eq(out.partition_time_ms, 77);
        ck_assert_int_eq(out.end_offset, 5);
        ck_assert(weir_read_batch_equal(&out.read, &in.read));
        ck_assert_uint_eq(out.mark_count, count);
        for (size_t i = 0; i < count; i++) {
            ck_assert_str_eq(out.marks[i].node, marks[i].node);
            ck_assert_int_eq(out.marks[i].id, marks[i].id);
            ck_assert_int_eq(out.marks[i].time_ms, marks[i].time_ms);
        }
        text.size -= 4;
        ck_code(weir_commit_metadata_decode(text, &arena, &out, &stage.error), WEIR_CORRUPT);
    }
    struct weir_commit_metadata out;
    ck_code(weir_commit_metadata_decode(weir_text("VwEA"), &arena, &out, &stage.error),
            WEIR_UNSUPPORTED_VERSION);
    ck_code(weir_commit_metadata_decode(weir_text("?!"), &arena, &out, &stage.error), WEIR_CORRUPT);
    weir_arena_close(&arena);
}
END_TEST

/* Time 77, end 5, no marks: as it was written before a commit named a batch. */
/* One with several transactional ids is of a version that a Weir which knows of one refuses. */
START_TEST(a_run_goes_round)
{
    struct weir_arena arena;
    struct weir_commit_run read;
    const int64_t ids[] = {7, 8, 9};
    weir_arena_init(&arena, stage.env->budget, 0);
    for (size_t transactions = 0; transactions <= 4; transactions++) {
        const struct weir_commit_run run = {
            .producer_ids = ids, .count = 3, .transaction_count = transactions};
        struct weir_slice text = weir_commit_run_encode(&run, &arena);
        static const char *const versions[] = {"VwI", "VwQ", "VwU", "VwU", "VwU"};
        ck_assert_mem_eq(text.data, versions[transactions], 3);
        int rc = weir_commit_run_decode(text, &arena, &read, &stage.error);
        if (transactions > 3) { /* each has a producer */
            ck_assert_int_eq(rc, WEIR_CORRUPT);
            continue;
        }
        ck_ok(rc, &stage.error);
        ck_assert_uint_eq(read.count, 3);
        ck_assert_mem_eq(read.producer_ids, ids, sizeof ids);
        ck_assert_uint_eq(read.transaction_count, transactions);
        ck_assert(!read.is_reset_begun);
    }
    weir_arena_close(&arena);
}
END_TEST

START_TEST(metadata_of_version_3_says_nothing_of_the_disk)
{
    struct weir_arena arena;
    struct weir_commit_metadata out;
    weir_arena_init(&arena, stage.env->budget, 0);
    ck_ok(weir_commit_metadata_decode(
              weir_text("VwMAAAAAAAAATf//////////AAAAAAAAAAEAAAAAAAAAAQAAAAkAAAAA"), &arena, &out,
              &stage.error),
          &stage.error);
    ck_assert_int_eq(out.partition_time_ms, 77);
    ck_assert_int_eq(out.read.base_offset, 1);
    ck_assert_uint_eq(out.read.crc, 9);
    ck_assert(!out.read.is_durable);
    weir_arena_close(&arena);
}
END_TEST

START_TEST(metadata_of_version_2_names_no_batch)
{
    struct weir_arena arena;
    struct weir_commit_metadata out;
    weir_arena_init(&arena, stage.env->budget, 0);
    ck_ok(weir_commit_metadata_decode(weir_text("VwIAAAAAAAAATQAAAAAAAAAFAAAAAA=="), &arena, &out,
                                      &stage.error),
          &stage.error);
    ck_assert_int_eq(out.partition_time_ms, 77);
    ck_assert_int_eq(out.end_offset, 5);
    ck_assert_uint_eq(out.mark_count, 0);
    ck_assert(!weir_read_batch_is_known(&out.read));
    weir_arena_close(&arena);
}
END_TEST

/* A batch that no header can describe: more records than offsets, an offset below zero or past the last. */
START_TEST(metadata_names_no_batch_that_cannot_be)
{
    static const struct weir_read_batch impossible[] = {
        {.base_offset = -1, .record_count = 1},
        {.last_offset_delta = -1, .record_count = 1},
        {.last_offset_delta = 1, .record_count = 3},
        {.record_count = -1},
        {.base_offset = INT64_MAX, .last_offset_delta = 1, .record_count = 1},
    };
    const struct weir_commit_metadata in = {.read = impossible[_i]};
    struct weir_commit_metadata out;
    struct weir_arena arena;
    weir_arena_init(&arena, stage.env->budget, 0);
    ck_code(weir_commit_metadata_decode(weir_commit_metadata_encode(&in, &arena), &arena, &out,
                                        &stage.error),
            WEIR_CORRUPT);
    weir_arena_close(&arena);
}
END_TEST

/* Retention took what the job had not read, and nothing came after: the job goes on at the log's
 * start and says so in its commit; a drain does not wait for records that are gone. */
START_TEST(what_retention_took_is_passed)
{
    topics(1);
    stage_start(&stage, plan_count(&plan, WEIR_STORE_ROCKSDB), STAGE_OPTIONS(0));
    produce("ab", 1000);
    stage_drain(&stage);
    stage_stop(&stage);
    produce("cd", 2000);
    cut_head("in", 4);
    stage_start(&stage, plan_count(&plan, WEIR_STORE_ROCKSDB), STAGE_OPTIONS(0));
    ck_ok(weir_streams_drain(stage.streams, 10000, &stage.error), &stage.error);
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 4);
    ck_assert_uint_eq(stage_stored(&stage, 0, "a"), 1);
    ck_assert_uint_eq(stage_stored(&stage, 0, "c"), 0);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("commit");
    tcase_add_checked_fixture(tests, open_stage, close_stage);
    tcase_add_test(tests, a_commit_names_offsets_times_and_ends);
    tcase_add_test(tests, an_idle_job_commits_nothing);
    tcase_add_test(tests, what_commits_wait_for_adds_up);
    tcase_add_test(tests, an_idle_start_writes_a_commit_only);
    tcase_add_loop_test(tests, what_was_left_without_transactions_is_cut_off_once, 0, 2);
    tcase_add_loop_test(tests, what_no_commit_covers_is_aborted, 0, 2);
    tcase_add_test(tests, a_store_knows_how_far_its_changelog_was);
    tcase_add_test(tests, another_partitions_state_is_not_taken_for_its_own);
    tcase_add_loop_test(tests, a_tail_of_another_producer_is_refused, 0, 3);
    tcase_add_loop_test(tests, a_restart_restores_the_tail, 0, 2);
    tcase_add_test(tests, a_position_of_another_topic_wipes_the_store);
    tcase_add_test(tests, a_changelog_that_ends_too_early_is_refused);
    tcase_add_test(tests, a_table_is_restored_from_its_topic);
    tcase_add_test(tests, processed_repartition_records_are_trimmed);
    tcase_add_test(tests, an_idle_reader_keeps_its_marks_while_the_end_moves);
    tcase_add_test(tests, the_first_time_there_is_is_kept_as_a_mark);
    tcase_add_test(tests, marks_are_given_back_at_a_restart);
    tcase_add_test(tests, metadata_goes_round);
    tcase_add_test(tests, a_run_goes_round);
    tcase_add_test(tests, metadata_of_version_2_names_no_batch);
    tcase_add_test(tests, metadata_of_version_3_says_nothing_of_the_disk);
    tcase_add_loop_test(tests, metadata_names_no_batch_that_cannot_be, 0, 5);
    tcase_add_test(tests, what_retention_took_is_passed);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("commit", add);
}
