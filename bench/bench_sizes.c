/* Records of 10 B to 1 MB, through a job without state (half of them, half of each) and through one with
 * (the latest of each key). The floors copy the same bytes between arrays. Outputs are compared byte by
 * byte and in order, states byte by byte. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/bench_job.h"

enum { KEY_SIZE = 4, SIZES_KEYS = 100 };

static const struct size {
    const char *name;
    size_t size; /* of key and value */
    int64_t count;
} sizes[] = {
    {"10 B", 10, 4000000},   {"100 B", 100, 4000000},  {"1 KB", 1000, 500000},
    {"10 KB", 10000, 50000}, {"100 KB", 100000, 5000}, {"1 MB", 1000000, 1000},
};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* ---- the input: one letter, over and over ------------------------------------------------------- */

struct input {
    char topic[32];
    size_t value_size;
    int64_t count;
    uint8_t key[KEY_SIZE];
    uint8_t *value; /* of the record at hand */
};

static uint8_t letter_of(int64_t index)
{
    return (uint8_t)('a' + bench_mix((uint64_t)index) % 16);
}

static bool is_wanted_letter(uint8_t letter)
{
    return letter < 'a' + 8;
}

static uint32_t key_of(int64_t index)
{
    return (uint32_t)(bench_mix((uint64_t)index * 5) % SIZES_KEYS);
}

static void make_record(void *context, int64_t index, struct weir_record *record,
                        int32_t *partition)
{
    struct input *input = context;
    const uint32_t key = key_of(index);
    (void)partition;
    memcpy(input->key, &key, sizeof key);
    memset(input->value, letter_of(index), input->value_size);
    *record = (struct weir_record){
        .key = weir_slice(input->key, KEY_SIZE),
        .value = weir_slice(input->value, input->value_size),
        .timestamp_ms = BENCH_START_MS + index,
    };
}

static bool is_all(struct weir_slice value, uint8_t letter)
{
    return value.size == 0 ||
           (value.data[0] == letter && memcmp(value.data, value.data + 1, value.size - 1) == 0);
}

/* ---- half of them, half of each ----------------------------------------------------------------- */

static int is_wanted(struct weir_call *call, const void *key, const void *value)
{
    const struct weir_slice *text = value;
    (void)call, (void)key;
    return is_wanted_letter(text->data[0]);
}

static int shorten(struct weir_call *call, const void *key, const void *value,
                   const void **value_out)
{
    const struct weir_slice *text = value;
    (void)key;
    *value_out = weir_call_slice(call, weir_slice(text->data, text->size / 2));
    return *value_out != NULL ? 0 : WEIR_NO_MEMORY;
}

static struct weir_topology *half_topology(const char *topic, const char *output)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, topic, WEIR_BYTES, WEIR_BYTES);
    weir_to(weir_map_values(weir_filter(stream, is_wanted, NULL), shorten, NULL, WEIR_BYTES),
            output);
    return bench_build(builder);
}

/* The outputs, in the order of the inputs. */
struct outputs {
    const struct input *input;
    int64_t next; /* of the inputs */
};

static int64_t next_wanted(int64_t index, int64_t count)
{
    while (index < count && !is_wanted_letter(letter_of(index)))
        index++;
    return index;
}

static void check_half(void *context, const struct weir_record *record)
{
    struct outputs *outputs = context;
    const int64_t index = next_wanted(outputs->next, outputs->input->count);
    const uint32_t key = key_of(index);
    if (index == outputs->input->count || record->value.size != outputs->input->value_size / 2 ||
        !is_all(record->value, letter_of(index)) || record->key.size != sizeof key ||
        memcmp(record->key.data, &key, sizeof key) != 0) {
        bench_fail("an output that is none", WEIR_CORRUPT, NULL);
    }
    outputs->next = index + 1;
}

static void check_halves(struct weir_log *log, const struct input *input, const char *output)
{
    struct outputs outputs = {.input = input};
    bench_read_topic(log, output, check_half, &outputs);
    if (next_wanted(outputs.next, input->count) != input->count) {
        bench_fail("outputs are missing", WEIR_CORRUPT, NULL);
    }
}

/* ---- the latest of each key --------------------------------------------------------------------- */

static int newer(struct weir_call *call, const void *aggregate, const void *value,
                 const void **aggregate_out)
{
    (void)call, (void)aggregate;
    *aggregate_out = value;
    return 0;
}

static struct weir_topology *latest_topology(const char *topic)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, topic, WEIR_BYTES, WEIR_BYTES);
    (void)weir_reduce(weir_group_by_key(stream), newer, NULL, WEIR_STORE(.name = "latest"));
    return bench_build(builder);
}

struct latest {
    const struct input *input;
    uint8_t letters[SIZES_KEYS];
};

static void fold_latest(void *context, const struct weir_record *record)
{
    struct latest *latest = context;
    uint32_t key;
    if (record->key.size != sizeof key) bench_fail("a key of another size", WEIR_CORRUPT, NULL);
    memcpy(&key, record->key.data, sizeof key);
    if (key >= SIZES_KEYS || record->value.size != latest->input->value_size ||
        !is_all(record->value, record->value.data[0])) {
        bench_fail("a row that is none", WEIR_CORRUPT, NULL);
    }
    latest->letters[key] = record->value.data[0];
}

static void check_latest(struct weir_log *log, const struct input *input, const char *application)
{
    char changelog[64];
    struct latest have = {.input = input}, want = {.input = input};
    (void)snprintf(changelog, sizeof changelog, "%s-latest-changelog", application);
    bench_read_topic(log, changelog, fold_latest, &have);
    for (int64_t i = 0; i < input->count; i++)
        want.letters[key_of(i)] = letter_of(i);
    if (memcmp(have.letters, want.letters, sizeof want.letters) != 0) {
        bench_fail("the state is not the batch answer", WEIR_CORRUPT, NULL);
    }
}

/* ---- the floors --------------------------------------------------------------------------------- */

/* Both touch their memory before the clock runs. Rates in millions of records per second. */
static void measure_floors(const struct input *input, double *half_out, double *latest_out)
{
    const size_t size = input->value_size, count = (size_t)input->count;
    uint8_t *values = bench_array(count, size), *halves = bench_array(count, size / 2 + 1);
    uint8_t *rows = bench_array(SIZES_KEYS, size);
    uint32_t *keys = bench_array(count, sizeof *keys);
    for (size_t i = 0; i < count; i++) {
        memset(values + i * size, letter_of((int64_t)i), size);
        keys[i] = key_of((int64_t)i);
    }
    memset(halves, 1, count * (size / 2 + 1));
    memset(rows, 1, SIZES_KEYS * size);
    double from = bench_thread_cpu();
    uint8_t *to = halves;
    for (size_t i = 0; i < count; i++) {
        if (!is_wanted_letter(values[i * size])) continue;
        memcpy(to, values + i * size, size / 2);
        to += size / 2;
    }
    double between = bench_thread_cpu();
    for (size_t i = 0; i < count; i++)
        memcpy(rows + keys[i] * size, values + i * size, size);
    *half_out = (double)count / (between - from) / 1e6;
    *latest_out = (double)count / (bench_thread_cpu() - between) / 1e6;
    free(values);
    free(halves);
    free(rows);
    free(keys);
}

static void run_size(struct weir_log *log, const struct size *size)
{
    char name[48], application[32], output[32];
    double half_floor, latest_floor;
    struct input input = {.value_size = size->size - KEY_SIZE, .count = bench_scaled(size->count)};
    input.value = bench_array(1, size->size);
    (void)snprintf(input.topic, sizeof input.topic, "records-%zu", size->size);
    (void)snprintf(output, sizeof output, "halves-%zu", size->size);
    measure_floors(&input, &half_floor, &latest_floor);
    bench_fill_records(log, &(struct bench_records){
                                .topic = input.topic,
                                .count = input.count,
                                .partitions = 1,
                                .make = make_record,
                                .context = &input,
                                .batch_size = 1 << 18,
                            });
    struct bench_job job = {.name = name, .application = application, .count = input.count};

    (void)snprintf(name, sizeof name, "filter and map, records of %s", size->name);
    (void)snprintf(application, sizeof application, "half-%zu", size->size);
    job.floor = half_floor;
    struct weir_topology *topology = half_topology(input.topic, output);
    bench_run_job(log, topology, &job);
    weir_topology_free(topology);
    check_halves(log, &input, output);

    (void)snprintf(name, sizeof name, "latest of 100 keys, records of %s", size->name);
    (void)snprintf(application, sizeof application, "latest-%zu", size->size);
    job.floor = latest_floor;
    topology = latest_topology(input.topic);
    bench_run_job(log, topology, &job);
    weir_topology_free(topology);
    check_latest(log, &input, application);
    free(input.value);
}

void bench_sizes(void)
{
    struct weir_log *log = bench_open_log("data");
    for (size_t i = 0; i < SIZES; i++)
        run_size(log, &sizes[i]);
    (void)weir_close(log, NULL);
}
