#ifndef WEIR_TESTS_HOSTILE_PEER_H
#define WEIR_TESTS_HOSTILE_PEER_H

#include "tests/hostile/hostile_server.h"
#include "wire/message.h"

/**
 * A client's end of a connection, as a plain socket: sends whatever it is told to. Calls wait, a
 * minute at most, after which the test fails.
 */
int peer_open(const struct hostile_server *server);
/** As peer_open, with a receive buffer of 4 KiB: the server feels at once that nobody reads. */
int peer_open_narrow(const struct hostile_server *server);
void peer_close(int peer);
/** Closes with a reset instead of an end. */
void peer_reset(int peer);
/** All of it; false: the server has closed the connection. */
bool peer_send(int peer, const void *bytes, size_t size);
/** What the system takes at once, without waiting; -1: the server has closed the connection. */
int64_t peer_push(int peer, const void *bytes, size_t size);
/** Wait until the server has closed it; bytes that came before. */
size_t peer_expect_end(int peer);
/** Has the server closed it? Looks, does not wait; drops what has come. */
bool peer_has_ended(int peer);

/** A request's frame, size and header included, appended to `bytes`. */
void peer_encode(struct weir_buffer *bytes, const struct weir_message_type *type, int16_t version,
                 int32_t correlation_id, const void *request);
/** The next frame without its size; null: the connection has ended. From the server's arena. */
struct weir_slice peer_frame(struct hostile_server *server, int peer);
/** Take an answer apart; its strings live until hostile_end. */
void peer_decode(struct hostile_server *server, const struct weir_message_type *type,
                 int16_t version, struct weir_slice frame, void *response_out);

struct peer_exchange {
    const struct weir_message_type *request_type;
    const struct weir_message_type *response_type;
    int16_t version;
};
#define PEER_EXCHANGE(name, which)                                                                 \
    ((struct peer_exchange){&weir_wire_##name##_request_type, &weir_wire_##name##_response_type,   \
                            which})
/** Ask, and take the answer, which must come. */
void peer_call(struct hostile_server *server, int peer, struct peer_exchange exchange,
               const void *request, void *response_out);

#endif
