#include "wire/request/committed_filter.h"

#include <stdlib.h>

#include "base/assert.h"

static int by_first_offset(const void *a, const void *b)
{
    const struct weir_aborted_transaction *left = a;
    const struct weir_aborted_transaction *right = b;
    return (left->first_offset > right->first_offset) - (left->first_offset < right->first_offset);
}

void weir_committed_filter_begin(struct weir_committed_filter *filter,
                                 struct weir_aborted_transaction *aborted, size_t count)
{
    weir_assert(aborted != NULL || count == 0);
    *filter = (struct weir_committed_filter){.aborted = aborted, .count = count};
    if (count > 1) qsort(aborted, count, sizeof *aborted, by_first_offset);
}

/* Where the producer is among those that are passed over, or their count. */
static size_t find_open(const struct weir_committed_filter *filter, int64_t producer_id)
{
    size_t at = 0;
    while (at < filter->open_count && filter->aborted[at].producer_id != producer_id)
        at++;
    return at;
}

/* Transactions that begin at or below `offset` have begun. */
static void advance(struct weir_committed_filter *filter, int64_t offset)
{
    while (filter->next < filter->count && filter->aborted[filter->next].first_offset <= offset) {
        struct weir_aborted_transaction begun = filter->aborted[filter->next++];
        if (find_open(filter, begun.producer_id) < filter->open_count) continue;
        filter->aborted[filter->open_count++] = begun;
    }
    weir_assert(filter->open_count <= filter->next);
}

static void end(struct weir_committed_filter *filter, int64_t producer_id)
{
    size_t at = find_open(filter, producer_id);
    if (at == filter->open_count) return;
    filter->aborted[at] = filter->aborted[--filter->open_count];
}

/* Only who has a transaction passed over is told of its end by an abort. */
static int pass_control(struct weir_committed_filter *filter, struct weir_batch_reader *reader,
                        struct weir_error *error)
{
    struct weir_transaction_marker marker;
    const struct weir_batch_header *header = &reader->header;
    if (find_open(filter, header->producer_id) == filter->open_count) return WEIR_END;
    int rc = weir_batch_check_crc(reader->batch, error);
    if (rc == 0) rc = weir_batch_read_marker(reader->batch, header, &marker, error);
    if (rc < 0) return rc;
    if (rc == 0 && !marker.is_commit) end(filter, header->producer_id);
    return WEIR_END;
}

int weir_committed_filter_admit(struct weir_committed_filter *filter,
                                struct weir_batch_reader *reader, struct weir_error *error)
{
    const struct weir_batch_header *header = &reader->header;
    bool is_control = weir_batch_is_control(header);
    weir_assert(!weir_slice_is_null(reader->batch)); /* after a next that gave one */
    if (filter->count == 0) return is_control ? WEIR_END : 0;
    advance(filter, weir_batch_last_offset(header));
    if (is_control) return pass_control(filter, reader, error);
    if (!weir_batch_is_transactional(header)) return 0;
    return find_open(filter, header->producer_id) < filter->open_count ? WEIR_END : 0;
}
