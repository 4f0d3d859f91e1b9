/** The Kafka port of an open log, and what both measure: for a log whose engine is in this process. */
#include "base/error.h"
#include "base/options.h"
#include "client/client_internal.h"
#include "client/embedded/embedded.h"

/* A cluster's servers have ports of their own. */
static int check_log(const struct weir_log *log, const char *call, struct weir_error *error)
{
    int rc = weir_log_check(log, call, error);
    if (rc == 0) rc = weir_log_may_wait(log, call, error);
    if (rc < 0 || log->embedded != NULL) return rc;
    return weir_error_set(error, WEIR_UNSUPPORTED, "%s: the log is not in this process", call);
}

int weir_listen(struct weir_log *log, const struct weir_listen_options *options,
                struct weir_error *error)
{
    weir_error_clear(error);
    struct weir_listen_options taken;
    int rc = check_log(log, "weir_listen", error);
    if (rc == 0) {
        rc = weir_options_take(&taken, sizeof taken, options, "WEIR_LISTEN_OPTIONS_INIT", error);
    }
    if (rc < 0) return rc;
    rc = weir_embedded_listen(log->embedded, &taken, error);
    return weir_error_wrap(error, rc, "log '%s'", log->directory);
}

int weir_unlisten(struct weir_log *log, struct weir_error *error)
{
    int rc = check_log(log, "weir_unlisten", error);
    if (rc == 0) weir_embedded_unlisten(log->embedded);
    return rc;
}

const char *weir_listen_address(const struct weir_log *log)
{
    if (weir_log_check(log, "weir_listen_address", NULL) < 0 || log->embedded == NULL) return NULL;
    return weir_embedded_address(log->embedded);
}

void weir_metrics(const struct weir_log *log,
                  void (*each)(void *context, const char *name, const char *labels, double value,
                               const char *help),
                  void *context)
{
    if (each == NULL || weir_log_check(log, "weir_metrics", NULL) < 0) return;
    if (log->embedded != NULL) weir_embedded_metrics(log->embedded, each, context);
}
