/** `weir produce`: records from stdin, in batches, one batch per partition on its way. */
#include "cli/place.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/nearest.h"
#include "cli/interrupt.h"
#include "cli/no_memory.h"
#include "cli/record_format.h"
#include "cli/record_scan.h"
#include "cli/say.h"
#include "client/partitioner.h"
#include "wire/record_batch_reader.h"

struct values {
    struct place_target target;
    const char *format;
    const char *output_format;
    const char *key;
    const char *codec;
    const char *acks;
    struct cli_list headers;
    int64_t partition;
    bool has_tombstones;
    bool may_create;
};

static const struct cli_option options[] = {
    {'f', "format", CLI_TEXT, offsetof(struct values, format), "FORMAT",
     "how stdin is read (default: '%v\\n'); see below"},
    {'o', "output-format", CLI_TEXT, offsetof(struct values, output_format), "FORMAT",
     "what is printed per stored record, as in consume; '' for nothing"},
    {'k', "key", CLI_TEXT, offsetof(struct values, key), "KEY",
     "the key of records that have none in the input"},
    {'H', "header", CLI_LIST, offsetof(struct values, headers), "KEY=VALUE",
     "a header of every record, repeatable"},
    {'p', "partition", CLI_NUMBER, offsetof(struct values, partition), "N",
     "to this partition (default: by the key, as Kafka's clients do)"},
    {'z', "compression", CLI_TEXT, offsetof(struct values, codec), "CODEC",
     "none (default), gzip, snappy, lz4, zstd"},
    {0, "acks", CLI_TEXT, offsetof(struct values, acks), "N",
     "all or -1 (default): on the disk; 1: written; 0: not waited for"},
    {'Z', "tombstone", CLI_FLAG, offsetof(struct values, has_tombstones), NULL,
     "an empty value is null, a tombstone"},
    {0, "allow-auto-topic-creation", CLI_FLAG, offsetof(struct values, may_create), NULL,
     "create the topic if there is none"},
    PLACE_OPTIONS(struct values),
};

static const char details[] =
    "FORMAT, as in rpk. Each time it is matched, there is a record:\n"
    "  %v %k        value, key: up to what stands behind them; as %v{hex}, {base64}\n"
    "  %V %K        their sizes, which come first: %K{big32}%V{big32}%k%v\n"
    "  %H %h{...}   number of headers, and what one looks like: %H %h{%k=%v }%v\\n\n"
    "  %p %d        partition, timestamp in ms since 1970 (-1: now)\n"
    "  Sizes and numbers take {ascii}, {3} (digits), {hex8} to {hex64}, {big8} to {big64}, ...\n"
    "\n"
    "examples:\n"
    "  weir produce orders -f '%k %v\\n' < orders.txt\n"
    "  echo | weir produce orders -k 17 -Z                     a tombstone for key 17\n";

enum {
    BATCH_SIZE = 256 * 1024,
    READ_SIZE = 256 * 1024,
    RECORD_SIZE_MAX = 512 << 20,
    HEADERS_FIXED_MAX = CLI_LIST_MAX,
};

struct production {
    const struct values *values;
    struct place *place;
    const char *topic;
    struct interrupt interrupt;
    struct weir_arena arena;  /* of the whole run */
    struct weir_arena record; /* of one record */
    struct weir_buffer input;
    size_t input_from; /* bytes of it that are used */
    bool input_ended;
    struct weir_buffer output;
    struct weir_buffer plain;
    struct record_format format;
    struct record_format output_format;
    struct weir_header headers[HEADERS_FIXED_MAX];
    enum weir_codec codec;
    int acks;
    struct weir_partitioner partitioner;
    struct weir_batch_builder *builders; /* by partition */
    int32_t partition_count;
    int64_t taken;    /* records of the input */
    int64_t produced; /* and those that were reported */
};

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- sending --------------------------------------------------------------------------------- */

static void report_record(struct production *run, const struct place_produce *stored,
                          const struct weir_batch_header *batch, struct weir_record *record)
{
    if (stored->base_offset >= 0) record->offset += stored->base_offset;
    if (stored->append_time_ms >= 0) record->timestamp_ms = stored->append_time_ms;
    struct record_shown shown = {
        .topic = run->topic,
        .partition = stored->partition,
        .record = record,
        .batch = batch,
        .log_start_offset = -1,
        .last_stable_offset = -1,
        .high_watermark = -1,
        .number = run->produced++,
    };
    record_format_print(&run->output_format, &shown, &run->output);
}

/* What was stored is walked once more: its records are in there, and nowhere else by now. */
static int report(struct production *run, const struct place_produce *stored,
                  struct weir_error *error)
{
    struct weir_batch_reader reader = {
        .rest = stored->batch, .plain = &run->plain, .arena = &run->record};
    if (run->output_format.count == 0) return 0;
    weir_arena_reset(&run->record);
    int rc = weir_batch_reader_open_next(&reader, error);
    while (rc == 0) {
        struct weir_record record;
        rc = weir_batch_reader_record(&reader, &record, error);
        if (rc == 0) report_record(run, stored, &reader.header, &record);
    }
    if (run->output.size > 0) (void)fwrite(run->output.data, 1, run->output.size, stdout);
    weir_buffer_reset(&run->output);
    return rc < 0 ? rc : 0;
}

static int send_batch(struct production *run, int32_t partition, struct weir_error *error)
{
    struct weir_batch_builder *builder = &run->builders[partition];
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct place_produce produce = {
        .topic = run->topic,
        .partition = partition,
        .acks = run->acks,
    };
    if (builder->record_count == 0) return 0;
    int rc = weir_batch_builder_finish(builder, &finish, &produce.batch);
    if (rc < 0) return weir_error_set(error, (enum weir_code)rc, "%s", weir_code_text(rc));
    rc = run->place->ops->produce(run->place, &produce, error);
    if (rc == 0) rc = report(run, &produce, error);
    weir_batch_builder_reset(builder);
    weir_partitioner_batch_sealed(&run->partitioner, partition, run->partition_count);
    return rc;
}

static int send_all(struct production *run, struct weir_error *error)
{
    for (int32_t i = 0; i < run->partition_count; i++) {
        int rc = send_batch(run, i, error);
        if (rc < 0) return rc;
    }
    (void)fflush(stdout);
    return 0;
}

/* ---- one record ------------------------------------------------------------------------------ */

static int choose_partition(struct production *run, const struct record_scanned *scanned,
                            struct weir_slice key, int32_t *partition_out, struct weir_error *error)
{
    int64_t partition = scanned->partition >= 0 ? scanned->partition : run->values->partition;
    if (partition < 0) {
        *partition_out = weir_partitioner_choose(&run->partitioner, key, run->partition_count);
        return 0;
    }
    if (partition >= run->partition_count) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "topic '%s' has no partition %lld: they are 0 to %d", run->topic,
                              (long long)partition, (int)run->partition_count - 1);
    }
    *partition_out = (int32_t)partition;
    return 0;
}

/* The headers of the command line, and behind them those of the input. */
static int join_headers(struct production *run, const struct record_scanned *scanned,
                        struct weir_record *record, struct weir_error *error)
{
    size_t fixed = run->values->headers.count;
    record->headers = fixed == 0 ? scanned->headers : run->headers;
    record->header_count = fixed + scanned->header_count;
    if (fixed == 0 || scanned->header_count == 0) return 0;
    struct weir_header *joined =
        weir_arena_array(&run->record, record->header_count, sizeof *joined);
    if (joined == NULL) return cli_no_memory(error);
    memcpy(joined, run->headers, fixed * sizeof *joined);
    memcpy(joined + fixed, scanned->headers, scanned->header_count * sizeof *joined);
    record->headers = joined;
    return 0;
}

static int add_record(struct production *run, const struct record_scanned *scanned,
                      struct weir_error *error)
{
    int32_t partition = 0;
    struct weir_record record = {
        .key = weir_slice_is_null(scanned->key) ? weir_text(run->values->key) : scanned->key,
        .value = scanned->value,
        .timestamp_ms = scanned->timestamp_ms != -1 ? scanned->timestamp_ms : now_ms(),
    };
    if (run->values->has_tombstones && record.value.size == 0) record.value = weir_null();
    if (record.timestamp_ms < 0) {
        return weir_error_set(
            error, WEIR_INVALID_TIMESTAMP,
            "record %lld of stdin, for topic '%s': timestamp %lld is negative: %%d "
            "is milliseconds since 1970, or -1 for now",
            (long long)run->taken + 1, run->topic, (long long)record.timestamp_ms);
    }
    int rc = choose_partition(run, scanned, record.key, &partition, error);
    if (rc == 0) rc = join_headers(run, scanned, &record, error);
    if (rc < 0) return rc;
    struct weir_batch_builder *builder = &run->builders[partition];
    if (weir_batch_builder_size(builder) + record.key.size + record.value.size > BATCH_SIZE) {
        rc = send_batch(run, partition, error);
        if (rc < 0) return rc;
    }
    rc = weir_batch_builder_add(builder, &record);
    if (rc < 0) {
        return weir_error_set(error, (enum weir_code)rc,
                              "record %lld of stdin, for topic '%s', with timestamp %lld: %s",
                              (long long)run->taken + 1, run->topic, (long long)record.timestamp_ms,
                              weir_code_text(rc));
    }
    return 0;
}

/* ---- the input ------------------------------------------------------------------------------- */

static struct weir_slice unread(const struct production *run)
{
    struct weir_slice input = weir_buffer_slice(&run->input);
    return weir_slice(input.data + run->input_from, input.size - run->input_from);
}

/* All records that are whole in the input. */
static int take_records(struct production *run, struct weir_error *error)
{
    for (;;) {
        struct record_scanned scanned;
        size_t used;
        weir_arena_reset(&run->record);
        int rc = record_scan_next(&run->format, unread(run), run->input_ended, &run->record,
                                  &scanned, &used, error);
        if (rc == WEIR_END) return 0;
        if (rc < 0) {
            return weir_error_wrap(error, rc, "record %lld of stdin does not have the form '%s'",
                                   (long long)run->taken + 1, run->values->format);
        }
        rc = add_record(run, &scanned, error);
        if (rc < 0) return rc;
        run->input_from += used;
        run->taken++;
    }
}

static int read_more(struct production *run, struct weir_error *error)
{
    size_t left = run->input.size - run->input_from;
    if (run->input_from > 0) {
        memmove(run->input.data, run->input.data + run->input_from, left);
        run->input.size = left;
        run->input_from = 0;
    }
    if (left > RECORD_SIZE_MAX || !weir_buffer_reserve(&run->input, READ_SIZE)) {
        return weir_error_set(error, WEIR_TOO_LARGE, "a record of more than %zu MiB", left >> 20);
    }
    ssize_t got = read(STDIN_FILENO, run->input.data + run->input.size, READ_SIZE);
    if (got < 0 && errno == EINTR) return 0;
    if (got < 0) return weir_error_errno(error, errno, "read", "stdin");
    run->input.size += (size_t)got;
    run->input_ended = got == 0;
    return 0;
}

/* What is whole is sent as soon as the input makes us wait, and at the latest when a batch is full. */
static int read_all(struct production *run, struct weir_error *error)
{
    int rc = 0;
    while (rc == 0 && !run->input_ended) {
        if (!interrupt_has_input(STDIN_FILENO)) rc = send_all(run, error);
        if (rc < 0 || !interrupt_wait_input(&run->interrupt, STDIN_FILENO)) break;
        rc = read_more(run, error);
        if (rc == 0) rc = take_records(run, error);
    }
    /* Also after a mistake in the input: what came before it was whole. */
    int sent = send_all(run, rc < 0 ? NULL : error);
    return rc < 0 ? rc : sent;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int make_builders(struct production *run, struct weir_error *error)
{
    run->builders =
        weir_arena_array(&run->arena, (size_t)run->partition_count, sizeof *run->builders);
    if (run->builders == NULL) return cli_no_memory(error);
    for (int32_t i = 0; i < run->partition_count; i++) {
        weir_batch_builder_init(&run->builders[i], run->arena.budget, run->codec,
                                WEIR_CODEC_LEVEL_DEFAULT);
    }
    return 0;
}

static int find_topic(struct production *run, struct weir_error *error)
{
    const struct place_ops *ops = run->place->ops;
    struct place_topic topic;
    int rc = ops->describe(run->place, &run->arena, run->topic, false, &topic, error);
    if (rc == WEIR_UNKNOWN_TOPIC_OR_PARTITION && run->values->may_create) {
        struct place_new_topic created = {.name = run->topic};
        rc = ops->create(run->place, &created, error);
        if (rc == 0 || rc == WEIR_EXISTS) {
            rc = ops->describe(run->place, &run->arena, run->topic, false, &topic, error);
        }
    }
    if (rc == 0) run->partition_count = topic.partition_count;
    return rc;
}

static int produce(struct production *run)
{
    struct weir_error error = {0};
    if (find_topic(run, &error) < 0)
        return place_say_failure(run->place, run->topic, PLACE_TOPIC_TO_FILL, &error);
    int rc = make_builders(run, &error);
    if (rc < 0) return say_failure(&error, NULL);
    rc = read_all(run, &error);
    for (int32_t i = 0; i < run->partition_count; i++) {
        weir_batch_builder_close(&run->builders[i]);
    }
    if (rc == WEIR_TOO_LARGE) {
        return say_failure(&error,
                           "'weir topic alter %s -c max.message.bytes=N%s' raises the "
                           "limit",
                           run->topic, run->place->option);
    }
    return rc < 0 ? say_failure(&error, NULL) : say_flush();
}

static int check_codec(struct production *run, const struct cli_command *command)
{
    if (weir_codec_from_name(run->values->codec, &run->codec) == 0) return CLI_OK;
    struct weir_nearest nearest = weir_nearest_to(run->values->codec);
    for (int i = 0; i < WEIR_CODEC_COUNT; i++) {
        weir_nearest_offer(&nearest, weir_codec_name(i));
    }
    return say_usage(command->name, "compression '%s': none, gzip, snappy, lz4 or zstd%s%s%s",
                     run->values->codec, nearest.found != NULL ? "; did you mean '" : "",
                     nearest.found != NULL ? nearest.found : "", nearest.found != NULL ? "'?" : "");
}

static int check_acks(struct production *run, const struct cli_command *command)
{
    static const struct {
        const char *text;
        int acks;
    } words[] = {{"all", -1}, {"-1", -1}, {"1", 1}, {"0", 0}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(run->values->acks, words[i].text) != 0) continue;
        run->acks = words[i].acks;
        return CLI_OK;
    }
    return say_usage(command->name, "acks '%s': all, 1 or 0", run->values->acks);
}

/* `key=value`, or rpk's `key:value`: whichever separator comes first. */
static int check_headers(struct production *run, const struct cli_command *command)
{
    for (size_t i = 0; i < run->values->headers.count; i++) {
        const char *text = run->values->headers.items[i];
        size_t size = strcspn(text, "=:");
        if (text[size] == '\0') {
            return say_usage(command->name, "header '%s': it takes the form key=value", text);
        }
        run->headers[i] = (struct weir_header){weir_slice(text, size), weir_text(text + size + 1)};
    }
    return CLI_OK;
}

/* Mistakes in the call are found before a place is opened. */
static int check_values(struct production *run, const struct cli_command *command)
{
    struct weir_error error = {0};
    int exit_code = check_codec(run, command);
    if (exit_code == CLI_OK) exit_code = check_acks(run, command);
    if (exit_code == CLI_OK) exit_code = check_headers(run, command);
    if (exit_code != CLI_OK) return exit_code;
    if (run->values->partition < -1 || run->values->partition > INT32_MAX) {
        return say_usage(command->name, "--partition is %lld: 0 or more, or -1 for any",
                         (long long)run->values->partition);
    }
    int rc = record_format_parse(run->values->format, &run->arena, &run->format, &error);
    if (rc == 0) rc = record_scan_check(&run->format, &error);
    if (rc == 0) {
        rc = record_format_parse(run->values->output_format, &run->arena, &run->output_format,
                                 &error);
    }
    return rc < 0 ? say_usage(command->name, "%s", error.text) : CLI_OK;
}

static void production_init(struct production *run, struct cli *cli)
{
    weir_arena_init(&run->arena, &cli->budget, 0);
    weir_arena_init(&run->record, &cli->budget, 0);
    weir_buffer_init(&run->input, &cli->budget, 0);
    weir_buffer_init(&run->output, &cli->budget, 0);
    weir_buffer_init(&run->plain, &cli->budget, 0);
    weir_partitioner_init(&run->partitioner, (uint64_t)now_ms() ^ (uint64_t)getpid() << 32);
}

static void production_close(struct production *run)
{
    interrupt_close(&run->interrupt);
    weir_buffer_close(&run->plain);
    weir_buffer_close(&run->output);
    weir_buffer_close(&run->input);
    weir_arena_close(&run->record);
    weir_arena_close(&run->arena);
}

static int run_command(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {
        .format = "%v\\n",
        .output_format = "Produced to partition %p at offset %o with timestamp %d.\\n",
        .codec = "none",
        .acks = "all",
        .partition = -1,
    };
    struct cli_operands operands;
    int exit_code;
    if (cli_options_parse(command, argc, argv, &values, &operands, &exit_code) != 0) {
        return exit_code;
    }
    struct production run = {.values = &values, .topic = operands.items[0]};
    production_init(&run, cli);
    run.interrupt = interrupt_open(values.target.data != NULL);
    exit_code = check_values(&run, command);
    if (exit_code == CLI_OK) exit_code = place_open(cli, &values.target, &run.place);
    if (exit_code == CLI_OK) exit_code = produce(&run);
    place_close(run.place);
    production_close(&run);
    return exit_code;
}

const struct cli_command cli_produce = {
    .name = "produce",
    .operands = "TOPIC",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "records from stdin into a topic",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run_command,
};
