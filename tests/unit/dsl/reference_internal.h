#ifndef WEIR_TESTS_DSL_REFERENCE_INTERNAL_H
#define WEIR_TESTS_DSL_REFERENCE_INTERNAL_H

#include "tests/unit/dsl/reference.h"

/* What the files of the reference interpreter share. */

struct task {
    struct reference *reference;
    int component;
    int partition;
};

void ref_forward(struct task *task, const struct ref_node *node, struct ref_record record);
/** A function that fails leaves no trace but a count. */
bool ref_fails(struct task *task, const struct ref_node *node, const struct ref_record *record);

/* ---- reference_joins.c ----------------------------------------------------------------------- */

void ref_join_window(struct task *task, const struct ref_node *node, struct ref_record record);
void ref_stream_join(struct task *task, const struct ref_node *node, struct ref_record record);

#endif
