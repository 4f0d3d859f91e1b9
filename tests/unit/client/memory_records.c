/** The records of the log in memory: produced, fetched, waited for and cut; where they begin and end. */
#include "tests/unit/client/memory_log_internal.h"

#include <stdlib.h>

#include <check.h>

#include "wire/record_batch_reader.h"

static void append(struct memory_partition *partition, struct weir_produce_request *request)
{
    size_t size = request->size > 0 ? request->size : request->batches->size;
    struct weir_batch_reader reader = {
        .rest = weir_slice(request->batches->data + request->from, size), .is_whole = true};
    request->base_offset = partition->end;
    while (weir_batch_reader_next(&reader, NULL) == 0) {
        size_t from = (size_t)(reader.batch.data - request->batches->data);
        weir_batch_assign(request->batches->data + from, partition->end, partition->epoch);
        partition->end += reader.header.last_offset_delta + 1;
        struct memory_stored *stored = malloc(sizeof *stored);
        ck_assert_ptr_nonnull(stored);
        *stored = (struct memory_stored){
            .part = {weir_shared_ref(request->batches), from, reader.batch.size},
            .next_offset = partition->end,
        };
        *partition->last = stored;
        partition->last = &stored->next;
    }
    request->last_offset = partition->end - 1;
}

static void give(const struct memory_partition *partition, struct weir_fetch_request *fetch)
{
    struct weir_log_batches *batches = &fetch->batches;
    for (const struct memory_stored *at = partition->first; at != NULL; at = at->next) {
        bool is_full = batches->part_count == WEIR_LOG_PARTS_MAX ||
                       (fetch->size > 0 && fetch->size + at->part.size > fetch->size_max);
        if (is_full) break;
        if (at->next_offset <= fetch->offset) continue;
        weir_shared_ref(at->part.bytes);
        batches->parts[batches->part_count++] = at->part;
        fetch->size += at->part.size;
    }
}

static void answer_fetch(struct memory_log *memory, struct weir_fetch_request *fetch, int rc)
{
    memory_reply(memory, MEMORY_FETCH, &fetch->request, rc);
}

/* Answered, or put in line for what comes. */
static void take_up(struct memory_log *memory, struct weir_fetch_request *fetch)
{
    struct memory_partition *partition = NULL;
    int rc = memory_fault_of(memory, MEMORY_FETCH);
    if (rc == 0) rc = memory_find_partition(memory, &fetch->request, fetch->from, &partition);
    if (partition != NULL) {
        fetch->leader_epoch = partition->epoch;
        fetch->high_watermark = fetch->log_end_offset = partition->end;
        fetch->last_stable_offset = partition->end; /* there are no transactions */
        fetch->log_start_offset = partition->start;
        bool is_inside = fetch->offset >= partition->start && fetch->offset <= partition->end;
        if (!is_inside) rc = WEIR_OFFSET_OUT_OF_RANGE;
    }
    if (rc == 0) give(partition, fetch);
    bool is_waiting =
        rc == 0 && fetch->size < fetch->size_min && fetch->deadline.ns == WEIR_MONO_NEVER.ns;
    if (is_waiting) {
        fetch->next = partition->waiting;
        partition->waiting = fetch;
    } else {
        answer_fetch(memory, fetch, rc);
    }
}

static bool is_held(const struct memory_log *memory, const struct weir_fetch_request *fetch)
{
    const struct memory_log_faults *faults = &memory->faults;
    if (!faults->is_held || faults->held_topic == NULL) return faults->is_held;
    return weir_slice_equal(fetch->from.topic, weir_text(faults->held_topic)) &&
           fetch->from.partition == faults->held_partition;
}

void memory_handle_fetch(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_fetch_request *fetch = (struct weir_fetch_request *)asked;
    if (is_held(memory, fetch)) {
        fetch->next = memory->held;
        memory->held = fetch;
    } else {
        take_up(memory, fetch);
    }
}

void memory_wake(struct memory_log *memory, struct weir_fetch_request **line)
{
    struct weir_fetch_request *fetch = *line;
    *line = NULL;
    while (fetch != NULL) {
        struct weir_fetch_request *next = fetch->next;
        take_up(memory, fetch);
        fetch = next;
    }
}

static bool take_out(struct weir_fetch_request **line, const struct weir_fetch_request *fetch)
{
    while (*line != NULL && *line != fetch) {
        line = &(*line)->next;
    }
    if (*line == NULL) return false;
    *line = fetch->next;
    return true;
}

static bool stop_waiting(struct memory_log *memory, const struct weir_fetch_request *fetch)
{
    if (take_out(&memory->held, fetch)) return true;
    for (size_t t = 0; t < MEMORY_TOPICS_MAX; t++) {
        for (size_t p = 0; p < MEMORY_PARTITIONS_MAX; p++) {
            if (take_out(&memory->topics[t].partitions[p].waiting, fetch)) return true;
        }
    }
    return false;
}

/* The simulator is one thread: what is in no line has been answered, or is still in the mailbox, from
 * where it will be answered with what is there. */
void memory_cancel_fetch(void *impl, struct weir_fetch_request *fetch)
{
    fetch->deadline = (struct weir_mono){0};
    if (stop_waiting(impl, fetch)) answer_fetch(impl, fetch, WEIR_CLOSED);
}

static int check_transaction(struct memory_log *memory, const struct weir_produce_request *request)
{
    struct weir_batch_header header;
    struct weir_slice bytes = weir_slice(request->batches->data, request->batches->size);
    ck_assert_int_eq(weir_batch_peek(bytes, 0, &header, NULL), 0);
    ck_assert_int_eq(weir_batch_is_transactional(&header),
                     !weir_slice_is_null(request->transactional_id));
    if (!weir_batch_is_transactional(&header)) return 0;
    ck_assert(request->is_transaction_version_2);
    int rc = 0;
    (void)memory_enter_transaction(memory, header.producer_id, header.producer_epoch, &rc);
    return rc;
}

void memory_handle_produce(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_produce_request *request = (struct weir_produce_request *)asked;
    struct memory_partition *partition = NULL;
    int rc = memory_fault_of(memory, MEMORY_PRODUCE);
    if (rc == 0) rc = memory_find_partition(memory, asked, request->to, &partition);
    if (rc == 0) rc = check_transaction(memory, request);
    if (rc == 0) append(partition, request);
    memory_reply(memory, MEMORY_PRODUCE, asked, rc);
    if (rc == 0) memory_wake(memory, &partition->waiting);
}

/* ---- offsets --------------------------------------------------------------------------------- */

void memory_handle_list_offsets(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_list_offsets_request *request = (struct weir_list_offsets_request *)asked;
    struct memory_partition *partition = NULL;
    int rc = memory_fault_of(memory, MEMORY_LIST_OFFSETS);
    if (rc == 0) rc = memory_find_partition(memory, asked, request->of, &partition);
    if (rc == 0) {
        bool is_first = request->timestamp_ms == WEIR_OFFSET_EARLIEST;
        request->offset = is_first ? partition->start : partition->end;
        request->timestamp_found_ms = -1;
        request->leader_epoch = partition->epoch;
        request->log_end_offset = partition->end;
    }
    memory_reply(memory, MEMORY_LIST_OFFSETS, asked, rc);
}

void memory_handle_epoch_end(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_epoch_end_request *request = (struct weir_epoch_end_request *)asked;
    struct memory_partition *partition = NULL;
    int rc = memory_fault_of(memory, MEMORY_EPOCH_END);
    if (rc == 0) rc = memory_find_partition(memory, asked, request->of, &partition);
    if (rc == 0) {
        bool is_last = request->epoch == partition->epoch;
        bool is_unknown = request->epoch > partition->epoch;
        request->epoch_found = is_unknown ? -1 : request->epoch;
        request->end_offset = is_unknown ? -1
                              : is_last  ? partition->end
                                         : partition->epoch_starts[request->epoch + 1];
    }
    memory_reply(memory, MEMORY_EPOCH_END, asked, rc);
}

void memory_handle_describe(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_describe_partition_request *request =
        (struct weir_describe_partition_request *)asked;
    struct memory_partition *partition = NULL;
    int rc = memory_fault_of(memory, MEMORY_DESCRIBE);
    if (rc == 0) rc = memory_find_partition(memory, asked, request->of, &partition);
    if (rc == 0) {
        request->log_start_offset = partition->start;
        request->log_end_offset = request->high_watermark = partition->end;
        request->leader_epoch = partition->epoch;
        request->offline_from = -1;
    }
    memory_reply(memory, MEMORY_DESCRIBE, asked, rc);
}

/* A tail is not cut, as in a cluster; that it never will be is fine. */
void memory_handle_cut(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_cut_request *request = (struct weir_cut_request *)asked;
    struct memory_partition *partition = NULL;
    int rc = memory_fault_of(memory, MEMORY_CUT);
    if (rc == 0) rc = memory_find_partition(memory, asked, request->partition, &partition);
    if (rc == 0 && request->what == WEIR_CUT_TAIL) rc = WEIR_UNSUPPORTED;
    if (rc == 0) {
        bool is_head =
            request->what == WEIR_CUT_HEAD; /* else it is a promise, and nothing is cut */
        int64_t start = request->offset < 0 ? partition->end : request->offset;
        if (!is_head) start = partition->start;
        if (start > partition->start) partition->start = start;
        while (partition->first != NULL && partition->first->next_offset <= start) {
            memory_drop_first(partition);
        }
        request->start_offset = partition->start;
        request->end_offset = partition->end;
    }
    memory_reply(memory, MEMORY_CUT, asked, rc);
}

void memory_handle_report_damage(struct memory_log *memory, struct weir_request *asked)
{
    memory_reply(memory, MEMORY_FETCH, asked, WEIR_UNSUPPORTED);
}
