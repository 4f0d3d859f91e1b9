#include "tests/crash/counting.h"

struct weir_topology *counting_topology(struct weir_error *error)
{
    struct weir_builder *builder = weir_builder_new();
    if (builder == NULL) return NULL;
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_table *counts = weir_count(weir_group_by_key(in), WEIR_STORE(.name = "counts"));
    weir_to(weir_to_stream(counts), "counts");
    struct weir_topology *topology = weir_build(builder, error);
    weir_builder_free(builder);
    return topology;
}

int counting_send(struct weir_producer *producer, const char *key, int64_t timestamp_ms,
                  struct weir_error *error)
{
    const struct weir_record record = {
        .key = weir_text(key), .value = weir_text("v"), .timestamp_ms = timestamp_ms};
    int rc;
    do {
        rc = weir_producer_send(producer, "in", -1, &record, NULL, error);
    } while (rc < 0 && weir_code_action(rc) == WEIR_ACTION_RETRY);
    return rc;
}

int counting_close(struct weir_producer *producer, int rc, struct weir_error *error)
{
    struct weir_error closing = {0};
    int closed = weir_producer_close(producer, &closing);
    if (rc >= 0 && closed < 0) *error = closing;
    return rc < 0 ? rc : closed;
}
