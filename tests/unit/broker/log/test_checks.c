/**
 * The invariants of what a log consists of: each row breaks a field of one that is whole, and the check has
 * to end the program. What costs O(n) to see is asked for only where assertions may be slow.
 */
#include "broker/log/log_internal.h"
#include "tests/support/broken.h"
#include "tests/unit/broker/log/log_support.h"

static struct test_log test;
static struct weir_partition_log *whole; /* of several segments, dirty, with producers and a tail */

static void set_up(void)
{
    test_log_start(&test, 1);
    test.options.config.segment_bytes = 600;
    test.options.tail_cache_bytes = 4096;
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, 20);
    ck_ok(test_log_sync(&test), &test.error);
    for (int64_t producer = 1; producer <= 3; producer++) {
        struct weir_append_result result;
        const struct test_append append = {.has_producer = true, .producer_id = producer};
        ck_ok(test_log_append(&test, &append, &result), &test.error);
    }
    whole = test.log;
    ck_assert_uint_gt(whole->segment_count, 2);
    ck_assert_uint_gt(whole->tail.count, 0);
    ck_assert(whole->start_offset < whole->durable_offset);
    ck_assert(whole->durable_offset < whole->end_offset);
}

static void tear_down(void)
{
    test_log_stop(&test);
}

START_TEST(a_whole_log_passes)
{
    weir_partition_log_check(whole);
    weir_log_take_offline(whole, whole->start_offset, "to see that one passes");
    weir_partition_log_check(whole);
}
END_TEST

BREAKS(magic, whole->magic++)
BREAKS(start, whole->start_offset = whole->durable_offset + 1)
BREAKS(start_below, whole->start_offset = whole->segments[0]->facts.base_offset - 1)
BREAKS(durable, whole->durable_offset = whole->end_offset + 1)
BREAKS(no_segment, whole->segment_count = 0)
BREAKS(segments, whole->segment_count = whole->segment_capacity + 1)
BREAKS(unmarked, whole->unmarked_bytes = -1)
BREAKS(sealed, weir_log_active(whole)->is_sealed = true)
BREAKS(epoch, whole->leader_epoch = weir_leader_epochs_last(&whole->epochs) - 1)
BREAKS(short_end, weir_log_active(whole)->facts.end_offset--)
BREAKS(far_end,
       weir_log_active(whole)->facts.has_holes = ++weir_log_active(whole)->facts.end_offset > 0)
BREAKS(segment_size, weir_log_active(whole)->facts.size = 0)
BREAKS(segment_negative, weir_log_active(whole)->facts.size = -1)
BREAKS(segment_unheld, atomic_store(&weir_log_active(whole)->references, 0))
BREAKS(segment_file, weir_log_active(whole)->kept = NULL)
BREAKS(index_base, whole->index.base_offset++)
BREAKS(index_written, whole->index.tail_written = whole->index.tail_count + 1)
BREAKS(index_count, whole->index.tail_count = whole->index.tail_capacity + 1)
BREAKS(index_capacity, whole->index.tail_capacity = WEIR_INDEX_TAIL_MAX + 1)
BREAKS(index_file, whole->index.file_count = -1)
BREAKS(index_time_file, whole->index.time_file_count = -1)
BREAKS(index_bytes, whole->index.bytes_since = -1)
BREAKS(epochs_count, whole->epochs.count = whole->epochs.capacity + 1)
BREAKS(epochs_capacity, whole->epochs.capacity = whole->epochs.count = 0)
BREAKS(producers_oldest, whole->producers.oldest = NULL)
BREAKS(producers_newest, whole->producers.newest = NULL)
BREAKS(producers_older, whole->producers.oldest = whole->producers.newest)
BREAKS(producers_newer, whole->producers.newest = whole->producers.oldest)
BREAKS(open_last, whole->producers.first_open = whole->producers.oldest)
BREAKS(open_first, whole->producers.last_open = whole->producers.oldest)
BREAKS(open_none,
       whole->producers.first_open = whole->producers.last_open = whole->producers.oldest)
BREAKS(tail_capacity, whole->tail.capacity++)
BREAKS(tail_count, whole->tail.count = whole->tail.capacity + 1)
BREAKS(tail_first, whole->tail.first = whole->tail.capacity)
BREAKS(tail_bound, whole->tail.bytes = whole->tail.bytes_max + 1)
BREAKS(tail_bytes, whole->tail.bytes = 0)
BREAKS(tail_empty, whole->tail.count = 0)
BREAKS(tail_room, whole->tail.has_room = (whole->tail.count = whole->tail.bytes = 0) == 0)
BREAKS(tail_end,
       whole->tail.runs[(whole->tail.first + whole->tail.count - 1) & (whole->tail.capacity - 1)]
           .end_offset++)

static void (*const broken[])(void) = {
    magic,
    start,
    start_below,
    durable,
    no_segment,
    segments,
    unmarked,
    sealed,
    epoch,
    short_end,
    far_end,
    segment_size,
    segment_negative,
    segment_unheld,
    segment_file,
    index_base,
    index_written,
    index_count,
    index_capacity,
    index_file,
    index_time_file,
    index_bytes,
    epochs_count,
    epochs_capacity,
    producers_oldest,
    producers_newest,
    producers_older,
    producers_newer,
    open_last,
    open_first,
    open_none,
    tail_capacity,
    tail_count,
    tail_first,
    tail_bound,
    tail_bytes,
    tail_empty,
    tail_room,
    tail_end,
};

START_TEST(a_broken_field_ends_the_program)
{
    broken[_i]();
    weir_partition_log_check(whole);
}
END_TEST

#ifdef WEIR_SLOW_ASSERTIONS
BREAKS(segment_order, whole->segments[0]->facts.base_offset = -1;
       whole->segments[1]->facts.base_offset = -1)
BREAKS(segment_hole, whole->segments[0]->facts.end_offset--)
BREAKS(segment_open, whole->segments[0]->is_sealed = false)
BREAKS(producer_batches, whole->producers.oldest->batch_count = WEIR_PRODUCER_BATCHES + 1)
BREAKS(producer_key, whole->producers.oldest->id++)
BREAKS(producer_lost, whole->producers.oldest = whole->producers.oldest->newer;
       whole->producers.oldest->older = NULL)
BREAKS(tail_counted, whole->tail.bytes++)
BREAKS(tail_hole, whole->tail.runs[whole->tail.first].base_offset =
                      whole->tail.runs[whole->tail.first].end_offset)

static void (*const broken_deep[])(void) = {
    segment_order, segment_hole,  segment_open, producer_batches,
    producer_key,  producer_lost, tail_counted, tail_hole,
};

START_TEST(a_broken_row_ends_the_program)
{
    broken_deep[_i]();
    weir_partition_log_check(whole);
}
END_TEST
#endif

/* A mark of three segments, the second of which has a hole at its end. */
static struct weir_segment_facts facts[3];
static struct weir_durable_mark_view view;

static const struct weir_segment_facts *facts_at(const void *context, size_t index)
{
    (void)context;
    return &facts[index];
}

static void set_up_mark(void)
{
    set_up();
    facts[0] = (struct weir_segment_facts){.base_offset = 10, .end_offset = 20, .size = 100};
    facts[1] = (struct weir_segment_facts){
        .base_offset = 20, .end_offset = 28, .size = 80, .has_holes = true};
    facts[2] = (struct weir_segment_facts){.base_offset = 30, .end_offset = 40, .size = 100};
    view = (struct weir_durable_mark_view){
        .is_clean = true,
        .start_offset = 12,
        .end_offset = 40,
        .leader_epoch = whole->leader_epoch,
        .epochs = &whole->epochs,
        .producers = &whole->producers,
        .lost = &whole->lost,
        .segment_count = 3,
        .segment = facts_at,
    };
}

START_TEST(a_whole_mark_passes)
{
    weir_durable_mark_check(&view);
    view.is_clean = false;
    view.is_truncating = true;
    facts[2] = weir_segment_facts_at(40); /* empty, as a new one is */
    weir_durable_mark_check(&view);
}
END_TEST

BREAKS(mark_empty, view.segment_count = 0)
BREAKS(mark_partition, view.partition = -1)
BREAKS(mark_both, view.is_truncating = true)
BREAKS(mark_start_below, view.start_offset = 9)
BREAKS(mark_start_above, view.start_offset = 41)
BREAKS(mark_end_below, view.end_offset = 39)
BREAKS(mark_end_above, view.end_offset = 41)
BREAKS(mark_epoch, view.leader_epoch = weir_leader_epochs_last(&whole->epochs) - 1)
BREAKS(mark_epochs, whole->epochs.count = whole->epochs.capacity + 1)
BREAKS(mark_producers, whole->producers.oldest = NULL)
BREAKS(mark_base, facts[0].base_offset = -1)
BREAKS(mark_size, facts[1].size = -1)
BREAKS(mark_sizeless, facts[1].size = 0)
BREAKS(mark_of_nothing, facts[2] = weir_segment_facts_at(40); facts[2].size = 1)
BREAKS(mark_order, facts[1] = weir_segment_facts_at(30); facts[1].has_holes = true;
       facts[0].has_holes = true)
BREAKS(mark_overlap, facts[1].end_offset = 31)
BREAKS(mark_gap, facts[1].has_holes = false)
BREAKS(mark_backwards, facts[1].end_offset = 19)

static void (*const broken_mark[])(void) = {
    mark_empty,     mark_partition, mark_both,      mark_start_below, mark_start_above,
    mark_end_below, mark_end_above, mark_epoch,     mark_epochs,      mark_producers,
    mark_base,      mark_size,      mark_sizeless,  mark_of_nothing,  mark_order,
    mark_overlap,   mark_gap,       mark_backwards,
};

START_TEST(a_broken_mark_ends_the_program)
{
    broken_mark[_i]();
    weir_durable_mark_check(&view);
}
END_TEST

static void add(Suite *suite)
{
    TCase *marks = tcase_create("marks");
    tcase_add_checked_fixture(marks, set_up_mark, tear_down);
    tcase_add_test(marks, a_whole_mark_passes);
    ADD_BROKEN(marks, a_broken_mark_ends_the_program, broken_mark);
    suite_add_tcase(suite, marks);
    TCase *tests = tcase_create("checks");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_whole_log_passes);
    ADD_BROKEN(tests, a_broken_field_ends_the_program, broken);
#ifdef WEIR_SLOW_ASSERTIONS
    ADD_BROKEN(tests, a_broken_row_ends_the_program, broken_deep);
#endif
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log checks", add);
}
