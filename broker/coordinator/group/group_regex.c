#include "broker/coordinator/group/group_regex.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"
#include "broker/coordinator/group/group_text.h"

/*
 * PCRE2 goes back and tries again, so a short expression can take 2^n steps. Each match is therefore counted:
 * a name is tried with STEPS_CHEAP, which is plenty for what people write, and where that is not enough once more with
 * STEPS_DEAR, but that at most DEAR_MATCHES times in the life of an expression. 10,000 names take at most
 * 10,000 x STEPS_CHEAP + DEAR_MATCHES x STEPS_DEAR steps, whatever was sent.
 *
 * RE2 knows no going back and so has no such bound; it lacks what cannot be done without, and so do we:
 * `refused_syntax` looks for that before PCRE2 is asked.
 */
enum {
    STEPS_CHEAP = 2000,
    STEPS_DEAR = 100000,
    DEAR_MATCHES = 64,
    DEPTH_MAX = 5000,     /* of nested ways back */
    HEAP_KIB_MAX = 4096,  /* of one match */
    PARENTHESES_MAX = 100 /* nested; a compilation recurses over them */
};

struct weir_group_regex {
    struct weir_budget *budget;
    pcre2_general_context *general;
    pcre2_match_context *match;
    pcre2_match_data *data;
    pcre2_code *code;
    int dear_left;
    size_t pattern_size;
    char pattern[];
};

static void *allocate(size_t size, void *context)
{
    return weir_alloc(context, size > 0 ? size : 1);
}

static void release(void *memory, void *context)
{
    (void)context;
    weir_free(memory);
}

void weir_group_regex_free(struct weir_group_regex *regex)
{
    if (regex == NULL) return;
    pcre2_code_free(regex->code);
    pcre2_match_data_free(regex->data);
    pcre2_match_context_free(regex->match);
    pcre2_general_context_free(regex->general);
    weir_free(regex);
}

static int refuse(struct weir_error *error, struct weir_slice pattern, const char *why)
{
    return weir_error_set(error, WEIR_INVALID_REGULAR_EXPRESSION,
                          "SubscribedTopicRegex `%.*s` is not a valid regular expression: %s.",
                          WEIR_GROUP_SHOWN(pattern), why);
}

/* ---- what RE2 does not have ------------------------------------------------------------------ */

/* The quantifier at `at`, in bytes; 0 if there is none. A '{' that opens none is itself. */
static size_t quantifier_size(const char *at, const char *end)
{
    if (*at == '*' || *at == '+' || *at == '?') return 1;
    if (*at != '{') return 0;
    const char *to = at + 1;
    const char *digits = to;
    while (to < end && isdigit((unsigned char)*to)) {
        to++;
    }
    if (to == digits) return 0;
    if (to < end && *to == ',') to++;
    while (to < end && isdigit((unsigned char)*to)) {
        to++;
    }
    return to < end && *to == '}' ? (size_t)(to - at) + 1 : 0;
}

/* Of a quantifier "{n}", "{n,}" or "{n,m}". RE2 repeats 1,000 times at most. */
static bool is_known_count(const char *at)
{
    enum { REPEATS_MAX = 1000 };
    char *end;
    if (*at != '{') return true;
    unsigned long min = strtoul(at + 1, &end, 10);
    unsigned long max = min;
    if (*end == ',' && end[1] != '}') max = strtoul(end + 1, NULL, 10);
    return min <= REPEATS_MAX && max <= REPEATS_MAX && min <= max;
}

/* Behind the class that opens at `at`, or `end`. */
static const char *skip_class(const char *at, const char *end)
{
    at++;
    if (at < end && *at == '^') at++;
    if (at < end && *at == ']') at++;
    while (at < end && *at != ']') {
        bool is_named = end - at > 1 && at[0] == '[' && at[1] == ':';
        const char *close = is_named ? memmem(at + 2, (size_t)(end - at - 2), ":]", 2) : NULL;
        if (close != NULL) {
            at = close + 2;
        } else {
            at += *at == '\\' && end - at > 1 ? 2 : 1;
        }
    }
    return at < end ? at + 1 : end;
}

/* What follows "(?" must be a group that does not capture, flags or a name. */
static bool is_known_group(const char *at, const char *end)
{
    if (at < end && *at == 'P') at++;
    if (at < end && *at == '<') return end - at > 1 && at[1] != '=' && at[1] != '!';
    while (at < end && strchr("imsU-", *at) != NULL) {
        at++;
    }
    return at < end && (*at == ':' || *at == ')');
}

static const char *skip_escape(const char *at, const char *end, const char **why_out)
{
    if (end - at < 2) {
        *why_out = "trailing \\";
        return end;
    }
    if (at[1] == 'Q') {
        const char *close = memmem(at + 2, (size_t)(end - at - 2), "\\E", 2);
        return close != NULL ? close + 2 : end;
    }
    bool is_known = !isalpha((unsigned char)at[1]) || strchr("afnrtvxEAbBzdDsSwWpP", at[1]) != NULL;
    if (!is_known) *why_out = "invalid escape sequence";
    return at + 2;
}

/* Why RE2 would not take it though PCRE2 does; NULL if it does not see anything. */
static const char *refused_syntax(const char *at, const char *end)
{
    const char *why = NULL;
    bool is_repeated = false; /* what stands before is a quantifier */
    bool is_lazy = false;
    while (at < end && why == NULL) {
        size_t size = quantifier_size(at, end);
        if (size > 0) {
            if (is_repeated && (is_lazy || *at != '?')) return "invalid nested repetition operator";
            if (!is_known_count(at)) return "invalid repeat count";
            is_lazy = is_repeated;
            is_repeated = true;
            at += size;
            continue;
        }
        is_repeated = is_lazy = false;
        if (*at == '\\') {
            at = skip_escape(at, end, &why);
        } else if (*at == '[') {
            at = skip_class(at, end);
        } else {
            bool is_group = *at++ == '(';
            if (is_group && at < end && *at == '*')
                return "missing argument to repetition operator";
            if (is_group && at < end && *at == '?') {
                if (!is_known_group(++at, end)) return "invalid or unsupported Perl syntax";
            }
        }
    }
    return why;
}

/* ---- PCRE2 ----------------------------------------------------------------------------------- */

static struct weir_slice pattern_of(const struct weir_group_regex *regex)
{
    return weir_slice(regex->pattern, regex->pattern_size);
}

static int compile(struct weir_group_regex *regex, struct weir_error *error)
{
    int number = 0;
    PCRE2_SIZE at = 0;
    uint32_t references = 0;
    pcre2_compile_context *context = pcre2_compile_context_create(regex->general);
    if (context == NULL) return WEIR_NO_MEMORY;
    pcre2_set_parens_nest_limit(context, PARENTHESES_MAX);
    regex->code =
        pcre2_compile((PCRE2_SPTR)regex->pattern, regex->pattern_size,
                      PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_ANCHORED | PCRE2_ENDANCHORED |
                          PCRE2_DOLLAR_ENDONLY | PCRE2_NO_AUTO_CAPTURE,
                      &number, &at, context);
    pcre2_compile_context_free(context);
    if (regex->code == NULL) {
        PCRE2_UCHAR why[128] = {0};
        if (number == PCRE2_ERROR_HEAP_FAILED) return WEIR_NO_MEMORY;
        (void)pcre2_get_error_message(number, why, sizeof why);
        return refuse(error, pattern_of(regex), (const char *)why);
    }
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_BACKREFMAX, &references);
    if (references == 0) return 0;
    return refuse(error, pattern_of(regex), "invalid escape sequence");
}

static int prepare_match(struct weir_group_regex *regex)
{
    regex->match = pcre2_match_context_create(regex->general);
    if (regex->match == NULL) return WEIR_NO_MEMORY;
    regex->data = pcre2_match_data_create(1, regex->general);
    if (regex->data == NULL) return WEIR_NO_MEMORY;
    pcre2_set_depth_limit(regex->match, DEPTH_MAX);
    pcre2_set_heap_limit(regex->match, HEAP_KIB_MAX);
    return 0;
}

int weir_group_regex_new(struct weir_budget *budget, struct weir_slice pattern,
                         struct weir_group_regex **regex_out, struct weir_error *error)
{
    const char *text = (const char *)pattern.data;
    if (pattern.size > WEIR_GROUP_REGEX_SIZE_MAX) {
        return refuse(error, pattern, "it is longer than 4096 bytes");
    }
    const char *why = refused_syntax(text, text + pattern.size);
    if (why != NULL) return refuse(error, pattern, why);

    struct weir_group_regex *regex = weir_alloc_zero(budget, sizeof *regex + pattern.size + 1);
    if (regex == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "regular expression");
    regex->budget = budget;
    regex->dear_left = DEAR_MATCHES;
    regex->pattern_size = pattern.size;
    memcpy(regex->pattern, text, pattern.size);
    regex->general = pcre2_general_context_create(allocate, release, budget);
    int rc = regex->general != NULL ? compile(regex, error) : WEIR_NO_MEMORY;
    if (rc == 0) rc = prepare_match(regex);
    if (rc == WEIR_NO_MEMORY) (void)weir_error_set(error, rc, "regular expression");
    if (rc < 0) {
        weir_group_regex_free(regex);
        return rc;
    }
    *regex_out = regex;
    return 0;
}

static int match_within(struct weir_group_regex *regex, struct weir_slice name, uint32_t steps)
{
    pcre2_set_match_limit(regex->match, steps);
    return pcre2_match(regex->code, (PCRE2_SPTR)name.data, name.size, 0, 0, regex->data,
                       regex->match);
}

int weir_group_regex_matches(struct weir_group_regex *regex, struct weir_slice name,
                             struct weir_error *error)
{
    int rc = match_within(regex, name, STEPS_CHEAP);
    if (rc == PCRE2_ERROR_MATCHLIMIT && regex->dear_left > 0) {
        regex->dear_left--;
        rc = match_within(regex, name, STEPS_DEAR);
    }
    if (rc >= 0) return 1;
    if (rc == PCRE2_ERROR_NOMATCH) return 0;
    if (rc == PCRE2_ERROR_NOMEMORY) {
        return weir_error_set(error, WEIR_NO_MEMORY, "match a regular expression");
    }
    if (rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT ||
        rc == PCRE2_ERROR_HEAPLIMIT) {
        return refuse(error, pattern_of(regex),
                      "it takes too many steps; make its repetitions plainer");
    }
    return 0; /* a name that is no UTF-8: no topic's */
}
