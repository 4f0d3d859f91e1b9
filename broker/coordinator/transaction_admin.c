#include "base/assert.h"
#include "base/error.h"
#include "broker/coordinator/live_transaction.h"
#include "broker/coordinator/transaction_coordinator.h"
#include "broker/coordinator/transaction_place.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/request.h"
#include "broker/engine/route.h"

/* What an administrator asks of transactions: what is durable of them, and of one that is being ended which partitions have
 * no marker yet. */

static struct weir_transaction_info info_of(const struct weir_txn *txn, struct weir_arena *arena)
{
    return (struct weir_transaction_info){
        .transactional_id = weir_arena_copy(arena, txn->transactional_id),
        .state = txn->state,
        .producer_id = txn->producer_id,
        .producer_epoch = txn->producer_epoch,
        .timeout_ms = txn->timeout_ms,
        .start_ms = txn->start_ms,
        .update_ms = txn->update_ms,
    };
}

/* ---- describe -------------------------------------------------------------------------------- */

static int no_id(struct weir_slice id, struct weir_error *error)
{
    return weir_error_set(
        error, WEIR_TRANSACTIONAL_ID_NOT_FOUND,
        "there is no transactional id '%.*s': no producer has it, or it was forgotten "
        "(transactional.id.expiration.ms)",
        weir_transaction_id_shown(id), (const char *)id.data);
}

static void copy_partitions(const struct weir_live_transaction *live, const struct weir_txn *txn,
                            struct weir_describe_transaction_request *request)
{
    struct weir_arena *arena = request->arena;
    struct weir_topic_partition *partitions =
        weir_arena_array(arena, txn->partition_count + 1, sizeof *partitions);
    size_t count = 0;
    if (partitions == NULL) return;
    for (size_t i = 0; i < txn->partition_count; i++) {
        if (live != NULL && weir_live_transaction_is_marked(live, i)) continue;
        bool is_same = count > 0 && i > 0 &&
                       weir_slice_equal(partitions[count - 1].topic, txn->partitions[i].topic);
        partitions[count].topic = is_same ? partitions[count - 1].topic
                                          : weir_arena_copy(arena, txn->partitions[i].topic);
        partitions[count++].partition = txn->partitions[i].partition;
    }
    request->info.partitions = partitions;
    request->info.partition_count = count;
}

static void describe_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_transaction_partition *home = weir_transaction_partition_of(partition);
    struct weir_describe_transaction_request *asked =
        (struct weir_describe_transaction_request *)request;
    struct weir_slice id = asked->base.transactional_id;
    int rc = weir_coordinator_log_catch_up(&home->log, &request->error);
    const struct weir_txn *txn = rc == 0 ? weir_txn_image_find(&home->image, id) : NULL;
    if (rc == 0 && txn == NULL) rc = no_id(id, &request->error);
    if (rc == 0) {
        asked->info = info_of(txn, asked->arena);
        copy_partitions(weir_live_transaction_find(home, id), txn, asked);
        if (weir_arena_failed(asked->arena)) {
            rc = weir_error_set(&request->error, WEIR_NO_MEMORY, "describe a transaction");
        }
    }
    weir_request_reply(request, rc);
}

static void describe_arrives(struct weir_message *message)
{
    weir_transaction_place_enter_known((struct weir_transaction_request *)message, describe_stage,
                                       no_id);
}

void weir_transactions_describe(struct weir_transaction_coordinator *coordinator,
                                struct weir_describe_transaction_request *request)
{
    weir_assert(request->arena != NULL);
    request->info = (struct weir_transaction_info){0};
    weir_transaction_place_send(coordinator, &request->base, describe_arrives);
}

/* ---- list ------------------------------------------------------------------------------------ */

static bool is_wanted(const struct weir_list_transactions_request *asked,
                      const struct weir_txn *txn, int64_t wall_ms)
{
    bool has_id = asked->producer_id_count == 0;
    if (asked->states != 0 && (asked->states & UINT32_C(1) << txn->state) == 0) return false;
    for (size_t i = 0; !has_id && i < asked->producer_id_count; i++) {
        has_id = asked->producer_ids[i] == txn->producer_id;
    }
    if (!has_id) return false;
    if (asked->duration_min_ms < 0) return true;
    return txn->start_ms >= 0 && wall_ms - txn->start_ms > asked->duration_min_ms;
}

/* Those of one partition behind those that are there. */
static int list(struct weir_transaction_partition *home,
                struct weir_list_transactions_request *asked)
{
    int64_t wall_ms = weir_wall_now(home->partition->shard->env).ms;
    const struct weir_map *entries = &home->image.entries;
    const struct weir_txn_entry *entry;
    size_t at = 0;
    size_t wanted = 0;
    while ((entry = weir_map_next(entries, &at)) != NULL) {
        wanted += is_wanted(asked, entry->txn, wall_ms);
    }
    struct weir_transaction_info *infos =
        weir_arena_array(asked->arena, asked->count + wanted + 1, sizeof *infos);
    if (infos == NULL)
        return weir_error_set(&asked->request.error, WEIR_NO_MEMORY, "list transactions");
    if (asked->count > 0) memcpy(infos, asked->list, asked->count * sizeof *infos);
    asked->list = infos;
    at = 0;
    while ((entry = weir_map_next(entries, &at)) != NULL) {
        if (!is_wanted(asked, entry->txn, wall_ms)) continue;
        infos[asked->count++] = info_of(entry->txn, asked->arena);
    }
    return 0;
}

/* The next partition that has been made. False: there is none. */
static bool find_next(const struct weir_request *request, int32_t from, int32_t *next_out)
{
    const struct weir_metadata_image *image = weir_metadata_view_look(&request->shard->metadata);
    const struct weir_topic_image *topic =
        weir_metadata_topic(image, weir_text(WEIR_TRANSACTION_STATE_TOPIC));
    int32_t count = topic != NULL ? topic->partition_count : 0;
    while (from < count && weir_uuid_is_zero(topic->partitions[from].directory_id))
        from++;
    *next_out = from;
    return from < count;
}

static void list_stage(struct weir_partition *partition, struct weir_request *request);
static bool pass_over_offline(struct weir_request *request);

static void go_on(struct weir_request *request, int32_t from)
{
    struct weir_topic_partition of = {.topic = weir_text(WEIR_TRANSACTION_STATE_TOPIC)};
    struct weir_engine *engine = request->shard->engine;
    if (find_next(request, from, &of.partition)) {
        request->before_reply = pass_over_offline;
        weir_request_forward(engine, request, of, list_stage);
    } else {
        request->before_reply = NULL;
        weir_request_reply(request, 0);
    }
}

/* The ids of a partition that is offline nobody can tell; those of the others are there all the same. */
static bool pass_over_offline(struct weir_request *request)
{
    enum { FIRST = 4 };
    struct weir_list_transactions_request *asked = (struct weir_list_transactions_request *)request;
    if (request->rc != WEIR_OFFLINE) return false;
    int32_t *offline = weir_arena_grow(asked->arena, asked->offline, asked->offline_count,
                                       &asked->offline_capacity, FIRST, sizeof *offline);
    if (offline == NULL) {
        request->rc = weir_error_set(&request->error, WEIR_NO_MEMORY, "list transactions");
        return false;
    }
    asked->offline = offline;
    offline[asked->offline_count++] = request->partition;
    request->error = (struct weir_error){0};
    go_on(request, request->partition + 1);
    return true;
}

static void list_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_transaction_partition *home = weir_transaction_partition_of(partition);
    int rc = weir_coordinator_log_catch_up(&home->log, &request->error);
    if (rc == 0) rc = list(home, (struct weir_list_transactions_request *)request);
    if (rc == 0 && weir_arena_failed(((struct weir_list_transactions_request *)request)->arena)) {
        rc = weir_error_set(&request->error, WEIR_NO_MEMORY, "list transactions");
    }
    if (rc < 0) {
        weir_request_reply(request, rc);
    } else {
        go_on(request, partition->number + 1);
    }
}

static void list_arrives(struct weir_message *message)
{
    struct weir_request *request = (struct weir_request *)message;
    int rc = weir_serving_check(&request->shard->engine->serving, &request->error);
    if (rc < 0) {
        weir_request_reply(request, rc);
    } else {
        go_on(request, 0);
    }
}

void weir_transactions_list(struct weir_transaction_coordinator *coordinator,
                            struct weir_list_transactions_request *request)
{
    struct weir_engine *engine = coordinator->engine;
    weir_assert(request->arena != NULL);
    request->list = NULL;
    request->count = 0;
    request->offline = NULL;
    request->offline_count = request->offline_capacity = 0;
    request->request.before_reply = NULL;
    weir_request_set_out(engine, &request->request);
    request->request.shard = &engine->shards[0];
    request->request.message.handle = list_arrives;
    weir_actor_post(request->request.shard->actor, &request->request.message);
}
