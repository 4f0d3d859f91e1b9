#ifndef WEIR_TESTS_VECTORS_DECLARE_H
#define WEIR_TESTS_VECTORS_DECLARE_H

#include "tests/vectors/case.h"
#include "tests/vectors/functions.h"

/** What a key or a value is: 'S' text, 'L' integer, 'Q' a text whose serde fails on some; a window of
 * `window_ms` around it, or 0; or a session (SESSION). */
enum { SESSION = -1 };
struct type {
    char letter;
    int64_t window_ms;
};

enum thing_kind { THING_STREAM, THING_TABLE, THING_GROUP, THING_WINDOWED, THING_COGROUP };

struct thing {
    const char *id;
    enum thing_kind kind;
    void *handle; /* of the builder */
    void *source; /* the same, if it reads a topic */
    const char *topic;
    struct type key;
    struct type value;
    void *group, *windowed;    /* a cogroup's first group, and the windows that were made of it */
    size_t uses_from, uses_to; /* its aggregators, counted from 1 */
};

struct topic_type {
    const char *name;
    struct type key;
    struct type value;
    bool is_output;
};

struct store_type {
    const char *name;
    struct type key;
    struct type value;
};

enum { THINGS_MAX = 64, USES_MAX = 64, TOPICS_MAX = 32, STORES_MAX = 16, TIMERS_MAX = 4 };
enum { WALL_MS = 1000000 }; /* where the wall clock begins */

struct graph;

/** One user function of the graph, with the types that it works on. */
struct use {
    struct function function;
    struct function second; /* map: the value's; aggregate: the merger */
    const char *init;       /* aggregate: the text it begins with */
    struct type key, value, other, key_out, value_out;
    /* processors */
    const struct graph *graph;
    const char *program;
    char store_names[256];
    const char *stores[STORES_MAX]; /* ends with NULL */
    struct {
        enum weir_punctuation type;
        int64_t interval_ms;
    } timers[TIMERS_MAX];
    size_t timer_count;
    const char *tick_fail; /* NUMBER@TIME, ... */
};

/** The topology of a case under construction. */
struct graph {
    struct weir_builder *builder;
    struct thing things[THINGS_MAX];
    size_t thing_count;
    struct use uses[USES_MAX];
    size_t use_count;
    struct topic_type topics[TOPICS_MAX];
    size_t topic_count;
    struct store_type stores[STORES_MAX];
    size_t store_count;
    const char *versioned[STORES_MAX]; /* stores that keep versions */
    size_t versioned_count;
    int64_t emit_interval_ms; /* config emit.interval */
    bool has_self_joins; /* config optimize: a stream that is joined with itself has one store */
    bool names_count;    /* the case is about names: each must be given as it says */
    bool keeps_default;  /* stores keep their windows by default, whatever the case says */
    char missing[128];   /* what the case needs and is not built; empty: nothing */
};

/** What the case needs is not built; the first is kept. */
void graph_miss(struct graph *graph, const char *what);
/** Declare one line. False: it is no declaration. What is not built goes into `missing`. */
bool graph_declare(struct graph *graph, const struct line *line);
const struct store_type *graph_store(const struct graph *graph, const char *name);
bool graph_is_versioned(const struct graph *graph, const char *store);
const struct topic_type *graph_topic(const struct graph *graph, const char *name);

/** The text of an object of a type, and back. */
bool object_to_text(struct weir_call *call, struct type type, const void *object,
                    struct weir_slice *text_out);
bool object_from_text(struct weir_call *call, struct type type, struct weir_slice text,
                      const void **object_out);

/* processors.c, for a `use` that has a program. */
bool program_is_built(const char *program, char *what, size_t what_size);
int program_init(struct weir_process *process, void *state, struct weir_call *call);
int program_process(struct weir_process *process, void *state, struct weir_call *call,
                    const void *key, const void *value);

#endif
