/* Stores of windows and sessions that processors name. */
#include "base/assert.h"
#include "base/options.h"
#include "dsl/logical.h"
#include "runtime/state/key_schema.h"

static int check_common(struct weir_builder *builder, const char *name,
                        const struct weir_serde *key, const struct weir_serde *value,
                        enum weir_store_kind kind)
{
    int rc = weir_builder_check_store_kind(builder, name, kind);
    return rc < 0 ? rc : weir_builder_check_declared_store(builder, name, key, value);
}

static int take_options(struct weir_builder *builder, const char *name, void *to, size_t size,
                        const void *from, const char *init)
{
    struct weir_error why = {0};
    if (from == NULL) return weir_builder_fail(builder, name, "the options are NULL: pass them");
    int rc = weir_options_take(to, size, from, init, &why);
    return rc < 0 ? weir_builder_fail(builder, name, "the store's %s", why.text) : 0;
}

static void add_store(struct weir_builder *builder, const struct weir_logical_store *store)
{
    if (store->key_serde == NULL) {
        (void)weir_builder_no_memory(builder);
        return;
    }
    (void)weir_builder_add_store(builder, store); /* a failure is kept */
}

/* ---- windows --------------------------------------------------------------------------------- */

static int check_windows(struct weir_builder *builder, const char *name,
                         const struct weir_window_store_options *options)
{
    if (options->window_size_ms < 1) {
        return weir_builder_fail(builder, name, "the windows' size is %lld ms: at least 1",
                                 (long long)options->window_size_ms);
    }
    if (options->retention_ms != 0 && options->retention_ms < options->window_size_ms) {
        return weir_builder_fail(builder, name,
                                 "retention_ms is %lld: at least the windows' size of %lld, or 0 "
                                 "for just that",
                                 (long long)options->retention_ms,
                                 (long long)options->window_size_ms);
    }
    return 0;
}

void weir_add_window_store(struct weir_builder *builder, const char *name,
                           const struct weir_serde *key, const struct weir_serde *value,
                           const struct weir_window_store_options *options)
{
    struct weir_window_store_options read;
    if (!weir_builder_is_live(builder)) return;
    if (weir_name_check(builder, "weir_add_window_store", "store's name", name) < 0) return;
    int rc =
        take_options(builder, name, &read, sizeof read, options, "WEIR_WINDOW_STORE_OPTIONS_INIT");
    if (rc == 0) rc = check_common(builder, name, key, value, read.store);
    if (rc == 0) rc = check_windows(builder, name, &read);
    if (rc < 0) return;
    const struct weir_logical_store store = {
        .name = name,
        .spec =
            {
                .kind = read.store,
                .is_logged = !read.is_logging_disabled,
                .schema =
                    read.keeps_duplicates ? &weir_key_schema_duplicates : &weir_key_schema_window,
                .retention_ms = read.retention_ms > 0 ? read.retention_ms : read.window_size_ms,
                .window_size_ms = read.window_size_ms,
            },
        .key_serde = weir_windowed_serde_make(&builder->arena, key, read.window_size_ms),
        .value_serde = value,
        .table_node = -1,
        .is_declared = true,
    };
    add_store(builder, &store);
}

/* ---- sessions -------------------------------------------------------------------------------- */

void weir_add_session_store(struct weir_builder *builder, const char *name,
                            const struct weir_serde *key, const struct weir_serde *value,
                            const struct weir_session_store_options *options)
{
    struct weir_session_store_options read;
    if (!weir_builder_is_live(builder)) return;
    if (weir_name_check(builder, "weir_add_session_store", "store's name", name) < 0) return;
    int rc =
        take_options(builder, name, &read, sizeof read, options, "WEIR_SESSION_STORE_OPTIONS_INIT");
    if (rc == 0) rc = check_common(builder, name, key, value, read.store);
    if (rc == 0 && read.retention_ms < 1) {
        rc = weir_builder_fail(builder, name, "retention_ms is %lld: at least 1",
                               (long long)read.retention_ms);
    }
    if (rc < 0) return;
    const struct weir_logical_store store = {
        .name = name,
        .spec =
            {
                .kind = read.store,
                .is_logged = !read.is_logging_disabled,
                .schema = &weir_key_schema_session,
                .retention_ms = read.retention_ms,
            },
        .key_serde = weir_session_serde_make(&builder->arena, key),
        .value_serde = value,
        .table_node = -1,
        .is_declared = true,
    };
    add_store(builder, &store);
}
