#include "broker/coordinator/group_place.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/engine.h"
#include "broker/engine/request.h"
#include "broker/engine/route.h"

enum { REPLACEMENT = 0xfffd };

/* ---- the hash -------------------------------------------------------------------------------- */

/* The bytes that follow the first one of a UTF-8 sequence; -1: none begins with it. */
static int followers(uint8_t first, uint32_t *bits_out)
{
    *bits_out = first;
    if (first < 0x80) return 0;
    *bits_out = first & 0x1fU;
    if (first >= 0xc2 && first < 0xe0) return 1;
    *bits_out = first & 0x0fU;
    if (first >= 0xe0 && first < 0xf0) return 2;
    *bits_out = first & 0x07U;
    return first >= 0xf0 && first < 0xf5 ? 3 : -1;
}

/* The code point at `at`, and where the next one begins. What is no UTF-8 counts byte by byte. */
static uint32_t next_code_point(struct weir_slice text, size_t *at)
{
    uint32_t point;
    int count = followers(text.data[*at], &point);
    if (count < 0 || (size_t)count >= text.size - *at) {
        ++*at;
        return REPLACEMENT;
    }
    for (int i = 1; i <= count; i++) {
        uint8_t byte = text.data[*at + (size_t)i];
        if ((byte & 0xc0U) != 0x80) {
            ++*at;
            return REPLACEMENT;
        }
        point = point << 6 | (byte & 0x3fU);
    }
    *at += (size_t)count + 1;
    return point;
}

int32_t weir_group_hash(struct weir_slice group)
{
    uint32_t hash = 0;
    size_t at = 0;
    while (at < group.size) {
        uint32_t point = next_code_point(group, &at);
        if (point >= 0x10000) { /* two units */
            hash = hash * 31 + (0xd800 + ((point - 0x10000) >> 10));
            point = 0xdc00 + (point & 0x3ffU);
        }
        hash = hash * 31 + point;
    }
    return (int32_t)hash;
}

int32_t weir_group_partition(struct weir_slice group, int32_t count)
{
    weir_assert(count > 0);
    int32_t hash = weir_group_hash(group);
    if (hash == INT32_MIN) return 0;
    return (hash < 0 ? -hash : hash) % count;
}

/* ---- the way --------------------------------------------------------------------------------- */

int weir_group_id_check(struct weir_slice group, struct weir_error *error)
{
    if (group.data != NULL && group.size > 0 && group.size <= INT16_MAX) return 0;
    return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                          "a group id of %zu bytes; 1 to %d are allowed", group.size, INT16_MAX);
}

struct weir_topic_partition weir_group_place(const struct weir_coordinator *coordinator,
                                             struct weir_slice group)
{
    int32_t count = coordinator->engine->options.offsets_topic_num_partitions;
    return (struct weir_topic_partition){
        .topic = weir_text(WEIR_CONSUMER_OFFSETS_TOPIC),
        .partition = weir_group_partition(group, count),
    };
}

void weir_group_place_send(struct weir_coordinator *coordinator, struct weir_request *request,
                           struct weir_topic_partition place,
                           void (*arrive)(struct weir_message *message))
{
    struct weir_engine *engine = coordinator->engine;
    weir_request_set_out(engine, request);
    request->topic = place.topic;
    request->partition = place.partition;
    request->shard = weir_engine_shard(engine, place.topic, place.partition);
    request->message.handle = arrive;
    weir_actor_post(request->shard->actor, &request->message);
}

void weir_group_place_enter(struct weir_request *request,
                            void (*stage)(struct weir_partition *partition,
                                          struct weir_request *request))
{
    struct weir_topic_partition place = {.topic = request->topic, .partition = request->partition};
    weir_request_enter(request, place, stage);
}
