/** `weir consume`: the command, and reading partitions from here to there. */
#include "cli/consume.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/no_memory.h"
#include "cli/say.h"

static const struct cli_option options[] = {
    {'o', "offset", CLI_TEXT, offsetof(struct consume_values, offset), "OFFSET",
     "from where to where (default: start); see below"},
    {'f', "format", CLI_TEXT, offsetof(struct consume_values, format), "FORMAT",
     "how a record is printed (default: json); see below"},
    {'n', "num", CLI_NUMBER, offsetof(struct consume_values, count_max), "N",
     "stop after N records"},
    {'g', "group", CLI_TEXT, offsetof(struct consume_values, group), "GROUP",
     "as a member of this group: share the topic, commit what is printed"},
    {'p', "partitions", CLI_TEXT, offsetof(struct consume_values, partitions), "N,N...",
     "only these partitions"},
    {'e', "exit-at-end", CLI_FLAG, offsetof(struct consume_values, ends_at_end), NULL,
     "stop at what is the end now, as ':end' does (always so with --data)"},
    {0, "pretty-print", CLI_FLAG, offsetof(struct consume_values, is_pretty), NULL,
     "json: several lines a record (default on a terminal); =false: one"},
    {'J', "json", CLI_FLAG, offsetof(struct consume_values, is_lines), NULL,
     "json, a line per record (so it is anyway where stdout is no terminal)"},
    {0, "meta-only", CLI_FLAG, offsetof(struct consume_values, is_meta_only), NULL,
     "json: the value's size instead of the value"},
    {0, "isolation", CLI_TEXT, offsetof(struct consume_values, isolation), "LEVEL",
     "read_committed or read_uncommitted (default), as to transactions"},
    {0, "print-control-records", CLI_FLAG, offsetof(struct consume_values, with_control), NULL,
     "markers of transactions, too"},
    PLACE_OPTIONS(struct consume_values),
};

static const char details[] =
    "OFFSET, as in rpk:\n"
    "  start, end   the beginning; what comes from now on\n"
    "  :end         up to what is the end now\n"
    "  +N, -N       N behind the start, N before the end (of each partition)\n"
    "  N, N:, :N    from offset N; up to it\n"
    "  N:M, N:end   from N up to M\n"
    "  @T, @:T      from a time; up to it\n"
    "  @T1:T2       between two times; T2 may be 'end'\n"
    "  A time T is 1767225600 (s), 1767225600000 (ms), 2026-01-01, 2026-01-01T12:00:00Z, or a\n"
    "  duration from now: @-1h, @-1h30m:-5m. Behind a date it counts from there: @2026-01-01:6h.\n"
    "\n"
    "FORMAT is 'json', which shows keys and values as what the topic's weir.key.format and\n"
    "weir.value.format say they are (a job sets both where it writes); or a text in which these\n"
    "stand for:\n"
    "  %v %k %t     value, key, topic, as they are; as %v{hex}, {base64}, {base64raw}\n"
    "  %v{} %k{}    as the topic says; as they are if it says nothing\n"
    "  %v{TYPE}     as what the bytes are: {text}; {i8} to {i64}, {u8} to {u64}, {f32}, {f64},\n"
    "               big-endian as serdes write them, or {i64le}, ...; {windowed[TYPE]}, a "
    "windowed\n"
    "               key, {windowed-changelog[TYPE]} in a changelog, of text without [TYPE];\n"
    "               {struct[place:text,celsius:f64]}, a declared struct with its fields in order\n"
    "               (bool, i32, i64, f64, text, slice, struct[...]; @2 behind: from version 2 "
    "on),\n"
    "               shown as JSON. Bytes that are none of that type: ? and their hex\n"
    "  %V %K %T %H  their sizes, and how many headers\n"
    "  %h{%k=%v }   each header\n"
    "  %p %o %e     partition, offset, leader epoch\n"
    "  %d           timestamp in ms, or %d{strftime[%F %T]}, %d{go[2006-01-02 15:04:05]} (UTC)\n"
    "  %a{...}      compression, timestamp-type, transactional-bit, control-bit\n"
    "  %x %y        producer id and epoch\n"
    "  %[ %| %]     log start offset, last stable offset, high watermark\n"
    "  %i           number of the record, from 0\n"
    "  %% %{ %}     percent sign, braces;  \\n \\t \\r \\\\ \\xNN\n"
    "  Numbers take {ascii}, {hex8} to {hex64}, {big8} to {big64}, {little8} to {little64}, "
    "{bool}.\n"
    "\n"
    "examples:\n"
    "  weir consume orders -o -10 -e -f '%o %d{strftime[%T]} %k %v\\n'\n"
    "  weir consume app-counts-changelog -f '%k{} %v{}\\n'\n"
    "  weir consume app-counts-changelog -J | jq 'select(.value > 10)'\n"
    "  weir consume orders -o @-1h:end | jq .value\n"
    "  weir consume orders --group billing -f '%p %o %v\\n'\n";

/* ---- what to read ---------------------------------------------------------------------------- */

static int add_partition(struct consumption *run, int32_t partition, struct weir_error *error)
{
    for (size_t i = 0; i < run->partition_count; i++) {
        if (run->partitions[i].partition == partition) {
            return weir_error_set(error, WEIR_INVALID_ARGUMENT, "partition %d is named twice",
                                  (int)partition);
        }
    }
    struct place_fetch_partition *added = &run->partitions[run->partition_count++];
    *added = (struct place_fetch_partition){.partition = partition};
    weir_buffer_init(&added->batches, run->arena.budget, 0);
    weir_buffer_init(&added->aborted, run->arena.budget, 0);
    return 0;
}

static int add_named(struct consumption *run, int32_t count, struct weir_error *error)
{
    for (const char *at = run->values->partitions;;) {
        char *end;
        errno = 0;
        long partition = strtol(at, &end, 10);
        if (end == at || errno != 0 || (*end != ',' && *end != '\0')) {
            return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                                  "partitions '%.100s': numbers with commas between are wanted",
                                  run->values->partitions);
        }
        if (partition < 0 || partition >= count) {
            return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                                  "topic '%s' has no partition %ld: they are 0 to %d", run->topic,
                                  partition, (int)count - 1);
        }
        int rc = add_partition(run, (int32_t)partition, error);
        if (rc < 0 || *end == '\0') return rc;
        at = end + 1;
    }
}

static int choose_partitions(struct consumption *run, int32_t count, struct weir_error *error)
{
    run->partitions = weir_arena_array(&run->arena, (size_t)count, sizeof *run->partitions);
    run->readers = weir_arena_array(&run->arena, (size_t)count, sizeof *run->readers);
    if (weir_arena_failed(&run->arena)) {
        return cli_no_memory(error);
    }
    if (run->values->partitions != NULL) return add_named(run, count, error);
    for (int32_t i = 0; i < count; i++) {
        int rc = add_partition(run, i, error);
        if (rc < 0) return rc;
    }
    return 0;
}

static int resolve(struct consumption *run, int32_t partition, const struct offset_point *point,
                   int64_t start, int64_t end, int64_t *offset_out, struct weir_error *error)
{
    int64_t offset = -1;
    if (point->kind != OFFSET_TIME) {
        *offset_out = offset_point_resolve(point, start, end);
        return 0;
    }
    int rc =
        run->place->ops->offset_at(run->place, run->topic, partition, point->value, &offset, error);
    if (rc == 0) *offset_out = offset < 0 ? end : offset;
    return rc;
}

/* Of a partition that is damaged nobody knows the end, but what lies before the damage can be read:
 * it is, up to there, and then said. Only who counts from the end has nothing to begin with. */
static int find_end(struct consumption *run, const struct offset_range *range, int32_t partition,
                    int64_t *end_out, struct weir_error *error)
{
    bool counts_from_end = range->from.kind == OFFSET_END || range->from.kind == OFFSET_FROM_END;
    int rc =
        run->place->ops->offset_at(run->place, run->topic, partition, PLACE_LATEST, end_out, error);
    if (rc != WEIR_OFFLINE || counts_from_end) return rc;
    *end_out = INT64_MAX;
    return 0;
}

/* Where partition `index` begins and ends. */
static int place_reader(struct consumption *run, const struct offset_range *range, size_t index,
                        struct weir_error *error)
{
    const struct place_ops *ops = run->place->ops;
    struct place_fetch_partition *partition = &run->partitions[index];
    int64_t start = 0;
    int64_t end = 0;
    int64_t to = INT64_MAX;
    int rc =
        ops->offset_at(run->place, run->topic, partition->partition, PLACE_EARLIEST, &start, error);
    if (rc < 0) return rc;
    rc = find_end(run, range, partition->partition, &end, error);
    if (rc < 0) return rc;
    rc = resolve(run, partition->partition, &range->from, start, end, &partition->offset, error);
    if (rc < 0) return rc;
    bool ends_at_end = run->values->ends_at_end || run->place->is_alone;
    if (range->has_to && range->to.kind == OFFSET_EXACT) {
        to = ends_at_end && end < range->to.value ? end : range->to.value;
    } else if (range->has_to) {
        rc = resolve(run, partition->partition, &range->to, start, end, &to, error);
    } else if (ends_at_end) {
        to = end;
    }
    run->readers[index] = (struct consume_reader){.to = to, .start = start, .end = end};
    return rc;
}

/* "0 has 5 to 9", to the end of `text`. */
static void name_range(const struct consumption *run, size_t index, char *text, size_t size)
{
    const struct consume_reader *reader = &run->readers[index];
    size_t at = strlen(text);
    int partition = (int)run->partitions[index].partition;
    const char *comma = index > 0 ? ", " : "";
    if (reader->start == reader->end) {
        (void)snprintf(text + at, size - at, "%s%d is empty (the next record gets %lld)", comma,
                       partition, (long long)reader->end);
    } else {
        (void)snprintf(text + at, size - at, "%s%d has %lld to %lld", comma, partition,
                       (long long)reader->start, (long long)reader->end - 1);
    }
}

/* Of several partitions some may well be shorter; where all of them miss it, it is a mistake. */
static int check_range(const struct consumption *run, struct weir_error *error)
{
    enum { NAMED_MAX = 4 };
    char ranges[400] = "";
    for (size_t i = 0; i < run->partition_count; i++) {
        const struct consume_reader *reader = &run->readers[i];
        if (!offset_range_misses(&run->range, reader->start, reader->end)) return 0;
        if (i < NAMED_MAX) name_range(run, i, ranges, sizeof ranges);
    }
    return weir_error_set(error, WEIR_OFFSET_OUT_OF_RANGE,
                          "offset '%.60s': '%.100s' has nothing there: partition %s%s",
                          run->values->offset, run->topic, ranges,
                          run->partition_count > NAMED_MAX ? ", ..." : "");
}

static int place_readers(struct consumption *run, struct weir_error *error)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < run->partition_count; i++) {
        rc = place_reader(run, &run->range, i, error);
    }
    run->active = run->partition_count;
    return rc < 0 ? rc : check_range(run, error);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Those that are done go behind those that are not. */
static void retire_finished(struct consumption *run)
{
    for (size_t i = 0; i < run->active;) {
        if (run->partitions[i].offset < run->readers[i].to) {
            i++;
            continue;
        }
        size_t last = --run->active;
        struct place_fetch_partition partition = run->partitions[i];
        struct consume_reader reader = run->readers[i];
        run->partitions[i] = run->partitions[last];
        run->readers[i] = run->readers[last];
        run->partitions[last] = partition;
        run->readers[last] = reader;
    }
}

static int read_round(struct consumption *run, struct weir_error *error)
{
    struct place_fetch fetch = {
        .topic = run->topic,
        .partitions = run->partitions,
        .partition_count = run->active,
        .read_committed = consume_reads_committed(run),
        .wait_ms = CONSUME_FETCH_WAIT_MS,
        .size_max = CONSUME_FETCH_SIZE_MAX,
    };
    int rc = run->place->ops->fetch(run->place, &fetch, error);
    for (size_t i = 0; rc == 0 && i < run->active; i++) {
        rc = consume_print_batches(run, &run->partitions[i], &run->readers[i], error);
    }
    consume_flush(run);
    return rc;
}

static int read_all(struct consumption *run, struct weir_error *error)
{
    retire_finished(run);
    while (run->active > 0 && !consume_has_enough(run) && !say_is_broken()) {
        if (interrupt_came(&run->interrupt)) break;
        int rc = read_round(run, error);
        if (place_asks_again(&run->patience, rc)) continue;
        if (rc < 0) return rc;
        retire_finished(run);
    }
    return 0;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int consume(struct consumption *run)
{
    struct weir_error error = {0};
    struct place_topic topic;
    int rc = run->place->ops->describe(run->place, &run->arena, run->topic, false, &topic, &error);
    if (rc < 0) return place_say_failure(run->place, run->topic, PLACE_TOPIC_TO_FILL, &error);
    consume_find_types(run, &topic);
    if (run->values->group != NULL) {
        rc = consume_as_member(run, &topic, &error);
        return rc < 0 ? say_failure(&error, NULL) : say_flush();
    }
    rc = choose_partitions(run, topic.partition_count, &error);
    if (rc == 0) rc = place_readers(run, &error);
    if (rc == 0) rc = read_all(run, &error);
    for (size_t i = 0; i < run->partition_count; i++) {
        weir_buffer_close(&run->partitions[i].batches);
        weir_buffer_close(&run->partitions[i].aborted);
    }
    return rc < 0 ? say_failure(&error, NULL) : say_flush();
}

/* A group says where to go on: what is left to say is where to begin where it says nothing. */
static int check_group(const struct consumption *run, const struct cli_command *command)
{
    const struct offset_range *range = &run->range;
    bool is_edge = range->from.kind == OFFSET_START || range->from.kind == OFFSET_END;
    if (run->values->group == NULL) return CLI_OK;
    if (run->values->group[0] == '\0')
        return say_usage(command->name, "--group: its name is empty");
    if (run->values->partitions != NULL) {
        return say_usage(command->name,
                         "--group assigns the partitions: leave out --partitions or --group");
    }
    if (!is_edge || range->has_to) {
        return say_usage(command->name,
                         "--offset '%s' with --group: 'start' or 'end', for partitions where the "
                         "group has committed nothing; 'weir group reset' moves it",
                         run->values->offset);
    }
    return CLI_OK;
}

/* Mistakes in the call are found before a place is opened. */
static int check_values(struct consumption *run, const struct cli_command *command)
{
    struct weir_error error = {0};
    struct timespec now;
    if (run->values->count_max < 0) {
        return say_usage(command->name, "--num is %lld: at least 1, or 0 for all",
                         (long long)run->values->count_max);
    }
    run->is_json = strcmp(run->values->format, "json") == 0;
    if (run->values->is_lines && !run->is_json) {
        return say_usage(command->name, "--json has a format of its own: leave out --format");
    }
    if (!consume_reads_committed(run) && strcmp(run->values->isolation, "read_uncommitted") != 0) {
        return say_usage(command->name, "--isolation '%s': read_committed or read_uncommitted",
                         run->values->isolation);
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    int rc = offset_range_parse(run->values->offset, now_ms, &run->range, &error);
    if (rc == 0 && !run->is_json) {
        rc = record_format_parse(run->values->format, &run->arena, &run->format, &error);
    }
    if (rc < 0) return say_usage(command->name, "%s", error.text);
    return check_group(run, command);
}

static int run_command(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct consume_values values = {.offset = "start",
                                    .format = "json",
                                    .isolation = "read_uncommitted",
                                    .is_pretty = isatty(STDOUT_FILENO)};
    struct cli_operands operands;
    int exit_code;
    if (cli_options_parse(command, argc, argv, &values, &operands, &exit_code) != 0) {
        return exit_code;
    }
    struct consumption run = {.values = &values, .topic = operands.items[0]};
    weir_arena_init(&run.arena, &cli->budget, 0);
    weir_arena_init(&run.headers, &cli->budget, 0);
    weir_buffer_init(&run.plain, &cli->budget, 0);
    weir_buffer_init(&run.output, &cli->budget, 0);
    weir_buffer_init(&run.room, &cli->budget, 0);
    run.interrupt = interrupt_open(values.target.data != NULL || values.group != NULL);

    exit_code = check_values(&run, command);
    if (exit_code == CLI_OK) exit_code = place_open(cli, &values.target, &run.place);
    if (exit_code == CLI_OK) exit_code = consume(&run);

    place_close(run.place);
    interrupt_close(&run.interrupt);
    weir_buffer_close(&run.room);
    weir_buffer_close(&run.output);
    weir_buffer_close(&run.plain);
    weir_arena_close(&run.headers);
    weir_arena_close(&run.arena);
    return exit_code;
}

const struct cli_command cli_consume = {
    .name = "consume",
    .operands = "TOPIC",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "print a topic's records",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run_command,
};
