#ifndef WEIR_SERVER_PEER_COUNTS_H
#define WEIR_SERVER_PEER_COUNTS_H

#include <stdatomic.h>

#include "base/map.h"

/**
 * How many connections each host has, over all parts: max.connections.per.ip. Used only where that
 * is set, and then once per connection, so that a lock is good enough.
 *
 * Thread: any.
 */
struct weir_peer_counts {
    atomic_flag lock;
    struct weir_map hosts;
    struct weir_budget *budget;
};

void weir_peer_counts_init(struct weir_peer_counts *counts, struct weir_budget *budget);
void weir_peer_counts_close(struct weir_peer_counts *counts);
/** One more for the host of `peer` ("host:port"); false if it has `limit` already, or memory is
 * out. */
bool weir_peer_counts_enter(struct weir_peer_counts *counts, const char *peer, int32_t limit);
void weir_peer_counts_leave(struct weir_peer_counts *counts, const char *peer);

#endif
