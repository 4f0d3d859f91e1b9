#include "cli/server_settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/coordinator/group/group_settings.h"
#include "broker/coordinator/txn/txn_settings.h"
#include "broker/log/cleaner_settings.h"
#include "broker/log/topic_defaults.h"
#include "server/server_config.h"

/* ---- one setting ----------------------------------------------------------------------------- */

static int refuse(const struct weir_config *setting, const char *takes, struct weir_error *error)
{
    return weir_error_set(error, WEIR_INVALID_CONFIG, "'%s' = '%s': it takes %s", setting->key,
                          setting->value, takes);
}

static int take_partitions(struct server_settings *settings, const struct weir_config *setting,
                           struct weir_error *error)
{
    int64_t value = 0;
    size_t digits = strspn(setting->value, "0123456789");
    bool is_number = digits > 0 && digits < 9 && setting->value[digits] == '\0';
    for (size_t i = 0; is_number && i < digits; i++) {
        value = 10 * value + (setting->value[i] - '0');
    }
    if (value < 1) return refuse(setting, "a whole number from 1 on", error);
    settings->log_options->num_partitions = (int32_t)value;
    return 0;
}

static int take_auto_create(struct server_settings *settings, const struct weir_config *setting,
                            struct weir_error *error)
{
    bool is_off = strcmp(setting->value, "false") == 0;
    if (!is_off && strcmp(setting->value, "true") != 0) {
        return refuse(setting, "true or false", error);
    }
    settings->log_options->auto_create_topics = is_off ? WEIR_AUTO_CREATE_OFF : 0;
    return 0;
}

static int take_flush_policy(struct server_settings *settings, const struct weir_config *setting,
                             struct weir_error *error)
{
    bool is_os = strcmp(setting->value, "os") == 0;
    if (!is_os && strcmp(setting->value, "group") != 0) {
        return refuse(setting, "group or os", error);
    }
    settings->log_options->flush_policy_os = is_os;
    return 0;
}

static const struct {
    const char *key;
    int (*take)(struct server_settings *settings, const struct weir_config *setting,
                struct weir_error *error);
    bool is_broker_too; /* the port shows it, and has to know */
} engine_settings[] = {
    {"num.partitions", take_partitions, true},
    {"auto.create.topics.enable", take_auto_create, true},
    {"flush.policy", take_flush_policy, false},
};

static int add(struct weir_config *rows, size_t *count, const struct weir_config *setting,
               struct weir_error *error)
{
    if (*count == SERVER_SETTINGS_MAX) {
        return weir_error_set(error, WEIR_INVALID_CONFIG, "more than %d settings",
                              SERVER_SETTINGS_MAX);
    }
    rows[(*count)++] = *setting;
    return 0;
}

static int take_topic_default(struct server_settings *settings, const struct weir_config *setting,
                              struct weir_error *error)
{
    struct weir_topic_config scratch = weir_topic_config_default();
    int rc = weir_topic_default_set(&scratch, setting->key, setting->value, error);
    return rc < 0 ? rc : add(settings->topics, &settings->topic_count, setting, error);
}

static int take_group_setting(struct server_settings *settings, const struct weir_config *setting,
                              struct weir_error *error)
{
    struct weir_group_settings scratch = weir_group_settings_default();
    int rc = weir_group_settings_set(&scratch, setting->key, setting->value, error);
    return rc < 0 ? rc : add(settings->topics, &settings->topic_count, setting, error);
}

static int take_transaction_setting(struct server_settings *settings,
                                    const struct weir_config *setting, struct weir_error *error)
{
    struct weir_txn_settings scratch = weir_txn_settings_default();
    int rc = weir_txn_settings_set(&scratch, setting->key, setting->value, error);
    return rc < 0 ? rc : add(settings->topics, &settings->topic_count, setting, error);
}

static int take_cleaner_setting(struct server_settings *settings, const struct weir_config *setting,
                                struct weir_error *error)
{
    struct weir_cleaner_settings scratch = weir_cleaner_settings_default();
    int rc = weir_cleaner_settings_set(&scratch, setting->key, setting->value, error);
    return rc < 0 ? rc : add(settings->topics, &settings->topic_count, setting, error);
}

static int take_port(struct server_settings *settings, const struct weir_config *setting,
                     struct weir_error *error)
{
    struct weir_server_config scratch = weir_server_config_default();
    int rc = weir_server_config_set(&scratch, setting->key, setting->value, error);
    return rc < 0 ? rc : add(settings->port, &settings->port_count, setting, error);
}

static int take(struct server_settings *settings, const struct weir_config *setting,
                struct weir_error *error)
{
    for (size_t i = 0; i < sizeof engine_settings / sizeof engine_settings[0]; i++) {
        if (strcmp(setting->key, engine_settings[i].key) != 0) continue;
        int rc = engine_settings[i].take(settings, setting, error);
        bool is_through = rc < 0 || !engine_settings[i].is_broker_too;
        return is_through ? rc : take_port(settings, setting, error);
    }
    if (weir_topic_default_is_known(setting->key)) {
        return take_topic_default(settings, setting, error);
    }
    if (weir_group_settings_is_known(setting->key)) {
        return take_group_setting(settings, setting, error);
    }
    if (weir_txn_settings_is_known(setting->key)) {
        return take_transaction_setting(settings, setting, error);
    }
    if (weir_cleaner_settings_is_known(setting->key)) {
        return take_cleaner_setting(settings, setting, error);
    }
    return take_port(settings, setting, error);
}

int server_settings_take_list(struct server_settings *settings, const struct cli_list *list,
                              struct weir_error *error)
{
    int rc = cli_configs_parse(list, &settings->listed, error);
    for (size_t i = 0; rc == 0 && i < settings->listed.count; i++) {
        rc = take(settings, &settings->listed.rows[i], error);
    }
    return rc;
}

/* ---- a file of them -------------------------------------------------------------------------- */

enum { FILE_SIZE_MAX = 1 << 20 };

static int read_file(struct server_settings *settings, const char *path, struct weir_error *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return weir_error_set(error, WEIR_INVALID_CONFIG, "cannot read it: %s", strerror(errno));
    }
    settings->file = malloc(FILE_SIZE_MAX + 1);
    size_t size = settings->file != NULL ? fread(settings->file, 1, FILE_SIZE_MAX + 1, file) : 0;
    bool has_failed = settings->file == NULL || ferror(file) != 0;
    (void)fclose(file);
    if (has_failed || size > FILE_SIZE_MAX) {
        return weir_error_set(error, WEIR_INVALID_CONFIG,
                              has_failed ? "cannot read it" : "it is larger than 1 MiB");
    }
    settings->file[size] = '\0';
    if (strlen(settings->file) == size) return 0;
    return weir_error_set(error, WEIR_INVALID_CONFIG, "it has a zero byte: it is no text");
}

static char *trimmed(char *text)
{
    static const char blanks[] = " \t\r\f";
    text += strspn(text, blanks);
    size_t size = strlen(text);
    while (size > 0 && strchr(blanks, text[size - 1]) != NULL) {
        text[--size] = '\0';
    }
    return text;
}

static int take_line(struct server_settings *settings, char *line, struct weir_error *error)
{
    char *key = trimmed(line);
    if (key[0] == '\0' || key[0] == '#' || key[0] == '!') return 0;
    char *equals = strchr(key, '=');
    if (equals == NULL || equals == key) {
        return weir_error_set(error, WEIR_INVALID_CONFIG,
                              "'%.64s' is no setting: it takes the form key=value", key);
    }
    *equals = '\0';
    struct weir_config setting = {.key = trimmed(key), .value = trimmed(equals + 1)};
    return take(settings, &setting, error);
}

int server_settings_take_file(struct server_settings *settings, const char *path,
                              struct weir_error *error)
{
    int rc = read_file(settings, path, error);
    if (rc < 0) return weir_error_wrap(error, rc, "'%s'", path);
    int number = 1;
    for (char *line = settings->file; line != NULL; number++) {
        char *end = strchr(line, '\n');
        if (end != NULL) *end++ = '\0';
        rc = take_line(settings, line, error);
        if (rc < 0) return weir_error_wrap(error, rc, "'%s' line %d", path, number);
        line = end;
    }
    return 0;
}

void server_settings_close(struct server_settings *settings)
{
    free(settings->file);
    settings->file = NULL;
}
