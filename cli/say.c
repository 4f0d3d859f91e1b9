#include "cli/say.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/grow.h"
#include "base/utf8.h"
#include "cli/cli.h"

/* ---- sentences ------------------------------------------------------------------------------- */

int say_failure(const struct weir_error *error, const char *next, ...)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "weir: %s\n", error->text);
    if (next == NULL) return CLI_FAILED;
    va_list args;
    va_start(args, next);
    (void)fputs("      ", stderr);
    (void)vfprintf(stderr, next, args);
    (void)fputc('\n', stderr);
    va_end(args);
    return CLI_FAILED;
}

int say_usage(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fputs("weir: ", stderr);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fprintf(stderr, "\n      see 'weir help%s%s'\n", command != NULL ? " " : "",
                  command != NULL ? command : "");
    return CLI_USAGE;
}

void say_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
}

/* The write that failed may be long past, and its reason with it; a pipe without a reader tells. */
static bool reader_has_gone(void)
{
    struct pollfd ask = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&ask, 1, 0) > 0 && (ask.revents & POLLERR) != 0;
}

int say_flush(void)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return CLI_OK;
    int reason = errno;
    if (reason == EPIPE || reader_has_gone()) return CLI_OK;
    (void)fprintf(stderr, "weir: write to stdout: %s\n",
                  reason != 0 ? strerror(reason) : "not everything could be written");
    return CLI_FAILED;
}

bool say_is_broken(void)
{
    return ferror(stdout) != 0;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void add_cell(struct say_table *table, char *text)
{
    if (text != NULL && table->cell_count == table->capacity) {
        size_t capacity = weir_grown(table->capacity, 64);
        char **cells = realloc(table->cells, capacity * sizeof *cells);
        if (cells == NULL) {
            free(text);
            text = NULL;
        } else {
            table->cells = cells;
            table->capacity = capacity;
        }
    }
    if (text == NULL) {
        table->failed = true;
        return;
    }
    table->cells[table->cell_count++] = text;
}

void say_table_begin(struct say_table *table, const char *columns)
{
    *table = (struct say_table){0};
    for (const char *at = columns; at != NULL;) {
        size_t size = strcspn(at, "|");
        bool is_right = *at == '>';
        table->is_right[table->column_count++] = is_right;
        add_cell(table, strndup(at + is_right, size - is_right));
        at = at[size] == '|' ? at + size + 1 : NULL;
    }
}

void say_table_cell(struct say_table *table, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0) text = NULL;
    va_end(args);
    add_cell(table, text);
}

void say_table_number(struct say_table *table, int64_t number)
{
    if (number < 0) {
        say_table_cell(table, "-");
    } else {
        say_table_cell(table, "%" PRId64, number);
    }
}

static void find_widths(const struct say_table *table, size_t widths[SAY_TABLE_COLUMNS_MAX])
{
    memset(widths, 0, SAY_TABLE_COLUMNS_MAX * sizeof *widths);
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t size = strlen(table->cells[i]);
        size_t column = i % table->column_count;
        if (size > widths[column]) widths[column] = size;
    }
}

/* A name is cut as far as this, and no column farther than its head. */
enum { CUT_TO_MIN = 8 };

static size_t *widest_to_cut(const struct say_table *table, size_t widths[SAY_TABLE_COLUMNS_MAX])
{
    size_t *widest = NULL;
    for (size_t c = 0; c < table->column_count; c++) {
        size_t head = strlen(table->cells[c]);
        size_t least = head > CUT_TO_MIN ? head : CUT_TO_MIN;
        if (table->is_right[c] || widths[c] <= least) continue;
        if (widest == NULL || widths[c] > *widest) widest = &widths[c];
    }
    return widest;
}

void say_table_fit(struct say_table *table, size_t width)
{
    size_t widths[SAY_TABLE_COLUMNS_MAX];
    size_t total = 0;
    if (width == 0 || table->failed) return;
    find_widths(table, widths);
    for (size_t c = 0; c < table->column_count; c++) {
        total += widths[c] + (c > 0 ? 2 : 0);
    }
    for (size_t *cut = widths; total > width && cut != NULL; total--) {
        cut = widest_to_cut(table, widths);
        if (cut != NULL) --*cut;
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t most = widths[i % table->column_count];
        if (strlen(table->cells[i]) > most) memcpy(table->cells[i] + most - 1, "~", 2);
    }
}

void say_terminal_size(size_t *width_out, size_t *height_out)
{
    struct winsize size = {0};
    bool is_known = isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    *width_out = is_known ? size.ws_col : 0;
    *height_out = is_known ? size.ws_row : 0;
}

static bool wants_bold(void)
{
    const char *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL && term != NULL &&
           strcmp(term, "dumb") != 0;
}

/* No blanks at the end of a line: what is empty there is not printed, what is last not filled up. */
static void print_row(const struct say_table *table, size_t from, const size_t *widths, int indent)
{
    size_t count = table->column_count;
    while (count > 1 && table->cells[from + count - 1][0] == '\0') {
        count--;
    }
    printf("%*s", indent, "");
    for (size_t c = 0; c < count; c++) {
        bool is_last = c + 1 == count;
        int width = table->is_right[c] ? (int)widths[c] : is_last ? 0 : -(int)widths[c];
        printf("%s%*s", c == 0 ? "" : "  ", width, table->cells[from + c]);
    }
}

void say_table_drop(struct say_table *table)
{
    for (size_t i = 0; i < table->cell_count; i++) {
        free(table->cells[i]);
    }
    free(table->cells);
    *table = (struct say_table){0};
}

void say_table_end(struct say_table *table, int indent)
{
    size_t widths[SAY_TABLE_COLUMNS_MAX];
    size_t columns = table->column_count;
    find_widths(table, widths);
    bool is_bold = wants_bold();
    for (size_t row = 0; row + columns <= table->cell_count; row += columns) {
        if (row == 0 && is_bold) (void)fputs("\033[1m", stdout);
        print_row(table, row, widths, indent);
        (void)puts(row == 0 && is_bold ? "\033[0m" : "");
    }
    if (table->failed) say_note("weir: out of memory: the table is not complete");
    say_table_drop(table);
}

/* ---- values ---------------------------------------------------------------------------------- */

const char *say_size(char to[24], int64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        (void)snprintf(to, 24, "%" PRId64 " B", bytes);
        return to;
    }
    double value = (double)bytes / 1024;
    size_t unit = 0;
    while (value >= 1023.95 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(to, 24, "%.1f %s", value, units[unit]);
    return to;
}

static bool is_plain(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./:@%+=,~[]-";
    return word[0] != '\0' && strspn(word, plain) == strlen(word);
}

const char *say_word(char *to, size_t size, const char *word)
{
    size_t at = 0;
    if (is_plain(word)) {
        (void)snprintf(to, size, "%s", word);
        return to;
    }
    to[at++] = '\'';
    for (; *word != '\0' && at + 6 < size; word++) {
        bool is_quote = *word == '\'';
        at += (size_t)snprintf(to + at, size - at, is_quote ? "'\\''" : "%c", *word);
    }
    (void)snprintf(to + at, size - at, "'");
    return to;
}

static void json_ascii(FILE *to, uint8_t c)
{
    switch (c) {
    case '"':
    case '\\':
        (void)fprintf(to, "\\%c", c);
        break;
    case '\n':
        (void)fputs("\\n", to);
        break;
    case '\r':
        (void)fputs("\\r", to);
        break;
    case '\t':
        (void)fputs("\\t", to);
        break;
    default:
        if (c < 0x20 || c == 0x7f) {
            (void)fprintf(to, "\\u%04x", c);
        } else {
            (void)fputc(c, to);
        }
    }
}

void say_json_text(FILE *to, struct weir_slice text)
{
    (void)fputc('"', to);
    for (size_t i = 0; i < text.size;) {
        size_t size = weir_utf8_size(weir_slice(text.data + i, text.size - i));
        if (size == 1) {
            json_ascii(to, text.data[i]);
        } else if (size == 0) {
            (void)fputs("\\ufffd", to);
            size = 1;
        } else {
            (void)fwrite(text.data + i, 1, size, to);
        }
        i += size;
    }
    (void)fputc('"', to);
}

void say_json_number(FILE *to, int64_t number)
{
    if (number < 0) {
        (void)fputs("null", to);
    } else {
        (void)fprintf(to, "%" PRId64, number);
    }
}
