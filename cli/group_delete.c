/** `weir group delete`: a group, or some of its offsets. */
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "cli/no_memory.h"
#include "cli/place_groups.h"
#include "cli/say.h"
#include "cli/topic_partitions.h"

struct values {
    struct place_target target;
    struct cli_list offsets;
    bool is_quiet;
};

static const struct cli_option options[] = {
    {0, "offsets", CLI_LIST, offsetof(struct values, offsets), "TOPIC[:P,P...]",
     "forget only what is committed for these (repeatable)"},
    {'q', "quiet", CLI_FLAG, offsetof(struct values, is_quiet), NULL, "say nothing on success"},
    PLACE_OPTIONS(struct values),
};

static const char details[] =
    "A group with members is refused: stop them first. With --offsets the group stays, and "
    "members\n"
    "may be there, but none that is subscribed to the topic.\n"
    "\n"
    "examples:\n"
    "  weir group delete billing\n"
    "  weir group delete billing --offsets orders:0,3 --offsets payments\n";

static bool is_application(struct place *place, struct weir_arena *arena, const char *name)
{
    struct place_group group = {0};
    return place->ops->groups->describe(place, arena, name, &group, NULL) == 0 &&
           group.is_application;
}

static int delete_group(struct place *place, struct weir_arena *arena, const char *name,
                        bool is_quiet)
{
    struct weir_error error = {0};
    char word[SAY_WORD_SIZE];
    int rc = place->ops->groups->remove(place, name, &error);
    if (rc == WEIR_NON_EMPTY_GROUP && is_application(place, arena, name)) {
        return say_failure(&error, "a stream application owns it: its offsets go with its state");
    }
    if (rc == WEIR_NON_EMPTY_GROUP) {
        return say_failure(&error, "'weir group describe %s%s' shows its members: stop them first",
                           say_word(word, sizeof word, name), place->option);
    }
    if (rc < 0) return place_say_group_failure(place, name, &error);
    if (!is_quiet) printf("deleted group '%s'\n", name);
    return CLI_OK;
}

/* All that the group has committed in this topic, for a topic without partitions behind it. */
static int find_committed(struct place *place, struct weir_arena *arena, const char *name,
                          const struct topic_partitions *wanted, struct place_partitions *of_out,
                          struct weir_error *error)
{
    struct place_offsets offsets = {0};
    int rc = place->ops->groups->offsets(place, arena, name, &offsets, error);
    if (rc < 0) return rc;
    int32_t *partitions = weir_arena_array(arena, offsets.count + 1, sizeof *partitions);
    size_t count = 0;
    if (partitions == NULL) return cli_no_memory(error);
    for (size_t i = 0; i < offsets.count; i++) {
        if (strcmp(offsets.rows[i].topic, wanted->topic) != 0) continue;
        partitions[count++] = offsets.rows[i].partition;
    }
    if (count == 0) {
        return weir_error_set(error, WEIR_NOT_FOUND,
                              "group '%s' has committed nothing in topic '%s'", name,
                              wanted->topic);
    }
    *of_out = (struct place_partitions){wanted->topic, partitions, count};
    return 0;
}

static int delete_offsets(struct place *place, struct weir_arena *arena, const char *name,
                          const char *text, bool is_quiet)
{
    char word[SAY_WORD_SIZE];
    struct weir_error error = {0};
    struct topic_partitions wanted;
    int rc = topic_partitions_parse(text, arena, &wanted, &error);
    if (rc < 0) return say_failure(&error, NULL);
    struct place_partitions of = {wanted.topic, wanted.partitions, wanted.partition_count};
    if (wanted.is_all) rc = find_committed(place, arena, name, &wanted, &of, &error);
    if (rc == 0) rc = place->ops->groups->remove_offsets(place, name, &of, &error);
    if (rc == WEIR_GROUP_SUBSCRIBED_TO_TOPIC) {
        return say_failure(&error, "members of the group read '%s': stop them first", of.topic);
    }
    if (rc == WEIR_NOT_FOUND) {
        return say_failure(&error, "'weir group describe %s%s' shows what it has",
                           say_word(word, sizeof word, name), place->option);
    }
    if (rc < 0) return place_say_group_failure(place, name, &error);
    if (!is_quiet) {
        printf("deleted %zu offset%s of group '%s' in topic '%s'\n", of.partition_count,
               of.partition_count == 1 ? "" : "s", name, of.topic);
    }
    return CLI_OK;
}

static int delete_all(struct cli *cli, struct place *place, const void *of_command,
                      const struct cli_operands *operands)
{
    const struct values *values = of_command;
    struct weir_arena arena;
    int exit_code = CLI_OK;
    weir_arena_init(&arena, &cli->budget, 0);
    for (size_t i = 0; exit_code == CLI_OK && i < operands->count; i++) {
        const char *name = operands->items[i];
        if (values->offsets.count == 0)
            exit_code = delete_group(place, &arena, name, values->is_quiet);
        for (size_t t = 0; exit_code == CLI_OK && t < values->offsets.count; t++) {
            exit_code =
                delete_offsets(place, &arena, name, values->offsets.items[t], values->is_quiet);
        }
    }
    weir_arena_close(&arena);
    return exit_code != CLI_OK ? exit_code : say_flush();
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {0};
    const struct place_command at_place = {.values = &values,
                                           .target = &values.target,
                                           .check = place_check_groups,
                                           .work = delete_all};
    return place_command_run(cli, command, argc, argv, &at_place);
}

const struct cli_command cli_group_delete = {
    .name = "group delete",
    .operands = "NAME...",
    .operand_min = 1,
    .operand_max = CLI_LIST_MAX,
    .summary = "delete groups without members, or some of their offsets",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
