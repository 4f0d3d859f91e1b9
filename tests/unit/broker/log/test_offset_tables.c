/**
 * The two tables of offsets that a log carries through its cuts: which leader epoch begins
 * where, and which ranges were given up. Each follows a model that knows it of every single
 * offset.
 */
#include <stdio.h>
#include <string.h>

#include "broker/log/leader_epochs.h"
#include "broker/log/lost_ranges.h"
#include "tests/support/support.h"

enum { OFFSETS = 64, ROUNDS = 400 };

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_leader_epochs epochs;
static struct weir_lost_ranges lost;
static struct weir_error error;

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_leader_epochs_init(&epochs, &budget);
    weir_lost_ranges_init(&lost, &budget);
    error = (struct weir_error){0};
}

static void tear_down(void)
{
    weir_leader_epochs_close(&epochs);
    weir_lost_ranges_close(&lost);
    ck_assert_uint_eq(budget.used, 0);
}

/* What was closed holds nothing: it may be closed again, and filled anew. */
START_TEST(a_closed_table_is_an_empty_one)
{
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(weir_leader_epochs_last(&epochs), -1);
        ck_assert_uint_eq(weir_lost_ranges_count(&lost), 0);
        for (int32_t epoch = 0; epoch < 9; epoch++) {
            ck_ok(weir_leader_epochs_reserve(&epochs), NULL);
            weir_leader_epochs_assign(&epochs, epoch, epoch);
            ck_ok(weir_lost_ranges_add(&lost, (struct weir_lost_range){epoch, epoch + 1}), NULL);
        }
        tear_down();
        weir_leader_epochs_check(&epochs);
    }
}
END_TEST

/* ---- leader epochs --------------------------------------------------------------------------- */

static struct {
    int32_t of[OFFSETS]; /* the epoch of each offset in [start, end) */
    int64_t start, end;
} model;

/* What the table says of an offset, and of an epoch's end, is what the model says. */
static void expect_model(void)
{
    for (int64_t offset = model.start; offset < model.end; offset++) {
        int64_t end;
        int64_t expected = offset;
        ck_assert_int_eq(weir_leader_epochs_at(&epochs, offset, &end), model.of[offset]);
        while (expected < model.end && model.of[expected] == model.of[offset]) {
            expected++;
        }
        ck_assert_int_eq(end, expected == model.end ? INT64_MAX : expected);
    }
    ck_assert(model.start < model.end || epochs.count <= 1); /* the last one may go on */
    for (int32_t asked = 0; model.start < model.end && asked < 24; asked++) {
        int32_t epoch;
        int64_t end;
        int64_t at = model.end;
        while (at > model.start && model.of[at - 1] > asked) {
            at--;
        }
        weir_leader_epochs_end(&epochs, asked, model.end, &epoch, &end);
        ck_assert_int_eq(epoch, at > model.start ? model.of[at - 1] : -1);
        ck_assert_int_eq(end, at > model.start ? at : -1);
    }
    int32_t last = model.end > model.start ? model.of[model.end - 1] : -1;
    if (last >= 0) ck_assert_int_eq(weir_leader_epochs_last(&epochs), last);
}

/* Its text gives the same table again. */
static void expect_round_trip(void)
{
    struct weir_buffer text;
    struct weir_leader_epochs read;
    weir_buffer_init(&text, &budget, 0);
    weir_leader_epochs_init(&read, &budget);
    weir_leader_epochs_encode(&epochs, &text);
    ck_ok(weir_leader_epochs_decode(&read, weir_buffer_slice(&text), &error), &error);
    ck_assert_uint_eq(read.count, epochs.count);
    for (size_t i = 0; i < read.count; i++) {
        ck_assert_int_eq(read.entries[i].epoch, epochs.entries[i].epoch);
        ck_assert_int_eq(read.entries[i].start_offset, epochs.entries[i].start_offset);
    }
    weir_leader_epochs_close(&read);
    weir_buffer_close(&text);
}

/* Appends in rising epochs, and cuts at both ends, in any order. */
START_TEST(epochs_are_those_of_each_offset)
{
    struct weir_test_random random = {(uint64_t)_i + 1};
    int32_t epoch = 0;
    memset(&model, 0, sizeof model);
    for (int round = 0; round < ROUNDS && model.end < OFFSETS; round++) {
        uint64_t what = weir_test_random_below(&random, 8);
        int64_t size = model.end - model.start;
        int64_t cut = model.start + (int64_t)weir_test_random_below(&random, (uint64_t)size + 1);
        if (what == 0) {
            weir_leader_epochs_cut_tail(&epochs, cut);
            model.end = cut;
        } else if (what == 1 && size > 0) {
            weir_leader_epochs_cut_head(&epochs, cut);
            model.start = cut;
        } else {
            if (what > 4) epoch += 1 + (int32_t)weir_test_random_below(&random, 2);
            if (epoch > 20) break;
            ck_ok(weir_leader_epochs_reserve(&epochs), NULL);
            weir_leader_epochs_assign(&epochs, epoch, model.end);
            model.of[model.end++] = epoch;
        }
        weir_leader_epochs_check(&epochs);
        expect_model();
        expect_round_trip();
    }
}
END_TEST

/* An epoch that is there already is not put in again: it began where it began. */
START_TEST(an_epoch_begins_once)
{
    int64_t end;
    ck_assert_int_eq(weir_leader_epochs_last(&epochs), -1);
    ck_assert_int_eq(weir_leader_epochs_at(&epochs, 5, &end), -1);
    ck_assert_int_eq(end, INT64_MAX);
    for (int64_t offset = 3; offset < 9; offset++) {
        ck_ok(weir_leader_epochs_reserve(&epochs), NULL);
        weir_leader_epochs_assign(&epochs, 0, offset);
    }
    ck_assert_uint_eq(epochs.count, 1);
    ck_assert_int_eq(epochs.entries[0].start_offset, 3);
    ck_assert_int_eq(weir_leader_epochs_at(&epochs, 2, &end), -1);
    ck_assert_int_eq(end, 3);
    ck_assert_int_eq(weir_leader_epochs_at(&epochs, 3, &end), 0);
}
END_TEST

/* Without memory for one more the table is as it was; with it, as many as there is need for have
 * room. */
START_TEST(room_for_an_epoch_is_made_before)
{
    for (int32_t epoch = 0; epoch < 40; epoch++) {
        bool is_full = epochs.count == epochs.capacity;
        heap.fail_at = 1;
        ck_code(weir_leader_epochs_reserve(&epochs), is_full ? WEIR_NO_MEMORY : 0);
        ck_assert_uint_eq(epochs.count, (size_t)epoch);
        weir_leader_epochs_check(&epochs);
        heap.fail_at = 0;
        ck_ok(weir_leader_epochs_reserve(&epochs), NULL);
        weir_leader_epochs_assign(&epochs, epoch, epoch * 10);
    }
    for (int32_t epoch = 0; epoch < 40; epoch++) {
        ck_assert_int_eq(epochs.entries[epoch].start_offset, epoch * 10);
    }
}
END_TEST

/* The largest numbers that the text may hold, and the first beyond them; and a count that says
 * more, or fewer, lines than there are. A table that is refused leaves the one there was. */
START_TEST(the_text_is_read_to_its_bounds)
{
    static const struct {
        const char *text;
        int rc;
        size_t count;
    } cases[] = {
        {"0\n0\n", 0, 0},
        {"0\n1\n0 0\n", 0, 1},
        {"0\n1\n2147483647 9223372036854775807\n", 0, 1},
        {"0\n1\n2147483648 0\n", WEIR_CORRUPT, 0},
        {"0\n1\n0 9223372036854775808\n", WEIR_CORRUPT, 0},
        {"0\n1\n0 92233720368547758070\n", WEIR_CORRUPT, 0},
        {"0\n2\n0 0\n", WEIR_CORRUPT, 0},
        {"0\n0\n0 0\n", WEIR_CORRUPT, 0},
        {"0\n1\n0 0", WEIR_CORRUPT, 0},
        {"0\n1\n 0\n", WEIR_CORRUPT, 0},
        {"0\n1\n0:0\n", WEIR_CORRUPT, 0},
        {"0\n1\n/ 0\n", WEIR_CORRUPT, 0},
        {"0\n1\n: 0\n", WEIR_CORRUPT, 0},
        {"0\n2\n3 4\n4 5\n", 0, 2},
        {"0\n2\n3 4\n3 5\n", WEIR_CORRUPT, 0},
        {"0\n2\n3 4\n4 4\n", WEIR_CORRUPT, 0},
        {"1\n0\n", WEIR_CORRUPT, 0},
        {"\n", WEIR_CORRUPT, 0},
        {"0", WEIR_CORRUPT, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_leader_epochs read;
        weir_leader_epochs_init(&read, &budget);
        ck_ok(weir_leader_epochs_decode(&read, weir_text("0\n3\n7 7\n8 8\n9 9\n"), NULL), NULL);
        int rc = weir_leader_epochs_decode(&read, weir_text(cases[i].text), &error);
        ck_assert_msg(rc == cases[i].rc, "case %zu: %d", i, rc);
        ck_assert_uint_eq(read.count, rc == 0 ? cases[i].count : 3);
        weir_leader_epochs_close(&read);
    }
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        size_t used = budget.used;
        weir_test_failures_arm(&failures, &heap);
        int rc = weir_leader_epochs_decode(&epochs, weir_text("0\n3\n7 7\n8 8\n9 9\n"), NULL);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_code(rc, was_hit ? WEIR_NO_MEMORY : 0);
        if (was_hit) ck_assert_uint_eq(budget.used, used);
    }
}
END_TEST

/* The line that does not fit is the one that is named. */
START_TEST(a_line_of_the_text_is_named)
{
    ck_code(weir_leader_epochs_decode(&epochs, weir_text("0\n3\n1 0\n3 24\nx\n"), &error),
            WEIR_CORRUPT);
    ck_assert_msg(strstr(error.text, "line 5 ") != NULL, "%s", error.text);
}
END_TEST

/* ---- what was given up ----------------------------------------------------------------------- */

static bool is_lost(int64_t offset)
{
    for (size_t i = 0; i < weir_lost_ranges_count(&lost); i++) {
        struct weir_lost_range range = weir_lost_ranges_at(&lost, i);
        if (range.from <= offset && offset < range.to) return true;
    }
    return false;
}

static void give_up(int64_t from, int64_t to)
{
    ck_ok(weir_lost_ranges_add(&lost, (struct weir_lost_range){from, to}), NULL);
}

/* Ranges that begin at the cut or behind it go with the tail; with the head go those that end
 * there or before, and one that goes on beyond it stays. */
START_TEST(lost_ranges_follow_the_cuts)
{
    for (int64_t cut = 0; cut <= 12; cut++) {
        tear_down();
        set_up();
        give_up(1, 3);
        give_up(3, 4);
        give_up(8, 11);
        weir_lost_ranges_cut_head(&lost, cut);
        ck_assert_uint_eq(weir_lost_ranges_count(&lost),
                          (size_t)(3 - (cut >= 3) - (cut >= 4) - (cut >= 11)));
        for (int64_t offset = cut; offset < 12; offset++) {
            ck_assert(is_lost(offset) ==
                      ((offset >= 1 && offset < 4) || (offset >= 8 && offset < 11)));
        }
    }
    static const int64_t borders[] = {0, 1, 3, 4, 6, 8, 11, 12}; /* where batches begin */
    for (size_t i = 0; i < sizeof borders / sizeof borders[0]; i++) {
        int64_t cut = borders[i];
        tear_down();
        set_up();
        give_up(1, 3);
        give_up(3, 4);
        give_up(8, 11);
        weir_lost_ranges_cut_tail(&lost, cut);
        for (int64_t offset = 0; offset < 12; offset++) {
            bool was_lost = (offset >= 1 && offset < 4) || (offset >= 8 && offset < 11);
            ck_assert(is_lost(offset) == (was_lost && offset < cut));
        }
        const struct weir_lost_range last = weir_lost_ranges_last(&lost);
        ck_assert_int_eq(last.to, cut > 8 ? 11 : cut > 3 ? 4 : cut > 1 ? 3 : 0);
        ck_assert_int_eq(last.from, cut > 8 ? 8 : cut > 3 ? 3 : cut > 1 ? 1 : 0);
        give_up(12, 13); /* the log goes on */
        ck_assert(is_lost(12));
    }
}
END_TEST

/* A batch is noted with all its offsets if it is marked as given up; one that is as empty, as a
 * compaction leaves it, is not. */
START_TEST(a_batch_that_was_given_up_is_noted)
{
    uint8_t bytes[WEIR_BATCH_HEADER_SIZE];
    struct weir_batch_header header;
    weir_batch_store_empty(bytes, 3, 6, 2);
    ck_ok(weir_batch_peek(weir_slice(bytes, sizeof bytes), 0, &header, &error), &error);
    ck_ok(weir_lost_ranges_note(&lost, &header), NULL);
    ck_assert_uint_eq(weir_lost_ranges_count(&lost), 0);
    weir_batch_store_given_up(bytes, 7, 10, 2);
    ck_ok(weir_batch_peek(weir_slice(bytes, sizeof bytes), 0, &header, &error), &error);
    ck_ok(weir_lost_ranges_note(&lost, &header), NULL);
    ck_assert_uint_eq(weir_lost_ranges_count(&lost), 1);
    ck_assert_int_eq(weir_lost_ranges_last(&lost).from, 7);
    ck_assert_int_eq(weir_lost_ranges_last(&lost).to, weir_batch_last_offset(&header) + 1);
    header.base_offset = weir_batch_last_offset(&header) + 1;
    for (int i = 0; i < 100; i++) {
        heap.fail_at = 1;
        size_t count = weir_lost_ranges_count(&lost);
        int rc = weir_lost_ranges_note(&lost, &header);
        heap.fail_at = 0;
        if (rc < 0) {
            ck_assert_int_eq(rc, WEIR_NO_MEMORY);
            ck_assert_uint_eq(weir_lost_ranges_count(&lost), count);
            break;
        }
        header.base_offset = weir_batch_last_offset(&header) + 1;
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("offset tables");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_closed_table_is_an_empty_one);
    tcase_add_loop_test(tests, epochs_are_those_of_each_offset, 0, 40);
    tcase_add_test(tests, an_epoch_begins_once);
    tcase_add_test(tests, room_for_an_epoch_is_made_before);
    tcase_add_test(tests, the_text_is_read_to_its_bounds);
    tcase_add_test(tests, a_line_of_the_text_is_named);
    tcase_add_test(tests, lost_ranges_follow_the_cuts);
    tcase_add_test(tests, a_batch_that_was_given_up_is_noted);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log offset tables", add);
}
