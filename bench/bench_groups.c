/* Groups through real sockets: how soon members share partitions, and what their being there costs.
 *
 * A group is settled when each member has an assignment of the same generation (epoch) and these
 * assignments are all partitions, each once; else the benchmark fails. What is counted is questions
 * per member until then, and time, with no pause of a client in it: a member asks again as soon as
 * it is answered, where a real one waits for its heartbeat. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "bench/bench_subject.h"
#include "wire/generated/consumer_group_heartbeat_request.h"
#include "wire/generated/consumer_group_heartbeat_response.h"
#include "wire/generated/heartbeat_request.h"
#include "wire/generated/heartbeat_response.h"
#include "wire/generated/join_group_request.h"
#include "wire/generated/join_group_response.h"
#include "wire/generated/sync_group_request.h"
#include "wire/generated/sync_group_response.h"

enum {
    PARTITIONS = 1000,
    MEMBERS_MAX = 1000,
    JOIN_VERSION = 5,
    SYNC_VERSION = 3,
    HEARTBEAT_VERSION = 3,
    REBALANCE_IN_PROGRESS = 27,
    MEMBER_ID_REQUIRED = 79,
    ID_SIZE = 96,
};

static const char topic[] = "shared";

static void check_code(const char *what, int16_t code)
{
    if (code == 0) return;
    bench_note("%s was answered with error %d", what, code);
    bench_fail(what, WEIR_IO, NULL);
}

/* Every partition once; what an assignment holds is `count` numbers. */
struct share {
    uint8_t owners[PARTITIONS];
    int count;
};

static void share_add(struct share *share, int32_t partition)
{
    if (partition < 0 || partition >= PARTITIONS || share->owners[partition]++ != 0) {
        bench_fail("a partition is assigned twice", WEIR_IO, NULL);
    }
    share->count++;
}

/* ---- classic: a connection each, for a join is answered when all have joined ---------------------- */

enum state { JOINING, SYNCING, SETTLED, ASKING };

struct member {
    struct bench_client client;
    enum state state;
    char id[ID_SIZE];
    int32_t generation;
    int32_t *partitions;
    int partition_count;
    int64_t asked;
};

struct classic {
    struct member *members;
    int count;
    const char *group;
    int64_t asked;
};

static void ask(struct classic *classic, struct member *member,
                const struct weir_message_type *type, int16_t version, const void *request)
{
    struct weir_buffer frame;
    weir_buffer_init(&frame, &member->client.budget, 0);
    bench_client_frame(&member->client, type, version, request, &frame);
    bench_client_send(&member->client, frame.data, frame.size);
    weir_buffer_close(&frame);
    classic->asked++;
}

static void ask_join(struct classic *classic, struct member *member)
{
    const struct weir_wire_join_group_request_join_group_request_protocol protocols[] = {
        {.name = weir_text("range"), .metadata = weir_text("")}};
    struct weir_wire_join_group_request request;
    weir_wire_join_group_request_init(&request);
    request.group_id = weir_text(classic->group);
    request.session_timeout_ms = 60000;
    request.rebalance_timeout_ms = 60000;
    request.member_id = weir_text(member->id);
    request.protocol_type = weir_text("consumer");
    request.protocols = protocols;
    request.protocols_count = 1;
    member->state = JOINING;
    ask(classic, member, &weir_wire_join_group_request_type, JOIN_VERSION, &request);
}

/* The leader's plan: partition p is the (p modulo members)-th member's. */
static void ask_sync(struct classic *classic, struct member *member,
                     const struct weir_wire_join_group_response *joined)
{
    static uint8_t plan[MEMBERS_MAX][4 * PARTITIONS];
    static struct weir_wire_sync_group_request_sync_group_request_assignment shares[MEMBERS_MAX];
    struct weir_wire_sync_group_request request;
    weir_wire_sync_group_request_init(&request);
    for (size_t i = 0; i < joined->members_count; i++) {
        size_t size = 0;
        for (size_t p = i; p < PARTITIONS; p += joined->members_count, size += 4)
            weir_store_u32(plan[i] + size, (uint32_t)p);
        shares[i].member_id = joined->members[i].member_id;
        shares[i].assignment = weir_slice(plan[i], size);
    }
    request.group_id = weir_text(classic->group);
    request.generation_id = member->generation;
    request.member_id = weir_text(member->id);
    request.assignments = shares;
    request.assignments_count = joined->members_count;
    member->state = SYNCING;
    ask(classic, member, &weir_wire_sync_group_request_type, SYNC_VERSION, &request);
}

static void ask_heartbeat(struct classic *classic, struct member *member)
{
    struct weir_wire_heartbeat_request request;
    weir_wire_heartbeat_request_init(&request);
    request.group_id = weir_text(classic->group);
    request.generation_id = member->generation;
    request.member_id = weir_text(member->id);
    member->state = ASKING;
    ask(classic, member, &weir_wire_heartbeat_request_type, HEARTBEAT_VERSION, &request);
}

static void decode(struct member *member, const struct weir_message_type *type, int16_t version,
                   void *answer_out)
{
    struct weir_slice frame = bench_client_receive(&member->client);
    weir_arena_reset(&member->client.arena);
    BENCH_TRY(weir_message_decode_whole(type, answer_out, version,
                                        weir_slice(frame.data + 4, frame.size - 4),
                                        &member->client.arena, NULL),
              NULL);
}

static void take_join(struct classic *classic, struct member *member)
{
    struct weir_wire_join_group_response answer;
    decode(member, &weir_wire_join_group_response_type, JOIN_VERSION, &answer);
    if (answer.error_code != MEMBER_ID_REQUIRED) check_code("JoinGroup", answer.error_code);
    if (answer.member_id.size >= ID_SIZE) bench_fail("a member id", WEIR_IO, NULL);
    memcpy(member->id, answer.member_id.data, answer.member_id.size);
    member->id[answer.member_id.size] = '\0';
    member->generation = answer.generation_id;
    if (answer.error_code == MEMBER_ID_REQUIRED) {
        ask_join(classic, member);
    } else {
        ask_sync(classic, member, &answer);
    }
}

static void take_sync(struct classic *classic, struct member *member)
{
    struct weir_wire_sync_group_response answer;
    decode(member, &weir_wire_sync_group_response_type, SYNC_VERSION, &answer);
    if (answer.error_code == REBALANCE_IN_PROGRESS) {
        ask_join(classic, member);
        return;
    }
    check_code("SyncGroup", answer.error_code);
    member->partition_count = (int)(answer.assignment.size / 4);
    for (int i = 0; i < member->partition_count; i++)
        member->partitions[i] = (int32_t)weir_load_u32(answer.assignment.data + 4 * (size_t)i);
    member->state = SETTLED;
}

static void take_heartbeat(struct classic *classic, struct member *member)
{
    struct weir_wire_heartbeat_response answer;
    decode(member, &weir_wire_heartbeat_response_type, HEARTBEAT_VERSION, &answer);
    if (answer.error_code == REBALANCE_IN_PROGRESS) {
        ask_join(classic, member);
        return;
    }
    check_code("Heartbeat", answer.error_code);
    member->state = SETTLED;
}

static void take(struct classic *classic, struct member *member)
{
    static void (*const takes[])(struct classic *, struct member *) = {
        [JOINING] = take_join, [SYNCING] = take_sync, [ASKING] = take_heartbeat};
    takes[member->state](classic, member);
}

static bool is_settled(const struct classic *classic)
{
    for (int i = 0; i < classic->count; i++) {
        const struct member *member = &classic->members[i];
        if (member->state != SETTLED || member->generation != classic->members[0].generation)
            return false;
    }
    return true;
}

static void check_classic(const struct classic *classic)
{
    struct share share = {0};
    for (int i = 0; i < classic->count; i++) {
        for (int k = 0; k < classic->members[i].partition_count; k++)
            share_add(&share, classic->members[i].partitions[k]);
    }
    if (share.count != PARTITIONS) bench_fail("not all partitions are assigned", WEIR_IO, NULL);
}

/* Where nobody is answered for a while, those that are settled ask whether it is still so. */
static void settle_classic(struct classic *classic)
{
    enum { QUIET_MS = 20 };
    struct pollfd *polls = calloc((size_t)classic->count, sizeof *polls);
    for (int i = 0; i < classic->count; i++) {
        polls[i] = (struct pollfd){.fd = classic->members[i].client.socket, .events = POLLIN};
        ask_join(classic, &classic->members[i]);
    }
    while (!is_settled(classic)) {
        int ready = poll(polls, (nfds_t)classic->count, QUIET_MS);
        for (int i = 0; i < classic->count; i++) {
            if (ready > 0 && polls[i].revents != 0) take(classic, &classic->members[i]);
            if (ready == 0 && classic->members[i].state == SETTLED)
                ask_heartbeat(classic, &classic->members[i]);
        }
    }
    free(polls);
    check_classic(classic);
}

static void row(struct bench_subject *subject, const char *format, int members, double value,
                const char *unit, double floor)
{
    char name[BENCH_FIGURE_NAME_SIZE];
    (void)snprintf(name, sizeof name, format, members, members == 1 ? "" : "s");
    bench_subject_row(subject, &(struct bench_row){name, value, unit, 0, true, floor});
}

/* One byte there and back: what a question and its answer cost at the least. */
static void serve_ping(int from)
{
    uint8_t bytes[256];
    ssize_t got;
    while ((got = recv(from, bytes, sizeof bytes, 0)) > 0) {
        if (send(from, bytes, (size_t)got, MSG_NOSIGNAL) < 0) return;
    }
}

/* Seconds of wall and of the server's CPU for each. */
struct cost {
    double wall, cpu;
};

static struct cost ping_cost(int64_t count)
{
    uint8_t bytes[64] = {0, 0, 0, 60};
    struct bench_server server;
    struct bench_client client;
    bench_floor_start(&server, serve_ping);
    bench_client_open(&client, &server);
    double cpu = bench_server_cpu(&server), wall = bench_wall();
    for (int64_t i = 0; i < count; i++) {
        bench_client_send(&client, bytes, sizeof bytes);
        (void)bench_client_receive(&client);
    }
    struct cost cost = {(bench_wall() - wall) / (double)count,
                        (bench_server_cpu(&server) - cpu) / (double)count};
    bench_client_close(&client);
    bench_server_stop(&server, SIGKILL);
    return cost;
}

static void beat_classic(struct classic *classic, int64_t rounds)
{
    for (int64_t round = 0; round < rounds; round++) {
        for (int i = 0; i < classic->count; i++) {
            ask_heartbeat(classic, &classic->members[i]);
            take_heartbeat(classic, &classic->members[i]);
            if (classic->members[i].state != SETTLED) bench_fail("a rebalance", WEIR_IO, NULL);
        }
    }
}

/* What is compiled while it runs is warm first. */
static void heartbeat_classic(struct bench_subject *subject, struct classic *classic)
{
    int64_t rounds = bench_scaled(50);
    if (subject->is_kafka) beat_classic(classic, 2 * rounds);
    double cpu = bench_server_cpu(&subject->server);
    beat_classic(classic, rounds);
    cpu = (bench_server_cpu(&subject->server) - cpu) / (double)(rounds * classic->count);
    row(subject, "classic, %d member%s: a heartbeat", classic->count, cpu * 1e6, "CPU us",
        ping_cost(bench_scaled(50000)).cpu * 1e6);
    row(subject, "  all, one each 3 s", classic->count, cpu * classic->count / 3 * 100,
        "% of a core", 0);
}

static void run_classic(struct bench_subject *subject, int count)
{
    char group[32];
    (void)snprintf(group, sizeof group, "classic-%d", count);
    struct classic classic = {
        .members = calloc((size_t)count, sizeof *classic.members), .count = count, .group = group};
    for (int i = 0; i < count; i++) {
        bench_client_open(&classic.members[i].client, &subject->server);
        classic.members[i].partitions = calloc(PARTITIONS, sizeof(int32_t));
    }
    double from = bench_wall();
    settle_classic(&classic);
    double wall = bench_wall() - from;
    row(subject, "classic, %d member%s: settled", count, wall * 1e3, "ms", 0);
    row(subject, "  questions per member", count, (double)classic.asked / count, "", 3);
    if (count == MEMBERS_MAX || bench_is_small()) heartbeat_classic(subject, &classic);
    for (int i = 0; i < count; i++) {
        bench_client_close(&classic.members[i].client);
        free(classic.members[i].partitions);
    }
    free(classic.members);
}

/* ---- the consumer protocol: nobody is kept waiting, so one connection does --------------------- */

struct modern_member {
    char id[ID_SIZE];
    int32_t epoch;
    int32_t *partitions;
    int partition_count;
};

struct modern {
    struct bench_client *client;
    struct modern_member *members;
    int count;
    const char *group;
    struct weir_uuid topic_id;
    int64_t asked;
};

/* Whole or short: a whole one says what the member wants and has, and is always answered with its
 * assignment. */
static void fill_beat(const struct modern *modern, const struct modern_member *member,
                      bool is_short, struct weir_wire_consumer_group_heartbeat_request *request)
{
    weir_wire_consumer_group_heartbeat_request_init(request);
    request->group_id = weir_text(modern->group);
    request->member_id = weir_text(member->id);
    request->member_epoch = member->epoch;
    request->rebalance_timeout_ms = is_short ? -1 : 60000;
}

/* Returns whether it is another assignment than the member had. */
static bool take_share(struct modern *modern, struct modern_member *member,
                       const struct weir_wire_consumer_group_heartbeat_response_assignment *given)
{
    bool is_new = false;
    int count = 0;
    for (size_t i = 0; i < given->topic_partitions_count; i++) {
        const struct weir_wire_consumer_group_heartbeat_response_topic_partitions *of =
            &given->topic_partitions[i];
        modern->topic_id = of->topic_id;
        for (size_t k = 0; k < of->partitions_count && count < PARTITIONS; k++, count++) {
            is_new = is_new || member->partitions[count] != of->partitions[k];
            member->partitions[count] = of->partitions[k];
        }
    }
    is_new = is_new || count != member->partition_count;
    member->partition_count = count;
    return is_new;
}

/* Returns whether the member was told anything new. */
static bool beat(struct modern *modern, struct modern_member *member, bool is_short)
{
    const struct weir_slice names[] = {weir_text(topic)};
    const struct weir_wire_consumer_group_heartbeat_request_topic_partitions owned[] = {
        {.topic_id = modern->topic_id,
         .partitions = member->partitions,
         .partitions_count = (size_t)member->partition_count}};
    struct weir_wire_consumer_group_heartbeat_request request;
    struct weir_wire_consumer_group_heartbeat_response answer;
    fill_beat(modern, member, is_short, &request);
    request.subscribed_topic_names = is_short ? NULL : names;
    request.subscribed_topic_names_count = is_short ? 0 : 1;
    request.topic_partitions = is_short ? NULL : owned;
    request.topic_partitions_count = is_short || member->partition_count == 0 ? 0 : 1;
    bench_client_call(modern->client, &weir_wire_consumer_group_heartbeat_request_type,
                      &weir_wire_consumer_group_heartbeat_response_type, 1, &request, &answer);
    check_code("ConsumerGroupHeartbeat", answer.error_code);
    modern->asked++;
    bool is_new = answer.member_epoch != member->epoch;
    member->epoch = answer.member_epoch;
    if (answer.assignment == NULL) return is_new;
    return take_share(modern, member, answer.assignment) || is_new;
}

static bool is_complete(const struct modern *modern)
{
    int count = 0;
    for (int i = 0; i < modern->count; i++)
        count += modern->members[i].partition_count;
    return count == PARTITIONS;
}

static void check_modern(const struct modern *modern)
{
    struct share share = {0};
    for (int i = 0; i < modern->count; i++) {
        if (modern->members[i].epoch != modern->members[0].epoch)
            bench_fail("members of two epochs", WEIR_IO, NULL);
        for (int k = 0; k < modern->members[i].partition_count; k++)
            share_add(&share, modern->members[i].partitions[k]);
    }
    if (share.count != PARTITIONS) bench_fail("not all partitions are assigned", WEIR_IO, NULL);
}

/* Round after round, until one brings nothing new; a server may compute targets behind its answers. */
static void settle_modern(struct modern *modern)
{
    enum { ROUNDS_MAX = 10000 };
    bool is_new = true;
    for (int round = 0; round < ROUNDS_MAX && (is_new || !is_complete(modern)); round++) {
        is_new = false;
        for (int i = 0; i < modern->count; i++)
            is_new = beat(modern, &modern->members[i], false) || is_new;
    }
    check_modern(modern);
}

static void beat_modern(struct modern *modern, int64_t rounds)
{
    for (int64_t round = 0; round < rounds; round++) {
        for (int i = 0; i < modern->count; i++) {
            if (beat(modern, &modern->members[i], true))
                bench_fail("news in a settled group", WEIR_IO, NULL);
        }
    }
}

static void heartbeat_modern(struct bench_subject *subject, struct modern *modern)
{
    int64_t rounds = bench_scaled(50);
    if (subject->is_kafka) beat_modern(modern, 2 * rounds);
    double cpu = bench_server_cpu(&subject->server);
    beat_modern(modern, rounds);
    cpu = (bench_server_cpu(&subject->server) - cpu) / (double)(rounds * modern->count);
    row(subject, "consumer protocol, %d member%s: a heartbeat", modern->count, cpu * 1e6, "CPU us",
        ping_cost(bench_scaled(50000)).cpu * 1e6);
    row(subject, "  all, one each 5 s", modern->count, cpu * modern->count / 5 * 100, "% of a core",
        0);
}

static void run_modern(struct bench_subject *subject, struct bench_client *client, int count)
{
    char group[32];
    (void)snprintf(group, sizeof group, "consumer-%d", count);
    struct modern modern = {.client = client,
                            .members = calloc((size_t)count, sizeof *modern.members),
                            .count = count,
                            .group = group};
    for (int i = 0; i < count; i++) {
        (void)snprintf(modern.members[i].id, ID_SIZE, "%s-%d", group, i);
        modern.members[i].partitions = calloc(PARTITIONS, sizeof(int32_t));
    }
    double resident = bench_subject_memory(subject);
    double from = bench_wall();
    settle_modern(&modern);
    double wall = bench_wall() - from;
    resident = bench_subject_memory(subject) - resident;
    row(subject, "consumer protocol, %d member%s: settled", count, wall * 1e3, "ms", 0);
    row(subject, "  questions per member", count, (double)modern.asked / count, "", 2);
    if (count == MEMBERS_MAX || bench_is_small()) {
        row(subject, "  memory, a member more", count, resident / count / 1e3, "KB", 0);
        heartbeat_modern(subject, &modern);
    }
    for (int i = 0; i < count; i++)
        free(modern.members[i].partitions);
    free(modern.members);
}

/* Each size of a group at one after the other. */
static void measure(struct bench_subject *const *subjects, size_t count)
{
    static const int counts[] = {1, 100, MEMBERS_MAX};
    struct bench_client clients[2];
    for (size_t k = 0; k < count; k++) {
        bench_subject_topic(subjects[k], topic, PARTITIONS);
        bench_client_open(&clients[k], &subjects[k]->server);
    }
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        if (bench_is_small() && counts[i] > 100) continue;
        /* The consumer protocol first: what it takes is not what others have left. */
        for (size_t k = 0; k < count; k++)
            run_modern(subjects[k], &clients[k], counts[i]);
        for (size_t k = 0; k < count; k++)
            run_classic(subjects[k], counts[i]);
    }
    for (size_t k = 0; k < count; k++)
        bench_client_close(&clients[k]);
}

static void note_trip(void)
{
    double trip = ping_cost(bench_scaled(20000)).wall * 1e3;
    bench_note("a ping-pong over the same socket takes %.3f ms", trip);
}

void bench_groups(void)
{
    static const char *const arguments[] = {"--set", "group.consumer.assignment.interval.ms=0",
                                            NULL};
    struct bench_subject subject = {0};
    bench_pin(1);
    bench_subject_start(&subject, arguments);
    note_trip();
    measure((struct bench_subject *[]){&subject}, 1);
    bench_note("classic groups wait for group.initial.rebalance.delay.ms when they begin");
    bench_subject_stop(&subject);
}

/* Neither server waits for members that may come. */
void bench_peers_groups(void)
{
    static const char *const arguments[] = {"--set", "group.consumer.assignment.interval.ms=0",
                                            "--set", "group.initial.rebalance.delay.ms=0", NULL};
    static struct bench_subject kafka, ours;
    bench_pin(1);
    bench_subject_kafka(&kafka);
    bench_subject_start(&ours, arguments);
    ours.beside = &kafka;
    note_trip();
    measure((struct bench_subject *[]){&kafka, &ours}, 2);
    bench_subject_stop(&ours);
}
