#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/env/sim/sim.h"
#include "broker/log/partition_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/**
 * Any bytes as the indexes of the segments of a small log: every question has the answer that it
 * has without them (L6).
 */
enum { BATCHES = 24, STEP_MS = 10 };

static void append(struct weir_env *env, struct weir_partition_log *log, int64_t timestamp_ms)
{
    struct weir_batch_builder builder;
    struct weir_slice batch;
    struct weir_append_result result;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_record record = {
        .value = weir_text("some value of a record"),
        .timestamp_ms = timestamp_ms,
    };
    weir_batch_builder_init(&builder, env->budget, WEIR_CODEC_NONE, 0);
    weir_assert(weir_batch_builder_add(&builder, &record) == 0);
    weir_assert(weir_batch_builder_finish(&builder, &finish, &batch) == 0);
    struct weir_shared *shared = weir_shared_new(env->budget, batch.size);
    weir_assert(shared != NULL);
    memcpy(shared->data, batch.data, batch.size);
    shared->size = batch.size;
    weir_assert(weir_partition_log_append(
                    log, &(struct weir_append){.batches = shared, .now = {BATCHES * STEP_MS}},
                    &result, NULL) == 0);
    weir_shared_unref(shared);
    weir_batch_builder_close(&builder);
}

static void put(struct weir_env *env, const char *path, const uint8_t *data, size_t size)
{
    struct weir_file *file = NULL;
    struct weir_iovec part = {data, size};
    unsigned flags = WEIR_OPEN_WRITE | WEIR_OPEN_CREATE | WEIR_OPEN_TRUNCATE;
    weir_assert(weir_file_open(env, path, flags, &file, NULL) == 0);
    weir_assert(size == 0 || weir_file_write(file, &part, 1, 0, NULL) == 0);
    weir_file_close(file);
}

static void ask(struct weir_partition_log *log)
{
    for (int64_t at = 0; at < BATCHES; at++) {
        struct weir_log_read read = {.offset = at, .offset_max = INT64_MAX, .size_max = 1};
        int64_t offset;
        int64_t found_ms;
        int rc = weir_log_read_begin(log, &read);
        if (rc == WEIR_END) {
            weir_log_read_run(&read);
            rc = weir_log_read_end(&read);
        }
        weir_assert(rc == 0 && read.batches.part_count == 1);
        weir_assert(weir_load_u64(read.batches.parts[0].bytes->data + read.batches.parts[0].from) ==
                    (uint64_t)at);
        weir_log_read_release(&read);
        weir_assert(weir_partition_log_find_time(log, at * STEP_MS - 1, &offset, &found_ms, NULL) ==
                    0);
        weir_assert(offset == at && found_ms == at * STEP_MS);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_sim *sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
    struct weir_env *env = weir_sim_node(sim, 0);
    struct weir_partition_log *log = NULL;
    struct weir_partition_log_options options = {
        .env = env,
        .budget = env->budget,
        .path = "/p-0",
        .config = weir_topic_config_default(),
        .tail_cache_bytes = 1,
    };
    options.config.segment_bytes = 1400; /* two segments, 15 and 9 batches */
    options.config.index_interval_bytes = 200;
    weir_assert(weir_partition_log_open(&options, &log, NULL, NULL) == 0);
    for (int64_t i = 0; i < BATCHES; i++) {
        append(env, log, i * STEP_MS);
    }
    weir_assert(weir_partition_log_state(log).segment_count > 1);
    weir_assert(weir_partition_log_close(log, NULL) == 0);
    size_t half = size / 2;
    put(env, "/p-0/00000000000000000000.index", data, half);
    put(env, "/p-0/00000000000000000000.timeindex", data + half, size - half);
    weir_assert(weir_partition_log_open(&options, &log, NULL, NULL) == 0);
    ask(log);
    ask(log); /* and once more, with what was rebuilt */
    weir_assert(weir_partition_log_close(log, NULL) == 0);
    weir_sim_free(sim);
    return 0;
}
