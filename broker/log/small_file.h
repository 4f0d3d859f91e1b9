#ifndef WEIR_BROKER_LOG_SMALL_FILE_H
#define WEIR_BROKER_LOG_SMALL_FILE_H

#include "base/buffer.h"
#include "base/env/env.h"

/**
 * Names and small whole files in a partition's folder: read at once, replaced at once.
 */
enum { WEIR_LOG_PATH_MAX = 4096, WEIR_LOG_DIRECTORY_MAX = 4000 };

/** `<directory>/<name>`, in place. The directory is at most WEIR_LOG_DIRECTORY_MAX long. */
struct weir_log_path {
    char text[WEIR_LOG_PATH_MAX];
};
struct weir_log_path weir_log_path(const char *directory, const char *name);
/** `<directory>/<topic>-<partition>`: a partition's folder. The topic's name is a legal one. */
struct weir_log_path weir_log_partition_path(const char *directory, struct weir_slice topic,
                                             int32_t partition);
/** Whether a name is `<topic>-<number>`, as of a partition's folder, and if so the topic's part: a slice of `name`,
 * which is not looked at further. */
bool weir_log_is_partition_name(const char *name, struct weir_slice *topic_out);
/** `<directory>/<offset, 20 digits><suffix>`, Kafka's names. */
struct weir_log_path weir_log_offset_path(const char *directory, int64_t offset,
                                          const char *suffix);
/** The offset of a name that is 20 digits and exactly `suffix`; -1 if it is not. */
int64_t weir_log_name_offset(const char *name, const char *suffix);

/**
 * Read a whole file into `buffer` (emptied first).
 * Errors: WEIR_NOT_FOUND, WEIR_TOO_LARGE over `size_max`, WEIR_NO_MEMORY, WEIR_IO.
 */
int weir_small_file_read(struct weir_env *env, const char *path, size_t size_max,
                         struct weir_buffer *buffer, struct weir_error *error);

/**
 * Replace `directory/name` in one step: a reader sees the old bytes or the new ones. With
 * `is_durable` the new ones are on the disk on return (file, then rename, then folder).
 * A shortage (of room, memory or descriptors): the old file stands, and so it does if it was found out
 * too late to lay the new one; past the rename there is nothing left that a shortage could refuse. Any
 * thread, one at a time per name.
 */
struct weir_small_file_replace {
    struct weir_env *env;
    const char *directory;
    const char *name;
    struct weir_slice bytes;
    bool is_durable;
};
int weir_small_file_replace(const struct weir_small_file_replace *what, struct weir_error *error);
/** And another one in the same folder, which takes its name behind the first and before the sync of the
 * folder. What keeps it from being written is no error. */
int weir_small_file_replace_both(const struct weir_small_file_replace *what,
                                 const struct weir_small_file_replace *copy,
                                 struct weir_error *error);

/** Its two halves, for whoever makes many durable at once: write the new bytes beside the old file,
 * and have them take its name. */
int weir_small_file_lay(const struct weir_small_file_replace *what, struct weir_error *error);
int weir_small_file_take(const struct weir_small_file_replace *what, struct weir_error *error);

#endif
