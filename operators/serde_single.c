/* One object at a time, for sources and tests outside of a job. */
#include "base/arena.h"
#include "base/error.h"
#include "runtime/task/scope.h"
#include "weir/serde.h"

/* A scope over plain memory: single conversions are off the hot path. */
struct single {
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena;
    struct weir_scope scope;
};

static void single_open(struct single *single)
{
    weir_heap_init(&single->heap, false);
    weir_budget_init(&single->budget, "serde", &single->heap, NULL, 0);
    weir_arena_init(&single->arena, &single->budget, 4096);
    single->scope = (struct weir_scope){.arena = &single->arena};
}

/* Why the serde gave up: its own words, or just that it did. */
static int serde_failure(const struct weir_serde *serde, const struct weir_error *reason,
                         const char *verb, struct weir_error *error)
{
    if (reason->code == 0) {
        return weir_error_set(error, WEIR_SERDE, "%s %s: the serde gave no reason", verb,
                              serde->name);
    }
    if (error != NULL) *error = *reason;
    return reason->code;
}

int64_t weir_serialize(const struct weir_serde *serde, const void *object, uint8_t *to,
                       size_t to_size, struct weir_error *error)
{
    weir_error_clear(error);
    if (serde == NULL || (to == NULL && to_size > 0)) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "weir_serialize: the %s is NULL",
                              serde == NULL ? "serde" : "memory for the bytes");
    }
    struct single single;
    single_open(&single);
    struct weir_error reason = {0};
    struct weir_serde_call call = {.topic = serde->name, .scope = &single.scope, .error = &reason};
    struct weir_slice bytes = weir_null();
    int64_t rc = 0;
    if (object == NULL) {
        rc = weir_error_set(error, WEIR_INVALID_ARGUMENT, "serialize %s: null has no bytes",
                            serde->name);
        goto out;
    }
    if (serde->serialize(serde, &call, &object, 1, &bytes) != 1) {
        rc = serde_failure(serde, &reason, "serialize", error);
        goto out;
    }
    if (bytes.size > to_size) {
        rc = weir_error_set(error, WEIR_TOO_LARGE, "serialize %s: %zu bytes, room for %zu",
                            serde->name, bytes.size, to_size);
        goto out;
    }
    memcpy(to, bytes.data, bytes.size);
    rc = (int64_t)bytes.size;
out:
    weir_arena_close(&single.arena);
    return rc;
}

int weir_deserialize(const struct weir_serde *serde, struct weir_slice bytes, void *object_out,
                     struct weir_error *error)
{
    weir_error_clear(error);
    if (serde == NULL || object_out == NULL) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "weir_deserialize: the %s is NULL",
                              serde == NULL ? "serde" : "memory for the object");
    }
    struct single single;
    single_open(&single);
    struct weir_error reason = {0};
    struct weir_serde_call call = {.topic = serde->name, .scope = &single.scope, .error = &reason};
    const void *object = NULL;
    int rc = 0;
    if (bytes.data == NULL) {
        rc = weir_error_set(error, WEIR_INVALID_ARGUMENT, "deserialize %s: null is no object",
                            serde->name);
        goto out;
    }
    if (serde->deserialize(serde, &call, &bytes, 1, &object) != 1) {
        rc = serde_failure(serde, &reason, "deserialize", error);
        goto out;
    }
    memcpy(object_out, object, serde->object_size);
out:
    weir_arena_close(&single.arena);
    return rc;
}
