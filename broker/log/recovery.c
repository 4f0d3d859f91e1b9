#include "broker/log/recovery.h"

#include <inttypes.h>
#include <stdio.h>

static void go_offline(struct weir_recovery_plan *plan, int64_t offset, const char *what,
                       int64_t base_offset)
{
    if (plan->offline_from >= 0 && plan->offline_from <= offset) return;
    plan->offline_from = offset;
    (void)snprintf(plan->reason, sizeof plan->reason, "segment %020" PRId64 " %s", base_offset,
                   what);
}

static const struct weir_recovery_file *find_file(const struct weir_recovery_file *files,
                                                  size_t count, int64_t base_offset)
{
    for (size_t i = 0; i < count; i++) {
        if (files[i].base_offset == base_offset) return &files[i];
    }
    return NULL;
}

static bool is_in_mark(const struct weir_durable_mark *mark, int64_t base_offset)
{
    size_t low = 0;
    size_t high = mark->segment_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mark->segments[middle].base_offset == base_offset) return true;
        if (mark->segments[middle].base_offset < base_offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

/* A cut that is done, and what was appended since, look the same under a copy that was not replaced. */
static bool orders_cut(const struct weir_durable_mark *mark)
{
    return mark->is_truncating && !mark->may_be_older;
}

/* One of several that a compaction has made one of: that one's base is below, and the mark says that they may still
 * be there. */
static bool was_replaced(const struct weir_durable_mark *mark, int64_t base_offset)
{
    size_t before = mark->segment_count;
    while (before > 0 && mark->segments[before - 1].base_offset > base_offset) {
        before--;
    }
    return before > 0 && mark->segments[before - 1].is_swapping && !mark->may_be_older;
}

/* A file that the mark does not know. */
static enum weir_recovery_verdict judge_stranger(const struct weir_durable_mark *mark,
                                                 const struct weir_recovery_file *file,
                                                 struct weir_recovery_plan *plan)
{
    int64_t active_base = mark->segments[mark->segment_count - 1].base_offset;
    if (file->base_offset < mark->segments[0].base_offset) return WEIR_RECOVERY_LEFTOVER;
    if (file->base_offset <= active_base) {
        return was_replaced(mark, file->base_offset) ? WEIR_RECOVERY_LEFTOVER
                                                     : WEIR_RECOVERY_FOREIGN;
    }
    if (orders_cut(mark) || file->size == 0) return WEIR_RECOVERY_LEFTOVER;
    go_offline(plan, mark->end_offset, "holds data that the durable mark does not know",
               file->base_offset);
    return WEIR_RECOVERY_FOREIGN;
}

/* Segments ascend on both sides, but a search keeps this obvious and the lists are short. */
static void check_table(const struct weir_durable_mark *mark,
                        const struct weir_recovery_file *files, size_t file_count,
                        struct weir_recovery_plan *plan)
{
    for (size_t i = 0; i < mark->segment_count; i++) {
        const struct weir_segment_facts *segment = &mark->segments[i];
        const struct weir_recovery_file *file = find_file(files, file_count, segment->base_offset);
        if (file == NULL) {
            int64_t from = segment->base_offset > mark->start_offset ? segment->base_offset
                                                                     : mark->start_offset;
            go_offline(plan, from, "is missing", segment->base_offset);
            return;
        }
        if (file->size < segment->size) {
            go_offline(plan, segment->base_offset, "is shorter than the durable mark says",
                       segment->base_offset);
            plan->short_segment = i;
            return;
        }
    }
}

static void check_order(const struct weir_durable_mark *mark,
                        const struct weir_recovery_file *files, size_t file_count,
                        struct weir_recovery_plan *plan)
{
    if (!mark->is_truncating || orders_cut(mark)) return;
    const struct weir_segment_facts *active = &mark->segments[mark->segment_count - 1];
    const struct weir_recovery_file *file = find_file(files, file_count, active->base_offset);
    if (file == NULL || file->size <= active->size) return; /* missing: told already */
    go_offline(
        plan, mark->end_offset,
        "goes on where the copy of the durable mark orders a cut, and without the mark nobody "
        "knows whether it is done: put the mark back",
        active->base_offset);
}

void weir_recovery_plan_files(const struct weir_durable_mark *mark,
                              struct weir_recovery_file *files, size_t file_count,
                              struct weir_recovery_plan *plan_out)
{
    *plan_out = (struct weir_recovery_plan){.offline_from = -1, .short_segment = SIZE_MAX};
    if (mark != NULL) {
        check_table(mark, files, file_count, plan_out);
        check_order(mark, files, file_count, plan_out);
    }
    for (size_t i = 0; i < file_count; i++) {
        files[i].verdict = mark == NULL || is_in_mark(mark, files[i].base_offset)
                               ? WEIR_RECOVERY_KEEP
                               : judge_stranger(mark, &files[i], plan_out);
    }
}

enum weir_recovery_tail weir_recovery_judge_tail(const struct weir_recovery_tail_facts *facts)
{
    bool may_be_torn =
        facts->is_last_segment && !facts->has_known_damage && !facts->mark_is_damaged;
    if (!may_be_torn) return WEIR_TAIL_OFFLINE;
    if (!facts->is_same_boot) return WEIR_TAIL_CUT;
    return facts->is_cut_short && !facts->has_batch_behind ? WEIR_TAIL_CUT : WEIR_TAIL_OFFLINE;
}
