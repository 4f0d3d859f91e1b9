#include "broker/coordinator/pending_offsets.h"

#include "base/assert.h"

static struct weir_slice key_of(const int64_t *producer_id)
{
    return weir_slice(producer_id, sizeof *producer_id);
}

struct weir_offset_transaction *weir_pending_transaction(const struct weir_offsets_image *image,
                                                         int64_t producer_id)
{
    return weir_map_get(&image->transactions, key_of(&producer_id));
}

static struct weir_offset_transaction *need_transaction(struct weir_offsets_image *image,
                                                        int64_t producer_id)
{
    struct weir_offset_transaction *transaction = weir_pending_transaction(image, producer_id);
    if (transaction != NULL) return transaction;
    transaction = weir_alloc_zero(image->budget, sizeof *transaction);
    if (transaction == NULL) return NULL;
    transaction->producer_id = producer_id;
    if (weir_map_add(&image->transactions, key_of(&transaction->producer_id), transaction) < 0) {
        weir_free(transaction);
        return NULL;
    }
    return transaction;
}

static void drop_transaction_if_empty(struct weir_offsets_image *image,
                                      struct weir_offset_transaction *transaction)
{
    if (transaction == NULL || transaction->first != NULL) return;
    (void)weir_map_remove(&image->transactions, key_of(&transaction->producer_id));
    weir_free(transaction);
}

/* ---- the two lists --------------------------------------------------------------------------- */

/* The newest of its partition. */
static void link_to_offset(struct weir_pending_offset *pending)
{
    struct weir_committed_offset *offset = pending->of;
    weir_assert(offset->pending_last == NULL ||
                offset->pending_last->value.order < pending->value.order);
    pending->previous = offset->pending_last;
    pending->next = NULL;
    if (pending->previous != NULL) {
        pending->previous->next = pending;
    } else {
        offset->pending_first = pending;
    }
    offset->pending_last = pending;
}

static void unlink_from_offset(struct weir_pending_offset *pending)
{
    struct weir_committed_offset *offset = pending->of;
    if (pending->previous != NULL) {
        pending->previous->next = pending->next;
    } else {
        weir_assert(offset->pending_first == pending);
        offset->pending_first = pending->next;
    }
    if (pending->next != NULL) {
        pending->next->previous = pending->previous;
    } else {
        weir_assert(offset->pending_last == pending);
        offset->pending_last = pending->previous;
    }
}

static void link_to_transaction(struct weir_pending_offset *pending)
{
    struct weir_offset_transaction *transaction = pending->transaction;
    pending->next_of_transaction = transaction->first;
    if (transaction->first != NULL) transaction->first->previous_of_transaction = pending;
    transaction->first = pending;
}

static void unlink_from_transaction(struct weir_pending_offset *pending)
{
    struct weir_pending_offset *before = pending->previous_of_transaction;
    struct weir_pending_offset *after = pending->next_of_transaction;
    if (before != NULL) {
        before->next_of_transaction = after;
    } else {
        weir_assert(pending->transaction->first == pending);
        pending->transaction->first = after;
    }
    if (after != NULL) after->previous_of_transaction = before;
}

/* ---- the door -------------------------------------------------------------------------------- */

static struct weir_pending_offset *find(const struct weir_committed_offset *offset,
                                        int64_t producer_id)
{
    struct weir_pending_offset *pending = offset->pending_first;
    while (pending != NULL && pending->transaction->producer_id != producer_id)
        pending = pending->next;
    return pending;
}

static struct weir_pending_offset *add(struct weir_offsets_image *image,
                                       struct weir_committed_offset *offset, int64_t producer_id)
{
    struct weir_pending_offset *pending = weir_alloc_zero(image->budget, sizeof *pending);
    struct weir_offset_transaction *transaction =
        pending != NULL ? need_transaction(image, producer_id) : NULL;
    if (transaction == NULL) {
        weir_free(pending);
        return NULL;
    }
    pending->of = offset;
    pending->transaction = transaction;
    link_to_transaction(pending);
    offset->group->pending_count++;
    return pending;
}

int weir_pending_offset_put(struct weir_offsets_image *image, struct weir_committed_offset *offset,
                            int64_t producer_id, const struct weir_offset_value *value)
{
    struct weir_pending_offset *pending = find(offset, producer_id);
    if (pending != NULL) {
        unlink_from_offset(pending);
        weir_free(pending->value.metadata);
    } else {
        pending = add(image, offset, producer_id);
        if (pending == NULL) return WEIR_NO_MEMORY;
    }
    pending->value = *value;
    link_to_offset(pending);
    return 0;
}

void weir_pending_offset_drop(struct weir_offsets_image *image, struct weir_pending_offset *pending)
{
    struct weir_offset_transaction *transaction = pending->transaction;
    weir_assert(pending->of->group->pending_count > 0);
    pending->of->group->pending_count--;
    unlink_from_offset(pending);
    unlink_from_transaction(pending);
    drop_transaction_if_empty(image, transaction);
    weir_free(pending->value.metadata);
    weir_free(pending);
}
