#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/start_internal.h"
#include "wire/record_batch_reader.h"

/* The application's topic as a start reads and writes it: one partition, a handful of records. */

enum { READ_SIZE = 1 << 20 };

void weir_records_reader_check(const struct weir_records_reader *reader)
{
    weir_assert(!reader->has_begun || (reader->topic != NULL && reader->into != NULL));
    weir_assert(!reader->has_ends || reader->has_begun);
    weir_assert(!reader->exists || reader->has_ends);
    weir_assert(!reader->is_fetching || reader->exists);
}

/* ---- reading --------------------------------------------------------------------------------- */

static int take_fetched(struct weir_records_reader *reader, struct weir_error *error)
{
    struct weir_fetch_request *fetch = &reader->fetch;
    int rc = fetch->request.rc;
    if (rc < 0) {
        weir_error_copy(error, &fetch->request.error);
        return rc;
    }
    int64_t before = reader->position;
    for (size_t i = 0; rc >= 0 && i < fetch->batches.part_count; i++) {
        rc = weir_application_apply_batches(
            reader->into, weir_log_part_bytes(&fetch->batches.parts[i]), &reader->position, error);
    }
    weir_log_batches_release(&fetch->batches);
    if (rc < 0 || reader->position > before) return rc;
    /* Without what it does not see here a start would take its own topics for somebody else's. */
    return weir_error_set(error, WEIR_CORRUPT,
                          "nothing can be read at offset %" PRId64 ", and the log ends at %" PRId64,
                          before, reader->log_end);
}

static int take_ends(struct weir_records_reader *reader, struct weir_error *error)
{
    const struct weir_describe_partition_request *describe = &reader->describe;
    int rc = describe->request.rc;
    reader->has_ends = true;
    if (rc == WEIR_UNKNOWN_TOPIC_OR_PARTITION) return 0;
    if (rc >= 0 && describe->is_offline) {
        return weir_start_refuse_offline(reader->topic, 0, describe->offline_from, error);
    } else if (rc < 0) {
        weir_error_copy(error, &describe->request.error);
    }
    if (rc < 0) return rc;
    reader->exists = true;
    reader->position = describe->log_start_offset;
    reader->log_end = describe->log_end_offset;
    return 0;
}

static void ask_more(struct weir_records_reader *reader)
{
    weir_assert(!reader->is_fetching && reader->position < reader->log_end);
    reader->is_fetching = true;
    reader->fetch = (struct weir_fetch_request){
        .request = weir_start_asked(reader->start),
        .from = {weir_text(reader->topic), 0},
        .offset = reader->position,
        .size_max = READ_SIZE,
        .deadline = WEIR_MONO_NEVER,
        .read_uncommitted_end = true,
    };
    weir_log_fetch(reader->start->streams->log, &reader->fetch);
}

int weir_records_read(struct weir_records_reader *reader, struct weir_error *error)
{
    weir_assert(reader->start->outstanding == 0); /* what was asked is answered */
    weir_records_reader_check(reader);
    if (!reader->has_begun) {
        reader->has_begun = true;
        reader->describe = (struct weir_describe_partition_request){
            .request = weir_start_asked(reader->start), .of = {weir_text(reader->topic), 0}};
        weir_log_describe_partition(reader->start->streams->log, &reader->describe);
        return 1;
    }
    int rc = 0;
    if (!reader->has_ends) {
        rc = take_ends(reader, error);
    } else if (reader->is_fetching) {
        reader->is_fetching = false;
        rc = take_fetched(reader, error);
    }
    if (rc < 0) return weir_error_wrap(error, rc, "topic '%s'", reader->topic);
    if (!reader->exists || reader->position >= reader->log_end) return 0;
    ask_more(reader);
    return 1;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int build(struct weir_start *start, const struct weir_records_source *source,
                 struct weir_batch_builder *builder)
{
    struct weir_budget *budget = &start->streams->budget;
    struct weir_buffer key;
    struct weir_buffer value;
    weir_buffer_init(&key, budget, 0);
    weir_buffer_init(&value, budget, 0);
    int rc = 0;
    for (size_t i = 0; rc >= 0 && i < source->count; i++) {
        weir_buffer_reset(&key);
        weir_buffer_reset(&value);
        if (!source->add(start, i, &key, &value)) continue;
        const struct weir_slice none = {0}; /* the fact is forgotten */
        const struct weir_record record = {.key = weir_buffer_slice(&key),
                                           .value =
                                               value.size > 0 ? weir_buffer_slice(&value) : none,
                                           .timestamp_ms = weir_wall_now(start->streams->env).ms};
        rc = key.failed || value.failed ? WEIR_NO_MEMORY : weir_batch_builder_add(builder, &record);
    }
    weir_buffer_close(&key);
    weir_buffer_close(&value);
    /* What a record was made from lies there: one that lacks something may not be sent. */
    if (rc >= 0 && weir_arena_failed(&start->arena)) rc = WEIR_NO_MEMORY;
    return rc;
}

static int send(struct weir_start *start, struct weir_batch_builder *builder)
{
    struct weir_slice batch;
    weir_assert(!start->is_writing && builder->record_count > 0);
    int rc = weir_batch_builder_finish(builder, &WEIR_BATCH_FINISH_NONE, &batch);
    if (rc < 0) return rc;
    struct weir_shared *bytes = weir_shared_new(&start->streams->log->budget, batch.size);
    if (bytes == NULL) return WEIR_NO_MEMORY;
    memcpy(bytes->data, batch.data, batch.size);
    bytes->size = batch.size;
    start->is_writing = true;
    start->written = (struct weir_produce_request){
        .request = weir_start_asked(start),
        .to = {weir_text(start->application_topic), 0},
        .batches = bytes,
        .acks = WEIR_ACKS_ALL,
        .is_internal = true,
    };
    weir_log_produce(start->streams->log, &start->written);
    return 0;
}

int weir_records_write(struct weir_start *start, const struct weir_records_source *source,
                       struct weir_error *error)
{
    weir_assert(!start->is_writing); /* one batch at a time: what was written is taken first */
    struct weir_batch_builder builder;
    weir_batch_builder_init(&builder, &start->streams->budget, WEIR_CODEC_NONE, 0);
    int rc = build(start, source, &builder);
    if (rc >= 0 && builder.record_count > 0) rc = send(start, &builder);
    weir_batch_builder_close(&builder);
    if (rc >= 0) return 0;
    return weir_error_set(error, (enum weir_code)rc, "write to topic '%s': %s",
                          start->application_topic, weir_code_text(rc));
}

int weir_records_written(struct weir_start *start, struct weir_error *error)
{
    if (!start->is_writing) return 0;
    struct weir_produce_request *written = &start->written;
    weir_assert(start->outstanding == 0);
    start->is_writing = false;
    weir_shared_unref(written->batches);
    written->batches = NULL;
    if (written->request.rc < 0) {
        weir_error_copy(error, &written->request.error);
        return weir_error_wrap(error, written->request.rc, "write to topic '%s'",
                               start->application_topic);
    }
    start->records_end = written->last_offset + 1;
    return 0;
}
