#include "broker/coordinator/offsets_partition.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"

/* ---- the image as a fold --------------------------------------------------------------------- */

static int apply_record(void *impl, const struct weir_batch_header *header,
                        const struct weir_record *record, struct weir_error *error)
{
    if (weir_batch_is_transactional(header)) {
        if (header->producer_id < 0) {
            return weir_error_set(error, WEIR_CORRUPT,
                                  "a transactional batch without a producer id");
        }
        return weir_offsets_image_apply_pending(impl, header->producer_id, record, error);
    }
    return weir_offsets_image_apply(impl, record, error);
}

static void end_transaction(void *impl, int64_t producer_id, bool is_commit)
{
    weir_offsets_image_end_transaction(impl, producer_id, is_commit);
}

static int add_record(void *context, int64_t producer_id, const struct weir_record *record)
{
    struct weir_snapshot_builder *builder = context;
    if (producer_id >= 0) {
        weir_snapshot_builder_add_pending(builder, producer_id, record);
    } else {
        weir_snapshot_builder_add(builder, record);
    }
    return builder->rc;
}

static void write_image(const void *impl, struct weir_snapshot_builder *builder)
{
    int rc = weir_offsets_image_each(impl, add_record, builder);
    if (rc < 0) builder->rc = rc; /* its own failure comes back as it is, so nothing is lost */
}

static void reset_image(void *impl)
{
    struct weir_offsets_image *image = impl;
    struct weir_budget *budget = image->budget;
    weir_offsets_image_close(image);
    weir_offsets_image_init(image, budget);
}

const struct weir_fold_ops weir_offsets_fold_ops = {
    .apply = apply_record,
    .end_transaction = end_transaction,
    .reset = reset_image,
    .write = write_image,
};

int weir_offsets_partition_catch_up(struct weir_offsets_partition *offsets,
                                    struct weir_error *error)
{
    const struct weir_partition *partition = offsets->partition;
    weir_assert(partition->state == WEIR_PARTITION_OPEN);
    return weir_coordinator_log_catch_up_to(&offsets->log, partition->high_watermark, error);
}

/* ---- beginning and end ----------------------------------------------------------------------- */

int weir_offsets_partition_new(struct weir_coordinator *coordinator,
                               struct weir_partition *partition,
                               struct weir_offsets_partition **offsets_out)
{
    struct weir_budget *budget = partition->shard->budget;
    struct weir_offsets_partition *offsets = weir_alloc_zero(budget, sizeof *offsets);
    if (offsets == NULL) return WEIR_NO_MEMORY;
    offsets->magic = WEIR_OFFSETS_PARTITION_MAGIC;
    offsets->coordinator = coordinator;
    offsets->partition = partition;
    weir_offsets_image_init(&offsets->image, budget);
    weir_coordinator_log_init(&offsets->log, partition, &weir_offsets_fold_ops, &offsets->image);
    weir_buffer_init(&offsets->key, budget, 0);
    weir_buffer_init(&offsets->value, budget, 0);
    weir_map_init(&offsets->live, budget);
    weir_deadline_heap_init(&offsets->deadlines, budget);
    weir_arena_init(&offsets->update_arena, budget, 4096);
    *offsets_out = offsets;
    return 0;
}

void weir_offsets_partition_free(struct weir_offsets_partition *offsets)
{
    weir_assert(offsets->writes_first == NULL);
    weir_assert(weir_map_count(&offsets->live) == 0);
    weir_offsets_image_close(&offsets->image);
    weir_coordinator_log_close(&offsets->log);
    weir_buffer_close(&offsets->key);
    weir_buffer_close(&offsets->value);
    weir_map_close(&offsets->live);
    weir_deadline_heap_close(&offsets->deadlines);
    weir_arena_close(&offsets->update_arena);
    weir_free(offsets);
}

struct weir_offsets_partition *weir_offsets_partition_of(const struct weir_partition *partition)
{
    struct weir_offsets_partition *offsets = partition->state_machine;
    weir_assert(offsets != NULL && offsets->magic == WEIR_OFFSETS_PARTITION_MAGIC);
    return offsets;
}
