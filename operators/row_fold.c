/* One row's fold into an aggregate: count, reduce and aggregate, whatever the windows are. */
#include "operators/row_fold.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "operators/rows.h"
#include "operators/table_rows.h"

/* The aggregate so far, of bytes that are the store's. */
static int read_old(const struct weir_row_fold *fold, struct weir_slice old,
                    const void **object_out)
{
    struct weir_node *node = fold->node;
    const struct weir_aggregate_config *config = node->plan->config;
    if (!fold->copies_bytes) {
        return weir_rows_object(node, config->value_serde, false, old, object_out);
    }
    return weir_node_deserialize(node, config->value_serde, false, &old, 1, object_out);
}

static int fold_count(struct weir_row_fold *fold, struct weir_slice old)
{
    struct weir_node *node = fold->node;
    struct weir_counted *made = &fold->counted;
    if (fold->is_forwarded) made = weir_arena_alloc(weir_node_arena(node), sizeof *made);
    if (made == NULL) return WEIR_NO_MEMORY;
    uint64_t count = old.data != NULL && old.size == 8 ? weir_load_u64(old.data) : 0;
    made->object = (int64_t)(count + 1);
    weir_store_u64(made->bytes, count + 1);
    fold->object = &made->object;
    fold->bytes = weir_slice(made->bytes, sizeof made->bytes);
    return 0;
}

static int fold_reduce(struct weir_row_fold *fold, const struct weir_batch *batch, uint32_t row,
                       struct weir_slice old)
{
    struct weir_node *node = fold->node;
    const struct weir_aggregate_config *config = node->plan->config;
    fold->object = batch->values[row]; /* the first value is the seed */
    if (old.data != NULL) {
        const void *aggregate;
        int rc = read_old(fold, old, &aggregate);
        if (rc < 0) return rc;
        rc = config->reduce(&node->call, aggregate, batch->values[row], &fold->object);
        if (rc < 0) return rc;
        weir_object_check_row(&fold->check, batch->keys[row], batch->values[row]);
        weir_object_check_also_row(&fold->check, aggregate);
        rc = weir_object_check_value(&fold->check, fold->object);
        if (rc < 0) return rc;
    }
    if (fold->object == NULL) return 0;
    return weir_node_serialize(node, config->value_serde, false, fold->object, &fold->bytes);
}

/* The aggregate that the user's function changes: an object of this call's own, for the store keeps
 * its bytes until it has succeeded. */
static int own_aggregate(const struct weir_row_fold *fold, struct weir_slice old,
                         void **aggregate_out)
{
    struct weir_node *node = fold->node;
    const struct weir_aggregate_config *config = node->plan->config;
    const void *stored = NULL;
    if (old.data != NULL) {
        int rc = read_old(fold, old, &stored);
        if (rc < 0) return rc;
        *aggregate_out = (void *)stored;
        if (fold->makes_objects) return 0;
    }
    const size_t size = config->value_serde->object_size;
    weir_assert_slow(size > 0);
    void *aggregate = weir_arena_alloc_zero(weir_node_arena(node), size);
    if (aggregate == NULL) return WEIR_NO_MEMORY;
    *aggregate_out = aggregate;
    if (stored != NULL) memcpy(aggregate, stored, size);
    if (old.data != NULL || config->initialize == NULL) return 0;
    node->call.context = config->initialize_context;
    int rc = config->initialize(&node->call, aggregate);
    node->call.context = config->context;
    return rc;
}

static int fold_aggregate(struct weir_row_fold *fold, const struct weir_batch *batch, uint32_t row,
                          struct weir_slice old)
{
    struct weir_node *node = fold->node;
    const struct weir_aggregate_config *config = node->plan->config;
    void *aggregate;
    int rc = own_aggregate(fold, old, &aggregate);
    if (rc < 0) return rc;
    rc = config->aggregate(&node->call, batch->keys[row], batch->values[row], aggregate);
    if (rc < 0 || rc == WEIR_DELETE) return rc < 0 ? rc : 0;
    fold->object = aggregate;
    return weir_node_serialize(node, config->value_serde, false, aggregate, &fold->bytes);
}

bool weir_row_fold_forwards(const struct weir_node *node)
{
    const struct weir_aggregate_config *config = node->plan->config;
    if (config->emits_on_close) return false;
    bool is_held_back = weir_store_spec(node->stores[0])->is_cached && weir_node_caches(node);
    return node->plan->child_count > 0 && !is_held_back;
}

int weir_row_fold_flush(struct weir_node *node)
{
    const struct weir_aggregate_config *config = node->plan->config;
    const struct weir_table_rows table = {
        .key_serde = config->key_serde,
        .value_serde = config->value_serde,
        .window_size_ms = config->window_size_ms,
    };
    return weir_table_rows_flush(node, &table);
}

int64_t weir_row_fold_refused(const struct weir_node *node)
{
    const struct weir_store *store = node->stores[0];
    if (weir_store_spec(store)->kind != WEIR_STORE_MEMORY) return 0;
    return weir_store_dropped_count(store);
}

void weir_row_fold_init(struct weir_row_fold *fold, struct weir_node *node, bool is_forwarded)
{
    const struct weir_aggregate_config *config = node->plan->config;
    *fold = (struct weir_row_fold){
        .node = node,
        .is_forwarded = is_forwarded,
        .copies_bytes = weir_serde_copies_bytes(config->value_serde),
        .makes_objects = weir_serde_makes_objects(config->value_serde),
    };
    weir_object_check_init(&fold->check, node);
    weir_object_check_also(&fold->check, config->value_serde, "the aggregate");
    node->call.context = config->context;
}

int weir_fold_row(struct weir_row_fold *fold, const struct weir_batch *batch, uint32_t row,
                  struct weir_slice old)
{
    const struct weir_aggregate_config *config = fold->node->plan->config;
    fold->object = NULL;
    fold->bytes = weir_null();
    switch (config->kind) {
    case WEIR_AGGREGATE_COUNT:
        return fold_count(fold, old);
    case WEIR_AGGREGATE_REDUCE:
        return fold_reduce(fold, batch, row, old);
    case WEIR_AGGREGATE_FOLD:
        return fold_aggregate(fold, batch, row, old);
    }
    return WEIR_INVALID_ARGUMENT;
}

int weir_fold_initial(struct weir_row_fold *fold, const void **object_out)
{
    static const int64_t zero = 0;
    const struct weir_aggregate_config *config = fold->node->plan->config;
    void *aggregate = NULL;
    *object_out = config->kind == WEIR_AGGREGATE_COUNT ? &zero : NULL;
    if (config->kind != WEIR_AGGREGATE_FOLD) return 0;
    int rc = own_aggregate(fold, weir_null(), &aggregate);
    if (rc >= 0) *object_out = aggregate;
    return rc;
}

/* ---- sessions -------------------------------------------------------------------------------- */

static int merge_counts(struct weir_row_fold *fold, const struct weir_slice *olds, size_t count)
{
    uint8_t bytes[8];
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (olds[i].size == sizeof bytes) sum += weir_load_u64(olds[i].data);
    }
    weir_store_u64(bytes, sum);
    return fold_count(fold, weir_slice(bytes, sizeof bytes));
}

static int reduce_two(struct weir_row_fold *fold, const void *aggregate, const void *value,
                      const void **aggregate_out)
{
    const struct weir_aggregate_config *config = fold->node->plan->config;
    *aggregate_out = value; /* the first is the seed */
    if (aggregate == NULL) return 0;
    int rc = config->reduce(&fold->node->call, aggregate, value, aggregate_out);
    if (rc < 0) return rc;
    weir_object_check_row(&fold->check, NULL, value);
    weir_object_check_also_row(&fold->check, aggregate);
    return weir_object_check_value(&fold->check, *aggregate_out);
}

static int merge_reduced(struct weir_row_fold *fold, const struct weir_batch *batch, uint32_t row,
                         const struct weir_slice *olds, size_t count)
{
    const struct weir_aggregate_config *config = fold->node->plan->config;
    const void *aggregate = NULL;
    int rc = 0;
    for (size_t i = 0; i < count && rc >= 0; i++) {
        const void *other;
        rc = read_old(fold, olds[i], &other);
        if (rc >= 0) rc = reduce_two(fold, aggregate, other, &aggregate);
    }
    if (rc >= 0) rc = reduce_two(fold, aggregate, batch->values[row], &fold->object);
    if (rc < 0 || fold->object == NULL) return rc < 0 ? rc : 0;
    return weir_node_serialize(fold->node, config->value_serde, false, fold->object, &fold->bytes);
}

/* Of several inputs each has an aggregator, and they one merger. */
static int call_merger(struct weir_node *node, const void *key, const void *other, void *aggregate)
{
    const struct weir_aggregate_config *config = node->plan->config;
    if (!config->is_cogrouped) return config->merge(&node->call, key, other, aggregate);
    node->call.context = config->initialize_context;
    int rc = config->merge(&node->call, key, other, aggregate);
    node->call.context = config->context;
    return rc;
}

static int merge_aggregates(struct weir_row_fold *fold, const struct weir_batch *batch,
                            uint32_t row, const struct weir_slice *olds, size_t count)
{
    struct weir_node *node = fold->node;
    const struct weir_aggregate_config *config = node->plan->config;
    void *aggregate;
    int rc = own_aggregate(fold, weir_null(), &aggregate);
    for (size_t i = 0; i < count && rc >= 0; i++) {
        const void *other;
        rc = read_old(fold, olds[i], &other);
        if (rc >= 0) rc = call_merger(node, batch->keys[row], other, aggregate);
        /* Kafka Streams hands null on to what is called next, and no initializer is asked: zeros
         * are that here. */
        if (rc == WEIR_DELETE) memset(aggregate, 0, config->value_serde->object_size);
    }
    if (rc >= 0) {
        rc = config->aggregate(&node->call, batch->keys[row], batch->values[row], aggregate);
    }
    if (rc < 0 || rc == WEIR_DELETE) return rc < 0 ? rc : 0;
    fold->object = aggregate;
    return weir_node_serialize(node, config->value_serde, false, aggregate, &fold->bytes);
}

int weir_fold_merged(struct weir_row_fold *fold, const struct weir_batch *batch, uint32_t row,
                     const struct weir_slice *olds, size_t count)
{
    const struct weir_aggregate_config *config = fold->node->plan->config;
    fold->object = NULL;
    fold->bytes = weir_null();
    switch (config->kind) {
    case WEIR_AGGREGATE_COUNT:
        return merge_counts(fold, olds, count);
    case WEIR_AGGREGATE_REDUCE:
        return merge_reduced(fold, batch, row, olds, count);
    case WEIR_AGGREGATE_FOLD:
        return merge_aggregates(fold, batch, row, olds, count);
    }
    return WEIR_INVALID_ARGUMENT;
}

/* ---- slices ---------------------------------------------------------------------------------- */

static int two_counts(struct weir_row_fold *fold, struct weir_slice left, struct weir_slice right)
{
    uint8_t *bytes = weir_arena_alloc(weir_node_arena(fold->node), 8);
    if (bytes == NULL) return WEIR_NO_MEMORY;
    weir_assert(left.size == 8 && right.size == 8);
    weir_store_u64(bytes, weir_load_u64(left.data) + weir_load_u64(right.data));
    fold->bytes = weir_slice(bytes, 8);
    return 0;
}

static int refuse_deletion(const struct weir_row_fold *fold, const char *who)
{
    return weir_error_set(fold->node->call.error, WEIR_USER_FUNCTION,
                          "the %s deletes the aggregate: slices cannot tell what is left of their "
                          "windows, keep rows (WEIR_LAYOUT_ROWS)",
                          who);
}

static int two_reduced(struct weir_row_fold *fold, struct weir_slice left, struct weir_slice right)
{
    const struct weir_aggregate_config *config = fold->node->plan->config;
    const void *first;
    const void *second;
    int rc = read_old(fold, left, &first);
    if (rc >= 0) rc = read_old(fold, right, &second);
    if (rc >= 0) rc = reduce_two(fold, first, second, &fold->object);
    if (rc < 0) return rc;
    if (fold->object == NULL) return refuse_deletion(fold, "reducer");
    return weir_node_serialize(fold->node, config->value_serde, false, fold->object, &fold->bytes);
}

static int two_aggregates(struct weir_row_fold *fold, const void *key, struct weir_slice left,
                          struct weir_slice right)
{
    struct weir_node *node = fold->node;
    const struct weir_aggregate_config *config = node->plan->config;
    const void *other;
    void *aggregate;
    int rc = own_aggregate(fold, left, &aggregate);
    if (rc >= 0) rc = read_old(fold, right, &other);
    if (rc >= 0) rc = call_merger(node, key, other, aggregate);
    if (rc == WEIR_DELETE) return refuse_deletion(fold, "merger");
    if (rc < 0) return rc;
    return weir_node_serialize(node, config->value_serde, false, aggregate, &fold->bytes);
}

int weir_fold_two(struct weir_row_fold *fold, const void *key, struct weir_slice left,
                  struct weir_slice right)
{
    const struct weir_aggregate_config *config = fold->node->plan->config;
    fold->bytes = weir_slice_is_null(left) ? right : left;
    if (weir_slice_is_null(left) || weir_slice_is_null(right)) return 0;
    switch (config->kind) {
    case WEIR_AGGREGATE_COUNT:
        return two_counts(fold, left, right);
    case WEIR_AGGREGATE_REDUCE:
        return two_reduced(fold, left, right);
    case WEIR_AGGREGATE_FOLD:
        return two_aggregates(fold, key, left, right);
    }
    return WEIR_INVALID_ARGUMENT;
}
