#include "cli/reset_plan.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/no_memory.h"
#include "cli/offset_range.h"

/* ---- times ----------------------------------------------------------------------------------- */

enum { TIME_SIZE_MAX = 64 };

/* The grammar of `weir consume --offset @T`, which reads a time of day in UTC with a Z behind it; Kafka's tool
 * has it without. */
static int parse_datetime(const char *text, int64_t now_ms, int64_t *ms_out,
                          struct weir_error *error)
{
    struct offset_range range;
    char at[TIME_SIZE_MAX + 4];
    size_t size = strlen(text);
    bool lacks_zone = strchr(text, 'T') != NULL && strchr(text, 'Z') == NULL;
    (void)snprintf(at, sizeof at, "@%.*s%s", TIME_SIZE_MAX, text, lacks_zone ? "Z" : "");
    bool is_one = size > 0 && size <= TIME_SIZE_MAX &&
                  offset_range_parse(at, now_ms, &range, NULL) == 0 && !range.has_to &&
                  range.from.kind == OFFSET_TIME;
    if (!is_one) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "--to-datetime '%.100s' is no time: 2026-01-31, "
                              "2026-01-31T12:00:00.000 (UTC) or 1767225600000 (ms) is one",
                              text);
    }
    *ms_out = range.from.value;
    return 0;
}

static const struct {
    char letter;
    bool is_of_day; /* behind the T */
    int64_t ms;
} units[] = {{'D', false, 86400000}, {'H', true, 3600000}, {'M', true, 60000}, {'S', true, 1000}};

/* One number with its unit; `next` says from which unit on the rest may be, for they descend. */
static bool take_part(const char **at, bool is_of_day, size_t *next, double *ms)
{
    char *behind;
    if (!isdigit((unsigned char)**at)) return false;
    double value = strtod(*at, &behind);
    for (size_t i = *next; i < sizeof units / sizeof units[0]; i++) {
        if (units[i].letter != *behind || units[i].is_of_day != is_of_day) continue;
        *ms += value * (double)units[i].ms;
        *next = i + 1;
        *at = behind + 1;
        return true;
    }
    return false;
}

/* P1DT2H3M4.5S (ISO 8601), as far as it has lengths of its own: no months, no years. */
static bool parse_iso(const char *text, double *ms_out)
{
    const char *at = text + 1;
    bool is_of_day = false;
    size_t next = 0;
    double ms = 0;
    if (text[0] != 'P') return false;
    do {
        if (*at == 'T' && !is_of_day) {
            is_of_day = true;
            at++;
        }
        if (!take_part(&at, is_of_day, &next, &ms)) return false;
    } while (*at != '\0');
    *ms_out = ms;
    return true;
}

/* "1h30m", in the grammar of `weir consume --offset @-1h30m`. */
static bool parse_plain(const char *text, double *ms_out)
{
    const int64_t far_ms = INT64_C(1) << 50;
    struct offset_range range;
    char at[TIME_SIZE_MAX + 4];
    if (!isdigit((unsigned char)text[0]) || isdigit((unsigned char)text[strlen(text) - 1]) ||
        strlen(text) > TIME_SIZE_MAX || strchr(text, 'Z') != NULL) {
        return false;
    }
    (void)snprintf(at, sizeof at, "@-%s", text);
    if (offset_range_parse(at, far_ms, &range, NULL) < 0 || range.has_to) return false;
    *ms_out = (double)(far_ms - range.from.value);
    return true;
}

int reset_duration_parse(const char *text, int64_t *ms_out, struct weir_error *error)
{
    double ms = 0;
    if (!parse_iso(text, &ms) && !parse_plain(text, &ms)) {
        return weir_error_set(
            error, WEIR_INVALID_ARGUMENT,
            "--by-duration '%.100s' is no duration: PT1H30M, P2DT3H or 1h30m is one", text);
    }
    if (ms > 1e15) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "--by-duration '%.100s' is too long: 31,000 years are the most",
                              text);
    }
    *ms_out = (int64_t)ms;
    return 0;
}

/* ---- one of the words ------------------------------------------------------------------------ */

static const char *const names[] = {"--to-earliest", "--to-latest", "--to-current",
                                    "--to-offset",   "--shift-by",  "--to-datetime",
                                    "--by-duration", "--from-file"};
enum { NAMES = sizeof names / sizeof names[0] };

/* In the order of `names`. */
static void find_said(const struct reset_words *words, bool there[NAMES])
{
    const bool said[NAMES] = {
        words->to_earliest,
        words->to_latest,
        words->to_current,
        words->to_offset != RESET_NUMBER_NOT_SET,
        words->shift_by != RESET_NUMBER_NOT_SET,
        words->to_datetime != NULL,
        words->by_duration != NULL,
        words->from_file != NULL,
    };
    memcpy(there, said, sizeof said);
}

bool reset_words_say(const struct reset_words *words)
{
    bool there[NAMES];
    bool is_said = false;
    find_said(words, there);
    for (size_t i = 0; i < NAMES; i++) {
        is_said = is_said || there[i];
    }
    return is_said;
}

static int choose_one(const struct reset_words *words, size_t *at_out, struct weir_error *error)
{
    bool there[NAMES];
    find_said(words, there);
    size_t found = NAMES;
    for (size_t i = 0; i < NAMES; i++) {
        if (!there[i]) continue;
        if (found != NAMES) {
            return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                                  "%s and %s: it is the one or the other", names[found], names[i]);
        }
        found = i;
    }
    if (found == NAMES) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "it is not said where to: --to-earliest, --to-latest, --to-current, "
                              "--to-offset N, --shift-by N, --to-datetime T, --by-duration D or "
                              "--from-file CSV");
    }
    *at_out = found;
    return 0;
}

int reset_target_choose(const struct reset_words *words, int64_t now_ms,
                        struct reset_target *target_out, struct weir_error *error)
{
    struct reset_target target = {0};
    size_t at;
    int rc = choose_one(words, &at, error);
    if (rc < 0) return rc;
    if (words->to_offset != RESET_NUMBER_NOT_SET && words->to_offset < 0) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "--to-offset %lld: offsets begin at 0",
                              (long long)words->to_offset);
    }
    static const enum reset_kind kinds[NAMES] = {RESET_EARLIEST, RESET_LATEST, RESET_CURRENT,
                                                 RESET_OFFSET,   RESET_SHIFT,  RESET_TIME,
                                                 RESET_TIME,     RESET_FILE};
    target.kind = kinds[at];
    if (target.kind == RESET_OFFSET) target.value = words->to_offset;
    if (target.kind == RESET_SHIFT) target.value = words->shift_by;
    if (words->to_datetime != NULL) {
        rc = parse_datetime(words->to_datetime, now_ms, &target.value, error);
    }
    if (words->by_duration != NULL) {
        rc = reset_duration_parse(words->by_duration, &target.value, error);
        target.value = target.value < now_ms ? now_ms - target.value : 0;
    }
    if (rc == 0) *target_out = target;
    return rc;
}

/* ---- one partition --------------------------------------------------------------------------- */

const char *reset_bend_text(enum reset_bend bend)
{
    static const char *const texts[] = {
        [RESET_AS_ASKED] = NULL,
        [RESET_RAISED] = "that is before its log begins",
        [RESET_LOWERED] = "that is beyond its log's end",
        [RESET_NO_TIME] = "it has no record that late",
    };
    return texts[bend];
}

static int64_t shifted(int64_t from, int64_t by)
{
    int64_t to;
    if (!__builtin_add_overflow(from, by, &to)) return to;
    return by < 0 ? INT64_MIN : INT64_MAX;
}

int reset_decide(const struct reset_target *target, const struct reset_facts *facts,
                 int64_t *offset_out, enum reset_bend *bend_out, struct weir_error *error)
{
    int64_t offset = facts->end;
    enum reset_bend bend = RESET_AS_ASKED;
    switch (target->kind) {
    case RESET_EARLIEST:
        offset = facts->start;
        break;
    case RESET_LATEST:
        break;
    case RESET_CURRENT:
        if (facts->committed >= 0) offset = facts->committed;
        break;
    case RESET_OFFSET:
        offset = target->value;
        break;
    case RESET_SHIFT:
        if (facts->committed < 0) {
            return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                                  "nothing is committed to shift from; --to-earliest, --to-latest "
                                  "or --to-offset gives it a place");
        }
        offset = shifted(facts->committed, target->value);
        break;
    case RESET_TIME:
        if (facts->at_time >= 0) offset = facts->at_time;
        bend = facts->at_time >= 0 ? RESET_AS_ASKED : RESET_NO_TIME;
        break;
    case RESET_FILE:
        offset = facts->in_file;
        break;
    }
    *bend_out = offset < facts->start ? RESET_RAISED : offset > facts->end ? RESET_LOWERED : bend;
    *offset_out = offset < facts->start ? facts->start : offset > facts->end ? facts->end : offset;
    return 0;
}

/* ---- the file -------------------------------------------------------------------------------- */

static int bad_line(size_t number, struct weir_slice line, struct weir_error *error)
{
    return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                          "line %zu '%.*s': it takes the form topic,partition,offset", number,
                          (int)(line.size < 100 ? line.size : 100), (const char *)line.data);
}

static bool parse_number(const char *text, int64_t max, int64_t *value_out)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || value > max) return false;
    *value_out = value;
    return true;
}

/* Topics' names have neither commas nor quotes in them: the CSV needs no more than this. */
static bool parse_line(char *line, struct reset_line *row_out)
{
    int64_t partition;
    char *first = strchr(line, ',');
    char *second = first != NULL ? strchr(first + 1, ',') : NULL;
    if (second == NULL) return false;
    *first = *second = '\0';
    size_t size = strlen(line);
    if (size >= 2 && line[0] == '"' && line[size - 1] == '"') {
        line[size - 1] = '\0';
        line++;
    }
    row_out->topic = line;
    bool are_numbers = parse_number(first + 1, INT32_MAX, &partition) &&
                       parse_number(second + 1, INT64_MAX, &row_out->offset);
    if (are_numbers) row_out->partition = (int32_t)partition;
    return are_numbers && line[0] != '\0';
}

static size_t count_lines(struct weir_slice text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.size; i++) {
        count += text.data[i] == '\n';
    }
    return count;
}

int reset_file_parse(struct weir_slice text, struct weir_arena *arena,
                     struct reset_line **lines_out, size_t *count_out, struct weir_error *error)
{
    struct reset_line *lines = weir_arena_array(arena, count_lines(text), sizeof *lines);
    size_t count = 0;
    if (lines == NULL) return cli_no_memory(error);
    for (size_t at = 0, number = 1; at < text.size; number++) {
        const uint8_t *end = memchr(text.data + at, '\n', text.size - at);
        size_t size = end != NULL ? (size_t)(end - text.data) - at : text.size - at;
        struct weir_slice line = weir_slice(text.data + at, size);
        at += size + 1;
        if (line.size > 0 && line.data[line.size - 1] == '\r') line.size--;
        if (line.size == 0) continue;
        char *copy = weir_arena_printf(arena, "%.*s", (int)line.size, (const char *)line.data);
        if (copy == NULL) return cli_no_memory(error);
        if (!parse_line(copy, &lines[count])) return bad_line(number, line, error);
        lines[count++].number = number;
    }
    if (count == 0) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "it has no lines: they take the form topic,partition,offset");
    }
    *lines_out = lines;
    *count_out = count;
    return 0;
}
