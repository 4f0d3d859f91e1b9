#include "broker/engine/data_directory.h"

#include <stdio.h>

#include "base/error.h"

enum { META_PROPERTIES_SIZE_MAX = 64 * 1024, PID_TEXT_SIZE = 32, NAME_SIZE_MAX = 255 };

static const char meta_properties[] = "meta.properties";
static const char clean_shutdown[] = ".clean_shutdown";

/* The folder that holds `path`. */
static struct weir_log_path parent_of(const char *path)
{
    struct weir_log_path parent;
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    while (size > 0 && path[size - 1] != '/')
        size--;
    while (size > 1 && path[size - 1] == '/')
        size--;
    if (size == 0) {
        (void)snprintf(parent.text, sizeof parent.text, ".");
    } else {
        (void)snprintf(parent.text, sizeof parent.text, "%.*s", (int)size, path);
    }
    return parent;
}

/* A folder, made if it is not there. */
static int need_folder(struct weir_env *env, const char *path, struct weir_error *error)
{
    struct weir_file_stat stat;
    int rc = weir_stat(env, path, &stat, error);
    if (rc == 0 && stat.kind != WEIR_FILE_DIRECTORY) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "'%s' is a file; a directory is wanted",
                              path);
    }
    if (rc != WEIR_NOT_FOUND) return rc;
    rc = weir_make_directory(env, path, error);
    if (rc != WEIR_NOT_FOUND) return rc;
    return weir_error_set(error, rc, "'%s' cannot be made: there is no directory '%s'", path,
                          parent_of(path).text);
}

static int check_path(const char *path, struct weir_error *error)
{
    if (path == NULL || path[0] == '\0') {
        return weir_error_set(
            error, WEIR_INVALID_ARGUMENT,
            "the path of the data directory is empty; give one such as \"./data\"");
    }
    if (strnlen(path, WEIR_DATA_DIRECTORY_PATH_MAX + 1) > WEIR_DATA_DIRECTORY_PATH_MAX) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "the path '%.60s...' has more than %d bytes", path,
                              WEIR_DATA_DIRECTORY_PATH_MAX);
    }
    for (const char *name = path; *name != '\0'; name += strspn(name, "/")) {
        size_t size = strcspn(name, "/");
        if (size > NAME_SIZE_MAX) {
            return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                                  "the name '%.60s...' in the path has %zu bytes; at most %d are "
                                  "allowed between two '/'",
                                  name, size, NAME_SIZE_MAX);
        }
        name += size;
    }
    return 0;
}

/* ---- the lock -------------------------------------------------------------------------------- */

static int refuse_locked(struct weir_data_directory *directory, struct weir_file *lock,
                         struct weir_error *error)
{
    char text[PID_TEXT_SIZE] = {0};
    int64_t size = weir_file_read(lock, text, sizeof text - 1, 0, NULL);
    if (size > 0) text[strcspn(text, "\n")] = '\0';
    return weir_error_set(error, WEIR_LOCKED, "the data directory '%s' is in use by process %s",
                          directory->path.text, size > 0 ? text : "(unknown)");
}

/* The file, which names the process, may have been removed under it: it is not made anew here. */
static int refuse_held(struct weir_data_directory *directory, struct weir_error *error)
{
    struct weir_log_path path = weir_log_path(directory->path.text, "lock");
    struct weir_file *lock = NULL;
    int rc = weir_file_open(directory->env, path.text, WEIR_OPEN_READ, &lock, NULL);
    if (rc < 0) {
        return weir_error_set(error, WEIR_LOCKED,
                              "the data directory '%s' is in use by a process that nothing names, "
                              "for its file 'lock' has been removed",
                              directory->path.text);
    }
    rc = refuse_locked(directory, lock, error);
    weir_file_close(lock);
    return rc;
}

static int take_lock(struct weir_data_directory *directory, struct weir_error *error)
{
    struct weir_env *env = directory->env;
    struct weir_log_path path = weir_log_path(directory->path.text, "lock");
    struct weir_file *lock = NULL;
    char text[PID_TEXT_SIZE];
    int rc = weir_file_open(env, path.text, WEIR_OPEN_READ | WEIR_OPEN_WRITE | WEIR_OPEN_CREATE,
                            &lock, error);
    if (rc < 0) goto out;
    rc = weir_file_lock(lock, error);
    if (rc == WEIR_LOCKED) (void)refuse_locked(directory, lock, error);
    if (rc < 0) goto out;

    struct weir_iovec part = {.base = text};
    part.size = (size_t)snprintf(text, sizeof text, "%lld\n", (long long)env->process_id);
    rc = weir_file_truncate(lock, 0, error);
    if (rc < 0) goto out;
    rc = weir_file_write(lock, &part, 1, 0, error);
    if (rc < 0) goto out;
    directory->lock = lock;
    lock = NULL;
out:
    weir_file_close(lock);
    return rc;
}

/* The directory itself first, for its lock cannot be taken away by a file that is removed; then the file: it is
 * what an older version looks at, and all there is where a directory cannot be locked. */
static int take_locks(struct weir_data_directory *directory, struct weir_error *error)
{
    int rc = weir_directory_lock(directory->env, directory->path.text, &directory->held, error);
    if (rc == WEIR_LOCKED) (void)refuse_held(directory, error);
    return rc < 0 ? rc : take_lock(directory, error);
}

/* ---- what else is there ---------------------------------------------------------------------- */

/* In a directory that becomes ours: a start of ours that was cut short, a file system's own, and what people
 * put into an empty folder so that it is kept. Anything else belongs to somebody. */
static const char *const may_be_there[] = {
    "lock",     "meta.properties", "meta.properties.tmp", "lost+found", ".gitignore",
    ".gitkeep", ".keep",           ".DS_Store",           ".snapshot",
};

static int find_other(void *context, const char *name, enum weir_file_kind kind)
{
    char *found = context; /* NAME_SIZE_MAX + 1 */
    (void)kind;
    for (size_t i = 0; i < sizeof may_be_there / sizeof may_be_there[0]; i++) {
        if (strcmp(name, may_be_there[i]) == 0) return 0;
    }
    (void)snprintf(found, NAME_SIZE_MAX + 1, "%s", name);
    return strcmp(name, "log") == 0 ? WEIR_END : 0; /* if there is a log, that is what is said */
}

/* Without meta.properties the directory is empty or somebody else's: no lock is left in a home or in /etc.
 * Another process may be making it a data directory just now: then the file is there by the second look. */
static int refuse_other(struct weir_data_directory *directory, struct weir_error *error)
{
    struct weir_file_stat stat;
    char found[NAME_SIZE_MAX + 1] = "";
    const char *path = directory->path.text;
    struct weir_log_path mark = weir_log_path(path, meta_properties);
    if (weir_stat(directory->env, mark.text, &stat, NULL) != WEIR_NOT_FOUND) return 0;
    int rc = weir_list(directory->env, path, find_other, found, error);
    if (rc < 0) return rc;
    if (found[0] == '\0' || weir_stat(directory->env, mark.text, &stat, NULL) == 0) return 0;
    if (strcmp(found, "log") == 0) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "'%s' has a log but no meta.properties; put the file back", path);
    }
    return weir_error_set(
        error, WEIR_INVALID_ARGUMENT,
        "'%.200s' is no data directory (it has no meta.properties) and not empty: there is "
        "'%.60s'; give a new one, such as '%.100s/weir', or an empty one",
        path, found, path);
}

/* ---- who it is ------------------------------------------------------------------------------- */

static int replace_properties(struct weir_data_directory *directory, const struct weir_buffer *text,
                              struct weir_error *error)
{
    struct weir_small_file_replace replace = {
        .env = directory->env,
        .directory = directory->path.text,
        .name = meta_properties,
        .bytes = weir_buffer_slice(text),
        .is_durable = true,
    };
    if (text->failed) return weir_error_set(error, WEIR_NO_MEMORY, "write meta.properties");
    return weir_small_file_replace(&replace, error);
}

static int write_properties(struct weir_data_directory *directory, struct weir_error *error)
{
    struct weir_buffer text;
    weir_buffer_init(&text, directory->env->budget, META_PROPERTIES_SIZE_MAX);
    directory->properties = (struct weir_meta_properties){
        .version = WEIR_DATA_DIRECTORY_VERSION,
        .cluster_id = weir_uuid_random(directory->env),
        .directory_id = weir_uuid_random(directory->env),
    };
    weir_meta_properties_encode(&directory->properties, &text);
    int rc = replace_properties(directory, &text, error);
    weir_buffer_close(&text);
    return rc;
}

static int read_properties(struct weir_data_directory *directory, const char *path,
                           struct weir_error *error)
{
    struct weir_buffer text;
    weir_buffer_init(&text, directory->env->budget, META_PROPERTIES_SIZE_MAX);
    int rc = weir_small_file_read(directory->env, path, META_PROPERTIES_SIZE_MAX, &text, error);
    if (rc < 0) goto out;
    rc = weir_meta_properties_decode(weir_buffer_slice(&text), &directory->properties, error);
    (void)weir_error_wrap(error, rc, "read '%s'", path);
out:
    weir_buffer_close(&text);
    return rc;
}

static int need_properties(struct weir_data_directory *directory, struct weir_error *error)
{
    struct weir_file_stat stat;
    struct weir_log_path path = weir_log_path(directory->path.text, meta_properties);
    int rc = weir_stat(directory->env, path.text, &stat, error);
    if (rc == 0) return read_properties(directory, path.text, error);
    if (rc != WEIR_NOT_FOUND) return rc;
    directory->is_new = true;
    return write_properties(directory, error);
}

/* The line is added to what is there: keys and comments that this version does not know stay. */
int weir_data_directory_remember_log(struct weir_data_directory *directory,
                                     struct weir_error *error)
{
    static const char line[] = "log.exists=true\n";
    if (directory->properties.log_exists) return 0;
    struct weir_log_path path = weir_log_path(directory->path.text, meta_properties);
    struct weir_buffer text;
    weir_buffer_init(&text, directory->env->budget, META_PROPERTIES_SIZE_MAX);
    int rc =
        weir_small_file_read(directory->env, path.text, META_PROPERTIES_SIZE_MAX, &text, error);
    if (rc < 0) goto out;
    if (text.size > 0 && text.data[text.size - 1] != '\n') weir_buffer_append(&text, "\n", 1);
    weir_buffer_append(&text, line, sizeof line - 1);
    rc = replace_properties(directory, &text, error);
    directory->properties.log_exists = rc == 0;
out:
    weir_buffer_close(&text);
    return rc;
}

/* ---- the door -------------------------------------------------------------------------------- */

/* Made if this is the first time, or if a crash came before there was anything in it. */
static int need_log(struct weir_data_directory *directory, struct weir_error *error)
{
    struct weir_file_stat stat;
    const char *path = directory->log_path.text;
    bool is_lost = directory->properties.log_exists &&
                   weir_stat(directory->env, path, &stat, NULL) == WEIR_NOT_FOUND;
    if (!is_lost) return need_folder(directory->env, path, error);
    return weir_error_set(error, WEIR_CORRUPT,
                          "'%s' is missing, and meta.properties says that it was there; put it "
                          "back",
                          path);
}

static bool has_clean_mark(const struct weir_data_directory *directory)
{
    struct weir_file_stat stat;
    struct weir_log_path mark = weir_log_path(directory->log_path.text, clean_shutdown);
    return weir_stat(directory->env, mark.text, &stat, NULL) == 0;
}

/* After a crash a folder may be there that no sync has covered: one that the last run made and had
 * no time to sync. */
static int make_durable(struct weir_data_directory *directory, struct weir_error *error)
{
    if (directory->was_clean) return 0;
    int rc = weir_sync_directory(directory->env, directory->log_path.text, error);
    if (rc < 0) return rc;
    rc = weir_sync_directory(directory->env, directory->path.text, error);
    if (rc < 0) return rc;
    return weir_sync_directory(directory->env, parent_of(directory->path.text).text, error);
}

int weir_data_directory_open(struct weir_data_directory *directory, struct weir_env *env,
                             const char *path, struct weir_error *error)
{
    struct weir_data_directory opened = {.env = env};
    int rc = check_path(path, error);
    if (rc < 0) goto out;
    (void)snprintf(opened.path.text, sizeof opened.path.text, "%s", path);
    opened.log_path = weir_log_path(path, "log");
    rc = need_folder(env, path, error);
    if (rc < 0) goto out;
    rc = refuse_other(&opened, error);
    if (rc < 0) goto out;
    rc = take_locks(&opened, error);
    if (rc < 0) goto out;
    rc = need_properties(&opened, error);
    if (rc < 0) goto out;
    rc = need_log(&opened, error);
    if (rc < 0) goto out;
    opened.was_clean = has_clean_mark(&opened);
    rc = make_durable(&opened, error);
    if (rc < 0) goto out;
    *directory = opened;
    return 0;
out:
    weir_data_directory_close(&opened);
    return weir_error_wrap(error, rc, "open data directory%s",
                           rc == WEIR_PERMISSION ? ", which this user must be able to write" : "");
}

int weir_data_directory_begin(struct weir_data_directory *directory, struct weir_error *error)
{
    if (!directory->was_clean) return 0;
    struct weir_log_path mark = weir_log_path(directory->log_path.text, clean_shutdown);
    int rc = weir_remove(directory->env, mark.text, error);
    if (rc < 0) return rc;
    return weir_sync_directory(directory->env, directory->log_path.text, error);
}

int weir_data_directory_mark_clean(struct weir_data_directory *directory, struct weir_error *error)
{
    struct weir_small_file_replace replace = {
        .env = directory->env,
        .directory = directory->log_path.text,
        .name = clean_shutdown,
        .bytes = weir_text("version=1\n"),
        .is_durable = true,
    };
    return weir_small_file_replace(&replace, error);
}

void weir_data_directory_close(struct weir_data_directory *directory)
{
    weir_file_close(directory->lock);
    directory->lock = NULL;
    weir_file_close(directory->held);
    directory->held = NULL;
}
