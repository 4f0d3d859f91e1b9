/* Planted bug: a stream thread hands its part of a commit in before its outputs are acknowledged. */
#include "runtime/task/stream_thread.h"

int __real_weir_thread_hand_in(struct weir_stream_thread *thread);
int __wrap_weir_thread_hand_in(struct weir_stream_thread *thread);

int __wrap_weir_thread_hand_in(struct weir_stream_thread *thread)
{
    size_t waited_for = thread->produces_out;
    thread->produces_out = 0;
    int rc = __real_weir_thread_hand_in(thread);
    thread->produces_out = waited_for;
    return rc;
}
