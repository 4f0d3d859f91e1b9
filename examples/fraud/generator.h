#ifndef FRAUD_GENERATOR_H
#define FRAUD_GENERATOR_H

#include "payment.h"

/**
 * A world of cards, merchants and cities, and an endless sequence of payments in it. Payment `number`
 * is a function of seed and number alone, so that a source can go on from any position. Every 2,000
 * payments hold one fraud of each kind, labelled.
 */
enum { GENERATOR_BLOCKED_COUNT = 10 };

void generate_payment(uint64_t seed, int64_t number, struct payment *payment_out);
/** Merchant `index` of those that only fraudsters use; 0 to GENERATOR_BLOCKED_COUNT - 1. */
void generate_blocked_merchant(int index, char *name, size_t size);

#endif
