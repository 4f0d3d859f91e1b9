/* Planted bug: threads that commit on their own read what others have repartitioned before it is committed: what one of
 * them aborts another has committed the results of. */
#include "runtime/task/stream_thread.h"

int __real_weir_stream_thread_new(const struct weir_stream_thread_options *options,
                                  struct weir_stream_thread **thread_out, struct weir_error *error);
int __wrap_weir_stream_thread_new(const struct weir_stream_thread_options *options,
                                  struct weir_stream_thread **thread_out, struct weir_error *error);

int __wrap_weir_stream_thread_new(const struct weir_stream_thread_options *options,
                                  struct weir_stream_thread **thread_out, struct weir_error *error)
{
    struct weir_stream_thread_options hasty = *options;
    hasty.reads_uncommitted = true;
    return __real_weir_stream_thread_new(&hasty, thread_out, error);
}
