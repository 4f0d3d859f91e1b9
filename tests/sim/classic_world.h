#ifndef WEIR_TESTS_SIM_CLASSIC_WORLD_H
#define WEIR_TESTS_SIM_CLASSIC_WORLD_H

#include "broker/coordinator/group/classic_group.h"
#include "tests/sim/simulation.h"

/**
 * One classic group, a clock, and whoever asks it: the shell of the pure steps, and a judge that looks at each
 * answer. It knows the rules from outside only: what was told to whom, and what the leaders said.
 *
 * A client is a *slot*; its member ids begin with 'c' and the slot's number, those of a static one with 's', so
 * that whose an id is can be read off it.
 */
enum { CLASSIC_SLOTS_MAX = 50, CLASSIC_ID_SIZE = 64, CLASSIC_PARTS_MAX = 2 * CLASSIC_SLOTS_MAX };

/** What a leader gives a member: a number that is given once. */
struct classic_part {
    char id[CLASSIC_ID_SIZE];
    int64_t token;
};

struct classic_ask {
    union {
        struct weir_group_request base;
        struct weir_join_group_request join;
        struct weir_sync_group_request sync;
        struct weir_group_heartbeat_request heartbeat;
        struct weir_leave_group_request leave;
    };
    enum weir_classic_event_type type;
    struct weir_arena arena;
    int slot;
    bool is_told;               /* the group has answered */
    bool is_closed;             /* and the client has heard it */
    struct classic_part *parts; /* of a leader's sync, in `arena` */
    size_t part_count;
    struct classic_ask *next;
    struct classic_ask *next_held;
};

struct classic_world {
    struct simulation *simulation;
    bool is_traced; /* on stderr */
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena; /* the update's */
    struct weir_group_settings settings;
    struct weir_classic_group group;
    int64_t now_ms;
    uint64_t ids;
    int64_t tokens;
    struct classic_ask *asks;
    struct classic_ask *held; /* answers that wait for the disk, the first first */
    struct classic_ask **held_end;
    struct weir_buffer record; /* the group's last one */
    bool has_record;

    /* Of the newest generation that anybody was told of. */
    int32_t generation;
    int leader; /* its slot; -1: nobody was told */
    bool is_assigned;
    int32_t assigned_generation; /* the newest that was; `parts` are its parts */
    struct classic_part parts[CLASSIC_PARTS_MAX];
    size_t part_count;
    int32_t told[CLASSIC_SLOTS_MAX]; /* the newest generation that the slot was told of */

    void (*hear)(void *context, struct classic_ask *ask); /* the client's */
    void *context;
};

void classic_world_init(struct classic_world *world, struct simulation *simulation);
/** All answered but what is parked, which is taken. */
void classic_world_close(struct classic_world *world);

/** A question to be filled in; classic_world_send has it answered now, or later. */
struct classic_ask *classic_world_ask(struct classic_world *world, int slot,
                                      enum weir_classic_event_type type);
void classic_world_send(struct classic_world *world, struct classic_ask *ask);
/** Its asker does not wait any more. */
void classic_world_cancel(struct classic_world *world, struct classic_ask *ask);
/** The clock goes on; ticks come when the group wants one. */
void classic_world_pass(struct classic_world *world, int64_t ms);
/** What waits for the disk is heard now. */
void classic_world_release(struct classic_world *world);
/** The coordinator is gone, and comes back with what the log has. */
void classic_world_crash(struct classic_world *world);
/** May this member commit? The judge knows, too. */
void classic_world_commit(struct classic_world *world, const char *id, const char *instance,
                          int32_t generation);

int classic_slot_of(struct weir_slice id);

#endif
