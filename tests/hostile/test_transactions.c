/* Transactional ids that nobody asked for: a flood of them is bounded, and whoever is healthy goes on. */
#include <stdio.h>

#include "tests/hostile/healthy.h"
#include "wire/error_codes.h"
#include "wire/generated/end_txn_request.h"
#include "wire/generated/end_txn_response.h"
#include "wire/generated/init_producer_id_request.h"
#include "wire/generated/init_producer_id_response.h"

enum { MIB = 1024 * 1024, FLOOD = 8000 };

static struct hostile_server server;
static struct healthy healthy;
static struct weir_wire_init_producer_id_response
    producer; /* there before the storm and after it */

static void init(int peer, const char *id, struct weir_wire_init_producer_id_response *response_out)
{
    struct weir_wire_init_producer_id_request request;
    weir_wire_init_producer_id_request_init(&request);
    request.transactional_id = weir_text(id);
    request.transaction_timeout_ms = 60000;
    peer_call(&server, peer, PEER_EXCHANGE(init_producer_id, 5), &request, response_out);
}

static int16_t end_transaction(int peer, const char *id, int64_t producer_id, int16_t epoch)
{
    struct weir_wire_end_txn_request request;
    struct weir_wire_end_txn_response response;
    weir_wire_end_txn_request_init(&request);
    request.transactional_id = weir_text(id);
    request.producer_id = producer_id;
    request.producer_epoch = epoch;
    peer_call(&server, peer, PEER_EXCHANGE(end_txn, 3), &request, &response);
    return response.error_code;
}

static void begin(void)
{
    static const char *const settings[] = {"transactions.max.bytes=4194304", "flush.policy=os",
                                           NULL};
    hostile_begin(&server, settings);
    healthy_begin(&healthy, &server);
    init(healthy.peer, "healthy", &producer);
    ck_assert_int_eq(producer.error_code, 0);
}

/* The healthy producer is what it was, and memory stays below what transactional ids may take. */
static void still_well(void)
{
    healthy_work(&healthy, 5);
    ck_assert_int_eq(
        end_transaction(healthy.peer, "healthy", producer.producer_id, producer.producer_epoch),
        WEIR_WIRE_INVALID_TXN_STATE);
    ck_assert_int_le(hostile_memory(&server), hostile_memory_bound(healthy.memory + 64 * MIB));
}

static void end(void)
{
    still_well();
    healthy_end(&healthy);
    hostile_end(&server);
}

/* Each id is kept for a week: until all of them take what they may. Those that are there go on. */
START_TEST(a_flood_of_transactional_ids_is_refused)
{
    struct weir_wire_init_producer_id_response response;
    int taken = 0;
    int refused = 0;
    begin();
    int peer = peer_open(&server);
    for (int i = 0; i < FLOOD; i++) {
        char id[1001];
        (void)snprintf(id, sizeof id, "%01000d", i);
        init(peer, id, &response);
        taken += response.error_code == 0;
        refused += response.error_code == WEIR_WIRE_COORDINATOR_NOT_AVAILABLE;
        if (i % (FLOOD / 4) == 0) still_well();
    }
    ck_assert_int_gt(taken, 1000);
    ck_assert_int_gt(refused, 1000);
    ck_assert_int_eq(taken + refused, FLOOD);
    /* Refused requests are said once a second: where another one was said just before, the flood is over too soon. */
    while (hostile_log_lines(&server, "transactions.max.bytes") < 1) {
        char id[1001]; /* as large as the others */
        (void)snprintf(id, sizeof id, "%01000d", FLOOD);
        init(peer, id, &response);
        ck_assert_int_eq(response.error_code, WEIR_WIRE_COORDINATOR_NOT_AVAILABLE);
    }
    ck_assert_int_ge(hostile_log_lines(&server, "transactions.max.bytes"), 1);
    init(healthy.peer, "healthy", &producer);
    ck_assert_int_eq(producer.error_code, 0);
    peer_close(peer);
    end();
}
END_TEST

/* Who ends what is nobody's leaves nothing. */
START_TEST(ends_of_nobody_leave_nothing)
{
    begin();
    int peer = peer_open(&server);
    for (int i = 0; i < FLOOD; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "nobody-%d", i);
        ck_assert_int_eq(end_transaction(peer, id, i, 0), WEIR_WIRE_INVALID_PRODUCER_ID_MAPPING);
        if (i % (FLOOD / 4) == 0) still_well();
    }
    peer_close(peer);
    end();
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("transactions");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_flood_of_transactional_ids_is_refused);
    tcase_add_test(tests, ends_of_nobody_leave_nothing);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("hostile transactions", add);
}
