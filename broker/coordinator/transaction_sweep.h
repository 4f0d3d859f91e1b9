#ifndef WEIR_BROKER_COORDINATOR_TRANSACTION_SWEEP_H
#define WEIR_BROKER_COORDINATOR_TRANSACTION_SWEEP_H

#include "broker/coordinator/transaction_partition.h"

/**
 * Transactional ids that nobody has used for transactional.id.expiration.ms are taken back: looked for at intervals, so many
 * in a turn. Who comes later with one of them is told that it has none (INVALID_PRODUCER_ID_MAPPING).
 * Thread: the partition's shard; the partition is open.
 */
void weir_transaction_sweep_run(struct weir_transaction_partition *home, struct weir_mono now);

#endif
