#include "tests/unit/operators/stand.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/error.h"
#include "runtime/state/sim/backend_model.h"

/* ---- what comes out, as text ----------------------------------------------------------------- */

static void add_text(char text[STAND_TEXT_SIZE], const char *format, ...) WEIR_PRINTF(2, 3);
static void add_text(char text[STAND_TEXT_SIZE], const char *format, ...)
{
    size_t size = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    int added = vsnprintf(text + size, STAND_TEXT_SIZE - size, format, arguments);
    va_end(arguments);
    ck_assert(added >= 0 && size + (size_t)added < STAND_TEXT_SIZE);
}

static void add_slice(char *text, const struct weir_slice *slice)
{
    if (slice == NULL) {
        add_text(text, "-");
    } else {
        add_text(text, "%.*s", (int)slice->size, (const char *)slice->data);
    }
}

static void add_value(struct stand *stand, char *text, const void *object)
{
    if (object != NULL && stand->output == STAND_INTEGERS) {
        add_text(text, "%" PRId64, *(const int64_t *)object);
    } else {
        add_slice(text, object);
    }
}

static void add_key(struct stand *stand, char *text, const void *object)
{
    if (stand->plan.store_count > 0 && stand->specs[0].schema != NULL &&
        weir_key_schema_has_time(stand->specs[0].schema)) {
        const struct weir_windowed_key *key = object;
        add_text(text, "[");
        add_slice(text, key->key);
        add_text(text, " %" PRId64 "..%" PRId64 "]", key->start_ms, key->end_ms);
    } else {
        add_slice(text, object);
    }
}

static int catch_batch(struct weir_node *child, const struct weir_batch *batch)
{
    struct stand *stand = (struct stand *)child->task;
    size_t number = (size_t)(child - stand->children);
    ck_assert_uint_gt(batch->count, 0);
    if (stand->text[0] != '\0') add_text(stand->text, " | ");
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        if (i > 0) add_text(stand->text, " ");
        if (number > 0) add_text(stand->text, "%zu:", number);
        add_key(stand, stand->text, batch->keys[row]);
        add_text(stand->text, "=");
        add_value(stand, stand->text, batch->values[row]);
        if (batch->olds != NULL) {
            add_text(stand->text, "(");
            add_value(stand, stand->text, batch->olds[row]);
            add_text(stand->text, ")");
        }
        add_text(stand->text, "@%" PRId64, batch->timestamps[row]);
        if (batch->headers != NULL && batch->headers[row].count > 0) {
            add_text(stand->text, "#%zu", batch->headers[row].count);
        }
    }
    return 0;
}

static const struct weir_operator_ops catcher_ops = {.name = "catcher", .process = catch_batch};

void stand_expect(struct stand *stand, const char *text)
{
    ck_assert_str_eq(stand->text, text);
    stand->text[0] = '\0';
}

/* ---- the runtime's side of runtime/task/node.h ----------------------------------------------- */

static struct stand *stand_of(const struct weir_node *node)
{
    return (struct stand *)node->task;
}

int weir_node_forward_to(struct weir_node *node, size_t child, const struct weir_batch *batch)
{
    ck_assert_uint_lt(child, node->plan->child_count);
    return node->children[child]->plan->ops->process(node->children[child], batch);
}

int weir_node_forward(struct weir_node *node, const struct weir_batch *batch)
{
    for (size_t i = 0; i < node->plan->child_count; i++) {
        int rc = weir_node_forward_to(node, i, batch);
        if (rc < 0) return rc;
    }
    return 0;
}

struct weir_arena *weir_node_arena(struct weir_node *node)
{
    return &stand_of(node)->arena;
}

struct weir_scope *weir_node_scope(struct weir_node *node)
{
    return &stand_of(node)->scope;
}

struct weir_budget *weir_node_budget(struct weir_node *node)
{
    return &stand_of(node)->budget;
}

int weir_node_record_failed(struct weir_node *node, const struct weir_batch *batch, uint32_t row,
                            int rc)
{
    (void)batch;
    (void)row;
    stand_of(node)->failed++;
    return stand_of(node)->skips ? 0 : rc;
}

/* Where late records go is the task's: test_late.c of the DSL. */
int weir_node_send_late(struct weir_node *node, const struct weir_batch *batch, uint32_t row,
                        int64_t windows)
{
    ck_assert_ptr_nonnull(node);
    ck_assert_uint_lt(row, weir_batch_row_bound(batch));
    ck_assert_int_gt(windows, 0);
    return 0;
}

void weir_node_dropped(struct weir_node *node, enum weir_drop why, int64_t count)
{
    stand_of(node)->dropped[why] += count;
}

static struct weir_serde_call serde_call(struct weir_node *node, bool is_key)
{
    return (struct weir_serde_call){
        .topic = "topic",
        .is_key = is_key,
        .scope = &stand_of(node)->scope,
        .error = node->call.error,
    };
}

/* As the runtime tells them apart. */
static int serde_failure(struct weir_node *node)
{
    return weir_arena_failed(&stand_of(node)->arena) ? WEIR_NO_MEMORY : WEIR_SERDE;
}

int weir_node_serialize(struct weir_node *node, const struct weir_serde *serde, bool is_key,
                        const void *object, struct weir_slice *bytes_out)
{
    struct weir_serde_call call = serde_call(node, is_key);
    size_t done = serde->serialize(serde, &call, &object, 1, bytes_out);
    return done == 1 ? 0 : serde_failure(node);
}

int weir_node_deserialize(struct weir_node *node, const struct weir_serde *serde, bool is_key,
                          const struct weir_slice *bytes, size_t count, const void **objects_out)
{
    struct weir_serde_call call = serde_call(node, is_key);
    size_t done = serde->deserialize(serde, &call, bytes, count, objects_out);
    return done == count ? 0 : serde_failure(node);
}

/* Row by row; what cannot be written is left out. */
static int make_bytes(struct weir_node *node, const struct weir_batch *batch,
                      const struct weir_serde *serde, bool is_key, struct weir_batch *batch_out)
{
    struct weir_arena *arena = weir_node_arena(node);
    size_t bound = weir_batch_row_bound(batch);
    struct weir_slice *column = weir_arena_array(arena, bound, sizeof *column);
    uint32_t *rows = weir_arena_array(arena, batch->count, sizeof *rows);
    const void *const *objects = is_key ? batch->keys : batch->values;
    size_t kept = 0;
    if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        int rc = weir_node_serialize(node, serde, is_key, objects[row], &column[row]);
        if (rc == 0) {
            rows[kept++] = row;
        } else {
            rc = weir_node_record_failed(node, batch, row, rc);
        }
        if (rc < 0) return rc;
    }
    *batch_out = *batch;
    batch_out->rows = rows;
    batch_out->count = kept;
    if (is_key) {
        batch_out->key_bytes = column;
    } else {
        batch_out->value_bytes = column;
    }
    return 0;
}

int weir_node_key_bytes(struct weir_node *node, const struct weir_batch *batch,
                        const struct weir_serde *serde, struct weir_batch *batch_out)
{
    *batch_out = *batch;
    return batch->key_bytes != NULL ? 0 : make_bytes(node, batch, serde, true, batch_out);
}

int weir_node_value_bytes(struct weir_node *node, const struct weir_batch *batch,
                          const struct weir_serde *serde, struct weir_batch *batch_out)
{
    *batch_out = *batch;
    return batch->value_bytes != NULL ? 0 : make_bytes(node, batch, serde, false, batch_out);
}

int weir_node_send(struct weir_node *node, const struct weir_batch *batch)
{
    struct stand *stand = stand_of(node);
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        if (stand->sent[0] != '\0') add_text(stand->sent, " ");
        struct weir_slice key = batch->key_bytes[row];
        struct weir_slice value = batch->value_bytes[row];
        add_slice(stand->sent, key.data != NULL ? &key : NULL);
        add_text(stand->sent, "=");
        add_slice(stand->sent, value.data != NULL ? &value : NULL);
        add_text(stand->sent, "@%" PRId64, batch->timestamps[row]);
    }
    return 0;
}

int64_t weir_node_stream_time(const struct weir_node *node)
{
    return stand_of(node)->stream_time_ms;
}

int64_t weir_node_wall_ms(const struct weir_node *node)
{
    return stand_of(node)->wall_ms;
}

int64_t weir_node_emit_interval_ms(const struct weir_node *node)
{
    return stand_of(node)->emit_interval_ms;
}

bool weir_node_caches(const struct weir_node *node)
{
    return stand_of(node)->caches;
}

int weir_node_schedule(struct weir_node *node, enum weir_punctuation type, int64_t interval_ms,
                       weir_timer_fn fire, void *context)
{
    (void)type;
    (void)interval_ms;
    stand_of(node)->timer = fire;
    stand_of(node)->timer_context = context;
    return 0;
}

/* ---- setting up ------------------------------------------------------------------------------ */

static const struct weir_plan_node catcher_plan = {.name = "catcher", .ops = &catcher_ops};

void stand_init(struct stand *stand, const struct weir_operator_ops *ops, const void *config)
{
    *stand = (struct stand){.stream_time_ms = -1};
    stand->sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
    ck_assert_ptr_nonnull(stand->sim);
    stand->env = weir_sim_node(stand->sim, 0);
    weir_budget_init(&stand->budget, "stand", stand->env->heap, NULL, 0);
    weir_arena_init(&stand->arena, &stand->budget, 0);
    stand->scope = (struct weir_scope){.arena = &stand->arena};
    for (size_t i = 0; i < STAND_CHILDREN; i++) {
        stand->children[i].plan = &catcher_plan;
        stand->children[i].task = (struct weir_task *)stand;
        stand->child_pointers[i] = &stand->children[i];
    }
    for (size_t i = 0; i < STAND_STORES; i++) {
        stand->specs[i] = (struct weir_store_spec){
            .name = i == 0 ? "store" : "other",
            .kind = WEIR_STORE_MEMORY,
            .is_timestamped = true,
        };
    }
    stand->plan = (struct weir_plan_node){
        .name = "node",
        .kind = ops->kind,
        .ops = ops,
        .config = config,
        .child_count = 1,
        .topic = -1,
        .key_serde = WEIR_STRING,
        .value_serde = WEIR_STRING,
    };
}

static void open_node(struct stand *stand)
{
    struct weir_error error;
    const struct weir_operator_ops *ops = stand->plan.ops;
    if (ops->state_size > 0) {
        stand->node.state = weir_alloc_zero(&stand->budget, ops->state_size);
        ck_assert_ptr_nonnull(stand->node.state);
    }
    if (ops->open != NULL) ck_ok(ops->open(&stand->node, &error), &error);
    weir_arena_reset(&stand->arena);
}

void stand_open(struct stand *stand, size_t store_count)
{
    struct weir_error error;
    const struct weir_store_spec *specs[STAND_STORES];
    for (size_t i = 0; i < STAND_STORES; i++)
        specs[i] = &stand->specs[i];
    if (store_count > 0) {
        bool wiped;
        const struct weir_state_options options = {
            .backend = &weir_backend_model,
            .env = stand->env,
            .budget = &stand->budget,
            .path = "state",
            .specs = specs,
            .store_count = store_count,
            .cache_bytes_max = 1 << 20,
        };
        ck_ok(weir_state_open(&options, &stand->state, &wiped, &error), &error);
    }
    for (size_t i = 0; i < store_count; i++) {
        stand->store_pointers[i] = weir_state_store(stand->state, i);
    }
    stand->plan.store_count = store_count;
    stand->node = (struct weir_node){
        .plan = &stand->plan,
        .task = (struct weir_task *)stand,
        .children = stand->child_pointers,
        .stores = stand->store_pointers,
        .call = {.scope = &stand->scope, .error = &stand->record_error},
        .observed_ms = -1,
        .emitted_ms = -1,
    };
    open_node(stand);
}

static void close_node(struct stand *stand)
{
    if (stand->plan.ops->close != NULL) stand->plan.ops->close(&stand->node);
    weir_free(stand->node.state);
    stand->node.state = NULL;
}

void stand_reopen(struct stand *stand)
{
    close_node(stand);
    open_node(stand);
}

void stand_close(struct stand *stand)
{
    close_node(stand);
    if (stand->state != NULL) ck_ok(weir_state_close(stand->state, true, NULL), NULL);
    weir_arena_close(&stand->arena);
    ck_assert_uint_eq(atomic_load(&stand->budget.used), 0);
    weir_sim_free(stand->sim);
}

/* ---- driving --------------------------------------------------------------------------------- */

int stand_feed_selected(struct stand *stand, const struct row *rows, size_t count,
                        const uint32_t *selection, size_t selected)
{
    static const struct weir_header headers[4];
    static const struct weir_source_position source = {"in", 0};
    struct weir_slice slices[2][64];
    const void *objects[2][64];
    int64_t timestamps[64];
    int64_t offsets[64];
    struct weir_headers row_headers[64];
    ck_assert_uint_le(count, 64);
    for (size_t i = 0; i < count; i++) {
        slices[0][i] = weir_text(rows[i].key);
        slices[1][i] = weir_text(rows[i].value);
        objects[0][i] = rows[i].key != NULL ? &slices[0][i] : NULL;
        objects[1][i] = rows[i].value != NULL ? &slices[1][i] : NULL;
        timestamps[i] = rows[i].timestamp_ms;
        offsets[i] = (int64_t)i;
        row_headers[i] = (struct weir_headers){headers, i == 0 ? stand->header_count : 0};
    }
    const struct weir_batch batch = {
        .count = selected,
        .rows = selection,
        .keys = stand->plan.kind == WEIR_PLAN_SOURCE ? NULL : objects[0],
        .values = stand->plan.kind == WEIR_PLAN_SOURCE ? NULL : objects[1],
        .key_bytes = slices[0],
        .value_bytes = slices[1],
        .timestamps = timestamps,
        .headers = row_headers,
        .offsets = stand->feeds_no_origin ? NULL : offsets,
        .source = stand->feeds_no_origin ? NULL : &source,
    };
    int rc = stand->plan.ops->process(&stand->node, &batch);
    weir_arena_reset(&stand->arena);
    return rc;
}

int stand_feed(struct stand *stand, const struct row *rows, size_t count)
{
    return stand_feed_selected(stand, rows, count, NULL, count);
}

int stand_flush(struct stand *stand)
{
    int rc = stand->plan.ops->flush(&stand->node);
    weir_arena_reset(&stand->arena);
    return rc;
}

int stand_fire(struct stand *stand, int64_t time_ms)
{
    ck_assert_ptr_nonnull((void *)stand->timer_context);
    int rc = stand->timer(&stand->node, stand->timer_context, time_ms);
    weir_arena_reset(&stand->arena);
    return rc;
}

void stand_expect_stored(struct stand *stand, struct weir_slice key, const char *text)
{
    char stored[STAND_TEXT_SIZE] = "";
    struct weir_slice value;
    struct weir_error error;
    ck_ok(weir_store_get_many(stand->store_pointers[0], &key, 1, &value, NULL, &error), &error);
    if (value.data != NULL && stand->output == STAND_INTEGERS) {
        add_text(stored, "%" PRId64, (int64_t)weir_load_u64(value.data));
    } else {
        add_slice(stored, value.data != NULL ? &value : NULL);
    }
    ck_assert_str_eq(stored, text);
}
