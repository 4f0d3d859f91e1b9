#ifndef WEIR_TESTS_CONSUMER_LIFE_H
#define WEIR_TESTS_CONSUMER_LIFE_H

#include "tests/unit/broker/coordinator/group/consumer_stage.h"

/**
 * A random life of a consumer group under a seed: up to fifty clients that join, read, revoke, commit, leave and
 * crash, dynamic and static, some of the classic protocol, over topics that come, grow and go; requests and answers that are lost or come twice.
 * In an orderly network a request is worked off before the next one of its client; in a wild one old requests
 * come again later, and strangers say what they like.
 *
 * At each moment, by the group's own sets and apart from its table of owners: no partition is with two members, epochs
 * only grow, commits of old epochs are refused, the records make the same group. In an orderly network no two clients
 * read one partition. When the faults stop, everybody comes to the target, and it has all partitions.
 *
 * Ends the program with a line that has the seed if one of this does not hold.
 */
void consumer_life(uint64_t seed, bool is_wild);

#endif
