#ifndef WEIR_BROKER_COORDINATOR_GROUP_MEMBER_WORDS_H
#define WEIR_BROKER_COORDINATOR_GROUP_MEMBER_WORDS_H

#include "base/alloc.h"
#include "base/arena.h"
#include "wire/request/group_requests.h"

/**
 * What a member has said of itself and wants: the content of its record of type 5. Texts that there are none of
 * are null, but `client_id` and `client_host`, which are empty then.
 */
struct weir_member_words {
    struct weir_slice instance_id;
    struct weir_slice rack_id;
    struct weir_slice client_id;
    struct weir_slice client_host;
    const struct weir_slice *topic_names; /* in order, each once */
    size_t topic_name_count;
    struct weir_slice topic_regex; /* null: none */
    int32_t rebalance_timeout_ms;
    struct weir_slice assignor;
    /* of a member that speaks the classic protocol */
    bool is_classic;
    int32_t session_timeout_ms;
    const struct weir_group_protocol *protocols; /* in order of preference */
    size_t protocol_count;
};

/** A copy in one block, for weir_free; it counts `weir_member_words_size` bytes. NULL without memory. */
struct weir_member_words *weir_member_words_copy(const struct weir_member_words *words,
                                                 struct weir_budget *budget);
size_t weir_member_words_size(const struct weir_member_words *words);
bool weir_member_words_equal(const struct weir_member_words *a, const struct weir_member_words *b);
bool weir_member_words_same_topics(const struct weir_member_words *a,
                                   const struct weir_member_words *b);

/** Names in order, each once, in the arena; the texts stay where they are. NULL and 0 after a failure (ask
 * weir_arena_failed). */
const struct weir_slice *weir_sorted_names(const struct weir_slice *names, size_t count,
                                           struct weir_arena *arena, size_t *count_out);
/** Is the name among these, which are in order? */
bool weir_sorted_names_have(const struct weir_slice *names, size_t count, struct weir_slice name);

#endif
