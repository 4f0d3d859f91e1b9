#include "base/buffer.h"
#include "broker/coordinator/txn/txn_record.h"
#include "tests/unit/broker/coordinator/txn/txn_stage.h"
#include "wire/coordinator_record.h"
#include "wire/generated/transaction_log_key.h"
#include "wire/generated/transaction_log_value.h"

/* The records of `__transaction_state`, and what is folded of them. */

static const struct weir_topic_partition three[] = {
    {{(const uint8_t *)"clicks", 6}, 0},
    {{(const uint8_t *)"clicks", 6}, 7},
    {{(const uint8_t *)"views", 5}, 3},
};

static struct weir_txn make(struct stage *stage, const char *id, enum weir_transaction_state state)
{
    struct weir_txn txn = stage_make(stage, state);
    txn.transactional_id = weir_text(id);
    if (txn.partition_count > 0) {
        txn.partitions = three;
        txn.partition_count = 3;
    }
    return txn;
}

static void check_equal(const struct weir_txn *found, const struct weir_txn *expected)
{
    ck_assert_ptr_nonnull(found);
    ck_assert_int_eq(found->state, expected->state);
    ck_assert_int_eq(found->producer_id, expected->producer_id);
    ck_assert_int_eq(found->previous_producer_id, expected->previous_producer_id);
    ck_assert_int_eq(found->next_producer_id, expected->next_producer_id);
    ck_assert_int_eq(found->producer_epoch, expected->producer_epoch);
    ck_assert_int_eq(found->client_version, expected->client_version);
    ck_assert_int_eq(found->timeout_ms, expected->timeout_ms);
    ck_assert_int_eq(found->start_ms, expected->start_ms);
    ck_assert_int_eq(found->update_ms, expected->update_ms);
    ck_assert_uint_eq(found->partition_count, expected->partition_count);
    for (size_t i = 0; i < found->partition_count; i++) {
        ck_assert(weir_slice_equal(found->partitions[i].topic, expected->partitions[i].topic));
        ck_assert_int_eq(found->partitions[i].partition, expected->partitions[i].partition);
    }
}

static int copy_record(void *context, const struct weir_record *record)
{
    return weir_txn_image_apply(context, record, NULL);
}

/* The last record of each id counts, and a copy made of the image's records is the same image. */
START_TEST(the_last_record_of_an_id_counts)
{
    struct stage stage;
    struct weir_txn_image copy;
    stage_init(&stage);
    for (int state = WEIR_TRANSACTION_EMPTY; state <= WEIR_TRANSACTION_COMPLETE_ABORT; state++) {
        struct weir_txn txn = make(&stage, "a", (enum weir_transaction_state)state);
        struct weir_txn other = make(&stage, "b", WEIR_TRANSACTION_PREPARE_COMMIT);
        txn.previous_producer_id = 900 + state;
        if (weir_txn_is_prepared(&txn)) {
            txn.producer_epoch = INT16_MAX;
            txn.next_producer_id = 2000;
        }
        stage_put(&stage, &other);
        stage_put(&stage, &txn);
        check_equal(weir_txn_image_find(&stage.image, weir_text("a")), &txn);
        check_equal(weir_txn_image_find(&stage.image, weir_text("b")), &other);
        weir_txn_image_init(&copy, &stage.budget);
        ck_ok(weir_txn_image_each(&stage.image, copy_record, &copy), NULL);
        check_equal(weir_txn_image_find(&copy, weir_text("a")), &txn);
        check_equal(weir_txn_image_find(&copy, weir_text("b")), &other);
        weir_txn_image_close(&copy);
    }
    ck_assert_ptr_null(weir_txn_image_find(&stage.image, weir_text("c")));
    stage_close(&stage);
}
END_TEST

/* Byte by byte, as Kafka has it: an open transaction of version 2 in clicks-0. */
START_TEST(a_record_has_kafkas_bytes)
{
    static const uint8_t key[] = {0, 0, 0, 6, 'c', 'o', 'p', 'i', 'e', 's'};
    static const uint8_t value[] = {
        0, 1,                                     /* version */
        0, 0, 0,    0,    0,    0,    3,    0xe8, /* producer id 1000 */
        0, 5,                                     /* epoch */
        0, 0, 0xea, 0x60,                         /* timeout 60,000 */
        1,                                        /* Ongoing */
        2, 7, 'c',  'l',  'i',  'c',  'k',  's',  2,    0,    0,
        0, 0, 0,    0,    0,    0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00, /* update 1,700,000,000,000 */
        0, 0, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00,                   /* start */
        1, 2, 2,    0,    2, /* tag 2: client transaction version 2 */
    };
    struct stage stage;
    struct weir_buffer buffer;
    stage_init(&stage);
    weir_buffer_init(&buffer, &stage.budget, 0);
    struct weir_txn txn = stage_make(&stage, WEIR_TRANSACTION_ONGOING);
    ck_ok(weir_txn_key_encode(txn.transactional_id, &buffer), NULL);
    ck_assert_uint_eq(buffer.size, sizeof key);
    ck_assert_mem_eq(weir_buffer_slice(&buffer).data, key, sizeof key);
    weir_buffer_reset(&buffer);
    ck_ok(weir_txn_value_encode(&txn, &stage.arena, &buffer), NULL);
    ck_assert_uint_eq(buffer.size, sizeof value);
    ck_assert_mem_eq(weir_buffer_slice(&buffer).data, value, sizeof value);
    weir_buffer_close(&buffer);
    stage_close(&stage);
}
END_TEST

/* Values of version 0, of brokers before KIP-890. */
START_TEST(an_older_value_is_read)
{
    struct stage stage;
    struct weir_buffer buffer;
    struct weir_transaction_log_value value;
    struct weir_txn txn;
    stage_init(&stage);
    weir_buffer_init(&buffer, &stage.budget, 0);
    weir_transaction_log_value_init(&value);
    value.producer_id = 7;
    value.producer_epoch = 3;
    value.transaction_timeout_ms = 1000;
    value.transaction_status = WEIR_TRANSACTION_COMPLETE_COMMIT;
    value.transaction_start_timestamp_ms = 5;
    ck_ok(weir_coordinator_value_encode(&weir_transaction_log_value_type, &value, 0, &buffer),
          NULL);
    ck_ok(weir_txn_value_decode(weir_text("a"), weir_buffer_slice(&buffer), &stage.arena, &txn,
                                &stage.error),
          &stage.error);
    ck_assert_int_eq(txn.producer_id, 7);
    ck_assert_int_eq(txn.previous_producer_id, -1);
    ck_assert_int_eq(txn.next_producer_id, -1);
    ck_assert_int_eq(txn.client_version, 0);
    weir_buffer_close(&buffer);
    stage_close(&stage);
}
END_TEST

/* A value in which something does not fit together is damage; what is known of the id stays. */
START_TEST(a_value_that_cannot_be_is_refused)
{
    struct stage stage;
    struct weir_buffer key;
    struct weir_buffer buffer;
    stage_init(&stage);
    weir_buffer_init(&key, &stage.budget, 0);
    weir_buffer_init(&buffer, &stage.budget, 0);
    struct weir_txn txn = stage_make(&stage, WEIR_TRANSACTION_ONGOING);
    stage_put(&stage, &txn);
    ck_ok(weir_txn_key_encode(txn.transactional_id, &key), NULL);
    struct weir_transaction_log_value value;
    weir_transaction_log_value_init(&value);
    value.producer_id = 7;
    value.producer_epoch = 3;
    value.transaction_timeout_ms = 1000;
    value.transaction_start_timestamp_ms = 5;
    struct weir_transaction_log_value_partitions_schema row = {
        .topic = weir_text("clicks"), .partition_ids = (int32_t[]){0}, .partition_ids_count = 1};
    switch (_i) {
    case 0:
        value.transaction_status = WEIR_TRANSACTION_DEAD;
        break;
    case 1:
        value.transaction_status = -1;
        break;
    case 2:
        value.producer_id = -1;
        break;
    case 3:
        value.producer_epoch = -1;
        break;
    case 4:
        value.producer_epoch = INT16_MAX;
        break;
    case 5:
        value.transaction_timeout_ms = 0;
        break;
    case 6:
        value.next_producer_id = 9; /* and Empty */
        break;
    case 7:
        value.transaction_partitions = &row; /* and Empty */
        value.transaction_partitions_count = 1;
        break;
    case 8:
        value.transaction_status = WEIR_TRANSACTION_ONGOING;
        value.transaction_start_timestamp_ms = -1;
        break;
    default:
        break;
    }
    ck_ok(weir_coordinator_value_encode(&weir_transaction_log_value_type, &value, 1, &buffer),
          NULL);
    struct weir_record record = {.key = weir_buffer_slice(&key),
                                 .value = weir_buffer_slice(&buffer)};
    int rc = weir_txn_image_apply(&stage.image, &record, &stage.error);
    ck_assert_int_eq(rc, WEIR_CORRUPT);
    ck_told(rc, &stage.error);
    check_equal(stage_txn(&stage), &txn);
    weir_buffer_close(&key);
    weir_buffer_close(&buffer);
    stage_close(&stage);
}
END_TEST

/* Keys of types that this version does not know are skipped, whatever is behind them; a cut key is damage. */
START_TEST(other_records_are_counted)
{
    struct stage stage;
    struct weir_record record = {.key = weir_text("\x00\x09strange"), .value = weir_text("x")};
    stage_init(&stage);
    record.key = weir_slice("\x00\x09strange", 9);
    ck_ok(weir_txn_image_apply(&stage.image, &record, NULL), NULL);
    ck_assert_int_eq(stage.image.records_skipped, 1);
    record.key = weir_slice("\x00", 1);
    ck_code(weir_txn_image_apply(&stage.image, &record, NULL), WEIR_CORRUPT);
    record.key = weir_slice("\x00\x00\x00\x09short", 9);
    ck_code(weir_txn_image_apply(&stage.image, &record, NULL), WEIR_CORRUPT);
    stage_close(&stage);
}
END_TEST

/* Memory that runs out at any place of it: the image is as it was. */
START_TEST(without_memory_the_image_stays)
{
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        struct stage stage;
        struct weir_buffer key;
        struct weir_buffer value;
        stage_init(&stage);
        weir_buffer_init(&key, &stage.budget, 0);
        weir_buffer_init(&value, &stage.budget, 0);
        struct weir_txn before = make(&stage, "a", WEIR_TRANSACTION_EMPTY);
        struct weir_txn after = make(&stage, _i == 0 ? "a" : "b", WEIR_TRANSACTION_ONGOING);
        stage_put(&stage, &before);
        ck_ok(weir_txn_key_encode(after.transactional_id, &key), NULL);
        ck_ok(weir_txn_value_encode(&after, &stage.arena, &value), NULL);
        struct weir_record record = {.key = weir_buffer_slice(&key),
                                     .value = weir_buffer_slice(&value)};
        weir_arena_close(&stage.image.scratch);
        weir_test_failures_arm(&failures, &stage.heap);
        int rc = weir_txn_image_apply(&stage.image, &record, NULL);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : 0);
        if (was_hit || _i == 1) {
            check_equal(weir_txn_image_find(&stage.image, weir_text("a")), &before);
        }
        if (was_hit && _i == 1) {
            ck_assert_ptr_null(weir_txn_image_find(&stage.image, weir_text("b")));
        }
        weir_buffer_close(&key);
        weir_buffer_close(&value);
        stage_close(&stage);
    }
    ck_assert_uint_ge(failures.hits, 2);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("image");
    tcase_add_test(tests, the_last_record_of_an_id_counts);
    tcase_add_test(tests, a_record_has_kafkas_bytes);
    tcase_add_test(tests, an_older_value_is_read);
    tcase_add_loop_test(tests, a_value_that_cannot_be_is_refused, 0, 9);
    tcase_add_test(tests, other_records_are_counted);
    tcase_add_loop_test(tests, without_memory_the_image_stays, 0, 2);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("txn_image", add);
}
