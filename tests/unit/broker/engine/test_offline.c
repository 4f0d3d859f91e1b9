#include <stdio.h>
#include <string.h>

#include "broker/broker_internal.h"
#include "broker/engine/sync_partition.h"
#include "broker/log/damage_file.h"
#include "broker/log/repair.h"
#include "tests/unit/broker/engine/engine_fixture.h"
#include "wire/record_batch.h"

/* What is offline is seen: by whoever asks for it, in a line of the log, and in the metrics. */
#define FOLDER ENGINE_PATH "/log/clicks-0"
#define SEGMENT FOLDER "/00000000000000000000.log"

/* The lines of the log that tell of it. */
struct lines {
    int offline;
    int online;
    int chore_failed;
    int disk_full;
    int disk_has_room;
    char last[2048];
};

static void count_line(void *context, enum weir_log_level level, const char *line, size_t size)
{
    struct lines *lines = context;
    bool is_offline = strstr(line, "event=partition.offline") != NULL;
    if (is_offline) ck_assert_int_eq(level, WEIR_LOG_ERROR);
    lines->offline += is_offline;
    lines->online += strstr(line, "event=partition.online") != NULL;
    lines->chore_failed += strstr(line, "event=log.chore_failed") != NULL;
    lines->disk_full += strstr(line, "event=disk.full") != NULL;
    lines->disk_has_room += strstr(line, "event=disk.has_room") != NULL;
    if (is_offline) (void)snprintf(lines->last, sizeof lines->last, "%.*s", (int)size, line);
}

static void listen_to(struct engine *engine, struct lines *lines)
{
    engine->env->logger = (struct weir_logger){count_line, lines, WEIR_LOG_INFO};
}

static int64_t count_offline(struct engine *engine)
{
    struct weir_broker_metrics metrics;
    weir_sim_advance_ms(engine->sim, 1); /* the news is on its way */
    weir_broker_metrics(engine->broker, &metrics);
    return metrics.offline_partitions;
}

static void begin(struct engine *engine, struct lines *lines)
{
    *lines = (struct lines){0};
    engine_init(engine, 1);
    listen_to(engine, lines);
    ck_ok(engine_open(engine), &engine->error);
    ck_ok(engine_create(engine, "clicks", 2), &engine->error);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(engine_produce(engine, "clicks", 0, "a", WEIR_ACKS_ALL), i);
    }
}

static void check_line(const struct lines *lines, const char *text)
{
    ck_assert_msg(strstr(lines->last, text) != NULL, "'%s' lacks '%s'", lines->last, text);
}

/* However many run into it: one line when it begins, one when it is over. */
START_TEST(a_missing_folder_is_one_line_and_its_return_another)
{
    struct engine engine;
    struct lines lines;
    begin(&engine, &lines);
    ck_ok(engine_close(&engine), &engine.error);
    ck_ok(weir_rename(engine.env, FOLDER, "/saved", &engine.error), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(count_offline(&engine), 0);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(engine_latest(&engine, "clicks", 0), WEIR_OFFLINE);
        ck_assert_int_eq(engine_latest(&engine, "clicks", 1), 0);
    }
    ck_assert_int_eq(lines.offline, 1);
    ck_assert_int_eq(count_offline(&engine), 1);
    check_line(&lines, "topic=clicks partition=0");
    check_line(&lines, FOLDER);
    check_line(&lines, "weir topic delete clicks");
    ck_ok(weir_rename(engine.env, "/saved", FOLDER, &engine.error), &engine.error);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(engine_latest(&engine, "clicks", 0), 3);
    weir_sim_advance_ms(engine.sim, 10);
    ck_assert_int_eq(lines.online, 1);
    ck_assert_int_eq(count_offline(&engine), 0);
    engine_end(&engine);
    ck_assert_int_eq(lines.offline, 1);
}
END_TEST

/* It goes while it is served: the next segment cannot be made there, which says nothing of other logs. */
START_TEST(a_folder_that_goes_while_it_is_served_is_told)
{
    struct engine engine;
    struct lines lines;
    lines = (struct lines){0};
    engine_init(&engine, 1);
    engine.options.topic_defaults.segment_bytes = 80;
    listen_to(&engine, &lines);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 2), &engine.error);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    ck_ok(weir_rename(engine.env, FOLDER, "/saved", &engine.error), &engine.error);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "b", WEIR_ACKS_ALL), WEIR_OFFLINE);
    }
    ck_assert_int_eq(engine_produce(&engine, "clicks", 1, "c", WEIR_ACKS_ALL), 0);
    ck_assert_int_eq(count_offline(&engine), 1);
    ck_assert_int_eq(lines.offline, 1);
    check_line(&lines, "topic=clicks partition=0");
    check_line(&lines, FOLDER);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 0), WEIR_OFFLINE);
    char value[64];
    ck_ok(engine_fetch(&engine, "clicks", 0, 0, value), &engine.error); /* what is there is read */
    engine_end(&engine);
}
END_TEST

/* A topic that is given up is no longer offline. */
/* The segment that is written to has lost its name: what is put there would be acknowledged and gone. */
START_TEST(what_is_written_to_a_removed_segment_is_not_acknowledged)
{
    struct engine engine;
    struct lines lines;
    begin(&engine, &lines);
    ck_ok(weir_remove(engine.env, SEGMENT, &engine.error), &engine.error);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "b", WEIR_ACKS_ALL), WEIR_OFFLINE);
        ck_assert_int_eq(engine_produce(&engine, "clicks", 1, "c", WEIR_ACKS_ALL), i);
    }
    ck_assert_int_eq(count_offline(&engine), 1);
    ck_assert_int_eq(lines.offline, 1);
    check_line(&lines, "topic=clicks partition=0 from_offset=3");
    check_line(&lines, "has been removed while the log is open");
    char value[64];
    ck_ok(engine_fetch(&engine, "clicks", 0, 2, value), &engine.error); /* as long as it is open */
    engine_end(&engine);
}
END_TEST

/* Nobody is told that what such a segment has is durable, and nobody waits for it for ever, as a commit would that rests
 * on it. */
START_TEST(what_cannot_become_durable_is_not_waited_for)
{
    struct engine engine;
    struct lines lines;
    struct weir_sync_partition_request sync = {0};
    struct weir_topic_partition clicks = {weir_text("clicks"), 0};
    begin(&engine, &lines);
    ck_ok(weir_remove(engine.env, SEGMENT, &engine.error), &engine.error);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "b", WEIR_ACKS_ALL), WEIR_OFFLINE);
    ck_ok(weir_broker_wait_begin(engine.broker, &sync.produce.request, NULL), NULL);
    weir_engine_sync_partition(&engine.broker->engine, &sync, clicks);
    weir_sim_advance_ms(engine.sim, 5000);
    ck_assert(atomic_load(&sync.produce.request.is_done));
    ck_code(weir_broker_wait(engine.broker, &sync.produce.request, NULL), WEIR_OFFLINE);
    engine_end(&engine);
}
END_TEST

static int64_t cut_segment(struct engine *engine, int64_t numerator)
{
    struct weir_file *file = NULL;
    struct weir_file_stat stat;
    ck_ok(weir_file_open(engine->env, SEGMENT, WEIR_OPEN_READ | WEIR_OPEN_WRITE, &file, NULL),
          NULL);
    ck_ok(weir_file_stat(file, &stat, NULL), NULL);
    ck_ok(weir_file_truncate(file, stat.size * numerator / 3, NULL), NULL);
    weir_file_close(file);
    return stat.size;
}

/* Something has cut the segment that is written to: from what is missing on it is offline, and what is appended
 * behind the hole is not acknowledged, by whom it does not matter. The other partitions are served. */
START_TEST(what_is_written_to_a_segment_that_was_cut_is_not_acknowledged)
{
    struct engine engine;
    struct lines lines;
    for (int acks = WEIR_ACKS_ALL; acks <= WEIR_ACKS_LEADER; acks += 2) {
        begin(&engine, &lines);
        (void)cut_segment(&engine, 2);
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "b", acks), WEIR_OFFLINE);
            ck_assert_int_eq(engine_produce(&engine, "clicks", 1, "c", acks), i);
        }
        ck_assert_int_eq(count_offline(&engine), 1);
        ck_assert_int_eq(lines.offline, 1);
        check_line(&lines, "topic=clicks partition=0 from_offset=2");
        check_line(&lines, "has cut it");
        char value[64];
        ck_ok(engine_fetch(&engine, "clicks", 0, 1, value), &engine.error);
        ck_assert_int_eq(engine_fetch(&engine, "clicks", 0, 2, value), WEIR_OFFLINE);
        engine_end(&engine);
    }
}
END_TEST

/* Nor does what comes by itself and meets it first tell it twice. */
START_TEST(a_chore_in_a_folder_that_is_gone_is_one_line)
{
    enum { CHECKED_EVERY_MS = 10 * 60 * 1000 }; /* more often than that */
    struct engine engine;
    struct lines lines;
    lines = (struct lines){0};
    engine_init(&engine, 1);
    engine.options.topic_defaults.segment_bytes = 80;
    engine.options.topic_defaults.retention_bytes = 80;
    listen_to(&engine, &lines);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 2), &engine.error);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), i);
    }
    ck_ok(weir_rename(engine.env, FOLDER, "/saved", &engine.error), &engine.error);
    weir_sim_advance_ms(engine.sim, CHECKED_EVERY_MS);
    ck_assert_int_eq(count_offline(&engine), 1);
    ck_assert_int_eq(lines.offline, 1);
    ck_assert_int_eq(lines.chore_failed, 0);
    check_line(&lines, FOLDER);
    engine_end(&engine);
}
END_TEST

START_TEST(a_deleted_topic_counts_no_more)
{
    struct engine engine;
    struct lines lines;
    begin(&engine, &lines);
    ck_ok(engine_close(&engine), &engine.error);
    ck_ok(weir_rename(engine.env, FOLDER, "/saved", &engine.error), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 0), WEIR_OFFLINE);
    ck_assert_int_eq(count_offline(&engine), 1);
    ck_ok(engine_delete(&engine, "clicks"), &engine.error);
    ck_assert_int_eq(count_offline(&engine), 0);
    engine_end(&engine);
}
END_TEST

static int fetch_at(struct engine *engine, int64_t offset)
{
    char value[64];
    return engine_fetch(engine, "clicks", 0, offset, value);
}

/* The end of a damaged log is not an end: who asks for it, or waits there, is told. */
static void check_damaged(struct engine *engine, struct lines *lines)
{
    ck_assert_int_eq(engine_latest(engine, "clicks", 0), WEIR_OFFLINE);
    ck_assert_int_eq(fetch_at(engine, 3), WEIR_OFFLINE);
    ck_assert_int_eq(fetch_at(engine, 1), WEIR_OFFLINE);
    ck_assert_int_eq(fetch_at(engine, 0), 0); /* what lies before is served */
    ck_assert_int_eq(engine_produce(engine, "clicks", 0, "b", WEIR_ACKS_ALL), WEIR_OFFLINE);
    ck_assert_int_eq(lines->offline, 1);
    ck_assert_int_eq(count_offline(engine), 1);
    check_line(lines, "topic=clicks partition=0 from_offset=1");
    check_line(lines, "'weir log repair /data clicks/0' show");
}

/* Three batches of the same size; the second one's header. */
static void damage_second_batch(struct engine *engine)
{
    struct weir_file_stat stat;
    ck_ok(weir_stat(engine->env, SEGMENT, &stat, &engine->error), &engine->error);
    ck_assert_int_eq(weir_sim_disk_flip(engine->sim, 0, SEGMENT, stat.size / 3 + 2, 3), 0);
}

START_TEST(damage_found_by_a_read_is_told_once)
{
    struct engine engine;
    struct lines lines;
    begin(&engine, &lines);
    ck_ok(engine_close(&engine), &engine.error);
    damage_second_batch(&engine);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 0), 3); /* nobody has looked yet */
    ck_assert_int_lt(fetch_at(&engine, 1), 0);
    ck_assert_msg(strstr(engine.error.text, "'weir log repair /data clicks/0'") != NULL, "%s",
                  engine.error.text);
    check_damaged(&engine, &lines);
    engine_end(&engine);
}
END_TEST

/* True if the read that finds the damage has gone through its `nth` allocation, which fails. */
static bool find_damage_without_memory(uint64_t nth)
{
    struct engine engine;
    struct lines lines;
    begin(&engine, &lines);
    ck_ok(engine_close(&engine), &engine.error);
    damage_second_batch(&engine);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 0), 3);
    struct weir_heap *heap = engine.env->heap;
    atomic_store(&heap->allocation_count, 0);
    atomic_store(&heap->fail_at, nth);
    ck_assert_int_lt(fetch_at(&engine, 1), 0);
    weir_sim_advance_ms(engine.sim, 1); /* the news is on its way */
    bool has_failed = atomic_load(&heap->allocation_count) >= nth;
    atomic_store(&heap->fail_at, 0);
    ck_assert_int_lt(fetch_at(&engine, 1), 0);
    weir_sim_advance_ms(engine.sim, 20);
    check_damaged(&engine, &lines);
    engine_end(&engine);
    return has_failed;
}

/* Neither the line nor the figure is lost with the memory for the news. */
START_TEST(damage_found_without_memory_is_told_later)
{
    uint64_t nth = 1;
    while (find_damage_without_memory(nth))
        nth++;
    ck_assert_uint_gt(nth, 3);
}
END_TEST

/* Who waits for more than there is hears of it too. */
START_TEST(a_waiting_fetch_is_answered_when_damage_is_found)
{
    struct engine engine;
    struct lines lines;
    begin(&engine, &lines);
    ck_ok(engine_close(&engine), &engine.error);
    damage_second_batch(&engine);
    ck_ok(engine_open(&engine), &engine.error);
    struct weir_fetch_request waiting = {
        .from = {weir_text("clicks"), 0},
        .offset = 3,
        .size_max = 100,
        .size_min = 1,
        .deadline = weir_mono_after_ms(weir_mono_now(engine.env), 60000),
    };
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &waiting.request, NULL), 0);
    weir_broker_fetch(engine.broker, &waiting);
    weir_sim_advance_ms(engine.sim, 10);
    ck_assert(!atomic_load(&waiting.request.is_done));
    ck_assert_int_lt(fetch_at(&engine, 1), 0);
    ck_assert(atomic_load(&waiting.request.is_done));
    ck_assert_int_eq(waiting.request.rc, WEIR_OFFLINE);
    engine_end(&engine);
}
END_TEST

START_TEST(damage_found_by_opening_is_told_once)
{
    struct engine engine;
    struct lines lines;
    begin(&engine, &lines);
    ck_ok(engine_close(&engine), &engine.error);
    struct weir_file *file = NULL;
    struct weir_file_stat stat;
    ck_ok(weir_file_open(engine.env, SEGMENT, WEIR_OPEN_WRITE, &file, &engine.error),
          &engine.error);
    ck_ok(weir_file_stat(file, &stat, &engine.error), &engine.error);
    ck_ok(weir_file_truncate(file, stat.size / 3 + 10, &engine.error), &engine.error);
    weir_file_close(file);
    ck_ok(engine_open(&engine), &engine.error);
    check_damaged(&engine, &lines);
    engine_end(&engine);
}
END_TEST

/* Rot above the mark, which a kill cannot leave: readers get what lies before it, and then hear of it. None waits
 * for what will never come. */
START_TEST(damage_above_the_mark_is_read_up_to_and_told)
{
    struct engine engine;
    struct lines lines;
    struct weir_file_stat stat;
    begin(&engine, &lines);
    engine_crash(&engine, WEIR_SIM_KILL);
    ck_ok(weir_stat(engine.env, SEGMENT, &stat, &engine.error), &engine.error);
    ck_ok(weir_sim_disk_flip(engine.sim, 0, SEGMENT, stat.size - 2, 3), NULL);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(fetch_at(&engine, 0), 0);
    ck_assert_int_eq(fetch_at(&engine, 1), 0);
    struct weir_fetch_request behind = {
        .from = {weir_text("clicks"), 0},
        .offset = 2,
        .size_max = 100,
        .size_min = 1,
        .deadline = weir_mono_after_ms(weir_mono_now(engine.env), 60000),
    };
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &behind.request, NULL), 0);
    weir_broker_fetch(engine.broker, &behind);
    weir_sim_advance_ms(engine.sim, 10);
    ck_assert(atomic_load(&behind.request.is_done));
    ck_assert_int_eq(behind.request.rc, WEIR_OFFLINE);
    engine_end(&engine);
}
END_TEST

static struct weir_describe_partition_request describe(struct engine *engine)
{
    struct weir_describe_partition_request request = {.of = {weir_text("clicks"), 0}};
    ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &request.request, NULL), 0);
    weir_broker_describe_partition(engine->broker, &request);
    ck_ok(weir_broker_wait(engine->broker, &request.request, &engine->error), &engine->error);
    return request;
}

static void check_lost(struct engine *engine, size_t count, int64_t from, int64_t to)
{
    struct weir_describe_partition_request told = describe(engine);
    ck_assert_int_eq(told.log_start_offset, 0);
    ck_assert_int_eq(told.log_end_offset, 3);
    ck_assert_int_eq(told.high_watermark, 3);
    ck_assert(!told.is_offline);
    ck_assert_int_eq(told.offline_from, -1);
    ck_assert_uint_eq(told.lost_count, count);
    ck_assert_int_eq(told.lost.from, from);
    ck_assert_int_eq(told.lost.to, to);
}

/* What an operator has given up is told to whoever asks how the partition stands: how much, and the last. */
START_TEST(what_was_given_up_is_told)
{
    struct engine engine;
    struct lines lines;
    struct weir_repair repair;
    char kept[WEIR_CUT_NAME_SIZE];
    begin(&engine, &lines);
    check_lost(&engine, 0, 0, 0);
    ck_ok(engine_close(&engine), &engine.error);
    damage_second_batch(&engine);
    ck_ok(weir_repair_open(&repair, engine.env, FOLDER, 0, &engine.error), &engine.error);
    ck_assert_uint_eq(repair.range_count, 1);
    ck_ok(weir_repair_give_up(&repair, &repair.ranges[0], kept, &engine.error), &engine.error);
    weir_repair_close(&repair);
    ck_ok(weir_repair_open(&repair, engine.env, FOLDER, 0, &engine.error), &engine.error);
    ck_ok(weir_repair_finish(&repair, &engine.error), &engine.error);
    weir_repair_close(&repair);
    ck_ok(engine_open(&engine), &engine.error);
    check_lost(&engine, 1, 1, 2);
    engine_end(&engine);
}
END_TEST

/* ---- what is read at the start ----------------------------------------------------------------- */

struct in_folder {
    struct engine *engine;
    const char *path;
};

static int remove_snapshot(void *context, const char *name, enum weir_file_kind kind)
{
    const struct in_folder *folder = context;
    char path[512];
    (void)kind;
    if (strstr(name, ".checkpoint") == NULL || strstr(name, "-checkpoint") != NULL) return 0;
    (void)snprintf(path, sizeof path, "%s/%s", folder->path, name);
    return weir_remove(folder->engine->env, path, &folder->engine->error);
}

/* A bit of a record in the second batch from the end of what the folder's log holds, behind a proper
 * stop, and no snapshot that would make the record one that nobody reads. Returns the batch's offset. */
static int64_t damage_folded(struct engine *engine, const char *folder)
{
    char path[512];
    uint8_t bytes[1 << 14];
    struct weir_file *file = NULL;
    struct weir_batch_header header;
    int64_t places[2] = {-1, -1};
    int64_t offsets[2] = {-1, -1};
    (void)snprintf(path, sizeof path, "%s/00000000000000000000.log", folder);
    ck_ok(weir_file_open(engine->env, path, WEIR_OPEN_READ, &file, &engine->error), &engine->error);
    int64_t size = weir_file_read(file, bytes, sizeof bytes, 0, &engine->error);
    weir_file_close(file);
    for (int64_t at = 0; at < size; at += (int64_t)weir_batch_size(&header)) {
        struct weir_slice rest = weir_slice(bytes + at, (size_t)(size - at));
        ck_ok(weir_batch_peek(rest, 0, &header, &engine->error), &engine->error);
        places[0] = places[1];
        offsets[0] = offsets[1];
        places[1] = at;
        offsets[1] = header.base_offset;
    }
    ck_assert_int_ge(places[0], 0);
    ck_ok(weir_sim_disk_flip(engine->sim, 0, path, places[0] + WEIR_BATCH_HEADER_SIZE + 4, 3),
          NULL);
    struct in_folder in = {engine, folder};
    ck_ok(weir_list(engine->env, folder, remove_snapshot, &in, &engine->error), &engine->error);
    return offsets[0];
}

static void check_damage_file(struct engine *engine, const char *folder, int64_t from)
{
    struct weir_damage damage;
    ck_ok(weir_damage_file_read(engine->env, engine->env->budget, folder, &damage, &engine->error),
          &engine->error);
    ck_assert_int_eq(damage.from, from);
    ck_assert_ptr_nonnull(strstr(damage.reason, "crc"));
}

#define OFFSETS_FOLDER ENGINE_PATH "/log/__consumer_offsets-0"

/* The committed offsets are folded from the records of their partition, whose damage is kept as that
 * of any other: with a line, in the metrics, in its folder. */
START_TEST(damage_of_committed_offsets_is_kept)
{
    struct engine engine;
    struct lines lines;
    begin(&engine, &lines);
    for (int i = 0; i < 3; i++)
        ck_ok(engine_commit(&engine, "job", "clicks", 0, i), &engine.error);
    ck_ok(engine_close(&engine), &engine.error);
    int64_t from = damage_folded(&engine, OFFSETS_FOLDER);
    for (int opening = 1; opening <= 2; opening++) {
        ck_ok(engine_open(&engine), &engine.error);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(engine_committed(&engine, "job", "clicks", 0), WEIR_OFFLINE);
        ck_assert_int_eq(count_offline(&engine), 1);
        ck_assert_int_eq(lines.offline, opening);
        check_line(&lines, "topic=__consumer_offsets partition=0");
        check_line(&lines, "'weir log repair /data __consumer_offsets/0' show");
        check_line(&lines, "crc");
        check_damage_file(&engine, OFFSETS_FOLDER, from);
        ck_assert_int_eq(engine_latest(&engine, "clicks", 0), 3); /* the rest is served */
        ck_ok(engine_close(&engine), &engine.error);
    }
    engine_end(&engine);
}
END_TEST

#define METADATA_FOLDER ENGINE_PATH "/log/__cluster_metadata-0"

/* So is that of the metadata, and from then on the way out is named. */
START_TEST(damage_of_the_metadata_is_kept)
{
    struct engine engine;
    struct lines lines;
    begin(&engine, &lines);
    ck_ok(engine_close(&engine), &engine.error);
    int64_t from = damage_folded(&engine, METADATA_FOLDER);
    ck_code(engine_open(&engine), WEIR_CORRUPT);
    ck_assert_msg(strstr(engine.error.text, "crc") != NULL, "%s", engine.error.text);
    ck_assert_msg(strstr(engine.error.text, "weir log repair") != NULL, "%s", engine.error.text);
    check_damage_file(&engine, METADATA_FOLDER, from);
    ck_code(engine_open(&engine), WEIR_CORRUPT);
    ck_assert_msg(strstr(engine.error.text, "weir log repair") != NULL, "%s", engine.error.text);
    engine_end(&engine);
}
END_TEST

/* A full disk: a line when it begins and one when it is over, whatever number of requests fail. */
START_TEST(a_full_disk_is_two_lines)
{
    struct engine engine;
    struct lines lines;
    begin(&engine, &lines);
    weir_sim_disk_limit(engine.sim, 0, 1);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "b", WEIR_ACKS_ALL), WEIR_NO_SPACE);
    }
    ck_assert_int_eq(lines.disk_full, 1);
    ck_assert_int_eq(lines.disk_has_room, 0);
    weir_sim_disk_limit(engine.sim, 0, 0);
    weir_sim_advance_ms(engine.sim, 2000);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "b", WEIR_ACKS_ALL), 3 + i);
    }
    ck_assert_int_eq(lines.disk_full, 1);
    ck_assert_int_eq(lines.disk_has_room, 1);
    ck_assert_int_eq(lines.offline, 0);
    engine_end(&engine);
}
END_TEST

static void list_topics(struct engine *engine, struct weir_list_topics_request *list)
{
    ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &list->request, NULL), 0);
    weir_broker_list_topics(engine->broker, list);
    ck_ok(weir_broker_wait(engine->broker, &list->request, &engine->error), &engine->error);
}

/* The metadata tells which partitions have no replica that serves them. */
START_TEST(the_list_of_topics_shows_what_is_offline)
{
    struct engine engine;
    struct lines lines;
    struct weir_arena arena;
    begin(&engine, &lines);
    ck_ok(engine_close(&engine), &engine.error);
    ck_ok(weir_rename(engine.env, FOLDER, "/saved", &engine.error), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 0), WEIR_OFFLINE);
    weir_arena_init(&arena, engine.env->budget, 0);
    struct weir_list_topics_request list = {.arena = &arena, .with_epochs = true};
    list_topics(&engine, &list);
    ck_assert_uint_eq(list.topic_count, 1);
    ck_assert_ptr_nonnull(list.topics[0].are_offline);
    ck_assert(list.topics[0].are_offline[0]);
    ck_assert(!list.topics[0].are_offline[1]);
    weir_arena_close(&arena);
    engine_end(&engine);
}
END_TEST

/* Of each topic its own: numbers far apart, and nothing of one that is whole; they come back one by
 * one. */
START_TEST(what_is_offline_is_known_by_topic)
{
    static const int32_t numbers[] = {3, 63, 64, 150};
    enum { COUNT = sizeof numbers / sizeof numbers[0] };
    struct engine engine;
    struct lines lines;
    struct weir_arena arena;
    char folders[COUNT][64], saved[COUNT][32];
    begin(&engine, &lines);
    ck_ok(engine_create(&engine, "wide", 200), &engine.error);
    for (size_t i = 0; i < COUNT; i++) {
        (void)snprintf(folders[i], sizeof folders[i], ENGINE_PATH "/log/wide-%d", numbers[i]);
        (void)snprintf(saved[i], sizeof saved[i], "/saved-%zu", i);
        ck_assert_int_eq(engine_produce(&engine, "wide", numbers[i], "a", WEIR_ACKS_ALL), 0);
    }
    ck_ok(engine_close(&engine), &engine.error);
    for (size_t i = 0; i < COUNT; i++)
        ck_ok(weir_rename(engine.env, folders[i], saved[i], &engine.error), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    for (size_t i = 0; i < COUNT; i++)
        ck_assert_int_eq(engine_latest(&engine, "wide", numbers[i]), WEIR_OFFLINE);
    for (size_t back = 0; back <= COUNT; back++) {
        ck_assert_int_eq(count_offline(&engine), (int64_t)(COUNT - back));
        weir_arena_init(&arena, engine.env->budget, 0);
        struct weir_list_topics_request list = {.arena = &arena, .with_epochs = true};
        list_topics(&engine, &list);
        ck_assert_uint_eq(list.topic_count, 2);
        ck_assert_ptr_null(list.topics[0].are_offline); /* clicks */
        ck_assert((list.topics[1].are_offline == NULL) == (back == COUNT));
        for (int32_t n = 0; back < COUNT && n < 200; n++) {
            bool is_offline = false;
            for (size_t i = back; i < COUNT; i++)
                is_offline |= n == numbers[i];
            ck_assert_int_eq(list.topics[1].are_offline[n], is_offline);
        }
        weir_arena_close(&arena);
        if (back == COUNT) break;
        ck_ok(weir_rename(engine.env, saved[back], folders[back], &engine.error), &engine.error);
        ck_assert_int_eq(engine_latest(&engine, "wide", numbers[back]), 1);
    }
    ck_assert_int_eq(lines.online, COUNT);
    engine_end(&engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("offline");
    tcase_add_test(tests, what_was_given_up_is_told);
    tcase_add_test(tests, a_missing_folder_is_one_line_and_its_return_another);
    tcase_add_test(tests, a_folder_that_goes_while_it_is_served_is_told);
    tcase_add_test(tests, what_is_written_to_a_removed_segment_is_not_acknowledged);
    tcase_add_test(tests, what_cannot_become_durable_is_not_waited_for);
    tcase_add_test(tests, what_is_written_to_a_segment_that_was_cut_is_not_acknowledged);
    tcase_add_test(tests, a_chore_in_a_folder_that_is_gone_is_one_line);
    tcase_add_test(tests, a_deleted_topic_counts_no_more);
    tcase_add_test(tests, damage_found_by_a_read_is_told_once);
    tcase_add_test(tests, damage_found_without_memory_is_told_later);
    tcase_add_test(tests, a_waiting_fetch_is_answered_when_damage_is_found);
    tcase_add_test(tests, damage_found_by_opening_is_told_once);
    tcase_add_test(tests, damage_above_the_mark_is_read_up_to_and_told);
    tcase_add_test(tests, damage_of_committed_offsets_is_kept);
    tcase_add_test(tests, damage_of_the_metadata_is_kept);
    tcase_add_test(tests, a_full_disk_is_two_lines);
    tcase_add_test(tests, the_list_of_topics_shows_what_is_offline);
    tcase_add_test(tests, what_is_offline_is_known_by_topic);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("offline", add);
}
