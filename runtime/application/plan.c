#include "runtime/application/plan.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/commit_metadata.h"

static int no_memory(struct weir_error *error)
{
    return weir_error_set(error, WEIR_NO_MEMORY, "no memory to change an application");
}

/* ---- what is not clear ----------------------------------------------------------------------- */

/* Something that is not the application's would be taken for it, or lost. */
static bool is_unclear(enum weir_start_what what)
{
    return what == WEIR_START_NOT_OURS || what == WEIR_START_OWNED || what == WEIR_START_REPLACED ||
           what == WEIR_START_ENTRY_FOREIGN;
}

static int refuse_unclear(const struct weir_app *app, const char *verb, struct weir_error *error)
{
    char text[WEIR_ERROR_TEXT_SIZE / 2];
    for (size_t i = 0; i < app->found.count; i++) {
        if (!is_unclear(app->found.items[i].what)) continue;
        weir_start_difference_text(&app->found.items[i], text, sizeof text);
        return weir_error_set(error, WEIR_MISMATCH,
                              "application '%s' is not %s while this is not clear: %s", app->id,
                              verb, text);
    }
    for (size_t i = 0; i < app->committed.entry_count; i++) {
        const struct weir_commit_entry *entry = &app->committed.entries[i];
        if (entry->unreadable == NULL) continue;
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "last commit of '%.*s' partition %" PRId32 ": %s",
                              (int)entry->of.topic.size, (const char *)entry->of.topic.data,
                              entry->of.partition, entry->unreadable);
    }
    return 0;
}

static int refuse_absent(const struct weir_app *app, struct weir_error *error)
{
    size_t count = app->committed.entry_count;
    bool is_given_back = !app->is_owned && app->records.has_committed;
    if (!app->committed.has_commit && count > 0 && is_given_back) {
        return weir_error_set(
            error, WEIR_MISMATCH,
            "application '%s' was released, and group '%s' is anybody's since: "
            "'weir app adopt %s --data DIR --dry-run' shows what taking it back would take "
            "over",
            app->id, app->id, app->id);
    }
    if (!app->committed.has_commit && count > 0) {
        return weir_error_set(error, WEIR_MISMATCH,
                              "group '%s' has %zu offsets that no application of this id "
                              "committed: of a consumer, or of a Kafka Streams application. 'weir "
                              "app adopt %s --data DIR --dry-run' shows what would be taken over",
                              app->id, count, app->id);
    }
    if (weir_app_exists(app)) return 0;
    return weir_error_set(error, WEIR_GROUP_ID_NOT_FOUND, "there is no application '%s'", app->id);
}

int weir_app_check_reset(const struct weir_app *app, struct weir_error *error)
{
    int rc = refuse_absent(app, error);
    if (rc < 0 || app->committed.is_reset_begun) return rc;
    if (!app->committed.has_commit) {
        const char *why = app->records.has_committed
                              ? "its commit is gone, so that nobody knows which topics it reads: "
                                "start it, and choose with .on_mismatch what becomes of its state"
                              : "it has not committed anything yet, and begins anew by itself";
        return weir_error_set(error, WEIR_MISMATCH, "application '%s' cannot be reset: %s", app->id,
                              why);
    }
    return refuse_unclear(app, "reset", error);
}

static const struct weir_start_difference *find_foreign_tail(const struct weir_app *app)
{
    for (size_t i = 0; i < app->found.count; i++) {
        if (app->found.items[i].what == WEIR_START_FOREIGN_TAIL) return &app->found.items[i];
    }
    return NULL;
}

int weir_app_check_release(const struct weir_app *app, struct weir_error *error)
{
    char text[WEIR_ERROR_TEXT_SIZE / 2];
    int rc = refuse_absent(app, error);
    if (rc < 0) return rc;
    if (!app->is_owned && !app->committed.has_commit) {
        return weir_error_set(error, WEIR_MISMATCH, "application '%s' does not own its group",
                              app->id);
    }
    if (app->committed.is_reset_begun) {
        return weir_error_set(error, WEIR_MISMATCH,
                              "application '%s' is being reset, and that has not come to its end: "
                              "'weir app reset %s --data DIR' goes on with it",
                              app->id, app->id);
    }
    if (app->records.is_rebuilding || app->records.is_emptying) {
        return weir_error_set(error, WEIR_MISMATCH,
                              "a start of application '%s' has chosen to make state anew, and was "
                              "killed before it came to its first commit: start it once more",
                              app->id);
    }
    rc = refuse_unclear(app, "released", error);
    const struct weir_start_difference *tail = find_foreign_tail(app);
    if (rc < 0 || tail == NULL) return rc;
    weir_start_difference_text(tail, text, sizeof text);
    return weir_error_set(error, WEIR_MISMATCH, "application '%s' is not released: %s", app->id,
                          text);
}

int weir_app_check_adopt(const struct weir_app *app, struct weir_error *error)
{
    bool is_begun = app->is_owned && !app->committed.has_commit && app->committed.entry_count > 0;
    if ((app->is_owned && !is_begun) || app->committed.has_commit) {
        return weir_error_set(error, WEIR_EXISTS,
                              "group '%s' is the application's own already: there is nothing to "
                              "adopt",
                              app->id);
    }
    if (app->committed.entry_count > 0) return 0;
    return weir_error_set(error, WEIR_GROUP_ID_NOT_FOUND,
                          "group '%s' has committed no offsets: there is nothing to adopt",
                          app->id);
}

/* ---- commits --------------------------------------------------------------------------------- */

struct plan {
    const struct weir_app *app;
    struct weir_offset_entry *entries;
    size_t count;
};

static int begin(struct plan *plan, const struct weir_app *app, size_t bound,
                 struct weir_error *error)
{
    *plan = (struct plan){.app = app};
    plan->entries = weir_arena_array(app->arena, bound + 1, sizeof *plan->entries);
    return plan->entries != NULL ? 0 : no_memory(error);
}

static int finish(const struct plan *plan, bool releases, struct weir_app_commit *commit_out,
                  struct weir_error *error)
{
    if (weir_arena_failed(plan->app->arena)) return no_memory(error);
    *commit_out = (struct weir_app_commit){plan->entries, plan->count, releases};
    return 0;
}

static void forget(struct plan *plan, struct weir_topic_partition of)
{
    plan->entries[plan->count++] =
        (struct weir_offset_entry){.partition = of, .is_tombstone = true};
}

/* An input of the application's; `time_ms` -1: nothing of it has been processed. */
static void add_input(struct plan *plan, struct weir_topic_partition of, int64_t offset,
                      int32_t leader_epoch, int64_t time_ms)
{
    const struct weir_commit_metadata metadata = {.partition_time_ms = time_ms, .end_offset = -1};
    plan->entries[plan->count++] = (struct weir_offset_entry){
        .partition = of,
        .offset = offset,
        .leader_epoch = leader_epoch,
        .metadata = weir_commit_metadata_encode(&metadata, plan->app->arena),
    };
}

/* It says that the commit is ours. No job has run for it, so nothing that lies anywhere is of this run. */
static void add_run(struct plan *plan, int64_t records_end, bool is_reset_begun)
{
    const struct weir_commit_run run = {.is_reset_begun = is_reset_begun};
    plan->entries[plan->count++] = (struct weir_offset_entry){
        .partition = {weir_text(plan->app->records_topic), 0},
        .offset = records_end,
        .leader_epoch = -1,
        .metadata = weir_commit_run_encode(&run, plan->app->arena),
    };
}

static const struct weir_start_topic *topic_of(const struct weir_app *app, struct weir_slice name)
{
    for (size_t t = 0; t < app->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &app->facts.topics[t];
        if (weir_slice_equal(weir_text(topic->name), name)) return topic;
    }
    return NULL;
}

/* The partition of an input that is there; NULL: it is another's, or gone. */
static const struct weir_start_partition *input_of(const struct weir_app *app,
                                                   struct weir_topic_partition of)
{
    const struct weir_start_topic *topic = topic_of(app, of.topic);
    bool is_input = topic != NULL && topic->role == WEIR_START_INPUT && topic->exists;
    bool is_there = is_input && of.partition >= 0 && of.partition < topic->partition_count;
    return is_there ? &topic->partitions[of.partition] : NULL;
}

static bool has_position(const struct weir_app_position *positions, size_t count,
                         struct weir_topic_partition of)
{
    size_t i = 0;
    while (i < count && !(positions[i].of.partition == of.partition &&
                          weir_slice_equal(positions[i].of.topic, of.topic))) {
        i++;
    }
    return i < count;
}

static int check_positions(const struct weir_app *app, const struct weir_app_position *positions,
                           size_t count, struct weir_error *error)
{
    for (size_t i = 0; i < count; i++) {
        const struct weir_app_position *position = &positions[i];
        if (input_of(app, position->of) != NULL && position->offset >= 0) continue;
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "'%.*s' partition %" PRId32
                              " is no partition of an input of application '%s' that could go on "
                              "at %" PRId64,
                              (int)position->of.topic.size, (const char *)position->of.topic.data,
                              position->of.partition, app->id, position->offset);
    }
    for (size_t t = 0; t < app->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &app->facts.topics[t];
        bool is_needed = topic->role == WEIR_START_INPUT && topic->exists;
        for (int32_t p = 0; is_needed && p < topic->partition_count; p++) {
            const struct weir_topic_partition of = {weir_text(topic->name), p};
            if (has_position(positions, count, of)) continue;
            return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                                  "input '%s' partition %" PRId32 " of application '%s' is not "
                                  "named: all state is dropped, so every input needs a position",
                                  topic->name, p, app->id);
        }
    }
    return 0;
}

int weir_app_plan_reset(const struct weir_app *app, const struct weir_app_position *positions,
                        size_t position_count, struct weir_app_commit *commit_out,
                        struct weir_error *error)
{
    struct plan plan;
    int rc = check_positions(app, positions, position_count, error);
    if (rc >= 0) rc = begin(&plan, app, position_count + app->committed.entry_count, error);
    if (rc < 0) return rc;
    for (size_t i = 0; i < position_count; i++) {
        const struct weir_start_partition *there = input_of(app, positions[i].of);
        add_input(&plan, positions[i].of, positions[i].offset, there->leader_epoch, -1);
    }
    for (size_t i = 0; i < app->committed.entry_count; i++) {
        const struct weir_commit_entry *entry = &app->committed.entries[i];
        if (!has_position(positions, position_count, entry->of)) forget(&plan, entry->of);
    }
    add_run(&plan, app->records_end, true);
    return finish(&plan, false, commit_out, error);
}

int weir_app_end_reset(const struct weir_app *app, int64_t records_end,
                       struct weir_app_commit *commit_out, struct weir_error *error)
{
    struct plan plan;
    int rc = begin(&plan, app, 1, error);
    if (rc < 0) return rc;
    add_run(&plan, records_end, false);
    return finish(&plan, false, commit_out, error);
}

static bool is_kept(const struct weir_app *app, const struct weir_commit_entry *entry)
{
    const struct weir_start_partition *there = input_of(app, entry->of);
    return there != NULL && there->has_entry;
}

int weir_app_plan_release(const struct weir_app *app, struct weir_app_commit *commit_out,
                          struct weir_error *error)
{
    struct plan plan;
    int rc = begin(&plan, app, app->committed.entry_count + 1, error);
    if (rc < 0) return rc;
    for (size_t i = 0; i < app->committed.entry_count; i++) {
        const struct weir_commit_entry *entry = &app->committed.entries[i];
        if (!is_kept(app, entry)) {
            forget(&plan, entry->of);
            continue;
        }
        plan.entries[plan.count++] = (struct weir_offset_entry){.partition = entry->of,
                                                                .offset = entry->offset,
                                                                .leader_epoch = entry->leader_epoch,
                                                                .metadata = weir_text("")};
    }
    if (app->committed.has_commit) {
        forget(&plan, (struct weir_topic_partition){weir_text(app->records_topic), 0});
    }
    return finish(&plan, true, commit_out, error);
}

/* As long as it is not known when, records that were processed count as of 1970: as early as one may be. */
static int64_t processed_time(const struct weir_commit_entry *entry)
{
    if (entry->offset == 0) return -1;
    return entry->streams_time_ms > 0 ? entry->streams_time_ms : 0;
}

int weir_app_plan_adopt(const struct weir_app *app, int64_t records_end,
                        struct weir_app_commit *commit_out, struct weir_error *error)
{
    struct plan plan;
    int rc = begin(&plan, app, app->committed.entry_count + 1, error);
    if (rc < 0) return rc;
    for (size_t i = 0; i < app->committed.entry_count; i++) {
        const struct weir_commit_entry *entry = &app->committed.entries[i];
        if (is_kept(app, entry)) {
            add_input(&plan, entry->of, entry->offset, entry->leader_epoch, processed_time(entry));
        } else {
            forget(&plan, entry->of);
        }
    }
    add_run(&plan, records_end, false);
    return finish(&plan, false, commit_out, error);
}

int64_t weir_app_unprocessed(const struct weir_start_topic *topic)
{
    int64_t count = 0;
    if (topic->role != WEIR_START_REPARTITION || !topic->exists) return 0;
    for (int32_t p = 0; p < topic->partition_count; p++) {
        const struct weir_start_partition *partition = &topic->partitions[p];
        int64_t from = partition->has_entry && partition->committed > partition->log_start
                           ? partition->committed
                           : partition->log_start;
        bool is_foreign = partition->is_foreign_entry || !partition->has_entry;
        int64_t end = is_foreign ? partition->log_end : partition->committed_end;
        if (end > from) count += end - from;
    }
    return count;
}
