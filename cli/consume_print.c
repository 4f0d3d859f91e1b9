/** What came of a partition, printed as the command line says. */
#include "cli/consume.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/say.h"
#include "wire/record_batch_reader.h"
#include "wire/request/committed_filter.h"

enum { OUTPUT_SIZE = 64 * 1024 };

/* ---- what the topic says of its records ------------------------------------------------------ */

/* A setting of a later version's may name what this program does not know. */
static bool find_type(struct consumption *run, const struct place_topic *topic, const char *key,
                      struct weir_data_type *type_out)
{
    for (size_t i = 0; i < topic->config_count; i++) {
        const char *text = topic->configs[i].value;
        if (strcmp(topic->configs[i].key, key) != 0 || text == NULL || text[0] == '\0') continue;
        if (weir_data_type_parse(weir_text(text), &run->arena, type_out, NULL) == 0) return true;
        say_note("weir: topic '%s': this program does not know %s=%.100s: shown as it is",
                 run->topic, key, text);
    }
    return false;
}

/* A server that does not know these settings, or does not tell, is read all the same. */
void consume_find_types(struct consumption *run, struct place_topic *topic)
{
    bool is_asked = run->is_json || run->format.asks_topic;
    if (!is_asked || run->place->ops->configs(run->place, &run->arena, topic, NULL) < 0) return;
    run->has_key_type = find_type(run, topic, "weir.key.format", &run->key_type);
    run->has_value_type = find_type(run, topic, "weir.value.format", &run->value_type);
}

/* ---- printing -------------------------------------------------------------------------------- */

static void write_output(struct consumption *run)
{
    if (run->output.size > 0) (void)fwrite(run->output.data, 1, run->output.size, stdout);
    weir_buffer_reset(&run->output);
}

/* A record that there is no memory for ends the run: half of one must not pass for all of it. */
static int print_record(struct consumption *run, const struct place_fetch_partition *partition,
                        const struct weir_batch_header *batch, const struct weir_record *record,
                        struct weir_error *error)
{
    int rc = 0;
    const size_t before = run->output.size;
    struct record_shown shown = {
        .topic = run->topic,
        .partition = partition->partition,
        .record = record,
        .batch = batch,
        .log_start_offset = partition->log_start_offset,
        .last_stable_offset = partition->last_stable_offset,
        .high_watermark = partition->high_watermark,
        .number = run->printed,
        .key_type = run->has_key_type ? &run->key_type : NULL,
        .value_type = run->has_value_type ? &run->value_type : NULL,
    };
    if (run->is_json) {
        struct record_json_options json = {
            .is_compact = run->values->is_lines || !run->values->is_pretty,
            .is_meta_only = run->values->is_meta_only,
            .room = &run->room,
        };
        rc = record_json_print(&shown, &json);
    } else {
        record_format_print(&run->format, &shown, &run->output);
        rc = run->output.failed ? WEIR_NO_MEMORY : 0;
        if (rc < 0) run->output.size = before; /* those before it are whole */
        if (run->output.size >= OUTPUT_SIZE) write_output(run);
    }
    if (rc < 0) {
        return weir_error_set(error, WEIR_NO_MEMORY,
                              "print the record of offset %lld: out of memory",
                              (long long)record->offset);
    }
    run->printed++;
    return 0;
}

bool consume_has_enough(const struct consumption *run)
{
    return run->values->count_max > 0 && run->printed >= run->values->count_max;
}

/* ---- batches --------------------------------------------------------------------------------- */

/* The batch at hand. */
static int print_batch(struct consumption *run, struct place_fetch_partition *partition,
                       struct weir_batch_reader *reader, int64_t to, struct weir_error *error)
{
    weir_arena_reset(&run->headers);
    int rc = weir_batch_reader_open(reader, error);
    while (rc == 0 && !consume_has_enough(run)) {
        struct weir_record record;
        rc = weir_batch_reader_record(reader, &record, error);
        if (rc != 0 || record.offset < partition->offset) continue;
        if (record.offset >= to) break;
        rc = print_record(run, partition, &reader->header, &record, error);
        if (rc == 0) partition->offset = record.offset + 1;
    }
    return rc < 0 ? rc : 0;
}

static void report_damage(struct consumption *run, const struct place_fetch_partition *partition)
{
    const struct place_ops *ops = run->place->ops;
    if (ops->report_damage == NULL) return;
    ops->report_damage(run->place, run->topic, partition->partition, partition->offset);
}

bool consume_reads_committed(const struct consumption *run)
{
    return strcmp(run->values->isolation, "read_committed") == 0;
}

/* 0: its records are printed. WEIR_END: it is passed over. */
static int admit(const struct consumption *run, struct weir_committed_filter *filter,
                 struct weir_batch_reader *reader, struct weir_error *error)
{
    int rc = weir_committed_filter_admit(filter, reader, error);
    bool shows = run->values->with_control && weir_batch_is_control(&reader->header);
    return rc == WEIR_END && shows ? 0 : rc;
}

/* Who stops at the end stops before a transaction that is open: what lies behind it is not decided. */
static void end_at_open(const struct consumption *run,
                        const struct place_fetch_partition *partition,
                        struct consume_reader *reader)
{
    bool ends = run->values->ends_at_end || run->place->is_alone;
    bool is_there = partition->offset >= partition->last_stable_offset;
    if (ends && is_there && consume_reads_committed(run) && partition->batches.size == 0) {
        reader->to = partition->offset;
    }
}

/* All whole batches that came of one partition. */
int consume_print_batches(struct consumption *run, struct place_fetch_partition *partition,
                          struct consume_reader *until, struct weir_error *error)
{
    int64_t to = until->to;
    struct weir_committed_filter filter;
    bool has_list = consume_reads_committed(run);
    weir_committed_filter_begin(
        &filter,
        has_list ? (struct weir_aborted_transaction *)(void *)partition->aborted.data : NULL,
        has_list ? partition->aborted.size / sizeof(struct weir_aborted_transaction) : 0);
    end_at_open(run, partition, until);
    struct weir_batch_reader reader = {.rest = weir_buffer_slice(&partition->batches),
                                       .plain = &run->plain,
                                       .arena = &run->headers};
    while (partition->offset < to && !consume_has_enough(run) && !say_is_broken()) {
        int rc = weir_batch_reader_next(&reader, error);
        /* The last one may be cut off by the size of the answer: it comes again. */
        if (rc == WEIR_END || rc == WEIR_TRUNCATED) break;
        if (rc == 0) rc = admit(run, &filter, &reader, error);
        if (rc == 0) rc = print_batch(run, partition, &reader, to, error);
        if (rc == WEIR_CORRUPT) report_damage(run, partition);
        if (rc < 0) {
            return weir_error_wrap(error, rc, "read '%s' partition %d from offset %lld", run->topic,
                                   (int)partition->partition, (long long)partition->offset);
        }
        if (consume_has_enough(run)) break; /* perhaps within the batch */
        partition->offset = weir_batch_last_offset(&reader.header) + 1;
    }
    return 0;
}

void consume_flush(struct consumption *run)
{
    write_output(run);
    (void)fflush(stdout);
}
