#include "operators/slice_windows.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "runtime/state/key_schema.h"

void weir_slice_windows_init(struct weir_slice_windows *windows, struct weir_node *node)
{
    const struct weir_aggregate_config *config = node->plan->config;
    weir_assert(config->slice_ms > 0);
    weir_assert(config->window_size_ms % config->slice_ms == 0);
    weir_assert(config->window_advance_ms % config->slice_ms == 0);
    *windows = (struct weir_slice_windows){
        .node = node,
        .config = config,
        .slice_ms = config->slice_ms,
        .slices_per_window = (size_t)(config->window_size_ms / config->slice_ms),
        .slices_per_advance = (size_t)(config->window_advance_ms / config->slice_ms),
    };
    weir_arena_init(&windows->scratch, weir_node_budget(node), 0);
}

void weir_slice_windows_close(struct weir_slice_windows *windows)
{
    if (windows->scratch.budget != NULL) weir_arena_close(&windows->scratch);
    *windows = (struct weir_slice_windows){0};
}

/* ---- slices ---------------------------------------------------------------------------------- */

/* How many slices the windows have; none has come that begins behind the last record. */
static size_t count_slices(const struct weir_slice_windows *windows,
                           const struct weir_windows_of_key *asked)
{
    const size_t all =
        (asked->count - 1) * windows->slices_per_advance + windows->slices_per_window;
    const int64_t until_last_ms = windows->node->seen_ms - asked->first_ms;
    if (until_last_ms < 0) return 0;
    const uint64_t begun = (uint64_t)(until_last_ms / windows->slice_ms) + 1;
    return begun < all ? (size_t)begun : all;
}

static int touch(struct weir_slice_windows *windows, const struct weir_windows_of_key *asked,
                 size_t count, struct weir_store_entry **entries)
{
    struct weir_arena *scratch = &windows->scratch;
    const size_t size = weir_window_key_size(asked->record_key);
    struct weir_slice *keys = weir_arena_array(scratch, count, sizeof *keys);
    uint8_t *bytes = weir_arena_array(scratch, count, size);
    if (weir_arena_failed(scratch)) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        weir_window_key_write(bytes + i * size, asked->record_key,
                              asked->first_ms + (int64_t)i * windows->slice_ms);
        keys[i] = weir_slice(bytes + i * size, size);
    }
    struct weir_node *node = windows->node;
    return weir_store_touch(node->stores[0], keys, count, entries, node->call.error);
}

static void read_values(struct weir_store_entry *const *entries, size_t count, bool is_old,
                        struct weir_window_value *slices)
{
    for (size_t i = 0; i < count; i++) {
        const struct weir_store_entry *entry = entries[i];
        const bool is_kept = is_old && weir_store_is_unforwarded(entry);
        const uint8_t *bytes = is_kept ? entry->old_value : entry->value;
        slices[i] = (struct weir_window_value){
            .bytes = weir_slice(bytes, is_kept ? entry->old_size : entry->value_size),
            .timestamp_ms = is_kept ? entry->old_timestamp_ms : entry->timestamp_ms,
        };
        if (bytes == NULL) slices[i] = (struct weir_window_value){.timestamp_ms = -1};
    }
}

/* ---- merged ---------------------------------------------------------------------------------- */

static int merge(struct weir_row_fold *fold, const void *key, const struct weir_window_value *left,
                 const struct weir_window_value *right, struct weir_window_value *out)
{
    int rc = weir_fold_two(fold, key, left->bytes, right->bytes);
    if (rc < 0) return rc;
    *out = (struct weir_window_value){
        .bytes = fold->bytes,
        .timestamp_ms =
            left->timestamp_ms > right->timestamp_ms ? left->timestamp_ms : right->timestamp_ms,
    };
    return 0;
}

static int merge_run(struct weir_row_fold *fold, const void *key,
                     const struct weir_window_value *slices, size_t count,
                     struct weir_window_value *out)
{
    struct weir_window_value all = {.timestamp_ms = -1};
    int rc = 0;
    for (size_t i = 0; i < count && rc >= 0; i++) {
        rc = merge(fold, key, &all, &slices[i], &all);
    }
    *out = all;
    return rc;
}

/* From each slice to the end of its block, and from its block's beginning to it. */
static int merge_blocks(const struct weir_slice_windows *windows, struct weir_row_fold *fold,
                        const void *key, const struct weir_window_value *slices, size_t count,
                        struct weir_window_value *to_end, struct weir_window_value *from_begin)
{
    const size_t block = windows->slices_per_window;
    int rc = 0;
    for (size_t i = count; i-- > 0 && rc >= 0;) {
        to_end[i] = slices[i];
        if (i + 1 < count && (i + 1) % block != 0) {
            rc = merge(fold, key, &slices[i], &to_end[i + 1], &to_end[i]);
        }
    }
    for (size_t i = 0; i < count && rc >= 0; i++) {
        from_begin[i] = slices[i];
        if (i % block != 0) rc = merge(fold, key, &from_begin[i - 1], &slices[i], &from_begin[i]);
    }
    return rc;
}

static int merge_windows(struct weir_slice_windows *windows, struct weir_row_fold *fold,
                         const struct weir_windows_of_key *asked,
                         const struct weir_window_value *slices, size_t count,
                         struct weir_window_value *out)
{
    struct weir_arena *scratch = &windows->scratch;
    const size_t block = windows->slices_per_window;
    struct weir_window_value *to_end = weir_arena_array(scratch, count, sizeof *to_end);
    struct weir_window_value *from_begin = weir_arena_array(scratch, count, sizeof *from_begin);
    if (weir_arena_failed(scratch)) return WEIR_NO_MEMORY;
    int rc = merge_blocks(windows, fold, asked->key, slices, count, to_end, from_begin);
    for (size_t i = 0; i < asked->count && rc >= 0; i++) {
        const size_t from = i * windows->slices_per_advance;
        out[i] = (struct weir_window_value){.timestamp_ms = -1};
        if (from >= count) continue;
        const size_t last = from + block <= count ? from + block - 1 : count - 1;
        out[i] = to_end[from];
        if (from / block != last / block) {
            rc = merge(fold, asked->key, &to_end[from], &from_begin[last], &out[i]);
        }
    }
    return rc;
}

static int find(struct weir_slice_windows *windows, struct weir_row_fold *fold,
                const struct weir_windows_of_key *asked, const struct weir_window_value *slices,
                size_t count, struct weir_window_value *out)
{
    if (asked->count == 1) return merge_run(fold, asked->key, slices, count, out);
    return merge_windows(windows, fold, asked, slices, count, out);
}

int weir_slice_windows_find(struct weir_slice_windows *windows, struct weir_row_fold *fold,
                            const struct weir_windows_of_key *asked,
                            struct weir_window_value *values_out,
                            struct weir_window_value *olds_out)
{
    struct weir_arena *scratch = &windows->scratch;
    const size_t count = count_slices(windows, asked);
    weir_assert(asked->count > 0 && asked->first_ms >= 0);
    weir_arena_reset(scratch);
    for (size_t i = 0; count == 0 && i < asked->count; i++) {
        values_out[i] = (struct weir_window_value){.timestamp_ms = -1};
        if (olds_out != NULL) olds_out[i] = values_out[i];
    }
    if (count == 0) return 0;
    struct weir_store_entry **entries = weir_arena_array(scratch, count, sizeof(void *));
    struct weir_window_value *slices = weir_arena_array(scratch, count, sizeof *slices);
    if (weir_arena_failed(scratch)) return WEIR_NO_MEMORY;
    int rc = touch(windows, asked, count, entries);
    if (rc < 0) return rc;
    read_values(entries, count, false, slices);
    rc = find(windows, fold, asked, slices, count, values_out);
    if (rc < 0 || olds_out == NULL) return rc;
    read_values(entries, count, true, slices);
    return find(windows, fold, asked, slices, count, olds_out);
}
