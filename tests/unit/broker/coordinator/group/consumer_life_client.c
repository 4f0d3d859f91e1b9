#include "tests/unit/broker/coordinator/group/consumer_life_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

static const struct {
    const char *pattern;
    unsigned matches; /* a bit for each of life_topics */
} regexes[] = {{"a.*", 0x03}, {"[bc]0", 0x14}, {".*1", 0x2a}, {"c.|a0", 0x31}};

/* ---- clients --------------------------------------------------------------------------------- */

void client_stop_reading(struct client *client)
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

void client_choose_topics(struct life *life, struct client *client)
{
    client->wants = (unsigned)life_below(life, 1u << TOPICS);
    if (life_below(life, 2) == 0) client->wants = (1u << TOPICS) - 1;
    client->regex = !client->is_classic && life_below(life, 4) == 0 ? (int)life_below(life, 4) : -1;
    client->must_join = true;
    client->says_all = true;
}

void client_start(struct life *life)
{
    struct client *client = &life->clients[life_below(life, CLIENTS_MAX)];
    if (client->is_up) return;
    *client = (struct client){.is_up = true, .is_slow = life_strikes(life, 12)};
    (void)snprintf(client->id, sizeof client->id, "client-%d", life->next_client++);
    if (life_strikes(life, 3)) {
        (void)snprintf(client->instance, sizeof client->instance, "s%d", (int)life_below(life, 8));
    }
    if (client->instance[0] == '\0' && life_below(life, 4) == 0) {
        client->is_classic = true;
        client->is_slow = false;
        client->must_join = true;
    }
    client_choose_topics(life, client);
    client->beat_at_ms = life->stage.now_ms;
    client->heard_at_ms = life->stage.now_ms;
    client->lease_ms = INT64_MAX;
}

bool client_is_told(const struct client *client, const struct weir_group_partition *partition)
{
    const struct weir_partition_set told = {(struct weir_group_partition *)client->told,
                                            client->told_count};
    return weir_partition_set_find(&told, partition->topic_id, partition->partition) != NULL;
}

/* What it shall not read any more it stops reading now, and reads what it was told. */
void client_finish_revoking(struct client *client)
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
    life_require(life, told.count <= OWNED_MAX, "more partitions than there are");
    weir_copy(client->told, told.items, told.count * sizeof *told.items);
    client->told_count = told.count;
    client->lease_ms = life->stage.now_ms + REBALANCE_MS;
    for (size_t i = 0; i < client->owned_count; i++) {
        if (!client_is_told(client, &client->owned[i])) must_revoke = true;
    }
    if (!must_revoke) {
        bool is_news = client->owned_count != client->told_count;
        client_finish_revoking(client);
        client->says_all = is_news;
        return;
    }
    client->lease_ms = lease_ms;
    if (client->is_revoking) return;
    client->is_revoking = true;
    client->revoked_at_ms =
        life->stage.now_ms + (client->is_slow    ? 4 * REBALANCE_MS
                              : life->has_faults ? (int64_t)life_below(life, 3 * BEAT_MS)
                                                 : 0);
    client->beat_at_ms =
        client->revoked_at_ms < client->beat_at_ms ? client->revoked_at_ms : client->beat_at_ms;
}

static void hear(struct life *life, struct client *client,
                 const struct weir_consumer_heartbeat_request *request)
{
    int rc = request->base.request.rc;
    if (rc == 0) {
        life_require(life, request->member_epoch_out >= client->epoch,
                     "a member epoch has gone back");
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
    life_require(life,
                 rc == WEIR_FENCED_MEMBER_EPOCH || rc == WEIR_UNKNOWN_MEMBER_ID ||
                     rc == WEIR_UNRELEASED_INSTANCE_ID || rc == WEIR_FENCED_INSTANCE_ID ||
                     rc == WEIR_GROUP_ID_NOT_FOUND,
                 "a refusal that nothing explains");
    client_stop_reading(client);
    if (rc == WEIR_FENCED_INSTANCE_ID) client->is_up = false;
}

bool client_wants(const struct client *client, int topic)
{
    unsigned matches = client->regex >= 0 ? regexes[client->regex].matches : 0;
    return ((client->wants | matches) >> topic & 1) != 0;
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

void client_put_subscription(struct asked *asked, const struct client *client)
{
    struct weir_consumer_heartbeat_request *request = &asked->request;
    request->has_topic_names = true;
    request->rebalance_timeout_ms = REBALANCE_MS;
    request->topic_names = asked->names;
    request->topic_name_count = 0;
    for (int t = 0; t < TOPICS; t++) {
        if ((client->wants >> t & 1) == 0) continue;
        asked->names[request->topic_name_count++] = weir_text(life_topics[t]);
    }
    request->topic_regex = weir_text(client->regex >= 0 ? regexes[client->regex].pattern : "");
}

/* The request of a client as it is now; its texts and arrays are in `asked`. */
void client_make_request(struct life *life, struct client *client, struct asked *asked)
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
    if (!client->is_in || client->says_all || life_below(life, 5) == 0) {
        put_owned(asked, client);
        client_put_subscription(asked, client);
    }
}

/* To the group; what it says is in the stage's request. */
void client_send(struct life *life, struct asked *asked)
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
    struct asked *slot = &life->old[life_below(life, OLD_MAX)];
    *slot = *asked;
    slot->request.topic_names = slot->names;
    slot->request.owned = slot->lists;
    for (size_t i = 0; i < slot->request.owned_count; i++) {
        slot->lists[i].partitions = &slot->numbers[i];
    }
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

void client_beat(struct life *life, struct client *client)
{
    static struct asked asked;
    client->beat_at_ms = life->stage.now_ms + BEAT_MS;
    if (client->is_classic) {
        client_beat_classic(life, client);
        return;
    }
    if (client->is_revoking && client->revoked_at_ms <= life->stage.now_ms)
        client_finish_revoking(client);
    client_make_request(life, client, &asked);
    keep_old(life, &asked);
    if (life_strikes(life, 10)) { /* the request is lost */
        client->says_all = true;
        return;
    }
    client_send(life, &asked);
    bool comes_twice = life_strikes(life, 10);
    bool is_lost = life_strikes(life, 10);
    if (is_lost) {
        client->says_all = true;
    } else {
        hear(life, client, &life->stage.request);
    }
    life_check_now(life);
    if (!comes_twice || !client->is_up) return;
    client_send(life, &asked); /* and its answer is not read */
    client->says_all = true;
    life_check_now(life);
}

/* A client ends: it says so, for a while if it is static, or it is just not there any more. */
void client_end(struct life *life, struct client *client)
{
    static struct asked asked;
    if (client->is_in && !client->is_classic && life_below(life, 3) > 0) {
        client_make_request(life, client, &asked);
        asked.request.member_epoch = -1;
        if (client->instance[0] != '\0' && life_below(life, 2) == 0)
            asked.request.member_epoch = -2;
        client_send(life, &asked);
        client_stop_reading(client);
        life_check_now(life);
    }
    client_stop_reading(client);
    client->is_up = false;
}
