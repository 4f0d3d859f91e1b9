#include "runtime/job/application.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

enum { KIND_STATE = 1, KIND_TOPIC = 2, VERSION = 1 };
enum { STATE_COMMITTED = 1, STATE_REBUILDING = 2, STATE_EMPTYING = 4 };

const char *weir_application_topic_name(struct weir_arena *arena, const char *application_id)
{
    return weir_arena_printf(arena, "%s-application", application_id);
}

/* ---- reading --------------------------------------------------------------------------------- */

static int not_ours(struct weir_error *error, const char *what)
{
    return weir_error_set(error, WEIR_CORRUPT, "%s that this application did not write", what);
}

struct weir_own_topic *weir_application_find(const struct weir_application *application,
                                             const char *name)
{
    for (size_t i = 0; i < application->topic_count; i++) {
        if (strcmp(application->topics[i].name, name) == 0) return &application->topics[i];
    }
    return NULL;
}

static struct weir_own_topic *add_topic(struct weir_application *application)
{
    if (application->topic_count == application->topic_capacity) {
        size_t capacity = application->topic_capacity == 0 ? 8 : application->topic_capacity * 2;
        struct weir_own_topic *grown =
            weir_arena_array(application->arena, capacity, sizeof *grown);
        if (grown == NULL) return NULL;
        weir_copy(grown, application->topics, application->topic_count * sizeof *grown);
        application->topics = grown;
        application->topic_capacity = capacity;
    }
    return &application->topics[application->topic_count];
}

static void forget_topic(struct weir_application *application, const char *name)
{
    struct weir_own_topic *topic = weir_application_find(application, name);
    if (topic != NULL) *topic = application->topics[--application->topic_count];
}

static int apply_topic(struct weir_application *application, const char *name,
                       struct weir_reader *value, struct weir_error *error)
{
    struct weir_own_topic topic = {.name = name};
    topic.phase = (enum weir_own_topic_phase)weir_reader_u8(value);
    topic.role = (enum weir_own_topic_role)weir_reader_u8(value);
    const uint8_t *id = weir_reader_take(value, sizeof topic.id.bytes);
    topic.partition_count = (int32_t)weir_reader_u32(value);
    size_t size = weir_reader_u16(value);
    const uint8_t *of = weir_reader_take(value, size);
    bool is_sound = !value->failed && weir_reader_left(value) == 0 &&
                    topic.phase >= WEIR_OWN_TOPIC_MAKING &&
                    topic.phase <= WEIR_OWN_TOPIC_EMPTYING && topic.role >= WEIR_OWN_CHANGELOG &&
                    topic.role <= WEIR_OWN_REPARTITION && topic.partition_count >= 0;
    if (!is_sound) return not_ours(error, "a description of a topic");
    memcpy(topic.id.bytes, id, sizeof topic.id.bytes);
    topic.of = weir_arena_printf(application->arena, "%.*s", (int)size, (const char *)of);
    struct weir_own_topic *place = weir_application_find(application, name);
    bool is_new = place == NULL;
    if (is_new) place = add_topic(application);
    if (place == NULL || topic.of == NULL) {
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for the application's records");
    }
    *place = topic;
    if (is_new) application->topic_count++;
    return 0;
}

static int apply_state(struct weir_application *application, struct weir_reader *value,
                       struct weir_error *error)
{
    uint8_t flags = weir_reader_u8(value);
    if (value->failed || weir_reader_left(value) > 0) return not_ours(error, "a state");
    application->has_committed = (flags & STATE_COMMITTED) != 0;
    application->is_rebuilding = (flags & STATE_REBUILDING) != 0;
    application->is_emptying = (flags & STATE_EMPTYING) != 0;
    return 0;
}

int weir_application_apply(struct weir_application *application, const struct weir_record *record,
                           struct weir_error *error)
{
    if (weir_slice_is_null(record->key)) return not_ours(error, "a record");
    struct weir_reader key = weir_reader(record->key);
    uint16_t kind = weir_reader_u16(&key);
    size_t size = weir_reader_left(&key);
    bool is_known = (kind == KIND_STATE && size == 0) || (kind == KIND_TOPIC && size > 0);
    if (key.failed || !is_known) return not_ours(error, "a record");
    const char *name = weir_arena_printf(application->arena, "%.*s", (int)size,
                                         (const char *)weir_reader_take(&key, size));
    if (name == NULL) {
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for the application's records");
    }
    if (weir_slice_is_null(record->value)) {
        if (kind == KIND_TOPIC) forget_topic(application, name);
        return 0;
    }
    struct weir_reader value = weir_reader(record->value);
    uint8_t version = weir_reader_u8(&value);
    if (version != VERSION && !value.failed) {
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "a record of version %u, this Weir reads %d", version, VERSION);
    }
    return kind == KIND_STATE ? apply_state(application, &value, error)
                              : apply_topic(application, name, &value, error);
}

/* ---- writing --------------------------------------------------------------------------------- */

void weir_application_encode_topic(const struct weir_own_topic *topic, struct weir_buffer *key,
                                   struct weir_buffer *value)
{
    size_t size = strlen(topic->of);
    weir_buffer_u16(key, KIND_TOPIC);
    weir_buffer_append(key, topic->name, strlen(topic->name));
    weir_buffer_u8(value, VERSION);
    weir_buffer_u8(value, (uint8_t)topic->phase);
    weir_buffer_u8(value, (uint8_t)topic->role);
    weir_buffer_append(value, topic->id.bytes, sizeof topic->id.bytes);
    weir_buffer_u32(value, (uint32_t)topic->partition_count);
    weir_buffer_u16(value, (uint16_t)size);
    weir_buffer_append(value, topic->of, size);
}

void weir_application_encode_state(const struct weir_application *application,
                                   struct weir_buffer *key, struct weir_buffer *value)
{
    unsigned flags = (application->has_committed ? STATE_COMMITTED : 0) |
                     (application->is_rebuilding ? STATE_REBUILDING : 0) |
                     (application->is_emptying ? STATE_EMPTYING : 0);
    weir_buffer_u16(key, KIND_STATE);
    weir_buffer_u8(value, VERSION);
    weir_buffer_u8(value, (uint8_t)flags);
}
