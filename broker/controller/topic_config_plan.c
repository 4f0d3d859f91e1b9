#include "base/assert.h"
#include "base/error.h"
#include "broker/controller/topic_plan.h"

/*
 * What a request makes of a topic's settings: each entry is checked, applied to a copy of the
 * configuration and written as a record; the first that is wrong refuses all.
 */
enum { VALUE_SIZE_MAX = 256 };

/* ---- one key --------------------------------------------------------------------------------- */

struct key_search {
    const char *key;
    bool found;
    char value[VALUE_SIZE_MAX];
};

static void match_key(void *context, const char *key, const char *value, bool is_default,
                      const char *text)
{
    struct key_search *search = context;
    (void)is_default;
    (void)text;
    if (strcmp(key, search->key) != 0) return;
    search->found = true;
    weir_assert(strlen(value) < sizeof search->value);
    memcpy(search->value, value, strlen(value) + 1);
}

/* Back to the default, which any key may be that exists. */
static int reset(struct weir_topic_config *config, const struct weir_topic_config *defaults,
                 const char *key, struct weir_error *error)
{
    struct key_search search = {.key = key};
    weir_topic_config_each(defaults, match_key, &search);
    /* An unknown key is refused by its setting too, with the one that may be meant. */
    return weir_topic_config_set(config, key, search.found ? search.value : "", error);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static bool has_word(const char *list, const char *word, size_t size)
{
    while (*list != '\0') {
        size_t length = strcspn(list, ",");
        if (length == size && memcmp(list, word, size) == 0) return true;
        list += length + (list[length] == ',');
    }
    return false;
}

/* Add to `to` each word of `list` that is not among `without`; false if there is no room. */
static bool add_words(char to[VALUE_SIZE_MAX], const char *list, const char *without)
{
    size_t end = strlen(to);
    while (*list != '\0') {
        size_t size = strcspn(list, ",");
        if (!has_word(without, list, size)) {
            if (end + size + 2 > VALUE_SIZE_MAX) return false;
            if (end > 0) to[end++] = ',';
            memcpy(to + end, list, size);
            end += size;
            to[end] = '\0';
        }
        list += size + (list[size] == ',');
    }
    return true;
}

/* The list as it stands in `config`, with the entry's words added or taken away. */
static int change_list(const struct weir_topic_config *config,
                       const struct weir_config_entry *entry, char value[VALUE_SIZE_MAX],
                       struct weir_error *error)
{
    bool is_append = entry->op == WEIR_CONFIG_APPEND;
    struct key_search now = {.key = entry->key};
    if (weir_topic_config_type(entry->key) != WEIR_CONFIG_TYPE_LIST) {
        return weir_error_set(error, WEIR_INVALID_CONFIG,
                              "'%s' is not a list: nothing can be %s it, only set", entry->key,
                              is_append ? "appended to" : "subtracted from");
    }
    if (entry->value == NULL) {
        return weir_error_set(error, WEIR_INVALID_CONFIG, "'%s': no words are given", entry->key);
    }
    weir_topic_config_each(config, match_key, &now);
    value[0] = '\0';
    bool fits = add_words(value, now.value, is_append ? "" : entry->value);
    if (fits && is_append) fits = add_words(value, entry->value, now.value);
    if (fits) return 0;
    return weir_error_set(error, WEIR_INVALID_CONFIG, "'%s': the list gets too long", entry->key);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int write(const struct weir_metadata_draft *draft, struct weir_slice topic, const char *key,
                 const char *value)
{
    struct weir_metadata_record record = {
        .type = WEIR_METADATA_CONFIG,
        .config = {.resource_type = WEIR_RESOURCE_TOPIC,
                   .resource = topic,
                   .key = weir_text(key),
                   .value = weir_text(value)},
    };
    return draft->add(draft->context, &record);
}

static int apply(const struct weir_metadata_draft *draft, struct weir_config_plan *plan,
                 const struct weir_config_entry *entry, struct weir_error *error)
{
    const struct weir_topic_config *defaults = &draft->options->topic_defaults;
    char changed[VALUE_SIZE_MAX];
    const char *value = entry->value;
    int rc = 0;
    if (entry->op != WEIR_CONFIG_SET) {
        rc = change_list(&plan->config, entry, changed, error);
        value = changed;
    }
    if (rc < 0) return rc;
    rc = value == NULL ? reset(&plan->config, defaults, entry->key, error)
                       : weir_topic_config_set(&plan->config, entry->key, value, error);
    return rc < 0 ? rc : write(draft, plan->topic, entry->key, value);
}

/* Unknown keys are refused as they come, so that a key's predecessors are few. */
static int check_entry(const struct weir_config_plan *plan, size_t index, struct weir_error *error)
{
    const char *key = plan->entries[index].key;
    if (key == NULL || key[0] == '\0') {
        return weir_error_set(error, WEIR_INVALID_CONFIG, "setting %zu has no key", index);
    }
    if (plan->old == NULL && plan->entries[index].value == NULL) {
        return weir_error_set(error, WEIR_INVALID_CONFIG,
                              "'%s' has no value: leave it out for the default", key);
    }
    for (size_t i = 0; i < index; i++) {
        if (strcmp(plan->entries[i].key, key) == 0) {
            return weir_error_set(error, WEIR_INVALID_CONFIG, "'%s' is given twice", key);
        }
    }
    return 0;
}

static bool is_own(const struct weir_config_plan *plan, const char *key)
{
    for (size_t i = 0; plan->old != NULL && i < plan->old->configs.count; i++) {
        if (strcmp(plan->old->configs.rows[i].key, key) == 0) return true;
    }
    return false;
}

static bool is_named(const struct weir_config_plan *plan, const char *key)
{
    for (size_t i = 0; i < plan->entry_count; i++) {
        if (strcmp(plan->entries[i].key, key) == 0) return true;
    }
    return false;
}

/* What was set and is not named goes back to its default. */
static int drop_others(const struct weir_metadata_draft *draft, const struct weir_config_plan *plan)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < plan->old->configs.count; i++) {
        const char *key = plan->old->configs.rows[i].key;
        if (!is_named(plan, key)) rc = write(draft, plan->topic, key, NULL);
    }
    return rc;
}

static const struct weir_config_entry keep_for_ever = {.key = "retention.ms", .value = "-1"};

/* As in Kafka: what is to stay uncompacted for longer than it may, could only break one of the two promises. */
static int check_lags(const struct weir_topic_config *config, struct weir_error *error)
{
    if (config->min_compaction_lag_ms <= config->max_compaction_lag_ms) return 0;
    return weir_error_set(
        error, WEIR_INVALID_CONFIG,
        "'min.compaction.lag.ms' = %lld is above 'max.compaction.lag.ms' = %lld: records "
        "would have to stay for longer than they may",
        (long long)config->min_compaction_lag_ms, (long long)config->max_compaction_lag_ms);
}

int weir_config_plan_build(const struct weir_metadata_draft *draft, struct weir_config_plan *plan,
                           struct weir_error *error)
{
    bool is_afresh = plan->old == NULL || plan->replaces_all;
    const struct weir_topic_config *defaults = &draft->options->topic_defaults;
    plan->config = is_afresh ? *defaults : weir_topic_image_config(plan->old, defaults);
    if (plan->entry_count > WEIR_TOPIC_CONFIGS_MAX) {
        return weir_error_set(error, WEIR_INVALID_CONFIG, "%zu settings at once; at most %d",
                              plan->entry_count, WEIR_TOPIC_CONFIGS_MAX);
    }
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < plan->entry_count; i++) {
        rc = check_entry(plan, i, error);
        if (rc == 0 && plan->keeps_own && is_own(plan, plan->entries[i].key)) continue;
        if (rc == 0) rc = apply(draft, plan, &plan->entries[i], error);
    }
    if (rc == 0) rc = check_lags(&plan->config, error);
    bool adds_keeping = rc == 0 && plan->is_kept && !is_named(plan, keep_for_ever.key);
    if (adds_keeping) rc = apply(draft, plan, &keep_for_ever, error);
    if (rc == 0 && plan->old != NULL && plan->replaces_all) rc = drop_others(draft, plan);
    weir_topic_config_keep_own(plan->topic, &plan->config);
    return rc;
}
