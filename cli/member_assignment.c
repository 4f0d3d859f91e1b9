#include "cli/member_assignment.h"

#include "base/bytes.h"
#include "base/error.h"
#include "cli/no_memory.h"

/* What one takes at least: a count from outside is believed up to what is left. */
enum { TOPIC_SIZE_MIN = 2 + 4, PARTITION_SIZE = 4 };

static size_t take_count(struct weir_reader *reader, size_t size_min)
{
    int32_t count = (int32_t)weir_reader_u32(reader);
    if (count < 0 || (size_t)count > weir_reader_left(reader) / size_min) {
        reader->failed = true;
        return 0;
    }
    return (size_t)count;
}

static const char *take_name(struct weir_reader *reader, struct weir_arena *arena)
{
    size_t size = weir_reader_u16(reader);
    const uint8_t *bytes = weir_reader_take(reader, size);
    return bytes == NULL ? "" : weir_arena_printf(arena, "%.*s", (int)size, (const char *)bytes);
}

static void take_topic(struct weir_reader *reader, struct weir_arena *arena,
                       struct place_partitions *topic)
{
    topic->topic = take_name(reader, arena);
    size_t count = take_count(reader, PARTITION_SIZE);
    int32_t *partitions = weir_arena_array(arena, count + 1, sizeof *partitions);
    for (size_t i = 0; partitions != NULL && i < count; i++) {
        partitions[i] = (int32_t)weir_reader_u32(reader);
    }
    topic->partitions = partitions;
    topic->partition_count = count;
}

int member_assignment_read(struct weir_slice bytes, struct weir_arena *arena,
                           struct place_partitions **assigned_out, size_t *count_out,
                           struct weir_error *error)
{
    struct weir_reader reader = weir_reader(bytes);
    size_t count = 0;
    if (bytes.size > 0) {
        (void)weir_reader_u16(&reader); /* later versions have more behind, not before */
        count = take_count(&reader, TOPIC_SIZE_MIN);
    }
    struct place_partitions *assigned = weir_arena_array(arena, count + 1, sizeof *assigned);
    for (size_t i = 0; assigned != NULL && i < count; i++) {
        take_topic(&reader, arena, &assigned[i]);
    }
    if (weir_arena_failed(arena)) return cli_no_memory(error);
    if (reader.failed) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "the assignment (%zu bytes) is not the one of a consumer",
                              bytes.size);
    }
    *assigned_out = assigned;
    *count_out = count;
    return 0;
}
