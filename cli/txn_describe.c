/** `weir txn describe`: one transactional id, with the partitions that its open transaction writes to. */
#include <inttypes.h>
#include <stddef.h>
#include <time.h>

#include "cli/place_transactions.h"
#include "cli/say.h"

struct values {
    struct place_target target;
    bool is_json;
};

static const struct cli_option options[] = {
    {0, "json", CLI_FLAG, offsetof(struct values, is_json), NULL, "one JSON object"},
    PLACE_OPTIONS(struct values),
};

static const char details[] = "examples:\n"
                              "  weir txn describe copier\n";

static int64_t wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Of one that is over its id remembers when it began, which nobody waits for. */
static bool is_begun(const struct place_transaction *transaction)
{
    return transaction->start_ms >= 0 && place_transaction_is_open(transaction);
}

static void print(const struct place_transaction *transaction, int64_t now_ms)
{
    printf("transactional id  %s\n", transaction->id);
    printf("state             %s\n", transaction->state);
    printf("producer          id %" PRId64 ", epoch %d\n", transaction->producer_id,
           transaction->producer_epoch);
    printf("timeout           %d ms\n", (int)transaction->timeout_ms);
    if (is_begun(transaction)) {
        printf("begun             %" PRId64 " ms ago\n", now_ms - transaction->start_ms);
    }
    if (transaction->partition_count == 0) return;
    printf("partitions\n");
    for (size_t i = 0; i < transaction->partition_count; i++) {
        const struct weir_topic_partition *row = &transaction->partitions[i];
        printf("  %.*s:%d\n", (int)row->topic.size, (const char *)row->topic.data,
               (int)row->partition);
    }
}

static void print_json(const struct place_transaction *transaction, int64_t now_ms)
{
    int64_t begun_ms = is_begun(transaction) ? transaction->start_ms : -1;
    (void)fputs("{\"transactional_id\": ", stdout);
    say_json_text(stdout, weir_text(transaction->id));
    (void)fputs(", \"state\": ", stdout);
    say_json_text(stdout, weir_text(transaction->state));
    printf(",\n \"producer_id\": %" PRId64 ", \"producer_epoch\": %d, \"timeout_ms\": %d",
           transaction->producer_id, transaction->producer_epoch, (int)transaction->timeout_ms);
    (void)fputs(",\n \"begun_ms\": ", stdout);
    say_json_number(stdout, begun_ms);
    (void)fputs(", \"open_for_ms\": ", stdout);
    say_json_number(stdout, begun_ms < 0 ? -1 : now_ms < begun_ms ? 0 : now_ms - begun_ms);
    (void)fputs(",\n \"partitions\": [", stdout);
    for (size_t i = 0; i < transaction->partition_count; i++) {
        const struct weir_topic_partition *row = &transaction->partitions[i];
        (void)fputs(i == 0 ? "{\"topic\": " : ",\n  {\"topic\": ", stdout);
        say_json_text(stdout, row->topic);
        printf(", \"partition\": %d}", (int)row->partition);
    }
    (void)puts("]}");
}

static int describe(struct cli *cli, struct place *place, const void *of_command,
                    const struct cli_operands *operands)
{
    const struct values *values = of_command;
    struct weir_error error = {0};
    struct weir_arena arena;
    struct place_transaction transaction = {0};
    weir_arena_init(&arena, &cli->budget, 0);
    int rc =
        place->ops->transactions->describe(place, &arena, operands->items[0], &transaction, &error);
    if (rc == 0 && values->is_json) {
        print_json(&transaction, wall_ms());
    } else if (rc == 0) {
        print(&transaction, wall_ms());
    }
    weir_arena_close(&arena);
    if (rc == WEIR_TRANSACTIONAL_ID_NOT_FOUND) {
        return say_failure(&error, "'weir txn list%s' shows those that there are", place->option);
    }
    return rc < 0 ? say_failure(&error, NULL) : say_flush();
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {0};
    const struct place_command at_place = {
        .values = &values, .target = &values.target, .work = describe};
    return place_command_run(cli, command, argc, argv, &at_place);
}

const struct cli_command cli_txn_describe = {
    .name = "txn describe",
    .operands = "ID",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "where a transactional id stands, and what it writes to",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
