#include "broker/coordinator/transaction_coordinator.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/engine.h"

void weir_transactions_init(struct weir_transaction_coordinator *coordinator,
                            struct weir_engine *engine, struct weir_group_settle *groups)
{
    weir_assert(engine != NULL && groups != NULL);
    *coordinator = (struct weir_transaction_coordinator){.engine = engine, .groups = groups};
}

void weir_transactions_open(struct weir_transaction_coordinator *coordinator)
{
    struct weir_engine *engine = coordinator->engine;
    coordinator->settings = engine->options.transactions;
    /* Without a bound of its own: what was let in is read again at a start, whatever the setting is then. */
    weir_budget_init(&coordinator->budget, "transactions", engine->env->heap, &engine->budget, 0);
}

void weir_transactions_know(struct weir_transaction_coordinator *coordinator,
                            struct weir_transaction_helpers helpers)
{
    const struct weir_metadata_image *image =
        weir_metadata_view_look(&coordinator->engine->shards[0].metadata);
    const struct weir_topic_image *topic =
        weir_metadata_topic(image, weir_text(WEIR_TRANSACTION_STATE_TOPIC));
    coordinator->helpers = helpers;
    coordinator->partition_count =
        topic != NULL ? topic->partition_count : coordinator->settings.log_num_partitions;
}

static void hear_start(struct weir_message *message)
{
    struct weir_transaction_coordinator *coordinator =
        (struct weir_transaction_coordinator *)((char *)message -
                                                offsetof(struct weir_transaction_coordinator,
                                                         start));
    struct weir_engine *engine = coordinator->engine;
    weir_partition_wake_begin(&coordinator->wake, engine, WEIR_TRANSACTION_STATE_TOPIC);
    weir_serving_release(&engine->serving);
}

void weir_transactions_start(struct weir_transaction_coordinator *coordinator)
{
    struct weir_engine *engine = coordinator->engine;
    coordinator->start.handle = hear_start;
    weir_serving_hold(&engine->serving);
    weir_actor_post(engine->shards[0].actor, &coordinator->start);
}

int weir_transactions_check_room(const struct weir_transaction_coordinator *coordinator,
                                 bool is_known, size_t size, struct weir_error *error)
{
    size_t used = atomic_load(&coordinator->budget.used);
    size_t max = (size_t)coordinator->settings.all_bytes_max;
    if (is_known) max += max / 4;
    if (used <= max && size <= max - used) return 0;
    return weir_error_set(error, WEIR_LIMIT,
                          "all transactional ids together take %zu of the %zu bytes that they may "
                          "(transactions.max.bytes): %s",
                          used, max,
                          is_known ? "no partition is added to a transaction"
                                   : "no new transactional id is let in");
}
