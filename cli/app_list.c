/** `weir app list`. */
#include <stddef.h>

#include "cli/app_view.h"
#include "cli/say.h"

struct values {
    struct place_target target;
    bool is_json;
};

static const struct cli_option options[] = {
    {0, "json", CLI_FLAG, offsetof(struct values, is_json), NULL, "one JSON array"},
    PLACE_OPTIONS(struct values),
};

static const char details[] =
    "STATE is 'owned' (its group is its own), 'given back' (anybody may move its group), "
    "'resetting'\n"
    "(a reset was killed: 'weir app reset' goes on with it) or 'new' (it has not committed yet).\n"
    "START is what the next start would say as far as that is known without the program: 'goes "
    "on',\n"
    "or 'refused', which 'weir app describe' explains.\n";

struct totals {
    size_t inputs;
    size_t internal;
};

static struct totals count_topics(const struct weir_app *app)
{
    struct totals totals = {0};
    for (size_t t = 0; t < app->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &app->facts.topics[t];
        totals.inputs += topic->role == WEIR_START_INPUT;
        totals.internal += weir_app_is_internal(topic) && topic->exists;
    }
    return totals;
}

static const char *start_text(const struct weir_app *app)
{
    return app->start_rc < 0 ? "refused" : "goes on";
}

static void add_row(struct say_table *table, const struct weir_app *app)
{
    char time[APP_TIME_SIZE];
    struct totals totals = count_topics(app);
    say_table_cell(table, "%s", app->id);
    say_table_cell(table, "%s", app_state_text(app));
    say_table_cell(table, "%zu", totals.inputs);
    say_table_number(table, app_lag(app));
    say_table_cell(table, "%zu", totals.internal);
    say_table_cell(table, "%s", app_time_text(time, app->commit_time_ms));
    say_table_cell(table, "%s", start_text(app));
}

static void print_json(const struct weir_app *app, bool is_first)
{
    struct totals totals = count_topics(app);
    (void)fputs(is_first ? "{\"name\": " : ",\n {\"name\": ", stdout);
    say_json_text(stdout, weir_text(app->id));
    printf(", \"state\": \"%s\", \"inputs\": %zu", app_state_text(app), totals.inputs);
    app_put_number("lag", app_lag(app));
    app_put_number("internal_topics", (int64_t)totals.internal);
    app_put_number("last_commit_ms", app->commit_time_ms);
    printf(", \"start\": \"%s\"}", start_text(app));
}

/* What cannot be looked at is named all the same. */
static void say_unseen(struct say_table *table, bool is_json, const char *name, bool is_first,
                       const struct weir_error *error)
{
    say_note("weir: application '%s' cannot be looked at: %s", name, error->text);
    if (is_json) {
        (void)fputs(is_first ? "{\"name\": " : ",\n {\"name\": ", stdout);
        say_json_text(stdout, weir_text(name));
        (void)fputs(", \"state\": null}", stdout);
        return;
    }
    say_table_cell(table, "%s", name);
    for (size_t i = 1; i < table->column_count; i++) {
        say_table_cell(table, "-");
    }
}

static int list(struct cli *cli, struct place *place, const void *of_command,
                const struct cli_operands *operands)
{
    const struct values *values = of_command;
    struct weir_error error = {0};
    struct weir_arena of_names;
    struct weir_arena arena;
    struct app_names names = {0};
    struct app_view view;
    struct say_table table;
    (void)operands;
    weir_arena_init(&of_names, &cli->budget, 0);
    weir_arena_init(&arena, &cli->budget, 0);
    int rc = app_names_load(place, &of_names, &names, &error);
    say_table_begin(&table, "APPLICATION|STATE|>INPUTS|>LAG|>INTERNAL|LAST COMMIT|START");
    if (rc >= 0 && values->is_json) (void)putchar('[');
    for (size_t i = 0; rc >= 0 && i < names.count; i++) {
        struct weir_error why = {0};
        weir_arena_reset(&arena);
        if (app_view_load(&view, place, &arena, names.items[i], &why) < 0) {
            say_unseen(&table, values->is_json, names.items[i], i == 0, &why);
        } else if (values->is_json) {
            print_json(&view.app, i == 0);
        } else {
            add_row(&table, &view.app);
        }
    }
    if (rc >= 0 && values->is_json) (void)puts("]");
    if (rc >= 0 && !values->is_json && names.count > 0) {
        say_table_end(&table, 0);
    } else {
        say_table_drop(&table);
    }
    if (rc >= 0 && names.count == 0 && !values->is_json) say_note("no applications");
    weir_arena_close(&arena);
    weir_arena_close(&of_names);
    return rc < 0 ? say_failure(&error, NULL) : say_flush();
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {0};
    const struct place_command at_place = {
        .values = &values, .target = &values.target, .work = list};
    return place_command_run(cli, command, argc, argv, &at_place);
}

const struct cli_command cli_app_list = {
    .name = "app list",
    .operands = "",
    .summary = "stream applications, how far they are and whether they would start",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
