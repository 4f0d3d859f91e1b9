/* What holds for every public call: success leaves no text in the error, and a handle that is NULL is
 * refused. The list of exported symbols says which there are; a new one has to be put in here. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/support.h"
#include "weir.h"

static struct weir_error error;

/* ---- success leaves no text ------------------------------------------------------------------ */

static void poison(void)
{
    error.code = WEIR_CORRUPT;
    (void)snprintf(error.text, sizeof error.text, "an error of long ago");
}

static void assert_clean(const char *call)
{
    ck_assert_msg(error.code == 0, "%s succeeded and left code %d", call, error.code);
    ck_assert_msg(error.text[0] == '\0', "%s succeeded and left: %s", call, error.text);
}

/* One that closes leaves the error as it was: it may be the reason for closing. */
static void assert_kept(const char *call)
{
    ck_assert_msg(error.code == WEIR_CORRUPT, "%s succeeded and left code %d", call, error.code);
    ck_assert_msg(strcmp(error.text, "an error of long ago") == 0, "%s left: %s", call, error.text);
}

#define SUCCEEDS(call)                                                                             \
    do {                                                                                           \
        poison();                                                                                  \
        ck_ok((int)(call), &error);                                                                \
        assert_clean(#call);                                                                       \
    } while (0)

#define GIVES(handle, call)                                                                        \
    do {                                                                                           \
        poison();                                                                                  \
        (handle) = (call);                                                                         \
        ck_assert_msg((handle) != NULL, "%s: %s", #call, error.text);                              \
        assert_clean(#call);                                                                       \
    } while (0)

#define CLOSES(call)                                                                               \
    do {                                                                                           \
        poison();                                                                                  \
        ck_ok((call), &error);                                                                     \
        assert_kept(#call);                                                                        \
    } while (0)

static int see_topic(void *context, const struct weir_topic_description *description)
{
    (void)description;
    ++*(int *)context;
    return 0;
}

static void walk_topics(struct weir_log *log)
{
    struct weir_topic_description description;
    struct weir_config config = {"retention.ms", "-1"};
    int64_t start, end;
    int count = 0;
    SUCCEEDS(weir_topic_create(log, "in", 1, &config, 1, &error));
    SUCCEEDS(weir_topic_configure(log, "in", &config, 1, &error));
    SUCCEEDS(weir_topic_describe(log, "in", &description, &error));
    SUCCEEDS(weir_topic_list(log, see_topic, &count, &error));
    ck_assert_int_ge(count, 1);
    SUCCEEDS(weir_topic_offsets(log, "in", 0, &start, &end, &error));
    SUCCEEDS(weir_topic_offset_at(log, "in", 0, 0, &end, &error));
    SUCCEEDS(weir_topic_create(log, "gone", 1, NULL, 0, &error));
    SUCCEEDS(weir_topic_delete(log, "gone", &error));
}

/* A topic that is made by sending to it, too: that it was not there is no news afterwards. */
static void walk_producer(struct weir_log *log)
{
    struct weir_producer *producer;
    struct weir_record record = {
        .key = {(const uint8_t *)"k", 1}, .value = {(const uint8_t *)"v", 1}, .timestamp_ms = -1};
    GIVES(producer, weir_producer_new(log, NULL, &error));
    SUCCEEDS(weir_producer_send(producer, "in", 0, &record, NULL, &error));
    SUCCEEDS(weir_producer_send(producer, "made", -1, &record, NULL, &error));
    SUCCEEDS(weir_producer_flush(producer, &error));
    ck_assert_int_ge(weir_producer_poll(producer), 0);
    CLOSES(weir_producer_close(producer, &error));
    SUCCEEDS(weir_produce(log, "in", record.key, record.value, &error));
    SUCCEEDS(weir_produce(log, "made-too", record.key, record.value, &error));
}

/* What a reader of the group "g" would commit with what it makes of it. */
static void walk_transactions(struct weir_log *log, struct weir_consumer *reader)
{
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT, .transactional_id = "t"};
    struct weir_offset_to_commit commit = {.topic = "in", .offset = 1};
    struct weir_record record = {.value = {(const uint8_t *)"v", 1}, .timestamp_ms = -1};
    struct weir_group_metadata group;
    struct weir_producer *producer;
    GIVES(producer, weir_producer_new(log, &options, &error));
    SUCCEEDS(weir_producer_begin(producer, &error));
    SUCCEEDS(weir_producer_send(producer, "in", 0, &record, NULL, &error));
    SUCCEEDS(weir_consumer_group_metadata(reader, &group, &error));
    SUCCEEDS(weir_producer_send_offsets(producer, &commit, 1, &group, &error));
    ck_assert_int_eq(weir_producer_status(producer), WEIR_PRODUCER_IN_TRANSACTION);
    SUCCEEDS(weir_producer_commit(producer, &error));
    SUCCEEDS(weir_producer_begin(producer, &error));
    SUCCEEDS(weir_producer_abort(producer, &error));
    CLOSES(weir_producer_close(producer, &error));
}

/* By hand first, then as the only member of its group. */
static void walk_membership(struct weir_consumer *consumer)
{
    const char *topic = "in";
    struct weir_offset_to_commit commit = {.topic = topic, .offset = 1};
    struct weir_assigned_partition assigned[1];
    int64_t offset = 0;
    ck_assert_int_eq(weir_consumer_assignment(consumer, assigned, 1), 1);
    SUCCEEDS(weir_consumer_pause(consumer, topic, 0, &error));
    SUCCEEDS(weir_consumer_resume(consumer, topic, 0, &error));
    SUCCEEDS(weir_consumer_commit_offsets(consumer, &commit, 1, &error));
    SUCCEEDS(weir_consumer_committed(consumer, topic, 0, &offset, &error));
    ck_assert_int_eq(offset, 1);
    SUCCEEDS(weir_consumer_unsubscribe(consumer, &error));
    SUCCEEDS(weir_consumer_subscribe(consumer, &topic, 1, &error));
    SUCCEEDS(weir_consumer_unsubscribe(consumer, &error));
    SUCCEEDS(weir_consumer_subscribe_pattern(consumer, "in.*", &error));
    SUCCEEDS(weir_consumer_unsubscribe(consumer, &error));
}

static void walk_consumer(struct weir_log *log)
{
    struct weir_consumer_options options = {WEIR_CONSUMER_OPTIONS_INIT, .group = "g"};
    struct weir_consumer *consumer;
    struct weir_batch_view batch;
    int64_t offset;
    GIVES(consumer, weir_consumer_new(log, &options, &error));
    SUCCEEDS(weir_consumer_assign(consumer, "in", 0, WEIR_POSITION_COMMITTED, &error));
    SUCCEEDS(weir_consumer_assign_topic(consumer, "in", WEIR_POSITION_BEGINNING, &error));
    SUCCEEDS(weir_consumer_seek(consumer, "in", 0, WEIR_POSITION_BEGINNING, &error));
    SUCCEEDS(weir_consumer_poll(consumer, 1000, &batch, &error));
    SUCCEEDS(weir_consumer_commit(consumer, &error));
    while (weir_consumer_poll(consumer, 0, &batch, &error) == 0) {
    }
    SUCCEEDS(weir_consumer_poll(consumer, 0, &batch, &error)); /* nothing more is a success */
    SUCCEEDS(weir_consumer_seek(consumer, "in", 0, WEIR_POSITION_COMMITTED, &error));
    walk_transactions(log, consumer);
    walk_membership(consumer);
    SUCCEEDS(weir_committed(log, "g", "in", 0, &offset, &error));
    CLOSES(weir_consumer_close(consumer, &error));
}

static struct weir_topology *count_keys(void)
{
    struct weir_topology *topology;
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_table *counts = weir_count(weir_group_by_key(in), WEIR_STORE(.name = "counts"));
    weir_to(weir_to_stream(counts), "out");
    GIVES(topology, weir_build(builder, &error));
    weir_builder_free(builder);
    return topology;
}

/* A job, twice: what is there already when it starts again is no error either. */
static void walk_job(struct weir_log *log, const struct weir_topology *topology)
{
    struct weir_streams_options options = {WEIR_STREAMS_OPTIONS_INIT, .application_id = "app"};
    struct weir_streams *job;
    for (int life = 0; life < 2; life++) {
        GIVES(job, weir_streams_start(log, topology, &options, &error));
        SUCCEEDS(weir_streams_drain(job, 60000, &error));
        SUCCEEDS(weir_streams_error(job, &error));
        CLOSES(weir_streams_close(job, &error));
    }
}

static void walk_serdes(void)
{
    uint8_t bytes[8];
    int64_t number = 7;
    SUCCEEDS(weir_serialize(WEIR_INT64, &number, bytes, sizeof bytes, &error));
    SUCCEEDS(weir_deserialize(WEIR_INT64, (struct weir_slice){bytes, 8}, &number, &error));
}

static void walk_test_driver(const struct weir_topology *topology)
{
    struct weir_test *test;
    GIVES(test, weir_test_new(topology, NULL, &error));
    SUCCEEDS(weir_test_error(test, &error));
    weir_test_free(test);
}

START_TEST(a_call_that_succeeds_leaves_no_text)
{
    char path[WEIR_TEST_PATH_SIZE];
    weir_test_directory(path);
    struct weir_log_options options = {WEIR_LOG_OPTIONS_INIT};
    struct weir_listen_options port = {WEIR_LISTEN_OPTIONS_INIT, .address = "127.0.0.1:0"};
    struct weir_topology *topology = count_keys();
    for (int life = 0; life < 2; life++) {
        struct weir_log *log;
        GIVES(log, weir_open(path, &options, &error));
        if (life == 0) walk_topics(log);
        walk_producer(log);
        walk_consumer(log);
        walk_job(log, topology);
        SUCCEEDS(weir_listen(log, &port, &error));
        CLOSES(weir_unlisten(log, &error));
        CLOSES(weir_unlisten(log, &error));
        CLOSES(weir_close(log, &error));
    }
    walk_serdes();
    walk_test_driver(topology);
    weir_topology_free(topology);
}
END_TEST

/* ---- a NULL handle is refused ---------------------------------------------------------------- */

static int visit(struct weir_call *call, const void *key, const void *value)
{
    (void)call, (void)key, (void)value;
    return 1;
}

static int punctuate(struct weir_process *process, void *state, struct weir_call *call,
                     int64_t time_ms)
{
    (void)process, (void)state, (void)call, (void)time_ms;
    return 0;
}

#define REFUSES(call) ck_assert_msg((call) == WEIR_INVALID_ARGUMENT, "%s", #call)
/* With an error: it says which call it was. */
#define REFUSES_SAYING(call, name)                                                                 \
    do {                                                                                           \
        poison();                                                                                  \
        REFUSES(call);                                                                             \
        ck_assert_msg(error.code == WEIR_INVALID_ARGUMENT && strstr(error.text, name) != NULL,     \
                      "%s: %s", #call, error.text);                                                \
    } while (0)
#define GIVES_NOTHING(call, name)                                                                  \
    do {                                                                                           \
        poison();                                                                                  \
        ck_assert_msg((call) == NULL, "%s", #call);                                                \
        ck_assert_msg(error.code == WEIR_INVALID_ARGUMENT && strstr(error.text, name) != NULL,     \
                      "%s: %s", #call, error.text);                                                \
    } while (0)

static void refuse_log(void)
{
    struct weir_topic_description description;
    struct weir_slice bytes = {(const uint8_t *)"v", 1};
    int64_t offset = 0;
    REFUSES_SAYING(weir_topic_create(NULL, "t", 1, NULL, 0, &error), "weir_topic_create");
    REFUSES_SAYING(weir_topic_delete(NULL, "t", &error), "weir_topic_delete");
    REFUSES_SAYING(weir_topic_configure(NULL, "t", NULL, 0, &error), "weir_topic_configure");
    REFUSES_SAYING(weir_topic_describe(NULL, "t", &description, &error), "weir_topic_describe");
    REFUSES_SAYING(weir_topic_list(NULL, see_topic, NULL, &error), "weir_topic_list");
    REFUSES_SAYING(weir_topic_offsets(NULL, "t", 0, &offset, &offset, &error),
                   "weir_topic_offsets");
    REFUSES_SAYING(weir_topic_offset_at(NULL, "t", 0, 0, &offset, &error), "weir_topic_offset_at");
    REFUSES_SAYING(weir_committed(NULL, "g", "t", 0, &offset, &error), "weir_committed");
    REFUSES_SAYING(weir_produce(NULL, "t", bytes, bytes, &error), "weir_produce");
    REFUSES_SAYING(weir_listen(NULL, NULL, &error), "weir_listen");
    REFUSES_SAYING(weir_unlisten(NULL, &error), "weir_unlisten");
    GIVES_NOTHING(weir_open(NULL, NULL, &error), "NULL");
    GIVES_NOTHING(weir_producer_new(NULL, NULL, &error), "weir_producer_new");
    GIVES_NOTHING(weir_consumer_new(NULL, NULL, &error), "weir_consumer_new");
    ck_assert_ptr_null(weir_listen_address(NULL));
    weir_metrics(NULL, NULL, NULL);
    ck_assert_int_eq(weir_close(NULL, &error), 0);
}

static void refuse_clients(void)
{
    struct weir_record record = {.timestamp_ms = -1};
    struct weir_batch_view batch;
    int64_t offset = 0;
    REFUSES_SAYING(weir_producer_send(NULL, "t", 0, &record, NULL, &error), "weir_producer_send");
    REFUSES_SAYING(weir_producer_flush(NULL, &error), "weir_producer_flush");
    REFUSES(weir_producer_poll(NULL));
    REFUSES_SAYING(weir_producer_begin(NULL, &error), "weir_producer_begin");
    REFUSES_SAYING(weir_producer_commit(NULL, &error), "weir_producer_commit");
    REFUSES_SAYING(weir_producer_abort(NULL, &error), "weir_producer_abort");
    REFUSES_SAYING(weir_producer_send_offsets(NULL, NULL, 0, NULL, &error),
                   "weir_producer_send_offsets");
    REFUSES(weir_producer_status(NULL));
    ck_assert_int_eq(weir_producer_close(NULL, &error), 0);
    REFUSES_SAYING(weir_consumer_assign(NULL, "t", 0, 0, &error), "weir_consumer_assign");
    REFUSES_SAYING(weir_consumer_assign_topic(NULL, "t", 0, &error), "weir_consumer_assign_topic");
    REFUSES_SAYING(weir_consumer_seek(NULL, "t", 0, 0, &error), "weir_consumer_seek");
    REFUSES_SAYING(weir_consumer_poll(NULL, 0, &batch, &error), "weir_consumer_poll");
    REFUSES_SAYING(weir_consumer_commit(NULL, &error), "weir_consumer_commit");
    REFUSES(weir_consumer_position(NULL, "t", 0, &offset));
    REFUSES(weir_consumer_assignment(NULL, NULL, 0));
    REFUSES_SAYING(weir_consumer_subscribe(NULL, NULL, 0, &error), "weir_consumer_subscribe");
    REFUSES_SAYING(weir_consumer_subscribe_pattern(NULL, "t", &error),
                   "weir_consumer_subscribe_pattern");
    REFUSES_SAYING(weir_consumer_unsubscribe(NULL, &error), "weir_consumer_unsubscribe");
    REFUSES_SAYING(weir_consumer_pause(NULL, "t", 0, &error), "weir_consumer_pause");
    REFUSES_SAYING(weir_consumer_resume(NULL, "t", 0, &error), "weir_consumer_resume");
    REFUSES_SAYING(weir_consumer_commit_offsets(NULL, NULL, 0, &error),
                   "weir_consumer_commit_offsets");
    REFUSES_SAYING(weir_consumer_committed(NULL, "t", 0, &offset, &error),
                   "weir_consumer_committed");
    REFUSES_SAYING(weir_consumer_group_metadata(NULL, NULL, &error),
                   "weir_consumer_group_metadata");
    ck_assert_int_eq(weir_consumer_close(NULL, &error), 0);
}

static void refuse_jobs(void)
{
    struct weir_streams_options options = {WEIR_STREAMS_OPTIONS_INIT, .application_id = "app"};
    struct weir_streams_metrics metrics = {.commits = 7};
    GIVES_NOTHING(weir_streams_start(NULL, NULL, &options, &error), "the log is NULL");
    REFUSES_SAYING(weir_streams_drain(NULL, 0, &error), "weir_streams_drain");
    REFUSES_SAYING(weir_streams_error(NULL, &error), "weir_streams_error");
    ck_assert_int_eq(weir_streams_state(NULL), WEIR_STREAMS_NOT_RUNNING);
    weir_streams_metrics(NULL, &metrics);
    ck_assert_int_eq(metrics.commits, 0);
    weir_streams_metrics(NULL, NULL);
    struct weir_operator_metrics operators[1];
    ck_assert_uint_eq(weir_streams_operator_metrics(NULL, operators, 1), 0);
    ck_assert_uint_eq(weir_streams_operator_metrics(NULL, NULL, 0), 0);
    struct weir_task_metadata tasks[1];
    ck_assert_uint_eq(weir_streams_task_metadata(NULL, tasks, 1), 0);
    ck_assert_str_eq(weir_task_state_name(WEIR_TASK_RESTORING), "restoring");
    ck_assert_int_eq(weir_streams_close(NULL, &error), 0);
}

static void refuse_test_driver(void)
{
    struct weir_streams_metrics metrics = {.commits = 7};
    struct weir_record record = {.timestamp_ms = 0};
    struct weir_slice value;
    GIVES_NOTHING(weir_test_new(NULL, NULL, &error), "weir_test_new");
    REFUSES_SAYING(weir_test_error(NULL, &error), "weir_test_error");
    REFUSES(weir_test_pipe(NULL, "t", 0, WEIR_STRING, NULL, WEIR_STRING, NULL, 0));
    REFUSES(weir_test_pipe_bytes(NULL, "t", 0, &record, true));
    REFUSES(weir_test_run(NULL));
    REFUSES(weir_test_commit(NULL));
    REFUSES(weir_test_advance_ms(NULL, 5));
    REFUSES(weir_test_read(NULL, "t", &record, NULL));
    REFUSES(weir_test_store_get(NULL, "s", value = (struct weir_slice){0}, &value));
    REFUSES(weir_test_store_get_as_of(NULL, "s", value = (struct weir_slice){0}, 5, &value, NULL));
    REFUSES(weir_test_restart(NULL));
    REFUSES(weir_test_crash(NULL, true));
    weir_test_metrics(NULL, &metrics);
    ck_assert_int_eq(metrics.commits, 0);
    weir_test_free(NULL);
}

/* What user functions are given: they hand it on, and may hand on NULL. */
static void refuse_within_functions(void)
{
    const void *value;
    uint8_t bytes[8];
    int64_t number = 0;
    REFUSES(weir_emit(NULL, NULL, NULL));
    REFUSES(weir_process_forward(NULL, NULL, NULL, -1));
    REFUSES(weir_process_schedule(NULL, WEIR_PUNCTUATE_STREAM_TIME, 1, punctuate));
    REFUSES(weir_store_get(NULL, NULL, NULL, &value));
    REFUSES(weir_store_put(NULL, NULL, NULL, NULL));
    REFUSES(weir_store_get_as_of(NULL, NULL, NULL, 5, &value, &number));
    REFUSES(weir_store_put_as_of(NULL, NULL, NULL, NULL, 5, &number));
    REFUSES(weir_store_range(NULL, NULL, NULL, NULL, NULL, NULL));
    REFUSES(weir_store_walk(NULL, NULL, NULL, NULL, WEIR_DESCENDING, NULL, NULL));
    REFUSES(weir_store_prefix(NULL, NULL, weir_text("p"), WEIR_ASCENDING, NULL, NULL));
    REFUSES(weir_window_store_get(NULL, NULL, NULL, 0, &value));
    REFUSES(weir_window_store_put(NULL, NULL, NULL, 0, NULL));
    REFUSES(weir_window_store_fetch(NULL, NULL, NULL, 0, 1, WEIR_ASCENDING, NULL, NULL));
    REFUSES(weir_session_store_put(NULL, NULL, NULL, NULL));
    REFUSES(weir_session_store_find(NULL, NULL, NULL, 0, 1, WEIR_ASCENDING, NULL, NULL));
    ck_assert_int_eq(weir_process_stream_time(NULL), -1);
    ck_assert_ptr_null(weir_process_store(NULL, "s"));
    ck_assert_ptr_null(weir_scope_alloc(NULL, 8));
    ck_assert_ptr_null(weir_scope_new(NULL, 8, WEIR_KIND_OF(int64_t)));
    ck_assert_ptr_null(weir_call_int32(NULL, 1));
    ck_assert_ptr_null(weir_call_int64(NULL, 1));
    ck_assert_ptr_null(weir_call_double(NULL, 1));
    ck_assert_ptr_null(weir_call_slice(NULL, weir_text("x")));
    ck_assert_ptr_null(weir_call_printf(NULL, "x"));
    ck_assert_int_eq(weir_call_fail(NULL, "x"), WEIR_USER_FUNCTION);
    ck_assert_int_eq(weir_call_check_types(NULL, NULL), WEIR_INVALID_ARGUMENT);
    REFUSES_SAYING(weir_serialize(NULL, &number, bytes, sizeof bytes, &error), "weir_serialize");
    REFUSES_SAYING(weir_deserialize(NULL, (struct weir_slice){bytes, 8}, &number, &error),
                   "weir_deserialize");
}

START_TEST(a_handle_that_is_null_is_refused)
{
    refuse_log();
    refuse_clients();
    refuse_jobs();
    refuse_test_driver();
    refuse_within_functions();
    GIVES_NOTHING(weir_build(NULL, &error), "builder is NULL");
    weir_builder_free(NULL);
    weir_topology_free(NULL);
    ck_assert_str_eq(weir_topology_describe(NULL), "");
    ck_assert_str_eq(weir_topology_dump(NULL), "");
}
END_TEST

/* ---- declarations on NULL -------------------------------------------------------------------- */

static void on_filter(void)
{
    (void)weir_filter(NULL, visit, NULL);
}
static void on_filter_not(void)
{
    (void)weir_filter_not(NULL, visit, NULL);
}
static void on_map(void)
{
    (void)weir_map(NULL, NULL, NULL, WEIR_STRING, WEIR_STRING);
}
static void on_map_values(void)
{
    (void)weir_map_values(NULL, NULL, NULL, WEIR_STRING);
}
static void on_select_key(void)
{
    (void)weir_select_key(NULL, NULL, NULL, WEIR_STRING);
}
static void on_flat_map(void)
{
    (void)weir_flat_map(NULL, NULL, NULL, WEIR_STRING, WEIR_STRING);
}
static void on_peek(void)
{
    (void)weir_peek(NULL, visit, NULL);
}
static void on_foreach(void)
{
    weir_foreach(NULL, visit, NULL);
}
static void on_merge(void)
{
    (void)weir_merge(NULL, NULL);
}
static void on_split(void)
{
    (void)weir_split(NULL);
}
static void on_branch(void)
{
    (void)weir_branch(NULL, visit, NULL);
}
static void on_branch_default(void)
{
    (void)weir_branch_default(NULL);
}
static void on_repartition(void)
{
    (void)weir_repartition(NULL, "r", 1);
}
static void on_to(void)
{
    weir_to(NULL, "t");
}
static void on_named(void)
{
    (void)weir_named(NULL, "n");
}
static void on_group_by_key(void)
{
    (void)weir_group_by_key(NULL);
}
static void on_group_by(void)
{
    (void)weir_group_by(NULL, NULL, NULL, WEIR_STRING);
}
static void on_count(void)
{
    (void)weir_count(NULL, NULL);
}
static void on_reduce(void)
{
    (void)weir_reduce(NULL, NULL, NULL, NULL);
}
static void on_aggregate(void)
{
    (void)weir_aggregate(NULL, NULL, NULL, NULL, WEIR_INT64, NULL);
}
static void on_windowed_by(void)
{
    (void)weir_windowed_by(NULL, (struct weir_tumbling){1, 0});
}
static void on_windowed_by_time(void)
{
    (void)weir_windowed_by_time(NULL, NULL);
}
static void on_windowed_by_unlimited(void)
{
    (void)weir_windowed_by_unlimited(NULL, NULL);
}
static void on_windowed_by_session(void)
{
    (void)weir_windowed_by_session(NULL, NULL);
}
static void on_windowed_aggregate_merging(void)
{
    (void)weir_windowed_aggregate_merging(NULL, NULL, NULL, NULL, NULL, WEIR_INT64, NULL);
}
static void on_session_serde(void)
{
    (void)weir_session_serde(NULL, WEIR_STRING);
}
static void on_windowed_by_sliding(void)
{
    (void)weir_windowed_by_sliding(NULL, NULL);
}
static void on_suppress(void)
{
    (void)weir_suppress(NULL, NULL);
}
static void on_windowed_count(void)
{
    (void)weir_windowed_count(NULL, NULL);
}
static void on_windowed_reduce(void)
{
    (void)weir_windowed_reduce(NULL, NULL, NULL, NULL);
}
static void on_windowed_aggregate(void)
{
    (void)weir_windowed_aggregate(NULL, NULL, NULL, NULL, WEIR_INT64, NULL);
}
static void on_to_stream(void)
{
    (void)weir_to_stream(NULL);
}
static void on_join(void)
{
    (void)weir_join(NULL, NULL, NULL, NULL, WEIR_STRING);
}
static void on_join_table(void)
{
    (void)weir_join_table(NULL, NULL, NULL, NULL, WEIR_STRING, NULL);
}
static void on_left_join(void)
{
    (void)weir_left_join(NULL, NULL, NULL, NULL, WEIR_STRING);
}
static void on_cogroup(void)
{
    (void)weir_cogroup(NULL, NULL, NULL);
}
static void on_cogroup_add(void)
{
    (void)weir_cogroup_add(NULL, NULL, NULL, NULL);
}
static void on_cogrouped_aggregate(void)
{
    (void)weir_cogrouped_aggregate(NULL, NULL, NULL, WEIR_INT64, NULL);
}
static void on_cogrouped_windowed_aggregate(void)
{
    (void)weir_cogrouped_windowed_aggregate(NULL, NULL, NULL, NULL, WEIR_INT64, NULL);
}
static void on_cogrouped_windowed_aggregate_merging(void)
{
    (void)weir_cogrouped_windowed_aggregate_merging(NULL, NULL, NULL, NULL, NULL, WEIR_INT64, NULL);
}
static void on_stream_join(void)
{
    (void)weir_stream_join(NULL, NULL, NULL, NULL, WEIR_STRING, NULL);
}
static void on_process(void)
{
    (void)weir_process(NULL, NULL, NULL, NULL);
}
static void on_process_values(void)
{
    (void)weir_process_values(NULL, NULL, NULL);
}
static void on_stream(void)
{
    (void)weir_stream(NULL, "t", WEIR_STRING, WEIR_STRING);
}
static void on_table(void)
{
    (void)weir_table(NULL, "t", WEIR_STRING, WEIR_STRING, NULL);
}
static void on_add_window_store(void)
{
    weir_add_window_store(NULL, "s", WEIR_STRING, WEIR_STRING, NULL);
}
static void on_add_session_store(void)
{
    weir_add_session_store(NULL, "s", WEIR_STRING, WEIR_STRING, NULL);
}
static void on_add_store(void)
{
    weir_add_store(NULL, "s", WEIR_STRING, WEIR_STRING, NULL);
}
static void on_windowed_serde(void)
{
    (void)weir_windowed_serde(NULL, WEIR_STRING, 1);
}

static const struct {
    const char *name;
    void (*declare)(void);
} declarations[] = {
    {"weir_filter", on_filter},
    {"weir_filter_not", on_filter_not},
    {"weir_map", on_map},
    {"weir_map_values", on_map_values},
    {"weir_select_key", on_select_key},
    {"weir_flat_map", on_flat_map},
    {"weir_peek", on_peek},
    {"weir_foreach", on_foreach},
    {"weir_merge", on_merge},
    {"weir_split", on_split},
    {"weir_branch", on_branch},
    {"weir_branch_default", on_branch_default},
    {"weir_repartition", on_repartition},
    {"weir_to", on_to},
    {"weir_named", on_named},
    {"weir_group_by_key", on_group_by_key},
    {"weir_group_by", on_group_by},
    {"weir_count", on_count},
    {"weir_reduce", on_reduce},
    {"weir_aggregate", on_aggregate},
    {"weir_windowed_by", on_windowed_by},
    {"weir_windowed_by_time", on_windowed_by_time},
    {"weir_windowed_by_unlimited", on_windowed_by_unlimited},
    {"weir_windowed_by_session", on_windowed_by_session},
    {"weir_suppress", on_suppress},
    {"weir_windowed_by_sliding", on_windowed_by_sliding},
    {"weir_windowed_aggregate_merging", on_windowed_aggregate_merging},
    {"weir_session_serde", on_session_serde},
    {"weir_windowed_count", on_windowed_count},
    {"weir_windowed_reduce", on_windowed_reduce},
    {"weir_windowed_aggregate", on_windowed_aggregate},
    {"weir_to_stream", on_to_stream},
    {"weir_join", on_join},
    {"weir_join_table", on_join_table},
    {"weir_left_join", on_left_join},
    {"weir_stream_join", on_stream_join},
    {"weir_cogroup", on_cogroup},
    {"weir_cogroup_add", on_cogroup_add},
    {"weir_cogrouped_aggregate", on_cogrouped_aggregate},
    {"weir_cogrouped_windowed_aggregate", on_cogrouped_windowed_aggregate},
    {"weir_cogrouped_windowed_aggregate_merging", on_cogrouped_windowed_aggregate_merging},
    {"weir_process", on_process},
    {"weir_process_values", on_process_values},
    {"weir_stream", on_stream},
    {"weir_table", on_table},
    {"weir_add_store", on_add_store},
    {"weir_add_window_store", on_add_window_store},
    {"weir_add_session_store", on_add_session_store},
    {"weir_windowed_serde", on_windowed_serde},
};
enum { DECLARATIONS = sizeof declarations / sizeof declarations[0] };

/* A declaration on NULL is not dropped in silence: the graph that lacks it is not built, this time and
 * the next; another builder knows nothing of it. */
START_TEST(a_declaration_on_null_fails_the_build)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    weir_to(in, "out");
    declarations[_i].declare();
    for (int again = 0; again < 2; again++) {
        poison();
        ck_assert_msg(weir_build(builder, &error) == NULL, "%s", declarations[_i].name);
        ck_assert_int_eq(error.code, WEIR_INVALID_TOPOLOGY);
        ck_assert_msg(strstr(error.text, "is NULL") != NULL, "%s", error.text);
    }
    weir_builder_free(builder);
    weir_topology_free(count_keys());
}
END_TEST

/* ---- nothing is left out --------------------------------------------------------------------- */

/* Called above by name, in this file's own words; codes, constants and pure functions have no handle
 * and no error. */
static const char *const pure[] = {
    "weir_code_action",       "weir_code_name",          "weir_code_text",
    "weir_partition_for_key", "weir_serde_bytes",        "weir_serde_double",
    "weir_serde_int32",       "weir_serde_int64",        "weir_serde_string",
    "weir_struct_serialize",  "weir_struct_deserialize",
};

static char own_text[1 << 16];

static bool is_covered(const char *symbol)
{
    char called[160];
    for (size_t i = 0; i < sizeof pure / sizeof pure[0]; i++) {
        if (strcmp(pure[i], symbol) == 0) return true;
    }
    (void)snprintf(called, sizeof called, "%s(", symbol);
    return strstr(own_text, called) != NULL;
}

START_TEST(every_exported_call_is_walked)
{
    char symbol[128]; /* as %127s has it */
    FILE *own = fopen(THIS_FILE, "r");
    FILE *symbols = fopen(SYMBOLS, "r");
    ck_assert_ptr_nonnull(own);
    ck_assert_ptr_nonnull(symbols);
    size_t size = fread(own_text, 1, sizeof own_text - 1, own);
    ck_assert_uint_lt(size, sizeof own_text - 1);
    own_text[size] = '\0';
    int count = 0;
    while (fscanf(symbols, "%127s", symbol) == 1) {
        ck_assert_msg(is_covered(symbol), "%s is exported, and this test does not call it", symbol);
        count++;
    }
    ck_assert_int_gt(count, 100);
    (void)fclose(own);
    (void)fclose(symbols);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("calls");
    tcase_add_test(tests, a_call_that_succeeds_leaves_no_text);
    tcase_add_test(tests, a_handle_that_is_null_is_refused);
    tcase_add_loop_test(tests, a_declaration_on_null_fails_the_build, 0, DECLARATIONS);
    tcase_add_test(tests, every_exported_call_is_walked);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("public calls", add);
}
