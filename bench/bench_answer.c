#include "bench/bench_answer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "bench/bench.h"

static const struct weir_field revenue_fields[] = {
    WEIR_FIELD_INT64(struct bench_revenue, count),
    WEIR_FIELD_INT64(struct bench_revenue, cents),
};
static const struct weir_struct_type revenue_type = {
    .name = "revenue",
    .size = sizeof(struct bench_revenue),
    .version = 1,
    .fields = revenue_fields,
    .field_count = sizeof revenue_fields / sizeof *revenue_fields,
};
const struct weir_serde bench_revenue_serde =
    WEIR_STRUCT_SERDE(&revenue_type, struct bench_revenue);

static size_t window_count(const struct bench_input *input, int64_t window_ms)
{
    if (window_ms == 0) return 1;
    int64_t last_ms = BENCH_START_MS + (input->count - 1) / input->records_per_ms;
    return (size_t)(last_ms / window_ms - BENCH_START_MS / window_ms + 1);
}

static size_t cell_at(const struct bench_answer *answer, uint64_t key, int64_t time_ms)
{
    if (answer->window_ms == 0) return key;
    int64_t window = time_ms / answer->window_ms - BENCH_START_MS / answer->window_ms;
    return (size_t)window * answer->keys + key;
}

struct bench_answer bench_answer_empty(const struct bench_input *input, int64_t window_ms,
                                       const uint32_t *groups, uint64_t group_count)
{
    const uint64_t keys = groups != NULL ? group_count : input->keys;
    const size_t cell_count = window_count(input, window_ms) * keys;
    return (struct bench_answer){
        .keys = keys,
        .groups = groups,
        .window_ms = window_ms,
        .cell_count = cell_count,
        .cells = bench_array(cell_count, sizeof(struct bench_revenue)),
    };
}

double bench_answer_compute(struct bench_answer *answer, const struct bench_input *input)
{
    const size_t count = (size_t)input->count;
    const uint32_t *groups = answer->groups;
    uint32_t *keys = bench_array(count, sizeof *keys);
    uint32_t *prices = bench_array(count, sizeof *prices);
    for (size_t i = 0; i < count; i++) {
        keys[i] = (uint32_t)input->key(input, (int64_t)i);
        prices[i] = (uint32_t)input->value(input, (int64_t)i);
    }
    double cpu = bench_thread_cpu();
    for (size_t i = 0; i < count; i++) {
        int64_t time_ms = BENCH_START_MS + (int64_t)i / input->records_per_ms;
        uint32_t key = groups != NULL ? groups[keys[i]] : keys[i];
        struct bench_revenue *cell = &answer->cells[cell_at(answer, key, time_ms)];
        cell->count += 1;
        cell->cents += prices[i];
    }
    cpu = bench_thread_cpu() - cpu;
    free(keys);
    free(prices);
    return (double)count / cpu / 1e6;
}

void bench_answer_free(struct bench_answer *answer)
{
    free(answer->cells);
    answer->cells = NULL;
}

/* The last value of a cell stands. A struct's bytes begin with its version. */
static void fold(void *context, const struct weir_record *record)
{
    struct bench_answer *state = context;
    int64_t start_ms = 0;
    if (state->window_ms > 0) {
        start_ms = (int64_t)weir_load_u64(record->key.data + BENCH_KEY_SIZE);
    }
    size_t cell = cell_at(state, bench_key_read(record->key), start_ms);
    if (cell >= state->cell_count) bench_fail("a key that was never there", WEIR_CORRUPT, NULL);
    const uint8_t *value = record->value.data;
    const bool is_struct = record->value.size == 1 + 2 * sizeof(int64_t);
    if (!is_struct && record->value.size != sizeof(int64_t)) {
        bench_fail("a value of another size", WEIR_CORRUPT, NULL);
    }
    state->cells[cell].count = (int64_t)weir_load_u64(value + is_struct);
    if (is_struct) state->cells[cell].cents = (int64_t)weir_load_u64(value + 1 + sizeof(int64_t));
}

void bench_answer_check(const struct bench_answer *answer, struct weir_log *log, const char *topic,
                        bool has_cents)
{
    struct bench_answer state = *answer;
    state.cells = bench_array(answer->cell_count, sizeof *state.cells);
    bench_read_topic(log, topic, fold, &state);
    for (size_t i = 0; i < answer->cell_count; i++) {
        const struct bench_revenue *want = &answer->cells[i];
        const struct bench_revenue *have = &state.cells[i];
        if (want->count == have->count && (!has_cents || want->cents == have->cents)) continue;
        fprintf(stderr, "%s, cell %zu: %lld of %lld\n", topic, i, (long long)have->count,
                (long long)want->count);
        bench_fail("it is not the batch answer", WEIR_CORRUPT, NULL);
    }
    bench_answer_free(&state);
}
