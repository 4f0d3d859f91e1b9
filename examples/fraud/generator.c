#include "generator.h"

#include <math.h>
#include <stdio.h>

enum {
    CARDS = 2000,
    MERCHANTS_PER_CITY = 40,
    BLOCK = 2000, /* payments with one fraud of each kind */
    STEP_MS = 3000,
    VELOCITY_PAYMENTS = 12,
    VELOCITY_STRIDE = 5, /* 15 s from one to the next */
};
static const int64_t START_MS = 1704067200000; /* 2024-01-01 */

static const struct {
    const char *name;
    double latitude, longitude;
} cities[] = {
    {"Boston", 42.36, -71.06},   {"Atlanta", 33.75, -84.39}, {"Chicago", 41.88, -87.63},
    {"Denver", 39.74, -104.99},  {"Dallas", 32.78, -96.80},  {"Phoenix", 33.45, -112.07},
    {"Seattle", 47.61, -122.33}, {"Miami", 25.76, -80.19},
};
enum { CITIES = sizeof cities / sizeof cities[0] };

static const struct {
    const char *name;
    double amount; /* usual, before the card's own habit */
} categories[] = {
    {"grocery_pos", 60}, {"gas_transport", 50}, {"home", 55},          {"shopping_pos", 70},
    {"kids_pets", 55},   {"food_dining", 50},   {"personal_care", 48}, {"health_fitness", 52},
};
enum { CATEGORIES = sizeof categories / sizeof categories[0] };

/* ---- choices: a hash of what is asked, never a state ------------------------------------------- */

/* splitmix64's finaliser. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static uint64_t choose(uint64_t seed, const char *what, uint64_t number)
{
    uint64_t hash = mix(seed);
    for (; *what != '\0'; what++)
        hash = mix(hash ^ (uint8_t)*what);
    return mix(hash ^ number);
}

static double unit(uint64_t bits) /* [0, 1) */
{
    return (double)(bits >> 11) * 0x1p-53;
}

static double normal(uint64_t bits) /* mean 0, deviation 1 (Box-Muller) */
{
    double radius = sqrt(-2 * log(1 - unit(bits)));
    return radius * cos(2 * 3.14159265358979323846 * unit(mix(bits)));
}

/* ---- the world ---------------------------------------------------------------------------------- */

static void set_card(uint64_t seed, uint64_t card, struct payment *payment)
{
    uint64_t place = choose(seed, "home", card);
    (void)snprintf(payment->card, sizeof payment->card, "4%018llu",
                   (unsigned long long)(choose(seed, "card", card) % 1000000000000000000u));
    payment->home_latitude = cities[card % CITIES].latitude + (unit(place) - 0.5) * 0.4;
    payment->home_longitude = cities[card % CITIES].longitude + (unit(mix(place)) - 0.5) * 0.4;
}

static void set_shop(uint64_t seed, uint64_t city, uint64_t merchant, struct payment *payment)
{
    uint64_t place = choose(seed, "shop", city * MERCHANTS_PER_CITY + merchant);
    (void)snprintf(payment->merchant, sizeof payment->merchant, "%s %s, No. %llu",
                   cities[city].name, categories[merchant % CATEGORIES].name,
                   (unsigned long long)merchant);
    (void)snprintf(payment->category, sizeof payment->category, "%s",
                   categories[merchant % CATEGORIES].name);
    payment->shop_latitude = cities[city].latitude + (unit(place) - 0.5) * 0.4;
    payment->shop_longitude = cities[city].longitude + (unit(mix(place)) - 0.5) * 0.4;
}

void generate_blocked_merchant(int index, char *name, size_t size)
{
    (void)snprintf(name, size, "Fly-by-Night Trading, No. %d", index);
}

/* An honest payment: a card at a shop in its own city, of about its usual amount. */
static void honest(uint64_t seed, int64_t number, uint64_t card, struct payment *payment)
{
    uint64_t merchant = choose(seed, "where", (uint64_t)number) % MERCHANTS_PER_CITY;
    double habit = 0.5 + 2 * unit(choose(seed, "habit", card));
    *payment = (struct payment){
        .position = number,
        .time_ms = START_MS + number * STEP_MS,
    };
    set_card(seed, card, payment);
    set_shop(seed, card % CITIES, merchant, payment);
    double amount = categories[merchant % CATEGORIES].amount * habit *
                    exp(0.25 * normal(choose(seed, "amount", (uint64_t)number)));
    payment->amount = round(amount * 100) / 100;
}

/* ---- fraud --------------------------------------------------------------------------------------- */

/* A block has four quarters; each holds one fraud, of the kind of its number. */
enum { VELOCITY, AMOUNT, JOURNEY, BLOCKED };

struct episode {
    int kind;
    int64_t first; /* number of its first payment */
    uint64_t card;
};

static struct episode episode_near(uint64_t seed, int64_t number)
{
    int64_t quarter = number / (BLOCK / 4);
    uint64_t chance = choose(seed, "fraud", (uint64_t)quarter);
    return (struct episode){
        .kind = (int)(quarter % 4),
        .first = quarter * (BLOCK / 4) + (int64_t)(chance % (BLOCK / 8)),
        .card = mix(chance) % CARDS,
    };
}

static void defraud(uint64_t seed, const struct episode *episode, struct payment *payment)
{
    uint64_t far = (episode->card + CITIES / 2) % CITIES;
    payment->is_fraud = true;
    switch (episode->kind) {
    case VELOCITY:
        break; /* it is their number that gives them away */
    case AMOUNT:
        payment->amount = round(payment->amount * 2000) / 100;
        break;
    case JOURNEY:
        set_shop(seed, far, choose(seed, "far", (uint64_t)episode->first) % 40, payment);
        break;
    case BLOCKED:
        generate_blocked_merchant((int)(mix((uint64_t)episode->first) % GENERATOR_BLOCKED_COUNT),
                                  payment->merchant, sizeof payment->merchant);
        break;
    }
}

void generate_payment(uint64_t seed, int64_t number, struct payment *payment_out)
{
    struct episode episode = episode_near(seed, number);
    int64_t step = number - episode.first;
    int64_t steps = episode.kind == VELOCITY ? VELOCITY_PAYMENTS : episode.kind == JOURNEY ? 2 : 1;
    bool is_episode = step >= 0 && step % VELOCITY_STRIDE == 0 && step / VELOCITY_STRIDE < steps;
    uint64_t card = is_episode ? episode.card : choose(seed, "who", (uint64_t)number) % CARDS;
    honest(seed, number, card, payment_out);
    /* A journey begins with an honest payment at home. */
    if (is_episode && !(episode.kind == JOURNEY && step == 0)) defraud(seed, &episode, payment_out);
}
