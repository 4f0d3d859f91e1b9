/* What hangs, at a place where transactions begin and end between the questions. */
#include "cli/hanging_search.h"

#include <string.h>

#include "base/error.h"
#include "tests/support/support.h"

enum { PRODUCER = 7, FIRST = 40, OLD = 1000, BEFORE = 5000 };

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_arena arena;
static struct weir_error error;

/* The place: one partition and one transactional id. What happens at the n-th question about the partition and
 * after it is in the test. */
static struct {
    int64_t first_offset[2]; /* of what is open in the partition when it is asked; -1: nothing is */
    int64_t last_timestamp_ms;
    const char *state;
    int has_partition;
    int describe_rc;
    int first_rc;       /* of the partition, the first time */
    int partition_rc;   /* of the second time */
    size_t has_offline; /* of the coordinator's partitions */
    int partition_asked;
    int coordinator_asked;
} world;

static int list_topics(struct place *place, struct weir_arena *in, struct place_topics *topics_out,
                       struct weir_error *failure)
{
    static struct place_topic topic = {.name = "orders", .partition_count = 1};
    (void)place, (void)in, (void)failure;
    *topics_out = (struct place_topics){.rows = &topic, .count = 1};
    return 0;
}

static int list_transactions(struct place *place, struct weir_arena *in,
                             struct place_transactions *transactions_out,
                             struct weir_error *failure)
{
    static const int32_t offline = 3;
    static struct place_transaction transaction;
    (void)place, (void)in, (void)failure;
    world.coordinator_asked++;
    ck_assert_int_eq(world.partition_asked, 1); /* never before the partition */
    transaction =
        (struct place_transaction){.id = "billing", .state = world.state, .producer_id = PRODUCER};
    *transactions_out = (struct place_transactions){
        .rows = &transaction, .count = 1, .offline = &offline, .offline_count = world.has_offline};
    return 0;
}

static int describe(struct place *place, struct weir_arena *in, const char *id,
                    struct place_transaction *transaction_out, struct weir_error *failure)
{
    static const struct weir_topic_partition of = {{(const uint8_t *)"orders", 6}, 0};
    (void)place, (void)in, (void)id;
    if (world.describe_rc < 0) return weir_error_set(failure, world.describe_rc, "as planted");
    transaction_out->partitions = &of;
    transaction_out->partition_count = (size_t)world.has_partition;
    return 0;
}

static int list_producers(struct place *place, struct weir_arena *in,
                          const struct weir_topic_partition *of,
                          struct place_producers *producers_out, struct weir_error *failure)
{
    static struct weir_producer_info producer;
    (void)place, (void)in, (void)of, (void)failure;
    ck_assert_int_lt(world.partition_asked, 2);
    int rc = world.partition_asked == 0 ? world.first_rc : world.partition_rc;
    if (rc < 0) return weir_error_set(failure, rc, "as planted");
    producer = (struct weir_producer_info){
        .producer_id = PRODUCER,
        .last_timestamp_ms = world.last_timestamp_ms,
        .transaction_first_offset = world.first_offset[world.partition_asked++],
    };
    *producers_out = (struct place_producers){.rows = &producer, .count = 1};
    return 0;
}

static void set_up(void)
{
    weir_heap_init(&heap, true);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
    error = (struct weir_error){0};
    memset(&world, 0, sizeof world);
    world.first_offset[0] = world.first_offset[1] = FIRST;
    world.last_timestamp_ms = OLD;
    world.state = "Ongoing";
}

static void tear_down(void)
{
    weir_arena_close(&arena);
}

static struct hanging_list search_all(void)
{
    static const struct place_transaction_ops transactions = {
        .list = list_transactions, .describe = describe, .producers = list_producers};
    static const struct place_ops ops = {.list = list_topics, .transactions = &transactions};
    struct place place = {.ops = &ops};
    struct hanging_list found = {0};
    ck_ok(hanging_search(&place, &arena, BEFORE, &found, &error), &error);
    for (size_t i = 0; i < found.count; i++) {
        ck_assert_int_eq(found.rows[i].producer.producer_id, PRODUCER);
        ck_assert_int_eq(found.rows[i].producer.transaction_first_offset, FIRST);
        ck_assert(weir_slice_equal(found.rows[i].of.topic, weir_text("orders")));
    }
    return found;
}

static size_t search(void)
{
    return search_all().count;
}

START_TEST(what_its_coordinator_has_does_not_hang)
{
    world.has_partition = 1;
    ck_assert_uint_eq(search(), 0);
    ck_assert_int_eq(world.coordinator_asked, 1);
}
END_TEST

START_TEST(what_its_coordinator_does_not_have_hangs)
{
    ck_assert_uint_eq(search(), 1); /* an open transaction of it, elsewhere */
    world.partition_asked = world.coordinator_asked = 0;
    world.state = "CompleteCommit";
    world.has_partition = 1; /* of a transaction that is over */
    ck_assert_uint_eq(search(), 1);
}
END_TEST

START_TEST(what_ends_between_the_questions_does_not_hang)
{
    world.state = "CompleteCommit";
    world.first_offset[1] = -1;
    ck_assert_uint_eq(search(), 0);
    ck_assert_int_eq(world.partition_asked, 2);
}
END_TEST

START_TEST(one_that_has_followed_it_is_another)
{
    world.state = "CompleteCommit";
    world.first_offset[1] = FIRST + 10;
    ck_assert_uint_eq(search(), 0);
}
END_TEST

START_TEST(an_id_that_is_forgotten_meanwhile_has_nothing_open)
{
    world.describe_rc = WEIR_TRANSACTIONAL_ID_NOT_FOUND;
    ck_assert_uint_eq(search(), 1);
}
END_TEST

START_TEST(what_is_deleted_meanwhile_does_not_hang)
{
    world.state = "CompleteCommit";
    world.partition_rc = WEIR_UNKNOWN_TOPIC_OR_PARTITION;
    ck_assert_uint_eq(search(), 0);
}
END_TEST

/* Whom a partition of the coordinator's has that is offline nobody can tell: nothing may be aborted for that. */
START_TEST(without_a_part_of_the_coordinator_nobody_can_tell)
{
    static const struct place_transaction_ops transactions = {
        .list = list_transactions, .describe = describe, .producers = list_producers};
    static const struct place_ops ops = {.list = list_topics, .transactions = &transactions};
    struct place place = {.ops = &ops};
    struct hanging_list found = {0};
    world.has_offline = 1;
    ck_code(hanging_search(&place, &arena, BEFORE, &found, &error), WEIR_OFFLINE);
    ck_assert_ptr_nonnull(strstr(error.text, "partition 3 of '__transaction_state' is offline"));
    ck_assert_uint_eq(found.count, 0);
}
END_TEST

START_TEST(a_partition_that_is_offline_is_named)
{
    world.first_rc = WEIR_OFFLINE;
    struct hanging_list found = search_all();
    ck_assert_uint_eq(found.count, 0);
    ck_assert_uint_eq(found.offline_count, 1);
    ck_assert(weir_slice_equal(found.offline[0].topic, weir_text("orders")));
}
END_TEST

START_TEST(what_is_young_or_not_open_is_not_asked_about)
{
    world.last_timestamp_ms = BEFORE;
    ck_assert_uint_eq(search(), 0);
    world.partition_asked = 0;
    world.last_timestamp_ms = OLD;
    world.first_offset[0] = -1;
    ck_assert_uint_eq(search(), 0);
    ck_assert_int_eq(world.coordinator_asked, 0);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("hanging_search");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_its_coordinator_has_does_not_hang);
    tcase_add_test(tests, what_its_coordinator_does_not_have_hangs);
    tcase_add_test(tests, what_ends_between_the_questions_does_not_hang);
    tcase_add_test(tests, one_that_has_followed_it_is_another);
    tcase_add_test(tests, an_id_that_is_forgotten_meanwhile_has_nothing_open);
    tcase_add_test(tests, what_is_deleted_meanwhile_does_not_hang);
    tcase_add_test(tests, without_a_part_of_the_coordinator_nobody_can_tell);
    tcase_add_test(tests, a_partition_that_is_offline_is_named);
    tcase_add_test(tests, what_is_young_or_not_open_is_not_asked_about);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("hanging_search", add);
}
