#include "broker/log/range_ends.h"

#include "base/assert.h"

int64_t weir_range_ends_find(const struct weir_range_ends *ends, int64_t segment_base,
                             int64_t offset)
{
    for (unsigned i = 0; i < WEIR_RANGE_ENDS_MAX; i++) {
        const struct weir_range_end *end = &ends->kept[i];
        bool is_it = end->offset == offset && end->segment_base == segment_base;
        if (is_it && end->position > 0) return end->position;
    }
    return -1;
}

void weir_range_ends_note(struct weir_range_ends *ends, int64_t from_offset,
                          const struct weir_range_end *end)
{
    weir_assert(end->position > 0);
    weir_assert(end->offset > from_offset && end->offset > end->segment_base);
    for (unsigned i = 0; i < WEIR_RANGE_ENDS_MAX; i++) {
        struct weir_range_end *kept = &ends->kept[i];
        if (kept->position == 0 || kept->offset != from_offset) continue;
        *kept = *end;
        return;
    }
    ends->kept[ends->next] = *end;
    ends->next = (ends->next + 1) % WEIR_RANGE_ENDS_MAX;
}

void weir_range_ends_drop_all(struct weir_range_ends *ends)
{
    *ends = (struct weir_range_ends){0};
}
