#include "wire/request/committed_filter.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/support.h"
#include "tests/unit/wire/batch_stage.h"
#include "tests/unit/wire/golden_batches.h"

/* A run of batches, as a fetch gives them, each of one record but those that are made longer. */
struct run {
    struct batch_stage stage;
    struct weir_buffer bytes;
    int64_t end;
};

static struct run run;

static void begin(void)
{
    run = (struct run){0};
    batch_stage_init(&run.stage);
    weir_buffer_init(&run.bytes, &run.stage.budget, 0);
}

static void end(void)
{
    weir_buffer_close(&run.bytes);
    batch_stage_close(&run.stage);
}

static void add(int64_t producer_id, bool is_transactional, int record_count)
{
    struct weir_batch_builder builder;
    struct weir_slice batch;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    finish.base_offset = run.end;
    finish.producer_id = producer_id;
    finish.producer_epoch = (int16_t)(producer_id < 0 ? -1 : 0);
    finish.base_sequence = producer_id < 0 ? -1 : (int32_t)run.end;
    finish.is_transactional = is_transactional;
    weir_batch_builder_init(&builder, &run.stage.budget, WEIR_CODEC_NONE, 0);
    for (int i = 0; i < record_count; i++) {
        struct weir_record record = {.value = weir_text("value"), .timestamp_ms = GOLDEN_TIME_MS};
        ck_code(weir_batch_builder_add(&builder, &record), 0);
    }
    ck_code(weir_batch_builder_finish(&builder, &finish, &batch), 0);
    weir_buffer_append(&run.bytes, batch.data, batch.size);
    weir_batch_builder_close(&builder);
    run.end += record_count;
}

static void mark(int64_t producer_id, bool is_commit)
{
    uint8_t batch[WEIR_BATCH_MARKER_SIZE];
    weir_batch_store_marker(batch, &(struct weir_transaction_marker){.producer_id = producer_id,
                                                                     .coordinator_epoch = 3,
                                                                     .is_commit = is_commit,
                                                                     .timestamp_ms = 1});
    weir_batch_assign(batch, run.end++, 0);
    weir_buffer_append(&run.bytes, batch, sizeof batch);
}

/* The offsets of the batches that are given, as text. */
static const char *given(struct weir_aborted_transaction *aborted, size_t count)
{
    static char text[256];
    struct weir_error error = {0};
    struct weir_committed_filter filter;
    struct weir_batch_reader reader = {.rest = weir_buffer_slice(&run.bytes), .is_whole = true};
    text[0] = 0;
    weir_committed_filter_begin(&filter, aborted, count);
    int rc;
    while ((rc = weir_batch_reader_next(&reader, &error)) == 0) {
        rc = weir_committed_filter_admit(&filter, &reader, &error);
        ck_ok(rc, &error);
        if (rc == WEIR_END) continue;
        size_t used = strlen(text);
        (void)snprintf(text + used, sizeof text - used, "%s%d", used > 0 ? " " : "",
                       (int)reader.header.base_offset);
    }
    ck_code(rc, WEIR_END);
    return text;
}

/* Without a list all data is given and no marker, whatever was aborted. */
START_TEST(without_a_list_only_control_batches_are_passed_over)
{
    add(-1, false, 1);
    add(7, true, 1);
    mark(7, false);
    add(7, true, 1);
    mark(7, true);
    ck_assert_str_eq(given(NULL, 0), "0 1 3");
}
END_TEST

/* Two transactions of two producers lie in one another: of the aborted one nothing is given from its first offset
 * to its marker, of the other and of who has none everything is. What its producer sends behind the marker is given. */
START_TEST(an_aborted_transaction_is_passed_over_up_to_its_marker)
{
    struct weir_aborted_transaction aborted[] = {{.producer_id = 7, .first_offset = 1}};
    add(8, true, 1);   /* 0 */
    add(7, true, 2);   /* 1 */
    add(8, true, 1);   /* 3 */
    add(7, true, 1);   /* 4 */
    add(-1, false, 1); /* 5 */
    mark(7, false);    /* 6 */
    add(7, true, 1);   /* 7 */
    mark(8, true);     /* 8 */
    mark(7, true);     /* 9 */
    ck_assert_str_eq(given(aborted, 1), "0 3 5 7");
}
END_TEST

/* Several aborted ones of one producer, and one that was begun before what the fetch gave; the list is in the order of
 * their ends, as Kafka's index has it, which is not that of their beginnings. */
START_TEST(the_list_may_be_in_any_order)
{
    struct weir_aborted_transaction aborted[] = {
        {.producer_id = 7, .first_offset = 1},
        {.producer_id = 7, .first_offset = 4},
        {.producer_id = 9, .first_offset = -100},
        {.producer_id = 8, .first_offset = 0},
    };
    add(8, true, 1);  /* 0 */
    add(7, true, 1);  /* 1 */
    add(9, true, 1);  /* 2 */
    mark(7, false);   /* 3 */
    add(7, true, 1);  /* 4 */
    mark(7, false);   /* 5 */
    add(7, true, 1);  /* 6 */
    mark(9, false);   /* 7 */
    add(9, true, 1);  /* 8 */
    add(8, true, 1);  /* 9 */
    mark(8, false);   /* 10 */
    add(8, false, 1); /* 11 */
    ck_assert_str_eq(given(aborted, 4), "6 8 11");
}
END_TEST

/* What is not transactional is nobody's to abort, also where its producer has a transaction that was. */
START_TEST(what_is_not_transactional_is_given)
{
    struct weir_aborted_transaction aborted[] = {{.producer_id = 7, .first_offset = 0}};
    add(7, false, 1);
    add(7, true, 1);
    mark(7, false);
    ck_assert_str_eq(given(aborted, 1), "0");
}
END_TEST

/* A commit ends nothing that is passed over: the list says that it was aborted, and so will its marker. */
START_TEST(only_an_abort_marker_ends_it)
{
    struct weir_aborted_transaction aborted[] = {{.producer_id = 7, .first_offset = 0}};
    add(7, true, 1);
    mark(7, true);
    add(7, true, 1);
    mark(7, false);
    add(7, true, 1);
    ck_assert_str_eq(given(aborted, 1), "4");
}
END_TEST

/* A bit of a marker that ends something is wrong: it is not believed. */
START_TEST(a_damaged_marker_is_refused)
{
    struct weir_error error = {0};
    struct weir_committed_filter filter;
    struct weir_aborted_transaction aborted[] = {{.producer_id = 7, .first_offset = 0}};
    add(7, true, 1);
    size_t at = run.bytes.size;
    mark(7, false);
    run.bytes.data[at + WEIR_BATCH_HEADER_SIZE + 8] ^= 1; /* abort becomes commit */
    struct weir_batch_reader reader = {.rest = weir_buffer_slice(&run.bytes)};
    weir_committed_filter_begin(&filter, aborted, 1);
    ck_ok(weir_batch_reader_next(&reader, &error), &error);
    ck_code(weir_committed_filter_admit(&filter, &reader, &error), WEIR_END);
    ck_ok(weir_batch_reader_next(&reader, &error), &error);
    ck_code(weir_committed_filter_admit(&filter, &reader, &error), WEIR_CORRUPT);
}
END_TEST

static void add_tests(Suite *suite)
{
    TCase *tests = tcase_create("committed filter");
    tcase_add_checked_fixture(tests, begin, end);
    tcase_add_test(tests, without_a_list_only_control_batches_are_passed_over);
    tcase_add_test(tests, an_aborted_transaction_is_passed_over_up_to_its_marker);
    tcase_add_test(tests, the_list_may_be_in_any_order);
    tcase_add_test(tests, what_is_not_transactional_is_given);
    tcase_add_test(tests, only_an_abort_marker_ends_it);
    tcase_add_test(tests, a_damaged_marker_is_refused);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("committed_filter", add_tests);
}
