/* The operators without state, row by row of STREAMS.md section 1: what passes, what changes, what
 * a failing user function does to its neighbours. */
#include "tests/unit/operators/stand.h"

static bool is_text(const void *object, const char *text)
{
    return object != NULL && weir_slice_equal(*(const struct weir_slice *)object, weir_text(text));
}

/* Holds for the value "yes"; fails for "bad". */
static int is_yes(struct weir_call *call, const void *key, const void *value)
{
    (void)key;
    if (is_text(value, "bad"))
        return weir_call_fail(call, "a bad value at %lld", (long long)call->timestamp_ms);
    return is_text(value, "yes");
}

static int is_null_value(struct weir_call *call, const void *key, const void *value)
{
    (void)call;
    (void)key;
    return value == NULL;
}

/* ---- filter ---------------------------------------------------------------------------------- */

START_TEST(filter_keeps_what_holds_with_its_columns)
{
    struct stand stand;
    const struct weir_filter_config config = {.predicate = is_yes};
    stand_init(&stand, &weir_filter_ops, &config);
    stand_open(&stand, 0);
    stand.header_count = 2;
    ck_ok(stand_feed(&stand, ROWS({"a", "yes", 5}, {"b", "no", 6}, {NULL, "yes", 7})), NULL);
    stand_expect(&stand, "a=yes@5#2 -=yes@7");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_NULL], 0);
    stand_close(&stand);
}
END_TEST

START_TEST(filter_sees_null_values)
{
    struct stand stand;
    const struct weir_filter_config config = {.predicate = is_null_value};
    stand_init(&stand, &weir_filter_ops, &config);
    stand_open(&stand, 0);
    ck_ok(stand_feed(&stand, ROWS({"a", NULL, 5}, {"b", "no", 6})), NULL);
    stand_expect(&stand, "a=-@5");
    stand_close(&stand);
}
END_TEST

START_TEST(filter_not_keeps_the_others)
{
    struct stand stand;
    const struct weir_filter_config config = {.predicate = is_yes, .is_negated = true};
    stand_init(&stand, &weir_filter_ops, &config);
    stand_open(&stand, 0);
    ck_ok(stand_feed(&stand, ROWS({"a", "yes", 5}, {"b", "no", 6}, {"c", NULL, 7})), NULL);
    stand_expect(&stand, "b=no@6 c=-@7");
    stand_close(&stand);
}
END_TEST

START_TEST(filter_forwards_nothing_when_nothing_is_left)
{
    struct stand stand;
    const struct weir_filter_config config = {.predicate = is_yes};
    stand_init(&stand, &weir_filter_ops, &config);
    stand_open(&stand, 0);
    ck_ok(stand_feed(&stand, ROWS({"a", "no", 5})), NULL);
    stand_expect(&stand, "");
    stand_close(&stand);
}
END_TEST

START_TEST(filter_looks_at_selected_rows_only)
{
    struct stand stand;
    const struct weir_filter_config config = {.predicate = is_yes};
    stand_init(&stand, &weir_filter_ops, &config);
    stand_open(&stand, 0);
    const uint32_t selection[] = {1, 2};
    ck_ok(stand_feed_selected(
              &stand, ROWS({"a", "yes", 5}, {"b", "yes", 6}, {"c", "no", 7}, {"d", "bad", 8}),
              selection, 2),
          NULL);
    stand_expect(&stand, "b=yes@6");
    stand_close(&stand);
}
END_TEST

/* Skipped: the neighbours pass. Not skipped: the batch stops, with the user's reason. */
START_TEST(failing_predicate_is_skipped_or_stops)
{
    struct stand stand;
    const struct weir_filter_config config = {.predicate = is_yes};
    stand_init(&stand, &weir_filter_ops, &config);
    stand_open(&stand, 0);
    stand.skips = true;
    ck_ok(stand_feed(&stand, ROWS({"a", "yes", 5}, {"b", "bad", 6}, {"c", "yes", 7})), NULL);
    stand_expect(&stand, "a=yes@5 c=yes@7");
    ck_assert_int_eq(stand.failed, 1);
    stand.skips = false;
    ck_code(stand_feed(&stand, ROWS({"b", "bad", 8})), WEIR_USER_FUNCTION);
    ck_assert_str_eq(stand.record_error.text, "a bad value at 8");
    stand_expect(&stand, "");
    stand_close(&stand);
}
END_TEST

START_TEST(null_keys_leave_silently_before_a_repartition)
{
    struct stand stand;
    stand_init(&stand, &weir_filter_null_keys_ops, NULL);
    stand_open(&stand, 0);
    ck_ok(stand_feed(&stand, ROWS({NULL, "x", 5}, {"b", NULL, 6})), NULL);
    stand_expect(&stand, "b=-@6");
    ck_assert_int_eq(stand.dropped[WEIR_DROP_NULL], 0);
    stand_close(&stand);
}
END_TEST

/* ---- map, mapValues, selectKey --------------------------------------------------------------- */

static int swap(struct weir_call *call, const void *key, const void *value, const void **key_out,
                const void **value_out)
{
    if (is_text(value, "bad")) return weir_call_fail(call, "bad");
    *key_out = value;
    *value_out = key;
    return 0;
}

static int shout(struct weir_call *call, const void *key, const void *value, const void **value_out)
{
    (void)key;
    if (is_text(value, "bad")) return weir_call_fail(call, "bad");
    const struct weir_slice *text = value;
    *value_out = text == NULL
                     ? NULL
                     : weir_call_printf(call, "%.*s!", (int)text->size, (const char *)text->data);
    return 0;
}

static int value_of(struct weir_call *call, const void *key, const void *value,
                    const void **key_out)
{
    (void)call;
    (void)key;
    *key_out = value;
    return 0;
}

START_TEST(map_makes_both_and_keeps_time_and_headers)
{
    struct stand stand;
    const struct weir_map_config config = {.map = swap};
    stand_init(&stand, &weir_map_ops, &config);
    stand_open(&stand, 0);
    stand.header_count = 1;
    stand.skips = true;
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 5}, {NULL, "y", 6}, {"c", "bad", 7}, {"d", NULL, 8})),
          NULL);
    stand_expect(&stand, "x=a@5#1 y=-@6 -=d@8");
    ck_assert_int_eq(stand.failed, 1);
    stand_close(&stand);
}
END_TEST

START_TEST(map_values_keeps_keys)
{
    struct stand stand;
    const struct weir_map_values_config config = {.map = shout};
    stand_init(&stand, &weir_map_values_ops, &config);
    stand_open(&stand, 0);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 5}, {NULL, "y", 6}, {"c", NULL, 7})), NULL);
    stand_expect(&stand, "a=x!@5 -=y!@6 c=-@7");
    stand_close(&stand);
}
END_TEST

START_TEST(select_key_keeps_values)
{
    struct stand stand;
    const struct weir_select_key_config config = {.select = value_of};
    stand_init(&stand, &weir_select_key_ops, &config);
    stand_open(&stand, 0);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 5}, {"c", NULL, 7})), NULL);
    stand_expect(&stand, "x=x@5 -=-@7");
    stand_close(&stand);
}
END_TEST

/* The bytes of a new key are made anew: what is sent is the new key. */
static int check_no_key_bytes(struct weir_node *node, const struct weir_batch *batch)
{
    (void)node;
    ck_assert_ptr_null(batch->key_bytes);
    ck_assert_ptr_nonnull(batch->value_bytes);
    return 0;
}

START_TEST(select_key_forgets_the_bytes_of_the_old_key)
{
    static const struct weir_operator_ops ops = {.process = check_no_key_bytes};
    static const struct weir_plan_node plan = {.ops = &ops};
    struct stand stand;
    const struct weir_select_key_config config = {.select = value_of};
    stand_init(&stand, &weir_select_key_ops, &config);
    stand.children[0].plan = &plan;
    stand_open(&stand, 0);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 5})), NULL);
    stand_close(&stand);
}
END_TEST

/* ---- flatMap --------------------------------------------------------------------------------- */

/* As many rows as the value has characters; fails behind the second of "bad". */
static int letters(struct weir_call *call, const void *key, const void *value,
                   struct weir_emitter *emitter)
{
    const struct weir_slice *text = value;
    for (size_t i = 0; text != NULL && i < text->size; i++) {
        if (i == 2 && is_text(value, "bad")) return weir_call_fail(call, "bad");
        int rc = weir_emit(emitter, key, weir_call_printf(call, "%c", text->data[i]));
        if (rc < 0) return rc;
    }
    return 0;
}

START_TEST(flat_map_makes_any_number_of_rows)
{
    struct stand stand;
    const struct weir_flat_map_config config = {.map = letters};
    stand_init(&stand, &weir_flat_map_ops, &config);
    stand_open(&stand, 0);
    stand.header_count = 1;
    ck_ok(stand_feed(&stand, ROWS({"a", "xy", 5}, {"b", NULL, 6}, {"c", "z", 7})), NULL);
    stand_expect(&stand, "a=x@5#1 a=y@5#1 c=z@7");
    stand_close(&stand);
}
END_TEST

START_TEST(flat_map_gives_all_rows_of_a_record_or_none)
{
    struct stand stand;
    const struct weir_flat_map_config config = {.map = letters};
    stand_init(&stand, &weir_flat_map_ops, &config);
    stand_open(&stand, 0);
    stand.skips = true;
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 5}, {"b", "bad", 6}, {"c", "z", 7})), NULL);
    stand_expect(&stand, "a=x@5 c=z@7");
    stand_close(&stand);
}
END_TEST

/* Rows know the record they came from: a dead letter further down can name it. */
static int check_origin(struct weir_node *node, const struct weir_batch *batch)
{
    (void)node;
    ck_assert_uint_eq(batch->count, 3);
    ck_assert_ptr_nonnull(batch->offsets);
    ck_assert_int_eq(batch->offsets[0], 0);
    ck_assert_int_eq(batch->offsets[1], 0);
    ck_assert_int_eq(batch->offsets[2], 1);
    ck_assert_str_eq(batch->source->topic, "in");
    return 0;
}

START_TEST(flat_map_keeps_the_origin)
{
    static const struct weir_operator_ops ops = {.process = check_origin};
    static const struct weir_plan_node plan = {.ops = &ops};
    struct stand stand;
    const struct weir_flat_map_config config = {.map = letters};
    stand_init(&stand, &weir_flat_map_ops, &config);
    stand.children[0].plan = &plan;
    stand_open(&stand, 0);
    ck_ok(stand_feed(&stand, ROWS({"a", "xy", 5}, {"c", "z", 7})), NULL);
    stand_close(&stand);
}
END_TEST

/* More rows than any first guess. */
static int many(struct weir_call *call, const void *key, const void *value,
                struct weir_emitter *emitter)
{
    (void)call;
    for (int i = 0; i < 1000; i++) {
        int rc = weir_emit(emitter, key, value);
        if (rc < 0) return rc;
    }
    return 0;
}

static int count_rows(struct weir_node *node, const struct weir_batch *batch)
{
    int64_t *count = node->state;
    for (size_t i = 0; i < batch->count; i++) {
        ck_assert(is_text(batch->values[weir_batch_row(batch, i)], "v"));
        ck_assert_int_eq(batch->timestamps[weir_batch_row(batch, i)], 5);
        (*count)++;
    }
    return 0;
}

START_TEST(flat_map_grows)
{
    static const struct weir_operator_ops ops = {.process = count_rows};
    static const struct weir_plan_node plan = {.ops = &ops};
    int64_t count = 0;
    struct stand stand;
    const struct weir_flat_map_config config = {.map = many};
    stand_init(&stand, &weir_flat_map_ops, &config);
    stand.children[0].plan = &plan;
    stand.children[0].state = &count;
    stand_open(&stand, 0);
    ck_ok(stand_feed(&stand, ROWS({"a", "v", 5}, {"b", "v", 5}, {"c", "v", 5})), NULL);
    ck_assert_int_eq(count, 3000);
    stand_close(&stand);
}
END_TEST

/* ---- peek, foreach, branch, merge ------------------------------------------------------------ */

struct seen {
    int64_t count;
    int64_t last_offset;
    const char *topic;
};

static int look(struct weir_call *call, const void *key, const void *value)
{
    (void)key;
    struct seen *seen = call->context;
    seen->count++;
    seen->last_offset = call->offset;
    seen->topic = call->topic;
    if (is_text(value, "bad")) return weir_call_fail(call, "bad");
    return 0;
}

START_TEST(peek_looks_and_passes_on)
{
    struct stand stand;
    struct seen seen = {0};
    const struct weir_peek_config config = {.visit = look, .context = &seen};
    stand_init(&stand, &weir_peek_ops, &config);
    stand_open(&stand, 0);
    stand.skips = true;
    ck_ok(stand_feed(&stand, ROWS({"a", NULL, 5}, {NULL, "bad", 6}, {"c", "z", 7})), NULL);
    stand_expect(&stand, "a=-@5 c=z@7");
    ck_assert_int_eq(seen.count, 3);
    ck_assert_int_eq(seen.last_offset, 2);
    ck_assert_str_eq(seen.topic, "in");
    stand_close(&stand);
}
END_TEST

START_TEST(foreach_has_no_children)
{
    struct stand stand;
    struct seen seen = {0};
    const struct weir_peek_config config = {.visit = look, .context = &seen};
    stand_init(&stand, &weir_peek_ops, &config);
    stand.plan.child_count = 0;
    stand_open(&stand, 0);
    ck_ok(stand_feed(&stand, ROWS({"a", "x", 5})), NULL);
    stand_expect(&stand, "");
    ck_assert_int_eq(seen.count, 1);
    stand_close(&stand);
}
END_TEST

static int equals_context(struct weir_call *call, const void *key, const void *value)
{
    (void)key;
    if (is_text(value, "bad")) return weir_call_fail(call, "bad");
    return is_text(value, call->context);
}

static const weir_predicate_fn branch_predicates[] = {equals_context, equals_context};
static char first_text[] = "first";
static char second_text[] = "second";
static void *const branch_contexts[] = {first_text, second_text};
static const struct weir_branch_config branch_config = {branch_predicates, branch_contexts, 2};
#define BRANCHED                                                                                   \
    ROWS({"a", "second", 1}, {"b", "first", 2}, {"c", "bad", 3}, {"d", "other", 4},                \
         {"e", "second", 5})

START_TEST(branch_drops_what_nothing_takes)
{
    struct stand stand;
    stand_init(&stand, &weir_branch_ops, &branch_config);
    stand.plan.child_count = 2;
    stand_open(&stand, 0);
    stand.skips = true;
    ck_ok(stand_feed(&stand, BRANCHED), NULL);
    stand_expect(&stand, "b=first@2 | 1:a=second@1 1:e=second@5");
    ck_assert_int_eq(stand.failed, 1);
    stand_close(&stand);
}
END_TEST

START_TEST(default_branch_takes_the_rest)
{
    struct stand stand;
    stand_init(&stand, &weir_branch_ops, &branch_config);
    stand.plan.child_count = 3;
    stand_open(&stand, 0);
    stand.skips = true;
    ck_ok(stand_feed(&stand, BRANCHED), NULL);
    stand_expect(&stand, "b=first@2 | 1:a=second@1 1:e=second@5 | 2:d=other@4");
    stand_close(&stand);
}
END_TEST

START_TEST(branches_that_meet_again_go_row_by_row)
{
    struct stand stand;
    stand_init(&stand, &weir_branch_ops, &branch_config);
    stand.plan.child_count = 3;
    stand.plan.is_record_by_record = true;
    stand.plan.is_record_by_record_when_cached = true;
    stand_open(&stand, 0);
    stand.skips = true;
    ck_ok(stand_feed(&stand, BRANCHED), NULL);
    stand_expect(&stand, "1:a=second@1 | b=first@2 | 2:d=other@4 | 1:e=second@5");
    stand_close(&stand);
}
END_TEST

START_TEST(merge_passes_on)
{
    struct stand stand;
    stand_init(&stand, &weir_pass_ops, NULL);
    stand.plan.child_count = 2;
    stand_open(&stand, 0);
    ck_ok(stand_feed(&stand, ROWS({NULL, NULL, 5})), NULL);
    stand_expect(&stand, "-=-@5 | 1:-=-@5");
    stand_close(&stand);
}
END_TEST

/* ---- source and sink ------------------------------------------------------------------------- */

START_TEST(source_leaves_out_what_it_cannot_read)
{
    struct stand stand;
    stand_init(&stand, &weir_source_ops, NULL);
    stand.plan.value_serde = WEIR_INT64;
    stand.output = STAND_INTEGERS;
    stand_open(&stand, 0);
    stand.skips = true;
    ck_ok(stand_feed(&stand, ROWS({"a", "\1\2\3\4\5\6\7\1", 5}, {"b", "x", 6}, {"c", NULL, 7})),
          NULL);
    stand_expect(&stand, "a=72623859790382849@5 c=-@7");
    ck_assert_int_eq(stand.failed, 1);
    stand.skips = false;
    ck_code(stand_feed(&stand, ROWS({"a", NULL, 5}, {"b", "x", 6})), WEIR_SERDE);
    ck_assert_str_eq(stand.record_error.text, "int64 of in: 1 bytes, 8 expected");
    stand_expect(&stand, "");
    stand_close(&stand);
}
END_TEST

START_TEST(sink_sends_nulls_as_nulls)
{
    struct stand stand;
    stand_init(&stand, &weir_sink_ops, NULL);
    stand_open(&stand, 0);
    ck_ok(stand_feed(&stand, ROWS({"a", NULL, 5}, {NULL, "x", 6})), NULL);
    ck_assert_str_eq(stand.sent, "a=-@5 -=x@6");
    stand_close(&stand);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("stateless");
    tcase_add_test(tests, filter_keeps_what_holds_with_its_columns);
    tcase_add_test(tests, filter_sees_null_values);
    tcase_add_test(tests, filter_not_keeps_the_others);
    tcase_add_test(tests, filter_forwards_nothing_when_nothing_is_left);
    tcase_add_test(tests, filter_looks_at_selected_rows_only);
    tcase_add_test(tests, failing_predicate_is_skipped_or_stops);
    tcase_add_test(tests, null_keys_leave_silently_before_a_repartition);
    tcase_add_test(tests, map_makes_both_and_keeps_time_and_headers);
    tcase_add_test(tests, map_values_keeps_keys);
    tcase_add_test(tests, select_key_keeps_values);
    tcase_add_test(tests, select_key_forgets_the_bytes_of_the_old_key);
    tcase_add_test(tests, flat_map_makes_any_number_of_rows);
    tcase_add_test(tests, flat_map_gives_all_rows_of_a_record_or_none);
    tcase_add_test(tests, flat_map_keeps_the_origin);
    tcase_add_test(tests, flat_map_grows);
    tcase_add_test(tests, peek_looks_and_passes_on);
    tcase_add_test(tests, foreach_has_no_children);
    tcase_add_test(tests, branch_drops_what_nothing_takes);
    tcase_add_test(tests, default_branch_takes_the_rest);
    tcase_add_test(tests, branches_that_meet_again_go_row_by_row);
    tcase_add_test(tests, merge_passes_on);
    tcase_add_test(tests, source_leaves_out_what_it_cannot_read);
    tcase_add_test(tests, sink_sends_nulls_as_nulls);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("stateless", add);
}
