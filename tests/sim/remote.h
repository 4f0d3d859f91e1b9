#ifndef WEIR_TESTS_SIM_REMOTE_H
#define WEIR_TESTS_SIM_REMOTE_H

#include "wire/peer/remote.h"
#include "tests/sim/clients.h"
#include "tests/sim/served.h"

/**
 * What every client of the served world is: an actor on a node of its own that keeps one connection
 * to node 0, asks again for what its topic is like whenever it has a new one, acts from time to
 * time, and loses patience with a server that says nothing.
 *
 *   away ──(a moment)──> connecting ──> looking (Metadata) ──> ready ──reset, silence──> away
 */
struct remote;

struct remote_ops {
    void (*ready)(struct remote *remote); /* a new connection, and the topic is known; or NULL */
    void (*lost)(struct remote *remote);  /* no answer comes to what was asked; or NULL */
    void (*act)(struct remote *remote);   /* ready, and it is time */
    /* instead of these, for one that connects by itself: it is time; it is over */
    void (*turn)(struct remote *remote);
    void (*stop)(struct remote *remote);
};

/** A request on its way, embedded in the client's own. */
struct remote_ask {
    struct weir_remote_call call; /* first */
    struct remote *remote;
    int64_t asked_ns;
    int64_t began; /* of the history */
    void (*answered)(struct remote_ask *ask, const void *response);
};

enum { REMOTE_CALM_PATIENCE = 20 }; /* times as patient when nothing is wrong */

enum remote_state { REMOTE_AWAY, REMOTE_CONNECTING, REMOTE_LOOKING, REMOTE_READY };

struct remote {
    struct client client; /* first */
    struct served *served;
    const struct remote_ops *ops;
    struct served_topic *topic; /* NULL: it has none, and does not look */
    struct weir_test_random random;
    struct weir_env *env;
    struct weir_actor *actor;
    struct weir_remote *connection;
    enum remote_state state;
    bool is_closed;
    int node;
    int64_t pace_ns;     /* between two acts, at most */
    int64_t patience_ns; /* with a server that says nothing */
    int64_t act_at_ns;
    int64_t began_ns; /* to connect */
    int64_t heard_ns; /* the last answer, or the first question since there was none to wait for */
    int asks_under_way;
    struct remote_ask look;
    struct weir_uuid topic_id;
    size_t memory_before; /* of its node */
};

/** Start it on a node of its own and hand it to the simulation. */
void remote_start(struct remote *remote, struct served *served, const struct remote_ops *ops);
/** Close its connection for good, and see that it leaves no memory behind. */
void remote_stop(struct remote *remote);
/** Its connection ends now; it will have another one. From its `act`. */
void remote_hang_up(struct remote *remote);
int64_t remote_draw(struct remote *remote, int64_t bound);
bool remote_chance(struct remote *remote, int per_mille);
/** One of the versions that `type` has, from `least` on; by topic id only if the server is ours. */
int16_t remote_draw_version(struct remote *remote, const struct weir_message_type *type,
                            int16_t least);
/** Send it; an answer comes to `ask->answered`, unless the connection is lost before. Without an
 * answer to come (`response_type` NULL) it is called when the bytes are sent. */
void remote_send(struct remote *remote, struct remote_ask *ask,
                 const struct weir_message_type *request_type,
                 const struct weir_message_type *response_type, int16_t version,
                 const void *request);
/**
 * It was answered with an error: is one excused? True if the client shall try again later; false if
 * that is an anomaly, which is noted.
 */
bool remote_excuses(struct remote *remote, const struct remote_ask *ask, int16_t error,
                    const char *what);
/** No fault has been about since the question. */
bool remote_is_calm(const struct remote *remote, const struct remote_ask *ask);

struct remote_producer_options {
    enum history_acks acks;
    bool is_idempotent;
    int in_flight_max;
    int records_max;
    int64_t value_count;
};
void remote_producer_new(struct served *served, struct served_topic *topic,
                         const struct remote_producer_options *options);

struct remote_reader_options {
    bool is_final; /* from the start to the end of what is there, once */
    bool has_session;
};
void remote_reader_new(struct served *served, struct served_topic *topic,
                       const struct remote_reader_options *options);

enum rogue_kind { ROGUE_DRIBBLES, ROGUE_IS_DEAF, ROGUE_IS_HOSTILE };
void remote_rogue_new(struct served *served, enum rogue_kind kind);

/**
 * Creates topics, looks at them, writes, adds partitions, asks for offsets, deletes records and the
 * topic, and holds each answer against what it knows.
 */
void remote_admin_new(struct served *served, int64_t rounds);

#endif
