/* Operators in a row between a topic and another: 1, 10 and 100 of them, once such as hand on what they
 * were given, once such as make a new number of it. What one more of them costs is what a hundred cost more
 * than ten. The floor is a pass over an array for each operator, as the job has. */
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "bench/bench.h"
#include "bench/bench_job.h"

enum { CHAIN_RECORDS = 1000000 };

static int64_t next_number(int64_t number)
{
    return (int64_t)((uint64_t)number * 6364136223846793005u + 1442695040888963407u);
}

static int64_t number_of(int64_t index)
{
    return (int64_t)bench_mix((uint64_t)index);
}

/* ---- the operators ------------------------------------------------------------------------------ */

static int hand_on(struct weir_call *call, const void *key, const void *value,
                   const void **value_out)
{
    (void)call, (void)key;
    *value_out = value;
    return 0;
}

static int make_next(struct weir_call *call, const void *key, const void *value,
                     const void **value_out)
{
    (void)key;
    *value_out = weir_call_int64(call, next_number(*(const int64_t *)value));
    return *value_out != NULL ? 0 : WEIR_NO_MEMORY;
}

static const struct chain {
    const char *name;
    weir_map_values_fn map;
    bool makes_numbers;
    double goal_ns; /* of one more operator */
} chains[] = {
    {"hand on", hand_on, false, 10},
    {"make a number", make_next, true, 0},
};

static int64_t answer_of(const struct chain *chain, int64_t index, int operators)
{
    int64_t number = number_of(index);
    for (int i = 0; chain->makes_numbers && i < operators; i++)
        number = next_number(number);
    return number;
}

/* ---- the job ------------------------------------------------------------------------------------ */

static struct weir_topology *chain_topology(const struct chain *chain, int operators,
                                            const char *output)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "numbers", WEIR_BYTES, WEIR_INT64);
    for (int i = 0; i < operators; i++)
        stream = weir_map_values(stream, chain->map, NULL, WEIR_INT64);
    weir_to(stream, output);
    return bench_build(builder);
}

static void make_record(void *context, int64_t index, struct weir_record *record,
                        int32_t *partition)
{
    uint8_t *value = context;
    (void)partition;
    weir_store_u64(value, (uint64_t)number_of(index));
    *record = (struct weir_record){
        .value = weir_slice(value, sizeof(int64_t)),
        .timestamp_ms = BENCH_START_MS + index / 1000,
    };
}

struct outputs {
    const struct chain *chain;
    int operators;
    int64_t next;
};

static void check_number(void *context, const struct weir_record *record)
{
    struct outputs *outputs = context;
    const int64_t want = answer_of(outputs->chain, outputs->next++, outputs->operators);
    if (record->value.size != sizeof want || (int64_t)weir_load_u64(record->value.data) != want) {
        bench_fail("an output that is not the batch answer", WEIR_CORRUPT, NULL);
    }
}

static double measure_floor(const struct chain *chain, int64_t count, int operators)
{
    int64_t *numbers = bench_array((size_t)count, sizeof *numbers);
    int64_t *results = bench_array((size_t)count, sizeof *results);
    for (int64_t i = 0; i < count; i++) {
        numbers[i] = number_of(i);
        results[i] = 1;
    }
    double cpu = bench_thread_cpu();
    for (int j = 0; j < operators; j++) {
        for (int64_t i = 0; i < count; i++)
            results[i] = chain->makes_numbers ? next_number(numbers[i]) : numbers[i];
        int64_t *done = results;
        results = numbers;
        numbers = done;
    }
    cpu = bench_thread_cpu() - cpu;
    if (numbers[0] != answer_of(chain, 0, operators)) bench_fail("the floor", WEIR_CORRUPT, NULL);
    free(numbers);
    free(results);
    return (double)count / cpu / 1e6;
}

/* Returns nanoseconds a record. */
static double run_operators(struct weir_log *log, const struct chain *chain, int operators)
{
    char name[48], application[32], output[40];
    const int64_t count = bench_scaled(CHAIN_RECORDS);
    (void)snprintf(name, sizeof name, "%d operator%s: %s", operators, operators == 1 ? "" : "s",
                   chain->name);
    (void)snprintf(application, sizeof application, "chain-%d-%d", chain->makes_numbers, operators);
    (void)snprintf(output, sizeof output, "%s-output", application);
    struct weir_topology *topology = chain_topology(chain, operators, output);
    const double ns =
        bench_run_job(log, topology,
                      &(struct bench_job){.name = name,
                                          .application = application,
                                          .count = count,
                                          .floor = measure_floor(chain, count, operators)});
    weir_topology_free(topology);
    struct outputs outputs = {.chain = chain, .operators = operators};
    bench_read_topic(log, output, check_number, &outputs);
    if (outputs.next != count) bench_fail("outputs are missing", WEIR_CORRUPT, NULL);
    return ns;
}

static void run_chain(struct weir_log *log, const struct chain *chain)
{
    enum { FEW = 10, MANY = 100 };
    char name[48];
    (void)run_operators(log, chain, 1);
    const double few = run_operators(log, chain, FEW);
    const double many = run_operators(log, chain, MANY);
    (void)snprintf(name, sizeof name, "one more: %s", chain->name);
    bench_row_with(
        &(struct bench_row){
            .name = name,
            .value = (many - few) / (MANY - FEW),
            .unit = "ns/rec",
            .goal = chain->goal_ns,
            .less_is_better = true,
        },
        -1, "what 100 cost more than 10, by 90");
}

void bench_chain(void)
{
    uint8_t value[sizeof(int64_t)];
    struct weir_log *log = bench_open_log("data");
    bench_fill_records(log, &(struct bench_records){
                                .topic = "numbers",
                                .count = bench_scaled(CHAIN_RECORDS),
                                .partitions = 1,
                                .make = make_record,
                                .context = value,
                                .batch_size = 1 << 18,
                            });
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++)
        run_chain(log, &chains[i]);
    (void)weir_close(log, NULL);
}
