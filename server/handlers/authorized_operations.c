#include "server/handlers/authorized_operations.h"

struct operation_row {
    enum weir_acl_operation operation;
    int number; /* Kafka's AclOperation */
    bool of_topics;
    bool of_cluster;
    bool of_groups;
};

static const struct operation_row rows[] = {
    {WEIR_ACL_READ, 3, true, false, true},
    {WEIR_ACL_WRITE, 4, true, false, false},
    {WEIR_ACL_CREATE, 5, true, true, false},
    {WEIR_ACL_DELETE, 6, true, false, true},
    {WEIR_ACL_ALTER, 7, true, true, false},
    {WEIR_ACL_DESCRIBE, 8, true, true, true},
    {WEIR_ACL_CLUSTER_ACTION, 9, false, true, false},
    {WEIR_ACL_DESCRIBE_CONFIGS, 10, true, true, false},
    {WEIR_ACL_ALTER_CONFIGS, 11, true, true, false},
    {WEIR_ACL_IDEMPOTENT_WRITE, 12, false, true, false},
};

static bool applies(const struct operation_row *row, enum weir_acl_resource resource)
{
    switch (resource) {
    case WEIR_ACL_TOPIC:
        return row->of_topics;
    case WEIR_ACL_CLUSTER:
        return row->of_cluster;
    case WEIR_ACL_GROUP:
        return row->of_groups;
    case WEIR_ACL_TRANSACTIONAL_ID: /* nobody is told of theirs */
        return false;
    }
    return false;
}

int32_t weir_authorized_operations(const struct weir_request_context *context,
                                   enum weir_acl_resource resource, struct weir_slice name)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!applies(&rows[i], resource) ||
            !weir_authorize(context, rows[i].operation, resource, name))
            continue;
        bits |= (uint32_t)1 << rows[i].number;
    }
    return (int32_t)bits;
}
