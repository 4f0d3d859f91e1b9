#ifndef WEIR_SERVER_TOPIC_CACHE_H
#define WEIR_SERVER_TOPIC_CACHE_H

#include "server/context.h"

/**
 * The names behind topic ids, as one part has seen them: what Produce 13 and Fetch 13 are asked by.
 *
 * Nothing that is right depends on it. A topic keeps its name for life, so that an entry can be
 * wrong in one way only, its topic is gone; and whoever asks the engine by a name from here passes
 * the id along (weir_request.topic_id), which the engine checks. When that is answered with
 * WEIR_UNKNOWN_TOPIC_ID, drop the entry.
 *
 * A fixed number of slots in sets of eight; of a full set the one that was not used for longest
 * gives way. Ids are random, so that their own bytes choose the set.
 */
enum { WEIR_TOPIC_CACHE_WAYS = 8, WEIR_TOPIC_CACHE_SLOTS = 4096 };

struct weir_topic_cache_slot {
    struct weir_uuid id;
    uint8_t *name; /* NULL: free */
    size_t name_size;
    uint64_t used; /* the cache's clock when it was last asked for */
};

struct weir_topic_cache {
    struct weir_budget *budget;
    struct weir_topic_cache_slot *slots; /* NULL until the first entry */
    uint64_t clock;
};

void weir_topic_cache_init(struct weir_topic_cache *cache, struct weir_budget *budget);
void weir_topic_cache_close(struct weir_topic_cache *cache);
/** Null if it is not here. Borrowed until the cache is written to. */
struct weir_slice weir_topic_cache_name(struct weir_topic_cache *cache, struct weir_uuid id);
/** Without memory for it nothing changes. */
void weir_topic_cache_put(struct weir_topic_cache *cache, struct weir_uuid id,
                          struct weir_slice name);
void weir_topic_cache_drop(struct weir_topic_cache *cache, struct weir_uuid id);

/**
 * The names of all ids of a request: from the cache, or else from the engine, which then fills it.
 *
 * Shape:   `names` has one per id, null where no topic has it; they live in the context's arena.
 * Errors:  `rc` and `request.request.error`, WEIR_NO_MEMORY or what the engine says; no names then.
 * Owns:    the lookup (and `ids`) must live until `done` has run; nobody else uses the arena until then.
 * Thread:  the context's. `done` runs there once, before the call returns if all are known.
 */
struct weir_topic_lookup {
    struct weir_list_topics_request request; /* first; the engine's */
    struct weir_request_context *context;
    const struct weir_uuid *ids;
    size_t id_count;
    void (*done)(struct weir_topic_lookup *lookup);
    /* given */
    int rc;
    struct weir_slice *names;
};
void weir_topic_lookup_begin(struct weir_topic_lookup *lookup);

#endif
