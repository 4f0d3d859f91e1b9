/** Addresses of the real environment: numeric for sockets; names are looked up before, by who may block. */
#include "base/env/uv/uv_internal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

enum { HOST_SIZE = 48 };

/* getaddrinfo takes the low 16 bits of whatever number it finds. */
static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 5 && text[digits] == 0 && atoi(text) <= UINT16_MAX;
}

/* `host:port`, the host in brackets if it has colons; numeric, so nothing is looked up. */
int weir_env_uv_address_parse(const char *address, struct sockaddr_storage *to, socklen_t *size_out)
{
    char host[HOST_SIZE];
    const char *colon = strrchr(address, ':');
    if (colon == NULL || !is_port(colon + 1)) return WEIR_INVALID_ARGUMENT;
    size_t size = (size_t)(colon - address);
    bool has_brackets = size >= 2 && address[0] == '[' && address[size - 1] == ']';
    if (size >= sizeof host) return WEIR_INVALID_ARGUMENT;
    if (has_brackets) {
        (void)snprintf(host, sizeof host, "%.*s", (int)size - 2, address + 1);
    } else {
        (void)snprintf(host, sizeof host, "%.*s", (int)size, address);
    }
    struct addrinfo hints = {
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
        .ai_socktype = SOCK_STREAM,
    };
    struct addrinfo *found = NULL;
    const char *name = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    if (getaddrinfo(name, colon + 1, &hints, &found) != 0) return WEIR_INVALID_ARGUMENT;
    memcpy(to, found->ai_addr, found->ai_addrlen);
    *size_out = found->ai_addrlen;
    freeaddrinfo(found);
    return WEIR_OK;
}

/* An IPv4 address in its IPv6 clothes, as a listener at [::] sees it, is shown as what it is. */
static socklen_t unmap(struct sockaddr_storage *to, const struct sockaddr_storage *from,
                       socklen_t size)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
    struct sockaddr_in *v4 = (struct sockaddr_in *)to;
    *to = *from;
    if (from->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) return size;
    *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = v6->sin6_port};
    memcpy(&v4->sin_addr, &v6->sin6_addr.s6_addr[12], sizeof v4->sin_addr);
    return sizeof *v4;
}

void weir_env_uv_address_print(char text[WEIR_ADDRESS_SIZE], const struct sockaddr_storage *address,
                               socklen_t size)
{
    struct sockaddr_storage shown;
    size = unmap(&shown, address, size);
    char host[HOST_SIZE];
    char port[8];
    int flags = NI_NUMERICHOST | NI_NUMERICSERV;
    if (getnameinfo((const struct sockaddr *)&shown, size, host, sizeof host, port, sizeof port,
                    flags) != 0) {
        (void)snprintf(text, WEIR_ADDRESS_SIZE, "?");
        return;
    }
    bool has_colon = strchr(host, ':') != NULL;
    (void)snprintf(text, WEIR_ADDRESS_SIZE, has_colon ? "[%s]:%s" : "%s:%s", host, port);
}

/* Each address once, in the resolver's order (RFC 6724). */
static void collect(const struct addrinfo *found, struct weir_addresses *to)
{
    *to = (struct weir_addresses){0};
    for (; found != NULL && to->count < WEIR_ADDRESSES_MAX; found = found->ai_next) {
        struct sockaddr_storage address = {0};
        if (found->ai_addrlen > sizeof address) continue;
        memcpy(&address, found->ai_addr, found->ai_addrlen);
        weir_env_uv_address_print(to->texts[to->count], &address, found->ai_addrlen);
        bool is_new = true;
        for (size_t i = 0; i < to->count; i++) {
            is_new = is_new && strcmp(to->texts[i], to->texts[to->count]) != 0;
        }
        to->count += is_new;
    }
}

static int look_up_failed(const char *host, int reason, struct weir_error *error)
{
    if (reason == EAI_NONAME || reason == EAI_NODATA) {
        return weir_error_set(error, WEIR_NOT_FOUND, "there is no host '%s'", host);
    }
    int code = reason == EAI_MEMORY   ? WEIR_NO_MEMORY
               : reason == EAI_SYSTEM ? weir_error_errno(NULL, errno, "look up", host)
                                      : WEIR_DISCONNECTED;
    return weir_error_set(error, (enum weir_code)code, "look up host '%s': %s", host,
                          gai_strerror(reason));
}

/* localhost is this machine whatever a resolver says (RFC 6761), and 127.0.0.1 before ::1. */
int weir_env_uv_look_up(struct weir_env *env, const char *host, uint16_t port,
                        struct weir_addresses *found_out, struct weir_error *error)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port_text[8];
    (void)env;
    if (strcmp(host, "localhost") == 0) {
        *found_out = (struct weir_addresses){.count = 2};
        (void)snprintf(found_out->texts[0], WEIR_ADDRESS_SIZE, "127.0.0.1:%u", port);
        (void)snprintf(found_out->texts[1], WEIR_ADDRESS_SIZE, "[::1]:%u", port);
        return WEIR_OK;
    }
    (void)snprintf(port_text, sizeof port_text, "%u", port);
    int reason = getaddrinfo(host, port_text, &hints, &found);
    if (reason != 0) return look_up_failed(host, reason, error);
    collect(found, found_out);
    freeaddrinfo(found);
    weir_assert(found_out->count > 0);
    return WEIR_OK;
}

void weir_env_uv_address_own(char text[WEIR_ADDRESS_SIZE], int fd)
{
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof own;
    if (getsockname(fd, (struct sockaddr *)&own, &size) != 0) return;
    weir_env_uv_address_print(text, &own, size);
}

int weir_env_uv_socket_failed(const char *verb, const char *address, int reason,
                              struct weir_error *error)
{
    int code = reason == EADDRINUSE      ? WEIR_LOCKED
               : reason == EADDRNOTAVAIL ? WEIR_INVALID_ARGUMENT
                                         : weir_error_errno(NULL, reason, verb, address);
    return weir_error_set(error, (enum weir_code)code, "%s '%s': %s", verb, address,
                          strerrordesc_np(reason));
}
