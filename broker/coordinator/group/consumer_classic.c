#include "broker/coordinator/group/consumer_classic.h"

#include "base/error.h"
#include "broker/coordinator/group/consumer_change.h"
#include "broker/coordinator/group/consumer_protocol.h"
#include "broker/coordinator/group/group_text.h"
#include "broker/metadata/uuid.h"

enum { PROTOCOLS_MAX = 100, TEXT_SIZE_MAX = INT16_MAX };

static int refused(struct weir_group_request *request, int rc, struct weir_group_update *update)
{
    if (rc == WEIR_NO_MEMORY) return rc;
    weir_group_answer(update, request, rc);
    return 0;
}

static struct weir_slice or_empty(struct weir_slice text)
{
    return weir_slice_is_null(text) ? weir_text("") : text;
}

/* ---- who it is ------------------------------------------------------------------------------- */

static int unknown(const struct weir_consumer_group *group, struct weir_slice id,
                   struct weir_error *error)
{
    return weir_error_set(error, WEIR_UNKNOWN_MEMBER_ID,
                          "Member %.*s is not a member of group %.*s that speaks the classic "
                          "protocol.",
                          WEIR_GROUP_SHOWN(id), WEIR_GROUP_SHOWN(group->name));
}

static int fenced(const struct weir_group_member_id *id, struct weir_error *error)
{
    return weir_error_set(error, WEIR_FENCED_INSTANCE_ID,
                          "Static member %.*s with instance id %.*s was fenced by another member.",
                          WEIR_GROUP_SHOWN(id->member_id), WEIR_GROUP_SHOWN(id->instance_id));
}

/* One that is there already, by both of its ids. */
static int find_known(const struct weir_consumer_group *group,
                      const struct weir_group_member_id *id,
                      struct weir_consumer_member **member_out, struct weir_error *error)
{
    struct weir_consumer_member *member = id->instance_id.size > 0
                                              ? weir_consumer_group_instance(group, id->instance_id)
                                              : weir_consumer_group_member(group, id->member_id);
    if (member == NULL) return unknown(group, id->member_id, error);
    if (!weir_slice_equal(member->member_id, id->member_id)) return fenced(id, error);
    *member_out = member;
    return 0;
}

/* The same, of the classic protocol and in this generation. */
static int find_in_generation(const struct weir_consumer_group *group,
                              const struct weir_group_member_id *id, int32_t generation,
                              struct weir_consumer_member **member_out, struct weir_error *error)
{
    int rc = find_known(group, id, member_out, error);
    if (rc < 0) return rc;
    if (!(*member_out)->words->is_classic) return unknown(group, id->member_id, error);
    if (generation == (*member_out)->epoch) return 0;
    return weir_error_set(error, WEIR_ILLEGAL_GENERATION,
                          "The received generation id %d does not match the expected member epoch "
                          "%d.",
                          generation, (*member_out)->epoch);
}

/* ---- join ------------------------------------------------------------------------------------ */

static bool speaks(const struct weir_member_words *words, struct weir_slice name)
{
    for (size_t i = 0; i < words->protocol_count; i++) {
        if (weir_slice_equal(words->protocols[i].name, name)) return true;
    }
    return false;
}

static bool all_speak(const struct weir_consumer_group *group, struct weir_slice name)
{
    size_t at = 0;
    const struct weir_consumer_member *member;
    while ((member = weir_map_next(&group->members, &at)) != NULL) {
        if (member->words->is_classic && !speaks(member->words, name)) return false;
    }
    return true;
}

static int check_protocols(const struct weir_consumer_group *group,
                           const struct weir_join_group_request *join, struct weir_error *error)
{
    bool is_shared = false;
    if (weir_slice_equal(join->protocol_type, weir_text(WEIR_CONSUMER_PROTOCOL_TYPE)) &&
        join->protocol_count <= PROTOCOLS_MAX) {
        for (size_t i = 0; !is_shared && i < join->protocol_count; i++) {
            is_shared = all_speak(group, join->protocols[i].name);
        }
    }
    if (is_shared) return 0;
    return weir_error_set(error, WEIR_INCONSISTENT_GROUP_PROTOCOL,
                          "Member %.*s's protocols are not supported.",
                          WEIR_GROUP_SHOWN(join->member.member_id));
}

static int check_join(const struct weir_consumer_group *group,
                      const struct weir_consumer_event *event, struct weir_error *error)
{
    const struct weir_join_group_request *join = event->join;
    const struct weir_group_settings *settings = event->settings;
    const struct weir_slice texts[] = {join->member.member_id, join->member.instance_id,
                                       join->client_id, join->client_host};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].size > TEXT_SIZE_MAX) {
            return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                                  "An id, a name or a host is longer than %d bytes.",
                                  TEXT_SIZE_MAX);
        }
    }
    if (join->session_timeout_ms < settings->session_timeout_min_ms ||
        join->session_timeout_ms > settings->session_timeout_max_ms) {
        return weir_error_set(error, WEIR_INVALID_SESSION_TIMEOUT,
                              "session.timeout.ms is %d; %d to %d are allowed",
                              join->session_timeout_ms, settings->session_timeout_min_ms,
                              settings->session_timeout_max_ms);
    }
    return check_protocols(group, join, error);
}

/* A static member without an id takes the place of the one that has its name, whatever that speaks. */
static int find_joining(struct weir_consumer_change *change,
                        const struct weir_join_group_request *join)
{
    const struct weir_group_member_id *id = &join->member;
    bool is_static = id->instance_id.size > 0;
    if (is_static && id->member_id.size == 0) {
        change->replaced = weir_consumer_group_instance(change->group, id->instance_id);
        return 0;
    }
    if (is_static) return find_known(change->group, id, &change->member, change->error);
    change->member = weir_consumer_group_member(change->group, id->member_id);
    return 0;
}

static void say(struct weir_consumer_change *change, const struct weir_join_group_request *join,
                const struct weir_consumer_subscription *subscription)
{
    const struct weir_consumer_member *known =
        change->member != NULL ? change->member : change->replaced;
    change->words = (struct weir_member_words){
        .instance_id = join->member.instance_id.size > 0 ? join->member.instance_id : weir_null(),
        .rack_id = subscription->rack_id,
        .client_id = or_empty(join->client_id),
        .client_host = or_empty(join->client_host),
        .topic_names = subscription->topic_names,
        .topic_name_count = subscription->topic_name_count,
        .rebalance_timeout_ms =
            join->rebalance_timeout_ms >= 0 ? join->rebalance_timeout_ms : join->session_timeout_ms,
        .assignor = known != NULL ? known->words->assignor : weir_null(),
        .is_classic = true,
        .session_timeout_ms = join->session_timeout_ms,
        .protocols = join->protocols,
        .protocol_count = join->protocol_count,
    };
    if (known != NULL && weir_slice_is_null(change->words.instance_id)) {
        change->words.instance_id = known->words->instance_id;
    }
}

/* Joined; it has to sync within its rebalance timeout. */
static void answer_join(struct weir_consumer_change *change, struct weir_join_group_request *join)
{
    struct weir_consumer_member *member = change->member;
    struct weir_arena *arena = join->base.arena;
    weir_consumer_keep_session(change->group, member, change->event);
    member->join_deadline_ms = INT64_MAX;
    member->sync_deadline_ms = change->event->now_ms + member->words->rebalance_timeout_ms;
    weir_consumer_group_wake(change->group, member->sync_deadline_ms);
    join->generation = member->epoch;
    join->member_id_out = weir_arena_copy(arena, member->member_id);
    join->leader_id = weir_text("");
    join->protocol_type_out = weir_text(WEIR_CONSUMER_PROTOCOL_TYPE);
    join->protocol = weir_arena_copy(arena, member->words->protocols[0].name);
    join->skip_assignment = false;
    join->member_count = 0;
    weir_group_answer_durable(change->update, &join->base, 0);
}

static int require_id(const struct weir_consumer_event *event, struct weir_group_update *update)
{
    char text[WEIR_UUID_TEXT_SIZE];
    struct weir_join_group_request *join = event->join;
    struct weir_slice id = weir_text(weir_uuid_print(event->random, text));
    join->member_id_out = weir_arena_copy(join->base.arena, id);
    int rc = weir_error_set(&join->base.request.error, WEIR_MEMBER_ID_REQUIRED,
                            "The member joins again with the id that it is given.");
    weir_group_answer(update, &join->base, rc);
    return 0;
}

int weir_consumer_classic_join(struct weir_consumer_group *group,
                               const struct weir_consumer_event *event,
                               struct weir_group_update *update)
{
    struct weir_join_group_request *join = event->join;
    struct weir_error *error = &join->base.request.error;
    struct weir_consumer_subscription subscription;
    struct weir_consumer_change change = {
        .group = group,
        .event = event,
        .update = update,
        .error = error,
        .member_id = join->member.member_id,
        .is_joining = true,
        .owned = &subscription.owned,
    };
    int rc = check_join(group, event, error);
    if (rc < 0) return refused(&join->base, rc, update);
    if (join->requires_member_id && join->member.member_id.size == 0 &&
        join->member.instance_id.size == 0) {
        return require_id(event, update);
    }
    rc = weir_consumer_subscription_decode(join->protocols[0].metadata, event->topics,
                                           update->arena, &subscription);
    if (rc == WEIR_CORRUPT) {
        rc = weir_error_set(error, WEIR_INCONSISTENT_GROUP_PROTOCOL,
                            "The metadata of protocol %.*s is no subscription of a consumer.",
                            WEIR_GROUP_SHOWN(join->protocols[0].name));
    }
    if (rc == 0) rc = find_joining(&change, join);
    if (rc < 0) return refused(&join->base, rc, update);
    say(&change, join, &subscription);
    rc = weir_consumer_change_check(&change);
    if (rc < 0) return refused(&join->base, rc, update);
    rc = weir_consumer_change_apply(&change);
    if (rc < 0) return rc;
    answer_join(&change, join);
    return 0;
}

/* ---- sync, heartbeat ------------------------------------------------------------------------- */

/* It has to join again, and is removed if it does not. */
static int must_join(struct weir_consumer_group *group, struct weir_consumer_member *member,
                     int64_t now_ms, struct weir_error *error)
{
    if (member->join_deadline_ms == INT64_MAX) {
        member->join_deadline_ms = now_ms + member->words->rebalance_timeout_ms;
        weir_consumer_group_wake(group, member->join_deadline_ms);
    }
    return weir_error_set(error, WEIR_REBALANCE_IN_PROGRESS,
                          "The group rebalances: the member joins again.");
}

/* Said, and not this: null and empty are not said. */
static bool differs(struct weir_slice said, struct weir_slice is)
{
    return said.size > 0 && !weir_slice_equal(said, is);
}

static int check_sync(struct weir_consumer_group *group, const struct weir_consumer_event *event,
                      struct weir_consumer_member **member_out)
{
    const struct weir_sync_group_request *sync = event->sync;
    struct weir_error *error = &event->sync->base.request.error;
    int rc = find_in_generation(group, &sync->member, sync->generation, member_out, error);
    if (rc < 0) return rc;
    struct weir_consumer_member *member = *member_out;
    if (differs(sync->protocol_type, weir_text(WEIR_CONSUMER_PROTOCOL_TYPE)) ||
        differs(sync->protocol, member->words->protocols[0].name)) {
        return weir_error_set(error, WEIR_INCONSISTENT_GROUP_PROTOCOL,
                              "The member has joined with another protocol.");
    }
    /* One that has to give something up gets its assignment first, and joins again for the rest. */
    if (member->epoch < group->assignment_epoch &&
        member->state != WEIR_MEMBER_UNREVOKED_PARTITIONS) {
        return must_join(group, member, event->now_ms, error);
    }
    return 0;
}

int weir_consumer_classic_sync(struct weir_consumer_group *group,
                               const struct weir_consumer_event *event,
                               struct weir_group_update *update)
{
    struct weir_sync_group_request *sync = event->sync;
    struct weir_consumer_subscription subscription;
    struct weir_consumer_member *member = NULL;
    int rc = check_sync(group, event, &member);
    if (rc < 0) return refused(&sync->base, rc, update);
    const struct weir_group_protocol *protocol = &member->words->protocols[0];
    rc = weir_consumer_subscription_decode(protocol->metadata, event->topics, update->arena,
                                           &subscription);
    if (rc == WEIR_NO_MEMORY) return rc;
    rc = weir_consumer_assignment_encode(&member->assigned, event->topics,
                                         rc == 0 ? subscription.version : 0, sync->base.arena,
                                         &sync->assignment);
    if (rc < 0) return rc;
    member->sync_deadline_ms = INT64_MAX;
    weir_consumer_keep_session(group, member, event);
    sync->protocol_type_out = weir_text(WEIR_CONSUMER_PROTOCOL_TYPE);
    sync->protocol_out = weir_arena_copy(sync->base.arena, protocol->name);
    weir_group_answer_durable(update, &sync->base, 0);
    return 0;
}

int weir_consumer_classic_heartbeat(struct weir_consumer_group *group,
                                    const struct weir_consumer_event *event,
                                    struct weir_group_update *update)
{
    struct weir_group_heartbeat_request *request = event->classic_heartbeat;
    struct weir_error *error = &request->base.request.error;
    struct weir_consumer_member *member = NULL;
    int rc = find_in_generation(group, &request->member, request->generation, &member, error);
    if (rc < 0) return refused(&request->base, rc, update);
    weir_consumer_keep_session(group, member, event);
    if (member->epoch < group->assignment_epoch ||
        weir_consumer_member_must_act(member, group->assignment_epoch, &group->owners)) {
        rc = must_join(group, member, event->now_ms, error);
    }
    weir_group_answer(update, &request->base, rc);
    return 0;
}
