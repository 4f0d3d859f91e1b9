#include "tests/unit/broker/coordinator/transaction_fixture.h"

#include <stdio.h>
#include <string.h>

#include "broker/broker_internal.h"
#include "broker/engine/request.h"

/* ---- the stand-in ----------------------------------------------------------------------------- */

static void answer_marker(const struct transactions *world,
                          struct weir_write_marker_request *request)
{
    bool is_refused = world->refused_topic == NULL ||
                      weir_slice_equal(request->to.topic, weir_text(world->refused_topic));
    if (world->marker_rc < 0 && is_refused) {
        weir_request_refuse(&request->request, world->marker_rc, "as the test wants it");
    } else {
        weir_request_reply(&request->request, 0);
    }
}

static void take_marker(void *impl, struct weir_write_marker_request *request)
{
    struct transactions *world = impl;
    struct weir_engine *engine = &world->engine.broker->engine;
    if (world->marker_count == MARKERS_MAX)
        world->marker_count--; /* the last ones are not looked at */
    struct marker *marker = &world->markers[world->marker_count++];
    *marker = (struct marker){.partition = request->to.partition,
                              .producer_id = request->producer_id,
                              .producer_epoch = request->producer_epoch,
                              .is_commit = request->is_commit,
                              .is_version_2 = request->is_version_2};
    (void)snprintf(marker->topic, sizeof marker->topic, "%.*s", (int)request->to.topic.size,
                   (const char *)request->to.topic.data);
    weir_request_set_out(engine, &request->request);
    request->request.shard = &engine->shards[0];
    if (world->holds_markers) {
        request->next = world->held;
        world->held = request;
    } else {
        answer_marker(world, request);
    }
}

void transactions_let_go(struct transactions *world)
{
    struct weir_write_marker_request *request = world->held;
    world->held = NULL;
    world->holds_markers = false;
    while (request != NULL) {
        struct weir_write_marker_request *next = request->next;
        answer_marker(world, request);
        request = next;
    }
}

/* ---- the world -------------------------------------------------------------------------------- */

void transactions_reopen(struct transactions *world)
{
    ck_ok(engine_open(&world->engine), &world->engine.error);
    struct weir_transaction_coordinator *coordinator = &world->engine.broker->transactions;
    world->held = NULL;
    if (world->has_real_markers) return;
    coordinator->helpers.write_marker = take_marker;
    coordinator->helpers.marker_impl = world;
}

/* The world is empty but for what says how it is. */
static void open_world(struct transactions *world, uint64_t seed,
                       void (*change)(struct weir_broker_options *options))
{
    engine_init(&world->engine, seed);
    world->engine.options.transactions = weir_txn_settings_default();
    if (change != NULL) change(&world->engine.options);
    transactions_reopen(world);
    ck_ok(engine_create(&world->engine, "clicks", 4), &world->engine.error);
    ck_ok(engine_create(&world->engine, "views", 2), &world->engine.error);
    weir_heap_init(&world->heap, false);
    weir_budget_init(&world->budget, "test", &world->heap, NULL, 0);
    weir_arena_init(&world->arena, &world->budget, 0);
}

void transactions_open_with(struct transactions *world, uint64_t seed,
                            void (*change)(struct weir_broker_options *options))
{
    memset(world, 0, sizeof *world);
    open_world(world, seed, change);
}

void transactions_open(struct transactions *world, uint64_t seed)
{
    transactions_open_with(world, seed, NULL);
}

void transactions_open_with_markers(struct transactions *world, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    world->has_real_markers = true;
    open_world(world, seed, NULL);
}

void transactions_end(struct transactions *world)
{
    weir_arena_close(&world->arena);
    engine_end(&world->engine);
}

void transactions_pass(struct transactions *world, int64_t ms)
{
    weir_sim_advance_ms(world->engine.sim, ms);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void begin(struct transactions *world, struct weir_request *request)
{
    ck_assert_int_eq(weir_broker_wait_begin(world->engine.broker, request, NULL), 0);
}

static int end(struct transactions *world, struct weir_request *request)
{
    int rc = weir_broker_wait(world->engine.broker, request, &world->engine.error);
    return weir_sim_has_crashed(world->engine.sim, 0) ? WEIR_CRASHED : rc;
}

static struct weir_transaction_request base_of(const struct producer *producer)
{
    return (struct weir_transaction_request){
        .transactional_id = weir_text(producer->id),
        .producer_id = producer->producer_id,
        .producer_epoch = producer->producer_epoch,
        .is_version_2 = producer->is_version_2,
    };
}

int producer_begin(struct transactions *world, struct producer *producer)
{
    struct weir_init_transactions_request init = {.timeout_ms = 60000};
    init.base.transactional_id = weir_text(producer->id);
    init.base.producer_id = -1;
    init.base.producer_epoch = -1;
    begin(world, &init.base.request);
    weir_broker_init_transactions(world->engine.broker, &init);
    int rc = end(world, &init.base.request);
    if (rc == 0) {
        producer->producer_id = init.producer_id;
        producer->producer_epoch = init.producer_epoch;
    }
    return rc;
}

static int add(struct transactions *world, const struct producer *producer, const char *topic,
               int32_t partition, bool is_verify)
{
    struct weir_topic_partition added = {weir_text(topic), partition};
    struct weir_add_partitions_request request = {.base = base_of(producer),
                                                  .partitions = &added,
                                                  .partition_count = 1,
                                                  .is_verify = is_verify};
    begin(world, &request.base.request);
    weir_broker_add_partitions(world->engine.broker, &request);
    return end(world, &request.base.request);
}

int producer_add(struct transactions *world, const struct producer *producer, const char *topic,
                 int32_t partition)
{
    return add(world, producer, topic, partition, false);
}

int producer_verify(struct transactions *world, const struct producer *producer, const char *topic,
                    int32_t partition)
{
    return add(world, producer, topic, partition, true);
}

int producer_add_offsets(struct transactions *world, const struct producer *producer,
                         const char *group)
{
    struct weir_add_offsets_request request = {.base = base_of(producer),
                                               .group = weir_text(group)};
    begin(world, &request.base.request);
    weir_broker_add_offsets(world->engine.broker, &request);
    return end(world, &request.base.request);
}

int producer_end(struct transactions *world, struct producer *producer, bool is_commit)
{
    struct weir_end_transaction_request request = {.base = base_of(producer),
                                                   .is_commit = is_commit};
    begin(world, &request.base.request);
    weir_broker_end_transaction(world->engine.broker, &request);
    int rc = end(world, &request.base.request);
    if (rc == 0) {
        producer->producer_id = request.next_producer_id;
        producer->producer_epoch = request.next_producer_epoch;
    }
    return rc;
}

int producer_end_patiently(struct transactions *world, struct producer *producer, bool is_commit)
{
    int rc = WEIR_CONCURRENT_TRANSACTIONS;
    for (int i = 0; i < 100 && rc == WEIR_CONCURRENT_TRANSACTIONS; i++) {
        rc = producer_end(world, producer, is_commit);
        if (rc == WEIR_CONCURRENT_TRANSACTIONS) transactions_pass(world, 20);
    }
    return rc;
}

/* ---- questions ------------------------------------------------------------------------------- */

int transaction_state(struct transactions *world, const char *id,
                      struct weir_transaction_info *info_out)
{
    struct weir_describe_transaction_request request = {.base = {.transactional_id = weir_text(id)},
                                                        .arena = &world->arena};
    begin(world, &request.base.request);
    weir_broker_describe_transaction(world->engine.broker, &request);
    int rc = end(world, &request.base.request);
    if (rc < 0) return rc;
    if (info_out != NULL) *info_out = request.info;
    return (int)request.info.state;
}

int transaction_count(struct transactions *world)
{
    struct weir_list_transactions_request request = {.arena = &world->arena, .duration_min_ms = -1};
    begin(world, &request.request);
    weir_broker_list_transactions(world->engine.broker, &request);
    int rc = end(world, &request.request);
    return rc < 0 ? rc : (int)request.count;
}

bool transaction_becomes(struct transactions *world, const char *id,
                         enum weir_transaction_state state)
{
    for (int i = 0; i < 600; i++) {
        if (transaction_state(world, id, NULL) == (int)state) return true;
        transactions_pass(world, 100);
    }
    return false;
}
