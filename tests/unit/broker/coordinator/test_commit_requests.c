#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/uuid.h"
#include "tests/unit/broker/engine/engine_fixture.h"

/* What a commit, and the question what was committed, may say: each bound from both sides. */
enum { GROUP_SIZE_MAX = INT16_MAX, METADATA_SIZE_MAX = 4096, ENTRIES_MAX = 100000 };

static struct engine engine;
static struct weir_offset_entry entries[ENTRIES_MAX + 1];
static uint8_t letters[GROUP_SIZE_MAX + 1];

static struct weir_offset_entry an_entry(void)
{
    return (struct weir_offset_entry){.partition = {weir_text("clicks"), 0},
                                      .offset = 7,
                                      .leader_epoch = -1,
                                      .metadata = weir_text("note")};
}

static void open_engine(void)
{
    engine_init(&engine, 1);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    memset(letters, 'a', sizeof letters);
    entries[0] = an_entry();
}

static int commit(struct weir_slice group, size_t entry_count)
{
    struct weir_commit_request request = {
        .group = group, .entries = entries, .entry_count = entry_count};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &request.request, NULL), 0);
    weir_broker_commit_offsets(engine.broker, &request);
    return weir_broker_wait(engine.broker, &request.request, &engine.error);
}

/* All of a group, into `arena`. */
static int committed(struct weir_slice group, struct weir_arena *arena, size_t *count_out)
{
    struct weir_committed_request request = {.group = group, .arena = arena};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &request.request, NULL), 0);
    weir_broker_committed(engine.broker, &request);
    int rc = weir_broker_wait(engine.broker, &request.request, &engine.error);
    *count_out = request.entry_count;
    return rc;
}

/* Whoever asks for partitions by name is told all of each, whatever stood in the entry: no offset, no
 * epoch, no metadata and no topic id for what was never committed, before the first commit and after. */
START_TEST(what_was_never_committed_is_told_as_none)
{
    struct weir_arena arena;
    static const struct weir_uuid none;
    open_engine();
    weir_arena_init(&arena, engine.env->budget, 0);
    entries[0].leader_epoch = 0;
    for (int round = 0; round < 2; round++) {
        struct weir_offset_entry asked[2] = {an_entry(), an_entry()};
        for (int32_t i = 0; i < 2; i++) {
            asked[i].partition.partition = i;
            asked[i].leader_epoch = 3;
            memset(&asked[i].topic_id, 0xff, sizeof asked[i].topic_id);
        }
        struct weir_committed_request request = {
            .group = weir_text("group"), .entries = asked, .entry_count = 2, .arena = &arena};
        ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &request.request, NULL), 0);
        weir_broker_committed(engine.broker, &request);
        ck_ok(weir_broker_wait(engine.broker, &request.request, &engine.error), &engine.error);
        for (int32_t i = round; i < 2; i++) {
            ck_assert_int_eq(asked[i].offset, -1);
            ck_assert_int_eq(asked[i].leader_epoch, -1);
            ck_assert(weir_slice_is_null(asked[i].metadata));
            ck_assert(weir_uuid_equal(asked[i].topic_id, none));
        }
        if (round == 0) {
            ck_ok(commit(weir_text("group"), 1), &engine.error);
            continue;
        }
        ck_assert_int_eq(asked[0].offset, 7);
        ck_assert_int_eq(asked[0].leader_epoch, 0);
        ck_assert(weir_slice_equal(asked[0].metadata, weir_text("note")));
        ck_assert(!weir_uuid_equal(asked[0].topic_id, none));
    }
    weir_arena_close(&arena);
    engine_end(&engine);
}
END_TEST

/* A group has a name of 1 to 32,767 bytes, for who commits and for who asks: also before the first
 * commit has made the topic, and after. */
START_TEST(a_group_has_a_name)
{
    struct weir_arena arena;
    size_t count;
    open_engine();
    weir_arena_init(&arena, engine.env->budget, 0);
    const struct weir_slice bad[] = {weir_null(), weir_text(""),
                                     weir_slice(letters, GROUP_SIZE_MAX + 1)};
    const struct weir_slice good[] = {weir_text("a"), weir_slice(letters, GROUP_SIZE_MAX)};
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            ck_code(committed(bad[i], &arena, &count), WEIR_INVALID_ARGUMENT);
            ck_code(commit(bad[i], 1), WEIR_INVALID_ARGUMENT);
        }
        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
            ck_ok(committed(good[i], &arena, &count), &engine.error);
            ck_assert_uint_eq(count, (size_t)round);
            ck_ok(commit(good[i], 1), &engine.error);
        }
    }
    weir_arena_close(&arena);
    engine_end(&engine);
}
END_TEST

/* Whoever asks for all has to say where to put them. */
START_TEST(all_offsets_of_a_group_need_an_arena)
{
    size_t count;
    open_engine();
    ck_code(committed(weir_text("group"), NULL, &count), WEIR_INVALID_ARGUMENT);
    ck_ok(commit(weir_text("group"), 1), &engine.error);
    ck_code(committed(weir_text("group"), NULL, &count), WEIR_INVALID_ARGUMENT);
    engine_end(&engine);
}
END_TEST

/* One commit has 1 to 100,000 offsets, and the last of them counts as the first. */
START_TEST(a_commit_has_a_number_of_offsets)
{
    open_engine();
    for (int32_t i = 0; i <= ENTRIES_MAX; i++) {
        entries[i] = an_entry();
        entries[i].metadata = weir_text("");
        entries[i].offset = i;
    }
    ck_code(commit(weir_text("group"), 0), WEIR_INVALID_ARGUMENT);
    ck_code(commit(weir_text("group"), ENTRIES_MAX + 1), WEIR_INVALID_ARGUMENT);
    ck_assert_int_eq(engine_committed(&engine, "group", "clicks", 0), -1);
    ck_ok(commit(weir_text("group"), ENTRIES_MAX), &engine.error);
    ck_assert_int_eq(engine_committed(&engine, "group", "clicks", 0), ENTRIES_MAX - 1);
    engine_end(&engine);
}
END_TEST

/* Metadata has 4,096 bytes at most, an offset is 0 or more, a topic has a name: the first of several
 * as well as the last. A tombstone says neither offset nor metadata, and nobody looks at them. */
START_TEST(each_offset_of_a_commit_is_looked_at)
{
    open_engine();
    const struct weir_slice group = weir_text("group");
    for (size_t i = 0; i < 2; i++) {
        entries[0] = entries[1] = an_entry();
        entries[i].metadata = weir_slice(letters, METADATA_SIZE_MAX);
        ck_ok(commit(group, 2), &engine.error);
        entries[i].metadata = weir_slice(letters, METADATA_SIZE_MAX + 1);
        ck_code(commit(group, 2), WEIR_TOO_LARGE);
        entries[i].is_tombstone = true;
        ck_ok(commit(group, 2), &engine.error);

        entries[i] = an_entry();
        entries[i].offset = 0;
        ck_ok(commit(group, 2), &engine.error);
        entries[i].offset = -1;
        ck_code(commit(group, 2), WEIR_INVALID_ARGUMENT);
        entries[i].is_tombstone = true;
        ck_ok(commit(group, 2), &engine.error);

        entries[i] = an_entry();
        entries[i].partition.topic = weir_text("a/b");
        ck_code(commit(group, 2), WEIR_INVALID_TOPIC);
    }
    engine_end(&engine);
}
END_TEST

/* Each group's commits lie in one partition, of as many as there are, and are found there again. */
START_TEST(a_group_has_its_partition)
{
    enum { PARTITIONS = 4, GROUPS = 16 };
    char group[16];
    open_engine();
    ck_ok(engine_close(&engine), &engine.error);
    engine.options.offsets_topic_num_partitions = PARTITIONS;
    ck_ok(engine_open(&engine), &engine.error);
    for (int round = 0; round < 2; round++) {
        for (int64_t i = 0; i < GROUPS; i++) {
            (void)snprintf(group, sizeof group, "group-%d", (int)i);
            ck_assert_int_eq(engine_committed(&engine, group, "clicks", 0), round == 0 ? -1 : i);
            ck_ok(engine_commit(&engine, group, "clicks", 0, i), &engine.error);
            ck_assert_int_eq(engine_committed(&engine, group, "clicks", 0), i);
        }
        engine_crash(&engine, WEIR_SIM_POWER);
        ck_ok(engine_open(&engine), &engine.error);
    }
    int64_t sum = 0;
    for (int32_t partition = 0; partition < PARTITIONS; partition++) {
        int64_t end = engine_latest(&engine, "__consumer_offsets", partition);
        ck_assert_int_gt(end, 0);
        sum += end;
    }
    ck_assert_int_eq(sum, 2 * GROUPS);
    engine_end(&engine);
}
END_TEST

/* A tombstone forgets the one partition that it names. */
START_TEST(a_tombstone_forgets_one_partition)
{
    engine_init(&engine, 1);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 2), &engine.error);
    for (int32_t i = 0; i < 2; i++) {
        ck_ok(engine_commit(&engine, "group", "clicks", i, 7), &engine.error);
    }
    entries[0] = an_entry();
    entries[0].is_tombstone = true;
    ck_ok(commit(weir_text("group"), 1), &engine.error);
    for (int round = 0; round < 2; round++) {
        ck_assert_int_eq(engine_committed(&engine, "group", "clicks", 0), -1);
        ck_assert_int_eq(engine_committed(&engine, "group", "clicks", 1), 7);
        engine_crash(&engine, WEIR_SIM_POWER);
        ck_ok(engine_open(&engine), &engine.error);
    }
    engine_end(&engine);
}
END_TEST

/* ---- within a transaction ---------------------------------------------------------------------- */

static struct weir_commit_request in_transaction(void)
{
    return (struct weir_commit_request){.group = weir_text("group"),
                                        .entries = entries,
                                        .entry_count = 1,
                                        .transactional_id = weir_text("copier"),
                                        .producer_id = 17,
                                        .producer_epoch = 3};
}

static int send(struct weir_commit_request *request)
{
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &request->request, NULL), 0);
    weir_broker_commit_offsets(engine.broker, request);
    return weir_broker_wait(engine.broker, &request->request, &engine.error);
}

/* A commit within a transaction says whose: an id of 1 to 32,767 bytes, a producer id and an epoch; and takes nothing
 * back. */
START_TEST(a_commit_in_a_transaction_says_whose_it_is)
{
    open_engine();
    struct weir_commit_request request = in_transaction();
    request.transactional_id = weir_text("");
    ck_code(send(&request), WEIR_INVALID_ARGUMENT);
    request.transactional_id = weir_slice(letters, INT16_MAX + 1);
    ck_code(send(&request), WEIR_INVALID_ARGUMENT);
    request = in_transaction();
    request.producer_id = -1;
    ck_code(send(&request), WEIR_INVALID_ARGUMENT);
    request = in_transaction();
    request.producer_epoch = -1;
    ck_code(send(&request), WEIR_INVALID_ARGUMENT);
    request = in_transaction();
    entries[0].is_tombstone = true;
    ck_code(send(&request), WEIR_INVALID_ARGUMENT);
    ck_assert_int_eq(engine_committed(&engine, "group", "clicks", 0), -1);
    engine_end(&engine);
}
END_TEST

/* A member of a group that is not there is of another generation, to a transactional producer (KIP-447). */
START_TEST(a_commit_in_a_transaction_is_of_a_generation)
{
    open_engine();
    struct weir_commit_request request = in_transaction();
    request.has_member = true;
    request.member.member_id = weir_text("somebody");
    request.generation = 4;
    ck_code(send(&request), WEIR_ILLEGAL_GENERATION);
    request.transactional_id = weir_null();
    ck_code(send(&request), WEIR_GROUP_ID_NOT_FOUND);
    engine_end(&engine);
}
END_TEST

/* A stream application's group is its own, also within somebody's transaction. */
START_TEST(a_commit_in_a_transaction_leaves_an_applications_group_alone)
{
    open_engine();
    struct weir_commit_request owner = {.group = weir_text("group"), .is_application = true};
    ck_ok(send(&owner), &engine.error);
    struct weir_commit_request request = in_transaction();
    ck_code(send(&request), WEIR_GROUP_OWNED);
    engine_end(&engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("requests");
    tcase_add_test(tests, what_was_never_committed_is_told_as_none);
    tcase_add_test(tests, a_group_has_a_name);
    tcase_add_test(tests, all_offsets_of_a_group_need_an_arena);
    tcase_add_test(tests, a_commit_has_a_number_of_offsets);
    tcase_add_test(tests, each_offset_of_a_commit_is_looked_at);
    tcase_add_test(tests, a_group_has_its_partition);
    tcase_add_test(tests, a_tombstone_forgets_one_partition);
    tcase_add_test(tests, a_commit_in_a_transaction_says_whose_it_is);
    tcase_add_test(tests, a_commit_in_a_transaction_is_of_a_generation);
    tcase_add_test(tests, a_commit_in_a_transaction_leaves_an_applications_group_alone);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("commit requests", add);
}
