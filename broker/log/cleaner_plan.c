#include "broker/log/cleaner_plan.h"

#include "base/assert.h"

static const struct weir_segment_facts *at(const struct weir_cleaner_facts *facts, size_t index)
{
    weir_assert(index < facts->segment_count);
    return facts->segment(facts->context, index);
}

/* Where a sealed segment's offsets end: with the next one's. */
static int64_t end_of(const struct weir_cleaner_facts *facts, size_t index)
{
    return at(facts, index + 1)->base_offset;
}

/* Of its youngest record; of records without times the last append's. */
static int64_t youngest_ms(const struct weir_segment_facts *segment)
{
    return segment->max_timestamp_ms >= 0 ? segment->max_timestamp_ms : segment->last_append_ms;
}

static bool is_younger(struct weir_wall now, int64_t timestamp_ms, int64_t lag_ms)
{
    int64_t age;
    if (lag_ms <= 0 || timestamp_ms < 0) return false;
    if (__builtin_sub_overflow(now.ms, timestamp_ms, &age)) return false;
    return age < lag_ms;
}

static bool is_older(struct weir_wall now, int64_t timestamp_ms, int64_t lag_ms)
{
    int64_t age;
    if (lag_ms == INT64_MAX || timestamp_ms < 0) return false;
    if (__builtin_sub_overflow(now.ms, timestamp_ms, &age)) return false;
    return age > lag_ms;
}

static bool may_be_cleaned(const struct weir_cleaner_facts *facts, size_t index)
{
    const struct weir_segment_facts *segment = at(facts, index);
    return end_of(facts, index) <= facts->bound_offset &&
           !is_younger(facts->now, youngest_ms(segment), facts->config->min_compaction_lag_ms);
}

/* The time of the first dirty record, as far as it is known: that of the first batch of its segment. */
static bool has_waited(const struct weir_cleaner_facts *facts, const struct weir_cleaner_plan *plan)
{
    for (size_t i = plan->dirty_from; i < plan->end; i++) {
        const struct weir_segment_facts *segment = at(facts, i);
        if (segment->size == 0) continue;
        int64_t from_ms = segment->first_timestamp_ms >= 0 ? segment->first_timestamp_ms
                                                           : segment->last_append_ms;
        return is_older(facts->now, from_ms, facts->config->max_compaction_lag_ms);
    }
    return false;
}

/* dirty / (clean + dirty) > ratio, in integers that cannot overflow: sizes of a log are below 2^62, but a product is not. */
static bool is_over(const struct weir_cleaner_plan *plan, int64_t millionths)
{
    double all = (double)plan->clean_bytes + (double)plan->dirty_bytes;
    return (double)plan->dirty_bytes * 1e6 > all * (double)millionths;
}

void weir_cleaner_plan_make(const struct weir_cleaner_facts *facts,
                            struct weir_cleaner_plan *plan_out)
{
    weir_assert(facts->segment_count > 0);
    size_t active = facts->segment_count - 1;
    struct weir_cleaner_plan plan = {.dirty_offset = facts->clean_offset};
    if (plan.dirty_offset < facts->start_offset) plan.dirty_offset = facts->start_offset;
    while (plan.dirty_from < active && end_of(facts, plan.dirty_from) <= plan.dirty_offset) {
        plan.clean_bytes += at(facts, plan.dirty_from)->size;
        plan.dirty_from++;
    }
    plan.end = plan.dirty_from;
    while (plan.end < active && may_be_cleaned(facts, plan.end)) {
        plan.dirty_bytes += at(facts, plan.end)->size;
        plan.end++;
    }
    plan.limit_offset = at(facts, plan.end)->base_offset;
    plan.is_due =
        plan.dirty_bytes > 0 &&
        (is_over(&plan, facts->config->min_cleanable_dirty_millionths) || has_waited(facts, &plan));
    *plan_out = plan;
}

size_t weir_cleaner_plan_group(const struct weir_cleaner_facts *facts, size_t from, size_t end)
{
    weir_assert(from < end && end < facts->segment_count);
    int64_t base = at(facts, from)->base_offset;
    int64_t size = at(facts, from)->size;
    size_t next = from + 1;
    while (next < end) {
        int64_t one = at(facts, next)->size;
        bool fits = one <= facts->config->segment_bytes - size && size + one <= INT32_MAX &&
                    end_of(facts, next) - 1 - base <= INT32_MAX;
        if (!fits) break;
        size += one;
        next++;
    }
    return next;
}
