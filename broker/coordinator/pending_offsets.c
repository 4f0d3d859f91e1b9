#include "broker/coordinator/pending_offsets.h"

#include "base/assert.h"

static struct weir_slice key_of(const int64_t *producer_id)
{
    return weir_slice(producer_id, sizeof *producer_id);
}

static struct weir_offset_transaction *find_transaction(const struct weir_pending_offsets *pending,
                                                        int64_t producer_id)
{
    return weir_map_get(&pending->transactions, key_of(&producer_id));
}

static struct weir_offset_transaction *need_transaction(struct weir_pending_offsets *pending,
                                                        int64_t producer_id)
{
    struct weir_offset_transaction *transaction = find_transaction(pending, producer_id);
    if (transaction != NULL) return transaction;
    transaction = weir_alloc_zero(pending->budget, sizeof *transaction);
    if (transaction == NULL) return NULL;
    transaction->producer_id = producer_id;
    if (weir_map_add(&pending->transactions, key_of(&transaction->producer_id), transaction) < 0) {
        weir_free(transaction);
        return NULL;
    }
    return transaction;
}

static void drop_transaction_if_empty(struct weir_pending_offsets *pending,
                                      struct weir_offset_transaction *transaction)
{
    if (transaction->first != NULL) return;
    (void)weir_map_remove(&pending->transactions, key_of(&transaction->producer_id));
    weir_free(transaction);
}

/* ---- the two lists --------------------------------------------------------------------------- */

/* The newest of its partition. */
static void link_to_list(struct weir_pending_offset *one)
{
    struct weir_pending_list *list = one->list;
    weir_assert(list->last == NULL || list->last->value.order < one->value.order);
    one->previous = list->last;
    one->next = NULL;
    if (one->previous != NULL) {
        one->previous->next = one;
    } else {
        list->first = one;
    }
    list->last = one;
}

static void unlink_from_list(struct weir_pending_offset *one)
{
    struct weir_pending_list *list = one->list;
    if (one->previous != NULL) {
        one->previous->next = one->next;
    } else {
        weir_assert(list->first == one);
        list->first = one->next;
    }
    if (one->next != NULL) {
        one->next->previous = one->previous;
    } else {
        weir_assert(list->last == one);
        list->last = one->previous;
    }
}

static void link_to_transaction(struct weir_pending_offset *one)
{
    struct weir_offset_transaction *transaction = one->transaction;
    one->next_of_transaction = transaction->first;
    if (transaction->first != NULL) transaction->first->previous_of_transaction = one;
    transaction->first = one;
}

static void unlink_from_transaction(struct weir_pending_offset *one)
{
    struct weir_pending_offset *before = one->previous_of_transaction;
    struct weir_pending_offset *after = one->next_of_transaction;
    if (before != NULL) {
        before->next_of_transaction = after;
    } else {
        weir_assert(one->transaction->first == one);
        one->transaction->first = after;
    }
    if (after != NULL) after->previous_of_transaction = before;
}

/* ---- the door -------------------------------------------------------------------------------- */

void weir_pending_offsets_init(struct weir_pending_offsets *pending, struct weir_budget *budget)
{
    *pending = (struct weir_pending_offsets){.budget = budget};
    weir_map_init(&pending->transactions, budget);
}

void weir_pending_offsets_close(struct weir_pending_offsets *pending)
{
    weir_assert(weir_map_count(&pending->transactions) == 0);
    weir_map_close(&pending->transactions);
}

static struct weir_pending_offset *find(const struct weir_pending_list *list, int64_t producer_id)
{
    struct weir_pending_offset *one = list->first;
    while (one != NULL && one->transaction->producer_id != producer_id)
        one = one->next;
    return one;
}

/* In its transaction already, and not in its list yet. */
static struct weir_pending_offset *add(struct weir_pending_offsets *pending, int64_t producer_id)
{
    struct weir_pending_offset *one = weir_alloc_zero(pending->budget, sizeof *one);
    struct weir_offset_transaction *transaction =
        one != NULL ? need_transaction(pending, producer_id) : NULL;
    if (transaction == NULL) {
        weir_free(one);
        return NULL;
    }
    one->transaction = transaction;
    link_to_transaction(one);
    return one;
}

int weir_pending_offsets_put(struct weir_pending_offsets *pending, struct weir_pending_list *list,
                             struct weir_committed_offset *of, int64_t producer_id,
                             const struct weir_offset_value *value)
{
    struct weir_pending_offset *one = find(list, producer_id);
    bool is_new = one == NULL;
    if (is_new) {
        one = add(pending, producer_id);
        if (one == NULL) return WEIR_NO_MEMORY;
    } else {
        unlink_from_list(one);
        weir_free(one->value.metadata);
    }
    one->of = of;
    one->list = list;
    one->value = *value;
    link_to_list(one);
    return is_new;
}

void weir_pending_offsets_drop(struct weir_pending_offsets *pending,
                               struct weir_pending_offset *one)
{
    struct weir_offset_transaction *transaction = one->transaction;
    unlink_from_list(one);
    unlink_from_transaction(one);
    drop_transaction_if_empty(pending, transaction);
    weir_free(one->value.metadata);
    weir_free(one);
}

struct weir_pending_offset *
weir_pending_offsets_of_transaction(const struct weir_pending_offsets *pending, int64_t producer_id)
{
    const struct weir_offset_transaction *transaction = find_transaction(pending, producer_id);
    return transaction != NULL ? transaction->first : NULL;
}
