#include "broker/log/producer_state.h"

#include <string.h>

#include "tests/support/support.h"
#include "wire/generated/producer_snapshot.h"

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_producer_state state;
static struct weir_error error;
static int64_t next_offset;

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_producer_state_init(&state, &budget);
    next_offset = 100;
}

static void tear_down(void)
{
    weir_producer_state_close(&state);
    ck_assert_uint_eq(budget.used, 0);
}

static struct weir_batch_header batch_of(int64_t id, int16_t epoch, int32_t sequence, int count)
{
    return (struct weir_batch_header){
        .base_offset = next_offset,
        .last_offset_delta = count - 1,
        .record_count = count,
        .producer_id = id,
        .producer_epoch = epoch,
        .base_sequence = sequence,
    };
}

/* What Kafka would say: 0, WEIR_END with the first offset in `*first_out`, or a refusal. Accepted
 * ones are added. */
static int send_at(int64_t id, int16_t epoch, int32_t sequence, int count, int64_t now_ms)
{
    struct weir_producer_batch first;
    struct weir_batch_header header = batch_of(id, epoch, sequence, count);
    int rc = weir_producer_state_admit(&state, &header, NULL, &first, &error);
    if (rc == WEIR_END) {
        ck_assert_int_lt(first.base_offset, next_offset);
        ck_assert_int_eq(first.first_sequence, sequence);
    }
    if (rc != 0) return rc;
    ck_ok(weir_producer_state_reserve(&state, &header), &error);
    weir_producer_state_add(&state, &header, (struct weir_mono){now_ms * 1000000});
    next_offset += count;
    return 0;
}

static int send(int64_t id, int16_t epoch, int32_t sequence, int count)
{
    return send_at(id, epoch, sequence, count, 0);
}

/* With five requests in flight a lost answer makes the client repeat any of the last five, in any
 * order; each is known, the sixth is a gap, and a batch that only overlaps is no repetition. */
START_TEST(the_last_five_are_repetitions)
{
    for (int32_t i = 0; i < 8; i++) {
        ck_assert_int_eq(send(1, 0, i * 3, 3), 0);
    }
    for (int32_t i = 7; i >= 3; i--) {
        ck_assert_int_eq(send(1, 0, i * 3, 3), WEIR_END);
    }
    for (int32_t i = 2; i >= 0; i--) {
        ck_code(send(1, 0, i * 3, 3), WEIR_OUT_OF_ORDER_SEQUENCE);
    }
    ck_code(send(1, 0, 21, 2), WEIR_OUT_OF_ORDER_SEQUENCE);
    ck_code(send(1, 0, 22, 2), WEIR_OUT_OF_ORDER_SEQUENCE);
    ck_code(send(1, 0, 25, 1), WEIR_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(send(1, 0, 24, 1), 0);
}
END_TEST

/* Of five in flight the first was refused: the four behind it are refused as gaps until the client
 * sends it again. */
START_TEST(a_failed_batch_makes_the_later_ones_gaps)
{
    ck_assert_int_eq(send(1, 0, 0, 1), 0);
    for (int32_t sequence = 2; sequence < 6; sequence++) {
        ck_code(send(1, 0, sequence, 1), WEIR_OUT_OF_ORDER_SEQUENCE);
    }
    for (int32_t sequence = 1; sequence < 6; sequence++) {
        ck_assert_int_eq(send(1, 0, sequence, 1), 0);
    }
}
END_TEST

/* A higher epoch comes unannounced (a client's own bump) and begins at 0; the old one is fenced,
 * and old batches are no repetitions any more. */
START_TEST(a_higher_epoch_begins_anew)
{
    ck_assert_int_eq(send(1, 4, 0, 2), 0);
    ck_code(send(1, 5, 2, 2), WEIR_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(send(1, 5, 0, 2), 0);
    ck_code(send(1, 4, 2, 2), WEIR_PRODUCER_FENCED);
    ck_code(send(1, 4, 0, 2), WEIR_PRODUCER_FENCED);
    ck_assert_int_eq(send(1, 5, 0, 2), WEIR_END);
    ck_assert_int_eq(send(1, 5, 2, 2), 0);
    ck_assert_int_eq(send(1, 9, 0, 1), 0); /* more than one step is fine */
}
END_TEST

static void expect_told(const char *words)
{
    ck_assert_msg(strstr(error.text, words) != NULL, "%s", error.text);
}

/* A producer that is refused hears which sequence is next: behind its last batch, of an epoch
 * that begins, behind INT32_MAX, and behind the batch before it in the same append. */
START_TEST(a_gap_is_told_with_the_sequence_that_is_next)
{
    ck_assert_int_eq(send(1, 4, 0, 2), 0);
    ck_code(send(1, 4, 3, 1), WEIR_OUT_OF_ORDER_SEQUENCE);
    expect_told("producer 1 epoch 4: sequence 3 where 2 is next");
    ck_code(send(1, 5, 2, 2), WEIR_OUT_OF_ORDER_SEQUENCE);
    expect_told("producer 1 epoch 5: sequence 2 where 0 is next");
    ck_assert_int_eq(send(2, 0, INT32_MAX, 1), 0);
    ck_code(send(2, 0, 1, 1), WEIR_OUT_OF_ORDER_SEQUENCE);
    expect_told("sequence 1 where 0 is next");

    struct weir_producer_batch first;
    struct weir_batch_header before = batch_of(3, 1, 7, 2);
    struct weir_batch_header next = batch_of(3, 1, 9, 1);
    ck_ok(weir_producer_state_admit(&state, &next, &before, &first, &error), &error);
    next.base_sequence = 10;
    ck_code(weir_producer_state_admit(&state, &next, &before, &first, &error),
            WEIR_OUT_OF_ORDER_SEQUENCE);
    expect_told("sequence 10 where 9 is next");
    next = batch_of(3, 2, 9, 1); /* of another epoch, of another producer */
    ck_code(weir_producer_state_admit(&state, &next, &before, &first, &error),
            WEIR_OUT_OF_ORDER_SEQUENCE);
    next = batch_of(4, 1, 9, 1);
    ck_code(weir_producer_state_admit(&state, &next, &before, &first, &error),
            WEIR_OUT_OF_ORDER_SEQUENCE);
    before.base_sequence = INT32_MAX - 1;
    next = batch_of(3, 1, 0, 1);
    ck_ok(weir_producer_state_admit(&state, &next, &before, &first, &error), &error);
}
END_TEST

/* Who is not known may begin anywhere: what was known of it may have been forgotten. */
START_TEST(an_unknown_producer_begins_anywhere)
{
    ck_assert_int_eq(send(1, 3, 777, 5), 0);
    ck_code(send(1, 3, 777 + 6, 1), WEIR_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(send(1, 3, 777 + 5, 1), 0);
}
END_TEST

/* After INT32_MAX comes 0, at the border of two batches and within one. */
START_TEST(sequences_wrap)
{
    ck_assert_int_eq(send(1, 0, INT32_MAX, 1), 0);
    ck_assert_int_eq(send(1, 0, 0, 2), 0);
    ck_assert_int_eq(send(1, 0, INT32_MAX, 1), WEIR_END);
    ck_assert_int_eq(send(2, 0, INT32_MAX - 1, 4), 0);
    ck_code(send(2, 0, INT32_MAX, 1), WEIR_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(send(2, 0, 2, 1), 0);
    ck_assert_int_eq(send(2, 0, INT32_MAX - 1, 4), WEIR_END);
}
END_TEST

/* Beyond the bound those that were idle longest are forgotten; who sent lately is not, and memory
 * stays where it was. */
START_TEST(the_number_of_producers_is_bounded)
{
    const int64_t pause_ms = WEIR_PRODUCER_KEEP_MS + 1;
    state.count_max = 10;
    for (int64_t id = 0; id < 10; id++) {
        ck_assert_int_eq(send(id, 0, 0, 1), 0);
    }
    size_t used = budget.used;
    for (int64_t id = 10; id < 1000; id++) {
        int64_t now_ms = (id - 9) * pause_ms;
        ck_assert_int_eq(send_at(0, 0, (int32_t)id - 9, 1, now_ms), 0); /* now it is the newest */
        ck_assert_int_eq(send_at(id, 0, 0, 1, now_ms), 0);
        ck_assert_uint_le(weir_map_count(&state.map), 10);
    }
    ck_assert_uint_le(budget.used, used * 3);
    ck_code(send_at(999, 0, 5, 1, 1000 * pause_ms), WEIR_OUT_OF_ORDER_SEQUENCE); /* known */
    ck_assert_int_eq(send_at(1, 0, 5, 1, 1000 * pause_ms), 0);                   /* forgotten */
}
END_TEST

/* Up to the bound nobody has to go for the batches of others, however long idle. */
START_TEST(up_to_the_bound_nobody_is_forgotten)
{
    state.count_max = 3;
    for (int64_t id = 0; id < 3; id++) {
        ck_assert_int_eq(send_at(id, 0, 0, 1, id * 3 * WEIR_PRODUCER_KEEP_MS), 0);
    }
    for (int64_t id = 0; id < 3; id++) {
        ck_assert_int_eq(send(id, 0, 0, 1), WEIR_END);
    }
}
END_TEST

/* Those that are too many go once they have been idle, four with each batch: more than come, and
 * never so many that one batch waits for all of them. At the bound it ends. */
START_TEST(idle_producers_go_four_at_a_time)
{
    state.count_max = 10;
    state.count_limit = 40;
    for (int64_t id = 0; id < 31; id++) {
        ck_assert_int_eq(send(id, 0, 0, 1), 0);
    }
    ck_assert_uint_eq(weir_map_count(&state.map), 31);
    int32_t sequence = 1;
    for (size_t count = 31; count > 10;) {
        ck_assert_int_eq(send_at(30, 0, sequence++, 1, WEIR_PRODUCER_KEEP_MS + 1), 0);
        count = count > 14 ? count - 4 : 10;
        ck_assert_uint_eq(weir_map_count(&state.map), count);
    }
    ck_assert_int_eq(send_at(30, 0, sequence++, 1, WEIR_PRODUCER_KEEP_MS + 1), 0);
    ck_assert_uint_eq(weir_map_count(&state.map), 10);
    for (int64_t id = 21; id < 30; id++) {
        ck_assert_int_eq(send(id, 0, 0, 1), WEIR_END); /* the newest are those that stay */
    }
}
END_TEST

/* A flood of ids has nobody forgotten whose batch may still be repeated: beyond the bound all are kept
 * for a while, and at the limit new ones find no place until the oldest has been idle for it. */
START_TEST(a_flood_of_ids_forgets_nobody_who_sent_lately)
{
    state.count_max = 10;
    state.count_limit = 20;
    for (int64_t id = 0; id < 20; id++) {
        ck_assert_int_eq(send(id, 0, 0, 1), 0);
    }
    for (int64_t id = 0; id < 20; id++) {
        ck_assert_int_eq(send(id, 0, 0, 1), WEIR_END);
    }
    struct weir_batch_header known = batch_of(7, 0, 1, 1);
    struct weir_batch_header strange = batch_of(20, 0, 0, 1);
    const struct weir_mono soon = {WEIR_PRODUCER_KEEP_MS * INT64_C(1000000)};
    const struct weir_mono later = {soon.ns + 1};
    ck_assert(weir_producer_state_has_place(&state, &known, soon));
    ck_assert(!weir_producer_state_has_place(&state, &strange, soon));
    ck_assert(weir_producer_state_has_place(&state, &strange, later));
    ck_assert_int_eq(send_at(20, 0, 0, 1, WEIR_PRODUCER_KEEP_MS + 1), 0);
    ck_assert_uint_lt(weir_map_count(&state.map), 20);
    ck_assert_int_eq(send(19, 0, 0, 1), WEIR_END);
}
END_TEST

/* Appends that fail after the reservation leave no names behind, however many ids they bring. */
START_TEST(failed_appends_leave_no_names)
{
    ck_assert_int_eq(send(7, 0, 0, 1), 0);
    for (int64_t id = 100; id < 1000; id++) {
        struct weir_batch_header header = batch_of(id, 0, 0, 1);
        weir_producer_state_drop_names(&state);
        ck_ok(weir_producer_state_reserve(&state, &header), &error);
        ck_assert_uint_le(weir_map_count(&state.map), 2);
    }
    ck_assert_int_eq(send(7, 0, 0, 1), WEIR_END);
    ck_assert_int_eq(send(999, 0, 3, 1), 0);
    ck_assert_int_eq(send(999, 0, 4, 1), 0);
}
END_TEST

/* In one append several new producers may be: none displaces another, nor does the bound on their number while
 * the first of them are added already. */
START_TEST(new_producers_of_one_append_have_their_places)
{
    struct weir_mono late = {(int64_t)(WEIR_PRODUCER_KEEP_MS + 1) * 1000000};
    ck_assert_int_eq(send(7, 0, 0, 1), 0);
    state.count_max = 1;
    weir_producer_state_drop_names(&state);
    for (int64_t id = 100; id < 104; id++) {
        struct weir_batch_header header = batch_of(id, 0, 0, 1);
        ck_ok(weir_producer_state_reserve(&state, &header), &error);
    }
    for (int64_t id = 100; id < 104; id++) {
        struct weir_batch_header header = batch_of(id, 0, 0, 1);
        weir_producer_state_add(&state, &header, late);
        next_offset++;
    }
    for (int64_t id = 100; id < 104; id++)
        ck_assert_int_eq(send(id, 0, 0, 1), WEIR_END);
    ck_assert(!weir_producer_state_knows(&state, 7)); /* idle for longer than it is kept */
}
END_TEST

/* The order of last use survives the durable mark, so the same ones are forgotten afterwards. */
START_TEST(order_and_windows_survive_the_mark)
{
    struct weir_buffer bytes;
    weir_buffer_init(&bytes, &budget, 0);
    for (int64_t id = 0; id < 4; id++) {
        ck_assert_int_eq(send_at(id, 0, 0, 1, id), 0);
    }
    ck_assert_int_eq(send_at(0, 0, 1, 1, 9), 0);
    weir_producer_state_encode(&state, (struct weir_mono){10 * 1000000}, &bytes);
    weir_producer_state_close(&state);
    weir_producer_state_init(&state, &budget);
    struct weir_reader reader = weir_reader(weir_buffer_slice(&bytes));
    ck_ok(
        weir_producer_state_decode(&state, &reader, true, (struct weir_mono){10 * 1000000}, &error),
        &error);
    weir_buffer_close(&bytes);
    state.count_max = 3;
    /* 1 and 2 are forgotten, 0 and 3 are not */
    ck_assert_int_eq(send_at(50, 0, 0, 1, WEIR_PRODUCER_KEEP_MS + 10), 0);
    ck_assert_int_eq(send(0, 0, 0, 1), WEIR_END);
    ck_assert_int_eq(send(0, 0, 1, 1), WEIR_END);
    ck_assert_int_eq(send(3, 0, 0, 1), WEIR_END);
    ck_assert_int_eq(send(2, 0, 7, 1), 0);
}
END_TEST

/* One producer with two batches as a mark carries it, and one of its fields, which begins at `at`, with
 * other bytes: what decoding says. */
static int decode_with(size_t at, const void *bytes, size_t size)
{
    struct weir_buffer text;
    weir_buffer_init(&text, &budget, 0);
    weir_producer_state_close(&state);
    weir_producer_state_init(&state, &budget);
    next_offset = 100;
    ck_assert_int_eq(send(7, 3, 0, 2), 0);
    ck_assert_int_eq(send(7, 3, 2, 2), 0);
    weir_producer_state_encode(&state, (struct weir_mono){0}, &text);
    ck_assert_uint_le(at + size, text.size);
    memcpy(text.data + at, bytes, size);
    struct weir_producer_state read;
    weir_producer_state_init(&read, &budget);
    struct weir_reader reader = weir_reader(weir_buffer_slice(&text));
    int rc = weir_producer_state_decode(&read, &reader, true, (struct weir_mono){0}, &error);
    weir_producer_state_close(&read);
    weir_buffer_close(&text);
    return rc;
}

/* Each field of an entry with a value that no producer can have is refused: in the first batch, and
 * in the last. The layout is docs/format/durable-mark.md's: a count, then id, epoch, idle, coordinator
 * epoch, transaction, how many batches, and 32 bytes each. */
START_TEST(senseless_entries_of_a_mark_are_not_believed)
{
    enum { ID = 4, EPOCH = 12, COORDINATOR = 22, OPEN = 26, COUNT = 34, FIRST = 35, BATCH = 32 };
    static const uint8_t two[8] = {255, 255, 255, 255, 255, 255, 255, 254};
    static const uint8_t last[8] = {0, 0, 0, 0, 0, 0, 0, 103};
    static const uint8_t beyond[8] = {0, 0, 0, 0, 0, 0, 0, 104};
    static const uint8_t minus[8] = {255, 255, 255, 255, 255, 255, 255, 255};
    static const uint8_t far[8] = {0, 0, 0, 0, 0, 1, 0, 0};
    ck_assert_int_eq(decode_with(ID, minus, 0), 0);
    ck_code(decode_with(ID, minus, 8), WEIR_CORRUPT);
    ck_code(decode_with(EPOCH, minus, 2), WEIR_CORRUPT);
    ck_assert_int_eq(decode_with(COORDINATOR, minus, 4), 0);
    ck_code(decode_with(COORDINATOR, two + 4, 4), WEIR_CORRUPT);
    ck_assert_int_eq(decode_with(OPEN, minus, 8), 0);
    ck_code(decode_with(OPEN, two, 8), WEIR_CORRUPT);
    ck_assert_int_eq(decode_with(OPEN, last, 8), 0);
    ck_code(decode_with(OPEN, beyond, 8), WEIR_CORRUPT); /* above the last batch */
    ck_code(decode_with(COUNT, "\6", 1), WEIR_CORRUPT);
    for (size_t batch = FIRST; batch <= FIRST + BATCH; batch += BATCH) {
        ck_code(decode_with(batch, minus, 4), WEIR_CORRUPT);      /* first sequence */
        ck_code(decode_with(batch + 4, minus, 4), WEIR_CORRUPT);  /* last sequence */
        ck_code(decode_with(batch + 8, minus, 8), WEIR_CORRUPT);  /* first offset */
        ck_code(decode_with(batch + 8, far, 8), WEIR_CORRUPT);    /* above the last */
        ck_code(decode_with(batch + 16, minus, 8), WEIR_CORRUPT); /* last offset */
        ck_assert_int_eq(decode_with(batch + 24, minus, 8), 0);   /* no timestamp is one */
    }
}
END_TEST

/* ---- transactions ---------------------------------------------------------------------------- */

static void add_with(int64_t id, int16_t epoch, int32_t sequence, int16_t attributes)
{
    struct weir_batch_header header = batch_of(id, epoch, sequence, 1);
    header.attributes = attributes;
    ck_ok(weir_producer_state_reserve(&state, &header), &error);
    weir_producer_state_add(&state, &header, (struct weir_mono){0});
    next_offset++;
}

static void send_transactional(int64_t id, int16_t epoch, int32_t sequence)
{
    add_with(id, epoch, sequence, WEIR_BATCH_TRANSACTIONAL);
}

static void end_transaction(int64_t id, int16_t epoch)
{
    add_with(id, epoch, WEIR_NO_SEQUENCE, WEIR_BATCH_TRANSACTIONAL | WEIR_BATCH_CONTROL);
}

static void expect_unstable(int64_t offset)
{
    ck_assert_int_eq(weir_producer_state_first_unstable(&state), offset);
}

/* The first batch opens a transaction, the marker of its producer ends it, in whatever order: the first
 * unstable offset is where the oldest of the open ones began. */
START_TEST(the_oldest_open_transaction_is_the_first_unstable_offset)
{
    expect_unstable(-1);
    ck_assert_int_eq(send(9, 0, 0, 1), 0); /* 100, idempotent only */
    expect_unstable(-1);
    send_transactional(1, 0, 0); /* 101 */
    send_transactional(2, 0, 0); /* 102 */
    send_transactional(1, 0, 1); /* 103 */
    send_transactional(3, 0, 0); /* 104 */
    expect_unstable(101);
    end_transaction(2, 0); /* 105 */
    expect_unstable(101);
    end_transaction(1, 0);
    expect_unstable(104);
    send_transactional(1, 0, 2); /* 107: the next one of the same producer */
    expect_unstable(104);
    end_transaction(3, 0);
    expect_unstable(107);
    end_transaction(1, 0);
    expect_unstable(-1);
    end_transaction(77, 0); /* of a producer that nobody knows */
    expect_unstable(-1);
}
END_TEST

/* A marker of a later epoch fences the one before, and sequences begin anew behind it: also once it has
 * been through the mark and through the snapshot. */
START_TEST(a_marker_begins_an_epoch)
{
    send_transactional(1, 3, 0);
    send_transactional(1, 3, 1);
    end_transaction(1, 4);
    for (int round = 0; round < 3; round++) {
        struct weir_producer_state read;
        struct weir_buffer bytes;
        ck_code(send(1, 3, 2, 1), WEIR_PRODUCER_FENCED);
        ck_code(send(1, 4, 2, 1), WEIR_OUT_OF_ORDER_SEQUENCE);
        struct weir_batch_header first = batch_of(1, 4, 0, 1);
        struct weir_producer_batch duplicate;
        ck_ok(weir_producer_state_admit(&state, &first, NULL, &duplicate, &error), &error);
        weir_buffer_init(&bytes, &budget, 0);
        weir_producer_state_init(&read, &budget);
        struct weir_mono now = {0};
        if (round == 0) {
            weir_producer_state_encode(&state, now, &bytes);
            struct weir_reader reader = weir_reader(weir_buffer_slice(&bytes));
            ck_ok(weir_producer_state_decode(&read, &reader, true, now, &error), &error);
        } else {
            weir_producer_snapshot_write(&state, &bytes);
            ck_ok(weir_producer_snapshot_read(&read, weir_buffer_slice(&bytes), now, &error),
                  &error);
        }
        weir_buffer_close(&bytes);
        weir_producer_state_close(&state);
        state = read;
    }
}
END_TEST

/* Kafka reads the snapshot: of a producer without a batch of its epoch it says none in each field, as
 * Kafka's own does. */
START_TEST(a_producer_without_a_batch_has_none_in_the_snapshot)
{
    enum { VERSION_SIZE = 2, SNAPSHOT_VERSION = 1 };
    struct weir_arena arena;
    struct weir_buffer bytes;
    struct weir_producer_snapshot snapshot;
    weir_arena_init(&arena, &budget, 0);
    weir_buffer_init(&bytes, &budget, 0);
    send_transactional(1, 3, 0);
    end_transaction(1, 4);
    weir_producer_snapshot_write(&state, &bytes);
    struct weir_slice body = weir_slice(bytes.data + VERSION_SIZE, bytes.size - VERSION_SIZE);
    ck_ok(weir_message_decode_whole(&weir_producer_snapshot_type, &snapshot, SNAPSHOT_VERSION, body,
                                    &arena, &error),
          &error);
    ck_assert_uint_eq(snapshot.producer_entries_count, 1);
    ck_assert_int_eq(snapshot.producer_entries[0].producer_id, 1);
    ck_assert_int_eq(snapshot.producer_entries[0].epoch, 4);
    ck_assert_int_eq(snapshot.producer_entries[0].last_sequence, -1);
    ck_assert_int_eq(snapshot.producer_entries[0].last_offset, -1);
    ck_assert_int_eq(snapshot.producer_entries[0].offset_delta, 0);
    ck_assert_int_eq(snapshot.producer_entries[0].timestamp, -1);
    ck_assert_int_eq(snapshot.producer_entries[0].current_txn_first_offset, -1);
    weir_buffer_close(&bytes);
    weir_arena_close(&arena);
}
END_TEST

/* Open transactions come back from the mark and from the snapshot, in order of their first offsets,
 * whatever order the producers are in. */
START_TEST(open_transactions_are_kept_in_their_order)
{
    send_transactional(1, 0, 0); /* 100 */
    send_transactional(2, 0, 0); /* 101 */
    send_transactional(3, 0, 0); /* 102 */
    send_transactional(2, 0, 1);
    send_transactional(1, 0, 1); /* last used: 3, 2, 1 */
    state.newest->coordinator_epoch = 12;
    for (int round = 0; round < 2; round++) {
        struct weir_producer_state read;
        struct weir_buffer bytes;
        struct weir_mono now = {0};
        weir_buffer_init(&bytes, &budget, 0);
        weir_producer_state_init(&read, &budget);
        if (round == 0) {
            weir_producer_state_encode(&state, now, &bytes);
            struct weir_reader reader = weir_reader(weir_buffer_slice(&bytes));
            ck_ok(weir_producer_state_decode(&read, &reader, true, now, &error), &error);
        } else {
            weir_producer_snapshot_write(&state, &bytes);
            ck_ok(weir_producer_snapshot_read(&read, weir_buffer_slice(&bytes), now, &error),
                  &error);
        }
        weir_buffer_close(&bytes);
        weir_producer_state_close(&state);
        state = read;
        ck_assert_int_eq(state.newest->coordinator_epoch, 12);
        ck_assert_int_eq(state.oldest->coordinator_epoch, -1);
        expect_unstable(100);
    }
    end_transaction(1, 0);
    expect_unstable(101);
    end_transaction(2, 0);
    expect_unstable(102);
    end_transaction(3, 0);
    expect_unstable(-1);
}
END_TEST

/* However long it is idle, a producer with an open transaction is not forgotten: nobody would know any
 * more that what it wrote is undecided. */
START_TEST(an_open_transaction_keeps_its_producer)
{
    struct weir_mono late = {INT64_MAX / 2};
    send_transactional(1, 0, 0);
    ck_assert_int_eq(send(2, 0, 0, 1), 0);
    ck_assert_uint_eq(weir_producer_state_expire(&state, late, 1), 1);
    expect_unstable(100);
    state.count_max = 1;
    state.count_limit = 2;
    ck_assert_int_eq(send_at(3, 0, 0, 1, 0), 0);
    struct weir_batch_header another = batch_of(4, 0, 0, 1);
    ck_assert(weir_producer_state_has_place(&state, &another, late)); /* the third gives way … */
    ck_ok(weir_producer_state_reserve(&state, &another), &error);
    weir_producer_state_add(&state, &another, late);
    ck_assert_uint_eq(weir_map_count(&state.map), 2);
    expect_unstable(100); /* … not the first */
    send_transactional(4, 0, 1);
    struct weir_batch_header more = batch_of(5, 0, 0, 1);
    ck_assert(!weir_producer_state_has_place(&state, &more, late));
}
END_TEST

/* Of a log that is cut: a transaction that began below the cut is open in what is left, one that began
 * above is not, and one that ended above is open again, as the batches below say. */
START_TEST(a_cut_takes_transactions_back)
{
    struct weir_producer_state below;
    weir_producer_state_init(&below, &budget);
    send_transactional(1, 0, 0); /* 100: stays open */
    send_transactional(2, 0, 0); /* 101: ends above */
    ck_assert_int_eq(send(3, 0, 0, 1), 0);
    ck_ok(weir_producer_state_copy_below(&below, &state, next_offset), &error);
    int64_t cut = next_offset;
    end_transaction(2, 0);
    send_transactional(3, 0, 1); /* begins above */
    end_transaction(1, 0);
    send_transactional(1, 0, 1); /* its next one, above */
    ck_ok(weir_producer_state_copy_below(&below, &state, cut), &error);
    weir_producer_state_close(&state);
    state = below;
    expect_unstable(100);
    end_transaction(1, 0);
    expect_unstable(101);
    end_transaction(2, 0);
    expect_unstable(-1);
}
END_TEST

static int admit_marker(int64_t id, int16_t epoch, int32_t coordinator_epoch, bool is_version_2)
{
    struct weir_transaction_marker marker = {
        .producer_id = id, .producer_epoch = epoch, .coordinator_epoch = coordinator_epoch};
    error = (struct weir_error){0};
    int rc = weir_producer_state_admit_marker(&state, &marker, is_version_2, &error);
    ck_told(rc, &error);
    return rc;
}

static struct weir_transaction_end mark(int64_t id, int16_t epoch, int32_t coordinator_epoch,
                                        bool is_commit)
{
    struct weir_batch_header header = batch_of(id, epoch, WEIR_NO_SEQUENCE, 1);
    struct weir_transaction_marker marker = {.coordinator_epoch = coordinator_epoch,
                                             .is_commit = is_commit};
    header.attributes = WEIR_BATCH_TRANSACTIONAL | WEIR_BATCH_CONTROL;
    ck_ok(weir_producer_state_reserve(&state, &header), &error);
    next_offset++;
    return weir_producer_state_end_transaction(&state, &header, &marker, (struct weir_mono){0});
}

/* Version 1: the transaction's own epoch, or a newer one that fences it. One that is there already is a repetition, one
 * of the same epoch from a newer coordinator is written again. */
START_TEST(a_marker_of_version_1_has_the_epoch_or_a_newer_one)
{
    ck_code(admit_marker(1, 5, 0, false), 0); /* of a producer that nobody knows */
    send_transactional(1, 5, 0);
    ck_code(admit_marker(1, 4, 0, false), WEIR_PRODUCER_FENCED);
    ck_code(admit_marker(1, 5, 0, false), 0);
    ck_code(admit_marker(1, 6, 0, false), 0);
    (void)mark(1, 5, 3, true);
    ck_code(admit_marker(1, 5, 3, false), WEIR_END);
    ck_code(admit_marker(1, 5, 2, false), WEIR_TRANSACTION_COORDINATOR_FENCED);
    ck_code(admit_marker(1, 5, 4, false), 0);
    send_transactional(1, 5, 1);
    ck_code(admit_marker(1, 5, 3, false), 0);
}
END_TEST

/* Version 2: always a newer epoch than the transaction's. The same one with nothing open is a repetition; with something
 * open it is a marker of a transaction that is over, which must not end the one behind it. */
START_TEST(a_marker_of_version_2_has_a_newer_epoch)
{
    send_transactional(1, 5, 0);
    ck_code(admit_marker(1, 5, 0, true), WEIR_PRODUCER_FENCED);
    ck_code(admit_marker(1, 6, 0, true), 0);
    (void)mark(1, 6, 0, false);
    ck_code(admit_marker(1, 6, 0, true), WEIR_END);
    ck_code(admit_marker(1, 5, 0, true), WEIR_PRODUCER_FENCED);
    ck_code(send(1, 5, 1, 1), WEIR_PRODUCER_FENCED); /* what was late */
    send_transactional(1, 6, 0);
    ck_code(admit_marker(1, 6, 0, true), WEIR_PRODUCER_FENCED);
    expect_unstable(102);
}
END_TEST

/* Of a producer that has written nothing here a marker leaves its epoch: what comes late is fenced. */
START_TEST(a_marker_fences_who_has_written_nothing)
{
    struct weir_transaction_end end = mark(1, 6, 2, false);
    ck_assert(!end.is_abort); /* of nothing */
    ck_assert_int_eq(end.first_offset, -1);
    ck_code(send(1, 5, 0, 1), WEIR_PRODUCER_FENCED);
    ck_code(send(1, 6, 1, 1), WEIR_OUT_OF_ORDER_SEQUENCE);
    ck_code(send(1, 6, 0, 1), 0);
    ck_code(admit_marker(1, 7, 1, true), WEIR_TRANSACTION_COORDINATOR_FENCED);
}
END_TEST

/* An abort says what is not to be read, and up to where everything was decided with it. */
START_TEST(an_abort_says_what_it_has_ended)
{
    send_transactional(1, 0, 0); /* 100 */
    send_transactional(2, 0, 0); /* 101 */
    struct weir_transaction_end end = mark(2, 0, 0, false);
    ck_assert(end.is_abort);
    ck_assert_int_eq(end.producer_id, 2);
    ck_assert_int_eq(end.first_offset, 101);
    ck_assert_int_eq(end.last_offset, 102);
    ck_assert_int_eq(end.last_stable_offset, 100); /* of producer 1 nothing is decided yet */
    send_transactional(2, 0, 1);                   /* 103 */
    end = mark(1, 0, 0, true);
    ck_assert(!end.is_abort);
    end = mark(2, 0, 0, false);
    ck_assert_int_eq(end.first_offset, 103);
    ck_assert_int_eq(end.last_stable_offset, end.last_offset + 1);
}
END_TEST

static int send_with(int64_t id, int16_t epoch, int32_t sequence, int16_t attributes)
{
    struct weir_producer_batch duplicate;
    struct weir_batch_header header = batch_of(id, epoch, sequence, 1);
    header.attributes = attributes;
    error = (struct weir_error){0};
    int rc = weir_producer_state_admit(&state, &header, NULL, &duplicate, &error);
    if (rc == 0) add_with(id, epoch, sequence, attributes);
    return rc;
}

/* Within a transaction there is nothing that is not of it, also not with a newer epoch; a repeated batch is one. */
START_TEST(an_open_transaction_takes_no_other_batches)
{
    ck_code(send_with(1, 0, 0, 0), 0);
    ck_code(send_with(1, 0, 1, WEIR_BATCH_TRANSACTIONAL), 0);
    ck_code(send_with(1, 0, 2, 0), WEIR_INVALID_TXN_STATE);
    ck_code(send_with(1, 1, 0, 0), WEIR_INVALID_TXN_STATE);
    ck_code(send_with(1, 0, 0, 0), WEIR_END);
    ck_code(send_with(1, 0, 2, WEIR_BATCH_TRANSACTIONAL), 0);
    (void)mark(1, 0, 0, true);
    ck_code(send_with(1, 0, 3, 0), 0);
}
END_TEST

/* The batches of one append are of one transaction, or of none. */
START_TEST(an_append_is_of_one_transaction)
{
    struct weir_producer_batch duplicate;
    struct weir_batch_header first = batch_of(1, 0, 0, 1);
    struct weir_batch_header second = batch_of(1, 0, 1, 1);
    second.attributes = WEIR_BATCH_TRANSACTIONAL;
    ck_code(weir_producer_state_admit(&state, &second, &first, &duplicate, &error),
            WEIR_INVALID_TXN_STATE);
    ck_code(weir_producer_state_admit(&state, &first, &second, &duplicate, &error),
            WEIR_OUT_OF_ORDER_SEQUENCE);
    first.attributes = WEIR_BATCH_TRANSACTIONAL;
    ck_code(weir_producer_state_admit(&state, &second, &first, &duplicate, &error), 0);
}
END_TEST

/* What a coordinator writes within a transaction has no sequence: its epoch counts, and it opens the transaction, also
 * once it has been through the mark and the snapshot. */
START_TEST(a_batch_without_a_sequence_opens_a_transaction)
{
    ck_code(send_with(1, 3, WEIR_NO_SEQUENCE, WEIR_BATCH_TRANSACTIONAL), 0);
    ck_code(send_with(1, 3, WEIR_NO_SEQUENCE, WEIR_BATCH_TRANSACTIONAL), 0);
    ck_code(send_with(1, 2, WEIR_NO_SEQUENCE, WEIR_BATCH_TRANSACTIONAL), WEIR_PRODUCER_FENCED);
    for (int round = 0; round < 2; round++) {
        struct weir_producer_state read;
        struct weir_buffer bytes;
        struct weir_mono now = {0};
        expect_unstable(100);
        weir_buffer_init(&bytes, &budget, 0);
        weir_producer_state_init(&read, &budget);
        if (round == 0) {
            weir_producer_state_encode(&state, now, &bytes);
            struct weir_reader reader = weir_reader(weir_buffer_slice(&bytes));
            ck_ok(weir_producer_state_decode(&read, &reader, true, now, &error), &error);
        } else {
            weir_producer_snapshot_write(&state, &bytes);
            ck_ok(weir_producer_snapshot_read(&read, weir_buffer_slice(&bytes), now, &error),
                  &error);
        }
        weir_buffer_close(&bytes);
        weir_producer_state_close(&state);
        state = read;
    }
    expect_unstable(100);
    (void)mark(1, 3, 0, true);
    expect_unstable(-1);
}
END_TEST

/* Offsets have no sequence, and their producer a time all the same: when it was heard of last. */
START_TEST(who_has_sent_no_sequence_has_a_time)
{
    struct weir_producer_info info[2];
    struct weir_producer_clocks at = {.now = {5000 * INT64_C(1000000)}, .wall_ms = 1000000};
    ck_code(send_with(1, 3, WEIR_NO_SEQUENCE, WEIR_BATCH_TRANSACTIONAL), 0);
    ck_assert_int_eq(send(2, 0, 0, 1), 0); /* its batch says when: at 0 */
    ck_assert_uint_eq(weir_producer_state_list(&state, at, info), 2);
    ck_assert_int_eq(info[0].last_timestamp_ms, 1000000 - 5000);
    ck_assert_int_eq(info[0].last_sequence, WEIR_NO_SEQUENCE);
    ck_assert_int_eq(info[1].last_timestamp_ms, 0);
}
END_TEST

/* In version 2 of transactions a producer's state is there for as long as its epoch may be in use: who is not known
 * begins at 0, and in version 1 anywhere. */
START_TEST(who_is_not_known_begins_at_zero_in_version_2)
{
    struct weir_batch_header late = batch_of(1, 0, 7, 1);
    struct weir_batch_header first = batch_of(1, 0, 0, 1);
    ck_code(weir_producer_state_check_new(&state, &late, &error), WEIR_OUT_OF_ORDER_SEQUENCE);
    ck_code(weir_producer_state_check_new(&state, &first, &error), 0);
    send_transactional(1, 0, 0);
    ck_code(weir_producer_state_check_new(&state, &late, &error), 0); /* it is asked about a gap */
}
END_TEST

/* A snapshot of a version that is not known, whole otherwise, is refused by name. */
START_TEST(a_snapshot_of_another_version_is_refused)
{
    struct weir_buffer bytes;
    weir_buffer_init(&bytes, &budget, 0);
    ck_assert_int_eq(send(7, 3, 0, 2), 0);
    weir_producer_snapshot_write(&state, &bytes);
    static const uint8_t versions[] = {0, 2, 255};
    for (size_t i = 0; i < sizeof versions; i++) {
        struct weir_producer_state read;
        weir_producer_state_init(&read, &budget);
        bytes.data[1] = versions[i];
        ck_code(weir_producer_snapshot_read(&read, weir_buffer_slice(&bytes), (struct weir_mono){0},
                                            &error),
                WEIR_UNSUPPORTED_VERSION);
        weir_producer_state_close(&read);
    }
    weir_buffer_close(&bytes);
}
END_TEST

/* A day without a batch and the producer is unknown; not a moment before. */
START_TEST(idle_producers_are_forgotten)
{
    enum { DAY_MS = 86400000 };
    ck_assert_int_eq(send_at(1, 0, 0, 1, 0), 0);
    ck_assert_int_eq(send_at(2, 0, 0, 1, 1), 0);
    struct weir_mono now = {(int64_t)DAY_MS * 1000000};
    ck_assert_uint_eq(weir_producer_state_expire(&state, now, DAY_MS), 0);
    now.ns += 1000000;
    ck_assert_uint_eq(weir_producer_state_expire(&state, now, DAY_MS), 1);
    ck_assert_int_eq(send(1, 0, 33, 1), 0);
    ck_code(send(2, 0, 33, 1), WEIR_OUT_OF_ORDER_SEQUENCE);
}
END_TEST

/* The Nth allocation fails: nobody who was known is forgotten, and a second try works. */
START_TEST(reserving_survives_every_failed_allocation)
{
    int hits = 0;
    for (int64_t id = 0; id < 60; id++) {
        struct weir_batch_header header = batch_of(id, 0, 0, 1);
        heap.fail_at = (uint64_t)(1 + id % 4);
        int rc = weir_producer_state_reserve(&state, &header);
        bool was_hit = heap.fail_at == 0;
        heap.fail_at = 0;
        hits += was_hit;
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : 0);
        ck_assert_int_eq(send(id, 0, 0, 1), 0);
        for (int64_t before = 0; before <= id; before++) {
            ck_assert_int_eq(send(before, 0, 0, 1), WEIR_END);
        }
    }
    ck_assert_int_gt(hits, 10);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("producer state");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, the_last_five_are_repetitions);
    tcase_add_test(tests, a_failed_batch_makes_the_later_ones_gaps);
    tcase_add_test(tests, a_higher_epoch_begins_anew);
    tcase_add_test(tests, a_gap_is_told_with_the_sequence_that_is_next);
    tcase_add_test(tests, an_unknown_producer_begins_anywhere);
    tcase_add_test(tests, sequences_wrap);
    tcase_add_test(tests, the_number_of_producers_is_bounded);
    tcase_add_test(tests, up_to_the_bound_nobody_is_forgotten);
    tcase_add_test(tests, idle_producers_go_four_at_a_time);
    tcase_add_test(tests, a_flood_of_ids_forgets_nobody_who_sent_lately);
    tcase_add_test(tests, failed_appends_leave_no_names);
    tcase_add_test(tests, new_producers_of_one_append_have_their_places);
    tcase_add_test(tests, order_and_windows_survive_the_mark);
    tcase_add_test(tests, senseless_entries_of_a_mark_are_not_believed);
    tcase_add_test(tests, a_snapshot_of_another_version_is_refused);
    tcase_add_test(tests, idle_producers_are_forgotten);
    tcase_add_test(tests, the_oldest_open_transaction_is_the_first_unstable_offset);
    tcase_add_test(tests, a_marker_begins_an_epoch);
    tcase_add_test(tests, a_marker_of_version_1_has_the_epoch_or_a_newer_one);
    tcase_add_test(tests, a_marker_of_version_2_has_a_newer_epoch);
    tcase_add_test(tests, a_marker_fences_who_has_written_nothing);
    tcase_add_test(tests, an_abort_says_what_it_has_ended);
    tcase_add_test(tests, an_open_transaction_takes_no_other_batches);
    tcase_add_test(tests, an_append_is_of_one_transaction);
    tcase_add_test(tests, a_batch_without_a_sequence_opens_a_transaction);
    tcase_add_test(tests, who_has_sent_no_sequence_has_a_time);
    tcase_add_test(tests, who_is_not_known_begins_at_zero_in_version_2);
    tcase_add_test(tests, a_producer_without_a_batch_has_none_in_the_snapshot);
    tcase_add_test(tests, open_transactions_are_kept_in_their_order);
    tcase_add_test(tests, an_open_transaction_keeps_its_producer);
    tcase_add_test(tests, a_cut_takes_transactions_back);
    tcase_add_test(tests, reserving_survives_every_failed_allocation);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("producer state", add);
}
