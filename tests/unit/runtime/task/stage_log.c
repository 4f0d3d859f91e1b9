#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "runtime/state/sim/backend_model.h"
#include "tests/unit/client/memory_log.h"
#include "tests/unit/runtime/task/stage.h"

static void open_log(struct stage *stage)
{
    stage->env = weir_sim_node(stage->sim, 0);
    struct weir_log_options options = {WEIR_LOG_OPTIONS_INIT,
                                       .flush_policy_os = stage->flush_policy_os};
    ck_ok(weir_log_open_in(stage->env, "data", &options, &stage->log, &stage->error),
          &stage->error);
}

static void open_sim(struct stage *stage, uint64_t seed, bool flush_policy_os)
{
    *stage = (struct stage){.flush_policy_os = flush_policy_os};
    stage->sim = weir_sim_new(&(struct weir_sim_options){.seed = seed});
    ck_assert_ptr_nonnull(stage->sim);
    open_log(stage);
}

void stage_open(struct stage *stage, uint64_t seed)
{
    open_sim(stage, seed, false);
}

void stage_open_os(struct stage *stage, uint64_t seed)
{
    open_sim(stage, seed, true);
}

void stage_open_memory(struct stage *stage, uint64_t seed)
{
    *stage = (struct stage){0};
    stage->sim = weir_sim_new(&(struct weir_sim_options){.seed = seed});
    ck_assert_ptr_nonnull(stage->sim);
    stage->env = weir_sim_node(stage->sim, 0);
    stage->log = memory_log_open(stage->env, "data");
}

void stage_open_real(struct stage *stage)
{
    char path[WEIR_TEST_PATH_SIZE];
    weir_test_directory(path);
    *stage = (struct stage){0};
    struct weir_log_options options = {WEIR_LOG_OPTIONS_INIT};
    stage->log = weir_open(path, &options, &stage->error);
    ck_assert_msg(stage->log != NULL, "%s", stage->error.text);
    stage->env = stage->log->env;
}

void stage_close(struct stage *stage)
{
    stage_stop(stage);
    ck_ok(weir_close(stage->log, &stage->error), &stage->error);
    if (stage->sim != NULL) weir_sim_free(stage->sim);
    *stage = (struct stage){0};
}

void stage_crash(struct stage *stage, enum weir_sim_crash_kind kind)
{
    weir_sim_crash(stage->sim, 0, kind);
    stage_revive(stage);
}

void stage_revive(struct stage *stage)
{
    stage->streams = NULL; /* its memory went with the node */
    open_log(stage);
}

void stage_topic(struct stage *stage, const char *name, int32_t partitions)
{
    const struct weir_config configs[] = {{"message.timestamp.after.max.ms", "9223372036854775807"},
                                          {"retention.ms", "-1"}};
    ck_ok(weir_topic_create(stage->log, name, partitions, configs, 2, &stage->error),
          &stage->error);
}

void stage_produce_record(struct stage *stage, const char *topic, int32_t partition,
                          const struct weir_record *record)
{
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT};
    struct weir_producer *producer = weir_producer_new(stage->log, &options, &stage->error);
    ck_assert_msg(producer != NULL, "%s", stage->error.text);
    ck_ok(weir_producer_send(producer, topic, partition, record, NULL, &stage->error),
          &stage->error);
    ck_ok(weir_producer_close(producer, &stage->error), &stage->error);
}

void stage_produce(struct stage *stage, const char *topic, int32_t partition, const char *key,
                   const char *value, int64_t timestamp_ms)
{
    const struct weir_record record = {
        .key = weir_text(key), .value = weir_text(value), .timestamp_ms = timestamp_ms};
    stage_produce_record(stage, topic, partition, &record);
}

struct weir_streams *stage_try_start(struct stage *stage, const struct weir_topology *topology,
                                     const struct weir_streams_options *options,
                                     struct weir_error *error)
{
    if (stage->sim == NULL) return weir_streams_start(stage->log, topology, options, error);
    const struct weir_streams_hooks hooks = {
        .backend = &weir_backend_model,
        .commit = stage->commits != NULL ? stage->commits : &weir_commit_transaction,
    };
    return weir_streams_start_in(stage->log, topology, options, &hooks, error);
}

void stage_start(struct stage *stage, const struct weir_topology *topology,
                 const struct weir_streams_options *options)
{
    stage->streams = stage_try_start(stage, topology, options, &stage->error);
    ck_assert_msg(stage->streams != NULL, "%s", stage->error.text);
}

void stage_start_refused(struct stage *stage, const struct weir_topology *topology,
                         const struct weir_streams_options *options, int code, const char *text,
                         struct weir_error *why)
{
    *why = (struct weir_error){0};
    ck_assert_ptr_null(stage_try_start(stage, topology, options, why));
    ck_assert_msg(why->code == code, "%d: %s", why->code, why->text);
    ck_assert_msg(strstr(why->text, text) != NULL, "'%s' is not in: %s", text, why->text);
}

bool stage_start_crashing(struct stage *stage, const struct weir_topology *topology,
                          const struct weir_streams_options *options, uint64_t at, int kind,
                          struct weir_error *why)
{
    weir_sim_disk_count_reset(stage->sim, 0);
    weir_sim_disk_plan(stage->sim, 0,
                       (struct weir_sim_fault_plan){
                           .fault = kind & 1 ? WEIR_SIM_FAULT_CRASH_AFTER : WEIR_SIM_FAULT_CRASH,
                           .at = at,
                           .crash = kind & 2 ? WEIR_SIM_POWER : WEIR_SIM_KILL});
    *why = (struct weir_error){0};
    stage->streams = stage_try_start(stage, topology, options, why);
    bool has_crashed = weir_sim_has_crashed(stage->sim, 0);
    if (has_crashed) {
        stage_revive(stage);
    } else {
        weir_sim_disk_plan(stage->sim, 0,
                           (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_NONE});
    }
    return has_crashed;
}

void stage_stop(struct stage *stage)
{
    if (stage->streams == NULL) return;
    ck_ok(weir_streams_close(stage->streams, &stage->error), &stage->error);
    stage->streams = NULL;
}

void stage_drain(struct stage *stage)
{
    ck_ok(weir_streams_drain(stage->streams, 600000, &stage->error), &stage->error);
}

uint64_t stage_stored(struct stage *stage, int32_t partition, const char *key)
{
    int32_t subtopology = stage->streams->topology->stores[0].subtopology;
    for (size_t i = 0; i < stage->streams->thread_count; i++) {
        const struct weir_stream_thread *thread = stage->streams->threads[i];
        for (size_t t = 0; t < thread->task_count; t++) {
            struct weir_task *task = thread->tasks[t].task;
            if (task->options.subtopology != subtopology || task->options.partition != partition) {
                continue;
            }
            struct weir_slice wanted = weir_text(key);
            struct weir_slice value;
            ck_ok(weir_store_get_many(weir_state_store(task->state, 0), &wanted, 1, &value, NULL,
                                      &stage->error),
                  &stage->error);
            return value.size == 8 ? weir_load_u64(value.data) : !weir_slice_is_null(value);
        }
    }
    ck_abort_msg("no task %d_%d", (int)subtopology, (int)partition);
    return 0;
}

static size_t print_record(const struct weir_record *record, char *to, size_t size)
{
    char value[32];
    if (record->value.size == 8) {
        (void)snprintf(value, sizeof value, "%" PRIu64, weir_load_u64(record->value.data));
    } else {
        (void)snprintf(value, sizeof value, "%.*s", (int)record->value.size, record->value.data);
    }
    return (size_t)snprintf(to, size, "%.*s=%s@%" PRId64 " ", (int)record->key.size,
                            record->key.data, value, record->timestamp_ms);
}

static size_t print_headers(const struct weir_record *record, char *to, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < record->header_count && at < size; i++) {
        const struct weir_header *header = &record->headers[i];
        at += (size_t)snprintf(to + at, size - at, "%.*s:%.*s ", (int)header->key.size,
                               header->key.data, (int)header->value.size, header->value.data);
    }
    return at;
}

/* What is committed, from the beginning: how many records, where they end, and if wanted as text. */
struct reading {
    int64_t count;
    int64_t end;
    bool shows_headers;
    char *to;
    size_t size;
};

static void read_all(struct stage *stage, const char *topic, int32_t partition,
                     struct reading *reading)
{
    struct weir_consumer_options options = {WEIR_CONSUMER_OPTIONS_INIT,
                                            .isolation_level = WEIR_READ_COMMITTED};
    struct weir_consumer *consumer = weir_consumer_new(stage->log, &options, &stage->error);
    ck_assert_msg(consumer != NULL, "%s", stage->error.text);
    ck_ok(weir_consumer_assign(consumer, topic, partition, WEIR_POSITION_BEGINNING, &stage->error),
          &stage->error);
    struct weir_batch_view view;
    size_t at = 0;
    int rc;
    while ((rc = weir_consumer_poll(consumer, 0, &view, &stage->error)) == 0) {
        for (size_t i = 0; i < view.record_count; i++) {
            reading->count++;
            reading->end = view.records[i].offset + 1;
            if (at >= reading->size) continue;
            at += print_record(&view.records[i], reading->to + at, reading->size - at);
            if (at >= reading->size || !reading->shows_headers) continue;
            at += print_headers(&view.records[i], reading->to + at, reading->size - at);
        }
    }
    ck_ok(rc, &stage->error);
    ck_ok(weir_consumer_close(consumer, &stage->error), &stage->error);
}

const char *stage_read(struct stage *stage, const char *topic, int32_t partition, char *to,
                       size_t size)
{
    struct reading reading = {.to = to, .size = size};
    to[0] = '\0';
    read_all(stage, topic, partition, &reading);
    return to;
}

const char *stage_read_headers(struct stage *stage, const char *topic, int32_t partition, char *to,
                               size_t size)
{
    struct reading reading = {.shows_headers = true, .to = to, .size = size};
    to[0] = '\0';
    read_all(stage, topic, partition, &reading);
    return to;
}

int64_t stage_end(struct stage *stage, const char *topic, int32_t partition)
{
    struct reading reading = {0};
    read_all(stage, topic, partition, &reading);
    return reading.end;
}

int64_t stage_count_records(struct stage *stage, const char *topic, int32_t partition)
{
    struct reading reading = {0};
    read_all(stage, topic, partition, &reading);
    return reading.count;
}

int64_t stage_log_end(struct stage *stage, const char *topic, int32_t partition)
{
    int64_t start = -1;
    int64_t end = -1;
    ck_ok(weir_topic_offsets(stage->log, topic, partition, &start, &end, &stage->error),
          &stage->error);
    return end;
}

int64_t stage_committed(struct stage *stage, const char *topic, int32_t partition)
{
    int64_t offset = -1;
    ck_ok(weir_committed(stage->log, "app", topic, partition, &offset, &stage->error),
          &stage->error);
    return offset;
}
