#include "runtime/state/sorted_run.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"

/*
 * The bytes, big-endian:
 *
 *    0   8  "weirrows"
 *    8   4  version, 1
 *   12   4  count of the rows
 *   16   8  size of the whole
 *   24   4  0
 *   28   4  CRC-32C of all bytes but these four
 *   32      the rows:    u32 key size · u32 value size · key · value
 *           the places:  u32 for each row, where in the whole it begins
 *
 * The places stand last so that a run is filled front to back, and a key is found by halving.
 *
 * A merge walks the run and the writes side by side, twice: once to count, once to fill a block of just that
 * size. The writes are brought into order first, unless they are (those of a write-down come sorted); among
 * equal keys the later one comes first then, and the others are passed over.
 */
static const char magic[8] = {'w', 'e', 'i', 'r', 'r', 'o', 'w', 's'};
enum { VERSION = 1, ROW_LEAD = 2 * sizeof(uint32_t), PLACE_SIZE = sizeof(uint32_t) };
enum { VERSION_AT = 8, COUNT_AT = 12, SIZE_AT = 16, UNUSED_AT = 24, CRC_AT = 28 };

_Static_assert(CRC_AT + sizeof(uint32_t) == WEIR_SORTED_RUN_HEADER_SIZE, "the checksum ends it");

/* ---- reading ------------------------------------------------------------------------------------- */

size_t weir_sorted_run_count(const struct weir_shared *run)
{
    return weir_load_u32(run->data + COUNT_AT);
}

static size_t place_of(const struct weir_shared *run, size_t count, size_t index)
{
    return weir_load_u32(run->data + run->size - (count - index) * PLACE_SIZE);
}

struct weir_sorted_run_row weir_sorted_run_at(const struct weir_shared *run, size_t index)
{
    const size_t count = weir_sorted_run_count(run);
    weir_assert(index < count);
    const uint8_t *row = run->data + place_of(run, count, index);
    const uint32_t key_size = weir_load_u32(row);
    return (struct weir_sorted_run_row){
        .key = weir_slice(row + ROW_LEAD, key_size),
        .value = weir_slice(row + ROW_LEAD + key_size, weir_load_u32(row + sizeof(uint32_t))),
    };
}

size_t weir_sorted_run_seek(const struct weir_shared *run, struct weir_slice key)
{
    size_t from = 0;
    size_t to = weir_sorted_run_count(run);
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (weir_slice_compare(weir_sorted_run_at(run, middle).key, key) < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

/* ---- checking ------------------------------------------------------------------------------------ */

static uint32_t checksum(const struct weir_shared *run)
{
    const size_t behind = CRC_AT + sizeof(uint32_t);
    uint32_t crc = weir_crc32c(0, run->data, CRC_AT);
    return weir_crc32c(crc, run->data + behind, run->size - behind);
}

/* Each row begins where the last one ended and where its place says, behind it in order. */
static bool rows_are_sound(const struct weir_shared *run)
{
    const size_t count = weir_sorted_run_count(run);
    const size_t end = run->size - count * PLACE_SIZE;
    size_t at = WEIR_SORTED_RUN_HEADER_SIZE;
    struct weir_slice last = {0};
    for (size_t i = 0; i < count; i++) {
        if (place_of(run, count, i) != at || end - at < ROW_LEAD) return false;
        const size_t key_size = weir_load_u32(run->data + at);
        const size_t value_size = weir_load_u32(run->data + at + sizeof(uint32_t));
        if (end - at - ROW_LEAD < key_size) return false;
        if (end - at - ROW_LEAD - key_size < value_size) return false;
        const struct weir_slice key = weir_slice(run->data + at + ROW_LEAD, key_size);
        if (i > 0 && weir_slice_compare(last, key) >= 0) return false;
        last = key;
        at += ROW_LEAD + key_size + value_size;
    }
    return at == end;
}

static const char *what_is_wrong(const struct weir_shared *run)
{
    if (run->size < WEIR_SORTED_RUN_HEADER_SIZE) return "has no header";
    if (memcmp(run->data, magic, sizeof magic) != 0) return "are no rows";
    if (weir_load_u32(run->data + VERSION_AT) != VERSION) return "have another version";
    if (weir_load_u64(run->data + SIZE_AT) != run->size) return "have another size";
    if (weir_load_u32(run->data + UNUSED_AT) != 0) return "have a header of another kind";
    if (weir_load_u32(run->data + CRC_AT) != checksum(run)) return "have another checksum";
    const size_t rows_size = run->size - WEIR_SORTED_RUN_HEADER_SIZE;
    if (weir_sorted_run_count(run) > rows_size / (ROW_LEAD + PLACE_SIZE)) return "are too few";
    return rows_are_sound(run) ? NULL : "are out of order";
}

int weir_sorted_run_check(const struct weir_shared *bytes, struct weir_error *error)
{
    const char *wrong = what_is_wrong(bytes);
    if (wrong == NULL) return WEIR_OK;
    return weir_error_set(error, WEIR_CORRUPT, "rows of %zu bytes %s", bytes->size, wrong);
}

/* ---- merging ------------------------------------------------------------------------------------- */

struct merge {
    const struct weir_shared *run; /* NULL: none */
    struct weir_sorted_run_dead dead;
    const struct weir_backend_write *writes;
    const struct weir_backend_write *const
        *sorted; /* the same by key, the last of equal ones first; NULL: they are */
    size_t write_count;
    size_t run_count;
    size_t run_at;
    size_t write_at;
};

static bool is_dead(const struct merge *merge, struct weir_slice key)
{
    enum { LEAD = sizeof(uint16_t) + sizeof(uint64_t) };
    if (merge->dead.segment == 0 || key.size < LEAD) return false;
    if (weir_load_u16(key.data) != merge->dead.prefix) return false;
    return weir_load_u64(key.data + sizeof(uint16_t)) < merge->dead.segment;
}

static const struct weir_backend_write *write_at(const struct merge *merge, size_t index)
{
    return merge->sorted != NULL ? merge->sorted[index] : &merge->writes[index];
}

/* The next write, past those that it has overtaken. */
static struct weir_sorted_run_row take_write(struct merge *merge)
{
    const struct weir_backend_write *write = write_at(merge, merge->write_at++);
    while (merge->write_at < merge->write_count &&
           weir_slice_equal(write_at(merge, merge->write_at)->key, write->key)) {
        merge->write_at++;
    }
    return (struct weir_sorted_run_row){write->key, write->value};
}

/* The next row that stays, in order; false at the end. */
static bool next_row(struct merge *merge, struct weir_sorted_run_row *row_out)
{
    while (merge->run_at < merge->run_count || merge->write_at < merge->write_count) {
        struct weir_sorted_run_row row = {0};
        const bool has_row = merge->run_at < merge->run_count;
        const bool has_write = merge->write_at < merge->write_count;
        if (has_row) row = weir_sorted_run_at(merge->run, merge->run_at);
        int order = !has_write ? -1
                    : !has_row ? 1
                               : weir_slice_compare(row.key, write_at(merge, merge->write_at)->key);
        if (order <= 0) merge->run_at++;
        if (order >= 0) row = take_write(merge);
        if (weir_slice_is_null(row.value) || is_dead(merge, row.key)) continue;
        *row_out = row;
        return true;
    }
    return false;
}

static int measure(struct merge merge, size_t *size_out, size_t *count_out)
{
    struct weir_sorted_run_row row;
    size_t size = weir_sorted_run_size_min;
    size_t count = 0;
    while (next_row(&merge, &row)) {
        size += row.key.size + row.value.size + weir_sorted_run_row_overhead;
        count++;
        if (size > UINT32_MAX) return WEIR_TOO_LARGE;
    }
    *size_out = size;
    *count_out = count;
    return WEIR_OK;
}

static void fill(struct merge merge, struct weir_shared *run, size_t size, size_t count)
{
    struct weir_sorted_run_row row;
    uint8_t *const places = run->data + size - count * PLACE_SIZE;
    uint8_t *to = run->data + WEIR_SORTED_RUN_HEADER_SIZE;
    for (size_t i = 0; next_row(&merge, &row); i++) {
        weir_store_u32(places + i * PLACE_SIZE, (uint32_t)(to - run->data));
        weir_store_u32(to, (uint32_t)row.key.size);
        weir_store_u32(to + sizeof(uint32_t), (uint32_t)row.value.size);
        weir_copy(to + ROW_LEAD, row.key.data, row.key.size);
        weir_copy(to + ROW_LEAD + row.key.size, row.value.data, row.value.size);
        to += ROW_LEAD + row.key.size + row.value.size;
    }
    weir_assert(to == places); /* what was measured */
    run->size = size;
    memcpy(run->data, magic, sizeof magic);
    weir_store_u32(run->data + VERSION_AT, VERSION);
    weir_store_u32(run->data + COUNT_AT, (uint32_t)count);
    weir_store_u64(run->data + SIZE_AT, size);
    weir_store_u32(run->data + UNUSED_AT, 0);
    weir_store_u32(run->data + CRC_AT, checksum(run));
}

static int compare_writes(const void *a, const void *b)
{
    const struct weir_backend_write *left = *(const struct weir_backend_write *const *)a;
    const struct weir_backend_write *right = *(const struct weir_backend_write *const *)b;
    int order = weir_slice_compare(left->key, right->key);
    return order != 0 ? order : (left < right) - (left > right); /* of one array */
}

static bool are_sorted(const struct weir_backend_write *writes, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (weir_slice_compare(writes[i - 1].key, writes[i].key) >= 0) return false;
    }
    return true;
}

/* Pointers to the writes in the order of a merge; NULL when memory is out. */
static const struct weir_backend_write **sort(struct weir_budget *budget,
                                              const struct weir_backend_write *writes, size_t count)
{
    const struct weir_backend_write **sorted = weir_alloc(budget, count * sizeof(void *));
    if (sorted == NULL) return NULL;
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &writes[i];
    }
    qsort(sorted, count, sizeof(void *), compare_writes);
    return sorted;
}

static int merge_rows(struct weir_budget *budget, const struct merge *merge,
                      struct weir_shared **run_out)
{
    size_t size = 0;
    size_t count = 0;
    int rc = measure(*merge, &size, &count);
    if (rc < 0) return rc;
    struct weir_shared *run = weir_shared_new(budget, size);
    if (run == NULL) return WEIR_NO_MEMORY;
    fill(*merge, run, size, count);
    weir_assert_slow(weir_sorted_run_check(run, NULL) == WEIR_OK);
    *run_out = run;
    return WEIR_OK;
}

int weir_sorted_run_merge(struct weir_budget *budget, const struct weir_shared *run,
                          struct weir_sorted_run_dead dead, const struct weir_backend_write *writes,
                          size_t count, struct weir_shared **run_out, struct weir_error *error)
{
    struct merge merge = {
        .run = run,
        .dead = dead,
        .writes = writes,
        .write_count = count,
        .run_count = run != NULL ? weir_sorted_run_count(run) : 0,
    };
    const struct weir_backend_write **sorted = NULL;
    int rc = WEIR_OK;
    if (!are_sorted(writes, count)) {
        merge.sorted = sorted = sort(budget, writes, count);
        if (sorted == NULL) rc = WEIR_NO_MEMORY;
    }
    if (rc >= 0) rc = merge_rows(budget, &merge, run_out);
    weir_free(sorted);
    return rc < 0 ? weir_error_set(error, (enum weir_code)rc, "merge %zu rows", count) : WEIR_OK;
}
