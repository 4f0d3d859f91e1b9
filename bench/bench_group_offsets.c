/* Committed offsets through real sockets: how many a second are durable, and what 10,000 groups that have
 * nothing but them cost in memory and at a start. Each answer is looked at, and at the end what is told must
 * be what was committed. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench_serve.h"
#include "bench/bench_subject.h"
#include "wire/generated/offset_commit_request.h"
#include "wire/generated/offset_commit_response.h"
#include "wire/generated/offset_fetch_request.h"
#include "wire/generated/offset_fetch_response.h"

enum { ROUNDS = 10, LANES = 64, COMMIT_VERSION = 7, FETCH_VERSION = 5, SYNCS = 500 };

static const char topic[] = "committed";

enum { NOT_YET = -100 }; /* the coordinator is not there yet */

static void
commit_request(struct weir_wire_offset_commit_request *request, const char *group,
               struct weir_wire_offset_commit_request_offset_commit_request_topic *of,
               struct weir_wire_offset_commit_request_offset_commit_request_partition *at)
{
    weir_wire_offset_commit_request_init(request);
    at->committed_leader_epoch = -1;
    at->committed_metadata = weir_text("");
    *of = (struct weir_wire_offset_commit_request_offset_commit_request_topic){
        .name = weir_text(topic), .partitions = at, .partitions_count = 1};
    request->group_id = weir_text(group);
    request->generation_id_or_member_epoch = -1;
    request->member_id = weir_text("");
    request->topics = of;
    request->topics_count = 1;
}

static void send_commit(struct bench_client *client, const char *group, int64_t offset)
{
    struct weir_wire_offset_commit_request_offset_commit_request_partition at = {.committed_offset =
                                                                                     offset};
    struct weir_wire_offset_commit_request_offset_commit_request_topic of;
    struct weir_wire_offset_commit_request request;
    struct weir_buffer frame;
    commit_request(&request, group, &of, &at);
    weir_buffer_init(&frame, &client->budget, 0);
    bench_client_frame(client, &weir_wire_offset_commit_request_type, COMMIT_VERSION, &request,
                       &frame);
    bench_client_send(client, frame.data, frame.size);
    weir_buffer_close(&frame);
}

static void receive_commit(struct bench_client *client)
{
    struct weir_wire_offset_commit_response answer;
    struct weir_slice frame = bench_client_receive(client);
    weir_arena_reset(&client->arena);
    BENCH_TRY(weir_message_decode_whole(&weir_wire_offset_commit_response_type, &answer,
                                        COMMIT_VERSION, weir_slice(frame.data + 4, frame.size - 4),
                                        &client->arena, NULL),
              NULL);
    if (answer.topics[0].partitions[0].error_code != 0) {
        bench_note("a commit was answered with error %d",
                   answer.topics[0].partitions[0].error_code);
        bench_fail("OffsetCommit", WEIR_IO, NULL);
    }
}

static int64_t ask_committed(struct bench_client *client, const char *group)
{
    const int32_t partitions[] = {0};
    const struct weir_wire_offset_fetch_request_offset_fetch_request_topic topics[] = {
        {.name = weir_text(topic), .partition_indexes = partitions, .partition_indexes_count = 1}};
    struct weir_wire_offset_fetch_request request;
    struct weir_wire_offset_fetch_response answer;
    weir_wire_offset_fetch_request_init(&request);
    request.group_id = weir_text(group);
    request.topics = topics;
    request.topics_count = 1;
    bench_client_call(client, &weir_wire_offset_fetch_request_type,
                      &weir_wire_offset_fetch_response_type, FETCH_VERSION, &request, &answer);
    if (answer.error_code != 0 || answer.topics[0].partitions[0].error_code != 0) return NOT_YET;
    return answer.topics[0].partitions[0].committed_offset;
}

/* ---- commits a second ------------------------------------------------------------------------------ */

struct commits {
    struct bench_subject *subject;
    struct bench_client lanes[LANES];
    char groups[LANES][32];
    int64_t next[LANES]; /* that is committed next */
    double sent[LANES];
    double *latencies;
    /* of the rounds with as many lanes so far */
    int64_t done;
    double seconds, cpu;
};

/* `lanes` groups commit, each again as soon as it is answered. */
static void commit_all(struct commits *commits, int lanes, int64_t count)
{
    struct pollfd polls[LANES];
    int64_t sent = 0, done = 0;
    double cpu = bench_server_cpu(&commits->subject->server), from = bench_wall();
    for (int i = 0; i < lanes; i++) {
        polls[i] = (struct pollfd){.fd = commits->lanes[i].socket, .events = POLLIN};
        commits->sent[i] = bench_wall();
        send_commit(&commits->lanes[i], commits->groups[i], ++commits->next[i]);
        sent++;
    }
    while (done < sent) {
        if (poll(polls, (nfds_t)lanes, 10000) <= 0) bench_fail("no answer", WEIR_IO, NULL);
        for (int i = 0; i < lanes; i++) {
            if (polls[i].revents == 0) continue;
            receive_commit(&commits->lanes[i]);
            commits->latencies[commits->done + done++] = bench_wall() - commits->sent[i];
            if (sent >= count) continue;
            commits->sent[i] = bench_wall();
            send_commit(&commits->lanes[i], commits->groups[i], ++commits->next[i]);
            sent++;
        }
    }
    commits->seconds += bench_wall() - from;
    commits->cpu += bench_server_cpu(&commits->subject->server) - cpu;
    commits->done += done;
}

static void begin_lanes(struct commits *commits)
{
    commits->done = 0;
    commits->seconds = commits->cpu = 0;
}

/* What is compiled while it runs is warm first. */
static struct commits *open_commits(struct bench_subject *subject, int64_t most)
{
    struct commits *commits = calloc(1, sizeof *commits);
    commits->subject = subject;
    /* A round has as many as there are lanes at the least. */
    commits->latencies = calloc((size_t)most + ROUNDS * LANES, sizeof(double));
    for (int i = 0; i < LANES; i++) {
        bench_client_open(&commits->lanes[i], &subject->server);
        (void)snprintf(commits->groups[i], sizeof commits->groups[i], "commits-%d", i);
    }
    commit_all(commits, LANES, subject->is_kafka ? most : LANES);
    return commits;
}

static void close_commits(struct commits *commits)
{
    for (int i = 0; i < LANES; i++) {
        if (ask_committed(&commits->lanes[i], commits->groups[i]) != commits->next[i])
            bench_fail("what is told is not what was committed", WEIR_IO, NULL);
        bench_client_close(&commits->lanes[i]);
    }
    free(commits->latencies);
    free(commits);
}

static void show_commits(const struct commits *commits, int lanes, double floor_p99)
{
    char name[BENCH_FIGURE_NAME_SIZE];
    double each = (double)commits->done;
    (void)snprintf(name, sizeof name, "durable commits, %d group%s at once", lanes,
                   lanes == 1 ? "" : "s");
    bench_subject_row(commits->subject,
                      &(struct bench_row){name, each / commits->seconds, "a second", 0, false, 0});
    double p99 = bench_quantile_us(commits->latencies, (size_t)commits->done, 0.99) / 1e3;
    bench_subject_row(commits->subject,
                      &(struct bench_row){"  p99", p99, "ms", 0, true, floor_p99});
    bench_subject_row(commits->subject, &(struct bench_row){"  CPU", commits->cpu / each * 1e6,
                                                            "us each", 0, true, 0});
}

/* In turns: a disk that others use is not the same a second later. */
static void measure_commits(struct bench_subject *const *subjects, size_t subject_count)
{
    static const int lanes[] = {1, 8, LANES};
    static double syncs[SYNCS];
    struct commits *commits[2];
    int64_t most = bench_scaled(20000) < LANES ? LANES : bench_scaled(20000);
    for (size_t k = 0; k < subject_count; k++)
        commits[k] = open_commits(subjects[k], most);
    bench_sync_floor(256, 5000, syncs, SYNCS);
    double floor_p99 = bench_quantile_us(syncs, SYNCS, 0.99) / 1e3;
    for (size_t i = 0; i < sizeof lanes / sizeof lanes[0]; i++) {
        int64_t some = lanes[i] == 1 && !bench_is_small() ? most / 10 : most;
        for (size_t k = 0; k < subject_count; k++)
            begin_lanes(commits[k]);
        for (int round = 0; round < ROUNDS; round++) {
            for (size_t k = 0; k < subject_count; k++)
                commit_all(commits[k], lanes[i], some / ROUNDS);
        }
        for (size_t k = 0; k < subject_count; k++)
            show_commits(commits[k], lanes[i], floor_p99);
    }
    bench_note("the floor of p99: 256 bytes written and synced, one at a time");
    for (size_t k = 0; k < subject_count; k++)
        close_commits(commits[k]);
}

/* ---- many groups ----------------------------------------------------------------------------------- */

static void group_name(int64_t number, char name_out[32])
{
    (void)snprintf(name_out, 32, "many-%lld", (long long)number);
}

/* A window of questions, for a commit waits for the disk. */
static void make_groups(const struct bench_server *server, int64_t count)
{
    static struct bench_client lanes[LANES];
    char name[32];
    for (int i = 0; i < LANES; i++)
        bench_client_open(&lanes[i], server);
    for (int64_t at = 0; at < count; at += LANES) {
        int64_t some = count - at < LANES ? count - at : LANES;
        for (int64_t i = 0; i < some; i++) {
            group_name(at + i, name);
            send_commit(&lanes[i], name, at + i);
        }
        for (int64_t i = 0; i < some; i++)
            receive_commit(&lanes[i]);
    }
    for (int i = 0; i < LANES; i++)
        bench_client_close(&lanes[i]);
}

/* A server that has just started may still be reading, and says so. */
static void expect_committed(struct bench_client *client, int64_t number)
{
    enum { WAIT_MAX_S = 120 };
    char name[32];
    int64_t offset;
    double from = bench_wall();
    group_name(number, name);
    while ((offset = ask_committed(client, name)) == NOT_YET) {
        if (bench_wall() - from > WAIT_MAX_S) bench_fail("an answer", WEIR_IO, NULL);
        (void)usleep(2000);
    }
    if (offset != number) bench_fail("a group is not as it was", WEIR_IO, NULL);
}

static void check_groups(const struct bench_server *server, int64_t count)
{
    struct bench_client client;
    bench_client_open(&client, server);
    for (int64_t i = 0; i < count; i++)
        expect_committed(&client, i);
    bench_client_close(&client);
}

/* Seconds until the first answer about a group. */
static double first_answer(const struct bench_server *server)
{
    struct bench_client client;
    double from = bench_wall();
    bench_client_open(&client, server);
    expect_committed(&client, 0);
    bench_client_close(&client);
    return bench_wall() - from;
}

static void measure_groups(struct bench_subject *subject)
{
    int64_t groups = bench_scaled(10000);
    double empty = subject->server.start_seconds;
    double memory = bench_subject_memory(subject);
    make_groups(&subject->server, groups);
    memory = (bench_subject_memory(subject) - memory) / (double)groups;
    bench_subject_row(subject,
                      &(struct bench_row){"memory, a group that has a committed offset more",
                                          memory / 1e3, "KB", 0, true, 0});
    bench_subject_restart(subject);
    bench_subject_row(subject, &(struct bench_row){"start with 10,000 groups, after kill -9",
                                                   subject->server.start_seconds * 1e3, "ms", 0,
                                                   true, empty * 1e3});
    bench_subject_row(subject,
                      &(struct bench_row){"  and its first answer about one",
                                          first_answer(&subject->server) * 1e3, "ms", 0, true, 0});
    check_groups(&subject->server, groups);
}

static void measure(struct bench_subject *const *subjects, size_t count)
{
    for (size_t k = 0; k < count; k++)
        bench_subject_topic(subjects[k], topic, 1);
    measure_commits(subjects, count);
    for (size_t k = 0; k < count; k++)
        measure_groups(subjects[k]);
}

void bench_group_offsets(void)
{
    struct bench_subject subject = {0};
    bench_pin(1);
    bench_subject_start(&subject, NULL);
    measure((struct bench_subject *[]){&subject}, 1);
    bench_note("the floor of a start: the same server on an empty directory");
    bench_subject_stop(&subject);
}

void bench_peers_group_offsets(void)
{
    static struct bench_subject kafka, ours;
    bench_pin(1);
    bench_subject_kafka(&kafka);
    bench_subject_start(&ours, NULL);
    ours.beside = &kafka;
    measure((struct bench_subject *[]){&kafka, &ours}, 2);
    bench_subject_stop(&ours);
}
