#ifndef WEIR_TESTS_SIM_GROUP_WORLD_H
#define WEIR_TESTS_SIM_GROUP_WORLD_H

#include "tests/sim/group_checker.h"
#include "tests/sim/served.h"

/**
 * A served world (served.h) with consumer groups: topics of some tens of partitions that are written to and grow,
 * groups on them, and slots, each a member on a node of its own.
 *
 *   feeder ── Produce, CreatePartitions ──> node 0 <── JoinGroup … / ConsumerGroupHeartbeat, Fetch, OffsetCommit ── members
 */
enum {
    GROUP_TOPICS_MAX = 2,
    GROUP_PARTITIONS_MAX = 40,
    GROUP_LIVES_MAX = 3, /* of a topic that is deleted and made anew */
    GROUP_GROUPS_MAX = 3,
    GROUP_SLOTS_MAX = 50, /* of all groups together */
};

struct member;

struct group_topic {
    char name[16];
    int32_t count; /* partitions that are known to be there */
    struct weir_uuid id;
    bool has_id;                        /* it is there, as far as is known */
    bool is_remade;                     /* at times: then it is asked for by its id */
    int life;                           /* how often it was made anew */
    int64_t ends[GROUP_PARTITIONS_MAX]; /* behind what was acknowledged */
};

struct group_of {
    int number;
    char name[16];
    struct group_topic *topic;
    bool is_consumer; /* members of the consumer protocol are in it, at times */
    bool is_mixed; /* and others of the classic one: it goes from the one to the other, and back */
    bool is_transactional; /* its members commit within transactions, one each */
    int32_t session_ms;    /* classic: the members'; consumer: the server's */
    int32_t rebalance_ms;
};

/** How often each member does what, in thousandths of its acts. */
struct group_mishaps {
    int crash;
    int pause;
    int leave;
    int hang_up;
    int twice; /* what it says of its membership */
    int late;  /* a commit under a generation that it has left behind */
};

struct group_world {
    struct served served; /* first */
    struct group_history history;
    struct group_mishaps mishaps;
    struct group_topic topics[GROUP_TOPICS_MAX];
    int topic_count;
    struct group_of groups[GROUP_GROUPS_MAX];
    int group_count;
    struct member *members[GROUP_SLOTS_MAX];
    int slot_count;
    bool is_quiet; /* all that are alive are there and stay */
    bool is_last;  /* everybody looks once more at what is committed */
};

/** Draws what this seed is like. `simulation` is opened and not started; close when the seed is over. */
void group_world_init(struct group_world *world, struct simulation *simulation);
void group_world_close(struct group_world *world);
/** Node 0, its topics, the feeders and the members; false (and an anomaly) if that fails. */
bool group_world_start(struct group_world *world);
/** So many turns; in some seeds `__consumer_offsets` is to have more partitions, from a start midway on. */
void group_world_play(struct group_world *world, int turns);
/**
 * The end of a scenario. All heals; each group has to settle within its timeouts, with every partition at one
 * member; then all that was written is read and committed, and a fetch says so; the checker finds nothing.
 */
void group_world_end(struct group_world *world);

/** Which protocol the next member of a mixed group speaks. */
bool group_world_draws_classic(struct group_world *world);
int64_t group_world_now_ns(const struct group_world *world);
/** Writes a number of records, lets the topic grow, and makes it anew. */
void group_feeder_new(struct group_world *world, struct group_topic *topic, int64_t record_count,
                      int growths, int remakes);

#endif
