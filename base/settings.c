#include "base/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

enum { RATIO_DIGITS = 6, VALUE_TEXT_SIZE = 64 };

/* ---- words ----------------------------------------------------------------------------------- */

/* The index of `word` among `choices`; -1 if it is none of them. */
static int find_choice(const char *choices, const char *word, size_t size)
{
    int index = 0;
    for (const char *at = choices; at != NULL; index++) {
        const char *bar = strchr(at, '|');
        size_t length = bar != NULL ? (size_t)(bar - at) : strlen(at);
        if (length == size && memcmp(at, word, size) == 0) return index;
        at = bar != NULL ? bar + 1 : NULL;
    }
    return -1;
}

static int count_choices(const char *choices)
{
    int count = 1;
    for (const char *bar = strchr(choices, '|'); bar != NULL; bar = strchr(bar + 1, '|')) {
        count++;
    }
    return count;
}

static void print_choice(const char *choices, int64_t index, char *text, size_t size)
{
    const char *at = choices;
    for (int64_t i = 0; i < index; i++) {
        at = strchr(at, '|') + 1;
    }
    size_t length = strcspn(at, "|");
    (void)snprintf(text, size, "%.*s", (int)length, at);
}

/* ---- fields: every value is a number --------------------------------------------------------- */

static int64_t get_list(const struct weir_setting *row, const bool *words)
{
    int64_t value = 0;
    int count = count_choices(row->choices);
    for (int i = 0; i < count; i++) {
        value |= (int64_t)words[i] << i;
    }
    return value;
}

static void put_list(const struct weir_setting *row, bool *words, int64_t value)
{
    int count = count_choices(row->choices);
    for (int i = 0; i < count; i++) {
        words[i] = ((value >> i) & 1) != 0;
    }
}

static int64_t get(const void *config, const struct weir_setting *row)
{
    const void *at = (const char *)config + row->field;
    switch (row->kind) {
    case WEIR_SETTING_INT64:
    case WEIR_SETTING_WIDE_INT32:
        return *(const int64_t *)at;
    case WEIR_SETTING_INT32:
    case WEIR_SETTING_RATIO:
        return *(const int32_t *)at;
    case WEIR_SETTING_BOOLEAN:
        return *(const bool *)at;
    case WEIR_SETTING_CHOICE: {
        unsigned value; /* enumerations have an unsigned int's size */
        memcpy(&value, at, sizeof value);
        return value;
    }
    case WEIR_SETTING_SMALL_CHOICE:
        return *(const int8_t *)at;
    case WEIR_SETTING_LIST:
        return get_list(row, at);
    }
    weir_assert(false);
    return 0;
}

static void put(void *config, const struct weir_setting *row, int64_t value)
{
    void *at = (char *)config + row->field;
    weir_assert(value >= row->min && value <= row->max);
    switch (row->kind) {
    case WEIR_SETTING_INT64:
    case WEIR_SETTING_WIDE_INT32:
        *(int64_t *)at = value;
        break;
    case WEIR_SETTING_INT32:
    case WEIR_SETTING_RATIO:
        *(int32_t *)at = (int32_t)value;
        break;
    case WEIR_SETTING_BOOLEAN:
        *(bool *)at = value != 0;
        break;
    case WEIR_SETTING_CHOICE: {
        unsigned narrow = (unsigned)value;
        memcpy(at, &narrow, sizeof narrow);
        break;
    }
    case WEIR_SETTING_SMALL_CHOICE:
        *(int8_t *)at = (int8_t)value;
        break;
    case WEIR_SETTING_LIST:
        put_list(row, at, value);
        break;
    }
}

/* ---- numbers to text ------------------------------------------------------------------------- */

/* As Java prints it: "0.5", "1.0". The program's locale has no say in it. */
static void print_ratio(int64_t value, char *text, size_t size)
{
    (void)snprintf(text, size, "%d.%0*d", (int)(value / WEIR_SETTING_RATIO_ONE), RATIO_DIGITS,
                   (int)(value % WEIR_SETTING_RATIO_ONE));
    size_t length = strlen(text);
    while (text[length - 1] == '0' && text[length - 2] != '.')
        text[--length] = '\0';
}

static void print_list(const struct weir_setting *row, int64_t value, char *text, size_t size)
{
    size_t end = 0;
    text[0] = '\0';
    for (int i = 0; value >> i != 0; i++) {
        if (((value >> i) & 1) == 0) continue;
        if (end > 0) text[end++] = ',';
        print_choice(row->choices, i, text + end, size - end);
        end += strlen(text + end);
        weir_assert(end + 1 < size);
    }
}

static void print_value(const struct weir_setting *row, int64_t value, char *text, size_t size)
{
    switch (row->kind) {
    case WEIR_SETTING_INT32:
    case WEIR_SETTING_INT64:
    case WEIR_SETTING_WIDE_INT32:
        (void)snprintf(text, size, "%" PRId64, value);
        break;
    case WEIR_SETTING_BOOLEAN:
        (void)snprintf(text, size, "%s", value != 0 ? "true" : "false");
        break;
    case WEIR_SETTING_CHOICE:
    case WEIR_SETTING_SMALL_CHOICE:
        print_choice(row->choices, value - row->min, text, size);
        break;
    case WEIR_SETTING_RATIO:
        print_ratio(value, text, size);
        break;
    case WEIR_SETTING_LIST:
        print_list(row, value, text, size);
        break;
    }
}

/* ---- text to numbers ------------------------------------------------------------------------- */

static bool parse_whole(const struct weir_setting *row, const char *text, int64_t *value_out)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    bool is_number = (text[0] == '-' || (text[0] >= '0' && text[0] <= '9')) && *end == '\0';
    if (!is_number || errno != 0 || value < row->min || value > row->max) return false;
    *value_out = value;
    return true;
}

static bool parse_boolean(const char *text, int64_t *value_out)
{
    *value_out = strcmp(text, "true") == 0;
    return *value_out != 0 || strcmp(text, "false") == 0;
}

static bool parse_choice(const struct weir_setting *row, const char *text, int64_t *value_out)
{
    int index = find_choice(row->choices, text, strlen(text));
    *value_out = row->min + index;
    return index >= 0;
}

/* Digits, a point, digits; those after the sixth are dropped. */
static bool parse_ratio(const char *text, int64_t *value_out)
{
    size_t whole = strspn(text, "0123456789");
    const char *point = text + whole;
    size_t digits = *point == '.' ? strspn(point + 1, "0123456789") : 0;
    bool is_number = whole == 1 && (*point == '\0' || (digits > 0 && point[1 + digits] == '\0'));
    if (!is_number) return false;
    int64_t value = text[0] - '0';
    for (size_t i = 0; i < RATIO_DIGITS; i++) {
        value = value * 10 + (i < digits ? point[1 + i] - '0' : 0);
    }
    *value_out = value;
    return value <= WEIR_SETTING_RATIO_ONE;
}

static bool parse_list(const struct weir_setting *row, const char *text, int64_t *value_out)
{
    int64_t value = 0;
    while (*text != '\0') {
        size_t size = strcspn(text, ",");
        int index = find_choice(row->choices, text, size);
        if (index < 0) return false;
        value |= (int64_t)1 << index;
        text += size;
        if (*text == ',' && *++text == '\0') return false;
        text += strspn(text, " ");
    }
    *value_out = value;
    return true;
}

static bool parse_value(const struct weir_setting *row, const char *text, int64_t *value_out)
{
    switch (row->kind) {
    case WEIR_SETTING_INT32:
    case WEIR_SETTING_INT64:
    case WEIR_SETTING_WIDE_INT32:
        return parse_whole(row, text, value_out);
    case WEIR_SETTING_BOOLEAN:
        return parse_boolean(text, value_out);
    case WEIR_SETTING_CHOICE:
    case WEIR_SETTING_SMALL_CHOICE:
        return parse_choice(row, text, value_out);
    case WEIR_SETTING_RATIO:
        return parse_ratio(text, value_out);
    case WEIR_SETTING_LIST:
        return parse_list(row, text, value_out);
    }
    weir_assert(false);
    return false;
}

/* ---- refusals -------------------------------------------------------------------------------- */

int weir_settings_unknown(const struct weir_settings_table *table, const char *key,
                          const char *value, struct weir_error *error)
{
    struct weir_nearest nearest = weir_nearest_to(key);
    for (size_t i = 0; i < table->count; i++) {
        weir_nearest_offer(&nearest, table->rows[i].key);
    }
    if (table->offer != NULL) table->offer(&nearest);
    if (nearest.found == NULL) {
        return weir_error_set(error, WEIR_INVALID_CONFIG, "unknown %s '%s' (value '%s')",
                              table->noun, key, value);
    }
    return weir_error_set(error, WEIR_INVALID_CONFIG,
                          "unknown %s '%s' (value '%s'): did you mean '%s'?", table->noun, key,
                          value, nearest.found);
}

static int bad_value(const struct weir_setting *row, const char *value, struct weir_error *error)
{
    const char *words = row->choices;
    if (words == NULL && row->kind == WEIR_SETTING_BOOLEAN) words = "true or false";
    if (words == NULL && row->kind == WEIR_SETTING_RATIO) words = "a number from 0 to 1";
    if (words != NULL) {
        return weir_error_set(error, WEIR_INVALID_CONFIG, "'%s' = '%s': it takes %s. %s", row->key,
                              value, words, row->text);
    }
    return weir_error_set(
        error, WEIR_INVALID_CONFIG,
        "'%s' = '%s': it takes a whole number from %" PRId64 " to %" PRId64 "%s%s. %s", row->key,
        value, row->min, row->max, row->unit[0] != '\0' ? ", in " : "", row->unit, row->text);
}

/* ---- the door -------------------------------------------------------------------------------- */

static const struct weir_setting *find_row(const struct weir_settings_table *table, const char *key)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->rows[i].key, key) == 0) return &table->rows[i];
    }
    return NULL;
}

void weir_settings_default(const struct weir_settings_table *table, void *config)
{
    for (size_t i = 0; i < table->count; i++) {
        put(config, &table->rows[i], table->rows[i].preset);
    }
}

int weir_settings_set(const struct weir_settings_table *table, void *config, const char *key,
                      const char *value, struct weir_error *error)
{
    const struct weir_setting *row = find_row(table, key);
    if (row == NULL) return weir_settings_unknown(table, key, value, error);
    int64_t parsed;
    if (!parse_value(row, value, &parsed)) return bad_value(row, value, error);
    put(config, row, parsed);
    return 0;
}

enum weir_config_type weir_settings_type(const struct weir_settings_table *table, const char *key)
{
    static const enum weir_config_type types[] = {
        [WEIR_SETTING_INT32] = WEIR_CONFIG_TYPE_INT,
        [WEIR_SETTING_INT64] = WEIR_CONFIG_TYPE_LONG,
        [WEIR_SETTING_WIDE_INT32] = WEIR_CONFIG_TYPE_INT,
        [WEIR_SETTING_BOOLEAN] = WEIR_CONFIG_TYPE_BOOLEAN,
        [WEIR_SETTING_CHOICE] = WEIR_CONFIG_TYPE_STRING,
        [WEIR_SETTING_SMALL_CHOICE] = WEIR_CONFIG_TYPE_STRING,
        [WEIR_SETTING_RATIO] = WEIR_CONFIG_TYPE_DOUBLE,
        [WEIR_SETTING_LIST] = WEIR_CONFIG_TYPE_LIST,
    };
    const struct weir_setting *row = find_row(table, key);
    return row != NULL ? types[row->kind] : WEIR_CONFIG_TYPE_UNKNOWN;
}

void weir_settings_each(const struct weir_settings_table *table, const void *config,
                        weir_setting_fn each, void *context)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct weir_setting *row = &table->rows[i];
        char text[VALUE_TEXT_SIZE];
        int64_t value = get(config, row);
        print_value(row, value, text, sizeof text);
        each(context, row->key, text, value == row->preset, row->text);
    }
}
