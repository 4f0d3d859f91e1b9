#include "runtime/application/late.h"

#include <string.h>

#include "runtime/application/app_records.h"
#include "runtime/task/timers.h"

static bool is_of_late(const struct weir_node_mark *mark)
{
    return mark->id == WEIR_MARK_LATE || mark->id == WEIR_MARK_LATE_MAX ||
           mark->id == WEIR_MARK_GRACE_ENOUGH;
}

static struct weir_app_late *of_name(struct weir_app_late *late, size_t *count, const char *name)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(late[i].operator_name, name) == 0) return &late[i];
    }
    late[*count] = (struct weir_app_late){.operator_name = name};
    return &late[(*count)++];
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void take(struct weir_app_late *late, const struct weir_node_mark *mark)
{
    if (mark->id == WEIR_MARK_LATE) late->records += mark->time_ms;
    if (mark->id == WEIR_MARK_LATE_MAX)
        late->late_max_ms = larger(late->late_max_ms, mark->time_ms);
    if (mark->id == WEIR_MARK_GRACE_ENOUGH) {
        late->grace_enough_ms = larger(late->grace_enough_ms, mark->time_ms);
    }
}

int weir_app_find_late(const struct weir_app *app, struct weir_app_late **late_out,
                       size_t *count_out, struct weir_error *error)
{
    const struct weir_commit_recover *committed = &app->committed;
    size_t bound = 1;
    for (size_t i = 0; i < committed->entry_count; i++) {
        bound += committed->entries[i].mark_count;
    }
    struct weir_app_late *late = weir_arena_array(app->arena, bound, sizeof *late);
    if (late == NULL) return weir_app_no_memory(error);
    size_t count = 0;
    for (size_t i = 0; i < committed->entry_count; i++) {
        const struct weir_commit_entry *entry = &committed->entries[i];
        for (size_t m = 0; m < entry->mark_count; m++) {
            const struct weir_node_mark *mark = &entry->marks[m];
            if (is_of_late(mark)) take(of_name(late, &count, mark->node), mark);
        }
    }
    *late_out = late;
    *count_out = count;
    return 0;
}
