#include "bench/bench_peer.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "wire/generated/create_topics_request.h"
#include "wire/generated/create_topics_response.h"
#include "wire/generated/request_header.h"

enum { ARGUMENTS_MAX = 24, FRAME_MAX = 256 << 20 };

void bench_pin(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)(core % (int)sysconf(_SC_NPROCESSORS_ONLN)), &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

/* ---- the server -------------------------------------------------------------------------------- */

static void wait_until_it_listens(struct bench_server *server, int from)
{
    char line[512];
    FILE *out = fdopen(from, "r");
    while (out != NULL && fgets(line, sizeof line, out) != NULL) {
        const char *found = strstr(line, "listening on ");
        if (found == NULL) continue;
        if (sscanf(found, "listening on %63[^, \n]", server->address) != 1) break;
        const char *colon = strrchr(server->address, ':');
        server->port = colon != NULL ? atoi(colon + 1) : 0;
        return; /* `out` stays open: the server may say more */
    }
    bench_fail("start the server", WEIR_IO, NULL);
}

void bench_server_start(struct bench_server *server, const char *data, const char *const *arguments)
{
    const char *all[ARGUMENTS_MAX] = {BENCH_WEIR, "server",   "--data",
                                      data,       "--listen", "127.0.0.1:0"};
    int count = 6;
    int ends[2];
    for (size_t i = 0; arguments != NULL && arguments[i] != NULL; i++)
        all[count++] = arguments[i];
    if (pipe(ends) != 0) bench_fail("pipe", WEIR_IO, NULL);
    double from = bench_wall();
    server->pid = bench_fork();
    if (server->pid == 0) {
        bench_pin(0);
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)close(ends[0]);
        (void)execv(all[0], (char *const *)(uintptr_t)all);
        _exit(127);
    }
    (void)close(ends[1]);
    wait_until_it_listens(server, ends[0]);
    server->start_seconds = bench_wall() - from;
}

void bench_server_stop(struct bench_server *server, int signal_number)
{
    int status = 0;
    (void)kill(server->pid, signal_number);
    (void)waitpid(server->pid, &status, 0);
    if (signal_number == SIGTERM && status != 0) bench_fail("stop the server", WEIR_IO, NULL);
    server->pid = 0;
}

void bench_floor_start(struct bench_server *server, void (*serve)(int socket))
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&at, size) != 0 || listen(listener, 8) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &size) != 0) {
        bench_fail("listen", WEIR_IO, NULL);
    }
    server->port = ntohs(at.sin_port);
    server->pid = bench_fork();
    if (server->pid == 0) {
        bench_pin(0);
        for (;;) {
            int accepted = accept(listener, NULL, NULL);
            (void)setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            serve(accepted);
            (void)close(accepted);
        }
    }
    (void)close(listener);
}

/* Nanoseconds on a core, of every thread: /proc/PID/stat counts in hundredths of a second. */
double bench_server_cpu(const struct bench_server *server)
{
    char path[300];
    double seconds = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)server->pid);
    DIR *tasks = opendir(path);
    struct dirent *entry;
    while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
        unsigned long long ns = 0;
        if (entry->d_name[0] == '.') continue;
        (void)snprintf(path, sizeof path, "/proc/%d/task/%.200s/schedstat", (int)server->pid,
                       entry->d_name);
        FILE *file = fopen(path, "r");
        if (file == NULL) continue;
        if (fscanf(file, "%llu", &ns) == 1) seconds += (double)ns / 1e9;
        (void)fclose(file);
    }
    if (tasks != NULL) (void)closedir(tasks);
    return seconds;
}

int64_t bench_server_resident(const struct bench_server *server)
{
    char path[64];
    long pages = 0, resident = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)server->pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    if (fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
    (void)fclose(file);
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

/* ---- the client -------------------------------------------------------------------------------- */

void bench_client_open(struct bench_client *client, const struct bench_server *server)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)server->port)};
    int on = 1;
    *client = (struct bench_client){.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    weir_heap_init(&client->heap, false);
    weir_budget_init(&client->budget, "bench", &client->heap, NULL, 0);
    weir_arena_init(&client->arena, &client->budget, 0);
    weir_buffer_init(&client->out, &client->budget, 0);
    weir_buffer_init(&client->in, &client->budget, 0);
    if (connect(client->socket, (struct sockaddr *)&to, sizeof to) != 0) {
        bench_fail("connect", WEIR_DISCONNECTED, NULL);
    }
    (void)setsockopt(client->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void bench_client_close(struct bench_client *client)
{
    (void)close(client->socket);
    weir_buffer_close(&client->in);
    weir_buffer_close(&client->out);
    weir_arena_close(&client->arena);
}

void bench_client_frame(struct bench_client *client, const struct weir_message_type *type,
                        int16_t version, const void *request, struct weir_buffer *frame_out)
{
    struct weir_request_header header;
    weir_request_header_init(&header);
    header.request_api_key = type->api_key;
    header.request_api_version = version;
    header.correlation_id = client->next_id++;
    header.client_id = weir_text("bench");
    weir_buffer_reset(frame_out);
    (void)weir_buffer_extend(frame_out, 4);
    int16_t form = version >= type->flexible_from ? 2 : 1;
    BENCH_TRY(weir_request_header_encode(&header, form, frame_out), NULL);
    BENCH_TRY(weir_message_encode(type, request, version, frame_out), NULL);
    weir_store_u32(frame_out->data, (uint32_t)(frame_out->size - 4));
}

void bench_client_send(struct bench_client *client, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t sent = send(client->socket, at, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) bench_fail("send", WEIR_DISCONNECTED, NULL);
        at += sent;
        size -= (size_t)sent;
    }
}

static void receive_all(struct bench_client *client, uint8_t *to, size_t size)
{
    while (size > 0) {
        ssize_t got = recv(client->socket, to, size, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) bench_fail("receive", WEIR_DISCONNECTED, NULL);
        to += got;
        size -= (size_t)got;
    }
}

static size_t receive_size(struct bench_client *client)
{
    uint8_t prefix[4];
    receive_all(client, prefix, sizeof prefix);
    uint32_t size = weir_load_u32(prefix);
    if (size > FRAME_MAX) bench_fail("a response's size", WEIR_CORRUPT, NULL);
    return size;
}

struct weir_slice bench_client_receive(struct bench_client *client)
{
    size_t size = receive_size(client);
    weir_buffer_reset(&client->in);
    uint8_t *to = weir_buffer_extend(&client->in, size);
    if (to == NULL) bench_fail("receive", WEIR_NO_MEMORY, NULL);
    receive_all(client, to, size);
    return weir_slice(to, size);
}

size_t bench_client_skip(struct bench_client *client)
{
    static uint8_t nowhere[1 << 18];
    size_t size = receive_size(client);
    for (size_t left = size; left > 0;) {
        size_t part = left < sizeof nowhere ? left : sizeof nowhere;
        receive_all(client, nowhere, part);
        left -= part;
    }
    return size;
}

void bench_client_call(struct bench_client *client, const struct weir_message_type *request_type,
                       const struct weir_message_type *response_type, int16_t version,
                       const void *request, void *response_out)
{
    struct weir_error error = {0};
    bench_client_frame(client, request_type, version, request, &client->out);
    bench_client_send(client, client->out.data, client->out.size);
    struct weir_slice frame = bench_client_receive(client);
    size_t header = version >= response_type->flexible_from ? 5 : 4;
    weir_arena_reset(&client->arena);
    BENCH_TRY(weir_message_decode_whole(response_type, response_out, version,
                                        weir_slice(frame.data + header, frame.size - header),
                                        &client->arena, &error),
              &error);
}

void bench_client_create_topic(struct bench_client *client, const char *topic, int32_t partitions,
                               const char *flush_policy)
{
    const struct weir_wire_create_topics_request_creatable_topic_config configs[] = {
        {.name = weir_text("flush.policy"),
         .value = flush_policy != NULL ? weir_text(flush_policy) : weir_null()},
    };
    const struct weir_wire_create_topics_request_creatable_topic topics[] = {
        {.name = weir_text(topic),
         .num_partitions = partitions,
         .replication_factor = 1,
         .configs = configs,
         .configs_count = flush_policy != NULL},
    };
    struct weir_wire_create_topics_request request;
    struct weir_wire_create_topics_response response;
    weir_wire_create_topics_request_init(&request);
    request.topics = topics;
    request.topics_count = 1;
    request.timeout_ms = 30000;
    bench_client_call(client, &weir_wire_create_topics_request_type,
                      &weir_wire_create_topics_response_type, 4, &request, &response);
    if (response.topics_count != 1 || response.topics[0].error_code != 0) {
        bench_fail("create a topic", WEIR_INVALID_ARGUMENT, NULL);
    }
}
