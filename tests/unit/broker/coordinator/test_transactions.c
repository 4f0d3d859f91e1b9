#include <stdio.h>
#include <string.h>

#include "broker/broker_internal.h"
#include "broker/coordinator/group_hash.h"
#include "tests/unit/broker/coordinator/transaction_fixture.h"

/*
 * Transactions on an engine in the simulator: what lies between the rules of one, which are the core's tests to say, and
 * the log, the markers and those who ask.
 */
static struct transactions world;

static struct marker last_marker(void)
{
    ck_assert_uint_gt(world.marker_count, 0);
    return world.markers[world.marker_count - 1];
}

static size_t markers_for(const char *topic, int32_t partition)
{
    size_t count = 0;
    for (size_t i = 0; i < world.marker_count; i++) {
        const struct marker *marker = &world.markers[i];
        count += strcmp(marker->topic, topic) == 0 && marker->partition == partition;
    }
    return count;
}

/* ---- from begin to end ------------------------------------------------------------------------ */

/* Each partition gets its marker, of the outcome and with the epoch that the version wants; then it is complete, and the
 * next transaction follows. */
START_TEST(a_transaction_has_a_marker_in_each_partition)
{
    struct producer producer = {.id = "copies", .is_version_2 = _i >= 2};
    bool is_commit = _i % 2 == 0;
    struct weir_transaction_info info;
    transactions_open(&world, 1);
    ck_ok(producer_begin(&world, &producer), &world.engine.error);
    int16_t epoch = producer.producer_epoch;
    for (int i = 0; i < 3; i++) {
        world.marker_count = 0;
        epoch = producer.producer_epoch;
        ck_ok(producer_add(&world, &producer, "clicks", 0), &world.engine.error);
        ck_ok(producer_add(&world, &producer, "clicks", 3), &world.engine.error);
        ck_ok(producer_add(&world, &producer, "views", 1), &world.engine.error);
        ck_assert_int_eq(transaction_state(&world, "copies", &info), WEIR_TRANSACTION_ONGOING);
        ck_assert_uint_eq(info.partition_count, 3);
        ck_assert_int_ge(info.start_ms, 0);
        ck_ok(producer_end_patiently(&world, &producer, is_commit), &world.engine.error);
        ck_assert(transaction_becomes(&world, "copies",
                                      is_commit ? WEIR_TRANSACTION_COMPLETE_COMMIT
                                                : WEIR_TRANSACTION_COMPLETE_ABORT));
        ck_assert_uint_eq(world.marker_count, 3);
        ck_assert_uint_eq(markers_for("clicks", 0), 1);
        ck_assert_uint_eq(markers_for("clicks", 3), 1);
        ck_assert_uint_eq(markers_for("views", 1), 1);
        ck_assert_int_eq(last_marker().producer_id, producer.producer_id);
        ck_assert_int_eq(last_marker().producer_epoch, producer.is_version_2 ? epoch + 1 : epoch);
        ck_assert(last_marker().is_commit == is_commit);
        ck_assert(last_marker().is_version_2 == producer.is_version_2);
    }
    transactions_end(&world);
}
END_TEST

/* The group's offsets are a partition like any other: that of the group. */
START_TEST(offsets_are_a_partition_of_the_transaction)
{
    struct producer producer = {.id = "copies"};
    struct weir_transaction_info info;
    transactions_open(&world, 2);
    ck_ok(producer_begin(&world, &producer), &world.engine.error);
    ck_ok(producer_add_offsets(&world, &producer, "readers"), &world.engine.error);
    ck_assert_int_eq(transaction_state(&world, "copies", &info), WEIR_TRANSACTION_ONGOING);
    ck_assert_uint_eq(info.partition_count, 1);
    ck_assert(weir_slice_equal(info.partitions[0].topic, weir_text(WEIR_CONSUMER_OFFSETS_TOPIC)));
    ck_ok(producer_end(&world, &producer, true), &world.engine.error);
    ck_assert(transaction_becomes(&world, "copies", WEIR_TRANSACTION_COMPLETE_COMMIT));
    ck_assert_uint_eq(markers_for(WEIR_CONSUMER_OFFSETS_TOPIC, 0), 1);
    ck_code(producer_add_offsets(&world, &producer, ""), WEIR_INVALID_ARGUMENT);
    transactions_end(&world);
}
END_TEST

/* Who asks for what is not there costs nothing, and does not make the topic. */
START_TEST(strangers_cost_nothing)
{
    struct producer producer = {.id = "nobody", .producer_id = 5};
    transactions_open(&world, 3);
    size_t used = atomic_load(&world.engine.broker->transactions.budget.used);
    for (int i = 0; i < 2; i++) {
        ck_code(producer_add(&world, &producer, "clicks", 0), WEIR_INVALID_PRODUCER_ID_MAPPING);
        ck_code(producer_verify(&world, &producer, "clicks", 0), WEIR_INVALID_PRODUCER_ID_MAPPING);
        ck_code(producer_add_offsets(&world, &producer, "g"), WEIR_INVALID_PRODUCER_ID_MAPPING);
        ck_code(producer_end(&world, &producer, true), WEIR_INVALID_PRODUCER_ID_MAPPING);
        ck_code(transaction_state(&world, "nobody", NULL), WEIR_TRANSACTIONAL_ID_NOT_FOUND);
        ck_assert_int_eq(transaction_count(&world), i);
        if (i == 0) {
            ck_code(engine_describe(&world.engine, WEIR_TRANSACTION_STATE_TOPIC),
                    WEIR_UNKNOWN_TOPIC_OR_PARTITION);
            ck_assert_uint_eq(atomic_load(&world.engine.broker->transactions.budget.used), used);
            struct producer first = {.id = "somebody"};
            ck_ok(producer_begin(&world, &first), &world.engine.error);
            ck_assert_int_eq(engine_describe(&world.engine, WEIR_TRANSACTION_STATE_TOPIC), 1);
        }
    }
    ck_assert_int_eq(atomic_load(&world.engine.broker->transactions.live_count), 0);
    transactions_end(&world);
}
END_TEST

START_TEST(a_transactional_id_has_a_size)
{
    static char longest[INT16_MAX + 2];
    struct producer producer = {.id = ""};
    transactions_open(&world, 4);
    ck_code(producer_begin(&world, &producer), WEIR_INVALID_ARGUMENT);
    memset(longest, 'x', INT16_MAX + 1);
    producer.id = longest;
    ck_code(producer_begin(&world, &producer), WEIR_INVALID_ARGUMENT);
    longest[INT16_MAX] = '\0';
    ck_ok(producer_begin(&world, &producer), &world.engine.error);
    ck_ok(producer_add(&world, &producer, "clicks", 0), &world.engine.error);
    ck_ok(producer_end(&world, &producer, true), &world.engine.error);
    transactions_end(&world);
}
END_TEST

/* What is said of an id that is not there has it in it, or its beginning, whatever its size. */
START_TEST(an_id_of_any_size_is_named)
{
    static const size_t sizes[] = {1, 200, 255, 256, 257, 300, INT16_MAX};
    static char name[INT16_MAX + 1];
    char quoted[256];
    transactions_open(&world, 5);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        memset(name, 'n', sizes[i]);
        name[sizes[i]] = '\0';
        (void)snprintf(quoted, sizeof quoted, "'%.200s'", name);
        struct producer producer = {.id = name, .producer_id = 5};
        ck_code(producer_add(&world, &producer, "clicks", 0), WEIR_INVALID_PRODUCER_ID_MAPPING);
        ck_assert_ptr_nonnull(strstr(world.engine.error.text, quoted));
        ck_code(transaction_state(&world, name, NULL), WEIR_TRANSACTIONAL_ID_NOT_FOUND);
        ck_assert_ptr_nonnull(strstr(world.engine.error.text, quoted));
    }
    transactions_end(&world);
}
END_TEST

/* ---- several at once ---------------------------------------------------------------------------- */

/* What comes while a record is on its way waits for it, and is answered by what it says. */
START_TEST(requests_wait_in_line)
{
    enum { COUNT = 4 };
    struct producer producer = {.id = "copies", .is_version_2 = true};
    struct weir_add_partitions_request adds[COUNT];
    struct weir_topic_partition partitions[COUNT];
    struct weir_transaction_info info;
    transactions_open(&world, 5);
    ck_ok(producer_begin(&world, &producer), &world.engine.error);
    for (int32_t i = 0; i < COUNT; i++) {
        partitions[i] = (struct weir_topic_partition){weir_text("clicks"), i};
        adds[i] =
            (struct weir_add_partitions_request){.base = {.transactional_id = weir_text("copies"),
                                                          .producer_id = producer.producer_id,
                                                          .producer_epoch = producer.producer_epoch,
                                                          .is_version_2 = true},
                                                 .partitions = &partitions[i],
                                                 .partition_count = 1};
        ck_ok(weir_broker_wait_begin(world.engine.broker, &adds[i].base.request, NULL), NULL);
        weir_broker_add_partitions(world.engine.broker, &adds[i]);
    }
    struct weir_end_transaction_request end = {.base = adds[0].base, .is_commit = true};
    end.base.request = (struct weir_request){0};
    ck_ok(weir_broker_wait_begin(world.engine.broker, &end.base.request, NULL), NULL);
    weir_broker_end_transaction(world.engine.broker, &end);
    for (int i = 0; i < COUNT; i++) {
        ck_ok(weir_broker_wait(world.engine.broker, &adds[i].base.request, &world.engine.error),
              &world.engine.error);
    }
    ck_ok(weir_broker_wait(world.engine.broker, &end.base.request, &world.engine.error),
          &world.engine.error);
    ck_assert_int_ge(transaction_state(&world, "copies", &info), 0);
    ck_assert(transaction_becomes(&world, "copies", WEIR_TRANSACTION_COMPLETE_COMMIT));
    ck_assert_uint_eq(world.marker_count, COUNT);
    transactions_end(&world);
}
END_TEST

/* While markers are being written who asks is told to ask again; a description says which are missing. */
START_TEST(the_next_transaction_waits_for_the_markers)
{
    struct producer producer = {.id = "copies", .is_version_2 = _i == 1};
    struct producer next = {.id = "copies"};
    struct weir_transaction_info info;
    transactions_open(&world, 6);
    ck_ok(producer_begin(&world, &producer), &world.engine.error);
    ck_ok(producer_add(&world, &producer, "clicks", 0), &world.engine.error);
    ck_ok(producer_add(&world, &producer, "views", 0), &world.engine.error);
    world.holds_markers = true;
    struct producer before = producer;
    ck_ok(producer_end(&world, &producer, true), &world.engine.error);
    transactions_pass(&world, 100);
    ck_assert_int_eq(transaction_state(&world, "copies", &info), WEIR_TRANSACTION_PREPARE_COMMIT);
    ck_assert_uint_eq(info.partition_count, 2);
    ck_code(producer_add(&world, &producer, "clicks", 1), WEIR_CONCURRENT_TRANSACTIONS);
    ck_code(producer_begin(&world, &next), WEIR_CONCURRENT_TRANSACTIONS);
    struct producer again = before;
    ck_code(producer_end(&world, &again, true), WEIR_CONCURRENT_TRANSACTIONS);
    again = before;
    ck_code(producer_end(&world, &again, false), WEIR_INVALID_TXN_STATE);
    transactions_let_go(&world);
    ck_assert(transaction_becomes(&world, "copies", WEIR_TRANSACTION_COMPLETE_COMMIT));
    again = before;
    ck_ok(producer_end(&world, &again, true), &world.engine.error);
    ck_assert_int_eq(again.producer_epoch, producer.producer_epoch);
    ck_ok(producer_add(&world, &producer, "clicks", 1), &world.engine.error);
    ck_assert_uint_eq(world.marker_count, 2);
    transactions_end(&world);
}
END_TEST

/* ---- failures ---------------------------------------------------------------------------------- */

/* A partition that cannot take its marker now gets it later; the others have theirs, once. */
START_TEST(a_marker_that_cannot_be_written_is_tried_again)
{
    static const int rcs[] = {WEIR_OFFLINE, WEIR_NO_SPACE, WEIR_NO_MEMORY, WEIR_LIMIT};
    struct producer producer = {.id = "copies", .is_version_2 = true};
    struct weir_transaction_info info;
    transactions_open(&world, 7);
    ck_ok(producer_begin(&world, &producer), &world.engine.error);
    ck_ok(producer_add(&world, &producer, "clicks", 0), &world.engine.error);
    ck_ok(producer_add(&world, &producer, "views", 0), &world.engine.error);
    world.marker_rc = rcs[_i];
    world.refused_topic = "views";
    ck_ok(producer_end(&world, &producer, true), &world.engine.error);
    transactions_pass(&world, 3000);
    ck_assert_int_eq(transaction_state(&world, "copies", &info), WEIR_TRANSACTION_PREPARE_COMMIT);
    ck_assert_uint_eq(info.partition_count, 1); /* that has none yet */
    ck_assert(weir_slice_equal(info.partitions[0].topic, weir_text("views")));
    ck_assert_uint_eq(markers_for("clicks", 0), 1);
    ck_assert_uint_gt(markers_for("views", 0), 2);
    ck_assert_uint_lt(markers_for("views", 0), 10); /* and not all the time */
    world.marker_rc = 0;
    ck_assert(transaction_becomes(&world, "copies", WEIR_TRANSACTION_COMPLETE_COMMIT));
    ck_assert_uint_eq(markers_for("clicks", 0), 1);
    transactions_end(&world);
}
END_TEST

/* Nothing of the transaction is open where the topic is gone or a newer epoch or coordinator has written. */
START_TEST(a_partition_that_wants_no_marker_is_done)
{
    static const int rcs[] = {WEIR_UNKNOWN_TOPIC_OR_PARTITION, WEIR_PRODUCER_FENCED,
                              WEIR_TRANSACTION_COORDINATOR_FENCED};
    struct producer producer = {.id = "copies", .is_version_2 = true};
    transactions_open(&world, 8);
    ck_ok(producer_begin(&world, &producer), &world.engine.error);
    ck_ok(producer_add(&world, &producer, "clicks", 0), &world.engine.error);
    world.marker_rc = rcs[_i];
    ck_ok(producer_end(&world, &producer, false), &world.engine.error);
    ck_assert(transaction_becomes(&world, "copies", WEIR_TRANSACTION_COMPLETE_ABORT));
    ck_assert_uint_eq(world.marker_count, 1);
    transactions_end(&world);
}
END_TEST

/* A commit whose topic was deleted meanwhile is one all the same. */
START_TEST(a_deleted_topic_holds_nothing_up)
{
    struct producer producer = {.id = "copies", .is_version_2 = true};
    transactions_open(&world, 9);
    ck_ok(producer_begin(&world, &producer), &world.engine.error);
    ck_ok(producer_add(&world, &producer, "views", 0), &world.engine.error);
    ck_assert_int_ge(engine_produce(&world.engine, "views", 0, "a", WEIR_ACKS_LEADER), 0);
    ck_ok(engine_delete(&world.engine, "views"), &world.engine.error);
    ck_ok(producer_end(&world, &producer, true), &world.engine.error);
    ck_assert(transaction_becomes(&world, "copies", WEIR_TRANSACTION_COMPLETE_COMMIT));
    transactions_end(&world);
}
END_TEST

/* What memory is short for is refused, and nothing has happened: the same asked again goes well. */
START_TEST(without_memory_nothing_happens)
{
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        struct producer producer = {.id = "copies", .is_version_2 = true};
        transactions_open(&world, 10);
        ck_ok(producer_begin(&world, &producer), &world.engine.error);
        ck_ok(producer_add(&world, &producer, "clicks", 0), &world.engine.error);
        weir_test_failures_arm(&failures, world.engine.env->heap);
        struct producer asks = producer;
        int rc =
            _i == 0 ? producer_end(&world, &asks, true) : producer_add(&world, &asks, "views", 1);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert(rc == 0 || was_hit);
        if (rc != 0) {
            ck_code(rc, WEIR_NO_MEMORY);
            asks = producer;
            rc = _i == 0 ? producer_end_patiently(&world, &asks, true)
                         : producer_add(&world, &asks, "views", 1);
            ck_ok(rc, &world.engine.error);
        }
        if (_i == 1) ck_ok(producer_end(&world, &asks, true), &world.engine.error);
        ck_assert(transaction_becomes(&world, "copies", WEIR_TRANSACTION_COMPLETE_COMMIT));
        transactions_end(&world);
    }
    ck_assert_uint_ge(failures.hits, 2);
}
END_TEST

/* The same where nobody waits: the markers and what completes the transaction, also where that is durable and could not be
 * folded in. */
START_TEST(a_completion_without_memory_is_tried_again)
{
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        struct producer producer = {.id = "copies", .is_version_2 = true};
        transactions_open(&world, 18);
        ck_ok(producer_begin(&world, &producer), &world.engine.error);
        ck_ok(producer_add(&world, &producer, "clicks", 0), &world.engine.error);
        world.holds_markers = true;
        ck_ok(producer_end(&world, &producer, true), &world.engine.error);
        transactions_pass(&world, 100);
        weir_test_failures_arm(&failures, world.engine.env->heap);
        transactions_let_go(&world);
        transactions_pass(&world, 100);
        (void)weir_test_failures_disarm(&failures);
        transactions_pass(&world, 5000);
        ck_assert_int_eq(atomic_load(&world.engine.broker->transactions.live_count), 0);
        ck_assert_int_eq(transaction_state(&world, "copies", NULL),
                         WEIR_TRANSACTION_COMPLETE_COMMIT);
        transactions_end(&world);
    }
    ck_assert_uint_ge(failures.hits, 2);
}
END_TEST

/* ---- times ------------------------------------------------------------------------------------ */

/* An open transaction is aborted when its time is over and one interval more at the latest, and its producer shut out. */
START_TEST(a_transaction_that_takes_too_long_is_aborted)
{
    struct producer producer = {.id = "copies", .is_version_2 = true};
    transactions_open(&world, 11);
    ck_ok(producer_begin(&world, &producer), &world.engine.error);
    ck_ok(producer_add(&world, &producer, "clicks", 0), &world.engine.error);
    transactions_pass(&world, 59000);
    ck_assert_int_eq(transaction_state(&world, "copies", NULL), WEIR_TRANSACTION_ONGOING);
    weir_sim_jump_wall(world.engine.sim, 0, 3600000);
    ck_assert_int_eq(transaction_state(&world, "copies", NULL), WEIR_TRANSACTION_ONGOING);
    transactions_pass(&world, 11100);
    ck_assert_int_eq(transaction_state(&world, "copies", NULL), WEIR_TRANSACTION_COMPLETE_ABORT);
    ck_assert_uint_eq(world.marker_count, 1);
    ck_assert(!last_marker().is_commit);
    ck_assert_int_eq(last_marker().producer_epoch, producer.producer_epoch + 1);
    ck_code(producer_add(&world, &producer, "clicks", 0), WEIR_PRODUCER_FENCED);
    ck_code(producer_end(&world, &producer, true), WEIR_INVALID_TXN_STATE);
    transactions_end(&world);
}
END_TEST

/* Also where nobody asks after a start: the time begins anew, and ends. */
START_TEST(a_start_remembers_what_is_open)
{
    struct producer producer = {.id = "copies"};
    transactions_open(&world, 12);
    ck_ok(producer_begin(&world, &producer), &world.engine.error);
    ck_ok(producer_add(&world, &producer, "clicks", 0), &world.engine.error);
    transactions_pass(&world, 50000);
    if (_i == 0) {
        ck_ok(engine_close(&world.engine), &world.engine.error);
    } else {
        engine_crash(&world.engine, WEIR_SIM_POWER);
    }
    transactions_reopen(&world);
    transactions_pass(&world, 50000);
    ck_assert_uint_eq(world.marker_count, 0);
    transactions_pass(&world, 21000);
    ck_assert_uint_eq(world.marker_count, 1);
    ck_assert(!last_marker().is_commit);
    ck_assert_int_eq(transaction_state(&world, "copies", NULL), WEIR_TRANSACTION_COMPLETE_ABORT);
    transactions_end(&world);
}
END_TEST

static void expire_soon(struct weir_broker_options *options)
{
    options->transactions.id_expiration_ms = 600000;
    options->transactions.expiry_interval_ms = 60000;
}

/* Ids that nobody uses go, with their memory; those with an open transaction stay. */
START_TEST(ids_that_nobody_uses_go)
{
    enum { COUNT = 30 };
    char name[COUNT][16];
    transactions_open_with(&world, 13, expire_soon);
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(name[i], sizeof name[i], "id-%d", i);
        struct producer producer = {.id = name[i]};
        ck_ok(producer_begin(&world, &producer), &world.engine.error);
        if (i % 2 == 0) continue;
        ck_ok(producer_add(&world, &producer, "clicks", 0), &world.engine.error);
        ck_ok(producer_end(&world, &producer, true), &world.engine.error);
    }
    transactions_pass(&world, 500000);
    ck_assert_int_eq(transaction_count(&world), COUNT);
    struct producer used = {.id = name[7]};
    ck_ok(producer_begin(&world, &used), &world.engine.error);
    transactions_pass(&world, 200000);
    ck_assert_int_eq(transaction_count(&world), 1);
    ck_assert_int_eq(transaction_state(&world, name[7], NULL), WEIR_TRANSACTION_EMPTY);
    engine_crash(&world.engine, WEIR_SIM_POWER);
    transactions_reopen(&world);
    ck_assert_int_eq(transaction_count(&world), 1);
    transactions_end(&world);
}
END_TEST

/* ---- floods ------------------------------------------------------------------------------------ */

enum { FLOOD_BYTES = 1 << 20 };

static void little_memory(struct weir_broker_options *options)
{
    options->transactions.all_bytes_max = FLOOD_BYTES;
}

/* Ever new ids are let in up to the bound; those that are in go on, and are found again after a start. */
START_TEST(a_flood_of_ids_ends_at_the_bound)
{
    char name[1000];
    int rc = 0;
    int count = 0;
    transactions_open_with(&world, 14, little_memory);
    struct producer first = {.id = "first", .is_version_2 = true};
    ck_ok(producer_begin(&world, &first), &world.engine.error);
    for (; rc == 0 && count < 5000; count++) {
        (void)snprintf(name, sizeof name, "%0990d", count);
        struct producer producer = {.id = name};
        rc = producer_begin(&world, &producer);
    }
    ck_code(rc, WEIR_LIMIT);
    ck_assert_ptr_nonnull(strstr(world.engine.error.text, "transactions.max.bytes"));
    ck_assert_int_gt(count, 300);
    ck_assert_uint_le(atomic_load(&world.engine.broker->transactions.budget.used), FLOOD_BYTES);
    ck_ok(producer_add(&world, &first, "clicks", 0), &world.engine.error);
    ck_ok(producer_end(&world, &first, true), &world.engine.error);
    engine_crash(&world.engine, WEIR_SIM_POWER);
    transactions_reopen(&world);
    ck_assert_int_eq(transaction_count(&world), count);
    ck_assert_int_ge(transaction_state(&world, "first", NULL), WEIR_TRANSACTION_PREPARE_COMMIT);
    transactions_end(&world);
}
END_TEST

/* A transaction that takes ever more partitions ends there too, and can be aborted. */
START_TEST(a_flood_of_partitions_ends_at_the_bound)
{
    enum { COUNT = 4000 };
    static struct weir_topic_partition partitions[COUNT];
    struct producer producer = {.id = "greedy", .is_version_2 = true};
    int rc = 0;
    int32_t next = 0;
    transactions_open_with(&world, 15, little_memory);
    ck_ok(producer_begin(&world, &producer), &world.engine.error);
    for (int i = 0; rc == 0 && i < 100; i++) {
        for (int j = 0; j < COUNT; j++)
            partitions[j] = (struct weir_topic_partition){weir_text("clicks"), next++};
        struct weir_add_partitions_request add = {
            .base = {.transactional_id = weir_text("greedy"),
                     .producer_id = producer.producer_id,
                     .producer_epoch = producer.producer_epoch,
                     .is_version_2 = true},
            .partitions = partitions,
            .partition_count = COUNT};
        ck_ok(weir_broker_wait_begin(world.engine.broker, &add.base.request, NULL), NULL);
        weir_broker_add_partitions(world.engine.broker, &add);
        rc = weir_broker_wait(world.engine.broker, &add.base.request, &world.engine.error);
    }
    ck_code(rc, WEIR_LIMIT);
    ck_assert_int_gt(next, COUNT);
    ck_ok(engine_delete(&world.engine, "clicks"), &world.engine.error);
    ck_ok(producer_end(&world, &producer, false), &world.engine.error);
    transactions_end(&world);
}
END_TEST

/* ---- people ------------------------------------------------------------------------------------- */

static size_t list(struct weir_list_transactions_request *request)
{
    request->arena = &world.arena;
    ck_ok(weir_broker_wait_begin(world.engine.broker, &request->request, NULL), NULL);
    weir_broker_list_transactions(world.engine.broker, request);
    ck_ok(weir_broker_wait(world.engine.broker, &request->request, &world.engine.error),
          &world.engine.error);
    return request->count;
}

static void many_partitions(struct weir_broker_options *options)
{
    options->transactions.log_num_partitions = 50;
    options->shard_count = 3;
}

/* Of all partitions, on all shards: by state, producer and time. */
START_TEST(transactions_are_listed)
{
    enum { COUNT = 12 };
    char name[COUNT][16];
    int64_t id = 0;
    transactions_open_with(&world, 16, many_partitions);
    ck_assert_int_eq(transaction_count(&world), 0);
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(name[i], sizeof name[i], "id-%d", i);
        struct producer producer = {.id = name[i]};
        ck_ok(producer_begin(&world, &producer), &world.engine.error);
        if (i % 3 == 0) ck_ok(producer_add(&world, &producer, "clicks", 0), &world.engine.error);
        if (i == 6) transactions_pass(&world, 10000);
        if (i == 6) id = producer.producer_id;
    }
    ck_assert_int_eq(engine_describe(&world.engine, WEIR_TRANSACTION_STATE_TOPIC), 50);
    struct weir_list_transactions_request all = {.duration_min_ms = -1};
    ck_assert_uint_eq(list(&all), COUNT);
    struct weir_list_transactions_request open = {
        .duration_min_ms = -1, .states = UINT32_C(1) << WEIR_TRANSACTION_ONGOING};
    ck_assert_uint_eq(list(&open), 4);
    struct weir_list_transactions_request old = {.duration_min_ms = 5000};
    ck_assert_uint_eq(list(&old), 3);
    struct weir_list_transactions_request of = {
        .duration_min_ms = -1, .producer_ids = &id, .producer_id_count = 1};
    ck_assert_uint_eq(list(&of), 1);
    ck_assert(weir_slice_equal(of.list[0].transactional_id, weir_text("id-6")));
    transactions_end(&world);
}
END_TEST

/* Of a partition that is offline nobody can tell; the others are listed, and it is named. */
START_TEST(a_partition_that_is_offline_keeps_none_of_the_others_back)
{
    enum { COUNT = 12 };
    char name[COUNT][16];
    char folder[128];
    transactions_open_with(&world, 18, many_partitions);
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(name[i], sizeof name[i], "id-%d", i);
        struct producer producer = {.id = name[i]};
        ck_ok(producer_begin(&world, &producer), &world.engine.error);
    }
    int32_t of_first = weir_group_partition(weir_text(name[0]), 50);
    size_t same = 0;
    for (int i = 0; i < COUNT; i++) {
        same += weir_group_partition(weir_text(name[i]), 50) == of_first;
    }
    (void)snprintf(folder, sizeof folder, ENGINE_PATH "/log/" WEIR_TRANSACTION_STATE_TOPIC "-%d",
                   (int)of_first);
    ck_ok(engine_close(&world.engine), &world.engine.error);
    ck_ok(weir_rename(world.engine.env, folder, "/saved", &world.engine.error),
          &world.engine.error);
    transactions_reopen(&world);
    struct weir_list_transactions_request all = {.duration_min_ms = -1};
    ck_assert_uint_eq(list(&all), COUNT - same);
    ck_assert_uint_eq(all.offline_count, 1);
    ck_assert_int_eq(all.offline[0], of_first);
    ck_code(transaction_state(&world, name[0], NULL), WEIR_OFFLINE);
    ck_ok(weir_rename(world.engine.env, "/saved", folder, &world.engine.error),
          &world.engine.error);
    ck_assert_uint_eq(list(&all), COUNT);
    ck_assert_uint_eq(all.offline_count, 0);
    transactions_end(&world);
}
END_TEST

/* The engine's own name is taken, and what is there is not deleted. */
START_TEST(the_topic_is_the_engines_own)
{
    struct producer producer = {.id = "copies"};
    transactions_open(&world, 17);
    ck_code(engine_create(&world.engine, "_.transaction_state", 1), WEIR_INVALID_TOPIC);
    ck_ok(producer_begin(&world, &producer), &world.engine.error);
    ck_code(engine_delete(&world.engine, WEIR_TRANSACTION_STATE_TOPIC), WEIR_INVALID_TOPIC);
    ck_assert_int_lt(
        engine_produce(&world.engine, WEIR_TRANSACTION_STATE_TOPIC, 0, "x", WEIR_ACKS_ALL), 0);
    transactions_end(&world);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("transactions");
    tcase_add_loop_test(tests, a_transaction_has_a_marker_in_each_partition, 0, 4);
    tcase_add_test(tests, offsets_are_a_partition_of_the_transaction);
    tcase_add_test(tests, strangers_cost_nothing);
    tcase_add_test(tests, a_transactional_id_has_a_size);
    tcase_add_test(tests, an_id_of_any_size_is_named);
    tcase_add_test(tests, requests_wait_in_line);
    tcase_add_loop_test(tests, the_next_transaction_waits_for_the_markers, 0, 2);
    tcase_add_loop_test(tests, a_marker_that_cannot_be_written_is_tried_again, 0, 4);
    tcase_add_loop_test(tests, a_partition_that_wants_no_marker_is_done, 0, 3);
    tcase_add_test(tests, a_deleted_topic_holds_nothing_up);
    tcase_add_loop_test(tests, without_memory_nothing_happens, 0, 2);
    tcase_add_test(tests, a_completion_without_memory_is_tried_again);
    tcase_add_test(tests, a_transaction_that_takes_too_long_is_aborted);
    tcase_add_loop_test(tests, a_start_remembers_what_is_open, 0, 2);
    tcase_add_test(tests, ids_that_nobody_uses_go);
    tcase_add_test(tests, a_flood_of_ids_ends_at_the_bound);
    tcase_add_test(tests, a_flood_of_partitions_ends_at_the_bound);
    tcase_add_test(tests, transactions_are_listed);
    tcase_add_test(tests, a_partition_that_is_offline_keeps_none_of_the_others_back);
    tcase_add_test(tests, the_topic_is_the_engines_own);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("transactions", add);
}
