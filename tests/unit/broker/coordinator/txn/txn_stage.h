#ifndef WEIR_TESTS_TXN_STAGE_H
#define WEIR_TESTS_TXN_STAGE_H

#include "base/arena.h"
#include "broker/coordinator/txn/txn_image.h"
#include "tests/support/support.h"

/**
 * One transactional id without a log: a step's record is folded into an image as if it were durable at once, and what the
 * step asks for is given.
 */
#define STAGE_ID "copies"
enum { STAGE_TIMEOUT_MS = 60000 };

struct stage {
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena;
    struct weir_txn_image image;
    struct weir_txn_settings settings;
    struct weir_txn_update update; /* of the last step */
    struct weir_error error;
    int64_t now_ms;
    int64_t wall_ms;
    int64_t deadline_ms;
    int64_t last_id; /* of the producer ids that were given */
    size_t id_count; /* how many were asked for */
    size_t sync_count;
};

void stage_init(struct stage *stage);
void stage_close(struct stage *stage);
/** What is durable; NULL: nothing. */
const struct weir_txn *stage_txn(const struct stage *stage);
/** Put this in the place of what is durable. */
void stage_put(struct stage *stage, const struct weir_txn *txn);
/** One in this state with epoch 5, and partition clicks-0 where it may have some. */
struct weir_txn stage_make(struct stage *stage, enum weir_transaction_state state);

/* Each is a step, and what is answered. */
int stage_init_with(struct stage *stage, struct weir_init_transactions_request *init);
/** As a new producer. */
int stage_begin(struct stage *stage, int64_t *id_out, int16_t *epoch_out);
int stage_add(struct stage *stage, int64_t id, int16_t epoch, const char *topic, int32_t partition);
int stage_end(struct stage *stage, struct weir_end_transaction_request *end);
int stage_event(struct stage *stage, enum weir_txn_event_type type);
/** Through Prepare* to Complete*. */
void stage_complete(struct stage *stage);

#endif
