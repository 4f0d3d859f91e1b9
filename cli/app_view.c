#include "cli/app_view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/nearest.h"
#include "cli/no_memory.h"
#include "cli/say.h"

static const char suffix[] = "-application";

/* ---- names ----------------------------------------------------------------------------------- */

int app_topic_names(struct place *place, struct weir_arena *arena, const char ***names_out,
                    size_t *count_out, struct weir_error *error)
{
    struct place_topics topics = {0};
    int rc = place->ops->list(place, arena, &topics, error);
    if (rc < 0) return rc;
    const char **names = weir_arena_array(arena, topics.count + 1, sizeof *names);
    if (names == NULL) return cli_no_memory(error);
    for (size_t i = 0; i < topics.count; i++) {
        names[i] = topics.rows[i].name;
    }
    *names_out = names;
    *count_out = topics.count;
    return 0;
}

/* A topic may be called so and be somebody's own. */
static int has_records(struct place *place, struct weir_arena *arena, const char *topic)
{
    struct app_source source;
    struct weir_application records = {.arena = arena};
    struct weir_error error = {0};
    int64_t end = 0;
    app_source_init(&source, place, arena);
    struct weir_app app = {.source = source.source, .arena = arena, .id = topic};
    int rc = weir_app_read_records(&app, topic, &records, &end, &error);
    return rc == WEIR_CORRUPT ? 0 : 1; /* one that is damaged or offline is shown with why */
}

static bool has_name(const struct app_names *names, const char *name)
{
    size_t i = 0;
    while (i < names->count && strcmp(names->items[i], name) != 0) {
        i++;
    }
    return i < names->count;
}

static int add_by_topics(struct place *place, struct weir_arena *arena, const char **topics,
                         size_t topic_count, struct app_names *names, struct weir_error *error)
{
    for (size_t i = 0; i < topic_count; i++) {
        size_t size = strlen(topics[i]);
        size_t end = sizeof suffix - 1;
        if (size <= end || strcmp(topics[i] + size - end, suffix) != 0) continue;
        if (!has_records(place, arena, topics[i])) continue;
        const char *name = weir_arena_printf(arena, "%.*s", (int)(size - end), topics[i]);
        if (name == NULL) return cli_no_memory(error);
        names->items[names->count++] = name;
    }
    return 0;
}

static void add_by_groups(const struct place_groups *groups, struct app_names *names)
{
    for (size_t i = 0; i < groups->count; i++) {
        const struct place_group *group = &groups->rows[i];
        if (!group->is_application || has_name(names, group->name)) continue;
        names->items[names->count++] = group->name;
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A server that does not list its groups has the topics still. */
static int list_groups(struct place *place, struct weir_arena *arena,
                       struct place_groups *groups_out, struct weir_error *error)
{
    if (place->ops->groups == NULL) return 0;
    int rc = place->ops->groups->list(place, arena, groups_out, error);
    if (rc != WEIR_UNSUPPORTED_VERSION && rc != WEIR_UNSUPPORTED) return rc;
    weir_error_clear(error);
    return 0;
}

int app_names_load(struct place *place, struct weir_arena *arena, struct app_names *names_out,
                   struct weir_error *error)
{
    struct app_names names = {0};
    struct place_groups groups = {0};
    const char **topics = NULL;
    size_t topic_count = 0;
    int rc = app_topic_names(place, arena, &topics, &topic_count, error);
    if (rc >= 0) rc = list_groups(place, arena, &groups, error);
    if (rc < 0) return rc;
    names.items = weir_arena_array(arena, topic_count + groups.count + 1, sizeof *names.items);
    if (names.items == NULL) return cli_no_memory(error);
    rc = add_by_topics(place, arena, topics, topic_count, &names, error);
    if (rc < 0) return rc;
    add_by_groups(&groups, &names);
    qsort(names.items, names.count, sizeof *names.items, compare_names);
    *names_out = names;
    return 0;
}

/* ---- one application ------------------------------------------------------------------------- */

/* At a server the job may be running, and commit and cut between two questions: what does not fit then is looked at
 * again. */
enum { LOOKS_MAX = 3 };

int app_view_load(struct app_view *view, struct place *place, struct weir_arena *arena,
                  const char *name, struct weir_error *error)
{
    int looks_left = place->log != NULL ? 1 : LOOKS_MAX;
    int rc;
    do {
        *view = (struct app_view){.place = place};
        app_source_init(&view->source, place, arena);
        view->app = (struct weir_app){.source = view->source.source, .arena = arena, .id = name};
        rc = weir_app_look(&view->app, error);
    } while (rc >= 0 && view->app.start_rc < 0 && --looks_left > 0);
    return rc;
}

static int say_unknown(struct place *place, struct weir_arena *arena, const char *name)
{
    struct weir_error error;
    struct weir_nearest nearest = weir_nearest_to(name);
    struct app_names names = {0};
    (void)app_names_load(place, arena, &names, NULL); /* without, no name is near */
    for (size_t i = 0; i < names.count; i++) {
        weir_nearest_offer(&nearest, names.items[i]);
    }
    (void)weir_error_set(&error, WEIR_GROUP_ID_NOT_FOUND, "%s has no application '%s'", place->what,
                         name);
    if (nearest.found != NULL) return say_failure(&error, "did you mean '%s'?", nearest.found);
    return say_failure(&error, "'weir app list%s' shows those there are", place->option);
}

int app_say_failure(struct place *place, struct weir_arena *arena, const char *name,
                    const struct weir_error *error)
{
    if (error->code == WEIR_GROUP_ID_NOT_FOUND) return say_unknown(place, arena, name);
    if (error->code == WEIR_NON_EMPTY_GROUP) {
        return say_failure(error,
                           "a Kafka Streams application does not leave when it is closed: let a "
                           "server have the directory until its session has ended (45 s, if it "
                           "says nothing else), and 'weir group list' has no member of it");
    }
    return say_failure(error, NULL);
}

int app_check_directory(const struct cli_command *command, const struct place_target *target)
{
    if (target->data != NULL) return CLI_OK;
    return say_usage(command->name, "it works in a data directory that no job and no server has "
                                    "open: --data DIR");
}

const char *app_state_text(const struct weir_app *app)
{
    if (app->committed.is_reset_begun) return "resetting";
    if (app->is_owned || app->committed.has_commit) return "owned";
    return app->committed.entry_count > 0 ? "given back" : "new";
}

int64_t app_partition_lag(const struct weir_start_partition *partition)
{
    if (partition->is_offline) return -1;
    int64_t from = weir_start_input_position(partition);
    return partition->log_end - from;
}

int64_t app_lag(const struct weir_app *app)
{
    int64_t lag = 0;
    for (size_t t = 0; t < app->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &app->facts.topics[t];
        bool is_counted = topic->role == WEIR_START_INPUT && topic->exists;
        for (int32_t p = 0; is_counted && p < topic->partition_count; p++) {
            int64_t of_partition = app_partition_lag(&topic->partitions[p]);
            if (of_partition < 0) return -1;
            lag += of_partition;
        }
    }
    return lag;
}

const char *app_time_text(char to[APP_TIME_SIZE], int64_t time_ms)
{
    struct tm parts;
    time_t seconds = (time_t)(time_ms / 1000);
    (void)snprintf(to, APP_TIME_SIZE, "-");
    if (time_ms >= 0 && gmtime_r(&seconds, &parts) != NULL) {
        (void)strftime(to, APP_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts);
    }
    return to;
}

void app_put_number(const char *name, int64_t number)
{
    printf(", \"%s\": ", name);
    say_json_number(stdout, number);
}
