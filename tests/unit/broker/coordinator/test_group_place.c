#include <stdio.h>
#include <string.h>

#include "broker/coordinator/group_hash.h"
#include "tests/unit/broker/engine/engine_fixture.h"

/* Where groups are, and how they come there from a directory of before. */
enum { GROUPS = 40, PARTITIONS = 8 };

static struct engine engine;

/* Java's hashes of these texts, and of none. */
START_TEST(the_hash_is_javas)
{
    ck_assert_int_eq(weir_group_hash(weir_text("")), 0);
    ck_assert_int_eq(weir_group_hash(weir_text("a")), 97);
    ck_assert_int_eq(weir_group_hash(weir_text("hello")), 99162322);
    ck_assert_int_eq(weir_group_hash(weir_text("polygenelubricants")), INT32_MIN);
    ck_assert_int_eq(weir_group_partition(weir_text("polygenelubricants"), 50), 0);
    ck_assert_int_eq(weir_group_hash(weir_text("\xc3\xa4")), 0xe4);
    ck_assert_int_eq(weir_group_hash(weir_text("\xe2\x82\xac")), 0x20ac);
    ck_assert_int_eq(weir_group_hash(weir_text("\xf0\x9f\x98\x80")), 0xd83d * 31 + 0xde00);
    /* What is no UTF-8 has a place too. */
    ck_assert_int_eq(weir_group_hash(weir_text("\xff")), 0xfffd);
    ck_assert_int_eq(weir_group_hash(weir_text("\xe2\x82")), 0xfffd * 31 + 0xfffd);
}
END_TEST

static void commit_all(int64_t offset)
{
    for (int i = 0; i < GROUPS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "group-%d", i);
        ck_ok(engine_commit(&engine, name, "clicks", i % 2, offset + i), &engine.error);
    }
}

static void expect_all(int64_t offset)
{
    for (int i = 0; i < GROUPS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "group-%d", i);
        ck_assert_int_eq(engine_committed(&engine, name, "clicks", i % 2), offset + i);
        ck_assert_int_eq(engine_committed(&engine, name, "clicks", 1 - i % 2), -1);
    }
}

static size_t count_groups(int32_t partition)
{
    struct weir_arena arena;
    struct weir_list_groups_request request = {.base = {.arena = &arena},
                                               .offsets_partition = partition};
    weir_arena_init(&arena, engine.env->budget, 0);
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &request.base.request, NULL), 0);
    weir_broker_group_list(engine.broker, &request);
    ck_ok(weir_broker_wait(engine.broker, &request.base.request, &engine.error), &engine.error);
    for (size_t i = 0; i < request.group_count; i++) {
        ck_assert_int_eq(weir_group_partition(request.groups[i].group, PARTITIONS), partition);
    }
    weir_arena_close(&arena);
    return request.group_count;
}

static void expect_spread(void)
{
    size_t count = 0;
    size_t used = 0;
    for (int32_t p = 0; p < PARTITIONS; p++) {
        size_t here = count_groups(p);
        count += here;
        used += here > 0;
    }
    ck_assert_uint_eq(count, GROUPS);
    ck_assert_uint_ge(used, PARTITIONS / 2);
}

/* Of one partition, with groups in it. */
static void make_older(uint64_t seed)
{
    engine_init(&engine, seed);
    engine.options.offsets_topic_num_partitions = 1;
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 2), &engine.error);
    commit_all(100);
    ck_ok(engine_close(&engine), &engine.error);
    engine.options.offsets_topic_num_partitions = PARTITIONS;
}

/* An older directory has its one partition of groups spread over more, once, and keeps every offset. A program that opens
 * it afterwards without a setting takes the partitions as they are. */
START_TEST(an_older_directory_is_spread_once)
{
    make_older(1);
    ck_ok(engine_open(&engine), &engine.error);
    expect_all(100);
    expect_spread();
    int64_t end = engine_latest(&engine, "__consumer_offsets", 0);
    commit_all(200);
    ck_ok(engine_close(&engine), &engine.error);

    engine.options.offsets_topic_num_partitions = 1;
    ck_ok(engine_open(&engine), &engine.error);
    expect_all(200);
    expect_spread();
    ck_assert_int_ge(engine_latest(&engine, "__consumer_offsets", 0), end);
    engine_end(&engine);
}
END_TEST

/* Whichever write to the disk the machine stops at, with its power or without, the next start goes on; no offset is
 * lost or comes back from before. */
START_TEST(a_crash_at_any_write_loses_nothing)
{
    enum { STEP = 3 };
    int crashes = 0;
    for (uint64_t at = 1;; at += STEP) {
        make_older(1000 + at);
        weir_sim_disk_count_reset(engine.sim, 0);
        weir_sim_disk_plan(
            engine.sim, 0,
            (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_CRASH,
                                         .at = at,
                                         .crash = _i == 0 ? WEIR_SIM_POWER : WEIR_SIM_KILL});
        int rc = engine_open(&engine);
        if (rc == 0) (void)engine_committed(&engine, "group-0", "clicks", 0);
        bool has_crashed = weir_sim_has_crashed(engine.sim, 0);
        weir_sim_disk_plan(engine.sim, 0, (struct weir_sim_fault_plan){0});
        if (has_crashed) {
            crashes++;
            engine_forget(&engine);
            ck_ok(engine_open(&engine), &engine.error);
        }
        expect_all(100);
        expect_spread();
        engine_end(&engine);
        if (!has_crashed) break;
    }
    ck_assert_int_gt(crashes, 10);
}
END_TEST

/* What a member that nobody knows is told: whether groups are served, or are being moved. */
static int ask_as_member(void)
{
    struct weir_arena arena;
    weir_arena_init(&arena, engine.env->budget, 0);
    struct weir_group_heartbeat_request request = {
        .base = {.group = weir_text("group-0"), .arena = &arena},
        .member = {.member_id = weir_text("nobody")},
        .generation = 1};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &request.base.request, NULL), 0);
    weir_broker_group_heartbeat(engine.broker, &request);
    int rc = weir_broker_wait(engine.broker, &request.base.request, &engine.error);
    weir_arena_close(&arena);
    return rc;
}

/* Groups of a directory that this version has made are where they belong: after a crash members are served at once, and
 * not told to come again. An older one is looked through first. */
START_TEST(a_new_directory_is_not_looked_through)
{
    engine_init(&engine, 5);
    engine.options.offsets_topic_num_partitions = PARTITIONS;
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 2), &engine.error);
    commit_all(100);
    engine_crash(&engine, WEIR_SIM_KILL);
    ck_ok(engine_open(&engine), &engine.error);
    ck_code(ask_as_member(), WEIR_UNKNOWN_MEMBER_ID);
    expect_all(100);
    expect_spread();
    engine_end(&engine);

    make_older(6);
    ck_ok(engine_open(&engine), &engine.error);
    ck_code(ask_as_member(), WEIR_LOCKED);
    expect_all(100);
    engine_end(&engine);
}
END_TEST

/* ---- a group that cannot be moved yet ---------------------------------------------------------- */

struct told {
    int notes;
    int warnings;
};

static void note_told(void *context, enum weir_log_level level, const char *line, size_t size)
{
    struct told *told = context;
    if (memmem(line, size, "groups.not_placed", strlen("groups.not_placed")) == NULL) return;
    ck_assert_ptr_nonnull(memmem(line, size, "open transaction", strlen("open transaction")));
    told->notes += level == WEIR_LOG_INFO;
    told->warnings += level == WEIR_LOG_WARN;
}

/* A producer has it open and dies. */
static void leave_pending(const char *group, int64_t offset)
{
    struct weir_init_transactions_request init = {
        .base = {.transactional_id = weir_text("copier"),
                 .producer_id = -1,
                 .producer_epoch = -1,
                 .is_version_2 = true},
        .timeout_ms = 60000,
    };
    ck_ok(weir_broker_wait_begin(engine.broker, &init.base.request, NULL), NULL);
    weir_broker_init_transactions(engine.broker, &init);
    ck_ok(weir_broker_wait(engine.broker, &init.base.request, &engine.error), &engine.error);
    struct weir_offset_entry entry = {.partition = {weir_text("clicks"), 0}, .offset = offset};
    struct weir_commit_request commit = {.group = weir_text(group),
                                         .entries = &entry,
                                         .entry_count = 1,
                                         .generation = -1,
                                         .transactional_id = weir_text("copier"),
                                         .producer_id = init.producer_id,
                                         .producer_epoch = init.producer_epoch,
                                         .is_transaction_version_2 = true};
    ck_ok(weir_broker_wait_begin(engine.broker, &commit.request, NULL), NULL);
    weir_broker_commit_offsets(engine.broker, &commit);
    ck_ok(weir_broker_wait(engine.broker, &commit.request, &engine.error), &engine.error);
}

/* Its transaction's timeout ends that, and nobody has to do anything: it is said, and is no warning. */
START_TEST(an_open_transaction_is_no_warning)
{
    struct told told = {0};
    engine_init(&engine, 8);
    engine.options.offsets_topic_num_partitions = 1;
    engine.options.transactions = weir_txn_settings_default();
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 2), &engine.error);
    commit_all(100);
    leave_pending("group-0", 7);
    engine_crash(&engine, WEIR_SIM_KILL);
    engine.options.offsets_topic_num_partitions = PARTITIONS;
    engine.env->logger = (struct weir_logger){note_told, &told, WEIR_LOG_INFO};
    ck_ok(engine_open(&engine), &engine.error);
    int rc = WEIR_LOCKED;
    for (int i = 0; i < 200 && rc == WEIR_LOCKED; i++) {
        rc = ask_as_member();
        weir_sim_advance_ms(engine.sim, 1000);
    }
    ck_code(rc, WEIR_UNKNOWN_MEMBER_ID);
    ck_assert_int_gt(told.notes, 0);
    ck_assert_int_eq(told.warnings, 0);
    expect_all(100);
    expect_spread();
    engine_end(&engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("places");
    tcase_add_test(tests, the_hash_is_javas);
    tcase_add_test(tests, an_older_directory_is_spread_once);
    tcase_add_loop_test(tests, a_crash_at_any_write_loses_nothing, 0, 2);
    tcase_add_test(tests, a_new_directory_is_not_looked_through);
    tcase_add_test(tests, an_open_transaction_is_no_warning);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("group places", add);
}
