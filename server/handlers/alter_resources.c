#include "server/handlers/alter_resources.h"

struct weir_alter_resources *weir_alter_resources_new(struct weir_request_context *context,
                                                      size_t count)
{
    struct weir_arena *arena = &context->arena;
    struct weir_alter_resources *alter = weir_arena_alloc_zero(arena, sizeof *alter);
    struct weir_altered_resource *resources =
        weir_arena_array(arena, count, sizeof *resources); /* checks the product */
    if (weir_arena_failed(arena)) return NULL;
    memset(resources, 0, count * sizeof *resources);
    alter->fan_out.context = context;
    alter->resources = resources;
    alter->count = count;
    return alter;
}

void weir_alter_resource_add(struct weir_request_context *context,
                             struct weir_altered_resource *resource, struct weir_slice key,
                             struct weir_slice value, enum weir_config_op op)
{
    struct weir_config_entry *entry = &resource->entries[resource->entry_count];
    if (weir_config_entry(&context->arena, key, value, op, entry)) {
        resource->entry_count++;
    } else if (resource->outcome.error_code == 0) {
        resource->outcome = weir_outcome_refuse(context, WEIR_WIRE_INVALID_CONFIG,
                                                "a setting has a NUL character in it");
    }
}

/* ---- checks ---------------------------------------------------------------------------------- */

/* Twice the same setting would leave it to chance which one holds. */
static struct weir_outcome check_keys(struct weir_request_context *context,
                                      const struct weir_altered_resource *resource)
{
    size_t count = resource->entry_count;
    struct weir_subject *keys = weir_arena_array(&context->arena, count, sizeof *keys);
    for (size_t i = 0; keys != NULL && i < count; i++) {
        keys[i] = (struct weir_subject){.name = weir_text(resource->entries[i].key)};
    }
    if (weir_arena_failed(&context->arena)) return (struct weir_outcome){0};
    const enum weir_occurrence *occurrences =
        weir_subject_occurrences(&context->arena, keys, count);
    for (size_t i = 0; occurrences != NULL && i < count; i++) {
        if (occurrences[i] == WEIR_OCCURS_ONCE) continue;
        return weir_outcome_refuse(context, WEIR_WIRE_INVALID_REQUEST,
                                   "setting '%s' is named twice", resource->entries[i].key);
    }
    return (struct weir_outcome){0};
}

static struct weir_outcome check_broker(struct weir_request_context *context,
                                        const struct weir_altered_resource *resource)
{
    if (!weir_authorize(context, WEIR_ACL_ALTER_CONFIGS, WEIR_ACL_CLUSTER, weir_null())) {
        return weir_outcome_refuse(context, WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED,
                                   "not allowed to alter the server's settings");
    }
    struct weir_outcome outcome = weir_broker_resource_check(context, resource->name);
    if (outcome.error_code != 0) return outcome;
    return weir_outcome_refuse(context, WEIR_WIRE_INVALID_REQUEST,
                               "the server's settings are given when it starts; they do not change "
                               "while it runs");
}

static struct weir_outcome check_group(struct weir_request_context *context,
                                       const struct weir_altered_resource *resource)
{
    if (!weir_authorize(context, WEIR_ACL_ALTER_CONFIGS, WEIR_ACL_GROUP, resource->name)) {
        return weir_outcome_refuse(context, WEIR_WIRE_GROUP_AUTHORIZATION_FAILED,
                                   "not allowed to alter this group's settings");
    }
    struct weir_outcome outcome = weir_group_resource_check(context, resource->name);
    return outcome.error_code != 0 ? outcome : check_keys(context, resource);
}

static struct weir_outcome check(struct weir_request_context *context,
                                 const struct weir_altered_resource *resource)
{
    if (resource->type == WEIR_RESOURCE_TYPE_BROKER) return check_broker(context, resource);
    if (resource->type == WEIR_RESOURCE_TYPE_GROUP) return check_group(context, resource);
    if (resource->type != WEIR_RESOURCE_TYPE_TOPIC) {
        return weir_outcome_refuse(context, WEIR_WIRE_INVALID_REQUEST,
                                   "resource type %d has no settings here; topics (%d) and groups "
                                   "(%d) have",
                                   resource->type, WEIR_RESOURCE_TYPE_TOPIC,
                                   WEIR_RESOURCE_TYPE_GROUP);
    }
    if (!weir_authorize(context, WEIR_ACL_ALTER_CONFIGS, WEIR_ACL_TOPIC, resource->name)) {
        return weir_outcome_refuse(context, WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED,
                                   "not allowed to alter this topic's settings");
    }
    return check_keys(context, resource);
}

static void check_all(struct weir_alter_resources *alter)
{
    struct weir_request_context *context = alter->fan_out.context;
    struct weir_subject *subjects =
        weir_arena_array(&context->arena, alter->count, sizeof *subjects);
    for (size_t i = 0; subjects != NULL && i < alter->count; i++) {
        subjects[i] = (struct weir_subject){
            .kind = alter->resources[i].type,
            .name = alter->resources[i].name,
        };
    }
    if (weir_arena_failed(&context->arena)) return;
    const enum weir_occurrence *occurrences =
        weir_subject_occurrences(&context->arena, subjects, alter->count);
    for (size_t i = 0; occurrences != NULL && i < alter->count; i++) {
        struct weir_altered_resource *resource = &alter->resources[i];
        if (resource->outcome.error_code != 0) continue;
        if (alter->count > WEIR_SUBJECTS_MAX) {
            resource->outcome = weir_outcome_too_many(context, "resources");
        } else if (occurrences[i] != WEIR_OCCURS_ONCE) {
            resource->outcome = weir_outcome_refuse(context, WEIR_WIRE_INVALID_REQUEST,
                                                    "each resource must be named once");
        } else {
            resource->outcome = check(context, resource);
        }
    }
}

/* ---- topics, groups -------------------------------------------------------------------------- */

union asked {
    struct weir_topic_request topic;
    struct weir_group_config_request group;
};

static void ask_topic(const struct weir_alter_resources *alter,
                      const struct weir_altered_resource *resource,
                      struct weir_topic_request *topic)
{
    topic->operation = WEIR_TOPIC_ALTER_CONFIG;
    topic->topic = resource->name;
    topic->configs = resource->entries;
    topic->config_count = resource->entry_count;
    topic->replaces_all = alter->replaces_all;
    topic->validate_only = alter->validate_only;
    weir_broker_topic(alter->fan_out.context->broker, topic);
}

static void ask_group(const struct weir_alter_resources *alter,
                      const struct weir_altered_resource *resource,
                      struct weir_group_config_request *group)
{
    group->group = resource->name;
    group->configs = resource->entries;
    group->config_count = resource->entry_count;
    group->replaces_all = alter->replaces_all;
    group->validate_only = alter->validate_only;
    weir_broker_group_config(alter->fan_out.context->broker, group);
}

static bool ask(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct weir_alter_resources *alter = (struct weir_alter_resources *)fan_out;
    const struct weir_altered_resource *resource = &alter->resources[index];
    if (resource->outcome.error_code != 0) return false;
    if (resource->type == WEIR_RESOURCE_TYPE_GROUP) {
        ask_group(alter, resource, (struct weir_group_config_request *)request);
    } else {
        ask_topic(alter, resource, (struct weir_topic_request *)request);
    }
    return true;
}

static void take(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct weir_alter_resources *alter = (struct weir_alter_resources *)fan_out;
    alter->resources[index].outcome = weir_outcome_of(fan_out->context, request);
}

static void all_back(struct weir_fan_out *fan_out)
{
    struct weir_alter_resources *alter = (struct weir_alter_resources *)fan_out;
    alter->done(alter);
}

void weir_alter_resources_begin(struct weir_alter_resources *alter)
{
    check_all(alter);
    alter->fan_out.count = alter->count;
    alter->fan_out.request_size = sizeof(union asked);
    alter->fan_out.ask = ask;
    alter->fan_out.take = take;
    alter->fan_out.done = all_back;
    weir_fan_out_begin(&alter->fan_out);
}
