/* The operators with state: aggregates, windows, tables, joins. Semantics row by row of STREAMS.md:
 * nulls, drops, late records, result timestamps, old values, caches, failing user functions. */
#include "base/bytes.h"
#include "tests/unit/operators/stand.h"

static bool is_text(const void *object, const char *text)
{
    return object != NULL && weir_slice_equal(*(const struct weir_slice *)object, weir_text(text));
}

static struct weir_slice window_key(const char *key, int64_t start, uint8_t to[64])
{
    size_t size = strlen(key);
    memcpy(to, key, size);
    weir_store_u64(to + size, (uint64_t)start);
    return weir_slice(to, size + 8);
}

/* ---- user functions -------------------------------------------------------------------------- */

/* Joins texts with '+'; "gone" deletes, "bad" fails. */
static int concatenate(struct weir_call *call, const void *aggregate, const void *value,
                       const void **aggregate_out)
{
    const struct weir_slice *left = aggregate;
    const struct weir_slice *right = value;
    if (is_text(value, "bad")) return weir_call_fail(call, "bad");
    if (is_text(value, "gone")) {
        *aggregate_out = NULL;
        return 0;
    }
    *aggregate_out =
        right == NULL
            ? weir_call_printf(call, "%.*s+-", (int)left->size, (const char *)left->data)
            : weir_call_printf(call, "%.*s+%.*s", (int)left->size, (const char *)left->data,
                               (int)right->size, (const char *)right->data);
    return 0;
}

static int start_at_ten(struct weir_call *call, void *aggregate)
{
    (void)call;
    *(int64_t *)aggregate = 10;
    return 0;
}

/* Adds the value's length; "gone" deletes; "bad" fails after it has changed the aggregate. */
static int add_length(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    (void)key;
    const struct weir_slice *text = value;
    *(int64_t *)aggregate += text != NULL ? (int64_t)text->size : 100;
    if (is_text(value, "bad")) return weir_call_fail(call, "bad");
    return is_text(value, "gone") ? WEIR_DELETE : 0;
}

static const struct weir_aggregate_config count_config = {
    .kind = WEIR_AGGREGATE_COUNT,
    .key_serde = &weir_serde_string,
    .value_serde = &weir_serde_int64,
};
static const struct weir_aggregate_config reduce_config = {
    .kind = WEIR_AGGREGATE_REDUCE,
    .reduce = concatenate,
    .key_serde = &weir_serde_string,
    .value_serde = &weir_serde_string,
};
static const struct weir_aggregate_config fold_config = {
    .kind = WEIR_AGGREGATE_FOLD,
    .initialize = start_at_ten,
    .aggregate = add_length,
    .key_serde = &weir_serde_string,
    .value_serde = &weir_serde_int64,
};

static int fail_on_x(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    (void)key;
    (void)aggregate;
    bool is_x = weir_slice_equal(*(const struct weir_slice *)value, weir_text("x"));
    return is_x ? weir_call_fail(call, "x") : 0;
}

/* An aggregate on the stand, before it is opened. */
static void set_up(struct stand *stand, const struct weir_aggregate_config *config)
{
    stand_init(stand, &weir_aggregate_ops, config);
    stand->output = config->value_serde == WEIR_INT64 ? STAND_INTEGERS : STAND_STRINGS;
    if (config->window_size_ms == 0) return;
    stand->specs[0].schema = &weir_key_schema_window;
    stand->specs[0].window_size_ms = config->window_size_ms;
    stand->specs[0].retention_ms = config->window_size_ms + config->grace_ms;
}

/* ---- aggregates by key ----------------------------------------------------------------------- */

START_TEST(count_forwards_each_update)
{
    struct stand stand;
    set_up(&stand, &count_config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 1}, {"b", "x", 2}, {"a", "y", 3})), NULL);
    stand_expect(&stand, "a=1@1 b=1@2 a=2@3");
    stand_expect_stored(&stand, weir_text("a"), "2");
    stand_close(&stand);
}
END_TEST

START_TEST(null_keys_and_values_are_dropped_and_counted)
{
    struct stand stand;
    set_up(&stand, &count_config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({NULL, "x", 1}, {"b", NULL, 2}, {NULL, NULL, 3})), NULL);
    stand_expect(&stand, "");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_NULL], 3);
    stand_expect_stored(&stand, weir_text("b"), "-");
    stand_close(&stand);
}
END_TEST

/* T4: the larger of the record's time and the stored one. */
START_TEST(aggregate_has_the_largest_timestamp)
{
    struct stand stand;
    set_up(&stand, &count_config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 9}, {"a", "x", 4})), NULL);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 5}, {"a", "x", 12})), NULL);
    stand_expect(&stand, "a=1@9 a=2@9 | a=3@9 a=4@12");
    stand_close(&stand);
}
END_TEST

START_TEST(aggregate_gives_old_values_where_they_are_wanted)
{
    struct stand stand;
    set_up(&stand, &count_config);
    stand.specs[0].keeps_old = true;
    stand_open(&stand, 1);
    stand.header_count = 1;
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 1}, {"a", "x", 2})), NULL);
    stand_expect(&stand, "a=1(0)@1#1 a=2(1)@2");
    stand_close(&stand);
}
END_TEST

START_TEST(reduce_begins_with_the_first_value)
{
    struct stand stand;
    set_up(&stand, &reduce_config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 1}, {"a", "y", 2}, {"a", "z", 3})), NULL);
    stand_expect(&stand, "a=x@1 a=x+y@2 a=x+y+z@3");
    stand_close(&stand);
}
END_TEST

/* A deleted aggregate begins again, timestamp and all. */
START_TEST(reduce_to_null_deletes)
{
    struct stand stand;
    set_up(&stand, &reduce_config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 7}, {"a", "gone", 2})), NULL);
    stand_expect(&stand, "a=x@7 a=-@7");
    stand_expect_stored(&stand, weir_text("a"), "-");
    ck_ok(stand_feed(&stand, ROWS({"a", "y", 3})), NULL);
    stand_expect(&stand, "a=y@3");
    stand_close(&stand);
}
END_TEST

START_TEST(fold_initializes_and_deletes)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    stand_open(&stand, 1);
    ck_ok(
        stand_feed(&stand, ROWS({"a", "xy", 1}, {"a", "xyz", 2}, {"a", "gone", 3}, {"a", "x", 4})),
        NULL);
    stand_expect(&stand, "a=12@1 a=15@2 a=-@3 a=11@4");
    stand_close(&stand);
}
END_TEST

/* The function changed its copy before it failed: the store has what was there. */
START_TEST(failing_aggregate_leaves_the_state_as_it_was)
{
    struct stand stand;
    set_up(&stand, &fold_config);
    stand_open(&stand, 1);
    stand.skips = true;
    ck_ok(stand_feed(&stand, ROWS({"a", "xy", 1}, {"a", "bad", 2}, {"a", "x", 3}, {"b", "bad", 4})),
          NULL);
    stand_expect(&stand, "a=12@1 a=13@3");
    ck_assert_int_eq(stand.failed, 2);
    stand_expect_stored(&stand, weir_text("a"), "13");
    stand_expect_stored(&stand, weir_text("b"), "-");
    stand.skips = false;
    ck_code(stand_feed(&stand, ROWS({"a", "bad", 5})), WEIR_USER_FUNCTION);
    stand_expect_stored(&stand, weir_text("a"), "13");
    stand_close(&stand);
}
END_TEST

/* ---- caches ---------------------------------------------------------------------------------- */

/* K7: nothing until the flush, then each key once, in order of first change. */
START_TEST(cached_table_forwards_at_the_flush)
{
    struct stand stand;
    set_up(&stand, &count_config);
    stand.specs[0].is_cached = true;
    stand.caches = true;
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"b", "x", 1}, {"a", "x", 2}, {"b", "x", 3})), NULL);
    stand_expect(&stand, "");
    stand_expect_stored(&stand, weir_text("b"), "2");
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "b=2@3 a=1@2");
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "");
    stand_close(&stand);
}
END_TEST

/* The old value is the one forwarded last, not the one before the last change. */
START_TEST(cached_old_value_is_the_one_forwarded_last)
{
    struct stand stand;
    set_up(&stand, &count_config);
    stand.specs[0].is_cached = true;
    stand.specs[0].keeps_old = true;
    stand.caches = true;
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 1}, {"a", "x", 2})), NULL);
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "a=2(-)@2");
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 3}, {"a", "x", 4})), NULL);
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "a=4(2)@4");
    stand_close(&stand);
}
END_TEST

/* Nobody has heard of a row that came and went between two flushes, of one that was there before all do. */
START_TEST(cached_row_that_came_and_went_is_not_told)
{
    struct stand stand;
    set_up(&stand, &reduce_config);
    stand.specs[0].is_cached = true;
    stand.caches = true;
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 1}, {"a", "gone", 2}, {"b", "y", 3})), NULL);
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "b=y@3");
    ck_ok(stand_feed(&stand, ROWS({"b", "gone", 4}, {"b", "z", 5}, {"b", "gone", 6})), NULL);
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "b=-@6");
    ck_ok(stand_feed(&stand, ROWS({"b", "z", 7}, {"b", "gone", 8})), NULL);
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "");
    stand_close(&stand);
}
END_TEST

/* What is deleted has the time of the record that deleted it; where there is no cache, the larger one. */
START_TEST(cached_deletion_has_the_time_of_its_record)
{
    struct stand stand;
    set_up(&stand, &reduce_config);
    stand.specs[0].is_cached = true;
    stand.caches = true;
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 9})), NULL);
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "a=x@9");
    ck_ok(stand_feed(&stand, ROWS({"a", "gone", 5})), NULL);
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "a=-@5");
    stand_close(&stand);
}
END_TEST

START_TEST(cached_store_forwards_at_once_when_caches_are_off)
{
    struct stand stand;
    set_up(&stand, &count_config);
    stand.specs[0].is_cached = true;
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 1}, {"a", "x", 2})), NULL);
    stand_expect(&stand, "a=1@1 a=2@2");
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "");
    stand_close(&stand);
}
END_TEST

/* ---- windows --------------------------------------------------------------------------------- */

static const struct weir_aggregate_config windowed_count = {
    .kind = WEIR_AGGREGATE_COUNT,
    .key_serde = &weir_serde_string,
    .value_serde = &weir_serde_int64,
    .window_size_ms = 10,
    .grace_ms = 5,
};

START_TEST(windows_are_aligned_to_the_epoch)
{
    struct stand stand;
    set_up(&stand, &windowed_count);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 0}, {"a", "x", 9}, {"a", "x", 10}, {"b", "x", 10})),
          NULL);
    stand_expect(&stand, "[a 0..10]=1@0 [a 0..10]=2@9 [a 10..20]=1@10 [b 10..20]=1@10");
    uint8_t bytes[64];
    stand_expect_stored(&stand, window_key("a", 0, bytes), "2");
    stand_expect_stored(&stand, window_key("a", 10, bytes), "1");
    stand_close(&stand);
}
END_TEST

/* W1: a window takes records while its end is after stream time - grace; equal is late. */
START_TEST(record_is_late_when_its_window_has_just_closed)
{
    struct stand stand;
    set_up(&stand, &windowed_count);
    stand_open(&stand, 1);
    /* Window [0, 10) closes at stream time 15: 10 > 14 - 5, but not 10 > 15 - 5. */
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 14}, {"b", "x", 9})), NULL);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 15}, {"b", "x", 9})), NULL);
    stand_expect(&stand, "[a 10..20]=1@14 [b 0..10]=1@9 | [a 10..20]=2@15");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_LATE], 1);
    ck_assert_int_eq(stand.dropped[WEIR_DROP_NULL], 0);
    ck_assert_int_eq(stand.node.observed_ms, 15);
    stand_close(&stand);
}
END_TEST

/* Within one batch, time passes row by row: the first row still finds its window. */
START_TEST(time_passes_within_a_batch)
{
    struct stand stand;
    set_up(&stand, &windowed_count);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 1})), NULL);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 2}, {"b", "x", 1000}, {"a", "x", 3})), NULL);
    stand_expect(&stand, "[a 0..10]=1@1 | [a 0..10]=2@2 [b 1000..1010]=1@1000");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_LATE], 1);
    stand_close(&stand);
}
END_TEST

/* Unlike the aggregate by key, a windowed one sees null values; null keys are dropped before they
 * move time. */
START_TEST(windowed_aggregate_sees_null_values)
{
    struct stand stand;
    struct weir_aggregate_config config = fold_config;
    config.window_size_ms = 10;
    set_up(&stand, &config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({NULL, "x", 99}, {"a", NULL, 5})), NULL);
    stand_expect(&stand, "[a 0..10]=110@5");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_NULL], 1);
    ck_assert_int_eq(stand.node.observed_ms, 5);
    stand_close(&stand);
}
END_TEST

START_TEST(windowed_reduce_of_null_stays_empty)
{
    struct stand stand;
    struct weir_aggregate_config config = reduce_config;
    config.window_size_ms = 10;
    set_up(&stand, &config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", NULL, 5}, {"a", "x", 6}, {"a", NULL, 7})), NULL);
    stand_expect(&stand, "[a 0..10]=-@5 [a 0..10]=x@6 [a 0..10]=x+-@7");
    stand_close(&stand);
}
END_TEST

/* At the end of time the window's end saturates, and what is before it is late as ever. */
START_TEST(window_at_the_end_of_time_saturates)
{
    struct stand stand;
    set_up(&stand, &windowed_count);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", INT64_MAX}, {"a", "x", INT64_MAX - 3},
                                  {"b", "x", INT64_MAX - 30})),
          NULL);
    stand_expect(&stand, "[a 9223372036854775800..9223372036854775807]=1@9223372036854775807 "
                         "[a 9223372036854775800..9223372036854775807]=2@9223372036854775807");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_LATE], 1);
    stand_close(&stand);
}
END_TEST

static const struct weir_aggregate_config hopping_count = {
    .kind = WEIR_AGGREGATE_COUNT,
    .key_serde = &weir_serde_string,
    .value_serde = &weir_serde_int64,
    .window_size_ms = 10,
    .window_advance_ms = 4,
    .grace_ms = 3,
};

/* Each window from the first that still reaches the record, which is never before 0. */
START_TEST(hopping_windows_overlap)
{
    struct stand stand;
    set_up(&stand, &hopping_count);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 3}, {"a", "x", 9}, {"b", "x", 12})), NULL);
    stand_expect(&stand, "[a 0..10]=1@3 [a 0..10]=2@9 [a 4..14]=1@9 [a 8..18]=1@9 "
                         "[b 4..14]=1@12 [b 8..18]=1@12 [b 12..22]=1@12");
    stand_close(&stand);
}
END_TEST

/* A late record is dropped from the windows that are closed, and is in the others. */
START_TEST(hopping_record_is_late_by_window)
{
    struct stand stand;
    set_up(&stand, &hopping_count);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"b", "x", 17}, {"a", "x", 9})), NULL);
    /* [0, 10) and [4, 14) end at or before 17 - 3. */
    stand_expect(&stand, "[b 8..18]=1@17 [b 12..22]=1@17 [b 16..26]=1@17 [a 8..18]=1@9");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_LATE], 2);
    stand_close(&stand);
}
END_TEST

/* More changes than a piece takes: the batch goes in several. */
START_TEST(hopping_batch_goes_in_pieces)
{
    struct stand stand;
    struct weir_aggregate_config config = hopping_count;
    config.window_size_ms = 5000;
    config.window_advance_ms = 1;
    set_up(&stand, &config);
    stand.plan.child_count = 0;
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 9000}, {"a", "x", 9000}, {"a", "x", 9001})), NULL);
    uint8_t bytes[64];
    stand_expect_stored(&stand, window_key("a", 9000, bytes), "3");
    stand_expect_stored(&stand, window_key("a", 9001, bytes), "1");
    stand_expect_stored(&stand, window_key("a", 4001, bytes), "2");
    stand_close(&stand);
}
END_TEST

START_TEST(hopping_windows_at_the_end_of_time_saturate)
{
    struct stand stand;
    set_up(&stand, &hopping_count);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", INT64_MAX}, {"a", "x", 0})), NULL);
    stand_expect(&stand, "[a 9223372036854775800..9223372036854775807]=1@9223372036854775807 "
                         "[a 9223372036854775804..9223372036854775807]=1@9223372036854775807");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_LATE], 1);
    stand_close(&stand);
}
END_TEST

/* A record that fails in one window does not reach those behind it. */
START_TEST(failed_record_reaches_no_further_window)
{
    struct stand stand;
    struct weir_aggregate_config config = hopping_count;
    config.kind = WEIR_AGGREGATE_FOLD;
    config.aggregate = fail_on_x;
    set_up(&stand, &config);
    stand.skips = true;
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 9}, {"a", "y", 1})), NULL);
    stand_expect(&stand, "[a 0..10]=0@1");
    ck_assert_int_eq(stand.failed, 1);
    stand_close(&stand);
}
END_TEST

START_TEST(unlimited_window_has_no_end)
{
    struct stand stand;
    struct weir_aggregate_config config = windowed_count;
    config.window_size_ms = INT64_MAX;
    config.window_advance_ms = INT64_MAX;
    config.window_start_ms = 5;
    config.grace_ms = 0;
    set_up(&stand, &config);
    stand.specs[0].retention_ms = INT64_MAX;
    stand_open(&stand, 1);
    ck_ok(
        stand_feed(&stand, ROWS({"a", "x", 5}, {"a", "x", 4}, {"a", "x", 1000000}, {"a", "x", 6})),
        NULL);
    stand_expect(&stand, "[a 5..9223372036854775807]=1@5 [a 5..9223372036854775807]=2@1000000 "
                         "[a 5..9223372036854775807]=3@1000000");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_LATE], 0); /* before the start is in no window */
    stand_close(&stand);
}
END_TEST

START_TEST(window_with_endless_grace_takes_everything)
{
    struct stand stand;
    struct weir_aggregate_config config = windowed_count;
    config.grace_ms = INT64_MAX / 4 - 10;
    set_up(&stand, &config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 1000000}, {"b", "x", 0})), NULL);
    stand_expect(&stand, "[a 1000000..1000010]=1@1000000 [b 0..10]=1@0");
    stand_close(&stand);
}
END_TEST

START_TEST(cached_windows_forward_at_the_flush)
{
    struct stand stand;
    set_up(&stand, &windowed_count);
    stand.specs[0].is_cached = true;
    stand.caches = true;
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 1}, {"a", "x", 11}, {"a", "x", 2})), NULL);
    stand_expect(&stand, "");
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "[a 0..10]=2@2 [a 10..20]=1@11");
    stand_close(&stand);
}
END_TEST

/* ---- table(topic) ---------------------------------------------------------------------------- */

static const struct weir_table_config table_config = {&weir_serde_string, &weir_serde_string};

/* K1: the last by offset wins, older timestamp or not; null deletes, a null key is dropped. */
START_TEST(table_keeps_the_latest_by_offset)
{
    struct stand stand;
    stand_init(&stand, &weir_table_ops, &table_config);
    stand.specs[0].keeps_old = true;
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 9}, {"a", "y", 4}, {NULL, "z", 5}, {"a", NULL, 6})),
          NULL);
    stand_expect(&stand, "a=x(-)@9 a=y(x)@4 a=-(y)@6");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_NULL], 1);
    stand_expect_stored(&stand, weir_text("a"), "-");
    stand_close(&stand);
}
END_TEST

START_TEST(cached_table_forwards_the_latest)
{
    struct stand stand;
    stand_init(&stand, &weir_table_ops, &table_config);
    stand.specs[0].is_cached = true;
    stand.caches = true;
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 1}, {"b", "y", 2}, {"a", NULL, 3})), NULL);
    stand_expect(&stand, "");
    stand_expect_stored(&stand, weir_text("b"), "y");
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "b=y@2");
    ck_ok(stand_feed(&stand, ROWS({"b", NULL, 4}, {"c", "z", 5}, {"c", NULL, 6})), NULL);
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "b=-@4");
    stand_close(&stand);
}
END_TEST

START_TEST(table_without_a_store_passes_updates)
{
    struct stand stand;
    stand_init(&stand, &weir_table_ops, &table_config);
    stand_open(&stand, 0);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 9}, {NULL, "z", 5}, {"a", NULL, 6})), NULL);
    stand_expect(&stand, "a=x@9 a=-@6");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_NULL], 1);
    ck_ok(stand_flush(&stand), NULL);
    stand_expect(&stand, "");
    stand_close(&stand);
}
END_TEST

/* ---- stream-table join ----------------------------------------------------------------------- */

static int join_texts(struct weir_call *call, const void *key, const void *stream_value,
                      const void *table_value, const void **value_out)
{
    (void)key;
    const struct weir_slice *left = stream_value;
    const struct weir_slice *right = table_value;
    if (is_text(stream_value, "bad")) return weir_call_fail(call, "bad");
    *value_out =
        right == NULL
            ? weir_call_printf(call, "%.*s/-", (int)left->size, (const char *)left->data)
            : weir_call_printf(call, "%.*s/%.*s", (int)left->size, (const char *)left->data,
                               (int)right->size, (const char *)right->data);
    return 0;
}

static void put(struct stand *stand, const char *key, const char *value)
{
    struct weir_store_entry *entry;
    struct weir_error error;
    struct weir_slice bytes = weir_text(key);
    struct weir_store *store = stand->store_pointers[0];
    ck_ok(weir_store_touch(store, &bytes, 1, &entry, &error), &error);
    ck_ok(weir_store_set(store, entry, weir_text(value), 100, &error), &error);
}

#define JOINED                                                                                     \
    ROWS({"a", "1", 5}, {"none", "2", 6}, {NULL, "3", 7}, {"b", NULL, 8}, {NULL, NULL, 9},         \
         {"b", "bad", 10}, {"b", "4", 11})

START_TEST(inner_join_drops_what_has_no_match)
{
    struct stand stand;
    const struct weir_join_config config = {
        .join = join_texts,
        .key_serde = WEIR_STRING,
        .table_value_serde = WEIR_STRING,
    };
    stand_init(&stand, &weir_join_ops, &config);
    stand_open(&stand, 1);
    stand.skips = true;
    put(&stand, "a", "A");
    put(&stand, "b", "B");
    ck_ok(stand_feed(&stand, JOINED), NULL);
    stand_expect(&stand, "a=1/A@5 b=4/B@11");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_NULL], 3); /* no match is no drop */
    ck_assert_int_eq(stand.failed, 1);
    stand_close(&stand);
}
END_TEST

/* Null keys have nothing to find and stay; null values are dropped in both. */
START_TEST(left_join_keeps_what_has_no_match)
{
    struct stand stand;
    const struct weir_join_config config = {
        .join = join_texts,
        .key_serde = WEIR_STRING,
        .table_value_serde = WEIR_STRING,
        .is_left = true,
    };
    stand_init(&stand, &weir_join_ops, &config);
    stand_open(&stand, 1);
    stand.skips = true;
    put(&stand, "a", "A");
    put(&stand, "b", "B");
    stand.header_count = 2;
    ck_ok(stand_feed(&stand, JOINED), NULL);
    stand_expect(&stand, "a=1/A@5#2 none=2/-@6 -=3/-@7 b=4/B@11");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_NULL], 2);
    stand_close(&stand);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("tables");
    tcase_add_test(tests, count_forwards_each_update);
    tcase_add_test(tests, null_keys_and_values_are_dropped_and_counted);
    tcase_add_test(tests, aggregate_has_the_largest_timestamp);
    tcase_add_test(tests, aggregate_gives_old_values_where_they_are_wanted);
    tcase_add_test(tests, reduce_begins_with_the_first_value);
    tcase_add_test(tests, reduce_to_null_deletes);
    tcase_add_test(tests, fold_initializes_and_deletes);
    tcase_add_test(tests, failing_aggregate_leaves_the_state_as_it_was);
    tcase_add_test(tests, cached_table_forwards_at_the_flush);
    tcase_add_test(tests, cached_old_value_is_the_one_forwarded_last);
    tcase_add_test(tests, cached_row_that_came_and_went_is_not_told);
    tcase_add_test(tests, cached_deletion_has_the_time_of_its_record);
    tcase_add_test(tests, cached_store_forwards_at_once_when_caches_are_off);
    tcase_add_test(tests, windows_are_aligned_to_the_epoch);
    tcase_add_test(tests, record_is_late_when_its_window_has_just_closed);
    tcase_add_test(tests, time_passes_within_a_batch);
    tcase_add_test(tests, windowed_aggregate_sees_null_values);
    tcase_add_test(tests, windowed_reduce_of_null_stays_empty);
    tcase_add_test(tests, window_at_the_end_of_time_saturates);
    tcase_add_test(tests, hopping_windows_overlap);
    tcase_add_test(tests, hopping_record_is_late_by_window);
    tcase_add_test(tests, hopping_batch_goes_in_pieces);
    tcase_add_test(tests, hopping_windows_at_the_end_of_time_saturate);
    tcase_add_test(tests, failed_record_reaches_no_further_window);
    tcase_add_test(tests, unlimited_window_has_no_end);
    tcase_add_test(tests, window_with_endless_grace_takes_everything);
    tcase_add_test(tests, cached_windows_forward_at_the_flush);
    tcase_add_test(tests, table_keeps_the_latest_by_offset);
    tcase_add_test(tests, cached_table_forwards_the_latest);
    tcase_add_test(tests, table_without_a_store_passes_updates);
    tcase_add_test(tests, inner_join_drops_what_has_no_match);
    tcase_add_test(tests, left_join_keeps_what_has_no_match);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("tables", add);
}
