/** `weir log dump`: the batches of a partition as they lie on the disk, and what was aborted of them. */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/error.h"
#include "broker/log/segment_scan.h"
#include "broker/log/small_file.h"
#include "broker/log/transaction_index.h"
#include "cli/cli.h"
#include "cli/log_folder.h"
#include "cli/no_memory.h"
#include "cli/say.h"
#include "wire/record_batch_reader.h"

struct values {
    bool with_records;
    int64_t offset;
    int64_t count_max;
};

static const struct cli_option options[] = {
    {'r', "records", CLI_FLAG, offsetof(struct values, with_records), NULL,
     "the records of each batch, too"},
    {'o', "offset", CLI_NUMBER, offsetof(struct values, offset), "N",
     "from the batch that holds this offset"},
    {'n', "num", CLI_NUMBER, offsetof(struct values, count_max), "N", "stop after N batches"},
};

static const char details[] =
    "DIR is a partition's folder (data/log/orders-0) or a data directory, whose partitions are "
    "then\n"
    "shown one after another. Nothing is locked and nothing is changed; a server may be running.\n"
    "Bytes that are no whole batch are told of on stderr and stepped over; exit code 1 then.\n";

enum { SHOWN_MAX = 256 };

struct dump {
    struct weir_env *env;
    const struct values *values;
    struct weir_buffer bases; /* int64_t, of the segments of one partition */
    struct weir_buffer batch;
    struct weir_buffer plain;
    struct weir_arena arena;
    int64_t batch_count;
    bool is_damaged;
};

/* ---- records --------------------------------------------------------------------------------- */

/* Readable bytes as they are, others as \xNN, in quotes; long texts are cut. */
static void print_bytes(const char *name, struct weir_slice text)
{
    if (weir_slice_is_null(text)) {
        printf(" %s null", name);
        return;
    }
    printf(" %s '", name);
    for (size_t i = 0; i < text.size && i < SHOWN_MAX; i++) {
        uint8_t c = text.data[i];
        if (c == '\\' || c == '\'') {
            printf("\\%c", c);
        } else if (c < 0x20 || c == 0x7f) {
            printf("\\x%02x", c);
        } else {
            (void)putchar(c);
        }
    }
    (void)putchar('\'');
    if (text.size > SHOWN_MAX) printf("... (%zu bytes)", text.size);
}

static void print_record(const struct weir_record *record, bool is_control)
{
    printf("    offset %" PRId64 " timestamp %" PRId64, record->offset, record->timestamp_ms);
    int type = is_control ? weir_control_type(record->key) : WEIR_CORRUPT;
    if (type >= 0) {
        printf(" %s", type == WEIR_CONTROL_COMMIT  ? "COMMIT"
                      : type == WEIR_CONTROL_ABORT ? "ABORT"
                                                   : "control");
    }
    bool is_marker = type == WEIR_CONTROL_COMMIT || type == WEIR_CONTROL_ABORT;
    if (is_marker && record->value.size >= 6) {
        printf(" coordinatorEpoch %d", (int)weir_load_u32(record->value.data + 2));
    }
    print_bytes("key", record->key);
    print_bytes("value", record->value);
    for (size_t i = 0; i < record->header_count; i++) {
        print_bytes("header", record->headers[i].key);
        print_bytes("=", record->headers[i].value);
    }
    (void)putchar('\n');
}

static int print_records(struct dump *dump, struct weir_error *error)
{
    struct weir_batch_reader reader = {
        .rest = weir_buffer_slice(&dump->batch), .plain = &dump->plain, .arena = &dump->arena};
    struct weir_record record;
    weir_arena_reset(&dump->arena);
    int rc = weir_batch_reader_open_next(&reader, error);
    while (rc == 0 && (rc = weir_batch_reader_record(&reader, &record, error)) == 0) {
        print_record(&record, weir_batch_is_control(&reader.header));
    }
    return rc < 0 ? rc : 0;
}

/* ---- batches --------------------------------------------------------------------------------- */

static void print_time(const char *name, int64_t timestamp_ms)
{
    char text[40] = "none";
    struct tm parts;
    time_t seconds = (time_t)(timestamp_ms / 1000);
    if (timestamp_ms >= 0 && gmtime_r(&seconds, &parts) != NULL) {
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
        printf(" %s %s.%03dZ", name, text, (int)(timestamp_ms % 1000));
        return;
    }
    printf(" %s %s", name, text);
}

static void print_batch(const struct weir_batch_header *header, int64_t position)
{
    const char *codec = weir_codec_name((int)weir_batch_codec(header));
    printf("  offset %" PRId64 "..%" PRId64 " records %d position %" PRId64 " size %zu epoch %d",
           header->base_offset, weir_batch_last_offset(header), (int)header->record_count, position,
           weir_batch_size(header), (int)header->leader_epoch);
    bool is_append_time = (header->attributes & WEIR_BATCH_LOG_APPEND_TIME) != 0;
    print_time(is_append_time ? "LogAppendTime" : "CreateTime", header->max_timestamp_ms);
    printf(" codec %s", codec != NULL ? codec : "unknown");
    if (header->producer_id != WEIR_NO_PRODUCER_ID) {
        printf(" producer %" PRId64 " epoch %d sequence %d", header->producer_id,
               (int)header->producer_epoch, (int)header->base_sequence);
    }
    if (weir_batch_is_transactional(header)) (void)fputs(" transactional", stdout);
    if (weir_batch_is_control(header)) (void)fputs(" control", stdout);
    printf(" crc 0x%08" PRIx32 "\n", header->crc);
}

static bool has_enough(const struct dump *dump)
{
    return dump->values->count_max > 0 && dump->batch_count >= dump->values->count_max;
}

static int read_batch(struct dump *dump, struct weir_file *file, int64_t position, size_t size,
                      struct weir_error *error)
{
    weir_buffer_reset(&dump->batch);
    uint8_t *bytes = weir_buffer_extend(&dump->batch, size);
    if (bytes == NULL) return cli_no_memory(error);
    int64_t got = weir_file_read(file, bytes, size, position, error);
    if (got < 0) return (int)got;
    if ((size_t)got < size) return weir_error_set(error, WEIR_TRUNCATED, "the file got shorter");
    return 0;
}

static int dump_batch(struct dump *dump, struct weir_file *file,
                      const struct weir_batch_header *header, int64_t position,
                      struct weir_error *error)
{
    if (weir_batch_last_offset(header) < dump->values->offset) return 0;
    print_batch(header, position);
    dump->batch_count++;
    if (!dump->values->with_records) return 0;
    int rc = read_batch(dump, file, position, weir_batch_size(header), error);
    return rc < 0 ? rc : print_records(dump, error);
}

/* ---- segments -------------------------------------------------------------------------------- */

/* Something that is no batch that belongs there: say so, and go on with the next that is whole. WEIR_END:
 * there is none. */
static int step_over(struct dump *dump, struct weir_segment_scan *scan, const char *why,
                     struct weir_error *error)
{
    struct weir_batch_search search = {
        .file = scan->file,
        .budget = dump->env->budget,
        .position = scan->position + 1,
        .limit = scan->limit,
        .offset_min = scan->expected_offset,
        .epoch_min = WEIR_NO_LEADER_EPOCH,
    };
    struct weir_batch_header header = {0};
    int64_t next = scan->limit;
    int rc = weir_segment_find_batch(&search, &header, &next, error);
    if (rc < 0) return rc;
    (void)fflush(stdout); /* what is before it comes before it */
    say_note("weir: %s: from position %" PRId64 " on, %" PRId64 " bytes are no whole batch: %s",
             scan->file->path, scan->position, next - scan->position, why);
    dump->is_damaged = true;
    if (rc == WEIR_END) return rc;
    scan->position = next;
    scan->expected_offset = header.base_offset;
    scan->epoch = WEIR_NO_LEADER_EPOCH;
    return 0;
}

static int dump_batches(struct dump *dump, struct weir_file *file, int64_t base, int64_t size,
                        struct weir_error *error)
{
    struct weir_segment_scan scan;
    struct weir_batch_header header;
    int64_t position = 0;
    struct weir_segment_scan_options scan_options = {
        .file = file,
        .budget = dump->env->budget,
        .limit = size,
        .expected_offset = base,
        .epoch = WEIR_NO_LEADER_EPOCH,
        .has_holes = true, /* of whatever Kafka's file this is: what is left out is not shown */
    };
    int rc = 0;
    weir_segment_scan_init(&scan, &scan_options);
    while (rc == 0 && !has_enough(dump) && !say_is_broken()) {
        struct weir_error why = {0};
        rc = weir_segment_scan_next(&scan, &header, &position, &why);
        if (rc == 0) rc = dump_batch(dump, file, &header, position, &why);
        if (rc == WEIR_CORRUPT || rc == WEIR_TRUNCATED) {
            rc = step_over(dump, &scan, why.text, error);
        } else if (rc < 0) {
            *error = why;
        }
    }
    weir_segment_scan_close(&scan);
    return rc < 0 ? rc : 0;
}

/* As Kafka's tool names the fields. An entry of a later version, or half of one, is said and not shown. */
static int dump_transactions(struct dump *dump, const char *directory, int64_t base,
                             struct weir_error *error)
{
    struct weir_transaction_index index;
    struct weir_log_path path =
        weir_log_offset_path(directory, base, WEIR_TRANSACTION_INDEX_SUFFIX);
    weir_buffer_reset(&dump->batch);
    int rc = weir_small_file_read(dump->env, path.text, INT32_MAX, &dump->batch, error);
    if (rc < 0) return rc == WEIR_NOT_FOUND ? 0 : rc;
    struct weir_error why = {0};
    weir_transaction_index_init(&index, dump->env->budget);
    printf("%s, %zu bytes\n", path.text, dump->batch.size);
    rc = weir_transaction_index_decode(&index, weir_buffer_slice(&dump->batch), 0, INT64_MAX, &why);
    for (size_t i = 0; i < index.count; i++) {
        const struct weir_aborted_entry *entry = &index.entries[i];
        printf("  producer %" PRId64 " firstOffset %" PRId64 " lastOffset %" PRId64
               " lastStableOffset %" PRId64 "\n",
               entry->producer_id, entry->first_offset, entry->last_offset,
               entry->last_stable_offset);
    }
    weir_transaction_index_close(&index);
    if (rc == WEIR_NO_MEMORY) return weir_error_set(error, rc, "out of memory");
    if (rc == 0) return 0;
    (void)fflush(stdout);
    say_note("weir: %s: %s", path.text, why.text);
    dump->is_damaged = true;
    return 0;
}

static int dump_segment(struct dump *dump, const char *directory, int64_t base,
                        struct weir_error *error)
{
    struct weir_log_path path = weir_log_offset_path(directory, base, ".log");
    struct weir_file *file = NULL;
    struct weir_file_stat facts;
    int rc = weir_file_open(dump->env, path.text, WEIR_OPEN_READ, &file, error);
    if (rc < 0) return rc;
    rc = weir_file_stat(file, &facts, error);
    if (rc < 0) goto out;
    printf("%s, %" PRId64 " bytes\n", path.text, facts.size);
    rc = dump_batches(dump, file, base, facts.size, error);
    if (rc == 0 && !has_enough(dump) && !say_is_broken()) {
        rc = dump_transactions(dump, directory, base, error);
    }
out:
    weir_file_close(file);
    return rc;
}

static int note_segment(void *context, const char *name, enum weir_file_kind kind)
{
    struct dump *dump = context;
    int64_t base = weir_log_name_offset(name, ".log");
    if (kind == WEIR_FILE_REGULAR && base >= 0) {
        weir_buffer_append(&dump->bases, &base, sizeof base);
    }
    return dump->bases.failed ? WEIR_NO_MEMORY : 0;
}

/* Names sort by bytes, and twenty digits sort as numbers do. */
static int dump_partition(void *context, const char *path, const char *name,
                          struct weir_error *error)
{
    (void)name;
    struct dump *dump = context;
    weir_buffer_reset(&dump->bases);
    int rc = weir_list(dump->env, path, note_segment, dump, error);
    const int64_t *bases = (const void *)dump->bases.data;
    size_t count = dump->bases.size / sizeof *bases;
    for (size_t i = 0; rc == 0 && i < count && !has_enough(dump) && !say_is_broken(); i++) {
        if (i + 1 < count && bases[i + 1] <= dump->values->offset)
            continue; /* all of it is below */
        rc = dump_segment(dump, path, bases[i], error);
    }
    return rc;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int dump_all(struct dump *dump, const char *path)
{
    struct weir_error error = {0};
    weir_buffer_init(&dump->bases, dump->env->budget, 0);
    weir_buffer_init(&dump->batch, dump->env->budget, 0);
    weir_buffer_init(&dump->plain, dump->env->budget, 0);
    weir_arena_init(&dump->arena, dump->env->budget, 0);
    int rc = log_folder_each(dump->env, path, dump_partition, dump, &error);
    weir_arena_close(&dump->arena);
    weir_buffer_close(&dump->plain);
    weir_buffer_close(&dump->batch);
    weir_buffer_close(&dump->bases);
    if (rc < 0) return say_failure(&error, NULL);
    int exit_code = say_flush();
    if (!dump->is_damaged) return exit_code;
    say_note(
        "weir: some bytes are no whole batch: 'weir log verify' says whether that matters, 'weir "
        "log repair' mends it");
    return CLI_FAILED;
}

static int check_values(const struct cli_command *command, const struct values *values)
{
    if (values->count_max < 0) {
        return say_usage(command->name, "--num is %lld: at least 1, or 0 for all",
                         (long long)values->count_max);
    }
    if (values->offset < 0) {
        return say_usage(command->name, "--offset is %lld: at least 0", (long long)values->offset);
    }
    return CLI_OK;
}

static int run_command(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    (void)cli;
    struct values values = {0};
    struct cli_operands operands;
    struct weir_error error = {0};
    struct dump dump = {.values = &values};
    int exit_code;
    if (cli_options_parse(command, argc, argv, &values, &operands, &exit_code) != 0) {
        return exit_code;
    }
    exit_code = check_values(command, &values);
    if (exit_code != CLI_OK) return exit_code;
    struct weir_env_uv_options env_options = {0};
    if (weir_env_uv_new(&env_options, &dump.env, &error) < 0) return say_failure(&error, NULL);
    exit_code = dump_all(&dump, operands.items[0]);
    weir_env_uv_free(dump.env);
    return exit_code;
}

const struct cli_command cli_log_dump = {
    .name = "log dump",
    .operands = "DIR",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "the batches on the disk, without a server",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run_command,
};
