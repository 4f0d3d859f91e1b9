/* How far a processor's stores of windows and sessions are in time: as far as the last row that was
 * put, which decides what is over. No commit has it, so it is looked for when the node is opened:
 * all rows are gone over, and their values are not read. */
#include "operators/process.h"
#include "runtime/state/key_schema.h"

struct last {
    const struct weir_key_schema *schema;
    int64_t time_ms;
};

static int find_last(void *context, struct weir_slice key, struct weir_slice value,
                     int64_t timestamp_ms)
{
    struct last *last = context;
    const int64_t time_ms = weir_key_schema_time(last->schema, key);
    (void)value, (void)timestamp_ms;
    if (time_ms > last->time_ms) last->time_ms = time_ms;
    return 0;
}

static int open_time(struct weir_node *node, struct weir_store *store, struct weir_error *error)
{
    struct last last = {weir_store_spec_schema(weir_store_spec(store)), -1};
    struct weir_key_range range;
    int rc =
        weir_key_range_init(&range, last.schema, weir_node_arena(node), weir_null(), 0, INT64_MAX);
    if (rc == 0) rc = weir_store_visit_range(store, &range, find_last, &last, error);
    if (rc >= 0 && last.time_ms >= 0) weir_store_advance(store, last.time_ms);
    return rc < 0 ? rc : 0;
}

int weir_process_open_times(struct weir_node *node, struct weir_error *error)
{
    const struct weir_process_config *config = node->plan->config;
    int rc = 0;
    for (size_t i = 0; i < config->store_count && rc == 0; i++) {
        const struct weir_key_schema *schema =
            weir_store_spec_schema(weir_store_spec(node->stores[i]));
        const bool has_windows = schema == &weir_key_schema_window ||
                                 schema == &weir_key_schema_duplicates ||
                                 schema == &weir_key_schema_session;
        if (!has_windows || !config->store_is_declared[i]) continue;
        rc = open_time(node, node->stores[i], error);
    }
    return rc;
}
