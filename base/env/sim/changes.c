/**
 * Operations of a simulated node that change its disk, numbered, and the faults that are planned by
 * number: an operation may be refused, done in part, or end the node's life before or after it.
 */
#include "base/env/sim/sim_internal.h"

#include "base/assert.h"
#include "base/error.h"

struct change_row {
    const char *verb;
    bool is_sync;
    bool takes_space;
};

static const struct change_row change_rows[] = {
    [WEIR_SIM_CHANGE_WRITE] = {.verb = "write", .takes_space = true},
    [WEIR_SIM_CHANGE_TRUNCATE] = {.verb = "truncate"},
    [WEIR_SIM_CHANGE_SYNC] = {.verb = "sync", .is_sync = true},
    [WEIR_SIM_CHANGE_SYNC_FILE_SYSTEM] = {.verb = "sync the file system of", .is_sync = true},
    [WEIR_SIM_CHANGE_SYNC_DIRECTORY] = {.verb = "sync directory", .is_sync = true},
    [WEIR_SIM_CHANGE_CREATE] = {.verb = "open", .takes_space = true},
    [WEIR_SIM_CHANGE_MAKE_DIRECTORY] = {.verb = "make directory", .takes_space = true},
    [WEIR_SIM_CHANGE_RENAME] = {.verb = "rename"},
    [WEIR_SIM_CHANGE_REMOVE] = {.verb = "remove"},
    [WEIR_SIM_CHANGE_OTHER] = {.verb = "change"},
};

int weir_sim_change_failed(enum weir_sim_change_kind kind, const char *path, int code,
                           struct weir_error *error)
{
    if (code >= 0) return code;
    return weir_error_set(error, (enum weir_code)code, "%s '%s': %s", change_rows[kind].verb, path,
                          weir_code_text(code));
}

static bool fault_fits(enum weir_sim_fault fault, enum weir_sim_change_kind kind)
{
    switch (fault) {
    case WEIR_SIM_FAULT_NONE:
    case WEIR_SIM_FAULT_READ_EIO:
    case WEIR_SIM_FAULT_NO_HANDLE:
        return false;
    case WEIR_SIM_FAULT_EIO:
    case WEIR_SIM_FAULT_CRASH:
    case WEIR_SIM_FAULT_CRASH_AFTER:
        return true;
    case WEIR_SIM_FAULT_ENOSPC:
        return change_rows[kind].takes_space;
    case WEIR_SIM_FAULT_SYNC:
        return change_rows[kind].is_sync;
    case WEIR_SIM_FAULT_TORN:
        return kind == WEIR_SIM_CHANGE_WRITE;
    }
    return false;
}

bool weir_sim_fault_is_due(const struct weir_sim_fault_plan *plan, uint64_t number)
{
    return number == plan->at || (plan->is_sticky && number > plan->at);
}

/* A plan fires once, also if the numbers start again. */
static enum weir_sim_fault take_fault(struct weir_sim_fault_plan *plan)
{
    enum weir_sim_fault fault = plan->fault;
    if (!plan->is_sticky) plan->fault = WEIR_SIM_FAULT_NONE;
    return fault;
}

int weir_sim_change_begin(struct weir_sim_change *change, struct weir_error *error)
{
    struct weir_sim_life *life = change->life;
    struct weir_sim_node *node = life->node;
    if (life->is_dead) {
        return weir_sim_change_failed(change->kind, change->path, WEIR_CRASHED, error);
    }

    uint64_t number = ++node->change_count;
    weir_sim_trace(life->sim, (number << 8) | (uint64_t)change->kind);
    weir_sim_say(life->sim, node->number, "%llu: %s %s", (unsigned long long)number,
                 change_rows[change->kind].verb, change->path);
    if (!weir_sim_fault_is_due(&node->plan, number)) return WEIR_OK;
    if (!fault_fits(node->plan.fault, change->kind)) return WEIR_OK;
    change->fault = take_fault(&node->plan);
    if (change->fault == WEIR_SIM_FAULT_EIO) {
        return weir_sim_change_failed(change->kind, change->path, WEIR_IO, error);
    }
    if (change->fault == WEIR_SIM_FAULT_CRASH) {
        weir_sim_die(life, node->plan.crash);
        return weir_sim_change_failed(change->kind, change->path, WEIR_CRASHED, error);
    }
    return WEIR_OK;
}

int weir_sim_change_end(struct weir_sim_change *change, int code, struct weir_error *error)
{
    enum weir_sim_fault fault = change->fault;
    if (change->life->is_dead) {
        code = WEIR_CRASHED; /* within a model's step */
    } else if (fault == WEIR_SIM_FAULT_CRASH_AFTER || fault == WEIR_SIM_FAULT_TORN) {
        weir_sim_die(change->life, change->life->node->plan.crash);
        code = WEIR_CRASHED;
    }
    return weir_sim_change_failed(change->kind, change->path, code, error);
}

int weir_sim_operation(struct weir_env *env, const char *what, int (*perform)(void *context),
                       void *context, struct weir_error *error)
{
    weir_assert(weir_sim_of(env) != NULL);
    struct weir_sim_change change = {
        .life = (struct weir_sim_life *)env, .kind = WEIR_SIM_CHANGE_OTHER, .path = what};
    int rc = weir_sim_change_begin(&change, error);
    if (rc < 0) return rc;
    return weir_sim_change_end(&change, perform(context), error);
}
