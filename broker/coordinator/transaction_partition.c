#include "broker/coordinator/transaction_partition.h"

#include "base/assert.h"
#include "broker/coordinator/transaction_coordinator.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"

/* ---- the image as a fold --------------------------------------------------------------------- */

static int apply_record(void *impl, const struct weir_batch_header *header,
                        const struct weir_record *record, struct weir_error *error)
{
    (void)header; /* nobody writes here within a transaction */
    return weir_txn_image_apply(impl, record, error);
}

static int add_record(void *context, const struct weir_record *record)
{
    struct weir_snapshot_builder *builder = context;
    weir_snapshot_builder_add(builder, record);
    return builder->rc;
}

static void write_image(const void *impl, struct weir_snapshot_builder *builder)
{
    int rc = weir_txn_image_each(impl, add_record, builder);
    if (rc < 0) builder->rc = rc; /* its own failure comes back as it is, so nothing is lost */
}

static void reset_image(void *impl)
{
    struct weir_txn_image *image = impl;
    struct weir_budget *budget = image->budget;
    weir_txn_image_close(image);
    weir_txn_image_init(image, budget);
}

static const struct weir_fold_ops fold_ops = {
    .apply = apply_record,
    .reset = reset_image,
    .write = write_image,
};

/* ---- beginning and end ----------------------------------------------------------------------- */

int weir_transaction_partition_new(struct weir_transaction_coordinator *coordinator,
                                   struct weir_partition *partition,
                                   struct weir_transaction_partition **home_out)
{
    struct weir_budget *budget = &coordinator->budget;
    struct weir_transaction_partition *home = weir_alloc_zero(budget, sizeof *home);
    if (home == NULL) return WEIR_NO_MEMORY;
    home->magic = WEIR_TRANSACTION_PARTITION_MAGIC;
    home->coordinator = coordinator;
    home->partition = partition;
    weir_txn_image_init(&home->image, budget);
    weir_coordinator_log_init(&home->log, partition, &fold_ops, &home->image);
    weir_map_init(&home->live, budget);
    weir_deadline_heap_init(&home->deadlines, budget);
    weir_arena_init(&home->update_arena, partition->shard->budget, 4096);
    weir_buffer_init(&home->key, partition->shard->budget, 0);
    weir_buffer_init(&home->value, partition->shard->budget, 0);
    *home_out = home;
    return 0;
}

void weir_transaction_partition_free(struct weir_transaction_partition *home)
{
    weir_assert(weir_map_count(&home->live) == 0);
    weir_coordinator_log_close(&home->log);
    weir_txn_image_close(&home->image);
    weir_map_close(&home->live);
    weir_deadline_heap_close(&home->deadlines);
    weir_arena_close(&home->update_arena);
    weir_buffer_close(&home->key);
    weir_buffer_close(&home->value);
    weir_free(home);
}

struct weir_transaction_partition *
weir_transaction_partition_of(const struct weir_partition *partition)
{
    struct weir_transaction_partition *home = partition->state_machine;
    weir_assert(home != NULL && home->magic == WEIR_TRANSACTION_PARTITION_MAGIC);
    return home;
}
