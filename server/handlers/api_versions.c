#include "server/handlers/handlers.h"
#include "wire/generated/api_versions_request.h"
#include "wire/generated/api_versions_response.h"

/*
 * What is served here, read off the table. It is the first thing a client asks, and how it finds out
 * how to ask it: a version that is not known here is answered in version 0 with those that are.
 *
 * Features: group.version 1 says that consumer groups of KIP-848 are served, transaction.version 2 that transactions of
 * KIP-890 are. Their lowest level is 0, which version 3 cannot say.
 * Sources: KIP-35, KIP-511, KIP-584, KIP-848, KIP-890; CLIENTS.md b.
 */
enum { GROUP_VERSION = 1, TRANSACTION_VERSION = 2, FEATURES_EPOCH = 0, LOWEST_LEVEL_FROM = 4 };

static const struct weir_wire_api_versions_response_supported_feature_key supported[] = {
    {.name = {(const uint8_t *)"group.version", 13}, .max_version = GROUP_VERSION},
    {.name = {(const uint8_t *)"transaction.version", 19}, .max_version = TRANSACTION_VERSION},
};
static const struct weir_wire_api_versions_response_finalized_feature_key finalized[] = {
    {.name = {(const uint8_t *)"group.version", 13},
     .max_version_level = GROUP_VERSION,
     .min_version_level = GROUP_VERSION},
    {.name = {(const uint8_t *)"transaction.version", 19},
     .max_version_level = TRANSACTION_VERSION,
     .min_version_level = TRANSACTION_VERSION},
};

static bool is_letter_or_digit(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9');
}

/* [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])? */
static bool is_software_name(struct weir_slice name)
{
    if (name.size == 0) return false;
    for (size_t i = 0; i < name.size; i++) {
        bool is_inside = i > 0 && i + 1 < name.size;
        bool is_mark = name.data[i] == '-' || name.data[i] == '.';
        if (!is_letter_or_digit(name.data[i]) && !(is_inside && is_mark)) return false;
    }
    return true;
}

static struct weir_wire_api_versions_response_api_version entry_of(const struct weir_api *api)
{
    return (struct weir_wire_api_versions_response_api_version){
        .api_key = api->request->api_key,
        .min_version = api->announced_min,
        .max_version = api->request->version_max,
    };
}

static void refuse(struct weir_request_context *context, int16_t error_code)
{
    struct weir_wire_api_versions_response response;
    struct weir_wire_api_versions_response_api_version itself = entry_of(context->api);
    weir_wire_api_versions_response_init(&response);
    response.error_code = error_code;
    if (context->is_too_new) { /* an empty list makes clients give up */
        response.api_keys = &itself;
        response.api_keys_count = 1;
    }
    weir_context_reply(context, &response);
}

static bool has_good_names(const struct weir_request_context *context)
{
    const struct weir_wire_api_versions_request *request = context->request;
    if (context->version < 3) return true;
    return is_software_name(request->client_software_name) &&
           is_software_name(request->client_software_version);
}

void weir_handle_api_versions(struct weir_request_context *context)
{
    size_t count;
    struct weir_wire_api_versions_response response;
    struct weir_wire_api_versions_response_api_version *entries;
    if (context->is_too_new) {
        refuse(context, WEIR_WIRE_UNSUPPORTED_VERSION);
        return;
    }
    if (!has_good_names(context)) {
        refuse(context, WEIR_WIRE_INVALID_REQUEST);
        return;
    }
    (void)weir_api_at(0, &count);
    entries = weir_arena_array(&context->arena, count, sizeof *entries);
    if (entries == NULL) {
        refuse(context, WEIR_WIRE_UNKNOWN_SERVER_ERROR);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        entries[i] = entry_of(weir_api_at(i, &count));
    }
    weir_wire_api_versions_response_init(&response);
    response.api_keys = entries;
    response.api_keys_count = count;
    response.finalized_features_epoch = FEATURES_EPOCH;
    response.finalized_features = finalized;
    response.finalized_features_count = sizeof finalized / sizeof finalized[0];
    if (context->version >= LOWEST_LEVEL_FROM) {
        response.supported_features = supported;
        response.supported_features_count = sizeof supported / sizeof supported[0];
    }
    weir_context_reply(context, &response);
}
