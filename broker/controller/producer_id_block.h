#ifndef WEIR_BROKER_CONTROLLER_PRODUCER_ID_BLOCK_H
#define WEIR_BROKER_CONTROLLER_PRODUCER_ID_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "weir/error.h"

/**
 * Producer ids come from blocks. A block is taken by a record that says where the next one begins,
 * durable before its first id is given out: after a crash the rest of the block is lost, and no id
 * is ever given twice. What is decided here is pure; producer_ids.c writes the record.
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
 * WEIR_END: there are ids left, nothing is to be written. WEIR_LIMIT: there are no more. */
int weir_producer_id_plan(const struct weir_producer_id_block *block, int64_t taken,
                          int64_t *taken_out, struct weir_error *error);
/** The record is durable: the empty block is the one that ends at `taken`. */
void weir_producer_id_take(struct weir_producer_id_block *block, int64_t taken);
void weir_producer_id_check(const struct weir_producer_id_block *block);

#endif
