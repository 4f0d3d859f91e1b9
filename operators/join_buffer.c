/* Rows of a left or outer join that have met nobody yet (KIP-633, J2 and J3). One store for both sides,
 * with Kafka Streams' bytes:
 *
 *     i64 time · u8 side (1: left) · record key  ->  u8 1 · i32 count · { i32 size · u8 side · value } ...
 *
 * so that rows lie in order of time, and those of one side, key and time in order of arrival. A match takes
 * out what waited under its key and time. A row goes on alone once its window, and the grace, has closed:
 *
 *          ├── t ──┬── after (left), before (right) ──┬── grace ──┤
 *                                                                  ^ larger stream time: it goes on
 *
 * It is looked for when a row moves stream time, from the oldest on, and no further than to the first row
 * on either side that is still open. Where the look ended is the *least time* that the next one has to wait
 * for. As in Kafka Streams that is the last row the look came to, not the first one that is open; with one
 * side only, the look comes to the end, so that rows go on in bursts of a window each.
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/saturate.h"
#include "operators/joining.h"

enum {
    SIDE_LEFT = 1,
    SIDE_RIGHT = 0,
    KEY_LEAD = 8 + 1,
    LIST_LEAD = 1 + 4,
    LIST_OF_SIZES = 1, /* each value has its size before it */
};

static struct weir_store *buffer_of(const struct weir_joining *joining)
{
    weir_assert_slow(joining->node->plan->store_count == 2);
    return joining->node->stores[1];
}

static struct weir_node *merge_of(const struct weir_joining *joining)
{
    weir_assert_slow(joining->node->plan->child_count == 1);
    return joining->node->children[0];
}

/* ---- the least time -------------------------------------------------------------------------- */

/* The merge's number is one more, and 0 for none, so that a job which never buffered has no mark. */
static int64_t least_time(const struct weir_node *merge)
{
    return merge->number > 0 ? merge->number - 1 : INT64_MAX;
}

static void set_least_time(struct weir_node *merge, int64_t time_ms)
{
    merge->number = time_ms < INT64_MAX ? time_ms + 1 : 0;
}

static int64_t closes_at(const struct weir_stream_join_config *config, int64_t time_ms,
                         bool is_right)
{
    int64_t span = (is_right ? config->before_ms : config->after_ms) + config->grace_ms;
    return weir_saturating_add(time_ms, span);
}

/* Without a row in the buffer a look would find nothing; that it was due counts all the same. */
static bool is_due(const struct weir_joining *joining)
{
    const struct weir_stream_join_config *config = joining->config;
    struct weir_node *merge = merge_of(joining);
    struct weir_join_tracker *tracker = merge->state;
    const int64_t least_ms = least_time(merge);
    const bool is_empty = least_ms == INT64_MAX;
    if (is_empty && closes_at(config, 0, config->is_right) <= 0) return false;
    if (!is_empty && closes_at(config, least_ms, config->is_right) >= merge->observed_ms) {
        return false;
    }
    if (config->emit_interval_ms == 0) return !is_empty;
    const int64_t now_ms = weir_node_wall_ms(joining->node);
    if (now_ms < tracker->next_emit_ms) return false;
    tracker->next_emit_ms = now_ms + config->emit_interval_ms;
    return !is_empty;
}

/* ---- the bytes ------------------------------------------------------------------------------- */

static struct weir_slice buffer_key(struct weir_arena *arena, int64_t time_ms, bool is_right,
                                    struct weir_slice key)
{
    uint8_t *bytes = weir_arena_alloc(arena, KEY_LEAD + key.size);
    if (bytes == NULL) return weir_null();
    weir_store_u64(bytes, (uint64_t)time_ms);
    bytes[sizeof(int64_t)] = is_right ? SIDE_RIGHT : SIDE_LEFT;
    weir_copy(bytes + KEY_LEAD, key.data, key.size);
    return weir_slice(bytes, KEY_LEAD + key.size);
}

/* A value as a list has it, with room for the list's lead in front: of one value the two are the list. */
static struct weir_slice list_of_one(struct weir_arena *arena, bool is_right,
                                     struct weir_slice value)
{
    const size_t size = LIST_LEAD + sizeof(int32_t) + 1 + value.size;
    uint8_t *bytes = value.size < INT32_MAX ? weir_arena_alloc(arena, size) : NULL;
    if (bytes == NULL) return weir_null();
    uint8_t *at = bytes + LIST_LEAD;
    bytes[0] = LIST_OF_SIZES;
    weir_store_u32(bytes + 1, 1);
    weir_store_u32(at, (uint32_t)value.size + 1);
    at[sizeof(int32_t)] = is_right ? SIDE_RIGHT : SIDE_LEFT;
    weir_copy(at + sizeof(int32_t) + 1, value.data, value.size);
    return weir_slice(bytes, size);
}

static int damaged(const struct weir_joining *joining, const char *what)
{
    return weir_error_set(joining->node->call.error, WEIR_CORRUPT, "store '%s': a %s is damaged",
                          weir_store_spec(buffer_of(joining))->name, what);
}

/* The next value of a list; 0 behind the last. */
static int list_next(const struct weir_joining *joining, struct weir_slice *list, bool is_right,
                     struct weir_slice *value_out)
{
    if (list->size == 0) return 0;
    if (list->size < sizeof(int32_t) + 1) return damaged(joining, "row");
    const uint32_t size = weir_load_u32(list->data);
    const uint8_t side = is_right ? SIDE_RIGHT : SIDE_LEFT;
    if (size < 1 || size > list->size - sizeof(int32_t)) return damaged(joining, "row");
    if (list->data[sizeof(int32_t)] != side) return damaged(joining, "row");
    *value_out = weir_slice(list->data + sizeof(int32_t) + 1, size - 1);
    *list = weir_slice(list->data + sizeof(int32_t) + size, list->size - sizeof(int32_t) - size);
    return 1;
}

/* ---- coming and going ------------------------------------------------------------------------ */

/* One more behind those that wait under the same time and key; `list` is it alone. */
static int list_add(struct weir_joining *joining, struct weir_store_entry *entry,
                    struct weir_slice list, int64_t timestamp_ms)
{
    uint8_t lead[LIST_LEAD] = {LIST_OF_SIZES};
    struct weir_error *error = joining->node->call.error;
    if (entry->value_size < LIST_LEAD) return damaged(joining, "row");
    if (entry->value_size + list.size > WEIR_JOIN_LIST_BYTES_MAX) {
        return weir_error_set(error, WEIR_TOO_LARGE,
                              "store '%s': the rows of one key and time that wait for a match take "
                              "more than %d bytes",
                              weir_store_spec(buffer_of(joining))->name, WEIR_JOIN_LIST_BYTES_MAX);
    }
    weir_store_u32(lead + 1, weir_load_u32(entry->value + 1) + 1);
    return weir_store_append(buffer_of(joining), entry, weir_slice(lead, sizeof lead),
                             weir_slice(list.data + LIST_LEAD, list.size - LIST_LEAD), timestamp_ms,
                             error);
}

int weir_join_buffer_add(struct weir_joining *joining, uint32_t row)
{
    const struct weir_stream_join_config *config = joining->config;
    const struct weir_batch *batch = joining->batch;
    struct weir_node *node = joining->node;
    struct weir_arena *arena = weir_node_arena(node);
    const int64_t timestamp_ms = batch->timestamps[row];
    struct weir_slice value;
    int rc = 0;
    if (batch->value_bytes != NULL) {
        value = batch->value_bytes[row];
    } else {
        const struct weir_serde *serde =
            config->is_right ? config->right_serde : config->left_serde;
        rc = weir_node_serialize(node, serde, false, batch->values[row], &value);
    }
    const struct weir_slice key =
        buffer_key(arena, timestamp_ms, config->is_right, batch->key_bytes[row]);
    if (rc == 0 && weir_slice_is_null(key)) rc = WEIR_NO_MEMORY;
    struct weir_store_entry *entry;
    if (rc == 0) rc = weir_store_touch(buffer_of(joining), &key, 1, &entry, node->call.error);
    if (rc < 0) return rc;
    const struct weir_slice list = list_of_one(arena, config->is_right, value);
    if (weir_slice_is_null(list)) return WEIR_NO_MEMORY;
    rc = entry->value == NULL
             ? weir_store_set(buffer_of(joining), entry, list, timestamp_ms, node->call.error)
             : list_add(joining, entry, list, timestamp_ms);
    if (rc < 0) return rc;
    struct weir_node *merge = merge_of(joining);
    struct weir_join_tracker *tracker = merge->state;
    if (timestamp_ms < least_time(merge)) set_least_time(merge, timestamp_ms);
    if (timestamp_ms < tracker->first_ms) tracker->first_ms = timestamp_ms;
    return 0;
}

int weir_join_buffer_remove(struct weir_joining *joining, uint32_t row, int64_t other_ms)
{
    const struct weir_batch *batch = joining->batch;
    if (least_time(merge_of(joining)) == INT64_MAX) return 0; /* it is empty */
    const struct weir_slice key = buffer_key(weir_node_arena(joining->node), other_ms,
                                             !joining->config->is_right, batch->key_bytes[row]);
    if (weir_slice_is_null(key)) return WEIR_NO_MEMORY;
    int rc = weir_store_delete(buffer_of(joining), key, batch->timestamps[row],
                               joining->node->call.error);
    return rc < 0 ? rc : 0;
}

/* ---- a look ---------------------------------------------------------------------------------- */

struct closed_row {
    struct weir_slice key; /* the buffer's */
    struct weir_slice list;
    struct closed_row *next;
};

struct look {
    struct weir_joining *joining;
    int64_t least_ms;
    int64_t first_open_ms;
    bool is_left_open;
    bool is_right_open;
    struct closed_row *first;
    struct closed_row **end;
};

static bool is_right_key(struct weir_slice key)
{
    return key.data[sizeof(int64_t)] == SIDE_RIGHT;
}

/* Gather closed rows: the store must not change while it is walked. */
static int look_at(void *context, struct weir_slice key, struct weir_slice value,
                   int64_t timestamp_ms)
{
    struct look *look = context;
    (void)timestamp_ms;
    if (key.size < KEY_LEAD || value.size < LIST_LEAD || value.data[0] != LIST_OF_SIZES) {
        return damaged(look->joining, "row");
    }
    const int64_t time_ms = (int64_t)weir_load_u64(key.data);
    const bool is_right = is_right_key(key);
    look->least_ms = time_ms;
    if (look->is_left_open && look->is_right_open) return WEIR_END;
    if (closes_at(look->joining->config, time_ms, is_right) >=
        merge_of(look->joining)->observed_ms) {
        *(is_right ? &look->is_right_open : &look->is_left_open) = true;
        if (time_ms < look->first_open_ms) look->first_open_ms = time_ms;
        return 0;
    }
    struct weir_arena *arena = weir_node_arena(look->joining->node);
    struct closed_row *closed = weir_arena_alloc(arena, sizeof *closed);
    key = weir_arena_copy(arena, key);
    value = weir_arena_copy(arena, value);
    if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
    *closed = (struct closed_row){.key = key, .list = value};
    *look->end = closed;
    look->end = &closed->next;
    return 0;
}

/* A buffered row alone. If the joiner fails, it is this row that has failed, and not the one at hand: the
 * handler is given its key, value and time, which is all that was kept of it. Objects may be the slices
 * themselves, which live as long as the results. */
static int emit_one(struct weir_joining *joining, uint32_t origin, const struct weir_slice *key,
                    int64_t time_ms, bool is_right, const struct weir_slice *value)
{
    const struct weir_stream_join_config *config = joining->config;
    const struct weir_serde *serde = is_right ? config->right_serde : config->left_serde;
    struct weir_node *node = joining->node;
    const void *key_object;
    const void *object;
    int rc = weir_node_deserialize(node, config->key_serde, true, key, 1, &key_object);
    if (rc >= 0) rc = weir_node_deserialize(node, serde, false, value, 1, &object);
    if (rc < 0) return rc;
    const struct weir_join_pair pair = {
        .key = key_object,
        .key_bytes = *key,
        .left = is_right ? NULL : object,
        .right = is_right ? object : NULL,
        .timestamp_ms = time_ms,
    };
    node->call.timestamp_ms = time_ms;
    rc = weir_joining_add(joining, origin, &pair);
    if (rc >= 0) return rc;
    const struct weir_batch failed = {
        .count = 1, .key_bytes = key, .value_bytes = value, .timestamps = &time_ms};
    return weir_node_record_failed(node, &failed, 0, rc);
}

static int emit_list(struct weir_joining *joining, uint32_t origin, const struct closed_row *closed)
{
    const int64_t time_ms = (int64_t)weir_load_u64(closed->key.data);
    const bool is_right = is_right_key(closed->key);
    struct weir_arena *arena = weir_node_arena(joining->node);
    struct weir_slice list =
        weir_slice(closed->list.data + LIST_LEAD, closed->list.size - LIST_LEAD);
    for (;;) {
        struct weir_slice *parts = weir_arena_array(arena, 2, sizeof *parts);
        if (parts == NULL) return WEIR_NO_MEMORY;
        parts[0] = weir_slice(closed->key.data + KEY_LEAD, closed->key.size - KEY_LEAD);
        int rc = list_next(joining, &list, is_right, &parts[1]);
        if (rc <= 0) return rc;
        rc = emit_one(joining, origin, &parts[0], time_ms, is_right, &parts[1]);
        if (rc < 0) return rc;
    }
}

int weir_join_buffer_emit(struct weir_joining *joining, uint32_t row)
{
    if (!is_due(joining)) return 0;
    struct weir_node *node = joining->node;
    struct weir_join_tracker *tracker = merge_of(joining)->state;
    struct look look = {.joining = joining, .least_ms = INT64_MAX, .first_open_ms = INT64_MAX};
    look.end = &look.first;
    int rc = weir_store_scan(buffer_of(joining), weir_null(), weir_null(), look_at, &look,
                             node->call.error);
    if (rc < 0) return rc;
    set_least_time(merge_of(joining), look.least_ms);
    tracker->first_ms = look.first_open_ms;
    for (const struct closed_row *closed = look.first; closed != NULL; closed = closed->next) {
        rc = emit_list(joining, row, closed);
        if (rc >= 0) {
            rc = weir_store_delete(buffer_of(joining), closed->key, joining->batch->timestamps[row],
                                   node->call.error);
        }
        if (rc < 0) return rc;
    }
    return 0;
}

static int take_first(void *context, struct weir_slice key, struct weir_slice value,
                      int64_t timestamp_ms)
{
    (void)value, (void)timestamp_ms;
    if (key.size >= KEY_LEAD) *(int64_t *)context = (int64_t)weir_load_u64(key.data);
    return WEIR_END;
}

int weir_join_buffer_open(struct weir_node *node, struct weir_error *error)
{
    struct weir_join_tracker *tracker = node->children[0]->state;
    weir_assert(node->plan->store_count == 2 && node->plan->child_count == 1);
    tracker->first_ms = INT64_MAX;
    int rc = weir_store_scan(node->stores[1], weir_null(), weir_null(), take_first,
                             &tracker->first_ms, error);
    return rc < 0 ? rc : 0;
}
