/** `weir topic delete`. */
#include "cli/place.h"

#include "cli/say.h"

#include <stddef.h>

struct values {
    struct place_target target;
    bool is_quiet;
};

static const struct cli_option options[] = {
    {'q', "quiet", CLI_FLAG, offsetof(struct values, is_quiet), NULL, "say nothing on success"},
    PLACE_OPTIONS(struct values),
};

static int delete_all(struct cli *cli, struct place *place, const void *of_command,
                      const struct cli_operands *operands)
{
    const struct values *values = of_command;
    struct weir_error error = {0};
    int exit_code = CLI_OK;
    (void)cli;
    for (size_t i = 0; exit_code == CLI_OK && i < operands->count; i++) {
        const char *name = operands->items[i];
        if (place->ops->remove(place, name, &error) < 0) {
            exit_code = place_say_failure(place, name, PLACE_TOPIC_TO_HAVE, &error);
        } else if (!values->is_quiet) {
            printf("deleted topic '%s'\n", name);
        }
    }
    return exit_code != CLI_OK ? exit_code : say_flush();
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {0};
    const struct place_command at_place = {
        .values = &values, .target = &values.target, .work = delete_all};
    return place_command_run(cli, command, argc, argv, &at_place);
}

const struct cli_command cli_topic_delete = {
    .name = "topic delete",
    .operands = "NAME...",
    .operand_min = 1,
    .operand_max = CLI_LIST_MAX,
    .summary = "delete topics, with all their records",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
