#include "broker/log/producer_state.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "wire/generated/producer_snapshot.h"

enum { FORGET_COUNT_MAX = 4, NO_COORDINATOR_EPOCH = -1, NO_TRANSACTION = -1 };

void weir_producer_state_init(struct weir_producer_state *state, struct weir_budget *budget)
{
    *state = (struct weir_producer_state){
        .budget = budget, .count_max = WEIR_PRODUCERS_MAX, .count_limit = WEIR_PRODUCERS_LIMIT};
    weir_map_init(&state->map, budget);
}

void weir_producer_state_close(struct weir_producer_state *state)
{
    if (state->budget == NULL) return;
    while (state->oldest != NULL) {
        struct weir_producer *gone = state->oldest;
        state->oldest = gone->newer;
        weir_free(gone);
    }
    state->newest = NULL;
    state->first_open = NULL;
    state->last_open = NULL;
    weir_map_close(&state->map);
    weir_map_init(&state->map, state->budget);
}

/* ---- who there is, in order of last use ------------------------------------------------------ */

static struct weir_slice key_of(const int64_t *id)
{
    return weir_slice(id, sizeof *id);
}

static struct weir_producer *find(const struct weir_producer_state *state, int64_t id)
{
    return weir_map_get(&state->map, key_of(&id));
}

static void unlink_producer(struct weir_producer_state *state, struct weir_producer *producer)
{
    *(producer->older != NULL ? &producer->older->newer : &state->oldest) = producer->newer;
    *(producer->newer != NULL ? &producer->newer->older : &state->newest) = producer->older;
    producer->older = NULL;
    producer->newer = NULL;
}

static void link_newest(struct weir_producer_state *state, struct weir_producer *producer)
{
    producer->older = state->newest;
    producer->newer = NULL;
    *(state->newest != NULL ? &state->newest->newer : &state->oldest) = producer;
    state->newest = producer;
}

static void link_oldest(struct weir_producer_state *state, struct weir_producer *producer)
{
    producer->older = NULL;
    producer->newer = state->oldest;
    *(state->oldest != NULL ? &state->oldest->older : &state->newest) = producer;
    state->oldest = producer;
}

static struct weir_producer *add_producer(struct weir_producer_state *state, int64_t id)
{
    struct weir_producer *producer = weir_alloc_zero(state->budget, sizeof *producer);
    if (producer == NULL) return NULL;
    producer->id = id;
    producer->epoch = WEIR_NO_PRODUCER_EPOCH;
    producer->coordinator_epoch = NO_COORDINATOR_EPOCH;
    producer->transaction_first_offset = NO_TRANSACTION;
    if (weir_map_add(&state->map, key_of(&producer->id), producer) < 0) {
        weir_free(producer);
        return NULL;
    }
    link_newest(state, producer);
    return producer;
}

/* ---- open transactions, in order of their first offsets --------------------------------------- */

static bool is_open(const struct weir_producer *producer)
{
    return producer->transaction_first_offset >= 0;
}

/* Nearly always the last: offsets rise. What was stored comes in the order of last use. */
static void link_open(struct weir_producer_state *state, struct weir_producer *producer)
{
    struct weir_producer *before = state->last_open;
    while (before != NULL &&
           before->transaction_first_offset > producer->transaction_first_offset) {
        before = before->opened_before;
    }
    struct weir_producer *after = before != NULL ? before->opened_after : state->first_open;
    producer->opened_before = before;
    producer->opened_after = after;
    *(before != NULL ? &before->opened_after : &state->first_open) = producer;
    *(after != NULL ? &after->opened_before : &state->last_open) = producer;
}

static void set_transaction(struct weir_producer_state *state, struct weir_producer *producer,
                            int64_t first_offset)
{
    if (is_open(producer)) {
        struct weir_producer *before = producer->opened_before;
        struct weir_producer *after = producer->opened_after;
        *(before != NULL ? &before->opened_after : &state->first_open) = after;
        *(after != NULL ? &after->opened_before : &state->last_open) = before;
        producer->opened_before = NULL;
        producer->opened_after = NULL;
    }
    producer->transaction_first_offset = first_offset;
    if (is_open(producer)) link_open(state, producer);
}

int64_t weir_producer_state_first_unstable(const struct weir_producer_state *state)
{
    const struct weir_producer *first = state->first_open;
    return first != NULL ? first->transaction_first_offset : NO_TRANSACTION;
}

/* ---- what is known of one -------------------------------------------------------------------- */

static bool is_known(const struct weir_producer *producer)
{
    return producer->epoch >= 0;
}

static void forget(struct weir_producer_state *state, struct weir_producer *producer)
{
    set_transaction(state, producer, NO_TRANSACTION);
    unlink_producer(state, producer);
    (void)weir_map_remove(&state->map, key_of(&producer->id)); /* it is what is removed */
    weir_free(producer);
}

/* All that is known of it; its place in the order of last use stays. */
static void set_facts(struct weir_producer_state *state, struct weir_producer *producer,
                      const struct weir_producer *facts)
{
    set_transaction(state, producer, NO_TRANSACTION);
    struct weir_producer *older = producer->older;
    struct weir_producer *newer = producer->newer;
    *producer = *facts;
    producer->older = older;
    producer->newer = newer;
    producer->opened_before = NULL;
    producer->opened_after = NULL;
    producer->transaction_first_offset = NO_TRANSACTION;
    set_transaction(state, producer, facts->transaction_first_offset);
}

/* ---- what a batch may be --------------------------------------------------------------------- */

static bool has_producer(const struct weir_batch_header *header)
{
    return header->producer_id >= 0 && header->producer_epoch >= 0;
}

/* The marker that ends a transaction. Control records without a producer are the controller's. */
static bool is_marker(const struct weir_batch_header *header)
{
    return has_producer(header) && weir_batch_is_control(header);
}

/* Markers carry a producer id but no sequence. */
static bool has_sequence(const struct weir_batch_header *header)
{
    return has_producer(header) && header->base_sequence >= 0 && !weir_batch_is_control(header);
}

/* What a coordinator writes for a transaction (offsets that are committed within one) is in it, but has no
 * sequence: nobody sends it twice. */
static bool is_in_transaction(const struct weir_batch_header *header)
{
    return has_producer(header) && weir_batch_is_transactional(header) &&
           !weir_batch_is_control(header);
}

/* Is there something of it to be remembered? */
static bool is_noted(const struct weir_batch_header *header)
{
    return has_sequence(header) || is_in_transaction(header) || is_marker(header);
}

static int32_t last_sequence(const struct weir_batch_header *header)
{
    return weir_sequence_add(header->base_sequence, header->last_offset_delta);
}

static int out_of_order(const struct weir_batch_header *header, int32_t expected,
                        struct weir_error *error)
{
    return weir_error_set(
        error, WEIR_OUT_OF_ORDER_SEQUENCE,
        "producer %" PRId64 " epoch %d: sequence %" PRId32 " where %" PRId32 " is next",
        header->producer_id, header->producer_epoch, header->base_sequence, expected);
}

static int fenced(const struct weir_producer *producer, int16_t epoch, struct weir_error *error)
{
    return weir_error_set(error, WEIR_PRODUCER_FENCED,
                          "producer %" PRId64 ": epoch %d is older than %d", producer->id, epoch,
                          producer->epoch);
}

/* Within one transaction everything is of it. */
static int check_mixture(const struct weir_producer *producer,
                         const struct weir_batch_header *header, struct weir_error *error)
{
    if (!is_open(producer) || weir_batch_is_transactional(header)) return 0;
    return weir_error_set(error, WEIR_INVALID_TXN_STATE,
                          "producer %" PRId64 ": a batch of no transaction, and one is open from "
                          "offset %" PRId64,
                          header->producer_id, producer->transaction_first_offset);
}

/* The window of five, then the gap. */
static int check_sequence(const struct weir_producer *producer,
                          const struct weir_batch_header *header,
                          struct weir_producer_batch *duplicate_out, struct weir_error *error)
{
    if (header->producer_epoch > producer->epoch) {
        return header->base_sequence == 0 ? 0 : out_of_order(header, 0, error);
    }
    int32_t last = last_sequence(header);
    for (int i = producer->batch_count; i > 0; i--) {
        const struct weir_producer_batch *batch = &producer->batches[i - 1];
        if (batch->first_sequence == header->base_sequence && batch->last_sequence == last) {
            *duplicate_out = *batch;
            return WEIR_END;
        }
    }
    int32_t expected = 0; /* after the marker that began the epoch */
    if (producer->batch_count > 0) {
        int32_t newest = producer->batches[producer->batch_count - 1].last_sequence;
        expected = weir_sequence_add(newest, 1);
    }
    return header->base_sequence == expected ? 0 : out_of_order(header, expected, error);
}

/* Epoch first, then the sequence, then the transaction: the order in which Kafka asks. */
static int check_against(const struct weir_producer *producer,
                         const struct weir_batch_header *header,
                         struct weir_producer_batch *duplicate_out, struct weir_error *error)
{
    if (header->producer_epoch < producer->epoch) {
        return fenced(producer, header->producer_epoch, error);
    }
    int rc = has_sequence(header) ? check_sequence(producer, header, duplicate_out, error) : 0;
    return rc == 0 ? check_mixture(producer, header, error) : rc;
}

/* The one before is in the same append: what is in memory does not know it yet. */
static int check_follows(const struct weir_batch_header *previous,
                         const struct weir_batch_header *header, struct weir_error *error)
{
    int32_t expected = weir_sequence_add(last_sequence(previous), 1);
    bool is_same_producer = previous->producer_id == header->producer_id &&
                            previous->producer_epoch == header->producer_epoch;
    if (!is_same_producer || header->base_sequence != expected) {
        return out_of_order(header, expected, error);
    }
    if (weir_batch_is_transactional(previous) == weir_batch_is_transactional(header)) return 0;
    return weir_error_set(error, WEIR_INVALID_TXN_STATE,
                          "producer %" PRId64
                          ": batches of a transaction and of none in one append",
                          header->producer_id);
}

int weir_producer_state_admit(const struct weir_producer_state *state,
                              const struct weir_batch_header *header,
                              const struct weir_batch_header *previous,
                              struct weir_producer_batch *duplicate_out, struct weir_error *error)
{
    if (!has_sequence(header) && !is_in_transaction(header)) return 0;
    if (previous != NULL && has_sequence(header)) return check_follows(previous, header, error);
    const struct weir_producer *producer = find(state, header->producer_id);
    if (producer == NULL || !is_known(producer)) return 0; /* any first sequence will do */
    return check_against(producer, header, duplicate_out, error);
}

bool weir_producer_state_knows(const struct weir_producer_state *state, int64_t producer_id)
{
    const struct weir_producer *producer = find(state, producer_id);
    return producer != NULL && is_known(producer);
}

int weir_producer_state_check_new(const struct weir_producer_state *state,
                                  const struct weir_batch_header *header, struct weir_error *error)
{
    if (!has_sequence(header) || header->base_sequence == 0) return 0;
    const struct weir_producer *producer = find(state, header->producer_id);
    bool is_new = producer == NULL || !is_known(producer);
    return is_new ? out_of_order(header, 0, error) : 0;
}

int weir_producer_state_admit_marker(const struct weir_producer_state *state,
                                     const struct weir_transaction_marker *marker,
                                     bool is_version_2, struct weir_error *error)
{
    const struct weir_producer *producer = find(state, marker->producer_id);
    if (producer == NULL || !is_known(producer)) return 0;
    if (marker->producer_epoch < producer->epoch) {
        return fenced(producer, marker->producer_epoch, error);
    }
    if (marker->coordinator_epoch < producer->coordinator_epoch) {
        return weir_error_set(error, WEIR_TRANSACTION_COORDINATOR_FENCED,
                              "producer %" PRId64 ": a marker of coordinator epoch %" PRId32
                              ", which is older than %" PRId32,
                              marker->producer_id, marker->coordinator_epoch,
                              producer->coordinator_epoch);
    }
    if (marker->producer_epoch > producer->epoch) return 0;
    if (is_open(producer)) {
        /* Each of its transactions has an epoch of its own, which the marker's is above. */
        return is_version_2 ? fenced(producer, marker->producer_epoch, error) : 0;
    }
    bool is_there = is_version_2 || marker->coordinator_epoch == producer->coordinator_epoch;
    return is_there ? WEIR_END : 0;
}

struct weir_open_transaction
weir_producer_state_transaction(const struct weir_producer_state *state, int64_t producer_id)
{
    const struct weir_producer *producer = find(state, producer_id);
    if (producer == NULL) {
        return (struct weir_open_transaction){NO_TRANSACTION, WEIR_NO_PRODUCER_EPOCH};
    }
    return (struct weir_open_transaction){producer->transaction_first_offset, producer->epoch};
}

static bool was_idle_for(const struct weir_producer *producer, struct weir_mono now, int64_t ms)
{
    return now.ns > weir_mono_after_ms(producer->used, ms).ns;
}

/* Every one of the map is in the line by last use, and says of its batches what can be. */
static bool is_in_line(const struct weir_producer_state *state)
{
    size_t count = 0;
    const struct weir_producer *older = NULL;
    for (const struct weir_producer *at = state->oldest; at != NULL; at = at->newer) {
        if (at->older != older || at->batch_count > WEIR_PRODUCER_BATCHES) return false;
        if (find(state, at->id) != at) return false;
        older = at;
        count++;
    }
    return older == state->newest && count == weir_map_count(&state->map);
}

/* The open transactions, and no others, are in order of their first offsets. */
static bool opens_in_order(const struct weir_producer_state *state)
{
    const struct weir_producer *before = NULL;
    for (const struct weir_producer *at = state->first_open; at != NULL; at = at->opened_after) {
        int64_t from = before != NULL ? before->transaction_first_offset : NO_TRANSACTION;
        if (at->opened_before != before || at->transaction_first_offset <= from) return false;
        before = at;
    }
    return before == state->last_open;
}

void weir_producer_state_check(const struct weir_producer_state *state)
{
    weir_assert((state->oldest == NULL) == (weir_map_count(&state->map) == 0));
    weir_assert((state->oldest == NULL) == (state->newest == NULL));
    weir_assert(state->oldest == NULL || state->oldest->older == NULL);
    weir_assert(state->newest == NULL || state->newest->newer == NULL);
    weir_assert((state->first_open == NULL) == (state->last_open == NULL));
    weir_assert(state->first_open == NULL || is_open(state->first_open));
    weir_assert_slow(is_in_line(state));
    weir_assert_slow(opens_in_order(state));
}

/* Longest idle of those without an open transaction. A name alone may be of the append that is being made. */
static struct weir_producer *oldest_to_forget(const struct weir_producer_state *state)
{
    struct weir_producer *producer = state->oldest;
    while (producer != NULL && (is_open(producer) || !is_known(producer))) {
        producer = producer->newer;
    }
    return producer;
}

bool weir_producer_state_has_place(const struct weir_producer_state *state,
                                   const struct weir_batch_header *header, struct weir_mono now)
{
    if (weir_map_count(&state->map) < state->count_limit || !has_sequence(header)) return true;
    if (find(state, header->producer_id) != NULL) return true;
    if (state->oldest != NULL && !is_known(state->oldest)) return true;
    const struct weir_producer *oldest = oldest_to_forget(state);
    return oldest != NULL && was_idle_for(oldest, now, WEIR_PRODUCER_KEEP_MS);
}

void weir_producer_state_drop_names(struct weir_producer_state *state)
{
    while (state->oldest != NULL && !is_known(state->oldest))
        forget(state, state->oldest);
}

int weir_producer_state_reserve(struct weir_producer_state *state,
                                const struct weir_batch_header *header)
{
    if (!is_noted(header) || find(state, header->producer_id) != NULL) return 0;
    struct weir_producer *producer = add_producer(state, header->producer_id);
    if (producer == NULL) return WEIR_NO_MEMORY;
    unlink_producer(state, producer);
    link_oldest(state, producer);
    return 0;
}

static void push_batch(struct weir_producer *producer, struct weir_producer_batch batch)
{
    if (producer->batch_count == WEIR_PRODUCER_BATCHES) {
        memmove(producer->batches, producer->batches + 1,
                (WEIR_PRODUCER_BATCHES - 1) * sizeof batch);
        producer->batch_count--;
    }
    producer->batches[producer->batch_count++] = batch;
}

/* A few at a time: more than come. */
static void forget_idle(struct weir_producer_state *state, struct weir_mono now)
{
    for (int i = 0; i < FORGET_COUNT_MAX; i++) {
        if (weir_map_count(&state->map) <= state->count_max) return;
        struct weir_producer *oldest = oldest_to_forget(state);
        if (oldest == NULL || !was_idle_for(oldest, now, WEIR_PRODUCER_KEEP_MS)) return;
        forget(state, oldest);
    }
}

/* A batch, or a marker, of this epoch: sequences begin anew with each. */
static void note_use(struct weir_producer_state *state, struct weir_producer *producer,
                     int16_t epoch, struct weir_mono now)
{
    if (producer->epoch != epoch) producer->batch_count = 0;
    producer->epoch = epoch;
    producer->used = now;
    unlink_producer(state, producer);
    link_newest(state, producer);
}

/* Also of a producer that is not known: what it may still send of that transaction is fenced by the epoch. */
static void end_transaction(struct weir_producer_state *state,
                            const struct weir_batch_header *header, int32_t coordinator_epoch,
                            struct weir_mono now)
{
    struct weir_producer *producer = find(state, header->producer_id);
    weir_assert(producer != NULL && is_marker(header));
    set_transaction(state, producer, NO_TRANSACTION);
    if (coordinator_epoch >= 0) producer->coordinator_epoch = coordinator_epoch;
    note_use(state, producer, header->producer_epoch, now);
    forget_idle(state, now);
}

struct weir_transaction_end weir_producer_state_end_transaction(
    struct weir_producer_state *state, const struct weir_batch_header *header,
    const struct weir_transaction_marker *marker, struct weir_mono now)
{
    const struct weir_producer *producer = find(state, header->producer_id);
    weir_assert(producer != NULL);
    struct weir_transaction_end end = {
        .producer_id = header->producer_id,
        .first_offset = producer->transaction_first_offset,
        .last_offset = weir_batch_last_offset(header),
        .is_abort = !marker->is_commit && is_open(producer),
    };
    end_transaction(state, header, marker->coordinator_epoch, now);
    int64_t unstable = weir_producer_state_first_unstable(state);
    end.last_stable_offset = unstable >= 0 ? unstable : end.last_offset + 1;
    return end;
}

void weir_producer_state_add(struct weir_producer_state *state,
                             const struct weir_batch_header *header, struct weir_mono now)
{
    if (!is_noted(header)) return;
    if (is_marker(header)) {
        end_transaction(state, header, NO_COORDINATOR_EPOCH, now);
        return;
    }
    struct weir_producer *producer = find(state, header->producer_id);
    weir_assert(producer != NULL);
    note_use(state, producer, header->producer_epoch, now);
    bool opens = weir_batch_is_transactional(header) && !is_open(producer);
    if (opens) set_transaction(state, producer, header->base_offset);
    forget_idle(state, now);
    if (!has_sequence(header)) return;
    push_batch(producer, (struct weir_producer_batch){
                             .first_sequence = header->base_sequence,
                             .last_sequence = last_sequence(header),
                             .base_offset = header->base_offset,
                             .last_offset = weir_batch_last_offset(header),
                             .timestamp_ms = header->max_timestamp_ms,
                         });
}

int weir_producer_state_copy_below(struct weir_producer_state *state,
                                   const struct weir_producer_state *other, int64_t offset)
{
    const struct weir_producer *producer;
    for (producer = other->oldest; producer != NULL; producer = producer->newer) {
        struct weir_producer kept = *producer;
        while (kept.batch_count > 0 && kept.batches[kept.batch_count - 1].last_offset >= offset) {
            kept.batch_count--;
        }
        /* What was opened, or ended, above is none of what stays: there the batches were walked. */
        bool was_open = is_open(&kept) && kept.transaction_first_offset < offset;
        if (kept.batch_count == 0 && !was_open) continue;
        struct weir_producer *known = find(state, kept.id);
        if (known == NULL) known = add_producer(state, kept.id);
        if (known == NULL) return WEIR_NO_MEMORY;
        if (kept.batch_count == 0 && is_known(known)) { /* the walk knows its batches better */
            set_transaction(state, known, kept.transaction_first_offset);
            continue;
        }
        if (!was_open) kept.transaction_first_offset = known->transaction_first_offset;
        if (known->coordinator_epoch >= 0) kept.coordinator_epoch = known->coordinator_epoch;
        set_facts(state, known, &kept);
    }
    return 0;
}

size_t weir_producer_state_expire(struct weir_producer_state *state, struct weir_mono now,
                                  int64_t idle_ms_max)
{
    size_t count = 0;
    struct weir_producer *next = state->oldest;
    while (next != NULL) {
        struct weir_producer *producer = next;
        next = producer->newer;
        if (is_open(producer) || !was_idle_for(producer, now, idle_ms_max)) continue;
        forget(state, producer);
        count++;
    }
    return count;
}

/* ---- in the durable mark --------------------------------------------------------------------- */

static int64_t idle_ms(const struct weir_producer *producer, struct weir_mono now)
{
    return now.ns > producer->used.ns ? (now.ns - producer->used.ns) / 1000000 : 0;
}

static struct weir_producer_info describe(const struct weir_producer *producer,
                                          struct weir_producer_clocks at)
{
    struct weir_producer_info info = {
        .producer_id = producer->id,
        .producer_epoch = producer->epoch,
        .last_sequence = WEIR_NO_SEQUENCE,
        .last_timestamp_ms = at.wall_ms - idle_ms(producer, at.now),
        .coordinator_epoch = producer->coordinator_epoch,
        .transaction_first_offset = producer->transaction_first_offset,
    };
    if (producer->batch_count == 0) return info;
    const struct weir_producer_batch *newest = &producer->batches[producer->batch_count - 1];
    info.last_sequence = newest->last_sequence;
    info.last_timestamp_ms = newest->timestamp_ms;
    return info;
}

size_t weir_producer_state_list(const struct weir_producer_state *state,
                                struct weir_producer_clocks at, struct weir_producer_info *list)
{
    size_t count = 0;
    const struct weir_producer *producer;
    for (producer = state->oldest; producer != NULL; producer = producer->newer) {
        if (!is_known(producer)) continue;
        if (list != NULL) list[count] = describe(producer, at);
        count++;
    }
    return count;
}

void weir_producer_state_encode(const struct weir_producer_state *state, struct weir_mono now,
                                struct weir_buffer *to)
{
    size_t count_at = to->size;
    uint32_t count = 0;
    const struct weir_producer *producer;
    weir_buffer_u32(to, 0);
    for (producer = state->oldest; producer != NULL; producer = producer->newer) {
        if (!is_known(producer)) continue;
        count++;
        weir_buffer_u64(to, (uint64_t)producer->id);
        weir_buffer_u16(to, (uint16_t)producer->epoch);
        weir_buffer_u64(to, (uint64_t)idle_ms(producer, now));
        weir_buffer_u32(to, (uint32_t)producer->coordinator_epoch);
        weir_buffer_u64(to, (uint64_t)producer->transaction_first_offset);
        weir_buffer_u8(to, producer->batch_count);
        for (int i = 0; i < producer->batch_count; i++) {
            const struct weir_producer_batch *batch = &producer->batches[i];
            weir_buffer_u32(to, (uint32_t)batch->first_sequence);
            weir_buffer_u32(to, (uint32_t)batch->last_sequence);
            weir_buffer_u64(to, (uint64_t)batch->base_offset);
            weir_buffer_u64(to, (uint64_t)batch->last_offset);
            weir_buffer_u64(to, (uint64_t)batch->timestamp_ms);
        }
    }
    if (!to->failed) weir_store_u32(to->data + count_at, count);
}

static struct weir_producer_batch decode_batch(struct weir_reader *reader)
{
    struct weir_producer_batch batch = {0};
    batch.first_sequence = (int32_t)weir_reader_u32(reader);
    batch.last_sequence = (int32_t)weir_reader_u32(reader);
    batch.base_offset = (int64_t)weir_reader_u64(reader);
    batch.last_offset = (int64_t)weir_reader_u64(reader);
    batch.timestamp_ms = (int64_t)weir_reader_u64(reader);
    return batch;
}

/* Of batches that have a sequence the newest one is of the open transaction. */
static bool has_sane_transaction(const struct weir_producer *read)
{
    if (read->coordinator_epoch < NO_COORDINATOR_EPOCH) return false;
    if (!is_open(read)) return read->transaction_first_offset == NO_TRANSACTION;
    return read->batch_count == 0 ||
           read->batches[read->batch_count - 1].last_offset >= read->transaction_first_offset;
}

/* Add one as it was read; what cannot be is refused, for it would be believed later. */
static int adopt(struct weir_producer_state *state, const struct weir_producer *read,
                 struct weir_error *error)
{
    if (read->id < 0 || read->epoch < 0 || find(state, read->id) != NULL) {
        return weir_error_set(error, WEIR_CORRUPT, "producer state: producer %" PRId64 " epoch %d",
                              read->id, read->epoch);
    }
    for (int i = 0; i < read->batch_count; i++) {
        const struct weir_producer_batch *batch = &read->batches[i];
        bool is_sane = batch->first_sequence >= 0 && batch->last_sequence >= 0 &&
                       batch->base_offset >= 0 && batch->last_offset >= batch->base_offset;
        if (!is_sane) {
            return weir_error_set(error, WEIR_CORRUPT, "producer state: batch of producer %" PRId64,
                                  read->id);
        }
    }
    if (!has_sane_transaction(read)) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "producer state: transaction of producer %" PRId64 " from %" PRId64,
                              read->id, read->transaction_first_offset);
    }
    struct weir_producer *producer = add_producer(state, read->id);
    if (producer == NULL) {
        return weir_error_set(error, WEIR_NO_MEMORY, "producer state: out of memory");
    }
    set_facts(state, producer, read);
    return 0;
}

static struct weir_mono mono_before_ms(struct weir_mono now, int64_t ms)
{
    struct weir_mono then = now;
    int64_t ns;
    if (__builtin_mul_overflow(ms, 1000000, &ns)) ns = INT64_MAX;
    if (__builtin_sub_overflow(now.ns, ns, &then.ns)) then.ns = INT64_MIN;
    return then;
}

static void decode_producer(struct weir_producer *producer, struct weir_reader *reader,
                            bool has_transactions, struct weir_mono now)
{
    *producer = (struct weir_producer){
        .id = (int64_t)weir_reader_u64(reader),
        .coordinator_epoch = NO_COORDINATOR_EPOCH,
        .transaction_first_offset = NO_TRANSACTION,
    };
    producer->epoch = (int16_t)weir_reader_u16(reader);
    int64_t idle = (int64_t)weir_reader_u64(reader);
    producer->used = mono_before_ms(now, idle < 0 ? 0 : idle);
    if (has_transactions) {
        producer->coordinator_epoch = (int32_t)weir_reader_u32(reader);
        producer->transaction_first_offset = (int64_t)weir_reader_u64(reader);
    }
    producer->batch_count = weir_reader_u8(reader);
    bool is_count = producer->batch_count <= WEIR_PRODUCER_BATCHES &&
                    (producer->batch_count > 0 || has_transactions);
    if (!is_count) reader->failed = true;
    for (int at = 0; at < producer->batch_count && !reader->failed; at++) {
        producer->batches[at] = decode_batch(reader);
    }
}

int weir_producer_state_decode(struct weir_producer_state *state, struct weir_reader *reader,
                               bool has_transactions, struct weir_mono now,
                               struct weir_error *error)
{
    uint32_t count = weir_reader_u32(reader);
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        struct weir_producer producer;
        decode_producer(&producer, reader, has_transactions, now);
        if (reader->failed) break;
        int rc = adopt(state, &producer, error);
        if (rc < 0) return rc;
    }
    return reader->failed ? weir_error_set(error, WEIR_CORRUPT, "producer state: damaged") : 0;
}

/* ---- Kafka's snapshot --------------------------------------------------------------------------
 *
 * A version in front, then wire/schemas/producer_snapshot.json, whose crc is of all that follows
 * it.
 */
enum { SNAPSHOT_VERSION = 1, SNAPSHOT_CRC_AT = 2, SNAPSHOT_CRC_FROM = 6, NO_OFFSET = -1 };

typedef struct weir_producer_snapshot_producer_entry snapshot_entry;

/* Without a batch of its epoch all of the last one's fields are none. */
static snapshot_entry entry_of(const struct weir_producer *producer)
{
    static const struct weir_producer_batch none = {
        .last_sequence = WEIR_NO_SEQUENCE,
        .base_offset = NO_OFFSET,
        .last_offset = NO_OFFSET,
        .timestamp_ms = WEIR_NO_TIMESTAMP,
    };
    bool has_batch = producer->batch_count > 0;
    const struct weir_producer_batch *batch =
        has_batch ? &producer->batches[producer->batch_count - 1] : &none;
    return (snapshot_entry){
        .producer_id = producer->id,
        .epoch = producer->epoch,
        .last_sequence = batch->last_sequence,
        .last_offset = batch->last_offset,
        .offset_delta = (int32_t)(batch->last_offset - batch->base_offset),
        .timestamp = batch->timestamp_ms,
        .coordinator_epoch = producer->coordinator_epoch,
        .current_txn_first_offset = producer->transaction_first_offset,
    };
}

static int encode_snapshot(const struct weir_producer_state *state, snapshot_entry *entries,
                           struct weir_buffer *to)
{
    struct weir_producer_snapshot snapshot;
    weir_producer_snapshot_init(&snapshot);
    snapshot.producer_entries = entries;
    const struct weir_producer *producer;
    for (producer = state->oldest; producer != NULL; producer = producer->newer) {
        if (!is_known(producer)) continue;
        entries[snapshot.producer_entries_count++] = entry_of(producer);
    }
    return weir_producer_snapshot_encode(&snapshot, SNAPSHOT_VERSION, to);
}

void weir_producer_snapshot_write(const struct weir_producer_state *state, struct weir_buffer *to)
{
    size_t from = to->size;
    size_t count = weir_map_count(&state->map);
    snapshot_entry *entries = weir_alloc(state->budget, (count + 1) * sizeof *entries);
    weir_buffer_u16(to, SNAPSHOT_VERSION);
    if (entries == NULL || encode_snapshot(state, entries, to) < 0) to->failed = true;
    weir_free(entries);
    if (to->failed) return;
    uint8_t *bytes = to->data + from;
    uint32_t crc = weir_crc32c(0, bytes + SNAPSHOT_CRC_FROM, to->size - from - SNAPSHOT_CRC_FROM);
    weir_store_u32(bytes + SNAPSHOT_CRC_AT, crc);
}

/* The first sequence follows from the last and the delta, wrapping as sequences do. */
static int32_t sequence_before(int32_t last, int32_t delta)
{
    int64_t first = (int64_t)last - delta;
    return (int32_t)(first < 0 ? first + INT32_MAX + 1 : first);
}

static int adopt_entry(struct weir_producer_state *state, const snapshot_entry *entry,
                       struct weir_mono now, struct weir_error *error)
{
    bool has_batch = entry->last_sequence != WEIR_NO_SEQUENCE;
    bool is_sane = entry->offset_delta >= 0 && entry->last_sequence >= 0 &&
                   entry->offset_delta <= entry->last_offset;
    if (has_batch && !is_sane) {
        return weir_error_set(error, WEIR_CORRUPT, "producer snapshot: batch of producer %" PRId64,
                              entry->producer_id);
    }
    struct weir_producer producer = {
        .id = entry->producer_id,
        .epoch = entry->epoch,
        .coordinator_epoch = entry->coordinator_epoch,
        .transaction_first_offset = entry->current_txn_first_offset,
        .used = now,
    };
    if (!has_batch) return adopt(state, &producer, error);
    producer.batch_count = 1;
    producer.batches[0] = (struct weir_producer_batch){
        .first_sequence = sequence_before(entry->last_sequence, entry->offset_delta),
        .last_sequence = entry->last_sequence,
        .base_offset = entry->last_offset - entry->offset_delta,
        .last_offset = entry->last_offset,
        .timestamp_ms = entry->timestamp,
    };
    return adopt(state, &producer, error);
}

static int decode_snapshot(struct weir_producer_state *state, struct weir_slice body,
                           struct weir_mono now, struct weir_error *error)
{
    struct weir_arena arena;
    struct weir_producer_snapshot snapshot;
    weir_arena_init(&arena, state->budget, 0);
    int rc = weir_message_decode_whole(&weir_producer_snapshot_type, &snapshot, SNAPSHOT_VERSION,
                                       body, &arena, error);
    for (size_t i = 0; rc == 0 && i < snapshot.producer_entries_count; i++) {
        rc = adopt_entry(state, &snapshot.producer_entries[i], now, error);
    }
    weir_arena_close(&arena);
    return rc;
}

int weir_producer_snapshot_read(struct weir_producer_state *state, struct weir_slice bytes,
                                struct weir_mono now, struct weir_error *error)
{
    struct weir_reader reader = weir_reader(bytes);
    uint16_t version = weir_reader_u16(&reader);
    uint32_t crc = weir_reader_u32(&reader);
    if (reader.failed) return weir_error_set(error, WEIR_CORRUPT, "producer snapshot: too short");
    if (version != SNAPSHOT_VERSION) {
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "producer snapshot: version %u, 1 is known", version);
    }
    if (crc != weir_crc32c(0, reader.at, weir_reader_left(&reader))) {
        return weir_error_set(error, WEIR_CORRUPT, "producer snapshot: crc does not fit");
    }
    return decode_snapshot(
        state, weir_slice(bytes.data + SNAPSHOT_CRC_AT, bytes.size - SNAPSHOT_CRC_AT), now, error);
}
