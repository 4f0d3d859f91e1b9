#include "broker/log/lost_ranges.h"

#include <string.h>

#include "base/assert.h"

void weir_lost_ranges_init(struct weir_lost_ranges *ranges, struct weir_budget *budget)
{
    weir_buffer_init(&ranges->entries, budget, 0);
}

void weir_lost_ranges_close(struct weir_lost_ranges *ranges)
{
    weir_buffer_close(&ranges->entries);
}

static struct weir_lost_range *entries_of(const struct weir_lost_ranges *ranges)
{
    return (struct weir_lost_range *)(void *)ranges->entries.data;
}

size_t weir_lost_ranges_count(const struct weir_lost_ranges *ranges)
{
    return ranges->entries.size / sizeof(struct weir_lost_range);
}

struct weir_lost_range weir_lost_ranges_at(const struct weir_lost_ranges *ranges, size_t index)
{
    weir_assert(index < weir_lost_ranges_count(ranges));
    return entries_of(ranges)[index];
}

struct weir_lost_range weir_lost_ranges_last(const struct weir_lost_ranges *ranges)
{
    size_t count = weir_lost_ranges_count(ranges);
    return count > 0 ? entries_of(ranges)[count - 1] : (struct weir_lost_range){0};
}

int weir_lost_ranges_add(struct weir_lost_ranges *ranges, struct weir_lost_range range)
{
    weir_assert(range.from >= 0 && range.from < range.to);
    weir_assert(weir_lost_ranges_last(ranges).to <= range.from);
    weir_buffer_append(&ranges->entries, &range, sizeof range);
    return ranges->entries.failed ? WEIR_NO_MEMORY : 0;
}

int weir_lost_ranges_note(struct weir_lost_ranges *ranges, const struct weir_batch_header *header)
{
    if (!weir_batch_is_given_up(header)) return 0;
    return weir_lost_ranges_add(ranges, (struct weir_lost_range){
                                            header->base_offset,
                                            weir_batch_last_offset(header) + 1,
                                        });
}

void weir_lost_ranges_cut_tail(struct weir_lost_ranges *ranges, int64_t offset)
{
    size_t count = weir_lost_ranges_count(ranges);
    while (count > 0 && entries_of(ranges)[count - 1].from >= offset) {
        count--;
    }
    ranges->entries.size = count * sizeof(struct weir_lost_range);
    weir_assert(weir_lost_ranges_last(ranges).to <= offset);
}

void weir_lost_ranges_cut_head(struct weir_lost_ranges *ranges, int64_t offset)
{
    size_t count = weir_lost_ranges_count(ranges);
    size_t gone = 0;
    while (gone < count && entries_of(ranges)[gone].to <= offset) {
        gone++;
    }
    if (gone == 0) return;
    memmove(entries_of(ranges), entries_of(ranges) + gone,
            (count - gone) * sizeof(struct weir_lost_range));
    ranges->entries.size = (count - gone) * sizeof(struct weir_lost_range);
}
