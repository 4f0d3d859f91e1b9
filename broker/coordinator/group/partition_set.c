#include "broker/coordinator/group/partition_set.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/uuid.h"

int weir_group_partition_compare(const struct weir_group_partition *a,
                                 const struct weir_group_partition *b)
{
    int order = memcmp(a->topic_id.bytes, b->topic_id.bytes, sizeof a->topic_id.bytes);
    if (order != 0) return order;
    return a->partition < b->partition ? -1 : a->partition > b->partition;
}

static int compare_items(const void *a, const void *b)
{
    return weir_group_partition_compare(a, b);
}

bool weir_partition_set_is_sorted(const struct weir_partition_set *set)
{
    for (size_t i = 1; i < set->count; i++) {
        if (weir_group_partition_compare(&set->items[i - 1], &set->items[i]) >= 0) return false;
    }
    return true;
}

void weir_partition_set_sort(struct weir_partition_set *set)
{
    if (weir_partition_set_is_sorted(set)) return;
    qsort(set->items, set->count, sizeof *set->items, compare_items);
    size_t kept = 1;
    for (size_t i = 1; i < set->count; i++) {
        if (weir_group_partition_compare(&set->items[kept - 1], &set->items[i]) != 0) {
            set->items[kept++] = set->items[i];
        }
    }
    set->count = kept;
}

const struct weir_group_partition *weir_partition_set_find(const struct weir_partition_set *set,
                                                           struct weir_uuid topic_id,
                                                           int32_t partition)
{
    const struct weir_group_partition wanted = {.topic_id = topic_id, .partition = partition};
    if (set->count == 0) return NULL;
    return bsearch(&wanted, set->items, set->count, sizeof *set->items, compare_items);
}

bool weir_partition_set_equal(const struct weir_partition_set *a,
                              const struct weir_partition_set *b)
{
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++) {
        if (weir_group_partition_compare(&a->items[i], &b->items[i]) != 0) return false;
    }
    return true;
}

bool weir_partition_set_has_all(const struct weir_partition_set *whole,
                                const struct weir_partition_set *part)
{
    size_t at = 0;
    for (size_t i = 0; i < part->count; i++) {
        while (at < whole->count &&
               weir_group_partition_compare(&whole->items[at], &part->items[i]) < 0) {
            at++;
        }
        if (at == whole->count ||
            weir_group_partition_compare(&whole->items[at], &part->items[i]) != 0) {
            return false;
        }
    }
    return true;
}

int weir_partition_set_assign(struct weir_partition_set *set, struct weir_budget *budget,
                              const struct weir_partition_set *from)
{
    weir_assert_slow(weir_partition_set_is_sorted(from));
    if (from->count == 0) {
        weir_partition_set_close(set);
        return 0;
    }
    struct weir_group_partition *items = weir_alloc(budget, from->count * sizeof *items);
    if (items == NULL) return WEIR_NO_MEMORY;
    memcpy(items, from->items, from->count * sizeof *items);
    weir_free(set->items);
    *set = (struct weir_partition_set){.items = items, .count = from->count};
    return 0;
}

void weir_partition_set_close(struct weir_partition_set *set)
{
    weir_free(set->items);
    *set = (struct weir_partition_set){0};
}

size_t weir_partition_set_run(const struct weir_partition_set *set, size_t at)
{
    size_t end = at;
    while (end < set->count && weir_uuid_equal(set->items[end].topic_id, set->items[at].topic_id)) {
        end++;
    }
    return end - at;
}

size_t weir_partition_set_topics(const struct weir_partition_set *set)
{
    size_t topics = 0;
    for (size_t at = 0; at < set->count; at += weir_partition_set_run(set, at)) {
        topics++;
    }
    return topics;
}

struct weir_topic_partitions *weir_partition_set_topic_lists(const struct weir_partition_set *set,
                                                             struct weir_arena *arena,
                                                             size_t *count_out)
{
    size_t count = weir_partition_set_topics(set);
    struct weir_topic_partitions *topics = weir_arena_array(arena, count, sizeof *topics);
    int32_t *partitions = weir_arena_array(arena, set->count, sizeof *partitions);
    *count_out = 0;
    if (topics == NULL || partitions == NULL) return NULL;
    for (size_t at = 0, run; at < set->count; at += run) {
        run = weir_partition_set_run(set, at);
        for (size_t i = at; i < at + run; i++) {
            partitions[i] = set->items[i].partition;
        }
        topics[(*count_out)++] = (struct weir_topic_partitions){
            .topic_id = set->items[at].topic_id,
            .partitions = partitions + at,
            .partition_count = run,
        };
    }
    return topics;
}

int weir_partition_set_from_topic_lists(const struct weir_topic_partitions *topics, size_t count,
                                        struct weir_arena *arena,
                                        struct weir_partition_set *set_out)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += topics[i].partition_count;
    }
    struct weir_partition_set set = {.items = weir_arena_array(arena, total, sizeof *set.items)};
    if (set.items == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < topics[i].partition_count; j++) {
            set.items[set.count++] = (struct weir_group_partition){
                .topic_id = topics[i].topic_id, .partition = topics[i].partitions[j], .epoch = -1};
        }
    }
    weir_partition_set_sort(&set);
    *set_out = set;
    return 0;
}
