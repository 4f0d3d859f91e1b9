#include "broker/engine/delayed_produce.h"

#include "base/assert.h"
#include "broker/engine/request.h"

/* Produce requests and markers that are appended and wait for the disk, each in a list of their partition. */

void weir_partition_wait_for_flush(struct weir_partition *partition,
                                   struct weir_produce_request *produce)
{
    weir_assert(produce->acks == WEIR_ACKS_ALL);
    weir_assert(produce->last_offset >= partition->high_watermark);
    produce->next = NULL;
    if (partition->acks_last != NULL) {
        partition->acks_last->next = produce;
    } else {
        partition->acks_first = produce;
    }
    partition->acks_last = produce;
}

void weir_partition_hold_marker(struct weir_partition *partition,
                                struct weir_write_marker_request *marker)
{
    marker->next = NULL;
    if (partition->markers_last != NULL) {
        partition->markers_last->next = marker;
    } else {
        partition->markers_first = marker;
    }
    partition->markers_last = marker;
    if (marker->first_offset < partition->markers_unstable) {
        partition->markers_unstable = marker->first_offset;
    }
    weir_partition_note_stable(partition);
}

/* Without those that are durable. Whoever was first need not have been the oldest. */
static struct weir_write_marker_request *take_markers(struct weir_partition *partition, bool all)
{
    struct weir_write_marker_request *first = partition->markers_first;
    struct weir_write_marker_request **end = &partition->markers_first;
    while (*end != NULL && (all || (*end)->last_offset < partition->high_watermark))
        end = &(*end)->next;
    struct weir_write_marker_request *left = *end;
    if (left == first) return NULL;
    *end = NULL;
    partition->markers_first = left;
    if (left == NULL) partition->markers_last = NULL;
    partition->markers_unstable = INT64_MAX;
    for (; left != NULL; left = left->next) {
        if (left->first_offset < partition->markers_unstable) {
            partition->markers_unstable = left->first_offset;
        }
    }
    weir_partition_note_stable(partition);
    return first;
}

/* What has been decided is known to who reads the partition before who has asked for it hears so. */
static void answer_markers(struct weir_partition *partition, int rc, const char *text)
{
    struct weir_write_marker_request *marker = take_markers(partition, rc < 0);
    const struct weir_state_machine_ops *ops = partition->state_machine_ops;
    bool is_read = partition->state_machine != NULL && ops->marked != NULL;
    if (marker != NULL && rc == 0 && is_read) ops->marked(partition->state_machine);
    while (marker != NULL) {
        struct weir_write_marker_request *next = marker->next;
        if (rc < 0) {
            weir_request_refuse(&marker->request, rc, text);
        } else {
            weir_request_reply(&marker->request, 0);
        }
        marker = next;
    }
}

void weir_partition_answer_acks(struct weir_partition *partition, int rc, const char *text)
{
    if (partition->markers_first != NULL) answer_markers(partition, rc, text);
    /* In order of arrival, which is the order of offsets but for duplicates of earlier batches. */
    while (partition->acks_first != NULL) {
        struct weir_produce_request *produce = partition->acks_first;
        if (rc == 0 && produce->last_offset >= partition->high_watermark) break;
        partition->acks_first = produce->next;
        if (partition->acks_first == NULL) partition->acks_last = NULL;
        if (rc < 0) {
            weir_request_refuse(&produce->request, rc, text);
        } else {
            weir_request_reply(&produce->request, 0);
        }
    }
}
