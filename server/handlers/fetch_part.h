#ifndef WEIR_SERVER_HANDLERS_FETCH_PART_H
#define WEIR_SERVER_HANDLERS_FETCH_PART_H

#include "base/map.h"
#include "broker/engine/deadline_heap.h"
#include "server/handlers/fetch_interest.h"

/**
 * What fetches share on a shard: sessions (KIP-227), the deadlines of those that are parked, and a
 * list of every interest.
 *
 * A session's id says which shard it lives on, so that a client that comes back over another one is
 * answered FETCH_SESSION_ID_NOT_FOUND and opens a new one, and never finds somebody else's. When
 * all slots are taken, the session that was not used for longest makes room, if no fetch is under
 * way with it and it was idle for two minutes; otherwise the reader is served without a session.
 * When three quarters of the memory for interests are taken, the oldest give way however short they
 * were idle: whoever comes back for one opens another.
 */
enum {
    WEIR_FETCH_SESSION_IDLE_MS = 120000,
    WEIR_FETCH_INTERESTS_BYTES = 256 * 1024 * 1024, /* of all interests of a shard */
};

struct weir_fetch_session {
    uint8_t key[4];
    int32_t id;
    int32_t epoch; /* that the next fetch must carry */
    struct weir_fetch_interest *interest;
    struct weir_mono used_at;
    struct weir_fetch_node use; /* in the part's `sessions_by_use` */
};

struct weir_fetch_part {
    struct weir_part_sessions *owner;
    struct weir_broker *broker;
    struct weir_env *env;
    struct weir_budget *budget;
    struct weir_budget interests_budget;
    struct weir_actor *actor;
    int32_t shard;
    int32_t shard_count;
    size_t slots;
    struct weir_map sessions;               /* by id */
    struct weir_fetch_node sessions_by_use; /* least recently used first */
    struct weir_fetch_node interests;
    struct weir_deadline_heap deadlines; /* of parked polls */
    size_t out;                          /* engine requests that are not back */
    size_t asked;                        /* those of them that bring records */
    size_t gathered_size;                /* records in memory that no answer holds yet */
    int64_t requests_sent;               /* ever, for tests and people */
};

/** The context's, made at the first fetch; NULL without memory. */
struct weir_fetch_part *weir_fetch_part_of(const struct weir_request_context *context);

/** NULL: there is none of this id here. */
struct weir_fetch_session *weir_fetch_session_find(struct weir_fetch_part *part, int32_t id);
/** NULL: all slots are in use (or memory is). Its first epoch is 1. */
struct weir_fetch_session *weir_fetch_session_open(struct weir_fetch_part *part, bool by_id);
/** It is used now: the next epoch, and the youngest. */
void weir_fetch_session_advance(struct weir_fetch_part *part, struct weir_fetch_session *session);
void weir_fetch_session_close(struct weir_fetch_part *part, struct weir_fetch_session *session);
/** Its invariants, those that cost nothing to look at; with each change. */
void weir_fetch_session_check(const struct weir_fetch_part *part,
                              const struct weir_fetch_session *session);

#endif
