#include <stdio.h>
#include <string.h>

#include "broker/metadata/uuid.h"
#include "tests/unit/broker/engine/engine_fixture.h"

/* What existed is known: a folder that is gone is a loss, never a fresh start. */
#define FOLDER ENGINE_PATH "/log/clicks-0"
#define OFFSETS_FOLDER ENGINE_PATH "/log/__consumer_offsets-0"
#define METADATA_FOLDER ENGINE_PATH "/log/__cluster_metadata-0"

/* Three records in "clicks" 0, the other partition never used. */
static void begin(struct engine *engine, uint64_t seed)
{
    engine_init(engine, seed);
    ck_ok(engine_open(engine), &engine->error);
    ck_ok(engine_create(engine, "clicks", 2), &engine->error);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(engine_produce(engine, "clicks", 0, "a", WEIR_ACKS_ALL), i);
    }
}

enum { CLOSED, KILLED, POWER_CUT, ENDS };

/* The ways a life can end. */
static void stop(struct engine *engine, int how)
{
    if (how == CLOSED) ck_ok(engine_close(engine), &engine->error);
    if (how == KILLED) engine_crash(engine, WEIR_SIM_KILL);
    if (how == POWER_CUT) engine_crash(engine, WEIR_SIM_POWER);
}

static bool is_there(struct engine *engine, const char *path)
{
    struct weir_file_stat stat;
    return weir_stat(engine->env, path, &stat, NULL) == 0;
}

static void move_away(struct engine *engine, const char *path)
{
    ck_ok(weir_rename(engine->env, path, "/saved", &engine->error), &engine->error);
}

static void put_back(struct engine *engine, const char *path)
{
    ck_ok(weir_rename(engine->env, "/saved", path, &engine->error), &engine->error);
}

static int remove_entry(void *context, const char *name, enum weir_file_kind kind)
{
    struct engine *engine = context;
    char path[512];
    (void)kind;
    (void)snprintf(path, sizeof path, FOLDER "/%s", name);
    return weir_remove(engine->env, path, NULL);
}

/* Whatever is asked of it is refused with 56's code, and the text names the place. */
static void check_offline(struct engine *engine)
{
    char value[64];
    ck_assert_int_eq(engine_latest(engine, "clicks", 0), WEIR_OFFLINE);
    ck_assert_msg(strstr(engine->error.text, FOLDER) != NULL, "%s", engine->error.text);
    ck_assert_msg(strstr(engine->error.text, "missing") != NULL, "%s", engine->error.text);
    ck_assert_msg(strstr(engine->error.text, "weir topic delete clicks") != NULL, "%s",
                  engine->error.text);
    ck_assert_int_eq(engine_fetch(engine, "clicks", 0, 0, value), WEIR_OFFLINE);
    ck_assert_int_eq(engine_produce(engine, "clicks", 0, "new", WEIR_ACKS_ALL), WEIR_OFFLINE);
}

/* However the last life ended, with or without the snapshot that a close writes. */
START_TEST(a_missing_folder_is_offline_not_new)
{
    struct engine engine;
    char value[64];
    begin(&engine, 1);
    stop(&engine, _i);
    move_away(&engine, FOLDER);
    for (int i = 0; i < 2; i++) { /* a second start knows it too */
        ck_ok(engine_open(&engine), &engine.error);
        check_offline(&engine);
        ck_assert(!is_there(&engine, FOLDER));
        ck_assert_int_eq(engine_produce(&engine, "clicks", 1, "b", WEIR_ACKS_ALL), i);
        stop(&engine, _i);
    }
    ck_ok(engine_open(&engine), &engine.error);
    check_offline(&engine);
    put_back(&engine, FOLDER);
    ck_assert_int_eq(engine_fetch(&engine, "clicks", 0, 2, value), 0);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "d", WEIR_ACKS_ALL), 3);
    engine_end(&engine);
}
END_TEST

START_TEST(an_emptied_folder_is_offline_not_new)
{
    struct engine engine;
    begin(&engine, 2);
    stop(&engine, _i);
    ck_assert_int_eq(weir_list(engine.env, FOLDER, remove_entry, &engine, NULL), 0);
    ck_ok(engine_open(&engine), &engine.error);
    check_offline(&engine);
    ck_assert(is_there(&engine, FOLDER));
    engine_end(&engine);
}
END_TEST

/* The remedy that the line names works: deleting gives the records up, and the name is free. */
START_TEST(a_topic_whose_folder_is_gone_can_be_deleted)
{
    struct engine engine;
    begin(&engine, 3);
    stop(&engine, CLOSED);
    move_away(&engine, FOLDER);
    ck_ok(engine_open(&engine), &engine.error);
    check_offline(&engine);
    ck_ok(engine_delete(&engine, "clicks"), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    engine_end(&engine);
}
END_TEST

/* A deleted topic's folder is there again, as after a power loss, and a disk error comes while an open that
 * wants no text of its failure takes it away. False: the open was over before. */
static bool open_without_text(uint64_t at)
{
    struct engine engine;
    begin(&engine, at);
    stop(&engine, KILLED);
    move_away(&engine, FOLDER);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_delete(&engine, "clicks"), &engine.error);
    stop(&engine, KILLED);
    put_back(&engine, FOLDER);
    weir_sim_disk_count_reset(engine.sim, 0);
    weir_sim_disk_plan(engine.sim, 0,
                       (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_EIO, .at = at});
    engine.options.env = engine.env;
    int rc = weir_broker_open(&engine.options, &engine.broker, NULL);
    bool began = weir_sim_disk_count(engine.sim, 0) >= at;
    weir_sim_disk_plan(engine.sim, 0, (struct weir_sim_fault_plan){0});
    if (rc >= 0) engine_crash(&engine, WEIR_SIM_KILL);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert(!is_there(&engine, FOLDER));
    engine_end(&engine);
    return began;
}

START_TEST(an_open_that_wants_no_text_fails_like_any_other)
{
    uint64_t at = 1;
    while (open_without_text(at))
        at++;
    ck_assert_uint_gt(at, 3);
}
END_TEST

/* A renaming is two changes to a disk: after a loss of power the folder may be there under both names. */
START_TEST(a_deleted_folder_under_both_names_goes)
{
    struct engine engine;
    struct weir_file *file = NULL;
    struct weir_topic_request request = {.operation = WEIR_TOPIC_DESCRIBE,
                                         .topic = weir_text("clicks")};
    char id[WEIR_UUID_TEXT_SIZE];
    char renamed[256];
    char inside[300];
    begin(&engine, 9);
    ck_ok(engine_topic(&engine, &request), &engine.error);
    (void)snprintf(renamed, sizeof renamed, "%s.%s-delete", FOLDER,
                   weir_uuid_print(request.topic_id, id));
    (void)snprintf(inside, sizeof inside, "%s/00000000000000000000.log", renamed);
    stop(&engine, KILLED);
    move_away(&engine, FOLDER);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_delete(&engine, "clicks"), &engine.error);
    stop(&engine, KILLED);
    put_back(&engine, FOLDER);
    ck_ok(weir_make_directory(engine.env, renamed, &engine.error), &engine.error);
    ck_ok(weir_file_open(engine.env, inside, WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &file,
                         &engine.error),
          &engine.error);
    weir_file_close(file);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert(!is_there(&engine, FOLDER));
    ck_assert(!is_there(&engine, renamed));
    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "new", WEIR_ACKS_ALL), 0);
    engine_end(&engine);
}
END_TEST

static int count_name(void *context, const char *name, enum weir_file_kind kind)
{
    (void)name;
    (void)kind;
    ++*(int *)context;
    return 0;
}

/* A partition on a file system of its own: no sync of the directory's covers what is removed there. */
START_TEST(a_mount_that_was_emptied_stays_empty)
{
    static const char mount[] = ENGINE_PATH "/log/clicks-0";
    struct engine engine;
    int left = 0;
    engine_init(&engine, (uint64_t)_i + 1);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(weir_sim_disk_mount(engine.sim, 0, mount), NULL);
    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    ck_ok(engine_delete(&engine, "clicks"), &engine.error);
    ck_ok(engine_close(&engine), &engine.error);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(weir_list(engine.env, mount, count_name, &left, &engine.error), &engine.error);
    ck_assert_int_eq(left, 0);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "b", WEIR_ACKS_ALL), 0);
    engine_end(&engine);
}
END_TEST

/* What a kill has left of a removal goes at the next start, by its name: all of which has to fit. */
START_TEST(only_the_names_of_deleted_topics_are_removed)
{
    static const struct {
        const char *path;
        bool goes;
    } folders[] = {
        {ENGINE_PATH "/log/clicks-0.AAAAAAAAQACAAAAAAAAAAg-delete", true},
        {ENGINE_PATH "/log/a-b-12.AAAAAAAAQACAAAAAAAAAAg-delete", true},
        {ENGINE_PATH "/log/clicks-0-delete", false},
        {ENGINE_PATH "/log/clicks.AAAAAAAAQACAAAAAAAAAAg-delete", false},
        {ENGINE_PATH "/log/clicks-.AAAAAAAAQACAAAAAAAAAAg-delete", false},
        {ENGINE_PATH "/log/-0.AAAAAAAAQACAAAAAAAAAAg-delete", false},
        {ENGINE_PATH "/log/clicks-0.AAAAAAAAQACAAAAAAAAAA-delete", false},
        {ENGINE_PATH "/log/clicks-0.AAAAAAAAQACAAAAAAAAA+g-delete", false},
        {ENGINE_PATH "/log/0.AAAAAAAAQACAAAAAAAAAAg-delete", false},
        {ENGINE_PATH "/log/AAAAAAAAQACAAAAAAAAAAg-delete", false},
    };
    struct engine engine;
    struct weir_file_stat stat;
    engine_init(&engine, 1);
    ck_ok(engine_open(&engine), &engine.error);
    engine_crash(&engine, WEIR_SIM_KILL);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        ck_ok(weir_make_directory(engine.env, folders[i].path, &engine.error), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        bool is_gone = weir_stat(engine.env, folders[i].path, &stat, NULL) == WEIR_NOT_FOUND;
        ck_assert_msg(is_gone == folders[i].goes, "%s", folders[i].path);
    }
    engine_end(&engine);
}
END_TEST

/* A partition that was only read, never written, has a folder too; so has one that was emptied by
 * retention or a cut. What was never read from nor written to has none, and may be made. */
START_TEST(only_what_was_made_must_be_there)
{
    struct engine engine;
    char value[64];
    begin(&engine, 4);
    ck_assert_int_eq(engine_fetch(&engine, "clicks", 1, 0, value), WEIR_END);
    ck_ok(engine_create(&engine, "views", 1), &engine.error);
    stop(&engine, POWER_CUT);
    move_away(&engine, ENGINE_PATH "/log/clicks-1");
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 1), WEIR_OFFLINE);
    ck_assert_int_eq(engine_latest(&engine, "views", 0), 0);
    engine_end(&engine);
}
END_TEST

/* Where it begins and ends, what it looks like, who writes to it: of what nobody has used all that is known without a
 * folder, and none is made for who asks. The first record makes it. */
START_TEST(who_only_looks_makes_no_folder)
{
    struct engine engine;
    struct weir_arena arena;
    const int64_t times[] = {WEIR_OFFSET_LATEST, WEIR_OFFSET_EARLIEST, WEIR_OFFSET_MAX_TIMESTAMP,
                             0};
    begin(&engine, 4);
    weir_arena_init(&arena, engine.env->budget, 0);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct weir_list_offsets_request list = {.of = {weir_text("clicks"), 1},
                                                 .timestamp_ms = times[i]};
        ck_ok(weir_broker_wait_begin(engine.broker, &list.request, NULL), NULL);
        weir_broker_list_offsets(engine.broker, &list);
        ck_ok(weir_broker_wait(engine.broker, &list.request, NULL), &list.request.error);
        ck_assert_int_eq(list.offset, i < 2 ? 0 : -1);
        ck_assert_int_eq(list.log_end_offset, 0);
    }
    struct weir_partition_state_request state = engine_describe_partition(&engine, "clicks", 1);
    ck_assert_int_eq(state.state.end_offset, 0);
    ck_assert_int_eq(state.state.size_bytes, 0);
    struct weir_describe_partition_request describe = {.of = {weir_text("clicks"), 1}};
    ck_ok(weir_broker_wait_begin(engine.broker, &describe.request, NULL), NULL);
    weir_broker_describe_partition(engine.broker, &describe);
    ck_ok(weir_broker_wait(engine.broker, &describe.request, NULL), &describe.request.error);
    ck_assert_int_eq(describe.log_end_offset, 0);
    ck_assert_int_eq(describe.leader_epoch, state.state.leader_epoch);
    struct weir_describe_producers_request producers = {.of = {weir_text("clicks"), 1},
                                                        .arena = &arena};
    ck_ok(weir_broker_wait_begin(engine.broker, &producers.request, NULL), NULL);
    weir_broker_describe_producers(engine.broker, &producers);
    ck_ok(weir_broker_wait(engine.broker, &producers.request, NULL), &producers.request.error);
    ck_assert_uint_eq(producers.count, 0);
    struct weir_epoch_end_request end = {.of = {weir_text("clicks"), 1},
                                         .epoch = state.state.leader_epoch};
    ck_ok(weir_broker_wait_begin(engine.broker, &end.request, NULL), NULL);
    weir_broker_epoch_end(engine.broker, &end);
    ck_ok(weir_broker_wait(engine.broker, &end.request, NULL), &end.request.error);
    ck_assert_int_eq(end.end_offset, 0);
    ck_assert(!is_there(&engine, ENGINE_PATH "/log/clicks-1"));
    ck_assert_int_eq(engine_latest(&engine, "clicks", 2), WEIR_UNKNOWN_TOPIC_OR_PARTITION);

    ck_assert_int_eq(engine_produce(&engine, "clicks", 1, "b", WEIR_ACKS_ALL), 0);
    ck_assert(is_there(&engine, ENGINE_PATH "/log/clicks-1"));
    struct weir_partition_state_request made = engine_describe_partition(&engine, "clicks", 1);
    ck_assert_int_eq(made.state.leader_epoch, state.state.leader_epoch);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 1), 1);
    weir_arena_close(&arena);
    ck_ok(engine_close(&engine), &engine.error);
    engine_end(&engine);
}
END_TEST

/* The same for groups: without a commit in its partition there is none, and nothing to make a folder for. */
START_TEST(who_asks_for_a_group_makes_no_folder)
{
    enum { PARTITIONS = 8 };
    struct engine engine;
    int made = 0;
    engine_init(&engine, 4);
    engine.options.offsets_topic_num_partitions = PARTITIONS;
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    ck_ok(engine_commit(&engine, "job", "clicks", 0, 2), &engine.error);
    for (int i = 0; i < 4 * PARTITIONS; i++) {
        char group[16];
        (void)snprintf(group, sizeof group, "none-%d", i);
        ck_assert_int_eq(engine_committed(&engine, group, "clicks", 0), -1);
    }
    ck_assert_int_eq(engine_committed(&engine, "job", "clicks", 0), 2);
    for (int i = 0; i < PARTITIONS; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, ENGINE_PATH "/log/__consumer_offsets-%d", i);
        made += is_there(&engine, path);
    }
    ck_assert_int_eq(made, 1);
    ck_ok(engine_close(&engine), &engine.error);
    engine_end(&engine);
}
END_TEST

/* "No commit" would send a job back to its beginning. */
START_TEST(missing_offsets_are_an_error_not_no_commit)
{
    struct engine engine;
    begin(&engine, 5);
    ck_ok(engine_commit(&engine, "job", "clicks", 0, 2), &engine.error);
    stop(&engine, _i);
    move_away(&engine, OFFSETS_FOLDER);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_committed(&engine, "job", "clicks", 0), WEIR_OFFLINE);
    ck_assert_msg(strstr(engine.error.text, OFFSETS_FOLDER) != NULL, "%s", engine.error.text);
    ck_assert_msg(strstr(engine.error.text, "'weir log verify /data'") != NULL, "%s",
                  engine.error.text);
    ck_assert_int_eq(engine_commit(&engine, "job", "clicks", 0, 3), WEIR_OFFLINE);
    put_back(&engine, OFFSETS_FOLDER);
    ck_assert_int_eq(engine_committed(&engine, "job", "clicks", 0), 2);
    engine_end(&engine);
}
END_TEST

static void check_refused(struct engine *engine, const char *name)
{
    for (int i = 0; i < 2; i++) { /* the refusal is nothing that a second try gets past */
        ck_assert_int_eq(engine_open(engine), WEIR_CORRUPT);
        ck_assert_msg(strstr(engine->error.text, name) != NULL, "%s", engine->error.text);
        ck_assert_msg(strstr(engine->error.text, "back") != NULL, "%s", engine->error.text);
        ck_assert(!is_there(engine, name));
    }
}

/* Also where no partition's folder is left to tell: a topic that was never used is a loss too. */
START_TEST(missing_metadata_is_refused)
{
    struct engine engine;
    engine_init(&engine, 6);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 2), &engine.error);
    stop(&engine, _i);
    move_away(&engine, METADATA_FOLDER);
    check_refused(&engine, METADATA_FOLDER);
    put_back(&engine, METADATA_FOLDER);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_describe(&engine, "clicks"), 2);
    engine_end(&engine);
}
END_TEST

START_TEST(a_missing_log_is_refused)
{
    struct engine engine;
    begin(&engine, 7);
    stop(&engine, _i);
    move_away(&engine, ENGINE_PATH "/log");
    check_refused(&engine, ENGINE_PATH "/log");
    put_back(&engine, ENGINE_PATH "/log");
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 0), 3);
    engine_end(&engine);
}
END_TEST

/* The first read makes the folder. */
static void use_first(struct engine *engine)
{
    char value[64];
    (void)engine_fetch(engine, "clicks", 1, 0, value);
}

static int count_operations_of_first_use(struct engine *engine)
{
    weir_sim_disk_count_reset(engine->sim, 0);
    use_first(engine);
    return (int)weir_sim_disk_count(engine->sim, 0);
}

/* A crash or a failed operation at every point around the first use never makes the partition one
 * that is refused: neither at the next start, nor after a loss of power behind that. */
static void crash_around_first_use(enum weir_sim_fault fault, enum weir_sim_crash_kind kind)
{
    struct engine engine;
    begin(&engine, 8);
    int operations = count_operations_of_first_use(&engine);
    ck_assert_int_gt(operations, 5);
    engine_end(&engine);
    for (int at = 1; at <= operations + 1; at++) {
        begin(&engine, (uint64_t)at);
        weir_sim_disk_count_reset(engine.sim, 0);
        weir_sim_disk_plan(
            engine.sim, 0,
            (struct weir_sim_fault_plan){.fault = fault, .at = (uint64_t)at, .crash = kind});
        use_first(&engine);
        if (weir_sim_has_crashed(engine.sim, 0)) {
            engine_forget(&engine);
        } else {
            engine_crash(&engine, kind);
        }
        weir_sim_disk_plan(engine.sim, 0, (struct weir_sim_fault_plan){0});
        ck_ok(engine_open(&engine), &engine.error);
        engine_crash(&engine, WEIR_SIM_POWER); /* before it is used again */
        ck_ok(engine_open(&engine), &engine.error);
        int64_t offset = engine_produce(&engine, "clicks", 1, "a", WEIR_ACKS_ALL);
        ck_assert_msg(offset == 0, "at %d: %s", at, engine.error.text);
        engine_crash(&engine, WEIR_SIM_POWER);
        ck_ok(engine_open(&engine), &engine.error);
        ck_assert_int_eq(engine_latest(&engine, "clicks", 1), 1);
        ck_assert_int_eq(engine_latest(&engine, "clicks", 0), 3);
        engine_end(&engine);
    }
}

START_TEST(a_crash_around_the_first_use_never_refuses)
{
    crash_around_first_use(WEIR_SIM_FAULT_CRASH, WEIR_SIM_KILL);
    crash_around_first_use(WEIR_SIM_FAULT_CRASH, WEIR_SIM_POWER);
    crash_around_first_use(WEIR_SIM_FAULT_CRASH_AFTER, WEIR_SIM_KILL);
    crash_around_first_use(WEIR_SIM_FAULT_CRASH_AFTER, WEIR_SIM_POWER);
}
END_TEST

START_TEST(a_failure_around_the_first_use_never_refuses)
{
    crash_around_first_use(WEIR_SIM_FAULT_ENOSPC, WEIR_SIM_POWER);
    crash_around_first_use(WEIR_SIM_FAULT_EIO, WEIR_SIM_POWER);
    crash_around_first_use(WEIR_SIM_FAULT_SYNC, WEIR_SIM_POWER);
}
END_TEST

static int count_operations_of_first_start(uint64_t seed)
{
    struct engine engine;
    engine_init(&engine, seed);
    ck_ok(engine_open(&engine), &engine.error);
    int count = (int)weir_sim_disk_count(engine.sim, 0);
    engine_end(&engine);
    return count;
}

/* Nor does one around the first start of all, which ends with the word that there is a log. */
START_TEST(a_crash_around_the_first_start_never_refuses)
{
    static const enum weir_sim_fault faults[] = {WEIR_SIM_FAULT_CRASH, WEIR_SIM_FAULT_CRASH_AFTER};
    static const enum weir_sim_crash_kind kinds[] = {WEIR_SIM_KILL, WEIR_SIM_POWER};
    int operations = count_operations_of_first_start(9);
    for (int i = 0; i < 4 * operations; i++) {
        struct engine engine;
        engine_init(&engine, (uint64_t)i + 1);
        weir_sim_disk_plan(engine.sim, 0,
                           (struct weir_sim_fault_plan){.fault = faults[i % 2],
                                                        .at = (uint64_t)(i / 4) + 1,
                                                        .crash = kinds[i / 2 % 2]});
        (void)engine_open(&engine);
        ck_assert(weir_sim_has_crashed(engine.sim, 0));
        engine_forget(&engine);
        ck_ok(engine_open(&engine), &engine.error);
        engine_crash(&engine, WEIR_SIM_POWER);
        ck_ok(engine_open(&engine), &engine.error);
        engine_end(&engine);
    }
}
END_TEST

static void note_done(struct weir_request *request)
{
    ++*(int *)request->context;
}

/* A hundred first uses at once are a few batches of metadata, not a hundred. */
START_TEST(first_uses_share_their_batches)
{
    struct engine engine;
    struct weir_broker_metrics before, after;
    static struct weir_fetch_request requests[100];
    int done_count = 0;
    engine_init(&engine, 10);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 100), &engine.error);
    weir_broker_metrics(engine.broker, &before);
    for (int32_t i = 0; i < 100; i++) {
        requests[i] = (struct weir_fetch_request){.from = {weir_text("clicks"), i}, .size_max = 1};
        requests[i].request.done = note_done;
        requests[i].request.context = &done_count;
        weir_broker_fetch(engine.broker, &requests[i]);
    }
    weir_sim_advance_ms(engine.sim, 1000);
    ck_assert_int_eq(done_count, 100);
    weir_broker_metrics(engine.broker, &after);
    ck_assert_int_ge(after.batches_in - before.batches_in, 1);
    ck_assert_int_le(after.batches_in - before.batches_in, 10);
    engine_end(&engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("missing");
    tcase_set_timeout(tests, 100);
    tcase_add_loop_test(tests, a_missing_folder_is_offline_not_new, 0, ENDS);
    tcase_add_loop_test(tests, an_emptied_folder_is_offline_not_new, 0, ENDS);
    tcase_add_test(tests, a_topic_whose_folder_is_gone_can_be_deleted);
    tcase_add_test(tests, an_open_that_wants_no_text_fails_like_any_other);
    tcase_add_test(tests, a_deleted_folder_under_both_names_goes);
    tcase_add_loop_test(tests, a_mount_that_was_emptied_stays_empty, 0, 8);
    tcase_add_test(tests, only_the_names_of_deleted_topics_are_removed);
    tcase_add_test(tests, only_what_was_made_must_be_there);
    tcase_add_test(tests, who_only_looks_makes_no_folder);
    tcase_add_test(tests, who_asks_for_a_group_makes_no_folder);
    tcase_add_loop_test(tests, missing_offsets_are_an_error_not_no_commit, 0, ENDS);
    tcase_add_loop_test(tests, missing_metadata_is_refused, 0, ENDS);
    tcase_add_loop_test(tests, a_missing_log_is_refused, 0, ENDS);
    suite_add_tcase(suite, tests);
    TCase *crashes = tcase_create("crashes");
    tcase_set_timeout(crashes, 100);
    tcase_add_test(crashes, a_crash_around_the_first_use_never_refuses);
    tcase_add_test(crashes, a_failure_around_the_first_use_never_refuses);
    tcase_add_test(crashes, a_crash_around_the_first_start_never_refuses);
    tcase_add_test(crashes, first_uses_share_their_batches);
    suite_add_tcase(suite, crashes);
}

int main(void)
{
    return weir_test_main("missing", add);
}
