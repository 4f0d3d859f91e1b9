#include "base/address.h"

#include <string.h>

#include "base/error.h"
#include "weir/types.h"

static int refuse(const char *text, struct weir_error *error)
{
    return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                          "'%s' is not an address: it is HOST:PORT or HOST, such as "
                          "127.0.0.1:9092, [::1]:9092 or localhost",
                          text);
}

/* Digits only, at most 65535; -1 if it is something else. */
static int32_t parse_port(const char *text)
{
    int32_t port = 0;
    if (*text == '\0') return -1;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') return -1;
        port = port * 10 + (*text - '0');
        if (port > UINT16_MAX) return -1;
    }
    return port;
}

/* What stands in front of the port, without brackets; nothing if that is no host. A number alone is a
 * port without a host, though resolvers would read an address into it. */
static struct weir_slice parse_host(const char *text, size_t size)
{
    struct weir_slice none = {0};
    bool in_brackets = size > 0 && text[0] == '[';
    if (in_brackets) {
        bool is_closed = size > 2 && text[size - 1] == ']';
        return is_closed ? weir_slice(text + 1, size - 2) : none;
    }
    bool is_number = strspn(text, "0123456789") >= size;
    return is_number || memchr(text, ':', size) != NULL ? none : weir_slice(text, size);
}

int weir_host_port_parse(const char *text, struct weir_host_port *parsed_out,
                         struct weir_error *error)
{
    if (text == NULL) return refuse("", error);
    size_t size = strlen(text);
    const char *colon = strrchr(text, ':');
    bool has_port = colon != NULL && text[size - 1] != ']';
    int32_t port = has_port ? parse_port(colon + 1) : WEIR_DEFAULT_PORT;
    struct weir_slice host = parse_host(text, has_port ? (size_t)(colon - text) : size);
    if (port < 0 || host.size == 0 || host.size >= WEIR_HOST_SIZE) return refuse(text, error);
    *parsed_out = (struct weir_host_port){.port = port};
    memcpy(parsed_out->host, host.data, host.size);
    return 0;
}

bool weir_host_is_loopback(const char *host)
{
    /* A name that begins with 127. is no name: labels of the last part are not all digits. */
    return (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strlen(host)) ||
           strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}
