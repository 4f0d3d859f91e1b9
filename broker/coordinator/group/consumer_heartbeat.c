#include "broker/coordinator/group/consumer_heartbeat.h"

#include "base/error.h"
#include "broker/coordinator/group/consumer_change.h"
#include "broker/coordinator/group/consumer_leave.h"
#include "broker/coordinator/group/consumer_refresh.h"
#include "broker/coordinator/group/consumer_request.h"
#include "broker/coordinator/group/consumer_target.h"
#include "broker/coordinator/group/group_text.h"

/*
 * A heartbeat: is it well formed (consumer_request.c), who says it (find_member), what does it say (find_words), what
 * follows from that (consumer_change.h), the answer. A refusal is an answer, and has changed nothing.
 *
 * A member that says nothing new, where nothing is new, is through after the first two (is_quiet).
 */
struct heartbeat {
    struct weir_consumer_group *group;
    struct weir_consumer_heartbeat_request *request;
    struct weir_error *error;
    struct weir_group_update *update;
    struct weir_consumer_change change;
    struct weir_partition_set owned;
};

static bool is_joining(const struct heartbeat *heartbeat)
{
    return heartbeat->request->member_epoch == WEIR_MEMBER_EPOCH_JOINS;
}

/* ---- who it is ------------------------------------------------------------------------------- */

static int unknown_member(const struct heartbeat *heartbeat)
{
    struct weir_slice id = heartbeat->request->member.member_id;
    return weir_error_set(heartbeat->error, WEIR_UNKNOWN_MEMBER_ID,
                          "Member %.*s is not a member of group %.*s.", WEIR_GROUP_SHOWN(id),
                          WEIR_GROUP_SHOWN(heartbeat->group->name));
}

static int check_epoch(const struct heartbeat *heartbeat)
{
    const struct weir_consumer_member *member = heartbeat->change.member;
    int32_t epoch = heartbeat->request->member_epoch;
    /* A member that was fenced joins again, whatever is known of it (KAFKA-19233). */
    if (is_joining(heartbeat) || epoch == member->epoch) return 0;
    if (epoch < member->epoch && epoch == member->previous_epoch && heartbeat->request->has_owned &&
        weir_partition_set_has_all(&member->assigned, &heartbeat->owned)) {
        return 0; /* the answer with the new epoch was lost */
    }
    return weir_error_set(heartbeat->error, WEIR_FENCED_MEMBER_EPOCH,
                          "The consumer group member has a %s member epoch (%d) than the one known "
                          "by the group coordinator (%d). The member must abandon all its "
                          "partitions and rejoin.",
                          epoch > member->epoch ? "greater" : "smaller", epoch, member->epoch);
}

static int check_instance(const struct heartbeat *heartbeat,
                          const struct weir_consumer_member *holder)
{
    const struct weir_group_member_id *id = &heartbeat->request->member;
    if (holder == NULL) {
        return weir_error_set(heartbeat->error, WEIR_UNKNOWN_MEMBER_ID,
                              "Instance id %.*s is unknown.", WEIR_GROUP_SHOWN(id->instance_id));
    }
    if (weir_slice_equal(holder->member_id, id->member_id)) return 0;
    return weir_error_set(heartbeat->error, WEIR_FENCED_INSTANCE_ID,
                          "Static member %.*s with instance id %.*s was fenced by member %.*s.",
                          WEIR_GROUP_SHOWN(id->member_id), WEIR_GROUP_SHOWN(id->instance_id),
                          WEIR_GROUP_SHOWN(holder->member_id));
}

/* A static member joins: in the place of one that has left for a while, of nobody, or of itself. */
static int find_static(struct heartbeat *heartbeat)
{
    const struct weir_group_member_id *id = &heartbeat->request->member;
    struct weir_consumer_member *holder =
        weir_consumer_group_instance(heartbeat->group, id->instance_id);
    if (!is_joining(heartbeat)) {
        heartbeat->change.member = holder;
        return check_instance(heartbeat, holder);
    }
    heartbeat->change.member = weir_consumer_group_member(heartbeat->group, id->member_id);
    if (holder == NULL || holder == heartbeat->change.member) return 0;
    if (heartbeat->change.member == NULL &&
        (weir_consumer_member_has_left(holder) || holder->words->is_classic)) {
        heartbeat->change.replaced = holder;
        return 0;
    }
    return weir_error_set(heartbeat->error, WEIR_UNRELEASED_INSTANCE_ID,
                          "Static member %.*s with instance id %.*s cannot join the group because "
                          "the instance id is owned by %.*s member.",
                          WEIR_GROUP_SHOWN(id->member_id), WEIR_GROUP_SHOWN(id->instance_id),
                          WEIR_GROUP_SHOWN(holder->member_id));
}

static int check_group(const struct heartbeat *heartbeat)
{
    const struct weir_consumer_group *group = heartbeat->group;
    if (group->epoch == 0 && !is_joining(heartbeat)) {
        return weir_error_set(heartbeat->error, WEIR_GROUP_ID_NOT_FOUND, "Group %.*s not found.",
                              WEIR_GROUP_SHOWN(group->name));
    }
    return 0;
}

static int find_member(struct heartbeat *heartbeat)
{
    const struct weir_group_member_id *id = &heartbeat->request->member;
    int rc = check_group(heartbeat);
    if (rc < 0) return rc;
    if (!weir_slice_is_null(id->instance_id)) {
        rc = find_static(heartbeat);
        if (rc < 0) return rc;
    } else {
        heartbeat->change.member = weir_consumer_group_member(heartbeat->group, id->member_id);
    }
    if (heartbeat->change.member != NULL) return check_epoch(heartbeat);
    return is_joining(heartbeat) ? 0 : unknown_member(heartbeat);
}

/* ---- what it says ---------------------------------------------------------------------------- */

static struct weir_slice given_or(struct weir_slice given, struct weir_slice before)
{
    return weir_slice_is_null(given) ? before : given;
}

static struct weir_slice or_empty(struct weir_slice text)
{
    return weir_slice_is_null(text) ? weir_text("") : text;
}

/* Whether what the request says has been said before, field by field; nothing is allocated. */
static bool says_nothing(const struct weir_consumer_heartbeat_request *request,
                         const struct weir_member_words *words)
{
    return !request->has_topic_names && weir_slice_is_null(request->topic_regex) &&
           request->rebalance_timeout_ms == -1 && !words->is_classic &&
           weir_slice_equal(given_or(request->member.instance_id, words->instance_id),
                            words->instance_id) &&
           weir_slice_equal(given_or(request->rack_id, words->rack_id), words->rack_id) &&
           weir_slice_equal(given_or(request->assignor, words->assignor), words->assignor) &&
           weir_slice_equal(or_empty(request->client_id), words->client_id) &&
           weir_slice_equal(or_empty(request->client_host), words->client_host);
}

static int find_words(struct heartbeat *heartbeat)
{
    static const struct weir_member_words nothing = {.rebalance_timeout_ms = -1};
    const struct weir_consumer_heartbeat_request *request = heartbeat->request;
    const struct weir_consumer_member *known =
        heartbeat->change.member != NULL ? heartbeat->change.member : heartbeat->change.replaced;
    const struct weir_member_words *before = known != NULL ? known->words : &nothing;
    struct weir_member_words *words = &heartbeat->change.words;
    *words = (struct weir_member_words){
        .instance_id = given_or(request->member.instance_id, before->instance_id),
        .rack_id = given_or(request->rack_id, before->rack_id),
        .client_id = or_empty(request->client_id),
        .client_host = or_empty(request->client_host),
        .topic_names = before->topic_names,
        .topic_name_count = before->topic_name_count,
        .topic_regex = given_or(request->topic_regex, before->topic_regex),
        .rebalance_timeout_ms = request->rebalance_timeout_ms != -1 ? request->rebalance_timeout_ms
                                                                    : before->rebalance_timeout_ms,
        .assignor = given_or(request->assignor, before->assignor),
    };
    if (words->topic_regex.size == 0) words->topic_regex = weir_null();
    if (request->has_topic_names) {
        words->topic_names = weir_sorted_names(request->topic_names, request->topic_name_count,
                                               heartbeat->update->arena, &words->topic_name_count);
        if (words->topic_names == NULL) return WEIR_NO_MEMORY;
    }
    return 0;
}

static int find_owned(struct heartbeat *heartbeat)
{
    const struct weir_consumer_heartbeat_request *request = heartbeat->request;
    if (!request->has_owned || request->owned_count == 0) return 0;
    return weir_partition_set_from_topic_lists(request->owned, request->owned_count,
                                               heartbeat->update->arena, &heartbeat->owned);
}

/* ---- what it is told ------------------------------------------------------------------------- */

/* One that has nothing yet comes back when there is something to be given, others when they would. */
static int32_t next_heartbeat_ms(const struct heartbeat *heartbeat)
{
    const struct weir_consumer_group *group = heartbeat->group;
    const struct weir_consumer_event *event = heartbeat->change.event;
    int32_t interval_ms = event->settings->config.consumer_heartbeat_interval_ms;
    bool waits =
        group->epoch > group->assignment_epoch && heartbeat->change.member->target.count == 0;
    if (!waits) return interval_ms;
    int64_t wait_ms = weir_consumer_group_target_due_ms(group, event) - event->now_ms;
    return wait_ms > 0 && wait_ms < interval_ms ? (int32_t)wait_ms : interval_ms;
}

/* What it is told. Who is told anything new hears it when all that is behind it is durable. */
static void answer(const struct heartbeat *heartbeat)
{
    struct weir_consumer_heartbeat_request *request = heartbeat->request;
    const struct weir_consumer_member *member = heartbeat->change.member;
    request->has_assignment =
        heartbeat->change.is_assigned_anew || weir_consumer_request_is_full(request);
    bool is_news = request->has_assignment || heartbeat->update->record_count > 0 ||
                   request->member_epoch != member->epoch;
    request->member_id_out = weir_slice_equal(member->member_id, request->member.member_id)
                                 ? request->member.member_id
                                 : weir_arena_copy(request->base.arena, member->member_id);
    request->member_epoch_out = member->epoch;
    request->heartbeat_interval_ms = next_heartbeat_ms(heartbeat);
    if (request->has_assignment) {
        request->assigned = weir_partition_set_topic_lists(&member->assigned, request->base.arena,
                                                           &request->assigned_count);
    }
    if (is_news) {
        weir_group_answer_durable(heartbeat->update, &request->base, 0);
    } else {
        weir_group_answer(heartbeat->update, &request->base, 0);
    }
}

/* Nothing to be done but to keep the session. Expressions that wait for their time are a tick's. */
static bool is_quiet(const struct heartbeat *heartbeat)
{
    const struct weir_consumer_group *group = heartbeat->group;
    const struct weir_consumer_member *member = heartbeat->change.member;
    return member != NULL && !is_joining(heartbeat) && !heartbeat->request->has_owned &&
           group->topics_version == heartbeat->change.event->topics_version &&
           group->epoch == group->assignment_epoch &&
           weir_consumer_member_is_reconciled(member, group->assignment_epoch) &&
           says_nothing(heartbeat->request, member->words);
}

static int refused(struct weir_consumer_heartbeat_request *request, int rc,
                   struct weir_group_update *update)
{
    if (rc == WEIR_NO_MEMORY) return rc;
    weir_group_answer(update, &request->base, rc);
    return 0;
}

static int leave(struct heartbeat *heartbeat)
{
    struct weir_consumer_group *group = heartbeat->group;
    struct weir_consumer_heartbeat_request *request = heartbeat->request;
    const struct weir_group_member_id *id = &request->member;
    int rc = check_group(heartbeat);
    if (rc < 0) return refused(request, rc, heartbeat->update);
    if (!weir_slice_is_null(id->instance_id)) {
        heartbeat->change.member = weir_consumer_group_instance(group, id->instance_id);
        rc = check_instance(heartbeat, heartbeat->change.member);
    } else {
        heartbeat->change.member = weir_consumer_group_member(group, id->member_id);
        if (heartbeat->change.member == NULL) rc = unknown_member(heartbeat);
    }
    if (rc < 0) return refused(request, rc, heartbeat->update);

    if (request->member_epoch == WEIR_MEMBER_EPOCH_LEAVES_STATIC) {
        rc = weir_consumer_leave_for_a_while(group, heartbeat->change.member, heartbeat->update);
    } else {
        rc = weir_consumer_leave_for_good(group, heartbeat->change.member, heartbeat->update);
        if (rc == 0)
            rc = weir_consumer_group_refresh(group, heartbeat->change.event, true,
                                             heartbeat->update);
    }
    if (rc < 0) return rc;
    request->member_id_out = id->member_id;
    request->member_epoch_out = request->member_epoch;
    weir_group_answer_durable(heartbeat->update, &request->base, 0);
    return 0;
}

static int hear(struct heartbeat *heartbeat)
{
    struct weir_consumer_change *change = &heartbeat->change;
    int rc = find_words(heartbeat);
    if (rc == 0) rc = weir_consumer_change_check(change);
    if (rc < 0) return refused(heartbeat->request, rc, heartbeat->update);
    rc = weir_consumer_change_apply(change);
    if (rc < 0) return rc;
    weir_consumer_keep_session(heartbeat->group, change->member, change->event);
    answer(heartbeat);
    return 0;
}

int weir_consumer_heartbeat(struct weir_consumer_group *group,
                            const struct weir_consumer_event *event,
                            struct weir_group_update *update)
{
    struct weir_consumer_heartbeat_request *request = event->heartbeat;
    struct weir_error *error = &request->base.request.error;
    struct heartbeat heartbeat = {
        .group = group,
        .request = request,
        .error = error,
        .update = update,
        .change = {.group = group,
                   .event = event,
                   .update = update,
                   .error = error,
                   .member_id = request->member.member_id,
                   .is_joining = request->member_epoch == WEIR_MEMBER_EPOCH_JOINS,
                   .owned = request->has_owned ? &heartbeat.owned : NULL},
    };
    request->has_assignment = false;
    request->assigned_count = 0;
    request->heartbeat_interval_ms = 0;
    int rc = weir_consumer_request_check(request);
    if (rc < 0) return refused(request, rc, update);
    if (request->member_epoch < 0) return leave(&heartbeat);
    rc = find_owned(&heartbeat);
    if (rc == 0) rc = find_member(&heartbeat);
    if (rc < 0) return refused(request, rc, update);
    if (!is_quiet(&heartbeat)) return hear(&heartbeat);
    weir_consumer_keep_session(group, heartbeat.change.member, event);
    answer(&heartbeat);
    return 0;
}
