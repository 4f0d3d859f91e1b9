#include "broker/server/address.h"

#include <string.h>

#include "base/error.h"
#include "weir/types.h"

static int refuse(const char *text, struct weir_error *error)
{
    return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                          "'%s' is not an address: it is HOST:PORT, such as 127.0.0.1:9092 or "
                          "[::1]:9092",
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

int weir_host_port_parse(const char *text, struct weir_host_port *parsed_out,
                         struct weir_error *error)
{
    struct weir_slice host;
    const char *colon = text != NULL ? strrchr(text, ':') : NULL;
    if (colon == NULL) return refuse(text != NULL ? text : "", error);
    bool in_brackets = text[0] == '[';
    host = weir_slice(text, (size_t)(colon - text));
    if (in_brackets) {
        if (host.size < 3 || host.data[host.size - 1] != ']') return refuse(text, error);
        host = weir_slice(host.data + 1, host.size - 2);
    } else if (memchr(host.data, ':', host.size) != NULL) {
        return refuse(text, error); /* a v6 address without its brackets */
    }
    int32_t port = parse_port(colon + 1);
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
