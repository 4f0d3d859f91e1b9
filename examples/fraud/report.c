#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SHOWN_PER_SECOND = 3, TABLE_LINES = 4, DRAW_MS = 250, LINE_MS = 1000 };

int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Those of earlier runs: offsets do not tell, for markers of commits take some. */
static int count_alerts(struct report *report, struct weir_error *error)
{
    struct weir_batch_view batch;
    int rc;
    while ((rc = weir_consumer_poll(report->alerts, 0, &batch, error)) == 0) {
        report->alert_count += (int64_t)batch.record_count;
    }
    return rc < 0 ? rc : 0;
}

int report_open(struct report *report, struct weir_log *log, int64_t payments,
                struct weir_error *error)
{
    *report = (struct report){
        .is_terminal = isatty(STDOUT_FILENO),
        .started_ms = now_ms(),
        .payments = payments,
        .drawn_payments = payments,
    };
    report->drawn_ms = report->started_ms;
    report->alerts = weir_consumer_new(log, NULL, error);
    if (report->alerts == NULL) return error->code;
    int rc = weir_consumer_assign(report->alerts, "alerts", 0, WEIR_POSITION_BEGINNING, error);
    return rc < 0 ? rc : count_alerts(report, error);
}

void report_forget_job(struct report *report)
{
    if (report->job != NULL) weir_streams_metrics(report->job, &report->metrics);
    report->job = NULL;
}

/* "12.3 MB" */
static const char *bytes_text(char *to, size_t size, int64_t bytes)
{
    if (bytes < 1000000) {
        (void)snprintf(to, size, "%" PRId64 " kB", (bytes + 999) / 1000);
    } else {
        (void)snprintf(to, size, "%.1f MB", (double)bytes / 1e6);
    }
    return to;
}

static void clear_table(struct report *report)
{
    if (!report->has_table) return;
    printf("\033[%dA\033[J", TABLE_LINES);
    report->has_table = false;
}

/* The text of `"name":"…"` in an alert of ours, which has no escapes; "" if it is not there. */
static const char *text_member(const char *json, const char *name, char *to, size_t size)
{
    char quoted[32];
    (void)snprintf(quoted, sizeof quoted, "\"%s\":\"", name);
    const char *from = strstr(json, quoted);
    from = from == NULL ? "" : from + strlen(quoted);
    (void)snprintf(to, size, "%.*s", (int)strcspn(from, "\""), from);
    return to;
}

static void show_alert(struct report *report, const struct weir_record *record)
{
    int64_t second = (now_ms() - report->started_ms) / 1000;
    report->alert_count += 1;
    if (second != report->shown_second) {
        report->shown_second = second;
        report->shown_count = 0;
    }
    if (report->shown_count++ >= SHOWN_PER_SECOND) return;
    char json[1024], rule[20], card[24], reason[100];
    (void)snprintf(json, sizeof json, "%.*s", (int)record->value.size,
                   (const char *)record->value.data);
    clear_table(report);
    printf("sample alert  %-17s card %-19s  %s\n", text_member(json, "rule", rule, sizeof rule),
           text_member(json, "card", card, sizeof card),
           text_member(json, "reason", reason, sizeof reason));
}

static void draw(struct report *report, int64_t now)
{
    char state[32];
    if (report->job != NULL) weir_streams_metrics(report->job, &report->metrics);
    const struct weir_streams_metrics metrics = report->metrics;
    int64_t elapsed = now - report->drawn_ms;
    if (elapsed >= DRAW_MS) {
        report->rate = (report->payments - report->drawn_payments) * 1000 / elapsed;
        report->drawn_ms = now;
        report->drawn_payments = report->payments;
    }
    int64_t rate = report->rate;
    (void)bytes_text(state, sizeof state, metrics.state_bytes);
    if (!report->is_terminal) {
        printf("running  payments_per_second=%" PRId64 " payments=%" PRId64 " alerts=%" PRId64
               " lag=%" PRId64 " state=\"%s\" commits=%" PRId64 "\n",
               rate, report->payments, report->alert_count, metrics.records_lag, state,
               metrics.commits);
    } else {
        clear_table(report);
        printf("\n  payments/s  %10" PRId64 "    payments  %12" PRId64 "\n"
               "  alerts      %10" PRId64 "    state     %12s\n"
               "  lag         %10" PRId64 "    commits   %12" PRId64 ", p99 %.0f ms\n",
               rate, report->payments, report->alert_count, state, metrics.records_lag,
               metrics.commits, (double)metrics.commit_p99_us / 1000);
        report->has_table = true;
    }
    (void)fflush(stdout);
}

int report_step(struct report *report, int64_t payments, int64_t wait_ms, struct weir_error *error)
{
    report->payments = payments;
    struct weir_batch_view batch;
    int rc;
    while ((rc = weir_consumer_poll(report->alerts, wait_ms, &batch, error)) == 0) {
        for (size_t i = 0; i < batch.record_count; i++)
            show_alert(report, &batch.records[i]);
        wait_ms = 0;
    }
    if (rc < 0) return rc;
    int64_t now = now_ms();
    bool is_hidden = report->is_terminal && !report->has_table; /* samples took its place */
    if (is_hidden || now - report->drawn_ms >= (report->is_terminal ? DRAW_MS : LINE_MS)) {
        draw(report, now);
    }
    return report->job != NULL ? weir_streams_error(report->job, error) : 0;
}

int report_close(struct report *report, struct weir_error *error)
{
    int rc = report_step(report, report->payments, 0, error);
    draw(report, now_ms());
    report->has_table = false;
    int closed = weir_consumer_close(report->alerts, rc == 0 ? error : NULL);
    return rc < 0 ? rc : closed;
}
