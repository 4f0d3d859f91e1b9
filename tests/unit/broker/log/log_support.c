#include "tests/unit/broker/log/log_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "broker/log/durable_mark.h"
#include "wire/record_batch.h"

/* ---- life ------------------------------------------------------------------------------------ */

void test_log_start(struct test_log *test, uint64_t seed)
{
    struct weir_file_stat root;
    memset(test, 0, sizeof *test);
    test->sim = weir_sim_new(&(struct weir_sim_options){.seed = seed});
    ck_assert_ptr_nonnull(test->sim);
    test->env = weir_sim_node(test->sim, 0);
    test->options = (struct weir_partition_log_options){
        .env = test->env,
        .budget = test->env->budget,
        .path = "/orders-0",
        .topic_id = {{1, 2, 3, 250, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
        .leader_epoch = 1,
        .config = weir_topic_config_default(),
        .mark_interval_bytes = 2048,
        .tail_cache_bytes = 1,
    };
    ck_ok(weir_stat(test->env, "/", &root, NULL), NULL);
    test->options.shared_device = root.device; /* as an engine's logs have it */
    test->options.config.segment_bytes = 4096;
    test->options.config.index_interval_bytes = 256;
}

void test_log_forget(struct test_log *test, int64_t offset)
{
    while (test->batch_count > 0 && test->batches[test->batch_count - 1].end_offset > offset) {
        free(test->batches[--test->batch_count].bytes);
    }
    if (test->acked_offset > offset) test->acked_offset = offset;
}

void test_log_stop(struct test_log *test)
{
    if (test->log != NULL) (void)weir_partition_log_close(test->log, NULL);
    test->log = NULL;
    test_log_forget(test, 0);
    weir_sim_free(test->sim);
    test->sim = NULL;
}

int test_log_open(struct test_log *test)
{
    ck_assert_ptr_null(test->log);
    test->options.env = test->env;
    test->options.budget = test->env->budget;
    return weir_partition_log_open(&test->options, &test->log, &test->recovery, &test->error);
}

int test_log_close(struct test_log *test)
{
    int rc = weir_partition_log_close(test->log, &test->error);
    test->log = NULL;
    return rc;
}

void test_log_crash(struct test_log *test, enum weir_sim_crash_kind kind)
{
    if (!weir_sim_has_crashed(test->sim, 0)) weir_sim_crash(test->sim, 0, kind);
    test->log = NULL;
    test->env = weir_sim_node(test->sim, 0);
}

/* ---- appending ------------------------------------------------------------------------------- */

static struct weir_shared *build(struct test_log *test, const struct test_append *append,
                                 int64_t timestamp_ms)
{
    struct weir_batch_builder builder;
    struct weir_slice batch = {0};
    uint8_t value[8192];
    int size = append->value_size > 0 ? append->value_size : 20;
    int count = append->record_count > 0 ? append->record_count : 1;
    ck_assert_int_le(size, (int)sizeof value);
    weir_batch_builder_init(&builder, test->env->budget, WEIR_CODEC_NONE, 0);
    for (int i = 0; i < count; i++) {
        memset(value, (int)('a' + (test->batch_count + (size_t)i) % 26), (size_t)size);
        struct weir_record record = {
            .value = weir_slice(value, (size_t)size),
            .timestamp_ms = timestamp_ms,
        };
        if (weir_batch_builder_add(&builder, &record) < 0) goto no_memory;
    }
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    if (append->has_producer) {
        finish.producer_id = append->producer_id;
        finish.producer_epoch = append->producer_epoch;
        finish.base_sequence = append->sequence;
        finish.is_transactional = append->is_transactional;
    }
    if (weir_batch_builder_finish(&builder, &finish, &batch) < 0) goto no_memory;
    struct weir_shared *shared = weir_shared_new(test->env->budget, batch.size);
    if (shared != NULL) {
        memcpy(shared->data, batch.data, batch.size);
        shared->size = batch.size;
    }
    weir_batch_builder_close(&builder);
    return shared;
no_memory:
    weir_batch_builder_close(&builder);
    return NULL;
}

static void remember(struct test_log *test, const struct weir_shared *shared,
                     const struct weir_append_result *result)
{
    ck_assert_uint_lt(test->batch_count, TEST_BATCHES_MAX);
    struct test_batch *batch = &test->batches[test->batch_count++];
    batch->base_offset = result->base_offset;
    batch->end_offset = result->last_offset + 1;
    batch->size = shared->size;
    batch->bytes = malloc(shared->size);
    ck_assert_ptr_nonnull(batch->bytes);
    memcpy(batch->bytes, shared->data, shared->size);
}

static struct weir_shared *build_marker(struct test_log *test, const struct test_append *append,
                                        int64_t timestamp_ms)
{
    struct weir_shared *shared = weir_shared_new(test->env->budget, WEIR_BATCH_MARKER_SIZE);
    if (shared == NULL) return NULL;
    weir_batch_store_marker(shared->data, &(struct weir_transaction_marker){
                                              .producer_id = append->producer_id,
                                              .producer_epoch = append->producer_epoch,
                                              .is_commit = append->is_commit,
                                              .timestamp_ms = timestamp_ms,
                                          });
    shared->size = WEIR_BATCH_MARKER_SIZE;
    return shared;
}

int test_log_append(struct test_log *test, const struct test_append *append,
                    struct weir_append_result *result_out)
{
    struct weir_wall now = weir_wall_now(test->env);
    if (append->now_ms != 0) now.ms = append->now_ms;
    int64_t timestamp_ms = append->timestamp_ms != 0 ? append->timestamp_ms : now.ms;
    struct weir_shared *shared = append->is_marker ? build_marker(test, append, timestamp_ms)
                                                   : build(test, append, timestamp_ms);
    if (shared == NULL)
        return weir_error_set(&test->error, WEIR_NO_MEMORY, "no memory for a batch");
    int64_t base_offset = weir_partition_log_state(test->log).end_offset;
    int record_count = append->record_count > 0 ? append->record_count : 1;
    struct weir_append_result result;
    int rc = weir_partition_log_append(
        test->log,
        &(struct weir_append){.batches = shared, .now = now, .is_internal = append->is_internal},
        &result, &test->error);
    if (rc == 0) {
        if (!result.is_duplicate) remember(test, shared, &result);
        if (result_out != NULL) *result_out = result;
        weir_partition_log_check(test->log);
    } else if (rc == WEIR_IO || rc == WEIR_CRASHED) {
        /* Nobody was told that it is there, but it may be. */
        remember(test, shared,
                 &(struct weir_append_result){.base_offset = base_offset,
                                              .last_offset = base_offset + record_count - 1});
    }
    weir_shared_unref(shared);
    return rc;
}

void test_log_fill(struct test_log *test, int count)
{
    for (int i = 0; i < count; i++) {
        ck_ok(test_log_append(
                  test,
                  &(struct test_append){.record_count = 1 + i % 3, .value_size = 10 + i % 7 * 20},
                  NULL),
              &test->error);
    }
}

int test_log_sync(struct test_log *test)
{
    struct weir_log_sync sync = {0};
    int rc = weir_log_sync_begin(test->log, &sync);
    if (rc == 0) {
        weir_log_sync_run(&sync, false);
        rc = weir_log_sync_end(test->log, &sync);
    }
    if (rc == 0) {
        test->acked_offset = weir_partition_log_state(test->log).durable_offset;
    } else {
        test->error = sync.error;
    }
    return rc;
}

/* ---- reading --------------------------------------------------------------------------------- */

int test_log_read(struct test_log *test, struct weir_log_read *read)
{
    int rc = weir_log_read_begin(test->log, read);
    if (rc != WEIR_END) return rc;
    weir_log_read_run(read);
    return weir_log_read_end(read);
}

const struct test_batch *test_log_batch_at(const struct test_log *test, int64_t offset)
{
    for (size_t i = 0; i < test->batch_count; i++) {
        if (test->batches[i].end_offset > offset) return &test->batches[i];
    }
    return NULL;
}

/* A hole up to where the log can be read comes as an empty batch of the log's own making. */
static bool is_hole(const struct test_log *test, const uint8_t *bytes, size_t size, int64_t offset)
{
    struct weir_batch_header header;
    ck_ok(weir_batch_peek(weir_slice(bytes, size), 0, &header, NULL), NULL);
    if (header.record_count > 0 || header.base_offset != offset) return false;
    const struct test_batch *next = test_log_batch_at(test, offset);
    return next == NULL || next->base_offset > weir_batch_last_offset(&header);
}

static int64_t expect_part(const struct test_log *test, const struct weir_log_part *part,
                           int64_t expected)
{
    for (size_t at = 0; at < part->size;) {
        const struct test_batch *batch = test_log_batch_at(test, expected);
        if (is_hole(test, part->bytes->data + part->from + at, part->size - at, expected)) {
            return expected + 1 + (int32_t)weir_load_u32(part->bytes->data + part->from + at + 23);
        }
        ck_assert_msg(batch != NULL, "no batch begins at %lld", (long long)expected);
        ck_assert_uint_le(batch->size, part->size - at);
        ck_assert_mem_eq(part->bytes->data + part->from + at, batch->bytes, batch->size);
        at += batch->size;
        expected = batch->end_offset;
    }
    return expected;
}

int64_t test_log_expect_from(struct test_log *test, int64_t from, size_t size_max)
{
    int64_t offset = from;
    for (;;) {
        struct weir_log_read read = {
            .offset = offset,
            .offset_max = INT64_MAX,
            .size_max = size_max,
        };
        int rc = test_log_read(test, &read);
        if (rc < 0) {
            test->error = read.error;
            return offset;
        }
        for (size_t i = 0; i < read.batches.part_count; i++) {
            offset = expect_part(test, &read.batches.parts[i], offset);
        }
        size_t part_count = read.batches.part_count;
        weir_log_read_release(&read);
        if (part_count == 0) return offset;
    }
}

void test_log_expect_all(struct test_log *test)
{
    struct weir_partition_log_state state = weir_partition_log_state(test->log);
    int64_t end = test_log_expect_from(test, state.start_offset, 700);
    ck_assert_msg(end == state.end_offset, "read to %lld of %lld: %s", (long long)end,
                  (long long)state.end_offset, test->error.text);
}

/* ---- transactions ---------------------------------------------------------------------------- */

enum { TEST_TRANSACTIONS_MAX = 2048 };

/* Of one producer, from its first batch to its marker. */
struct transaction {
    int64_t producer_id;
    int64_t first_offset;
    int64_t first_left; /* of its batches that are in the log still; -1: none is */
    int64_t end;        /* the marker's offset; -1: it is open */
    bool is_commit;
};

static size_t list_transactions(const struct test_log *test,
                                const struct weir_partition_log_state *state,
                                struct transaction *list)
{
    size_t count = 0;
    for (size_t i = 0; i < test->batch_count; i++) {
        struct weir_batch_header header;
        struct weir_transaction_marker marker;
        const struct test_batch *batch = &test->batches[i];
        struct weir_slice bytes = weir_slice(batch->bytes, batch->size);
        if (batch->end_offset > state->end_offset) break;
        ck_ok(weir_batch_peek(bytes, 0, &header, NULL), NULL);
        if (!weir_batch_is_transactional(&header)) continue;
        size_t at = 0;
        while (at < count && (list[at].producer_id != header.producer_id || list[at].end >= 0))
            at++;
        bool is_marker = weir_batch_read_marker(bytes, &header, &marker, NULL) == 0;
        if (is_marker && at < count) {
            list[at].end = batch->base_offset;
            list[at].is_commit = marker.is_commit;
        } else if (!is_marker && at == count) {
            ck_assert_uint_lt(count, TEST_TRANSACTIONS_MAX);
            list[count++] =
                (struct transaction){header.producer_id, batch->base_offset, -1, -1, false};
        }
        bool is_left = !is_marker && batch->end_offset > state->start_offset;
        if (is_left && list[at].first_left < 0) list[at].first_left = batch->base_offset;
    }
    return count;
}

/* Where an index had to be made anew, and the snapshot that knew better is gone, the first offset is that of the first
 * batch that is left. */
static bool is_told(const struct weir_aborted_transaction *told, size_t count,
                    const struct transaction *transaction)
{
    for (size_t i = 0; i < count; i++) {
        if (told[i].producer_id == transaction->producer_id &&
            told[i].first_offset >= transaction->first_offset &&
            told[i].first_offset <= transaction->first_left) {
            return true;
        }
    }
    return false;
}

void test_log_expect_transactions(struct test_log *test)
{
    static struct transaction list[TEST_TRANSACTIONS_MAX];
    struct weir_partition_log_state state = weir_partition_log_state(test->log);
    struct weir_aborted_transaction *told;
    size_t told_count;
    size_t count = list_transactions(test, &state, list);
    int64_t stable_min = state.end_offset;
    int64_t stable_max = state.end_offset; /* by those of which something is left to be read */
    size_t aborted_count = 0;
    ck_ok(weir_partition_log_aborted(test->log, state.start_offset, state.end_offset, &told,
                                     &told_count),
          NULL);
    for (size_t i = 0; i < count; i++) {
        bool is_open = list[i].end < 0;
        if (is_open && list[i].first_offset < stable_min) stable_min = list[i].first_offset;
        bool is_left = is_open && list[i].first_left >= 0;
        if (is_left && list[i].first_left < stable_max) stable_max = list[i].first_left;
        if (is_open || list[i].is_commit || list[i].end < state.start_offset) continue;
        aborted_count++;
        if (list[i].first_left < 0) continue; /* nothing of it can be read */
        ck_assert_msg(is_told(told, told_count, &list[i]), "producer %lld from %lld is not told",
                      (long long)list[i].producer_id, (long long)list[i].first_offset);
    }
    ck_assert_uint_le(told_count, aborted_count);
    weir_free(told);
    if (stable_min < state.start_offset) stable_min = state.start_offset;
    if (stable_max < state.start_offset) stable_max = state.start_offset;
    ck_assert_int_ge(state.last_stable_offset, stable_min);
    ck_assert_int_le(state.last_stable_offset, stable_max);
}

/* ---- files ----------------------------------------------------------------------------------- */

const char *test_log_path(struct test_log *test, const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", test->options.path, name);
    return path;
}

int64_t test_log_file_size(struct test_log *test, const char *name)
{
    struct weir_file_stat stat;
    ck_ok(weir_stat(test->env, test_log_path(test, name), &stat, &test->error), &test->error);
    return stat.size;
}

bool test_log_exists(struct test_log *test, const char *name)
{
    struct weir_file_stat stat;
    return weir_stat(test->env, test_log_path(test, name), &stat, NULL) == 0;
}

void test_log_lose_marks(struct test_log *test)
{
    static const char *const names[] = {WEIR_DURABLE_MARK_NAME, WEIR_DURABLE_MARK_COPY_NAME};
    for (size_t i = 0; i < 2; i++) {
        if (!test_log_exists(test, names[i])) continue;
        ck_ok(weir_remove(test->env, test_log_path(test, names[i]), &test->error), &test->error);
    }
}

void test_log_write_file(struct test_log *test, const char *name, const void *bytes, size_t size)
{
    struct weir_file *file = NULL;
    struct weir_iovec part = {bytes, size};
    ck_ok(weir_file_open(test->env, test_log_path(test, name),
                         WEIR_OPEN_WRITE | WEIR_OPEN_CREATE | WEIR_OPEN_TRUNCATE, &file,
                         &test->error),
          &test->error);
    ck_ok(weir_file_write(file, &part, 1, 0, &test->error), &test->error);
    ck_ok(weir_file_sync(file, &test->error), &test->error);
    weir_file_close(file);
}

enum { NAMES_MAX = 256 };

struct names {
    char names[NAMES_MAX][64];
    int count;
};

static int note_name(void *context, const char *name, enum weir_file_kind kind)
{
    struct names *names = context;
    (void)kind;
    ck_assert_int_lt(names->count, NAMES_MAX);
    (void)snprintf(names->names[names->count++], sizeof names->names[0], "%s", name);
    return 0;
}

void test_log_each_file(struct test_log *test,
                        void (*each)(struct test_log *test, const char *name))
{
    struct names *names = calloc(1, sizeof *names);
    ck_assert_ptr_nonnull(names);
    ck_ok(weir_list(test->env, test->options.path, note_name, names, &test->error), &test->error);
    for (int i = 0; i < names->count; i++) {
        each(test, names->names[i]);
    }
    free(names);
}

static void print_finding(void *context, const struct weir_verify_finding *finding)
{
    (void)context;
    if (finding->kind == WEIR_VERIFY_HINT) return;
    printf("verify: %s: offset %lld: %s\n", finding->file, (long long)finding->offset,
           finding->text);
}

void test_log_expect_verified(struct test_log *test)
{
    struct weir_verify_summary summary;
    ck_ok(weir_partition_log_verify(test->env, test->options.path, print_finding, NULL, &summary,
                                    &test->error),
          &test->error);
    ck_assert_int_eq(summary.damage_count, 0);
    ck_assert_int_eq(summary.tail_count, 0);
}
