#include "tests/vectors/declare.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- serdes ---------------------------------------------------------------------------------- */

/* 'Q': a text whose serializer fails on "bad" and whose deserializer fails on "ugly". */
static size_t until(const struct weir_serde_call *call, const char *word, size_t count,
                    const struct weir_slice *(*at)(const void *list, size_t i), const void *list)
{
    for (size_t i = 0; i < count; i++) {
        const struct weir_slice *text = at(list, i);
        if (text == NULL || weir_slice_is_null(*text) ||
            !weir_slice_equal(*text, weir_text(word))) {
            continue;
        }
        if (call->error != NULL) *call->error = (struct weir_error){.code = WEIR_SERDE};
        return i;
    }
    return count;
}

static const struct weir_slice *object_at(const void *list, size_t i)
{
    return ((const void *const *)list)[i];
}

static const struct weir_slice *bytes_at(const void *list, size_t i)
{
    return &((const struct weir_slice *)list)[i];
}

static size_t picky_serialize(const struct weir_serde *serde, struct weir_serde_call *call,
                              const void *const *objects, size_t count,
                              struct weir_slice *bytes_out)
{
    (void)serde;
    size_t good = until(call, "bad", count, object_at, objects);
    return weir_serde_string.serialize(WEIR_STRING, call, objects, good, bytes_out);
}

static size_t picky_deserialize(const struct weir_serde *serde, struct weir_serde_call *call,
                                const struct weir_slice *bytes, size_t count,
                                const void **objects_out)
{
    (void)serde;
    size_t good = until(call, "ugly", count, bytes_at, bytes);
    return weir_serde_string.deserialize(WEIR_STRING, call, bytes, good, objects_out);
}

static struct weir_serde picky_serde(void)
{
    struct weir_serde serde = weir_serde_string;
    serde.name = "picky";
    serde.serialize = picky_serialize;
    serde.deserialize = picky_deserialize;
    return serde;
}

static const struct weir_serde *serde_of(struct type type)
{
    static struct weir_serde picky; /* the same each time */
    if (type.letter == 'L') return WEIR_INT64;
    if (type.letter == 'S') return WEIR_STRING;
    picky = picky_serde();
    return &picky;
}

/* ---- objects and texts ----------------------------------------------------------------------- */

static struct weir_slice plain_text(struct weir_call *call, struct type type, const void *object)
{
    if (object == NULL) return weir_null();
    if (type.letter == 'L') return text_printf(call, "%" PRId64, *(const int64_t *)object);
    return *(const struct weir_slice *)object;
}

bool object_to_text(struct weir_call *call, struct type type, const void *object,
                    struct weir_slice *text_out)
{
    if (type.window_ms == 0 || object == NULL) {
        *text_out = plain_text(call, type, object);
        return true;
    }
    const struct weir_windowed_key *windowed = object;
    struct weir_slice key = plain_text(call, type, windowed->key);
    *text_out = text_printf(call, "%.*s@%" PRId64 "/%" PRId64, (int)key.size,
                            (const char *)key.data, windowed->start_ms, windowed->end_ms);
    return true;
}

bool object_from_text(struct weir_call *call, struct type type, struct weir_slice text,
                      const void **object_out)
{
    *object_out = NULL;
    if (weir_slice_is_null(text)) return true;
    if (type.letter != 'L') {
        struct weir_slice *slice = WEIR_NEW(call, struct weir_slice);
        if (slice == NULL) return false;
        *slice = text;
        *object_out = slice;
        return true;
    }
    char digits[24] = {0};
    char *end = NULL;
    int64_t *number = WEIR_NEW(call, int64_t);
    if (number == NULL || text.size == 0 || text.size >= sizeof digits) return false;
    memcpy(digits, text.data, text.size);
    *number = strtoll(digits, &end, 10);
    *object_out = number;
    return *end == '\0';
}

/* ---- user functions -------------------------------------------------------------------------- */

struct pair {
    struct weir_slice key;
    struct weir_slice value;
};

static struct pair texts_of(struct weir_call *call, const void *key, const void *value)
{
    const struct use *use = call->context;
    struct pair pair;
    (void)object_to_text(call, use->key, key, &pair.key);
    (void)object_to_text(call, use->value, value, &pair.value);
    return pair;
}

static int failed(struct weir_call *call)
{
    return weir_call_fail(call, "as the vector wants it");
}

static int on_filter(struct weir_call *call, const void *key, const void *value)
{
    const struct use *use = call->context;
    struct pair pair = texts_of(call, key, value);
    bool result;
    if (!predicate_apply(&use->function, pair.key, pair.value, &result)) return failed(call);
    return result;
}

static int map_one(struct weir_call *call, const struct function *function, struct type type,
                   struct pair pair, const void **object_out)
{
    struct weir_slice text;
    if (!map_apply(function, call, pair.key, pair.value, &text)) return failed(call);
    return object_from_text(call, type, text, object_out) ? 0 : failed(call);
}

static int on_map(struct weir_call *call, const void *key, const void *value, const void **key_out,
                  const void **value_out)
{
    const struct use *use = call->context;
    struct pair pair = texts_of(call, key, value);
    int rc = map_one(call, &use->function, use->key_out, pair, key_out);
    return rc < 0 ? rc : map_one(call, &use->second, use->value_out, pair, value_out);
}

static int on_map_values(struct weir_call *call, const void *key, const void *value,
                         const void **value_out)
{
    const struct use *use = call->context;
    return map_one(call, &use->function, use->value_out, texts_of(call, key, value), value_out);
}

static int on_select_key(struct weir_call *call, const void *key, const void *value,
                         const void **key_out)
{
    const struct use *use = call->context;
    return map_one(call, &use->function, use->key_out, texts_of(call, key, value), key_out);
}

static int on_flat_map(struct weir_call *call, const void *key, const void *value,
                       struct weir_emitter *emitter)
{
    const struct use *use = call->context;
    struct pair pair = texts_of(call, key, value);
    struct weir_slice results[LIST_MAX];
    int count;
    if (!list_apply(&use->function, call, pair.value, results, &count)) return failed(call);
    for (int i = 0; i < count; i++) {
        const void *new_key, *new_value;
        struct pair given = {pair.key, results[i]};
        int rc = map_one(call, &use->second, use->key_out, given, &new_key);
        if (rc >= 0 && !object_from_text(call, use->value_out, results[i], &new_value)) {
            rc = failed(call);
        }
        if (rc >= 0) rc = weir_emit(emitter, new_key, new_value);
        if (rc < 0) return rc;
    }
    return 0;
}

static int on_visit(struct weir_call *call, const void *key, const void *value)
{
    return (void)call, (void)key, (void)value, 0;
}

static int on_initialize(struct weir_call *call, void *aggregate)
{
    const struct use *use = call->context;
    uint8_t *bytes = weir_scope_alloc(call->scope, strlen(use->init) + 1);
    if (bytes == NULL) return WEIR_NO_MEMORY;
    struct weir_slice text = text_decode(use->init, bytes);
    if (use->value_out.letter == 'L') {
        *(int64_t *)aggregate = text_number(text);
    } else {
        *(struct weir_slice *)aggregate = text;
    }
    return 0;
}

static int on_aggregate(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    const struct use *use = call->context;
    struct pair pair = texts_of(call, key, value);
    struct weir_slice old, text;
    const void *object;
    (void)object_to_text(call, use->value_out, aggregate, &old);
    if (!fold_apply(&use->function, call, pair.key, pair.value, old, &text)) return failed(call);
    if (!object_from_text(call, use->value_out, text, &object)) return failed(call);
    if (object == NULL) return WEIR_DELETE;
    bool is_number = use->value_out.letter == 'L';
    memcpy(aggregate, object, is_number ? sizeof(int64_t) : sizeof(struct weir_slice));
    return 0;
}

static int on_merge(struct weir_call *call, const void *key, const void *other, void *aggregate)
{
    const struct use *use = call->context;
    struct weir_slice key_text, old, value, text;
    const void *object;
    (void)object_to_text(call, use->key, key, &key_text);
    (void)object_to_text(call, use->value_out, aggregate, &old);
    (void)object_to_text(call, use->value_out, other, &value);
    if (!fold_apply(&use->second, call, key_text, value, old, &text)) return failed(call);
    if (!object_from_text(call, use->value_out, text, &object)) return failed(call);
    if (object == NULL) return WEIR_DELETE;
    bool is_number = use->value_out.letter == 'L';
    memcpy(aggregate, object, is_number ? sizeof(int64_t) : sizeof(struct weir_slice));
    return 0;
}

static int on_reduce(struct weir_call *call, const void *aggregate, const void *value,
                     const void **aggregate_out)
{
    const struct use *use = call->context;
    struct weir_slice old, text;
    struct pair pair = texts_of(call, NULL, value);
    (void)object_to_text(call, use->value, aggregate, &old);
    if (!fold_apply(&use->function, call, weir_null(), pair.value, old, &text)) return failed(call);
    return object_from_text(call, use->value, text, aggregate_out) ? 0 : failed(call);
}

static int on_join(struct weir_call *call, const void *key, const void *left, const void *right,
                   const void **value_out)
{
    const struct use *use = call->context;
    struct pair pair = texts_of(call, key, left);
    struct weir_slice other, text;
    (void)object_to_text(call, use->other, right, &other);
    if (!join_apply(&use->function, call, pair.key, pair.value, other, &text)) return failed(call);
    return object_from_text(call, use->value_out, text, value_out) ? 0 : failed(call);
}

/* ---- the graph ------------------------------------------------------------------------------- */

void graph_miss(struct graph *graph, const char *what)
{
    if (graph->missing[0] != '\0') return;
    (void)snprintf(graph->missing, sizeof graph->missing, "%s", what);
}

static struct type type_of(const char *word)
{
    return (struct type){.letter = word != NULL ? word[0] : 'S'};
}

static void add_topic(struct graph *graph, const char *name, struct type key, struct type value,
                      bool is_output)
{
    for (size_t i = 0; i < graph->topic_count; i++) {
        if (strcmp(graph->topics[i].name, name) != 0) continue;
        graph->topics[i].is_output |= is_output;
        return;
    }
    if (graph->topic_count == TOPICS_MAX) abort();
    graph->topics[graph->topic_count++] =
        (struct topic_type){.name = name, .key = key, .value = value, .is_output = is_output};
}

const struct topic_type *graph_topic(const struct graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->topic_count; i++) {
        if (strcmp(graph->topics[i].name, name) == 0) return &graph->topics[i];
    }
    return NULL;
}

static void add_thing(struct graph *graph, const char *id, struct thing thing)
{
    thing.id = id;
    if (graph->thing_count == THINGS_MAX) abort();
    graph->things[graph->thing_count++] = thing;
}

/* The newest of an id. NULL, and missed, if there is none of the kind. */
static const struct thing *thing_of(struct graph *graph, const char *id, enum thing_kind kind)
{
    for (size_t i = graph->thing_count; id != NULL && i > 0; i--) {
        const struct thing *thing = &graph->things[i - 1];
        if (strcmp(thing->id, id) == 0 && thing->kind == kind) return thing;
    }
    graph_miss(graph, "a handle of another kind");
    return NULL;
}

static struct use *new_use(struct graph *graph, const struct thing *from, const char *text)
{
    if (graph->use_count == USES_MAX) abort();
    struct use *use = &graph->uses[graph->use_count++];
    *use = (struct use){.key = from->key, .value = from->value};
    if (text == NULL || !function_parse(text, &use->function)) graph_miss(graph, "a function");
    return use;
}

static void need_function(struct graph *graph, const struct function *function,
                          bool (*is_known)(const struct function *function))
{
    char what[64];
    (void)snprintf(what, sizeof what, "function %s", function->word);
    if (!is_known(function)) graph_miss(graph, what);
}

/* Store options: name, kind, cache, log, versioned. */
static const struct weir_materialized *materialized(struct graph *graph, const struct line *line,
                                                    struct weir_materialized *to)
{
    const char *versioned = line_option(line, "versioned");
    if (versioned != NULL && graph->versioned_count < STORES_MAX) {
        const char *name = line_option(line, "store");
        graph->versioned[graph->versioned_count++] = name != NULL ? name : line_word(line, 1);
    }
    const char *kind = line_option(line, "kind");
    const char *cache = line_option(line, "cache");
    const char *log = line_option(line, "log");
    if (log != NULL && strcmp(log, "off") != 0) graph_miss(graph, "log configs");
    const char *retention = graph->keeps_default ? NULL : line_option(line, "retention");
    *to = (struct weir_materialized){
        WEIR_MATERIALIZED_INIT,
        .name = line_option(line, "store"),
        .retention_ms = retention != NULL ? atoll(retention) : 0,
        .store = kind != NULL ? WEIR_STORE_MEMORY : WEIR_STORE_ROCKSDB,
        .cache = cache != NULL ? WEIR_CACHE_OFF : WEIR_CACHE_DEFAULT,
        .is_logging_disabled = log != NULL,
        .is_versioned = versioned != NULL,
        .history_ms = versioned != NULL ? atoll(versioned) : 0,
    };
    return to;
}

/* ---- declarations ---------------------------------------------------------------------------- */

static void declare_source(struct graph *graph, const struct line *line)
{
    const char *topic = line_word(line, 2);
    struct type key = type_of(line_word(line, 3)), value = type_of(line_word(line, 4));
    if (strchr(topic, ',') != NULL) graph_miss(graph, "several topics in one source");
    if (line_option(line, "ts") != NULL) graph_miss(graph, "timestamp extractors");
    add_topic(graph, topic, key, value, false);
    struct thing thing = {.kind = THING_STREAM, .key = key, .value = value};
    if (line_is(line, "stream")) {
        thing.handle = weir_stream(graph->builder, topic, serde_of(key), serde_of(value));
        thing.source = thing.handle;
        thing.topic = topic;
    } else {
        struct weir_materialized store;
        thing.kind = THING_TABLE;
        bool is_named = line_option(line, "name") != NULL && line_option(line, "store") == NULL;
        if (is_named) graph_miss(graph, "names of tables");
        thing.handle = weir_table(graph->builder, topic, serde_of(key), serde_of(value),
                                  materialized(graph, line, &store));
    }
    add_thing(graph, line_word(line, 1), thing);
}

static void declare_filter(struct graph *graph, const struct line *line)
{
    const struct thing *from = thing_of(graph, line_word(line, 2), THING_STREAM);
    if (from == NULL) return;
    struct use *use = new_use(graph, from, line_word(line, 3));
    need_function(graph, &use->function, function_is_predicate);
    struct thing thing = *from;
    thing.handle = line_is(line, "filter") ? weir_filter(from->handle, on_filter, use)
                                           : weir_filter_not(from->handle, on_filter, use);
    add_thing(graph, line_word(line, 1), thing);
}

static void declare_map(struct graph *graph, const struct line *line)
{
    const struct thing *from = thing_of(graph, line_word(line, 2), THING_STREAM);
    if (from == NULL) return;
    struct use *use = new_use(graph, from, line_word(line, 3));
    const char *second = line_word(line, 4);
    if (second == NULL || !function_parse(second, &use->second)) graph_miss(graph, "a function");
    struct thing thing = *from;
    bool is_flat = line_is(line, "flatmap");
    need_function(graph, &use->function, is_flat ? function_is_list : function_is_map);
    need_function(graph, &use->second, function_is_map);
    use->key_out = thing.key = type_of(line_word(line, is_flat ? 99 : 5));
    use->value_out = thing.value = type_of(line_word(line, is_flat ? 99 : 6));
    const struct weir_serde *key = serde_of(thing.key), *value = serde_of(thing.value);
    thing.handle = is_flat ? weir_flat_map(from->handle, on_flat_map, use, key, value)
                           : weir_map(from->handle, on_map, use, key, value);
    add_thing(graph, line_word(line, 1), thing);
}

static void declare_map_values(struct graph *graph, const struct line *line)
{
    const struct thing *from = thing_of(graph, line_word(line, 2), THING_STREAM);
    if (from == NULL) return;
    struct use *use = new_use(graph, from, line_word(line, 3));
    need_function(graph, &use->function, function_is_map);
    struct thing thing = *from;
    use->value_out = thing.value = type_of(line_word(line, 4));
    thing.handle = weir_map_values(from->handle, on_map_values, use, serde_of(thing.value));
    add_thing(graph, line_word(line, 1), thing);
}

static void declare_select_key(struct graph *graph, const struct line *line)
{
    const struct thing *from = thing_of(graph, line_word(line, 2), THING_STREAM);
    if (from == NULL) return;
    struct use *use = new_use(graph, from, line_word(line, 3));
    need_function(graph, &use->function, function_is_map);
    struct thing thing = *from;
    use->key_out = thing.key = type_of(line_word(line, 4));
    const struct weir_serde *serde = serde_of(thing.key);
    if (line_is(line, "groupby")) {
        thing.kind = THING_GROUP;
        thing.handle = weir_group_by(from->handle, on_select_key, use, serde);
    } else {
        thing.handle = weir_select_key(from->handle, on_select_key, use, serde);
    }
    add_thing(graph, line_word(line, 1), thing);
}

static void declare_peek(struct graph *graph, const struct line *line)
{
    bool is_peek = line_is(line, "peek");
    const struct thing *from = thing_of(graph, line_word(line, is_peek ? 2 : 1), THING_STREAM);
    if (from == NULL) return;
    struct thing thing = *from;
    if (is_peek) {
        thing.handle = weir_peek(from->handle, on_visit, NULL);
        add_thing(graph, line_word(line, 1), thing);
    } else {
        weir_foreach(from->handle, on_visit, NULL);
    }
}

static void declare_merge(struct graph *graph, const struct line *line)
{
    const struct thing *from = thing_of(graph, line_word(line, 2), THING_STREAM);
    const struct thing *other = thing_of(graph, line_word(line, 3), THING_STREAM);
    if (from == NULL || other == NULL) return;
    struct thing thing = *from;
    thing.handle = weir_merge(from->handle, other->handle);
    add_thing(graph, line_word(line, 1), thing);
}

static void declare_split(struct graph *graph, const struct line *line)
{
    const struct thing *from = thing_of(graph, line_word(line, 1), THING_STREAM);
    if (from == NULL) return;
    struct weir_split *split = weir_split(from->handle);
    const struct thing stream = *from;
    for (size_t i = 2; line_word(line, i) != NULL; i += 2) {
        struct thing thing = stream;
        if (strcmp(line_word(line, i), "-") == 0) {
            thing.handle = weir_branch_default(split);
            add_thing(graph, line_word(line, i + 1), thing);
            continue;
        }
        struct use *use = new_use(graph, &stream, line_word(line, i + 1));
        need_function(graph, &use->function, function_is_predicate);
        thing.handle = weir_branch(split, on_filter, use);
        add_thing(graph, line_word(line, i), thing);
    }
}

static void declare_repartition(struct graph *graph, const struct line *line)
{
    const struct thing *from = thing_of(graph, line_word(line, 2), THING_STREAM);
    if (from == NULL) return;
    struct thing thing = *from;
    const char *parts = line_option(line, "parts");
    thing.handle =
        weir_repartition(from->handle, line_option(line, "name"), parts != NULL ? atoi(parts) : 0);
    add_thing(graph, line_word(line, 1), thing);
}

static void declare_sink(struct graph *graph, const struct line *line)
{
    const struct thing *from = thing_of(graph, line_word(line, 1), THING_STREAM);
    if (from == NULL) return;
    add_topic(graph, line_word(line, 2), from->key, from->value, true);
    weir_to(from->handle, line_word(line, 2));
}

static void declare_group(struct graph *graph, const struct line *line)
{
    const struct thing *from = thing_of(graph, line_word(line, 2), THING_STREAM);
    if (from == NULL) return;
    struct thing thing = *from;
    thing.kind = THING_GROUP;
    thing.handle = weir_group_by_key(from->handle);
    add_thing(graph, line_word(line, 1), thing);
}

static int64_t number_option(const struct line *line, const char *name)
{
    const char *text = line_option(line, name);
    return text != NULL ? atoll(text) : 0;
}

static bool is_cogroup(const struct graph *graph, const char *id)
{
    for (size_t i = graph->thing_count; id != NULL && i > 0; i--) {
        const struct thing *thing = &graph->things[i - 1];
        if (strcmp(thing->id, id) == 0) return thing->kind == THING_COGROUP;
    }
    return false;
}

static void declare_cogroup(struct graph *graph, const struct line *line)
{
    struct weir_cogrouped *cogrouped = NULL;
    struct thing thing = {0};
    for (size_t i = 2; line_word(line, i) != NULL && line_word(line, i + 1) != NULL; i += 2) {
        const struct thing *from = thing_of(graph, line_word(line, i), THING_GROUP);
        if (from == NULL) return;
        struct use *use = new_use(graph, from, line_word(line, i + 1));
        need_function(graph, &use->function, function_is_fold);
        use->init = "%";
        use->value_out = (struct type){.letter = 'S'}; /* until the aggregate says */
        if (thing.uses_from == 0) {
            thing = *from;
            thing.group = from->handle;
            thing.uses_from = graph->use_count;
        }
        thing.uses_to = graph->use_count;
        cogrouped = cogrouped == NULL
                        ? weir_cogroup(from->handle, on_aggregate, use)
                        : weir_cogroup_add(cogrouped, from->handle, on_aggregate, use);
    }
    thing.kind = THING_COGROUP;
    thing.handle = cogrouped;
    add_thing(graph, line_word(line, 1), thing);
}

static void declare_coaggregate(struct graph *graph, const struct line *line)
{
    struct weir_materialized store;
    const struct thing *from = thing_of(graph, line_word(line, 2), THING_COGROUP);
    if (from == NULL) return;
    struct thing plain = *from;
    plain.key.window_ms = 0;
    struct use *use = new_use(graph, &plain, "first");
    struct thing thing = *from;
    thing.kind = THING_TABLE;
    const char *merge = line_option(line, "merge");
    if (merge != NULL && !function_parse(merge, &use->second)) graph_miss(graph, "a function");
    if (merge != NULL) need_function(graph, &use->second, function_is_fold);
    use->init = line_word(line, 3);
    use->value_out = thing.value = type_of(line_word(line, 4));
    for (size_t i = from->uses_from; i <= from->uses_to; i++)
        graph->uses[i - 1].value_out = thing.value;
    if (use->init != NULL && strcmp(use->init, "~") == 0)
        graph_miss(graph, "aggregates that begin as null");
    const struct weir_serde *value = serde_of(thing.value);
    const struct weir_materialized *with = materialized(graph, line, &store);
    thing.handle =
        from->windowed == NULL
            ? weir_cogrouped_aggregate(from->handle, on_initialize, use, value, with)
            : weir_cogrouped_windowed_aggregate_merging(from->handle, from->windowed, on_initialize,
                                                        on_merge, use, value, with);
    add_thing(graph, line_word(line, 1), thing);
}

/* That of a cogroup is made of its first group, and says it for all. */
static void declare_window(struct graph *graph, const struct line *line)
{
    const bool of_cogroup = is_cogroup(graph, line_word(line, 2));
    const struct thing *from =
        thing_of(graph, line_word(line, 2), of_cogroup ? THING_COGROUP : THING_GROUP);
    const char *kind = line_word(line, 3);
    const int64_t size_ms = line_word(line, 4) != NULL ? atoll(line_word(line, 4)) : 0;
    bool is_time = strcmp(kind, "time") == 0, is_unlimited = strcmp(kind, "unlimited") == 0;
    bool is_session = strcmp(kind, "session") == 0;
    bool is_sliding = strcmp(kind, "sliding") == 0;
    if (!is_time && !is_unlimited && !is_session && !is_sliding) graph_miss(graph, kind);
    const char *when = line_option(line, "emit");
    const enum weir_emit emit = when != NULL && strcmp(when, "close") == 0
                                    ? WEIR_EMIT_ON_WINDOW_CLOSE
                                    : WEIR_EMIT_ON_WINDOW_UPDATE;
    if (from == NULL || graph->missing[0] != '\0') return;
    const struct weir_time_windows time = {WEIR_TIME_WINDOWS_INIT, .size_ms = size_ms,
                                           .advance_ms = number_option(line, "advance"),
                                           .grace_ms = number_option(line, "grace"), .emit = emit};
    const struct weir_unlimited_windows unlimited = {WEIR_UNLIMITED_WINDOWS_INIT, size_ms};
    const struct weir_session_windows session = {WEIR_SESSION_WINDOWS_INIT, .gap_ms = size_ms,
                                                 .grace_ms = number_option(line, "grace"),
                                                 .emit = emit};
    const struct weir_sliding_windows sliding = {
        WEIR_SLIDING_WINDOWS_INIT, .difference_ms = size_ms,
        .grace_ms = number_option(line, "grace"), .emit = emit};
    struct thing thing = *from;
    void *group = of_cogroup ? from->group : from->handle;
    thing.key.window_ms = is_time || is_sliding ? size_ms : is_session ? SESSION : INT64_MAX;
    void *windowed = is_time      ? weir_windowed_by_time(group, &time)
                     : is_sliding ? weir_windowed_by_sliding(group, &sliding)
                     : is_session ? weir_windowed_by_session(group, &session)
                                  : weir_windowed_by_unlimited(group, &unlimited);
    if (of_cogroup) {
        thing.windowed = windowed;
    } else {
        thing.kind = THING_WINDOWED;
        thing.handle = windowed;
    }
    add_thing(graph, line_word(line, 1), thing);
}

/* The group, plain or windowed. Functions see the plain key. */
static const struct thing *group_of(struct graph *graph, const char *id, struct thing *plain)
{
    for (size_t i = graph->thing_count; id != NULL && i > 0; i--) {
        const struct thing *thing = &graph->things[i - 1];
        bool is_group = thing->kind == THING_GROUP || thing->kind == THING_WINDOWED;
        if (strcmp(thing->id, id) != 0 || !is_group) continue;
        *plain = *thing;
        plain->key.window_ms = 0;
        return thing;
    }
    graph_miss(graph, "groups of tables");
    return NULL;
}

static void declare_count(struct graph *graph, const struct line *line)
{
    struct thing plain;
    struct weir_materialized store;
    const struct thing *from = group_of(graph, line_word(line, 2), &plain);
    if (from == NULL) return;
    struct thing thing = *from;
    thing.kind = THING_TABLE;
    thing.value = (struct type){.letter = 'L'};
    const struct weir_materialized *with = materialized(graph, line, &store);
    thing.handle = from->kind == THING_GROUP ? (void *)weir_count(from->handle, with)
                                             : weir_windowed_count(from->handle, with);
    add_thing(graph, line_word(line, 1), thing);
}

static void declare_reduce(struct graph *graph, const struct line *line)
{
    struct thing plain;
    struct weir_materialized store;
    const struct thing *from = group_of(graph, line_word(line, 2), &plain);
    if (from == NULL) return;
    struct use *use = new_use(graph, &plain, line_word(line, 3));
    need_function(graph, &use->function, function_is_fold);
    struct thing thing = *from;
    thing.kind = THING_TABLE;
    const struct weir_materialized *with = materialized(graph, line, &store);
    thing.handle = from->kind == THING_GROUP
                       ? (void *)weir_reduce(from->handle, on_reduce, use, with)
                       : weir_windowed_reduce(from->handle, on_reduce, use, with);
    add_thing(graph, line_word(line, 1), thing);
}

static void declare_aggregate(struct graph *graph, const struct line *line)
{
    struct thing plain;
    struct weir_materialized store;
    const struct thing *from = group_of(graph, line_word(line, 2), &plain);
    if (from == NULL) return;
    struct use *use = new_use(graph, &plain, line_word(line, 4));
    need_function(graph, &use->function, function_is_fold);
    struct thing thing = *from;
    thing.kind = THING_TABLE;
    const char *merge = line_option(line, "merge");
    if (merge != NULL && !function_parse(merge, &use->second)) graph_miss(graph, "a function");
    if (merge != NULL) need_function(graph, &use->second, function_is_fold);
    use->init = line_word(line, 3);
    use->value_out = thing.value = type_of(line_word(line, 5));
    if (use->init != NULL && strcmp(use->init, "~") == 0)
        graph_miss(graph, "aggregates that begin as null");
    const struct weir_serde *value = serde_of(thing.value);
    const struct weir_materialized *with = materialized(graph, line, &store);
    thing.handle =
        from->kind == THING_GROUP
            ? (void *)weir_aggregate(from->handle, on_initialize, on_aggregate, use, value, with)
            : weir_windowed_aggregate_merging(from->handle, on_initialize, on_aggregate, on_merge,
                                              use, value, with);
    add_thing(graph, line_word(line, 1), thing);
}

static void declare_suppress(struct graph *graph, const struct line *line)
{
    const struct thing *from = thing_of(graph, line_word(line, 2), THING_TABLE);
    const char *full = line_option(line, "full"), *log = line_option(line, "log");
    const bool is_close = strcmp(line_word(line, 3), "close") == 0;
    if (log != NULL && strcmp(log, "off") != 0) graph_miss(graph, "log configs");
    if (from == NULL || graph->missing[0] != '\0') return;
    const struct weir_suppress_options options = {
        WEIR_SUPPRESS_OPTIONS_INIT,
        .until = is_close ? WEIR_SUPPRESS_UNTIL_WINDOW_CLOSES : WEIR_SUPPRESS_UNTIL_TIME_LIMIT,
        .time_limit_ms = is_close ? 0 : atoll(line_word(line, 4)),
        .records_max = number_option(line, "records"),
        .bytes_max = number_option(line, "bytes"),
        .full = full != NULL ? WEIR_SUPPRESS_FULL_STOP : WEIR_SUPPRESS_FULL_DEFAULT,
        .name = line_option(line, "name"),
        .is_logging_disabled = log != NULL,
    };
    struct thing thing = *from;
    thing.handle = weir_suppress(from->handle, &options);
    add_thing(graph, line_word(line, 1), thing);
}

static void declare_to_stream(struct graph *graph, const struct line *line)
{
    const struct thing *from = thing_of(graph, line_word(line, 2), THING_TABLE);
    if (from == NULL) return;
    if (line_option(line, "key") != NULL) graph_miss(graph, "toStream with a new key");
    struct thing thing = *from;
    thing.kind = THING_STREAM;
    thing.handle = weir_to_stream(from->handle);
    add_thing(graph, line_word(line, 1), thing);
}

static void declare_table_join(struct graph *graph, const struct line *line)
{
    const struct thing *from = thing_of(graph, line_word(line, 2), THING_STREAM);
    const struct thing *table = thing_of(graph, line_word(line, 3), THING_TABLE);
    const char *grace = line_option(line, "grace");
    if (from == NULL || table == NULL) return;
    struct use *use = new_use(graph, from, line_word(line, 5));
    need_function(graph, &use->function, function_is_join);
    struct thing thing = *from;
    use->other = table->value;
    use->value_out = thing.value = type_of(line_word(line, 6));
    const struct weir_serde *value = serde_of(thing.value);
    const struct weir_joined joined = {
        WEIR_JOINED_INIT,
        .is_left = strcmp(line_word(line, 4), "left") == 0,
        .grace_ms = grace != NULL ? atoll(grace) : 0,
        .name = line_option(line, "name"),
    };
    thing.handle = weir_join_table(from->handle, table->handle, on_join, use, value, &joined);
    add_thing(graph, line_word(line, 1), thing);
}

/* One stream, or two of one topic. */
static bool is_one(const struct thing *a, const struct thing *b)
{
    if (a->handle == b->handle) return true;
    bool are_sources = a->handle == a->source && b->handle == b->source;
    return are_sources && strcmp(a->topic, b->topic) == 0;
}

static void declare_stream_join(struct graph *graph, const struct line *line)
{
    const struct thing *left = thing_of(graph, line_word(line, 2), THING_STREAM);
    const struct thing *right = thing_of(graph, line_word(line, 3), THING_STREAM);
    const char *kind = line_word(line, 4);
    const char *before = line_option(line, "before"), *after = line_option(line, "after");
    const char *grace = line_option(line, "grace"), *api = line_option(line, "api");
    if (left == NULL || right == NULL || before == NULL) return;
    struct use *use = new_use(graph, left, line_word(line, 5));
    need_function(graph, &use->function, function_is_join);
    struct thing thing = *left;
    use->other = right->value;
    use->value_out = thing.value = type_of(line_word(line, 6));
    struct weir_stream_join_options options = {
        WEIR_STREAM_JOIN_OPTIONS_INIT,
        .before_ms = atoll(before),
        .after_ms = atoll(after != NULL ? after : before),
        .grace_ms = grace != NULL ? atoll(grace) : 0,
        .name = line_option(line, "name"),
        .store_name = line_option(line, "store"),
        .store = line_option(line, "kind") != NULL ? WEIR_STORE_MEMORY : WEIR_STORE_ROCKSDB,
        .is_eager = api != NULL,
        .emit_interval_ms = graph->emit_interval_ms,
    };
    if (strcmp(kind, "left") == 0) options.kind = WEIR_JOIN_LEFT;
    if (strcmp(kind, "outer") == 0) options.kind = WEIR_JOIN_OUTER;
    options.is_single_store =
        graph->has_self_joins && options.kind == WEIR_JOIN_INNER && is_one(left, right);
    thing.handle = weir_stream_join(left->handle, right->handle, on_join, use,
                                    serde_of(thing.value), &options);
    add_thing(graph, line_word(line, 1), thing);
}

static void declare_store(struct graph *graph, const struct line *line)
{
    struct weir_materialized store;
    struct store_type type = {line_word(line, 1), type_of(line_word(line, 2)),
                              type_of(line_word(line, 3))};
    const struct weir_materialized *with = materialized(graph, line, &store);
    if (graph->store_count == STORES_MAX) abort();
    graph->stores[graph->store_count++] = type;
    weir_add_store(graph->builder, type.name, serde_of(type.key), serde_of(type.value), with);
}

bool graph_is_versioned(const struct graph *graph, const char *store)
{
    for (size_t i = 0; i < graph->versioned_count; i++) {
        if (strcmp(graph->versioned[i], store) == 0) return true;
    }
    return false;
}

const struct store_type *graph_store(const struct graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->store_count; i++) {
        if (strcmp(graph->stores[i].name, name) == 0) return &graph->stores[i];
    }
    abort(); /* the builder has refused it */
}

static void take_timers(struct graph *graph, const struct line *line, struct use *use)
{
    static const char *const others[] = {"tickput", "tickdump", "tickfwd", "tickcancel"};
    const char *at = line_option(line, "timers");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (line_option(line, others[i]) != NULL) graph_miss(graph, others[i]);
    }
    use->tick_fail = line_option(line, "tickfail");
    while (at != NULL && *at != '\0') {
        if (use->timer_count == TIMERS_MAX) abort();
        use->timers[use->timer_count].type =
            *at == 's' ? WEIR_PUNCTUATE_STREAM_TIME : WEIR_PUNCTUATE_WALL_CLOCK;
        use->timers[use->timer_count++].interval_ms = atoll(at + 1);
        at += strcspn(at, ",");
        at += *at == ',';
    }
}

static void take_stores(const struct line *line, struct use *use)
{
    const char *names = line_option(line, "stores");
    char *rest = NULL;
    size_t count = 0;
    (void)snprintf(use->store_names, sizeof use->store_names, "%.250s", names != NULL ? names : "");
    for (char *name = strtok_r(use->store_names, ",", &rest);
         name != NULL && count + 1 < STORES_MAX; name = strtok_r(NULL, ",", &rest)) {
        use->stores[count++] = name;
    }
}

static void declare_process(struct graph *graph, const struct line *line)
{
    const struct thing *from = thing_of(graph, line_word(line, 2), THING_STREAM);
    if (from == NULL) return;
    bool keeps_key = line_is(line, "processvalues");
    struct use *use = new_use(graph, from, "id");
    struct thing thing = *from;
    char what[64];
    use->graph = graph;
    if (!keeps_key) thing.key = type_of(line_word(line, 3));
    thing.value = type_of(line_word(line, keeps_key ? 3 : 4));
    use->key_out = thing.key;
    use->value_out = thing.value;
    use->program = line_word(line, keeps_key ? 4 : 5);
    if (use->program == NULL) use->program = "";
    if (!program_is_built(use->program, what, sizeof what)) graph_miss(graph, what);
    take_timers(graph, line, use);
    take_stores(line, use);
    struct weir_processor processor = {
        .init = program_init, .process = program_process, .stores = use->stores, .context = use};
    const struct weir_serde *value = serde_of(thing.value);
    thing.handle = keeps_key ? weir_process_values(from->handle, &processor, value)
                             : weir_process(from->handle, &processor, serde_of(thing.key), value);
    add_thing(graph, line_word(line, 1), thing);
}

static void declare_topic(struct graph *graph, const struct line *line)
{
    add_topic(graph, line_word(line, 1), type_of(line_word(line, 2)), type_of(line_word(line, 3)),
              false);
}

static void not_built(struct graph *graph, const struct line *line)
{
    graph_miss(graph, line->words[0]);
}

/* ---- the door -------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    void (*declare)(struct graph *graph, const struct line *line);
} declarations[] = {
    {"stream", declare_source},
    {"table", declare_source},
    {"topic", declare_topic},
    {"filter", declare_filter},
    {"filternot", declare_filter},
    {"map", declare_map},
    {"flatmap", declare_map},
    {"mapvalues", declare_map_values},
    {"selectkey", declare_select_key},
    {"groupby", declare_select_key},
    {"peek", declare_peek},
    {"foreach", declare_peek},
    {"merge", declare_merge},
    {"split", declare_split},
    {"repartition", declare_repartition},
    {"to", declare_sink},
    {"groupbykey", declare_group},
    {"window", declare_window},
    {"cogroup", declare_cogroup},
    {"coaggregate", declare_coaggregate},
    {"count", declare_count},
    {"reduce", declare_reduce},
    {"aggregate", declare_aggregate},
    {"tostream", declare_to_stream},
    {"suppress", declare_suppress},
    {"stjoin", declare_table_join},
    {"join", declare_stream_join},
    {"store", declare_store},
    {"process", declare_process},
    {"processvalues", declare_process},
    /* Known to the vectors, not to the DSL or not to this runner. */
    {"globaltable", not_built},
    {"flatmapvalues", not_built},
    {"toex", not_built},
    {"totable", not_built},
    {"tgroupby", not_built},
    {"tfilter", not_built},
    {"tfilternot", not_built},
    {"tmapvalues", not_built},
    {"ttransform", not_built},
    {"tjoin", not_built},
    {"fkjoin", not_built},
    {"gjoin", not_built},
};

bool graph_declare(struct graph *graph, const struct line *line)
{
    for (size_t i = 0; i < sizeof declarations / sizeof declarations[0]; i++) {
        if (!line_is(line, declarations[i].word)) continue;
        /* of these the name is an option here, too */
        bool has_own =
            line_is(line, "suppress") || line_is(line, "join") || line_is(line, "stjoin");
        bool is_named = line_option(line, "name") != NULL && graph->names_count && !has_own;
        if (is_named) graph_miss(graph, "names of nodes");
        if (graph->missing[0] == '\0') declarations[i].declare(graph, line);
        return true;
    }
    return false;
}
