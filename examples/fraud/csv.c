#include "csv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    CARD,
    MERCHANT,
    CATEGORY,
    AMOUNT,
    LATITUDE,
    LONGITUDE,
    TIME,
    SHOP_LATITUDE,
    SHOP_LONGITUDE,
    FRAUD,
};
static const struct {
    const char *name;
    const char *takes;
} columns[CSV_COLUMNS] = {
    [CARD] = {"cc_num", "8 to 19 digits"},
    [MERCHANT] = {"merchant", "a text of at most 95 bytes"},
    [CATEGORY] = {"category", "a text of at most 31 bytes"},
    [AMOUNT] = {"amt", "a number from 0 to 1000000000, like 1234.56"},
    [LATITUDE] = {"lat", "degrees from -90 to 90, like 36.07"},
    [LONGITUDE] = {"long", "degrees from -180 to 180, like -81.17"},
    [TIME] = {"unix_time", "seconds since 1970, like 1371816865"},
    [SHOP_LATITUDE] = {"merch_lat", "degrees from -90 to 90, like 36.07"},
    [SHOP_LONGITUDE] = {"merch_long", "degrees from -180 to 180, like -81.17"},
    [FRAUD] = {"is_fraud", "0 or 1"},
};
enum { FIELDS_MAX = 1024, VALUE_SHOWN_MAX = 40 };
enum { QUOTE_OPEN = -1, TOO_MANY_FIELDS = -2 };

/* ---- a line into fields ------------------------------------------------------------------------ */

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

static void trim_end(char *from, char *to)
{
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    *to = '\0';
}

/* Cut a line into its fields, in place. Blanks around a field are not its own, those in quotes are. */
static int split(char *text, char separator, char **fields)
{
    int count = 0;
    char *from = text;
    for (;;) {
        if (separator != '\t') from = (char *)skip_blanks(from);
        char *to = from;
        char *quoted_end = from;
        if (count == FIELDS_MAX) return TOO_MANY_FIELDS;
        char *field = fields[count++] = from;
        if (*from == '"') {
            from++;
            while (!(from[0] == '"' && from[1] != '"')) {
                if (*from == '\0') return QUOTE_OPEN;
                if (from[0] == '"') from++; /* a doubled quote stands for one */
                *to++ = *from++;
            }
            from++;
            quoted_end = to;
        }
        while (*from != separator && *from != '\0')
            *to++ = *from++;
        bool is_last = *from == '\0';
        trim_end(quoted_end > field ? quoted_end : field, to);
        if (is_last) return count;
        from++;
    }
}

/* A copy of the line that was read, to be cut up. */
static bool copy_line(struct csv *csv)
{
    size_t size = csv->lines.size + 1;
    if (size > csv->fields_capacity) {
        char *text = realloc(csv->fields_text, size);
        if (text == NULL) return false;
        csv->fields_text = text;
        csv->fields_capacity = size;
    }
    memcpy(csv->fields_text, csv->lines.text, size);
    return true;
}

/* ---- the header ------------------------------------------------------------------------------- */

/* How many of the columns are among the fields; each one's field number, the last if it is there twice. */
static int find_columns(struct csv *csv, char **fields, int *twice_out)
{
    int found = 0;
    *twice_out = -1;
    for (int column = 0; column < CSV_COLUMNS; column++) {
        csv->columns[column] = -1;
        for (int i = 0; i < csv->field_count; i++) {
            if (strcmp(fields[i], columns[column].name) != 0) continue;
            if (csv->columns[column] >= 0) *twice_out = column;
            csv->columns[column] = i;
        }
        found += csv->columns[column] >= 0;
    }
    return found;
}

/* The separator with which the header has the most of our columns. */
static bool choose_separator(struct csv *csv)
{
    static const char separators[] = {',', ';', '\t', '|'};
    char *fields[FIELDS_MAX];
    int twice, most = -1;
    for (size_t i = 0; i < sizeof separators; i++) {
        if (!copy_line(csv)) return false;
        csv->field_count = split(csv->fields_text, separators[i], fields);
        int found = csv->field_count < 0 ? 0 : find_columns(csv, fields, &twice);
        if (found <= most) continue;
        most = found;
        csv->separator = separators[i];
    }
    return copy_line(csv);
}

static bool read_header(struct csv *csv, char *reason, size_t size)
{
    char *fields[FIELDS_MAX];
    int twice = -1;
    if (!choose_separator(csv) || (csv->header = strdup(csv->lines.text)) == NULL) {
        (void)snprintf(reason, size, "out of memory");
        return false;
    }
    csv->field_count = split(csv->fields_text, csv->separator, fields);
    if (csv->field_count < 0) {
        (void)snprintf(reason, size, "the header line %s",
                       csv->field_count == QUOTE_OPEN ? "has a quote that is not closed"
                                                      : "has more than 1024 fields");
        return false;
    }
    (void)find_columns(csv, fields, &twice);
    for (int column = 0; column < CSV_COLUMNS; column++) {
        if (csv->columns[column] >= 0) continue;
        (void)snprintf(reason, size, "the header line has no column '%s'; it is '%.80s%s'",
                       columns[column].name, csv->header, strlen(csv->header) > 80 ? "…" : "");
        return false;
    }
    if (twice >= 0) {
        (void)snprintf(reason, size,
                       "the header line has column '%s' twice, the second as field %d: rename one",
                       columns[twice].name, csv->columns[twice] + 1);
        return false;
    }
    return true;
}

bool csv_open(struct csv *csv, const char *path, int64_t latest_ms, char *reason,
              size_t reason_size)
{
    char why[256] = "it has no header line";
    *csv = (struct csv){.path = path, .latest_ms = latest_ms};
    if (!lines_open(&csv->lines, path, reason, reason_size)) return false;
    enum lines_result result = lines_next(&csv->lines);
    if (result == LINES_LINE && read_header(csv, why, sizeof why)) return true;
    if (result == LINES_FAILED) (void)snprintf(why, sizeof why, "%s", strerror(errno));
    (void)snprintf(reason, reason_size, "%s: %s", path, why);
    csv_close(csv);
    return false;
}

void csv_close(struct csv *csv)
{
    lines_close(&csv->lines);
    free(csv->header);
    free(csv->fields_text);
    *csv = (struct csv){0};
}

/* ---- fields ----------------------------------------------------------------------------------- */

static size_t count_digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* Decimal digits with a point, perhaps an exponent: what else strtod takes (hexadecimal, inf, nan, the
 * commas of a locale) is a mistake in such a file. */
static bool is_decimal(const char *text)
{
    if (*text == '-' || *text == '+') text++;
    size_t whole = count_digits(text);
    text += whole;
    size_t fraction = *text == '.' ? count_digits(text + 1) : 0;
    if (*text == '.') text += 1 + fraction;
    if (whole + fraction == 0) return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        if (*text == '-' || *text == '+') text++;
        size_t exponent = count_digits(text);
        if (exponent == 0) return false;
        text += exponent;
    }
    return *skip_blanks(text) == '\0';
}

static bool parse_number(const char *text, double from, double to, double *number_out)
{
    text = skip_blanks(text);
    if (!is_decimal(text)) return false;
    double number = strtod(text, NULL);
    if (!(number >= from && number <= to)) return false;
    *number_out = number;
    return true;
}

/* ISO/IEC 7812: 8 to 19 digits. People put blanks or hyphens between them, spreadsheets an apostrophe
 * before them. */
static bool parse_card(const char *text, char *card, size_t size)
{
    size_t digits = 0;
    text = skip_blanks(text);
    if (*text == '\'') text++;
    for (; *text != '\0'; text++) {
        if (*text == ' ' || *text == '-') continue;
        if (*text < '0' || *text > '9' || digits == 19 || digits + 1 >= size) return false;
        card[digits++] = *text;
    }
    card[digits] = '\0';
    return digits >= 8;
}

static bool parse_text(const char *text, char *to, size_t size)
{
    if (strlen(text) >= size) return false;
    memcpy(to, text, strlen(text) + 1);
    return true;
}

/* The column that could not be read, or -1. */
static int parse(const struct csv *csv, char **fields, struct payment *payment)
{
    double seconds, fraud;
#define FIELD(column) fields[csv->columns[column]]
    if (!parse_card(FIELD(CARD), payment->card, sizeof payment->card)) return CARD;
    if (!parse_text(FIELD(MERCHANT), payment->merchant, sizeof payment->merchant)) return MERCHANT;
    if (!parse_text(FIELD(CATEGORY), payment->category, sizeof payment->category)) return CATEGORY;
    if (!parse_number(FIELD(AMOUNT), 0, 1e9, &payment->amount)) return AMOUNT;
    if (!parse_number(FIELD(LATITUDE), -90, 90, &payment->home_latitude)) return LATITUDE;
    if (!parse_number(FIELD(LONGITUDE), -180, 180, &payment->home_longitude)) return LONGITUDE;
    if (!parse_number(FIELD(TIME), 0, 1e15, &seconds)) return TIME;
    if (!parse_number(FIELD(SHOP_LATITUDE), -90, 90, &payment->shop_latitude)) return SHOP_LATITUDE;
    if (!parse_number(FIELD(SHOP_LONGITUDE), -180, 180, &payment->shop_longitude))
        return SHOP_LONGITUDE;
    if (!parse_number(FIELD(FRAUD), 0, 1, &fraud)) return FRAUD;
    payment->time_ms = (int64_t)(seconds * 1000);
    payment->is_fraud = fraud != 0;
    return payment->time_ms > csv->latest_ms ? TIME : -1;
#undef FIELD
}

/* ---- why a line is none ----------------------------------------------------------------------- */

/* What has become of the value, where that can be seen. */
static const char *guess(int column, const char *value, const struct payment *payment)
{
    bool is_number = is_decimal(skip_blanks(value));
    if (column == CARD && is_number && strpbrk(value, ".eE") != NULL)
        return "a spreadsheet has made a number of it: export the column as text";
    if (column == TIME && strpbrk(value, "-:/") != NULL && !is_number)
        return "a date: write it in seconds";
    if (column == TIME && is_number && strtod(value, NULL) >= 1e11) return "milliseconds?";
    if (column == TIME && payment->time_ms > 0) return "more than an hour ahead of the clock";
    if (is_number) return "out of range";
    if (strpbrk(value, "xX") != NULL && value[0] == '0') return "hexadecimal";
    if (strchr(value, ',') != NULL) return "no commas in a number";
    return "not a number";
}

static void explain_column(int column, const char *value, const struct payment *payment,
                           char *reason, size_t size)
{
    bool is_text = column == MERCHANT || column == CATEGORY;
    bool is_cut = strlen(value) > VALUE_SHOWN_MAX;
    const char *hint = is_text || *value == '\0' ? NULL : guess(column, value, payment);
    if (column == CARD && hint != NULL && strncmp(hint, "a spread", 8) != 0) hint = NULL;
    (void)snprintf(reason, size, "%s is '%.*s%s'%s%s%s; it takes %s", columns[column].name,
                   VALUE_SHOWN_MAX, value, is_cut ? "…" : "", hint != NULL ? " (" : "",
                   hint != NULL ? hint : "", hint != NULL ? ")" : "", columns[column].takes);
}

static void explain_count(const struct csv *csv, int count, char *reason, size_t size)
{
    if (count == QUOTE_OPEN) {
        (void)snprintf(reason, size,
                       "a quote is not closed in the line; a field must not have line breaks");
    } else if (count == TOO_MANY_FIELDS) {
        (void)snprintf(reason, size, "more than %d fields, the header has %d", FIELDS_MAX,
                       csv->field_count);
    } else {
        const char *hint =
            count > csv->field_count ? ": is one with a separator in it not quoted?" : "";
        (void)snprintf(reason, size, "%d fields, the header has %d%s", count, csv->field_count,
                       hint);
    }
}

/* ---- the next one ----------------------------------------------------------------------------- */

static enum csv_result read_payment(struct csv *csv, struct payment *payment, char *reason,
                                    size_t size)
{
    char *fields[FIELDS_MAX];
    const struct lines *lines = &csv->lines;
    *payment = (struct payment){.position = lines->line};
    if (lines->full_size > (int64_t)lines->size) {
        (void)snprintf(reason, size, "a line of %" PRId64 " bytes, more than %d", lines->full_size,
                       LINE_SIZE_MAX);
        return CSV_BAD;
    }
    if (strlen(lines->text) != lines->size) {
        (void)snprintf(reason, size, "a NUL byte in the line");
        return CSV_BAD;
    }
    if (strcmp(lines->text, csv->header) == 0) {
        (void)snprintf(reason, size, "the header line once more");
        return CSV_BAD;
    }
    int count = split(csv->fields_text, csv->separator, fields);
    if (count != csv->field_count) {
        explain_count(csv, count, reason, size);
        return CSV_BAD;
    }
    int column = parse(csv, fields, payment);
    if (column < 0) return CSV_PAYMENT;
    explain_column(column, fields[csv->columns[column]], payment, reason, size);
    return CSV_BAD;
}

static bool is_empty(const struct lines *lines)
{
    return lines->full_size == (int64_t)lines->size && strspn(lines->text, " \t") == lines->size;
}

enum csv_result csv_next(struct csv *csv, struct payment *payment_out, char *reason,
                         size_t reason_size)
{
    enum lines_result result;
    do {
        result = lines_next(&csv->lines);
    } while (result == LINES_LINE && is_empty(&csv->lines));
    if (result == LINES_END) return CSV_END;
    if (result == LINES_LINE && copy_line(csv)) {
        return read_payment(csv, payment_out, reason, reason_size);
    }
    (void)snprintf(reason, reason_size, "%s: line %" PRId64 ": %s", csv->path, csv->lines.line + 1,
                   strerror(errno != 0 ? errno : ENOMEM));
    return CSV_FAILED;
}
