/** `weir topic add-partitions`. */
#include "cli/place.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "cli/say.h"
#include "wire/topic_names.h"

struct values {
    struct place_target target;
    bool is_quiet;
    int32_t added; /* the second operand */
};

static const struct cli_option options[] = {
    {'q', "quiet", CLI_FLAG, offsetof(struct values, is_quiet), NULL, "say nothing on success"},
    PLACE_OPTIONS(struct values),
};

static const char details[] =
    "N is how many come on top of those there are. Records stay where they are, but a key may go "
    "to\n"
    "another partition from now on: a job that counts by key on this topic is refused after it,\n"
    "because its state lies by partition.\n";

static int add(struct cli *cli, struct place *place, const void *of_command,
               const struct cli_operands *operands)
{
    const struct values *values = of_command;
    const char *name = operands->items[0];
    (void)cli;
    struct weir_error error = {0};
    struct place_topic topic;
    int rc = place->ops->describe(place, NULL, name, false, &topic, &error);
    if (rc < 0) return place_say_failure(place, name, PLACE_TOPIC_TO_HAVE, &error);
    if (values->added > WEIR_TOPIC_PARTITIONS_MAX - topic.partition_count) {
        return say_usage(cli_topic_add_partitions.name,
                         "%d partitions on top of the %d there are: a topic may have %d",
                         (int)values->added, (int)topic.partition_count, WEIR_TOPIC_PARTITIONS_MAX);
    }
    int32_t total = topic.partition_count + values->added;
    rc = place->ops->add_partitions(place, name, total, &error);
    if (rc < 0) return place_say_failure(place, name, PLACE_TOPIC_TO_HAVE, &error);
    if (!values->is_quiet) printf("topic '%s' has %d partitions now\n", name, (int)total);
    return say_flush();
}

static int check(const struct cli_command *command, void *of_command,
                 const struct cli_operands *operands)
{
    struct values *values = of_command;
    const char *text = operands->items[1];
    char *end;
    errno = 0;
    long long added = strtoll(text, &end, 10);
    if (*end != '\0' || errno != 0 || added < 1 || added > INT32_MAX) {
        return say_usage(command->name, "'%s' partitions: a whole number from 1 on is wanted",
                         text);
    }
    values->added = (int32_t)added;
    return CLI_OK;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {0};
    const struct place_command at_place = {
        .values = &values, .target = &values.target, .check = check, .work = add};
    return place_command_run(cli, command, argc, argv, &at_place);
}

const struct cli_command cli_topic_add_partitions = {
    .name = "topic add-partitions",
    .operands = "NAME N",
    .operand_min = 2,
    .operand_max = 2,
    .summary = "add N partitions to a topic",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
