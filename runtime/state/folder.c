#include "runtime/state/folder.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

enum { PATH_SIZE = 4096 };

/* The folder that has the last name of `path` in it. */
static int sync_parent(struct weir_env *env, const char *path, struct weir_error *error)
{
    char parent[PATH_SIZE];
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return weir_sync_directory(env, ".", error);
    size_t size = slash == path ? 1 : (size_t)(slash - path);
    weir_assert(size < sizeof parent);
    memcpy(parent, path, size);
    parent[size] = '\0';
    return weir_sync_directory(env, parent, error);
}

/* That it is there already is no error, and leaves none behind for the caller to wonder at. */
int weir_folder_add(struct weir_env *env, const char *path, struct weir_error *error)
{
    struct weir_error why = {0};
    if (strlen(path) >= PATH_SIZE) {
        return weir_error_set(error, WEIR_TOO_LARGE, "path of %zu bytes", strlen(path));
    }
    int rc = weir_make_directory(env, path, &why);
    if (rc == WEIR_EXISTS) return 0;
    if (rc == 0) rc = sync_parent(env, path, &why);
    if (rc < 0) weir_error_copy(error, &why);
    return rc;
}

int weir_folder_make(struct weir_env *env, const char *path, struct weir_error *error)
{
    char part[PATH_SIZE];
    size_t size = strlen(path);
    if (size >= sizeof part)
        return weir_error_set(error, WEIR_TOO_LARGE, "path of %zu bytes", size);
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        int rc = weir_folder_add(env, part, error);
        if (rc < 0) return rc;
    }
    return WEIR_OK;
}

struct removal {
    struct weir_env *env;
    const char *path;
    struct weir_error *error;
};

static int remove_one(void *context, const char *name, enum weir_file_kind kind)
{
    const struct removal *removal = context;
    char path[PATH_SIZE];
    int size = snprintf(path, sizeof path, "%s/%s", removal->path, name);
    if (size < 0 || (size_t)size >= sizeof path) {
        return weir_error_set(removal->error, WEIR_TOO_LARGE, "path below '%s'", removal->path);
    }
    if (kind == WEIR_FILE_DIRECTORY) return weir_folder_remove(removal->env, path, removal->error);
    return weir_remove(removal->env, path, removal->error);
}

int weir_folder_remove(struct weir_env *env, const char *path, struct weir_error *error)
{
    struct removal removal = {env, path, error};
    int rc = weir_list(env, path, remove_one, &removal, error);
    if (rc == WEIR_NOT_FOUND) return WEIR_OK;
    return rc < 0 ? rc : weir_remove(env, path, error);
}

char *weir_folder_join(struct weir_budget *budget, const char *path, const char *name)
{
    size_t path_size = strlen(path);
    size_t name_size = strlen(name);
    char *joined = weir_alloc(budget, path_size + name_size + 2);
    if (joined == NULL) return NULL;
    memcpy(joined, path, path_size);
    joined[path_size] = '/';
    memcpy(joined + path_size + 1, name, name_size + 1);
    return joined;
}
