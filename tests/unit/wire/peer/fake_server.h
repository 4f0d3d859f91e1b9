#ifndef WEIR_TESTS_FAKE_SERVER_H
#define WEIR_TESTS_FAKE_SERVER_H

#include "base/env/socket.h"
#include "wire/message.h"

/** A Kafka server of few words, on an actor: it answers ApiVersions by itself and everything else with
 * `answer`, which appends frames to `out`. One connection at a time: wait for `has_hung_up` before the next.
 * All but that and the address is the actor's. */
struct fake_server {
    struct weir_actor *actor;
    char address[WEIR_ADDRESS_SIZE]; /* to listen at; then where it does */
    int16_t metadata_version_max;    /* that it tells; -1: it has no Metadata */
    int16_t versions_version_max;    /* the highest ApiVersions it knows */
    void (*answer)(struct fake_server *server, struct weir_slice frame);
    int connection_count;
    int request_count;
    int16_t versions_asked[8]; /* of ApiVersions, in order */
    int versions_asked_count;

    struct weir_listener *listener;
    struct weir_socket *socket;
    struct weir_buffer in;
    struct weir_buffer out;
    struct weir_buffer going;
    struct weir_iovec part;
    bool is_writing;
    _Atomic bool has_hung_up; /* and is signalled */
    int rc;
    struct weir_error error;
};

/** On its actor. */
void fake_server_listen(void *server);
void fake_server_close(void *server);
/** Send what `out` holds. */
void fake_server_send(struct fake_server *server);

/** Append an answer to the request in `frame`: `correlation_id` -1 takes the request's. */
void fake_server_reply(struct fake_server *server, struct weir_slice frame,
                       const struct weir_message_type *type, const void *response,
                       int32_t correlation_id);

int16_t frame_api_key(struct weir_slice frame);
int16_t frame_version(struct weir_slice frame);
int32_t frame_correlation_id(struct weir_slice frame);

#endif
