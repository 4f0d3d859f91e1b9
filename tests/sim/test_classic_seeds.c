/*
 * A life of a classic group: up to fifty clients that join, sync, send heartbeats, commit, leave, fall silent, come
 * back, ask twice, ask late, and hang up; a coordinator that crashes. The judge in classic_world.c looks at each
 * answer. In the end all that are alive ask for nothing new, and the group has to settle with exactly them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "tests/sim/classic_world.h"
#include "tests/sim/seeds.h"

enum phase {
    OUT,     /* wants to join */
    JOINING, /* waits for the answer, as in SYNCING */
    JOINED,  /* has a generation, wants to sync */
    SYNCING,
    IN, /* sends heartbeats */
};

struct slot {
    int number;
    bool is_static;
    bool is_old;
    bool can_skip;
    bool is_silent; /* until then */
    int64_t silent_until_ms;
    int32_t session_ms;
    int32_t rebalance_ms;
    int metadata; /* how often it has changed what it says */
    enum phase phase;
    char id[CLASSIC_ID_SIZE]; /* empty: none */
    int32_t generation;
    struct classic_part parts[CLASSIC_PARTS_MAX]; /* what it will assign, if it leads */
    size_t part_count;
    struct classic_ask *asked; /* its answer is waited for */
    int64_t heartbeat_at_ms;
    char late_id[CLASSIC_ID_SIZE]; /* what it was called some time ago */
    int32_t late_generation;
    bool
        is_refused; /* the group is full, or what its members speak has been forgotten (life.has_crashed) */
};

struct life {
    struct simulation *simulation;
    struct classic_world world;
    struct slot slots[CLASSIC_SLOTS_MAX];
    int slot_count;
    bool is_quiet;
    /* The record of a group has the protocol that was chosen alone: who is read back speaks no other, so that who does
     * not speak it is refused until they join anew, as with Kafka. */
    bool has_crashed;
    /* per mille, of each slot in each turn */
    int silence;
    int leaving;
    int repeats;
    int lateness;
    int hanging_up;
    int changes;
    int crashes; /* of each turn */
};

static bool chance(struct life *life, int per_mille)
{
    return simulation_chance(life->simulation, per_mille);
}

static void trace(const struct life *life, const struct slot *slot, const char *what, int rc)
{
    if (!life->world.is_traced) return;
    fprintf(stderr, "[%6" PRId64 "] client %d > %s, generation %d: %s\n", life->world.now_ms,
            slot->number, what, slot->generation, weir_code_name(rc));
}

/* ---- questions ------------------------------------------------------------------------------- */

static const char *const instances[] = {
    "s0",  "s1",  "s2",  "s3",  "s4",  "s5",  "s6",  "s7",  "s8",  "s9",  "s10", "s11", "s12",
    "s13", "s14", "s15", "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25",
    "s26", "s27", "s28", "s29", "s30", "s31", "s32", "s33", "s34", "s35", "s36", "s37", "s38",
    "s39", "s40", "s41", "s42", "s43", "s44", "s45", "s46", "s47", "s48", "s49",
};

static const char *instance_of(const struct slot *slot)
{
    return slot->is_static ? instances[slot->number] : "";
}

static struct weir_slice keep(struct classic_ask *ask, const char *text)
{
    if (text[0] == '\0') return weir_null();
    return weir_arena_copy(&ask->arena, weir_text(text));
}

static struct weir_group_member_id member_of(struct classic_ask *ask, const struct slot *slot,
                                             const char *id)
{
    return (struct weir_group_member_id){keep(ask, id), keep(ask, instance_of(slot))};
}

static void fill_protocols(const struct slot *slot, struct classic_ask *ask)
{
    static const char *const names[] = {"range", "sticky", "cooperative"};
    struct weir_group_protocol *protocols = weir_arena_array(&ask->arena, 3, sizeof *protocols);
    size_t count = 0;
    char text[32];
    (void)snprintf(text, sizeof text, "metadata %d", slot->metadata);
    for (size_t i = 0; i < 3; i++) {
        size_t name = (i + (size_t)slot->metadata) % 3;
        if (name != 0 && (slot->metadata + slot->number) % 4 == 0) continue;
        protocols[count++] = (struct weir_group_protocol){weir_text(names[name]), keep(ask, text)};
    }
    ask->join.protocols = protocols;
    ask->join.protocol_count = count;
}

static struct classic_ask *ask_join(struct life *life, struct slot *slot, const char *id)
{
    struct classic_ask *ask = classic_world_ask(&life->world, slot->number, WEIR_CLASSIC_JOIN);
    char client[8];
    (void)snprintf(client, sizeof client, "c%d", slot->number);
    ask->join.member = member_of(ask, slot, id);
    ask->join.client_id = keep(ask, client);
    ask->join.client_host = weir_text("/127.0.0.1");
    ask->join.protocol_type = weir_text("consumer");
    ask->join.session_timeout_ms = slot->session_ms;
    ask->join.rebalance_timeout_ms = slot->rebalance_ms;
    ask->join.requires_member_id = !slot->is_old;
    ask->join.can_skip_assignment = slot->can_skip;
    fill_protocols(slot, ask);
    return ask;
}

static struct classic_ask *ask_sync(struct life *life, struct slot *slot, const char *id,
                                    int32_t generation)
{
    struct classic_ask *ask = classic_world_ask(&life->world, slot->number, WEIR_CLASSIC_SYNC);
    struct weir_member_assignment *assignments =
        weir_arena_array(&ask->arena, CLASSIC_PARTS_MAX, sizeof *assignments);
    ask->sync.member = member_of(ask, slot, id);
    ask->sync.generation = generation;
    ask->sync.assignments = assignments;
    ask->sync.assignment_count = slot->part_count;
    ask->part_count = slot->part_count;
    ask->parts = weir_arena_array(&ask->arena, CLASSIC_PARTS_MAX, sizeof *ask->parts);
    for (size_t i = 0; i < slot->part_count; i++) {
        char token[24];
        (void)snprintf(token, sizeof token, "%" PRId64, slot->parts[i].token);
        ask->parts[i] = slot->parts[i];
        assignments[i] =
            (struct weir_member_assignment){keep(ask, slot->parts[i].id), keep(ask, token)};
    }
    return ask;
}

static void heartbeat(struct life *life, struct slot *slot, const char *id, int32_t generation,
                      bool is_late)
{
    struct classic_ask *ask = classic_world_ask(&life->world, slot->number, WEIR_CLASSIC_HEARTBEAT);
    ask->heartbeat.member = member_of(ask, slot, id);
    ask->heartbeat.generation = generation;
    if (!is_late) slot->asked = ask;
    classic_world_send(&life->world, ask);
}

static void wait_for(struct life *life, struct slot *slot, struct classic_ask *ask,
                     enum phase phase)
{
    slot->asked = ask;
    slot->phase = phase;
    classic_world_send(&life->world, ask);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void forget(struct slot *slot, bool and_id)
{
    slot->phase = OUT;
    slot->part_count = 0;
    if (!and_id) return;
    slot->id[0] = '\0';
    slot->generation = -1;
}

static void remember(char *to, struct weir_slice id)
{
    (void)snprintf(to, CLASSIC_ID_SIZE, "%.*s", (int)id.size, (const char *)id.data);
}

/* The leader gives most of the members something, each another thing. */
static void plan(struct life *life, struct slot *slot, const struct weir_join_group_request *join)
{
    slot->part_count = 0;
    if (join->skip_assignment) return;
    for (size_t i = 0; i < join->member_count; i++) {
        if (chance(life, 150)) continue;
        struct classic_part *part = &slot->parts[slot->part_count++];
        remember(part->id, join->members[i].id.member_id);
        part->token = ++life->world.tokens;
    }
}

static void hear_join(struct life *life, struct slot *slot, const struct classic_ask *ask)
{
    const struct weir_join_group_request *join = &ask->join;
    int rc = join->base.request.rc;
    slot->phase = OUT;
    slot->is_refused = rc == WEIR_GROUP_MAX_SIZE_REACHED ||
                       (rc == WEIR_INCONSISTENT_GROUP_PROTOCOL && life->has_crashed);
    if (rc == WEIR_MEMBER_ID_REQUIRED) {
        remember(slot->id, join->member_id_out);
    } else if (rc == 0) {
        remember(slot->id, join->member_id_out);
        slot->generation = join->generation;
        slot->phase = JOINED;
        plan(life, slot, join);
    } else {
        bool keeps_id = rc == WEIR_REBALANCE_IN_PROGRESS || rc == WEIR_CLOSED || rc == WEIR_OFFLINE;
        forget(slot, !keeps_id);
    }
}

static void hear(void *context, struct classic_ask *ask)
{
    struct life *life = context;
    struct slot *slot = &life->slots[ask->slot];
    int rc = ask->base.request.rc;
    static const char *const names[] = {"join", "sync", "heartbeat", "leave"};
    trace(life, slot, names[ask->type], rc);
    if (slot->asked != ask) return; /* it does not wait for this one any more */
    slot->asked = NULL;
    if (ask->type == WEIR_CLASSIC_JOIN) {
        hear_join(life, slot, ask);
    } else if (rc == 0) {
        if (ask->type == WEIR_CLASSIC_SYNC) slot->phase = IN;
        slot->heartbeat_at_ms = life->world.now_ms + slot->session_ms / 3;
    } else {
        bool keeps_id = rc == WEIR_REBALANCE_IN_PROGRESS || rc == WEIR_CLOSED || rc == WEIR_OFFLINE;
        forget(slot, !keeps_id);
    }
}

/* ---- what clients do ------------------------------------------------------------------------- */

static void leave(struct life *life, struct slot *slot)
{
    struct classic_ask *ask = classic_world_ask(&life->world, slot->number, WEIR_CLASSIC_LEAVE);
    struct weir_leaving_member *member = weir_arena_alloc_zero(&ask->arena, sizeof *member);
    bool is_by_instance = slot->is_static && chance(life, 500);
    member->id = member_of(ask, slot, is_by_instance ? "" : slot->id);
    ask->leave.members = member;
    ask->leave.member_count = 1;
    classic_world_send(&life->world, ask);
    slot->asked = NULL;
    forget(slot, true);
}

/* Its process is gone. The coordinator may see that the connection is, or not. */
static void fall_silent(struct life *life, struct slot *slot)
{
    struct classic_ask *asked = slot->asked;
    slot->asked = NULL;
    slot->is_silent = true;
    slot->silent_until_ms = life->world.now_ms + simulation_draw(life->simulation, 40000);
    forget(slot, true);
    if (asked != NULL && chance(life, 500)) classic_world_cancel(&life->world, asked);
}

static void repeat(struct life *life, struct slot *slot)
{
    if (slot->phase == JOINING) wait_for(life, slot, ask_join(life, slot, slot->id), JOINING);
    if (slot->phase == SYNCING) {
        wait_for(life, slot, ask_sync(life, slot, slot->id, slot->generation), SYNCING);
    }
}

/* Something of long ago comes in: nobody waits for the answer. */
static void be_late(struct life *life, struct slot *slot)
{
    const char *id = slot->late_id;
    int32_t generation = slot->late_generation;
    size_t count = slot->part_count;
    switch (simulation_draw(life->simulation, 4)) {
    case 0:
        heartbeat(life, slot, id, generation, true);
        break;
    case 1:
        slot->part_count = 0;
        classic_world_send(&life->world, ask_sync(life, slot, id, generation));
        slot->part_count = count;
        break;
    case 2:
        if (id[0] != '\0') classic_world_send(&life->world, ask_join(life, slot, id));
        break;
    case 3:
        classic_world_commit(&life->world, id, instance_of(slot), generation);
        break;
    }
    memcpy(slot->late_id, slot->id, sizeof slot->late_id);
    slot->late_generation = slot->generation;
}

static void go_on(struct life *life, struct slot *slot)
{
    switch (slot->phase) {
    case OUT:
        if (slot->is_refused && !chance(life, 100)) break;
        wait_for(life, slot, ask_join(life, slot, slot->id), JOINING);
        break;
    case JOINED:
        wait_for(life, slot, ask_sync(life, slot, slot->id, slot->generation), SYNCING);
        break;
    case IN:
        if (slot->asked != NULL || life->world.now_ms < slot->heartbeat_at_ms) break;
        if (chance(life, 300)) {
            classic_world_commit(&life->world, slot->id, "", slot->generation);
        }
        heartbeat(life, slot, slot->id, slot->generation, false);
        break;
    case JOINING:
    case SYNCING:
        break;
    }
}

static void misbehave(struct life *life, struct slot *slot)
{
    if (chance(life, life->silence)) {
        fall_silent(life, slot);
    } else if (slot->id[0] != '\0' && chance(life, life->leaving)) {
        leave(life, slot);
    } else if (chance(life, life->repeats)) {
        repeat(life, slot);
    } else if (chance(life, life->lateness)) {
        be_late(life, slot);
    } else if (slot->asked != NULL && chance(life, life->hanging_up)) {
        classic_world_cancel(&life->world, slot->asked);
    } else if (slot->phase == IN && chance(life, life->changes)) {
        slot->metadata++;
        slot->phase = OUT;
        slot->asked = NULL;
    }
}

static void act(struct life *life, struct slot *slot)
{
    if (slot->is_silent) {
        if (life->is_quiet || life->world.now_ms < slot->silent_until_ms) return;
        slot->is_silent = false;
    }
    if (!life->is_quiet) misbehave(life, slot);
    if (!slot->is_silent) go_on(life, slot);
}

static void turn(struct life *life)
{
    for (int i = 0; i < life->slot_count; i++) {
        if (life->is_quiet || chance(life, 700)) act(life, &life->slots[i]);
    }
    if (life->is_quiet || chance(life, 500)) classic_world_release(&life->world);
    if (!life->is_quiet && chance(life, life->crashes)) {
        classic_world_crash(&life->world);
        life->has_crashed = true;
    }
    classic_world_pass(&life->world, 1 + simulation_draw(life->simulation, 1000));
}

/* ---- the end --------------------------------------------------------------------------------- */

static int count_in(const struct life *life, bool *all_are_in)
{
    int count = 0;
    *all_are_in = true;
    for (int i = 0; i < life->slot_count; i++) {
        const struct slot *slot = &life->slots[i];
        bool is_in = slot->phase == IN && slot->generation == life->world.group.generation;
        if (!slot->is_silent && !is_in && !slot->is_refused) *all_are_in = false;
        count += !slot->is_silent && is_in;
    }
    return count;
}

/* Two rebalances and two sessions: whoever is gone is out by then, and whoever is not has joined without it. */
static void settle(struct life *life)
{
    const struct weir_classic_group *group = &life->world.group;
    int64_t end_ms = life->world.now_ms + 2 * (30000 + 20000) + 10000;
    bool all_are_in = false;
    life->is_quiet = true;
    while (life->world.now_ms < end_ms && !simulation_has_failed(life->simulation)) {
        turn(life);
    }
    int count = count_in(life, &all_are_in);
    enum weir_classic_state wanted = count > 0 ? WEIR_CLASSIC_STABLE : WEIR_CLASSIC_EMPTY;
    if (!all_are_in || group->state != wanted || weir_map_count(&group->members) != (size_t)count) {
        simulation_fail(life->simulation, "never-settles",
                        "%d clients are in, the group has %zu members and is %s", count,
                        weir_map_count(&group->members),
                        (const char *)weir_classic_group_state_name(group).data);
    }
}

static void draw_slot(struct life *life, int number)
{
    struct simulation *simulation = life->simulation;
    life->slots[number] = (struct slot){
        .number = number,
        .is_static = simulation_chance(simulation, 300),
        .is_old = simulation_chance(simulation, 200),
        .can_skip = simulation_chance(simulation, 500),
        .session_ms = 6000 + (int32_t)simulation_draw(simulation, 14001),
        .rebalance_ms = 1000 + (int32_t)simulation_draw(simulation, 29001),
        .metadata = (int)simulation_draw(simulation, 3),
        .generation = -1,
        .late_generation = -1,
    };
}

static void draw(struct life *life)
{
    struct simulation *simulation = life->simulation;
    life->slot_count = 1 + (int)simulation_draw(simulation, CLASSIC_SLOTS_MAX);
    life->silence = (int)simulation_draw(simulation, 10);
    life->leaving = (int)simulation_draw(simulation, 6);
    life->repeats = (int)simulation_draw(simulation, 30);
    life->lateness = (int)simulation_draw(simulation, 40);
    life->hanging_up = (int)simulation_draw(simulation, 20);
    life->changes = (int)simulation_draw(simulation, 6);
    life->crashes = simulation_chance(simulation, 300) ? 8 : 0;
    life->world.settings.initial_rebalance_delay_ms = simulation_chance(simulation, 300) ? 0 : 3000;
    if (simulation_chance(simulation, 200)) {
        life->world.settings.members_max = 1 + (int32_t)simulation_draw(simulation, 20);
    }
    for (int i = 0; i < life->slot_count; i++) {
        draw_slot(life, i);
    }
}

static void run(struct simulation *simulation)
{
    struct life *life = calloc(1, sizeof *life);
    weir_assert(life != NULL);
    life->simulation = simulation;
    classic_world_init(&life->world, simulation);
    life->world.hear = hear;
    life->world.context = life;
    draw(life);
    int turns = 100 + (int)simulation_draw(simulation, 300);
    for (int i = 0; i < turns && !simulation_has_failed(simulation); i++) {
        turn(life);
    }
    if (!simulation_has_failed(simulation)) settle(life);
    classic_world_close(&life->world);
    free(life);
}

int main(int argument_count, char **arguments)
{
    return seeds_main(argument_count, arguments,
                      &(struct seeds_scenario){"classic group", 1000, run});
}
