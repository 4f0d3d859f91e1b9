/** Committed offsets: where a group goes on after a restart. */
#include "client/consumer_internal.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/uuid.h"

static int check_group(const char *group, struct weir_error *error)
{
    if (group != NULL && group[0] != '\0') return 0;
    return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                          "committed offsets belong to a group, and its name is %s",
                          group == NULL ? "NULL" : "empty");
}

/* ---- commit ---------------------------------------------------------------------------------- */

enum { STALE_WAIT_MS = 1000 };

struct epoch_change {
    const struct weir_member *member;
    int32_t from;
};

static bool has_changed(void *context)
{
    const struct epoch_change *change = context;
    return weir_member_epoch(change->member) != change->from;
}

int weir_consumer_await_epoch(struct weir_consumer *consumer, int32_t from)
{
    struct weir_env *env = consumer->log->env;
    struct epoch_change change = {.member = consumer->member, .from = from};
    struct weir_mono until = weir_mono_after_ms(weir_mono_now(env), STALE_WAIT_MS);
    return weir_wait(env, has_changed, &change, until);
}

static int send_commit(struct weir_consumer *consumer, const struct weir_offset_entry *entries,
                       size_t count, int32_t epoch, const char *call, struct weir_error *error)
{
    struct weir_log *log = consumer->log;
    struct weir_commit_request request = {
        .group = weir_text(consumer->options.group),
        .entries = entries,
        .entry_count = count,
        .generation = -1,
    };
    if (consumer->member != NULL) {
        request.member.member_id = weir_member_id(consumer->member);
        request.member.instance_id = weir_text(consumer->options.group_instance_id);
        request.generation = epoch;
        request.has_member = true;
    }
    int rc = weir_log_wait_begin(log, &request.request, call, error);
    if (rc < 0) return rc;
    weir_log_commit_offsets(log, &request);
    rc = weir_request_wait(log->env, &request.request, error);
    if (rc == WEIR_CRASHED) return rc; /* the entries' memory went with the node */
    return weir_error_wrap(error, rc, "commit offsets of group '%s'", consumer->options.group);
}

/* The group may be ahead of this member by a heartbeat that is on its way: then it commits with the epoch that
 * that brings. */
static int commit_entries(struct weir_consumer *consumer, const struct weir_offset_entry *entries,
                          size_t count, const char *call, struct weir_error *error)
{
    for (int tries = 1;; tries++) {
        int32_t epoch = consumer->member != NULL ? weir_member_epoch(consumer->member) : -1;
        if (consumer->member != NULL && epoch <= 0) {
            return weir_error_set(
                error, WEIR_UNKNOWN_MEMBER_ID,
                "commit offsets of group '%s': the consumer is no member of it now; "
                "weir_consumer_poll joins",
                consumer->options.group);
        }
        int rc = send_commit(consumer, entries, count, epoch, call, error);
        if (rc != WEIR_STALE_MEMBER_EPOCH || consumer->member == NULL) return rc;
        int waited = tries < WEIR_STALE_TRIES_MAX ? weir_consumer_await_epoch(consumer, epoch) : rc;
        if (waited < 0) return waited == WEIR_CRASHED ? waited : rc;
        weir_error_clear(error);
    }
}

/* Not of a topic that is gone: it would stop the others. */
static bool is_to_commit(const struct weir_consumer_partition *partition, bool only_moved)
{
    return partition->position >= 0 && !partition->is_gone &&
           (!only_moved || partition->position != partition->committed);
}

int weir_consumer_commit_positions(struct weir_consumer *consumer,
                                   struct weir_consumer_partition *const *partitions, size_t count,
                                   bool only_moved, const char *call, struct weir_error *error)
{
    struct weir_offset_entry *entries =
        weir_alloc(&consumer->log->budget, count * sizeof *entries + 1);
    size_t used = 0;
    if (entries == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "commit: out of memory");
    for (size_t i = 0; i < count; i++) {
        const struct weir_consumer_partition *partition = partitions[i];
        if (!is_to_commit(partition, only_moved)) continue;
        entries[used++] = (struct weir_offset_entry){
            .partition = {.topic = weir_text(partition->topic), .partition = partition->index},
            .offset = partition->position,
            .leader_epoch = partition->epoch,
            .metadata = weir_text(""),
            .topic_id = partition->topic_id,
        };
    }
    int rc = used > 0 ? commit_entries(consumer, entries, used, call, error) : 0;
    if (rc == WEIR_CRASHED) return rc;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        partitions[i]->committed = partitions[i]->position;
    }
    weir_free(entries);
    return rc;
}

int weir_consumer_commit(struct weir_consumer *consumer, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = weir_consumer_enter(consumer, "weir_consumer_commit", error);
    if (rc < 0) return rc;
    rc = check_group(consumer->options.group, error);
    if (rc == 0 && consumer->partition_count > 0) {
        rc = weir_consumer_commit_positions(consumer, consumer->partitions,
                                            consumer->partition_count, false,
                                            "weir_consumer_commit", error);
    }
    return weir_consumer_leave(consumer, rc);
}

/* The leader epoch goes with an offset only where it is known of the record before it: at the position. */
static int take_offset(const struct weir_consumer *consumer,
                       const struct weir_offset_to_commit *offset, struct weir_offset_entry *entry,
                       struct weir_error *error)
{
    int rc = weir_topic_text_check(offset->topic, error);
    if (rc < 0) return rc;
    if (offset->offset < 0) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "commit offset %lld of topic '%s' partition %d: offsets begin at 0",
                              (long long)offset->offset, offset->topic, (int)offset->partition);
    }
    const struct weir_consumer_partition *partition =
        weir_consumer_find(consumer, offset->topic, offset->partition);
    bool is_position = partition != NULL && partition->position == offset->offset;
    *entry = (struct weir_offset_entry){
        .partition = {.topic = weir_text(offset->topic), .partition = offset->partition},
        .offset = offset->offset,
        .leader_epoch = is_position ? partition->epoch : -1,
        .metadata = weir_text(offset->metadata != NULL ? offset->metadata : ""),
    };
    if (partition != NULL) entry->topic_id = partition->topic_id;
    return 0;
}

static int commit_offsets(struct weir_consumer *consumer,
                          const struct weir_offset_to_commit *offsets, size_t count,
                          struct weir_error *error)
{
    static const char call[] = "weir_consumer_commit_offsets";
    int rc = check_group(consumer->options.group, error);
    if (rc < 0 || count == 0) return rc;
    if (offsets == NULL) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "%s: offsets is NULL", call);
    }
    struct weir_offset_entry *entries = weir_alloc(&consumer->log->budget, count * sizeof *entries);
    if (entries == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "commit: out of memory");
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = take_offset(consumer, &offsets[i], &entries[i], error);
    }
    if (rc == 0) rc = commit_entries(consumer, entries, count, call, error);
    if (rc == WEIR_CRASHED) return rc;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct weir_consumer_partition *partition =
            weir_consumer_find(consumer, offsets[i].topic, offsets[i].partition);
        if (partition != NULL) partition->committed = offsets[i].offset;
    }
    weir_free(entries);
    return rc;
}

int weir_consumer_commit_offsets(struct weir_consumer *consumer,
                                 const struct weir_offset_to_commit *offsets, size_t offset_count,
                                 struct weir_error *error)
{
    weir_error_clear(error);
    int rc = weir_consumer_enter(consumer, "weir_consumer_commit_offsets", error);
    if (rc < 0) return rc;
    return weir_consumer_leave(consumer, commit_offsets(consumer, offsets, offset_count, error));
}

static int group_metadata(const struct weir_consumer *consumer,
                          struct weir_group_metadata *metadata_out, struct weir_error *error)
{
    int rc = check_group(consumer->options.group, error);
    if (rc == 0 && metadata_out == NULL) {
        rc = weir_error_set(error, WEIR_INVALID_ARGUMENT,
                            "weir_consumer_group_metadata: metadata_out is NULL");
    }
    if (rc < 0) return rc;
    struct weir_group_metadata metadata = {.group = consumer->options.group, .generation = -1};
    if (consumer->member != NULL) {
        metadata.generation = weir_member_epoch(consumer->member);
        metadata.member_id = (const char *)weir_member_id(consumer->member).data;
        metadata.group_instance_id = consumer->options.group_instance_id;
    }
    if (consumer->member != NULL && metadata.generation <= 0) {
        return weir_error_set(error, WEIR_UNKNOWN_MEMBER_ID,
                              "the consumer is no member of group '%s' now; weir_consumer_poll "
                              "joins",
                              consumer->options.group);
    }
    *metadata_out = metadata;
    return 0;
}

int weir_consumer_group_metadata(struct weir_consumer *consumer,
                                 struct weir_group_metadata *metadata_out, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = weir_consumer_enter(consumer, "weir_consumer_group_metadata", error);
    if (rc < 0) return rc;
    return weir_consumer_leave(consumer, group_metadata(consumer, metadata_out, error));
}

int weir_consumer_committed(struct weir_consumer *consumer, const char *topic, int32_t partition,
                            int64_t *offset_out, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = weir_consumer_enter(consumer, "weir_consumer_committed", error);
    if (rc < 0) return rc;
    rc =
        weir_committed(consumer->log, consumer->options.group, topic, partition, offset_out, error);
    return weir_consumer_leave(consumer, rc);
}

/* ---- committed ------------------------------------------------------------------------------- */

static bool is_same_topic(struct weir_uuid committed, struct weir_uuid now)
{
    return weir_uuid_is_zero(committed) || weir_uuid_is_zero(now) ||
           weir_uuid_equal(committed, now);
}

/* WEIR_UNSTABLE_OFFSET_COMMIT: a transaction that is open has committed it too. */
static int ask_committed(struct weir_log *log, const char *group, const char *topic,
                         int32_t partition, struct weir_uuid topic_id, bool is_stable,
                         const char *call, struct weir_consumer_place *place_out,
                         struct weir_error *error)
{
    int rc = check_group(group, error);
    if (rc < 0) return rc;
    struct weir_arena arena;
    weir_arena_init(&arena, &log->budget, 0);
    struct weir_offset_entry entry = {
        .partition = {.topic = weir_text(topic), .partition = partition},
        .offset = -1,
    };
    struct weir_committed_request request = {
        .group = weir_text(group),
        .arena = &arena,
        .entries = &entry,
        .entry_count = 1,
        .require_stable = is_stable,
    };
    rc = weir_log_wait_begin(log, &request.request, call, error);
    if (rc < 0) goto out;
    weir_log_committed(log, &request);
    rc = weir_request_wait(log->env, &request.request, error);
    if (rc == WEIR_CRASHED) return rc; /* the arena's memory went with the node */
    if (rc < 0) {
        (void)weir_error_wrap(error, rc, "committed offset of group '%s'", group);
        goto out;
    }
    /* Offsets of a topic of this name that was deleted since mean nothing in the new one. */
    bool is_its = is_same_topic(entry.topic_id, topic_id);
    *place_out = (struct weir_consumer_place){.offset = is_its ? entry.offset : -1,
                                              .epoch = is_its ? entry.leader_epoch : -1};
    if (entry.is_unstable) {
        rc = weir_error_set(error, WEIR_UNSTABLE_OFFSET_COMMIT,
                            "a transaction that moves the offset of group '%s' is still open",
                            group);
    }
out:
    weir_arena_close(&arena);
    return rc;
}

int weir_committed_offset(struct weir_log *log, const char *group, const char *topic,
                          int32_t partition, struct weir_uuid topic_id, bool is_stable,
                          const char *call, struct weir_consumer_place *place_out,
                          struct weir_error *error)
{
    for (int waited_ms = 0;; waited_ms += WEIR_STABLE_BACKOFF_MS) {
        int rc = ask_committed(log, group, topic, partition, topic_id, is_stable, call, place_out,
                               error);
        if (rc != WEIR_UNSTABLE_OFFSET_COMMIT || waited_ms >= WEIR_STABLE_WAIT_MS) return rc;
        rc = weir_log_pause(log, WEIR_STABLE_BACKOFF_MS);
        if (rc < 0) return rc;
        weir_error_clear(error);
    }
}

int weir_committed(struct weir_log *log, const char *group, const char *topic, int32_t partition,
                   int64_t *offset_out, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = weir_log_check(log, "weir_committed", error);
    if (rc == 0) rc = weir_topic_text_check(topic, error);
    if (rc == 0 && offset_out == NULL) {
        rc = weir_error_set(error, WEIR_INVALID_ARGUMENT, "weir_committed: offset_out is NULL");
    }
    if (rc < 0) return rc;
    struct weir_uuid any = {{0}};
    struct weir_consumer_place place;
    rc = weir_committed_offset(log, group, topic, partition, any, false, "weir_committed", &place,
                               error);
    if (rc < 0) return rc;
    *offset_out = place.offset;
    return 0;
}

int weir_consumer_list_offset(struct weir_consumer *consumer, const char *topic, int32_t partition,
                              int64_t position, const char *call, int64_t *offset_out,
                              struct weir_error *error)
{
    struct weir_list_offsets_request asked = {
        .of = {.topic = weir_text(topic), .partition = partition},
        .timestamp_ms = position == WEIR_POSITION_END ? WEIR_OFFSET_LATEST : WEIR_OFFSET_EARLIEST,
        .read_committed = weir_consumer_reads_committed(consumer),
    };
    return weir_topic_list_offset(consumer->log, &asked, call, offset_out, error);
}

/* ---- the log's history ----------------------------------------------------------------------- */

/* Where the history that `place` stands in ended, as the log tells it: the place itself if it is still
 * part of it. An epoch that the log has not reached yet is of a tail that is gone as a whole; what of
 * the place is left nobody knows, so its end has to do. */
static int find_divergence(struct weir_log *log, const char *topic, int32_t partition,
                           const char *call, struct weir_consumer_place *place,
                           struct weir_error *error)
{
    weir_assert(place->offset >= 0 && place->epoch >= 0); /* it names a history */
    struct weir_epoch_end_request request = {
        .of = {.topic = weir_text(topic), .partition = partition}, .epoch = place->epoch};
    int rc = weir_log_wait_begin(log, &request.request, call, error);
    if (rc < 0) return rc;
    weir_log_epoch_end(log, &request);
    rc = weir_request_wait(log->env, &request.request, error);
    if (rc < 0) return rc;
    int64_t start = 0;
    int64_t end = request.end_offset;
    if (end < 0) rc = weir_topic_offsets(log, topic, partition, &start, &end, error);
    if (rc < 0 || end >= place->offset) return rc;
    *place = (struct weir_consumer_place){.offset = end, .epoch = request.epoch_found};
    return 0;
}

int weir_consumer_check_place(struct weir_consumer *consumer, const char *topic, int32_t partition,
                              const char *call, struct weir_consumer_place *place,
                              struct weir_error *error)
{
    struct weir_log *log = consumer->log;
    struct weir_consumer_place committed = *place;
    if (place->offset < 0 || place->epoch < 0) return 0;
    int rc = find_divergence(log, topic, partition, call, place, error);
    if (rc < 0 && rc != WEIR_CRASHED) {
        (void)weir_error_wrap(error, rc, "compare what group '%s' committed with the log",
                              consumer->options.group);
    }
    if (rc < 0 || place->offset == committed.offset) return rc;
    weir_log(&log->env->logger, WEIR_LOG_WARN, "consumer.records_lost",
             "group=%s topic=%s partition=%d lost=%lld..%lld leader_epoch=%d goes_on_at=%lld "
             "reason=\"the group had read these records, and the log has lost them since\"",
             consumer->options.group, topic, (int)partition, (long long)place->offset,
             (long long)committed.offset - 1, (int)committed.epoch, (long long)place->offset);
    return 0;
}
