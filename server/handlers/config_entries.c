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

/* ---- the levels below a topic ---------------------------------------------------------------- */

/* The table's keys and texts are static; only values are copied. */
struct level_walk {
    struct weir_arena *arena;
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
            .type = weir_topic_config_type(key),
            .broker_name = weir_text(weir_topic_default_name(key)),
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

struct weir_config_levels weir_config_levels(struct weir_request_context *context)
{
    const struct weir_topic_config defaults = weir_topic_config_default();
    struct level_walk walk = {.arena = &context->arena};
    weir_topic_config_each(&defaults, add_default, &walk);
    size_t count = walk.count;
    walk.rows = weir_arena_array(walk.arena, count, sizeof *walk.rows);
    if (walk.rows == NULL) return (struct weir_config_levels){0};

    walk.count = 0;
    weir_topic_config_each(&defaults, add_default, &walk);
    walk.count = 0;
    weir_topic_config_each(&weir_broker_options_of(context->broker)->topic_defaults, add_broker,
                           &walk);
    weir_assert(walk.count == count);
    return (struct weir_config_levels){walk.rows, count};
}

/* ---- a topic's values ------------------------------------------------------------------------ */

struct value_walk {
    struct weir_arena *arena;
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
        .source = own != NULL  ? WEIR_CONFIG_OF_TOPIC
                  : is_brokers ? WEIR_CONFIG_OF_BROKER
                               : WEIR_CONFIG_OF_KAFKA,
    };
}

const struct weir_config_value *weir_config_values(struct weir_request_context *context,
                                                   const struct weir_config_levels *levels,
                                                   const struct weir_topic_config *config,
                                                   const struct weir_config_entry *overrides,
                                                   size_t override_count)
{
    struct value_walk walk = {
        .arena = &context->arena,
        .levels = levels,
        .overrides = overrides,
        .override_count = override_count,
        .values = weir_arena_array(&context->arena, levels->count, sizeof *walk.values),
    };
    if (weir_arena_failed(walk.arena)) return NULL;
    weir_topic_config_each(config, add_value, &walk);
    weir_assert(walk.count == levels->count);
    return walk.values;
}
