/*
 * What comes by itself (retention, flushes, deadlines, new settings, a failed disk) meets partitions in
 * any state. The log is the shard's in the state open alone: everywhere else it is not there yet, or
 * gone, or with a worker. Each tick comes at each moment of each state: the simulator is stopped there,
 * event by event.
 */
#include <stdio.h>
#include <string.h>

#include "broker/broker_internal.h"
#include "broker/engine/fetch.h"
#include "broker/engine/partition.h"
#include "broker/engine/partition_chores.h"
#include "broker/engine/shard.h"
#include "tests/unit/broker/engine/engine_fixture.h"

enum { RECORDS = 4, AGE_MS = 20000, MOMENTS_MAX = 200, OPEN_MOMENTS = 3 };

struct stage {
    struct engine engine;
    struct weir_partition *partition;
    struct weir_shard *shard;
    struct weir_produce_request produce;
    struct weir_cut_request cut;
    struct weir_topic_request removal;
    struct weir_fetch_request fetch; /* waits for more than there is */
    struct weir_request *asked;      /* what brought it to this state */
    const char *topic;               /* whose partition it is */
    bool has_fetch;
    bool is_told; /* the settings have been handed round */
};

/* Segments of one record each, old enough to go at the next look: which comes only when it is told to.
 * Its flush waits for a while, so that it is on a list when something else begins. */
static void begin(struct stage *stage)
{
    struct engine *engine = &stage->engine;
    struct weir_config_entry configs[] = {{.key = "segment.bytes", .value = "80"},
                                          {.key = "retention.ms", .value = "10000"},
                                          {.key = "flush.policy", .value = "os"}};
    struct weir_topic_request create = {.operation = WEIR_TOPIC_CREATE,
                                        .topic = weir_text("clicks"),
                                        .partition_count = 2,
                                        .configs = configs,
                                        .config_count = 3};
    *stage = (struct stage){0};
    engine_init(engine, 1);
    engine->options.log_retention_check_interval_ms = 24 * 3600 * 1000;
    engine->options.auto_create_topics = true;
    ck_ok(engine_open(engine), &engine->error);
    ck_ok(engine_topic(engine, &create), &engine->error);
    for (int64_t i = 0; i < RECORDS - 1; i++) {
        ck_assert_int_eq(engine_produce(engine, "clicks", 0, "a", WEIR_ACKS_ALL), i);
    }
    weir_sim_advance_ms(engine->sim, AGE_MS);
}

static void reopen(struct stage *stage)
{
    ck_ok(engine_close(&stage->engine), &stage->engine.error);
    ck_ok(engine_open(&stage->engine), &stage->engine.error);
}

/* ---- the ways into a state ------------------------------------------------------------------- */

static void send_produce(struct stage *stage, const char *topic, int32_t partition)
{
    stage->produce = (struct weir_produce_request){.to = {weir_text(topic), partition},
                                                   .batches = engine_batch(&stage->engine, "b"),
                                                   .acks = WEIR_ACKS_ALL};
    stage->asked = &stage->produce.request;
    ck_ok(weir_broker_wait_begin(stage->engine.broker, stage->asked, NULL), NULL);
    weir_broker_produce(stage->engine.broker, &stage->produce);
}

static void open_again(struct stage *stage)
{
    reopen(stage);
    send_produce(stage, "clicks", 0);
}

/* It waits for its topic to be made. */
static void write_to_new_topic(struct stage *stage)
{
    send_produce(stage, "visits", 0);
}

static void make_first_time(struct stage *stage)
{
    send_produce(stage, "clicks", 1);
}

/* One that is open, with a record that is not flushed and a fetch that waits. */
static void use(struct stage *stage)
{
    struct engine *engine = &stage->engine;
    ck_assert_int_eq(engine_produce(engine, "clicks", 0, "b", WEIR_ACKS_LEADER), RECORDS - 1);
    stage->fetch = (struct weir_fetch_request){.from = {weir_text("clicks"), 0},
                                               .offset = RECORDS - 1,
                                               .size_max = 1 << 20,
                                               .size_min = 1 << 20,
                                               .deadline = WEIR_MONO_NEVER};
    ck_ok(weir_broker_wait_begin(engine->broker, &stage->fetch.request, NULL), NULL);
    weir_broker_fetch(engine->broker, &stage->fetch);
    stage->has_fetch = true;
    struct weir_partition *partition =
        weir_shard_find(&engine->broker->engine.shards[0], weir_text("clicks"), 0);
    while (partition->fetches == NULL)
        ck_assert(weir_sim_step(engine->sim));
    ck_assert(partition->flush.is_listed);
}

static void use_and_cut(struct stage *stage)
{
    use(stage);
    stage->cut = (struct weir_cut_request){
        .partition = {weir_text("clicks"), 0}, .what = WEIR_CUT_HEAD, .offset = 1};
    stage->asked = &stage->cut.request;
    ck_ok(weir_broker_wait_begin(stage->engine.broker, stage->asked, NULL), NULL);
    weir_broker_cut(stage->engine.broker, &stage->cut);
}

static void use_and_delete(struct stage *stage)
{
    use(stage);
    stage->removal =
        (struct weir_topic_request){.operation = WEIR_TOPIC_DELETE, .topic = weir_text("clicks")};
    stage->asked = &stage->removal.request;
    ck_ok(weir_broker_wait_begin(stage->engine.broker, stage->asked, NULL), NULL);
    weir_broker_topic(stage->engine.broker, &stage->removal);
}

static const struct {
    const char *name;
    enum weir_partition_state state;
    void (*enter)(struct stage *stage);
    const char *topic;
    int32_t partition;
} ways[] = {
    {"resolving", WEIR_PARTITION_RESOLVING, write_to_new_topic, "visits", 0},
    {"opening", WEIR_PARTITION_OPENING, open_again, "clicks", 0},
    {"assigning", WEIR_PARTITION_ASSIGNING, make_first_time, "clicks", 1},
    {"open", WEIR_PARTITION_OPEN, use, "clicks", 0},
    {"working", WEIR_PARTITION_WORKING, use_and_cut, "clicks", 0},
    {"closing", WEIR_PARTITION_CLOSING, use_and_delete, "clicks", 0},
};
enum { WAYS = sizeof ways / sizeof ways[0] };

static bool is_in(struct stage *stage, size_t way)
{
    stage->shard = &stage->engine.broker->engine.shards[0];
    stage->partition =
        weir_shard_find(stage->shard, weir_text(ways[way].topic), ways[way].partition);
    stage->topic = ways[way].topic;
    return stage->partition != NULL && stage->partition->state == ways[way].state;
}

/* To the state, and `moment` events further; false if it has been left by then. */
static bool reach(struct stage *stage, size_t way, int moment)
{
    begin(stage);
    ways[way].enter(stage);
    while (!is_in(stage, way))
        ck_assert_msg(weir_sim_step(stage->engine.sim), "never %s", ways[way].name);
    for (int i = 0; i < moment; i++) {
        if (!weir_sim_step(stage->engine.sim) || !is_in(stage, way)) return false;
    }
    return true;
}

/* ---- the ticks ------------------------------------------------------------------------------- */

static void look_for_old(struct stage *stage)
{
    stage->shard->retention_at = (struct weir_mono){0};
    (void)weir_shard_run_once(stage->shard);
}

static void sweep(struct stage *stage)
{
    stage->engine.broker->controller.sweep.next_at = (struct weir_mono){0};
    (void)weir_shard_run_once(stage->shard);
}

static void flush(struct stage *stage)
{
    stage->shard->flush.lazy_at = (struct weir_mono){0};
    (void)weir_shard_run_once(stage->shard);
}

static void expire(struct stage *stage)
{
    struct weir_fetch_request *fetch =
        weir_deadline_heap_due(&stage->shard->deadlines, WEIR_MONO_NEVER);
    if (fetch == NULL) return;
    fetch->deadline = (struct weir_mono){0};
    weir_fetch_expire(fetch);
}

static void note_told(void *context)
{
    ((struct stage *)context)->is_told = true;
}

static void tell_settings(struct stage *stage)
{
    struct weir_topic_config config = weir_topic_config_default();
    config.segment_bytes = 1 << 20;
    struct weir_topic_notice_order order = {.topic = weir_text(stage->topic),
                                            .partition_count = 2,
                                            .config = config,
                                            .then = note_told,
                                            .context = stage};
    ck_ok(weir_topic_notice_send(&stage->engine.broker->controller, &order), NULL);
    while (!stage->is_told)
        ck_assert(weir_sim_step(stage->engine.sim));
}

static void go_offline(struct stage *stage)
{
    const struct weir_error reason = {.code = WEIR_IO, .text = "a planned failure"};
    weir_serving_go_offline(&stage->engine.broker->engine.serving, &reason);
}

enum { LOOK, SWEEP, FLUSH, EXPIRE, SETTINGS, OFFLINE, TICKS };

static const struct {
    const char *name;
    void (*run)(struct stage *stage);
    bool is_posted; /* it gets there in a message, when the state may be another */
} ticks[TICKS] = {
    [LOOK] = {"retention", look_for_old, false},
    [SWEEP] = {"sweep", sweep, true},
    [FLUSH] = {"flush", flush, false},
    [EXPIRE] = {"deadline", expire, false},
    [SETTINGS] = {"settings", tell_settings, true},
    [OFFLINE] = {"failed disk", go_offline, true},
};

/* ---- what must hold -------------------------------------------------------------------------- */

/* Nothing has begun on a log that is not the shard's. */
static void check_untouched(const struct stage *stage, const struct weir_partition *before)
{
    const struct weir_partition *now = stage->partition;
    ck_assert_int_eq(now->state, before->state);
    ck_assert_ptr_eq(now->log, before->log);
    ck_assert(now->wanted == before->wanted);
    ck_assert(now->flush.is_listed == before->flush.is_listed);
    ck_assert(now->flush.is_in_flight == before->flush.is_in_flight);
    ck_assert_int_eq(now->reads, before->reads);
    ck_assert_int_eq(now->shown.end_offset, before->shown.end_offset);
}

/* And on one that is open it has: a tick that did nothing anywhere would prove nothing. */
static void check_begun(const struct stage *stage, size_t tick)
{
    const struct weir_partition *partition = stage->partition;
    if (tick == LOOK) { /* or it waits for the flush that is under way */
        ck_assert(partition->state == WEIR_PARTITION_WORKING || partition->flush.is_in_flight);
        ck_assert(partition->state == WEIR_PARTITION_WORKING || partition->wanted != NULL);
    }
    if (tick == FLUSH) ck_assert(partition->flush.is_in_flight);
    if (tick == SETTINGS) ck_assert_int_eq(partition->config.segment_bytes, 1 << 20);
}

/* A fetch whose time is up is answered; with the log's bytes only where they are the shard's to read. */
static void check_expired(const struct stage *stage, size_t way)
{
    if (!stage->has_fetch || ways[way].state == WEIR_PARTITION_CLOSING) return;
    ck_assert(atomic_load(&stage->fetch.request.is_done));
    ck_assert_int_eq(stage->fetch.request.rc, 0);
    ck_assert_uint_eq(stage->fetch.batches.part_count,
                      ways[way].state == WEIR_PARTITION_OPEN ? 1 : 0);
}

static int64_t start_of(struct stage *stage)
{
    return engine_describe_partition(&stage->engine, "clicks", 0).state.start_offset;
}

/* Life goes on: what was asked is answered, and what retention did not take is there. */
static void check_life(struct stage *stage, size_t way, size_t tick)
{
    struct engine *engine = &stage->engine;
    if (stage->asked != NULL) ck_ok(weir_broker_wait(engine->broker, stage->asked, NULL), NULL);
    weir_sim_advance_ms(engine->sim, 100);
    if (ways[way].state == WEIR_PARTITION_CLOSING) {
        ck_assert_int_eq(engine_describe(engine, "clicks"), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
        return;
    }
    int64_t cut = ways[way].state == WEIR_PARTITION_WORKING ? 1 : 0;
    int64_t start = start_of(stage);
    bool is_other = ways[way].partition != 0 || strcmp(stage->topic, "clicks") != 0;
    bool is_of_open = ways[way].state == WEIR_PARTITION_OPEN || is_other;
    bool may_be_old = tick == SWEEP || (tick == LOOK && is_of_open);
    ck_assert_msg(start == cut || may_be_old, "%s while %s: starts at %d", ticks[tick].name,
                  ways[way].name, (int)start);
    if (tick == LOOK && ways[way].state == WEIR_PARTITION_OPEN) ck_assert_int_gt(start, 0);
    int64_t end = engine_latest(engine, "clicks", 0);
    ck_assert_int_eq(end, is_other ? RECORDS - 1 : RECORDS);
    ck_assert_int_eq(engine_produce(engine, "clicks", 0, "c", WEIR_ACKS_ALL), end);
    char value[64];
    ck_ok(engine_fetch(engine, "clicks", 0, end, value), NULL);
    ck_assert_str_eq(value, "c");
}

static void end(struct stage *stage, size_t tick)
{
    struct engine *engine = &stage->engine;
    bool has_bytes = stage->has_fetch && atomic_load(&stage->fetch.request.is_done);
    if (has_bytes) weir_fetch_release(&stage->fetch);
    if (stage->asked != NULL) {
        int rc = weir_broker_wait(engine->broker, stage->asked, NULL);
        ck_assert(rc == 0 || (tick == OFFLINE && rc == WEIR_OFFLINE));
    }
    weir_shared_unref(stage->produce.batches);
    ck_code(engine_close(engine), tick == OFFLINE ? WEIR_OFFLINE : 0);
    if (stage->has_fetch) ck_assert(atomic_load(&stage->fetch.request.is_done));
    weir_sim_free(engine->sim);
}

/* The tick at this moment of the state; false if there is no such moment. */
static bool try_moment(size_t way, size_t tick, int moment)
{
    static struct stage stage;
    bool is_there = reach(&stage, way, moment);
    if (is_there) {
        struct weir_partition before = *stage.partition;
        ticks[tick].run(&stage);
        if (ways[way].state == WEIR_PARTITION_OPEN) {
            check_begun(&stage, tick);
        } else if (!ticks[tick].is_posted) {
            check_untouched(&stage, &before);
        }
        if (tick == EXPIRE) check_expired(&stage, way);
    }
    if (is_there && tick != OFFLINE) check_life(&stage, way, tick);
    end(&stage, is_there ? tick : TICKS);
    return is_there;
}

START_TEST(a_tick_at_any_moment_of_a_state)
{
    size_t way = (size_t)_i / TICKS;
    size_t tick = (size_t)_i % TICKS;
    int moment = 0;
    int moments_max = ways[way].state == WEIR_PARTITION_OPEN ? OPEN_MOMENTS : MOMENTS_MAX;
    while (moment < moments_max && try_moment(way, tick, moment))
        moment++;
    ck_assert_int_gt(moment, 0);
    ck_assert_int_lt(moment, MOMENTS_MAX);
}
END_TEST

/* ---- nothing more begins --------------------------------------------------------------------- */

/* On a disk that has failed, whatever is due stays due: no segment goes, nothing is synced. */
START_TEST(a_failed_disk_is_left_alone)
{
    struct stage stage;
    begin(&stage);
    use(&stage);
    ck_assert(is_in(&stage, 3));
    go_offline(&stage);
    weir_sim_advance_ms(stage.engine.sim, 100);
    struct weir_partition before = *stage.partition;
    uint64_t written = weir_sim_disk_count(stage.engine.sim, 0);
    look_for_old(&stage);
    check_untouched(&stage, &before);
    flush(&stage);
    check_untouched(&stage, &before);
    sweep(&stage);
    ck_assert(!stage.engine.broker->controller.sweep.is_under_way);
    weir_sim_advance_ms(stage.engine.sim, AGE_MS);
    check_untouched(&stage, &before);
    ck_assert_uint_eq(weir_sim_disk_count(stage.engine.sim, 0), written);
    end(&stage, OFFLINE);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("background");
    tcase_add_loop_test(tests, a_tick_at_any_moment_of_a_state, 0, WAYS * TICKS);
    tcase_add_test(tests, a_failed_disk_is_left_alone);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("background", add);
}
