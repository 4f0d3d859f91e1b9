#include "runtime/application/look.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/uuid.h"
#include "runtime/job/commit_offsets.h"
#include "wire/record_batch_reader.h"

static int keep_failure(struct weir_app *app, int rc, struct weir_error *error)
{
    if (rc >= 0 || weir_app_is_fatal(rc)) return rc;
    if (app->start_rc == 0) {
        app->start_rc = rc;
        weir_error_copy(&app->start_error, error);
    }
    weir_error_clear(error);
    return 0;
}

/* ---- the table of topics --------------------------------------------------------------------- */

static struct weir_start_topic *find(const struct weir_app *app, struct weir_slice name)
{
    for (size_t i = 0; i < app->facts.topic_count; i++) {
        struct weir_start_topic *topic = &app->facts.topics[i];
        if (weir_slice_equal(weir_text(topic->name), name)) return topic;
    }
    return NULL;
}

static bool ends_with(const char *name, const char *end)
{
    size_t size = strlen(name);
    size_t end_size = strlen(end);
    return size > end_size && strcmp(name + size - end_size, end) == 0;
}

static enum weir_start_role role_by_name(const struct weir_app *app, const char *name)
{
    size_t size = strlen(app->id);
    if (strncmp(name, app->id, size) != 0 || name[size] != '-') return WEIR_START_OTHER;
    if (ends_with(name, "-changelog")) return WEIR_START_CHANGELOG;
    return ends_with(name, "-repartition") ? WEIR_START_REPARTITION : WEIR_START_OTHER;
}

/* Of a topic that the commit names and no record does: of somebody else's entry nothing but the name is known. */
static enum weir_start_role role_of(const struct weir_app *app, const char *name,
                                    const struct weir_commit_entry *entry)
{
    enum weir_start_role by_name = role_by_name(app, name);
    bool is_known = !entry->is_foreign && entry->unreadable == NULL;
    if (is_known && entry->end < 0) return WEIR_START_INPUT;
    if (by_name != WEIR_START_OTHER) return by_name;
    return is_known ? WEIR_START_REPARTITION : WEIR_START_INPUT;
}

static void add_entry_topic(struct weir_app *app, const struct weir_commit_entry *entry)
{
    const struct weir_slice of = entry->of.topic;
    if (find(app, of) != NULL) return;
    const char *name = weir_arena_printf(app->arena, "%.*s", (int)of.size, (const char *)of.data);
    if (name == NULL) return;
    app->facts.topics[app->facts.topic_count++] =
        (struct weir_start_topic){.name = name, .of = name, .role = role_of(app, name, entry)};
}

static void add_recorded_topic(struct weir_app *app, const struct weir_own_topic *record)
{
    bool is_changelog = record->role == WEIR_OWN_CHANGELOG;
    app->facts.topics[app->facts.topic_count++] = (struct weir_start_topic){
        .name = record->name,
        .of = record->of,
        .role = is_changelog ? WEIR_START_CHANGELOG : WEIR_START_REPARTITION,
        .record = record,
        .wanted_count = record->partition_count,
        .formats = record->formats,
        .window_size_ms = record->window_size_ms,
    };
}

/* Inputs, repartition topics, changelogs, as a job has them in its own table, each by name. */
static int compare_topics(const void *a, const void *b)
{
    const struct weir_start_topic *left = a;
    const struct weir_start_topic *right = b;
    if (left->role != right->role) return left->role < right->role ? -1 : 1;
    return strcmp(left->name, right->name);
}

static int make_table(struct weir_app *app, struct weir_error *error)
{
    size_t bound = app->records.topic_count + app->committed.entry_count + 1;
    app->facts.topics = weir_arena_array(app->arena, bound, sizeof *app->facts.topics);
    if (app->facts.topics == NULL) return weir_app_no_memory(error);
    for (size_t i = 0; i < app->records.topic_count; i++) {
        add_recorded_topic(app, &app->records.topics[i]);
    }
    for (size_t i = 0; i < app->committed.entry_count; i++) {
        add_entry_topic(app, &app->committed.entries[i]);
    }
    if (weir_arena_failed(app->arena)) return weir_app_no_memory(error);
    qsort(app->facts.topics, app->facts.topic_count, sizeof *app->facts.topics, compare_topics);
    return 0;
}

/* ---- what is there --------------------------------------------------------------------------- */

static int look_at_partition(struct weir_app *app, struct weir_start_topic *topic, int32_t number,
                             struct weir_error *error)
{
    struct weir_describe_partition_request described = {.of = {weir_text(topic->name), number}};
    int rc = app->source.ops->partition(app->source.impl, &described, error);
    struct weir_start_partition *partition = &topic->partitions[number];
    if (rc >= 0) weir_start_describe(partition, &described);
    if (rc < 0) partition->is_offline = true;
    if (rc >= 0 && described.is_offline && weir_app_is_internal(topic)) {
        rc = weir_start_refuse_offline(topic->name, number, described.offline_from, error);
        rc = weir_error_wrap(error, rc, "topic '%s'", topic->name);
    } else {
        rc = weir_error_wrap(error, rc, "partition %" PRId32 " of '%s'", number, topic->name);
    }
    return keep_failure(app, rc, error);
}

static int make_partitions(struct weir_app *app, struct weir_start_topic *topic)
{
    size_t count = (size_t)topic->partition_count;
    topic->partitions = weir_arena_array(app->arena, count + 1, sizeof *topic->partitions);
    if (topic->partitions == NULL) return WEIR_NO_MEMORY;
    for (size_t p = 0; p < count; p++) {
        topic->partitions[p] = weir_start_partition_new();
    }
    return 0;
}

static int look_at_topic(struct weir_app *app, struct weir_start_topic *topic,
                         struct weir_error *error)
{
    struct weir_topic_request described = {
        .operation = WEIR_TOPIC_DESCRIBE, .topic = weir_text(topic->name), .is_internal = true};
    int rc = app->source.ops->topic(app->source.impl, &described, error);
    if (rc == WEIR_UNKNOWN_TOPIC_OR_PARTITION) {
        weir_error_clear(error);
        return 0;
    }
    if (rc < 0) return weir_error_wrap(error, rc, "topic '%s'", topic->name);
    topic->exists = true;
    topic->id = described.topic_id;
    topic->partition_count = described.partition_count;
    topic->keeps_for_ever = !described.config.cleanup_delete;
    topic->is_compacted = described.config.cleanup_compact;
    if (topic->record == NULL) topic->wanted_count = topic->partition_count;
    if (make_partitions(app, topic) < 0) return weir_app_no_memory(error);
    for (int32_t p = 0; rc >= 0 && p < topic->partition_count; p++) {
        rc = look_at_partition(app, topic, p, error);
    }
    return rc;
}

static void take_entries(struct weir_app *app)
{
    for (size_t i = 0; i < app->committed.entry_count; i++) {
        const struct weir_commit_entry *entry = &app->committed.entries[i];
        struct weir_start_topic *topic = find(app, entry->of.topic);
        weir_assert(topic != NULL); /* the table has all that the commit names */
        weir_start_take_entry(topic, entry);
    }
}

/* ---- in doubt -------------------------------------------------------------------------------- */

static int look_at_epoch(struct weir_app *app, struct weir_start_topic *topic, int32_t number,
                         struct weir_error *error)
{
    struct weir_start_partition *partition = &topic->partitions[number];
    struct weir_epoch_end_request asked = {.of = {weir_text(topic->name), number},
                                           .epoch = partition->committed_epoch};
    if (!weir_start_is_in_doubt(topic, partition)) return 0;
    int rc = app->source.ops->epoch_end(app->source.impl, &asked, error);
    if (rc == WEIR_UNSUPPORTED) {
        weir_error_clear(error);
        return 0;
    }
    if (rc >= 0) weir_start_take_epoch_end(topic, partition, asked.end_offset);
    rc =
        weir_error_wrap(error, rc, "leader epochs of '%s' partition %" PRId32, topic->name, number);
    return keep_failure(app, rc, error);
}

static int read_tail(struct weir_app *app, const struct weir_start_topic *topic, int32_t number,
                     struct weir_buffer *bytes, struct weir_error *error)
{
    struct weir_start_partition *partition = &topic->partitions[number];
    int64_t at = partition->committed_end > partition->log_start ? partition->committed_end
                                                                 : partition->log_start;
    int rc = 0;
    while (rc >= 0 && at < partition->log_end) {
        int64_t before = at;
        bool is_ours = true;
        weir_buffer_reset(bytes);
        rc = app->source.ops->fetch(app->source.impl,
                                    (struct weir_topic_partition){weir_text(topic->name), number},
                                    at, bytes, error);
        if (rc >= 0) {
            rc = weir_start_check_tail(&app->committed, weir_buffer_slice(bytes), &at, &is_ours,
                                       error);
        }
        if (rc >= 0 && (!is_ours || at == before)) {
            partition->foreign_at = at;
            return 0;
        }
    }
    return rc;
}

static int look_at_tail(struct weir_app *app, const struct weir_start_topic *topic, int32_t number,
                        struct weir_error *error)
{
    const struct weir_start_partition *partition = &topic->partitions[number];
    bool has_tail = partition->has_entry && partition->log_end > partition->committed_end;
    if (!has_tail || partition->is_offline || !weir_start_is_ours(topic)) return 0;
    struct weir_buffer bytes;
    weir_buffer_init(&bytes, app->arena->budget, 0);
    int rc = read_tail(app, topic, number, &bytes, error);
    weir_buffer_close(&bytes);
    rc = weir_error_wrap(error, rc, "read '%s' partition %" PRId32, topic->name, number);
    return keep_failure(app, rc, error);
}

/* Compacted topics rewrite their batches. */
static int look_at_read(struct weir_app *app, const struct weir_start_topic *topic, int32_t number,
                        struct weir_error *error)
{
    struct weir_start_partition *partition = &topic->partitions[number];
    struct weir_buffer bytes;
    if (topic->is_compacted || !weir_start_is_comparable(partition)) return 0;
    int64_t offset = weir_read_batch_last(&partition->read);
    weir_buffer_init(&bytes, app->arena->budget, 0);
    int rc = app->source.ops->fetch(app->source.impl,
                                    (struct weir_topic_partition){weir_text(topic->name), number},
                                    offset, &bytes, error);
    if (rc >= 0) weir_start_take_read(partition, offset, weir_buffer_slice(&bytes));
    weir_buffer_close(&bytes);
    bool is_unknown = rc == WEIR_OFFSET_OUT_OF_RANGE || rc == WEIR_OFFLINE || rc == WEIR_CORRUPT;
    if (is_unknown) weir_error_clear(error);
    return is_unknown ? 0 : keep_failure(app, rc, error);
}

static int look_closer(struct weir_app *app, struct weir_start_topic *topic,
                       struct weir_error *error)
{
    int rc = 0;
    for (int32_t p = 0; rc >= 0 && topic->exists && p < topic->partition_count; p++) {
        rc = look_at_epoch(app, topic, p, error);
        if (rc < 0) break;
        rc = weir_app_is_internal(topic) ? look_at_tail(app, topic, p, error)
                                         : look_at_read(app, topic, p, error);
    }
    return rc;
}

/* ---- what a start would say ------------------------------------------------------------------ */

static bool has_processed(const struct weir_app *app)
{
    bool has = false;
    for (size_t t = 0; t < app->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &app->facts.topics[t];
        for (int32_t p = 0;
             topic->role == WEIR_START_INPUT && topic->exists && p < topic->partition_count; p++) {
            has |= topic->partitions[p].has_processed;
        }
    }
    return has;
}

/* Every input reads for the one sub-topology that stands for all. */
static void set_topology(struct weir_app *app)
{
    static const bool all[1] = {true};
    bool has_state = false;
    bool has_progress = has_processed(app);
    for (size_t t = 0; t < app->facts.topic_count; t++) {
        has_state |= app->facts.topics[t].role == WEIR_START_CHANGELOG;
    }
    for (size_t t = 0; t < app->facts.topic_count; t++) {
        struct weir_start_topic *topic = &app->facts.topics[t];
        topic->has_progress = topic->role == WEIR_START_CHANGELOG && has_progress;
        if (topic->role != WEIR_START_INPUT) continue;
        topic->read_by = topic->feeds = all;
        topic->may_be_cut = weir_start_is_named_as_internal(topic->name);
        topic->has_state = topic->feeds_state = has_state;
        topic->chosen = weir_application_find_input(&app->records, topic->name);
    }
}

/* The program that ran last did not have it: its first commit gave the entries up. One that has only been adopted
 * has not run, and its topics are those of before. */
static bool is_left(const struct weir_app *app, const struct weir_start_topic *topic)
{
    bool is_kept = topic->record != NULL && topic->record->phase == WEIR_OWN_TOPIC_KEPT;
    bool has_run = app->committed.has_commit && app->committed.producer_count > 0;
    return weir_app_is_internal(topic) && is_kept && has_run && topic->entry_count == 0;
}

static int take_left(struct weir_app *app)
{
    struct weir_start_facts *facts = &app->facts;
    struct weir_start_left *left =
        weir_arena_array(app->arena, facts->topic_count + 1, sizeof *left);
    size_t kept = 0;
    size_t count = 0;
    if (left == NULL) return WEIR_NO_MEMORY;
    for (size_t t = 0; t < facts->topic_count; t++) {
        bool is_gone = is_left(app, &facts->topics[t]);
        if (is_gone) left[count++] = (struct weir_start_left){.record = facts->topics[t].record};
        if (!is_gone) facts->topics[kept++] = facts->topics[t];
    }
    facts->left = left;
    facts->left_count = count;
    facts->topic_count = kept;
    return 0;
}

static int compare(struct weir_app *app, struct weir_error *error)
{
    struct weir_start_facts *facts = &app->facts;
    app->found = (struct weir_start_differences){.arena = app->arena};
    if (weir_start_compare_chosen(facts, &app->found) < 0 ||
        weir_start_compare(facts, &app->found) < 0) {
        return weir_app_no_memory(error);
    }
    struct weir_error why = {0};
    int rc = weir_start_decide(facts, &app->found, WEIR_ON_MISMATCH_REFUSE, &why);
    if (rc >= 0 && !weir_start_reads_again(facts, rc)) rc = weir_start_refuse_unserved(facts, &why);
    if (rc < 0 && app->start_rc == 0) {
        app->start_rc = rc;
        app->start_error = why;
    }
    return 0;
}

/* ---- the look -------------------------------------------------------------------------------- */

static int look_at_commit(struct weir_app *app, struct weir_error *error)
{
    struct weir_committed_request asked = {.group = weir_text(app->id), .arena = app->arena};
    int rc = app->source.ops->committed(app->source.impl, &asked, error);
    if (rc < 0) return weir_error_wrap(error, rc, "committed offsets of group '%s'", app->id);
    app->is_owned = asked.is_application;
    app->has_group = asked.is_application || asked.entry_count > 0;
    app->commit_time_ms = -1;
    for (size_t i = 0; i < asked.entry_count; i++) {
        int64_t time_ms = asked.entries[i].commit_time_ms;
        if (time_ms > app->commit_time_ms) app->commit_time_ms = time_ms;
    }
    app->committed = (struct weir_commit_recover){.call = {.arena = app->arena}};
    const struct weir_commit_offsets from = {app->records_topic, asked.entries, asked.entry_count};
    rc = weir_commit_offsets_read(&from, app->arena, &app->committed, error);
    return weir_error_wrap(error, rc, "application '%s'", app->id);
}

static int look_at_records(struct weir_app *app, struct weir_error *error)
{
    struct weir_topic_request described = {.operation = WEIR_TOPIC_DESCRIBE,
                                           .topic = weir_text(app->records_topic)};
    app->records = (struct weir_application){.arena = app->arena};
    int rc = app->source.ops->topic(app->source.impl, &described, error);
    if (rc == WEIR_UNKNOWN_TOPIC_OR_PARTITION) {
        weir_error_clear(error);
        return 0;
    }
    if (rc >= 0) {
        app->facts.has_topic = true;
        app->records_id = described.topic_id;
        rc =
            weir_app_read_records(app, app->records_topic, &app->records, &app->records_end, error);
    }
    if (rc == WEIR_CORRUPT) {
        return weir_error_wrap(
            error, rc, "the topic is to hold the records of application '%s' alone", app->id);
    }
    return rc;
}

static void set_application_facts(struct weir_app *app)
{
    const struct weir_commit_recover *committed = &app->committed;
    struct weir_start_facts *facts = &app->facts;
    facts->application_id = app->id;
    facts->records = &app->records;
    facts->has_commit = committed->has_commit;
    facts->is_reset_begun = committed->is_reset_begun;
    facts->has_no_run = committed->has_commit && committed->producer_count == 0;
    if (!facts->has_commit) facts->foreign_entries = committed->entry_count;
    facts->is_records_cut =
        facts->has_commit && (!facts->has_topic || app->records_end < committed->records_end ||
                              !weir_uuid_equal(app->records_id, committed->records_topic_id));
}

int weir_app_look(struct weir_app *app, struct weir_error *error)
{
    weir_assert(app->arena != NULL && app->source.ops != NULL && app->id != NULL);
    app->records_topic = weir_application_topic_name(app->arena, app->id);
    if (app->records_topic == NULL) return weir_app_no_memory(error);
    int rc = look_at_commit(app, error);
    if (rc >= 0) rc = look_at_records(app, error);
    if (rc >= 0) rc = make_table(app, error);
    if (rc < 0) return rc;
    set_application_facts(app);
    struct weir_start_facts *facts = &app->facts;
    for (size_t t = 0; rc >= 0 && t < facts->topic_count; t++) {
        rc = look_at_topic(app, &facts->topics[t], error);
    }
    if (rc >= 0) take_entries(app);
    for (size_t t = 0; rc >= 0 && t < facts->topic_count; t++) {
        rc = look_closer(app, &facts->topics[t], error);
        if (rc >= 0) rc = weir_app_look_for_owners(app, &facts->topics[t], error);
    }
    if (rc >= 0 && take_left(app) < 0) rc = weir_app_no_memory(error);
    if (rc >= 0) set_topology(app);
    return rc >= 0 ? compare(app, error) : rc;
}

bool weir_app_exists(const struct weir_app *app)
{
    return app->is_owned || app->committed.has_commit || app->records.has_committed ||
           app->records.topic_count > 0;
}

/* ---- strangers ------------------------------------------------------------------------------- */

/* NULL: not one. */
static int look_at_stranger(struct weir_app *app, const char *name, enum weir_start_role role,
                            const struct weir_start_topic **stranger_out, struct weir_error *error)
{
    struct weir_start_topic *topic = find(app, weir_text(name));
    int rc = 0;
    if (topic == NULL) {
        topic = weir_arena_alloc_zero(app->arena, sizeof *topic);
        if (topic == NULL) return weir_app_no_memory(error);
        *topic = (struct weir_start_topic){.name = name, .of = name, .role = role};
        topic->record = weir_application_find(&app->records, name);
        rc = look_at_topic(app, topic, error);
        if (rc >= 0) rc = weir_app_look_for_owners(app, topic, error);
    }
    bool is_stranger = topic->exists && topic->owner == NULL && !weir_start_is_ours(topic);
    *stranger_out = is_stranger ? topic : NULL;
    return rc;
}

int weir_app_find_strangers(struct weir_app *app, const char *const *names, size_t name_count,
                            const struct weir_start_topic ***strangers_out, size_t *count_out,
                            struct weir_error *error)
{
    const struct weir_start_topic **strangers =
        weir_arena_array(app->arena, name_count + 1, sizeof(struct weir_start_topic *));
    size_t count = 0;
    int rc = strangers != NULL ? 0 : weir_app_no_memory(error);
    for (size_t i = 0; rc >= 0 && i < name_count; i++) {
        enum weir_start_role role = role_by_name(app, names[i]);
        if (role == WEIR_START_OTHER) continue;
        rc = look_at_stranger(app, names[i], role, &strangers[count], error);
        if (rc >= 0 && strangers[count] != NULL) count++;
    }
    if (rc < 0) return rc;
    *strangers_out = strangers;
    *count_out = count;
    return 0;
}
