/* Processors: stores by object, forwards, timers, and what is refused. */
#include <stdio.h>

#include "tests/unit/operators/stand.h"

static bool is_text(const void *object, const char *text)
{
    return object != NULL && weir_slice_equal(*(const struct weir_slice *)object, weir_text(text));
}

static const char *const store_names[] = {"store", NULL};
static const struct weir_serde *const string_serdes[] = {&weir_serde_string};

static struct weir_process_config config_of(struct weir_processor processor)
{
    return (struct weir_process_config){
        .processor = processor,
        .store_names = store_names,
        .store_keys = string_serdes,
        .store_values = string_serdes,
        .store_count = 1,
    };
}

/* ---- state ----------------------------------------------------------------------------------- */

struct memory {
    struct weir_store *store;
    int64_t count;
};

static int find_store(struct weir_process *process, void *state, struct weir_call *call)
{
    struct memory *memory = state;
    memory->store = weir_process_store(process, "store");
    return memory->store != NULL ? 0 : weir_call_fail(call, "no store");
}

/* Forwards what was stored before, stores the new value; "bad" fails after it has stored. */
static int previous(struct weir_process *process, void *state, struct weir_call *call,
                    const void *key, const void *value)
{
    struct memory *memory = state;
    const void *found;
    memory->count++;
    int rc = weir_store_get(process, memory->store, key, &found);
    if (rc == 0) rc = weir_store_put(process, memory->store, key, value);
    if (rc == 0) rc = weir_process_forward(process, key, found, -1);
    if (rc < 0) return rc;
    return is_text(value, "bad") ? weir_call_fail(call, "bad") : 0;
}

static void count_closed(struct weir_process *process, void *state)
{
    (void)process;
    const struct memory *memory = state;
    ck_assert_int_eq(memory->count, 5);
}

/* What is forwarded before a failure is on its way, as it would be record by record. */
START_TEST(processor_reads_and_writes_its_store)
{
    struct stand stand;
    const struct weir_process_config config =
        config_of((struct weir_processor){.state_size = sizeof(struct memory),
                                          .init = find_store,
                                          .process = previous,
                                          .close = count_closed});
    stand_init(&stand, &weir_process_ops, &config);
    stand_open(&stand, 1);
    stand.skips = true;
    stand.header_count = 1;
    ck_ok(stand_feed(&stand, ROWS({"a", "1", 5}, {"a", "bad", 6}, {"a", "3", 7}, {"b", NULL, 8},
                                  {"a", NULL, 9})),
          NULL);
    stand_expect(&stand, "a=-@5#1 a=1@6 a=bad@7 b=-@8 a=3@9");
    ck_assert_int_eq(stand.failed, 1);
    stand_expect_stored(&stand, weir_text("a"), "-");
    stand_close(&stand);
}
END_TEST

START_TEST(forwards_go_one_by_one_where_paths_meet)
{
    struct stand stand;
    const struct weir_process_config config = config_of((struct weir_processor){
        .state_size = sizeof(struct memory), .init = find_store, .process = previous});
    stand_init(&stand, &weir_process_ops, &config);
    stand.plan.is_record_by_record = true;
    stand.plan.is_record_by_record_when_cached = true;
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "1", 5}, {"a", "2", 6})), NULL);
    stand_expect(&stand, "a=-@5 | a=1@6");
    stand_close(&stand);
}
END_TEST

/* ---- ranges ---------------------------------------------------------------------------------- */

struct walked {
    char text[64];
};

static int add_pair(void *context, const void *key, const void *value)
{
    struct walked *walked = context;
    const struct weir_slice *left = key;
    const struct weir_slice *right = value;
    size_t size = strlen(walked->text);
    (void)snprintf(walked->text + size, sizeof walked->text - size, "%.*s%.*s ", (int)left->size,
                   (const char *)left->data, (int)right->size, (const char *)right->data);
    return is_text(key, "stop") ? 77 : 0;
}

/* "put" stores; anything else walks from the key to the value, and forwards what it has met. */
static int walk(struct weir_process *process, void *state, struct weir_call *call, const void *key,
                const void *value)
{
    (void)state;
    struct weir_store *store = weir_process_store(process, "store");
    struct walked walked = {""};
    if (is_text(value, "x")) return weir_store_put(process, store, key, value);
    int rc = weir_store_range(process, store, key, value, add_pair, &walked);
    if (rc < 0) return rc;
    const struct weir_slice *text = weir_call_printf(call, "%s%d", walked.text, rc);
    return weir_process_forward(process, key, text, 1);
}

START_TEST(range_walks_in_order_of_bytes)
{
    struct stand stand;
    const struct weir_process_config config = config_of((struct weir_processor){.process = walk});
    stand_init(&stand, &weir_process_ops, &config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"b", "x", 1}, {"a", "x", 1}, {"stop", "x", 1}, {"z", "x", 1},
                                  {"a", "b", 2}, {NULL, "aa", 2}, {"b", NULL, 2})),
          NULL);
    stand_expect(&stand, "a=ax bx 0@1 -=ax 0@1 b=bx stopx 77@1");
    stand_close(&stand);
}
END_TEST

/* ---- timers ---------------------------------------------------------------------------------- */

/* An init or a timer belongs to no record, whatever came before it. */
static void has_no_record(const struct weir_call *call, int64_t time_ms)
{
    ck_assert_ptr_null(call->topic);
    ck_assert_int_eq(call->partition, -1);
    ck_assert_int_eq(call->offset, -1);
    ck_assert_ptr_null(call->headers);
    ck_assert_uint_eq(call->header_count, 0);
    ck_assert_int_eq(call->timestamp_ms, time_ms);
}

static int tick(struct weir_process *process, void *state, struct weir_call *call, int64_t time_ms)
{
    (void)state;
    has_no_record(call, time_ms);
    int rc = weir_process_forward(process, weir_call_printf(call, "tick"), NULL, -1);
    return rc == 0 && time_ms == 666 ? weir_call_fail(call, "bad time") : rc;
}

static int schedule(struct weir_process *process, void *state, struct weir_call *call)
{
    (void)state;
    has_no_record(call, 0);
    return weir_process_schedule(process, WEIR_PUNCTUATE_STREAM_TIME, 10, tick);
}

static int pass_time(struct weir_process *process, void *state, struct weir_call *call,
                     const void *key, const void *value)
{
    (void)state;
    (void)call;
    return weir_process_forward(process, key, value, weir_process_stream_time(process) + 100);
}

START_TEST(timer_forwards_at_its_time)
{
    struct stand stand;
    const struct weir_process_config config =
        config_of((struct weir_processor){.init = schedule, .process = pass_time});
    stand_init(&stand, &weir_process_ops, &config);
    stand_open(&stand, 1);
    stand.stream_time_ms = 7;
    ck_ok(stand_feed(&stand, ROWS({"a", "1", 5})), NULL);
    ck_ok(stand_fire(&stand, 20), NULL);
    stand_expect(&stand, "a=1@107 | tick=-@20");
    stand_close(&stand);
}
END_TEST

/* A timer that fails is a failure like a record's, and the policy decides; what it forwarded before
 * is on its way. */
START_TEST(failing_timer_stops_or_is_skipped)
{
    struct stand stand;
    const struct weir_process_config config =
        config_of((struct weir_processor){.init = schedule, .process = pass_time});
    stand_init(&stand, &weir_process_ops, &config);
    stand_open(&stand, 1);
    ck_code(stand_fire(&stand, 666), WEIR_USER_FUNCTION);
    ck_assert_str_eq(stand.record_error.text, "bad time");
    stand_expect(&stand, "");
    stand.skips = true;
    ck_ok(stand_fire(&stand, 666), NULL);
    ck_assert_int_eq((int)stand.failed, 2);
    stand_expect(&stand, "tick=-@666");
    stand_close(&stand);
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------- */

static int refused(struct weir_process *process, void *state, struct weir_call *call,
                   const void *key, const void *value)
{
    (void)state;
    (void)call;
    (void)value;
    struct weir_store *strange = (struct weir_store *)(uintptr_t)&store_names;
    const void *found;
    ck_assert_ptr_null(weir_process_store(process, "unknown"));
    ck_code(weir_store_get(process, strange, key, &found), WEIR_INVALID_ARGUMENT);
    ck_code(weir_store_put(process, strange, key, NULL), WEIR_INVALID_ARGUMENT);
    ck_code(weir_store_range(process, strange, NULL, NULL, add_pair, NULL), WEIR_INVALID_ARGUMENT);
    ck_code(weir_process_schedule(process, WEIR_PUNCTUATE_WALL_CLOCK, 0, tick),
            WEIR_INVALID_ARGUMENT);
    ck_code(weir_process_schedule(process, (enum weir_punctuation)7, 1, tick),
            WEIR_INVALID_ARGUMENT);
    ck_code(weir_process_schedule(process, WEIR_PUNCTUATE_WALL_CLOCK, 1, NULL),
            WEIR_INVALID_ARGUMENT);
    for (int i = 0; i < 16; i++) {
        ck_ok(weir_process_schedule(process, WEIR_PUNCTUATE_WALL_CLOCK, 1, tick), NULL);
    }
    ck_code(weir_process_schedule(process, WEIR_PUNCTUATE_WALL_CLOCK, 1, tick), WEIR_LIMIT);
    return 0;
}

START_TEST(mistakes_of_a_processor_are_refused)
{
    struct stand stand;
    const struct weir_process_config config =
        config_of((struct weir_processor){.process = refused});
    stand_init(&stand, &weir_process_ops, &config);
    stand_open(&stand, 1);
    ck_ok(stand_feed(&stand, ROWS({"a", "1", 5})), NULL);
    stand_expect(&stand, "");
    stand_close(&stand);
}
END_TEST

static int new_key(struct weir_process *process, void *state, struct weir_call *call,
                   const void *key, const void *value)
{
    (void)state;
    int rc = weir_process_forward(process, key, value, -1);
    return rc < 0 ? rc : weir_process_forward(process, weir_call_printf(call, "k"), value, -1);
}

START_TEST(process_values_keeps_its_keys)
{
    struct stand stand;
    const struct weir_process_config config =
        config_of((struct weir_processor){.process = new_key});
    stand_init(&stand, &weir_process_values_ops, &config);
    stand_open(&stand, 1);
    ck_code(stand_feed(&stand, ROWS({"a", "1", 5})), WEIR_INVALID_ARGUMENT);
    ck_assert_str_eq(stand.record_error.text,
                     "'node' keeps its keys: forward the record's own, or use weir_process");
    stand_close(&stand);
}
END_TEST

static int forward_early(struct weir_process *process, void *state, struct weir_call *call)
{
    (void)state;
    (void)call;
    ck_code(weir_process_forward(process, NULL, NULL, 1), WEIR_INVALID_ARGUMENT);
    return 0;
}

START_TEST(init_cannot_forward)
{
    struct stand stand;
    const struct weir_process_config config =
        config_of((struct weir_processor){.init = forward_early, .process = pass_time});
    stand_init(&stand, &weir_process_ops, &config);
    stand_open(&stand, 1);
    stand_expect(&stand, "");
    stand_close(&stand);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("process");
    tcase_add_test(tests, processor_reads_and_writes_its_store);
    tcase_add_test(tests, forwards_go_one_by_one_where_paths_meet);
    tcase_add_test(tests, range_walks_in_order_of_bytes);
    tcase_add_test(tests, timer_forwards_at_its_time);
    tcase_add_test(tests, failing_timer_stops_or_is_skipped);
    tcase_add_test(tests, mistakes_of_a_processor_are_refused);
    tcase_add_test(tests, process_values_keeps_its_keys);
    tcase_add_test(tests, init_cannot_forward);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("process", add);
}
