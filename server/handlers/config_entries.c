#include "server/handlers/config_entries.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "broker/log/topic_defaults.h"

/* ---- requests -------------------------------------------------------------------------------- */

struct weir_outcome weir_broker_resource_check(struct weir_request_context *context,
                                               struct weir_slice name)
{
    char id[16];
    (void)snprintf(id, sizeof id, "%d", WEIR_NODE_ID);
    bool is_known = name.size == 0 || weir_slice_equal(name, weir_text(id));
    if (is_known) return (struct weir_outcome){0};
    return weir_outcome_refuse(
        context, WEIR_WIRE_INVALID_REQUEST,
        "there is no broker '%.*s'; this is broker %s, and '' stands for all", (int)name.size,
        (const char *)name.data, id);
}

struct weir_outcome weir_group_resource_check(struct weir_request_context *context,
                                              struct weir_slice name)
{
    if (name.size > 0) return (struct weir_outcome){0};
    return weir_outcome_refuse(context, WEIR_WIRE_INVALID_REQUEST,
                               "settings are of one group each, and '' is none; what holds for "
                               "all is given when the server starts");
}

static char *copy_text(struct weir_arena *arena, struct weir_slice text)
{
    char *copy = weir_arena_alloc(arena, text.size + 1);
    if (copy == NULL) return NULL;
    weir_copy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

static bool has_nul(struct weir_slice text)
{
    return text.size > 0 && memchr(text.data, '\0', text.size) != NULL;
}

bool weir_config_entry(struct weir_arena *arena, struct weir_slice key, struct weir_slice value,
                       enum weir_config_op op, struct weir_config_entry *entry_out)
{
    if (has_nul(key) || has_nul(value)) return false;
    *entry_out = (struct weir_config_entry){
        .key = copy_text(arena, key),
        .value = weir_slice_is_null(value) ? NULL : copy_text(arena, value),
        .op = op,
    };
    return true;
}

/* ---- the levels below a topic or a group ----------------------------------------------------- */

/* Of what has settings: how to go through them, and what the server's own behind one is called. */
struct kind {
    void (*each)(const void *config, weir_setting_fn each, void *context);
    enum weir_config_type (*type)(const char *key);
    const char *(*server_name)(const char *key);
    enum weir_config_source source; /* of its own */
};

static void each_of_topic(const void *config, weir_setting_fn each, void *context)
{
    weir_topic_config_each(config, each, context);
}

static void each_of_group(const void *config, weir_setting_fn each, void *context)
{
    weir_group_config_each(config, each, context);
}

static const struct kind topics = {each_of_topic, weir_topic_config_type, weir_topic_default_name,
                                   WEIR_CONFIG_OF_TOPIC};
static const struct kind groups = {each_of_group, weir_group_config_type,
                                   weir_group_config_server_name, WEIR_CONFIG_OF_GROUP};

/* The table's keys and texts are static; only values are copied. */
struct level_walk {
    struct weir_arena *arena;
    const struct kind *kind;
    struct weir_config_level *rows; /* NULL: count only */
    size_t count;
};

static void add_default(void *context, const char *key, const char *value, bool is_default,
                        const char *text)
{
    struct level_walk *walk = context;
    (void)is_default;
    if (walk->rows != NULL) {
        walk->rows[walk->count] = (struct weir_config_level){
            .name = weir_text(key),
            .text = weir_text(text),
            .type = walk->kind->type(key),
            .broker_name = weir_text(walk->kind->server_name(key)),
            .default_value = weir_arena_copy(walk->arena, weir_text(value)),
        };
    }
    walk->count++;
}

static void add_broker(void *context, const char *key, const char *value, bool is_default,
                       const char *text)
{
    struct level_walk *walk = context;
    (void)key;
    (void)text;
    struct weir_config_level *row = &walk->rows[walk->count++];
    if (!is_default) row->broker_value = weir_arena_copy(walk->arena, weir_text(value));
}

static struct weir_config_levels levels_of(struct weir_arena *arena, const struct kind *kind,
                                           const void *defaults, const void *server)
{
    struct level_walk walk = {.arena = arena, .kind = kind};
    kind->each(defaults, add_default, &walk);
    size_t count = walk.count;
    walk.rows = weir_arena_array(walk.arena, count, sizeof *walk.rows);
    if (walk.rows == NULL) return (struct weir_config_levels){0};

    walk.count = 0;
    kind->each(defaults, add_default, &walk);
    walk.count = 0;
    kind->each(server, add_broker, &walk);
    weir_assert(walk.count == count);
    return (struct weir_config_levels){walk.rows, count};
}

struct weir_config_levels weir_config_levels(struct weir_request_context *context)
{
    const struct weir_topic_config defaults = weir_topic_config_default();
    return levels_of(&context->arena, &topics, &defaults,
                     &weir_broker_options_of(context->broker)->topic_defaults);
}

struct weir_config_levels weir_group_config_levels(struct weir_request_context *context)
{
    const struct weir_group_settings defaults = weir_group_settings_default();
    return levels_of(&context->arena, &groups, &defaults.config,
                     &weir_broker_options_of(context->broker)->groups.config);
}

/* ---- values ---------------------------------------------------------------------------------- */

struct value_walk {
    struct weir_arena *arena;
    const struct kind *kind;
    const struct weir_config_levels *levels;
    const struct weir_config_entry *overrides;
    size_t override_count;
    struct weir_config_value *values;
    size_t count;
};

static const struct weir_config_entry *override_of(const struct value_walk *walk, const char *key)
{
    for (size_t i = 0; i < walk->override_count; i++) {
        if (strcmp(walk->overrides[i].key, key) == 0) return &walk->overrides[i];
    }
    return NULL;
}

static void add_value(void *context, const char *key, const char *value, bool is_default,
                      const char *text)
{
    struct value_walk *walk = context;
    (void)is_default;
    (void)text;
    const struct weir_config_level *level = &walk->levels->rows[walk->count];
    const struct weir_config_entry *own = override_of(walk, key);
    bool is_brokers = !weir_slice_is_null(level->broker_value);
    /* The topic's configuration does not carry its texts. */
    if (own != NULL && own->value != NULL && weir_topic_config_is_text(key)) value = own->value;
    walk->values[walk->count++] = (struct weir_config_value){
        .value = weir_arena_copy(walk->arena, weir_text(value)),
        .source = own != NULL  ? walk->kind->source
                  : is_brokers ? WEIR_CONFIG_OF_BROKER
                               : WEIR_CONFIG_OF_KAFKA,
    };
}

static const struct weir_config_value *values_of(struct value_walk *walk, const void *config)
{
    walk->values = weir_arena_array(walk->arena, walk->levels->count, sizeof *walk->values);
    if (weir_arena_failed(walk->arena)) return NULL;
    walk->kind->each(config, add_value, walk);
    weir_assert(walk->count == walk->levels->count);
    return walk->values;
}

const struct weir_config_value *weir_config_values(struct weir_request_context *context,
                                                   const struct weir_config_levels *levels,
                                                   const struct weir_topic_config *config,
                                                   const struct weir_config_entry *overrides,
                                                   size_t override_count)
{
    struct value_walk walk = {
        .arena = &context->arena,
        .kind = &topics,
        .levels = levels,
        .overrides = overrides,
        .override_count = override_count,
    };
    return values_of(&walk, config);
}

const struct weir_config_value *weir_group_config_values(struct weir_request_context *context,
                                                         const struct weir_config_levels *levels,
                                                         struct weir_slice group)
{
    struct value_walk walk = {.arena = &context->arena, .kind = &groups, .levels = levels};
    struct weir_group_config config;
    walk.overrides = weir_broker_group_overrides(context->broker, context->actor, group,
                                                 &context->arena, &walk.override_count, &config);
    return values_of(&walk, &config);
}
