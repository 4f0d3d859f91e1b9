#include <string.h>

#include "tests/unit/broker/engine/engine_fixture.h"
#include "wire/record_batch_reader.h"

/* What a server asks of partitions: ids, epochs, slices, watches, ranges. */

static const struct weir_uuid other_id = {{7}};

static void open_with_topic(struct engine *engine, uint64_t seed, int32_t partition_count)
{
    engine_init(engine, seed);
    ck_ok(engine_open(engine), &engine->error);
    ck_ok(engine_create(engine, "clicks", partition_count), &engine->error);
}

static struct weir_uuid id_of(struct engine *engine, const char *topic)
{
    struct weir_topic_request request = {.operation = WEIR_TOPIC_DESCRIBE,
                                         .topic = weir_text(topic)};
    ck_ok(engine_topic(engine, &request), &engine->error);
    return request.topic_id;
}

static int produce(struct engine *engine, struct weir_produce_request *request)
{
    ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &request->request, NULL), 0);
    weir_broker_produce(engine->broker, request);
    return weir_broker_wait(engine->broker, &request->request, &engine->error);
}

static int fetch(struct engine *engine, struct weir_fetch_request *request)
{
    ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &request->request, NULL), 0);
    weir_broker_fetch(engine->broker, request);
    return weir_broker_wait(engine->broker, &request->request, &engine->error);
}

static int list(struct engine *engine, struct weir_list_offsets_request *request)
{
    ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &request->request, NULL), 0);
    weir_broker_list_offsets(engine->broker, request);
    return weir_broker_wait(engine->broker, &request->request, &engine->error);
}

static int epoch_end(struct engine *engine, int32_t epoch, struct weir_epoch_end_request *request)
{
    *request = (struct weir_epoch_end_request){.of = {weir_text("clicks"), 0}, .epoch = epoch};
    ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &request->request, NULL), 0);
    weir_broker_epoch_end(engine->broker, request);
    return weir_broker_wait(engine->broker, &request->request, &engine->error);
}

static int cut(struct engine *engine, enum weir_cut what, int64_t offset,
               struct weir_cut_request *request)
{
    *request = (struct weir_cut_request){
        .partition = {weir_text("clicks"), 0}, .what = what, .offset = offset};
    ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &request->request, NULL), 0);
    weir_broker_cut(engine->broker, request);
    return weir_broker_wait(engine->broker, &request->request, &engine->error);
}

struct waiting {
    struct weir_fetch_request fetch;
    int done_count;
};

static void note(struct weir_request *request)
{
    struct waiting *waiting = request->context;
    waiting->done_count++;
}

static void start(struct engine *engine, struct waiting *waiting)
{
    waiting->fetch.request.done = note;
    waiting->fetch.request.context = waiting;
    weir_broker_fetch(engine->broker, &waiting->fetch);
    weir_sim_advance_ms(engine->sim, 10);
}

/* ---- topic ids ------------------------------------------------------------------------------- */

/* A request that names a topic by a wrong id too is refused before anything is appended or read,
 * whether the name is there, is not there, or now means another topic. */
START_TEST(a_wrong_topic_id_is_refused)
{
    struct engine engine;
    open_with_topic(&engine, 1, 1);
    struct weir_uuid old = id_of(&engine, "clicks");
    struct weir_produce_request append = {.to = {weir_text("clicks"), 0},
                                          .batches = engine_batch(&engine, "a"),
                                          .acks = WEIR_ACKS_ALL};
    append.request.topic_id = old;
    ck_ok(produce(&engine, &append), &engine.error);
    append.request.topic_id = other_id;
    ck_assert_int_eq(produce(&engine, &append), WEIR_UNKNOWN_TOPIC_ID);
    struct weir_fetch_request read = {.from = {weir_text("nobody"), 0}, .size_max = 1};
    read.request.topic_id = old;
    ck_assert_int_eq(fetch(&engine, &read), WEIR_UNKNOWN_TOPIC_ID);
    read.from = (struct weir_topic_partition){weir_text("clicks"), 9};
    ck_assert_int_eq(fetch(&engine, &read), WEIR_UNKNOWN_TOPIC_OR_PARTITION);

    ck_ok(engine_delete(&engine, "clicks"), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    append.request.topic_id = old;
    ck_assert_int_eq(produce(&engine, &append), WEIR_UNKNOWN_TOPIC_ID);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 0), 0);
    append.request.topic_id = id_of(&engine, "clicks");
    ck_ok(produce(&engine, &append), &engine.error);
    ck_assert_int_eq(append.base_offset, 0);
    weir_shared_unref(append.batches);
    engine_end(&engine);
}
END_TEST

/* With auto-creation on, a request with an id creates nothing, not even beside one that does. */
START_TEST(an_id_never_creates_a_topic)
{
    struct engine engine;
    engine_init(&engine, 2);
    engine.options.auto_create_topics = true;
    ck_ok(engine_open(&engine), &engine.error);
    struct weir_produce_request append = {.to = {weir_text("fresh"), 0},
                                          .batches = engine_batch(&engine, "a"),
                                          .acks = WEIR_ACKS_ALL};
    append.request.topic_id = other_id;
    ck_assert_int_eq(produce(&engine, &append), WEIR_UNKNOWN_TOPIC_ID);
    ck_assert_int_eq(engine_describe(&engine, "fresh"), WEIR_UNKNOWN_TOPIC_OR_PARTITION);

    struct weir_produce_request creates = append;
    creates.request.topic_id = (struct weir_uuid){{0}};
    creates.batches = engine_batch(&engine, "b");
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &append.request, NULL), 0);
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &creates.request, NULL), 0);
    weir_broker_produce(engine.broker, &append);
    weir_broker_produce(engine.broker, &creates);
    ck_ok(weir_broker_wait(engine.broker, &creates.request, &engine.error), &engine.error);
    ck_assert_int_eq(weir_broker_wait(engine.broker, &append.request, NULL), WEIR_UNKNOWN_TOPIC_ID);
    ck_assert_int_eq(engine_latest(&engine, "fresh", 0), 1);
    weir_shared_unref(append.batches);
    weir_shared_unref(creates.batches);
    engine_end(&engine);
}
END_TEST

/* Nor does a client's produce: Kafka's clients ask for the topic's metadata first, which creates it,
 * and one that is late must not bring a deleted topic back. */
START_TEST(from_outside_no_topic_is_created)
{
    struct engine engine;
    engine_init(&engine, 2);
    engine.options.auto_create_topics = true;
    ck_ok(engine_open(&engine), &engine.error);
    struct weir_produce_request append = {.to = {weir_text("fresh"), 0},
                                          .batches = engine_batch(&engine, "a"),
                                          .acks = WEIR_ACKS_ALL,
                                          .walk_records = true};
    ck_assert_int_eq(produce(&engine, &append), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(engine_describe(&engine, "fresh"), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    weir_shared_unref(append.batches);
    engine_end(&engine);
}
END_TEST

/* A topic that came back under its name is not deleted or changed by its old id. */
START_TEST(administration_obeys_the_id_too)
{
    struct engine engine;
    open_with_topic(&engine, 3, 1);
    struct weir_topic_request request = {.operation = WEIR_TOPIC_DELETE,
                                         .topic = weir_text("clicks")};
    request.request.topic_id = other_id;
    ck_assert_int_eq(engine_topic(&engine, &request), WEIR_UNKNOWN_TOPIC_ID);
    ck_assert_int_eq(engine_describe(&engine, "clicks"), 1);
    request.request.topic_id = id_of(&engine, "clicks");
    ck_ok(engine_topic(&engine, &request), &engine.error);
    ck_assert_int_eq(engine_describe(&engine, "clicks"), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    engine_end(&engine);
}
END_TEST

/* ---- produce --------------------------------------------------------------------------------- */

/* A slice of a larger buffer is appended, and what lies beside it is not. */
START_TEST(a_slice_of_a_buffer_is_appended)
{
    struct engine engine;
    char value[64];
    open_with_topic(&engine, 4, 2);
    struct weir_shared *left = engine_batch(&engine, "left");
    struct weir_shared *right = engine_batch(&engine, "right!");
    struct weir_shared *both = weir_shared_new(engine.env->budget, left->size + right->size + 5);
    memset(both->data, 0xee, both->capacity);
    memcpy(both->data, left->data, left->size);
    memcpy(both->data + left->size, right->data, right->size);
    both->size = both->capacity;
    struct weir_produce_request append = {.to = {weir_text("clicks"), 0},
                                          .batches = both,
                                          .size = left->size,
                                          .acks = WEIR_ACKS_ALL,
                                          .walk_records = true};
    ck_ok(produce(&engine, &append), &engine.error);
    append.to.partition = 1;
    append.from = left->size;
    append.size = right->size;
    ck_ok(produce(&engine, &append), &engine.error);
    ck_assert_int_eq(engine_fetch(&engine, "clicks", 0, 0, value), 0);
    ck_assert_str_eq(value, "left");
    ck_assert_int_eq(engine_fetch(&engine, "clicks", 1, 0, value), 0);
    ck_assert_str_eq(value, "right!");
    ck_assert_int_eq(engine_describe_partition(&engine, "clicks", 0).state.size_bytes,
                     (int64_t)left->size);
    weir_shared_unref(left);
    weir_shared_unref(right);
    weir_shared_unref(both);
    engine_end(&engine);
}
END_TEST

/* Who comes from outside gives one batch for a partition; the process itself may give several. */
START_TEST(from_outside_comes_one_batch)
{
    struct engine engine;
    open_with_topic(&engine, 5, 1);
    struct weir_shared *one = engine_batch(&engine, "a");
    struct weir_shared *two = weir_shared_new(engine.env->budget, 2 * one->size);
    memcpy(two->data, one->data, one->size);
    memcpy(two->data + one->size, one->data, one->size);
    two->size = 2 * one->size;
    struct weir_produce_request append = {.to = {weir_text("clicks"), 0},
                                          .batches = two,
                                          .acks = WEIR_ACKS_ALL,
                                          .walk_records = true};
    ck_assert_int_eq(produce(&engine, &append), WEIR_INVALID_RECORD);
    ck_assert_int_eq(engine_latest(&engine, "clicks", 0), 0);
    append.walk_records = false;
    ck_ok(produce(&engine, &append), &engine.error);
    ck_assert_int_eq(append.last_offset, 1);
    weir_shared_unref(one);
    weir_shared_unref(two);
    engine_end(&engine);
}
END_TEST

/* A topic that asks for two replicas takes acks=1 and refuses acks=all, and says why. */
START_TEST(acks_all_is_refused_where_two_replicas_are_asked_for)
{
    struct engine engine;
    open_with_topic(&engine, 6, 1);
    struct weir_config_entry config = {.key = "min.insync.replicas", .value = "2"};
    struct weir_topic_request alter = {.operation = WEIR_TOPIC_ALTER_CONFIG,
                                       .topic = weir_text("clicks"),
                                       .configs = &config,
                                       .config_count = 1};
    ck_ok(engine_topic(&engine, &alter), &engine.error);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL),
                     WEIR_NOT_ENOUGH_REPLICAS);
    ck_assert_ptr_nonnull(strstr(engine.error.text, "min.insync.replicas=2"));
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "b", WEIR_ACKS_LEADER), 0);
    engine_end(&engine);
}
END_TEST

/* acks=0 is answered with 0 whatever happens; the error's code says what did. */
START_TEST(acks_none_tells_a_refusal_aside)
{
    struct engine engine;
    open_with_topic(&engine, 7, 1);
    struct weir_produce_request append = {.to = {weir_text("clicks"), 0},
                                          .batches = engine_batch(&engine, "a"),
                                          .acks = WEIR_ACKS_NONE};
    append.batches->data[40] ^= 1;
    ck_ok(produce(&engine, &append), &engine.error);
    ck_assert_int_eq(append.request.error.code, WEIR_CORRUPT);
    append.batches->data[40] ^= 1;
    ck_ok(produce(&engine, &append), &engine.error);
    ck_assert_int_eq(append.request.error.code, 0);
    weir_shared_unref(append.batches);
    engine_end(&engine);
}
END_TEST

static void check_unpacked(struct engine *engine, const struct weir_log_part *part,
                           enum weir_codec codec, const char *value)
{
    struct weir_record record;
    struct weir_buffer plain;
    struct weir_batch_reader reader = {.rest = weir_log_part_bytes(part), .plain = &plain};
    weir_buffer_init(&plain, engine->env->budget, 0);
    ck_assert_int_eq(weir_batch_reader_open_next(&reader, NULL), 0);
    ck_assert_int_eq(weir_batch_codec(&reader.header), codec);
    ck_assert_int_eq(weir_batch_reader_record(&reader, &record, NULL), 0);
    ck_assert(weir_slice_equal(record.value, weir_text(value)));
    weir_buffer_close(&plain);
}

/* A topic's own codec is brought in by the server, and readers wait for the bytes that are stored. */
START_TEST(a_topics_codec_is_brought_in)
{
    struct engine engine;
    open_with_topic(&engine, 8, 1);
    struct weir_config_entry config = {.key = "compression.type", .value = "gzip"};
    struct weir_topic_request alter = {.operation = WEIR_TOPIC_ALTER_CONFIG,
                                       .topic = weir_text("clicks"),
                                       .configs = &config,
                                       .config_count = 1};
    ck_ok(engine_topic(&engine, &alter), &engine.error);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "aaaaaaaaaaaaaaaaaaaa", WEIR_ACKS_ALL),
                     0);
    int64_t stored = engine_describe_partition(&engine, "clicks", 0).state.size_bytes;

    struct waiting wait = {.fetch = {.from = {weir_text("clicks"), 0},
                                     .offset = 1,
                                     .size_min = (size_t)stored,
                                     .size_max = 4096,
                                     .deadline = WEIR_MONO_NEVER}};
    start(&engine, &wait);
    ck_assert_int_eq(wait.done_count, 0);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "aaaaaaaaaaaaaaaaaaaa", WEIR_ACKS_ALL),
                     1);
    weir_sim_advance_ms(engine.sim, 10);
    ck_assert_int_eq(wait.done_count, 1);
    check_unpacked(&engine, &wait.fetch.batches.parts[0], WEIR_CODEC_GZIP, "aaaaaaaaaaaaaaaaaaaa");
    weir_fetch_release(&wait.fetch);
    engine_end(&engine);
}
END_TEST

/* ---- epochs ---------------------------------------------------------------------------------- */

/* Three records under epoch 0, one under 1, none under 2. */
static void make_epochs(struct engine *engine, uint64_t seed)
{
    open_with_topic(engine, seed, 1);
    for (int64_t i = 0; i < 3; i++)
        ck_assert_int_eq(engine_produce(engine, "clicks", 0, "a", WEIR_ACKS_ALL), i);
    engine_crash(engine, WEIR_SIM_POWER);
    ck_ok(engine_open(engine), &engine->error);
    ck_assert_int_eq(engine_produce(engine, "clicks", 0, "b", WEIR_ACKS_ALL), 3);
    engine_crash(engine, WEIR_SIM_POWER);
    ck_ok(engine_open(engine), &engine->error);
}

/* A leader epoch below or above the partition's is refused, each with its own code. */
START_TEST(a_wrong_leader_epoch_is_refused)
{
    struct engine engine;
    make_epochs(&engine, 10);
    struct weir_fetch_request read = {
        .from = {weir_text("clicks"), 0}, .size_max = 1, .epochs = {.has_current = true}};
    read.epochs.current = 1;
    ck_assert_int_eq(fetch(&engine, &read), WEIR_FENCED_LEADER_EPOCH);
    read.epochs.current = 3;
    ck_assert_int_eq(fetch(&engine, &read), WEIR_UNKNOWN_LEADER_EPOCH);
    read.epochs.current = 2;
    ck_ok(fetch(&engine, &read), &engine.error);
    ck_assert_uint_gt(read.size, 0);
    ck_assert_int_eq(read.leader_epoch, 2);
    ck_assert_int_eq(read.diverging_epoch, -1);
    weir_fetch_release(&read);

    struct weir_list_offsets_request offsets = {.of = {weir_text("clicks"), 0},
                                                .timestamp_ms = WEIR_OFFSET_LATEST,
                                                .epochs = {.has_current = true, .current = 1}};
    ck_assert_int_eq(list(&engine, &offsets), WEIR_FENCED_LEADER_EPOCH);
    ck_assert_int_eq(offsets.offset, -1);
    engine_end(&engine);
}
END_TEST

/* Offsets come with the epoch of the record that is there, or will be. */
START_TEST(offsets_carry_their_epoch)
{
    struct engine engine;
    make_epochs(&engine, 11);
    struct weir_list_offsets_request offsets = {.of = {weir_text("clicks"), 0},
                                                .timestamp_ms = WEIR_OFFSET_EARLIEST};
    ck_ok(list(&engine, &offsets), &engine.error);
    ck_assert_int_eq(offsets.offset, 0);
    ck_assert_int_eq(offsets.leader_epoch, 0);
    offsets.timestamp_ms = WEIR_OFFSET_LATEST;
    ck_ok(list(&engine, &offsets), &engine.error);
    ck_assert_int_eq(offsets.offset, 4);
    ck_assert_int_eq(offsets.leader_epoch, 2);
    offsets.timestamp_ms = 0;
    ck_ok(list(&engine, &offsets), &engine.error);
    ck_assert_int_eq(offsets.offset, 0);
    ck_assert_int_eq(offsets.leader_epoch, 0);
    offsets.timestamp_ms = INT64_MAX;
    ck_ok(list(&engine, &offsets), &engine.error);
    ck_assert_int_eq(offsets.offset, -1);
    ck_assert_int_eq(offsets.timestamp_found_ms, -1);
    ck_assert_int_eq(offsets.leader_epoch, -1);
    engine_end(&engine);
}
END_TEST

/* Each epoch ends where the next begins, the leader's own at the log's end, a future one nowhere. */
START_TEST(epochs_end_where_the_next_begins)
{
    struct engine engine;
    static const struct {
        int32_t epoch, found;
        int64_t end;
    } ends[] = {{0, 0, 3}, {1, 1, 4}, {2, 2, 4}, {3, -1, -1}, {-1, -1, -1}};
    make_epochs(&engine, 12);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct weir_epoch_end_request request;
        ck_ok(epoch_end(&engine, ends[i].epoch, &request), &engine.error);
        ck_assert_int_eq(request.epoch_found, ends[i].found);
        ck_assert_int_eq(request.end_offset, ends[i].end);
    }
    engine_end(&engine);
}
END_TEST

/* A reader whose last record was cut away is told where its history and the log's part; one whose
 * records have only been given up behind it reads on. */
START_TEST(a_reader_is_told_where_it_diverges)
{
    struct engine engine;
    struct weir_cut_request request;
    make_epochs(&engine, 13);
    struct weir_fetch_request read = {.from = {weir_text("clicks"), 0},
                                      .offset = 4,
                                      .size_max = 1,
                                      .epochs = {.has_fetched = true, .fetched = 0}};
    ck_ok(fetch(&engine, &read), &engine.error);
    ck_assert_int_eq(read.diverging_epoch, 0);
    ck_assert_int_eq(read.diverging_end_offset, 3);
    ck_assert_uint_eq(read.size, 0);
    read.epochs.fetched = 1;
    ck_ok(fetch(&engine, &read), &engine.error);
    ck_assert_int_eq(read.diverging_epoch, -1);

    ck_ok(cut(&engine, WEIR_CUT_HEAD, 3, &request), &engine.error);
    read.offset = 3;
    read.epochs.fetched = 0;
    ck_ok(fetch(&engine, &read), &engine.error);
    ck_assert_int_eq(read.diverging_epoch, -1);
    ck_assert_uint_gt(read.size, 0);
    weir_fetch_release(&read);
    read.offset = 2;
    ck_assert_int_eq(fetch(&engine, &read), WEIR_OFFSET_OUT_OF_RANGE);
    engine_end(&engine);
}
END_TEST

/* ---- watches and ranges ---------------------------------------------------------------------- */

/* A watch without a deadline ends when as many bytes as it asked for are durable, and gives none. */
START_TEST(a_watch_waits_and_gives_nothing)
{
    struct engine engine;
    open_with_topic(&engine, 20, 1);
    struct weir_shared *batch = engine_batch(&engine, "a");
    struct weir_port_fetch port = {.is_watch = true};
    struct waiting watch = {.fetch = {.from = {weir_text("clicks"), 0},
                                      .size_min = batch->size + 1,
                                      .size_max = 1,
                                      .deadline = WEIR_MONO_NEVER,
                                      .port = &port}};
    start(&engine, &watch);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    weir_sim_advance_ms(engine.sim, 100000);
    ck_assert_int_eq(watch.done_count, 0);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "b", WEIR_ACKS_ALL), 1);
    weir_sim_advance_ms(engine.sim, 10);
    ck_assert_int_eq(watch.done_count, 1);
    ck_assert_int_eq(watch.fetch.request.rc, 0);
    ck_assert_uint_eq(watch.fetch.size, 0);
    ck_assert_uint_eq(watch.fetch.batches.part_count, 0);
    ck_assert_int_eq(watch.fetch.high_watermark, 2);

    watch.fetch.size_min = 1; /* there is something from the start */
    start(&engine, &watch);
    ck_assert_int_eq(watch.done_count, 2);
    watch.fetch.offset = 2;
    start(&engine, &watch);
    weir_broker_cancel_fetch(engine.broker, &watch.fetch);
    weir_sim_advance_ms(engine.sim, 10);
    ck_assert_int_eq(watch.done_count, 3);
    ck_assert_int_eq(watch.fetch.request.rc, WEIR_CLOSED);
    weir_shared_unref(batch);
    engine_end(&engine);
}
END_TEST

/* A request is used again and again: what an earlier answer left in it is gone, also where there is none. */
START_TEST(a_refused_fetch_answers_with_nothing)
{
    struct engine engine;
    open_with_topic(&engine, 5, 1);
    struct weir_fetch_request request = {
        .from = {weir_text("nowhere"), 0},
        .size_max = 1024,
        .size = 77,
        .leader_epoch = 7,
        .diverging_epoch = 7,
        .diverging_end_offset = 7,
        .high_watermark = 7,
        .log_start_offset = 7,
        .log_end_offset = 7,
    };
    ck_assert_int_eq(fetch(&engine, &request), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_uint_eq(request.batches.part_count, 0);
    ck_assert_uint_eq(request.size, 0);
    ck_assert_int_eq(request.leader_epoch, -1);
    ck_assert_int_eq(request.diverging_epoch, -1);
    ck_assert_int_eq(request.diverging_end_offset, -1);
    ck_assert_int_eq(request.high_watermark, -1);
    ck_assert_int_eq(request.log_start_offset, -1);
    ck_assert_int_eq(request.log_end_offset, -1);
    weir_fetch_release(&request);
    engine_end(&engine);
}
END_TEST

/* A fetch that stopped at its largest size is answered, though it asked for more at least: to wait
 * would not make it longer. It used to wait for its deadline. */
START_TEST(a_full_fetch_does_not_wait)
{
    struct engine engine;
    open_with_topic(&engine, 21, 1);
    for (int64_t i = 0; i < 40; i++)
        ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), i);
    struct waiting full = {.fetch = {.from = {weir_text("clicks"), 0},
                                     .size_min = 1 << 20,
                                     .size_max = 1 << 20,
                                     .deadline = WEIR_MONO_NEVER}};
    full.fetch.size_max = 100;
    start(&engine, &full);
    ck_assert_int_eq(full.done_count, 1);
    ck_assert_uint_gt(full.fetch.size, 0);
    weir_fetch_release(&full.fetch);
    engine_end(&engine);
}
END_TEST

/* A large fetch is given as a range of the file that holds the same bytes; letting it go twice is
 * harmless. */
START_TEST(a_large_fetch_is_a_range)
{
    struct engine engine;
    uint8_t bytes[4096];
    open_with_topic(&engine, 22, 1);
    for (int64_t i = 0; i < 10; i++)
        ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), i);
    struct weir_fetch_request copy = {.from = {weir_text("clicks"), 0}, .size_max = 4096};
    struct weir_fetch_request range = copy;
    struct weir_port_fetch port = {.range_min = 100};
    range.port = &port;
    ck_ok(engine_close(&engine), &engine.error); /* what is in memory is given from there */
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(fetch(&engine, &copy), &engine.error);
    ck_ok(fetch(&engine, &range), &engine.error);
    ck_assert_ptr_nonnull(port.range.segment);
    ck_assert_uint_eq(range.batches.part_count, 0);
    ck_assert_uint_eq(range.size, copy.size);
    ck_assert_int_eq(port.range.size, (int64_t)copy.size);
    ck_assert_int_eq(weir_file_read(weir_log_range_file(&port.range), bytes, sizeof bytes,
                                    port.range.position, NULL),
                     port.range.size);
    struct weir_slice copied = weir_log_part_bytes(&copy.batches.parts[0]);
    ck_assert_mem_eq(bytes, copied.data, copied.size);
    weir_fetch_release(&range);
    weir_fetch_release(&range);
    weir_fetch_release(&copy);
    engine_end(&engine);
}
END_TEST

/* What a fetch gave, from memory or from the disk, stays what it was: when its log's head is cut, its topic
 * and its folder are gone, and another topic of the name takes the same offsets. */
START_TEST(what_a_fetch_gave_outlives_its_topic)
{
    struct engine engine;
    char value[64];
    struct weir_cut_request request;
    open_with_topic(&engine, 23, 1);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "old", WEIR_ACKS_ALL), 0);
    if (_i == 1) { /* what is in memory is given from there */
        ck_ok(engine_close(&engine), &engine.error);
        ck_ok(engine_open(&engine), &engine.error);
    }
    struct weir_fetch_request held = {.from = {weir_text("clicks"), 0}, .size_max = 4096};
    ck_ok(fetch(&engine, &held), &engine.error);
    ck_ok(cut(&engine, WEIR_CUT_HEAD, 1, &request), &engine.error);
    struct weir_topic_request removal = {.operation = WEIR_TOPIC_DELETE,
                                         .topic = weir_text("clicks")};
    ck_ok(engine_topic(&engine, &removal), &engine.error);
    weir_sim_advance_ms(engine.sim, 100 * 1000);
    struct weir_topic_request anew = {
        .operation = WEIR_TOPIC_CREATE, .topic = weir_text("clicks"), .partition_count = 1};
    ck_ok(engine_topic(&engine, &anew), &engine.error);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "new", WEIR_ACKS_ALL), 0);

    engine_first_value(&held, value);
    ck_assert_str_eq(value, "old");
    weir_log_batches_release(&held.batches);
    ck_ok(engine_fetch(&engine, "clicks", 0, 0, value), &engine.error);
    ck_assert_str_eq(value, "new");
    engine_end(&engine);
}
END_TEST

/* ---- records that are given up --------------------------------------------------------------- */

/* -1 gives up everything that readers see; above it, and in the engine's own topics, nothing is
 * given up. */
START_TEST(the_head_is_cut_up_to_the_high_watermark)
{
    struct engine engine;
    struct weir_cut_request request;
    open_with_topic(&engine, 30, 1);
    for (int64_t i = 0; i < 3; i++)
        ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), i);
    ck_assert_int_eq(cut(&engine, WEIR_CUT_HEAD, 4, &request), WEIR_OFFSET_OUT_OF_RANGE);
    ck_ok(cut(&engine, WEIR_CUT_HEAD, 1, &request), &engine.error);
    ck_assert_int_eq(request.start_offset, 1);
    ck_assert_int_eq(request.end_offset, 3);
    ck_assert_int_eq(cut(&engine, WEIR_CUT_HEAD, 0, &request), WEIR_OFFSET_OUT_OF_RANGE);
    ck_ok(cut(&engine, WEIR_CUT_HEAD, -1, &request), &engine.error);
    ck_assert_int_eq(request.start_offset, 3);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "b", WEIR_ACKS_ALL), 3);
    ck_assert_int_eq(cut(&engine, WEIR_CUT_TAIL, -1, &request), WEIR_OFFSET_OUT_OF_RANGE);
    engine_end(&engine);
}
END_TEST

/* ---- services ---------------------------------------------------------------------------------- */

struct service {
    int turns;
    int64_t wanted_ns;
    int64_t ran_ns;
};

static int take_a_turn(void *impl, struct weir_mono now, struct weir_mono *wake_at)
{
    struct service *service = impl;
    service->turns++;
    if (service->wanted_ns > 0 && now.ns >= service->wanted_ns) {
        service->ran_ns = now.ns;
        service->wanted_ns = 0;
    }
    if (service->wanted_ns > 0 && service->wanted_ns < wake_at->ns)
        wake_at->ns = service->wanted_ns;
    return 0;
}

struct invitation {
    struct weir_message message;
    struct engine *engine;
    struct weir_shard_service service;
};

static void invite(struct weir_message *message)
{
    struct invitation *mine = (struct invitation *)message;
    weir_broker_set_service(mine->engine->broker, 1, mine->service);
}

/* A service has a turn at the end of each of its shard's, and when it asked for one. */
START_TEST(a_service_takes_turns_on_its_shard)
{
    struct engine engine;
    struct service service = {0};
    engine_init(&engine, 40);
    engine.options.shard_count = 2;
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(weir_broker_shard_count(engine.broker), 2);
    ck_assert_ptr_eq(weir_broker_env(engine.broker), engine.env);
    ck_assert_str_eq(weir_broker_path(engine.broker), ENGINE_PATH);
    service.wanted_ns = weir_mono_now(engine.env).ns + 7000000;
    int64_t wanted_ns = service.wanted_ns;
    struct invitation invitation = {.message.handle = invite,
                                    .engine = &engine,
                                    .service = {.run_once = take_a_turn, .impl = &service}};
    weir_actor_post(weir_broker_shard_actor(engine.broker, 1), &invitation.message);
    weir_sim_advance_ms(engine.sim, 20);
    ck_assert_int_ge(service.ran_ns, wanted_ns);
    ck_assert_int_lt(service.ran_ns, wanted_ns + 5000000);
    int turns = service.turns;
    weir_sim_advance_ms(engine.sim, 1000);
    ck_assert_int_eq(service.turns, turns);

    invitation.service = (struct weir_shard_service){0};
    weir_actor_post(weir_broker_shard_actor(engine.broker, 1), &invitation.message);
    weir_sim_advance_ms(engine.sim, 1000);
    ck_assert_int_eq(service.turns, turns);
    engine_end(&engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *ids = tcase_create("topic ids");
    tcase_add_test(ids, a_wrong_topic_id_is_refused);
    tcase_add_test(ids, an_id_never_creates_a_topic);
    tcase_add_test(ids, from_outside_no_topic_is_created);
    tcase_add_test(ids, administration_obeys_the_id_too);
    suite_add_tcase(suite, ids);
    TCase *appends = tcase_create("produce");
    tcase_add_test(appends, a_slice_of_a_buffer_is_appended);
    tcase_add_test(appends, from_outside_comes_one_batch);
    tcase_add_test(appends, acks_all_is_refused_where_two_replicas_are_asked_for);
    tcase_add_test(appends, acks_none_tells_a_refusal_aside);
    tcase_add_test(appends, a_topics_codec_is_brought_in);
    suite_add_tcase(suite, appends);
    TCase *epochs = tcase_create("epochs");
    tcase_add_test(epochs, a_wrong_leader_epoch_is_refused);
    tcase_add_test(epochs, offsets_carry_their_epoch);
    tcase_add_test(epochs, epochs_end_where_the_next_begins);
    tcase_add_test(epochs, a_reader_is_told_where_it_diverges);
    suite_add_tcase(suite, epochs);
    TCase *reads = tcase_create("watches and ranges");
    tcase_add_test(reads, a_watch_waits_and_gives_nothing);
    tcase_add_test(reads, a_refused_fetch_answers_with_nothing);
    tcase_add_test(reads, a_full_fetch_does_not_wait);
    tcase_add_test(reads, a_large_fetch_is_a_range);
    tcase_add_loop_test(reads, what_a_fetch_gave_outlives_its_topic, 0, 2);
    suite_add_tcase(suite, reads);
    TCase *rest = tcase_create("heads and services");
    tcase_add_test(rest, the_head_is_cut_up_to_the_high_watermark);
    tcase_add_test(rest, a_service_takes_turns_on_its_shard);
    suite_add_tcase(suite, rest);
}

int main(void)
{
    return weir_test_main("requests", add);
}
