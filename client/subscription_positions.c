/** Where a member begins to read a partition that its group has given it, and goes on when the log has moved away. */
#include "client/consumer_internal.h"

#include "base/error.h"
#include "base/uuid.h"

static int no_position(const struct weir_consumer_partition *partition, struct weir_error *error)
{
    return weir_error_set(error, WEIR_OFFSET_OUT_OF_RANGE,
                          "group '%s' has committed nothing for topic '%s' partition %d, and "
                          "auto_offset_reset is none: weir_consumer_seek says where to begin",
                          partition->consumer->options.group, partition->topic,
                          (int)partition->index);
}

static int place_by_policy(struct weir_consumer *consumer,
                           struct weir_consumer_partition *partition, struct weir_error *error)
{
    int64_t offset = -1;
    if (consumer->reset_position == WEIR_POSITION_COMMITTED) return no_position(partition, error);
    int rc =
        weir_consumer_list_offset(consumer, partition->topic, partition->index,
                                  consumer->reset_position, "weir_consumer_poll", &offset, error);
    if (rc < 0) return rc;
    partition->position = offset;
    partition->epoch = -1;
    return 0;
}

int weir_consumer_reset(struct weir_consumer *consumer, struct weir_consumer_partition *partition,
                        struct weir_error *error)
{
    int64_t from = partition->position;
    if (consumer->member == NULL || consumer->reset_position == WEIR_POSITION_COMMITTED) {
        return WEIR_OFFSET_OUT_OF_RANGE;
    }
    int rc = place_by_policy(consumer, partition, error);
    if (rc < 0) return rc;
    weir_consumer_note(partition, (struct weir_consumer_event){.type = WEIR_CONSUMER_SOUGHT});
    weir_log(&consumer->log->env->logger, WEIR_LOG_WARN, "consumer.position_reset",
             "group=%s topic=%s partition=%d from=%lld goes_on_at=%lld "
             "reason=\"the log does not hold the offset\"",
             consumer->options.group, partition->topic, (int)partition->index, (long long)from,
             (long long)partition->position);
    return 0;
}

static int place_at(struct weir_consumer *consumer, struct weir_consumer_partition *partition,
                    const struct weir_offset_entry *entry, struct weir_error *error)
{
    bool is_its = weir_uuid_is_zero(entry->topic_id) || weir_uuid_is_zero(partition->topic_id) ||
                  weir_uuid_equal(entry->topic_id, partition->topic_id);
    if (entry->offset < 0 || !is_its) return place_by_policy(consumer, partition, error);
    struct weir_consumer_place place = {.offset = entry->offset, .epoch = entry->leader_epoch};
    int rc = weir_consumer_check_place(consumer, partition->topic, partition->index,
                                       "weir_consumer_poll", &place, error);
    if (rc < 0) return rc;
    partition->position = partition->committed = place.offset;
    partition->epoch = place.epoch;
    return 0;
}

static bool lacks_position(const struct weir_consumer_partition *partition)
{
    return partition->position < 0 && !partition->is_gone;
}

static size_t count_missing(const struct weir_consumer *consumer)
{
    size_t count = 0;
    for (size_t i = 0; i < consumer->partition_count; i++) {
        count += lacks_position(consumer->partitions[i]);
    }
    return count;
}

static int ask_once(struct weir_consumer *consumer, int32_t epoch, struct weir_arena *arena,
                    struct weir_offset_entry *entries, size_t count, struct weir_error *error)
{
    struct weir_committed_request request = {
        .group = weir_text(consumer->options.group),
        .arena = arena,
        .entries = entries,
        .entry_count = count,
        .member_id = weir_member_id(consumer->member),
        .member_epoch = epoch,
        .require_stable = true,
    };
    if (epoch <= 0) {
        request.member_id = weir_null();
        request.member_epoch = -1;
    }
    int rc = weir_log_wait_begin(consumer->log, &request.request, "weir_consumer_poll", error);
    if (rc < 0) return rc;
    weir_log_committed(consumer->log, &request);
    rc = weir_request_wait(consumer->log->env, &request.request, error);
    return rc == WEIR_CRASHED ? rc
                              : weir_error_wrap(error, rc, "committed offsets of group '%s'",
                                                consumer->options.group);
}

/* As a commit, with the epoch that a heartbeat on its way brings. A refusal leaves the entries as they were. */
static int ask_as_member(struct weir_consumer *consumer, struct weir_arena *arena,
                         struct weir_offset_entry *entries, size_t count, struct weir_error *error)
{
    for (int tries = 1;; tries++) {
        int32_t epoch = weir_member_epoch(consumer->member);
        int rc = ask_once(consumer, epoch, arena, entries, count, error);
        if (rc != WEIR_STALE_MEMBER_EPOCH || tries == WEIR_STALE_TRIES_MAX) return rc;
        if (weir_consumer_await_epoch(consumer, epoch) == WEIR_CRASHED) return WEIR_CRASHED;
        weir_error_clear(error);
    }
}

static bool are_stable(const struct weir_offset_entry *entries, size_t count)
{
    size_t i = 0;
    while (i < count && !entries[i].is_unstable)
        i++;
    return i == count;
}

/* What an open transaction has committed too is waited for (KIP-447): whoever had the partition before was in it. */
static int ask_committed(struct weir_consumer *consumer, struct weir_arena *arena,
                         struct weir_offset_entry *entries, size_t count, struct weir_error *error)
{
    for (int waited_ms = 0;; waited_ms += WEIR_STABLE_BACKOFF_MS) {
        int rc = ask_as_member(consumer, arena, entries, count, error);
        if (rc < 0 || are_stable(entries, count)) return rc;
        if (waited_ms >= WEIR_STABLE_WAIT_MS) {
            return weir_error_set(error, WEIR_UNSTABLE_OFFSET_COMMIT,
                                  "a transaction that moves offsets of group '%s' is still open",
                                  consumer->options.group);
        }
        rc = weir_log_pause(consumer->log, WEIR_STABLE_BACKOFF_MS);
        if (rc < 0) return rc;
    }
}

/* All that are missing, with one question for what is committed. The first failure is told, and the others are
 * found all the same. */
int weir_consumer_find_positions(struct weir_consumer *consumer, struct weir_error *error)
{
    size_t count = count_missing(consumer);
    if (count == 0) return 0;
    struct weir_arena arena;
    weir_arena_init(&arena, &consumer->log->budget, 0);
    struct weir_offset_entry *entries = weir_arena_array(&arena, count, sizeof *entries);
    int rc =
        entries != NULL ? 0 : weir_error_set(error, WEIR_NO_MEMORY, "positions: out of memory");
    for (size_t i = 0, at = 0; rc == 0 && i < consumer->partition_count; i++) {
        const struct weir_consumer_partition *partition = consumer->partitions[i];
        if (!lacks_position(partition)) continue;
        entries[at++] = (struct weir_offset_entry){
            .partition = {.topic = weir_text(partition->topic), .partition = partition->index},
            .offset = -1,
            .leader_epoch = -1,
        };
    }
    if (rc == 0) rc = ask_committed(consumer, &arena, entries, count, error);
    if (rc == WEIR_CRASHED) return rc;
    bool is_forgotten =
        rc == WEIR_UNKNOWN_MEMBER_ID; /* the next heartbeat is told, and all is lost */
    if (is_forgotten) weir_error_clear(error);
    int first = is_forgotten ? 0 : rc;
    for (size_t i = 0, at = 0; rc == 0 && i < consumer->partition_count; i++) {
        struct weir_consumer_partition *partition = consumer->partitions[i];
        if (!lacks_position(partition)) continue;
        struct weir_error why = {0};
        int placed = place_at(consumer, partition, &entries[at++], &why);
        if (placed == WEIR_CRASHED) return placed;
        partition->is_gone = placed == WEIR_UNKNOWN_TOPIC_OR_PARTITION;
        if (partition->is_gone) placed = 0;
        if (first == 0 && placed < 0 && error != NULL) *error = why;
        if (first == 0) first = placed;
    }
    weir_arena_close(&arena);
    return first;
}
