#ifndef WEIR_TESTS_DSL_USER_FUNCTIONS_H
#define WEIR_TESTS_DSL_USER_FUNCTIONS_H

#include "weir/stream.h"

/** User functions for graphs that are built and looked at, but not run. */
static inline int any(struct weir_call *call, const void *key, const void *value)
{
    (void)call;
    (void)key;
    (void)value;
    return 1;
}

static inline int same(struct weir_call *call, const void *key, const void *value,
                       const void **key_out, const void **value_out)
{
    (void)call;
    *key_out = key;
    *value_out = value;
    return 0;
}

static inline int same_value(struct weir_call *call, const void *key, const void *value,
                             const void **value_out)
{
    (void)call;
    (void)key;
    *value_out = value;
    return 0;
}

static inline int value_as_key(struct weir_call *call, const void *key, const void *value,
                               const void **key_out)
{
    (void)call;
    (void)key;
    *key_out = value;
    return 0;
}

static inline int none(struct weir_call *call, const void *key, const void *value,
                       struct weir_emitter *emitter)
{
    (void)call;
    (void)key;
    (void)value;
    (void)emitter;
    return 0;
}

static inline int last(struct weir_call *call, const void *aggregate, const void *value,
                       const void **aggregate_out)
{
    (void)call;
    (void)aggregate;
    *aggregate_out = value;
    return 0;
}

static inline int keep(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    (void)call;
    (void)key;
    (void)value;
    (void)aggregate;
    return 0;
}

static inline int left_value(struct weir_call *call, const void *key, const void *stream_value,
                             const void *table_value, const void **value_out)
{
    (void)call;
    (void)key;
    (void)table_value;
    *value_out = stream_value;
    return 0;
}

static inline int swallow(struct weir_process *process, void *state, struct weir_call *call,
                          const void *key, const void *value)
{
    (void)process;
    (void)state;
    (void)call;
    (void)key;
    (void)value;
    return 0;
}

#endif
