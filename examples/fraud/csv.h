#ifndef FRAUD_CSV_H
#define FRAUD_CSV_H

#include <stdio.h>

#include "payment.h"

/**
 * A file of card payments with a header line, in the layout of the well-known Sparkov data. Columns are
 * found by name: cc_num, merchant, category, amt, lat, long, unix_time, merch_lat, merch_long, is_fraud.
 * Fields may be quoted, with commas and doubled quotes inside. A payment's position is its line.
 */
struct csv {
    FILE *file;
    const char *path;
    int64_t line; /* of what was read last; the header is line 1 */
    char *text;   /* of that line, without its end; the library's getline owns it */
    size_t text_capacity;
    size_t text_size;
    int columns[10]; /* field number by column */
    int field_count; /* of the header */
};

/** False with a message in `reason` when the file cannot be read or a column is missing. */
bool csv_open(struct csv *csv, const char *path, char *reason, size_t reason_size);
void csv_close(struct csv *csv);

enum csv_result { CSV_PAYMENT, CSV_BAD, CSV_END, CSV_FAILED };
/** The next line: a payment, or why it is none (`csv->line` and `csv->text` say which). */
enum csv_result csv_next(struct csv *csv, struct payment *payment_out, char *reason,
                         size_t reason_size);

#endif
