/**
 * The invariants of a partition on its shard, of the flush group, of the deadline heap, of the
 * shard itself and of a fetch that waits: each row breaks a field of one that is whole, and the
 * check has to end the program.
 */
#include "broker/engine/deadline_heap.h"
#include "broker/engine/delayed_fetch.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "tests/support/broken.h"

static char place; /* what is only pointed at */
static struct weir_partition partition;
static struct weir_flush_entry entries[2];
static struct weir_flush_group group; /* one entry in flight, one dirty */
static size_t indexes[2];
static struct weir_deadline deadlines[2];
static struct weir_deadline_heap heap;
static struct weir_engine engine;
static struct weir_shard shards[2];
static struct weir_shard *shard = &shards[1]; /* a partition of it has two fetches that wait */
static struct weir_heap memory;
static struct weir_budget budget;
static struct weir_partition waited_on;
static struct weir_fetch_request fetches[2];
static struct weir_deadline waits[2];

static void set_up(void)
{
    partition = (struct weir_partition){
        .state = WEIR_PARTITION_OPEN,
        .log = (struct weir_partition_log *)&place,
        .shown = {.start_offset = 1, .durable_offset = 2, .end_offset = 3},
        .high_watermark = 2,
        .last_stable_offset = 1,
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
    weir_heap_init(&memory, false);
    weir_budget_init(&budget, "checks", &memory, NULL, 0);
    engine =
        (struct weir_engine){.env = (struct weir_env *)&place, .shards = shards, .shard_count = 2};
    shards[1] = (struct weir_shard){
        .engine = &engine,
        .env = engine.env,
        .budget = &engine.budget,
        .actor = (struct weir_actor *)&place,
        .metadata = {.actor = &shards[1].actor, .known = (struct weir_metadata_version *)&place},
        .flush = {.actor = &shards[1].actor, .serving = &engine.serving},
        .deadlines = {.entries = waits, .count = 2, .capacity = 2},
        .listener.actor = &shards[1].actor,
    };
    weir_map_init(&shard->partitions, &budget);
    ck_assert_int_eq(weir_map_add(&shard->partitions, weir_text("clicks-0"), &waited_on), 0);
    weir_counter_set(&shard->open_partitions, 1);
    waited_on = (struct weir_partition){.shard = shard, .fetches = &fetches[0]};
    for (size_t i = 0; i < 2; i++) {
        fetches[i] = (struct weir_fetch_request){
            .waits_on = &waited_on, .size_min = 1, .seen_bytes = 5, .wake_at_bytes = 6};
        fetches[i].deadline_index = i + 1;
        waits[i] = (struct weir_deadline){{1}, &fetches[i], &fetches[i].deadline_index};
    }
    fetches[0].next = &fetches[1];
    fetches[1].previous = &fetches[0];
}

static void tear_down(void)
{
    weir_map_close(&shard->partitions);
}

static void check_all(void)
{
    weir_partition_check_state(&partition);
    weir_flush_group_check(&group);
    weir_deadline_heap_check(&heap);
    weir_shard_check(shard);
    weir_delayed_fetch_check(&fetches[0]);
    weir_delayed_fetch_check(&fetches[1]);
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
BREAKS(stable_above_the_watermark, partition.last_stable_offset = 3)
BREAKS(stable_below_the_start, partition.last_stable_offset = 0)
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
BREAKS(shard_engine, shard->engine = NULL)
BREAKS(shard_actor, shard->actor = NULL)
BREAKS(shard_env, shard->env = NULL)
BREAKS(shard_budget, shard->budget = &budget)
BREAKS(shard_of_none, engine.shard_count = 1)
BREAKS(shard_before_all, engine.shards = &shards[2])
BREAKS(shard_view, shard->metadata.actor = &shards[0].actor)
BREAKS(shard_knows_nothing, shard->metadata.known = NULL)
BREAKS(shard_group, shard->flush.actor = &shards[0].actor)
BREAKS(shard_serving, shard->flush.serving = NULL)
BREAKS(shard_listener, shard->listener.actor = &shards[0].actor)
BREAKS(shard_open, weir_counter_set(&shard->open_partitions, 2))
BREAKS(shard_open_negative, weir_counter_set(&shard->open_partitions, -1))
BREAKS(shard_deadlines, shard->deadlines.count = 3)
BREAKS(waits_on_nothing, fetches[0].waits_on = NULL)
BREAKS(waits_without_deadline, fetches[0].deadline_index = 0)
BREAKS(waits_beyond_the_heap, fetches[1].deadline_index = 3)
BREAKS(waits_for_another, waits[1].item = &place)
BREAKS(waits_unlisted, waited_on.fetches = &fetches[1])
BREAKS(waits_not_first, fetches[1].previous = NULL)
BREAKS(waits_previous, fetches[0].next = NULL)
BREAKS(waits_next, fetches[1].previous = &fetches[1])
BREAKS(waits_for_no_bytes, fetches[0].size_min = 0)
BREAKS(waits_for_what_it_saw, fetches[0].wake_at_bytes = 5)
BREAKS(waits_seen, fetches[0].seen_bytes = -1)
#ifdef WEIR_SLOW_ASSERTIONS
BREAKS(heap_place, indexes[1] = 1)
BREAKS(heap_order, deadlines[1].at.ns = 0)
#endif

static void (*const broken[])(void) = {
    waiting_first,
    waiting_last,
    acks_first,
    acks_last,
    resolving_with_log,
    open_without_log,
    reads_negative,
    reads_of_worker,
    flight_of_worker,
    machine_without_ops,
    shown_start,
    shown_durable,
    high_watermark,
    stable_above_the_watermark,
    stable_below_the_start,
    bytes_visible,
    bytes_flushed,
    dirty_first,
    dirty_last,
    dirty_next,
    flight_flag,
    flight_first,
    flight_count,
    lazy_for_ever,
    heap_count,
    heap_first,
    shard_engine,
    shard_actor,
    shard_env,
    shard_budget,
    shard_of_none,
    shard_before_all,
    shard_view,
    shard_knows_nothing,
    shard_group,
    shard_serving,
    shard_listener,
    shard_open,
    shard_open_negative,
    shard_deadlines,
    waits_on_nothing,
    waits_without_deadline,
    waits_beyond_the_heap,
    waits_for_another,
    waits_unlisted,
    waits_not_first,
    waits_previous,
    waits_next,
    waits_for_no_bytes,
    waits_for_what_it_saw,
    waits_seen,
#ifdef WEIR_SLOW_ASSERTIONS
    heap_place,
    heap_order,
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
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_is_whole_passes);
    ADD_BROKEN(tests, a_broken_field_ends_the_program, broken);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("engine checks", add);
}
