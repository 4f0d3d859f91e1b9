#include "tests/unit/client/stage.h"

#include <stdio.h>
#include <stdlib.h>

static void open_log(struct stage *stage)
{
    if (stage->sim != NULL) {
        ck_ok(weir_log_open_in(weir_sim_node(stage->sim, 0), stage->directory, &stage->options,
                               &stage->log, &stage->error),
              &stage->error);
        return;
    }
    stage->log = weir_open(stage->directory, &stage->options, &stage->error);
    ck_assert_msg(stage->log != NULL, "%s", stage->error.text);
}

void stage_open(struct stage *stage, int kind, uint64_t seed)
{
    struct weir_log_options options = {WEIR_LOG_OPTIONS_INIT};
    options.num_partitions = stage->options.num_partitions;
    options.shard_count = stage->options.shard_count;
    options.log = stage->options.log;
    stage->options = options;
    if (kind == STAGE_SIM) {
        stage->sim = weir_sim_new(&(struct weir_sim_options){
            .seed = seed, .logger = {.write = options.log, .level = WEIR_LOG_WARN}});
        snprintf(stage->directory, sizeof stage->directory, "/data");
    } else {
        char directory[WEIR_TEST_PATH_SIZE];
        weir_test_directory(directory);
        snprintf(stage->directory, sizeof stage->directory, "%s/data", directory);
    }
    open_log(stage);
}

void stage_close(struct stage *stage)
{
    ck_ok(weir_close(stage->log, &stage->error), &stage->error);
    weir_sim_free(stage->sim);
    *stage = (struct stage){0};
}

void stage_reopen(struct stage *stage)
{
    ck_ok(weir_close(stage->log, &stage->error), &stage->error);
    open_log(stage);
}

void stage_crash(struct stage *stage, enum weir_sim_crash_kind kind)
{
    weir_sim_crash(stage->sim, 0, kind);
    open_log(stage);
}

struct weir_producer *stage_producer(struct stage *stage, struct weir_producer_options options)
{
    options.size = sizeof options;
    struct weir_producer *producer = weir_producer_new(stage->log, &options, &stage->error);
    ck_assert_msg(producer != NULL, "%s", stage->error.text);
    return producer;
}

struct weir_consumer *stage_consumer(struct stage *stage, const char *group)
{
    struct weir_consumer_options options = {WEIR_CONSUMER_OPTIONS_INIT};
    options.group = group;
    struct weir_consumer *consumer = weir_consumer_new(stage->log, &options, &stage->error);
    ck_assert_msg(consumer != NULL, "%s", stage->error.text);
    return consumer;
}

void stage_send(struct stage *stage, struct weir_producer *producer, const char *topic,
                int32_t partition, int number)
{
    char text[16];
    int size = snprintf(text, sizeof text, "%d", number);
    struct weir_record record = {.value = weir_slice(text, (size_t)size), .timestamp_ms = -1};
    ck_ok(weir_producer_send(producer, topic, partition, &record, NULL, &stage->error),
          &stage->error);
}

int stage_number(const struct weir_record *record)
{
    char text[16] = {0};
    ck_assert_uint_lt(record->value.size, sizeof text);
    memcpy(text, record->value.data, record->value.size);
    return atoi(text);
}

size_t stage_read_all(struct stage *stage, struct weir_consumer *consumer, int *numbers,
                      size_t capacity)
{
    size_t count = 0;
    for (;;) {
        struct weir_batch_view batch;
        int rc = weir_consumer_poll(consumer, 0, &batch, &stage->error);
        if (rc == WEIR_END) return count;
        ck_ok(rc, &stage->error);
        ck_assert_uint_gt(batch.record_count, 0);
        for (size_t i = 0; i < batch.record_count; i++) {
            ck_assert_uint_lt(count, capacity);
            numbers[count++] = stage_number(&batch.records[i]);
        }
    }
}
