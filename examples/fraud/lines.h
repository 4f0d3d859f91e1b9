#ifndef FRAUD_LINES_H
#define FRAUD_LINES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/**
 * The lines of a text file as people have them: UTF-8 with or without a byte order mark, or UTF-16, which
 * comes out as UTF-8; ended by LF, CR LF or, if the first one is, by CR alone; the last one perhaps by
 * nothing. A line is as long as it likes, but only its first LINE_SIZE_MAX bytes are kept.
 */
enum { LINE_SIZE_MAX = 16 * 1024 * 1024 };

enum line_encoding { LINES_UTF8, LINES_UTF16_LITTLE, LINES_UTF16_BIG };
enum line_end { LINES_END_UNKNOWN, LINES_END_LF, LINES_END_CR };

struct lines {
    FILE *file;
    enum line_encoding encoding;
    enum line_end end; /* known behind the first line */
    int32_t pushed;    /* a character that was looked at too early; -1: none */
    int64_t line;      /* of what was read last; from 1 */
    char *text;        /* of that line, without its end, and a zero byte behind it */
    size_t size;       /* of what was kept of it */
    size_t capacity;
    int64_t full_size; /* of the whole line */
};

/** False with a message in `reason` for what is no text file: a folder, nothing, a spreadsheet. */
bool lines_open(struct lines *lines, const char *path, char *reason, size_t reason_size);
void lines_close(struct lines *lines);

enum lines_result { LINES_LINE, LINES_END, LINES_FAILED };
/** LINES_FAILED: errno says why. */
enum lines_result lines_next(struct lines *lines);

#endif
