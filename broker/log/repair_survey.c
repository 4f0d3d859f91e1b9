/**
 * What of a partition can be read, and what cannot.
 *
 * Each segment is walked batch by batch with crc. Where none fits, the next whole batch of a later
 * offset is looked for, byte by byte, and the offsets between are a range that is lost. A torn tail
 * above the mark is none: the next open cuts it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/log/log_internal.h"
#include "broker/log/partition_metadata.h"
#include "broker/log/repair.h"
#include "broker/log/small_file.h"

struct survey_segment { /* of the log, ascending */
    int64_t base_offset;
    int64_t size;       /* of its file; -1: missing */
    int64_t size_sure;  /* that the mark knows */
    int64_t end_offset; /* of its batches, as the mark has it; if it has holes */
    bool has_holes;
    int64_t last_append_ms;
    int64_t modified_ms; /* of its file */
};

struct survey {
    struct weir_repair *repair;
    struct weir_arena arena;
    struct weir_durable_mark mark; /* if the repair has one */
    struct weir_buffer segments;   /* struct survey_segment */
    int32_t epoch;
};

static struct survey_segment *segment_list(const struct survey *survey, size_t *count_out)
{
    *count_out = survey->segments.size / sizeof(struct survey_segment);
    return (struct survey_segment *)(void *)survey->segments.data;
}

/* ---- the folder ------------------------------------------------------------------------------ */

static int read_mark(struct survey *survey, struct weir_error *error)
{
    struct weir_repair *repair = survey->repair;
    struct weir_error local = {0};
    struct weir_mark_pair pair;
    int rc = weir_durable_mark_read(repair->env, repair->budget, repair->path, &survey->arena,
                                    &survey->mark, &pair, &local);
    repair->has_mark = rc == 0;
    repair->copy_is_all = rc == 0 && pair.mark != WEIR_MARK_GOOD;
    if (rc == WEIR_NOT_FOUND || rc == WEIR_CORRUPT) return 0;
    if (rc < 0 && error != NULL) *error = local;
    return rc;
}

/* What the mark says of the log as a whole, or without one the text file and the first segment. */
static int take_identity(struct survey *survey, struct weir_error *error)
{
    struct weir_repair *repair = survey->repair;
    if (!repair->has_mark) {
        repair->durable_offset = -1;
        return weir_partition_metadata_read(repair->env, repair->budget, repair->path,
                                            &repair->topic_id, error);
    }
    if (survey->mark.is_truncating) {
        return weir_error_set(error, WEIR_CORRUPT, "%s",
                              survey->mark.may_be_older
                                  ? "the durable mark is lost, and its copy orders a cut that may "
                                    "be done: put the mark "
                                    "back, or remove the copy and open the log: then all that is "
                                    "in its segments counts"
                                  : "a cut was under way that only an open finishes");
    }
    if (survey->mark.partition != repair->partition) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "the folder is that of partition %" PRId32 ", not %" PRId32
                              "; put back the one that belongs here",
                              survey->mark.partition, repair->partition);
    }
    repair->topic_id = survey->mark.topic_id;
    repair->leader_epoch = survey->mark.leader_epoch;
    repair->start_offset = survey->mark.start_offset;
    repair->durable_offset = survey->mark.end_offset;
    repair->mark_sequence = survey->mark.sequence;
    return 0;
}

static int read_damage(struct weir_repair *repair, struct weir_error *error)
{
    struct weir_error local = {0};
    int rc =
        weir_damage_file_read(repair->env, repair->budget, repair->path, &repair->known, &local);
    repair->has_damage_file = rc != WEIR_NOT_FOUND;
    if (rc == 0 || rc == WEIR_NOT_FOUND || rc == WEIR_CORRUPT) return 0;
    if (error != NULL) *error = local;
    return rc;
}

static bool is_in_mark(struct survey *survey, int64_t base_offset,
                       const struct weir_file_stat *stat)
{
    size_t count;
    struct survey_segment *segments = segment_list(survey, &count);
    for (size_t i = 0; i < count; i++) {
        if (segments[i].base_offset != base_offset) continue;
        segments[i].size = stat->size;
        segments[i].modified_ms = stat->modified.ms;
        return true;
    }
    return false;
}

/* Segments that the mark does not know count from its last on, if there is anything in them. */
static int note_file(void *context, const char *name, enum weir_file_kind kind)
{
    struct survey *survey = context;
    struct weir_repair *repair = survey->repair;
    int64_t base_offset = weir_log_name_offset(name, ".log");
    struct weir_file_stat stat;
    if (kind != WEIR_FILE_REGULAR || base_offset < 0) return 0;
    int rc = weir_stat(repair->env, weir_log_path(repair->path, name).text, &stat, NULL);
    if (rc < 0) return rc;
    if (stat.modified.ms <= 0)
        stat.modified = weir_wall_now(repair->env); /* a time that was lost */
    if (is_in_mark(survey, base_offset, &stat)) return 0;
    bool is_behind_mark =
        repair->has_mark && stat.size > 0 &&
        base_offset > survey->mark.segments[survey->mark.segment_count - 1].base_offset;
    if (repair->has_mark && !is_behind_mark) return 0;
    repair->is_mark_older |= is_behind_mark;
    struct survey_segment segment = {.base_offset = base_offset,
                                     .size = stat.size,
                                     .last_append_ms = -1,
                                     .modified_ms = stat.modified.ms};
    weir_buffer_append(&survey->segments, &segment, sizeof segment);
    return survey->segments.failed ? WEIR_NO_MEMORY : 0;
}

/* What a compaction has left of a segment has not taken its name: the one that has it is not the mark's. */
static int check_swap(const struct weir_repair *repair, const struct weir_segment_facts *facts,
                      struct weir_error *error)
{
    struct weir_file_stat stat;
    struct weir_log_path path = weir_log_offset_path(repair->path, facts->base_offset, ".log.swap");
    if (!facts->is_swapping || weir_stat(repair->env, path.text, &stat, NULL) < 0) return 0;
    if (stat.size != facts->size) return 0;
    return weir_error_set(
        error, WEIR_UNSUPPORTED,
        "'%s' waits for its name, for a compaction was cut off: open the log "
        "once, which goes on with it, also where it is damaged, and repair it then",
        path.text);
}

static int list_segments(struct survey *survey, struct weir_error *error)
{
    struct weir_repair *repair = survey->repair;
    for (size_t i = 0; repair->has_mark && i < survey->mark.segment_count; i++) {
        const struct weir_segment_facts *facts = &survey->mark.segments[i];
        int rc = check_swap(repair, facts, error);
        if (rc < 0) return rc;
        struct survey_segment segment = {
            .base_offset = facts->base_offset,
            .size = -1,
            .size_sure = facts->size,
            .end_offset = facts->end_offset,
            .has_holes = facts->has_holes,
            .last_append_ms = facts->last_append_ms,
            .modified_ms = -1,
        };
        weir_buffer_append(&survey->segments, &segment, sizeof segment);
    }
    if (survey->segments.failed) return weir_error_set(error, WEIR_NO_MEMORY, "no memory");
    int rc = weir_list(repair->env, repair->path, note_file, survey, error);
    if (rc < 0) return rc;
    size_t count;
    const struct survey_segment *segments = segment_list(survey, &count);
    if (count == 0) {
        return weir_error_set(error, WEIR_NOT_FOUND, "'%s' has no segments", repair->path);
    }
    if (!repair->has_mark) repair->start_offset = segments[0].base_offset;
    repair->end_offset = segments[0].base_offset;
    return 0;
}

/* ---- one segment ----------------------------------------------------------------------------- */

/* What is known of the place while it is walked. */
struct place {
    struct weir_segment *segment;
    int64_t limit;     /* of the file */
    int64_t size_sure; /* below it nothing is torn */
    int64_t next_base; /* where its offsets end; INT64_MAX: it is the last */
    int64_t hole_from; /* where its batches end, if it has holes; INT64_MAX: it has none */
};

static struct weir_damage_range *add_range(struct survey *survey, int64_t to, const char *reason)
{
    struct weir_repair *repair = survey->repair;
    if (repair->range_count == WEIR_DAMAGE_RANGES_MAX) return NULL;
    weir_assert(to > repair->end_offset);
    struct weir_damage_range *range = &repair->ranges[repair->range_count++];
    *range = (struct weir_damage_range){
        .from = repair->end_offset,
        .to = to,
        .record_count = -1,
        .epoch = survey->epoch > 0 ? survey->epoch : 0,
    };
    (void)snprintf(range->reason, sizeof range->reason, "%.159s", reason);
    repair->end_offset = to;
    return range;
}

/* Its records are whole; only the number beside them is to be written anew. */
static int note_wrong_epoch(struct weir_repair *repair, const struct place *place, int64_t position,
                            const struct weir_batch_header *header, struct weir_error *error)
{
    struct weir_wrong_epoch wrong = {.base_offset = place->segment->facts.base_offset,
                                     .position = position,
                                     .offset = header->base_offset,
                                     .epoch = header->leader_epoch};
    weir_buffer_append(&repair->wrong_epochs, &wrong, sizeof wrong);
    return repair->wrong_epochs.failed ? weir_error_set(error, WEIR_NO_MEMORY, "no memory") : 0;
}

static int note_batch(struct survey *survey, struct place *place,
                      const struct weir_segment_scan *scan, const struct weir_batch_header *header,
                      struct weir_error *error)
{
    struct weir_transaction_end end;
    struct weir_repair *repair = survey->repair;
    int rc = weir_leader_epochs_reserve(&repair->epochs);
    if (rc == 0) rc = weir_producer_state_reserve(&repair->producers, header);
    if (rc == 0) rc = weir_lost_ranges_note(&repair->lost, header);
    if (rc < 0) return weir_error_set(error, rc, "no memory");
    rc = weir_segment_scan_note_producer(scan, header, &repair->producers,
                                         weir_mono_now(repair->env), &end, error);
    if (rc < 0) return rc;
    if (end.is_abort) place->segment->facts.aborted_count = WEIR_ABORTED_UNKNOWN;
    weir_leader_epochs_assign(&repair->epochs, header->leader_epoch, header->base_offset);
    weir_log_note_batch(&place->segment->facts, header);
    repair->record_count += header->record_count;
    repair->end_offset = weir_batch_last_offset(header) + 1;
    survey->epoch = header->leader_epoch;
    return 0;
}

/* Behind `scan`, which stands at something that does not fit: the next batch that can follow. */
static int find_next(struct survey *survey, const struct place *place,
                     const struct weir_segment_scan *scan, struct weir_batch_header *header,
                     int64_t *position_out, struct weir_error *error)
{
    struct weir_batch_search search = {
        .file = place->segment->kept->file,
        .budget = survey->repair->budget,
        .position = scan->position + 1,
        .limit = place->limit,
        .offset_min = survey->repair->end_offset + 1,
        .epoch_min = survey->epoch,
    };
    for (;;) {
        int rc = weir_segment_find_batch(&search, header, position_out, error);
        if (rc != 0 || weir_batch_last_offset(header) < place->next_base) return rc;
        search.position = *position_out + 1;
    }
}

/* What the header there says, if it says what a producer's can: how many records. -1: it does not. */
static int64_t claimed_count(const struct place *place, int64_t position, int64_t offset)
{
    uint8_t bytes[WEIR_BATCH_HEADER_SIZE];
    struct weir_batch_header header;
    int64_t got = weir_file_read(place->segment->kept->file, bytes, sizeof bytes, position, NULL);
    if (got != (int64_t)sizeof bytes) return -1;
    int rc = weir_batch_peek_header(weir_slice(bytes, sizeof bytes), INT32_MAX, &header, NULL);
    bool is_good = rc == 0 && header.base_offset == offset && header.record_count > 0 &&
                   header.record_count - 1 == header.last_offset_delta;
    return is_good ? header.record_count : -1;
}

/* The end that was known, by the mark and by whoever found the damage; -1: by none. What is there
 * may end below it: an older copy that was put back. */
static int64_t known_end(const struct weir_repair *repair)
{
    bool is_noted = repair->has_damage_file && repair->known.end > repair->durable_offset;
    return is_noted ? repair->known.end : repair->durable_offset;
}

/* Where the lost end of a log may have been: not below it, or an offset would be given twice. */
static int64_t guess_end(const struct survey *survey, int64_t claimed, int64_t size)
{
    const struct weir_repair *repair = survey->repair;
    int64_t end = repair->end_offset + (claimed > 0 ? claimed : size > 0 ? size : 1);
    return end > known_end(repair) ? end : known_end(repair);
}

/* A whole batch stands at the scan's position, only of a later offset, and what is behind it follows: as
 * compaction leaves it. One whose offset has rotted would be followed by a lower one. The mark knows where
 * that may be; without one, anywhere but in the last segment. */
static bool is_before_hole(const struct survey *survey, const struct place *place,
                           const struct weir_segment_scan *scan, int64_t *to_out)
{
    struct weir_segment_scan ahead;
    struct weir_batch_header header;
    int64_t position;
    bool is_hole = false;
    if (survey->repair->has_mark || place->next_base == INT64_MAX) return false;
    weir_segment_scan_init(&ahead, &(struct weir_segment_scan_options){
                                       .file = place->segment->kept->file,
                                       .budget = survey->repair->budget,
                                       .position = scan->position,
                                       .limit = place->limit,
                                       .expected_offset = survey->repair->end_offset,
                                       .end_offset = place->next_base,
                                       .epoch = survey->epoch,
                                       .has_holes = true,
                                   });
    if (weir_segment_scan_next(&ahead, &header, &position, NULL) == 0) {
        *to_out = header.base_offset;
        int rc = weir_segment_scan_next(&ahead, &header, &position, NULL);
        is_hole = rc == 0 || rc == WEIR_END;
    }
    weir_segment_scan_close(&ahead);
    return is_hole;
}

/* Whether the offsets before that batch are lost or were compacted is for an open to say, which knows
 * the topic's policy. Where one has found damage they can be given up, and the batch stays. */
static int step_over_hole(struct survey *survey, const struct place *place,
                          struct weir_segment_scan *scan, int64_t to, struct weir_error *error)
{
    const struct weir_repair *repair = survey->repair;
    if (!repair->has_damage_file) {
        return weir_error_set(
            error, WEIR_CORRUPT,
            "offsets %" PRId64 "..%" PRId64 " are lost or were compacted, and there is no durable "
            "mark that says which; open the log first: weir consume TOPIC -p %" PRId32 " -e -d DIR",
            repair->end_offset, to, repair->partition);
    }
    struct weir_damage_range *range = add_range(survey, to, "offsets are left out");
    if (range == NULL) return WEIR_END;
    range->base_offset = place->segment->facts.base_offset;
    range->position = scan->position;
    range->file_end = place->limit;
    scan->expected_offset = to;
    return 0;
}

/* Nothing fits at the scan's position. WEIR_END: nothing whole comes behind it either. */
static int step_over(struct survey *survey, struct place *place, struct weir_segment_scan *scan,
                     const char *reason, struct weir_error *error)
{
    struct weir_batch_header header = {0};
    int64_t next = place->limit;
    bool is_last = place->next_base == INT64_MAX;
    int64_t reached = survey->repair->end_offset;
    if (reached == place->next_base || (!is_last && reached == place->hole_from)) {
        /* All its batches are there. */
        place->limit = scan->position;
        return WEIR_END;
    }
    int64_t hole_to;
    if (is_before_hole(survey, place, scan, &hole_to)) {
        return step_over_hole(survey, place, scan, hole_to, error);
    }
    int rc = find_next(survey, place, scan, &header, &next, error);
    if (rc < 0) return rc;
    bool is_torn = rc == WEIR_END && is_last && scan->is_cut_short &&
                   scan->position >= place->size_sure && !survey->repair->has_damage_file;
    if (is_torn) return WEIR_END;
    int64_t claimed = claimed_count(place, scan->position, survey->repair->end_offset);
    int64_t to = rc == 0   ? header.base_offset
                 : is_last ? guess_end(survey, claimed, place->limit - scan->position)
                           : place->next_base;
    if (claimed > to - survey->repair->end_offset) claimed = -1;
    struct weir_damage_range *range = add_range(survey, to, reason);
    if (range == NULL) return WEIR_END;
    range->base_offset = place->segment->facts.base_offset;
    range->position = scan->position;
    range->file_end = place->limit;
    range->size = next - scan->position;
    range->is_at_end = rc == WEIR_END && is_last;
    if (claimed == to - range->from) range->record_count = claimed;
    scan->position = next;
    scan->expected_offset = to;
    return rc;
}

static int walk(struct survey *survey, struct place *place, struct weir_error *error)
{
    struct weir_segment_scan scan;
    struct weir_batch_header header;
    struct weir_error why;
    int64_t position;
    int rc;
    weir_segment_scan_init(&scan,
                           &(struct weir_segment_scan_options){
                               .file = place->segment->kept->file,
                               .budget = survey->repair->budget,
                               .limit = place->limit,
                               .expected_offset = survey->repair->end_offset,
                               .end_offset = place->next_base == INT64_MAX ? 0 : place->next_base,
                               .epoch = survey->epoch,
                               .epochs = survey->repair->has_mark ? &survey->mark.epochs : NULL,
                               .epochs_end = survey->repair->durable_offset,
                               .corrects_epochs = true,
                               .has_holes = place->segment->facts.has_holes,
                           });
    do {
        why = (struct weir_error){0};
        scan.is_cut_short = false;
        rc = weir_segment_scan_next(&scan, &header, &position, &why);
        if (rc == 0 && scan.is_epoch_wrong) {
            rc = note_wrong_epoch(survey->repair, place, position, &header, &why);
        }
        if (rc == 0) rc = note_batch(survey, place, &scan, &header, &why);
        if (rc == WEIR_CORRUPT) rc = step_over(survey, place, &scan, why.text, &why);
    } while (rc == 0);
    weir_segment_scan_close(&scan);
    if (rc == WEIR_END) return 0;
    if (error != NULL) *error = why;
    return rc;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* The offsets up to the next segment are not in this one's file. */
static void miss_rest(struct survey *survey, const struct place *place, bool is_file_missing)
{
    struct weir_repair *repair = survey->repair;
    bool is_last = place->next_base == INT64_MAX;
    int64_t to = is_last ? known_end(repair) : place->next_base;
    if (is_last && is_file_missing && to <= repair->end_offset) {
        to = repair->end_offset + 1; /* nobody knows what was in it: it is given up all the same */
    }
    bool ends_in_hole = repair->end_offset == place->hole_from && !is_file_missing;
    if (ends_in_hole && to > repair->end_offset) repair->end_offset = to;
    if (to <= repair->end_offset) return;
    struct weir_damage_range *range = add_range(
        survey, to, is_file_missing ? "the segment's file is missing" : "the file ends before it");
    if (range == NULL) return;
    range->base_offset = place->segment->facts.base_offset;
    range->position = place->limit;
    range->file_end = place->limit;
    range->is_at_end = is_last;
    range->is_file_missing = is_file_missing;
}

/* When the last of it was appended, or later: the mark knows it of what the mark covers. */
static int64_t last_append_of(const struct survey_segment *listed, int64_t size, bool is_last)
{
    if (size == 0) return -1;
    bool is_known = listed->last_append_ms >= 0 && !is_last;
    return is_known || listed->modified_ms < listed->last_append_ms ? listed->last_append_ms
                                                                    : listed->modified_ms;
}

/* It was being written to when the mark was: what is behind the mark's end is there as well. */
static bool is_last_of_mark(const struct survey *survey, int64_t base_offset)
{
    const struct weir_durable_mark *mark = &survey->mark;
    return base_offset == mark->segments[mark->segment_count - 1].base_offset;
}

static int survey_segment(struct survey *survey, const struct survey_segment *listed,
                          int64_t next_base, struct weir_error *error)
{
    struct weir_repair *repair = survey->repair;
    struct weir_segment_facts facts = weir_segment_facts_at(listed->base_offset);
    facts.has_holes = listed->has_holes;
    struct place place = {
        .next_base = next_base,
        .hole_from = listed->has_holes ? listed->end_offset : INT64_MAX,
        .size_sure = listed->size_sure,
    };
    bool is_sealed = repair->has_mark && next_base != INT64_MAX && listed->size_sure > 0 &&
                     !is_last_of_mark(survey, listed->base_offset);
    if (repair->end_offset != listed->base_offset) {
        return weir_error_set(error, WEIR_CORRUPT, "segment %020" PRId64 " begins below %" PRId64,
                              listed->base_offset, repair->end_offset);
    }
    place.segment = weir_segment_new(repair->env, repair->budget, NULL, repair->path, facts);
    if (place.segment == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "no memory");
    int rc = 0;
    if (listed->size >= 0) {
        place.limit =
            is_sealed && listed->size_sure < listed->size ? listed->size_sure : listed->size;
        rc = weir_segment_hold(place.segment, error);
        if (rc == 0) {
            rc = walk(survey, &place, error);
            weir_segment_release(place.segment);
        }
    }
    if (rc == 0) miss_rest(survey, &place, listed->size < 0);
    if (rc == 0) {
        place.segment->facts.last_append_ms =
            last_append_of(listed, place.segment->facts.size, next_base == INT64_MAX);
        weir_buffer_append(&repair->segments, &place.segment->facts, sizeof facts);
        if (repair->segments.failed) rc = weir_error_set(error, WEIR_NO_MEMORY, "no memory");
    }
    weir_segment_unref(place.segment);
    return rc;
}

static int survey_all(struct survey *survey, struct weir_error *error)
{
    struct weir_repair *repair = survey->repair;
    int rc = read_mark(survey, error);
    if (rc == 0) rc = take_identity(survey, error);
    if (rc == 0) rc = read_damage(repair, error);
    if (rc == 0) rc = list_segments(survey, error);
    size_t count;
    const struct survey_segment *segments = segment_list(survey, &count);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (repair->range_count == WEIR_DAMAGE_RANGES_MAX) break;
        int64_t next_base = i + 1 < count ? segments[i + 1].base_offset : INT64_MAX;
        rc = survey_segment(survey, &segments[i], next_base, error);
    }
    return rc;
}

int weir_repair_open(struct weir_repair *repair, struct weir_env *env, const char *path,
                     int32_t partition, struct weir_error *error)
{
    weir_assert(partition >= 0);
    *repair = (struct weir_repair){
        .env = env, .budget = env->budget, .path = path, .partition = partition};
    struct survey survey = {.repair = repair, .epoch = WEIR_NO_LEADER_EPOCH};
    weir_buffer_init(&repair->segments, repair->budget, 0);
    weir_buffer_init(&repair->wrong_epochs, repair->budget, 0);
    weir_leader_epochs_init(&repair->epochs, repair->budget);
    weir_producer_state_init(&repair->producers, repair->budget);
    weir_lost_ranges_init(&repair->lost, repair->budget);
    weir_arena_init(&survey.arena, repair->budget, 0);
    weir_buffer_init(&survey.segments, repair->budget, 0);
    int rc = survey_all(&survey, error);
    if (repair->has_mark) weir_durable_mark_close(&survey.mark);
    weir_buffer_close(&survey.segments);
    weir_arena_close(&survey.arena);
    if (repair->leader_epoch < survey.epoch) repair->leader_epoch = survey.epoch;
    if (rc < 0) weir_repair_close(repair);
    return weir_error_wrap(error, rc, "look at '%s'", path);
}

void weir_repair_close(struct weir_repair *repair)
{
    weir_buffer_close(&repair->segments);
    weir_buffer_close(&repair->wrong_epochs);
    weir_leader_epochs_close(&repair->epochs);
    weir_producer_state_close(&repair->producers);
    weir_lost_ranges_close(&repair->lost);
}
