/** `weir txn find-hanging`: transactions that are open in partitions, and that no coordinator is going to end. */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "cli/place_transactions.h"
#include "cli/say.h"

struct values {
    struct place_target target;
    int64_t age_ms;
};

enum { AGE_DEFAULT_MS = 900000 }; /* transaction.max.timeout.ms */

static const struct cli_option options[] = {
    {0, "min-age-ms", CLI_NUMBER, offsetof(struct values, age_ms), "MS",
     "last written to longer ago (default: 900000, the longest that one may be open)"},
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

struct search {
    struct place *place;
    struct weir_arena *arena;
    struct place_transactions known;
    int64_t before_ms;
    struct say_table table;
    size_t found;
};

/* Will its coordinator end it in this partition? */
static int is_known(const struct search *search, const struct weir_topic_partition *of,
                    int64_t producer_id, bool *is_known_out, struct weir_error *error)
{
    *is_known_out = false;
    for (size_t i = 0; i < search->known.count; i++) {
        const struct place_transaction *row = &search->known.rows[i];
        bool is_open = strcmp(row->state, "Ongoing") == 0 || strncmp(row->state, "Prepare", 7) == 0;
        if (!is_open || row->producer_id != producer_id) continue;
        struct place_transaction described = {0};
        int rc = search->place->ops->transactions->describe(search->place, search->arena, row->id,
                                                            &described, error);
        if (rc < 0) return rc;
        for (size_t p = 0; p < described.partition_count; p++) {
            const struct weir_topic_partition *its = &described.partitions[p];
            *is_known_out = *is_known_out || (its->partition == of->partition &&
                                              weir_slice_equal(its->topic, of->topic));
        }
    }
    return 0;
}

static int search_partition(struct search *search, const struct weir_topic_partition *of,
                            struct weir_error *error)
{
    struct place_producers producers = {0};
    int rc = search->place->ops->transactions->producers(search->place, search->arena, of,
                                                         &producers, error);
    for (size_t i = 0; rc == 0 && i < producers.count; i++) {
        const struct weir_producer_info *row = &producers.rows[i];
        bool known = false;
        bool is_old =
            row->transaction_first_offset >= 0 && row->last_timestamp_ms < search->before_ms;
        if (!is_old) continue;
        rc = is_known(search, of, row->producer_id, &known, error);
        if (rc < 0 || known) continue;
        search->found++;
        say_table_cell(&search->table, "%.*s:%d", (int)of->topic.size, (const char *)of->topic.data,
                       (int)of->partition);
        say_table_cell(&search->table, "%" PRId64, row->producer_id);
        say_table_cell(&search->table, "%d", row->producer_epoch);
        say_table_cell(&search->table, "%" PRId64, row->transaction_first_offset);
        say_table_cell(&search->table, "%" PRId64, row->last_timestamp_ms);
    }
    return rc;
}

static int search_all(struct search *search, struct weir_error *error)
{
    struct place_topics topics = {0};
    struct place *place = search->place;
    int rc = place->ops->transactions->list(place, search->arena, &search->known, error);
    if (rc == 0) rc = place->ops->list(place, search->arena, &topics, error);
    for (size_t t = 0; rc == 0 && t < topics.count; t++) {
        for (int32_t p = 0; rc == 0 && p < topics.rows[t].partition_count; p++) {
            const struct weir_topic_partition of = {weir_text(topics.rows[t].name), p};
            rc = search_partition(search, &of, error);
        }
    }
    return rc;
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
    struct search search = {
        .place = place, .arena = &arena, .before_ms = wall_ms() - values->age_ms};
    weir_arena_init(&arena, &cli->budget, 0);
    say_table_begin(&search.table, "PARTITION|>PRODUCER-ID|>EPOCH|>START-OFFSET|>LAST-WRITTEN-MS");
    int rc = search_all(&search, &error);
    if (rc == 0 && search.found > 0) {
        say_table_end(&search.table, 0);
        say_note("'weir txn abort TOPIC:PARTITION --start-offset OFFSET%s' ends one",
                 place->option);
    } else {
        say_table_drop(&search.table);
    }
    weir_arena_close(&arena);
    if (rc < 0) return say_failure(&error, NULL);
    if (search.found == 0) say_note("no transaction hangs");
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
