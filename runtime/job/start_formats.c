#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/data_type.h"
#include "runtime/job/start_compare.h"

/**
 * Whether the program reads what lies in its internal topics as it was written. What it was is in the
 * application's records, as the text of a type (base/data_type.h) and the version of a declared struct:
 *
 *   keys      are found by their bytes, so these must be the same: type, version, size of the window. A key
 *             of a later version is another key, and its row would not be found
 *   values    are read, so a struct may have got fields, with `since` and a higher version
 *
 * A serde without a text is not known, then as now, and nothing is said of it. Nor where nothing lies that
 * could be misread: in a store that is empty, in a repartition topic of which all is processed.
 */

struct weir_own_topic weir_start_own_topic(const struct weir_start_topic *topic,
                                           enum weir_own_topic_phase phase)
{
    bool is_changelog = topic->role == WEIR_START_CHANGELOG;
    weir_assert(is_changelog || topic->role == WEIR_START_REPARTITION);
    weir_assert(phase != WEIR_OWN_TOPIC_NONE);
    return (struct weir_own_topic){
        .name = topic->name,
        .of = topic->of,
        .phase = phase,
        .role = is_changelog ? WEIR_OWN_CHANGELOG : WEIR_OWN_REPARTITION,
        .id = topic->id,
        .partition_count = topic->partition_count,
        .formats = topic->formats,
        .window_size_ms = topic->window_size_ms,
    };
}

static bool is_same(struct weir_plan_format a, struct weir_plan_format b)
{
    if (!weir_plan_format_is_known(a) || !weir_plan_format_is_known(b)) {
        return weir_plan_format_is_known(a) == weir_plan_format_is_known(b);
    }
    return a.version == b.version && strcmp(a.text, b.text) == 0;
}

bool weir_start_is_format_recorded(const struct weir_start_topic *topic)
{
    const struct weir_own_topic *record = topic->record;
    return record != NULL && record->window_size_ms == topic->window_size_ms &&
           is_same(record->formats.key, topic->formats.key) &&
           is_same(record->formats.value, topic->formats.value);
}

/* ---- what could be misread ------------------------------------------------------------------- */

/* A changelog is read whole; of a repartition topic, what is not processed yet. What lies behind the commit
 * is cut back before anybody reads it. */
static int64_t count_to_read(const struct weir_start_topic *topic)
{
    int64_t count = 0;
    for (int32_t p = 0; p < topic->partition_count; p++) {
        const struct weir_start_partition *partition = &topic->partitions[p];
        int64_t from = partition->log_start;
        if (!partition->has_entry) continue;
        if (topic->role == WEIR_START_REPARTITION && partition->committed > from) {
            from = partition->committed;
        }
        if (partition->committed_end > from) count += partition->committed_end - from;
    }
    return count;
}

/* ---- keys and values ------------------------------------------------------------------------- */

static bool parse(struct weir_plan_format format, struct weir_arena *arena,
                  struct weir_data_type *type)
{
    return weir_data_type_parse(weir_text(format.text), arena, type, NULL) == 0;
}

/* A text that this version has no type for says as much as a name does. */
static bool reads(struct weir_plan_format wanted, struct weir_plan_format written,
                  struct weir_arena *arena, struct weir_slice *field)
{
    struct weir_data_type reader;
    struct weir_data_type writer;
    weir_assert(weir_plan_format_is_known(wanted) && weir_plan_format_is_known(written));
    if (wanted.version < written.version) return false;
    if (strcmp(wanted.text, written.text) == 0) return true;
    return parse(wanted, arena, &reader) && parse(written, arena, &writer) &&
           weir_data_type_reads(&reader, &writer, written.version, field);
}

static const char *name_format(struct weir_arena *arena, struct weir_plan_format format)
{
    if (format.version == 0) return format.text;
    return weir_arena_printf(arena, "%s of version %u", format.text, (unsigned)format.version);
}

/* Of each key a versioned store keeps several values, another one the last: neither takes the other's rows, of whatever
 * type they are. So this is known where the type is not. */
static bool is_versioned(struct weir_plan_format format)
{
    static const char word[] = "versioned";
    return format.text != NULL && strncmp(format.text, word, sizeof word - 1) == 0;
}

static bool compare_history(const struct weir_start_topic *topic, struct weir_arena *arena,
                            struct weir_start_difference *difference)
{
    const struct weir_own_topic *record = topic->record;
    if (record->window_size_ms == WEIR_OWN_WINDOW_UNKNOWN)
        return false; /* it says nothing of formats */
    if (is_versioned(record->formats.value) == is_versioned(topic->formats.value)) return false;
    const struct weir_plan_format bytes = {"bytes without versions", 0};
    difference->other = "values";
    difference->written = name_format(
        arena, weir_plan_format_is_known(record->formats.value) ? record->formats.value : bytes);
    difference->wanted = name_format(
        arena, weir_plan_format_is_known(topic->formats.value) ? topic->formats.value : bytes);
    return true;
}

static bool compare_format(const struct weir_plan_format *written,
                           const struct weir_plan_format *wanted, bool is_key,
                           struct weir_arena *arena, struct weir_start_difference *difference)
{
    struct weir_slice field = weir_null();
    if (!weir_plan_format_is_known(*written) || !weir_plan_format_is_known(*wanted)) return false;
    if (is_same(*written, *wanted)) return false;
    bool is_read = reads(*wanted, *written, arena, &field);
    if (!is_key && is_read) return false;
    difference->other = is_key ? "keys" : "values";
    difference->written = name_format(arena, *written);
    difference->wanted = name_format(arena, *wanted);
    if (field.size > 0) {
        difference->field =
            weir_arena_printf(arena, " (field '%.*s')", (int)field.size, (const char *)field.data);
    }
    return true;
}

/* ---- windows --------------------------------------------------------------------------------- */

static const char *name_window(struct weir_arena *arena, int64_t size_ms)
{
    if (size_ms == 0) return "keys without a window";
    return weir_arena_printf(arena, "keys of windows of %" PRId64 " ms", size_ms);
}

/* A slice divides its window. */
static bool may_be_slices(int64_t a_ms, int64_t b_ms)
{
    return a_ms > 0 && b_ms > 0 && (a_ms % b_ms == 0 || b_ms % a_ms == 0);
}

/* A row goes by its window's start alone, so one of another size would be gone on with. */
static bool compare_window(const struct weir_start_topic *topic, struct weir_arena *arena,
                           struct weir_start_difference *difference)
{
    int64_t written_ms = topic->record->window_size_ms;
    if (written_ms == WEIR_OWN_WINDOW_UNKNOWN || written_ms == topic->window_size_ms) return false;
    difference->other = "keys";
    difference->written = name_window(arena, written_ms);
    difference->wanted = name_window(arena, topic->window_size_ms);
    if (may_be_slices(written_ms, topic->window_size_ms)) {
        difference->field = " (rows of WEIR_LAYOUT_SLICES go by slices, as long as one divides the "
                            "window and its advance: a change of .layout is one of their size)";
    }
    return true;
}

int weir_start_compare_formats(struct weir_start_topic *topic, struct weir_arena *arena,
                               struct weir_start_difference *difference_out)
{
    const struct weir_own_topic *record = topic->record;
    bool is_changelog = topic->role == WEIR_START_CHANGELOG;
    weir_assert(is_changelog || topic->role == WEIR_START_REPARTITION);
    if (record == NULL || record->phase != WEIR_OWN_TOPIC_KEPT) return 0;
    struct weir_start_difference difference = {
        .what = is_changelog ? WEIR_START_FORMAT : WEIR_START_FORMAT_BETWEEN,
        .topic = topic,
        .topic_name = topic->name,
        .of = topic->of,
        .a = count_to_read(topic),
        .field = "",
    };
    if (difference.a == 0) return 0;
    bool is_other =
        compare_window(topic, arena, &difference) || compare_history(topic, arena, &difference) ||
        compare_format(&record->formats.key, &topic->formats.key, true, arena, &difference) ||
        compare_format(&record->formats.value, &topic->formats.value, false, arena, &difference);
    if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
    if (is_other) *difference_out = difference;
    return is_other;
}
