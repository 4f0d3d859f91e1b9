/* The options of every public call, as programs hand them in that were built with another version of the
 * library. Each kind is one row of a table: a kind that is not in it fails the last test. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/support.h"
#include "weir.h"

enum { ROOM = 1024, NEWER = 24, POISON = 0xa5 };

static struct weir_error error;
static char directory[WEIR_TEST_PATH_SIZE];
static struct weir_log *log_handle;

/* ---- the calls ------------------------------------------------------------------------------- */

static int open_log(const void *options)
{
    char path[WEIR_TEST_PATH_SIZE];
    weir_test_directory(path);
    struct weir_log *log = weir_open(path, options, &error);
    return log != NULL ? weir_close(log, &error) : (int)error.code;
}

static int listen_at(const void *options)
{
    int rc = weir_listen(log_handle, options, &error);
    return rc == 0 ? weir_unlisten(log_handle, &error) : rc;
}

static int new_producer(const void *options)
{
    struct weir_producer *producer = weir_producer_new(log_handle, options, &error);
    return producer != NULL ? weir_producer_close(producer, &error) : (int)error.code;
}

static int new_consumer(const void *options)
{
    struct weir_consumer *consumer = weir_consumer_new(log_handle, options, &error);
    return consumer != NULL ? weir_consumer_close(consumer, &error) : (int)error.code;
}

static struct weir_topology *count_keys(const struct weir_materialized *materialized)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    weir_to(weir_to_stream(weir_count(weir_group_by_key(in), materialized)), "out");
    struct weir_topology *topology = weir_build(builder, &error);
    weir_builder_free(builder);
    return topology;
}

static int join(struct weir_call *call, const void *key, const void *left, const void *right,
                const void **value_out)
{
    (void)call, (void)key, (void)right;
    *value_out = left;
    return 0;
}

static int build_join(const void *options)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    weir_to(weir_stream_join(in, in, join, NULL, WEIR_STRING, options), "out");
    struct weir_topology *topology = weir_build(builder, &error);
    weir_builder_free(builder);
    if (topology == NULL) return error.code;
    weir_topology_free(topology);
    return 0;
}

static int build(const void *options)
{
    struct weir_topology *topology = count_keys(options);
    if (topology == NULL) return error.code;
    weir_topology_free(topology);
    return 0;
}

/* A windowed table: it is built if the windows are. */
enum windows { TIME, UNLIMITED, SESSION, SLIDING };
static struct weir_windowed_stream *windowed_by(struct weir_grouped *grouped, enum windows windows,
                                                const void *options)
{
    switch (windows) {
    case TIME:
        return weir_windowed_by_time(grouped, options);
    case UNLIMITED:
        return weir_windowed_by_unlimited(grouped, options);
    case SESSION:
        return weir_windowed_by_session(grouped, options);
    case SLIDING:
        return weir_windowed_by_sliding(grouped, options);
    }
    return NULL;
}

static int build_windows(enum windows windows, const void *options)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_grouped *grouped = weir_group_by_key(in);
    struct weir_windowed_stream *windowed = windowed_by(grouped, windows, options);
    weir_to(weir_to_stream(weir_windowed_count(windowed, NULL)), "out");
    struct weir_topology *topology = weir_build(builder, &error);
    weir_builder_free(builder);
    if (topology == NULL) return error.code;
    weir_topology_free(topology);
    return 0;
}

static int time_windows(const void *options)
{
    return build_windows(TIME, options);
}

static int unlimited_windows(const void *options)
{
    return build_windows(UNLIMITED, options);
}

static int join_table(const void *options)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_table *table = weir_table(builder, "table", WEIR_STRING, WEIR_STRING, NULL);
    weir_to(weir_join_table(in, table, join, NULL, WEIR_STRING, options), "out");
    struct weir_topology *topology = weir_build(builder, &error);
    weir_builder_free(builder);
    if (topology == NULL) return error.code;
    weir_topology_free(topology);
    return 0;
}

static int suppressed(const void *options)
{
    static const struct weir_time_windows minute = {WEIR_TIME_WINDOWS_INIT, .size_ms = 60000};
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_windowed_stream *windowed = weir_windowed_by_time(weir_group_by_key(in), &minute);
    struct weir_table *table = weir_suppress(weir_windowed_count(windowed, NULL), options);
    weir_to(weir_to_stream(table), "out");
    struct weir_topology *topology = weir_build(builder, &error);
    weir_builder_free(builder);
    if (topology == NULL) return error.code;
    weir_topology_free(topology);
    return 0;
}

static int ignore(struct weir_process *process, void *state, struct weir_call *call,
                  const void *key, const void *value)
{
    (void)process, (void)state, (void)call, (void)key, (void)value;
    return 0;
}

static int build_store(bool is_session, const void *options)
{
    static const char *const stores[] = {"windows", NULL};
    static const struct weir_processor processor = {.process = ignore, .stores = stores};
    struct weir_builder *builder = weir_builder_new();
    if (is_session) {
        weir_add_session_store(builder, "windows", WEIR_STRING, WEIR_STRING, options);
    } else {
        weir_add_window_store(builder, "windows", WEIR_STRING, WEIR_STRING, options);
    }
    (void)weir_process(weir_stream(builder, "in", WEIR_STRING, WEIR_STRING), &processor, NULL,
                       NULL);
    struct weir_topology *topology = weir_build(builder, &error);
    weir_builder_free(builder);
    if (topology == NULL) return error.code;
    weir_topology_free(topology);
    return 0;
}

static int window_store(const void *options)
{
    return build_store(false, options);
}

static int session_store(const void *options)
{
    return build_store(true, options);
}

static int sliding_windows(const void *options)
{
    return build_windows(SLIDING, options);
}

static int session_windows(const void *options)
{
    return build_windows(SESSION, options);
}

static int start_job(const void *options)
{
    struct weir_topology *topology = count_keys(NULL);
    struct weir_streams *job = weir_streams_start(log_handle, topology, options, &error);
    int rc = job != NULL ? weir_streams_close(job, &error) : (int)error.code;
    weir_topology_free(topology);
    return rc;
}

static int start_test(const void *options)
{
    struct weir_topology *topology = count_keys(NULL);
    struct weir_test *test = weir_test_new(topology, options, &error);
    int rc = test != NULL ? weir_test_error(test, &error) : (int)error.code;
    weir_test_free(test);
    weir_topology_free(topology);
    return rc;
}

static int start_test_of_job(const void *options)
{
    struct weir_test_options test = {WEIR_TEST_OPTIONS_INIT, .streams = options};
    return start_test(&test);
}

/* ---- the table ------------------------------------------------------------------------------- */

struct kind {
    const char *init;
    size_t size;
    size_t oldest; /* bytes that the call cannot do without */
    int (*take)(const void *options);
    int unset;   /* how a size that was never set is refused */
    int unknown; /* how a member that the library does not know is */
};

#define KIND(type, init_text, oldest_size, call)                                                   \
    {                                                                                              \
        .init = init_text, .size = sizeof(struct type), .oldest = oldest_size, .take = call,       \
        .unset = WEIR_INVALID_ARGUMENT, .unknown = WEIR_UNSUPPORTED_VERSION                        \
    }

/* A mistake in a topology is said by weir_build, as all others are. */
#define TOPOLOGY_KIND(type, init_text, oldest_size, call)                                          \
    {                                                                                              \
        .init = init_text, .size = sizeof(struct type), .oldest = oldest_size, .take = call,       \
        .unset = WEIR_INVALID_TOPOLOGY, .unknown = WEIR_INVALID_TOPOLOGY                           \
    }

static const struct kind kinds[] = {
    KIND(weir_log_options, "WEIR_LOG_OPTIONS_INIT", sizeof(size_t), open_log),
    KIND(weir_listen_options, "WEIR_LISTEN_OPTIONS_INIT",
         offsetof(struct weir_listen_options, advertised_address), listen_at),
    KIND(weir_producer_options, "WEIR_PRODUCER_OPTIONS_INIT", sizeof(size_t), new_producer),
    KIND(weir_consumer_options, "WEIR_CONSUMER_OPTIONS_INIT", sizeof(size_t), new_consumer),
    KIND(weir_streams_options, "WEIR_STREAMS_OPTIONS_INIT",
         offsetof(struct weir_streams_options, num_stream_threads), start_job),
    KIND(weir_streams_options, "WEIR_STREAMS_OPTIONS_INIT", sizeof(size_t), start_test_of_job),
    KIND(weir_test_options, "WEIR_TEST_OPTIONS_INIT", sizeof(size_t), start_test),
    TOPOLOGY_KIND(weir_materialized, "WEIR_MATERIALIZED_INIT", sizeof(size_t), build),
    TOPOLOGY_KIND(weir_time_windows, "WEIR_TIME_WINDOWS_INIT",
                  offsetof(struct weir_time_windows, advance_ms), time_windows),
    TOPOLOGY_KIND(weir_unlimited_windows, "WEIR_UNLIMITED_WINDOWS_INIT", sizeof(size_t),
                  unlimited_windows),
    TOPOLOGY_KIND(weir_sliding_windows, "WEIR_SLIDING_WINDOWS_INIT",
                  offsetof(struct weir_sliding_windows, grace_ms), sliding_windows),
    TOPOLOGY_KIND(weir_suppress_options, "WEIR_SUPPRESS_OPTIONS_INIT", sizeof(size_t), suppressed),
    TOPOLOGY_KIND(weir_joined, "WEIR_JOINED_INIT", sizeof(size_t), join_table),
    TOPOLOGY_KIND(weir_session_windows, "WEIR_SESSION_WINDOWS_INIT", sizeof(size_t),
                  session_windows),
    TOPOLOGY_KIND(weir_window_store_options, "WEIR_WINDOW_STORE_OPTIONS_INIT",
                  offsetof(struct weir_window_store_options, retention_ms), window_store),
    TOPOLOGY_KIND(weir_session_store_options, "WEIR_SESSION_STORE_OPTIONS_INIT",
                  offsetof(struct weir_session_store_options, store), session_store),
    TOPOLOGY_KIND(weir_stream_join_options, "WEIR_STREAM_JOIN_OPTIONS_INIT", sizeof(size_t),
                  build_join),
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* Aligned room for the longest of them, and what a newer one adds. */
union options {
    uint8_t bytes[ROOM];
    size_t size;
    struct weir_listen_options listen;
    struct weir_streams_options streams;
    struct weir_time_windows time_windows;
    struct weir_sliding_windows sliding_windows;
    struct weir_window_store_options window_store;
    struct weir_session_store_options session_store;
};

/* What a program sets in the first `size` bytes, behind which lies anything. */
static union options filled(const struct kind *kind, size_t size)
{
    union options options;
    memset(&options, POISON, sizeof options);
    memset(&options, 0, size);
    options.size = size;
    if (kind->take == listen_at) options.listen.address = "127.0.0.1:0";
    if (kind->take == time_windows) options.time_windows.size_ms = 10;
    if (kind->take == sliding_windows) options.sliding_windows.difference_ms = 10;
    if (kind->take == window_store) options.window_store.window_size_ms = 10;
    if (kind->take == session_store) options.session_store.retention_ms = 10;
    if (kind->take == start_job) options.streams.application_id = "app";
    return options;
}

static void open_stage(void)
{
    weir_test_directory(directory);
    log_handle = weir_open(directory, NULL, &error);
    ck_assert_msg(log_handle != NULL, "%s", error.text);
    ck_ok(weir_topic_create(log_handle, "in", 1, NULL, 0, &error), &error);
    ck_ok(weir_topic_create(log_handle, "out", 1, NULL, 0, &error), &error);
}

static void close_stage(void)
{
    ck_ok(weir_close(log_handle, &error), &error);
}

static void assert_says(const char *text)
{
    ck_assert_msg(strstr(error.text, text) != NULL, "'%s' is not in: %s", text, error.text);
}

/* ---- the rules ------------------------------------------------------------------------------- */

/* An older program's struct ends early: what lies behind it is not looked at. */
START_TEST(shorter_options_are_taken)
{
    const struct kind *kind = &kinds[_i];
    open_stage();
    union options options = filled(kind, kind->oldest);
    ck_ok(kind->take(&options), &error);
    options = filled(kind, kind->size);
    ck_ok(kind->take(&options), &error);
    close_stage();
}
END_TEST

/* A newer program's struct is longer: that is fine as long as it sets nothing there. */
START_TEST(longer_options_are_taken_if_they_set_nothing_new)
{
    const struct kind *kind = &kinds[_i];
    char sizes[2][32];
    open_stage();
    union options options = filled(kind, kind->size + NEWER);
    ck_ok(kind->take(&options), &error);
    options.bytes[kind->size + NEWER - 1] = 1;
    ck_code(kind->take(&options), kind->unknown);
    (void)snprintf(sizes[0], sizeof sizes[0], "options of %zu bytes", kind->size + NEWER);
    (void)snprintf(sizes[1], sizeof sizes[1], "options have %zu", kind->size);
    assert_says(sizes[0]);
    assert_says(sizes[1]);
    close_stage();
}
END_TEST

/* A size that was never set, 0 or whatever lay there, is refused: the text says what sets it. */
START_TEST(options_without_a_size_are_refused)
{
    const struct kind *kind = &kinds[_i];
    open_stage();
    union options options = filled(kind, kind->size);
    options.size = 0;
    ck_code(kind->take(&options), kind->unset);
    assert_says("have size 0");
    assert_says(kind->init);
    memset(&options.size, POISON, sizeof options.size);
    ck_code(kind->take(&options), kind->unset);
    assert_says(kind->init);
    close_stage();
}
END_TEST

/* Every _INIT macro of the installed headers has a row above. */
START_TEST(every_kind_of_options_is_in_the_table)
{
    static const char *const headers[] = {"listen.h", "log.h", "stream.h", "streams.h", "test.h"};
    size_t found = 0;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        char path[WEIR_TEST_PATH_SIZE];
        char line[256];
        char name[64];
        (void)snprintf(path, sizeof path, "%s/%s", HEADERS, headers[i]);
        FILE *header = fopen(path, "r");
        ck_assert_msg(header != NULL, "open %s", path);
        while (fgets(line, sizeof line, header) != NULL) {
            if (sscanf(line, "#define %63[A-Z_] .size", name) != 1) continue;
            if (strstr(name, "_INIT") == NULL) continue;
            bool is_known = false;
            for (size_t k = 0; k < KINDS; k++) {
                is_known = is_known || strcmp(kinds[k].init, name) == 0;
            }
            ck_assert_msg(is_known, "%s is not in the table", name);
            found++;
        }
        (void)fclose(header);
    }
    ck_assert_uint_eq(found, KINDS - 1); /* the streams' options are taken by two calls */
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("options");
    tcase_add_loop_test(tests, shorter_options_are_taken, 0, KINDS);
    tcase_add_loop_test(tests, longer_options_are_taken_if_they_set_nothing_new, 0, KINDS);
    tcase_add_loop_test(tests, options_without_a_size_are_refused, 0, KINDS);
    tcase_add_test(tests, every_kind_of_options_is_in_the_table);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("public options", add);
}
