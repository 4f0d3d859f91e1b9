#include "broker/engine/delayed_fetch.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/engine.h"
#include "broker/engine/request.h"

/*
 * Fetches that wait: each is in its partition's list, to be woken by what arrives, and in its shard's heap
 * of deadlines. It does not count again what is there: it says how many bytes the partition has to have
 * taken in since it was opened, and is looked at when it has. Who reads committed is woken by the last stable offset
 * instead: bytes that are there may be of a transaction that is open.
 */

void weir_fetch_show(const struct weir_partition *partition, struct weir_fetch_request *fetch)
{
    fetch->leader_epoch = partition->epoch.current;
    fetch->high_watermark = partition->high_watermark;
    fetch->last_stable_offset = partition->last_stable_offset;
    fetch->log_start_offset = partition->shown.start_offset;
    fetch->log_end_offset = partition->shown.end_offset;
    fetch->durable_offset = partition->shown.durable_offset;
}

void weir_delayed_fetch_check(const struct weir_fetch_request *fetch)
{
    const struct weir_partition *partition = fetch->waits_on;
    weir_assert(partition != NULL);
    const struct weir_deadline_heap *heap = &partition->shard->deadlines;
    weir_assert(fetch->deadline_index > 0 && fetch->deadline_index <= heap->count);
    weir_assert(heap->entries[fetch->deadline_index - 1].item == fetch);
    weir_assert((fetch->previous == NULL) == (partition->fetches == fetch));
    weir_assert(fetch->previous == NULL || fetch->previous->next == fetch);
    weir_assert(fetch->next == NULL || fetch->next->previous == fetch);
    weir_assert(fetch->size_min > 0); /* else it is answered at once */
    weir_assert(fetch->seen_bytes >= 0 && fetch->seen_bytes < fetch->wake_at_bytes);
}

void weir_fetch_stop_waiting(struct weir_fetch_request *fetch)
{
    struct weir_partition *partition = fetch->waits_on;
    weir_delayed_fetch_check(fetch);
    if (fetch->previous != NULL) {
        fetch->previous->next = fetch->next;
    } else {
        partition->fetches = fetch->next;
    }
    if (fetch->next != NULL) fetch->next->previous = fetch->previous;
    weir_deadline_heap_remove(&partition->shard->deadlines, &fetch->deadline_index);
    fetch->waits_on = NULL;
}

void weir_fetch_wait(struct weir_partition *partition, struct weir_fetch_request *fetch,
                     size_t missing)
{
    weir_assert(fetch->waits_on == NULL && missing > 0);
    weir_assert(fetch->seen_bytes <= weir_fetch_bytes_now(partition, fetch));
    struct weir_deadline deadline = {fetch->deadline, fetch, &fetch->deadline_index};
    if (weir_deadline_heap_add(&partition->shard->deadlines, deadline) < 0) {
        weir_request_refuse(&fetch->request, WEIR_NO_MEMORY, "wait for data");
        return;
    }
    if (fetch->read_committed) missing = 1; /* one move */
    fetch->wake_at_bytes =
        fetch->seen_bytes + (int64_t)(missing > INT64_MAX / 2 ? INT64_MAX / 2 : missing);
    fetch->seen_start_offset = partition->shown.start_offset;
    fetch->waits_on = partition;
    fetch->previous = NULL;
    fetch->next = partition->fetches;
    if (fetch->next != NULL) fetch->next->previous = fetch;
    partition->fetches = fetch;
    weir_delayed_fetch_check(fetch);
}

void weir_partition_answer_fetches(struct weir_partition *partition, int rc, const char *text)
{
    while (partition->fetches != NULL) {
        struct weir_fetch_request *fetch = partition->fetches;
        weir_fetch_stop_waiting(fetch);
        weir_fetch_show(partition, fetch);
        weir_request_refuse(&fetch->request, rc, text);
    }
}
