#include "broker/coordinator/offsets_image.h"

#include "base/assert.h"
#include "base/error.h"
#include "wire/topic_names.h"
#include "wire/coordinator_record.h"
#include "wire/record_batch.h"
#include "wire/generated/consumer_group_current_member_assignment_key.h"
#include "wire/generated/consumer_group_member_metadata_key.h"
#include "wire/generated/consumer_group_metadata_key.h"
#include "wire/generated/consumer_group_regular_expression_key.h"
#include "wire/generated/consumer_group_target_assignment_member_key.h"
#include "wire/generated/consumer_group_target_assignment_metadata_key.h"
#include "wire/generated/group_metadata_key.h"
#include "wire/generated/group_metadata_value.h"
#include "wire/generated/offset_commit_key.h"
#include "wire/generated/offset_commit_value.h"

enum {
    KEY_SIZE_MAX = INT16_MAX + WEIR_PARTITION_KEY_EXTRA,
    VALUE_VERSION = 4,
    EXPIRING_VERSION =
        1, /* the only one with a time of its own; it has no leader epoch and no topic id */
    OWNER_VERSION = 3,
    METADATA_FLEXIBLE_FROM = 4,
};

/* ---- memory ---------------------------------------------------------------------------------- */

static void drop_pending(struct weir_offsets_image *image, struct weir_pending_offset *pending)
{
    struct weir_committed_group *group = pending->of->group;
    weir_assert(group->pending_count > 0);
    group->pending_count--;
    weir_pending_offsets_drop(&image->pending, pending);
}

static void offset_free(struct weir_offsets_image *image, struct weir_committed_offset *offset)
{
    if (offset == NULL) return;
    while (offset->pending.first != NULL) {
        drop_pending(image, offset->pending.first);
    }
    weir_free(offset->value.metadata);
    weir_free(offset);
}

static struct weir_committed_offset *offset_new(struct weir_offsets_image *image,
                                                const struct weir_offset_commit *commit)
{
    size_t size = commit->topic.size;
    struct weir_committed_offset *offset =
        weir_alloc_zero(image->budget, sizeof *offset + size + WEIR_PARTITION_KEY_EXTRA);
    if (offset == NULL) return NULL;
    uint8_t *key = (uint8_t *)(offset + 1);
    offset->key = weir_partition_key(key, commit->topic, commit->partition);
    offset->topic = weir_slice(key, size);
    offset->partition = commit->partition;
    return offset;
}

static void kept_free(struct weir_kept_record *kept)
{
    if (kept == NULL) return;
    weir_free((void *)kept->value.data);
    weir_free(kept);
}

static void group_free(struct weir_offsets_image *image, struct weir_committed_group *group)
{
    size_t at = 0;
    struct weir_committed_offset *offset;
    while ((offset = weir_map_next(&group->offsets, &at)) != NULL) {
        (void)weir_map_remove(&group->offsets, offset->key);
        offset_free(image, offset);
    }
    weir_assert(group->pending_count == 0);
    struct weir_kept_record *record;
    at = 0;
    while ((record = weir_map_next(&group->records, &at)) != NULL) {
        (void)weir_map_remove(&group->records, record->key);
        kept_free(record);
    }
    weir_map_close(&group->offsets);
    weir_map_close(&group->records);
    weir_free(group);
}

/* The group, made if it is not there; NULL when memory is out. */
static struct weir_committed_group *need_group(struct weir_offsets_image *image,
                                               struct weir_slice name)
{
    struct weir_committed_group *group = weir_map_get(&image->groups, name);
    if (group != NULL) return group;
    group = weir_alloc_zero(image->budget, sizeof *group + name.size);
    if (group == NULL) return NULL;
    uint8_t *copy = (uint8_t *)(group + 1);
    memcpy(copy, name.data, name.size);
    group->name = weir_slice(copy, name.size);
    weir_map_init(&group->offsets, image->budget);
    weir_map_init(&group->records, image->budget);
    if (weir_map_add(&image->groups, group->name, group) < 0) {
        group_free(image, group);
        return NULL;
    }
    return group;
}

static void drop_group_if_empty(struct weir_offsets_image *image,
                                struct weir_committed_group *group)
{
    if (group == NULL || weir_map_count(&group->records) > 0) return;
    if (weir_map_count(&group->offsets) > 0) return;
    (void)weir_map_remove(&image->groups, group->name);
    group_free(image, group);
}

/* With it goes the group that has nothing else. */
static void drop_offset_if_empty(struct weir_offsets_image *image,
                                 struct weir_committed_offset *offset)
{
    struct weir_committed_group *group = offset->group;
    if (offset->is_committed || offset->pending.first != NULL) return;
    (void)weir_map_remove(&group->offsets, offset->key);
    offset_free(image, offset);
    drop_group_if_empty(image, group);
}

static struct weir_committed_offset *find_in(const struct weir_committed_group *group,
                                             struct weir_slice topic, int32_t partition)
{
    uint8_t key[KEY_SIZE_MAX];
    if (topic.size > KEY_SIZE_MAX - WEIR_PARTITION_KEY_EXTRA) return NULL;
    return weir_map_get(&group->offsets, weir_partition_key(key, topic, partition));
}

/* ---- folding --------------------------------------------------------------------------------- */

static void forget(struct weir_offsets_image *image, const struct weir_offset_commit *commit)
{
    struct weir_committed_group *group = weir_map_get(&image->groups, commit->group);
    if (group == NULL) return;
    struct weir_committed_offset *offset = find_in(group, commit->topic, commit->partition);
    if (offset != NULL) {
        (void)weir_map_remove(&group->offsets, offset->key);
        offset_free(image, offset);
    }
    drop_group_if_empty(image, group);
}

/* Made if it is not there, with its group; NULL when memory is out. */
static struct weir_committed_offset *need_offset(struct weir_offsets_image *image,
                                                 const struct weir_offset_commit *commit)
{
    struct weir_committed_group *group = need_group(image, commit->group);
    if (group == NULL) return NULL;
    struct weir_committed_offset *offset = find_in(group, commit->topic, commit->partition);
    if (offset != NULL) return offset;
    offset = offset_new(image, commit);
    if (offset == NULL || weir_map_add(&group->offsets, offset->key, offset) < 0) {
        weir_free(offset);
        drop_group_if_empty(image, group);
        return NULL;
    }
    offset->group = group;
    return offset;
}

/* Takes the value's metadata. */
static void settle_value(struct weir_committed_offset *offset,
                         const struct weir_offset_value *value)
{
    weir_free(offset->value.metadata);
    offset->value = *value;
    offset->is_committed = true;
}

static int remember(struct weir_offsets_image *image, int64_t producer_id,
                    const struct weir_offset_commit *commit)
{
    struct weir_offset_value value = {
        .offset = commit->offset,
        .leader_epoch = commit->leader_epoch,
        .commit_timestamp_ms = commit->commit_timestamp_ms,
        .expire_timestamp_ms = commit->expire_timestamp_ms,
        .topic_id = commit->topic_id,
        .metadata = weir_alloc_text(image->budget, (const char *)commit->metadata.data,
                                    commit->metadata.size),
        .metadata_size = commit->metadata.size,
        .order = image->next_order,
    };
    struct weir_committed_offset *offset =
        value.metadata != NULL ? need_offset(image, commit) : NULL;
    int rc = offset != NULL ? 0 : WEIR_NO_MEMORY;
    if (rc == 0 && producer_id >= 0) {
        rc = weir_pending_offsets_put(&image->pending, &offset->pending, offset, producer_id,
                                      &value);
        offset->group->pending_count += rc > 0;
        if (rc < 0) drop_offset_if_empty(image, offset);
    } else if (rc == 0) {
        settle_value(offset, &value);
    }
    if (rc < 0) {
        weir_free(value.metadata);
        return rc;
    }
    image->next_order++;
    return 0;
}

void weir_offsets_image_end_transaction(struct weir_offsets_image *image, int64_t producer_id,
                                        bool is_commit)
{
    struct weir_pending_offset *pending =
        weir_pending_offsets_of_transaction(&image->pending, producer_id);
    while (pending != NULL) {
        struct weir_pending_offset *next = pending->next_of_transaction;
        struct weir_committed_offset *offset = pending->of;
        bool is_newer = !offset->is_committed || pending->value.order > offset->value.order;
        if (is_commit && is_newer) {
            settle_value(offset, &pending->value);
            pending->value.metadata = NULL; /* the offset's now */
        }
        drop_pending(image, pending);
        drop_offset_if_empty(image, offset);
        pending = next;
    }
    weir_assert(weir_pending_offsets_of_transaction(&image->pending, producer_id) == NULL);
}

static int decode_value(struct weir_offsets_image *image, struct weir_slice bytes,
                        struct weir_offset_commit *commit, struct weir_error *error)
{
    struct weir_offset_commit_value value;
    int rc = weir_coordinator_value_decode(bytes, &weir_offset_commit_value_type, &value,
                                           &image->scratch, error);
    if (rc < 0) return rc;
    commit->offset = value.offset;
    commit->leader_epoch = value.leader_epoch;
    commit->metadata = value.metadata;
    commit->commit_timestamp_ms = value.commit_timestamp;
    commit->expire_timestamp_ms = value.expire_timestamp;
    commit->topic_id = value.topic_id;
    return 0;
}

static int apply_commit(struct weir_offsets_image *image, int64_t producer_id,
                        const struct weir_record *record, struct weir_error *error)
{
    struct weir_offset_commit_key key;
    int rc = weir_coordinator_key_decode(record->key, &weir_offset_commit_key_type, &key,
                                         &image->scratch, error);
    if (rc < 0) return rc;
    struct weir_offset_commit commit = {
        .group = key.group, .topic = key.topic, .partition = key.partition};
    if (weir_slice_is_null(record->value)) {
        forget(image, &commit);
        return 0;
    }
    rc = decode_value(image, record->value, &commit, error);
    if (rc < 0) return rc;
    rc = remember(image, producer_id, &commit);
    return rc < 0 ? weir_error_set(error, (enum weir_code)rc, "remember a committed offset") : 0;
}

/* ---- the records of a group ------------------------------------------------------------------- */

/* The group that a key speaks of stands first in each of them, as a string. */
static int group_of_key(struct weir_slice key, struct weir_slice *group_out,
                        struct weir_error *error)
{
    struct weir_reader reader = weir_reader(key);
    (void)weir_reader_u16(&reader); /* the type */
    size_t size = weir_reader_u16(&reader);
    const uint8_t *name = size <= INT16_MAX ? weir_reader_take(&reader, size) : NULL;
    if (name == NULL || reader.failed) {
        return weir_error_set(error, WEIR_CORRUPT, "a group's record with a key of %zu bytes",
                              key.size);
    }
    *group_out = weir_slice(name, size);
    return 0;
}

static bool is_application_type(struct weir_slice protocol_type)
{
    return weir_slice_equal(protocol_type, weir_text(WEIR_APPLICATION_PROTOCOL_TYPE)) ||
           weir_slice_equal(protocol_type, weir_text(WEIR_APPLICATION_PROTOCOL_TYPE_BEFORE));
}

/* What the value of a group's metadata begins with, whatever members come behind it. Flexible versions are decoded
 * whole: nobody has written them yet. */
static bool peek_protocol_type(struct weir_slice bytes, struct weir_slice *type_out)
{
    struct weir_reader reader = weir_reader(bytes);
    uint16_t version = weir_reader_u16(&reader);
    size_t size = weir_reader_u16(&reader);
    const uint8_t *type = size <= INT16_MAX ? weir_reader_take(&reader, size) : NULL;
    if (version >= METADATA_FLEXIBLE_FROM || type == NULL || reader.failed) return false;
    *type_out = weir_slice(type, size);
    return true;
}

/* Is the group a stream application's, by this value of its metadata, and whose run has it? */
static int read_owner(struct weir_offsets_image *image, struct weir_slice bytes,
                      bool *is_application_out, struct weir_group_owner *owner_out,
                      struct weir_error *error)
{
    struct weir_group_metadata_value value;
    struct weir_slice type;
    if (peek_protocol_type(bytes, &type) && !is_application_type(type)) return 0;
    int rc = weir_coordinator_value_decode(bytes, &weir_group_metadata_value_type, &value,
                                           &image->scratch, error);
    if (rc < 0) return rc;
    *is_application_out = is_application_type(value.protocol_type);
    owner_out->generation = value.generation;
    if (value.members_count > 0) owner_out->member_id = value.members[0].member_id;
    return 0;
}

static struct weir_kept_record *need_kept(struct weir_offsets_image *image,
                                          struct weir_committed_group *group, struct weir_slice key)
{
    struct weir_kept_record *kept = weir_map_get(&group->records, key);
    if (kept != NULL) return kept;
    kept = weir_alloc_zero(image->budget, sizeof *kept + key.size);
    if (kept == NULL) return NULL;
    weir_copy(kept + 1, key.data, key.size);
    kept->key = weir_slice(kept + 1, key.size);
    if (weir_map_add(&group->records, kept->key, kept) < 0) {
        kept_free(kept);
        return NULL;
    }
    return kept;
}

static int keep_record(struct weir_offsets_image *image, struct weir_slice name,
                       const struct weir_record *record)
{
    size_t size = record->value.size;
    uint8_t *value = weir_alloc(image->budget, size > 0 ? size : 1);
    struct weir_committed_group *group = value != NULL ? need_group(image, name) : NULL;
    struct weir_kept_record *kept = group != NULL ? need_kept(image, group, record->key) : NULL;
    if (kept == NULL) {
        drop_group_if_empty(image, group);
        weir_free(value);
        return WEIR_NO_MEMORY;
    }
    weir_copy(value, record->value.data, size);
    weir_free((void *)kept->value.data);
    kept->value = weir_slice(value, size);
    return 0;
}

/* The same text in the value that is kept. */
static struct weir_slice in_kept(const struct weir_committed_group *group,
                                 const struct weir_record *record, struct weir_slice text)
{
    const struct weir_kept_record *kept = weir_map_get(&group->records, record->key);
    if (text.size == 0) return weir_text("");
    weir_assert(kept != NULL && text.data > record->value.data);
    return weir_slice(kept->value.data + (text.data - record->value.data), text.size);
}

static int apply_record(struct weir_offsets_image *image, const struct weir_record *record,
                        int16_t type, struct weir_error *error)
{
    struct weir_group_owner owner = {0};
    struct weir_slice name;
    bool is_metadata = type == WEIR_GROUP_METADATA_KEY_API_KEY;
    bool is_application = false;
    bool is_gone = weir_slice_is_null(record->value);
    int rc = group_of_key(record->key, &name, error);
    if (rc == 0 && is_metadata && !is_gone) {
        rc = read_owner(image, record->value, &is_application, &owner, error);
    }
    if (rc < 0) return rc;
    if (!is_gone && keep_record(image, name, record) < 0) {
        return weir_error_set(error, WEIR_NO_MEMORY, "remember a record of a group");
    }
    struct weir_committed_group *group = weir_map_get(&image->groups, name);
    if (group == NULL) return 0;
    if (is_metadata) {
        group->is_application = is_application;
        owner.member_id = in_kept(group, record, owner.member_id);
        group->owner = owner;
    }
    if (is_gone) kept_free(weir_map_remove(&group->records, record->key));
    drop_group_if_empty(image, group);
    return 0;
}

/* The records of which the last value is kept; all their keys begin with the group's name. */
static bool is_kept(int16_t type)
{
    switch (type) {
    case WEIR_GROUP_METADATA_KEY_API_KEY:
    case WEIR_CONSUMER_GROUP_METADATA_KEY_API_KEY:
    case WEIR_CONSUMER_GROUP_MEMBER_METADATA_KEY_API_KEY:
    case WEIR_CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY_API_KEY:
    case WEIR_CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY_API_KEY:
    case WEIR_CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY_API_KEY:
    case WEIR_CONSUMER_GROUP_REGULAR_EXPRESSION_KEY_API_KEY:
        return true;
    default:
        return false;
    }
}

/* ---- the door -------------------------------------------------------------------------------- */

void weir_offsets_image_init(struct weir_offsets_image *image, struct weir_budget *budget)
{
    *image = (struct weir_offsets_image){.budget = budget};
    weir_map_init(&image->groups, budget);
    weir_pending_offsets_init(&image->pending, budget);
    weir_arena_init(&image->scratch, budget, 4096);
}

void weir_offsets_image_close(struct weir_offsets_image *image)
{
    if (image->budget == NULL) return;
    size_t at = 0;
    struct weir_committed_group *group;
    while ((group = weir_map_next(&image->groups, &at)) != NULL) {
        (void)weir_map_remove(&image->groups, group->name);
        group_free(image, group);
    }
    weir_map_close(&image->groups);
    weir_pending_offsets_close(&image->pending);
    weir_arena_close(&image->scratch);
    *image = (struct weir_offsets_image){0};
}

int weir_offset_commit_encode(const struct weir_offset_commit *commit, struct weir_buffer *key,
                              struct weir_buffer *value)
{
    struct weir_offset_commit_key key_message = {
        .group = commit->group, .topic = commit->topic, .partition = commit->partition};
    int rc = weir_coordinator_key_encode(&weir_offset_commit_key_type, &key_message, key);
    if (rc < 0 || commit->is_tombstone) return rc;
    struct weir_offset_commit_value message;
    weir_offset_commit_value_init(&message);
    message.offset = commit->offset;
    message.leader_epoch = commit->leader_epoch;
    message.commit_timestamp = commit->commit_timestamp_ms;
    message.expire_timestamp = commit->expire_timestamp_ms;
    message.topic_id = commit->topic_id;
    if (!weir_slice_is_null(commit->metadata)) message.metadata = commit->metadata;
    int16_t version = commit->expire_timestamp_ms >= 0 ? EXPIRING_VERSION : VALUE_VERSION;
    return weir_coordinator_value_encode(&weir_offset_commit_value_type, &message, version, value);
}

int weir_group_owner_encode(struct weir_slice group, const struct weir_group_owner *owner,
                            int64_t since_ms, struct weir_buffer *key, struct weir_buffer *value)
{
    struct weir_group_metadata_key key_message = {.group = group};
    int rc = weir_coordinator_key_encode(&weir_group_metadata_key_type, &key_message, key);
    if (rc < 0) return rc;
    struct weir_group_metadata_value message;
    const struct weir_group_metadata_value_member_metadata member = {
        .member_id = owner->member_id,
        .group_instance_id = weir_null(),
        .client_id = weir_text(WEIR_APPLICATION_PROTOCOL_TYPE),
        .client_host = weir_text(""),
        .subscription = weir_text(""),
        .assignment = weir_text(""),
    };
    bool has_member = owner->member_id.size > 0;
    weir_group_metadata_value_init(&message);
    message.protocol_type = weir_text(WEIR_APPLICATION_PROTOCOL_TYPE);
    message.generation = owner->generation;
    message.protocol = has_member ? weir_text(WEIR_APPLICATION_PROTOCOL_TYPE) : weir_null();
    message.leader = has_member ? owner->member_id : weir_null();
    message.current_state_timestamp = since_ms;
    message.members = &member;
    message.members_count = has_member ? 1 : 0;
    return weir_coordinator_value_encode(&weir_group_metadata_value_type, &message, OWNER_VERSION,
                                         value);
}

static int apply(struct weir_offsets_image *image, int64_t producer_id,
                 const struct weir_record *record, struct weir_error *error)
{
    int16_t type;
    int rc = weir_coordinator_key_type(record->key, &type, error);
    if (rc < 0) return rc;
    weir_arena_reset(&image->scratch);
    if (type == WEIR_OFFSET_COMMIT_KEY_API_KEY) {
        return apply_commit(image, producer_id, record, error);
    }
    if (is_kept(type)) return apply_record(image, record, type, error);
    image->records_skipped++;
    return 0;
}

int weir_offsets_image_apply(struct weir_offsets_image *image, const struct weir_record *record,
                             struct weir_error *error)
{
    return apply(image, WEIR_NO_PRODUCER_ID, record, error);
}

int weir_offsets_image_apply_pending(struct weir_offsets_image *image, int64_t producer_id,
                                     const struct weir_record *record, struct weir_error *error)
{
    weir_assert(producer_id >= 0);
    return apply(image, producer_id, record, error);
}

bool weir_offsets_image_is_application(const struct weir_offsets_image *image,
                                       struct weir_slice group)
{
    const struct weir_committed_group *found = weir_map_get(&image->groups, group);
    return found != NULL && found->is_application;
}

const struct weir_committed_group *weir_offsets_image_group(const struct weir_offsets_image *image,
                                                            struct weir_slice group)
{
    return weir_map_get(&image->groups, group);
}

const struct weir_committed_offset *weir_offsets_image_find(const struct weir_offsets_image *image,
                                                            struct weir_slice group,
                                                            struct weir_slice topic,
                                                            int32_t partition)
{
    const struct weir_committed_group *found = weir_map_get(&image->groups, group);
    const struct weir_committed_offset *offset =
        found != NULL ? find_in(found, topic, partition) : NULL;
    return offset != NULL && offset->is_committed ? offset : NULL;
}

bool weir_offsets_image_is_pending(const struct weir_offsets_image *image, struct weir_slice group,
                                   struct weir_slice topic, int32_t partition)
{
    const struct weir_committed_group *found = weir_map_get(&image->groups, group);
    if (found == NULL || found->pending_count == 0) return false;
    const struct weir_committed_offset *offset = find_in(found, topic, partition);
    return offset != NULL && offset->pending.first != NULL;
}

struct weir_slice weir_committed_group_value(const struct weir_committed_group *group,
                                             struct weir_slice key)
{
    const struct weir_kept_record *kept = weir_map_get(&group->records, key);
    return kept != NULL ? kept->value : weir_null();
}

size_t weir_committed_offset_key_size(const struct weir_committed_offset *offset)
{
    enum { EXTRA = 64 }; /* sizes, the type, the number; what a record has around them */
    return offset->group->name.size + offset->topic.size + EXTRA;
}
