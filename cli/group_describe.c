/** `weir group describe`. */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "cli/group_view.h"
#include "cli/say.h"

struct values {
    struct place_target target;
    bool is_json;
};

static const struct cli_option options[] = {
    {0, "json", CLI_FLAG, offsetof(struct values, is_json), NULL, "one JSON object"},
    PLACE_OPTIONS(struct values),
};

static const char details[] =
    "LAG is how many records behind what is committed there are; BEHIND is how long ago the first\n"
    "of them was written. A record that is read but not committed counts as not read. Of a "
    "partition\n"
    "without a commit (-) it depends on the reader where it begins, so it counts as no lag.\n";

static const char *dash(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : "-";
}

/* ---- text ------------------------------------------------------------------------------------ */

static size_t count_partitions(const struct place_member *member)
{
    size_t count = 0;
    for (size_t i = 0; i < member->assigned_count; i++) {
        count += member->assigned[i].partition_count;
    }
    return count;
}

static void print_members(const struct place_group *group)
{
    struct say_table table;
    say_table_begin(&table, "MEMBER|INSTANCE|CLIENT|HOST|>EPOCH|>PARTITIONS");
    for (size_t i = 0; i < group->member_count; i++) {
        const struct place_member *member = &group->members[i];
        say_table_cell(&table, "%s", member->id);
        say_table_cell(&table, "%s", dash(member->instance_id));
        say_table_cell(&table, "%s", dash(member->client_id));
        say_table_cell(&table, "%s", dash(member->host));
        if (member->epoch < 0) {
            say_table_cell(&table, "-");
        } else {
            say_table_cell(&table, "%d", (int)member->epoch);
        }
        say_table_cell(&table, "%zu", count_partitions(member));
    }
    say_table_end(&table, 0);
}

static void print_rows(const struct group_view *view)
{
    struct say_table table;
    char behind[LAG_TEXT_SIZE];
    say_table_begin(&table, "TOPIC|>PARTITION|>COMMITTED|>END|>LAG|>BEHIND|MEMBER");
    for (size_t i = 0; i < view->row_count; i++) {
        const struct group_row *row = &view->rows[i];
        say_table_cell(&table, "%s", row->topic);
        say_table_cell(&table, "%d", (int)row->partition);
        say_table_number(&table, row->committed);
        say_table_number(&table, row->end);
        say_table_number(&table, row->lag);
        say_table_cell(&table, "%s", lag_time_text(behind, row->lag_ms));
        say_table_cell(&table, "%s", row->owner != NULL ? row->owner->id : "-");
    }
    say_table_end(&table, 0);
}

static void say_problems(const struct group_view *view)
{
    for (size_t i = 0; i < view->group.member_count; i++) {
        const struct place_member *member = &view->group.members[i];
        if (member->unreadable != NULL) say_note("member %s: %s", member->id, member->unreadable);
    }
    for (size_t i = 0; i < view->row_count; i++) {
        const struct group_row *row = &view->rows[i];
        if (row->problem == NULL) continue;
        say_note("'%s' partition %d: %s", row->topic, (int)row->partition, row->problem);
    }
}

static void print_text(const struct group_view *view)
{
    const struct place_group *group = &view->group;
    char lag[GROUP_LAG_SIZE];
    printf("group %s, %s, %s, %zu member%s", group->name, group_type_text(group), group->state,
           group->member_count, group->member_count == 1 ? "" : "s");
    if (group->assignor != NULL && group->assignor[0] != '\0')
        printf(", assignor %s", group->assignor);
    if (group->epoch >= 0) printf(", epoch %d", (int)group->epoch);
    if (view->lag >= 0 || view->uncommitted > 0) printf(", %s", group_lag_text(lag, view));
    (void)puts("");
    if (group->is_application) {
        (void)puts("a stream application owns it: its jobs alone commit here");
    }
    if (group->member_count > 0) {
        (void)puts("");
        print_members(group);
    }
    if (view->row_count > 0) {
        (void)puts("");
        print_rows(view);
    }
}

/* ---- json ------------------------------------------------------------------------------------ */

static void print_text_field(const char *name, const char *text)
{
    printf("\"%s\": ", name);
    if (text == NULL || text[0] == '\0') {
        (void)fputs("null", stdout);
    } else {
        say_json_text(stdout, weir_text(text));
    }
}

static void print_number_field(const char *name, int64_t value)
{
    printf("\"%s\": ", name);
    say_json_number(stdout, value);
}

static void print_json_member(const struct place_member *member)
{
    print_text_field("member", member->id);
    (void)fputs(", ", stdout);
    print_text_field("instance", member->instance_id);
    (void)fputs(", ", stdout);
    print_text_field("client", member->client_id);
    (void)fputs(", ", stdout);
    print_text_field("host", member->host);
    (void)fputs(", ", stdout);
    print_number_field("epoch", member->epoch);
    printf(", \"partitions\": %zu}", count_partitions(member));
}

static void print_json_row(const struct group_row *row)
{
    print_text_field("topic", row->topic);
    printf(", \"partition\": %d, ", (int)row->partition);
    print_number_field("committed", row->committed);
    (void)fputs(", ", stdout);
    print_number_field("leader_epoch", row->leader_epoch);
    (void)fputs(", ", stdout);
    print_number_field("start", row->start);
    (void)fputs(", ", stdout);
    print_number_field("end", row->end);
    (void)fputs(", ", stdout);
    print_number_field("lag", row->lag);
    (void)fputs(", ", stdout);
    print_number_field("lag_ms", row->lag_ms);
    (void)fputs(", ", stdout);
    print_text_field("member", row->owner != NULL ? row->owner->id : NULL);
    (void)fputs(", ", stdout);
    print_text_field("problem", row->problem);
    (void)putchar('}');
}

static void print_json(const struct group_view *view)
{
    const struct place_group *group = &view->group;
    (void)putchar('{');
    print_text_field("group", group->name);
    (void)fputs(",\n ", stdout);
    print_text_field("type", group->type);
    (void)fputs(", ", stdout);
    print_text_field("state", group->state);
    (void)fputs(", ", stdout);
    print_text_field("protocol_type", group->protocol_type);
    (void)fputs(", ", stdout);
    print_text_field("assignor", group->assignor);
    (void)fputs(", ", stdout);
    print_number_field("epoch", group->epoch);
    printf(", \"application\": %s,\n ", group->is_application ? "true" : "false");
    print_number_field("lag", view->lag);
    (void)fputs(", ", stdout);
    print_number_field("lag_ms", view->lag_ms);
    printf(", \"uncommitted\": %zu", view->uncommitted);
    (void)fputs(",\n \"members\": [", stdout);
    for (size_t i = 0; i < group->member_count; i++) {
        (void)fputs(i == 0 ? "{" : ",\n  {", stdout);
        print_json_member(&group->members[i]);
    }
    (void)fputs("],\n \"partitions\": [", stdout);
    for (size_t i = 0; i < view->row_count; i++) {
        (void)fputs(i == 0 ? "{" : ",\n  {", stdout);
        print_json_row(&view->rows[i]);
    }
    (void)puts("]}");
}

/* ---- the command ----------------------------------------------------------------------------- */

static int describe(struct cli *cli, struct place *place, const void *of_command,
                    const struct cli_operands *operands)
{
    const struct values *values = of_command;
    struct weir_error error = {0};
    struct weir_arena arena;
    int exit_code = CLI_OK;
    weir_arena_init(&arena, &cli->budget, 0);
    if (values->is_json && operands->count > 1) (void)putchar('[');
    for (size_t i = 0; exit_code == CLI_OK && i < operands->count; i++) {
        struct group_view view = {.group = {.name = operands->items[i]}};
        weir_arena_reset(&arena);
        int rc = group_view_load(
            place, &arena,
            (struct group_view_wish){.with_members = true, .with_times = true, .with_others = true},
            &view, &error);
        if (rc < 0) {
            exit_code = place_say_group_failure(place, operands->items[i], &error);
            break;
        }
        if (i > 0) (void)puts(values->is_json ? "," : "");
        if (values->is_json) {
            print_json(&view);
        } else {
            print_text(&view);
        }
        say_problems(&view);
    }
    if (values->is_json && operands->count > 1) (void)puts("]");
    weir_arena_close(&arena);
    return exit_code != CLI_OK ? exit_code : say_flush();
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {0};
    const struct place_command at_place = {
        .values = &values, .target = &values.target, .check = place_check_groups, .work = describe};
    return place_command_run(cli, command, argc, argv, &at_place);
}

const struct cli_command cli_group_describe = {
    .name = "group describe",
    .operands = "NAME...",
    .operand_min = 1,
    .operand_max = CLI_LIST_MAX,
    .summary = "a group's members, offsets, and lag in records and in time",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
