#include "tests/unit/broker/coordinator/group/consumer_life_internal.h"

#include "base/bytes.h"
#include "broker/coordinator/group/consumer_protocol.h"
#include "wire/generated/consumer_protocol_subscription.h"

/* ---- clients of the classic protocol --------------------------------------------------------- */

static struct weir_slice encode(struct life *life, const struct weir_message_type *type,
                                const void *message)
{
    struct weir_buffer buffer;
    weir_buffer_init(&buffer, &life->stage.own_budget, 0);
    weir_store_u16(weir_buffer_extend(&buffer, 2), 1);
    life_require(life, weir_message_encode(type, message, 1, &buffer) == 0, "a subscription");
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
            names[message.topics_count++] = weir_text(life_topics[t]);
    }
    for (size_t i = 0; i < client->owned_count; i++) {
        int topic = life_slot_of(life, client->owned[i].topic_id);
        if (topic < 0) continue;
        owned[message.owned_partitions_count++] =
            (struct weir_consumer_protocol_subscription_topic_partition){
                .topic = weir_text(life_topics[topic]),
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
    if (life_strikes(life, 12)) return false;
    ck_assert_int_eq(stage_step(&life->stage, event), 0);
    life_check_now(life);
    return client->is_up && !life_strikes(life, 12);
}

static void hear_refusal(struct life *life, struct client *client, int rc)
{
    if (rc == WEIR_REBALANCE_IN_PROGRESS) {
        client->must_join = true;
        client->beat_at_ms = life->stage.now_ms;
        return;
    }
    life_require(life, rc == WEIR_UNKNOWN_MEMBER_ID || rc == WEIR_ILLEGAL_GENERATION,
                 "a refusal that nothing explains");
    client_stop_reading(client);
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
    life_require(life, join.base.request.rc == 0, "a join is refused");
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
        if (!client_is_told(client, &client->owned[i])) client->must_join = true; /* cooperative */
    }
    client_finish_revoking(client);
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

void client_beat_classic(struct life *life, struct client *client)
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
