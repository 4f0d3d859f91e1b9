#ifndef WEIR_BASE_SETTINGS_H
#define WEIR_BASE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nearest.h"
#include "weir/error.h"

/**
 * Settings of a struct under names of their own. One table has a row per setting: name, kind,
 * field, range, default, unit, text; parser, range check, printer, refusals and reference page come
 * from it.
 *
 *     static const struct weir_setting rows[] = {
 *         {"max.connections", WEIR_SETTING_INT32, offsetof(struct config, max_connections), 1,
 *          INT32_MAX, 10000, "", NULL, "Connections open at the same time."},
 *     };
 *     static const struct weir_settings_table table = {rows, 1, "server setting", NULL};
 *
 *     weir_settings_set(&table, &config, "max.connections", "20", error)
 */
enum weir_setting_kind {
    WEIR_SETTING_INT32,
    WEIR_SETTING_INT64,
    WEIR_SETTING_WIDE_INT32, /* the values of an int32_t in an int64_t */
    WEIR_SETTING_BOOLEAN,
    WEIR_SETTING_CHOICE,       /* an enumeration: the first word is `min`, the next one more */
    WEIR_SETTING_SMALL_CHOICE, /* the same in an int8_t */
    WEIR_SETTING_RATIO,        /* 0 to 1, in millionths in an int32_t */
    WEIR_SETTING_LIST, /* words with ',' between them: a bool per choice, side by side from `field`;
                          as a number the first choice is bit 0 */
};

enum { WEIR_SETTING_RATIO_ONE = 1000000 };

struct weir_setting {
    const char *key;
    enum weir_setting_kind kind;
    size_t field; /* offset in the struct */
    int64_t min;
    int64_t max;
    int64_t preset; /* the default, as a number */
    const char *unit;
    const char *choices; /* words with '|' between them, in order of their values; NULL: numbers,
                            or true and false */
    const char *text;    /* a sentence or two on what it does */
};

struct weir_settings_table {
    const struct weir_setting *rows;
    size_t count;
    const char *noun; /* what a refusal calls a row: "topic setting" */
    /* Names that are not rows here and may be meant nevertheless; NULL: none. */
    void (*offer)(struct weir_nearest *nearest);
};

/** What a setting's values are, in Kafka's numbers (DescribeConfigs 3). */
enum weir_config_type {
    WEIR_CONFIG_TYPE_UNKNOWN = 0,
    WEIR_CONFIG_TYPE_BOOLEAN = 1,
    WEIR_CONFIG_TYPE_STRING = 2,
    WEIR_CONFIG_TYPE_INT = 3,
    WEIR_CONFIG_TYPE_LONG = 5,
    WEIR_CONFIG_TYPE_DOUBLE = 6,
    WEIR_CONFIG_TYPE_LIST = 7,
};

/** All fields that have a row; the others stay as they are. */
void weir_settings_default(const struct weir_settings_table *table, void *config);

/** Set one from text. Errors: WEIR_INVALID_CONFIG with the key, the value, and what would be right
 * (range and unit, or "did you mean"); nothing has changed then. */
int weir_settings_set(const struct weir_settings_table *table, void *config, const char *key,
                      const char *value, struct weir_error *error);

/** The refusal of a key that is no row: WEIR_INVALID_CONFIG with the name that may be meant. */
int weir_settings_unknown(const struct weir_settings_table *table, const char *key,
                          const char *value, struct weir_error *error);

enum weir_config_type weir_settings_type(const struct weir_settings_table *table, const char *key);

/** Each setting in order of the table: its value as text that can be set again, default or not, its
 * row's text. `value` lasts until `each` returns. */
typedef void (*weir_setting_fn)(void *context, const char *key, const char *value, bool is_default,
                                const char *text);
void weir_settings_each(const struct weir_settings_table *table, const void *config,
                        weir_setting_fn each, void *context);

#endif
