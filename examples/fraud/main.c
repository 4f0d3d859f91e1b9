/* The fraud job as a program: options, the loop that feeds it, and what it says at the end. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "batch_check.h"
#include "fraud.h"
#include "report.h"
#include "source.h"

static const char APPLICATION[] = "fraud";

struct options {
    const char *data;
    const char *csv;
    const char *listen;
    uint64_t seed;
    int64_t count; /* payments of this run, INT64_MAX: no end; with --once: of the whole input */
    int64_t rate;  /* per second; 0: as fast as they go */
    bool is_once;
    bool is_compared; /* --once, and the source can be read once more */
};

/* How far a payment may be ahead of the clock: what topics take by default
 * (message.timestamp.after.max.ms). The clock goes on, so what was not too far when the program began is
 * not later either. */
enum { AHEAD_MS_MAX = 60 * 60 * 1000 };

static volatile sig_atomic_t is_interrupted;

static void interrupt(int signal_number)
{
    (void)signal_number;
    is_interrupted = 1;
}

static void usage(FILE *to)
{
    fprintf(
        to,
        "usage: fraud --data DIR [--csv FILE] [--listen ADDRESS] [--once] [--count N] [--rate N] "
        "[--seed N]\n"
        "\n"
        "  --data DIR   the log's directory; a second run goes on where the first stopped\n"
        "  --csv FILE   payments of your own (columns cc_num, merchant, category, amt, lat, long,\n"
        "               unix_time, merch_lat, merch_long, is_fraud); default: a generator\n"
        "  --listen ADDRESS  open the log to Kafka clients meanwhile: 127.0.0.1:9092, port 0 for "
        "any\n"
        "  --once       a fixed input to its end, compared with a batch computation\n"
        "  --count N    payments of this run [until it is stopped]; with --once of the whole "
        "input\n"
        "               [200000]\n"
        "  --rate N     payments per second [2000]; 0: as fast as they go\n"
        "  --seed N     of the generator [1]\n");
}

static bool parse_number(const char *name, const char *text, int64_t *number_out)
{
    char *end;
    errno = 0;
    long long number = text != NULL ? strtoll(text, &end, 10) : 0;
    if (text == NULL || *text == '\0' || *end != '\0' || errno != 0 || number < 0) {
        fprintf(stderr, "fraud: %s takes a whole number from 0, not '%s'\n", name,
                text != NULL ? text : "");
        return false;
    }
    *number_out = number;
    return true;
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    int64_t seed = 1;
    *options = (struct options){.count = -1, .rate = -1};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool is_good = true;
        if (strcmp(name, "--once") == 0) {
            options->is_once = true;
            continue;
        }
        if (strcmp(name, "--data") == 0)
            options->data = value;
        else if (strcmp(name, "--csv") == 0)
            options->csv = value;
        else if (strcmp(name, "--listen") == 0)
            options->listen = value;
        else if (strcmp(name, "--seed") == 0)
            is_good = parse_number(name, value, &seed);
        else if (strcmp(name, "--count") == 0)
            is_good = parse_number(name, value, &options->count);
        else if (strcmp(name, "--rate") == 0)
            is_good = parse_number(name, value, &options->rate);
        else {
            fprintf(stderr, "fraud: there is no option '%s'\n", name);
            is_good = false;
        }
        if (!is_good) return false;
        if (value == NULL) {
            fprintf(stderr, "fraud: %s needs a value\n", name);
            return false;
        }
        i++;
    }
    options->seed = (uint64_t)seed;
    if (options->count < 0) options->count = options->is_once ? 200000 : INT64_MAX;
    if (options->rate < 0) options->rate = options->is_once ? 0 : 2000;
    if (options->data == NULL) {
        fprintf(stderr, "fraud: --data is missing\n");
        return false;
    }
    return true;
}

static void show_rejected(int64_t line, const char *reason)
{
    fprintf(stderr, "rejected  line=%" PRId64 " reason=\"%s\"\n", line, reason);
}

/* What the engine has to say, beside the program's own lines. */
static void show_log(void *context, enum weir_log_level level, const char *line, size_t size)
{
    (void)context, (void)level;
    fprintf(stderr, "%.*s\n", (int)size, line);
}

/* Feed the job at the wanted rate and show how it goes, until the source ends or the user has enough. */
/* `report` knows the payments that earlier runs brought. */
static int feed(const struct options *options, struct source *source, struct report *report,
                struct weir_error *error)
{
    int64_t started = now_ms(), before = report->payments, fed = 0,
            limit = options->csv != NULL ? INT64_MAX : options->count;
    while (!is_interrupted) {
        int64_t due = options->rate == 0 ? fed + 2000 : (now_ms() - started) * options->rate / 1000;
        int64_t wanted = due - fed < 2000 ? due - fed : 2000;
        if (!options->is_once && wanted > limit - fed) wanted = limit - fed;
        int64_t done = source_step(source, wanted, error);
        if (done < 0) return (int)done;
        fed += done;
        if (done < wanted || (!options->is_once && fed >= limit)) return 0;
        int rc = report_step(report, before + source->produced,
                             options->rate == 0 || due - fed > 1000 ? 0 : 5, error);
        if (rc < 0) return rc;
    }
    return 0;
}

static int show_score(struct weir_log *log, bool is_asserted, struct weir_error *error)
{
    struct score score;
    int rc = score_alerts(log, &score, error);
    if (rc < 0) return rc;
    double precision = score.distinct == 0 ? 0 : (double)score.right / (double)score.distinct;
    double recall = score.frauds == 0 ? 0 : (double)score.caught / (double)score.frauds;
    printf("result   payments=%" PRId64 " frauds=%" PRId64 " alerts=%" PRId64 " distinct=%" PRId64
           " precision=%.3f recall=%.3f\n",
           score.payments, score.frauds, score.alerts, score.distinct, precision, recall);
    if (is_asserted && (precision < 0.95 || recall < 0.85)) {
        (void)snprintf(error->text, sizeof error->text,
                       "precision %.3f, recall %.3f; the rules reach 0.95 and 0.85 on these labels",
                       precision, recall);
        return error->code = WEIR_INVALID_ARGUMENT;
    }
    return 0;
}

/* ./dev says how it was called. */
static const char *command(void)
{
    const char *called = getenv("WEIR_DEMO_COMMAND");
    return called != NULL ? called : "fraud --data";
}

static void show_next_steps(const struct options *options)
{
    printf("\nThe data is in %s: topics payments, alerts, payments-rejected, and the job's state.\n"
           "  go on where this run stopped:   %s %s%s%s\n",
           options->data, command(), options->data, options->csv != NULL ? " --csv " : "",
           options->csv != NULL ? options->csv : "");
    if (options->csv == NULL) {
        printf("  the same job on your own file:  %s ANOTHER_DIR --csv FILE\n", command());
    }
}

static int count_payments(struct weir_log *log, const struct source *source, int64_t *count_out,
                          struct weir_error *error)
{
    int64_t count = 0;
    for (int32_t i = 0; i < source->partition_count; i++) {
        int64_t start, end;
        int rc = weir_topic_offsets(log, "payments", i, &start, &end, error);
        if (rc < 0) return rc;
        count += end - start;
    }
    *count_out = count;
    return 0;
}

/* Before anything is written: where it goes, and behind what. */
static void show_beginning(const struct options *options, const struct report *report)
{
    if (report->payments == 0) {
        printf("The data lies in %s, which is new.\n", options->data);
    } else {
        printf("The data lies in %s. This run goes on with it: %" PRId64 " payments and %" PRId64
               " alerts are there.\n",
               options->data, report->payments, report->alert_count);
    }
    if (!options->is_once) {
        printf(
            "It runs until %sCtrl-C, or kill -9. Of the alerts samples are shown, at most three\n"
            "a second; all of them are in the topic alerts.\n",
            options->csv != NULL || options->count < INT64_MAX ? "its input ends, or " : "");
    }
    (void)fflush(stdout);
}

/* From here on the log is a Kafka server, too; the job does not notice. */
static int open_port(const struct options *options, struct weir_log *log, struct weir_error *error)
{
    struct weir_listen_options listen = {WEIR_LISTEN_OPTIONS_INIT, .address = options->listen};
    if (options->listen == NULL) return 0;
    int rc = weir_listen(log, &listen, error);
    if (rc < 0) return rc;
    printf("Any Kafka client can read along. The alerts, as they come, in another terminal:\n"
           "  kcat -b %s -C -t alerts -o end -u\n\n",
           weir_listen_address(log));
    (void)fflush(stdout);
    return 0;
}

/* One run on an open log; the job is started, fed, drained and closed. */
static int run(struct options *options, struct weir_log *log,
               const struct source_options *source_options, const struct weir_topology *topology,
               struct weir_error *error)
{
    struct source source = {0};
    struct report report = {0};
    struct weir_streams_options job_options = {
        WEIR_STREAMS_OPTIONS_INIT,
        .application_id = APPLICATION,
        .on_deserialization_error = WEIR_ON_ERROR_DEAD_LETTER,
        .dead_letter_topic = "payments-rejected",
    };
    int rc = source_open(&source, log, source_options, error);
    if (rc < 0) return rc;
    if (source.notice[0] != '\0') fprintf(stderr, "source   %s\n", source.notice);
    options->is_compared = options->is_once && source.base == 0;
    source.on_rejected = show_rejected;
    if (options->csv == NULL && options->is_once) source.end = options->count + 1;

    int64_t before = 0;
    struct weir_streams *job = NULL;
    rc = count_payments(log, &source, &before, error);
    if (rc == 0) rc = report_open(&report, log, before, error);
    if (rc < 0) goto out;
    show_beginning(options, &report);
    job = weir_streams_start(log, topology, &job_options, error);
    if (job == NULL) {
        rc = error->code;
        goto out;
    }
    report.job = job;
    rc = open_port(options, log, error);
    if (rc == 0) rc = feed(options, &source, &report, error);
    if (rc == 0 && !is_interrupted) rc = source_check_read(&source, error);
    report.payments = before + source.produced;
out:;
    int closed = source_close(&source, rc == 0 ? error : NULL);
    if (rc == 0) rc = closed;
    if (rc == 0 && !is_interrupted) rc = weir_streams_drain(job, -1, error);
    report_forget_job(&report);
    closed = weir_streams_close(job, rc == 0 ? error : NULL);
    if (rc == 0) rc = closed;
    if (report.alerts != NULL) {
        closed = report_close(&report, rc == 0 ? error : NULL);
        if (rc == 0) rc = closed;
    }
    return rc;
}

/* A log and its state keep many files open; a library leaves the limit to the program. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    struct options options;
    struct weir_error error = {0};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return 0;
    }
    if (!parse_options(argc, argv, &options)) {
        usage(stderr);
        return 2;
    }
    raise_descriptor_limit();
    (void)signal(SIGINT, interrupt);
    (void)signal(SIGTERM, interrupt);

    struct weir_log_options log_options = {WEIR_LOG_OPTIONS_INIT};
    log_options.log = show_log;
    log_options.log_level = WEIR_LOG_WARN;
    struct weir_log *log = weir_open(options.data, &log_options, &error);
    struct weir_topology *topology = log != NULL ? fraud_topology(&error) : NULL;
    struct source_options source = {
        .csv_path = options.csv,
        .seed = options.seed,
        .latest_ms = (int64_t)time(NULL) * 1000 + AHEAD_MS_MAX,
    };
    int rc = topology != NULL ? run(&options, log, &source, topology, &error) : (int)error.code;
    if (rc == 0 && options.is_once && !options.is_compared)
        printf("not checked: the directory has payments of an earlier file as well\n");
    if (rc == 0 && options.is_compared && !is_interrupted &&
        !check_against_batch(log, &source, options.count + 1, APPLICATION, &error)) {
        rc = WEIR_INVALID_ARGUMENT;
    }
    if (rc == 0) rc = show_score(log, options.is_once && options.csv == NULL, &error);
    weir_topology_free(topology);
    int closed = weir_close(log, rc == 0 ? &error : NULL);
    if (rc == 0) rc = closed;
    if (rc < 0) {
        fprintf(stderr, "fraud: %s\n", error.text);
        return 1;
    }
    show_next_steps(&options);
    return 0;
}
