/* Windows kept as slices, on the test stand: what is told of them is what rows would tell (the property is in
 * test_windows_random.c); what they are merged in; what cannot be. */
#include "tests/unit/operators/stand.h"

#include "base/bytes.h"

static int concatenate(struct weir_call *call, const void *aggregate, const void *value,
                       const void **aggregate_out)
{
    const struct weir_slice *left = aggregate;
    const struct weir_slice *right = value;
    if (right != NULL && weir_slice_equal(*right, weir_text("bad"))) {
        return weir_call_fail(call, "bad");
    }
    *aggregate_out = NULL;
    if (right == NULL || weir_slice_equal(*right, weir_text("gone"))) return 0;
    *aggregate_out = weir_call_printf(call, "%.*s%.*s", (int)left->size, (const char *)left->data,
                                      (int)right->size, (const char *)right->data);
    return 0;
}

static int append(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    struct weir_slice *text = aggregate;
    const struct weir_slice *added = value;
    (void)key;
    if (weir_slice_equal(*added, weir_text("gone"))) return WEIR_DELETE;
    *text = *weir_call_printf(call, "%.*s%.*s", (int)text->size, (const char *)text->data,
                              (int)added->size, (const char *)added->data);
    return 0;
}

static int merge(struct weir_call *call, const void *key, const void *other, void *aggregate)
{
    const struct weir_slice *added = other;
    const struct weir_slice *record_key = key;
    if (weir_slice_equal(*added, weir_text("stop"))) return weir_call_fail(call, "as asked");
    if (weir_slice_equal(*added, weir_text("end"))) return WEIR_DELETE;
    ck_assert(weir_slice_equal(*record_key, weir_text("a")));
    return append(call, key, other, aggregate);
}

/* Slices of 2. */
static const struct weir_aggregate_config reduce_config = {
    .kind = WEIR_AGGREGATE_REDUCE,
    .reduce = concatenate,
    .key_serde = &weir_serde_string,
    .value_serde = &weir_serde_string,
    .window_size_ms = 6,
    .window_advance_ms = 4,
    .slice_ms = 2,
    .grace_ms = 0,
    .retention_ms = 6,
};

static void set_up(struct stand *stand, const struct weir_aggregate_config *config, bool is_cached)
{
    stand_init(stand, &weir_slices_ops, config);
    if (config->value_serde == WEIR_INT64) stand->output = STAND_INTEGERS;
    stand->caches = is_cached;
    stand->specs[0].schema = &weir_key_schema_slice;
    stand->specs[0].window_size_ms = config->slice_ms;
    stand->specs[0].retention_ms = config->retention_ms;
    stand->specs[0].is_cached = is_cached;
    stand_open(stand, 1);
}

static struct weir_slice slice_key(const char *key, int64_t start_ms, uint8_t *bytes)
{
    weir_window_key_write(bytes, weir_text(key), start_ms);
    return weir_slice(bytes, weir_window_key_size(weir_text(key)));
}

/* A row changes one slice, and tells of each window that it is in; they are merged in the order of time,
 * whatever the order in which rows came. */
START_TEST(windows_are_merged_in_order_of_time)
{
    struct stand stand;
    uint8_t bytes[64];
    struct weir_aggregate_config config = reduce_config;
    config.grace_ms = 10;
    config.retention_ms = 16;
    set_up(&stand, &config, false);
    ck_ok(stand_feed(&stand, ROWS({"a", "2", 5}, {"a", "3", 7}, {"a", "1", 0})), NULL);
    stand_expect(&stand, "[a 0..6]=2@5 [a 4..10]=2@5 [a 4..10]=23@7 [a 0..6]=12@5");
    stand_expect_stored(&stand, slice_key("a", 0, bytes), "1");
    stand_expect_stored(&stand, slice_key("a", 4, bytes), "2");
    stand_expect_stored(&stand, slice_key("a", 6, bytes), "3");
    stand_close(&stand);
}
END_TEST

/* Many windows at once: each is merged of two parts, whose slices are in order. */
START_TEST(many_windows_of_a_key_are_merged_in_order)
{
    struct stand stand;
    struct weir_aggregate_config config = reduce_config;
    config.window_size_ms = 5;
    config.window_advance_ms = config.slice_ms = 1;
    config.retention_ms = 5;
    set_up(&stand, &config, true);
    ck_ok(stand_feed(&stand, ROWS({"a", "0", 0}, {"a", "1", 1}, {"a", "2", 2}, {"a", "3", 3},
                                  {"a", "5", 5}, {"a", "6", 6})),
          NULL);
    stand_expect(&stand, "");
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "[a 0..5]=0123@3 [a 1..6]=1235@5 [a 2..7]=2356@6 [a 3..8]=356@6 "
                         "[a 4..9]=56@6 [a 5..10]=56@6 [a 6..11]=6@6");
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "");
    /* The windows of one slice alone have changed. */
    ck_ok(stand_feed(&stand, ROWS({"a", "9", 9})), NULL);
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand,
                 "[a 5..10]=569@9 [a 6..11]=69@9 [a 7..12]=9@9 [a 8..13]=9@9 [a 9..14]=9@9");
    stand_close(&stand);
}
END_TEST

/* The window [0, 6) is over when the row at 5 comes, [4, 10) is not: one slice is in both. */
START_TEST(late_row_is_in_no_window_that_is_over)
{
    struct stand stand;
    set_up(&stand, &reduce_config, true);
    ck_ok(stand_feed(&stand, ROWS({"a", "1", 1}, {"a", "4", 4}, {"b", "x", 6}, {"a", "late", 5})),
          NULL);
    ck_assert_int_eq(stand.dropped[WEIR_DROP_LATE], 1);
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "[a 0..6]=14@4 [a 4..10]=4late@5 [b 4..10]=x@6");
    stand_close(&stand);

    struct weir_aggregate_config config = reduce_config;
    config.emits_on_close = true;
    set_up(&stand, &config, false);
    stand.emit_interval_ms = 1000;
    stand.wall_ms = 5000;
    ck_ok(stand_feed(&stand, ROWS({"a", "1", 1}, {"a", "4", 4}, {"b", "x", 6})), NULL);
    stand_expect(&stand, ""); /* nobody has looked */
    ck_ok(stand_feed(&stand, ROWS({"a", "late", 5})), NULL);
    stand_expect(&stand, "[a 0..6]=14@4");
    stand.wall_ms = 7000;
    ck_ok(stand_feed(&stand, ROWS({"b", "x", 10})), NULL);
    stand_expect(&stand, "[a 4..10]=4late@5 [b 4..10]=x@6");
    stand_close(&stand);
}
END_TEST

/* A window that is over before the flush is told of all its slices, though their time is over in the store. */
START_TEST(slices_wait_for_the_flush)
{
    struct stand stand;
    set_up(&stand, &reduce_config, true);
    ck_ok(stand_feed(&stand, ROWS({"a", "1", 4})), NULL);
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "[a 0..6]=1@4 [a 4..10]=1@4");
    ck_ok(stand_feed(&stand, ROWS({"a", "2", 8})), NULL);
    ck_ok(stand_feed(&stand, ROWS({"b", "x", 1000000})), NULL);
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "[a 4..10]=12@8 [a 8..14]=2@8 [b 999996..1000002]=x@1000000 "
                         "[b 1000000..1000006]=x@1000000");
    stand_close(&stand);
}
END_TEST

START_TEST(merger_is_given_the_key)
{
    struct stand stand;
    struct weir_aggregate_config config = reduce_config;
    config.kind = WEIR_AGGREGATE_FOLD;
    config.aggregate = append;
    config.merge = merge;
    set_up(&stand, &config, true);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 0}, {"a", "y", 3}, {"a", "z", 4}, {"a", "u", 5})),
          NULL);
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "[a 0..6]=xyzu@5 [a 4..10]=zu@5");
    stand_close(&stand);
}
END_TEST

/* What is left of windows without the record is not to be told: it fails, and the slice stays. */
START_TEST(aggregate_cannot_be_deleted)
{
    struct stand stand;
    uint8_t bytes[64];
    struct weir_aggregate_config config = reduce_config;
    set_up(&stand, &config, true);
    stand.skips = true;
    ck_ok(stand_feed(&stand, ROWS({"a", "1", 4}, {"a", "gone", 5}, {"a", "bad", 5})), NULL);
    ck_assert_int_eq(stand.failed, 2);
    stand_expect_stored(&stand, slice_key("a", 4, bytes), "1");
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "[a 0..6]=1@4 [a 4..10]=1@4");
    stand.skips = false;
    ck_code(stand_feed(&stand, ROWS({"a", "gone", 5})), WEIR_USER_FUNCTION);
    ck_assert_ptr_nonnull(strstr(stand.record_error.text, "keep rows (WEIR_LAYOUT_ROWS)"));
    stand_close(&stand);

    config.kind = WEIR_AGGREGATE_FOLD;
    config.aggregate = append;
    config.merge = merge;
    set_up(&stand, &config, true);
    ck_code(stand_feed(&stand, ROWS({"a", "gone", 5})), WEIR_USER_FUNCTION);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 0}, {"a", "end", 4})), NULL);
    ck_code(stand_flush(&stand), WEIR_USER_FUNCTION);
    ck_assert_ptr_nonnull(strstr(stand.record_error.text, "the merger deletes the aggregate"));
    stand_close(&stand);
}
END_TEST

/* There is no record to skip when windows are merged: the job stops, with the merger's own text. */
START_TEST(merger_that_fails_stops_the_job)
{
    struct stand stand;
    struct weir_aggregate_config config = reduce_config;
    config.kind = WEIR_AGGREGATE_FOLD;
    config.aggregate = append;
    config.merge = merge;
    set_up(&stand, &config, true);
    stand.skips = true;
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 0}, {"a", "stop", 4})), NULL);
    ck_code(stand_flush(&stand), WEIR_USER_FUNCTION);
    ck_assert_ptr_nonnull(strstr(stand.record_error.text, "as asked"));
    stand_close(&stand);
}
END_TEST

START_TEST(null_value_begins_nothing)
{
    struct stand stand;
    set_up(&stand, &reduce_config, false);
    ck_ok(stand_feed(&stand, ROWS({"a", NULL, 4}, {NULL, "x", 4}, {"a", "1", 4})), NULL);
    stand_expect(&stand, "[a 0..6]=1@4 [a 4..10]=1@4");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_NULL], 1);
    stand_close(&stand);
}
END_TEST

/* The year 292278994: ends stay there, and what ends there closes with the last time. */
START_TEST(slices_at_the_end_of_time)
{
    struct stand stand;
    struct weir_aggregate_config config = reduce_config;
    config.kind = WEIR_AGGREGATE_COUNT;
    config.value_serde = &weir_serde_int64;
    const int64_t last_ms = INT64_MAX - INT64_MAX % 4;
    for (int is_cached = 0; is_cached < 2; is_cached++) {
        set_up(&stand, &config, is_cached != 0);
        ck_ok(stand_feed(&stand, ROWS({"a", "x", last_ms}, {"a", "x", INT64_MAX - 1},
                                      {"a", "x", INT64_MAX})),
              NULL);
        ck_ok(stand_flush(&stand), NULL);
        ck_assert_int_eq(stand.dropped[WEIR_DROP_LATE], 1);
        stand_close(&stand);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("slices");
    tcase_add_test(tests, windows_are_merged_in_order_of_time);
    tcase_add_test(tests, many_windows_of_a_key_are_merged_in_order);
    tcase_add_test(tests, late_row_is_in_no_window_that_is_over);
    tcase_add_test(tests, slices_wait_for_the_flush);
    tcase_add_test(tests, merger_is_given_the_key);
    tcase_add_test(tests, aggregate_cannot_be_deleted);
    tcase_add_test(tests, merger_that_fails_stops_the_job);
    tcase_add_test(tests, null_value_begins_nothing);
    tcase_add_test(tests, slices_at_the_end_of_time);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("slices", add);
}
