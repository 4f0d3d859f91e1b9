/** `weir server`: opens a data directory and its port, and waits to be told to stop. */
#include "weir/listen.h"

#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/env/env.h"
#include "base/error.h"
#include "server/server.h"
#include "cli/cli.h"
#include "cli/say.h"
#include "cli/server_settings.h"

struct values {
    const char *data;
    const char *listen;
    const char *advertise;
    bool is_insecure;
    int64_t shards;
    const char *config;
    struct cli_list settings;
    bool is_quiet;
};

static const struct cli_option options[] = {
    {'d', "data", CLI_TEXT, offsetof(struct values, data), "DIR",
     "the data directory (default: ./data); made if there is none"},
    {'l', "listen", CLI_TEXT, offsetof(struct values, listen), "HOST:PORT",
     "where to listen (default: localhost, port 9092); port 0: any free one"},
    {0, "advertise", CLI_TEXT, offsetof(struct values, advertise), "HOST:PORT",
     "what clients connect to (default: the address they came in by)"},
    {0, "insecure-listen", CLI_FLAG, offsetof(struct values, is_insecure), NULL,
     "allow more than loopback, though nobody is authenticated yet"},
    {0, "shards", CLI_NUMBER, offsetof(struct values, shards), "N",
     "threads that own partitions (default: one for each core it may use)"},
    {'f', "config", CLI_TEXT, offsetof(struct values, config), "FILE",
     "settings in a file, a line of KEY=VALUE each; --set goes before it"},
    {'s', "set", CLI_LIST, offsetof(struct values, settings), "KEY=VALUE",
     "a setting under Kafka's name, repeatable; see below"},
    {'q', "quiet", CLI_FLAG, offsetof(struct values, is_quiet), NULL, "say only what went wrong"},
};

static const char details[] =
    "Settings: num.partitions, auto.create.topics.enable, flush.policy (group: acks=all waits for\n"
    "the disk; os: for the page cache, as Kafka does), the broker's, such as max.connections,\n"
    "socket.request.max.bytes, connections.max.idle.ms, fetch.max.bytes, those of groups, such as\n"
    "group.initial.rebalance.delay.ms, offsets.retention.minutes, and what holds for topics that\n"
    "do not say otherwise: retention.ms or, as Kafka's brokers call it, log.retention.ms, and so\n"
    "on. `weir topic describe TOPIC` lists these.\n"
    "\n"
    "SIGTERM or Ctrl-C: answers what is under way, syncs and closes; a second one ends it at "
    "once.\n"
    "SIGUSR1: prints the metrics, as Prometheus reads them, to stderr.\n";

struct server {
    const struct values *values;
    struct weir_log *log;
    struct weir_log_options log_options;
    struct weir_listen_options listen_options;
    struct server_settings settings;
};

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

/* After a storm the allocator keeps what it was given, page by page behind the few blocks that live on.
 * A program may have it give that back; a library leaves the process's allocator alone. */
static void return_memory(void)
{
    enum { KEEP_BYTES = 32 * 1024 * 1024 };
    if (mallinfo2().fordblks > KEEP_BYTES) (void)malloc_trim(0);
}

static void wait_for_stop(const struct server *server, const sigset_t *signals)
{
    const struct timespec interval = {.tv_sec = 5};
    for (;;) {
        int signal_number = sigtimedwait(signals, NULL, &interval);
        if (signal_number < 0) {
            return_memory();
            continue;
        }
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
    if (error->code == WEIR_NOT_FOUND) {
        return say_failure(error, "--listen takes a name or an address of this machine, such as "
                                  "localhost or 127.0.0.1:9092");
    }
    if (error->code == WEIR_LOCKED) {
        return say_failure(error, "another server has that port: --listen 127.0.0.1:0 takes a free "
                                  "one");
    }
    return say_failure(error, NULL);
}

/* Asked before the directory is made or opened: a port that is taken leaves nothing behind. */
static int check_port(const struct values *values, struct weir_error *error)
{
    struct weir_env *env = NULL;
    int rc = weir_env_uv_new(&(struct weir_env_uv_options){0}, &env, error);
    if (rc == 0) rc = weir_server_may_listen(env, values->listen, values->is_insecure, error);
    weir_env_uv_free(env);
    return rc;
}

static int serve(struct server *server)
{
    struct timespec began;
    struct weir_error error = {0};
    sigset_t signals;
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    if (check_port(server->values, &error) < 0) return say_no_port(&error);
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

static int take_settings(struct server *server, struct weir_error *error)
{
    const struct values *values = server->values;
    int rc = 0;
    server->settings.log_options = &server->log_options;
    if (values->config != NULL) {
        rc = server_settings_take_file(&server->settings, values->config, error);
    }
    return rc < 0 ? rc : server_settings_take_list(&server->settings, &values->settings, error);
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
        /* Kafka's defaults, said aloud: topics that are made here do not keep for ever, and groups and
         * transactions are spread. What the settings say comes behind them and wins. */
        .settings = {.topics = {{"log.retention.hours", "168"},
                                {"offsets.topic.num.partitions", "50"},
                                {"transaction.state.log.num.partitions", "50"}},
                     .topic_count = 3},
    };
    server.log_options.log_level = values.is_quiet ? WEIR_LOG_ERROR : WEIR_LOG_WARN;
    server.log_options.shard_count =
        values.shards > 0 ? (int32_t)values.shards : weir_env_uv_core_count();
    if (take_settings(&server, &error) < 0) {
        server_settings_close(&server.settings);
        return say_usage(command->name, "%s", error.text);
    }
    server.log_options.topic_configs = server.settings.topics;
    server.log_options.topic_config_count = server.settings.topic_count;
    server.listen_options.advertised_address = values.advertise;
    server.listen_options.insecure = values.is_insecure;
    server.listen_options.configs = server.settings.port;
    server.listen_options.config_count = server.settings.port_count;
    exit_code = serve(&server);
    server_settings_close(&server.settings);
    return exit_code;
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
