#ifndef WEIR_CLI_PLACE_EMBEDDED_H
#define WEIR_CLI_PLACE_EMBEDDED_H

#include "cli/place_groups.h"

/** A data directory, opened in this process: place_embedded.c has topics and records, place_embedded_groups.c
 * consumer groups. */

/** The log that is open there. */
struct weir_log *place_embedded_log(struct place *place);

/* place_embedded_groups.c */
extern const struct place_group_ops embedded_group_ops;

#endif
