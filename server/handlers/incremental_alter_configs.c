#include "server/handlers/alter_resources.h"
#include "server/handlers/handlers.h"
#include "wire/generated/incremental_alter_configs_request.h"
#include "wire/generated/incremental_alter_configs_response.h"

/* Kafka's AlterConfigOp.OpType. */
enum { OP_SET = 0, OP_DELETE = 1, OP_APPEND = 2, OP_SUBTRACT = 3 };

static void done(struct weir_alter_resources *alter)
{
    struct weir_request_context *context = alter->fan_out.context;
    struct weir_wire_incremental_alter_configs_response response;
    weir_wire_incremental_alter_configs_response_init(&response);
    struct weir_wire_incremental_alter_configs_response_alter_configs_resource_response *rows =
        weir_arena_array(&context->arena, alter->count, sizeof *rows);
    for (size_t i = 0; rows != NULL && i < alter->count; i++) {
        const struct weir_altered_resource *resource = &alter->resources[i];
        rows[i] =
            (struct weir_wire_incremental_alter_configs_response_alter_configs_resource_response){
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

static struct weir_outcome
check_operation(struct weir_request_context *context,
                const struct weir_wire_incremental_alter_configs_request_alterable_config *config)
{
    int8_t operation = config->config_operation;
    if (operation < OP_SET || operation > OP_SUBTRACT) {
        return weir_outcome_refuse(context, WEIR_WIRE_INVALID_REQUEST,
                                   "setting '%.*s': operation %d; 0 sets, 1 deletes, 2 appends, 3 "
                                   "subtracts",
                                   (int)config->name.size, (const char *)config->name.data,
                                   operation);
    }
    if (operation != OP_DELETE && weir_slice_is_null(config->value)) {
        return weir_outcome_refuse(context, WEIR_WIRE_INVALID_REQUEST,
                                   "setting '%.*s' has no value", (int)config->name.size,
                                   (const char *)config->name.data);
    }
    return (struct weir_outcome){0};
}

static void
read_resource(struct weir_request_context *context,
              const struct weir_wire_incremental_alter_configs_request_alter_configs_resource *from,
              struct weir_altered_resource *resource)
{
    static const enum weir_config_op ops[] = {
        [OP_SET] = WEIR_CONFIG_SET,
        [OP_DELETE] = WEIR_CONFIG_SET, /* to no value: back to the default */
        [OP_APPEND] = WEIR_CONFIG_APPEND,
        [OP_SUBTRACT] = WEIR_CONFIG_SUBTRACT,
    };
    resource->type = from->resource_type;
    resource->name = from->resource_name;
    resource->entries =
        weir_arena_array(&context->arena, from->configs_count, sizeof *resource->entries);
    for (size_t i = 0; resource->entries != NULL && i < from->configs_count; i++) {
        const struct weir_wire_incremental_alter_configs_request_alterable_config *config =
            &from->configs[i];
        struct weir_outcome outcome = check_operation(context, config);
        if (outcome.error_code != 0) {
            resource->outcome = outcome;
            return;
        }
        bool is_deletion = config->config_operation == OP_DELETE;
        weir_alter_resource_add(context, resource, config->name,
                                is_deletion ? weir_null() : config->value,
                                ops[config->config_operation]);
    }
}

void weir_handle_incremental_alter_configs(struct weir_request_context *context)
{
    const struct weir_wire_incremental_alter_configs_request *request = context->request;
    struct weir_alter_resources *alter =
        weir_alter_resources_new(context, request->resources_count);
    if (alter == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    for (size_t i = 0; i < request->resources_count; i++) {
        read_resource(context, &request->resources[i], &alter->resources[i]);
    }
    alter->validate_only = request->validate_only;
    alter->done = done;
    weir_alter_resources_begin(alter);
}
