#include "broker/coordinator/group/consumer_request.h"

#include "base/error.h"
#include "broker/coordinator/group/assignor.h"
#include "broker/coordinator/group/consumer_member.h"
#include "broker/coordinator/group/group_text.h"
#include "wire/topic_names.h"

enum { TEXT_SIZE_MAX = INT16_MAX }; /* of ids: a record's key has no more */

static int refuse(struct weir_consumer_heartbeat_request *request, const char *why)
{
    return weir_error_set(&request->base.request.error, WEIR_INVALID_ARGUMENT, "%s", why);
}

/* Given, but empty. */
static bool is_empty_text(struct weir_slice text)
{
    return !weir_slice_is_null(text) && text.size == 0;
}

static int check_texts(struct weir_consumer_heartbeat_request *request)
{
    const struct weir_slice texts[] = {request->member.member_id, request->member.instance_id,
                                       request->rack_id, request->client_id, request->client_host};
    if (request->base.group.size == 0) return refuse(request, "GroupId can't be empty.");
    if (is_empty_text(request->member.instance_id)) {
        return refuse(request, "InstanceId can't be empty.");
    }
    if (is_empty_text(request->rack_id)) return refuse(request, "RackId can't be empty.");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].size > TEXT_SIZE_MAX) {
            return refuse(request, "An id, a name or a host is longer than 32767 bytes.");
        }
    }
    return 0;
}

static int check_topics(struct weir_consumer_heartbeat_request *request)
{
    for (size_t i = 0; i < request->topic_name_count; i++) {
        struct weir_slice name = request->topic_names[i];
        if (name.size == 0 || name.size > WEIR_TOPIC_NAME_SIZE_MAX) {
            return weir_error_set(&request->base.request.error, WEIR_INVALID_ARGUMENT,
                                  "A subscribed topic's name has %zu bytes; 1 to %d are right.",
                                  name.size, WEIR_TOPIC_NAME_SIZE_MAX);
        }
    }
    for (size_t i = 0; i < request->owned_count; i++) {
        for (size_t j = 0; j < request->owned[i].partition_count; j++) {
            if (request->owned[i].partitions[j] < 0) {
                return refuse(request, "TopicPartitions has a negative partition.");
            }
        }
    }
    return 0;
}

/* An id may be missing here: in version 0 the coordinator gives it. */
static int check_join(struct weir_consumer_heartbeat_request *request)
{
    if (request->rebalance_timeout_ms == -1) {
        return refuse(request, "RebalanceTimeoutMs must be provided in first request.");
    }
    if (!request->has_owned || request->owned_count > 0) {
        return refuse(request, "TopicPartitions must be empty when (re-)joining.");
    }
    if (!request->has_topic_names && weir_slice_is_null(request->topic_regex)) {
        return refuse(request, "Either SubscribedTopicNames or SubscribedTopicRegex must be "
                               "non-null when (re-)joining.");
    }
    return 0;
}

static int check_epoch(struct weir_consumer_heartbeat_request *request)
{
    if (request->member_epoch == WEIR_MEMBER_EPOCH_JOINS) return check_join(request);
    if (request->member_epoch < WEIR_MEMBER_EPOCH_LEAVES_STATIC) {
        return refuse(request, "MemberEpoch is invalid.");
    }
    if (request->member.member_id.size == 0) return refuse(request, "MemberId can't be empty.");
    if (request->member_epoch == WEIR_MEMBER_EPOCH_LEAVES_STATIC &&
        weir_slice_is_null(request->member.instance_id)) {
        return refuse(request, "InstanceId can't be null.");
    }
    return 0;
}

static int check_assignor(struct weir_consumer_heartbeat_request *request)
{
    struct weir_slice name = request->assignor;
    if (weir_slice_is_null(name) || weir_assignor_find(name) != NULL) return 0;
    return weir_error_set(&request->base.request.error, WEIR_UNSUPPORTED_ASSIGNOR,
                          "ServerAssignor %.*s is not supported. Supported assignors: %s, %s.",
                          WEIR_GROUP_SHOWN(name), weir_assignors[0].name, weir_assignors[1].name);
}

int weir_consumer_request_check(struct weir_consumer_heartbeat_request *request)
{
    int rc = check_texts(request);
    if (rc == 0 && request->rebalance_timeout_ms < -1) {
        rc = refuse(request, "RebalanceTimeoutMs is negative.");
    }
    if (rc == 0) rc = check_epoch(request);
    if (rc == 0) rc = check_topics(request);
    return rc == 0 ? check_assignor(request) : rc;
}

bool weir_consumer_request_is_full(const struct weir_consumer_heartbeat_request *request)
{
    return request->member_epoch == WEIR_MEMBER_EPOCH_JOINS ||
           (request->rebalance_timeout_ms != -1 && request->has_owned &&
            (request->has_topic_names || !weir_slice_is_null(request->topic_regex)));
}
