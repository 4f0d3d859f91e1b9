#ifndef WEIR_CLIENT_CLIENT_H
#define WEIR_CLIENT_CLIENT_H

#include "broker/broker.h"
#include "weir/log.h"

struct weir_server; /* server/server.h */

/**
 * What the runtime sees of a log: the environment and the asynchronous requests of the engine.
 * (The public calls of weir/log.h are these requests, waited for.)
 *
 * Two backends are planned for this seam, embedded and kafka; requests are Kafka's in shape for
 * that reason. The embedded one is all there is now.
 */
struct weir_log {
    uint32_t magic;
    struct weir_env *env;
    bool owns_env; /* made by weir_open */
    struct weir_broker *broker;
    struct weir_logger logger;
    char *directory;
    struct weir_budget budget;  /* "client": what producers and consumers hold */
    bool auto_create_topics;    /* of a topic that is produced to */
    _Atomic int producer_count; /* open handles: weir_close refuses while there are any */
    _Atomic int consumer_count;
    _Atomic int job_count; /* counted by the runtime */

    /* The Kafka port (listen.c). */
    _Atomic bool has_port;              /* taken before it opens, given back when it is closed */
    _Atomic(struct weir_server *) port; /* NULL: it does not listen */
    _Atomic int port_readers;           /* calls that look into it: it is not freed meanwhile */
};

/** Open on an environment of the caller's: the simulator, or one shared by several logs. In the
 * simulator also from inside an event. Freed by weir_close, the environment stays. */
int weir_log_open_in(struct weir_env *env, const char *directory,
                     const struct weir_log_options *options, struct weir_log **log_out,
                     struct weir_error *error);

#endif
