/* Planted bug: a task runs, and is committed, before what its stores lack has been read. */
#include "runtime/task/restore.h"

int __real_weir_restore_apply(struct weir_restore *restore, size_t records_max,
                              struct weir_error *error);
int __wrap_weir_restore_apply(struct weir_restore *restore, size_t records_max,
                              struct weir_error *error);

int __wrap_weir_restore_apply(struct weir_restore *restore, size_t records_max,
                              struct weir_error *error)
{
    int rc = __real_weir_restore_apply(restore, records_max, error);
    restore->is_done = true;
    return rc;
}
