#include "runtime/job/commit_offsets.h"

#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/commit_metadata.h"

/* Ours, or of somebody else, or of a version that this Weir does not read: whether that is an error depends
 * on who needs it. */
static int read_entry(const struct weir_offset_entry *from, struct weir_arena *memory,
                      struct weir_arena *arena, struct weir_commit_entry *entry,
                      struct weir_error *error)
{
    struct weir_commit_metadata metadata = {.partition_time_ms = -1, .end_offset = -1};
    struct weir_error why = {0};
    const char *unreadable = NULL;
    int rc = weir_commit_metadata_decode(from->metadata, memory, &metadata, &why);
    if (rc == WEIR_UNSUPPORTED_VERSION) {
        unreadable = weir_arena_printf(arena, "%s", why.text);
        if (unreadable == NULL) rc = WEIR_NO_MEMORY;
    }
    if (rc == WEIR_NO_MEMORY) return weir_error_set(error, rc, "no memory for the last commit");
    *entry = (struct weir_commit_entry){
        .of = from->partition,
        .topic_id = from->topic_id,
        .offset = from->offset,
        .end = metadata.end_offset,
        .leader_epoch = from->leader_epoch,
        .read = metadata.read,
        .partition_time_ms = metadata.partition_time_ms,
        .marks = metadata.marks,
        .mark_count = metadata.mark_count,
        .streams_time_ms =
            rc == WEIR_CORRUPT ? weir_commit_metadata_streams_time(from->metadata, arena) : -1,
        .is_foreign = rc == WEIR_CORRUPT,
        .unreadable = unreadable,
    };
    return 0;
}

/* The entry of the application's own topic. */
static int read_run(const struct weir_offset_entry *from, struct weir_arena *memory,
                    struct weir_commit_recover *recover, struct weir_error *error)
{
    struct weir_commit_run run;
    int rc = weir_commit_run_decode(from->metadata, memory, &run, error);
    if (rc == WEIR_CORRUPT) return 0;
    if (rc < 0) return weir_error_wrap(error, rc, "last commit");
    recover->has_commit = true;
    recover->is_reset_begun = run.is_reset_begun;
    recover->records_topic_id = from->topic_id;
    recover->records_end = from->offset;
    recover->producer_ids = run.producer_ids;
    recover->producer_count = run.count;
    recover->transaction_count = run.transaction_count;
    return 0;
}

int weir_commit_offsets_read(const struct weir_commit_offsets *offsets, struct weir_arena *memory,
                             struct weir_commit_recover *recover, struct weir_error *error)
{
    struct weir_slice own = weir_text(offsets->records_topic);
    struct weir_arena *arena = recover->call.arena;
    weir_assert(!recover->has_commit && recover->entry_count == 0);
    recover->entries = weir_arena_array(arena, offsets->entry_count, sizeof *recover->entries);
    if (recover->entries == NULL && offsets->entry_count > 0) {
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for the last commit");
    }
    int rc = 0;
    for (size_t i = 0; rc >= 0 && i < offsets->entry_count; i++) {
        const struct weir_offset_entry *from = &offsets->entries[i];
        if (weir_slice_equal(from->partition.topic, own)) {
            rc = read_run(from, memory, recover, error);
        } else {
            struct weir_commit_entry *entry = &recover->entries[recover->entry_count];
            rc = read_entry(from, memory, arena, entry, error);
            if (rc >= 0) recover->entry_count++;
        }
    }
    return rc;
}
