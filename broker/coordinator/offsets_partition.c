#include "broker/coordinator/offsets_partition.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/partition_life.h"

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

int weir_offsets_partition_catch_up_to(struct weir_offsets_partition *offsets, int64_t end_offset,
                                       struct weir_error *error)
{
    struct weir_partition *partition = offsets->partition;
    int rc = weir_fold_catch_up(&offsets->fold, partition->log, end_offset, error);
    if (rc < 0) weir_partition_look_for_damage(partition);
    return rc;
}

int weir_offsets_partition_catch_up(struct weir_offsets_partition *offsets,
                                    struct weir_error *error)
{
    const struct weir_partition *partition = offsets->partition;
    weir_assert(partition->state == WEIR_PARTITION_OPEN);
    return weir_offsets_partition_catch_up_to(offsets, partition->high_watermark, error);
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
    weir_fold_init(&offsets->fold, &weir_offsets_fold_ops, &offsets->image, budget);
    weir_snapshotter_init(&offsets->snapshotter, partition, &offsets->fold);
    weir_batch_builder_init(&offsets->builder, budget, WEIR_CODEC_NONE, 0);
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
    weir_fold_close(&offsets->fold);
    weir_batch_builder_close(&offsets->builder);
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
