#include "broker/engine/fold.h"

#include "base/error.h"
#include "wire/record_batch_reader.h"

enum { READ_SIZE = 1 << 20 };

void weir_fold_init(struct weir_fold *fold, const struct weir_fold_ops *ops, void *impl,
                    struct weir_budget *budget)
{
    *fold = (struct weir_fold){
        .ops = ops, .impl = impl, .budget = budget, .last_timestamp_ms = WEIR_NO_TIMESTAMP};
    weir_buffer_init(&fold->plain, budget, 0);
}

void weir_fold_close(struct weir_fold *fold)
{
    if (fold->ops != NULL) weir_buffer_close(&fold->plain);
    *fold = (struct weir_fold){0};
}

/* Markers end transactions; other control records move the offset only. */
static int fold_record(struct weir_fold *fold, const struct weir_batch_header *header,
                       const struct weir_record *record, struct weir_error *error)
{
    if (!weir_batch_is_control(header)) {
        return fold->ops->apply(fold->impl, header, record, error);
    }
    int type = weir_control_type(record->key);
    bool is_marker =
        header->producer_id >= 0 && (type == WEIR_CONTROL_COMMIT || type == WEIR_CONTROL_ABORT);
    if (is_marker && fold->ops->end_transaction != NULL) {
        fold->ops->end_transaction(fold->impl, header->producer_id, type == WEIR_CONTROL_COMMIT);
    }
    return 0;
}

static int fold_batch(struct weir_fold *fold, struct weir_batch_reader *reader,
                      struct weir_error *error)
{
    struct weir_record record;
    int rc = weir_batch_reader_open(reader, error);
    if (rc < 0) return rc;

    while ((rc = weir_batch_reader_record(reader, &record, error)) == 0) {
        if (record.offset < fold->next_offset) continue;
        rc = fold_record(fold, &reader->header, &record, error);
        if (rc < 0) {
            return weir_error_wrap(error, rc, "record at offset %lld", (long long)record.offset);
        }
        fold->next_offset = record.offset + 1;
    }
    if (rc < 0) return rc;
    int64_t next = weir_batch_last_offset(&reader->header) + 1;
    if (next > fold->next_offset) fold->next_offset = next;
    fold->last_timestamp_ms = reader->header.max_timestamp_ms;
    fold->bytes_since += (int64_t)reader->batch.size;
    return 0;
}

int weir_fold_batches(struct weir_fold *fold, struct weir_slice batches, struct weir_error *error)
{
    struct weir_batch_reader reader = {.rest = batches, .plain = &fold->plain, .is_whole = true};
    int rc;
    while ((rc = weir_batch_reader_next(&reader, error)) == 0) {
        if (weir_batch_last_offset(&reader.header) < fold->next_offset) continue;
        rc = fold_batch(fold, &reader, error);
        if (rc < 0) return rc;
    }
    return rc < 0 ? rc : 0;
}

/* What came does not fold. If the disk is why, the log notes it: as with any reader of a partition
 * (damage_report.c), the batch is read once more, past every cache. */
static void check_disk(const struct weir_fold *fold, struct weir_partition_log *log)
{
    struct weir_log_read check = {
        .offset = fold->next_offset, .offset_max = INT64_MAX, .checks_disk = true};
    if (weir_log_read_begin(log, &check) == WEIR_END) {
        weir_log_read_run(&check);
        (void)weir_log_read_end(&check); /* the first error is the news */
    }
    weir_log_read_release(&check);
}

/* What the log knows of it by now, with what can be done; the code stays what it was. */
static void name_damage(const struct weir_partition_log *log, struct weir_error *error)
{
    struct weir_error known;
    if (weir_partition_log_check_online(log, &known) == 0) return;
    (void)weir_error_set(error, WEIR_CORRUPT, "%s", known.text);
}

/* Read once from `next_offset` and fold in what came. */
static int fold_read(struct weir_fold *fold, struct weir_partition_log *log, int64_t end_offset,
                     struct weir_error *error)
{
    struct weir_log_read read = {
        .offset = fold->next_offset, .offset_max = end_offset, .size_max = READ_SIZE};
    int rc = weir_log_read_begin(log, &read);
    if (rc == WEIR_END) {
        weir_log_read_run(&read);
        rc = weir_log_read_end(&read);
    }
    if (rc < 0) {
        return weir_error_set(error, (enum weir_code)rc, "read from offset %lld: %s",
                              (long long)fold->next_offset, read.error.text);
    }
    for (size_t i = 0; rc == 0 && i < read.batches.part_count; i++) {
        const struct weir_log_part *part = &read.batches.parts[i];
        rc = weir_fold_batches(fold, weir_log_part_bytes(part), error);
    }
    if (rc == 0 && read.batches.part_count == 0) {
        rc = weir_error_set(error, WEIR_CORRUPT, "nothing at offset %lld, the log ends at %lld",
                            (long long)fold->next_offset, (long long)end_offset);
    }
    weir_log_read_release(&read);
    if (rc == WEIR_CORRUPT) {
        check_disk(fold, log);
        name_damage(log, error);
    }
    return rc;
}

int weir_fold_catch_up(struct weir_fold *fold, struct weir_partition_log *log, int64_t end_offset,
                       struct weir_error *error)
{
    while (fold->next_offset < end_offset) {
        int rc = fold_read(fold, log, end_offset, error);
        if (rc < 0) return rc;
    }
    return 0;
}

static int apply_snapshot_record(void *context, const struct weir_batch_header *header,
                                 const struct weir_record *record, struct weir_error *error)
{
    struct weir_fold *fold = context;
    return fold->ops->apply(fold->impl, header, record, error);
}

/* The newest snapshot that can be read; one of offset 0 if there is none. Why the newest of all could
 * not be is left in `damage`. */
static int load_newest(struct weir_fold *fold, struct weir_env *env, const char *folder,
                       struct weir_snapshot_id *id_out, struct weir_error *damage,
                       struct weir_error *error)
{
    struct weir_snapshot_id id = {0};
    int64_t below = INT64_MAX;
    int rc;
    while ((rc = weir_snapshot_find(env, folder, below, &id, error)) == 0) {
        struct weir_error why = {0};
        rc = weir_snapshot_load(env, fold->budget, folder, id, apply_snapshot_record, fold, &why);
        if (rc == 0) {
            *id_out = id;
            return 0;
        }
        if (rc != WEIR_CORRUPT) {
            if (error != NULL) *error = why;
            return rc;
        }
        char text[2 * WEIR_ERROR_TEXT_SIZE];
        weir_log(&env->logger, WEIR_LOG_WARN, "snapshot.damaged", "folder=%s reason=%s", folder,
                 weir_log_quote(text, sizeof text, why.text));
        if (damage->code == 0) *damage = why;
        fold->ops->reset(fold->impl);
        below = id.offset;
    }
    if (rc < 0) return rc;
    *id_out = (struct weir_snapshot_id){0};
    return 0;
}

static int refuse_gap(const struct weir_partition_log_state *state, const char *folder,
                      int64_t offset, const struct weir_error *damage, struct weir_error *error)
{
    bool is_damaged = damage->code != 0;
    return weir_error_set(error, WEIR_CORRUPT,
                          "'%s' holds offsets %lld to %lld, and the newest snapshot that can be "
                          "read ends at %lld: what lies between is missing%s%.200s",
                          folder, (long long)state->start_offset, (long long)state->end_offset,
                          (long long)offset, is_damaged ? "; " : "",
                          is_damaged ? damage->text : "");
}

int weir_fold_restore(struct weir_fold *fold, struct weir_env *env, struct weir_partition_log *log,
                      const char *folder, struct weir_error *error)
{
    struct weir_partition_log_state state = weir_partition_log_state(log);
    struct weir_snapshot_id id = {0};
    struct weir_error damage = {0};
    int rc = load_newest(fold, env, folder, &id, &damage, error);
    if (rc < 0) return rc;
    if (id.offset < state.start_offset || id.offset > state.end_offset) {
        return refuse_gap(&state, folder, id.offset, &damage, error);
    }
    weir_fold_snapshot_taken(fold, id.offset);
    fold->next_offset = id.offset;
    while (fold->next_offset < state.end_offset) {
        rc = fold_read(fold, log, state.end_offset, error);
        if (rc < 0) return weir_error_wrap(error, rc, "replay '%s'", folder);
    }
    return 0;
}

int weir_fold_snapshot(const struct weir_fold *fold, struct weir_snapshot_builder *builder)
{
    weir_snapshot_builder_init(builder, fold->budget, fold->last_timestamp_ms);
    fold->ops->write(fold->impl, builder);
    return weir_snapshot_builder_finish(builder);
}

void weir_fold_snapshot_taken(struct weir_fold *fold, int64_t offset)
{
    fold->snapshot_offset = offset;
    fold->bytes_since = 0;
}
