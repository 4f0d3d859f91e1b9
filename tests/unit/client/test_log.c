/* Opening, closing, topics, and everything a user may get wrong there. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/client/stage.h"

static struct stage stage;
static struct weir_error error;

static void assert_names(const char *text)
{
    ck_assert_msg(strstr(error.text, text) != NULL, "'%s' is not in: %s", text, error.text);
}

static void assert_cannot_open(const char *directory, const struct weir_log_options *options,
                               enum weir_code code)
{
    error = (struct weir_error){0};
    ck_assert_ptr_null(weir_open(directory, options, &error));
    ck_assert_msg(error.code == code, "%s: %s", weir_code_name(error.code), error.text);
}

/* A directory's name that can't be one is refused, and the text says why. */
START_TEST(bad_directories_are_refused)
{
    assert_cannot_open(NULL, NULL, WEIR_INVALID_ARGUMENT);
    assert_cannot_open("", NULL, WEIR_INVALID_ARGUMENT);
    char name[5000];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_cannot_open(name, NULL, WEIR_INVALID_ARGUMENT);
    assert_names("too long");

    char directory[WEIR_TEST_PATH_SIZE];
    weir_test_directory(directory);
    char file[WEIR_TEST_PATH_SIZE + 8];
    snprintf(file, sizeof file, "%s/file", directory);
    close(open(file, O_CREAT | O_WRONLY, 0600));
    ck_assert_ptr_null(weir_open(file, NULL, &error));
    ck_assert_int_lt(error.code, 0);
    assert_names(file);
}
END_TEST

/* A folder that may not be written to: the error names it. Root may write everywhere, so it becomes
 * nobody for the while. */
START_TEST(an_unwritable_directory_is_refused)
{
    enum { NOBODY = 65534 };
    const uid_t user = geteuid();
    char directory[WEIR_TEST_PATH_SIZE];
    weir_test_directory(directory);
    chmod(directory, 0500);
    char path[WEIR_TEST_PATH_SIZE + 8];
    snprintf(path, sizeof path, "%s/data", directory);
    if (user == 0) ck_assert_int_eq(seteuid(NOBODY), 0);
    assert_cannot_open(path, NULL, WEIR_PERMISSION);
    if (user == 0) ck_assert_int_eq(seteuid(0), 0);
    assert_names(path);
    chmod(directory, 0700);
}
END_TEST

/* Options whose size was never set, or that ask for what there isn't. */
START_TEST(bad_options_are_refused)
{
    char directory[WEIR_TEST_PATH_SIZE];
    weir_test_directory(directory);
    struct weir_log_options options = {0};
    assert_cannot_open(directory, &options, WEIR_INVALID_ARGUMENT);
    assert_names("WEIR_LOG_OPTIONS_INIT");
    options = (struct weir_log_options){WEIR_LOG_OPTIONS_INIT};
    options.num_partitions = -3;
    assert_cannot_open(directory, &options, WEIR_INVALID_PARTITIONS);
    options = (struct weir_log_options){WEIR_LOG_OPTIONS_INIT};
    options.log_level = (enum weir_log_level)9;
    assert_cannot_open(directory, &options, WEIR_INVALID_ARGUMENT);
    options = (struct weir_log_options){WEIR_LOG_OPTIONS_INIT};
    options.auto_create_topics = 2;
    assert_cannot_open(directory, &options, WEIR_INVALID_ARGUMENT);
    assert_names("auto_create_topics is 2");
}
END_TEST

/* Defaults of topics under either of their names hold for what does not say otherwise; a bad one is
 * named, and nothing is opened. */
START_TEST(defaults_of_topics_are_checked)
{
    char directory[WEIR_TEST_PATH_SIZE];
    weir_test_directory(directory);
    struct weir_config configs[] = {{"log.retention.minutes", "5"}, {"message.max.bytes", "300"}};
    struct weir_log_options options = {WEIR_LOG_OPTIONS_INIT, .topic_configs = configs,
                                       .topic_config_count = 2};
    struct weir_log *log = weir_open(directory, &options, &error);
    ck_assert_msg(log != NULL, "%s", error.text);
    char large[400];
    memset(large, 'x', sizeof large);
    struct weir_slice value = weir_slice(large, sizeof large);
    ck_code(weir_produce(log, "t", weir_null(), value, &error), WEIR_TOO_LARGE);
    struct weir_config own = {"max.message.bytes", "1000"};
    ck_ok(weir_topic_create(log, "u", 1, &own, 1, &error), &error);
    ck_ok(weir_produce(log, "u", weir_null(), value, &error), &error);
    ck_ok(weir_close(log, &error), &error);
    configs[1] = (struct weir_config){"log.retention.sm", "1"};
    assert_cannot_open(directory, &options, WEIR_INVALID_CONFIG);
    assert_names("log.retention.ms");
    configs[1] = (struct weir_config){"log.retention.hours", "soon"};
    assert_cannot_open(directory, &options, WEIR_INVALID_CONFIG);
    assert_names("log.retention.hours");
    configs[1] = (struct weir_config){"log.segment.bytes", NULL};
    assert_cannot_open(directory, &options, WEIR_INVALID_CONFIG);
    options.topic_configs = NULL;
    assert_cannot_open(directory, &options, WEIR_INVALID_ARGUMENT);
}
END_TEST

/* Options of a newer program: what this library doesn't know must be unset. */
START_TEST(newer_options_are_taken_if_they_add_nothing)
{
    struct {
        struct weir_log_options known;
        int64_t added;
    } newer = {.known = {WEIR_LOG_OPTIONS_INIT}};
    newer.known.size = sizeof newer;
    char directory[WEIR_TEST_PATH_SIZE];
    weir_test_directory(directory);
    newer.added = 1;
    assert_cannot_open(directory, &newer.known, WEIR_UNSUPPORTED_VERSION);
    newer.added = 0;
    struct weir_log *log = weir_open(directory, &newer.known, &error);
    ck_assert_msg(log != NULL, "%s", error.text);
    ck_ok(weir_close(log, &error), &error);
}
END_TEST

/* One handle at a time, in this process and in others; the error names who has it. */
START_TEST(a_directory_has_one_user)
{
    stage_open(&stage, STAGE_UV, 0);
    assert_cannot_open(stage.directory, NULL, WEIR_LOCKED);
    assert_names(stage.directory);
    char pid[32];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_names(pid);
    stage_close(&stage);
}
END_TEST

/* A child process holds the log while we try. */
START_TEST(another_process_is_named)
{
    char directory[WEIR_TEST_PATH_SIZE];
    weir_test_directory(directory);
    int ready[2];
    int done[2];
    ck_assert_int_eq(pipe(ready), 0);
    ck_assert_int_eq(pipe(done), 0);
    pid_t child = fork();
    if (child == 0) {
        char byte = 'x';
        struct weir_log *log = weir_open(directory, NULL, NULL);
        close(done[1]);
        (void)!write(ready[1], &byte, log != NULL);
        close(ready[1]);
        (void)!read(done[0], &byte, 1); /* ends when the parent closes its end */
        _exit(log == NULL);
    }
    close(ready[1]);
    close(done[0]);
    char byte = 0;
    ck_assert_int_eq((int)read(ready[0], &byte, 1), 1);
    assert_cannot_open(directory, NULL, WEIR_LOCKED);
    char pid[32];
    snprintf(pid, sizeof pid, "%d", (int)child);
    assert_names(pid);
    close(done[1]);
    int status = 0;
    ck_assert_int_eq((int)waitpid(child, &status, 0), (int)child);
    struct weir_log *log = weir_open(directory, NULL, &error); /* its death released the lock */
    ck_assert_msg(log != NULL, "%s", error.text);
    ck_ok(weir_close(log, &error), &error);
    close(ready[0]);
}
END_TEST

static void overwrite_version(const char *directory)
{
    char path[WEIR_TEST_PATH_SIZE + 32];
    char text[2048] = {0};
    snprintf(path, sizeof path, "%s/meta.properties", directory);
    FILE *file = fopen(path, "r+");
    ck_assert_ptr_nonnull(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    ck_assert_uint_gt(size, 0);
    char *version = strstr(text, "version=");
    while (version != NULL && version[8] != '\0') {
        version[8] = '9';
        version = strstr(version + 8, "version=");
    }
    rewind(file);
    ck_assert_uint_eq(fwrite(text, 1, size, file), size);
    fclose(file);
}

/* A directory of a newer format is left alone. */
START_TEST(a_newer_format_is_refused)
{
    char directory[WEIR_TEST_PATH_SIZE];
    weir_test_directory(directory);
    struct weir_log *log = weir_open(directory, NULL, &error);
    ck_assert_msg(log != NULL, "%s", error.text);
    ck_ok(weir_close(log, &error), &error);
    overwrite_version(directory);
    assert_cannot_open(directory, NULL, WEIR_UNSUPPORTED_VERSION);
    assert_names("9");
}
END_TEST

/* A log with open handles is not closed under them; NULL and twice are no harm. */
START_TEST(close_waits_for_its_handles)
{
    stage_open(&stage, _i, 1);
    struct weir_producer *producer = stage_producer(&stage, (struct weir_producer_options){0});
    struct weir_consumer *consumer = stage_consumer(&stage, NULL);
    ck_code(weir_close(stage.log, &error), WEIR_INVALID_ARGUMENT);
    assert_names("1 producer and 1 consumer");
    ck_ok(weir_producer_close(producer, &error), &error);
    ck_ok(weir_consumer_close(consumer, &error), &error);
    ck_ok(weir_producer_close(NULL, &error), &error);
    ck_ok(weir_consumer_close(NULL, &error), &error);
    ck_ok(weir_close(NULL, &error), &error);
    stage_close(&stage);
}
END_TEST

/* ---- topics ---------------------------------------------------------------------------------- */

/* Created, described, configured, deleted; and the same after a reopen. */
START_TEST(topics_live_through_a_reopen)
{
    stage_open(&stage, _i, 2);
    struct weir_config configs[] = {{"retention.ms", "-1"}};
    ck_ok(weir_topic_create(stage.log, "orders", 3, configs, 1, &error), &error);
    ck_ok(weir_topic_create(stage.log, "gone", 0, NULL, 0, &error), &error);
    ck_ok(weir_topic_configure(stage.log, "orders", &(struct weir_config){"retention.ms", NULL}, 1,
                               &error),
          &error);
    ck_ok(weir_topic_delete(stage.log, "gone", &error), &error);
    struct weir_topic_description before;
    ck_ok(weir_topic_describe(stage.log, "orders", &before, &error), &error);
    stage_reopen(&stage);
    struct weir_topic_description after;
    ck_ok(weir_topic_describe(stage.log, "orders", &after, &error), &error);
    ck_assert_str_eq(after.name, "orders");
    ck_assert_int_eq(after.partition_count, 3);
    ck_assert_int_eq(memcmp(&before.id, &after.id, sizeof before.id), 0);
    ck_assert(!after.is_internal);
    ck_code(weir_topic_describe(stage.log, "gone", &after, &error),
            WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_names("gone");
    int64_t start = -1;
    int64_t end = -1;
    ck_ok(weir_topic_offsets(stage.log, "orders", 2, &start, &end, &error), &error);
    ck_assert_int_eq((int)start, 0);
    ck_assert_int_eq((int)end, 0);
    ck_code(weir_topic_offsets(stage.log, "orders", 3, &start, &end, &error),
            WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    stage_close(&stage);
}
END_TEST

struct names {
    char text[256];
    int stop_after;
};

static int note_name(void *context, const struct weir_topic_description *description)
{
    struct names *names = context;
    if (description->is_internal) return 0;
    strcat(names->text, description->name);
    strcat(names->text, " ");
    return --names->stop_after == 0 ? 77 : 0;
}

/* The list is in order of name, and the walk ends when the callback says so. */
START_TEST(topics_are_listed_in_order)
{
    stage_open(&stage, _i, 3);
    ck_ok(weir_topic_create(stage.log, "b", 1, NULL, 0, &error), &error);
    ck_ok(weir_topic_create(stage.log, "c", 1, NULL, 0, &error), &error);
    ck_ok(weir_topic_create(stage.log, "a", 1, NULL, 0, &error), &error);
    struct names names = {.stop_after = -1};
    ck_ok(weir_topic_list(stage.log, note_name, &names, &error), &error);
    ck_assert_str_eq(names.text, "a b c ");
    names = (struct names){.stop_after = 2};
    ck_assert_int_eq(weir_topic_list(stage.log, note_name, &names, &error), 77);
    ck_assert_str_eq(names.text, "a b ");
    stage_close(&stage);
}
END_TEST

/* A record without a key is refused by a compacted topic: a compaction would drop it. An empty key is one. */
START_TEST(a_compacted_topic_needs_keys)
{
    stage_open(&stage, _i, 9);
    struct weir_config config = {"cleanup.policy", "compact"};
    ck_ok(weir_topic_create(stage.log, "prices", 1, &config, 1, &error), &error);
    ck_code(weir_produce(stage.log, "prices", weir_null(), weir_text("3"), &error),
            WEIR_INVALID_RECORD);
    assert_names("prices");
    assert_names("without a key");
    ck_ok(weir_produce(stage.log, "prices", weir_text(""), weir_text("3"), &error), &error);
    ck_ok(weir_produce(stage.log, "prices", weir_text("tea"), weir_null(), &error), &error);
    int64_t start = -1;
    int64_t end = -1;
    ck_ok(weir_topic_offsets(stage.log, "prices", 0, &start, &end, &error), &error);
    ck_assert_int_eq((int)end, 2);
    stage_close(&stage);
}
END_TEST

static void set_policy(const char *policy)
{
    struct weir_config config = {"cleanup.policy", policy};
    ck_ok(weir_topic_configure(stage.log, "prices", &config, 1, &error), &error);
}

/* A producer that goes on hears of it when somebody alters the topic: with the next batch that is stored, or when it
 * asks once more before it refuses a record. */
START_TEST(a_producer_hears_that_its_topic_is_compacted)
{
    stage_open(&stage, _i, 10);
    ck_ok(weir_topic_create(stage.log, "prices", 1, NULL, 0, &error), &error);
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT};
    struct weir_producer *producer = weir_producer_new(stage.log, &options, &error);
    ck_assert_ptr_nonnull(producer);
    struct weir_record keyless = {.value = weir_text("3"), .timestamp_ms = -1};
    struct weir_record keyed = {
        .key = weir_text("tea"), .value = weir_text("3"), .timestamp_ms = -1};
    ck_ok(weir_producer_send(producer, "prices", 0, &keyless, NULL, &error), &error);
    ck_ok(weir_producer_flush(producer, &error), &error);
    set_policy("compact");
    ck_ok(weir_producer_send(producer, "prices", 0, &keyed, NULL, &error), &error);
    ck_ok(weir_producer_flush(producer, &error), &error);
    ck_code(weir_producer_send(producer, "prices", 0, &keyless, NULL, &error), WEIR_INVALID_RECORD);
    set_policy("delete");
    ck_ok(weir_producer_send(producer, "prices", 0, &keyless, NULL, &error), &error);
    ck_ok(weir_producer_flush(producer, &error), &error);
    ck_ok(weir_producer_close(producer, &error), &error);
    stage_close(&stage);
}
END_TEST

/* Names, counts and configs that can't be, each with its reason; nothing is made. */
START_TEST(bad_topics_are_refused)
{
    stage_open(&stage, _i, 4);
    char name[260];
    memset(name, 'x', 250);
    name[250] = '\0';
    ck_code(weir_topic_create(stage.log, NULL, 1, NULL, 0, &error), WEIR_INVALID_TOPIC);
    ck_code(weir_topic_create(stage.log, "", 1, NULL, 0, &error), WEIR_INVALID_TOPIC);
    ck_code(weir_topic_create(stage.log, name, 1, NULL, 0, &error), WEIR_INVALID_TOPIC);
    assert_names("249");
    ck_code(weir_topic_create(stage.log, "a/b", 1, NULL, 0, &error), WEIR_INVALID_TOPIC);
    assert_names("a/b");
    ck_code(weir_topic_create(stage.log, "..", 1, NULL, 0, &error), WEIR_INVALID_TOPIC);
    ck_code(weir_topic_create(stage.log, "t", -1, NULL, 0, &error), WEIR_INVALID_PARTITIONS);
    ck_code(weir_topic_create(stage.log, "t", 1, NULL, 2, &error), WEIR_INVALID_ARGUMENT);
    struct weir_config config = {"retention.sm", "1"};
    ck_code(weir_topic_create(stage.log, "t", 1, &config, 1, &error), WEIR_INVALID_CONFIG);
    assert_names("retention.sm");
    config = (struct weir_config){"retention.ms", "soon"};
    ck_code(weir_topic_create(stage.log, "t", 1, &config, 1, &error), WEIR_INVALID_CONFIG);
    assert_names("soon");
    struct weir_config lags[] = {{"min.compaction.lag.ms", "100"}, {"max.compaction.lag.ms", "50"}};
    ck_code(weir_topic_create(stage.log, "t", 1, lags, 2, &error), WEIR_INVALID_CONFIG);
    assert_names("'min.compaction.lag.ms' = 100 is above 'max.compaction.lag.ms' = 50");
    config = (struct weir_config){NULL, "1"};
    ck_code(weir_topic_create(stage.log, "t", 1, &config, 1, &error), WEIR_INVALID_CONFIG);
    config = (struct weir_config){"retention.ms", NULL};
    ck_code(weir_topic_create(stage.log, "t", 1, &config, 1, &error), WEIR_INVALID_CONFIG);
    struct names names = {0};
    ck_ok(weir_topic_list(stage.log, note_name, &names, &error), &error);
    ck_assert_str_eq(names.text, "");
    ck_ok(weir_topic_create(stage.log, "t", 1, NULL, 0, &error), &error);
    ck_code(weir_topic_create(stage.log, "t", 1, NULL, 0, &error), WEIR_EXISTS);
    ck_ok(weir_topic_create(stage.log, "t.u", 1, NULL, 0, &error), &error);
    ck_code(weir_topic_create(stage.log, "t_u", 1, NULL, 0, &error), WEIR_INVALID_TOPIC);
    assert_names("t.u");
    ck_code(weir_produce(stage.log, "t_u", weir_null(), weir_text("v"), &error),
            WEIR_INVALID_TOPIC);
    ck_code(weir_topic_delete(stage.log, "u", &error), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_code(weir_topic_delete(NULL, "t", &error), WEIR_INVALID_ARGUMENT);
    stage_close(&stage);
}
END_TEST

/* An offset by time: the first record at or after it, and -1 behind the last. */
START_TEST(offsets_are_found_by_time)
{
    stage_open(&stage, _i, 5);
    struct weir_producer *producer = stage_producer(&stage, (struct weir_producer_options){0});
    ck_ok(weir_topic_create(stage.log, "t", 1, &(struct weir_config){"retention.ms", "-1"}, 1,
                            &error),
          &error);
    for (int i = 0; i < 10; i++) {
        struct weir_record record = {.value = weir_text("v"), .timestamp_ms = 1000 + 10 * i};
        ck_ok(weir_producer_send(producer, "t", 0, &record, NULL, &error), &error);
        ck_ok(weir_producer_flush(producer, &error), &error);
    }
    int64_t offset = -7;
    ck_ok(weir_topic_offset_at(stage.log, "t", 0, 1031, &offset, &error), &error);
    ck_assert_int_eq((int)offset, 4);
    ck_ok(weir_topic_offset_at(stage.log, "t", 0, 0, &offset, &error), &error);
    ck_assert_int_eq((int)offset, 0);
    ck_ok(weir_topic_offset_at(stage.log, "t", 0, 2000, &offset, &error), &error);
    ck_assert_int_eq((int)offset, -1);
    ck_code(weir_topic_offset_at(stage.log, "t", 0, -5, &offset, &error), WEIR_INVALID_TIMESTAMP);
    ck_ok(weir_producer_close(producer, &error), &error);
    stage_close(&stage);
}
END_TEST

/* ---- from the wrong thread ------------------------------------------------------------------- */

struct wrong {
    struct weir_message message;
    struct weir_log *log;
    struct weir_producer *producer;
    struct weir_consumer *consumer;
    int rc[8];
    struct weir_error error;
    bool is_done;
};

static void call_all(struct weir_message *message)
{
    struct wrong *wrong = (struct wrong *)message;
    struct weir_batch_view batch;
    wrong->rc[0] = weir_topic_create(wrong->log, "x", 1, NULL, 0, NULL);
    wrong->rc[1] = weir_producer_flush(wrong->producer, NULL);
    wrong->rc[2] = weir_producer_close(wrong->producer, NULL);
    wrong->rc[3] = weir_consumer_assign(wrong->consumer, "x", 0, 0, NULL);
    wrong->rc[4] = weir_consumer_close(wrong->consumer, NULL);
    wrong->rc[5] = weir_close(wrong->log, NULL);
    wrong->rc[6] = weir_produce(wrong->log, "x", weir_null(), weir_text("v"), NULL);
    wrong->rc[7] = weir_consumer_poll(wrong->consumer, 0, &batch, &wrong->error);
    __atomic_store_n(&wrong->is_done, true, __ATOMIC_RELEASE);
    weir_signal(wrong->log->env);
}

static bool has_called(void *context)
{
    return __atomic_load_n(&((struct wrong *)context)->is_done, __ATOMIC_ACQUIRE);
}

static int idle(void *impl)
{
    (void)impl;
    return 0;
}

/* Every waiting call on an actor's thread is refused, says what to do, and leaves all as it was. */
START_TEST(waiting_calls_on_an_actor_are_refused)
{
    stage_open(&stage, _i, 6);
    struct wrong wrong = {
        .message.handle = call_all,
        .log = stage.log,
        .producer = stage_producer(&stage, (struct weir_producer_options){0}),
        .consumer = stage_consumer(&stage, NULL),
    };
    struct weir_actor *actor = NULL;
    ck_ok(weir_actor_start(stage.log->env,
                           &(struct weir_actor_options){.name = "wrong", .run_once = idle}, &actor,
                           &error),
          &error);
    weir_actor_post(actor, &wrong.message);
    ck_ok(weir_wait(stage.log->env, has_called, &wrong, WEIR_MONO_NEVER), NULL);
    weir_actor_stop(actor);
    for (int i = 0; i < 8; i++) {
        ck_code(wrong.rc[i], WEIR_WRONG_THREAD);
    }
    error = wrong.error;
    assert_names("weir_consumer_poll");
    assert_names("from a thread of the program");
    ck_ok(weir_producer_close(wrong.producer, &error), &error);
    ck_ok(weir_consumer_close(wrong.consumer, &error), &error);
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("open");
    tcase_add_test(tests, bad_directories_are_refused);
    tcase_add_test(tests, an_unwritable_directory_is_refused);
    tcase_add_test(tests, bad_options_are_refused);
    tcase_add_test(tests, defaults_of_topics_are_checked);
    tcase_add_test(tests, newer_options_are_taken_if_they_add_nothing);
    tcase_add_test(tests, a_directory_has_one_user);
    if (weir_test_forks()) tcase_add_test(tests, another_process_is_named);
    tcase_add_test(tests, a_newer_format_is_refused);
    tcase_add_loop_test(tests, close_waits_for_its_handles, 0, STAGE_COUNT);
    suite_add_tcase(suite, tests);

    TCase *topics = tcase_create("topics");
    tcase_add_loop_test(topics, topics_live_through_a_reopen, 0, STAGE_COUNT);
    tcase_add_loop_test(topics, topics_are_listed_in_order, 0, STAGE_COUNT);
    tcase_add_loop_test(topics, a_compacted_topic_needs_keys, 0, STAGE_COUNT);
    tcase_add_loop_test(topics, a_producer_hears_that_its_topic_is_compacted, 0, STAGE_COUNT);
    tcase_add_loop_test(topics, bad_topics_are_refused, 0, STAGE_COUNT);
    tcase_add_loop_test(topics, offsets_are_found_by_time, 0, STAGE_COUNT);
    tcase_add_loop_test(topics, waiting_calls_on_an_actor_are_refused, 0, STAGE_COUNT);
    suite_add_tcase(suite, topics);
}

int main(void)
{
    return weir_test_main("client_log", add);
}
