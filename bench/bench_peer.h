#ifndef WEIR_BENCH_BENCH_PEER_H
#define WEIR_BENCH_BENCH_PEER_H

#include <sys/types.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "bench/bench.h"
#include "wire/message.h"

/**
 * A server in a process of its own on the first core, and a client of it here on the second: plain
 * blocking sockets, so that what is measured is the server.
 */
struct bench_server {
    pid_t pid;
    char address[64];
    int port;
    double start_seconds; /* from exec to the line that says it listens */
};

/** `arguments` behind `weir server --data DIR --listen 127.0.0.1:0`; NULL-terminated, may be NULL. */
void bench_server_start(struct bench_server *server, const char *data,
                        const char *const *arguments);
/** SIGTERM, or SIGKILL; waits. */
void bench_server_stop(struct bench_server *server, int signal_number);
/** The floor: a loop of our own, forked, that serves one connection after the other with `serve`. */
void bench_floor_start(struct bench_server *server, void (*serve)(int socket));
/** CPU seconds of all its threads so far, and its resident memory. */
double bench_server_cpu(const struct bench_server *server);
int64_t bench_server_resident(const struct bench_server *server);

struct bench_client {
    int socket;
    int32_t next_id;
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena; /* of the last response */
    struct weir_buffer out;
    struct weir_buffer in; /* one whole frame behind its size */
};
void bench_client_open(struct bench_client *client, const struct bench_server *server);
void bench_client_close(struct bench_client *client);
/** A frame, ready to be sent again and again. */
void bench_client_frame(struct bench_client *client, const struct weir_message_type *type,
                        int16_t version, const void *request, struct weir_buffer *frame_out);
void bench_client_send(struct bench_client *client, const void *bytes, size_t size);
/** The next response's bytes behind its size: until the next one. */
struct weir_slice bench_client_receive(struct bench_client *client);
/** Receive, drop the bytes, and give their number: for large responses. */
size_t bench_client_skip(struct bench_client *client);
/** Send and decode the answer. */
void bench_client_call(struct bench_client *client, const struct weir_message_type *request_type,
                       const struct weir_message_type *response_type, int16_t version,
                       const void *request, void *response_out);
/** Of another server `flush_policy` is NULL. */
void bench_client_create_topic(struct bench_client *client, const char *topic, int32_t partitions,
                               const char *flush_policy);

/** Run on this core only (0 or 1; on a machine with one core both are that). */
void bench_pin(int core);

#endif
