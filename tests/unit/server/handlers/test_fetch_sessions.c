#include "tests/unit/server/handlers/data_stage.h"

#include "server/handlers/fetch_poll.h"

static struct stage stage;

static void set_up(void)
{
    stage_init(&stage);
    stage_create(&stage, "a", 4);
    stage_create(&stage, "b", 4);
}

static void tear_down(void)
{
    stage_end(&stage);
}

/* A session over two partitions; its id. */
static int32_t open_session(int16_t version)
{
    struct call *call =
        fetch(&stage, &(struct fetch_spec){
                          .version = version, .wait_ms = -1, FROM(AT("a", 0, 0), AT("b", 1, 0))});
    int32_t id = fetched(call)->session_id;
    ck_assert_int_gt(id, 0);
    ck_assert_int_eq(fetched(call)->error_code, 0);
    ck_assert_uint_eq(fetched_count(call), 2);
    return id;
}

static struct call *poll(int32_t id, int32_t epoch)
{
    return fetch(&stage,
                 &(struct fetch_spec){.wait_ms = 100, .session_id = id, .session_epoch = epoch});
}

static void check_error(const struct call *call, int16_t error)
{
    ck_assert_int_eq(fetched(call)->error_code, error);
    ck_assert_int_eq(fetched(call)->session_id, 0);
    ck_assert_uint_eq(fetched_count(call), 0);
}

/* ---- life ------------------------------------------------------------------------------------ */

/* A session's answers leave out what has not changed, and name what has, by name and by id. */
START_TEST(a_session_answers_with_news_only)
{
    static const int16_t versions[] = {7, 11, 12, 13, 18};
    for (size_t i = 0; i < 5; i++) {
        struct call *opened =
            fetch(&stage, &(struct fetch_spec){.version = versions[i],
                                               .wait_ms = -1,
                                               FROM(AT("a", 0, (int64_t)i), AT("b", 1, 0))});
        int32_t id = fetched(opened)->session_id;
        struct fetch_spec next = {
            .version = versions[i], .wait_ms = 100, .session_id = id, .session_epoch = 1};
        struct call *call = fetch(&stage, &next);
        ck_assert_uint_eq(fetched_count(call), 0);
        ck_assert_int_eq(fetched(call)->session_id, id);
        stage_append(&stage, "a", 0, "x");
        next.session_epoch = 2;
        call = fetch(&stage, &next);
        ck_assert_uint_eq(fetched_count(call), 1);
        ck_assert_int_eq(fetched_at(call, 0)->partition_index, 0);
        ck_assert_int_eq(fetched_at(call, 0)->high_watermark, (int64_t)i + 1);
        ck_assert_int_eq(fetched_batches(fetched_at(call, 0)), 1);
    }
}
END_TEST

/* A reader goes on from where it is: the place is named anew, the rest of the session stays. */
START_TEST(a_session_follows_its_reader)
{
    int32_t id = open_session(12);
    stage_append(&stage, "a", 0, "x");
    ck_assert_int_eq(fetched_batches(fetched_at(poll(id, 1), 0)), 1);
    struct call *call = fetch(
        &stage, &(struct fetch_spec){
                    .session_id = id, .session_epoch = 2, .wait_ms = 50, FROM(AT("a", 0, 1))});
    ck_assert_uint_eq(fetched_count(call), 0);
    stage_append(&stage, "b", 1, "y");
    call = poll(id, 3);
    ck_assert_uint_eq(fetched_count(call), 1);
    ck_assert_int_eq(fetched_at(call, 0)->partition_index, 1);
}
END_TEST

static void delete_first(void)
{
    struct weir_cut_request cut = {
        .partition = {weir_text("a"), 0}, .what = WEIR_CUT_HEAD, .offset = 1};
    ck_assert_int_eq(weir_broker_wait_begin(stage.engine.broker, &cut.request, NULL), 0);
    weir_broker_cut(stage.engine.broker, &cut);
    ck_ok(weir_broker_wait(stage.engine.broker, &cut.request, &stage.engine.error),
          &stage.engine.error);
}

/* Where the log of an idle partition begins is news to a reader that waits at its end, within a
 * session and without. */
START_TEST(a_new_start_is_told)
{
    stage_append(&stage, "a", 0, "x");
    stage_append(&stage, "a", 0, "y");
    struct fetch_spec own = {
        .connection = 1, .session_epoch = -1, .wait_ms = 50, FROM(AT("a", 0, 2))};
    ck_assert_int_eq(fetched_at(fetch(&stage, &own), 0)->log_start_offset, 0);
    struct call *call = fetch(&stage, &(struct fetch_spec){.wait_ms = 50, FROM(AT("a", 0, 2))});
    int32_t id = fetched(call)->session_id;
    delete_first();
    call = poll(id, 1);
    ck_assert_uint_eq(fetched_count(call), 1);
    ck_assert_int_eq(fetched_at(call, 0)->log_start_offset, 1);
    ck_assert_int_eq(fetched_at(call, 0)->high_watermark, 2);
    ck_assert_uint_eq(fetched_count(poll(id, 2)), 0);
    ck_assert_int_eq(fetched_at(fetch(&stage, &own), 0)->log_start_offset, 1);
}
END_TEST

/* A reader that goes over to a session leaves nothing behind that it might be answered from later,
 * older than what the session has told it by then. */
START_TEST(a_reader_has_one_interest)
{
    struct fetch_spec own = {.session_epoch = -1, .wait_ms = -1, FROM(AT("a", 0, 0))};
    ck_assert_int_eq(fetched_at(fetch(&stage, &own), 0)->high_watermark, 0);
    struct fetch_spec other = {.wait_ms = -1, FROM(AT("a", 0, 0))};
    ck_assert_int_gt(fetched(fetch(&stage, &other))->session_id, 0);
    ck_assert_ptr_null(stage.connections[0].keep.object);
    stage_append(&stage, "a", 0, "x");
    ck_assert_int_eq(fetched_at(fetch(&stage, &own), 0)->high_watermark, 1);
}
END_TEST

/* What is forgotten is not answered any more; what is added is. */
START_TEST(partitions_come_and_go)
{
    int32_t id = open_session(12);
    struct call *call = fetch(&stage, &(struct fetch_spec){.session_id = id,
                                                           .session_epoch = 1,
                                                           .wait_ms = 50,
                                                           FORGET(AT("a", 0, 0)),
                                                           FROM(AT("b", 2, 0))});
    ck_assert_uint_eq(fetched_count(call), 1); /* the reader does not know yet how it stands */
    ck_assert_int_eq(fetched_at(call, 0)->partition_index, 2);
    stage_append(&stage, "a", 0, "x");
    ck_assert_uint_eq(fetched_count(poll(id, 2)), 0);
    stage_append(&stage, "b", 2, "y");
    ck_assert_int_eq(fetched_at(poll(id, 3), 0)->partition_index, 2);
}
END_TEST

/* A session with nothing left in it ends, as Kafka's does. */
START_TEST(an_empty_session_ends)
{
    int32_t id = open_session(12);
    struct call *call = fetch(&stage, &(struct fetch_spec){.session_id = id,
                                                           .session_epoch = 1,
                                                           FORGET(AT("a", 0, 0), AT("b", 1, 0))});
    ck_assert_int_eq(fetched(call)->error_code, 0);
    ck_assert_int_eq(fetched(call)->session_id, 0);
    check_error(poll(id, 2), 70);
}
END_TEST

/* Epoch -1 closes the session and is served without one. */
START_TEST(a_final_fetch_closes_the_session)
{
    int32_t id = open_session(12);
    stage_append(&stage, "a", 0, "x");
    struct call *call = fetch(
        &stage, &(struct fetch_spec){
                    .session_id = id, .session_epoch = -1, .wait_ms = -1, FROM(AT("a", 0, 0))});
    ck_assert_int_eq(fetched(call)->session_id, 0);
    ck_assert_int_eq(fetched_batches(fetched_at(call, 0)), 1);
    check_error(poll(id, 1), 70);
    ck_assert_int_eq(weir_counter_get(&stage.part.sessions.count), 0);
}
END_TEST

/* Epoch 0 with an old id closes that one and opens another. */
START_TEST(a_full_fetch_replaces_the_session)
{
    int32_t id = open_session(12);
    struct call *call =
        fetch(&stage, &(struct fetch_spec){.session_id = id, .wait_ms = -1, FROM(AT("a", 0, 0))});
    int32_t next = fetched(call)->session_id;
    ck_assert_int_gt(next, 0);
    ck_assert_int_ne(next, id);
    check_error(poll(id, 1), 70);
    ck_assert_int_eq(weir_counter_get(&stage.part.sessions.count), 1);
}
END_TEST

/* kafka-go sends session -1 and epoch -1, and older versions have no session at all. */
START_TEST(readers_without_a_session_get_none)
{
    struct call *call = fetch(
        &stage, &(struct fetch_spec){
                    .session_id = -1, .session_epoch = -1, .wait_ms = -1, FROM(AT("a", 0, 0))});
    ck_assert_int_eq(fetched(call)->session_id, 0);
    call = fetch(&stage, &(struct fetch_spec){.version = 5, .wait_ms = -1, FROM(AT("a", 0, 0))});
    ck_assert_uint_eq(fetched_count(call), 1);
    ck_assert_int_eq(weir_counter_get(&stage.part.sessions.count), 0);
}
END_TEST

/* ---- errors ---------------------------------------------------------------------------------- */

/* Each mistake has its number at the top, no partition, and leaves the session as it was. */
START_TEST(session_errors_stand_at_the_top)
{
    int32_t id = open_session(12);
    check_error(poll(id + 1000, 1), 70);
    check_error(poll(0, 1), 70);
    check_error(poll(id, 2), 71);
    check_error(poll(id, -5), 71);
    check_error(fetch(&stage,
                      &(struct fetch_spec){
                          .version = 13, .session_id = id, .session_epoch = 1, .wait_ms = -1}),
                106);
    struct call *call = poll(id, 1);
    ck_assert_int_eq(fetched(call)->error_code, 0);
    ck_assert_int_eq(fetched(call)->session_id, id);
    check_error(poll(id, 1), 71); /* each epoch once */
}
END_TEST

/* After the largest epoch comes 1. */
START_TEST(epochs_begin_anew_after_the_largest)
{
    int32_t id = open_session(12);
    struct weir_fetch_part *part = stage.part.sessions.object;
    weir_fetch_session_find(part, id)->epoch = INT32_MAX;
    ck_assert_int_eq(fetched(poll(id, INT32_MAX))->error_code, 0);
    ck_assert_int_eq(fetched(poll(id, 1))->error_code, 0);
}
END_TEST

/* A session that is parked with one connection is not given to another. */
START_TEST(a_session_serves_one_fetch_at_a_time)
{
    int32_t id = open_session(12);
    struct call *parked = fetch_begin(
        &stage, &(struct fetch_spec){.session_id = id, .session_epoch = 1, .wait_ms = 60000});
    stage_pass(&stage, 50);
    check_error(
        fetch(&stage, &(struct fetch_spec){.connection = 1, .session_id = id, .session_epoch = 2}),
        71);
    ck_assert_int_eq(parked->outcome, PENDING);
    stage_append(&stage, "a", 0, "x");
    stage_wait(parked);
    ck_assert_uint_eq(fetched_count(parked), 1);
}
END_TEST

/* A reader that comes back over another connection and opens a new session ends the parked fetch of
 * the old one, and nothing of it is left; tear_down counts. */
START_TEST(a_replaced_session_ends_its_parked_fetch)
{
    int32_t id = open_session(12);
    struct call *parked = fetch_begin(
        &stage, &(struct fetch_spec){.session_id = id, .session_epoch = 1, .wait_ms = 60000});
    stage_pass(&stage, 50);
    ck_assert_int_eq(parked->outcome, PENDING);
    struct call *call =
        fetch(&stage, &(struct fetch_spec){
                          .connection = 1, .session_id = id, .wait_ms = -1, FROM(AT("a", 0, 0))});
    ck_assert_int_ne(fetched(call)->session_id, id);
    stage_pass(&stage, 50);
    ck_assert_int_eq(parked->outcome, REPLIED);
    ck_assert_int_eq(weir_counter_get(&stage.part.sessions.count), 1);
}
END_TEST

/* A partition in error is named in each answer of the session until it is well. */
START_TEST(an_error_is_named_again)
{
    struct call *call =
        fetch(&stage, &(struct fetch_spec){.wait_ms = -1, FROM(AT("a", 0, 50), AT("b", 1, 0))});
    int32_t id = fetched(call)->session_id;
    ck_assert_int_eq(fetched_at(call, 0)->error_code, 1);
    for (int32_t epoch = 1; epoch <= 2; epoch++) {
        call = poll(id, epoch);
        ck_assert_uint_eq(fetched_count(call), 1);
        ck_assert_int_eq(fetched_at(call, 0)->error_code, 1);
    }
    call = fetch(&stage,
                 &(struct fetch_spec){
                     .session_id = id, .session_epoch = 3, .wait_ms = 50, FROM(AT("a", 0, 0))});
    ck_assert_uint_eq(fetched_count(call), 1);
    ck_assert_int_eq(fetched_at(call, 0)->error_code, 0);
}
END_TEST

/* ---- bounds ---------------------------------------------------------------------------------- */

/* Without a free slot the reader is served without a session; a long idle one makes room. */
START_TEST(slots_are_bounded)
{
    stage.part.config.fetch_session_slots = 2;
    int32_t first = open_session(12);
    int32_t second = open_session(12);
    struct fetch_spec spec = {.wait_ms = -1, FROM(AT("a", 0, 0))};
    ck_assert_int_eq(fetched(fetch(&stage, &spec))->session_id, 0);
    stage_pass(&stage, WEIR_FETCH_SESSION_IDLE_MS - 10000);
    ck_assert_int_eq(fetched(poll(first, 1))->error_code, 0);
    stage_pass(&stage, 20000);
    ck_assert_int_gt(fetched(fetch(&stage, &spec))->session_id, 0);
    ck_assert_int_eq(weir_counter_get(&stage.part.sessions.count), 2);
    check_error(poll(second, 1), 70);
    ck_assert_int_eq(fetched(poll(first, 2))->error_code, 0);
}
END_TEST

/* Sessions that were left behind give way to new ones when their memory runs out, before their slots
 * do; one that is in use stays. */
START_TEST(sessions_left_behind_give_way)
{
    int32_t used = open_session(12);
    struct weir_fetch_part *part = stage.part.sessions.object;
    part->interests_budget.limit = part->interests_budget.used * 16;
    for (int32_t i = 1; i <= 200; i++) {
        (void)open_session(12);
        ck_assert_int_eq(fetched(poll(used, i))->error_code, 0);
    }
    ck_assert_int_le(weir_counter_get(&stage.part.sessions.count), 16);
}
END_TEST

/* One reader takes an eighth of the memory for all at most: it is told so, alone, and what it had is
 * free again. */
START_TEST(a_readers_interest_is_bounded)
{
    enum { COUNT = 100 };
    static struct fetch_from from[COUNT];
    (void)open_session(12);
    struct weir_fetch_part *part = stage.part.sessions.object;
    size_t used = part->interests_budget.used;
    part->interests_budget.limit = sizeof(struct weir_fetch_entry) * COUNT * 4;
    for (int32_t i = 0; i < COUNT; i++) {
        from[i] = (struct fetch_from){.topic = "a", .partition = i};
    }
    for (int32_t epoch = -1; epoch <= 0; epoch++) {
        check_error(fetch(&stage, &(struct fetch_spec){.connection = 1,
                                                       .session_epoch = epoch,
                                                       .from = from,
                                                       .from_count = COUNT}),
                    WEIR_WIRE_INVALID_REQUEST);
        ck_assert_uint_eq(part->interests_budget.used, used);
    }
    struct call *call = fetch(&stage, &(struct fetch_spec){.connection = 1,
                                                           .session_epoch = -1,
                                                           .wait_ms = -1,
                                                           .from = from,
                                                           .from_count = COUNT / 4});
    ck_assert_uint_eq(fetched_count(call), COUNT / 4);
}
END_TEST

/* A thousand idle partitions cost nothing: a poll asks the engine for nothing, and an append for
 * one. */
START_TEST(idle_partitions_cost_nothing)
{
    enum { COUNT = 1000 };
    static struct fetch_from from[COUNT];
    stage_create(&stage, "wide", COUNT);
    for (int32_t i = 0; i < COUNT; i++) {
        from[i] = (struct fetch_from){.topic = "wide", .partition = i};
    }
    struct call *call =
        fetch(&stage, &(struct fetch_spec){.wait_ms = 100, .from = from, .from_count = COUNT});
    int32_t id = fetched(call)->session_id;
    ck_assert_uint_eq(fetched_count(call), COUNT);
    int64_t sent = stage_fetches_sent(&stage);
    for (int32_t epoch = 1; epoch <= 10; epoch++) {
        ck_assert_uint_eq(fetched_count(poll(id, epoch)), 0);
    }
    ck_assert_int_eq(stage_fetches_sent(&stage), sent);
    stage_append(&stage, "wide", 777, "x");
    call = poll(id, 11);
    ck_assert_uint_eq(fetched_count(call), 1);
    ck_assert_int_eq(fetched_at(call, 0)->partition_index, 777);
    ck_assert_int_eq(stage_fetches_sent(&stage), sent + 1);
}
END_TEST

/* What one answer takes from memory is bounded; what is left comes with the next, and all of it
 * comes. */
START_TEST(an_answers_memory_is_bounded)
{
    enum { COUNT = 60, SIZE = 60000 };
    static struct fetch_from from[COUNT];
    static char value[SIZE];
    memset(value, 'v', SIZE - 1);
    stage_create(&stage, "wide", COUNT);
    for (int32_t i = 0; i < COUNT; i++) {
        from[i] = (struct fetch_from){.topic = "wide", .partition = i};
        stage_append(&stage, "wide", i, value);
    }
    struct call *call = fetch(&stage, &(struct fetch_spec){.from = from, .from_count = COUNT});
    int32_t id = fetched(call)->session_id;
    int seen[COUNT] = {0};
    for (int32_t epoch = 1; epoch <= 3; epoch++) {
        size_t memory = call->answer_bytes - call->file_bytes;
        ck_assert_uint_le(memory, WEIR_FETCH_MEMORY_MAX + WEIR_FETCH_WAVE_MAX * 65536 + 100000);
        for (size_t i = 0; i < fetched_count(call); i++) {
            if (fetched_at(call, i)->records.size > 0) seen[fetched_at(call, i)->partition_index]++;
        }
        call = poll(id, epoch);
    }
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_ge(seen[i], 1);
    }
}
END_TEST

enum { WITHOUT_SESSION, WITH_A_NEW_ONE, IN_A_SESSION, KINDS };

/* One fetch on connection 2 with something to read; its kind as above. */
static struct call *fetch_of_kind(int kind, int32_t id, int64_t offset)
{
    struct fetch_spec spec = {.connection = 2, .wait_ms = 20};
    if (kind == IN_A_SESSION) {
        spec.session_id = id;
        spec.session_epoch = 1;
        return fetch_begin(&stage, &spec);
    }
    const struct fetch_from from[] = {AT("a", 0, offset), AT("b", 1, 0), AT("b", 2, 0)};
    spec.session_epoch = kind == WITHOUT_SESSION ? -1 : 0;
    spec.from = from;
    spec.from_count = 3;
    return fetch_begin(&stage, &spec);
}

static void check_read(const struct call *call, int64_t offset)
{
    ck_assert_int_eq(fetched(call)->error_code, 0);
    ck_assert_int_eq(fetched_at(call, 0)->partition_index, 0);
    ck_assert_int_eq(fetched_at(call, 0)->error_code, 0);
    ck_assert_int_eq(fetched_at(call, 0)->high_watermark, offset + 1);
    ck_assert_int_eq(fetched_batches(fetched_at(call, 0)), 1);
}

/* No allocation that fails, those of a request's arena included, leaves a reader without an end or
 * memory behind: it is answered or cut off, and reads everything when it comes again. */
START_TEST(no_failed_allocation_is_lost)
{
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        int64_t offset = engine_latest(&stage.engine, "a", 0);
        int32_t id = 0;
        if (_i == IN_A_SESSION) {
            struct call *opened = fetch(
                &stage,
                &(struct fetch_spec){.connection = 2, .wait_ms = -1, FROM(AT("a", 0, offset))});
            id = fetched(opened)->session_id;
        }
        stage_append(&stage, "a", 0, "x");
        stage.failures = &failures;
        struct call *call = fetch_of_kind(_i, id, offset);
        stage_wait(call);
        bool was_hit = weir_test_failures_disarm(&failures);
        stage.failures = NULL;
        if (!was_hit) check_read(call, offset);
        stage_cut(&stage, 2, call);
        stage_pass(&stage, 50);
        call = fetch_of_kind(WITHOUT_SESSION, 0, offset);
        stage_wait(call);
        check_read(call, offset);
        stage_cut(&stage, 2, call);
    }
    ck_assert_uint_gt(failures.hits, 5);
}
END_TEST

static void add(Suite *suite)
{
    TCase *life = tcase_create("life");
    tcase_add_checked_fixture(life, set_up, tear_down);
    tcase_add_test(life, a_session_answers_with_news_only);
    tcase_add_test(life, a_session_follows_its_reader);
    tcase_add_test(life, a_new_start_is_told);
    tcase_add_test(life, a_reader_has_one_interest);
    tcase_add_test(life, partitions_come_and_go);
    tcase_add_test(life, an_empty_session_ends);
    tcase_add_test(life, a_final_fetch_closes_the_session);
    tcase_add_test(life, a_full_fetch_replaces_the_session);
    tcase_add_test(life, readers_without_a_session_get_none);
    suite_add_tcase(suite, life);

    TCase *errors = tcase_create("errors");
    tcase_add_checked_fixture(errors, set_up, tear_down);
    tcase_add_test(errors, session_errors_stand_at_the_top);
    tcase_add_test(errors, epochs_begin_anew_after_the_largest);
    tcase_add_test(errors, a_session_serves_one_fetch_at_a_time);
    tcase_add_test(errors, a_replaced_session_ends_its_parked_fetch);
    tcase_add_test(errors, an_error_is_named_again);
    suite_add_tcase(suite, errors);

    TCase *bounds = tcase_create("bounds");
    tcase_add_checked_fixture(bounds, set_up, tear_down);
    tcase_add_test(bounds, slots_are_bounded);
    tcase_add_test(bounds, sessions_left_behind_give_way);
    tcase_add_test(bounds, a_readers_interest_is_bounded);
    tcase_add_test(bounds, idle_partitions_cost_nothing);
    tcase_add_test(bounds, an_answers_memory_is_bounded);
    tcase_add_loop_test(bounds, no_failed_allocation_is_lost, 0, KINDS);
    suite_add_tcase(suite, bounds);
}

int main(void)
{
    return weir_test_main("fetch sessions", add);
}
