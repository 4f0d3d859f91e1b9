/** The coordinator of the log in memory: the smallest one that keeps the promises of KIP-848. A partition is given to
 * a member when nobody has it any more; who has it says so with what it owns. Sessions end when a test says so. */
#include "tests/unit/client/memory_log_internal.h"

#include <string.h>

#include <check.h>

#include "base/uuid.h"

static struct memory_member *find_member(struct memory_log *memory, struct weir_slice id)
{
    for (size_t i = 0; i < MEMORY_MEMBERS_MAX; i++) {
        struct memory_member *member = &memory->members[i];
        if (member->epoch > 0 && weir_slice_equal(weir_text(member->id), id)) return member;
    }
    return NULL;
}

static bool wants_topic(const struct memory_member *member, const struct memory_topic *topic)
{
    for (size_t i = 0; i < member->name_count; i++) {
        if (strcmp(member->names[i], topic->name) == 0) return true;
    }
    return member->has_pattern && !weir_uuid_is_zero(topic->id);
}

/* Each partition to the members that want it, in turn. */
static void assign(struct memory_log *memory)
{
    size_t turn = 0;
    memory->group_epoch++;
    for (size_t m = 0; m < MEMORY_MEMBERS_MAX; m++) {
        memset(memory->members[m].wanted, 0, sizeof memory->members[m].wanted);
    }
    for (size_t t = 0; t < MEMORY_TOPICS_MAX; t++) {
        const struct memory_topic *topic = &memory->topics[t];
        if (weir_uuid_is_zero(topic->id)) continue;
        for (int32_t p = 0; p < topic->partition_count; p++) {
            for (size_t tried = 0; tried < MEMORY_MEMBERS_MAX; tried++) {
                struct memory_member *member = &memory->members[turn++ % MEMORY_MEMBERS_MAX];
                if (member->epoch == 0 || !wants_topic(member, topic)) continue;
                member->wanted[t][p] = true;
                break;
            }
        }
    }
}

static void drop(struct memory_log *memory, struct memory_member *member)
{
    *member = (struct memory_member){0};
    assign(memory);
}

static bool is_free(const struct memory_log *memory, size_t topic, int32_t partition)
{
    for (size_t m = 0; m < MEMORY_MEMBERS_MAX; m++) {
        if (memory->members[m].granted[topic][partition]) return false;
    }
    return true;
}

static void keep_subscription(struct memory_member *member,
                              const struct weir_consumer_heartbeat_request *request)
{
    member->name_count = request->topic_name_count;
    member->has_pattern = request->topic_regex.size > 0;
    ck_assert_uint_le(request->topic_name_count, MEMORY_NAMES_MAX);
    for (size_t i = 0; i < request->topic_name_count; i++) {
        memset(member->names[i], 0, sizeof member->names[i]);
        memcpy(member->names[i], request->topic_names[i].data, request->topic_names[i].size);
    }
}

static struct memory_member *join(struct memory_log *memory,
                                  const struct weir_consumer_heartbeat_request *request)
{
    struct memory_member *member = find_member(memory, request->member.member_id);
    ck_assert(request->has_owned && request->has_topic_names);
    ck_assert_uint_eq(request->owned_count, 0);
    ck_assert_int_gt(request->rebalance_timeout_ms, 0);
    for (size_t i = 0; member == NULL && i < MEMORY_MEMBERS_MAX; i++) {
        if (memory->members[i].epoch == 0) member = &memory->members[i];
    }
    ck_assert_ptr_nonnull(member);
    *member = (struct memory_member){.epoch = 1};
    ck_assert_uint_lt(request->member.member_id.size, sizeof member->id);
    memcpy(member->id, request->member.member_id.data, request->member.member_id.size);
    keep_subscription(member, request);
    assign(memory);
    return member;
}

/* What it was told to give up, and does not own, is free. */
static void take_owned(struct memory_log *memory, struct memory_member *member,
                       const struct weir_consumer_heartbeat_request *request)
{
    bool owned[MEMORY_TOPICS_MAX][MEMORY_PARTITIONS_MAX] = {{false}};
    for (size_t i = 0; i < request->owned_count; i++) {
        for (size_t t = 0; t < MEMORY_TOPICS_MAX; t++) {
            if (!weir_uuid_equal(memory->topics[t].id, request->owned[i].topic_id)) continue;
            for (size_t p = 0; p < request->owned[i].partition_count; p++) {
                owned[t][request->owned[i].partitions[p]] = true;
            }
        }
    }
    for (size_t t = 0; t < MEMORY_TOPICS_MAX; t++) {
        for (int32_t p = 0; p < MEMORY_PARTITIONS_MAX; p++) {
            if (!member->sent[t][p] && !owned[t][p]) member->granted[t][p] = false;
        }
    }
}

static bool grant(struct memory_log *memory, struct memory_member *member)
{
    bool has_changed = !member->was_sent;
    for (size_t t = 0; t < MEMORY_TOPICS_MAX; t++) {
        for (int32_t p = 0; p < MEMORY_PARTITIONS_MAX; p++) {
            bool is_wanted = member->wanted[t][p];
            if (is_wanted && is_free(memory, t, p)) member->granted[t][p] = true;
            bool shows = is_wanted && member->granted[t][p];
            has_changed = has_changed || shows != member->sent[t][p];
            member->sent[t][p] = shows;
        }
    }
    member->was_sent = true;
    return has_changed;
}

static int show_assigned(struct memory_log *memory, const struct memory_member *member,
                         struct weir_consumer_heartbeat_request *request)
{
    request->has_assignment = true;
    request->assigned_count = 0;
    request->assigned =
        weir_arena_array(request->base.arena, MEMORY_TOPICS_MAX, sizeof *request->assigned);
    if (request->assigned == NULL) return WEIR_NO_MEMORY;
    for (size_t t = 0; t < MEMORY_TOPICS_MAX; t++) {
        int32_t *partitions =
            weir_arena_array(request->base.arena, MEMORY_PARTITIONS_MAX, sizeof *partitions);
        size_t count = 0;
        if (partitions == NULL) return WEIR_NO_MEMORY;
        for (int32_t p = 0; p < MEMORY_PARTITIONS_MAX; p++) {
            if (member->sent[t][p]) partitions[count++] = p;
        }
        if (count == 0) continue;
        request->assigned[request->assigned_count++] =
            (struct weir_topic_partitions){memory->topics[t].id, partitions, count};
    }
    return 0;
}

static int hear(struct memory_log *memory, struct weir_consumer_heartbeat_request *request)
{
    struct memory_member *member = find_member(memory, request->member.member_id);
    request->member_id_out = request->member.member_id;
    request->heartbeat_interval_ms = MEMORY_HEARTBEAT_MS;
    request->has_assignment = false;
    if (request->member_epoch < 0) {
        if (member != NULL) drop(memory, member);
        memory->left_epoch = request->member_epoch;
        request->member_epoch_out = request->member_epoch;
        return 0;
    }
    if (request->member_epoch == 0) {
        member = join(memory, request);
    } else if (member == NULL) {
        return WEIR_UNKNOWN_MEMBER_ID;
    } else if (request->member_epoch > member->epoch) {
        return WEIR_FENCED_MEMBER_EPOCH;
    } else if (request->has_topic_names) {
        keep_subscription(member, request);
        assign(memory);
    }
    if (request->has_owned) take_owned(memory, member, request);
    bool has_changed = grant(memory, member);
    member->epoch = memory->group_epoch + 1;
    request->member_epoch_out = member->epoch;
    bool shows = has_changed || request->rebalance_timeout_ms > 0;
    return shows ? show_assigned(memory, member, request) : 0;
}

void memory_handle_consumer_heartbeat(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_consumer_heartbeat_request *request =
        (struct weir_consumer_heartbeat_request *)asked;
    int rc = memory_fault_of(memory, MEMORY_HEARTBEAT);
    if (rc == 0) rc = hear(memory, request);
    memory_reply(memory, MEMORY_HEARTBEAT, asked, rc);
}

int memory_check_commit(struct memory_log *memory, const struct weir_commit_request *request)
{
    if (!request->has_member) return 0;
    const struct memory_member *member = find_member(memory, request->member.member_id);
    if (member == NULL) return WEIR_UNKNOWN_MEMBER_ID;
    return request->generation == member->epoch ? 0 : WEIR_STALE_MEMBER_EPOCH;
}

void memory_log_expel(struct weir_log *log)
{
    struct memory_log *memory = log->impl;
    for (size_t i = 0; i < MEMORY_MEMBERS_MAX; i++) {
        if (memory->members[i].epoch > 0) memory->members[i] = (struct memory_member){0};
    }
    assign(memory);
}

int memory_log_members(const struct weir_log *log)
{
    const struct memory_log *memory = log->impl;
    int count = 0;
    for (size_t i = 0; i < MEMORY_MEMBERS_MAX; i++) {
        count += memory->members[i].epoch > 0;
    }
    return count;
}

int32_t memory_log_left_epoch(const struct weir_log *log)
{
    return ((const struct memory_log *)log->impl)->left_epoch;
}

/* ---- administration, which no test asks of it ------------------------------------------------ */

#define REFUSED(name)                                                                              \
    void memory_handle_##name(struct memory_log *memory, struct weir_request *asked)               \
    {                                                                                              \
        memory_reply(memory, MEMORY_HEARTBEAT, asked, WEIR_UNSUPPORTED);                           \
    }
REFUSED(list_groups)
REFUSED(describe_group)
REFUSED(delete_group)
REFUSED(delete_offsets)
