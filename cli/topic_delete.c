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

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {0};
    struct cli_operands operands;
    struct place *place = NULL;
    struct weir_error error = {0};
    int exit_code;
    if (cli_options_parse(command, argc, argv, &values, &operands, &exit_code) != 0) {
        return exit_code;
    }
    exit_code = place_open(cli, &values.target, &place);
    for (size_t i = 0; exit_code == CLI_OK && i < operands.count; i++) {
        const char *name = operands.items[i];
        if (place->ops->remove(place, name, &error) < 0) {
            exit_code = place_say_failure(place, name, &error);
        } else if (!values.is_quiet) {
            printf("deleted topic '%s'\n", name);
        }
    }
    place_close(place);
    return exit_code != CLI_OK ? exit_code : say_flush();
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
