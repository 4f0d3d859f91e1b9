#ifndef WEIR_SERVER_HANDLERS_FETCH_INTEREST_H
#define WEIR_SERVER_HANDLERS_FETCH_INTEREST_H

#include "base/map.h"
#include "server/context.h"

/**
 * What one reader fetches: a set of partitions, each with its place, kept from one fetch to the
 * next, so that a fetch costs by what has changed and not by what is read.
 *
 *                  ┌───────────── it gave something ─────────────┐
 *                  v                                             │
 *   (new) ──────> due ──ask──> asked ──answer──> answered ───────┤
 *                  ^                                             │ nothing there
 *                  ├── something there, or an error ── watched <─┘
 *                  │                                     │
 *                  └────────── returning <───cancel──────┘
 *
 *   due        nobody knows what is there; in the line of those to be asked
 *   asked      the engine has it and answers at once
 *   answered   the answer is in `request`, until the fetch that asked is answered itself
 *   watched    there is nothing at its place (or too little: `held`); the engine has it and says
 *              when there is. An idle partition stays here from fetch to fetch and costs nothing
 *   returning  the watch is called back, for its place has moved or the fetch ends
 *   gone       out of the set, but the engine has it still; freed when it is back
 *
 * At most one fetch is under way with an interest (`poll`); it is told of what comes back.
 * Everything happens on the reader's shard.
 */
struct weir_fetch_part;
struct weir_fetch_poll;
struct weir_fetch_interest;

/* A doubly linked ring; the head is a node too. */
struct weir_fetch_node {
    struct weir_fetch_node *next;
    struct weir_fetch_node *previous;
};
void weir_fetch_ring_init(struct weir_fetch_node *head);
/** In front of `place`: at the end, if that is the head. */
void weir_fetch_ring_insert(struct weir_fetch_node *place, struct weir_fetch_node *node);
/** Fine for a node that is in no ring, if it was zeroed or removed. */
void weir_fetch_ring_remove(struct weir_fetch_node *node);
static inline bool weir_fetch_ring_is_empty(const struct weir_fetch_node *head)
{
    return head->next == head;
}

/* Where a partition is read. */
struct weir_fetch_place {
    struct weir_slice topic;   /* null: by id */
    struct weir_uuid topic_id; /* zero: by name */
    int32_t partition;
    int64_t offset;
    int32_t size_max;
    struct weir_epoch_check epochs;
};

enum weir_fetch_state {
    WEIR_FETCH_DUE,
    WEIR_FETCH_ASKED,
    WEIR_FETCH_ANSWERED,
    WEIR_FETCH_WATCHED,
    WEIR_FETCH_RETURNING,
    WEIR_FETCH_GONE,
};

struct weir_fetch_entry {
    struct weir_fetch_request request; /* first; the engine's while it is out */
    struct weir_port_fetch port;       /* its, too */
    struct weir_fetch_interest *interest;
    enum weir_fetch_state state;
    struct weir_slice key;         /* behind the struct: name or id, and number */
    struct weir_fetch_place place; /* `topic` null: an id whose name is not known (yet) */
    char *name;                    /* of an id, owned */
    struct weir_fetch_node order;  /* in the interest's `order`, as it was named */
    struct weir_fetch_node line;   /* in `due`, `held` or `news`, or in what a poll has gathered */
    uint64_t named_in;             /* the interest's `generation` when it was named last */
    size_t size_asked;             /* what it was asked for at most */
    size_t held;                   /* watched: bytes that are there, but were too few */
    size_t stuck_at;        /* due: it gave so many, and its watch says that there are more */
    int16_t number;         /* answered: Kafka's error */
    int64_t high_watermark; /* as last seen; -1: never */
    int64_t last_stable_offset;
    int64_t log_start_offset;
    int64_t told_high_watermark; /* as the reader knows them; -1: it does not */
    int64_t told_log_start_offset;
};

struct weir_fetch_interest {
    struct weir_fetch_part *part;
    struct weir_fetch_node of_part; /* in the part's list of all */
    struct weir_map entries;
    size_t size;                  /* of the entries, in bytes */
    struct weir_fetch_node order; /* all, in the order of the last full fetch */
    struct weir_fetch_node due;
    struct weir_fetch_node held; /* watched ones with something there */
    struct weir_fetch_node news; /* watched ones whose reader does not know how they stand */
    size_t out;                  /* entries that the engine has */
    size_t returning;
    size_t unnamed; /* entries by an id whose name is not known */
    uint64_t generation;
    bool by_id;
    bool read_committed; /* as its last fetch said */
    bool is_released;
    struct weir_fetch_poll *poll;
};

/** NULL without memory. */
struct weir_fetch_interest *weir_fetch_interest_new(struct weir_fetch_part *part, bool by_id);
/** Nobody reads any more: a fetch under way is answered soon, and it is gone as soon as nothing is
 * out. NULL is fine. */
void weir_fetch_interest_release(struct weir_fetch_interest *interest);
/** The fetch that was under way is over. Its answer may look at the entries until `let_go`. */
void weir_fetch_interest_end_poll(struct weir_fetch_interest *interest);
void weir_fetch_interest_let_go(struct weir_fetch_interest *interest);

/**
 * A full fetch names everything: begin, put each, end, which drops what was not named. The order is
 * then that of the puts. Without begin and end a put adds or moves one.
 * Errors: WEIR_NO_MEMORY; WEIR_LIMIT: one reader may not hold more (an eighth of the memory for all
 * of a shard's: some twenty thousand partitions).
 */
void weir_fetch_interest_begin(struct weir_fetch_interest *interest);
int weir_fetch_interest_put(struct weir_fetch_interest *interest,
                            const struct weir_fetch_place *place);
void weir_fetch_interest_end(struct weir_fetch_interest *interest);
void weir_fetch_interest_drop(struct weir_fetch_interest *interest, struct weir_slice topic,
                              struct weir_uuid topic_id, int32_t partition);
/** What its reader may see from now on: watches that waited for something else are called back. */
void weir_fetch_interest_set_isolation(struct weir_fetch_interest *interest, bool read_committed);
/** What an id is called; the entry was without a name. WEIR_NO_MEMORY. */
int weir_fetch_entry_name(struct weir_fetch_entry *entry, struct weir_slice name);

/** Their invariants, those that cost nothing to look at; with each change. */
void weir_fetch_interest_check(const struct weir_fetch_interest *interest);
void weir_fetch_entry_check(const struct weir_fetch_entry *entry);

/** due -> asked: up to `size_max` bytes (0: none, only how the partition stands). */
void weir_fetch_entry_ask(struct weir_fetch_entry *entry, size_t size_max);
/** due -> answered, without asking. */
void weir_fetch_entry_refuse(struct weir_fetch_entry *entry, int16_t number);
/** answered -> watched: come back when `size_min` bytes are there. Releases what it holds. */
void weir_fetch_entry_watch(struct weir_fetch_entry *entry, size_t size_min);
/** answered -> due, in the line in front of `place`. Releases what it holds. */
void weir_fetch_entry_be_due(struct weir_fetch_entry *entry, struct weir_fetch_node *place);
/** Call back the watches that hold something. */
void weir_fetch_interest_recall(struct weir_fetch_interest *interest);

/** Its reader does not know how it stands. */
static inline bool weir_fetch_entry_has_news(const struct weir_fetch_entry *entry)
{
    return entry->high_watermark != entry->told_high_watermark ||
           entry->log_start_offset != entry->told_log_start_offset;
}
struct weir_fetch_entry *weir_fetch_entry_of_line(struct weir_fetch_node *node);
struct weir_fetch_entry *weir_fetch_entry_of_order(struct weir_fetch_node *node);
static inline size_t weir_fetch_interest_count(const struct weir_fetch_interest *interest)
{
    return weir_map_count(&interest->entries);
}

#endif
