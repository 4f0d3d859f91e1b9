#include <string.h>

#include "base/bytes.h"
#include "tests/unit/runtime/state/stage.h"

/* Windowed stores: what a reader sees as stream time goes on, and what is left on the disk. */

enum { MINUTE = 60 * 1000, RETENTION = 10 * MINUTE };

struct windows {
    struct weir_sim *sim;
    struct weir_env *env;
    bool is_real;
    char path[WEIR_TEST_PATH_SIZE];
    struct weir_state *state;
    struct weir_store *store;
    size_t appended_count;
    int64_t offset;
};

static const struct weir_store_spec specs_by_kind[] = {
    {.name = "w",
     .is_logged = true,
     .is_timestamped = true,
     .schema = &weir_key_schema_window,
     .retention_ms = RETENTION},
    {.name = "w",
     .kind = WEIR_STORE_MEMORY,
     .is_logged = true,
     .is_timestamped = true,
     .schema = &weir_key_schema_window,
     .retention_ms = RETENTION},
};
static const struct weir_store_spec *const specs_of[2][1] = {{&specs_by_kind[0]},
                                                             {&specs_by_kind[1]}};

/* Three ways to keep windows: RocksDB, its stand-in, memory. */
enum { IN_ROCKSDB, IN_MODEL, IN_MEMORY, PLACES };

static void open_state(struct windows *windows, int place)
{
    struct weir_error error;
    const struct weir_backend_kind *backend =
        windows->is_real ? &weir_backend_rocksdb : &weir_backend_model;
    const struct weir_state_options options = {.backend = backend,
                                               .env = windows->env,
                                               .budget = windows->env->budget,
                                               .path = windows->path,
                                               .specs = specs_of[place == IN_MEMORY],
                                               .store_count = 1,
                                               .cache_bytes_max = 1 << 20,
                                               .write_down_bytes = 50000};
    ck_ok(weir_state_open(&options, &windows->state, NULL, &error), &error);
    windows->store = weir_state_store(windows->state, 0);
}

static void windows_open(struct windows *windows, int place)
{
    struct weir_error error;
    *windows = (struct windows){.is_real = place == IN_ROCKSDB};
    weir_test_directory(windows->path);
    if (windows->is_real) {
        ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &windows->env, &error), &error);
    } else {
        windows->sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
        windows->env = weir_sim_node(windows->sim, 0);
    }
    open_state(windows, place);
}

static void windows_close(struct windows *windows)
{
    struct weir_error error;
    ck_ok(weir_state_close(windows->state, true, &error), &error);
    if (windows->is_real) weir_env_uv_free(windows->env);
    weir_sim_free(windows->sim);
}

static struct weir_slice window_key(uint8_t to[], const char *key, int64_t start_ms)
{
    size_t size = strlen(key);
    memcpy(to, key, size);
    weir_store_u64(to + size, (uint64_t)start_ms);
    return weir_slice(to, size + 8);
}

static struct weir_store_entry *touch(struct windows *windows, const char *key, int64_t start_ms)
{
    struct weir_error error;
    uint8_t bytes[16];
    struct weir_slice slice = window_key(bytes, key, start_ms);
    struct weir_store_entry *entry;
    ck_ok(weir_store_touch(windows->store, &slice, 1, &entry, &error), &error);
    return entry;
}

static void put(struct windows *windows, const char *key, int64_t start_ms)
{
    struct weir_error error;
    struct weir_store_entry *entry = touch(windows, key, start_ms);
    ck_ok(weir_store_set(windows->store, entry, weir_text("value"), start_ms, &error), &error);
}

static void remove_window(struct windows *windows, const char *key, int64_t start_ms)
{
    struct weir_error error;
    struct weir_store_entry *entry = touch(windows, key, start_ms);
    ck_ok(weir_store_set(windows->store, entry, weir_null(), start_ms, &error), &error);
}

static bool has(struct windows *windows, const char *key, int64_t start_ms)
{
    return touch(windows, key, start_ms)->value != NULL;
}

static int count_append(void *context, struct weir_store *store, const struct weir_record *record)
{
    (void)store, (void)record;
    ((struct windows *)context)->appended_count++;
    return 0;
}

static void commit(struct windows *windows)
{
    struct weir_error error;
    ck_ok(weir_state_seal(windows->state, count_append, windows, &error), &error);
    struct weir_changelog_position position = {.offset = ++windows->offset};
    ck_ok(weir_state_committed(windows->state, &position, &error), &error);
}

struct listing {
    int64_t starts[32];
    char keys[32];
    size_t count;
};

static int list_one(void *context, struct weir_slice key, struct weir_slice value,
                    int64_t timestamp_ms)
{
    struct listing *listing = context;
    (void)value, (void)timestamp_ms;
    ck_assert_uint_lt(listing->count, 32);
    listing->keys[listing->count] = (char)key.data[0];
    listing->starts[listing->count++] = (int64_t)weir_load_u64(key.data + key.size - 8);
    return listing->count == 30 ? 5 : 0;
}

static struct listing list(struct windows *windows)
{
    struct weir_error error;
    struct listing listing = {0};
    ck_ok(weir_store_scan(windows->store, weir_null(), weir_null(), list_one, &listing, &error),
          &error);
    return listing;
}

/* Goal: a window reads until stream time has gone on by the retention, in the table and below it. */
START_TEST(window_is_read_until_its_retention_is_over)
{
    struct windows windows;
    windows_open(&windows, _i);
    put(&windows, "a", 0);
    put(&windows, "a", MINUTE);
    commit(&windows);
    put(&windows, "b", 0);
    weir_store_advance(windows.store, RETENTION - 1);
    ck_assert(has(&windows, "a", 0));
    ck_assert(has(&windows, "b", 0));
    ck_assert_uint_eq(list(&windows).count, 3);

    weir_store_advance(windows.store, RETENTION);
    weir_store_advance(windows.store, 5); /* time does not go back */
    ck_assert(!has(&windows, "a", 0));
    ck_assert(!has(&windows, "b", 0));
    ck_assert(has(&windows, "a", MINUTE));
    ck_assert_uint_eq(list(&windows).count, 1);
    windows_close(&windows);
}
END_TEST

/* Goal: a change of an expired window is dropped and counted, whether it was touched before its time
 * was over or after, and does not reach the changelog; what was changed in time does. */
START_TEST(change_of_an_expired_window_is_dropped_and_counted)
{
    struct weir_error error;
    struct windows windows;
    windows_open(&windows, _i);
    put(&windows, "a", 0);
    struct weir_store_entry *early = touch(&windows, "b", 0);
    weir_store_advance(windows.store, 2 * RETENTION);
    ck_ok(weir_store_set(windows.store, early, weir_text("x"), 1, &error), &error);
    put(&windows, "c", 0);
    put(&windows, "c", RETENTION); /* start == observed - retention: just over */
    ck_assert_int_eq(weir_store_dropped_count(windows.store), 3);
    put(&windows, "c", RETENTION + 1);
    ck_assert(has(&windows, "c", RETENTION + 1));
    commit(&windows);
    ck_assert_uint_eq(windows.appended_count, 2);
    ck_assert_int_eq(weir_store_dropped_count(windows.store), 3);
    windows_close(&windows);
}
END_TEST

/* Goal: a scan gives keys in order of their bytes though the backend orders by time first. */
START_TEST(scan_is_in_order_of_keys_over_all_segments)
{
    struct windows windows;
    windows_open(&windows, _i);
    const char *keys[] = {"c", "a", "b"};
    for (int64_t start = 0; start < 9; start++) {
        for (int i = 0; i < 3; i++) {
            put(&windows, keys[i], (9 - start) * MINUTE);
        }
        if (start % 2 == 0) commit(&windows);
    }
    struct listing listing = list(&windows);
    ck_assert_uint_eq(listing.count, 27);
    for (size_t i = 0; i < 27; i++) {
        ck_assert_int_eq(listing.keys[i], "abc"[i / 9]);
        ck_assert_int_eq(listing.starts[i], (int64_t)(i % 9 + 1) * MINUTE);
    }
    put(&windows, "d", 0);
    put(&windows, "d", 1);
    put(&windows, "d", 2);
    struct weir_error error;
    listing.count = 0; /* a walk that is ended from inside says so */
    ck_code(weir_store_scan(windows.store, weir_null(), weir_null(), list_one, &listing, &error),
            5);
    ck_assert_uint_eq(listing.count, 30);
    windows_close(&windows);
}
END_TEST

/* The rows of a range, two characters each: the key's first, upper case where the key has more, and the
 * minute. */
static int spell_one(void *context, struct weir_slice key, struct weir_slice value,
                     int64_t timestamp_ms)
{
    char *text = context;
    size_t size = strlen(text);
    (void)value, (void)timestamp_ms;
    ck_assert_uint_lt(size, 60);
    text[size] = (char)(key.size == 9 ? key.data[0] : key.data[0] - 'a' + 'A');
    text[size + 1] = (char)('0' + weir_key_schema_time(&weir_key_schema_window, key) / MINUTE);
    text[size + 2] = '\0';
    return 0;
}

static int count_one(void *context, struct weir_slice key, struct weir_slice value,
                     int64_t timestamp_ms)
{
    (void)key, (void)value, (void)timestamp_ms;
    ++*(size_t *)context;
    return 0;
}

static void expect_range(struct windows *windows, const char *key, int64_t from, int64_t to,
                         const char *expected)
{
    struct weir_error error;
    struct weir_key_range range;
    struct weir_arena arena;
    char text[64] = "";
    weir_arena_init(&arena, windows->env->budget, 0);
    ck_ok(weir_key_range_init(&range, &weir_key_schema_window, &arena, weir_text(key),
                              from * MINUTE, to * MINUTE),
          NULL);
    size_t count = 0; /* in any order, before a memory store has an index */
    ck_ok(weir_store_visit_range(windows->store, &range, count_one, &count, &error), &error);
    ck_assert_uint_eq(count, strlen(expected) / 2);
    ck_ok(weir_store_scan_range(windows->store, &range, spell_one, text, &error), &error);
    ck_assert_str_eq(text, expected);
    weir_arena_close(&arena);
}

/* A key that begins as `a` and three minutes do, and lies among the windows of `a`. */
static void put_among(struct windows *windows)
{
    struct weir_error error;
    struct weir_store_entry *entry;
    uint8_t bytes[16] = {'a', 0, 0, 0, 0, 0, 3};
    weir_store_u64(bytes + 7, 3 * MINUTE);
    struct weir_slice key = weir_slice(bytes, 15);
    ck_ok(weir_store_touch(windows->store, &key, 1, &entry, &error), &error);
    ck_ok(weir_store_set(windows->store, entry, weir_text("x"), 1, &error), &error);
}

/* Goal: of one key the windows of a range of times, both ends included, whichever side of the store
 * they are on; not those of a longer key that lie among them, and none that is over. */
START_TEST(range_gives_one_keys_windows_of_these_times)
{
    struct windows windows;
    windows_open(&windows, _i);
    put_among(&windows);
    for (int64_t minute = 0; minute < 10; minute++) {
        put(&windows, "b", minute * MINUTE);
        put(&windows, "a", (9 - minute) * MINUTE);
        if (minute < 8) commit(&windows);
    }
    expect_range(&windows, "a", 2, 4, "a2a3a4");
    expect_range(&windows, "b", 9, 9, "b9");
    expect_range(&windows, "a", 0, 9, "a0a1a2a3a4a5a6a7a8a9");
    expect_range(&windows, "c", 0, 9, "");
    expect_range(&windows, NULL, 3, 4, "a3A3a4b3b4");
    weir_store_advance(windows.store, RETENTION + 5 * MINUTE);
    expect_range(&windows, "a", 2, 7, "a6a7");
    windows_close(&windows);
}
END_TEST

/* Goal: dead segments leave the table and the disk: much more time than memory can go by. */
START_TEST(dead_segments_leave_table_and_disk)
{
    struct windows windows;
    windows_open(&windows, _i);
    for (int64_t minute = 0; minute < 8000; minute++) {
        weir_store_advance(windows.store, minute * MINUTE);
        put(&windows, "a", minute * MINUTE);
        put(&windows, "b", minute * MINUTE);
        if (minute % 5 == 0) commit(&windows);
    }
    commit(&windows);
    ck_assert_uint_eq(list(&windows).count, 20);
    /* 16,000 windows were written; at 100 bytes and more each they would take 1.6 MB. */
    ck_assert_int_lt(weir_state_sizes(windows.state).cache_bytes, 400 * 1000);
    if (_i != IN_MEMORY) { /* time is not known after a start, but the dead stay dead */
        struct weir_error error;
        ck_ok(weir_state_close(windows.state, true, &error), &error);
        open_state(&windows, _i);
        ck_assert_uint_le(list(&windows).count, 30);
        ck_assert_uint_ge(list(&windows).count, 20);
        ck_assert(!has(&windows, "a", 0));
        ck_assert(has(&windows, "a", (int64_t)7999 * MINUTE));
    }
    windows_close(&windows);
}
END_TEST

/* Restore one record for each minute of [from, to). */
static void restore_minutes(struct windows *windows, int64_t from, int64_t to)
{
    struct weir_error error;
    for (int64_t minute = from; minute < to; minute++) {
        uint8_t bytes[20] = {0};
        struct weir_slice key = window_key(bytes, "a", minute * MINUTE);
        key.size += 4; /* the changelog's sequence number */
        const struct weir_record record = {
            .key = key, .value = weir_text("restored"), .timestamp_ms = minute};
        ck_ok(weir_store_restore(windows->store, &record, 1,
                                 (struct weir_changelog_position){.offset = minute + 1}, &error),
              &error);
    }
}

static int count_rows(void *context, struct weir_slice key, struct weir_slice value,
                      int64_t timestamp_ms)
{
    (void)key, (void)value, (void)timestamp_ms;
    ++*(size_t *)context;
    return 0;
}

static size_t row_count(struct windows *windows)
{
    struct weir_error error;
    size_t count = 0;
    ck_ok(weir_store_scan(windows->store, weir_null(), weir_null(), count_rows, &count, &error),
          &error);
    return count;
}

/* Goal: a window that dies before the seal goes to the changelog, as every change does, and no further; its
 * entry leaves with the next touch, as those do that had settled before. */
START_TEST(window_that_dies_unsealed_is_never_written_down)
{
    struct windows windows;
    windows_open(&windows, _i);
    put(&windows, "a", 0);
    commit(&windows);
    put(&windows, "a", 0); /* settled, or gathered, and open again */
    put(&windows, "b", MINUTE);
    const size_t appended_count = windows.appended_count;
    const int64_t sealed_bytes = weir_state_sizes(windows.state).sealed_bytes;
    weir_store_advance(windows.store, 10 * RETENTION);
    commit(&windows);
    ck_assert_uint_eq(windows.appended_count, appended_count + 2);
    ck_assert_int_eq(weir_state_sizes(windows.state).sealed_bytes, sealed_bytes);
    ck_assert(!has(&windows, "a", 0));
    ck_assert(!has(&windows, "b", MINUTE));
    ck_assert_uint_eq(row_count(&windows), 0);
    put(&windows, "c", 10 * RETENTION);
    ck_assert(has(&windows, "c", 10 * RETENTION));
    ck_assert_uint_eq(row_count(&windows), 1);
    windows_close(&windows);
}
END_TEST

/* Goal: a restore that deletes and sets again what it has set leaves what a reader expects, and a segment
 * that dies takes deleted windows along. */
START_TEST(restored_windows_may_be_deleted_and_set_again)
{
    struct weir_error error;
    struct windows windows;
    windows_open(&windows, _i);
    uint8_t a[20] = {0};
    uint8_t b[20] = {0};
    struct weir_slice keys[2] = {window_key(a, "a", 0), window_key(b, "b", 0)};
    keys[0].size += 4; /* the changelog's sequence number */
    keys[1].size += 4;
    const struct weir_record records[] = {
        {.key = keys[0], .value = weir_text("1")}, {.key = keys[1], .value = weir_text("1")},
        {.key = keys[0], .value = weir_null()},    {.key = keys[1], .value = weir_null()},
        {.key = keys[1], .value = weir_text("2")}, {.key = keys[0], .value = weir_null()},
    };
    for (int64_t i = 0; i < 6; i++) {
        const struct weir_changelog_position position = {.offset = i + 1};
        ck_ok(weir_store_restore(windows.store, &records[i], 1, position, &error), &error);
    }
    ck_assert(!has(&windows, "a", 0));
    ck_assert(has(&windows, "b", 0));
    weir_store_advance(windows.store, 10 * RETENTION);
    ck_assert(!has(&windows, "b", 0));
    ck_assert_uint_eq(row_count(&windows), 0);
    windows_close(&windows);
}
END_TEST

/* Goal: a window that a memory store deletes leaves the memory, too, long before its segment is dead: as many
 * may come and go in it as there is time for. */
START_TEST(deleted_windows_leave_a_memory_store)
{
    enum { ROUNDS = 200, KEYS = 100 };
    struct windows windows;
    windows_open(&windows, IN_MEMORY);
    int64_t early_bytes = 0;
    for (int64_t round = 0; round < ROUNDS; round++) {
        for (int64_t i = 0; i < KEYS; i++) {
            put(&windows, "k", round * KEYS + i);
        }
        commit(&windows);
        for (int64_t i = 0; i < KEYS; i++) {
            remove_window(&windows, "k", round * KEYS + i);
        }
        commit(&windows);
        ck_assert(!has(&windows, "k", round * KEYS));
        if (round == ROUNDS / 10) early_bytes = weir_state_sizes(windows.state).cache_bytes;
    }
    ck_assert_int_le(weir_state_sizes(windows.state).cache_bytes, 2 * early_bytes);
    ck_assert_uint_eq(row_count(&windows), 0);
    windows_close(&windows);
}
END_TEST

/* Goal: nor does what a restore reads of such a life stay. */
START_TEST(windows_deleted_in_a_restore_leave_a_memory_store)
{
    enum { WINDOWS = 20000 };
    struct weir_error error;
    struct windows windows;
    windows_open(&windows, IN_MEMORY);
    int64_t early_bytes = 0;
    for (int64_t i = 0; i < WINDOWS; i++) {
        uint8_t bytes[20] = {0};
        struct weir_slice key = window_key(bytes, "k", i);
        key.size += 4; /* the changelog's sequence number */
        const struct weir_record records[] = {{.key = key, .value = weir_text("value")},
                                              {.key = key, .value = weir_null()}};
        const struct weir_changelog_position position = {.offset = 2 * (i + 1)};
        ck_ok(weir_store_restore(windows.store, records, 2, position, &error), &error);
        if (i == WINDOWS / 10) early_bytes = weir_state_sizes(windows.state).cache_bytes;
    }
    ck_assert_int_le(weir_state_sizes(windows.state).cache_bytes, 2 * early_bytes);
    ck_assert_uint_eq(row_count(&windows), 0);
    windows_close(&windows);
}
END_TEST

/* Goal: a store that is cleared knows no time any more: windows that had died in its former life come
 * back with the restore, all of them, over as many segments as there are, now and after a restart. What
 * the backend was told to forget, it keeps from then on. */
START_TEST(cleared_store_takes_back_windows_that_had_died)
{
    enum { MINUTES = 900 }; /* 180 segments */
    struct weir_error error;
    struct windows windows;
    windows_open(&windows, _i);
    restore_minutes(&windows, 0, MINUTES);
    weir_store_advance(windows.store, (int64_t)MINUTES * MINUTE);
    put(&windows, "b", (int64_t)MINUTES * MINUTE);
    commit(&windows);
    ck_assert_uint_lt(row_count(&windows), 20);

    ck_ok(weir_state_close(windows.state, true, &error), &error);
    open_state(&windows, _i);
    if (_i != IN_MEMORY) ck_assert(!has(&windows, "a", 0));
    ck_ok(weir_store_clear(windows.store, &error), &error);
    ck_assert_uint_eq(row_count(&windows), 0);
    restore_minutes(&windows, 0, MINUTES);
    ck_assert_uint_eq(row_count(&windows), MINUTES);
    if (_i != IN_MEMORY) {
        ck_ok(weir_state_close(windows.state, true, &error), &error);
        open_state(&windows, _i);
        ck_assert_uint_eq(row_count(&windows), MINUTES);
    }
    ck_assert(has(&windows, "a", 0));
    weir_store_advance(windows.store, RETENTION);
    ck_assert(!has(&windows, "a", 0));
    ck_assert_uint_eq(row_count(&windows), MINUTES - 1);
    windows_close(&windows);
}
END_TEST

/* Goal: the same where clearing comes in the life in which they died, before anything was closed. */
START_TEST(cleared_store_takes_back_windows_of_the_same_life)
{
    struct weir_error error;
    struct windows windows;
    windows_open(&windows, _i);
    restore_minutes(&windows, 0, 90);
    weir_store_advance(windows.store, 1000 * (int64_t)MINUTE);
    struct weir_store_entry *entry = touch(&windows, "b", 1000 * (int64_t)MINUTE);
    static const uint8_t large[60000]; /* so that it is written down at once, and the dead go */
    ck_ok(weir_store_set(windows.store, entry, weir_slice(large, sizeof large), 1, &error), &error);
    commit(&windows);
    ck_assert_uint_eq(row_count(&windows), 1);
    ck_ok(weir_store_clear(windows.store, &error), &error);
    restore_minutes(&windows, 0, 90);
    ck_assert_uint_eq(row_count(&windows), 90);
    windows_close(&windows);
}
END_TEST

/* Goal: a key that cannot hold a window's start is refused, and nothing is touched. */
START_TEST(key_without_a_window_is_refused)
{
    struct weir_error error;
    struct windows windows;
    windows_open(&windows, _i);
    uint8_t bytes[16];
    struct weir_slice keys[2] = {window_key(bytes, "a", 0), weir_text("short")};
    struct weir_store_entry *entries[2] = {NULL, NULL};
    ck_code(weir_store_touch(windows.store, keys, 2, entries, &error), WEIR_INVALID_ARGUMENT);
    ck_assert_ptr_null(entries[0]);
    keys[1] = weir_null();
    ck_code(weir_store_touch(windows.store, keys, 2, entries, &error), WEIR_INVALID_ARGUMENT);
    ck_assert_uint_eq(list(&windows).count, 0);
    windows_close(&windows);
}
END_TEST

/* Goal: a record of a changelog whose key holds no window's start is refused, first or last of those that are
 * given: nothing counts as restored then. */
START_TEST(changelog_key_without_a_window_is_refused)
{
    struct windows windows;
    windows_open(&windows, _i);
    uint8_t a[20] = {0};
    struct weir_slice key = window_key(a, "a", 0);
    key.size += 4; /* the changelog's sequence number */
    for (size_t bad = 0; bad < 2; bad++) {
        struct weir_error error = {0};
        struct weir_record records[2] = {{.key = key, .value = weir_text("1")},
                                         {.key = key, .value = weir_text("2")}};
        const struct weir_changelog_position position = {.offset = 2};
        records[bad].key = weir_text("short");
        int rc = weir_store_restore(windows.store, records, 2, position, &error);
        ck_code(rc, WEIR_CORRUPT);
        ck_told(rc, &error);
        ck_assert_int_eq(weir_store_position(windows.store).offset, 0);
    }
    windows_close(&windows);
}
END_TEST

static void add(Suite *suite)
{
    TCase *windows = tcase_create("windows");
    tcase_add_loop_test(windows, window_is_read_until_its_retention_is_over, 0, PLACES);
    tcase_add_loop_test(windows, change_of_an_expired_window_is_dropped_and_counted, 0, PLACES);
    tcase_add_loop_test(windows, scan_is_in_order_of_keys_over_all_segments, 0, PLACES);
    tcase_add_loop_test(windows, range_gives_one_keys_windows_of_these_times, 0, PLACES);
    tcase_add_loop_test(windows, dead_segments_leave_table_and_disk, 0, PLACES);
    tcase_add_loop_test(windows, window_that_dies_unsealed_is_never_written_down, 0, PLACES);
    tcase_add_loop_test(windows, restored_windows_may_be_deleted_and_set_again, 0, PLACES);
    tcase_add_test(windows, deleted_windows_leave_a_memory_store);
    tcase_add_test(windows, windows_deleted_in_a_restore_leave_a_memory_store);
    tcase_add_loop_test(windows, cleared_store_takes_back_windows_that_had_died, 0, PLACES);
    tcase_add_loop_test(windows, cleared_store_takes_back_windows_of_the_same_life, 0, PLACES);
    tcase_add_loop_test(windows, key_without_a_window_is_refused, 0, PLACES);
    tcase_add_loop_test(windows, changelog_key_without_a_window_is_refused, 0, PLACES);
    suite_add_tcase(suite, windows);
}

int main(void)
{
    return weir_test_main("state windows", add);
}
