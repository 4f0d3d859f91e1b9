/* How a table is kept: a user's options, checked, and the store that they describe. */
#include "base/assert.h"
#include "base/options.h"
#include "base/saturate.h"
#include "dsl/logical.h"
#include "runtime/state/key_schema.h"

static int take_options(struct weir_builder *builder, const char *node,
                        const struct weir_materialized *from, struct weir_materialized *to)
{
    struct weir_error why = {0};
    int rc = weir_options_take(to, sizeof *to, from, "WEIR_MATERIALIZED_INIT, or use WEIR_STORE(…)",
                               &why);
    return rc < 0 ? weir_builder_fail(builder, node, "the store's %s", why.text) : 0;
}

static int check_retention(struct weir_builder *builder, const char *node, int64_t retention_ms,
                           struct weir_logical_window window)
{
    if (retention_ms == 0) return 0;
    if (window.kind == WEIR_WINDOW_NONE) {
        return weir_builder_fail(builder, node,
                                 "retention_ms is %lld, but the table is not windowed: leave it 0",
                                 (long long)retention_ms);
    }
    if (retention_ms < weir_window_retention(&window)) {
        return weir_builder_fail(
            builder, node,
            "retention_ms is %lld, less than the time in which a window changes: "
            "at least %lld, or 0 for just that",
            (long long)retention_ms, (long long)weir_window_retention(&window));
    }
    return 0;
}

static int check_ttl(struct weir_builder *builder, const char *node, int64_t ttl_ms,
                     struct weir_logical_window window)
{
    if (ttl_ms == 0) return 0;
    if (ttl_ms < 0) {
        return weir_builder_fail(builder, node,
                                 "ttl_ms is %lld: more than 0, or 0 for rows that stay",
                                 (long long)ttl_ms);
    }
    if (window.kind == WEIR_WINDOW_NONE) return 0;
    return weir_builder_fail(builder, node,
                             "ttl_ms is %lld, but the table is windowed: retention_ms says how "
                             "long its windows are kept",
                             (long long)ttl_ms);
}

static int check_layout(struct weir_builder *builder, const char *node,
                        enum weir_window_layout layout, struct weir_logical_window window)
{
    if (layout == WEIR_LAYOUT_ROWS) return 0;
    if (layout != WEIR_LAYOUT_SLICES) {
        return weir_builder_fail(
            builder, node, "layout is %d: WEIR_LAYOUT_ROWS or WEIR_LAYOUT_SLICES", (int)layout);
    }
    if (window.kind != WEIR_WINDOW_TIME || window.advance_ms == window.size_ms) {
        return weir_builder_fail(builder, node,
                                 "slices are for time windows that overlap: keep rows");
    }
    if (window.size_ms / weir_window_slice(&window) > WEIR_WINDOWS_PER_RECORD_MAX) {
        return weir_builder_fail(
            builder, node,
            "a window of %lld ms would be of slices of %lld: at most %d of them, choose a size and "
            "an advance that have more in common",
            (long long)window.size_ms, (long long)weir_window_slice(&window),
            (int)WEIR_WINDOWS_PER_RECORD_MAX);
    }
    return 0;
}

static int check_history(struct weir_builder *builder, const char *node,
                         const struct weir_materialized *read, struct weir_logical_window window)
{
    if (!read->is_versioned) {
        if (read->history_ms == 0) return 0;
        return weir_builder_fail(
            builder, node, "history_ms is %lld, but the store is not versioned: say is_versioned",
            (long long)read->history_ms);
    }
    if (read->ttl_ms != 0) {
        return weir_builder_fail(builder, node,
                                 "ttl_ms is %lld, but the store is versioned: history_ms says how "
                                 "long a version is kept",
                                 (long long)read->ttl_ms);
    }
    if (read->history_ms < 0) {
        return weir_builder_fail(builder, node, "history_ms is %lld: 0 or more",
                                 (long long)read->history_ms);
    }
    if (window.kind == WEIR_WINDOW_NONE) return 0;
    return weir_builder_fail(builder, node,
                             "the table is windowed, and keeps each window's last value only: "
                             "leave is_versioned out");
}

int weir_materialized_read(struct weir_builder *builder, const char *node,
                           const struct weir_materialized *materialized,
                           struct weir_logical_window window, struct weir_materialized *read_out)
{
    struct weir_materialized read;
    int rc = take_options(builder, node, materialized, &read);
    if (rc == 0 && read.name != NULL)
        rc = weir_name_check(builder, node, "store's name", read.name);
    if (rc == 0) rc = weir_builder_check_store_kind(builder, node, read.store);
    if (rc == 0 && read.cache != WEIR_CACHE_DEFAULT && read.cache != WEIR_CACHE_OFF) {
        rc = weir_builder_fail(builder, node, "cache is %d: WEIR_CACHE_DEFAULT or WEIR_CACHE_OFF",
                               (int)read.cache);
    }
    if (rc == 0) rc = check_retention(builder, node, read.retention_ms, window);
    if (rc == 0) rc = check_ttl(builder, node, read.ttl_ms, window);
    if (rc == 0) rc = check_layout(builder, node, read.layout, window);
    if (rc == 0) rc = check_history(builder, node, &read, window);
    if (rc < 0) return rc;
    *read_out = read;
    return 0;
}

struct weir_logical_store weir_materialized_store(const struct weir_materialized *materialized,
                                                  const char *auto_name,
                                                  struct weir_logical_window window)
{
    weir_assert(materialized->name != NULL || auto_name != NULL);
    weir_assert(materialized->retention_ms == 0 ||
                window.kind != WEIR_WINDOW_NONE); /* weir_materialized_read */
    int64_t retention_ms = materialized->retention_ms;
    if (retention_ms == 0) retention_ms = weir_window_retention(&window);
    if (window.kind == WEIR_WINDOW_SESSION && retention_ms == 0) retention_ms = 1;
    const bool is_sliced = materialized->layout == WEIR_LAYOUT_SLICES;
    /* What lies right behind the history is not read, and is kept (runtime/state/versions.c). */
    const bool is_versioned = materialized->is_versioned;
    if (is_versioned) retention_ms = weir_saturating_add(materialized->history_ms, 1);
    return (struct weir_logical_store){
        .name = materialized->name != NULL ? materialized->name : auto_name,
        .spec =
            {
                .kind = materialized->store,
                /* Where a window is given on once, there is nothing to hold back. */
                .is_cached = materialized->cache != WEIR_CACHE_OFF && !window.emits_on_close &&
                             !is_versioned,
                .is_logged = !materialized->is_logging_disabled,
                .is_timestamped = window.kind != WEIR_WINDOW_SESSION,
                .schema = is_versioned ? &weir_key_schema_versioned
                          : is_sliced  ? &weir_key_schema_slice
                                       : weir_window_key_schema(&window),
                .keeps_old =
                    window.kind == WEIR_WINDOW_SESSION, /* what came and went is not told */
                .retention_ms = retention_ms,
                .window_size_ms = is_sliced ? weir_window_slice(&window) : window.size_ms,
                .ttl_ms = materialized->ttl_ms,
            },
        .table_node = -1,
        .is_named = materialized->name != NULL,
    };
}
