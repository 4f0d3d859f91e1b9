#ifndef WEIR_TESTS_OPERATORS_STAND_H
#define WEIR_TESTS_OPERATORS_STAND_H

#include "base/env/sim/sim.h"
#include "operators/operators.h"
#include "runtime/state/key_schema.h"
#include "tests/support/support.h"

/**
 * A test stand for one operator: a node without a task, over a real state, with children that write
 * down what they are given. It stands in for the runtime's side of runtime/task/node.h.
 *
 * Keys and values go in as texts (NULL: null). What comes out is one line of text:
 *
 *     a=1@5 b=-@7 | c=2@9      two batches of two rows and one; "-" is null, @ the timestamp
 *     a=2(1)@6                 the old value in brackets, where the operator gives one
 *     1:a=2@6                  to child 1; child 0 is not said
 *     a=2@6#3                  with three headers
 *     [a 0..10]=2@6            a windowed key
 */
enum { STAND_CHILDREN = 3, STAND_STORES = 2, STAND_TEXT_SIZE = 4096 };

struct row {
    const char *key;
    const char *value;
    int64_t timestamp_ms;
};
#define ROWS(...)                                                                                  \
    (const struct row[]){__VA_ARGS__},                                                             \
        sizeof((const struct row[]){__VA_ARGS__}) / sizeof(struct row)

enum stand_output { STAND_STRINGS, STAND_INTEGERS }; /* how values that come out are shown */

struct stand {
    struct weir_sim *sim;
    struct weir_env *env;
    struct weir_budget budget;
    struct weir_arena arena;
    struct weir_scope scope;
    struct weir_state *state;
    struct weir_store_spec specs[STAND_STORES];
    struct weir_plan_node plan;
    struct weir_node node;
    struct weir_error record_error;

    bool caches; /* as weir_node_caches says */
    bool skips;  /* failed rows are skipped; otherwise the first stops */
    int64_t dropped[2];
    int64_t failed;
    int64_t stream_time_ms;
    int64_t wall_ms;
    int64_t emit_interval_ms;
    size_t header_count;  /* of the first row of each batch that is fed */
    bool feeds_no_origin; /* as a timer's rows and those of a flush: they come of no record */
    enum stand_output output;
    char text[STAND_TEXT_SIZE]; /* what came out */
    char sent[STAND_TEXT_SIZE]; /* what a sink sent */
    struct weir_node children[STAND_CHILDREN];
    struct weir_node *child_pointers[STAND_CHILDREN];
    struct weir_store *store_pointers[STAND_STORES];
    weir_timer_fn timer;
    void *timer_context;
};

/** One child, no store, serdes of strings; `plan` and `specs` may be changed before stand_open. */
void stand_init(struct stand *stand, const struct weir_operator_ops *ops, const void *config);
/** Open the state with `store_count` stores, and the node. */
void stand_open(struct stand *stand, size_t store_count);
void stand_close(struct stand *stand);
/** Close the node and open it again over its stores, as after a restart: it keeps its observed time. */
void stand_reopen(struct stand *stand);

/** One batch through the operator; returns what it returned. */
int stand_feed(struct stand *stand, const struct row *rows, size_t count);
/** The same with a selection of the rows. */
int stand_feed_selected(struct stand *stand, const struct row *rows, size_t count,
                        const uint32_t *selection, size_t selected);
int stand_flush(struct stand *stand);
/** Fire the timer that was scheduled. */
int stand_fire(struct stand *stand, int64_t time_ms);
/** What came out since the last call is `text`. */
void stand_expect(struct stand *stand, const char *text);
/** The value of a key in store 0, as text or integer; "-" if it is not there. */
void stand_expect_stored(struct stand *stand, struct weir_slice key, const char *text);

#endif
