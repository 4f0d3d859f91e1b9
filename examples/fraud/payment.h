#ifndef FRAUD_PAYMENT_H
#define FRAUD_PAYMENT_H

#include <stdbool.h>
#include <stdint.h>

#include <weir.h>

/** One card payment, as it travels through the topic `payments` (key: the card, as text). */
struct payment {
    int64_t position; /* in its source: a line of the file, a number of the generator */
    int64_t time_ms;  /* Unix time of the payment: the record's timestamp */
    char card[24];    /* 8 to 19 digits: text, for the longest do not fit in 63 bits */
    char merchant[96];
    char category[32];
    double amount;
    double home_latitude, home_longitude; /* degrees */
    double shop_latitude, shop_longitude;
    bool is_fraud; /* the label, where the source has one; no rule looks at it */
};

/** What is known of a card's amounts: running count, mean and sum of squared deviations (Welford). */
struct profile {
    int64_t count;
    double mean;
    double squares;
    double deviations; /* how far the last payment was above the mean before it; 0 if too few */
    struct payment payment; /* the last one */
};

extern const struct weir_serde payment_serde;
extern const struct weir_serde profile_serde;

#endif
