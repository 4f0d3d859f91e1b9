#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "broker/log/durable_mark.h"
#include "broker/log/log_internal.h"
#include "tests/unit/broker/log/log_support.h"

/**
 * The mark stands twice. Whatever happens to one of the two files while nobody has the log open, the log
 * is as it was, and both are whole again.
 */
static struct test_log test;
static uint64_t seed;

enum { MARK_SIZE_MAX = 16 * 1024, BATCHES = 60 };
static const char *const names[] = {WEIR_DURABLE_MARK_NAME, WEIR_DURABLE_MARK_COPY_NAME};

static void set_up(void)
{
    seed = 1;
    test_log_start(&test, seed);
    test.options.config.segment_bytes = 900;
}

static void tear_down(void)
{
    test_log_stop(&test);
}

struct mark_bytes {
    uint8_t bytes[MARK_SIZE_MAX];
    size_t size;
};

static struct mark_bytes read_bytes(const char *name)
{
    struct mark_bytes got = {.size = 0};
    struct weir_file *file = NULL;
    const char *path = test_log_path(&test, name);
    ck_ok(weir_file_open(test.env, path, WEIR_OPEN_READ, &file, &test.error), &test.error);
    int64_t size = weir_file_read(file, got.bytes, sizeof got.bytes, 0, &test.error);
    weir_file_close(file);
    ck_assert_int_gt(size, 0);
    got.size = (size_t)size;
    return got;
}

/* In its place, however long it was. */
static void write_bytes(const char *name, const void *bytes, size_t size)
{
    (void)weir_remove(test.env, test_log_path(&test, name), NULL);
    test_log_write_file(&test, name, bytes, size);
}

static void fill(int count)
{
    for (int i = 0; i < count; i++) {
        struct test_append what = {.record_count = 3,
                                   .has_producer = true,
                                   .producer_id = 5 + i % 3,
                                   .sequence = 0,
                                   .producer_epoch = (int16_t)test.batch_count};
        ck_ok(test_log_append(&test, &what, NULL), &test.error);
    }
}

/* A log that knows what no scan would tell: it begins within a batch of its first segment, and its end was cut.
 * `older`: its mark from before all that. */
static void make_log(bool is_clean, struct mark_bytes *older)
{
    test_log_stop(&test);
    test_log_start(&test, seed);
    test.options.config.segment_bytes = 900;
    ck_ok(test_log_open(&test), &test.error);
    fill(BATCHES / 2);
    ck_ok(weir_partition_log_set_epoch(test.log, 4, NULL), NULL);
    ck_ok(test_log_sync(&test), &test.error);
    ck_ok(weir_log_roll(test.log, &test.error), &test.error);
    *older = read_bytes(names[0]);
    fill(BATCHES / 2);
    int64_t cut = test.batches[BATCHES - 3].base_offset;
    ck_ok(weir_partition_log_truncate(test.log, cut, &test.error), &test.error);
    test_log_forget(&test, cut);
    size_t at = 4; /* the first one from there on with a batch before it in its segment */
    while (test.batches[at].base_offset ==
           test.log->segments[weir_log_find_segment(test.log, test.batches[at].base_offset)]
               ->facts.base_offset) {
        at++;
    }
    int64_t start = test.batches[at].base_offset + 1;
    ck_ok(weir_partition_log_set_start(test.log, start, &test.error), &test.error);
    ck_assert_int_lt(test.log->segments[0]->facts.base_offset, start - 1);
    fill(2);
    ck_ok(test_log_sync(&test), &test.error);
    if (is_clean) {
        ck_ok(test_log_close(&test), &test.error);
    } else {
        test_log_crash(&test, WEIR_SIM_KILL);
    }
}

struct facts {
    int64_t start, end, stable, size, last_append_ms;
    int32_t leader_epoch, segment_count;
};

static struct facts open_and_look(void)
{
    ck_ok(test_log_open(&test), &test.error);
    struct weir_partition_log_state state = weir_partition_log_state(test.log);
    ck_assert_msg(!state.is_offline, "%s", test.recovery.reason);
    struct weir_log_read gone = {.offset = state.start_offset - 1, .offset_max = INT64_MAX};
    ck_code(test_log_read(&test, &gone), WEIR_OFFSET_OUT_OF_RANGE);
    const struct test_batch *first = test_log_batch_at(&test, state.start_offset);
    ck_assert_int_eq(test_log_expect_from(&test, first->end_offset, 500), state.end_offset);
    weir_partition_log_check(test.log);
    return (struct facts){
        .start = state.start_offset,
        .end = state.end_offset,
        .stable = state.last_stable_offset,
        .size = state.size_bytes,
        .last_append_ms = test.log->last_append_ms,
        .leader_epoch = state.leader_epoch,
        .segment_count = state.segment_count,
    };
}

static void expect_whole(void)
{
    struct mark_bytes mark = read_bytes(names[0]);
    struct mark_bytes copy = read_bytes(names[1]);
    ck_assert_uint_eq(mark.size, copy.size);
    ck_assert_mem_eq(mark.bytes, copy.bytes, mark.size);
    ck_assert(!test_log_exists(&test, WEIR_DURABLE_MARK_COPY_NAME ".tmp"));
}

enum { AWAY, EMPTY, HALF, TAIL, GROW, FLIP, NOISE, OLDER, DAMAGES };

static void damage(const char *name, int how, const struct mark_bytes *older)
{
    struct mark_bytes bytes = read_bytes(name);
    memset(bytes.bytes + bytes.size, 0, MARK_SIZE_MAX - bytes.size);
    if (how == EMPTY) bytes.size = 0;
    if (how == HALF) bytes.size /= 2;
    if (how == TAIL) bytes.size -= 7;
    if (how == GROW) bytes.size += 200;
    if (how == FLIP) bytes.bytes[weir_sim_random(test.sim) % bytes.size] ^= 16;
    for (size_t i = 0; how == NOISE && i < bytes.size; i++) {
        bytes.bytes[i] = (uint8_t)weir_sim_random(test.sim);
    }
    if (how == OLDER) bytes = *older;
    write_bytes(name, bytes.bytes, bytes.size);
    if (how == AWAY) ck_ok(weir_remove(test.env, test_log_path(&test, name), NULL), NULL);
}

static struct facts expected_facts(bool is_clean, struct mark_bytes *older)
{
    make_log(is_clean, older);
    struct facts expected = open_and_look();
    ck_assert_ptr_null(test.recovery.mark_was);
    ck_assert_int_gt(expected.start, test.batches[0].end_offset);
    return expected;
}

/* Each kind of damage to either of them, after a clean stop and after a kill. */
START_TEST(what_happens_to_one_of_them_changes_nothing)
{
    static struct mark_bytes older;
    bool is_clean = _i % 2 == 0;
    const char *name = names[_i / 2 % 2];
    int how = _i / 4;
    struct facts expected = expected_facts(is_clean, &older);
    make_log(is_clean, &older);
    damage(name, how, &older);
    struct facts got = open_and_look();
    ck_assert_mem_eq(&got, &expected, sizeof got);
    ck_assert(test.recovery.had_mark && !test.recovery.mark_is_lost);
    ck_assert((test.recovery.mark_was != NULL) == (name == names[0]));
    ck_assert(test.recovery.was_clean == is_clean);
    expect_whole();
    test_log_crash(&test, WEIR_SIM_POWER);
    got = open_and_look();
    ck_assert_mem_eq(&got, &expected, sizeof got);
    ck_assert_ptr_null(test.recovery.mark_was);
    fill(3);
    ck_ok(test_log_close(&test), &test.error);
    expect_whole();
    test_log_expect_verified(&test);
}
END_TEST

/* A segment that is missing is missed by the copy as by the mark; and nothing is changed. */
START_TEST(the_copy_knows_what_is_missing)
{
    static struct mark_bytes older;
    char segment[48];
    make_log(_i % 2 == 0, &older);
    ck_ok(test_log_open(&test), &test.error);
    int64_t base = weir_log_active(test.log)->facts.base_offset;
    (void)snprintf(segment, sizeof segment, "%020lld.log", (long long)base);
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(weir_remove(test.env, test_log_path(&test, segment), &test.error), &test.error);
    damage(names[0], _i / 2, &older);
    uint64_t before = weir_sim_disk_hash(test.sim, 0, test.options.path);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.offline_from, base);
    ck_ok(test_log_close(&test), &test.error);
    ck_assert_uint_eq(weir_sim_disk_hash(test.sim, 0, test.options.path), before);
}
END_TEST

/* Without either the log begins with its first segment, and that this was not known is told. */
START_TEST(where_both_are_lost_it_is_told)
{
    static struct mark_bytes older;
    for (int how = AWAY; how < OLDER; how++) {
        struct facts expected = expected_facts(true, &older);
        ck_ok(test_log_close(&test), &test.error);
        damage(names[0], how, &older);
        damage(names[1], how, &older);
        struct weir_verify_summary summary;
        ck_ok(weir_partition_log_verify(test.env, test.options.path, NULL, NULL, &summary,
                                        &test.error),
              &test.error);
        ck_assert_int_eq(summary.damage_count, 1);
        ck_ok(test_log_open(&test), &test.error);
        ck_assert(test.recovery.mark_is_lost && test.recovery.mark_was != NULL);
        ck_assert_int_lt(weir_partition_log_state(test.log).start_offset, expected.start);
        ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, expected.end);
        expect_whole();
    }
}
END_TEST

/* A directory of the version before has no copy: it is opened as it was left, gets one, and from then on
 * one of them may be lost. */
START_TEST(an_older_directory_gets_its_copy)
{
    static struct mark_bytes older;
    struct facts expected = expected_facts(true, &older);
    make_log(true, &older);
    struct mark_bytes mark = read_bytes(names[0]);
    for (size_t left = weir_load_u32(mark.bytes + 60); left > 0; left--) {
        size_t at = 64 + (left - 1) * 68 + 60; /* of a segment: its transaction index */
        memmove(mark.bytes + at, mark.bytes + at + 8, mark.size - at - 8);
        mark.size -= 8;
    }
    mark.size -= 16; /* the clean offset and the sequence */
    mark.bytes[9] = 4;
    weir_store_u32(mark.bytes + 12, (uint32_t)mark.size);
    uint32_t crc = weir_crc32c(0, mark.bytes, 16);
    weir_store_u32(mark.bytes + 16, weir_crc32c(crc, mark.bytes + 20, mark.size - 20));
    test_log_lose_marks(&test);
    test_log_write_file(&test, names[0], mark.bytes, mark.size);
    struct facts got = open_and_look();
    ck_assert_mem_eq(&got, &expected, sizeof got);
    ck_assert(test.recovery.was_clean && test.recovery.mark_was == NULL);
    struct mark_bytes kept = read_bytes(names[0]);
    ck_assert_mem_eq(kept.bytes, mark.bytes, mark.size);
    expect_whole();
    ck_ok(test_log_close(&test), &test.error);
    damage(names[0], NOISE, &older);
    got = open_and_look();
    ck_assert_mem_eq(&got, &expected, sizeof got);
}
END_TEST

/* A newer copy that is another partition's, or another topic's, is none; where it is all there is, the
 * folder is refused as it would be by such a mark. */
START_TEST(a_copy_of_another_partition_is_none)
{
    static struct mark_bytes older;
    struct facts expected = expected_facts(true, &older);
    ck_ok(test_log_close(&test), &test.error);
    struct mark_bytes own = read_bytes(names[0]);
    struct mark_bytes other = own;
    other.bytes[_i == 0 ? 39 : 20] ^= 1;
    other.bytes[other.size - 2] = 77;
    uint32_t crc = weir_crc32c(0, other.bytes, 16);
    weir_store_u32(other.bytes + 16, weir_crc32c(crc, other.bytes + 20, other.size - 20));
    write_bytes(names[1], other.bytes, other.size);
    struct facts got = open_and_look();
    ck_assert_mem_eq(&got, &expected, sizeof got);
    expect_whole();
    ck_ok(test_log_close(&test), &test.error);
    write_bytes(names[1], other.bytes, other.size);
    ck_ok(weir_remove(test.env, test_log_path(&test, names[0]), NULL), NULL);
    ck_code(test_log_open(&test), WEIR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(test.error.text, "put back the one that belongs here"));
}
END_TEST

/* Logs that are closed in step have both, and what a crash leaves of that is mended. */
START_TEST(logs_closed_in_step_have_both)
{
    static struct mark_bytes older;
    make_log(false, &older);
    ck_ok(test_log_open(&test), &test.error);
    fill(1);
    struct weir_file *folder = NULL;
    ck_ok(weir_directory_open(test.env, test.options.path, &folder, &test.error), &test.error);
    ck_ok(weir_partition_log_lay_mark(test.log, &test.error), &test.error);
    ck_ok(weir_sync_file_system(folder, &test.error), &test.error);
    if (_i == 1) weir_file_close(folder);
    if (_i == 1) test_log_crash(&test, WEIR_SIM_KILL);
    if (_i == 0) {
        ck_ok(weir_partition_log_take_mark(test.log, &test.error), &test.error);
        ck_ok(weir_sync_file_system(folder, &test.error), &test.error);
        weir_file_close(folder);
        ck_ok(test_log_close(&test), &test.error);
    }
    (void)open_and_look();
    ck_assert(test.recovery.was_clean == (_i == 0));
    expect_whole();
}
END_TEST

/* Logs are closed in step where that spares a sync: not one whose mark is clean already, one on
 * a file system of its own, one that is offline, nor one whose copy is the only mark there is.
 * For these nothing is laid. */
START_TEST(a_mark_is_laid_for_logs_that_need_one)
{
    ck_ok(test_log_open(&test), &test.error);
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(test_log_open(&test), &test.error);
    fill(3);
    ck_ok(test_log_sync(&test), &test.error);
    struct weir_partition_log *log = test.log;
    ck_assert(weir_partition_log_needs_mark(log));
    uint64_t before = weir_sim_disk_hash(test.sim, 0, test.options.path);
    bool *const reasons[] = {&log->mark_is_clean, &log->is_apart, &log->copy_is_all, NULL};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i] != NULL) *reasons[i] = true;
        if (reasons[i] == NULL) weir_log_take_offline(log, 0, "a test");
        ck_assert(!weir_partition_log_needs_mark(log));
        ck_ok(weir_partition_log_lay_mark(log, &test.error), &test.error);
        ck_ok(weir_partition_log_take_mark(log, &test.error), &test.error);
        ck_assert_uint_eq(weir_sim_disk_hash(test.sim, 0, test.options.path), before);
        if (reasons[i] != NULL) *reasons[i] = false;
    }
}
END_TEST

/* While the mark is mended from its copy, a loss of power at any moment leaves one of the two. */
START_TEST(a_loss_of_power_leaves_one_while_the_mark_is_mended)
{
    enum { SEEDS = 20 };
    static struct mark_bytes older;
    for (uint64_t end = seed + SEEDS; seed < end; seed++) {
        bool is_clean = seed % 2 == 0;
        struct facts expected = expected_facts(is_clean, &older);
        bool has_crashed = true;
        for (uint64_t at = 1; has_crashed; at++) {
            make_log(is_clean, &older);
            damage(names[0], _i, &older);
            struct weir_file *folder = NULL;
            ck_ok(weir_directory_open(test.env, test.options.path, &folder, NULL), NULL);
            ck_ok(weir_sync_file_system(folder, NULL), NULL);
            weir_file_close(folder);
            weir_sim_disk_count_reset(test.sim, 0);
            struct weir_sim_fault_plan plan = {
                .fault = WEIR_SIM_FAULT_CRASH, .at = at, .crash = WEIR_SIM_POWER};
            weir_sim_disk_plan(test.sim, 0, plan);
            int rc = test_log_open(&test);
            has_crashed = weir_sim_has_crashed(test.sim, 0);
            ck_assert(has_crashed || rc == 0);
            weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){0});
            test_log_crash(&test, WEIR_SIM_POWER);
            struct facts got = open_and_look();
            ck_assert(!test.recovery.mark_is_lost);
            ck_assert_mem_eq(&got, &expected, sizeof got);
        }
    }
}
END_TEST

/* On a full disk the mark is not made anew yet, which is told; the append that makes up for it leaves one of
 * the two as well, whatever happens meanwhile. */
START_TEST(a_mark_that_is_owed_is_mended_by_an_append)
{
    static struct mark_bytes older;
    bool has_crashed = true;
    struct facts expected = expected_facts(true, &older);
    for (uint64_t at = 1; has_crashed; at++) {
        ck_assert_uint_lt(at, 100);
        make_log(true, &older);
        damage(names[0], _i, &older);
        struct weir_file *folder = NULL;
        ck_ok(weir_directory_open(test.env, test.options.path, &folder, NULL), NULL);
        ck_ok(weir_sync_file_system(folder, NULL), NULL);
        weir_file_close(folder);
        weir_sim_disk_limit(test.sim, 0, 1);
        ck_ok(test_log_open(&test), &test.error);
        weir_sim_disk_limit(test.sim, 0, 0);
        ck_assert_ptr_nonnull(test.recovery.mark_was);
        ck_assert_int_eq(test.recovery.mark_rc, WEIR_NO_SPACE);
        weir_sim_disk_count_reset(test.sim, 0);
        struct weir_sim_fault_plan plan = {
            .fault = WEIR_SIM_FAULT_CRASH, .at = at, .crash = WEIR_SIM_POWER};
        weir_sim_disk_plan(test.sim, 0, plan);
        struct test_append what = {.record_count = 3};
        int rc = test_log_append(&test, &what, NULL);
        has_crashed = weir_sim_has_crashed(test.sim, 0);
        ck_assert(has_crashed || rc == 0);
        weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){0});
        if (!has_crashed) expect_whole();
        test_log_crash(&test, WEIR_SIM_POWER);
        ck_ok(test_log_open(&test), &test.error);
        ck_assert(!test.recovery.mark_is_lost);
        ck_assert_int_eq(test.recovery.offline_from, -1);
        ck_assert_int_eq(weir_partition_log_state(test.log).start_offset, expected.start);
        ck_assert_int_ge(weir_partition_log_state(test.log).end_offset, expected.end);
    }
}
END_TEST

/* ---- what cannot be read --------------------------------------------------------------------- */

static int read_marks(struct weir_mark_pair *pair)
{
    struct weir_durable_mark mark;
    struct weir_arena arena;
    weir_arena_init(&arena, test.env->budget, 0);
    int rc = weir_durable_mark_read(test.env, test.env->budget, test.options.path, &arena, &mark,
                                    pair, &test.error);
    if (rc == 0) weir_durable_mark_close(&mark);
    weir_arena_close(&arena);
    return rc;
}

static void fail_read(uint64_t at, bool is_sticky)
{
    weir_sim_disk_count_reset(test.sim, 0);
    weir_sim_disk_plan(test.sim, 0,
                       (struct weir_sim_fault_plan){
                           .fault = WEIR_SIM_FAULT_READ_EIO, .at = at, .is_sticky = is_sticky});
}

/* An I/O error in the copy is no worse than rot while the mark is whole. One in the mark is the answer, whatever
 * the copy says: it may be older, and what could not be read now may be read the next time. */
START_TEST(a_copy_that_cannot_be_read_leaves_the_mark)
{
    static struct mark_bytes older;
    struct weir_mark_pair pair;
    make_log(true, &older);
    fail_read(2, false);
    ck_ok(read_marks(&pair), &test.error);
    ck_assert_int_eq(pair.copy, WEIR_MARK_REFUSED);
    ck_assert_int_eq(pair.mark, WEIR_MARK_GOOD);
    fail_read(1, false);
    ck_code(read_marks(&pair), WEIR_IO);
    fail_read(1, true);
    ck_code(read_marks(&pair), WEIR_IO);
    for (int how = AWAY; how < OLDER; how++) {
        for (size_t i = 0; i < 2; i++) {
            make_log(true, &older);
            damage(names[i], how, &older);
            bool is_read = how != AWAY && how != EMPTY /* has no bytes to read */;
            fail_read(i == 0 && is_read ? 2 : 1, false);
            ck_code(read_marks(&pair), WEIR_IO);
        }
    }
}
END_TEST

/* Whichever read fails, a log that opens is the same, and its mark is whole again where it was that. */
START_TEST(an_open_that_cannot_read_changes_nothing)
{
    static struct mark_bytes older;
    struct facts expected = expected_facts(true, &older);
    int opened = 0;
    for (uint64_t at = 1; at < 8; at++) {
        make_log(true, &older);
        fail_read(at, false);
        int rc = test_log_open(&test);
        weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){0});
        if (rc < 0) continue;
        opened++;
        ck_assert_ptr_null(test.recovery.mark_was);
        ck_ok(test_log_close(&test), &test.error);
        struct facts got = open_and_look();
        ck_assert_mem_eq(&got, &expected, sizeof got);
        ck_assert_ptr_null(test.recovery.mark_was);
        expect_whole();
    }
    ck_assert_int_gt(opened, 0);
}
END_TEST

static void make_newer(const char *name)
{
    struct mark_bytes bytes = read_bytes(name);
    bytes.bytes[9] = 77;
    uint32_t crc = weir_crc32c(0, bytes.bytes, 16);
    weir_store_u32(bytes.bytes + 16, weir_crc32c(crc, bytes.bytes + 20, bytes.size - 20));
    write_bytes(name, bytes.bytes, bytes.size);
}

/* A copy of another version does not keep anybody from what the mark says; such a mark does, whatever the
 * copy is, and so does such a copy alone. */
START_TEST(a_copy_of_another_version_is_none)
{
    static struct mark_bytes older;
    struct facts expected = expected_facts(true, &older);
    make_log(_i % 2 == 0, &older);
    make_newer(names[1]);
    struct facts got = open_and_look();
    ck_assert_mem_eq(&got, &expected, sizeof got);
    ck_assert_ptr_null(test.recovery.mark_was);
    expect_whole();
    ck_ok(test_log_close(&test), &test.error);
    make_newer(names[_i / 2]);
    if (_i / 2 == 1) damage(names[0], _i % 2 == 0 ? AWAY : NOISE, &older);
    ck_code(test_log_open(&test), WEIR_UNSUPPORTED_VERSION);
}
END_TEST

/* A mark that fits its crc and makes no sense is damaged, and then nobody knows what the copy
 * would have said that could not be read: that is the answer, and not that the mark is damaged. */
START_TEST(a_senseless_mark_does_not_outdo_a_copy_that_is_refused)
{
    static struct mark_bytes older;
    struct weir_mark_pair pair;
    make_log(true, &older);
    struct mark_bytes bytes = read_bytes(names[0]);
    weir_store_u32(bytes.bytes + 36, UINT32_MAX); /* the partition */
    uint32_t crc = weir_crc32c(0, bytes.bytes, 16);
    weir_store_u32(bytes.bytes + 16, weir_crc32c(crc, bytes.bytes + 20, bytes.size - 20));
    write_bytes(names[0], bytes.bytes, bytes.size);
    ck_ok(read_marks(&pair), &test.error);
    ck_assert_int_eq(pair.mark, WEIR_MARK_DAMAGED);
    fail_read(2, false);
    ck_code(read_marks(&pair), WEIR_IO);
    make_newer(names[1]);
    ck_code(read_marks(&pair), WEIR_UNSUPPORTED_VERSION);
    ck_assert_int_eq(pair.mark, WEIR_MARK_DAMAGED);
    ck_assert_int_eq(pair.copy, WEIR_MARK_REFUSED);
    damage(names[1], HALF, &older);
    ck_code(read_marks(&pair), WEIR_CORRUPT);
    ck_assert_int_eq(pair.copy, WEIR_MARK_DAMAGED);
}
END_TEST

/* One that ends before it has said whose it is, however well it fits its size and crc, is not
 * compared with the other: that one is the mark. */
START_TEST(a_mark_that_names_no_partition_is_none)
{
    enum { NAMED = 40 }; /* bytes up to the partition's end */
    static struct mark_bytes older;
    struct weir_mark_pair pair;
    make_log(true, &older);
    struct mark_bytes whole = read_bytes(names[_i]);
    for (size_t size = 20; size < NAMED; size++) {
        struct mark_bytes brief = whole;
        weir_store_u32(brief.bytes + 12, (uint32_t)size);
        uint32_t crc = weir_crc32c(0, brief.bytes, 16);
        weir_store_u32(brief.bytes + 16, weir_crc32c(crc, brief.bytes + 20, size - 20));
        write_bytes(names[_i], brief.bytes, size);
        ck_ok(read_marks(&pair), &test.error);
        ck_assert_int_eq(_i == 0 ? pair.mark : pair.copy,
                         _i == 0 ? WEIR_MARK_DAMAGED : WEIR_MARK_OLDER);
    }
}
END_TEST

/* What verify says of a tail is what the open does: under a mark of a newer version none is cut. */
START_TEST(verify_expects_no_cut_of_what_does_not_open)
{
    static struct mark_bytes older;
    static const uint8_t torn[40] = {0};
    struct weir_verify_summary summary;
    make_log(true, &older);
    ck_ok(test_log_open(&test), &test.error);
    int64_t base = weir_log_active(test.log)->facts.base_offset;
    char segment[48];
    (void)snprintf(segment, sizeof segment, "%020lld.log", (long long)base);
    ck_ok(test_log_close(&test), &test.error);
    (void)weir_remove(test.env, test_log_path(&test, "boot-id"), NULL);
    struct weir_file *file = NULL;
    struct weir_iovec part = {torn, sizeof torn};
    int64_t size = test_log_file_size(&test, segment);
    ck_ok(weir_file_open(test.env, test_log_path(&test, segment), WEIR_OPEN_WRITE, &file,
                         &test.error),
          &test.error);
    ck_ok(weir_file_write(file, &part, 1, size, &test.error), &test.error);
    weir_file_close(file);
    ck_ok(weir_partition_log_verify(test.env, test.options.path, NULL, NULL, &summary, &test.error),
          &test.error);
    ck_assert_int_eq(summary.tail_count, 1);
    if (_i == 0) make_newer(names[0]);
    if (_i == 1) make_newer(names[1]);
    if (_i == 1) damage(names[0], AWAY, &older);
    ck_ok(weir_partition_log_verify(test.env, test.options.path, NULL, NULL, &summary, &test.error),
          &test.error);
    ck_assert_int_eq(summary.tail_count, 0);
    ck_code(test_log_open(&test), WEIR_UNSUPPORTED_VERSION);
}
END_TEST

/* ---- a copy that was left behind ------------------------------------------------------------- */

enum { FLAGS_AT = 11, TRUNCATING = 2 };

/* A cut, whose last mark the copy did not get: what the fault was for is not the cut's business. */
static struct mark_bytes cut_and_leave_order(int64_t offset)
{
    for (uint64_t at = 1;; at++) {
        ck_assert_uint_lt(at, 100);
        tear_down();
        set_up();
        test.options.config.segment_bytes = 4096;
        ck_ok(test_log_open(&test), &test.error);
        fill(BATCHES / 2);
        ck_ok(test_log_sync(&test), &test.error);
        weir_sim_disk_count_reset(test.sim, 0);
        struct weir_sim_fault_plan plan = {.fault = WEIR_SIM_FAULT_ENOSPC, .at = at};
        weir_sim_disk_plan(test.sim, 0, plan);
        int rc = weir_partition_log_truncate(test.log, offset, &test.error);
        weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){0});
        struct mark_bytes mark = read_bytes(names[0]);
        struct mark_bytes copy = read_bytes(names[1]);
        bool is_left = (copy.bytes[FLAGS_AT] & TRUNCATING) > (mark.bytes[FLAGS_AT] & TRUNCATING);
        if (rc < 0 || !is_left) continue;
        test_log_forget(&test, offset);
        return copy;
    }
}

/* What was acked behind a cut is not cut by a copy which did not hear that it was over, whatever became
 * of the mark. Beside the mark it counts for nothing, also if it is newer than that. */
START_TEST(a_copy_alone_orders_no_cut)
{
    int how = _i / 3;
    int64_t cut = 30;
    struct mark_bytes order = cut_and_leave_order(cut);
    fill(_i % 3 == 0 ? 0 : _i % 3 == 1 ? 2 : BATCHES); /* in the same segment, and behind it */
    ck_ok(test_log_sync(&test), &test.error);
    int64_t end = weir_partition_log_state(test.log).end_offset;
    test_log_crash(&test, WEIR_SIM_KILL);
    write_bytes(names[1], order.bytes, order.size);
    struct mark_bytes mark = read_bytes(names[0]);
    damage(names[0], how, &mark);
    uint64_t before = weir_sim_disk_hash(test.sim, 0, test.options.path);
    ck_ok(test_log_open(&test), &test.error);
    if (end > cut) {
        ck_assert_int_eq(test.recovery.offline_from, cut);
        ck_assert_int_eq(test_log_expect_from(&test, 0, 500), cut);
        ck_ok(test_log_close(&test), &test.error);
        ck_assert_uint_eq(weir_sim_disk_hash(test.sim, 0, test.options.path), before);
        write_bytes(names[0], mark.bytes, mark.size); /* found again */
        ck_ok(test_log_open(&test), &test.error);
    }
    ck_assert_int_eq(test.recovery.offline_from, -1);
    ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, end);
    test_log_expect_all(&test);
    expect_whole();
}
END_TEST

/* Its name may be on the disk without the mark's: then the cut has not begun. */
START_TEST(a_newer_copy_orders_no_cut_beside_a_mark)
{
    int64_t cut = 30;
    struct mark_bytes order = cut_and_leave_order(cut);
    fill(2);
    ck_ok(test_log_close(&test), &test.error);
    order.bytes[order.size - 2] = 77;
    uint32_t crc = weir_crc32c(0, order.bytes, 16);
    weir_store_u32(order.bytes + 16, weir_crc32c(crc, order.bytes + 20, order.size - 20));
    write_bytes(names[1], order.bytes, order.size);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, cut + 6);
    ck_assert_ptr_null(test.recovery.mark_was);
    test_log_expect_all(&test);
    expect_whole();
}
END_TEST

/* Between the end of an older copy and that of the lost mark all was durable: what does not fit there is rot,
 * also after a loss of power, and verify says what the open does. */
START_TEST(an_older_copy_cuts_no_tail)
{
    enum { ROTTEN = 8 };
    test.options.config.segment_bytes = 1 << 20;
    ck_ok(test_log_open(&test), &test.error);
    fill(ROTTEN / 2);
    ck_ok(test_log_close(&test), &test.error);
    struct mark_bytes older = read_bytes(names[1]);
    ck_ok(test_log_open(&test), &test.error);
    fill(ROTTEN);
    ck_ok(test_log_sync(&test), &test.error);
    test_log_crash(&test, WEIR_SIM_POWER);
    write_bytes(names[1], older.bytes, older.size);
    damage(names[0], _i, &older);
    int64_t position = 70;
    for (size_t i = 0; i < ROTTEN; i++) {
        position += (int64_t)test.batches[i].size;
    }
    const char *segment = test_log_path(&test, "00000000000000000000.log");
    int64_t size = test_log_file_size(&test, "00000000000000000000.log");
    ck_ok(weir_sim_disk_flip(test.sim, 0, segment, position, 3), NULL);
    struct weir_verify_summary summary;
    ck_ok(weir_partition_log_verify(test.env, test.options.path, NULL, NULL, &summary, &test.error),
          &test.error);
    ck_assert_int_eq(summary.tail_count, 0);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.offline_from, test.batches[ROTTEN].base_offset);
    ck_assert_int_eq(test.recovery.cut_bytes, 0);
    ck_assert_int_eq(test_log_file_size(&test, "00000000000000000000.log"), size);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("the copy of the mark");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, what_happens_to_one_of_them_changes_nothing, 0, 4 * DAMAGES);
    tcase_add_loop_test(tests, the_copy_knows_what_is_missing, 0, 2 * DAMAGES);
    tcase_add_test(tests, where_both_are_lost_it_is_told);
    tcase_add_test(tests, an_older_directory_gets_its_copy);
    tcase_add_loop_test(tests, a_copy_of_another_partition_is_none, 0, 2);
    tcase_add_loop_test(tests, logs_closed_in_step_have_both, 0, 2);
    tcase_add_test(tests, a_mark_is_laid_for_logs_that_need_one);
    tcase_add_loop_test(tests, a_loss_of_power_leaves_one_while_the_mark_is_mended, 0, DAMAGES);
    tcase_add_loop_test(tests, a_mark_that_is_owed_is_mended_by_an_append, 0, OLDER);
    tcase_add_test(tests, a_copy_that_cannot_be_read_leaves_the_mark);
    tcase_add_test(tests, an_open_that_cannot_read_changes_nothing);
    tcase_add_loop_test(tests, a_copy_of_another_version_is_none, 0, 4);
    tcase_add_test(tests, a_senseless_mark_does_not_outdo_a_copy_that_is_refused);
    tcase_add_loop_test(tests, a_mark_that_names_no_partition_is_none, 0, 2);
    tcase_add_loop_test(tests, verify_expects_no_cut_of_what_does_not_open, 0, 2);
    tcase_add_loop_test(tests, a_copy_alone_orders_no_cut, 0, 3 * OLDER);
    tcase_add_test(tests, a_newer_copy_orders_no_cut_beside_a_mark);
    tcase_add_loop_test(tests, an_older_copy_cuts_no_tail, 0, OLDER);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log mark copy", add);
}
