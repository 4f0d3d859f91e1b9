#ifndef FRAUD_REPORT_H
#define FRAUD_REPORT_H

#include "payment.h"

/**
 * What a person sees while the job runs: the first alerts as they come, and how it goes. On a terminal
 * a small table that is redrawn in place, otherwise a plain line each second.
 */
struct report {
    struct weir_streams *job;
    struct weir_consumer *alerts;
    bool is_terminal;
    int64_t started_ms, drawn_ms;
    int64_t payments, drawn_payments; /* brought by this run */
    int64_t alert_count;
    int64_t shown_count, shown_second;
    bool has_table; /* it stands on the screen: go up before drawing it again */
};

int report_open(struct report *report, struct weir_log *log, struct weir_streams *job,
                struct weir_error *error);
/** Wait up to `wait_ms` for alerts, show what there is to show; `payments` were brought so far. */
int report_step(struct report *report, int64_t payments, int64_t wait_ms, struct weir_error *error);
/** The last state of things, and leave the table standing. */
int report_close(struct report *report, struct weir_error *error);

int64_t now_ms(void); /* monotonic */

#endif
