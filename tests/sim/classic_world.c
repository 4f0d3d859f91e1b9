#include "tests/sim/classic_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "wire/coordinator_record.h"
#include "wire/generated/group_metadata_value.h"

enum { WALL_MS = 1000000 };

static void wrong(struct classic_world *world, const char *anomaly, const char *what,
                  const struct classic_ask *ask)
{
    (void)simulation_fail(world->simulation, anomaly,
                          "[%" PRId64 "] %s (slot %d, generation %d, state %s)", world->now_ms,
                          what, ask != NULL ? ask->slot : -1, world->group.generation,
                          (const char *)weir_classic_group_state_name(&world->group).data);
}

int classic_slot_of(struct weir_slice id)
{
    char text[8] = "";
    if (id.size < 2) return -1;
    memcpy(text, id.data + 1, id.size - 1 < sizeof text - 1 ? id.size - 1 : sizeof text - 1);
    return atoi(text);
}

static bool is_text(struct weir_slice slice, const char *text)
{
    return slice.size == strlen(text) &&
           (slice.size == 0 || memcmp(slice.data, text, slice.size) == 0);
}

/* ---- what is told of joins ------------------------------------------------------------------- */

static void judge_join(struct classic_world *world, const struct classic_ask *ask)
{
    const struct weir_join_group_request *join = &ask->join;
    int leader = classic_slot_of(join->leader_id);
    if (join->base.request.rc < 0) return;
    if (join->generation < world->generation || join->generation < world->told[ask->slot]) {
        wrong(world, "generation-goes-back", "a join was told an older generation", ask);
    }
    if (join->generation > world->generation) {
        world->generation = join->generation;
        world->leader = leader;
        world->is_assigned = false;
    }
    world->told[ask->slot] = join->generation;
    if (classic_slot_of(join->member_id_out) != ask->slot) {
        wrong(world, "wrong-id", "a join was given another client's id", ask);
    }
    if (leader != world->leader) {
        wrong(world, "two-leaders", "a join was told of another leader", ask);
    }
    if (join->member_count > 0 && ask->slot != world->leader) {
        wrong(world, "two-leaders", "a follower was told of the members", ask);
    }
}

static bool is_listed(const struct weir_join_group_request *join, struct weir_slice id)
{
    size_t count = 0;
    for (size_t i = 0; i < join->member_count; i++) {
        count += (size_t)weir_slice_equal(join->members[i].id.member_id, id);
    }
    return count == 1;
}

/* Whoever is told of a generation together with its leader is known to the leader. */
static void judge_members(struct classic_world *world, const struct weir_group_update *update)
{
    const struct weir_join_group_request *leader = NULL;
    const struct weir_group_request *request = update->answered.first;
    for (; request != NULL; request = request->next) {
        const struct classic_ask *ask = request->request.context;
        if (ask->type != WEIR_CLASSIC_JOIN || request->request.rc < 0) continue;
        if (ask->join.member_count > 0) leader = &ask->join;
    }
    if (leader == NULL) return;
    for (request = update->answered.first; request != NULL; request = request->next) {
        const struct classic_ask *ask = request->request.context;
        if (ask->type != WEIR_CLASSIC_JOIN || request->request.rc < 0) continue;
        if (!is_listed(leader, ask->join.member_id_out)) {
            wrong(world, "forgotten-member", "the leader was not told of a member", ask);
        }
    }
}

/* ---- what is told of syncs ------------------------------------------------------------------- */

static const struct classic_part *part_of(const struct classic_world *world, struct weir_slice id)
{
    for (size_t i = 0; i < world->part_count; i++) {
        const char *name = world->parts[i].id;
        bool is_same = is_text(id, name);
        /* a static member that has come back has its part by its instance */
        if (name[0] == 's' && id.data[0] == 's') {
            is_same = classic_slot_of(weir_text(name)) == classic_slot_of(id);
        }
        if (is_same) return &world->parts[i];
    }
    return NULL;
}

/* A sync that had the group go on: it is the leader's, and what it says holds for the generation. */
static void judge_stabilized(struct classic_world *world, const struct classic_ask *ask)
{
    if (world->is_assigned || ask->sync.generation != world->generation) {
        wrong(world, "assigned-twice", "a generation was assigned that is not the newest, or is",
              ask);
    }
    if (ask->slot != world->leader) {
        wrong(world, "wrong-leader", "one that does not lead has assigned", ask);
    }
    world->is_assigned = true;
    world->assigned_generation = world->generation;
    world->part_count = ask->part_count;
    for (size_t i = 0; i < ask->part_count; i++) {
        world->parts[i] = ask->parts[i];
    }
}

static void judge_sync(struct classic_world *world, const struct classic_ask *ask)
{
    char token[24] = "";
    if (ask->base.request.rc < 0) return;
    if (!world->is_assigned || ask->sync.generation != world->generation) {
        wrong(world, "no-assignment", "a sync was answered that nobody has assigned for", ask);
        return;
    }
    const struct classic_part *part = part_of(world, ask->sync.member.member_id);
    if (part != NULL) (void)snprintf(token, sizeof token, "%" PRId64, part->token);
    if (!is_text(ask->sync.assignment, token)) {
        wrong(world, "wrong-assignment", "a member was given what the leader did not give it", ask);
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

static void close_ask(struct classic_world *world, struct classic_ask *ask)
{
    if (ask->is_closed) wrong(world, "answered-twice", "a request was answered twice", ask);
    ask->is_closed = true;
    history_note(&world->simulation->history,
                 &(struct history_event){.kind = HISTORY_COMMIT,
                                         .process = ask->slot,
                                         .value = world->group.generation,
                                         .offset = -ask->base.request.rc,
                                         .start = world->now_ms,
                                         .count = (int64_t)ask->type});
    world->hear(world->context, ask);
}

static void tell(struct classic_world *world, struct classic_ask *ask)
{
    if (ask->is_told) wrong(world, "answered-twice", "a request was answered twice", ask);
    if (ask->base.is_parked) wrong(world, "answered-parked", "an answer is parked", ask);
    ask->is_told = true;
    if (ask->type == WEIR_CLASSIC_JOIN) judge_join(world, ask);
    if (ask->type == WEIR_CLASSIC_SYNC) judge_sync(world, ask);
}

static void hold(struct classic_world *world, struct classic_ask *ask)
{
    ask->next_held = NULL;
    *world->held_end = ask;
    world->held_end = &ask->next_held;
}

static void keep_record(struct classic_world *world, const struct weir_group_update *update)
{
    for (size_t i = 0; i < update->record_count; i++) {
        weir_buffer_reset(&world->record);
        weir_buffer_append(&world->record, update->records[i].value.data,
                           update->records[i].value.size);
        world->has_record = true;
    }
}

static void deliver(struct classic_world *world, const struct weir_group_update *update)
{
    struct weir_group_request *next;
    judge_members(world, update);
    for (struct weir_group_request *at = update->durable.first; at != NULL; at = at->next) {
        tell(world, at->request.context);
        hold(world, at->request.context);
    }
    for (struct weir_group_request *at = update->answered.first; at != NULL; at = at->next) {
        tell(world, at->request.context);
    }
    for (struct weir_group_request *at = update->answered.first; at != NULL; at = next) {
        next = at->next; /* the client may ask again at once, but not with this one */
        close_ask(world, at->request.context);
    }
}

void classic_world_release(struct classic_world *world)
{
    struct classic_ask *ask = world->held;
    world->held = NULL;
    world->held_end = &world->held;
    while (ask != NULL) {
        struct classic_ask *next = ask->next_held;
        close_ask(world, ask);
        ask = next;
    }
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* Of the drawing in classic_group.h what can be seen from outside: one step makes several moves. */
static bool may_follow(enum weir_classic_state from, enum weir_classic_state to)
{
    if (to == WEIR_CLASSIC_DEAD) return false;
    return to != WEIR_CLASSIC_STABLE || from == WEIR_CLASSIC_STABLE ||
           from == WEIR_CLASSIC_COMPLETING_REBALANCE;
}

static void step(struct classic_world *world, struct weir_classic_event event)
{
    struct weir_group_update update;
    enum weir_classic_state before = world->group.state;
    int32_t generation = world->group.generation;
    event.now_ms = world->now_ms;
    event.wall_ms = world->now_ms + WALL_MS;
    event.settings = &world->settings;
    world->ids++;
    memcpy(event.random.bytes, &world->ids, sizeof world->ids);
    weir_arena_reset(&world->arena);
    weir_group_update_init(&update, &world->arena);
    int rc = weir_classic_group_step(&world->group, &event, &update);
    if (rc < 0) wrong(world, "step-failed", weir_code_name(rc), NULL);
    if (!may_follow(before, world->group.state) || world->group.generation < generation) {
        wrong(world, "wrong-move", "the state or the generation has gone where it may not", NULL);
    }
    if (event.type == WEIR_CLASSIC_SYNC && before == WEIR_CLASSIC_COMPLETING_REBALANCE &&
        world->group.state == WEIR_CLASSIC_STABLE) {
        judge_stabilized(world, event.sync->base.request.context);
    }
    keep_record(world, &update);
    deliver(world, &update);
}

struct classic_ask *classic_world_ask(struct classic_world *world, int slot,
                                      enum weir_classic_event_type type)
{
    struct classic_ask *ask = weir_alloc_zero(&world->budget, sizeof *ask);
    weir_assert(ask != NULL);
    weir_arena_init(&ask->arena, &world->budget, 1024);
    ask->type = type;
    ask->slot = slot;
    ask->base.arena = &ask->arena;
    ask->base.request.context = ask;
    ask->next = world->asks;
    world->asks = ask;
    return ask;
}

void classic_world_send(struct classic_world *world, struct classic_ask *ask)
{
    struct weir_classic_event event = {.type = ask->type};
    if (ask->type == WEIR_CLASSIC_JOIN) event.join = &ask->join;
    if (ask->type == WEIR_CLASSIC_SYNC) event.sync = &ask->sync;
    if (ask->type == WEIR_CLASSIC_HEARTBEAT) event.heartbeat = &ask->heartbeat;
    if (ask->type == WEIR_CLASSIC_LEAVE) event.leave = &ask->leave;
    step(world, event);
    if (!ask->is_told && !ask->base.is_parked) {
        wrong(world, "lost-request", "a request is neither answered nor parked", ask);
    }
}

void classic_world_cancel(struct classic_world *world, struct classic_ask *ask)
{
    bool was_parked = ask->base.is_parked;
    step(world, (struct weir_classic_event){.type = WEIR_CLASSIC_CANCEL, .cancel = &ask->base});
    if (was_parked && ask->base.request.rc != WEIR_CLOSED) {
        wrong(world, "lost-request", "a parked request was not found to be cancelled", ask);
    }
}

void classic_world_pass(struct classic_world *world, int64_t ms)
{
    int64_t end_ms = world->now_ms + ms;
    int64_t wake_at_ms;
    size_t ticks = 0;
    while ((wake_at_ms = weir_classic_group_wake_at(&world->group)) <= end_ms) {
        if (wake_at_ms > world->now_ms) world->now_ms = wake_at_ms;
        step(world, (struct weir_classic_event){.type = WEIR_CLASSIC_TICK});
        if (++ticks > 10000 || simulation_has_failed(world->simulation)) {
            wrong(world, "busy", "the group wants one tick after the other", NULL);
            return;
        }
    }
    world->now_ms = end_ms;
}

/* ---- commits --------------------------------------------------------------------------------- */

void classic_world_commit(struct classic_world *world, const char *id, const char *instance,
                          int32_t generation)
{
    const struct weir_classic_group *group = &world->group;
    struct weir_error error = {0};
    struct weir_classic_committer committer = {
        .member = {weir_text(id), weir_text(instance[0] != '\0' ? instance : NULL)},
        .generation = generation,
        .now_ms = world->now_ms,
    };
    bool is_known = id[0] != '\0' && weir_map_get(&group->members, weir_text(id)) != NULL;
    bool is_right = is_known && generation == group->generation &&
                    group->state != WEIR_CLASSIC_COMPLETING_REBALANCE;
    if (group->state == WEIR_CLASSIC_EMPTY && generation < 0) is_right = true;
    int rc = weir_classic_group_check_commit(&world->group, &committer, &error);
    if ((rc == 0) != is_right) {
        wrong(world, "wrong-commit",
              rc == 0 ? "a commit was taken that is not the generation's" : error.text, NULL);
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

void classic_world_init(struct classic_world *world, struct simulation *simulation)
{
    *world = (struct classic_world){.simulation = simulation, .now_ms = 1, .leader = -1};
    world->settings = weir_group_settings_default();
    world->held_end = &world->held;
    weir_heap_init(&world->heap, false);
    weir_budget_init(&world->budget, "world", &world->heap, NULL, 0);
    weir_arena_init(&world->arena, &world->budget, 0);
    weir_buffer_init(&world->record, &world->budget, 0);
    weir_classic_group_init(&world->group, &world->budget, weir_text("orders"));
    world->is_traced = simulation->history.is_printed;
    simulation->history.is_printed = false;                   /* it is kept for its hash */
    (void)history_log_add(&simulation->history, "orders", 0); /* the only one */
}

static void answer_all(struct classic_world *world)
{
    struct weir_group_request *next;
    struct weir_group_request *at = weir_classic_group_take_parked(&world->group);
    for (; at != NULL; at = next) {
        next = at->next;
        at->request.rc = WEIR_OFFLINE;
        tell(world, at->request.context);
        close_ask(world, at->request.context);
    }
    classic_world_release(world);
}

void classic_world_crash(struct classic_world *world)
{
    struct weir_group_metadata_value value;
    struct weir_arena arena;
    answer_all(world);
    weir_classic_group_close(&world->group);
    weir_classic_group_init(&world->group, &world->budget, weir_text("orders"));
    world->generation = 0; /* one that nobody synced in may come again */
    world->leader = -1;
    world->is_assigned = false;
    memset(world->told, 0, sizeof world->told);
    if (!world->has_record) return;
    weir_arena_init(&arena, &world->budget, 0);
    int rc = weir_coordinator_value_decode(weir_buffer_slice(&world->record),
                                           &weir_group_metadata_value_type, &value, &arena, NULL);
    if (rc == 0) rc = weir_classic_group_load(&world->group, &value, world->now_ms, NULL);
    if (rc < 0) wrong(world, "not-loaded", weir_code_name(rc), NULL);
    world->generation = world->group.generation;
    if (rc == 0 && world->group.state == WEIR_CLASSIC_STABLE) {
        world->leader = classic_slot_of(world->group.leader->id.member_id);
        world->is_assigned = world->assigned_generation == world->generation;
        if (!world->is_assigned) wrong(world, "not-loaded", "a generation nobody assigned", NULL);
    }
    weir_arena_close(&arena);
}

void classic_world_close(struct classic_world *world)
{
    answer_all(world);
    while (world->asks != NULL) {
        struct classic_ask *ask = world->asks;
        world->asks = ask->next;
        if (!ask->is_closed) wrong(world, "lost-request", "a request was never answered", ask);
        weir_arena_close(&ask->arena);
        weir_free(ask);
    }
    weir_classic_group_close(&world->group);
    weir_arena_close(&world->arena);
    weir_buffer_close(&world->record);
    if (atomic_load(&world->budget.used) != 0) wrong(world, "leak", "memory is left", NULL);
}
