#ifndef WEIR_TESTS_CRASH_COUNTING_H
#define WEIR_TESTS_CRASH_COUNTING_H

#include <weir.h>

/** "in" counted by key, to "counts": what tail_job and limit_job run. NULL: `error` says why, or there is no memory. */
struct weir_topology *counting_topology(struct weir_error *error);

/** A record of "in", as often as a shortage has it refused. */
int counting_send(struct weir_producer *producer, const char *key, int64_t timestamp_ms,
                  struct weir_error *error);

/** Close the producer. `rc`, what its sends came to, is what counts if it is an error. */
int counting_close(struct weir_producer *producer, int rc, struct weir_error *error);

#endif
