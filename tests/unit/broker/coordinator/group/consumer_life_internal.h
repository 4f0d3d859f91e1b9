#ifndef WEIR_TESTS_CONSUMER_LIFE_INTERNAL_H
#define WEIR_TESTS_CONSUMER_LIFE_INTERNAL_H

#include "tests/unit/broker/coordinator/group/consumer_life.h"

/**
 * What the files of a life share: the world (consumer_life.c), its clients (consumer_life_client.c) and those of the
 * classic protocol (consumer_life_classic.c).
 */
enum {
    CLIENTS_MAX = 50,
    TOPICS = 6,
    PARTITIONS_MAX = 12,
    OWNED_MAX = TOPICS * PARTITIONS_MAX,
    OLD_MAX = 32, /* requests that may come again */
    STEPS = 900,
    BEAT_MS = 3000,
    ASSIGNMENT_INTERVAL_MAX_MS = 2000,
    REBALANCE_MS = 10000,
    SETTLE_MS = 70000, /* sessions of the dead end, expressions are looked up */
    COMPACT_EVERY = 64,
};

struct client {
    char id[24];
    char instance[8]; /* "": dynamic */
    bool is_up;
    bool is_in;
    bool is_slow;    /* does not revoke in time */
    bool is_classic; /* speaks the classic protocol */
    bool must_join;  /* of these: JoinGroup is next */
    bool must_sync;  /* then SyncGroup */
    bool says_all;   /* something was lost or has changed: a full request next */
    int32_t epoch;
    unsigned wants; /* a bit for each topic name */
    int regex;      /* -1: none */
    struct weir_group_partition owned[OWNED_MAX];
    size_t owned_count;
    struct weir_group_partition told[OWNED_MAX]; /* the last assignment */
    size_t told_count;
    bool is_revoking;
    int64_t revoked_at_ms;
    int64_t beat_at_ms;
    int64_t heard_at_ms;
    int64_t lease_ms; /* it reads until then; see hear_assignment */
};

/* What a client has asked, with memory of its own. */
struct asked {
    struct client *by;
    char id[24];
    char instance[8];
    struct weir_slice names[TOPICS];
    struct weir_topic_partitions lists[OWNED_MAX];
    int32_t numbers[OWNED_MAX];
    struct weir_consumer_heartbeat_request request;
};

struct life {
    struct stage stage;
    struct weir_test_random random;
    uint64_t seed;
    bool is_wild;
    bool has_faults;
    struct client clients[CLIENTS_MAX];
    struct asked old[OLD_MAX];
    size_t old_count;
    int next_client;
    int64_t wake_at_ms;
    int32_t epoch; /* of the group, seen last */
    int32_t assignment_epoch;
    size_t steps;
};

extern const char *const life_topics[TOPICS];

/* ---- consumer_life.c ---- */

void life_require(const struct life *life, bool holds, const char *what);
uint64_t life_below(struct life *life, uint64_t bound);
/** One in so many, while there are faults. */
bool life_strikes(struct life *life, uint64_t one_in);
/** Which of life_topics has this id; -1: none any more. */
int life_slot_of(const struct life *life, struct weir_uuid id);
/** What holds at each moment: after each step. */
void life_check_now(struct life *life);

/* ---- consumer_life_client.c ---- */

void client_start(struct life *life);
void client_choose_topics(struct life *life, struct client *client);
bool client_wants(const struct client *client, int topic);
/** Its turn: it says what it has to say, and does what it is told. */
void client_beat(struct life *life, struct client *client);
/** It ends: it says so, for a while if it is static, or it is just not there any more. */
void client_end(struct life *life, struct client *client);
void client_stop_reading(struct client *client);
bool client_is_told(const struct client *client, const struct weir_group_partition *partition);
/** What it shall not read any more it stops reading now, and reads what it was told. */
void client_finish_revoking(struct client *client);
/** The request of a client as it is now; its texts and arrays are in `asked`. */
void client_make_request(struct life *life, struct client *client, struct asked *asked);
void client_put_subscription(struct asked *asked, const struct client *client);
/** To the group; what it says is in the stage's request. */
void client_send(struct life *life, struct asked *asked);

/* ---- consumer_life_classic.c ---- */

/** The turn of one that speaks the classic protocol. */
void client_beat_classic(struct life *life, struct client *client);

#endif
