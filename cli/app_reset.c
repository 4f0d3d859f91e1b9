/** `weir app reset`: an application begins anew, its inputs where they are put. Where, reset_plan.h decides; how,
 * runtime/application/reset.h. */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/app_view.h"
#include "cli/group_view.h"
#include "cli/no_memory.h"
#include "cli/reset_file.h"
#include "cli/reset_moves.h"
#include "cli/say.h"
#include "runtime/application/reset.h"

struct values {
    struct place_target target;
    struct reset_words words;
    const char *state_dir;
    bool is_dry;
    bool is_json;
    /* found by the check */
    struct reset_target to;
};

static const struct cli_option options[] = {
    RESET_OPTIONS(struct values),
    {0, "state-dir", CLI_TEXT, offsetof(struct values, state_dir), "DIR",
     "the job's .state_dir, if it has one (default: DATA/state)"},
    {0, "json", CLI_FLAG, offsetof(struct values, is_json), NULL, "one JSON object"},
    PLACE_DIRECTORY_OPTIONS(struct values),
};

static const char details[] =
    "All state goes: the changelogs and repartition topics are deleted, the state on the disk is\n"
    "removed, and the program begins without it where its inputs are put. Its outputs stay, and "
    "what\n"
    "is read again is written again. The group stays the application's.\n"
    "\n"
    "Inputs go to their beginning if nothing else is said, and stay where they are if a file does "
    "not\n"
    "name them. An offset that a log does not have becomes the nearest that it has.\n"
    "\n"
    "It needs the directory to itself: stop the job first. Killed half-way, every start refuses "
    "until\n"
    "'weir app reset NAME' has gone on with it, with the positions that were chosen first.\n"
    "\n" RESET_TIMES_HELP "\n"
    "examples:\n"
    "  weir app reset billing --data ./data --dry-run\n"
    "  weir app reset billing --data ./data --to-datetime 2026-01-31\n";

struct reset {
    const struct values *values;
    struct place *place;
    struct weir_arena *arena;
    struct app_view view;
    struct weir_app_hold hold;
    struct reset_line *lines; /* of the file */
    size_t line_count;
    struct reset_move *moves;
    struct weir_app_position *positions;
    size_t count;
    struct reset_target to;
    bool goes_on; /* with one that was killed */
    bool has_kept_files;
};

/* ---- the file -------------------------------------------------------------------------------- */

static const struct weir_start_topic *find_input(const struct weir_app *app, const char *name)
{
    for (size_t t = 0; t < app->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &app->facts.topics[t];
        if (topic->role == WEIR_START_INPUT && strcmp(topic->name, name) == 0) return topic;
    }
    return NULL;
}

/* A line about something else is a mistake: of the file, or of the application. */
static int check_lines(const struct reset *reset, struct weir_error *error)
{
    const struct weir_app *app = &reset->view.app;
    for (size_t i = 0; i < reset->line_count; i++) {
        const struct reset_line *line = &reset->lines[i];
        const struct weir_start_topic *topic = find_input(app, line->topic);
        bool is_there = topic != NULL && topic->exists && line->partition >= 0 &&
                        line->partition < topic->partition_count;
        if (is_there) continue;
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "'%s': '%s' partition %d is no partition of an input of application "
                              "'%s'",
                              reset->values->words.from_file, line->topic, (int)line->partition,
                              app->id);
    }
    return 0;
}

static const struct reset_line *find_line(const struct reset *reset, const char *topic,
                                          int32_t partition)
{
    for (size_t i = 0; i < reset->line_count; i++) {
        const struct reset_line *line = &reset->lines[i];
        if (line->partition == partition && strcmp(line->topic, topic) == 0) return line;
    }
    return NULL;
}

/* ---- where to -------------------------------------------------------------------------------- */

static int decide_one(struct reset *reset, const struct weir_start_topic *topic, int32_t number,
                      struct weir_error *error)
{
    const struct weir_start_partition *partition = &topic->partitions[number];
    const struct reset_line *line = find_line(reset, topic->name, number);
    struct reset_target to = reset->to;
    struct reset_move *move = &reset->moves[reset->count];
    const struct reset_facts facts = {
        .committed = weir_start_input_position(partition), /* also of one that is new */
        .start = partition->log_start,
        .end = partition->log_end,
        .in_file = line != NULL ? line->offset : -1,
    };
    *move = (struct reset_move){.topic = topic->name,
                                .partition = number,
                                .before = partition->committed,
                                .after = partition->committed,
                                .start = facts.start,
                                .end = facts.end};
    if (to.kind == RESET_FILE && line == NULL) to.kind = RESET_CURRENT;
    int rc = partition->is_offline
                 ? weir_error_set(error, WEIR_OFFLINE, "it is offline: see to it first")
                 : reset_move_decide(move, reset->place, &to, &facts, error);
    if (rc < 0) return weir_error_wrap(error, rc, "input '%s' partition %d", topic->name, number);
    reset->positions[reset->count++] =
        (struct weir_app_position){{weir_text(topic->name), number}, move->after};
    return 0;
}

static int decide(struct reset *reset, struct weir_error *error)
{
    const struct weir_start_facts *facts = &reset->view.app.facts;
    size_t bound = 1;
    for (size_t t = 0; t < facts->topic_count; t++) {
        bound += (size_t)facts->topics[t].partition_count;
    }
    reset->moves = weir_arena_array(reset->arena, bound, sizeof *reset->moves);
    reset->positions = weir_arena_array(reset->arena, bound, sizeof *reset->positions);
    if (weir_arena_failed(reset->arena)) return cli_no_memory(error);
    int rc = 0;
    for (size_t t = 0; rc == 0 && t < facts->topic_count; t++) {
        const struct weir_start_topic *topic = &facts->topics[t];
        bool is_input = topic->role == WEIR_START_INPUT && topic->exists;
        for (int32_t p = 0; rc == 0 && is_input && p < topic->partition_count; p++) {
            rc = decide_one(reset, topic, p, error);
        }
    }
    return rc;
}

/* The commit has the positions that were chosen when the reset began. */
static int plan(struct reset *reset, struct weir_error *error)
{
    const char *path = reset->values->words.from_file;
    reset->goes_on = reset->view.app.committed.is_reset_begun;
    reset->to = reset->values->to;
    if (reset->goes_on) {
        reset->to = (struct reset_target){.kind = RESET_CURRENT};
        return decide(reset, error);
    }
    int rc = 0;
    if (path != NULL) {
        rc = reset_file_read(path, reset->arena, &reset->lines, &reset->line_count, error);
    }
    if (rc == 0) rc = check_lines(reset, error);
    return rc == 0 ? decide(reset, error) : rc;
}

/* ---- what is shown --------------------------------------------------------------------------- */

static int64_t count_records(const struct weir_start_topic *topic)
{
    int64_t count = 0;
    for (int32_t p = 0; p < topic->partition_count; p++) {
        count += topic->partitions[p].log_end - topic->partitions[p].log_start;
    }
    return count;
}

static bool is_deleted(const struct weir_start_topic *topic)
{
    return weir_app_is_internal(topic) && weir_start_is_ours(topic);
}

static void print_text(const struct reset *reset)
{
    const struct weir_app *app = &reset->view.app;
    const char *would = reset->values->is_dry ? "would be " : "";
    reset_moves_print("INPUT", reset->moves, reset->count);
    for (size_t t = 0; t < app->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &app->facts.topics[t];
        if (!is_deleted(topic)) continue;
        printf("%sdeleted: topic %s, %" PRId32 " partition%s, %" PRId64 " records\n", would,
               topic->name, topic->partition_count, topic->partition_count == 1 ? "" : "s",
               count_records(topic));
    }
    for (size_t i = 0; i < app->facts.left_count; i++) {
        printf("%sdeleted: topic %s, of the store '%s' that no program names any more\n", would,
               app->facts.left[i].record->name, app->facts.left[i].record->of);
    }
    if (reset->hold.state_path != NULL && reset->hold.has_state) {
        printf("%sremoved: the state in %s\n", would, reset->hold.state_path);
    }
}

static void print_json(const struct reset *reset)
{
    const struct weir_app *app = &reset->view.app;
    const char *separator = "";
    (void)fputs("{\"name\": ", stdout);
    say_json_text(stdout, weir_text(app->id));
    printf(", \"dry_run\": %s, \"went_on\": %s,\n \"inputs\": ",
           reset->values->is_dry ? "true" : "false", reset->goes_on ? "true" : "false");
    reset_moves_print_json(reset->moves, reset->count);
    (void)fputs(",\n \"deleted_topics\": [", stdout);
    for (size_t t = 0; t < app->facts.topic_count; t++) {
        if (!is_deleted(&app->facts.topics[t])) continue;
        (void)fputs(separator, stdout);
        say_json_text(stdout, weir_text(app->facts.topics[t].name));
        separator = ", ";
    }
    for (size_t i = 0; i < app->facts.left_count; i++) {
        (void)fputs(separator, stdout);
        say_json_text(stdout, weir_text(app->facts.left[i].record->name));
        separator = ", ";
    }
    (void)fputs("], \"removed_state\": ", stdout);
    if (reset->hold.has_state) {
        say_json_text(stdout, weir_text(reset->hold.state_path));
    } else {
        (void)fputs("null", stdout);
    }
    (void)puts("}");
}

/* ---- the command ----------------------------------------------------------------------------- */

static int carry_out(struct reset *reset, struct weir_error *error)
{
    struct weir_app_reset run;
    weir_app_reset_init(&run, &reset->hold, &reset->view.app, reset->positions, reset->count);
    int rc;
    do {
        rc = weir_app_reset_run_once(&run, error);
    } while (rc > 0);
    reset->has_kept_files = run.has_kept_files;
    return rc;
}

static void say_notes(const struct reset *reset)
{
    if (reset->goes_on) {
        say_note("a reset of '%s' was begun and not ended: this one goes on with it, at the "
                 "positions that were chosen then; for others, reset once more",
                 reset->view.app.id);
    }
    if (reset->has_kept_files) {
        say_note("'%s' has files that no job has made: they are still there",
                 reset->hold.state_path);
    }
}

static int reset_application(struct cli *cli, struct place *place, const void *of_command,
                             const struct cli_operands *operands)
{
    const char *name = operands->items[0];
    struct weir_error error = {0};
    struct weir_arena arena;
    struct reset reset = {.values = of_command, .place = place, .arena = &arena};
    weir_arena_init(&arena, &cli->budget, 0);
    int rc =
        weir_app_hold_take(&reset.hold, place->log, &arena, name, reset.values->state_dir, &error);
    if (rc == 0) rc = app_view_load(&reset.view, place, &arena, name, &error);
    if (rc == 0) rc = weir_app_check_reset(&reset.view.app, &error);
    if (rc == 0) rc = plan(&reset, &error);
    if (rc == 0) reset_moves_say_bends(reset.moves, reset.count);
    if (rc == 0 && reset.values->is_dry && !reset.values->is_json) print_text(&reset);
    if (rc == 0 && reset.values->is_dry && reset.values->is_json) print_json(&reset);
    if (rc == 0 && !reset.values->is_dry) {
        rc = carry_out(&reset, &error);
        if (rc == 0) reset.values->is_json ? print_json(&reset) : print_text(&reset);
    }
    int exit_code = rc < 0 ? app_say_failure(place, &arena, name, &error) : say_flush();
    if (rc == 0) say_notes(&reset); /* below what they are about */
    weir_app_hold_drop(&reset.hold);
    weir_arena_close(&arena);
    return exit_code;
}

static int check(const struct cli_command *command, void *of_command,
                 const struct cli_operands *operands)
{
    struct values *values = of_command;
    struct reset_words *words = &values->words;
    struct weir_error error = {0};
    (void)operands;
    if (!reset_words_say(words)) words->to_earliest = true;
    if (reset_target_choose(words, group_now_ms(), &values->to, &error) < 0) {
        return say_usage(command->name, "%s", error.text);
    }
    return app_check_directory(command, &values->target);
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {.target.is_directory = true, .words = RESET_WORDS_INIT};
    const struct place_command at_place = {
        .values = &values, .target = &values.target, .check = check, .work = reset_application};
    int exit_code = place_command_run(cli, command, argc, argv, &at_place);
    if (exit_code == CLI_OK && values.is_dry) reset_say_dry_run(command, argc, argv);
    return exit_code;
}

const struct cli_command cli_app_reset = {
    .name = "app reset",
    .operands = "NAME",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "drop an application's state, and put its inputs where they are to go on",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
