#ifndef WEIR_BROKER_ENGINE_SNAPSHOT_FILE_H
#define WEIR_BROKER_ENGINE_SNAPSHOT_FILE_H

#include "base/env/env.h"
#include "wire/record_batch.h"

/**
 * Snapshots of a state machine, beside the log they shorten, in KRaft's form:
 *
 *     <offset, 20 digits>-<epoch, 10 digits>.checkpoint
 *
 * holds what the records below `offset` amount to: a control batch with the snapshot header,
 * batches of records, a control batch with the footer. What an open transaction has written is in batches of
 * its producer id, transactional as in the log. It is written under a name that ends in
 * ".tmp", synced, renamed, and the folder synced; so a file with the right name is a whole one, and
 * one without a footer is damaged. Sources: KIP-630; docs/format/metadata.md.
 */
struct weir_snapshot_id {
    int64_t offset; /* the first record that is not in it */
    int32_t epoch;
};

/** Gathers records into batches; the bytes are what is written. */
struct weir_snapshot_builder {
    struct weir_batch_builder batch;
    struct weir_buffer bytes;
    int64_t offset;      /* of the next record within the snapshot */
    int64_t producer_id; /* in whose open transaction the records gathered are; -1: in none */
    int rc;              /* the first failure sticks */
};

/** Cannot fail; begins with the header. `last_timestamp_ms`: of the last record that is in it. */
void weir_snapshot_builder_init(struct weir_snapshot_builder *builder, struct weir_budget *budget,
                                int64_t last_timestamp_ms);
void weir_snapshot_builder_add(struct weir_snapshot_builder *builder,
                               const struct weir_record *record);
/** One that is in the open transaction of this producer id. */
void weir_snapshot_builder_add_pending(struct weir_snapshot_builder *builder, int64_t producer_id,
                                       const struct weir_record *record);
/** Close the last batch, add the footer. WEIR_NO_MEMORY. */
int weir_snapshot_builder_finish(struct weir_snapshot_builder *builder);
void weir_snapshot_builder_close(struct weir_snapshot_builder *builder);

/** Write atomically and durably, then remove those below `keep_from`: the one before stays, in case
 * that this one rots. Any thread that may block. */
int weir_snapshot_write(struct weir_env *env, const char *folder, struct weir_snapshot_id id,
                        int64_t keep_from, struct weir_slice bytes, struct weir_error *error);

/** For each record of a snapshot, with the header of its batch; a failure ends it. */
typedef int (*weir_snapshot_record_fn)(void *context, const struct weir_batch_header *header,
                                       const struct weir_record *record, struct weir_error *error);
/** Read the bytes of a snapshot: header, records, footer, nothing behind. Else WEIR_CORRUPT. */
int weir_snapshot_parse(struct weir_budget *budget, struct weir_slice bytes,
                        weir_snapshot_record_fn each, void *context, struct weir_error *error);

/** Whether it is exactly a snapshot's name, and then whose. */
bool weir_snapshot_parse_name(const char *name, struct weir_snapshot_id *id_out);
/** The name of the newest snapshot in `folder` whose offset is below `below` (INT64_MAX: any), or
 * WEIR_END if there is none. Leftovers of a write that was cut short are removed. */
int weir_snapshot_find(struct weir_env *env, const char *folder, int64_t below,
                       struct weir_snapshot_id *id_out, struct weir_error *error);
int weir_snapshot_load(struct weir_env *env, struct weir_budget *budget, const char *folder,
                       struct weir_snapshot_id id, weir_snapshot_record_fn each, void *context,
                       struct weir_error *error);

#endif
