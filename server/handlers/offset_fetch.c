#include <stdlib.h>

#include "base/assert.h"
#include "base/uuid.h"
#include "server/handlers/group_error.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/offset_fetch_request.h"
#include "wire/generated/offset_fetch_response.h"

/*
 * OffsetFetch: how far groups have come, of the partitions that are asked for or of all. An offset belongs to the
 * topic that it was committed for: of one that was deleted and made anew it is none.
 *
 *   request ──> the topics' ids ──> first group ──> coordinator ──┐
 *                     ^                                           │ asked for all: the ids of its topics
 *                     └──────────────── next group <──────────────┘
 *
 * Groups are asked for one after the other, for what they give goes into the one arena of the request. What is
 * asked for in versions 1 to 7 is one group among groups here. From version 7 on a client may want stable offsets only:
 * one that an open transaction commits too is told as that, and asked for again (KIP-447).
 *
 * Source: CLIENTS.md b, "OffsetFetch (9)".
 */
enum { GROUPS_FROM = 8, TOPIC_IDS_FROM = 10 };

typedef struct weir_wire_offset_fetch_request_offset_fetch_request_group group_asked;
typedef struct weir_wire_offset_fetch_request_offset_fetch_request_topics topic_asked;
typedef struct weir_wire_offset_fetch_response_offset_fetch_response_group group_row;
typedef struct weir_wire_offset_fetch_response_offset_fetch_response_topics topic_row;
typedef struct weir_wire_offset_fetch_response_offset_fetch_response_partitions partition_row;

struct offset_fetch {
    struct weir_request_context *context;
    const group_asked *asked;
    group_row *rows;
    size_t count;
    size_t index; /* the group at hand, whose rows are: */
    topic_row *topics;
    partition_row *partitions; /* of all of them, in order */
    size_t partition_count;
    struct weir_committed_request committed;
    struct weir_list_topics_request list;
};

static void next_group(struct offset_fetch *fetch);

/* ---- the answer ------------------------------------------------------------------------------ */

/* Of the versions before groups came in numbers: the same structs but for their names. */
static void put_group(struct weir_request_context *context, const group_row *row,
                      struct weir_wire_offset_fetch_response *response)
{
    struct weir_arena *arena = &context->arena;
    struct weir_wire_offset_fetch_response_offset_fetch_response_topic *topics =
        weir_arena_array(arena, row->topics_count, sizeof *topics);
    for (size_t i = 0; topics != NULL && i < row->topics_count; i++) {
        const topic_row *from = &row->topics[i];
        struct weir_wire_offset_fetch_response_offset_fetch_response_partition *partitions =
            weir_arena_array(arena, from->partitions_count, sizeof *partitions);
        if (partitions == NULL) break;
        for (size_t p = 0; p < from->partitions_count; p++) {
            const partition_row *one = &from->partitions[p];
            partitions[p] =
                (struct weir_wire_offset_fetch_response_offset_fetch_response_partition){
                    .partition_index = one->partition_index,
                    .committed_offset = one->committed_offset,
                    .committed_leader_epoch = one->committed_leader_epoch,
                    .metadata = one->metadata,
                    .error_code = one->error_code,
                };
        }
        topics[i] = (struct weir_wire_offset_fetch_response_offset_fetch_response_topic){
            from->name, partitions, from->partitions_count};
    }
    response->topics = topics;
    response->topics_count = row->topics_count;
    response->error_code = row->error_code;
}

static void answer(struct offset_fetch *fetch)
{
    struct weir_wire_offset_fetch_response response;
    weir_wire_offset_fetch_response_init(&response);
    if (fetch->context->version < GROUPS_FROM) {
        put_group(fetch->context, &fetch->rows[0], &response);
    } else {
        response.groups = fetch->rows;
        response.groups_count = fetch->count;
    }
    weir_outcome_reply(fetch->context, &response);
}

/* ---- what one group has committed ------------------------------------------------------------ */

static const group_asked *asked_of(const struct offset_fetch *fetch)
{
    return &fetch->asked[fetch->index];
}

static group_row *row_of(const struct offset_fetch *fetch)
{
    return &fetch->rows[fetch->index];
}

static bool requires_stable(const struct offset_fetch *fetch)
{
    const struct weir_wire_offset_fetch_request *request = fetch->context->request;
    return request->require_stable;
}

static void end_group(struct offset_fetch *fetch, int16_t error_code)
{
    row_of(fetch)->error_code = error_code;
    fetch->index++;
    next_group(fetch);
}

/* Before version 2 the answer has no place for it but the partitions. */
static void refuse_rows(struct offset_fetch *fetch, int16_t error_code)
{
    for (size_t i = 0; i < fetch->partition_count; i++) {
        fetch->partitions[i].error_code = error_code;
    }
    row_of(fetch)->error_code = error_code;
}

static void refuse_asked(struct offset_fetch *fetch, int16_t error_code)
{
    refuse_rows(fetch, error_code);
    end_group(fetch, error_code);
}

static partition_row none_of(int32_t partition)
{
    return (partition_row){
        .partition_index = partition,
        .committed_offset = -1,
        .committed_leader_epoch = -1,
        .metadata = weir_text(""),
    };
}

static void take_offset(partition_row *row, const struct weir_offset_entry *entry,
                        const struct weir_topic_info *topic)
{
    if (entry->is_unstable) row->error_code = WEIR_WIRE_UNSTABLE_OFFSET_COMMIT;
    if (topic->rc != 0 || entry->offset < 0) return;
    if (!weir_uuid_equal(entry->topic_id, topic->id)) return;
    row->committed_offset = entry->offset;
    row->committed_leader_epoch = entry->leader_epoch;
    if (!weir_slice_is_null(entry->metadata)) row->metadata = entry->metadata;
}

/* ---- partitions that are asked for ----------------------------------------------------------- */

static int16_t check_topic(const struct offset_fetch *fetch, const struct weir_topic_info *topic)
{
    if (topic->rc == WEIR_UNKNOWN_TOPIC_ID) return WEIR_WIRE_UNKNOWN_TOPIC_ID;
    bool is_permitted =
        weir_authorize(fetch->context, WEIR_ACL_DESCRIBE, WEIR_ACL_TOPIC, topic->name);
    return is_permitted ? 0 : WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED;
}

static void take_asked(struct weir_request *request)
{
    struct offset_fetch *fetch = request->context;
    const group_row *row = row_of(fetch);
    const struct weir_offset_entry *entry = fetch->committed.entries;
    partition_row *one = fetch->partitions;
    if (request->rc < 0) {
        refuse_asked(fetch, weir_group_error_of(request->rc));
        return;
    }
    for (size_t t = 0; t < row->topics_count; t++) {
        const struct weir_topic_info *topic = &fetch->list.topics[t];
        int16_t refused = check_topic(fetch, topic);
        for (size_t p = 0; p < row->topics[t].partitions_count; p++, entry++, one++) {
            one->error_code = refused;
            if (refused == 0) take_offset(one, entry, topic);
        }
    }
    end_group(fetch, 0);
}

/* A topic that is not there has no offsets, and still has to be asked for under some name. */
static void ask_partitions(struct weir_request *request)
{
    struct offset_fetch *fetch = request->context;
    struct weir_request_context *context = fetch->context;
    const group_row *row = row_of(fetch);
    if (request->rc < 0) {
        refuse_asked(fetch, weir_group_error_of(request->rc));
        return;
    }
    struct weir_offset_entry *entries =
        weir_arena_array(&context->arena, fetch->partition_count + 1, sizeof *entries);
    if (entries == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    size_t at = 0;
    for (size_t t = 0; t < row->topics_count; t++) {
        struct weir_slice name = fetch->list.topics[t].name;
        for (size_t p = 0; p < row->topics[t].partitions_count; p++) {
            entries[at++] = (struct weir_offset_entry){
                .partition = {weir_slice_is_null(name) ? weir_text("") : name,
                              row->topics[t].partitions[p].partition_index}};
        }
    }
    fetch->committed = (struct weir_committed_request){
        .request = {.reply_to = context->actor, .done = take_asked, .context = fetch},
        .group = asked_of(fetch)->group_id,
        .arena = &context->arena,
        .entries = entries,
        .entry_count = at,
        .member_id = asked_of(fetch)->member_id,
        .member_epoch = asked_of(fetch)->member_epoch,
        .require_stable = requires_stable(fetch),
    };
    weir_broker_committed(context->broker, &fetch->committed);
}

static void add_asked(struct offset_fetch *fetch, const topic_asked *asked, topic_row *row)
{
    partition_row *rows = fetch->partitions + fetch->partition_count;
    for (size_t i = 0; i < asked->partition_indexes_count; i++) {
        rows[i] = none_of(asked->partition_indexes[i]);
    }
    *row = (topic_row){asked->name, asked->topic_id, rows, asked->partition_indexes_count};
    fetch->partition_count += asked->partition_indexes_count;
}

static size_t count_partitions(const group_asked *asked)
{
    size_t count = 0;
    for (size_t i = 0; i < asked->topics_count; i++) {
        count += asked->topics[i].partition_indexes_count;
    }
    return count;
}

static void list_topics(struct offset_fetch *fetch, const struct weir_slice *names,
                        const struct weir_uuid *ids, size_t count,
                        void (*listed)(struct weir_request *request))
{
    struct weir_request_context *context = fetch->context;
    fetch->list = (struct weir_list_topics_request){
        .request = {.reply_to = context->actor, .done = listed, .context = fetch},
        .arena = &context->arena,
        .names = names,
        .ids = ids,
        .asked_count = count,
        .is_selection = true,
    };
    weir_broker_list_topics(context->broker, &fetch->list);
}

/* A row for each that is asked for. False: no memory. */
static bool make_rows(struct offset_fetch *fetch)
{
    const group_asked *asked = asked_of(fetch);
    struct weir_arena *arena = &fetch->context->arena;
    fetch->partition_count = 0;
    fetch->topics = weir_arena_array(arena, asked->topics_count + 1, sizeof *fetch->topics);
    fetch->partitions =
        weir_arena_array(arena, count_partitions(asked) + 1, sizeof *fetch->partitions);
    if (weir_arena_failed(arena)) return false;
    for (size_t i = 0; i < asked->topics_count; i++) {
        add_asked(fetch, &asked->topics[i], &fetch->topics[i]);
    }
    row_of(fetch)->topics = fetch->topics;
    row_of(fetch)->topics_count = asked->topics_count;
    return true;
}

static void begin_asked(struct offset_fetch *fetch)
{
    const group_asked *asked = asked_of(fetch);
    struct weir_arena *arena = &fetch->context->arena;
    size_t count = asked->topics_count;
    bool is_by_id = fetch->context->version >= TOPIC_IDS_FROM;
    struct weir_slice *names = weir_arena_array(arena, count + 1, sizeof *names);
    struct weir_uuid *ids = weir_arena_array(arena, count + 1, sizeof *ids);
    if (weir_arena_failed(arena) || !make_rows(fetch)) {
        weir_outcome_reply(fetch->context, NULL);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        names[i] = is_by_id ? weir_null() : asked->topics[i].name;
        ids[i] = asked->topics[i].topic_id;
    }
    list_topics(fetch, names, ids, count, ask_partitions);
}

/* ---- all that a group has committed ---------------------------------------------------------- */

static int by_partition(const void *a, const void *b)
{
    const struct weir_topic_partition *left = &((const struct weir_offset_entry *)a)->partition;
    const struct weir_topic_partition *right = &((const struct weir_offset_entry *)b)->partition;
    int order = weir_slice_compare(left->topic, right->topic);
    if (order != 0) return order;
    return left->partition < right->partition ? -1 : left->partition > right->partition;
}

/* Behind the entry at `from`, those of the same topic end here. */
static size_t topic_end(const struct weir_committed_request *committed, size_t from)
{
    struct weir_slice topic = committed->entries[from].partition.topic;
    size_t to = from + 1;
    while (to < committed->entry_count &&
           weir_slice_equal(committed->entries[to].partition.topic, topic)) {
        to++;
    }
    return to;
}

/* Those of its offsets that are of the topic as it is now; false: there is none, or it is not to be seen. */
static bool add_topic(struct offset_fetch *fetch, const struct weir_topic_info *topic, size_t from,
                      size_t to, topic_row *row)
{
    partition_row *rows = weir_arena_array(&fetch->context->arena, to - from, sizeof *rows);
    if (rows == NULL || topic->rc != 0 || check_topic(fetch, topic) != 0) return false;
    size_t count = 0;
    for (size_t i = from; i < to; i++) {
        const struct weir_offset_entry *entry = &fetch->committed.entries[i];
        rows[count] = none_of(entry->partition.partition);
        take_offset(&rows[count], entry, topic);
        count += rows[count].committed_offset >= 0 || rows[count].error_code != 0;
    }
    *row = (topic_row){topic->name, topic->id, rows, count};
    return count > 0;
}

static void take_all(struct weir_request *request)
{
    struct offset_fetch *fetch = request->context;
    group_row *row = row_of(fetch);
    int16_t error_code = weir_group_error_of(request->rc);
    size_t from = 0;
    for (size_t t = 0; error_code == 0 && from < fetch->committed.entry_count; t++) {
        weir_assert(t < fetch->list.topic_count);
        size_t to = topic_end(&fetch->committed, from);
        bool is_added =
            add_topic(fetch, &fetch->list.topics[t], from, to, &fetch->topics[row->topics_count]);
        row->topics_count += is_added;
        from = to;
    }
    end_group(fetch, error_code);
}

/* In order of topics, which are looked up then. */
static void sort_all(struct weir_request *request)
{
    struct offset_fetch *fetch = request->context;
    struct weir_committed_request *committed = &fetch->committed;
    struct weir_arena *arena = &fetch->context->arena;
    if (request->rc < 0 || committed->entry_count == 0) {
        end_group(fetch, weir_group_error_of(request->rc));
        return;
    }
    qsort(committed->entries, committed->entry_count, sizeof *committed->entries, by_partition);
    struct weir_slice *names = weir_arena_array(arena, committed->entry_count, sizeof *names);
    fetch->topics = weir_arena_array(arena, committed->entry_count, sizeof *fetch->topics);
    if (weir_arena_failed(arena)) {
        weir_outcome_reply(fetch->context, NULL);
        return;
    }
    row_of(fetch)->topics = fetch->topics;
    size_t count = 0;
    for (size_t from = 0; from < committed->entry_count; from = topic_end(committed, from)) {
        names[count++] = committed->entries[from].partition.topic;
    }
    list_topics(fetch, names, NULL, count, take_all);
}

static void begin_all(struct offset_fetch *fetch)
{
    struct weir_request_context *context = fetch->context;
    fetch->committed = (struct weir_committed_request){
        .request = {.reply_to = context->actor, .done = sort_all, .context = fetch},
        .group = asked_of(fetch)->group_id,
        .arena = &context->arena,
        .member_id = asked_of(fetch)->member_id,
        .member_epoch = asked_of(fetch)->member_epoch,
        .require_stable = requires_stable(fetch),
    };
    weir_broker_committed(context->broker, &fetch->committed);
}

/* ---- groups ---------------------------------------------------------------------------------- */

static void next_group(struct offset_fetch *fetch)
{
    bool has_rows = fetch->context->version < GROUPS_FROM;
    for (; fetch->index < fetch->count; fetch->index++) {
        row_of(fetch)->group_id = asked_of(fetch)->group_id;
        int16_t refused =
            weir_group_check(fetch->context, WEIR_ACL_DESCRIBE, asked_of(fetch)->group_id);
        if (refused == 0) break;
        fetch->partition_count = 0;
        if (has_rows) (void)make_rows(fetch); /* the reply finds out that there is no memory */
        refuse_rows(fetch, refused);
    }
    if (fetch->index == fetch->count) {
        answer(fetch);
    } else if (asked_of(fetch)->topics == NULL) {
        begin_all(fetch);
    } else {
        begin_asked(fetch);
    }
}

/* The one group of the versions before, as one of many. */
static const group_asked *one_group(struct weir_arena *arena,
                                    const struct weir_wire_offset_fetch_request *request)
{
    group_asked *asked = weir_arena_alloc_zero(arena, sizeof *asked);
    topic_asked *topics = weir_arena_array(arena, request->topics_count + 1, sizeof *topics);
    if (weir_arena_failed(arena)) return NULL;
    *asked = (group_asked){.group_id = request->group_id, .member_epoch = -1};
    if (request->topics == NULL) return asked;
    for (size_t i = 0; i < request->topics_count; i++) {
        topics[i] =
            (topic_asked){.name = request->topics[i].name,
                          .partition_indexes = request->topics[i].partition_indexes,
                          .partition_indexes_count = request->topics[i].partition_indexes_count};
    }
    asked->topics = topics;
    asked->topics_count = request->topics_count;
    return asked;
}

void weir_handle_offset_fetch(struct weir_request_context *context)
{
    const struct weir_wire_offset_fetch_request *request = context->request;
    struct weir_arena *arena = &context->arena;
    bool is_one = context->version < GROUPS_FROM;
    struct offset_fetch *fetch = weir_arena_alloc_zero(arena, sizeof *fetch);
    size_t count = is_one ? 1 : request->groups_count;
    group_row *rows = weir_arena_alloc_zero(arena, (count + 1) * sizeof *rows);
    const group_asked *asked = is_one ? one_group(arena, request) : request->groups;
    if (weir_arena_failed(arena)) {
        weir_outcome_reply(context, NULL);
        return;
    }
    *fetch =
        (struct offset_fetch){.context = context, .asked = asked, .rows = rows, .count = count};
    next_group(fetch);
}
