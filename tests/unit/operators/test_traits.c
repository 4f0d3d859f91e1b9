#include <stdio.h>

#include "base/bytes.h"
#include "tests/unit/operators/stand.h"

/* What each operator says of itself, in one table, and the same found out by watching it. The functions
 * given here change whatever the operator lets them change, so what stays the same stays so because of
 * the operator. */

/* ---- functions that change what they may -------------------------------------------------------- */

static int hold(struct weir_call *call, const void *key, const void *value)
{
    (void)call, (void)key, (void)value;
    return 1;
}

static int map(struct weir_call *call, const void *key, const void *value, const void **key_out,
               const void **value_out)
{
    (void)key, (void)value;
    *key_out = weir_call_printf(call, "other");
    *value_out = weir_call_printf(call, "new");
    return 0;
}

static int map_values(struct weir_call *call, const void *key, const void *value,
                      const void **value_out)
{
    (void)key, (void)value;
    *value_out = weir_call_printf(call, "new");
    return 0;
}

static int select_key(struct weir_call *call, const void *key, const void *value,
                      const void **key_out)
{
    (void)key, (void)value;
    *key_out = weir_call_printf(call, "other");
    return 0;
}

static int emit_twice(struct weir_call *call, const void *key, const void *value,
                      struct weir_emitter *emitter)
{
    (void)key, (void)value;
    int rc = weir_emit(emitter, weir_call_printf(call, "other"), weir_call_printf(call, "new"));
    return rc < 0 ? rc : weir_emit(emitter, weir_call_printf(call, "other"), NULL);
}

static int concatenate(struct weir_call *call, const void *aggregate, const void *value,
                       const void **aggregate_out)
{
    const struct weir_slice *left = aggregate;
    const struct weir_slice *right = value;
    *aggregate_out = weir_call_printf(call, "%.*s%.*s", (int)left->size, (const char *)left->data,
                                      (int)right->size, (const char *)right->data);
    return 0;
}

static int join(struct weir_call *call, const void *key, const void *value, const void *table_value,
                const void **value_out)
{
    (void)key;
    if (table_value != NULL) return concatenate(call, table_value, value, value_out);
    *value_out = value;
    return 0;
}

static int tick(struct weir_process *process, void *state, struct weir_call *call, int64_t time_ms)
{
    (void)process, (void)state, (void)call, (void)time_ms;
    return 0;
}

static int set_timer(struct weir_process *process, void *state, struct weir_call *call)
{
    (void)state, (void)call;
    return weir_process_schedule(process, WEIR_PUNCTUATE_STREAM_TIME, 10, tick);
}

/* Stores one thing, forwards two others: the first under another key, where that is allowed. */
static int process(struct weir_process *process, void *state, struct weir_call *call,
                   const void *key, const void *value)
{
    (void)state, (void)value;
    struct weir_store *store = weir_process_store(process, "store");
    const struct weir_slice *text = weir_call_printf(call, "new");
    if (key != NULL && weir_store_put(process, store, key, weir_call_printf(call, "kept")) < 0) {
        return WEIR_IO;
    }
    int rc = weir_process_forward(process, weir_call_printf(call, "other"), text, -1);
    if (rc < 0) rc = weir_process_forward(process, key, text, -1);
    return rc < 0 ? rc : weir_process_forward(process, key, text, -1);
}

/* ---- the table ---------------------------------------------------------------------------------- */

static const weir_predicate_fn predicates[] = {hold};
static void *const contexts[] = {NULL};
static const char *const store_names[] = {"store", NULL};
static const struct weir_serde *const serdes[] = {&weir_serde_string};

static const struct weir_filter_config filter = {.predicate = hold};
static const struct weir_map_config map_config = {.map = map};
static const struct weir_map_values_config map_values_config = {.map = map_values};
static const struct weir_select_key_config select_key_config = {.select = select_key};
static const struct weir_flat_map_config flat_map = {.map = emit_twice};
static const struct weir_peek_config peek = {.visit = hold};
static const struct weir_branch_config branch = {
    .predicates = predicates, .contexts = contexts, .count = 1};
static const struct weir_aggregate_config aggregate = {
    .kind = WEIR_AGGREGATE_REDUCE,
    .reduce = concatenate,
    .key_serde = &weir_serde_string,
    .value_serde = &weir_serde_string,
};
static const struct weir_table_config table = {&weir_serde_string, &weir_serde_string};
static const struct weir_join_config join_config = {
    .join = join,
    .key_serde = &weir_serde_string,
    .table_value_serde = &weir_serde_string,
    .is_left = true,
};
static const struct weir_process_config process_config = {
    .processor = {.init = set_timer, .process = process},
    .store_names = store_names,
    .store_keys = serdes,
    .store_values = serdes,
    .store_count = 1,
};

static const struct line {
    const struct weir_operator_ops *ops;
    const void *config;
    enum weir_plan_node_kind kind;
    struct weir_operator_traits traits;
} lines[] = {
    {&weir_source_ops, NULL, WEIR_PLAN_SOURCE, {0}},
    {&weir_sink_ops, NULL, WEIR_PLAN_SINK, {0}},
    {&weir_filter_ops, &filter, WEIR_PLAN_OPERATOR, {0}},
    {&weir_filter_null_keys_ops, NULL, WEIR_PLAN_OPERATOR, {.drops_null_keys = true}},
    {&weir_map_ops,
     &map_config,
     WEIR_PLAN_OPERATOR,
     {.is_key_changing = true, .is_value_changing = true}},
    {&weir_map_values_ops, &map_values_config, WEIR_PLAN_OPERATOR, {.is_value_changing = true}},
    {&weir_select_key_ops, &select_key_config, WEIR_PLAN_OPERATOR, {.is_key_changing = true}},
    {&weir_flat_map_ops,
     &flat_map,
     WEIR_PLAN_OPERATOR,
     {.is_key_changing = true, .is_value_changing = true, .makes_rows = true}},
    {&weir_peek_ops, &peek, WEIR_PLAN_OPERATOR, {0}},
    {&weir_pass_ops, NULL, WEIR_PLAN_OPERATOR, {0}},
    {&weir_branch_ops, &branch, WEIR_PLAN_OPERATOR, {0}},
    {&weir_aggregate_ops,
     &aggregate,
     WEIR_PLAN_OPERATOR,
     {.is_value_changing = true,
      .store_use = WEIR_CHANGES_STORES,
      .fills_table = true,
      .forwards_on_flush = true,
      .meets_by_key = true}},
    {&weir_table_ops,
     &table,
     WEIR_PLAN_OPERATOR,
     {.store_use = WEIR_CHANGES_STORES, .fills_table = true, .forwards_on_flush = true}},
    {&weir_join_ops,
     &join_config,
     WEIR_PLAN_OPERATOR,
     {.is_value_changing = true, .store_use = WEIR_READS_STORES, .meets_by_key = true}},
    {&weir_process_ops,
     &process_config,
     WEIR_PLAN_OPERATOR,
     {.is_key_changing = true,
      .is_value_changing = true,
      .makes_rows = true,
      .store_use = WEIR_CHANGES_STORES,
      .has_timers = true}},
    {&weir_process_values_ops,
     &process_config,
     WEIR_PLAN_OPERATOR,
     {.is_value_changing = true,
      .makes_rows = true,
      .store_use = WEIR_CHANGES_STORES,
      .has_timers = true}},
};
enum { LINES = sizeof lines / sizeof lines[0] };

static void compare(const struct line *line, const struct weir_operator_traits *a,
                    const struct weir_operator_traits *b)
{
    const char *name = line->ops->name;
    ck_assert_msg(a->is_key_changing == b->is_key_changing, "%s: is_key_changing", name);
    ck_assert_msg(a->is_value_changing == b->is_value_changing, "%s: is_value_changing", name);
    ck_assert_msg(a->makes_rows == b->makes_rows, "%s: makes_rows", name);
    ck_assert_msg(a->drops_null_keys == b->drops_null_keys, "%s: drops_null_keys", name);
    ck_assert_msg(a->store_use == b->store_use, "%s: store_use", name);
    ck_assert_msg(a->fills_table == b->fills_table, "%s: fills_table", name);
    ck_assert_msg(a->forwards_on_flush == b->forwards_on_flush, "%s: forwards_on_flush", name);
    ck_assert_msg(a->meets_by_key == b->meets_by_key, "%s: meets_by_key", name);
    ck_assert_msg(a->has_timers == b->has_timers, "%s: has_timers", name);
}

START_TEST(operator_says_what_the_table_has)
{
    ck_assert_int_eq(lines[_i].ops->kind, lines[_i].kind);
    compare(&lines[_i], &lines[_i].ops->traits, &lines[_i].traits);
}
END_TEST

/* ---- watching ----------------------------------------------------------------------------------- */

static const struct row inputs[] = {{"a", "1", 5}, {"a", "2", 6}, {NULL, "3", 7}};
enum { INPUTS = sizeof inputs / sizeof inputs[0], SEEN_SIZE = 256 };

struct watched {
    size_t row_count;
    size_t rows_of[INPUTS];
    bool has_other_keys;
    bool has_other_values;
    char seen[SEEN_SIZE]; /* all rows, as text */
    char last[SEEN_SIZE]; /* the last value under "a" */
    size_t change_count;  /* of the store */
    bool is_held_back;    /* nothing came before the flush, and something then */
    bool has_timer;
    char stored[SEEN_SIZE]; /* in the end, under "a" */
    int64_t dropped;
};

static bool is_text(const void *object, const char *text)
{
    struct weir_slice slice = object != NULL ? *(const struct weir_slice *)object : weir_null();
    return weir_slice_equal(slice, weir_text(text));
}

static void write_text(char text[SEEN_SIZE], const void *object)
{
    const struct weir_slice *slice = object;
    size_t size = strlen(text);
    (void)snprintf(text + size, SEEN_SIZE - size, "%.*s ", slice != NULL ? (int)slice->size : 1,
                   slice != NULL ? (const char *)slice->data : "-");
}

static int watch(struct weir_node *child, const struct weir_batch *batch)
{
    struct watched *watched = child->state;
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        watched->row_count++;
        write_text(watched->seen, batch->keys[row]);
        write_text(watched->seen, batch->values[row]);
        if (is_text(batch->keys[row], "a")) {
            watched->last[0] = '\0';
            write_text(watched->last, batch->values[row]);
        }
        if (batch->offsets == NULL) continue; /* of a flush: of no row */
        const struct row *input = &inputs[batch->offsets[row]];
        watched->rows_of[batch->offsets[row]]++;
        watched->has_other_keys |= !is_text(batch->keys[row], input->key);
        watched->has_other_values |= !is_text(batch->values[row], input->value);
    }
    return 0;
}

static const struct weir_operator_ops watch_ops = {.name = "watch", .process = watch};
static const struct weir_plan_node watch_plan = {.name = "watch", .ops = &watch_ops};

static int count_change(void *context, struct weir_store *store, const struct weir_record *record)
{
    (void)store, (void)record;
    ++*(size_t *)context;
    return 0;
}

static size_t seal(struct stand *stand)
{
    struct weir_error error;
    size_t count = 0;
    struct weir_changelog_position position = {.offset = 1};
    if (stand->state == NULL) return 0;
    ck_ok(weir_state_seal(stand->state, count_change, &count, &error), &error);
    ck_ok(weir_state_committed(stand->state, &position, &error), &error);
    return count;
}

/* What somebody else put into the store before. */
static void fill_store(struct stand *stand)
{
    struct weir_error error;
    struct weir_slice key = weir_text("a");
    struct weir_store_entry *entry;
    struct weir_store *store = stand->store_pointers[0];
    size_t at = 0;
    ck_ok(weir_store_touch(store, &key, 1, &entry, &error), &error);
    ck_ok(weir_store_set(store, entry, weir_text("there"), 1, &error), &error);
    while (weir_store_next_unforwarded(store, &at) != NULL) {
    }
    weir_store_forwarded(store);
    (void)seal(stand);
}

static void read_store(struct stand *stand, char text[SEEN_SIZE])
{
    struct weir_error error;
    struct weir_slice key = weir_text("a");
    struct weir_slice value;
    ck_ok(weir_store_get_many(stand->store_pointers[0], &key, 1, &value, NULL, &error), &error);
    write_text(text, weir_slice_is_null(value) ? NULL : &value);
}

/* The inputs through the operator, with a store that was empty or not, cached or not. */
static struct watched run(const struct line *line, bool is_filled, bool is_cached)
{
    struct stand stand;
    struct watched watched = {0};
    const bool has_store = line->ops->traits.store_use != WEIR_USES_NO_STORE;
    stand_init(&stand, line->ops, line->config);
    stand.specs[0].is_logged = true;
    stand.specs[0].is_cached = is_cached;
    stand.caches = is_cached;
    stand.children[0].plan = &watch_plan;
    stand.children[0].state = &watched;
    stand_open(&stand, has_store ? 1 : 0);
    if (has_store && is_filled) fill_store(&stand);
    ck_ok(stand_feed(&stand, inputs, INPUTS), NULL);
    const size_t before = watched.row_count;
    if (line->ops->flush != NULL) ck_ok(stand_flush(&stand), NULL);
    watched.is_held_back = before == 0 && watched.row_count > 0;
    watched.change_count = seal(&stand);
    watched.has_timer = stand.timer != NULL;
    watched.dropped = stand.dropped[WEIR_DROP_NULL];
    if (has_store) read_store(&stand, watched.stored);
    ck_assert_int_eq(stand.sent[0] != '\0', line->kind == WEIR_PLAN_SINK);
    ck_assert_int_eq(watched.row_count == 0, line->kind == WEIR_PLAN_SINK);
    stand_close(&stand);
    return watched;
}

/* Goal: what is seen of the operator is what it says. An operator that is shown no store needs none: it
 * would have read what is not there. */
START_TEST(operator_does_what_it_says)
{
    const struct line *line = &lines[_i];
    const struct watched plain = run(line, false, false);
    const struct watched filled = run(line, true, false);
    const struct watched cached = run(line, true, true);
    const bool has_store = line->ops->traits.store_use != WEIR_USES_NO_STORE;
    const bool lacks_null_key = plain.row_count > 0 && plain.rows_of[2] == 0;
    const struct weir_operator_traits seen = {
        .is_key_changing = plain.has_other_keys,
        .is_value_changing = plain.has_other_values || filled.has_other_values,
        .makes_rows = plain.rows_of[0] > 1,
        .drops_null_keys = lacks_null_key && plain.dropped == 0,
        .store_use = filled.change_count > 0 ? WEIR_CHANGES_STORES
                     : has_store             ? WEIR_READS_STORES
                                             : WEIR_USES_NO_STORE,
        .fills_table = has_store && strcmp(filled.stored, filled.last) == 0,
        .forwards_on_flush = cached.is_held_back,
        .meets_by_key = strcmp(plain.seen, filled.seen) != 0,
        .has_timers = plain.has_timer,
    };
    compare(line, &seen, &line->ops->traits);
}
END_TEST

/* Goal: an operator that is said to be stateless gives the same for the same rows, again and again. */
START_TEST(stateless_operator_remembers_nothing)
{
    const struct line *line = &lines[_i];
    struct stand stand;
    struct watched watched[2] = {0};
    if (!weir_operator_is_stateless(line->ops)) return;
    stand_init(&stand, line->ops, line->config);
    stand.children[0].plan = &watch_plan;
    stand_open(&stand, 0);
    for (size_t i = 0; i < 2; i++) {
        stand.children[0].state = &watched[i];
        ck_ok(stand_feed(&stand, inputs, INPUTS), NULL);
    }
    ck_assert_str_ne(watched[0].seen, "");
    ck_assert_str_eq(watched[0].seen, watched[1].seen);
    stand_close(&stand);
}
END_TEST

/* Goal: no two lines are of one operator, so that none is left out for another. */
START_TEST(table_has_each_operator_once)
{
    size_t stateless = 0;
    for (size_t i = 0; i < LINES; i++) {
        stateless += weir_operator_is_stateless(lines[i].ops);
        for (size_t j = 0; j < i; j++)
            ck_assert_ptr_ne(lines[i].ops, lines[j].ops);
    }
    ck_assert_uint_eq(stateless, 9);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("traits");
    tcase_add_loop_test(tests, operator_says_what_the_table_has, 0, LINES);
    tcase_add_loop_test(tests, operator_does_what_it_says, 0, LINES);
    tcase_add_loop_test(tests, stateless_operator_remembers_nothing, 0, LINES);
    tcase_add_test(tests, table_has_each_operator_once);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("operator traits", add);
}
