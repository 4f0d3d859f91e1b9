#ifndef WEIR_TESTS_DSL_TWIN_H
#define WEIR_TESTS_DSL_TWIN_H

#include "tests/support/support.h"
#include "tests/unit/dsl/reference.h"
#include "weir/stream.h"

/**
 * A random graph, declared twice at once: with the public API and for the reference interpreter.
 * Keys and values are texts throughout; a count's integers and windowed keys become texts right
 * behind their table.
 */
enum { TWIN_STREAMS = 32, TWIN_TABLES = 8, TWIN_OPERATORS = 64, TWIN_INPUTS = 3 };

/** What a user function is told by its context. */
struct twin_operator {
    int salt;
    bool is_count; /* its table's values are integers */
    bool may_fail;
    const char *stores[2];
    char store_name[24];
    int64_t timer_ms;
};

struct twin_stream {
    struct weir_stream *stream;
    int node;
    bool is_marked;
    int partition_count;
    bool is_used;         /* something is below it */
    int join_repartition; /* the source that its joins share; -1 */
};

struct twin_table {
    struct weir_table *table;
    int node;
    int store;
    bool is_count;
    bool is_windowed;
    bool is_versioned;
    int partition_count;
};

struct twin_store {
    char name[24];
    int64_t window_ms;
    bool is_count;
    bool is_kept; /* a table over a topic may have no store */
    bool is_versioned;
    int versions; /* of the reference */
    int64_t history_ms;
};

struct twin {
    struct weir_test_random random;
    struct weir_builder *builder;
    struct reference *reference;
    int partition_count;
    bool may_fail; /* user functions fail now and then: such records are to be skipped */
    struct twin_operator operators[TWIN_OPERATORS];
    int operator_count;
    struct twin_stream streams[TWIN_STREAMS];
    int stream_count;
    struct twin_table tables[TWIN_TABLES];
    int table_count;
    struct twin_store stores[REF_STORES];
    char names[REF_TOPICS][24];
    int name_count;
    int outputs[4]; /* topics of the reference */
    int output_count;
    int inputs[TWIN_INPUTS];
    int input_count;
};

void twin_init(struct twin *twin, struct reference *reference, uint64_t seed, int partition_count);
/** Declare sources, then operators, then a sink below every stream that has nothing below it. */
void twin_grow(struct twin *twin);

#endif
