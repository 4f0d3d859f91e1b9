/* process: a user's function with state and timers of its own.
 *
 * What it forwards is gathered and handed on when its batch is done, unless paths from here meet
 * again (the plan says record by record): then each forward goes all the way at once, so that the
 * processor finds below what record-at-a-time processing would have left there. */
#include "operators/process.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "operators/versioned.h"
#include "runtime/state/key_schema.h"

/* ---- records and timers ---------------------------------------------------------------------- */

static void begin(struct weir_process *process)
{
    weir_rows_init(&process->rows, weir_node_arena(process->node), false, false);
    weir_object_check_init(&process->check, process->node);
    process->refusal.code = 0;
    process->rc = 0;
}

/* What the user's function returned, or that it gave an object of the wrong kind and went on. */
static int end_call(struct weir_process *process, int rc)
{
    if (process->refusal.code == 0) return rc;
    if (rc >= 0) {
        *process->node->call.error = process->refusal;
        rc = process->refusal.code;
    }
    process->refusal.code = 0;
    return rc;
}

/* An object that is handed over: the first wrong one is remembered. */
static int check_object(struct weir_process *process, const struct weir_object_side *side,
                        const void *object)
{
    int rc = weir_object_check_one(&process->check, side, object);
    if (rc < 0 && process->refusal.code == 0) process->refusal = *process->check.error;
    return rc;
}

static int call_user(struct weir_process *process, const struct weir_batch *batch, uint32_t row)
{
    const struct weir_processor *processor = &process->config->processor;
    struct weir_node *node = process->node;
    weir_assert(process->batch == NULL); /* one record at a time */
    process->batch = batch;
    process->row = row;
    weir_node_call_row(node, batch, row);
    if (process->has_lives) {
        weir_node_observe(node, batch->timestamps[row]);
        weir_node_advance_lives(node);
    }
    node->call.context = processor->context;
    weir_object_check_row(&process->check, batch->keys[row], batch->values[row]);
    int rc = processor->process(process, process->user, &node->call, batch->keys[row],
                                batch->values[row]);
    process->batch = NULL;
    return end_call(process, rc);
}

static int process_batch(struct weir_node *node, const struct weir_batch *batch)
{
    struct weir_process *process = node->state;
    begin(process);
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        int rc = call_user(process, batch, row);
        if (process->rc < 0) return process->rc;
        if (process->rows.failed) return WEIR_NO_MEMORY;
        /* What was forwarded before the failure is on its way, as it would be record by record. */
        if (rc < 0) rc = weir_node_record_failed(node, batch, row, rc);
        if (rc < 0) return rc;
    }
    return weir_rows_forward(&process->rows, node);
}

static int fire(struct weir_node *node, void *context, int64_t time_ms)
{
    struct weir_process *process = node->state;
    weir_punctuate_fn *punctuate = context;
    weir_assert(punctuate >= process->timers);
    weir_assert(punctuate < process->timers + process->timer_count);
    begin(process);
    if (process->has_lives) weir_node_advance_lives(node);
    node->call.context = process->config->processor.context;
    weir_node_call_no_row(node, time_ms);
    int rc = (*punctuate)(process, process->user, &node->call, time_ms);
    rc = end_call(process, rc);
    if (process->rc < 0) return process->rc;
    if (process->rows.failed) return WEIR_NO_MEMORY;
    if (rc < 0) { /* as a record that fails: without key, value and place, of the timer's time */
        const struct weir_batch none = {.count = 1, .timestamps = &time_ms};
        rc = weir_node_record_failed(node, &none, 0, rc);
    }
    if (rc < 0) return rc;
    return weir_rows_forward(&process->rows, node);
}

/* ---- what a processor may call --------------------------------------------------------------- */

int weir_process_forward(struct weir_process *process, const void *key, const void *value,
                         int64_t timestamp_ms)
{
    if (process == NULL) return WEIR_INVALID_ARGUMENT;
    struct weir_node *node = process->node;
    const struct weir_batch *batch = process->batch;
    if (process->is_opening) {
        return weir_error_set(node->call.error, WEIR_INVALID_ARGUMENT,
                              "'%s' forwards in its init: wait for a record or a timer",
                              node->plan->name);
    }
    const bool keeps_key = !node->plan->ops->traits.is_key_changing;
    if (keeps_key && batch != NULL && key != batch->keys[process->row]) {
        return weir_error_set(node->call.error, WEIR_INVALID_ARGUMENT,
                              "'%s' keeps its keys: forward the record's own, or use weir_process",
                              node->plan->name);
    }
    if (timestamp_ms < -1) {
        return weir_error_set(node->call.error, WEIR_INVALID_TIMESTAMP,
                              "'%s' forwards a record with timestamp %" PRId64
                              "; 0 or more is wanted, or -1 for that of the record at hand",
                              node->plan->name, timestamp_ms);
    }
    int rc = check_object(process, &process->check.key, key);
    if (rc == 0) rc = check_object(process, &process->check.value, value);
    if (rc < 0) return rc;
    int64_t row = weir_rows_add(&process->rows);
    if (row < 0) return WEIR_NO_MEMORY;
    struct weir_rows *rows = &process->rows;
    rows->keys[row] = key;
    rows->values[row] = value;
    rows->timestamps[row] = timestamp_ms >= 0 ? timestamp_ms : node->call.timestamp_ms;
    if (batch != NULL) weir_rows_set_origin(rows, row, batch, process->row);
    if (!weir_node_is_record_by_record(node)) return 0;
    process->rc = weir_rows_forward(rows, node);
    return process->rc;
}

int weir_process_schedule(struct weir_process *process, enum weir_punctuation type,
                          int64_t interval_ms, weir_punctuate_fn punctuate)
{
    if (process == NULL) return WEIR_INVALID_ARGUMENT;
    if (interval_ms <= 0 || punctuate == NULL) {
        return weir_error_set(process->node->call.error, WEIR_INVALID_ARGUMENT,
                              "schedule in '%s': an interval of %lld ms; at least 1 is needed",
                              process->node->plan->name, (long long)interval_ms);
    }
    if (type != WEIR_PUNCTUATE_STREAM_TIME && type != WEIR_PUNCTUATE_WALL_CLOCK) {
        return weir_error_set(process->node->call.error, WEIR_INVALID_ARGUMENT,
                              "schedule in '%s': type is %d: WEIR_PUNCTUATE_STREAM_TIME or "
                              "WEIR_PUNCTUATE_WALL_CLOCK",
                              process->node->plan->name, (int)type);
    }
    if (process->timer_count == WEIR_PROCESS_TIMERS_MAX) {
        return weir_error_set(process->node->call.error, WEIR_LIMIT, "'%s' has %d timers already",
                              process->node->plan->name, WEIR_PROCESS_TIMERS_MAX);
    }
    weir_punctuate_fn *timer = &process->timers[process->timer_count];
    *timer = punctuate;
    int rc = weir_node_schedule(process->node, type, interval_ms, fire, timer);
    if (rc == 0) process->timer_count += 1;
    return rc;
}

int64_t weir_process_stream_time(const struct weir_process *process)
{
    return process != NULL ? weir_node_stream_time(process->node) : -1;
}

struct weir_store *weir_process_store(struct weir_process *process, const char *name)
{
    if (process == NULL || name == NULL) return NULL;
    for (size_t i = 0; i < process->config->store_count; i++) {
        if (strcmp(process->config->store_names[i], name) == 0) return process->node->stores[i];
    }
    return NULL;
}

/* ---- stores by object ------------------------------------------------------------------------ */

/* Which of the node's stores this is. */
int64_t weir_process_store_index(const struct weir_process *process, const struct weir_store *store)
{
    if (process == NULL) return WEIR_INVALID_ARGUMENT;
    for (size_t i = 0; i < process->config->store_count; i++) {
        if (process->node->stores[i] == store) return (int64_t)i;
    }
    return weir_error_set(process->node->call.error, WEIR_INVALID_ARGUMENT,
                          "a store that '%s' is not connected to: name it in weir_processor.stores",
                          process->node->plan->name);
}

/* The same, of a call for stores that keep versions, or for those that do not. */
static int64_t index_for(const struct weir_process *process, const struct weir_store *store,
                         bool is_versioned)
{
    int64_t index = weir_process_store_index(process, store);
    if (index < 0 || weir_store_keeps_versions(store) == is_versioned) return index;
    return weir_error_set(process->node->call.error, WEIR_INVALID_ARGUMENT,
                          is_versioned
                              ? "the store '%s' is not versioned: weir_store_get, weir_store_put"
                              : "the store '%s' is versioned: weir_store_get_as_of, "
                                "weir_store_put_as_of",
                          weir_store_spec(store)->name);
}

int64_t weir_process_keyed_store(const struct weir_process *process, const struct weir_store *store)
{
    int64_t index = index_for(process, store, false);
    if (index < 0) return index;
    if (weir_store_spec_schema(weir_store_spec(store))->number_size == 0) return index;
    return weir_error_set(process->node->call.error, WEIR_INVALID_ARGUMENT,
                          "the store '%s' keeps duplicates, which a key does not name: use "
                          "weir_window_store_put and weir_window_store_fetch",
                          weir_store_spec(store)->name);
}

/* Bytes of an object that was given as key or value of a store. */
int weir_process_store_bytes(struct weir_process *process, const struct weir_serde *serde,
                             bool is_key, const void *object, struct weir_slice *bytes_out)
{
    const struct weir_object_side side = weir_object_side(weir_serde_layout(serde), serde->name,
                                                          is_key ? "store's key" : "store's value");
    int rc = check_object(process, &side, object);
    return rc < 0 ? rc : weir_node_serialize(process->node, serde, is_key, object, bytes_out);
}

static bool copies_bytes(const struct weir_process *process, int64_t index)
{
    return index < 64 && (process->copying >> index & 1) != 0;
}

/* The object of a store's value. Bytes that it may point into are copied first. */
int weir_process_value_object(struct weir_process *process, int64_t index, struct weir_slice value,
                              const void **value_out)
{
    const struct weir_serde *serde = process->config->store_values[index];
    if (weir_slice_is_null(value) || !copies_bytes(process, index)) {
        return weir_rows_object(process->node, serde, false, value, value_out);
    }
    return weir_node_deserialize(process->node, serde, false, &value, 1, value_out);
}

int weir_store_get(struct weir_process *process, struct weir_store *store, const void *key,
                   const void **value_out)
{
    int64_t index = weir_process_keyed_store(process, store);
    if (index < 0) return (int)index;
    struct weir_slice key_bytes;
    struct weir_slice value;
    int64_t timestamp_ms;
    int rc = weir_process_store_bytes(process, process->config->store_keys[index], true, key,
                                      &key_bytes);
    if (rc == 0) {
        rc = weir_store_get_many(store, &key_bytes, 1, &value, &timestamp_ms,
                                 process->node->call.error);
    }
    if (rc == 0 && weir_store_is_row_over(store, timestamp_ms)) value = weir_null();
    return rc < 0 ? rc : weir_process_value_object(process, index, value, value_out);
}

int weir_store_put(struct weir_process *process, struct weir_store *store, const void *key,
                   const void *value)
{
    int64_t index = weir_process_keyed_store(process, store);
    if (index < 0) return (int)index;
    struct weir_node *node = process->node;
    struct weir_slice key_bytes;
    struct weir_slice value_bytes = weir_null();
    int rc = weir_process_store_bytes(process, process->config->store_keys[index], true, key,
                                      &key_bytes);
    if (rc == 0 && value != NULL) {
        rc = weir_process_store_bytes(process, process->config->store_values[index], false, value,
                                      &value_bytes);
    }
    if (rc < 0) return rc;
    struct weir_store_entry *entry;
    rc = weir_store_touch(store, &key_bytes, 1, &entry, node->call.error);
    if (rc < 0) return rc;
    return weir_store_set(store, entry, value_bytes, node->call.timestamp_ms, node->call.error);
}

int weir_store_get_as_of(struct weir_process *process, struct weir_store *store, const void *key,
                         int64_t as_of_ms, const void **value_out, int64_t *from_ms_out)
{
    int64_t index = index_for(process, store, true);
    if (index < 0) return (int)index;
    struct weir_node *node = process->node;
    struct weir_slice key_bytes;
    struct weir_version version;
    int rc = weir_process_store_bytes(process, process->config->store_keys[index], true, key,
                                      &key_bytes);
    weir_versions_advance(node, store);
    if (rc == 0) {
        rc = weir_store_get_version(store, key_bytes, as_of_ms, &version, node->call.error);
    }
    if (rc < 0) return rc;
    if (from_ms_out != NULL) {
        *from_ms_out = weir_slice_is_null(version.value) ? -1 : version.from_ms;
    }
    return value_out != NULL ? weir_process_value_object(process, index, version.value, value_out)
                             : 0;
}

int weir_store_put_as_of(struct weir_process *process, struct weir_store *store, const void *key,
                         const void *value, int64_t timestamp_ms, int64_t *to_ms_out)
{
    int64_t index = index_for(process, store, true);
    if (index < 0) return (int)index;
    struct weir_slice key_bytes;
    struct weir_slice value_bytes = weir_null();
    int64_t to_ms;
    int rc = weir_process_store_bytes(process, process->config->store_keys[index], true, key,
                                      &key_bytes);
    if (rc == 0 && value != NULL) {
        rc = weir_process_store_bytes(process, process->config->store_values[index], false, value,
                                      &value_bytes);
    }
    if (rc == 0) {
        rc = weir_versions_put(process->node, store, key_bytes, value_bytes, timestamp_ms, &to_ms);
    }
    if (rc < 0) return rc;
    if (to_ms_out != NULL) *to_ms_out = rc > 0 ? to_ms : WEIR_STORE_NOT_PUT;
    return 0;
}

struct walk {
    struct weir_process *process;
    struct weir_store *store;
    int64_t index;
    int (*each)(void *context, const void *key, const void *value);
    void *context;
};

static int walk_entry(void *opaque, struct weir_slice key, struct weir_slice value,
                      int64_t timestamp_ms)
{
    struct walk *walk = opaque;
    const struct weir_process_config *config = walk->process->config;
    const void *key_object;
    const void *object;
    struct weir_node *node = walk->process->node;
    if (weir_store_is_row_over(walk->store, timestamp_ms)) return 0;
    weir_assert_slow(walk->index >= 0 && (size_t)walk->index < config->store_count);
    int rc = weir_rows_object(node, config->store_keys[walk->index], true, key, &key_object);
    if (rc == 0) rc = weir_process_value_object(walk->process, walk->index, value, &object);
    return rc < 0 ? rc : walk->each(walk->context, key_object, object);
}

int weir_store_range(struct weir_process *process, struct weir_store *store, const void *from,
                     const void *to, int (*each)(void *context, const void *key, const void *value),
                     void *context)
{
    int64_t index = weir_process_keyed_store(process, store);
    if (index < 0) return (int)index;
    const struct weir_serde *serde = process->config->store_keys[index];
    struct weir_slice bounds[2] = {weir_null(), weir_null()};
    int rc = 0;
    if (from != NULL) rc = weir_process_store_bytes(process, serde, true, from, &bounds[0]);
    if (rc == 0 && to != NULL) rc = weir_process_store_bytes(process, serde, true, to, &bounds[1]);
    if (rc < 0) return rc;
    struct walk walk = {process, store, index, each, context};
    return weir_store_scan(store, bounds[0], bounds[1], walk_entry, &walk,
                           process->node->call.error);
}

/* ---- the node -------------------------------------------------------------------------------- */

static int open_process(struct weir_node *node, struct weir_error *error)
{
    struct weir_process *process = node->state;
    process->node = node;
    process->config = node->plan->config;
    process->has_lives = weir_node_has_lives(node);
    for (size_t i = 0; i < process->config->store_count && i < 64; i++) {
        bool copies = weir_serde_copies_bytes(process->config->store_values[i]);
        process->copying |= (uint64_t)copies << i;
    }
    const struct weir_processor *processor = &process->config->processor;
    weir_assert(process->config->store_count == node->plan->store_count);
    if (processor->state_size > 0) {
        process->user = weir_alloc_zero(weir_node_arena(node)->budget, processor->state_size);
        if (process->user == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "processor state");
    }
    int rc = weir_process_open_times(node, error);
    if (rc < 0 || processor->init == NULL) return rc;
    begin(process);
    weir_node_call_no_row(node, 0);
    node->call.context = processor->context;
    process->is_opening = true;
    rc = end_call(process, processor->init(process, process->user, &node->call));
    process->is_opening = false;
    if (rc < 0 && error != NULL && node->call.error != error) *error = *node->call.error;
    return rc;
}

static void close_process(struct weir_node *node)
{
    struct weir_process *process = node->state;
    if (process->config == NULL) return; /* never opened */
    weir_assert(process->batch == NULL);
    if (process->config->processor.close != NULL) {
        process->config->processor.close(process, process->user);
    }
    weir_free(process->user);
    process->user = NULL;
}

const struct weir_operator_ops weir_process_ops = {
    .name = "process",
    .traits =
        {
            .is_key_changing = true,
            .is_value_changing = true,
            .makes_rows = true,
            .store_use = WEIR_CHANGES_STORES,
            .has_timers = true,
        },
    .state_size = sizeof(struct weir_process),
    .open = open_process,
    .process = process_batch,
    .close = close_process,
};

const struct weir_operator_ops weir_process_values_ops = {
    .name = "process", /* as above: commits call its marks by it (task/mark_names.c) */
    .traits =
        {
            .is_value_changing = true,
            .makes_rows = true,
            .store_use = WEIR_CHANGES_STORES,
            .has_timers = true,
        },
    .state_size = sizeof(struct weir_process),
    .open = open_process,
    .process = process_batch,
    .close = close_process,
};
