#include "broker/log/cleaner_transactions.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"

struct open_transaction {
    int64_t producer_id; /* the key */
    int64_t first_offset;
};

void weir_cleaner_transactions_init(struct weir_cleaner_transactions *transactions,
                                    struct weir_budget *budget)
{
    *transactions = (struct weir_cleaner_transactions){.budget = budget};
    weir_map_init(&transactions->open, budget);
    weir_buffer_init(&transactions->aborted, budget, 0);
}

static void forget_open(struct weir_cleaner_transactions *transactions)
{
    size_t at = 0;
    struct open_transaction *open;
    while ((open = weir_map_next(&transactions->open, &at)) != NULL) {
        (void)weir_map_remove(&transactions->open,
                              weir_slice(&open->producer_id, sizeof open->producer_id));
        weir_free(open);
    }
}

void weir_cleaner_transactions_close(struct weir_cleaner_transactions *transactions)
{
    forget_open(transactions);
    weir_map_close(&transactions->open);
    weir_buffer_close(&transactions->aborted);
}

static struct weir_slice key_of(const int64_t *producer_id)
{
    return weir_slice(producer_id, sizeof *producer_id);
}

static int begin(struct weir_cleaner_transactions *transactions,
                 const struct weir_batch_header *header)
{
    if (weir_map_get(&transactions->open, key_of(&header->producer_id)) != NULL) return 0;
    struct open_transaction *open = weir_alloc(transactions->budget, sizeof *open);
    if (open == NULL) return WEIR_NO_MEMORY;
    *open = (struct open_transaction){header->producer_id, header->base_offset};
    int rc = weir_map_add(&transactions->open, key_of(&open->producer_id), open);
    if (rc < 0) weir_free(open);
    return rc;
}

/* The one that ends with this marker; NULL: none of its data was met. */
static struct open_transaction *end(struct weir_cleaner_transactions *transactions,
                                    const struct weir_batch_header *header)
{
    return weir_map_remove(&transactions->open, key_of(&header->producer_id));
}

int weir_cleaner_transactions_note(struct weir_cleaner_transactions *transactions,
                                   const struct weir_batch_header *header, int control_type)
{
    weir_assert(!transactions->is_sealed);
    if (!weir_batch_is_control(header)) return begin(transactions, header);
    struct open_transaction *open = end(transactions, header);
    if (open == NULL) return 0;
    if (control_type == WEIR_CONTROL_ABORT) {
        struct weir_cleaner_aborted aborted = {
            .producer_id = header->producer_id,
            .first_offset = open->first_offset,
            .marker_offset = header->base_offset,
        };
        weir_buffer_append(&transactions->aborted, &aborted, sizeof aborted);
    }
    weir_free(open);
    return transactions->aborted.failed ? WEIR_NO_MEMORY : 0;
}

bool weir_cleaner_transactions_has_open(const struct weir_cleaner_transactions *transactions)
{
    return weir_map_count(&transactions->open) > 0;
}

static int compare(const void *a, const void *b)
{
    const struct weir_cleaner_aborted *one = a;
    const struct weir_cleaner_aborted *other = b;
    if (one->producer_id != other->producer_id) {
        return one->producer_id < other->producer_id ? -1 : 1;
    }
    return (one->first_offset > other->first_offset) - (one->first_offset < other->first_offset);
}

static struct weir_cleaner_aborted *
aborted_list(const struct weir_cleaner_transactions *transactions, size_t *count_out)
{
    *count_out = transactions->aborted.size / sizeof(struct weir_cleaner_aborted);
    return (struct weir_cleaner_aborted *)(void *)transactions->aborted.data;
}

int64_t weir_cleaner_transactions_seal(struct weir_cleaner_transactions *transactions)
{
    size_t at = 0;
    size_t count;
    int64_t first = INT64_MAX;
    const struct open_transaction *open;
    weir_assert(!transactions->is_sealed);
    while ((open = weir_map_next(&transactions->open, &at)) != NULL) {
        if (open->first_offset < first) first = open->first_offset;
    }
    forget_open(transactions);
    struct weir_cleaner_aborted *list = aborted_list(transactions, &count);
    if (count > 1) qsort(list, count, sizeof *list, compare);
    transactions->is_sealed = true;
    return first;
}

bool weir_cleaner_transactions_is_aborted(const struct weir_cleaner_transactions *transactions,
                                          const struct weir_batch_header *header)
{
    size_t low = 0;
    size_t high;
    weir_assert(transactions->is_sealed);
    const struct weir_cleaner_aborted *list = aborted_list(transactions, &high);
    const struct weir_cleaner_aborted wanted = {
        .producer_id = header->producer_id,
        .first_offset = header->base_offset,
    };
    while (low < high) { /* the last one that does not begin behind it */
        size_t middle = low + (high - low) / 2;
        if (compare(&list[middle], &wanted) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) return false;
    const struct weir_cleaner_aborted *last = &list[low - 1];
    return last->producer_id == header->producer_id && header->base_offset < last->marker_offset;
}

int weir_cleaner_transactions_data(struct weir_cleaner_transactions *transactions,
                                   const struct weir_batch_header *header)
{
    weir_assert(transactions->is_sealed);
    return begin(transactions, header);
}

bool weir_cleaner_transactions_marker(struct weir_cleaner_transactions *transactions,
                                      const struct weir_batch_header *header)
{
    weir_assert(transactions->is_sealed);
    struct open_transaction *open = end(transactions, header);
    weir_free(open);
    return open == NULL;
}
