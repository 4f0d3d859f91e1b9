#include "server/answer.h"

#include "base/assert.h"

enum {
    BYTES_KEEP = 64 * 1024, /* of an answer's buffer when it is used again */
    PIECES_KEEP = 64,
    PIECES_FIRST = 2,
};

/* ---- the pool -------------------------------------------------------------------------------- */

void weir_answer_pool_init(struct weir_answer_pool *pool, struct weir_budget *budget)
{
    *pool = (struct weir_answer_pool){.budget = budget};
}

static void destroy(struct weir_answer *answer)
{
    weir_buffer_close(&answer->bytes);
    weir_free(answer->pieces);
    weir_free(answer);
}

void weir_answer_pool_close(struct weir_answer_pool *pool)
{
    while (pool->free != NULL) {
        struct weir_answer *answer = pool->free;
        pool->free = answer->next;
        destroy(answer);
    }
    pool->kept = 0;
}

static struct weir_answer *take(struct weir_answer_pool *pool)
{
    struct weir_answer *answer = pool->free;
    if (answer != NULL) {
        pool->free = answer->next;
        pool->kept--;
        answer->next = NULL;
        return answer;
    }
    answer = weir_alloc_zero(pool->budget, sizeof *answer);
    if (answer != NULL) weir_buffer_init(&answer->bytes, pool->budget, INT32_MAX);
    return answer;
}

static void release_piece(struct weir_answer_pool *pool, struct weir_piece *piece)
{
    if (weir_piece_is_range(piece)) {
        weir_log_range_release(&piece->range);
    } else if (piece->shared != NULL) {
        pool->records_size -= piece->data_size;
        weir_shared_unref(piece->shared);
    }
    *piece = (struct weir_piece){0};
}

void weir_answer_release_piece(struct weir_answer_pool *pool, struct weir_answer *answer)
{
    weir_assert(answer->piece_at < answer->piece_count);
    release_piece(pool, &answer->pieces[answer->piece_at]);
    answer->piece_at++;
    answer->piece_sent = 0;
}

void weir_answer_free(struct weir_answer_pool *pool, struct weir_answer *answer)
{
    if (answer == NULL) return;
    pool->large_size -= answer->large_size;
    answer->large_size = 0;
    for (size_t i = 0; i < answer->piece_count; i++) {
        release_piece(pool, &answer->pieces[i]);
    }
    if (pool->kept == WEIR_ANSWERS_KEEP || answer->bytes.capacity > BYTES_KEEP ||
        answer->piece_capacity > PIECES_KEEP) {
        destroy(answer);
        return;
    }
    weir_buffer_reset(&answer->bytes);
    answer->piece_count = answer->piece_at = answer->piece_sent = 0;
    answer->size = answer->memory_size = 0;
    answer->next = pool->free;
    pool->free = answer;
    pool->kept++;
}

/* ---- sources --------------------------------------------------------------------------------- */

void weir_records_source_release(struct weir_records_source *source)
{
    for (size_t i = 0; i < source->part_count; i++) {
        weir_shared_unref(source->parts[i].bytes);
    }
    source->part_count = 0;
    if (source->range.segment != NULL) weir_log_range_release(&source->range);
    source->range = (struct weir_log_range){0};
}

/* ---- making one ------------------------------------------------------------------------------ */

static int reserve_pieces(struct weir_answer *answer, size_t count)
{
    if (count <= answer->piece_capacity) return 0;
    if (count < PIECES_FIRST) count = PIECES_FIRST;
    struct weir_piece *pieces =
        weir_realloc(answer->bytes.budget, answer->pieces, count * sizeof *pieces);
    if (pieces == NULL) return WEIR_NO_MEMORY;
    answer->pieces = pieces;
    answer->piece_capacity = count;
    return 0;
}

static void add_piece(struct weir_answer *answer, struct weir_piece piece)
{
    weir_assert(answer->piece_count < answer->piece_capacity);
    answer->pieces[answer->piece_count++] = piece;
    answer->size += weir_piece_size(&piece);
    if (!weir_piece_is_range(&piece)) answer->memory_size += piece.data_size;
}

/* The answer's own bytes from `from` on, up to `to`. */
static void add_bytes(struct weir_answer *answer, size_t from, size_t to)
{
    if (from == to) return;
    add_piece(answer,
              (struct weir_piece){.data = answer->bytes.data + from, .data_size = to - from});
}

/* What the source holds is the answer's from now on. */
static void take_source(struct weir_answer_pool *pool, struct weir_answer *answer,
                        struct weir_records_source *source)
{
    for (size_t i = 0; i < source->part_count; i++) {
        const struct weir_log_part *part = &source->parts[i];
        add_piece(answer, (struct weir_piece){.data = part->bytes->data + part->from,
                                              .data_size = part->size,
                                              .shared = part->bytes});
        pool->records_size += part->size;
    }
    source->part_count = 0;
    if (source->range.segment != NULL) {
        add_piece(answer, (struct weir_piece){.range = source->range});
        source->range = (struct weir_log_range){0};
    }
}

static struct weir_records_source *source_of(const struct weir_splice *splice)
{
    return (struct weir_records_source *)(uintptr_t)
        splice->data; /* it is the context's, not ours */
}

/* The buffer is complete: its bytes stay where they are. */
static int cut_into_pieces(struct weir_answer_pool *pool, struct weir_answer *answer,
                           const struct weir_splices *splices)
{
    size_t count = splices->count + 1;
    size_t from = 0;
    for (size_t i = 0; i < splices->count; i++) {
        const struct weir_records_source *source = source_of(&splices->items[i]);
        count += source->part_count + (source->range.segment != NULL ? 1 : 0);
    }
    int rc = reserve_pieces(answer, count);
    if (rc < 0) return rc;
    for (size_t i = 0; i < splices->count; i++) {
        size_t before = answer->size;
        add_bytes(answer, from, splices->items[i].at);
        before += splices->items[i].at - from;
        from = splices->items[i].at;
        take_source(pool, answer, source_of(&splices->items[i]));
        weir_assert(answer->size - before == splices->items[i].size);
    }
    add_bytes(answer, from, answer->bytes.size);
    return 0;
}

/* Size (filled in at the end), correlation id and, in flexible versions, no tagged fields; but the
 * answer to ApiVersions always has the old header (CLIENTS.md b). */
static void encode_header(struct weir_buffer *bytes, const struct weir_request_context *context)
{
    uint8_t header[9] = {0};
    const struct weir_message_type *type = context->api->response;
    bool is_flexible =
        context->version >= type->flexible_from && type->api_key != WEIR_API_VERSIONS_KEY;
    weir_store_u32(header + 4, (uint32_t)context->correlation_id);
    weir_buffer_append(bytes, header, is_flexible ? 9 : 8);
}

static int encode(struct weir_answer_pool *pool, struct weir_answer *answer,
                  struct weir_request_context *context, const void *response, bool has_sources)
{
    int rc;
    struct weir_splices splices = {.arena = &context->arena};
    const struct weir_message_type *type = context->api->response;
    encode_header(&answer->bytes, context);
    if (has_sources) {
        rc =
            weir_message_encode_spliced(type, response, context->version, &answer->bytes, &splices);
    } else {
        rc = weir_message_encode(type, response, context->version, &answer->bytes);
    }
    if (rc < 0) return rc;
    if (answer->bytes.failed) return WEIR_NO_MEMORY;
    if (splices.size > INT32_MAX - answer->bytes.size) return WEIR_TOO_LARGE;
    weir_store_u32(answer->bytes.data, (uint32_t)(answer->bytes.size - 4 + splices.size));
    return cut_into_pieces(pool, answer, &splices);
}

int weir_answer_encode(struct weir_answer_pool *pool, struct weir_request_context *context,
                       const void *response, bool has_sources, struct weir_answer **answer_out)
{
    struct weir_answer *answer = take(pool);
    if (answer == NULL) return WEIR_NO_MEMORY;
    int rc = encode(pool, answer, context, response, has_sources);
    if (rc < 0) {
        weir_answer_free(pool, answer);
        return rc;
    }
    if (context->api->is_large) answer->large_size = answer->bytes.capacity;
    pool->large_size += answer->large_size;
    *answer_out = answer;
    return 0;
}
