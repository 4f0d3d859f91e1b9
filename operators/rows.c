#include "operators/rows.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/grow.h"

enum { ROWS_FIRST = 64 };

void weir_rows_check(const struct weir_rows *rows)
{
    const bool has_columns = rows->capacity > 0;
    weir_assert(!rows->failed);
    weir_assert(rows->arena != NULL);
    weir_assert(rows->count <= rows->capacity);
    weir_assert((rows->keys != NULL) == has_columns);
    weir_assert((rows->values != NULL) == has_columns);
    weir_assert((rows->timestamps != NULL) == has_columns);
    weir_assert((rows->headers != NULL) == has_columns);
    weir_assert((rows->offsets != NULL) == has_columns);
    weir_assert((rows->olds != NULL) == (rows->has_olds && has_columns));
    weir_assert((rows->key_bytes != NULL) == (rows->has_key_bytes && has_columns));
    weir_assert(rows->has_offsets || rows->source == NULL);
}

void weir_rows_init(struct weir_rows *rows, struct weir_arena *arena, bool has_olds,
                    bool has_key_bytes)
{
    weir_assert(arena != NULL);
    *rows = (struct weir_rows){
        .arena = arena,
        .has_olds = has_olds,
        .has_key_bytes = has_key_bytes,
    };
}

/* A larger copy of a column; the old one stays in the arena until its reset. */
static void *grow_column(struct weir_rows *rows, const void *column, size_t size, size_t capacity)
{
    weir_assert(rows->count <= capacity);
    void *grown = weir_arena_array(rows->arena, capacity, size);
    if (grown == NULL) {
        rows->failed = true;
        return NULL;
    }
    weir_copy(grown, column, rows->count * size);
    return grown;
}

static void grow(struct weir_rows *rows)
{
    size_t capacity = weir_grown(rows->capacity, ROWS_FIRST);
    rows->keys = grow_column(rows, rows->keys, sizeof *rows->keys, capacity);
    rows->values = grow_column(rows, rows->values, sizeof *rows->values, capacity);
    rows->timestamps = grow_column(rows, rows->timestamps, sizeof *rows->timestamps, capacity);
    rows->headers = grow_column(rows, rows->headers, sizeof *rows->headers, capacity);
    rows->offsets = grow_column(rows, rows->offsets, sizeof *rows->offsets, capacity);
    if (rows->has_olds) {
        rows->olds = grow_column(rows, rows->olds, sizeof *rows->olds, capacity);
    }
    if (rows->has_key_bytes) {
        rows->key_bytes = grow_column(rows, rows->key_bytes, sizeof *rows->key_bytes, capacity);
    }
    rows->capacity = capacity;
}

int64_t weir_rows_add(struct weir_rows *rows)
{
    if (rows->count == rows->capacity && !rows->failed) grow(rows);
    if (rows->failed) return -1;
    rows->headers[rows->count] = (struct weir_headers){0};
    rows->offsets[rows->count] = -1;
    return (int64_t)rows->count++;
}

void weir_rows_set_origin(struct weir_rows *rows, int64_t row, const struct weir_batch *from,
                          uint32_t from_row)
{
    weir_assert_slow(row >= 0 && (size_t)row < rows->count);
    weir_assert_slow(rows->source == NULL || rows->source == from->source); /* one for all rows */
    if (from->headers != NULL && from->headers[from_row].count > 0) {
        rows->has_headers = true;
        rows->headers[row] = from->headers[from_row];
    }
    if (from->offsets == NULL) return;
    rows->has_offsets = true;
    rows->offsets[row] = from->offsets[from_row];
    rows->source = from->source;
}

struct weir_batch weir_rows_batch(const struct weir_rows *rows)
{
    weir_rows_check(rows);
    return (struct weir_batch){
        .count = rows->count,
        .keys = rows->keys,
        .values = rows->values,
        .olds = rows->olds,
        .key_bytes = rows->key_bytes,
        .timestamps = rows->timestamps,
        .headers = rows->has_headers ? rows->headers : NULL,
        .offsets = rows->has_offsets ? rows->offsets : NULL,
        .source = rows->source,
    };
}

int weir_rows_forward(struct weir_rows *rows, struct weir_node *node)
{
    if (rows->failed) return WEIR_NO_MEMORY;
    int rc = 0;
    if (rows->count > 0) {
        struct weir_batch batch = weir_rows_batch(rows);
        rc = weir_node_forward(node, &batch);
    }
    weir_rows_init(rows, rows->arena, rows->has_olds, rows->has_key_bytes);
    return rc;
}

int weir_rows_forward_selected(struct weir_node *node, const struct weir_batch *batch,
                               const uint32_t *selection, size_t count)
{
    weir_assert(count <= batch->count);
    if (count == 0) return 0;
    if (count == batch->count) return weir_node_forward(node, batch);
    struct weir_batch selected = *batch;
    selected.rows = selection;
    selected.count = count;
    return weir_node_forward(node, &selected);
}

int weir_rows_part(struct weir_node *node, const struct weir_batch *batch, size_t from,
                   size_t count, struct weir_batch *part_out)
{
    weir_assert(from + count <= batch->count);
    *part_out = *batch;
    part_out->count = count;
    if (count == batch->count) return 0;
    uint32_t *rows = weir_arena_array(weir_node_arena(node), count, sizeof *rows);
    if (rows == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        rows[i] = weir_batch_row(batch, from + i);
    }
    part_out->rows = rows;
    return 0;
}

int weir_rows_forward_where(struct weir_node *node, const struct weir_batch *batch,
                            weir_predicate_fn look, void *context, enum weir_rows_keep keep)
{
    weir_assert(batch->keys != NULL && batch->values != NULL);
    uint32_t *selection = weir_rows_selection(node, batch);
    if (selection == NULL) return WEIR_NO_MEMORY;

    size_t kept = 0;
    node->call.context = context;
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        weir_node_call_row(node, batch, row);
        int rc = look(&node->call, batch->keys[row], batch->values[row]);
        if (rc < 0) {
            rc = weir_node_record_failed(node, batch, row, rc);
            if (rc < 0) return rc;
        } else if (keep == WEIR_ROWS_ALL || (rc != 0) == (keep == WEIR_ROWS_WHERE_TRUE)) {
            selection[kept++] = row;
        }
    }
    return weir_rows_forward_selected(node, batch, selection, kept);
}

int weir_rows_object(struct weir_node *node, const struct weir_serde *serde, bool is_key,
                     struct weir_slice bytes, const void **object_out)
{
    *object_out = NULL;
    if (bytes.data == NULL) return 0;
    struct weir_arena *arena = weir_node_arena(node);
    /* With a string's serde it is the object itself, and known for a slice wherever it goes. */
    struct weir_slice *copy =
        weir_scope_new(weir_node_scope(node), sizeof *copy, WEIR_FIELD_KIND_SLICE);
    if (copy == NULL) return WEIR_NO_MEMORY;
    *copy = weir_arena_copy(arena, bytes);
    if (copy->data == NULL) return WEIR_NO_MEMORY;
    return weir_node_deserialize(node, serde, is_key, copy, 1, object_out);
}

int weir_rows_without_nulls(struct weir_node *node, const struct weir_batch *batch, bool value_too,
                            bool is_counted, struct weir_batch *batch_out)
{
    weir_assert(batch->keys != NULL && batch->values != NULL);
    uint32_t *selection = weir_rows_selection(node, batch);
    if (selection == NULL) return WEIR_NO_MEMORY;
    size_t kept = 0;
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        if (batch->keys[row] == NULL || (value_too && batch->values[row] == NULL)) continue;
        selection[kept++] = row;
    }
    if (is_counted && kept < batch->count) {
        weir_node_dropped(node, WEIR_DROP_NULL, (int64_t)(batch->count - kept));
    }
    *batch_out = *batch;
    if (kept < batch->count) {
        batch_out->rows = selection;
        batch_out->count = kept;
    }
    return 0;
}

int weir_rows_bytes(struct weir_node *node, const struct weir_batch *batch,
                    const struct weir_serde *key_serde, const struct weir_serde *value_serde,
                    struct weir_batch *batch_out)
{
    struct weir_batch with_keys = {0};
    *batch_out = (struct weir_batch){0};
    int rc = weir_node_key_bytes(node, batch, key_serde, &with_keys);
    if (rc < 0 || with_keys.count == 0) return rc;
    return weir_node_value_bytes(node, &with_keys, value_serde, batch_out);
}
