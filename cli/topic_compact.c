/** `weir topic compact`. */
#include "cli/place.h"

#include <inttypes.h>
#include <stddef.h>

#include "cli/say.h"

struct values {
    struct place_target target;
    bool is_quiet;
    int64_t partition; /* -1: all */
};

static const struct cli_option options[] = {
    {'p', "partition", CLI_NUMBER, offsetof(struct values, partition), "N",
     "this partition alone (default: all)"},
    {'q', "quiet", CLI_FLAG, offsetof(struct values, is_quiet), NULL, "say nothing on success"},
    PLACE_DIRECTORY_OPTIONS(struct values),
};

static const char details[] =
    "Of each key the last record is kept, of all that is in the log now, whatever the topic's\n"
    "min.cleanable.dirty.ratio says; what is younger than its min.compaction.lag.ms stays, and so "
    "does\n"
    "what belongs to an open transaction, or to a job that has not said how far it has committed.\n"
    "Works in a data directory: a server compacts by itself, and Kafka's protocol has no request "
    "for it.\n";

/* Without a wait for a server, which could not do it. */
static int check(const struct cli_command *command, void *of_command,
                 const struct cli_operands *operands)
{
    const struct values *values = of_command;
    (void)operands;
    if (values->target.data != NULL) return CLI_OK;
    return say_usage(command->name,
                     "Kafka's protocol has no request for it: give a data directory with --data; "
                     "a server compacts by itself");
}

static int compact_one(struct place *place, const struct values *values, const char *name,
                       int32_t partition, struct weir_error *error)
{
    char before[24];
    char after[24];
    struct place_compaction compaction = {.topic = name, .partition = partition};
    int rc = place->ops->compact(place, &compaction, error);
    if (rc < 0 || values->is_quiet) return rc;
    if (compaction.bytes_before == 0) {
        printf("partition %d: nothing to compact\n", (int)partition);
        return 0;
    }
    printf("partition %d: %" PRId64 " records are %" PRId64 " now, %s are %s\n", (int)partition,
           compaction.records_before, compaction.records_after,
           say_size(before, compaction.bytes_before), say_size(after, compaction.bytes_after));
    return 0;
}

static int compact(struct cli *cli, struct place *place, const void *of_command,
                   const struct cli_operands *operands)
{
    const struct values *values = of_command;
    const char *name = operands->items[0];
    struct weir_error error = {0};
    struct place_topic topic;
    (void)cli;
    int rc = place->ops->describe(place, NULL, name, false, &topic, &error);
    if (rc < 0) return place_say_failure(place, name, PLACE_TOPIC_TO_HAVE, &error);
    if (values->partition >= topic.partition_count) {
        return say_usage(cli_topic_compact.name, "topic '%s' has partitions 0 to %d, not %" PRId64,
                         name, (int)topic.partition_count - 1, values->partition);
    }
    for (int32_t i = 0; rc == 0 && i < topic.partition_count; i++) {
        if (values->partition >= 0 && values->partition != i) continue;
        rc = compact_one(place, values, name, i, &error);
    }
    if (rc < 0) return place_say_failure(place, name, PLACE_TOPIC_TO_HAVE, &error);
    return say_flush();
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {.partition = -1};
    const struct place_command at_place = {
        .values = &values, .target = &values.target, .check = check, .work = compact};
    return place_command_run(cli, command, argc, argv, &at_place);
}

const struct cli_command cli_topic_compact = {
    .name = "topic compact",
    .operands = "NAME",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "keep the last record of each key, now",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
