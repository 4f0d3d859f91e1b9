/* A store equals the fold of its changelog, bit for bit, after every kind of restore.
 *
 * A seed draws the stores (RocksDB or memory, plain or windowed, cached or not, timestamped or not),
 * then lives: changes, seals and commits, an end (clean, not clean, killed, out of power), something
 * that befalls folder or changelog meanwhile, and the restore that a task would make of it. The model
 * is a sorted array of rows per store, folded anew from the changelog each time.
 *
 * WEIR_SIM_SEEDS=5000 WEIR_SIM_SEED_FROM=1 runs more, WEIR_SIM_SEED=417 one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/env/sim/sim.h"
#include "runtime/state/key_schema.h"
#include "runtime/state/sim/backend_model.h"
#include "runtime/state/state.h"
#include "tests/support/support.h"

enum {
    STORES = 3,
    LIVES = 6,
    KEY_MAX = 20,
    VALUE_MAX = 40,
    MINUTE = 60 * 1000,
    SEEDS_DEFAULT = 80,
    REAL_EVERY = 10 /* one seed in so many runs on RocksDB itself */
};

struct row {
    uint8_t key[KEY_MAX];
    uint8_t value[VALUE_MAX];
    size_t key_size;
    size_t value_size;
    int64_t timestamp_ms;
    bool is_gone; /* a tombstone; in a changelog also: compacted, or never a record */
};

struct rows {
    struct row *rows;
    size_t count;
    size_t capacity;
};

/* The changelog of a store: record i has offset i. */
struct changelog {
    struct row *records;
    bool *is_compacted;
    size_t count;
    size_t capacity;
    size_t start;
    size_t durable;       /* a commit reached this far */
    size_t compacted_end; /* below it compaction has been; what a commit covers is never cut */
    size_t restored_from; /* what the store holds begins here: retention may have passed since */
    struct weir_uuid topic_id;
    int32_t epoch;
    size_t epoch_ends[LIVES]; /* of those before */
};

struct world {
    uint64_t seed;
    const struct weir_backend_kind *backend;
    struct weir_test_random random;
    struct weir_sim *sim; /* NULL: on RocksDB */
    struct weir_env *env;
    char path[WEIR_TEST_PATH_SIZE];
    struct weir_store_spec specs[STORES];
    const struct weir_store_spec *spec_pointers[STORES];
    char names[STORES][8];
    size_t keys; /* how many there are of each store, and of each window */
    size_t cache_bytes_max;
    size_t write_down_bytes;
    struct weir_state *state;
    struct changelog logs[STORES];
    struct rows current[STORES];
    int64_t now_ms; /* stream time, of all stores */
    int64_t committed_ms;
    int64_t sealed_ms;
};

static uint64_t draw(struct world *world, uint64_t bound)
{
    return weir_test_random_below(&world->random, bound);
}

#define OK(world, call)                                                                            \
    do {                                                                                           \
        struct weir_error error_ = {0};                                                            \
        struct weir_error *error = &error_;                                                        \
        int rc_ = (call);                                                                          \
        ck_assert_msg(rc_ >= 0, "seed %llu: %s: %s", (unsigned long long)(world)->seed, #call,     \
                      error_.text);                                                                \
    } while (0)

/* ---- the model ------------------------------------------------------------------------------- */

static struct weir_slice key_of(const struct row *row)
{
    return weir_slice(row->key, row->key_size);
}

static struct weir_slice value_of(const struct row *row)
{
    return row->is_gone ? weir_null() : weir_slice(row->value, row->value_size);
}

/* The first row whose key is not below `key`. */
static size_t find(const struct rows *rows, struct weir_slice key)
{
    size_t low = 0, high = rows->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (weir_slice_compare(key_of(&rows->rows[middle]), key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_at(const struct rows *rows, size_t at, struct weir_slice key)
{
    return at < rows->count && weir_slice_equal(key_of(&rows->rows[at]), key);
}

static void apply(struct rows *rows, const struct row *change)
{
    size_t at = find(rows, key_of(change));
    bool is_there = is_at(rows, at, key_of(change));
    if (!is_there && !change->is_gone) {
        if (rows->count == rows->capacity) {
            rows->capacity = rows->capacity == 0 ? 64 : rows->capacity * 2;
            rows->rows = realloc(rows->rows, rows->capacity * sizeof *rows->rows);
            ck_assert_ptr_nonnull(rows->rows);
        }
        memmove(&rows->rows[at + 1], &rows->rows[at], (rows->count - at) * sizeof *rows->rows);
        rows->count++;
    }
    if (!change->is_gone) {
        rows->rows[at] = *change;
    } else if (is_there) {
        rows->count--;
        memmove(&rows->rows[at], &rows->rows[at + 1], (rows->count - at) * sizeof *rows->rows);
    }
}

static void fold(const struct changelog *log, size_t from, size_t to, struct rows *rows)
{
    rows->count = 0;
    for (size_t i = from; i < to; i++) {
        if (!log->is_compacted[i]) apply(rows, &log->records[i]);
    }
}

static bool is_windowed(const struct world *world, size_t store)
{
    return world->specs[store].retention_ms > 0;
}

static int64_t start_of(const struct row *row)
{
    return (int64_t)weir_load_u64(row->key + row->key_size - 8);
}

/* Whether the window is over by `stream_time_ms`; -1: no time is known. */
static bool is_over(const struct world *world, size_t store, const struct row *row,
                    int64_t stream_time_ms)
{
    return is_windowed(world, store) && stream_time_ms >= 0 &&
           start_of(row) <= stream_time_ms - world->specs[store].retention_ms;
}

/* ---- the changelog --------------------------------------------------------------------------- */

static void log_add(struct changelog *log, const struct row *record, bool is_compacted)
{
    if (log->count == log->capacity) {
        log->capacity = log->capacity == 0 ? 64 : log->capacity * 2;
        log->records = realloc(log->records, log->capacity * sizeof *log->records);
        log->is_compacted = realloc(log->is_compacted, log->capacity * sizeof(bool));
        ck_assert(log->records != NULL && log->is_compacted != NULL);
    }
    log->records[log->count] = *record;
    log->is_compacted[log->count++] = is_compacted;
}

static int append(void *context, struct weir_store *store, const struct weir_record *record)
{
    struct world *world = context;
    size_t index = 0;
    while (weir_state_store(world->state, index) != store) {
        index++;
    }
    struct weir_slice key = record->key;
    if (is_windowed(world, index)) {
        static const uint8_t sequence[4] = {0};
        key.size -= sizeof sequence;
        ck_assert_mem_eq(key.data + key.size, sequence, sizeof sequence);
    }
    struct row row = {.key_size = key.size,
                      .value_size = record->value.size,
                      .timestamp_ms = record->timestamp_ms,
                      .is_gone = weir_slice_is_null(record->value)};
    memcpy(row.key, key.data, key.size);
    if (row.value_size > 0) memcpy(row.value, record->value.data, row.value_size);
    log_add(&world->logs[index], &row, false);
    return 0;
}

/* What has a later record of the same key goes; tombstones stay. */
static void compact(struct changelog *log)
{
    for (size_t i = 0; i < log->count; i++) {
        for (size_t later = i + 1; later < log->count && !log->is_compacted[i]; later++) {
            log->is_compacted[i] =
                !log->is_compacted[later] &&
                weir_slice_equal(key_of(&log->records[i]), key_of(&log->records[later]));
        }
    }
    log->compacted_end = log->count;
}

/* Every epoch before ends there, if it did not end earlier. */
static void cut(struct changelog *log, size_t end)
{
    log->count = log->durable = end;
    log->epoch_ends[log->epoch++] = end;
    for (int32_t epoch = 0; epoch < log->epoch; epoch++) {
        if (log->epoch_ends[epoch] > end) log->epoch_ends[epoch] = end;
    }
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void draw_spec(struct world *world, size_t store)
{
    struct weir_store_spec *spec = &world->specs[store];
    (void)snprintf(world->names[store], sizeof world->names[store], "s%zu", store);
    *spec = (struct weir_store_spec){
        .name = world->names[store],
        .kind = draw(world, 3) == 0 ? WEIR_STORE_MEMORY : WEIR_STORE_ROCKSDB,
        .is_cached = draw(world, 2) == 0,
        .is_logged = true,
        .keeps_old = draw(world, 2) == 0,
        .is_timestamped = draw(world, 4) != 0,
    };
    if (store == 0 || draw(world, 3) == 0) { /* one is windowed in any case */
        spec->schema = &weir_key_schema_window;
        spec->retention_ms = (int64_t)(1 + draw(world, 10)) * MINUTE;
    }
    world->spec_pointers[store] = spec;
}

static struct world *world_new(uint64_t seed)
{
    static const size_t caches[] = {0, 700, 1 << 20};
    static const size_t bounds[] = {1, 4000, 0};
    struct weir_error error = {0};
    struct world *world = calloc(1, sizeof *world);
    ck_assert_ptr_nonnull(world);
    world->seed = seed;
    world->random = (struct weir_test_random){seed};
    world->now_ms = world->committed_ms = world->sealed_ms = -1;
    for (size_t i = 0; i < STORES; i++) {
        draw_spec(world, i);
        world->logs[i].topic_id.bytes[0] = (uint8_t)(i + 1);
    }
    world->keys = draw(world, 12) == 0 ? 3000 : 12;
    world->cache_bytes_max = caches[draw(world, 3)];
    world->write_down_bytes = bounds[draw(world, 3)];
    world->backend = seed % REAL_EVERY == 0 ? &weir_backend_rocksdb : &weir_backend_model;
    if (seed % REAL_EVERY == 0) {
        weir_test_directory(world->path);
        ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &world->env, &error), &error);
    } else {
        (void)snprintf(world->path, sizeof world->path, "state");
        world->sim = weir_sim_new(&(struct weir_sim_options){.seed = seed});
        world->env = weir_sim_node(world->sim, 0);
    }
    return world;
}

static void world_free(struct world *world)
{
    for (size_t i = 0; i < STORES; i++) {
        free(world->logs[i].records);
        free(world->logs[i].is_compacted);
        free(world->current[i].rows);
    }
    if (world->sim != NULL) {
        weir_sim_free(world->sim);
    } else {
        weir_env_uv_free(world->env);
    }
    free(world);
}

static void open_state(struct world *world)
{
    const struct weir_state_options options = {
        .backend = world->backend,
        .env = world->env,
        .budget = world->env->budget,
        .path = world->path,
        .specs = world->spec_pointers,
        .store_count = STORES,
        .cache_bytes_max = world->cache_bytes_max,
        .write_down_bytes = world->write_down_bytes,
    };
    OK(world, weir_state_open(&options, &world->state, NULL, error));
}

/* ---- comparing ------------------------------------------------------------------------------- */

struct comparison {
    const struct world *world;
    size_t store;
    const struct rows *expected;
    int64_t time_ms; /* windows that are over by then must not be there */
    bool is_exact;   /* no others may be missing; else those over by `committed_ms` may */
    size_t at;
};

static bool may_be_missing(const struct comparison *comparison, const struct row *row)
{
    const struct world *world = comparison->world;
    if (is_over(world, comparison->store, row, comparison->time_ms)) return true;
    return !comparison->is_exact && is_over(world, comparison->store, row, world->committed_ms);
}

static void skip_to(struct comparison *comparison, struct weir_slice key)
{
    const struct rows *expected = comparison->expected;
    for (; comparison->at < expected->count; comparison->at++) {
        const struct row *row = &expected->rows[comparison->at];
        if (!weir_slice_is_null(key) && weir_slice_compare(key_of(row), key) >= 0) return;
        ck_assert_msg(may_be_missing(comparison, row), "seed %llu: store %zu lacks a row",
                      (unsigned long long)comparison->world->seed, comparison->store);
    }
}

static void check_row(const struct comparison *comparison, const struct row *row,
                      struct weir_slice value, int64_t timestamp_ms)
{
    const struct world *world = comparison->world;
    ck_assert_msg(weir_slice_equal(value, value_of(row)), "seed %llu: store %zu: another value",
                  (unsigned long long)world->seed, comparison->store);
    if (!world->specs[comparison->store].is_timestamped) return;
    ck_assert_msg(timestamp_ms == row->timestamp_ms, "seed %llu: store %zu: time %lld, not %lld",
                  (unsigned long long)world->seed, comparison->store, (long long)timestamp_ms,
                  (long long)row->timestamp_ms);
}

static int compare_one(void *context, struct weir_slice key, struct weir_slice value,
                       int64_t timestamp_ms)
{
    struct comparison *comparison = context;
    skip_to(comparison, key);
    bool is_known = is_at(comparison->expected, comparison->at, key);
    ck_assert_msg(is_known, "seed %llu: store %zu has a row too many",
                  (unsigned long long)comparison->world->seed, comparison->store);
    const struct row *row = &comparison->expected->rows[comparison->at++];
    ck_assert_msg(!is_over(comparison->world, comparison->store, row, comparison->time_ms),
                  "seed %llu: store %zu has a window that is over",
                  (unsigned long long)comparison->world->seed, comparison->store);
    check_row(comparison, row, value, timestamp_ms);
    return 0;
}

/* The store against the fold, by one scan. */
static void compare_scan(struct world *world, size_t store, int64_t time_ms, bool is_exact)
{
    struct comparison comparison = {.world = world,
                                    .store = store,
                                    .expected = &world->current[store],
                                    .time_ms = time_ms,
                                    .is_exact = is_exact};
    OK(world, weir_store_scan(weir_state_store(world->state, store), weir_null(), weir_null(),
                              compare_one, &comparison, error));
    skip_to(&comparison, weir_null());
}

/* Row by row; leaves its entries in the table. */
static void compare_gets(struct world *world, size_t store, int64_t time_ms)
{
    const struct rows *expected = &world->current[store];
    const struct comparison comparison = {.world = world, .store = store};
    for (size_t i = 0; i < expected->count; i++) {
        const struct row *row = &expected->rows[i];
        struct weir_slice key = key_of(row), value;
        int64_t timestamp_ms;
        OK(world, weir_store_get_many(weir_state_store(world->state, store), &key, 1, &value,
                                      &timestamp_ms, error));
        if (is_over(world, store, row, time_ms)) {
            ck_assert_msg(weir_slice_is_null(value), "seed %llu: an expired window is read",
                          (unsigned long long)world->seed);
        } else {
            check_row(&comparison, row, value, timestamp_ms);
        }
    }
}

/* ---- restore --------------------------------------------------------------------------------- */

/* As the task that restores has it (runtime/task/restore.c). A loss of power may bring back a folder from
 * before a cut: the records below its position are others by now. */
static bool is_usable(const struct changelog *log, const struct weir_changelog_position *position)
{
    if (position->offset == 0) return true;
    if (memcmp(&position->topic_id, &log->topic_id, sizeof log->topic_id) != 0) return false;
    if (position->leader_epoch > log->epoch) return false;
    size_t end = position->leader_epoch == log->epoch ? log->durable
                                                      : log->epoch_ends[position->leader_epoch];
    return position->offset <= (int64_t)end && position->offset <= (int64_t)log->durable &&
           position->offset >= (int64_t)log->start;
}

/* One run of records; returns where the next begins. */
static size_t restore_run(struct world *world, size_t store, size_t at, size_t bound)
{
    enum { RUN_MAX = 64 };
    const struct changelog *log = &world->logs[store];
    struct weir_record records[RUN_MAX];
    uint8_t keys[RUN_MAX][KEY_MAX + 4];
    size_t count = 0;
    for (; at < log->durable && count < bound; at++) {
        const struct row *row = &log->records[at];
        if (log->is_compacted[at]) continue;
        size_t tail = is_windowed(world, store) ? 4 : 0;
        memcpy(keys[count], row->key, row->key_size);
        memset(keys[count] + row->key_size, 0, tail);
        records[count] = (struct weir_record){.key = weir_slice(keys[count], row->key_size + tail),
                                              .value = value_of(row),
                                              .timestamp_ms = row->timestamp_ms};
        count++;
    }
    const struct weir_changelog_position position = {log->topic_id, log->epoch, (int64_t)at, 0, 0};
    OK(world,
       weir_store_restore(weir_state_store(world->state, store), records, count, position, error));
    return at;
}

/* True if the store was restored from the beginning of its changelog. */
static bool restore_store(struct world *world, size_t store, bool is_cleared)
{
    const struct changelog *log = &world->logs[store];
    struct weir_store *to = weir_state_store(world->state, store);
    struct weir_changelog_position position = weir_store_position(to);
    if (is_cleared || !is_usable(log, &position)) {
        OK(world, weir_store_clear(to, error));
        position = weir_store_position(to);
        ck_assert_int_eq(position.offset, 0);
    }
    bool is_whole = position.offset == 0;
    size_t at = (size_t)position.offset > log->start ? (size_t)position.offset : log->start;
    while (at < log->durable) {
        at = restore_run(world, store, at, 1 + draw(world, 64));
    }
    return is_whole;
}

/* The next record says what time it is; until then what is dead is as the backend remembers. */
static void tell_time(struct world *world)
{
    world->now_ms = world->sealed_ms = world->committed_ms;
    for (size_t i = 0; i < STORES; i++) {
        weir_store_advance(weir_state_store(world->state, i), world->now_ms);
        compare_scan(world, i, world->now_ms, true);
    }
}

/* What was uncommitted is no more; the stores hold what their changelogs say. */
static void restore(struct world *world, bool is_cleared, bool knows_time)
{
    world->now_ms = world->sealed_ms = knows_time ? world->committed_ms : -1;
    for (size_t i = 0; i < STORES; i++) {
        struct changelog *log = &world->logs[i];
        log->count = log->durable;
        bool is_whole = restore_store(world, i, is_cleared);
        if (is_whole) log->restored_from = log->start;
        fold(log, log->restored_from, log->durable, &world->current[i]);
        compare_scan(world, i, -1, is_whole); /* no time is known: nothing may be over */
        weir_store_advance(weir_state_store(world->state, i), world->now_ms);
        if (is_whole || knows_time) compare_scan(world, i, world->now_ms, true);
        if (is_whole || knows_time) compare_gets(world, i, world->now_ms);
    }
    if (!knows_time) tell_time(world);
}

/* ---- use ------------------------------------------------------------------------------------- */

static struct row draw_row(struct world *world, size_t store)
{
    struct row row = {.is_gone = draw(world, 6) == 0,
                      .timestamp_ms = (int64_t)draw(world, 1 << 30)};
    row.key_size =
        (size_t)snprintf((char *)row.key, sizeof row.key, "%u", (unsigned)draw(world, world->keys));
    if (is_windowed(world, store)) {
        int64_t window = world->now_ms / MINUTE - (int64_t)draw(world, 14);
        weir_store_u64(row.key + row.key_size, (uint64_t)(window > 0 ? window * MINUTE : 0));
        row.key_size += 8;
    }
    if (row.is_gone) return row;
    row.value_size = draw(world, 3) == 0 ? draw(world, VALUE_MAX) : 8;
    weir_test_random_fill(&world->random, row.value, row.value_size);
    return row;
}

static void change(struct world *world, size_t store, size_t count)
{
    struct weir_store *to = weir_state_store(world->state, store);
    for (size_t i = 0; i < count; i++) {
        struct row row = draw_row(world, store);
        struct weir_slice key = key_of(&row);
        struct weir_store_entry *entry;
        OK(world, weir_store_touch(to, &key, 1, &entry, error));
        OK(world, weir_store_set(to, entry, value_of(&row), row.timestamp_ms, error));
        if (!is_over(world, store, &row, world->now_ms)) apply(&world->current[store], &row);
    }
}

static void forward(struct world *world, size_t store)
{
    struct weir_store *from = weir_state_store(world->state, store);
    size_t at = 0;
    while (weir_store_next_unforwarded(from, &at) != NULL) {
    }
    weir_store_forwarded(from);
}

static void commit(struct world *world)
{
    struct weir_changelog_position positions[STORES];
    for (size_t i = 0; i < STORES; i++) {
        struct changelog *log = &world->logs[i];
        log->durable = log->count;
        positions[i] =
            (struct weir_changelog_position){log->topic_id, log->epoch, (int64_t)log->count, 0, 0};
    }
    world->committed_ms = world->sealed_ms;
    OK(world, weir_state_committed(world->state, positions, error));
}

static void live(struct world *world)
{
    for (uint64_t rounds = draw(world, 5); rounds > 0; rounds--) {
        /* Minutes, or so much that everything is over. */
        if (world->now_ms < 0) world->now_ms = 0;
        world->now_ms += (int64_t)(draw(world, 8) == 0 ? draw(world, 60) : draw(world, 3)) * MINUTE;
        for (size_t i = 0; i < STORES; i++) {
            weir_store_advance(weir_state_store(world->state, i), world->now_ms);
            change(world, i, draw(world, world->keys > 100 ? 1500 : 40));
            if (draw(world, 3) == 0) compare_scan(world, i, world->now_ms, true);
        }
        if (draw(world, 5) == 0) continue;
        for (size_t i = 0; i < STORES; i++) {
            forward(world, i);
        }
        OK(world, weir_state_seal(world->state, append, world, error));
        world->sealed_ms = world->now_ms;
        /* A sealed generation is committed before the next seal, as a task does. */
        if (rounds == 1 && draw(world, 3) == 0) return;
        commit(world);
    }
}

/* ---- ends, and what befalls the log ---------------------------------------------------------- */

static void end(struct world *world)
{
    uint64_t how = draw(world, world->sim != NULL ? 5 : 3);
    if (how < 3) {
        OK(world, weir_state_close(world->state, how != 0, error));
    } else {
        weir_sim_crash(world->sim, 0, how == 3 ? WEIR_SIM_KILL : WEIR_SIM_POWER);
        world->env = weir_sim_node(world->sim, 0);
    }
    world->state = NULL;
}

enum { NOTHING, FOLDER_LOST, RECREATED, CUT, GAP, COMPACTED, CLEARED, BEFALLS };

static void befall(struct world *world, uint64_t what)
{
    if (what == FOLDER_LOST) {
        OK(world, weir_state_wipe(world->backend, world->env, world->path, error));
    }
    for (size_t i = 0; i < STORES; i++) {
        struct changelog *log = &world->logs[i];
        log->count = log->durable;
        if (what == RECREATED) {
            log->topic_id.bytes[1]++;
            if (draw(world, 2) == 0) log->count = log->durable = log->start = 0;
            log->compacted_end = log->start;
        }
        size_t kept = log->compacted_end > log->start ? log->compacted_end : log->start;
        if (what == CUT) cut(log, kept + (size_t)draw(world, log->durable - kept + 1));
        if (what == GAP) log->start += (size_t)draw(world, log->durable - log->start + 1);
        if (what == COMPACTED && log->count < 4000) compact(log);
    }
}

static void run_seed(uint64_t seed)
{
    struct world *world = world_new(seed);
    open_state(world);
    restore(world, false, true);
    for (int life = 0; life < LIVES; life++) {
        live(world);
        end(world);
        uint64_t what = draw(world, BEFALLS);
        befall(world, what);
        open_state(world);
        restore(world, what == CLEARED, draw(world, 3) != 0);
    }
    OK(world, weir_state_close(world->state, true, error));
    world_free(world);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

START_TEST(store_equals_the_fold_of_its_changelog_after_every_restore)
{
    uint64_t first = from_environment("WEIR_SIM_SEED_FROM", 1);
    run_seed(from_environment("WEIR_SIM_SEED", first + (uint64_t)_i));
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("restore");
    int count = (int)from_environment("WEIR_SIM_SEEDS", SEEDS_DEFAULT);
    if (getenv("WEIR_SIM_SEED") != NULL) count = 1;
    tcase_add_loop_test(tests, store_equals_the_fold_of_its_changelog_after_every_restore, 0,
                        count);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("state restore", add);
}
