#ifndef WEIR_TESTS_SIM_GROUP_HISTORY_H
#define WEIR_TESTS_SIM_GROUP_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * What members of consumer groups asked and were told, in order: all that the group checker looks at.
 *
 * A *slot* is a client as its person sees it: the same over its crashes, whatever its member ids are. A
 * generation is a classic group's, or the member's epoch in a consumer group.
 */
enum group_event_kind {
    GROUP_LISTED, /* the leader of `generation` was told that `slot` is a member */
    GROUP_TOLD,   /* classic: `slot` was given its assignment of `generation`, whatever is in it */
    GROUP_LEASE,  /* consumer: the coordinator cannot give up on `slot` before `until_ns` */
    GROUP_GIVEN,  /* `slot` was given `partition` in `generation` */
    GROUP_RELEASED, /* and does not read it any more */
    GROUP_READ,     /* it read offsets `from` to `offset`, the latter not included */
    GROUP_COMMIT,   /* `offset` */
    GROUP_FETCHED,  /* it was told that `offset` is committed; -1: none */
};

enum group_result {
    GROUP_UNKNOWN, /* no answer, or one that leaves it open */
    GROUP_OK,
    GROUP_REFUSED, /* certainly nothing has happened */
};

struct group_event {
    enum group_event_kind kind;
    enum group_result result;
    int group;
    int slot;
    int32_t generation;
    int32_t partition; /* of the group's one topic */
    int64_t offset;
    int64_t from;
    int64_t until_ns;
    int64_t at_ns; /* when it began */
    int64_t began; /* logical time: one tick per call and per answer */
    int64_t ended; /* 0: no answer */
};

struct group_history {
    struct group_event *events;
    size_t count;
    size_t capacity;
    int64_t clock;
    bool is_printed; /* on stderr */
};

void group_history_close(struct group_history *history);
/** A call begins; its index, for group_history_end. */
size_t group_history_begin(struct group_history *history, const struct group_event *event);
void group_history_end(struct group_history *history, size_t index, enum group_result result);
/** Call and answer at once. */
void group_history_note(struct group_history *history, const struct group_event *event);

#endif
