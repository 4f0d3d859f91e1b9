#include "wire/request/batches.h"

#include <string.h>

#include "base/assert.h"

void weir_log_batches_move(struct weir_log_batches *to, struct weir_log_batches *from)
{
    weir_assert(to->part_count == 0);
    weir_assert(from->part_count <= WEIR_LOG_PARTS_MAX);
    memcpy(to->parts, from->parts, from->part_count * sizeof from->parts[0]);
    to->part_count = from->part_count;
    from->part_count = 0;
}

void weir_log_batches_release(struct weir_log_batches *batches)
{
    weir_assert(batches->part_count <= WEIR_LOG_PARTS_MAX);
    for (size_t i = 0; i < batches->part_count; i++) {
        weir_shared_unref(batches->parts[i].bytes);
        batches->parts[i].bytes = NULL;
    }
    batches->part_count = 0;
}
