#include "tests/unit/dsl/twin.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- user functions: from objects to texts and back ------------------------------------------ */

static struct text text_from(const void *object)
{
    const struct weir_slice *slice = object;
    if (slice == NULL) return text_null();
    return text_printf("%.*s", (int)slice->size, (const char *)slice->data);
}

static const void *object_from(struct weir_call *call, struct text text)
{
    return text.is_null ? NULL : weir_call_printf(call, "%s", text.bytes);
}

static int salt_of(const struct weir_call *call)
{
    return ((const struct twin_operator *)call->context)->salt;
}

/* Negative where the function is to fail on this record. */
static int check(struct weir_call *call, const void *key, const void *value)
{
    const struct twin_operator *op = call->context;
    bool fails = op->may_fail && fn_fails(op->salt, text_from(key), text_from(value));
    return fails ? weir_call_fail(call, "as agreed") : 0;
}

static int predicate(struct weir_call *call, const void *key, const void *value)
{
    if (check(call, key, value) < 0) return WEIR_USER_FUNCTION;
    return fn_predicate(salt_of(call), text_from(key), text_from(value));
}

static int map(struct weir_call *call, const void *key, const void *value, const void **key_out,
               const void **value_out)
{
    if (check(call, key, value) < 0) return WEIR_USER_FUNCTION;
    *key_out = object_from(call, fn_key(salt_of(call), text_from(key), text_from(value)));
    *value_out = object_from(call, fn_value(salt_of(call), text_from(key), text_from(value)));
    return 0;
}

static int map_values(struct weir_call *call, const void *key, const void *value,
                      const void **value_out)
{
    if (check(call, key, value) < 0) return WEIR_USER_FUNCTION;
    *value_out = object_from(call, fn_value(salt_of(call), text_from(key), text_from(value)));
    return 0;
}

static int select_key(struct weir_call *call, const void *key, const void *value,
                      const void **key_out)
{
    if (check(call, key, value) < 0) return WEIR_USER_FUNCTION;
    *key_out = object_from(call, fn_key(salt_of(call), text_from(key), text_from(value)));
    return 0;
}

static int flat_map(struct weir_call *call, const void *key, const void *value,
                    struct weir_emitter *emitter)
{
    int salt = salt_of(call);
    int count = fn_fan(salt, text_from(key), text_from(value));
    for (int i = 0; i < count; i++) {
        struct text made_key = fn_key(salt + i, text_from(key), text_from(value));
        struct text made_value = fn_value(salt + i, text_from(key), text_from(value));
        int rc = weir_emit(emitter, object_from(call, made_key), object_from(call, made_value));
        if (rc < 0) return rc;
    }
    return check(call, key, value); /* what was emitted is to be forgotten */
}

static int look(struct weir_call *call, const void *key, const void *value)
{
    return check(call, key, value);
}

static int reduce(struct weir_call *call, const void *aggregate, const void *value,
                  const void **aggregate_out)
{
    if (check(call, NULL, value) < 0) return WEIR_USER_FUNCTION;
    struct text result = fn_fold(salt_of(call), text_from(aggregate), text_from(value));
    *aggregate_out = object_from(call, result);
    return 0;
}

static int initialize(struct weir_call *call, void *aggregate)
{
    (void)call;
    *(struct weir_slice *)aggregate = weir_text("init");
    return 0;
}

static int fold(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    struct text result = fn_fold(salt_of(call), text_from(aggregate), text_from(value));
    if (result.is_null) return check(call, key, value) < 0 ? WEIR_USER_FUNCTION : WEIR_DELETE;
    *(struct weir_slice *)aggregate = *(const struct weir_slice *)object_from(call, result);
    return check(call, key, value); /* the changed copy is to be forgotten */
}

static int join(struct weir_call *call, const void *key, const void *stream_value,
                const void *table_value, const void **value_out)
{
    const struct twin_operator *op = call->context;
    if (check(call, key, stream_value) < 0) return WEIR_USER_FUNCTION;
    struct text found = text_null();
    if (table_value != NULL) {
        found = op->is_count ? text_printf("%" PRId64, *(const int64_t *)table_value)
                             : text_from(table_value);
    }
    *value_out =
        object_from(call, fn_join(op->salt, text_from(key), text_from(stream_value), found));
    return 0;
}

/* The texts of a windowed table's rows. */
static int show_window(struct weir_call *call, const void *key, const void *value,
                       const void **key_out, const void **value_out)
{
    const struct twin_operator *op = call->context;
    const struct weir_windowed_key *windowed = key;
    *key_out = object_from(
        call, text_printf("%s@%" PRId64, text_from(windowed->key).bytes, windowed->start_ms));
    *value_out = value;
    if (value != NULL && op->is_count) {
        *value_out = weir_call_printf(call, "%" PRId64, *(const int64_t *)value);
    }
    return 0;
}

static int show_count(struct weir_call *call, const void *key, const void *value,
                      const void **value_out)
{
    (void)key;
    *value_out = value == NULL ? NULL : weir_call_printf(call, "%" PRId64, *(const int64_t *)value);
    return 0;
}

/* ---- a processor ----------------------------------------------------------------------------- */

static int process(struct weir_process *process, void *state, struct weir_call *call,
                   const void *key, const void *value)
{
    (void)state;
    const struct twin_operator *op = call->context;
    if (check(call, key, value) < 0) return WEIR_USER_FUNCTION;
    struct weir_store *store = weir_process_store(process, op->store_name);
    const void *store_key = key != NULL ? key : weir_call_printf(call, "null");
    const void *old;
    int rc = weir_store_get(process, store, store_key, &old);
    if (rc < 0) return rc;
    struct processed done = fn_process(op->salt, text_from(key), text_from(value), text_from(old),
                                       weir_process_stream_time(process));
    rc = weir_store_put(process, store, store_key, object_from(call, done.stored));
    if (rc < 0 || !done.forwards) return rc;
    const void *new_key = op->is_count ? key : object_from(call, done.key);
    return weir_process_forward(process, new_key, object_from(call, done.value), -1);
}

static int count_one(void *context, const void *key, const void *value)
{
    (void)key;
    (void)value;
    *(int64_t *)context += 1;
    return 0;
}

static int tick(struct weir_process *process, void *state, struct weir_call *call, int64_t time_ms)
{
    (void)state;
    (void)time_ms;
    const struct twin_operator *op = call->context;
    struct weir_store *store = weir_process_store(process, op->store_name);
    int64_t count = 0;
    int rc = weir_store_range(process, store, NULL, NULL, count_one, &count);
    if (rc < 0) return rc;
    return weir_process_forward(process, weir_call_printf(call, "tick%d", op->salt),
                                weir_call_printf(call, "%" PRId64, count), -1);
}

static int start_timer(struct weir_process *process, void *state, struct weir_call *call)
{
    (void)state;
    const struct twin_operator *op = call->context;
    if (op->timer_ms == 0) return 0;
    return weir_process_schedule(process, WEIR_PUNCTUATE_STREAM_TIME, op->timer_ms, tick);
}

/* ---- growing --------------------------------------------------------------------------------- */

static int below(struct twin *twin, int bound)
{
    return (int)weir_test_random_below(&twin->random, (uint64_t)bound);
}

static const char *new_name(struct twin *twin, const char *format, int number)
{
    ck_assert_int_lt(twin->name_count, REF_TOPICS);
    char *name = twin->names[twin->name_count++];
    (void)snprintf(name, sizeof twin->names[0], format, number);
    return name;
}

static struct twin_operator *new_operator(struct twin *twin)
{
    ck_assert_int_lt(twin->operator_count, TWIN_OPERATORS);
    struct twin_operator *op = &twin->operators[twin->operator_count];
    op->salt = 1 + 3 * twin->operator_count++;
    op->may_fail = twin->may_fail && below(twin, 3) == 0;
    return op;
}

static struct ref_node plain_node(enum ref_kind kind)
{
    return (struct ref_node){.kind = kind, .store = -1, .topic = -1, .join = -1};
}

/* A node that calls the operator's functions. */
static struct ref_node ref_node(enum ref_kind kind, const struct twin_operator *op)
{
    struct ref_node node = plain_node(kind);
    node.salt = op->salt;
    node.may_fail = op->may_fail;
    return node;
}

static void add_stream(struct twin *twin, struct weir_stream *stream, int node, bool is_marked,
                       int partition_count)
{
    if (twin->stream_count == TWIN_STREAMS) return;
    twin->streams[twin->stream_count++] = (struct twin_stream){
        .stream = stream,
        .node = node,
        .is_marked = is_marked,
        .partition_count = partition_count,
        .join_repartition = -1,
    };
}

static int new_store(struct twin *twin, const char *name, int64_t window_ms, bool is_count)
{
    ck_assert_int_lt(twin->reference->store_count, REF_STORES);
    struct twin_store *store = &twin->stores[twin->reference->store_count];
    (void)snprintf(store->name, sizeof store->name, "%s", name);
    store->window_ms = window_ms;
    store->is_count = is_count;
    store->is_kept = true;
    return twin->reference->store_count++;
}

/* The reference's own repartition: filter, sink, source. */
static int repartition_node(struct twin *twin, int node, const char *name, int partition_count)
{
    struct reference *reference = twin->reference;
    int topic = ref_topic(reference, name, true, partition_count);
    int filter = ref_add(reference, plain_node(REF_FILTER_NULL_KEYS), node);
    struct ref_node sink = plain_node(REF_SINK);
    sink.topic = topic;
    (void)ref_add(reference, sink, filter);
    struct ref_node source = plain_node(REF_SOURCE);
    source.topic = topic;
    return ref_add(reference, source, -1);
}

static struct weir_materialized random_options(struct twin *twin, const char *name, bool *cached)
{
    struct weir_materialized options = {WEIR_MATERIALIZED_INIT};
    options.name = name;
    options.store = below(twin, 2) == 0 ? WEIR_STORE_MEMORY : WEIR_STORE_ROCKSDB;
    options.cache = below(twin, 4) == 0 ? WEIR_CACHE_OFF : WEIR_CACHE_DEFAULT;
    *cached = options.cache != WEIR_CACHE_OFF;
    return options;
}

static int source_node(struct twin *twin, const char *topic)
{
    struct reference *reference = twin->reference;
    int index = ref_topic(reference, topic, false, twin->partition_count);
    for (int n = 0; n < reference->node_count; n++) {
        const struct ref_node *node = &reference->nodes[n];
        if (node->kind == REF_SOURCE && node->topic == index) return n;
    }
    struct ref_node source = plain_node(REF_SOURCE);
    source.topic = index;
    return ref_add(reference, source, -1);
}

static void add_source(struct twin *twin)
{
    int input = below(twin, twin->input_count);
    const char *topic = twin->reference->topics[twin->inputs[input]].name;
    struct weir_stream *stream = weir_stream(twin->builder, topic, WEIR_STRING, WEIR_STRING);
    add_stream(twin, stream, source_node(twin, topic), false, twin->partition_count);
}

static void add_table(struct twin *twin, struct twin_table table)
{
    ck_assert_int_lt(twin->table_count, TWIN_TABLES);
    twin->tables[twin->table_count++] = table;
}

/* Now and then a table keeps versions: the options say so, and the node is another one. */
static void make_versioned(struct twin *twin, enum ref_kind kind, struct ref_node *node,
                           struct weir_materialized *options)
{
    static const int64_t histories[] = {0, 40, 200, 1000};
    if (twin->reference->versions_count == REF_VERSIONS || below(twin, 3) != 0) return;
    options->is_versioned = true;
    options->history_ms = histories[below(twin, 4)];
    node->kind = kind;
    node->is_cached = false;
    node->versions = twin->reference->versions_count++;
    node->history_ms = options->history_ms;
}

static void note_versioned(struct twin *twin, const struct ref_node *node)
{
    struct twin_store *store = &twin->stores[node->store];
    store->is_versioned = node->kind != REF_TABLE && node->kind != REF_AGGREGATE;
    store->versions = node->versions;
    store->history_ms = node->history_ms;
}

static void add_topic_table(struct twin *twin)
{
    int input = below(twin, twin->input_count);
    const char *topic = twin->reference->topics[twin->inputs[input]].name;
    const char *name = new_name(twin, "table-%d", twin->table_count);
    struct ref_node node = plain_node(REF_TABLE);
    struct weir_materialized options = random_options(twin, name, &node.is_cached);
    make_versioned(twin, REF_VERSIONED_TABLE, &node, &options);
    struct weir_table *table = weir_table(twin->builder, topic, WEIR_STRING, WEIR_STRING, &options);
    node.store = new_store(twin, name, 0, false);
    note_versioned(twin, &node);
    int id = ref_add(twin->reference, node, source_node(twin, topic));
    add_table(twin, (struct twin_table){.table = table,
                                        .node = id,
                                        .store = node.store,
                                        .is_versioned = options.is_versioned,
                                        .partition_count = twin->partition_count});
}

static void add_stateless(struct twin *twin, struct twin_stream *from)
{
    struct twin_operator *op = new_operator(twin);
    struct reference *reference = twin->reference;
    static const enum ref_kind kinds[] = {REF_FILTER,     REF_FILTER_NOT, REF_MAP, REF_MAP_VALUES,
                                          REF_SELECT_KEY, REF_FLAT_MAP,   REF_PASS};
    enum ref_kind kind = kinds[below(twin, 7)];
    struct weir_stream *stream = from->stream;
    bool marks = false;
    switch (kind) {
    case REF_FILTER:
        stream = weir_filter(stream, predicate, op);
        break;
    case REF_FILTER_NOT:
        stream = weir_filter_not(stream, predicate, op);
        break;
    case REF_MAP:
        stream = weir_map(stream, map, op, WEIR_STRING, WEIR_STRING);
        marks = true;
        break;
    case REF_MAP_VALUES:
        stream = weir_map_values(stream, map_values, op, WEIR_STRING);
        break;
    case REF_SELECT_KEY:
        stream = weir_select_key(stream, select_key, op, WEIR_STRING);
        marks = true;
        break;
    case REF_FLAT_MAP:
        stream = weir_flat_map(stream, flat_map, op, WEIR_STRING, WEIR_STRING);
        marks = true;
        break;
    default:
        stream = weir_peek(stream, look, op);
        break;
    }
    int node = ref_add(reference, ref_node(kind, op), from->node);
    add_stream(twin, stream, node, from->is_marked || marks, from->partition_count);
}

static void add_split(struct twin *twin, struct twin_stream *from)
{
    struct twin_operator *op = new_operator(twin);
    struct twin_operator *second = new_operator(twin);
    second->salt = op->salt + 1;
    second->may_fail = false;
    struct ref_node node = ref_node(REF_BRANCH, op);
    node.predicate_count = 2;
    int id = ref_add(twin->reference, node, from->node);
    struct weir_split *split = weir_split(from->stream);
    bool is_marked = from->is_marked;
    int partition_count = from->partition_count;
    struct weir_stream *branches[3] = {weir_branch(split, predicate, op),
                                       weir_branch(split, predicate, second)};
    int count = 2;
    if (below(twin, 2) == 0) branches[count++] = weir_branch_default(split);
    for (int i = 0; i < count; i++) {
        int branch = ref_add(twin->reference, plain_node(REF_PASS), id);
        add_stream(twin, branches[i], branch, is_marked, partition_count);
    }
}

static void add_merge(struct twin *twin, struct twin_stream *from)
{
    struct twin_stream *other = &twin->streams[below(twin, twin->stream_count)];
    if (other->partition_count != from->partition_count) return;
    other->is_used = true;
    struct weir_stream *merged = weir_merge(from->stream, other->stream);
    int node = ref_add(twin->reference, plain_node(REF_PASS), from->node);
    ref_connect(twin->reference, other->node, node);
    add_stream(twin, merged, node, from->is_marked || other->is_marked, from->partition_count);
}

static void add_repartition(struct twin *twin, struct twin_stream *from)
{
    int count = below(twin, 3) == 0 ? 1 + below(twin, REF_PARTITIONS) : 0;
    const char *name = new_name(twin, "again-%d", twin->name_count);
    struct weir_stream *stream = weir_repartition(from->stream, name, count);
    int actual = count > 0 ? count : from->partition_count;
    int node = repartition_node(twin, from->node, name, actual);
    add_stream(twin, stream, node, false, actual);
}

/* Rows of a table as a stream of texts. */
static void add_updates(struct twin *twin, const struct twin_table *table)
{
    struct twin_operator *op = new_operator(twin);
    op->is_count = table->is_count;
    struct weir_stream *stream = weir_to_stream(table->table);
    int node = ref_add(twin->reference, plain_node(REF_PASS), table->node);
    if (table->is_windowed) {
        stream = weir_map(stream, show_window, op, WEIR_STRING, WEIR_STRING);
    } else if (table->is_count) {
        stream = weir_map_values(stream, show_count, op, WEIR_STRING);
    }
    add_stream(twin, stream, node, table->is_windowed, table->partition_count);
}

static struct weir_table *aggregate_by_key(struct weir_grouped *grouped, enum ref_fold kind,
                                           struct twin_operator *op,
                                           const struct weir_materialized *options)
{
    switch (kind) {
    case REF_COUNT:
        return weir_count(grouped, options);
    case REF_REDUCE:
        return weir_reduce(grouped, reduce, op, options);
    default:
        return weir_aggregate(grouped, initialize, fold, op, WEIR_STRING, options);
    }
}

static struct weir_table *aggregate_windows(struct weir_windowed_stream *windowed,
                                            enum ref_fold kind, struct twin_operator *op,
                                            const struct weir_materialized *options)
{
    switch (kind) {
    case REF_COUNT:
        return weir_windowed_count(windowed, options);
    case REF_REDUCE:
        return weir_windowed_reduce(windowed, reduce, op, options);
    default:
        return weir_windowed_aggregate(windowed, initialize, fold, op, WEIR_STRING, options);
    }
}

static struct weir_windowed_stream *windowed_by(struct weir_grouped *grouped,
                                                const struct ref_node *node)
{
    if (node->advance_ms == node->window_ms) {
        return weir_windowed_by(grouped, (struct weir_tumbling){node->window_ms, node->grace_ms});
    }
    const struct weir_time_windows windows = {
        WEIR_TIME_WINDOWS_INIT,
        .size_ms = node->window_ms,
        .advance_ms = node->advance_ms,
        .grace_ms = node->grace_ms,
    };
    return weir_windowed_by_time(grouped, &windows);
}

static void add_aggregate(struct twin *twin, struct twin_stream *from)
{
    static const int64_t sizes[] = {10, 50, 100};
    static const int64_t divisors[] = {1, 1, 2,
                                       3}; /* 3: windows that do not end where others begin */
    static const int64_t graces[] = {0, 20, 200};
    if (twin->table_count == TWIN_TABLES || twin->reference->store_count == REF_STORES) return;
    struct twin_operator *op = new_operator(twin);
    const char *name = new_name(twin, "store-%d", twin->name_count);
    struct ref_node node = ref_node(REF_AGGREGATE, op);
    node.fold = (enum ref_fold)below(twin, 3);
    if (below(twin, 2) == 0) {
        node.window_ms = sizes[below(twin, 3)];
        node.advance_ms = node.window_ms / divisors[below(twin, 4)];
        node.grace_ms = graces[below(twin, 3)];
    }
    struct weir_materialized options = random_options(twin, name, &node.is_cached);
    if (node.window_ms == 0) make_versioned(twin, REF_VERSIONED_AGGREGATE, &node, &options);
    bool is_marked = from->is_marked;
    int parent = from->node;
    struct weir_grouped *grouped;
    if (below(twin, 2) == 0) {
        struct twin_operator *by = new_operator(twin);
        grouped = weir_group_by(from->stream, select_key, by, WEIR_STRING);
        parent = ref_add(twin->reference, ref_node(REF_SELECT_KEY, by), parent);
        is_marked = true;
    } else {
        grouped = weir_group_by_key(from->stream);
    }
    if (is_marked) parent = repartition_node(twin, parent, name, from->partition_count);
    node.store = new_store(twin, name, node.window_ms, node.fold == REF_COUNT);
    note_versioned(twin, &node);
    struct weir_table *table =
        node.window_ms == 0
            ? aggregate_by_key(grouped, node.fold, op, &options)
            : aggregate_windows(windowed_by(grouped, &node), node.fold, op, &options);
    struct twin_table made = {
        .table = table,
        .node = ref_add(twin->reference, node, parent),
        .store = node.store,
        .is_count = node.fold == REF_COUNT,
        .is_windowed = node.window_ms > 0,
        .is_versioned = options.is_versioned,
        .partition_count = from->partition_count,
    };
    add_table(twin, made);
    add_updates(twin, &made);
}

/* The node that a join reads: the stream's, or behind the repartition that its joins share. */
static int join_parent(struct twin *twin, struct twin_stream *from)
{
    if (!from->is_marked) return from->node;
    if (from->join_repartition < 0) {
        const char *name = new_name(twin, "join-%d", twin->name_count);
        from->join_repartition = repartition_node(twin, from->node, name, from->partition_count);
    }
    return from->join_repartition;
}

/* As of the rows' times, at once or after a grace. */
static void add_versioned_join(struct twin *twin, struct twin_stream *from,
                               const struct twin_table *table)
{
    static const int64_t graces[] = {0, 10, 40, 150};
    /* What waits goes by time, and behind a repartition little of that can be compared. */
    if (from->is_marked && below(twin, 3) != 0) return;
    const struct twin_store *store = &twin->stores[table->store];
    struct twin_operator *op = new_operator(twin);
    op->is_count = table->is_count;
    struct ref_node node = ref_node(REF_VERSIONED_JOIN, op);
    node.store = table->store;
    node.versions = store->versions;
    node.history_ms = store->history_ms;
    node.is_left = below(twin, 2) == 0;
    node.grace_ms = graces[below(twin, 4)];
    if (node.grace_ms > node.history_ms) node.grace_ms = node.history_ms;
    if (twin->reference->graces_count == REF_JOINS) node.grace_ms = 0;
    if (node.grace_ms > 0) node.graces = twin->reference->graces_count++;
    const int parent = join_parent(twin, from);
    const struct weir_joined joined = {WEIR_JOINED_INIT, .is_left = node.is_left,
                                       .grace_ms = node.grace_ms};
    struct weir_stream *stream =
        weir_join_table(from->stream, table->table, join, op, WEIR_STRING, &joined);
    const int id = ref_add(twin->reference, node, parent);
    add_stream(twin, stream, id, false, from->partition_count);
}

static void add_join(struct twin *twin, struct twin_stream *from)
{
    if (twin->table_count == 0) return;
    const struct twin_table *table = &twin->tables[below(twin, twin->table_count)];
    if (table->is_windowed || table->partition_count != from->partition_count) return;
    if (table->is_versioned) {
        add_versioned_join(twin, from, table);
        return;
    }
    struct twin_operator *op = new_operator(twin);
    op->is_count = table->is_count;
    int parent = join_parent(twin, from);
    struct ref_node node = ref_node(REF_JOIN, op);
    node.store = table->store;
    node.is_left = below(twin, 2) == 0;
    struct weir_stream *stream =
        node.is_left ? weir_left_join(from->stream, table->table, join, op, WEIR_STRING)
                     : weir_join(from->stream, table->table, join, op, WEIR_STRING);
    int id = ref_add(twin->reference, node, parent);
    add_stream(twin, stream, id, false, from->partition_count);
}

static struct weir_stream_join_options random_join(struct twin *twin)
{
    static const int64_t spans[] = {0, 10, 30, 80, -5};
    static const int64_t graces[] = {0, 20, 100};
    struct weir_stream_join_options options = {
        WEIR_STREAM_JOIN_OPTIONS_INIT,
        .kind = (enum weir_join_kind)below(twin, 3),
        .before_ms = spans[below(twin, 5)],
        .after_ms = spans[below(twin, 4)],
        .grace_ms = graces[below(twin, 3)],
        .store = below(twin, 2) == 0 ? WEIR_STORE_MEMORY : WEIR_STORE_ROCKSDB,
        .is_eager = below(twin, 6) == 0,
    };
    if (options.before_ms + options.after_ms < 0) options.after_ms = 10;
    return options;
}

static void add_stream_join(struct twin *twin, struct twin_stream *from)
{
    struct reference *reference = twin->reference;
    struct twin_stream *other = &twin->streams[below(twin, twin->stream_count)];
    if (reference->join_count == REF_JOINS) return;
    if (other->partition_count != from->partition_count) return;
    /* Behind two repartitions little is ordered, and little can be compared. */
    if ((from->is_marked || other->is_marked) && below(twin, 3) != 0) return;
    other->is_used = true;
    struct twin_operator *op = new_operator(twin);
    struct weir_stream_join_options options = random_join(twin);
    options.is_single_store =
        from == other && options.kind == WEIR_JOIN_INNER && below(twin, 2) == 0;
    struct ref_node window = plain_node(REF_JOIN_WINDOW);
    window.join = reference->join_count++;
    window.before_ms = options.before_ms;
    window.after_ms = options.after_ms;
    window.grace_ms = options.grace_ms;
    window.is_left = options.kind != WEIR_JOIN_INNER;
    window.is_memory = options.store == WEIR_STORE_MEMORY;
    window.is_single = options.is_single_store;
    struct ref_node node = window;
    node.kind = REF_STREAM_JOIN;
    node.salt = op->salt;
    node.may_fail = op->may_fail;
    node.is_outer = options.kind != WEIR_JOIN_INNER;
    node.waits = node.is_outer && !options.is_eager;
    int parents[] = {join_parent(twin, from), join_parent(twin, other)};
    int left = ref_add(reference, window, parents[0]);
    window.is_right = node.is_right = true;
    int right = ref_add(reference, window, parents[1]);
    struct ref_node sides[] = {node, node};
    sides[0].is_right = false;
    sides[1].is_outer = options.kind == WEIR_JOIN_OUTER;
    left = ref_add(reference, sides[0], left);
    right = ref_add(reference, sides[1], right);
    int merge = ref_add(reference, plain_node(REF_PASS), left);
    ref_connect(reference, right, merge);
    struct weir_stream *stream =
        weir_stream_join(from->stream, other->stream, join, op, WEIR_STRING, &options);
    add_stream(twin, stream, merge, false, from->partition_count);
}

/* Now and then two processors share a store. */
static void add_processor(struct twin *twin, struct twin_stream *from)
{
    static const int64_t intervals[] = {0, 0, 25, 70};
    struct twin_operator *op = new_operator(twin);
    int store = -1;
    for (int s = 0; s < twin->reference->store_count && below(twin, 2) == 0; s++) {
        if (twin->stores[s].name[0] == 'p') store = s;
    }
    if (store < 0 && twin->reference->store_count == REF_STORES) return;
    if (store < 0) {
        const char *name = new_name(twin, "p-%d", twin->name_count);
        store = new_store(twin, name, 0, false);
        bool is_cached;
        struct weir_materialized options = random_options(twin, NULL, &is_cached);
        weir_add_store(twin->builder, name, WEIR_STRING, WEIR_STRING, &options);
    }
    (void)snprintf(op->store_name, sizeof op->store_name, "%s", twin->stores[store].name);
    op->stores[0] = op->store_name;
    op->timer_ms = intervals[below(twin, 4)];
    op->is_count = below(twin, 2) == 0; /* keeps its keys */
    const struct weir_processor processor = {
        .init = start_timer,
        .process = process,
        .stores = op->stores,
        .context = op,
    };
    /* A timer's rows have a key of their own, which process_values may forward too. */
    struct weir_stream *stream = op->is_count ? weir_process_values(from->stream, &processor, NULL)
                                              : weir_process(from->stream, &processor, NULL, NULL);
    struct ref_node node = ref_node(REF_PROCESS, op);
    node.store = store;
    node.keeps_key = op->is_count;
    node.timer_ms = op->timer_ms;
    int id = ref_add(twin->reference, node, from->node);
    add_stream(twin, stream, id, from->is_marked || !node.keeps_key, from->partition_count);
}

static void add_sink(struct twin *twin, struct twin_stream *from)
{
    int topic = twin->outputs[below(twin, twin->output_count)];
    weir_to(from->stream, twin->reference->topics[topic].name);
    struct ref_node node = plain_node(REF_SINK);
    node.topic = topic;
    (void)ref_add(twin->reference, node, from->node);
}

static void grow_once(struct twin *twin)
{
    struct twin_stream *from = &twin->streams[below(twin, twin->stream_count)];
    from->is_used = true;
    switch (below(twin, 14)) {
    case 0:
        add_split(twin, from);
        break;
    case 1:
        add_merge(twin, from);
        break;
    case 2:
        add_repartition(twin, from);
        break;
    case 3:
    case 4:
        add_aggregate(twin, from);
        break;
    case 5:
    case 6:
        add_join(twin, from);
        break;
    case 7:
        add_processor(twin, from);
        break;
    case 8:
        add_sink(twin, from);
        break;
    case 9:
    case 10:
        add_stream_join(twin, from);
        break;
    default:
        add_stateless(twin, from);
        break;
    }
}

void twin_init(struct twin *twin, struct reference *reference, uint64_t seed, int partition_count)
{
    memset(twin, 0, sizeof *twin);
    twin->random = (struct weir_test_random){seed};
    twin->reference = reference;
    twin->partition_count = partition_count;
    twin->builder = weir_builder_new();
    ck_assert_ptr_nonnull(twin->builder);
    twin->may_fail = below(twin, 3) == 0;
    twin->input_count = 1 + below(twin, TWIN_INPUTS);
    for (int i = 0; i < twin->input_count; i++) {
        const char *name = new_name(twin, "in-%d", i);
        twin->inputs[i] = ref_topic(reference, name, false, partition_count);
    }
    twin->output_count = 1 + below(twin, 4);
    for (int i = 0; i < twin->output_count; i++) {
        const char *name = new_name(twin, "out-%d", i);
        twin->outputs[i] = ref_topic(reference, name, false, partition_count);
    }
}

void twin_grow(struct twin *twin)
{
    add_source(twin);
    if (below(twin, 2) == 0) add_source(twin);
    if (below(twin, 3) != 0) add_topic_table(twin);
    if (twin->table_count > 0 && below(twin, 2) == 0) add_updates(twin, &twin->tables[0]);
    int steps = 1 + below(twin, 9);
    for (int i = 0; i < steps; i++)
        grow_once(twin);
    int count = twin->stream_count;
    for (int i = 0; i < count; i++) {
        if (!twin->streams[i].is_used) add_sink(twin, &twin->streams[i]);
    }
}
