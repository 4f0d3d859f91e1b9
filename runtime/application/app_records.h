#ifndef WEIR_RUNTIME_APPLICATION_APP_RECORDS_H
#define WEIR_RUNTIME_APPLICATION_APP_RECORDS_H

#include "runtime/application/app.h"

/* What applications have written down, this one and others, as who looks at one reads it. */

/** Fold all records of a topic into `into`, whose arena is set. */
int weir_app_read_records(struct weir_app *app, const char *topic, struct weir_application *into,
                          int64_t *end_out, struct weir_error *error);
/** Of an internal topic that is there and not named by the application: whose records name it; `owner`. */
int weir_app_look_for_owners(struct weir_app *app, struct weir_start_topic *topic,
                             struct weir_error *error);

int weir_app_no_memory(struct weir_error *error);
/** What ends a look, where everything else is something that a start would end with. */
bool weir_app_is_fatal(int rc);

#endif
