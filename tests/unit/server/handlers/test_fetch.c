#include "server/handlers/fetch_poll.h"
#include "tests/unit/server/handlers/data_stage.h"

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

/* ---- what is given --------------------------------------------------------------------------- */

/* In every version a batch comes back as it lies in the log, with all offsets filled in. */
START_TEST(a_batch_is_given_in_every_version)
{
    for (int16_t version = 4; version <= 18; version++) {
        int64_t offset = stage_append(&stage, "a", 1, "hello");
        struct call *call =
            fetch(&stage, &(struct fetch_spec){
                              .version = version, .session_epoch = -1, FROM(AT("a", 1, offset))});
        ck_assert_uint_eq(fetched_count(call), 1);
        const struct weir_wire_fetch_response_partition_data *partition = fetched_at(call, 0);
        ck_assert_int_eq(partition->error_code, 0);
        ck_assert_int_eq(partition->partition_index, 1);
        ck_assert_int_eq(partition->high_watermark, offset + 1);
        ck_assert_int_eq(partition->last_stable_offset, offset + 1);
        if (version >= 5) ck_assert_int_eq(partition->log_start_offset, 0);
        ck_assert_int_eq(partition->preferred_read_replica, -1);
        ck_assert_int_eq(fetched_batches(partition), 1);
        ck_assert_int_eq(fetched(call)->session_id, 0);
    }
}
END_TEST

/* The answer names partitions in the order asked, the empty ones too, with records that are empty,
 * not null. */
START_TEST(partitions_are_answered_in_the_order_asked)
{
    stage_append(&stage, "b", 0, "x");
    struct call *call = fetch(&stage, &(struct fetch_spec){.session_epoch = -1,
                                                           FROM(AT("b", 3, 0), AT("a", 2, 0),
                                                                AT("b", 0, 0), AT("a", 0, 0))});
    static const int32_t expected[] = {3, 2, 0, 0};
    static const int batches[] = {0, 0, 1, 0};
    ck_assert_uint_eq(fetched_count(call), 4);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(fetched_at(call, i)->partition_index, expected[i]);
        ck_assert_int_eq(fetched_batches(fetched_at(call, i)), batches[i]);
        ck_assert_int_eq(fetched_at(call, i)->log_start_offset, 0);
    }
}
END_TEST

/* Aborted transactions are null, or none for a reader of committed records. */
START_TEST(aborted_transactions_are_there_for_read_committed_only)
{
    stage_append(&stage, "a", 0, "x");
    for (int8_t isolation = 0; isolation <= 1; isolation++) {
        struct call *call = fetch(
            &stage,
            &(struct fetch_spec){.session_epoch = -1, .isolation = isolation, FROM(AT("a", 0, 0))});
        bool is_null = fetched_at(call, 0)->aborted_transactions == NULL;
        ck_assert_int_eq(is_null, isolation == 0);
        ck_assert_uint_eq(fetched_at(call, 0)->aborted_transactions_count, 0);
    }
}
END_TEST

/* The first batch is given even if it is larger than both bounds; the second partition's then is
 * not, and comes first the next time. */
START_TEST(the_first_batch_is_given_whatever_its_size)
{
    stage_append(&stage, "a", 0, "a long value of some size");
    stage_append(&stage, "a", 1, "a long value of some size");
    struct fetch_spec spec = {.max_bytes = 10,
                              FROM(AT("a", 0, 0, .size_max = 5), AT("a", 1, 0, .size_max = 5))};
    struct call *call = fetch(&stage, &spec);
    ck_assert_int_eq(fetched_batches(fetched_at(call, 0)), 1);
    ck_assert_int_eq(fetched_batches(fetched_at(call, 1)), 0);
    ck_assert_int_eq(fetched_at(call, 1)->high_watermark, 1);
    struct fetch_spec next = {
        .max_bytes = 10, .session_id = fetched(call)->session_id, .session_epoch = 1};
    call = fetch(&stage, &next);
    ck_assert_uint_eq(fetched_count(call), 1);
    ck_assert_int_eq(fetched_at(call, 0)->partition_index, 1);
    ck_assert_int_eq(fetched_batches(fetched_at(call, 0)), 1);
}
END_TEST

/* With room for one batch per answer, each of four partitions has its turn. */
START_TEST(partitions_take_turns_when_room_is_short)
{
    for (int round = 0; round < 4; round++) {
        for (int32_t at = 0; at < 4; at++) {
            stage_append(&stage, "a", at, "value");
        }
    }
    struct fetch_spec spec = {.max_bytes = 1,
                              FROM(AT("a", 0, 0), AT("a", 1, 0), AT("a", 2, 0), AT("a", 3, 0))};
    struct call *call = fetch(&stage, &spec);
    int32_t session_id = fetched(call)->session_id;
    bool seen[4] = {true};
    for (int32_t epoch = 1; epoch <= 3; epoch++) {
        call = fetch(&stage, &(struct fetch_spec){
                                 .max_bytes = 1, .session_id = session_id, .session_epoch = epoch});
        for (size_t i = 0; i < fetched_count(call); i++) {
            if (fetched_at(call, i)->records.size > 0)
                seen[fetched_at(call, i)->partition_index] = true;
        }
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_msg(seen[i], "partition %d had no turn", i);
    }
}
END_TEST

/* When unsent answers hold as much memory as may be, records are sent from the file, few as they
 * are; when those have been taken, from memory again. */
START_TEST(unsent_records_in_memory_have_a_bound)
{
    size_t unsent_size = 1000;
    stage.part.sessions.unsent_size = &unsent_size;
    stage.part.sessions.unsent_size_max = 100000;
    stage_append(&stage, "a", 0, "value");
    struct call *call =
        fetch(&stage, &(struct fetch_spec){.session_epoch = -1, FROM(AT("a", 0, 0))});
    ck_assert_uint_eq(call->file_bytes, 0);
    ck_assert_uint_gt(fetched_at(call, 0)->records.size, 0);
    unsent_size = 100000;
    call = fetch(&stage, &(struct fetch_spec){.session_epoch = -1, FROM(AT("a", 0, 0))});
    ck_assert_uint_gt(call->file_bytes, 0);
    ck_assert_uint_eq(call->file_bytes, fetched_at(call, 0)->records.size);
    unsent_size = 0;
    call = fetch(&stage, &(struct fetch_spec){.session_epoch = -1, FROM(AT("a", 0, 0))});
    ck_assert_uint_eq(call->file_bytes, 0);
    stage.part.sessions.unsent_size = NULL;
}
END_TEST

/* Records of 64 KiB and more are sent from the file, once they are too old for the memory. */
START_TEST(large_ranges_come_from_the_file)
{
    static char value[3000];
    memset(value, 'v', sizeof value - 1);
    for (int i = 0; i < 500; i++) {
        stage_append(&stage, "a", 0, value);
    }
    struct call *call =
        fetch(&stage, &(struct fetch_spec){.session_epoch = -1, FROM(AT("a", 0, 0))});
    ck_assert_uint_gt(call->file_bytes, 64 * 1024);
    ck_assert_int_gt(fetched_batches(fetched_at(call, 0)), 20);
}
END_TEST

/* ---- waiting --------------------------------------------------------------------------------- */

/* A fetch with nothing to give is answered by the append, and not before. */
START_TEST(a_fetch_waits_for_an_append)
{
    struct call *call = fetch_begin(
        &stage, &(struct fetch_spec){.session_epoch = -1, .wait_ms = 60000, FROM(AT("a", 0, 0))});
    stage_pass(&stage, 10000);
    ck_assert_int_eq(call->outcome, PENDING);
    ck_assert_int_eq(stage.part.parked, 1);
    stage_append(&stage, "a", 0, "x");
    stage_wait(call);
    ck_assert_int_eq(fetched_batches(fetched_at(call, 0)), 1);
}
END_TEST

/* When the time is over it is answered with nothing. */
START_TEST(a_fetch_is_answered_at_its_deadline)
{
    struct weir_mono begun = weir_mono_now(stage.engine.env);
    struct call *call = fetch(
        &stage, &(struct fetch_spec){.session_epoch = -1, .wait_ms = 500, FROM(AT("a", 0, 0))});
    int64_t waited_ms = (weir_mono_now(stage.engine.env).ns - begun.ns) / 1000000;
    ck_assert_int_ge(waited_ms, 500);
    ck_assert_int_lt(waited_ms, 600);
    ck_assert_uint_eq(fetched_count(call), 1);
    ck_assert_int_eq(fetched_batches(fetched_at(call, 0)), 0);
}
END_TEST

/* It does not wait where it is not to: no time, no bytes wanted, no partitions. */
START_TEST(a_fetch_that_need_not_wait_does_not)
{
    struct fetch_spec specs[] = {
        {.session_epoch = -1, .wait_ms = -1, FROM(AT("a", 0, 0))},
        {.session_epoch = -1, .wait_ms = 60000, .min_bytes = -1, FROM(AT("a", 0, 0))},
        {.session_epoch = -1, .wait_ms = 60000},
    };
    for (size_t i = 0; i < 3; i++) {
        struct weir_mono begun = weir_mono_now(stage.engine.env);
        (void)fetched(fetch(&stage, &specs[i]));
        ck_assert_int_lt(weir_mono_now(stage.engine.env).ns - begun.ns, 100 * 1000000);
    }
}
END_TEST

/* min_bytes is counted over all partitions; appends that do not reach it leave it waiting. */
START_TEST(min_bytes_are_gathered_over_partitions)
{
    struct weir_slice batch = stage_batch(&stage, "0123456789");
    struct call *call =
        fetch_begin(&stage, &(struct fetch_spec){.session_epoch = -1,
                                                 .wait_ms = 60000,
                                                 .min_bytes = (int32_t)batch.size * 4,
                                                 FROM(AT("a", 0, 0), AT("b", 0, 0))});
    for (int i = 0; i < 3; i++) {
        stage_append(&stage, i % 2 == 0 ? "a" : "b", 0, "0123456789");
        stage_pass(&stage, 1000);
        ck_assert_int_eq(call->outcome, PENDING);
    }
    stage_append(&stage, "a", 0, "0123456789");
    stage_wait(call);
    ck_assert_int_eq(fetched_batches(fetched_at(call, 0)), 3);
    ck_assert_int_eq(fetched_batches(fetched_at(call, 1)), 1);
}
END_TEST

/* At the deadline what there is is given, though it is less than min_bytes. */
START_TEST(too_few_bytes_are_given_at_the_deadline)
{
    stage_append(&stage, "a", 0, "x");
    struct call *call = fetch_begin(&stage, &(struct fetch_spec){.session_epoch = -1,
                                                                 .wait_ms = 5000,
                                                                 .min_bytes = 100000,
                                                                 FROM(AT("a", 0, 0))});
    stage_pass(&stage, 4000);
    ck_assert_int_eq(call->outcome, PENDING);
    stage_wait(call);
    ck_assert_int_eq(fetched_batches(fetched_at(call, 0)), 1);
}
END_TEST

/* A partition whose own bound is reached is not waited for, though min_bytes is larger. */
START_TEST(a_partition_that_gives_its_most_is_enough)
{
    for (int i = 0; i < 10; i++) {
        stage_append(&stage, "a", 0, "0123456789");
    }
    int32_t most = (int32_t)stage_batch(&stage, "0123456789").size * 2 + 10;
    int64_t before = weir_mono_now(stage.engine.env).ns;
    struct call *call = fetch(&stage, &(struct fetch_spec){.session_epoch = -1,
                                                           .wait_ms = 60000,
                                                           .min_bytes = most,
                                                           FROM(AT("a", 0, 0, .size_max = most))});
    ck_assert_int_eq(fetched_batches(fetched_at(call, 0)), 2);
    ck_assert_int_lt(weir_mono_now(stage.engine.env).ns - before, 1000 * 1000000LL);
}
END_TEST

/* A connection whose reader went to another place in between is served from there. */
START_TEST(a_seek_is_followed)
{
    stage_append(&stage, "a", 0, "first");
    stage_append(&stage, "a", 0, "second");
    struct call *call = fetch(
        &stage, &(struct fetch_spec){.session_epoch = -1, .wait_ms = 10, FROM(AT("a", 0, 2))});
    ck_assert_int_eq(fetched_batches(fetched_at(call, 0)), 0);
    call = fetch(&stage, &(struct fetch_spec){.session_epoch = -1, FROM(AT("a", 0, 0))});
    ck_assert_int_eq(fetched_batches(fetched_at(call, 0)), 2);
    call = fetch(&stage, &(struct fetch_spec){.session_epoch = -1, FROM(AT("a", 0, 1))});
    ck_assert_int_eq(fetched_batches(fetched_at(call, 0)), 1);
}
END_TEST

/* ---- errors ---------------------------------------------------------------------------------- */

/* Each error is the partition's own, comes at once, and the others are served. */
START_TEST(errors_are_each_partitions_own)
{
    stage_append(&stage, "a", 0, "x");
    static const struct {
        struct fetch_from from;
        int16_t error;
    } cases[] = {
        {AT("a", 0, 99), 1},
        {AT("a", 0, -7), 1},
        {AT("a", 9, 0), 3},
        {AT("nothing", 0, 0), 3},
        {AT("a", 0, 0, .current_epoch = 7), 75},
        {AT("not a name", 0, 0), 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct call *call = fetch(&stage, &(struct fetch_spec){.session_epoch = -1,
                                                               .wait_ms = 60000,
                                                               FROM(cases[i].from, AT("b", 0, 0))});
        ck_assert_int_eq(fetched_at(call, 0)->error_code, cases[i].error);
        ck_assert_uint_eq(fetched_at(call, 0)->records.size, 0);
        ck_assert_int_eq(fetched_at(call, 1)->error_code, 0);
        ck_assert_int_eq(fetched_at(call, 1)->high_watermark, 0);
    }
}
END_TEST

/* A name too long to be one is an error of its partition, by name and when it is forgotten. */
START_TEST(a_name_too_long_is_an_error_of_its_partition)
{
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    stage_append(&stage, "a", 0, "x");
    struct call *call =
        fetch(&stage, &(struct fetch_spec){.wait_ms = 60000, FROM(AT(name, 0, 0), AT("a", 0, 0))});
    ck_assert_int_eq(fetched_at(call, 0)->error_code, WEIR_WIRE_INVALID_TOPIC_EXCEPTION);
    ck_assert_int_eq(fetched_batches(fetched_at(call, 1)), 1);
    call = fetch(&stage, &(struct fetch_spec){.session_id = fetched(call)->session_id,
                                              .session_epoch = 1,
                                              .wait_ms = 50,
                                              FORGET(AT(name, 0, 0))});
    ck_assert_uint_eq(fetched_count(call), 1);
    ck_assert_int_eq(fetched_at(call, 0)->error_code, 0);
}
END_TEST

/* Asked by an id that no topic has, and by that of a topic that was deleted. */
START_TEST(an_unknown_id_is_an_error_of_its_partitions)
{
    stage_append(&stage, "a", 0, "x");
    struct call *call = fetch(
        &stage, &(struct fetch_spec){.version = 13,
                                     .session_epoch = -1,
                                     FROM(AT("a", 0, 0), {.partition = 2, .unknown_id = true})});
    ck_assert_int_eq(fetched_batches(fetched_at(call, 0)), 1);
    ck_assert_int_eq(fetched_at(call, 1)->error_code, 100);
    ck_assert_int_eq(fetched_at(call, 1)->partition_index, 2);
    ck_assert_int_eq(fetched(call)->responses[1].topic_id.bytes[0], 1);
}
END_TEST

/* What is wrong with a partition is told in a full answer, too, when there was no room to read. */
START_TEST(an_unknown_id_is_an_error_without_room)
{
    stage_append(&stage, "a", 0, "x");
    struct call *call = fetch(
        &stage, &(struct fetch_spec){.version = 13,
                                     .session_epoch = -1,
                                     .max_bytes = 1,
                                     FROM(AT("a", 0, 0), {.partition = 2, .unknown_id = true})});
    ck_assert_int_eq(fetched_batches(fetched_at(call, 0)), 1);
    ck_assert_int_eq(fetched_at(call, 1)->error_code, 100);
}
END_TEST

/* A parked fetch by id hears that its topic was deleted, though one of that name is there anew. */
START_TEST(a_deleted_topic_ends_the_wait)
{
    struct call *call = fetch_begin(
        &stage, &(struct fetch_spec){
                    .version = 16, .session_epoch = -1, .wait_ms = 60000, FROM(AT("a", 0, 0))});
    stage_pass(&stage, 100);
    ck_assert_int_eq(call->outcome, PENDING);
    ck_ok(engine_delete(&stage.engine, "a"), &stage.engine.error);
    stage_wait(call);
    int16_t error = fetched_at(call, 0)->error_code;
    ck_assert_msg(error == 100 || error == 3, "%d", error);
}
END_TEST

/* A client that plays follower is refused: at the top, or per partition where there is no top. */
START_TEST(followers_are_refused)
{
    static const int16_t versions[] = {4, 6, 7, 14, 15, 18};
    for (size_t i = 0; i < 6; i++) {
        struct call *call = fetch(&stage, &(struct fetch_spec){.version = versions[i],
                                                               .replica_id = 3,
                                                               .session_epoch = -1,
                                                               FROM(AT("a", 0, 0))});
        if (versions[i] >= 7) {
            ck_assert_int_eq(fetched(call)->error_code, 31);
            ck_assert_uint_eq(fetched_count(call), 0);
        } else {
            ck_assert_int_eq(fetched_at(call, 0)->error_code, 31);
        }
    }
}
END_TEST

/* Who may not read is told so. */
START_TEST(a_forbidden_topic_is_not_read)
{
    stage_append(&stage, "a", 0, "x");
    stage.forbids = true;
    struct call *call =
        fetch(&stage, &(struct fetch_spec){.session_epoch = -1, FROM(AT("a", 0, 0))});
    ck_assert_int_eq(fetched_at(call, 0)->error_code, 29);
    ck_assert_uint_eq(fetched_at(call, 0)->records.size, 0);
}
END_TEST

/* Something has cut the file of a segment: what is missing is an error of the storage, a range or not. */
START_TEST(records_that_are_missing_are_an_error_of_the_storage)
{
    static const char path[] = ENGINE_PATH "/log/a-0/00000000000000000000.log";
    static char value[3000];
    struct weir_file *file = NULL;
    memset(value, 'v', sizeof value - 1);
    for (int i = 0; i < 500; i++) {
        stage_append(&stage, "a", 0, value);
    }
    int flags = WEIR_OPEN_READ | WEIR_OPEN_WRITE;
    ck_ok(weir_file_open(stage.engine.env, path, (unsigned)flags, &file, NULL), NULL);
    ck_ok(weir_file_truncate(file, 300000, NULL), NULL);
    weir_file_close(file);
    int64_t offset = 0;
    for (;;) {
        struct call *call =
            fetch(&stage, &(struct fetch_spec){.session_epoch = -1, FROM(AT("a", 0, offset))});
        const struct weir_wire_fetch_response_partition_data *partition = fetched_at(call, 0);
        if (partition->error_code == WEIR_WIRE_KAFKA_STORAGE_ERROR) break;
        ck_assert_int_eq(partition->error_code, WEIR_WIRE_NONE);
        ck_assert_int_gt(fetched_batches(partition), 0);
        offset += fetched_batches(partition);
        ck_assert_int_le(offset, 97); /* of 3071 bytes each */
    }
    ck_assert_int_eq(offset, 97);
}
END_TEST

/* ---- ends ------------------------------------------------------------------------------------ */

/* A connection that is cut while its fetch is parked leaves nothing behind; tear_down counts. */
START_TEST(a_cut_connection_leaves_nothing)
{
    struct call *call =
        fetch_begin(&stage, &(struct fetch_spec){.connection = 3,
                                                 .session_epoch = -1,
                                                 .wait_ms = 60000,
                                                 FROM(AT("a", 0, 0), AT("b", 1, 0))});
    stage_pass(&stage, 100);
    ck_assert_int_eq(call->outcome, PENDING);
    stage_cut(&stage, 3, call);
    stage_pass(&stage, 100);
    ck_assert_int_ne(call->outcome, PENDING);
    const struct weir_fetch_part *part = stage.part.sessions.object;
    ck_assert_uint_eq(part->out, 0);
}
END_TEST

/* And so does one that is cut while the engine has its questions, whatever has happened by then. */
START_TEST(a_cut_in_the_middle_leaves_nothing)
{
    stage_append(&stage, "a", 0, "x");
    for (int steps = 0; steps < 9; steps++) { /* then it is parked */
        struct call *call =
            fetch_begin(&stage, &(struct fetch_spec){.connection = 3,
                                                     .session_epoch = -1,
                                                     .wait_ms = 60000,
                                                     FROM(AT("a", 0, 0), AT("b", 1, 0))});
        for (int i = 0; i < steps; i++) {
            (void)weir_sim_step(stage.engine.sim);
        }
        stage_cut(&stage, 3, call);
        stage_pass(&stage, 100);
        ck_assert_int_ne(call->outcome, PENDING);
        const struct weir_fetch_part *part = stage.part.sessions.object;
        ck_assert_uint_eq(part->out, 0);
    }
}
END_TEST

/* A server that closes ends a fetch before anybody has looked at all of its partitions: the answer, which
 * may still reach the reader, does not say that they are empty but that it shall ask again. */
START_TEST(a_fetch_that_ends_before_it_looked_is_to_be_asked_again)
{
    enum { LAST = WEIR_FETCH_WAVE_MAX, COUNT = LAST + 1 }; /* it is of the second wave */
    struct fetch_from from[COUNT];
    stage_create(&stage, "many", COUNT);
    for (int32_t i = 0; i < COUNT; i++)
        from[i] = (struct fetch_from)AT("many", i, 0);
    struct call *call = fetch_begin(&stage, &(struct fetch_spec){.version = 13,
                                                                 .session_epoch = -1,
                                                                 .wait_ms = 60000,
                                                                 .from = from,
                                                                 .from_count = COUNT});
    ck_assert_int_eq(call->outcome, PENDING);
    call->context.abandon(&call->context);
    stage_wait(call);
    ck_assert_int_eq(fetched_at(call, 0)->error_code, 0);
    ck_assert_int_eq(fetched_at(call, 0)->high_watermark, 0);
    ck_assert_int_eq(fetched_at(call, LAST)->error_code, WEIR_WIRE_NOT_LEADER_OR_FOLLOWER);
    ck_assert_int_eq(fetched_at(call, LAST)->high_watermark, -1);
}
END_TEST

static void add(Suite *suite)
{
    TCase *gives = tcase_create("gives");
    tcase_add_checked_fixture(gives, set_up, tear_down);
    tcase_add_test(gives, a_batch_is_given_in_every_version);
    tcase_add_test(gives, partitions_are_answered_in_the_order_asked);
    tcase_add_test(gives, aborted_transactions_are_there_for_read_committed_only);
    tcase_add_test(gives, the_first_batch_is_given_whatever_its_size);
    tcase_add_test(gives, partitions_take_turns_when_room_is_short);
    tcase_add_test(gives, unsent_records_in_memory_have_a_bound);
    tcase_add_test(gives, large_ranges_come_from_the_file);
    suite_add_tcase(suite, gives);

    TCase *waits = tcase_create("waits");
    tcase_add_checked_fixture(waits, set_up, tear_down);
    tcase_add_test(waits, a_fetch_waits_for_an_append);
    tcase_add_test(waits, a_fetch_is_answered_at_its_deadline);
    tcase_add_test(waits, a_fetch_that_ends_before_it_looked_is_to_be_asked_again);
    tcase_add_test(waits, a_fetch_that_need_not_wait_does_not);
    tcase_add_test(waits, min_bytes_are_gathered_over_partitions);
    tcase_add_test(waits, too_few_bytes_are_given_at_the_deadline);
    tcase_add_test(waits, a_partition_that_gives_its_most_is_enough);
    tcase_add_test(waits, a_seek_is_followed);
    suite_add_tcase(suite, waits);

    TCase *errors = tcase_create("errors");
    tcase_add_checked_fixture(errors, set_up, tear_down);
    tcase_add_test(errors, errors_are_each_partitions_own);
    tcase_add_test(errors, a_name_too_long_is_an_error_of_its_partition);
    tcase_add_test(errors, an_unknown_id_is_an_error_of_its_partitions);
    tcase_add_test(errors, an_unknown_id_is_an_error_without_room);
    tcase_add_test(errors, a_deleted_topic_ends_the_wait);
    tcase_add_test(errors, followers_are_refused);
    tcase_add_test(errors, a_forbidden_topic_is_not_read);
    suite_add_tcase(suite, errors);

    TCase *ends = tcase_create("ends");
    tcase_add_checked_fixture(ends, set_up, tear_down);
    tcase_add_test(ends, records_that_are_missing_are_an_error_of_the_storage);
    tcase_add_test(ends, a_cut_connection_leaves_nothing);
    tcase_add_test(ends, a_cut_in_the_middle_leaves_nothing);
    suite_add_tcase(suite, ends);
}

int main(void)
{
    return weir_test_main("fetch", add);
}
