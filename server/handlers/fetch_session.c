#include "base/assert.h"
#include "base/bytes.h"
#include "server/handlers/fetch_part.h"
#include "server/handlers/fetch_poll.h"
#include "server/server_config.h"

/* ---- sessions -------------------------------------------------------------------------------- */

static struct weir_fetch_session *session_of_use(struct weir_fetch_node *node)
{
    return (struct weir_fetch_session *)((char *)node - offsetof(struct weir_fetch_session, use));
}

static void show_count(struct weir_fetch_part *part)
{
    weir_counter_set(&part->owner->count, (int64_t)weir_map_count(&part->sessions));
}

struct weir_fetch_session *weir_fetch_session_find(struct weir_fetch_part *part, int32_t id)
{
    uint8_t key[4];
    weir_store_u32(key, (uint32_t)id);
    return weir_map_get(&part->sessions, weir_slice(key, sizeof key));
}

void weir_fetch_session_check(const struct weir_fetch_part *part,
                              const struct weir_fetch_session *session)
{
    const struct weir_fetch_node *use = &session->use;
    weir_assert(session->id > 0 && session->epoch > 0);
    weir_assert(session->id % part->shard_count == part->shard);
    weir_assert((int32_t)weir_load_u32(session->key) == session->id);
    weir_assert(session->interest != NULL && !session->interest->is_released);
    weir_assert(session->interest->part == part);
    weir_assert(use->next != NULL && use->next->previous == use && use->previous->next == use);
    bool is_oldest = use->previous == &part->sessions_by_use;
    weir_assert(is_oldest || session_of_use(use->previous)->used_at.ns <= session->used_at.ns);
}

void weir_fetch_session_close(struct weir_fetch_part *part, struct weir_fetch_session *session)
{
    weir_fetch_session_check(part, session);
    (void)weir_map_remove(&part->sessions, weir_slice(session->key, sizeof session->key));
    weir_fetch_ring_remove(&session->use);
    weir_fetch_interest_release(session->interest);
    weir_free(session);
    show_count(part);
}

/* The one that was not used for longest goes, if it was idle for so long. */
static void make_room(struct weir_fetch_part *part, int64_t idle_ms)
{
    struct weir_mono now = weir_mono_now(part->env);
    struct weir_fetch_node *node = part->sessions_by_use.next;
    for (; node != &part->sessions_by_use; node = node->next) {
        struct weir_fetch_session *session = session_of_use(node);
        struct weir_mono idle_at = weir_mono_after_ms(session->used_at, idle_ms);
        if (idle_at.ns > now.ns) return; /* those behind it were used later still */
        if (session->interest->poll != NULL) continue;
        weir_fetch_session_close(part, session);
        return;
    }
}

/* A reader that was killed leaves its session behind, and slots do not bound how much that holds. Two
 * go for one that comes, so that there is room again. */
static void relieve_memory(struct weir_fetch_part *part)
{
    const struct weir_budget *budget = &part->interests_budget;
    for (int i = 0; i < 2 && budget->used > budget->limit / 4 * 3; i++) {
        make_room(part, 0);
    }
}

/* Positive, new, and of this shard. */
static int32_t choose_id(struct weir_fetch_part *part)
{
    uint32_t count = (uint32_t)part->shard_count;
    int32_t id;
    do {
        uint32_t random = (uint32_t)weir_random_u64(part->env) % (INT32_MAX / count - 1) + 1;
        id = (int32_t)(random * count + (uint32_t)part->shard);
    } while (weir_fetch_session_find(part, id) != NULL);
    return id;
}

struct weir_fetch_session *weir_fetch_session_open(struct weir_fetch_part *part, bool by_id)
{
    relieve_memory(part);
    if (weir_map_count(&part->sessions) >= part->slots) {
        make_room(part, WEIR_FETCH_SESSION_IDLE_MS);
    }
    if (weir_map_count(&part->sessions) >= part->slots) return NULL;
    struct weir_fetch_session *session = weir_alloc_zero(part->budget, sizeof *session);
    if (session == NULL) return NULL;
    session->id = choose_id(part);
    session->epoch = 1;
    weir_store_u32(session->key, (uint32_t)session->id);
    session->used_at = weir_mono_now(part->env);
    session->interest = weir_fetch_interest_new(part, by_id);
    struct weir_slice key = weir_slice(session->key, sizeof session->key);
    if (session->interest == NULL || weir_map_add(&part->sessions, key, session) < 0) {
        weir_fetch_interest_release(session->interest);
        weir_free(session);
        return NULL;
    }
    weir_fetch_ring_insert(&part->sessions_by_use, &session->use);
    weir_fetch_session_check(part, session);
    show_count(part);
    return session;
}

void weir_fetch_session_advance(struct weir_fetch_part *part, struct weir_fetch_session *session)
{
    session->epoch = session->epoch == INT32_MAX ? 1 : session->epoch + 1;
    session->used_at = weir_mono_now(part->env);
    weir_fetch_ring_remove(&session->use);
    weir_fetch_ring_insert(&part->sessions_by_use, &session->use);
    weir_fetch_session_check(part, session);
}

/* ---- the part -------------------------------------------------------------------------------- */

static int run_once(void *object, struct weir_mono now, struct weir_mono *wake_at)
{
    struct weir_fetch_part *part = object;
    struct weir_fetch_poll *poll;
    int count = 0;
    while ((poll = weir_deadline_heap_due(&part->deadlines, now)) != NULL) {
        weir_fetch_poll_expire(poll);
        count++;
    }
    struct weir_mono first = weir_deadline_heap_first(&part->deadlines);
    if (first.ns < wake_at->ns) *wake_at = first;
    return count;
}

static void stop(void *object)
{
    struct weir_fetch_part *part = object;
    while (!weir_fetch_ring_is_empty(&part->sessions_by_use)) {
        weir_fetch_session_close(part, session_of_use(part->sessions_by_use.next));
    }
}

static bool is_idle(const void *object)
{
    const struct weir_fetch_part *part = object;
    return part->out == 0 && weir_fetch_ring_is_empty(&part->interests);
}

static void free_part(void *object)
{
    struct weir_fetch_part *part = object;
    weir_assert(is_idle(part) && weir_map_count(&part->sessions) == 0);
    weir_map_close(&part->sessions);
    weir_deadline_heap_close(&part->deadlines);
    weir_free(part);
}

static int32_t find_shard(struct weir_broker *broker, const struct weir_actor *actor)
{
    int32_t shard = 0;
    while (weir_broker_shard_actor(broker, shard) != actor) {
        shard++;
        weir_assert(shard < weir_broker_shard_count(broker));
    }
    return shard;
}

static struct weir_fetch_part *new_part(const struct weir_request_context *context)
{
    struct weir_budget *budget = weir_context_budget(context);
    struct weir_fetch_part *part = weir_alloc_zero(budget, sizeof *part);
    if (part == NULL) return NULL;
    part->owner = weir_context_sessions(context);
    part->broker = context->broker;
    part->env = weir_broker_env(context->broker);
    part->budget = budget;
    weir_budget_init(&part->interests_budget, "fetch interests", budget->heap, budget,
                     WEIR_FETCH_INTERESTS_BYTES);
    part->actor = context->actor;
    part->shard = find_shard(context->broker, context->actor);
    part->shard_count = weir_broker_shard_count(context->broker);
    int32_t slots = weir_context_config(context)->fetch_session_slots;
    int32_t share = (slots + part->shard_count - 1) / part->shard_count;
    part->slots = share > 0 ? (size_t)share : 0;
    weir_map_init(&part->sessions, budget);
    weir_fetch_ring_init(&part->sessions_by_use);
    weir_fetch_ring_init(&part->interests);
    weir_deadline_heap_init(&part->deadlines, budget);
    return part;
}

struct weir_fetch_part *weir_fetch_part_of(const struct weir_request_context *context)
{
    struct weir_part_sessions *sessions = weir_context_sessions(context);
    if (sessions->object == NULL) {
        sessions->object = new_part(context);
        if (sessions->object == NULL) return NULL;
        sessions->run_once = run_once;
        sessions->stop = stop;
        sessions->is_idle = is_idle;
        sessions->free = free_part;
    }
    return sessions->object;
}
