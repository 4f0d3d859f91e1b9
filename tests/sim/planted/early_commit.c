/* Planted bug: a stream thread hands its part of a commit in before its outputs are acknowledged. */
#include "runtime/task/thread_step.h"

void __real_weir_thread_step(struct weir_thread_state *state, const struct weir_thread_event *event,
                             struct weir_thread_update *update);
void __wrap_weir_thread_step(struct weir_thread_state *state, const struct weir_thread_event *event,
                             struct weir_thread_update *update);

void __wrap_weir_thread_step(struct weir_thread_state *state, const struct weir_thread_event *event,
                             struct weir_thread_update *update)
{
    struct weir_thread_event told = *event;
    if (event->type == WEIR_THREAD_SENT) told.is_quiet = true;
    __real_weir_thread_step(state, &told, update);
}
