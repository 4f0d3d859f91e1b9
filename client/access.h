#ifndef WEIR_CLIENT_ACCESS_H
#define WEIR_CLIENT_ACCESS_H

#include <stdatomic.h>
#include <stdint.h>

#include "weir/error.h"

/**
 * One thread at a time, as Kafka's consumer has it (acquire and release in KafkaConsumer): a second
 * thread is refused at the door instead of meeting half-changed lists inside. The same thread may
 * come in again, from a callback. An acquire is one compare-and-exchange, a release one store.
 */
struct weir_access {
    _Atomic uintptr_t thread; /* who is inside; 0: nobody */
    int depth;                /* its calls; touched by that thread alone */
};

/** WEIR_WRONG_THREAD: another thread is inside. `what` is the object, `call` the public function. */
int weir_access_acquire(struct weir_access *access, const char *what, const char *call,
                        struct weir_error *error);
/** Not after WEIR_CRASHED: the object's memory went with the node. */
void weir_access_release(struct weir_access *access);

#endif
