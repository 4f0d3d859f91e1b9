#ifndef FRAUD_REPORT_H
#define FRAUD_REPORT_H

#include "payment.h"

/**
 * What a person sees while the job runs: samples of the alerts as they come, and how it goes. On a
 * terminal a small table that is redrawn in place, otherwise a plain line each second. Payments and
 * alerts are counted as the topics have them, earlier runs included.
 */
struct report {
    struct weir_streams *job; /* NULL once it is closed: `metrics` are its last ones */
    struct weir_streams_metrics metrics;
    struct weir_consumer *alerts;
    bool is_terminal;
    int64_t started_ms, drawn_ms;
    int64_t payments, drawn_payments;
    int64_t rate; /* payments per second between the last two looks that were far enough apart */
    int64_t alert_count;
    int64_t shown_count, shown_second;
    bool has_table; /* it stands on the screen: go up before drawing it again */
};

/** `job` is about to run, and the log has `payments` already. */
int report_open(struct report *report, struct weir_log *log, int64_t payments,
                struct weir_error *error);
/** The job is about to be closed. */
void report_forget_job(struct report *report);
/** Wait up to `wait_ms` for alerts, show what there is to show; the log has `payments` by now. */
int report_step(struct report *report, int64_t payments, int64_t wait_ms, struct weir_error *error);
/** The last state of things, and leave the table standing. After the job, so that its last alerts count. */
int report_close(struct report *report, struct weir_error *error);

int64_t now_ms(void); /* monotonic */

#endif
