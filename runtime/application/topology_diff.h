#ifndef WEIR_RUNTIME_APPLICATION_TOPOLOGY_DIFF_H
#define WEIR_RUNTIME_APPLICATION_TOPOLOGY_DIFF_H

#include "runtime/job/start_compare.h"

/**
 * What an edit of a program does to what its application keeps: two dumps
 * (runtime/task/topology_dump.h), compared as a start would compare the second with an application
 * that has run the first, processed something of each input, and stopped. So what is refused here is
 * what a start refuses, in the same words. A start sees more: what has been processed in fact, what
 * the disk has.
 */
enum weir_kept_kind { WEIR_KEPT_INPUT, WEIR_KEPT_REPARTITION, WEIR_KEPT_STORE, WEIR_KEPT_NODE };

/** One line of a dump; texts in the arena it was read into. */
struct weir_kept {
    enum weir_kept_kind kind;
    const char *name;
    bool is_local;   /* a store without a changelog */
    bool has_timers; /* a node */
    int32_t partition_count;
    int64_t window_size_ms;
    struct weir_plan_formats formats;
    const char *inputs; /* of a store: its topics, with commas between them */
};

struct weir_topology_dump {
    const struct weir_kept *items;
    size_t count;
};

/** WEIR_CORRUPT: it is no dump, with the line; WEIR_UNSUPPORTED_VERSION; WEIR_NO_MEMORY. */
int weir_topology_dump_read(struct weir_slice text, struct weir_arena *arena,
                            struct weir_topology_dump *dump_out, struct weir_error *error);

enum weir_edit {
    WEIR_EDIT_KEPT,
    WEIR_EDIT_NEW,
    WEIR_EDIT_DROPPED,
    WEIR_EDIT_RENAMED,
    WEIR_EDIT_CHANGED
};
const char *weir_edit_name(enum weir_edit edit);

/** What becomes of one that either has. */
struct weir_topology_edit {
    enum weir_edit edit;
    const struct weir_kept *item; /* the new one; of what is dropped the old one */
    const char *text;             /* what that means; NULL: nothing to say */
    bool is_refused;              /* by a start, until `on_mismatch` chooses */
};

struct weir_topology_diff {
    struct weir_topology_edit *edits;
    size_t count;
    bool is_refused;
    struct weir_error why; /* as the start says it, with the choices */
};

/** All of both, the new one's in its order and then what is dropped. In `arena`. WEIR_NO_MEMORY. */
int weir_topology_compare(const struct weir_topology_dump *before,
                          const struct weir_topology_dump *after, struct weir_arena *arena,
                          struct weir_topology_diff *diff_out);

#endif
