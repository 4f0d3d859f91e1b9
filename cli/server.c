/** `weir server`: opens a data directory and its port, and waits to be told to stop. */
#include "weir/listen.h"

#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/say.h"

struct values {
    const char *data;
    const char *listen;
    const char *advertise;
    bool is_insecure;
    int64_t shards;
    struct cli_list settings;
    bool is_quiet;
};

static const struct cli_option options[] = {
    {'d', "data", CLI_TEXT, offsetof(struct values, data), "DIR",
     "the data directory (default: ./data); made if there is none"},
    {'l', "listen", CLI_TEXT, offsetof(struct values, listen), "HOST:PORT",
     "where to listen (default: 127.0.0.1:9092); port 0: any free one"},
    {0, "advertise", CLI_TEXT, offsetof(struct values, advertise), "HOST:PORT",
     "what clients connect to (default: the address they came in by)"},
    {0, "insecure-listen", CLI_FLAG, offsetof(struct values, is_insecure), NULL,
     "allow more than loopback, though nobody is authenticated yet"},
    {0, "shards", CLI_NUMBER, offsetof(struct values, shards), "N",
     "threads that own partitions (default: one for each core it may use)"},
    {'s', "set", CLI_LIST, offsetof(struct values, settings), "KEY=VALUE",
     "a setting under Kafka's name, repeatable; see below"},
    {'q', "quiet", CLI_FLAG, offsetof(struct values, is_quiet), NULL, "say only what went wrong"},
};

static const char details[] =
    "Settings: num.partitions, auto.create.topics.enable, flush.policy (group: acks=all waits for\n"
    "the disk; os: for the page cache, as Kafka does), and the broker's, such as max.connections,\n"
    "socket.request.max.bytes, connections.max.idle.ms, fetch.max.bytes.\n"
    "\n"
    "SIGTERM or Ctrl-C: answers what is under way, syncs and closes; a second one ends it at "
    "once.\n"
    "SIGUSR1: prints the metrics, as Prometheus reads them, to stderr.\n";

struct server {
    const struct values *values;
    struct weir_log *log;
    struct weir_log_options log_options;
    struct weir_listen_options listen_options;
    struct cli_configs broker; /* the settings that are not the engine's */
};

/* ---- settings -------------------------------------------------------------------------------- */

static int refuse(const struct weir_config *setting, const char *takes, struct weir_error *error)
{
    return weir_error_set(error, WEIR_INVALID_CONFIG, "'%s' = '%s': it takes %s", setting->key,
                          setting->value, takes);
}

static int take_partitions(struct server *server, const struct weir_config *setting,
                           struct weir_error *error)
{
    int64_t value = 0;
    size_t digits = strspn(setting->value, "0123456789");
    bool is_number = digits > 0 && digits < 9 && setting->value[digits] == '\0';
    for (size_t i = 0; is_number && i < digits; i++) {
        value = 10 * value + (setting->value[i] - '0');
    }
    if (value < 1) return refuse(setting, "a whole number from 1 on", error);
    server->log_options.num_partitions = (int32_t)value;
    return 0;
}

static int take_auto_create(struct server *server, const struct weir_config *setting,
                            struct weir_error *error)
{
    bool is_off = strcmp(setting->value, "false") == 0;
    if (!is_off && strcmp(setting->value, "true") != 0) {
        return refuse(setting, "true or false", error);
    }
    server->log_options.auto_create_topics = is_off ? WEIR_AUTO_CREATE_OFF : 0;
    return 0;
}

static int take_flush_policy(struct server *server, const struct weir_config *setting,
                             struct weir_error *error)
{
    bool is_os = strcmp(setting->value, "os") == 0;
    if (!is_os && strcmp(setting->value, "group") != 0) {
        return refuse(setting, "group or os", error);
    }
    server->log_options.flush_policy_os = is_os;
    return 0;
}

static const struct {
    const char *key;
    int (*take)(struct server *server, const struct weir_config *setting, struct weir_error *error);
    bool is_broker_too; /* the port shows it, and has to know */
} engine_settings[] = {
    {"num.partitions", take_partitions, true},
    {"auto.create.topics.enable", take_auto_create, true},
    {"flush.policy", take_flush_policy, false},
};

/* The engine's settings go to weir_open; what is left, known or not, to weir_listen. */
static int take_settings(struct server *server, struct weir_error *error)
{
    struct cli_configs *all = &server->broker;
    int rc = cli_configs_parse(&server->values->settings, all, error);
    if (rc < 0) return rc;
    size_t left = 0;
    for (size_t i = 0; i < all->count; i++) {
        struct weir_config setting = all->rows[i];
        bool is_broker = true;
        for (size_t k = 0; k < sizeof engine_settings / sizeof engine_settings[0]; k++) {
            if (strcmp(setting.key, engine_settings[k].key) != 0) continue;
            rc = engine_settings[k].take(server, &setting, error);
            if (rc < 0) return rc;
            is_broker = engine_settings[k].is_broker_too;
        }
        if (is_broker) all->rows[left++] = setting;
    }
    all->count = left;
    return 0;
}

/* ---- metrics --------------------------------------------------------------------------------- */

struct exposition {
    char previous[128]; /* metric name whose help has been said */
};

static void print_metric(void *context, const char *name, const char *labels, double value,
                         const char *help)
{
    struct exposition *exposition = context;
    if (strcmp(exposition->previous, name) != 0) {
        (void)fprintf(stderr, "# HELP %s %s\n", name, help);
        (void)snprintf(exposition->previous, sizeof exposition->previous, "%s", name);
    }
    bool has_labels = labels != NULL && labels[0] != '\0';
    (void)fprintf(stderr, "%s%s%s%s %.17g\n", name, has_labels ? "{" : "", has_labels ? labels : "",
                  has_labels ? "}" : "", value);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void write_line(void *context, enum weir_log_level level, const char *line, size_t size)
{
    (void)context;
    (void)level;
    (void)fprintf(stderr, "%.*s\n", (int)size, line);
}

static void say_ready(const struct server *server, const struct timespec *began)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ms = (now.tv_sec - began->tv_sec) * 1000 + (now.tv_nsec - began->tv_nsec) / 1000000;
    const char *address = weir_listen_address(server->log);
    printf("listening on %s, data in %s, ready in %" PRId64 " ms; stop with Ctrl-C\n", address,
           server->values->data, ms);
    if (isatty(STDOUT_FILENO)) {
        printf("\n  weir topic list -b %s\n"
               "  echo hello | kcat -b %s -P -t greetings\n"
               "  kcat -b %s -C -t greetings -o beginning -e\n\n",
               address, address, address);
    }
    (void)fflush(stdout);
}

/* Blocked before any thread starts, so that only this one is told. */
static void take_signals(sigset_t *signals_out)
{
    (void)sigemptyset(signals_out);
    (void)sigaddset(signals_out, SIGINT);
    (void)sigaddset(signals_out, SIGTERM);
    (void)sigaddset(signals_out, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, signals_out, NULL);
}

static void wait_for_stop(const struct server *server, const sigset_t *signals)
{
    for (;;) {
        int signal_number = 0;
        if (sigwait(signals, &signal_number) != 0) continue;
        if (signal_number != SIGUSR1) return;
        struct exposition exposition = {0};
        weir_metrics(server->log, print_metric, &exposition);
    }
}

/* From here on a signal ends the process: nobody has to wait for a slow disk who does not want to. */
static void give_signals_back(void)
{
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

static int say_not_opened(const struct weir_error *error)
{
    if (error->code == WEIR_LOCKED) {
        return say_failure(error, "stop that process, or ask it: --brokers HOST:PORT");
    }
    return say_failure(error, NULL);
}

static int say_no_port(const struct weir_error *error)
{
    if (error->code == WEIR_LOCKED) {
        return say_failure(error, "another server has that port: --listen 127.0.0.1:0 takes a free "
                                  "one");
    }
    return say_failure(error, NULL);
}

static int serve(struct server *server)
{
    struct timespec began;
    struct weir_error error = {0};
    sigset_t signals;
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    take_signals(&signals);
    server->log = weir_open(server->values->data, &server->log_options, &error);
    if (server->log == NULL) return say_not_opened(&error);

    int exit_code = CLI_OK;
    if (weir_listen(server->log, &server->listen_options, &error) < 0) {
        exit_code = say_no_port(&error);
    } else {
        if (!server->values->is_quiet) say_ready(server, &began);
        wait_for_stop(server, &signals);
        give_signals_back();
        if (weir_unlisten(server->log, &error) < 0) exit_code = say_failure(&error, NULL);
    }
    if (weir_close(server->log, &error) < 0) exit_code = say_failure(&error, NULL);
    if (exit_code == CLI_OK && !server->values->is_quiet) (void)puts("closed");
    (void)fflush(stdout);
    return exit_code;
}

/* Those that this process may run on, which taskset and a container's cpuset narrow: shards that share a
 * core only hand messages to one another. */
static int32_t count_cores(void)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return CPU_COUNT(&allowed);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int32_t)online : 1;
}

static int run_command(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    (void)cli;
    struct values values = {.data = "./data", .listen = "127.0.0.1:9092"};
    struct cli_operands operands;
    struct weir_error error = {0};
    int exit_code;
    if (cli_options_parse(command, argc, argv, &values, &operands, &exit_code) != 0) {
        return exit_code;
    }
    if (values.shards < 0 || values.shards > 1024) {
        return say_usage(command->name, "--shards is %" PRId64 ": from 1 to 1024", values.shards);
    }
    struct server server = {
        .values = &values,
        .log_options = {WEIR_LOG_OPTIONS_INIT, .log = write_line},
        .listen_options = {WEIR_LISTEN_OPTIONS_INIT, .address = values.listen},
    };
    server.log_options.log_level = values.is_quiet ? WEIR_LOG_ERROR : WEIR_LOG_WARN;
    server.log_options.shard_count = values.shards > 0 ? (int32_t)values.shards : count_cores();
    if (take_settings(&server, &error) < 0) return say_usage(command->name, "%s", error.text);
    server.listen_options.advertised_address = values.advertise;
    server.listen_options.insecure = values.is_insecure;
    server.listen_options.configs = server.broker.rows;
    server.listen_options.config_count = server.broker.count;
    return serve(&server);
}

const struct cli_command cli_server = {
    .name = "server",
    .operands = "",
    .summary = "serve a data directory to Kafka clients",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run_command,
};
