#ifndef WEIR_RUNTIME_APPLICATION_APP_H
#define WEIR_RUNTIME_APPLICATION_APP_H

#include "runtime/application/source.h"
#include "runtime/job/start_partition.h"

/**
 * An application from outside, without its program: what its records, its commit and the log say. The facts are
 * those that a start compares, with what is written down in the place of the topology:
 *
 *     the group's entries ──> inputs, with where they go on
 *     the records ──────────> changelogs and repartition topics, what their bytes are
 *     the log ──────────────> where each of them begins and ends now
 *
 * So what a start would say is said in the same words (weir_start_compare, weir_start_decide), as far as it can
 * be known: whether the program has the stores and reads the bytes that the last one wrote, only a start can tell.
 * An input is taken for one that feeds all stores.
 */
struct weir_app {
    /* Who asks. */
    struct weir_app_source source;
    struct weir_arena *arena; /* all that is given lives there */
    const char *id;
    /* Given. */
    const char *records_topic; /* `<id>-application` */
    bool has_group;            /* its group has committed something, or is owned */
    bool is_owned;             /* its group is a stream application's own, docs/format/offsets.md */
    int64_t commit_time_ms;    /* of the latest entry; -1: none, or not known */
    struct weir_commit_recover committed;
    struct weir_application records;
    struct weir_uuid records_id; /* of that topic, if `facts.has_topic` */
    int64_t records_end;
    struct weir_start_facts facts;
    struct weir_start_differences found;
    /* What a start with .on_mismatch at its default would end with; 0: it would go on. */
    int start_rc;
    struct weir_error start_error;
};

static inline bool weir_app_is_internal(const struct weir_start_topic *topic)
{
    return topic->role == WEIR_START_REPARTITION || topic->role == WEIR_START_CHANGELOG;
}

#endif
