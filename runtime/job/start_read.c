#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/start_internal.h"
#include "wire/record_batch_reader.h"

/**
 * Is the log of an input the one that was read? Leader epoch and end tell a log that was cut. They do not
 * tell an older copy of it that was put back and has grown past the commit since: there the job would go
 * on in the middle of records that it has never seen. So a commit names, by its header, the batch that was
 * read last, and a start looks whether that batch lies there still. It costs a read of one batch for each
 * partition of an input, and works against any log.
 *
 * Where the batch may be gone, or be another, for a reason of its own nothing is compared: taken by
 * retention, cut (its epoch ended below it), given up by a repair, compacted, damaged.
 */

/* Where only deletion takes records, a batch stays as it is. */
static bool is_kept_as_written(const struct weir_start *start, size_t topic)
{
    return start->topics[topic].request.rc >= 0 && !start->topics[topic].config.cleanup_compact;
}

/* How many there are; where `read` is not NULL they are asked for. */
static size_t ask(struct weir_start *start, struct weir_start_read *read)
{
    size_t count = 0;
    for (size_t t = 0; t < start->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &start->facts.topics[t];
        bool is_looked_at = topic->role == WEIR_START_INPUT && topic->exists;
        if (!is_looked_at || !is_kept_as_written(start, t)) continue;
        for (int32_t p = 0; p < topic->partition_count; p++) {
            struct weir_start_partition *partition = &topic->partitions[p];
            if (!weir_start_is_comparable(partition)) continue;
            if (read != NULL) {
                read[count].partition = partition;
                read[count].fetch = (struct weir_fetch_request){
                    .request = weir_start_asked(start),
                    .from = {weir_text(topic->name), p},
                    .offset = weir_read_batch_last(&partition->read),
                    .size_max = 1, /* a batch is given whole */
                    .deadline = WEIR_MONO_NEVER,
                };
                read[count].fetch.request.topic_id = topic->id;
                weir_log_fetch(start->streams->log, &read[count].fetch);
            }
            count++;
        }
    }
    return count;
}

/* The batch that lies there, if it can be believed. */
static void take(struct weir_start_read *read)
{
    const struct weir_fetch_request *fetch = &read->fetch;
    weir_assert(weir_read_batch_is_known(&read->partition->read));
    if (fetch->batches.part_count == 0) return;
    weir_start_take_read(read->partition, fetch->offset,
                         weir_log_part_bytes(&fetch->batches.parts[0]));
}

/* Another answer than the batch: it has gone meanwhile, or cannot be read. Reading on will tell. */
static bool is_unknown(int rc)
{
    return rc == WEIR_OFFSET_OUT_OF_RANGE || rc == WEIR_OFFLINE || rc == WEIR_CORRUPT;
}

static int take_all(struct weir_start *start, struct weir_error *error)
{
    int failed = 0;
    weir_assert(start->outstanding == 0);
    for (size_t i = 0; i < start->read_count; i++) {
        struct weir_start_read *read = &start->read[i];
        const struct weir_request *request = &read->fetch.request;
        if (request->rc >= 0) {
            take(read);
            weir_log_batches_release(&read->fetch.batches);
        } else if (failed == 0 && !is_unknown(request->rc)) {
            const struct weir_slice name = read->fetch.from.topic;
            weir_error_copy(error, &request->error);
            failed = weir_error_wrap(error, request->rc, "read '%.*s' partition %" PRId32,
                                     (int)name.size, (const char *)name.data,
                                     read->fetch.from.partition);
        }
    }
    start->read_count = 0;
    return failed;
}

int weir_start_look_at_read(struct weir_start *start, struct weir_error *error)
{
    if (start->read_count > 0) return take_all(start, error);
    size_t count = ask(start, NULL);
    if (count == 0) return 0;
    start->read = weir_arena_array(&start->arena, count, sizeof *start->read);
    if (start->read == NULL) return weir_start_no_memory(error);
    start->read_count = ask(start, start->read);
    weir_assert(start->read_count == count);
    return WEIR_START_AGAIN;
}
