/* Every allocation of every operator fails once: the batch stops with WEIR_NO_MEMORY, or did without,
 * and nothing is used that was not had. */
#include "tests/unit/operators/stand.h"

static int pass(struct weir_call *call, const void *key, const void *value)
{
    (void)call, (void)key, (void)value;
    return 1;
}

static int same_value(struct weir_call *call, const void *key, const void *value,
                      const void **value_out)
{
    (void)call, (void)key;
    *value_out = value;
    return 0;
}

static int joined(struct weir_call *call, const void *key, const void *stream_value,
                  const void *table_value, const void **value_out)
{
    (void)call, (void)key, (void)table_value;
    *value_out = stream_value;
    return 0;
}

static int last(struct weir_call *call, const void *aggregate, const void *value,
                const void **aggregate_out)
{
    (void)call, (void)aggregate;
    *aggregate_out = value;
    return 0;
}

static int forward(struct weir_process *process, void *state, struct weir_call *call,
                   const void *key, const void *value)
{
    (void)state;
    struct weir_store *store = weir_process_store(process, "store");
    if (key == NULL) return 0;
    const void *found = NULL;
    int rc = weir_store_get(process, store, key, &found);
    if (rc == 0) rc = weir_store_put(process, store, key, value);
    return rc == 0 ? weir_process_forward(process, key, value, call->timestamp_ms) : rc;
}

static const struct weir_filter_config filter = {.predicate = pass};
static const struct weir_map_values_config map_values = {.map = same_value};
static const weir_predicate_fn predicates[] = {pass, pass};
static void *const contexts[2] = {NULL, NULL};
static const struct weir_branch_config branch = {
    .predicates = predicates, .contexts = contexts, .count = 2};
static const struct weir_aggregate_config count = {.kind = WEIR_AGGREGATE_COUNT,
                                                   .key_serde = &weir_serde_string,
                                                   .value_serde = &weir_serde_int64};
static const struct weir_aggregate_config windowed = {.kind = WEIR_AGGREGATE_COUNT,
                                                      .key_serde = &weir_serde_string,
                                                      .value_serde = &weir_serde_int64,
                                                      .window_size_ms = 10,
                                                      .grace_ms = 10};
static int merge(struct weir_call *call, const void *key, const void *other, void *aggregate)
{
    return (void)call, (void)key, (void)other, (void)aggregate, 0;
}
static int keep(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    (void)call;
    (void)key;
    if (value != NULL) *(struct weir_slice *)aggregate = *(const struct weir_slice *)value;
    return 0;
}
static const struct weir_aggregate_config sessions = {.kind = WEIR_AGGREGATE_FOLD,
                                                      .aggregate = keep,
                                                      .merge = merge,
                                                      .key_serde = &weir_serde_string,
                                                      .value_serde = &weir_serde_string,
                                                      .session_gap_ms = 10,
                                                      .grace_ms = 10,
                                                      .retention_ms = 20};
static const struct weir_aggregate_config sliding = {.kind = WEIR_AGGREGATE_REDUCE,
                                                     .reduce = last,
                                                     .key_serde = &weir_serde_string,
                                                     .value_serde = &weir_serde_string,
                                                     .window_size_ms = 10,
                                                     .grace_ms = 10,
                                                     .retention_ms = 30};
static const struct weir_suppress_config suppress = {.delay_ms = 5};
static const struct weir_aggregate_config reduce = {.kind = WEIR_AGGREGATE_REDUCE,
                                                    .reduce = last,
                                                    .key_serde = &weir_serde_string,
                                                    .value_serde = &weir_serde_string};
static const struct weir_table_config table = {&weir_serde_string, &weir_serde_string};
static const struct weir_join_config join = {.join = joined,
                                             .key_serde = &weir_serde_string,
                                             .table_value_serde = &weir_serde_string,
                                             .is_left = true};
static const char *const store_names[] = {"store"};
static const struct weir_serde *const serdes[] = {&weir_serde_string};
static const struct weir_process_config process = {.processor = {.process = forward},
                                                   .store_names = store_names,
                                                   .store_keys = serdes,
                                                   .store_values = serdes,
                                                   .store_count = 1};

static const struct {
    const struct weir_operator_ops *ops;
    const void *config;
    size_t stores;
    const struct weir_key_schema *schema; /* NULL: plain */
} operators[] = {
    {&weir_filter_ops, &filter, 0, NULL},
    {&weir_map_values_ops, &map_values, 0, NULL},
    {&weir_branch_ops, &branch, 0, NULL},
    {&weir_aggregate_ops, &count, 1, NULL},
    {&weir_aggregate_ops, &windowed, 1, &weir_key_schema_window},
    {&weir_aggregate_ops, &reduce, 1, NULL},
    {&weir_session_ops, &sessions, 1, &weir_key_schema_session},
    {&weir_sliding_ops, &sliding, 1, &weir_key_schema_window},
    {&weir_suppress_ops, &suppress, 1, NULL},
    {&weir_table_ops, &table, 1, NULL},
    {&weir_join_ops, &join, 1, NULL},
    {&weir_process_ops, &process, 1, NULL},
};
enum { OPERATORS = sizeof operators / sizeof operators[0] };

static void begin(struct stand *stand, size_t number)
{
    stand_init(stand, operators[number].ops, operators[number].config);
    if (operators[number].ops == &weir_branch_ops) stand->plan.child_count = 3;
    if (operators[number].schema != NULL) {
        stand->specs[0].schema = operators[number].schema;
        stand->specs[0].window_size_ms = 10;
        stand->specs[0].retention_ms = 20;
    }
    stand->specs[0].keeps_old = true;
    if (operators[number].config == &count || operators[number].config == &windowed) {
        stand->output = STAND_INTEGERS;
    }
    stand_open(stand, operators[number].stores);
    ck_ok(stand_feed(stand, ROWS({"a", "0", 1})), NULL);
    weir_arena_close(
        &stand->arena); /* no block is left, and each allocation is one of the heap's */
    weir_arena_init(&stand->arena, &stand->budget, 1);
}

static int act(struct stand *stand)
{
    int rc = stand_feed(stand, ROWS({"a", "1", 5}, {NULL, "2", 6}, {"c", NULL, 7}, {"a", "3", 40},
                                    {"b", "4", 41}, {"late", "5", 2}));
    return rc == 0 && stand->plan.ops->flush != NULL ? stand_flush(stand) : rc;
}

/* Without memory the batch stops; or the operator did without, and then all has come out as it should:
 * a failure that is swallowed loses rows. */
START_TEST(each_allocation_of_an_operator_may_fail)
{
    struct stand whole;
    begin(&whole, (size_t)_i);
    ck_ok(act(&whole), NULL);
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        struct stand stand;
        begin(&stand, (size_t)_i);
        weir_test_failures_arm(&failures, stand.env->heap);
        int rc = act(&stand);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_msg(rc == 0 || (was_hit && rc == WEIR_NO_MEMORY), "%s: allocation %d: %s",
                      operators[_i].ops->name, (int)failures.round, weir_code_name(rc));
        if (rc == 0) {
            ck_assert_str_eq(stand.text, whole.text);
            ck_assert_int_eq(stand.dropped[0], whole.dropped[0]);
            ck_assert_int_eq(stand.dropped[1], whole.dropped[1]);
        }
        stand_close(&stand);
    }
    ck_assert_uint_ge(failures.hits,
                      operators[_i].stores > 0 ? 5 : 1); /* a filter: its selection */
    stand_close(&whole);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("memory");
    tcase_add_loop_test(tests, each_allocation_of_an_operator_may_fail, 0, OPERATORS);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("operators' memory", add);
}
