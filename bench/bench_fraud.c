/* The example's fraud job at full speed: its own graph, source and batch check, on an embedded log, the
 * payments there before it starts.
 *
 * The floor is what its rules compute, over an array of payments and arrays of what is remembered of each
 * card: no keys to find, nothing to keep, nothing to tell. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/bench_fraud.h"
#include "bench/bench_job.h"
#include "examples/fraud/batch_check.h"
#include "examples/fraud/fraud.h"
#include "examples/fraud/generator.h"
#include "examples/fraud/source.h"

enum { PAYMENTS = 1000000, STEP = 2000 };
static const struct source_options source_options = {.seed = 1, .latest_ms = INT64_MAX};

/* ---- the floor ---------------------------------------------------------------------------------- */

struct card {
    char number[sizeof((struct payment *)NULL)->card];
    int64_t window;
    int64_t window_count;
    struct profile profile;
    const struct payment *place;
};

struct cards {
    struct card *cards; /* in order of first use */
    size_t count;
    uint32_t *of_payment; /* by payment: which card */
};

static int compare_cards(const void *a, const void *b)
{
    return strcmp(((const struct card *)a)->number, ((const struct card *)b)->number);
}

/* Which card each payment is of: not part of the floor. */
static struct cards find_cards(const struct payment *payments, size_t count)
{
    struct cards cards = {.cards = bench_array(count, sizeof *cards.cards),
                          .of_payment = bench_array(count, sizeof *cards.of_payment)};
    for (size_t i = 0; i < count; i++)
        memcpy(cards.cards[i].number, payments[i].card, sizeof payments[i].card);
    qsort(cards.cards, count, sizeof *cards.cards, compare_cards);
    for (size_t i = 0; i < count; i++) {
        if (cards.count > 0 && compare_cards(&cards.cards[cards.count - 1], &cards.cards[i]) == 0)
            continue;
        cards.cards[cards.count++] = cards.cards[i];
    }
    for (size_t i = 0; i < count; i++) {
        struct card wanted;
        memcpy(wanted.number, payments[i].card, sizeof wanted.number);
        const struct card *card =
            bsearch(&wanted, cards.cards, cards.count, sizeof *cards.cards, compare_cards);
        cards.of_payment[i] = (uint32_t)(card - cards.cards);
    }
    return cards;
}

/* How many alerts there are. */
static int64_t apply_rules(const struct payment *payments, size_t count, struct cards *cards,
                           const char (*blocked)[sizeof payments->merchant])
{
    int64_t alerts = 0;
    for (size_t i = 0; i < count; i++) {
        const struct payment *payment = &payments[i];
        struct card *card = &cards->cards[cards->of_payment[i]];
        int64_t window = payment->time_ms / VELOCITY_WINDOW_MS;
        if (window != card->window) card->window_count = 0;
        card->window = window;
        card->window_count += 1;
        alerts += card->window_count == VELOCITY_COUNT;
        profile_add(&card->profile, payment);
        alerts += card->profile.deviations > AMOUNT_DEVIATIONS;
        if (card->place != NULL && is_impossible_journey(card->place, payment)) {
            alerts += 1;
        } else {
            card->place = payment;
        }
        for (int j = 0; j < GENERATOR_BLOCKED_COUNT; j++)
            alerts += strcmp(blocked[j], payment->merchant) == 0;
    }
    return alerts;
}

/* In millions of payments per second. */
double bench_fraud_floor(int64_t payment_count)
{
    const size_t count = (size_t)payment_count;
    struct payment *payments = bench_array(count, sizeof *payments);
    char blocked[GENERATOR_BLOCKED_COUNT][sizeof payments->merchant];
    for (size_t i = 0; i < count; i++)
        generate_payment(source_options.seed, (int64_t)i + 1, &payments[i]);
    for (int i = 0; i < GENERATOR_BLOCKED_COUNT; i++)
        generate_blocked_merchant(i, blocked[i], sizeof blocked[i]);
    struct cards cards = find_cards(payments, count);
    double cpu = bench_thread_cpu();
    int64_t alerts = apply_rules(payments, count, &cards, blocked);
    cpu = bench_thread_cpu() - cpu;
    bench_note("%zu cards, %lld alerts", cards.count, (long long)alerts);
    free(cards.cards);
    free(cards.of_payment);
    free(payments);
    return (double)count / cpu / 1e6;
}

/* ---- the job ------------------------------------------------------------------------------------ */

void bench_fraud_fill(struct weir_log *log, int64_t payment_count)
{
    struct weir_error error;
    struct source source = {0};
    BENCH_TRY(source_open(&source, log, &source_options, &error), &error);
    source.end = payment_count + 1;
    while (source.produced < payment_count)
        BENCH_TRY(source_step(&source, STEP, &error), &error);
    BENCH_TRY(source_close(&source, &error), &error);
}

struct weir_topology *bench_fraud_topology(void)
{
    struct weir_error error;
    struct weir_topology *topology = fraud_topology(&error);
    if (topology == NULL) bench_fail("fraud_topology", error.code, &error);
    return topology;
}

void bench_fraud_check(struct weir_log *log, const char *application, int64_t payment_count)
{
    struct weir_error error;
    if (check_against_batch(log, &source_options, payment_count + 1, application, &error)) return;
    bench_fail("check_against_batch", WEIR_CORRUPT, &error);
}

void bench_fraud(void)
{
    const int64_t payment_count = bench_scaled(PAYMENTS);
    const double floor = bench_fraud_floor(payment_count);
    struct weir_log *log = bench_open_log("data");
    bench_fraud_fill(log, payment_count);
    struct weir_topology *topology = bench_fraud_topology();
    bench_run_job(log, topology,
                  &(struct bench_job){
                      .name = "fraud, payments",
                      .application = "fraud",
                      .count = payment_count,
                      .goal = 0.25,
                      .floor = floor,
                  });
    weir_topology_free(topology);
    bench_fraud_check(log, "fraud", payment_count);
    (void)weir_close(log, NULL);
}
