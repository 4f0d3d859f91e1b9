#include "broker/engine/delayed_produce.h"

#include "base/assert.h"
#include "broker/engine/request.h"

/* Produce requests that are appended and wait for the disk, in a list of their partition. */

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

void weir_partition_answer_acks(struct weir_partition *partition, int rc, const char *text)
{
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
