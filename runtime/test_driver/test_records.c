#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "runtime/state/key_schema.h"
#include "runtime/test_driver/test_driver.h"

/* Records into and out of a tested job, and a look into its stores. */

enum { READ_SIZE_MAX = 1 << 20 };

/* ---- in -------------------------------------------------------------------------------------- */

static int serialize(struct weir_test *test, const char *topic, bool is_key,
                     const struct weir_serde *serde, const void *object,
                     struct weir_slice *bytes_out, struct weir_error *error)
{
    *bytes_out = weir_null();
    if (object == NULL) return 0;
    struct weir_scope scope = {.arena = &test->view};
    struct weir_serde_call call = {
        .topic = topic, .is_key = is_key, .scope = &scope, .error = error};
    if (serde->serialize(serde, &call, &object, 1, bytes_out) == 1) return 0;
    if (weir_arena_failed(&test->view)) {
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for a record");
    }
    return error->code < 0 ? (int)error->code : WEIR_SERDE;
}

int weir_test_pipe_bytes(struct weir_test *test, const char *topic, int32_t partition,
                         const struct weir_record *record, bool run)
{
    int rc = weir_test_check(test);
    if (rc < 0) return rc;
    if (!run) weir_streams_pause(test->streams, true);
    struct weir_error error = {0};
    rc = weir_producer_send(test->producer, topic, partition, record, NULL, &error);
    if (rc >= 0) rc = weir_producer_flush(test->producer, &error);
    if (rc < 0) return weir_test_keep(test, rc, &error);
    return run ? weir_test_run(test) : 0;
}

int weir_test_pipe(struct weir_test *test, const char *topic, int32_t partition,
                   const struct weir_serde *key_serde, const void *key,
                   const struct weir_serde *value_serde, const void *value, int64_t timestamp_ms)
{
    int rc = weir_test_check(test);
    if (rc < 0) return rc;
    weir_arena_reset(&test->view);
    struct weir_error error = {0};
    struct weir_record record = {.timestamp_ms = timestamp_ms};
    rc = serialize(test, topic, true, key_serde, key, &record.key, &error);
    if (rc >= 0) {
        rc = serialize(test, topic, false, value_serde, value, &record.value, &error);
    }
    if (rc < 0) return weir_test_keep(test, rc, &error);
    return weir_test_pipe_bytes(test, topic, partition, &record, true);
}

/* ---- out ------------------------------------------------------------------------------------- */

static struct weir_test_reader *reader_new(struct weir_test *test, const char *topic,
                                           struct weir_error *error)
{
    struct weir_topic_description description;
    if (weir_topic_describe(test->log, topic, &description, error) < 0) return NULL;
    size_t count = (size_t)description.partition_count;
    struct weir_test_reader *reader = weir_alloc_zero(&test->budget, sizeof *reader);
    int64_t *positions = weir_alloc_zero(&test->budget, count * sizeof *positions);
    char *name = weir_alloc_text(&test->budget, topic, strlen(topic));
    if (reader == NULL || positions == NULL || name == NULL) {
        weir_free(reader);
        weir_free(positions);
        weir_free(name);
        (void)weir_error_set(error, WEIR_NO_MEMORY, "no memory to read '%s'", topic);
        return NULL;
    }
    *reader = (struct weir_test_reader){
        .next = test->readers,
        .topic = name,
        .partition_count = description.partition_count,
        .positions = positions,
    };
    test->readers = reader;
    return reader;
}

static struct weir_test_reader *reader_of(struct weir_test *test, const char *topic,
                                          struct weir_error *error)
{
    struct weir_test_reader *reader = test->readers;
    while (reader != NULL && strcmp(reader->topic, topic) != 0) {
        reader = reader->next;
    }
    return reader != NULL ? reader : reader_new(test, topic, error);
}

static void copy_record(struct weir_test *test, const struct weir_record *from,
                        struct weir_record *to)
{
    struct weir_arena *view = &test->view;
    *to = *from;
    to->key = weir_arena_copy(view, from->key);
    to->value = weir_arena_copy(view, from->value);
    struct weir_header *headers = weir_arena_array(view, from->header_count, sizeof *headers);
    for (size_t i = 0; headers != NULL && i < from->header_count; i++) {
        headers[i].key = weir_arena_copy(view, from->headers[i].key);
        headers[i].value = weir_arena_copy(view, from->headers[i].value);
    }
    to->headers = from->header_count > 0 ? headers : NULL;
}

/* The first record from the position on in what a fetch gave: 1, or 0 if there is none. */
static int first_record(struct weir_test *test, struct weir_fetch_request *fetch, int64_t *position,
                        struct weir_record *record_out, struct weir_error *error)
{
    struct weir_input_pool pool;
    struct weir_input_queue queue;
    weir_input_pool_init(&pool, test->log->env->budget);
    weir_input_queue_init(&queue, &pool, *position);
    int rc = weir_input_queue_push_committed(&queue, &fetch->batches, fetch->aborted,
                                             fetch->aborted_count, error);
    const struct weir_record *records = NULL;
    if (rc >= 0) rc = weir_input_queue_peek(&queue, &records, error);
    if (rc > 0) {
        copy_record(test, &records[0], record_out);
        weir_input_queue_advance(&queue, 1);
        rc = weir_arena_failed(&test->view) ? WEIR_NO_MEMORY : 1;
    }
    if (rc >= 0) *position = queue.position;
    weir_input_queue_close(&queue);
    weir_input_pool_close(&pool);
    return rc;
}

static int read_from(struct weir_test *test, struct weir_test_reader *reader, int32_t partition,
                     bool read_committed, struct weir_record *record_out, struct weir_error *error)
{
    struct weir_fetch_request fetch = {
        .from = {weir_text(reader->topic), partition},
        .offset = reader->positions[partition],
        .size_max = READ_SIZE_MAX,
        .deadline = WEIR_MONO_NEVER,
        .read_committed = read_committed,
        .read_uncommitted_end = !read_committed, /* a job at rest need not wait for the disk */
    };
    int rc = weir_request_wait_begin(test->log->env, &fetch.request, error);
    if (rc < 0) return rc;
    weir_log_fetch(test->log, &fetch);
    rc = weir_request_wait(test->log->env, &fetch.request, error);
    if (rc == WEIR_OFFSET_OUT_OF_RANGE && fetch.log_end_offset < fetch.offset) {
        reader->positions[partition] = fetch.log_end_offset; /* power has taken what was read */
        weir_error_clear(error);
        return 0;
    }
    if (rc < 0) return rc;
    rc = first_record(test, &fetch, &reader->positions[partition], record_out, error);
    weir_log_batches_release(&fetch.batches);
    weir_free(fetch.aborted);
    return rc;
}

/* What a crash has undone is passed over; what the job has put out since its last commit can be seen. */
static int read_partition(struct weir_test *test, struct weir_test_reader *reader,
                          int32_t partition, struct weir_record *record_out,
                          struct weir_error *error)
{
    int64_t before;
    int rc;
    do {
        before = reader->positions[partition];
        rc = read_from(test, reader, partition, true, record_out, error);
        if (rc == 0) rc = read_from(test, reader, partition, false, record_out, error);
    } while (rc == 0 && reader->positions[partition] > before);
    return rc;
}

int weir_test_read(struct weir_test *test, const char *topic, struct weir_record *record_out,
                   int32_t *partition_out)
{
    int rc = weir_test_check(test);
    if (rc < 0) return rc;
    weir_arena_reset(&test->view);
    struct weir_error error = {0};
    struct weir_test_reader *reader = reader_of(test, topic, &error);
    if (reader == NULL) return weir_test_keep(test, error.code, &error);
    for (int32_t p = 0; p < reader->partition_count; p++) {
        rc = read_partition(test, reader, p, record_out, &error);
        if (rc < 0) return weir_test_keep(test, rc, &error);
        if (rc == 0) continue;
        if (partition_out != NULL) *partition_out = p;
        return 0;
    }
    return WEIR_END;
}

/* ---- stores ---------------------------------------------------------------------------------- */

static struct weir_task *task_of(struct weir_test *test, int32_t subtopology, int32_t partition)
{
    for (size_t i = 0; i < test->streams->thread_count; i++) {
        const struct weir_stream_thread *thread = test->streams->threads[i];
        for (size_t t = 0; t < thread->task_count; t++) {
            struct weir_task *task = thread->tasks[t].task;
            if (task->options.subtopology == subtopology && task->options.partition == partition) {
                return task;
            }
        }
    }
    return NULL;
}

static struct weir_store *store_of(struct weir_test *test, size_t index, struct weir_slice key)
{
    const struct weir_plan_store *plan = &test->topology->stores[index];
    const struct weir_key_schema *schema = weir_store_spec_schema(&plan->spec);
    struct weir_slice part = key;
    const bool has_tail = schema != &weir_key_schema_versioned; /* which is asked by the record's */
    if (has_tail && weir_key_schema_fits(schema, key)) {
        part = weir_key_schema_record_key(schema, key);
    }
    int32_t count = test->streams->task_counts[plan->subtopology];
    struct weir_task *task = task_of(test, plan->subtopology, weir_partition_of_key(part, count));
    if (task == NULL) return NULL;
    for (size_t i = 0; i < task->plan->store_count; i++) {
        if ((size_t)task->plan->stores[i] == index) return weir_state_store(task->state, i);
    }
    return NULL;
}

/* The store of that name with that key, of a kind that keeps versions or not; NULL and `error`. */
static struct weir_store *find_store(struct weir_test *test, const char *name,
                                     struct weir_slice key, bool is_versioned,
                                     struct weir_error *error)
{
    size_t index = 0;
    while (index < test->topology->store_count &&
           strcmp(test->topology->stores[index].spec.name, name) != 0) {
        index++;
    }
    struct weir_store *found =
        index < test->topology->store_count ? store_of(test, index, key) : NULL;
    if (found == NULL) {
        (void)weir_error_set(error, WEIR_NOT_FOUND, "there is no store '%s'", name);
    } else if ((weir_store_spec(found)->schema == &weir_key_schema_versioned) != is_versioned) {
        (void)weir_error_set(error, WEIR_INVALID_ARGUMENT, "the store '%s' is %sversioned", name,
                             is_versioned ? "not " : "");
        found = NULL;
    }
    return found;
}

static int give_value(struct weir_test *test, struct weir_slice value, struct weir_slice *value_out)
{
    if (weir_slice_is_null(value)) return WEIR_END;
    *value_out = weir_arena_copy(&test->view, value);
    return weir_arena_failed(&test->view) ? weir_test_keep(test, WEIR_NO_MEMORY, NULL) : 0;
}

int weir_test_store_get(struct weir_test *test, const char *store, struct weir_slice key,
                        struct weir_slice *value_out)
{
    int rc = weir_test_check(test);
    if (rc < 0) return rc;
    weir_arena_reset(&test->view);
    struct weir_error error = {0};
    struct weir_store *found = find_store(test, store, key, false, &error);
    if (found == NULL) return weir_test_keep(test, error.code, &error);
    struct weir_slice value;
    int64_t timestamp_ms;
    rc = weir_store_get_many(found, &key, 1, &value, &timestamp_ms, &error);
    if (rc < 0) return weir_test_keep(test, rc, &error);
    if (weir_store_is_row_over(found, timestamp_ms)) return WEIR_END;
    return give_value(test, value, value_out);
}

int weir_test_store_get_as_of(struct weir_test *test, const char *store, struct weir_slice key,
                              int64_t as_of_ms, struct weir_slice *value_out, int64_t *from_ms_out)
{
    int rc = weir_test_check(test);
    if (rc < 0) return rc;
    weir_arena_reset(&test->view);
    struct weir_error error = {0};
    struct weir_store *found = find_store(test, store, key, true, &error);
    if (found == NULL) return weir_test_keep(test, error.code, &error);
    struct weir_version version;
    rc = weir_store_get_version(found, key, as_of_ms, &version, &error);
    if (rc < 0) return weir_test_keep(test, rc, &error);
    if (from_ms_out != NULL) *from_ms_out = version.from_ms;
    return give_value(test, version.value, value_out);
}
