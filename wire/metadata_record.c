#include "wire/metadata_record.h"

#include "base/assert.h"
#include "base/error.h"
#include "wire/generated/config_record.h"
#include "wire/generated/feature_level_record.h"
#include "wire/generated/no_op_record.h"
#include "wire/generated/partition_change_record.h"
#include "wire/generated/partition_record.h"
#include "wire/generated/producer_ids_record.h"
#include "wire/generated/register_broker_record.h"
#include "wire/generated/remove_topic_record.h"
#include "wire/generated/topic_record.h"

enum { API_KEY_COUNT = 21 };

static const struct weir_message_type *const types[API_KEY_COUNT] = {
    [WEIR_REGISTER_BROKER_RECORD_API_KEY] = &weir_register_broker_record_type,
    [WEIR_TOPIC_RECORD_API_KEY] = &weir_topic_record_type,
    [WEIR_PARTITION_RECORD_API_KEY] = &weir_partition_record_type,
    [WEIR_CONFIG_RECORD_API_KEY] = &weir_config_record_type,
    [WEIR_PARTITION_CHANGE_RECORD_API_KEY] = &weir_partition_change_record_type,
    [WEIR_REMOVE_TOPIC_RECORD_API_KEY] = &weir_remove_topic_record_type,
    [WEIR_FEATURE_LEVEL_RECORD_API_KEY] = &weir_feature_level_record_type,
    [WEIR_PRODUCER_IDS_RECORD_API_KEY] = &weir_producer_ids_record_type,
    [WEIR_NO_OP_RECORD_API_KEY] = &weir_no_op_record_type,
};

const struct weir_message_type *weir_metadata_frame_type(int16_t api_key)
{
    return api_key >= 0 && api_key < API_KEY_COUNT ? types[api_key] : NULL;
}

int weir_metadata_frame_encode(const struct weir_message_type *type, const void *message,
                               int16_t version, struct weir_buffer *buffer)
{
    weir_assert(weir_metadata_frame_type(type->api_key) == type);
    size_t size_before = buffer->size;
    weir_buffer_uvarint(buffer, WEIR_METADATA_FRAME_VERSION);
    weir_buffer_uvarint(buffer, (uint64_t)type->api_key);
    weir_buffer_uvarint(buffer, version < 0 ? 0 : (uint64_t)version); /* refused just below */
    int rc = weir_message_encode(type, message, version, buffer);
    if (rc < 0) buffer->size = size_before;
    return rc;
}

int weir_metadata_frame_read(struct weir_slice value, struct weir_metadata_frame *frame_out,
                             struct weir_error *error)
{
    struct weir_reader reader = weir_reader(value);
    uint64_t frame_version = weir_reader_uvarint32(&reader);
    if (!reader.failed && frame_version != WEIR_METADATA_FRAME_VERSION) {
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "metadata record: frame version %u, only %d is known",
                              (unsigned)frame_version, WEIR_METADATA_FRAME_VERSION);
    }
    uint64_t api_key = weir_reader_uvarint32(&reader);
    uint64_t version = weir_reader_uvarint32(&reader);
    if (reader.failed || api_key > INT16_MAX || version > INT16_MAX) {
        return weir_error_set(error, WEIR_CORRUPT, "metadata record: damaged frame of %zu bytes",
                              value.size);
    }
    *frame_out = (struct weir_metadata_frame){
        .api_key = (int16_t)api_key,
        .version = (int16_t)version,
        .body = weir_slice(reader.at, weir_reader_left(&reader)),
    };
    return 0;
}

int weir_metadata_frame_decode(const struct weir_metadata_frame *frame, void *message_out,
                               struct weir_arena *arena, struct weir_error *error)
{
    const struct weir_message_type *type = weir_metadata_frame_type(frame->api_key);
    if (type == NULL) {
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "metadata record: type %d is not known", frame->api_key);
    }
    return weir_message_decode_whole(type, message_out, frame->version, frame->body, arena, error);
}
