#ifndef WEIR_OPERATORS_OBJECTS_H
#define WEIR_OPERATORS_OBJECTS_H

#include "runtime/task/node.h"

/**
 * Whether what a user's function hands over is what the serde declared for it writes.
 *
 * An object is a bare pointer, so only one whose origin is known can be judged: one that lies
 * within the objects that the function was given (their layouts are those of the serdes that made
 * them), and one that weir_scope_new made lately. All others are believed.
 */
enum { WEIR_OBJECT_INPUTS = 3 };

struct weir_object_input {
    const void *object; /* of the row at hand; NULL: null */
    size_t size;        /* 0: its layout is not known, so nothing lies within it */
    const struct weir_struct_type *layout;
    const char *what; /* "the record's key" */
};

/** What was declared for a key or a value that is handed over. */
struct weir_object_side {
    const struct weir_struct_type *layout; /* NULL: not known */
    int kind;                              /* of a new object that is just that */
    const char *serde;                     /* its name; NULL: not known */
    const char *what;                      /* "key" */
};

struct weir_object_check {
    const struct weir_scope *scope;
    struct weir_error *error;
    /* Key, value, and one more: what a join or a reduce has besides, or the key in a windowed
     * one. */
    struct weir_object_input inputs[WEIR_OBJECT_INPUTS];
    bool is_windowed;
    struct weir_object_side key;
    struct weir_object_side value;
};

struct weir_object_side weir_object_side(const struct weir_struct_type *layout, const char *serde,
                                         const char *what);

/** The declared struct that a serde is for; NULL: it is another one, or a copy with functions of its
 * own. */
const struct weir_struct_type *weir_serde_struct_type(const struct weir_serde *serde);
/** The layout of a serde's objects: a declared struct's own, or one field at 0 for the plain serdes
 * and copies of them. NULL for all others, copies with functions of their own among them. */
const struct weir_struct_type *weir_serde_layout(const struct weir_serde *serde);

/** The serde makes a new object of each run of bytes, which is the caller's to change: so do all
 * whose layout is known. */
static inline bool weir_serde_makes_objects(const struct weir_serde *serde)
{
    return weir_serde_layout(serde) != NULL;
}
/** Such objects hold nothing of the bytes that they were made of, which may go at once. */
bool weir_serde_copies_bytes(const struct weir_serde *serde);

/** Key and value in and out as the plan says; once per batch. */
void weir_object_check_init(struct weir_object_check *check, struct weir_node *node);
/** One more object that the function is given: a table's value, by the row. */
void weir_object_check_also(struct weir_object_check *check, const struct weir_serde *serde,
                            const char *what);
static inline void weir_object_check_also_row(struct weir_object_check *check, const void *object)
{
    check->inputs[2].object = object;
}

/** The row at hand; per record, so inline. */
static inline void weir_object_check_row(struct weir_object_check *check, const void *key,
                                         const void *value)
{
    check->inputs[0].object = key;
    check->inputs[1].object = value;
    if (check->is_windowed && key != NULL) {
        check->inputs[2].object = ((const struct weir_windowed_key *)key)->key;
    }
}

/** The same as weir_object_check_one, for what is not one of its usual cases. */
int weir_object_check_closely(const struct weir_object_check *check,
                              const struct weir_object_side *side, const void *object);

/** 0, or WEIR_SERDE with the error set: the object's origin is known, and it is of another kind than
 * declared. Per record, so inline: passed on, or just made of the very type, is a few
 * comparisons. */
static inline int weir_object_check_one(const struct weir_object_check *check,
                                        const struct weir_object_side *side, const void *object)
{
    if (object == NULL || side->layout == NULL) return 0;
    const struct weir_made *made = weir_scope_made(check->scope, 0);
    if (made != NULL && made->object == object && made->kind == side->kind &&
        made->size == side->layout->size) {
        return 0;
    }
    for (size_t i = 0; i < WEIR_OBJECT_INPUTS; i++) {
        const struct weir_object_input *in = &check->inputs[i];
        if (object == in->object && side->layout == in->layout) return 0;
    }
    return weir_object_check_closely(check, side, object);
}

static inline int weir_object_check_key(const struct weir_object_check *check, const void *object)
{
    return weir_object_check_one(check, &check->key, object);
}

static inline int weir_object_check_value(const struct weir_object_check *check, const void *object)
{
    return weir_object_check_one(check, &check->value, object);
}

#endif
