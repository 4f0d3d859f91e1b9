#include "tests/sim/group_world.h"

#include <stdio.h>

#include "tests/sim/clients.h"
#include "tests/sim/member.h"

enum {
    MS = 1000 * 1000,
    RECORDS_MAX = 600,
    /* beyond the timeouts of the groups: answers and their ways */
    SETTLE_MS = 2000,
    QUIET_PATIENCE_MS = 200,
};

int64_t group_world_now_ns(const struct group_world *world)
{
    return weir_sim_now_ns(world->served.simulation->sim);
}

static struct group_world *world_of(struct simulation *simulation)
{
    return simulation->hooks.context; /* the served world is its first member */
}

/* ---- what this seed is like ------------------------------------------------------------------- */

static int64_t draw(struct group_world *world, int64_t bound)
{
    return simulation_draw(world->served.simulation, bound);
}

bool group_world_draws_classic(struct group_world *world)
{
    return draw(world, 2) == 0;
}

/* Off in half of the seeds, so that each is also met alone. */
static int draw_rate(struct group_world *world, int per_mille_max)
{
    if (simulation_chance(world->served.simulation, 500)) return 0;
    return 1 + (int)draw(world, per_mille_max);
}

/* Times are short, so that sessions end within a seed. */
static void draw_settings(struct group_world *world)
{
    struct weir_group_settings *settings = &world->served.simulation->swarm.groups;
    *settings = weir_group_settings_default();
    settings->session_timeout_min_ms = 20;
    settings->initial_rebalance_delay_ms = (int32_t)draw(world, 80);
    settings->config.consumer_session_timeout_ms = 100 + (int32_t)draw(world, 400);
    settings->config.consumer_heartbeat_interval_ms =
        settings->config.consumer_session_timeout_ms / 5;
    settings->config.consumer_assignment_interval_ms =
        simulation_chance(world->served.simulation, 500) ? (int32_t)draw(world, 300) : 0;
    settings->offsets_retention_minutes = INT32_MAX; /* the wall clock jumps by tens of years */
    settings->offsets_retention_check_interval_ms = 100 + draw(world, 60000);
    struct weir_txn_settings *transactions = &world->served.simulation->swarm.transactions;
    *transactions = weir_txn_settings_default();
    transactions->log_num_partitions = 1 + (int32_t)draw(world, 4);
    transactions->abort_interval_ms = 1 + (int32_t)draw(world, 300);
    transactions->id_expiration_ms = INT32_MAX; /* as the offsets' retention */
    transactions->expiry_interval_ms = INT32_MAX;
}

static void draw_groups(struct group_world *world)
{
    world->topic_count = 1 + (int)draw(world, GROUP_TOPICS_MAX);
    for (int i = 0; i < world->topic_count; i++) {
        struct group_topic *topic = &world->topics[i];
        (void)snprintf(topic->name, sizeof topic->name, "shared-%d", i);
        topic->count = 1 + (int32_t)draw(world, 30);
        topic->is_remade = draw(world, 4) == 0;
    }
    world->group_count = 1 + (int)draw(world, GROUP_GROUPS_MAX);
    for (int i = 0; i < world->group_count; i++) {
        struct group_of *group = &world->groups[i];
        group->number = i;
        (void)snprintf(group->name, sizeof group->name, "group-%d", i);
        group->topic = &world->topics[draw(world, world->topic_count)];
        group->is_consumer = draw(world, 3) != 0;
        group->is_transactional = !group->topic->is_remade && draw(world, 3) == 0;
        group->is_mixed = group->is_consumer && !group->topic->is_remade && draw(world, 2) == 0;
        group->session_ms =
            group->is_consumer
                ? world->served.simulation->swarm.groups.config.consumer_session_timeout_ms
                : 100 + (int32_t)draw(world, 400);
        group->rebalance_ms = 150 + (int32_t)draw(world, 500);
    }
}

void group_world_init(struct group_world *world, struct simulation *simulation)
{
    *world = (struct group_world){0};
    served_init(&world->served, simulation);
    if (world->served.leap_per_mille > 1)
        world->served.leap_per_mille = 1; /* an hour is all there is */
    world->history.is_printed = simulation->history.is_printed;
    world->mishaps = (struct group_mishaps){
        .crash = draw_rate(world, 8),
        .pause = draw_rate(world, 8),
        .leave = draw_rate(world, 8),
        .hang_up = draw_rate(world, 8),
        .twice = draw_rate(world, 100),
        .late = draw_rate(world, 100),
    };
    draw_settings(world);
    draw_groups(world);
}

void group_world_close(struct group_world *world)
{
    group_history_close(&world->history);
}

/* Few members in most seeds, fifty in some. */
static void add_members(struct group_world *world, struct group_of *group)
{
    int64_t bound = draw(world, 8) == 0 ? GROUP_SLOTS_MAX : 8;
    int64_t count = 1 + draw(world, bound);
    int static_per_mille = (int)draw(world, 3) * 300;
    bool is_cooperative = draw(world, 2) == 0;
    for (int64_t i = 0; i < count && world->slot_count < GROUP_SLOTS_MAX; i++) {
        member_new(world, group, simulation_chance(world->served.simulation, static_per_mille));
        world->members[world->slot_count - 1]->is_cooperative = is_cooperative;
    }
}

/* An offset that never goes, of a topic that stays: so the group stays, too, and its generations only grow. */
static bool anchor(struct group_world *world, const struct group_of *group)
{
    struct weir_broker *broker = world->served.simulation->broker;
    struct weir_error error = {0};
    struct weir_offset_entry entry = {.partition = {weir_text(SERVED_JUNK), 0}};
    struct weir_commit_request commit = {
        .group = weir_text(group->name), .entries = &entry, .entry_count = 1, .generation = -1};
    int rc = weir_broker_wait_begin(broker, &commit.request, &error);
    if (rc == 0) {
        weir_broker_commit_offsets(broker, &commit);
        rc = weir_broker_wait(broker, &commit.request, &error);
    }
    if (rc == 0) return true;
    return simulation_fail(world->served.simulation, "cannot-commit", "%s", error.text);
}

bool group_world_start(struct group_world *world)
{
    struct simulation *simulation = world->served.simulation;
    if (!simulation_start(simulation)) return false;
    if (!create_topic(simulation, SERVED_JUNK, 1, 1000)) return false;
    for (int i = 0; i < world->topic_count; i++) {
        struct group_topic *topic = &world->topics[i];
        int64_t segment_bytes = (int64_t)200 << draw(world, 10);
        if (!create_topic(simulation, topic->name, topic->count, segment_bytes)) return false;
        int64_t records = 1 + draw(world, RECORDS_MAX);
        int remakes = topic->is_remade ? 1 + (int)draw(world, GROUP_LIVES_MAX - 1) : 0;
        group_feeder_new(world, topic, records, (int)draw(world, 4), remakes);
    }
    for (int i = 0; i < world->group_count; i++) {
        if (!anchor(world, &world->groups[i])) return false;
        add_members(world, &world->groups[i]);
    }
    return true;
}

static void check(struct group_world *world)
{
    struct simulation *simulation = world->served.simulation;
    struct group_shape shapes[GROUP_GROUPS_MAX];
    for (int i = 0; i < world->group_count; i++)
        shapes[i] = (struct group_shape){world->groups[i].is_consumer, world->groups[i].is_mixed,
                                         GROUP_LIVES_MAX * GROUP_PARTITIONS_MAX};
    struct checker_anomaly anomaly =
        group_checker_check(&world->history, shapes, world->group_count);
    if (anomaly.name != NULL) simulation_fail(simulation, anomaly.name, "%s", anomaly.text);
}

void group_world_play(struct group_world *world, int turns)
{
    struct swarm *swarm = &world->served.simulation->swarm;
    served_play(&world->served, turns / 2);
    if (draw(world, 3) == 0) swarm->offsets_partition_count += 1 + (int32_t)draw(world, 5);
    served_play(&world->served, turns / 2);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* The members of a group, as they know it, have each partition once; and if there are enough, each has one. */
static bool group_is_settled(const struct group_world *world, const struct group_of *group)
{
    int owners[GROUP_PARTITIONS_MAX] = {0};
    int members = 0;
    int idle = 0;
    for (int i = 0; i < world->slot_count; i++) {
        const struct member *member = world->members[i];
        if (member->group != group) continue;
        if (!member_is_settled(member)) return false;
        int count = 0;
        for (int32_t j = 0; j < GROUP_PARTITIONS_MAX; j++) {
            owners[j] += member->places[j].is_owned;
            count += member->places[j].is_owned;
        }
        members++;
        idle += count == 0;
    }
    for (int32_t j = 0; members > 0 && j < group->topic->count; j++) {
        if (owners[j] != 1) return false;
    }
    return idle == 0 || members > group->topic->count;
}

static bool all_are_settled(const struct group_world *world)
{
    for (int i = 0; i < world->group_count; i++) {
        if (!group_is_settled(world, &world->groups[i])) return false;
    }
    return true;
}

static void print_members(const struct group_world *world, const struct group_of *group)
{
    if (!world->history.is_printed) return;
    for (int i = 0; i < world->slot_count; i++) {
        const struct member *member = world->members[i];
        int count = 0;
        if (member->group != group) continue;
        for (int32_t j = 0; j < GROUP_PARTITIONS_MAX; j++)
            count += member->places[j].is_owned;
        (void)fprintf(stderr,
                      "  slot %d '%s' %s: phase %d, generation %d, partitions %d of %d,%s%s%s%s\n",
                      member->slot, member->self.id, member->instance, (int)member->phase,
                      member->self.generation, count, group->topic->count,
                      member->is_saying ? " is saying" : "", member->is_asking ? " is asking" : "",
                      member->has_to_answer ? " has to answer" : "",
                      member_is_settled(member) ? " settled" : "");
    }
}

static void tell_unsettled(struct group_world *world, int64_t ms)
{
    for (int i = 0; i < world->group_count; i++) {
        const struct group_of *group = &world->groups[i];
        if (group_is_settled(world, group)) continue;
        print_members(world, group);
        check(world); /* where it began says more */
        simulation_fail(world->served.simulation, "rebalance-does-not-end",
                        "no fault is left, nobody comes or goes, and after %lld ms %s (%s) has not "
                        "settled: session %d ms, rebalance %d ms",
                        (long long)ms, group->name,
                        group->is_mixed      ? "of both protocols"
                        : group->is_consumer ? "consumer"
                                             : "classic",
                        group->session_ms, group->rebalance_ms);
    }
}

static bool feeders_are_done(struct simulation *simulation)
{
    return simulation_clients_are_done(simulation);
}

/* A question that went into a dead connection is asked again soon: an answer takes a rebalance at the most. */
static void be_quiet(struct group_world *world)
{
    world->is_quiet = true;
    for (int i = 0; i < world->slot_count; i++) {
        struct member *member = world->members[i];
        int64_t patience_ms = 2 * member->group->rebalance_ms + QUIET_PATIENCE_MS;
        member->remote.patience_ns = patience_ms * MS / REMOTE_CALM_PATIENCE;
    }
}

/* What was there has to be noticed: one session; and then there is a rebalance, and another one of the cooperative. */
static void settle(struct group_world *world)
{
    struct simulation *simulation = world->served.simulation;
    int64_t ms = SETTLE_MS;
    for (int i = 0; i < world->group_count; i++) {
        int64_t needs = 2 * world->groups[i].session_ms + 5 * world->groups[i].rebalance_ms;
        if (needs + SETTLE_MS > ms) ms = needs + SETTLE_MS;
    }
    int64_t end_ns = group_world_now_ns(world) + ms * MS;
    while (!simulation_has_failed(simulation) && !all_are_settled(world)) {
        if (group_world_now_ns(world) > end_ns) {
            tell_unsettled(world, ms);
            return;
        }
        simulation_turn(simulation);
    }
}

static bool all_are_through(struct simulation *simulation)
{
    const struct group_world *world = world_of(simulation);
    for (int i = 0; i < world->slot_count; i++) {
        if (!member_is_through(world->members[i])) return false;
    }
    return true;
}

/* So that the seed's hash and its count tell of them. */
static void copy_history(struct group_world *world)
{
    bool is_printed = world->served.simulation->history.is_printed;
    world->served.simulation->history.is_printed = false;
    for (size_t i = 0; i < world->history.count; i++) {
        const struct group_event *event = &world->history.events[i];
        history_note(&world->served.simulation->history,
                     &(struct history_event){.kind = HISTORY_SEEN,
                                             .process = event->slot,
                                             .log = event->group,
                                             .value = (int64_t)event->kind << 32 | event->partition,
                                             .offset = event->offset,
                                             .count = event->generation});
    }
    world->served.simulation->history.is_printed = is_printed;
}

void group_world_end(struct group_world *world)
{
    struct simulation *simulation = world->served.simulation;
    served_heal(&world->served);
    (void)simulation_settle(simulation, feeders_are_done, "not all has been written");
    be_quiet(world);
    settle(world);
    (void)simulation_settle(simulation, all_are_through, "not all is read and committed");
    world->is_last = true;
    (void)simulation_settle(simulation, all_are_through, "what is committed is not told");
    check(world);
    served_finish(&world->served);
    copy_history(world);
}
