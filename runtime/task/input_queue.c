#include "runtime/task/input_queue.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "wire/record_batch_reader.h"

enum { HEADERS_BLOCK_SIZE = 4096 };

struct weir_input_chunk {
    struct weir_input_chunk *next;
    struct weir_shared *bytes; /* a reference; NULL in the pool */
    struct weir_slice batch;
    struct weir_read_batch header;
    int64_t next_offset;          /* behind the batch */
    size_t header_count;          /* records, as the batch's header says */
    struct weir_input_rows *rows; /* NULL: not decoded */
    size_t record_count;          /* decoded; 0: not yet */
    size_t at;                    /* next record to hand out */
};

/* What a batch is decoded into. */
struct weir_input_rows {
    struct weir_input_rows *next;
    struct weir_buffer plain;  /* when it came compressed */
    struct weir_arena headers; /* of the records */
    struct weir_record *records;
    size_t capacity;
};

/* ---- the pool -------------------------------------------------------------------------------- */

void weir_input_pool_init(struct weir_input_pool *pool, struct weir_budget *budget)
{
    *pool = (struct weir_input_pool){.budget = budget};
}

static void rows_free(struct weir_input_rows *rows)
{
    weir_buffer_close(&rows->plain);
    weir_arena_close(&rows->headers);
    weir_free(rows->records);
    weir_free(rows);
}

void weir_input_pool_close(struct weir_input_pool *pool)
{
    while (pool->chunks != NULL) {
        struct weir_input_chunk *chunk = pool->chunks;
        pool->chunks = chunk->next;
        weir_free(chunk);
    }
    while (pool->rows != NULL) {
        struct weir_input_rows *rows = pool->rows;
        pool->rows = rows->next;
        rows_free(rows);
    }
}

static struct weir_input_rows *rows_from(struct weir_input_pool *pool)
{
    struct weir_input_rows *rows = pool->rows;
    if (rows != NULL) {
        pool->rows = rows->next;
        return rows;
    }
    rows = weir_alloc_zero(pool->budget, sizeof *rows);
    if (rows == NULL) return NULL;
    weir_buffer_init(&rows->plain, pool->budget, 0);
    weir_arena_init(&rows->headers, pool->budget, HEADERS_BLOCK_SIZE);
    return rows;
}

static void rows_to(struct weir_input_pool *pool, struct weir_input_rows *rows)
{
    if (rows == NULL) return;
    weir_arena_reset(&rows->headers);
    rows->next = pool->rows;
    pool->rows = rows;
}

static struct weir_input_chunk *chunk_from(struct weir_input_pool *pool)
{
    struct weir_input_chunk *chunk = pool->chunks;
    if (chunk == NULL) return weir_alloc_zero(pool->budget, sizeof *chunk);
    pool->chunks = chunk->next;
    return chunk;
}

static void chunk_to(struct weir_input_pool *pool, struct weir_input_chunk *chunk)
{
    rows_to(pool, chunk->rows);
    weir_shared_unref(chunk->bytes);
    *chunk = (struct weir_input_chunk){.next = pool->chunks};
    pool->chunks = chunk;
}

/* ---- the queue ------------------------------------------------------------------------------- */

void weir_input_queue_init(struct weir_input_queue *queue, struct weir_input_pool *pool,
                           int64_t position)
{
    *queue = (struct weir_input_queue){
        .pool = pool,
        .position = position,
        .fetch_offset = position,
        .damaged_offset = -1,
    };
}

static void give_back(struct weir_input_queue *queue, struct weir_input_chunk **list)
{
    while (*list != NULL) {
        struct weir_input_chunk *chunk = *list;
        *list = chunk->next;
        chunk_to(queue->pool, chunk);
    }
}

void weir_input_queue_close(struct weir_input_queue *queue)
{
    give_back(queue, &queue->head);
    give_back(queue, &queue->taken);
    queue->tail = NULL;
    queue->buffered_records = 0;
    queue->buffered_bytes = 0;
}

static int push_batch(struct weir_input_queue *queue, struct weir_shared *bytes,
                      const struct weir_batch_reader *reader)
{
    const struct weir_batch_header *header = &reader->header;
    struct weir_input_chunk *chunk = chunk_from(queue->pool);
    if (chunk == NULL) return WEIR_NO_MEMORY;
    chunk->next = NULL;
    chunk->bytes = weir_shared_ref(bytes);
    chunk->batch = reader->batch;
    chunk->header = weir_read_batch_of(header);
    chunk->next_offset = weir_batch_last_offset(header) + 1;
    chunk->header.is_durable = chunk->next_offset <= queue->durable_offset;
    chunk->header_count = (size_t)header->record_count;
    if (queue->tail != NULL) {
        queue->tail->next = chunk;
    } else {
        queue->head = chunk;
    }
    queue->tail = chunk;
    queue->buffered_records += chunk->header_count;
    queue->buffered_bytes += reader->batch.size;
    return 0;
}

static int push_part(struct weir_input_queue *queue, const struct weir_log_part *part,
                     struct weir_committed_filter *filter, struct weir_error *error)
{
    weir_assert(part->from + part->size <= part->bytes->size);
    struct weir_batch_reader reader = {.rest = weir_log_part_bytes(part), .is_whole = true};
    int rc;
    while ((rc = weir_batch_reader_next(&reader, error)) == 0) {
        const struct weir_batch_header *header = &reader.header;
        int64_t next_offset = weir_batch_last_offset(header) + 1;
        rc = weir_committed_filter_admit(filter, &reader, error);
        if (rc < 0) return rc;
        bool is_wanted = rc == 0 && header->record_count > 0 && next_offset > queue->fetch_offset;
        if (is_wanted && push_batch(queue, part->bytes, &reader) < 0) {
            return weir_error_set(error, WEIR_NO_MEMORY, "no memory for fetched records");
        }
        if (next_offset > queue->fetch_offset) queue->fetch_offset = next_offset;
    }
    return rc < 0 ? rc : 0;
}

int weir_input_queue_push_committed(struct weir_input_queue *queue,
                                    const struct weir_log_batches *batches,
                                    struct weir_aborted_transaction *aborted, size_t aborted_count,
                                    struct weir_error *error)
{
    struct weir_committed_filter filter;
    int rc = 0;
    weir_committed_filter_begin(&filter, aborted, aborted_count);
    for (size_t i = 0; rc >= 0 && i < batches->part_count; i++) {
        rc = push_part(queue, &batches->parts[i], &filter, error);
    }
    return rc;
}

int weir_input_queue_push(struct weir_input_queue *queue, const struct weir_log_batches *batches,
                          struct weir_error *error)
{
    return weir_input_queue_push_committed(queue, batches, NULL, 0, error);
}

static int rows_reserve(struct weir_input_pool *pool, struct weir_input_rows *rows, size_t count)
{
    if (count <= rows->capacity) return 0;
    struct weir_record *records =
        weir_realloc(pool->budget, rows->records, count * sizeof *records);
    if (records == NULL) return WEIR_NO_MEMORY;
    rows->records = records;
    rows->capacity = count;
    return 0;
}

/* The reader always checks the crc: bytes are served as they were stored. */
static int decode(struct weir_input_pool *pool, const struct weir_input_chunk *chunk,
                  struct weir_input_rows *rows, struct weir_error *error)
{
    struct weir_batch_reader reader = {
        .rest = chunk->batch, .plain = &rows->plain, .arena = &rows->headers};
    int rc = weir_batch_reader_open_next(&reader, error);
    if (rc < 0) return rc;
    if (rows_reserve(pool, rows, chunk->header_count) < 0) {
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for %zu records",
                              chunk->header_count);
    }
    rc = weir_batch_reader_records(&reader, rows->records, chunk->header_count, error);
    if (rc < 0) return rc;
    weir_assert((size_t)rc == chunk->header_count);
    return 0;
}

static int chunk_decode(struct weir_input_queue *queue, struct weir_input_chunk *chunk,
                        struct weir_error *error)
{
    weir_assert(chunk->rows == NULL);
    struct weir_input_rows *rows = rows_from(queue->pool);
    if (rows == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "no memory for records");
    int rc = decode(queue->pool, chunk, rows, error);
    if (rc < 0) {
        rows_to(queue->pool, rows);
        return rc;
    }
    chunk->rows = rows;
    chunk->record_count = chunk->header_count;
    return 0;
}

static struct weir_input_chunk *unlink_head(struct weir_input_queue *queue)
{
    struct weir_input_chunk *chunk = queue->head;
    queue->head = chunk->next;
    if (queue->head == NULL) queue->tail = NULL;
    queue->buffered_bytes -= chunk->batch.size;
    return chunk;
}

/* A fetch may begin below the position: its first batch is given whole. */
static void skip_below_position(struct weir_input_queue *queue, struct weir_input_chunk *chunk)
{
    while (chunk->at < chunk->record_count &&
           chunk->rows->records[chunk->at].offset < queue->position) {
        chunk->at++;
        queue->buffered_records--;
    }
}

int weir_input_queue_peek(struct weir_input_queue *queue, const struct weir_record **records_out,
                          struct weir_error *error)
{
    while (queue->head != NULL) {
        struct weir_input_chunk *chunk = queue->head;
        if (chunk->record_count == 0) {
            int rc = chunk_decode(queue, chunk, error);
            if (rc == WEIR_CORRUPT) queue->damaged_offset = chunk->header.base_offset;
            if (rc < 0) {
                return weir_error_wrap(error, rc, "batch at offset %" PRId64,
                                       chunk->header.base_offset);
            }
            skip_below_position(queue, chunk);
        }
        if (chunk->at < chunk->record_count) {
            *records_out = chunk->rows->records + chunk->at;
            return (int)(chunk->record_count - chunk->at);
        }
        chunk_to(queue->pool, unlink_head(queue));
    }
    /* What was left out (control batches) is behind us as well. */
    queue->position = queue->fetch_offset;
    return 0;
}

void weir_input_queue_advance(struct weir_input_queue *queue, size_t count)
{
    struct weir_input_chunk *chunk = queue->head;
    weir_assert(chunk != NULL && count > 0 && count <= chunk->record_count - chunk->at);
    chunk->at += count;
    queue->buffered_records -= count;
    queue->position = chunk->rows->records[chunk->at - 1].offset + 1;
    queue->read = chunk->header;
    if (chunk->at < chunk->record_count) return;

    /* Holes that compaction left at the end of a batch count as read. */
    queue->position = chunk->next_offset;
    unlink_head(queue);
    chunk->next = queue->taken;
    queue->taken = chunk;
}

void weir_input_queue_release(struct weir_input_queue *queue)
{
    while (queue->taken != NULL) {
        struct weir_input_chunk *chunk = queue->taken;
        queue->taken = chunk->next;
        chunk_to(queue->pool, chunk);
    }
}

void weir_input_say_repair(const struct weir_topic_partition *of, struct weir_error *error)
{
    const struct weir_error why = *error;
    (void)weir_error_set(error, WEIR_CORRUPT,
                         "%s; put back what was there, or close the log and let 'weir log repair "
                         "DIR %.*s/%" PRId32 "' show what can be saved",
                         why.text, (int)of->topic.size, (const char *)of->topic.data,
                         of->partition);
}
