/* Planted bug: the flush group's sync of a log reports success and syncs nothing. */
#include "broker/log/partition_log.h"

void __wrap_weir_log_sync_run(struct weir_log_sync *sync, bool file_system_is_synced);

void __wrap_weir_log_sync_run(struct weir_log_sync *sync, bool file_system_is_synced)
{
    (void)file_system_is_synced;
    sync->rc = 0;
    sync->has_mark = false;
}
