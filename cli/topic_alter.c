/** `weir topic alter`. */
#include "cli/place.h"

#include <stddef.h>

#include "cli/say.h"

struct values {
    struct place_target target;
    struct cli_list configs;
    struct cli_list resets;
    bool is_quiet;
};

static const struct cli_option options[] = {
    {'c', "config", CLI_LIST, offsetof(struct values, configs), "KEY=VALUE",
     "set this setting, repeatable"},
    {'r', "reset", CLI_LIST, offsetof(struct values, resets), "KEY",
     "back to the default, repeatable"},
    {'q', "quiet", CLI_FLAG, offsetof(struct values, is_quiet), NULL, "say nothing on success"},
    PLACE_OPTIONS(struct values),
};

static int alter(struct cli *cli, struct place *place, const void *of_command,
                 const struct cli_operands *operands)
{
    const struct values *values = of_command;
    const char *name = operands->items[0];
    (void)cli;
    struct cli_configs configs;
    struct weir_error error = {0};
    int rc = cli_configs_parse(&values->configs, &configs, &error);
    if (rc < 0) return say_failure(&error, NULL);
    for (size_t i = 0; i < values->resets.count && configs.count < CLI_LIST_MAX; i++) {
        configs.rows[configs.count++] = (struct weir_config){.key = values->resets.items[i]};
    }
    rc = place->ops->configure(place, name, configs.rows, configs.count, &error);
    if (rc < 0) return place_say_failure(place, name, PLACE_TOPIC_TO_HAVE, &error);
    if (!values->is_quiet) {
        printf("altered %zu setting%s of topic '%s'\n", configs.count,
               configs.count == 1 ? "" : "s", name);
    }
    return say_flush();
}

static int check(const struct cli_command *command, void *of_command,
                 const struct cli_operands *operands)
{
    const struct values *values = of_command;
    (void)operands;
    if (values->configs.count + values->resets.count > 0) return CLI_OK;
    return say_usage(command->name, "topic alter needs what to change: -c key=value or -r key");
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {0};
    const struct place_command at_place = {
        .values = &values, .target = &values.target, .check = check, .work = alter};
    return place_command_run(cli, command, argc, argv, &at_place);
}

const struct cli_command cli_topic_alter = {
    .name = "topic alter",
    .operands = "NAME",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "change a topic's settings",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
