/**
 * The invariants of a partition on its shard, of the flush group and of the deadline heap: each row breaks a
 * field of one that is whole, and the check has to end the program.
 */
#include "broker/engine/deadline_heap.h"
#include "broker/engine/partition.h"
#include "tests/support/broken.h"

static char place; /* what is only pointed at */
static struct weir_partition partition;
static struct weir_flush_entry entries[2];
static struct weir_flush_group group; /* one entry in flight, one dirty */
static size_t indexes[2];
static struct weir_deadline deadlines[2];
static struct weir_deadline_heap heap;

static void set_up(void)
{
    partition = (struct weir_partition){
        .state = WEIR_PARTITION_OPEN,
        .log = (struct weir_partition_log *)&place,
        .shown = {.start_offset = 1, .durable_offset = 2, .end_offset = 3},
        .high_watermark = 2,
        .bytes_appended = 3,
        .bytes_visible = 2,
        .flush_bytes = 3,
    };
    memset(entries, 0, sizeof entries);
    group = (struct weir_flush_group){
        .dirty_first = &entries[0],
        .dirty_last = &entries[0],
        .flight_first = &entries[1],
        .flight_count = 1,
        .is_in_flight = true,
        .lazy_at = WEIR_MONO_NEVER,
    };
    indexes[0] = 1;
    indexes[1] = 2;
    deadlines[0] = (struct weir_deadline){{1}, &place, &indexes[0]};
    deadlines[1] = (struct weir_deadline){{2}, &place, &indexes[1]};
    heap = (struct weir_deadline_heap){.entries = deadlines, .count = 2, .capacity = 2};
}

static void check_all(void)
{
    weir_partition_check_state(&partition);
    weir_flush_group_check(&group);
    weir_deadline_heap_check(&heap);
}

START_TEST(what_is_whole_passes)
{
    check_all();
}
END_TEST

BREAKS(waiting_first, partition.waiting_first = (struct weir_request *)&place)
BREAKS(waiting_last, partition.waiting_last = (struct weir_request *)&place)
BREAKS(acks_first, partition.acks_first = (struct weir_produce_request *)&place)
BREAKS(acks_last, partition.acks_last = (struct weir_produce_request *)&place)
BREAKS(resolving_with_log, partition.state = WEIR_PARTITION_RESOLVING)
BREAKS(open_without_log, partition.log = NULL)
BREAKS(reads_negative, partition.reads = -1)
BREAKS(reads_of_worker, partition.state = WEIR_PARTITION_WORKING; partition.reads = 1)
BREAKS(flight_of_worker, partition.state = WEIR_PARTITION_WORKING;
       partition.flush.is_in_flight = true)
BREAKS(machine_without_ops, partition.state_machine = &place)
BREAKS(shown_start, partition.shown.start_offset = 3)
BREAKS(shown_durable, partition.shown.durable_offset = 4)
BREAKS(high_watermark, partition.high_watermark = 4)
BREAKS(bytes_visible, partition.bytes_visible = 4)
BREAKS(bytes_flushed, partition.flush_bytes = 4)
BREAKS(dirty_first, group.dirty_first = NULL)
BREAKS(dirty_last, group.dirty_last = NULL)
BREAKS(dirty_next, entries[0].next = &entries[1])
BREAKS(flight_flag, group.is_in_flight = false)
BREAKS(flight_first, group.flight_first = NULL)
BREAKS(flight_count, group.flight_count = 0)
BREAKS(lazy_for_ever, group.lazy_first = &entries[0])
BREAKS(heap_count, heap.count = 3)
BREAKS(heap_first, indexes[0] = 2)
#ifdef WEIR_SLOW_ASSERTIONS
BREAKS(heap_place, indexes[1] = 1)
BREAKS(heap_order, deadlines[1].at.ns = 0)
#endif

static void (*const broken[])(void) = {
    waiting_first,    waiting_last,   acks_first,      acks_last,        resolving_with_log,
    open_without_log, reads_negative, reads_of_worker, flight_of_worker, machine_without_ops,
    shown_start,      shown_durable,  high_watermark,  bytes_visible,    bytes_flushed,
    dirty_first,      dirty_last,     dirty_next,      flight_flag,      flight_first,
    flight_count,     lazy_for_ever,  heap_count,      heap_first,
#ifdef WEIR_SLOW_ASSERTIONS
    heap_place,       heap_order,
#endif
};

START_TEST(a_broken_field_ends_the_program)
{
    broken[_i]();
    check_all();
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("checks");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, what_is_whole_passes);
    ADD_BROKEN(tests, a_broken_field_ends_the_program, broken);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("engine checks", add);
}
