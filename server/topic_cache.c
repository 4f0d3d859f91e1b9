#include "server/topic_cache.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/metadata/uuid.h"

enum { SET_COUNT = WEIR_TOPIC_CACHE_SLOTS / WEIR_TOPIC_CACHE_WAYS };

/* ---- the slots ------------------------------------------------------------------------------- */

static struct weir_topic_cache_slot *set_of(const struct weir_topic_cache *cache,
                                            struct weir_uuid id)
{
    return &cache->slots[weir_load_u32(id.bytes) % SET_COUNT * WEIR_TOPIC_CACHE_WAYS];
}

static struct weir_topic_cache_slot *find(const struct weir_topic_cache *cache, struct weir_uuid id)
{
    if (cache->slots == NULL) return NULL;
    struct weir_topic_cache_slot *set = set_of(cache, id);
    for (size_t i = 0; i < WEIR_TOPIC_CACHE_WAYS; i++) {
        if (set[i].name != NULL && weir_uuid_equal(set[i].id, id)) return &set[i];
    }
    return NULL;
}

static struct weir_topic_cache_slot *least_used(const struct weir_topic_cache *cache,
                                                struct weir_uuid id)
{
    struct weir_topic_cache_slot *set = set_of(cache, id);
    struct weir_topic_cache_slot *least = &set[0];
    for (size_t i = 1; i < WEIR_TOPIC_CACHE_WAYS; i++) {
        if (set[i].used < least->used) least = &set[i]; /* a free one was used at 0 */
    }
    return least;
}

static void clear(struct weir_topic_cache_slot *slot)
{
    weir_free(slot->name);
    *slot = (struct weir_topic_cache_slot){0};
}

void weir_topic_cache_init(struct weir_topic_cache *cache, struct weir_budget *budget)
{
    *cache = (struct weir_topic_cache){.budget = budget};
}

void weir_topic_cache_close(struct weir_topic_cache *cache)
{
    for (size_t i = 0; cache->slots != NULL && i < WEIR_TOPIC_CACHE_SLOTS; i++) {
        weir_free(cache->slots[i].name);
    }
    weir_free(cache->slots);
    cache->slots = NULL;
}

struct weir_slice weir_topic_cache_name(struct weir_topic_cache *cache, struct weir_uuid id)
{
    struct weir_topic_cache_slot *slot = find(cache, id);
    if (slot == NULL) return weir_null();
    slot->used = ++cache->clock;
    return weir_slice(slot->name, slot->name_size);
}

void weir_topic_cache_put(struct weir_topic_cache *cache, struct weir_uuid id,
                          struct weir_slice name)
{
    weir_assert(name.size > 0);
    if (find(cache, id) != NULL) return;
    if (cache->slots == NULL) {
        cache->slots =
            weir_alloc_zero(cache->budget, WEIR_TOPIC_CACHE_SLOTS * sizeof *cache->slots);
    }
    uint8_t *copy = cache->slots != NULL ? weir_alloc(cache->budget, name.size) : NULL;
    if (copy == NULL) return;
    memcpy(copy, name.data, name.size);
    struct weir_topic_cache_slot *slot = least_used(cache, id);
    clear(slot);
    *slot = (struct weir_topic_cache_slot){
        .id = id,
        .name = copy,
        .name_size = name.size,
        .used = ++cache->clock,
    };
}

void weir_topic_cache_drop(struct weir_topic_cache *cache, struct weir_uuid id)
{
    struct weir_topic_cache_slot *slot = find(cache, id);
    if (slot != NULL) clear(slot);
}

/* ---- a request's ids ------------------------------------------------------------------------- */

static void finish(struct weir_topic_lookup *lookup, int rc)
{
    lookup->rc = rc;
    if (rc < 0) lookup->names = NULL;
    lookup->done(lookup);
}

static void fill(struct weir_topic_lookup *lookup)
{
    struct weir_topic_cache *cache = weir_context_topics(lookup->context);
    weir_assert(lookup->request.topic_count == lookup->id_count);
    for (size_t i = 0; i < lookup->id_count; i++) {
        const struct weir_topic_info *topic = &lookup->request.topics[i];
        lookup->names[i] = topic->rc == 0 ? topic->name : weir_null();
        if (topic->rc == 0) weir_topic_cache_put(cache, lookup->ids[i], topic->name);
    }
}

static void listed(struct weir_request *request)
{
    struct weir_topic_lookup *lookup = (struct weir_topic_lookup *)request;
    lookup->context->is_looking_up = false;
    if (request->rc == 0) fill(lookup);
    finish(lookup, request->rc);
}

/* The engine is asked for all of them, should one be unknown: that happens once per topic. */
static void ask_engine(struct weir_topic_lookup *lookup)
{
    lookup->request = (struct weir_list_topics_request){
        .request = {.reply_to = lookup->context->actor, .done = listed},
        .arena = &lookup->context->arena,
        .ids = lookup->ids,
        .asked_count = lookup->id_count,
        .is_selection = true,
    };
    lookup->context->is_looking_up = true;
    weir_broker_list_topics(lookup->context->broker, &lookup->request);
}

void weir_topic_lookup_begin(struct weir_topic_lookup *lookup)
{
    struct weir_arena *arena = &lookup->context->arena;
    struct weir_topic_cache *cache = weir_context_topics(lookup->context);
    size_t known = 0;
    lookup->names = weir_arena_array(arena, lookup->id_count + 1, sizeof *lookup->names);
    for (size_t i = 0; lookup->names != NULL && i < lookup->id_count; i++) {
        lookup->names[i] = weir_arena_copy(arena, weir_topic_cache_name(cache, lookup->ids[i]));
        known += !weir_slice_is_null(lookup->names[i]);
    }
    if (weir_arena_failed(arena)) {
        finish(lookup, weir_error_set(&lookup->request.request.error, WEIR_NO_MEMORY,
                                      "the names of %zu topics", lookup->id_count));
    } else if (known == lookup->id_count) {
        finish(lookup, 0);
    } else {
        ask_engine(lookup);
    }
}
