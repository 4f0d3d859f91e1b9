#include "broker/log/segment.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/log/small_file.h"

/* A walk this much longer than an index interval says that entries are missing. */
enum { WALK_INTERVALS_MAX = 16, WALK_BYTES_MAX = 4 * 1024 * 1024 };

struct weir_segment *weir_segment_new(struct weir_env *env, struct weir_budget *budget,
                                      struct weir_file_set *files, const char *directory,
                                      struct weir_segment_facts facts)
{
    struct weir_segment *segment = weir_alloc_zero(budget, sizeof *segment);
    struct weir_kept_file *kept = weir_kept_file_new(budget, files);
    if (segment == NULL || kept == NULL) {
        weir_kept_file_unref(kept);
        weir_free(segment);
        return NULL;
    }
    segment->kept = kept;
    segment->env = env;
    segment->budget = budget;
    segment->directory = directory;
    segment->facts = facts;
    weir_transaction_index_init(&segment->aborted, budget);
    atomic_init(&segment->references, 1);
    atomic_init(&segment->cut_size, INT64_MAX);
    return segment;
}

void weir_segment_check(const struct weir_segment *segment)
{
    const struct weir_segment_facts *facts = &segment->facts;
    weir_assert(atomic_load_explicit(&segment->references, memory_order_relaxed) > 0);
    weir_assert(segment->kept != NULL);
    weir_assert(facts->size >= 0);
    weir_assert((facts->size == 0) == (facts->base_offset == facts->end_offset));
    weir_assert(facts->base_offset <= facts->end_offset);
    weir_transaction_index_check(&segment->aborted);
}

struct weir_segment *weir_segment_ref(struct weir_segment *segment)
{
    int before = atomic_fetch_add_explicit(&segment->references, 1, memory_order_relaxed);
    weir_assert(before > 0);
    return segment;
}

void weir_segment_unref(struct weir_segment *segment)
{
    if (segment == NULL) return;
    int before = atomic_fetch_sub_explicit(&segment->references, 1, memory_order_acq_rel);
    weir_assert(before > 0);
    if (before > 1) return;
    weir_kept_file_unref(segment->kept);
    weir_transaction_index_close(&segment->aborted);
    weir_free(segment);
}

void weir_segment_note_abort(struct weir_segment *segment, const struct weir_transaction_end *end)
{
    struct weir_segment_facts *facts = &segment->facts;
    struct weir_transaction_index *aborted = &segment->aborted;
    weir_assert(facts->aborted_count == aborted->count);
    weir_transaction_index_add(aborted, end);
    facts->aborted_count++;
    facts->aborted_crc =
        weir_transaction_index_crc_next(facts->aborted_crc, &aborted->entries[aborted->count - 1]);
}

/* The batches in a file of another segment, or of another partition, are as whole as those that
 * belong here: the first one is held against what the mark says of it. Where it is no batch at all,
 * the walk finds out. */
static int check_first_batch(const struct weir_segment *segment, struct weir_file *file,
                             struct weir_error *error)
{
    uint8_t bytes[WEIR_BATCH_HEADER_SIZE];
    struct weir_batch_header header;
    if (segment->facts.size < WEIR_BATCH_HEADER_SIZE) return 0;
    int64_t got = weir_file_read(file, bytes, sizeof bytes, 0, error);
    if (got < 0) return (int)got;
    if (got < (int64_t)sizeof bytes) return 0;
    int rc = weir_batch_peek_header(weir_slice(bytes, sizeof bytes), INT32_MAX, &header, NULL);
    if (rc < 0) return 0;
    bool begins_here =
        header.base_offset == segment->facts.base_offset ||
        (segment->facts.has_holes && header.base_offset > segment->facts.base_offset);
    bool is_own = begins_here && header.max_timestamp_ms == segment->facts.first_timestamp_ms;
    if (is_own) return 0;
    return weir_error_set(error, WEIR_CORRUPT,
                          "'%s' is another's: its first batch has offset %lld and time %lld, not "
                          "%lld and %lld; put the right file back",
                          file->path, (long long)header.base_offset,
                          (long long)header.max_timestamp_ms, (long long)segment->facts.base_offset,
                          (long long)segment->facts.first_timestamp_ms);
}

static int hold(struct weir_segment *segment, unsigned flags, struct weir_error *error)
{
    int rc = 0;
    if (!weir_kept_file_try_hold(segment->kept)) { /* its path is made only where it is opened */
        struct weir_log_path path =
            weir_log_offset_path(segment->directory, segment->facts.base_offset, ".log");
        rc = weir_kept_file_hold(segment->kept, segment->env, path.text,
                                 WEIR_OPEN_READ | WEIR_OPEN_WRITE | flags, error);
    }
    if (rc < 0) return rc;
    /* Also when it is opened again: in between somebody may have put another in its place. */
    if (segment->kept->is_fresh) rc = check_first_batch(segment, segment->kept->file, error);
    if (rc < 0) {
        weir_kept_file_release(segment->kept);
        return rc;
    }
    segment->kept->is_fresh = false;
    (void)weir_segment_ref(segment);
    return 0;
}

int weir_segment_hold(struct weir_segment *segment, struct weir_error *error)
{
    return weir_error_storage(error, hold(segment, 0, error));
}

int weir_segment_hold_new(struct weir_segment *segment, struct weir_error *error)
{
    return hold(segment, WEIR_OPEN_CREATE | WEIR_OPEN_EXCLUSIVE, error);
}

int weir_segment_say_short(const struct weir_file *file, int64_t size, int64_t size_known,
                           struct weir_error *error)
{
    return weir_error_set(error, WEIR_CORRUPT,
                          "'%s' has %" PRId64 " of its %" PRId64
                          " bytes: something other than this process has cut it",
                          file->path, size, size_known);
}

bool weir_segment_lend(struct weir_segment *segment)
{
    if (!weir_kept_file_lend(segment->kept)) return false;
    (void)weir_segment_ref(segment);
    return true;
}

void weir_segment_take_back(struct weir_segment *segment)
{
    if (segment == NULL) return;
    weir_kept_file_take_back(segment->kept);
    weir_segment_unref(segment);
}

int weir_segment_check_size(const struct weir_segment *segment, int64_t *size_out,
                            struct weir_error *error)
{
    struct weir_file_stat stat;
    const int64_t size = segment->facts.size;
    struct weir_file *file = segment->kept->file;
    /* A file that cannot be looked at is left to who reads or writes it. */
    bool is_short = weir_file_stat(file, &stat, NULL) == 0 && stat.size < size;
    *size_out = is_short ? stat.size : size;
    if (!is_short) return 0;
    return weir_segment_say_short(file, stat.size, size, error);
}

void weir_segment_release(struct weir_segment *segment)
{
    if (segment == NULL) return;
    weir_kept_file_release(segment->kept);
    weir_segment_unref(segment);
}

void weir_segment_walk_headers(const struct weir_segment *segment, struct weir_segment_scan *scan)
{
    weir_segment_scan_init(scan, &(struct weir_segment_scan_options){
                                     .file = segment->kept->file,
                                     .budget = segment->budget,
                                     .limit = segment->facts.size,
                                     .expected_offset = segment->facts.base_offset,
                                     .epoch = WEIR_NO_LEADER_EPOCH,
                                     .is_headers_only = true,
                                     .has_holes = segment->facts.has_holes,
                                 });
}

/* The header in `bytes`, if it is one of a batch of the segment that is whole below `limit`. */
static bool take_header(const struct weir_segment *segment,
                        const uint8_t bytes[WEIR_BATCH_HEADER_SIZE], int64_t position,
                        int64_t limit, struct weir_batch_header *header_out)
{
    struct weir_batch_header header;
    struct weir_slice all = weir_slice(bytes, WEIR_BATCH_HEADER_SIZE);
    bool is_batch = weir_batch_peek_header(all, INT32_MAX, &header, NULL) == 0 &&
                    header.base_offset >= segment->facts.base_offset &&
                    (int64_t)weir_batch_size(&header) <= limit - position;
    if (is_batch) *header_out = header;
    return is_batch;
}

bool weir_segment_cached_header(struct weir_segment *segment, int64_t position, int64_t limit,
                                struct weir_batch_header *header_out)
{
    uint8_t bytes[WEIR_BATCH_HEADER_SIZE];
    if (position < 0 || position > limit - WEIR_BATCH_HEADER_SIZE) return false;
    int64_t got = weir_file_read_cached(segment->kept->file, bytes, sizeof bytes, position);
    return got == (int64_t)sizeof bytes && take_header(segment, bytes, position, limit, header_out);
}

bool weir_segment_entry_is_true(struct weir_segment *segment, const struct weir_index_entry *entry,
                                int64_t limit, struct weir_batch_header *header_out)
{
    uint8_t bytes[WEIR_BATCH_HEADER_SIZE];
    struct weir_batch_header header;
    if (entry->position < 0 || entry->position > limit - WEIR_BATCH_HEADER_SIZE) return false;
    int64_t got = weir_file_read(segment->kept->file, bytes, sizeof bytes, entry->position, NULL);
    bool is_true = got == (int64_t)sizeof bytes &&
                   take_header(segment, bytes, entry->position, limit, &header) &&
                   weir_batch_last_offset(&header) == entry->last_offset;
    if (is_true) *header_out = header;
    return is_true;
}

static struct weir_index_files files_of(const struct weir_segment *segment)
{
    return (struct weir_index_files){segment->env, segment->directory, segment->facts.base_offset};
}

/* Where to begin the walk, and whether the index is any good: where it is missing or lies it is the
 * segment's start. Fails in a shortage only. */
static int choose_start(struct weir_segment *segment, const struct weir_segment_seek *seek,
                        struct weir_segment_scan_options *start, bool *is_good_out)
{
    *is_good_out = false;
    start->position = 0;
    start->expected_offset = segment->facts.base_offset;
    start->epoch = WEIR_NO_LEADER_EPOCH;
    struct weir_index_entry entry;
    if (seek->hint != NULL) {
        entry = *seek->hint;
    } else {
        struct weir_index_files files = files_of(segment);
        int rc = weir_index_files_find_offset(&files, seek->offset, &entry);
        if (weir_code_is_shortage(rc)) return rc;
        /* One that is missing may be too small to have one. */
        *is_good_out = rc == WEIR_END || seek->limit <= segment->index_interval_bytes;
        if (rc != 0) return 0;
    }
    *is_good_out = false;
    struct weir_batch_header header;
    if (!weir_segment_entry_is_true(segment, &entry, seek->limit, &header)) return 0;
    if (header.base_offset > seek->offset) return 0;
    *is_good_out = true;
    start->position = entry.position;
    start->expected_offset = header.base_offset;
    start->epoch = header.leader_epoch;
    return 0;
}

static int walk(struct weir_segment_seek *seek, const struct weir_segment_scan_options *start,
                struct weir_error *error)
{
    struct weir_segment_scan scan;
    weir_segment_scan_init(&scan, start);
    struct weir_batch_header header;
    int64_t position = 0;
    int rc;
    do {
        rc = weir_segment_scan_next(&scan, &header, &position, error);
    } while (rc == 0 && weir_batch_last_offset(&header) < seek->offset);
    if (rc == 0) {
        seek->header = header;
        seek->position = position;
    } else {
        seek->damaged_offset = scan.expected_offset;
    }
    weir_segment_scan_close(&scan);
    return rc;
}

/* Make the index files anew from the log. They are hints: whatever fails is left as it is (but for a
 * shortage, after which the next reader tries again), and a second walker in the middle of it sees
 * entries that are true or that it does not believe. */
static void rebuild_index(struct weir_segment *segment)
{
    if (!segment->is_sealed || atomic_exchange(&segment->was_rebuilt, true)) return;
    struct weir_index_files files = files_of(segment);
    if (weir_index_files_remove(&files, NULL) < 0) return;
    struct weir_index_builder builder;
    weir_index_builder_init(&builder, segment->env, segment->budget, segment->directory);
    builder.interval_bytes = segment->index_interval_bytes;
    weir_index_builder_begin(&builder, segment->facts.base_offset);
    struct weir_segment_scan scan;
    weir_segment_walk_headers(segment, &scan);
    struct weir_batch_header header;
    int64_t position;
    while (weir_segment_scan_next(&scan, &header, &position, NULL) == 0) {
        weir_index_builder_add(&builder, &header, position);
    }
    weir_index_builder_seal(&builder);
    weir_segment_scan_close(&scan);
    weir_index_builder_close(&builder);
    if (builder.was_short) atomic_store(&segment->was_rebuilt, false);
}

int weir_segment_seek(struct weir_segment *segment, struct weir_segment_seek *seek,
                      struct weir_error *error)
{
    weir_assert(atomic_load(&segment->kept->holds) > 0);
    weir_assert(seek->offset >= segment->facts.base_offset);
    struct weir_segment_scan_options start = {
        .file = segment->kept->file,
        .budget = segment->budget,
        .limit = seek->limit,
        .end_offset = seek->end_offset,
        .is_headers_only = true,
        .has_holes = segment->facts.has_holes,
    };
    bool is_index_good;
    int rc = choose_start(segment, seek, &start, &is_index_good);
    if (rc < 0) return weir_error_set(error, (enum weir_code)rc, "read the index of a segment");
    seek->is_index_poor = !is_index_good;
    rc = walk(seek, &start, error);
    if (rc < 0) return rc;
    int64_t walked = (rc == WEIR_END ? seek->limit : seek->position) - start.position;
    int64_t walk_max = WALK_INTERVALS_MAX * segment->index_interval_bytes + WALK_BYTES_MAX;
    if (walked > walk_max) seek->is_index_poor = true;
    if (seek->is_index_poor && !seek->is_in_place) rebuild_index(segment);
    return rc;
}
