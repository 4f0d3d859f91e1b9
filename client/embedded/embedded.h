#ifndef WEIR_CLIENT_EMBEDDED_EMBEDDED_H
#define WEIR_CLIENT_EMBEDDED_EMBEDDED_H

#include "client/log_ops.h"
#include "weir/listen.h"
#include "weir/log.h"

/**
 * A log whose engine runs in this process: the table of operations, bound to the broker on a directory. A
 * request goes to the engine as it came, and so does its answer: nothing lies between but a call.
 *
 * Beside the table there is what only an engine in this process has: its Kafka port and its figures.
 */
struct weir_broker;
struct weir_embedded;

extern const struct weir_log_ops weir_embedded_ops; /* `impl` is a struct weir_embedded */

/**
 * Open or create the directory. `options` are a whole struct of ours whose numbers have been checked.
 * Errors: those of weir_broker_open; WEIR_INVALID_CONFIG, WEIR_INVALID_ARGUMENT (topic_configs).
 * Thread: one that may block (or, in the simulator, any: only files are touched).
 */
int weir_embedded_open(struct weir_env *env, const char *directory,
                       const struct weir_log_options *options, struct weir_embedded **embedded_out,
                       struct weir_error *error);

/** The engine itself, for who looks inside: tools and tests. */
struct weir_broker *weir_embedded_broker(const struct weir_embedded *embedded);

/** Open the Kafka port. Errors: as weir_listen. Thread: one that may block. */
int weir_embedded_listen(struct weir_embedded *embedded, const struct weir_listen_options *options,
                         struct weir_error *error);
/** Close it, if it is there. Thread: one that may block. */
void weir_embedded_unlisten(struct weir_embedded *embedded);
/** NULL while it does not listen. */
const char *weir_embedded_address(const struct weir_embedded *embedded);

/** What the engine and its port count and measure, as weir_metrics tells it. Any thread. */
void weir_embedded_metrics(struct weir_embedded *embedded,
                           void (*each)(void *context, const char *name, const char *labels,
                                        double value, const char *help),
                           void *context);

#endif
