#ifndef WEIR_BROKER_LOG_OFFSET_INDEX_H
#define WEIR_BROKER_LOG_OFFSET_INDEX_H

#include "base/env/env.h"
#include "wire/record_batch.h"

/**
 * The two sparse indexes of a segment, in Kafka's files and byte order:
 *
 *   .index      8 bytes each: last offset of a batch - segment base (i32), its position (i32)
 *   .timeindex 12 bytes each: largest timestamp so far (i64), last offset of its batch - base (i32)
 *
 * Entries are hints. One is believed only when the batch header that it points at says the same;
 * whoever finds a wrong one falls back to walking headers and has the files rebuilt. So a missing,
 * stale, cut or scribbled index changes how long an answer takes, never the answer.
 */
struct weir_index_entry {
    int64_t last_offset; /* of the batch at `position` */
    int64_t position;
    int64_t max_timestamp_ms;     /* of all batches up to this one */
    int64_t max_timestamp_offset; /* last offset of the batch that has it */
};

enum { WEIR_INDEX_OFFSET_ENTRY = 8, WEIR_INDEX_TIME_ENTRY = 12, WEIR_INDEX_TAIL_MAX = 256 };

/**
 * Builds the indexes of one segment as batches come: the newest entries in memory, where readers
 * of the tail find them, all but the very newest in the files. Allocates up to 256 entries once.
 */
struct weir_index_builder {
    struct weir_env *env;
    struct weir_budget *budget;
    const char *directory; /* borrowed from the log */
    bool is_aside;         /* the files are `.index.cleaned` and `.timeindex.cleaned` */
    int64_t base_offset;
    int64_t interval_bytes;
    int64_t file_count;      /* entries in .index */
    int64_t time_file_count; /* entries in .timeindex */
    int64_t time_last_ms;    /* newest timestamp in .timeindex; INT64_MIN: none */
    int64_t time_last_offset;
    int64_t bytes_since;
    int64_t max_timestamp_ms; /* of the segment so far; -1: none */
    int64_t max_timestamp_offset;
    struct weir_index_entry *tail;
    size_t tail_count;
    size_t tail_written; /* how many of them, the oldest, are in the files already */
    size_t tail_capacity;
    bool was_short; /* entries were left out in a shortage; nothing resets it */
};

void weir_index_builder_init(struct weir_index_builder *builder, struct weir_env *env,
                             struct weir_budget *budget, const char *directory);
void weir_index_builder_close(struct weir_index_builder *builder);
/** Its invariants. */
void weir_index_builder_check(const struct weir_index_builder *builder);
/** Begin the indexes of a segment anew; memory is kept. */
void weir_index_builder_begin(struct weir_index_builder *builder, int64_t base_offset);
/** Note one batch at `position`. Cannot fail: an entry that finds no room or no disk is left out.
 * */
void weir_index_builder_add(struct weir_index_builder *builder,
                            const struct weir_batch_header *header, int64_t position);
/** Write what is in memory behind what is in the files. A failure costs entries, nothing else. */
void weir_index_builder_flush(struct weir_index_builder *builder);
/** Flush, and end the time index with the segment's largest timestamp, as Kafka does. */
void weir_index_builder_seal(struct weir_index_builder *builder);
/** The newest entry in memory with `last_offset` <= `offset` and `position` <= `position_max`: a
 * place to walk from. False if the files have to be asked. */
bool weir_index_builder_find(const struct weir_index_builder *builder, int64_t offset,
                             int64_t position_max, struct weir_index_entry *entry_out);

/** The files of one segment, read in place by binary search. Any thread. */
struct weir_index_files {
    struct weir_env *env;
    const char *directory;
    int64_t base_offset;
};

/** The last entry with `last_offset` <= `offset`. 0: found. WEIR_END: none. Errors: the file could
 * not be read, which means as much as a wrong entry. */
int weir_index_files_find_offset(const struct weir_index_files *files, int64_t offset,
                                 struct weir_index_entry *entry_out);
/** The last entry that lies at or before `position`; as above. */
int weir_index_files_find_position(const struct weir_index_files *files, int64_t position,
                                   struct weir_index_entry *entry_out);
/** What the 8 bytes of an offset entry say. False: what no entry can say, a place before the
 * segment. */
bool weir_index_entry_load(const uint8_t *bytes, int64_t base_offset,
                           struct weir_index_entry *entry_out);
/** Entries as they lie in the file, from the last one at or before `offset` on. WEIR_END: none is.
 * */
struct weir_index_stretch {
    int64_t offset;
    uint8_t *to;
    size_t size_max;
    size_t size;    /* given, whole entries */
    bool is_to_end; /* given: the file had no more */
};
int weir_index_files_read(const struct weir_index_files *files, struct weir_index_stretch *stretch);
/** The last entry of the time index with a timestamp < `timestamp_ms`; its position is not filled.
 * */
int weir_index_files_find_time(const struct weir_index_files *files, int64_t timestamp_ms,
                               struct weir_index_entry *entry_out);
/** Entries of the files that lie before `position` and `end_offset`; fills file_count,
 * time_file_count and time_last_*. */
int weir_index_builder_resume(struct weir_index_builder *builder, int64_t position,
                              int64_t end_offset, struct weir_index_entry *last_out);
/** Remove both files; missing ones are fine. */
int weir_index_files_remove(const struct weir_index_files *files, struct weir_error *error);

#endif
