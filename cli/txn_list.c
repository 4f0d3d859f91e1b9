/** `weir txn list`. */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/place_transactions.h"
#include "cli/say.h"

struct values {
    struct place_target target;
    bool is_json;
};

static const struct cli_option options[] = {
    {0, "json", CLI_FLAG, offsetof(struct values, is_json), NULL, "one JSON array"},
    PLACE_OPTIONS(struct values),
};

static const char details[] = "Empty has had none since its producer was opened; Ongoing is open; "
                              "Prepare* is decided and being\n"
                              "written to its partitions; Complete* is over.\n"
                              "\n"
                              "examples:\n"
                              "  weir txn list\n"
                              "  weir txn describe ID\n";

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct place_transaction *)a)->id,
                  ((const struct place_transaction *)b)->id);
}

static void print_json(const struct place_transactions *listed)
{
    (void)putchar('[');
    for (size_t i = 0; i < listed->count; i++) {
        const struct place_transaction *row = &listed->rows[i];
        (void)fputs(i == 0 ? "{\"transactional_id\": " : ",\n {\"transactional_id\": ", stdout);
        say_json_text(stdout, weir_text(row->id));
        printf(", \"producer_id\": %" PRId64 ", \"state\": ", row->producer_id);
        say_json_text(stdout, weir_text(row->state));
        (void)putchar('}');
    }
    (void)puts("]");
}

static void print_table(const struct place_transactions *listed)
{
    struct say_table table;
    say_table_begin(&table, "TRANSACTIONAL-ID|>PRODUCER-ID|STATE");
    for (size_t i = 0; i < listed->count; i++) {
        say_table_cell(&table, "%s", listed->rows[i].id);
        say_table_cell(&table, "%" PRId64, listed->rows[i].producer_id);
        say_table_cell(&table, "%s", listed->rows[i].state);
    }
    say_table_end(&table, 0);
}

/* What there is has been printed; it is not all. */
static int say_part(const struct place *place, struct weir_error *error)
{
    int exit_code = say_flush();
    (void)weir_error_wrap(error, WEIR_OFFLINE, "the list is not whole");
    (void)say_failure(error, "'weir topic describe " WEIR_TRANSACTION_STATE_TOPIC "%s' has why",
                      place->option);
    return exit_code != CLI_OK ? exit_code : CLI_FAILED;
}

static int list(struct cli *cli, struct place *place, const void *of_command,
                const struct cli_operands *operands)
{
    const struct values *values = of_command;
    (void)operands;
    struct weir_error error = {0};
    struct weir_arena arena;
    struct place_transactions listed = {0};
    weir_arena_init(&arena, &cli->budget, 0);
    int rc = place->ops->transactions->list(place, &arena, &listed, &error);
    if (rc == 0) qsort(listed.rows, listed.count, sizeof *listed.rows, compare);
    if (rc == 0 && values->is_json) {
        print_json(&listed);
    } else if (rc == 0 && listed.count > 0) {
        print_table(&listed);
    }
    int whole_rc = rc == 0 ? place_transactions_check_whole(&listed, &error) : 0;
    weir_arena_close(&arena);
    if (rc < 0) return say_failure(&error, NULL);
    if (whole_rc < 0) return say_part(place, &error);
    if (listed.count == 0 && !values->is_json) {
        say_note("no transactional ids yet: a producer with a transactional.id begins with one");
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

const struct cli_command cli_txn_list = {
    .name = "txn list",
    .operands = "",
    .summary = "the transactional ids, and where each stands",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
