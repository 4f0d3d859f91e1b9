/** What holds of a consumer, who is inside, and the states of its partitions. */
#include "client/consumer_internal.h"

#include "base/assert.h"
#include "base/error.h"

/* ---- what holds ------------------------------------------------------------------------------ */

static void check_held(const struct weir_consumer_held *held)
{
    weir_assert(held->has_batch || !held->in_batch);
    if (held->partition != NULL) {
        weir_assert(held->part <= held->batches.part_count);
    } else {
        weir_assert(held->batches.part_count == 0);
        weir_assert(!held->has_batch);
    }
}

static bool is_partition_sound(const struct weir_consumer *consumer,
                               const struct weir_consumer_partition *partition)
{
    const bool is_idle = partition->turn.state == WEIR_CONSUMER_IDLE;
    const bool is_ready = partition->turn.state == WEIR_CONSUMER_READY;
    const bool has_place = partition->position >= 0;
    const bool may_lack_it =
        consumer->member != NULL && is_idle; /* the group's is to be found yet */
    return partition->consumer == consumer && partition->index >= 0 && (has_place || may_lack_it) &&
           (is_idle || !partition->is_paused) && (is_idle || !partition->turn.has_failed) &&
           (!is_ready || partition->fetch.batches.part_count > 0);
}

static bool are_partitions_sound(const struct weir_consumer *consumer)
{
    bool are_sound = true;
    for (size_t i = 0; i < consumer->partition_count; i++) {
        are_sound = are_sound && is_partition_sound(consumer, consumer->partitions[i]);
    }
    return are_sound;
}

bool weir_consumer_reads_committed(const struct weir_consumer *consumer)
{
    return consumer->options.isolation_level == WEIR_READ_COMMITTED;
}

void weir_consumer_check(const struct weir_consumer *consumer)
{
    weir_assert(consumer->magic == WEIR_CONSUMER_MAGIC);
    weir_assert(consumer->records != NULL);
    weir_assert(consumer->partition_count <= consumer->partition_capacity);
    weir_assert(consumer->partition_count == consumer->by_name.live_count);
    weir_assert(consumer->offer == NULL || consumer->member != NULL);
    weir_assert(consumer->turn == 0 || consumer->turn < consumer->partition_count);
    check_held(&consumer->held);
    weir_assert_slow(are_partitions_sound(consumer));
}

/* ---- who is inside --------------------------------------------------------------------------- */

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
    if (rc == WEIR_CRASHED) return rc; /* its memory went with the node */
    weir_consumer_check(consumer);
    weir_access_release(&consumer->access);
    return rc;
}

/* ---- states ---------------------------------------------------------------------------------- */

void weir_consumer_note(struct weir_consumer_partition *partition, struct weir_consumer_event event)
{
    struct weir_consumer_update update;
    weir_consumer_step(&partition->turn, &event, &update);
    weir_assert(!update.cancels && !update.sends && !update.releases && !update.waits);
}
