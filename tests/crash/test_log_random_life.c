#include <stdio.h>
#include <string.h>

#include "tests/unit/broker/log/log_support.h"

/**
 * Long random lives of a log: appends, transactions and their markers, syncs, cuts at both ends, new epochs, restarts, kills and power
 * losses in any order. After every step the log is what the model says; after every crash it is at
 * least what was acknowledged.
 */
enum { SEEDS = 150, STEPS = 80 };

static struct test_log test;
static uint64_t seed;

static uint64_t draw(uint64_t bound)
{
    return weir_sim_random(test.sim) % bound;
}

static struct weir_partition_log_state state(void)
{
    return weir_partition_log_state(test.log);
}

static void expect(bool holds, const char *what)
{
    if (!holds) fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, what);
    ck_assert_msg(holds, "seed %llu: %s", (unsigned long long)seed, what);
}

static void open_log(int64_t start_offset)
{
    ck_ok(test_log_open(&test), &test.error);
    expect(test.recovery.offline_from == -1, "nothing is offline");
    expect(state().end_offset >= test.acked_offset, "what was acknowledged is there");
    expect(state().start_offset == start_offset, "the log start is kept");
    test_log_forget(&test, state().end_offset);
    test.acked_offset = state().end_offset; /* opening made it durable */
}

/* Of one of three producers whose transactions lie in one another; without sequences, as a coordinator writes, for
 * what a crash has taken nobody sends again. */
static void make_transactional(struct test_append *what)
{
    what->has_producer = true;
    what->producer_id = (int64_t)draw(3);
    what->sequence = WEIR_NO_SEQUENCE;
    what->is_transactional = true;
    what->is_marker = draw(3) == 0;
    what->is_commit = draw(2) == 0;
    if (what->is_marker) what->record_count = 1;
}

static void step_append(void)
{
    int count = 1 + (int)draw(4);
    for (int i = 0; i < count && test.batch_count < TEST_BATCHES_MAX; i++) {
        struct test_append what = {
            .record_count = 1 + (int)draw(3),
            .value_size = 1 + (int)draw(150),
        };
        if (draw(2) == 0) make_transactional(&what);
        ck_ok(test_log_append(&test, &what, NULL), &test.error);
    }
}

static void step_truncate(void)
{
    int64_t start = state().start_offset;
    int64_t offset = start + (int64_t)draw((uint64_t)(state().end_offset - start) + 1);
    ck_ok(weir_partition_log_truncate(test.log, offset, &test.error), &test.error);
    expect(state().end_offset <= offset, "the cut is where it was asked for, or a batch below");
    test_log_forget(&test, state().end_offset);
    test.acked_offset = state().end_offset;
}

static void step_set_start(void)
{
    int64_t start = state().start_offset;
    int64_t offset = start + (int64_t)draw((uint64_t)(state().end_offset - start) + 1);
    if (draw(4) == 0) offset = state().end_offset;
    ck_ok(weir_partition_log_set_start(test.log, offset, &test.error), &test.error);
    test.acked_offset = state().durable_offset;
}

static void step_crash(void)
{
    int64_t start = state().start_offset;
    test_log_crash(&test, draw(2) == 0 ? WEIR_SIM_KILL : WEIR_SIM_POWER);
    open_log(start);
}

static void step_restart(void)
{
    int64_t start = state().start_offset;
    int64_t end = state().end_offset;
    ck_ok(test_log_close(&test), &test.error);
    open_log(start);
    expect(test.recovery.was_clean, "a closed log opens clean");
    expect(state().end_offset == end, "a closed log is whole");
}

static void step(void)
{
    switch (draw(12)) {
    case 0:
        step_truncate();
        break;
    case 1:
        step_set_start();
        break;
    case 2:
        ck_ok(weir_partition_log_set_epoch(test.log, state().leader_epoch + 1, NULL), NULL);
        break;
    case 3:
        step_crash();
        break;
    case 4:
        step_restart();
        break;
    case 5:
    case 6:
    case 7:
        ck_ok(test_log_sync(&test), &test.error);
        break;
    default:
        step_append();
        break;
    }
}

static void live(void)
{
    test_log_start(&test, seed);
    test.options.config.segment_bytes = 300 + (int64_t)draw(1500);
    test.options.mark_interval_bytes = 1 + (int64_t)draw(3000);
    test.options.tail_cache_bytes = 1 + draw(2000);
    open_log(0);
    for (int i = 0; i < STEPS; i++) {
        step();
        weir_partition_log_check(test.log);
        test_log_expect_transactions(&test);
        /* From the first batch that begins at or above the start. */
        int64_t from = state().end_offset;
        for (size_t at = test.batch_count; at > 0; at--) {
            if (test.batches[at - 1].base_offset >= state().start_offset) {
                from = test.batches[at - 1].base_offset;
            }
        }
        int64_t end = test_log_expect_from(&test, from, 600);
        if (end != state().end_offset) {
            fprintf(stderr, "step %d: from %lld to %lld of %lld: %s\n", i, (long long)from,
                    (long long)end, (long long)state().end_offset, test.error.text);
        }
        expect(end == state().end_offset, "all can be read");
    }
    test_log_stop(&test);
}

/* Whatever happens in whatever order, the log is what was appended and acknowledged. */
START_TEST(a_random_life_keeps_what_it_acknowledged)
{
    for (seed = 1; seed <= SEEDS; seed++) {
        live();
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("random life");
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, a_random_life_keeps_what_it_acknowledged);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log random life", add);
}
