#include "cli/log_folder.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "broker/log/small_file.h"

struct walk {
    struct weir_env *env;
    const char *directory;
    log_folder_fn each;
    void *context;
    size_t segment_count; /* of the directory itself */
    bool has_meta;
    struct weir_error *error;
};

static int look(void *context, const char *name, enum weir_file_kind kind)
{
    struct walk *walk = context;
    if (kind == WEIR_FILE_REGULAR && weir_log_name_offset(name, ".log") >= 0) {
        walk->segment_count++;
    }
    if (kind == WEIR_FILE_REGULAR && strcmp(name, "meta.properties") == 0) walk->has_meta = true;
    return 0;
}

static int visit(void *context, const char *name, enum weir_file_kind kind)
{
    struct walk *walk = context;
    if (kind != WEIR_FILE_DIRECTORY || name[0] == '.') return 0;
    struct weir_log_path path = weir_log_path(walk->directory, name);
    return walk->each(walk->context, path.text, name, walk->error);
}

/* "orders-0" of "data/log/orders-0/". */
static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static int check_path(struct weir_env *env, const char *path, struct weir_error *error)
{
    struct weir_file_stat facts;
    if (strlen(path) > WEIR_LOG_DIRECTORY_MAX - 300) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "the directory's name is too long");
    }
    int rc = weir_stat(env, path, &facts, error);
    if (rc == WEIR_NOT_FOUND) {
        return weir_error_set(error, rc, "there is no directory '%s'", path);
    }
    if (rc == 0 && facts.kind != WEIR_FILE_DIRECTORY) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "'%s' is a file; a partition's folder or a data directory is wanted",
                              path);
    }
    return rc;
}

int log_folder_each(struct weir_env *env, const char *path, log_folder_fn each, void *context,
                    struct weir_error *error)
{
    int rc = check_path(env, path, error);
    if (rc < 0) return rc;
    char trimmed[WEIR_LOG_PATH_MAX];
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') {
        size--;
    }
    (void)snprintf(trimmed, sizeof trimmed, "%.*s", (int)size, path);

    struct walk walk = {.env = env, .each = each, .context = context, .error = error};
    rc = weir_list(env, trimmed, look, &walk, error);
    if (rc < 0) return rc;
    if (walk.segment_count > 0) return each(context, trimmed, last_name(trimmed), error);
    if (!walk.has_meta) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "'%s' is neither a data directory (it has no meta.properties) nor a "
                              "partition's folder (it has no segments)",
                              path);
    }
    struct weir_log_path log = weir_log_path(trimmed, "log");
    walk.directory = log.text;
    return weir_list(env, log.text, visit, &walk, error);
}
