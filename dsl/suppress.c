/* A table's updates, held back. */
#include "base/assert.h"
#include "base/options.h"
#include "dsl/logical.h"
#include "runtime/state/key_schema.h"

/* The version of the buffer's rows in its changelog. */
static const struct weir_header version_header = {
    .key = {(const uint8_t *)"v", 1},
    .value = {(const uint8_t *)"\3", 1},
};

static int check_bounds(struct weir_builder *builder, const char *call,
                        const struct weir_suppress_options *options)
{
    if (options->records_max < 0 || options->bytes_max < 0) {
        return weir_builder_fail(builder, call,
                                 "records_max is %lld and bytes_max %lld: 0 for no bound, or more",
                                 (long long)options->records_max, (long long)options->bytes_max);
    }
    if (options->time_limit_ms < 0) {
        return weir_builder_fail(builder, call, "the time limit is %lld ms: at least 0",
                                 (long long)options->time_limit_ms);
    }
    if (options->full < WEIR_SUPPRESS_FULL_DEFAULT || options->full > WEIR_SUPPRESS_FULL_STOP) {
        return weir_builder_fail(builder, call, "full is %d: one of the WEIR_SUPPRESS_FULL_ values",
                                 (int)options->full);
    }
    return 0;
}

static int check_final(struct weir_builder *builder, const char *call,
                       const struct weir_table *table, const struct weir_suppress_options *options)
{
    if (table->window.kind == WEIR_WINDOW_NONE || table->window.kind == WEIR_WINDOW_UNLIMITED) {
        return weir_builder_fail(builder, call,
                                 "the table has no windows that close: suppress it until a time "
                                 "limit, WEIR_SUPPRESS_UNTIL_TIME_LIMIT");
    }
    if (options->full == WEIR_SUPPRESS_FULL_EMIT_EARLY) {
        return weir_builder_fail(builder, call,
                                 "a window that is emitted early is not its last result: have a "
                                 "full buffer stop, or leave it without a bound");
    }
    if (options->time_limit_ms != 0) {
        return weir_builder_fail(
            builder, call,
            "time_limit_ms is %lld, but windows are waited for: leave it 0, or "
            "say WEIR_SUPPRESS_UNTIL_TIME_LIMIT",
            (long long)options->time_limit_ms);
    }
    return 0;
}

static int read_options(struct weir_builder *builder, const struct weir_table *table,
                        const struct weir_suppress_options *from, struct weir_suppress_options *to)
{
    static const char call[] = "weir_suppress";
    struct weir_error why = {0};
    int rc = weir_options_take(to, sizeof *to, from, "WEIR_SUPPRESS_OPTIONS_INIT", &why);
    if (rc < 0) return weir_builder_fail(builder, call, "the %s", why.text);
    if (to->until != WEIR_SUPPRESS_UNTIL_WINDOW_CLOSES &&
        to->until != WEIR_SUPPRESS_UNTIL_TIME_LIMIT) {
        return weir_builder_fail(
            builder, call, "until is %d: one of the WEIR_SUPPRESS_UNTIL_ values", (int)to->until);
    }
    const struct weir_store_spec *spec =
        table->is_suppressed ? NULL : &builder->stores[table->store]->spec;
    if (spec != NULL && spec->schema == &weir_key_schema_versioned) {
        return weir_builder_fail(builder, call,
                                 "the table is versioned, and its updates come in any order of "
                                 "time: suppress one that is not");
    }
    rc = check_bounds(builder, call, to);
    if (rc == 0 && to->name != NULL) rc = weir_name_check(builder, call, "node", to->name);
    if (rc == 0 && to->until == WEIR_SUPPRESS_UNTIL_WINDOW_CLOSES) {
        rc = check_final(builder, call, table, to);
    }
    return rc;
}

static struct weir_suppress_config config_of(const struct weir_table *table,
                                             const struct weir_suppress_options *options)
{
    const bool is_final = options->until == WEIR_SUPPRESS_UNTIL_WINDOW_CLOSES;
    struct weir_suppress_config config = {
        .is_final = is_final,
        .delay_ms = options->time_limit_ms,
        .records_max = options->records_max,
        .bytes_max = options->bytes_max,
        .stops_when_full = is_final || options->full == WEIR_SUPPRESS_FULL_STOP,
        .comes_by_flush =
            !table->is_suppressed && table->builder->stores[table->store]->spec.is_cached,
    };
    if (is_final) config.delay_ms = table->window.gap_ms + table->window.grace_ms;
    return config;
}

static int32_t add_buffer(struct weir_builder *builder, const struct weir_table *table,
                          const struct weir_suppress_options *options, const char *name)
{
    if (weir_builder_find_store(builder, name) >= 0) {
        return weir_builder_fail(builder, "weir_suppress",
                                 "there is a store named '%s' already: each has a name of its own",
                                 name);
    }
    const struct weir_logical_store store = {
        .name = name,
        .spec =
            {
                .is_logged = !options->is_logging_disabled,
                .log_headers = &version_header,
                .log_header_count = 1,
            },
        .key_serde = table->key_serde,
        .table_node = -1,
    };
    return weir_builder_add_store(builder, &store);
}

/* A node and a store, named by the user or by number, in that order. */
static struct weir_table *suppress(struct weir_table *table,
                                   const struct weir_suppress_options *options)
{
    struct weir_builder *builder = table->builder;
    struct weir_table *made = weir_table_dead(builder);
    const char *name = options->name;
    const char *store_name = NULL;
    if (name != NULL) {
        name = weir_arena_printf(&builder->arena, "%s", name);
        store_name = weir_arena_printf(&builder->arena, "%s-store", options->name);
    } else {
        name = weir_builder_name(builder, "KTABLE-SUPPRESS-");
        store_name = weir_builder_name(builder, "KTABLE-SUPPRESS-STATE-STORE-");
    }
    if (made == NULL || name == NULL || store_name == NULL) return made;
    int32_t store = add_buffer(builder, table, options, store_name);
    if (store < 0) return made;
    const struct weir_suppress_config config = config_of(table, options);
    struct weir_logical_node *node = weir_builder_add(
        builder, WEIR_LOGICAL_PLAIN, name, &weir_suppress_ops, &config, sizeof config, table->node);
    if (node == NULL || weir_builder_set_stores(builder, node, &store, 1) < 0) return made;
    node->key_serde = table->key_serde;
    node->value_serde = table->value_serde;
    /* A row of the buffer has the value before: the table above keeps it. */
    if (!table->is_suppressed) builder->stores[table->store]->spec.keeps_old = true;
    *made = *table;
    made->node = node->id;
    made->store = store;
    made->is_suppressed = true;
    return made;
}

struct weir_table *weir_suppress(struct weir_table *table,
                                 const struct weir_suppress_options *options)
{
    if (!weir_handle_is_given(table, "weir_suppress", "table")) return NULL;
    struct weir_builder *builder = table->builder;
    struct weir_suppress_options read;
    if (!weir_table_is_live(table)) return weir_table_dead(builder);
    if (read_options(builder, table, options, &read) < 0) return weir_table_dead(builder);
    return suppress(table, &read);
}
