/** `weir topic create`. */
#include "cli/place.h"

#include <stddef.h>

#include "cli/say.h"
#include "wire/topic_names.h"

/* What nobody types: the default of whoever makes the topic. */
static const int64_t partitions_default = INT64_MIN;

struct values {
    struct place_target target;
    int64_t partitions;
    struct cli_list configs;
    bool is_quiet;
};

static const struct cli_option options[] = {
    {'p', "partitions", CLI_NUMBER, offsetof(struct values, partitions), "N",
     "how many partitions (default: num.partitions, which is 1)"},
    {'c', "config", CLI_LIST, offsetof(struct values, configs), "KEY=VALUE",
     "a setting under Kafka's name, repeatable: -c retention.ms=3600000"},
    {'q', "quiet", CLI_FLAG, offsetof(struct values, is_quiet), NULL, "say nothing on success"},
    PLACE_OPTIONS(struct values),
};

static int say_exists(struct place *place, const char *name, const struct weir_error *error)
{
    struct place_topic topic;
    int rc = place->ops->describe(place, NULL, name, false, &topic, NULL);
    if (rc < 0) return say_failure(error, NULL);
    struct weir_error text = *error;
    (void)snprintf(text.text, sizeof text.text, "topic '%s' is there already, with %d partition%s",
                   name, (int)topic.partition_count, topic.partition_count == 1 ? "" : "s");
    return say_failure(&text,
                       "'weir topic describe %s%s' shows it; 'weir topic alter' changes its "
                       "settings",
                       name, place->option);
}

static int create(struct cli *cli, struct place *place, const void *of_command,
                  const struct cli_operands *operands)
{
    const struct values *values = of_command;
    const char *name = operands->items[0];
    (void)cli;
    struct cli_configs configs;
    struct weir_error error = {0};
    int rc = cli_configs_parse(&values->configs, &configs, &error);
    if (rc < 0) return say_failure(&error, NULL);
    struct place_new_topic topic = {
        .name = name,
        .partition_count =
            values->partitions == partitions_default ? 0 : (int32_t)values->partitions,
        .configs = configs.rows,
        .config_count = configs.count,
    };
    rc = place->ops->create(place, &topic, &error);
    if (rc == WEIR_EXISTS) return say_exists(place, name, &error);
    if (rc < 0) return say_failure(&error, NULL);
    if (!values->is_quiet) printf("created topic '%s'\n", name);
    return say_flush();
}

static int check(const struct cli_command *command, void *of_command,
                 const struct cli_operands *operands)
{
    const struct values *values = of_command;
    (void)operands;
    bool is_given = values->partitions != partitions_default;
    bool may_be = values->partitions >= 1 && values->partitions <= WEIR_TOPIC_PARTITIONS_MAX;
    if (!is_given || may_be) return CLI_OK;
    return say_usage(command->name, "--partitions is %lld: 1 to %d are allowed",
                     (long long)values->partitions, WEIR_TOPIC_PARTITIONS_MAX);
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {.target.makes_directory = true, .partitions = partitions_default};
    const struct place_command at_place = {
        .values = &values, .target = &values.target, .check = check, .work = create};
    return place_command_run(cli, command, argc, argv, &at_place);
}

const struct cli_command cli_topic_create = {
    .name = "topic create",
    .operands = "NAME",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "create a topic",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
