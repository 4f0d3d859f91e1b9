#include <string.h>

#include "tests/unit/broker/coordinator/transaction_fixture.h"
#include "wire/record_batch_reader.h"
#include "wire/request/committed_filter.h"

/*
 * A produce request of a transaction that is over, delayed on its way. What becomes of it depends on the version of transactions:
 *
 *   version 1    epoch 0  | begin | ... abort | begin, adds clicks-0 | ... commit |
 *                               └─ late ─────────────────^ of the same epoch: nobody can tell whose it is
 *   version 2    epoch 0  | begin | ... abort | epoch 1  begin, adds clicks-0 | ...
 *                               └─ late ─────────────────^ of epoch 0: refused
 *
 * The first is the hole that version 1 has, here as in Kafka (KIP-890 says why); docs/guide/transactions.md names it.
 */
static struct transactions world;

/* ---- writing and reading ---------------------------------------------------------------------- */

static struct weir_shared *batch_of(const struct producer *producer, int32_t sequence,
                                    const char *value)
{
    struct weir_batch_builder builder;
    struct weir_slice bytes;
    struct weir_env *env = world.engine.env;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_record record = {.value = weir_text(value), .timestamp_ms = weir_wall_now(env).ms};
    finish.producer_id = producer->producer_id;
    finish.producer_epoch = producer->producer_epoch;
    finish.base_sequence = sequence;
    finish.is_transactional = true;
    weir_batch_builder_init(&builder, env->budget, WEIR_CODEC_NONE, 0);
    ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
    ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &bytes), 0);
    struct weir_shared *batch = weir_shared_new(env->budget, bytes.size);
    memcpy(batch->data, bytes.data, bytes.size);
    batch->size = bytes.size;
    weir_batch_builder_close(&builder);
    return batch;
}

/* To clicks-0, as the producer stands here. */
static int send(const struct producer *producer, int32_t sequence, const char *value)
{
    struct weir_broker *broker = world.engine.broker;
    struct weir_produce_request request = {
        .to = {weir_text("clicks"), 0},
        .batches = batch_of(producer, sequence, value),
        .acks = WEIR_ACKS_ALL,
        .walk_records = true,
        .transactional_id = weir_text(producer->id),
        .is_transaction_version_2 = producer->is_version_2,
    };
    ck_assert_int_eq(weir_broker_wait_begin(broker, &request.request, NULL), 0);
    weir_broker_produce(broker, &request);
    int rc = weir_broker_wait(broker, &request.request, &world.engine.error);
    weir_shared_unref(request.batches);
    return rc;
}

/* A letter per record of clicks-0 that who reads committed gets. */
static const char *committed(void)
{
    static char letters[64];
    size_t count = 0;
    struct weir_broker *broker = world.engine.broker;
    struct weir_committed_filter filter;
    struct weir_record record;
    struct weir_fetch_request fetch = {
        .from = {weir_text("clicks"), 0}, .size_max = 1 << 20, .read_committed = true};
    ck_assert_int_eq(weir_broker_wait_begin(broker, &fetch.request, NULL), 0);
    weir_broker_fetch(broker, &fetch);
    ck_ok(weir_broker_wait(broker, &fetch.request, &world.engine.error), &world.engine.error);
    weir_committed_filter_begin(&filter, fetch.aborted, fetch.aborted_count);
    for (size_t part = 0; part < fetch.batches.part_count; part++) {
        struct weir_batch_reader reader = {.rest = weir_log_part_bytes(&fetch.batches.parts[part]),
                                           .is_whole = true};
        while (weir_batch_reader_next(&reader, NULL) == 0) {
            if (weir_committed_filter_admit(&filter, &reader, NULL) != 0) continue;
            ck_ok(weir_batch_reader_open(&reader, NULL), NULL);
            while (weir_batch_reader_record(&reader, &record, NULL) == 0) {
                letters[count++] = (char)record.value.data[0];
            }
        }
    }
    letters[count] = '\0';
    weir_fetch_release(&fetch);
    return letters;
}

/* ---- a producer, and what of it is late -------------------------------------------------------- */

static void open_producer(struct producer *producer, bool is_version_2)
{
    *producer = (struct producer){.id = "copies", .is_version_2 = is_version_2};
    transactions_open_with_markers(&world, 1);
    ck_ok(producer_begin(&world, producer), &world.engine.error);
}

/* In version 2 a produce request adds its partition itself. */
static void add_clicks(const struct producer *producer)
{
    if (!producer->is_version_2) {
        ck_ok(producer_add(&world, producer, "clicks", 0), &world.engine.error);
    }
}

static void finish(struct producer *producer, bool is_commit)
{
    ck_ok(producer_end_patiently(&world, producer, is_commit), &world.engine.error);
    ck_assert(transaction_becomes(&world, producer->id,
                                  is_commit ? WEIR_TRANSACTION_COMPLETE_COMMIT
                                            : WEIR_TRANSACTION_COMPLETE_ABORT));
}

/* The hole: what was sent for an aborted transaction is committed with the next one. */
START_TEST(in_version_1_a_late_produce_is_taken_into_the_next_transaction)
{
    struct producer producer;
    open_producer(&producer, false);
    add_clicks(&producer);
    ck_ok(send(&producer, 0, "a"), &world.engine.error);
    struct producer late = producer; /* has sent b, which is still on its way */
    finish(&producer, false);
    ck_assert_str_eq(committed(), "");
    ck_assert_int_eq(producer.producer_epoch, late.producer_epoch);

    add_clicks(&producer);
    ck_ok(send(&late, 1, "b"), &world.engine.error);
    ck_ok(send(&producer, 2, "c"), &world.engine.error);
    finish(&producer, true);
    ck_assert_str_eq(committed(), "bc");
    transactions_end(&world);
}
END_TEST

/* What keeps the hole small: while the partition is in no transaction the coordinator is asked, and says no. */
START_TEST(in_version_1_a_late_produce_opens_no_transaction)
{
    struct producer producer;
    open_producer(&producer, false);
    add_clicks(&producer);
    ck_ok(send(&producer, 0, "a"), &world.engine.error);
    struct producer late = producer;
    finish(&producer, false);
    ck_code(send(&late, 1, "b"), WEIR_TRANSACTION_ABORTABLE); /* none is open */
    ck_ok(producer_add(&world, &producer, "clicks", 3), &world.engine.error);
    ck_code(send(&late, 1, "b"), WEIR_TRANSACTION_ABORTABLE); /* one without the partition */
    finish(&producer, true);
    ck_assert_str_eq(committed(), "");
    transactions_end(&world);
}
END_TEST

/* In version 2 each transaction has an epoch of its own: before the next one, in it and behind it. */
START_TEST(in_version_2_a_late_produce_is_fenced)
{
    struct producer producer;
    open_producer(&producer, true);
    ck_ok(send(&producer, 0, "a"), &world.engine.error);
    struct producer late = producer;
    finish(&producer, false);
    ck_assert_int_eq(producer.producer_epoch, late.producer_epoch + 1);
    ck_code(send(&late, 1, "b"), WEIR_PRODUCER_FENCED);
    ck_ok(send(&producer, 0, "c"), &world.engine.error);
    ck_code(send(&late, 1, "b"), WEIR_PRODUCER_FENCED);
    finish(&producer, true);
    ck_code(send(&late, 1, "b"), WEIR_PRODUCER_FENCED);
    ck_assert_str_eq(committed(), "c");
    transactions_end(&world);
}
END_TEST

/* Also where nothing of that producer has been before, and so no marker: its coordinator knows the epoch. */
START_TEST(in_version_2_the_first_produce_to_a_partition_is_fenced)
{
    struct producer producer;
    open_producer(&producer, true);
    struct producer late = producer;
    ck_ok(producer_add(&world, &producer, "views", 0), &world.engine.error);
    finish(&producer, true);
    ck_code(send(&late, 0, "b"), WEIR_PRODUCER_FENCED);
    ck_ok(producer_add(&world, &producer, "clicks", 0), &world.engine.error);
    ck_code(send(&late, 0, "b"), WEIR_PRODUCER_FENCED);
    finish(&producer, true);
    ck_assert_str_eq(committed(), "");
    transactions_end(&world);
}
END_TEST

static void add_all(Suite *suite)
{
    TCase *tests = tcase_create("late produce");
    tcase_add_test(tests, in_version_1_a_late_produce_is_taken_into_the_next_transaction);
    tcase_add_test(tests, in_version_1_a_late_produce_opens_no_transaction);
    tcase_add_test(tests, in_version_2_a_late_produce_is_fenced);
    tcase_add_test(tests, in_version_2_the_first_produce_to_a_partition_is_fenced);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("late produce", add_all);
}
