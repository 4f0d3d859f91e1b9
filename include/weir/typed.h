#ifndef WEIR_TYPED_H
#define WEIR_TYPED_H

#include "weir/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * User functions with C types in place of `void *`:
 *
 *     WEIR_MAP_VALUES(length, struct weir_slice, struct weir_slice, int64_t)
 *     {
 *         *value_out = weir_call_int64(call, (int64_t)value->size);
 *         return 0;
 *     }
 *     …
 *     weir_map_values(lines, length, NULL, WEIR_INT64);
 *
 * The compiler checks that what is handed over has the type, wherever it comes from, and the runtime that
 * the types are those of the serdes in and out, before the function runs: one comparison per record, and
 * WEIR_SERDE if not. A struct is known by its size. What is not looked at is a `struct weir_any`. Each
 * macro declares a static function of that name, with the parameters of the type named beside it.
 */
struct weir_any {
    char unused;
};

struct weir_type {
    const char *name; /* NULL: there is no such object */
    int kind;         /* WEIR_KIND_OF */
    size_t size;
};

struct weir_function_types {
    struct weir_type key;
    struct weir_type value;
    struct weir_type other; /* a join's table value */
    struct weir_type key_out;
    struct weir_type value_out;
};

/** 0, or WEIR_SERDE with the error set: the node's serdes are of other types. The macros call it. */
WEIR_API int weir_call_check_types(struct weir_call *call, const struct weir_function_types *types);

#define WEIR_TYPE_(type)                                                                           \
    {                                                                                              \
        "" #type, WEIR_KIND_OF(type), sizeof(type)                                                 \
    }
#define WEIR_NO_TYPE_                                                                              \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }
#define WEIR_CHECK_TYPES_(call, key, value, other, key_out, value_out)                             \
    static const struct weir_function_types types_ = {key, value, other, key_out, value_out};      \
    int rc_ =                                                                                      \
        (call) != NULL && (call)->types == &types_ ? 0 : weir_call_check_types((call), &types_)

/** weir_map_values_fn: `value_type` in, `out_type` out. */
#define WEIR_MAP_VALUES(name, key_type, value_type, out_type)                                      \
    static int name##_typed_(struct weir_call *call, const key_type *key, const value_type *value, \
                             const out_type **value_out);                                          \
    static int name(struct weir_call *call, const void *key, const void *value,                    \
                    const void **value_out)                                                        \
    {                                                                                              \
        WEIR_CHECK_TYPES_(call, WEIR_TYPE_(key_type), WEIR_TYPE_(value_type), WEIR_NO_TYPE_,       \
                          WEIR_NO_TYPE_, WEIR_TYPE_(out_type));                                    \
        const out_type *out_ = NULL;                                                               \
        if (rc_ == 0) {                                                                            \
            rc_ = name##_typed_(call, (const key_type *)key, (const value_type *)value, &out_);    \
        }                                                                                          \
        *value_out = out_;                                                                         \
        return rc_;                                                                                \
    }                                                                                              \
    static int name##_typed_(struct weir_call *call, const key_type *key, const value_type *value, \
                             const out_type **value_out)

/** weir_select_key_fn: `out_type` is the new key's. */
#define WEIR_SELECT_KEY(name, key_type, value_type, out_type)                                      \
    static int name##_typed_(struct weir_call *call, const key_type *key, const value_type *value, \
                             const out_type **key_out);                                            \
    static int name(struct weir_call *call, const void *key, const void *value,                    \
                    const void **key_out)                                                          \
    {                                                                                              \
        WEIR_CHECK_TYPES_(call, WEIR_TYPE_(key_type), WEIR_TYPE_(value_type), WEIR_NO_TYPE_,       \
                          WEIR_TYPE_(out_type), WEIR_NO_TYPE_);                                    \
        const out_type *out_ = NULL;                                                               \
        if (rc_ == 0) {                                                                            \
            rc_ = name##_typed_(call, (const key_type *)key, (const value_type *)value, &out_);    \
        }                                                                                          \
        *key_out = out_;                                                                           \
        return rc_;                                                                                \
    }                                                                                              \
    static int name##_typed_(struct weir_call *call, const key_type *key, const value_type *value, \
                             const out_type **key_out)

/** weir_map_fn: new key and new value. */
#define WEIR_MAP(name, key_type, value_type, key_out_type, value_out_type)                         \
    static int name##_typed_(struct weir_call *call, const key_type *key, const value_type *value, \
                             const key_out_type **key_out, const value_out_type **value_out);      \
    static int name(struct weir_call *call, const void *key, const void *value,                    \
                    const void **key_out, const void **value_out)                                  \
    {                                                                                              \
        WEIR_CHECK_TYPES_(call, WEIR_TYPE_(key_type), WEIR_TYPE_(value_type), WEIR_NO_TYPE_,       \
                          WEIR_TYPE_(key_out_type), WEIR_TYPE_(value_out_type));                   \
        const key_out_type *new_key_ = NULL;                                                       \
        const value_out_type *new_value_ = NULL;                                                   \
        if (rc_ == 0) {                                                                            \
            rc_ = name##_typed_(call, (const key_type *)key, (const value_type *)value, &new_key_, \
                                &new_value_);                                                      \
        }                                                                                          \
        *key_out = new_key_;                                                                       \
        *value_out = new_value_;                                                                   \
        return rc_;                                                                                \
    }                                                                                              \
    static int name##_typed_(struct weir_call *call, const key_type *key, const value_type *value, \
                             const key_out_type **key_out, const value_out_type **value_out)

/** weir_join_fn: `table_type` is of `table_value`, which is NULL only in a left join. */
#define WEIR_JOIN(name, key_type, value_type, table_type, out_type)                                \
    static int name##_typed_(struct weir_call *call, const key_type *key, const value_type *value, \
                             const table_type *table_value, const out_type **value_out);           \
    static int name(struct weir_call *call, const void *key, const void *value,                    \
                    const void *table_value, const void **value_out)                               \
    {                                                                                              \
        WEIR_CHECK_TYPES_(call, WEIR_TYPE_(key_type), WEIR_TYPE_(value_type),                      \
                          WEIR_TYPE_(table_type), WEIR_NO_TYPE_, WEIR_TYPE_(out_type));            \
        const out_type *out_ = NULL;                                                               \
        if (rc_ == 0) {                                                                            \
            rc_ = name##_typed_(call, (const key_type *)key, (const value_type *)value,            \
                                (const table_type *)table_value, &out_);                           \
        }                                                                                          \
        *value_out = out_;                                                                         \
        return rc_;                                                                                \
    }                                                                                              \
    static int name##_typed_(struct weir_call *call, const key_type *key, const value_type *value, \
                             const table_type *table_value, const out_type **value_out)

/** weir_reduce_fn: the values' type is the aggregate's. */
#define WEIR_REDUCE(name, value_type)                                                              \
    static int name##_typed_(struct weir_call *call, const value_type *aggregate,                  \
                             const value_type *value, const value_type **aggregate_out);           \
    static int name(struct weir_call *call, const void *aggregate, const void *value,              \
                    const void **aggregate_out)                                                    \
    {                                                                                              \
        WEIR_CHECK_TYPES_(call, WEIR_NO_TYPE_, WEIR_TYPE_(value_type), WEIR_NO_TYPE_,              \
                          WEIR_NO_TYPE_, WEIR_TYPE_(value_type));                                  \
        const value_type *out_ = NULL;                                                             \
        if (rc_ == 0) {                                                                            \
            rc_ = name##_typed_(call, (const value_type *)aggregate, (const value_type *)value,    \
                                &out_);                                                            \
        }                                                                                          \
        *aggregate_out = out_;                                                                     \
        return rc_;                                                                                \
    }                                                                                              \
    static int name##_typed_(struct weir_call *call, const value_type *aggregate,                  \
                             const value_type *value, const value_type **aggregate_out)

/** weir_aggregate_fn: `aggregate` is changed in place. */
#define WEIR_AGGREGATE(name, key_type, value_type, aggregate_type)                                 \
    static int name##_typed_(struct weir_call *call, const key_type *key, const value_type *value, \
                             aggregate_type *aggregate);                                           \
    static int name(struct weir_call *call, const void *key, const void *value, void *aggregate)   \
    {                                                                                              \
        WEIR_CHECK_TYPES_(call, WEIR_TYPE_(key_type), WEIR_TYPE_(value_type), WEIR_NO_TYPE_,       \
                          WEIR_NO_TYPE_, WEIR_TYPE_(aggregate_type));                              \
        if (rc_ == 0) {                                                                            \
            rc_ = name##_typed_(call, (const key_type *)key, (const value_type *)value,            \
                                (aggregate_type *)aggregate);                                      \
        }                                                                                          \
        return rc_;                                                                                \
    }                                                                                              \
    static int name##_typed_(struct weir_call *call, const key_type *key, const value_type *value, \
                             aggregate_type *aggregate)

#ifdef __cplusplus
}
#endif

#endif
