#include "runtime/job/start_partition.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/uuid.h"
#include "wire/record_batch_reader.h"

static bool is_internal(const struct weir_start_topic *topic)
{
    return topic->role == WEIR_START_REPARTITION || topic->role == WEIR_START_CHANGELOG;
}

/* ---- the log and the commit ------------------------------------------------------------------ */

struct weir_start_partition weir_start_partition_new(void)
{
    return (struct weir_start_partition){
        .committed = -1,
        .committed_epoch = -1,
        .epoch_end = INT64_MAX,
        .foreign_at = -1,
        .partition_time_ms = -1,
    };
}

void weir_start_describe(struct weir_start_partition *partition,
                         const struct weir_describe_partition_request *described)
{
    partition->leader_epoch = described->leader_epoch;
    partition->log_start = described->log_start_offset;
    partition->log_end = described->log_end_offset;
    partition->compacted_end = described->compacted_end_offset;
    partition->is_offline = described->is_offline;
    partition->offline_from = described->offline_from;
    partition->lost = described->lost;
    partition->lost_count = described->lost_count;
}

int weir_start_refuse_offline(const char *topic, int32_t partition, int64_t offline_from,
                              struct weir_error *error)
{
    char from[48] = "";
    if (offline_from >= 0) {
        (void)snprintf(from, sizeof from, " from offset %" PRId64 " on", offline_from);
    }
    return weir_error_set(error, WEIR_OFFLINE,
                          "partition %" PRId32
                          " is offline%s: put back what is missing, or close the log and let 'weir "
                          "log repair DIR %s/%" PRId32 "' show what can be saved",
                          partition, from, topic, partition);
}

bool weir_start_is_named_as_internal(const char *name)
{
    static const char *const ends[] = {"-changelog", "-repartition"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t size = strlen(name), end = strlen(ends[i]);
        if (size > end && strcmp(name + size - end, ends[i]) == 0) return true;
    }
    return false;
}

void weir_start_take_entry(struct weir_start_topic *topic, const struct weir_commit_entry *entry)
{
    int32_t number = entry->of.partition;
    if (entry->offset < 0 || number < 0 || number == INT32_MAX) return;
    bool is_it = weir_uuid_equal(entry->topic_id, topic->id);
    bool is_there = topic->exists && number < topic->partition_count;
    /* Where this topic has fewer partitions than one of its name before, nothing else would tell of that one. */
    topic->is_other_named |= topic->exists && !is_it && !is_there;
    bool counts = is_there || is_it || !topic->exists;
    if (counts && number >= topic->entry_count) topic->entry_count = number + 1;
    if (!is_there) return;
    weir_assert(topic->partitions != NULL);
    struct weir_start_partition *partition = &topic->partitions[number];
    partition->is_foreign_entry = entry->is_foreign;
    partition->has_processed =
        entry->partition_time_ms >= 0 || weir_read_batch_is_known(&entry->read);
    if (!is_it) {
        partition->is_other_topic = true;
        return;
    }
    bool has_end = !entry->is_foreign && topic->role == WEIR_START_REPARTITION;
    partition->has_entry = true;
    partition->committed = entry->offset;
    partition->committed_end = has_end ? entry->end : entry->offset;
    if (partition->committed_end < 0) partition->committed_end = 0;
    partition->committed_epoch = entry->leader_epoch;
    partition->read = entry->read;
    partition->partition_time_ms = entry->partition_time_ms;
    partition->marks = entry->marks;
    partition->mark_count = entry->mark_count;
}

/* ---- epochs ---------------------------------------------------------------------------------- */

/* Nothing was cut since if the epoch is the same and the end is not lower. */
bool weir_start_is_in_doubt(const struct weir_start_topic *topic,
                            const struct weir_start_partition *partition)
{
    int64_t end = is_internal(topic) ? partition->committed_end : partition->committed;
    if (!partition->has_entry || partition->committed_epoch < 0) return false;
    return partition->committed_epoch != partition->leader_epoch || partition->log_end < end;
}

/* Where an epoch ended that the log has not reached. An internal topic has one writer, and this is
 * another log than the one that its commit covers: nothing of it counts. Of an input all that is there
 * is of an earlier epoch, so its end has to do, as for a consumer. */
static int64_t unreached_end(const struct weir_start_topic *topic,
                             const struct weir_start_partition *partition)
{
    return is_internal(topic) ? partition->log_start : partition->log_end;
}

void weir_start_take_epoch_end(const struct weir_start_topic *topic,
                               struct weir_start_partition *partition, int64_t end_offset)
{
    weir_assert(weir_start_is_in_doubt(topic, partition));
    partition->epoch_end = end_offset >= 0 ? end_offset : unreached_end(topic, partition);
}

/* ---- tails ----------------------------------------------------------------------------------- */

static bool is_of_run(const struct weir_commit_recover *committed, int64_t producer_id)
{
    for (size_t i = 0; i < committed->producer_count; i++) {
        if (committed->producer_ids[i] != producer_id) continue;
        if (committed->are_there != NULL) committed->are_there[i] = true;
        return true;
    }
    return false;
}

/* Markers end what a producer has left, and are no records. */
static bool has_records(const struct weir_batch_header *header)
{
    return header->record_count > 0 && !weir_batch_is_control(header);
}

int weir_start_check_tail(const struct weir_commit_recover *committed, struct weir_slice batches,
                          int64_t *from, bool *is_ours_out, struct weir_error *error)
{
    struct weir_batch_reader reader = {.rest = batches};
    int rc;
    while ((rc = weir_batch_reader_next(&reader, error)) == 0) {
        const struct weir_batch_header *header = &reader.header;
        int64_t last = weir_batch_last_offset(header);
        if (last < *from) continue;
        *is_ours_out = header->base_offset >= *from &&
                       (!has_records(header) || is_of_run(committed, header->producer_id));
        if (!*is_ours_out) return 0;
        *from = last + 1;
    }
    return rc < 0 ? rc : 0;
}

/* ---- what was read last ---------------------------------------------------------------------- */

bool weir_start_is_comparable(const struct weir_start_partition *partition)
{
    if (!partition->has_entry || partition->is_foreign_entry) return false;
    if (!weir_read_batch_is_known(&partition->read)) return false;
    int64_t last = weir_read_batch_last(&partition->read);
    if (last < partition->log_start || last >= partition->log_end) return false;
    if (partition->is_offline && last >= partition->offline_from) return false;
    return last < partition->epoch_end;
}

void weir_start_take_read(struct weir_start_partition *partition, int64_t offset,
                          struct weir_slice bytes)
{
    struct weir_batch_reader reader = {.rest = bytes};
    struct weir_error why = {0};
    weir_assert(weir_read_batch_is_known(&partition->read));
    if (weir_batch_reader_next(&reader, &why) != 0) return;
    if (weir_batch_last_offset(&reader.header) < offset) return;
    if (weir_batch_is_given_up(&reader.header)) return;
    if (weir_batch_check_crc(reader.batch, &why) < 0) return;
    partition->found_there = weir_read_batch_of(&reader.header);
}
