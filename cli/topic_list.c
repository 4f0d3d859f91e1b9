/** `weir topic list`. */
#include "cli/place.h"

#include <inttypes.h>
#include <stddef.h>
#include <unistd.h>

#include "cli/say.h"

struct values {
    struct place_target target;
    bool is_json;
    bool with_internal;
};

static const struct cli_option options[] = {
    {'i', "internal", CLI_FLAG, offsetof(struct values, with_internal), NULL,
     "those that begin with '__', too"},
    {0, "json", CLI_FLAG, offsetof(struct values, is_json), NULL, "one JSON array"},
    PLACE_OPTIONS(struct values),
};

/* What all partitions of a topic hold. */
struct totals {
    int64_t records; /* -1: not known */
    int64_t bytes;
    int32_t offline; /* partitions */
};

static struct totals totals_of(const struct place_topic *topic)
{
    struct totals totals = {0};
    for (int32_t i = 0; i < topic->partition_count; i++) {
        const struct place_partition *partition = &topic->partitions[i];
        if (partition->offline != NULL) {
            totals.offline++;
            continue;
        }
        totals.records += partition->end_offset - partition->start_offset;
        bool is_known = totals.bytes >= 0 && partition->size_bytes >= 0;
        totals.bytes = is_known ? totals.bytes + partition->size_bytes : -1;
    }
    if (totals.offline > 0) totals.records = totals.bytes = -1;
    return totals;
}

/* A topic with a partition that cannot be read is listed all the same, without its totals. */
static int describe(struct place *place, struct weir_arena *arena, const char *name,
                    struct place_topic *topic_out, struct totals *totals_out,
                    struct weir_error *error)
{
    struct weir_error why = {0};
    int rc = place->ops->describe(place, arena, name, true, topic_out, &why);
    if (rc == 0) *totals_out = totals_of(topic_out);
    return rc == 0 ? 0 : place->ops->describe(place, arena, name, false, topic_out, error);
}

static void print_json(const struct place_topic *topic, struct totals totals, bool is_first)
{
    printf("%s{\"name\": ", is_first ? "" : ",\n ");
    say_json_text(stdout, weir_text(topic->name));
    printf(", \"partitions\": %d, \"internal\": %s, \"records\": %" PRId64 ", \"bytes\": %" PRId64
           ", \"offline_partitions\": %d}",
           (int)topic->partition_count, topic->is_internal ? "true" : "false", totals.records,
           totals.bytes, (int)totals.offline);
}

/* Sizes for people on a terminal, and for programs, which read columns without blanks, elsewhere. */
static void add_row(struct say_table *table, const struct place_topic *topic, struct totals totals)
{
    char size[24];
    say_table_cell(table, "%s", topic->name);
    say_table_cell(table, "%d", (int)topic->partition_count);
    if (totals.offline > 0) {
        say_table_cell(table, "offline");
    } else if (totals.records < 0) {
        say_table_cell(table, "-");
    } else {
        say_table_cell(table, "%" PRId64, totals.records);
    }
    if (totals.bytes < 0) {
        say_table_cell(table, "-");
    } else if (isatty(STDOUT_FILENO)) {
        say_table_cell(table, "%s", say_size(size, totals.bytes));
    } else {
        say_table_cell(table, "%" PRId64, totals.bytes);
    }
}

/* One topic at a time, in memory that is used again. Topics that go meanwhile are left out. */
static int print_topics(struct cli *cli, struct place *place, const struct values *values,
                        const struct place_topics *topics, size_t *shown_out,
                        struct weir_error *error)
{
    struct weir_arena arena;
    struct say_table table;
    int rc = 0;
    weir_arena_init(&arena, &cli->budget, 0);
    say_table_begin(&table, isatty(STDOUT_FILENO) ? "TOPIC|>PARTITIONS|>RECORDS|>SIZE"
                                                  : "TOPIC|>PARTITIONS|>RECORDS|>BYTES");
    if (values->is_json) (void)putchar('[');
    for (size_t i = 0; rc == 0 && i < topics->count; i++) {
        struct place_topic topic;
        if (topics->rows[i].is_internal && !values->with_internal) continue;
        weir_arena_reset(&arena);
        struct totals totals = {-1, -1, 0};
        rc = describe(place, &arena, topics->rows[i].name, &topic, &totals, error);
        if (rc == WEIR_UNKNOWN_TOPIC_OR_PARTITION) {
            rc = 0;
            continue;
        }
        if (rc < 0) break;
        if (values->is_json) {
            print_json(&topic, totals, *shown_out == 0);
        } else {
            add_row(&table, &topic, totals);
        }
        ++*shown_out;
    }
    if (values->is_json) {
        (void)puts("]");
        say_table_drop(&table);
    } else if (rc < 0) {
        say_table_drop(&table);
    } else {
        say_table_end(&table, 0);
    }
    weir_arena_close(&arena);
    return rc;
}

static int list(struct cli *cli, struct place *place, const void *of_command,
                const struct cli_operands *operands)
{
    const struct values *values = of_command;
    (void)operands;
    struct weir_error error = {0};
    struct weir_arena arena;
    struct place_topics topics;
    size_t shown = 0;
    weir_arena_init(&arena, &cli->budget, 0);
    int rc = place->ops->list(place, &arena, &topics, &error);
    if (rc == 0) rc = print_topics(cli, place, values, &topics, &shown, &error);
    weir_arena_close(&arena);
    if (rc < 0) return say_failure(&error, NULL);
    if (shown == 0 && !values->is_json) {
        say_note("no topics yet: 'weir topic create NAME%s' makes one", place->option);
    }
    return say_flush();
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {0};
    const struct place_command at_place = {
        .values = &values, .target = &values.target, .work = list};
    return place_command_run(cli, command, argc, argv, &at_place);
}

const struct cli_command cli_topic_list = {
    .name = "topic list",
    .operands = "",
    .summary = "the topics, with their partitions, records and bytes",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
