/* map, mapValues and selectKey: new columns over the same rows. The bytes of what is new have to be
 * made again; the bytes of what stays go along. */
#include "base/assert.h"
#include "operators/objects.h"
#include "operators/operators.h"
#include "operators/rows.h"

/* What the three have in common: a user function per row that fills one or two columns. */
struct mapper {
    int (*call)(const void *config, struct weir_call *call, const void *key, const void *value,
                const void **key_out, const void **value_out);
    bool makes_key;
    bool makes_value;
};

static int map_rows(struct weir_node *node, const struct weir_batch *batch,
                    const struct mapper *mapper)
{
    const struct weir_operator_traits *traits = &node->plan->ops->traits;
    weir_assert(mapper->makes_key == traits->is_key_changing);
    weir_assert(mapper->makes_value == traits->is_value_changing);
    const void **keys = mapper->makes_key ? weir_rows_column(node, batch, sizeof *keys) : NULL;
    const void **values =
        mapper->makes_value ? weir_rows_column(node, batch, sizeof *values) : NULL;
    uint32_t *selection = weir_rows_selection(node, batch);
    if (weir_arena_failed(weir_node_arena(node))) return WEIR_NO_MEMORY;

    struct weir_object_check check;
    weir_object_check_init(&check, node);
    size_t kept = 0;
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        const void *key = NULL;
        const void *value = NULL;
        weir_node_call_row(node, batch, row);
        int rc = mapper->call(node->plan->config, &node->call, batch->keys[row], batch->values[row],
                              &key, &value);
        weir_object_check_row(&check, batch->keys[row], batch->values[row]);
        if (rc >= 0 && keys != NULL) rc = weir_object_check_key(&check, key);
        if (rc >= 0 && values != NULL) rc = weir_object_check_value(&check, value);
        if (rc < 0) {
            rc = weir_node_record_failed(node, batch, row, rc);
            if (rc < 0) return rc;
            continue;
        }
        if (keys != NULL) keys[row] = key;
        if (values != NULL) values[row] = value;
        selection[kept++] = row;
    }

    struct weir_batch out = *batch;
    if (keys != NULL) {
        out.keys = keys;
        out.key_bytes = NULL;
    }
    if (values != NULL) {
        out.values = values;
        out.value_bytes = NULL;
        out.olds = NULL;
    }
    return weir_rows_forward_selected(node, &out, selection, kept);
}

static int call_map(const void *opaque, struct weir_call *call, const void *key, const void *value,
                    const void **key_out, const void **value_out)
{
    const struct weir_map_config *config = opaque;
    call->context = config->context;
    return config->map(call, key, value, key_out, value_out);
}

static int call_map_values(const void *opaque, struct weir_call *call, const void *key,
                           const void *value, const void **key_out, const void **value_out)
{
    const struct weir_map_values_config *config = opaque;
    (void)key_out;
    call->context = config->context;
    return config->map(call, key, value, value_out);
}

static int call_select_key(const void *opaque, struct weir_call *call, const void *key,
                           const void *value, const void **key_out, const void **value_out)
{
    const struct weir_select_key_config *config = opaque;
    (void)value_out;
    call->context = config->context;
    return config->select(call, key, value, key_out);
}

static int process_map(struct weir_node *node, const struct weir_batch *batch)
{
    static const struct mapper mapper = {call_map, .makes_key = true, .makes_value = true};
    return map_rows(node, batch, &mapper);
}

static int process_map_values(struct weir_node *node, const struct weir_batch *batch)
{
    static const struct mapper mapper = {call_map_values, .makes_value = true};
    return map_rows(node, batch, &mapper);
}

static int process_select_key(struct weir_node *node, const struct weir_batch *batch)
{
    static const struct mapper mapper = {call_select_key, .makes_key = true};
    return map_rows(node, batch, &mapper);
}

const struct weir_operator_ops weir_map_ops = {
    .name = "map",
    .traits = {.is_key_changing = true, .is_value_changing = true},
    .process = process_map,
};

const struct weir_operator_ops weir_map_values_ops = {
    .name = "map-values",
    .traits = {.is_value_changing = true},
    .process = process_map_values,
};

const struct weir_operator_ops weir_select_key_ops = {
    .name = "select-key",
    .traits = {.is_key_changing = true},
    .process = process_select_key,
};
