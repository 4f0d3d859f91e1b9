/**
 * A job on another kind of commit than its own: one that keeps them in the test's memory. It fails in each
 * of the four operations, answers late, and is told what to recover. So whatever the job did through
 * anything but the table would show: its group has no commit at all. In the simulator.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "runtime/state/sim/backend_model.h"
#include "tests/unit/runtime/task/stage.h"

static struct stage stage;
static struct plan plan;
static struct weir_error why;

/* ---- the kind -------------------------------------------------------------------------------- */

enum operation { RECOVER, PREPARE, SEAL, WRITE, OPERATIONS };
enum { ENTRIES_MAX = 16, TAILS_MAX = 8, MARKS_MAX = 4 };
static const char *const names[] = {"recover", "prepare", "seal", "write"};

struct kept {
    char topic[64];
    struct weir_commit_entry entry;
    struct weir_node_mark marks[MARKS_MAX];
    char nodes[MARKS_MAX][64];
};

struct commits {
    struct kept kept[ENTRIES_MAX];
    size_t count;
    int64_t records_end; /* -1: none yet */
};

static struct memory_kind {
    struct weir_log *log;
    struct commits written; /* what a start recovers */
    struct commits sealed;  /* `written`, and what the next write adds */
    struct weir_uuid records_topic_id;
    int64_t last_producer;
    int16_t epoch;
    int64_t producer_before; /* the last run's */
    /* What it was told. */
    char told[1024];
    size_t count_of[OPERATIONS];
    size_t tails_void;
    /* What it is to do. */
    int fails[OPERATIONS]; /* the answer, instead of doing it */
    size_t fail_count;     /* so often; 0: always */
    bool holds[OPERATIONS];
    struct weir_commit_call *held;
    struct weir_message release; /* answers `held` on the job's actor */
    /* Of the prepare under way. */
    struct weir_commit_prepare *prepare;
    struct weir_cut_request cut;
    size_t next_tail;
} kind;

static int kind_open(const struct weir_commit_kind_options *options, void **impl_out,
                     struct weir_error *error)
{
    (void)error;
    kind.log = options->log;
    *impl_out = &kind;
    return 0;
}

static void kind_close(void *impl)
{
    ck_assert(impl == NULL || impl == &kind);
    ck_assert_ptr_null(kind.held);
}

static void on_release(struct weir_message *message)
{
    struct weir_commit_call *call = kind.held;
    ck_assert_ptr_eq(message, &kind.release);
    kind.held = NULL;
    call->done(call);
}

static void answer(enum operation operation, struct weir_commit_call *call, int rc)
{
    struct weir_error error = {0};
    if (rc < 0) weir_error_set(&error, (enum weir_code)rc, "%s has failed", names[operation]);
    if (!kind.holds[operation]) {
        weir_commit_answer(call, rc, &error);
        return;
    }
    call->rc = rc;
    call->error = error;
    kind.held = call;
}

/* True: it is answered. */
static bool begin(enum operation operation, struct weir_commit_call *call)
{
    size_t used = strlen(kind.told);
    ck_assert_ptr_null(kind.held);
    ck_assert_ptr_nonnull(call->reply_to);
    ck_assert_uint_lt(used + 10, sizeof kind.told);
    (void)snprintf(kind.told + used, sizeof kind.told - used, "%s ", names[operation]);
    kind.count_of[operation]++;
    int rc = kind.fails[operation];
    if (rc == 0) return false;
    if (kind.fail_count > 0 && --kind.fail_count == 0) kind.fails[operation] = 0;
    answer(operation, call, rc);
    return true;
}

static void kind_recover(void *impl, struct weir_commit_recover *recover)
{
    ck_assert_ptr_eq(impl, &kind);
    if (begin(RECOVER, &recover->call)) return;
    struct commits *written = &kind.written;
    recover->has_commit = written->records_end >= 0;
    recover->records_end = written->records_end;
    recover->records_topic_id = kind.records_topic_id;
    recover->producer_ids = &kind.producer_before;
    recover->producer_count = 1;
    recover->entries = weir_arena_array(recover->call.arena, ENTRIES_MAX, sizeof *recover->entries);
    for (size_t i = 0; i < written->count; i++) {
        struct kept *kept = &written->kept[i];
        recover->entries[i] = kept->entry;
        recover->entries[i].of.topic = weir_text(kept->topic);
        recover->entries[i].marks = kept->marks;
        for (size_t m = 0; m < kept->entry.mark_count; m++) {
            kept->marks[m].node = kept->nodes[m];
        }
    }
    recover->entry_count = written->count;
    answer(RECOVER, &recover->call, 0);
}

static void next_cut(void);

static void on_cut(struct weir_request *request)
{
    ck_ok(request->rc, &request->error);
    kind.prepare->tails[kind.next_tail++].leader_epoch = kind.cut.leader_epoch;
    kind.tails_void++;
    next_cut();
}

/* One after the other, and then who writes. */
static void next_cut(void)
{
    struct weir_commit_prepare *prepare = kind.prepare;
    if (kind.next_tail < prepare->tail_count) {
        const struct weir_commit_tail *tail = &prepare->tails[kind.next_tail];
        ck_assert_int_gt(tail->log_end, tail->committed_end);
        kind.cut = (struct weir_cut_request){
            .request = {.reply_to = prepare->call.reply_to, .done = on_cut},
            .partition = tail->of,
            .what = WEIR_CUT_TAIL,
            .offset = tail->committed_end,
        };
        weir_log_cut(kind.log, &kind.cut);
        return;
    }
    ck_assert_uint_eq(prepare->writer_count,
                      0); /* all that a job writes, it writes in what is begun */
    kind.last_producer++;
    kind.epoch = 0;
    answer(PREPARE, &prepare->call, 0);
}

static void kind_prepare(void *impl, struct weir_commit_prepare *prepare)
{
    ck_assert_ptr_eq(impl, &kind);
    if (begin(PREPARE, &prepare->call)) return;
    kind.prepare = prepare;
    kind.next_tail = 0;
    next_cut();
}

static struct kept *find(struct commits *commits, struct weir_topic_partition of)
{
    for (size_t i = 0; i < commits->count; i++) {
        struct kept *kept = &commits->kept[i];
        if (weir_slice_equal(weir_text(kept->topic), of.topic) &&
            kept->entry.of.partition == of.partition) {
            return kept;
        }
    }
    return NULL;
}

static void keep(struct commits *commits, const struct weir_commit_entry *entry)
{
    struct kept *kept = find(commits, entry->of);
    if (kept == NULL) kept = &commits->kept[commits->count++];
    ck_assert_uint_le(commits->count, ENTRIES_MAX);
    *kept = (struct kept){.entry = *entry};
    (void)snprintf(kept->topic, sizeof kept->topic, "%.*s", (int)entry->of.topic.size,
                   (const char *)entry->of.topic.data);
    ck_assert_uint_le(entry->mark_count, MARKS_MAX);
    for (size_t m = 0; m < entry->mark_count; m++) {
        kept->marks[m] = entry->marks[m];
        (void)snprintf(kept->nodes[m], sizeof kept->nodes[m], "%s", entry->marks[m].node);
    }
}

static void kind_seal(void *impl, struct weir_commit_seal *seal)
{
    ck_assert_ptr_eq(impl, &kind);
    if (begin(SEAL, &seal->call)) return;
    kind.sealed = kind.written;
    for (size_t i = 0; i < seal->entry_count; i++) {
        keep(&kind.sealed, &seal->entries[i]);
    }
    if (seal->records_end >= 0) kind.sealed.records_end = seal->records_end;
    answer(SEAL, &seal->call, 0);
}

static void kind_write(void *impl, struct weir_commit_call *call)
{
    ck_assert_ptr_eq(impl, &kind);
    if (begin(WRITE, call)) return;
    kind.written = kind.sealed;
    kind.producer_before = kind.last_producer;
    answer(WRITE, call, 0);
}

/* Each with an epoch of its own, in no transaction of the log's. */
static void kind_begin(void *impl, struct weir_commit_begin *begun)
{
    ck_assert_ptr_eq(impl, &kind);
    begun->writer = (struct weir_commit_writer){kind.last_producer, kind.epoch++};
    weir_commit_answer(&begun->call, 0, NULL);
}

static void kind_rest(void *impl, struct weir_commit_call *call)
{
    ck_assert_ptr_eq(impl, &kind);
    weir_commit_answer(call, 0, NULL);
}

static const struct weir_commit_kind in_memory = {
    .name = "in memory",
    .open = kind_open,
    .close = kind_close,
    .recover = kind_recover,
    .prepare = kind_prepare,
    .begin = kind_begin,
    .seal = kind_seal,
    .write = kind_write,
    .settle = kind_rest,
    .renew = kind_rest,
    .abort = kind_rest,
};

/* ---- the job --------------------------------------------------------------------------------- */

static void open_stage(void)
{
    kind = (struct memory_kind){.written.records_end = -1, .last_producer = 7000};
    kind.release.handle = on_release;
    stage_open(&stage, 17);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "counts", 1);
    why = (struct weir_error){0};
}

static void close_stage(void)
{
    stage_close(&stage);
}

static void produce(const char *keys)
{
    char key[2] = {0};
    for (; *keys != '\0'; keys++) {
        key[0] = *keys;
        stage_produce(&stage, "in", 0, key, "1", 1000);
    }
}

static const struct weir_streams_hooks *hooks(void)
{
    static struct weir_streams_hooks of_kind;
    of_kind = (struct weir_streams_hooks){.backend = &weir_backend_model, .commit = &in_memory};
    return &of_kind;
}

/* The kind does not look up the topic of the records by itself. */
static void look_up_records_topic(void)
{
    struct weir_topic_request request = {.operation = WEIR_TOPIC_DESCRIBE,
                                         .topic = weir_text("app-application")};
    ck_ok(weir_request_wait_begin(stage.log->env, &request.request, &stage.error), &stage.error);
    weir_log_topic(stage.log, &request);
    (void)weir_request_wait(stage.log->env, &request.request, NULL); /* the first start makes it */
    kind.records_topic_id = request.topic_id;
}

static struct weir_streams *try_start(void)
{
    look_up_records_topic();
    kind.told[0] = '\0';
    return weir_streams_start_in(stage.log, plan_count(&plan, WEIR_STORE_ROCKSDB), STAGE_OPTIONS(0),
                                 hooks(), &why);
}

static void start(void)
{
    stage.streams = try_start();
    ck_assert_msg(stage.streams != NULL, "%s", why.text);
}

static int64_t committed(const char *topic)
{
    const struct kept *kept =
        find(&kind.written, (struct weir_topic_partition){weir_text(topic), 0});
    return kept != NULL ? kept->entry.offset : -1;
}

static bool has_failed(void *context)
{
    (void)context;
    return weir_streams_state(stage.streams) == WEIR_STREAMS_ERROR;
}

static bool is_held(void *context)
{
    (void)context;
    return kind.held != NULL;
}

/* It is over with `code`; what it says names the operation. */
static void expect_failed(enum operation operation, int code)
{
    (void)weir_sim_run(stage.sim, has_failed, NULL, 0);
    ck_assert_int_eq(weir_streams_close(stage.streams, &why), code);
    stage.streams = NULL;
    char text[32];
    (void)snprintf(text, sizeof text, "%s has failed", names[operation]);
    ck_assert_msg(strstr(why.text, text) != NULL, "%s", why.text);
    memset(kind.fails, 0, sizeof kind.fails);
}

/* This kind does not wait for the disk: what it has committed may be read a little later. */
static void reach_disk(void)
{
    weir_sim_advance_ms(stage.sim, 100);
}

/* A start asks for all four in order, with nothing to void; an interval seals and writes. What the job
 * has committed is nowhere but in that kind. */
START_TEST(a_job_runs_on_any_kind_of_commit)
{
    start();
    ck_assert_str_eq(kind.told, "recover prepare seal write ");
    produce("aab");
    stage_drain(&stage);
    reach_disk();
    ck_assert_int_eq(committed("in"), 3);
    ck_assert_int_eq(committed("app-counts-changelog"),
                     stage_end(&stage, "app-counts-changelog", 0));
    ck_assert_int_eq(stage_committed(&stage, "in", 0), -1);
    stage_stop(&stage);
    produce("ab");
    start();
    ck_assert_str_eq(kind.told, "recover prepare seal write ");
    ck_assert_uint_eq(kind.tails_void, 0);
    stage_drain(&stage);
    ck_assert_int_eq(committed("in"), 5);
    ck_assert_uint_eq(stage_stored(&stage, 0, "a"), 3);
    ck_assert_uint_eq(stage_stored(&stage, 0, "b"), 2);
}
END_TEST

/* A start whose operation fails fails with its code and text, and asks for nothing behind it; the next
 * one goes on as if it had not been. */
START_TEST(a_start_fails_with_each_operation)
{
    static const char *const told[] = {"recover ", "recover prepare ", "recover prepare seal ",
                                       "recover prepare seal write "};
    enum operation operation = (enum operation)_i;
    start();
    produce("aab");
    stage_drain(&stage);
    stage_stop(&stage);
    const struct commits before = kind.written;
    kind.fails[operation] = WEIR_IO;
    ck_assert_ptr_null(try_start());
    ck_assert_int_eq(why.code, WEIR_IO);
    ck_assert_msg(strstr(why.text, "has failed") != NULL, "%s", why.text);
    ck_assert_str_eq(kind.told, told[operation]);
    ck_assert_mem_eq(&kind.written, &before, sizeof before);
    memset(kind.fails, 0, sizeof kind.fails);
    start();
    ck_assert_uint_eq(stage_stored(&stage, 0, "a"), 2);
}
END_TEST

/* A commit that is not sealed or not written fails the job. What it would have covered is void at the
 * next start, and is processed again: nothing is counted twice. */
START_TEST(what_no_commit_covers_is_voided_at_the_next_start)
{
    enum operation operation = _i == 0 ? SEAL : WRITE;
    start();
    produce("aab");
    stage_drain(&stage);
    reach_disk();
    int64_t end = stage_log_end(&stage, "app-counts-changelog", 0);
    kind.fails[operation] = WEIR_IO;
    produce("ab");
    expect_failed(operation, WEIR_IO);
    ck_assert_int_eq(committed("in"), 3);
    reach_disk();
    ck_assert_int_gt(stage_log_end(&stage, "app-counts-changelog", 0), end);
    start();
    ck_assert_str_eq(kind.told, "recover prepare seal write ");
    ck_assert_uint_eq(kind.tails_void, 1);
    ck_assert_int_eq(stage_log_end(&stage, "app-counts-changelog", 0), end);
    stage_drain(&stage);
    ck_assert_uint_eq(stage_stored(&stage, 0, "a"), 3);
    ck_assert_uint_eq(stage_stored(&stage, 0, "b"), 2);
    ck_assert_int_eq(committed("in"), 5);
}
END_TEST

/* It is sealed once and written until it is there. */
START_TEST(a_shortage_has_the_same_commit_written_again)
{
    start();
    size_t seals = kind.count_of[SEAL];
    size_t writes = kind.count_of[WRITE];
    kind.fails[WRITE] = WEIR_NO_SPACE;
    kind.fail_count = 2;
    produce("a");
    stage_drain(&stage);
    ck_assert_int_eq(committed("in"), 1);
    ck_assert_uint_eq(kind.count_of[SEAL], seals + 1);
    ck_assert_uint_eq(kind.count_of[WRITE], writes + 3);
}
END_TEST

/* Nothing happens before an operation has answered, however late; then all goes on. */
START_TEST(a_start_waits_for_late_answers)
{
    look_up_records_topic();
    kind.told[0] = '\0';
    for (int i = 0; i < OPERATIONS; i++) {
        kind.holds[i] = true;
    }
    ck_ok(weir_streams_start_begin(stage.log, plan_count(&plan, WEIR_STORE_ROCKSDB),
                                   STAGE_OPTIONS(0), hooks(), &stage.streams, &why),
          &why);
    for (int i = 0; i < OPERATIONS; i++) {
        (void)weir_sim_run(stage.sim, is_held, NULL, 0);
        ck_assert_ptr_nonnull(kind.held);
        (void)weir_sim_run(stage.sim, NULL, NULL, INT64_C(60000000000));
        ck_assert_int_eq(weir_streams_state(stage.streams), WEIR_STREAMS_RESTORING);
        ck_assert_uint_eq(kind.count_of[i], 1);
        kind.holds[i] = false;
        weir_actor_post(stage.streams->actor, &kind.release);
    }
    produce("aab");
    stage_drain(&stage);
    ck_assert_int_eq(committed("in"), 3);
}
END_TEST

/* Threads process on meanwhile, and what they make is held back: none of it is in the log, nor is the
 * interval's own commit. A job that is closed waits for it, too. */
START_TEST(a_commit_answers_late)
{
    enum operation operation = _i == 0 ? SEAL : WRITE;
    start();
    kind.holds[operation] = true;
    produce("a");
    (void)weir_sim_run(stage.sim, is_held, NULL, 0);
    reach_disk();
    int64_t end = stage_end(&stage, "app-counts-changelog", 0);
    produce("ab");
    weir_streams_close_begin(stage.streams);
    (void)weir_sim_run(stage.sim, NULL, NULL, INT64_C(60000000000));
    ck_assert(!weir_streams_is_finished(stage.streams));
    ck_assert_ptr_nonnull(kind.held);
    ck_assert_int_eq(stage_end(&stage, "app-counts-changelog", 0), end);
    kind.holds[operation] = false;
    weir_actor_post(stage.streams->actor, &kind.release);
    stage_stop(&stage);
    ck_assert_int_eq(committed("in"), 3);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("commit_kind");
    tcase_add_checked_fixture(tests, open_stage, close_stage);
    tcase_add_test(tests, a_job_runs_on_any_kind_of_commit);
    tcase_add_loop_test(tests, a_start_fails_with_each_operation, 0, OPERATIONS);
    tcase_add_loop_test(tests, what_no_commit_covers_is_voided_at_the_next_start, 0, 2);
    tcase_add_test(tests, a_shortage_has_the_same_commit_written_again);
    tcase_add_test(tests, a_start_waits_for_late_answers);
    tcase_add_loop_test(tests, a_commit_answers_late, 0, 2);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("commit_kind", add);
}
