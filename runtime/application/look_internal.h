#ifndef WEIR_RUNTIME_APPLICATION_LOOK_INTERNAL_H
#define WEIR_RUNTIME_APPLICATION_LOOK_INTERNAL_H

#include "runtime/application/look.h"

int weir_app_no_memory(struct weir_error *error);
/** What ends a look, where everything else is something that a start would end with. */
bool weir_app_is_fatal(int rc);
/** Of an internal topic that is there and not named by the application: whose records name it; `owner`. */
int weir_app_look_for_owners(struct weir_app *app, struct weir_start_topic *topic,
                             struct weir_error *error);

#endif
