#include "broker/coordinator/offsets_image.h"
#include "wire/record_batch.h"

/* Every record of an image goes out through here, from buffers that are reused. */
struct each {
    weir_offsets_record_fn each;
    void *context;
    struct weir_buffer key;
    struct weir_buffer value;
};

static int each_value(struct each *each, const struct weir_committed_offset *offset,
                      int64_t producer_id, const struct weir_offset_value *value)
{
    struct weir_offset_commit commit = {
        .group = offset->group->name,
        .topic = offset->topic,
        .partition = offset->partition,
        .offset = value->offset,
        .leader_epoch = value->leader_epoch,
        .metadata = weir_slice(value->metadata, value->metadata_size),
        .commit_timestamp_ms = value->commit_timestamp_ms,
        .expire_timestamp_ms = value->expire_timestamp_ms,
        .topic_id = value->topic_id,
    };
    weir_buffer_reset(&each->key);
    weir_buffer_reset(&each->value);
    int rc = weir_offset_commit_encode(&commit, &each->key, &each->value);
    if (rc < 0) return rc;
    return each->each(each->context, producer_id,
                      &(struct weir_record){.key = weir_buffer_slice(&each->key),
                                            .value = weir_buffer_slice(&each->value),
                                            .timestamp_ms = value->commit_timestamp_ms});
}

/* In the order of the log, so that what makes the same again takes the same for the last. */
static int each_offset(struct each *each, const struct weir_committed_offset *offset)
{
    const struct weir_pending_offset *pending = offset->pending.first;
    bool is_out = !offset->is_committed;
    int rc = 0;
    while (rc == 0 && (pending != NULL || !is_out)) {
        bool is_next = pending == NULL || pending->value.order > offset->value.order;
        if (!is_out && is_next) {
            rc = each_value(each, offset, WEIR_NO_PRODUCER_ID, &offset->value);
            is_out = true;
        } else {
            rc = each_value(each, offset, pending->transaction->producer_id, &pending->value);
            pending = pending->next;
        }
    }
    return rc;
}

static int each_of_group(struct each *each, const struct weir_committed_group *group)
{
    int rc = 0;
    size_t at = 0;
    const struct weir_kept_record *kept;
    const struct weir_committed_offset *offset;
    while (rc == 0 && (kept = weir_map_next(&group->records, &at)) != NULL) {
        rc = each->each(each->context, WEIR_NO_PRODUCER_ID,
                        &(struct weir_record){.key = kept->key, .value = kept->value});
    }
    at = 0;
    while (rc == 0 && (offset = weir_map_next(&group->offsets, &at)) != NULL) {
        rc = each_offset(each, offset);
    }
    return rc;
}

static void each_init(struct each *each, const struct weir_offsets_image *image,
                      weir_offsets_record_fn call, void *context)
{
    *each = (struct each){.each = call, .context = context};
    weir_buffer_init(&each->key, image->budget, 0);
    weir_buffer_init(&each->value, image->budget, 0);
}

static void each_close(struct each *each)
{
    weir_buffer_close(&each->key);
    weir_buffer_close(&each->value);
}

int weir_committed_group_each(const struct weir_offsets_image *image,
                              const struct weir_committed_group *group, weir_offsets_record_fn call,
                              void *context)
{
    struct each each;
    each_init(&each, image, call, context);
    int rc = each_of_group(&each, group);
    each_close(&each);
    return rc;
}

int weir_offsets_image_each(const struct weir_offsets_image *image, weir_offsets_record_fn call,
                            void *context)
{
    struct each each;
    size_t at = 0;
    const struct weir_committed_group *group;
    int rc = 0;
    each_init(&each, image, call, context);
    while (rc == 0 && (group = weir_map_next(&image->groups, &at)) != NULL) {
        rc = each_of_group(&each, group);
    }
    each_close(&each);
    return rc;
}
