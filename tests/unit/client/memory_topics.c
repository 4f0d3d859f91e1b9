/** How the log in memory answers, and its topics. */
#include "tests/unit/client/memory_log_internal.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/error.h"
#include "base/uuid.h"
#include "broker/log/topic_config.h"

/* ---- answers --------------------------------------------------------------------------------- */

static void deliver(struct weir_message *message)
{
    struct weir_request *request = (struct weir_request *)message;
    request->done(request);
}

void memory_reply(struct memory_log *memory, enum memory_kind kind, struct weir_request *request,
                  int rc)
{
    memory->answered[kind]++;
    request->rc = rc;
    request->error = (struct weir_error){0};
    if (rc < 0) weir_error_set(&request->error, (enum weir_code)rc, "%s", weir_code_text(rc));
    if (request->reply_to == NULL) {
        request->done(request);
        return;
    }
    request->message.handle = deliver;
    weir_actor_post(request->reply_to, &request->message);
}

int memory_fault_of(struct memory_log *memory, enum memory_kind kind)
{
    struct memory_log_faults *faults = &memory->faults;
    if (faults->left[kind] == 0) return 0;
    if (faults->skipped[kind] > 0) {
        faults->skipped[kind]--;
        return 0;
    }
    faults->left[kind]--;
    return faults->rc[kind];
}

/* ---- topics and partitions ------------------------------------------------------------------- */

struct memory_topic *memory_find_topic(struct memory_log *memory, struct weir_slice name)
{
    for (size_t i = 0; i < MEMORY_TOPICS_MAX; i++) {
        struct memory_topic *topic = &memory->topics[i];
        if (!weir_uuid_is_zero(topic->id) && weir_slice_equal(weir_text(topic->name), name)) {
            return topic;
        }
    }
    return NULL;
}

int memory_find_partition(struct memory_log *memory, const struct weir_request *request,
                          struct weir_topic_partition of, struct memory_partition **partition_out)
{
    struct memory_topic *topic = memory_find_topic(memory, of.topic);
    if (topic == NULL || of.partition >= topic->partition_count) {
        return WEIR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    bool is_other =
        !weir_uuid_is_zero(request->topic_id) && !weir_uuid_equal(request->topic_id, topic->id);
    if (is_other) return WEIR_UNKNOWN_TOPIC_ID;
    *partition_out = &topic->partitions[of.partition];
    return 0;
}

void memory_drop_first(struct memory_partition *partition)
{
    struct memory_stored *stored = partition->first;
    partition->first = stored->next;
    if (partition->first == NULL) partition->last = &partition->first;
    weir_shared_unref(stored->part.bytes);
    free(stored);
}

void memory_clear_topic(struct memory_topic *topic)
{
    for (size_t i = 0; i < MEMORY_PARTITIONS_MAX; i++) {
        while (topic->partitions[i].first != NULL) {
            memory_drop_first(&topic->partitions[i]);
        }
    }
    *topic = (struct memory_topic){.name = ""};
}

/* Who waits for its records is told that it is gone. */
static void delete_topic(struct memory_log *memory, struct memory_topic *topic)
{
    struct weir_fetch_request *waiting[MEMORY_PARTITIONS_MAX];
    for (size_t i = 0; i < MEMORY_PARTITIONS_MAX; i++) {
        waiting[i] = topic->partitions[i].waiting;
    }
    memory_clear_topic(topic);
    for (size_t i = 0; i < MEMORY_PARTITIONS_MAX; i++) {
        memory_wake(memory, &waiting[i]);
    }
}

static int create(struct memory_log *memory, const struct weir_topic_request *request)
{
    if (memory_find_topic(memory, request->topic) != NULL) return WEIR_EXISTS;
    size_t at = 0;
    while (at < MEMORY_TOPICS_MAX && !weir_uuid_is_zero(memory->topics[at].id)) {
        at++;
    }
    ck_assert_uint_lt(at, MEMORY_TOPICS_MAX);
    struct memory_topic *topic = &memory->topics[at];
    *topic = (struct memory_topic){.config = memory->defaults.config,
                                   .partition_count = memory->defaults.partition_count,
                                   .id = {.bytes = {(uint8_t)++memory->made, 1}}};
    memcpy(topic->name, request->topic.data, request->topic.size);
    if (request->partition_count > 0) topic->partition_count = request->partition_count;
    ck_assert_int_le(topic->partition_count, MEMORY_PARTITIONS_MAX);
    for (size_t i = 0; i < request->config_count; i++) {
        const struct weir_config_entry *config = &request->configs[i];
        if (weir_topic_config_is_text(config->key)) continue;
        ck_assert_int_eq(weir_topic_config_set(&topic->config, config->key, config->value, NULL),
                         0);
    }
    for (size_t i = 0; i < MEMORY_PARTITIONS_MAX; i++) {
        topic->partitions[i].last = &topic->partitions[i].first;
    }
    return 0;
}

static int administer(struct memory_log *memory, struct weir_topic_request *request)
{
    if (request->operation == WEIR_TOPIC_CREATE) return create(memory, request);
    struct memory_topic *topic = memory_find_topic(memory, request->topic);
    if (topic == NULL) return WEIR_UNKNOWN_TOPIC_OR_PARTITION;
    if (request->operation == WEIR_TOPIC_DELETE) delete_topic(memory, topic);
    return 0;
}

void memory_handle_topic(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_topic_request *request = (struct weir_topic_request *)asked;
    int rc = memory_fault_of(memory, MEMORY_TOPIC);
    if (rc == 0) rc = administer(memory, request);
    const struct memory_topic *topic = memory_find_topic(memory, request->topic);
    if (rc == 0 && topic != NULL) {
        request->topic_id = topic->id;
        request->partition_count = topic->partition_count;
        request->config = topic->config;
    }
    memory_reply(memory, MEMORY_TOPIC, asked, rc);
}

static void show_topic(struct memory_log *memory, struct weir_uuid id, struct weir_topic_info *info)
{
    *info = (struct weir_topic_info){.rc = WEIR_UNKNOWN_TOPIC_ID, .id = id};
    for (size_t i = 0; i < MEMORY_TOPICS_MAX; i++) {
        const struct memory_topic *topic = &memory->topics[i];
        if (weir_uuid_is_zero(id) || !weir_uuid_equal(topic->id, id)) continue;
        info->rc = 0;
        info->name = weir_text(topic->name);
        info->partition_count = topic->partition_count;
    }
}

/* By ids, as members ask. */
void memory_handle_list_topics(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_list_topics_request *request = (struct weir_list_topics_request *)asked;
    int rc = request->is_selection && request->names == NULL ? 0 : WEIR_UNSUPPORTED;
    if (rc == 0) {
        request->topics =
            weir_arena_array(request->arena, request->asked_count + 1, sizeof *request->topics);
        if (request->topics == NULL) rc = WEIR_NO_MEMORY;
    }
    for (size_t i = 0; rc == 0 && i < request->asked_count; i++) {
        show_topic(memory, request->ids[i], &request->topics[i]);
    }
    request->topic_count = request->asked_count;
    memory_reply(memory, MEMORY_TOPIC, asked, rc);
}
