#ifndef WEIR_LISTEN_H
#define WEIR_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/error.h"
#include "weir/export.h"
#include "weir/log.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The Kafka port of an open log: any Kafka client reads and writes its topics while the program's own
 * jobs, producers and consumers go on. `weir server` is weir_open and weir_listen.
 */
struct weir_listen_options {
    WEIR_SIZE(struct weir_listen_options);
    /** "127.0.0.1:9092", "[::1]:0", "localhost"; NULL: 127.0.0.1:9092. A name is looked up, and its
     * first address taken; without a port it is 9092, and port 0 is any free one. */
    const char *address;
    /** What clients are told to connect to; NULL: the address they came in by. */
    const char *advertised_address;
    /** Listen at another address than loopback, though there is no authentication yet. */
    bool insecure;
    /** Kafka's broker settings: {"max.connections", "100"}. */
    const struct weir_config *configs;
    size_t config_count;
};
/** `struct weir_listen_options options = {WEIR_LISTEN_OPTIONS_INIT, .address = "[::1]:9092"};` */
#define WEIR_LISTEN_OPTIONS_INIT .size = sizeof(struct weir_listen_options)

/**
 * Open the port; clients can connect on return. Closed by weir_unlisten or weir_close. `options` may be
 * NULL. One port per log.
 *
 * Errors: WEIR_INVALID_ARGUMENT (the address; not loopback without `insecure`), WEIR_NOT_FOUND (no
 *         such host), WEIR_EXISTS (it listens already), WEIR_LOCKED (the address is in use), WEIR_PERMISSION, WEIR_INVALID_CONFIG.
 * Thread: any but the library's own.
 */
WEIR_API int weir_listen(struct weir_log *log, const struct weir_listen_options *options,
                         struct weir_error *error);
/** Answer what is under way, close the connections and the port. Fine if it does not listen. */
WEIR_API int weir_unlisten(struct weir_log *log, struct weir_error *error);
/** "127.0.0.1:9092", with the port it got; NULL while it does not listen. Until weir_unlisten. */
WEIR_API const char *weir_listen_address(const struct weir_log *log);

/**
 * What an open log and its port count and measure, for a program to export. `each` is called once per
 * figure: a name in Prometheus' manner ("weir_requests_total"), labels ("api=\"Produce\"", may be
 * empty), the value, and one sentence. Any thread.
 */
WEIR_API void weir_metrics(const struct weir_log *log,
                           void (*each)(void *context, const char *name, const char *labels,
                                        double value, const char *help),
                           void *context);

#ifdef __cplusplus
}
#endif

#endif
