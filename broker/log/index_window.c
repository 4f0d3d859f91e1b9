#include "broker/log/index_window.h"

#include "base/assert.h"

/* ---- reading --------------------------------------------------------------------------------- */

static struct weir_index_entry entry_at(const struct weir_index_window *window, size_t at)
{
    struct weir_index_entry entry = {0};
    const uint8_t *bytes = window->bytes + at * WEIR_INDEX_OFFSET_ENTRY;
    bool is_place = weir_index_entry_load(bytes, window->base_offset, &entry);
    weir_assert(is_place); /* count_places has looked */
    return entry;
}

/* How many entries come before one that says what none can say. */
static size_t count_places(const struct weir_index_window *window, size_t count)
{
    struct weir_index_entry entry;
    size_t at = 0;
    while (at < count && weir_index_entry_load(window->bytes + at * WEIR_INDEX_OFFSET_ENTRY,
                                               window->base_offset, &entry)) {
        at++;
    }
    return at;
}

int weir_index_window_read(const struct weir_index_files *files, int64_t offset, bool is_sealed,
                           struct weir_budget *budget, struct weir_index_window **window_out)
{
    size_t size = (size_t)WEIR_INDEX_WINDOW_MAX * WEIR_INDEX_OFFSET_ENTRY;
    struct weir_index_window *window = weir_alloc(budget, sizeof *window + size);
    if (window == NULL) return WEIR_NO_MEMORY;
    struct weir_index_stretch stretch = {.offset = offset, .to = window->bytes, .size_max = size};
    int rc = weir_index_files_read(files, &stretch);
    size_t count = stretch.size / WEIR_INDEX_OFFSET_ENTRY;
    window->base_offset = files->base_offset;
    window->count = rc == 0 ? count_places(window, count) : 0;
    if (rc == 0 && window->count == 0) rc = WEIR_CORRUPT;
    if (rc != 0) {
        weir_free(window);
        return rc;
    }
    window->is_to_end = is_sealed && stretch.is_to_end && window->count == count;
    /* Who stands at the last entry may have passed others that the window does not show. */
    int64_t last = entry_at(window, window->count - 1).last_offset;
    window->offset_max = last > offset ? last - 1 : offset;
    if (window->is_to_end) window->offset_max = INT64_MAX;
    *window_out = window;
    return 0;
}

/* ---- finding --------------------------------------------------------------------------------- */

/* The last entry from `low` on that is within both; `low` is. */
static size_t find_last(const struct weir_index_window *window, size_t low, int64_t offset,
                        int64_t position)
{
    size_t high = window->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        struct weir_index_entry entry = entry_at(window, middle);
        if (entry.last_offset <= offset && entry.position <= position) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

bool weir_index_window_find(const struct weir_index_window *window, int64_t offset,
                            const struct weir_index_reach *reach,
                            struct weir_index_entry *first_out, struct weir_index_entry *last_out)
{
    if (offset < entry_at(window, 0).last_offset || offset > window->offset_max) return false;
    size_t first = find_last(window, 0, offset, INT64_MAX);
    struct weir_index_entry entry = entry_at(window, first);
    int64_t position;
    if (__builtin_add_overflow(entry.position, reach->size_max, &position)) position = INT64_MAX;
    size_t last = find_last(window, first, reach->bound, position);
    /* A window that is read anew would begin here and show more; one that does shows all it can. */
    bool would_show_more = last + 1 == window->count && !window->is_to_end && first > 0;
    if (would_show_more) return false;
    *first_out = entry;
    *last_out = entry_at(window, last);
    return true;
}

/* ---- the windows of a log -------------------------------------------------------------------- */

bool weir_index_windows_find(const struct weir_index_windows *windows, int64_t base_offset,
                             int64_t offset, const struct weir_index_reach *reach,
                             struct weir_index_entry *first_out, struct weir_index_entry *last_out)
{
    for (size_t i = 0; i < WEIR_INDEX_WINDOWS_MAX; i++) {
        const struct weir_index_window *window = windows->kept[i];
        if (window == NULL || window->base_offset != base_offset) continue;
        if (weir_index_window_find(window, offset, reach, first_out, last_out)) return true;
    }
    return false;
}

void weir_index_windows_keep(struct weir_index_windows *windows, struct weir_index_window *window)
{
    struct weir_index_window **place = &windows->kept[windows->next];
    weir_free(*place);
    *place = window;
    windows->next = (windows->next + 1) % WEIR_INDEX_WINDOWS_MAX;
}

void weir_index_windows_drop(struct weir_index_windows *windows, int64_t base_offset)
{
    for (size_t i = 0; i < WEIR_INDEX_WINDOWS_MAX; i++) {
        struct weir_index_window **place = &windows->kept[i];
        if (*place == NULL || (*place)->base_offset != base_offset) continue;
        weir_free(*place);
        *place = NULL;
    }
}

void weir_index_windows_drop_all(struct weir_index_windows *windows)
{
    for (size_t i = 0; i < WEIR_INDEX_WINDOWS_MAX; i++) {
        weir_free(windows->kept[i]);
        windows->kept[i] = NULL;
    }
}
