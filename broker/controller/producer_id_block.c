#include "broker/controller/producer_id_block.h"

#include "base/assert.h"
#include "base/error.h"

void weir_producer_id_check(const struct weir_producer_id_block *block)
{
    weir_assert(block->next >= 0);
    weir_assert(block->next <= block->end);
    weir_assert(block->end - block->next <= WEIR_PRODUCER_ID_BLOCK_SIZE);
}

bool weir_producer_id_give(struct weir_producer_id_block *block, int64_t *id_out)
{
    weir_producer_id_check(block);
    if (block->next == block->end) return false;
    *id_out = block->next++;
    return true;
}

int weir_producer_id_plan(const struct weir_producer_id_block *block, int64_t taken,
                          int64_t *taken_out, struct weir_error *error)
{
    weir_assert(block->end <= taken);
    if (block->next < block->end) return WEIR_END;
    if (taken > INT64_MAX - WEIR_PRODUCER_ID_BLOCK_SIZE) {
        return weir_error_set(error, WEIR_LIMIT, "all producer ids have been given out");
    }
    *taken_out = taken + WEIR_PRODUCER_ID_BLOCK_SIZE;
    return 0;
}

void weir_producer_id_take(struct weir_producer_id_block *block, int64_t taken)
{
    weir_assert(block->next == block->end);
    weir_assert(block->end <= taken - WEIR_PRODUCER_ID_BLOCK_SIZE);
    block->next = taken - WEIR_PRODUCER_ID_BLOCK_SIZE;
    block->end = taken;
    weir_producer_id_check(block);
}
