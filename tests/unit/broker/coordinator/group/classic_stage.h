#ifndef WEIR_TESTS_CLASSIC_STAGE_H
#define WEIR_TESTS_CLASSIC_STAGE_H

#include "broker/coordinator/group/classic_group.h"
#include "tests/support/support.h"

/**
 * A classic group with a clock that the test winds, and what was asked of it. The stage notes each answer; at its
 * close every request must have been answered once, or be parked.
 */
struct asked {
    union {
        struct weir_group_request base;
        struct weir_join_group_request join;
        struct weir_sync_group_request sync;
        struct weir_group_heartbeat_request heartbeat;
        struct weir_leave_group_request leave;
    };
    struct weir_arena arena;
    size_t answer_count;
    bool was_durable; /* its answer waited for the records */
    struct asked *next;
};

enum { STAGE_ACTS_MAX = 64 };

struct stage {
    struct weir_heap heap;
    struct weir_budget budget;       /* the group's */
    struct weir_budget asked_budget; /* the askers' */
    struct weir_heap asked_heap;
    struct weir_arena arena; /* the update's */
    struct weir_group_settings settings;
    struct weir_classic_group group;
    struct weir_group_update update; /* of the last step */
    struct asked *asked;
    int64_t now_ms;
    uint64_t ids; /* drawn so far */
    int rc;       /* of the last step */
};

void stage_init(struct stage *stage);
void stage_close(struct stage *stage);

/** What a member says; the default is a dynamic consumer that speaks "range" in version 4 to 8. */
struct joining {
    const char *id; /* NULL: none */
    const char *instance;
    const char *client;       /* "client" */
    const char *type;         /* "consumer" */
    const char *protocols[4]; /* {"range"} */
    const char *metadata;     /* of each protocol: "topics" */
    int32_t session_ms;       /* 10,000 */
    int32_t rebalance_ms;     /* 60,000 */
    bool is_old;              /* below version 4: joins without an id */
    bool can_skip;            /* version 9 on */
};
struct asked *stage_join(struct stage *stage, const struct joining *joining);
#define JOIN(stage, ...) stage_join((stage), &(struct joining){__VA_ARGS__})

/** A new member: asks for an id, where it is dynamic and not old, and joins with it. */
struct asked *stage_enter(struct stage *stage, const struct joining *joining);
#define ENTER(stage, ...) stage_enter((stage), &(struct joining){__VA_ARGS__})

/** One member's assignment; a list of them ends with {0}. */
struct part {
    const char *id;
    const char *assignment;
};
struct asked *stage_sync(struct stage *stage, const char *id, const struct part *parts);
/** Of this generation, and with an instance id. */
struct asked *stage_sync_as(struct stage *stage, const char *id, const char *instance,
                            int32_t generation, const struct part *parts);
int stage_heartbeat(struct stage *stage, const char *id);
int stage_heartbeat_as(struct stage *stage, const char *id, const char *instance,
                       int32_t generation);
/** Leaves alone; gives what it is told. */
int stage_leave(struct stage *stage, const char *id, const char *instance);
void stage_cancel(struct stage *stage, struct asked *asked);
/** The clock goes on, with a tick whenever the group wants one and at the end. */
void stage_pass(struct stage *stage, int64_t ms);
int stage_step(struct stage *stage, struct weir_classic_event event);
int stage_commit(struct stage *stage, const char *id, const char *instance, int32_t generation);

/** Text of a slice, until the next few calls. */
const char *text_of(struct weir_slice slice);
/** The member id that a join was given. */
const char *id_of(const struct asked *asked);

/** A group of `count` new members, all joined and synced; their joins stand in `members_out`, the leader's
 * first. */
void stage_settle(struct stage *stage, size_t count, struct asked **members_out);

#define ck_answered(request_, code)                                                                \
    do {                                                                                           \
        const struct asked *ck_asked = (request_);                                                 \
        ck_assert_uint_eq(ck_asked->answer_count, 1);                                              \
        ck_code(ck_asked->base.request.rc, (code));                                                \
        ck_told(ck_asked->base.request.rc, &ck_asked->base.request.error);                         \
    } while (0)
#define ck_parked(request_)                                                                        \
    do {                                                                                           \
        const struct asked *ck_asked = (request_);                                                 \
        ck_assert_uint_eq(ck_asked->answer_count, 0);                                              \
        ck_assert(ck_asked->base.is_parked);                                                       \
    } while (0)
#define ck_state(stage, name)                                                                      \
    ck_assert_str_eq(text_of(weir_classic_group_state_name(&(stage)->group)), (name))
#define ck_text(slice, text) ck_assert_str_eq(text_of(slice), (text))

#endif
