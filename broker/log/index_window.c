#include "broker/log/index_window.h"

#include "base/assert.h"
#include "base/bytes.h"

/* ---- reading --------------------------------------------------------------------------------- */

static struct weir_index_entry entry_at(const struct weir_index_window *window, size_t at)
{
    const uint8_t *bytes = window->bytes + at * WEIR_INDEX_OFFSET_ENTRY;
    return (struct weir_index_entry){
        .last_offset = window->base_offset + (int32_t)weir_load_u32(bytes),
        .position = (int32_t)weir_load_u32(bytes + 4),
    };
}

int weir_index_window_read(const struct weir_index_files *files, int64_t offset, bool is_sealed,
                           struct weir_budget *budget, struct weir_index_window **window_out)
{
    size_t size = (size_t)WEIR_INDEX_WINDOW_MAX * WEIR_INDEX_OFFSET_ENTRY;
    struct weir_index_window *window = weir_alloc(budget, sizeof *window + size);
    if (window == NULL) return WEIR_NO_MEMORY;
    struct weir_index_stretch stretch = {.offset = offset, .to = window->bytes, .size_max = size};
    int rc = weir_index_files_read(files, &stretch);
    if (rc < 0) {
        weir_free(window);
        return rc;
    }
    weir_assert(stretch.size >= WEIR_INDEX_OFFSET_ENTRY);
    window->base_offset = files->base_offset;
    window->count = stretch.size / WEIR_INDEX_OFFSET_ENTRY;
    window->is_to_end = is_sealed && stretch.is_to_end;
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
    int64_t position =
        reach->size_max < INT64_MAX - entry.position ? entry.position + reach->size_max : INT64_MAX;
    size_t last = find_last(window, first, reach->bound, position);
    /* A window that is read anew would begin here and show more; one that does shows all it can. */
    bool would_show_more = last + 1 == window->count && !window->is_to_end && first > 0;
    if (would_show_more) return false;
    *first_out = entry;
    *last_out = entry_at(window, last);
    return true;
}
