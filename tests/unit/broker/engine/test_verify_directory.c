#include "broker/engine/verify_directory.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/broker/engine/engine_fixture.h"

/* A directory is looked at as a whole, with no engine on it: what is found is said by name. */
#define LOG ENGINE_PATH "/log"
#define METADATA LOG "/__cluster_metadata-0"

static struct engine engine;
static struct findings {
    int count;
    char text[8][512];
} found;

static void note(void *context, const char *name, const char *text)
{
    struct findings *findings = context;
    ck_assert_int_lt(findings->count, 8);
    (void)snprintf(findings->text[findings->count++], sizeof found.text[0], "%s: %s", name, text);
}

static int verify(void)
{
    found.count = 0;
    return weir_data_directory_verify(engine.env, ENGINE_PATH, note, &found, &engine.error);
}

/* "clicks" of two partitions with records and a third without, "views" of one. The last life ended with
 * a close, which leaves a snapshot of the metadata, or with a kill. */
static void make(bool is_closed)
{
    engine_init(&engine, 1);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 3), &engine.error);
    ck_ok(engine_create(&engine, "views", 1), &engine.error);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 1, "b", WEIR_ACKS_ALL), 0);
    ck_assert_int_eq(engine_produce(&engine, "views", 0, "c", WEIR_ACKS_ALL), 0);
    if (is_closed) {
        ck_ok(engine_close(&engine), &engine.error);
    } else {
        engine_crash(&engine, WEIR_SIM_KILL);
    }
}

static void move(const char *from, const char *to)
{
    ck_ok(weir_rename(engine.env, from, to, &engine.error), &engine.error);
}

static void finds_nothing(void)
{
    ck_ok(verify(), &engine.error);
    ck_assert_msg(found.count == 0, "%s", found.text[0]);
}

static void finds(const char *text)
{
    ck_ok(verify(), &engine.error);
    ck_assert_msg(found.count == 1, "%d findings, with '%s'", found.count, found.text[0]);
    ck_assert_msg(strstr(found.text[0], text) != NULL, "'%s', not '%s'", found.text[0], text);
}

/* However it was left; and to look changes nothing. */
START_TEST(a_sound_directory_has_no_findings)
{
    make(_i == 0);
    finds_nothing();
    finds_nothing();
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 1), 1);
    engine_end(&engine);
}
END_TEST

/* What is moved away, and what is said of it; put back, all is well. */
START_TEST(what_is_missing_is_named)
{
    static const struct {
        const char *path, *text;
    } cases[] = {
        {ENGINE_PATH "/meta.properties", "meta.properties: "},
        {LOG, "log: is missing; put it back"},
        {METADATA, "__cluster_metadata-0: is missing; put it back"},
        {LOG "/clicks-0", "clicks-0: the folder is missing"},
        {LOG "/views-0", "views-0: the folder is missing"},
    };
    make(_i == 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        move(cases[i].path, "/aside");
        finds(cases[i].text);
        move("/aside", cases[i].path);
        finds_nothing();
    }
    engine_end(&engine);
}
END_TEST

static int remove_file(void *context, const char *name, enum weir_file_kind kind)
{
    char path[512];
    (void)kind;
    (void)snprintf(path, sizeof path, "%s/%s", (const char *)context, name);
    return weir_remove(engine.env, path, NULL);
}

static void make_empty(const char *folder)
{
    ck_ok(weir_list(engine.env, folder, remove_file, (void *)folder, NULL), NULL);
}

static void make_empty_file(const char *path)
{
    struct weir_file *file = NULL;
    ck_ok(weir_file_open(engine.env, path, WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &file, NULL), NULL);
    weir_file_close(file);
}

/* A folder that is there and has nothing in it is no better than none. */
START_TEST(what_is_empty_is_named)
{
    make(true);
    make_empty(LOG "/clicks-1");
    finds("clicks-1: the durable mark and the segments are missing");
    make_empty(METADATA);
    finds("__cluster_metadata-0: is missing; put it back");
    engine_end(&engine);
}
END_TEST

/* Folders in each other's places: of another topic, of another partition; a file where one was. */
START_TEST(what_stands_in_anothers_place_is_named)
{
    make(true);
    move(LOG "/clicks-0", "/aside");
    move(LOG "/views-0", LOG "/clicks-0");
    move("/aside", LOG "/views-0");
    ck_ok(verify(), &engine.error);
    ck_assert_int_eq(found.count, 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_msg(strstr(found.text[i], "the folder belongs to another topic id") != NULL, "%s",
                      found.text[i]);
    }
    move(LOG "/views-0", "/aside");
    move(LOG "/clicks-0", LOG "/views-0");

    move(LOG "/clicks-1", LOG "/clicks-0");
    move("/aside", LOG "/clicks-1");
    ck_ok(verify(), &engine.error);
    ck_assert_int_eq(found.count, 2);
    ck_assert_str_eq(found.text[0], "clicks-0: the folder is that of partition 1");
    ck_assert_str_eq(found.text[1], "clicks-1: the folder is that of partition 0");
    engine_end(&engine);

    make(true);
    move(LOG "/clicks-0", "/aside");
    move(ENGINE_PATH "/lock", LOG "/clicks-0");
    finds("clicks-0: something that is no folder is in its place");
    engine_end(&engine);
}
END_TEST

/* Metadata whose head is gone is read from the snapshot that has it; without that the head is
 * missing. */
START_TEST(a_head_that_a_snapshot_has_is_not_missing)
{
    engine_init(&engine, 1);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_close(&engine), &engine.error);
    finds_nothing();
    make_empty_file(METADATA "/00000000000000000002.log");
    ck_ok(weir_remove(engine.env, METADATA "/00000000000000000000.log", NULL), NULL);
    finds_nothing();
    move(METADATA "/00000000000000000002-0000000000.checkpoint", "/aside");
    finds("records from offset 0 on are missing");
    engine_end(&engine);
}
END_TEST

/* Memory runs out anywhere: then that is the answer, and not that all is well, nor a finding. */
/* As an older copy of the metadata leaves it; what a deletion leaves, and what is nobody's, are none. */
START_TEST(a_partition_of_a_topic_that_is_not_known_is_named)
{
    make(true);
    ck_ok(weir_make_directory(engine.env, LOG "/other-0", &engine.error), &engine.error);
    ck_ok(weir_make_directory(engine.env, LOG "/lost+found", &engine.error), &engine.error);
    finds_nothing();
    move(LOG "/clicks-0", LOG "/clicks-0.0123-delete");
    finds("clicks-0");
    move(LOG "/clicks-0.0123-delete", LOG "/later-7");
    ck_ok(verify(), &engine.error);
    ck_assert_int_eq(found.count, 2);
    ck_assert_msg(strstr(found.text[1], "later-7: the metadata has no such topic") != NULL, "%s",
                  found.text[1]);
    engine_end(&engine);
}
END_TEST

START_TEST(out_of_memory_is_no_finding)
{
    struct weir_test_failures failures = {0};
    make(_i == 0);
    while (weir_test_failures_next(&failures)) {
        weir_test_failures_arm(&failures, engine.env->budget->heap);
        int rc = verify();
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : 0);
        ck_assert_msg(found.count == 0, "%s", found.text[0]);
    }
    ck_assert_uint_gt(failures.hits, 10);
    finds_nothing();
    engine_end(&engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("directory");
    tcase_add_loop_test(tests, a_sound_directory_has_no_findings, 0, 2);
    tcase_add_loop_test(tests, what_is_missing_is_named, 0, 2);
    tcase_add_test(tests, a_partition_of_a_topic_that_is_not_known_is_named);
    tcase_add_test(tests, what_is_empty_is_named);
    tcase_add_test(tests, what_stands_in_anothers_place_is_named);
    tcase_add_test(tests, a_head_that_a_snapshot_has_is_not_missing);
    tcase_add_loop_test(tests, out_of_memory_is_no_finding, 0, 2);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("verify directory", add);
}
