/** `weir topic list`. */
#include "cli/place.h"

#include <stddef.h>

#include "cli/say.h"

struct values {
    struct place_target target;
    bool is_json;
    bool with_internal;
};

static const struct cli_option options[] = {
    {'i', "internal", CLI_FLAG, offsetof(struct values, with_internal), NULL,
     "those that begin with '__', too"},
    {0, "json", CLI_FLAG, offsetof(struct values, is_json), NULL, "one JSON array"},
    PLACE_OPTIONS(struct values),
};

static void print_json(const struct place_topics *topics, bool with_internal)
{
    const char *separator = "";
    (void)fputs("[", stdout);
    for (size_t i = 0; i < topics->count; i++) {
        const struct place_topic *topic = &topics->rows[i];
        if (topic->is_internal && !with_internal) continue;
        printf("%s{\"name\": ", separator);
        say_json_text(stdout, weir_text(topic->name));
        printf(", \"partitions\": %d, \"internal\": %s}", (int)topic->partition_count,
               topic->is_internal ? "true" : "false");
        separator = ",\n ";
    }
    (void)puts("]");
}

static size_t print_table(const struct place_topics *topics, bool with_internal)
{
    size_t shown = 0;
    struct say_table table;
    say_table_begin(&table, "TOPIC|>PARTITIONS");
    for (size_t i = 0; i < topics->count; i++) {
        if (topics->rows[i].is_internal && !with_internal) continue;
        say_table_cell(&table, "%s", topics->rows[i].name);
        say_table_cell(&table, "%d", (int)topics->rows[i].partition_count);
        shown++;
    }
    say_table_end(&table, 0);
    return shown;
}

static int list(struct cli *cli, struct place *place, const struct values *values)
{
    struct weir_error error = {0};
    struct weir_arena arena;
    struct place_topics topics;
    weir_arena_init(&arena, &cli->budget, 0);
    int rc = place->ops->list(place, &arena, &topics, &error);
    int exit_code = CLI_OK;
    if (rc < 0) {
        exit_code = say_failure(&error, NULL);
    } else if (values->is_json) {
        print_json(&topics, values->with_internal);
    } else if (print_table(&topics, values->with_internal) == 0) {
        say_note("no topics yet: 'weir topic create NAME%s' makes one", place->option);
    }
    weir_arena_close(&arena);
    return exit_code != CLI_OK ? exit_code : say_flush();
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {0};
    struct cli_operands operands;
    struct place *place = NULL;
    int exit_code;
    if (cli_options_parse(command, argc, argv, &values, &operands, &exit_code) != 0) {
        return exit_code;
    }
    exit_code = place_open(cli, &values.target, &place);
    if (exit_code == CLI_OK) exit_code = list(cli, place, &values);
    place_close(place);
    return exit_code;
}

const struct cli_command cli_topic_list = {
    .name = "topic list",
    .operands = "",
    .summary = "the topics, with their partitions",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
