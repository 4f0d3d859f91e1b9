#include "tests/vectors/functions.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- texts ----------------------------------------------------------------------------------- */

struct weir_slice text_show(struct weir_slice text)
{
    return weir_slice_is_null(text) ? weir_text("_") : text;
}

struct weir_slice text_printf(struct weir_call *call, const char *format, ...)
{
    char small[1];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(small, sizeof small, format, arguments);
    va_end(arguments);
    char *bytes = weir_scope_alloc(call->scope, (size_t)size + 1);
    if (bytes == NULL) return weir_null();
    va_start(arguments, format);
    (void)vsnprintf(bytes, (size_t)size + 1, format, arguments);
    va_end(arguments);
    return weir_slice((const uint8_t *)bytes, (size_t)size);
}

static struct weir_slice join_texts(struct weir_call *call, const struct weir_slice *parts,
                                    size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += parts[i].size;
    }
    uint8_t *bytes = weir_scope_alloc(call->scope, size + 1);
    size_t at = 0;
    for (size_t i = 0; bytes != NULL && i < count; i++) {
        memcpy(bytes + at, parts[i].data, parts[i].size);
        at += parts[i].size;
    }
    return bytes != NULL ? weir_slice(bytes, size) : weir_null();
}

#define JOIN_TEXTS(call, ...)                                                                      \
    join_texts(call, (const struct weir_slice[]){__VA_ARGS__},                                     \
               sizeof((const struct weir_slice[]){__VA_ARGS__}) / sizeof(struct weir_slice))

static bool is_integer(struct weir_slice text)
{
    size_t from = text.size > 0 && text.data[0] == '-';
    if (text.size - from < 1 || text.size - from > 18) return false;
    for (size_t i = from; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
    }
    return true;
}

int64_t text_number(struct weir_slice text)
{
    if (weir_slice_is_null(text)) return 0;
    char digits[24] = {0};
    if (!is_integer(text)) return (int64_t)text.size;
    memcpy(digits, text.data, text.size);
    return strtoll(digits, NULL, 10);
}

static uint32_t hash(const struct weir_slice *parts, size_t count)
{
    uint32_t h = 0x811c9dc5u;
    for (size_t i = 0; i < count; i++) {
        h = (h ^ (weir_slice_is_null(parts[i]) ? 0u : 1u)) * 16777619u;
        for (size_t k = 0; k < parts[i].size; k++) {
            h = (h ^ parts[i].data[k]) * 16777619u;
        }
    }
    return h ^ h >> 15;
}

#define HASH(...)                                                                                  \
    hash((const struct weir_slice[]){__VA_ARGS__},                                                 \
         sizeof((const struct weir_slice[]){__VA_ARGS__}) / sizeof(struct weir_slice))

static bool is_text(struct weir_slice text, const char *wanted)
{
    return !weir_slice_is_null(text) && weir_slice_equal(text, weir_text(wanted));
}

/* ---- what there is --------------------------------------------------------------------------- */

static bool is_one_of(const struct function *function, const char *words)
{
    char padded[32];
    (void)snprintf(padded, sizeof padded, " %s ", function->word);
    return strstr(words, padded) != NULL;
}

bool function_parse(const char *text, struct function *function)
{
    const char *colon = strchr(text, ':');
    size_t size = colon != NULL ? (size_t)(colon - text) : strlen(text);
    if (size >= sizeof function->word) return false;
    *function = (struct function){.x = colon != NULL ? colon + 1 : NULL};
    memcpy(function->word, text, size);
    return true;
}

bool function_is_predicate(const struct function *function)
{
    return is_one_of(function, " all none veq keq vnull knull vpre vgt mod failon ");
}

bool function_is_map(const struct function *function)
{
    return is_one_of(function, " id key null const app nz show pre part len num kv kmod vmod mix "
                               "mixnull nullon failon ");
}

bool function_is_list(const struct function *function)
{
    return is_one_of(function, " split twice nothing onenull failon ");
}

bool function_is_fold(const struct function *function)
{
    return is_one_of(function, " add sub kadd sum minus cnt uncnt max min last first null nullon "
                               "failon mix mixnull ");
}

bool function_is_join(const struct function *function)
{
    return is_one_of(function, " cat kcat left right sum null lnull failon mix mixnull ");
}

/* ---- predicates ------------------------------------------------------------------------------ */

bool predicate_apply(const struct function *function, struct weir_slice key,
                     struct weir_slice value, bool *result_out)
{
    const char *word = function->word;
    const char *x = function->x;
    *result_out = true;
    if (strcmp(word, "failon") == 0) return !is_text(value, x);
    if (strcmp(word, "none") == 0) *result_out = false;
    if (strcmp(word, "veq") == 0) *result_out = is_text(value, x);
    if (strcmp(word, "keq") == 0) *result_out = is_text(key, x);
    if (strcmp(word, "vnull") == 0) *result_out = weir_slice_is_null(value);
    if (strcmp(word, "knull") == 0) *result_out = weir_slice_is_null(key);
    if (strcmp(word, "vpre") == 0) {
        *result_out = !weir_slice_is_null(value) && value.size >= strlen(x) &&
                      memcmp(value.data, x, strlen(x)) == 0;
    }
    if (strcmp(word, "vgt") == 0) *result_out = text_number(value) > strtoll(x, NULL, 10);
    if (strcmp(word, "mod") == 0) {
        char *end = NULL;
        uint32_t by = (uint32_t)strtoul(x, &end, 10);
        *result_out = HASH(key, value) % by == strtoul(end + 1, NULL, 10);
    }
    return true;
}

/* ---- maps ------------------------------------------------------------------------------------ */

static struct weir_slice part_of(struct weir_slice value, long wanted)
{
    if (weir_slice_is_null(value)) return value;
    size_t from = 0;
    for (size_t at = 0; at <= value.size; at++) {
        if (at < value.size && value.data[at] != ',') continue;
        if (wanted-- == 0)
            return at > from ? weir_slice(value.data + from, at - from) : weir_null();
        from = at + 1;
    }
    return weir_null();
}

static struct weir_slice prefix_of(struct weir_slice value, const char *x)
{
    size_t size = (size_t)strtoul(x, NULL, 10);
    if (!weir_slice_is_null(value) && value.size > size) value.size = size;
    return value;
}

static struct weir_slice map_text(const struct function *function, struct weir_call *call,
                                  struct weir_slice key, struct weir_slice value)
{
    const char *word = function->word;
    const char *x = function->x;
    bool is_null = weir_slice_is_null(value);
    if (strcmp(word, "key") == 0) return key;
    if (strcmp(word, "null") == 0) return weir_null();
    if (strcmp(word, "const") == 0) return weir_text(x);
    if (strcmp(word, "app") == 0) return is_null ? value : JOIN_TEXTS(call, value, weir_text(x));
    if (strcmp(word, "nz") == 0) return is_null ? weir_text(x) : value;
    if (strcmp(word, "show") == 0) return text_show(value);
    if (strcmp(word, "pre") == 0) return prefix_of(value, x);
    if (strcmp(word, "part") == 0) return part_of(value, strtol(x, NULL, 10));
    if (strcmp(word, "len") == 0) return text_printf(call, "%zu", is_null ? 0 : value.size);
    if (strcmp(word, "num") == 0) return text_printf(call, "%" PRId64, text_number(value));
    if (strcmp(word, "kv") == 0) {
        return JOIN_TEXTS(call, text_show(key), weir_text(":"), text_show(value));
    }
    if (strcmp(word, "kmod") == 0) {
        return text_printf(call, "k%" PRIu32, HASH(key) % (uint32_t)strtoul(x, NULL, 10));
    }
    if (strcmp(word, "vmod") == 0) {
        return text_printf(call, "k%" PRIu32, HASH(value) % (uint32_t)strtoul(x, NULL, 10));
    }
    if (strcmp(word, "nullon") == 0) return is_text(value, x) ? weir_null() : value;
    if (strcmp(word, "mixnull") == 0 && HASH(key, value) % 7 == 0) return weir_null();
    if (word[0] == 'm') return text_printf(call, "m%" PRIu32, HASH(key, value) % 1000);
    return value; /* id, failon */
}

bool map_apply(const struct function *function, struct weir_call *call, struct weir_slice key,
               struct weir_slice value, struct weir_slice *result_out)
{
    if (strcmp(function->word, "failon") == 0 && is_text(value, function->x)) return false;
    *result_out = map_text(function, call, key, value);
    return true;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static int split(struct weir_slice value, struct weir_slice results[LIST_MAX])
{
    int count = 0;
    size_t from = 0;
    if (weir_slice_is_null(value)) return 0;
    for (size_t at = 0; at <= value.size && count < LIST_MAX; at++) {
        if (at < value.size && value.data[at] != ',') continue;
        results[count++] = weir_slice(value.data + from, at - from);
        from = at + 1;
    }
    return count;
}

bool list_apply(const struct function *function, struct weir_call *call, struct weir_slice value,
                struct weir_slice results[LIST_MAX], int *count_out)
{
    const char *word = function->word;
    bool is_null = weir_slice_is_null(value);
    *count_out = 0;
    if (strcmp(word, "nothing") == 0) return true;
    if (strcmp(word, "split") == 0) {
        *count_out = split(value, results);
        return true;
    }
    if (strcmp(word, "failon") == 0 && is_text(value, function->x)) return false;
    results[(*count_out)++] = strcmp(word, "onenull") == 0 ? weir_null() : value;
    if (strcmp(word, "twice") == 0) {
        results[(*count_out)++] = is_null ? value : JOIN_TEXTS(call, value, weir_text("'"));
    }
    return true;
}

/* ---- folds and joins ------------------------------------------------------------------------- */

static struct weir_slice fold_text(const struct function *function, struct weir_call *call,
                                   struct weir_slice key, struct weir_slice value,
                                   struct weir_slice aggregate)
{
    const char *word = function->word;
    int64_t of_value = text_number(value);
    int64_t of_aggregate = text_number(aggregate);
    if (strcmp(word, "sub") == 0) {
        return JOIN_TEXTS(call, text_show(aggregate), weir_text("-"), text_show(value));
    }
    if (strcmp(word, "kadd") == 0) {
        return JOIN_TEXTS(call, text_show(aggregate), weir_text("+"), text_show(key),
                          text_show(value));
    }
    if (strcmp(word, "sum") == 0) return text_printf(call, "%" PRId64, of_aggregate + of_value);
    if (strcmp(word, "minus") == 0) return text_printf(call, "%" PRId64, of_aggregate - of_value);
    if (strcmp(word, "cnt") == 0) return text_printf(call, "%" PRId64, of_aggregate + 1);
    if (strcmp(word, "uncnt") == 0) return text_printf(call, "%" PRId64, of_aggregate - 1);
    if (strcmp(word, "max") == 0) return of_value > of_aggregate ? value : aggregate;
    if (strcmp(word, "min") == 0) return of_value < of_aggregate ? value : aggregate;
    if (strcmp(word, "last") == 0) return value;
    if (strcmp(word, "first") == 0) return aggregate;
    if (strcmp(word, "null") == 0) return weir_null();
    if (strcmp(word, "mixnull") == 0 && HASH(key, value, aggregate) % 7 == 0) return weir_null();
    if (strncmp(word, "mix", 3) == 0) {
        return text_printf(call, "m%" PRIu32, HASH(key, value, aggregate) % 100000);
    }
    if (strcmp(word, "nullon") == 0 && is_text(value, function->x)) return weir_null();
    return JOIN_TEXTS(call, text_show(aggregate), weir_text("+"), text_show(value)); /* add */
}

bool fold_apply(const struct function *function, struct weir_call *call, struct weir_slice key,
                struct weir_slice value, struct weir_slice aggregate, struct weir_slice *result_out)
{
    if (strcmp(function->word, "failon") == 0 && is_text(value, function->x)) return false;
    *result_out = fold_text(function, call, key, value, aggregate);
    return true;
}

static struct weir_slice join_text(const struct function *function, struct weir_call *call,
                                   struct weir_slice key, struct weir_slice left,
                                   struct weir_slice right)
{
    const char *word = function->word;
    struct weir_slice bar = weir_text("|");
    if (strcmp(word, "left") == 0) return left;
    if (strcmp(word, "right") == 0) return right;
    if (strcmp(word, "null") == 0) return weir_null();
    if (strcmp(word, "lnull") == 0 && is_text(left, function->x)) return weir_null();
    if (strcmp(word, "sum") == 0) {
        return text_printf(call, "%" PRId64, text_number(left) + text_number(right));
    }
    if (strcmp(word, "kcat") == 0) {
        return JOIN_TEXTS(call, text_show(key), weir_text(":"), text_show(left), bar,
                          text_show(right));
    }
    if (strcmp(word, "mixnull") == 0 && HASH(key, left, right) % 7 == 0) return weir_null();
    if (strncmp(word, "mix", 3) == 0) {
        return text_printf(call, "m%" PRIu32, HASH(key, left, right) % 100000);
    }
    return JOIN_TEXTS(call, text_show(left), bar, text_show(right)); /* cat */
}

bool join_apply(const struct function *function, struct weir_call *call, struct weir_slice key,
                struct weir_slice left, struct weir_slice right, struct weir_slice *result_out)
{
    if (strcmp(function->word, "failon") == 0 && is_text(left, function->x)) return false;
    *result_out = join_text(function, call, key, left, right);
    return true;
}
