/** `weir txn abort`: end a transaction in one partition that nobody else ends, as `kafka-transactions.sh abort` does. */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "cli/place_transactions.h"
#include "cli/say.h"
#include "cli/topic_partitions.h"

struct values {
    struct place_target target;
    int64_t start_offset;
    int64_t producer_id;
    bool is_forced;
};

static const struct cli_option options[] = {
    {0, "start-offset", CLI_NUMBER, offsetof(struct values, start_offset), "OFFSET",
     "the one that begins there"},
    {0, "producer-id", CLI_NUMBER, offsetof(struct values, producer_id), "ID",
     "the one of this producer"},
    {0, "force", CLI_FLAG, offsetof(struct values, is_forced), NULL,
     "also one that its coordinator still has"},
    PLACE_OPTIONS(struct values),
};

static const char details[] =
    "Who reads committed is held up by an open transaction. Its coordinator aborts it when its "
    "time is\n"
    "over; one that the coordinator does not know of stays ('weir txn find-hanging' finds it), "
    "until its\n"
    "abort is written by hand, in each partition that has something of it.\n"
    "\n"
    "examples:\n"
    "  weir txn abort orders:3 --start-offset 4711\n";

static int check(const struct cli_command *command, void *of_command,
                 const struct cli_operands *operands)
{
    const struct values *values = of_command;
    (void)operands;
    bool has_offset = values->start_offset >= 0;
    bool has_producer = values->producer_id >= 0;
    if (has_offset != has_producer) return CLI_OK;
    if (has_offset) {
        return say_usage(command->name,
                         "--start-offset and --producer-id: it is the one or the other");
    }
    return say_usage(command->name,
                     "say which one: --start-offset or --producer-id, a number from 0 on");
}

static const struct weir_producer_info *find(const struct place_producers *producers,
                                             const struct values *values)
{
    for (size_t i = 0; i < producers->count; i++) {
        const struct weir_producer_info *row = &producers->rows[i];
        bool is_it = values->producer_id >= 0
                         ? row->producer_id == values->producer_id
                         : row->transaction_first_offset == values->start_offset;
        if (is_it && row->transaction_first_offset >= 0) return row;
    }
    return NULL;
}

/* The id whose open transaction it is, NULL if its coordinator does not have it. */
static int find_owner(struct place *place, struct weir_arena *arena, int64_t producer_id,
                      const char **id_out, struct weir_error *error)
{
    struct place_transactions listed = {0};
    int rc = place->ops->transactions->list(place, arena, &listed, error);
    for (size_t i = 0; rc == 0 && i < listed.count; i++) {
        const struct place_transaction *row = &listed.rows[i];
        bool is_its = row->producer_id == producer_id && place_transaction_is_open(row);
        if (is_its) *id_out = row->id;
    }
    if (rc < 0 || *id_out != NULL) return rc;
    return place_transactions_check_whole(&listed, error);
}

/* A partition that its topic does not have, or a topic that is not there. */
static int say_no_partition(struct place *place, struct weir_arena *arena,
                            const struct weir_topic_partition *of, struct weir_error *error)
{
    const char *topic = (const char *)of->topic.data;
    struct place_topic found = {0};
    bool is_there = error->code == WEIR_UNKNOWN_TOPIC_OR_PARTITION &&
                    place->ops->describe(place, arena, topic, false, &found, NULL) == 0;
    if (is_there && of->partition >= found.partition_count) {
        (void)weir_error_set(error, WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                             "topic '%s' has no partition %d: they are 0 to %d", topic,
                             (int)of->partition, (int)found.partition_count - 1);
    }
    return place_say_failure(place, topic, PLACE_TOPIC_TO_HAVE, error);
}

static int abort_one(struct place *place, struct weir_arena *arena, const struct values *values,
                     const struct weir_topic_partition *of)
{
    const struct place_transaction_ops *ops = place->ops->transactions;
    struct weir_error error = {0};
    struct place_producers producers = {0};
    const char *owner = NULL;
    int topic_size = (int)of->topic.size;
    const char *topic = (const char *)of->topic.data;
    int rc = ops->producers(place, arena, of, &producers, &error);
    if (rc < 0) return say_no_partition(place, arena, of, &error);
    const struct weir_producer_info *found = find(&producers, values);
    if (found == NULL) {
        (void)weir_error_set(&error, WEIR_NOT_FOUND,
                             "no such transaction is open in '%.*s' partition %d", topic_size,
                             topic, (int)of->partition);
        return say_failure(&error, "'weir txn find-hanging%s' shows those that hang",
                           place->option);
    }
    if (!values->is_forced) {
        rc = find_owner(place, arena, found->producer_id, &owner, &error);
        if (rc == WEIR_OFFLINE) {
            return say_failure(&error, "whether its coordinator still has it nobody can tell; "
                                       "--force aborts it here all the same");
        }
        if (rc < 0) return say_failure(&error, NULL);
    }
    if (owner != NULL) {
        char quoted[SAY_WORD_SIZE];
        (void)weir_error_set(&error, WEIR_INVALID_TXN_STATE,
                             "transactional id '%.200s' has this transaction, and ends it", owner);
        return say_failure(
            &error,
            "'weir txn describe %s%s' shows for how long; --force aborts it here all the same",
            say_word(quoted, sizeof quoted, owner), place->option);
    }
    rc = ops->abort(place, of, found, &error);
    if (rc < 0) return say_failure(&error, NULL);
    printf("aborted the transaction of producer %" PRId64 " in %.*s:%d from offset %" PRId64 "\n",
           found->producer_id, topic_size, topic, (int)of->partition,
           found->transaction_first_offset);
    return say_flush();
}

static int work(struct cli *cli, struct place *place, const void *of_command,
                const struct cli_operands *operands)
{
    struct weir_error error = {0};
    struct weir_arena arena;
    struct topic_partitions wanted;
    weir_arena_init(&arena, &cli->budget, 0);
    int rc = topic_partitions_parse(operands->items[0], &arena, &wanted, &error);
    bool is_one = rc == 0 && !wanted.is_all && wanted.partition_count == 1;
    if (rc == WEIR_INVALID_ARGUMENT || (rc == 0 && !is_one)) {
        rc = weir_error_set(&error, WEIR_INVALID_ARGUMENT,
                            "'%s': one partition is wanted, as in orders:3", operands->items[0]);
    }
    int code = CLI_OK;
    if (rc < 0) {
        code = say_failure(&error, NULL);
    } else {
        const struct weir_topic_partition of = {weir_text(wanted.topic), wanted.partitions[0]};
        code = abort_one(place, &arena, of_command, &of);
    }
    weir_arena_close(&arena);
    return code;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {.start_offset = -1, .producer_id = -1};
    const struct place_command at_place = {
        .values = &values, .target = &values.target, .check = check, .work = work};
    return place_command_run(cli, command, argc, argv, &at_place);
}

const struct cli_command cli_txn_abort = {
    .name = "txn abort",
    .operands = "TOPIC:PARTITION",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "abort a transaction in a partition that nobody else ends",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
