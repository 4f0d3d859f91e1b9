#include "tests/sim/member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/generated/fetch_request.h"
#include "wire/generated/fetch_response.h"
#include "wire/generated/offset_commit_request.h"
#include "wire/generated/offset_commit_response.h"
#include "wire/generated/offset_fetch_request.h"
#include "wire/generated/offset_fetch_response.h"

enum {
    MS = 1000 * 1000, /* in nanoseconds */
    PACE_MS_MAX = 15,
    STATIC_COMMIT_FROM = 7,
    /* the last versions that name topics by their names */
    FETCH_BY_NAME = 12,
    COMMIT_BY_NAME = 9,
    OFFSETS_BY_NAME = 9,
    GROUPS_FROM = 8, /* OffsetFetch of several groups */
    WAIT_MS_MAX = 5,
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

static struct group_event event_of(const struct member *member, enum group_event_kind kind,
                                   int32_t partition)
{
    return (struct group_event){.kind = kind,
                                .group = member->group->number,
                                .slot = member->slot,
                                .generation = member->self.generation,
                                .partition = partition,
                                .at_ns = now_ns(member)};
}

struct weir_slice member_instance(const struct member *member)
{
    return member->instance[0] != '\0' ? weir_text(member->instance) : weir_null();
}

static bool wrong(struct member *member, const char *what, int32_t partition, int64_t number)
{
    return simulation_fail(simulation_of(member), "wrong-answer",
                           "slot %d of group %s, partition %d: %s (%lld)", member->slot,
                           member->group->name, (int)partition, what, (long long)number);
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
    if (remote_is_calm(&member->remote, ask)) {
        return simulation_fail(simulation, "wrong-answer",
                               "node %d: %s is answered with %s, and no "
                               "fault is left",
                               member->remote.node, what, weir_wire_error_name(error));
    }
    bool may_be_broken = simulation->is_suspect && !simulation->is_full && !simulation->is_calm;
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
    member->late_partition = partition;
    member->late_offset = place->position;
}

static void release(struct member *member, int32_t partition)
{
    struct group_event event = event_of(member, GROUP_RELEASED, partition);
    keep_for_late(member, partition);
    member->places[partition].is_owned = false;
    group_history_note(history_of(member), &event);
}

/* What it has already it goes on with where it is. */
static void give(struct member *member, int32_t partition)
{
    struct member_place *place = &member->places[partition];
    struct group_event event = event_of(member, GROUP_GIVEN, partition);
    group_history_note(history_of(member), &event);
    if (place->is_owned) return;
    *place = (struct member_place){
        .is_owned = true, .span = place->span + 1, .position = -1, .committed = -1};
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

void member_say(struct member *member, const struct weir_message_type *request_type,
                const struct weir_message_type *response_type, int16_t version, const void *request,
                void (*answered)(struct remote_ask *ask, const void *response))
{
    member->is_saying = true;
    member->say.answered = answered;
    remote_send(&member->remote, &member->say, request_type, response_type, version, request);
}

static void ask(struct member *member, const struct weir_message_type *request_type,
                const struct weir_message_type *response_type, int16_t version, const void *request,
                void (*answered)(struct remote_ask *ask, const void *response))
{
    member->is_asking = true;
    member->ask.answered = answered;
    remote_send(&member->remote, &member->ask, request_type, response_type, version, request);
}

/* By id where the id is known and the version has no names any more. */
static int16_t draw_version(struct member *member, const struct weir_message_type *type,
                            int16_t least, int16_t by_name)
{
    int16_t version = remote_draw_version(&member->remote, type, least);
    return !member->group->topic->has_id && version > by_name ? by_name : version;
}

/* The item of an answer; NULL: it was not asked for. */
static struct member_item *item_of(struct member *member, int32_t partition)
{
    for (int i = 0; i < member->item_count; i++) {
        if (member->items[i].partition == partition) return &member->items[i];
    }
    (void)wrong(member, "was not asked for", partition, 0);
    return NULL;
}

/* The place, if it has not been given up since the question. */
static struct member_place *place_of(struct member *member, const struct member_item *item)
{
    struct member_place *place = &member->places[item->partition];
    return place->is_owned && place->span == item->span ? place : NULL;
}

static void add_item(struct member *member, int32_t partition, int64_t offset)
{
    member->items[member->item_count++] = (struct member_item){
        .partition = partition, .span = member->places[partition].span, .offset = offset};
}

/* ---- what is committed ----------------------------------------------------------------------- */

static void take_offset(struct member *member, int32_t partition, int64_t offset, int16_t error)
{
    struct member_item *item = item_of(member, partition);
    if (item == NULL) return;
    if (error != WEIR_WIRE_NONE) {
        (void)member_excuses(member, &member->ask, error, "a partition of OffsetFetch");
        return;
    }
    history_of(member)->events[item->event].offset = offset;
    group_history_end(history_of(member), item->event, GROUP_OK);
    struct member_place *place = place_of(member, item);
    if (place == NULL) return;
    place->committed = offset;
    place->position = offset >= 0 ? offset : 0;
}

/* It is not, or not so, a member by now: its heartbeat will say so. */
static bool is_of_membership(int16_t error)
{
    return error == WEIR_WIRE_STALE_MEMBER_EPOCH || error == WEIR_WIRE_UNKNOWN_MEMBER_ID ||
           error == WEIR_WIRE_ILLEGAL_GENERATION || error == WEIR_WIRE_REBALANCE_IN_PROGRESS ||
           error == WEIR_WIRE_FENCED_INSTANCE_ID || error == WEIR_WIRE_GROUP_ID_NOT_FOUND;
}

static void take_offsets_of_group(
    struct member *member,
    const struct weir_wire_offset_fetch_response_offset_fetch_response_group *group)
{
    if (group->error_code != WEIR_WIRE_NONE) {
        if (is_of_membership(group->error_code)) return;
        (void)member_excuses(member, &member->ask, group->error_code, "OffsetFetch");
        return;
    }
    for (size_t i = 0; i < group->topics_count; i++) {
        for (size_t j = 0; j < group->topics[i].partitions_count; j++) {
            const struct weir_wire_offset_fetch_response_offset_fetch_response_partitions *row =
                &group->topics[i].partitions[j];
            take_offset(member, row->partition_index, row->committed_offset, row->error_code);
        }
    }
}

static void offsets_answered(struct remote_ask *ask, const void *answer)
{
    struct member *member = (struct member *)ask->remote;
    const struct weir_wire_offset_fetch_response *response = answer;
    member->is_asking = false;
    if (ask->call.version >= GROUPS_FROM) {
        if (response->groups_count == 1) take_offsets_of_group(member, response->groups);
        return;
    }
    if (response->error_code != WEIR_WIRE_NONE) {
        (void)member_excuses(member, ask, response->error_code, "OffsetFetch");
        return;
    }
    for (size_t i = 0; i < response->topics_count; i++) {
        for (size_t j = 0; j < response->topics[i].partitions_count; j++) {
            const struct weir_wire_offset_fetch_response_offset_fetch_response_partition *row =
                &response->topics[i].partitions[j];
            take_offset(member, row->partition_index, row->committed_offset, row->error_code);
        }
    }
}

static void send_offset_fetch(struct member *member, const int32_t *partitions, size_t count)
{
    const struct group_topic *topic = member->group->topic;
    struct weir_wire_offset_fetch_request_offset_fetch_request_topic old = {weir_text(topic->name),
                                                                            partitions, count};
    struct weir_wire_offset_fetch_request_offset_fetch_request_topics row = {
        weir_text(topic->name), topic->id, partitions, count};
    struct weir_wire_offset_fetch_request_offset_fetch_request_group group = {
        .group_id = weir_text(member->group->name),
        .member_id = weir_null(),
        .member_epoch = -1,
        .topics = &row,
        .topics_count = 1};
    struct weir_wire_offset_fetch_request request;
    weir_wire_offset_fetch_request_init(&request);
    if (member->group->is_consumer) {
        group.member_id = weir_text(member->self.id);
        group.member_epoch = member->self.generation;
    }
    request.require_stable = false;
    int16_t version =
        draw_version(member, &weir_wire_offset_fetch_request_type, 1, OFFSETS_BY_NAME);
    if (version >= GROUPS_FROM) {
        request.groups = &group;
        request.groups_count = 1;
    } else {
        request.group_id = weir_text(member->group->name);
        request.topics = &old;
        request.topics_count = 1;
    }
    ask(member, &weir_wire_offset_fetch_request_type, &weir_wire_offset_fetch_response_type,
        version, &request, offsets_answered);
}

/* True: something is asked. */
static bool fetch_offsets(struct member *member)
{
    int32_t partitions[GROUP_PARTITIONS_MAX];
    size_t count = 0;
    member->item_count = 0;
    for (int32_t i = 0; i < GROUP_PARTITIONS_MAX; i++) {
        const struct member_place *place = &member->places[i];
        if (!place->is_owned || place->position >= 0) continue;
        struct group_event event = event_of(member, GROUP_FETCHED, i);
        event.offset = -1;
        add_item(member, i, -1);
        member->items[member->item_count - 1].event =
            group_history_begin(history_of(member), &event);
        partitions[count++] = i;
    }
    if (count > 0) send_offset_fetch(member, partitions, count);
    return count > 0;
}

/* ---- commits --------------------------------------------------------------------------------- */

static void take_commit(struct member *member, int32_t partition, int16_t error)
{
    struct member_item *item = item_of(member, partition);
    if (item == NULL) return;
    if (error == WEIR_WIRE_NONE) {
        group_history_end(history_of(member), item->event, GROUP_OK);
        struct member_place *place = place_of(member, item);
        if (place != NULL && item->offset > place->committed) place->committed = item->offset;
    } else if (is_of_membership(error)) {
        group_history_end(history_of(member), item->event, GROUP_REFUSED);
    } else {
        (void)member_excuses(member, &member->ask, error, "OffsetCommit");
    }
}

static void commit_answered(struct remote_ask *ask, const void *answer)
{
    struct member *member = (struct member *)ask->remote;
    const struct weir_wire_offset_commit_response *response = answer;
    member->is_asking = false;
    for (size_t i = 0; i < response->topics_count; i++) {
        for (size_t j = 0; j < response->topics[i].partitions_count; j++) {
            take_commit(member, response->topics[i].partitions[j].partition_index,
                        response->topics[i].partitions[j].error_code);
        }
    }
}

static void send_commit(struct member *member, const struct member_identity *identity)
{
    struct weir_wire_offset_commit_request_offset_commit_request_partition
        rows[GROUP_PARTITIONS_MAX];
    const struct group_topic *topic = member->group->topic;
    struct weir_wire_offset_commit_request_offset_commit_request_topic row = {
        weir_text(topic->name), topic->id, rows, (size_t)member->item_count};
    struct weir_wire_offset_commit_request request;
    for (int i = 0; i < member->item_count; i++) {
        struct member_item *item = &member->items[i];
        struct group_event event = event_of(member, GROUP_COMMIT, item->partition);
        event.generation = identity->generation;
        event.offset = item->offset;
        item->event = group_history_begin(history_of(member), &event);
        rows[i] = (struct weir_wire_offset_commit_request_offset_commit_request_partition){
            item->partition, item->offset, -1, weir_text("")};
    }
    weir_wire_offset_commit_request_init(&request);
    request.group_id = weir_text(member->group->name);
    request.generation_id_or_member_epoch = identity->generation;
    request.member_id = weir_text(identity->id);
    request.group_instance_id = member_instance(member);
    request.topics = &row;
    request.topics_count = 1;
    int16_t least = member->instance[0] != '\0' ? STATIC_COMMIT_FROM : 2;
    int16_t version =
        draw_version(member, &weir_wire_offset_commit_request_type, least, COMMIT_BY_NAME);
    ask(member, &weir_wire_offset_commit_request_type, &weir_wire_offset_commit_response_type,
        version, &request, commit_answered);
}

static bool commit_late(struct member *member)
{
    if (member->late_partition < 0) return false;
    if (!remote_chance(&member->remote, member->world->mishaps.late)) return false;
    member->item_count = 0;
    add_item(member, member->late_partition, member->late_offset);
    member->items[0].span = 0; /* of no place of now */
    member->late_partition = -1;
    send_commit(member, &member->late);
    return true;
}

static bool commit(struct member *member)
{
    member->item_count = 0;
    for (int32_t i = 0; i < GROUP_PARTITIONS_MAX; i++) {
        const struct member_place *place = &member->places[i];
        if (!place->is_owned || place->position <= place->committed) continue;
        if (place->position > 0) add_item(member, i, place->position);
    }
    if (member->item_count == 0) return false;
    send_commit(member, &member->self);
    return true;
}

/* ---- records --------------------------------------------------------------------------------- */

struct reading {
    struct member *member;
    int32_t partition;
    int64_t next;
};

static void see_record(void *context, const struct weir_record *record)
{
    struct reading *reading = context;
    if (record->offset != reading->next) {
        (void)wrong(reading->member, "a fetch left records out before", reading->partition,
                    record->offset);
    }
    reading->next = record->offset + 1;
}

static void take_records(struct member *member, struct member_place *place, int32_t partition,
                         struct weir_slice records)
{
    struct weir_error error = {0};
    struct group_event event = event_of(member, GROUP_READ, partition);
    struct reading reading = {member, partition, place->position};
    struct walk walk = {
        .each = see_record, .context = &reading, .from = place->position, .next = place->position};
    int rc = walk_batches(&walk, records, &error);
    if (rc < 0) (void)wrong(member, error.text, partition, place->position);
    if (reading.next == place->position) return;
    event.from = place->position;
    event.offset = reading.next;
    place->position = reading.next;
    group_history_note(history_of(member), &event);
}

static void take_partition(struct member *member,
                           const struct weir_wire_fetch_response_partition_data *data)
{
    struct member_item *item = item_of(member, data->partition_index);
    if (item == NULL) return;
    if (data->error_code == WEIR_WIRE_OFFSET_OUT_OF_RANGE) {
        (void)simulation_fail(simulation_of(member), "lost-read",
                              "slot %d: partition %d has no offset %lld, which was committed",
                              member->slot, (int)item->partition, (long long)item->offset);
    } else if (data->error_code != WEIR_WIRE_NONE) {
        (void)remote_excuses(&member->remote, &member->ask, data->error_code, "Fetch");
    } else {
        struct member_place *place = place_of(member, item);
        bool is_there = place != NULL && place->position == item->offset;
        if (is_there) take_records(member, place, item->partition, data->records);
    }
}

static void fetched(struct remote_ask *ask, const void *answer)
{
    struct member *member = (struct member *)ask->remote;
    const struct weir_wire_fetch_response *response = answer;
    member->is_asking = false;
    if (response->error_code != WEIR_WIRE_NONE) {
        (void)remote_excuses(&member->remote, ask, response->error_code, "Fetch");
        return;
    }
    for (size_t i = 0; i < response->responses_count; i++) {
        for (size_t j = 0; j < response->responses[i].partitions_count; j++)
            take_partition(member, &response->responses[i].partitions[j]);
    }
}

static void fetch(struct member *member)
{
    struct weir_wire_fetch_request_fetch_partition rows[GROUP_PARTITIONS_MAX];
    const struct group_topic *topic = member->group->topic;
    struct weir_wire_fetch_request_fetch_topic row = {
        .topic = weir_text(topic->name), .topic_id = topic->id, .partitions = rows};
    struct weir_wire_fetch_request request;
    member->item_count = 0;
    for (int32_t i = 0; i < GROUP_PARTITIONS_MAX; i++) {
        const struct member_place *place = &member->places[i];
        if (!place->is_owned || place->position < 0) continue;
        add_item(member, i, place->position);
        rows[row.partitions_count++] = (struct weir_wire_fetch_request_fetch_partition){
            .partition = i,
            .current_leader_epoch = -1,
            .fetch_offset = place->position,
            .last_fetched_epoch = -1,
            .log_start_offset = -1,
            .partition_max_bytes = 1 + (int32_t)remote_draw(&member->remote, 1000),
            .high_watermark = INT64_MAX};
    }
    if (row.partitions_count == 0) return;
    weir_wire_fetch_request_init(&request);
    request.max_wait_ms = (int32_t)remote_draw(&member->remote, WAIT_MS_MAX);
    request.min_bytes = 1;
    request.max_bytes = 1 + (int32_t)remote_draw(&member->remote, 10000);
    request.session_epoch = -1;
    request.topics = &row;
    request.topics_count = 1;
    int16_t version = draw_version(member, &weir_wire_fetch_request_type, 4, FETCH_BY_NAME);
    ask(member, &weir_wire_fetch_request_type, &weir_wire_fetch_response_type, version, &request,
        fetched);
}

/* All that it has it looks up once more. */
static void look_again(struct member *member)
{
    if (!member->world->is_last || member->has_looked || !member_is_settled(member)) return;
    for (int32_t i = 0; i < GROUP_PARTITIONS_MAX; i++)
        member->places[i].position = -1;
    member->has_looked = true;
}

static void work(struct member *member)
{
    if (member->is_asking) return;
    if (commit_late(member)) return;
    if (member->phase != MEMBER_IN) return;
    look_again(member);
    if (fetch_offsets(member)) return;
    if (remote_chance(&member->remote, 300) && commit(member)) return;
    fetch(member);
}

/* ---- mishaps --------------------------------------------------------------------------------- */

static void nothing_comes(struct member *member)
{
    member->is_saying = false;
    member->is_asking = false;
    member->is_leaving = false;
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

static void act(struct remote *remote)
{
    struct member *member = (struct member *)remote;
    bool is_away =
        now_ns(member) < member->out_until_ns || now_ns(member) < member->paused_until_ns;
    if (is_away && !member->world->is_quiet) return;
    member->out_until_ns = 0;
    if (meets_mishap(member)) return;
    if (!member->is_saying) member->protocol->act(member);
    work(member);
}

/* ---- life ------------------------------------------------------------------------------------ */

static const struct remote_ops ops = {.lost = lost, .act = act};

bool member_is_settled(const struct member *member)
{
    if (member->phase != MEMBER_IN || member->has_to_answer) return false;
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
    member->protocol = group->is_consumer ? &member_consumer : &member_classic;
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
