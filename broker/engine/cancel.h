#ifndef WEIR_BROKER_ENGINE_CANCEL_H
#define WEIR_BROKER_ENGINE_CANCEL_H

#include <stdatomic.h>
#include <stdbool.h>

/**
 * A cancel may cross the answer on its way. The state decides who was first: whoever moves it away from live. A
 * request that was cancelled is answered when the cancel's message is handled, not before, so that the
 * message never points to a struct that is the caller's again.
 *
 *   live ──answered──> answered
 *    ^ └────a cancel───> cancelled ──an answer is held back──> cancel pending
 *    └──its message is here──┘
 */
enum weir_cancel_state {
    WEIR_CANCEL_LIVE,
    WEIR_CANCEL_ANSWERED,
    WEIR_CANCEL_CANCELLED,
    WEIR_CANCEL_PENDING
};

/** The asker, on any thread: true if it was first, and its message is to be posted. */
bool weir_cancel_begin(_Atomic int *state);
/** Whoever answers: true if a cancel was first. Its message is on the way and will answer. */
bool weir_cancel_holds_answer(_Atomic int *state);
/** The message is here: true if an answer was held back, which goes out now; else answers may go out again. On the
 * answerer's thread. */
bool weir_cancel_arrives(_Atomic int *state);

#endif
