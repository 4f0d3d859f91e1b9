#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/coordinator/txn/txn_internal.h"

static int compare(const void *left, const void *right)
{
    return weir_txn_compare_partitions(left, right);
}

bool weir_txn_has_partition(const struct weir_txn *txn, const struct weir_topic_partition *which)
{
    if (txn->partition_count == 0) return false;
    return bsearch(which, txn->partitions, txn->partition_count, sizeof *which, compare) != NULL;
}

size_t weir_txn_sort_partitions(struct weir_topic_partition *partitions, size_t count)
{
    if (count == 0) return 0;
    size_t kept = 1;
    qsort(partitions, count, sizeof *partitions, compare);
    for (size_t i = 1; i < count; i++) {
        if (compare(&partitions[kept - 1], &partitions[i]) != 0) partitions[kept++] = partitions[i];
    }
    return kept;
}

static size_t count_added(const struct weir_add_partitions_request *add)
{
    size_t count = 0;
    for (; add != NULL; add = weir_txn_added_with(add)) {
        count += add->partition_count + (add->offsets != NULL);
    }
    return count;
}

int weir_txn_join_partitions(const struct weir_txn *txn,
                             const struct weir_add_partitions_request *add, struct weir_txn *to,
                             struct weir_arena *arena, struct weir_error *error)
{
    size_t before = txn != NULL ? txn->partition_count : 0;
    size_t added = count_added(add);
    if (added > WEIR_TXN_PARTITIONS_MAX - before) {
        return weir_error_set(error, WEIR_LIMIT,
                              "transactional id '%.*s': %zu partitions more than the %zu that its "
                              "transaction has; %d are allowed",
                              WEIR_TXN_SHOWN(to->transactional_id), added, before,
                              WEIR_TXN_PARTITIONS_MAX);
    }
    struct weir_topic_partition *partitions =
        weir_arena_array(arena, before + added + 1, sizeof *partitions);
    if (partitions == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "add to a transaction");
    if (before > 0) memcpy(partitions, txn->partitions, before * sizeof *partitions);
    size_t count = before;
    for (; add != NULL; add = weir_txn_added_with(add)) {
        for (size_t i = 0; i < add->partition_count; i++) {
            partitions[count++] = add->partitions[i];
        }
        if (add->offsets != NULL) partitions[count++] = *add->offsets;
    }
    weir_assert(count == before + added);
    to->partitions = partitions;
    to->partition_count = weir_txn_sort_partitions(partitions, count);
    return 0;
}
