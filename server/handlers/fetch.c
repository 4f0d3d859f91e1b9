#include "broker/metadata/uuid.h"
#include "server/handlers/fetch_part.h"
#include "server/handlers/fetch_poll.h"
#include "server/handlers/handlers.h"

/*
 * Fetch: find the interest that a request goes on with, change it as the request says, name what is
 * asked for by id, and begin to gather.
 *
 *   epoch  0   all partitions are named; open a session (none without a free slot)
 *   epoch -1   all partitions are named; close the session, keep the interest at the connection
 *   epoch  n   the n-th of a session: what has changed is named
 *
 * Source: CLIENTS.md b, "Fetch (1)"; KIP-227 (sessions), KIP-320 (epochs), KIP-516 (topic ids).
 */
enum { FIRST_VERSION_BY_ID = 13 };
enum { EPOCH_FULL = 0, EPOCH_FINAL = -1 };

typedef struct weir_wire_fetch_request fetch_request;
typedef struct weir_wire_fetch_request_fetch_topic fetch_topic;
typedef struct weir_wire_fetch_request_fetch_partition fetch_partition;

/* ---- changing an interest -------------------------------------------------------------------- */

static struct weir_fetch_place place_of(const fetch_topic *topic, const fetch_partition *partition)
{
    return (struct weir_fetch_place){
        .topic = topic->topic,
        .topic_id = topic->topic_id,
        .partition = partition->partition,
        .offset = partition->fetch_offset,
        .size_max = partition->partition_max_bytes,
        .epochs =
            {
                .has_current = partition->current_leader_epoch >= 0,
                .current = partition->current_leader_epoch,
                .has_fetched = partition->last_fetched_epoch >= 0,
                .fetched = partition->last_fetched_epoch,
            },
    };
}

static int put_all(struct weir_fetch_interest *interest, const fetch_request *asked)
{
    for (size_t i = 0; i < asked->topics_count; i++) {
        const fetch_topic *topic = &asked->topics[i];
        for (size_t at = 0; at < topic->partitions_count; at++) {
            struct weir_fetch_place place = place_of(topic, &topic->partitions[at]);
            int rc = weir_fetch_interest_put(interest, &place);
            if (rc < 0) return rc;
        }
    }
    return 0;
}

static void forget_all(struct weir_fetch_interest *interest, const fetch_request *asked)
{
    for (size_t i = 0; i < asked->forgotten_topics_data_count; i++) {
        const struct weir_wire_fetch_request_forgotten_topic *topic =
            &asked->forgotten_topics_data[i];
        for (size_t at = 0; at < topic->partitions_count; at++) {
            weir_fetch_interest_drop(interest, topic->topic, topic->topic_id,
                                     topic->partitions[at]);
        }
    }
}

static int change(struct weir_fetch_poll *poll)
{
    struct weir_fetch_interest *interest = poll->interest;
    if (poll->is_full) weir_fetch_interest_begin(interest);
    int rc = put_all(interest, poll->asked);
    if (rc < 0) return rc;
    if (poll->is_full) {
        weir_fetch_interest_end(interest);
    } else {
        forget_all(interest, poll->asked);
    }
    return 0;
}

/* ---- which interest -------------------------------------------------------------------------- */

static void release_interest(void *object)
{
    weir_fetch_interest_release(object);
}

/* The connection's own; NULL without memory. */
static struct weir_fetch_interest *
interest_of_connection(struct weir_fetch_part *part, const struct weir_fetch_poll *poll, bool by_id)
{
    struct weir_connection_keep *keep = weir_context_keep(poll->context);
    struct weir_fetch_interest *interest = keep->object;
    if (interest == NULL || interest->by_id != by_id || interest->poll != NULL) {
        weir_fetch_interest_release(interest);
        keep->object = weir_fetch_interest_new(part, by_id);
        keep->release = release_interest;
    }
    return keep->object;
}

static void release_own(const struct weir_fetch_poll *poll)
{
    struct weir_connection_keep *keep = weir_context_keep(poll->context);
    weir_fetch_interest_release(keep->object);
    *keep = (struct weir_connection_keep){0};
}

/* A connection reads with one interest at a time: what another knows would be older than what the
 * reader has been told. `interest` stays NULL without memory. */
static void choose_full(struct weir_fetch_part *part, struct weir_fetch_poll *poll, bool by_id,
                        struct weir_fetch_session **session_out)
{
    struct weir_fetch_session *old = weir_fetch_session_find(part, poll->asked->session_id);
    if (old != NULL) weir_fetch_session_close(part, old);
    struct weir_fetch_session *session = NULL;
    if (poll->asked->session_epoch == EPOCH_FULL) session = weir_fetch_session_open(part, by_id);
    if (session != NULL) release_own(poll);
    poll->is_full = true;
    poll->interest =
        session != NULL ? session->interest : interest_of_connection(part, poll, by_id);
    *session_out = session;
}

/* Kafka's number, or 0. */
static int16_t choose_session(struct weir_fetch_part *part, struct weir_fetch_poll *poll,
                              bool by_id, struct weir_fetch_session **session_out)
{
    struct weir_fetch_session *session = weir_fetch_session_find(part, poll->asked->session_id);
    if (session == NULL) return WEIR_WIRE_FETCH_SESSION_ID_NOT_FOUND;
    bool is_busy = session->interest->poll != NULL; /* with another connection */
    if (session->epoch != poll->asked->session_epoch || is_busy) {
        return WEIR_WIRE_INVALID_FETCH_SESSION_EPOCH;
    }
    if (session->interest->by_id != by_id) return WEIR_WIRE_FETCH_SESSION_TOPIC_ID_ERROR;
    weir_fetch_session_advance(part, session);
    poll->interest = session->interest;
    *session_out = session;
    return 0;
}

/* ---- names of ids ---------------------------------------------------------------------------- */

static void name_entries(struct weir_fetch_poll *poll)
{
    struct weir_request_context *context = poll->context;
    struct weir_fetch_node *order = &poll->interest->order;
    for (struct weir_fetch_node *node = order->next; node != order; node = node->next) {
        struct weir_fetch_entry *entry = weir_fetch_entry_of_order(node);
        if (!weir_slice_is_null(entry->place.topic)) continue;
        struct weir_slice name =
            weir_broker_topic_name(context->broker, context->actor, entry->place.topic_id);
        if (weir_slice_is_null(name)) continue;
        int rc = weir_fetch_entry_name(entry, name);
        if (rc < 0) poll->names_rc = rc; /* next time */
    }
}

/* ---- the request ----------------------------------------------------------------------------- */

/* A client that plays follower is no client. */
static bool is_replica(const fetch_request *asked)
{
    return asked->replica_id >= 0 || asked->replica_state.replica_id >= 0;
}

static void abandon(struct weir_request_context *context)
{
    weir_fetch_poll_abandon(context->state);
}

/* A reader that wants too much hears so, and keeps nothing of it. */
static void refuse(struct weir_fetch_poll *poll, struct weir_fetch_part *part,
                   struct weir_fetch_session *session, int rc)
{
    struct weir_request_context *context = poll->context;
    if (session != NULL) {
        weir_fetch_session_close(part, session);
    } else {
        release_own(poll);
    }
    if (rc == WEIR_LIMIT) {
        weir_fetch_answer_error(context, WEIR_WIRE_INVALID_REQUEST);
    } else {
        weir_context_reply_close(context, weir_code_text(rc));
    }
}

/* The interest is found: what is left can end in an answer only. */
static void go_on(struct weir_fetch_poll *poll, struct weir_fetch_part *part,
                  struct weir_fetch_session *session)
{
    struct weir_request_context *context = poll->context;
    weir_fetch_interest_set_isolation(poll->interest, poll->asked->isolation_level ==
                                                          WEIR_ISOLATION_READ_COMMITTED);
    int rc = change(poll);
    if (rc < 0) {
        refuse(poll, part, session, rc);
        return;
    }
    poll->interest->poll = poll;
    context->state = poll;
    context->abandon = abandon;
    if (session != NULL) poll->session_id = session->id;
    if (session != NULL && !poll->is_full && weir_fetch_interest_count(poll->interest) == 0) {
        poll->session_id = 0; /* as Kafka does: a session with nothing in it ends */
        weir_fetch_session_close(part, session);
    }
    if (poll->interest->unnamed > 0) name_entries(poll);
    weir_fetch_poll_begin(poll);
}

void weir_handle_fetch(struct weir_request_context *context)
{
    const fetch_request *asked = context->request;
    struct weir_fetch_part *part = weir_fetch_part_of(context);
    struct weir_fetch_poll *poll = weir_arena_alloc_zero(&context->arena, sizeof *poll);
    if (part == NULL || poll == NULL) {
        weir_context_reply_close(context, "out of memory");
        return;
    }
    if (is_replica(asked)) {
        weir_fetch_answer_error(context, WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED);
        return;
    }
    bool by_id = context->version >= FIRST_VERSION_BY_ID;
    bool is_full = asked->session_epoch == EPOCH_FULL || asked->session_epoch == EPOCH_FINAL;
    struct weir_fetch_session *session = NULL;
    poll->context = context;
    poll->asked = asked;
    int16_t number = 0;
    if (is_full) {
        choose_full(part, poll, by_id, &session);
    } else {
        number = choose_session(part, poll, by_id, &session);
    }
    if (number != 0) {
        weir_fetch_answer_error(context, number);
    } else if (poll->interest == NULL) {
        weir_context_reply_close(context, "out of memory");
    } else {
        go_on(poll, part, session);
    }
}
