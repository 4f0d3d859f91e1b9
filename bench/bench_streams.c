/* ./dev bench --peers: jobs of ours beside the same jobs in Kafka Streams on Apache Kafka.
 *
 * Both read the same records: the embedded log is filled, opens its port, and bench/peers/Peer.java copies its
 * topics into Kafka. Then they take turns: Weir, Kafka Streams at its own defaults (commits every 30 s) and
 * Kafka Streams with commits every 100 ms, as Weir has them. Both have RocksDB, one stream thread and a cache
 * of 10 MiB, which are both systems' defaults.
 *
 * What is measured is CPU per record of the input, of all threads of the process that runs the job, until
 * all is read and the job is closed. Weir's has the log in it and counts from the job's start. Kafka Streams'
 * counts from when the job runs, in a JVM that has processed five million records of the same job before, or a minute of CPU long;
 * its broker's CPU is told apart, for it is what a user pays as well.
 *
 * After each run of either the changelog, and the output where there is one, is held against the batch
 * answer: Kafka's are copied back into the log for it. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/bench_answer.h"
#include "bench/bench_count.h"
#include "bench/bench_fraud.h"
#include "bench/bench_job.h"
#include "bench/bench_jobs.h"
#include "bench/bench_peer.h"
#include "bench/bench_window.h"

enum { ROUNDS = 3, WARM_RECORDS = 5000000, WARM_SECONDS = 60, NAME_SIZE = 64 };

/* ---- a job that both run ------------------------------------------------------------------------ */

/* What is there before the first run. */
struct stage {
    struct weir_log *log;
    struct bench_input input;
    struct bench_answer answer;
    uint32_t *categories;
    double floor; /* millions of records per second */
    /* By Kafka Streams, as it counts: also a table's rows, also what is repartitioned. */
    int64_t processed_count;
    const char *topics[3]; /* its inputs, NULL behind them */
};

struct pair {
    const char *job; /* as Jobs.java calls it */
    int64_t keys, count;
    void (*fill)(struct stage *stage, const struct pair *pair);
    struct weir_topology *(*topology)(const char *output);
    void (*check)(const struct stage *stage, const char *application, const char *output);
    /* The topics of an application that are checked, by suffix, NULL behind them. */
    const char *leavings[5];
    const char *output; /* where the job itself names it; NULL: `application`-output */
};

static void fill_stateless(struct stage *stage, const struct pair *pair)
{
    stage->input = bench_stateless_input();
    stage->input.count = bench_scaled(pair->count);
    stage->floor = bench_stateless_floor(&stage->input);
    bench_fill(stage->log, &stage->input);
    stage->processed_count = stage->input.count;
}

static void check_stateless(const struct stage *stage, const char *application, const char *output)
{
    (void)application;
    bench_stateless_check(&stage->input, stage->log, output);
}

static void fill_counts(struct stage *stage, const struct pair *pair)
{
    stage->input = bench_count_input(pair->keys, pair->count);
    stage->answer = bench_answer_empty(&stage->input, 0, NULL, 0);
    stage->floor = bench_answer_compute(&stage->answer, &stage->input);
    bench_fill(stage->log, &stage->input);
    stage->processed_count = stage->input.count;
}

static struct weir_topology *count_topology(const char *output)
{
    (void)output;
    return bench_count_topology("uniform", WEIR_STORE_ROCKSDB);
}

static void check_counts(const struct stage *stage, const char *application, const char *output)
{
    char changelog[NAME_SIZE + 32];
    (void)output;
    (void)snprintf(changelog, sizeof changelog, "%s-counts-changelog", application);
    bench_answer_check(&stage->answer, stage->log, changelog, false);
}

static void fill_windows(struct stage *stage, const struct pair *pair)
{
    stage->input = bench_sales(pair->count, pair->keys);
    stage->answer = bench_answer_empty(&stage->input, bench_window_ms(), NULL, 0);
    stage->floor = bench_answer_compute(&stage->answer, &stage->input);
    bench_fill(stage->log, &stage->input);
    stage->processed_count = stage->input.count;
}

static struct weir_topology *window_topology(const char *output)
{
    (void)output;
    return bench_window_topology(WEIR_STORE_ROCKSDB);
}

static void fill_revenue(struct stage *stage, const struct pair *pair)
{
    stage->input = bench_sales(pair->count, pair->keys);
    stage->categories = bench_categories(stage->input.keys);
    stage->answer = bench_revenue_answer(&stage->input, stage->categories);
    stage->floor = bench_answer_compute(&stage->answer, &stage->input);
    bench_fill_products(stage->log, stage->categories, stage->input.keys);
    bench_fill(stage->log, &stage->input);
    stage->topics[1] = "products";
    stage->processed_count = 2 * stage->input.count + (int64_t)stage->input.keys;
}

static struct weir_topology *revenue_topology(const char *output)
{
    return bench_revenue_topology(WEIR_STORE_ROCKSDB, output);
}

static void check_revenue(const struct stage *stage, const char *application, const char *output)
{
    bench_revenue_check(&stage->answer, stage->log, application, output);
}

/* Payments are twice in it, once by card and once by merchant. */
static void fill_fraud(struct stage *stage, const struct pair *pair)
{
    stage->input = (struct bench_input){.topic = "payments", .count = bench_scaled(pair->count)};
    stage->floor = bench_fraud_floor(stage->input.count);
    bench_fraud_fill(stage->log, stage->input.count);
    stage->topics[1] = "blocked-merchants";
    stage->processed_count = 2 * stage->input.count;
}

static struct weir_topology *fraud_topology(const char *output)
{
    (void)output;
    return bench_fraud_topology();
}

/* The next run has to make all alerts itself. */
static void check_fraud(const struct stage *stage, const char *application, const char *output)
{
    struct weir_error error;
    bench_fraud_check(stage->log, application, stage->input.count);
    BENCH_TRY(weir_topic_delete(stage->log, output, &error), &error);
}

/* ---- Kafka Streams ------------------------------------------------------------------------------ */

struct streams {
    pid_t pid;
    FILE *commands, *answers;
    struct bench_server broker; /* only its pid */
};

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    if (value != NULL) return value;
    fprintf(stderr, "bench: not run: %s is not set; ./dev bench --peers starts what is needed\n",
            name);
    _exit(1);
}

/* Its stdin and stdout are ours. */
static void start_streams(struct streams *streams, const char *weir)
{
    char state[300];
    int commands[2], answers[2];
    const char *const arguments[] = {"java",
                                     "-Xmx1g",
                                     "-Dorg.slf4j.simpleLogger.defaultLogLevel=off",
                                     "-cp",
                                     setting("BENCH_PEERS_CLASSES"),
                                     "Peer",
                                     setting("BENCH_KAFKA"),
                                     weir,
                                     state,
                                     NULL};
    (void)snprintf(state, sizeof state, "%s/kafka-streams", bench_directory());
    streams->broker.pid = atoi(setting("BENCH_KAFKA_PID"));
    if (pipe(commands) != 0 || pipe(answers) != 0) bench_fail("pipe", WEIR_IO, NULL);
    streams->pid = bench_fork();
    if (streams->pid == 0) {
        (void)dup2(commands[0], STDIN_FILENO);
        (void)dup2(answers[1], STDOUT_FILENO);
        (void)close(commands[1]);
        (void)close(answers[0]);
        (void)execvp(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    (void)close(commands[0]);
    (void)close(answers[1]);
    streams->commands = fdopen(commands[1], "w");
    streams->answers = fdopen(answers[0], "r");
}

static void stop_streams(struct streams *streams)
{
    (void)fclose(streams->commands); /* it ends with its commands */
    (void)waitpid(streams->pid, NULL, 0);
    (void)fclose(streams->answers);
}

__attribute__((__format__(__printf__, 4, 5))) static void ask(struct streams *streams, char *answer,
                                                              size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vfprintf(streams->commands, format, arguments);
    va_end(arguments);
    (void)fputc('\n', streams->commands);
    (void)fflush(streams->commands);
    if (fgets(answer, (int)size, streams->answers) == NULL) {
        bench_fail("Kafka Streams ended", WEIR_IO, NULL);
    }
    if (strncmp(answer, "ok", 2) == 0) return;
    fprintf(stderr, "bench: %s", answer);
    bench_fail("Kafka Streams", WEIR_IO, NULL);
}

/* ---- a run of either ---------------------------------------------------------------------------- */

/* Nanoseconds of CPU per record. */
struct cost {
    double job;
    double broker;
};

static void name_output(char *to, size_t size, const struct pair *pair, const char *application)
{
    (void)snprintf(to, size, "%s%s", pair->output != NULL ? pair->output : application,
                   pair->output != NULL ? "" : "-output");
}

/* Into the log, under the name that its check looks for. */
static void take_out(struct streams *streams, const char *application, const char *leaving,
                     const char *output)
{
    char topic[NAME_SIZE + 64], answer[1024];
    (void)snprintf(topic, sizeof topic, "%s-%s", application, leaving);
    ask(streams, answer, sizeof answer, "out %s %s", topic,
        strcmp(leaving, "output") == 0 ? output : topic);
}

static struct cost run_weir(const struct stage *stage, const struct pair *pair, int round)
{
    char application[NAME_SIZE], output[NAME_SIZE + 8];
    (void)snprintf(application, sizeof application, "weir-%d", round);
    name_output(output, sizeof output, pair, application);
    struct weir_topology *topology = pair->topology(output);
    double cpu = bench_process_cpu();
    (void)bench_run_job(stage->log, topology,
                        &(struct bench_job){.name = "Weir",
                                            .application = application,
                                            .count = stage->input.count,
                                            .is_quiet = true});
    cpu = bench_process_cpu() - cpu;
    weir_topology_free(topology);
    pair->check(stage, application, output);
    return (struct cost){cpu / (double)stage->input.count * 1e9, 0};
}

/* `commit_ms` 0: its default. */
static struct cost run_streams(const struct stage *stage, const struct pair *pair,
                               struct streams *streams, int commit_ms, int round)
{
    char application[NAME_SIZE], output[NAME_SIZE + 8], answer[1024];
    double cpu = 0, wall = 0;
    (void)snprintf(application, sizeof application, "streams-%d-%d", commit_ms, round);
    name_output(output, sizeof output, pair, application);
    double broker = bench_server_cpu(&streams->broker);
    ask(streams, answer, sizeof answer, "run %s %s %d %lld %s %lld", pair->job, application,
        commit_ms, (long long)bench_window_ms(), stage->input.topic,
        (long long)stage->processed_count);
    broker = bench_server_cpu(&streams->broker) - broker;
    if (sscanf(answer, "ok %lf %lf", &cpu, &wall) != 2) bench_fail(answer, WEIR_CORRUPT, NULL);
    for (size_t i = 0; pair->leavings[i] != NULL; i++)
        take_out(streams, application, pair->leavings[i], output);
    pair->check(stage, application, output);
    ask(streams, answer, sizeof answer, "forget %s", application);
    const double count = (double)stage->input.count;
    return (struct cost){cpu / count * 1e9, broker / count * 1e9};
}

/* ---- what came of it ----------------------------------------------------------------------------- */

static int compare_doubles(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return values[count / 2];
}

static void tell_weir(const struct stage *stage, const struct cost *costs, int rounds)
{
    double ns[ROUNDS];
    char remark[80];
    for (int i = 0; i < rounds; i++)
        ns[i] = costs[i].job;
    const double value = median(ns, rounds);
    (void)snprintf(remark, sizeof remark, "commits every 100 ms; %.0f to %.0f in %d rounds", ns[0],
                   ns[rounds - 1], rounds);
    bench_row_with(&(struct bench_row){.name = "Weir, its log within",
                                       .value = value,
                                       .unit = "ns/rec",
                                       .less_is_better = true,
                                       .floor = 1000 / stage->floor},
                   -1, remark);
}

/* Ratios are of each round's two runs, and their median is told. */
static void tell_streams(const struct stage *stage, const char *name, const struct cost *costs,
                         const struct cost *weir, int rounds)
{
    double ns[ROUNDS], brokers[ROUNDS], times[ROUNDS], all_times[ROUNDS];
    char remark[200];
    for (int i = 0; i < rounds; i++) {
        ns[i] = costs[i].job;
        brokers[i] = costs[i].broker;
        times[i] = costs[i].job / weir[i].job;
        all_times[i] = (costs[i].job + costs[i].broker) / weir[i].job;
    }
    const double ratio = median(times, rounds), all_ratio = median(all_times, rounds);
    (void)snprintf(remark, sizeof remark,
                   "%.1f times Weir's (%.1f to %.1f); its broker takes %.0f ns more: %.1f times",
                   ratio, times[0], times[rounds - 1], median(brokers, rounds), all_ratio);
    bench_row_with(&(struct bench_row){.name = name,
                                       .value = median(ns, rounds),
                                       .unit = "ns/rec",
                                       .less_is_better = true,
                                       .floor = 1000 / stage->floor},
                   -1, remark);
    bench_note("%s", remark);
}

/* Until its compiler has had five million records to learn from, or a minute of CPU. */
static void warm_up(const struct stage *stage, const struct pair *pair, struct streams *streams)
{
    const int64_t wanted = bench_scaled(WARM_RECORDS);
    const double seconds_wanted = (double)bench_scaled(WARM_SECONDS);
    int64_t done = 0;
    double seconds = 0;
    for (int round = 1000; done < wanted && seconds < seconds_wanted; round++) {
        const struct cost cost = run_streams(stage, pair, streams, 0, round);
        done += stage->processed_count;
        seconds += cost.job * (double)stage->input.count / 1e9;
        bench_note("Kafka Streams warms up: %.0f ns", cost.job);
    }
}

static void run_rounds(const struct stage *stage, const struct pair *pair, struct streams *streams)
{
    struct cost weir[ROUNDS], slow[ROUNDS], fast[ROUNDS];
    const int rounds = bench_is_small() ? 1 : ROUNDS;
    for (int i = 0; i < rounds; i++) {
        if (i % 2 == 0) weir[i] = run_weir(stage, pair, i);
        slow[i] = run_streams(stage, pair, streams, 0, i);
        fast[i] = run_streams(stage, pair, streams, 100, i);
        if (i % 2 != 0) weir[i] = run_weir(stage, pair, i);
        bench_note("round %d of %d: Weir %.0f; Kafka Streams %.0f and its broker %.0f; with "
                   "commits every 100 ms %.0f and %.0f ns",
                   i + 1, rounds, weir[i].job, slow[i].job, slow[i].broker, fast[i].job,
                   fast[i].broker);
    }
    tell_weir(stage, weir, rounds);
    tell_streams(stage, "Kafka Streams, its defaults (30 s commits)", slow, weir, rounds);
    tell_streams(stage, "Kafka Streams, 100 ms commits", fast, weir, rounds);
}

static void run_pair(const struct pair *pair)
{
    struct weir_error error;
    char answer[1024];
    struct streams streams = {0};
    struct stage stage = {.log = bench_open_log("data")};
    const struct weir_listen_options port = {WEIR_LISTEN_OPTIONS_INIT, .address = "127.0.0.1:0"};
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setting("BENCH_KAFKA");
    pair->fill(&stage, pair);
    stage.topics[0] = stage.input.topic;
    BENCH_TRY(weir_listen(stage.log, &port, &error), &error);
    start_streams(&streams, weir_listen_address(stage.log));
    for (size_t i = 0; stage.topics[i] != NULL; i++)
        ask(&streams, answer, sizeof answer, "in %s", stage.topics[i]);
    warm_up(&stage, pair, &streams);
    run_rounds(&stage, pair, &streams);
    for (size_t i = 0; stage.topics[i] != NULL; i++)
        ask(&streams, answer, sizeof answer, "drop %s", stage.topics[i]);
    stop_streams(&streams);
    bench_answer_free(&stage.answer);
    free(stage.categories);
    (void)weir_close(stage.log, NULL);
}

void bench_peers_stateless(void)
{
    run_pair(&(struct pair){.job = "stateless",
                            .count = 1000000,
                            .fill = fill_stateless,
                            .topology = bench_stateless_topology,
                            .check = check_stateless,
                            .leavings = {"output"}});
}

static void run_counts(int64_t keys)
{
    run_pair(&(struct pair){.job = "count",
                            .keys = keys,
                            .count = 1000000,
                            .fill = fill_counts,
                            .topology = count_topology,
                            .check = check_counts,
                            .leavings = {"counts-changelog"}});
}

void bench_peers_count_1k(void)
{
    run_counts(1000);
}

void bench_peers_count_100k(void)
{
    run_counts(100000);
}

void bench_peers_count_1m(void)
{
    run_counts(1000000);
}

void bench_peers_window(void)
{
    run_pair(&(struct pair){.job = "window",
                            .keys = 100000,
                            .count = 1000000,
                            .fill = fill_windows,
                            .topology = window_topology,
                            .check = check_counts,
                            .leavings = {"counts-changelog"}});
}

void bench_peers_revenue(void)
{
    run_pair(&(struct pair){.job = "revenue",
                            .keys = 100000,
                            .count = 1000000,
                            .fill = fill_revenue,
                            .topology = revenue_topology,
                            .check = check_revenue,
                            .leavings = {"revenue-changelog", "output"}});
}

void bench_peers_fraud(void)
{
    run_pair(&(struct pair){.job = "fraud",
                            .count = 100000,
                            .fill = fill_fraud,
                            .topology = fraud_topology,
                            .check = check_fraud,
                            .leavings = {"payments-per-window-changelog", "card-profile-changelog",
                                         "last-place-changelog", "output"},
                            .output = "alerts"});
}
