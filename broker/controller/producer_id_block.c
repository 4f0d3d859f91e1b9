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

/* A clock that is far out of its time is not followed: its ids would come to an end. */
static int64_t begin_of(int64_t taken, struct weir_wall now)
{
    enum { IDS_PER_MS = 1000 };
    static const int64_t ms_max = (int64_t)1 << 43; /* the year 2248 */
    if (now.ms < 0 || now.ms > ms_max || now.ms * IDS_PER_MS < taken) return taken;
    return now.ms * IDS_PER_MS;
}

int weir_producer_id_plan(const struct weir_producer_id_block *block, int64_t taken,
                          struct weir_wall now, int64_t *taken_out, struct weir_error *error)
{
    weir_assert(block->end <= taken);
    if (block->next < block->end) return WEIR_END;
    if (taken > INT64_MAX - WEIR_PRODUCER_ID_BLOCK_SIZE) {
        return weir_error_set(error, WEIR_LIMIT, "all producer ids have been given out");
    }
    *taken_out = begin_of(taken, now) + WEIR_PRODUCER_ID_BLOCK_SIZE;
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
