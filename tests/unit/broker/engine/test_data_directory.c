#include <stdio.h>
#include <string.h>

#include "base/env/sim/sim.h"
#include "broker/engine/data_directory.h"
#include "tests/support/support.h"
#include "tests/unit/broker/engine/engine_fixture.h"

static struct weir_error error;

static void write_file(struct weir_env *env, const char *path, const char *text)
{
    struct weir_file *file = NULL;
    struct weir_iovec part = {text, strlen(text)};
    ck_ok(weir_file_open(env, path, WEIR_OPEN_WRITE | WEIR_OPEN_CREATE | WEIR_OPEN_TRUNCATE, &file,
                         &error),
          &error);
    ck_ok(weir_file_write(file, &part, 1, 0, &error), &error);
    weir_file_close(file);
}

/* The properties survive their text, and unknown keys and comments are let be. */
START_TEST(properties_survive_their_text)
{
    struct engine engine;
    struct weir_buffer text;
    engine_init(&engine, 1);
    struct weir_meta_properties back;
    struct weir_meta_properties properties = {.version = 1,
                                              .node_id = 7,
                                              .cluster_id = weir_uuid_random(engine.env),
                                              .directory_id = weir_uuid_random(engine.env)};
    weir_buffer_init(&text, engine.env->budget, 0);
    static const char by_hand[] = "# by hand\r\nfuture.key = x\n#\n\n \t\r\nk=\n\n";
    weir_buffer_append(&text, by_hand, sizeof by_hand - 1);
    weir_meta_properties_encode(&properties, &text);
    weir_buffer_append(&text, "\n\n", 2);
    ck_ok(weir_meta_properties_decode(weir_buffer_slice(&text), &back, &error), &error);
    ck_assert_int_eq(back.node_id, 7);
    ck_assert(weir_uuid_equal(back.cluster_id, properties.cluster_id));
    ck_assert(weir_uuid_equal(back.directory_id, properties.directory_id));
    weir_buffer_close(&text);
    weir_sim_free(engine.sim);
}
END_TEST

/* Damaged properties are refused by the line that is wrong; a newer version before anything else.
 */
START_TEST(damaged_or_newer_properties_are_refused)
{
    static const struct {
        const char *text;
        int rc;
        const char *wanted;
    } cases[] = {
        {"", WEIR_CORRUPT, "are wanted"},
        {"version=1\n", WEIR_CORRUPT, "are wanted"},
        {"version=one\n", WEIR_CORRUPT, "a number"},
        {"version=\n", WEIR_CORRUPT, "a number"},
        {"version=0000000001\n", WEIR_CORRUPT, "a number"},
        {"version=1/\n", WEIR_CORRUPT, "a number"},
        {"version=:\n", WEIR_CORRUPT, "a number"},
        {"version=999999999\n", WEIR_UNSUPPORTED_VERSION, "version 999999999"},
        {"version=1\nx\n", WEIR_CORRUPT, "no key=value: 'x'"},
        {"version=1\nnode.id=\n", WEIR_CORRUPT, "a number"},
        {"version=0\ncluster.id=AAAAAAAAAAAAAAAAAAAAAQ\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAQ\n"
         "node.id=0\n",
         WEIR_CORRUPT, "from 1 on"},
        {"cluster.id=short\nversion=1\n", WEIR_CORRUPT, "22 characters"},
        {"cluster.id=???\nversion=2\n", WEIR_UNSUPPORTED_VERSION, "version 2"},
        {"version=1\nversion=2\n", WEIR_CORRUPT, "version is there twice"},
        {"version=1\nsome garbage\n", WEIR_CORRUPT, "no key=value: 'some garbage'"},
        {"version=1\nnode.id=0\x01\n", WEIR_CORRUPT, "no key=value: 'node.id'"},
        {"version=1\nlog.exists=no\n", WEIR_CORRUPT, "true is wanted"},
        {"version=1\nfeatures=tiering\n", WEIR_UNSUPPORTED_VERSION, "tiering"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_meta_properties out = {.node_id = -3};
        ck_assert_int_eq(weir_meta_properties_decode(weir_text(cases[i].text), &out, &error),
                         cases[i].rc);
        ck_assert_msg(strstr(error.text, cases[i].wanted) != NULL, "'%s'", error.text);
        ck_assert_int_eq(out.node_id, -3);
    }
}
END_TEST

/* The cluster id is made once and stays. */
START_TEST(the_cluster_id_stays)
{
    struct engine engine;
    char id[64];
    engine_init(&engine, 2);
    ck_ok(engine_open(&engine), &engine.error);
    (void)snprintf(id, sizeof id, "%s", weir_broker_cluster_id(engine.broker));
    ck_assert_uint_eq(strlen(id), 22);
    ck_ok(engine_close(&engine), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_str_eq(weir_broker_cluster_id(engine.broker), id);
    engine_end(&engine);
}
END_TEST

/* A second open in the same process fails too, names the process, and does not hurt the first. */
START_TEST(a_second_open_names_the_process)
{
    struct engine engine;
    struct weir_broker *second = NULL;
    char pid[32];
    engine_init(&engine, 3);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(weir_broker_open(&engine.options, &second, &error), WEIR_LOCKED);
    (void)snprintf(pid, sizeof pid, "process %lld", (long long)engine.env->process_id);
    ck_assert_msg(strstr(error.text, pid) != NULL, "'%s' lacks '%s'", error.text, pid);
    ck_assert_ptr_nonnull(strstr(error.text, ENGINE_PATH));
    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    ck_ok(engine_close(&engine), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    engine_end(&engine);
}
END_TEST

static void check_in_use(struct engine *engine, const char *text)
{
    struct weir_broker *second = NULL;
    ck_assert_int_eq(weir_broker_open(&engine->options, &second, &error), WEIR_LOCKED);
    ck_assert_msg(strstr(error.text, text) != NULL, "'%s' lacks '%s'", error.text, text);
}

/* The file `lock` is removed, or somebody puts another in its place: the directory itself is still locked. */
START_TEST(a_removed_lock_lets_nobody_in)
{
    struct engine engine;
    struct weir_file_stat stat;
    engine_init(&engine, 3);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(weir_remove(engine.env, ENGINE_PATH "/lock", &error), &error);
    check_in_use(&engine, "has been removed");
    ck_assert_int_eq(weir_stat(engine.env, ENGINE_PATH "/lock", &stat, NULL), WEIR_NOT_FOUND);
    write_file(engine.env, ENGINE_PATH "/lock", "1234\n");
    check_in_use(&engine, "process 1234");
    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    ck_ok(engine_close(&engine), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    engine_end(&engine);
}
END_TEST

/* A version that takes the file alone keeps this one out. */
START_TEST(a_lock_of_the_file_alone_is_enough)
{
    struct engine engine;
    struct weir_file *lock = NULL;
    engine_init(&engine, 3);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_close(&engine), &engine.error);
    write_file(engine.env, ENGINE_PATH "/lock", "4321\n");
    ck_ok(weir_file_open(engine.env, ENGINE_PATH "/lock", WEIR_OPEN_READ, &lock, &error), &error);
    ck_ok(weir_file_lock(lock, &error), &error);
    check_in_use(&engine, "process 4321");
    weir_file_close(lock);
    ck_ok(engine_open(&engine), &engine.error); /* and what it had locked it has let go of */
    engine_end(&engine);
}
END_TEST

/* Paths that cannot be a data directory are refused by what is wrong with them. */
START_TEST(impossible_paths_are_refused)
{
    struct engine engine;
    struct weir_broker *broker = NULL;
    static char long_path[5000];
    engine_init(&engine, 4);
    engine.options.env = engine.env;
    memset(long_path, 'x', sizeof long_path - 1);
    engine.options.path = "";
    ck_assert_int_eq(weir_broker_open(&engine.options, &broker, &error), WEIR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.text, "empty"));
    engine.options.path = NULL;
    ck_assert_int_eq(weir_broker_open(&engine.options, &broker, &error), WEIR_INVALID_ARGUMENT);
    engine.options.path = long_path;
    ck_assert_int_eq(weir_broker_open(&engine.options, &broker, &error), WEIR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.text, "3500"));
    memcpy(long_path, "/ab/", 4);
    long_path[4 + 256] = '\0';
    ck_assert_int_eq(weir_broker_open(&engine.options, &broker, &error), WEIR_INVALID_ARGUMENT);
    ck_assert_msg(strstr(error.text, "has 256 bytes; at most 255") != NULL, "%s", error.text);
    write_file(engine.env, "/file", "x");
    engine.options.path = "/file";
    ck_assert_int_eq(weir_broker_open(&engine.options, &broker, &error), WEIR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.text, "a directory is wanted"));
    engine.options.path = "/nowhere/data";
    ck_assert_int_eq(weir_broker_open(&engine.options, &broker, &error), WEIR_NOT_FOUND);
    ck_assert_msg(strstr(error.text, "there is no directory '/nowhere'") != NULL, "%s", error.text);
    ck_assert_ptr_null(broker);
    weir_sim_free(engine.sim);
}
END_TEST

/* A directory of a newer format is refused, and left as it is. */
START_TEST(a_newer_directory_is_refused_untouched)
{
    struct engine engine;
    engine_init(&engine, 5);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_close(&engine), &engine.error);
    write_file(engine.env, ENGINE_PATH "/meta.properties", "version=2\nnew.layout=yes\n");
    uint64_t before = weir_sim_disk_hash(engine.sim, 0, ENGINE_PATH "/log");
    ck_assert_int_eq(engine_open(&engine), WEIR_UNSUPPORTED_VERSION);
    ck_assert_ptr_nonnull(strstr(engine.error.text, "version 2"));
    ck_assert_ptr_nonnull(strstr(engine.error.text, "up to 1"));
    ck_assert_uint_eq(weir_sim_disk_hash(engine.sim, 0, ENGINE_PATH "/log"), before);
    weir_sim_free(engine.sim);
}
END_TEST

/* A log without its meta.properties is not taken for a fresh directory. */
START_TEST(a_log_without_properties_is_refused)
{
    struct engine engine;
    engine_init(&engine, 6);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_close(&engine), &engine.error);
    ck_assert_int_eq(weir_remove(engine.env, ENGINE_PATH "/meta.properties", NULL), 0);
    ck_assert_int_eq(engine_open(&engine), WEIR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(engine.error.text, "meta.properties"));
    weir_sim_free(engine.sim);
}
END_TEST

/* A directory that has somebody's files in it is named with one of them, and left as it is. */
START_TEST(a_directory_of_somebody_elses_is_refused_untouched)
{
    struct engine engine;
    engine_init(&engine, 11);
    ck_ok(weir_make_directory(engine.env, ENGINE_PATH, &error), &error);
    write_file(engine.env, ENGINE_PATH "/.profile", "x");
    uint64_t before = weir_sim_disk_hash(engine.sim, 0, ENGINE_PATH);
    ck_assert_int_eq(engine_open(&engine), WEIR_INVALID_ARGUMENT);
    ck_assert_msg(strstr(engine.error.text, "'.profile'") != NULL, "%s", engine.error.text);
    ck_assert_ptr_nonnull(strstr(engine.error.text, ENGINE_PATH "/weir"));
    ck_assert_uint_eq(weir_sim_disk_hash(engine.sim, 0, ENGINE_PATH), before);
    weir_sim_free(engine.sim);
}
END_TEST

/* What a file system, an editor of folders or a first open that was cut short leaves is nobody's. */
START_TEST(what_belongs_to_nobody_does_not_fill_a_directory)
{
    static const char *const names[] = {"lost+found", ".gitignore",         ".gitkeep",
                                        ".keep",      ".DS_Store",          ".snapshot",
                                        "lock",       "meta.properties.tmp"};
    struct engine engine;
    engine_init(&engine, 12);
    ck_ok(weir_make_directory(engine.env, ENGINE_PATH, &error), &error);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%s", ENGINE_PATH, names[i]);
        write_file(engine.env, path, "x");
    }
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_close(&engine), &engine.error);
    write_file(engine.env, ENGINE_PATH "/notes.txt",
               "x"); /* once it is ours, that is the user's business */
    ck_ok(engine_open(&engine), &engine.error);
    engine_end(&engine);
}
END_TEST

static int remove_entry(void *context, const char *name, enum weir_file_kind kind)
{
    struct engine *engine = context;
    char path[512];
    (void)kind;
    (void)snprintf(path, sizeof path, "%s/log/__cluster_metadata-0/%s", ENGINE_PATH, name);
    return weir_remove(engine->env, path, NULL);
}

/* Partitions whose metadata is gone are not given up for a fresh directory. */
START_TEST(partitions_without_metadata_are_refused)
{
    struct engine engine;
    const char *folder = ENGINE_PATH "/log/__cluster_metadata-0";
    engine_init(&engine, 10);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    ck_ok(engine_close(&engine), &engine.error);
    ck_assert_int_eq(weir_list(engine.env, folder, remove_entry, &engine, NULL), 0);
    ck_assert_int_eq(weir_remove(engine.env, folder, NULL), 0);
    for (int i = 0; i < 2; i++) { /* the refusal is nothing that a second try gets past */
        ck_assert_int_eq(engine_open(&engine), WEIR_CORRUPT);
        ck_assert_msg(strstr(engine.error.text, "__cluster_metadata-0' back") != NULL, "%s",
                      engine.error.text);
    }
    weir_sim_free(engine.sim);
}
END_TEST

static void read_properties(struct weir_env *env, char text[512])
{
    struct weir_file *file = NULL;
    ck_ok(weir_file_open(env, ENGINE_PATH "/meta.properties", WEIR_OPEN_READ, &file, &error),
          &error);
    int64_t size = weir_file_read(file, text, 511, 0, &error);
    ck_assert_int_ge(size, 0);
    text[size] = '\0';
    ck_assert_uint_eq(strlen(text), (size_t)size);
    weir_file_close(file);
}

/* The first topic adds one line to what is there, byte for byte: a last line without its end gets one. */
START_TEST(that_a_log_exists_is_one_line_more)
{
    static const char line[] = "log.exists=true\n";
    for (int is_open = 0; is_open < 2; is_open++) {
        struct engine engine;
        char before[512];
        char after[512];
        char wanted[1024];
        engine_init(&engine, 13);
        ck_ok(engine_open(&engine), &engine.error);
        ck_ok(engine_close(&engine), &engine.error);
        read_properties(engine.env, before);
        char *there = strstr(before, line);
        if (there != NULL) *there = '\0';
        size_t size = strlen(before);
        if (is_open != 0) before[size - 1] = '\0';
        write_file(engine.env, ENGINE_PATH "/meta.properties", before);
        (void)snprintf(wanted, sizeof wanted, "%s%s%s", before, is_open != 0 ? "\n" : "", line);
        ck_ok(engine_open(&engine), &engine.error);
        ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
        read_properties(engine.env, after);
        ck_assert_str_eq(after, wanted);
        engine_end(&engine);
    }
}
END_TEST

/* A full disk is said so, and once there is room the directory opens. */
START_TEST(a_full_disk_is_named)
{
    struct engine engine;
    engine_init(&engine, 7);
    weir_sim_disk_limit(engine.sim, 0, 10);
    ck_assert_int_eq(engine_open(&engine), WEIR_NO_SPACE);
    ck_assert_ptr_nonnull(strstr(engine.error.text, ENGINE_PATH));
    weir_sim_disk_limit(engine.sim, 0, 0);
    ck_ok(engine_open(&engine), &engine.error);
    engine_end(&engine);
}
END_TEST

/* Closing and opening again changes nothing on the disk but the mark and the lock. */
START_TEST(open_twice_equals_open_once)
{
    struct engine engine;
    engine_init(&engine, 8);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 3), &engine.error);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    ck_ok(engine_commit(&engine, "job", "clicks", 0, 1), &engine.error);
    ck_ok(engine_close(&engine), &engine.error);
    uint64_t once = weir_sim_disk_hash(engine.sim, 0, ENGINE_PATH);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_close(&engine), &engine.error);
    ck_assert_uint_eq(weir_sim_disk_hash(engine.sim, 0, ENGINE_PATH), once);
    engine_end(&engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("data directory");
    tcase_add_test(tests, properties_survive_their_text);
    tcase_add_test(tests, damaged_or_newer_properties_are_refused);
    tcase_add_test(tests, the_cluster_id_stays);
    tcase_add_test(tests, a_second_open_names_the_process);
    tcase_add_test(tests, a_removed_lock_lets_nobody_in);
    tcase_add_test(tests, a_lock_of_the_file_alone_is_enough);
    tcase_add_test(tests, impossible_paths_are_refused);
    tcase_add_test(tests, a_newer_directory_is_refused_untouched);
    tcase_add_test(tests, a_log_without_properties_is_refused);
    tcase_add_test(tests, a_directory_of_somebody_elses_is_refused_untouched);
    tcase_add_test(tests, what_belongs_to_nobody_does_not_fill_a_directory);
    tcase_add_test(tests, partitions_without_metadata_are_refused);
    tcase_add_test(tests, that_a_log_exists_is_one_line_more);
    tcase_add_test(tests, a_full_disk_is_named);
    tcase_add_test(tests, open_twice_equals_open_once);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("data directory", add);
}
