#ifndef WEIR_BROKER_COORDINATOR_TRANSACTION_PLACE_H
#define WEIR_BROKER_COORDINATOR_TRANSACTION_PLACE_H

#include "broker/coordinator/group_place.h"
#include "broker/coordinator/transaction_coordinator.h"

/**
 * Set a request out to the shard of its transactional id's partition, where `arrive` is run: the partition that Kafka would
 * put it into (group_hash.h, with the id in the group's place). Any thread.
 */
void weir_transaction_place_send(struct weir_transaction_coordinator *coordinator,
                                 struct weir_transaction_request *request,
                                 void (*arrive)(struct weir_message *message));
/** There: may it come in? WEIR_INVALID_ARGUMENT, WEIR_CLOSED, WEIR_OFFLINE. */
int weir_transaction_place_check(const struct weir_transaction_request *request,
                                 struct weir_error *error);
/** Have it run `stage` when the partition is open. */
void weir_transaction_place_enter(struct weir_request *request,
                                  void (*stage)(struct weir_partition *partition,
                                                struct weir_request *request));
/** The same of one whose id is to be there: without the partition there is none, which `no_id` says. Where it arrives. */
void weir_transaction_place_enter_known(struct weir_transaction_request *request,
                                        void (*stage)(struct weir_partition *partition,
                                                      struct weir_request *request),
                                        int (*no_id)(struct weir_slice id,
                                                     struct weir_error *error));

/** As many bytes of an id as a text for people has room for. */
int weir_transaction_id_shown(struct weir_slice id);

#endif
