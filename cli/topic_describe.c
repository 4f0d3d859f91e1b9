/** `weir topic describe`. */
#include "cli/place.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "broker/metadata/uuid.h"
#include "cli/say.h"

enum { LONG_VALUE_SIZE = 32 };

struct values {
    struct place_target target;
    bool is_json;
};

static const struct cli_option options[] = {
    {0, "json", CLI_FLAG, offsetof(struct values, is_json), NULL, "one JSON object"},
    PLACE_OPTIONS(struct values),
};

/* Of which part of its bytes, the active segment aside, nobody knows yet what later records replace. */
static bool knows_dirt(const struct place_partition *partition)
{
    return partition->offline == NULL && partition->clean_bytes + partition->dirty_bytes > 0;
}

static double dirty_share(const struct place_partition *partition)
{
    return (double)partition->dirty_bytes /
           (double)(partition->clean_bytes + partition->dirty_bytes);
}

static bool any_knows_dirt(const struct place_topic *topic)
{
    for (int32_t i = 0; i < topic->partition_count; i++) {
        if (knows_dirt(&topic->partitions[i])) return true;
    }
    return false;
}

static void print_dirt(struct say_table *table, const struct place_partition *partition)
{
    if (knows_dirt(partition)) {
        say_table_cell(table, "%.0f %%", 100 * dirty_share(partition));
    } else {
        say_table_cell(table, "-");
    }
}

static void print_partitions(const struct place_topic *topic)
{
    struct say_table table;
    char size[24];
    bool has_dirt = any_knows_dirt(topic);
    say_table_begin(&table, has_dirt ? ">PARTITION|>START|>END|>RECORDS|>SIZE|>EPOCH|>DIRTY"
                                     : ">PARTITION|>START|>END|>RECORDS|>SIZE|>EPOCH");
    for (int32_t i = 0; i < topic->partition_count; i++) {
        const struct place_partition *partition = &topic->partitions[i];
        say_table_cell(&table, "%d", (int)partition->partition);
        if (partition->offline != NULL) {
            for (int column = 0; column < (has_dirt ? 6 : 5); column++) {
                say_table_cell(&table, column == 2 ? "offline" : "-");
            }
            continue;
        }
        say_table_cell(&table, "%" PRId64, partition->start_offset);
        say_table_cell(&table, "%" PRId64, partition->end_offset);
        say_table_cell(&table, "%" PRId64, partition->end_offset - partition->start_offset);
        say_table_cell(&table, "%s",
                       partition->size_bytes < 0 ? "-" : say_size(size, partition->size_bytes));
        if (partition->leader_epoch < 0) {
            say_table_cell(&table, "-");
        } else {
            say_table_cell(&table, "%d", (int)partition->leader_epoch);
        }
        if (has_dirt) print_dirt(&table, partition);
    }
    say_table_end(&table, 0);
}

/* A declared struct may take a line of its own, and would push all others apart. */
static bool is_long(const struct place_config *config)
{
    return strlen(config->value) > LONG_VALUE_SIZE;
}

static void print_configs(const struct place_topic *topic)
{
    struct say_table table;
    say_table_begin(&table, "SETTING|VALUE|");
    for (size_t i = 0; i < topic->config_count; i++) {
        if (is_long(&topic->configs[i])) continue;
        say_table_cell(&table, "%s", topic->configs[i].key);
        say_table_cell(&table, "%s", topic->configs[i].value);
        say_table_cell(&table, "%s", topic->configs[i].is_default ? "" : "set");
    }
    say_table_end(&table, 0);
    for (size_t i = 0; i < topic->config_count; i++) {
        const struct place_config *config = &topic->configs[i];
        if (!is_long(config)) continue;
        printf("%s  %s%s\n", config->key, config->value, config->is_default ? "" : "  set");
    }
}

static void say_offline(const struct place_topic *topic)
{
    for (int32_t i = 0; i < topic->partition_count; i++) {
        if (topic->partitions[i].offline == NULL) continue;
        say_note("partition %d is offline: %s", (int)i, topic->partitions[i].offline);
    }
}

static void print_text(const struct place_topic *topic)
{
    char id[WEIR_UUID_TEXT_SIZE];
    weir_uuid_print(topic->id, id);
    printf("topic %s, id %s, %d partition%s%s\n\n", topic->name, id, (int)topic->partition_count,
           topic->partition_count == 1 ? "" : "s", topic->is_internal ? ", internal" : "");
    print_partitions(topic);
    (void)puts("");
    print_configs(topic);
}

static void print_json(const struct place_topic *topic)
{
    char id[WEIR_UUID_TEXT_SIZE];
    weir_uuid_print(topic->id, id);
    (void)fputs("{\"name\": ", stdout);
    say_json_text(stdout, weir_text(topic->name));
    printf(",\n \"id\": \"%s\",\n \"internal\": %s,\n \"partitions\": [", id,
           topic->is_internal ? "true" : "false");
    for (int32_t i = 0; i < topic->partition_count; i++) {
        const struct place_partition *partition = &topic->partitions[i];
        printf("%s{\"partition\": %d, \"start_offset\": %" PRId64 ", \"end_offset\": %" PRId64
               ", \"size_bytes\": %" PRId64 ", \"leader_epoch\": %d, \"offline\": %s",
               i == 0 ? "" : ",\n  ", (int)partition->partition, partition->start_offset,
               partition->end_offset, partition->size_bytes, (int)partition->leader_epoch,
               partition->offline != NULL ? "true" : "false");
        if (knows_dirt(partition)) printf(", \"dirty_share\": %.3f", dirty_share(partition));
        (void)putchar('}');
    }
    (void)fputs("],\n \"configs\": [", stdout);
    for (size_t i = 0; i < topic->config_count; i++) {
        (void)fputs(i == 0 ? "{\"key\": " : ",\n  {\"key\": ", stdout);
        say_json_text(stdout, weir_text(topic->configs[i].key));
        (void)fputs(", \"value\": ", stdout);
        say_json_text(stdout, weir_text(topic->configs[i].value));
        printf(", \"default\": %s}", topic->configs[i].is_default ? "true" : "false");
    }
    (void)puts("]}");
}

static int describe(struct cli *cli, struct place *place, const void *of_command,
                    const struct cli_operands *operands)
{
    const struct values *values = of_command;
    const char *name = operands->items[0];
    struct weir_error error = {0};
    struct weir_arena arena;
    struct place_topic topic;
    int exit_code = CLI_OK;
    weir_arena_init(&arena, &cli->budget, 0);
    int rc = place->ops->describe(place, &arena, name, true, &topic, &error);
    if (rc < 0) {
        exit_code = place_say_failure(place, name, PLACE_TOPIC_TO_HAVE, &error);
    } else if (values->is_json) {
        print_json(&topic);
    } else {
        print_text(&topic);
    }
    if (rc == 0) say_offline(&topic);
    weir_arena_close(&arena);
    return exit_code != CLI_OK ? exit_code : say_flush();
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {0};
    const struct place_command at_place = {
        .values = &values, .target = &values.target, .work = describe};
    return place_command_run(cli, command, argc, argv, &at_place);
}

const struct cli_command cli_topic_describe = {
    .name = "topic describe",
    .operands = "NAME",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "a topic's partitions, offsets, sizes and settings",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
