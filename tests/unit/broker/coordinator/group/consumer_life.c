#include "tests/unit/broker/coordinator/group/consumer_life.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "broker/coordinator/group/consumer_protocol.h"
#include "wire/generated/consumer_protocol_subscription.h"

enum {
    CLIENTS_MAX = 50,
    TOPICS = 6,
    PARTITIONS_MAX = 12,
    OWNED_MAX = TOPICS * PARTITIONS_MAX,
    OLD_MAX = 32, /* requests that may come again */
    STEPS = 900,
    BEAT_MS = 3000,
    REBALANCE_MS = 10000,
    SETTLE_MS = 70000, /* sessions of the dead end, expressions are looked up */
    COMPACT_EVERY = 64,
};

static const char *const topic_names[TOPICS] = {"a0", "a1", "b0", "b1", "c0", "c1"};
static const struct {
    const char *pattern;
    unsigned matches; /* a bit for each of topic_names */
} regexes[] = {{"a.*", 0x03}, {"[bc]0", 0x14}, {".*1", 0x2a}, {"c.|a0", 0x31}};

struct client {
    char id[24];
    char instance[8]; /* "": dynamic */
    bool is_up;
    bool is_in;
    bool is_slow;    /* does not revoke in time */
    bool is_classic; /* speaks the classic protocol */
    bool must_join;  /* of these: JoinGroup is next */
    bool must_sync;  /* then SyncGroup */
    bool says_all;   /* something was lost or has changed: a full request next */
    int32_t epoch;
    unsigned wants; /* a bit for each topic name */
    int regex;      /* -1: none */
    struct weir_group_partition owned[OWNED_MAX];
    size_t owned_count;
    struct weir_group_partition told[OWNED_MAX]; /* the last assignment */
    size_t told_count;
    bool is_revoking;
    int64_t revoked_at_ms;
    int64_t beat_at_ms;
    int64_t heard_at_ms;
    int64_t lease_ms; /* it reads until then; see hear_assignment */
};

/* What a client has asked, with memory of its own. */
struct asked {
    struct client *by;
    char id[24];
    char instance[8];
    struct weir_slice names[TOPICS];
    struct weir_topic_partitions lists[OWNED_MAX];
    int32_t numbers[OWNED_MAX];
    struct weir_consumer_heartbeat_request request;
};

struct life {
    struct stage stage;
    struct weir_test_random random;
    uint64_t seed;
    bool is_wild;
    bool has_faults;
    struct client clients[CLIENTS_MAX];
    struct asked old[OLD_MAX];
    size_t old_count;
    int next_client;
    int64_t wake_at_ms;
    int32_t epoch; /* of the group, seen last */
    int32_t assignment_epoch;
    size_t steps;
};

static void end_with(const struct life *life, const char *what)
{
    (void)fprintf(stderr, "consumer life: seed %" PRIu64 "%s, step %zu: %s\n", life->seed,
                  life->is_wild ? ", wild" : "", life->steps, what);
    abort();
}

static void require(const struct life *life, bool holds, const char *what)
{
    if (!holds) end_with(life, what);
}

static uint64_t below(struct life *life, uint64_t bound)
{
    return weir_test_random_below(&life->random, bound);
}

/* One in so many, while there are faults. */
static bool strikes(struct life *life, uint64_t one_in)
{
    return life->has_faults && below(life, one_in) == 0;
}

/* ---- what holds at each moment --------------------------------------------------------------- */

static int slot_of(const struct life *life, struct weir_uuid id)
{
    for (int t = 0; t < TOPICS; t++) {
        const struct weir_topic_image *topic = stage_find_topic(&life->stage, topic_names[t]);
        if (topic != NULL && weir_uuid_equal(topic->id, id)) return t;
    }
    return -1;
}

static void count(const struct life *life, const struct weir_group_partition *items, size_t size,
                  int counts[TOPICS][PARTITIONS_MAX])
{
    for (size_t i = 0; i < size; i++) {
        int slot = slot_of(life, items[i].topic_id);
        if (slot >= 0) counts[slot][items[i].partition]++;
    }
}

static void require_single(const struct life *life, int counts[TOPICS][PARTITIONS_MAX],
                           const char *what)
{
    for (int t = 0; t < TOPICS; t++) {
        for (int p = 0; p < PARTITIONS_MAX; p++) {
            require(life, counts[t][p] <= 1, what);
        }
    }
}

static void check_members(struct life *life)
{
    int counts[TOPICS][PARTITIONS_MAX] = {0};
    size_t at = 0;
    const struct weir_consumer_member *member;
    while ((member = weir_map_next(&life->stage.group.members, &at)) != NULL) {
        count(life, member->assigned.items, member->assigned.count, counts);
        count(life, member->pending_revocation.items, member->pending_revocation.count, counts);
    }
    require_single(life, counts, "one partition is with two members");
}

static void check_clients(struct life *life)
{
    int counts[TOPICS][PARTITIONS_MAX] = {0};
    for (int i = 0; i < CLIENTS_MAX; i++) {
        const struct client *client = &life->clients[i];
        if (client->is_up && !client->is_slow) {
            count(life, client->owned, client->owned_count, counts);
        }
    }
    require_single(life, counts, "two clients read one partition");
}

static bool may_commit(const struct weir_consumer_member *member, int32_t epoch,
                       const struct weir_consumer_commit *commit)
{
    const struct weir_partition_set *sets[] = {&member->assigned, &member->pending_revocation};
    if (epoch == member->epoch) return true;
    for (size_t s = 0; s < 2 && epoch < member->epoch; s++) {
        for (size_t i = 0; i < sets[s]->count; i++) {
            const struct weir_group_partition *held = &sets[s]->items[i];
            if (weir_uuid_equal(held->topic_id, commit->topic_id) &&
                held->partition == commit->partition) {
                return epoch >= held->epoch;
            }
        }
    }
    return false;
}

/* Some epoch, some partition, each member. */
static void check_commits(struct life *life)
{
    size_t at = 0;
    const struct weir_consumer_member *member;
    const struct weir_topic_image *topic =
        stage_find_topic(&life->stage, topic_names[below(life, TOPICS)]);
    if (topic == NULL) return;
    const struct weir_consumer_commit commit = {
        .topic_id = topic->id,
        .partition = (int32_t)below(life, (uint64_t)topic->partition_count),
    };
    while ((member = weir_map_next(&life->stage.group.members, &at)) != NULL) {
        const struct weir_group_member_id id = {.member_id = member->member_id};
        int32_t epoch = member->epoch - (int32_t)below(life, 4) + 1;
        int rc = weir_consumer_group_check_commit(&life->stage.group, &id, epoch, &commit, 1, NULL);
        bool may =
            member->words->is_classic ? epoch == member->epoch : may_commit(member, epoch, &commit);
        int refusal = member->words->is_classic ? WEIR_ILLEGAL_GENERATION : WEIR_STALE_MEMBER_EPOCH;
        require(life, rc == (may ? 0 : refusal), "a commit with an old epoch");
    }
}

static void check_now(struct life *life)
{
    const struct weir_consumer_group *group = &life->stage.group;
    life->steps++;
    require(life, group->epoch >= life->epoch, "the group epoch has gone back");
    require(life, group->assignment_epoch >= life->assignment_epoch, "the assignment epoch too");
    life->epoch = group->epoch;
    life->assignment_epoch = group->assignment_epoch;
    life->wake_at_ms = life->stage.update.wake_at_ms;
    check_members(life);
    check_commits(life);
    if (!life->is_wild) check_clients(life);
    stage_check_reload(&life->stage, &life->random);
    if (life->steps % COMPACT_EVERY == 0) stage_compact(&life->stage);
    if (strikes(life, 100)) stage_reload(&life->stage);
}

/* ---- clients --------------------------------------------------------------------------------- */

static void stop_reading(struct client *client)
{
    client->owned_count = 0;
    client->told_count = 0;
    client->is_revoking = false;
    client->is_in = false;
    client->epoch = 0;
    client->lease_ms = INT64_MAX;
    client->must_join = true;
    client->must_sync = false;
}

static void choose_topics(struct life *life, struct client *client)
{
    client->wants = (unsigned)below(life, 1u << TOPICS);
    if (below(life, 2) == 0) client->wants = (1u << TOPICS) - 1;
    client->regex = !client->is_classic && below(life, 4) == 0 ? (int)below(life, 4) : -1;
    client->must_join = true;
    client->says_all = true;
}

static void start_client(struct life *life)
{
    struct client *client = &life->clients[below(life, CLIENTS_MAX)];
    if (client->is_up) return;
    *client = (struct client){.is_up = true, .is_slow = strikes(life, 12)};
    (void)snprintf(client->id, sizeof client->id, "client-%d", life->next_client++);
    if (strikes(life, 3)) {
        (void)snprintf(client->instance, sizeof client->instance, "s%d", (int)below(life, 8));
    }
    if (client->instance[0] == '\0' && below(life, 4) == 0) {
        client->is_classic = true;
        client->is_slow = false;
        client->must_join = true;
    }
    choose_topics(life, client);
    client->beat_at_ms = life->stage.now_ms;
    client->heard_at_ms = life->stage.now_ms;
    client->lease_ms = INT64_MAX;
}

static bool is_told(const struct client *client, const struct weir_group_partition *partition)
{
    const struct weir_partition_set told = {(struct weir_group_partition *)client->told,
                                            client->told_count};
    return weir_partition_set_find(&told, partition->topic_id, partition->partition) != NULL;
}

/* What it shall not read any more it stops reading now, and reads what it was told. */
static void finish_revoking(struct client *client)
{
    client->is_revoking = false;
    client->says_all = true;
    client->owned_count = client->told_count;
    memcpy(client->owned, client->told, sizeof client->told);
}

/* A client that is to give something up and does not say that it has will be removed. When that time began it cannot
 * know, as answers get lost: at the earliest when it heard from the group last. */
static void hear_assignment(struct life *life, struct client *client, int64_t heard_before_ms,
                            const struct weir_consumer_heartbeat_request *request)
{
    int64_t lease_ms = heard_before_ms + REBALANCE_MS;
    if (client->is_revoking && client->lease_ms < lease_ms) lease_ms = client->lease_ms;
    struct weir_partition_set told = {0};
    bool must_revoke = false;
    ck_assert_int_eq(weir_partition_set_from_topic_lists(request->assigned, request->assigned_count,
                                                         &life->stage.arena, &told),
                     0);
    require(life, told.count <= OWNED_MAX, "more partitions than there are");
    weir_copy(client->told, told.items, told.count * sizeof *told.items);
    client->told_count = told.count;
    client->lease_ms = life->stage.now_ms + REBALANCE_MS;
    for (size_t i = 0; i < client->owned_count; i++) {
        if (!is_told(client, &client->owned[i])) must_revoke = true;
    }
    if (!must_revoke) {
        bool is_news = client->owned_count != client->told_count;
        finish_revoking(client);
        client->says_all = is_news;
        return;
    }
    client->lease_ms = lease_ms;
    if (client->is_revoking) return;
    client->is_revoking = true;
    client->revoked_at_ms =
        life->stage.now_ms + (client->is_slow    ? 4 * REBALANCE_MS
                              : life->has_faults ? (int64_t)below(life, 3 * BEAT_MS)
                                                 : 0);
    client->beat_at_ms =
        client->revoked_at_ms < client->beat_at_ms ? client->revoked_at_ms : client->beat_at_ms;
}

static void hear(struct life *life, struct client *client,
                 const struct weir_consumer_heartbeat_request *request)
{
    int rc = request->base.request.rc;
    if (rc == 0) {
        require(life, request->member_epoch_out >= client->epoch, "a member epoch has gone back");
        client->is_in = true;
        client->epoch = request->member_epoch_out;
        client->says_all = false;
        if (!client->is_revoking) client->lease_ms = life->stage.now_ms + REBALANCE_MS;
        if (request->has_assignment) {
            hear_assignment(life, client, client->heard_at_ms, request);
        }
        client->heard_at_ms = life->stage.now_ms;
        if (client->says_all) client->beat_at_ms = life->stage.now_ms;
        return;
    }
    require(life,
            rc == WEIR_FENCED_MEMBER_EPOCH || rc == WEIR_UNKNOWN_MEMBER_ID ||
                rc == WEIR_UNRELEASED_INSTANCE_ID || rc == WEIR_FENCED_INSTANCE_ID ||
                rc == WEIR_GROUP_ID_NOT_FOUND,
            "a refusal that nothing explains");
    stop_reading(client);
    if (rc == WEIR_FENCED_INSTANCE_ID) client->is_up = false;
}

/* ---- requests -------------------------------------------------------------------------------- */

static void put_owned(struct asked *asked, const struct client *client)
{
    struct weir_consumer_heartbeat_request *request = &asked->request;
    request->has_owned = true;
    for (size_t i = 0; i < client->owned_count; i++) {
        asked->numbers[i] = client->owned[i].partition;
        asked->lists[i] = (struct weir_topic_partitions){
            .topic_id = client->owned[i].topic_id,
            .partitions = &asked->numbers[i],
            .partition_count = 1,
        };
    }
    request->owned = asked->lists;
    request->owned_count = client->owned_count;
}

static void put_wishes(struct asked *asked, const struct client *client)
{
    struct weir_consumer_heartbeat_request *request = &asked->request;
    request->has_topic_names = true;
    request->rebalance_timeout_ms = REBALANCE_MS;
    request->topic_names = asked->names;
    request->topic_name_count = 0;
    for (int t = 0; t < TOPICS; t++) {
        if ((client->wants >> t & 1) == 0) continue;
        asked->names[request->topic_name_count++] = weir_text(topic_names[t]);
    }
    request->topic_regex = weir_text(client->regex >= 0 ? regexes[client->regex].pattern : "");
}

/* The request of a client as it is now; its texts and arrays are in `asked`. */
static void make_request(struct life *life, struct client *client, struct asked *asked)
{
    *asked = (struct asked){.by = client};
    memcpy(asked->id, client->id, sizeof asked->id);
    memcpy(asked->instance, client->instance, sizeof asked->instance);
    asked->request = (struct weir_consumer_heartbeat_request){
        .member_epoch = client->is_in ? client->epoch : 0,
        .client_id = weir_text("client"),
        .client_host = weir_text("/10.0.0.1"),
        .rebalance_timeout_ms = -1,
    };
    if (!client->is_in || client->says_all || below(life, 5) == 0) {
        put_owned(asked, client);
        put_wishes(asked, client);
    }
}

/* To the group; what it says is in the stage's request. */
static void send(struct life *life, struct asked *asked)
{
    weir_arena_reset(&life->stage.arena);
    life->stage.request = asked->request;
    life->stage.request.member.member_id = weir_text(asked->id);
    if (asked->instance[0] != '\0') {
        life->stage.request.member.instance_id = weir_text(asked->instance);
    }
    (void)stage_ask(&life->stage);
}

static void keep_old(struct life *life, const struct asked *asked)
{
    if (!life->is_wild) return;
    struct asked *slot = &life->old[below(life, OLD_MAX)];
    *slot = *asked;
    slot->request.topic_names = slot->names;
    slot->request.owned = slot->lists;
    for (size_t i = 0; i < slot->request.owned_count; i++) {
        slot->lists[i].partitions = &slot->numbers[i];
    }
}

/* ---- clients of the classic protocol --------------------------------------------------------- */

static struct weir_slice encode(struct life *life, const struct weir_message_type *type,
                                const void *message)
{
    struct weir_buffer buffer;
    weir_buffer_init(&buffer, &life->stage.own_budget, 0);
    weir_store_u16(weir_buffer_extend(&buffer, 2), 1);
    require(life, weir_message_encode(type, message, 1, &buffer) == 0, "a subscription");
    struct weir_slice copy = weir_arena_copy(&life->stage.arena, weir_buffer_slice(&buffer));
    weir_buffer_close(&buffer);
    return copy;
}

/* What it wants, and what it has; topics that are gone by now it has no more. */
static struct weir_slice subscription_of(struct life *life, const struct client *client)
{
    struct weir_slice names[TOPICS];
    struct weir_consumer_protocol_subscription_topic_partition owned[OWNED_MAX];
    struct weir_consumer_protocol_subscription message;
    weir_consumer_protocol_subscription_init(&message);
    for (int t = 0; t < TOPICS; t++) {
        if ((client->wants >> t & 1) != 0)
            names[message.topics_count++] = weir_text(topic_names[t]);
    }
    for (size_t i = 0; i < client->owned_count; i++) {
        int topic = slot_of(life, client->owned[i].topic_id);
        if (topic < 0) continue;
        owned[message.owned_partitions_count++] =
            (struct weir_consumer_protocol_subscription_topic_partition){
                .topic = weir_text(topic_names[topic]),
                .partitions = &client->owned[i].partition,
                .partitions_count = 1,
            };
    }
    message.topics = names;
    message.owned_partitions = owned;
    return encode(life, &weir_consumer_protocol_subscription_type, &message);
}

/* One question of the classic protocol; true if its answer was heard. */
static bool ask_classic(struct life *life, struct client *client, struct weir_consumer_event event)
{
    if (strikes(life, 12)) return false;
    ck_assert_int_eq(stage_step(&life->stage, event), 0);
    check_now(life);
    return client->is_up && !strikes(life, 12);
}

static void hear_refusal(struct life *life, struct client *client, int rc)
{
    if (rc == WEIR_REBALANCE_IN_PROGRESS) {
        client->must_join = true;
        client->beat_at_ms = life->stage.now_ms;
        return;
    }
    require(life, rc == WEIR_UNKNOWN_MEMBER_ID || rc == WEIR_ILLEGAL_GENERATION,
            "a refusal that nothing explains");
    stop_reading(client);
}

static void join_classic(struct life *life, struct client *client)
{
    struct weir_group_protocol protocol = {.name = weir_text("cooperative-sticky")};
    struct weir_join_group_request join = {
        .base = {.group = life->stage.group.name, .arena = &life->stage.arena},
        .member = {.member_id = weir_text(client->id)},
        .protocol_type = weir_text("consumer"),
        .protocols = &protocol,
        .protocol_count = 1,
        .session_timeout_ms = REBALANCE_MS,
        .rebalance_timeout_ms = REBALANCE_MS,
    };
    protocol.metadata = subscription_of(life, client);
    if (!ask_classic(
            life, client,
            (struct weir_consumer_event){.type = WEIR_CONSUMER_CLASSIC_JOIN, .join = &join})) {
        return;
    }
    require(life, join.base.request.rc == 0, "a join is refused");
    client->must_join = false;
    client->must_sync = true;
    client->epoch = join.generation;
    client->beat_at_ms = life->stage.now_ms;
}

static void sync_classic(struct life *life, struct client *client)
{
    struct weir_partition_set told = {0};
    struct weir_sync_group_request sync = {
        .base = {.group = life->stage.group.name, .arena = &life->stage.arena},
        .member = {.member_id = weir_text(client->id)},
        .generation = client->epoch,
    };
    if (!ask_classic(
            life, client,
            (struct weir_consumer_event){.type = WEIR_CONSUMER_CLASSIC_SYNC, .sync = &sync})) {
        return;
    }
    client->must_sync = false;
    if (sync.base.request.rc < 0) {
        hear_refusal(life, client, sync.base.request.rc);
        return;
    }
    ck_assert_int_eq(weir_consumer_assignment_decode(sync.assignment, &life->stage.topics.image,
                                                     &life->stage.arena, &told),
                     0);
    client->is_in = true;
    client->lease_ms = life->stage.now_ms + REBALANCE_MS;
    weir_copy(client->told, told.items, told.count * sizeof *told.items);
    client->told_count = told.count;
    for (size_t i = 0; i < client->owned_count; i++) {
        if (!is_told(client, &client->owned[i])) client->must_join = true; /* cooperative */
    }
    finish_revoking(client);
    if (client->must_join) client->beat_at_ms = life->stage.now_ms;
}

static void heartbeat_classic(struct life *life, struct client *client)
{
    struct weir_group_heartbeat_request request = {
        .base = {.group = life->stage.group.name, .arena = &life->stage.arena},
        .member = {.member_id = weir_text(client->id)},
        .generation = client->epoch,
    };
    if (!ask_classic(life, client,
                     (struct weir_consumer_event){.type = WEIR_CONSUMER_CLASSIC_HEARTBEAT,
                                                  .classic_heartbeat = &request})) {
        return;
    }
    if (request.base.request.rc < 0) {
        hear_refusal(life, client, request.base.request.rc);
    } else {
        client->lease_ms = life->stage.now_ms + REBALANCE_MS;
    }
}

static void beat_classic(struct life *life, struct client *client)
{
    weir_arena_reset(&life->stage.arena);
    client->beat_at_ms = life->stage.now_ms + BEAT_MS;
    if (client->must_join) {
        join_classic(life, client);
    } else if (client->must_sync) {
        sync_classic(life, client);
    } else {
        heartbeat_classic(life, client);
    }
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

static void beat(struct life *life, struct client *client)
{
    static struct asked asked;
    client->beat_at_ms = life->stage.now_ms + BEAT_MS;
    if (client->is_classic) {
        beat_classic(life, client);
        return;
    }
    if (client->is_revoking && client->revoked_at_ms <= life->stage.now_ms) finish_revoking(client);
    make_request(life, client, &asked);
    keep_old(life, &asked);
    if (strikes(life, 10)) { /* the request is lost */
        client->says_all = true;
        return;
    }
    send(life, &asked);
    bool comes_twice = strikes(life, 10);
    bool is_lost = strikes(life, 10);
    if (is_lost) {
        client->says_all = true;
    } else {
        hear(life, client, &life->stage.request);
    }
    check_now(life);
    if (!comes_twice || !client->is_up) return;
    send(life, &asked); /* and its answer is not read */
    client->says_all = true;
    check_now(life);
}

/* A client ends: it says so, for a while if it is static, or it is just not there any more. */
static void end_client(struct life *life, struct client *client)
{
    static struct asked asked;
    if (client->is_in && !client->is_classic && below(life, 3) > 0) {
        make_request(life, client, &asked);
        asked.request.member_epoch = -1;
        if (client->instance[0] != '\0' && below(life, 2) == 0) asked.request.member_epoch = -2;
        send(life, &asked);
        stop_reading(client);
        check_now(life);
    }
    stop_reading(client);
    client->is_up = false;
}

/* ---- topics, time, strangers ----------------------------------------------------------------- */

static void change_topics(struct life *life)
{
    const char *name = topic_names[below(life, TOPICS)];
    const struct weir_topic_image *topic = stage_find_topic(&life->stage, name);
    if (topic == NULL) {
        (void)stage_topic(&life->stage, name, 1 + (int)below(life, PARTITIONS_MAX));
    } else if (below(life, 3) == 0) {
        stage_remove_topic(&life->stage, name);
    } else if (topic->partition_count < PARTITIONS_MAX) {
        stage_grow(&life->stage, name, topic->partition_count + 1);
    }
    if (below(life, 2) == 0) {
        ck_assert_int_eq(stage_metadata(&life->stage), 0);
        check_now(life);
    }
}

static void say_nonsense(struct life *life)
{
    static struct asked asked;
    struct client *client = &life->clients[below(life, CLIENTS_MAX)];
    if (client->id[0] == '\0') return;
    make_request(life, client, &asked);
    asked.request.member_epoch = (int32_t)below(life, 12) - 3;
    if (below(life, 2) == 0) put_wishes(&asked, &(struct client){.wants = 3, .regex = -1});
    for (size_t i = 0; i < asked.request.owned_count; i++) {
        asked.numbers[i] = (int32_t)below(life, PARTITIONS_MAX);
    }
    if (below(life, 4) == 0) asked.instance[0] = 's';
    if (asked.instance[0] == 's') asked.instance[1] = (char)('0' + below(life, 8));
    send(life, &asked);
    check_now(life);
}

static void strike(struct life *life)
{
    if (strikes(life, 4)) start_client(life);
    struct client *client = &life->clients[below(life, CLIENTS_MAX)];
    if (client->is_up && strikes(life, 12)) end_client(life, client);
    if (client->is_up && strikes(life, 15)) choose_topics(life, client);
    if (strikes(life, 25)) change_topics(life);
    if (!life->is_wild) return;
    if (strikes(life, 15)) say_nonsense(life);
    struct asked *old = &life->old[below(life, OLD_MAX)];
    if (old->by != NULL && strikes(life, 8)) {
        send(life, old);
        check_now(life);
    }
}

static struct client *next_client(struct life *life)
{
    struct client *next = NULL;
    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &life->clients[i];
        if (client->is_up && (next == NULL || client->beat_at_ms < next->beat_at_ms)) {
            next = client;
        }
    }
    return next;
}

/* On to the next thing that happens: a tick that the group wants, or somebody's heartbeat. */
static void turn(struct life *life)
{
    struct client *client = next_client(life);
    int64_t beat_at_ms = client != NULL ? client->beat_at_ms : life->stage.now_ms + BEAT_MS;
    bool is_tick = life->wake_at_ms <= beat_at_ms;
    int64_t at_ms = is_tick ? life->wake_at_ms : beat_at_ms;
    if (at_ms > life->stage.now_ms) life->stage.now_ms = at_ms;
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (life->clients[i].lease_ms <= life->stage.now_ms) stop_reading(&life->clients[i]);
    }
    if (is_tick) {
        ck_assert_int_eq(stage_tick(&life->stage), 0);
        check_now(life);
    } else if (client != NULL) {
        beat(life, client);
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

static void check_client_settled(struct life *life, const struct client *client)
{
    const struct weir_consumer_member *member =
        weir_consumer_group_member(&life->stage.group, weir_text(client->id));
    require(life, member != NULL && client->is_in, "a client is no member");
    require(life, member->epoch == client->epoch, "a client has another epoch");
    const struct weir_partition_set owned = {(struct weir_group_partition *)client->owned,
                                             client->owned_count};
    require(life, weir_partition_set_equal(&owned, &member->target),
            "a client does not read its target");
}

static bool is_wanted(struct life *life, int topic)
{
    return weir_consumer_group_subscribes(&life->stage.group, weir_text(topic_names[topic]));
}

static bool wants(const struct client *client, int topic)
{
    unsigned matches = client->regex >= 0 ? regexes[client->regex].matches : 0;
    return ((client->wants | matches) >> topic & 1) != 0;
}

/* Nobody has two partitions more than another one that could have had one of them. */
static void check_even(const struct life *life, const struct client *client)
{
    for (int i = 0; i < CLIENTS_MAX; i++) {
        const struct client *other = &life->clients[i];
        if (!other->is_up || other->owned_count + 1 >= client->owned_count) continue;
        for (size_t p = 0; p < client->owned_count; p++) {
            int topic = slot_of(life, client->owned[p].topic_id);
            require(life, !wants(other, topic), "a member has too little");
        }
    }
}

static void check_settled(struct life *life)
{
    int counts[TOPICS][PARTITIONS_MAX] = {0};
    size_t up = 0;
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (!life->clients[i].is_up) continue;
        up++;
        check_client_settled(life, &life->clients[i]);
        check_even(life, &life->clients[i]);
        count(life, life->clients[i].owned, life->clients[i].owned_count, counts);
    }
    require(life, up == weir_consumer_group_member_count(&life->stage.group),
            "a member has no client");
    for (int t = 0; t < TOPICS; t++) {
        const struct weir_topic_image *topic = stage_find_topic(&life->stage, topic_names[t]);
        int partitions = topic != NULL && is_wanted(life, t) ? topic->partition_count : 0;
        for (int p = 0; p < PARTITIONS_MAX; p++) {
            require(life, counts[t][p] == (p < partitions), "a partition has no reader");
        }
    }
    const char *state = weir_consumer_group_state(&life->stage.group);
    require(life, strcmp(state, up > 0 ? "Stable" : "Empty") == 0, "the group is not stable");
}

/* Two static clients of one name fight for it as long as both are there; that is their own fault. */
static void end_rivals(struct life *life)
{
    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &life->clients[i];
        client->is_slow = false;
        if (client->is_revoking) client->revoked_at_ms = life->stage.now_ms;
        for (int j = 0; j < i && client->is_up; j++) {
            const struct client *rival = &life->clients[j];
            if (rival->is_up && client->instance[0] != '\0' &&
                strcmp(client->instance, rival->instance) == 0) {
                stop_reading(client);
                client->is_up = false;
            }
        }
    }
}

static void run_for(struct life *life, int64_t time_ms)
{
    int64_t until_ms = life->stage.now_ms + time_ms;
    while (life->stage.now_ms < until_ms) {
        turn(life);
    }
}

void consumer_life(uint64_t seed, bool is_wild)
{
    struct life *life = calloc(1, sizeof *life);
    ck_assert_ptr_nonnull(life);
    life->seed = seed;
    life->is_wild = is_wild;
    life->random.state = seed;
    life->has_faults = true;
    life->wake_at_ms = INT64_MAX;
    stage_open(&life->stage);
    for (int t = 0; t < TOPICS; t += 2) {
        (void)stage_topic(&life->stage, topic_names[t], 1 + (int)below(life, PARTITIONS_MAX));
    }
    while (life->steps < STEPS) {
        turn(life);
        strike(life);
    }
    life->has_faults = false;
    end_rivals(life);
    run_for(life, SETTLE_MS);
    check_settled(life);
    start_client(life); /* one more, and everybody is there again within the rebalance timeout */
    run_for(life, REBALANCE_MS);
    check_settled(life);
    stage_close(&life->stage);
    free(life);
}
