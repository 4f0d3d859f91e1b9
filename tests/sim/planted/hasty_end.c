/* Planted bug: what a writer said in an earlier run of the job, that it was at its end too, counts in this one. */
#include "runtime/task/writer_times.h"

void __real_weir_writer_times_take(struct weir_writer_times *times, int64_t offset,
                                   const struct weir_writer_time *time);
void __wrap_weir_writer_times_take(struct weir_writer_times *times, int64_t offset,
                                   const struct weir_writer_time *time);

void __wrap_weir_writer_times_take(struct weir_writer_times *times, int64_t offset,
                                   const struct weir_writer_time *time)
{
    times->counted_from = 0;
    __real_weir_writer_times_take(times, offset, time);
}
