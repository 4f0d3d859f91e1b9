#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/find_coordinator_request.h"
#include "wire/generated/find_coordinator_response.h"

/*
 * FindCoordinator: the one broker there is looks after all groups and all transactional ids. Share groups have no
 * coordinator yet.
 *
 * Source: CLIENTS.md b, "Metadata (3), FindCoordinator (10)".
 */
enum key_type { GROUP = 0, TRANSACTION = 1 };
enum { BATCHES_FROM = 4 };

typedef struct weir_wire_find_coordinator_response_coordinator coordinator_row;

static struct weir_outcome check_transactional_id(struct weir_request_context *context,
                                                  struct weir_slice id)
{
    if (weir_authorize(context, WEIR_ACL_DESCRIBE, WEIR_ACL_TRANSACTIONAL_ID, id)) {
        return (struct weir_outcome){0};
    }
    return weir_outcome_refuse(context, WEIR_WIRE_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
                               "the transactional id may not be described");
}

static struct weir_outcome check_key(struct weir_request_context *context, int8_t type,
                                     struct weir_slice key)
{
    if (type == TRANSACTION) return check_transactional_id(context, key);
    if (type != GROUP) {
        return weir_outcome_refuse(context, WEIR_WIRE_INVALID_REQUEST,
                                   "key type %d; 0 asks for groups, 1 for transactional ids", type);
    }
    if (weir_authorize(context, WEIR_ACL_DESCRIBE, WEIR_ACL_GROUP, key)) {
        return (struct weir_outcome){0};
    }
    return weir_outcome_refuse(context, WEIR_WIRE_GROUP_AUTHORIZATION_FAILED,
                               "the group may not be described");
}

static coordinator_row find(struct weir_request_context *context, int8_t type,
                            struct weir_slice key)
{
    struct weir_outcome outcome = check_key(context, type, key);
    coordinator_row row = {
        .key = key,
        .node_id = -1,
        .host = weir_text(""),
        .port = -1,
        .error_code = outcome.error_code,
        .error_message = outcome.message,
    };
    if (row.error_code != 0) return row;
    row.node_id = WEIR_NODE_ID;
    weir_context_address(context, &row.host, &row.port);
    return row;
}

void weir_handle_find_coordinator(struct weir_request_context *context)
{
    const struct weir_wire_find_coordinator_request *request = context->request;
    struct weir_wire_find_coordinator_response response;
    weir_wire_find_coordinator_response_init(&response);
    if (context->version < BATCHES_FROM) {
        coordinator_row row = find(context, request->key_type, request->key);
        response.error_code = row.error_code;
        response.error_message = row.error_message;
        response.node_id = row.node_id;
        response.host = row.host;
        response.port = row.port;
        weir_outcome_reply(context, &response);
        return;
    }
    size_t count = request->coordinator_keys_count;
    coordinator_row *rows = weir_arena_array(&context->arena, count, sizeof *rows);
    for (size_t i = 0; rows != NULL && i < count; i++) {
        rows[i] = find(context, request->key_type, request->coordinator_keys[i]);
    }
    response.coordinators = rows;
    response.coordinators_count = rows != NULL ? count : 0;
    weir_outcome_reply(context, &response);
}
