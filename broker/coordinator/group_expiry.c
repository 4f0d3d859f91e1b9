#include "broker/coordinator/group_expiry.h"

#include "base/uuid.h"
#include "broker/coordinator/coordinator.h"
#include "broker/coordinator/group_owner.h"
#include "broker/coordinator/live_group.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "wire/generated/offset_commit_key.h"

enum {
    GROUPS_MAX = 200,     /* that are looked at in one turn */
    OFFSETS_MAX = 5000,   /* of one group that go in one sweep: what is left goes in the next */
    BYTES_MAX = 16 << 20, /* of these, where a group has a long name: a batch may have 64 MiB */
};

/* ---- one offset ------------------------------------------------------------------------------ */

/* Of the last commit of it, pending or not. */
static bool is_topic_gone(const struct weir_metadata_image *metadata,
                          const struct weir_committed_offset *offset)
{
    const struct weir_topic_image *topic = weir_metadata_topic(metadata, offset->topic);
    const struct weir_pending_offset *pending = offset->pending.last;
    bool is_pending_last =
        pending != NULL && (!offset->is_committed || pending->value.order > offset->value.order);
    struct weir_uuid id = is_pending_last ? pending->value.topic_id : offset->value.topic_id;
    if (topic == NULL) return true;
    return !weir_uuid_is_zero(id) && !weir_uuid_equal(id, topic->id);
}

/* What its members read. Of those that are no consumers, and while the group rebalances, nothing is known. */
static void read_subscription(const struct weir_live_group *group,
                              struct weir_classic_subscription *subscription)
{
    *subscription = (struct weir_classic_subscription){0};
    if (group->type == WEIR_GROUP_CONSUMER) return;
    weir_classic_subscription_read(subscription, &group->classic);
    bool is_known = group->classic.state == WEIR_CLASSIC_STABLE &&
                    weir_slice_equal(group->classic.protocol_type, weir_text("consumer"));
    if (!is_known) subscription->is_all = true;
}

static bool is_subscribed(const struct weir_live_group *group,
                          const struct weir_classic_subscription *subscription,
                          struct weir_slice topic)
{
    return group->type == WEIR_GROUP_CONSUMER
               ? weir_consumer_group_subscribes(&group->consumer, topic)
               : weir_classic_subscription_has(subscription, topic);
}

/* When its time begins; INT64_MAX: it has none. */
static int64_t begins_at_ms(const struct weir_live_group *group,
                            const struct weir_classic_subscription *subscription,
                            const struct weir_committed_offset *offset)
{
    if (weir_live_group_has_members(group) && is_subscribed(group, subscription, offset->topic))
        return INT64_MAX;
    bool has_been_left = !weir_live_group_has_members(group) && group->type == WEIR_GROUP_CLASSIC &&
                         group->classic.is_recorded && group->classic.state_since_wall_ms >= 0;
    return has_been_left ? group->classic.state_since_wall_ms : offset->value.commit_timestamp_ms;
}

/* INT64_MAX: never. A time that the commit has given stands in place of the server's retention. */
static int64_t expires_at_ms(const struct weir_live_group *group,
                             const struct weir_classic_subscription *subscription,
                             const struct weir_committed_offset *offset)
{
    int32_t retention_minutes = group->offsets->coordinator->settings.offsets_retention_minutes;
    int64_t begins_ms = begins_at_ms(group, subscription, offset);
    if (begins_ms == INT64_MAX) return INT64_MAX;
    if (offset->value.expire_timestamp_ms >= 0) return offset->value.expire_timestamp_ms;
    return begins_ms + retention_minutes * INT64_C(60000);
}

static bool is_expired(const struct weir_live_group *group,
                       const struct weir_classic_subscription *subscription,
                       const struct weir_committed_offset *offset, int64_t wall_ms)
{
    struct weir_metadata_view *metadata = &group->offsets->partition->shard->metadata;
    /* What an open transaction has committed is being used: its marker decides (as Kafka has it). */
    bool is_aging = offset->is_committed && offset->pending.first == NULL;
    int64_t expires_ms = is_aging ? expires_at_ms(group, subscription, offset) : INT64_MAX;
    if (expires_ms != INT64_MAX && wall_ms >= expires_ms) return true;
    return is_topic_gone(weir_metadata_view_look(metadata), offset);
}

/* ---- one group ------------------------------------------------------------------------------- */

/* How many go; all of them if `all_out` is true. */
static int write_expired_tombstones(const struct weir_live_group *group,
                                    const struct weir_committed_group *committed,
                                    struct weir_group_update *update, bool *all_out)
{
    int64_t wall_ms = weir_wall_now(group->offsets->partition->shard->env).ms;
    struct weir_classic_subscription subscription;
    const struct weir_committed_offset *offset;
    size_t at = 0;
    size_t bytes = 0;
    int count = 0;
    int rc = 0;
    *all_out = true;
    read_subscription(group, &subscription);
    while (rc == 0 && (offset = weir_map_next(&committed->offsets, &at)) != NULL) {
        if (count == OFFSETS_MAX || bytes > BYTES_MAX ||
            !is_expired(group, &subscription, offset, wall_ms)) {
            *all_out = false;
            continue;
        }
        bytes += weir_committed_offset_key_size(offset);
        struct weir_offset_commit_key key = {
            .group = group->name, .topic = offset->topic, .partition = offset->partition};
        rc = weir_group_update_write(update, &weir_offset_commit_key_type, &key, NULL, NULL, 0);
        count++;
    }
    weir_classic_subscription_close(&subscription);
    return rc < 0 ? rc : count;
}

/* What memory is short for now goes in the next sweep. */
static void expire_group(struct weir_offsets_partition *offsets,
                         const struct weir_committed_group *committed)
{
    struct weir_live_group *group = NULL;
    struct weir_group_update update;
    bool all;
    if (weir_group_is_owned(offsets, committed->name)) return;
    if (weir_live_group_find(offsets, committed->name, WEIR_GROUP_UNKNOWN, &group, NULL) != 0) {
        return;
    }
    weir_live_group_begin(group, &update);
    int count = write_expired_tombstones(group, committed, &update, &all);
    bool goes = count >= 0 && all && !weir_live_group_has_members(group);
    bool is_quiet = !weir_group_write_is_under_way(offsets, committed->name);
    if (count < 0 || (count == 0 && !goes) || !is_quiet) {
        weir_live_group_settle(group);
        return;
    }
    int rc = goes ? weir_live_group_write_tombstones(group, &update, NULL) : 0;
    if (rc == 0) {
        offsets->expiry.offsets += (size_t)count;
        offsets->expiry.groups += goes;
    }
    weir_live_group_take(group, &update, rc);
}

/* ---- the sweep ------------------------------------------------------------------------------- */

static void say(const struct weir_offsets_partition *offsets)
{
    const struct weir_partition *partition = offsets->partition;
    if (offsets->expiry.offsets == 0 && offsets->expiry.groups == 0) return;
    weir_log(&partition->shard->env->logger, WEIR_LOG_INFO, "offsets.expired",
             "partition=%d offsets=%zu groups=%zu", partition->number, offsets->expiry.offsets,
             offsets->expiry.groups);
}

/* True: all were looked at. */
static bool sweep(struct weir_offsets_partition *offsets)
{
    const struct weir_map *groups = &offsets->image.groups;
    struct weir_group_expiry *expiry = &offsets->expiry;
    const struct weir_committed_group *group = NULL;
    for (size_t i = 0; i < GROUPS_MAX; i++) {
        group = weir_map_walk_next(groups, &expiry->walk);
        if (group == NULL) return true;
        expire_group(offsets, group);
    }
    return false;
}

static struct weir_mono next_sweep(const struct weir_offsets_partition *offsets,
                                   struct weir_mono now)
{
    return weir_mono_after_ms(now,
                              offsets->coordinator->settings.offsets_retention_check_interval_ms);
}

void weir_group_expiry_run(struct weir_offsets_partition *offsets, struct weir_mono now)
{
    struct weir_group_expiry *expiry = &offsets->expiry;
    if (expiry->due.ns == 0) expiry->due = next_sweep(offsets, now); /* the first */
    if (now.ns < expiry->due.ns) return;
    if (weir_offsets_partition_catch_up(offsets, NULL) < 0) {
        expiry->due = next_sweep(offsets, now);
        return;
    }
    if (sweep(offsets)) {
        say(offsets);
        *expiry = (struct weir_group_expiry){.due = next_sweep(offsets, now)};
    }
}
