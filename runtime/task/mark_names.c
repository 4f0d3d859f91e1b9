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

static const char *base_name(struct weir_task *task, const struct weir_plan_node *plan)
{
    const struct weir_topology *topology = task->options.config->topology;
    struct weir_arena *memory = &task->memory;
    if (plan->ops->traits.is_named_by_parent && plan->parent_count > 0) {
        const struct weir_plan_node *parent = &topology->nodes[plan->parents[0]];
        weir_assert(!parent->ops->traits.is_named_by_parent);
        const char *above = base_name(task, parent);
        return above != NULL ? weir_arena_printf(memory, "below:%s", above) : NULL;
    }
    if (plan->store_count > 0) {
        return weir_arena_printf(memory, "store:%s", topology->stores[plan->stores[0]].spec.name);
    }
    if (!is_numbered(plan->name)) return weir_arena_printf(memory, "name:%s", plan->name);
    return weir_arena_printf(memory, "kind:%s", plan->ops->name);
}

int weir_task_name_nodes(struct weir_task *task)
{
    size_t count = task->plan->node_count;
    const char **bases = weir_arena_array(&task->memory, count, sizeof *bases);
    for (size_t i = 0; bases != NULL && i < count; i++) {
        bases[i] = base_name(task, task->nodes[i].plan);
        if (bases[i] == NULL) break;
        int before = 0;
        for (size_t k = 0; k < i; k++) {
            before += strcmp(bases[k], bases[i]) == 0;
        }
        task->nodes[i].mark_name =
            before == 0 ? bases[i] : weir_arena_printf(&task->memory, "%s#%d", bases[i], before);
    }
    return weir_arena_failed(&task->memory) ? WEIR_NO_MEMORY : 0;
}
