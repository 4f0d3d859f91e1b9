#include <stdio.h>
#include <string.h>

#include "tests/unit/broker/engine/engine_fixture.h"

static void open_with_topic(struct engine *engine, uint64_t seed, int32_t partition_count)
{
    engine_init(engine, seed);
    ck_ok(engine_open(engine), &engine->error);
    ck_ok(engine_create(engine, "clicks", partition_count), &engine->error);
}

/* ---- produce and fetch ----------------------------------------------------------------------- */

/* What was produced is fetched again, before and after a clean reopen. */
START_TEST(produced_records_are_fetched_before_and_after_a_reopen)
{
    struct engine engine;
    char value[64];
    open_with_topic(&engine, 1, 2);
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

/* acks=all is answered after the flush: whatever power cut follows the answer, the record is there.
 */
START_TEST(acks_all_survives_a_power_cut)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct engine engine;
        char value[64];
        open_with_topic(&engine, seed, 1);
        ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "kept", WEIR_ACKS_ALL), 0);
        (void)engine_produce(&engine, "clicks", 0, "maybe", WEIR_ACKS_LEADER);
        engine_crash(&engine, WEIR_SIM_POWER);

        ck_ok(engine_open(&engine), &engine.error);
        ck_assert_int_eq(engine_fetch(&engine, "clicks", 0, 0, value), 0);
        ck_assert_str_eq(value, "kept");
        ck_assert_int_le(engine_latest(&engine, "clicks", 0), 2);
        engine_end(&engine);
    }
}
END_TEST

/* Readers see no further than the flush; a task of the same job may read to the end. */
START_TEST(readers_stop_at_the_high_watermark)
{
    struct engine engine;
    open_with_topic(&engine, 3, 1);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_LEADER), 0);
    struct weir_partition_state_request state = engine_describe_partition(&engine, "clicks", 0);
    ck_assert_int_eq(state.state.end_offset, 1);
    ck_assert_int_le(state.high_watermark, state.state.durable_offset);

    struct weir_fetch_request fetch = {
        .from = {weir_text("clicks"), 0}, .size_max = 100, .read_uncommitted_end = true};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &fetch.request, NULL), 0);
    weir_broker_fetch(engine.broker, &fetch);
    ck_ok(weir_broker_wait(engine.broker, &fetch.request, &engine.error), &engine.error);
    ck_assert_uint_gt(fetch.size, 0);
    weir_fetch_release(&fetch);
    engine_end(&engine);
}
END_TEST

/* With flush.policy=os nobody waits for the disk, and readers follow the end. */
START_TEST(flush_policy_os_answers_after_the_write)
{
    struct engine engine;
    struct weir_config_entry config = {.key = "flush.policy", .value = "os"};
    engine_init(&engine, 4);
    ck_ok(engine_open(&engine), &engine.error);
    struct weir_topic_request create = {.operation = WEIR_TOPIC_CREATE,
                                        .topic = weir_text("clicks"),
                                        .partition_count = 1,
                                        .configs = &config,
                                        .config_count = 1};
    ck_ok(engine_topic(&engine, &create), &engine.error);
    ck_assert_int_eq(create.config.flush_policy, WEIR_FLUSH_OS);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    struct weir_partition_state_request state = engine_describe_partition(&engine, "clicks", 0);
    ck_assert_int_eq(state.high_watermark, 1);
    ck_assert_int_eq(state.state.durable_offset, 0);

    weir_sim_advance_ms(engine.sim, 5000); /* and in the background it is synced all the same */
    state = engine_describe_partition(&engine, "clicks", 0);
    ck_assert_int_eq(state.state.durable_offset, 1);
    engine_end(&engine);
}
END_TEST

/* Whatever users chose for the log or, past the door, for the topic: a commit that was answered is on
 * the disk, and a loss of power at once takes nothing of it. */
START_TEST(the_engines_own_topics_are_flushed_whatever_the_policy)
{
    struct engine engine;
    struct weir_config_entry config = {.key = "flush.policy", .value = "os"};
    engine_init(&engine, 30 + (uint64_t)_i);
    engine.options.topic_defaults.flush_policy = WEIR_FLUSH_OS;
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    for (int64_t offset = 1; offset <= 20; offset++) {
        ck_ok(engine_commit(&engine, "job", "clicks", 0, offset), &engine.error);
        struct weir_topic_request alter = {.operation = WEIR_TOPIC_ALTER_CONFIG,
                                           .topic = weir_text("__consumer_offsets"),
                                           .configs = &config,
                                           .config_count = 1,
                                           .is_internal = true};
        if (offset == 1) ck_ok(engine_topic(&engine, &alter), &engine.error);
        ck_assert_int_eq(engine_describe(&engine, "__consumer_offsets"), 1);
        struct weir_partition_state_request state =
            engine_describe_partition(&engine, "__consumer_offsets", 0);
        ck_assert_int_eq(state.state.durable_offset, state.state.end_offset);
        engine_crash(&engine, WEIR_SIM_POWER);
        ck_ok(engine_open(&engine), &engine.error);
        ck_assert_int_eq(engine_committed(&engine, "job", "clicks", 0), offset);
    }
    engine_end(&engine);
}
END_TEST

/* A producer's batch that is sent again is stored once and answered with its first offset. */
START_TEST(a_duplicate_is_stored_once)
{
    struct engine engine;
    open_with_topic(&engine, 5, 1);
    int64_t id = engine_producer_id(&engine);
    for (int i = 0; i < 2; i++) {
        struct weir_produce_request request = {
            .to = {weir_text("clicks"), 0},
            .batches = engine_producer_batch(&engine, "once", id, 0),
            .acks = WEIR_ACKS_ALL,
        };
        ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &request.request, NULL), 0);
        weir_broker_produce(engine.broker, &request);
        ck_ok(weir_broker_wait(engine.broker, &request.request, &engine.error), &engine.error);
        ck_assert_int_eq(request.base_offset, 0);
        ck_assert_int_eq(request.is_duplicate, i == 1);
        weir_shared_unref(request.batches);
    }
    ck_assert_int_eq(engine_latest(&engine, "clicks", 0), 1);
    engine_end(&engine);
}
END_TEST

/* A batch with a wrong crc is refused, and nothing is stored. */
START_TEST(a_damaged_batch_is_refused)
{
    struct engine engine;
    open_with_topic(&engine, 6, 1);
    struct weir_produce_request request = {
        .to = {weir_text("clicks"), 0},
        .batches = engine_batch(&engine, "good"),
        .acks = WEIR_ACKS_ALL,
    };
    request.batches->data[request.batches->size - 2] ^= 1;
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &request.request, NULL), 0);
    weir_broker_produce(engine.broker, &request);
    ck_assert_int_eq(weir_broker_wait(engine.broker, &request.request, NULL), WEIR_CORRUPT);
    weir_shared_unref(request.batches);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 0), 0);
    engine_end(&engine);
}
END_TEST

/* Users do not write to the engine's topics, and unknown ones are named. */
START_TEST(internal_and_unknown_topics_are_refused)
{
    struct engine engine;
    open_with_topic(&engine, 7, 1);
    ck_assert_int_eq(engine_produce(&engine, "__cluster_metadata", 0, "x", WEIR_ACKS_ALL),
                     WEIR_INVALID_TOPIC);
    ck_assert_int_eq(engine_produce(&engine, "__consumer_offsets", 0, "x", WEIR_ACKS_ALL),
                     WEIR_INVALID_TOPIC);
    ck_assert_int_eq(engine_produce(&engine, "nowhere", 0, "x", WEIR_ACKS_ALL),
                     WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_ptr_nonnull(strstr(engine.error.text, "nowhere"));
    ck_assert_int_eq(engine_produce(&engine, "clicks", 1, "x", WEIR_ACKS_ALL),
                     WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(engine_produce(&engine, "clicks", -1, "x", WEIR_ACKS_ALL),
                     WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(engine_create(&engine, "__mine", 1), WEIR_INVALID_TOPIC);
    ck_assert_int_eq(engine_create(&engine, "a/b", 1), WEIR_INVALID_TOPIC);
    ck_assert_int_eq(engine_create(&engine, "clicks", 1), WEIR_EXISTS);
    ck_assert_int_eq(engine_create(&engine, "huge", 1 << 30), WEIR_INVALID_PARTITIONS);
    engine_end(&engine);
}
END_TEST

/* With auto.create.topics.enable the first produce creates the topic, with num.partitions. */
START_TEST(auto_create_makes_the_topic_on_produce_only)
{
    struct engine engine;
    char value[64];
    engine_init(&engine, 8);
    engine.options.auto_create_topics = true;
    engine.options.num_partitions = 3;
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_fetch(&engine, "clicks", 0, 0, value), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 2, "a", WEIR_ACKS_ALL), 0);
    ck_assert_int_eq(engine_describe(&engine, "clicks"), 3);
    ck_assert_int_eq(engine_produce(&engine, "bad name", 0, "a", WEIR_ACKS_ALL),
                     WEIR_INVALID_TOPIC);
    engine_end(&engine);
}
END_TEST

/* ---- waiting fetches ------------------------------------------------------------------------- */

static void note_done(struct weir_request *request)
{
    ++*(int *)request->context;
}

struct waiting {
    struct weir_fetch_request fetch;
    int done_count;
};

static void begin_waiting(struct engine *engine, struct waiting *waiting, size_t size_min,
                          int64_t wait_ms)
{
    *waiting = (struct waiting){
        .fetch = {.from = {weir_text("clicks"), 0},
                  .size_max = 1 << 20,
                  .size_min = size_min,
                  .deadline = weir_mono_after_ms(weir_mono_now(engine->env), wait_ms)},
    };
    waiting->fetch.request.done = note_done;
    waiting->fetch.request.context = &waiting->done_count;
    weir_broker_fetch(engine->broker, &waiting->fetch);
    weir_sim_advance_ms(engine->sim, 50);
    ck_assert_int_eq(waiting->done_count, 0);
}

/* A fetch that waits is answered by the append that it waits for, long before its deadline. */
START_TEST(a_waiting_fetch_is_woken_by_an_append)
{
    struct engine engine;
    struct waiting waiting;
    char value[64];
    open_with_topic(&engine, 9, 1);
    begin_waiting(&engine, &waiting, 1, 3600000);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "news", WEIR_ACKS_ALL), 0);
    weir_sim_advance_ms(engine.sim, 100);
    ck_assert_int_eq(waiting.done_count, 1);
    ck_assert_int_eq(waiting.fetch.request.rc, 0);
    engine_first_value(&waiting.fetch, value);
    ck_assert_str_eq(value, "news");
    ck_assert_int_eq(waiting.fetch.high_watermark, 1);
    weir_fetch_release(&waiting.fetch);
    engine_end(&engine);
}
END_TEST

/* A fetch that wants more than one batch waits for as many bytes as it asked for. */
START_TEST(a_waiting_fetch_gathers_its_minimum)
{
    struct engine engine;
    struct waiting waiting;
    open_with_topic(&engine, 10, 1);
    begin_waiting(&engine, &waiting, 200, 3600000);
    for (int i = 0; waiting.done_count == 0; i++) {
        ck_assert_int_lt(i, 10);
        ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "0123456789", WEIR_ACKS_ALL), i);
        weir_sim_advance_ms(engine.sim, 100);
    }
    ck_assert_uint_ge(waiting.fetch.size, 200);
    ck_assert_uint_lt(waiting.fetch.size, 300);
    weir_fetch_release(&waiting.fetch);
    engine_end(&engine);
}
END_TEST

/* What arrives while a worker reads for a fetch counts for it: it does not wait for more again. Over
 * many seeds, so that it arrives before, within and after. */
START_TEST(an_append_during_a_cold_read_is_not_missed)
{
    struct engine engine;
    struct weir_config_entry config = {.key = "flush.policy", .value = "os"};
    engine_init(&engine, 100 + (uint64_t)_i);
    ck_ok(engine_open(&engine), &engine.error);
    struct weir_topic_request create = {.operation = WEIR_TOPIC_CREATE,
                                        .topic = weir_text("clicks"),
                                        .partition_count = 1,
                                        .configs = &config,
                                        .config_count = 1};
    ck_ok(engine_topic(&engine, &create), &engine.error);
    struct weir_shared *batch = engine_batch(&engine, "0");
    size_t size = batch->size;
    weir_shared_unref(batch);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "0", WEIR_ACKS_ALL), 0);
    ck_ok(engine_close(&engine), &engine.error); /* now nothing is in memory */
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 0), 1);
    struct waiting waiting = {
        .fetch = {.from = {weir_text("clicks"), 0},
                  .size_max = 1 << 20,
                  .size_min = 2 * size,
                  .deadline = WEIR_MONO_NEVER,
                  .request = {.done = note_done, .context = &waiting.done_count}}};
    weir_broker_fetch(engine.broker, &waiting.fetch);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "1", WEIR_ACKS_ALL), 1);
    weir_sim_advance_ms(engine.sim, 10000);
    ck_assert_int_eq(waiting.done_count, 1);
    ck_assert_uint_eq(waiting.fetch.size, 2 * size);
    weir_fetch_release(&waiting.fetch);
    engine_end(&engine);
}
END_TEST

/* At its deadline a fetch is answered with what there is: nothing, and that is no error. */
START_TEST(a_waiting_fetch_ends_at_its_deadline)
{
    struct engine engine;
    struct waiting waiting;
    open_with_topic(&engine, 11, 1);
    begin_waiting(&engine, &waiting, 1, 500);
    weir_sim_advance_ms(engine.sim, 400);
    ck_assert_int_eq(waiting.done_count, 0);
    weir_sim_advance_ms(engine.sim, 200);
    ck_assert_int_eq(waiting.done_count, 1);
    ck_assert_int_eq(waiting.fetch.request.rc, 0);
    ck_assert_uint_eq(waiting.fetch.size, 0);
    engine_end(&engine);
}
END_TEST

/* A cancelled fetch is answered once, and so is one whose answer was on its way already. */
START_TEST(a_cancelled_fetch_is_answered_once)
{
    struct engine engine;
    struct waiting waiting;
    open_with_topic(&engine, 12, 1);
    begin_waiting(&engine, &waiting, 1, 3600000);
    weir_broker_cancel_fetch(engine.broker, &waiting.fetch);
    weir_sim_advance_ms(engine.sim, 50);
    ck_assert_int_eq(waiting.done_count, 1);
    ck_assert_int_eq(waiting.fetch.request.rc, WEIR_CLOSED);

    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    waiting.done_count = 0;
    waiting.fetch.request.done = note_done;
    weir_broker_fetch(engine.broker, &waiting.fetch); /* its answer is there at once */
    weir_broker_cancel_fetch(engine.broker, &waiting.fetch);
    weir_sim_advance_ms(engine.sim, 50);
    ck_assert_int_eq(waiting.done_count, 1);
    weir_fetch_release(&waiting.fetch);
    engine_end(&engine);
}
END_TEST

/* Closing answers a fetch that waits, and the close does not wait for its deadline. */
START_TEST(close_answers_waiting_fetches)
{
    struct engine engine;
    struct waiting waiting;
    open_with_topic(&engine, 13, 1);
    begin_waiting(&engine, &waiting, 1, 3600000);
    int64_t before_ns = weir_sim_now_ns(engine.sim);
    ck_ok(engine_close(&engine), &engine.error);
    ck_assert_int_eq(waiting.done_count, 1);
    ck_assert_int_eq(waiting.fetch.request.rc, WEIR_CLOSED);
    ck_assert_int_lt(weir_sim_now_ns(engine.sim) - before_ns, 1000000000);
    engine_end(&engine);
}
END_TEST

/* Nobody waits for the flush of acks=1, and a close right behind it still ends in order. */
START_TEST(close_ends_in_order_with_a_flush_on_its_way)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct engine engine;
        open_with_topic(&engine, seed, 4);
        for (int32_t i = 0; i < 4; i++) {
            ck_assert_int_eq(engine_produce(&engine, "clicks", i, "a", WEIR_ACKS_LEADER), 0);
        }
        ck_ok(engine_close(&engine), &engine.error);
        ck_ok(engine_open(&engine), &engine.error);
        ck_assert_int_eq(engine_latest(&engine, "clicks", 3), 1);
        ck_assert_int_eq(engine_describe_partition(&engine, "clicks", 3).state.leader_epoch, 0);
        engine_end(&engine);
    }
}
END_TEST

/* ---- topics ---------------------------------------------------------------------------------- */

/* A deleted topic is gone with its folders; one of the same name starts empty, with another id. */
START_TEST(a_deleted_topic_starts_afresh)
{
    struct engine engine;
    char value[64];
    open_with_topic(&engine, 14, 2);
    uint64_t fresh = weir_sim_disk_hash(engine.sim, 0, ENGINE_PATH "/log/clicks-0");
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "old", WEIR_ACKS_ALL), 0);
    ck_ok(engine_delete(&engine, "clicks"), &engine.error);
    ck_assert_int_eq(engine_describe(&engine, "clicks"), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(engine_fetch(&engine, "clicks", 0, 0, value), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_uint_eq(weir_sim_disk_hash(engine.sim, 0, ENGINE_PATH "/log/clicks-0"), fresh);
    ck_assert_int_eq(engine_delete(&engine, "clicks"), WEIR_UNKNOWN_TOPIC_OR_PARTITION);

    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    ck_assert_int_eq(engine_fetch(&engine, "clicks", 0, 0, value), WEIR_END);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "new", WEIR_ACKS_ALL), 0);
    engine_end(&engine);
}
END_TEST

/* A topic is deleted under a fetch that waits and a create that follows at once: the fetch is told,
 * the create comes after the folders are gone. */
START_TEST(a_create_behind_a_delete_waits_for_it)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct engine engine;
        struct waiting waiting;
        char value[64];
        int done_count = 0;
        open_with_topic(&engine, seed, 2);
        ck_assert_int_eq(engine_produce(&engine, "clicks", 1, "old", WEIR_ACKS_ALL), 0);
        begin_waiting(&engine, &waiting, 1, 3600000);
        struct weir_topic_request requests[2] = {
            {.operation = WEIR_TOPIC_DELETE, .topic = weir_text("clicks")},
            {.operation = WEIR_TOPIC_CREATE, .topic = weir_text("clicks"), .partition_count = 4},
        };
        for (int i = 0; i < 2; i++) {
            requests[i].request.done = note_done;
            requests[i].request.context = &done_count;
            weir_broker_topic(engine.broker, &requests[i]);
        }
        weir_sim_advance_ms(engine.sim, 200);
        ck_assert_int_eq(done_count, 2);
        ck_assert_int_eq(requests[0].request.rc, 0);
        ck_assert_int_eq(requests[1].request.rc, 0);
        ck_assert_int_eq(waiting.done_count, 1);
        ck_assert_int_eq(waiting.fetch.request.rc, WEIR_UNKNOWN_TOPIC_OR_PARTITION);
        ck_assert_int_eq(engine_describe(&engine, "clicks"), 4);
        ck_assert_int_eq(engine_fetch(&engine, "clicks", 1, 0, value), WEIR_END);
        engine_end(&engine);
    }
}
END_TEST

/* A changed configuration reaches the open log, survives a reopen, and a reset brings the default.
 */
START_TEST(alter_reaches_open_logs_and_lasts)
{
    struct engine engine;
    open_with_topic(&engine, 15, 1);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    struct weir_config_entry config = {.key = "max.message.bytes", .value = "100"};
    struct weir_topic_request alter = {.operation = WEIR_TOPIC_ALTER_CONFIG,
                                       .topic = weir_text("clicks"),
                                       .configs = &config,
                                       .config_count = 1};
    ck_ok(engine_topic(&engine, &alter), &engine.error);
    const char *large = "0123456789012345678901234567890123456789012345678901234567890";
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, large, WEIR_ACKS_ALL), WEIR_TOO_LARGE);
    ck_ok(engine_close(&engine), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, large, WEIR_ACKS_ALL), WEIR_TOO_LARGE);

    config.value = NULL;
    ck_ok(engine_topic(&engine, &alter), &engine.error);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, large, WEIR_ACKS_ALL), 1);
    config = (struct weir_config_entry){.key = "retention.sm", .value = "1"};
    ck_assert_int_eq(engine_topic(&engine, &alter), WEIR_INVALID_CONFIG);
    ck_assert_ptr_nonnull(strstr(engine.error.text, "retention.sm"));
    engine_end(&engine);
}
END_TEST

/* Partitions can be added, not taken away; a dry run changes nothing. */
START_TEST(partitions_are_added)
{
    struct engine engine;
    open_with_topic(&engine, 16, 2);
    struct weir_topic_request more = {.operation = WEIR_TOPIC_ADD_PARTITIONS,
                                      .topic = weir_text("clicks"),
                                      .partition_count = 5,
                                      .validate_only = true};
    ck_ok(engine_topic(&engine, &more), &engine.error);
    ck_assert_int_eq(engine_describe(&engine, "clicks"), 2);
    more.partition_count = 5;
    more.validate_only = false;
    ck_ok(engine_topic(&engine, &more), &engine.error);
    ck_assert_int_eq(engine_describe(&engine, "clicks"), 5);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 4, "a", WEIR_ACKS_ALL), 0);
    more.partition_count = 3;
    ck_assert_int_eq(engine_topic(&engine, &more), WEIR_INVALID_PARTITIONS);
    engine_end(&engine);
}
END_TEST

/* Topics are listed in order of name. */
START_TEST(topics_are_listed_by_name)
{
    struct engine engine;
    struct weir_arena arena;
    open_with_topic(&engine, 17, 2);
    ck_ok(engine_create(&engine, "alpha", 1), &engine.error);
    ck_ok(engine_commit(&engine, "job", "alpha", 0, 1), &engine.error);
    weir_arena_init(&arena, engine.env->budget, 0);
    struct weir_list_topics_request list = {.arena = &arena};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &list.request, NULL), 0);
    weir_broker_list_topics(engine.broker, &list);
    ck_ok(weir_broker_wait(engine.broker, &list.request, &engine.error), &engine.error);
    ck_assert_uint_eq(list.topic_count, 3);
    ck_assert(weir_slice_equal(list.topics[0].name, weir_text("__consumer_offsets")));
    ck_assert(list.topics[0].is_internal);
    ck_assert(weir_slice_equal(list.topics[1].name, weir_text("alpha")));
    ck_assert(weir_slice_equal(list.topics[2].name, weir_text("clicks")));
    ck_assert_int_eq(list.topics[2].partition_count, 2);
    weir_arena_close(&arena);
    engine_end(&engine);
}
END_TEST

/* ---- cutting and epochs ---------------------------------------------------------------------- */

static int cut(struct engine *engine, enum weir_cut what, int64_t offset,
               struct weir_cut_request *request)
{
    *request = (struct weir_cut_request){
        .partition = {weir_text("clicks"), 0}, .what = what, .offset = offset};
    ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &request->request, NULL), 0);
    weir_broker_cut(engine->broker, request);
    return weir_broker_wait(engine->broker, &request->request, &engine->error);
}

/* Cutting the tail takes the records away, raises the epoch of this partition alone, and lasts. */
START_TEST(a_cut_tail_is_gone_and_raises_the_epoch)
{
    struct engine engine;
    struct weir_cut_request request;
    open_with_topic(&engine, 18, 2);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), i);
    }
    ck_assert_int_eq(engine_produce(&engine, "clicks", 1, "a", WEIR_ACKS_ALL), 0);
    ck_ok(cut(&engine, WEIR_CUT_TAIL, 2, &request), &engine.error);
    ck_assert_int_eq(request.end_offset, 2);
    ck_assert_int_eq(request.leader_epoch, 1);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 0), 2);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "b", WEIR_ACKS_ALL), 2);
    ck_assert_int_eq(cut(&engine, WEIR_CUT_TAIL, 9, &request), WEIR_OFFSET_OUT_OF_RANGE);

    ck_ok(engine_close(&engine), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_describe_partition(&engine, "clicks", 0).state.leader_epoch, 1);
    ck_assert_int_eq(engine_describe_partition(&engine, "clicks", 1).state.leader_epoch, 0);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 0), 3);
    ck_ok(cut(&engine, WEIR_CUT_HEAD, 2, &request), &engine.error);
    ck_assert_int_eq(engine_describe_partition(&engine, "clicks", 0).state.start_offset, 2);
    ck_assert_int_eq(engine_describe_partition(&engine, "clicks", 0).state.leader_epoch, 1);
    engine_end(&engine);
}
END_TEST

/* An unclean stop raises every epoch by one; a clean one raises none. */
START_TEST(an_unclean_stop_raises_every_epoch_once)
{
    struct engine engine;
    open_with_topic(&engine, 19, 2);
    ck_ok(engine_close(&engine), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_describe_partition(&engine, "clicks", 0).state.leader_epoch, 0);
    engine_crash(&engine, WEIR_SIM_KILL);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_describe_partition(&engine, "clicks", 0).state.leader_epoch, 1);
    ck_ok(engine_create(&engine, "later", 1), &engine.error);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_close(&engine), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_describe_partition(&engine, "clicks", 1).state.leader_epoch, 2);
    ck_assert_int_eq(engine_describe_partition(&engine, "later", 0).state.leader_epoch, 1);
    engine_end(&engine);
}
END_TEST

/* A power cut right after a clean open is an unclean stop: the mark of the clean one must not come
 * back with the directory's old entries. */
START_TEST(a_clean_mark_does_not_come_back)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct engine engine;
        open_with_topic(&engine, seed, 1);
        ck_ok(engine_close(&engine), &engine.error);
        ck_ok(engine_open(&engine), &engine.error);
        engine_crash(&engine, WEIR_SIM_POWER);
        ck_ok(engine_open(&engine), &engine.error);
        ck_assert_int_eq(engine_describe_partition(&engine, "clicks", 0).state.leader_epoch, 1);
        engine_end(&engine);
    }
}
END_TEST

/* ---- producer ids ---------------------------------------------------------------------------- */

/* No producer id is given twice, over fifty crashes of both kinds. */
START_TEST(producer_ids_are_unique_over_crashes)
{
    struct engine engine;
    int64_t last = -1;
    engine_init(&engine, 20);
    for (int i = 0; i < 50; i++) {
        ck_ok(engine_open(&engine), &engine.error);
        for (int j = 0; j < 3; j++) {
            int64_t id = engine_producer_id(&engine);
            ck_assert_int_gt(id, last);
            last = id;
        }
        engine_crash(&engine, i % 2 == 0 ? WEIR_SIM_POWER : WEIR_SIM_KILL);
    }
    weir_sim_free(engine.sim);
}
END_TEST

/* ---- committed offsets ----------------------------------------------------------------------- */

/* An offset that was committed is there after a power cut, and others are not. */
START_TEST(committed_offsets_survive_a_power_cut)
{
    struct engine engine;
    open_with_topic(&engine, 21, 1);
    ck_assert_int_eq(engine_committed(&engine, "job", "clicks", 0), -1);
    ck_ok(engine_commit(&engine, "job", "clicks", 0, 41), &engine.error);
    ck_ok(engine_commit(&engine, "job", "clicks", 0, 42), &engine.error);
    ck_assert_int_eq(engine_committed(&engine, "job", "clicks", 0), 42);
    ck_assert_int_eq(engine_commit(&engine, "job", "clicks", 1, 1),
                     WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(engine_commit(&engine, "", "clicks", 0, 1), WEIR_INVALID_ARGUMENT);
    ck_assert_int_eq(engine_commit(&engine, "job", "clicks", 0, -5), WEIR_INVALID_ARGUMENT);

    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_committed(&engine, "job", "clicks", 0), 42);
    ck_assert_int_eq(engine_committed(&engine, "other", "clicks", 0), -1);
    engine_end(&engine);
}
END_TEST

/* A commit of several partitions is seen whole; a tombstone forgets; all of a group can be asked.
 */
START_TEST(all_offsets_of_a_group_are_given)
{
    struct engine engine;
    struct weir_arena arena;
    open_with_topic(&engine, 22, 3);
    struct weir_offset_entry entries[3];
    for (int32_t i = 0; i < 3; i++) {
        entries[i] = (struct weir_offset_entry){.partition = {weir_text("clicks"), i},
                                                .offset = 10 + i,
                                                .metadata = weir_text("m"),
                                                .leader_epoch = 0};
    }
    struct weir_commit_request commit = {
        .group = weir_text("job"), .entries = entries, .entry_count = 3};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &commit.request, NULL), 0);
    weir_broker_commit_offsets(engine.broker, &commit);
    ck_ok(weir_broker_wait(engine.broker, &commit.request, &engine.error), &engine.error);
    commit.entries = &entries[1];
    commit.entry_count = 1;
    entries[1].is_tombstone = true;
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &commit.request, NULL), 0);
    weir_broker_commit_offsets(engine.broker, &commit);
    ck_ok(weir_broker_wait(engine.broker, &commit.request, &engine.error), &engine.error);

    weir_arena_init(&arena, engine.env->budget, 0);
    struct weir_committed_request all = {.group = weir_text("job"), .arena = &arena};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &all.request, NULL), 0);
    weir_broker_committed(engine.broker, &all);
    ck_ok(weir_broker_wait(engine.broker, &all.request, &engine.error), &engine.error);
    ck_assert_uint_eq(all.entry_count, 2);
    ck_assert_int_eq(all.entries[0].offset, 10);
    ck_assert_int_eq(all.entries[1].offset, 12);
    ck_assert_int_eq(all.entries[1].partition.partition, 2);
    ck_assert(weir_slice_equal(all.entries[1].metadata, weir_text("m")));
    weir_arena_close(&arena);
    engine_end(&engine);
}
END_TEST

/* ---- retention ------------------------------------------------------------------------------- */

static void create_with(struct engine *engine, struct weir_config_entry *configs, size_t count,
                        int32_t partition_count)
{
    struct weir_topic_request create = {.operation = WEIR_TOPIC_CREATE,
                                        .topic = weir_text("clicks"),
                                        .partition_count = partition_count,
                                        .configs = configs,
                                        .config_count = count};
    ck_ok(engine_topic(engine, &create), &engine->error);
}

/* What is older than retention.ms goes in the background, whole segments of it, the newest only when
 * all of it is old; it stays gone after a power cut, and what was kept is as it was. */
START_TEST(old_segments_go_by_themselves)
{
    struct engine engine;
    char value[64];
    struct weir_config_entry configs[] = {{.key = "segment.bytes", .value = "80"},
                                          {.key = "retention.ms", .value = "10000"}};
    engine_init(&engine, 70);
    engine.options.log_retention_check_interval_ms = 1000;
    ck_ok(engine_open(&engine), &engine.error);
    create_with(&engine, configs, 2, 1);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "b", WEIR_ACKS_ALL), 1);
    weir_sim_advance_ms(engine.sim, 8000);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "c", WEIR_ACKS_ALL), 2);
    ck_assert_int_eq(engine_describe_partition(&engine, "clicks", 0).state.start_offset, 0);

    weir_sim_advance_ms(engine.sim, 5000);
    ck_assert_int_eq(engine_describe_partition(&engine, "clicks", 0).state.start_offset, 2);
    ck_assert_int_eq(engine_fetch(&engine, "clicks", 0, 1, value), WEIR_OFFSET_OUT_OF_RANGE);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_fetch(&engine, "clicks", 0, 1, value), WEIR_OFFSET_OUT_OF_RANGE);
    ck_assert_int_eq(engine_fetch(&engine, "clicks", 0, 2, value), 0);
    ck_assert_str_eq(value, "c");
    weir_sim_advance_ms(engine.sim, 12000);
    ck_assert_int_eq(engine_describe_partition(&engine, "clicks", 0).state.start_offset, 3);

    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_fetch(&engine, "clicks", 0, 2, value), WEIR_OFFSET_OUT_OF_RANGE);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "d", WEIR_ACKS_ALL), 3);
    ck_assert_int_eq(engine_fetch(&engine, "clicks", 0, 3, value), 0);
    ck_assert_str_eq(value, "d");
    engine_end(&engine);
}
END_TEST

/* What is over retention.bytes goes, the oldest first; -1 keeps everything, however old. */
START_TEST(size_and_keeping_for_ever_are_obeyed)
{
    struct engine engine;
    struct weir_config_entry configs[] = {{.key = "segment.bytes", .value = "80"},
                                          {.key = "retention.ms", .value = "-1"}};
    struct weir_config_entry bytes = {.key = "retention.bytes", .value = "200"};
    struct weir_topic_request alter = {.operation = WEIR_TOPIC_ALTER_CONFIG,
                                       .topic = weir_text("clicks"),
                                       .configs = &bytes,
                                       .config_count = 1};
    engine_init(&engine, 71);
    engine.options.log_retention_check_interval_ms = 1000;
    ck_ok(engine_open(&engine), &engine.error);
    create_with(&engine, configs, 2, 1);
    for (int64_t i = 0; i < 6; i++)
        ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), i);
    int64_t size = engine_describe_partition(&engine, "clicks", 0).state.size_bytes;
    weir_sim_advance_ms(engine.sim, 30 * 60 * 1000);
    ck_assert_int_eq(engine_describe_partition(&engine, "clicks", 0).state.start_offset, 0);

    ck_ok(engine_topic(&engine, &alter), &engine.error);
    weir_sim_advance_ms(engine.sim, 2000);
    int64_t start = engine_describe_partition(&engine, "clicks", 0).state.start_offset;
    /* Kafka's rule: what goes leaves no less than the bound. Of 6 batches of 69 bytes, 414 in all, three go
     * and leave 207; the fourth would leave 138. */
    ck_assert_int_eq(size, 414);
    ck_assert_int_eq(start, 3);
    engine_end(&engine);
}
END_TEST

static int count_log(void *context, const char *name, enum weir_file_kind kind)
{
    (void)kind;
    if (strstr(name, ".log") != NULL) ++*(int *)context;
    return 0;
}

static int count_segments(struct engine *engine, int32_t partition)
{
    char path[64];
    int count = 0;
    (void)snprintf(path, sizeof path, ENGINE_PATH "/log/clicks-%d", partition);
    ck_ok(weir_list(engine->env, path, count_log, &count, &engine->error), &engine->error);
    return count;
}

/* Old segments go also where nobody has used the partition since the start, the only one too when all
 * its records are old; partitions that have nothing to give up yet are not opened for it. */
START_TEST(retention_reaches_partitions_that_nobody_uses)
{
    struct engine engine;
    struct weir_broker_metrics metrics;
    struct weir_config_entry configs[] = {{.key = "segment.bytes", .value = "80"},
                                          {.key = "retention.ms", .value = "10000"}};
    engine_init(&engine, 72);
    engine.options.log_retention_check_interval_ms = 1000;
    engine.options.shard_count = 3;
    ck_ok(engine_open(&engine), &engine.error);
    create_with(&engine, configs, 2, 40);
    for (int32_t i = 0; i < 40; i++) {
        ck_assert_int_eq(engine_produce(&engine, "clicks", i, "a", WEIR_ACKS_ALL), 0);
        if (i % 4 != 3) continue;
        ck_assert_int_eq(engine_produce(&engine, "clicks", i, "b", WEIR_ACKS_ALL), 1);
        ck_assert_int_eq(engine_produce(&engine, "clicks", i, "c", WEIR_ACKS_ALL), 2);
    }
    ck_assert_int_eq(count_segments(&engine, 39), 3);
    ck_ok(engine_close(&engine), &engine.error);

    ck_ok(engine_open(&engine), &engine.error);
    weir_sim_advance_ms(engine.sim, 7000);
    weir_broker_metrics(engine.broker, &metrics);
    ck_assert_int_eq(metrics.open_partitions, 1 + 10); /* the metadata's, and every fourth */
    weir_sim_advance_ms(engine.sim, 20000);
    weir_broker_metrics(engine.broker, &metrics);
    ck_assert_int_eq(metrics.open_partitions, 1 + 40);
    for (int32_t i = 0; i < 40; i++) {
        ck_assert_int_eq(count_segments(&engine, i), 1);
        struct weir_partition_log_state state =
            engine_describe_partition(&engine, "clicks", i).state;
        ck_assert_int_eq(state.end_offset, i % 4 == 3 ? 3 : 1);
        ck_assert_int_eq(state.start_offset, state.end_offset);
    }
    engine_end(&engine);
}
END_TEST

/* A topic that is given an end to its retention later is swept then. */
START_TEST(a_shortened_retention_reaches_what_nobody_uses)
{
    struct engine engine;
    struct weir_config_entry configs[] = {{.key = "segment.bytes", .value = "80"},
                                          {.key = "retention.ms", .value = "-1"}};
    struct weir_config_entry bytes = {.key = "retention.bytes", .value = "0"};
    struct weir_topic_request alter = {.operation = WEIR_TOPIC_ALTER_CONFIG,
                                       .topic = weir_text("clicks"),
                                       .configs = &bytes,
                                       .config_count = 1};
    engine_init(&engine, 73);
    engine.options.log_retention_check_interval_ms = 1000;
    ck_ok(engine_open(&engine), &engine.error);
    create_with(&engine, configs, 2, 2);
    for (int64_t i = 0; i < 3; i++)
        ck_assert_int_eq(engine_produce(&engine, "clicks", 1, "a", WEIR_ACKS_ALL), i);
    ck_ok(engine_close(&engine), &engine.error);

    ck_ok(engine_open(&engine), &engine.error);
    weir_sim_advance_ms(engine.sim, 20000);
    ck_assert_int_eq(count_segments(&engine, 1), 3);
    ck_ok(engine_topic(&engine, &alter), &engine.error);
    weir_sim_advance_ms(engine.sim, 20000);
    ck_assert_int_eq(count_segments(&engine, 1), 1);
    engine_end(&engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *produce = tcase_create("produce and fetch");
    tcase_add_test(produce, produced_records_are_fetched_before_and_after_a_reopen);
    tcase_add_test(produce, acks_all_survives_a_power_cut);
    tcase_add_test(produce, readers_stop_at_the_high_watermark);
    tcase_add_test(produce, flush_policy_os_answers_after_the_write);
    tcase_add_loop_test(produce, the_engines_own_topics_are_flushed_whatever_the_policy, 0, 3);
    tcase_add_test(produce, a_duplicate_is_stored_once);
    tcase_add_test(produce, a_damaged_batch_is_refused);
    tcase_add_test(produce, internal_and_unknown_topics_are_refused);
    tcase_add_test(produce, auto_create_makes_the_topic_on_produce_only);
    suite_add_tcase(suite, produce);
    TCase *waiting = tcase_create("waiting fetches");
    tcase_add_test(waiting, a_waiting_fetch_is_woken_by_an_append);
    tcase_add_test(waiting, a_waiting_fetch_gathers_its_minimum);
    tcase_add_loop_test(waiting, an_append_during_a_cold_read_is_not_missed, 0, 20);
    tcase_add_test(waiting, a_waiting_fetch_ends_at_its_deadline);
    tcase_add_test(waiting, a_cancelled_fetch_is_answered_once);
    tcase_add_test(waiting, close_answers_waiting_fetches);
    tcase_add_test(waiting, close_ends_in_order_with_a_flush_on_its_way);
    suite_add_tcase(suite, waiting);
    TCase *topics = tcase_create("topics");
    tcase_add_test(topics, a_deleted_topic_starts_afresh);
    tcase_add_test(topics, a_create_behind_a_delete_waits_for_it);
    tcase_add_test(topics, alter_reaches_open_logs_and_lasts);
    tcase_add_test(topics, partitions_are_added);
    tcase_add_test(topics, topics_are_listed_by_name);
    tcase_add_test(topics, a_cut_tail_is_gone_and_raises_the_epoch);
    tcase_add_test(topics, an_unclean_stop_raises_every_epoch_once);
    tcase_add_test(topics, a_clean_mark_does_not_come_back);
    tcase_add_test(topics, producer_ids_are_unique_over_crashes);
    suite_add_tcase(suite, topics);
    TCase *offsets = tcase_create("committed offsets");
    tcase_add_test(offsets, committed_offsets_survive_a_power_cut);
    tcase_add_test(offsets, all_offsets_of_a_group_are_given);
    suite_add_tcase(suite, offsets);
    TCase *retention = tcase_create("retention");
    tcase_add_test(retention, old_segments_go_by_themselves);
    tcase_add_test(retention, size_and_keeping_for_ever_are_obeyed);
    tcase_add_test(retention, retention_reaches_partitions_that_nobody_uses);
    tcase_add_test(retention, a_shortened_retention_reaches_what_nobody_uses);
    suite_add_tcase(suite, retention);
}

int main(void)
{
    return weir_test_main("engine", add);
}
