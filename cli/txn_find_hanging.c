/** `weir txn find-hanging`: transactions that are open in partitions, and that no coordinator is going to end. */
#include <inttypes.h>
#include <stddef.h>
#include <time.h>

#include "base/error.h"
#include "cli/hanging_search.h"
#include "cli/say.h"

struct values {
    struct place_target target;
    int64_t age_ms;
    bool is_json;
};

enum { AGE_DEFAULT_MS = 900000 }; /* transaction.max.timeout.ms */

static const struct cli_option options[] = {
    {0, "min-age-ms", CLI_NUMBER, offsetof(struct values, age_ms), "MS",
     "last written to longer ago (default: 900000, the longest that one may be open)"},
    {0, "json", CLI_FLAG, offsetof(struct values, is_json), NULL, "one JSON array"},
    PLACE_OPTIONS(struct values),
};

static const char details[] = "Each partition is asked for the transactions that are open in it, "
                              "and the coordinator for those that it\n"
                              "has. What it does not have nobody ends, and who reads committed "
                              "waits for ever: 'weir txn abort'.\n";

static int64_t wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void say_rows(const struct hanging_list *found)
{
    struct say_table table;
    say_table_begin(&table, "PARTITION|>PRODUCER-ID|>EPOCH|>START-OFFSET|>LAST-WRITTEN-MS");
    for (size_t i = 0; i < found->count; i++) {
        const struct hanging *row = &found->rows[i];
        say_table_cell(&table, "%.*s:%d", (int)row->of.topic.size, (const char *)row->of.topic.data,
                       (int)row->of.partition);
        say_table_cell(&table, "%" PRId64, row->producer.producer_id);
        say_table_cell(&table, "%d", row->producer.producer_epoch);
        say_table_cell(&table, "%" PRId64, row->producer.transaction_first_offset);
        say_table_cell(&table, "%" PRId64, row->producer.last_timestamp_ms);
    }
    say_table_end(&table, 0);
}

static void print_json(const struct hanging_list *found)
{
    (void)putchar('[');
    for (size_t i = 0; i < found->count; i++) {
        const struct hanging *row = &found->rows[i];
        (void)fputs(i == 0 ? "{\"topic\": " : ",\n {\"topic\": ", stdout);
        say_json_text(stdout, row->of.topic);
        printf(", \"partition\": %d, \"producer_id\": %" PRId64 ", \"producer_epoch\": %d",
               (int)row->of.partition, row->producer.producer_id, row->producer.producer_epoch);
        printf(", \"start_offset\": %" PRId64 ", \"last_written_ms\": ",
               row->producer.transaction_first_offset);
        say_json_number(stdout, row->producer.last_timestamp_ms);
        (void)putchar('}');
    }
    (void)puts("]");
}

/* What was found has been printed. */
static int say_unseen(const struct hanging_list *found)
{
    struct weir_error error;
    int exit_code = say_flush();
    const struct weir_topic_partition *first = &found->offline[0];
    (void)weir_error_set(
        &error, WEIR_OFFLINE, "partition %d of '%.*s' is offline, and was left out",
        (int)first->partition, (int)first->topic.size, (const char *)first->topic.data);
    if (found->offline_count > 1) {
        (void)say_failure(&error, "and %zu more", found->offline_count - 1);
    } else {
        (void)say_failure(&error, NULL);
    }
    return exit_code != CLI_OK ? exit_code : CLI_FAILED;
}

static int check(const struct cli_command *command, void *of_command,
                 const struct cli_operands *operands)
{
    const struct values *values = of_command;
    (void)operands;
    if (values->age_ms >= 0) return CLI_OK;
    return say_usage(command->name, "--min-age-ms is 0 or more, not %" PRId64, values->age_ms);
}

static int find_hanging(struct cli *cli, struct place *place, const void *of_command,
                        const struct cli_operands *operands)
{
    const struct values *values = of_command;
    (void)operands;
    struct weir_error error = {0};
    struct weir_arena arena;
    struct hanging_list found = {0};
    weir_arena_init(&arena, &cli->budget, 0);
    int rc = hanging_search(place, &arena, wall_ms() - values->age_ms, &found, &error);
    if (rc == 0 && values->is_json) {
        print_json(&found);
    } else if (rc == 0 && found.count > 0) {
        say_rows(&found);
        say_note("'weir txn abort TOPIC:PARTITION --start-offset OFFSET%s' ends one",
                 place->option);
    }
    if (rc == 0 && found.offline_count > 0) {
        rc = say_unseen(&found);
        weir_arena_close(&arena);
        return rc;
    }
    weir_arena_close(&arena);
    if (rc == WEIR_OFFLINE) {
        return say_failure(&error,
                           "whose transactions it has nobody can tell; 'weir topic "
                           "describe " WEIR_TRANSACTION_STATE_TOPIC "%s' has why it is",
                           place->option);
    }
    if (rc < 0) return say_failure(&error, NULL);
    if (found.count == 0 && !values->is_json) say_note("no transaction hangs");
    return say_flush();
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {.age_ms = AGE_DEFAULT_MS};
    const struct place_command at_place = {
        .values = &values, .target = &values.target, .check = check, .work = find_hanging};
    return place_command_run(cli, command, argc, argv, &at_place);
}

const struct cli_command cli_txn_find_hanging = {
    .name = "txn find-hanging",
    .operands = "",
    .summary = "transactions that are open in partitions, and that nobody ends",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
