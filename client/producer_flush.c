/** Waiting until what was sent is answered. */
#include "client/producer_internal.h"

#include "base/assert.h"
#include "base/error.h"

int weir_producer_may_wait(const struct weir_producer *producer, const char *call,
                           struct weir_error *error)
{
    int rc = weir_log_may_wait(producer->log, call, error);
    if (rc < 0 || !producer->is_delivering) return rc;
    return weir_error_set(error, WEIR_WRONG_THREAD, "%s inside on_delivery: return, and call then",
                          call);
}

int weir_producer_await_all(struct weir_producer *producer, struct weir_error *error)
{
    int rc = 0;
    weir_producer_take_answers(producer);
    weir_producer_pump_all(producer);
    while (producer->busy != NULL && rc == 0) {
        weir_assert(producer->busy->open == NULL); /* that would never be answered */
        rc = weir_producer_await(producer, error);
    }
    return rc;
}

int weir_producer_take_failure(struct weir_producer *producer, struct weir_error *error)
{
    int rc = producer->failure.code;
    if (rc != 0 && error != NULL) *error = producer->failure;
    producer->failure.code = 0;
    return rc;
}

int weir_producer_flush_all(struct weir_producer *producer, struct weir_error *error)
{
    int rc = 0;
    struct weir_producer_partition *partition = producer->busy;
    for (; partition != NULL && rc == 0; partition = partition->next_busy) {
        rc = weir_producer_seal(producer, partition, error);
    }
    if (rc < 0) {
        weir_producer_pump_all(producer); /* what was sealed goes, the rest waits for another try */
        return rc;
    }
    rc = weir_producer_await_all(producer, error);
    if (rc < 0) return rc;
    (void)weir_producer_deliver(producer);
    return weir_producer_take_failure(producer, error);
}
