#include "server/handlers/alter_resources.h"
#include "server/handlers/handlers.h"
#include "wire/generated/alter_configs_request.h"
#include "wire/generated/alter_configs_response.h"

static void done(struct weir_alter_resources *alter)
{
    struct weir_request_context *context = alter->fan_out.context;
    struct weir_wire_alter_configs_response response;
    weir_wire_alter_configs_response_init(&response);
    struct weir_wire_alter_configs_response_alter_configs_resource_response *rows =
        weir_arena_array(&context->arena, alter->count, sizeof *rows);
    for (size_t i = 0; rows != NULL && i < alter->count; i++) {
        const struct weir_altered_resource *resource = &alter->resources[i];
        rows[i] = (struct weir_wire_alter_configs_response_alter_configs_resource_response){
            .error_code = resource->outcome.error_code,
            .error_message = resource->outcome.message,
            .resource_type = resource->type,
            .resource_name = resource->name,
        };
    }
    response.responses = rows;
    response.responses_count = alter->count;
    weir_outcome_reply(context, &response);
}

/* The whole of a resource's settings; a null value is no way to unset one here. */
static void read_resource(struct weir_request_context *context,
                          const struct weir_wire_alter_configs_request_alter_configs_resource *from,
                          struct weir_altered_resource *resource)
{
    resource->type = from->resource_type;
    resource->name = from->resource_name;
    resource->entries =
        weir_arena_array(&context->arena, from->configs_count, sizeof *resource->entries);
    for (size_t i = 0; resource->entries != NULL && i < from->configs_count; i++) {
        struct weir_slice key = from->configs[i].name;
        struct weir_slice value = from->configs[i].value;
        if (weir_slice_is_null(value)) {
            resource->outcome = weir_outcome_refuse(context, WEIR_WIRE_INVALID_REQUEST,
                                                    "setting '%.*s' has no value; leave it out to "
                                                    "have its default",
                                                    (int)key.size, (const char *)key.data);
        }
        weir_alter_resource_add(context, resource, key, value, WEIR_CONFIG_SET);
    }
}

void weir_handle_alter_configs(struct weir_request_context *context)
{
    const struct weir_wire_alter_configs_request *request = context->request;
    struct weir_alter_resources *alter =
        weir_alter_resources_new(context, request->resources_count);
    if (alter == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    for (size_t i = 0; i < request->resources_count; i++) {
        read_resource(context, &request->resources[i], &alter->resources[i]);
    }
    alter->replaces_all = true;
    alter->validate_only = request->validate_only;
    alter->done = done;
    weir_alter_resources_begin(alter);
}
