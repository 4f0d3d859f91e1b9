#ifndef WEIR_CLI_APP_SOURCE_H
#define WEIR_CLI_APP_SOURCE_H

#include "cli/place_groups.h"
#include "runtime/application/look.h"

/**
 * A place as those see it who look at applications (runtime/application/source.h): a directory's log, or a server
 * as far as Kafka's protocol shows it. A server says neither when something was committed, nor which damage a
 * partition has, nor where a leader epoch ended.
 */
struct app_source {
    struct place *place;
    struct weir_arena *arena;
    struct place_topic topic; /* the one that was described last; `name` NULL: none */
    struct weir_app_source source;
};

/** What is asked lies in `arena`; both outlive the source. */
void app_source_init(struct app_source *source, struct place *place, struct weir_arena *arena);

#endif
