#include "broker/log/cleaning.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/log/log_internal.h"
#include "broker/log/small_file.h"
#include "wire/record_batch_reader.h"

enum {
    PENDING_MAX = 1024 * 1024,            /* written at once */
    CONTROL_BATCH_SIZE_MAX = 1024 * 1024, /* of some 80 bytes */
};

/* `<base offset>.log.cleaned` and so on. */
static struct weir_log_path aside_path(const struct weir_log_cleaning *cleaning, size_t suffix,
                                       const char *aside)
{
    int64_t base_offset = cleaning->segments[cleaning->group_from].base_offset;
    return weir_log_aside_path(cleaning->path, base_offset, suffix, aside);
}

/* ---- begin: the owner's thread --------------------------------------------------------------- */

static const struct weir_segment_facts *log_facts(const void *context, size_t index)
{
    const struct weir_partition_log *log = context;
    return &log->segments[index]->facts;
}

/* Where a transaction is open nothing is decided from its begin on; nor is it above what is on the disk. */
static int64_t bound_of(const struct weir_partition_log *log, int64_t bound_offset)
{
    int64_t unstable = weir_producer_state_first_unstable(&log->producers);
    int64_t bound = bound_offset < log->durable_offset ? bound_offset : log->durable_offset;
    return unstable >= 0 && unstable < bound ? unstable : bound;
}

void weir_log_cleaning_look(const struct weir_partition_log *log, int64_t bound_offset,
                            struct weir_wall now, struct weir_cleaner_plan *plan_out)
{
    struct weir_cleaner_facts facts = {
        .segment_count = log->segment_count,
        .segment = log_facts,
        .context = log,
        .start_offset = log->start_offset,
        .clean_offset = log->clean_offset,
        .bound_offset = bound_of(log, bound_offset),
        .config = &log->config,
        .now = now,
    };
    *plan_out = (struct weir_cleaner_plan){0};
    if (log->segment_count > 0) weir_cleaner_plan_make(&facts, plan_out);
}

static int compare_producers(const void *a, const void *b)
{
    const struct weir_cleaner_producer *one = a;
    const struct weir_cleaner_producer *other = b;
    return (one->producer_id > other->producer_id) - (one->producer_id < other->producer_id);
}

static int capture_producers(const struct weir_partition_log *log, struct weir_buffer *to)
{
    size_t at = 0;
    const struct weir_producer *producer;
    while ((producer = weir_map_next(&log->producers.map, &at)) != NULL) {
        if (producer->epoch < 0) continue;
        int last = producer->batch_count - 1;
        struct weir_cleaner_producer one = {
            .producer_id = producer->id,
            .last_offset = last >= 0 ? producer->batches[last].last_offset : -1,
            .epoch = producer->epoch,
        };
        weir_buffer_append(to, &one, sizeof one);
    }
    size_t count = to->size / sizeof(struct weir_cleaner_producer);
    if (count > 1) qsort(to->data, count, sizeof(struct weir_cleaner_producer), compare_producers);
    return to->failed ? WEIR_NO_MEMORY : 0;
}

static int capture_segments(const struct weir_partition_log *log,
                            struct weir_log_cleaning *cleaning)
{
    size_t count = log->segment_count;
    cleaning->path = weir_alloc_text(log->budget, log->path, strlen(log->path));
    cleaning->segments = weir_alloc(log->budget, (count + 1) * sizeof *cleaning->segments);
    cleaning->identities = weir_alloc(log->budget, count * sizeof *cleaning->identities);
    if (cleaning->path == NULL || cleaning->segments == NULL || cleaning->identities == NULL) {
        return WEIR_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        cleaning->segments[i] = log->segments[i]->facts;
        cleaning->identities[i] = weir_segment_ref(log->segments[i]);
    }
    cleaning->segments[count] = weir_segment_facts_at(log->end_offset);
    cleaning->segment_count = count;
    return 0;
}

bool weir_log_cleaning_may_begin(const struct weir_partition_log *log)
{
    if (weir_log_is_offline(log)) return false;
    /* The mark on the disk may say "swapping" of what is done: no `.swap` may be made before another one stands. */
    if (log->mark_is_owed || log->copy_is_all) return false;
    for (size_t i = 0; i < log->segment_count; i++) {
        if (log->segments[i]->facts.is_swapping) return false;
    }
    return true;
}

static void init(struct weir_partition_log *log, const struct weir_cleaning_options *options,
                 struct weir_log_cleaning *cleaning)
{
    *cleaning = (struct weir_log_cleaning){
        .phase = WEIR_CLEANING_LOOK,
        .damaged_offset = -1,
        .log = log,
        .env = log->env,
        .budget = log->budget,
        .config = log->config,
        .now = options->now,
        .index_interval_bytes = log->config.index_interval_bytes,
        .table_bytes_max = options->table_bytes_max,
        .keeps_tombstones = options->keeps_tombstones,
        .truncations = log->truncations,
        .decided_offset = options->bound_offset < log->durable_offset ? options->bound_offset
                                                                      : log->durable_offset,
    };
    weir_buffer_init(&cleaning->producers, log->budget, 0);
    weir_buffer_init(&cleaning->pending, log->budget, 0);
    weir_cleaner_transactions_init(&cleaning->transactions, log->budget);
    weir_cleaner_pass_init(&cleaning->pass, log->budget);
    weir_random(log->env, cleaning->key.bytes, sizeof cleaning->key.bytes);
}

int weir_log_cleaning_begin(struct weir_partition_log *log,
                            const struct weir_cleaning_options *options,
                            struct weir_log_cleaning *cleaning, struct weir_error *error)
{
    struct weir_cleaner_plan plan;
    if (!weir_log_cleaning_may_begin(log)) return 0;
    weir_log_cleaning_look(log, options->bound_offset, options->now, &plan);
    if (plan.end <= plan.dirty_from || plan.dirty_bytes == 0) return 0;
    if (!plan.is_due && !options->is_forced) return 0;
    init(log, options, cleaning);
    cleaning->plan = plan;
    int rc = capture_segments(log, cleaning);
    if (rc == 0) rc = capture_producers(log, &cleaning->producers);
    weir_index_builder_init(&cleaning->index, cleaning->env, cleaning->budget, cleaning->path);
    cleaning->index.is_aside = true;
    cleaning->index.interval_bytes = cleaning->index_interval_bytes;
    if (rc == 0) return WEIR_END;
    weir_log_cleaning_close(cleaning);
    return weir_error_set(error, (enum weir_code)rc, "log '%s': no memory to compact", log->path);
}

/* ---- run: reading ---------------------------------------------------------------------------- */

static void close_input(struct weir_log_cleaning *cleaning)
{
    if (cleaning->file == NULL) return;
    weir_segment_scan_close(&cleaning->scan);
    weir_file_close(cleaning->file);
    cleaning->file = NULL;
}

static int open_input(struct weir_log_cleaning *cleaning)
{
    const struct weir_segment_facts *facts = &cleaning->segments[cleaning->at];
    struct weir_log_path path = weir_log_offset_path(cleaning->path, facts->base_offset, ".log");
    int rc =
        weir_file_open(cleaning->env, path.text, WEIR_OPEN_READ, &cleaning->file, &cleaning->error);
    if (rc < 0) return rc;
    weir_segment_scan_init(&cleaning->scan,
                           &(struct weir_segment_scan_options){
                               .file = cleaning->file,
                               .budget = cleaning->budget,
                               .limit = facts->size,
                               .expected_offset = facts->base_offset,
                               .end_offset = facts[1].base_offset,
                               .epoch = WEIR_NO_LEADER_EPOCH,
                               .is_headers_only = cleaning->phase == WEIR_CLEANING_LOOK,
                               .has_holes = facts->has_holes,
                           });
    return 0;
}

/* The bytes of the batch that the scan has given last, crc and all. */
static struct weir_slice batch_at(const struct weir_segment_scan *scan,
                                  const struct weir_batch_header *header, int64_t position)
{
    size_t from = (size_t)(position - scan->window_position);
    weir_assert(scan->check_crc && position >= scan->window_position);
    weir_assert(scan->window.size - from >= weir_batch_size(header));
    return weir_slice(scan->window.data + from, weir_batch_size(header));
}

/* ---- run: transactions ----------------------------------------------------------------------- */

static int read_control_type(struct weir_log_cleaning *cleaning,
                             const struct weir_batch_header *header, int64_t position)
{
    struct weir_buffer *bytes = &cleaning->pending; /* nothing is written yet */
    size_t size = weir_batch_size(header);
    if (size > CONTROL_BATCH_SIZE_MAX) {
        return weir_error_set(&cleaning->error, WEIR_CORRUPT, "a control batch of %zu bytes", size);
    }
    weir_buffer_reset(bytes);
    uint8_t *to = weir_buffer_extend(bytes, size);
    if (to == NULL) return WEIR_NO_MEMORY;
    int64_t got = weir_file_read(cleaning->file, to, size, position, &cleaning->error);
    if (got < 0) return (int)got;
    return weir_cleaner_control_type(weir_slice(to, (size_t)got), &cleaning->error);
}

static int look_at(struct weir_log_cleaning *cleaning, const struct weir_batch_header *header,
                   int64_t position)
{
    int type = -1;
    if (!weir_batch_is_transactional(header)) return 0;
    if (weir_batch_last_offset(header) >= cleaning->decided_offset) return 0;
    if (weir_batch_is_control(header) && header->record_count > 0) {
        type = read_control_type(cleaning, header, position);
        if (type < 0) return type;
    }
    return weir_cleaner_transactions_note(&cleaning->transactions, header, type);
}

/* What an open transaction holds is left alone, and all behind it. */
static void end_look(struct weir_log_cleaning *cleaning)
{
    struct weir_cleaner_plan *plan = &cleaning->plan;
    int64_t first_open = weir_cleaner_transactions_seal(&cleaning->transactions);
    weir_buffer_reset(&cleaning->pending);
    while (plan->end > plan->dirty_from && cleaning->segments[plan->end].base_offset > first_open) {
        plan->end--;
    }
    plan->limit_offset = cleaning->segments[plan->end].base_offset;
}

/* ---- run: keys ------------------------------------------------------------------------------- */

static int begin_keys(struct weir_log_cleaning *cleaning)
{
    const struct weir_cleaner_plan *plan = &cleaning->plan;
    int64_t offsets = plan->limit_offset - plan->dirty_offset;
    weir_assert(offsets > 0);
    cleaning->clean_offset = plan->dirty_offset;
    return weir_cleaner_map_open(&cleaning->map, cleaning->budget, (size_t)offsets,
                                 cleaning->table_bytes_max, &cleaning->key);
}

static int put_records(struct weir_log_cleaning *cleaning, struct weir_slice batch)
{
    struct weir_batch_reader reader = {
        .rest = batch, .plain = &cleaning->pass.plain, .is_whole = true};
    struct weir_record record;
    int rc = weir_batch_reader_open_next(&reader, &cleaning->error);
    while (rc == 0 && (rc = weir_batch_reader_record(&reader, &record, &cleaning->error)) == 0) {
        bool is_dirty = record.offset >= cleaning->plan.dirty_offset;
        if (weir_slice_is_null(record.key) || !is_dirty) continue;
        bool has_place = weir_cleaner_map_put(&cleaning->map, record.key, record.offset);
        weir_assert(has_place); /* asked before */
    }
    return rc == WEIR_END ? 0 : rc;
}

/* The table is full: what comes from here on is for the next pass, and stays as it is in this one. */
static int end_full(struct weir_log_cleaning *cleaning, const struct weir_batch_header *header)
{
    if (cleaning->clean_offset <= cleaning->plan.dirty_offset) {
        return weir_error_set(&cleaning->error, WEIR_LIMIT,
                              "a batch of %d records at offset %lld does not fit into a table of "
                              "%zu bytes: log.cleaner.dedupe.buffer.size is too small",
                              header->record_count, (long long)header->base_offset,
                              cleaning->table_bytes_max);
    }
    cleaning->table_was_full = true;
    cleaning->plan.end = cleaning->at + 1;
    cleaning->plan.limit_offset = cleaning->segments[cleaning->plan.end].base_offset;
    cleaning->at = cleaning->plan.end;
    close_input(cleaning);
    return 0;
}

static int take_keys(struct weir_log_cleaning *cleaning, const struct weir_batch_header *header,
                     struct weir_slice batch)
{
    bool has_keys = !weir_batch_is_control(header) &&
                    weir_batch_last_offset(header) >= cleaning->plan.dirty_offset;
    bool is_aborted = has_keys && weir_batch_is_transactional(header) &&
                      weir_cleaner_transactions_is_aborted(&cleaning->transactions, header);
    if (has_keys && !is_aborted) {
        if (!weir_cleaner_map_has_room(&cleaning->map, header->record_count)) {
            return end_full(cleaning, header);
        }
        int rc = put_records(cleaning, batch);
        if (rc < 0) return rc;
    }
    int64_t end = weir_batch_last_offset(header) + 1;
    if (end > cleaning->clean_offset) cleaning->clean_offset = end;
    return 0;
}

/* ---- run: writing ---------------------------------------------------------------------------- */

static const struct weir_segment_facts *own_facts(const void *context, size_t index)
{
    const struct weir_log_cleaning *cleaning = context;
    return &cleaning->segments[index];
}

static void begin_group(struct weir_log_cleaning *cleaning, size_t from)
{
    const struct weir_cleaner_facts facts = {
        .segment_count = cleaning->segment_count,
        .segment = own_facts,
        .context = cleaning,
        .config = &cleaning->config,
    };
    cleaning->phase = WEIR_CLEANING_WRITE;
    cleaning->group_from = from;
    cleaning->group_end = weir_cleaner_plan_group(&facts, from, cleaning->plan.end);
    cleaning->at = from;
    cleaning->written = 0;
    cleaning->pass.has_changed = false;
    cleaning->facts = weir_segment_facts_at(cleaning->segments[from].base_offset);
    cleaning->facts.has_holes = true;
    cleaning->facts.is_swapping = true;
    for (size_t i = from; i < cleaning->group_end; i++) {
        int64_t last_ms = cleaning->segments[i].last_append_ms;
        if (last_ms > cleaning->facts.last_append_ms) cleaning->facts.last_append_ms = last_ms;
    }
    weir_buffer_reset(&cleaning->pending);
    weir_index_builder_begin(&cleaning->index, cleaning->facts.base_offset);
}

static void begin_write(struct weir_log_cleaning *cleaning)
{
    struct weir_cleaner_pass *pass = &cleaning->pass;
    if (!cleaning->table_was_full) cleaning->clean_offset = cleaning->plan.limit_offset;
    cleaning->counts.keys = (int64_t)cleaning->map.count;
    pass->map = &cleaning->map;
    pass->latest_offset = cleaning->clean_offset;
    pass->limit_offset = cleaning->plan.limit_offset;
    pass->transactions = &cleaning->transactions;
    pass->producers = (const void *)cleaning->producers.data;
    pass->producer_count = cleaning->producers.size / sizeof(struct weir_cleaner_producer);
    pass->now_ms = cleaning->now.ms;
    pass->delete_retention_ms = cleaning->config.delete_retention_ms;
    pass->keeps_tombstones = cleaning->keeps_tombstones;
    begin_group(cleaning, 0);
}

static int flush_pending(struct weir_log_cleaning *cleaning)
{
    struct weir_buffer *pending = &cleaning->pending;
    int rc = 0;
    if (cleaning->output == NULL) {
        struct weir_log_path path = aside_path(cleaning, WEIR_SWAPPED_FILES - 1, ".cleaned");
        rc = weir_file_open(cleaning->env, path.text,
                            WEIR_OPEN_WRITE | WEIR_OPEN_CREATE | WEIR_OPEN_TRUNCATE,
                            &cleaning->output, &cleaning->error);
        if (rc < 0) return rc;
    }
    if (pending->size == 0) return 0;
    struct weir_iovec bytes = {pending->data, pending->size};
    rc = weir_file_write(cleaning->output, &bytes, 1, cleaning->written, &cleaning->error);
    if (rc < 0) return rc;
    cleaning->written += (int64_t)pending->size;
    cleaning->counts.bytes_written += (int64_t)pending->size;
    weir_buffer_reset(pending);
    return 0;
}

static int write_left(struct weir_log_cleaning *cleaning, struct weir_slice batch)
{
    struct weir_buffer *pending = &cleaning->pending;
    struct weir_batch_header header;
    size_t from = pending->size;
    int rc = weir_cleaner_batch(&cleaning->pass, batch, pending, &cleaning->error);
    if (rc < 0 || pending->size == from) return rc;
    rc = weir_batch_peek(weir_slice(pending->data + from, pending->size - from), 0, &header, NULL);
    weir_assert(rc == 0);
    if (cleaning->facts.size > INT32_MAX - (int64_t)(pending->size - from)) {
        return weir_error_set(
            &cleaning->error, WEIR_TOO_LARGE,
            "what is left of a segment is larger than it was, and than a position "
            "of 31 bits");
    }
    weir_index_builder_add(&cleaning->index, &header, cleaning->facts.size);
    weir_log_note_batch(&cleaning->facts, &header);
    return pending->size >= PENDING_MAX ? flush_pending(cleaning) : 0;
}

static void remove_aside(struct weir_log_cleaning *cleaning, const char *aside)
{
    for (size_t i = 0; i < WEIR_SWAPPED_FILES; i++) {
        struct weir_log_path path = aside_path(cleaning, i, aside);
        (void)weir_remove(cleaning->env, path.text,
                          NULL); /* left over, it goes with the next open */
    }
}

static void remove_output(struct weir_log_cleaning *cleaning)
{
    weir_file_close(cleaning->output);
    cleaning->output = NULL;
    weir_buffer_reset(&cleaning->pending);
    if (cleaning->segments == NULL) return;
    remove_aside(cleaning, ".cleaned");
    remove_aside(cleaning, ".swap");
}

/* From `.cleaned`, which is worth nothing after a crash, to `.swap`, which the mark may speak of. */
static int rename_output(struct weir_log_cleaning *cleaning)
{
    for (size_t i = 0; i < WEIR_SWAPPED_FILES; i++) {
        struct weir_log_path from = aside_path(cleaning, i, ".cleaned");
        struct weir_log_path to = aside_path(cleaning, i, ".swap");
        struct weir_error why = {0};
        int rc = weir_rename(cleaning->env, from.text, to.text, &why);
        if (rc == WEIR_NOT_FOUND && i + 1 < WEIR_SWAPPED_FILES)
            continue; /* too small for an index */
        if (rc < 0) {
            cleaning->error = why;
            return rc;
        }
    }
    return weir_sync_directory(cleaning->env, cleaning->path, &cleaning->error);
}

static int end_group(struct weir_log_cleaning *cleaning)
{
    bool is_alone = cleaning->group_end == cleaning->group_from + 1;
    if (is_alone && !cleaning->pass.has_changed) {
        weir_assert(cleaning->facts.size == cleaning->segments[cleaning->group_from].size);
        remove_output(cleaning);
        if (cleaning->group_end == cleaning->plan.end) {
            cleaning->phase = WEIR_CLEANING_OVER;
        } else {
            begin_group(cleaning, cleaning->group_end);
        }
        return 0;
    }
    int rc = flush_pending(cleaning);
    if (rc < 0) return rc;
    weir_index_builder_seal(&cleaning->index);
    rc = weir_file_sync(cleaning->output, &cleaning->error);
    if (rc < 0) return rc;
    weir_file_close(cleaning->output);
    cleaning->output = NULL;
    rc = rename_output(cleaning);
    if (rc == 0) cleaning->phase = WEIR_CLEANING_SWAP;
    return rc;
}

/* ---- run: the way through -------------------------------------------------------------------- */

static bool is_at_active(const struct weir_log_cleaning *cleaning)
{
    return cleaning->at == cleaning->segment_count - 1;
}

/* One past the last segment of the phase. A transaction of what is sealed may have ended in the active segment. */
static size_t phase_end(const struct weir_log_cleaning *cleaning)
{
    if (cleaning->phase == WEIR_CLEANING_LOOK) {
        bool ends_here =
            is_at_active(cleaning) && !weir_cleaner_transactions_has_open(&cleaning->transactions);
        return ends_here ? cleaning->segment_count - 1 : cleaning->segment_count;
    }
    if (cleaning->phase == WEIR_CLEANING_KEYS) return cleaning->plan.end;
    return cleaning->group_end;
}

/* All segments of the phase have been read. */
static int end_phase(struct weir_log_cleaning *cleaning)
{
    if (cleaning->phase == WEIR_CLEANING_LOOK) {
        end_look(cleaning);
        if (cleaning->plan.end <= cleaning->plan.dirty_from) {
            cleaning->clean_offset = 0;
            cleaning->phase = WEIR_CLEANING_OVER;
            return 0;
        }
        cleaning->phase = WEIR_CLEANING_KEYS;
        cleaning->at = cleaning->plan.dirty_from;
        return begin_keys(cleaning);
    }
    if (cleaning->phase == WEIR_CLEANING_KEYS) {
        begin_write(cleaning);
        return 0;
    }
    return end_group(cleaning);
}

static int take_batch(struct weir_log_cleaning *cleaning, const struct weir_batch_header *header,
                      int64_t position)
{
    if (cleaning->phase == WEIR_CLEANING_LOOK) return look_at(cleaning, header, position);
    struct weir_slice batch = batch_at(&cleaning->scan, header, position);
    if (cleaning->phase == WEIR_CLEANING_KEYS) return take_keys(cleaning, header, batch);
    return write_left(cleaning, batch);
}

/* The active segment is written to and cut meanwhile: what cannot be read of it decides nothing, and is others' to find. */
static int leave_active(struct weir_log_cleaning *cleaning)
{
    close_input(cleaning);
    cleaning->error = (struct weir_error){0};
    cleaning->at++;
    return 0;
}

static int next_batch(struct weir_log_cleaning *cleaning, int64_t *bytes_left)
{
    struct weir_batch_header header;
    int64_t position;
    bool is_active = cleaning->phase == WEIR_CLEANING_LOOK && is_at_active(cleaning);
    int rc = weir_segment_scan_next(&cleaning->scan, &header, &position, &cleaning->error);
    if (rc == WEIR_END) {
        close_input(cleaning);
        cleaning->at++;
        return 0;
    }
    if (rc < 0 && is_active) return leave_active(cleaning);
    if (rc == WEIR_CORRUPT || rc == WEIR_IO) {
        cleaning->damaged_offset = cleaning->scan.expected_offset;
    }
    if (rc < 0) return rc;
    bool is_hop = cleaning->phase == WEIR_CLEANING_LOOK;
    int64_t size = is_hop ? WEIR_BATCH_HEADER_SIZE : (int64_t)weir_batch_size(&header);
    *bytes_left -= size;
    cleaning->counts.bytes_read += size;
    rc = take_batch(cleaning, &header, position);
    if (rc < 0 && is_active) return leave_active(cleaning);
    if (rc == WEIR_CORRUPT) cleaning->damaged_offset = header.base_offset;
    return rc;
}

static int step(struct weir_log_cleaning *cleaning, int64_t *bytes_left)
{
    if (cleaning->file != NULL) return next_batch(cleaning, bytes_left);
    if (cleaning->at == phase_end(cleaning)) return end_phase(cleaning);
    if (cleaning->segments[cleaning->at].size == 0) {
        cleaning->at++;
        return 0;
    }
    int rc = open_input(cleaning);
    if (rc != WEIR_NOT_FOUND) return rc;
    /* Retention, or a cut. If it is neither, the next reader will say so. */
    cleaning->was_cut_off = true;
    cleaning->phase = WEIR_CLEANING_OVER;
    return 0;
}

int weir_log_cleaning_run(struct weir_log_cleaning *cleaning, int64_t bytes_max)
{
    int64_t bytes_left = bytes_max;
    weir_assert(bytes_max > 0);
    while (cleaning->rc == 0 && cleaning->phase < WEIR_CLEANING_SWAP) {
        if (bytes_left <= 0) return WEIR_END;
        cleaning->rc = step(cleaning, &bytes_left);
    }
    if (cleaning->rc < 0 || cleaning->was_cut_off) weir_log_cleaning_give_up(cleaning);
    return 0;
}

void weir_log_cleaning_give_up(struct weir_log_cleaning *cleaning)
{
    close_input(cleaning);
    if (cleaning->phase >= WEIR_CLEANING_WRITE) remove_output(cleaning);
    cleaning->phase = WEIR_CLEANING_OVER;
}

/* ---- end: the owner, the log alone ----------------------------------------------------------- */

/* What a reader would do, who comes upon the same. */
static int end_failed(struct weir_log_cleaning *cleaning, struct weir_error *error)
{
    struct weir_partition_log *log = cleaning->log;
    int rc = cleaning->rc;
    if (cleaning->damaged_offset >= 0 && rc == WEIR_CORRUPT) {
        weir_partition_log_damaged(log, cleaning->damaged_offset, cleaning->error.text);
        weir_log_say_remedy(log, &cleaning->error);
    } else if (cleaning->damaged_offset >= 0) {
        weir_log_take_offline(log, cleaning->damaged_offset, cleaning->error.text);
        rc = weir_log_refuse(log, &cleaning->error); /* one place of a disk is not all of it */
    }
    if (error != NULL) {
        *error = cleaning->error;
        if (error->text[0] == '\0') {
            return weir_error_set(error, (enum weir_code)rc, "log '%s': compaction: %s",
                                  cleaning->path, weir_code_text(rc));
        }
    }
    return weir_error_wrap(error, rc, "log '%s': compaction", cleaning->path);
}

/* The group's segments are the log's still, side by side. */
static bool is_as_it_was(const struct weir_log_cleaning *cleaning, size_t *first_out)
{
    const struct weir_partition_log *log = cleaning->log;
    size_t count = cleaning->group_end - cleaning->group_from;
    int64_t base_offset = cleaning->segments[cleaning->group_from].base_offset;
    size_t first = weir_log_find_segment(log, base_offset);
    if (log->segment_count - first <= count) return false; /* the active one does not count */
    for (size_t i = 0; i < count; i++) {
        if (log->segments[first + i] != cleaning->identities[cleaning->group_from + i]) {
            return false;
        }
    }
    *first_out = first;
    return true;
}

static void count_swap(struct weir_log_cleaning *cleaning)
{
    struct weir_cleaning_counts *counts = &cleaning->counts;
    for (size_t i = cleaning->group_from; i < cleaning->group_end; i++) {
        counts->segments_before++;
        counts->bytes_before += cleaning->segments[i].size;
        weir_segment_unref(
            cleaning->identities[i]); /* with the last one their room on the disk goes */
        cleaning->identities[i] = NULL;
    }
    counts->segments_after++;
    counts->bytes_after += cleaning->facts.size;
}

static int swap_group(struct weir_log_cleaning *cleaning, struct weir_error *error)
{
    struct weir_partition_log *log = cleaning->log;
    bool is_last = cleaning->group_end == cleaning->plan.end;
    struct weir_log_swap swap = {
        .count = cleaning->group_end - cleaning->group_from,
        .facts = cleaning->facts,
        .clean_offset = is_last ? cleaning->clean_offset : 0,
    };
    if (!is_as_it_was(cleaning, &swap.first)) {
        cleaning->was_cut_off = true;
        weir_log_cleaning_give_up(cleaning);
        return 0;
    }
    int rc = weir_log_swap_segments(log, &swap, error);
    if (rc < 0) {
        /* After an I/O error the mark may speak of what lies there. */
        if (!weir_log_has_failed(log)) weir_log_cleaning_give_up(cleaning);
        cleaning->phase = WEIR_CLEANING_OVER;
        return rc;
    }
    cleaning->truncations = log->truncations;
    count_swap(cleaning);
    if (is_last) {
        cleaning->phase = WEIR_CLEANING_OVER;
        return 0;
    }
    if (!weir_log_cleaning_may_begin(log)) { /* the mark could not be written once more */
        cleaning->was_cut_off = true;
        cleaning->phase = WEIR_CLEANING_OVER;
        return 0;
    }
    begin_group(cleaning, cleaning->group_end);
    return WEIR_END;
}

/* Nothing of the last group has changed, or nothing at all: the next pass begins behind it all the same. */
static void take_clean_offset(struct weir_log_cleaning *cleaning)
{
    struct weir_partition_log *log = cleaning->log;
    if (cleaning->clean_offset <= log->clean_offset) return;
    log->clean_offset = cleaning->clean_offset;
    log->mark_is_clean = false; /* the close writes it, and whatever writes a mark before */
}

int weir_log_cleaning_end(struct weir_log_cleaning *cleaning, struct weir_error *error)
{
    struct weir_partition_log *log = cleaning->log;
    weir_assert(!log->has_sync);
    weir_assert(cleaning->phase >= WEIR_CLEANING_SWAP || cleaning->rc < 0);
    cleaning->counts.records_before = cleaning->pass.records_seen;
    cleaning->counts.records_after = cleaning->pass.records_kept;
    cleaning->counts.tombstones_removed = cleaning->pass.tombstones_removed;
    bool has_changed = log->truncations != cleaning->truncations || weir_log_is_offline(log);
    if (has_changed) {
        cleaning->was_cut_off = true;
        weir_log_cleaning_give_up(cleaning);
        return 0;
    }
    if (cleaning->rc < 0) return end_failed(cleaning, error);
    if (cleaning->phase == WEIR_CLEANING_SWAP) return swap_group(cleaning, error);
    if (!cleaning->was_cut_off) take_clean_offset(cleaning);
    return 0;
}

void weir_log_cleaning_close(struct weir_log_cleaning *cleaning)
{
    close_input(cleaning);
    weir_file_close(cleaning->output);
    for (size_t i = 0; cleaning->identities != NULL && i < cleaning->segment_count; i++) {
        weir_segment_unref(cleaning->identities[i]);
    }
    weir_free(cleaning->identities);
    weir_free(cleaning->segments);
    weir_free(cleaning->path);
    weir_buffer_close(&cleaning->producers);
    weir_buffer_close(&cleaning->pending);
    weir_index_builder_close(&cleaning->index);
    weir_cleaner_map_close(&cleaning->map);
    weir_cleaner_pass_close(&cleaning->pass);
    if (cleaning->budget != NULL) weir_cleaner_transactions_close(&cleaning->transactions);
    *cleaning = (struct weir_log_cleaning){0};
}
