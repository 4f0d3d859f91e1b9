/** `weir group list`. */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli/group_view.h"
#include "cli/no_memory.h"
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
    "PARTITIONS are those that members have or that something is committed in; LAG is over all of\n"
    "them, with a + behind it where some have no commit: 'weir group describe NAME' shows which.\n";

static void print_json(const struct group_view *view, int64_t member_count, bool is_first)
{
    const struct place_group *group = &view->group;
    (void)fputs(is_first ? "{\"group\": " : ",\n {\"group\": ", stdout);
    say_json_text(stdout, weir_text(group->name));
    (void)fputs(", \"type\": ", stdout);
    say_json_text(stdout, weir_text(group->type));
    (void)fputs(", \"state\": ", stdout);
    say_json_text(stdout, weir_text(group->state));
    (void)fputs(", \"protocol_type\": ", stdout);
    say_json_text(stdout, weir_text(group->protocol_type));
    printf(", \"application\": %s, \"members\": ", group->is_application ? "true" : "false");
    say_json_number(stdout, member_count);
    printf(", \"partitions\": %zu, \"lag\": ", view->row_count);
    say_json_number(stdout, view->lag);
    printf(", \"uncommitted\": %zu}", view->uncommitted);
}

static void add_row(struct say_table *table, const struct group_view *view, int64_t member_count)
{
    say_table_cell(table, "%s", view->group.name);
    say_table_cell(table, "%s", group_type_text(&view->group));
    say_table_cell(table, "%s", view->group.state[0] != '\0' ? view->group.state : "-");
    say_table_number(table, member_count);
    say_table_cell(table, "%zu", view->row_count);
    if (view->lag >= 0 && view->uncommitted > 0) {
        say_table_cell(table, "%" PRId64 "+", view->lag);
    } else {
        say_table_number(table, view->lag);
    }
}

/* One group at a time, in memory that is used again. Kinds of groups that are not consumers' (share and streams
 * groups of a newer server) are listed without what only these have; groups that go meanwhile are left out. */
static int load(struct place *place, struct weir_arena *arena, struct group_ends *ends,
                const struct place_group *listed, struct group_view *view_out,
                int64_t *member_count_out, struct weir_error *error)
{
    struct group_view view = {.group = *listed, .lag = -1, .lag_ms = -1};
    const char *type = listed->type;
    bool is_known = type[0] == '\0' || strcmp(type, "classic") == 0 ||
                    strcmp(type, "consumer") == 0 || strcmp(type, "Classic") == 0 ||
                    strcmp(type, "Consumer") == 0;
    int rc = 0;
    *member_count_out = -1;
    if (is_known) {
        const struct group_view_wish wish = {
            .with_members = strcmp(listed->state, "Empty") != 0, /* it says so itself */
            .ends = ends,
        };
        rc = group_view_load(place, arena, wish, &view, error);
        *member_count_out = (int64_t)view.group.member_count;
    }
    if (rc == 0) *view_out = view;
    return rc;
}

static int print_groups(struct cli *cli, struct place *place, bool is_json,
                        const struct place_groups *groups, size_t *shown_out,
                        struct weir_error *error)
{
    struct weir_arena arena;
    struct say_table table;
    struct group_ends *ends = group_ends_new(&cli->budget);
    int rc = ends != NULL ? 0 : cli_no_memory(error);
    weir_arena_init(&arena, &cli->budget, 0);
    say_table_begin(&table, "GROUP|TYPE|STATE|>MEMBERS|>PARTITIONS|>LAG");
    if (is_json) (void)putchar('[');
    for (size_t i = 0; rc == 0 && i < groups->count; i++) {
        struct group_view view;
        int64_t member_count;
        weir_arena_reset(&arena);
        rc = load(place, &arena, ends, &groups->rows[i], &view, &member_count, error);
        if (rc == WEIR_GROUP_ID_NOT_FOUND) {
            rc = 0;
            continue;
        }
        if (rc < 0) break;
        if (is_json) {
            print_json(&view, member_count, *shown_out == 0);
        } else {
            add_row(&table, &view, member_count);
        }
        ++*shown_out;
    }
    if (is_json) (void)puts("]");
    if (is_json || rc < 0) {
        say_table_drop(&table);
    } else if (*shown_out > 0) {
        say_table_end(&table, 0);
    } else {
        say_table_drop(&table);
    }
    weir_arena_close(&arena);
    group_ends_free(ends);
    return rc;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct place_group *)a)->name, ((const struct place_group *)b)->name);
}

static int list(struct cli *cli, struct place *place, const void *of_command,
                const struct cli_operands *operands)
{
    const struct values *values = of_command;
    (void)operands;
    struct weir_error error = {0};
    struct weir_arena arena;
    struct place_groups groups;
    size_t shown = 0;
    weir_arena_init(&arena, &cli->budget, 0);
    int rc = place->ops->groups->list(place, &arena, &groups, &error);
    if (rc == 0) {
        qsort(groups.rows, groups.count, sizeof *groups.rows, compare_names);
        rc = print_groups(cli, place, values->is_json, &groups, &shown, &error);
    }
    weir_arena_close(&arena);
    if (rc < 0) return say_failure(&error, NULL);
    if (shown == 0 && !values->is_json) {
        say_note("no groups yet: 'weir consume TOPIC --group NAME%s' begins one", place->option);
    }
    return say_flush();
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {0};
    const struct place_command at_place = {
        .values = &values, .target = &values.target, .work = list};
    return place_command_run(cli, command, argc, argv, &at_place);
}

const struct cli_command cli_group_list = {
    .name = "group list",
    .operands = "",
    .summary = "the consumer groups, with their members and lag",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
