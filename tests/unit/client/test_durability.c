/* What a crash, a full disk and a lack of memory may do to a client's records: in the simulator. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/broker.h"
#include "client/embedded/embedded.h"
#include "tests/unit/client/stage.h"

enum { SEEDS = 60, NUMBERS_MAX = 5000 };

static struct stage stage;
static struct weir_error error;

static size_t read_back(int *numbers, size_t capacity)
{
    struct weir_consumer *consumer = stage_consumer(&stage, NULL);
    ck_ok(weir_consumer_assign(consumer, "t", 0, WEIR_POSITION_BEGINNING, &error), &error);
    size_t count = stage_read_all(&stage, consumer, numbers, capacity);
    ck_ok(weir_consumer_close(consumer, &error), &error);
    return count;
}

/* Power is lost after a flush, with more records under way. What was flushed is all there, in
 * order; of the rest some may be, each once and in order; and the log goes on. */
START_TEST(what_was_flushed_survives_a_power_loss)
{
    uint64_t seed = (uint64_t)_i;
    struct weir_test_random random = {seed};
    stage_open(&stage, STAGE_SIM, seed);
    ck_ok(weir_topic_create(stage.log, "t", 1, NULL, 0, &error), &error);
    struct weir_producer *producer =
        stage_producer(&stage, (struct weir_producer_options){.batch_size = 1024});
    int flushed = 0;
    int sent = 0;
    int rounds = 1 + (int)weir_test_random_below(&random, 4);
    for (int round = 0; round < rounds; round++) {
        int count = (int)weir_test_random_below(&random, 400);
        for (int i = 0; i < count; i++) {
            stage_send(&stage, producer, "t", 0, sent++);
        }
        if (weir_test_random_below(&random, 3) == 0) continue;
        ck_ok(weir_producer_flush(producer, &error), &error);
        flushed = sent;
    }
    for (int i = 0; i < 300; i++) {
        stage_send(&stage, producer, "t", 0, sent++);
    }
    (void)weir_producer_poll(producer);
    int64_t limit_ns = (int64_t)weir_test_random_below(&random, 4000000);
    (void)weir_sim_run(stage.sim, NULL, NULL, limit_ns);
    stage_crash(&stage, seed % 2 == 0 ? WEIR_SIM_POWER : WEIR_SIM_KILL);

    static int numbers[NUMBERS_MAX];
    size_t count = read_back(numbers, NUMBERS_MAX);
    ck_assert_uint_ge(count, (size_t)flushed);
    ck_assert_uint_le(count, (size_t)sent);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(numbers[i], (int)i);
    }

    ck_ok(weir_produce(stage.log, "t", weir_null(), weir_text("77"), &error), &error);
    ck_assert_uint_eq(read_back(numbers, NUMBERS_MAX), count + 1);
    ck_assert_int_eq(numbers[count], 77);
    stage_close(&stage);
}
END_TEST

struct tally {
    int delivered[NUMBERS_MAX];
    int stored;
};

static void on_delivery(void *context, const struct weir_delivery *delivery)
{
    struct tally *tally = context;
    tally->delivered[(uintptr_t)delivery->record_context]++;
    if (delivery->rc == 0) tally->stored++;
}

/* The disk is full for a while: what was sent meanwhile is retried, and stored once, in order. */
START_TEST(a_full_disk_is_waited_for)
{
    static struct tally tally;
    tally = (struct tally){0};
    stage_open(&stage, STAGE_SIM, (uint64_t)_i);
    ck_ok(weir_topic_create(stage.log, "t", 1, NULL, 0, &error), &error);
    struct weir_producer *producer = stage_producer(
        &stage, (struct weir_producer_options){
                    .batch_size = 1024, .on_delivery = on_delivery, .context = &tally});
    int sent = 0;
    for (; sent < 1000; sent++) {
        char text[16];
        int size = snprintf(text, sizeof text, "%d", sent);
        struct weir_record record = {.value = weir_slice(text, (size_t)size), .timestamp_ms = -1};
        ck_ok(weir_producer_send(producer, "t", 0, &record, (void *)(uintptr_t)sent, &error),
              &error);
        if (sent == 100 + _i) weir_sim_disk_limit(stage.sim, 0, 1);
        if (sent % 100 == 0) weir_sim_advance_ms(stage.sim, 50);
        if (sent % 50 == 0) (void)weir_producer_poll(producer);
        if (sent == 700) weir_sim_disk_limit(stage.sim, 0, 0);
    }
    ck_ok(weir_producer_flush(producer, &error), &error);
    ck_assert_int_eq(tally.stored, sent);
    for (int i = 0; i < sent; i++) {
        ck_assert_int_eq(tally.delivered[i], 1);
    }
    ck_ok(weir_producer_close(producer, &error), &error);
    static int numbers[NUMBERS_MAX];
    ck_assert_uint_eq(read_back(numbers, NUMBERS_MAX), (size_t)sent);
    for (int i = 0; i < sent; i++) {
        ck_assert_int_eq(numbers[i], i);
    }
    stage_close(&stage);
}
END_TEST

static void assert_partition(int32_t partition, int first, int step, int end)
{
    static int numbers[NUMBERS_MAX];
    struct weir_consumer *consumer = stage_consumer(&stage, NULL);
    ck_ok(weir_consumer_assign(consumer, "t", partition, WEIR_POSITION_BEGINNING, &error), &error);
    size_t count = stage_read_all(&stage, consumer, numbers, NUMBERS_MAX);
    ck_assert_uint_eq(count, (size_t)((end - first + step - 1) / step));
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(numbers[i], first + (int)i * step);
    }
    ck_ok(weir_consumer_close(consumer, &error), &error);
}

/* Five partitions are written while others of them are being flushed, in changing order: each keeps
 * its records, in order, before and after a power loss. */
START_TEST(partitions_flushed_together_keep_their_own)
{
    enum { PARTITIONS = 5, RECORDS = 2000 };
    struct weir_test_random random = {(uint64_t)_i};
    stage_open(&stage, STAGE_SIM, (uint64_t)_i);
    ck_ok(weir_topic_create(stage.log, "t", PARTITIONS, NULL, 0, &error), &error);
    struct weir_producer *producer =
        stage_producer(&stage, (struct weir_producer_options){.batch_size = 1024});
    int next[PARTITIONS];
    for (int i = 0; i < PARTITIONS; i++) {
        next[i] = i;
    }
    for (int sent = 0; sent < RECORDS; sent++) {
        int partition = (int)weir_test_random_below(&random, PARTITIONS);
        stage_send(&stage, producer, "t", partition, next[partition]);
        next[partition] += PARTITIONS;
        if (sent % 7 == 0) (void)weir_producer_poll(producer);
        int64_t pause_ns = (int64_t)weir_test_random_below(&random, 200000);
        if (sent % 11 == 0) (void)weir_sim_run(stage.sim, NULL, NULL, pause_ns);
    }
    ck_ok(weir_producer_close(producer, &error), &error);
    for (int i = 0; i < PARTITIONS; i++) {
        assert_partition(i, i, PARTITIONS, next[i]);
    }
    stage_crash(&stage, WEIR_SIM_POWER);
    for (int i = 0; i < PARTITIONS; i++) {
        assert_partition(i, i, PARTITIONS, next[i]);
    }
    stage_close(&stage);
}
END_TEST

/* Produce, read and commit with whatever fails; all that was opened is closed. */
static void try_everything(struct weir_log *log)
{
    struct weir_producer *producer = weir_producer_new(log, NULL, NULL);
    for (int i = 0; i < 20 && producer != NULL; i++) {
        struct weir_record record = {.value = weir_text("1"), .timestamp_ms = -1};
        (void)weir_producer_send(producer, "t", i % 2, &record, NULL, NULL);
    }
    (void)weir_producer_flush(producer, NULL);
    struct weir_consumer_options options = {WEIR_CONSUMER_OPTIONS_INIT};
    options.group = "g";
    struct weir_consumer *consumer = weir_consumer_new(log, &options, NULL);
    if (consumer != NULL) {
        struct weir_batch_view batch;
        (void)weir_consumer_assign_topic(consumer, "t", WEIR_POSITION_COMMITTED, NULL);
        for (int i = 0; i < 5; i++) {
            (void)weir_consumer_poll(consumer, 0, &batch, NULL);
        }
        (void)weir_consumer_commit(consumer, NULL);
    }
    (void)weir_consumer_close(consumer, NULL);
    (void)weir_producer_close(producer, NULL);
    ck_assert_int_eq(log->producer_count, 0);
    ck_assert_int_eq(log->consumer_count, 0);
}

/* The Nth allocation of the whole node fails, for each N of a short scenario: an error or none, no
 * crash, nothing of the client's left behind, and the log can be closed. */
START_TEST(every_allocation_may_fail)
{
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        stage_open(&stage, STAGE_SIM, 3);
        ck_ok(weir_topic_create(stage.log, "t", 2, NULL, 0, &error), &error);
        struct weir_env *env = stage.log->env;
        weir_test_failures_arm(&failures, env->heap);
        try_everything(stage.log);
        (void)weir_test_failures_disarm(&failures);
        (void)weir_close(stage.log, NULL);
        ck_assert_msg(env->budget->used == 0, "allocation %llu: %zu bytes are left",
                      (unsigned long long)failures.round, (size_t)env->budget->used);
        weir_sim_free(stage.sim);
        stage = (struct stage){0};
    }
    ck_assert_uint_gt(failures.hits, 50);
}
END_TEST

/* A bit flips in a batch that was stored: the read names topic, partition and place; nothing of the
 * batch is given, what lies before it is. */
START_TEST(damage_is_named)
{
    stage_open(&stage, STAGE_SIM, 4);
    struct weir_producer *producer = stage_producer(&stage, (struct weir_producer_options){0});
    for (int i = 0; i < 20; i++) {
        stage_send(&stage, producer, "t", 0, i);
        if (i % 10 == 9) ck_ok(weir_producer_flush(producer, &error), &error);
    }
    ck_ok(weir_producer_close(producer, &error), &error);
    stage_reopen(&stage); /* what is in memory is not what is on the disk */
    struct weir_env *env = stage.log->env;
    struct weir_file_stat stat;
    const char *path = "/data/log/t-0/00000000000000000000.log";
    ck_ok(weir_stat(env, path, &stat, &error), &error);
    ck_ok(weir_sim_disk_flip(stage.sim, 0, path, stat.size - 3, 2), NULL);
    struct weir_consumer *consumer = stage_consumer(&stage, NULL);
    ck_ok(weir_consumer_assign(consumer, "t", 0, 0, &error), &error);
    struct weir_batch_view batch;
    ck_ok(weir_consumer_poll(consumer, 0, &batch, &error), &error);
    ck_assert_uint_eq(batch.record_count, 10);
    ck_code(weir_consumer_poll(consumer, 0, &batch, &error), WEIR_CORRUPT);
    ck_assert_msg(strstr(error.text, "'t' partition 0") != NULL, "%s", error.text);
    ck_assert_msg(strstr(error.text, "10") != NULL, "%s", error.text);
    ck_assert_int_lt(weir_consumer_poll(consumer, 0, &batch, &error), 0); /* and stays */
    ck_ok(weir_consumer_close(consumer, &error), &error);
    (void)weir_close(stage.log, NULL);
    weir_sim_free(stage.sim);
}
END_TEST

static struct weir_partition_log_state describe(void)
{
    struct weir_partition_state_request request = {.of = {weir_text("t"), 0}};
    ck_ok(weir_request_wait_begin(stage.log->env, &request.request, &error), &error);
    weir_broker_partition_state(weir_embedded_broker(stage.log->embedded), &request);
    ck_ok(weir_request_wait(stage.log->env, &request.request, &error), &error);
    return request.state;
}

static bool has_damage_file(void)
{
    struct weir_file_stat stat;
    int rc = weir_stat(stage.log->env, "/data/log/t-0/damage", &stat, NULL);
    ck_assert(rc == 0 || rc == WEIR_NOT_FOUND);
    return rc == 0;
}

/* Two batches of ten records in "t". */
static void produce_two_batches(void)
{
    struct weir_producer *producer = stage_producer(&stage, (struct weir_producer_options){0});
    for (int i = 0; i < 20; i++) {
        stage_send(&stage, producer, "t", 0, i);
        if (i % 10 == 9) ck_ok(weir_producer_flush(producer, &error), &error);
    }
    ck_ok(weir_producer_close(producer, &error), &error);
}

static struct weir_consumer *consumer_from(int64_t offset)
{
    struct weir_consumer *consumer = stage_consumer(&stage, NULL);
    ck_ok(weir_consumer_assign(consumer, "t", 0, offset, &error), &error);
    return consumer;
}

static int offline_lines;
static void count_offline_lines(void *context, enum weir_log_level level, const char *line,
                                size_t size)
{
    (void)context;
    (void)level;
    (void)size;
    offline_lines += strstr(line, "partition.offline topic=t partition=0 from_offset=10") != NULL;
}

/* A reader meets a wrong crc in what is stored below the mark: the partition is offline from there, says
 * so once, and still knows it after a clean stop. */
START_TEST(damage_that_a_reader_finds_is_remembered)
{
    struct weir_batch_view batch;
    stage.options.log = count_offline_lines;
    stage_open(&stage, STAGE_SIM, 5);
    produce_two_batches();
    stage_reopen(&stage); /* the damage lies below a mark, and nothing of the tail is in memory */
    const char *path = "/data/log/t-0/00000000000000000000.log";
    struct weir_file_stat stat;
    ck_ok(weir_stat(stage.log->env, path, &stat, &error), &error);
    ck_ok(weir_sim_disk_flip(stage.sim, 0, path, stat.size - 3, 2), NULL);
    struct weir_consumer *consumer = consumer_from(10);
    ck_code(weir_consumer_poll(consumer, 0, &batch, &error), WEIR_CORRUPT);
    ck_assert_msg(strstr(error.text, "'t' partition 0") != NULL, "%s", error.text);
    ck_assert_msg(strstr(error.text, "offset 10") != NULL, "%s", error.text);
    ck_assert_msg(strstr(error.text, "'weir log repair /data t/0'") != NULL, "%s", error.text);
    ck_assert_int_eq(describe().offline_from, 10);
    ck_assert(has_damage_file());
    ck_code(weir_consumer_poll(consumer, 0, &batch, &error), WEIR_OFFLINE);
    ck_ok(weir_consumer_close(consumer, &error), &error);
    stage_reopen(&stage);
    ck_assert(has_damage_file());
    consumer = consumer_from(0);
    ck_ok(weir_consumer_poll(consumer, 0, &batch, &error), &error);
    ck_assert_uint_eq(batch.record_count, 10);
    ck_code(weir_consumer_poll(consumer, 0, &batch, &error), WEIR_OFFLINE);
    ck_assert_int_eq(describe().offline_from, 10);
    ck_ok(weir_consumer_close(consumer, &error), &error);
    ck_assert_int_eq(offline_lines, 2); /* once in each life */
    stage_close(&stage);
}
END_TEST

/* The disk is asked, not the reader: what was wrong in memory only is forgotten, and read anew. */
START_TEST(a_bit_in_memory_is_no_damage_on_the_disk)
{
    struct weir_batch_view batch;
    stage_open(&stage, STAGE_SIM, 6);
    produce_two_batches();
    struct weir_consumer *consumer = consumer_from(0);
    ck_ok(weir_consumer_poll(consumer, 0, &batch, &error), &error);
    ck_assert_uint_eq(batch.record_count, 20);
    uint8_t *cached = (uint8_t *)(uintptr_t)batch.records[10].value.data; /* the log's own memory */
    *cached ^= 1;
    ck_ok(weir_consumer_close(consumer, &error), &error);

    consumer = consumer_from(10);
    ck_code(weir_consumer_poll(consumer, 0, &batch, &error), WEIR_CORRUPT);
    ck_assert_ptr_null(strstr(error.text, "repair"));
    ck_assert_int_eq(describe().offline_from, -1);
    ck_assert(!has_damage_file());
    ck_ok(weir_consumer_poll(consumer, 0, &batch, &error), &error);
    ck_assert_uint_eq(batch.record_count, 10);
    ck_assert_int_eq(stage_number(&batch.records[0]), 10);
    ck_ok(weir_consumer_close(consumer, &error), &error);
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("durability");
    tcase_add_loop_test(tests, what_was_flushed_survives_a_power_loss, 0, SEEDS);
    tcase_add_loop_test(tests, a_full_disk_is_waited_for, 0, 20);
    tcase_add_loop_test(tests, partitions_flushed_together_keep_their_own, 0, SEEDS / 2);
    tcase_add_test(tests, every_allocation_may_fail);
    tcase_add_test(tests, damage_is_named);
    tcase_add_test(tests, damage_that_a_reader_finds_is_remembered);
    tcase_add_test(tests, a_bit_in_memory_is_no_damage_on_the_disk);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("client_durability", add);
}
