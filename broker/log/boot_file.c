#include "broker/log/boot_file.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "broker/log/small_file.h"

/* The id and a newline. */
static size_t print_id(struct weir_env *env, char text[WEIR_BOOT_ID_SIZE + 1])
{
    struct weir_boot_id id = weir_boot_id(env);
    if (id.text[0] == '\0') return 0;
    return (size_t)snprintf(text, WEIR_BOOT_ID_SIZE + 1, "%s\n", id.text);
}

int weir_boot_file_is_current(struct weir_env *env, const char *directory, bool *is_current_out,
                              struct weir_error *error)
{
    char wanted[WEIR_BOOT_ID_SIZE + 1];
    char found[WEIR_BOOT_ID_SIZE + 2];
    struct weir_error why = {0};
    struct weir_file *file = NULL;
    struct weir_log_path path = weir_log_path(directory, WEIR_BOOT_FILE_NAME);
    size_t size = print_id(env, wanted);
    *is_current_out = false;
    if (size == 0) return 0;
    int64_t got = weir_file_open(env, path.text, WEIR_OPEN_READ, &file, &why);
    if (got == 0) got = weir_file_read(file, found, sizeof found, 0, &why);
    weir_file_close(file);
    *is_current_out = got == (int64_t)size && memcmp(found, wanted, size) == 0;
    if (got >= 0 || !weir_code_is_shortage((int)got)) return 0;
    if (error != NULL) *error = why;
    return (int)got;
}

void weir_boot_file_write(struct weir_env *env, const char *directory)
{
    char text[WEIR_BOOT_ID_SIZE + 1];
    struct weir_file *file = NULL;
    struct weir_log_path path = weir_log_path(directory, WEIR_BOOT_FILE_NAME);
    struct weir_iovec part = {text, print_id(env, text)};
    if (part.size == 0) return;
    int rc = weir_file_open(env, path.text, WEIR_OPEN_WRITE | WEIR_OPEN_CREATE | WEIR_OPEN_TRUNCATE,
                            &file, NULL);
    if (rc < 0) return;
    (void)weir_file_write(file, &part, 1, 0, NULL); /* a part of an id is not an id */
    weir_file_close(file);
}

void weir_boot_file_forget(struct weir_env *env, const char *directory)
{
    struct weir_log_path path = weir_log_path(directory, WEIR_BOOT_FILE_NAME);
    (void)weir_remove(env, path.text, NULL);
}

void weir_boot_file_forget_beside(const struct weir_file *file)
{
    struct weir_log_path directory;
    const char *end = strrchr(file->path, '/');
    size_t size = end != NULL ? (size_t)(end - file->path) : 0;
    if (size == 0 || size > WEIR_LOG_DIRECTORY_MAX) return; /* no log's */
    memcpy(directory.text, file->path, size);
    directory.text[size] = '\0';
    weir_boot_file_forget(file->env, directory.text);
}

struct logs {
    struct weir_env *env;
    const char *path;
};

static int forget_one(void *context, const char *name, enum weir_file_kind kind)
{
    const struct logs *logs = context;
    if (kind != WEIR_FILE_DIRECTORY) return 0;
    if (strlen(logs->path) + 1 + strlen(name) > WEIR_LOG_DIRECTORY_MAX) return 0; /* no log's */
    struct weir_log_path directory = weir_log_path(logs->path, name);
    weir_boot_file_forget(logs->env, directory.text);
    return 0;
}

/* Where no descriptor is left to list them, those that are not open stay trusted: what of them is
 * lost is then taken for rot, offline and not cut. */
void weir_boot_file_forget_all(struct weir_env *env, const char *path)
{
    struct logs logs = {env, path};
    (void)weir_list(env, path, forget_one, &logs, NULL);
}
