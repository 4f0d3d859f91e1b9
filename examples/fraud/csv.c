#include "csv.h"

#include <errno.h>
#include <math.h>
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
    COLUMNS
};
static const char *const names[COLUMNS] = {
    "cc_num", "merchant",  "category",  "amt",        "lat",
    "long",   "unix_time", "merch_lat", "merch_long", "is_fraud",
};
enum { FIELDS_MAX = 64 };

/* Cut a line into its fields, in place. -1: a quote is not closed, -2: too many fields. */
static int split(char *text, char **fields)
{
    int count = 0;
    char *from = text;
    for (;;) {
        char *to = from;
        if (count == FIELDS_MAX) return -2;
        fields[count++] = from;
        if (*from == '"') {
            from++;
            while (!(from[0] == '"' && from[1] != '"')) {
                if (*from == '\0') return -1;
                if (from[0] == '"') from++; /* a doubled quote stands for one */
                *to++ = *from++;
            }
            from++;
        }
        while (*from != ',' && *from != '\0')
            *to++ = *from++;
        bool is_last = *from == '\0';
        *to = '\0';
        if (is_last) return count;
        from++;
    }
}

/* Read a line into csv->text and a copy to be cut up. */
static bool read_line(struct csv *csv)
{
    ssize_t size = getline(&csv->text, &csv->text_capacity, csv->file);
    if (size < 0) return false;
    while (size > 0 && (csv->text[size - 1] == '\n' || csv->text[size - 1] == '\r'))
        size--;
    csv->text[size] = '\0';
    csv->text_size = (size_t)size;
    csv->line += 1;
    return true;
}

bool csv_open(struct csv *csv, const char *path, char *reason, size_t reason_size)
{
    char *fields[FIELDS_MAX];
    *csv = (struct csv){.file = fopen(path, "r"), .path = path};
    if (csv->file == NULL || !read_line(csv)) {
        (void)snprintf(reason, reason_size, "%s: %s", path,
                       csv->file == NULL ? strerror(errno) : "it has no header line");
        csv_close(csv);
        return false;
    }
    csv->field_count = split(csv->text, fields);
    for (int column = 0; column < COLUMNS; column++) {
        csv->columns[column] = -1;
        for (int i = 0; i < csv->field_count; i++) {
            if (strcmp(fields[i], names[column]) == 0) csv->columns[column] = i;
        }
        if (csv->columns[column] < 0) {
            (void)snprintf(reason, reason_size, "%s: the header line has no column '%s'", path,
                           names[column]);
            csv_close(csv);
            return false;
        }
    }
    return true;
}

void csv_close(struct csv *csv)
{
    if (csv->file != NULL) (void)fclose(csv->file);
    free(csv->text);
    *csv = (struct csv){0};
}

/* ---- fields ------------------------------------------------------------------------------------- */

static bool parse_number(const char *text, double from, double to, double *number_out)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(number) || number < from || number > to)
        return false;
    *number_out = number;
    return true;
}

/* ISO/IEC 7812: 8 to 19 digits. */
static bool parse_card(const char *text, char *card, size_t size)
{
    size_t digits = strspn(text, "0123456789");
    if (text[digits] != '\0' || digits < 8 || digits > 19) return false;
    (void)snprintf(card, size, "%s", text);
    return true;
}

/* The column that could not be read, or -1. */
static int parse(struct csv *csv, char **fields, struct payment *payment)
{
    double seconds, fraud;
#define FIELD(column) fields[csv->columns[column]]
    if (!parse_card(FIELD(CARD), payment->card, sizeof payment->card)) return CARD;
    if (strlen(FIELD(MERCHANT)) >= sizeof payment->merchant) return MERCHANT;
    if (strlen(FIELD(CATEGORY)) >= sizeof payment->category) return CATEGORY;
    strcpy(payment->merchant, FIELD(MERCHANT));
    strcpy(payment->category, FIELD(CATEGORY));
    if (!parse_number(FIELD(AMOUNT), 0, 1e9, &payment->amount)) return AMOUNT;
    if (!parse_number(FIELD(LATITUDE), -90, 90, &payment->home_latitude)) return LATITUDE;
    if (!parse_number(FIELD(LONGITUDE), -180, 180, &payment->home_longitude)) return LONGITUDE;
    if (!parse_number(FIELD(TIME), 0, 1e11, &seconds)) return TIME;
    if (!parse_number(FIELD(SHOP_LATITUDE), -90, 90, &payment->shop_latitude)) return SHOP_LATITUDE;
    if (!parse_number(FIELD(SHOP_LONGITUDE), -180, 180, &payment->shop_longitude))
        return SHOP_LONGITUDE;
    if (!parse_number(FIELD(FRAUD), 0, 1, &fraud)) return FRAUD;
    payment->time_ms = (int64_t)(seconds * 1000);
    payment->is_fraud = fraud != 0;
    return -1;
#undef FIELD
}

enum csv_result csv_next(struct csv *csv, struct payment *payment_out, char *reason,
                         size_t reason_size)
{
    char *fields[FIELDS_MAX];
    if (!read_line(csv)) {
        if (!ferror(csv->file)) return CSV_END;
        (void)snprintf(reason, reason_size, "%s: line %lld: %s", csv->path,
                       (long long)csv->line + 1, strerror(errno));
        return CSV_FAILED;
    }
    char *copy = strdup(csv->text);
    if (copy == NULL) {
        (void)snprintf(reason, reason_size, "out of memory");
        return CSV_FAILED;
    }
    enum csv_result result = CSV_BAD;
    int count = split(copy, fields);
    *payment_out = (struct payment){.position = csv->line};
    if (strlen(csv->text) != csv->text_size) {
        (void)snprintf(reason, reason_size, "a NUL byte in the line");
    } else if (count == -1) {
        (void)snprintf(reason, reason_size, "a quote is not closed");
    } else if (count != csv->field_count) {
        (void)snprintf(reason, reason_size, "%d fields, the header has %d",
                       count < 0 ? FIELDS_MAX + 1 : count, csv->field_count);
    } else {
        int column = parse(csv, fields, payment_out);
        if (column < 0) {
            result = CSV_PAYMENT;
        } else {
            (void)snprintf(reason, reason_size, "%s is '%.40s'", names[column],
                           fields[csv->columns[column]]);
        }
    }
    free(copy);
    return result;
}
