#ifndef WEIR_TESTS_RAW_CLIENT_H
#define WEIR_TESTS_RAW_CLIENT_H

#include "base/env/socket.h"
#include "tests/support/support.h"

/**
 * A client that sends bytes and takes bytes, of any environment, and is waited for. It has an
 * actor of its own; all calls are the test's thread's.
 */
enum { RAW_BYTES_MAX = 16 * 1024 * 1024 }; /* that one client may be sent */

struct raw_client {
    struct weir_env *env;
    struct weir_actor *actor;
    struct weir_socket *socket;
    uint8_t *bytes; /* all that has come */
    _Atomic size_t received;
    size_t taken;    /* by raw_frame */
    _Atomic int end; /* 0; 1: the peer has ended it; else a code */
    bool reads;      /* set before raw_open to false: takes nothing */
    /* the call that is under way */
    struct weir_message message;
    const char *address;
    struct weir_iovec out;
    _Atomic int64_t result; /* of it; INT64_MAX: not yet */
};

/** Connect and read whatever comes. */
void raw_open(struct raw_client *client, struct weir_env *env, const char *address);
/** As raw_open, but it never reads. */
void raw_open_deaf(struct raw_client *client, struct weir_env *env, const char *address);
/** Send all of it, or find that the peer is gone. */
void raw_send(struct raw_client *client, const void *bytes, size_t size);
/** Send, and do not wait until the system has taken it: for peers that may stop reading. Once per
 * client, the bytes stay the test's until raw_close. */
void raw_send_and_leave(struct raw_client *client, const void *bytes, size_t size);
/** The next frame without its size; null when the peer ends it before it is whole. Stays until
 * raw_close. */
struct weir_slice raw_frame(struct raw_client *client);
/** Wait until the peer has ended it; bytes that came before and were not taken. */
size_t raw_wait_end(struct raw_client *client);
/** Has the peer ended it by now? */
bool raw_has_ended(const struct raw_client *client);
void raw_close(struct raw_client *client);

#endif
