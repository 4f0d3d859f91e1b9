#include <stdio.h>
#include <string.h>

#include "broker/engine/snapshot_file.h"
#include "broker/log/small_file.h"
#include "tests/unit/broker/engine/engine_fixture.h"
#include "wire/generated/snapshot_header_record.h"
#include "wire/record_batch_reader.h"

/* ---- the file -------------------------------------------------------------------------------- */

struct seen {
    int count;
    char last[32];
};

static int see(void *context, const struct weir_batch_header *header,
               const struct weir_record *record, struct weir_error *error)
{
    struct seen *seen = context;
    (void)header;
    (void)error;
    seen->count++;
    (void)snprintf(seen->last, sizeof seen->last, "%.*s", (int)record->value.size,
                   (const char *)record->value.data);
    return 0;
}

static void build(struct engine *engine, struct weir_snapshot_builder *builder, int count)
{
    char text[1024];
    weir_snapshot_builder_init(builder, engine->env->budget, 77);
    for (int i = 0; i < count; i++) {
        memset(text, 'x', sizeof text);
        int size = snprintf(text, sizeof text, "record %d", i);
        weir_snapshot_builder_add(builder,
                                  &(struct weir_record){.key = weir_slice(text, sizeof text),
                                                        .value = weir_slice(text, (size_t)size)});
    }
    ck_assert_int_eq(weir_snapshot_builder_finish(builder), 0);
}

/* Records survive their snapshot, in order, over several batches. */
START_TEST(records_survive_their_snapshot)
{
    struct engine engine;
    struct weir_snapshot_builder builder;
    struct seen seen = {0};
    engine_init(&engine, 1);
    build(&engine, &builder, 1000);
    ck_ok(weir_snapshot_parse(engine.env->budget, weir_buffer_slice(&builder.bytes), see, &seen,
                              &engine.error),
          &engine.error);
    ck_assert_int_eq(seen.count, 1000);
    ck_assert_str_eq(seen.last, "record 999");
    weir_snapshot_builder_close(&builder);
    weir_sim_free(engine.sim);
}
END_TEST

static int see_producer(void *context, const struct weir_batch_header *header,
                        const struct weir_record *record, struct weir_error *error)
{
    char *seen = context;
    (void)error;
    ck_assert_int_eq(weir_batch_is_transactional(header), header->producer_id >= 0);
    size_t size = strlen(seen);
    (void)snprintf(seen + size, 200 - size, " %d:%.*s", (int)header->producer_id,
                   (int)record->value.size, (const char *)record->value.data);
    return 0;
}

/* What an open transaction has written is told from what is decided, in the order in which it was given. */
START_TEST(records_of_open_transactions_are_told_by_their_batch)
{
    static const int64_t producers[] = {-1, 7, 7, 9, -1, -1, 7};
    struct engine engine;
    struct weir_snapshot_builder builder;
    char seen[200] = "";
    engine_init(&engine, 1);
    weir_snapshot_builder_init(&builder, engine.env->budget, 77);
    for (size_t i = 0; i < sizeof producers / sizeof *producers; i++) {
        char letter = (char)('a' + i);
        struct weir_record record = {.value = weir_slice(&letter, 1)};
        if (producers[i] < 0) {
            weir_snapshot_builder_add(&builder, &record);
        } else {
            weir_snapshot_builder_add_pending(&builder, producers[i], &record);
        }
    }
    ck_assert_int_eq(weir_snapshot_builder_finish(&builder), 0);
    ck_ok(weir_snapshot_parse(engine.env->budget, weir_buffer_slice(&builder.bytes), see_producer,
                              seen, &engine.error),
          &engine.error);
    ck_assert_str_eq(seen, " -1:a 7:b 7:c 9:d -1:e -1:f 7:g");
    weir_snapshot_builder_close(&builder);
    weir_sim_free(engine.sim);
}
END_TEST

/* A snapshot that is cut at any byte, or has a bit flipped at any byte, is refused. */
START_TEST(a_damaged_snapshot_is_refused)
{
    struct engine engine;
    struct weir_snapshot_builder builder;
    struct seen seen = {0};
    engine_init(&engine, 2);
    build(&engine, &builder, 3);
    struct weir_slice bytes = weir_buffer_slice(&builder.bytes);
    int passed = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        ck_assert_int_eq(
            weir_snapshot_parse(engine.env->budget, weir_slice(bytes.data, i), see, &seen, NULL),
            WEIR_CORRUPT);
        builder.bytes.data[i] ^= 0x10;
        int rc = weir_snapshot_parse(engine.env->budget, bytes, see, &seen, NULL);
        builder.bytes.data[i] ^= 0x10;
        passed += rc == 0;
        ck_assert_msg(rc == 0 || rc == WEIR_CORRUPT || rc == WEIR_UNSUPPORTED_VERSION,
                      "byte %zu: %d", i, rc);
    }
    ck_assert_int_le(passed,
                     3 * 12); /* base offset and epoch of three batches: outside of the crc */
    weir_snapshot_builder_close(&builder);
    weir_sim_free(engine.sim);
}
END_TEST

/* A batch of one control record with this key. */
static struct weir_slice control_batch(struct weir_batch_builder *builder, struct weir_slice key)
{
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_slice bytes;
    struct weir_record record = {.key = key, .value = weir_text("")};
    finish.is_control = true;
    weir_batch_builder_reset(builder);
    ck_assert_int_eq(weir_batch_builder_add(builder, &record), 0);
    ck_assert_int_eq(weir_batch_builder_finish(builder, &finish, &bytes), 0);
    return bytes;
}

/* Header, records, footer, each once and in this order, and nothing else; whole batches all of them. H is the
 * header, R three records, F the footer, M a control batch of another type, S one too short for a type. */
START_TEST(a_snapshot_has_one_order)
{
    static const struct {
        const char *pieces;
        int rc;
    } cases[] = {{"HRF", 0},
                 {"HF", 0},
                 {"", WEIR_CORRUPT},
                 {"H", WEIR_CORRUPT},
                 {"F", WEIR_CORRUPT},
                 {"HR", WEIR_CORRUPT},
                 {"RF", WEIR_CORRUPT},
                 {"FH", WEIR_CORRUPT},
                 {"RHF", WEIR_CORRUPT},
                 {"HHRF", WEIR_CORRUPT},
                 {"HRHF", WEIR_CORRUPT},
                 {"HRFF", WEIR_CORRUPT},
                 {"HRFR", WEIR_CORRUPT},
                 {"HRFH", WEIR_CORRUPT},
                 {"HRMF", WEIR_CORRUPT},
                 {"HRSF", WEIR_CORRUPT},
                 {"MHRF", WEIR_CORRUPT}};
    struct engine engine;
    struct weir_snapshot_builder empty, full;
    struct weir_batch_builder marker, stump;
    engine_init(&engine, 2);
    build(&engine, &empty, 0);
    weir_snapshot_builder_init(&full, engine.env->budget, 77);
    size_t header_size = full.bytes.size;
    weir_snapshot_builder_close(&full);
    build(&engine, &full, 3);
    weir_batch_builder_init(&marker, engine.env->budget, WEIR_CODEC_NONE, 0);
    weir_batch_builder_init(&stump, engine.env->budget, WEIR_CODEC_NONE, 0);
    size_t footer_size = empty.bytes.size - header_size;
    const struct weir_slice pieces[] = {
        ['H'] = weir_slice(empty.bytes.data, header_size),
        ['F'] = weir_slice(empty.bytes.data + header_size, footer_size),
        ['R'] = weir_slice(full.bytes.data + header_size, full.bytes.size - empty.bytes.size),
        ['M'] = control_batch(&marker, weir_slice("\0\0\0", 4)),
        ['S'] = control_batch(&stump, weir_slice("\0", 2)),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_buffer bytes;
        struct seen seen = {0};
        weir_buffer_init(&bytes, engine.env->budget, 0);
        for (const char *at = cases[i].pieces; *at != '\0'; at++) {
            struct weir_slice piece = pieces[(unsigned char)*at];
            weir_buffer_append(&bytes, piece.data, piece.size);
        }
        int rc = weir_snapshot_parse(engine.env->budget, weir_buffer_slice(&bytes), see, &seen,
                                     &engine.error);
        ck_assert_msg(rc == cases[i].rc, "%s: %s", cases[i].pieces, weir_code_name(rc));
        if (rc == 0) ck_assert_int_eq(seen.count, strchr(cases[i].pieces, 'R') != NULL ? 3 : 0);
        weir_buffer_close(&bytes);
    }
    weir_batch_builder_close(&marker);
    weir_batch_builder_close(&stump);
    weir_snapshot_builder_close(&empty);
    weir_snapshot_builder_close(&full);
    weir_sim_free(engine.sim);
}
END_TEST

/* The newest is found, and the one before it; older ones go, and leftovers of a write, too. */
START_TEST(the_newest_snapshot_is_found)
{
    struct engine engine;
    struct weir_snapshot_builder builder;
    struct weir_snapshot_id id = {0};
    struct weir_file *file = NULL;
    struct weir_file_stat stat;
    engine_init(&engine, 3);
    ck_assert_int_eq(weir_make_directory(engine.env, "/s", NULL), 0);
    ck_assert_int_eq(weir_snapshot_find(engine.env, "/s", INT64_MAX, &id, NULL), WEIR_END);
    build(&engine, &builder, 2);
    for (int64_t offset = 5; offset <= 15; offset += 5) {
        id = (struct weir_snapshot_id){.offset = offset, .epoch = 2};
        ck_ok(weir_snapshot_write(engine.env, "/s", id, offset - 5,
                                  weir_buffer_slice(&builder.bytes), &engine.error),
              &engine.error);
    }
    const char *part = "/s/00000000000000000099-0000000002.checkpoint.tmp";
    ck_assert_int_eq(
        weir_file_open(engine.env, part, WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &file, NULL), 0);
    weir_file_close(file);
    ck_ok(weir_snapshot_find(engine.env, "/s", INT64_MAX, &id, &engine.error), &engine.error);
    ck_assert_int_eq(id.offset, 15);
    ck_assert_int_eq(id.epoch, 2);
    ck_assert_int_eq(weir_stat(engine.env, part, &stat, NULL), WEIR_NOT_FOUND);
    ck_ok(weir_snapshot_find(engine.env, "/s", 15, &id, &engine.error), &engine.error);
    ck_assert_int_eq(id.offset, 10); /* the one before stays */
    ck_assert_int_eq(weir_snapshot_find(engine.env, "/s", 10, &id, NULL), WEIR_END);
    const char *old = "/s/00000000000000000005-0000000002.checkpoint";
    ck_assert_int_eq(weir_stat(engine.env, old, &stat, NULL), WEIR_NOT_FOUND);
    weir_snapshot_builder_close(&builder);
    weir_sim_free(engine.sim);
}
END_TEST

/* Only what a snapshot is called is one: neither a number more or less, nor another ending, nor a sign. */
START_TEST(a_snapshot_has_one_name)
{
    static const char *const others[] = {
        "",
        "1-2",
        "0000000000000000015-0000000002.checkpoint",
        "000000000000000000015-0000000002.checkpoint",
        "00000000000000000015-000000002.checkpoint",
        "00000000000000000015-00000000002.checkpoint",
        "00000000000000000015-0000000002.checkpoin",
        "00000000000000000015-0000000002.checkpoints",
        "00000000000000000015-0000000002.checkpoint.tmp",
        "00000000000000000015.0000000002.checkpoint",
        "-0000000000000000015-0000000002.checkpoint",
        "00000000000000000015--000000002.checkpoint",
        "00000000000000000015-0000000002",
    };
    struct weir_snapshot_id id = {0};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ck_assert_msg(!weir_snapshot_parse_name(others[i], &id), "'%s'", others[i]);
    }
    ck_assert_int_eq(id.offset, 0);
    ck_assert(weir_snapshot_parse_name("00000000000000000015-0000000002.checkpoint", &id));
    ck_assert_int_eq(id.offset, 15);
    ck_assert_int_eq(id.epoch, 2);
}
END_TEST

/* A snapshot's header has the time of the last record that is in it. */
START_TEST(a_snapshot_says_up_to_when)
{
    struct engine engine;
    struct weir_snapshot_id id;
    struct weir_buffer bytes;
    struct weir_record record;
    struct weir_snapshot_header_record header;
    struct weir_arena arena;
    char path[256];
    engine_init(&engine, 9);
    ck_ok(engine_open(&engine), &engine.error);
    weir_sim_advance_ms(engine.sim, 5000);
    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    int64_t created_ms = weir_wall_now(engine.env).ms;
    weir_sim_advance_ms(engine.sim, 5000);
    ck_ok(engine_close(&engine), &engine.error);
    const char *folder = ENGINE_PATH "/log/__cluster_metadata-0";
    ck_ok(weir_snapshot_find(engine.env, folder, INT64_MAX, &id, &engine.error), &engine.error);
    (void)snprintf(path, sizeof path, "%s/%020lld-%010d.checkpoint", folder, (long long)id.offset,
                   id.epoch);
    weir_buffer_init(&bytes, engine.env->budget, 0);
    weir_arena_init(&arena, engine.env->budget, 0);
    ck_ok(weir_small_file_read(engine.env, path, 1 << 20, &bytes, &engine.error), &engine.error);
    struct weir_batch_reader reader = {.rest = weir_buffer_slice(&bytes), .is_whole = true};
    ck_ok(weir_batch_reader_open_next(&reader, NULL), NULL);
    ck_ok(weir_batch_reader_record(&reader, &record, NULL), NULL);
    struct weir_reader value = weir_reader(record.value);
    ck_ok(weir_snapshot_header_record_decode(&header, 0, &value, &arena), NULL);
    ck_assert_int_le(header.last_contained_log_timestamp, created_ms);
    ck_assert_int_gt(header.last_contained_log_timestamp, created_ms - 1000);
    weir_arena_close(&arena);
    weir_buffer_close(&bytes);
    engine_end(&engine);
}
END_TEST

/* ---- in the engine --------------------------------------------------------------------------- */

static int count_entry(void *context, const char *name, enum weir_file_kind kind)
{
    (void)kind;
    size_t size = strlen(name);
    if (size > 11 && strcmp(name + size - 11, ".checkpoint") == 0) ++*(int *)context;
    return 0;
}

static int count_snapshots(struct engine *engine, const char *folder)
{
    int count = 0;
    ck_assert_int_eq(weir_list(engine->env, folder, count_entry, &count, NULL), 0);
    return count;
}

/* Many commits are covered by a snapshot while the engine runs, the log below it is given up, and
 * after a power cut the last of them is what counts: a start reads the tail, not the history. */
START_TEST(commits_are_covered_by_a_snapshot)
{
    struct engine engine;
    struct weir_offset_entry entries[100];
    engine_init(&engine, 4);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 100), &engine.error);
    for (int32_t i = 0; i < 100; i++) {
        entries[i] = (struct weir_offset_entry){.partition = {weir_text("clicks"), i}};
    }
    for (int round = 0; round < 450; round++) {
        struct weir_commit_request commit = {
            .group = weir_text("job"), .entries = entries, .entry_count = 100};
        for (int32_t i = 0; i < 100; i++)
            entries[i].offset = round * 1000 + i;
        ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &commit.request, NULL), 0);
        weir_broker_commit_offsets(engine.broker, &commit);
        ck_ok(weir_broker_wait(engine.broker, &commit.request, &engine.error), &engine.error);
    }
    weir_sim_advance_ms(engine.sim, 100);
    const char *folder = ENGINE_PATH "/log/__consumer_offsets-0";
    ck_assert_int_eq(count_snapshots(&engine, folder), 2);
    int64_t start = engine_describe_partition(&engine, "__consumer_offsets", 0).state.start_offset;
    ck_assert_int_ge(start, 20000);

    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_committed(&engine, "job", "clicks", 0), 449000);
    ck_assert_int_eq(engine_committed(&engine, "job", "clicks", 99), 449099);
    ck_ok(engine_close(&engine), &engine.error);
    ck_assert_int_eq(count_snapshots(&engine, folder), 2);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_committed(&engine, "job", "clicks", 50), 449050);
    engine_end(&engine);
}
END_TEST

/* The metadata, too: after thousands of changes the image comes back from a snapshot. */
START_TEST(metadata_is_covered_by_a_snapshot)
{
    struct engine engine;
    engine_init(&engine, 5);
    ck_ok(engine_open(&engine), &engine.error);
    for (int i = 0; i < 12; i++) {
        ck_ok(engine_create(&engine, "large", 2000), &engine.error);
        ck_ok(engine_delete(&engine, "large"), &engine.error);
    }
    ck_ok(engine_create(&engine, "clicks", 7), &engine.error);
    weir_sim_advance_ms(engine.sim, 100);
    ck_assert_int_eq(count_snapshots(&engine, ENGINE_PATH "/log/__cluster_metadata-0"), 1);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_describe(&engine, "clicks"), 7);
    ck_assert_int_eq(engine_describe(&engine, "large"), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    engine_end(&engine);
}
END_TEST

/* A thousand partitions cost one record each to create and nothing to open again: disk operations
 * are counted, not time. */
START_TEST(a_thousand_partitions_open_with_bounded_work)
{
    struct engine engine;
    engine_init(&engine, 6);
    ck_ok(engine_open(&engine), &engine.error);
    weir_sim_disk_count_reset(engine.sim, 0);
    ck_ok(engine_create(&engine, "clicks", 1000), &engine.error);
    ck_assert_uint_le(weir_sim_disk_count(engine.sim, 0), 10);
    for (int32_t i = 0; i < 1000; i++) {
        ck_assert_int_eq(engine_produce(&engine, "clicks", i, "a", WEIR_ACKS_LEADER), 0);
    }
    ck_ok(engine_close(&engine), &engine.error);
    weir_sim_disk_count_reset(engine.sim, 0);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 500), 1);
    ck_assert_uint_le(weir_sim_disk_count(engine.sim, 0), 20);
    engine_crash(&engine, WEIR_SIM_KILL);
    weir_sim_disk_count_reset(engine.sim, 0);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 999), 1);
    ck_assert_uint_le(weir_sim_disk_count(engine.sim, 0), 20);
    engine_end(&engine);
}
END_TEST

/* ---- a snapshot that has rotted -------------------------------------------------------------- */

struct newest {
    char name[128];
};

static int keep_newest(void *context, const char *name, enum weir_file_kind kind)
{
    struct newest *newest = context;
    (void)kind;
    if (strstr(name, ".checkpoint") != NULL) {
        (void)snprintf(newest->name, sizeof newest->name, "%s", name); /* they come sorted */
    }
    return 0;
}

static void damage_newest(struct engine *engine, const char *folder)
{
    struct newest newest = {{0}};
    char path[512];
    ck_assert_int_eq(weir_list(engine->env, folder, keep_newest, &newest, NULL), 0);
    ck_assert_str_ne(newest.name, "");
    (void)snprintf(path, sizeof path, "%s/%s", folder, newest.name);
    ck_assert_int_eq(weir_sim_disk_flip(engine->sim, 0, path, 100, 3), 0);
}

/* The log that goes back to its beginning makes up for a damaged snapshot. */
START_TEST(a_damaged_only_snapshot_costs_nothing)
{
    struct engine engine;
    engine_init(&engine, 8);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 3), &engine.error);
    ck_ok(engine_create(&engine, "gone", 3), &engine.error);
    ck_ok(engine_delete(&engine, "gone"), &engine.error);
    ck_ok(engine_commit(&engine, "job", "clicks", 0, 7), &engine.error);
    ck_ok(engine_close(&engine), &engine.error);
    damage_newest(&engine, ENGINE_PATH "/log/__cluster_metadata-0");
    damage_newest(&engine, ENGINE_PATH "/log/__consumer_offsets-0");
    for (int i = 0; i < 2; i++) { /* and so it is for whoever opens after that */
        ck_ok(engine_open(&engine), &engine.error);
        ck_assert_int_eq(engine_describe(&engine, "clicks"), 3);
        ck_assert_int_eq(engine_describe(&engine, "gone"), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
        ck_assert_int_eq(engine_committed(&engine, "job", "clicks", 0), 7);
        ck_ok(engine_close(&engine), &engine.error);
    }
    engine_end(&engine);
}
END_TEST

/* Where the log begins later, the snapshot before does; when that is damaged as well, the engine
 * says what is missing, and does not begin with half of it. */
START_TEST(the_snapshot_before_stands_in)
{
    struct engine engine;
    const char *folder = ENGINE_PATH "/log/__cluster_metadata-0";
    engine_init(&engine, 9);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 7), &engine.error);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 6, "a", WEIR_ACKS_ALL), 0);
    for (int i = 0; i < 24; i++) {
        ck_ok(engine_create(&engine, "large", 2000), &engine.error);
        ck_ok(engine_delete(&engine, "large"), &engine.error);
    }
    weir_sim_advance_ms(engine.sim, 100);
    ck_assert_int_eq(count_snapshots(&engine, folder), 2);
    ck_assert_int_gt(engine_describe_partition(&engine, "__cluster_metadata", 0).state.start_offset,
                     0);
    engine_crash(&engine, WEIR_SIM_POWER);
    damage_newest(&engine, folder);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_describe(&engine, "clicks"), 7);
    ck_assert_int_eq(engine_describe(&engine, "large"), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    /* No change of the metadata, which would be the time for a new snapshot. */
    ck_assert_int_eq(engine_produce(&engine, "clicks", 6, "b", WEIR_ACKS_ALL), 1);
    engine_crash(&engine, WEIR_SIM_POWER);

    struct weir_snapshot_id id;
    char path[512];
    ck_assert_int_eq(weir_snapshot_find(engine.env, folder, INT64_MAX, &id, NULL), 0);
    ck_assert_int_eq(weir_snapshot_find(engine.env, folder, id.offset, &id, NULL), 0);
    (void)snprintf(path, sizeof path, "%s/%020lld-%010d.checkpoint", folder, (long long)id.offset,
                   (int)id.epoch);
    ck_assert_int_eq(weir_sim_disk_flip(engine.sim, 0, path, 100, 3), 0);
    ck_assert_int_eq(engine_open(&engine), WEIR_CORRUPT);
    ck_assert_msg(strstr(engine.error.text, "missing") != NULL, "%s", engine.error.text);
    ck_assert_msg(strstr(engine.error.text, ".checkpoint") != NULL, "%s", engine.error.text);
    weir_sim_free(engine.sim);
}
END_TEST

static void note_done(struct weir_request *request)
{
    ++*(int *)request->context;
}

/* What arrives together shares the flush: a hundred partitions, two flushes at most. */
START_TEST(what_arrives_together_shares_the_flush)
{
    struct engine engine;
    struct weir_broker_metrics before, after;
    static struct weir_produce_request requests[100];
    int done_count = 0;
    engine_init(&engine, 7);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 100), &engine.error);
    for (int32_t i = 0; i < 100; i++) {
        char value[64];
        ck_assert_int_eq(engine_fetch(&engine, "clicks", i, 0, value), WEIR_END);
    }
    weir_broker_metrics(engine.broker, &before);
    for (int32_t i = 0; i < 100; i++) {
        requests[i] = (struct weir_produce_request){.to = {weir_text("clicks"), i},
                                                    .batches = engine_batch(&engine, "a"),
                                                    .acks = WEIR_ACKS_ALL};
        requests[i].request.done = note_done;
        requests[i].request.context = &done_count;
        weir_broker_produce(engine.broker, &requests[i]);
    }
    weir_sim_advance_ms(engine.sim, 100);
    ck_assert_int_eq(done_count, 100);
    weir_broker_metrics(engine.broker, &after);
    ck_assert_int_le(after.flushes - before.flushes, 2);
    ck_assert_int_gt(after.flushes - before.flushes, 0);
    ck_assert_int_eq(after.batches_in - before.batches_in, 100);
    for (int32_t i = 0; i < 100; i++) {
        ck_assert_int_eq(requests[i].request.rc, 0);
        weir_shared_unref(requests[i].batches);
    }
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    for (int32_t i = 0; i < 100; i++)
        ck_assert_int_eq(engine_latest(&engine, "clicks", i), 1);
    engine_end(&engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *file = tcase_create("file");
    tcase_add_test(file, records_survive_their_snapshot);
    tcase_add_test(file, records_of_open_transactions_are_told_by_their_batch);
    tcase_add_test(file, a_damaged_snapshot_is_refused);
    tcase_add_test(file, a_snapshot_has_one_order);
    tcase_add_test(file, a_snapshot_has_one_name);
    tcase_add_test(file, a_snapshot_says_up_to_when);
    tcase_add_test(file, a_snapshot_has_one_order);
    tcase_add_test(file, the_newest_snapshot_is_found);
    suite_add_tcase(suite, file);
    TCase *engine = tcase_create("engine");
    tcase_add_test(engine, commits_are_covered_by_a_snapshot);
    tcase_add_test(engine, metadata_is_covered_by_a_snapshot);
    tcase_add_test(engine, a_thousand_partitions_open_with_bounded_work);
    tcase_add_test(engine, what_arrives_together_shares_the_flush);
    suite_add_tcase(suite, engine);
    TCase *rot = tcase_create("rot");
    tcase_add_test(rot, a_damaged_only_snapshot_costs_nothing);
    tcase_add_test(rot, the_snapshot_before_stands_in);
    suite_add_tcase(suite, rot);
}

int main(void)
{
    return weir_test_main("snapshots", add);
}
