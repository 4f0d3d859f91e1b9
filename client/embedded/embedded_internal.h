#ifndef WEIR_CLIENT_EMBEDDED_EMBEDDED_INTERNAL_H
#define WEIR_CLIENT_EMBEDDED_EMBEDDED_INTERNAL_H

#include "broker/broker.h"
#include "client/embedded/embedded.h"

struct weir_server; /* server/server.h */

struct weir_embedded {
    struct weir_env *env;
    struct weir_broker *broker;
    struct weir_topic_defaults topic_defaults;

    /* The Kafka port (port.c). */
    _Atomic bool has_port;              /* taken before it opens, given back when it is closed */
    _Atomic(struct weir_server *) port; /* NULL: it does not listen */
    _Atomic int port_readers;           /* calls that look into it: it is not freed meanwhile */
};

/** The port, NULL if there is none; it stays until leave. Any thread. */
struct weir_server *weir_embedded_port_enter(struct weir_embedded *embedded);
void weir_embedded_port_leave(struct weir_embedded *embedded);

#endif
