#include <string.h>

#include "tests/unit/broker/engine/engine_fixture.h"

static struct engine engine;

static void open_engine(uint64_t seed)
{
    engine_init(&engine, seed);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 2), &engine.error);
}

static void commit_begin(struct weir_commit_request *commit)
{
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &commit->request, NULL), 0);
    weir_broker_commit_offsets(engine.broker, commit);
}

static int commit_end(struct weir_commit_request *commit)
{
    return weir_broker_wait(engine.broker, &commit->request, &engine.error);
}

static struct weir_offset_entry entry_of(int64_t offset)
{
    return (struct weir_offset_entry){.partition = {weir_text("clicks"), 0},
                                      .offset = offset,
                                      .leader_epoch = 0,
                                      .metadata = weir_text("")};
}

/* A job's commit; `offset` -1: of no entry. */
static int commit_as_application(const char *group, int64_t offset)
{
    struct weir_offset_entry entry = entry_of(offset);
    struct weir_commit_request commit = {.group = weir_text(group),
                                         .entries = &entry,
                                         .entry_count = offset >= 0 ? 1 : 0,
                                         .is_application = true};
    commit_begin(&commit);
    return commit_end(&commit);
}

static int forget_as_other(const char *group)
{
    struct weir_offset_entry entry = {.partition = {weir_text("clicks"), 0}, .is_tombstone = true};
    struct weir_commit_request commit = {
        .group = weir_text(group), .entries = &entry, .entry_count = 1};
    commit_begin(&commit);
    return commit_end(&commit);
}

static bool is_application(const char *group)
{
    struct weir_offset_entry entry = entry_of(0);
    struct weir_committed_request asked = {
        .group = weir_text(group), .entries = &entry, .entry_count = 1};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &asked.request, NULL), 0);
    weir_broker_committed(engine.broker, &asked);
    ck_ok(weir_broker_wait(engine.broker, &asked.request, &engine.error), &engine.error);
    return asked.is_application;
}

static void refused_to_others(int64_t committed)
{
    ck_assert(is_application("app"));
    ck_assert_int_eq(engine_commit(&engine, "app", "clicks", 0, 0), WEIR_GROUP_OWNED);
    ck_assert_ptr_nonnull(strstr(engine.error.text, "stream application 'app'"));
    ck_assert_int_eq(engine_commit(&engine, "app", "clicks", 1, 9), WEIR_GROUP_OWNED);
    ck_assert_int_eq(forget_as_other("app"), WEIR_GROUP_OWNED);
    ck_assert_int_eq(engine_committed(&engine, "app", "clicks", 0), committed);
    ck_assert_int_eq(engine_committed(&engine, "app", "clicks", 1), -1);
}

/* From a job's first commit on, the group moves by the application's commits alone: while it runs,
 * after a loss of power, and after a start from a snapshot. Other groups are anybody's. */
START_TEST(an_applications_group_moves_by_its_own_commits_alone)
{
    open_engine(1);
    ck_assert(!is_application("app"));
    ck_ok(commit_as_application("app", 5), &engine.error);
    refused_to_others(5);
    ck_ok(engine_commit(&engine, "ap", "clicks", 0, 3), &engine.error);
    ck_assert(!is_application("ap"));

    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    refused_to_others(5);
    ck_ok(commit_as_application("app", 6), &engine.error);
    refused_to_others(6);

    ck_ok(engine_close(&engine), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    refused_to_others(6);
    engine_end(&engine);
}
END_TEST

/* A job may take its group before it has come anywhere: a commit of nothing does it, once. */
START_TEST(a_commit_of_nothing_takes_the_group)
{
    open_engine(2);
    ck_assert_int_eq(engine_commit(&engine, "app", "clicks", 0, 1), 0);
    ck_ok(commit_as_application("app", -1), &engine.error);
    refused_to_others(1);
    int64_t end = engine_latest(&engine, "__consumer_offsets", 0);
    ck_ok(commit_as_application("app", -1), &engine.error);
    ck_assert_int_eq(engine_latest(&engine, "__consumer_offsets", 0), end);
    struct weir_commit_request nobodys = {.group = weir_text("ap")};
    commit_begin(&nobodys);
    ck_assert_int_eq(commit_end(&nobodys), WEIR_INVALID_ARGUMENT);
    engine_end(&engine);
}
END_TEST

/* The first commit waits for the disk, and nobody gets in behind it meanwhile. */
START_TEST(no_commit_slips_in_behind_the_first)
{
    open_engine(3);
    ck_ok(engine_commit(&engine, "other", "clicks", 0, 1), &engine.error); /* makes the topic */
    struct weir_offset_entry theirs = entry_of(5);
    struct weir_offset_entry others = entry_of(0);
    struct weir_commit_request first = {
        .group = weir_text("app"), .entries = &theirs, .entry_count = 1, .is_application = true};
    struct weir_commit_request second = {
        .group = weir_text("app"), .entries = &others, .entry_count = 1};
    commit_begin(&first);
    commit_begin(&second);
    ck_assert_int_eq(commit_end(&second), WEIR_GROUP_OWNED);
    ck_ok(commit_end(&first), &engine.error);
    refused_to_others(5);
    engine_end(&engine);
}
END_TEST

/* A group is held once; while it is, others' commits are refused, and afterwards it is free. */
START_TEST(a_group_is_held_by_one_job)
{
    struct weir_group_claim first = {0}, second = {0}, other = {0};
    open_engine(4);
    struct weir_slice group = weir_text("app");
    ck_ok(weir_broker_claim_group(engine.broker, group, &first, &engine.error), &engine.error);
    ck_assert_int_eq(weir_broker_claim_group(engine.broker, group, &second, &engine.error),
                     WEIR_LOCKED);
    ck_assert_ptr_nonnull(strstr(engine.error.text, "application 'app' is running on this log"));
    ck_ok(weir_broker_claim_group(engine.broker, weir_text("ap"), &other, &engine.error),
          &engine.error);
    ck_assert_int_eq(engine_commit(&engine, "app", "clicks", 0, 1), WEIR_GROUP_OWNED);
    ck_assert_int_eq(engine_commit(&engine, "apps", "clicks", 0, 1), 0);
    weir_broker_release_group(&second); /* of nothing */
    weir_broker_release_group(&first);
    weir_broker_release_group(&first);
    ck_assert_int_eq(engine_commit(&engine, "app", "clicks", 0, 1), 0);
    ck_ok(weir_broker_claim_group(engine.broker, group, &second, &engine.error), &engine.error);
    weir_broker_release_group(&second);
    weir_broker_release_group(&other);
    engine_end(&engine);
}
END_TEST

/* The batch that gives a group back: a plain offset of partition 0, and nothing of partition 1 any more. */
static int release(const char *group, const struct weir_group_claim *claim, int64_t offset)
{
    struct weir_offset_entry entries[] = {
        entry_of(offset), {.partition = {weir_text("clicks"), 1}, .is_tombstone = true}};
    struct weir_commit_request commit = {.group = weir_text(group),
                                         .entries = entries,
                                         .entry_count = 2,
                                         .is_application = true,
                                         .releases = claim};
    commit_begin(&commit);
    return commit_end(&commit);
}

/* Who holds the claim gives the group back, in one batch with its offsets, and for good. */
START_TEST(an_application_gives_its_group_back)
{
    struct weir_group_claim claim = {0}, other = {0};
    open_engine(5);
    struct weir_slice group = weir_text("app");
    ck_ok(commit_as_application("app", 5), &engine.error);
    ck_assert_int_eq(release("app", &claim, 7), WEIR_GROUP_OWNED); /* of nothing */
    ck_ok(weir_broker_claim_group(engine.broker, weir_text("ap"), &other, &engine.error),
          &engine.error);
    ck_assert_int_eq(release("app", &other, 7), WEIR_GROUP_OWNED);
    refused_to_others(5);

    ck_ok(weir_broker_claim_group(engine.broker, group, &claim, &engine.error), &engine.error);
    int64_t end = engine_latest(&engine, "__consumer_offsets", 0);
    ck_ok(release("app", &claim, 7), &engine.error);
    ck_assert_int_eq(engine_latest(&engine, "__consumer_offsets", 0), end + 3);
    ck_assert(!is_application("app"));
    weir_broker_release_group(&claim);
    weir_broker_release_group(&other);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert(!is_application("app"));
    ck_assert_int_eq(engine_committed(&engine, "app", "clicks", 0), 7);
    ck_assert_int_eq(engine_committed(&engine, "app", "clicks", 1), -1);
    ck_ok(engine_commit(&engine, "app", "clicks", 0, 8), &engine.error);
    engine_end(&engine);
}
END_TEST

static int commit_as_run(struct weir_group_claim *claim, int64_t offset)
{
    struct weir_offset_entry entry = entry_of(offset);
    struct weir_commit_request commit = {.group = weir_text("app"),
                                         .entries = &entry,
                                         .entry_count = 1,
                                         .is_application = true,
                                         .claim = claim};
    commit_begin(&commit);
    return commit_end(&commit);
}

/* As a member would by the port. */
static int commit_as_member(const char *member_id, int32_t generation, int64_t offset)
{
    struct weir_offset_entry entry = entry_of(offset);
    struct weir_commit_request commit = {.group = weir_text("app"),
                                         .entries = &entry,
                                         .entry_count = 1,
                                         .member = {weir_text(member_id), weir_null()},
                                         .generation = generation,
                                         .has_member = true};
    commit_begin(&commit);
    return commit_end(&commit);
}

static void claim_app(struct weir_group_claim *claim)
{
    ck_ok(weir_broker_claim_group(engine.broker, weir_text("app"), claim, &engine.error),
          &engine.error);
}

/* The first commit of a run takes the group for it, with the generation behind the last run's; the next ones go on in
 * it. Who names the run and its generation commits; an older generation is told so, and anybody else has no say. */
START_TEST(a_run_has_a_generation_of_the_group)
{
    struct weir_group_claim first = {0}, second = {0};
    char older[WEIR_CLAIM_MEMBER_ID_SIZE];
    open_engine(6);
    claim_app(&first);
    ck_assert_int_eq(first.generation, -1);
    ck_ok(commit_as_run(&first, 5), &engine.error);
    ck_assert_int_eq(first.generation, 1);
    int64_t end = engine_latest(&engine, "__consumer_offsets", 0);
    ck_ok(commit_as_run(&first, 6), &engine.error);
    ck_assert_int_eq(first.generation, 1);
    ck_assert_int_eq(engine_latest(&engine, "__consumer_offsets", 0), end + 1);
    ck_ok(commit_as_member(first.member_id, 1, 7), &engine.error);
    ck_assert_int_eq(commit_as_member(first.member_id, 0, 8), WEIR_ILLEGAL_GENERATION);
    ck_assert_ptr_nonnull(strstr(engine.error.text, "generation 1"));
    ck_assert_int_eq(commit_as_member(first.member_id, 2, 8), WEIR_ILLEGAL_GENERATION);
    ck_assert_int_eq(commit_as_member("somebody", 1, 8), WEIR_GROUP_OWNED);
    refused_to_others(7);

    memcpy(older, first.member_id, sizeof older);
    weir_broker_release_group(&first);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(commit_as_member(older, 1, 8), &engine.error); /* it has the group still */
    claim_app(&second);
    ck_assert_str_ne(second.member_id, older);
    ck_ok(commit_as_run(&second, 9), &engine.error);
    ck_assert_int_eq(second.generation, 2);
    ck_assert_int_eq(commit_as_member(older, 1, 10), WEIR_GROUP_OWNED);
    ck_assert_int_eq(engine_committed(&engine, "app", "clicks", 0), 9);
    weir_broker_release_group(&second);
    ck_ok(engine_close(&engine), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    claim_app(&first);
    ck_ok(commit_as_run(&first, 11), &engine.error);
    ck_assert_int_eq(first.generation, 3);
    weir_broker_release_group(&first);
    engine_end(&engine);
}
END_TEST

/* A record of a version that knew no runs makes the group the application's; its next run is the first of all. */
START_TEST(a_group_of_an_older_version_is_taken_by_the_next_run)
{
    struct weir_group_claim claim = {0};
    open_engine(7);
    ck_ok(commit_as_application("app", 5), &engine.error); /* without a run */
    ck_assert_int_eq(commit_as_member("", 0, 6), WEIR_GROUP_OWNED);
    refused_to_others(5);
    claim_app(&claim);
    ck_ok(commit_as_run(&claim, 6), &engine.error);
    ck_assert_int_eq(claim.generation, 1);
    ck_assert(is_application("app"));
    weir_broker_release_group(&claim);
    engine_end(&engine);
}
END_TEST

/* A run whose group another one has taken is told so, and commits nothing. */
START_TEST(a_run_that_has_lost_its_group_is_refused)
{
    struct weir_group_claim first = {0}, second = {0};
    open_engine(8);
    claim_app(&first);
    ck_ok(commit_as_run(&first, 5), &engine.error);
    struct weir_group_claim lost = first; /* as if it did not know */
    weir_broker_release_group(&first);
    claim_app(&second);
    ck_ok(commit_as_run(&second, 6), &engine.error);
    ck_assert_int_eq(commit_as_run(&lost, 7), WEIR_GROUP_OWNED);
    struct weir_group_claim stale = second;
    stale.generation = 1;
    ck_assert_int_eq(commit_as_run(&stale, 7), WEIR_ILLEGAL_GENERATION);
    ck_assert_int_eq(engine_committed(&engine, "app", "clicks", 0), 6);
    weir_broker_release_group(&second);
    engine_end(&engine);
}
END_TEST

/* A group's name is shown in an error, however long it is. */
START_TEST(a_name_of_256_bytes_is_shown)
{
    char name[257];
    struct weir_group_claim claim = {0};
    open_engine(9);
    memset(name, 'n', 256);
    name[256] = '\0';
    ck_ok(weir_broker_claim_group(engine.broker, weir_text(name), &claim, &engine.error),
          &engine.error);
    ck_assert_int_eq(engine_commit(&engine, name, "clicks", 0, 1), WEIR_GROUP_OWNED);
    ck_assert_ptr_nonnull(strstr(engine.error.text, "group 'nnnnnnnn"));
    weir_broker_release_group(&claim);
    engine_end(&engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("owner");
    tcase_add_test(tests, an_applications_group_moves_by_its_own_commits_alone);
    tcase_add_test(tests, a_commit_of_nothing_takes_the_group);
    tcase_add_test(tests, no_commit_slips_in_behind_the_first);
    tcase_add_test(tests, a_group_is_held_by_one_job);
    tcase_add_test(tests, an_application_gives_its_group_back);
    tcase_add_test(tests, a_run_has_a_generation_of_the_group);
    tcase_add_test(tests, a_group_of_an_older_version_is_taken_by_the_next_run);
    tcase_add_test(tests, a_run_that_has_lost_its_group_is_refused);
    tcase_add_test(tests, a_name_of_256_bytes_is_shown);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("group owner", add);
}
