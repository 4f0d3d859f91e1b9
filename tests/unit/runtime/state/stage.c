#include "tests/unit/runtime/state/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "runtime/state/state_internal.h"

/* The call succeeds; at once, or after a failure for want of memory that changed nothing. */
#define ATTEMPT(stage, call)                                                                       \
    do {                                                                                           \
        error = (struct weir_error){0};                                                            \
        int rc_ = (call);                                                                          \
        if (rc_ == WEIR_NO_MEMORY && (stage)->is_short_of_memory) {                                \
            ck_told(rc_, &error);                                                                  \
            (stage)->shortage_count++;                                                             \
            rc_ = (call);                                                                          \
        }                                                                                          \
        ck_assert_msg(rc_ >= 0, "%s: %s: %s", #call, weir_code_name(rc_), error.text);             \
    } while (0)

static const struct weir_store_spec cached = {
    .name = "cached",
    .kind = WEIR_STORE_ROCKSDB,
    .is_cached = true,
    .is_logged = true,
    .keeps_old = true,
    .is_timestamped = true,
};
static const struct weir_store_spec plain = {
    .name = "plain",
    .kind = WEIR_STORE_ROCKSDB,
    .is_logged = true,
};
static const struct weir_store_spec memory = {
    .name = "memory",
    .kind = WEIR_STORE_MEMORY,
    .is_cached = true,
    .is_logged = true,
    .keeps_old = true,
    .is_timestamped = true,
};
static const struct weir_store_spec windowed = {
    .name = "windowed",
    .kind = WEIR_STORE_ROCKSDB,
    .is_logged = true,
    .is_timestamped = true,
    .schema = &weir_key_schema_window,
    .retention_ms = 600 * 1000,
};
const struct weir_store_spec *const stage_specs[STAGE_STORES] = {&cached, &plain, &memory,
                                                                 &windowed};

/* ---- keys and values ----------------------------------------------------------------------------- */

/* Windowed: 8 keys of 6 windows each, so that segments and keys interleave. */
struct weir_slice stage_key(const struct stage *stage, size_t store, size_t number,
                            uint8_t to[STAGE_KEY_SIZE])
{
    if (stage_specs[store]->retention_ms == 0) {
        int size = snprintf((char *)to, STAGE_KEY_SIZE, "key-%03zu%s", number,
                            number % 3 == 0 ? "-longer" : "");
        return weir_slice(to, (size_t)size);
    }
    int size = snprintf((char *)to, STAGE_KEY_SIZE, "k%zu", number / 6);
    int64_t start = stage->window_base + (int64_t)(number % 6) * 200 * 1000;
    weir_store_u64(to + size, (uint64_t)start);
    return weir_slice(to, (size_t)size + 8);
}

static size_t number_of(const struct stage *stage, size_t store, struct weir_slice key)
{
    uint8_t bytes[STAGE_KEY_SIZE];
    for (size_t i = 0; i < STAGE_KEYS; i++) {
        if (weir_slice_equal(stage_key(stage, store, i, bytes), key)) return i;
    }
    ck_abort_msg("a key that is none of ours");
}

struct stage_value stage_random_value(struct weir_test_random *random)
{
    struct stage_value value = {.exists = weir_test_random_below(random, 8) != 0};
    if (!value.exists) return value;
    value.size = weir_test_random_below(random, 4) == 0
                     ? weir_test_random_below(random, STAGE_VALUE_MAX)
                     : 8;
    value.timestamp_ms = (int64_t)weir_test_random_below(random, 1000000);
    weir_test_random_fill(random, value.bytes, value.size);
    return value;
}

static struct weir_slice slice_of(const struct stage_value *value)
{
    return value->exists ? weir_slice(value->bytes, value->size) : weir_null();
}

static void check_value(size_t store, const struct stage_value *expected, struct weir_slice value,
                        int64_t timestamp_ms)
{
    ck_assert(weir_slice_equal(value, slice_of(expected)));
    if (expected->exists && stage_specs[store]->is_timestamped) {
        ck_assert_int_eq(timestamp_ms, expected->timestamp_ms);
    }
}

/* ---- life ---------------------------------------------------------------------------------------- */

void stage_init(struct stage *stage, const struct weir_backend_kind *backend, struct weir_env *env,
                const char *path)
{
    *stage = (struct stage){
        .backend = backend, .env = env, .cache_bytes_max = 1 << 20, .rows_bytes_max = 1};
    snprintf(stage->path, sizeof stage->path, "%s", path);
}

void stage_close(struct stage *stage)
{
    for (size_t i = 0; i < STAGE_STORES; i++) {
        free(stage->logs[i].records);
        stage->logs[i] = (struct stage_log){0};
    }
}

static void on_written(void *context, int rc, const struct weir_error *error)
{
    struct stage *stage = context;
    (void)error;
    stage->written_count++;
    stage->written_rc = rc;
}

static void fold(const struct stage_log *log, size_t count, struct stage_value *values_out)
{
    memset(values_out, 0, STAGE_KEYS * sizeof *values_out);
    for (size_t i = 0; i < count; i++) {
        values_out[log->records[i].key] = log->records[i].value;
    }
}

struct weir_store *stage_store(struct stage *stage, size_t store)
{
    return weir_state_store(stage->state, store);
}

static void check_equals(struct stage *stage, size_t store, const struct stage_value *expected);

void stage_open(struct stage *stage)
{
    struct weir_error error;
    weir_budget_init(&stage->budget, "stage", stage->env->heap, stage->env->budget, 0);
    const struct weir_state_options options = {
        .backend = stage->backend,
        .env = stage->env,
        .budget = &stage->budget,
        .path = stage->path,
        .specs = stage_specs,
        .store_count = STAGE_STORES,
        .cache_bytes_max = stage->cache_bytes_max,
        .write_down_bytes = stage->write_down_bytes,
        .rows_bytes_max = stage->rows_bytes_max,
        /* However long it takes on a loaded machine, time is not what makes one due. */
        .write_down_interval_ms = INT64_MAX,
        .reply_to = stage->actor,
        .on_written = on_written,
        .context = stage,
    };
    ATTEMPT(stage, weir_state_open(&options, &stage->state, &stage->was_wiped, &error));
    for (size_t i = 0; i < STAGE_STORES; i++) {
        struct weir_changelog_position position = weir_store_position(stage_store(stage, i));
        ck_assert_int_le(position.offset, (int64_t)stage->logs[i].durable_count);
        if (stage_specs[i]->kind == WEIR_STORE_MEMORY) ck_assert_int_eq(position.offset, 0);
        struct stage_value expected[STAGE_KEYS];
        fold(&stage->logs[i], (size_t)position.offset, expected);
        check_equals(stage, i, expected);
    }
}

void stage_end(struct stage *stage)
{
    struct weir_error error;
    int rc = weir_state_close(stage->state, true, &error);
    if (rc == WEIR_NO_MEMORY && stage->is_short_of_memory) {
        ck_told(rc, &error);
        stage->shortage_count++;
        return;
    }
    ck_ok(rc, &error);
}

/* A table that was read from is closed and opened again: restoring comes before any use. */
static void reopen_unused(struct stage *stage)
{
    struct weir_error error;
    struct stage_log logs[STAGE_STORES];
    memcpy(logs, stage->logs, sizeof logs);
    stage_end(stage);
    const struct weir_state_options options = {
        .backend = stage->backend,
        .env = stage->env,
        .budget = &stage->budget,
        .path = stage->path,
        .specs = stage_specs,
        .store_count = STAGE_STORES,
        .cache_bytes_max = stage->cache_bytes_max,
        .write_down_bytes = stage->write_down_bytes,
        .rows_bytes_max = stage->rows_bytes_max,
        /* However long it takes on a loaded machine, time is not what makes one due. */
        .write_down_interval_ms = INT64_MAX,
        .reply_to = stage->actor,
        .on_written = on_written,
        .context = stage,
    };
    ATTEMPT(stage, weir_state_open(&options, &stage->state, NULL, &error));
}

static void restore_store(struct stage *stage, size_t index)
{
    struct weir_error error;
    struct weir_store *store = stage_store(stage, index);
    const struct stage_log *log = &stage->logs[index];
    size_t at = (size_t)weir_store_position(store).offset;
    while (at < log->durable_count) {
        struct weir_record records[7];
        uint8_t keys[7][STAGE_KEY_SIZE + 4];
        size_t count = 0;
        for (; count < 7 && at < log->durable_count; count++, at++) {
            const struct stage_record *record = &log->records[at];
            struct weir_slice key = stage_key(stage, index, record->key, keys[count]);
            if (stage_specs[index]->retention_ms > 0) {
                memset(keys[count] + key.size, 0, 4);
                key.size += 4;
            }
            records[count] = (struct weir_record){.key = key,
                                                  .value = slice_of(&record->value),
                                                  .timestamp_ms = record->value.timestamp_ms};
        }
        struct weir_changelog_position position = {.leader_epoch = 3, .offset = (int64_t)at};
        ATTEMPT(stage, weir_store_restore(store, records, count, position, &error));
    }
    ck_assert_int_eq(weir_store_position(store).offset, (int64_t)log->durable_count);
}

void stage_restore(struct stage *stage)
{
    reopen_unused(stage);
    for (size_t i = 0; i < STAGE_STORES; i++) {
        restore_store(stage, i);
        stage->logs[i].count = stage->logs[i].durable_count;
        fold(&stage->logs[i], stage->logs[i].count, stage->current[i]);
        fold(&stage->logs[i], stage->logs[i].count, stage->forwarded[i]);
    }
}

/* ---- use ----------------------------------------------------------------------------------------- */

static void check_entry(struct stage *stage, size_t store, size_t key,
                        const struct weir_store_entry *entry)
{
    const struct stage_value *expected = &stage->current[store][key];
    check_value(store, expected, weir_slice(entry->value, entry->value_size), entry->timestamp_ms);
}

static void set_entry(struct stage *stage, size_t store, size_t key, struct weir_store_entry *entry,
                      struct stage_value value)
{
    struct weir_error error;
    const struct weir_store_spec *spec = stage_specs[store];
    struct stage_value before = stage->current[store][key];
    ATTEMPT(stage, weir_store_set(stage_store(stage, store), entry, slice_of(&value),
                                  value.timestamp_ms, &error));
    stage->current[store][key] = value;
    check_entry(stage, store, key, entry);
    if (!spec->keeps_old) return;
    const struct stage_value *old = spec->is_cached ? &stage->forwarded[store][key] : &before;
    check_value(store, old, weir_slice(entry->old_value, entry->old_size), entry->old_timestamp_ms);
}

void stage_set(struct stage *stage, size_t store, size_t key, struct stage_value value)
{
    struct weir_error error;
    uint8_t bytes[STAGE_KEY_SIZE];
    struct weir_slice slice = stage_key(stage, store, key, bytes);
    struct weir_store_entry *entry;
    ATTEMPT(stage, weir_store_touch(stage_store(stage, store), &slice, 1, &entry, &error));
    check_entry(stage, store, key, entry);
    set_entry(stage, store, key, entry, value);
}

void stage_batch(struct stage *stage, size_t store, struct weir_test_random *random)
{
    enum { ROWS_MAX = 80 };
    struct weir_error error;
    size_t numbers[ROWS_MAX];
    uint8_t bytes[ROWS_MAX][STAGE_KEY_SIZE];
    struct weir_slice keys[ROWS_MAX];
    struct weir_store_entry *entries[ROWS_MAX];
    size_t count = 1 + weir_test_random_below(random, ROWS_MAX);
    for (size_t i = 0; i < count; i++) {
        numbers[i] = weir_test_random_below(random, STAGE_KEYS);
        keys[i] = stage_key(stage, store, numbers[i], bytes[i]);
    }
    ATTEMPT(stage, weir_store_touch(stage_store(stage, store), keys, count, entries, &error));
    for (size_t i = 0; i < count; i++) {
        ck_assert(weir_slice_equal(entries[i]->key, keys[i]));
        check_entry(stage, store, numbers[i], entries[i]);
        if (weir_test_random_below(random, 3) == 0) continue;
        set_entry(stage, store, numbers[i], entries[i], stage_random_value(random));
    }
}

void stage_get(struct stage *stage, size_t store, struct weir_test_random *random)
{
    enum { ROWS = 20 };
    struct weir_error error;
    size_t numbers[ROWS];
    uint8_t bytes[ROWS][STAGE_KEY_SIZE];
    struct weir_slice keys[ROWS], values[ROWS];
    int64_t timestamps[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        numbers[i] = weir_test_random_below(random, STAGE_KEYS);
        keys[i] = stage_key(stage, store, numbers[i], bytes[i]);
    }
    ATTEMPT(stage,
            weir_store_get_many(stage_store(stage, store), keys, ROWS, values, timestamps, &error));
    for (size_t i = 0; i < ROWS; i++) {
        check_value(store, &stage->current[store][numbers[i]], values[i], timestamps[i]);
    }
}

/* ---- scans --------------------------------------------------------------------------------------- */

struct scan_check {
    struct stage *stage;
    size_t store;
    const struct stage_value *expected;
    bool met[STAGE_KEYS];
    size_t count;
    uint8_t last[STAGE_KEY_SIZE];
    size_t last_size;
};

static int meet(void *context, struct weir_slice key, struct weir_slice value, int64_t timestamp_ms)
{
    struct scan_check *check = context;
    size_t number = number_of(check->stage, check->store, key);
    if (check->count > 0) {
        ck_assert_int_lt(weir_slice_compare(weir_slice(check->last, check->last_size), key), 0);
    }
    memcpy(check->last, key.data, key.size);
    check->last_size = key.size;
    ck_assert(!check->met[number]);
    check->met[number] = true;
    check->count++;
    ck_assert(!weir_slice_is_null(value));
    check_value(check->store, &check->expected[number], value, timestamp_ms);
    return 0;
}

static int scan_once(struct stage *stage, size_t store, const struct stage_value *expected,
                     struct weir_slice from, struct weir_slice to, struct scan_check *check_out,
                     struct weir_error *error)
{
    *check_out = (struct scan_check){.stage = stage, .store = store, .expected = expected};
    return weir_store_scan(stage_store(stage, store), from, to, meet, check_out, error);
}

static void check_range(struct stage *stage, size_t store, const struct stage_value *expected,
                        struct weir_slice from, struct weir_slice to)
{
    struct weir_error error;
    struct scan_check check;
    ATTEMPT(stage, scan_once(stage, store, expected, from, to, &check, &error));
    for (size_t i = 0; i < STAGE_KEYS; i++) {
        uint8_t bytes[STAGE_KEY_SIZE];
        struct weir_slice key = stage_key(stage, store, i, bytes);
        bool is_inside = (weir_slice_is_null(from) || weir_slice_compare(key, from) >= 0) &&
                         (weir_slice_is_null(to) || weir_slice_compare(key, to) <= 0);
        ck_assert_msg(check.met[i] == (is_inside && expected[i].exists), "store %zu, key %zu",
                      store, i);
    }
}

void stage_scan(struct stage *stage, size_t store, size_t from, size_t to)
{
    uint8_t from_bytes[STAGE_KEY_SIZE], to_bytes[STAGE_KEY_SIZE];
    check_range(stage, store, stage->current[store], stage_key(stage, store, from, from_bytes),
                stage_key(stage, store, to, to_bytes));
}

static void check_equals(struct stage *stage, size_t store, const struct stage_value *expected)
{
    struct weir_error error;
    struct weir_slice keys[STAGE_KEYS], values[STAGE_KEYS];
    int64_t timestamps[STAGE_KEYS];
    uint8_t bytes[STAGE_KEYS][STAGE_KEY_SIZE];
    check_range(stage, store, expected, weir_null(), weir_null());
    for (size_t i = 0; i < STAGE_KEYS; i++) {
        keys[i] = stage_key(stage, store, i, bytes[i]);
    }
    ATTEMPT(stage, weir_store_get_many(stage_store(stage, store), keys, STAGE_KEYS, values,
                                       timestamps, &error));
    for (size_t i = 0; i < STAGE_KEYS; i++) {
        check_value(store, &expected[i], values[i], timestamps[i]);
    }
}

void stage_check_all(struct stage *stage)
{
    for (size_t i = 0; i < STAGE_STORES; i++) {
        check_equals(stage, i, stage->current[i]);
    }
}

/* ---- commit -------------------------------------------------------------------------------------- */

void stage_forward(struct stage *stage, size_t store)
{
    struct weir_store_entry *entry;
    size_t at = 0;
    while ((entry = weir_store_next_unforwarded(stage_store(stage, store), &at)) != NULL) {
        size_t number = number_of(stage, store, entry->key);
        check_entry(stage, store, number, entry);
        check_value(store, &stage->forwarded[store][number],
                    weir_slice(entry->old_value, entry->old_size), entry->old_timestamp_ms);
        stage->forwarded[store][number] = stage->current[store][number];
    }
    weir_store_forwarded(stage_store(stage, store));
    ck_assert_mem_eq(stage->forwarded[store], stage->current[store],
                     stage_specs[store]->is_cached ? sizeof stage->current[store] : 0);
}

static int append(void *context, struct weir_store *store, const struct weir_record *record)
{
    struct stage *stage = context;
    size_t index = 0;
    while (stage_store(stage, index) != store) {
        index++;
    }
    struct stage_log *log = &stage->logs[index];
    if (log->count == log->capacity) {
        log->capacity = log->capacity == 0 ? 64 : log->capacity * 2;
        log->records = realloc(log->records, log->capacity * sizeof *log->records);
        ck_assert_ptr_nonnull(log->records);
    }
    struct weir_slice key = record->key;
    if (stage_specs[index]->retention_ms > 0) {
        static const uint8_t sequence[4] = {0};
        key.size -= 4;
        ck_assert_mem_eq(key.data + key.size, sequence, 4);
    }
    struct stage_record *to = &log->records[log->count++];
    *to = (struct stage_record){.key = number_of(stage, index, key)};
    if (weir_slice_is_null(record->value)) return 0;
    to->value.exists = true;
    to->value.size = record->value.size;
    to->value.timestamp_ms = record->timestamp_ms;
    if (record->value.size > 0) memcpy(to->value.bytes, record->value.data, record->value.size);
    return 0;
}

/* A seal that fails has given records that do not count. */
static int seal_once(struct stage *stage, struct weir_error *error)
{
    size_t counts[STAGE_STORES];
    for (size_t i = 0; i < STAGE_STORES; i++) {
        counts[i] = stage->logs[i].count;
    }
    int rc = weir_state_seal(stage->state, append, stage, error);
    weir_state_check(stage->state); /* whatever came of it */
    for (size_t i = 0; i < STAGE_STORES && rc < 0; i++) {
        stage->logs[i].count = counts[i];
    }
    return rc;
}

void stage_seal(struct stage *stage)
{
    struct weir_error error;
    ATTEMPT(stage, seal_once(stage, &error));
    for (size_t i = 0; i < STAGE_STORES; i++) {
        struct stage_value expected[STAGE_KEYS];
        fold(&stage->logs[i], stage->logs[i].count, expected);
        for (size_t key = 0; key < STAGE_KEYS; key++) {
            check_value(i, &stage->current[i][key], slice_of(&expected[key]),
                        expected[key].timestamp_ms);
        }
    }
}

void stage_commit(struct stage *stage)
{
    struct weir_error error;
    struct weir_changelog_position positions[STAGE_STORES] = {0};
    for (size_t i = 0; i < STAGE_STORES; i++) {
        stage->logs[i].durable_count = stage->logs[i].count;
        positions[i].leader_epoch = 3;
        positions[i].offset = (int64_t)stage->logs[i].count;
    }
    ATTEMPT(stage, weir_state_committed(stage->state, positions, &error));
}
