#include "runtime/state/backend_run.h"

#include <stdatomic.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/error.h"
#include "runtime/state/folder.h"
#include "runtime/state/sorted_run.h"

/*
 * A state in one file, until it is too large for one.
 *
 *      writer (a worker)                        reader (the stream thread)
 *
 *      latest ──write: merged──> latest'
 *                 │  published (atomic)
 *                 └────────────────────────────> shown ──> get_many, iterators: a reference each
 *         │
 *       flush: rows.new, sync, rename to `rows`, sync of the folder
 *
 * - A write makes another run (sorted_run.h) and publishes it; the reader takes it over at its next call. What
 *   he, or an iterator of his, holds until then does not change. No lock: one side puts, the other takes.
 * - A flush writes the whole run beside the last one and renames it, so that `rows` is always one of them, whole.
 *   Nothing but a flush touches the disk: a crash costs what was written since the last.
 * - A run beyond the bound goes over to the database. All its rows are written there and flushed, and only then is
 *   `rows` removed. So while there is `rows` it is what the state is, whatever a crash has left of a database
 *   beside it; that is wiped before the next one begins.
 * - A database that an open finds, and that would fit into half the bound, comes back: `rows` is written, and then
 *   the database wiped. Folders of before there was `rows` become small that way. While it is open a state does
 *   not come back: one that was large is likely to be so again, and to make a database is what costs.
 *
 * A shortage (descriptors, memory, room) does not end a job that can go on without: what cannot go over stays a run,
 * up to a multiple of the bound, and what cannot be flushed yet is flushed later. A start after a crash restores
 * more then.
 */
enum { RUN_BACKEND_MAGIC = 0x5752554e };
/* What a run may grow to while there is no database to be had; what `rows` is read up to. */
enum { GRACE_FACTOR = 16, GRACE_MIN = 1 << 20, FILE_SIZE_MAX = 1 << 30 };

struct run_backend {
    uint32_t magic;
    struct weir_run_backend_options run;
    struct weir_backend_options options; /* the database's */
    char *rows_path;
    char *new_path;

    struct weir_shared *latest; /* the writer's; NULL once it has gone over */
    bool is_kept;               /* `rows` is `latest` */
    _Atomic(struct weir_shared *) published;
    struct weir_shared *shown; /* the reader's; NULL once it has gone over, and he knows */

    struct weir_backend database; /* before is_database is true the writer's only */
    _Atomic bool is_database;
};

static struct run_backend *run_from(void *impl)
{
    struct run_backend *backend = impl;
    weir_assert(backend->magic == RUN_BACKEND_MAGIC);
    return backend;
}

static bool is_database(const struct run_backend *backend)
{
    return atomic_load_explicit(&backend->is_database, memory_order_acquire);
}

/* ---- from the writer to the reader --------------------------------------------------------------- */

/* Takes the reference. */
static void install(struct run_backend *backend, struct weir_shared *run)
{
    struct weir_shared *missed =
        atomic_exchange_explicit(&backend->published, weir_shared_ref(run), memory_order_acq_rel);
    weir_shared_unref(missed);
    weir_shared_unref(backend->latest);
    backend->latest = run;
    backend->is_kept = false;
}

/* The reader's run, the newest that is there. */
static struct weir_shared *shown(struct run_backend *backend)
{
    if (atomic_load_explicit(&backend->published, memory_order_relaxed) == NULL) {
        return backend->shown;
    }
    struct weir_shared *run =
        atomic_exchange_explicit(&backend->published, NULL, memory_order_acq_rel);
    weir_assert(run != NULL); /* nobody else takes it out */
    weir_shared_unref(backend->shown);
    backend->shown = run;
    return run;
}

/* The reader has met the database: he reads no run any more. */
static void forget_shown(struct run_backend *backend)
{
    if (shown(backend) == NULL) return;
    weir_shared_unref(backend->shown);
    backend->shown = NULL;
}

/* ---- reading ------------------------------------------------------------------------------------- */

static int run_get_many(void *impl, const struct weir_slice *keys, size_t count,
                        weir_backend_found_fn found, void *context, struct weir_error *error)
{
    struct run_backend *backend = run_from(impl);
    if (is_database(backend)) {
        forget_shown(backend);
        const struct weir_backend *database = &backend->database;
        return database->ops->get_many(database->impl, keys, count, found, context, error);
    }
    const struct weir_shared *run = shown(backend);
    const size_t row_count = weir_sorted_run_count(run);
    for (size_t i = 0; i < count; i++) {
        const size_t at = weir_sorted_run_seek(run, keys[i]);
        if (at == row_count) continue;
        const struct weir_sorted_run_row row = weir_sorted_run_at(run, at);
        if (!weir_slice_equal(row.key, keys[i])) continue;
        int rc = found(context, i, row.value);
        if (rc < 0) return rc;
    }
    return WEIR_OK;
}

/* Of a run: `place` is a reference to it, `index` the row. Of the database's: `over` is this backend. */
static int run_iterator_open(void *impl, struct weir_backend_iterator *iterator_out,
                             struct weir_error *error)
{
    struct run_backend *backend = run_from(impl);
    if (!is_database(backend)) {
        *iterator_out = (struct weir_backend_iterator){.place = weir_shared_ref(shown(backend))};
        return WEIR_OK;
    }
    forget_shown(backend);
    struct weir_backend_iterator iterator = {0};
    int rc = backend->database.ops->iterator_open(backend->database.impl, &iterator, error);
    if (rc < 0) return rc;
    iterator.over = backend;
    *iterator_out = iterator;
    return WEIR_OK;
}

static const struct weir_backend_ops *database_ops(const struct weir_backend_iterator *iterator)
{
    return iterator->over != NULL ? run_from(iterator->over)->database.ops : NULL;
}

static int show(struct weir_backend_iterator *iterator)
{
    const struct weir_shared *run = iterator->place;
    if (iterator->index >= weir_sorted_run_count(run)) return WEIR_END;
    const struct weir_sorted_run_row row = weir_sorted_run_at(run, iterator->index);
    iterator->key = row.key;
    iterator->value = row.value;
    return WEIR_OK;
}

static int run_iterator_seek(struct weir_backend_iterator *iterator, struct weir_slice from,
                             struct weir_error *error)
{
    const struct weir_backend_ops *database = database_ops(iterator);
    if (database != NULL) return database->iterator_seek(iterator, from, error);
    iterator->index = weir_sorted_run_seek(iterator->place, from);
    return show(iterator);
}

static int run_iterator_next(struct weir_backend_iterator *iterator, struct weir_error *error)
{
    const struct weir_backend_ops *database = database_ops(iterator);
    if (database != NULL) return database->iterator_next(iterator, error);
    iterator->index++;
    return show(iterator);
}

static void run_iterator_close(struct weir_backend_iterator *iterator)
{
    const struct weir_backend_ops *database = database_ops(iterator);
    if (database != NULL) {
        database->iterator_close(iterator);
    } else {
        weir_shared_unref(iterator->place);
    }
    *iterator = (struct weir_backend_iterator){0};
}

/* ---- the file ------------------------------------------------------------------------------------ */

static int write_file(struct run_backend *backend, const struct weir_shared *run,
                      struct weir_error *error)
{
    const struct weir_iovec part = {run->data, run->size};
    struct weir_file *file = NULL;
    int rc = weir_file_open(backend->options.env, backend->new_path,
                            WEIR_OPEN_WRITE | WEIR_OPEN_CREATE | WEIR_OPEN_TRUNCATE, &file, error);
    if (rc >= 0) rc = weir_file_write(file, &part, 1, 0, error);
    if (rc >= 0) rc = weir_file_sync(file, error);
    weir_file_close(file);
    return rc;
}

/* A shortage: `rows` is what it was. The folder is opened before it changes, for that may be refused. */
static int keep(struct run_backend *backend, struct weir_error *error)
{
    struct weir_env *env = backend->options.env;
    struct weir_file *folder = NULL;
    if (backend->is_kept) return WEIR_OK;
    int rc = weir_directory_open(env, backend->run.folder, &folder, error);
    if (rc >= 0) rc = write_file(backend, backend->latest, error);
    if (rc >= 0) rc = weir_rename(env, backend->new_path, backend->rows_path, error);
    if (rc >= 0) rc = weir_directory_sync(folder, error);
    if (rc >= 0) backend->is_kept = true;
    weir_file_close(folder);
    return rc;
}

/* Of the open file. */
static int read_file(struct run_backend *backend, struct weir_file *file,
                     struct weir_shared **run_out, struct weir_error *error)
{
    struct weir_file_stat stat;
    int rc = weir_file_stat(file, &stat, error);
    if (rc < 0) return rc;
    if (stat.size < 0 || stat.size > FILE_SIZE_MAX) {
        return weir_error_set(error, WEIR_CORRUPT, "'%s' has %lld bytes", backend->rows_path,
                              (long long)stat.size);
    }
    struct weir_shared *run = weir_shared_new(backend->options.budget, (size_t)stat.size);
    if (run == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "out of memory");
    int64_t size = weir_file_read(file, run->data, run->capacity, 0, error);
    rc = size < 0 ? (int)size : WEIR_OK;
    if (rc >= 0) {
        run->size = (size_t)size;
        rc = weir_sorted_run_check(run, error);
    }
    if (rc >= 0) {
        *run_out = run;
        run = NULL;
    }
    weir_shared_unref(run);
    return weir_error_wrap(error, rc, "read '%s'", backend->rows_path);
}

/* WEIR_NOT_FOUND: there is none. */
static int load(struct run_backend *backend, struct weir_shared **run_out, struct weir_error *error)
{
    struct weir_file *file = NULL;
    int rc = weir_file_open(backend->options.env, backend->rows_path, WEIR_OPEN_READ, &file, error);
    if (rc == WEIR_INVALID_ARGUMENT) { /* a folder or a pipe in its place */
        return weir_error_set(error, WEIR_CORRUPT, "'%s' is no file", backend->rows_path);
    }
    if (rc >= 0) rc = read_file(backend, file, run_out, error);
    weir_file_close(file);
    return rc;
}

/* ---- going over to the database ------------------------------------------------------------------ */

static int wipe_database(const struct weir_backend_kind *kind, struct weir_env *env,
                         const char *path, struct weir_error *error)
{
    return kind->wipe != NULL ? kind->wipe(env, path, error) : weir_folder_remove(env, path, error);
}

/* All rows in one batch, on the disk. */
static int copy_rows(const struct run_backend *backend, const struct weir_backend *database,
                     const struct weir_shared *run, struct weir_error *error)
{
    const size_t count = weir_sorted_run_count(run);
    struct weir_backend_write *writes =
        weir_alloc(backend->options.budget, (count + 1) * sizeof *writes);
    if (writes == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const struct weir_sorted_run_row row = weir_sorted_run_at(run, i);
        writes[i] = (struct weir_backend_write){row.key, row.value};
    }
    int rc = database->ops->write(database->impl, writes, count, error);
    if (rc >= 0) rc = database->ops->flush(database->impl, true, error);
    weir_free(writes);
    return rc;
}

/* The database is there before the file goes, and the file is gone before anything else is written. A shortage:
 * the file is still there. */
static int remove_file(const struct run_backend *backend, struct weir_error *error)
{
    struct weir_env *env = backend->options.env;
    struct weir_file *folder = NULL;
    int rc = weir_directory_open(env, backend->run.folder, &folder, error);
    if (rc >= 0) rc = weir_directory_sync(folder, error);
    if (rc >= 0) rc = weir_remove(env, backend->rows_path, error);
    if (rc >= 0) rc = weir_directory_sync(folder, error);
    if (rc == WEIR_NOT_FOUND) rc = WEIR_OK; /* it was never flushed */
    weir_file_close(folder);
    return rc;
}

static int go_over(struct run_backend *backend, const struct weir_shared *run,
                   struct weir_error *error)
{
    const struct weir_backend_kind *kind = backend->run.database;
    struct weir_backend database = {0};
    weir_assert(!is_database(backend));
    int rc = wipe_database(kind, backend->options.env, backend->options.path, error);
    if (rc >= 0) rc = kind->open(&backend->options, &database, error);
    if (rc >= 0) rc = copy_rows(backend, &database, run, error);
    if (rc >= 0) rc = remove_file(backend, error);
    if (rc < 0) {
        if (database.ops != NULL) (void)database.ops->close(database.impl, false, NULL);
        return weir_error_wrap(error, rc, "from '%s' into a database", backend->rows_path);
    }
    backend->database = database;
    weir_shared_unref(backend->latest);
    backend->latest = NULL;
    atomic_store_explicit(&backend->is_database, true, memory_order_release);
    return WEIR_OK;
}

/* ---- coming back from it ------------------------------------------------------------------------- */

/* The database's rows as writes in `rows`, their bytes in `bytes`; WEIR_END: there are too many. */
static int collect_rows(const struct run_backend *backend, struct weir_arena *bytes,
                        struct weir_buffer *rows, struct weir_error *error)
{
    const struct weir_backend *database = &backend->database;
    const size_t size_max = backend->run.rows_bytes_max / 2;
    size_t size = weir_sorted_run_size_min;
    struct weir_backend_iterator iterator = {0};
    int rc = database->ops->iterator_open(database->impl, &iterator, error);
    if (rc < 0) return rc;
    rc = database->ops->iterator_seek(&iterator, weir_text(""), error);
    while (rc == WEIR_OK) {
        size += iterator.key.size + iterator.value.size + weir_sorted_run_row_overhead;
        if (size > size_max) break;
        const struct weir_backend_write row = {weir_arena_copy(bytes, iterator.key),
                                               weir_arena_copy(bytes, iterator.value)};
        weir_buffer_append(rows, &row, sizeof row);
        rc = database->ops->iterator_next(&iterator, error);
    }
    database->ops->iterator_close(&iterator);
    if (rc < 0) return rc;
    if (weir_arena_failed(bytes) || rows->failed) {
        return weir_error_set(error, WEIR_NO_MEMORY, "read the rows: out of memory");
    }
    return rc == WEIR_END ? WEIR_OK : WEIR_END;
}

/* The database as a run; WEIR_END: it is too large for one. */
static int read_database(const struct run_backend *backend, struct weir_shared **run_out,
                         struct weir_error *error)
{
    enum { FILES_FACTOR = 4, FILES_MIN = 1 << 20 }; /* deleted rows are in files, and passed over */
    const struct weir_backend *database = &backend->database;
    const size_t files_max = backend->run.rows_bytes_max * FILES_FACTOR + FILES_MIN;
    if (database->ops->size(database->impl) > (int64_t)files_max) return WEIR_END;
    struct weir_arena bytes;
    struct weir_buffer rows;
    weir_arena_init(&bytes, backend->options.budget, 16 * 1024);
    weir_buffer_init(&rows, backend->options.budget, 0);
    int rc = collect_rows(backend, &bytes, &rows, error);
    if (rc == WEIR_OK) {
        const struct weir_sorted_run_dead none = {0};
        rc = weir_sorted_run_merge(backend->options.budget, NULL, none,
                                   (const struct weir_backend_write *)(void *)rows.data,
                                   rows.size / sizeof(struct weir_backend_write), run_out, error);
    }
    weir_buffer_close(&rows);
    weir_arena_close(&bytes);
    return rc;
}

/* Wants nothing of a database that is large, or for which something is short; else there is none behind it. */
static int come_back(struct run_backend *backend, struct weir_error *error)
{
    struct weir_error why = {0};
    struct weir_shared *run = NULL;
    int rc = read_database(backend, &run, &why);
    if (rc == WEIR_OK) {
        backend->latest = run;
        rc = keep(backend, &why);
        if (rc < 0) {
            backend->latest = NULL;
            weir_shared_unref(run);
        }
    }
    if (rc == WEIR_END || weir_code_is_shortage(rc)) return WEIR_OK;
    if (rc < 0) {
        weir_error_copy(error, &why);
        return rc;
    }
    struct weir_backend database = backend->database;
    backend->database = (struct weir_backend){0};
    backend->shown = weir_shared_ref(run);
    rc = database.ops->close(database.impl, false, error); /* nothing was written */
    return rc < 0 ? rc
                  : wipe_database(backend->run.database, backend->options.env,
                                  backend->options.path, error);
}

/* ---- writing ------------------------------------------------------------------------------------- */

static bool may_stay(const struct run_backend *backend, const struct weir_shared *run, int rc)
{
    const size_t grace = backend->run.rows_bytes_max * GRACE_FACTOR;
    return weir_code_is_shortage(rc) && run->size <= (grace > GRACE_MIN ? grace : GRACE_MIN);
}

static void say_short(const struct run_backend *backend, const struct weir_error *why)
{
    char quoted[WEIR_ERROR_TEXT_SIZE];
    weir_log(&backend->options.env->logger, WEIR_LOG_WARN, "state.short", "path=%s reason=%s",
             backend->run.folder, weir_log_quote(quoted, sizeof quoted, why->text));
}

/* Takes the run, on success. */
static int change_to(struct run_backend *backend, struct weir_shared *run, struct weir_error *error)
{
    struct weir_error why = {0};
    int rc = WEIR_OK;
    if (run->size > backend->run.rows_bytes_max) {
        rc = go_over(backend, run, &why);
        if (rc >= 0) {
            weir_shared_unref(run);
            return WEIR_OK;
        }
        if (!may_stay(backend, run, rc)) {
            weir_error_copy(error, &why);
            return rc;
        }
        say_short(backend, &why);
    }
    install(backend, run);
    return WEIR_OK;
}

static int run_change(struct run_backend *backend, struct weir_sorted_run_dead dead,
                      const struct weir_backend_write *writes, size_t count,
                      struct weir_error *error)
{
    struct weir_shared *run = NULL;
    int rc = weir_sorted_run_merge(backend->options.budget, backend->latest, dead, writes, count,
                                   &run, error);
    if (rc < 0) return rc;
    rc = change_to(backend, run, error);
    if (rc < 0) weir_shared_unref(run);
    return rc;
}

static int run_write(void *impl, const struct weir_backend_write *writes, size_t count,
                     struct weir_error *error)
{
    struct run_backend *backend = run_from(impl);
    const struct weir_backend *database = &backend->database;
    if (is_database(backend)) return database->ops->write(database->impl, writes, count, error);
    return run_change(backend, (struct weir_sorted_run_dead){0}, writes, count, error);
}

static int run_expire(void *impl, uint16_t prefix, uint64_t segment, struct weir_error *error)
{
    struct run_backend *backend = run_from(impl);
    const struct weir_backend *database = &backend->database;
    if (is_database(backend)) {
        return database->ops->expire(database->impl, prefix, segment, error);
    }
    if (segment == 0) return WEIR_OK; /* what was dead is gone */
    const struct weir_sorted_run_dead dead = {.prefix = prefix, .segment = segment};
    return run_change(backend, dead, NULL, 0, error);
}

static int run_flush(void *impl, bool wait, struct weir_error *error)
{
    struct run_backend *backend = run_from(impl);
    const struct weir_backend *database = &backend->database;
    struct weir_error why = {0};
    if (is_database(backend)) return database->ops->flush(database->impl, wait, error);
    int rc = keep(backend, &why);
    if (rc >= 0) return WEIR_OK;
    if (!wait && weir_code_is_shortage(rc)) {
        say_short(backend, &why);
        return WEIR_OK;
    }
    weir_error_copy(error, &why);
    return weir_error_wrap(error, rc, "flush '%s'", backend->rows_path);
}

static int64_t run_size(void *impl)
{
    struct run_backend *backend = run_from(impl);
    if (!is_database(backend)) return (int64_t)shown(backend)->size;
    forget_shown(backend);
    return backend->database.ops->size(backend->database.impl);
}

static int64_t run_memory(void *impl)
{
    struct run_backend *backend = run_from(impl);
    if (!is_database(backend)) return (int64_t)shown(backend)->size;
    forget_shown(backend);
    const struct weir_backend *database = &backend->database;
    return database->ops->memory != NULL ? database->ops->memory(database->impl) : 0;
}

/* ---- open and close ------------------------------------------------------------------------------ */

static void run_free(struct run_backend *backend)
{
    weir_shared_unref(atomic_load_explicit(&backend->published, memory_order_acquire));
    weir_shared_unref(backend->shown);
    weir_shared_unref(backend->latest);
    weir_free(backend->rows_path);
    weir_free(backend->new_path);
    backend->magic = 0;
    weir_free(backend);
}

static int run_close(void *impl, bool is_clean, struct weir_error *error)
{
    struct run_backend *backend = run_from(impl);
    const struct weir_backend *database = &backend->database;
    int rc = WEIR_OK;
    if (is_database(backend)) {
        rc = database->ops->close(database->impl, is_clean, error);
    } else if (is_clean) {
        rc = run_flush(backend, true, error);
    }
    run_free(backend);
    return rc;
}

static const struct weir_backend_ops run_ops = {
    .name = "run",
    .close = run_close,
    .get_many = run_get_many,
    .write = run_write,
    .expire = run_expire,
    .flush = run_flush,
    .size = run_size,
    .memory = run_memory,
    .iterator_open = run_iterator_open,
    .iterator_seek = run_iterator_seek,
    .iterator_next = run_iterator_next,
    .iterator_close = run_iterator_close,
};

/* 1 or 0. */
static int database_exists(const struct run_backend *backend, struct weir_error *error)
{
    const struct weir_backend_kind *kind = backend->run.database;
    struct weir_env *env = backend->options.env;
    struct weir_file_stat stat;
    if (kind->exists != NULL) return kind->exists(env, backend->options.path, error);
    int rc = weir_stat(env, backend->options.path, &stat, error);
    return rc == WEIR_NOT_FOUND ? 0 : rc < 0 ? rc : 1;
}

static int find_database(struct run_backend *backend, struct weir_error *error)
{
    int rc = backend->run.database->open(&backend->options, &backend->database, error);
    if (rc >= 0) rc = come_back(backend, error);
    bool has_database = backend->database.ops != NULL;
    if (rc >= 0) atomic_store_explicit(&backend->is_database, has_database, memory_order_release);
    if (rc < 0 && has_database) {
        (void)backend->database.ops->close(backend->database.impl, false, NULL);
    }
    return rc;
}

/* What is there: `rows` comes first, see above. */
static int find(struct run_backend *backend, struct weir_error *error)
{
    int rc = load(backend, &backend->shown, error);
    if (rc >= 0) {
        backend->latest = weir_shared_ref(backend->shown);
        backend->is_kept = true;
    }
    if (rc != WEIR_NOT_FOUND) return rc;
    rc = database_exists(backend, error);
    if (rc > 0) return find_database(backend, error);
    if (rc < 0) return rc;
    const struct weir_sorted_run_dead none = {0};
    rc =
        weir_sorted_run_merge(backend->options.budget, NULL, none, NULL, 0, &backend->shown, error);
    if (rc >= 0) backend->latest = weir_shared_ref(backend->shown);
    return rc;
}

int weir_run_backend_open(const struct weir_run_backend_options *run,
                          const struct weir_backend_options *options,
                          struct weir_backend *backend_out, struct weir_error *error)
{
    struct run_backend *backend = weir_alloc_zero(options->budget, sizeof *backend);
    if (backend == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "open: out of memory");
    backend->magic = RUN_BACKEND_MAGIC;
    backend->run = *run;
    backend->options = *options;
    backend->rows_path = weir_folder_join(options->budget, run->folder, "rows");
    backend->new_path = weir_folder_join(options->budget, run->folder, "rows.new");
    bool has_paths = backend->rows_path != NULL && backend->new_path != NULL;
    int rc = has_paths ? find(backend, error)
                       : weir_error_set(error, WEIR_NO_MEMORY, "open: out of memory");
    if (rc < 0) {
        run_free(backend);
        return rc;
    }
    weir_assert((backend->latest == NULL) == is_database(backend));
    *backend_out = (struct weir_backend){.ops = &run_ops, .impl = backend};
    return WEIR_OK;
}

static int remove_if_there(struct weir_env *env, const char *folder, const char *name,
                           struct weir_error *error)
{
    char *path = weir_folder_join(env->budget, folder, name);
    if (path == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "wipe '%s'", folder);
    struct weir_file_stat stat;
    int rc = weir_stat(env, path, &stat, error);
    if (rc >= 0) {
        rc = stat.kind == WEIR_FILE_DIRECTORY ? weir_folder_remove(env, path, error)
                                              : weir_remove(env, path, error);
    }
    weir_free(path);
    return rc == WEIR_NOT_FOUND ? WEIR_OK : rc;
}

/* The file last: while it is there, what is left of the database is not read. */
int weir_run_backend_wipe(const struct weir_backend_kind *database, struct weir_env *env,
                          const char *folder, const char *database_path, struct weir_error *error)
{
    int rc = wipe_database(database, env, database_path, error);
    if (rc >= 0) rc = remove_if_there(env, folder, "rows.new", error);
    return rc < 0 ? rc : remove_if_there(env, folder, "rows", error);
}
