#ifndef WEIR_BROKER_COORDINATOR_GROUP_GROUP_UPDATE_H
#define WEIR_BROKER_COORDINATOR_GROUP_GROUP_UPDATE_H

#include "base/arena.h"
#include "wire/message.h"
#include "wire/request/group_requests.h"

/**
 * What comes of a step, in the order in which it is to be done: the records are appended as one batch; who is
 * `answered` hears at once; who is `durable` when the batch is on the disk, and all that the group wrote before
 * it: an answer without a record may tell of one that is still on its way.
 *
 * The records and all that they point to lie in `arena`, which whoever makes the update resets before each
 * step. Answers are in their own requests.
 */
enum { WEIR_GROUP_NEVER_MS = INT64_MAX };

struct weir_group_record {
    struct weir_slice key;
    struct weir_slice value; /* null: what the key says is gone */
};

/** A member that was not heard of in time, and is out. */
struct weir_silent_member {
    struct weir_silent_member *next;
    struct weir_slice member_id;
    struct weir_slice client_id;
    const char *missed; /* what it owed: "heartbeat", "join", "sync", "revocation" */
};
enum { WEIR_SILENT_NAMED_MAX = 16 };

/** Requests one behind the other, in the order of their answers. */
struct weir_group_answers {
    struct weir_group_request *first;
    struct weir_group_request *last;
};

struct weir_group_update {
    struct weir_arena *arena;
    struct weir_group_answers answered;
    struct weir_group_answers durable;
    struct weir_group_record *records; /* in `arena` */
    size_t record_count;
    size_t record_capacity;
    struct weir_silent_member
        *silent; /* for the log: the first WEIR_SILENT_NAMED_MAX, last first */
    size_t silent_count;
    int64_t
        wake_at_ms; /* the group wants the next tick by then; WEIR_GROUP_NEVER_MS: it does not */
    bool
        is_gone; /* nothing of it is left: it is closed and forgotten when the records are durable */
};

/** Nothing is to be done. */
void weir_group_update_init(struct weir_group_update *update, struct weir_arena *arena);

/** Answer this request at once, with `rc`; what it is given has been filled in, and its error says why where
 * `rc` is negative. A request whose own arena has failed is answered with WEIR_NO_MEMORY instead. */
void weir_group_answer(struct weir_group_update *update, struct weir_group_request *request,
                       int rc);
/** The same once the update's records are durable, and those of the steps before. */
void weir_group_answer_durable(struct weir_group_update *update, struct weir_group_request *request,
                               int rc);

/** Add a record: a key and a value in this version, or no value (`value` NULL). WEIR_NO_MEMORY, or what the encoder says. */
int weir_group_update_write(struct weir_group_update *update,
                            const struct weir_message_type *key_type, const void *key,
                            const struct weir_message_type *value_type, const void *value,
                            int16_t version);

/** A member goes since it was not heard of. What there is no memory for is not named. */
void weir_group_update_note_silent(struct weir_group_update *update, struct weir_slice member_id,
                                   struct weir_slice client_id, const char *missed);
/** The same with no value, and a key as its bytes. */
int weir_group_update_drop(struct weir_group_update *update, struct weir_slice key);

/** The deadline is among those that the group waits for. */
static inline void weir_group_update_wake(struct weir_group_update *update, int64_t at_ms)
{
    if (at_ms < update->wake_at_ms) update->wake_at_ms = at_ms;
}

#endif
