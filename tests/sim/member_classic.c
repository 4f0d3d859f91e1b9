/*
 * A member of a classic group: it joins, and the one that leads assigns for all; each is told by its sync.
 *
 *   out ──JoinGroup──> joined ──SyncGroup──> in ──Heartbeat: a rebalance──> out, to join again
 *
 * What a member tells the leader is the consumers' own protocol, which the coordinator reads where the group is a
 * consumer group: the topic and, if it is cooperative, what it keeps meanwhile. In the bytes that are its own stand its
 * slot, of what generation it speaks and how many partitions it knows of, and what it keeps once more. The leader lets everybody keep what it alone has, up to its share; what is
 * another one's share is given up first, and goes to somebody in the next generation.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/member.h"
#include "wire/generated/heartbeat_request.h"
#include "wire/generated/heartbeat_response.h"
#include "wire/generated/join_group_request.h"
#include "wire/generated/join_group_response.h"
#include "wire/generated/leave_group_request.h"
#include "wire/generated/leave_group_response.h"
#include "wire/generated/sync_group_request.h"
#include "wire/generated/sync_group_response.h"

enum {
    MS = 1000 * 1000,
    SLACK_MS = 3,             /* the coordinator counts in whole milliseconds */
    SUBSCRIPTION_VERSION = 1, /* the first that says what a member keeps */
    TOPIC_SIZE_MAX = 16,
    STATIC_JOIN_FROM = 5,
    STATIC_FROM = 3, /* SyncGroup, Heartbeat, LeaveGroup */
    HEAD = 3,        /* words before the partitions */
    WORDS_MAX = HEAD + GROUP_PARTITIONS_MAX,
    NOBODY = -1,
};

struct member_assignment_list {
    char ids[GROUP_SLOTS_MAX][MEMBER_ID_SIZE];
    size_t count;
    int owners[GROUP_PARTITIONS_MAX]; /* indexes of ids; NOBODY */
};

static const char *protocol_of(const struct member *member)
{
    return member->is_cooperative ? "cooperative" : "range";
}

/* ---- words on the wire ----------------------------------------------------------------------- */

/* Twice the words, and what stands around them. */
struct words {
    uint8_t bytes[8 * WORDS_MAX + 2 * TOPIC_SIZE_MAX + 32];
    size_t size;
};

static void put_bytes(struct words *words, const void *bytes, size_t size)
{
    if (words->size + size > sizeof words->bytes) abort();
    memcpy(words->bytes + words->size, bytes, size);
    words->size += size;
}

static void put_short(struct words *words, size_t number)
{
    const uint8_t bytes[] = {(uint8_t)(number >> 8), (uint8_t)number};
    put_bytes(words, bytes, sizeof bytes);
}

static void put_word(struct words *words, int32_t word)
{
    put_short(words, (uint32_t)word >> 16);
    put_short(words, (uint32_t)word & 0xffff);
}

static void put_text(struct words *words, const char *text)
{
    put_short(words, strlen(text));
    put_bytes(words, text, strlen(text));
}

/* A list of one topic with these partitions. */
static void put_partitions(struct words *words, const char *topic,
                           const bool given[GROUP_PARTITIONS_MAX])
{
    int32_t count = 0;
    for (int32_t i = 0; i < GROUP_PARTITIONS_MAX; i++)
        count += given[i];
    put_word(words, 1);
    put_text(words, topic);
    put_word(words, count);
    for (int32_t i = 0; i < GROUP_PARTITIONS_MAX; i++) {
        if (given[i]) put_word(words, i);
    }
}

static int32_t get_word(struct weir_slice slice, size_t index)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++)
        bits = bits << 8 | slice.data[4 * index + i];
    return (int32_t)bits;
}

/* The bytes of its own in what a member says: behind a version, one topic and a size. */
static struct weir_slice own_words(const struct member *member, struct weir_slice metadata)
{
    size_t head = 2 + 4 + 2 + strlen(member->group->topic->name) + 4;
    if (metadata.size < head) abort();
    size_t size = (size_t)get_word(weir_slice(metadata.data + head - 4, 4), 0);
    return weir_slice(metadata.data + head, size);
}

/* ---- the leader assigns ---------------------------------------------------------------------- */

typedef struct weir_wire_join_group_response_join_group_response_member joined_member;

struct claim {
    int owner;
    int32_t generation;
};

static void take_claims(struct weir_slice words, int index, struct claim *claims)
{
    size_t count = words.size / 4;
    for (size_t i = HEAD; i < count; i++) {
        struct claim *claim = &claims[get_word(words, i)];
        int32_t generation = get_word(words, 1);
        if (claim->owner != NOBODY && claim->generation >= generation) continue;
        *claim = (struct claim){index, generation};
    }
}

static void note_listed(struct member *member, int slot)
{
    group_history_note(&member->world->history,
                       &(struct group_event){.kind = GROUP_LISTED,
                                             .group = member->group->number,
                                             .slot = slot,
                                             .generation = member->self.generation,
                                             .at_ns = group_world_now_ns(member->world)});
}

static int least_loaded(const size_t *loads, size_t count)
{
    size_t least = 0;
    for (size_t i = 1; i < count; i++) {
        if (loads[i] < loads[least]) least = i;
    }
    return (int)least;
}

/* One more than an equal share is for as many as there are left over. */
struct shares {
    size_t loads[GROUP_SLOTS_MAX];
    size_t equal;
    size_t left_over;
};

static bool has_room(struct shares *shares, int owner)
{
    size_t load = shares->loads[owner];
    if (load > shares->equal || (load == shares->equal && shares->left_over == 0)) return false;
    shares->left_over -= load == shares->equal;
    shares->loads[owner]++;
    return true;
}

/* `is_sticky`: everybody keeps what it has, up to its share. */
static void share_out(struct member_assignment_list *list, const struct claim *claims,
                      int32_t partition_count, bool is_sticky)
{
    struct shares shares = {.equal = (size_t)partition_count / list->count,
                            .left_over = (size_t)partition_count % list->count};
    for (int32_t i = 0; i < GROUP_PARTITIONS_MAX; i++) {
        int owner = i < partition_count && is_sticky ? claims[i].owner : NOBODY;
        list->owners[i] = owner != NOBODY && has_room(&shares, owner) ? owner : NOBODY;
    }
    for (int32_t i = 0; i < partition_count; i++) {
        bool is_given_up_first = is_sticky && claims[i].owner != NOBODY;
        if (list->owners[i] != NOBODY || is_given_up_first) continue;
        list->owners[i] = least_loaded(shares.loads, list->count);
        shares.loads[list->owners[i]]++;
    }
}

static void assign(struct member *member, const struct weir_wire_join_group_response *response)
{
    struct claim claims[GROUP_PARTITIONS_MAX];
    struct member_assignment_list *list = calloc(1, sizeof *list);
    if (list == NULL) abort();
    for (int32_t i = 0; i < GROUP_PARTITIONS_MAX; i++)
        claims[i] = (struct claim){NOBODY, -1};
    for (size_t i = 0; i < response->members_count && i < GROUP_SLOTS_MAX; i++) {
        const joined_member *joined = &response->members[i];
        struct weir_slice words = own_words(member, joined->metadata);
        note_listed(member, get_word(words, 0));
        take_claims(words, (int)i, claims);
        memcpy(list->ids[i], joined->member_id.data, joined->member_id.size);
        list->count++;
    }
    bool is_sticky = weir_slice_equal(response->protocol_name, weir_text("cooperative"));
    if (list->count > 0) share_out(list, claims, member->known_count, is_sticky);
    free(member->assignments);
    member->assignments = list;
}

/* ---- join ------------------------------------------------------------------------------------ */

/* Refused for a reason that every answer may have. */
static void be_refused(struct member *member, const struct remote_ask *ask, int16_t error,
                       const char *what)
{
    switch (error) {
    case WEIR_WIRE_UNKNOWN_MEMBER_ID:
    case WEIR_WIRE_FENCED_INSTANCE_ID:
        member_fall_out(member);
        member->self.id[0] = '\0';
        break;
    case WEIR_WIRE_ILLEGAL_GENERATION:
        member_fall_out(member);
        break;
    case WEIR_WIRE_REBALANCE_IN_PROGRESS:
        if (!member->is_cooperative) member_release_all(member);
        member->phase = MEMBER_OUT;
        break;
    default:
        (void)member_excuses(member, ask, error, what);
    }
}

static void joined(struct remote_ask *ask, const void *answer)
{
    struct member *member = (struct member *)ask->remote;
    const struct weir_wire_join_group_response *response = answer;
    member->is_saying = false;
    if (response->error_code == WEIR_WIRE_MEMBER_ID_REQUIRED) {
        member_take_identity(member, response->member_id, member->self.generation);
        return;
    }
    if (response->error_code != WEIR_WIRE_NONE) {
        be_refused(member, ask, response->error_code, "JoinGroup");
        return;
    }
    bool is_other = !weir_slice_equal(response->member_id, weir_text(member->self.id));
    if (is_other) member_release_all(member);
    /* A static member that is back may have been given what was assigned before the topic grew: it joins once more. */
    if (is_other && member->instance[0] != '\0') member->known_count = 0;
    member_take_identity(member, response->member_id, response->generation_id);
    member->phase = MEMBER_JOINED;
    free(member->assignments);
    member->assignments = NULL;
    if (member->joined_life != member->life) member->phase = MEMBER_OUT; /* it was another topic */
    if (response->members_count > 0) assign(member, response);
    if (response->skip_assignment && member->assignments != NULL) member->assignments->count = 0;
}

static void describe(const struct member *member, struct words *words)
{
    bool kept[GROUP_PARTITIONS_MAX];
    int32_t kept_count = 0;
    for (int32_t i = 0; i < GROUP_PARTITIONS_MAX; i++) {
        kept[i] = member->is_cooperative && member->places[i].is_owned;
        kept_count += kept[i];
    }
    words->size = 0;
    put_short(words, SUBSCRIPTION_VERSION);
    put_word(words, 1);
    put_text(words, member->group->topic->name);
    put_word(words, 4 * (HEAD + kept_count));
    put_word(words, member->slot);
    put_word(words, member->is_cooperative ? member->self.generation : 0);
    put_word(words, member->known_count + member->life * (GROUP_PARTITIONS_MAX + 1));
    for (int32_t i = 0; i < GROUP_PARTITIONS_MAX; i++) {
        if (kept[i]) put_word(words, i);
    }
    put_partitions(words, member->group->topic->name, kept);
}

static void join(struct member *member)
{
    struct words words;
    struct weir_wire_join_group_request_join_group_request_protocol protocol;
    struct weir_wire_join_group_request request;
    member->known_count = member->group->topic->count;
    member->joined_life = member->life;
    if (!member->is_cooperative) member_release_all(member);
    describe(member, &words);
    protocol.name = weir_text(protocol_of(member));
    protocol.metadata = weir_slice(words.bytes, words.size);
    weir_wire_join_group_request_init(&request);
    request.group_id = weir_text(member->group->name);
    request.session_timeout_ms = member->group->session_ms;
    request.rebalance_timeout_ms = member->group->rebalance_ms;
    request.member_id = weir_text(member->self.id);
    request.group_instance_id = member_instance(member);
    request.protocol_type = weir_text("consumer");
    request.protocols = &protocol;
    request.protocols_count = 1;
    member_say(member, &weir_wire_join_group_request_type, &weir_wire_join_group_response_type,
               member->join_version, &request, joined);
    member_say_twice(member, &request);
}

/* ---- sync ------------------------------------------------------------------------------------ */

/* Of the topic that there is; nothing at all is an assignment, too. */
static void take_given(const struct member *member, struct weir_slice assignment,
                       bool given[GROUP_PARTITIONS_MAX])
{
    size_t head = 2 + 4 + 2 + strlen(member->group->topic->name) + 4;
    if (assignment.size < head) return;
    struct weir_slice rest = weir_slice(assignment.data + head - 4, assignment.size - head + 4);
    for (int32_t i = 0; i < get_word(rest, 0); i++)
        given[get_word(rest, 1 + (size_t)i)] = true;
}

static void note_lease(struct member *member, const struct remote_ask *ask)
{
    const struct group_of *group = member->group;
    int32_t ms = group->session_ms < group->rebalance_ms ? group->session_ms : group->rebalance_ms;
    group_history_note(
        &member->world->history,
        &(struct group_event){.kind = GROUP_LEASE,
                              .group = group->number,
                              .slot = member->slot,
                              .generation = member->self.generation,
                              .at_ns = group_world_now_ns(member->world),
                              .until_ns = ask->asked_ns + (int64_t)MS * (ms - SLACK_MS)});
}

static void synced(struct remote_ask *ask, const void *answer)
{
    struct member *member = (struct member *)ask->remote;
    const struct weir_wire_sync_group_response *response = answer;
    bool given[GROUP_PARTITIONS_MAX] = {false};
    member->is_saying = false;
    if (response->error_code != WEIR_WIRE_NONE) {
        be_refused(member, ask, response->error_code, "SyncGroup");
        return;
    }
    if (member->joined_life != member->life) {
        member->phase = MEMBER_OUT;
        return;
    }
    take_given(member, response->assignment, given);
    note_lease(member, ask);
    group_history_note(&member->world->history,
                       &(struct group_event){.kind = GROUP_TOLD,
                                             .group = member->group->number,
                                             .slot = member->slot,
                                             .generation = member->self.generation,
                                             .at_ns = group_world_now_ns(member->world)});
    bool has_all = member_take(member, given);
    member->phase = has_all ? MEMBER_IN : MEMBER_OUT; /* what it gave up is to find an owner */
    member->say_at_ns = 0;
}

static int16_t draw_version(struct member *member, const struct weir_message_type *type)
{
    return remote_draw_version(&member->remote, type,
                               member->instance[0] != '\0' ? STATIC_FROM : 0);
}

static void sync(struct member *member)
{
    struct words words[GROUP_SLOTS_MAX];
    struct weir_wire_sync_group_request_sync_group_request_assignment rows[GROUP_SLOTS_MAX];
    struct weir_wire_sync_group_request request;
    const struct member_assignment_list *list = member->assignments;
    weir_wire_sync_group_request_init(&request);
    request.group_id = weir_text(member->group->name);
    request.generation_id = member->self.generation;
    request.member_id = weir_text(member->self.id);
    request.group_instance_id = member_instance(member);
    request.protocol_type = weir_text("consumer");
    request.protocol_name = weir_text(protocol_of(member));
    request.assignments = rows;
    request.assignments_count = list != NULL ? list->count : 0;
    for (size_t i = 0; i < request.assignments_count; i++) {
        bool given[GROUP_PARTITIONS_MAX];
        for (int32_t j = 0; j < GROUP_PARTITIONS_MAX; j++)
            given[j] = list->owners[j] == (int)i;
        words[i].size = 0;
        put_short(&words[i], SUBSCRIPTION_VERSION);
        put_partitions(&words[i], member->group->topic->name, given);
        put_word(&words[i], -1); /* nothing of its own */
        rows[i].member_id = weir_text(list->ids[i]);
        rows[i].assignment = weir_slice(words[i].bytes, words[i].size);
    }
    member_say(member, &weir_wire_sync_group_request_type, &weir_wire_sync_group_response_type,
               draw_version(member, &weir_wire_sync_group_request_type), &request, synced);
    member_say_twice(member, &request);
}

/* ---- heartbeats and the end ------------------------------------------------------------------ */

static void heard(struct remote_ask *ask, const void *answer)
{
    struct member *member = (struct member *)ask->remote;
    const struct weir_wire_heartbeat_response *response = answer;
    member->is_saying = false;
    if (response->error_code != WEIR_WIRE_NONE) {
        be_refused(member, ask, response->error_code, "Heartbeat");
    } else {
        note_lease(member, ask);
    }
}

static void send_heartbeat(struct member *member)
{
    struct weir_wire_heartbeat_request request;
    weir_wire_heartbeat_request_init(&request);
    request.group_id = weir_text(member->group->name);
    request.generation_id = member->self.generation;
    request.member_id = weir_text(member->self.id);
    request.group_instance_id = member_instance(member);
    member->say_at_ns =
        group_world_now_ns(member->world) + (int64_t)MS * member->group->session_ms / 5;
    member_say(member, &weir_wire_heartbeat_request_type, &weir_wire_heartbeat_response_type,
               draw_version(member, &weir_wire_heartbeat_request_type), &request, heard);
    member_say_twice(member, &request);
}

static void left(struct remote_ask *ask, const void *answer)
{
    struct member *member = (struct member *)ask->remote;
    (void)answer;
    member->is_saying = false;
    member->is_leaving = false;
}

/* A static member that comes back says nothing. */
static void leave(struct member *member, bool for_good)
{
    struct weir_wire_leave_group_request_member_identity row = {
        weir_text(member->self.id), member_instance(member), weir_text("a mishap")};
    struct weir_wire_leave_group_request request;
    member->is_leaving = false;
    if (member->instance[0] != '\0' && !for_good) return;
    member->is_leaving = true;
    weir_wire_leave_group_request_init(&request);
    request.group_id = weir_text(member->group->name);
    request.member_id = weir_text(member->self.id);
    request.members = &row;
    request.members_count = 1;
    int16_t version = draw_version(member, &weir_wire_leave_group_request_type);
    if (version < STATIC_FROM) {
        request.members_count = 0;
    } else {
        request.member_id = weir_text("");
    }
    member_say(member, &weir_wire_leave_group_request_type, &weir_wire_leave_group_response_type,
               version, &request, left);
    member_say_twice(member, &request);
}

static void act(struct member *member)
{
    bool has_grown = member->group->topic->count > member->known_count;
    if (member->phase == MEMBER_IN && has_grown) member->phase = MEMBER_OUT;
    switch (member->phase) {
    case MEMBER_OUT:
        join(member);
        break;
    case MEMBER_JOINED:
        sync(member);
        break;
    case MEMBER_IN:
        if (group_world_now_ns(member->world) >= member->say_at_ns) send_heartbeat(member);
        break;
    }
}

static void forget(struct member *member)
{
    int16_t least = member->instance[0] != '\0' ? STATIC_JOIN_FROM : 1;
    member->join_version =
        remote_draw_version(&member->remote, &weir_wire_join_group_request_type, least);
}

const struct member_protocol member_classic = {.act = act, .leave = leave, .forget = forget};
