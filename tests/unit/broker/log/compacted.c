#include "tests/unit/broker/log/compacted.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "broker/log/log_internal.h"
#include "broker/log/small_file.h"

enum { LENGTH_AT = 8, CRC_AT = 17, COUNT_AT = 57 };

/* ---- one batch ------------------------------------------------------------------------------- */

/* The bytes of one record with the size in front of it. */
static size_t record_size(const uint8_t *bytes, size_t size)
{
    struct weir_reader reader = weir_reader(weir_slice(bytes, size));
    int32_t body = weir_reader_varint32(&reader);
    ck_assert(!reader.failed);
    return (size_t)(reader.at - bytes) + (size_t)body;
}

/* Records keep their bytes, and with these how far they are behind the batch's first offset. */
static size_t thin_out(uint8_t *bytes, size_t size, int32_t *count_out)
{
    size_t to = WEIR_BATCH_HEADER_SIZE;
    int32_t index = 0;
    *count_out = 0;
    for (size_t at = WEIR_BATCH_HEADER_SIZE; at < size; index++) {
        size_t record = record_size(bytes + at, size - at);
        if (index % 2 == 1) {
            memmove(bytes + to, bytes + at, record);
            to += record;
            ++*count_out;
        }
        at += record;
    }
    return to;
}

size_t test_clean_batch(uint8_t *bytes, size_t size, enum test_keep keep)
{
    int32_t count = 0;
    size_t left = WEIR_BATCH_HEADER_SIZE;
    if (keep == TEST_KEEP) return size;
    if (keep == TEST_DROP) return 0;
    if (keep == TEST_THIN) left = thin_out(bytes, size, &count);
    weir_store_u32(bytes + LENGTH_AT, (uint32_t)(left - WEIR_BATCH_OVERHEAD));
    weir_store_u32(bytes + COUNT_AT, (uint32_t)count);
    weir_store_u32(bytes + CRC_AT,
                   weir_crc32c(0, bytes + WEIR_BATCH_CRC_FROM, left - WEIR_BATCH_CRC_FROM));
    return left;
}

/* ---- a folder -------------------------------------------------------------------------------- */

struct compaction {
    struct weir_env *env;
    const char *path;
    test_keep_fn keep;
    void *context;
};

static void replace(const struct compaction *compaction, const char *name,
                    const struct weir_buffer *bytes)
{
    struct weir_error error = {0};
    ck_assert(!bytes->failed);
    ck_ok(
        weir_small_file_replace(&(struct weir_small_file_replace){.env = compaction->env,
                                                                  .directory = compaction->path,
                                                                  .name = name,
                                                                  .bytes = weir_buffer_slice(bytes),
                                                                  .is_durable = true},
                                &error),
        &error);
}

static void clean_segment(const struct compaction *compaction, struct weir_segment_facts *facts)
{
    struct weir_buffer before;
    struct weir_buffer after;
    struct weir_error error = {0};
    struct weir_segment_facts old = *facts;
    struct weir_log_path path = weir_log_offset_path(compaction->path, old.base_offset, ".log");
    weir_buffer_init(&before, compaction->env->budget, 0);
    weir_buffer_init(&after, compaction->env->budget, 0);
    ck_ok(weir_small_file_read(compaction->env, path.text, INT32_MAX, &before, &error), &error);
    ck_assert_int_ge((int64_t)before.size, old.size);
    *facts = weir_segment_facts_at(old.base_offset);
    facts->has_holes = true;
    for (size_t at = 0; at < (size_t)old.size;) {
        struct weir_batch_header header;
        struct weir_slice rest = weir_slice(before.data + at, (size_t)old.size - at);
        ck_ok(weir_batch_peek(rest, 0, &header, &error), &error);
        size_t size = weir_batch_size(&header);
        size_t left = test_clean_batch(before.data + at, size,
                                       compaction->keep(compaction->context, &header));
        if (left > 0) {
            weir_buffer_append(&after, before.data + at, left);
            ck_ok(weir_batch_peek(weir_slice(before.data + at, left), 0, &header, &error), &error);
            weir_log_note_batch(facts, &header);
        }
        at += size;
    }
    facts->last_append_ms = old.last_append_ms;
    const char *name = strrchr(path.text, '/') + 1;
    replace(compaction, name, &after);
    struct weir_index_files files = {compaction->env, compaction->path, old.base_offset};
    ck_ok(weir_index_files_remove(&files, &error), &error);
    weir_buffer_close(&before);
    weir_buffer_close(&after);
}

static const struct weir_segment_facts *facts_at(const void *context, size_t index)
{
    return (const struct weir_segment_facts *)context + index;
}

void test_compact_folder(struct weir_env *env, const char *path, test_keep_fn keep, void *context)
{
    const struct compaction compaction = {env, path, keep, context};
    struct weir_error error = {0};
    struct weir_arena arena;
    struct weir_durable_mark mark;
    struct weir_buffer bytes;
    weir_arena_init(&arena, env->budget, 0);
    weir_buffer_init(&bytes, env->budget, 0);
    ck_ok(weir_durable_mark_read(env, env->budget, path, &arena, &mark, NULL, &error), &error);
    struct weir_segment_facts *facts = weir_arena_array(&arena, mark.segment_count, sizeof *facts);
    ck_assert_ptr_nonnull(facts);
    memcpy(facts, mark.segments, mark.segment_count * sizeof *facts);
    for (size_t i = 0; i + 1 < mark.segment_count; i++) {
        clean_segment(&compaction, &facts[i]);
    }
    weir_durable_mark_encode(&(struct weir_durable_mark_view){.is_clean = mark.is_clean,
                                                              .topic_id = mark.topic_id,
                                                              .partition = mark.partition,
                                                              .start_offset = mark.start_offset,
                                                              .end_offset = mark.end_offset,
                                                              .leader_epoch = mark.leader_epoch,
                                                              .epochs = &mark.epochs,
                                                              .producers = &mark.producers,
                                                              .lost = &mark.lost,
                                                              .sequence = mark.sequence + 1,
                                                              .now = weir_mono_now(env),
                                                              .segment_count = mark.segment_count,
                                                              .segment = facts_at,
                                                              .context = facts},
                             &bytes);
    replace(&compaction, WEIR_DURABLE_MARK_NAME, &bytes);
    weir_buffer_close(&bytes);
    weir_durable_mark_close(&mark);
    weir_arena_close(&arena);
}

/* ---- the model ------------------------------------------------------------------------------- */

void test_log_compact(struct test_log *test, test_keep_fn keep, void *context)
{
    int64_t sealed_end = weir_log_active(test->log)->facts.base_offset;
    ck_ok(test_log_close(test), &test->error);
    test_compact_folder(test->env, test->options.path, keep, context);
    size_t count = 0;
    for (size_t i = 0; i < test->batch_count; i++) {
        struct test_batch batch = test->batches[i];
        struct weir_batch_header header;
        ck_ok(weir_batch_peek(weir_slice(batch.bytes, batch.size), 0, &header, &test->error),
              &test->error);
        bool is_sealed = batch.base_offset < sealed_end;
        if (is_sealed)
            batch.size = test_clean_batch(batch.bytes, batch.size, keep(context, &header));
        if (batch.size > 0) {
            test->batches[count++] = batch;
        } else {
            free(batch.bytes);
        }
    }
    test->batch_count = count;
}
