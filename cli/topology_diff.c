/** `weir topology diff`. */
#include <stddef.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/no_memory.h"
#include "cli/say.h"
#include "cli/text_file.h"
#include "runtime/application/topology_diff.h"

struct values {
    bool is_json;
    bool shows_all;
};

static const struct cli_option options[] = {
    {0, "all", CLI_FLAG, offsetof(struct values, shows_all), NULL, "what is kept as it is, too"},
    {0, "json", CLI_FLAG, offsetof(struct values, is_json), NULL, "one JSON object"},
};

static const char details[] =
    "OLD and NEW are files, each with the text of weir_topology_dump of a program. What is said is "
    "what a\n"
    "start of NEW would say of an application that has run OLD, has processed something of each "
    "input, and\n"
    "was stopped. The start itself looks at what is there in fact, before it changes anything.\n"
    "Ends with 1 where a start would be refused until .on_mismatch chooses.\n";

static const char *kind_text(enum weir_kept_kind kind)
{
    static const char *const names[] = {
        [WEIR_KEPT_INPUT] = "input",
        [WEIR_KEPT_REPARTITION] = "repartition topic",
        [WEIR_KEPT_STORE] = "store",
        [WEIR_KEPT_NODE] = "node",
    };
    return names[kind];
}

static void print_people(const struct weir_topology_diff *diff, bool shows_all)
{
    struct say_table table;
    size_t shown = 0;
    say_table_begin(&table, "WHAT|NAME|BECOMES|");
    for (size_t i = 0; i < diff->count; i++) {
        const struct weir_topology_edit *edit = &diff->edits[i];
        if (edit->edit == WEIR_EDIT_KEPT && !shows_all) continue;
        say_table_cell(&table, "%s", kind_text(edit->item->kind));
        say_table_cell(&table, "%s", edit->item->name);
        say_table_cell(&table, "%s", weir_edit_name(edit->edit));
        say_table_cell(&table, "%s", edit->text != NULL ? edit->text : "");
        shown++;
    }
    if (shown > 0) {
        say_table_end(&table, 0);
        (void)puts("");
    } else {
        say_table_drop(&table);
    }
    if (diff->is_refused) printf("a start would be refused:\n  %s\n", diff->why.text);
    if (!diff->is_refused) (void)puts("a start would go on");
}

static void print_text(const char *key, const char *text)
{
    printf(", \"%s\": ", key);
    say_json_text(stdout, text != NULL ? weir_text(text) : weir_text(""));
}

static void print_json(const struct weir_topology_diff *diff)
{
    (void)fputs("{\"edits\": [", stdout);
    for (size_t i = 0; i < diff->count; i++) {
        const struct weir_topology_edit *edit = &diff->edits[i];
        printf("%s{\"what\": \"%s\"", i == 0 ? "" : ",\n ", kind_text(edit->item->kind));
        print_text("name", edit->item->name);
        print_text("becomes", weir_edit_name(edit->edit));
        print_text("text", edit->text);
        printf(", \"refused\": %s}", edit->is_refused ? "true" : "false");
    }
    printf("], \"start\": {\"goes_on\": %s", diff->is_refused ? "false" : "true");
    if (diff->is_refused) print_text("why", diff->why.text);
    (void)puts("}}");
}

static int read_dump(const char *path, struct weir_arena *arena, struct weir_topology_dump *dump,
                     struct weir_error *error)
{
    struct weir_buffer text;
    weir_buffer_init(&text, arena->budget, 0);
    int rc = text_file_read(path, &text, error);
    if (rc == 0) {
        rc = weir_topology_dump_read(weir_buffer_slice(&text), arena, dump, error);
        if (rc == WEIR_NO_MEMORY) rc = cli_no_memory(error);
        rc = weir_error_wrap(error, rc, "'%s'", path);
    }
    weir_buffer_close(&text);
    return rc;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {0};
    struct cli_operands operands;
    struct weir_topology_dump before;
    struct weir_topology_dump after;
    struct weir_topology_diff diff = {0};
    struct weir_error error = {0};
    struct weir_arena arena;
    int code = CLI_OK;
    if (cli_options_parse(command, argc, argv, &values, &operands, &code) != 0) return code;
    weir_arena_init(&arena, &cli->budget, 0);
    int rc = read_dump(operands.items[0], &arena, &before, &error);
    if (rc == 0) rc = read_dump(operands.items[1], &arena, &after, &error);
    if (rc == 0 && weir_topology_compare(&before, &after, &arena, &diff) < 0) {
        rc = cli_no_memory(&error);
    }
    if (rc == 0 && values.is_json) print_json(&diff);
    if (rc == 0 && !values.is_json) print_people(&diff, values.shows_all);
    weir_arena_close(&arena);
    if (rc < 0) return say_failure(&error, NULL);
    code = say_flush();
    return code == CLI_OK && diff.is_refused ? CLI_FAILED : code;
}

const struct cli_command cli_topology_diff = {
    .name = "topology diff",
    .operands = "OLD NEW",
    .operand_min = 2,
    .operand_max = 2,
    .summary = "what an edit of a program does to its state",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
