#include "broker/log/verify.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "broker/log/boot_file.h"
#include "broker/log/damage_file.h"
#include "broker/log/durable_mark.h"
#include "broker/log/offset_index.h"
#include "broker/log/partition_metadata.h"
#include "broker/log/recovery.h"
#include "broker/log/segment.h"
#include "broker/log/small_file.h"

struct verify {
    struct weir_env *env;
    const char *path;
    weir_verify_fn each;
    void *context;
    struct weir_verify_summary summary;
    struct weir_arena arena;
    struct weir_buffer files; /* struct weir_recovery_file */
    struct weir_durable_mark mark;
    struct weir_producer_state producers; /* as of the batches that were walked */
    bool knows_producers; /* from the log's first segment on, or from its snapshot */
    int32_t epoch;
    int64_t expected_offset; /* of the next segment; -1: any */
    bool mark_is_damaged;
    bool has_known_damage;
    bool has_met_holes;
    bool is_damaged; /* what follows cannot be expected to be dense */
};

static void find(struct verify *verify, enum weir_verify_kind kind, const char *file,
                 int64_t offset, const char *text)
{
    if (strncmp(file, "./", 2) == 0) file += 2;
    struct weir_verify_finding finding = {kind, file, offset, text};
    if (kind == WEIR_VERIFY_DAMAGE) verify->summary.damage_count++;
    if (kind == WEIR_VERIFY_TAIL || kind == WEIR_VERIFY_TAIL_OR_ROT) verify->summary.tail_count++;
    if (kind == WEIR_VERIFY_TAIL_OR_ROT) verify->summary.rot_count++;
    if (kind == WEIR_VERIFY_HINT) verify->summary.hint_count++;
    if (verify->each != NULL) verify->each(verify->context, &finding);
}

/* ---- the folder ------------------------------------------------------------------------------ */

static int note_file(void *context, const char *name, enum weir_file_kind kind)
{
    struct verify *verify = context;
    int64_t base_offset = weir_log_name_offset(name, ".log");
    if (kind != WEIR_FILE_REGULAR || base_offset < 0) return 0;
    struct weir_file_stat stat;
    struct weir_log_path path = weir_log_path(verify->path, name);
    int rc = weir_stat(verify->env, path.text, &stat, NULL);
    if (rc < 0) return rc;
    struct weir_recovery_file file = {.base_offset = base_offset, .size = stat.size};
    weir_buffer_append(&verify->files, &file, sizeof file);
    return verify->files.failed ? WEIR_NO_MEMORY : 0;
}

/* Read one small file; what is too large, or is no file, counts as a finding, not as an error. */
static bool read_small(struct verify *verify, const char *name, struct weir_buffer *bytes,
                       int *rc_out)
{
    struct weir_log_path path = weir_log_path(verify->path, name);
    struct weir_error error = {0};
    int rc =
        weir_small_file_read(verify->env, path.text, WEIR_DURABLE_MARK_SIZE_MAX, bytes, &error);
    if (rc == 0 || rc == WEIR_NOT_FOUND) return rc == 0;
    if (rc == WEIR_NO_MEMORY || rc == WEIR_IO) {
        *rc_out = rc;
    } else if (rc == WEIR_TOO_LARGE) {
        find(verify, WEIR_VERIFY_HINT, name, -1, "is far too large");
    } else { /* a folder, a pipe: what opens the log stumbles over it */
        find(verify, WEIR_VERIFY_DAMAGE, name, -1, error.text);
    }
    return false;
}

/* An open writes them before anything is appended, so where there are bytes there was a mark. */
static bool has_bytes(const struct verify *verify)
{
    size_t count = verify->files.size / sizeof(struct weir_recovery_file);
    const struct weir_recovery_file *files = (const void *)verify->files.data;
    for (size_t i = 0; i < count; i++) {
        if (files[i].size > 0) return true;
    }
    return false;
}

/* Where one of the two cannot be had an open goes by the other, and writes both anew. A copy that a loss
 * of power has torn, or that an older program did not write, is no damage. */
static int check_mark(struct verify *verify)
{
    static const char mark[] = WEIR_DURABLE_MARK_NAME;
    static const char copy[] = WEIR_DURABLE_MARK_COPY_NAME;
    struct weir_mark_pair pair;
    struct weir_error why = {0};
    int rc = weir_durable_mark_read(verify->env, verify->env->budget, verify->path, &verify->arena,
                                    &verify->mark, &pair, &why);
    if (rc == WEIR_NO_MEMORY || rc == WEIR_IO) return rc;
    verify->summary.had_mark = rc == 0;
    /* Of a mark that is refused, too, nothing is cut: such a log does not open. */
    verify->mark_is_damaged =
        (rc < 0 && rc != WEIR_NOT_FOUND) || (rc == 0 && verify->mark.may_be_older);
    if (pair.mark == WEIR_MARK_REFUSED) find(verify, WEIR_VERIFY_DAMAGE, mark, -1, why.text);
    if (pair.copy == WEIR_MARK_REFUSED) {
        find(verify, rc < 0 ? WEIR_VERIFY_DAMAGE : WEIR_VERIFY_HINT, copy, -1,
             rc < 0 ? why.text : "the copy of the durable mark cannot be read by this program");
    }
    if (pair.mark == WEIR_MARK_DAMAGED) {
        find(verify, WEIR_VERIFY_DAMAGE, mark, -1, rc < 0 ? why.text : "durable mark: damaged");
    }
    if (rc == WEIR_NOT_FOUND && has_bytes(verify)) {
        find(verify, WEIR_VERIFY_DAMAGE, mark, -1,
             "is missing, and so is its copy: an open takes what it can read for all that there "
             "was, "
             "from the first segment on");
    }
    if (rc == 0 && pair.mark == WEIR_MARK_MISSING) {
        find(verify, WEIR_VERIFY_DAMAGE, mark, -1,
             "is missing: an open takes its copy, and writes it anew");
    }
    if (rc == 0 && pair.mark == WEIR_MARK_OLDER) {
        find(verify, WEIR_VERIFY_DAMAGE, mark, -1,
             "is older than its copy: an open takes the copy, and writes it anew");
    }
    if (pair.copy == WEIR_MARK_DAMAGED) {
        find(verify, WEIR_VERIFY_HINT, copy, -1, "the copy of the durable mark is damaged");
    }
    return 0;
}

/* What an earlier run has found, and what every open goes by until it is repaired. */
static int check_damage(struct verify *verify)
{
    struct weir_damage damage;
    struct weir_error error = {0};
    int rc = weir_damage_file_read(verify->env, verify->env->budget, verify->path, &damage, &error);
    if (rc == WEIR_NOT_FOUND) return 0;
    if (rc == WEIR_NO_MEMORY || rc == WEIR_IO) return rc;
    verify->has_known_damage = true;
    find(verify, WEIR_VERIFY_DAMAGE, WEIR_DAMAGE_FILE_NAME, rc == 0 ? damage.from : -1,
         rc == 0 ? damage.reason : error.text);
    return 0;
}

/* One that is damaged is mended by a start that has a mark; one that is no file stops it. */
static int check_topic_id(struct verify *verify)
{
    struct weir_uuid id;
    struct weir_error error = {0};
    int rc =
        weir_partition_metadata_read(verify->env, verify->env->budget, verify->path, &id, &error);
    if (rc == 0 || rc == WEIR_NOT_FOUND) return 0;
    if (rc == WEIR_NO_MEMORY || rc == WEIR_IO) return rc;
    bool is_mended = rc == WEIR_CORRUPT || rc == WEIR_TOO_LARGE;
    find(verify, is_mended ? WEIR_VERIFY_HINT : WEIR_VERIFY_DAMAGE, "partition.metadata", -1,
         error.text);
    return 0;
}

static int check_epochs(struct verify *verify)
{
    static const char name[] = "leader-epoch-checkpoint";
    struct weir_buffer bytes;
    struct weir_leader_epochs epochs;
    struct weir_error error = {0};
    int rc = 0;
    weir_buffer_init(&bytes, verify->env->budget, 0);
    weir_leader_epochs_init(&epochs, verify->env->budget);
    if (read_small(verify, name, &bytes, &rc)) {
        rc = weir_leader_epochs_decode(&epochs, weir_buffer_slice(&bytes), &error);
        if (rc == WEIR_CORRUPT) {
            find(verify, WEIR_VERIFY_HINT, name, -1, error.text);
            rc = 0;
        }
    }
    weir_leader_epochs_close(&epochs);
    weir_buffer_close(&bytes);
    return rc;
}

static int note_snapshot(void *context, const char *name, enum weir_file_kind kind)
{
    struct verify *verify = context;
    if (kind != WEIR_FILE_REGULAR || weir_log_name_offset(name, ".snapshot") < 0) return 0;
    struct weir_buffer bytes;
    struct weir_producer_state producers;
    struct weir_error error = {0};
    int rc = 0;
    weir_buffer_init(&bytes, verify->env->budget, 0);
    weir_producer_state_init(&producers, verify->env->budget);
    if (read_small(verify, name, &bytes, &rc)) {
        rc = weir_producer_snapshot_read(&producers, weir_buffer_slice(&bytes),
                                         weir_mono_now(verify->env), &error);
        if (rc == WEIR_CORRUPT || rc == WEIR_UNSUPPORTED_VERSION) {
            find(verify, WEIR_VERIFY_HINT, name, -1, error.text);
            rc = 0;
        }
    }
    weir_producer_state_close(&producers);
    weir_buffer_close(&bytes);
    return rc;
}

/* ---- one segment ----------------------------------------------------------------------------- */

/* How much of the file has to be whole, and what the mark says of it. */
struct expectation {
    int64_t size;                           /* of the file */
    int64_t size_sure;                      /* below it damage is damage, above it a torn tail */
    int64_t end_offset;                     /* where the mark says that its offsets end */
    const struct weir_segment_facts *facts; /* NULL: the mark does not know it */
};

/* Each entry of an index in order; a probe just behind the last one ends the walk. */
static int check_index(struct verify *verify, struct weir_segment *segment, int64_t size)
{
    struct weir_index_files files = {verify->env, verify->path, segment->facts.base_offset};
    struct weir_index_entry entry;
    struct weir_batch_header header;
    struct weir_log_path name = weir_log_offset_path(".", segment->facts.base_offset, ".index");
    int64_t end = verify->summary.end_offset;
    int rc = weir_index_files_find_offset(&files, end - 1, &entry);
    while (rc == 0) {
        if (!weir_segment_entry_is_true(segment, &entry, size, &header)) {
            find(verify, WEIR_VERIFY_HINT, name.text, entry.last_offset,
                 "an index entry does not fit its batch");
            return 0;
        }
        int64_t before = entry.last_offset - 1;
        rc = before < segment->facts.base_offset
                 ? WEIR_END
                 : weir_index_files_find_offset(&files, before, &entry);
        if (rc == 0 && entry.last_offset > before) return 0;
    }
    if (rc == WEIR_CORRUPT) find(verify, WEIR_VERIFY_HINT, name.text, -1, "cannot be read");
    return 0;
}

/* Its file against the markers that were met. */
static int check_transaction_index(struct verify *verify, const struct weir_segment *segment)
{
    struct weir_buffer is;
    struct weir_buffer should;
    int64_t base_offset = segment->facts.base_offset;
    struct weir_log_path name =
        weir_log_offset_path(".", base_offset, WEIR_TRANSACTION_INDEX_SUFFIX);
    struct weir_log_path path =
        weir_log_offset_path(verify->path, base_offset, WEIR_TRANSACTION_INDEX_SUFFIX);
    if (!verify->knows_producers || verify->is_damaged) return 0;
    /* Of aborted data that compaction has taken no index need speak, its own nor a later segment's. */
    verify->has_met_holes |= segment->facts.has_holes;
    if (verify->has_met_holes) return 0;
    weir_buffer_init(&is, verify->env->budget, 0);
    weir_buffer_init(&should, verify->env->budget, 0);
    int rc = weir_small_file_read(verify->env, path.text, WEIR_DURABLE_MARK_SIZE_MAX, &is, NULL);
    weir_transaction_index_encode(&segment->aborted, 0, &should);
    bool is_equal = (rc == 0 || rc == WEIR_NOT_FOUND) &&
                    weir_slice_equal(weir_buffer_slice(&is), weir_buffer_slice(&should));
    if (!is_equal && !should.failed && !weir_code_is_shortage(rc)) {
        find(verify, WEIR_VERIFY_HINT, name.text, -1, "does not say what its markers say");
    }
    if (should.failed) rc = WEIR_NO_MEMORY;
    weir_buffer_close(&is);
    weir_buffer_close(&should);
    return weir_code_is_shortage(rc) ? rc : 0;
}

static int note_producer(struct verify *verify, struct weir_segment *segment,
                         const struct weir_segment_scan *scan,
                         const struct weir_batch_header *header)
{
    struct weir_transaction_end end;
    struct weir_mono now = weir_mono_now(verify->env);
    int rc = weir_producer_state_reserve(&verify->producers, header);
    if (rc == 0) rc = weir_transaction_index_reserve(&segment->aborted, 1);
    if (rc == 0) {
        rc = weir_segment_scan_note_producer(scan, header, &verify->producers, now, &end, NULL);
    }
    if (rc == 0 && end.is_abort) weir_segment_note_abort(segment, &end);
    return rc;
}

static void note_batch(struct verify *verify, struct weir_segment *segment,
                       const struct weir_batch_header *header)
{
    verify->summary.batch_count++;
    verify->summary.record_count += header->record_count;
    verify->summary.end_offset = weir_batch_last_offset(header) + 1;
    if (header->max_timestamp_ms > segment->facts.max_timestamp_ms) {
        segment->facts.max_timestamp_ms = header->max_timestamp_ms;
    }
}

/* Above the mark: what will the next open make of it? */
static int judge_tail(struct verify *verify, const struct weir_segment_scan *scan,
                      enum weir_verify_kind *kind_out)
{
    struct weir_batch_search search = {
        .file = scan->file,
        .budget = verify->env->budget,
        .position = scan->position,
        .limit = scan->limit,
        .offset_min = scan->expected_offset + 1,
        .epoch_min = scan->epoch,
    };
    struct weir_batch_header header;
    int64_t position;
    bool is_same_boot;
    int rc = weir_boot_file_is_current(verify->env, verify->path, &is_same_boot, NULL);
    if (rc < 0) return rc;
    rc = weir_segment_find_batch(&search, &header, &position, NULL);
    if (rc < 0) return rc;
    struct weir_recovery_tail_facts facts = {
        .is_last_segment = true,
        .mark_is_damaged = verify->mark_is_damaged,
        .has_known_damage = verify->has_known_damage,
        .is_same_boot = is_same_boot,
        .is_cut_short = scan->is_cut_short,
        .has_batch_behind = rc == 0,
    };
    bool is_cut = weir_recovery_judge_tail(&facts) == WEIR_TAIL_CUT;
    bool may_be_rot = weir_recovery_may_be_rot(scan->was_whole, facts.has_batch_behind);
    *kind_out = !is_cut      ? WEIR_VERIFY_DAMAGE
                : may_be_rot ? WEIR_VERIFY_TAIL_OR_ROT
                             : WEIR_VERIFY_TAIL;
    return 0;
}

/* The offsets between its last batch and its end, where it has holes: none is missing. */
static void end_hole(struct verify *verify, const struct expectation *expected,
                     struct weir_segment_scan *scan)
{
    if (!scan->has_holes) return;
    scan->has_holes = false;
    scan->expected_offset = expected->end_offset;
    verify->summary.end_offset = expected->end_offset;
}

/* All that the mark knows of the segment has been walked. What was appended above follows directly,
 * also where a cut has left the mark's end in a hole. */
static void check_against_mark(struct verify *verify, const struct weir_segment *segment,
                               const char *name, const struct expectation *expected,
                               struct weir_segment_scan *scan)
{
    if (expected->facts->max_timestamp_ms != segment->facts.max_timestamp_ms) {
        find(verify, WEIR_VERIFY_DAMAGE, name, -1, "not the mark's largest timestamp");
    }
    if (scan->expected_offset != expected->facts->end_offset) {
        find(verify, WEIR_VERIFY_DAMAGE, name, scan->expected_offset,
             "does not end where the mark says");
    }
    end_hole(verify, expected, scan);
}

static int walk_segment(struct verify *verify, struct weir_segment *segment, const char *name,
                        const struct expectation *expected)
{
    struct weir_error why = {0};
    struct weir_segment_scan scan;
    struct weir_batch_header header;
    int64_t position;
    int rc;
    bool is_checked = expected->facts == NULL || expected->size_sure == 0; /* against the mark */
    bool knows_epochs = verify->summary.had_mark && !verify->mark.is_truncating;
    weir_segment_scan_init(&scan, &(struct weir_segment_scan_options){
                                      .file = segment->kept->file,
                                      .budget = verify->env->budget,
                                      .limit = expected->size,
                                      .expected_offset = segment->facts.base_offset,
                                      .epoch = verify->epoch,
                                      .epochs = knows_epochs ? &verify->mark.epochs : NULL,
                                      .epochs_end = verify->mark.end_offset,
                                      .has_holes = segment->facts.has_holes,
                                  });
    verify->summary.end_offset = segment->facts.base_offset;
    if (expected->facts != NULL && expected->size_sure == 0) end_hole(verify, expected, &scan);
    while ((rc = weir_segment_scan_next(&scan, &header, &position, &why)) == 0) {
        bool is_first = position == 0 && expected->facts != NULL && expected->size_sure > 0;
        if (is_first && expected->facts->first_timestamp_ms != header.max_timestamp_ms) {
            find(verify, WEIR_VERIFY_DAMAGE, name, header.base_offset,
                 "another's: its first batch has not the mark's timestamp");
        }
        note_batch(verify, segment, &header);
        rc = note_producer(verify, segment, &scan, &header);
        if (rc < 0) break;
        if (scan.position != expected->size_sure || expected->facts == NULL) continue;
        check_against_mark(verify, segment, name, expected, &scan);
        is_checked = true;
    }
    bool is_behind = scan.position > expected->size_sure;
    if ((rc == WEIR_END || rc == WEIR_CORRUPT) && !is_checked && is_behind) {
        find(verify, WEIR_VERIFY_DAMAGE, name, scan.expected_offset,
             "no batch ends where the mark says");
    }
    if (rc == WEIR_CORRUPT) {
        bool is_sure = scan.position < expected->size_sure;
        enum weir_verify_kind kind = WEIR_VERIFY_DAMAGE;
        int judged = is_sure ? 0 : judge_tail(verify, &scan, &kind);
        if (judged < 0) rc = judged;
        find(verify, kind, name, scan.expected_offset, why.text);
        verify->is_damaged = kind == WEIR_VERIFY_DAMAGE;
    }
    if (rc != WEIR_CORRUPT && expected->size < expected->size_sure) {
        find(verify, WEIR_VERIFY_DAMAGE, name, scan.expected_offset, "the end is missing");
        verify->is_damaged = true;
    }
    verify->epoch = scan.epoch;
    verify->expected_offset = verify->is_damaged ? -1 : scan.expected_offset;
    weir_segment_scan_close(&scan);
    return rc == WEIR_END || rc == WEIR_CORRUPT ? 0 : rc;
}

/* What a compaction has left of it has not taken its name yet: the next open goes on with that. */
static bool is_aside(const struct verify *verify, const struct weir_segment_facts *facts)
{
    struct weir_file_stat stat;
    struct weir_log_path path = weir_log_offset_path(verify->path, facts->base_offset, ".log.swap");
    return facts->is_swapping && weir_stat(verify->env, path.text, &stat, NULL) == 0 &&
           stat.size == facts->size;
}

static int check_segment(struct verify *verify, int64_t base_offset,
                         const struct expectation *expected)
{
    const char *suffix =
        expected->facts != NULL && is_aside(verify, expected->facts) ? ".log.swap" : ".log";
    struct weir_log_path name = weir_log_offset_path(".", base_offset, suffix);
    struct weir_log_path path = weir_log_offset_path(verify->path, base_offset, suffix);
    struct weir_segment_facts facts = weir_segment_facts_at(base_offset);
    facts.has_holes = expected->facts != NULL && expected->facts->has_holes;
    if (verify->expected_offset >= 0 && verify->expected_offset != base_offset) {
        find(verify, WEIR_VERIFY_DAMAGE, name.text, verify->expected_offset,
             "does not begin where the one before ends");
    }
    struct weir_segment *segment =
        weir_segment_new(verify->env, verify->env->budget, NULL, verify->path, facts);
    if (segment == NULL) return WEIR_NO_MEMORY;
    int rc = weir_kept_file_hold(segment->kept, verify->env, path.text, WEIR_OPEN_READ, NULL);
    bool is_held = rc == 0;
    if (rc == WEIR_NOT_FOUND) {
        find(verify, WEIR_VERIFY_DAMAGE, name.text, base_offset, "is missing");
        verify->expected_offset = -1;
        rc = 0;
    } else if (rc == 0) {
        verify->summary.segment_count++;
        verify->summary.size_bytes += expected->size;
        rc = walk_segment(verify, segment, name.text, expected);
        if (rc == 0) rc = check_index(verify, segment, expected->size);
        if (rc == 0) rc = check_transaction_index(verify, segment);
    }
    if (is_held) weir_kept_file_release(segment->kept);
    weir_segment_unref(segment);
    return rc;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static const struct weir_recovery_file *find_file(const struct verify *verify, int64_t base_offset)
{
    size_t count = verify->files.size / sizeof(struct weir_recovery_file);
    const struct weir_recovery_file *files = (const void *)verify->files.data;
    for (size_t i = 0; i < count; i++) {
        if (files[i].base_offset == base_offset) return &files[i];
    }
    return NULL;
}

/* A segment that the mark does not know, behind those of its table. */
static void check_strangers(struct verify *verify)
{
    size_t count = verify->files.size / sizeof(struct weir_recovery_file);
    struct weir_recovery_file *files = (void *)verify->files.data;
    struct weir_recovery_plan plan;
    weir_recovery_plan_files(&verify->mark, files, count, &plan);
    bool is_told = verify->summary.damage_count > 0;
    if (verify->mark.is_truncating && verify->mark.may_be_older) is_told = false;
    if (plan.offline_from < 0 || is_told) return;
    find(verify, WEIR_VERIFY_DAMAGE, WEIR_DURABLE_MARK_NAME, plan.offline_from, plan.reason);
}

/* What was open where the log's first segment begins. */
static int load_producers(struct verify *verify, int64_t base_offset)
{
    struct weir_buffer bytes;
    struct weir_log_path path = weir_log_offset_path(verify->path, base_offset, ".snapshot");
    weir_buffer_init(&bytes, verify->env->budget, 0);
    int rc = weir_small_file_read(verify->env, path.text, WEIR_DURABLE_MARK_SIZE_MAX, &bytes, NULL);
    if (rc == 0) {
        rc = weir_producer_snapshot_read(&verify->producers, weir_buffer_slice(&bytes),
                                         weir_mono_now(verify->env), NULL);
    }
    weir_buffer_close(&bytes);
    if (rc < 0) weir_producer_state_close(&verify->producers);
    verify->knows_producers = rc == 0 || base_offset == 0;
    return weir_code_is_shortage(rc) ? rc : 0;
}

static int check_with_mark(struct verify *verify)
{
    const struct weir_durable_mark *mark = &verify->mark;
    verify->summary.start_offset = mark->start_offset;
    int loaded = load_producers(verify, mark->segments[0].base_offset);
    if (loaded < 0) return loaded;
    for (size_t i = 0; i < mark->segment_count; i++) {
        const struct weir_segment_facts *facts = &mark->segments[i];
        const struct weir_recovery_file *file = find_file(verify, facts->base_offset);
        bool is_last = i + 1 == mark->segment_count;
        int64_t size = file != NULL ? file->size : 0;
        if (is_aside(verify, facts)) size = facts->size;
        struct expectation expected = {
            .size = is_last || size < facts->size ? size : facts->size,
            .size_sure = facts->size,
            .end_offset = is_last ? mark->end_offset : facts[1].base_offset,
            .facts = facts,
        };
        int rc = check_segment(verify, facts->base_offset, &expected);
        if (rc < 0) return rc;
    }
    if (verify->summary.end_offset < mark->end_offset && !verify->is_damaged) {
        find(verify, WEIR_VERIFY_DAMAGE, WEIR_DURABLE_MARK_NAME, verify->summary.end_offset,
             "the log ends below the mark");
    }
    check_strangers(verify);
    return 0;
}

static int check_without_mark(struct verify *verify)
{
    size_t count = verify->files.size / sizeof(struct weir_recovery_file);
    const struct weir_recovery_file *files = (const void *)verify->files.data;
    verify->summary.start_offset = count > 0 ? files[0].base_offset : 0;
    int loaded = load_producers(verify, verify->summary.start_offset);
    if (loaded < 0) return loaded;
    for (size_t i = 0; i < count; i++) {
        struct expectation expected = {
            .size = files[i].size,
            .size_sure = i + 1 < count ? files[i].size : 0,
        };
        int rc = check_segment(verify, files[i].base_offset, &expected);
        if (rc < 0) return rc;
    }
    return 0;
}

int weir_partition_log_verify(struct weir_env *env, const char *path, weir_verify_fn each,
                              void *context, struct weir_verify_summary *summary_out,
                              struct weir_error *error)
{
    struct verify verify = {
        .env = env,
        .path = path,
        .each = each,
        .context = context,
        .epoch = WEIR_NO_LEADER_EPOCH,
        .expected_offset = -1,
    };
    weir_arena_init(&verify.arena, env->budget, 0);
    weir_buffer_init(&verify.files, env->budget, 0);
    weir_producer_state_init(&verify.producers, env->budget);
    int rc = weir_list(env, path, note_file, &verify, error);
    if (rc == 0) rc = check_mark(&verify);
    if (rc == 0) rc = check_damage(&verify);
    if (rc == 0) rc = check_topic_id(&verify);
    if (rc == 0) rc = check_epochs(&verify);
    if (rc == 0) rc = weir_list(env, path, note_snapshot, &verify, error);
    if (rc == 0) {
        rc = verify.summary.had_mark ? check_with_mark(&verify) : check_without_mark(&verify);
    }
    if (verify.summary.had_mark) weir_durable_mark_close(&verify.mark);
    weir_buffer_close(&verify.files);
    weir_producer_state_close(&verify.producers);
    weir_arena_close(&verify.arena);
    if (rc < 0) return weir_error_wrap(error, rc, "verify '%s'", path);
    *summary_out = verify.summary;
    return 0;
}
