#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/uuid.h"
#include "runtime/job/start_internal.h"
#include "wire/topic_names.h"

/**
 * What each topic is to a job, and what it may therefore not be besides. A topic of the job's own has one writer and
 * one reader, the job; letters and late records that went into an input would be read, and come again. By names, before
 * anything is asked; whether a topic is another application's is known by that one's records, before anything is made.
 */

static bool has_node(const struct weir_topology *topology, enum weir_plan_node_kind kind,
                     size_t topic)
{
    for (size_t n = 0; n < topology->node_count; n++) {
        const struct weir_plan_node *node = &topology->nodes[n];
        if (node->kind == kind && node->topic >= 0 && (size_t)node->topic == topic) return true;
    }
    return false;
}

static const char *option_of(const struct weir_streams *streams, size_t topic)
{
    const struct weir_task_config *config = &streams->task_config;
    if (topic == config->late_topic) return "late_topic";
    bool has_letters = weir_streams_writes_letters(&streams->options);
    return has_letters && topic == config->dead_letter_topic ? "dead_letter_topic" : NULL;
}

/* The one of the job's own that has the name of `topic`, which may be that one itself. */
static size_t find_internal(const struct weir_streams *streams, size_t topic)
{
    const char *name = streams->topics[topic].name;
    for (size_t i = 0; i < streams->topic_count; i++) {
        const struct weir_job_topic *own = &streams->topics[i];
        if (own->is_internal && strcmp(own->name, name) == 0) return i;
    }
    return SIZE_MAX;
}

static const char *kind_of(const struct weir_streams *streams, size_t internal)
{
    return internal < streams->topology->topic_count ? "a repartition topic" : "a changelog";
}

static int check_declared(const struct weir_streams *streams, size_t topic,
                          struct weir_error *error)
{
    const struct weir_topology *topology = streams->topology;
    const char *name = streams->topics[topic].name;
    const size_t internal = find_internal(streams, topic);
    if (internal != SIZE_MAX) {
        return weir_error_set(error, WEIR_INVALID_TOPOLOGY,
                              "topic '%s' is %s of application '%s' itself: the program cannot "
                              "read or write it; name another topic",
                              name, kind_of(streams, internal), streams->options.application_id);
    }
    bool is_written = has_node(topology, WEIR_PLAN_SINK, topic);
    if (!is_written || !weir_topic_name_is_internal(weir_text(name))) return 0;
    return weir_error_set(error, WEIR_INVALID_TOPOLOGY,
                          "the program writes to topic '%s', and names that begin with '__' are "
                          "the log's own: name another topic",
                          name);
}

static int check_option(const struct weir_streams *streams, size_t topic, const char *option,
                        const char *records_topic, struct weir_error *error)
{
    static const char right[] = "name a topic that is for such records, or an output";
    const char *name = streams->topics[topic].name;
    const char *id = streams->options.application_id;
    const size_t internal = find_internal(streams, topic);
    if (internal != SIZE_MAX) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "%s '%s' is %s of application '%s' itself: %s", option, name,
                              kind_of(streams, internal), id, right);
    }
    if (strcmp(name, records_topic) == 0) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "%s '%s' holds the records of application '%s': %s", option, name, id,
                              right);
    }
    if (weir_topic_name_is_internal(weir_text(name))) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "%s '%s' is the log's own, as names are that begin with '__': %s",
                              option, name, right);
    }
    bool is_declared = topic < streams->topology->topic_count;
    if (!is_declared || !has_node(streams->topology, WEIR_PLAN_SOURCE, topic)) return 0;
    return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                          "%s '%s' is an input of the job, which would read there what it has sent "
                          "there, and send it again: %s",
                          option, name, right);
}

int weir_start_check_roles(const struct weir_start *start, struct weir_error *error)
{
    const struct weir_streams *streams = start->streams;
    int rc = 0;
    weir_assert(start->application_topic != NULL);
    for (size_t i = 0; rc >= 0 && i < streams->topic_count; i++) {
        const struct weir_job_topic *topic = &streams->topics[i];
        if (topic->name == NULL) continue;
        bool is_declared = i < streams->topology->topic_count && !topic->is_internal;
        if (is_declared) rc = check_declared(streams, i, error);
        /* Two options may name one topic. */
        const char *option = option_of(streams, i);
        if (rc < 0 || option == NULL) continue;
        rc = check_option(streams, i, option, start->application_topic, error);
    }
    return rc;
}

/* ---- other applications ---------------------------------------------------------------------- */

static bool is_records_topic(const char *name)
{
    static const char end[] = "-application";
    const size_t size = strlen(name);
    return size >= sizeof end && strcmp(name + size - (sizeof end - 1), end) == 0;
}

bool weir_start_may_write_into_other(const struct weir_start *start, size_t topic)
{
    const struct weir_streams *streams = start->streams;
    const char *name = streams->topics[topic].name;
    if (name == NULL || streams->topics[topic].is_internal) return false;
    bool is_declared = topic < streams->topology->topic_count;
    bool is_written = option_of(streams, topic) != NULL ||
                      (is_declared && has_node(streams->topology, WEIR_PLAN_SINK, topic));
    return is_written && (weir_start_is_named_as_internal(name) || is_records_topic(name));
}

/* One that is not there would be made, where auto-create is on, in the place of theirs. */
static bool is_kept_by(const struct weir_application *other, const struct weir_start_topic *topic)
{
    for (size_t i = 0; i < other->topic_count; i++) {
        const struct weir_own_topic *record = &other->topics[i];
        if (topic->exists && weir_uuid_equal(record->id, topic->id)) return true;
        if (!topic->exists && strcmp(record->name, topic->name) == 0) return true;
    }
    return false;
}

int weir_start_refuse_other(const struct weir_start *start, size_t topic, struct weir_error *error)
{
    const struct weir_streams *streams = start->streams;
    const struct weir_application *other = &start->other;
    const struct weir_start_topic *found = &start->facts.topics[topic];
    const char *option = option_of(streams, topic);
    bool is_run = other->has_committed || other->topic_count > 0;
    bool are_records = is_run && strcmp(found->name, start->other_reader.topic) == 0;
    weir_assert(start->owner != NULL && weir_start_may_write_into_other(start, topic));
    if (!are_records && !is_kept_by(other, found)) return 0;
    return weir_error_set(
        error, option != NULL ? WEIR_INVALID_ARGUMENT : WEIR_INVALID_TOPOLOGY,
        "%s '%s' %s application '%s', which alone may write to it: name another topic",
        option != NULL ? option : "the program writes to topic", found->name,
        are_records ? "holds the records of" : "is an internal topic of", start->owner);
}
