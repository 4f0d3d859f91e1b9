#include "bench/bench_subject.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/generated/find_coordinator_request.h"
#include "wire/generated/find_coordinator_response.h"

/* Kafka's metadata reaches its coordinator, and the coordinator its partitions, behind the answers. */
enum { KAFKA_SETTLES_S = 8, LISTENS_S = 180 };

/* ---- a Kafka that is there already --------------------------------------------------------------- */

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL) bench_fail("Kafka is missing: ./dev bench --peers starts it", WEIR_IO, NULL);
    return value;
}

static void read_pid(struct bench_subject *subject)
{
    int pid = 0;
    FILE *file = fopen(setting("BENCH_KAFKA_PIDFILE"), "r");
    if (file == NULL || fscanf(file, "%d", &pid) != 1) bench_fail("Kafka's pid", WEIR_IO, NULL);
    (void)fclose(file);
    subject->server.pid = pid;
}

static bool listens(int port)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                   .sin_port = htons((uint16_t)port)};
    int tried = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_there = connect(tried, (const struct sockaddr *)&to, sizeof to) == 0;
    (void)close(tried);
    return is_there;
}

static void restart_kafka(struct bench_subject *subject)
{
    double from = bench_wall();
    if (system(setting("BENCH_KAFKA_RESTART")) != 0) bench_fail("restart Kafka", WEIR_IO, NULL);
    while (!listens(subject->server.port)) {
        if (bench_wall() - from > LISTENS_S) bench_fail("Kafka does not listen", WEIR_IO, NULL);
        (void)usleep(5000);
    }
    subject->server.start_seconds = bench_wall() - from;
    read_pid(subject);
}

static double kafka_heap(const struct bench_subject *subject)
{
    char command[200];
    char line[300];
    double used = 0;
    (void)snprintf(command, sizeof command,
                   "jcmd %d GC.run >/dev/null && jcmd %d GC.run >/dev/null && jcmd %d GC.heap_info",
                   (int)subject->server.pid, (int)subject->server.pid, (int)subject->server.pid);
    FILE *out = popen(command, "r");
    while (out != NULL && fgets(line, sizeof line, out) != NULL) {
        const char *found = strstr(line, "heap");
        const char *at = found != NULL ? strstr(found, "used ") : NULL;
        if (at != NULL && used == 0) used = strtod(at + 5, NULL) * 1024;
    }
    if (out == NULL || pclose(out) != 0 || used == 0) bench_fail("Kafka's heap", WEIR_IO, NULL);
    return used;
}

/* ---- either -------------------------------------------------------------------------------------- */

void bench_subject_start(struct bench_subject *subject, const char *const *arguments)
{
    (void)snprintf(subject->data, sizeof subject->data, "%s/data", bench_directory());
    subject->arguments = arguments;
    bench_server_start(&subject->server, subject->data, arguments);
}

void bench_subject_kafka(struct bench_subject *subject)
{
    const char *colon = strrchr(setting("BENCH_KAFKA"), ':');
    *subject = (struct bench_subject){.is_kafka = true};
    subject->server.port = colon != NULL ? atoi(colon + 1) : 0;
    read_pid(subject);
}

void bench_subject_restart(struct bench_subject *subject)
{
    if (subject->is_kafka) {
        restart_kafka(subject);
        return;
    }
    bench_server_stop(&subject->server, SIGKILL);
    bench_server_start(&subject->server, subject->data, subject->arguments);
}

void bench_subject_stop(struct bench_subject *subject)
{
    if (!subject->is_kafka) bench_server_stop(&subject->server, SIGTERM);
}

double bench_subject_memory(const struct bench_subject *subject)
{
    return subject->is_kafka ? kafka_heap(subject)
                             : (double)bench_server_resident(&subject->server);
}

static void ask_coordinator(struct bench_client *client)
{
    struct weir_wire_find_coordinator_request request;
    struct weir_wire_find_coordinator_response answer;
    double from = bench_wall();
    do {
        weir_wire_find_coordinator_request_init(&request);
        request.key = weir_text("any");
        bench_client_call(client, &weir_wire_find_coordinator_request_type,
                          &weir_wire_find_coordinator_response_type, 2, &request, &answer);
        if (bench_wall() - from > LISTENS_S) bench_fail("FindCoordinator", WEIR_IO, NULL);
    } while (answer.error_code != 0);
}

void bench_subject_topic(struct bench_subject *subject, const char *topic, int32_t partitions)
{
    struct bench_client client;
    bench_client_open(&client, &subject->server);
    bench_client_create_topic(&client, topic, partitions, subject->is_kafka ? NULL : "os");
    ask_coordinator(&client);
    if (subject->is_kafka) (void)sleep(KAFKA_SETTLES_S);
    bench_client_close(&client);
}

void bench_subject_row(struct bench_subject *subject, const struct bench_row *row)
{
    char remark[120];
    if (subject->is_kafka) {
        struct bench_figure *figure = &subject->figures[subject->figure_count++];
        if (subject->figure_count == BENCH_FIGURES_MAX) bench_fail("rows", WEIR_LIMIT, NULL);
        (void)snprintf(figure->name, sizeof figure->name, "%s", row->name);
        figure->value = row->value;
        return;
    }
    if (subject->beside == NULL) {
        bench_row(row);
        return;
    }
    const struct bench_figure *beside = &subject->beside->figures[subject->shown_count++];
    if (subject->shown_count > subject->beside->figure_count ||
        strcmp(beside->name, row->name) != 0) {
        bench_fail("rows in another order", WEIR_IO, NULL);
    }
    (void)snprintf(remark, sizeof remark,
                   beside->value < 1000 ? "Kafka %.3g: %.3g of it" : "Kafka %.0f: %.3g of it",
                   beside->value, row->value / beside->value);
    bench_row_with(row, -1, remark);
}
