#include "broker/log/durable_mark.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "broker/log/small_file.h"

/* 0 magic "WeirMark"  8 version u16  10 flags u16  12 size u32  16 crc u32 over [0, 16) and
 * [20, size)  20 topic id  36 partition  40 start offset  48 end offset  56 leader epoch
 * 60 segments, epochs, producers, what was given up; the last 16 bytes: clean offset, sequence. */
enum {
    MAGIC_SIZE = 8,
    SIZE_AT = 12,
    CRC_AT = 16,
    BODY_AT = 20,
    SEGMENT_SIZE = 68,
    SEGMENT_SIZE_3 = 60, /* of versions 3 to 5 */
    SEGMENT_SIZE_2 = 48, /* of version 2 */
    EPOCH_SIZE = 12,
    LOST_RANGE_SIZE = 16,
    SEQUENCE_SIZE = 8,
};
enum { FLAG_CLEAN = 1, FLAG_TRUNCATING = 2, FLAG_SWAPPING = 4 }; /* of a segment at least */
enum { SEGMENT_FLAG_HOLES = 1, SEGMENT_FLAG_SWAPPING = 2 };

/* In a mark of version 2 a segment ends where the next one begins. */
#define UNKNOWN_END INT64_MIN

static const uint8_t magic[MAGIC_SIZE] = {'W', 'e', 'i', 'r', 'M', 'a', 'r', 'k'};

struct weir_segment_facts weir_segment_facts_at(int64_t base_offset)
{
    return (struct weir_segment_facts){
        .base_offset = base_offset,
        .end_offset = base_offset,
        .first_timestamp_ms = WEIR_NO_TIMESTAMP,
        .max_timestamp_ms = WEIR_NO_TIMESTAMP,
        .max_timestamp_offset = -1,
        .last_append_ms = WEIR_NO_TIMESTAMP,
    };
}

static uint32_t crc_of(const uint8_t *bytes, size_t size)
{
    uint32_t crc = weir_crc32c(0, bytes, CRC_AT);
    return weir_crc32c(crc, bytes + BODY_AT, size - BODY_AT);
}

static void encode_segments(const struct weir_durable_mark_view *view, struct weir_buffer *to)
{
    weir_buffer_u32(to, (uint32_t)view->segment_count);
    for (size_t i = 0; i < view->segment_count; i++) {
        const struct weir_segment_facts *segment = view->segment(view->context, i);
        weir_buffer_u64(to, (uint64_t)segment->base_offset);
        weir_buffer_u64(to, (uint64_t)segment->size);
        weir_buffer_u64(to, (uint64_t)segment->first_timestamp_ms);
        weir_buffer_u64(to, (uint64_t)segment->max_timestamp_ms);
        weir_buffer_u64(to, (uint64_t)segment->max_timestamp_offset);
        weir_buffer_u64(to, (uint64_t)segment->last_append_ms);
        weir_buffer_u64(to, (uint64_t)segment->end_offset);
        weir_buffer_u32(to, (segment->has_holes ? SEGMENT_FLAG_HOLES : 0u) |
                                (segment->is_swapping ? SEGMENT_FLAG_SWAPPING : 0u));
        weir_buffer_u32(to, segment->aborted_count);
        weir_buffer_u32(to, segment->aborted_crc);
    }
}

static void encode_epochs(const struct weir_leader_epochs *epochs, struct weir_buffer *to)
{
    weir_buffer_u32(to, (uint32_t)epochs->count);
    for (size_t i = 0; i < epochs->count; i++) {
        weir_buffer_u32(to, (uint32_t)epochs->entries[i].epoch);
        weir_buffer_u64(to, (uint64_t)epochs->entries[i].start_offset);
    }
}

static void encode_lost(const struct weir_durable_mark_view *view, struct weir_buffer *to)
{
    size_t count = weir_lost_ranges_count(view->lost);
    while (count > 0 && weir_lost_ranges_at(view->lost, count - 1).from >= view->end_offset) {
        count--;
    }
    weir_buffer_u32(to, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        const struct weir_lost_range range = weir_lost_ranges_at(view->lost, i);
        weir_buffer_u64(to, (uint64_t)range.from);
        weir_buffer_u64(to, (uint64_t)range.to);
    }
}

/* A segment's offsets end at `limit`, where the next one begins or the log ends: with a batch, or
 * in a hole. */
static bool fits(const struct weir_segment_facts *segment, int64_t limit)
{
    return segment->end_offset >= segment->base_offset && segment->end_offset <= limit &&
           (segment->has_holes || segment->end_offset == limit) &&
           (segment->size > 0) == (segment->end_offset > segment->base_offset);
}

static void check_segments(const struct weir_durable_mark_view *view)
{
    for (size_t i = 0; i < view->segment_count; i++) {
        const struct weir_segment_facts *segment = view->segment(view->context, i);
        bool is_last = i + 1 == view->segment_count;
        int64_t limit =
            is_last ? view->end_offset : view->segment(view->context, i + 1)->base_offset;
        weir_assert(segment->base_offset >= 0 && segment->size >= 0);
        weir_assert(is_last || segment->base_offset < limit);
        weir_assert(!segment->is_swapping || (segment->has_holes && !is_last));
        weir_assert(fits(segment, limit));
    }
}

void weir_durable_mark_check(const struct weir_durable_mark_view *view)
{
    weir_assert(view->segment_count > 0);
    weir_assert(view->partition >= 0);
    weir_assert(!view->is_clean || !view->is_truncating);
    weir_assert(view->segment(view->context, 0)->base_offset <= view->start_offset);
    weir_assert(view->start_offset <= view->end_offset);
    weir_assert(view->clean_offset >= 0 && view->clean_offset <= view->end_offset);
    weir_leader_epochs_check(view->epochs);
    weir_assert(weir_leader_epochs_last(view->epochs) <= view->leader_epoch);
    weir_producer_state_check(view->producers);
    check_segments(view);
}

static bool is_swapping(const struct weir_durable_mark_view *view)
{
    for (size_t i = 0; i < view->segment_count; i++) {
        if (view->segment(view->context, i)->is_swapping) return true;
    }
    return false;
}

void weir_durable_mark_encode(const struct weir_durable_mark_view *view, struct weir_buffer *to)
{
    weir_assert(view->segment_count > 0 && to->size == 0);
    weir_assert(view->sequence >= 0);
    unsigned flags = (view->is_clean ? FLAG_CLEAN : 0u) |
                     (view->is_truncating ? FLAG_TRUNCATING : 0u) |
                     (is_swapping(view) ? FLAG_SWAPPING : 0u);
    weir_buffer_append(to, magic, sizeof magic);
    weir_buffer_u16(to, WEIR_DURABLE_MARK_VERSION);
    weir_buffer_u16(to, (uint16_t)flags);
    weir_buffer_u64(to, 0); /* size and crc, below */
    weir_buffer_append(to, view->topic_id.bytes, sizeof view->topic_id.bytes);
    weir_buffer_u32(to, (uint32_t)view->partition);
    weir_buffer_u64(to, (uint64_t)view->start_offset);
    weir_buffer_u64(to, (uint64_t)view->end_offset);
    weir_buffer_u32(to, (uint32_t)view->leader_epoch);
    encode_segments(view, to);
    encode_epochs(view->epochs, to);
    weir_producer_state_encode(view->producers, view->now, to);
    encode_lost(view, to);
    weir_buffer_u64(to, (uint64_t)view->clean_offset);
    weir_buffer_u64(to, (uint64_t)view->sequence);
    if (to->failed) return;
    weir_store_u32(to->data + SIZE_AT, (uint32_t)to->size);
    weir_store_u32(to->data + CRC_AT, crc_of(to->data, to->size));
}

static int damaged(struct weir_error *error, const char *what)
{
    return weir_error_set(error, WEIR_CORRUPT, "durable mark: %s", what);
}

static int check_envelope(struct weir_slice bytes, struct weir_error *error)
{
    if (bytes.size < BODY_AT || memcmp(bytes.data, magic, sizeof magic) != 0) {
        return damaged(error, "it does not begin as one");
    }
    uint32_t size = weir_load_u32(bytes.data + SIZE_AT);
    if (size != bytes.size) return damaged(error, "its size does not fit");
    if (weir_load_u32(bytes.data + CRC_AT) != crc_of(bytes.data, bytes.size)) {
        return damaged(error, "its crc does not fit");
    }
    uint16_t version = weir_load_u16(bytes.data + MAGIC_SIZE);
    if (version < WEIR_DURABLE_MARK_VERSION_OLDEST || version > WEIR_DURABLE_MARK_VERSION) {
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "durable mark: version %u, this program knows %d to %d", version,
                              WEIR_DURABLE_MARK_VERSION_OLDEST, WEIR_DURABLE_MARK_VERSION);
    }
    return 0;
}

/* Of its own; what the next one and the log's end say of it is checked when they are known. */
static bool decode_segment(struct weir_reader *reader, unsigned version,
                           struct weir_segment_facts *segment)
{
    unsigned flags = 0;
    const unsigned known = SEGMENT_FLAG_HOLES | (version > 5 ? SEGMENT_FLAG_SWAPPING : 0u);
    segment->base_offset = (int64_t)weir_reader_u64(reader);
    segment->size = (int64_t)weir_reader_u64(reader);
    segment->first_timestamp_ms = (int64_t)weir_reader_u64(reader);
    segment->max_timestamp_ms = (int64_t)weir_reader_u64(reader);
    segment->max_timestamp_offset = (int64_t)weir_reader_u64(reader);
    segment->last_append_ms = (int64_t)weir_reader_u64(reader);
    segment->end_offset = UNKNOWN_END;
    if (version > 2) {
        segment->end_offset = (int64_t)weir_reader_u64(reader);
        flags = weir_reader_u32(reader);
    }
    segment->has_holes = (flags & SEGMENT_FLAG_HOLES) != 0;
    segment->is_swapping = (flags & SEGMENT_FLAG_SWAPPING) != 0;
    segment->aborted_count = version > 5 ? weir_reader_u32(reader) : WEIR_ABORTED_AS_FILED;
    segment->aborted_crc = version > 5 ? weir_reader_u32(reader) : 0;
    return segment->base_offset >= 0 && segment->size >= 0 && (flags & ~known) == 0 &&
           (segment->has_holes || !segment->is_swapping);
}

static bool fit_segment(struct weir_segment_facts *segment, int64_t limit)
{
    if (segment->end_offset == UNKNOWN_END) segment->end_offset = limit;
    return fits(segment, limit);
}

static int decode_segments(struct weir_reader *reader, struct weir_arena *arena, unsigned version,
                           struct weir_durable_mark *mark, struct weir_error *error)
{
    uint32_t count = weir_reader_u32(reader);
    size_t entry_size = version > 5 ? SEGMENT_SIZE : version > 2 ? SEGMENT_SIZE_3 : SEGMENT_SIZE_2;
    if (count == 0 || count > weir_reader_left(reader) / entry_size) {
        return damaged(error, "its table of segments does not fit");
    }
    struct weir_segment_facts *segments = weir_arena_array(arena, count, sizeof *segments);
    if (segments == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "durable mark: no memory");
    for (uint32_t i = 0; i < count; i++) {
        bool is_sane = decode_segment(reader, version, &segments[i]);
        if (is_sane && i > 0) is_sane = fit_segment(&segments[i - 1], segments[i].base_offset);
        if (!is_sane || (i > 0 && segments[i].base_offset <= segments[i - 1].base_offset)) {
            return damaged(error, "its table of segments makes no sense");
        }
    }
    if (!fit_segment(&segments[count - 1], mark->end_offset)) {
        return damaged(error, "its offsets make no sense");
    }
    mark->segments = segments;
    mark->segment_count = count;
    return 0;
}

static int decode_epochs(struct weir_reader *reader, struct weir_leader_epochs *epochs,
                         struct weir_error *error)
{
    uint32_t count = weir_reader_u32(reader);
    if (count > weir_reader_left(reader) / EPOCH_SIZE) {
        return damaged(error, "its epochs do not fit");
    }
    for (uint32_t i = 0; i < count; i++) {
        int32_t epoch = (int32_t)weir_reader_u32(reader);
        int64_t start = (int64_t)weir_reader_u64(reader);
        bool rises = epoch > weir_leader_epochs_last(epochs) &&
                     (i == 0 || start > epochs->entries[epochs->count - 1].start_offset);
        if (!rises || start < 0) return damaged(error, "its epochs make no sense");
        int rc = weir_leader_epochs_reserve(epochs);
        if (rc < 0) return weir_error_set(error, rc, "durable mark: no memory");
        weir_leader_epochs_assign(epochs, epoch, start);
    }
    return 0;
}

static int decode_lost(struct weir_reader *reader, struct weir_durable_mark *mark,
                       struct weir_error *error)
{
    uint32_t count = weir_reader_u32(reader);
    int64_t end = 0;
    if (count > weir_reader_left(reader) / LOST_RANGE_SIZE) {
        return damaged(error, "its table of what was given up does not fit");
    }
    for (uint32_t i = 0; i < count; i++) {
        struct weir_lost_range range;
        range.from = (int64_t)weir_reader_u64(reader);
        range.to = (int64_t)weir_reader_u64(reader);
        if (range.from < end || range.to <= range.from || range.to > mark->end_offset) {
            return damaged(error, "its table of what was given up makes no sense");
        }
        int rc = weir_lost_ranges_add(&mark->lost, range);
        if (rc < 0) return weir_error_set(error, rc, "durable mark: no memory");
        end = range.to;
    }
    return 0;
}

static int decode_body(struct weir_reader *reader, unsigned version, struct weir_arena *arena,
                       struct weir_mono now, struct weir_durable_mark *mark,
                       struct weir_error *error)
{
    const uint8_t *id = weir_reader_take(reader, sizeof mark->topic_id.bytes);
    if (id != NULL) memcpy(mark->topic_id.bytes, id, sizeof mark->topic_id.bytes);
    mark->partition = (int32_t)weir_reader_u32(reader);
    if (mark->partition < 0) return damaged(error, "its partition makes no sense");
    mark->start_offset = (int64_t)weir_reader_u64(reader);
    mark->end_offset = (int64_t)weir_reader_u64(reader);
    mark->leader_epoch = (int32_t)weir_reader_u32(reader);
    int rc = decode_segments(reader, arena, version, mark, error);
    if (rc < 0) return rc;
    bool is_sane = mark->start_offset >= mark->segments[0].base_offset &&
                   mark->start_offset <= mark->end_offset;
    if (!is_sane) return damaged(error, "its offsets make no sense");
    rc = decode_epochs(reader, &mark->epochs, error);
    if (rc < 0) return rc;
    if (mark->leader_epoch < weir_leader_epochs_last(&mark->epochs)) {
        return damaged(error, "its leader epoch is older than its epochs");
    }
    rc = weir_producer_state_decode(&mark->producers, reader, version > 2, now, error);
    if (rc < 0) return weir_error_wrap(error, rc, "durable mark");
    if (version > 3 && (rc = decode_lost(reader, mark, error)) < 0) return rc;
    mark->clean_offset = version > 5 ? (int64_t)weir_reader_u64(reader) : 0;
    if (mark->clean_offset < 0 || mark->clean_offset > mark->end_offset) {
        return damaged(error, "its clean offset makes no sense");
    }
    mark->sequence = version > 4 ? (int64_t)weir_reader_u64(reader) : 0;
    if (mark->sequence < 0) return damaged(error, "its sequence makes no sense");
    return weir_reader_left(reader) == 0 ? 0 : damaged(error, "something follows its end");
}

int weir_durable_mark_decode(struct weir_slice bytes, struct weir_budget *budget,
                             struct weir_arena *arena, struct weir_mono now,
                             struct weir_durable_mark *mark_out, struct weir_error *error)
{
    int rc = check_envelope(bytes, error);
    if (rc < 0) return rc;
    uint16_t flags = weir_load_u16(bytes.data + MAGIC_SIZE + 2);
    struct weir_durable_mark mark = {
        .is_clean = (flags & FLAG_CLEAN) != 0,
        .is_truncating = (flags & FLAG_TRUNCATING) != 0,
    };
    weir_leader_epochs_init(&mark.epochs, budget);
    weir_producer_state_init(&mark.producers, budget);
    weir_lost_ranges_init(&mark.lost, budget);
    struct weir_reader reader = weir_reader(weir_slice(bytes.data + BODY_AT, bytes.size - BODY_AT));
    unsigned version = weir_load_u16(bytes.data + MAGIC_SIZE);
    rc = decode_body(&reader, version, arena, now, &mark, error);
    if (rc < 0) {
        weir_durable_mark_close(&mark);
        return rc;
    }
    *mark_out = mark;
    return 0;
}

/* ---- the two files --------------------------------------------------------------------------- */

/* One of them as it lies there: the bytes fit their size and crc if it is good. */
struct mark_file {
    struct weir_buffer bytes;
    enum weir_mark_state state;
    int rc;                /* of reading it */
    struct weir_error why; /* it is not good */
};

static void read_file(struct weir_env *env, const char *directory, const char *name,
                      struct mark_file *file)
{
    struct weir_log_path path = weir_log_path(directory, name);
    int rc =
        weir_small_file_read(env, path.text, WEIR_DURABLE_MARK_SIZE_MAX, &file->bytes, &file->why);
    if (rc == 0) rc = check_envelope(weir_buffer_slice(&file->bytes), &file->why);
    file->state = rc == 0                                      ? WEIR_MARK_GOOD
                  : rc == WEIR_NOT_FOUND                       ? WEIR_MARK_MISSING
                  : rc == WEIR_CORRUPT || rc == WEIR_TOO_LARGE ? WEIR_MARK_DAMAGED
                                                               : WEIR_MARK_REFUSED;
    file->rc = rc;
}

static int refuse(const struct mark_file *file, struct weir_error *error)
{
    if (error != NULL) *error = file->why;
    return file->rc;
}

/* A copy that cannot be read, or that another version has written, is none beside a mark that is whole. The mark
 * is never done without for an error that may pass: its copy may be older. A shortage, or what is no file,
 * counts of either. */
static int check_refused(const struct mark_file *mark, const struct mark_file *copy,
                         struct weir_error *error)
{
    bool can_do_without = mark->state == WEIR_MARK_GOOD &&
                          (copy->rc == WEIR_IO || copy->rc == WEIR_UNSUPPORTED_VERSION);
    if (mark->state == WEIR_MARK_REFUSED) return refuse(mark, error);
    if (copy->state == WEIR_MARK_REFUSED && !can_do_without) return refuse(copy, error);
    return 0;
}

static int64_t sequence_of(const struct weir_buffer *bytes)
{
    bool has_one = weir_load_u16(bytes->data + MAGIC_SIZE) > 4;
    if (!has_one || bytes->size < BODY_AT + SEQUENCE_SIZE) return 0;
    return (int64_t)weir_load_u64(bytes->data + bytes->size - SEQUENCE_SIZE);
}

/* Whose the folder is the mark says: it is the one that is durable. */
static bool is_same_partition(const struct weir_buffer *one, const struct weir_buffer *other)
{
    size_t size = sizeof(struct weir_uuid) + sizeof(int32_t);
    return one->size >= BODY_AT + size && other->size >= BODY_AT + size &&
           memcmp(one->data + BODY_AT, other->data + BODY_AT, size) == 0;
}

/* No cut, and no swap of segments, has begun before its order was durable under the mark's own name: beside another
 * mark that is good the copy orders one that never began, or that is over. */
static bool is_order(const struct weir_buffer *bytes)
{
    return (weir_load_u16(bytes->data + MAGIC_SIZE + 2) & (FLAG_TRUNCATING | FLAG_SWAPPING)) != 0;
}

static void compare(struct mark_file *mark, struct mark_file *copy)
{
    if (mark->state != WEIR_MARK_GOOD || copy->state != WEIR_MARK_GOOD) return;
    if (weir_slice_equal(weir_buffer_slice(&mark->bytes), weir_buffer_slice(&copy->bytes))) return;
    bool is_newer = is_same_partition(&mark->bytes, &copy->bytes) &&
                    sequence_of(&copy->bytes) > sequence_of(&mark->bytes) &&
                    !is_order(&copy->bytes);
    struct mark_file *older = is_newer ? mark : copy;
    older->state = WEIR_MARK_OLDER;
}

/* What fits its crc and makes no sense is damaged as well. WEIR_CORRUPT: try the other. */
static int decode_file(struct weir_env *env, struct mark_file *file, struct weir_arena *arena,
                       struct weir_durable_mark *mark_out)
{
    int rc = weir_durable_mark_decode(weir_buffer_slice(&file->bytes), file->bytes.budget, arena,
                                      weir_mono_now(env), mark_out, &file->why);
    if (rc == WEIR_CORRUPT) file->state = WEIR_MARK_DAMAGED;
    return rc;
}

/* The good one, else the other one if it is only older. */
static int decode_newest(struct weir_env *env, struct mark_file *files, struct weir_arena *arena,
                         struct weir_durable_mark *mark_out, struct weir_error *error)
{
    static const enum weir_mark_state order[] = {WEIR_MARK_GOOD, WEIR_MARK_OLDER};
    for (size_t i = 0; i < 4; i++) {
        struct mark_file *file = &files[i % 2];
        if (file->state != order[i / 2]) continue;
        int rc = decode_file(env, file, arena, mark_out);
        if (rc != WEIR_CORRUPT && rc < 0 && error != NULL) *error = file->why;
        if (rc != WEIR_CORRUPT) return rc;
    }
    if (files[1].state == WEIR_MARK_REFUSED) { /* nobody knows what it would have said */
        return refuse(&files[1], error);
    }
    /* A torn copy alone is what a loss of power leaves of a folder that was being made. */
    if (error != NULL) *error = files[0].why;
    return files[0].state == WEIR_MARK_DAMAGED ? WEIR_CORRUPT : WEIR_NOT_FOUND;
}

int weir_durable_mark_read(struct weir_env *env, struct weir_budget *budget, const char *directory,
                           struct weir_arena *arena, struct weir_durable_mark *mark_out,
                           struct weir_mark_pair *pair_out, struct weir_error *error)
{
    static const char *const names[] = {WEIR_DURABLE_MARK_NAME, WEIR_DURABLE_MARK_COPY_NAME};
    struct mark_file files[2] = {{.state = WEIR_MARK_MISSING}, {.state = WEIR_MARK_MISSING}};
    for (size_t i = 0; i < 2; i++) {
        weir_buffer_init(&files[i].bytes, budget, 0);
        read_file(env, directory, names[i], &files[i]);
    }
    int rc = check_refused(&files[0], &files[1], error);
    if (rc == 0) {
        compare(&files[0], &files[1]);
        rc = decode_newest(env, files, arena, mark_out, error);
    }
    if (rc == 0) {
        mark_out->may_be_older =
            files[0].state != WEIR_MARK_GOOD && files[0].state != WEIR_MARK_OLDER;
    }
    if (pair_out != NULL) *pair_out = (struct weir_mark_pair){files[0].state, files[1].state};
    for (size_t i = 0; i < 2; i++) {
        weir_buffer_close(&files[i].bytes);
    }
    return rc;
}

static struct weir_small_file_replace file_of(struct weir_env *env, const char *directory,
                                              const char *name, struct weir_slice bytes)
{
    return (struct weir_small_file_replace){
        .env = env, .directory = directory, .name = name, .bytes = bytes};
}

/* The copy's name is made durable with the mark's, not its bytes: that would be a sync more. */
int weir_durable_mark_replace(struct weir_env *env, const char *directory, struct weir_slice bytes,
                              bool copy_is_all, struct weir_error *error)
{
    struct weir_small_file_replace mark = file_of(env, directory, WEIR_DURABLE_MARK_NAME, bytes);
    struct weir_small_file_replace copy =
        file_of(env, directory, WEIR_DURABLE_MARK_COPY_NAME, bytes);
    mark.is_durable = true;
    if (copy_is_all) {
        int rc = weir_small_file_replace(&mark, error);
        if (rc == 0) (void)weir_small_file_replace(&copy, NULL);
        return rc;
    }
    return weir_small_file_replace_both(&mark, &copy, error);
}

int weir_durable_mark_lay(struct weir_env *env, const char *directory, struct weir_slice bytes,
                          struct weir_error *error)
{
    const struct weir_small_file_replace mark =
        file_of(env, directory, WEIR_DURABLE_MARK_NAME, bytes);
    const struct weir_small_file_replace copy =
        file_of(env, directory, WEIR_DURABLE_MARK_COPY_NAME, bytes);
    int rc = weir_small_file_lay(&mark, error);
    return rc == 0 ? weir_small_file_lay(&copy, error) : rc;
}

int weir_durable_mark_take(struct weir_env *env, const char *directory, struct weir_error *error)
{
    const struct weir_slice none = {0};
    const struct weir_small_file_replace mark =
        file_of(env, directory, WEIR_DURABLE_MARK_NAME, none);
    const struct weir_small_file_replace copy =
        file_of(env, directory, WEIR_DURABLE_MARK_COPY_NAME, none);
    int rc = weir_small_file_take(&mark, error);
    if (rc == 0) (void)weir_small_file_take(&copy, NULL); /* an older one is as true */
    return rc;
}

void weir_durable_mark_mend_copy(struct weir_env *env, struct weir_budget *budget,
                                 const char *directory)
{
    struct mark_file file = {.state = WEIR_MARK_MISSING};
    weir_buffer_init(&file.bytes, budget, 0);
    read_file(env, directory, WEIR_DURABLE_MARK_NAME, &file);
    if (file.state == WEIR_MARK_GOOD) {
        struct weir_small_file_replace copy =
            file_of(env, directory, WEIR_DURABLE_MARK_COPY_NAME, weir_buffer_slice(&file.bytes));
        (void)weir_small_file_replace(&copy, NULL);
    }
    weir_buffer_close(&file.bytes);
}

void weir_durable_mark_close(struct weir_durable_mark *mark)
{
    weir_leader_epochs_close(&mark->epochs);
    weir_producer_state_close(&mark->producers);
    weir_lost_ranges_close(&mark->lost);
}
