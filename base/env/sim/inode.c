/** The bytes of one simulated file: what is seen, what is durable, and what lies between. */
#include "base/env/sim/disk.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/grow.h"

/* Random writes may leave many ranges; from this count on they are sorted and merged. */
enum { RANGES_BEFORE_MERGE = 64 };

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* From here on the durable bytes have a copy of their own. Called before they part from `data`. */
static void part_from_durable(struct weir_inode *inode)
{
    if (inode->durable != NULL) return;
    weir_assert(inode->size >= inode->durable_size);
    inode->durable = weir_sim_calloc(1, (size_t)max_of(inode->durable_size, 1));
    if (inode->durable_size > 0) {
        memcpy(inode->durable, inode->data, (size_t)inode->durable_size);
    }
}

static void join_durable(struct weir_inode *inode)
{
    free(inode->durable);
    inode->durable = NULL;
}

static void forget_unsynced(struct weir_inode *inode)
{
    for (size_t i = 0; i < inode->version_count; i++) {
        free(inode->versions[i].bytes);
    }
    free(inode->versions);
    inode->versions = NULL;
    inode->version_count = 0;
    inode->dirty_count = 0;
}

void weir_inode_close_bytes(struct weir_inode *inode)
{
    forget_unsynced(inode);
    free(inode->dirty);
    free(inode->durable);
    free(inode->data);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void set_size(struct weir_inode *inode, int64_t size)
{
    if (size > inode->capacity) {
        inode->capacity = max_of(size, max_of(2 * inode->capacity, 256));
        inode->data = weir_sim_realloc(inode->data, (size_t)inode->capacity);
    }
    if (size > inode->size) memset(inode->data + inode->size, 0, (size_t)(size - inode->size));
    inode->size = size;
}

static void keep_version(struct weir_inode *inode, int64_t begin, int64_t end)
{
    size_t bytes = (inode->version_count + 1) * sizeof *inode->versions;
    inode->versions = weir_sim_realloc(inode->versions, bytes);
    inode->versions[inode->version_count++] = (struct weir_disk_version){
        .position = begin,
        .size = (size_t)(end - begin),
        .bytes = memcpy(weir_sim_calloc(1, (size_t)(end - begin)), inode->data + begin,
                        (size_t)(end - begin)),
    };
}

/* The write about to come covers unsynced bytes: they may have reached the disk already. */
static void keep_versions_of(struct weir_inode *inode, int64_t begin, int64_t end)
{
    for (size_t i = 0; i < inode->dirty_count; i++) {
        int64_t from = max_of(begin, inode->dirty[i].begin);
        int64_t to = min_of(end, inode->dirty[i].end);
        if (from < to) keep_version(inode, from, to);
    }
}

static int by_begin(const void *a, const void *b)
{
    const struct weir_disk_range *left = a;
    const struct weir_disk_range *right = b;
    return left->begin < right->begin ? -1 : left->begin > right->begin;
}

static void merge_dirty(struct weir_inode *inode)
{
    size_t kept = 0;
    qsort(inode->dirty, inode->dirty_count, sizeof *inode->dirty, by_begin);
    for (size_t i = 1; i < inode->dirty_count; i++) {
        struct weir_disk_range *last = &inode->dirty[kept];
        if (inode->dirty[i].begin <= last->end) {
            last->end = max_of(last->end, inode->dirty[i].end);
        } else {
            inode->dirty[++kept] = inode->dirty[i];
        }
    }
    inode->dirty_count = kept + 1;
}

static void add_dirty(struct weir_inode *inode, int64_t begin, int64_t end)
{
    if (inode->dirty_count > 0) {
        struct weir_disk_range *last = &inode->dirty[inode->dirty_count - 1];
        if (begin >= last->begin && begin <= last->end) {
            last->end = max_of(last->end, end);
            return;
        }
    }
    if (inode->dirty_count == inode->dirty_capacity) {
        if (inode->dirty_count >= RANGES_BEFORE_MERGE) merge_dirty(inode);
        if (inode->dirty_count > inode->dirty_capacity / 2 || inode->dirty_capacity == 0) {
            inode->dirty_capacity = weir_grown(inode->dirty_capacity, 4);
            inode->dirty =
                weir_sim_realloc(inode->dirty, inode->dirty_capacity * sizeof *inode->dirty);
        }
    }
    inode->dirty[inode->dirty_count++] = (struct weir_disk_range){begin, end};
}

void weir_inode_write(struct weir_inode *inode, const void *bytes, size_t size, int64_t position)
{
    if (size == 0) return;
    int64_t end = position + (int64_t)size;
    if (position < inode->durable_size) part_from_durable(inode);
    keep_versions_of(inode, position, end);
    if (end > inode->size) set_size(inode, end);
    memcpy(inode->data + position, bytes, size);
    add_dirty(inode, position, end);
}

void weir_inode_truncate(struct weir_inode *inode, int64_t size)
{
    if (size < inode->durable_size) part_from_durable(inode);
    inode->valid_size = min_of(inode->valid_size, size);
    set_size(inode, size);
    size_t kept = 0;
    for (size_t i = 0; i < inode->dirty_count; i++) {
        struct weir_disk_range range = inode->dirty[i];
        range.end = min_of(range.end, size);
        if (range.begin < range.end) inode->dirty[kept++] = range;
    }
    inode->dirty_count = kept;
}

/* ---- syncing --------------------------------------------------------------------------------- */

/* After a failed sync the two images differ in clean bytes for good: write only what is dirty. */
static void write_dirty_to_durable(struct weir_inode *inode)
{
    inode->durable = weir_sim_realloc(inode->durable, (size_t)max_of(inode->size, 1));
    int64_t valid = min_of(inode->valid_size, inode->size);
    if (inode->size > valid) memset(inode->durable + valid, 0, (size_t)(inode->size - valid));
    for (size_t i = 0; i < inode->dirty_count; i++) {
        struct weir_disk_range range = inode->dirty[i];
        memcpy(inode->durable + range.begin, inode->data + range.begin,
               (size_t)(range.end - range.begin));
    }
}

void weir_inode_sync(struct weir_inode *inode)
{
    if (inode->has_lost) {
        write_dirty_to_durable(inode);
    } else {
        join_durable(inode);
    }
    inode->durable_size = inode->size;
    inode->valid_size = inode->size;
    forget_unsynced(inode);
}

void weir_inode_fail_sync(struct weir_inode *inode)
{
    if (inode->dirty_count == 0) return;
    part_from_durable(inode);
    inode->has_lost = true;
    forget_unsynced(inode);
}

/* ---- reading the disk again ------------------------------------------------------------------ */

/* What the disk holds of [begin, end) if nothing unsynced reached it. */
static void load_durable(const struct weir_inode *inode, uint8_t *to, int64_t begin, int64_t end)
{
    const uint8_t *durable = inode->durable != NULL ? inode->durable : inode->data;
    int64_t known = max_of(min_of(end, inode->valid_size) - begin, 0);
    if (known > 0) memcpy(to, durable + begin, (size_t)known);
    memset(to + known, 0, (size_t)(end - begin - known));
}

/* Dirty pages stay, as in Linux. */
void weir_inode_drop_cache(struct weir_inode *inode, int64_t position, int64_t size)
{
    int64_t begin = max_of(position, 0);
    int64_t end = min_of(position + size, inode->size);
    if (!inode->has_lost || begin >= end) return;
    uint8_t *fresh = weir_sim_calloc(1, (size_t)(end - begin));
    load_durable(inode, fresh, begin, end);
    for (size_t i = 0; i < inode->dirty_count; i++) {
        int64_t from = max_of(begin, inode->dirty[i].begin);
        int64_t to = min_of(end, inode->dirty[i].end);
        if (from < to) memcpy(fresh + (from - begin), inode->data + from, (size_t)(to - from));
    }
    memcpy(inode->data + begin, fresh, (size_t)(end - begin));
    free(fresh);
}

void weir_inode_flip(struct weir_inode *inode, int64_t position, int bit)
{
    uint8_t mask = (uint8_t)(1u << bit);
    if (position < inode->size) inode->data[position] ^= mask;
    if (inode->durable != NULL && position < inode->durable_size) inode->durable[position] ^= mask;
}

/* ---- power loss ------------------------------------------------------------------------------ */

/* The file as it will be found. */
struct found {
    uint8_t *bytes;
    int64_t size;
    enum weir_disk_mood mood;
    uint64_t kept_of_16; /* drawn per file, so that both long and short runs survive */
    struct weir_sim_random *random;
};

static void settle_bytes(struct found *found, int64_t begin, const uint8_t *bytes, int64_t end)
{
    end = min_of(end, found->size);
    if (begin < end) memcpy(found->bytes + begin, bytes, (size_t)(end - begin));
}

static void fill_garbage(struct found *found, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < min_of(end, found->size); i++) {
        found->bytes[i] = (uint8_t)weir_sim_random_next(found->random);
    }
}

/* One sector's share of an unsynced write; `bytes` are those of `begin`. */
static void settle_sector(struct found *found, int64_t begin, int64_t end, const uint8_t *bytes)
{
    if (weir_sim_random_below(found->random, 16) < found->kept_of_16) {
        settle_bytes(found, begin, bytes, end);
        return;
    }
    switch (weir_sim_random_below(found->random, 4)) {
    case 0: {
        uint64_t torn = weir_sim_random_below(found->random, (uint64_t)(end - begin));
        settle_bytes(found, begin, bytes, begin + (int64_t)torn);
        break;
    }
    case 1:
        fill_garbage(found, begin, end);
        break;
    default: /* lost */
        break;
    }
}

static void settle_range(struct found *found, int64_t begin, int64_t end, const uint8_t *bytes)
{
    if (found->mood == WEIR_DISK_LOSE_ALL) return;
    if (found->mood == WEIR_DISK_KEEP_ALL) {
        settle_bytes(found, begin, bytes, end);
        return;
    }
    for (int64_t at = begin; at < end;) {
        int64_t next = min_of(end, at - at % WEIR_DISK_SECTOR + WEIR_DISK_SECTOR);
        settle_sector(found, at, next, bytes + (at - begin));
        at = next;
    }
}

static int64_t size_found(const struct weir_inode *inode, enum weir_disk_mood mood,
                          struct weir_sim_random *random)
{
    if (mood == WEIR_DISK_LOSE_ALL) return inode->durable_size;
    if (mood == WEIR_DISK_KEEP_ALL) return inode->size;
    int64_t low = min_of(inode->valid_size, inode->size);
    int64_t high = max_of(inode->durable_size, inode->size);
    switch (weir_sim_random_below(random, 3)) {
    case 0:
        return inode->durable_size;
    case 1:
        return inode->size;
    default:
        return low + (int64_t)weir_sim_random_below(random, (uint64_t)(high - low) + 1);
    }
}

static void find_durable(const struct weir_inode *inode, struct found *found)
{
    bool is_cut = found->mood == WEIR_DISK_KEEP_ALL ||
                  (found->mood == WEIR_DISK_MIXED && weir_sim_random_below(found->random, 2) == 0);
    int64_t known = min_of(is_cut ? inode->valid_size : inode->durable_size, found->size);
    const uint8_t *durable = inode->durable != NULL ? inode->durable : inode->data;
    if (known > 0) memcpy(found->bytes, durable, (size_t)known);
}

/* Covered versions first, then what covered them: any of them may be the last that reached the disk. */
static void find_unsynced(const struct weir_inode *inode, struct found *found)
{
    for (size_t i = 0; i < inode->version_count; i++) {
        const struct weir_disk_version *version = &inode->versions[i];
        settle_range(found, version->position, version->position + (int64_t)version->size,
                     version->bytes);
    }
    for (size_t i = 0; i < inode->dirty_count; i++) {
        struct weir_disk_range range = inode->dirty[i];
        settle_range(found, range.begin, range.end, inode->data + range.begin);
    }
}

static bool is_settled(const struct weir_inode *inode)
{
    return inode->dirty_count == 0 && !inode->has_lost && inode->size == inode->durable_size &&
           inode->valid_size == inode->durable_size;
}

void weir_inode_lose_power(struct weir_inode *inode, enum weir_disk_mood mood,
                           struct weir_sim_random *random)
{
    if (is_settled(inode)) return;
    struct found found = {
        .size = size_found(inode, mood, random),
        .mood = mood,
        .kept_of_16 = weir_sim_random_below(random, 16),
        .random = random,
    };
    found.bytes = weir_sim_calloc(1, (size_t)max_of(found.size, 1));
    find_durable(inode, &found);
    find_unsynced(inode, &found);

    forget_unsynced(inode);
    join_durable(inode);
    free(inode->data);
    inode->data = found.bytes;
    inode->size = found.size;
    inode->capacity = max_of(found.size, 1);
    inode->durable_size = found.size;
    inode->valid_size = found.size;
    inode->has_lost = false;
}
