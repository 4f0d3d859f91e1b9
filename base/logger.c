#include "base/logger.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { LOG_LINE_SIZE = 2048 };

static const char *level_name(enum weir_log_level level)
{
    switch (level) {
    case WEIR_LOG_ERROR:
        return "error";
    case WEIR_LOG_WARN:
        return "warn";
    case WEIR_LOG_INFO:
        return "info";
    case WEIR_LOG_DEBUG:
        return "debug";
    }
    return "unknown";
}

/* Bytes of a value that came from outside must not begin a second line or move a terminal. */
static void blank_control_bytes(char *line, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) line[i] = ' ';
    }
}

/* The size of the line in `line`, which is LOG_LINE_SIZE big, when `wanted` bytes were printed. */
static size_t finish_line(char *line, size_t wanted)
{
    size_t size = wanted;
    if (wanted >= LOG_LINE_SIZE) {
        size = LOG_LINE_SIZE - 1;
        memcpy(line + size - 3, "...", 3);
    }
    blank_control_bytes(line, size);
    return size;
}

void weir_log(const struct weir_logger *logger, enum weir_log_level level, const char *event,
              const char *format, ...)
{
    if (logger == NULL || logger->write == NULL || level > logger->level) return;

    char line[LOG_LINE_SIZE];
    int head = snprintf(line, sizeof line, "level=%s event=%s", level_name(level), event);
    size_t wanted = head > 0 ? (size_t)head : 0;

    if (format != NULL && format[0] != '\0' && wanted < sizeof line - 1) {
        line[wanted++] = ' ';
        va_list args;
        va_start(args, format);
        int tail = vsnprintf(line + wanted, sizeof line - wanted, format, args);
        va_end(args);
        wanted += tail > 0 ? (size_t)tail : 0;
    }
    logger->write(logger->context, level, line, finish_line(line, wanted));
}

static bool needs_quotes(const char *text)
{
    if (text[0] == '\0') return true;
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte <= ' ' || byte == '"' || byte == '=' || byte == '\\' || byte == 0x7f) return true;
    }
    return false;
}

/* One byte of a quoted value into `to` (room for 7); returns the bytes it took. */
static size_t quote_byte(char *to, unsigned char byte)
{
    static const char escaped[] = "\"\\\n\r\t";
    static const char letters[] = "\"\\nrt";

    const char *found = byte != '\0' ? strchr(escaped, byte) : NULL;
    if (found != NULL) {
        to[0] = '\\';
        to[1] = letters[found - escaped];
        return 2;
    }
    if (byte < 0x20 || byte == 0x7f) return (size_t)snprintf(to, 7, "\\u%04x", byte);
    to[0] = (char)byte;
    return 1;
}

const char *weir_log_quote(char *to, size_t size, const char *text)
{
    if (size == 0) return to;
    to[0] = '\0';
    if (text == NULL) text = "";
    if (!needs_quotes(text)) {
        (void)snprintf(to, size, "%s", text); /* cut to fit, as promised */
        return to;
    }
    if (size < 3) return to; /* no room for the two quotes */

    size_t at = 0;
    to[at++] = '"';
    for (; *text != '\0'; text++) {
        char piece[7];
        size_t piece_size = quote_byte(piece, (unsigned char)*text);
        if (at + piece_size + 2 > size) break;
        memcpy(to + at, piece, piece_size);
        at += piece_size;
    }
    to[at++] = '"';
    to[at] = '\0';
    return to;
}
