#include <string.h>

#include "base/assert.h"
#include "base/grow.h"
#include "runtime/state/state_internal.h"

/*
 * Who may leave the table, at a cost that follows what leaves and never what stays.
 *
 * An entry is *settled* when its last change is written down and nobody has still to be told of it;
 * until then it is pinned, because the backend could not give it back. From then on it stands in a queue
 * of its store, the one of its segment of time (a store without times has one queue):
 *
 *     segment 7    b  d  a              the table holds all of them, and x, which changed again
 *     segment 8    f  x  c  e           meanwhile: it is in the queue still, but not settled
 *                  ^ first settled
 *
 * Two things take entries off the queues:
 *
 * - The bound. The bytes of settled entries in queues are counted (clean_bytes); while they are more than
 *   the state may keep, a hand takes the first entry of the oldest queue. One that was met since it was
 *   queued goes to the end and loses its mark, as in a clock of second chances; one that is not settled
 *   any more just leaves the queue, for it comes back when it settles. The hand goes on to the next store
 *   when it has been once through what was there. Entries that cannot leave are never walked.
 * - The time. Once a segment is dead its queue goes, with all settled entries in it. One that settles
 *   after that is garbage.
 *
 * A memory store has nothing below, so the bound does not concern it: only segments are queued.
 * *Garbage* holds nothing: an expired row, or an absent one of a memory store. What is in no queue is
 * remembered as loose instead, and looked at again before the next touch. A row that a memory store deletes
 * while it is queued becomes loose when its queue is full, before that grows: so a queue is at most half
 * full of them when it has just grown.
 *
 * An entry is freed while it is in no queue and in no list, or as it is taken off one.
 */
enum { QUEUE_FIRST = 64, PREFETCH_AHEAD = 8 };

/* What an entry costs while it is in the table: itself, its key, its value, its share of slots and of a
 * queue. */
static size_t entry_cost(const struct weir_store_entry *entry)
{
    enum { SLOT_AND_QUEUE_SHARE = 24 };
    size_t cost = weir_slabs_block_size(sizeof *entry + entry->key.size) + SLOT_AND_QUEUE_SHARE;
    return entry->value != NULL ? cost + weir_slabs_block_size(entry->value_size) : cost;
}

/* It takes part in clean_bytes: the hand can take it. */
static bool is_counted(const struct weir_store *store, const struct weir_store_entry *entry)
{
    return !store->is_resident && (entry->flags & WEIR_ENTRY_QUEUED) != 0 &&
           weir_entry_is_settled(entry);
}

static void count_clean(struct weir_store *store, const struct weir_store_entry *entry)
{
    size_t cost = entry_cost(entry);
    store->clean_bytes += cost;
    store->state->clean_bytes += cost;
}

static void uncount_clean(struct weir_store *store, const struct weir_store_entry *entry)
{
    size_t cost = entry_cost(entry);
    weir_assert(store->clean_bytes >= cost);
    weir_assert(store->state->clean_bytes >= store->clean_bytes);
    store->clean_bytes -= cost;
    store->state->clean_bytes -= cost;
}

/* ---- one queue ---------------------------------------------------------------------------------- */

static struct weir_store_entry **place_at(const struct weir_clean_queue *queue, size_t index)
{
    return &queue->ring[(queue->first + index) & (queue->capacity - 1)];
}

static bool grow_queue(struct weir_clean_queue *queue, struct weir_budget *budget)
{
    const size_t capacity = weir_grown(queue->capacity, QUEUE_FIRST);
    struct weir_store_entry **ring = weir_alloc(budget, capacity * sizeof *ring);
    if (ring == NULL) return false;
    for (size_t i = 0; i < queue->count; i++) {
        ring[i] = *place_at(queue, i);
    }
    weir_free(queue->ring);
    queue->ring = ring;
    queue->capacity = capacity;
    queue->first = 0;
    return true;
}

/* There is room: it grew before, or one was taken off. */
static void queue_add(struct weir_clean_queue *queue, struct weir_store_entry *entry)
{
    weir_assert(queue->count < queue->capacity);
    *place_at(queue, queue->count++) = entry;
    entry->flags |= WEIR_ENTRY_QUEUED;
}

static struct weir_store_entry *queue_take(struct weir_clean_queue *queue)
{
    weir_assert(queue->count > 0);
    if (queue->count > PREFETCH_AHEAD) __builtin_prefetch(*place_at(queue, PREFETCH_AHEAD));
    struct weir_store_entry *entry = *place_at(queue, 0);
    queue->first = (queue->first + 1) & (queue->capacity - 1);
    queue->count--;
    return entry;
}

/* ---- garbage ------------------------------------------------------------------------------------ */

static bool is_garbage(const struct weir_store *store, const struct weir_store_entry *entry)
{
    if ((entry->flags & WEIR_ENTRY_QUEUED) != 0 || !weir_entry_is_settled(entry)) return false;
    return (store->is_resident && entry->value == NULL) || weir_store_is_expired(store, entry->key);
}

/* False without memory for the list. An entry that is in no list or queue stays until it settles again:
 * harmless. */
static bool loosen(struct weir_store *store, struct weir_store_entry *entry)
{
    if ((entry->flags & WEIR_ENTRY_LOOSE) != 0) return true;
    if (weir_entry_list_reserve(&store->loose, &store->state->table_budget, 1) < 0) return false;
    entry->flags |= WEIR_ENTRY_LOOSE;
    weir_entry_list_add(&store->loose, entry);
    return true;
}

/* ---- the queues of a store ---------------------------------------------------------------------- */

/* Where the queue of a segment is or belongs: they stand in order of segments. */
static size_t queue_index(const struct weir_store *store, uint64_t segment)
{
    size_t from = 0;
    size_t to = store->queue_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (store->queues[middle].segment < segment) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

static struct weir_clean_queue *insert_queue(struct weir_store *store, size_t index,
                                             uint64_t segment)
{
    if (store->queue_count == store->queue_capacity) {
        size_t capacity = weir_grown(store->queue_capacity, 1);
        struct weir_clean_queue *grown =
            weir_realloc(&store->state->table_budget, store->queues, capacity * sizeof *grown);
        if (grown == NULL) return NULL;
        store->queues = grown;
        store->queue_capacity = capacity;
    }
    struct weir_clean_queue *queue = &store->queues[index];
    memmove(queue + 1, queue, (store->queue_count - index) * sizeof *queue);
    *queue = (struct weir_clean_queue){.segment = segment};
    store->queue_count++;
    return queue;
}

/* What was deleted since it was queued goes on to the loose ones; the others stay, in their order. */
static void loosen_deleted(struct weir_store *store, struct weir_clean_queue *queue)
{
    for (size_t left = queue->count; left > 0; left--) {
        struct weir_store_entry *entry = queue_take(queue);
        entry->flags &= ~(uint32_t)WEIR_ENTRY_QUEUED;
        if (!is_garbage(store, entry) || !loosen(store, entry)) queue_add(queue, entry);
    }
}

/* Room for one more. It grows while it is more than half full, so that what is looked at follows what was
 * added. */
static bool reserve_place(struct weir_store *store, struct weir_clean_queue *queue)
{
    if (queue->count < queue->capacity) return true;
    if (store->is_resident) loosen_deleted(store, queue);
    if (queue->count < queue->capacity / 2) return true;
    return grow_queue(queue, &store->state->table_budget) || queue->count < queue->capacity;
}

/* The queue for an entry, with room for it; NULL when memory is out. */
static struct weir_clean_queue *queue_for(struct weir_store *store,
                                          const struct weir_store_entry *entry)
{
    const uint64_t segment = weir_store_key_segment(store, entry->key);
    size_t index = queue_index(store, segment);
    struct weir_clean_queue *queue = &store->queues[index];
    if (index == store->queue_count || queue->segment != segment) {
        queue = insert_queue(store, index, segment);
        if (queue == NULL) return NULL;
    }
    return reserve_place(store, queue) ? queue : NULL;
}

void weir_store_free_queues(struct weir_store *store)
{
    for (size_t i = 0; i < store->queue_count; i++) {
        weir_free(store->queues[i].ring);
    }
    weir_free(store->queues);
    store->queues = NULL;
    store->queue_count = store->queue_capacity = 0;
}

/* ---- settled, or not any more ------------------------------------------------------------------- */

static void enqueue(struct weir_store *store, struct weir_store_entry *entry)
{
    const bool is_queued = (entry->flags & WEIR_ENTRY_QUEUED) != 0;
    if (!is_queued) {
        struct weir_clean_queue *queue = queue_for(store, entry);
        if (queue == NULL) return;
        queue_add(queue, entry);
    }
    if (!store->is_resident) count_clean(store, entry);
}

void weir_store_settle(struct weir_store *store, struct weir_store_entry *entry)
{
    if (!weir_entry_is_settled(entry)) return;
    if (is_garbage(store, entry)) {
        (void)loosen(store, entry);
    } else if (!store->is_resident || weir_store_is_segmented(store)) {
        enqueue(store, entry);
    }
}

void weir_store_unsettle(struct weir_store *store, const struct weir_store_entry *entry)
{
    if (is_counted(store, entry)) uncount_clean(store, entry);
}

/* ---- leaving ------------------------------------------------------------------------------------ */

/* The next entry of a queue is off it, and gone if it was settled and nothing speaks for it. */
static void take_next(struct weir_store *store, struct weir_clean_queue *queue, bool is_dead)
{
    struct weir_store_entry *entry = queue_take(queue);
    const bool is_met = (entry->flags & WEIR_ENTRY_REFERENCED) != 0;
    if (!is_dead && is_met && weir_entry_is_settled(entry)) {
        entry->flags &= ~(uint32_t)WEIR_ENTRY_REFERENCED;
        queue_add(queue, entry);
        return;
    }
    weir_store_unsettle(store, entry);
    entry->flags &= ~(uint32_t)WEIR_ENTRY_QUEUED;
    if (!weir_entry_is_settled(entry)) return;
    if ((entry->flags & WEIR_ENTRY_LOOSE) != 0) return; /* garbage by now: it goes with the list */
    bool is_missed = entry->value != NULL && !weir_store_is_expired(store, entry->key);
    if (is_missed) store->is_complete = false;
    weir_store_remove_entry(store, entry);
}

static void forget_dead_segments(struct weir_store *store)
{
    size_t dead = 0;
    for (; dead < store->queue_count && store->queues[dead].segment < store->live_segment; dead++) {
        struct weir_clean_queue *queue = &store->queues[dead];
        while (queue->count > 0) {
            take_next(store, queue, true);
        }
        weir_free(queue->ring);
    }
    store->queue_count -= dead;
    if (dead > 0) {
        memmove(store->queues, store->queues + dead, store->queue_count * sizeof *store->queues);
    }
    store->swept_segment = store->live_segment;
}

static void remove_garbage(struct weir_store *store)
{
    for (size_t i = 0; i < store->loose.count; i++) {
        struct weir_store_entry *entry = store->loose.entries[i];
        entry->flags &= ~(uint32_t)WEIR_ENTRY_LOOSE;
        if (is_garbage(store, entry)) weir_store_remove_entry(store, entry);
    }
    store->loose.count = 0;
}

static size_t queued_count(const struct weir_store *store)
{
    size_t count = 0;
    for (size_t i = 0; i < store->queue_count; i++) {
        count += store->queues[i].count;
    }
    return count;
}

static struct weir_clean_queue *oldest_queue(const struct weir_store *store)
{
    for (size_t i = 0; i < store->queue_count; i++) {
        if (store->queues[i].count > 0) return &store->queues[i];
    }
    weir_assert(false); /* clean_bytes counts what is in them */
    return NULL;
}

static void next_store(struct weir_state *state)
{
    state->hand_store = (state->hand_store + 1) % state->options.store_count;
    state->hand_left = queued_count(&state->stores[state->hand_store]);
}

/* Ends, because clean_bytes counts exactly the entries that the hand can take: the first time it takes
 * from each its mark, the second time the entry. */
static void evict(struct weir_state *state)
{
    while (state->clean_bytes > state->options.cache_bytes_max) {
        struct weir_store *store = &state->stores[state->hand_store];
        if (state->hand_left == 0 || store->clean_bytes == 0) {
            next_store(state);
            continue;
        }
        state->hand_left--;
        take_next(store, oldest_queue(store), false);
    }
}

void weir_store_make_room(struct weir_store *store)
{
    if (store->swept_segment < store->live_segment) forget_dead_segments(store);
    if (store->loose.count > 0) remove_garbage(store);
    evict(store->state);
    weir_store_check(store);
}

/* ---- what holds --------------------------------------------------------------------------------- */

bool weir_store_counts_agree(const struct weir_store *store)
{
    size_t clean_bytes = 0;
    for (size_t slot = 0; slot < store->table.slot_count; slot++) {
        const struct weir_store_entry *entry = weir_table_at(&store->table, slot);
        if (entry != NULL && is_counted(store, entry)) clean_bytes += entry_cost(entry);
    }
    return store->clean_bytes == clean_bytes;
}
