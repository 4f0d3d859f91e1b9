#ifndef WEIR_TESTS_OPERATORS_WINDOW_MODEL_H
#define WEIR_TESTS_OPERATORS_WINDOW_MODEL_H

#include <stdbool.h>
#include <stdint.h>

/**
 * Windows written to be obviously right: counts of one partition's records, lists, nothing is fast.
 *
 * Time windows and sessions follow the rules record by record (STREAMS.md W1, W3). Sliding windows follow
 * their definition: those that end with a record, and those that begin right behind one and are not empty;
 * what is in them is counted anew each time. That knows no lateness: give it all the grace there is, or
 * records in order.
 */
enum window_kind { WINDOW_TIME, WINDOW_SESSION, WINDOW_SLIDING };

struct window_shape {
    enum window_kind kind;
    int64_t size_ms; /* of a time window; the difference; the gap */
    int64_t advance_ms;
    int64_t grace_ms;
};

enum { MODEL_ROWS = 1024, MODEL_RECORDS = 256 };

struct model_row {
    int key;
    int64_t start_ms;
    int64_t end_ms;
    int64_t count; /* 0: gone */
    bool is_closed;
};

struct window_model {
    struct window_shape shape;
    struct model_row rows[MODEL_ROWS];
    int row_count;
    struct {
        int key;
        int64_t timestamp_ms;
    } records[MODEL_RECORDS];
    int record_count;
    int64_t observed_ms;
    int64_t late;
};

void model_init(struct window_model *model, const struct window_shape *shape);
void model_feed(struct window_model *model, int key, int64_t timestamp_ms);
/** The row of a window; NULL: there is none. */
struct model_row *model_find(struct window_model *model, int key, int64_t start_ms, int64_t end_ms);
/** No record changes it any more, so far as `observed_ms` says. */
bool model_has_closed(const struct window_model *model, const struct model_row *row);

#endif
