/* What may differ between what a job has committed and what is there at its next start, and what
 * then happens under each choice. In the simulator. */
#include <stdio.h>
#include <string.h>

#include "broker/log/repair.h"
#include "broker/log/small_file.h"
#include "runtime/job/commit_metadata.h"
#include "tests/unit/broker/log/compacted.h"
#include "tests/unit/runtime/task/stage.h"

static struct stage stage;
static struct plan plan;
static struct plan other_plan;
static struct weir_error why;

static void open_stage(void)
{
    stage_open(&stage, 5);
}

static void close_stage(void)
{
    stage_close(&stage);
}

static void topics(int32_t partitions)
{
    stage_topic(&stage, "in", partitions);
    stage_topic(&stage, "counts", 1);
}

static void produce(int32_t partition, const char *keys)
{
    static int64_t time_ms = 1000;
    char key[2] = {0};
    for (; *keys != '\0'; keys++) {
        key[0] = *keys;
        stage_produce(&stage, "in", partition, key, "1", time_ms++);
    }
}

/* A count of `in` into "counts", kept in a store of this name. */
static const struct weir_topology *count_into(struct plan *to, const char *in, const char *store)
{
    *to = (struct plan){0};
    int32_t topic = plan_topic(to, in, false);
    int32_t out = plan_topic(to, "counts", false);
    int32_t source = plan_node(to, 0, WEIR_PLAN_SOURCE, &stage_source, -1, topic, NULL);
    int32_t count = plan_node(to, 0, WEIR_PLAN_OPERATOR, &stage_count, source, -1, NULL);
    plan_store(to, 0, count, store, WEIR_STORE_ROCKSDB);
    plan_node(to, 0, WEIR_PLAN_SINK, &stage_sink, count, out, NULL);
    return plan_done(to);
}

static const struct weir_topology *counting(void)
{
    return count_into(&plan, "in", "counts");
}

/* "in" into "counts", without a store. */
static const struct weir_topology *passing(void)
{
    plan = (struct plan){0};
    int32_t in = plan_topic(&plan, "in", false);
    int32_t out = plan_topic(&plan, "counts", false);
    int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    plan_node(&plan, 0, WEIR_PLAN_SINK, &stage_sink, source, out, NULL);
    return plan_done(&plan);
}

/* The latest value of each key of "in", which is also where the table is restored from. */
static const struct weir_topology *table(void)
{
    plan = (struct plan){0};
    int32_t in = plan_topic(&plan, "in", false);
    int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    int32_t node = plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &stage_table, source, -1, NULL);
    int32_t store = plan_store(&plan, 0, node, "table", WEIR_STORE_ROCKSDB);
    plan.stores[store].source_topic = in;
    return plan_done(&plan);
}

static const struct weir_topology *counting_again(void)
{
    return plan_repartition(&plan, WEIR_STORE_ROCKSDB);
}

static void run(const struct weir_topology *topology, enum weir_on_mismatch choice)
{
    stage_start(&stage, topology, STAGE_OPTIONS(.on_mismatch = choice));
    stage_drain(&stage);
}

/* Counts what `keys` say, and stops. */
static void run_before(const char *keys)
{
    topics(1);
    produce(0, keys);
    run(counting(), WEIR_ON_MISMATCH_REFUSE);
    stage_stop(&stage);
}

static void expect_refused(const struct weir_topology *topology, enum weir_on_mismatch choice,
                           const char *text)
{
    stage_start_refused(&stage, topology, STAGE_OPTIONS(.on_mismatch = choice), WEIR_MISMATCH, text,
                        &why);
}

static void expect_count(const char *key, uint64_t count)
{
    ck_assert_uint_eq(stage_stored(&stage, 0, key), count);
}

static void compacted(const char *topic)
{
    const struct weir_config policy = {"cleanup.policy", "compact"};
    ck_ok(weir_topic_configure(stage.log, topic, &policy, 1, &stage.error), &stage.error);
}

static void delete_topic(const char *name)
{
    ck_ok(weir_topic_delete(stage.log, name, &stage.error), &stage.error);
}

static void ask(struct weir_request *request, void (*send)(struct weir_log *, void *), void *of)
{
    ck_ok(weir_request_wait_begin(stage.log->env, request, &stage.error), &stage.error);
    send(stage.log, of);
    ck_ok(weir_request_wait(stage.log->env, request, &stage.error), &stage.error);
}

static void send_topic(struct weir_log *log, void *of)
{
    weir_log_topic(log, of);
}

static void add_partitions(const char *topic, int32_t total)
{
    struct weir_topic_request request = {.operation = WEIR_TOPIC_ADD_PARTITIONS,
                                         .topic = weir_text(topic),
                                         .partition_count = total};
    ask(&request.request, send_topic, &request);
}

static void send_cut(struct weir_log *log, void *of)
{
    weir_log_cut(log, of);
}

static void cut(const char *topic, enum weir_cut what, int64_t offset)
{
    struct weir_cut_request request = {
        .partition = {weir_text(topic), 0}, .what = what, .offset = offset};
    ask(&request.request, send_cut, &request);
}

static void send_committed(struct weir_log *log, void *of)
{
    weir_log_committed(log, of);
}

static void send_commit(struct weir_log *log, void *of)
{
    weir_log_commit_offsets(log, of);
}

/* The group loses all that "app" has committed, as if `__consumer_offsets` had been lost. */
static void forget_commit(void)
{
    struct weir_arena arena;
    weir_arena_init(&arena, stage.env->budget, 0);
    struct weir_committed_request all = {.group = weir_text("app"), .arena = &arena};
    ask(&all.request, send_committed, &all);
    for (size_t i = 0; i < all.entry_count; i++) {
        all.entries[i].is_tombstone = true;
    }
    struct weir_commit_request forget = {.group = weir_text("app"),
                                         .entries = all.entries,
                                         .entry_count = all.entry_count,
                                         .is_application = true};
    ask(&forget.request, send_commit, &forget);
    weir_arena_close(&arena);
}

static void commit_as(const char *topic, int64_t offset, const char *metadata)
{
    const struct weir_offset_entry entry = {.partition = {weir_text(topic), 0},
                                            .offset = offset,
                                            .leader_epoch = -1,
                                            .metadata = weir_text(metadata)};
    struct weir_commit_request commit = {
        .group = weir_text("app"), .entries = &entry, .entry_count = 1, .is_application = true};
    ask(&commit.request, send_commit, &commit);
}

/* A commit under the group of the application that its jobs did not write. */
static void commit_foreign(const char *topic, int64_t offset)
{
    commit_as(topic, offset, "");
}

static void send_describe(struct weir_log *log, void *of)
{
    weir_log_describe_partition(log, of);
}

/* As a job of a later leader epoch would have committed it. */
static void commit_in(int64_t offset, int32_t leader_epoch)
{
    struct weir_arena arena;
    weir_arena_init(&arena, stage.env->budget, 0);
    const struct weir_commit_metadata metadata = {.partition_time_ms = 5000, .end_offset = -1};
    const struct weir_offset_entry entry = {
        .partition = {weir_text("in"), 0},
        .offset = offset,
        .leader_epoch = leader_epoch,
        .metadata = weir_commit_metadata_encode(&metadata, &arena),
    };
    struct weir_commit_request commit = {
        .group = weir_text("app"), .entries = &entry, .entry_count = 1, .is_application = true};
    ask(&commit.request, send_commit, &commit);
    weir_arena_close(&arena);
}

/* As if a job had been there in between: `in` is processed up to its end. */
static void commit_to_end(void)
{
    struct weir_describe_partition_request in = {.of = {weir_text("in"), 0}};
    ask(&in.request, send_describe, &in);
    commit_in(in.log_end_offset, in.leader_epoch);
}

/* ---- whose is it ----------------------------------------------------------------------------- */

/* `app` with store `x-counts` and `app-x` with store `counts` mean one changelog. */
START_TEST(a_changelog_of_another_application_is_refused_and_left_alone)
{
    topics(1);
    stage_topic(&stage, "in2", 1);
    produce(0, "aaa");
    run(count_into(&plan, "in", "x-counts"), WEIR_ON_MISMATCH_REFUSE);
    int64_t end = stage_end(&stage, "app-x-counts-changelog", 0);
    for (int choice = WEIR_ON_MISMATCH_REFUSE; choice <= WEIR_ON_MISMATCH_START_EMPTY; choice++) {
        struct weir_streams_options options =
            *STAGE_OPTIONS(.on_mismatch = (enum weir_on_mismatch)choice);
        options.application_id = "app-x";
        ck_assert_ptr_null(
            stage_try_start(&stage, count_into(&other_plan, "in2", "counts"), &options, &why));
        ck_assert_int_eq(why.code, WEIR_MISMATCH);
        ck_assert_msg(strstr(why.text, "belongs to application 'app'") != NULL, "%s", why.text);
    }
    ck_assert_int_eq(stage_end(&stage, "app-x-counts-changelog", 0), end);
    stage_stop(&stage);
    run(count_into(&plan, "in", "x-counts"), WEIR_ON_MISMATCH_REFUSE);
    expect_count("a", 3);
}
END_TEST

/* What a Kafka Streams application of the same id leaves: data, offsets, nothing of ours. */
START_TEST(a_changelog_that_kafka_streams_left_is_not_cut)
{
    topics(1);
    stage_topic(&stage, "app-counts-changelog", 1);
    stage_produce(&stage, "app-counts-changelog", 0, "a", "3", 1);
    commit_foreign("in", 3);
    for (int choice = WEIR_ON_MISMATCH_REFUSE; choice <= WEIR_ON_MISMATCH_START_EMPTY; choice++) {
        expect_refused(counting(), (enum weir_on_mismatch)choice,
                       "'app-counts-changelog' is not this application's");
    }
    ck_assert_int_eq(stage_end(&stage, "app-counts-changelog", 0), 1);
}
END_TEST

/* Offsets of the group that are not ours, and nothing else: they are gone on from only if told. */
START_TEST(offsets_of_somebody_else_are_gone_on_from_only_if_told)
{
    topics(1);
    produce(0, "aab");
    commit_foreign("in", 2);
    expect_refused(counting(), WEIR_ON_MISMATCH_REFUSE, "did not commit");
    bool goes_on = _i == 0;
    run(counting(), goes_on ? WEIR_ON_MISMATCH_START_EMPTY : WEIR_ON_MISMATCH_REBUILD);
    expect_count("a", goes_on ? 0 : 2);
    expect_count("b", 1);
}
END_TEST

/* A store that hears of its input through a repartition topic misses what was processed as one beside it does, also
 * where that topic is as new as the store. */
START_TEST(a_store_behind_a_new_repartition_topic_would_miss_records)
{
    topics(1);
    produce(0, "aab");
    run(passing(), WEIR_ON_MISMATCH_REFUSE);
    stage_stop(&stage);
    expect_refused(counting_again(), WEIR_ON_MISMATCH_REFUSE, "store 'counts' is new");
    run(counting_again(), WEIR_ON_MISMATCH_REBUILD);
    expect_count("a", 2);
    expect_count("b", 1);
}
END_TEST

START_TEST(a_foreign_commit_does_not_move_the_job)
{
    const char *topic = _i == 0 ? "in" : "app-counts-changelog";
    run_before("aaa");
    int64_t end = stage_end(&stage, "app-counts-changelog", 0);
    commit_foreign(topic, 0); /* past the guard that the log has */
    expect_refused(counting(), WEIR_ON_MISMATCH_REFUSE, "was not committed by this application");
    ck_assert_int_eq(stage_end(&stage, "app-counts-changelog", 0), end);
    run(counting(), WEIR_ON_MISMATCH_REBUILD);
    expect_count("a", 3);
}
END_TEST

/* A version that this program does not read is refused where the start needs it, of a store that the program
 * has left too; of a topic that nobody here knows it is ignored as any other entry is. */
START_TEST(a_commit_of_another_version_matters_where_it_is_needed)
{
    static const char version_1[] = "VwEA";
    run_before("aaa");
    stage_topic(&stage, "elsewhere", 1);
    commit_as("elsewhere", 0, version_1);
    run(counting(), WEIR_ON_MISMATCH_REFUSE);
    expect_count("a", 3);
    stage_stop(&stage);

    commit_as(_i == 0 ? "in" : "app-counts-changelog", 0, version_1);
    for (int choice = WEIR_ON_MISMATCH_REFUSE; choice <= WEIR_ON_MISMATCH_START_EMPTY; choice++) {
        ck_assert_ptr_null(
            stage_try_start(&stage, _i == 2 ? count_into(&other_plan, "in", "others") : counting(),
                            STAGE_OPTIONS(.on_mismatch = (enum weir_on_mismatch)choice), &why));
        ck_assert_int_eq(why.code, WEIR_UNSUPPORTED_VERSION);
        ck_assert_msg(strstr(why.text, "partition 0: commit metadata of version 1, this Weir") !=
                          NULL,
                      "%s", why.text);
    }
}
END_TEST

/* Somebody else's record in the topic of the application's, or a program that reads it. */
START_TEST(the_topic_of_records_is_the_applications_alone)
{
    topics(1);
    stage_topic(&stage, "app-application", 1);
    const struct weir_topology *reads_it = count_into(&plan, "app-application", "counts");
    ck_assert_ptr_null(stage_try_start(&stage, reads_it, STAGE_OPTIONS(0), &why));
    ck_assert_int_eq(why.code, WEIR_INVALID_TOPOLOGY);
    stage_produce(&stage, "app-application", 0, "a", "1", 1);
    ck_assert_ptr_null(stage_try_start(&stage, counting(), STAGE_OPTIONS(0), &why));
    ck_assert_int_eq(why.code, WEIR_CORRUPT);
    ck_assert_msg(strstr(why.text, "'app-application': offset 0") != NULL, "%s", why.text);
}
END_TEST

/* ---- what is gone ---------------------------------------------------------------------------- */

START_TEST(a_changelog_that_is_gone_is_refused)
{
    run_before("aaa");
    delete_topic("app-counts-changelog");
    expect_refused(counting(), WEIR_ON_MISMATCH_REFUSE, "'app-counts-changelog' is gone");
    produce(0, "a");
    bool goes_on = _i == 0;
    run(counting(), goes_on ? WEIR_ON_MISMATCH_START_EMPTY : WEIR_ON_MISMATCH_REBUILD);
    expect_count("a", goes_on ? 1 : 4);
    stage_stop(&stage);
    run(counting(), WEIR_ON_MISMATCH_REFUSE);
    expect_count("a", goes_on ? 1 : 4);
}
END_TEST

/* Somebody has made a topic of that name anew, and nothing is in it: it is as gone as it was. */
START_TEST(an_empty_topic_in_the_place_of_a_changelog_is_refused)
{
    run_before("aaa");
    delete_topic("app-counts-changelog");
    stage_topic(&stage, "app-counts-changelog", 1);
    expect_refused(counting(), WEIR_ON_MISMATCH_REFUSE,
                   "was deleted and made anew by somebody else");
    produce(0, "a");
    bool goes_on = _i == 0;
    run(counting(), goes_on ? WEIR_ON_MISMATCH_START_EMPTY : WEIR_ON_MISMATCH_REBUILD);
    expect_count("a", goes_on ? 1 : 4);
}
END_TEST

/* Cut and written anew: as long as before, and not what the commit covers. */
START_TEST(a_changelog_that_was_written_anew_is_refused)
{
    run_before("abc");
    cut("app-counts-changelog", WEIR_CUT_TAIL, 0);
    for (int i = 0; i < 4; i++)
        stage_produce(&stage, "app-counts-changelog", 0, "a", "7", 1);
    expect_refused(counting(), WEIR_ON_MISMATCH_REFUSE, "was cut at 0 and written anew");
    run(counting(), WEIR_ON_MISMATCH_REBUILD);
    expect_count("a", 1);
}
END_TEST

START_TEST(a_changelog_without_its_head_is_refused)
{
    run_before("abc");
    cut("app-counts-changelog", WEIR_CUT_HEAD, 2);
    expect_refused(counting(), WEIR_ON_MISMATCH_REFUSE, "has lost its records below 2");
}
END_TEST

static void close_log(void)
{
    ck_ok(weir_close(stage.log, &stage.error), &stage.error);
}

/* What stands at half of the partition's only segment rots, and is given up as `weir log repair` does it. */
static void give_up_half_way(const char *folder)
{
    struct weir_log_path segment = weir_log_path(folder, "00000000000000000000.log");
    struct weir_file_stat stat;
    struct weir_repair repair;
    char kept[WEIR_CUT_NAME_SIZE];
    close_log();
    ck_ok(weir_stat(stage.env, segment.text, &stat, &stage.error), &stage.error);
    ck_ok(weir_sim_disk_flip(stage.sim, 0, segment.text, stat.size / 2 + 5, 3), NULL);
    ck_ok(weir_repair_open(&repair, stage.env, folder, 0, &stage.error), &stage.error);
    ck_assert_uint_eq(repair.range_count, 1);
    ck_ok(weir_repair_give_up(&repair, &repair.ranges[0], kept, &stage.error), &stage.error);
    weir_repair_close(&repair);
    ck_ok(weir_repair_open(&repair, stage.env, folder, 0, &stage.error), &stage.error);
    ck_ok(weir_repair_finish(&repair, &stage.error), &stage.error);
    weir_repair_close(&repair);
    stage_revive(&stage);
}

static void run_plan(const struct weir_topology *topology, const char *keys)
{
    produce(0, keys);
    run(topology, WEIR_ON_MISMATCH_REFUSE);
    stage_stop(&stage);
}

static const struct weir_topology *counting_in(enum weir_store_kind kind)
{
    return plan_count(&plan, kind);
}

/* A memory store is made from its changelog alone, as any store whose folder is gone. */
START_TEST(a_store_is_not_restored_from_a_changelog_that_has_lost_records)
{
    topics(1);
    run_plan(counting_in(WEIR_STORE_MEMORY), "aaa");
    run_plan(counting_in(WEIR_STORE_MEMORY), "bb");
    run_plan(counting_in(WEIR_STORE_MEMORY), "c");
    give_up_half_way("data/log/app-counts-changelog-0");
    for (int again = 0; again < 2; again++) {
        expect_refused(counting_in(WEIR_STORE_MEMORY), WEIR_ON_MISMATCH_REFUSE,
                       "which has lost records below");
    }
    produce(0, "b");
    bool goes_on = _i == 0;
    run(counting_in(WEIR_STORE_MEMORY),
        goes_on ? WEIR_ON_MISMATCH_START_EMPTY : WEIR_ON_MISMATCH_REBUILD);
    expect_count("a", goes_on ? 0 : 3);
    expect_count("b", goes_on ? 1 : 3);
    stage_stop(&stage);
    run(counting_in(WEIR_STORE_MEMORY), WEIR_ON_MISMATCH_REFUSE);
    expect_count("b", goes_on ? 1 : 3);
}
END_TEST

/* One that is beyond them on its own disk has them all. */
START_TEST(a_store_that_has_what_its_changelog_has_lost_goes_on)
{
    topics(1);
    run_plan(counting_in(WEIR_STORE_ROCKSDB), "aaa");
    run_plan(counting_in(WEIR_STORE_ROCKSDB), "bb");
    run_plan(counting_in(WEIR_STORE_ROCKSDB), "c");
    give_up_half_way("data/log/app-counts-changelog-0");
    run(counting_in(WEIR_STORE_ROCKSDB), WEIR_ON_MISMATCH_REFUSE);
    expect_count("a", 3);
    expect_count("b", 2);
    expect_count("c", 1);
}
END_TEST

/* An input's loss is its owner's to name: a job steps over it. But no rebuild would count what it has counted. */
START_TEST(an_input_that_has_lost_records_is_not_rebuilt_from)
{
    topics(1);
    run_plan(counting_in(WEIR_STORE_ROCKSDB), "aaab");
    give_up_half_way("data/log/in-0");
    run_plan(counting_in(WEIR_STORE_ROCKSDB), "b");
    run(counting_in(WEIR_STORE_ROCKSDB), WEIR_ON_MISMATCH_REBUILD); /* nothing differs */
    expect_count("a", 3);
    expect_count("b", 2);
    stage_stop(&stage);
    delete_topic("app-counts-changelog");
    expect_refused(counting_in(WEIR_STORE_ROCKSDB), WEIR_ON_MISMATCH_REBUILD,
                   "'in' has removed records");
}
END_TEST

/* The application has committed, and its group knows nothing of it: that is not a first start. */
START_TEST(a_commit_that_is_gone_is_refused)
{
    run_before("aaa");
    forget_commit();
    int64_t end = stage_end(&stage, "app-counts-changelog", 0);
    expect_refused(counting(), WEIR_ON_MISMATCH_REFUSE, "has committed before");
    ck_assert_int_eq(stage_end(&stage, "app-counts-changelog", 0), end);
    produce(0, "a");
    run(counting(), _i == 0 ? WEIR_ON_MISMATCH_START_EMPTY : WEIR_ON_MISMATCH_REBUILD);
    expect_count("a", 4);
}
END_TEST

struct keeping {
    int count;
    int64_t last; /* records from there on stay */
};

/* All keys are written again in each round, so that of the rounds before the last nothing has to stay. */
static enum test_keep keep_hardly_any(void *context, const struct weir_batch_header *header)
{
    static const enum test_keep kinds[] = {TEST_DROP, TEST_EMPTY, TEST_THIN, TEST_DROP};
    struct keeping *keeping = context;
    if (weir_batch_is_control(header) || header->base_offset >= keeping->last) return TEST_KEEP;
    return kinds[keeping->count++ % 4];
}

/* A store whose changelog was compacted, to the last segment, is restored from what is left of it, up to
 * where the commit was. */
START_TEST(a_store_is_restored_over_holes_of_its_changelog)
{
    const struct weir_config small = {"segment.bytes", "150"};
    struct keeping keeping = {0};
    topics(1);
    for (int round = 0; round < 9; round++) {
        keeping.last = round > 0 ? stage_end(&stage, "app-counts-changelog", 0) : 0;
        produce(0, "aabca");
        stage_start(&stage, plan_count(&plan, WEIR_STORE_MEMORY), STAGE_OPTIONS());
        stage_drain(&stage);
        stage_stop(&stage);
        ck_ok(weir_topic_configure(stage.log, "app-counts-changelog", &small, 1, &stage.error),
              &stage.error);
    }
    int64_t end = stage_log_end(&stage, "app-counts-changelog", 0);
    ck_ok(weir_close(stage.log, &stage.error), &stage.error);
    test_compact_folder(stage.env, "data/log/app-counts-changelog-0", keep_hardly_any, &keeping);
    ck_assert_int_ge(keeping.count, 4);
    stage_revive(&stage);
    ck_assert_int_eq(stage_log_end(&stage, "app-counts-changelog", 0), end);
    produce(0, "c");
    stage_start(&stage, plan_count(&plan, WEIR_STORE_MEMORY), STAGE_OPTIONS());
    stage_drain(&stage);
    expect_count("a", 9 * 3);
    expect_count("b", 9);
    expect_count("c", 9 + 1);
}
END_TEST

/* The commit names all ids, so the records can be written anew. */
START_TEST(records_that_are_gone_are_written_anew)
{
    run_before("aaa");
    delete_topic("app-application");
    produce(0, "a");
    run(counting(), WEIR_ON_MISMATCH_REFUSE);
    expect_count("a", 4);
    stage_stop(&stage);
    run(counting(), WEIR_ON_MISMATCH_REFUSE);
    expect_count("a", 4);
}
END_TEST

/* ---- an edited program ----------------------------------------------------------------------- */

START_TEST(a_renamed_store_is_refused_with_the_advice_to_name_it)
{
    run_before("aaa");
    const struct weir_topology *renamed = count_into(&other_plan, "in", "sums");
    expect_refused(renamed, WEIR_ON_MISMATCH_REFUSE, "store 'counts' is not named any more");
    produce(0, "a");
    bool goes_on = _i == 0;
    run(renamed, goes_on ? WEIR_ON_MISMATCH_START_EMPTY : WEIR_ON_MISMATCH_REBUILD);
    expect_count("a", goes_on ? 1 : 4);
    stage_stop(&stage);
    /* The old one has missed a record since. */
    expect_refused(counting(), WEIR_ON_MISMATCH_REFUSE, "'counts' was not part of the program");
    run(counting(), WEIR_ON_MISMATCH_REBUILD);
    expect_count("a", 4);
}
END_TEST

/* Nothing has been processed that the new store would miss. */
/* Nothing has gone through the repartition topic since it was made anew, and the store has counted before. */
START_TEST(a_renamed_store_is_refused_behind_a_topic_that_was_made_anew)
{
    topics(1);
    produce(0, "aab");
    run(plan_repartition(&plan, WEIR_STORE_ROCKSDB), WEIR_ON_MISMATCH_REFUSE);
    expect_count("a", 2);
    stage_stop(&stage);
    delete_topic("app-again-repartition");
    run(plan_repartition(&plan, WEIR_STORE_ROCKSDB), WEIR_ON_MISMATCH_START_EMPTY);
    expect_count("a", 2);
    stage_stop(&stage);
    (void)plan_repartition(&other_plan, WEIR_STORE_ROCKSDB);
    other_plan.stores[0].spec.name = "sums";
    expect_refused(&other_plan.topology, WEIR_ON_MISMATCH_REFUSE, "store 'sums' is new");
    run(&other_plan.topology, WEIR_ON_MISMATCH_REBUILD);
    expect_count("a", 2);
}
END_TEST

START_TEST(a_renamed_store_goes_on_where_nothing_was_processed)
{
    run_before("");
    run(count_into(&other_plan, "in", "sums"), WEIR_ON_MISMATCH_REFUSE);
    produce(0, "a");
    stage_drain(&stage);
    expect_count("a", 1);
}
END_TEST

/* A count beside the one that was there: it would miss what has been processed. */
static const struct weir_topology *counting_twice(void)
{
    (void)count_into(&other_plan, "in", "counts");
    int32_t second = plan_node(&other_plan, 0, WEIR_PLAN_OPERATOR, &stage_count, 0, -1, NULL);
    plan_store(&other_plan, 0, second, "more", WEIR_STORE_ROCKSDB);
    return plan_done(&other_plan);
}

START_TEST(a_new_store_is_refused_where_records_were_processed)
{
    run_before("aaa");
    expect_refused(counting_twice(), WEIR_ON_MISMATCH_REFUSE, "store 'more' is new");
    produce(0, "a");
    bool goes_on = _i == 0;
    run(counting_twice(), goes_on ? WEIR_ON_MISMATCH_START_EMPTY : WEIR_ON_MISMATCH_REBUILD);
    expect_count("a", 4); /* the old one goes on, or is made again */
    /* One change to each key a commit: the new one has heard of the last record, or of all. */
    ck_assert_int_eq(stage_end(&stage, "app-more-changelog", 0), 1);
    char text[128];
    ck_assert_ptr_nonnull(strstr(stage_read(&stage, "app-more-changelog", 0, text, sizeof text),
                                 goes_on ? "a=1@" : "a=4@"));
}
END_TEST

/* Its changelog stays, whole, for who deletes it or names the store again. */
START_TEST(a_store_that_is_not_named_any_more_is_kept)
{
    run_before("aaa");
    stage_topic(&stage, "out", 1);
    int64_t end = stage_end(&stage, "app-counts-changelog", 0);
    produce(0, "b");
    run(plan_filter(&other_plan), WEIR_ON_MISMATCH_REFUSE);
    ck_assert_int_eq(stage_end(&stage, "out", 0), 1);
    ck_assert_int_eq(stage_end(&stage, "app-counts-changelog", 0), end);
}
END_TEST

/* ---- inputs ---------------------------------------------------------------------------------- */

START_TEST(more_partitions_of_an_input_are_refused_where_there_is_state)
{
    topics(1);
    produce(0, "aaaaa");
    run(counting(), WEIR_ON_MISMATCH_REFUSE);
    stage_stop(&stage);
    add_partitions("in", 2);
    produce(0, "aa");
    produce(1, "b");
    expect_refused(counting(), WEIR_ON_MISMATCH_REFUSE, "WEIR_ON_MISMATCH_REBUILD");
    bool goes_on = _i == 0;
    run(counting(), goes_on ? WEIR_ON_MISMATCH_START_EMPTY : WEIR_ON_MISMATCH_REBUILD);
    expect_count("a", goes_on ? 2 : 7);
    ck_assert_uint_eq(stage_stored(&stage, 1, "b"), 1);
}
END_TEST

START_TEST(more_partitions_of_an_input_are_simply_read_without_state)
{
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    produce(0, "ab");
    run(plan_filter(&plan), WEIR_ON_MISMATCH_REFUSE);
    stage_stop(&stage);
    add_partitions("in", 2);
    produce(1, "c");
    run(plan_filter(&plan), WEIR_ON_MISMATCH_REFUSE);
    ck_assert_int_eq(stage_count_records(&stage, "out", 0), 3);
}
END_TEST

START_TEST(an_input_that_is_gone_is_refused_where_there_is_state)
{
    run_before("aaa");
    delete_topic("in");
    expect_refused(counting(), WEIR_ON_MISMATCH_REFUSE, "input topic 'in' is gone");
    expect_refused(counting(), WEIR_ON_MISMATCH_REFUSE, "input topic 'in' is gone");
    run(counting(), _i == 0 ? WEIR_ON_MISMATCH_START_EMPTY : WEIR_ON_MISMATCH_REBUILD);
    produce(0, "a");
    stage_drain(&stage);
    expect_count("a", 1);
}
END_TEST

START_TEST(an_input_made_anew_is_refused_where_there_is_state)
{
    run_before("aaa");
    delete_topic("in");
    stage_topic(&stage, "in", 1);
    produce(0, "a");
    expect_refused(counting(), WEIR_ON_MISMATCH_REFUSE, "was deleted and made anew");
    run(counting(), _i == 0 ? WEIR_ON_MISMATCH_START_EMPTY : WEIR_ON_MISMATCH_REBUILD);
    expect_count("a", 1);
}
END_TEST

/* With fewer partitions it is asked about once, though the commit still names what it had before. */
START_TEST(an_input_made_anew_with_fewer_partitions_is_chosen_about_once)
{
    enum weir_on_mismatch choice =
        _i % 2 == 0 ? WEIR_ON_MISMATCH_START_EMPTY : WEIR_ON_MISMATCH_REBUILD;
    topics(2);
    if (_i < 2) produce(0, "aa");
    produce(1, "b");
    run(counting(), WEIR_ON_MISMATCH_REFUSE);
    stage_stop(&stage);
    delete_topic("in");
    stage_topic(&stage, "in", 1);
    produce(0, "a");
    expect_refused(counting(), WEIR_ON_MISMATCH_REFUSE, "input topic 'in'");
    for (uint64_t count = 1; count <= 3; count++) {
        run(counting(), count < 3 ? choice : WEIR_ON_MISMATCH_REFUSE);
        expect_count("a", count);
        stage_stop(&stage);
        produce(0, "a");
    }
}
END_TEST

START_TEST(an_input_made_anew_is_read_from_its_beginning_without_state)
{
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    produce(0, "ab");
    run(plan_filter(&plan), WEIR_ON_MISMATCH_REFUSE);
    stage_stop(&stage);
    delete_topic("in");
    stage_topic(&stage, "in", 1);
    produce(0, "c");
    run(plan_filter(&plan), WEIR_ON_MISMATCH_REFUSE);
    ck_assert_int_eq(stage_count_records(&stage, "out", 0), 3);
}
END_TEST

static int remove_one(void *context, const char *name, enum weir_file_kind kind)
{
    struct weir_log_path path = weir_log_path(context, name);
    (void)kind;
    return weir_remove(stage.env, path.text, &stage.error);
}

/* From the other node's disk to this one's, into the same folder. */
static int copy_one(void *context, const char *name, enum weir_file_kind kind)
{
    struct weir_env *backup = weir_sim_node(stage.sim, 1);
    struct weir_log_path path = weir_log_path(context, name);
    struct weir_buffer bytes;
    weir_buffer_init(&bytes, stage.env->budget, 0);
    ck_assert_int_eq(kind, WEIR_FILE_REGULAR);
    ck_ok(weir_small_file_read(backup, path.text, 1 << 26, &bytes, &stage.error), &stage.error);
    const struct weir_small_file_replace file = {.env = stage.env,
                                                 .directory = context,
                                                 .name = name,
                                                 .bytes = weir_buffer_slice(&bytes),
                                                 .is_durable = true};
    ck_ok(weir_small_file_replace(&file, &stage.error), &stage.error);
    weir_buffer_close(&bytes);
    return 0;
}

/* The folder of `in` becomes what it was before `keys` were written to it, and the job had run over them
 * and `idle` times over nothing. */
static void put_back_after(const struct weir_topology *topology, const char *keys, int idle)
{
    char folder[] = "data/log/in-0";
    close_log();
    weir_sim_disk_copy(stage.sim, 0, 1);
    stage_revive(&stage);
    produce(0, keys);
    for (int i = 0; i <= idle; i++) {
        run(topology, WEIR_ON_MISMATCH_REFUSE);
        stage_stop(&stage);
    }
    close_log();
    ck_ok(weir_list(stage.env, folder, remove_one, folder, &stage.error), &stage.error);
    ck_ok(weir_list(weir_sim_node(stage.sim, 1), folder, copy_one, folder, &stage.error),
          &stage.error);
    stage_revive(&stage);
    ck_assert_int_eq(stage_end(&stage, "in", 0), 4);
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 7);
}

static void put_back_an_older_folder(void)
{
    run_before("aaab");
    put_back_after(counting(), "aac", 0);
}

START_TEST(an_older_folder_of_an_input_is_refused)
{
    put_back_an_older_folder();
    int64_t end = stage_end(&stage, "app-counts-changelog", 0);
    expect_refused(counting(), WEIR_ON_MISMATCH_REFUSE,
                   "'in' partition 0 ends at 4 in leader epoch 0, and the last commit is at 7 in "
                   "leader epoch 0");
    ck_assert_int_eq(stage_end(&stage, "app-counts-changelog", 0), end);
    bool goes_on = _i == 0;
    run(counting(), goes_on ? WEIR_ON_MISMATCH_START_EMPTY : WEIR_ON_MISMATCH_REBUILD);
    produce(0, "a");
    stage_drain(&stage);
    expect_count("a", goes_on ? 1 : 4);
    expect_count("b", goes_on ? 0 : 1);
    stage_stop(&stage);
    run(counting(), WEIR_ON_MISMATCH_REFUSE);
}
END_TEST

/* Killed, and then put back: its epoch rises with the next open as after a loss of power. But what it lacks was on
 * the disk when it was read, and stays counted otherwise; written to or not, and after a kill of the start. */
START_TEST(an_older_folder_is_refused_after_a_kill_too)
{
    char folder[] = "data/log/in-0";
    run_before("aaab");
    close_log();
    weir_sim_disk_copy(stage.sim, 0, 1);
    stage_revive(&stage);
    produce(0, "aac");
    run(counting(), WEIR_ON_MISMATCH_REFUSE);
    stage_crash(&stage, _i / 4 == 0 ? WEIR_SIM_KILL : WEIR_SIM_POWER);
    close_log();
    ck_ok(weir_list(stage.env, folder, remove_one, folder, &stage.error), &stage.error);
    ck_ok(weir_list(weir_sim_node(stage.sim, 1), folder, copy_one, folder, &stage.error),
          &stage.error);
    stage_revive(&stage);
    stage_crash(&stage, WEIR_SIM_KILL);
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 7);
    bool is_written = _i / 2 % 2 == 1;
    if (is_written) produce(0, "bbbbb");
    expect_refused(counting(), WEIR_ON_MISMATCH_REFUSE,
                   "'in' partition 0 lacks its records 4 to 7, which were processed");
    bool goes_on = _i % 2 == 0;
    run(counting(), goes_on ? WEIR_ON_MISMATCH_START_EMPTY : WEIR_ON_MISMATCH_REBUILD);
    expect_count("a", goes_on ? 0 : 3);
    expect_count("b", (goes_on ? 0U : 1U) + (is_written ? 5U : 0U));
    stage_stop(&stage);
    run(counting(), WEIR_ON_MISMATCH_REFUSE);
}
END_TEST

/* Leader epoch and end are as if nothing had happened: only the records differ. What was written into the
 * copy below the commit would never be read, and what was read from the original would stay counted. */
START_TEST(an_older_folder_that_has_grown_past_the_commit_is_refused)
{
    put_back_an_older_folder();
    produce(0, "bbbbb");
    ck_assert_int_eq(stage_end(&stage, "in", 0), 9);
    int64_t end = stage_end(&stage, "app-counts-changelog", 0);
    expect_refused(counting(), WEIR_ON_MISMATCH_REFUSE,
                   "'in' partition 0 has another record at 6 than the one that was read there, and "
                   "the last commit is at 7");
    ck_assert_int_eq(stage_end(&stage, "app-counts-changelog", 0), end);
    bool goes_on = _i == 0;
    run(counting(), goes_on ? WEIR_ON_MISMATCH_START_EMPTY : WEIR_ON_MISMATCH_REBUILD);
    expect_count("a", goes_on ? 0 : 3);
    expect_count("b", goes_on ? 2 : 6);
    expect_count("c", 0);
    stage_stop(&stage);
    run(counting(), WEIR_ON_MISMATCH_REFUSE);
}
END_TEST

/* The program without a store skips them too: what to do about it is asked, not noted. */
START_TEST(so_it_is_without_a_store)
{
    topics(1);
    produce(0, "aaab");
    run(passing(), WEIR_ON_MISMATCH_REFUSE);
    stage_stop(&stage);
    put_back_after(passing(), "aac", 0);
    produce(0, "bbbbb");
    expect_refused(passing(), WEIR_ON_MISMATCH_REFUSE, "has another record at 6");
    run(passing(), WEIR_ON_MISMATCH_START_EMPTY);
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 9);
}
END_TEST

/* What retention has taken, and what compaction may have rewritten, cannot be compared. */
START_TEST(what_was_read_last_may_be_gone)
{
    run_before("aaab");
    if (_i == 0) cut("in", WEIR_CUT_HEAD, 4);
    if (_i == 1) compacted("in");
    close_log();
    stage_revive(&stage);
    produce(0, "b");
    run(counting(), WEIR_ON_MISMATCH_REFUSE);
    expect_count("a", 3);
    expect_count("b", 2);
}
END_TEST

/* A start that reads nothing keeps saying what was read last. */
START_TEST(a_start_without_records_keeps_what_was_read_last)
{
    run_before("aaab");
    put_back_after(counting(), "aac", 2);
    produce(0, "bbbbb");
    expect_refused(counting(), WEIR_ON_MISMATCH_REFUSE, "has another record at 6");
}
END_TEST

/* Of a damaged log without a mark only what lies below the damage is known. That its end is below the
 * commit says nothing of a copy: choosing would process again what a repair brings back. */
START_TEST(a_damaged_input_is_not_an_older_copy)
{
    static const char segment[] = "data/log/in-0/00000000000000000000.log";
    struct weir_file_stat stat;
    run_before("aaab");
    close_log();
    ck_ok(weir_stat(stage.env, segment, &stat, &stage.error), &stage.error);
    ck_ok(weir_sim_disk_flip(stage.sim, 0, segment, stat.size / 2 + 5, 3), NULL);
    ck_ok(weir_remove(stage.env, "data/log/in-0/durable-mark", &stage.error), &stage.error);
    ck_ok(weir_remove(stage.env, "data/log/in-0/durable-mark.copy", &stage.error), &stage.error);
    stage_revive(&stage);
    for (int choice = WEIR_ON_MISMATCH_REFUSE; choice <= WEIR_ON_MISMATCH_START_EMPTY; choice++) {
        expect_refused(counting(), (enum weir_on_mismatch)choice,
                       "input topic 'in' partition 0 is damaged from offset 2 on, and the last "
                       "commit is at 4");
    }
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 4);
}
END_TEST

/* The log is of before the epoch that the commit names. It is not read again from its start: that
 * would count every record twice. */
START_TEST(an_input_of_a_lower_epoch_is_gone_on_with_where_it_ends)
{
    run_before("aaa");
    commit_in(_i == 0 ? 5 : 2, 9);
    expect_refused(counting(), WEIR_ON_MISMATCH_REFUSE, "in leader epoch 9");
    run(counting(), WEIR_ON_MISMATCH_START_EMPTY);
    produce(0, "bb");
    stage_drain(&stage);
    expect_count("a", _i == 0 ? 0 : 1);
    expect_count("b", 2);
}
END_TEST

/* A table over such a topic is what the topic says. */
START_TEST(a_table_of_an_older_topic_is_what_it_says)
{
    stage_topic(&stage, "in", 1);
    compacted("in");
    produce(0, "abc");
    run(table(), WEIR_ON_MISMATCH_REFUSE);
    stage_stop(&stage);
    commit_in(8, 9);
    expect_refused(table(), WEIR_ON_MISMATCH_REFUSE, "in leader epoch 9");
    run(table(), WEIR_ON_MISMATCH_START_EMPTY);
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 3);
    produce(0, "d");
    stage_drain(&stage);
    expect_count("a", 1);
    expect_count("d", 1);
}
END_TEST

START_TEST(a_rebuild_is_refused_where_the_inputs_beginning_is_gone)
{
    run_before("abc");
    cut("in", WEIR_CUT_HEAD, 1);
    delete_topic("app-counts-changelog");
    expect_refused(counting(), WEIR_ON_MISMATCH_REBUILD, "'in' has removed records");
    run(counting(), WEIR_ON_MISMATCH_START_EMPTY);
}
END_TEST

/* ---- power and kill -------------------------------------------------------------------------- */

static void os_topic(const char *name)
{
    const struct weir_config configs[] = {{"message.timestamp.after.max.ms", "9223372036854775807"},
                                          {"retention.ms", "-1"},
                                          {"flush.policy", "os"}};
    ck_ok(weir_topic_create(stage.log, name, 1, configs, 3, &stage.error), &stage.error);
}

/* The input's tail goes with the power, the commit that names it does not; new records take its
 * offsets. They are read, all of them. */
START_TEST(no_record_is_skipped_behind_a_lost_tail)
{
    int lost = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        stage_open(&stage, seed);
        os_topic("in");
        stage_topic(&stage, "counts", 1);
        produce(0, "aaaaa");
        run(counting(), WEIR_ON_MISMATCH_REFUSE);
        stage_crash(&stage, WEIR_SIM_POWER);
        lost += stage_end(&stage, "in", 0) < stage_committed(&stage, "in", 0);
        produce(0, "bbbbbbb");
        run(counting(), WEIR_ON_MISMATCH_REFUSE);
        expect_count("b", 7);
        expect_count("a", 5);
        stage_close(&stage);
    }
    ck_assert_int_gt(lost, 0); /* or nothing was shown */
}
END_TEST

/* A table whose topic serves as its changelog is what its topic says: rows of records that were lost with
 * the power do not stay, even where others have taken their offsets before the store is looked at. */
START_TEST(a_table_forgets_rows_of_a_lost_tail)
{
    bool is_committed =
        _i == 1; /* the store was not there when the job went on: its position is within
                                    what is committed, and of an epoch that ended below it */
    int lost = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        stage_open(&stage, seed);
        os_topic("in");
        compacted("in");
        produce(0, "a");
        run(table(), WEIR_ON_MISMATCH_REFUSE);
        stage_stop(&stage);
        weir_sim_advance_ms(stage.sim, 60000);
        produce(0, "bcd");
        run(table(), WEIR_ON_MISMATCH_REFUSE);
        stage_stop(&stage);
        stage_crash(&stage, WEIR_SIM_POWER);
        bool is_lost = stage_end(&stage, "in", 0) <= 1;
        lost += is_lost;
        produce(0, "efghij");
        if (is_committed) commit_to_end();
        run(table(), WEIR_ON_MISMATCH_REFUSE);
        if (is_lost) expect_count("d", 0);
        expect_count("e", 1);
        expect_count("j", 1);
        stage_close(&stage);
    }
    ck_assert_int_gt(lost, 0);
}
END_TEST

/* Whatever the log's own default is: what a commit names is on the disk. */
START_TEST(a_job_starts_after_power_loss_whatever_the_flush_policy)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        stage_open_os(&stage, seed);
        topics(1);
        stage_start(&stage, counting(), STAGE_OPTIONS(0));
        for (int round = 0; round < 4; round++) {
            produce(0, "aaaaa");
            stage_drain(&stage);
            weir_sim_advance_ms(stage.sim, 300);
        }
        stage_crash(&stage, WEIR_SIM_POWER);
        run(counting(), WEIR_ON_MISMATCH_REFUSE);
        stage_close(&stage);
    }
}
END_TEST

/* One life of a stage with a crash at disk operation `at` of a start under a choice; false: the
 * start needs fewer operations. */
static bool crash_in_start(const struct weir_topology *topology, enum weir_on_mismatch choice,
                           uint64_t at, int kind)
{
    bool has_crashed = stage_start_crashing(&stage, topology, STAGE_OPTIONS(.on_mismatch = choice),
                                            at, kind, &why);
    ck_assert_msg(has_crashed || stage.streams != NULL, "at %d: %s", (int)at, why.text);
    return has_crashed;
}

enum crash_case {
    FIRST_START,
    LATER_START,
    EMPTIED,
    REBUILT,
    MORE_EMPTIED,
    MORE_REBUILT,
    FORGOTTEN_EMPTIED,
    CRASH_CASES,
};

/* Up to the start that is crashed. */
static enum weir_on_mismatch prepare(enum crash_case which, uint64_t seed)
{
    stage_open(&stage, seed);
    topics(1);
    produce(0, "aab");
    if (which == FIRST_START) return WEIR_ON_MISMATCH_REFUSE;
    run(counting(), WEIR_ON_MISMATCH_REFUSE);
    if (which == LATER_START) {
        produce(0, "a");
        weir_sim_advance_ms(stage.sim, 1 + (int64_t)(seed % 100)); /* within a commit interval */
        stage_crash(&stage, WEIR_SIM_KILL);
        return WEIR_ON_MISMATCH_REFUSE;
    }
    stage_stop(&stage);
    if (which == EMPTIED || which == REBUILT) {
        delete_topic("app-counts-changelog");
    } else if (which == FORGOTTEN_EMPTIED) {
        forget_commit();
    } else {
        add_partitions("in", 2);
    }
    produce(0, "a");
    bool is_emptied = which == EMPTIED || which == MORE_EMPTIED || which == FORGOTTEN_EMPTIED;
    return is_emptied ? WEIR_ON_MISMATCH_START_EMPTY : WEIR_ON_MISMATCH_REBUILD;
}

/* A kill or a loss of power at any step of a start never refuses the next one, and a choice that
 * was made is not made undone. */
START_TEST(a_start_that_is_killed_at_any_step_is_gone_on_with)
{
    static const uint64_t counts[] = {
        [FIRST_START] = 2,  [LATER_START] = 3,  [EMPTIED] = 1,          [REBUILT] = 3,
        [MORE_EMPTIED] = 1, [MORE_REBUILT] = 3, [FORGOTTEN_EMPTIED] = 3};
    enum crash_case which = (enum crash_case)(_i / 4);
    uint64_t at = 0;
    uint64_t held = 0; /* crash points after which nobody had to choose again */
    for (bool has_crashed = true; has_crashed;) {
        enum weir_on_mismatch choice = prepare(which, at);
        int64_t records = which >= EMPTIED ? stage_end(&stage, "app-application", 0) : 0;
        has_crashed = crash_in_start(counting(), choice, ++at, _i % 4);
        /* Before the choice is written down, it is to be made again. */
        if (has_crashed) {
            stage.streams = stage_try_start(&stage, counting(), STAGE_OPTIONS(0), &why);
            bool is_written = which >= EMPTIED && stage_end(&stage, "app-application", 0) > records;
            bool may_ask = which >= EMPTIED && why.code == WEIR_MISMATCH && !is_written;
            ck_assert_msg(stage.streams != NULL || may_ask, "at %d: %s", (int)at, why.text);
            held += stage.streams != NULL;
            if (stage.streams == NULL) {
                stage_start(&stage, counting(), STAGE_OPTIONS(.on_mismatch = choice));
            }
        }
        stage_drain(&stage);
        expect_count("a", counts[which]);
        stage_close(&stage);
    }
    ck_assert_uint_gt(held, 4);
}
END_TEST

/* Several starts in a row are killed before one comes through. */
START_TEST(starts_that_are_killed_one_after_the_other_are_gone_on_with)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        enum crash_case which = (enum crash_case)(seed % 2);
        (void)prepare(which, seed);
        for (uint64_t i = 0; i < 6; i++) {
            uint64_t at = 1 + weir_sim_random(stage.sim) % 25;
            if (!crash_in_start(counting(), WEIR_ON_MISMATCH_REFUSE, at, (int)(seed + i) % 4)) {
                stage_crash(&stage, i % 2 ? WEIR_SIM_POWER : WEIR_SIM_KILL);
            }
        }
        run(counting(), WEIR_ON_MISMATCH_REFUSE);
        expect_count("a", which == FIRST_START ? 2 : 3);
        stage_close(&stage);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("restart");
    tcase_add_checked_fixture(tests, open_stage, close_stage);
    tcase_add_test(tests, a_changelog_of_another_application_is_refused_and_left_alone);
    tcase_add_test(tests, a_changelog_that_kafka_streams_left_is_not_cut);
    tcase_add_loop_test(tests, offsets_of_somebody_else_are_gone_on_from_only_if_told, 0, 2);
    tcase_add_test(tests, a_store_behind_a_new_repartition_topic_would_miss_records);
    tcase_add_loop_test(tests, a_foreign_commit_does_not_move_the_job, 0, 2);
    tcase_add_loop_test(tests, a_commit_of_another_version_matters_where_it_is_needed, 0, 3);
    tcase_add_test(tests, the_topic_of_records_is_the_applications_alone);
    tcase_add_loop_test(tests, a_changelog_that_is_gone_is_refused, 0, 2);
    tcase_add_loop_test(tests, an_empty_topic_in_the_place_of_a_changelog_is_refused, 0, 2);
    tcase_add_loop_test(tests, a_new_store_is_refused_where_records_were_processed, 0, 2);
    tcase_add_test(tests, a_store_that_is_not_named_any_more_is_kept);
    tcase_add_loop_test(tests, an_input_that_is_gone_is_refused_where_there_is_state, 0, 2);
    tcase_add_test(tests, a_changelog_that_was_written_anew_is_refused);
    tcase_add_test(tests, a_changelog_without_its_head_is_refused);
    tcase_add_loop_test(tests, a_store_is_not_restored_from_a_changelog_that_has_lost_records, 0,
                        2);
    tcase_add_test(tests, a_store_that_has_what_its_changelog_has_lost_goes_on);
    tcase_add_test(tests, an_input_that_has_lost_records_is_not_rebuilt_from);
    tcase_add_loop_test(tests, a_commit_that_is_gone_is_refused, 0, 2);
    tcase_add_test(tests, a_store_is_restored_over_holes_of_its_changelog);
    tcase_add_test(tests, records_that_are_gone_are_written_anew);
    tcase_add_loop_test(tests, a_renamed_store_is_refused_with_the_advice_to_name_it, 0, 2);
    tcase_add_test(tests, a_renamed_store_goes_on_where_nothing_was_processed);
    tcase_add_test(tests, a_renamed_store_is_refused_behind_a_topic_that_was_made_anew);
    tcase_add_loop_test(tests, more_partitions_of_an_input_are_refused_where_there_is_state, 0, 2);
    tcase_add_test(tests, more_partitions_of_an_input_are_simply_read_without_state);
    tcase_add_loop_test(tests, an_input_made_anew_is_refused_where_there_is_state, 0, 2);
    tcase_add_loop_test(tests, an_input_made_anew_with_fewer_partitions_is_chosen_about_once, 0, 4);
    tcase_add_test(tests, an_input_made_anew_is_read_from_its_beginning_without_state);
    tcase_add_test(tests, a_damaged_input_is_not_an_older_copy);
    tcase_add_loop_test(tests, an_older_folder_of_an_input_is_refused, 0, 2);
    tcase_add_loop_test(tests, an_older_folder_is_refused_after_a_kill_too, 0, 8);
    tcase_add_loop_test(tests, an_older_folder_that_has_grown_past_the_commit_is_refused, 0, 2);
    tcase_add_test(tests, so_it_is_without_a_store);
    tcase_add_loop_test(tests, what_was_read_last_may_be_gone, 0, 2);
    tcase_add_test(tests, a_start_without_records_keeps_what_was_read_last);
    tcase_add_loop_test(tests, an_input_of_a_lower_epoch_is_gone_on_with_where_it_ends, 0, 2);
    tcase_add_test(tests, a_table_of_an_older_topic_is_what_it_says);
    tcase_add_test(tests, a_rebuild_is_refused_where_the_inputs_beginning_is_gone);
    suite_add_tcase(suite, tests);

    TCase *crashes = tcase_create("crashes"); /* each opens stages of its own */
    tcase_set_timeout(crashes, 120);
    tcase_add_test(crashes, no_record_is_skipped_behind_a_lost_tail);
    tcase_add_loop_test(crashes, a_table_forgets_rows_of_a_lost_tail, 0, 2);
    tcase_add_test(crashes, a_job_starts_after_power_loss_whatever_the_flush_policy);
    tcase_add_loop_test(crashes, a_start_that_is_killed_at_any_step_is_gone_on_with, 0,
                        4 * CRASH_CASES);
    tcase_add_test(crashes, starts_that_are_killed_one_after_the_other_are_gone_on_with);
    suite_add_tcase(suite, crashes);
}

int main(void)
{
    return weir_test_main("restart", add);
}
