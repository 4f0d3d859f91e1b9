/*
 * What a member does with the partitions that it has: it looks up where to begin, reads, and commits what it has read.
 * One question of these is under way at a time.
 */
#include <string.h>

#include "tests/sim/member.h"
#include "wire/generated/fetch_request.h"
#include "wire/generated/fetch_response.h"
#include "wire/generated/offset_commit_request.h"
#include "wire/generated/offset_commit_response.h"
#include "wire/generated/offset_fetch_request.h"
#include "wire/generated/offset_fetch_response.h"

enum {
    STATIC_COMMIT_FROM = 7,
    EPOCHS_FROM = 9, /* of OffsetCommit */
    /* the last versions that name topics by their names */
    FETCH_BY_NAME = 12,
    COMMIT_BY_NAME = 9,
    OFFSETS_BY_NAME = 9,
    STABLE_FROM = 7, /* OffsetFetch that waits for transactions */
    GROUPS_FROM = 8, /* of several groups */
    WAIT_MS_MAX = 5,
};

static struct simulation *simulation_of(const struct member *member)
{
    return member->remote.served->simulation;
}

static struct group_history *history_of(const struct member *member)
{
    return &member->world->history;
}

static bool wrong(struct member *member, const char *what, int32_t partition, int64_t number)
{
    return simulation_fail(simulation_of(member), "wrong-answer",
                           "slot %d of group %s, partition %d: %s (%lld)", member->slot,
                           member->group->name, (int)partition, what, (long long)number);
}

/* Of a topic that is gone, or that is another one by now. */
static bool is_of_topic(const struct member *member, int16_t error)
{
    return member->group->topic->is_remade &&
           (error == WEIR_WIRE_UNKNOWN_TOPIC_ID || error == WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
}

/* ---- asking ---------------------------------------------------------------------------------- */

void member_ask(struct member *member, const struct weir_message_type *request_type,
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
    if (member->group->topic->is_remade) least = (int16_t)(by_name + 1);
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

struct member_place *member_place_of(struct member *member, const struct member_item *item)
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
    if (is_of_topic(member, error)) return;
    /* A transaction has it: it is asked for again. */
    if (error == WEIR_WIRE_UNSTABLE_OFFSET_COMMIT && member->group->is_transactional) return;
    if (error != WEIR_WIRE_NONE) {
        (void)member_excuses(member, &member->ask, error, "a partition of OffsetFetch");
        return;
    }
    history_of(member)->events[item->event].offset = offset;
    group_history_end(history_of(member), item->event, GROUP_OK);
    struct member_place *place = member_place_of(member, item);
    if (place == NULL) return;
    place->committed = offset;
    place->position = offset >= 0 ? offset : 0;
}

bool member_is_of_membership(int16_t error)
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
        if (member_is_of_membership(group->error_code) || is_of_topic(member, group->error_code))
            return;
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
    if (member->protocol == &member_consumer) {
        group.member_id = weir_text(member->self.id);
        group.member_epoch = member->self.generation;
    }
    request.require_stable = member->group->is_transactional;
    int16_t least = request.require_stable ? STABLE_FROM : 1;
    int16_t version =
        draw_version(member, &weir_wire_offset_fetch_request_type, least, OFFSETS_BY_NAME);
    if (version >= GROUPS_FROM) {
        request.groups = &group;
        request.groups_count = 1;
    } else {
        request.group_id = weir_text(member->group->name);
        request.topics = &old;
        request.topics_count = 1;
    }
    member_ask(member, &weir_wire_offset_fetch_request_type, &weir_wire_offset_fetch_response_type,
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
        struct group_event event = member_event(member, GROUP_FETCHED, i);
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
        struct member_place *place = member_place_of(member, item);
        if (place != NULL && item->offset > place->committed) place->committed = item->offset;
    } else if (member_is_of_membership(error) || is_of_topic(member, error)) {
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
        struct group_event event = member_event(member, GROUP_COMMIT, item->partition);
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
    if (member->protocol == &member_consumer) least = EPOCHS_FROM;
    int16_t version =
        draw_version(member, &weir_wire_offset_commit_request_type, least, COMMIT_BY_NAME);
    member_ask(member, &weir_wire_offset_commit_request_type,
               &weir_wire_offset_commit_response_type, version, &request, commit_answered);
}

/* A member of a consumer group that gives up in several steps has its epoch meanwhile, and with its epoch it may commit
 * what it has given up: Kafka looks at the partition only where the epoch is an older one. */
static bool is_late(const struct member *member)
{
    bool is_of_now = member->group->is_consumer &&
                     member->late.generation == member->self.generation &&
                     strcmp(member->late.id, member->self.id) == 0;
    return member->late_partition >= 0 && !is_of_now;
}

static bool commit_late(struct member *member)
{
    if (!is_late(member)) return false;
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
    if (member->group->is_transactional) return member_transaction_commit(member);
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
    struct group_event event = member_event(member, GROUP_READ, partition);
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
    } else if (is_of_topic(member, data->error_code)) {
        return;
    } else if (data->error_code != WEIR_WIRE_NONE) {
        (void)remote_excuses(&member->remote, &member->ask, data->error_code, "Fetch");
    } else {
        struct member_place *place = member_place_of(member, item);
        bool is_there = place != NULL && place->position == item->offset;
        if (is_there) take_records(member, place, item->partition, data->records);
    }
}

static void fetched(struct remote_ask *ask, const void *answer)
{
    struct member *member = (struct member *)ask->remote;
    const struct weir_wire_fetch_response *response = answer;
    member->is_asking = false;
    if (is_of_topic(member, response->error_code)) return;
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
    member_ask(member, &weir_wire_fetch_request_type, &weir_wire_fetch_response_type, version,
               &request, fetched);
}

/* All that it has it looks up once more. */
static void look_again(struct member *member)
{
    if (!member->world->is_last || member->has_looked || !member_is_settled(member)) return;
    for (int32_t i = 0; i < GROUP_PARTITIONS_MAX; i++)
        member->places[i].position = -1;
    member->has_looked = true;
}

void member_work(struct member *member)
{
    if (member->is_asking || !member->group->topic->has_id) return;
    if (member->group->is_transactional ? member_transaction_work(member) : commit_late(member)) {
        return;
    }
    if (member->phase != MEMBER_IN) return;
    look_again(member);
    if (fetch_offsets(member)) return;
    if (remote_chance(&member->remote, 300) && commit(member)) return;
    fetch(member);
}
