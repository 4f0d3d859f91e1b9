#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "broker/broker.h"
#include "tests/support/support.h"
#include "wire/record_batch.h"

/* The engine on real threads and files: the same requests, from several threads at once. */
enum { THREADS = 4, RECORDS = 60 };

struct world {
    char path[WEIR_TEST_PATH_SIZE];
    struct weir_env *env;
    struct weir_broker *broker;
    struct weir_error error;
};

static void open_world(struct world *world, int32_t shard_count)
{
    struct weir_broker_options options = {
        .env = world->env,
        .path = world->path,
        .auto_create_topics = true,
        .num_partitions = THREADS,
        .shard_count = shard_count,
        .topic_defaults = weir_topic_config_default(),
    };
    ck_ok(weir_broker_open(&options, &world->broker, &world->error), &world->error);
}

static void begin(struct world *world, int32_t shard_count)
{
    *world = (struct world){0};
    weir_test_directory(world->path);
    ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &world->env, &world->error),
          &world->error);
    open_world(world, shard_count);
}

static void end(struct world *world)
{
    ck_ok(weir_broker_close(world->broker, &world->error), &world->error);
    weir_env_uv_free(world->env);
}

static int64_t produce(struct world *world, int32_t partition, int number)
{
    struct weir_batch_builder builder;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_slice bytes;
    struct weir_record record = {.value = weir_slice(&number, sizeof number),
                                 .timestamp_ms = weir_wall_now(world->env).ms};
    weir_batch_builder_init(&builder, world->env->budget, WEIR_CODEC_NONE, 0);
    ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
    ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &bytes), 0);
    struct weir_produce_request request = {
        .to = {weir_text("clicks"), partition},
        .batches = weir_shared_new(world->env->budget, bytes.size),
        .acks = WEIR_ACKS_ALL,
    };
    memcpy(request.batches->data, bytes.data, bytes.size);
    request.batches->size = bytes.size;
    weir_batch_builder_close(&builder);
    ck_assert_int_eq(weir_broker_wait_begin(world->broker, &request.request, NULL), 0);
    weir_broker_produce(world->broker, &request);
    int rc = weir_broker_wait(world->broker, &request.request, NULL);
    weir_shared_unref(request.batches);
    return rc < 0 ? rc : request.base_offset;
}

struct thread {
    pthread_t id;
    struct world *world;
    int32_t number;
    bool has_failed;
};

static void *produce_all(void *context)
{
    struct thread *thread = context;
    for (int i = 0; i < RECORDS; i++) {
        if (produce(thread->world, thread->number, i) != i) thread->has_failed = true;
    }
    return NULL;
}

/* Follow a partition with long polls until all records have been seen, in order. */
static void *fetch_all(void *context)
{
    struct thread *thread = context;
    struct world *world = thread->world;
    int64_t offset = 0;
    while (offset < RECORDS) {
        struct weir_fetch_request fetch = {
            .from = {weir_text("clicks"), thread->number},
            .offset = offset,
            .size_max = 1 << 16,
            .size_min = 1,
            .deadline = weir_mono_after_ms(weir_mono_now(world->env), 60000),
        };
        if (weir_broker_wait_begin(world->broker, &fetch.request, NULL) < 0) break;
        weir_broker_fetch(world->broker, &fetch);
        int rc = weir_broker_wait(world->broker, &fetch.request, NULL);
        if (rc == WEIR_UNKNOWN_TOPIC_OR_PARTITION) continue; /* not yet created */
        if (rc < 0 || fetch.batches.part_count == 0) break;
        offset = fetch.high_watermark;
        weir_fetch_release(&fetch);
    }
    thread->has_failed = offset != RECORDS;
    return NULL;
}

static void run_threads(struct world *world)
{
    struct thread producers[THREADS];
    struct thread consumers[THREADS];
    for (int32_t i = 0; i < THREADS; i++) {
        producers[i] = (struct thread){.world = world, .number = i};
        consumers[i] = (struct thread){.world = world, .number = i};
        ck_assert_int_eq(pthread_create(&consumers[i].id, NULL, fetch_all, &consumers[i]), 0);
        ck_assert_int_eq(pthread_create(&producers[i].id, NULL, produce_all, &producers[i]), 0);
    }
    for (int32_t i = 0; i < THREADS; i++) {
        pthread_join(producers[i].id, NULL);
        pthread_join(consumers[i].id, NULL);
        ck_assert(!producers[i].has_failed);
        ck_assert(!consumers[i].has_failed);
    }
}

/* Several threads produce and follow, on one shard and on several; a reopen finds it all. */
START_TEST(threads_produce_and_follow)
{
    struct world world;
    begin(&world, _i == 0 ? 1 : 3);
    run_threads(&world);
    struct weir_broker_metrics metrics;
    weir_broker_metrics(world.broker, &metrics);
    ck_assert_int_ge(metrics.batches_in, THREADS * RECORDS);
    ck_assert_int_le(metrics.flushes, THREADS * RECORDS + 10);
    ck_ok(weir_broker_close(world.broker, &world.error), &world.error);

    open_world(&world, _i == 0 ? 3 : 1); /* the number of shards is no part of the format */
    for (int32_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(produce(&world, i, 0), RECORDS);
    end(&world);
}
END_TEST

static void note_done(struct weir_request *request)
{
    atomic_store((_Atomic bool *)request->context, true);
}

/* A cancel races with the answer, from another thread: `done` runs once either way. */
START_TEST(a_cancel_races_with_the_answer)
{
    struct world world;
    begin(&world, 1);
    ck_assert_int_eq(produce(&world, 0, 1), 0);
    for (int i = 0; i < 300; i++) {
        _Atomic bool is_done = false;
        struct weir_fetch_request fetch = {
            .from = {weir_text("clicks"), 0},
            .offset = i % 2,
            .size_max = 100,
            .size_min = 1,
            .deadline = WEIR_MONO_NEVER,
        };
        fetch.request.done = note_done;
        fetch.request.context = &is_done;
        weir_broker_fetch(world.broker, &fetch);
        weir_broker_cancel_fetch(world.broker, &fetch);
        while (!atomic_load(&is_done))
            sched_yield();
        ck_assert(fetch.request.rc == 0 || fetch.request.rc == WEIR_CLOSED);
        weir_fetch_release(&fetch);
    }
    end(&world);
}
END_TEST

/* Closing answers a fetch that waits on another thread. */
START_TEST(close_answers_a_waiting_thread)
{
    struct world world;
    begin(&world, 2);
    ck_assert_int_eq(produce(&world, 0, 1), 0);
    _Atomic bool is_done = false;
    struct weir_fetch_request fetch = {
        .from = {weir_text("clicks"), 0},
        .offset = 1,
        .size_max = 100,
        .size_min = 1,
        .deadline = WEIR_MONO_NEVER,
    };
    fetch.request.done = note_done;
    fetch.request.context = &is_done;
    weir_broker_fetch(world.broker, &fetch);
    end(&world);
    ck_assert(atomic_load(&is_done));
    ck_assert_int_eq(fetch.request.rc, WEIR_CLOSED);
}
END_TEST

/* Two engines in one process do not know of each other. */
START_TEST(two_engines_live_side_by_side)
{
    struct world first, second;
    begin(&first, 1);
    begin(&second, 1);
    ck_assert_int_eq(produce(&first, 0, 1), 0);
    ck_assert_int_eq(produce(&first, 0, 2), 1);
    ck_assert_int_eq(produce(&second, 0, 1), 0);
    ck_assert_str_ne(weir_broker_cluster_id(first.broker), weir_broker_cluster_id(second.broker));
    end(&first);
    end(&second);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("threads");
    tcase_add_loop_test(tests, threads_produce_and_follow, 0, 2);
    tcase_add_test(tests, a_cancel_races_with_the_answer);
    tcase_add_test(tests, close_answers_a_waiting_thread);
    tcase_add_test(tests, two_engines_live_side_by_side);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("engine on threads", add);
}
