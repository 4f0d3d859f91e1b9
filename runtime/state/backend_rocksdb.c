#include "runtime/state/backend.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <rocksdb/c.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"

/*
 * RocksDB behind the backend's interface, and its manners with it: messages from malloc, options as
 * objects, errors as text.
 *
 * Write-ahead log off, because the changelog is the log; one column family, because with the log off
 * a crash may keep what one family had flushed and lose the other's, and so tear a batch
 * (tests/unit/runtime/state/test_backend_rocksdb.c shows it). What else is left alone: DEPENDENCIES.md,
 * "RocksDB: guard rails". After a background error nothing is written any more: the task stops, and
 * its store is wiped and restored.
 *
 * And room before it is given anything to do. It is written in C++ and throws where there is no memory, or no
 * thread to be had; nothing in a program of C catches that, and in RocksDB's own threads nobody could, so the
 * process would end. An open therefore asks first for its threads and its memory, a write or a flush for the
 * memory that it takes here and in the background, and reads now and then. Who is told no stops with a shortage,
 * which passes. It is asked and not held: what others take in between comes out of the margins below.
 *
 *   threads   one flushes, one compacts, one has a clock: of the process, for all databases. RocksDB starts them
 *             with the first one, the last again where none was open. Opening needs none beside (its
 *             default are 15 more, at each)
 *   memory    measured with VmSize: 2.6 MB at the first open, 0.6 MB at others, without what a file's index and
 *             filter take (1.4 MB of one of 64 MB)
 */
enum { ROCKSDB_MAGIC = 0x57524442, PATH_SIZE = 4096, READS_MAX = 256, BLOOM_BITS_PER_KEY = 10 };
/* Of a write buffer, for a filter over its keys: one that is not there costs a look and not a search. Files
 * have theirs (BLOOM_BITS_PER_KEY). */
static const double MEMTABLE_BLOOM_SHARE = 0.02;
/* Files go to the disk as they are written: a sync of the log's file system would wait for all of them. */
enum { SYNC_BYTES = 1 << 20 };
enum { THREADS = 3, OPEN_ROOM = 16 << 20, WRITE_ROOM = 16 << 20, READ_ROOM = 4 << 20 };
enum { ROW_OVERHEAD = 32 }; /* of a row in the write buffer: its links, its number */
enum {
    READS_A_LOOK = 64
}; /* a look costs 3 microseconds, 8 where threads look at once; a read 5 */
enum { WRITE_BUFFERS = 2, OPEN_FILES_MAX = 256, LOG_LEVEL_ERROR = 3 };

static const char damaged[] = "damaged"; /* an empty file in the database's folder */

/* Segments of time below which the compaction filter drops rows. Written by the thread that writes,
 * read by RocksDB's own; a slot's prefix is set once, after its segment. */
struct expiry {
    _Atomic uint32_t prefix; /* 0: not in use */
    _Atomic uint64_t segment;
};

struct expiries {
    size_t count;
    struct expiry slots[];
};

struct rocks {
    uint32_t magic;
    rocksdb_t *db;
    rocksdb_column_family_handle_t *family; /* the default one, and the only one */
    rocksdb_options_t *options;
    rocksdb_cache_t *cache;
    bool shares_cache; /* it is not its own */
    rocksdb_compactionfilter_t *filter;
    rocksdb_readoptions_t *read_options;
    rocksdb_writeoptions_t *write_options;
    rocksdb_flushoptions_t *flush_wait;
    rocksdb_flushoptions_t *flush_later;
    struct expiries *expiries;
    struct weir_env *env;
    size_t write_buffer_bytes;
    unsigned reads; /* until the next look; the reader's */
    char *path;
    _Atomic bool is_damaged; /* something that was read is not what was written */
};

static struct rocks *rocks_from(void *impl)
{
    struct rocks *rocks = impl;
    weir_assert(rocks->magic == ROCKSDB_MAGIC);
    return rocks;
}

/* ---- errors -------------------------------------------------------------------------------------- */

static enum weir_code code_of(const char *text)
{
    /* A shortage before anything else: a database that could not be looked at is not corrupt. */
    if (strstr(text, "No space left") != NULL) return WEIR_NO_SPACE;
    if (strstr(text, "Disk quota exceeded") != NULL) return WEIR_NO_SPACE;
    if (strstr(text, "Too many open files") != NULL) return WEIR_LIMIT;
    if (strstr(text, "Cannot allocate memory") != NULL) return WEIR_NO_MEMORY;
    if (strstr(text, "lock ") != NULL && strstr(text, "LOCK") != NULL) return WEIR_LOCKED;
    if (strncmp(text, "Corruption", 10) == 0) return WEIR_CORRUPT;
    if (strncmp(text, "Invalid argument", 16) == 0) return WEIR_CORRUPT;
    return WEIR_IO;
}

/* Takes RocksDB's message; 0 if there is none. */
static int take_error(struct rocks *rocks, char *text, const char *verb, struct weir_error *error)
{
    if (text == NULL) return WEIR_OK;
    int rc = weir_error_set(error, code_of(text), "RocksDB: %s: %s", verb, text);
    if (rc == WEIR_CORRUPT) atomic_store(&rocks->is_damaged, true);
    rocksdb_free(text);
    return rc;
}

/* A flush or compaction of RocksDB's own has failed: what it still holds in memory is lost, and it takes
 * no more until it is opened again (measured: also when the descriptors, or the room, that were missing
 * are back). Whoever restarts the job wants to know which it was, and a flush says so. */
static int check_background(struct rocks *rocks, struct weir_error *error)
{
    uint64_t count = 0;
    char *why = NULL;
    if (rocksdb_property_int(rocks->db, "rocksdb.background-errors", &count) != 0) return WEIR_OK;
    if (count == 0) return WEIR_OK;
    rocksdb_flush(rocks->db, rocks->flush_wait, &why);
    if (why != NULL) return take_error(rocks, why, "in the background", error);
    return weir_error_set(error, WEIR_IO, "RocksDB: %llu background errors",
                          (unsigned long long)count);
}

/* ---- room ---------------------------------------------------------------------------------------- */

static int check_room(const struct rocks *rocks, size_t bytes, const char *verb,
                      struct weir_error *error)
{
    return weir_error_wrap(error, weir_check_room(rocks->env, bytes, error), "RocksDB: %s", verb);
}

/* A batch is built by doubling and copied into the write buffer, which grows by eighths and may be followed by the
 * next one; the flush of the one before, and a compaction, run beside it. */
static int check_write_room(const struct rocks *rocks, size_t bytes, const char *verb,
                            struct weir_error *error)
{
    return check_room(rocks, 3 * bytes + rocks->write_buffer_bytes / 4 + WRITE_ROOM, verb, error);
}

static int check_read_room(struct rocks *rocks, struct weir_error *error)
{
    if (rocks->reads++ % READS_A_LOOK != 0) return WEIR_OK;
    return check_room(rocks, READ_ROOM, "read", error);
}

/* ---- expiry -------------------------------------------------------------------------------------- */

enum { LEAD_SIZE = 2 + 8 }; /* prefix · segment */

static unsigned char filter_row(void *context, int level, const char *key, size_t key_size,
                                const char *value, size_t value_size, char **new_value,
                                size_t *new_value_size, unsigned char *value_changed)
{
    (void)level, (void)value, (void)value_size, (void)new_value, (void)new_value_size;
    const struct expiries *expiries = context;
    const uint8_t *bytes = (const uint8_t *)key;
    *value_changed = 0;
    if (key_size < LEAD_SIZE) return 0;
    for (size_t i = 0; i < expiries->count; i++) {
        const struct expiry *slot = &expiries->slots[i];
        uint32_t prefix = atomic_load_explicit(&slot->prefix, memory_order_acquire);
        if (prefix == 0) return 0;
        if (prefix == weir_load_u16(bytes)) {
            return weir_load_u64(bytes + 2) <
                   atomic_load_explicit(&slot->segment, memory_order_relaxed);
        }
    }
    return 0;
}

static const char *filter_name(void *context)
{
    (void)context;
    return "weir segments of time";
}

static void filter_destroy(void *context)
{
    (void)context; /* freed with the backend, after the last compaction */
}

static void note_expiry(struct expiries *expiries, uint16_t prefix, uint64_t segment)
{
    for (size_t i = 0; i < expiries->count; i++) {
        struct expiry *slot = &expiries->slots[i];
        uint32_t current = atomic_load_explicit(&slot->prefix, memory_order_relaxed);
        if (current != 0 && current != prefix) continue;
        atomic_store_explicit(&slot->segment, segment, memory_order_relaxed);
        atomic_store_explicit(&slot->prefix, prefix, memory_order_release);
        return;
    }
    weir_assert(false); /* there is a slot for each store */
}

static int rocks_expire(void *impl, uint16_t prefix, uint64_t segment, struct weir_error *error)
{
    struct rocks *rocks = rocks_from(impl);
    note_expiry(rocks->expiries, prefix, segment);
    if (segment == 0) return WEIR_OK;

    uint8_t from[LEAD_SIZE] = {0};
    uint8_t to[LEAD_SIZE];
    weir_store_u16(from, prefix);
    weir_store_u16(to, prefix);
    weir_store_u64(to + 2, segment);
    char *text = NULL;
    /* The limit is included, but no row is as short as it. */
    rocksdb_delete_file_in_range(rocks->db, (const char *)from, sizeof from, (const char *)to,
                                 sizeof to, &text);
    return take_error(rocks, text, "delete files of dead segments", error);
}

/* ---- reading ------------------------------------------------------------------------------------- */

struct reads {
    const char *keys[READS_MAX];
    size_t key_sizes[READS_MAX];
    rocksdb_pinnableslice_t *values[READS_MAX];
    char *errors[READS_MAX];
};

/* Hand on the value, or report the error; both are freed in any case. */
static int finish_read(struct rocks *rocks, struct reads *reads, size_t i, size_t index,
                       weir_backend_found_fn found, void *context, bool is_failed,
                       struct weir_error *error)
{
    int rc = WEIR_OK;
    if (reads->errors[i] != NULL) {
        rc = take_error(rocks, reads->errors[i], "read", is_failed ? NULL : error);
    } else if (reads->values[i] != NULL && !is_failed) {
        size_t size = 0;
        const char *bytes = rocksdb_pinnableslice_value(reads->values[i], &size);
        rc = found(context, index, weir_slice(bytes, size));
    }
    if (reads->values[i] != NULL) rocksdb_pinnableslice_destroy(reads->values[i]);
    return rc;
}

static int read_some(struct rocks *rocks, const struct weir_slice *keys, size_t base, size_t count,
                     weir_backend_found_fn found, void *context, struct weir_error *error)
{
    struct reads reads = {0};
    for (size_t i = 0; i < count; i++) {
        reads.keys[i] = (const char *)keys[base + i].data;
        reads.key_sizes[i] = keys[base + i].size;
        reads.values[i] = NULL;
        reads.errors[i] = NULL;
    }
    rocksdb_batched_multi_get_cf(rocks->db, rocks->read_options, rocks->family, count, reads.keys,
                                 reads.key_sizes, reads.values, reads.errors, false);
    int rc = WEIR_OK;
    for (size_t i = 0; i < count; i++) {
        int one = finish_read(rocks, &reads, i, base + i, found, context, rc < 0, error);
        if (rc >= 0) rc = one;
    }
    return rc;
}

static int rocks_get_many(void *impl, const struct weir_slice *keys, size_t count,
                          weir_backend_found_fn found, void *context, struct weir_error *error)
{
    struct rocks *rocks = rocks_from(impl);
    int rc = check_read_room(rocks, error);
    for (size_t base = 0; rc >= 0 && base < count; base += READS_MAX) {
        size_t left = count - base;
        rc = read_some(rocks, keys, base, left < READS_MAX ? left : READS_MAX, found, context,
                       error);
    }
    return rc < 0 ? rc : WEIR_OK;
}

static int rocks_iterator_open(void *impl, struct weir_backend_iterator *iterator_out,
                               struct weir_error *error)
{
    struct rocks *rocks = rocks_from(impl);
    int rc = check_read_room(rocks, error);
    if (rc < 0) return rc;
    rocksdb_iterator_t *place = rocksdb_create_iterator(rocks->db, rocks->read_options);
    if (place == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "RocksDB: iterator");
    *iterator_out = (struct weir_backend_iterator){.impl = rocks, .place = place};
    return WEIR_OK;
}

static int show(struct weir_backend_iterator *iterator, struct weir_error *error)
{
    if (!rocksdb_iter_valid(iterator->place)) {
        char *text = NULL;
        rocksdb_iter_get_error(iterator->place, &text);
        int rc = take_error(rocks_from(iterator->impl), text, "iterate", error);
        return rc < 0 ? rc : WEIR_END;
    }
    const char *key = rocksdb_iter_key(iterator->place, &iterator->key.size);
    const char *value = rocksdb_iter_value(iterator->place, &iterator->value.size);
    iterator->key.data = (const uint8_t *)key;
    iterator->value.data = (const uint8_t *)value;
    return WEIR_OK;
}

static int rocks_iterator_seek(struct weir_backend_iterator *iterator, struct weir_slice from,
                               struct weir_error *error)
{
    rocksdb_iter_seek(iterator->place, (const char *)from.data, from.size);
    return show(iterator, error);
}

static int rocks_iterator_next(struct weir_backend_iterator *iterator, struct weir_error *error)
{
    rocksdb_iter_next(iterator->place);
    return show(iterator, error);
}

static void rocks_iterator_close(struct weir_backend_iterator *iterator)
{
    if (iterator->place != NULL) rocksdb_iter_destroy(iterator->place);
    *iterator = (struct weir_backend_iterator){0};
}

/* ---- writing ------------------------------------------------------------------------------------- */

static size_t size_of(const struct weir_backend_write *writes, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += writes[i].key.size + writes[i].value.size + ROW_OVERHEAD;
    }
    return size;
}

static int rocks_write(void *impl, const struct weir_backend_write *writes, size_t count,
                       struct weir_error *error)
{
    struct rocks *rocks = rocks_from(impl);
    int rc = check_write_room(rocks, size_of(writes, count), "write", error);
    if (rc < 0) return rc;
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    for (size_t i = 0; i < count; i++) {
        const char *key = (const char *)writes[i].key.data;
        struct weir_slice value = writes[i].value;
        if (weir_slice_is_null(value)) {
            rocksdb_writebatch_delete(batch, key, writes[i].key.size);
        } else {
            rocksdb_writebatch_put(batch, key, writes[i].key.size, (const char *)value.data,
                                   value.size);
        }
    }
    char *text = NULL;
    rocksdb_write(rocks->db, rocks->write_options, batch, &text);
    rocksdb_writebatch_destroy(batch);
    rc = take_error(rocks, text, "write", error);
    return rc < 0 ? rc : check_background(rocks, error);
}

static int rocks_flush(void *impl, bool wait, struct weir_error *error)
{
    struct rocks *rocks = rocks_from(impl);
    char *text = NULL;
    int rc = check_write_room(rocks, 0, "flush", error);
    if (rc < 0) return rc;
    rocksdb_flush(rocks->db, wait ? rocks->flush_wait : rocks->flush_later, &text);
    rc = take_error(rocks, text, "flush", error);
    return rc < 0 ? rc : check_background(rocks, error);
}

static int64_t rocks_size(void *impl)
{
    uint64_t bytes = 0;
    (void)rocksdb_property_int(rocks_from(impl)->db, "rocksdb.total-sst-files-size", &bytes);
    return (int64_t)bytes;
}

/* What of an index or filter is in no cache counts with the readers of its file. */
static int64_t rocks_memory(void *impl)
{
    struct rocks *rocks = rocks_from(impl);
    static const char *const parts[] = {"rocksdb.cur-size-all-mem-tables",
                                        "rocksdb.estimate-table-readers-mem"};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        uint64_t bytes = 0;
        if (rocksdb_property_int(rocks->db, parts[i], &bytes) == 0) sum += bytes;
    }
    if (!rocks->shares_cache) sum += rocksdb_cache_get_usage(rocks->cache);
    return (int64_t)sum;
}

static int cache_new(struct weir_env *env, size_t bytes, struct weir_backend_cache **cache_out,
                     struct weir_error *error)
{
    int rc = weir_check_room(env, READ_ROOM, error);
    if (rc < 0) return weir_error_wrap(error, rc, "RocksDB: a cache");
    *cache_out = (struct weir_backend_cache *)rocksdb_cache_create_lru(bytes);
    return 0;
}

static rocksdb_cache_t *cache_from(const struct weir_backend_cache *cache)
{
    return (rocksdb_cache_t *)(uintptr_t)cache; /* RocksDB's calls take it unqualified */
}

static void cache_free(struct weir_backend_cache *cache)
{
    if (cache != NULL) rocksdb_cache_destroy(cache_from(cache));
}

static size_t cache_used(const struct weir_backend_cache *cache)
{
    return rocksdb_cache_get_usage(cache_from(cache));
}

/* ---- open and close ------------------------------------------------------------------------------ */

static void rocks_free(struct rocks *rocks)
{
    if (rocks->family != NULL) rocksdb_column_family_handle_destroy(rocks->family);
    if (rocks->db != NULL) rocksdb_close(rocks->db);
    if (rocks->read_options != NULL) rocksdb_readoptions_destroy(rocks->read_options);
    if (rocks->write_options != NULL) rocksdb_writeoptions_destroy(rocks->write_options);
    if (rocks->flush_wait != NULL) rocksdb_flushoptions_destroy(rocks->flush_wait);
    if (rocks->flush_later != NULL) rocksdb_flushoptions_destroy(rocks->flush_later);
    if (rocks->options != NULL) rocksdb_options_destroy(rocks->options);
    if (rocks->filter != NULL) rocksdb_compactionfilter_destroy(rocks->filter);
    if (rocks->cache != NULL && !rocks->shares_cache) rocksdb_cache_destroy(rocks->cache);
    weir_free(rocks->expiries);
    weir_free(rocks->path);
    rocks->magic = 0;
    weir_free(rocks);
}

/* For the next open: a block that is read now and then would stop the job at each of its starts. */
static void note_damage(const struct rocks *rocks)
{
    char path[PATH_SIZE];
    struct weir_file *file = NULL;
    if (snprintf(path, sizeof path, "%s/%s", rocks->path, damaged) >= (int)sizeof path) return;
    int rc = weir_file_open(rocks->env, path, WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &file, NULL);
    if (rc == 0) weir_file_close(file); /* else whoever reads it next finds out again */
}

static int rocks_close(void *impl, bool is_clean, struct weir_error *error)
{
    struct rocks *rocks = rocks_from(impl);
    int rc = is_clean ? rocks_flush(impl, true, error) : WEIR_OK;
    if (atomic_load(&rocks->is_damaged)) note_damage(rocks);
    rocks_free(rocks);
    return rc;
}

/* Where a bound is asked for, indexes and filters are in the cache, too: those that are not take 1.4 MB of a file of
 * 64 MB, and nothing bounds them. Without one they stay with their files, which costs no look-up. */
static void set_table_options(struct rocks *rocks, const struct weir_backend_options *options)
{
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocks->shares_cache = options->cache != NULL;
    rocks->cache = rocks->shares_cache ? cache_from(options->cache)
                                       : rocksdb_cache_create_lru(options->block_cache_bytes);
    if (rocks->shares_cache) {
        rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
        rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(table, 1);
    }
    rocksdb_block_based_options_set_block_cache(table, rocks->cache);
    rocksdb_block_based_options_set_filter_policy(
        table, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS_PER_KEY));
    rocksdb_options_set_block_based_table_factory(rocks->options, table);
    rocksdb_block_based_options_destroy(table);
}

/* Without a write-ahead log a database that is closed flushes, unless it is told not to, and only a text can tell it:
 * rocks_close flushes where it is to, and one that failed for want of memory is not to try again. */
static int make_options(struct rocks *rocks, struct weir_error *error)
{
    char *text = NULL;
    rocksdb_options_t *defaults = rocksdb_options_create();
    rocks->options = rocksdb_options_create();
    rocksdb_get_options_from_string(defaults, "avoid_flush_during_shutdown=true", rocks->options,
                                    &text);
    rocksdb_options_destroy(defaults);
    return take_error(rocks, text, "options", error);
}

/* Levels rather than universal compaction: whole files of dead segments can be deleted from all
 * levels but the first. */
static void set_options(struct rocks *rocks, const struct weir_backend_options *options)
{
    rocksdb_options_t *to = rocks->options;
    rocksdb_options_set_create_if_missing(to, 1);
    rocksdb_options_set_paranoid_checks(to, 1);
    rocksdb_options_set_compression(to, rocksdb_no_compression);
    rocksdb_options_set_write_buffer_size(to, options->write_buffer_bytes);
    rocksdb_options_set_max_write_buffer_number(to, WRITE_BUFFERS);
    rocksdb_options_set_max_background_jobs(to, 2);
    rocksdb_options_set_max_open_files(to, OPEN_FILES_MAX);
    rocksdb_options_set_table_cache_numshardbits(to, 0); /* one reader; 64 shards take 25 KB */
    rocksdb_options_set_memtable_prefix_bloom_size_ratio(to, MEMTABLE_BLOOM_SHARE);
    rocksdb_options_set_memtable_whole_key_filtering(to, 1);
    rocksdb_options_set_bytes_per_sync(to, SYNC_BYTES);
    rocksdb_options_set_info_log_level(to, LOG_LEVEL_ERROR);
    rocksdb_options_set_keep_log_file_num(to, 2);
    rocksdb_options_set_stats_dump_period_sec(to, 0);
    rocksdb_options_set_stats_persist_period_sec(to, 0);
    rocksdb_options_set_max_file_opening_threads(to, 1);
    set_table_options(rocks, options);

    rocks->filter =
        rocksdb_compactionfilter_create(rocks->expiries, filter_destroy, filter_row, filter_name);
    rocksdb_options_set_compaction_filter(to, rocks->filter);
    rocks->read_options = rocksdb_readoptions_create();
    rocks->write_options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(rocks->write_options, 1);
    rocks->flush_wait = rocksdb_flushoptions_create();
    rocks->flush_later = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(rocks->flush_later, 0);
}

struct folder {
    const struct weir_backend_options *options;
    struct weir_error *error;
    bool has_files;
};

/* RocksDB would wait for ever for the other end of a pipe. */
static int look_at_one(void *context, const char *name, enum weir_file_kind kind)
{
    struct folder *folder = context;
    char path[PATH_SIZE];
    struct weir_file_stat stat = {.kind = kind};
    folder->has_files = true;
    if (kind != WEIR_FILE_OTHER) return 0; /* else it may be a link to a file */
    int size = snprintf(path, sizeof path, "%s/%s", folder->options->path, name);
    bool fits = size > 0 && (size_t)size < sizeof path;
    if (fits && weir_stat(folder->options->env, path, &stat, NULL) < 0) return 0;
    if (stat.kind != WEIR_FILE_OTHER) return 0;
    return weir_error_set(folder->error, WEIR_CORRUPT, "RocksDB: '%s' in '%s' is no file", name,
                          folder->options->path);
}

/* What an earlier life has found (note_damage). */
static int check_damaged(const struct weir_backend_options *options, struct weir_error *error)
{
    char path[PATH_SIZE];
    struct weir_file_stat stat;
    if (snprintf(path, sizeof path, "%s/%s", options->path, damaged) >= (int)sizeof path) return 0;
    if (weir_stat(options->env, path, &stat, NULL) < 0) return 0;
    return weir_error_set(error, WEIR_CORRUPT,
                          "RocksDB: what was read of '%s' was damaged, says the file '%s' in it",
                          options->path, damaged);
}

/* And without CURRENT it would begin anew among the files of the database that was there. */
static int check_folder(const struct weir_backend_options *options, struct weir_error *error)
{
    char path[PATH_SIZE];
    int size = snprintf(path, sizeof path, "%s/CURRENT", options->path);
    if (size < 0 || (size_t)size >= sizeof path) {
        return weir_error_set(error, WEIR_TOO_LARGE, "path below '%s'", options->path);
    }
    struct folder folder = {.options = options, .error = error};
    int rc = weir_list(options->env, options->path, look_at_one, &folder, error);
    if (rc < 0 && rc != WEIR_NOT_FOUND) return rc;
    struct weir_file_stat stat;
    rc = weir_stat(options->env, path, &stat, error);
    if (rc != WEIR_NOT_FOUND) return rc;
    if (!folder.has_files) return WEIR_OK;
    return weir_error_set(error, WEIR_CORRUPT, "RocksDB: '%s' is missing", path);
}

static int open_database(struct rocks *rocks, const struct weir_backend_options *options,
                         struct weir_error *error)
{
    const char *name = "default";
    char *text = NULL;
    int rc = weir_room_enter(rocks->env, THREADS, OPEN_ROOM + rocks->write_buffer_bytes / 4, error);
    if (rc < 0) return weir_error_wrap(error, rc, "RocksDB: open");
    rc = make_options(rocks, error);
    if (rc >= 0) {
        set_options(rocks, options);
        const rocksdb_options_t *family_options = rocks->options;
        rocks->db = rocksdb_open_column_families(rocks->options, options->path, 1, &name,
                                                 &family_options, &rocks->family, &text);
        rc = take_error(rocks, text, "open", error);
    }
    weir_room_leave(rocks->env);
    return rc;
}

static const struct weir_backend_ops rocks_ops = {
    .name = "rocksdb",
    .close = rocks_close,
    .get_many = rocks_get_many,
    .write = rocks_write,
    .expire = rocks_expire,
    .flush = rocks_flush,
    .size = rocks_size,
    .memory = rocks_memory,
    .iterator_open = rocks_iterator_open,
    .iterator_seek = rocks_iterator_seek,
    .iterator_next = rocks_iterator_next,
    .iterator_close = rocks_iterator_close,
};

static int rocks_open(const struct weir_backend_options *options, struct weir_backend *backend_out,
                      struct weir_error *error)
{
    struct rocks *rocks = weir_alloc_zero(options->budget, sizeof *rocks);
    if (rocks == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "open: out of memory");
    rocks->magic = ROCKSDB_MAGIC;
    rocks->expiries = weir_alloc_zero(
        options->budget, sizeof *rocks->expiries + options->store_count * sizeof(struct expiry));
    int rc = rocks->expiries == NULL ? weir_error_set(error, WEIR_NO_MEMORY, "open: out of memory")
                                     : check_folder(options, error);
    if (rc >= 0) rc = check_damaged(options, error);
    if (rc < 0) goto out;
    rocks->env = options->env;
    rocks->path = weir_alloc_text(options->budget, options->path, strlen(options->path));
    if (rocks->path == NULL) {
        rc = weir_error_set(error, WEIR_NO_MEMORY, "open: out of memory");
        goto out;
    }

    rocks->write_buffer_bytes = options->write_buffer_bytes;
    rocks->expiries->count = options->store_count;
    rc = open_database(rocks, options, error);
    if (rc < 0) goto out;
    *backend_out = (struct weir_backend){.ops = &rocks_ops, .impl = rocks};
    rocks = NULL;
out:
    if (rocks != NULL) rocks_free(rocks);
    return rc;
}

const struct weir_backend_kind weir_backend_rocksdb = {
    .name = "rocksdb",
    .open = rocks_open,
    .cache_new = cache_new,
    .cache_free = cache_free,
    .cache_used = cache_used,
};
