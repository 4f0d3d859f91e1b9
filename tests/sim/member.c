#include "tests/sim/member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MS = 1000 * 1000, /* in nanoseconds */
    PACE_MS_MAX = 15,
};

static struct simulation *simulation_of(const struct member *member)
{
    return member->remote.served->simulation;
}

static int64_t now_ns(const struct member *member)
{
    return group_world_now_ns(member->world);
}

static struct group_history *history_of(const struct member *member)
{
    return &member->world->history;
}

struct group_event member_event(const struct member *member, enum group_event_kind kind,
                                int32_t partition)
{
    return (struct group_event){.kind = kind,
                                .group = member->group->number,
                                .slot = member->slot,
                                .generation = member->self.generation,
                                .partition = partition + member->life * GROUP_PARTITIONS_MAX,
                                .at_ns = now_ns(member)};
}

struct weir_slice member_instance(const struct member *member)
{
    return member->instance[0] != '\0' ? weir_text(member->instance) : weir_null();
}

/* ---- errors ---------------------------------------------------------------------------------- */

bool member_excuses(struct member *member, const struct remote_ask *ask, int16_t error,
                    const char *what)
{
    struct simulation *simulation = simulation_of(member);
    bool cannot = error == WEIR_WIRE_COORDINATOR_NOT_AVAILABLE ||
                  error == WEIR_WIRE_COORDINATOR_LOAD_IN_PROGRESS ||
                  error == WEIR_WIRE_NOT_COORDINATOR;
    if (!cannot) return remote_excuses(&member->remote, ask, error, what);
    /* After a start groups may have to be moved first; that ends, or the rebalance does not. */
    bool is_moving = error == WEIR_WIRE_COORDINATOR_LOAD_IN_PROGRESS;
    if (remote_is_calm(&member->remote, ask) && !is_moving) {
        return simulation_fail(simulation, "wrong-answer",
                               "node %d: %s is answered with %s, and no "
                               "fault is left",
                               member->remote.node, what, weir_wire_error_name(error));
    }
    bool may_be_broken =
        !is_moving && simulation->is_suspect && !simulation->is_full && !simulation->is_calm;
    if (may_be_broken) simulation->needs_restart = true;
    return true;
}

/* ---- what it has ----------------------------------------------------------------------------- */

void member_take_identity(struct member *member, struct weir_slice id, int32_t generation)
{
    size_t size = id.size < MEMBER_ID_SIZE - 1 ? id.size : MEMBER_ID_SIZE - 1;
    if (size > 0) {
        memcpy(member->self.id, id.data, size);
        member->self.id[size] = '\0';
    }
    member->self.generation = generation;
}

static void keep_for_late(struct member *member, int32_t partition)
{
    const struct member_place *place = &member->places[partition];
    if (place->position < 0 || !remote_chance(&member->remote, 300)) return;
    member->late = member->self;
    member->late.generation = place->generation;
    member->late_partition = partition;
    member->late_offset = place->position;
}

static void release(struct member *member, int32_t partition)
{
    struct group_event event = member_event(member, GROUP_RELEASED, partition);
    keep_for_late(member, partition);
    member->places[partition].is_owned = false;
    group_history_note(history_of(member), &event);
}

/* What it wanted to commit late is no news any more where it never lost the partition in the coordinator's eyes. */
static void forget_late(struct member *member, int32_t partition)
{
    bool is_same =
        member->late_partition == partition && strcmp(member->late.id, member->self.id) == 0 &&
        (member->group->is_consumer || member->late.generation == member->self.generation);
    if (is_same) member->late_partition = -1;
}

/* What it has already it goes on with where it is. */
static void give(struct member *member, int32_t partition)
{
    struct member_place *place = &member->places[partition];
    struct group_event event = member_event(member, GROUP_GIVEN, partition);
    group_history_note(history_of(member), &event);
    place->generation = member->self.generation;
    if (place->is_owned) return;
    forget_late(member, partition);
    place->is_owned = true;
    place->span++;
    place->position = -1;
    place->committed = -1;
}

bool member_take(struct member *member, const bool given[GROUP_PARTITIONS_MAX])
{
    bool has_all = true;
    for (int32_t i = 0; i < GROUP_PARTITIONS_MAX; i++) {
        if (!member->places[i].is_owned || given[i]) continue;
        release(member, i);
        has_all = false;
    }
    for (int32_t i = 0; i < GROUP_PARTITIONS_MAX; i++) {
        if (given[i]) give(member, i);
    }
    return has_all;
}

void member_release_all(struct member *member)
{
    static const bool nothing[GROUP_PARTITIONS_MAX];
    (void)member_take(member, nothing);
}

void member_fall_out(struct member *member)
{
    member_release_all(member);
    member->phase = MEMBER_OUT;
    member->self.generation = 0;
    member->protocol->forget(member);
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* It may have been the one that said what is new. */
static void echoed(struct remote_ask *ask, const void *answer)
{
    struct member *member = (struct member *)ask->remote;
    (void)answer;
    member->is_echoing = false;
    member->is_full = true;
}

void member_say(struct member *member, const struct weir_message_type *request_type,
                const struct weir_message_type *response_type, int16_t version, const void *request,
                void (*answered)(struct remote_ask *ask, const void *response))
{
    member->is_saying = true;
    member->say.answered = answered;
    remote_send(&member->remote, &member->say, request_type, response_type, version, request);
}

void member_say_twice(struct member *member, const void *request)
{
    const struct weir_remote_call *said = &member->say.call;
    if (member->world->is_quiet || member->is_echoing) return;
    if (!remote_chance(&member->remote, member->world->mishaps.twice)) return;
    member->is_echoing = true;
    member->echo.answered = echoed;
    remote_send(&member->remote, &member->echo, said->request_type, said->response_type,
                said->version, request);
}

/* ---- mishaps --------------------------------------------------------------------------------- */

static void nothing_comes(struct member *member)
{
    member->is_saying = false;
    member->is_asking = false;
    member->is_leaving = false;
    member->is_echoing = false;
}

static void lost(struct remote *remote)
{
    struct member *member = (struct member *)remote;
    nothing_comes(member);
    member->is_full = true;
}

static int64_t draw_away_ns(struct member *member)
{
    return MS * (1 + remote_draw(&member->remote, 3 * member->group->session_ms));
}

/* Its process ends, and nobody is told. */
static void crash(struct member *member)
{
    member_transaction_crash(member);
    member_fall_out(member);
    member->self.id[0] = '\0';
    member->incarnation++;
    remote_hang_up(&member->remote);
    member->out_until_ns = now_ns(member) + draw_away_ns(member);
}

static void leave(struct member *member)
{
    bool for_good = remote_chance(&member->remote, 500);
    member_release_all(member);
    member->is_leaving = true;
    member->protocol->leave(member, for_good);
    member_fall_out(member);
    if (for_good) member->self.id[0] = '\0';
    member->incarnation += for_good;
    member->out_until_ns = now_ns(member) + draw_away_ns(member);
}

static bool meets_mishap(struct member *member)
{
    const struct group_mishaps *mishaps = &member->world->mishaps;
    struct remote *remote = &member->remote;
    if (member->world->is_quiet) return false;
    if (remote_chance(remote, mishaps->crash)) {
        crash(member);
    } else if (remote_chance(remote, mishaps->hang_up)) {
        remote_hang_up(remote);
    } else if (remote_chance(remote, mishaps->pause)) {
        member->paused_until_ns = now_ns(member) + draw_away_ns(member);
    } else if (member->phase == MEMBER_IN && !member->is_saying &&
               remote_chance(remote, mishaps->leave)) {
        leave(member);
    } else {
        return false;
    }
    return true;
}

/* The topic is another one by now, and all that it had is gone. */
static void turn_over(struct member *member)
{
    if (member->life == member->group->topic->life) return;
    member_release_all(member);
    member->late_partition = -1;
    member->life = member->group->topic->life;
    member->is_full = true;
    if (!member->group->is_consumer) member->phase = MEMBER_OUT;
}

static void act(struct remote *remote)
{
    struct member *member = (struct member *)remote;
    bool is_away =
        now_ns(member) < member->out_until_ns || now_ns(member) < member->paused_until_ns;
    if (is_away && !member->world->is_quiet) return;
    member->out_until_ns = 0;
    turn_over(member);
    if (meets_mishap(member)) return;
    if (!member->is_saying) member->protocol->act(member);
    member_work(member);
}

/* ---- life ------------------------------------------------------------------------------------ */

static const struct remote_ops ops = {.lost = lost, .act = act};

bool member_is_settled(const struct member *member)
{
    if (member->phase != MEMBER_IN || member->has_to_answer) return false;
    if (member->life != member->group->topic->life || !member->group->topic->has_id) return false;
    for (int32_t i = 0; i < GROUP_PARTITIONS_MAX; i++) {
        if (member->places[i].is_owned && member->places[i].position < 0) return false;
    }
    return true;
}

bool member_is_through(const struct member *member)
{
    if (!member_is_settled(member)) return false;
    if (member->world->is_last && !member->has_looked) return false;
    for (int32_t i = 0; i < GROUP_PARTITIONS_MAX; i++) {
        const struct member_place *place = &member->places[i];
        int64_t end = member->group->topic->ends[i];
        if (!place->is_owned) continue;
        if (place->position < end) return false;
        if (place->position > 0 && place->committed < place->position) return false;
    }
    return true;
}

static bool is_done(const struct client *client)
{
    (void)client; /* the world asks what it wants to know */
    return true;
}

static void close_member(struct client *client)
{
    struct member *member = (struct member *)client;
    free(member->assignments);
    free(member);
}

void member_new(struct group_world *world, struct group_of *group, bool is_static)
{
    struct member *member = calloc(1, sizeof *member);
    if (member == NULL) abort();
    member->world = world;
    member->group = group;
    bool is_classic = group->is_mixed ? group_world_draws_classic(world) : !group->is_consumer;
    member->protocol = is_classic ? &member_classic : &member_consumer;
    member->slot = world->slot_count;
    member->late_partition = -1;
    if (is_static) {
        (void)snprintf(member->instance, sizeof member->instance, "instance-%d", member->slot);
    }
    world->members[world->slot_count++] = member;
    member->remote.client = (struct client){.is_done = is_done, .close = close_member};
    remote_start(&member->remote, &world->served, &ops);
    member->remote.pace_ns = MS * (1 + remote_draw(&member->remote, PACE_MS_MAX));
    member->remote.patience_ns =
        MS *
        (int64_t)(group->rebalance_ms / 2 + remote_draw(&member->remote, 2 * group->rebalance_ms));
    member->is_cooperative = remote_chance(&member->remote, 500);
    member->protocol->forget(member);
}
