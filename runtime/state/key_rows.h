#ifndef WEIR_RUNTIME_STATE_KEY_ROWS_H
#define WEIR_RUNTIME_STATE_KEY_ROWS_H

#include "runtime/state/table.h"

/**
 * The entries of a table by their record key, each key's in the order of time and number: what a store
 * that keeps duplicates is read by, for nobody knows the numbers of the rows that he wants.
 *
 *     "a" ──> first 1  count 3   [ - |   20   |   20   |   35   | - | - | - | - ]
 *                                [ - | a·20·1 | a·20·4 | a·35·2 | - | - | - | - ]
 *
 * The times stand beside the rows, so that a search reads no row: each is a cache line somewhere.
 * A row goes in at the end, as a rule, and leaves at the front, since time goes on and old rows are over
 * first: both are a step of an index. One that is late shifts those behind it, so a key that gets `n` rows
 * in the reverse order of time costs n² / 2 moves of eight bytes. When the places at the end are used up
 * the rows move to the front, if half of the places are free by then, and otherwise to a block of twice
 * the size. A key whose last row leaves is forgotten with its block.
 */
struct weir_key_rows {
    uint32_t first; /* of `places`, where the rows begin */
    uint32_t count;
    uint32_t capacity;
    int64_t times[]; /* capacity of them, and then as many places of rows */
};

/** A table of record keys, whose values are weir_key_rows. */
struct weir_key_rows_index {
    struct weir_table keys;
    struct weir_slabs *blocks;
    size_t tail_size; /* of a row's key: what stands behind the record's key */
};

void weir_key_rows_init(struct weir_key_rows_index *index, struct weir_slabs *entries,
                        struct weir_slabs *blocks, size_t tail_size);
/** Frees what the index holds; the entries are their table's. */
void weir_key_rows_close(struct weir_key_rows_index *index);
/** An entry of a key that is not in the index. WEIR_NO_MEMORY changes nothing. */
int weir_key_rows_add(struct weir_key_rows_index *index, struct weir_store_entry *entry);
/** It is there. */
void weir_key_rows_remove(struct weir_key_rows_index *index, struct weir_store_entry *entry);

/** The rows of a record key with a time in [from_ms, to_ms], in order; `count_out` of them, 0 for none.
 * Good until an entry comes or goes. */
struct weir_store_entry *const *weir_key_rows_find(const struct weir_key_rows_index *index,
                                                   struct weir_slice record_key, int64_t from_ms,
                                                   int64_t to_ms, size_t *count_out);
/** What finds of some record keys will read comes to the cache: the slots of all, then their entries. A null key is
 * passed over. */
void weir_key_rows_prefetch(const struct weir_key_rows_index *index, const struct weir_slice *keys,
                            size_t count);

#endif
