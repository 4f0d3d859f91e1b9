#ifndef WEIR_SERVER_HANDLERS_OUTCOME_H
#define WEIR_SERVER_HANDLERS_OUTCOME_H

#include "server/context.h"

/**
 * How it went for one of a request's subjects (a topic, a resource, a partition): Kafka's number and
 * a sentence, null if all is well. Sentences live in the context's arena.
 */
struct weir_outcome {
    int16_t error_code;
    struct weir_slice message;
};

struct weir_outcome weir_outcome_refuse(struct weir_request_context *context,
                                        enum weir_wire_error error, const char *format, ...)
    WEIR_PRINTF(3, 4);
/** The engine's words as a client may read them: without the path of the data directory, which the
 * server's log has. `text` itself, or in the arena. */
const char *weir_outcome_text(struct weir_request_context *context, const char *text);
/** What the engine said. */
struct weir_outcome weir_outcome_of(struct weir_request_context *context,
                                    const struct weir_request *request);

/** More subjects than this in one request are refused, all of them: INVALID_REQUEST, and how many
 * of what ("topics") are allowed. */
enum { WEIR_SUBJECTS_MAX = 10000 };
struct weir_outcome weir_outcome_too_many(struct weir_request_context *context, const char *what);

/**
 * Is a subject named once? One that is named several times is refused, in one row of the answer:
 * that of its first.
 */
enum weir_occurrence { WEIR_OCCURS_ONCE, WEIR_OCCURS_FIRST, WEIR_OCCURS_AGAIN };
struct weir_subject {
    int8_t kind;
    struct weir_slice name; /* or the bytes of an id */
    size_t index;           /* the callee's */
};
/** One per subject, in the arena; NULL if that has failed. `subjects` is put into another order. */
const enum weir_occurrence *weir_subject_occurrences(struct weir_arena *arena,
                                                     struct weir_subject *subjects, size_t count);

/** Reply, or end the connection if memory ran out while the answer was made. */
void weir_outcome_reply(struct weir_request_context *context, const void *response);

#endif
