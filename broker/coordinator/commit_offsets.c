#include "base/assert.h"
#include "base/error.h"
#include "base/uuid.h"
#include "broker/coordinator/coordinator.h"
#include "broker/coordinator/group/group_text.h"
#include "broker/coordinator/group_owner.h"
#include "broker/coordinator/group_place.h"
#include "broker/coordinator/live_group.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/request.h"

/*
 * A commit, and the question what was committed, go to the shard of the group's partition. The first commit has
 * `__consumer_offsets` created, as a write has a topic; it and those behind it wait in line there, so that
 * commits of one group keep their order.
 *
 * A commit within a transaction is one batch of the producer's, as its records are elsewhere: the partition asks the
 * transaction's owner about it, and the marker in the same partition makes it count.
 */
enum { ENTRIES_MAX = 100000 };

/* What a commit needs on its way to the disk. */
struct weir_commit_work {
    struct weir_group_write write; /* first */
    struct weir_commit_request *commit;
    struct weir_group_owner owner; /* where the write is_owning: whose it is from then on */
    struct weir_uuid topic_ids[];  /* one per entry */
};

static int check_entry(const struct weir_offset_entry *entry, size_t metadata_size_max,
                       struct weir_error *error)
{
    struct weir_slice topic = entry->partition.topic;
    if (!entry->is_tombstone && entry->metadata.size > metadata_size_max) {
        return weir_error_set(error, WEIR_TOO_LARGE,
                              "offset of '%.*s' partition %d: %zu bytes of metadata; at most %zu "
                              "are allowed",
                              WEIR_GROUP_SHOWN(topic), entry->partition.partition,
                              entry->metadata.size, metadata_size_max);
    }
    if (!entry->is_tombstone && entry->offset < 0) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "offset of '%.*s' partition %d: %lld; 0 or more is wanted",
                              WEIR_GROUP_SHOWN(topic), entry->partition.partition,
                              (long long)entry->offset);
    }
    return 0;
}

/* Whose transaction it is in. What is in one is pending, so it neither takes anything back nor gives the group away. */
static int check_transaction(const struct weir_commit_request *commit, struct weir_error *error)
{
    size_t size = commit->transactional_id.size;
    bool takes_back = commit->releases != NULL;
    if (weir_slice_is_null(commit->transactional_id)) return 0;
    if (size == 0 || size > INT16_MAX) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "a transactional id of %zu bytes; 1 to %d are allowed", size,
                              INT16_MAX);
    }
    if (commit->producer_id < 0 || commit->producer_epoch < 0) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "transaction of '%.*s': producer id %lld and epoch %d; both are to "
                              "be given, as init gave them",
                              WEIR_GROUP_SHOWN(commit->transactional_id),
                              (long long)commit->producer_id, commit->producer_epoch);
    }
    for (size_t i = 0; i < commit->entry_count; i++) {
        takes_back = takes_back || commit->entries[i].is_tombstone;
    }
    return !takes_back ? 0
                       : weir_error_set(error, WEIR_INVALID_ARGUMENT,
                                        "nothing is taken back within a transaction: commit that "
                                        "by itself");
}

static int check_commit(const struct weir_engine *engine, const struct weir_commit_request *commit,
                        struct weir_error *error)
{
    size_t metadata_max = commit->metadata_size_max;
    if (metadata_max == 0) metadata_max = (size_t)engine->options.groups.offset_metadata_bytes_max;
    int rc = weir_group_id_check(commit->group, error);
    if (rc < 0) return rc;
    size_t entries_min = commit->is_application || commit->releases != NULL ? 0 : 1;
    if (commit->entry_count < entries_min || commit->entry_count > ENTRIES_MAX) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "%zu offsets in a commit; 1 to %d are allowed", commit->entry_count,
                              ENTRIES_MAX);
    }
    for (size_t i = 0; i < commit->entry_count; i++) {
        rc = weir_topic_name_check(commit->entries[i].partition.topic, error);
        if (rc == 0) rc = check_entry(&commit->entries[i], metadata_max, error);
        if (rc < 0) return rc;
    }
    return check_transaction(commit, error);
}

/* ---- on the group's shard -------------------------------------------------------------------- */

/* Who holds the claim knows that no job runs, and none begins before the claim is let go of. */
static int check_release(const struct weir_group_claims *claims,
                         const struct weir_commit_request *commit, struct weir_error *error)
{
    const struct weir_group_claim *claim = commit->releases;
    if (claim->claims == claims && weir_slice_equal(claim->group, commit->group)) return 0;
    return weir_error_set(error, WEIR_GROUP_OWNED,
                          "group '%.*s' is given back only by who holds its claim",
                          WEIR_GROUP_SHOWN(commit->group));
}

static int check_owner(struct weir_offsets_partition *offsets,
                       const struct weir_commit_request *commit, struct weir_error *error)
{
    if (commit->releases != NULL) {
        return check_release(&offsets->coordinator->claims, commit, error);
    }
    const struct weir_group_claim *claim = commit->claim;
    if (commit->is_application && (claim == NULL || claim->generation < 0)) return 0;
    struct weir_slice member_id =
        commit->is_application ? weir_text(claim->member_id) : commit->member.member_id;
    int32_t generation = commit->is_application ? claim->generation : commit->generation;
    return weir_group_owner_check_commit(offsets, commit->group, member_id, generation, error);
}

/* Does the commit make the group its application's, or that run's? */
static bool is_taking(const struct weir_offsets_partition *offsets,
                      const struct weir_commit_request *commit)
{
    if (!commit->is_application || commit->releases != NULL) return false;
    return commit->claim != NULL
               ? commit->claim->generation < 0
               : !weir_offsets_image_is_application(&offsets->image, commit->group);
}

/* The run behind the last one that is known; that is why it comes behind all that is on its way. WEIR_END: not yet. */
static int set_owner(const struct weir_offsets_partition *offsets, struct weir_commit_work *work)
{
    const struct weir_commit_request *commit = work->commit;
    const struct weir_committed_group *committed =
        weir_offsets_image_group(&offsets->image, commit->group);
    if (!work->write.is_owning || commit->claim == NULL) return 0;
    if (weir_group_write_is_under_way(offsets, commit->group)) return WEIR_END;
    int32_t last = committed != NULL && committed->is_application ? committed->owner.generation : 0;
    work->owner = (struct weir_group_owner){
        .member_id = weir_text(commit->claim->member_id),
        .generation = last < INT32_MAX ? last + 1 : 1,
    };
    return 0;
}

static bool is_transactional(const struct weir_commit_request *commit)
{
    return !weir_slice_is_null(commit->transactional_id);
}

static int check_classic(struct weir_live_group *group, const struct weir_commit_request *commit,
                         struct weir_error *error)
{
    struct weir_classic_committer committer = {.generation = -1,
                                               .is_transactional = is_transactional(commit)};
    committer.now_ms = weir_live_now_ms(group->offsets);
    if (commit->has_member) {
        committer.member = commit->member;
        committer.generation = commit->generation;
    }
    return weir_classic_group_check_commit(&group->classic, &committer, error);
}

static int check_consumer(const struct weir_live_group *group, const struct weir_commit_work *work,
                          struct weir_error *error)
{
    static const struct weir_group_member_id nobody;
    const struct weir_commit_request *commit = work->commit;
    if (commit->has_no_epochs) {
        int rc =
            weir_consumer_group_check_version(&group->consumer, commit->member.member_id, error);
        if (rc < 0) return rc;
    }
    struct weir_arena *arena = &group->offsets->update_arena;
    if (is_transactional(commit) && !commit->has_member) return 0; /* before KIP-447 nobody said */
    weir_arena_reset(arena);
    struct weir_consumer_commit *commits =
        weir_arena_array(arena, commit->entry_count, sizeof *commits);
    if (commits == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "check a commit");
    for (size_t i = 0; i < commit->entry_count; i++) {
        commits[i] = (struct weir_consumer_commit){work->topic_ids[i],
                                                   commit->entries[i].partition.partition};
    }
    return weir_consumer_group_check_commit(
        &group->consumer, commit->has_member ? &commit->member : &nobody,
        commit->has_member ? commit->generation : -1, commits, commit->entry_count, error);
}

/* A member's commit is checked by its group. Without members anybody commits who does not say that it is one. */
static int check_live(struct weir_live_group *group, const struct weir_commit_work *work,
                      struct weir_error *error)
{
    return group->type == WEIR_GROUP_CONSUMER ? check_consumer(group, work, error)
                                              : check_classic(group, work->commit, error);
}

/* An application takes a group that nobody is a member of. */
static int check_taking(struct weir_live_group *group, const struct weir_commit_request *commit,
                        struct weir_error *error)
{
    if (weir_live_group_is_idle(group)) {
        weir_live_group_drop(group, WEIR_GROUP_OWNED, "the group is a stream application's now");
        return 0;
    }
    return weir_error_set(error, WEIR_NON_EMPTY_GROUP,
                          "group '%.*s' has members that are no job's: stop them, or give the "
                          "application an id of its own",
                          WEIR_GROUP_SHOWN(commit->group));
}

/* WEIR_END: ask again when its writes have ended. */
static int check_group(struct weir_offsets_partition *offsets, const struct weir_commit_work *work,
                       struct weir_error *error)
{
    const struct weir_commit_request *commit = work->commit;
    struct weir_live_group *group = NULL;
    if (weir_group_is_application(offsets, commit->group)) return 0;
    int rc = weir_live_group_find(offsets, commit->group, WEIR_GROUP_UNKNOWN, &group, error);
    if (rc != 0) return rc;
    if (group == NULL) {
        if (!commit->has_member || commit->generation < 0) return 0;
        return weir_error_set(error, WEIR_GROUP_ID_NOT_FOUND, "there is no group '%.*s'",
                              WEIR_GROUP_SHOWN(commit->group));
    }
    if (commit->is_application) return check_taking(group, commit, error);
    rc = check_live(group, work, error);
    weir_live_group_settle(group);
    return rc;
}

/* Whatever is wrong with a membership, a transactional producer knows one number for it (KIP-447). */
static int check_member(struct weir_offsets_partition *offsets, const struct weir_commit_work *work,
                        struct weir_error *error)
{
    int rc = check_group(offsets, work, error);
    bool is_stale = rc == WEIR_STALE_MEMBER_EPOCH || rc == WEIR_GROUP_ID_NOT_FOUND;
    if (!is_stale || !is_transactional(work->commit)) return rc;
    if (error->code == (enum weir_code)rc) error->code = WEIR_ILLEGAL_GENERATION;
    return WEIR_ILLEGAL_GENERATION;
}

static void commit_ended(struct weir_group_write *write, int rc, struct weir_error *error)
{
    struct weir_commit_work *work = (struct weir_commit_work *)write;
    struct weir_request *request = &work->commit->request;
    if (rc < 0) request->error = *error;
    /* One that is durable and was not folded in for want of memory is taken again, by the run's next commit. */
    if (rc == 0 && work->owner.generation > 0) {
        work->commit->claim->generation = work->owner.generation;
    }
    weir_free(work);
    weir_request_reply(request, rc);
}

/* Whose the group is from this batch on, where it changes that. */
static int add_owner(struct weir_offsets_partition *offsets, const struct weir_commit_work *work,
                     int64_t now_ms)
{
    bool is_released = work->commit->releases != NULL;
    if (!work->write.is_owning && !is_released) return 0;
    weir_assert(!work->write.is_owning || !is_released);
    weir_buffer_reset(&offsets->key);
    weir_buffer_reset(&offsets->value);
    int rc = weir_group_owner_encode(work->commit->group, &work->owner, now_ms, &offsets->key,
                                     &offsets->value);
    if (rc < 0) return rc;
    struct weir_slice value = is_released ? weir_null() : weir_buffer_slice(&offsets->value);
    return weir_group_write_add(offsets, weir_buffer_slice(&offsets->key), value, now_ms);
}

/* A retention from outside may be any number. */
static int64_t expires_at(const struct weir_commit_request *commit, int64_t now_ms)
{
    int64_t at_ms;
    if (!commit->has_retention) return -1;
    if (__builtin_add_overflow(now_ms, commit->retention_ms, &at_ms)) return INT64_MAX;
    return at_ms > 0 ? at_ms : 0;
}

static int add_entry(struct weir_offsets_partition *offsets, const struct weir_commit_work *work,
                     size_t i, int64_t now_ms)
{
    const struct weir_offset_entry *entry = &work->commit->entries[i];
    struct weir_offset_commit commit = {
        .group = work->commit->group,
        .topic = entry->partition.topic,
        .partition = entry->partition.partition,
        .is_tombstone = entry->is_tombstone,
        .offset = entry->offset,
        .leader_epoch = entry->leader_epoch,
        .metadata = entry->metadata,
        .commit_timestamp_ms = now_ms,
        .expire_timestamp_ms = expires_at(work->commit, now_ms),
        .topic_id = work->topic_ids[i],
    };
    weir_buffer_reset(&offsets->key);
    weir_buffer_reset(&offsets->value);
    int rc = weir_offset_commit_encode(&commit, &offsets->key, &offsets->value);
    if (rc < 0) return rc;
    struct weir_slice value =
        commit.is_tombstone ? weir_null() : weir_buffer_slice(&offsets->value);
    return weir_group_write_add(offsets, weir_buffer_slice(&offsets->key), value, now_ms);
}

static int write_commit(struct weir_offsets_partition *offsets, struct weir_commit_work *work)
{
    int64_t now_ms = weir_wall_now(offsets->partition->shard->env).ms;
    weir_group_write_begin(offsets);
    int rc = add_owner(offsets, work, now_ms);
    for (size_t i = 0; rc == 0 && i < work->commit->entry_count; i++) {
        rc = add_entry(offsets, work, i, now_ms);
    }
    return rc < 0 ? rc : weir_group_write_submit(offsets, &work->write);
}

static int find_topic_ids(struct weir_shard *shard, struct weir_commit_work *work,
                          struct weir_error *error)
{
    const struct weir_metadata_image *image = weir_metadata_view_look(&shard->metadata);
    for (size_t i = 0; i < work->commit->entry_count; i++) {
        const struct weir_offset_entry *entry = &work->commit->entries[i];
        const struct weir_topic_image *topic = weir_metadata_topic(image, entry->partition.topic);
        bool is_there = topic != NULL && entry->partition.partition >= 0 &&
                        entry->partition.partition < topic->partition_count;
        if (is_there) work->topic_ids[i] = topic->id;
        if (is_there && !weir_uuid_is_zero(entry->topic_id) &&
            !weir_uuid_equal(entry->topic_id, topic->id)) {
            return weir_error_set(
                error, WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                "'%.*s' is another topic now than the one whose offset %lld is to "
                "be committed, so no offset is",
                (int)entry->partition.topic.size, (const char *)entry->partition.topic.data,
                (long long)entry->offset);
        }
        if (is_there || entry->is_tombstone) continue;
        return weir_error_set(error, WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                              "'%.*s' partition %d does not exist, so no offset is committed",
                              (int)entry->partition.topic.size,
                              (const char *)entry->partition.topic.data,
                              entry->partition.partition);
    }
    return 0;
}

static struct weir_commit_work *new_work(struct weir_offsets_partition *offsets,
                                         struct weir_commit_request *commit)
{
    size_t size = commit->entry_count * sizeof(struct weir_uuid);
    struct weir_commit_work *work =
        weir_alloc_zero(offsets->partition->shard->budget, sizeof *work + size);
    if (work == NULL) return NULL;
    work->commit = commit;
    work->write.group = commit->group;
    work->write.ended = commit_ended;
    work->write.is_owning = is_taking(offsets, commit);
    work->write.transaction = is_transactional(commit) ? commit : NULL;
    return work;
}

static void commit_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_commit_request *commit = (struct weir_commit_request *)request;
    struct weir_offsets_partition *offsets = weir_offsets_partition_of(partition);
    struct weir_commit_work *work = NULL;
    /* Durable commits that memory was short for count as the others do. */
    int rc = weir_offsets_partition_catch_up(offsets, &request->error);
    if (rc == 0) rc = check_owner(offsets, commit, &request->error);
    if (rc == 0) {
        work = new_work(offsets, commit);
        rc = work != NULL ? find_topic_ids(partition->shard, work, &request->error)
                          : weir_error_set(&request->error, WEIR_NO_MEMORY, "commit offsets");
    }
    if (rc == 0) rc = check_member(offsets, work, &request->error);
    if (rc == 0) rc = set_owner(offsets, work);
    if (rc == WEIR_END) {
        weir_free(work);
        weir_group_write_hold(offsets, commit->group, request);
        return;
    }
    bool is_empty =
        rc == 0 && commit->entry_count == 0 && !work->write.is_owning && commit->releases == NULL;
    if (rc == 0 && !is_empty) {
        rc = write_commit(offsets, work);
        if (rc == 0) return; /* its end answers */
        (void)weir_error_set(&request->error, (enum weir_code)rc, "commit offsets of group '%.*s'",
                             WEIR_GROUP_SHOWN(commit->group));
    }
    weir_free(work);
    weir_request_reply(request, rc);
}

static void commit_arrives(struct weir_message *message)
{
    struct weir_commit_request *commit = (struct weir_commit_request *)message;
    struct weir_engine *engine = commit->request.shard->engine;
    int rc = weir_serving_check(&engine->serving, &commit->request.error);
    if (rc == 0) rc = check_commit(engine, commit, &commit->request.error);
    if (rc < 0) {
        weir_request_reply(&commit->request, rc);
        return;
    }
    commit->request.may_create = true;
    weir_group_place_enter(&commit->request, commit_stage);
}

void weir_coordinator_commit(struct weir_coordinator *coordinator,
                             struct weir_commit_request *request)
{
    weir_group_place_send(coordinator, &request->request, request->group, true, commit_arrives);
}

/* ---- what was committed ---------------------------------------------------------------------- */

static void show(struct weir_offset_entry *entry, const struct weir_committed_offset *found,
                 struct weir_arena *arena)
{
    entry->offset = -1;
    entry->leader_epoch = -1;
    entry->metadata = weir_null();
    entry->topic_id = (struct weir_uuid){{0}};
    entry->commit_time_ms = -1;
    entry->is_unstable = false;
    if (found == NULL) return;
    const struct weir_offset_value *value = &found->value;
    entry->offset = value->offset;
    entry->leader_epoch = value->leader_epoch;
    entry->topic_id = value->topic_id;
    entry->commit_time_ms = value->commit_timestamp_ms;
    struct weir_slice metadata = weir_slice(value->metadata, value->metadata_size);
    if (arena != NULL) entry->metadata = weir_arena_copy(arena, metadata);
}

/* What an open transaction has committed too is told as that, without an offset (KIP-447). */
static void show_unstable(struct weir_offset_entry *entry)
{
    show(entry, NULL, NULL);
    entry->is_unstable = true;
}

static void show_asked(struct weir_committed_request *request,
                       const struct weir_offsets_image *image)
{
    for (size_t i = 0; i < request->entry_count; i++) {
        struct weir_offset_entry *entry = &request->entries[i];
        struct weir_slice topic = entry->partition.topic;
        int32_t partition = entry->partition.partition;
        if (image == NULL) {
            show(entry, NULL, NULL);
        } else if (request->require_stable &&
                   weir_offsets_image_is_pending(image, request->group, topic, partition)) {
            show_unstable(entry);
        } else {
            show(entry, weir_offsets_image_find(image, request->group, topic, partition),
                 request->arena);
        }
    }
}

static void show_all(struct weir_committed_request *request, const struct weir_offsets_image *image)
{
    const struct weir_committed_group *group =
        image != NULL ? weir_offsets_image_group(image, request->group) : NULL;
    size_t capacity = group != NULL ? weir_map_count(&group->offsets) : 0;
    struct weir_offset_entry *entries =
        weir_arena_array(request->arena, capacity + 1, sizeof *entries);
    const struct weir_committed_offset *found;
    size_t at = 0;
    size_t count = 0;
    while (entries != NULL && group != NULL &&
           (found = weir_map_next(&group->offsets, &at)) != NULL) {
        if (!found->is_committed) continue;
        struct weir_offset_entry *entry = &entries[count++];
        *entry = (struct weir_offset_entry){
            .partition = {.topic = weir_arena_copy(request->arena, found->topic),
                          .partition = found->partition}};
        if (request->require_stable && found->pending.first != NULL) {
            show_unstable(entry);
        } else {
            show(entry, found, request->arena);
        }
    }
    request->entries = entries;
    request->entry_count = count;
}

static void show_committed(struct weir_committed_request *request,
                           const struct weir_offsets_image *image)
{
    request->is_application =
        image != NULL && weir_offsets_image_is_application(image, request->group);
    if (request->entries == NULL) {
        show_all(request, image);
    } else {
        show_asked(request, image);
    }
    bool has_failed = request->arena != NULL && weir_arena_failed(request->arena);
    if (has_failed) {
        weir_request_refuse(&request->request, WEIR_NO_MEMORY, "give committed offsets");
    } else {
        weir_request_reply(&request->request, 0);
    }
}

/* Who says that it is a member of a consumer group has to be one, with its epoch of now. WEIR_END: hold it. */
static int check_reader(struct weir_offsets_partition *offsets,
                        struct weir_committed_request *request)
{
    struct weir_error *error = &request->request.error;
    struct weir_live_group *group = NULL;
    if (request->member_id.size == 0) return 0;
    if (weir_group_is_owned(offsets, request->group)) return 0;
    int rc = weir_live_group_find(offsets, request->group, WEIR_GROUP_UNKNOWN, &group, error);
    if (rc != 0 || group == NULL) return rc;
    if (group->type == WEIR_GROUP_CONSUMER) {
        rc = weir_consumer_group_check_fetch(&group->consumer, request->member_id,
                                             request->member_epoch, error);
    }
    weir_live_group_settle(group);
    return rc;
}

static void committed_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_offsets_partition *offsets = weir_offsets_partition_of(partition);
    /* A commit that is durable and could not be folded in for want of memory is whole or not at all
     * for its readers, too. */
    int rc = weir_offsets_partition_catch_up(offsets, &request->error);
    if (rc == 0) rc = check_reader(offsets, (struct weir_committed_request *)request);
    if (rc == WEIR_END) {
        weir_group_write_hold(offsets, ((struct weir_committed_request *)request)->group, request);
        return;
    }
    if (rc < 0) {
        weir_request_reply(request, rc);
        return;
    }
    show_committed((struct weir_committed_request *)request, &offsets->image);
}

static void committed_arrives(struct weir_message *message)
{
    struct weir_committed_request *request = (struct weir_committed_request *)message;
    struct weir_shard *shard = request->request.shard;
    int rc = weir_serving_check(&shard->engine->serving, &request->request.error);
    if (rc == 0) rc = weir_group_id_check(request->group, &request->request.error);
    if (rc == 0 && request->entries == NULL && request->arena == NULL) {
        rc = weir_error_set(&request->request.error, WEIR_INVALID_ARGUMENT,
                            "all offsets of a group need an arena to be put into");
    }
    if (rc < 0) {
        weir_request_reply(&request->request, rc);
    } else if (!weir_group_place_was_made(&request->request)) {
        show_committed(request, NULL);
    } else {
        weir_group_place_enter(&request->request, committed_stage);
    }
}

void weir_coordinator_committed(struct weir_coordinator *coordinator,
                                struct weir_committed_request *request)
{
    weir_group_place_send(coordinator, &request->request, request->group, true, committed_arrives);
}
