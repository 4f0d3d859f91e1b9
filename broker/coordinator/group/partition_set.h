#ifndef WEIR_BROKER_COORDINATOR_GROUP_PARTITION_SET_H
#define WEIR_BROKER_COORDINATOR_GROUP_PARTITION_SET_H

#include "base/alloc.h"
#include "base/arena.h"
#include "wire/request/group_requests.h"

/**
 * Partitions of some topics: a run of entries in order of topic id and number, each once. What a member has,
 * has to give up and shall have are such sets, and differences between them are one walk along both.
 */
struct weir_group_partition {
    struct weir_uuid topic_id;
    int32_t partition;
    int32_t epoch; /* in which the member was given it; -1 where that is not kept */
};

struct weir_partition_set {
    struct weir_group_partition *items; /* owned, or in somebody's arena */
    size_t count;
};

/** By topic id, then by number; the epoch is not looked at. */
int weir_group_partition_compare(const struct weir_group_partition *a,
                                 const struct weir_group_partition *b);
/** Into order, and each once; of two with the same topic and number one stays. */
void weir_partition_set_sort(struct weir_partition_set *set);
/** NULL if it is not in it. */
const struct weir_group_partition *weir_partition_set_find(const struct weir_partition_set *set,
                                                           struct weir_uuid topic_id,
                                                           int32_t partition);
/** The same partitions; epochs are not looked at. */
bool weir_partition_set_equal(const struct weir_partition_set *a,
                              const struct weir_partition_set *b);
/** Are all of `part` in `whole`? */
bool weir_partition_set_has_all(const struct weir_partition_set *whole,
                                const struct weir_partition_set *part);
bool weir_partition_set_is_sorted(const struct weir_partition_set *set);

/** An owned set becomes a copy of `from`. WEIR_NO_MEMORY: it is as it was. */
int weir_partition_set_assign(struct weir_partition_set *set, struct weir_budget *budget,
                              const struct weir_partition_set *from);
/** Of an owned set; a zeroed one is fine. */
void weir_partition_set_close(struct weir_partition_set *set);

/** As many entries of one topic as there are from `at` on; > 0 while `at` is in the set. */
size_t weir_partition_set_run(const struct weir_partition_set *set, size_t at);
/** How many topics the set has partitions of. */
size_t weir_partition_set_topics(const struct weir_partition_set *set);

/** The set as requests have it, in the arena; NULL for none, and after a failure (ask weir_arena_failed). */
struct weir_topic_partitions *weir_partition_set_topic_lists(const struct weir_partition_set *set,
                                                             struct weir_arena *arena,
                                                             size_t *count_out);
/** What a request says, as a set in the arena. WEIR_NO_MEMORY. */
int weir_partition_set_from_topic_lists(const struct weir_topic_partitions *topics, size_t count,
                                        struct weir_arena *arena,
                                        struct weir_partition_set *set_out);

#endif
