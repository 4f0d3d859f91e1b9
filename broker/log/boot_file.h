#ifndef WEIR_BROKER_LOG_BOOT_FILE_H
#define WEIR_BROKER_LOG_BOOT_FILE_H

#include "base/env/env.h"

/**
 * `boot-id`: in which start of the machine the partition was last opened. As long as it is the
 * running one, every byte that was written since is there, in the page cache or on the disk, and an
 * end of the process can only have cut the last write short. Any other text, and none, says that
 * power may have been lost.
 *
 * Per partition, for one that is opened late must not be taken for one whose tail this boot wrote. Never
 * synced: what a loss of power makes of it cannot be the id of the boot that follows.
 */
#define WEIR_BOOT_FILE_NAME "boot-id"

/** Was the folder's log last opened in the boot that is running? No if the file does not say so or
 * cannot be read. A shortage is an error, for a later answer may be yes: what is rot then would be
 * cut now. */
int weir_boot_file_is_current(struct weir_env *env, const char *directory, bool *is_current_out,
                              struct weir_error *error);
/** From now on it was. What cannot be written is left out: the next open then expects the worse. */
void weir_boot_file_write(struct weir_env *env, const char *directory);
/** After a failed write or sync the page cache proves nothing any more. */
void weir_boot_file_forget(struct weir_env *env, const char *directory);
/** After a failed sync of a log's file, whoever synced it: the folder that the file is in. */
void weir_boot_file_forget_beside(const struct weir_file *file);
/** After a failed sync of the whole file system: each folder in `path`, also those of logs that
 * this process has not opened, for a life before it may have left them in the page cache alone. Any
 * thread; blocks. */
void weir_boot_file_forget_all(struct weir_env *env, const char *path);

#endif
