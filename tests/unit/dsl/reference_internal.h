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

struct text ref_fold(const struct ref_node *node, struct text aggregate, struct text value);

/* ---- reference_versions.c -------------------------------------------------------------------- */

void ref_versioned_table(struct task *task, const struct ref_node *node, struct ref_record record);
void ref_versioned_aggregate(struct task *task, const struct ref_node *node,
                             struct ref_record record);
void ref_versioned_join(struct task *task, const struct ref_node *node, struct ref_record record);

/* ---- reference_joins.c ----------------------------------------------------------------------- */

void ref_join_window(struct task *task, const struct ref_node *node, struct ref_record record);
void ref_stream_join(struct task *task, const struct ref_node *node, struct ref_record record);

#endif
