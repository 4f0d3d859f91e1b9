#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rocksdb/c.h>

#include "base/error.h"
#include "runtime/state/backend.h"
#include "tests/unit/runtime/state/stage.h"

/* RocksDB itself: the trap that our layout avoids, and what damage on the disk does. */

enum { PATH_SIZE = WEIR_TEST_PATH_SIZE + 300 };

/* ---- files --------------------------------------------------------------------------------------- */

static void copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    ck_assert(in != NULL && out != NULL);
    char bytes[4096];
    size_t size;
    while ((size = fread(bytes, 1, sizeof bytes, in)) > 0) {
        ck_assert_uint_eq(fwrite(bytes, 1, size, out), size);
    }
    fclose(in);
    ck_assert_int_eq(fclose(out), 0);
}

/* What a kill at this moment would leave: each file as it is. */
static void copy_directory(const char *from, const char *to)
{
    ck_assert_int_eq(mkdir(to, 0755), 0);
    DIR *directory = opendir(from);
    ck_assert_ptr_nonnull(directory);
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        char a[PATH_SIZE], b[PATH_SIZE];
        if (entry->d_type != DT_REG) continue;
        snprintf(a, sizeof a, "%s/%s", from, entry->d_name);
        snprintf(b, sizeof b, "%s/%s", to, entry->d_name);
        copy_file(a, b);
    }
    closedir(directory);
}

/* The first file whose name holds `part`. */
static void find_file(const char *directory_path, const char *part, char path_out[PATH_SIZE])
{
    DIR *directory = opendir(directory_path);
    ck_assert_ptr_nonnull(directory);
    struct dirent *entry;
    path_out[0] = '\0';
    while ((entry = readdir(directory)) != NULL) {
        if (strstr(entry->d_name, part) == NULL) continue;
        snprintf(path_out, PATH_SIZE, "%s/%s", directory_path, entry->d_name);
    }
    closedir(directory);
    ck_assert_msg(path_out[0] != '\0', "no %s in %s", part, directory_path);
}

static long file_size(const char *path)
{
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    return (long)status.st_size;
}

static void flip_byte(const char *path, long position)
{
    FILE *file = fopen(path, "r+b");
    ck_assert_ptr_nonnull(file);
    fseek(file, position, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, position, SEEK_SET);
    fputc(byte ^ 0x40, file);
    ck_assert_int_eq(fclose(file), 0);
}

/* ---- the trap ------------------------------------------------------------------------------------ */

struct two_families {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_column_family_handle_t *families[2];
};

static void open_two_families(struct two_families *two, const char *path, bool is_atomic)
{
    const char *names[] = {"default", "offsets"};
    char *text = NULL;
    two->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(two->options, 1);
    rocksdb_options_set_create_missing_column_families(two->options, 1);
    rocksdb_options_set_atomic_flush(two->options, is_atomic);
    const rocksdb_options_t *options[] = {two->options, two->options};
    two->db =
        rocksdb_open_column_families(two->options, path, 2, names, options, two->families, &text);
    ck_assert_msg(text == NULL, "%s", text);
}

static void close_two_families(struct two_families *two)
{
    rocksdb_column_family_handle_destroy(two->families[0]);
    rocksdb_column_family_handle_destroy(two->families[1]);
    rocksdb_close(two->db);
    rocksdb_options_destroy(two->options);
}

static bool family_has(struct two_families *two, int family, const char *key)
{
    char *text = NULL;
    size_t size = 0;
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    char *value =
        rocksdb_get_cf(two->db, options, two->families[family], key, strlen(key), &size, &text);
    ck_assert_msg(text == NULL, "%s", text);
    rocksdb_readoptions_destroy(options);
    bool is_there = value != NULL;
    rocksdb_free(value);
    return is_there;
}

/* One batch over both families, the log off; then one family is flushed. */
static void write_to_both(struct two_families *two)
{
    char *text = NULL;
    rocksdb_writeoptions_t *options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(options, 1);
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    rocksdb_writebatch_put_cf(batch, two->families[0], "count", 5, "7", 1);
    rocksdb_writebatch_put_cf(batch, two->families[1], "offset", 6, "42", 2);
    rocksdb_write(two->db, options, batch, &text);
    ck_assert_msg(text == NULL, "%s", text);
    rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
    rocksdb_flush_cf(two->db, flush, two->families[0], &text);
    ck_assert_msg(text == NULL, "%s", text);
    rocksdb_flushoptions_destroy(flush);
    rocksdb_writebatch_destroy(batch);
    rocksdb_writeoptions_destroy(options);
}

/* Goal: with two column families and the log off, a crash tears a batch: data without its position.
 * This is why there is one family. If it ever fails, RocksDB has become kinder; see DEPENDENCIES.md. */
START_TEST(two_column_families_without_a_log_tear_a_batch)
{
    char path[WEIR_TEST_PATH_SIZE], db[PATH_SIZE], image[PATH_SIZE];
    weir_test_directory(path);
    snprintf(db, sizeof db, "%s/db", path);
    snprintf(image, sizeof image, "%s/image", path);
    struct two_families two;
    open_two_families(&two, db, _i == 1);
    write_to_both(&two);
    copy_directory(db, image);
    close_two_families(&two);

    open_two_families(&two, image, _i == 1);
    ck_assert(family_has(&two, 0, "count"));
    ck_assert(!family_has(&two, 1, "offset"));
    close_two_families(&two);
}
END_TEST

static struct weir_backend open_backend(struct weir_env *env, const char *path)
{
    struct weir_error error;
    struct weir_backend backend;
    const struct weir_backend_options options = {.env = env,
                                                 .budget = env->budget,
                                                 .path = path,
                                                 .write_buffer_bytes = 1 << 20,
                                                 .block_cache_bytes = 1 << 20,
                                                 .store_count = 1};
    ck_ok(weir_backend_rocksdb.open(&options, &backend, &error), &error);
    return backend;
}

static int note_found(void *context, size_t index, struct weir_slice value)
{
    (void)value;
    ((bool *)context)[index] = true;
    return 0;
}

/* Goal: in our one family a row and its position are kept together or lost together. */
START_TEST(one_family_keeps_a_batch_whole)
{
    char path[WEIR_TEST_PATH_SIZE], db[PATH_SIZE], image[PATH_SIZE];
    struct weir_error error;
    struct weir_env *env;
    weir_test_directory(path);
    snprintf(db, sizeof db, "%s/db", path);
    snprintf(image, sizeof image, "%s/image", path);
    ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &env, &error), &error);
    struct weir_backend backend = open_backend(env, db);
    const struct weir_backend_write first[] = {{weir_text("row 1"), weir_text("a")},
                                               {weir_text("position 1"), weir_text("b")}};
    const struct weir_backend_write second[] = {{weir_text("row 2"), weir_text("c")},
                                                {weir_text("position 2"), weir_text("d")}};
    ck_ok(backend.ops->write(backend.impl, first, 2, &error), &error);
    ck_ok(backend.ops->flush(backend.impl, true, &error), &error);
    ck_ok(backend.ops->write(backend.impl, second, 2, &error), &error);
    copy_directory(db, image);
    ck_ok(backend.ops->close(backend.impl, true, &error), &error);

    backend = open_backend(env, image);
    const struct weir_slice keys[] = {first[0].key, first[1].key, second[0].key, second[1].key};
    bool found[4] = {0};
    ck_ok(backend.ops->get_many(backend.impl, keys, 4, note_found, found, &error), &error);
    ck_assert(found[0] && found[1]);
    ck_assert(found[2] == found[3]);
    ck_ok(backend.ops->close(backend.impl, true, &error), &error);

    backend = open_backend(env, db); /* the one that was closed has all */
    ck_ok(backend.ops->get_many(backend.impl, keys, 4, note_found, found, &error), &error);
    ck_assert(found[0] && found[1] && found[2] && found[3]);
    ck_ok(backend.ops->close(backend.impl, true, &error), &error);
    weir_env_uv_free(env);
}
END_TEST

enum { READ_COUNT = 800 };

struct read_values {
    int64_t values[READ_COUNT];
    size_t count;
};

static int note_value(void *context, size_t index, struct weir_slice value)
{
    struct read_values *read = context;
    ck_assert_uint_lt(index, READ_COUNT);
    ck_assert_uint_eq(value.size, sizeof read->values[0]);
    memcpy(&read->values[index], value.data, sizeof read->values[0]);
    read->count++;
    return 0;
}

/* Goal: each key that is there is found under its own index, once, however many are asked for. */
START_TEST(a_read_of_any_size_finds_every_key)
{
    static const size_t sizes[] = {0, 1, 255, 256, 257, 512, 513, READ_COUNT};
    char path[WEIR_TEST_PATH_SIZE];
    int64_t numbers[READ_COUNT];
    struct weir_slice keys[READ_COUNT];
    struct weir_error error;
    struct weir_env *env;
    weir_test_directory(path);
    ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &env, &error), &error);
    struct weir_backend backend = open_backend(env, path);
    for (int64_t i = 0; i < READ_COUNT; i++) {
        numbers[i] = i;
        keys[i] = weir_slice((const uint8_t *)&numbers[i], sizeof numbers[i]);
        const struct weir_backend_write write = {keys[i], keys[i]};
        if (i % 5 != 4) ck_ok(backend.ops->write(backend.impl, &write, 1, &error), &error);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct read_values read = {.count = 0};
        memset(read.values, 0xff, sizeof read.values);
        ck_ok(backend.ops->get_many(backend.impl, keys, sizes[i], note_value, &read, &error),
              &error);
        ck_assert_uint_eq(read.count, sizes[i] - sizes[i] / 5);
        for (size_t at = 0; at < sizes[i]; at++) {
            ck_assert_int_eq(read.values[at], at % 5 != 4 ? (int64_t)at : -1);
        }
    }
    ck_ok(backend.ops->close(backend.impl, true, &error), &error);
    weir_env_uv_free(env);
}
END_TEST

struct refusal {
    size_t at;
    size_t told;
};

static int refuse(void *context, size_t index, struct weir_slice value)
{
    struct refusal *refusal = context;
    (void)value;
    ck_assert_uint_le(index, refusal->at);
    refusal->told++;
    return index == refusal->at ? WEIR_NO_MEMORY : 0;
}

/* Goal: whoever cannot take a value ends the read with that code, in whichever of its parts, and is given no
 * more. */
START_TEST(a_value_that_cannot_be_taken_ends_the_read)
{
    static const size_t places[] = {0, 1, 255, 256, 511, 512, READ_COUNT - 1};
    char path[WEIR_TEST_PATH_SIZE];
    static int64_t numbers[READ_COUNT];
    static struct weir_slice keys[READ_COUNT];
    struct weir_error error;
    struct weir_env *env;
    weir_test_directory(path);
    ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &env, &error), &error);
    struct weir_backend backend = open_backend(env, path);
    for (int64_t i = 0; i < READ_COUNT; i++) {
        numbers[i] = i;
        keys[i] = weir_slice((const uint8_t *)&numbers[i], sizeof numbers[i]);
        const struct weir_backend_write write = {keys[i], keys[i]};
        ck_ok(backend.ops->write(backend.impl, &write, 1, &error), &error);
    }
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct refusal refusal = {.at = places[i]};
        ck_code(backend.ops->get_many(backend.impl, keys, READ_COUNT, refuse, &refusal, &error),
                WEIR_NO_MEMORY);
        ck_assert_uint_eq(refusal.told, places[i] + 1);
    }
    ck_ok(backend.ops->close(backend.impl, true, &error), &error);
    weir_env_uv_free(env);
}
END_TEST

/* ---- shortage ------------------------------------------------------------------------------------ */

static void limit_descriptors(rlim_t count)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = count;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Goal: out of descriptors RocksDB gives up until it is opened again, and every answer says what it was
 * that was short, so that whoever runs the job starts it again; what had been flushed is there, and an
 * open that gets no descriptor wipes nothing. */
START_TEST(a_shortage_is_told_as_one)
{
    char path[WEIR_TEST_PATH_SIZE], db[PATH_SIZE];
    struct weir_error error;
    struct weir_env *env;
    struct rlimit before;
    weir_test_directory(path);
    snprintf(db, sizeof db, "%s/db", path);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &env, &error), &error);
    struct weir_backend backend = open_backend(env, db);
    const struct weir_backend_write first = {weir_text("row 1"), weir_text("a")};
    const struct weir_backend_write second = {weir_text("row 2"), weir_text("b")};
    ck_ok(backend.ops->write(backend.impl, &first, 1, &error), &error);
    ck_ok(backend.ops->flush(backend.impl, true, &error), &error);
    ck_ok(backend.ops->write(backend.impl, &second, 1, &error), &error);
    limit_descriptors(3);
    ck_code(backend.ops->flush(backend.impl, true, &error), WEIR_LIMIT);
    ck_code(backend.ops->write(backend.impl, &second, 1, &error), WEIR_LIMIT);
    limit_descriptors(before.rlim_cur);
    ck_code(backend.ops->write(backend.impl, &second, 1, &error), WEIR_LIMIT);
    ck_ok(backend.ops->close(backend.impl, false, &error), &error);

    const struct weir_backend_options options = {.env = env,
                                                 .budget = env->budget,
                                                 .path = db,
                                                 .write_buffer_bytes = 1 << 20,
                                                 .block_cache_bytes = 1 << 20,
                                                 .store_count = 1};
    limit_descriptors(3);
    ck_code(weir_backend_rocksdb.open(&options, &backend, &error), WEIR_LIMIT);
    limit_descriptors(before.rlim_cur);
    backend = open_backend(env, db);
    const struct weir_slice keys[] = {first.key, second.key};
    bool found[2] = {0};
    ck_ok(backend.ops->get_many(backend.impl, keys, 2, note_found, found, &error), &error);
    ck_assert(found[0]);
    ck_ok(backend.ops->write(backend.impl, &second, 1, &error), &error);
    ck_ok(backend.ops->close(backend.impl, true, &error), &error);
    weir_env_uv_free(env);
}
END_TEST

/* As an environment of a process that has nothing left. */
static int no_room(struct weir_env *env, size_t bytes, struct weir_error *error)
{
    (void)env, (void)bytes;
    return weir_error_set(error, WEIR_NO_MEMORY, "no room");
}

static int no_threads(struct weir_env *env, size_t threads, size_t bytes, struct weir_error *error)
{
    (void)env, (void)threads, (void)bytes;
    return weir_error_set(error, WEIR_LIMIT, "no threads");
}

/* Goal: RocksDB is given nothing to do that the process has no room for, as it would end the process; each
 * answer is a shortage, and with room again it goes on. */
START_TEST(without_room_nothing_is_begun)
{
    char path[WEIR_TEST_PATH_SIZE], db[PATH_SIZE];
    struct weir_error error;
    struct weir_env *env;
    weir_test_directory(path);
    snprintf(db, sizeof db, "%s/db", path);
    ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &env, &error), &error);
    const struct weir_env_ops *with_room = env->ops;
    struct weir_env_ops without = *with_room;
    without.check_room = no_room;
    without.room_enter = no_threads;
    struct weir_backend backend = open_backend(env, db);
    const struct weir_backend_write row = {weir_text("row 1"), weir_text("a")};
    bool found = false;
    env->ops = &without;
    ck_code(backend.ops->write(backend.impl, &row, 1, &error), WEIR_NO_MEMORY);
    ck_assert_str_eq(error.text, "RocksDB: write: no room");
    ck_code(backend.ops->get_many(backend.impl, &row.key, 1, note_found, &found, &error),
            WEIR_NO_MEMORY);
    env->ops = with_room;
    ck_ok(backend.ops->write(backend.impl, &row, 1, &error), &error);
    env->ops = &without;
    ck_code(backend.ops->flush(backend.impl, true, &error), WEIR_NO_MEMORY);
    ck_code(backend.ops->close(backend.impl, true, &error), WEIR_NO_MEMORY);

    const struct weir_backend_options options = {.env = env,
                                                 .budget = env->budget,
                                                 .path = db,
                                                 .write_buffer_bytes = 1 << 20,
                                                 .block_cache_bytes = 1 << 20,
                                                 .store_count = 1};
    ck_code(weir_backend_rocksdb.open(&options, &backend, &error), WEIR_LIMIT);
    ck_assert_str_eq(error.text, "RocksDB: open: no threads");
    env->ops = with_room;
    backend = open_backend(env, db);
    ck_ok(backend.ops->get_many(backend.impl, &row.key, 1, note_found, &found, &error), &error);
    ck_assert(!found); /* the close that was refused has not flushed either */
    ck_ok(backend.ops->close(backend.impl, true, &error), &error);
    weir_env_uv_free(env);
}
END_TEST

/* ---- damage -------------------------------------------------------------------------------------- */

struct damaged {
    struct weir_env *env;
    struct stage stage;
    char db[PATH_SIZE];
};

/* A state that was used, committed and closed, all of it in files. */
static void build(struct damaged *damaged)
{
    char path[WEIR_TEST_PATH_SIZE];
    struct weir_error error;
    struct weir_test_random random = {3};
    weir_test_directory(path);
    ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &damaged->env, &error), &error);
    stage_init(&damaged->stage, &weir_backend_rocksdb, damaged->env, path);
    snprintf(damaged->db, sizeof damaged->db, "%s/db", path);
    stage_open(&damaged->stage);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < STAGE_STORES; i++) {
            stage_batch(&damaged->stage, i, &random);
            stage_forward(&damaged->stage, i);
        }
        stage_seal(&damaged->stage);
        stage_commit(&damaged->stage);
    }
    ck_ok(weir_state_close(damaged->stage.state, true, &error), &error);
}

static void tear_down(struct damaged *damaged)
{
    struct weir_error error;
    ck_ok(weir_state_close(damaged->stage.state, true, &error), &error);
    stage_close(&damaged->stage);
    weir_env_uv_free(damaged->env);
}

/* Open what is damaged: wiped and at position 0; restored it is whole. */
static void check_wiped(struct damaged *damaged)
{
    struct stage *stage = &damaged->stage;
    stage_open(stage);
    ck_assert(stage->was_wiped);
    for (size_t i = 0; i < STAGE_STORES; i++) {
        ck_assert_int_eq(weir_store_position(stage_store(stage, i)).offset, 0);
    }
    stage_restore(stage);
    stage_check_all(stage);
}

/* Goal: without CURRENT, RocksDB would start an empty database among the old files; we wipe. */
START_TEST(missing_current_is_wiped)
{
    struct damaged damaged;
    char path[PATH_SIZE];
    build(&damaged);
    find_file(damaged.db, "CURRENT", path);
    ck_assert_int_eq(unlink(path), 0);
    check_wiped(&damaged);
    tear_down(&damaged);
}
END_TEST

START_TEST(damaged_current_is_wiped)
{
    struct damaged damaged;
    char path[PATH_SIZE];
    build(&damaged);
    find_file(damaged.db, "CURRENT", path);
    flip_byte(path, 3);
    check_wiped(&damaged);
    tear_down(&damaged);
}
END_TEST

START_TEST(damaged_manifest_is_wiped)
{
    struct damaged damaged;
    char path[PATH_SIZE];
    build(&damaged);
    find_file(damaged.db, "MANIFEST", path);
    flip_byte(path, file_size(path) / 2);
    check_wiped(&damaged);
    tear_down(&damaged);
}
END_TEST

START_TEST(missing_table_file_is_wiped)
{
    struct damaged damaged;
    char path[PATH_SIZE];
    build(&damaged);
    find_file(damaged.db, ".sst", path);
    ck_assert_int_eq(unlink(path), 0);
    check_wiped(&damaged);
    tear_down(&damaged);
}
END_TEST

static int count_row(void *context, struct weir_slice key, struct weir_slice value,
                     int64_t timestamp_ms)
{
    (void)key, (void)value, (void)timestamp_ms;
    (*(size_t *)context)++;
    return 0;
}

/* Every get gives the right answer or a failure, and a scan gives all rows or a failure. */
static bool answers_or_refuses(struct stage *stage, size_t store)
{
    bool has_refused = false;
    size_t expected_count = 0;
    for (size_t i = 0; i < STAGE_KEYS; i++) {
        const struct stage_value *expected = &stage->current[store][i];
        uint8_t bytes[STAGE_KEY_SIZE];
        struct weir_slice key = stage_key(stage, store, i, bytes);
        struct weir_slice value;
        expected_count += expected->exists;
        int rc = weir_store_get_many(stage_store(stage, store), &key, 1, &value, NULL, NULL);
        has_refused = has_refused || rc < 0;
        if (rc < 0) {
            ck_assert(rc == WEIR_CORRUPT || rc == WEIR_IO);
        } else {
            ck_assert_int_eq(!weir_slice_is_null(value), expected->exists);
            if (expected->exists) ck_assert_mem_eq(value.data, expected->bytes, expected->size);
        }
    }
    size_t count = 0;
    int rc = weir_store_scan(stage_store(stage, store), weir_null(), weir_null(), count_row, &count,
                             NULL);
    if (rc == 0) ck_assert_uint_eq(count, expected_count);
    return has_refused || rc < 0;
}

static int look_through(struct weir_backend *backend, struct weir_error *error)
{
    struct weir_backend_iterator iterator;
    ck_ok(backend->ops->iterator_open(backend->impl, &iterator, error), error);
    int rc = backend->ops->iterator_seek(&iterator, weir_slice("", 0), error);
    while (rc == 0)
        rc = backend->ops->iterator_next(&iterator, error);
    backend->ops->iterator_close(&iterator);
    return rc;
}

/* Goal: what only a read finds out the next open knows, and says so, for it to be wiped: a job that stops at a bad block
 * does not stop at it after each of its starts. */
START_TEST(what_a_read_finds_damaged_the_next_open_knows)
{
    enum { ROWS = 2000 };
    char path[WEIR_TEST_PATH_SIZE];
    char table[PATH_SIZE];
    struct weir_error error;
    struct weir_env *env;
    weir_test_directory(path);
    ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &env, &error), &error);
    struct weir_backend backend = open_backend(env, path);
    for (int64_t i = 0; i < ROWS; i++) {
        struct weir_slice row = weir_slice((const uint8_t *)&i, sizeof i);
        const struct weir_backend_write write = {row, row};
        ck_ok(backend.ops->write(backend.impl, &write, 1, &error), &error);
    }
    ck_ok(backend.ops->close(backend.impl, true, &error), &error);
    find_file(path, ".sst", table);
    flip_byte(table, file_size(table) / 2);

    backend = open_backend(env, path); /* nobody has read it yet */
    ck_code(look_through(&backend, &error), WEIR_CORRUPT);
    ck_ok(backend.ops->close(backend.impl, false, &error), &error);
    const struct weir_backend_options options = {
        .env = env, .budget = env->budget, .path = path, .write_buffer_bytes = 1 << 20};
    ck_code(weir_backend_rocksdb.open(&options, &backend, &error), WEIR_CORRUPT);
    ck_assert_msg(strstr(error.text, "was damaged") != NULL, "%s", error.text);
    weir_env_uv_free(env);
}
END_TEST

/* Goal: a flipped byte anywhere in a table file never gives a wrong or a partial answer: the state is
 * wiped when opened, or a read fails and the state can be wiped then. */
START_TEST(damaged_table_file_never_gives_a_partial_answer)
{
    char path[PATH_SIZE], good[PATH_SIZE + 8];
    struct damaged damaged;
    struct weir_error error;
    build(&damaged);
    struct stage *stage = &damaged.stage;
    find_file(damaged.db, ".sst", path);
    snprintf(good, sizeof good, "%s-good", damaged.db);
    copy_directory(damaged.db, good);
    long size = file_size(path);
    size_t noticed_count = 0;
    for (long position = _i; position < size; position += 211) {
        ck_ok(weir_state_wipe(&weir_backend_rocksdb, damaged.env, damaged.db, &error), &error);
        copy_directory(good, damaged.db);
        flip_byte(path, position);
        const struct weir_state_options options = {.backend = &weir_backend_rocksdb,
                                                   .env = damaged.env,
                                                   .budget = &stage->budget,
                                                   .path = stage->path,
                                                   .specs = stage_specs,
                                                   .store_count = STAGE_STORES,
                                                   .rows_bytes_max = 1};
        bool is_wiped = false;
        ck_ok(weir_state_open(&options, &stage->state, &is_wiped, &error), &error);
        bool has_refused = false;
        for (size_t i = 0; i < STAGE_STORES && !is_wiped; i++) {
            if (stage_specs[i]->kind == WEIR_STORE_MEMORY) continue;
            has_refused = answers_or_refuses(stage, i) || has_refused;
        }
        noticed_count += is_wiped || has_refused;
        ck_ok(weir_state_close(stage->state, false, &error), &error);
    }
    ck_assert_uint_gt(noticed_count, 0);

    ck_ok(weir_state_wipe(&weir_backend_rocksdb, damaged.env, stage->path, &error), &error);
    stage_open(stage);
    ck_assert(!stage->was_wiped); /* an empty folder is not a broken one */
    stage_restore(stage);
    stage_check_all(stage);
    tear_down(&damaged);
}
END_TEST

/* Goal: what another handle has open is neither read nor wiped. */
START_TEST(open_state_is_not_opened_twice)
{
    struct damaged damaged;
    struct weir_error error;
    build(&damaged);
    struct stage *stage = &damaged.stage;
    stage_open(stage);
    const struct weir_state_options options = {.backend = &weir_backend_rocksdb,
                                               .env = damaged.env,
                                               .budget = &stage->budget,
                                               .path = stage->path,
                                               .specs = stage_specs,
                                               .store_count = STAGE_STORES,
                                               .rows_bytes_max = 1};
    struct weir_state *second = NULL;
    ck_code(weir_state_open(&options, &second, NULL, &error), WEIR_LOCKED);
    ck_assert_ptr_null(second);
    stage_restore(stage);
    stage_check_all(stage);
    tear_down(&damaged);
}
END_TEST

static void add(Suite *suite)
{
    TCase *trap = tcase_create("column families");
    tcase_add_loop_test(trap, two_column_families_without_a_log_tear_a_batch, 0, 2);
    tcase_add_test(trap, one_family_keeps_a_batch_whole);
    tcase_add_test(trap, a_read_of_any_size_finds_every_key);
    tcase_add_test(trap, a_value_that_cannot_be_taken_ends_the_read);
    tcase_add_test(trap, a_shortage_is_told_as_one);
    tcase_add_test(trap, without_room_nothing_is_begun);
    suite_add_tcase(suite, trap);

    TCase *damage = tcase_create("damage");
    tcase_add_test(damage, missing_current_is_wiped);
    tcase_add_test(damage, damaged_current_is_wiped);
    tcase_add_test(damage, damaged_manifest_is_wiped);
    tcase_add_test(damage, missing_table_file_is_wiped);
    tcase_add_test(damage, what_a_read_finds_damaged_the_next_open_knows);
    tcase_add_loop_test(damage, damaged_table_file_never_gives_a_partial_answer, 0, 3);
    tcase_add_test(damage, open_state_is_not_opened_twice);
    suite_add_tcase(suite, damage);
}

int main(void)
{
    return weir_test_main("RocksDB below the stores", add);
}
