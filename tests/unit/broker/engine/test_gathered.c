/*
 * What users append to a partition in one turn of its shard goes to the log with one write. Nobody can tell but by
 * counting: offsets, refusals and repeats are as if each had come by itself.
 */
#include "base/error.h"
#include "broker/broker_internal.h"
#include "broker/log/partition_log.h"
#include "tests/unit/broker/engine/engine_fixture.h"

enum { MANY = 2 * WEIR_APPEND_ALL_MAX + 3 };

/* A topic whose log is open, so that what comes is not held up by that; one record is in it. */
static void begin_with(struct engine *engine, const char *flush_policy, const char *segment_bytes)
{
    struct weir_config_entry configs[] = {{.key = "flush.policy", .value = flush_policy},
                                          {.key = "segment.bytes", .value = segment_bytes}};
    struct weir_topic_request create = {.operation = WEIR_TOPIC_CREATE,
                                        .topic = weir_text("clicks"),
                                        .partition_count = 1,
                                        .configs = configs,
                                        .config_count = 2};
    engine_init(engine, 1);
    ck_ok(engine_open(engine), &engine->error);
    ck_ok(engine_topic(engine, &create), &engine->error);
    ck_assert_int_eq(engine_produce(engine, "clicks", 0, "first", WEIR_ACKS_LEADER), 0);
}

static void begin(struct engine *engine, const char *flush_policy)
{
    begin_with(engine, flush_policy, "1048576");
}

static void end(struct engine *engine)
{
    ck_ok(engine_close(engine), &engine->error);
    engine_end(engine);
}

static void send(struct engine *engine, struct weir_produce_request *produce,
                 struct weir_shared *batch)
{
    *produce = (struct weir_produce_request){.to = {weir_text("clicks"), 0},
                                             .batches = batch,
                                             .acks = WEIR_ACKS_LEADER,
                                             .walk_records = true};
    ck_ok(weir_broker_wait_begin(engine->broker, &produce->request, NULL), NULL);
    weir_broker_produce(engine->broker, produce);
}

static int answer(struct engine *engine, struct weir_produce_request *produce)
{
    int rc = weir_broker_wait(engine->broker, &produce->request, NULL);
    weir_shared_unref(produce->batches);
    return rc;
}

static int64_t end_offset(struct engine *engine)
{
    return engine_describe_partition(engine, "clicks", 0).state.end_offset;
}

START_TEST(the_appends_of_a_turn_are_one_write)
{
    struct engine engine;
    struct weir_produce_request produces[5];
    char value[64];
    begin(&engine, "os");
    weir_sim_disk_count_reset(engine.sim, 0);
    for (int i = 0; i < 5; i++) {
        const char text[] = {(char)('a' + i), '\0'};
        send(&engine, &produces[i], engine_batch(&engine, text));
    }
    for (int i = 0; i < 5; i++) {
        ck_ok(answer(&engine, &produces[i]), &produces[i].request.error);
        ck_assert_int_eq(produces[i].base_offset, 1 + i);
        ck_assert_int_eq(produces[i].last_offset, 1 + i);
    }
    ck_assert_uint_eq(weir_sim_disk_count(engine.sim, 0), 1);
    for (int i = 0; i < 5; i++) {
        ck_ok(engine_fetch(&engine, "clicks", 0, 1 + i, value), &engine.error);
        ck_assert_int_eq(value[0], 'a' + i);
    }
    end(&engine);
}
END_TEST

START_TEST(more_than_go_together_are_appended_in_order)
{
    struct engine engine;
    struct weir_produce_request produces[MANY];
    begin(&engine, "group");
    for (int i = 0; i < MANY; i++)
        send(&engine, &produces[i], engine_batch(&engine, "x"));
    for (int i = 0; i < MANY; i++) {
        ck_ok(answer(&engine, &produces[i]), &produces[i].request.error);
        ck_assert_int_eq(produces[i].base_offset, 1 + i);
    }
    end(&engine);
}
END_TEST

/* The damaged one is refused, and leaves no hole. */
START_TEST(what_is_not_sound_stays_out)
{
    struct engine engine;
    struct weir_produce_request produces[4];
    begin(&engine, "os");
    for (int i = 0; i < 4; i++) {
        struct weir_shared *batch = engine_batch(&engine, "x");
        if (i == 1) batch->data[batch->size - 1] ^= 1;
        send(&engine, &produces[i], batch);
    }
    ck_ok(answer(&engine, &produces[0]), &produces[0].request.error);
    ck_code(answer(&engine, &produces[1]), WEIR_CORRUPT);
    ck_ok(answer(&engine, &produces[2]), &produces[2].request.error);
    ck_ok(answer(&engine, &produces[3]), &produces[3].request.error);
    ck_assert_int_eq(produces[2].base_offset, 2);
    ck_assert_int_eq(produces[3].base_offset, 3);
    end(&engine);
}
END_TEST

/* Two producers take turns, one of them repeats a batch and leaves one out. */
START_TEST(sequences_hold_among_them)
{
    static const struct {
        int64_t id;
        int32_t sequence;
        int rc;
        int64_t offset;
        bool is_duplicate;
    } sends[] = {
        {7, 1, 0, 3, false},
        {8, 1, 0, 4, false},
        {7, 2, 0, 5, false},
        {7, 1, 0, 3, true},
        {8, 3, WEIR_OUT_OF_ORDER_SEQUENCE, 0, false},
        {8, 2, 0, 6, false},
    };
    enum { COUNT = sizeof sends / sizeof sends[0] };
    struct engine engine;
    struct weir_produce_request produces[COUNT];
    begin(&engine, "os");
    for (int i = 0; i < 2; i++) {
        send(&engine, &produces[i], engine_producer_batch(&engine, "x", 7 + i, 0));
        ck_ok(answer(&engine, &produces[i]), &produces[i].request.error);
    }
    weir_sim_disk_count_reset(engine.sim, 0);
    for (int i = 0; i < 3; i++)
        send(&engine, &produces[i],
             engine_producer_batch(&engine, "x", sends[i].id, sends[i].sequence));
    for (int i = 0; i < 3; i++) {
        ck_ok(answer(&engine, &produces[i]), &produces[i].request.error);
        ck_assert_int_eq(produces[i].base_offset, sends[i].offset);
    }
    ck_assert_uint_eq(weir_sim_disk_count(engine.sim, 0), 1);
    for (int i = 3; i < COUNT; i++)
        send(&engine, &produces[i],
             engine_producer_batch(&engine, "x", sends[i].id, sends[i].sequence));
    for (int i = 3; i < COUNT; i++) {
        int rc = answer(&engine, &produces[i]);
        ck_assert_int_eq(rc, sends[i].rc);
        if (rc < 0) continue;
        ck_assert_int_eq(produces[i].base_offset, sends[i].offset);
        ck_assert(produces[i].is_duplicate == sends[i].is_duplicate);
    }
    ck_assert_int_eq(end_offset(&engine), 7);
    end(&engine);
}
END_TEST

/* None of them is there, and all may come again. */
START_TEST(a_full_disk_takes_none_of_them)
{
    struct engine engine;
    struct weir_produce_request produces[3];
    begin(&engine, "os");
    for (int round = 0; round < 2; round++) {
        weir_sim_disk_limit(engine.sim, 0, round == 0 ? 100 : 0);
        for (int i = 0; i < 3; i++)
            send(&engine, &produces[i], engine_batch(&engine, "x"));
        for (int i = 0; i < 3; i++) {
            int rc = answer(&engine, &produces[i]);
            if (round == 0) ck_code(rc, WEIR_NO_SPACE);
            if (round == 1) ck_ok(rc, &produces[i].request.error);
        }
        ck_assert_int_eq(end_offset(&engine), round == 0 ? 1 : 4);
    }
    end(&engine);
}
END_TEST

/* What is asked behind them in the same turn sees them. */
START_TEST(the_next_question_finds_them)
{
    struct engine engine;
    struct weir_produce_request produces[2];
    begin(&engine, "os");
    for (int i = 0; i < 2; i++)
        send(&engine, &produces[i], engine_batch(&engine, "x"));
    ck_assert_int_eq(end_offset(&engine), 3);
    for (int i = 0; i < 2; i++)
        ck_ok(answer(&engine, &produces[i]), &produces[i].request.error);
    end(&engine);
}
END_TEST

/* A worker has the log meanwhile: readers that wait are not given anything of it before it is back. */
START_TEST(a_new_segment_comes_between_them)
{
    struct engine engine;
    struct weir_produce_request produces[3];
    struct weir_fetch_request fetch = {.from = {weir_text("clicks"), 0},
                                       .offset = 1,
                                       .size_min = 1,
                                       .size_max = 1000,
                                       .deadline = WEIR_MONO_NEVER};
    char value[64];
    begin_with(&engine, "os", "150");
    ck_ok(weir_broker_wait_begin(engine.broker, &fetch.request, NULL), NULL);
    weir_broker_fetch(engine.broker, &fetch);
    weir_sim_advance_ms(engine.sim, 10);
    ck_assert(!atomic_load(&fetch.request.is_done));
    for (int i = 0; i < 3; i++) {
        const char text[] = {(char)('a' + i), '\0'};
        send(&engine, &produces[i], engine_batch(&engine, text));
    }
    for (int i = 0; i < 3; i++) {
        ck_ok(answer(&engine, &produces[i]), &produces[i].request.error);
        ck_assert_int_eq(produces[i].base_offset, 1 + i);
    }
    ck_ok(weir_broker_wait(engine.broker, &fetch.request, NULL), &fetch.request.error);
    engine_first_value(&fetch, value);
    ck_assert_str_eq(value, "a");
    weir_fetch_release(&fetch);
    ck_assert_int_eq(engine_describe_partition(&engine, "clicks", 0).state.segment_count, 2);
    end(&engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("gathered");
    tcase_add_test(tests, the_appends_of_a_turn_are_one_write);
    tcase_add_test(tests, more_than_go_together_are_appended_in_order);
    tcase_add_test(tests, what_is_not_sound_stays_out);
    tcase_add_test(tests, sequences_hold_among_them);
    tcase_add_test(tests, a_full_disk_takes_none_of_them);
    tcase_add_test(tests, the_next_question_finds_them);
    tcase_add_test(tests, a_new_segment_comes_between_them);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("gathered", add);
}
