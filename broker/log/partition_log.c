#include "broker/log/partition_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/grow.h"
#include "broker/log/boot_file.h"
#include "broker/log/damage_file.h"
#include "broker/log/log_internal.h"
#include "broker/log/small_file.h"

/* ---- what the other files share -------------------------------------------------------------- */

/* What can be done about damage, where the folder lies in a data directory: DIR/log/TOPIC-PARTITION. Also of the
 * engine's own topics, which nobody but an error brings to anyone's mind. */
void weir_log_say_remedy(const struct weir_partition_log *log, struct weir_error *error)
{
    static const char parent[] = "/log/";
    struct weir_slice topic;
    const char *slash = strrchr(log->path, '/');
    const char *name = slash != NULL ? slash + 1 : log->path;
    size_t size = strlen(parent);
    bool is_inside = (size_t)(name - log->path) > size && memcmp(name - size, parent, size) == 0 &&
                     weir_log_is_partition_name(name, &topic);
    if (!is_inside || error == NULL) return;
    struct weir_error found = *error;
    (void)weir_error_set(
        error, found.code,
        "%s; put back what is missing, or close the directory and let 'weir log repair "
        "%.*s %.*s/%s' show what can be saved",
        found.text, (int)((size_t)(name - log->path) - size), log->path, (int)topic.size,
        (const char *)topic.data, name + topic.size + 1);
}

int weir_log_refuse(const struct weir_partition_log *log, struct weir_error *error)
{
    int rc = weir_error_set(error, WEIR_OFFLINE, "log '%s' is offline: %s", log->path, log->reason);
    if (log->fault.offline_from >= 0) weir_log_say_remedy(log, error);
    return rc;
}

static void write_damage(struct weir_partition_log *log, int64_t from, int64_t end,
                         const char *reason)
{
    struct weir_damage damage = {.from = from, .end = end, .time = weir_wall_now(log->env)};
    struct weir_fault_update update;
    (void)snprintf(damage.reason, sizeof damage.reason, "%.191s", reason);
    int rc = weir_damage_file_write(log->env, log->path, &damage, NULL);
    weir_fault_step(&log->fault, &(struct weir_fault_event){.type = WEIR_FAULT_NOTED, .rc = rc},
                    &update);
}

/* Take the event, and do what comes of it. */
static void take_fault(struct weir_partition_log *log, struct weir_fault_event event,
                       const char *reason)
{
    struct weir_fault_update update;
    weir_fault_step(&log->fault, &event, &update);
    if (update.says_failure) (void)snprintf(log->reason, sizeof log->reason, "%.255s", reason);
    if (update.says_damage) {
        (void)snprintf(log->reason, sizeof log->reason, "damage at offset %" PRId64 ": %s",
                       log->fault.offline_from, reason);
    }
    if (update.forgets_boot) weir_boot_file_forget(log->env, log->path);
    if (update.gives_up && log->segment_count > 0) {
        weir_kept_file_give_up(weir_log_active(log)->kept);
    }
    if (update.writes) write_damage(log, update.from, update.end, reason);
}

int weir_log_fail(struct weir_partition_log *log, int rc, struct weir_error *error)
{
    bool is_told = error != NULL && error->text[0] != '\0';
    take_fault(log, (struct weir_fault_event){.type = WEIR_FAULT_FAILS, .rc = rc},
               is_told ? error->text : weir_code_text(rc));
    return weir_error_storage(error, rc);
}

void weir_partition_log_distrust(struct weir_partition_log *log)
{
    weir_boot_file_forget(log->env, log->path);
}

int weir_log_reserve_segment(struct weir_partition_log *log)
{
    if (log->segment_count < log->segment_capacity) return 0;
    size_t capacity = weir_grown(log->segment_capacity, 4);
    struct weir_segment **segments =
        weir_realloc(log->budget, log->segments, capacity * sizeof(struct weir_segment *));
    if (segments == NULL) return WEIR_NO_MEMORY;
    log->segments = segments;
    log->segment_capacity = capacity;
    return 0;
}

size_t weir_log_find_segment(const struct weir_partition_log *log, int64_t offset)
{
    size_t low = 0;
    size_t high = log->segment_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (log->segments[middle]->facts.base_offset <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t weir_log_find_batches(const struct weir_partition_log *log, int64_t offset)
{
    size_t at = weir_log_find_segment(log, offset);
    for (; at + 1 < log->segment_count; at++) {
        const struct weir_segment_facts *facts = &log->segments[at]->facts;
        if (facts->size > 0 && facts->end_offset > offset) break;
    }
    return at;
}

int64_t weir_log_segment_end(const struct weir_partition_log *log,
                             const struct weir_segment *segment)
{
    size_t at = weir_log_find_segment(log, segment->facts.base_offset);
    weir_assert(log->segments[at] == segment);
    return at + 1 < log->segment_count ? log->segments[at + 1]->facts.base_offset : log->end_offset;
}

/* ---- small questions and settings ------------------------------------------------------------ */

int weir_partition_log_set_epoch(struct weir_partition_log *log, int32_t leader_epoch,
                                 struct weir_error *error)
{
    if (leader_epoch < log->leader_epoch) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "log '%s': epoch %" PRId32 " is older than %" PRId32, log->path,
                              leader_epoch, log->leader_epoch);
    }
    log->leader_epoch = leader_epoch;
    return 0;
}

void weir_partition_log_configure(struct weir_partition_log *log,
                                  const struct weir_topic_config *config)
{
    log->config = *config;
    log->index.interval_bytes = config->index_interval_bytes;
}

void weir_partition_log_epoch_end(const struct weir_partition_log *log, int32_t epoch,
                                  int32_t *epoch_out, int64_t *end_offset_out)
{
    weir_leader_epochs_end(&log->epochs, epoch, log->end_offset, epoch_out, end_offset_out);
}

int32_t weir_partition_log_epoch_at(const struct weir_partition_log *log, int64_t offset)
{
    int64_t end;
    return weir_leader_epochs_at(&log->epochs, offset, &end);
}

void weir_log_take_offline(struct weir_partition_log *log, int64_t offset, const char *reason)
{
    take_fault(log, (struct weir_fault_event){.type = WEIR_FAULT_UNREADABLE, .offset = offset},
               reason);
}

void weir_log_know_damage(struct weir_partition_log *log, int64_t offset, int64_t end,
                          const char *reason)
{
    take_fault(log,
               (struct weir_fault_event){.type = WEIR_FAULT_KNOWN, .offset = offset, .end = end},
               reason);
}

int64_t weir_partition_log_offline_from(const struct weir_partition_log *log)
{
    return log->fault.offline_from;
}

int weir_partition_log_check_online(const struct weir_partition_log *log, struct weir_error *error)
{
    return weir_log_is_offline(log) ? weir_log_refuse(log, error) : 0;
}

bool weir_partition_log_closes_unclean(const struct weir_partition_log *log)
{
    bool is_unsynced = log->durable_offset < log->end_offset;
    return weir_log_has_failed(log) || (weir_log_is_offline(log) && is_unsynced);
}

void weir_log_note_damage(struct weir_partition_log *log, int64_t from, int64_t end,
                          const char *reason)
{
    take_fault(log, (struct weir_fault_event){.type = WEIR_FAULT_NOTE, .offset = from, .end = end},
               reason);
}

void weir_log_settle_damage(struct weir_partition_log *log)
{
    if (!log->fault.is_owed) return;
    take_fault(log, (struct weir_fault_event){.type = WEIR_FAULT_SETTLE, .end = log->end_offset},
               log->reason);
}

bool weir_partition_log_owes_damage(const struct weir_partition_log *log)
{
    return log->fault.is_owed;
}

void weir_partition_log_damaged(struct weir_partition_log *log, int64_t offset, const char *reason)
{
    take_fault(log,
               (struct weir_fault_event){
                   .type = WEIR_FAULT_DAMAGES, .offset = offset, .end = log->end_offset},
               reason);
}

/* Where a transaction is open whose first records were deleted, nothing that is left is stable. */
static int64_t last_stable_offset(const struct weir_partition_log *log)
{
    int64_t unstable = weir_producer_state_first_unstable(&log->producers);
    if (unstable < 0) return log->end_offset;
    return unstable > log->start_offset ? unstable : log->start_offset;
}

struct weir_log_offsets weir_partition_log_offsets(const struct weir_partition_log *log)
{
    return (struct weir_log_offsets){
        .start_offset = log->start_offset,
        .durable_offset = log->durable_offset,
        .end_offset = log->end_offset,
        .last_stable_offset = last_stable_offset(log),
        .segment_count = log->segment_count,
    };
}

int weir_partition_log_admit_marker(const struct weir_partition_log *log,
                                    const struct weir_transaction_marker *marker, bool is_version_2,
                                    struct weir_error *error)
{
    if (weir_log_is_offline(log)) return weir_log_refuse(log, error);
    return weir_producer_state_admit_marker(&log->producers, marker, is_version_2, error);
}

struct weir_open_transaction weir_partition_log_transaction(const struct weir_partition_log *log,
                                                            int64_t producer_id)
{
    return weir_producer_state_transaction(&log->producers, producer_id);
}

struct weir_partition_log_state weir_partition_log_state(const struct weir_partition_log *log)
{
    struct weir_partition_log_state state = {
        .start_offset = log->start_offset,
        .durable_offset = log->durable_offset,
        .end_offset = log->end_offset,
        .last_stable_offset = last_stable_offset(log),
        .max_timestamp_ms = WEIR_NO_TIMESTAMP,
        .leader_epoch = log->leader_epoch,
        .segment_count = (int32_t)log->segment_count,
        .is_offline = weir_log_is_offline(log),
        .offline_from =
            log->fault.fault == WEIR_FAULT_FAILED ? log->durable_offset : log->fault.offline_from,
        .lost = weir_lost_ranges_last(&log->lost),
        .lost_count = weir_lost_ranges_count(&log->lost),
    };
    for (size_t i = 0; i < log->segment_count; i++) {
        const struct weir_segment_facts *facts = &log->segments[i]->facts;
        state.size_bytes += facts->size;
        if (facts->max_timestamp_ms > state.max_timestamp_ms) {
            state.max_timestamp_ms = facts->max_timestamp_ms;
        }
    }
    return state;
}

int64_t weir_partition_log_compacted_end(const struct weir_partition_log *log)
{
    int64_t end = log->end_offset;
    for (size_t i = log->segment_count; i > 0; i--) {
        const struct weir_segment_facts *facts = &log->segments[i - 1]->facts;
        if (facts->has_holes) return end;
        end = facts->base_offset;
    }
    return log->start_offset;
}

/* Segments ascend; each begins where the one before ends, or behind that if it has holes. */
static bool ascends(const struct weir_partition_log *log)
{
    for (size_t i = 0; i + 1 < log->segment_count; i++) {
        const struct weir_segment *segment = log->segments[i];
        const struct weir_segment *next = log->segments[i + 1];
        weir_segment_check(segment);
        if (!segment->is_sealed || next->facts.base_offset <= segment->facts.base_offset) {
            return false;
        }
        bool is_behind = next->facts.base_offset > segment->facts.end_offset;
        if (next->facts.base_offset < segment->facts.end_offset) return false;
        if (is_behind && !segment->facts.has_holes) return false;
    }
    return true;
}

void weir_partition_log_share_tail(struct weir_partition_log *log, struct weir_tail_pool *pool)
{
    weir_tail_cache_share(&log->tail, pool);
}

void weir_partition_log_check(const struct weir_partition_log *log)
{
    weir_assert(log->magic == WEIR_LOG_MAGIC);
    weir_assert(log->start_offset <= log->durable_offset);
    weir_assert(log->durable_offset <= log->end_offset);
    weir_assert(log->segment_count > 0);
    weir_assert(log->segment_count <= log->segment_capacity);
    weir_assert(log->segments[0]->facts.base_offset <= log->start_offset);
    weir_assert(log->unmarked_bytes >= 0);
    const struct weir_segment *active = weir_log_active(log);
    weir_assert(!active->is_sealed);
    weir_assert(log->index.base_offset == active->facts.base_offset);
    weir_leader_epochs_check(&log->epochs);
    weir_assert(weir_leader_epochs_last(&log->epochs) <= log->leader_epoch);
    weir_producer_state_check(&log->producers);
    weir_index_builder_check(&log->index);
    weir_fault_check(&log->fault);
    if (weir_log_is_offline(log)) return; /* what is there is not what it should be */
    weir_segment_check(active);
    weir_assert(active->facts.end_offset == log->end_offset || active->facts.has_holes);
    weir_assert(active->facts.end_offset <= log->end_offset);
    weir_tail_cache_check(&log->tail, log->end_offset);
    weir_assert_slow(ascends(log));
}
