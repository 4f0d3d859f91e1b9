#ifndef WEIR_BROKER_CONTROLLER_PRODUCER_ID_BLOCK_H
#define WEIR_BROKER_CONTROLLER_PRODUCER_ID_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/env/env.h"
#include "weir/error.h"

/**
 * Producer ids come from blocks. A block is taken by a record that says where the next one begins,
 * durable before its first id is given out: after a crash the rest of the block is lost, and no id
 * is ever given twice. What is decided here is pure; producer_ids.c writes the record.
 *
 * Nor where the metadata has lost that record (to a repair, or to an older copy of its folder), while the logs
 * have records of these ids: a new producer with an old one's id has its first batches taken for repetitions,
 * acknowledged and not stored. So a block begins at the clock's time at least, in microseconds: a thousand
 * ids a millisecond, whose blocks do not run ahead of it.
 *
 *     ids 0 … 999 are taken:   next ──given──> … ──> end = where the metadata says the next block begins
 *
 * It begins empty, with `next` and `end` where the metadata says. Thread: shard 0's.
 */
enum { WEIR_PRODUCER_ID_BLOCK_SIZE = 1000 };

struct weir_producer_id_block {
    int64_t next; /* to be given out */
    int64_t end;  /* behind the last one */
};

/** One id; false if there is none left: a block has to be taken. */
bool weir_producer_id_give(struct weir_producer_id_block *block, int64_t *id_out);
/** Where the block behind the next one begins, for the record; `taken`: what the metadata says so far.
 * `now`: of the clock. WEIR_END: there are ids left, nothing is to be written. WEIR_LIMIT: there are no more. */
int weir_producer_id_plan(const struct weir_producer_id_block *block, int64_t taken,
                          struct weir_wall now, int64_t *taken_out, struct weir_error *error);
/** The record is durable: the empty block is the one that ends at `taken`. */
void weir_producer_id_take(struct weir_producer_id_block *block, int64_t taken);
void weir_producer_id_check(const struct weir_producer_id_block *block);

#endif
