#include "broker/engine/partition.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/state_table.h"
#include "broker/engine/engine.h"

/* ---- states ---------------------------------------------------------------------------------- */

#define TO(state) WEIR_STATE_BIT(WEIR_PARTITION_##state)
static const struct weir_state_row rows[] = {
    [WEIR_PARTITION_RESOLVING] = {"resolving", TO(OPENING)},
    [WEIR_PARTITION_OPENING] = {"opening", TO(OPEN) | TO(ASSIGNING)},
    [WEIR_PARTITION_ASSIGNING] = {"assigning", TO(OPEN) | TO(CLOSING)},
    [WEIR_PARTITION_OPEN] = {"open", TO(WORKING) | TO(CLOSING)},
    [WEIR_PARTITION_WORKING] = {"working", TO(OPEN)},
    [WEIR_PARTITION_CLOSING] = {"closing", 0},
};
#undef TO
static const struct weir_state_table states = WEIR_STATE_TABLE("partition", rows);

void weir_partition_check_state(const struct weir_partition *partition)
{
    bool is_open = partition->state == WEIR_PARTITION_OPEN;
    weir_assert((partition->waiting_first == NULL) == (partition->waiting_last == NULL));
    weir_assert((partition->acks_first == NULL) == (partition->acks_last == NULL));
    weir_assert((partition->gathered_first == NULL) == (partition->append_gathered == NULL));
    weir_assert((partition->gathered_first == NULL) == (partition->gathered_count == 0));
    weir_assert(is_open || partition->gathered_first == NULL);
    weir_assert(partition->gathered_first == NULL || partition->is_gathering);
    weir_assert(partition->state != WEIR_PARTITION_RESOLVING || partition->log == NULL);
    weir_assert(!is_open || partition->log != NULL);
    weir_assert(partition->reads >= 0);
    weir_assert(is_open || (partition->reads == 0 && !partition->flush.is_in_flight));
    weir_assert(partition->state_machine == NULL || partition->state_machine_ops != NULL);
    weir_assert(partition->shown.start_offset <= partition->shown.durable_offset);
    weir_assert(partition->shown.durable_offset <= partition->shown.end_offset);
    weir_assert(partition->high_watermark <= partition->shown.end_offset);
    weir_assert(partition->last_stable_offset <= partition->high_watermark);
    weir_assert(partition->shown.start_offset <= partition->last_stable_offset);
    weir_assert((partition->markers_first == NULL) == (partition->markers_last == NULL));
    weir_assert((partition->holds == NULL) == (partition->hold_count == 0));
    weir_assert(partition->bytes_visible <= partition->bytes_appended);
    weir_assert(partition->flush_bytes <= partition->bytes_appended);
}

void weir_partition_move(struct weir_partition *partition, enum weir_partition_state to)
{
    char name[WEIR_TOPIC_NAME_SIZE_MAX + 16];
    (void)snprintf(name, sizeof name, "%.*s-%d", (int)partition->topic.size,
                   (const char *)partition->topic.data, partition->number);
    partition->state = weir_state_move(&states, name, partition->state, to);
    weir_partition_check_state(partition);
    weir_log(&partition->shard->env->logger, WEIR_LOG_DEBUG, "partition.state",
             "topic=%.*s partition=%d state=%s", (int)partition->topic.size,
             (const char *)partition->topic.data, partition->number, weir_state_name(&states, to));
}

/* ---- memory ---------------------------------------------------------------------------------- */

struct weir_partition *weir_partition_new(struct weir_shard *shard, struct weir_slice topic,
                                          int32_t number)
{
    struct weir_partition *partition =
        weir_alloc_zero(shard->budget, sizeof *partition + topic.size + WEIR_PARTITION_KEY_EXTRA);
    if (partition == NULL) return NULL;
    weir_assert(weir_engine_shard(shard->engine, topic, number) == shard);
    uint8_t *key = (uint8_t *)(partition + 1);
    partition->shard = shard;
    partition->state = WEIR_PARTITION_RESOLVING;
    partition->key = weir_partition_key(key, topic, number);
    partition->topic = weir_slice(key, topic.size);
    partition->number = number;
    partition->markers_unstable = INT64_MAX;
    partition->never_cut_below = -1;
    if (weir_map_add(&shard->partitions, partition->key, partition) < 0) {
        weir_free(partition);
        return NULL;
    }
    return partition;
}

static void forget_cleanable(struct weir_partition *partition)
{
    struct weir_partition **at = &partition->shard->cleaner.listed;
    if (!partition->is_cleanable) return;
    while (*at != partition) {
        at = &(*at)->cleanable_next;
    }
    *at = partition->cleanable_next;
    partition->is_cleanable = false;
}

/* It may stand in the list with nothing left to append. */
static void forget_gathering(struct weir_partition *partition)
{
    struct weir_partition **at = &partition->shard->gathering;
    if (!partition->is_gathering) return;
    while (*at != partition) {
        at = &(*at)->gathering_next;
    }
    *at = partition->gathering_next;
    partition->is_gathering = false;
}

int weir_partition_free(struct weir_partition *partition, struct weir_error *error)
{
    weir_assert(partition->waiting_first == NULL && partition->acks_first == NULL);
    weir_assert(partition->fetches == NULL && !partition->flush.is_in_flight);
    weir_assert(partition->markers_first == NULL && partition->holds == NULL);
    weir_assert(partition->gathered_first == NULL);
    forget_gathering(partition);
    int rc = partition->state_machine != NULL
                 ? partition->state_machine_ops->close(partition->state_machine, error)
                 : 0;
    weir_deadline_heap_remove(&partition->shard->turns, &partition->turn_index);
    weir_assert(!partition->has_slice && partition->shard->cleaner.partition != partition);
    forget_cleanable(partition);
    bool is_unclean = partition->log != NULL && weir_partition_log_closes_unclean(partition->log);
    if (is_unclean) partition->shard->engine->closes_unclean = true;
    if (partition->log != NULL) weir_partition_log_share_tail(partition->log, NULL);
    int closed = weir_partition_log_close(partition->log, rc == 0 ? error : NULL);
    weir_buffer_close(&partition->flush.sync.mark);
    weir_free(partition->path);
    weir_free(partition);
    return rc < 0 ? rc : closed;
}

int weir_partition_adopt(struct weir_shard *shard, const char *topic, int32_t number,
                         const char *path, struct weir_partition_log *log,
                         struct weir_partition **partition_out)
{
    struct weir_partition *partition = weir_partition_new(shard, weir_text(topic), number);
    if (partition == NULL) return WEIR_NO_MEMORY;
    partition->path = weir_alloc_text(shard->budget, path, strlen(path));
    if (partition->path == NULL) {
        (void)weir_map_remove(&shard->partitions, partition->key);
        (void)weir_partition_free(partition, NULL);
        return WEIR_NO_MEMORY;
    }
    partition->state = WEIR_PARTITION_OPEN;
    partition->availability = WEIR_AVAILABILITY_ONLINE;
    partition->log = log;
    weir_partition_refresh(partition);
    weir_counter_add(&shard->open_partitions, 1);
    *partition_out = partition;
    return 0;
}

/* ---- its state machine ------------------------------------------------------------------------ */

/* It has had a place in the heap since the machine was opened, so that this needs no memory. */
void weir_partition_wake_at(struct weir_partition *partition, struct weir_mono at)
{
    struct weir_deadline_heap *turns = &partition->shard->turns;
    weir_assert(partition->state_machine != NULL && partition->turn_index > 0);
    weir_deadline_heap_remove(turns, &partition->turn_index);
    int rc = weir_deadline_heap_add(
        turns,
        (struct weir_deadline){.at = at, .item = partition, .index = &partition->turn_index});
    weir_assert(rc == 0);
}

void weir_partition_refuse_waiting(struct weir_partition *partition, int rc, const char *text)
{
    bool is_served = partition->turn_index > 0 && partition->state != WEIR_PARTITION_OPENING;
    if (is_served) partition->state_machine_ops->refuse(partition->state_machine, rc, text);
}

/* ---- what is known of its log ---------------------------------------------------------------- */

/* A marker that is not durable yet has decided nothing: what it has ended is as open as before. What lies
 * below the log's start is nobody's. */
void weir_partition_note_stable(struct weir_partition *partition)
{
    int64_t stable = partition->shown.last_stable_offset;
    if (partition->markers_unstable < stable) stable = partition->markers_unstable;
    if (partition->high_watermark < stable) stable = partition->high_watermark;
    if (stable < partition->shown.start_offset) stable = partition->shown.start_offset;
    if (stable == partition->last_stable_offset) return;
    partition->last_stable_offset = stable;
    partition->stable_moves++;
}

void weir_partition_note_cleanable(struct weir_partition *partition)
{
    struct weir_shard_cleaner *cleaner = &partition->shard->cleaner;
    if (partition->is_cleanable || !partition->config.cleanup_compact) return;
    partition->is_cleanable = true;
    partition->cleanable_next = cleaner->listed;
    cleaner->listed = partition;
}

void weir_partition_refresh(struct weir_partition *partition)
{
    size_t segment_count = partition->shown.segment_count;
    partition->shown = weir_partition_log_offsets(partition->log);
    if (partition->shown.segment_count != segment_count) weir_partition_note_cleanable(partition);
    bool follows_end = partition->config.flush_policy == WEIR_FLUSH_OS;
    int64_t reached = follows_end ? partition->shown.end_offset : partition->shown.durable_offset;
    if (reached > partition->high_watermark) partition->high_watermark = reached;
    if (follows_end) partition->bytes_visible = partition->bytes_appended;
    weir_partition_note_stable(partition);
}

void weir_partition_resolve_epoch(struct weir_partition *partition, int32_t epoch)
{
    struct weir_epoch_event event = {.type = WEIR_EPOCH_RESOLVED, .epoch = epoch};
    struct weir_epoch_update update;
    weir_epoch_step(&partition->epoch, &event, &update);
}

int weir_partition_check_epoch(const struct weir_partition *partition,
                               const struct weir_epoch_check *check, struct weir_error *error)
{
    int32_t epoch = partition->epoch.current;
    if (!check->has_current || check->current == epoch) return 0;
    bool is_older = check->current < epoch;
    return weir_error_set(error, is_older ? WEIR_FENCED_LEADER_EPOCH : WEIR_UNKNOWN_LEADER_EPOCH,
                          "the leader epoch of '%.*s' partition %d is %d, not %d",
                          (int)partition->topic.size, (const char *)partition->topic.data,
                          partition->number, epoch, check->current);
}

void weir_partition_epoch_end(const struct weir_partition *partition, int32_t epoch,
                              int32_t *epoch_out, int64_t *end_offset_out)
{
    *epoch_out = -1;
    *end_offset_out = -1;
    if (epoch < 0 || epoch > partition->epoch.current) return;
    weir_partition_log_epoch_end(partition->log, epoch, epoch_out, end_offset_out);
    if (epoch == partition->epoch.current) { /* it may have no records yet */
        *epoch_out = epoch;
        *end_offset_out = partition->shown.end_offset;
    } else if (*epoch_out < 0) { /* its records have been given up: it ended where the log starts */
        *epoch_out = epoch;
        *end_offset_out = partition->shown.start_offset;
    }
}
