#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "broker/broker.h"
#include "tests/support/support.h"
#include "wire/record_batch.h"

/**
 * Two thousand partitions with 256 descriptors, on real files: all of them are written to, read back,
 * closed, opened again. A program of its own, for the limit is the process's.
 */
enum { PARTITIONS = 2000, DESCRIPTORS = 256, AT_ONCE = 50 };

struct world {
    char path[WEIR_TEST_PATH_SIZE];
    struct weir_env *env;
    struct weir_broker *broker;
    struct weir_error error;
};

static size_t count_descriptors(void)
{
    size_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(directory);
    while (readdir(directory) != NULL)
        count++;
    (void)closedir(directory);
    return count - 3; /* itself, and the two dots */
}

static void open_world(struct world *world)
{
    struct weir_broker_options options = {
        .env = world->env,
        .path = world->path,
        .shard_count = 2,
        .topic_defaults = weir_topic_config_default(),
    };
    ck_ok(weir_broker_open(&options, &world->broker, &world->error), &world->error);
    ck_assert_int_eq(weir_broker_segment_files_max(world->broker), DESCRIPTORS / 2);
}

static struct weir_shared *batch_of(struct world *world, int32_t number)
{
    struct weir_batch_builder builder;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_slice bytes;
    struct weir_record record = {.value = weir_slice(&number, sizeof number),
                                 .timestamp_ms = weir_wall_now(world->env).ms};
    weir_batch_builder_init(&builder, world->env->budget, WEIR_CODEC_NONE, 0);
    ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
    ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &bytes), 0);
    struct weir_shared *batch = weir_shared_new(world->env->budget, bytes.size);
    ck_assert_ptr_nonnull(batch);
    memcpy(batch->data, bytes.data, bytes.size);
    batch->size = bytes.size;
    weir_batch_builder_close(&builder);
    return batch;
}

/* AT_ONCE at a time, so that groups are flushed together. */
static void produce_from(struct world *world, int32_t first)
{
    static struct weir_produce_request requests[AT_ONCE];
    for (int32_t i = 0; i < AT_ONCE; i++) {
        struct weir_produce_request *request = &requests[i];
        memset(request, 0, sizeof *request);
        request->to = (struct weir_topic_partition){weir_text("clicks"), first + i};
        request->batches = batch_of(world, first + i);
        request->acks = WEIR_ACKS_ALL;
        ck_ok(weir_broker_wait_begin(world->broker, &request->request, &world->error),
              &world->error);
        weir_broker_produce(world->broker, request);
    }
    for (int32_t i = 0; i < AT_ONCE; i++) {
        ck_ok(weir_broker_wait(world->broker, &requests[i].request, &world->error), &world->error);
        weir_shared_unref(requests[i].batches);
    }
}

static void produce_to(struct world *world, int32_t count)
{
    for (int32_t i = 0; i < count; i += AT_ONCE)
        produce_from(world, i);
    ck_assert_uint_lt(count_descriptors(), DESCRIPTORS * 3 / 4);
}

/* The record at `offset` of each partition, as its file has it. */
static void read_all(struct world *world, int64_t offset)
{
    for (int32_t i = 0; i < PARTITIONS; i++) {
        struct weir_port_fetch port = {.range_min = 1};
        struct weir_fetch_request fetch = {
            .from = {weir_text("clicks"), i}, .offset = offset, .size_max = 1, .port = &port};
        ck_ok(weir_broker_wait_begin(world->broker, &fetch.request, &world->error), &world->error);
        weir_broker_fetch(world->broker, &fetch);
        ck_ok(weir_broker_wait(world->broker, &fetch.request, &world->error), &world->error);
        ck_assert_ptr_nonnull(port.range.segment);
        int32_t found = -1;
        uint8_t bytes[256];
        int64_t got = weir_file_read(weir_log_range_file(&port.range), bytes, sizeof bytes,
                                     port.range.position, NULL);
        ck_assert_int_ge(got, port.range.size);
        memcpy(&found, bytes + port.range.size - 1 - sizeof found, sizeof found);
        ck_assert_int_eq(found, i);
        weir_fetch_release(&fetch);
    }
    ck_assert_uint_lt(count_descriptors(), DESCRIPTORS * 3 / 4);
}

/* A reader asks for all partitions and takes nothing: what it is given as stretches of files does not keep more of
 * them open than half of the places, and the rest comes all the same, from memory. */
static void read_all_and_keep(struct world *world, int64_t offset)
{
    static struct weir_port_fetch ports[PARTITIONS];
    static struct weir_fetch_request fetches[PARTITIONS];
    int ranges = 0;
    for (int32_t i = 0; i < PARTITIONS; i++) {
        struct weir_fetch_request *fetch = &fetches[i];
        memset(fetch, 0, sizeof *fetch);
        ports[i] = (struct weir_port_fetch){.range_min = 1};
        fetch->from = (struct weir_topic_partition){weir_text("clicks"), i};
        fetch->offset = offset;
        fetch->size_max = 1;
        fetch->port = &ports[i];
        ck_ok(weir_broker_wait_begin(world->broker, &fetch->request, &world->error), &world->error);
        weir_broker_fetch(world->broker, fetch);
        ck_ok(weir_broker_wait(world->broker, &fetch->request, &world->error), &world->error);
        ck_assert_uint_gt(fetch->size, 0);
        ranges += ports[i].range.segment != NULL;
    }
    ck_assert_uint_lt(count_descriptors(), DESCRIPTORS * 3 / 4);
    ck_assert_int_eq(ranges, (weir_broker_segment_files_max(world->broker) + 1) / 2);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        weir_fetch_release(&fetches[i]);
    }
}

START_TEST(many_partitions_do_with_few_descriptors)
{
    struct world world = {0};
    struct rlimit limit = {DESCRIPTORS, DESCRIPTORS};
    weir_test_directory(world.path);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &world.env, &world.error),
          &world.error);
    open_world(&world);
    struct weir_topic_request create = {.operation = WEIR_TOPIC_CREATE,
                                        .topic = weir_text("clicks"),
                                        .partition_count = PARTITIONS};
    ck_ok(weir_broker_wait_begin(world.broker, &create.request, &world.error), &world.error);
    weir_broker_topic(world.broker, &create);
    ck_ok(weir_broker_wait(world.broker, &create.request, &world.error), &world.error);
    produce_to(&world, PARTITIONS);
    read_all(&world, 0);
    produce_to(&world, PARTITIONS / 5); /* to what was closed in between */
    ck_ok(weir_broker_close(world.broker, &world.error), &world.error);
    open_world(&world);
    read_all(&world, 0);
    read_all_and_keep(&world, 0);
    ck_ok(weir_broker_close(world.broker, &world.error), &world.error);
    weir_env_uv_free(world.env);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("descriptors");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, many_partitions_do_with_few_descriptors);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("broker descriptors", add);
}
