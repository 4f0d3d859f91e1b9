#include "runtime/state/key_schema.h"

#include "base/env/sim/sim.h"
#include "tests/support/support.h"

/* What keys are made of, for the stores there are and for those to come: a session store is written here
 * as the constant that it will be. */

static const struct weir_key_schema session = {
    .name = "session", .times_size = 16, .time_from_end = 16};

static struct weir_sim *sim;
static struct weir_arena arena;

static void set_up(void)
{
    sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
    weir_arena_init(&arena, weir_sim_node(sim, 0)->budget, 0);
}

static void tear_down(void)
{
    weir_arena_close(&arena);
    weir_sim_free(sim);
}

/* record key · times; at most two of them. */
static struct weir_slice key_of(const char *record_key, size_t count, int64_t first, int64_t second)
{
    size_t size = strlen(record_key);
    uint8_t *bytes = weir_arena_alloc(&arena, size + 16);
    memcpy(bytes, record_key, size);
    weir_store_u64(bytes + size, (uint64_t)first);
    weir_store_u64(bytes + size + 8, (uint64_t)second);
    return weir_slice(bytes, size + 8 * count);
}

/* Goal: the bytes are those of Kafka Streams (STREAMS.md, Bytes): in the changelog a window has key,
 * start and a sequence of 0, a session key, end and start, and nothing else. */
START_TEST(changelog_has_the_bytes_of_kafka_streams)
{
    static const uint8_t window[] = {'k', 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0};
    static const uint8_t sessions[] = {'k', 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 7};
    const struct {
        const struct weir_key_schema *schema;
        struct weir_slice key;
        struct weir_slice logged;
    } cases[] = {
        {&weir_key_schema_plain, weir_text("k"), weir_text("k")},
        {&weir_key_schema_window, key_of("k", 1, 258, 0), weir_slice(window, sizeof window)},
        {&session, key_of("k", 2, 258, 7), weir_slice(sessions, sizeof sessions)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct weir_key_schema *schema = cases[i].schema;
        weir_key_schema_check(schema);
        struct weir_slice logged = weir_key_schema_log(schema, &arena, cases[i].key);
        struct weir_slice back;
        ck_assert(weir_slice_equal(logged, cases[i].logged));
        ck_assert_uint_eq(logged.size, weir_key_schema_logged_size(schema, cases[i].key.size));
        ck_ok(weir_key_schema_parse_logged(schema, logged, &back), NULL);
        ck_assert(weir_slice_equal(back, cases[i].key));
    }
}
END_TEST

/* Goal: a changelog's key that is too short for the schema is refused and nothing is written. */
START_TEST(short_changelog_key_is_refused)
{
    static const uint8_t bytes[16] = {0};
    struct weir_slice key = weir_text("untouched");
    const struct weir_key_schema *schema = &weir_key_schema_window;
    ck_code(weir_key_schema_parse_logged(schema, weir_slice(bytes, 11), &key), WEIR_CORRUPT);
    ck_code(weir_key_schema_parse_logged(schema, weir_null(), &key), WEIR_CORRUPT);
    ck_code(weir_key_schema_parse_logged(&session, weir_slice(bytes, 15), &key), WEIR_CORRUPT);
    ck_assert(weir_slice_equal(key, weir_text("untouched")));
    ck_ok(weir_key_schema_parse_logged(schema, weir_slice(bytes, 12), &key), NULL);
    ck_assert_uint_eq(key.size, 8); /* the empty record key is one */
}
END_TEST

/* Goal: a window goes by its start, a session by its end; the record's key is what stands before. */
START_TEST(time_and_record_key_are_taken_from_the_end)
{
    struct weir_slice window = key_of("some key", 1, 1000, 0);
    struct weir_slice ended = key_of("some key", 2, 2000, 500);
    ck_assert(!weir_key_schema_has_time(&weir_key_schema_plain));
    ck_assert_int_eq(weir_key_schema_time(&weir_key_schema_window, window), 1000);
    ck_assert_int_eq(weir_key_schema_time(&session, ended), 2000);
    struct weir_slice record_key = weir_key_schema_record_key(&weir_key_schema_window, window);
    ck_assert(weir_slice_equal(record_key, weir_text("some key")));
    ck_assert(weir_slice_equal(weir_key_schema_record_key(&session, ended), weir_text("some key")));
    ck_assert(!weir_key_schema_fits(&session, weir_slice(window.data, 15)));

    uint8_t written[16];
    weir_window_key_write(written, weir_text("some key"), 1000);
    ck_assert_uint_eq(weir_window_key_size(weir_text("some key")), window.size);
    ck_assert_mem_eq(written, window.data, window.size);
}
END_TEST

/* Goal: every key of the range lies between its bounds, whatever the other times are, and a key between
 * them that is another record's, or of another time, is told apart. */
START_TEST(range_holds_one_keys_sessions_that_end_in_it)
{
    struct weir_key_range range;
    ck_ok(weir_key_range_init(&range, &session, &arena, weir_text("k"), 10, 20), NULL);
    const int64_t ends[] = {9, 10, 15, 20, 21};
    const int64_t starts[] = {0, 10, INT64_MAX};
    for (size_t e = 0; e < 5; e++) {
        for (size_t s = 0; s < 3; s++) {
            struct weir_slice key = key_of("k", 2, ends[e], starts[s]);
            bool is_between =
                weir_slice_compare(key, range.from) >= 0 && weir_slice_compare(key, range.to) <= 0;
            bool is_in = ends[e] >= 10 && ends[e] <= 20;
            ck_assert_int_eq(is_between, is_in);
            ck_assert_int_eq(weir_key_range_has(&range, key), is_in);
        }
    }
    ck_assert(!weir_key_range_has(&range, key_of("kk", 2, 15, 0)));
    ck_assert(!weir_key_range_has(&range, key_of("", 2, 15, 0)));
    ck_ok(weir_key_range_init(&range, &session, &arena, weir_null(), 10, 20), NULL);
    ck_assert(weir_slice_is_null(range.from) && weir_slice_is_null(range.to));
    ck_assert(weir_key_range_has(&range, key_of("kk", 2, 15, 0)));
    ck_assert(!weir_key_range_has(&range, key_of("kk", 2, 21, 0)));
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("key schema");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, changelog_has_the_bytes_of_kafka_streams);
    tcase_add_test(tests, short_changelog_key_is_refused);
    tcase_add_test(tests, time_and_record_key_are_taken_from_the_end);
    tcase_add_test(tests, range_holds_one_keys_sessions_that_end_in_it);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("key schema", add);
}
