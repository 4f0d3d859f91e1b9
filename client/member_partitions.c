#include "client/member_partitions.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/grow.h"
#include "weir/error.h"

static int compare(const void *a, const void *b)
{
    const struct weir_member_partition *left = a;
    const struct weir_member_partition *right = b;
    int by_topic = memcmp(left->topic_id.bytes, right->topic_id.bytes, sizeof left->topic_id.bytes);
    if (by_topic != 0) return by_topic;
    return (left->partition > right->partition) - (left->partition < right->partition);
}

int weir_member_partitions_reserve(struct weir_member_partitions *set, size_t count,
                                   struct weir_budget *budget)
{
    if (count <= set->capacity) return 0;
    size_t capacity = weir_grown_to(set->capacity, count, 16);
    struct weir_member_partition *rows = weir_realloc(budget, set->rows, capacity * sizeof *rows);
    if (rows == NULL) return WEIR_NO_MEMORY;
    set->rows = rows;
    set->capacity = capacity;
    return 0;
}

void weir_member_partitions_close(struct weir_member_partitions *set)
{
    weir_free(set->rows);
    *set = (struct weir_member_partitions){0};
}

void weir_member_partitions_sort(struct weir_member_partitions *set)
{
    size_t kept = 0;
    if (set->count == 0) return;
    qsort(set->rows, set->count, sizeof *set->rows, compare);
    for (size_t i = 1; i < set->count; i++) {
        if (compare(&set->rows[kept], &set->rows[i]) != 0) set->rows[++kept] = set->rows[i];
    }
    set->count = kept + 1;
}

bool weir_member_partitions_have(const struct weir_member_partitions *set,
                                 struct weir_member_partition partition)
{
    return set->count > 0 &&
           bsearch(&partition, set->rows, set->count, sizeof *set->rows, compare) != NULL;
}

void weir_member_partitions_subtract(struct weir_member_partitions *to,
                                     const struct weir_member_partitions *of,
                                     const struct weir_member_partitions *without)
{
    weir_assert(to != of && to != without);
    weir_assert(to->capacity >= of->count);
    to->count = 0;
    for (size_t i = 0; i < of->count; i++) {
        if (!weir_member_partitions_have(without, of->rows[i])) {
            to->rows[to->count++] = of->rows[i];
        }
    }
}

void weir_member_partitions_remove(struct weir_member_partitions *set,
                                   const struct weir_member_partitions *other)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++) {
        if (!weir_member_partitions_have(other, set->rows[i])) set->rows[kept++] = set->rows[i];
    }
    set->count = kept;
}

void weir_member_partitions_add(struct weir_member_partitions *set,
                                const struct weir_member_partitions *other)
{
    size_t total = set->count + other->count;
    weir_assert(total <= set->capacity);
    for (size_t i = 0; i < other->count; i++) {
        set->rows[set->count++] = other->rows[i];
    }
    weir_member_partitions_sort(set);
    weir_assert(set->count == total); /* none was in it */
}

bool weir_member_partitions_are_sound(const struct weir_member_partitions *set)
{
    if (set->count > set->capacity) return false;
    for (size_t i = 1; i < set->count; i++) {
        if (compare(&set->rows[i - 1], &set->rows[i]) >= 0) return false;
    }
    return true;
}
