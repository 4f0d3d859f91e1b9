#ifndef WEIR_TESTS_DSL_FUNCTIONS_H
#define WEIR_TESTS_DSL_FUNCTIONS_H

#include <stdbool.h>
#include <stdint.h>

/**
 * What the user functions of random graphs compute, over short texts: the same functions serve the
 * graph that runs and the interpreter it is compared to. Each hashes all it is given, so that a
 * record lost, doubled or out of order shows in everything behind it. `salt` tells operators apart.
 */
struct text {
    bool is_null;
    char bytes[40];
};

struct text text_null(void);
struct text text_of(const char *bytes);
struct text text_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool text_equal(const struct text *a, const struct text *b);

/** Whether a user function fails on a record; only where the graph is to fail at all. */
bool fn_fails(int salt, struct text key, struct text value);
bool fn_predicate(int salt, struct text key, struct text value);
struct text fn_key(int salt, struct text key, struct text value);        /* sometimes null */
struct text fn_value(int salt, struct text key, struct text value);      /* sometimes null */
int fn_fan(int salt, struct text key, struct text value);                /* 0 to 2 */
struct text fn_fold(int salt, struct text aggregate, struct text value); /* null deletes */
struct text fn_join(int salt, struct text key, struct text stream, struct text table);

/** What a processor does with a record: what it stores and what it forwards. */
struct processed {
    struct text stored; /* null deletes */
    bool forwards;
    struct text key;
    struct text value;
};
struct processed fn_process(int salt, struct text key, struct text value, struct text old,
                            int64_t stream_time_ms);

#endif
