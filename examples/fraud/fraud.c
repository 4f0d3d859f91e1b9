/* Fraud detection: four rules over one stream of card payments.
 *
 *   payments ─┬─ by card, in windows of ten minutes ── count ── too often? ───────────┐
 *             ├─ by card ── running mean and deviation ── far above it? ──────────────┤
 *             ├─ by card ── the last place it was used ── reachable from there? ──────┼─ alerts
 *             └─ by merchant ── join with the table blocked-merchants ── is it there? ┘
 *
 * Everything that has to be remembered (counts, profiles, last places) is state: in RocksDB, with a
 * changelog topic, committed together with the progress through the input. Kill the program at any
 * moment, start it again, and it goes on as if nothing had happened.
 */
#include "fraud.h"

#include <math.h>

/* An alert is one line of JSON, so that any Kafka tool can read the topic. Its key is the card. */
static const struct weir_slice *alert(struct weir_call *call, const char *rule,
                                      const struct payment *payment, const char *reason)
{
    return weir_call_printf(call,
                            "{\"rule\":\"%s\",\"card\":\"%s\",\"payment\":%lld,\"time\":%lld,"
                            "\"amount\":%.2f,\"reason\":\"%s\"}",
                            rule, payment->card, (long long)payment->position,
                            (long long)payment->time_ms, payment->amount, reason);
}

/* A short text in the batch's memory; "" when memory is out (the alert then fails as well). */
#define REASON(call, ...)                                                                          \
    ((const char *)(weir_call_printf((call), __VA_ARGS__)                                          \
                        ?: &(struct weir_slice){(const uint8_t *)"", 0})                           \
         ->data)

/* ---- rule 1: used too often within a window --------------------------------------------------- */

static int is_too_often(struct weir_call *call, const void *key, const void *value)
{
    const int64_t *count = value;
    (void)call, (void)key;
    return count != NULL && *count >= VELOCITY_COUNT;
}

static int velocity_alert(struct weir_call *call, const void *key, const void *value,
                          const void **key_out, const void **value_out)
{
    const struct weir_windowed_key *window = key;
    const struct weir_slice *card = window->key;
    *key_out = card;
    *value_out =
        weir_call_printf(call,
                         "{\"rule\":\"velocity\",\"card\":\"%.*s\",\"window\":%lld,\"count\":%lld,"
                         "\"reason\":\"%lld payments within ten minutes\"}",
                         (int)card->size, (const char *)card->data, (long long)window->start_ms,
                         (long long)*(const int64_t *)value, (long long)*(const int64_t *)value);
    return 0;
}

/* ---- rule 2: far above the card's usual amounts ------------------------------------------------ */

void profile_add(struct profile *profile, const struct payment *payment)
{
    double deviation =
        profile->count > 1 ? sqrt(profile->squares / (double)(profile->count - 1)) : 0;
    bool is_known = profile->count >= AMOUNT_COUNT_MIN && deviation > 0;
    profile->deviations = is_known ? (payment->amount - profile->mean) / deviation : 0;
    profile->payment = *payment;
    profile->count += 1;
    double delta = payment->amount - profile->mean;
    profile->mean += delta / (double)profile->count;
    profile->squares += delta * (payment->amount - profile->mean);
}

static int add_to_profile(struct weir_call *call, const void *key, const void *value,
                          void *aggregate)
{
    (void)call, (void)key;
    profile_add(aggregate, value);
    return 0;
}

static int is_far_above(struct weir_call *call, const void *key, const void *value)
{
    const struct profile *profile = value;
    (void)call, (void)key;
    return profile != NULL && profile->deviations > AMOUNT_DEVIATIONS;
}

static int amount_alert(struct weir_call *call, const void *key, const void *value,
                        const void **value_out)
{
    const struct profile *profile = value;
    (void)key;
    *value_out = alert(call, "amount", &profile->payment,
                       REASON(call, "%.0f deviations above the card's mean of %.2f",
                              profile->deviations, profile->mean));
    return 0;
}

/* ---- rule 3: an impossible journey between two payments ---------------------------------------- */

static double distance_km(double latitude_a, double longitude_a, double latitude_b,
                          double longitude_b)
{
    const double radians = 3.14159265358979323846 / 180;
    double latitude = sin((latitude_b - latitude_a) * radians / 2);
    double longitude = sin((longitude_b - longitude_a) * radians / 2);
    double a = latitude * latitude +
               cos(latitude_a * radians) * cos(latitude_b * radians) * longitude * longitude;
    return 2 * 6371.0 * asin(sqrt(fmin(1, a)));
}

bool is_impossible_journey(const struct payment *from, const struct payment *to)
{
    double km = distance_km(from->shop_latitude, from->shop_longitude, to->shop_latitude,
                            to->shop_longitude);
    double hours = (double)(to->time_ms - from->time_ms) / 3600000.0;
    return km > JOURNEY_KM_MIN && km > hours * JOURNEY_KM_PER_HOUR;
}

static int check_journey(struct weir_process *process, void *state, struct weir_call *call,
                         const void *key, const void *value)
{
    struct weir_store *last_places = weir_process_store(process, "last-place");
    const struct payment *payment = value;
    const void *found;
    (void)state;
    int rc = weir_store_get(process, last_places, key, &found);
    if (rc < 0) return rc;

    const struct payment *last = found;
    if (last == NULL || !is_impossible_journey(last, payment)) {
        return weir_store_put(process, last_places, key, payment);
    }
    /* The place of a suspicious payment is not taken over: the card's owner is still where he was. */
    const char *reason =
        REASON(call, "%.0f km from payment %lld in %lld s",
               distance_km(last->shop_latitude, last->shop_longitude, payment->shop_latitude,
                           payment->shop_longitude),
               (long long)last->position, (long long)(payment->time_ms - last->time_ms) / 1000);
    return weir_process_forward(process, key, alert(call, "journey", payment, reason), -1);
}

/* ---- rule 4: a payment to a blocked merchant ---------------------------------------------------- */

static int merchant_of(struct weir_call *call, const void *key, const void *value,
                       const void **key_out)
{
    const struct payment *payment = value;
    (void)key;
    *key_out = weir_call_slice(call, weir_text(payment->merchant));
    return *key_out != NULL ? 0 : WEIR_NO_MEMORY;
}

static int blocked_alert(struct weir_call *call, const void *key, const void *value,
                         const void *table_value, const void **value_out)
{
    const struct weir_slice *why = table_value;
    (void)key;
    *value_out =
        alert(call, "blocked-merchant", value,
              REASON(call, "merchant is blocked: %.*s", (int)why->size, (const char *)why->data));
    return 0;
}

/* ---- the graph ---------------------------------------------------------------------------------- */

struct weir_topology *fraud_topology(struct weir_error *error)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *payments = weir_stream(builder, "payments", WEIR_STRING, &payment_serde);
    struct weir_grouped *by_card = weir_group_by_key(payments);

    struct weir_windowed_stream *windows =
        weir_windowed_by(by_card, (struct weir_tumbling){.size_ms = VELOCITY_WINDOW_MS,
                                                         .grace_ms = VELOCITY_GRACE_MS});
    struct weir_table *counts =
        weir_windowed_count(windows, WEIR_STORE(.name = "payments-per-window"));
    weir_to(weir_map(weir_filter(weir_to_stream(counts), is_too_often, NULL), velocity_alert, NULL,
                     WEIR_STRING, WEIR_STRING),
            "alerts");

    /* Every update counts here, not only the last one before a commit: no cache. */
    struct weir_table *profiles =
        weir_aggregate(by_card, NULL, add_to_profile, NULL, &profile_serde,
                       WEIR_STORE(.name = "card-profile", .cache = WEIR_CACHE_OFF));
    weir_to(weir_map_values(weir_filter(weir_to_stream(profiles), is_far_above, NULL), amount_alert,
                            NULL, WEIR_STRING),
            "alerts");

    weir_add_store(builder, "last-place", WEIR_STRING, &payment_serde, NULL);
    static const char *const stores[] = {"last-place", NULL};
    struct weir_processor journey = {.process = check_journey, .stores = stores};
    weir_to(weir_process_values(payments, &journey, WEIR_STRING), "alerts");

    struct weir_table *blocked = weir_table(builder, "blocked-merchants", WEIR_STRING, WEIR_STRING,
                                            WEIR_STORE(.name = "blocked"));
    struct weir_stream *by_merchant = weir_repartition(
        weir_select_key(payments, merchant_of, NULL, WEIR_STRING), "by-merchant", 0);
    weir_to(weir_join(by_merchant, blocked, blocked_alert, NULL, WEIR_STRING), "alerts");

    struct weir_topology *topology = weir_build(builder, error);
    weir_builder_free(builder);
    return topology;
}
