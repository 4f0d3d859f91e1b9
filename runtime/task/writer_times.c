#include "runtime/task/writer_times.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "weir/error.h"

/* ---- the header ------------------------------------------------------------------------------ */

enum { VERSION = 1, FLAG_AT_END = 1, FLAG_TIME_NOTE = 2, FLAG_IDLE = 4 };

void weir_writer_time_encode(const struct weir_writer_time *time,
                             uint8_t bytes[WEIR_TIME_HEADER_SIZE])
{
    weir_assert(time->subtopology >= 0 && time->partition >= 0 && time->time_ms >= -1);
    bytes[0] = VERSION;
    bytes[1] =
        (uint8_t)((time->is_at_end ? FLAG_AT_END : 0) | (time->is_time_note ? FLAG_TIME_NOTE : 0) |
                  (time->is_idle ? FLAG_IDLE : 0));
    weir_store_u32(bytes + 2, (uint32_t)time->subtopology);
    weir_store_u32(bytes + 6, (uint32_t)time->partition);
    weir_store_u64(bytes + 10, (uint64_t)time->time_ms);
}

bool weir_is_time_header(const struct weir_header *header)
{
    const size_t size = sizeof WEIR_TIME_HEADER_KEY - 1;
    return header->key.size == size && memcmp(header->key.data, WEIR_TIME_HEADER_KEY, size) == 0;
}

bool weir_writer_time_decode(const struct weir_header *header, struct weir_writer_time *time_out)
{
    const uint8_t *bytes = header->value.data;
    if (!weir_is_time_header(header) || bytes == NULL) return false;
    if (header->value.size != WEIR_TIME_HEADER_SIZE || bytes[0] != VERSION) return false;
    const struct weir_writer_time time = {
        .subtopology = (int32_t)weir_load_u32(bytes + 2),
        .partition = (int32_t)weir_load_u32(bytes + 6),
        .time_ms = (int64_t)weir_load_u64(bytes + 10),
        .is_at_end = (bytes[1] & FLAG_AT_END) != 0,
        .is_time_note = (bytes[1] & FLAG_TIME_NOTE) != 0,
        .is_idle = (bytes[1] & FLAG_IDLE) != 0,
    };
    if (time.subtopology < 0 || time.partition < 0 || time.time_ms < -1) return false;
    *time_out = time;
    return true;
}

/* ---- the writers ----------------------------------------------------------------------------- */

int weir_writer_times_init(struct weir_writer_times *times, struct weir_arena *arena,
                           const bool *writes, const int32_t *task_counts, size_t subtopology_count,
                           int64_t counted_from)
{
    int32_t *first = weir_arena_array(arena, subtopology_count, sizeof *first);
    int32_t *counts = weir_arena_array(arena, subtopology_count, sizeof *counts);
    if (first == NULL || counts == NULL) return WEIR_NO_MEMORY;
    int32_t total = 0;
    for (size_t s = 0; s < subtopology_count; s++) {
        first[s] = total;
        counts[s] = writes[s] ? task_counts[s] : 0;
        total += counts[s];
    }
    weir_assert(total > 0); /* somebody writes what somebody reads */
    struct weir_writer_reached *writers = weir_arena_array(arena, (size_t)total, sizeof *writers);
    if (writers == NULL) return WEIR_NO_MEMORY;
    for (int32_t i = 0; i < total; i++) {
        writers[i] = (struct weir_writer_reached){.time_ms = -1};
    }
    *times = (struct weir_writer_times){
        .counted_from = counted_from,
        .first = first,
        .task_counts = counts,
        .subtopology_count = subtopology_count,
        .writers = writers,
        .count = (size_t)total,
        .least_ms = -1,
    };
    return 0;
}

/* Its number; -1: it is none of ours, or it said this in an earlier run. */
static int32_t number_of(const struct weir_writer_times *times, int64_t offset,
                         const struct weir_writer_time *time)
{
    if (offset < times->counted_from) return -1;
    if ((size_t)time->subtopology >= times->subtopology_count) return -1;
    if (time->partition >= times->task_counts[time->subtopology]) return -1;
    return times->first[time->subtopology] + time->partition;
}

/* The least of all writers but one. */
static int64_t least_but(const struct weir_writer_times *times, size_t number)
{
    int64_t least_ms = INT64_MAX;
    for (size_t i = 0; i < times->count; i++) {
        const struct weir_writer_reached *writer = &times->writers[i];
        if (i == number || writer->is_at_end) continue;
        if (writer->time_ms < least_ms) least_ms = writer->time_ms;
    }
    return least_ms;
}

int64_t weir_writer_times_least_with(const struct weir_writer_times *times, int64_t offset,
                                     const struct weir_writer_time *time)
{
    const int32_t number = number_of(times, offset, time);
    if (number < 0) return times->least_ms;
    const struct weir_writer_reached *before = &times->writers[number];
    const int64_t now_ms = time->is_at_end ? INT64_MAX : time->time_ms;
    const int64_t before_ms = before->is_at_end ? INT64_MAX : before->time_ms;
    if (now_ms == before_ms || now_ms <= times->least_ms) {
        return now_ms < times->least_ms ? now_ms : times->least_ms;
    }
    if (before_ms > times->least_ms) return times->least_ms; /* it was not the one */
    const int64_t others_ms = least_but(times, (size_t)number);
    return now_ms < others_ms ? now_ms : others_ms;
}

void weir_writer_times_take(struct weir_writer_times *times, int64_t offset,
                            const struct weir_writer_time *time)
{
    const int32_t number = number_of(times, offset, time);
    if (number < 0) return;
    times->least_ms = weir_writer_times_least_with(times, offset, time);
    times->writers[number] = (struct weir_writer_reached){
        .time_ms = time->time_ms, .is_at_end = time->is_at_end, .is_idle = time->is_idle};
}

int64_t weir_writer_times_idle_ms(const struct weir_writer_times *times)
{
    int64_t idle_ms = INT64_MAX;
    for (size_t i = 0; i < times->count; i++) {
        const struct weir_writer_reached *writer = &times->writers[i];
        if (!writer->is_at_end || !writer->is_idle) return -1;
        if (writer->time_ms < idle_ms) idle_ms = writer->time_ms;
    }
    return idle_ms;
}
