/**
 * The invariants of a producer, of a batch of its and of a consumer: each row breaks a field of one that is whole, and the
 * check has to end the program. What costs O(n) to see is asked for only where assertions may be slow.
 */
#include "client/consumer_internal.h"
#include "client/producer_internal.h"
#include "tests/support/broken.h"

/* ---- a producer: one batch open, one on its way, one done -------------------------------------- */

static struct weir_producer producer;
static struct weir_producer_partition busy;
static struct weir_producer_batch is_open, in_flight, is_done;

static void set_up_producer(void)
{
    is_open = (struct weir_producer_batch){.charged = 100};
    in_flight = (struct weir_producer_batch){.charged = 50};
    is_done = (struct weir_producer_batch){0};
    busy = (struct weir_producer_partition){.open = &is_open, .is_busy = true};
    busy.queue.first = busy.queue.last = &in_flight.queued;
    producer = (struct weir_producer){
        .magic = WEIR_PRODUCER_MAGIC,
        .is_idempotent = true,
        .producer_id = 7,
        .busy = &busy,
        .busy_end = &busy.next_busy,
        .unanswered = 1,
        .memory_used = 150,
        .pool_max = 2,
        .done = &is_done,
        .done_end = &is_done.next,
        .done_bytes = 8,
    };
}

static void be_idle(void)
{
    producer.busy = NULL;
    producer.busy_end = &producer.busy;
    producer.unanswered = producer.memory_used = 0;
    producer.done = NULL;
    producer.done_end = &producer.done;
    producer.done_bytes = 0;
}

START_TEST(a_whole_producer_passes)
{
    weir_producer_check(&producer);
    be_idle();
    weir_producer_check(&producer);
}
END_TEST

BREAKS(producer_magic, producer.magic++)
BREAKS(busy_end, producer.busy_end = &producer.busy)
BREAKS(busy_goes_on, busy.next_busy = &busy)
BREAKS(idle_end, be_idle(); producer.busy_end = &busy.next_busy)
BREAKS(idle_memory, be_idle(); producer.memory_used = 1)
BREAKS(idle_unanswered, be_idle(); producer.unanswered = 1)
BREAKS(done_end, producer.done_end = &producer.done)
BREAKS(none_done_end, be_idle(); producer.done_end = &is_done.next)
BREAKS(none_done_bytes, be_idle(); producer.done_bytes = 8)
BREAKS(pool_count, producer.pool_count = producer.pool_max + 1)
BREAKS(pool_max, producer.pool_max = WEIR_PRODUCER_POOL_MAX + 1)
BREAKS(pool_start, producer.pool_start = WEIR_PRODUCER_POOL_MAX)
BREAKS(id_of_none, producer.is_idempotent = false)
#ifdef WEIR_SLOW_ASSERTIONS
BREAKS(unanswered_sum, producer.unanswered++)
BREAKS(memory_sum, producer.memory_used++)
BREAKS(not_busy, busy.is_busy = false)
#endif

static void (*const broken_producers[])(void) = {
    producer_magic, busy_end,        busy_goes_on, idle_end, idle_memory, idle_unanswered, done_end,
    none_done_end,  none_done_bytes, pool_count,   pool_max, pool_start,  id_of_none,
#ifdef WEIR_SLOW_ASSERTIONS
    unanswered_sum, memory_sum,      not_busy,
#endif
};

START_TEST(a_broken_producer_ends_the_program)
{
    broken_producers[_i]();
    weir_producer_check(&producer);
}
END_TEST

/* ---- a batch: open, on its way, free ------------------------------------------------------------ */

static struct weir_shared bytes;
static struct weir_producer_batch batch;

static void set_up_batch(void)
{
    bytes.size = 10;
    batch = (struct weir_producer_batch){
        .producer = &producer,
        .partition = &busy,
        .bytes = &bytes,
        .charged = 100,
        .contexts.size = 2 * sizeof(void *),
        .queued = {.state = WEIR_BATCH_IN_FLIGHT, .record_count = 2},
    };
}

static void be_open(void)
{
    batch.queued = (struct weir_queued_batch){.state = WEIR_BATCH_OPEN};
    busy.open = &batch;
}

static void be_free(void)
{
    batch = (struct weir_producer_batch){.producer = &producer};
}

START_TEST(a_whole_batch_passes)
{
    weir_producer_batch_check(&batch);
    be_open();
    weir_producer_batch_check(&batch);
    be_free();
    weir_producer_batch_check(&batch);
}
END_TEST

BREAKS(of_no_producer, batch.producer = NULL)
BREAKS(sent_without_bytes, batch.bytes = NULL)
BREAKS(sent_uncharged, batch.charged = 0)
BREAKS(to_nowhere, batch.partition = NULL)
BREAKS(sent_empty, bytes.size = 0)
BREAKS(sent_without_records, batch.queued.record_count = 0)
BREAKS(half_a_context, batch.contexts.size--)
BREAKS(open_elsewhere, be_open(); busy.open = &is_open)
BREAKS(open_without_bytes, be_open(); batch.bytes = NULL)
BREAKS(free_with_bytes, be_free(); batch.bytes = &bytes)
BREAKS(free_and_charged, be_free(); batch.charged = 1)
BREAKS(free_with_contexts, be_free(); batch.contexts.size = sizeof(void *))
BREAKS(done_with_bytes, batch.queued.state = WEIR_BATCH_DONE)

static void (*const broken_batches[])(void) = {
    of_no_producer,       sent_without_bytes, sent_uncharged,  to_nowhere,         sent_empty,
    sent_without_records, half_a_context,     open_elsewhere,  open_without_bytes, free_with_bytes,
    free_and_charged,     free_with_contexts, done_with_bytes,
};

START_TEST(a_broken_batch_ends_the_program)
{
    broken_batches[_i]();
    weir_producer_batch_check(&batch);
}
END_TEST

/* ---- a consumer: what one partition has fetched is held, another is ready ---------------------- */

static struct weir_consumer consumer;
static struct weir_consumer_partition held, ready;
static struct weir_consumer_partition *partitions[] = {&held, &ready};
static struct weir_record record;

static void set_up_consumer(void)
{
    held = (struct weir_consumer_partition){.consumer = &consumer, .position = 5};
    ready = (struct weir_consumer_partition){
        .consumer = &consumer, .index = 1, .turn.state = WEIR_CONSUMER_READY};
    ready.fetch.batches.part_count = 1;
    consumer = (struct weir_consumer){
        .magic = WEIR_CONSUMER_MAGIC,
        .by_name = {.live_count = 2},
        .partitions = partitions,
        .partition_count = 2,
        .partition_capacity = 2,
        .turn = 1,
        .held = {.partition = &held, .part = 1, .has_batch = true, .in_batch = true},
        .records = &record,
    };
    consumer.held.batches.part_count = 2;
}

static void hold_nothing(void)
{
    consumer.held = (struct weir_consumer_held){0};
}

START_TEST(a_whole_consumer_passes)
{
    weir_consumer_check(&consumer);
    hold_nothing();
    weir_consumer_check(&consumer);
}
END_TEST

BREAKS(consumer_magic, consumer.magic++)
BREAKS(no_records, consumer.records = NULL)
BREAKS(capacity, consumer.partition_capacity = 1)
BREAKS(names, consumer.by_name.live_count--)
BREAKS(turn, consumer.turn = 2)
BREAKS(held_part, consumer.held.part = 3)
BREAKS(open_of_none, consumer.held.has_batch = false)
BREAKS(held_of_nobody, hold_nothing(); consumer.held.batches.part_count = 1)
BREAKS(batch_of_nobody, hold_nothing(); consumer.held.has_batch = true)
#ifdef WEIR_SLOW_ASSERTIONS
BREAKS(ready_with_nothing, ready.fetch.batches.part_count = 0)
BREAKS(failed_and_ready, ready.turn.has_failed = true)
BREAKS(of_another, held.consumer = NULL)
BREAKS(position, held.position = -1)
BREAKS(number, held.index = -1)
#endif

static void (*const broken_consumers[])(void) = {
    consumer_magic,     no_records,       capacity,       names,           turn,
    held_part,          open_of_none,     held_of_nobody, batch_of_nobody,
#ifdef WEIR_SLOW_ASSERTIONS
    ready_with_nothing, failed_and_ready, of_another,     position,        number,
#endif
};

START_TEST(a_broken_consumer_ends_the_program)
{
    broken_consumers[_i]();
    weir_consumer_check(&consumer);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("producer");
    tcase_add_checked_fixture(tests, set_up_producer, NULL);
    tcase_add_test(tests, a_whole_producer_passes);
    ADD_BROKEN(tests, a_broken_producer_ends_the_program, broken_producers);
    suite_add_tcase(suite, tests);
    tests = tcase_create("batch");
    tcase_add_checked_fixture(tests, set_up_batch, NULL);
    tcase_add_test(tests, a_whole_batch_passes);
    ADD_BROKEN(tests, a_broken_batch_ends_the_program, broken_batches);
    suite_add_tcase(suite, tests);
    tests = tcase_create("consumer");
    tcase_add_checked_fixture(tests, set_up_consumer, NULL);
    tcase_add_test(tests, a_whole_consumer_passes);
    ADD_BROKEN(tests, a_broken_consumer_ends_the_program, broken_consumers);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("client checks", add);
}
