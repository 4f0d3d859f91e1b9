/* Jobs: stateless, over a topic that is filled first; and the restart of one with state. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/bench_job.h"
#include "bench/bench_jobs.h"

/* A letter of sixteen. */
static uint64_t letter(const struct bench_input *input, int64_t index)
{
    (void)input;
    return 'a' + (uint64_t)index % 16;
}

static struct bench_input input_of(int64_t count, int64_t keys)
{
    return (struct bench_input){
        .topic = "input",
        .count = bench_scaled(count),
        .records_per_ms = 1000,
        .key = bench_uniform_key,
        .value = letter,
        .keys = (uint64_t)bench_scaled(keys),
    };
}

/* ---- stateless ---------------------------------------------------------------------------------- */

static int is_wanted(struct weir_call *call, const void *key, const void *value)
{
    const struct weir_slice *text = value;
    (void)call, (void)key;
    return text->data[0] < 'i'; /* half of them */
}

static int shorten(struct weir_call *call, const void *key, const void *value,
                   const void **value_out)
{
    const struct weir_slice *text = value;
    struct weir_slice *half = WEIR_NEW(call, struct weir_slice);
    (void)key;
    if (half == NULL) return WEIR_NO_MEMORY;
    *half = weir_slice(text->data, text->size / 2);
    *value_out = half;
    return 0;
}

/* The outputs, in the order of the inputs: eight of sixteen. */
struct outputs {
    const struct bench_input *input;
    int64_t count;
};

static void check_output(void *context, const struct weir_record *record)
{
    struct outputs *outputs = context;
    const int64_t index = outputs->count / 8 * 16 + outputs->count % 8;
    uint8_t value[BENCH_VALUE_SIZE / 2];
    const uint64_t first = letter(outputs->input, index);
    memset(value, 'v', sizeof value);
    memcpy(value, &first, sizeof first);
    outputs->count += 1;
    if (record->value.size == sizeof value &&
        memcmp(record->value.data, value, sizeof value) == 0 &&
        bench_key_read(record->key) == outputs->input->key(outputs->input, index)) {
        return;
    }
    bench_fail("an output that is not the batch answer", WEIR_CORRUPT, NULL);
}

struct bench_input bench_stateless_input(void)
{
    return input_of(8000000, 1000000);
}

struct weir_topology *bench_stateless_topology(const char *output)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "input", WEIR_BYTES, WEIR_BYTES);
    weir_to(weir_map_values(weir_filter(stream, is_wanted, NULL), shorten, NULL, WEIR_BYTES),
            output);
    return bench_build(builder);
}

void bench_stateless_check(const struct bench_input *input, struct weir_log *log,
                           const char *output)
{
    struct outputs outputs = {.input = input};
    bench_read_topic(log, output, check_output, &outputs);
    if (outputs.count != input->count / 2) bench_fail("not half of them", WEIR_CORRUPT, NULL);
}

double bench_stateless_floor(const struct bench_input *input)
{
    const size_t count = (size_t)input->count;
    uint8_t(*values)[BENCH_VALUE_SIZE] = bench_array(count, sizeof *values);
    uint8_t(*halves)[BENCH_VALUE_SIZE / 2] = bench_array(count, sizeof *halves);
    for (size_t i = 0; i < count; i++)
        values[i][0] = (uint8_t)letter(input, (int64_t)i);
    memset(halves, 1, count * sizeof *halves);
    size_t kept = 0;
    double cpu = bench_thread_cpu();
    for (size_t i = 0; i < count; i++) {
        if (values[i][0] < 'i') memcpy(halves[kept++], values[i], sizeof *halves);
    }
    cpu = bench_thread_cpu() - cpu;
    free(values);
    free(halves);
    if (kept != count / 2) bench_fail("the floor", WEIR_CORRUPT, NULL);
    return (double)count / cpu / 1e6;
}

void bench_stateless(void)
{
    struct weir_log *log = bench_open_log("data");
    const struct bench_input input = bench_stateless_input();
    bench_fill(log, &input);
    struct weir_topology *topology = bench_stateless_topology("output");
    bench_run_job(log, topology,
                  &(struct bench_job){.name = "filter and map, 100 B",
                                      .application = "bench",
                                      .count = input.count,
                                      .goal = 4,
                                      .floor = bench_stateless_floor(&input)});
    bench_stateless_check(&input, log, "output");
    weir_topology_free(topology);
    (void)weir_close(log, NULL);
}

/* ---- restart ------------------------------------------------------------------------------------ */

static struct weir_topology *count_topology(const char *topic)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, topic, WEIR_BYTES, WEIR_BYTES);
    (void)weir_count(weir_group_by_key(stream), WEIR_STORE(.name = "counts"));
    return bench_build(builder);
}

static void count_and_die(void)
{
    struct weir_error error;
    struct weir_log *log = bench_open_log("data");
    const struct bench_input input = input_of(4000000, 1000000);
    bench_fill(log, &input);
    struct weir_topology *topology = count_topology(input.topic);
    struct weir_streams_options options = {WEIR_STREAMS_OPTIONS_INIT, .application_id = "bench"};
    struct weir_streams *streams = weir_streams_start(log, topology, &options, &error);
    if (streams == NULL) bench_fail("weir_streams_start", error.code, &error);
    BENCH_TRY(weir_streams_drain(streams, -1, &error), &error);
    (void)raise(SIGKILL);
}

void bench_restart(void)
{
    struct weir_error error;
    struct weir_streams_metrics metrics;
    int status;
    pid_t child = bench_fork();
    if (child == 0) count_and_die();
    if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status)) {
        bench_fail("count and die", WEIR_IO, NULL);
    }
    struct weir_topology *topology = count_topology("input");
    struct weir_streams_options options = {WEIR_STREAMS_OPTIONS_INIT, .application_id = "bench"};
    double from = bench_wall();
    struct weir_log *log = bench_open_log("data");
    struct weir_streams *streams = weir_streams_start(log, topology, &options, &error);
    if (streams == NULL) bench_fail("weir_streams_start", error.code, &error);
    BENCH_TRY(weir_streams_drain(streams, -1, &error), &error);
    double seconds = bench_wall() - from;
    weir_streams_metrics(streams, &metrics);
    bench_row(&(struct bench_row){"restart of a store of 1 M keys after kill -9", seconds * 1000,
                                  "ms", 0, true, 0});
    bench_note("%lld of the changelog's records were restored: the tail",
               (long long)metrics.restored_records);
    BENCH_TRY(weir_streams_close(streams, &error), &error);
    weir_topology_free(topology);
    (void)weir_close(log, NULL);
}
