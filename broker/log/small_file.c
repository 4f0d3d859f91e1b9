#include "broker/log/small_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

enum { OFFSET_DIGITS = 20 };

struct weir_log_path weir_log_path(const char *directory, const char *name)
{
    struct weir_log_path path;
    int size = snprintf(path.text, sizeof path.text, "%s/%s", directory, name);
    weir_assert(size > 0 && (size_t)size < sizeof path.text);
    return path;
}

struct weir_log_path weir_log_partition_path(const char *directory, struct weir_slice topic,
                                             int32_t partition)
{
    struct weir_log_path path;
    int size = snprintf(path.text, sizeof path.text, "%s/%.*s-%" PRId32, directory, (int)topic.size,
                        (const char *)topic.data, partition);
    weir_assert(size > 0 && (size_t)size < sizeof path.text);
    return path;
}

bool weir_log_is_partition_name(const char *name, struct weir_slice *topic_out)
{
    const char *dash = strrchr(name, '-');
    if (dash == NULL || dash[1] == '\0') return false;
    if (dash[1 + strspn(dash + 1, "0123456789")] != '\0') return false;
    *topic_out = weir_slice(name, (size_t)(dash - name));
    return true;
}

struct weir_log_path weir_log_offset_path(const char *directory, int64_t offset, const char *suffix)
{
    struct weir_log_path path;
    weir_assert(offset >= 0);
    int size =
        snprintf(path.text, sizeof path.text, "%s/%020" PRId64 "%s", directory, offset, suffix);
    weir_assert(size > 0 && (size_t)size < sizeof path.text);
    return path;
}

int64_t weir_log_name_offset(const char *name, const char *suffix)
{
    int64_t offset = 0;
    for (int i = 0; i < OFFSET_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9') return -1;
        if (__builtin_mul_overflow(offset, 10, &offset)) return -1;
        if (__builtin_add_overflow(offset, name[i] - '0', &offset)) return -1;
    }
    return strcmp(name + OFFSET_DIGITS, suffix) == 0 ? offset : -1;
}

int weir_small_file_read(struct weir_env *env, const char *path, size_t size_max,
                         struct weir_buffer *buffer, struct weir_error *error)
{
    struct weir_file *file = NULL;
    struct weir_file_stat stat = {0};
    int64_t size = 0;
    uint8_t *to = NULL;
    int rc = weir_file_open(env, path, WEIR_OPEN_READ, &file, error);
    if (rc < 0) goto out;

    rc = weir_file_stat(file, &stat, error);
    if (rc < 0) goto out;
    if ((uint64_t)stat.size > size_max) {
        rc = weir_error_set(error, WEIR_TOO_LARGE, "'%s' has %lld bytes, at most %zu make sense",
                            path, (long long)stat.size, size_max);
        goto out;
    }

    weir_buffer_reset(buffer);
    to = weir_buffer_extend(buffer, (size_t)stat.size);
    if (to == NULL && stat.size > 0) {
        rc = weir_error_set(error, WEIR_NO_MEMORY, "read '%s': no memory for %lld bytes", path,
                            (long long)stat.size);
        goto out;
    }
    size = stat.size > 0 ? weir_file_read(file, to, (size_t)stat.size, 0, error) : 0;
    rc = size < 0 ? (int)size : 0;
    if (rc == 0) buffer->size = (size_t)size;
out:
    weir_file_close(file);
    return rc;
}

/* Where the new bytes wait. */
static struct weir_log_path aside_of(const struct weir_small_file_replace *what)
{
    char name[64];
    int size = snprintf(name, sizeof name, "%s.tmp", what->name);
    weir_assert(size > 0 && (size_t)size < sizeof name);
    return weir_log_path(what->directory, name);
}

int weir_small_file_lay(const struct weir_small_file_replace *what, struct weir_error *error)
{
    struct weir_log_path aside = aside_of(what);
    struct weir_file *file = NULL;
    struct weir_iovec part = {what->bytes.data, what->bytes.size};
    int rc = weir_file_open(what->env, aside.text,
                            WEIR_OPEN_WRITE | WEIR_OPEN_CREATE | WEIR_OPEN_TRUNCATE, &file, error);
    if (rc < 0) goto out;

    rc = weir_file_write(file, &part, 1, 0, error);
    if (rc < 0 || !what->is_durable) goto out;

    rc = weir_file_sync(file, error);
out:
    weir_file_close(file);
    return rc;
}

/* The folder is open before the rename: without a descriptor for it nothing would be known of the new
 * name, which stands already. NULL for what need not be durable. */
static int open_folder(const struct weir_small_file_replace *what, struct weir_file **folder_out,
                       struct weir_error *error)
{
    if (!what->is_durable) return 0;
    return weir_directory_open(what->env, what->directory, folder_out, error);
}

static int give_name(const struct weir_small_file_replace *what, struct weir_error *error)
{
    struct weir_log_path aside = aside_of(what);
    struct weir_log_path path = weir_log_path(what->directory, what->name);
    return weir_rename(what->env, aside.text, path.text, error);
}

static int sync_names(struct weir_file *folder, struct weir_error *error)
{
    return folder == NULL ? 0 : weir_directory_sync(folder, error);
}

int weir_small_file_take(const struct weir_small_file_replace *what, struct weir_error *error)
{
    struct weir_file *folder = NULL;
    int rc = open_folder(what, &folder, error);
    if (rc == 0) rc = give_name(what, error);
    if (rc == 0) rc = sync_names(folder, error);
    weir_file_close(folder);
    return rc;
}

int weir_small_file_replace(const struct weir_small_file_replace *what, struct weir_error *error)
{
    return weir_small_file_replace_both(what, NULL, error);
}

int weir_small_file_replace_both(const struct weir_small_file_replace *what,
                                 const struct weir_small_file_replace *copy,
                                 struct weir_error *error)
{
    struct weir_file *folder = NULL;
    int rc = open_folder(what, &folder, error);
    if (rc == 0) rc = weir_small_file_lay(what, error);
    bool has_copy = rc == 0 && copy != NULL && weir_small_file_lay(copy, NULL) == 0;
    if (rc == 0) rc = give_name(what, error);
    if (rc == 0 && has_copy) (void)give_name(copy, NULL);
    if (rc == 0) rc = sync_names(folder, error);
    weir_file_close(folder);
    return rc;
}
