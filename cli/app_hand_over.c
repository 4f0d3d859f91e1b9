/** `weir app release` and `weir app adopt`: a group from Weir to Kafka Streams, and back (runtime/application/release.h). */
#include <inttypes.h>
#include <stddef.h>

#include "cli/app_view.h"
#include "cli/no_memory.h"
#include "cli/reset_moves.h"
#include "cli/say.h"
#include "runtime/application/release.h"

struct values {
    struct place_target target;
    bool deletes; /* adopt */
    bool is_dry;
    bool is_json;
};

#define COMMON_OPTIONS                                                                             \
    DRY_RUN_OPTION(struct values),                                                                 \
        {0, "json", CLI_FLAG, offsetof(struct values, is_json), NULL, "one JSON object"},          \
        PLACE_DIRECTORY_OPTIONS(struct values)

static const struct cli_option release_options[] = {
    COMMON_OPTIONS,
};

static const struct cli_option adopt_options[] = {
    {0, "delete-topics", CLI_FLAG, offsetof(struct values, deletes), NULL,
     "delete the changelogs and repartition topics that are in the way"},
    COMMON_OPTIONS,
};

static const char release_details[] =
    "The group is anybody's again: a Kafka Streams application of this id, or any consumer, goes "
    "on\n"
    "where the inputs are. Internal topics stay, and nothing that is uncommitted is left in them;\n"
    "whether Kafka Streams can read them depends on what their bytes are. 'weir app adopt' takes "
    "the\n"
    "group back. It needs the directory to itself: stop the job first.\n";

static const char adopt_details[] =
    "Takes the positions of the inputs over, and makes the group the application's own. State is "
    "not\n"
    "taken over: the first start of a program with stores is refused until .on_mismatch says "
    "whether\n"
    "they are filled from the inputs (WEIR_ON_MISMATCH_REBUILD) or begin empty\n"
    "(WEIR_ON_MISMATCH_START_EMPTY). It needs the directory to itself, and a group without "
    "members.\n";

/* One application on its way. */
struct hand_over {
    const struct values *values;
    struct place *place;
    struct weir_arena *arena;
    struct app_view view;
    struct weir_app_hold hold;
    struct reset_move *moves;
    size_t count;
    const struct weir_start_topic **strangers; /* adopt */
    size_t stranger_count;
};

static int open_application(struct hand_over *over, const char *name, struct weir_error *error)
{
    int rc = weir_app_hold_take(&over->hold, over->place->log, over->arena, name, NULL, error);
    return rc < 0 ? rc : app_view_load(&over->view, over->place, over->arena, name, error);
}

/* Inputs that stay committed where they are; what is not kept goes to "-". */
static int list_inputs(struct hand_over *over, struct weir_error *error)
{
    const struct weir_start_facts *facts = &over->view.app.facts;
    size_t bound = 1;
    for (size_t t = 0; t < facts->topic_count; t++) {
        bound += (size_t)facts->topics[t].partition_count;
    }
    over->moves = weir_arena_array(over->arena, bound, sizeof *over->moves);
    if (over->moves == NULL) return cli_no_memory(error);
    for (size_t t = 0; t < facts->topic_count; t++) {
        const struct weir_start_topic *topic = &facts->topics[t];
        for (int32_t p = 0;
             topic->role == WEIR_START_INPUT && topic->exists && p < topic->partition_count; p++) {
            const struct weir_start_partition *partition = &topic->partitions[p];
            int64_t kept = partition->has_entry ? partition->committed : -1;
            over->moves[over->count++] = (struct reset_move){.topic = topic->name,
                                                             .partition = p,
                                                             .before = kept,
                                                             .after = kept,
                                                             .start = partition->log_start,
                                                             .end = partition->log_end};
        }
    }
    return 0;
}

/* They stay where they are. */
static void print_inputs(const struct hand_over *over)
{
    struct say_table table;
    if (over->count == 0) return;
    say_table_begin(&table, "INPUT|>PARTITION|>COMMITTED|>END|>LAG");
    for (size_t i = 0; i < over->count; i++) {
        const struct reset_move *move = &over->moves[i];
        say_table_cell(&table, "%s", move->topic);
        say_table_cell(&table, "%d", (int)move->partition);
        say_table_number(&table, move->after);
        say_table_number(&table, move->end);
        say_table_number(&table, move->after >= 0 ? move->end - move->after : -1);
    }
    say_table_end(&table, 0);
}

static void print_head(const struct hand_over *over)
{
    (void)fputs("{\"name\": ", stdout);
    say_json_text(stdout, weir_text(over->view.app.id));
    printf(", \"dry_run\": %s,\n \"inputs\": ", over->values->is_dry ? "true" : "false");
    reset_moves_print_json(over->moves, over->count);
}

static int end(struct hand_over *over, const char *name, int rc, const struct weir_error *error)
{
    int exit_code = rc < 0 ? app_say_failure(over->place, over->arena, name, error) : say_flush();
    weir_app_hold_drop(&over->hold);
    weir_arena_close(over->arena);
    return exit_code;
}

/* ---- release --------------------------------------------------------------------------------- */

static void print_release(const struct hand_over *over)
{
    const struct weir_app *app = &over->view.app;
    const char *separator = "";
    if (over->values->is_json) {
        print_head(over);
        (void)fputs(",\n \"kept_topics\": [", stdout);
    } else {
        print_inputs(over);
    }
    for (size_t t = 0; t < app->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &app->facts.topics[t];
        if (!weir_app_is_internal(topic) || !topic->exists) continue;
        if (over->values->is_json) {
            (void)fputs(separator, stdout);
            say_json_text(stdout, weir_text(topic->name));
            separator = ", ";
        } else {
            printf("stays, and is not committed any more: topic %s\n", topic->name);
        }
    }
    if (over->values->is_json) {
        (void)puts("]}");
        return;
    }
    printf("%s the application's own any more: group %s\n",
           over->values->is_dry ? "would not be" : "is not", app->id);
}

static void say_unprocessed(const struct weir_app *app)
{
    (void)say_flush(); /* below what it is about; who cannot be written to is found at the end */
    for (size_t t = 0; t < app->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &app->facts.topics[t];
        int64_t count = weir_app_unprocessed(topic);
        if (count == 0) continue;
        say_note("topic '%s' has %" PRId64 " records that are not processed: they lie between the "
                 "two halves of the program, and what does not read them loses them. To have none, "
                 "start the program, let it drain (weir_streams_drain) and stop it",
                 topic->name, count);
    }
}

static int release(struct cli *cli, struct place *place, const void *of_command,
                   const struct cli_operands *operands)
{
    const char *name = operands->items[0];
    struct weir_error error = {0};
    struct weir_arena arena;
    struct hand_over over = {.values = of_command, .place = place, .arena = &arena};
    weir_arena_init(&arena, &cli->budget, 0);
    int rc = open_application(&over, name, &error);
    if (rc == 0) rc = weir_app_check_release(&over.view.app, &error);
    if (rc == 0) rc = list_inputs(&over, &error);
    if (rc == 0 && !over.values->is_dry) rc = weir_app_release(&over.hold, &over.view.app, &error);
    if (rc == 0) print_release(&over);
    if (rc == 0) say_unprocessed(&over.view.app);
    return end(&over, name, rc, &error);
}

/* ---- adopt ----------------------------------------------------------------------------------- */

static bool are_inputs_whole(const struct hand_over *over)
{
    const struct weir_start_facts *facts = &over->view.app.facts;
    bool are_whole = true;
    for (size_t t = 0; t < facts->topic_count; t++) {
        const struct weir_start_topic *topic = &facts->topics[t];
        for (int32_t p = 0;
             topic->role == WEIR_START_INPUT && topic->exists && p < topic->partition_count; p++) {
            const struct weir_start_partition *partition = &topic->partitions[p];
            bool is_whole =
                partition->log_start == 0 && partition->lost.to == 0 && !partition->is_offline;
            are_whole = are_whole && is_whole;
        }
    }
    return are_whole;
}

/* What Kafka Streams had between the halves of its program, and would have processed next. */
static int64_t count_unprocessed(const struct hand_over *over)
{
    int64_t count = 0;
    for (size_t i = 0; i < over->stranger_count; i++) {
        count += weir_app_unprocessed(over->strangers[i]);
    }
    return count;
}

static void print_adoption_text(const struct hand_over *over)
{
    const struct values *values = over->values;
    print_inputs(over);
    for (size_t i = 0; i < over->stranger_count; i++) {
        const char *what = !values->deletes ? "in the way of a program that names it"
                           : values->is_dry ? "would be deleted"
                                            : "deleted";
        printf("%s: topic %s\n", what, over->strangers[i]->name);
    }
    printf("%s the application's own: group %s\n", values->is_dry ? "would be" : "is",
           over->view.app.id);
}

static void say_choices(const struct hand_over *over)
{
    (void)say_flush(); /* as above */
    if (over->stranger_count > 0 && !over->values->deletes) {
        say_note("a start of a program whose changelogs or repartition topics are called so is "
                 "refused while they are there: --delete-topics deletes them");
    }
    say_note("what Kafka Streams has kept in its stores is not read. A program with stores is to "
             "say what it begins with, .on_mismatch of its next start:");
    say_note(
        are_inputs_whole(over)
            ? "  WEIR_ON_MISMATCH_REBUILD: all inputs are whole, and are read again from their "
              "beginning"
            : "  WEIR_ON_MISMATCH_LOSSY_REBUILD: inputs have lost or removed records, and "
              "what is left is read again");
    say_note("  WEIR_ON_MISMATCH_START_EMPTY: goes on at these positions with empty stores");
    if (count_unprocessed(over) > 0) {
        say_note("%" PRId64
                 " records lie in its repartition topics that it may not have processed: "
                 "only a rebuild counts what they came from",
                 count_unprocessed(over));
    }
}

static void print_adoption_json(const struct hand_over *over)
{
    print_head(over);
    printf(",\n \"deletes\": %s, \"topics_in_the_way\": [",
           over->values->deletes ? "true" : "false");
    for (size_t i = 0; i < over->stranger_count; i++) {
        if (i > 0) (void)fputs(", ", stdout);
        say_json_text(stdout, weir_text(over->strangers[i]->name));
    }
    printf("], \"inputs_are_whole\": %s}\n", are_inputs_whole(over) ? "true" : "false");
}

static int find_strangers(struct hand_over *over, struct weir_error *error)
{
    const char **names = NULL;
    size_t count = 0;
    int rc = app_topic_names(over->place, over->arena, &names, &count, error);
    if (rc < 0) return rc;
    return weir_app_find_strangers(&over->view.app, names, count, &over->strangers,
                                   &over->stranger_count, error);
}

static int adopt(struct cli *cli, struct place *place, const void *of_command,
                 const struct cli_operands *operands)
{
    const char *name = operands->items[0];
    struct weir_error error = {0};
    struct weir_arena arena;
    struct hand_over over = {.values = of_command, .place = place, .arena = &arena};
    weir_arena_init(&arena, &cli->budget, 0);
    int rc = open_application(&over, name, &error);
    if (rc == 0) rc = weir_app_check_adopt(&over.view.app, &error);
    if (rc == 0) rc = list_inputs(&over, &error);
    if (rc == 0) rc = find_strangers(&over, &error);
    if (rc == 0 && !over.values->is_dry) {
        const struct weir_app_adoption adoption = {over.strangers,
                                                   over.values->deletes ? over.stranger_count : 0};
        rc = weir_app_adopt(&over.hold, &over.view.app, &adoption, &error);
    }
    if (rc == 0 && over.values->is_json) print_adoption_json(&over);
    if (rc == 0 && !over.values->is_json) {
        print_adoption_text(&over);
        say_choices(&over);
    }
    return end(&over, name, rc, &error);
}

/* ---- the commands ---------------------------------------------------------------------------- */

static int check(const struct cli_command *command, void *of_command,
                 const struct cli_operands *operands)
{
    const struct values *values = of_command;
    (void)operands;
    return app_check_directory(command, &values->target);
}

static int run_at(struct cli *cli, const struct cli_command *command, int argc, char **argv,
                  int (*work)(struct cli *cli, struct place *place, const void *values,
                              const struct cli_operands *operands))
{
    struct values values = {.target.is_directory = true};
    const struct place_command at_place = {
        .values = &values, .target = &values.target, .check = check, .work = work};
    int exit_code = place_command_run(cli, command, argc, argv, &at_place);
    if (exit_code == CLI_OK && values.is_dry) reset_say_dry_run(command, argc, argv);
    return exit_code;
}

static int run_release(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    return run_at(cli, command, argc, argv, release);
}

static int run_adopt(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    return run_at(cli, command, argc, argv, adopt);
}

const struct cli_command cli_app_release = {
    .name = "app release",
    .operands = "NAME",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "give an application's group back, for Kafka Streams to go on with",
    .details = release_details,
    .options = release_options,
    .option_count = sizeof release_options / sizeof release_options[0],
    .run = run_release,
};

const struct cli_command cli_app_adopt = {
    .name = "app adopt",
    .operands = "NAME",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "take a group over that a Kafka Streams application has left",
    .details = adopt_details,
    .options = adopt_options,
    .option_count = sizeof adopt_options / sizeof adopt_options[0],
    .run = run_adopt,
};
