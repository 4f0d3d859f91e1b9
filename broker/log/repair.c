#include "broker/log/repair.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "broker/log/small_file.h"

enum { COPY_WINDOW = 1024 * 1024 };

/* ---- a segment without a range --------------------------------------------------------------- */

struct rewrite {
    struct weir_segment *segment; /* the old file is open, unless it is missing */
    struct weir_file *to;
    int64_t size; /* written */
    struct weir_buffer window;
};

static int copy(struct rewrite *rewrite, int64_t from, int64_t end, struct weir_error *error)
{
    while (from < end) {
        size_t wish = end - from < COPY_WINDOW ? (size_t)(end - from) : COPY_WINDOW;
        int64_t got =
            weir_file_read(rewrite->segment->kept->file, rewrite->window.data, wish, from, error);
        if (got < 0) return (int)got;
        if (got == 0) return weir_error_set(error, WEIR_CORRUPT, "the file got shorter");
        struct weir_iovec part = {rewrite->window.data, (size_t)got};
        int rc = weir_file_write(rewrite->to, &part, 1, rewrite->size, error);
        if (rc < 0) return rc;
        from += got;
        rewrite->size += got;
    }
    return 0;
}

/* Offsets without records, as a compacted log of Kafka's has them, but for a bit that tells the two apart: a header
 * and nothing else. */
static int put_empty(struct rewrite *rewrite, const struct weir_damage_range *range,
                     struct weir_error *error)
{
    for (int64_t from = range->from; from < range->to;) {
        int64_t count = range->to - from < INT32_MAX ? range->to - from : INT32_MAX;
        uint8_t bytes[WEIR_BATCH_HEADER_SIZE] = {0};
        struct weir_iovec part = {bytes, sizeof bytes};
        weir_batch_store_given_up(bytes, from, (int32_t)(count - 1), range->epoch);
        int rc = weir_file_write(rewrite->to, &part, 1, rewrite->size, error);
        if (rc < 0) return rc;
        rewrite->size += (int64_t)sizeof bytes;
        from += count;
    }
    return 0;
}

static int write_anew(struct rewrite *rewrite, const struct weir_damage_range *range,
                      struct weir_error *error)
{
    int rc = copy(rewrite, 0, range->position, error);
    if (rc == 0) rc = put_empty(rewrite, range, error);
    if (rc == 0) rc = copy(rewrite, range->position + range->size, range->file_end, error);
    if (rc == 0) rc = weir_file_sync(rewrite->to, error);
    return rc;
}

/* The new file beside the old one: `<base offset>.log.tmp`, which an open removes. */
static int lay(struct rewrite *rewrite, const struct weir_damage_range *range,
               struct weir_error *error)
{
    struct weir_segment *segment = rewrite->segment;
    struct weir_log_path aside =
        weir_log_offset_path(segment->directory, range->base_offset, ".log.tmp");
    weir_buffer_init(&rewrite->window, segment->budget, 0);
    if (weir_buffer_extend(&rewrite->window, COPY_WINDOW) == NULL) {
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory");
    }
    int rc = weir_file_open(segment->env, aside.text,
                            WEIR_OPEN_WRITE | WEIR_OPEN_CREATE | WEIR_OPEN_TRUNCATE, &rewrite->to,
                            error);
    if (rc == 0) rc = write_anew(rewrite, range, error);
    weir_file_close(rewrite->to);
    weir_buffer_close(&rewrite->window);
    if (rc < 0) (void)weir_remove(segment->env, aside.text, NULL);
    return rc;
}

/* The new file takes the old one's place; indexes of the old one point into nowhere. */
static int take(struct weir_segment *segment, int64_t base_offset, struct weir_error *error)
{
    static const char *const hints[] = {".index", ".timeindex"};
    struct weir_log_path aside = weir_log_offset_path(segment->directory, base_offset, ".log.tmp");
    struct weir_log_path path = weir_log_offset_path(segment->directory, base_offset, ".log");
    for (size_t i = 0; i < 2; i++) {
        struct weir_log_path hint = weir_log_offset_path(segment->directory, base_offset, hints[i]);
        (void)weir_remove(segment->env, hint.text, NULL); /* an entry that lies is not believed */
    }
    int rc = weir_rename(segment->env, aside.text, path.text, error);
    return rc < 0 ? rc : weir_sync_directory(segment->env, segment->directory, error);
}

/* From here on whatever happens leaves the log offline. */
static int need_damage_file(struct weir_repair *repair, struct weir_error *error)
{
    if (repair->has_damage_file) return 0;
    struct weir_damage damage = {
        .from = repair->ranges[0].from,
        .end = repair->end_offset,
        .time = weir_wall_now(repair->env),
    };
    (void)snprintf(damage.reason, sizeof damage.reason, "%s", repair->ranges[0].reason);
    return weir_damage_file_write(repair->env, repair->path, &damage, error);
}

int weir_repair_give_up(struct weir_repair *repair, const struct weir_damage_range *range,
                        char kept_out[WEIR_CUT_NAME_SIZE], struct weir_error *error)
{
    struct weir_segment_facts facts = {.base_offset = range->base_offset};
    struct rewrite rewrite = {0};
    char kept[WEIR_CUT_NAME_SIZE] = "";
    bool is_held = false;
    weir_assert(repair->range_count > 0);
    weir_assert(range->from < range->to);
    int rc = need_damage_file(repair, error);
    if (rc < 0) goto out;
    rewrite.segment = weir_segment_new(repair->env, repair->budget, NULL, repair->path, facts);
    rc = rewrite.segment == NULL ? weir_error_set(error, WEIR_NO_MEMORY, "no memory") : 0;
    if (rc == 0 && !range->is_file_missing) {
        rc = weir_segment_hold(rewrite.segment, error);
        is_held = rc == 0;
    }
    if (rc < 0) goto out;
    if (range->size > 0) {
        struct weir_cut_piece piece = {rewrite.segment, range->position,
                                       range->position + range->size};
        rc = weir_cut_bytes_keep(&piece, kept, error);
        if (rc < 0) goto out;
    }
    rc = lay(&rewrite, range, error);
    if (rc < 0) goto out;
    rc = take(rewrite.segment, range->base_offset, error);
    if (rc < 0) goto out;
    (void)snprintf(kept_out, WEIR_CUT_NAME_SIZE, "%s", kept);
out:
    if (is_held) weir_segment_release(rewrite.segment);
    weir_segment_unref(rewrite.segment);
    return weir_error_wrap(error, rc, "give up offsets %" PRId64 "..%" PRId64 " of '%s'",
                           range->from, range->to, repair->path);
}

/* ---- the new mark ---------------------------------------------------------------------------- */

static const struct weir_segment_facts *facts_at(const void *context, size_t index)
{
    const struct weir_repair *repair = context;
    return (const struct weir_segment_facts *)(const void *)repair->segments.data + index;
}

static int open_segment(const struct weir_repair *repair, int64_t base_offset,
                        struct weir_file **file_out, struct weir_error *error)
{
    struct weir_log_path path = weir_log_offset_path(repair->path, base_offset, ".log");
    return weir_file_open(repair->env, path.text, WEIR_OPEN_READ | WEIR_OPEN_WRITE, file_out,
                          error);
}

/* Four bytes outside the crc: whatever a crash leaves of them is wrong or right, and put right again. */
static int correct_epochs(struct weir_repair *repair, struct weir_error *error)
{
    size_t count = repair->wrong_epochs.size / sizeof(struct weir_wrong_epoch);
    const struct weir_wrong_epoch *wrong = (const void *)repair->wrong_epochs.data;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct weir_file *file = NULL;
        uint8_t bytes[sizeof(int32_t)];
        struct weir_iovec part = {bytes, sizeof bytes};
        weir_store_u32(bytes, (uint32_t)wrong[i].epoch);
        rc = open_segment(repair, wrong[i].base_offset, &file, error);
        if (rc == 0) {
            rc = weir_file_write(file, &part, 1, wrong[i].position + WEIR_BATCH_LEADER_EPOCH_AT,
                                 error);
        }
        weir_file_close(file);
    }
    return rc;
}

/* The mark says that all of it is on the disk, so it has to be. */
static int sync_segments(struct weir_repair *repair, size_t count, struct weir_error *error)
{
    for (size_t i = 0; i < count; i++) {
        struct weir_file *file = NULL;
        int rc = open_segment(repair, facts_at(repair, i)->base_offset, &file, error);
        if (rc == 0) rc = weir_file_sync(file, error);
        weir_file_close(file);
        if (rc < 0) return rc;
    }
    return 0;
}

static int write_mark(struct weir_repair *repair, size_t count, struct weir_error *error)
{
    struct weir_buffer bytes;
    struct weir_durable_mark_view view = {
        .topic_id = repair->topic_id,
        .partition = repair->partition,
        .start_offset = repair->start_offset,
        .end_offset = repair->end_offset,
        .leader_epoch = repair->leader_epoch,
        .epochs = &repair->epochs,
        .producers = &repair->producers,
        .lost = &repair->lost,
        .sequence = repair->mark_sequence + 1,
        .now = weir_mono_now(repair->env),
        .segment_count = count,
        .segment = facts_at,
        .context = repair,
    };
    weir_durable_mark_check(&view);
    weir_buffer_init(&bytes, repair->budget, WEIR_DURABLE_MARK_SIZE_MAX);
    weir_durable_mark_encode(&view, &bytes);
    int rc = bytes.failed ? weir_error_set(error, WEIR_NO_MEMORY, "no memory for the mark") : 0;
    if (rc == 0) {
        rc = weir_durable_mark_replace(repair->env, repair->path, weir_buffer_slice(&bytes),
                                       repair->copy_is_all, error);
    }
    weir_buffer_close(&bytes);
    return rc;
}

int weir_repair_finish(struct weir_repair *repair, struct weir_error *error)
{
    size_t count = repair->segments.size / sizeof(struct weir_segment_facts);
    weir_assert(repair->range_count == 0);
    weir_assert(count > 0);
    weir_assert(repair->end_offset >= repair->durable_offset);
    weir_assert(!repair->has_damage_file || repair->end_offset >= repair->known.end);
    weir_leader_epochs_cut_head(&repair->epochs, repair->start_offset);
    weir_lost_ranges_cut_head(&repair->lost, repair->start_offset);
    int rc = correct_epochs(repair, error);
    if (rc == 0) rc = sync_segments(repair, count, error);
    if (rc == 0) rc = write_mark(repair, count, error);
    if (rc == 0 && repair->has_damage_file) {
        rc = weir_damage_file_remove(repair->env, repair->path, error);
    }
    return weir_error_wrap(error, rc, "put '%s' in service", repair->path);
}
