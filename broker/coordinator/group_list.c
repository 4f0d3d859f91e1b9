#include "base/assert.h"
#include "base/error.h"
#include "broker/coordinator/coordinator.h"
#include "broker/coordinator/group_owner.h"
#include "broker/coordinator/group_place.h"
#include "broker/coordinator/live_group.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/request.h"

/*
 * The groups of a partition, in turns of PIECE groups: what a group is called is copied in the first one, and its state
 * is looked up when its turn comes, for which it may have to be made of its records. In between the shard serves
 * others, and groups come and go: one that is gone by then is left out, and one that has come since the first turn, too.
 *
 *     arrives ──> names ──> piece ──> piece ── ... ──> reply
 *                             └ post ─┘
 */
enum { PIECE = 100 };

static const char UNKNOWN_STATE[] = "Unknown"; /* Kafka's clients know that there is such a one */

/* ---- one group ------------------------------------------------------------------------------- */

static void list_one(struct weir_list_groups_request *request, struct weir_slice name,
                     struct weir_slice state, struct weir_slice protocol_type,
                     enum weir_group_type type)
{
    struct weir_arena *arena = request->base.arena;
    weir_assert(request->group_count < request->name_count);
    request->groups[request->group_count++] = (struct weir_group_listing){
        .group = name,
        .protocol_type = weir_arena_copy(arena, protocol_type),
        .state = weir_arena_copy(arena, state),
        .type = type,
    };
}

static void list_live(struct weir_list_groups_request *request, struct weir_slice name,
                      const struct weir_live_group *group)
{
    struct weir_slice protocol_type = weir_text("consumer");
    if (group->type == WEIR_GROUP_CLASSIC) protocol_type = group->classic.protocol_type;
    if (weir_slice_is_null(protocol_type)) protocol_type = weir_text("");
    list_one(request, name, weir_live_group_state_name(group), protocol_type, group->type);
}

static void list_committed(struct weir_offsets_partition *offsets,
                           struct weir_list_groups_request *request, struct weir_slice name,
                           const struct weir_committed_group *committed)
{
    struct weir_live_group *group = NULL;
    if (weir_group_is_owned(offsets, name)) {
        list_one(request, name, weir_text(WEIR_APPLICATION_GROUP_STATE),
                 weir_text(WEIR_APPLICATION_PROTOCOL_TYPE), WEIR_GROUP_CLASSIC);
        return;
    }
    bool has_only_offsets =
        weir_map_get(&offsets->live, name) == NULL && weir_map_count(&committed->records) == 0;
    if (has_only_offsets) { /* as a live one would say, which is not made for it */
        list_one(request, name, weir_text("Empty"), weir_text(""), WEIR_GROUP_CLASSIC);
        return;
    }
    int rc = weir_live_group_find(offsets, name, WEIR_GROUP_UNKNOWN, &group, NULL);
    if (rc < 0) { /* damaged, or no memory now: the others are listed all the same */
        list_one(request, name, weir_text(UNKNOWN_STATE), weir_text(""), WEIR_GROUP_UNKNOWN);
    } else if (rc == 0) { /* one that is over is not there any more */
        list_live(request, name, group);
        weir_live_group_settle(group);
    }
}

static void list_name(struct weir_offsets_partition *offsets,
                      struct weir_list_groups_request *request, struct weir_slice name)
{
    const struct weir_committed_group *committed = weir_offsets_image_group(&offsets->image, name);
    const struct weir_live_group *group = weir_map_get(&offsets->live, name);
    if (committed != NULL) {
        list_committed(offsets, request, name, committed);
    } else if (group != NULL && !group->is_over) {
        list_live(request, name, group);
    }
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int copy_names(const struct weir_offsets_partition *offsets,
                      struct weir_list_groups_request *request)
{
    const struct weir_map *groups = &offsets->image.groups;
    const struct weir_committed_group *committed;
    const struct weir_live_group *group;
    struct weir_arena *arena = request->base.arena;
    size_t count = weir_map_count(groups) + weir_map_count(&offsets->live) + 1;
    size_t at = 0;
    request->names = weir_arena_array(arena, count, sizeof *request->names);
    request->groups = weir_arena_array(arena, count, sizeof *request->groups);
    if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
    while ((committed = weir_map_next(groups, &at)) != NULL) {
        request->names[request->name_count++] = weir_arena_copy(arena, committed->name);
    }
    at = 0;
    while ((group = weir_map_next(&offsets->live, &at)) != NULL) {
        bool is_named = weir_offsets_image_group(&offsets->image, group->name) != NULL;
        if (!is_named) request->names[request->name_count++] = weir_arena_copy(arena, group->name);
    }
    return weir_arena_failed(arena) ? WEIR_NO_MEMORY : 0;
}

/* 1: there are more. */
static int list_piece(struct weir_offsets_partition *offsets,
                      struct weir_list_groups_request *request, struct weir_error *error)
{
    int rc = weir_offsets_partition_catch_up(offsets, error);
    if (rc == 0 && request->names == NULL) rc = copy_names(offsets, request);
    for (int i = 0; rc == 0 && i < PIECE && request->next_name < request->name_count; i++) {
        list_name(offsets, request, request->names[request->next_name++]);
    }
    if (rc == 0 && weir_arena_failed(request->base.arena)) rc = WEIR_NO_MEMORY;
    if (rc == WEIR_NO_MEMORY) return weir_error_set(error, rc, "list groups");
    return rc == 0 && request->next_name < request->name_count ? 1 : rc;
}

static void list_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_offsets_partition *offsets = weir_offsets_partition_of(partition);
    int rc = list_piece(offsets, (struct weir_list_groups_request *)request, &request->error);
    if (rc <= 0) {
        weir_request_reply(request, rc);
        return;
    }
    request->message.handle = request->arrive;
    weir_actor_post(request->shard->actor, &request->message);
}

static void arrives(struct weir_message *message)
{
    struct weir_request *request = (struct weir_request *)message;
    int rc = weir_serving_check(&request->shard->engine->serving, &request->error);
    if (rc < 0 || !weir_group_place_was_made(request)) {
        weir_request_reply(request, rc);
    } else {
        weir_group_place_enter(request, list_stage);
    }
}

void weir_coordinator_list(struct weir_coordinator *coordinator,
                           struct weir_list_groups_request *request)
{
    weir_assert(request->base.arena != NULL);
    request->groups = NULL;
    request->group_count = 0;
    request->names = NULL;
    request->name_count = request->next_name = 0;
    request->base.request.before_reply = NULL;
    weir_group_place_send_to(coordinator, &request->base.request, request->offsets_partition,
                             arrives);
}
