/** Who is inside a consumer, and the states of its partitions. */
#include "client/consumer_internal.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/state_table.h"

int weir_consumer_enter(struct weir_consumer *consumer, const char *call, struct weir_error *error)
{
    if (consumer != NULL && consumer->magic == WEIR_CONSUMER_MAGIC) {
        return weir_access_acquire(&consumer->access, "consumer", call, error);
    }
    return weir_error_set(error, WEIR_INVALID_ARGUMENT, "%s: the consumer is %s", call,
                          consumer == NULL ? "NULL" : "closed, or not a consumer");
}

int weir_consumer_leave(struct weir_consumer *consumer, int rc)
{
    if (rc != WEIR_CRASHED) weir_access_release(&consumer->access);
    return rc;
}

#define TO(state) WEIR_STATE_BIT(WEIR_CONSUMER_##state)
static const struct weir_state_row rows[] = {
    [WEIR_CONSUMER_IDLE] = {"idle", TO(FETCHING)},
    [WEIR_CONSUMER_FETCHING] = {"fetching", TO(IDLE) | TO(READY)},
    [WEIR_CONSUMER_READY] = {"ready", TO(IDLE)},
};
#undef TO
static const struct weir_state_table states = WEIR_STATE_TABLE("consumer of topic", rows);

void weir_consumer_move(struct weir_consumer_partition *partition, enum weir_consumer_state to)
{
    partition->state = weir_state_move(&states, partition->topic, partition->state, to);
}
