#ifndef WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_TOPICS_H
#define WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_TOPICS_H

#include "base/map.h"
#include "broker/coordinator/group/member_words.h"
#include "broker/metadata/metadata_image.h"

/**
 * The topics that a group's members want: names, each with how many want it, and regular expressions, each
 * with the names that it matched when it was last looked up. A name stays for as long as a member or an expression
 * wants it, whether there is such a topic or not.
 */
struct weir_wanted_topic {
    struct weir_slice name; /* behind the struct */
    size_t wants;           /* members that name it, and expressions that match it */
};

struct weir_wanted_regex {
    struct weir_slice pattern; /* behind the struct */
    size_t members;
    bool is_resolved;         /* looked up since it is there, or a record says what it matched */
    struct weir_slice *names; /* owned, in one block with their texts; in order */
    size_t name_count;
    size_t size; /* of that block */
};

struct weir_consumer_topics {
    struct weir_budget *budget;
    struct weir_map names;   /* struct weir_wanted_topic by name */
    struct weir_map regexes; /* struct weir_wanted_regex by pattern */
    size_t bytes;            /* of both */
};

void weir_consumer_topics_init(struct weir_consumer_topics *topics, struct weir_budget *budget);
void weir_consumer_topics_close(struct weir_consumer_topics *topics);

/** A member wants these. WEIR_NO_MEMORY: some may be counted then. */
int weir_consumer_topics_add(struct weir_consumer_topics *topics,
                             const struct weir_member_words *words);
/** It does not any more. An expression that nobody has left stays until weir_consumer_topics_drop_regex. */
void weir_consumer_topics_remove(struct weir_consumer_topics *topics,
                                 const struct weir_member_words *words);

/** NULL if there is none. */
struct weir_wanted_regex *weir_consumer_topics_regex(const struct weir_consumer_topics *topics,
                                                     struct weir_slice pattern);
/** The expression matches these names, which are in order, each once. Makes it if need be. WEIR_NO_MEMORY. */
int weir_consumer_topics_set_regex(struct weir_consumer_topics *topics, struct weir_slice pattern,
                                   const struct weir_slice *names, size_t count);
/** Nobody has it; forget it. */
void weir_consumer_topics_drop_regex(struct weir_consumer_topics *topics,
                                     struct weir_wanted_regex *regex);
/** The bytes that set_regex would count for these names. */
size_t weir_wanted_regex_size(const struct weir_slice *names, size_t count);

/** Is it wanted, by name or by an expression? */
bool weir_consumer_topics_have(const struct weir_consumer_topics *topics, struct weir_slice name);
/**
 * A number of what these names stand for: each topic's name, id and count of partitions. Another one as soon as
 * one of them is made, removed or grows; the same in each process and version, for it is written down. `partitions_out`: of all of them together.
 */
int64_t weir_consumer_topics_hash(const struct weir_consumer_topics *topics,
                                  const struct weir_metadata_image *image, size_t *partitions_out);

/** The names that the expression matches in `image`, in order, in the arena; texts are the image's.
 * Errors: WEIR_INVALID_REGULAR_EXPRESSION, WEIR_NO_MEMORY. */
int weir_regex_lookup(struct weir_slice pattern, const struct weir_metadata_image *image,
                      struct weir_budget *budget, struct weir_arena *arena,
                      const struct weir_slice **names_out, size_t *count_out,
                      struct weir_error *error);

#endif
