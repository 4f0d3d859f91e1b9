/** The consumer groups of a data directory: each call is one request to the engine, waited for. */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/uuid.h"
#include "client/client.h"
#include "cli/member_assignment.h"
#include "cli/no_memory.h"
#include "cli/place_embedded.h"

static int wait_begin(struct weir_log *log, struct weir_request *request, struct weir_error *error)
{
    return weir_request_wait_begin(log->env, request, error);
}

static int wait_for(struct weir_log *log, struct weir_request *request, struct weir_error *error)
{
    return weir_request_wait(log->env, request, error);
}

static const char *type_text(enum weir_group_type type)
{
    switch (type) {
    case WEIR_GROUP_CLASSIC:
        return "classic";
    case WEIR_GROUP_CONSUMER:
        return "consumer";
    case WEIR_GROUP_UNKNOWN:
        break;
    }
    return "";
}

static bool is_application(struct weir_slice protocol_type)
{
    return weir_slice_equal(protocol_type, weir_text("weir"));
}

/* ---- list ------------------------------------------------------------------------------------ */

/* How many partitions the groups are spread over; 0: nobody has committed anything yet. */
static int count_partitions(struct weir_log *log, int32_t *count_out, struct weir_error *error)
{
    struct weir_topic_request request = {
        .operation = WEIR_TOPIC_DESCRIBE,
        .topic = weir_text("__consumer_offsets"),
        .is_internal = true,
    };
    int rc = wait_begin(log, &request.request, error);
    if (rc < 0) return rc;
    weir_log_topic(log, &request);
    rc = wait_for(log, &request.request, error);
    if (rc < 0 && rc != WEIR_UNKNOWN_TOPIC_OR_PARTITION) return rc;
    if (rc < 0 && error != NULL) *error = (struct weir_error){0};
    *count_out = rc < 0 ? 0 : request.partition_count;
    return 0;
}

static int list_partition(struct weir_log *log, struct weir_arena *arena, int32_t partition,
                          struct place_groups *groups, size_t *capacity, struct weir_error *error)
{
    struct weir_list_groups_request request = {.base.arena = arena, .offsets_partition = partition};
    int rc = wait_begin(log, &request.base.request, error);
    if (rc < 0) return rc;
    weir_log_list_groups(log, &request);
    rc = wait_for(log, &request.base.request, error);
    for (size_t i = 0; rc == 0 && i < request.group_count; i++) {
        const struct weir_group_listing *listed = &request.groups[i];
        struct place_group *rows =
            weir_arena_grow(arena, groups->rows, groups->count, capacity, 16, sizeof *groups->rows);
        if (rows == NULL) return cli_no_memory(error);
        groups->rows = rows;
        rows[groups->count++] = (struct place_group){
            .name = place_keep_text(arena, listed->group),
            .type = type_text(listed->type),
            .state = place_keep_text(arena, listed->state),
            .protocol_type = place_keep_text(arena, listed->protocol_type),
            .is_application = is_application(listed->protocol_type),
            .epoch = -1,
        };
    }
    return rc;
}

static int embedded_list(struct place *place, struct weir_arena *arena,
                         struct place_groups *groups_out, struct weir_error *error)
{
    struct weir_log *log = place_embedded_log(place);
    struct place_groups groups = {0};
    size_t capacity = 0;
    int32_t count = 0;
    int rc = count_partitions(log, &count, error);
    for (int32_t i = 0; rc == 0 && i < count; i++) {
        rc = list_partition(log, arena, i, &groups, &capacity, error);
    }
    if (rc == 0 && weir_arena_failed(arena)) rc = cli_no_memory(error);
    if (rc < 0) return weir_error_wrap(error, rc, "list groups");
    if (groups.rows == NULL) groups.rows = weir_arena_array(arena, 1, sizeof *groups.rows);
    *groups_out = groups;
    return 0;
}

/* ---- describe -------------------------------------------------------------------------------- */

static int name_topic(struct weir_log *log, struct weir_arena *arena, struct weir_uuid id,
                      const char **name_out, struct weir_error *error)
{
    struct weir_list_topics_request request = {
        .arena = arena, .ids = &id, .asked_count = 1, .is_selection = true};
    int rc = wait_begin(log, &request.request, error);
    if (rc < 0) return rc;
    weir_log_list_topics(log, &request);
    rc = wait_for(log, &request.request, error);
    if (rc < 0) return rc;
    bool is_known = request.topics[0].rc == 0 && request.topics[0].name.data != NULL;
    *name_out = is_known ? place_keep_text(arena, request.topics[0].name) : "(deleted)";
    return *name_out != NULL ? 0 : cli_no_memory(error);
}

static int keep_assigned(struct weir_log *log, struct weir_arena *arena,
                         const struct weir_described_member *from, struct place_member *member,
                         struct weir_error *error)
{
    member->assigned = weir_arena_array(arena, from->assigned_count + 1, sizeof *member->assigned);
    if (member->assigned == NULL) return cli_no_memory(error);
    member->assigned_count = from->assigned_count;
    for (size_t i = 0; i < from->assigned_count; i++) {
        const struct weir_topic_partitions *topic = &from->assigned[i];
        member->assigned[i] = (struct place_partitions){.partitions = topic->partitions,
                                                        .partition_count = topic->partition_count};
        int rc = name_topic(log, arena, topic->topic_id, &member->assigned[i].topic, error);
        if (rc < 0) return rc;
    }
    return 0;
}

static int keep_member(struct weir_log *log, struct weir_arena *arena,
                       const struct weir_describe_group_request *described,
                       const struct weir_described_member *from, struct place_member *member,
                       struct weir_error *error)
{
    bool is_consumer = described->type == WEIR_GROUP_CONSUMER;
    struct weir_error why = {0};
    *member = (struct place_member){
        .id = place_keep_text(arena, from->id.member_id),
        .instance_id = place_keep_text(arena, from->id.instance_id),
        .client_id = place_keep_text(arena, from->client_id),
        .host = place_keep_text(arena, from->client_host),
        .epoch = is_consumer ? from->member_epoch : -1,
    };
    if (is_consumer) return keep_assigned(log, arena, from, member, error);
    if (!weir_slice_equal(described->protocol_type, weir_text("consumer"))) return 0;
    int rc = member_assignment_read(from->assignment, arena, &member->assigned,
                                    &member->assigned_count, &why);
    if (rc == WEIR_CORRUPT) member->unreadable = weir_arena_printf(arena, "%s", why.text);
    return rc == WEIR_NO_MEMORY ? cli_no_memory(error) : 0;
}

static int keep_group(struct weir_log *log, struct weir_arena *arena,
                      const struct weir_describe_group_request *from, struct place_group *group,
                      struct weir_error *error)
{
    group->type = type_text(from->type);
    group->state = place_keep_text(arena, from->state);
    group->protocol_type = place_keep_text(arena, from->protocol_type);
    group->is_application = from->is_application;
    group->assignor = place_keep_text(arena, from->protocol);
    group->epoch = from->type == WEIR_GROUP_CONSUMER ? from->group_epoch : -1;
    group->member_count = from->member_count;
    group->members = weir_arena_array(arena, from->member_count + 1, sizeof *group->members);
    if (group->members == NULL) return cli_no_memory(error);
    for (size_t i = 0; i < from->member_count; i++) {
        int rc = keep_member(log, arena, from, &from->members[i], &group->members[i], error);
        if (rc < 0) return rc;
    }
    return weir_arena_failed(arena) ? cli_no_memory(error) : 0;
}

static int embedded_describe(struct place *place, struct weir_arena *arena, const char *name,
                             struct place_group *group_out, struct weir_error *error)
{
    struct weir_log *log = place_embedded_log(place);
    struct weir_describe_group_request request = {
        .base = {.group = weir_text(name), .arena = arena}};
    struct place_group group = {.name = name};
    int rc = wait_begin(log, &request.base.request, error);
    if (rc < 0) return rc;
    weir_log_describe_group(log, &request);
    rc = wait_for(log, &request.base.request, error);
    if (rc == 0) rc = keep_group(log, arena, &request, &group, error);
    if (rc < 0) return weir_error_wrap(error, rc, "group '%s'", name);
    *group_out = group;
    return 0;
}

/* ---- offsets --------------------------------------------------------------------------------- */

static int embedded_offsets(struct place *place, struct weir_arena *arena, const char *name,
                            struct place_offsets *offsets_out, struct weir_error *error)
{
    struct weir_log *log = place_embedded_log(place);
    struct weir_committed_request request = {
        .group = weir_text(name), .arena = arena, .member_epoch = -1};
    struct place_offsets offsets = {0};
    int rc = wait_begin(log, &request.request, error);
    if (rc < 0) return rc;
    weir_log_committed(log, &request);
    rc = wait_for(log, &request.request, error);
    if (rc < 0) return weir_error_wrap(error, rc, "offsets of group '%s'", name);
    offsets.rows = weir_arena_array(arena, request.entry_count + 1, sizeof *offsets.rows);
    for (size_t i = 0; offsets.rows != NULL && i < request.entry_count; i++) {
        const struct weir_offset_entry *entry = &request.entries[i];
        if (entry->offset < 0) continue;
        offsets.rows[offsets.count++] = (struct place_offset){
            .topic = place_keep_text(arena, entry->partition.topic),
            .partition = entry->partition.partition,
            .offset = entry->offset,
            .leader_epoch = entry->leader_epoch,
            .metadata = place_keep_text(arena, entry->metadata),
        };
    }
    if (weir_arena_failed(arena)) return cli_no_memory(error);
    *offsets_out = offsets;
    return 0;
}

static int send_commit(struct weir_log *log, const struct place_membership *as,
                       const struct weir_offset_entry *entries, size_t count,
                       struct weir_error *error)
{
    struct weir_commit_request request = {
        .group = weir_text(as->group),
        .entries = entries,
        .entry_count = count,
        .member = {.member_id = weir_text(as->member_id),
                   .instance_id = weir_text(as->instance_id)},
        .generation = as->epoch,
        .has_member = as->member_id != NULL,
    };
    int rc = wait_begin(log, &request.request, error);
    if (rc < 0) return rc;
    weir_log_commit_offsets(log, &request);
    return wait_for(log, &request.request, error);
}

static int embedded_commit(struct place *place, const struct place_membership *as,
                           const struct place_offsets *offsets, struct weir_error *error)
{
    struct weir_log *log = place_embedded_log(place);
    struct weir_offset_entry *entries =
        weir_alloc(&log->budget, offsets->count * sizeof *entries + 1);
    if (entries == NULL) return cli_no_memory(error);
    for (size_t i = 0; i < offsets->count; i++) {
        const struct place_offset *row = &offsets->rows[i];
        entries[i] = (struct weir_offset_entry){
            .partition = {.topic = weir_text(row->topic), .partition = row->partition},
            .offset = row->offset,
            .leader_epoch = row->leader_epoch,
            .metadata = weir_text(row->metadata != NULL ? row->metadata : ""),
            .topic_id = row->topic_id,
        };
    }
    int rc = send_commit(log, as, entries, offsets->count, error);
    weir_free(entries);
    return weir_error_wrap(error, rc, "commit offsets of group '%s'", as->group);
}

/* ---- delete ---------------------------------------------------------------------------------- */

static int embedded_remove(struct place *place, const char *name, struct weir_error *error)
{
    struct weir_log *log = place_embedded_log(place);
    struct weir_arena arena;
    weir_arena_init(&arena, &log->budget, 0);
    struct weir_delete_group_request request = {
        .base = {.group = weir_text(name), .arena = &arena}};
    int rc = wait_begin(log, &request.base.request, error);
    if (rc == 0) {
        weir_log_delete_group(log, &request);
        rc = wait_for(log, &request.base.request, error);
    }
    weir_arena_close(&arena);
    return weir_error_wrap(error, rc, "delete group '%s'", name);
}

static int check_deleted(const struct weir_delete_offsets_request *request,
                         struct weir_error *error)
{
    for (size_t i = 0; i < request->partition_count; i++) {
        int rc = request->partitions[i].rc;
        if (rc == 0) continue;
        return weir_error_set(error, (enum weir_code)rc, "partition %d: %s",
                              (int)request->partitions[i].partition.partition, weir_code_text(rc));
    }
    return 0;
}

static int embedded_remove_offsets(struct place *place, const char *name,
                                   const struct place_partitions *of, struct weir_error *error)
{
    struct weir_log *log = place_embedded_log(place);
    struct weir_arena arena;
    weir_arena_init(&arena, &log->budget, 0);
    struct weir_delete_offsets_request request = {
        .base = {.group = weir_text(name), .arena = &arena},
        .partitions = weir_arena_array(&arena, of->partition_count + 1, sizeof *request.partitions),
        .partition_count = of->partition_count,
    };
    int rc = request.partitions != NULL ? wait_begin(log, &request.base.request, error)
                                        : cli_no_memory(error);
    for (size_t i = 0; rc == 0 && i < of->partition_count; i++) {
        request.partitions[i] = (struct weir_offset_deletion){
            .partition = {.topic = weir_text(of->topic), .partition = of->partitions[i]}};
    }
    if (rc == 0) {
        weir_log_delete_offsets(log, &request);
        rc = wait_for(log, &request.base.request, error);
    }
    if (rc == 0) rc = check_deleted(&request, error);
    weir_arena_close(&arena);
    return weir_error_wrap(error, rc, "delete offsets of group '%s' in topic '%s'", name,
                           of->topic);
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

static void keep_heartbeat(const struct weir_consumer_heartbeat_request *request,
                           struct place_heartbeat *heartbeat)
{
    heartbeat->epoch_out = request->member_epoch_out;
    heartbeat->interval_ms = request->heartbeat_interval_ms;
    heartbeat->has_assignment = request->has_assignment;
    heartbeat->assigned_count = 0;
    for (size_t i = 0; request->has_assignment && i < request->assigned_count; i++) {
        if (!weir_uuid_equal(request->assigned[i].topic_id, heartbeat->topic_id)) continue;
        heartbeat->assigned = (int32_t *)request->assigned[i].partitions; /* in our arena */
        heartbeat->assigned_count = request->assigned[i].partition_count;
    }
}

static int embedded_heartbeat(struct place *place, struct weir_arena *arena,
                              struct place_heartbeat *heartbeat, struct weir_error *error)
{
    struct weir_log *log = place_embedded_log(place);
    struct weir_slice topic = weir_text(heartbeat->topic);
    struct weir_topic_partitions owned = {
        .topic_id = heartbeat->topic_id,
        .partitions = heartbeat->owned,
        .partition_count = heartbeat->owned_count,
    };
    struct weir_consumer_heartbeat_request request = {
        .base = {.group = weir_text(heartbeat->as.group), .arena = arena},
        .member = {.member_id = weir_text(heartbeat->as.member_id)},
        .member_epoch = heartbeat->as.epoch,
        .client_id = weir_text("weir"),
        .client_host = weir_text("embedded"),
        .rebalance_timeout_ms = heartbeat->rebalance_timeout_ms,
        .topic_names = &topic,
        .topic_name_count = heartbeat->topic != NULL ? 1 : 0,
        .has_topic_names = heartbeat->topic != NULL,
        .owned = &owned,
        .owned_count = heartbeat->owned_count > 0 ? 1 : 0,
        .has_owned = heartbeat->owned != NULL,
    };
    int rc = wait_begin(log, &request.base.request, error);
    if (rc < 0) return rc;
    weir_log_consumer_heartbeat(log, &request);
    rc = wait_for(log, &request.base.request, error);
    if (rc == 0) keep_heartbeat(&request, heartbeat);
    return weir_error_wrap(error, rc, "member of group '%s'", heartbeat->as.group);
}

const struct place_group_ops embedded_group_ops = {
    .list = embedded_list,
    .describe = embedded_describe,
    .offsets = embedded_offsets,
    .commit = embedded_commit,
    .remove = embedded_remove,
    .remove_offsets = embedded_remove_offsets,
    .heartbeat = embedded_heartbeat,
};
