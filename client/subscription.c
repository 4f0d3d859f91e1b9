/**
 * What a group gives a consumer and takes from it, on the user's thread: callbacks, positions, automatic commits.
 *
 *   poll ──> serve: the offer at hand ──REVOKE──> commit, on_revoked, let go ──┐
 *              │                      ──ASSIGN──> add, find positions,         ├──> done: the actor goes on
 *              │                                  on_assigned                  │
 *              │                      ──LOSE, FAIL──> on_lost, let go ─────────┘
 *              ├> no member any more: all is lost, before any offer is looked at
 *              └> commit, if it is time; find the positions that are missing still
 *
 * A poll takes all that is on offer, and what is offered behind it: the group waits no longer than to the next poll,
 * and a rebalance timeout that begins after a poll ends after the next one, if that comes in time.
 *
 * An offer that a shortage interrupts stays at hand, and the next poll begins it again.
 */
#include "client/consumer_internal.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/uuid.h"

enum { AUTO_COMMIT_INTERVAL_MS = 5000, MAX_POLL_INTERVAL_MS = 300000 };

/* ---- options --------------------------------------------------------------------------------- */

static int check_number(const char *name, int64_t value, struct weir_error *error)
{
    if (value >= 0) return 0;
    return weir_error_set(
        error, WEIR_INVALID_ARGUMENT,
        "new consumer: %s is %lld: a number of milliseconds, or 0 for the default", name,
        (long long)value);
}

int weir_consumer_take_group_options(struct weir_consumer_options *options,
                                     int64_t *reset_position_out, struct weir_error *error)
{
    const char *reset = options->auto_offset_reset;
    int64_t position = WEIR_POSITION_BEGINNING;
    int rc = check_number("auto_commit_interval_ms", options->auto_commit_interval_ms, error);
    if (rc == 0) rc = check_number("max_poll_interval_ms", options->max_poll_interval_ms, error);
    if (rc < 0) return rc;
    if (reset != NULL && strcmp(reset, "latest") == 0) {
        position = WEIR_POSITION_END;
    } else if (reset != NULL && strcmp(reset, "none") == 0) {
        position = WEIR_POSITION_COMMITTED;
    } else if (reset != NULL && strcmp(reset, "earliest") != 0) {
        return weir_error_set(
            error, WEIR_INVALID_ARGUMENT,
            "new consumer: auto_offset_reset is '%.64s': earliest, latest or none", reset);
    }
    if (options->group_instance_id != NULL && options->group_instance_id[0] == '\0') {
        return weir_error_set(
            error, WEIR_INVALID_ARGUMENT,
            "new consumer: group_instance_id is empty; NULL is for a dynamic member");
    }
    if (options->auto_commit_interval_ms == 0) {
        options->auto_commit_interval_ms = AUTO_COMMIT_INTERVAL_MS;
    }
    if (options->max_poll_interval_ms == 0) options->max_poll_interval_ms = MAX_POLL_INTERVAL_MS;
    *reset_position_out = position;
    return 0;
}

/* ---- callbacks ------------------------------------------------------------------------------- */

/* Partitions of this consumer, as pointers for us and as names for the user, in room that the consumer has for as
 * many as it is assigned: to give up takes no memory. One at a time. */
struct chosen {
    struct weir_consumer_partition **partitions;
    struct weir_assigned_partition *names;
    size_t count;
};

static struct chosen choose_none(struct weir_consumer *consumer)
{
    return (struct chosen){.partitions = consumer->chosen, .names = consumer->chosen_names};
}

static void choose(struct chosen *chosen, struct weir_consumer_partition *partition)
{
    weir_assert(chosen->count < partition->consumer->partition_count);
    chosen->partitions[chosen->count] = partition;
    chosen->names[chosen->count++] =
        (struct weir_assigned_partition){.topic = partition->topic, .partition = partition->index};
}

static void call_back(struct weir_consumer *consumer, weir_rebalance_fn callback,
                      const struct chosen *chosen)
{
    if (callback == NULL || chosen->count == 0) return;
    weir_assert(!consumer->in_callback);
    consumer->in_callback = true;
    callback(consumer->options.rebalance_context, consumer, chosen->names, chosen->count);
    consumer->in_callback = false;
}

static weir_rebalance_fn lost_callback(const struct weir_consumer *consumer)
{
    return consumer->options.on_lost != NULL ? consumer->options.on_lost
                                             : consumer->options.on_revoked;
}

static int let_go(struct weir_consumer *consumer, const struct chosen *chosen,
                  struct weir_error *error)
{
    int rc = 0;
    for (size_t i = 0; i < chosen->count && rc == 0; i++) {
        rc = weir_consumer_drop(consumer, chosen->partitions[i], error);
    }
    return rc;
}

/* ---- automatic commits ----------------------------------------------------------------------- */

/* A failure is said and nothing more: the next commit covers what this one did not. */
static int commit_now(struct weir_consumer *consumer,
                      struct weir_consumer_partition *const *partitions, size_t count)
{
    struct weir_error error = {0};
    int rc = weir_consumer_commit_positions(consumer, partitions, count, true, "weir_consumer_poll",
                                            &error);
    if (rc == WEIR_CRASHED) return rc;
    if (rc < 0) {
        weir_log(&consumer->log->env->logger, WEIR_LOG_WARN, "consumer.auto_commit_failed",
                 "group=%s code=%s reason=\"%s\"", consumer->options.group, weir_code_name(rc),
                 error.text);
    }
    consumer->auto_commit_at = weir_mono_after_ms(weir_mono_now(consumer->log->env),
                                                  consumer->options.auto_commit_interval_ms);
    return rc;
}

static int commit_if_due(struct weir_consumer *consumer)
{
    if (!consumer->options.enable_auto_commit || consumer->partition_count == 0) return 0;
    if (weir_mono_now(consumer->log->env).ns < consumer->auto_commit_at.ns) return 0;
    int rc = commit_now(consumer, consumer->partitions, consumer->partition_count);
    return rc == WEIR_CRASHED ? rc : 0;
}

/* ---- offers ---------------------------------------------------------------------------------- */

/* Topics by their ids, in `arena`; those that are gone have no name. */
static int ask_names(struct weir_consumer *consumer, const struct weir_member_offer *offer,
                     struct weir_arena *arena, struct weir_list_topics_request *request,
                     struct weir_error *error)
{
    struct weir_uuid *ids = weir_arena_array(arena, offer->count + 1, sizeof *ids);
    size_t count = 0;
    if (ids == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "topics: out of memory");
    for (size_t i = 0; i < offer->count; i++) {
        struct weir_uuid id = offer->rows[i].topic_id;
        if (count == 0 || !weir_uuid_equal(ids[count - 1], id)) ids[count++] = id;
    }
    *request = (struct weir_list_topics_request){
        .arena = arena, .ids = ids, .asked_count = count, .is_selection = true};
    int rc = weir_log_wait_begin(consumer->log, &request->request, "weir_consumer_poll", error);
    if (rc < 0) return rc;
    weir_log_list_topics(consumer->log, request);
    return weir_request_wait(consumer->log->env, &request->request, error);
}

static int add_one(struct weir_consumer *consumer, struct weir_arena *arena,
                   const struct weir_topic_info *topic, struct weir_member_partition of,
                   struct weir_error *error)
{
    struct weir_consumer_partition *partition = NULL;
    if (topic->rc < 0 || topic->name.data == NULL)
        return 0; /* it is gone; so says the group soon */
    const char *name =
        weir_arena_printf(arena, "%.*s", (int)topic->name.size, (const char *)topic->name.data);
    if (name == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "topics: out of memory");
    weir_assert(weir_consumer_find(consumer, name, of.partition) == NULL);
    int rc = weir_consumer_add(consumer, name, of.partition, &partition);
    if (rc < 0) return weir_error_set(error, (enum weir_code)rc, "partitions: out of memory");
    partition->topic_id = of.topic_id;
    return 0;
}

static int take_assigned(struct weir_consumer *consumer, const struct weir_member_offer *offer,
                         struct weir_error *error)
{
    struct weir_list_topics_request names = {0};
    struct weir_arena arena;
    size_t before = consumer->partition_count;
    weir_arena_init(&arena, &consumer->log->budget, 0);
    int rc = ask_names(consumer, offer, &arena, &names, error);
    if (rc == WEIR_CRASHED) return rc;
    for (size_t i = 0, topic = 0; rc == 0 && i < offer->count; i++) {
        bool is_next =
            i > 0 && !weir_uuid_equal(offer->rows[i].topic_id, offer->rows[i - 1].topic_id);
        if (is_next) topic++;
        rc = add_one(consumer, &arena, &names.topics[topic], offer->rows[i], error);
    }
    weir_arena_close(&arena);
    struct chosen chosen = choose_none(consumer);
    for (size_t i = before; i < consumer->partition_count; i++) {
        choose(&chosen, consumer->partitions[i]);
    }
    if (rc < 0) return let_go(consumer, &chosen, NULL) == WEIR_CRASHED ? WEIR_CRASHED : rc;
    /* What cannot be found now is looked for, and told, by the poll that would read it. */
    if (weir_consumer_find_positions(consumer, NULL) == WEIR_CRASHED) return WEIR_CRASHED;
    call_back(consumer, consumer->options.on_assigned, &chosen);
    return 0;
}

static struct weir_consumer_partition *find_by_id(const struct weir_consumer *consumer,
                                                  struct weir_member_partition of)
{
    for (size_t i = 0; i < consumer->partition_count; i++) {
        struct weir_consumer_partition *partition = consumer->partitions[i];
        if (partition->index == of.partition && weir_uuid_equal(partition->topic_id, of.topic_id)) {
            return partition;
        }
    }
    return NULL; /* of a topic that was gone already */
}

static int give_up(struct weir_consumer *consumer, const struct weir_member_offer *offer,
                   struct weir_error *error)
{
    struct chosen chosen = choose_none(consumer);
    bool is_lost = offer->what != WEIR_OFFER_REVOKE;
    for (size_t i = 0; i < offer->count; i++) {
        struct weir_consumer_partition *partition = find_by_id(consumer, offer->rows[i]);
        if (partition != NULL) choose(&chosen, partition);
    }
    if (!is_lost && consumer->options.enable_auto_commit &&
        commit_now(consumer, chosen.partitions, chosen.count) == WEIR_CRASHED) {
        return WEIR_CRASHED;
    }
    call_back(consumer, is_lost ? lost_callback(consumer) : consumer->options.on_revoked, &chosen);
    return let_go(consumer, &chosen, error);
}

/* No member any more, whoever has found that out: all is somebody else's, also where the offer that says so stands
 * behind one that is older. When it comes there is nothing left to lose. */
static int lose_if_out(struct weir_consumer *consumer, struct weir_error *error)
{
    if (weir_member_epoch(consumer->member) > 0 || consumer->partition_count == 0) return 0;
    struct chosen chosen = choose_none(consumer);
    for (size_t i = 0; i < consumer->partition_count; i++) {
        choose(&chosen, consumer->partitions[i]);
    }
    call_back(consumer, lost_callback(consumer), &chosen);
    return let_go(consumer, &chosen, error);
}

static int take_offer(struct weir_consumer *consumer, struct weir_error *error)
{
    struct weir_member_offer *offer = consumer->offer;
    bool is_member = weir_member_epoch(consumer->member) > 0;
    int rc = 0;
    weir_assert(offer->what != WEIR_OFFER_NONE);
    if (offer->what != WEIR_OFFER_ASSIGN) {
        rc = give_up(consumer, offer, error);
    } else if (is_member) {
        rc = take_assigned(consumer, offer, error);
    }
    if (rc < 0) return rc;
    if (offer->what == WEIR_OFFER_FAIL) {
        weir_error_set(&consumer->membership_error, (enum weir_code)offer->rc,
                       "member of group '%s': %s", consumer->options.group,
                       offer->error.code != 0 ? offer->error.text : weir_code_text(offer->rc));
    }
    consumer->offer = NULL;
    return weir_member_done(offer);
}

int weir_consumer_serve_group(struct weir_consumer *consumer, struct weir_error *error)
{
    weir_member_polled(consumer->member);
    int rc = lose_if_out(consumer, error);
    if (rc == 0 && consumer->offer == NULL) {
        consumer->offer = weir_member_take_offer(consumer->member);
    }
    while (rc == 0 && consumer->offer != NULL) {
        rc = take_offer(consumer, error);
        if (rc == 0) consumer->offer = weir_member_take_offer(consumer->member);
    }
    if (rc < 0) return rc;
    if (consumer->membership_error.code != 0) {
        if (error != NULL) *error = consumer->membership_error;
        return consumer->membership_error.code;
    }
    rc = commit_if_due(consumer);
    return rc < 0 ? rc : weir_consumer_find_positions(consumer, error);
}

/* ---- subscribe and unsubscribe --------------------------------------------------------------- */

/* All partitions, the last time. What a commit says is kept until they are gone. */
static int give_all_up(struct weir_consumer *consumer, const char *call, struct weir_error *error)
{
    struct chosen chosen = choose_none(consumer);
    bool is_member = weir_member_epoch(consumer->member) > 0;
    int committed = 0;
    for (size_t i = 0; i < consumer->partition_count; i++) {
        choose(&chosen, consumer->partitions[i]);
    }
    if (is_member && consumer->options.enable_auto_commit) {
        committed = weir_consumer_commit_positions(consumer, chosen.partitions, chosen.count, true,
                                                   call, error);
        if (committed == WEIR_CRASHED) return committed;
    }
    call_back(consumer, is_member ? consumer->options.on_revoked : lost_callback(consumer),
              &chosen);
    int rc = let_go(consumer, &chosen, committed < 0 ? NULL : error);
    return rc < 0 ? rc : committed;
}

int weir_consumer_leave_group(struct weir_consumer *consumer, const char *call,
                              struct weir_error *error)
{
    if (consumer->member == NULL) return 0;
    int rc = give_all_up(consumer, call, error);
    if (rc == WEIR_CRASHED) return rc;
    weir_assert(consumer->partition_count == 0);
    int left = weir_member_close(consumer->member, rc < 0 ? NULL : error);
    if (left == WEIR_CRASHED) return left;
    consumer->member = NULL;
    consumer->offer = NULL;
    consumer->membership_error = (struct weir_error){0};
    return rc < 0 ? rc : left;
}

static int open_member(struct weir_consumer *consumer, struct weir_error *error)
{
    const struct weir_consumer_options *options = &consumer->options;
    const struct weir_member_options member = {
        .log = consumer->log,
        .group = options->group,
        .instance_id = options->group_instance_id,
        .assignor = options->assignor,
        .max_poll_interval_ms = options->max_poll_interval_ms,
    };
    return weir_member_open(&member, &consumer->member, error);
}

static int check_subscribe(struct weir_consumer *consumer, const char *call,
                           struct weir_error *error)
{
    if (consumer->in_callback) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "%s: not from a callback of a poll",
                              call);
    }
    if (consumer->options.group == NULL) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "%s: the consumer has no group: weir_consumer_options.group names it",
                              call);
    }
    if (consumer->member == NULL && consumer->partition_count > 0) {
        return weir_error_set(
            error, WEIR_INVALID_ARGUMENT,
            "%s: %zu partition%s assigned by hand: weir_consumer_unsubscribe lets "
            "go of them",
            call, consumer->partition_count, consumer->partition_count == 1 ? " is" : "s are");
    }
    return weir_log_may_wait(consumer->log, call, error);
}

/* Whether a poll has been told, or the next one would be: a membership that has ended takes no subscription. */
static bool has_ended(struct weir_consumer *consumer)
{
    if (consumer->member == NULL) return false;
    if (consumer->offer == NULL) consumer->offer = weir_member_take_offer(consumer->member);
    bool is_offered = consumer->offer != NULL && consumer->offer->what == WEIR_OFFER_FAIL;
    return is_offered || consumer->membership_error.code != 0;
}

static int subscribe(struct weir_consumer *consumer, const struct weir_member_wish *wish,
                     const char *call, struct weir_error *error)
{
    int rc = check_subscribe(consumer, call, error);
    if (rc == 0 && has_ended(consumer)) {
        rc = weir_consumer_leave_group(consumer, call, error);
    }
    bool is_new = rc == 0 && consumer->member == NULL;
    if (is_new) rc = open_member(consumer, error);
    if (rc == 0) rc = weir_member_subscribe(consumer->member, wish, error);
    if (rc < 0 && is_new && consumer->member != NULL) {
        if (weir_member_close(consumer->member, NULL) == WEIR_CRASHED) return WEIR_CRASHED;
        consumer->member = NULL;
    }
    if (rc == 0 && is_new) {
        consumer->auto_commit_at = weir_mono_after_ms(weir_mono_now(consumer->log->env),
                                                      consumer->options.auto_commit_interval_ms);
    }
    return rc;
}

int weir_consumer_subscribe(struct weir_consumer *consumer, const char *const *topics,
                            size_t topic_count, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = weir_consumer_enter(consumer, "weir_consumer_subscribe", error);
    if (rc < 0) return rc;
    if (topics == NULL || topic_count == 0) {
        rc = weir_error_set(error, WEIR_INVALID_ARGUMENT,
                            "weir_consumer_subscribe: no topics: weir_consumer_unsubscribe is for "
                            "none any more");
    }
    for (size_t i = 0; rc == 0 && i < topic_count; i++) {
        rc = weir_topic_text_check(topics[i], error);
    }
    if (rc == 0) {
        const struct weir_member_wish wish = {.topics = topics, .topic_count = topic_count};
        rc = subscribe(consumer, &wish, "weir_consumer_subscribe", error);
    }
    return weir_consumer_leave(consumer, rc);
}

int weir_consumer_subscribe_pattern(struct weir_consumer *consumer, const char *pattern,
                                    struct weir_error *error)
{
    weir_error_clear(error);
    int rc = weir_consumer_enter(consumer, "weir_consumer_subscribe_pattern", error);
    if (rc < 0) return rc;
    if (pattern == NULL || pattern[0] == '\0') {
        rc = weir_error_set(
            error, WEIR_INVALID_ARGUMENT,
            "weir_consumer_subscribe_pattern: the pattern is %s: a regular expression "
            "is wanted, '.*' for all topics but the internal ones",
            pattern == NULL ? "NULL" : "empty");
    } else {
        const struct weir_member_wish wish = {.pattern = pattern};
        rc = subscribe(consumer, &wish, "weir_consumer_subscribe_pattern", error);
    }
    return weir_consumer_leave(consumer, rc);
}

int weir_consumer_unsubscribe(struct weir_consumer *consumer, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = weir_consumer_enter(consumer, "weir_consumer_unsubscribe", error);
    if (rc < 0) return rc;
    if (consumer->in_callback) {
        rc = weir_error_set(error, WEIR_INVALID_ARGUMENT,
                            "weir_consumer_unsubscribe: not from a callback of a poll");
    }
    if (rc == 0) rc = weir_log_may_wait(consumer->log, "weir_consumer_unsubscribe", error);
    if (rc == 0) rc = weir_consumer_leave_group(consumer, "weir_consumer_unsubscribe", error);
    while (rc == 0 && consumer->member == NULL && consumer->partition_count > 0) {
        rc = weir_consumer_drop(consumer, consumer->partitions[consumer->partition_count - 1],
                                error);
    }
    return weir_consumer_leave(consumer, rc);
}

/* ---- what is assigned ------------------------------------------------------------------------ */

int weir_consumer_assignment(struct weir_consumer *consumer,
                             struct weir_assigned_partition *partitions_out, size_t capacity)
{
    int rc = weir_consumer_enter(consumer, "weir_consumer_assignment", NULL);
    if (rc < 0) return rc;
    if (partitions_out == NULL) capacity = 0;
    for (size_t i = 0; i < consumer->partition_count && i < capacity; i++) {
        partitions_out[i] = (struct weir_assigned_partition){
            .topic = consumer->partitions[i]->topic, .partition = consumer->partitions[i]->index};
    }
    return weir_consumer_leave(consumer, (int)consumer->partition_count);
}
