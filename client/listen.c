/** The Kafka port of an open log. */
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "server/server.h"
#include "client/client_internal.h"
#include "weir/listen.h"

#define ADDRESS_BY_DEFAULT "127.0.0.1:9092"

/* Waits until whoever looks into the server has looked away: weir_metrics comes from any thread. */
static bool nobody_looks(void *context)
{
    const struct weir_log *log = context;
    return atomic_load(&log->port_readers) == 0;
}

struct weir_server *weir_port_enter(struct weir_log *log)
{
    atomic_fetch_add(&log->port_readers, 1);
    return atomic_load(&log->port);
}

void weir_port_leave(struct weir_log *log)
{
    if (atomic_fetch_sub(&log->port_readers, 1) == 1) weir_signal(log->env);
}

void weir_port_close(struct weir_log *log)
{
    struct weir_server *server = atomic_exchange(&log->port, NULL);
    if (server == NULL) return;
    (void)weir_wait(log->env, nobody_looks, log, WEIR_MONO_NEVER); /* of a thread that may wait */
    weir_server_close(server);
    atomic_store(&log->has_port, false);
}

/* ---- opening --------------------------------------------------------------------------------- */

static int check_configs(const struct weir_listen_options *options, struct weir_error *error)
{
    for (size_t i = 0; i < options->config_count; i++) {
        if (options->configs[i].key != NULL && options->configs[i].value != NULL) continue;
        return weir_error_set(error, WEIR_INVALID_CONFIG, "setting %zu has no %s", i,
                              options->configs[i].key == NULL ? "key" : "value");
    }
    return 0;
}

static int open_server(struct weir_log *log, const struct weir_listen_options *options,
                       struct weir_server **server_out, struct weir_error *error)
{
    struct weir_config_entry *configs = NULL;
    int rc = check_configs(options, error);
    if (rc < 0) return rc;
    if (options->config_count > 0) {
        configs = weir_alloc_zero(&log->budget, options->config_count * sizeof *configs);
        if (configs == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < options->config_count; i++) {
        configs[i].key = options->configs[i].key;
        configs[i].value = options->configs[i].value;
    }
    struct weir_server_options server = {
        .broker = log->broker,
        .address = options->address != NULL ? options->address : ADDRESS_BY_DEFAULT,
        .advertised_address = options->advertised_address,
        .allow_insecure = options->insecure,
        .configs = configs,
        .config_count = options->config_count,
    };
    rc = weir_server_open(&server, server_out, error);
    weir_free(configs);
    return rc;
}

int weir_listen(struct weir_log *log, const struct weir_listen_options *options,
                struct weir_error *error)
{
    weir_error_clear(error);
    struct weir_listen_options taken;
    struct weir_server *server = NULL;
    bool none = false;
    int rc = weir_log_check(log, "weir_listen", error);
    if (rc == 0) rc = weir_log_may_wait(log, "weir_listen", error);
    if (rc == 0) {
        rc = weir_options_take(&taken, sizeof taken, options, "WEIR_LISTEN_OPTIONS_INIT", error);
    }
    if (rc < 0) return rc;
    if (!atomic_compare_exchange_strong(&log->has_port, &none, true)) {
        return weir_error_set(error, WEIR_EXISTS, "log '%s' listens already", log->directory);
    }
    rc = open_server(log, &taken, &server, error);
    if (rc < 0) {
        atomic_store(&log->has_port, false);
        return weir_error_wrap(error, rc, "log '%s'", log->directory);
    }
    atomic_store(&log->port, server);
    return 0;
}

int weir_unlisten(struct weir_log *log, struct weir_error *error)
{
    int rc = weir_log_check(log, "weir_unlisten", error);
    if (rc == 0) rc = weir_log_may_wait(log, "weir_unlisten", error);
    if (rc < 0) return rc;
    weir_port_close(log);
    return 0;
}

const char *weir_listen_address(const struct weir_log *log)
{
    if (weir_log_check(log, "weir_listen_address", NULL) < 0) return NULL;
    const struct weir_server *server = atomic_load(&log->port);
    return server != NULL ? weir_server_address(server) : NULL;
}
