/* A group's life from a seed: members come, go, fall silent, records flow, and the node dies now and then with all of
 * them. At each moment a partition has one owner at most; what was committed stays so and never goes back; and in
 * the end each record that was acknowledged has been read. */
#include <string.h>

#include "tests/unit/client/stage.h"

enum {
    PARTITIONS = 5,
    READERS = 4,
    STEPS = 400,
    NUMBERS_MAX = 2000,
    MAX_POLL_MS = 60000,
    SEEDS = 30,
};

struct reader {
    struct weir_consumer *consumer; /* NULL: not there */
    bool has[PARTITIONS];
    bool is_silent;
    int64_t polled_ms;
};

static struct stage stage;
static struct weir_test_random dice;
static struct reader readers[READERS];
static bool was_read[NUMBERS_MAX];
static int produced;
static int64_t acknowledged[PARTITIONS]; /* the highest offset whose commit succeeded */

static int64_t now_ms(void)
{
    return weir_mono_now(stage.log->env).ns / 1000000;
}

static bool chance(uint64_t one_in)
{
    return weir_test_random_below(&dice, one_in) == 0;
}

static struct reader *any_reader(void)
{
    return &readers[weir_test_random_below(&dice, READERS)];
}

/* ---- commits --------------------------------------------------------------------------------- */

static void note_committed(struct weir_consumer *consumer)
{
    struct weir_assigned_partition assigned[PARTITIONS];
    int count = weir_consumer_assignment(consumer, assigned, PARTITIONS);
    for (int i = 0; i < count; i++) {
        int64_t position = -1;
        ck_assert_int_eq(weir_consumer_position(consumer, "t", assigned[i].partition, &position),
                         0);
        if (position > acknowledged[assigned[i].partition]) {
            acknowledged[assigned[i].partition] = position;
        }
    }
}

/* One that is no member any more may be refused; nothing else may be wrong. */
static void commit(struct weir_consumer *consumer)
{
    int rc = weir_consumer_commit(consumer, &stage.error);
    if (rc == 0) note_committed(consumer);
    ck_assert_msg(rc == 0 || rc == WEIR_UNKNOWN_MEMBER_ID || rc == WEIR_FENCED_MEMBER_EPOCH ||
                      weir_code_action(rc) == WEIR_ACTION_RETRY,
                  "commit: %s", stage.error.text);
}

static void check_committed(void)
{
    for (int p = 0; p < PARTITIONS; p++) {
        int64_t offset = -1;
        ck_ok(weir_committed(stage.log, "g", "t", p, &offset, &stage.error), &stage.error);
        ck_assert_msg(offset >= acknowledged[p], "partition %d: %lld after %lld", p,
                      (long long)offset, (long long)acknowledged[p]);
    }
}

/* ---- members --------------------------------------------------------------------------------- */

static void note(struct reader *reader, const struct weir_assigned_partition *partitions,
                 size_t count, bool has)
{
    for (size_t i = 0; i < count; i++) {
        ck_assert(reader->has[partitions[i].partition] != has);
        reader->has[partitions[i].partition] = has;
    }
}

static void on_assigned(void *context, struct weir_consumer *consumer,
                        const struct weir_assigned_partition *partitions, size_t count)
{
    (void)consumer;
    note(context, partitions, count, true);
}

static void on_revoked(void *context, struct weir_consumer *consumer,
                       const struct weir_assigned_partition *partitions, size_t count)
{
    if (chance(2)) commit(consumer);
    note(context, partitions, count, false);
}

static void on_lost(void *context, struct weir_consumer *consumer,
                    const struct weir_assigned_partition *partitions, size_t count)
{
    (void)consumer;
    note(context, partitions, count, false);
}

static void open_reader(struct reader *reader)
{
    const char *topic = "t";
    struct weir_consumer_options options = {
        WEIR_CONSUMER_OPTIONS_INIT, .group = "g",       .on_assigned = on_assigned,
        .on_revoked = on_revoked,   .on_lost = on_lost, .rebalance_context = reader,
    };
    options.max_poll_interval_ms = MAX_POLL_MS;
    memset(reader, 0, sizeof *reader);
    reader->consumer = weir_consumer_new(stage.log, &options, &stage.error);
    ck_assert_msg(reader->consumer != NULL, "%s", stage.error.text);
    ck_ok(weir_consumer_subscribe(reader->consumer, &topic, 1, &stage.error), &stage.error);
    reader->polled_ms = now_ms();
}

static void close_reader(struct reader *reader)
{
    ck_ok(weir_consumer_close(reader->consumer, &stage.error), &stage.error);
    memset(reader, 0, sizeof *reader);
}

static void poll_one(struct reader *reader, int64_t timeout_ms)
{
    struct weir_batch_view view;
    int rc = weir_consumer_poll(reader->consumer, timeout_ms, &view, &stage.error);
    reader->polled_ms = now_ms();
    ck_assert_msg(rc >= 0 || weir_code_action(rc) == WEIR_ACTION_RETRY, "poll: %s",
                  stage.error.text);
    if (rc != 0) return;
    ck_assert(reader->has[view.partition]);
    for (size_t i = 0; i < view.record_count; i++) {
        was_read[stage_number(&view.records[i])] = true;
    }
}

/* Who has not polled for long may not know yet that it has lost what it had. */
static void check_owners(void)
{
    for (int p = 0; p < PARTITIONS; p++) {
        int owners = 0;
        for (int r = 0; r < READERS; r++) {
            bool is_there =
                readers[r].consumer != NULL && now_ms() - readers[r].polled_ms < MAX_POLL_MS - 1000;
            owners += is_there && readers[r].has[p];
        }
        ck_assert_msg(owners <= 1, "partition %d has %d owners", p, owners);
    }
}

/* ---- the life -------------------------------------------------------------------------------- */

static void produce(int count)
{
    struct weir_producer *producer =
        stage_producer(&stage, (struct weir_producer_options){WEIR_PRODUCER_OPTIONS_INIT});
    for (int i = 0; i < count && produced < NUMBERS_MAX; i++, produced++) {
        stage_send(&stage, producer, "t", (int32_t)weir_test_random_below(&dice, PARTITIONS),
                   produced);
    }
    ck_ok(weir_producer_close(producer, &stage.error), &stage.error);
}

static void crash(void)
{
    memset(readers, 0, sizeof readers);
    stage_crash(&stage, chance(2) ? WEIR_SIM_KILL : WEIR_SIM_POWER);
}

static void step(void)
{
    struct reader *reader = any_reader();
    if (chance(100)) {
        crash();
    } else if (reader->consumer == NULL) {
        if (chance(3)) open_reader(reader);
    } else if (chance(25)) {
        close_reader(reader);
    } else if (chance(40)) {
        reader->is_silent = !reader->is_silent;
    } else if (!reader->is_silent) {
        poll_one(reader, (int64_t)weir_test_random_below(&dice, 300));
        if (chance(4)) commit(reader->consumer);
    }
    if (chance(4)) produce((int)weir_test_random_below(&dice, 12));
    if (chance(5)) weir_sim_advance_ms(stage.sim, (int64_t)weir_test_random_below(&dice, 8000));
    if (chance(10)) check_committed();
    check_owners();
}

static bool has_read_all(void)
{
    for (int i = 0; i < produced; i++) {
        if (!was_read[i]) return false;
    }
    return true;
}

/* What no fault hinders any more ends well: sessions of the dead end, and the living read the rest. */
static void finish(void)
{
    for (int r = 0; r < READERS; r++) {
        if (readers[r].consumer == NULL) open_reader(&readers[r]);
        readers[r].is_silent = false;
    }
    for (int round = 0; round < 2000 && !has_read_all(); round++) {
        poll_one(&readers[round % READERS], 100);
        check_owners();
    }
    ck_assert(has_read_all());
    check_committed();
    for (int r = 0; r < READERS; r++) {
        close_reader(&readers[r]);
    }
}

START_TEST(a_life_of_a_group)
{
    dice = (struct weir_test_random){(uint64_t)_i + 100};
    memset(readers, 0, sizeof readers);
    memset(was_read, 0, sizeof was_read);
    memset(acknowledged, 0xff, sizeof acknowledged);
    produced = 0;
    stage_open(&stage, STAGE_SIM, (uint64_t)_i + 1);
    ck_ok(weir_topic_create(stage.log, "t", PARTITIONS, NULL, 0, &stage.error), &stage.error);
    for (int i = 0; i < STEPS; i++) {
        step();
    }
    finish();
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("group_life");
    tcase_add_loop_test(tests, a_life_of_a_group, 0, SEEDS);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("group_life", add);
}
