#include <stdio.h>
#include <string.h>

#include "tests/unit/broker/engine/engine_fixture.h"

/* Folders and files that have changed places hold whole batches, and the wrong ones. */
#define LOG ENGINE_PATH "/log"
#define SEGMENT "00000000000000000000.log"

static void begin(struct engine *engine, int64_t segment_bytes)
{
    engine_init(engine, 1);
    engine->options.topic_defaults.segment_bytes = segment_bytes;
    ck_ok(engine_open(engine), &engine->error);
    ck_ok(engine_create(engine, "clicks", 2), &engine->error);
    ck_ok(engine_create(engine, "views", 1), &engine->error);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(engine_produce(engine, "clicks", 0, "a", WEIR_ACKS_ALL), i);
        ck_assert_int_eq(engine_produce(engine, "clicks", 1, "b", WEIR_ACKS_ALL), i);
        ck_assert_int_eq(engine_produce(engine, "views", 0, "c", WEIR_ACKS_ALL), i);
        weir_sim_advance_ms(engine->sim, 10);
    }
    ck_ok(engine_close(engine), &engine->error);
}

static void swap(struct engine *engine, const char *one, const char *other)
{
    char a[512], b[512];
    (void)snprintf(a, sizeof a, LOG "/%s", one);
    (void)snprintf(b, sizeof b, LOG "/%s", other);
    ck_ok(weir_rename(engine->env, a, "/aside", &engine->error), &engine->error);
    ck_ok(weir_rename(engine->env, b, a, &engine->error), &engine->error);
    ck_ok(weir_rename(engine->env, "/aside", b, &engine->error), &engine->error);
}

static int fetch_at(struct engine *engine, const char *topic, int32_t partition, int64_t offset)
{
    char value[64];
    return engine_fetch(engine, topic, partition, offset, value);
}

static void check_offline(struct engine *engine, const char *topic, int32_t partition)
{
    ck_assert_int_eq(fetch_at(engine, topic, partition, 0), WEIR_OFFLINE);
    ck_assert_msg(strstr(engine->error.text, "put ") != NULL, "%s", engine->error.text);
    ck_assert_int_eq(engine_latest(engine, topic, partition), WEIR_OFFLINE);
    ck_assert_int_eq(engine_produce(engine, topic, partition, "x", WEIR_ACKS_ALL), WEIR_OFFLINE);
}

/* Of one topic, and of two. Put back, they serve. */
START_TEST(swapped_folders_are_not_served)
{
    static const char *const others[] = {"clicks-1", "views-0"};
    struct engine engine;
    begin(&engine, 1 << 30);
    swap(&engine, "clicks-0", others[_i]);
    ck_ok(engine_open(&engine), &engine.error);
    check_offline(&engine, "clicks", 0);
    check_offline(&engine, _i == 0 ? "clicks" : "views", _i == 0 ? 1 : 0);
    swap(&engine, "clicks-0", others[_i]);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 0), 4);
    ck_assert_int_eq(fetch_at(&engine, "clicks", 1, 3), 0);
    engine_end(&engine);
}
END_TEST

/* The same first offset, the same size: the mark knows the time of the first batch. */
START_TEST(swapped_segments_of_two_partitions_are_not_served)
{
    struct engine engine;
    begin(&engine, _i == 0 ? 1 << 30 : 80);
    swap(&engine, "clicks-0/" SEGMENT, "clicks-1/" SEGMENT);
    ck_ok(engine_open(&engine), &engine.error);
    for (int32_t i = 0; i < 2; i++) {
        ck_assert_int_eq(fetch_at(&engine, "clicks", i, 0), WEIR_OFFLINE);
        ck_assert_msg(strstr(engine.error.text, "put the right file back") != NULL, "%s",
                      engine.error.text);
    }
    ck_ok(engine_close(&engine), &engine.error); /* put back, they serve */
    swap(&engine, "clicks-0/" SEGMENT, "clicks-1/" SEGMENT);
    ck_ok(engine_open(&engine), &engine.error);
    for (int32_t i = 0; i < 2; i++) {
        ck_assert_int_eq(fetch_at(&engine, "clicks", i, 0), 0);
        ck_assert_int_eq(engine_produce(&engine, "clicks", i, "d", WEIR_ACKS_ALL), 4);
    }
    engine_end(&engine);
}
END_TEST

START_TEST(swapped_segments_of_one_partition_are_not_served)
{
    struct engine engine;
    begin(&engine, 80);
    swap(&engine, "clicks-0/" SEGMENT, "clicks-0/00000000000000000001.log");
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(fetch_at(&engine, "clicks", 0, 1), WEIR_OFFLINE);
    ck_assert_int_eq(fetch_at(&engine, "clicks", 0, 0), WEIR_OFFLINE);
    ck_assert_int_eq(fetch_at(&engine, "clicks", 1, 1), 0);
    engine_end(&engine);
}
END_TEST

/* ---- partition.metadata ---------------------------------------------------------------------- */

static void write_garbage(struct engine *engine, const char *path, size_t size)
{
    static const uint8_t garbage[5000];
    struct weir_file *file = NULL;
    struct weir_iovec part = {garbage, size};
    ck_ok(weir_file_open(engine->env, path, WEIR_OPEN_WRITE, &file, &engine->error),
          &engine->error);
    ck_ok(weir_file_write(file, &part, 1, 30, &engine->error), &engine->error);
    weir_file_close(file);
}

static void count_mended(void *context, enum weir_log_level level, const char *line, size_t size)
{
    (void)level;
    (void)size;
    *(int *)context += strstr(line, "event=partition.metadata_mended") != NULL;
}

/* The mark says the same under a crc: it serves, and the text comes back. */
START_TEST(a_damaged_partition_metadata_is_mended)
{
    static const size_t sizes[] = {5, 5000};
    struct engine engine;
    int mended = 0;
    begin(&engine, 1 << 30);
    uint64_t before = weir_sim_disk_hash(engine.sim, 0, LOG "/clicks-0/partition.metadata");
    write_garbage(&engine, LOG "/clicks-0/partition.metadata", sizes[_i]);
    write_garbage(&engine, LOG "/__cluster_metadata-0/partition.metadata", sizes[_i]);
    engine.env->logger = (struct weir_logger){count_mended, &mended, WEIR_LOG_INFO};
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(fetch_at(&engine, "clicks", 0, 3), 0);
    ck_assert_int_eq(mended, 2);
    uint64_t after = weir_sim_disk_hash(engine.sim, 0, LOG "/clicks-0/partition.metadata");
    ck_assert_uint_eq(after, before);
    engine_end(&engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("swapped");
    tcase_add_loop_test(tests, swapped_folders_are_not_served, 0, 2);
    tcase_add_loop_test(tests, swapped_segments_of_two_partitions_are_not_served, 0, 2);
    tcase_add_test(tests, swapped_segments_of_one_partition_are_not_served);
    tcase_add_loop_test(tests, a_damaged_partition_metadata_is_mended, 0, 2);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("swapped", add);
}
