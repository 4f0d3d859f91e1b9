#include <string.h>

#include "tests/unit/broker/engine_fixture.h"

/* What was produced is fetched again, before and after a clean reopen. */
START_TEST(produced_records_are_fetched_before_and_after_a_reopen)
{
    struct engine engine;
    char value[64];
    engine_init(&engine, 1);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 2), &engine.error);

    ck_assert_int_eq(engine_produce(&engine, "clicks", 1, "a", WEIR_ACKS_ALL), 0);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 1, "b", WEIR_ACKS_ALL), 1);
    ck_assert_int_eq(engine_fetch(&engine, "clicks", 1, 0, value), 0);
    ck_assert_str_eq(value, "a");
    ck_ok(engine_close(&engine), &engine.error);

    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_describe(&engine, "clicks"), 2);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 1), 2);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 0), 0);
    ck_assert_int_eq(engine_fetch(&engine, "clicks", 1, 1, value), 0);
    ck_assert_str_eq(value, "b");
    engine_end(&engine);
}
END_TEST

/* An offset that was committed is there after a power cut, and others are not. */
START_TEST(committed_offsets_survive_a_power_cut)
{
    struct engine engine;
    engine_init(&engine, 2);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    ck_assert_int_eq(engine_committed(&engine, "job", "clicks", 0), -1);
    ck_ok(engine_commit(&engine, "job", "clicks", 0, 41), &engine.error);
    ck_ok(engine_commit(&engine, "job", "clicks", 0, 42), &engine.error);
    ck_assert_int_eq(engine_committed(&engine, "job", "clicks", 0), 42);

    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_committed(&engine, "job", "clicks", 0), 42);
    ck_assert_int_eq(engine_committed(&engine, "other", "clicks", 0), -1);
    engine_end(&engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("engine");
    tcase_add_test(tests, produced_records_are_fetched_before_and_after_a_reopen);
    tcase_add_test(tests, committed_offsets_survive_a_power_cut);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("engine", add);
}
