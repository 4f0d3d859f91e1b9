#ifndef WEIR_CLI_MEMBER_ASSIGNMENT_H
#define WEIR_CLI_MEMBER_ASSIGNMENT_H

#include "cli/place_groups.h"

/**
 * What a member of a classic group of consumers was given, as the bytes that its leader wrote. No bytes: nothing.
 *
 *     version i16 │ topics i32 × (name i16+bytes, partitions i32 × index i32) │ user data
 *
 * Errors: WEIR_CORRUPT (another embedded protocol, or cut off), WEIR_NO_MEMORY. `assigned_out` in the arena.
 * Source: Kafka, ConsumerProtocolAssignment.
 */
int member_assignment_read(struct weir_slice bytes, struct weir_arena *arena,
                           struct place_partitions **assigned_out, size_t *count_out,
                           struct weir_error *error);

#endif
