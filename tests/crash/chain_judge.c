/*
 * What a chain (chain_job.c) has given, as read by whoever reads committed, against the answer computed in
 * one go. Lines on the standard input, "topic key value", in the order of each partition; N is how many
 * records went in.
 *
 *   chain_judge N
 *
 * - copy: each record once. joined: each pair once, and who met nobody alone, once. (So may one that met
 *   somebody, if it came when time had passed its window, and the other one within the grace.)
 * - min, sum, count: of each key the value after its first record, after its second, …, each once.
 * - max: as many as the key has records, never falling, the last one of all.
 *
 * (Records of one b come from two partitions, in either order; those of one a from one.) The first that is
 * not so is named: status 1. 0: `same`.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"

enum { SAME = 0, WRONG = 1, USAGE = 2, ALONE = 2 };

/* One key of an aggregate: how many of its values have come, and the last. */
struct row {
    int64_t seen;
    int64_t value;
};

struct judge {
    int64_t count; /* of records that went in */
    uint8_t *copied;
    uint8_t (*joined)[3]; /* with the even one of the other side, with the odd one, alone */
    int64_t *a_to_i;      /* of each a its first record */
    struct row min[CHAIN_KEYS], max[CHAIN_KEYS], sum[CHAIN_KEYS], records[CHAIN_KEYS];
};

static void make(struct judge *judge)
{
    judge->copied = calloc((size_t)judge->count + 2, 1);
    judge->joined = calloc((size_t)judge->count + 2, 3);
    judge->a_to_i = calloc(CHAIN_KEYS, sizeof *judge->a_to_i);
    if (judge->copied == NULL || judge->joined == NULL || judge->a_to_i == NULL) abort();
    for (int i = 0; i < CHAIN_KEYS; i++) {
        judge->a_to_i[chain_a(i)] = i;
    }
}

static void drop(struct judge *judge)
{
    free(judge->copied);
    free(judge->joined);
    free(judge->a_to_i);
}

static int wrong(const char *topic, const char *key, const char *value, const char *why)
{
    printf("wrong: %s: '%s' of %s: %s\n", topic, value, key, why);
    return WRONG;
}

/* ---- line by line ---------------------------------------------------------------------------- */

static const char *take_copy(struct judge *judge, int key, const char *value)
{
    int64_t i = strtoll(value, NULL, 10);
    if (i < 0 || i >= judge->count || chain_a(i) != key) return "nobody sent that";
    return judge->copied[i]++ == 0 ? NULL : "repeated";
}

static const char *take_joined(struct judge *judge, int key, const char *value)
{
    int64_t i = -1, j = -1;
    char other[32] = {0};
    if (sscanf(value, "%" SCNd64 "|%31s", &i, other) != 2) return "no pair";
    if (i < 0 || i >= judge->count || chain_b(i) != key) return "nobody sent that";
    bool is_alone = strcmp(other, "-") == 0;
    if (!is_alone) {
        j = strtoll(other, NULL, 10);
        if (j < 0 || j >= judge->count || !chain_meets(i, j)) return "they do not meet";
    }
    uint8_t *seen = &judge->joined[i][is_alone ? ALONE : j % 2];
    return (*seen)++ == 0 ? NULL : "repeated";
}

/* The record that is next for this row, or -1. */
static int64_t next_of(const struct judge *judge, int key, const struct row *row)
{
    int64_t i = judge->a_to_i[key] + row->seen * CHAIN_KEYS;
    return i < judge->count ? i : -1;
}

static const char *take_next(struct row *row, int64_t expected, int64_t value)
{
    const char *why = value == expected                      ? NULL
                      : row->seen > 0 && value == row->value ? "repeated"
                                                             : "not the next one";
    row->seen++;
    row->value = expected;
    return why;
}

static const char *take_min(struct judge *judge, int key, const char *text)
{
    struct row *row = &judge->min[key];
    int64_t i = next_of(judge, key, row);
    if (i < 0) return "repeated"; /* more than it has records */
    int64_t value = chain_value(i);
    return take_next(row, row->seen > 0 && row->value < value ? row->value : value,
                     strtoll(text, NULL, 10));
}

static const char *take_sum(struct judge *judge, int key, const char *text)
{
    struct row *row = &judge->sum[key];
    int64_t i = next_of(judge, key, row);
    return i < 0 ? "repeated"
                 : take_next(row, row->value + chain_value(i), strtoll(text, NULL, 10));
}

static const char *take_count(struct judge *judge, int key, const char *text)
{
    struct row *row = &judge->records[key];
    return take_next(row, row->seen + 1, strtoll(text, NULL, 10));
}

static const char *take_max(struct judge *judge, int key, const char *text)
{
    struct row *row = &judge->max[key];
    int64_t value = strtoll(text, NULL, 10);
    if (row->seen > 0 && value < row->value) return "less than before";
    row->seen++;
    row->value = value;
    return NULL;
}

static const struct topic {
    const char *name;
    const char *(*take)(struct judge *judge, int key, const char *value);
} topics[] = {
    {"copy", take_copy}, {"min", take_min},     {"max", take_max},
    {"sum", take_sum},   {"count", take_count}, {"joined", take_joined},
};

static int take(struct judge *judge, const char *line)
{
    char topic[32], key[32], value[64];
    if (sscanf(line, "%31s %31s %63s", topic, key, value) != 3)
        return wrong("a line", "?", line, "not one of ours");
    int number = key[0] == 'k' ? atoi(key + 1) : -1;
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        if (strcmp(topics[i].name, topic) != 0) continue;
        if (number < 0 || number >= CHAIN_KEYS) return wrong(topic, key, value, "no key of ours");
        const char *why = topics[i].take(judge, number, value);
        return why == NULL ? SAME : wrong(topic, key, value, why);
    }
    return wrong(topic, key, value, "no topic of ours");
}

/* ---- at the end ------------------------------------------------------------------------------ */

static int missing(const char *topic, int64_t i, const char *what)
{
    printf("wrong: %s: %s of record %" PRId64 " is missing\n", topic, what, i);
    return WRONG;
}

static int check_record(const struct judge *judge, int64_t i)
{
    if (judge->copied[i] != 1) return missing("copy", i, "the copy");
    bool is_met = false;
    for (int64_t j = i / 2 * 2; j <= i / 2 * 2 + 1; j++) {
        if (j >= judge->count || !chain_meets(i, j)) continue;
        is_met = true;
        if (judge->joined[i][j % 2] != 1) return missing("joined", i, "a pair");
    }
    return is_met || judge->joined[i][ALONE] == 1 ? SAME : missing("joined", i, "the row alone");
}

static int check_keys(const struct judge *judge)
{
    static int64_t a[CHAIN_KEYS], b[CHAIN_KEYS], largest[CHAIN_KEYS];
    for (int64_t i = 0; i < judge->count; i++) {
        int key = chain_b(i);
        a[chain_a(i)]++;
        if (b[key]++ == 0 || chain_value(i) > largest[key]) largest[key] = chain_value(i);
    }
    for (int key = 0; key < CHAIN_KEYS; key++) {
        const char *topic =
            judge->min[key].seen != a[key]                                            ? "min"
            : judge->sum[key].seen != a[key]                                          ? "sum"
            : judge->records[key].seen != b[key]                                      ? "count"
            : judge->max[key].seen != b[key] || judge->max[key].value != largest[key] ? "max"
                                                                                      : NULL;
        if (topic == NULL) continue;
        printf("wrong: %s: key k%d: not what was counted in one go\n", topic, key);
        return WRONG;
    }
    return SAME;
}

int main(int count, char **arguments)
{
    static struct judge judge;
    char line[256];
    int64_t lines = 0;
    judge.count = count == 2 ? strtoll(arguments[1], NULL, 10) : 0;
    if (judge.count <= 0 || judge.count > CHAIN_RECORDS_MAX) return USAGE;
    make(&judge);
    int status = SAME;
    while (status == SAME && fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        status = take(&judge, line);
        lines++;
    }
    for (int64_t i = 0; status == SAME && i < judge.count; i++) {
        status = check_record(&judge, i);
    }
    if (status == SAME) status = check_keys(&judge);
    if (status == SAME)
        printf("same: %" PRId64 " records in, %" PRId64 " out\n", judge.count, lines);
    drop(&judge);
    return status;
}
