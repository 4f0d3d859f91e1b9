/* What a processor does with stores of windows and sessions, and with ranges from either end.
 *
 * A walk takes down all that it will give, as bytes in the batch's arena, brings it into order, and
 * only then calls the user's function: so that may do with stores what it likes, and either end is
 * as near. A store whose keys have a time is scanned by its own segments, which are in no order of
 * time across keys (runtime/state/scan.c).
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "operators/process.h"
#include "operators/table_rows.h"
#include "runtime/state/key_schema.h"

enum { ROWS_FIRST = 16, NUMBER_MASK = 0x7fffffff };

/* ---- rows that are taken down ---------------------------------------------------------------- */

struct taken_row {
    struct weir_slice key; /* of the store */
    struct weir_slice value;
    int64_t time_ms;
    size_t place; /* in the order of the scan, which is that of the keys' bytes */
};

struct taken {
    struct weir_arena *arena;
    const struct weir_key_schema *schema;
    int64_t starts_to_ms; /* sessions */
    struct taken_row *rows;
    size_t count;
    size_t capacity;
};

static int take(void *context, struct weir_slice key, struct weir_slice value, int64_t timestamp_ms)
{
    struct taken *taken = context;
    const bool has_time = weir_key_schema_has_time(taken->schema);
    (void)timestamp_ms;
    if (taken->schema == &weir_key_schema_session &&
        weir_session_key_start(key) > taken->starts_to_ms) {
        return 0;
    }
    struct taken_row *rows = weir_arena_grow(taken->arena, taken->rows, taken->count,
                                             &taken->capacity, ROWS_FIRST, sizeof *rows);
    if (rows == NULL) return WEIR_NO_MEMORY;
    taken->rows = rows;
    taken->rows[taken->count] = (struct taken_row){
        .key = weir_arena_copy(taken->arena, key),
        .value = weir_arena_copy(taken->arena, value),
        .time_ms = has_time ? weir_key_schema_time(taken->schema, key) : 0,
        .place = taken->count,
    };
    taken->count++;
    return weir_arena_failed(taken->arena) ? WEIR_NO_MEMORY : 0;
}

/* By time, and then as they were scanned: by key, and duplicates by their number. */
static int by_time(const void *a, const void *b)
{
    const struct taken_row *left = a;
    const struct taken_row *right = b;
    if (left->time_ms != right->time_ms) return left->time_ms < right->time_ms ? -1 : 1;
    return left->place < right->place ? -1 : left->place > right->place;
}

static const struct taken_row *row_at(const struct taken *taken, enum weir_order order, size_t i)
{
    return &taken->rows[order == WEIR_DESCENDING ? taken->count - 1 - i : i];
}

static int check_order(struct weir_process *process, enum weir_order order)
{
    if (order == WEIR_ASCENDING || order == WEIR_DESCENDING) return 0;
    return weir_error_set(process->node->call.error, WEIR_INVALID_ARGUMENT,
                          "the order is %d: WEIR_ASCENDING or WEIR_DESCENDING", (int)order);
}

/* ---- ranges of keys -------------------------------------------------------------------------- */

typedef int (*each_fn)(void *context, const void *key, const void *value);

static int give_keys(struct weir_process *process, int64_t index, const struct taken *taken,
                     enum weir_order order, each_fn each, void *context)
{
    const struct weir_serde *serde = process->config->store_keys[index];
    int rc = 0;
    for (size_t i = 0; i < taken->count && rc == 0; i++) {
        const struct taken_row *row = row_at(taken, order, i);
        const void *key;
        const void *value;
        rc = weir_rows_object(process->node, serde, true, row->key, &key);
        if (rc == 0) rc = weir_process_value_object(process, index, row->value, &value);
        if (rc == 0) rc = each(context, key, value);
    }
    return rc;
}

static int walk(struct weir_process *process, struct weir_store *store, int64_t index,
                const struct weir_slice bounds[2], enum weir_order order, each_fn each,
                void *context)
{
    struct taken taken = {
        .arena = weir_node_arena(process->node),
        .schema = weir_store_spec_schema(weir_store_spec(store)),
        .starts_to_ms = INT64_MAX,
    };
    int rc = weir_store_scan(store, bounds[0], bounds[1], take, &taken, process->node->call.error);
    return rc < 0 ? rc : give_keys(process, index, &taken, order, each, context);
}

int weir_store_walk(struct weir_process *process, struct weir_store *store, const void *from,
                    const void *to, enum weir_order order, each_fn each, void *context)
{
    int64_t index = weir_process_keyed_store(process, store);
    if (index < 0) return (int)index;
    const struct weir_serde *serde = process->config->store_keys[index];
    struct weir_slice bounds[2] = {weir_null(), weir_null()};
    int rc = check_order(process, order);
    if (rc == 0 && from != NULL) {
        rc = weir_process_store_bytes(process, serde, true, from, &bounds[0]);
    }
    if (rc == 0 && to != NULL) {
        rc = weir_process_store_bytes(process, serde, true, to, &bounds[1]);
    }
    return rc < 0 ? rc : walk(process, store, index, bounds, order, each, context);
}

struct prefixed {
    struct taken taken;
    struct weir_slice prefix;
};

/* Keys that begin so are neighbours: the first that does not is the end. */
static int take_prefixed(void *context, struct weir_slice key, struct weir_slice value,
                         int64_t timestamp_ms)
{
    struct prefixed *prefixed = context;
    const struct weir_slice prefix = prefixed->prefix;
    if (key.size < prefix.size || !weir_slice_equal(weir_slice(key.data, prefix.size), prefix)) {
        return WEIR_END;
    }
    return take(&prefixed->taken, key, value, timestamp_ms);
}

int weir_store_prefix(struct weir_process *process, struct weir_store *store,
                      struct weir_slice prefix, enum weir_order order, each_fn each, void *context)
{
    int64_t index = weir_process_keyed_store(process, store);
    if (index < 0) return (int)index;
    struct prefixed prefixed = {
        .taken = {.arena = weir_node_arena(process->node),
                  .schema = weir_store_spec_schema(weir_store_spec(store)),
                  .starts_to_ms = INT64_MAX},
        .prefix = weir_slice_is_null(prefix) ? weir_text("") : prefix,
    };
    int rc = check_order(process, order);
    if (rc == 0) {
        rc = weir_store_scan(store, prefixed.prefix, weir_null(), take_prefixed, &prefixed,
                             process->node->call.error);
    }
    return rc < 0 ? rc : give_keys(process, index, &prefixed.taken, order, each, context);
}

/* ---- stores of windows ----------------------------------------------------------------------- */

/* One store of the processor's, which has to be of windows, or of sessions. */
struct target {
    struct weir_process *process;
    struct weir_store *store;
    int64_t index;
    const struct weir_key_schema *schema;
    const struct weir_serde *record_serde;
};

static int find_target(struct weir_process *process, struct weir_store *store, bool is_session,
                       struct target *target)
{
    int64_t index = weir_process_store_index(process, store);
    if (index < 0) return (int)index;
    const struct weir_key_schema *schema = weir_store_spec_schema(weir_store_spec(store));
    *target = (struct target){
        .process = process,
        .store = store,
        .index = index,
        .schema = schema,
        .record_serde = process->config->store_records[index],
    };
    const bool fits =
        is_session ? schema == &weir_key_schema_session
                   : schema == &weir_key_schema_window || schema == &weir_key_schema_duplicates;
    if (fits && target->record_serde != NULL) return 0;
    return weir_error_set(process->node->call.error, WEIR_INVALID_ARGUMENT,
                          "the store '%s' has no %s: it is of another kind",
                          weir_store_spec(store)->name, is_session ? "sessions" : "windows");
}

static int check_time(const struct target *target, int64_t time_ms)
{
    if (time_ms >= 0) return 0;
    return weir_error_set(target->process->node->call.error, WEIR_INVALID_TIMESTAMP,
                          "the store '%s': a time of %lld ms, 0 or more is wanted",
                          weir_store_spec(target->store)->name, (long long)time_ms);
}

static int record_key(const struct target *target, const void *key, struct weir_slice *bytes_out)
{
    *bytes_out = weir_null();
    if (key == NULL) {
        return weir_error_set(target->process->node->call.error, WEIR_INVALID_ARGUMENT,
                              "the store '%s': the key is NULL: pass one",
                              weir_store_spec(target->store)->name);
    }
    return weir_process_store_bytes(target->process, target->record_serde, true, key, bytes_out);
}

static int put(const struct target *target, struct weir_slice key, int64_t time_ms,
               const void *value)
{
    struct weir_node *node = target->process->node;
    struct weir_slice bytes = weir_null();
    struct weir_store_entry *entry;
    int rc = 0;
    if (value != NULL) {
        const struct weir_serde *serde = target->process->config->store_values[target->index];
        rc = weir_process_store_bytes(target->process, serde, false, value, &bytes);
    }
    if (rc == 0) rc = weir_store_check_change(target->store, key, bytes, node->call.error);
    if (rc < 0) return rc;
    weir_store_advance(target->store, time_ms);
    if (weir_store_is_over(target->store, time_ms)) {
        weir_node_note_late(node, time_ms, 0);
        weir_node_dropped(node, WEIR_DROP_LATE, 1);
        return 0;
    }
    rc = weir_store_touch(target->store, &key, 1, &entry, node->call.error);
    if (rc < 0) return rc;
    return weir_store_set(target->store, entry, bytes, node->call.timestamp_ms, node->call.error);
}

int weir_window_store_put(struct weir_process *process, struct weir_store *store, const void *key,
                          int64_t start_ms, const void *value)
{
    struct target target;
    struct weir_slice record;
    int rc = find_target(process, store, false, &target);
    if (rc == 0) rc = check_time(&target, start_ms);
    if (rc == 0) rc = record_key(&target, key, &record);
    if (rc < 0) return rc;
    struct weir_node *node = process->node;
    const bool is_duplicate = target.schema == &weir_key_schema_duplicates;
    const size_t size =
        is_duplicate ? weir_duplicate_key_size(record) : weir_window_key_size(record);
    uint8_t *bytes = weir_arena_alloc(weir_node_arena(node), size);
    if (bytes == NULL) return WEIR_NO_MEMORY;
    if (!is_duplicate) {
        weir_window_key_write(bytes, record, start_ms);
    } else if (value == NULL) {
        return 0; /* which of them would it be */
    } else {
        node->number = (node->number + 1) & NUMBER_MASK;
        weir_duplicate_key_write(bytes, record, start_ms, (uint32_t)node->number);
    }
    return put(&target, weir_slice(bytes, size), start_ms, value);
}

int weir_session_store_put(struct weir_process *process, struct weir_store *store,
                           const struct weir_windowed_key *session, const void *value)
{
    struct target target;
    struct weir_slice record;
    int rc = find_target(process, store, true, &target);
    if (rc == 0) rc = record_key(&target, session != NULL ? session->key : NULL, &record);
    if (rc == 0) rc = check_time(&target, session->start_ms);
    if (rc < 0) return rc;
    struct weir_node *node = process->node;
    if (session->end_ms < session->start_ms) {
        return weir_error_set(
            node->call.error, WEIR_INVALID_ARGUMENT,
            "the store '%s': a session from %lld to %lld ms ends before it begins",
            weir_store_spec(store)->name, (long long)session->start_ms, (long long)session->end_ms);
    }
    const size_t size = weir_session_key_size(record);
    uint8_t *bytes = weir_arena_alloc(weir_node_arena(node), size);
    if (bytes == NULL) return WEIR_NO_MEMORY;
    weir_session_key_write(bytes, record, session->start_ms, session->end_ms);
    return put(&target, weir_slice(bytes, size), session->end_ms, value);
}

/* ---- what is found --------------------------------------------------------------------------- */

/* The record's key is that of a row with a number, too. */
static int window_of(const struct target *target, struct weir_slice key,
                     struct weir_windowed_key *window)
{
    const bool is_session = target->schema == &weir_key_schema_session;
    const struct weir_slice record = weir_key_schema_record_key(target->schema, key);
    const struct weir_slice times =
        weir_slice(key.data, record.size + (size_t)target->schema->times_size);
    *window = weir_windowed_key_of(is_session ? &weir_key_schema_session : &weir_key_schema_window,
                                   times, weir_store_spec(target->store)->window_size_ms);
    return weir_rows_object(target->process->node, target->record_serde, true, record,
                            &window->key);
}

static int give_windows(const struct target *target, const struct taken *taken,
                        enum weir_order order, weir_window_each_fn each, void *context)
{
    struct weir_arena *arena = weir_node_arena(target->process->node);
    int rc = 0;
    for (size_t i = 0; i < taken->count && rc == 0; i++) {
        const struct taken_row *row = row_at(taken, order, i);
        struct weir_windowed_key *window = weir_arena_alloc(arena, sizeof *window);
        const void *value;
        if (window == NULL) return WEIR_NO_MEMORY;
        rc = window_of(target, row->key, window);
        if (rc == 0) {
            rc = weir_process_value_object(target->process, target->index, row->value, &value);
        }
        if (rc == 0) rc = each(context, window, value);
    }
    return rc;
}

/* Rows whose time lies in [from_ms, to_ms], of one key or of all, in order of time. */
static int take_range(const struct target *target, const void *key, int64_t from_ms, int64_t to_ms,
                      struct taken *taken)
{
    struct weir_node *node = target->process->node;
    struct weir_slice record = weir_null();
    struct weir_key_range range;
    int rc = 0;
    if (from_ms < 0) from_ms = 0;
    if (key != NULL) rc = record_key(target, key, &record);
    if (rc < 0 || to_ms < from_ms) return rc;
    rc = weir_key_range_init(&range, target->schema, taken->arena, record, from_ms, to_ms);
    if (rc == 0) rc = weir_store_scan_range(target->store, &range, take, taken, node->call.error);
    if (rc == 0 && taken->count > 1) {
        qsort(taken->rows, taken->count, sizeof *taken->rows, by_time);
    }
    return rc;
}

static struct taken taken_of(const struct target *target, int64_t starts_to_ms)
{
    return (struct taken){
        .arena = weir_node_arena(target->process->node),
        .schema = target->schema,
        .starts_to_ms = starts_to_ms,
    };
}

int weir_window_store_fetch(struct weir_process *process, struct weir_store *store, const void *key,
                            int64_t from_ms, int64_t to_ms, enum weir_order order,
                            weir_window_each_fn each, void *context)
{
    struct target target;
    int rc = find_target(process, store, false, &target);
    if (rc == 0) rc = check_order(process, order);
    if (rc < 0) return rc;
    struct taken taken = taken_of(&target, INT64_MAX);
    rc = take_range(&target, key, from_ms, to_ms, &taken);
    return rc < 0 ? rc : give_windows(&target, &taken, order, each, context);
}

int weir_window_store_get(struct weir_process *process, struct weir_store *store, const void *key,
                          int64_t start_ms, const void **value_out)
{
    struct target target;
    int rc = find_target(process, store, false, &target);
    if (rc == 0) rc = check_time(&target, start_ms);
    struct taken taken = rc == 0 ? taken_of(&target, INT64_MAX) : (struct taken){0};
    struct weir_slice record;
    if (rc == 0) rc = record_key(&target, key, &record);
    if (rc == 0) rc = take_range(&target, key, start_ms, start_ms, &taken);
    if (rc < 0) return rc;
    const struct weir_slice value = taken.count > 0 ? taken.rows[0].value : weir_null();
    return weir_process_value_object(process, target.index, value, value_out);
}

int weir_session_store_find(struct weir_process *process, struct weir_store *store, const void *key,
                            int64_t ends_from_ms, int64_t starts_to_ms, enum weir_order order,
                            weir_window_each_fn each, void *context)
{
    struct target target;
    int rc = find_target(process, store, true, &target);
    if (rc == 0) rc = check_order(process, order);
    if (rc < 0) return rc;
    struct taken taken = taken_of(&target, starts_to_ms);
    rc = take_range(&target, key, ends_from_ms, INT64_MAX, &taken);
    return rc < 0 ? rc : give_windows(&target, &taken, order, each, context);
}
