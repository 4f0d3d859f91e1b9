#include "cli/offset_range.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"

enum { TEXT_MAX = 128 };

static int refuse(const char *text, const char *why, struct weir_error *error)
{
    return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                          "offset '%.100s': %s; it takes start, end, 5, +5, -5, 5:9, :end, "
                          "@2026-01-31, @-1h:end ('weir help consume' has all of it)",
                          text, why);
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* All of `text`, which ends at `size`, is digits. */
static bool parse_number(const char *text, size_t size, int64_t *value_out)
{
    int64_t value = 0;
    if (size == 0) return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        if (__builtin_mul_overflow(value, 10, &value)) return false;
        if (__builtin_add_overflow(value, text[i] - '0', &value)) return false;
    }
    *value_out = value;
    return true;
}

static bool is_word(const char *text, size_t size, const char *word)
{
    return strlen(word) == size && memcmp(text, word, size) == 0;
}

static bool parse_edge(const char *text, size_t size, struct offset_point *point_out)
{
    static const struct {
        const char *word;
        enum offset_kind kind;
    } words[] = {
        {"start", OFFSET_START},    {"oldest", OFFSET_START}, {"beginning", OFFSET_START},
        {"earliest", OFFSET_START}, {"end", OFFSET_END},      {"newest", OFFSET_END},
        {"latest", OFFSET_END},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!is_word(text, size, words[i].word)) continue;
        *point_out = (struct offset_point){.kind = words[i].kind};
        return true;
    }
    return false;
}

static bool parse_point(const char *text, size_t size, struct offset_point *point_out)
{
    struct offset_point point = {.kind = OFFSET_EXACT};
    if (parse_edge(text, size, point_out)) return true;
    if (size > 0 && (text[0] == '+' || text[0] == '-')) {
        point.kind = text[0] == '+' ? OFFSET_FROM_START : OFFSET_FROM_END;
        text++;
        size--;
    }
    if (!parse_number(text, size, &point.value)) return false;
    *point_out = point;
    return true;
}

/* ---- times ----------------------------------------------------------------------------------- */

static const struct {
    const char *unit;
    double ms;
} units[] = {
    /* the longer word first where one begins with another */
    {"ns", 1e-6}, {"us", 1e-3}, {"ms", 1},     {"hr", 3600e3},
    {"s", 1e3},   {"m", 60e3},  {"h", 3600e3}, {"d", 86400e3},
};

/* "1h30m", "-2.5s". */
static bool parse_duration(const char *text, size_t size, int64_t *ms_out)
{
    const char *at = text;
    const char *end = text + size;
    double total = 0;
    double sign = 1;
    if (at < end && (*at == '-' || *at == '+')) sign = *at++ == '-' ? -1 : 1;
    if (at == end) return false;
    while (at < end) {
        char *behind;
        if (!isdigit((unsigned char)*at)) return false;
        double value = strtod(at, &behind);
        size_t unit = 0;
        for (; unit < sizeof units / sizeof units[0]; unit++) {
            size_t length = strlen(units[unit].unit);
            if ((size_t)(end - behind) < length) continue;
            if (memcmp(behind, units[unit].unit, length) == 0) break;
        }
        if (unit == sizeof units / sizeof units[0]) return false;
        total += value * units[unit].ms;
        at = behind + strlen(units[unit].unit);
    }
    if (total > 1e15) return false; /* 31,000 years */
    *ms_out = (int64_t)(sign * total);
    return true;
}

/* `count` digits at `at`, moved behind them. */
static bool take_digits(const char **at, const char *end, size_t count, int *value_out)
{
    int64_t value;
    if ((size_t)(end - *at) < count || !parse_number(*at, count, &value)) return false;
    *at += count;
    *value_out = (int)value;
    return true;
}

static bool take_char(const char **at, const char *end, char c)
{
    if (*at == end || **at != c) return false;
    ++*at;
    return true;
}

static bool take_time_of_day(const char **at, const char *end, struct tm *parts, int64_t *ms_out)
{
    if (!take_char(at, end, 'T') || !take_digits(at, end, 2, &parts->tm_hour)) return false;
    if (!take_char(at, end, ':') || !take_digits(at, end, 2, &parts->tm_min)) return false;
    if (!take_char(at, end, ':') || !take_digits(at, end, 2, &parts->tm_sec)) return false;
    *ms_out = 0;
    if (take_char(at, end, '.')) {
        int64_t scale = 100;
        if (*at == end || !isdigit((unsigned char)**at)) return false;
        for (; *at < end && isdigit((unsigned char)**at); ++*at, scale /= 10) {
            *ms_out += (**at - '0') * scale;
        }
    }
    return take_char(at, end, 'Z');
}

/* 2026-01-31, 2026-01-31T12:00:00Z, with a fraction or without. */
static bool parse_date(const char *text, size_t size, int64_t *ms_out)
{
    const char *at = text;
    const char *end = text + size;
    struct tm parts = {0};
    int64_t ms = 0;
    if (!take_digits(&at, end, 4, &parts.tm_year) || !take_char(&at, end, '-')) return false;
    if (!take_digits(&at, end, 2, &parts.tm_mon) || !take_char(&at, end, '-')) return false;
    if (!take_digits(&at, end, 2, &parts.tm_mday)) return false;
    if (parts.tm_mon < 1 || parts.tm_mon > 12 || parts.tm_mday < 1 || parts.tm_mday > 31) {
        return false;
    }
    if (at < end && !take_time_of_day(&at, end, &parts, &ms)) return false;
    if (at != end || parts.tm_hour > 23 || parts.tm_min > 59 || parts.tm_sec > 60) return false;
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    int day = parts.tm_mday;
    time_t seconds = timegm(&parts);
    if (parts.tm_mday != day && parts.tm_sec < 60) return false; /* the 31st of February */
    *ms_out = (int64_t)seconds * 1000 + ms;
    return true;
}

struct instant {
    int64_t ms;
    bool is_duration;
};

static bool parse_instant(const char *text, size_t size, int64_t base_ms,
                          struct instant *instant_out)
{
    int64_t value;
    if ((size == 13 || size == 10) && parse_number(text, size, &value)) {
        *instant_out = (struct instant){.ms = size == 13 ? value : value * 1000};
        return true;
    }
    if (parse_date(text, size, &value)) {
        *instant_out = (struct instant){.ms = value};
        return true;
    }
    if (!parse_duration(text, size, &value)) return false;
    value += base_ms;
    *instant_out = (struct instant){.ms = value < 0 ? 0 : value, .is_duration = true};
    return true;
}

/* Where the first of two times ends: a time of day has colons in it, and ends in Z. */
static size_t first_time_size(const char *text)
{
    const char *zulu = strchr(text, 'Z');
    const char *of_day = strchr(text, 'T');
    const char *colon = strchr(text, ':');
    if (zulu != NULL && of_day != NULL && (colon == NULL || of_day < colon)) {
        return (size_t)(zulu + 1 - text);
    }
    return strcspn(text, ":");
}

static const char before_1970[] =
    "records from before 1970 cannot be found by their time, 'start' has them";

/* Behind the @. */
static int parse_times(const char *whole, const char *text, int64_t now_ms,
                       struct offset_range *range_out, struct weir_error *error)
{
    struct offset_range range = {.from = {.kind = OFFSET_START}};
    struct instant first = {.ms = now_ms, .is_duration = true};
    size_t size = first_time_size(text);
    if (size > 0) {
        if (!parse_instant(text, size, now_ms, &first)) {
            return refuse(whole, "that is no time", error);
        }
        if (first.ms < 0) return refuse(whole, before_1970, error);
        range.from = (struct offset_point){OFFSET_TIME, first.ms};
    } else if (text[0] == '\0') {
        return refuse(whole, "a time is missing", error);
    }
    const char *rest = text + size;
    if (rest[0] != '\0' && rest[0] != ':') return refuse(whole, "that is no time", error);
    if (rest[0] == ':' && rest[1] != '\0') {
        struct instant second;
        range.has_to = true;
        range.to = (struct offset_point){.kind = OFFSET_END};
        if (!parse_edge(rest + 1, strlen(rest + 1), &range.to)) {
            int64_t base = size == 0 || first.is_duration ? now_ms : first.ms;
            if (!parse_instant(rest + 1, strlen(rest + 1), base, &second)) {
                return refuse(whole, "the second time is none", error);
            }
            if (second.ms < 0) return refuse(whole, before_1970, error);
            range.to = (struct offset_point){OFFSET_TIME, second.ms};
            if (size > 0 && second.ms <= first.ms) {
                return refuse(whole, "it ends before it begins", error);
            }
        }
    }
    *range_out = range;
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Between two points stands a colon; between two plain numbers a minus does as well. */
static size_t first_point_size(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    if (digits > 0 && text[digits] == '-') return digits;
    return strcspn(text, ":");
}

static int parse_offsets(const char *text, struct offset_range *range_out, struct weir_error *error)
{
    struct offset_range range = {.from = {.kind = OFFSET_START}};
    size_t size = first_point_size(text);
    if (size > 0 && !parse_point(text, size, &range.from)) {
        return refuse(text, "that is no offset", error);
    }
    if (text[size] != '\0' && text[size + 1] != '\0') {
        const char *to = text + size + 1;
        range.has_to = true;
        if (!parse_point(to, strlen(to), &range.to)) {
            return refuse(text, "what stands behind the colon is no offset", error);
        }
    } else if (size == 0) {
        return refuse(text, "nothing is there", error);
    }
    if (range.has_to && range.from.kind == OFFSET_EXACT && range.to.kind == OFFSET_EXACT &&
        range.to.value <= range.from.value) {
        return refuse(text, "it ends before it begins", error);
    }
    *range_out = range;
    return 0;
}

int offset_range_parse(const char *text, int64_t now_ms, struct offset_range *range_out,
                       struct weir_error *error)
{
    if (strlen(text) > TEXT_MAX) return refuse(text, "it is too long", error);
    if (text[0] == '@') return parse_times(text, text + 1, now_ms, range_out, error);
    return parse_offsets(text, range_out, error);
}

bool offset_range_misses(const struct offset_range *range, int64_t start, int64_t end)
{
    bool names_end = range->has_to && range->to.kind == OFFSET_EXACT;
    bool is_beyond = range->from.kind == OFFSET_EXACT && range->from.value > end;
    bool is_gone = names_end && start > 0 && range->to.value <= start;
    return is_beyond || is_gone;
}

int64_t offset_point_resolve(const struct offset_point *point, int64_t start, int64_t end)
{
    int64_t offset = start;
    switch (point->kind) {
    case OFFSET_START:
    case OFFSET_TIME:
        break;
    case OFFSET_END:
        offset = end;
        break;
    case OFFSET_EXACT:
        offset = point->value;
        break;
    case OFFSET_FROM_START:
        if (__builtin_add_overflow(start, point->value, &offset)) offset = end;
        break;
    case OFFSET_FROM_END:
        offset = end - point->value;
        break;
    }
    return offset < start ? start : offset > end ? end : offset;
}
