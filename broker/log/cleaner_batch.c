#include "broker/log/cleaner_batch.h"

#include "base/assert.h"
#include "base/error.h"
#include "wire/record_batch_reader.h"

void weir_cleaner_pass_init(struct weir_cleaner_pass *pass, struct weir_budget *budget)
{
    *pass = (struct weir_cleaner_pass){.level = WEIR_CODEC_LEVEL_DEFAULT};
    weir_buffer_init(&pass->plain, budget, 0);
    weir_buffer_init(&pass->records, budget, 0);
}

void weir_cleaner_pass_close(struct weir_cleaner_pass *pass)
{
    weir_buffer_close(&pass->plain);
    weir_buffer_close(&pass->records);
}

/* ---- the batch ------------------------------------------------------------------------------- */

int weir_cleaner_control_type(struct weir_slice batch, struct weir_error *error)
{
    struct weir_batch_reader reader = {.rest = batch, .is_whole = true};
    struct weir_record record;
    int rc = weir_batch_reader_open_next(&reader, error);
    if (rc == 0) rc = weir_batch_reader_record(&reader, &record, error);
    if (rc < 0) return rc;
    int type = rc == 0 ? weir_control_type(record.key) : WEIR_CORRUPT;
    if (type >= 0) return type;
    return weir_error_set(error, WEIR_CORRUPT,
                          "a control batch at offset %lld has no record that says what it is",
                          (long long)reader.header.base_offset);
}

static const struct weir_cleaner_producer *find_producer(const struct weir_cleaner_pass *pass,
                                                         int64_t producer_id)
{
    size_t low = 0;
    size_t high = pass->producer_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (pass->producers[middle].producer_id < producer_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool is_found = low < pass->producer_count && pass->producers[low].producer_id == producer_id;
    return is_found ? &pass->producers[low] : NULL;
}

/* Who makes producers anew from the log alone takes epoch and sequence from it. */
static bool is_last_of_producer(const struct weir_cleaner_pass *pass,
                                const struct weir_batch_header *header)
{
    if (header->producer_id < 0) return false;
    const struct weir_cleaner_producer *producer = find_producer(pass, header->producer_id);
    if (producer == NULL) return false;
    if (producer->last_offset >= 0) {
        return weir_batch_last_offset(header) == producer->last_offset;
    }
    return weir_batch_is_control(header) && header->producer_epoch == producer->epoch;
}

static bool stays_empty(const struct weir_cleaner_pass *pass,
                        const struct weir_batch_header *header)
{
    return is_last_of_producer(pass, header) || weir_batch_is_given_up(header) ||
           weir_batch_last_offset(header) + 1 == pass->limit_offset;
}

static bool is_past_horizon(const struct weir_cleaner_pass *pass,
                            const struct weir_batch_header *header)
{
    return !pass->keeps_tombstones && (header->attributes & WEIR_BATCH_DELETE_HORIZON) != 0 &&
           header->base_timestamp_ms <= pass->now_ms;
}

/* ---- its records ----------------------------------------------------------------------------- */

/* What `keeps` looks at. */
struct choice {
    struct weir_cleaner_pass *pass;
    bool drops_tombstones;
};

static bool keeps_record(void *context, const struct weir_record *record)
{
    const struct choice *choice = context;
    struct weir_cleaner_pass *pass = choice->pass;
    if (record->offset >= pass->latest_offset) return true;
    if (weir_slice_is_null(record->key)) return false; /* nothing could ever replace it */
    if (record->offset < weir_cleaner_map_get(pass->map, record->key)) return false;
    bool goes = choice->drops_tombstones && weir_slice_is_null(record->value);
    if (goes) pass->tombstones_removed++;
    return !goes;
}

static bool keeps_none(void *context, const struct weir_record *record)
{
    (void)context;
    (void)record;
    return false;
}

/* ---- the decision ---------------------------------------------------------------------------- */

/* Set `filter` for a marker. */
static int judge_control(struct weir_cleaner_pass *pass, struct weir_slice batch,
                         const struct weir_batch_header *header, struct weir_batch_filter *filter,
                         struct weir_error *error)
{
    if (header->record_count == 0) return 0;
    int type = weir_cleaner_control_type(batch, error);
    if (type < 0) return type;
    if (type != WEIR_CONTROL_ABORT && type != WEIR_CONTROL_COMMIT) return 0;
    if (!weir_cleaner_transactions_marker(pass->transactions, header)) return 0;
    filter->is_dated = true;
    if (is_past_horizon(pass, header)) filter->keeps = keeps_none;
    return 0;
}

static int judge_data(struct weir_cleaner_pass *pass, const struct weir_batch_header *header,
                      struct weir_batch_filter *filter, struct weir_error *error)
{
    filter->keeps = keeps_record;
    if (!weir_batch_is_transactional(header)) return 0;
    if (weir_cleaner_transactions_data(pass->transactions, header) < 0) {
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for a transaction");
    }
    if (weir_cleaner_transactions_is_aborted(pass->transactions, header)) {
        filter->keeps = keeps_none;
    }
    return 0;
}

int weir_cleaner_batch(struct weir_cleaner_pass *pass, struct weir_slice batch,
                       struct weir_buffer *to, struct weir_error *error)
{
    struct weir_batch_header header;
    int rc = weir_batch_peek(batch, 0, &header, error);
    if (rc < 0) return rc;
    weir_assert(header.base_offset < pass->limit_offset);
    struct choice choice = {.pass = pass, .drops_tombstones = is_past_horizon(pass, &header)};
    struct weir_batch_filter filter = {
        .context = &choice,
        .keeps_empty = stays_empty(pass, &header),
        .level = pass->level,
        .plain = &pass->plain,
        .records = &pass->records,
    };
    if (__builtin_add_overflow(pass->now_ms, pass->delete_retention_ms, &filter.horizon_ms)) {
        filter.horizon_ms = INT64_MAX;
    }
    if (pass->keeps_tombstones) filter.horizon_ms = WEIR_NO_TIMESTAMP;
    rc = weir_batch_is_control(&header) ? judge_control(pass, batch, &header, &filter, error)
                                        : judge_data(pass, &header, &filter, error);
    if (rc == 0) rc = weir_batch_filter(batch, &filter, to, error);
    if (rc < 0) return rc;
    pass->records_seen += header.record_count;
    pass->records_kept += filter.kept_count;
    pass->has_changed |= filter.is_changed;
    return 0;
}
