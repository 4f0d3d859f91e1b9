#ifndef WEIR_BROKER_ENGINE_DATA_DIRECTORY_H
#define WEIR_BROKER_ENGINE_DATA_DIRECTORY_H

#include "base/env/env.h"
#include "broker/engine/meta_properties.h"
#include "broker/log/small_file.h"

/**
 * A data directory: who it is, and that nobody else has it.
 *
 *     meta.properties      version, cluster.id, directory.id, node.id, features, log.exists (text)
 *     lock                 flock, as the directory itself; the pid inside is for the message only
 *     log/                 a folder per partition
 *     log/.clean_shutdown  there between a clean close and the next open
 *
 * meta.properties is written before log/ is made: a log/ without it has lost something, and is
 * refused, and so is a directory without it that has anything else in it. Once the first metadata
 * is durable it says so (`log.exists`): from then on a directory without log/, or without metadata
 * in it, is refused too. docs/format/data-directory.md.
 */
enum { WEIR_DATA_DIRECTORY_PATH_MAX = 3500 };

struct weir_data_directory {
    struct weir_env *env;
    struct weir_file *held; /* the directory itself, locked; NULL: it cannot be */
    struct weir_file *lock;
    struct weir_meta_properties properties;
    struct weir_log_path path;
    struct weir_log_path log_path;
    bool is_new;    /* made by this open */
    bool was_clean; /* the last one closed properly, and nothing has been written since */
};

/**
 * Make or open `path`, and lock it. Blocks.
 *
 * Errors: WEIR_INVALID_ARGUMENT (empty, too long, a file, somebody else's), WEIR_LOCKED (names the pid),
 *         WEIR_UNSUPPORTED_VERSION (names both), WEIR_CORRUPT, WEIR_PERMISSION, WEIR_NO_SPACE.
 */
int weir_data_directory_open(struct weir_data_directory *directory, struct weir_env *env,
                             const char *path, struct weir_error *error);
/** Remember durably that log/ and its first metadata are there: after they are, before anything is
 * served. Nothing to do from the second time on. */
int weir_data_directory_remember_log(struct weir_data_directory *directory,
                                     struct weir_error *error);
/** Forget durably that the last close was clean: before anything is written. */
int weir_data_directory_begin(struct weir_data_directory *directory, struct weir_error *error);
/** Remember durably that everything is closed: after the last write. */
int weir_data_directory_mark_clean(struct weir_data_directory *directory, struct weir_error *error);
/** Release the lock. A zeroed one is fine. */
void weir_data_directory_close(struct weir_data_directory *directory);

#endif
