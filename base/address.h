#ifndef WEIR_BASE_ADDRESS_H
#define WEIR_BASE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "weir/error.h"

/** `host:port`, `[v6 host]:port`, `host`: as people write it, and taken apart. */
enum { WEIR_HOST_SIZE = 256, WEIR_DEFAULT_PORT = 9092 };

struct weir_host_port {
    char host[WEIR_HOST_SIZE]; /* without brackets */
    int32_t port;
};

/** Without a port it is 9092. WEIR_INVALID_ARGUMENT, with what would be right. A host is not looked up. */
int weir_host_port_parse(const char *text, struct weir_host_port *parsed_out,
                         struct weir_error *error);
/** 127.0.0.0/8, ::1 and localhost, as text without brackets: nobody outside reaches them. Names are not
 * looked up. */
bool weir_host_is_loopback(const char *host);

#endif
