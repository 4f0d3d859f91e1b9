/* The windows that a grouped stream is cut into. */
#include "base/assert.h"
#include "base/options.h"
#include "dsl/logical.h"
#include "runtime/state/key_schema.h"

/* ---- what all of them share ------------------------------------------------------------------ */

/* A windowed handle for what is not checked yet; NULL only without memory. */
static struct weir_windowed_stream *windowed_new(const struct weir_grouped *grouped)
{
    struct weir_builder *builder = grouped->stream.builder;
    struct weir_windowed_stream *windowed =
        weir_arena_alloc_zero(&builder->arena, sizeof *windowed);
    if (windowed == NULL) {
        (void)weir_builder_no_memory(builder);
        return NULL;
    }
    windowed->magic = WEIR_WINDOWED_MAGIC;
    windowed->stream = grouped->stream;
    return windowed;
}

static int take_options(struct weir_builder *builder, const char *call, void *to, size_t size,
                        const void *from, const char *init)
{
    struct weir_error why = {0};
    if (from == NULL) return weir_builder_fail(builder, call, "the windows are NULL: pass them");
    int rc = weir_options_take(to, size, from, init, &why);
    return rc < 0 ? weir_builder_fail(builder, call, "the windows' %s", why.text) : 0;
}

static int check_grace(struct weir_builder *builder, const char *call, int64_t grace_ms)
{
    if (grace_ms >= 0) return 0;
    return weir_builder_fail(builder, call, "the window's grace is %lld ms: at least 0",
                             (long long)grace_ms);
}

static int check_emit(struct weir_builder *builder, const char *call, enum weir_emit emit)
{
    if (emit == WEIR_EMIT_ON_WINDOW_UPDATE || emit == WEIR_EMIT_ON_WINDOW_CLOSE) return 0;
    return weir_builder_fail(builder, call,
                             "emit is %d: WEIR_EMIT_ON_WINDOW_UPDATE or WEIR_EMIT_ON_WINDOW_CLOSE",
                             (int)emit);
}

/* What is added up while records come has to be representable, with room for any timestamp's. */
static int check_span(struct weir_builder *builder, const char *call, const char *what,
                      int64_t size_ms, int64_t grace_ms)
{
    int64_t span;
    if (!__builtin_add_overflow(size_ms, grace_ms, &span) && span <= INT64_MAX / 4) return 0;
    return weir_builder_fail(builder, call,
                             "the window's %s and grace, %lld and %lld ms, are longer than time: "
                             "choose less",
                             what, (long long)size_ms, (long long)grace_ms);
}

int64_t weir_window_slice(const struct weir_logical_window *window)
{
    weir_assert(window->kind == WEIR_WINDOW_TIME);
    int64_t a = window->size_ms;
    int64_t b = window->advance_ms;
    while (b != 0) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

int64_t weir_window_retention(const struct weir_logical_window *window)
{
    switch (window->kind) {
    case WEIR_WINDOW_NONE:
        return 0;
    case WEIR_WINDOW_TIME:
        return window->size_ms + window->grace_ms;
    case WEIR_WINDOW_UNLIMITED:
        return INT64_MAX;
    case WEIR_WINDOW_SESSION:
        return window->gap_ms + window->grace_ms;
    case WEIR_WINDOW_SLIDING:
        return 2 * window->size_ms + window->grace_ms;
    }
    return 0;
}

const struct weir_key_schema *weir_window_key_schema(const struct weir_logical_window *window)
{
    switch (window->kind) {
    case WEIR_WINDOW_NONE:
        return &weir_key_schema_plain;
    case WEIR_WINDOW_TIME:
    case WEIR_WINDOW_UNLIMITED:
    case WEIR_WINDOW_SLIDING:
        return &weir_key_schema_window;
    case WEIR_WINDOW_SESSION:
        return &weir_key_schema_session;
    }
    return &weir_key_schema_plain;
}

/* ---- time windows ---------------------------------------------------------------------------- */

static int check_time(struct weir_builder *builder, const char *call,
                      const struct weir_time_windows *windows)
{
    const int64_t size_ms = windows->size_ms;
    if (size_ms <= 0) {
        return weir_builder_fail(builder, call, "the window's size is %lld ms: at least 1",
                                 (long long)size_ms);
    }
    if (windows->advance_ms < 0 || windows->advance_ms > size_ms) {
        return weir_builder_fail(builder, call,
                                 "the windows advance by %lld ms: at least 1, and at most their "
                                 "size of %lld, or records would fall between them",
                                 (long long)windows->advance_ms, (long long)size_ms);
    }
    if (windows->advance_ms > 0 &&
        (size_ms - 1) / windows->advance_ms >= WEIR_WINDOWS_PER_RECORD_MAX) {
        return weir_builder_fail(
            builder, call, "a record would be in %lld windows: at most %d, advance by more",
            (long long)((size_ms - 1) / windows->advance_ms + 1), (int)WEIR_WINDOWS_PER_RECORD_MAX);
    }
    int rc = check_grace(builder, call, windows->grace_ms);
    if (rc == 0) rc = check_emit(builder, call, windows->emit);
    return rc < 0 ? rc : check_span(builder, call, "size", size_ms, windows->grace_ms);
}

/* Checked, or a dead handle. */
static struct weir_windowed_stream *windowed_by_time(struct weir_grouped *grouped, const char *call,
                                                     const struct weir_time_windows *windows)
{
    struct weir_builder *builder = grouped->stream.builder;
    struct weir_windowed_stream *windowed = windowed_new(grouped);
    if (windowed == NULL || !weir_stream_is_live(&grouped->stream)) return windowed;
    struct weir_time_windows read;
    int rc = take_options(builder, call, &read, sizeof read, windows, "WEIR_TIME_WINDOWS_INIT");
    if (rc == 0) rc = check_time(builder, call, &read);
    if (rc < 0) {
        windowed->stream.node = -1;
        return windowed;
    }
    windowed->window = (struct weir_logical_window){
        .kind = WEIR_WINDOW_TIME,
        .size_ms = read.size_ms,
        .advance_ms = read.advance_ms > 0 ? read.advance_ms : read.size_ms,
        .grace_ms = read.grace_ms,
        .emits_on_close = read.emit == WEIR_EMIT_ON_WINDOW_CLOSE,
    };
    return windowed;
}

struct weir_windowed_stream *weir_windowed_by(struct weir_grouped *grouped,
                                              struct weir_tumbling window)
{
    if (!weir_grouped_is_given(grouped, "weir_windowed_by")) return NULL;
    const struct weir_time_windows windows = {
        WEIR_TIME_WINDOWS_INIT,
        .size_ms = window.size_ms,
        .grace_ms = window.grace_ms,
    };
    return windowed_by_time(grouped, "weir_windowed_by", &windows);
}

struct weir_windowed_stream *weir_windowed_by_time(struct weir_grouped *grouped,
                                                   const struct weir_time_windows *windows)
{
    if (!weir_grouped_is_given(grouped, "weir_windowed_by_time")) return NULL;
    return windowed_by_time(grouped, "weir_windowed_by_time", windows);
}

/* ---- unlimited windows ----------------------------------------------------------------------- */

struct weir_windowed_stream *
weir_windowed_by_unlimited(struct weir_grouped *grouped,
                           const struct weir_unlimited_windows *windows)
{
    static const char call[] = "weir_windowed_by_unlimited";
    if (!weir_grouped_is_given(grouped, call)) return NULL;
    struct weir_builder *builder = grouped->stream.builder;
    struct weir_windowed_stream *windowed = windowed_new(grouped);
    if (windowed == NULL || !weir_stream_is_live(&grouped->stream)) return windowed;
    struct weir_unlimited_windows read;
    int rc =
        take_options(builder, call, &read, sizeof read, windows, "WEIR_UNLIMITED_WINDOWS_INIT");
    if (rc == 0 && read.start_ms < 0) {
        rc = weir_builder_fail(builder, call, "the windows start at %lld ms: at least 0",
                               (long long)read.start_ms);
    }
    windowed->window = (struct weir_logical_window){
        .kind = WEIR_WINDOW_UNLIMITED,
        .size_ms = INT64_MAX,
        .advance_ms = INT64_MAX,
        .start_ms = rc == 0 ? read.start_ms : 0,
    };
    if (rc < 0) windowed->stream.node = -1;
    return windowed;
}

/* ---- sessions -------------------------------------------------------------------------------- */

static int check_session(struct weir_builder *builder, const char *call,
                         const struct weir_session_windows *windows)
{
    if (windows->gap_ms < 0) {
        return weir_builder_fail(builder, call, "the sessions' gap is %lld ms: at least 0",
                                 (long long)windows->gap_ms);
    }
    int rc = check_grace(builder, call, windows->grace_ms);
    if (rc == 0) rc = check_emit(builder, call, windows->emit);
    return rc < 0 ? rc : check_span(builder, call, "gap", windows->gap_ms, windows->grace_ms);
}

struct weir_windowed_stream *weir_windowed_by_session(struct weir_grouped *grouped,
                                                      const struct weir_session_windows *windows)
{
    static const char call[] = "weir_windowed_by_session";
    if (!weir_grouped_is_given(grouped, call)) return NULL;
    struct weir_builder *builder = grouped->stream.builder;
    struct weir_windowed_stream *windowed = windowed_new(grouped);
    if (windowed == NULL || !weir_stream_is_live(&grouped->stream)) return windowed;
    struct weir_session_windows read;
    int rc = take_options(builder, call, &read, sizeof read, windows, "WEIR_SESSION_WINDOWS_INIT");
    if (rc == 0) rc = check_session(builder, call, &read);
    if (rc < 0) {
        windowed->stream.node = -1;
        return windowed;
    }
    windowed->window = (struct weir_logical_window){
        .kind = WEIR_WINDOW_SESSION,
        .gap_ms = read.gap_ms,
        .grace_ms = read.grace_ms,
        .emits_on_close = read.emit == WEIR_EMIT_ON_WINDOW_CLOSE,
    };
    return windowed;
}

/* ---- sliding windows ------------------------------------------------------------------------- */

static int check_sliding(struct weir_builder *builder, const char *call,
                         const struct weir_sliding_windows *windows)
{
    if (windows->difference_ms <= 0) {
        return weir_builder_fail(builder, call, "the windows' difference is %lld ms: at least 1",
                                 (long long)windows->difference_ms);
    }
    int rc = check_grace(builder, call, windows->grace_ms);
    if (rc == 0) rc = check_emit(builder, call, windows->emit);
    if (rc < 0) return rc;
    return check_span(builder, call, "difference", windows->difference_ms, windows->grace_ms);
}

struct weir_windowed_stream *weir_windowed_by_sliding(struct weir_grouped *grouped,
                                                      const struct weir_sliding_windows *windows)
{
    static const char call[] = "weir_windowed_by_sliding";
    if (!weir_grouped_is_given(grouped, call)) return NULL;
    struct weir_builder *builder = grouped->stream.builder;
    struct weir_windowed_stream *windowed = windowed_new(grouped);
    if (windowed == NULL || !weir_stream_is_live(&grouped->stream)) return windowed;
    struct weir_sliding_windows read;
    int rc = take_options(builder, call, &read, sizeof read, windows, "WEIR_SLIDING_WINDOWS_INIT");
    if (rc == 0) rc = check_sliding(builder, call, &read);
    if (rc < 0) {
        windowed->stream.node = -1;
        return windowed;
    }
    windowed->window = (struct weir_logical_window){
        .kind = WEIR_WINDOW_SLIDING,
        .size_ms = read.difference_ms,
        .grace_ms = read.grace_ms,
        .emits_on_close = read.emit == WEIR_EMIT_ON_WINDOW_CLOSE,
    };
    return windowed;
}
