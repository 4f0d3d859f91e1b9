#ifndef WEIR_OPERATORS_PROCESS_H
#define WEIR_OPERATORS_PROCESS_H

#include "operators/objects.h"
#include "operators/operators.h"
#include "operators/rows.h"

/**
 * A processor in a task, as its own calls (process.c) and those on stores of windows
 * (process_windows.c) see it.
 */
typedef int (*weir_punctuate_fn)(struct weir_process *process, void *state, struct weir_call *call,
                                 int64_t time_ms);

enum { WEIR_PROCESS_TIMERS_MAX = 16 };

struct weir_process {
    struct weir_node *node;
    const struct weir_process_config *config;
    void *user; /* the processor's state */
    struct weir_rows rows;
    bool has_lives; /* rows of its stores have a time to live */
    uint64_t
        copying; /* a bit for each of the first stores: what its values are read into holds nothing
                         of their bytes */
    const struct weir_batch *batch; /* NULL in a timer and before the first record */
    uint32_t row;                   /* the one at hand; process_values may forward no other key */
    bool is_opening;
    int rc; /* of a forward that went wrong further down */
    struct weir_object_check check;
    struct weir_error refusal; /* the first object of the wrong kind; its record, or timer, fails */
    weir_punctuate_fn timers[WEIR_PROCESS_TIMERS_MAX];
    size_t timer_count;
};

/** Which of the processor's stores this is; WEIR_INVALID_ARGUMENT, with a text: none. */
int64_t weir_process_store_index(const struct weir_process *process,
                                 const struct weir_store *store);
/** The same of one whose rows a key names: not of duplicates. */
int64_t weir_process_keyed_store(const struct weir_process *process,
                                 const struct weir_store *store);
/** Bytes of an object that was given as key or value of a store. */
int weir_process_store_bytes(struct weir_process *process, const struct weir_serde *serde,
                             bool is_key, const void *object, struct weir_slice *bytes_out);
/** The object of a store's value, by the store's index. Bytes that it may point into are copied
 * first. */
int weir_process_value_object(struct weir_process *process, int64_t index, struct weir_slice value,
                              const void **value_out);

/** When the node is opened: its own stores of windows and sessions are as far in time as the last of
 * their rows, which is looked for. A table's store is as far as the table says. */
int weir_process_open_times(struct weir_node *node, struct weir_error *error);

#endif
