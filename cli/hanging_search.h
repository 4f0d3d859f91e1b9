#ifndef WEIR_CLI_HANGING_SEARCH_H
#define WEIR_CLI_HANGING_SEARCH_H

#include "cli/place_transactions.h"

/** A transaction that is open in a partition, and that its coordinator does not have. */
struct hanging {
    struct weir_topic_partition of;
    struct weir_producer_info producer;
    bool hangs; /* while it is searched: it may yet be found to be well */
};

struct hanging_list {
    struct hanging *rows; /* in the arena, as what follows */
    size_t count;
    struct weir_topic_partition *offline; /* what is open in these nobody can tell */
    size_t offline_count;
};

/**
 * Those of a place that were last written to before `before_ms` (Unix time), as the records themselves say.
 * Results live in `arena`. Errors: WEIR_NO_MEMORY, WEIR_OFFLINE (of a part of the ids nobody can tell), and what the place
 * answers.
 */
int hanging_search(struct place *place, struct weir_arena *arena, int64_t before_ms,
                   struct hanging_list *found_out, struct weir_error *error);

#endif
