#include "runtime/job/application.h"

#include <assert.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"

enum { KIND_STATE = 1, KIND_TOPIC = 2, KIND_INPUT = 3, KIND_STORE = 4 };
/* A topic's record says what its bytes are from version 2 on. */
enum { VERSION_MIN = 1, VERSION_FORMATS = 2, VERSION = 2 };
enum { STATE_COMMITTED = 1, STATE_REBUILDING = 2, STATE_EMPTYING = 4 };
enum { FIRST_CAPACITY = 8 };
enum { INPUT_PARTITION_SIZE = 8 + 8 + 4 + 8 + 4 };

const char *weir_application_topic_name(struct weir_arena *arena, const char *application_id)
{
    return weir_arena_printf(arena, "%s-application", application_id);
}

/* Records carry the data's own time, however far that is from today; what the log's defaults
 * bound for users is not lost here; and what a commit names is on the disk, whatever
 * flush.policy users chose. */
static const struct weir_config_entry own_configs[] = {
    {.key = "message.timestamp.type", .value = "CreateTime"},
    {.key = "message.timestamp.after.max.ms", .value = "9223372036854775807"},
    {.key = "message.timestamp.before.max.ms", .value = "9223372036854775807"},
    {.key = "retention.bytes", .value = "-1"},
    {.key = "flush.policy", .value = "group"},
};
static_assert(sizeof own_configs / sizeof own_configs[0] == WEIR_OWN_TOPIC_CONFIGS,
              "who makes a topic has room for these");

void weir_own_topic_configs(struct weir_config_entry *configs, size_t *count)
{
    memcpy(configs + *count, own_configs, sizeof own_configs);
    *count += WEIR_OWN_TOPIC_CONFIGS;
}

/* ---- what holds ------------------------------------------------------------------------------ */

static bool is_topic_sound(const struct weir_application *application, size_t number)
{
    const struct weir_own_topic *topic = &application->topics[number];
    return topic->phase >= WEIR_OWN_TOPIC_MAKING && topic->phase <= WEIR_OWN_TOPIC_EMPTYING &&
           (topic->role == WEIR_OWN_CHANGELOG || topic->role == WEIR_OWN_REPARTITION) &&
           topic->partition_count >= 0 && topic->of != NULL &&
           weir_application_find(application, topic->name) == topic; /* one of a name */
}

static bool is_input_sound(const struct weir_application *application, size_t number)
{
    const struct weir_own_input *input = &application->inputs[number];
    return input->partition_count >= 0 && input->partitions != NULL &&
           weir_application_find_input(application, input->name) == input;
}

static bool is_store_sound(const struct weir_application *application, size_t number)
{
    const struct weir_own_store *store = &application->stores[number];
    bool is_phase = store->phase == WEIR_OWN_STORE_KEPT || store->phase == WEIR_OWN_STORE_EMPTYING;
    return is_phase && weir_application_find_store(application, store->name) == store;
}

static bool are_all_sound(const struct weir_application *application)
{
    bool are_sound = true;
    for (size_t i = 0; i < application->topic_count; i++) {
        are_sound = are_sound && is_topic_sound(application, i);
    }
    for (size_t i = 0; i < application->input_count; i++) {
        are_sound = are_sound && is_input_sound(application, i);
    }
    for (size_t i = 0; i < application->store_count; i++) {
        are_sound = are_sound && is_store_sound(application, i);
    }
    return are_sound;
}

void weir_application_check(const struct weir_application *application)
{
    weir_assert(application->arena != NULL);
    weir_assert(application->topic_count <= application->topic_capacity);
    weir_assert(application->input_count <= application->input_capacity);
    weir_assert(application->store_count <= application->store_capacity);
    weir_assert_slow(are_all_sound(application));
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
    struct weir_own_topic *topics =
        weir_arena_grow(application->arena, application->topics, application->topic_count,
                        &application->topic_capacity, FIRST_CAPACITY, sizeof *topics);
    if (topics == NULL) return NULL;
    application->topics = topics;
    return &topics[application->topic_count];
}

static void forget_topic(struct weir_application *application, const char *name)
{
    struct weir_own_topic *topic = weir_application_find(application, name);
    if (topic != NULL) *topic = application->topics[--application->topic_count];
}

/* A text of the record, in the application's memory, which remembers where there is none. */
static const char *read_text(struct weir_application *application, struct weir_reader *value)
{
    size_t size = weir_reader_u16(value);
    const uint8_t *text = weir_reader_take(value, size);
    return weir_arena_printf(application->arena, "%.*s", text != NULL ? (int)size : 0,
                             text != NULL ? (const char *)text : "");
}

static void read_format(struct weir_application *application, struct weir_reader *value,
                        struct weir_plan_format *format)
{
    format->version = weir_reader_u8(value);
    format->text = read_text(application, value);
}

static int apply_topic(struct weir_application *application, const char *name, uint8_t version,
                       struct weir_reader *value, struct weir_error *error)
{
    struct weir_own_topic topic = {.name = name, .window_size_ms = WEIR_OWN_WINDOW_UNKNOWN};
    topic.phase = (enum weir_own_topic_phase)weir_reader_u8(value);
    topic.role = (enum weir_own_topic_role)weir_reader_u8(value);
    const uint8_t *id = weir_reader_take(value, sizeof topic.id.bytes);
    topic.partition_count = (int32_t)weir_reader_u32(value);
    topic.of = read_text(application, value);
    if (version >= VERSION_FORMATS) {
        topic.window_size_ms = (int64_t)weir_reader_u64(value);
        read_format(application, value, &topic.formats.key);
        read_format(application, value, &topic.formats.value);
    }
    bool is_sound = !value->failed && weir_reader_left(value) == 0 &&
                    topic.phase >= WEIR_OWN_TOPIC_MAKING &&
                    topic.phase <= WEIR_OWN_TOPIC_EMPTYING && topic.role >= WEIR_OWN_CHANGELOG &&
                    topic.role <= WEIR_OWN_REPARTITION && topic.partition_count >= 0 &&
                    topic.window_size_ms >= WEIR_OWN_WINDOW_UNKNOWN;
    if (!is_sound) return not_ours(error, "a description of a topic");
    memcpy(topic.id.bytes, id, sizeof topic.id.bytes);
    struct weir_own_topic *place = weir_application_find(application, name);
    bool is_new = place == NULL;
    if (is_new) place = add_topic(application);
    if (weir_arena_failed(application->arena)) {
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for the application's records");
    }
    *place = topic;
    if (is_new) application->topic_count++;
    return 0;
}

static struct weir_own_input *find_input(const struct weir_application *application,
                                         const char *name)
{
    for (size_t i = 0; i < application->input_count; i++) {
        if (strcmp(application->inputs[i].name, name) == 0) return &application->inputs[i];
    }
    return NULL;
}

const struct weir_own_input *weir_application_find_input(const struct weir_application *application,
                                                         const char *name)
{
    return find_input(application, name);
}

static void forget_input(struct weir_application *application, const char *name)
{
    struct weir_own_input *input = find_input(application, name);
    if (input != NULL) *input = application->inputs[--application->input_count];
}

static struct weir_own_input *add_input(struct weir_application *application)
{
    struct weir_own_input *inputs =
        weir_arena_grow(application->arena, application->inputs, application->input_count,
                        &application->input_capacity, FIRST_CAPACITY, sizeof *inputs);
    if (inputs == NULL) return NULL;
    application->inputs = inputs;
    return &inputs[application->input_count];
}

static struct weir_own_input_partition read_partition(struct weir_reader *value)
{
    struct weir_own_input_partition partition;
    partition.from = (int64_t)weir_reader_u64(value);
    partition.end = (int64_t)weir_reader_u64(value);
    partition.leader_epoch = (int32_t)weir_reader_u32(value);
    partition.lost_to = (int64_t)weir_reader_u64(value);
    partition.lost_count = weir_reader_u32(value);
    return partition;
}

static int apply_input(struct weir_application *application, const char *name,
                       struct weir_reader *value, struct weir_error *error)
{
    struct weir_own_input input = {.name = name};
    const uint8_t *id = weir_reader_take(value, sizeof input.id.bytes);
    size_t count = weir_reader_u32(value);
    if (value->failed || weir_reader_left(value) != count * INPUT_PARTITION_SIZE) {
        return not_ours(error, "a description of an input");
    }
    memcpy(input.id.bytes, id, sizeof input.id.bytes);
    input.partition_count = (int32_t)count;
    input.partitions = weir_arena_array(application->arena, count + 1, sizeof *input.partitions);
    for (size_t p = 0; input.partitions != NULL && p < count; p++) {
        input.partitions[p] = read_partition(value);
    }
    struct weir_own_input *place = find_input(application, name);
    bool is_new = place == NULL;
    if (is_new) place = add_input(application);
    if (weir_arena_failed(application->arena)) {
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for the application's records");
    }
    *place = input;
    if (is_new) application->input_count++;
    return 0;
}

static struct weir_own_store *find_store(const struct weir_application *application,
                                         const char *name)
{
    for (size_t i = 0; i < application->store_count; i++) {
        if (strcmp(application->stores[i].name, name) == 0) return &application->stores[i];
    }
    return NULL;
}

const struct weir_own_store *weir_application_find_store(const struct weir_application *application,
                                                         const char *name)
{
    return find_store(application, name);
}

static void forget_store(struct weir_application *application, const char *name)
{
    struct weir_own_store *store = find_store(application, name);
    if (store != NULL) *store = application->stores[--application->store_count];
}

static int apply_store(struct weir_application *application, const char *name,
                       struct weir_reader *value, struct weir_error *error)
{
    struct weir_own_store store = {.name = name};
    store.phase = (enum weir_own_store_phase)weir_reader_u8(value);
    const uint8_t *life = weir_reader_take(value, sizeof store.life.bytes);
    bool is_sound = !value->failed && weir_reader_left(value) == 0 &&
                    (store.phase == WEIR_OWN_STORE_KEPT || store.phase == WEIR_OWN_STORE_EMPTYING);
    if (!is_sound) return not_ours(error, "a description of a store");
    memcpy(store.life.bytes, life, sizeof store.life.bytes);
    struct weir_own_store *place = find_store(application, name);
    if (place != NULL) {
        *place = store;
        return 0;
    }
    struct weir_own_store *stores =
        weir_arena_grow(application->arena, application->stores, application->store_count,
                        &application->store_capacity, FIRST_CAPACITY, sizeof *stores);
    if (stores == NULL) {
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for the application's records");
    }
    application->stores = stores;
    stores[application->store_count++] = store;
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

static int apply(struct weir_application *application, const struct weir_record *record,
                 struct weir_error *error)
{
    if (weir_slice_is_null(record->key)) return not_ours(error, "a record");
    struct weir_reader key = weir_reader(record->key);
    uint16_t kind = weir_reader_u16(&key);
    size_t size = weir_reader_left(&key);
    bool is_named = kind == KIND_TOPIC || kind == KIND_INPUT || kind == KIND_STORE;
    bool is_known = (kind == KIND_STATE && size == 0) || (is_named && size > 0);
    if (key.failed || !is_known) return not_ours(error, "a record");
    const char *name = weir_arena_printf(application->arena, "%.*s", (int)size,
                                         (const char *)weir_reader_take(&key, size));
    if (name == NULL) {
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for the application's records");
    }
    if (weir_slice_is_null(record->value)) {
        if (kind == KIND_TOPIC) forget_topic(application, name);
        if (kind == KIND_INPUT) forget_input(application, name);
        if (kind == KIND_STORE) forget_store(application, name);
        return 0;
    }
    struct weir_reader value = weir_reader(record->value);
    uint8_t version = weir_reader_u8(&value);
    if ((version < VERSION_MIN || version > VERSION) && !value.failed) {
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "a record of version %u, this Weir reads %d to %d", version,
                              VERSION_MIN, VERSION);
    }
    if (kind == KIND_STATE) return apply_state(application, &value, error);
    if (kind == KIND_STORE) return apply_store(application, name, &value, error);
    return kind == KIND_TOPIC ? apply_topic(application, name, version, &value, error)
                              : apply_input(application, name, &value, error);
}

int weir_application_apply(struct weir_application *application, const struct weir_record *record,
                           struct weir_error *error)
{
    int rc = apply(application, record, error);
    weir_application_check(application);
    return rc;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_key(struct weir_buffer *key, uint16_t kind, const char *name)
{
    weir_buffer_u16(key, kind);
    weir_buffer_append(key, name, strlen(name));
}

static void write_text(struct weir_buffer *value, const char *text)
{
    size_t size = text != NULL ? strlen(text) : 0;
    weir_assert(size <= UINT16_MAX);
    weir_buffer_u16(value, (uint16_t)size);
    if (size > 0) weir_buffer_append(value, text, size);
}

static void write_format(struct weir_buffer *value, const struct weir_plan_format *format)
{
    weir_buffer_u8(value, format->version);
    write_text(value, format->text);
}

void weir_application_encode_topic(const struct weir_own_topic *topic, struct weir_buffer *key,
                                   struct weir_buffer *value)
{
    weir_assert(topic->phase != WEIR_OWN_TOPIC_NONE); /* what is not known is not written down */
    weir_assert(topic->role == WEIR_OWN_CHANGELOG || topic->role == WEIR_OWN_REPARTITION);
    weir_assert(topic->window_size_ms >= WEIR_OWN_WINDOW_UNKNOWN);
    write_key(key, KIND_TOPIC, topic->name);
    weir_buffer_u8(value, VERSION);
    weir_buffer_u8(value, (uint8_t)topic->phase);
    weir_buffer_u8(value, (uint8_t)topic->role);
    weir_buffer_append(value, topic->id.bytes, sizeof topic->id.bytes);
    weir_buffer_u32(value, (uint32_t)topic->partition_count);
    write_text(value, topic->of);
    weir_buffer_u64(value, (uint64_t)topic->window_size_ms);
    write_format(value, &topic->formats.key);
    write_format(value, &topic->formats.value);
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

void weir_application_encode_input(const struct weir_own_input *input, struct weir_buffer *key,
                                   struct weir_buffer *value)
{
    weir_assert(input->partition_count == 0 || input->partitions != NULL);
    write_key(key, KIND_INPUT, input->name);
    weir_buffer_u8(value, VERSION);
    weir_buffer_append(value, input->id.bytes, sizeof input->id.bytes);
    weir_buffer_u32(value, (uint32_t)input->partition_count);
    for (int32_t p = 0; p < input->partition_count; p++) {
        const struct weir_own_input_partition *partition = &input->partitions[p];
        weir_buffer_u64(value, (uint64_t)partition->from);
        weir_buffer_u64(value, (uint64_t)partition->end);
        weir_buffer_u32(value, (uint32_t)partition->leader_epoch);
        weir_buffer_u64(value, (uint64_t)partition->lost_to);
        weir_buffer_u32(value, partition->lost_count);
    }
}

void weir_application_encode_store(const struct weir_own_store *store, struct weir_buffer *key,
                                   struct weir_buffer *value)
{
    weir_assert(store->phase == WEIR_OWN_STORE_KEPT || store->phase == WEIR_OWN_STORE_EMPTYING);
    write_key(key, KIND_STORE, store->name);
    weir_buffer_u8(value, VERSION);
    weir_buffer_u8(value, (uint8_t)store->phase);
    weir_buffer_append(value, store->life.bytes, sizeof store->life.bytes);
}

void weir_application_forget_topic(const char *name, struct weir_buffer *key)
{
    write_key(key, KIND_TOPIC, name);
}

void weir_application_forget_input(const char *name, struct weir_buffer *key)
{
    write_key(key, KIND_INPUT, name);
}
