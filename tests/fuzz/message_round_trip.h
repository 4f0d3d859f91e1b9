#ifndef WEIR_FUZZ_MESSAGE_ROUND_TRIP_H
#define WEIR_FUZZ_MESSAGE_ROUND_TRIP_H

#include <stdlib.h>

#include "base/assert.h"
#include "wire/message.h"

/** A message on its own heap, for bytes that may be anything. */
struct message_stage {
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena;
    struct weir_buffer first;
    struct weir_buffer second;
    struct weir_buffer text;
};

static inline void message_stage_init(struct message_stage *stage)
{
    weir_heap_init(&stage->heap, false);
    weir_budget_init(&stage->budget, "message", &stage->heap, NULL, 64 << 20);
    weir_arena_init(&stage->arena, &stage->budget, 0);
    weir_buffer_init(&stage->first, &stage->budget, 0);
    weir_buffer_init(&stage->second, &stage->budget, 0);
    weir_buffer_init(&stage->text, &stage->budget, 0);
}

static inline void message_stage_close(struct message_stage *stage)
{
    weir_buffer_close(&stage->text);
    weir_buffer_close(&stage->second);
    weir_buffer_close(&stage->first);
    weir_arena_close(&stage->arena);
    weir_assert(stage->budget.used == 0);
}

static inline void message_stage_reset(struct message_stage *stage)
{
    weir_buffer_reset(&stage->text);
    weir_buffer_reset(&stage->second);
    weir_buffer_reset(&stage->first);
    weir_arena_reset(&stage->arena);
}

/* What decoding may take of the arena: the structs of a message are larger than its bytes, but not by
 * more than this, whatever its counts say (RELIABILITY.md N4). */
enum { MESSAGE_MEMORY_FACTOR = 64, MESSAGE_MEMORY_BASE = 1024 };

/**
 * Decode; what could be decoded must encode to as many bytes as size says, and those bytes decode
 * and encode to themselves. (The first bytes may differ: unknown tags, defaults that were sent.)
 * Returns what the decoder said.
 */
static inline int message_round_trip(struct message_stage *stage,
                                     const struct weir_message_type *type, int16_t version,
                                     struct weir_slice bytes)
{
    message_stage_reset(stage);
    void *message = malloc(type->struct_size);
    struct weir_reader reader = weir_reader(bytes);
    int rc = weir_message_decode(type, message, version, &reader, &stage->arena);
    weir_assert(stage->arena.used <= MESSAGE_MEMORY_BASE + MESSAGE_MEMORY_FACTOR * bytes.size);
    if (rc == 0) {
        weir_assert(weir_message_encode(type, message, version, &stage->first) == 0);
        weir_assert(weir_message_size(type, message, version) == stage->first.size);
        struct weir_slice first = weir_buffer_slice(&stage->first);
        weir_assert(weir_message_decode_whole(type, message, version, first, &stage->arena, NULL) ==
                    0);
        weir_assert(weir_message_encode(type, message, version, &stage->second) == 0);
        weir_assert(weir_slice_equal(first, weir_buffer_slice(&stage->second)));
        weir_message_print(type, message, version, &stage->text);
        weir_assert(!stage->text.failed);
    }
    free(message);
    return rc;
}

#endif
