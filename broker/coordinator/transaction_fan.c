#include "broker/coordinator/transaction_fan.h"

#include "base/assert.h"

/* Nothing of the transaction is there, or will be. */
static bool is_settled(int rc)
{
    return rc == 0 || rc == WEIR_UNKNOWN_TOPIC_OR_PARTITION || rc == WEIR_PRODUCER_FENCED ||
           rc == WEIR_TRANSACTION_COORDINATOR_FENCED;
}

static void say(const struct weir_transaction_fan *fan, const struct weir_topic_partition *of,
                int rc, const char *text)
{
    char quoted[2 * WEIR_ERROR_TEXT_SIZE];
    if (rc != WEIR_PRODUCER_FENCED && rc != WEIR_TRANSACTION_COORDINATOR_FENCED) return;
    weir_log(&fan->env->logger, WEIR_LOG_WARN, "transaction.marker_refused",
             "topic=%.*s partition=%d reason=%s", (int)of->topic.size, (const char *)of->topic.data,
             of->partition, weir_log_quote(quoted, sizeof quoted, text));
}

/* False: none is left. */
static bool take_next(struct weir_transaction_fan *fan, size_t *index_out)
{
    while (fan->next < fan->count && fan->is_done[fan->next])
        fan->next++;
    if (fan->next == fan->count) return false;
    *index_out = fan->next++;
    return true;
}

static void came_back(struct weir_request *request);

static bool send_next(struct weir_transaction_fan *fan, struct weir_transaction_fan_slot *slot)
{
    if (!take_next(fan, &slot->index)) return false;
    memset(&slot->marker, 0, sizeof slot->marker);
    memset(&slot->sync, 0, sizeof slot->sync);
    slot->fan = fan;
    slot->request.reply_to = fan->reply_to;
    slot->request.done = came_back;
    slot->request.context = slot;
    fan->out_count++;
    fan->send(fan, slot);
    return true;
}

static void end(struct weir_transaction_fan *fan)
{
    weir_free(fan->slots);
    fan->slots = NULL;
    fan->ended(fan);
}

static void came_back(struct weir_request *request)
{
    struct weir_transaction_fan_slot *slot = request->context;
    struct weir_transaction_fan *fan = slot->fan;
    int rc = request->rc;
    weir_assert(fan->out_count > 0);
    fan->out_count--;
    say(fan, &fan->partitions[slot->index], rc, request->error.text);
    if (is_settled(rc)) {
        fan->is_done[slot->index] = true;
        fan->done_count++;
    } else if (fan->rc == 0) {
        fan->rc = rc;
        fan->error = request->error;
    }
    /* With the log gone nobody else will do it either. */
    if (fan->rc != WEIR_CLOSED && send_next(fan, slot)) return;
    if (fan->out_count == 0) end(fan);
}

int weir_transaction_fan_begin(struct weir_transaction_fan *fan, struct weir_budget *budget)
{
    size_t left = fan->count - fan->done_count;
    size_t width = left < WEIR_TRANSACTION_FAN_WIDTH ? left : WEIR_TRANSACTION_FAN_WIDTH;
    weir_assert(fan->out_count == 0 && fan->slots == NULL);
    fan->next = 0;
    fan->rc = 0;
    fan->error = (struct weir_error){0};
    if (left > 0) {
        if (fan->is_done == NULL) fan->is_done = weir_alloc_zero(budget, fan->count);
        fan->slots =
            fan->is_done != NULL ? weir_alloc_zero(budget, width * sizeof *fan->slots) : NULL;
        if (fan->slots == NULL) return WEIR_NO_MEMORY;
    }
    fan->out_count = 1; /* it does not end while it begins */
    for (size_t i = 0; i < width && send_next(fan, &fan->slots[i]);)
        i++;
    fan->out_count--;
    if (fan->out_count == 0) end(fan);
    return 0;
}

void weir_transaction_fan_close(struct weir_transaction_fan *fan)
{
    weir_assert(fan->out_count == 0);
    weir_free(fan->slots);
    weir_free(fan->is_done);
    fan->slots = NULL;
    fan->is_done = NULL;
    fan->done_count = 0;
}
