#ifndef WEIR_BROKER_ENGINE_ROUTE_H
#define WEIR_BROKER_ENGINE_ROUTE_H

#include "broker/engine/request.h"

/** A request's way to its partition: to the shard that owns it, where it waits for the partition to be open. */

/** Set a request out to the shard of its topic and partition, to run `stage` there. */
void weir_request_send(struct weir_engine *engine, struct weir_request *request,
                       struct weir_topic_partition to,
                       void (*stage)(struct weir_partition *partition,
                                     struct weir_request *request));
/** The same for one that only looks: where the partition's folder has never been made it is not made for this, and `unmade`
 * is run, with a partition that is not open: it has no log, which would be an empty one. */
void weir_request_send_to_look(
    struct weir_engine *engine, struct weir_request *request, struct weir_topic_partition to,
    void (*stage)(struct weir_partition *partition, struct weir_request *request),
    void (*unmade)(struct weir_partition *partition, struct weir_request *request));
/** Have a request, that has been set out before and is on its partition's shard, run `stage` there. */
void weir_request_enter(struct weir_request *request, struct weir_topic_partition to,
                        void (*stage)(struct weir_partition *partition,
                                      struct weir_request *request));
/** Send a request on, that has been set out before, to a partition. */
void weir_request_forward(struct weir_engine *engine, struct weir_request *request,
                          struct weir_topic_partition to,
                          void (*stage)(struct weir_partition *partition,
                                        struct weir_request *request));

#endif
