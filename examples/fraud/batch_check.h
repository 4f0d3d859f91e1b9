#ifndef FRAUD_BATCH_CHECK_H
#define FRAUD_BATCH_CHECK_H

#include "payment.h"
#include "source.h"

/** How well the rules did against the labels. */
struct score {
    int64_t payments, frauds, caught; /* payments; labelled as fraud; of these, named by an alert */
    int64_t alerts;                   /* as many as the topic has */
    int64_t distinct, right;          /* without repetitions; of these, about a fraud */
};
/** Read the topics `payments` and `alerts` to their ends. */
int score_alerts(struct weir_log *log, struct score *score_out, struct weir_error *error);

/**
 * Compute everything once more, as a batch over the whole source: sort by card, go through. Compare
 * with what the job left in the log: each payment once, every state, every alert (a rebuild repeats
 * some: how many is printed).
 * Prints what differs; false if anything does. `source` is freshly opened, nothing produced from it.
 */
bool check_against_batch(struct weir_log *log, const struct source_options *options, int64_t end,
                         const char *application, struct weir_error *error);

#endif
