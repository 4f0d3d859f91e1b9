/* A transactional producer on a log that is not the engine: what it asks of it, and what it makes of the answers. */
#include <stdio.h>
#include <string.h>

#include "base/env/sim/sim.h"
#include "tests/support/support.h"
#include "tests/unit/client/memory_log.h"
#include "weir/log.h"
#include "wire/record_batch_reader.h"

static struct weir_sim *sim;
static struct weir_env *env;
static struct weir_log *weirlog;
static struct weir_error error;
static int stored;
static int aborted; /* deliveries that say so */
static int failed;  /* other ones */

static void set_up(void)
{
    sim = weir_sim_new(&(struct weir_sim_options){.seed = 3});
    env = weir_sim_node(sim, 0);
    weirlog = memory_log_open(env, "data");
    ck_ok(weir_topic_create(weirlog, "t", 2, NULL, 0, &error), &error);
    stored = aborted = failed = 0;
}

static void tear_down(void)
{
    ck_ok(weir_close(weirlog, &error), &error);
    ck_assert_uint_eq(env->budget->used, 0);
    weir_sim_free(sim);
}

static void fail_with(enum memory_kind kind, int rc, int times)
{
    memory_log_faults(weirlog)->rc[kind] = rc;
    memory_log_faults(weirlog)->left[kind] = times;
}

static void on_delivery(void *context, const struct weir_delivery *delivery)
{
    (void)context;
    if (delivery->rc == 0) {
        stored++;
    } else if (delivery->rc == WEIR_TRANSACTION_ABORTABLE) {
        aborted++;
    } else {
        failed++;
    }
}

static struct weir_producer *producer_new(void)
{
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT};
    options.transactional_id = "copier";
    options.on_delivery = on_delivery;
    struct weir_producer *producer = weir_producer_new(weirlog, &options, &error);
    ck_assert_msg(producer != NULL, "%s", error.text);
    ck_assert_int_eq(weir_producer_status(producer), WEIR_PRODUCER_IDLE);
    return producer;
}

static int send(struct weir_producer *producer, int32_t partition)
{
    const struct weir_record record = {.value = weir_text("v"), .timestamp_ms = 1};
    return weir_producer_send(producer, "t", partition, &record, NULL, &error);
}

static void begin(struct weir_producer *producer)
{
    ck_ok(weir_producer_begin(producer, &error), &error);
    ck_assert_int_eq(weir_producer_status(producer), WEIR_PRODUCER_IN_TRANSACTION);
}

static int send_offset(struct weir_producer *producer, int64_t offset)
{
    const struct weir_offset_to_commit to_commit = {"t", 0, offset, NULL};
    const struct weir_group_metadata group = {.group = "g"};
    return weir_producer_send_offsets(producer, &to_commit, 1, &group, &error);
}

static int64_t committed(void)
{
    int64_t offset = -2;
    ck_ok(weir_committed(weirlog, "g", "t", 0, &offset, &error), &error);
    return offset;
}

/* Epoch and sequence of each batch of a partition, as text: "2:0 2:1 3:0". */
static void expect_batches(int32_t partition, const char *expected)
{
    char text[128] = "";
    struct weir_fetch_request fetch = {
        .from = {weir_text("t"), partition}, .size_max = 1 << 20, .deadline = {0}};
    ck_ok(weir_request_wait_begin(env, &fetch.request, &error), &error);
    weir_log_fetch(weirlog, &fetch);
    ck_ok(weir_request_wait(env, &fetch.request, &error), &error);
    for (size_t i = 0; i < fetch.batches.part_count; i++) {
        struct weir_batch_header header;
        struct weir_slice bytes = weir_log_part_bytes(&fetch.batches.parts[i]);
        size_t used = strlen(text);
        ck_assert_int_eq(weir_batch_peek(bytes, 0, &header, NULL), 0);
        ck_assert(weir_batch_is_transactional(&header));
        (void)snprintf(text + used, sizeof text - used, "%s%d:%d", used > 0 ? " " : "",
                       header.producer_epoch, (int)header.base_sequence);
    }
    weir_log_batches_release(&fetch.batches);
    ck_assert_str_eq(text, expected);
}

/* What is sent within a transaction is stored, and its offsets move, when it is committed. Each has an epoch of its own, and
 * sequences begin anew with it in each partition. */
START_TEST(a_transaction_is_committed)
{
    struct weir_producer *producer = producer_new();
    for (int i = 0; i < 3; i++) {
        begin(producer);
        ck_ok(send(producer, 0), &error);
        ck_ok(weir_producer_flush(producer, &error), &error);
        ck_ok(send(producer, 0), &error);
        if (i != 1) ck_ok(send(producer, 1), &error);
        ck_ok(send_offset(producer, 10 + i), &error);
        ck_assert_int_eq(committed(), i == 0 ? -1 : 9 + i);
        ck_ok(weir_producer_commit(producer, &error), &error);
        ck_assert_int_eq(weir_producer_status(producer), WEIR_PRODUCER_IDLE);
        ck_assert_int_eq(committed(), 10 + i);
    }
    ck_assert_int_eq(stored, 8);
    ck_assert_int_eq(memory_log_ended(weirlog, true), 3);
    expect_batches(0, "0:0 0:1 1:0 1:1 2:0 2:1");
    expect_batches(1, "0:0 2:0");
    ck_ok(weir_producer_close(producer, &error), &error);
    ck_assert_int_eq(memory_log_ended(weirlog, false), 0);
}
END_TEST

/* Of what is aborted nothing more is sent, its offsets stay, and the producer goes on. */
START_TEST(a_transaction_is_aborted)
{
    struct weir_producer *producer = producer_new();
    begin(producer);
    ck_ok(send(producer, 0), &error);
    ck_ok(weir_producer_flush(producer, &error), &error);
    ck_ok(send(producer, 0), &error);
    ck_ok(send(producer, 1), &error);
    ck_ok(send_offset(producer, 10), &error);
    ck_ok(weir_producer_abort(producer, &error), &error);
    ck_assert_int_eq(committed(), -1);
    ck_assert_int_eq(stored, 1);
    ck_assert_int_eq(aborted, 2);
    ck_assert_int_eq(memory_log_ended(weirlog, false), 1);
    begin(producer);
    ck_ok(send(producer, 1), &error);
    ck_ok(weir_producer_commit(producer, &error), &error);
    expect_batches(0, "0:0");
    expect_batches(1, "1:0");
    ck_ok(weir_producer_close(producer, &error), &error);
}
END_TEST

/* One in which nothing was sent costs no request. */
START_TEST(an_empty_transaction_is_nobodys_business)
{
    struct weir_producer *producer = producer_new();
    begin(producer);
    ck_ok(weir_producer_commit(producer, &error), &error);
    begin(producer);
    ck_ok(weir_producer_abort(producer, &error), &error);
    ck_assert_int_eq(memory_log_answered(weirlog, MEMORY_END), 0);
    ck_ok(weir_producer_close(producer, &error), &error);
}
END_TEST

/* A record that is not stored, or offsets that are refused, break the transaction: it can only be aborted, and says why. */
START_TEST(what_fails_breaks_the_transaction)
{
    struct weir_producer *producer = producer_new();
    begin(producer);
    if (_i == 0) {
        fail_with(MEMORY_PRODUCE, WEIR_TOO_LARGE, 1);
        ck_ok(send(producer, 0), &error);
        ck_assert_int_eq(weir_producer_flush(producer, &error), WEIR_TOO_LARGE);
    } else {
        fail_with(MEMORY_COMMIT, WEIR_ILLEGAL_GENERATION, 1);
        ck_assert_int_eq(send_offset(producer, 3), WEIR_ILLEGAL_GENERATION);
    }
    ck_assert_int_eq(weir_producer_status(producer), WEIR_PRODUCER_MUST_ABORT);
    ck_assert_int_eq(send(producer, 1), WEIR_TRANSACTION_ABORTABLE);
    ck_assert_int_eq(send_offset(producer, 4), WEIR_TRANSACTION_ABORTABLE);
    ck_assert_int_eq(weir_producer_begin(producer, &error), WEIR_TRANSACTION_ABORTABLE);
    ck_assert_int_eq(weir_producer_commit(producer, &error), WEIR_TRANSACTION_ABORTABLE);
    ck_assert_ptr_nonnull(strstr(error.text, _i == 0 ? "too large" : "generation"));
    ck_ok(weir_producer_abort(producer, &error), &error);
    ck_assert_int_eq(failed, _i == 0);
    begin(producer);
    ck_ok(send(producer, 0), &error);
    ck_ok(weir_producer_commit(producer, &error), &error);
    ck_assert_int_eq(committed(), -1);
    ck_ok(weir_producer_close(producer, &error), &error);
}
END_TEST

/* A failure that a commit's own flush meets is told by the commit. */
START_TEST(a_commit_tells_what_its_records_met)
{
    struct weir_producer *producer = producer_new();
    begin(producer);
    ck_ok(send(producer, 0), &error);
    fail_with(MEMORY_PRODUCE, WEIR_TOO_LARGE, 1);
    ck_assert_int_eq(weir_producer_commit(producer, &error), WEIR_TRANSACTION_ABORTABLE);
    ck_assert_ptr_nonnull(strstr(error.text, "weir_producer_abort"));
    ck_assert_ptr_nonnull(strstr(error.text, "too large"));
    ck_assert_int_eq(memory_log_ended(weirlog, true), 0);
    ck_ok(weir_producer_close(producer, &error), &error); /* aborts */
    ck_assert_int_eq(memory_log_ended(weirlog, false), 1);
}
END_TEST

/* The last one that is opened is right. What the others had open is aborted, and each of their calls says that they are
 * out of use. */
START_TEST(a_second_producer_fences_the_first)
{
    struct weir_producer *first = producer_new();
    begin(first);
    ck_ok(send(first, 0), &error);
    ck_ok(weir_producer_flush(first, &error), &error);
    struct weir_producer *second = producer_new();
    ck_assert_int_eq(memory_log_ended(weirlog, false), 1);
    if (_i == 0) {
        ck_assert_int_eq(weir_producer_commit(first, &error), WEIR_PRODUCER_FENCED);
    } else if (_i == 1) {
        ck_ok(send(first, 0), &error);
        ck_assert_int_eq(weir_producer_flush(first, &error), WEIR_PRODUCER_FENCED);
    } else {
        ck_assert_int_eq(send_offset(first, 8), WEIR_PRODUCER_FENCED);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(weir_producer_status(first), WEIR_PRODUCER_LOST);
        ck_assert_int_eq(weir_producer_begin(first, &error), WEIR_PRODUCER_FENCED);
        ck_assert_ptr_nonnull(strstr(error.text, "copier"));
        ck_assert_int_eq(send(first, 0), WEIR_PRODUCER_FENCED);
        ck_assert_int_eq(send_offset(first, 8), WEIR_PRODUCER_FENCED);
        ck_assert_int_eq(weir_producer_commit(first, &error), WEIR_PRODUCER_FENCED);
        ck_assert_int_eq(weir_producer_abort(first, &error), WEIR_PRODUCER_FENCED);
    }
    ck_ok(weir_producer_close(first, &error), &error);
    begin(second);
    ck_ok(send(second, 0), &error);
    ck_ok(weir_producer_commit(second, &error), &error);
    ck_assert_int_eq(memory_log_ended(weirlog, true), 1);
    ck_ok(weir_producer_close(second, &error), &error);
}
END_TEST

/* What is being ended still is waited for; of what goes on for too long the caller hears, and asks again for the same. */
START_TEST(an_end_is_asked_for_until_it_is_decided)
{
    fail_with(MEMORY_INIT_TRANSACTIONS, WEIR_CONCURRENT_TRANSACTIONS, 5);
    struct weir_producer *producer = producer_new();
    begin(producer);
    ck_ok(send(producer, 0), &error);
    fail_with(MEMORY_END, WEIR_TIMED_OUT, 3);
    ck_ok(weir_producer_commit(producer, &error), &error);

    begin(producer);
    ck_ok(send(producer, 0), &error);
    fail_with(MEMORY_END, WEIR_TIMED_OUT, 1000000);
    ck_assert_int_eq(weir_producer_commit(producer, &error), WEIR_TIMED_OUT);
    ck_assert_int_eq(weir_producer_status(producer), WEIR_PRODUCER_ENDING);
    ck_assert_int_eq(weir_producer_abort(producer, &error), WEIR_INVALID_TXN_STATE);
    ck_assert_int_eq(weir_producer_begin(producer, &error), WEIR_INVALID_TXN_STATE);
    fail_with(MEMORY_END, 0, 0);
    ck_ok(weir_producer_commit(producer, &error), &error);
    ck_assert_int_eq(memory_log_ended(weirlog, true), 2);
    ck_ok(weir_producer_close(producer, &error), &error);
}
END_TEST

/* Closing aborts what is open. */
START_TEST(closing_aborts_what_is_open)
{
    struct weir_producer *producer = producer_new();
    begin(producer);
    ck_ok(send(producer, 0), &error);
    ck_ok(weir_producer_flush(producer, &error), &error);
    ck_ok(send(producer, 0), &error);
    ck_ok(weir_producer_close(producer, &error), &error);
    ck_assert_int_eq(aborted, 1);
    ck_assert_int_eq(memory_log_ended(weirlog, false), 1);
    expect_batches(0, "0:0");
}
END_TEST

/* A call that does not follow is refused and changes nothing, and so is what exactly-once cannot do with. */
START_TEST(calls_and_options_are_looked_at)
{
    struct weir_producer *producer = producer_new();
    ck_assert_int_eq(send(producer, 0), WEIR_INVALID_TXN_STATE);
    ck_assert_int_eq(weir_producer_commit(producer, &error), WEIR_INVALID_TXN_STATE);
    ck_assert_int_eq(weir_producer_abort(producer, &error), WEIR_INVALID_TXN_STATE);
    begin(producer);
    ck_assert_int_eq(weir_producer_begin(producer, &error), WEIR_INVALID_TXN_STATE);
    const struct weir_offset_to_commit bad = {"t", 0, -1, NULL};
    const struct weir_group_metadata group = {.group = "g"};
    ck_assert_int_eq(weir_producer_send_offsets(producer, &bad, 1, &group, &error),
                     WEIR_INVALID_ARGUMENT);
    ck_assert_int_eq(weir_producer_send_offsets(producer, &bad, 1, NULL, &error),
                     WEIR_INVALID_ARGUMENT);
    ck_assert_int_eq(weir_producer_send_offsets(producer, NULL, 1, &group, &error),
                     WEIR_INVALID_ARGUMENT);
    ck_assert_int_eq(weir_producer_status(producer), WEIR_PRODUCER_IN_TRANSACTION);
    ck_ok(weir_producer_commit(producer, &error), &error);
    ck_ok(weir_producer_close(producer, &error), &error);

    struct weir_producer_options plain = {WEIR_PRODUCER_OPTIONS_INIT};
    producer = weir_producer_new(weirlog, &plain, &error);
    ck_assert_int_eq(weir_producer_begin(producer, &error), WEIR_INVALID_TXN_STATE);
    ck_assert_ptr_nonnull(strstr(error.text, "transactional_id"));
    ck_assert_int_eq(weir_producer_status(producer), WEIR_PRODUCER_IDLE);
    ck_ok(weir_producer_close(producer, &error), &error);
    ck_assert_int_eq(weir_producer_status(NULL), WEIR_INVALID_ARGUMENT);

    struct weir_producer_options bad_options[] = {
        {WEIR_PRODUCER_OPTIONS_INIT, .transactional_id = ""},
        {WEIR_PRODUCER_OPTIONS_INIT, .transactional_id = "x", .acks = 1},
        {WEIR_PRODUCER_OPTIONS_INIT, .transactional_id = "x", .disable_idempotence = true},
        {WEIR_PRODUCER_OPTIONS_INIT, .transactional_id = "x", .transaction_timeout_ms = -1},
        {WEIR_PRODUCER_OPTIONS_INIT, .transactional_id = "x",
         .transaction_timeout_ms = (int64_t)INT32_MAX + 1},
    };
    for (size_t i = 0; i < sizeof bad_options / sizeof bad_options[0]; i++) {
        ck_assert_ptr_null(weir_producer_new(weirlog, &bad_options[i], &error));
        ck_assert_int_eq(error.code, WEIR_INVALID_CONFIG);
    }
    fail_with(MEMORY_INIT_TRANSACTIONS, WEIR_INVALID_TRANSACTION_TIMEOUT, 1);
    bad_options[0].transactional_id = "x";
    ck_assert_ptr_null(weir_producer_new(weirlog, &bad_options[0], &error));
    ck_assert_int_eq(error.code, WEIR_INVALID_TRANSACTION_TIMEOUT);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("transactions");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_transaction_is_committed);
    tcase_add_test(tests, a_transaction_is_aborted);
    tcase_add_test(tests, an_empty_transaction_is_nobodys_business);
    tcase_add_loop_test(tests, what_fails_breaks_the_transaction, 0, 2);
    tcase_add_test(tests, a_commit_tells_what_its_records_met);
    tcase_add_loop_test(tests, a_second_producer_fences_the_first, 0, 3);
    tcase_add_test(tests, an_end_is_asked_for_until_it_is_decided);
    tcase_add_test(tests, closing_aborts_what_is_open);
    tcase_add_test(tests, calls_and_options_are_looked_at);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("client transactions", add);
}
