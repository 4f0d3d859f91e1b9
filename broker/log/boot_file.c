#include "broker/log/boot_file.h"

#include <stdio.h>
#include <string.h>

#include "broker/log/small_file.h"

/* The id and a newline. */
static size_t print_id(struct weir_env *env, char text[WEIR_BOOT_ID_SIZE + 1])
{
    struct weir_boot_id id = weir_boot_id(env);
    if (id.text[0] == '\0') return 0;
    return (size_t)snprintf(text, WEIR_BOOT_ID_SIZE + 1, "%s\n", id.text);
}

bool weir_boot_file_is_current(struct weir_env *env, const char *directory)
{
    char wanted[WEIR_BOOT_ID_SIZE + 1];
    char found[WEIR_BOOT_ID_SIZE + 2];
    struct weir_file *file = NULL;
    struct weir_log_path path = weir_log_path(directory, WEIR_BOOT_FILE_NAME);
    size_t size = print_id(env, wanted);
    if (size == 0) return false;
    if (weir_file_open(env, path.text, WEIR_OPEN_READ, &file, NULL) < 0) return false;
    int64_t got = weir_file_read(file, found, sizeof found, 0, NULL);
    weir_file_close(file);
    return got == (int64_t)size && memcmp(found, wanted, size) == 0;
}

void weir_boot_file_write(struct weir_env *env, const char *directory)
{
    char text[WEIR_BOOT_ID_SIZE + 1];
    struct weir_file *file = NULL;
    struct weir_log_path path = weir_log_path(directory, WEIR_BOOT_FILE_NAME);
    struct weir_iovec part = {text, print_id(env, text)};
    if (part.size == 0) return;
    int rc =
        weir_file_open(env, path.text, WEIR_OPEN_WRITE | WEIR_OPEN_CREATE | WEIR_OPEN_TRUNCATE,
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
