#include "broker/coordinator/group/consumer_heartbeat.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/coordinator/group/consumer_leave.h"
#include "broker/coordinator/group/consumer_records.h"
#include "broker/coordinator/group/consumer_refresh.h"
#include "broker/coordinator/group/consumer_request.h"
#include "broker/coordinator/group/consumer_target.h"
#include "broker/coordinator/group/group_text.h"
#include "broker/metadata/uuid.h"

/*
 * A heartbeat, in the order in which it is worked off. Until the line nothing is changed, so that a refusal is an
 * answer; below it an error is a shortage, after which the group may only be closed.
 *
 *     is it well formed?                                              consumer_request.c
 *     who says it: a member, a new one, one that comes back?          find_member
 *     what does it say now: words, and an expression that is new?     find_words, find_regex
 *     is there room?                                                  check_limits
 *     ─────────────────────────────────────────────────────────────
 *     the member is there, with its new words          records 5, 16  take_member
 *     topics have changed, or who wants what: epoch    records 16, 3  consumer_refresh.c
 *     the target of a new epoch                        records 7, 6   consumer_target.c
 *     the member's next step towards it                record 8       consumer_member.c
 *     the answer
 *
 * A member that says nothing new, where nothing is new, is through after the first two lines (is_quiet).
 */
struct heartbeat {
    struct weir_consumer_group *group;
    const struct weir_consumer_event *event;
    struct weir_consumer_heartbeat_request *request;
    struct weir_error *error;
    struct weir_group_update *update;
    struct weir_consumer_member *member;   /* NULL: a new one */
    struct weir_consumer_member *replaced; /* static, has left; this member takes its place */
    struct weir_member_words words;        /* what the member says and has said, together */
    bool words_change;
    bool topics_change; /* of its words */
    /* An expression that the group did not have, with what it matches. */
    bool has_new_regex;
    const struct weir_slice *regex_names;
    size_t regex_name_count;
    struct weir_partition_set owned;
    bool is_assigned_anew; /* the member has other partitions than before */
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
    const struct weir_consumer_member *member = heartbeat->member;
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
        heartbeat->member = holder;
        return check_instance(heartbeat, holder);
    }
    heartbeat->member = weir_consumer_group_member(heartbeat->group, id->member_id);
    if (holder == NULL || holder == heartbeat->member) return 0;
    if (heartbeat->member == NULL && weir_consumer_member_has_left(holder)) {
        heartbeat->replaced = holder;
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
        heartbeat->member = weir_consumer_group_member(heartbeat->group, id->member_id);
    }
    if (heartbeat->member != NULL) return check_epoch(heartbeat);
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
        heartbeat->member != NULL ? heartbeat->member : heartbeat->replaced;
    const struct weir_member_words *before = known != NULL ? known->words : &nothing;
    struct weir_member_words *words = &heartbeat->words;
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
    heartbeat->words_change = known == NULL || !weir_member_words_equal(words, before);
    heartbeat->topics_change = known == NULL || !weir_member_words_same_topics(words, before);
    return 0;
}

static int find_regex(struct heartbeat *heartbeat)
{
    const struct weir_consumer_group *group = heartbeat->group;
    struct weir_slice pattern = heartbeat->words.topic_regex;
    if (!heartbeat->topics_change || weir_slice_is_null(pattern)) return 0;
    if (weir_consumer_topics_regex(&group->topics, pattern) != NULL) return 0;
    heartbeat->has_new_regex = true;
    return weir_regex_lookup(pattern, heartbeat->event->topics, group->budget,
                             heartbeat->update->arena, &heartbeat->regex_names,
                             &heartbeat->regex_name_count, heartbeat->error);
}

static size_t partition_bytes(const struct heartbeat *heartbeat, struct weir_slice name)
{
    const struct weir_topic_image *topic = weir_metadata_topic(heartbeat->event->topics, name);
    if (topic == NULL || weir_consumer_topics_have(&heartbeat->group->topics, name)) return 0;
    return (size_t)topic->partition_count * WEIR_GROUP_PARTITION_BYTES;
}

static size_t more_bytes(const struct heartbeat *heartbeat)
{
    const struct weir_member_words *words = &heartbeat->words;
    size_t bytes = 2 * weir_member_words_size(words) +
                   2 * weir_wanted_regex_size(heartbeat->regex_names, heartbeat->regex_name_count);
    for (size_t i = 0; i < words->topic_name_count; i++) {
        bytes += partition_bytes(heartbeat, words->topic_names[i]);
    }
    for (size_t i = 0; i < heartbeat->regex_name_count; i++) {
        bytes += partition_bytes(heartbeat, heartbeat->regex_names[i]);
    }
    return bytes;
}

static int check_limits(const struct heartbeat *heartbeat)
{
    const struct weir_group_settings *settings = heartbeat->event->settings;
    const struct weir_consumer_group *group = heartbeat->group;
    size_t members_max = (size_t)settings->consumer_members_max;
    bool is_new = heartbeat->member == NULL && heartbeat->replaced == NULL;
    if (is_new && weir_consumer_group_member_count(group) >= members_max) {
        return weir_error_set(heartbeat->error, WEIR_GROUP_MAX_SIZE_REACHED,
                              "The consumer group has reached its maximum capacity of %zu members.",
                              members_max);
    }
    if (!heartbeat->words_change) return 0;
    size_t bytes = weir_consumer_group_bytes(group) + more_bytes(heartbeat);
    if (bytes <= settings->bytes_max) return 0;
    return weir_error_set(heartbeat->error, WEIR_GROUP_MAX_SIZE_REACHED,
                          "The group would hold %zu bytes of what its members say and are given; "
                          "%zu are allowed.",
                          bytes, settings->bytes_max);
}

static int find_owned(struct heartbeat *heartbeat)
{
    const struct weir_consumer_heartbeat_request *request = heartbeat->request;
    if (!request->has_owned || request->owned_count == 0) return 0;
    return weir_partition_set_from_topic_lists(request->owned, request->owned_count,
                                               heartbeat->update->arena, &heartbeat->owned);
}

/* ---- what comes of it ------------------------------------------------------------------------ */

static int add_member(struct heartbeat *heartbeat)
{
    char text[WEIR_UUID_TEXT_SIZE];
    struct weir_slice id = heartbeat->request->member.member_id;
    if (id.size == 0) id = weir_text(weir_uuid_print(heartbeat->event->random, text));
    heartbeat->member = weir_consumer_group_add_member(heartbeat->group, id);
    return heartbeat->member != NULL ? 0 : WEIR_NO_MEMORY;
}

/* The one that has left is gone, and all that it was is this one's. */
static int replace_member(struct heartbeat *heartbeat)
{
    char text[WEIR_UUID_TEXT_SIZE];
    struct weir_slice id = heartbeat->request->member.member_id;
    if (id.size == 0) id = weir_text(weir_uuid_print(heartbeat->event->random, text));
    int rc =
        weir_consumer_write_member_gone(heartbeat->group, heartbeat->replaced, heartbeat->update);
    if (rc < 0) return rc;
    heartbeat->member =
        weir_consumer_group_replace_member(heartbeat->group, heartbeat->replaced, id);
    if (heartbeat->member == NULL) return WEIR_NO_MEMORY;
    return weir_consumer_write_target(heartbeat->group, heartbeat->member, heartbeat->update);
}

/* It comes back under its own id, or was fenced: it has nothing and begins anew. */
static void rejoin(struct weir_consumer_member *member)
{
    if (!weir_consumer_member_has_left(member)) return;
    member->epoch = WEIR_MEMBER_EPOCH_JOINS;
    member->previous_epoch = WEIR_MEMBER_EPOCH_JOINS;
}

static int take_regex(struct heartbeat *heartbeat)
{
    struct weir_consumer_group *group = heartbeat->group;
    struct weir_slice pattern = heartbeat->words.topic_regex;
    if (!heartbeat->has_new_regex) return 0;
    if (weir_map_count(&group->topics.regexes) == 0) {
        group->regexes_version = heartbeat->event->topics_version;
        group->regexes_at_ms = heartbeat->event->now_ms;
    }
    int rc = weir_consumer_topics_set_regex(&group->topics, pattern, heartbeat->regex_names,
                                            heartbeat->regex_name_count);
    if (rc < 0) return rc;
    return weir_consumer_write_regex(group, weir_consumer_topics_regex(&group->topics, pattern),
                                     heartbeat->event->topics_version, heartbeat->event->wall_ms,
                                     heartbeat->update);
}

static int take_words(struct heartbeat *heartbeat)
{
    struct weir_consumer_group *group = heartbeat->group;
    struct weir_arena *arena = heartbeat->update->arena;
    struct weir_consumer_member *member = heartbeat->member;
    struct weir_slice regex_before =
        weir_arena_copy(arena, member->words != NULL ? member->words->topic_regex : weir_null());
    if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
    int rc = take_regex(heartbeat);
    if (rc == 0) rc = weir_consumer_group_set_words(group, member, &heartbeat->words);
    if (rc == 0) rc = weir_consumer_write_member(group, member, heartbeat->update);
    return rc == 0 ? weir_consumer_group_drop_regex(group, regex_before, heartbeat->update) : rc;
}

static int take_member(struct heartbeat *heartbeat)
{
    int rc = 0;
    bool is_new = heartbeat->member == NULL;
    if (heartbeat->replaced != NULL) {
        rc = replace_member(heartbeat);
    } else if (is_new) {
        rc = add_member(heartbeat);
    } else if (is_joining(heartbeat)) {
        rejoin(heartbeat->member);
    }
    if (rc < 0 || (!is_new && !heartbeat->words_change)) return rc;
    return take_words(heartbeat);
}

static void keep_session(struct weir_consumer_group *group, struct weir_consumer_member *member,
                         const struct weir_consumer_event *event)
{
    member->session_deadline_ms = event->now_ms + event->settings->consumer_session_timeout_ms;
    if (member->session_deadline_ms < group->wake_at_ms) {
        group->wake_at_ms = member->session_deadline_ms;
    }
}

static void set_revoke_deadline(struct weir_consumer_group *group,
                                struct weir_consumer_member *member, int64_t now_ms)
{
    member->revoke_deadline_ms = INT64_MAX;
    if (member->state != WEIR_MEMBER_UNREVOKED_PARTITIONS) return;
    member->revoke_deadline_ms = now_ms + member->words->rebalance_timeout_ms;
    if (member->revoke_deadline_ms < group->wake_at_ms) {
        group->wake_at_ms = member->revoke_deadline_ms;
    }
}

static int reconcile(struct heartbeat *heartbeat)
{
    struct weir_consumer_group *group = heartbeat->group;
    struct weir_consumer_member *member = heartbeat->member;
    struct weir_member_move move;
    const struct weir_partition_set *owned =
        heartbeat->request->has_owned ? &heartbeat->owned : NULL;
    int rc = weir_consumer_member_reconcile(member, group->assignment_epoch, &group->owners, owned,
                                            heartbeat->update->arena, &move);
    if (rc <= 0) return rc;
    heartbeat->is_assigned_anew = !weir_partition_set_equal(&member->assigned, &move.assigned);
    rc = weir_consumer_group_move_member(group, member, &move);
    if (rc < 0) return rc;
    set_revoke_deadline(group, member, heartbeat->event->now_ms);
    return weir_consumer_write_current(group, member, heartbeat->update);
}

/* What it is told. Who is told anything new hears it when all that is behind it is durable. */
static void answer(const struct heartbeat *heartbeat)
{
    struct weir_consumer_heartbeat_request *request = heartbeat->request;
    const struct weir_consumer_member *member = heartbeat->member;
    request->has_assignment = heartbeat->is_assigned_anew || weir_consumer_request_is_full(request);
    bool is_news = request->has_assignment || heartbeat->update->record_count > 0 ||
                   request->member_epoch != member->epoch;
    request->member_id_out = weir_slice_equal(member->member_id, request->member.member_id)
                                 ? request->member.member_id
                                 : weir_arena_copy(request->base.arena, member->member_id);
    request->member_epoch_out = member->epoch;
    request->heartbeat_interval_ms = heartbeat->event->settings->consumer_heartbeat_interval_ms;
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

/* Topics have changed since the group has looked at them last, or its expressions have. */
static bool is_behind(const struct weir_consumer_group *group,
                      const struct weir_consumer_event *event)
{
    return group->topics_version != event->topics_version ||
           (weir_map_count(&group->topics.regexes) > 0 &&
            group->regexes_version != event->topics_version);
}

/* Nothing to be done but to keep the session. Expressions that wait for their time are a tick's. */
static bool is_quiet(const struct heartbeat *heartbeat)
{
    const struct weir_consumer_group *group = heartbeat->group;
    const struct weir_consumer_member *member = heartbeat->member;
    return member != NULL && !is_joining(heartbeat) && !heartbeat->request->has_owned &&
           group->topics_version == heartbeat->event->topics_version &&
           group->epoch == group->assignment_epoch &&
           weir_consumer_member_is_reconciled(member, group->assignment_epoch) &&
           says_nothing(heartbeat->request, member->words);
}

static int look(struct heartbeat *heartbeat)
{
    int rc = find_words(heartbeat);
    if (rc == 0) rc = find_regex(heartbeat);
    return rc == 0 ? check_limits(heartbeat) : rc;
}

static int act(struct heartbeat *heartbeat)
{
    struct weir_consumer_group *group = heartbeat->group;
    const struct weir_consumer_event *event = heartbeat->event;
    int rc = take_member(heartbeat);
    if (rc == 0 && (heartbeat->topics_change || is_behind(group, event))) {
        rc = weir_consumer_group_refresh(group, event, heartbeat->topics_change, heartbeat->update);
    }
    if (rc == 0 && group->epoch > group->assignment_epoch) {
        rc = weir_consumer_group_update_target(group, event->topics, event->wall_ms,
                                               heartbeat->update);
    }
    return rc == 0 ? reconcile(heartbeat) : rc;
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
        heartbeat->member = weir_consumer_group_instance(group, id->instance_id);
        rc = check_instance(heartbeat, heartbeat->member);
    } else {
        heartbeat->member = weir_consumer_group_member(group, id->member_id);
        if (heartbeat->member == NULL) rc = unknown_member(heartbeat);
    }
    if (rc < 0) return refused(request, rc, heartbeat->update);

    if (request->member_epoch == WEIR_MEMBER_EPOCH_LEAVES_STATIC) {
        rc = weir_consumer_leave_for_a_while(group, heartbeat->member, heartbeat->update);
    } else {
        rc = weir_consumer_leave_for_good(group, heartbeat->member, heartbeat->update);
        if (rc == 0)
            rc = weir_consumer_group_refresh(group, heartbeat->event, true, heartbeat->update);
    }
    if (rc < 0) return rc;
    request->member_id_out = id->member_id;
    request->member_epoch_out = request->member_epoch;
    weir_group_answer_durable(heartbeat->update, &request->base, 0);
    return 0;
}

int weir_consumer_heartbeat(struct weir_consumer_group *group,
                            const struct weir_consumer_event *event,
                            struct weir_group_update *update)
{
    struct weir_consumer_heartbeat_request *request = event->heartbeat;
    struct heartbeat heartbeat = {
        .group = group,
        .event = event,
        .request = request,
        .error = &request->base.request.error,
        .update = update,
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
    if (!is_quiet(&heartbeat)) {
        rc = look(&heartbeat);
        if (rc < 0) return refused(request, rc, update);
        rc = act(&heartbeat);
        if (rc < 0) return rc;
    }
    keep_session(group, heartbeat.member, event);
    answer(&heartbeat);
    return 0;
}
