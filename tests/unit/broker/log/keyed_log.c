#include "tests/unit/broker/log/keyed_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "broker/log/log_internal.h"
#include "wire/record_batch_reader.h"

enum { FIRST_PRODUCER_ID = 100, TEXT_MAX = 16, PRODUCERS = 3 };

void keyed_start(struct keyed_log *log, uint64_t seed)
{
    memset(log, 0, sizeof *log);
    test_log_start(&log->test, seed);
    log->test.options.config.cleanup_compact = true;
    log->test.options.config.cleanup_delete = false;
    log->test.options.config.segment_bytes = 1500;
    log->test.options.config.retention_ms = -1;
}

void keyed_stop(struct keyed_log *log)
{
    test_log_stop(&log->test);
}

/* ---- appending ------------------------------------------------------------------------------- */

static void note(struct keyed_log *log, const struct keyed_record *record)
{
    ck_assert_uint_lt(log->count, KEYED_MAX);
    log->records[log->count++] = *record;
}

/* Its bytes go in; with an error that leaves nobody knowing the model has it all the same. */
static int append_built(struct keyed_log *log, struct weir_batch_builder *builder,
                        const struct weir_batch_finish *finish, struct keyed_record *records,
                        int count)
{
    struct test_log *test = &log->test;
    struct weir_slice batch;
    struct weir_append_result result;
    if (weir_batch_builder_finish(builder, finish, &batch) < 0) return WEIR_NO_MEMORY;
    struct weir_shared *shared = weir_shared_new(test->env->budget, batch.size);
    if (shared == NULL) return WEIR_NO_MEMORY;
    memcpy(shared->data, batch.data, batch.size);
    shared->size = batch.size;
    int64_t base_offset = weir_partition_log_offsets(test->log).end_offset;
    int rc = weir_partition_log_append(
        test->log, &(struct weir_append){.batches = shared, .now = weir_wall_now(test->env)},
        &result, &test->error);
    bool may_be_there = rc == 0 || rc == WEIR_IO || rc == WEIR_CRASHED;
    for (int i = 0; may_be_there && i < count; i++) {
        records[i].offset = base_offset + i;
        note(log, &records[i]);
    }
    weir_shared_unref(shared);
    return rc;
}

static struct weir_batch_finish finish_of(struct keyed_log *log, int producer,
                                          bool is_transactional, int count)
{
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    if (producer == 0) return finish;
    finish.producer_id = FIRST_PRODUCER_ID - 1 + producer;
    finish.producer_epoch = 0;
    finish.base_sequence = log->sequences[producer];
    finish.is_transactional = is_transactional;
    log->sequences[producer] += count;
    return finish;
}

int keyed_append(struct keyed_log *log, const struct keyed_batch *batch)
{
    struct weir_batch_builder builder;
    struct keyed_record records[32];
    int64_t now_ms =
        batch->timestamp_ms != 0 ? batch->timestamp_ms : weir_wall_now(log->test.env).ms;
    ck_assert_int_le(batch->count, 32);
    weir_batch_builder_init(&builder, log->test.env->budget, batch->codec,
                            WEIR_CODEC_LEVEL_DEFAULT);
    for (int i = 0; i < batch->count; i++) {
        char key[TEXT_MAX];
        char value[TEXT_MAX];
        bool is_tombstone = (batch->tombstones >> i & 1) != 0;
        records[i] = (struct keyed_record){
            .timestamp_ms = now_ms + i % 3,
            .producer_id = batch->producer > 0 ? FIRST_PRODUCER_ID - 1 + batch->producer : -1,
            .is_transactional = batch->is_transactional,
            .key = batch->keys[i],
            .value = is_tombstone ? KEYED_TOMBSTONE : log->next_value++,
        };
        (void)snprintf(key, sizeof key, "key-%d", records[i].key);
        (void)snprintf(value, sizeof value, "%d", records[i].value);
        struct weir_record record = {
            .key = weir_text(key),
            .value = is_tombstone ? weir_null() : weir_text(value),
            .timestamp_ms = records[i].timestamp_ms,
        };
        ck_ok(weir_batch_builder_add(&builder, &record), NULL);
    }
    struct weir_batch_finish finish =
        finish_of(log, batch->producer, batch->is_transactional, batch->count);
    int rc = append_built(log, &builder, &finish, records, batch->count);
    weir_batch_builder_close(&builder);
    return rc;
}

int keyed_mark(struct keyed_log *log, int producer, bool is_commit)
{
    struct weir_batch_builder builder;
    const uint8_t key[] = {0, 0, 0, is_commit ? WEIR_CONTROL_COMMIT : WEIR_CONTROL_ABORT};
    static const uint8_t value[] = {0, 0, 0, 0, 0, 0};
    struct keyed_record marker = {
        .timestamp_ms = weir_wall_now(log->test.env).ms,
        .producer_id = FIRST_PRODUCER_ID - 1 + producer,
        .is_transactional = true,
        .is_commit = is_commit,
        .key = -1,
        .value = KEYED_MARKER,
    };
    weir_batch_builder_init(&builder, log->test.env->budget, WEIR_CODEC_NONE, 0);
    ck_ok(weir_batch_builder_add(&builder,
                                 &(struct weir_record){.key = weir_slice(key, sizeof key),
                                                       .value = weir_slice(value, sizeof value),
                                                       .timestamp_ms = marker.timestamp_ms}),
          NULL);
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    finish.producer_id = marker.producer_id;
    finish.producer_epoch = 0;
    finish.is_transactional = true;
    finish.is_control = true;
    int rc = append_built(log, &builder, &finish, &marker, 1);
    weir_batch_builder_close(&builder);
    return rc;
}

static int append_random(struct keyed_log *log, struct weir_test_random *random)
{
    int keys[8];
    struct keyed_batch batch = {
        .count = 1 + (int)weir_test_random_below(random, 8),
        .keys = keys,
        .producer = (int)weir_test_random_below(random, 2 * PRODUCERS + 1),
        .codec = weir_test_random_below(random, 3) == 0
                     ? (enum weir_codec)weir_test_random_below(random, WEIR_CODEC_COUNT)
                     : WEIR_CODEC_NONE,
    };
    batch.is_transactional = batch.producer > PRODUCERS;
    if (batch.is_transactional && weir_test_random_below(random, 3) == 0) {
        return keyed_mark(log, batch.producer, weir_test_random_below(random, 2) == 0);
    }
    for (int i = 0; i < batch.count; i++) {
        uint64_t wide = weir_test_random_below(random, KEYED_KEYS);
        keys[i] = (int)(weir_test_random_below(random, 2) == 0 ? wide % 5 : wide);
        if (weir_test_random_below(random, 6) == 0) batch.tombstones |= 1u << i;
    }
    return keyed_append(log, &batch);
}

int keyed_fill(struct keyed_log *log, struct weir_test_random *random, int count)
{
    for (int i = 0; i < count; i++) {
        int rc = append_random(log, random);
        if (rc < 0) return rc;
    }
    return 0;
}

int keyed_roll(struct keyed_log *log)
{
    if (weir_log_active(log->test.log)->facts.size == 0) return 0;
    return weir_log_roll(log->test.log, &log->test.error);
}

/* ---- compaction ------------------------------------------------------------------------------ */

int keyed_clean(struct keyed_log *log, const struct keyed_pass *pass,
                struct weir_cleaning_counts *counts_out)
{
    struct test_log *test = &log->test;
    struct weir_wall now = weir_wall_now(test->env);
    if (pass->now_ms != 0) now.ms = pass->now_ms;
    struct weir_cleaning_options options = {
        .bound_offset = pass->bound_offset != 0 ? pass->bound_offset : INT64_MAX,
        .keeps_tombstones = pass->keeps_tombstones,
        .is_forced = !pass->is_lazy,
        .table_bytes_max = pass->table_bytes != 0 ? pass->table_bytes : 64 * 1024,
        .now = now,
    };
    struct weir_log_cleaning *cleaning = calloc(1, sizeof *cleaning);
    ck_assert_ptr_nonnull(cleaning);
    int64_t slice = pass->slice != 0 ? pass->slice : 1024 * 1024;
    int rc = weir_log_cleaning_begin(test->log, &options, cleaning, &test->error);
    while (rc == WEIR_END) {
        while (weir_log_cleaning_run(cleaning, slice) == WEIR_END) {
        }
        rc = weir_log_cleaning_end(cleaning, &test->error);
    }
    if (counts_out != NULL) *counts_out = cleaning->counts;
    if (!weir_sim_has_crashed(test->sim, 0)) weir_log_cleaning_close(cleaning);
    free(cleaning);
    return rc;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int number_in(struct weir_slice text, size_t from)
{
    int number = 0;
    ck_assert_uint_gt(text.size, from);
    for (size_t i = from; i < text.size; i++) {
        ck_assert(text.data[i] >= '0' && text.data[i] <= '9');
        number = number * 10 + (text.data[i] - '0');
    }
    return number;
}

static const struct keyed_record *find(const struct keyed_log *log, int64_t offset)
{
    size_t low = 0;
    size_t high = log->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (log->records[middle].offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool is_there = low < log->count && log->records[low].offset == offset;
    return is_there ? &log->records[low] : NULL;
}

/* A record of the log is one of the model, down to its time. */
static struct keyed_record take(const struct keyed_log *log, const struct weir_batch_header *header,
                                const struct weir_record *record)
{
    const struct keyed_record *known = find(log, record->offset);
    ck_assert_msg(known != NULL, "a record at %lld that nobody appended",
                  (long long)record->offset);
    ck_assert_int_eq(record->timestamp_ms, known->timestamp_ms);
    ck_assert_int_le(record->timestamp_ms, header->max_timestamp_ms);
    ck_assert_int_eq(header->producer_id, known->producer_id);
    ck_assert(weir_batch_is_transactional(header) == known->is_transactional);
    ck_assert(weir_batch_is_control(header) == (known->value == KEYED_MARKER));
    if (known->value == KEYED_MARKER) {
        int type = weir_control_type(record->key);
        ck_assert_int_eq(type, known->is_commit ? WEIR_CONTROL_COMMIT : WEIR_CONTROL_ABORT);
        return *known;
    }
    ck_assert_int_eq(number_in(record->key, 4), known->key);
    if (known->value == KEYED_TOMBSTONE) {
        ck_assert(weir_slice_is_null(record->value));
    } else {
        ck_assert_int_eq(number_in(record->value, 0), known->value);
    }
    return *known;
}

/* The records of one fetched part at or above `from`; where it ends. */
static int64_t take_part(struct keyed_log *log, struct weir_slice bytes, int64_t from,
                         struct keyed_record *records, size_t *count)
{
    struct weir_buffer plain;
    struct weir_record record;
    struct weir_batch_reader reader = {.rest = bytes, .plain = &plain, .is_whole = true};
    struct weir_error *error = &log->test.error;
    int64_t end = from;
    weir_buffer_init(&plain, log->test.env->budget, 0);
    while (weir_batch_reader_next(&reader, error) == 0) {
        ck_assert_int_gt(weir_batch_last_offset(&reader.header) + 1, end);
        ck_ok(weir_batch_reader_open(&reader, error), error);
        int rc;
        while ((rc = weir_batch_reader_record(&reader, &record, error)) == 0) {
            if (record.offset >= from) {
                records[(*count)++] = take(log, &reader.header, &record);
            }
        }
        ck_assert_int_eq(rc, WEIR_END);
        end = weir_batch_last_offset(&reader.header) + 1;
    }
    weir_buffer_close(&plain);
    return end;
}

size_t keyed_read(struct keyed_log *log, int64_t from, size_t size_max,
                  struct keyed_record *records)
{
    struct test_log *test = &log->test;
    size_t count = 0;
    int64_t offset = from;
    int64_t end = weir_partition_log_offsets(test->log).end_offset;
    while (offset < end) {
        struct weir_log_read read = {
            .offset = offset, .offset_max = INT64_MAX, .size_max = size_max};
        ck_ok(test_log_read(test, &read), &read.error);
        ck_assert_uint_gt(read.batches.part_count, 0);
        for (size_t i = 0; i < read.batches.part_count; i++) {
            offset = take_part(log, weir_log_part_bytes(&read.batches.parts[i]), offset, records,
                               &count);
        }
        weir_log_read_release(&read);
    }
    ck_assert_int_eq(offset, end);
    return count;
}

/* ---- the fold -------------------------------------------------------------------------------- */

struct keyed_fold keyed_fold_of(const struct keyed_record *records, size_t count,
                                int64_t end_offset)
{
    struct keyed_fold fold;
    for (int i = 0; i < KEYED_KEYS; i++) {
        fold.values[i] = KEYED_NONE;
    }
    for (size_t i = 0; i < count && records[i].offset < end_offset; i++) {
        const struct keyed_record *record = &records[i];
        if (record->value == KEYED_MARKER) continue;
        bool is_committed = !record->is_transactional;
        for (size_t j = i + 1; record->is_transactional && j < count; j++) {
            if (records[j].offset >= end_offset) break;
            bool is_its_marker =
                records[j].value == KEYED_MARKER && records[j].producer_id == record->producer_id;
            if (!is_its_marker) continue;
            is_committed = records[j].is_commit;
            break;
        }
        if (is_committed) fold.values[record->key] = record->value;
    }
    return fold;
}

/* Of what is open nobody knows yet what will become of it. */
static bool is_open(const struct keyed_log *log, size_t at, int64_t end_offset)
{
    const struct keyed_record *record = &log->records[at];
    if (!record->is_transactional || record->value == KEYED_MARKER) return false;
    for (size_t j = at + 1; j < log->count && log->records[j].offset < end_offset; j++) {
        if (log->records[j].value == KEYED_MARKER &&
            log->records[j].producer_id == record->producer_id) {
            return false;
        }
    }
    return true;
}

/* Is the producer's transaction one that the log says was aborted? As a consumer does it: from the first offset that it
 * was told of to the marker. */
static bool is_told_aborted(const struct weir_aborted_transaction *aborted, size_t aborted_count,
                            const struct keyed_record *records, size_t at)
{
    bool is_aborted = false;
    size_t next = 0;
    for (size_t i = 0; i <= at; i++) {
        for (; next < aborted_count && aborted[next].first_offset <= records[i].offset; next++) {
            is_aborted |= aborted[next].producer_id == records[at].producer_id;
        }
        bool ends = records[i].value == KEYED_MARKER &&
                    records[i].producer_id == records[at].producer_id && !records[i].is_commit;
        if (ends) is_aborted = false;
    }
    return is_aborted;
}

static int compare_aborted(const void *a, const void *b)
{
    const struct weir_aborted_transaction *one = a;
    const struct weir_aborted_transaction *other = b;
    return (one->first_offset > other->first_offset) - (one->first_offset < other->first_offset);
}

/* What reads committed, by the log's own word of what was aborted, up to the last stable offset: the model's records
 * whose transactions were committed, or the later ones of their keys. */
static void expect_committed(struct keyed_log *log, const struct keyed_record *records,
                             size_t count)
{
    struct weir_log_offsets offsets = weir_partition_log_offsets(log->test.log);
    struct weir_aborted_transaction *aborted = NULL;
    size_t aborted_count = 0;
    struct keyed_fold have;
    struct keyed_fold want;
    int64_t stable = offsets.last_stable_offset;
    ck_ok(weir_partition_log_aborted(log->test.log, offsets.start_offset, stable, &aborted,
                                     &aborted_count),
          NULL);
    if (aborted_count > 1) qsort(aborted, aborted_count, sizeof *aborted, compare_aborted);
    for (int i = 0; i < KEYED_KEYS; i++) {
        have.values[i] = want.values[i] = KEYED_NONE;
    }
    for (size_t i = 0; i < count && records[i].offset < stable; i++) {
        const struct keyed_record *record = &records[i];
        bool is_shown =
            record->value != KEYED_MARKER &&
            (!record->is_transactional || !is_told_aborted(aborted, aborted_count, records, i));
        if (is_shown) have.values[record->key] = record->value;
    }
    for (size_t i = 0; i < log->count && log->records[i].offset < stable; i++) {
        const struct keyed_record *record = &log->records[i];
        bool is_committed = record->value != KEYED_MARKER && !record->is_transactional;
        for (size_t j = i + 1; record->is_transactional && j < log->count; j++) {
            if (log->records[j].offset >= offsets.end_offset) break;
            bool is_its_marker = log->records[j].value == KEYED_MARKER &&
                                 log->records[j].producer_id == record->producer_id;
            if (!is_its_marker) continue;
            is_committed = record->value != KEYED_MARKER && log->records[j].is_commit;
            break;
        }
        if (is_committed) want.values[record->key] = record->value;
    }
    for (int i = 0; i < KEYED_KEYS; i++) {
        bool is_same = have.values[i] == want.values[i] ||
                       (want.values[i] == KEYED_TOMBSTONE && have.values[i] == KEYED_NONE);
        ck_assert_msg(is_same, "who reads committed has key %d as %d, not %d", i, have.values[i],
                      want.values[i]);
    }
    weir_free(aborted);
}

void keyed_expect_same(struct keyed_log *log)
{
    static struct keyed_record records[KEYED_MAX];
    struct weir_log_offsets offsets = weir_partition_log_offsets(log->test.log);
    size_t count = keyed_read(log, offsets.start_offset, 700, records);
    struct keyed_fold want = keyed_fold_of(log->records, log->count, offsets.end_offset);
    struct keyed_fold have = keyed_fold_of(records, count, offsets.end_offset);
    for (int i = 0; i < KEYED_KEYS; i++) {
        bool is_same = have.values[i] == want.values[i] ||
                       (want.values[i] == KEYED_TOMBSTONE && have.values[i] == KEYED_NONE);
        ck_assert_msg(is_same, "key %d is %d, not %d", i, have.values[i], want.values[i]);
    }
    if (offsets.start_offset == 0) expect_committed(log, records, count);
    size_t at = 0;
    for (size_t i = 0; i < log->count; i++) {
        if (log->records[i].offset < offsets.start_offset) continue;
        if (log->records[i].offset >= offsets.end_offset) break;
        while (at < count && records[at].offset < log->records[i].offset) {
            at++;
        }
        bool is_there = at < count && records[at].offset == log->records[i].offset;
        ck_assert_msg(is_there || !is_open(log, i, offsets.end_offset),
                      "offset %lld of an open transaction has gone",
                      (long long)log->records[i].offset);
    }
}

bool keyed_has(struct keyed_log *log, int64_t offset)
{
    static struct keyed_record records[KEYED_MAX];
    size_t count =
        keyed_read(log, weir_partition_log_offsets(log->test.log).start_offset, 4096, records);
    for (size_t i = 0; i < count; i++) {
        if (records[i].offset == offset) return true;
    }
    return false;
}
