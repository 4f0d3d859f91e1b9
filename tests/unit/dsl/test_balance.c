/* Transfers between accounts: each arrives as a debit and a credit in topics of their own, seconds apart and out
 * of order. Joined by the transfer's number they change two balances, which lie in partitions of their own behind
 * a repartition. Whatever was crashed or restarted, at each committed point all balances add up to 0, and each is
 * what all transfers make of it.
 *
 * WEIR_SIM_SEED runs one of the seeds again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "tests/support/support.h"
#include "weir/stream.h"
#include "weir/test.h"

enum { ACCOUNTS = 7, TRANSFERS = 120, SEEDS = 24, WITHIN_MS = 20 * 1000, PARTITIONS = 3 };

struct transfer {
    int from;
    int to;
    int64_t amount;
    bool is_debited; /* the half has been fed */
    bool is_credited;
};

struct stage {
    struct weir_test_random random;
    struct weir_topology *topology;
    struct weir_test *test;
    struct transfer transfers[TRANSFERS];
    int begun; /* of the transfers */
    int64_t now_ms;
};

/* ---- the graph ------------------------------------------------------------------------------- */

/* "3:250" and "5:250" become "3 5 250". */
static int settle(struct weir_call *call, const void *key, const void *debit, const void *credit,
                  const void **value_out)
{
    const struct weir_slice *from = debit, *to = credit;
    (void)key;
    if (debit == NULL || credit == NULL) return weir_call_fail(call, "half a transfer");
    *value_out = weir_call_printf(call, "%.*s %.*s", (int)from->size, (const char *)from->data,
                                  (int)to->size, (const char *)to->data);
    return 0;
}

static int both_accounts(struct weir_call *call, const void *key, const void *value,
                         struct weir_emitter *emitter)
{
    char text[64];
    int from, to;
    int64_t debit, credit;
    const struct weir_slice *settled = value;
    (void)key;
    (void)snprintf(text, sizeof text, "%.*s", (int)settled->size, (const char *)settled->data);
    if (sscanf(text, "%d:%" SCNd64 " %d:%" SCNd64, &from, &debit, &to, &credit) != 4) {
        return weir_call_fail(call, "not a transfer: %s", text);
    }
    int rc = weir_emit(emitter, weir_call_printf(call, "%d", from), weir_call_int64(call, -debit));
    return rc < 0 ? rc
                  : weir_emit(emitter, weir_call_printf(call, "%d", to),
                              weir_call_int64(call, credit));
}

static int add(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    (void)call, (void)key;
    *(int64_t *)aggregate += *(const int64_t *)value;
    return 0;
}

static struct weir_topology *declare(enum weir_store_kind kind)
{
    struct weir_error error = {0};
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *debits = weir_stream(builder, "debits", WEIR_STRING, WEIR_STRING);
    struct weir_stream *credits = weir_stream(builder, "credits", WEIR_STRING, WEIR_STRING);
    struct weir_stream *settled = weir_stream_join(
        debits, credits, settle, NULL, WEIR_STRING,
        WEIR_WITHIN(.kind = WEIR_JOIN_OUTER, .before_ms = WITHIN_MS, .after_ms = WITHIN_MS,
                    .grace_ms = 4 * WITHIN_MS, .store = kind));
    struct weir_stream *changes =
        weir_flat_map(settled, both_accounts, NULL, WEIR_STRING, WEIR_INT64);
    (void)weir_aggregate(weir_group_by_key(changes), NULL, add, NULL, WEIR_INT64,
                         WEIR_STORE(.name = "balances", .store = kind));
    struct weir_topology *topology = weir_build(builder, &error);
    ck_assert_msg(topology != NULL, "%s", error.text);
    weir_builder_free(builder);
    return topology;
}

/* ---- feeding --------------------------------------------------------------------------------- */

static int below(struct stage *stage, int bound)
{
    return (int)weir_test_random_below(&stage->random, (uint64_t)bound);
}

static void feed_half(struct stage *stage, int number, bool is_credit)
{
    char key[16], value[32];
    struct transfer *transfer = &stage->transfers[number];
    bool *is_fed = is_credit ? &transfer->is_credited : &transfer->is_debited;
    if (*is_fed) return;
    *is_fed = true;
    (void)snprintf(key, sizeof key, "t%d", number);
    (void)snprintf(value, sizeof value, "%d:%" PRId64, is_credit ? transfer->to : transfer->from,
                   transfer->amount);
    const struct weir_record record = {
        .key = weir_text(key),
        .value = weir_text(value),
        .timestamp_ms = stage->now_ms - below(stage, 5000), /* late by seconds */
    };
    int32_t partition = weir_partition_of_key(record.key, PARTITIONS);
    int rc = weir_test_pipe_bytes(stage->test, is_credit ? "credits" : "debits", partition, &record,
                                  false);
    ck_assert_int_ge(rc, 0);
}

/* A new transfer's first half, or the second of one that has begun; all within the window. */
static void feed_one(struct stage *stage)
{
    stage->now_ms += below(stage, 100);
    if (stage->begun < TRANSFERS && below(stage, 2) == 0) {
        int number = stage->begun++;
        stage->transfers[number] = (struct transfer){.from = below(stage, ACCOUNTS),
                                                     .to = below(stage, ACCOUNTS),
                                                     .amount = 1 + below(stage, 500)};
        feed_half(stage, number, below(stage, 2) == 0);
    } else if (stage->begun > 0) {
        int number = stage->begun - 1 - below(stage, stage->begun < 10 ? stage->begun : 10);
        feed_half(stage, number, true);
        feed_half(stage, number, false);
    }
}

/* ---- the view -------------------------------------------------------------------------------- */

static void check(struct stage *stage)
{
    int64_t total = 0;
    for (int account = 0; account < ACCOUNTS; account++) {
        char key[8];
        struct weir_slice value;
        int64_t wanted = 0;
        for (int i = 0; i < stage->begun; i++) {
            const struct transfer *transfer = &stage->transfers[i];
            if (!transfer->is_debited || !transfer->is_credited) continue;
            if (transfer->from == account) wanted -= transfer->amount;
            if (transfer->to == account) wanted += transfer->amount;
        }
        (void)snprintf(key, sizeof key, "%d", account);
        int rc = weir_test_store_get(stage->test, "balances", weir_text(key), &value);
        int64_t balance = rc == 0 ? (int64_t)weir_load_u64(value.data) : 0;
        ck_assert_int_ge(rc, 0);
        ck_assert_int_eq(balance, wanted);
        total += balance;
    }
    ck_assert_int_eq(total, 0);
}

static void run_and_commit(struct stage *stage)
{
    ck_assert_int_ge(weir_test_run(stage->test), 0);
    ck_assert_int_ge(weir_test_commit(stage->test), 0);
    ck_assert_int_ge(weir_test_run(stage->test), 0);
    ck_assert_int_ge(weir_test_commit(stage->test), 0);
    check(stage);
}

START_TEST(balances_add_up_to_nothing)
{
    static struct stage stage;
    struct weir_error error = {0};
    const char *text = getenv("WEIR_SIM_SEED");
    const uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)_i + 1;
    memset(&stage, 0, sizeof stage);
    stage.random = (struct weir_test_random){seed};
    stage.now_ms = 1000 * 1000;
    const struct weir_streams_options streams = {
        WEIR_STREAMS_OPTIONS_INIT,
        .application_id = "bank",
        .num_stream_threads = 1 + below(&stage, 3),
        .cache_max_bytes = below(&stage, 2) == 0 ? 0 : WEIR_CACHE_OFF,
    };
    const struct weir_test_options options = {WEIR_TEST_OPTIONS_INIT, .seed = seed,
                                              .partition_count = PARTITIONS, .streams = &streams};
    stage.topology = declare(below(&stage, 2) == 0 ? WEIR_STORE_ROCKSDB : WEIR_STORE_MEMORY);
    stage.test = weir_test_new(stage.topology, &options, &error);
    ck_assert_msg(stage.test != NULL, "%s", error.text);
    while (stage.begun < TRANSFERS) {
        for (int i = below(&stage, 12); i >= 0; i--)
            feed_one(&stage);
        if (below(&stage, 2) == 0) ck_assert_int_ge(weir_test_run(stage.test), 0);
        if (below(&stage, 3) == 0) run_and_commit(&stage);
        int how = below(&stage, 12);
        if (how == 0) ck_assert_int_ge(weir_test_restart(stage.test), 0);
        /* What was fed is acknowledged first, and is not what power takes. */
        if (how <= 1) run_and_commit(&stage);
        if (how == 1) ck_assert_int_ge(weir_test_crash(stage.test, true), 0);
        if (how == 2) ck_assert_int_ge(weir_test_run(stage.test), 0);
        if (how == 2) ck_assert_int_ge(weir_test_crash(stage.test, false), 0);
        if (how <= 2) run_and_commit(&stage);
    }
    weir_test_free(stage.test);
    weir_topology_free(stage.topology);
}
END_TEST

static void add_tests(Suite *suite)
{
    TCase *tests = tcase_create("balance");
    tcase_add_loop_test(tests, balances_add_up_to_nothing, 0,
                        getenv("WEIR_SIM_SEED") != NULL ? 1 : SEEDS);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("balance", add_tests);
}
