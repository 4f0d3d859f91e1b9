#include "server/handlers/fetch_poll.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "server/handlers/fetch_part.h"
#include "server/server_config.h"

/* ---- enough? --------------------------------------------------------------------------------- */

static bool is_enough(const struct weir_fetch_poll *poll)
{
    return poll->size >= poll->size_min || poll->is_last || poll->has_failed || poll->has_more ||
           weir_fetch_interest_count(poll->interest) == 0;
}

/* In the order asked, what fits; the first that has something is given whatever its size. What does
 * not fit is put back in front of the line. */
static void keep_what_fits(struct weir_fetch_poll *poll)
{
    struct weir_fetch_node *place = poll->interest->due.next;
    struct weir_fetch_node *node = poll->gathered.next;
    poll->size = 0;
    while (node != &poll->gathered) {
        struct weir_fetch_entry *entry = weir_fetch_entry_of_line(node);
        node = node->next;
        size_t size = entry->request.size;
        if (entry->number != 0 || entry->request.diverging_epoch >= 0) {
            poll->has_failed = true;
            continue;
        }
        if (entry->size_asked == 0) {
            weir_fetch_entry_be_due(entry, place); /* it was not asked for bytes */
            continue;
        }
        if (size == 0) continue;
        if (poll->size > 0 && size > poll->size_max - weir_smaller(poll->size, poll->size_max)) {
            weir_fetch_entry_be_due(entry, place);
            continue;
        }
        poll->size += size;
        if (size <= entry->stuck_at) poll->has_more = true; /* waiting brings no more of it */
    }
    if (!weir_fetch_ring_is_empty(&poll->interest->due)) poll->has_more = true;
}

/* ---- waiting --------------------------------------------------------------------------------- */

static int start_clock(struct weir_fetch_poll *poll)
{
    struct weir_deadline deadline = {poll->deadline, poll, &poll->deadline_index};
    return weir_deadline_heap_add(&poll->interest->part->deadlines, deadline);
}

static void watch_gathered(struct weir_fetch_poll *poll)
{
    size_t missing = poll->size_min - poll->size;
    size_t share = missing / weir_fetch_interest_count(poll->interest);
    if (share == 0) share = 1;
    while (!weir_fetch_ring_is_empty(&poll->gathered)) {
        struct weir_fetch_entry *entry = weir_fetch_entry_of_line(poll->gathered.next);
        size_t size = entry->request.size;
        if (size >= entry->size_asked) {
            /* more of it would not be given anyway */
            weir_fetch_entry_be_due(entry, &poll->interest->due);
        } else {
            weir_fetch_entry_watch(entry, size > 0 ? size + share : 1);
        }
    }
}

static void park(struct weir_fetch_poll *poll)
{
    watch_gathered(poll);
    poll->is_parked = true;
    weir_context_park(poll->context);
}

static void gather(struct weir_fetch_poll *poll);

static void unpark(struct weir_fetch_poll *poll)
{
    weir_assert(poll->is_parked);
    poll->is_parked = false;
    weir_deadline_heap_remove(&poll->interest->part->deadlines, &poll->deadline_index);
    weir_context_unpark(poll->context);
    weir_fetch_interest_recall(poll->interest);
    gather(poll);
}

/* ---- gathering ------------------------------------------------------------------------------- */

/* Kafka's number for a partition that need not be asked, or 0. */
static int16_t check_entry(const struct weir_fetch_poll *poll, const struct weir_fetch_entry *entry)
{
    struct weir_slice name = entry->place.topic;
    if (weir_slice_is_null(name)) {
        int rc = poll->names_rc; /* an id that could not be looked up is not an unknown one */
        return rc < 0 ? weir_wire_error_of(rc) : WEIR_WIRE_UNKNOWN_TOPIC_ID;
    }
    bool is_permitted = weir_authorize(poll->context, WEIR_ACL_READ, WEIR_ACL_TOPIC, name);
    return is_permitted ? 0 : WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED;
}

/* From the due to the gathered; false: refused, there is nothing to ask. */
static bool gather_entry(struct weir_fetch_poll *poll, struct weir_fetch_entry *entry)
{
    weir_fetch_ring_remove(&entry->line);
    weir_fetch_ring_insert(&poll->gathered, &entry->line);
    int16_t number = check_entry(poll, entry);
    if (number != 0) weir_fetch_entry_refuse(entry, number);
    return number == 0;
}

static void ask_first(struct weir_fetch_poll *poll, size_t room)
{
    struct weir_fetch_entry *entry = weir_fetch_entry_of_line(poll->interest->due.next);
    if (!gather_entry(poll, entry)) return;
    int32_t own_max = entry->place.size_max;
    size_t size_max = own_max > 0 ? (size_t)own_max : 1; /* one batch is given in any case */
    size_max = weir_smaller(size_max, room);
    poll->asked_count++;
    poll->reserved += size_max;
    weir_fetch_entry_ask(entry, size_max);
}

static size_t room_left(const struct weir_fetch_poll *poll)
{
    size_t taken = poll->size + poll->reserved;
    bool is_memory_full = poll->memory >= WEIR_FETCH_MEMORY_MAX;
    return is_memory_full || taken >= poll->size_max ? 0 : poll->size_max - taken;
}

static void ask_due(struct weir_fetch_poll *poll)
{
    while (poll->asked_count < WEIR_FETCH_WAVE_MAX &&
           !weir_fetch_ring_is_empty(&poll->interest->due)) {
        size_t room = room_left(poll);
        if (room == 0) return;
        ask_first(poll, room);
    }
}

/* A full answer says of each partition how it stands: those that were never looked at, and that
 * there was no room to read from, are asked for that alone. */
static void ask_standing(struct weir_fetch_poll *poll)
{
    struct weir_fetch_node *node = poll->interest->due.next;
    while (node != &poll->interest->due && poll->asked_count < WEIR_FETCH_WAVE_MAX) {
        struct weir_fetch_entry *entry = weir_fetch_entry_of_line(node);
        node = node->next;
        if (entry->high_watermark >= 0 || !gather_entry(poll, entry)) continue;
        poll->asked_count++;
        poll->has_more = true;
        weir_fetch_entry_ask(entry, 0);
    }
}

static bool is_waiting(const struct weir_fetch_poll *poll)
{
    return poll->asked_count > 0 || poll->interest->returning > 0;
}

/* Records in memory count for the shard, too, from when they come until they are the answer's. */
static void hold_records(struct weir_fetch_poll *poll, size_t size)
{
    poll->memory += size;
    poll->interest->part->gathered_size += size;
}

static void let_records_go(struct weir_fetch_poll *poll)
{
    struct weir_fetch_part *part = poll->interest->part;
    weir_assert(part->gathered_size >= poll->memory);
    part->gathered_size -= poll->memory;
    poll->memory = 0;
}

/* One wave after the other, until nothing is due or nothing fits. */
static void gather(struct weir_fetch_poll *poll)
{
    if (!poll->is_abandoned) ask_due(poll);
    if (is_waiting(poll)) return;
    if (poll->is_full && !poll->is_abandoned) ask_standing(poll);
    if (is_waiting(poll)) return;
    keep_what_fits(poll);
    let_records_go(poll);
    if (is_enough(poll) || start_clock(poll) < 0) {
        weir_fetch_answer(poll);
    } else {
        park(poll);
        poll->size = 0;
    }
}

void weir_fetch_poll_answered(struct weir_fetch_poll *poll, struct weir_fetch_entry *entry)
{
    size_t in_file = entry->port.range.segment != NULL ? entry->request.size : 0;
    if (entry->size_asked == 0) entry->request.size = 0; /* it was not asked for bytes */
    weir_assert(poll->asked_count > 0 && poll->reserved >= entry->size_asked);
    poll->asked_count--;
    poll->reserved -= entry->size_asked;
    poll->size += entry->request.size;
    hold_records(poll, entry->request.size - in_file);
    gather(poll);
}

void weir_fetch_poll_woken(struct weir_fetch_poll *poll, bool has_failed)
{
    if (has_failed) poll->is_last = true;
    if (poll->is_parked) {
        unpark(poll);
    } else if (poll->has_begun) {
        gather(poll);
    }
}

void weir_fetch_poll_expire(struct weir_fetch_poll *poll)
{
    poll->is_last = true;
    unpark(poll);
}

void weir_fetch_poll_force_complete(struct weir_fetch_poll *poll)
{
    poll->is_last = true;
    if (poll->is_parked) unpark(poll);
}

/* ---- the door -------------------------------------------------------------------------------- */

void weir_fetch_poll_abandon(struct weir_fetch_poll *poll)
{
    poll->is_abandoned = true;
    weir_fetch_poll_force_complete(poll);
}

void weir_fetch_poll_begin(struct weir_fetch_poll *poll)
{
    const struct weir_wire_fetch_request *asked = poll->asked;
    const struct weir_server_config *config = weir_context_config(poll->context);
    struct weir_mono now = weir_mono_now(poll->interest->part->env);
    int32_t size_max =
        asked->max_bytes < config->fetch_max_bytes ? asked->max_bytes : config->fetch_max_bytes;
    int32_t size_min = asked->min_bytes < size_max ? asked->min_bytes : size_max;
    int32_t wait_ms = asked->max_wait_ms < config->fetch_max_wait_ms ? asked->max_wait_ms
                                                                     : config->fetch_max_wait_ms;
    poll->size_max = size_max > 0 ? (size_t)size_max : 1;
    poll->size_min = size_min > 0 ? (size_t)size_min : 0;
    poll->deadline = weir_mono_after_ms(now, wait_ms > 0 ? wait_ms : 0);
    poll->is_last = poll->is_last || wait_ms <= 0;
    poll->has_begun = true;
    weir_fetch_ring_init(&poll->gathered);
    weir_fetch_interest_recall(poll->interest);
    gather(poll);
}
