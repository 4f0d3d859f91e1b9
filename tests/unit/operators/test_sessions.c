/* Sessions on the test stand: how they grow, join, and are late; what is given on, and what is kept. */
#include "tests/unit/operators/stand.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "operators/live_rows.h"

static int append(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    struct weir_slice *text = aggregate;
    (void)key;
    const struct weir_slice *added = value;
    if (weir_slice_equal(*added, weir_text("bad"))) return weir_call_fail(call, "bad");
    if (weir_slice_equal(*added, weir_text("gone"))) return WEIR_DELETE;
    *text = *weir_call_printf(call, "%.*s%.*s", (int)text->size, (const char *)text->data,
                              (int)added->size, (const char *)added->data);
    return 0;
}

static int merge(struct weir_call *call, const void *key, const void *other, void *aggregate)
{
    struct weir_slice *text = aggregate;
    (void)key;
    const struct weir_slice *added = other;
    if (weir_slice_equal(*added, weir_text("end"))) return WEIR_DELETE;
    *text = *weir_call_printf(call, "%.*s(%.*s)", (int)text->size, (const char *)text->data,
                              (int)added->size, (const char *)added->data);
    return 0;
}

static int concatenate(struct weir_call *call, const void *aggregate, const void *value,
                       const void **aggregate_out)
{
    const struct weir_slice *left = aggregate;
    const struct weir_slice *right = value;
    *aggregate_out = weir_call_printf(call, "%.*s+%.*s", (int)left->size, (const char *)left->data,
                                      (int)right->size, (const char *)right->data);
    return 0;
}

static const struct weir_aggregate_config fold_config = {
    .kind = WEIR_AGGREGATE_FOLD,
    .aggregate = append,
    .merge = merge,
    .key_serde = &weir_serde_string,
    .value_serde = &weir_serde_string,
    .session_gap_ms = 5,
    .grace_ms = 20,
    .retention_ms = 25,
};

static void set_up(struct stand *stand, const struct weir_aggregate_config *config)
{
    stand_init(stand, &weir_session_ops, config);
    stand->output = config->value_serde == WEIR_INT64 ? STAND_INTEGERS : STAND_STRINGS;
    stand->specs[0].schema = &weir_key_schema_session;
    stand->specs[0].retention_ms = config->retention_ms;
    stand->specs[0].is_timestamped = false;
}

static struct weir_slice session_key(const char *key, int64_t start_ms, int64_t end_ms,
                                     uint8_t bytes[64])
{
    weir_session_key_write(bytes, weir_text(key), start_ms, end_ms);
    return weir_slice(bytes, weir_session_key_size(weir_text(key)));
}

/* What it was goes, as deleted, before what it is. Both ends count: a gap apart is together. */
START_TEST(session_grows_at_both_ends)
{
    struct stand stand;
    uint8_t bytes[64];
    set_up(&stand, &fold_config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 10}, {"a", "y", 15}, {"a", "z", 5})), NULL);
    stand_expect(&stand, "[a 10..10]=x@10 [a 10..10]=-@10 [a 10..15]=(x)y@15 [a 10..15]=-@15 "
                         "[a 5..15]=((x)y)z@15");
    stand_expect_stored(&stand, session_key("a", 5, 15, bytes), "((x)y)z");
    stand_expect_stored(&stand, session_key("a", 10, 15, bytes), "-");
    stand_close(&stand);
}
END_TEST

START_TEST(further_apart_than_the_gap_is_another_session)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 10}, {"a", "y", 16}, {"b", "z", 12})), NULL);
    stand_expect(&stand, "[a 10..10]=x@10 [a 16..16]=y@16 [b 12..12]=z@12");
    stand_close(&stand);
}
END_TEST

START_TEST(record_joins_the_sessions_around_it)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 10}, {"a", "y", 20}, {"a", "z", 15})), NULL);
    stand_expect(&stand, "[a 10..10]=x@10 [a 20..20]=y@20 [a 10..10]=-@10 [a 20..20]=-@20 "
                         "[a 10..20]=(x)(y)z@20");
    stand_close(&stand);
}
END_TEST

/* At its very time: the value changes, and nothing is deleted. */
START_TEST(session_of_one_time_changes_in_place)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 10}, {"a", "y", 10})), NULL);
    stand_expect(&stand, "[a 10..10]=x@10 [a 10..10]=(x)y@10");
    stand_close(&stand);
}
END_TEST

START_TEST(counts_and_reduced_values_merge)
{
    struct stand stand;
    struct weir_aggregate_config config = fold_config;
    config.kind = WEIR_AGGREGATE_COUNT;
    config.value_serde = &weir_serde_int64;
    set_up(&stand, &config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 10}, {"a", "y", 10}, {"a", "z", 20}, {"a", "u", 15})),
          NULL);
    stand_expect(&stand, "[a 10..10]=1@10 [a 10..10]=2@10 [a 20..20]=1@20 [a 10..10]=-@10 "
                         "[a 20..20]=-@20 [a 10..20]=4@20");
    stand_close(&stand);
    config = fold_config;
    config.kind = WEIR_AGGREGATE_REDUCE;
    config.reduce = concatenate;
    set_up(&stand, &config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 10}, {"a", "y", 20}, {"a", "z", 15})), NULL);
    stand_expect(&stand, "[a 10..10]=x@10 [a 20..20]=y@20 [a 10..10]=-@10 [a 20..20]=-@20 "
                         "[a 10..20]=x+y+z@20");
    stand_close(&stand);
}
END_TEST

static int begin(struct weir_call *call, void *aggregate)
{
    (void)call;
    *(struct weir_slice *)aggregate = weir_text("<");
    return 0;
}

/* What was merged by then is gone: the aggregator is given zeros, where Kafka Streams has null, and no initializer
 * is asked (03 `merger-null-1`). If it deletes too, nothing is left of the session. */
START_TEST(merger_that_deletes_leaves_nothing)
{
    struct stand stand;
    struct weir_aggregate_config config = fold_config;
    set_up(&stand, &config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "end", 10})), NULL);
    config.initialize = begin;
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 20})), NULL);
    stand_expect(&stand, "[a 10..10]=end@10 | [a 20..20]=<x@20");
    ck_ok(stand_feed(&stand, ROWS({"a", "y", 15})), NULL);
    stand_expect(&stand, "[a 10..10]=-@10 [a 20..20]=-@20 [a 10..20]=(<x)y@20");
    config.initialize = NULL;
    ck_ok(stand_feed(&stand, ROWS({"b", "end", 20})), NULL);
    config.initialize = begin;
    ck_ok(stand_feed(&stand, ROWS({"b", "y", 21}, {"b", "end", 30}, {"b", "gone", 25})), NULL);
    stand_expect(&stand, "[b 20..20]=end@20 | [b 20..20]=-@20 [b 20..21]=y@21 [b 30..30]=<end@30 "
                         "[b 20..21]=-@21 [b 30..30]=-@30 [b 20..30]=-@30");
    stand_close(&stand);
}
END_TEST

/* W3: late when what it would become ends before observed - grace - gap; on the dot it is not, and
 * stays. A session that has ended so long ago is found no more. */
START_TEST(record_is_late_when_its_session_would_be)
{
    struct stand stand;
    uint8_t bytes[64];
    set_up(&stand, &fold_config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"b", "x", 100}, {"a", "on", 75}, {"a", "late", 74})), NULL);
    stand_expect(&stand, "[b 100..100]=x@100 [a 75..75]=on@75");
    stand_expect_stored(&stand, session_key("a", 75, 75, bytes), "on");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_LATE], 1);
    /* One that is in time keeps an early record, which would be late alone. */
    ck_ok(stand_feed(&stand, ROWS({"a", "y", 79}, {"a", "z", 74})), NULL);
    stand_expect(&stand, "[a 79..79]=y@79 [a 79..79]=-@79 [a 74..79]=(y)z@79");
    stand_close(&stand);
}
END_TEST

/* A null key is dropped and moves no time; a null value is a record. */
START_TEST(null_keys_are_dropped)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({NULL, "x", 1000}, {"a", "x", 10})), NULL);
    stand_expect(&stand, "[a 10..10]=x@10");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_NULL], 1);
    ck_assert_int_eq(stand.node.observed_ms, 10);
    stand_close(&stand);
}
END_TEST

/* A record that fails leaves the sessions that it would have joined. */
START_TEST(failed_record_leaves_sessions_alone)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    stand.skips = true;
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 10}, {"a", "bad", 12}, {"a", "y", 14})), NULL);
    stand_expect(&stand, "[a 10..10]=x@10 [a 10..10]=-@10 [a 10..14]=(x)y@14");
    ck_assert_int_eq(stand.failed, 1);
    stand_close(&stand);
}
END_TEST

/* An aggregate of nothing deletes the session, which is not found again. */
START_TEST(deleted_session_is_gone)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 10}, {"a", "gone", 12}, {"a", "y", 13})), NULL);
    stand_expect(&stand, "[a 10..10]=x@10 [a 10..10]=-@10 [a 10..12]=-@12 [a 13..13]=y@13");
    stand_close(&stand);
}
END_TEST

/* What came and went between two flushes was never there for those below. */
START_TEST(cached_sessions_forward_what_they_became)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    stand.specs[0].is_cached = true;
    stand.specs[0].keeps_old = true;
    stand.caches = true;
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 10}, {"a", "y", 12})), NULL);
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "[a 10..12]=(x)y(-)@12");
    ck_ok(stand_feed(&stand, ROWS({"a", "z", 13}, {"a", "u", 14})), NULL);
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "[a 10..12]=-((x)y)@12 [a 10..14]=(((x)y)z)u(-)@14");
    stand_close(&stand);
}
END_TEST

/* Reopened, the node finds the sessions that are not over in its store. */
START_TEST(sessions_are_found_again_after_a_restart)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 10}, {"b", "y", 30})), NULL);
    stand_reopen(&stand);
    ck_ok(stand_feed(&stand, ROWS({"b", "z", 33}, {"a", "u", 12}, {"c", "late", 4})), NULL);
    stand_expect(&stand, "[a 10..10]=x@10 [b 30..30]=y@30 | [b 30..30]=-@30 [b 30..33]=(y)z@33 "
                         "[a 10..10]=-@10 [a 10..12]=(x)u@12");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_LATE], 1);
    stand_close(&stand);
}
END_TEST

START_TEST(sessions_at_the_ends_of_time)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 0}, {"a", "y", 3}, {"a", "z", INT64_MAX},
                                  {"a", "u", INT64_MAX - 5}, {"a", "late", 1})),
          NULL);
    stand_expect(&stand, "[a 0..0]=x@0 [a 0..0]=-@0 [a 0..3]=(x)y@3 "
                         "[a 9223372036854775807..9223372036854775807]=z@9223372036854775807 "
                         "[a 9223372036854775807..9223372036854775807]=-@9223372036854775807 "
                         "[a 9223372036854775802..9223372036854775807]=(z)u@9223372036854775807");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_LATE], 1);
    stand_close(&stand);
}
END_TEST

/* A key of 1 MB is a key. What its changelog would not take is refused, and changes nothing. */
START_TEST(long_keys_and_aggregates_beyond_the_bound)
{
    enum { SIZE = 1 << 20 };
    struct stand stand;
    char *key = malloc(SIZE + 1);
    ck_assert_ptr_nonnull(key);
    memset(key, 'k', SIZE);
    key[SIZE] = '\0';
    set_up(&stand, &fold_config);
    stand.plan.child_count = 0;
    stand.skips = true;
    stand.specs[0].change_bytes_max = SIZE + 100;
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({key, "x", 10}, {key, "y", 11})), NULL);
    ck_assert_int_eq(stand.failed, 0);
    char *value = malloc(201);
    ck_assert_ptr_nonnull(value);
    memset(value, 'v', 200);
    value[200] = '\0';
    ck_ok(stand_feed(&stand, ROWS({key, value, 12})), NULL);
    ck_assert_int_eq(stand.failed, 1);
    ck_assert_int_eq(stand.record_error.code, WEIR_TOO_LARGE);
    uint8_t *bytes = malloc(SIZE + 16);
    ck_assert_ptr_nonnull(bytes);
    weir_session_key_write(bytes, weir_text(key), 10, 11);
    stand_expect_stored(&stand, weir_slice(bytes, SIZE + 16), "(x)y");
    stand_close(&stand);
    free(bytes);
    free(value);
    free(key);
}
END_TEST

/* Keys whose sessions are over go with the sweep: the index stays as small as what is live. */
START_TEST(index_forgets_what_is_over)
{
    struct stand stand;
    struct weir_aggregate_config config = fold_config;
    set_up(&stand, &config);
    stand.plan.child_count = 0;
    stand_open(&stand, 1);
    for (int i = 0; i < 20000; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        ck_ok(stand_feed(&stand, ROWS({key, "x", i})), NULL);
    }
    const struct weir_live_rows *live = stand.node.state; /* its first member */
    ck_assert_uint_lt(live->key_count, 2100);
    stand_close(&stand);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("sessions");
    tcase_add_test(tests, session_grows_at_both_ends);
    tcase_add_test(tests, further_apart_than_the_gap_is_another_session);
    tcase_add_test(tests, record_joins_the_sessions_around_it);
    tcase_add_test(tests, session_of_one_time_changes_in_place);
    tcase_add_test(tests, counts_and_reduced_values_merge);
    tcase_add_test(tests, merger_that_deletes_leaves_nothing);
    tcase_add_test(tests, record_is_late_when_its_session_would_be);
    tcase_add_test(tests, null_keys_are_dropped);
    tcase_add_test(tests, failed_record_leaves_sessions_alone);
    tcase_add_test(tests, deleted_session_is_gone);
    tcase_add_test(tests, cached_sessions_forward_what_they_became);
    tcase_add_test(tests, sessions_are_found_again_after_a_restart);
    tcase_add_test(tests, sessions_at_the_ends_of_time);
    tcase_add_test(tests, long_keys_and_aggregates_beyond_the_bound);
    tcase_add_test(tests, index_forgets_what_is_over);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("sessions", add);
}
