#include "broker/coordinator/offsets_partition.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/partition_life.h"

static int apply_record(void *impl, const struct weir_record *record, struct weir_error *error)
{
    return weir_offsets_image_apply(impl, record, error);
}

static int add_record(void *context, const struct weir_record *record)
{
    struct weir_snapshot_builder *builder = context;
    weir_snapshot_builder_add(builder, record);
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
    .reset = reset_image,
    .write = write_image,
};

static int open(void *impl, struct weir_partition *partition, void **machine_out)
{
    struct weir_budget *budget = partition->shard->budget;
    struct weir_offsets_partition *offsets = weir_alloc_zero(budget, sizeof *offsets);
    if (offsets == NULL) return WEIR_NO_MEMORY;
    offsets->coordinator = impl;
    offsets->partition = partition;
    weir_offsets_image_init(&offsets->image, budget);
    weir_fold_init(&offsets->fold, &weir_offsets_fold_ops, &offsets->image, budget);
    weir_snapshotter_init(&offsets->snapshotter, partition, &offsets->fold);
    weir_batch_builder_init(&offsets->builder, budget, WEIR_CODEC_NONE, 0);
    weir_buffer_init(&offsets->key, budget, 0);
    weir_buffer_init(&offsets->value, budget, 0);
    *machine_out = offsets;
    return 0;
}

static int restore(void *machine, struct weir_error *error)
{
    struct weir_offsets_partition *offsets = machine;
    const struct weir_partition *partition = offsets->partition;
    return weir_fold_restore(&offsets->fold, partition->shard->env, partition->log, partition->path,
                             error);
}

/* A last snapshot if the log is open, and gone. */
static int close(void *machine, struct weir_error *error)
{
    struct weir_offsets_partition *offsets = machine;
    struct weir_engine *engine = offsets->partition->shard->engine;
    bool is_served = offsets->partition->log != NULL && !atomic_load(&engine->serving.is_offline);
    int rc = is_served ? weir_snapshotter_finish(&offsets->snapshotter, error) : 0;
    weir_offsets_image_close(&offsets->image);
    weir_fold_close(&offsets->fold);
    weir_batch_builder_close(&offsets->builder);
    weir_buffer_close(&offsets->key);
    weir_buffer_close(&offsets->value);
    weir_free(offsets);
    return rc;
}

const struct weir_state_machine_ops weir_offsets_state_machine_ops = {
    .topic = WEIR_CONSUMER_OFFSETS_TOPIC,
    .open = open,
    .restore = restore,
    .close = close,
};

struct weir_offsets_partition *weir_offsets_partition_of(const struct weir_partition *partition)
{
    weir_assert(partition->state_machine_ops == &weir_offsets_state_machine_ops &&
                partition->state_machine != NULL);
    return partition->state_machine;
}

int weir_offsets_partition_catch_up(struct weir_offsets_partition *offsets, int64_t end_offset,
                                    struct weir_error *error)
{
    struct weir_partition *partition = offsets->partition;
    int rc = weir_fold_catch_up(&offsets->fold, partition->log, end_offset, error);
    if (rc < 0) weir_partition_look_for_damage(partition);
    return rc;
}
