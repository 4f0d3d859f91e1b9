#include "cli/lag.h"

#include <inttypes.h>
#include <stdio.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

/* Over this no date is meant any more: 1,000 years. */
#define CATCH_UP_MAX_MS 3.2e13

struct lag_trend lag_trend_of(const struct lag_sample *first, const struct lag_sample *now)
{
    struct lag_trend trend = {.outlook = LAG_NOT_KNOWN_YET};
    int64_t lag = now->end - now->committed;
    double seconds = (double)(now->at_ms - first->at_ms) / SECOND;
    if (seconds > 0) {
        trend.has_rates = true;
        trend.read_rate = (double)(now->committed - first->committed) / seconds;
        trend.write_rate = (double)(now->end - first->end) / seconds;
    }
    double gain = trend.read_rate - trend.write_rate;
    if (lag <= 0) {
        trend.outlook = LAG_CAUGHT_UP;
    } else if (seconds <= 0) {
        trend.outlook = LAG_NOT_KNOWN_YET;
    } else if (gain > 0 && (double)lag / gain * SECOND < CATCH_UP_MAX_MS) {
        trend.outlook = LAG_CATCHES_UP;
        trend.catch_up_ms = (int64_t)((double)lag / gain * SECOND);
    } else {
        trend.outlook = gain < 0 ? LAG_FALLS_BEHIND : LAG_STANDS;
    }
    return trend;
}

/* Two units: the larger one that fits, and the next. */
static void print_pair(char to[LAG_TEXT_SIZE], int64_t ms, int64_t large, char large_letter,
                       int64_t small, char small_letter)
{
    (void)snprintf(to, LAG_TEXT_SIZE, "%" PRId64 "%c %" PRId64 "%c", ms / large, large_letter,
                   ms % large / small, small_letter);
}

const char *lag_time_text(char to[LAG_TEXT_SIZE], int64_t ms)
{
    if (ms < 0) {
        (void)snprintf(to, LAG_TEXT_SIZE, "-");
    } else if (ms == 0) {
        (void)snprintf(to, LAG_TEXT_SIZE, "0 s");
    } else if (ms < SECOND) {
        (void)snprintf(to, LAG_TEXT_SIZE, "%" PRId64 " ms", ms);
    } else if (ms < MINUTE) {
        (void)snprintf(to, LAG_TEXT_SIZE, "%" PRId64 ".%" PRId64 " s", ms / SECOND,
                       ms % SECOND / 100);
    } else if (ms < HOUR) {
        print_pair(to, ms, MINUTE, 'm', SECOND, 's');
    } else if (ms < DAY) {
        print_pair(to, ms, HOUR, 'h', MINUTE, 'm');
    } else {
        print_pair(to, ms, DAY, 'd', HOUR, 'h');
    }
    return to;
}

const char *lag_outlook_text(char to[LAG_TEXT_SIZE], const struct lag_trend *trend)
{
    char time[LAG_TEXT_SIZE];
    switch (trend->outlook) {
    case LAG_CAUGHT_UP:
        return "caught up";
    case LAG_CATCHES_UP:
        (void)snprintf(to, LAG_TEXT_SIZE, "in %.28s", lag_time_text(time, trend->catch_up_ms));
        return to;
    case LAG_STANDS:
        return "stands";
    case LAG_FALLS_BEHIND:
        return "falls behind";
    case LAG_NOT_KNOWN_YET:
        break;
    }
    return "-";
}
