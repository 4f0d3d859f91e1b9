#include "broker/log/offset_index.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/grow.h"
#include "broker/log/small_file.h"

static const char *const offset_suffix = ".index";
static const char *const time_suffix = ".timeindex";
static const char *const offset_aside =
    ".index.cleaned"; /* of a segment that is being written anew */
static const char *const time_aside = ".timeindex.cleaned";

enum { TAIL_AT_FIRST = 16 };

/* ---- writing --------------------------------------------------------------------------------- */

void weir_index_builder_init(struct weir_index_builder *builder, struct weir_env *env,
                             struct weir_budget *budget, const char *directory)
{
    *builder = (struct weir_index_builder){.env = env, .budget = budget, .directory = directory};
    weir_index_builder_begin(builder, 0);
}

void weir_index_builder_close(struct weir_index_builder *builder)
{
    weir_free(builder->tail);
    builder->tail = NULL;
    builder->tail_count = 0;
    builder->tail_written = 0;
    builder->tail_capacity = 0;
}

void weir_index_builder_check(const struct weir_index_builder *builder)
{
    weir_assert(builder->tail_written <= builder->tail_count);
    weir_assert(builder->tail_count <= builder->tail_capacity);
    weir_assert(builder->tail_capacity <= WEIR_INDEX_TAIL_MAX);
    weir_assert(builder->file_count >= 0);
    weir_assert(builder->time_file_count >= 0);
    weir_assert(builder->bytes_since >= 0);
}

void weir_index_builder_begin(struct weir_index_builder *builder, int64_t base_offset)
{
    builder->base_offset = base_offset;
    builder->file_count = 0;
    builder->time_file_count = 0;
    builder->time_last_ms = INT64_MIN;
    builder->time_last_offset = -1;
    builder->bytes_since = 0;
    builder->max_timestamp_ms = WEIR_NO_TIMESTAMP;
    builder->max_timestamp_offset = -1;
    builder->tail_count = 0;
    builder->tail_written = 0;
}

/* Write `bytes` at `position` of a file that is opened for it: the log keeps no handle on hints. */
static bool write_entries(struct weir_index_builder *builder, const char *suffix,
                          struct weir_slice bytes, int64_t position)
{
    if (bytes.size == 0) return true;
    if (builder->is_aside) suffix = suffix == offset_suffix ? offset_aside : time_aside;
    struct weir_log_path path =
        weir_log_offset_path(builder->directory, builder->base_offset, suffix);
    unsigned flags = WEIR_OPEN_WRITE | WEIR_OPEN_CREATE;
    if (position == 0) flags |= WEIR_OPEN_TRUNCATE; /* a stale file ends where the new one begins */
    struct weir_file *file = NULL;
    int rc = weir_file_open(builder->env, path.text, flags, &file, NULL);
    struct weir_iovec part = {bytes.data, bytes.size};
    if (rc == 0) rc = weir_file_write(file, &part, 1, position, NULL);
    weir_file_close(file);
    if (weir_code_is_shortage(rc)) builder->was_short = true;
    return rc == 0;
}

static size_t encode_offsets(const struct weir_index_builder *builder, uint8_t *to)
{
    uint8_t *at = to;
    for (size_t i = builder->tail_written; i < builder->tail_count; i++) {
        const struct weir_index_entry *entry = &builder->tail[i];
        weir_store_u32(at, (uint32_t)(entry->last_offset - builder->base_offset));
        weir_store_u32(at + 4, (uint32_t)entry->position);
        at += WEIR_INDEX_OFFSET_ENTRY;
    }
    return (size_t)(at - to);
}

static uint8_t *store_time(const struct weir_index_builder *builder, uint8_t *to, int64_t ms,
                           int64_t offset)
{
    weir_store_u64(to, (uint64_t)ms);
    weir_store_u32(to + 8, (uint32_t)(offset - builder->base_offset));
    return to + WEIR_INDEX_TIME_ENTRY;
}

/* Kafka's time index holds each maximum once: both columns rise. */
static bool rises(const struct weir_index_builder *builder, int64_t ms, int64_t offset)
{
    return ms > builder->time_last_ms && offset > builder->time_last_offset;
}

/* Only what rises. Returns the bytes; the builder's newest timestamp moves along. */
static size_t encode_times(struct weir_index_builder *builder, uint8_t *to)
{
    uint8_t *at = to;
    for (size_t i = builder->tail_written; i < builder->tail_count; i++) {
        const struct weir_index_entry *entry = &builder->tail[i];
        if (!rises(builder, entry->max_timestamp_ms, entry->max_timestamp_offset)) continue;
        at = store_time(builder, at, entry->max_timestamp_ms, entry->max_timestamp_offset);
        builder->time_last_ms = entry->max_timestamp_ms;
        builder->time_last_offset = entry->max_timestamp_offset;
    }
    return (size_t)(at - to);
}

void weir_index_builder_flush(struct weir_index_builder *builder)
{
    uint8_t bytes[WEIR_INDEX_TAIL_MAX * WEIR_INDEX_TIME_ENTRY];
    size_t size = encode_offsets(builder, bytes);
    if (write_entries(builder, offset_suffix, weir_slice(bytes, size),
                      builder->file_count * WEIR_INDEX_OFFSET_ENTRY)) {
        builder->file_count += (int64_t)(builder->tail_count - builder->tail_written);
    }
    size = encode_times(builder, bytes);
    if (write_entries(builder, time_suffix, weir_slice(bytes, size),
                      builder->time_file_count * WEIR_INDEX_TIME_ENTRY)) {
        builder->time_file_count += (int64_t)(size / WEIR_INDEX_TIME_ENTRY);
    }
    builder->tail_written = builder->tail_count;
}

void weir_index_builder_seal(struct weir_index_builder *builder)
{
    weir_index_builder_flush(builder);
    if (!rises(builder, builder->max_timestamp_ms, builder->max_timestamp_offset)) return;
    uint8_t bytes[WEIR_INDEX_TIME_ENTRY];
    (void)store_time(builder, bytes, builder->max_timestamp_ms, builder->max_timestamp_offset);
    if (!write_entries(builder, time_suffix, weir_slice(bytes, sizeof bytes),
                       builder->time_file_count * WEIR_INDEX_TIME_ENTRY)) {
        return;
    }
    builder->time_file_count++;
    builder->time_last_ms = builder->max_timestamp_ms;
    builder->time_last_offset = builder->max_timestamp_offset;
}

static void make_room(struct weir_index_builder *builder)
{
    if (builder->tail_count < builder->tail_capacity) return;
    if (builder->tail_capacity < WEIR_INDEX_TAIL_MAX) {
        size_t capacity = weir_grown(builder->tail_capacity, TAIL_AT_FIRST);
        struct weir_index_entry *tail =
            weir_realloc(builder->budget, builder->tail, capacity * sizeof *tail);
        if (tail != NULL) {
            builder->tail = tail;
            builder->tail_capacity = capacity;
            return;
        }
    }
    if (builder->tail_count < 2) return;
    weir_index_builder_flush(builder);
    size_t gone = builder->tail_count / 2;
    builder->tail_count -= gone;
    builder->tail_written = builder->tail_count;
    memmove(builder->tail, builder->tail + gone, builder->tail_count * sizeof *builder->tail);
}

void weir_index_builder_add(struct weir_index_builder *builder,
                            const struct weir_batch_header *header, int64_t position)
{
    int64_t last_offset = weir_batch_last_offset(header);
    if (header->max_timestamp_ms > builder->max_timestamp_ms) {
        builder->max_timestamp_ms = header->max_timestamp_ms;
        builder->max_timestamp_offset = last_offset;
    }
    bool is_due = builder->bytes_since > builder->interval_bytes;
    builder->bytes_since += (int64_t)weir_batch_size(header);
    if (!is_due) return;
    make_room(builder);
    if (builder->tail_count == builder->tail_capacity) return;
    builder->bytes_since = (int64_t)weir_batch_size(header);
    builder->tail[builder->tail_count++] = (struct weir_index_entry){
        .last_offset = last_offset,
        .position = position,
        .max_timestamp_ms = builder->max_timestamp_ms,
        .max_timestamp_offset = builder->max_timestamp_offset,
    };
}

static bool is_within(const struct weir_index_entry *entry, int64_t offset, int64_t position_max)
{
    return entry->last_offset <= offset && entry->position <= position_max;
}

bool weir_index_builder_find(const struct weir_index_builder *builder, int64_t offset,
                             int64_t position_max, struct weir_index_entry *entry_out)
{
    const struct weir_index_entry *tail = builder->tail;
    if (builder->tail_count == 0 || !is_within(&tail[0], offset, position_max)) return false;
    size_t low = 0;
    size_t high = builder->tail_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (is_within(&tail[middle], offset, position_max)) {
            low = middle;
        } else {
            high = middle;
        }
    }
    *entry_out = tail[low];
    return true;
}

/* ---- reading the files ----------------------------------------------------------------------- */

bool weir_index_entry_load(const uint8_t *bytes, int64_t base_offset,
                           struct weir_index_entry *entry_out)
{
    int32_t delta = (int32_t)weir_load_u32(bytes);
    int32_t position = (int32_t)weir_load_u32(bytes + 4);
    if (delta < 0 || position < 0) return false;
    *entry_out =
        (struct weir_index_entry){.last_offset = base_offset + delta, .position = position};
    return true;
}

struct index_file {
    struct weir_file *file;
    int64_t count;
    size_t entry_size;
};

static int open_index(const struct weir_index_files *files, const char *suffix, size_t entry_size,
                      struct index_file *index_out)
{
    struct weir_log_path path = weir_log_offset_path(files->directory, files->base_offset, suffix);
    struct weir_file *file = NULL;
    int rc = weir_file_open(files->env, path.text, WEIR_OPEN_READ, &file, NULL);
    if (rc < 0) return rc;
    struct weir_file_stat stat;
    rc = weir_file_stat(file, &stat, NULL);
    if (rc < 0) {
        weir_file_close(file);
        return rc;
    }
    *index_out = (struct index_file){file, stat.size / (int64_t)entry_size, entry_size};
    return 0;
}

/* WEIR_CORRUPT: it says what no entry can say. */
static int read_entry(const struct weir_index_files *files, const struct index_file *index,
                      int64_t at, struct weir_index_entry *entry_out)
{
    uint8_t bytes[WEIR_INDEX_TIME_ENTRY];
    int64_t got = weir_file_read(index->file, bytes, index->entry_size,
                                 at * (int64_t)index->entry_size, NULL);
    if (got != (int64_t)index->entry_size) return WEIR_CORRUPT;
    *entry_out = (struct weir_index_entry){0};
    if (index->entry_size == WEIR_INDEX_OFFSET_ENTRY) {
        return weir_index_entry_load(bytes, files->base_offset, entry_out) ? 0 : WEIR_CORRUPT;
    }
    int32_t delta = (int32_t)weir_load_u32(bytes + 8);
    if (delta < 0) return WEIR_CORRUPT;
    entry_out->max_timestamp_ms = (int64_t)weir_load_u64(bytes);
    entry_out->max_timestamp_offset = files->base_offset + delta;
    return 0;
}

/* Is this entry at or before what is looked for? The one difference between the two indexes. */
typedef bool (*entry_test)(const struct weir_index_entry *entry, int64_t wanted);

static bool offset_is_before(const struct weir_index_entry *entry, int64_t offset)
{
    return entry->last_offset <= offset;
}

static bool position_is_reached(const struct weir_index_entry *entry, int64_t position)
{
    return entry->position <= position;
}

static bool time_is_before(const struct weir_index_entry *entry, int64_t timestamp_ms)
{
    return entry->max_timestamp_ms < timestamp_ms;
}

/* The last entry that is, and its place in the file. WEIR_END: none is. */
static int find_last(const struct weir_index_files *files, const struct index_file *index,
                     entry_test is_before, int64_t wanted, struct weir_index_entry *entry_out,
                     int64_t *at_out)
{
    int64_t low = 0; /* entries below it are before `wanted` */
    int64_t high = index->count;
    struct weir_index_entry found = {0};
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        struct weir_index_entry entry;
        int rc = read_entry(files, index, middle, &entry);
        if (rc < 0) return rc;
        if (is_before(&entry, wanted)) {
            found = entry;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) return WEIR_END;
    *entry_out = found;
    *at_out = low - 1;
    return 0;
}

static int find_in_offsets(const struct weir_index_files *files, entry_test is_before,
                           int64_t wanted, struct weir_index_entry *entry_out)
{
    struct index_file index;
    int rc = open_index(files, offset_suffix, WEIR_INDEX_OFFSET_ENTRY, &index);
    if (rc < 0) return rc;
    int64_t at = 0;
    rc = find_last(files, &index, is_before, wanted, entry_out, &at);
    weir_file_close(index.file);
    return rc;
}

int weir_index_files_find_offset(const struct weir_index_files *files, int64_t offset,
                                 struct weir_index_entry *entry_out)
{
    return find_in_offsets(files, offset_is_before, offset, entry_out);
}

int weir_index_files_find_position(const struct weir_index_files *files, int64_t position,
                                   struct weir_index_entry *entry_out)
{
    return find_in_offsets(files, position_is_reached, position, entry_out);
}

static int read_from(const struct index_file *index, int64_t at, struct weir_index_stretch *stretch)
{
    int64_t position = at * WEIR_INDEX_OFFSET_ENTRY;
    int64_t got = weir_file_read(index->file, stretch->to, stretch->size_max, position, NULL);
    if (got < WEIR_INDEX_OFFSET_ENTRY) return got < 0 ? (int)got : WEIR_CORRUPT;
    stretch->size = (size_t)got - (size_t)got % WEIR_INDEX_OFFSET_ENTRY;
    stretch->is_to_end = at + (int64_t)stretch->size / WEIR_INDEX_OFFSET_ENTRY >= index->count;
    return 0;
}

int weir_index_files_read(const struct weir_index_files *files, struct weir_index_stretch *stretch)
{
    struct index_file index;
    struct weir_index_entry entry;
    int rc = open_index(files, offset_suffix, WEIR_INDEX_OFFSET_ENTRY, &index);
    if (rc < 0) return rc;
    int64_t at = 0;
    rc = find_last(files, &index, offset_is_before, stretch->offset, &entry, &at);
    if (rc == 0) rc = read_from(&index, at, stretch);
    weir_file_close(index.file);
    return rc;
}

int weir_index_files_find_time(const struct weir_index_files *files, int64_t timestamp_ms,
                               struct weir_index_entry *entry_out)
{
    struct index_file index;
    int rc = open_index(files, time_suffix, WEIR_INDEX_TIME_ENTRY, &index);
    if (rc < 0) return rc;
    int64_t at = 0;
    rc = find_last(files, &index, time_is_before, timestamp_ms, entry_out, &at);
    weir_file_close(index.file);
    return rc;
}

static bool position_is_before(const struct weir_index_entry *entry, int64_t position)
{
    return entry->position < position;
}

static bool time_offset_is_before(const struct weir_index_entry *entry, int64_t end_offset)
{
    return entry->max_timestamp_offset < end_offset;
}

/* Count entries before `bound` from the file's end, where what a crash left behind would be. */
static int count_before(const struct weir_index_files *files, const char *suffix, size_t entry_size,
                        entry_test is_before, int64_t bound, int64_t *count_out,
                        struct weir_index_entry *last_out)
{
    struct index_file index;
    int rc = open_index(files, suffix, entry_size, &index);
    if (rc < 0) return rc;
    int64_t count = index.count;
    while (count > 0) {
        rc = read_entry(files, &index, count - 1, last_out);
        if (rc < 0 || is_before(last_out, bound)) break;
        count--;
    }
    weir_file_close(index.file);
    if (rc < 0) return rc;
    *count_out = count;
    return count > 0 ? 0 : WEIR_END;
}

int weir_index_builder_resume(struct weir_index_builder *builder, int64_t position,
                              int64_t end_offset, struct weir_index_entry *last_out)
{
    struct weir_index_files files = {builder->env, builder->directory, builder->base_offset};
    struct weir_index_entry last = {0};
    struct weir_index_entry last_time = {0};
    int64_t count = 0;
    int64_t time_count = 0;
    int rc = count_before(&files, time_suffix, WEIR_INDEX_TIME_ENTRY, time_offset_is_before,
                          end_offset, &time_count, &last_time);
    if (weir_code_is_shortage(rc)) return rc; /* the file is there, and would be begun anew */
    if (rc == 0) {
        builder->time_file_count = time_count;
        builder->time_last_ms = last_time.max_timestamp_ms;
        builder->time_last_offset = last_time.max_timestamp_offset;
    }
    rc = count_before(&files, offset_suffix, WEIR_INDEX_OFFSET_ENTRY, position_is_before, position,
                      &count, &last);
    if (rc != 0) return rc;
    builder->file_count = count;
    *last_out = last;
    return 0;
}

static int remove_if_there(const struct weir_index_files *files, const char *suffix,
                           struct weir_error *error)
{
    struct weir_log_path path = weir_log_offset_path(files->directory, files->base_offset, suffix);
    int rc = weir_remove(files->env, path.text, error);
    return rc == WEIR_NOT_FOUND ? 0 : rc;
}

int weir_index_files_remove(const struct weir_index_files *files, struct weir_error *error)
{
    int rc = remove_if_there(files, offset_suffix, error);
    return rc < 0 ? rc : remove_if_there(files, time_suffix, error);
}
