#include <string.h>

#include "broker/broker_internal.h"
#include "broker/engine/partition_chores.h"
#include "broker/engine/request.h"
#include "broker/engine/shard.h"
#include "broker/engine/transaction_hold.h"
#include "tests/unit/broker/engine/engine_fixture.h"
#include "wire/record_batch_reader.h"
#include "wire/request/committed_filter.h"

/* Transactions at a partition: who begins one is asked about, markers end it, readers see what is decided. A stub
 * stands for the coordinator: it keeps each question until the test answers it. */

enum { ASKED_MAX = 64, PRODUCER = 40, OTHER = 41 };

struct stub {
    struct engine *engine;
    struct weir_add_partitions_request *asked[ASKED_MAX]; /* not answered yet */
    size_t asked_count;
    size_t asked_ever;
    bool says_yes; /* at once */
};

static struct engine engine;
static struct stub stub;

static void answer(struct weir_add_partitions_request *asked, int rc, int partition_rc)
{
    asked->rcs[0] = partition_rc;
    weir_request_reply(&asked->base.request, rc);
}

static void add_partitions(void *impl, struct weir_add_partitions_request *request)
{
    struct stub *owner = impl;
    struct weir_engine *inner = &owner->engine->broker->engine;
    weir_request_set_out(inner, &request->base.request);
    request->base.request.shard = &inner->shards[0];
    owner->asked_ever++;
    if (owner->says_yes) {
        answer(request, 0, 0);
        return;
    }
    ck_assert_uint_lt(owner->asked_count, ASKED_MAX);
    owner->asked[owner->asked_count++] = request;
}

static const struct weir_transaction_owner_ops stub_ops = {.add_partitions = add_partitions};

static void register_stub(void)
{
    engine.broker->engine.transactions = (struct weir_transaction_owner){&stub_ops, &stub};
}

static void set_up(void)
{
    engine_init(&engine, 1);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    stub = (struct stub){.engine = &engine};
    register_stub();
}

static void tear_down(void)
{
    engine_end(&engine);
}

static void settle(void)
{
    weir_sim_advance_ms(engine.sim, 10);
}

/* Answer the oldest question. */
static void answer_next(int rc, int partition_rc)
{
    ck_assert_uint_gt(stub.asked_count, 0);
    struct weir_add_partitions_request *asked = stub.asked[0];
    stub.asked_count--;
    memmove(stub.asked, stub.asked + 1, stub.asked_count * sizeof(void *));
    answer(asked, rc, partition_rc);
    settle();
}

/* ---- writing --------------------------------------------------------------------------------- */

struct sent {
    struct weir_produce_request request;
    bool is_done;
};

static void note_sent(struct weir_request *request)
{
    struct sent *sent = request->context;
    ck_assert(!sent->is_done);
    sent->is_done = true;
    weir_shared_unref(sent->request.batches);
}

static struct weir_shared *batch_of(int64_t id, int16_t epoch, int32_t sequence,
                                    bool is_transactional, const char *value)
{
    struct weir_batch_builder builder;
    struct weir_slice bytes;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    finish.producer_id = id;
    finish.producer_epoch = epoch;
    finish.base_sequence = sequence;
    finish.is_transactional = is_transactional;
    weir_batch_builder_init(&builder, engine.env->budget, WEIR_CODEC_NONE, 0);
    struct weir_record record = {.value = weir_text(value),
                                 .timestamp_ms = weir_wall_now(engine.env).ms};
    ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
    ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &bytes), 0);
    struct weir_shared *batch = weir_shared_new(engine.env->budget, bytes.size);
    memcpy(batch->data, bytes.data, bytes.size);
    batch->size = bytes.size;
    weir_batch_builder_close(&builder);
    return batch;
}

static void send(struct sent *sent, int64_t id, int16_t epoch, int32_t sequence, bool is_version_2)
{
    *sent = (struct sent){.request = {
                              .request = {.done = note_sent, .context = sent},
                              .to = {weir_text("clicks"), 0},
                              .batches = batch_of(id, epoch, sequence, true, "value"),
                              .acks = WEIR_ACKS_ALL,
                              .walk_records = true,
                              .transactional_id = weir_text("payments"),
                              .is_transaction_version_2 = is_version_2,
                          }};
    weir_broker_produce(engine.broker, &sent->request);
    settle();
}

static int wait_for(struct weir_request *request)
{
    return weir_broker_wait(engine.broker, request, &engine.error);
}

/* In a transaction whose owner says yes. */
static int64_t produce(int64_t id, int16_t epoch, int32_t sequence)
{
    struct sent sent;
    stub.says_yes = true;
    send(&sent, id, epoch, sequence, false);
    stub.says_yes = false;
    ck_assert(sent.is_done);
    ck_ok(sent.request.request.rc, &sent.request.request.error);
    return sent.request.base_offset;
}

static int mark_with(int64_t id, int16_t epoch, bool is_commit, int32_t coordinator_epoch,
                     bool is_version_2, int64_t *offset_out)
{
    struct weir_write_marker_request marker = {
        .to = {weir_text("clicks"), 0},
        .producer_id = id,
        .producer_epoch = epoch,
        .coordinator_epoch = coordinator_epoch,
        .is_commit = is_commit,
        .is_version_2 = is_version_2,
    };
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &marker.request, NULL), 0);
    weir_broker_write_marker(engine.broker, &marker);
    int rc = wait_for(&marker.request);
    *offset_out = marker.offset;
    return rc;
}

static int64_t mark(int64_t id, int16_t epoch, bool is_commit)
{
    int64_t offset;
    ck_ok(mark_with(id, epoch, is_commit, 0, false, &offset), &engine.error);
    return offset;
}

static struct weir_partition_state_request look(void)
{
    return engine_describe_partition(&engine, "clicks", 0);
}

static int64_t latest(bool read_committed)
{
    struct weir_list_offsets_request list = {.of = {weir_text("clicks"), 0},
                                             .timestamp_ms = WEIR_OFFSET_LATEST,
                                             .read_committed = read_committed};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &list.request, NULL), 0);
    weir_broker_list_offsets(engine.broker, &list);
    ck_ok(wait_for(&list.request), &engine.error);
    return list.offset;
}

/* ---- who begins a transaction ---------------------------------------------------------------- */

/* The first batch of a transaction waits for the answer, and what its producer sends meanwhile waits behind it; then all is
 * appended in order. While the transaction is open nothing is asked. */
START_TEST(the_first_batches_wait_for_the_coordinator)
{
    struct sent first;
    struct sent second;
    struct sent third;
    send(&first, PRODUCER, 0, 0, false);
    send(&second, PRODUCER, 0, 1, false);
    ck_assert(!first.is_done && !second.is_done);
    ck_assert_uint_eq(stub.asked_ever, 1);
    const struct weir_add_partitions_request *asked = stub.asked[0];
    ck_assert(asked->is_verify && !asked->base.is_version_2);
    ck_assert_int_eq(asked->base.producer_id, PRODUCER);
    ck_assert(weir_slice_equal(asked->base.transactional_id, weir_text("payments")));
    ck_assert(weir_slice_equal(asked->partitions[0].topic, weir_text("clicks")));
    ck_assert_int_eq(look().state.end_offset, 0);
    answer_next(0, 0);
    ck_assert(first.is_done && second.is_done);
    ck_ok(first.request.request.rc, &first.request.request.error);
    ck_assert_int_eq(first.request.base_offset, 0);
    ck_assert_int_eq(second.request.base_offset, 1);
    send(&third, PRODUCER, 0, 2, false);
    ck_assert(third.is_done);
    ck_assert_int_eq(third.request.base_offset, 2);
    ck_assert_uint_eq(stub.asked_ever, 1);
    (void)mark(PRODUCER, 0, true);
    send(&third, PRODUCER, 0, 3, false);
    ck_assert(!third.is_done); /* the next one */
    ck_assert_uint_eq(stub.asked_ever, 2);
    answer_next(0, 0);
    ck_assert_int_eq(third.request.base_offset, 4);
}
END_TEST

/* In version 2 the partition is added, and each epoch is a transaction of its own. */
START_TEST(version_2_adds_the_partition)
{
    struct sent first;
    struct sent late;
    int64_t offset;
    send(&first, PRODUCER, 5, 0, true);
    ck_assert(!stub.asked[0]->is_verify && stub.asked[0]->base.is_version_2);
    answer_next(0, 0);
    ck_ok(first.request.request.rc, &first.request.request.error);
    ck_ok(mark_with(PRODUCER, 6, true, 0, true, &offset), &engine.error);
    ck_assert_int_eq(offset, 1);
    send(&late, PRODUCER, 5, 1, true);
    ck_assert(late.is_done);
    ck_code(late.request.request.rc, WEIR_PRODUCER_FENCED); /* without a question */
    ck_assert_uint_eq(stub.asked_ever, 1);
}
END_TEST

/* What the owner says no to is refused, with all that waited behind it, and nothing of it is in the log. */
START_TEST(what_is_in_no_transaction_is_refused)
{
    struct sent first;
    struct sent second;
    send(&first, PRODUCER, 0, 0, false);
    send(&second, PRODUCER, 0, 1, false);
    answer_next(0, WEIR_TRANSACTION_ABORTABLE);
    ck_assert(first.is_done && second.is_done);
    ck_code(first.request.request.rc, WEIR_TRANSACTION_ABORTABLE);
    ck_code(second.request.request.rc, WEIR_TRANSACTION_ABORTABLE);
    ck_told(first.request.request.rc, &first.request.request.error);
    send(&first, PRODUCER, 0, 0, false);
    answer_next(WEIR_INVALID_PRODUCER_ID_MAPPING, 0);
    ck_code(first.request.request.rc, WEIR_INVALID_PRODUCER_ID_MAPPING);
    ck_assert_int_eq(look().state.end_offset, 0);
}
END_TEST

/* One that waited begins a new segment by itself, if it needs one; refused it leaves that to a worker again. */
START_TEST(a_refused_batch_leaves_the_segment_to_a_worker)
{
    struct sent sent;
    send(&sent, PRODUCER, 0, 0, false);
    sent.request.batches->data[sent.request.batches->size - 1] ^= 1; /* its crc is another */
    answer_next(0, 0);
    ck_assert(sent.is_done);
    ck_assert_int_lt(sent.request.request.rc, 0);
    struct weir_shard *shard = &engine.broker->engine.shards[0];
    ck_assert(weir_partition_may_roll(weir_shard_find(shard, weir_text("clicks"), 0)));
}
END_TEST

/* While its transaction before is being ended it is asked again, soon at first, then less often, for a bounded time. */
START_TEST(a_concurrent_transaction_is_asked_about_again)
{
    struct sent sent;
    send(&sent, PRODUCER, 0, 0, true);
    answer_next(0, WEIR_CONCURRENT_TRANSACTIONS);
    ck_assert(!sent.is_done);
    weir_sim_advance_ms(engine.sim, WEIR_TRANSACTION_RETRY_FIRST_MS);
    ck_assert_uint_eq(stub.asked_ever, 2);
    answer_next(0, WEIR_CONCURRENT_TRANSACTIONS);
    weir_sim_advance_ms(engine.sim, 2 * WEIR_TRANSACTION_RETRY_FIRST_MS);
    ck_assert_uint_eq(stub.asked_ever, 3);
    answer_next(0, 0);
    ck_assert(sent.is_done);
    ck_ok(sent.request.request.rc, &sent.request.request.error);

    send(&sent, OTHER, 0, 0, true);
    for (int i = 0; i < 100 && !sent.is_done; i++) {
        answer_next(WEIR_CONCURRENT_TRANSACTIONS, 0);
        if (!sent.is_done) weir_sim_advance_ms(engine.sim, WEIR_TRANSACTION_RETRY_MS);
    }
    ck_code(sent.request.request.rc, WEIR_CONCURRENT_TRANSACTIONS);
    ck_assert_uint_eq(stub.asked_count, 0);
    ck_assert_uint_lt(stub.asked_ever, 15);
}
END_TEST

/* A marker that comes while the question is out makes the answer one about a transaction that is over: it is asked
 * again, or a batch that is late would open one that nobody ends. */
START_TEST(a_marker_makes_an_answer_stale)
{
    struct sent sent;
    send(&sent, PRODUCER, 0, 0, false);
    (void)mark(PRODUCER, 0, false);
    answer_next(0, 0);
    ck_assert(!sent.is_done);
    ck_assert_uint_eq(stub.asked_ever, 2);
    answer_next(0, WEIR_TRANSACTION_ABORTABLE);
    ck_code(sent.request.request.rc, WEIR_TRANSACTION_ABORTABLE);
    ck_assert_int_eq(look().state.last_stable_offset, look().state.end_offset);
}
END_TEST

/* One epoch's answer is not another's, nor one id's: each is asked about. */
START_TEST(each_transaction_is_asked_about)
{
    struct sent old;
    struct sent new;
    struct sent other;
    send(&old, PRODUCER, 0, 0, true);
    send(&new, PRODUCER, 1, 0, true);
    send(&other, OTHER, 0, 0, true);
    ck_assert_uint_eq(stub.asked_ever, 3);
    answer_next(0, WEIR_PRODUCER_FENCED);
    answer_next(0, 0);
    answer_next(0, 0);
    ck_code(old.request.request.rc, WEIR_PRODUCER_FENCED);
    ck_ok(new.request.request.rc, &new.request.request.error);
    ck_ok(other.request.request.rc, &other.request.request.error);
}
END_TEST

/* A topic that is deleted answers what waits; the question comes back to nobody. */
START_TEST(a_deleted_topic_answers_what_waits)
{
    struct sent sent;
    send(&sent, PRODUCER, 0, 0, false);
    ck_ok(engine_delete(&engine, "clicks"), &engine.error);
    ck_assert(sent.is_done);
    ck_code(sent.request.request.rc, WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    answer_next(0, 0);
    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    ck_assert_int_eq(look().state.end_offset, 0);
}
END_TEST

static bool close_answers(void *context)
{
    const struct sent *sent = context;
    return sent->is_done;
}

static void answer_late(struct weir_message *message)
{
    (void)message;
    while (stub.asked_count > 0)
        answer(stub.asked[--stub.asked_count], WEIR_CLOSED, 0);
}

/* A close answers what waits at once, and waits for the question. */
START_TEST(a_close_answers_what_waits)
{
    struct sent sent;
    struct weir_message late = {.handle = answer_late};
    send(&sent, PRODUCER, 0, 0, false);
    ck_assert_uint_eq(stub.asked_count, 1);
    weir_actor_post(engine.broker->engine.shards[0].actor, &late);
    ck_ok(engine_close(&engine), &engine.error);
    ck_assert(close_answers(&sent));
    ck_code(sent.request.request.rc, WEIR_CLOSED);
}
END_TEST

/* Without an owner, and without an id, nothing of a transaction comes in. */
START_TEST(without_an_owner_nothing_is_transactional)
{
    struct sent sent;
    engine.broker->engine.transactions = (struct weir_transaction_owner){0};
    send(&sent, PRODUCER, 0, 0, true);
    ck_code(sent.request.request.rc, WEIR_UNSUPPORTED);
    register_stub();
    struct weir_produce_request request = {
        .to = {weir_text("clicks"), 0},
        .batches = batch_of(PRODUCER, 0, 0, true, "value"),
        .acks = WEIR_ACKS_ALL,
        .walk_records = true,
    };
    for (int walks = 0; walks < 2; walks++) {
        request.walk_records = walks == 1;
        ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &request.request, NULL), 0);
        weir_broker_produce(engine.broker, &request);
        ck_code(wait_for(&request.request), WEIR_INVALID_TXN_STATE);
    }
    weir_shared_unref(request.batches);
    ck_assert_int_eq(look().state.end_offset, 0);
}
END_TEST

/* So many producers may wait in a partition, and no more. */
START_TEST(the_number_that_waits_is_bounded)
{
    static struct sent sent[WEIR_TRANSACTION_HOLDS_MAX + 1];
    stub.engine = &engine;
    for (int i = 0; i <= WEIR_TRANSACTION_HOLDS_MAX; i++) {
        stub.asked_count =
            0; /* the stub need not know them: the shard does not ask for them back */
        sent[i] = (struct sent){.request = {
                                    .request = {.done = note_sent, .context = &sent[i]},
                                    .to = {weir_text("clicks"), 0},
                                    .batches = batch_of(1000 + i, 0, 0, true, "value"),
                                    .acks = WEIR_ACKS_ALL,
                                    .transactional_id = weir_text("payments"),
                                }};
        weir_broker_produce(engine.broker, &sent[i].request);
        weir_sim_advance_ms(engine.sim, 1);
    }
    ck_assert(!sent[WEIR_TRANSACTION_HOLDS_MAX - 1].is_done);
    ck_assert(sent[WEIR_TRANSACTION_HOLDS_MAX].is_done);
    ck_code(sent[WEIR_TRANSACTION_HOLDS_MAX].request.request.rc, WEIR_LIMIT);
    engine_crash(&engine, WEIR_SIM_KILL);
    ck_ok(engine_open(&engine), &engine.error);
}
END_TEST

/* ---- markers --------------------------------------------------------------------------------- */

/* What is open holds the last stable offset; a marker, once it is durable, lets it go. */
START_TEST(a_marker_moves_the_last_stable_offset)
{
    ck_assert_int_eq(produce(PRODUCER, 0, 0), 0);
    ck_assert_int_eq(produce(OTHER, 0, 0), 1);
    ck_assert_int_eq(produce(PRODUCER, 0, 1), 2);
    ck_assert_int_eq(latest(false), 3);
    ck_assert_int_eq(latest(true), 0);
    ck_assert_int_eq(mark(PRODUCER, 0, true), 3);
    ck_assert_int_eq(look().state.durable_offset, 4);
    ck_assert_int_eq(latest(true), 1);
    ck_assert_int_eq(mark(OTHER, 0, false), 4);
    ck_assert_int_eq(latest(true), 5);
    ck_assert_int_eq(latest(false), 5);
}
END_TEST

static void note_marked(struct weir_request *request)
{
    *(bool *)request->context = true;
}

/* A marker that is not on the disk has decided nothing: what it has ended is as open as before, though it is durable
 * itself. Its answer and the last stable offset come together. */
START_TEST(a_marker_counts_once_it_is_durable)
{
    bool is_done = false;
    bool was_seen = false;
    (void)produce(PRODUCER, 0, 0);
    struct weir_partition *partition =
        weir_shard_find(&engine.broker->engine.shards[0], weir_text("clicks"), 0);
    struct weir_write_marker_request marker = {
        .request = {.done = note_marked, .context = &is_done},
        .to = {weir_text("clicks"), 0},
        .producer_id = PRODUCER,
    };
    weir_broker_write_marker(engine.broker, &marker);
    while (!is_done) {
        bool is_waiting = partition->shown.end_offset == 2 && partition->high_watermark == 1;
        ck_assert(!is_waiting || partition->last_stable_offset == 0);
        was_seen |= is_waiting;
        ck_assert(weir_sim_step(engine.sim));
    }
    ck_assert(was_seen);
    ck_assert_int_eq(partition->last_stable_offset, 2);
}
END_TEST

/* A marker that is there is answered as if it were written now, without another one. */
START_TEST(a_repeated_marker_is_written_once)
{
    (void)produce(PRODUCER, 0, 0);
    ck_assert_int_eq(mark(PRODUCER, 0, true), 1);
    ck_assert_int_eq(mark(PRODUCER, 0, true), -1);
    ck_assert_int_eq(look().state.end_offset, 2);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    register_stub();
    ck_assert_int_eq(mark(PRODUCER, 0, true), -1);
    int64_t offset;
    ck_code(mark_with(PRODUCER, 0, true, -1, false, &offset), WEIR_INVALID_ARGUMENT);
    ck_ok(mark_with(PRODUCER, 0, true, 7, false, &offset), &engine.error);
    ck_code(mark_with(PRODUCER, 0, true, 6, false, &offset), WEIR_TRANSACTION_COORDINATOR_FENCED);
    ck_code(mark_with(PRODUCER, -1, true, 7, false, &offset), WEIR_INVALID_ARGUMENT);
}
END_TEST

/* What is open stays so over a loss of power, as long as its data is there. */
START_TEST(an_open_transaction_outlives_a_crash)
{
    (void)produce(PRODUCER, 0, 0);
    (void)produce(OTHER, 0, 0);
    (void)mark(OTHER, 0, true);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    register_stub();
    ck_assert_int_eq(latest(true), 0);
    ck_assert_int_eq(latest(false), 3);
    (void)mark(PRODUCER, 0, false);
    ck_assert_int_eq(latest(true), 4);
}
END_TEST

/* Where there is no such partition there is nothing to end; the metadata is nobody's to write to. */
START_TEST(a_marker_needs_its_partition)
{
    struct weir_write_marker_request marker = {.to = {weir_text("nobody"), 0}};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &marker.request, NULL), 0);
    weir_broker_write_marker(engine.broker, &marker);
    ck_code(wait_for(&marker.request), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    marker.to.topic = weir_text(WEIR_CLUSTER_METADATA_TOPIC);
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &marker.request, NULL), 0);
    weir_broker_write_marker(engine.broker, &marker);
    ck_code(wait_for(&marker.request), WEIR_INVALID_TOPIC);
}
END_TEST

/* ---- reading --------------------------------------------------------------------------------- */

enum { VALUES_MAX = 4096 };

/* What a reader that reads committed has got, by offset; and how far it got. */
struct got {
    bool offsets[VALUES_MAX];
    int64_t end;
};

/* One fetch, and what of it the filter lets through. */
static void take_fetch(struct weir_fetch_request *fetch, struct got *got)
{
    struct weir_committed_filter filter;
    weir_committed_filter_begin(&filter, fetch->aborted, fetch->aborted_count);
    for (size_t part = 0; part < fetch->batches.part_count; part++) {
        struct weir_batch_reader reader = {.rest = weir_log_part_bytes(&fetch->batches.parts[part]),
                                           .is_whole = true};
        while (weir_batch_reader_next(&reader, NULL) == 0) {
            int rc = weir_committed_filter_admit(&filter, &reader, NULL);
            ck_assert_int_ge(rc, 0);
            got->end = weir_batch_last_offset(&reader.header) + 1;
            ck_assert_int_le(got->end, fetch->last_stable_offset);
            if (rc == 0) got->offsets[reader.header.base_offset] = true;
        }
    }
}

static void fetch_from(int64_t offset, size_t size_max, struct weir_fetch_request *fetch)
{
    *fetch = (struct weir_fetch_request){.from = {weir_text("clicks"), 0},
                                         .offset = offset,
                                         .size_max = size_max,
                                         .read_committed = true};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &fetch->request, NULL), 0);
    weir_broker_fetch(engine.broker, fetch);
    ck_ok(wait_for(&fetch->request), &engine.error);
    ck_assert_int_le(fetch->log_start_offset, fetch->last_stable_offset);
    ck_assert_int_le(fetch->last_stable_offset, fetch->high_watermark);
}

static void read_all(int64_t from, size_t size_max, struct got *got)
{
    *got = (struct got){.end = from};
    for (;;) {
        struct weir_fetch_request fetch;
        int64_t before = got->end;
        fetch_from(got->end, size_max, &fetch);
        take_fetch(&fetch, got);
        weir_fetch_release(&fetch);
        if (got->end == before) return;
    }
}

/* What is aborted is not read, nor is what is open, nor what lies behind it; a fetch names those that it needs and
 * no others. */
START_TEST(committed_records_are_read)
{
    static struct got got;
    struct weir_fetch_request fetch;
    (void)produce(PRODUCER, 0, 0); /* 0 */
    (void)produce(OTHER, 0, 0);    /* 1 */
    (void)produce(PRODUCER, 0, 1); /* 2 */
    (void)mark(PRODUCER, 0, false);
    (void)produce(PRODUCER, 0, 2); /* 4 */
    (void)mark(OTHER, 0, true);
    ck_assert_int_eq(latest(true), 4);
    read_all(0, 1 << 20, &got);
    ck_assert_int_eq(got.end, 4);
    ck_assert(!got.offsets[0] && got.offsets[1] && !got.offsets[2] && !got.offsets[3]);
    (void)mark(PRODUCER, 0, false);
    read_all(0, 1, &got); /* batch by batch */
    ck_assert_int_eq(got.end, 7);
    ck_assert(!got.offsets[0] && got.offsets[1] && !got.offsets[2] && !got.offsets[4]);
    fetch_from(0, 1, &fetch);
    ck_assert_uint_eq(fetch.aborted_count, 1);
    ck_assert_int_eq(fetch.aborted[0].producer_id, PRODUCER);
    ck_assert_int_eq(fetch.aborted[0].first_offset, 0);
    weir_fetch_release(&fetch);
    fetch_from(0, 1 << 20, &fetch);
    ck_assert_uint_eq(fetch.aborted_count, 2);
    ck_assert_int_eq(fetch.aborted[1].first_offset, 4);
    weir_fetch_release(&fetch);
    fetch_from(5, 1, &fetch); /* the commit of the other one: producer 40 is open from before */
    ck_assert_uint_eq(fetch.aborted_count, 1);
    ck_assert_int_eq(fetch.aborted[0].first_offset, 4);
    weir_fetch_release(&fetch);
}
END_TEST

static void note_fetched(struct weir_request *request)
{
    *(bool *)request->context = true;
}

/* A reader that reads committed waits for a decision, not for bytes. */
START_TEST(a_reader_waits_for_the_decision)
{
    static struct got got;
    bool is_done = false;
    (void)produce(PRODUCER, 0, 0);
    struct weir_fetch_request fetch = {
        .request = {.done = note_fetched, .context = &is_done},
        .from = {weir_text("clicks"), 0},
        .size_max = 1 << 20,
        .size_min = 1,
        .deadline = WEIR_MONO_NEVER,
        .read_committed = true,
    };
    weir_broker_fetch(engine.broker, &fetch);
    settle();
    (void)produce(PRODUCER, 0, 1);
    (void)produce(OTHER, 0, 0);
    ck_assert(!is_done);
    (void)mark(OTHER, 0, true);
    ck_assert(!is_done);
    (void)mark(PRODUCER, 0, true);
    settle();
    ck_assert(is_done);
    got = (struct got){0};
    take_fetch(&fetch, &got);
    ck_assert(got.offsets[0] && got.offsets[1] && got.offsets[2]);
    weir_fetch_release(&fetch);
}
END_TEST

/* What each offset has become, by the test's own book. */
enum fate { NO_DATA, PLAIN, OPEN, COMMITTED, ABORTED };

struct book {
    int fates[VALUES_MAX]; /* of an open one with the producer's number in tens */
    int64_t end;
    int32_t sequences[8];
    int64_t opened_at[8]; /* -1: not open */
};

static int64_t stable_end(const struct book *book)
{
    int64_t end = book->end;
    for (int i = 0; i < 8; i++) {
        if (book->opened_at[i] >= 0 && book->opened_at[i] < end) end = book->opened_at[i];
    }
    return end;
}

static void end_in_book(struct book *book, int producer, bool is_commit, int64_t marker)
{
    for (int64_t at = book->opened_at[producer]; at >= 0 && at < marker; at++) {
        if (book->fates[at] == OPEN + 10 * (producer + 1)) {
            book->fates[at] = is_commit ? COMMITTED : ABORTED;
        }
    }
    book->opened_at[producer] = -1;
}

static void check_reader(const struct book *book, int64_t from, size_t size_max)
{
    static struct got got;
    read_all(from, size_max, &got);
    ck_assert_int_eq(got.end, stable_end(book) > from ? stable_end(book) : from);
    for (int64_t at = from; at < got.end; at++) {
        bool is_wanted = book->fates[at] == COMMITTED || book->fates[at] == PLAIN;
        ck_assert_msg(got.offsets[at] == is_wanted, "offset %lld is %d", (long long)at,
                      book->fates[at]);
    }
}

static void act(struct book *book, struct weir_test_random *random)
{
    int producer = (int)weir_test_random_below(random, 8);
    int64_t id = 100 + producer;
    bool ends = weir_test_random_below(random, 4) == 0;
    if (ends && book->opened_at[producer] >= 0) {
        bool is_commit = weir_test_random_below(random, 2) == 0;
        int64_t offset = mark(id, 0, is_commit);
        ck_assert_int_eq(offset, book->end);
        end_in_book(book, producer, is_commit, offset);
        book->end = offset + 1;
    } else if (weir_test_random_below(random, 8) == 0) {
        ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "plain", WEIR_ACKS_ALL), book->end);
        book->fates[book->end++] = PLAIN;
    } else {
        int64_t offset = produce(id, 0, book->sequences[producer]++);
        ck_assert_int_eq(offset, book->end);
        if (book->opened_at[producer] < 0) book->opened_at[producer] = offset;
        book->fates[offset] = OPEN + 10 * (producer + 1);
        book->end = offset + 1;
    }
}

/* Eight producers write, commit and abort in any order, over many segments, with crashes, closes and lost index
 * files: whatever reads committed, from wherever and in whatever pieces, gets what was committed, in order, up to the
 * first that is undecided, and nothing else. */
START_TEST(readers_get_what_the_book_says)
{
    static struct book book;
    struct weir_test_random random = {(uint64_t)_i};
    book = (struct book){0};
    ck_ok(engine_close(&engine), &engine.error);
    engine.options.topic_defaults.segment_bytes = 1024;
    ck_ok(engine_open(&engine), &engine.error);
    register_stub();
    for (int i = 0; i < 8; i++)
        book.opened_at[i] = -1;
    for (int step = 0; step < 300; step++) {
        act(&book, &random);
        uint64_t what = weir_test_random_below(&random, 100);
        if (what < 2) {
            engine_crash(&engine, what == 0 ? WEIR_SIM_KILL : WEIR_SIM_POWER);
        } else if (what == 2) {
            ck_ok(engine_close(&engine), &engine.error);
        }
        if (what <= 2) {
            ck_ok(engine_open(&engine), &engine.error);
            register_stub();
        }
        if (step % 30 == 0) check_reader(&book, 0, 1 << 20);
    }
    check_reader(&book, 0, 1);
    for (int64_t from = 0; from < stable_end(&book); from += 7)
        check_reader(&book, from, 300);
    ck_assert_int_eq(latest(true), stable_end(&book));
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("transactions");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, the_first_batches_wait_for_the_coordinator);
    tcase_add_test(tests, version_2_adds_the_partition);
    tcase_add_test(tests, what_is_in_no_transaction_is_refused);
    tcase_add_test(tests, a_refused_batch_leaves_the_segment_to_a_worker);
    tcase_add_test(tests, a_concurrent_transaction_is_asked_about_again);
    tcase_add_test(tests, a_marker_makes_an_answer_stale);
    tcase_add_test(tests, each_transaction_is_asked_about);
    tcase_add_test(tests, a_deleted_topic_answers_what_waits);
    tcase_add_test(tests, a_close_answers_what_waits);
    tcase_add_test(tests, without_an_owner_nothing_is_transactional);
    tcase_add_test(tests, the_number_that_waits_is_bounded);
    tcase_add_test(tests, a_marker_moves_the_last_stable_offset);
    tcase_add_test(tests, a_marker_counts_once_it_is_durable);
    tcase_add_test(tests, a_repeated_marker_is_written_once);
    tcase_add_test(tests, an_open_transaction_outlives_a_crash);
    tcase_add_test(tests, a_marker_needs_its_partition);
    tcase_add_test(tests, committed_records_are_read);
    tcase_add_test(tests, a_reader_waits_for_the_decision);
    tcase_add_loop_test(tests, readers_get_what_the_book_says, 0, 12);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("transactions", add);
}
