#ifndef WEIR_BROKER_COORDINATOR_GROUP_GROUP_REGEX_H
#define WEIR_BROKER_COORDINATOR_GROUP_GROUP_REGEX_H

#include "base/alloc.h"
#include "weir/error.h"
#include "weir/types.h"

/**
 * A regular expression from outside, for names of topics: RE2's syntax, as Kafka's coordinator has it, looked
 * up by PCRE2. A name matches as a whole. What RE2 does not have (look-around, back references, possessive
 * quantifiers, verbs) is refused, and a match that takes too many steps is given up, so that no expression can hold
 * up a thread.
 */
enum { WEIR_GROUP_REGEX_SIZE_MAX = 4096 };

struct weir_group_regex;

/**
 * Compile. Errors: WEIR_INVALID_REGULAR_EXPRESSION (with Kafka's text and the reason), WEIR_NO_MEMORY.
 */
int weir_group_regex_new(struct weir_budget *budget, struct weir_slice pattern,
                         struct weir_group_regex **regex_out, struct weir_error *error);
/**
 * 1 if the whole name matches, 0 if it does not.
 * Errors: WEIR_INVALID_REGULAR_EXPRESSION (it takes too many steps for this name), WEIR_NO_MEMORY.
 */
int weir_group_regex_matches(struct weir_group_regex *regex, struct weir_slice name,
                             struct weir_error *error);
/** NULL is fine. */
void weir_group_regex_free(struct weir_group_regex *regex);

#endif
