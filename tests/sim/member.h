#ifndef WEIR_TESTS_SIM_MEMBER_H
#define WEIR_TESTS_SIM_MEMBER_H

#include "tests/sim/group_world.h"
#include "tests/sim/remote.h"

/**
 * A member of a group over the wire. What is common to both protocols: it reads what it was given from where the group
 * has committed, commits what it has read, and has mishaps. How it becomes a member is the protocol's
 * (member_classic.c, member_consumer.c).
 *
 *   out ──join──> (classic: joined, sync) ──> in ──fenced, crash, leave──> out
 */
enum member_phase { MEMBER_OUT, MEMBER_JOINED, MEMBER_IN };

enum { MEMBER_ID_SIZE = 96 };

struct member_place {
    bool is_owned;
    uint32_t span;      /* how often it was given */
    int32_t generation; /* in which it was, the last time */
    int64_t position;   /* -1: not known yet */
    int64_t committed;
};

/** As whom it speaks. */
struct member_identity {
    char id[MEMBER_ID_SIZE]; /* empty: none */
    int32_t generation;
};

struct member;
struct member_protocol {
    void (*act)(struct member *member); /* nothing that it has said is under way */
    void (*leave)(struct member *member, bool for_good);
    void (*forget)(struct member *member); /* it is out: as before the first join */
};
extern const struct member_protocol member_classic;
extern const struct member_protocol member_consumer;

/** A partition of a question under way. */
struct member_item {
    int32_t partition;
    uint32_t span;
    int64_t offset;
    size_t event; /* of the group history */
};

/** A transaction of its producer's, for groups whose members commit within them (member_transaction.c). */
enum member_transaction_phase {
    MEMBER_TRANSACTION_CLOSED,
    MEMBER_TRANSACTION_READY,
    MEMBER_TRANSACTION_OPEN,
    MEMBER_TRANSACTION_ENDING,
};
struct member_transaction {
    enum member_transaction_phase phase;
    int64_t producer_id;
    int16_t epoch;
    bool is_commit;    /* ending */
    bool has_to_abort; /* open: not all of its offsets were taken, as far as is known */
    struct member_item items[GROUP_PARTITIONS_MAX];
    int item_count;
};

struct member {
    struct remote remote; /* first */
    struct group_world *world;
    struct group_of *group;
    int life; /* of the topic, that its partitions are of */
    const struct member_protocol *protocol;
    int slot;
    char instance[16]; /* empty: a dynamic member */
    enum member_phase phase;
    struct member_identity self;
    struct member_place places[GROUP_PARTITIONS_MAX];
    int64_t out_until_ns;
    int64_t paused_until_ns;
    int64_t say_at_ns;     /* the next heartbeat */
    struct remote_ask say; /* about its membership */
    bool is_saying;
    bool is_leaving;
    struct remote_ask echo; /* the same once more; nobody listens to its answer */
    bool is_echoing;
    struct remote_ask ask; /* about records and offsets */
    bool is_asking;
    struct member_item items[GROUP_PARTITIONS_MAX];
    int item_count;
    struct member_transaction transaction;
    bool has_looked; /* since the world's last look began */
    /* What it once was, and what it would have committed then. */
    struct member_identity late;
    int32_t late_partition; /* -1: nothing */
    int64_t late_offset;
    /* classic */
    bool is_cooperative;
    int32_t known_count; /* partitions, when it joined */
    int joined_life;     /* of the topic, when it did */
    int16_t join_version;
    struct member_assignment_list *assignments; /* the leader's, until it has synced */
    /* consumer */
    bool is_full;       /* its next heartbeat says everything */
    bool has_to_answer; /* it has given something up */
    int incarnation;
};

void member_new(struct group_world *world, struct group_of *group, bool is_static);
bool member_is_settled(const struct member *member);
/** It has all that was written, and it is committed. */
bool member_is_through(const struct member *member);

/* ---- for the protocols ---- */

void member_say(struct member *member, const struct weir_message_type *request_type,
                const struct weir_message_type *response_type, int16_t version, const void *request,
                void (*answered)(struct remote_ask *ask, const void *response));
/** At times, the same once more. */
void member_say_twice(struct member *member, const void *request);
/** True for an error that says that the coordinator cannot now; an anomaly if there is no reason. */
bool member_excuses(struct member *member, const struct remote_ask *ask, int16_t error,
                    const char *what);
void member_take_identity(struct member *member, struct weir_slice id, int32_t generation);
/** All of this and nothing else is its from now on. False: it gave something up. */
bool member_take(struct member *member, const bool given[GROUP_PARTITIONS_MAX]);
void member_release_all(struct member *member);
/** Out, to join again, by and by. */
void member_fall_out(struct member *member);
/** Null for a dynamic member. */
struct weir_slice member_instance(const struct member *member);

/* ---- for what it does with its partitions (member_work.c) ---- */

/** Looks up offsets, reads, commits: one step of it. */
void member_work(struct member *member);
/** Ask about records and offsets. */
void member_ask(struct member *member, const struct weir_message_type *request_type,
                const struct weir_message_type *response_type, int16_t version, const void *request,
                void (*answered)(struct remote_ask *ask, const void *response));
/** The place, if it has not been given up since the question; NULL. */
struct member_place *member_place_of(struct member *member, const struct member_item *item);
/** An error that says: it is not, or not so, a member by now. Its heartbeat will say so. */
bool member_is_of_membership(int16_t error);
/** Commits `items` within a transaction, or gets on the way there. False: one is open. */
bool member_transaction_commit(struct member *member);
/** Ends the one that is open, by and by. True: something is asked. */
bool member_transaction_work(struct member *member);
/** Its process has ended: nobody ends what is open but the coordinator. */
void member_transaction_crash(struct member *member);
/** An event of it that begins now. */
struct group_event member_event(const struct member *member, enum group_event_kind kind,
                                int32_t partition);

#endif
