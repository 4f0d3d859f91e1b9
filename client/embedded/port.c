/** The Kafka port of the engine in this process. */
#include "base/assert.h"
#include "base/error.h"
#include "client/embedded/embedded_internal.h"
#include "server/server.h"

#define ADDRESS_BY_DEFAULT "127.0.0.1:9092"

/* Waits until whoever looks into the server has looked away: weir_metrics comes from any thread. */
static bool nobody_looks(void *context)
{
    const struct weir_embedded *embedded = context;
    return atomic_load(&embedded->port_readers) == 0;
}

struct weir_server *weir_embedded_port_enter(struct weir_embedded *embedded)
{
    atomic_fetch_add(&embedded->port_readers, 1);
    return atomic_load(&embedded->port);
}

void weir_embedded_port_leave(struct weir_embedded *embedded)
{
    int readers = atomic_fetch_sub(&embedded->port_readers, 1);
    weir_assert(readers > 0); /* this one at least */
    if (readers == 1) weir_signal(embedded->env);
}

void weir_embedded_unlisten(struct weir_embedded *embedded)
{
    struct weir_server *server = atomic_exchange(&embedded->port, NULL);
    if (server == NULL) return;
    weir_assert(atomic_load(&embedded->has_port)); /* its place stays taken until it is closed */
    (void)weir_wait(embedded->env, nobody_looks, embedded,
                    WEIR_MONO_NEVER); /* of a thread that may wait */
    weir_server_close(server);
    atomic_store(&embedded->has_port, false);
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

static int open_server(struct weir_embedded *embedded, const struct weir_listen_options *options,
                       struct weir_server **server_out, struct weir_error *error)
{
    struct weir_config_entry *configs = NULL;
    int rc = check_configs(options, error);
    if (rc < 0) return rc;
    if (options->config_count > 0) {
        configs = weir_alloc_zero(embedded->env->budget, options->config_count * sizeof *configs);
        if (configs == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < options->config_count; i++) {
        configs[i].key = options->configs[i].key;
        configs[i].value = options->configs[i].value;
    }
    struct weir_server_options server = {
        .broker = embedded->broker,
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

int weir_embedded_listen(struct weir_embedded *embedded, const struct weir_listen_options *options,
                         struct weir_error *error)
{
    struct weir_server *server = NULL;
    bool none = false;
    if (!atomic_compare_exchange_strong(&embedded->has_port, &none, true)) {
        return weir_error_set(error, WEIR_EXISTS, "it listens already");
    }
    weir_assert(atomic_load(&embedded->port) == NULL); /* the one before is closed */
    int rc = open_server(embedded, options, &server, error);
    if (rc < 0) {
        atomic_store(&embedded->has_port, false);
        return rc;
    }
    atomic_store(&embedded->port, server);
    return 0;
}

const char *weir_embedded_address(const struct weir_embedded *embedded)
{
    const struct weir_server *server = atomic_load(&embedded->port);
    return server != NULL ? weir_server_address(server) : NULL;
}
