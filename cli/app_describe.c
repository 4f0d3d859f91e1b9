/** `weir app describe`. */
#include <inttypes.h>
#include <stddef.h>

#include "base/error.h"
#include "cli/app_view.h"
#include "cli/say.h"
#include "runtime/application/late.h"

struct values {
    struct place_target target;
    bool is_json;
};

static const struct cli_option options[] = {
    {0, "json", CLI_FLAG, offsetof(struct values, is_json), NULL, "one JSON object"},
    PLACE_OPTIONS(struct values),
};

static const char details[] =
    "What a start would say is said as far as it can be known without the program: whether that\n"
    "still has the stores, and reads the bytes that were written, only a start can tell. With a\n"
    "server, damage and leader epochs are not looked at.\n";

/* ---- for people ------------------------------------------------------------------------------ */

static void print_inputs(const struct weir_app *app)
{
    struct say_table table;
    say_table_begin(&table, "INPUT|>PARTITION|>COMMITTED|>END|>LAG");
    for (size_t t = 0; t < app->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &app->facts.topics[t];
        if (topic->role != WEIR_START_INPUT) continue;
        for (int32_t p = 0; topic->exists && p < topic->partition_count; p++) {
            const struct weir_start_partition *partition = &topic->partitions[p];
            say_table_cell(&table, "%s", topic->name);
            say_table_cell(&table, "%" PRId32, p);
            say_table_number(&table, partition->committed);
            say_table_number(&table, partition->is_offline ? -1 : partition->log_end);
            say_table_number(&table, app_partition_lag(partition));
        }
    }
    (void)puts("");
    say_table_end(&table, 0);
}

static void print_internal(const struct weir_app *app)
{
    struct say_table table;
    say_table_begin(&table, "INTERNAL TOPIC|STORE|>PARTITION|>PROCESSED|>COVERED|>END");
    for (size_t t = 0; t < app->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &app->facts.topics[t];
        bool is_changelog = topic->role == WEIR_START_CHANGELOG;
        if (!weir_app_is_internal(topic)) continue;
        for (int32_t p = 0; topic->exists && p < topic->partition_count; p++) {
            const struct weir_start_partition *partition = &topic->partitions[p];
            say_table_cell(&table, "%s", topic->name);
            say_table_cell(&table, "%s", is_changelog ? topic->of : "-");
            say_table_cell(&table, "%" PRId32, p);
            say_table_number(&table, is_changelog ? -1 : partition->committed);
            say_table_number(&table, partition->has_entry ? partition->committed_end : -1);
            say_table_number(&table, partition->is_offline ? -1 : partition->log_end);
        }
    }
    (void)puts("");
    say_table_end(&table, 0);
}

static const char *format_text(const struct weir_plan_format *format)
{
    return format->text != NULL && format->text[0] != '\0' ? format->text : "not known";
}

/* Structs are long: a line for each store, and not a column. */
static void print_store(const struct weir_own_topic *record, bool is_left)
{
    printf("store %s: keys %s, values %s", record->of, format_text(&record->formats.key),
           format_text(&record->formats.value));
    if (record->window_size_ms > 0) printf(", windows of %" PRId64 " ms", record->window_size_ms);
    (void)puts(is_left ? "; the program that ran last did not have it" : "");
}

static void print_stores(const struct weir_app *app)
{
    (void)puts("");
    for (size_t t = 0; t < app->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &app->facts.topics[t];
        bool is_store = topic->role == WEIR_START_CHANGELOG && topic->record != NULL;
        if (is_store) print_store(topic->record, false);
    }
    for (size_t i = 0; i < app->facts.left_count; i++) {
        const struct weir_own_topic *record = app->facts.left[i].record;
        if (record->role == WEIR_OWN_CHANGELOG) print_store(record, true);
    }
}

static void print_start(const struct weir_app *app)
{
    char text[WEIR_ERROR_TEXT_SIZE];
    printf("a start %s\n", app->start_rc < 0 ? "would be refused:" : "would go on");
    if (app->start_rc < 0) printf("  %s\n", app->start_error.text);
    for (size_t i = 0; i < app->found.count; i++) {
        if (!weir_start_is_noted(app->found.items[i].what)) continue;
        weir_start_difference_text(&app->found.items[i], text, sizeof text);
        printf("  noted: %s\n", text);
    }
}

static void print_run(const struct weir_app *app)
{
    if (app->committed.producer_count == 0) return;
    (void)fputs("producer ids of the last run:", stdout);
    for (size_t i = 0; i < app->committed.producer_count; i++) {
        printf(" %" PRId64, app->committed.producer_ids[i]);
    }
    (void)puts("");
}

static void print_late(const struct weir_app_late *late, size_t count)
{
    if (count == 0) return;
    (void)puts("");
    for (size_t i = 0; i < count; i++) {
        printf("late at %s: %" PRId64 " dropped, up to %" PRId64 " ms late; a grace of %" PRId64
               " ms would have been enough\n",
               late[i].operator_name, late[i].records, late[i].late_max_ms,
               late[i].grace_enough_ms);
    }
}

static void print_text(const struct weir_app *app)
{
    char time[APP_TIME_SIZE];
    bool has_internal = false;
    bool has_input = false;
    bool has_store = app->facts.left_count > 0;
    for (size_t t = 0; t < app->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &app->facts.topics[t];
        has_input |= topic->role == WEIR_START_INPUT;
        has_internal |= weir_app_is_internal(topic);
        has_store |= topic->role == WEIR_START_CHANGELOG;
    }
    printf("%s: %s, last commit %s\n", app->id, app_state_text(app),
           app_time_text(time, app->commit_time_ms));
    print_run(app);
    print_start(app);
    if (has_input) print_inputs(app);
    if (has_internal) print_internal(app);
    if (has_store) print_stores(app);
}

/* ---- for programs ---------------------------------------------------------------------------- */

static const char *role_name(enum weir_start_role role)
{
    if (role == WEIR_START_INPUT) return "input";
    return role == WEIR_START_CHANGELOG ? "changelog" : "repartition";
}

static void put_format(const char *name, const struct weir_plan_format *format)
{
    if (format->text == NULL || format->text[0] == '\0') {
        printf(", \"%s\": null", name);
        return;
    }
    printf(", \"%s\": ", name);
    say_json_text(stdout, weir_text(format->text));
}

static void put_topic(const struct weir_start_topic *topic, bool is_first)
{
    (void)fputs(is_first ? "\n  {\"topic\": " : ",\n  {\"topic\": ", stdout);
    say_json_text(stdout, weir_text(topic->name));
    printf(", \"role\": \"%s\", \"exists\": %s", role_name(topic->role),
           topic->exists ? "true" : "false");
    if (weir_app_is_internal(topic)) {
        (void)fputs(", \"of\": ", stdout);
        say_json_text(stdout, weir_text(topic->of));
    }
    if (topic->record != NULL) {
        put_format("key_format", &topic->record->formats.key);
        put_format("value_format", &topic->record->formats.value);
        app_put_number("window_size_ms", topic->record->window_size_ms);
    }
    (void)fputs(", \"partitions\": [", stdout);
    for (int32_t p = 0; topic->exists && p < topic->partition_count; p++) {
        const struct weir_start_partition *partition = &topic->partitions[p];
        bool is_input = topic->role == WEIR_START_INPUT;
        printf("%s{\"partition\": %" PRId32, p == 0 ? "" : ", ", p);
        if (topic->role != WEIR_START_CHANGELOG) app_put_number("committed", partition->committed);
        if (!is_input) {
            app_put_number("covered", partition->has_entry ? partition->committed_end : -1);
        }
        app_put_number("end", partition->is_offline ? -1 : partition->log_end);
        if (is_input) app_put_number("lag", app_partition_lag(partition));
        (void)putchar('}');
    }
    (void)fputs("]}", stdout);
}

static void put_differences(const struct weir_app *app)
{
    char text[WEIR_ERROR_TEXT_SIZE];
    (void)fputs("\"differences\": [", stdout);
    for (size_t i = 0; i < app->found.count; i++) {
        weir_start_difference_text(&app->found.items[i], text, sizeof text);
        printf("%s{\"what\": \"%s\", \"goes_on\": %s, \"text\": ", i == 0 ? "" : ", ",
               weir_start_what_name(app->found.items[i].what),
               weir_start_is_noted(app->found.items[i].what) ? "true" : "false");
        say_json_text(stdout, weir_text(text));
        (void)putchar('}');
    }
    (void)putchar(']');
}

static void put_late(const struct weir_app_late *late, size_t count)
{
    (void)fputs("],\n \"late\": [", stdout);
    for (size_t i = 0; i < count; i++) {
        (void)fputs(i == 0 ? "{\"operator\": " : ", {\"operator\": ", stdout);
        say_json_text(stdout, weir_text(late[i].operator_name));
        app_put_number("records", late[i].records);
        app_put_number("late_max_ms", late[i].late_max_ms);
        app_put_number("grace_enough_ms", late[i].grace_enough_ms);
        (void)putchar('}');
    }
}

static void print_json(const struct weir_app *app, const struct weir_app_late *late,
                       size_t late_count)
{
    (void)fputs("{\"name\": ", stdout);
    say_json_text(stdout, weir_text(app->id));
    printf(", \"state\": \"%s\"", app_state_text(app));
    app_put_number("last_commit_ms", app->commit_time_ms);
    (void)fputs(", \"producer_ids\": [", stdout);
    for (size_t i = 0; i < app->committed.producer_count; i++) {
        printf("%s%" PRId64, i == 0 ? "" : ", ", app->committed.producer_ids[i]);
    }
    printf("],\n \"start\": {\"goes_on\": %s, \"why\": ", app->start_rc < 0 ? "false" : "true");
    if (app->start_rc < 0) say_json_text(stdout, weir_text(app->start_error.text));
    (void)fputs(app->start_rc < 0 ? ", " : "null, ", stdout);
    put_differences(app);
    (void)fputs("},\n \"topics\": [", stdout);
    for (size_t t = 0; t < app->facts.topic_count; t++) {
        put_topic(&app->facts.topics[t], t == 0);
    }
    put_late(late, late_count);
    (void)puts("]}");
}

/* ---- the command ----------------------------------------------------------------------------- */

static int describe(struct cli *cli, struct place *place, const void *of_command,
                    const struct cli_operands *operands)
{
    const struct values *values = of_command;
    const char *name = operands->items[0];
    struct weir_error error = {0};
    struct weir_arena arena;
    struct app_view view;
    weir_arena_init(&arena, &cli->budget, 0);
    int rc = app_view_load(&view, place, &arena, name, &error);
    bool is_there = rc >= 0 && (weir_app_exists(&view.app) || view.app.has_group);
    if (rc >= 0 && !is_there)
        rc = weir_error_set(&error, WEIR_GROUP_ID_NOT_FOUND, "no application");
    struct weir_app_late *late = NULL;
    size_t late_count = 0;
    if (rc >= 0) rc = weir_app_find_late(&view.app, &late, &late_count, &error);
    if (rc >= 0 && values->is_json) print_json(&view.app, late, late_count);
    if (rc >= 0 && !values->is_json) {
        print_text(&view.app);
        print_late(late, late_count);
    }
    int exit_code = rc < 0 ? app_say_failure(place, &arena, name, &error) : say_flush();
    weir_arena_close(&arena);
    return exit_code;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {0};
    const struct place_command at_place = {
        .values = &values, .target = &values.target, .work = describe};
    return place_command_run(cli, command, argc, argv, &at_place);
}

const struct cli_command cli_app_describe = {
    .name = "app describe",
    .operands = "NAME",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "an application's inputs, topics and stores, and what a start would say",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
