#include "broker/coordinator/live_step.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/coordinator/coordinator.h"
#include "broker/coordinator/group/group_migration.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"

enum { TICKS_MAX = 1000 }; /* in one turn */

static struct weir_env *env_of(const struct weir_offsets_partition *offsets)
{
    return offsets->partition->shard->env;
}

/* ---- classic groups -------------------------------------------------------------------------- */

void weir_live_group_step(struct weir_live_group *group, struct weir_classic_event *event)
{
    struct weir_offsets_partition *offsets = group->offsets;
    struct weir_group_update update;
    weir_assert(group->type == WEIR_GROUP_CLASSIC);
    weir_live_group_begin(group, &update);
    update.wake_at_ms = WEIR_GROUP_NEVER_MS;
    event->now_ms = weir_live_now_ms(offsets);
    event->wall_ms = weir_wall_now(env_of(offsets)).ms;
    event->settings = &offsets->coordinator->settings;
    if (event->type == WEIR_CLASSIC_JOIN) event->random = weir_uuid_random(env_of(offsets));
    int rc = weir_classic_group_step(&group->classic, event, &update);
    weir_live_group_take(group, &update, rc);
}

/* ---- consumer groups ------------------------------------------------------------------------- */

/* What an event of a consumer group says of the world. `own` lives as long as the event. */
static void look_around(const struct weir_live_group *group, struct weir_consumer_event *event,
                        struct weir_group_settings *own)
{
    struct weir_offsets_partition *offsets = group->offsets;
    struct weir_metadata_view *metadata = &offsets->partition->shard->metadata;
    event->now_ms = weir_live_now_ms(offsets);
    event->wall_ms = weir_wall_now(env_of(offsets)).ms;
    event->settings = weir_live_group_settings(group, own);
    event->topics = weir_metadata_view_look(metadata);
    event->topics_version = metadata->edition;
    bool may_need_id =
        event->type == WEIR_CONSUMER_HEARTBEAT || event->type == WEIR_CONSUMER_CLASSIC_JOIN;
    if (may_need_id) event->random = weir_uuid_random(env_of(offsets));
}

/* After a step by this event. WEIR_NO_MEMORY: the update is to be forgotten. */
static int downgrade(struct weir_live_group *group, const struct weir_consumer_event *event,
                     struct weir_group_update *update)
{
    struct weir_classic_group to = {0};
    struct weir_error error = {0};
    struct weir_budget *budget = &group->offsets->coordinator->budget;
    weir_assert(group->type == WEIR_GROUP_CONSUMER);
    if (!weir_group_wants_downgrade(&group->consumer, event->settings)) return 0;
    weir_classic_group_init(&to, budget, group->name);
    int rc = weir_group_downgrade(&group->consumer, event, &to, update, &error);
    if (rc < 0) {
        weir_classic_group_close(&to);
        /* No protocol that all speak: nothing was written, and it stays a consumer group. */
        return rc == WEIR_INCONSISTENT_GROUP_PROTOCOL ? 0 : rc;
    }
    weir_consumer_group_close(&group->consumer);
    group->type = WEIR_GROUP_CLASSIC;
    group->classic = to;
    return 0;
}

void weir_live_group_consumer_step(struct weir_live_group *group, struct weir_consumer_event *event,
                                   struct weir_group_request *request)
{
    struct weir_group_update update;
    struct weir_group_settings own;
    weir_assert(group->type == WEIR_GROUP_CONSUMER);
    weir_live_group_begin(group, &update);
    update.wake_at_ms = WEIR_GROUP_NEVER_MS;
    look_around(group, event, &own);
    int rc = weir_consumer_group_step(&group->consumer, event, &update);
    if (rc == 0) rc = downgrade(group, event, &update);
    if (rc < 0) { /* then it has not been answered */
        weir_group_update_init(&update, &group->offsets->update_arena);
        if (request != NULL) weir_group_answer(&update, request, rc);
    }
    weir_live_group_take(group, &update, rc);
}

/* ---- classic to consumer --------------------------------------------------------------------- */

/* The consumer group that the classic one becomes, with the step of who joins it. 0: the request is in the update. */
static int make_consumer(const struct weir_live_group *group,
                         const struct weir_consumer_event *event, struct weir_consumer_group *to,
                         struct weir_group_update *update)
{
    struct weir_error *error = &event->heartbeat->base.request.error;
    struct weir_budget *budget = &group->offsets->coordinator->budget;
    int rc = weir_consumer_group_init(to, budget, group->name);
    if (rc == 0) rc = weir_group_upgrade(&group->classic, event, to, update, error);
    return rc == 0 ? weir_consumer_group_step(to, event, update) : rc;
}

/* The group stays what it is. */
static void refuse(struct weir_live_group *group, struct weir_group_request *request, int rc)
{
    struct weir_group_update update;
    weir_live_group_begin(group, &update);
    if (rc == WEIR_NO_MEMORY) {
        (void)weir_error_set(&request->request.error, rc, "a group that changes its protocol");
    }
    weir_group_answer(&update, request, rc);
    weir_live_group_take(group, &update, 0);
}

static void send_back(struct weir_group_request *parked, struct weir_group_update *update)
{
    while (parked != NULL) {
        struct weir_group_request *next = parked->next;
        int rc = weir_error_set(&parked->request.error, WEIR_REBALANCE_IN_PROGRESS,
                                "the group has become a consumer group: join it again");
        weir_group_answer(update, parked, rc);
        parked = next;
    }
}

void weir_live_group_upgrade(struct weir_live_group *group,
                             struct weir_consumer_heartbeat_request *heartbeat)
{
    struct weir_consumer_group to = {0};
    struct weir_group_update update;
    struct weir_group_settings own;
    struct weir_consumer_event event = {.type = WEIR_CONSUMER_HEARTBEAT, .heartbeat = heartbeat};
    weir_assert(group->type == WEIR_GROUP_CLASSIC);
    weir_live_group_begin(group, &update);
    update.wake_at_ms = WEIR_GROUP_NEVER_MS;
    look_around(group, &event, &own);
    int rc = make_consumer(group, &event, &to, &update);
    if (rc == 0) rc = heartbeat->base.request.rc;
    if (rc < 0) {
        weir_consumer_group_close(&to);
        refuse(group, &heartbeat->base, rc);
        return;
    }
    struct weir_group_request *parked = weir_classic_group_take_parked(&group->classic);
    weir_classic_group_close(&group->classic);
    group->type = WEIR_GROUP_CONSUMER;
    group->consumer = to;
    send_back(parked, &update);
    weir_live_group_take(group, &update, 0);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void tick(struct weir_live_group *group)
{
    if (group->type == WEIR_GROUP_CONSUMER) {
        struct weir_consumer_event event = {.type = WEIR_CONSUMER_TICK};
        weir_live_group_consumer_step(group, &event, NULL);
    } else {
        struct weir_classic_event event = {.type = WEIR_CLASSIC_TICK};
        weir_live_group_step(group, &event);
    }
}

size_t weir_live_groups_tick(struct weir_offsets_partition *offsets, struct weir_mono now)
{
    size_t count = 0;
    struct weir_live_group *group;
    while (count < TICKS_MAX &&
           (group = weir_deadline_heap_due(&offsets->deadlines, now)) != NULL) {
        tick(group);
        count++;
    }
    return count;
}
