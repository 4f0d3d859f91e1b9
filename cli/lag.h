#ifndef WEIR_CLI_LAG_H
#define WEIR_CLI_LAG_H

#include <stdbool.h>
#include <stdint.h>

/**
 * How far a group is behind, and when it will have caught up: from two looks at it, by arithmetic alone.
 *
 *     end ──────────────/ written, records a second
 *                     / ·
 *     committed ───/    ·  lag now; it is gone in lag / (read - written) seconds,
 *                 / read·  if more is read than written
 *     ───────────┴──────┴──> time
 *                first  now
 */
struct lag_sample {
    int64_t at_ms; /* any clock that goes forward */
    int64_t committed;
    int64_t end;
};

enum lag_outlook {
    LAG_CAUGHT_UP,     /* there is nothing to catch up with */
    LAG_CATCHES_UP,    /* in `catch_up_ms` at these rates */
    LAG_STANDS,        /* as much is read as is written, or nothing of either */
    LAG_FALLS_BEHIND,  /* more is written than is read */
    LAG_NOT_KNOWN_YET, /* one look is not enough */
};

struct lag_trend {
    bool has_rates; /* two looks, with time between */
    double read_rate; /* records a second */
    double write_rate;
    enum lag_outlook outlook;
    int64_t catch_up_ms;
};

/** `first` may be the same look as `now`. A place that was reset back reads at a negative rate. */
struct lag_trend lag_trend_of(const struct lag_sample *first, const struct lag_sample *now);

enum { LAG_TEXT_SIZE = 32 };
/** A time for people: "0 s", "85 ms", "3.4 s", "5m 12s", "2h 3m", "4d 1h"; "-" if it is not known (negative). */
const char *lag_time_text(char to[LAG_TEXT_SIZE], int64_t ms);
/** "caught up", "in 5m 12s", "stands", "falls behind", "-". */
const char *lag_outlook_text(char to[LAG_TEXT_SIZE], const struct lag_trend *trend);

#endif
