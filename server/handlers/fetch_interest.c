#include "server/handlers/fetch_interest.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/state_table.h"
#include "server/handlers/fetch_part.h"
#include "server/handlers/fetch_poll.h"
#include "wire/topic_names.h"

/* From here on bytes are sent from the segment's file, below they are taken from memory. */
enum { RANGE_MIN = 32 * 1024 };
/* Of any name that a request can have: the engine says which are none. */
enum { KEY_SIZE_MAX = INT16_MAX + WEIR_PARTITION_KEY_EXTRA };
/* No reader takes more than an eighth of what all of a shard may. */
enum { SHARE_OF_READER = 8 };

/* ---- rings ----------------------------------------------------------------------------------- */

void weir_fetch_ring_init(struct weir_fetch_node *head)
{
    head->next = head;
    head->previous = head;
}

void weir_fetch_ring_insert(struct weir_fetch_node *place, struct weir_fetch_node *node)
{
    node->next = place;
    node->previous = place->previous;
    place->previous->next = node;
    place->previous = node;
}

void weir_fetch_ring_remove(struct weir_fetch_node *node)
{
    if (node->next == NULL) return;
    node->previous->next = node->next;
    node->next->previous = node->previous;
    *node = (struct weir_fetch_node){0};
}

struct weir_fetch_entry *weir_fetch_entry_of_line(struct weir_fetch_node *node)
{
    return (struct weir_fetch_entry *)((char *)node - offsetof(struct weir_fetch_entry, line));
}

struct weir_fetch_entry *weir_fetch_entry_of_order(struct weir_fetch_node *node)
{
    return (struct weir_fetch_entry *)((char *)node - offsetof(struct weir_fetch_entry, order));
}

/* ---- states ---------------------------------------------------------------------------------- */

#define TO(state) WEIR_STATE_BIT(WEIR_FETCH_##state)
static const struct weir_state_row rows[] = {
    [WEIR_FETCH_DUE] = {"due", TO(ASKED) | TO(ANSWERED)},
    [WEIR_FETCH_ASKED] = {"asked", TO(ANSWERED)},
    [WEIR_FETCH_ANSWERED] = {"answered", TO(DUE) | TO(WATCHED)},
    [WEIR_FETCH_WATCHED] = {"watched", TO(DUE) | TO(RETURNING) | TO(GONE)},
    [WEIR_FETCH_RETURNING] = {"returning", TO(DUE) | TO(GONE)},
    [WEIR_FETCH_GONE] = {"gone", 0},
};
#undef TO
static const struct weir_state_table states = WEIR_STATE_TABLE("partition", rows);

static void move(struct weir_fetch_entry *entry, enum weir_fetch_state to)
{
    enum weir_fetch_state from = entry->state;
    entry->state = weir_state_move(&states, "of a fetch interest", from, to);
    if (from == WEIR_FETCH_RETURNING) entry->interest->returning--;
    if (to == WEIR_FETCH_RETURNING) entry->interest->returning++;
}

/* ---- invariants ------------------------------------------------------------------------------ */

static bool is_ring(const struct weir_fetch_node *head)
{
    return head->next != NULL && head->next->previous == head && head->previous->next == head;
}

void weir_fetch_interest_check(const struct weir_fetch_interest *interest)
{
    size_t count = weir_fetch_interest_count(interest);
    weir_assert(interest->part != NULL && is_ring(&interest->of_part));
    weir_assert(is_ring(&interest->order) && is_ring(&interest->due));
    weir_assert(is_ring(&interest->held) && is_ring(&interest->news));
    weir_assert((count == 0) == weir_fetch_ring_is_empty(&interest->order));
    weir_assert((count == 0) == (interest->size == 0));
    weir_assert(interest->unnamed <= (interest->by_id ? count : 0));
    weir_assert(interest->returning <= interest->out);
    weir_assert(interest->poll == NULL || interest->poll->interest == interest);
}

void weir_fetch_entry_check(const struct weir_fetch_entry *entry)
{
    enum weir_fetch_state state = entry->state;
    bool is_in_line = entry->line.next != NULL;
    bool is_watch =
        state == WEIR_FETCH_WATCHED || state == WEIR_FETCH_RETURNING || state == WEIR_FETCH_GONE;
    weir_assert(entry->interest != NULL && entry->key.size >= WEIR_PARTITION_KEY_EXTRA);
    weir_assert(!is_in_line || is_ring(&entry->line));
    weir_assert(is_in_line || state != WEIR_FETCH_DUE);
    weir_assert(!is_in_line || (state != WEIR_FETCH_RETURNING && state != WEIR_FETCH_GONE));
    weir_assert(is_in_line || state != WEIR_FETCH_WATCHED || entry->held == 0);
    weir_assert(is_watch || entry->held == 0);
    weir_assert(!is_watch || (entry->port.is_watch && entry->stuck_at == 0));
    weir_assert((!is_watch && state != WEIR_FETCH_ASKED) || entry->interest->out > 0);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void free_entry(struct weir_fetch_entry *entry)
{
    weir_free(entry->name);
    weir_free(entry);
}

static void free_interest_if_idle(struct weir_fetch_interest *interest)
{
    if (!interest->is_released || interest->poll != NULL || interest->out > 0) return;
    size_t at = 0;
    struct weir_fetch_entry *entry;
    while ((entry = weir_map_next(&interest->entries, &at)) != NULL) {
        free_entry(entry);
    }
    weir_map_close(&interest->entries);
    weir_fetch_ring_remove(&interest->of_part);
    weir_free(interest);
}

struct weir_fetch_interest *weir_fetch_interest_new(struct weir_fetch_part *part, bool by_id)
{
    struct weir_fetch_interest *interest =
        weir_alloc_zero(&part->interests_budget, sizeof *interest);
    if (interest == NULL) return NULL;
    interest->part = part;
    interest->by_id = by_id;
    weir_map_init(&interest->entries, &part->interests_budget);
    weir_fetch_ring_init(&interest->order);
    weir_fetch_ring_init(&interest->due);
    weir_fetch_ring_init(&interest->held);
    weir_fetch_ring_init(&interest->news);
    weir_fetch_ring_insert(&part->interests, &interest->of_part);
    return interest;
}

static void call_back(struct weir_fetch_entry *entry, enum weir_fetch_state to)
{
    if (entry->state == WEIR_FETCH_WATCHED) {
        weir_fetch_ring_remove(&entry->line);
        weir_broker_cancel_fetch(entry->interest->part->broker, &entry->request);
    }
    move(entry, to);
    weir_fetch_entry_check(entry);
}

void weir_fetch_interest_release(struct weir_fetch_interest *interest)
{
    if (interest == NULL || interest->is_released) return;
    interest->is_released = true;
    size_t at = 0;
    struct weir_fetch_entry *entry;
    while ((entry = weir_map_next(&interest->entries, &at)) != NULL) {
        if (entry->state == WEIR_FETCH_WATCHED) call_back(entry, WEIR_FETCH_RETURNING);
    }
    if (interest->poll != NULL) {
        weir_fetch_poll_force_complete(interest->poll); /* which then frees it */
    } else {
        free_interest_if_idle(interest);
    }
}

void weir_fetch_interest_end_poll(struct weir_fetch_interest *interest)
{
    interest->poll = NULL;
    interest->out++;
}

void weir_fetch_interest_let_go(struct weir_fetch_interest *interest)
{
    weir_fetch_interest_check(interest);
    interest->out--;
    free_interest_if_idle(interest);
}

/* ---- the set --------------------------------------------------------------------------------- */

static struct weir_slice make_key(uint8_t key[KEY_SIZE_MAX], bool by_id, struct weir_slice topic,
                                  struct weir_uuid id, int32_t partition)
{
    struct weir_slice name = by_id ? weir_slice(id.bytes, sizeof id.bytes) : topic;
    weir_assert(name.size <= INT16_MAX);
    return weir_partition_key(key, name, partition);
}

static size_t size_of(const struct weir_fetch_entry *entry)
{
    return sizeof *entry + entry->key.size;
}

static bool has_room(const struct weir_fetch_interest *interest, struct weir_slice key)
{
    const struct weir_budget *budget = &interest->part->interests_budget;
    size_t size = sizeof(struct weir_fetch_entry) + key.size;
    return interest->size + size <= budget->limit / SHARE_OF_READER;
}

static struct weir_fetch_entry *add(struct weir_fetch_interest *interest, struct weir_slice key,
                                    const struct weir_fetch_place *place)
{
    struct weir_fetch_entry *entry =
        weir_alloc_zero(&interest->part->interests_budget, sizeof *entry + key.size);
    if (entry == NULL) return NULL;
    memcpy(entry + 1, key.data, key.size);
    entry->key = weir_slice(entry + 1, key.size);
    entry->interest = interest;
    entry->place = *place;
    entry->place.topic = interest->by_id ? weir_null() : weir_slice(entry + 1, key.size - 4);
    entry->high_watermark = -1;
    entry->last_stable_offset = -1;
    entry->log_start_offset = -1;
    entry->told_high_watermark = -1;
    entry->told_log_start_offset = -1;
    if (weir_map_add(&interest->entries, entry->key, entry) < 0) {
        weir_free(entry);
        return NULL;
    }
    interest->size += size_of(entry);
    interest->unnamed += interest->by_id ? 1 : 0;
    weir_fetch_ring_insert(&interest->order, &entry->order);
    weir_fetch_ring_insert(&interest->due, &entry->line);
    return entry;
}

static bool epochs_are_equal(const struct weir_epoch_check *a, const struct weir_epoch_check *b)
{
    return a->has_current == b->has_current && a->current == b->current &&
           a->has_fetched == b->has_fetched && a->fetched == b->fetched;
}

static void update(struct weir_fetch_entry *entry, const struct weir_fetch_place *place)
{
    bool has_moved = entry->place.offset != place->offset ||
                     !epochs_are_equal(&entry->place.epochs, &place->epochs);
    entry->place.offset = place->offset;
    entry->place.size_max = place->size_max;
    entry->place.epochs = place->epochs;
    if (has_moved && entry->state == WEIR_FETCH_WATCHED) call_back(entry, WEIR_FETCH_RETURNING);
}

int weir_fetch_interest_put(struct weir_fetch_interest *interest,
                            const struct weir_fetch_place *place)
{
    WEIR_UNINITIALIZED uint8_t bytes[KEY_SIZE_MAX];
    struct weir_slice key =
        make_key(bytes, interest->by_id, place->topic, place->topic_id, place->partition);
    struct weir_fetch_entry *entry = weir_map_get(&interest->entries, key);
    if (entry != NULL) {
        update(entry, place);
    } else {
        if (!has_room(interest, key)) return WEIR_LIMIT;
        entry = add(interest, key, place);
        if (entry == NULL) return WEIR_NO_MEMORY;
    }
    if (entry->named_in == interest->generation) return 0;
    entry->named_in = interest->generation;
    weir_fetch_ring_remove(&entry->order);
    weir_fetch_ring_insert(&interest->order, &entry->order);
    if (entry->state != WEIR_FETCH_DUE) return 0;
    weir_fetch_ring_remove(&entry->line);
    weir_fetch_ring_insert(&interest->due, &entry->line);
    return 0;
}

static void drop(struct weir_fetch_entry *entry)
{
    struct weir_fetch_interest *interest = entry->interest;
    (void)weir_map_remove(&interest->entries, entry->key);
    weir_fetch_ring_remove(&entry->order);
    interest->size -= size_of(entry);
    if (weir_slice_is_null(entry->place.topic)) interest->unnamed--;
    if (entry->state == WEIR_FETCH_DUE) {
        weir_fetch_ring_remove(&entry->line);
        free_entry(entry);
        return;
    }
    call_back(entry, WEIR_FETCH_GONE);
}

void weir_fetch_interest_begin(struct weir_fetch_interest *interest)
{
    interest->generation++;
}

/* Whatever was named has moved to the end. */
void weir_fetch_interest_end(struct weir_fetch_interest *interest)
{
    while (!weir_fetch_ring_is_empty(&interest->order)) {
        struct weir_fetch_entry *first = weir_fetch_entry_of_order(interest->order.next);
        if (first->named_in == interest->generation) break;
        drop(first);
    }
    weir_fetch_interest_check(interest);
}

void weir_fetch_interest_drop(struct weir_fetch_interest *interest, struct weir_slice topic,
                              struct weir_uuid topic_id, int32_t partition)
{
    WEIR_UNINITIALIZED uint8_t bytes[KEY_SIZE_MAX];
    struct weir_slice key = make_key(bytes, interest->by_id, topic, topic_id, partition);
    struct weir_fetch_entry *entry = weir_map_get(&interest->entries, key);
    if (entry != NULL) drop(entry);
}

void weir_fetch_interest_set_isolation(struct weir_fetch_interest *interest, bool read_committed)
{
    if (interest->read_committed == read_committed) return;
    interest->read_committed = read_committed;
    size_t at = 0;
    struct weir_fetch_entry *entry;
    while ((entry = weir_map_next(&interest->entries, &at)) != NULL) {
        if (entry->state == WEIR_FETCH_WATCHED) call_back(entry, WEIR_FETCH_RETURNING);
    }
}

int weir_fetch_entry_name(struct weir_fetch_entry *entry, struct weir_slice name)
{
    weir_assert(entry->name == NULL && entry->interest->unnamed > 0);
    entry->name = weir_alloc_text(&entry->interest->part->interests_budget, (const char *)name.data,
                                  name.size);
    if (entry->name == NULL) return WEIR_NO_MEMORY;
    entry->place.topic = weir_slice(entry->name, name.size);
    entry->interest->unnamed--;
    return 0;
}

/* ---- out and back ---------------------------------------------------------------------------- */

static void note_answer(struct weir_fetch_entry *entry)
{
    const struct weir_fetch_request *request = &entry->request;
    move(entry, WEIR_FETCH_ANSWERED);
    entry->number = weir_wire_error_of(request->request.rc);
    if (entry->number != 0) return;
    entry->high_watermark = request->high_watermark;
    entry->last_stable_offset = request->last_stable_offset;
    entry->log_start_offset = request->log_start_offset;
}

static void be_due(struct weir_fetch_entry *entry, struct weir_fetch_node *place)
{
    weir_fetch_ring_remove(&entry->line);
    weir_fetch_ring_insert(place, &entry->line);
    entry->held = 0;
    move(entry, WEIR_FETCH_DUE);
    weir_fetch_entry_check(entry);
}

/* As much memory as may be is held by answers that are not sent, or will be when what is asked has
 * come and been gathered: readers that do not read must not fill the memory. */
static bool is_memory_short(const struct weir_fetch_part *part)
{
    const struct weir_part_sessions *owner = part->owner;
    if (owner->unsent_size == NULL) return false;
    size_t coming = part->asked * RANGE_MIN + part->gathered_size;
    return *owner->unsent_size + coming >= owner->unsent_size_max;
}

/* The one place where something comes back from the engine. */
static void come_back(struct weir_request *request)
{
    struct weir_fetch_entry *entry = (struct weir_fetch_entry *)request;
    struct weir_fetch_interest *interest = entry->interest;
    struct weir_fetch_part *part = interest->part;
    struct weir_fetch_poll *poll = interest->poll;
    if (!entry->port.is_watch) part->asked--;
    if (entry->state == WEIR_FETCH_ASKED) {
        note_answer(entry);
        weir_fetch_poll_answered(poll, entry);
    } else if (entry->state == WEIR_FETCH_GONE) {
        free_entry(entry);
    } else {
        bool was_watched = entry->state == WEIR_FETCH_WATCHED;
        bool has_failed = was_watched && request->rc < 0;
        entry->stuck_at = was_watched ? entry->held : 0;
        be_due(entry, &interest->due);
        if (poll != NULL) weir_fetch_poll_woken(poll, has_failed);
    }
    weir_fetch_interest_check(interest);
    interest->out--; /* only now: as long as something is out, the interest stays */
    part->out--;
    free_interest_if_idle(interest);
}

static void send(struct weir_fetch_entry *entry, size_t size_max, size_t size_min, bool is_watch)
{
    struct weir_fetch_interest *interest = entry->interest;
    struct weir_fetch_part *part = interest->part;
    struct weir_fetch_request *request = &entry->request;
    entry->port = (struct weir_port_fetch){
        .is_watch = is_watch,
        .range_min = is_memory_short(part) ? 1 : RANGE_MIN,
    };
    *request = (struct weir_fetch_request){
        .request = {.reply_to = part->actor, .done = come_back, .topic_id = entry->place.topic_id},
        .from = {entry->place.topic, entry->place.partition},
        .offset = entry->place.offset,
        .size_max = size_max,
        .size_min = size_min,
        .deadline = WEIR_MONO_NEVER,
        .epochs = entry->place.epochs,
        .read_committed = interest->read_committed,
        .port = &entry->port,
    };
    interest->out++;
    part->out++;
    part->asked += is_watch ? 0 : 1;
    part->requests_sent++;
    weir_broker_fetch(part->broker, request);
}

void weir_fetch_entry_ask(struct weir_fetch_entry *entry, size_t size_max)
{
    move(entry, WEIR_FETCH_ASKED);
    entry->size_asked = size_max;
    send(entry, size_max > 0 ? size_max : 1, 0, size_max == 0);
    weir_fetch_entry_check(entry);
}

void weir_fetch_entry_refuse(struct weir_fetch_entry *entry, int16_t number)
{
    move(entry, WEIR_FETCH_ANSWERED);
    entry->request = (struct weir_fetch_request){.diverging_epoch = -1};
    entry->number = number;
}

void weir_fetch_entry_watch(struct weir_fetch_entry *entry, size_t size_min)
{
    entry->held = entry->request.size;
    entry->stuck_at = 0;
    weir_fetch_release(&entry->request);
    weir_fetch_ring_remove(&entry->line);
    if (entry->held > 0) {
        weir_fetch_ring_insert(&entry->interest->held, &entry->line);
    } else if (weir_fetch_entry_has_news(entry)) {
        weir_fetch_ring_insert(&entry->interest->news, &entry->line);
    }
    move(entry, WEIR_FETCH_WATCHED);
    send(entry, entry->size_asked > size_min ? entry->size_asked : size_min, size_min, true);
    weir_fetch_entry_check(entry);
}

void weir_fetch_entry_be_due(struct weir_fetch_entry *entry, struct weir_fetch_node *place)
{
    weir_fetch_release(&entry->request);
    entry->stuck_at = 0;
    be_due(entry, place);
}

void weir_fetch_interest_recall(struct weir_fetch_interest *interest)
{
    while (!weir_fetch_ring_is_empty(&interest->held)) {
        call_back(weir_fetch_entry_of_line(interest->held.next), WEIR_FETCH_RETURNING);
    }
}
