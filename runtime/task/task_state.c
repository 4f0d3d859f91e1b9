#include "base/assert.h"
#include "base/state_table.h"
#include "runtime/task/task.h"

/** The states of a task; the drawing is in task.h. */

#define TO(state) WEIR_STATE_BIT(WEIR_TASK_##state)
static const struct weir_state_row rows[] = {
    [WEIR_TASK_CREATED] = {"created", TO(RESTORING) | TO(SUSPENDED)},
    [WEIR_TASK_RESTORING] = {"restoring", TO(RUNNING) | TO(SUSPENDED)},
    [WEIR_TASK_RUNNING] = {"running", TO(SUSPENDED)},
    [WEIR_TASK_SUSPENDED] = {"suspended", TO(CLOSED)},
    [WEIR_TASK_CLOSED] = {"closed", 0},
};
#undef TO
static const struct weir_state_table states = WEIR_STATE_TABLE("task", rows);

const char *weir_task_state_name(enum weir_task_state state)
{
    return weir_state_name(&states, state);
}

void weir_task_move(struct weir_task *task, enum weir_task_state to)
{
    task->phase = weir_state_move(&states, task->name, task->phase, to);
    weir_log(&task->options.env->logger, WEIR_LOG_DEBUG, "task.state", "task=%s state=%s",
             task->name, weir_task_state_name(to));
}
