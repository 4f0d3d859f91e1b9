#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/env/sim/sim.h"
#include "runtime/state/key_schema.h"
#include "runtime/state/sim/backend_model.h"
#include "runtime/state/state.h"
#include "tests/support/support.h"

/* Stores that keep duplicates: what a fetch gives, in which order, wherever the rows lie. */

enum { RETENTION = 10 * 60 * 1000, KEYS = 3, ROWS_MAX = 400, ROUNDS = 40 };

struct kept {
    int key;
    int64_t time_ms;
    uint32_t number;
};

struct stage {
    struct weir_sim *sim;
    struct weir_env *env;
    struct weir_test_random random;
    bool is_resident;
    struct weir_state *state;
    struct weir_store *store;
    struct kept rows[ROWS_MAX]; /* all there ever were */
    size_t count;
    int64_t now_ms;
    int64_t offset;
    struct weir_record log[ROWS_MAX]; /* the changelog */
    uint8_t log_bytes[ROWS_MAX][64];
    size_t log_count;
};

/* Each of these is a beginning of the next: their rows lie among one another in order of bytes. */
static const char *const names[KEYS] = {"a", "aa", "aab"};

static void stage_open(struct stage *stage)
{
    static const struct weir_store_spec specs_by_kind[] = {
        {.name = "d",
         .is_logged = true,
         .schema = &weir_key_schema_duplicates,
         .retention_ms = RETENTION},
        {.name = "d",
         .kind = WEIR_STORE_MEMORY,
         .is_logged = true,
         .schema = &weir_key_schema_duplicates,
         .retention_ms = RETENTION},
    };
    static const struct weir_store_spec *const specs[2][1] = {{&specs_by_kind[0]},
                                                              {&specs_by_kind[1]}};
    struct weir_error error;
    const struct weir_state_options options = {.backend = &weir_backend_model,
                                               .env = stage->env,
                                               .budget = stage->env->budget,
                                               .path = "state",
                                               .specs = specs[stage->is_resident],
                                               .store_count = 1,
                                               .cache_bytes_max =
                                                   4000, /* some rows have to leave */
                                               .write_down_bytes = 1};
    ck_ok(weir_state_open(&options, &stage->state, NULL, &error), &error);
    stage->store = weir_state_store(stage->state, 0);
}

static int append(void *context, struct weir_store *store, const struct weir_record *record)
{
    struct stage *stage = context;
    uint8_t *bytes = stage->log_bytes[stage->log_count];
    (void)store;
    ck_assert_uint_lt(stage->log_count, ROWS_MAX);
    ck_assert_uint_le(record->key.size + record->value.size, sizeof stage->log_bytes[0]);
    memcpy(bytes, record->key.data, record->key.size);
    memcpy(bytes + record->key.size, record->value.data, record->value.size);
    stage->log[stage->log_count++] = (struct weir_record){
        .key = weir_slice(bytes, record->key.size),
        .value = weir_slice(bytes + record->key.size, record->value.size),
        .timestamp_ms = record->timestamp_ms,
    };
    return 0;
}

static void stage_commit(struct stage *stage)
{
    struct weir_error error;
    ck_ok(weir_state_seal(stage->state, append, stage, &error), &error);
    stage->offset = (int64_t)stage->log_count;
    const struct weir_changelog_position position = {.offset = stage->offset};
    ck_ok(weir_state_committed(stage->state, &position, &error), &error);
}

/* In order, with what is missing of the changelog; a crash leaves less than was committed. */
static void stage_reopen(struct stage *stage, bool is_clean)
{
    struct weir_error error;
    ck_ok(weir_state_close(stage->state, is_clean, &error), &error);
    stage_open(stage);
    const size_t from = (size_t)weir_store_position(stage->store).offset;
    const struct weir_changelog_position position = {.offset = stage->offset};
    if (from < stage->log_count) {
        ck_ok(weir_store_restore(stage->store, stage->log + from, stage->log_count - from, position,
                                 &error),
              &error);
    }
    weir_store_advance(stage->store, stage->now_ms);
}

static void stage_add(struct stage *stage, int key, int64_t time_ms)
{
    struct weir_error error;
    uint8_t bytes[32];
    char value[32];
    struct weir_slice name = weir_text(names[key]);
    const struct kept row = {key, time_ms, (uint32_t)stage->count + 1};
    weir_duplicate_key_write(bytes, name, time_ms, row.number);
    const struct weir_slice slice = weir_slice(bytes, weir_duplicate_key_size(name));
    struct weir_store_entry *entry;
    (void)snprintf(value, sizeof value, "v%u", row.number);
    ck_ok(weir_store_touch(stage->store, &slice, 1, &entry, &error), &error);
    ck_ok(weir_store_set(stage->store, entry, weir_text(value), time_ms, &error), &error);
    stage->rows[stage->count++] = row;
}

/* By looking at all rows: time after time, and of one time the first that came. */
static size_t expected(const struct stage *stage, int key, int64_t from_ms, int64_t to_ms,
                       struct kept out[ROWS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < stage->count; i++) {
        const struct kept *row = &stage->rows[i];
        bool is_over = row->time_ms <= stage->now_ms - RETENTION;
        if (row->key != key || is_over || row->time_ms < from_ms || row->time_ms > to_ms) continue;
        size_t at = count++;
        for (; at > 0 && out[at - 1].time_ms > row->time_ms; at--)
            out[at] = out[at - 1];
        out[at] = *row;
    }
    return count;
}

static void stage_check(struct stage *stage, int key, int64_t from_ms, int64_t to_ms)
{
    struct weir_error error;
    struct weir_fetched_rows rows;
    struct kept wanted[ROWS_MAX];
    size_t count = expected(stage, key, from_ms, to_ms, wanted);
    ck_ok(weir_store_fetch(stage->store, weir_text(names[key]), from_ms, to_ms, &rows, &error),
          &error);
    ck_assert_uint_eq(rows.count, count);
    for (size_t i = 0; i < count; i++) {
        char value[32];
        const struct weir_store_entry *entry = rows.entries[i];
        (void)snprintf(value, sizeof value, "v%u", wanted[i].number);
        ck_assert(weir_slice_equal(weir_slice(entry->value, entry->value_size), weir_text(value)));
        ck_assert_int_eq(weir_key_schema_time(&weir_key_schema_duplicates, entry->key),
                         wanted[i].time_ms);
    }
}

/* Goal: a fetch equals a look at all rows, with rows in the table, in the backend and in both, after
 * restarts and crashes, while old rows go. */
START_TEST(a_fetch_gives_the_rows_of_a_key_in_order)
{
    static struct stage stage;
    struct weir_error error;
    memset(&stage, 0, sizeof stage);
    stage.random = (struct weir_test_random){(uint64_t)_i + 1};
    stage.is_resident = _i % 2 == 1;
    stage.sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
    stage.env = weir_sim_node(stage.sim, 0);
    stage.now_ms = 1000 * 1000;
    stage_open(&stage);
    for (int round = 0; round < ROUNDS; round++) {
        stage.now_ms += (int64_t)weir_test_random_below(&stage.random, 60 * 1000);
        for (int i = 0; i < 9; i++) {
            int64_t back_ms = (int64_t)weir_test_random_below(&stage.random, 10) * 30 * 1000;
            stage_add(&stage, (int)weir_test_random_below(&stage.random, KEYS),
                      stage.now_ms - back_ms);
        }
        weir_store_advance(stage.store, stage.now_ms);
        if (weir_test_random_below(&stage.random, 2) == 0) stage_commit(&stage);
        if (weir_test_random_below(&stage.random, 6) == 0) {
            stage_commit(&stage);
            stage_reopen(&stage, weir_test_random_below(&stage.random, 2) == 0);
        }
        for (int key = 0; key < KEYS; key++) {
            int64_t from_ms =
                stage.now_ms - (int64_t)weir_test_random_below(&stage.random, 700 * 1000);
            stage_check(&stage, key, from_ms, from_ms + 120 * 1000);
            stage_check(&stage, key, 0, INT64_MAX);
        }
    }
    ck_ok(weir_state_close(stage.state, true, &error), &error);
    weir_sim_free(stage.sim);
}
END_TEST

/* A row that comes too late is in the changelog, as in Kafka Streams, and nobody reads it. */
START_TEST(a_late_row_is_written_and_not_read)
{
    static struct stage stage;
    struct weir_error error;
    memset(&stage, 0, sizeof stage);
    stage.is_resident = _i == 1;
    stage.sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
    stage.env = weir_sim_node(stage.sim, 0);
    stage_open(&stage);
    stage.now_ms = 10 * RETENTION;
    weir_store_advance(stage.store, stage.now_ms);
    ck_assert(weir_store_is_late(stage.store, 5, stage.now_ms));
    ck_assert(!weir_store_is_late(stage.store, stage.now_ms - 5, stage.now_ms));
    /* On a disk only once its segment is dead. */
    ck_assert_int_eq(weir_store_is_late(stage.store, stage.now_ms - RETENTION, stage.now_ms),
                     stage.is_resident);
    stage_add(&stage, 0, 5);
    stage_check(&stage, 0, 0, INT64_MAX);
    stage_commit(&stage);
    ck_assert_uint_eq(stage.log_count, 1);
    stage_check(&stage, 0, 0, INT64_MAX);
    ck_ok(weir_state_close(stage.state, true, &error), &error);
    weir_sim_free(stage.sim);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("duplicates");
    tcase_add_loop_test(tests, a_fetch_gives_the_rows_of_a_key_in_order, 0, 20);
    tcase_add_loop_test(tests, a_late_row_is_written_and_not_read, 0, 2);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("duplicates", add);
}
