#include <stdio.h>

#include "base/assert.h"
#include "runtime/task/task.h"

/**
 * What a node is called in a commit.
 *
 * Its times (observed stream time, timers) must find it again after the program was edited, and
 * must not find another one. Numbers do neither: a filter put in front moves them all, and with
 * them the names that nodes get by number (KSTREAM-PROCESSOR-0000000003). So a node goes by what an
 * edit leaves alone, the first that it has of
 *
 *   store:<name>      its first store, which is where its state is
 *   name:<name>       the name its user gave it
 *   kind:<operator>   what it does
 *
 * and one whose numbers are of its parents' work (the merge behind the two sides of a join) goes by the
 * first of them: below:<its name>.
 *
 * Where several nodes of a sub-topology have one of these, all but the first have #1, #2, ...
 * behind it, in order of declaration.
 */
enum { NAME_DIGITS = 10 };

/* As the DSL counts nodes: KSTREAM-<KIND>-<ten digits>. */
static bool is_numbered(const char *name)
{
    size_t size = strlen(name);
    if (strncmp(name, "KSTREAM-", 8) != 0 || size < 8 + NAME_DIGITS) return false;
    return strspn(name + size - NAME_DIGITS, "0123456789") == NAME_DIGITS;
}

static const char *base_name(const struct weir_topology *topology,
                             const struct weir_plan_node *plan, struct weir_arena *arena)
{
    if (plan->ops->traits.is_named_by_parent && plan->parent_count > 0) {
        const struct weir_plan_node *parent = &topology->nodes[plan->parents[0]];
        weir_assert(!parent->ops->traits.is_named_by_parent);
        const char *above = base_name(topology, parent, arena);
        return above != NULL ? weir_arena_printf(arena, "below:%s", above) : NULL;
    }
    if (plan->store_count > 0) {
        return weir_arena_printf(arena, "store:%s", topology->stores[plan->stores[0]].spec.name);
    }
    if (!is_numbered(plan->name)) return weir_arena_printf(arena, "name:%s", plan->name);
    return weir_arena_printf(arena, "kind:%s", plan->ops->name);
}

int weir_mark_names(const struct weir_topology *topology, size_t subtopology,
                    struct weir_arena *arena, const char ***names_out)
{
    const struct weir_plan_subtopology *plan = &topology->subtopologies[subtopology];
    const char **bases = weir_arena_array(arena, plan->node_count, sizeof *bases);
    const char **names = weir_arena_array(arena, plan->node_count, sizeof *names);
    if (bases == NULL || names == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < plan->node_count; i++) {
        bases[i] = base_name(topology, &topology->nodes[plan->nodes[i]], arena);
        if (bases[i] == NULL) return WEIR_NO_MEMORY;
        int before = 0;
        for (size_t k = 0; k < i; k++) {
            before += strcmp(bases[k], bases[i]) == 0;
        }
        names[i] = before == 0 ? bases[i] : weir_arena_printf(arena, "%s#%d", bases[i], before);
    }
    *names_out = names;
    return weir_arena_failed(arena) ? WEIR_NO_MEMORY : 0;
}

int weir_task_name_nodes(struct weir_task *task)
{
    const char **names = NULL;
    int rc = weir_mark_names(task->options.config->topology, (size_t)task->options.subtopology,
                             &task->memory, &names);
    for (size_t i = 0; rc == 0 && i < task->plan->node_count; i++) {
        task->nodes[i].mark_name = names[i];
    }
    return rc;
}
