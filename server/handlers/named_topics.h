#ifndef WEIR_SERVER_HANDLERS_NAMED_TOPICS_H
#define WEIR_SERVER_HANDLERS_NAMED_TOPICS_H

#include "server/handlers/handlers.h"

/** Which partitions there are of topics that a request names. */
struct weir_named_topics {
    struct weir_list_topics_request list; /* first */
    struct weir_request_context *context;
    void (*done)(struct weir_named_topics *named);
};

/**
 * Look them up; `done` comes when they are there, or the connection is closed. `names` last until then. At most
 * WEIR_SUBJECTS_MAX.
 */
void weir_named_topics_begin(struct weir_named_topics *named, struct weir_request_context *context,
                             const struct weir_slice *names, size_t count,
                             void (*done)(struct weir_named_topics *named));
/** Is there this partition of the topic that was named there? */
bool weir_named_topics_have(const struct weir_named_topics *named, size_t index, int32_t partition);

#endif
