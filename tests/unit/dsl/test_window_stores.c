/* Stores of windows and sessions in the hands of a processor, and ranges from either end: what is put is found by
 * key and by time, forward and back, in memory and on a disk, over restarts; what is over is not. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/support.h"
#include "tests/unit/dsl/user_functions.h"
#include "weir/stream.h"
#include "weir/test.h"

enum { TEXT_SIZE = 1024 };

static struct weir_error error;
static struct weir_topology *topology;
static struct weir_test *test;

/* ---- a processor that does what a record says ------------------------------------------------ */

static void add_value(char *text, const void *value)
{
    const struct weir_slice *slice = value;
    const size_t size = strlen(text);
    (void)snprintf(text + size, TEXT_SIZE - size, "=%.*s ", slice != NULL ? (int)slice->size : 1,
                   slice != NULL ? (const char *)slice->data : "-");
}

static int show_window(void *context, const struct weir_windowed_key *window, const void *value)
{
    char *text = context;
    const struct weir_slice *key = window->key;
    const size_t size = strlen(text);
    (void)snprintf(text + size, TEXT_SIZE - size, "%.*s[%d %d]", (int)key->size,
                   (const char *)key->data, (int)window->start_ms, (int)window->end_ms);
    add_value(text, value);
    return 0;
}

static int show_key(void *context, const void *key, const void *value)
{
    char *text = context;
    const struct weir_slice *slice = key;
    const size_t size = strlen(text);
    (void)snprintf(text + size, TEXT_SIZE - size, "%.*s", (int)slice->size,
                   (const char *)slice->data);
    add_value(text, value);
    return 0;
}

static int show_count(void *context, const struct weir_windowed_key *window, const void *value)
{
    const int64_t *count = value;
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%" PRId64, *count);
    const struct weir_slice slice = weir_text(digits);
    return show_window(context, window, &slice);
}

static int stop_at_first(void *context, const struct weir_windowed_key *window, const void *value)
{
    (void)show_window(context, window, value);
    return 7;
}

/* Two numbers and a word, of which a command wants some. */
static int act(struct weir_process *process, struct weir_call *call, const void *key,
               const char *command, char *text)
{
    struct weir_store *w = weir_process_store(process, "w");
    struct weir_store *d = weir_process_store(process, "d");
    struct weir_store *s = weir_process_store(process, "s");
    struct weir_store *k = weir_process_store(process, "k");
    struct weir_store *counts = weir_process_store(process, "counts");
    struct weir_store *store = command[0] == 'd' ? d : w;
    char word[32] = "";
    long long a = 0;
    long long b = 0;
    (void)sscanf(command + 2, "%lld %lld %31s", &a, &b, word);
    const struct weir_slice *value = weir_call_printf(call, "%s", word);
    const struct weir_windowed_key session = {key, a, b};
    const void *found = NULL;
    int rc = 0;
    switch (command[0] == 's' || command[0] == 'k' || command[0] == 'c' ? command[0] : 'w') {
    case 'w':
        if (command[1] == '+') return weir_window_store_put(process, store, key, a, value);
        if (command[1] == '-') return weir_window_store_put(process, store, key, a, NULL);
        if (command[1] == '1') {
            rc = weir_window_store_fetch(process, store, key, a, b, WEIR_ASCENDING, stop_at_first,
                                         text);
            return rc == 7 ? 0 : WEIR_USER_FUNCTION;
        }
        if (command[1] == '=') {
            rc = weir_window_store_get(process, store, key, a, &found);
            add_value(text, found);
            return rc;
        }
        return weir_window_store_fetch(
            process, store, strchr("*:", command[1]) != NULL ? NULL : key, a, b,
            strchr("!:", command[1]) != NULL ? WEIR_DESCENDING : WEIR_ASCENDING, show_window, text);
    case 's':
        if (command[1] == '+') return weir_session_store_put(process, s, &session, value);
        if (command[1] == '-') return weir_session_store_put(process, s, &session, NULL);
        return weir_session_store_find(process, s, command[1] == '*' ? NULL : key, a, b,
                                       command[1] == '!' ? WEIR_DESCENDING : WEIR_ASCENDING,
                                       show_window, text);
    case 'c':
        return weir_window_store_fetch(process, counts, key, a, b, WEIR_ASCENDING, show_count,
                                       text);
    default:
        if (command[1] == '+') return weir_store_put(process, k, key, value);
        if (command[1] == 'p') {
            return weir_store_prefix(process, k, *(const struct weir_slice *)key, WEIR_DESCENDING,
                                     show_key, text);
        }
        if (command[1] == 'd') return weir_store_put(process, d, key, value); /* is refused */
        if (command[1] == 's') {
            return weir_window_store_fetch(process, s, key, a, b, WEIR_ASCENDING, show_window,
                                           text);
        }
        return weir_store_walk(process, k, NULL, key,
                               command[1] == '!' ? WEIR_DESCENDING : WEIR_ASCENDING, show_key,
                               text);
    }
}

static int process(struct weir_process *process, void *state, struct weir_call *call,
                   const void *key, const void *value)
{
    const struct weir_slice *slice = value;
    char command[64] = "";
    char text[TEXT_SIZE] = "";
    (void)state;
    memcpy(command, slice->data, slice->size < 63 ? slice->size : 63);
    int rc = act(process, call, key, command, text);
    if (rc < 0) return rc;
    return weir_process_forward(process, key, weir_call_printf(call, "%s", text), -1);
}

/* ---- stage ----------------------------------------------------------------------------------- */

static void open_stage(int kind)
{
    static const char *const stores[] = {"w", "d", "s", "k", "counts", NULL};
    static const struct weir_processor processor = {.process = process, .stores = stores};
    const enum weir_store_kind store = kind % 2 == 0 ? WEIR_STORE_MEMORY : WEIR_STORE_ROCKSDB;
    const struct weir_window_store_options windows = {
        WEIR_WINDOW_STORE_OPTIONS_INIT, .window_size_ms = 10, .retention_ms = 100, .store = store};
    const struct weir_window_store_options duplicates = {WEIR_WINDOW_STORE_OPTIONS_INIT,
                                                         .window_size_ms = 10, .retention_ms = 100,
                                                         .keeps_duplicates = true, .store = store};
    const struct weir_session_store_options sessions = {WEIR_SESSION_STORE_OPTIONS_INIT,
                                                        .retention_ms = 100, .store = store};
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    weir_add_window_store(builder, "w", WEIR_STRING, WEIR_STRING, &windows);
    weir_add_window_store(builder, "d", WEIR_STRING, WEIR_STRING, &duplicates);
    weir_add_session_store(builder, "s", WEIR_STRING, WEIR_STRING, &sessions);
    weir_add_store(builder, "k", WEIR_STRING, WEIR_STRING, WEIR_STORE(.store = store));
    (void)weir_windowed_count(
        weir_windowed_by(weir_group_by_key(in), (struct weir_tumbling){.size_ms = 10}),
        WEIR_STORE(.name = "counts", .store = store));
    weir_to(weir_process(in, &processor, NULL, WEIR_STRING), "out");
    topology = weir_build(builder, &error);
    weir_builder_free(builder);
    ck_assert_msg(topology != NULL, "%s", error.text);
    const struct weir_streams_options streams = {WEIR_STREAMS_OPTIONS_INIT,
                                                 .on_processing_error = WEIR_ON_ERROR_SKIP};
    const struct weir_test_options options = {WEIR_TEST_OPTIONS_INIT, .streams = &streams};
    test = weir_test_new(topology, &options, &error);
    ck_assert_msg(test != NULL, "%s", error.text);
}

static void close_stage(void)
{
    weir_test_free(test);
    weir_topology_free(topology);
}

/* One record of that key; NULL text: it fails. */
static void run(const char *key, const char *command, const char *text)
{
    struct weir_record out;
    const struct weir_record record = {
        .key = weir_text(key), .value = weir_text(command), .timestamp_ms = 5};
    ck_ok(weir_test_pipe_bytes(test, "in", 0, &record, true), &error);
    int rc = weir_test_read(test, "out", &out, NULL);
    ck_assert_int_eq(rc, text != NULL ? 0 : WEIR_END);
    if (text == NULL) return;
    ck_assert_msg(weir_slice_equal(out.value, weir_text(text)), "%s %s: %.*s", key, command,
                  (int)out.value.size, (const char *)out.value.data);
}

/* ---- tests ----------------------------------------------------------------------------------- */

START_TEST(windows_are_found_by_key_and_time)
{
    open_stage(_i);
    run("a", "w+ 20 0 two", "");
    run("a", "w+ 10 0 one", "");
    run("aa", "w+ 15 0 other", "");
    run("a", "w+ 30 0 three", "");
    run("b", "w+ 10 0 bee", "");
    run("a", "w+ 10 0 first", "");
    run("a", "w? 10 20", "a[10 20]=first a[20 30]=two ");
    run("a", "w! 0 100", "a[30 40]=three a[20 30]=two a[10 20]=first ");
    run("a", "w* 0 20", "a[10 20]=first b[10 20]=bee aa[15 25]=other a[20 30]=two ");
    run("a", "w: 10 15", "aa[15 25]=other b[10 20]=bee a[10 20]=first ");
    run("a", "w= 20", "=two ");
    run("a", "w= 21", "=- ");
    run("a", "w1 0 100", "a[10 20]=first ");
    run("a", "w? 20 10", "");
    run("a", "w- 20", "");
    ck_ok(weir_test_restart(test), &error);
    run("a", "w? -5 1000", "a[10 20]=first a[30 40]=three ");
    run("a", "w+ -1 0 x", NULL);
    ck_ok(weir_test_commit(test), &error);
    ck_ok(weir_test_crash(test, false), &error);
    run("a", "w! 0 1000", "a[30 40]=three a[10 20]=first ");
    close_stage();
}
END_TEST

START_TEST(duplicates_are_found_in_order)
{
    open_stage(_i);
    run("a", "d+ 10 0 one", "");
    run("a", "d+ 10 0 two", "");
    run("b", "d+ 10 0 bee", "");
    run("a", "d+ 5 0 early", "");
    run("a", "d+ 10 0 one", "");
    run("a", "d- 10", "");
    run("a", "d? 0 100", "a[5 15]=early a[10 20]=one a[10 20]=two a[10 20]=one ");
    ck_ok(weir_test_restart(test), &error);
    run("a", "d+ 10 0 later", "");
    run("a", "d! 0 10", "a[10 20]=later a[10 20]=one a[10 20]=two a[10 20]=one a[5 15]=early ");
    run("a", "d= 10", "=one ");
    run("a", "kd", NULL); /* no key names one of them */
    close_stage();
}
END_TEST

/* As by their own last start: a window that starts retention_ms before it is over. */
START_TEST(windows_that_are_over_are_not_found_nor_taken)
{
    struct weir_streams_metrics metrics;
    open_stage(_i);
    run("a", "w+ 10 0 one", "");
    run("a", "w+ 11 0 two", "");
    run("b", "w+ 110 0 bee", "");
    run("a", "w? 0 1000", "a[11 21]=two ");
    run("a", "w+ 10 0 again", "");
    run("a", "w= 10", "=- ");
    weir_test_metrics(test, &metrics);
    ck_assert_int_eq(metrics.records_dropped_late, 1);
    close_stage();
}
END_TEST

/* How far a store is in time is told by its last row, after a start too. */
START_TEST(what_is_over_stays_so_after_a_restart)
{
    open_stage(_i);
    run("a", "w+ 10 0 one", "");
    run("b", "w+ 110 0 bee", "");
    run("a", "d+ 10 0 one", "");
    run("b", "d+ 110 0 bee", "");
    run("a", "s+ 5 10 one", "");
    run("b", "s+ 100 110 bee", "");
    ck_ok(weir_test_commit(test), &error);
    ck_ok(_i / 2 == 0 ? weir_test_restart(test) : weir_test_crash(test, true), &error);
    run("a", "w* 0 1000", "b[110 120]=bee ");
    run("a", "w+ 10 0 again", "");
    run("a", "w= 10", "=- ");
    run("a", "d* 0 1000", "b[110 120]=bee ");
    run("a", "s* 0 1000", "b[100 110]=bee ");
    close_stage();
}
END_TEST

START_TEST(sessions_are_found_by_what_they_touch)
{
    open_stage(_i);
    run("a", "s+ 10 15 one", "");
    run("a", "s+ 20 22 two", "");
    run("b", "s+ 0 50 bee", "");
    run("a", "s+ 40 45 three", "");
    run("a", "s? 15 20", "a[10 15]=one a[20 22]=two "); /* 17 or 18, with a gap of 2 */
    run("a", "s? 16 19", "");
    run("a", "s! 0 100", "a[40 45]=three a[20 22]=two a[10 15]=one ");
    run("a", "s* 16 30", "a[20 22]=two b[0 50]=bee ");
    run("a", "s- 20 22", "");
    ck_ok(weir_test_restart(test), &error);
    run("a", "s? 0 100", "a[10 15]=one a[40 45]=three ");
    run("a", "s+ 20 19 x", NULL); /* ends before it begins */
    run("a", "ks 0 1", NULL);     /* has no windows */
    close_stage();
}
END_TEST

START_TEST(keys_are_walked_from_either_end)
{
    open_stage(_i);
    run("a", "k+ 0 0 1", "");
    run("ab", "k+ 0 0 2", "");
    run("b", "k+ 0 0 3", "");
    run("abc", "k+ 0 0 4", "");
    run("b", "k? ", "a=1 ab=2 abc=4 b=3 ");
    run("abc", "k! ", "abc=4 ab=2 a=1 ");
    run("ab", "kp ", "abc=4 ab=2 ");
    run("z", "kp ", "");
    close_stage();
}
END_TEST

/* A table's windows, by whoever names its store. */
START_TEST(windows_of_a_table_are_found)
{
    open_stage(_i);
    run("a", "w? 0 1", "");
    run("a", "c? 0 100", "a[0 10]=2 ");
    close_stage();
}
END_TEST

static void refused(const char *why)
{
    struct weir_builder *builder = weir_builder_new();
    static const char *const stores[] = {"d", NULL};
    static const struct weir_processor user = {.process = swallow, .stores = stores};
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    weir_add_window_store(builder, "d", WEIR_STRING, WEIR_STRING,
                          &(struct weir_window_store_options){WEIR_WINDOW_STORE_OPTIONS_INIT,
                                                              .window_size_ms = 10,
                                                              .keeps_duplicates = true});
    (void)weir_process(in, &user, NULL, NULL);
    (void)weir_process(in, &user, NULL, NULL);
    ck_assert_ptr_null(weir_build(builder, &error));
    ck_assert_str_eq(error.text, why);
    weir_builder_free(builder);
}

START_TEST(stores_that_cannot_be)
{
    static const struct {
        struct weir_window_store_options options;
        const char *why;
    } cases[] = {
        {{WEIR_WINDOW_STORE_OPTIONS_INIT}, "w: the windows' size is 0 ms: at least 1"},
        {{WEIR_WINDOW_STORE_OPTIONS_INIT, .window_size_ms = 10, .retention_ms = 9},
         "w: retention_ms is 9: at least the windows' size of 10, or 0 for just that"},
        {{WEIR_WINDOW_STORE_OPTIONS_INIT, .window_size_ms = 10, .store = (enum weir_store_kind)9},
         "w: there is no store of kind 9: WEIR_STORE_ROCKSDB or WEIR_STORE_MEMORY"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_builder *builder = weir_builder_new();
        weir_add_window_store(builder, "w", WEIR_STRING, WEIR_STRING, &cases[i].options);
        ck_assert_ptr_null(weir_build(builder, &error));
        ck_assert_str_eq(error.text, cases[i].why);
        weir_builder_free(builder);
    }
    struct weir_builder *builder = weir_builder_new();
    weir_add_session_store(builder, "s", WEIR_STRING, WEIR_STRING,
                           &(struct weir_session_store_options){WEIR_SESSION_STORE_OPTIONS_INIT});
    ck_assert_ptr_null(weir_build(builder, &error));
    ck_assert_str_eq(error.text, "s: retention_ms is 0: at least 1");
    weir_builder_free(builder);
    refused("d: 2 processors are connected to this store, which keeps duplicates: each numbers its "
            "rows, so it is one processor's");
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("window_stores");
    tcase_add_loop_test(tests, windows_are_found_by_key_and_time, 0, 2);
    tcase_add_loop_test(tests, duplicates_are_found_in_order, 0, 2);
    tcase_add_loop_test(tests, windows_that_are_over_are_not_found_nor_taken, 0, 2);
    tcase_add_loop_test(tests, what_is_over_stays_so_after_a_restart, 0, 4);
    tcase_add_loop_test(tests, sessions_are_found_by_what_they_touch, 0, 2);
    tcase_add_loop_test(tests, keys_are_walked_from_either_end, 0, 2);
    tcase_add_loop_test(tests, windows_of_a_table_are_found, 0, 2);
    tcase_add_test(tests, stores_that_cannot_be);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("window stores", add);
}
