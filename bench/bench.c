/* ./dev bench [NAME ...]: what Weir costs on this machine, beside the machine's own floor.
 *
 * Each benchmark is a process of its own, so that memory, threads and page cache effects of one do not
 * colour the next. Figures are of one run; the machine's load is printed beside them.
 *
 * With --rows FILE the figures are also appended there, a line each with tabs between, under a line that
 * begins with "=" for their benchmark and over one that is "." if it ended well: without it, after a wrong
 * answer for one, they are not to be used. bench/write.py makes the tables of docs/benchmarks.md of them. Lines that
 * begin with "@" say when what was measured ran, for bench/profile.py. */
#include "bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name;
    const char *text;
    void (*run)(void);
} benchmarks[] = {
    {"append", "append to a partition's log, no sockets, page cache", bench_append},
    {"compact", "compaction of a log, and appends beside it", bench_compact},
    {"transactions", "transactions beside plain records: writing, of ten records, reading",
     bench_transactions},
    {"durable", "acknowledged when on the disk, group commit, 64 KB batches", bench_durable},
    {"partitions", "the same over 1,000 partitions", bench_partitions},
    {"stateless", "a job: filter and map of 100 B records", bench_stateless},
    {"count-1k", "a job: keyed count, 1 k keys", bench_count_1k},
    {"count-100k", "a job: keyed count, 100 k keys", bench_count_100k},
    {"count-1m", "a job: keyed count, 1 M keys", bench_count_1m},
    {"count-10m", "a job: keyed count, 10 M keys", bench_count_10m},
    {"job-partitions", "a job: keyed count over 6 to 1,000 partitions", bench_job_partitions},
    {"job-threads", "a job: keyed count on one and two stream threads", bench_job_threads},
    {"window", "a job: count and revenue by key and minute", bench_window},
    {"windows", "jobs: counts by tumbling and hopping window, and by session", bench_windows},
    {"revenue", "a job: join with a table, revenue by category and minute", bench_revenue},
    {"join", "three jobs: two streams, and a stream with a table", bench_join},
    {"sizes", "two jobs: records of 10 B to 1 MB, passed on and kept by key", bench_sizes},
    {"chain", "a job: 1 to 100 operators in a row", bench_chain},
    {"hops", "a job: from a record to its committed output, 0 to 3 repartition topics", bench_hops},
    {"fraud", "a job: the example's fraud detection", bench_fraud},
    {"open", "open an empty directory", bench_open},
    {"reopen", "open after kill -9 with 1 GB of log", bench_reopen},
    {"restart", "start a job with a store of 1 M keys after kill -9", bench_restart},
    {"idle", "memory of an open, idle log", bench_idle},
    {"serve-produce", "the port: produce, client and server on a core each", bench_serve_produce},
    {"serve-fetch", "the port: fetch from the page cache", bench_serve_fetch},
    {"serve-partitions", "the port: the same load over more partitions", bench_serve_partitions},
    {"serve-durable", "the port: acks=all, group commit", bench_serve_durable},
    {"serve-latency", "the port: producer to consumer, beside a ping-pong", bench_serve_latency},
    {"serve-idle", "the port: starting, and doing nothing, with 1,000 partitions",
     bench_serve_idle},
    {"serve-unused", "the port: 10,000 partitions that never need compaction", bench_serve_unused},
    {"serve-reopen", "the port: after kill -9 with 1 and 10 GB of log", bench_serve_reopen},
    {"groups", "groups: 1 to 1,000 members share 1,000 partitions, and say that they are there",
     bench_groups},
    {"group-offsets", "groups: commits, and 10,000 groups that only have them",
     bench_group_offsets},
    {"peers-stateless", "beside Kafka Streams: filter and map", bench_peers_stateless},
    {"peers-count-1k", "beside Kafka Streams: keyed count, 1 k keys", bench_peers_count_1k},
    {"peers-count-100k", "beside Kafka Streams: keyed count, 100 k keys", bench_peers_count_100k},
    {"peers-count-1m", "beside Kafka Streams: keyed count, 1 M keys", bench_peers_count_1m},
    {"peers-window", "beside Kafka Streams: count by key and minute", bench_peers_window},
    {"peers-revenue", "beside Kafka Streams: join, revenue by category and minute",
     bench_peers_revenue},
    {"peers-fraud", "beside Kafka Streams: the example's fraud detection", bench_peers_fraud},
    {"peers-groups", "beside Apache Kafka: groups of 1 to 1,000 members", bench_peers_groups},
    {"peers-group-offsets", "beside Apache Kafka: commits, 10,000 groups",
     bench_peers_group_offsets},
};
enum { BENCHMARKS = sizeof benchmarks / sizeof benchmarks[0] };

/* ---- figures ---------------------------------------------------------------------------------- */

static const char *number(char *to, size_t size, double value)
{
    int digits = value >= 100 || value == 0 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
    (void)snprintf(to, size, "%.*f", digits, value);
    return to;
}

static int rows_file = -1; /* where --rows said; shared with the benchmarks' processes */

static void write_row(const struct bench_row *row, double allocations, const char *remark)
{
    char counted[32] = "";
    if (rows_file < 0) return;
    if (allocations >= 0) (void)snprintf(counted, sizeof counted, "%g", allocations);
    (void)dprintf(rows_file, "%s\t%g\t%s\t%g\t%s\t%g\t%s\t%s\n", row->name, row->value, row->unit,
                  row->goal, row->less_is_better ? "most" : "least", row->floor, counted,
                  remark != NULL ? remark : "");
}

void bench_row_with(const struct bench_row *row, double allocations, const char *remark)
{
    char value[32], goal[48] = "", floor[48] = "", text[32];
    (void)number(value, sizeof value, row->value);
    if (row->goal != 0 && !bench_is_small()) {
        bool is_met = row->less_is_better ? row->value <= row->goal : row->value >= row->goal;
        (void)snprintf(goal, sizeof goal, "goal %s %s", number(text, sizeof text, row->goal),
                       is_met ? "met" : "MISSED");
    }
    if (row->floor != 0) {
        (void)snprintf(floor, sizeof floor, "floor %s", number(text, sizeof text, row->floor));
    }
    printf("  %-44s %10s %-10s %-18s %s\n", row->name, value, row->unit, goal, floor);
    (void)fflush(stdout);
    write_row(row, allocations, remark);
}

void bench_row(const struct bench_row *row)
{
    bench_row_with(row, -1, NULL);
}

void bench_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("    ");
    (void)vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    (void)fflush(stdout);
}

void bench_progress(double *last, const char *what, int64_t done, int64_t count)
{
    enum { SECONDS_BETWEEN = 20 };
    const double now = bench_wall();
    if (*last == 0) *last = now;
    if (now - *last < SECONDS_BETWEEN) return;
    *last = now;
    fprintf(stderr, "    ... %s: %.2f M of %.2f M records\n", what, (double)done / 1e6,
            (double)count / 1e6);
}

void bench_measured(const char *name, double from)
{
    if (rows_file < 0) return;
    (void)dprintf(rows_file, "@\t%s\t%.6f\t%.6f\n", name, from, bench_wall());
}

static bool is_small;

bool bench_is_small(void)
{
    return is_small;
}

int64_t bench_scaled(int64_t count)
{
    enum { SMALLER = 200 };
    return !is_small ? count : count > SMALLER ? count / SMALLER : 1;
}

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double bench_wall(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

double bench_thread_cpu(void)
{
    return seconds_of(CLOCK_THREAD_CPUTIME_ID);
}

double bench_process_cpu(void)
{
    return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t bench_resident_bytes(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL) return 0;
    if (fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
    (void)fclose(file);
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

double bench_quantile_us(double *seconds, size_t count, double quantile)
{
    if (count == 0) return 0;
    qsort(seconds, count, sizeof *seconds, compare_doubles);
    size_t at = (size_t)(quantile * (double)count);
    return seconds[at < count ? at : count - 1] * 1e6;
}

/* ---- the run ----------------------------------------------------------------------------------- */

static char directory[256];

const char *bench_directory(void)
{
    return directory;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

int bench_fork(void)
{
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child != 0) return child;
    /* A parent that has died in between sends no signal any more. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(1);
    return 0;
}

void bench_fail(const char *what, int rc, const struct weir_error *error)
{
    fprintf(stderr, "bench: %s: %s: %s\n", what, weir_code_name(rc),
            error != NULL && error->text[0] != '\0' ? error->text : weir_code_text(rc));
    _exit(1);
}

static void describe_machine(char *to, size_t size)
{
    char cpu[128] = "";
    char line[256];
    struct utsname name;
    double load[1] = {0};
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "model name : %127[^\n]", cpu) == 1) break;
    }
    if (file != NULL) (void)fclose(file);
    (void)uname(&name);
    (void)getloadavg(load, 1);
    (void)snprintf(to, size, "%ld x %s, Linux %s, load %.2f", sysconf(_SC_NPROCESSORS_ONLN), cpu,
                   name.release, load[0]);
}

/* In a child: what it leaves in memory and threads goes with it. */
static bool run(size_t index)
{
    const char *base = getenv("TMPDIR");
    char machine[256];
    (void)snprintf(directory, sizeof directory, "%s/weir-bench-XXXXXX",
                   base != NULL ? base : "/tmp");
    if (mkdtemp(directory) == NULL) {
        fprintf(stderr, "bench: %s: %s\n", directory, strerror(errno));
        return false;
    }
    printf("%s: %s\n", benchmarks[index].name, benchmarks[index].text);
    (void)fflush(stdout);
    if (rows_file >= 0) {
        describe_machine(machine, sizeof machine);
        (void)dprintf(rows_file, "=\t%s\t%s\n", benchmarks[index].name, machine);
    }
    pid_t child = bench_fork();
    if (child == 0) {
        benchmarks[index].run();
        (void)fflush(stdout);
        _exit(0);
    }
    int status = 0;
    bool is_good = child > 0 && waitpid(child, &status, 0) == child && status == 0;
    if (!is_good) fprintf(stderr, "bench: '%s' did not end well\n", benchmarks[index].name);
    if (is_good && rows_file >= 0) (void)dprintf(rows_file, ".\n");
    (void)nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return is_good;
}

static int help(void)
{
    printf("usage: bench [--small] [--rows FILE] [NAME ...]   all of them, or those named (peers-* "
           "only so):\n");
    for (size_t i = 0; i < BENCHMARKS; i++) {
        printf("  %-18s %s\n", benchmarks[i].name, benchmarks[i].text);
    }
    printf(
        "--small: jobs in a size that takes no time, for their answers and not for their figures\n"
        "--rows FILE: append the figures to FILE, for bench/write.py\n");
    return 0;
}

static bool needs_peers(size_t index)
{
    return strncmp(benchmarks[index].name, "peers-", strlen("peers-")) == 0;
}

/* The benchmark of this name, or BENCHMARKS with a line that tells those there are. */
static size_t find(const char *name)
{
    for (size_t i = 0; i < BENCHMARKS; i++)
        if (strcmp(name, benchmarks[i].name) == 0) return i;
    fprintf(stderr, "bench: there is no '%s'; there are:", name);
    for (size_t i = 0; i < BENCHMARKS; i++)
        fprintf(stderr, " %s", benchmarks[i].name);
    fprintf(stderr, "\n");
    return BENCHMARKS;
}

int main(int argc, char **argv)
{
    bool is_good = true, is_asked[BENCHMARKS] = {false};
    int asked = 0;
    char machine[256];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return help();
        if (strcmp(argv[i], "--small") == 0) {
            is_small = true;
        } else if (strcmp(argv[i], "--rows") == 0 && i + 1 < argc) {
            rows_file = open(argv[++i], O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0666);
            if (rows_file < 0) {
                fprintf(stderr, "bench: %s: %s\n", argv[i], strerror(errno));
                return 2;
            }
        } else {
            const size_t index = find(argv[i]);
            if (index == BENCHMARKS) return 2;
            is_asked[index] = true;
            asked++;
        }
    }
    describe_machine(machine, sizeof machine);
    printf("%s\n\n", machine);
    for (size_t i = 0; i < BENCHMARKS; i++)
        if (asked == 0 ? !needs_peers(i) : is_asked[i]) is_good &= run(i);
    return is_good ? 0 : 1;
}
