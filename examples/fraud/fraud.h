#ifndef FRAUD_FRAUD_H
#define FRAUD_FRAUD_H

#include "payment.h"

/* The rules' numbers, and the two formulas that the batch computation (batch_check.c) uses as well. */
#define VELOCITY_WINDOW_MS (10 * 60 * 1000)
#define VELOCITY_GRACE_MS (60 * 1000)
#define VELOCITY_COUNT 5       /* payments of one card in one window */
#define AMOUNT_COUNT_MIN 20    /* payments before a mean means something */
#define AMOUNT_DEVIATIONS 10.0 /* above the mean */
#define JOURNEY_KM_MIN 100.0
#define JOURNEY_KM_PER_HOUR 900.0

/** Take a payment into a card's profile, noting how far it was above what came before. */
void profile_add(struct profile *profile, const struct payment *payment);
/** From one payment to the next in less time than an airliner takes. */
bool is_impossible_journey(const struct payment *from, const struct payment *to);

/** The whole job: topics `payments` and `blocked-merchants` in, `alerts` out. */
struct weir_topology *fraud_topology(struct weir_error *error);

#endif
