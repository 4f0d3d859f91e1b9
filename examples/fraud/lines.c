#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NO_CHARACTER = -1, REPLACEMENT = 0xfffd };

/* ---- what the file is ------------------------------------------------------------------------- */

/* The first bytes of what is often taken for a CSV file. */
static const struct {
    const char *bytes;
    size_t size;
    const char *what;
} others[] = {
    {"PK\x03\x04", 4, "a zip file, perhaps a spreadsheet: save the sheet as CSV"},
    {"\xd0\xcf\x11\xe0", 4, "an old spreadsheet: save the sheet as CSV"},
    {"\x1f\x8b", 2, "compressed with gzip: unpack it first"},
    {"\x28\xb5\x2f\xfd", 4, "compressed with zstd: unpack it first"},
    {"PAR1", 4, "a Parquet file, not text"},
};

/* How the text is encoded, by its byte order mark or by where the zeros of ASCII stand in UTF-16. Of what
 * was read to find out, the text begins at the result. */
static size_t find_encoding(const unsigned char *start, size_t size, enum line_encoding *encoding)
{
    *encoding = LINES_UTF8;
    if (size >= 3 && memcmp(start, "\xef\xbb\xbf", 3) == 0) return 3;
    if (size < 2) return 0;
    bool is_little = start[0] != 0 && start[1] == 0;
    bool is_big = start[0] == 0 && start[1] != 0;
    bool has_mark = start[0] + start[1] == 0xff + 0xfe && (start[0] == 0xff || start[1] == 0xff);
    if (has_mark) is_little = start[0] == 0xff;
    if (is_little) *encoding = LINES_UTF16_LITTLE;
    if (!is_little && (is_big || has_mark)) *encoding = LINES_UTF16_BIG;
    return has_mark ? 2 : 0;
}

/* A pipe cannot be wound back, so what was read to look at it is put back, which four bytes allow. */
static bool look_at_start(struct lines *lines, char *reason, size_t reason_size)
{
    unsigned char start[4];
    size_t size = fread(start, 1, sizeof start, lines->file);
    if (size == 0) {
        (void)snprintf(reason, reason_size, "%s",
                       ferror(lines->file) ? strerror(errno) : "it is empty: no header line");
        return false;
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (size < others[i].size || memcmp(start, others[i].bytes, others[i].size) != 0) continue;
        (void)snprintf(reason, reason_size, "it is %s", others[i].what);
        return false;
    }
    size_t from = find_encoding(start, size, &lines->encoding);
    while (size > from) {
        if (ungetc(start[--size], lines->file) == EOF) {
            (void)snprintf(reason, reason_size, "its start cannot be read again");
            return false;
        }
    }
    return true;
}

bool lines_open(struct lines *lines, const char *path, char *reason, size_t reason_size)
{
    struct stat stat;
    char why[128] = "";
    *lines = (struct lines){.file = fopen(path, "r"), .pushed = NO_CHARACTER};
    if (lines->file == NULL || fstat(fileno(lines->file), &stat) != 0) {
        (void)snprintf(why, sizeof why, "%s", strerror(errno));
    } else if (S_ISDIR(stat.st_mode)) {
        (void)snprintf(why, sizeof why, "it is a folder: name the file in it");
    } else if (look_at_start(lines, why, sizeof why)) {
        return true;
    }
    (void)snprintf(reason, reason_size, "%s: %s", path, why);
    lines_close(lines);
    return false;
}

void lines_close(struct lines *lines)
{
    if (lines->file != NULL) (void)fclose(lines->file);
    free(lines->text);
    *lines = (struct lines){0};
}

/* ---- characters ------------------------------------------------------------------------------- */

static int32_t next_unit(struct lines *lines)
{
    int first = getc_unlocked(lines->file);
    int second = first == EOF ? EOF : getc_unlocked(lines->file);
    if (second == EOF) return first == EOF ? NO_CHARACTER : REPLACEMENT; /* half of one */
    return lines->encoding == LINES_UTF16_BIG ? first << 8 | second : second << 8 | first;
}

/* A byte of UTF-8, or a character of UTF-16. */
static int32_t next_character(struct lines *lines)
{
    int32_t character = lines->pushed;
    lines->pushed = NO_CHARACTER;
    if (character != NO_CHARACTER) return character;
    if (lines->encoding == LINES_UTF8) {
        int byte = getc_unlocked(lines->file);
        return byte == EOF ? NO_CHARACTER : byte;
    }
    int32_t high = next_unit(lines);
    if (high < 0xd800 || high > 0xdfff) return high;
    int32_t low = next_unit(lines);
    bool is_pair = high < 0xdc00 && low >= 0xdc00 && low <= 0xdfff;
    if (!is_pair) lines->pushed = low;
    return is_pair ? 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00) : REPLACEMENT;
}

static bool grow(struct lines *lines)
{
    if (lines->size + 5 <= lines->capacity) return true;
    size_t capacity = lines->capacity == 0 ? 4096 : 2 * lines->capacity;
    char *text = realloc(lines->text, capacity);
    if (text == NULL) return false;
    lines->text = text;
    lines->capacity = capacity;
    return true;
}

static bool add_byte(struct lines *lines, int32_t byte)
{
    lines->full_size += 1;
    if (lines->size >= LINE_SIZE_MAX) return true;
    if (!grow(lines)) return false;
    lines->text[lines->size++] = (char)byte;
    return true;
}

static bool add_character(struct lines *lines, int32_t character)
{
    if (lines->encoding == LINES_UTF8 || character < 0x80) return add_byte(lines, character);
    int rest = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
    static const int32_t firsts[] = {0, 0xc0, 0xe0, 0xf0};
    bool is_kept = add_byte(lines, firsts[rest] | character >> 6 * rest);
    while (is_kept && rest-- > 0) {
        is_kept = add_byte(lines, 0x80 | (character >> 6 * rest & 0x3f));
    }
    return is_kept;
}

/* ---- lines ------------------------------------------------------------------------------------ */

/* Does the line end with this character? The first one that may be an end decides for the file. */
static bool is_end(struct lines *lines, int32_t character)
{
    if (lines->end == LINES_END_UNKNOWN && character == '\r') {
        lines->pushed = next_character(lines);
        lines->end = lines->pushed == '\n' ? LINES_END_LF : LINES_END_CR;
    }
    if (lines->end == LINES_END_UNKNOWN && character == '\n') lines->end = LINES_END_LF;
    return character == (lines->end == LINES_END_CR ? '\r' : '\n');
}

enum lines_result lines_next(struct lines *lines)
{
    int32_t character;
    lines->size = 0;
    lines->full_size = 0;
    errno = 0;
    while ((character = next_character(lines)) != NO_CHARACTER && !is_end(lines, character)) {
        if (!add_character(lines, character)) return LINES_FAILED;
    }
    if (ferror(lines->file)) return LINES_FAILED;
    if (character == NO_CHARACTER && lines->full_size == 0) return LINES_END;
    if (!grow(lines)) return LINES_FAILED;
    while (lines->full_size == (int64_t)lines->size && lines->size > 0 &&
           lines->text[lines->size - 1] == '\r') {
        lines->full_size = (int64_t)--lines->size;
    }
    lines->text[lines->size] = '\0';
    lines->line += 1;
    return LINES_LINE;
}
