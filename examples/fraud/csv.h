#ifndef FRAUD_CSV_H
#define FRAUD_CSV_H

#include "lines.h"
#include "payment.h"

/**
 * A file of card payments with a header line, in the layout of the well-known Sparkov data. Columns are
 * found by name: cc_num, merchant, category, amt, lat, long, unix_time, merch_lat, merch_long, is_fraud.
 * Fields are separated by commas, semicolons, tabs or bars, whichever the header has; they may be quoted,
 * with separators and doubled quotes inside, and have blanks around them. Empty lines are passed over. A
 * payment's position is its line.
 */
enum { CSV_COLUMNS = 10 };

struct csv {
    struct lines lines; /* file NULL: not open */
    const char *path;
    int64_t latest_ms;        /* a payment dated later is none; see csv_open */
    char separator;           /* of the header */
    int columns[CSV_COLUMNS]; /* field number by column */
    int field_count;          /* of the header */
    char *header;             /* that line */
    char *fields_text;        /* the line that was read last, cut up */
    size_t fields_capacity;
};

/**
 * False with a message in `reason` when the file cannot be read, or a column is missing or there twice.
 * Payments that are dated after `latest_ms`, Unix time, are bad lines: no topic would take them.
 */
bool csv_open(struct csv *csv, const char *path, int64_t latest_ms, char *reason,
              size_t reason_size);
void csv_close(struct csv *csv);

enum csv_result { CSV_PAYMENT, CSV_BAD, CSV_END, CSV_FAILED };
/** The next line that is not empty: a payment, or why it is none (`csv->lines` has the line): the column,
 * what stands there and what would be right. */
enum csv_result csv_next(struct csv *csv, struct payment *payment_out, char *reason,
                         size_t reason_size);

#endif
