/** `weir group reset`: puts a group's offsets somewhere else. Where, reset_plan.h decides. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/group_view.h"
#include "cli/no_memory.h"
#include "cli/reset_file.h"
#include "cli/reset_moves.h"
#include "cli/say.h"
#include "cli/topic_partitions.h"

struct values {
    struct place_target target;
    struct reset_words words;
    struct cli_list topics;
    bool all_topics;
    bool is_dry;
    bool is_executed;
    bool is_json;
    /* found by the check */
    struct reset_target to;
};

static const struct cli_option options[] = {
    {0, "topic", CLI_LIST, offsetof(struct values, topics), "TOPIC[:P,P...]",
     "which partitions (repeatable)"},
    {0, "all-topics", CLI_FLAG, offsetof(struct values, all_topics), NULL,
     "all that the group has committed"},
    RESET_OPTIONS(struct values),
    {0, "execute", CLI_FLAG, offsetof(struct values, is_executed), NULL,
     "do it, as without --dry-run: what Kafka's tool calls it"},
    {0, "json", CLI_FLAG, offsetof(struct values, is_json), NULL, "one JSON array"},
    PLACE_OPTIONS(struct values),
};

static const char details[] =
    "The group must have no members: stop them first. An offset that the log does not have "
    "becomes\n"
    "the nearest that it has, and a line says so. All partitions are reset, or none.\n"
    "\n" RESET_TIMES_HELP "\n"
    "examples:\n"
    "  weir group reset billing --topic orders --to-earliest --dry-run\n"
    "  weir group reset billing --topic orders:0,3 --shift-by -100\n"
    "  weir group reset billing --all-topics --by-duration PT1H\n";

struct reset {
    const struct values *values;
    struct place *place;
    const char *group;
    struct weir_arena *arena;
    struct place_offsets committed;
    struct reset_move *moves;
    size_t count;
    size_t capacity;
    struct reset_line *lines; /* of the file, if there is one */
    size_t line_count;
    bool is_new;          /* there is no such group yet */
    const char *at_topic; /* the last that was looked up */
    size_t at_line;       /* of the file; 0: of none */
};

/* ---- which partitions ------------------------------------------------------------------------ */

static int add_move(struct reset *reset, const char *topic, int32_t partition,
                    struct weir_error *error)
{
    struct reset_move *moves = weir_arena_grow(reset->arena, reset->moves, reset->count,
                                               &reset->capacity, 16, sizeof *moves);
    if (moves == NULL) return cli_no_memory(error);
    reset->moves = moves;
    struct reset_move *move = &moves[reset->count++];
    *move = (struct reset_move){.topic = topic, .partition = partition, .before = -1};
    for (size_t i = 0; i < reset->committed.count; i++) {
        const struct place_offset *offset = &reset->committed.rows[i];
        if (offset->partition == partition && strcmp(offset->topic, topic) == 0) {
            move->before = offset->offset;
        }
    }
    return 0;
}

static int look_up(struct reset *reset, const char *name, struct place_topic *topic,
                   struct weir_error *error)
{
    reset->at_topic = name;
    return reset->place->ops->describe(reset->place, reset->arena, name, false, topic, error);
}

static int check_partition(const struct place_topic *topic, int32_t partition,
                           struct weir_error *error)
{
    if (partition < topic->partition_count) return 0;
    return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                          "topic '%s' has no partition %d: they are 0 to %d", topic->name,
                          (int)partition, (int)topic->partition_count - 1);
}

static int add_topic(struct reset *reset, const char *text, struct weir_error *error)
{
    struct topic_partitions wanted;
    struct place_topic topic;
    int rc = topic_partitions_parse(text, reset->arena, &wanted, error);
    if (rc == 0) rc = look_up(reset, wanted.topic, &topic, error);
    if (rc < 0) return rc;
    for (int32_t i = 0; rc == 0 && wanted.is_all && i < topic.partition_count; i++) {
        rc = add_move(reset, wanted.topic, i, error);
    }
    for (size_t i = 0; rc == 0 && i < wanted.partition_count; i++) {
        rc = check_partition(&topic, wanted.partitions[i], error);
        if (rc == 0) rc = add_move(reset, wanted.topic, wanted.partitions[i], error);
    }
    return rc;
}

static int add_file(struct reset *reset, const char *path, struct weir_error *error)
{
    struct place_topic topic = {.name = ""};
    int rc = reset_file_read(path, reset->arena, &reset->lines, &reset->line_count, error);
    for (size_t i = 0; rc == 0 && i < reset->line_count; i++) {
        const struct reset_line *line = &reset->lines[i];
        reset->at_line = line->number;
        if (strcmp(line->topic, topic.name) != 0) rc = look_up(reset, line->topic, &topic, error);
        if (rc < 0) return rc;
        rc = check_partition(&topic, line->partition, error);
        rc = weir_error_wrap(error, rc, "'%s' line %zu", path, line->number);
        if (rc == 0) rc = add_move(reset, line->topic, line->partition, error);
    }
    return rc;
}

static int compare_moves(const void *a, const void *b)
{
    const struct reset_move *left = a;
    const struct reset_move *right = b;
    int by_topic = strcmp(left->topic, right->topic);
    if (by_topic != 0) return by_topic;
    return (left->partition > right->partition) - (left->partition < right->partition);
}

static int check_twice(const struct reset *reset, struct weir_error *error)
{
    for (size_t i = 1; i < reset->count; i++) {
        if (compare_moves(&reset->moves[i - 1], &reset->moves[i]) != 0) continue;
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "'%s' partition %d is named twice",
                              reset->moves[i].topic, (int)reset->moves[i].partition);
    }
    return 0;
}

static int choose_partitions(struct reset *reset, struct weir_error *error)
{
    const struct values *values = reset->values;
    int rc = 0;
    if (values->words.from_file != NULL) rc = add_file(reset, values->words.from_file, error);
    for (size_t i = 0; rc == 0 && i < values->topics.count; i++) {
        rc = add_topic(reset, values->topics.items[i], error);
    }
    for (size_t i = 0; rc == 0 && values->all_topics && i < reset->committed.count; i++) {
        const struct place_offset *offset = &reset->committed.rows[i];
        rc = add_move(reset, offset->topic, offset->partition, error);
    }
    if (rc < 0) return rc;
    if (reset->count == 0) {
        return weir_error_set(error, WEIR_NOT_FOUND, "group '%s' has committed nothing%s",
                              reset->group, values->all_topics ? ": --topic says which" : "");
    }
    qsort(reset->moves, reset->count, sizeof *reset->moves, compare_moves);
    return check_twice(reset, error);
}

/* ---- where to -------------------------------------------------------------------------------- */

static int64_t find_in_file(const struct reset *reset, const struct reset_move *move)
{
    for (size_t i = 0; i < reset->line_count; i++) {
        const struct reset_line *line = &reset->lines[i];
        if (line->partition == move->partition && strcmp(line->topic, move->topic) == 0) {
            return line->offset;
        }
    }
    return -1;
}

static int decide_one(struct reset *reset, struct reset_move *move, struct weir_error *error)
{
    struct group_row row = {.topic = move->topic, .partition = move->partition, .committed = -1};
    int rc = group_row_find_log(reset->place, reset->arena, &row, error);
    if (rc == 0 && row.problem != NULL) {
        rc = weir_error_set(error, WEIR_UNKNOWN_TOPIC_OR_PARTITION, "%s", row.problem);
    }
    const struct reset_facts facts = {
        .committed = move->before,
        .start = row.start,
        .end = row.end,
        .in_file = find_in_file(reset, move),
    };
    move->start = row.start;
    move->end = row.end;
    if (rc == 0) rc = reset_move_decide(move, reset->place, &reset->values->to, &facts, error);
    return weir_error_wrap(error, rc, "reset '%s' partition %d", move->topic, (int)move->partition);
}

static int commit(const struct reset *reset, struct weir_error *error)
{
    struct place_membership nobody = {.group = reset->group, .epoch = -1};
    struct place_offsets offsets = {.count = reset->count};
    offsets.rows = weir_arena_array(reset->arena, reset->count, sizeof *offsets.rows);
    if (offsets.rows == NULL) return cli_no_memory(error);
    for (size_t i = 0; i < reset->count; i++) {
        offsets.rows[i] = (struct place_offset){
            .topic = reset->moves[i].topic,
            .partition = reset->moves[i].partition,
            .offset = reset->moves[i].after,
            .leader_epoch = -1,
            .metadata = "",
        };
    }
    return reset->place->ops->groups->commit(reset->place, &nobody, &offsets, error);
}

/* ---- the command ----------------------------------------------------------------------------- */

/* As Kafka's tool does: a group whose members are there would not follow. A group that there is none of yet begins
 * with these offsets. */
static int check_members(struct reset *reset, struct weir_error *error)
{
    struct place_group group = {0};
    int rc = reset->place->ops->groups->describe(reset->place, reset->arena, reset->group, &group,
                                                 error);
    if (rc == WEIR_GROUP_ID_NOT_FOUND && !reset->values->all_topics) {
        *error = (struct weir_error){0};
        reset->is_new = true;
        return 0;
    }
    if (rc < 0) return rc;
    if (group.is_application) {
        return weir_error_set(error, WEIR_GROUP_OWNED, "group '%s' belongs to a stream application",
                              reset->group);
    }
    if (group.member_count > 0) {
        return weir_error_set(error, WEIR_NON_EMPTY_GROUP,
                              "group '%s' is in state %s, with %zu member%s: offsets are reset "
                              "while there is none",
                              reset->group, group.state, group.member_count,
                              group.member_count == 1 ? "" : "s");
    }
    return 0;
}

static int say_reset_failure(const struct reset *reset, const struct weir_error *error)
{
    if (error->code == WEIR_NON_EMPTY_GROUP) {
        char word[SAY_WORD_SIZE];
        return say_failure(error, "'weir group describe %s%s' shows them: stop them first",
                           say_word(word, sizeof word, reset->group), reset->place->option);
    }
    if (error->code == WEIR_UNKNOWN_TOPIC_OR_PARTITION && reset->at_topic != NULL) {
        int exit_code =
            place_say_failure(reset->place, reset->at_topic, PLACE_TOPIC_TO_HAVE, error);
        if (reset->at_line > 0) {
            say_note("it is named in '%s', line %zu", reset->values->words.from_file,
                     reset->at_line);
        }
        return exit_code;
    }
    return place_say_group_failure(reset->place, reset->group, error);
}

static int reset_group(struct cli *cli, struct place *place, const void *of_command,
                       const struct cli_operands *operands)
{
    const struct values *values = of_command;
    struct weir_error error = {0};
    struct weir_arena arena;
    weir_arena_init(&arena, &cli->budget, 0);
    struct reset reset = {
        .values = values, .place = place, .group = operands->items[0], .arena = &arena};
    int rc = check_members(&reset, &error);
    if (rc == 0) {
        rc = place->ops->groups->offsets(place, &arena, reset.group, &reset.committed, &error);
    }
    if (rc == 0) rc = choose_partitions(&reset, &error);
    for (size_t i = 0; rc == 0 && i < reset.count; i++) {
        rc = decide_one(&reset, &reset.moves[i], &error);
    }
    if (rc == 0 && reset.is_new) {
        say_note("there is no group '%s' yet: it begins with these offsets", reset.group);
    }
    if (rc == 0) reset_moves_say_bends(reset.moves, reset.count);
    if (rc == 0 && !values->is_dry) rc = commit(&reset, &error);
    if (rc == 0 && !values->is_json) reset_moves_print("TOPIC", reset.moves, reset.count);
    if (rc == 0 && values->is_json) {
        reset_moves_print_json(reset.moves, reset.count);
        (void)puts("");
    }
    int exit_code = rc < 0 ? say_reset_failure(&reset, &error) : say_flush();
    weir_arena_close(&arena);
    return exit_code;
}

static int check(const struct cli_command *command, void *of_command,
                 const struct cli_operands *operands)
{
    struct values *values = of_command;
    struct weir_error error = {0};
    bool has_file = values->words.from_file != NULL;
    int exit_code = place_check_groups(command, of_command, operands);
    if (exit_code != CLI_OK) return exit_code;
    if (values->is_executed && values->is_dry) {
        return say_usage(command->name, "--execute and --dry-run: it is the one or the other");
    }
    if (reset_target_choose(&values->words, group_now_ms(), &values->to, &error) < 0) {
        return say_usage(command->name, "%s", error.text);
    }
    if (has_file && (values->topics.count > 0 || values->all_topics)) {
        return say_usage(command->name,
                         "--from-file names its topics itself: leave out --topic and --all-topics");
    }
    if (values->topics.count > 0 && values->all_topics) {
        return say_usage(command->name, "--topic and --all-topics: it is the one or the other");
    }
    if (!has_file && values->topics.count == 0 && !values->all_topics) {
        return say_usage(
            command->name,
            "it is not said of which partitions: --topic TOPIC[:P,P...] or --all-topics");
    }
    return CLI_OK;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {.words = RESET_WORDS_INIT};
    const struct place_command at_place = {
        .values = &values, .target = &values.target, .check = check, .work = reset_group};
    int exit_code = place_command_run(cli, command, argc, argv, &at_place);
    if (exit_code == CLI_OK && values.is_dry) reset_say_dry_run(command, argc, argv);
    return exit_code;
}

const struct cli_command cli_group_reset = {
    .name = "group reset",
    .operands = "NAME",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "move a group's offsets, in a group without members",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
