#include "tests/unit/broker/coordinator/group/consumer_life_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const life_topics[TOPICS] = {"a0", "a1", "b0", "b1", "c0", "c1"};

static void end_with(const struct life *life, const char *what)
{
    (void)fprintf(stderr, "consumer life: seed %" PRIu64 "%s, step %zu: %s\n", life->seed,
                  life->is_wild ? ", wild" : "", life->steps, what);
    abort();
}

void life_require(const struct life *life, bool holds, const char *what)
{
    if (!holds) end_with(life, what);
}

uint64_t life_below(struct life *life, uint64_t bound)
{
    return weir_test_random_below(&life->random, bound);
}

/* One in so many, while there are faults. */
bool life_strikes(struct life *life, uint64_t one_in)
{
    return life->has_faults && life_below(life, one_in) == 0;
}

/* ---- what holds at each moment --------------------------------------------------------------- */

int life_slot_of(const struct life *life, struct weir_uuid id)
{
    for (int t = 0; t < TOPICS; t++) {
        const struct weir_topic_image *topic = stage_find_topic(&life->stage, life_topics[t]);
        if (topic != NULL && weir_uuid_equal(topic->id, id)) return t;
    }
    return -1;
}

static void count(const struct life *life, const struct weir_group_partition *items, size_t size,
                  int counts[TOPICS][PARTITIONS_MAX])
{
    for (size_t i = 0; i < size; i++) {
        int slot = life_slot_of(life, items[i].topic_id);
        if (slot >= 0) counts[slot][items[i].partition]++;
    }
}

static void require_single(const struct life *life, int counts[TOPICS][PARTITIONS_MAX],
                           const char *what)
{
    for (int t = 0; t < TOPICS; t++) {
        for (int p = 0; p < PARTITIONS_MAX; p++) {
            life_require(life, counts[t][p] <= 1, what);
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
        stage_find_topic(&life->stage, life_topics[life_below(life, TOPICS)]);
    if (topic == NULL) return;
    const struct weir_consumer_commit commit = {
        .topic_id = topic->id,
        .partition = (int32_t)life_below(life, (uint64_t)topic->partition_count),
    };
    while ((member = weir_map_next(&life->stage.group.members, &at)) != NULL) {
        const struct weir_group_member_id id = {.member_id = member->member_id};
        int32_t epoch = member->epoch - (int32_t)life_below(life, 4) + 1;
        int rc = weir_consumer_group_check_commit(&life->stage.group, &id, epoch, &commit, 1, NULL);
        bool may = may_commit(member, epoch, &commit);
        int refusal = member->words->is_classic ? WEIR_ILLEGAL_GENERATION : WEIR_STALE_MEMBER_EPOCH;
        life_require(life, rc == (may ? 0 : refusal), "a commit with an old epoch");
    }
}

void life_check_now(struct life *life)
{
    const struct weir_consumer_group *group = &life->stage.group;
    life->steps++;
    life_require(life, group->epoch >= life->epoch, "the group epoch has gone back");
    life_require(life, group->assignment_epoch >= life->assignment_epoch,
                 "the assignment epoch too");
    life->epoch = group->epoch;
    life->assignment_epoch = group->assignment_epoch;
    life->wake_at_ms = life->stage.update.wake_at_ms;
    check_members(life);
    check_commits(life);
    if (!life->is_wild) check_clients(life);
    stage_check_reload(&life->stage, &life->random);
    if (life->steps % COMPACT_EVERY == 0) stage_compact(&life->stage);
    if (life_strikes(life, 100)) stage_reload(&life->stage);
}

/* ---- topics, time, strangers ----------------------------------------------------------------- */

static void change_topics(struct life *life)
{
    const char *name = life_topics[life_below(life, TOPICS)];
    const struct weir_topic_image *topic = stage_find_topic(&life->stage, name);
    if (topic == NULL) {
        (void)stage_topic(&life->stage, name, 1 + (int)life_below(life, PARTITIONS_MAX));
    } else if (life_below(life, 3) == 0) {
        stage_remove_topic(&life->stage, name);
    } else if (topic->partition_count < PARTITIONS_MAX) {
        stage_grow(&life->stage, name, topic->partition_count + 1);
    }
    if (life_below(life, 2) == 0) {
        ck_assert_int_eq(stage_metadata(&life->stage), 0);
        life_check_now(life);
    }
}

static void say_nonsense(struct life *life)
{
    static struct asked asked;
    struct client *client = &life->clients[life_below(life, CLIENTS_MAX)];
    if (client->id[0] == '\0') return;
    client_make_request(life, client, &asked);
    asked.request.member_epoch = (int32_t)life_below(life, 12) - 3;
    if (life_below(life, 2) == 0)
        client_put_subscription(&asked, &(struct client){.wants = 3, .regex = -1});
    for (size_t i = 0; i < asked.request.owned_count; i++) {
        asked.numbers[i] = (int32_t)life_below(life, PARTITIONS_MAX);
    }
    if (life_below(life, 4) == 0) asked.instance[0] = 's';
    if (asked.instance[0] == 's') asked.instance[1] = (char)('0' + life_below(life, 8));
    client_send(life, &asked);
    life_check_now(life);
}

static void strike(struct life *life)
{
    if (life_strikes(life, 4)) client_start(life);
    struct client *client = &life->clients[life_below(life, CLIENTS_MAX)];
    if (client->is_up && life_strikes(life, 12)) client_end(life, client);
    if (client->is_up && life_strikes(life, 15)) client_choose_topics(life, client);
    if (life_strikes(life, 25)) change_topics(life);
    if (!life->is_wild) return;
    if (life_strikes(life, 15)) say_nonsense(life);
    struct asked *old = &life->old[life_below(life, OLD_MAX)];
    if (old->by != NULL && life_strikes(life, 8)) {
        client_send(life, old);
        life_check_now(life);
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
        if (life->clients[i].lease_ms <= life->stage.now_ms) client_stop_reading(&life->clients[i]);
    }
    if (is_tick) {
        ck_assert_int_eq(stage_tick(&life->stage), 0);
        life_check_now(life);
    } else if (client != NULL) {
        client_beat(life, client);
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

static void check_client_settled(struct life *life, const struct client *client)
{
    const struct weir_consumer_member *member =
        weir_consumer_group_member(&life->stage.group, weir_text(client->id));
    life_require(life, member != NULL && client->is_in, "a client is no member");
    life_require(life, member->epoch == client->epoch, "a client has another epoch");
    const struct weir_partition_set owned = {(struct weir_group_partition *)client->owned,
                                             client->owned_count};
    life_require(life, weir_partition_set_equal(&owned, &member->target),
                 "a client does not read its target");
}

static bool is_wanted(struct life *life, int topic)
{
    return weir_consumer_group_subscribes(&life->stage.group, weir_text(life_topics[topic]));
}

/* Nobody has two partitions more than another one that could have had one of them. */
static void check_even(const struct life *life, const struct client *client)
{
    for (int i = 0; i < CLIENTS_MAX; i++) {
        const struct client *other = &life->clients[i];
        if (!other->is_up || other->owned_count + 1 >= client->owned_count) continue;
        for (size_t p = 0; p < client->owned_count; p++) {
            int topic = life_slot_of(life, client->owned[p].topic_id);
            life_require(life, !client_wants(other, topic), "a member has too little");
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
    life_require(life, up == weir_consumer_group_member_count(&life->stage.group),
                 "a member has no client");
    for (int t = 0; t < TOPICS; t++) {
        const struct weir_topic_image *topic = stage_find_topic(&life->stage, life_topics[t]);
        int partitions = topic != NULL && is_wanted(life, t) ? topic->partition_count : 0;
        for (int p = 0; p < PARTITIONS_MAX; p++) {
            life_require(life, counts[t][p] == (p < partitions), "a partition has no reader");
        }
    }
    const char *state = weir_consumer_group_state(&life->stage.group);
    life_require(life, strcmp(state, up > 0 ? "Stable" : "Empty") == 0, "the group is not stable");
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
                client_stop_reading(client);
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
    if (life_below(life, 2) == 0) {
        life->stage.settings.config.consumer_assignment_interval_ms =
            (int32_t)life_below(life, ASSIGNMENT_INTERVAL_MAX_MS);
    }
    for (int t = 0; t < TOPICS; t += 2) {
        (void)stage_topic(&life->stage, life_topics[t], 1 + (int)life_below(life, PARTITIONS_MAX));
    }
    while (life->steps < STEPS) {
        turn(life);
        strike(life);
    }
    life->has_faults = false;
    end_rivals(life);
    run_for(life, SETTLE_MS);
    check_settled(life);
    client_start(life); /* one more, and everybody is there again within the rebalance timeout */
    run_for(life, REBALANCE_MS);
    check_settled(life);
    stage_close(&life->stage);
    free(life);
}
