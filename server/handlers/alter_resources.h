#ifndef WEIR_SERVER_HANDLERS_ALTER_RESOURCES_H
#define WEIR_SERVER_HANDLERS_ALTER_RESOURCES_H

#include "server/handlers/config_entries.h"
#include "server/handlers/fan_out.h"
#include "server/handlers/outcome.h"

/**
 * What AlterConfigs and IncrementalAlterConfigs have in common: settings of several topics and
 * groups are changed, each one's all at once or not at all. They differ in how the request writes it down,
 * and in what happens to settings that it does not name.
 */
struct weir_altered_resource {
    int8_t type;
    struct weir_slice name;
    struct weir_config_entry *entries;
    size_t entry_count;
    struct weir_outcome outcome; /* may be set before: then nothing is changed */
};

struct weir_alter_resources {
    struct weir_fan_out fan_out; /* first; `context` is the caller's to set */
    struct weir_altered_resource *resources;
    size_t count;
    bool replaces_all; /* what is not named goes back to its default */
    bool validate_only;
    /** All resources have their outcome; or the arena has failed. */
    void (*done)(struct weir_alter_resources *alter);
};
/** In the arena, as many resources as given, zeroed; NULL if it has failed. */
struct weir_alter_resources *weir_alter_resources_new(struct weir_request_context *context,
                                                      size_t count);
/** One of a resource's settings, with room for it in `entries`; a bad one refuses the resource. */
void weir_alter_resource_add(struct weir_request_context *context,
                             struct weir_altered_resource *resource, struct weir_slice key,
                             struct weir_slice value, enum weir_config_op op);
void weir_alter_resources_begin(struct weir_alter_resources *alter);

#endif
