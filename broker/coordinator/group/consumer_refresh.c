#include "broker/coordinator/group/consumer_refresh.h"

#include "broker/coordinator/group/consumer_records.h"

enum { REGEX_INTERVAL_MS = 10000 }; /* Kafka's: expressions are not looked up again before */

static int bump(struct weir_consumer_group *group, struct weir_group_update *update)
{
    group->epoch++;
    return weir_consumer_write_epoch(group, update);
}

/* Look one expression up again. What has become too long or too costly stays as it was. */
static int refresh_regex(struct weir_consumer_group *group, const struct weir_consumer_event *event,
                         struct weir_wanted_regex *regex, struct weir_group_update *update)
{
    const struct weir_slice *names = NULL;
    size_t count = 0;
    int rc = weir_regex_lookup(regex->pattern, event->topics, group->budget, update->arena, &names,
                               &count, NULL);
    if (rc == WEIR_INVALID_REGULAR_EXPRESSION) {
        regex->is_resolved = true;
        return 0;
    }
    if (rc < 0) return rc;
    bool is_same = regex->is_resolved && regex->name_count == count;
    for (size_t i = 0; is_same && i < count; i++) {
        is_same = weir_slice_equal(regex->names[i], names[i]);
    }
    size_t size = weir_wanted_regex_size(names, count);
    bool has_room = size <= regex->size ||
                    weir_consumer_group_bytes(group) + 2 * size <= event->settings->bytes_max;
    if (is_same || !has_room) return 0;
    rc = weir_consumer_topics_set_regex(&group->topics, regex->pattern, names, count);
    if (rc < 0) return rc;
    return weir_consumer_write_regex(group, regex, event->topics_version, event->wall_ms, update);
}

static bool has_unresolved(const struct weir_consumer_group *group)
{
    size_t at = 0;
    const struct weir_wanted_regex *regex;
    while ((regex = weir_map_next(&group->topics.regexes, &at)) != NULL) {
        if (!regex->is_resolved) return true;
    }
    return false;
}

/* Expressions are looked up again when the metadata has changed, but not more often than each REGEX_INTERVAL_MS:
 * many topics that are made one after the other make one rebalance. */
static int refresh_regexes(struct weir_consumer_group *group,
                           const struct weir_consumer_event *event,
                           struct weir_group_update *update)
{
    size_t at = 0;
    struct weir_wanted_regex *regex;
    if (weir_map_count(&group->topics.regexes) == 0) return 0;
    if (group->regexes_version == event->topics_version && !has_unresolved(group)) return 0;
    if (group->regexes_at_ms != INT64_MIN &&
        event->now_ms < group->regexes_at_ms + REGEX_INTERVAL_MS) {
        weir_consumer_group_wake(group, group->regexes_at_ms + REGEX_INTERVAL_MS);
        return 0;
    }
    while ((regex = weir_map_next(&group->topics.regexes, &at)) != NULL) {
        int rc = refresh_regex(group, event, regex, update);
        if (rc < 0) return rc;
    }
    group->regexes_version = event->topics_version;
    group->regexes_at_ms = event->now_ms;
    return 0;
}

int weir_consumer_group_refresh(struct weir_consumer_group *group,
                                const struct weir_consumer_event *event, bool is_changed,
                                struct weir_group_update *update)
{
    bool has_members = !weir_consumer_group_is_empty(group);
    int rc = has_members ? refresh_regexes(group, event, update) : 0;
    if (rc < 0) return rc;
    group->topics_version = event->topics_version;
    int64_t hash =
        weir_consumer_topics_hash(&group->topics, event->topics, &group->partition_count);
    if (!is_changed && hash == group->topics_hash) return 0;
    group->topics_hash = hash;
    return bump(group, update);
}

int weir_consumer_group_drop_regex(struct weir_consumer_group *group, struct weir_slice pattern,
                                   struct weir_group_update *update)
{
    if (pattern.size == 0) return 0;
    struct weir_wanted_regex *regex = weir_consumer_topics_regex(&group->topics, pattern);
    if (regex == NULL || regex->members > 0) return 0;
    int rc = weir_consumer_write_regex_gone(group, regex, update);
    weir_consumer_topics_drop_regex(&group->topics, regex);
    return rc;
}
