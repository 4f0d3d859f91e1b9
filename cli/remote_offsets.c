/** The offsets that a server's groups have committed. */
#include "cli/no_memory.h"
#include "cli/place_remote.h"

#include <string.h>

#include "base/uuid.h"
#include "wire/error_codes.h"
#include "wire/generated/offset_commit_request.h"
#include "wire/generated/offset_commit_response.h"
#include "wire/generated/offset_delete_request.h"
#include "wire/generated/offset_delete_response.h"
#include "wire/generated/offset_fetch_request.h"
#include "wire/generated/offset_fetch_response.h"

/* From version 10 on topics go by id. All that a group has committed is asked for by no topic at all, and is wanted by
 * name. */
enum { COMMIT_BY_NAME_MAX = 9, FETCH_BY_NAME_MAX = 9, FETCH_GROUPS_FROM = 8 };

/* ---- committed offsets ----------------------------------------------------------------------- */

static int
keep_fetched(struct weir_arena *arena,
             const struct weir_wire_offset_fetch_response_offset_fetch_response_group *group,
             struct place_offsets *offsets, struct weir_error *error)
{
    size_t total = 0;
    for (size_t t = 0; t < group->topics_count; t++) {
        total += group->topics[t].partitions_count;
    }
    offsets->rows = weir_arena_array(arena, total + 1, sizeof *offsets->rows);
    if (offsets->rows == NULL) return cli_no_memory(error);
    for (size_t t = 0; t < group->topics_count; t++) {
        const char *topic = place_keep_text(arena, group->topics[t].name);
        for (size_t i = 0; i < group->topics[t].partitions_count; i++) {
            const struct weir_wire_offset_fetch_response_offset_fetch_response_partitions *from =
                &group->topics[t].partitions[i];
            int rc = remote_refusal(from->error_code, weir_null(), error);
            if (rc < 0) return rc;
            if (from->committed_offset < 0) continue;
            offsets->rows[offsets->count++] = (struct place_offset){
                .topic = topic,
                .partition = from->partition_index,
                .offset = from->committed_offset,
                .leader_epoch = from->committed_leader_epoch,
                .metadata = place_keep_text(arena, from->metadata),
            };
        }
    }
    return weir_arena_failed(arena) ? cli_no_memory(error) : 0;
}

static int16_t fetch_number(const void *of_response)
{
    const struct weir_wire_offset_fetch_response *response = of_response;
    return response->groups_count == 1 ? response->groups[0].error_code : 0;
}

static int ask_offsets(struct remote *remote, const char *name,
                       const struct weir_wire_offset_fetch_response **response_out,
                       struct weir_error *error)
{
    struct weir_wire_offset_fetch_request_offset_fetch_request_group asked = {
        .group_id = weir_text(name),
        .member_epoch = -1, /* nobody's; the topics are null: all of them */
    };
    struct weir_wire_offset_fetch_request request;
    weir_wire_offset_fetch_request_init(&request);
    request.groups = &asked;
    request.groups_count = 1;
    struct remote_group_question question = {
        .asked = {.request_type = &weir_wire_offset_fetch_request_type,
                  .response_type = &weir_wire_offset_fetch_response_type,
                  .request = &request,
                  .version_max = FETCH_BY_NAME_MAX},
        .number_of = fetch_number,
    };
    int16_t version = -1;
    int rc = remote_coordinator_version(remote, name, &weir_wire_offset_fetch_request_type,
                                        &version, error);
    if (rc == 0 && version < FETCH_GROUPS_FROM) {
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "%s is older than OffsetFetch version %d (Kafka 3.0)",
                              remote->place.what, FETCH_GROUPS_FROM);
    }
    const void *answer = NULL;
    int16_t number = 0;
    if (rc == 0) rc = remote_ask_group(remote, name, &question, &answer, &number, error);
    if (rc == 0) rc = remote_refusal(number, weir_null(), error);
    if (rc < 0) return rc;
    *response_out = answer;
    return (*response_out)->groups_count == 1 ? 0 : remote_no_answer(error);
}

int remote_group_offsets(struct place *place, struct weir_arena *arena, const char *name,
                         struct place_offsets *offsets_out, struct weir_error *error)
{
    const struct weir_wire_offset_fetch_response *response = NULL;
    struct place_offsets offsets = {0};
    int rc = ask_offsets(remote_of(place), name, &response, error);
    if (rc == 0) rc = keep_fetched(arena, &response->groups[0], &offsets, error);
    if (rc < 0) return weir_error_wrap(error, rc, "offsets of group '%s'", name);
    *offsets_out = offsets;
    return 0;
}

/* ---- commit ---------------------------------------------------------------------------------- */

typedef struct weir_wire_offset_commit_request_offset_commit_request_topic commit_topic;
typedef struct weir_wire_offset_commit_request_offset_commit_request_partition commit_partition;
typedef struct weir_wire_offset_commit_response_offset_commit_response_topic committed_topic;

/* What is asked: a topic a row of the offsets. The same one may come again, which the protocol has nothing against. */
struct commit {
    const struct place_membership *as;
    commit_topic *topics;
    commit_partition *partitions;
    size_t count;
    int16_t version_max; /* 0: by id, which all topics have */
};

/* An answer by id has no names. */
static struct weir_slice answered_name(const struct commit *commit, const committed_topic *topic)
{
    for (size_t i = 0; topic->name.size == 0 && i < commit->count; i++) {
        if (weir_uuid_equal(commit->topics[i].topic_id, topic->topic_id))
            return commit->topics[i].name;
    }
    return topic->name;
}

static int read_committed(const struct commit *commit,
                          const struct weir_wire_offset_commit_response *response,
                          struct weir_error *error)
{
    for (size_t t = 0; t < response->topics_count; t++) {
        const committed_topic *topic = &response->topics[t];
        struct weir_slice name = answered_name(commit, topic);
        for (size_t i = 0; i < topic->partitions_count; i++) {
            int rc = remote_refusal(topic->partitions[i].error_code, weir_null(), error);
            if (rc < 0) {
                return weir_error_wrap(error, rc, "'%.*s' partition %d", (int)name.size,
                                       (const char *)name.data,
                                       (int)topic->partitions[i].partition_index);
            }
        }
    }
    return 0;
}

static int16_t commit_number(const void *of_response)
{
    const struct weir_wire_offset_commit_response *response = of_response;
    if (response->topics_count == 0 || response->topics[0].partitions_count == 0) return 0;
    return response->topics[0].partitions[0].error_code;
}

static int ask_commit(struct remote *remote, const struct commit *commit, struct weir_error *error)
{
    const struct place_membership *as = commit->as;
    struct weir_wire_offset_commit_request request;
    weir_wire_offset_commit_request_init(&request);
    request.group_id = weir_text(as->group);
    request.generation_id_or_member_epoch = as->epoch;
    request.member_id = weir_text(as->member_id != NULL ? as->member_id : "");
    if (as->instance_id != NULL) request.group_instance_id = weir_text(as->instance_id);
    request.topics = commit->topics;
    request.topics_count = commit->count;
    struct remote_group_question question = {
        .asked = {.request_type = &weir_wire_offset_commit_request_type,
                  .response_type = &weir_wire_offset_commit_response_type,
                  .request = &request,
                  .version_max = commit->version_max},
        .number_of = commit_number,
    };
    const void *answer = NULL;
    int16_t number = 0;
    int rc = remote_ask_group(remote, as->group, &question, &answer, &number, error);
    return rc < 0 ? rc : read_committed(commit, answer, error);
}

/* By id a commit cannot fall into another topic that has the name by now. Where the caller has none it is the one of
 * today; where the server has none, it goes by name. */
static int find_ids(struct remote *remote, struct weir_arena *arena,
                    const struct place_offsets *offsets, struct commit *commit,
                    struct weir_error *error)
{
    int16_t version = -1;
    int rc = remote_coordinator_version(remote, commit->as->group,
                                        &weir_wire_offset_commit_request_type, &version, error);
    commit->version_max = version > COMMIT_BY_NAME_MAX ? 0 : COMMIT_BY_NAME_MAX;
    for (size_t i = 0; rc == 0 && commit->version_max == 0 && i < offsets->count; i++) {
        const struct place_offset *row = &offsets->rows[i];
        struct place_topic topic = {.id = row->topic_id};
        bool is_last = i > 0 && strcmp(row->topic, offsets->rows[i - 1].topic) == 0;
        if (is_last && weir_uuid_is_zero(row->topic_id)) topic.id = commit->topics[i - 1].topic_id;
        if (weir_uuid_is_zero(topic.id)) {
            rc = remote_describe(&remote->place, arena, row->topic, false, &topic, error);
        }
        commit->topics[i].topic_id = topic.id;
        if (rc == 0 && weir_uuid_is_zero(topic.id)) commit->version_max = COMMIT_BY_NAME_MAX;
    }
    return rc;
}

int remote_group_commit(struct place *place, const struct place_membership *as,
                        const struct place_offsets *offsets, struct weir_error *error)
{
    struct remote *remote = remote_of(place);
    struct weir_arena arena;
    weir_arena_init(&arena, weir_remote_session_budget(remote->session), 0);
    struct commit commit = {
        .as = as,
        .topics = weir_arena_array(&arena, offsets->count + 1, sizeof *commit.topics),
        .partitions = weir_arena_array(&arena, offsets->count + 1, sizeof *commit.partitions),
        .count = offsets->count,
    };
    int rc = weir_arena_failed(&arena) ? cli_no_memory(error) : 0;
    for (size_t i = 0; rc == 0 && i < offsets->count; i++) {
        const struct place_offset *row = &offsets->rows[i];
        commit.partitions[i] = (commit_partition){
            .partition_index = row->partition,
            .committed_offset = row->offset,
            .committed_leader_epoch = row->leader_epoch,
            .committed_metadata = weir_text(row->metadata != NULL ? row->metadata : ""),
        };
        commit.topics[i] = (commit_topic){
            .name = weir_text(row->topic),
            .partitions = &commit.partitions[i],
            .partitions_count = 1,
        };
    }
    if (rc == 0) rc = find_ids(remote, &arena, offsets, &commit, error);
    if (rc == 0) rc = ask_commit(remote, &commit, error);
    weir_arena_close(&arena);
    return weir_error_wrap(error, rc, "commit offsets of group '%s'", as->group);
}

/* ---- delete ---------------------------------------------------------------------------------- */

static int16_t delete_offsets_number(const void *of_response)
{
    return ((const struct weir_wire_offset_delete_response *)of_response)->error_code;
}

static int read_deleted(const struct weir_wire_offset_delete_response *response,
                        struct weir_error *error)
{
    for (size_t t = 0; t < response->topics_count; t++) {
        for (size_t i = 0; i < response->topics[t].partitions_count; i++) {
            int rc =
                remote_refusal(response->topics[t].partitions[i].error_code, weir_null(), error);
            if (rc < 0) {
                return weir_error_wrap(error, rc, "partition %d",
                                       (int)response->topics[t].partitions[i].partition_index);
            }
        }
    }
    return 0;
}

static int
ask_delete_offsets(struct remote *remote, const char *name,
                   const struct weir_wire_offset_delete_request_offset_delete_request_topic *topic,
                   struct weir_error *error)
{
    struct weir_wire_offset_delete_request request;
    weir_wire_offset_delete_request_init(&request);
    request.group_id = weir_text(name);
    request.topics = topic;
    request.topics_count = 1;
    struct remote_group_question question = {
        .asked = {.request_type = &weir_wire_offset_delete_request_type,
                  .response_type = &weir_wire_offset_delete_response_type,
                  .request = &request},
        .number_of = delete_offsets_number,
    };
    const void *answer = NULL;
    int16_t number = 0;
    int rc = remote_ask_group(remote, name, &question, &answer, &number, error);
    if (rc == 0) rc = remote_refusal(number, weir_null(), error);
    return rc < 0 ? rc : read_deleted(answer, error);
}

int remote_group_remove_offsets(struct place *place, const char *name,
                                const struct place_partitions *of, struct weir_error *error)
{
    struct remote *remote = remote_of(place);
    struct weir_wire_offset_delete_request_offset_delete_request_partition *partitions = weir_alloc(
        weir_remote_session_budget(remote->session), of->partition_count * sizeof *partitions + 1);
    if (partitions == NULL) return cli_no_memory(error);
    for (size_t i = 0; i < of->partition_count; i++) {
        partitions[i].partition_index = of->partitions[i];
    }
    struct weir_wire_offset_delete_request_offset_delete_request_topic topic = {
        .name = weir_text(of->topic),
        .partitions = partitions,
        .partitions_count = of->partition_count,
    };
    int rc = ask_delete_offsets(remote, name, &topic, error);
    weir_free(partitions);
    return weir_error_wrap(error, rc, "delete offsets of group '%s' in topic '%s'", name,
                           of->topic);
}
