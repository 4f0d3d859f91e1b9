#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/produce.h"
#include "broker/engine/route.h"
#include "broker/coordinator/coordinator.h"
#include "broker/coordinator/offsets_partition.h"

/*
 * A commit, and the question what was committed, go to the shard of the group's partition. The first commit has
 * `__consumer_offsets` created, as a write has a topic; it and those behind it wait in line there, so that
 * commits of one group keep their order.
 */
enum { METADATA_SIZE_DEFAULT = 4096, ENTRIES_MAX = 100000 };

/* What a commit needs on its way to the disk. */
struct weir_commit_work {
    struct weir_produce_request produce;
    struct weir_commit_request *commit;
    struct weir_partition *partition;
    struct weir_commit_work *owning_next;
    bool is_owning; /* it makes the group the application's, and is in the partition's list */
    struct weir_uuid topic_ids[]; /* one per entry */
};

static struct weir_topic_partition partition_of_group(const struct weir_engine *engine,
                                                      struct weir_slice group)
{
    int32_t count = engine->options.offsets_topic_num_partitions;
    return (struct weir_topic_partition){
        .topic = weir_text(WEIR_CONSUMER_OFFSETS_TOPIC),
        .partition = weir_partition_of_key(group, count),
    };
}

/* `arrive` runs on the shard of the group's partition. */
static void send_to_group(struct weir_coordinator *coordinator, struct weir_request *request,
                          struct weir_slice group, void (*arrive)(struct weir_message *message))
{
    struct weir_engine *engine = coordinator->engine;
    struct weir_topic_partition of = partition_of_group(engine, group);
    weir_request_set_out(engine, request);
    request->shard = weir_engine_shard(engine, of.topic, of.partition);
    request->message.handle = arrive;
    weir_actor_post(request->shard->actor, &request->message);
}

static int check_group(struct weir_slice group, struct weir_error *error)
{
    if (group.data != NULL && group.size > 0 && group.size <= INT16_MAX) return 0;
    return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                          "a group id of %zu bytes; 1 to %d are allowed", group.size, INT16_MAX);
}

static int check_entry(const struct weir_offset_entry *entry, size_t metadata_size_max,
                       struct weir_error *error)
{
    int topic_size = (int)(entry->partition.topic.size & 0xff);
    const char *topic = (const char *)entry->partition.topic.data;
    if (!entry->is_tombstone && entry->metadata.size > metadata_size_max) {
        return weir_error_set(error, WEIR_TOO_LARGE,
                              "offset of '%.*s' partition %d: %zu bytes of metadata; at most %zu "
                              "are allowed",
                              topic_size, topic, entry->partition.partition, entry->metadata.size,
                              metadata_size_max);
    }
    if (!entry->is_tombstone && entry->offset < 0) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "offset of '%.*s' partition %d: %lld; 0 or more is wanted",
                              topic_size, topic, entry->partition.partition,
                              (long long)entry->offset);
    }
    return 0;
}

static int check_commit(const struct weir_commit_request *commit, struct weir_error *error)
{
    size_t metadata_max =
        commit->metadata_size_max > 0 ? commit->metadata_size_max : METADATA_SIZE_DEFAULT;
    int rc = check_group(commit->group, error);
    if (rc < 0) return rc;
    size_t entries_min = commit->is_application ? 0 : 1;
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
    return 0;
}

/* Wherever on its way a commit is answered, its work goes with it. */
static bool drop_work(struct weir_request *request)
{
    struct weir_commit_request *commit = (struct weir_commit_request *)request;
    if (commit->work != NULL) weir_shared_unref(commit->work->produce.batches);
    weir_free(commit->work);
    commit->work = NULL;
    return false;
}

/* ---- on the group's shard -------------------------------------------------------------------- */

/* Whose a group is: what the records say, the commits that are on their way, and the jobs that run.
 * A commit that waits for the disk is not in the image yet, and whoever comes after it is behind it
 * in the log. */
static bool is_owned(const struct weir_offsets_partition *offsets, struct weir_slice group)
{
    if (weir_offsets_image_is_application(&offsets->image, group)) return true;
    const struct weir_commit_work *work = offsets->owning;
    while (work != NULL && !weir_slice_equal(work->commit->group, group))
        work = work->owning_next;
    return work != NULL;
}

static int check_owner(struct weir_partition *partition, const struct weir_commit_request *commit,
                       struct weir_error *error)
{
    struct weir_group_claims *claims = &weir_offsets_partition_of(partition)->coordinator->claims;
    if (commit->is_application) return 0;
    if (!is_owned(weir_offsets_partition_of(partition), commit->group) &&
        !weir_group_claims_has(claims, commit->group)) {
        return 0;
    }
    int size = (int)(commit->group.size & 0xff);
    const char *group = (const char *)commit->group.data;
    return weir_error_set(
        error, WEIR_GROUP_OWNED,
        "group '%.*s' belongs to the stream application '%.*s', and only its jobs "
        "move it: read under a group of another name, or reset the application "
        "with its own tools",
        size, group, size, group);
}

static void begin_owning(struct weir_offsets_partition *offsets, struct weir_commit_work *work)
{
    if (!work->is_owning) return;
    work->owning_next = offsets->owning;
    offsets->owning = work;
}

static void end_owning(struct weir_offsets_partition *offsets, struct weir_commit_work *work)
{
    if (!work->is_owning) return;
    struct weir_commit_work **at = &offsets->owning;
    while (*at != NULL && *at != work)
        at = &(*at)->owning_next;
    weir_assert(*at == work);
    *at = work->owning_next;
}

/* What is durable is folded in. What memory was short for before is read from the log first, unless a worker has
 * that now: then whoever comes next catches up. */
static int fold_flushed(struct weir_offsets_partition *offsets, const struct weir_commit_work *work,
                        struct weir_error *error)
{
    const struct weir_shared *batch = work->produce.batches;
    offsets->flushed_end = work->produce.last_offset + 1;
    bool is_behind = offsets->fold.next_offset < work->produce.base_offset;
    if (is_behind && work->partition->state != WEIR_PARTITION_OPEN) return 0;
    int rc = weir_offsets_partition_catch_up(offsets, work->produce.base_offset, error);
    if (rc < 0) return rc;
    return weir_fold_batches(&offsets->fold, weir_slice(batch->data, batch->size), error);
}

static void commit_flushed(struct weir_request *request)
{
    struct weir_commit_work *work = request->context;
    struct weir_offsets_partition *offsets = weir_offsets_partition_of(work->partition);
    int rc = request->rc;
    end_owning(offsets, work);
    if (rc < 0) {
        work->commit->request.error = request->error;
    } else {
        rc = fold_flushed(offsets, work, &work->commit->request.error);
        weir_snapshotter_run(&offsets->snapshotter);
    }
    weir_request_reply(&work->commit->request, rc);
}

/* What `key` and `value` hold, as the batch's next record. */
static int add_record(struct weir_offsets_partition *offsets, bool is_tombstone, int64_t now_ms)
{
    struct weir_record record = {
        .key = weir_buffer_slice(&offsets->key),
        .value = is_tombstone ? weir_null() : weir_buffer_slice(&offsets->value),
        .timestamp_ms = now_ms,
    };
    return weir_batch_builder_add(&offsets->builder, &record);
}

static int add_owner(struct weir_offsets_partition *offsets, const struct weir_commit_work *work,
                     int64_t now_ms)
{
    if (!work->is_owning) return 0;
    weir_buffer_reset(&offsets->key);
    weir_buffer_reset(&offsets->value);
    int rc = weir_group_owner_encode(work->commit->group, now_ms, &offsets->key, &offsets->value);
    return rc < 0 ? rc : add_record(offsets, false, now_ms);
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
        .topic_id = work->topic_ids[i],
    };
    weir_buffer_reset(&offsets->key);
    weir_buffer_reset(&offsets->value);
    int rc = weir_offset_commit_encode(&commit, &offsets->key, &offsets->value);
    return rc < 0 ? rc : add_record(offsets, commit.is_tombstone, now_ms);
}

static int build_batch(struct weir_partition *partition, struct weir_commit_work *work)
{
    struct weir_offsets_partition *offsets = weir_offsets_partition_of(partition);
    struct weir_batch_finish finish_with = WEIR_BATCH_FINISH_NONE;
    struct weir_slice bytes;
    int64_t now_ms = weir_wall_now(partition->shard->env).ms;
    weir_batch_builder_reset(&offsets->builder);
    int rc = add_owner(offsets, work, now_ms);
    for (size_t i = 0; rc == 0 && i < work->commit->entry_count; i++) {
        rc = add_entry(offsets, work, i, now_ms);
    }
    if (rc == 0) rc = weir_batch_builder_finish(&offsets->builder, &finish_with, &bytes);
    if (rc < 0) return rc;
    struct weir_shared *batch = weir_shared_new(partition->shard->budget, bytes.size);
    if (batch == NULL) return WEIR_NO_MEMORY;
    memcpy(batch->data, bytes.data, bytes.size);
    batch->size = bytes.size;
    work->produce.batches = batch;
    return 0;
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
        if (is_there || entry->is_tombstone) continue;
        return weir_error_set(error, WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                              "'%.*s' partition %d does not exist, so no offset is committed",
                              (int)entry->partition.topic.size,
                              (const char *)entry->partition.topic.data,
                              entry->partition.partition);
    }
    return 0;
}

static void commit_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_commit_request *commit = (struct weir_commit_request *)request;
    struct weir_offsets_partition *offsets = weir_offsets_partition_of(partition);
    struct weir_commit_work *work = weir_alloc_zero(
        partition->shard->budget, sizeof *work + commit->entry_count * sizeof work->topic_ids[0]);
    if (work == NULL) {
        weir_request_refuse(request, WEIR_NO_MEMORY, "commit offsets");
        return;
    }
    work->commit = commit;
    commit->work = work;
    int rc = find_topic_ids(partition->shard, work, &request->error);
    /* Durable commits that memory was short for count as the others do. */
    if (rc == 0) {
        rc = weir_offsets_partition_catch_up(offsets, offsets->flushed_end, &request->error);
    }
    if (rc == 0) rc = check_owner(partition, commit, &request->error);
    if (rc < 0) {
        weir_request_reply(request, rc);
        return;
    }
    work->is_owning = commit->is_application &&
                      !weir_offsets_image_is_application(&offsets->image, commit->group);
    bool is_empty = commit->entry_count == 0 && !work->is_owning;
    rc = is_empty ? 0 : build_batch(partition, work);
    if (rc < 0) {
        (void)weir_error_set(&request->error, (enum weir_code)rc, "commit offsets of group '%.*s'",
                             (int)(commit->group.size & 0xff), (const char *)commit->group.data);
    }
    if (rc < 0 || is_empty) {
        weir_request_reply(request, rc);
        return;
    }
    begin_owning(offsets, work);
    work->partition = partition;
    work->produce.acks = WEIR_ACKS_ALL;
    work->produce.is_internal = true;
    work->produce.request.done = commit_flushed;
    work->produce.request.context = work;
    weir_partition_write(partition, &work->produce);
}

static void commit_arrives(struct weir_message *message)
{
    struct weir_commit_request *commit = (struct weir_commit_request *)message;
    struct weir_engine *engine = commit->request.shard->engine;
    int rc = weir_serving_check(&engine->serving, &commit->request.error);
    if (rc == 0) rc = check_commit(commit, &commit->request.error);
    if (rc < 0) {
        weir_request_reply(&commit->request, rc);
        return;
    }
    commit->request.may_create = true;
    weir_request_enter(&commit->request, partition_of_group(engine, commit->group), commit_stage);
}

void weir_coordinator_commit(struct weir_coordinator *coordinator,
                             struct weir_commit_request *request)
{
    request->work = NULL;
    request->request.before_reply = drop_work;
    send_to_group(coordinator, &request->request, request->group, commit_arrives);
}

/* ---- what was committed ---------------------------------------------------------------------- */

static void show(struct weir_offset_entry *entry, const struct weir_committed_offset *found,
                 struct weir_arena *arena)
{
    entry->offset = -1;
    entry->leader_epoch = -1;
    entry->metadata = weir_null();
    entry->topic_id = (struct weir_uuid){{0}};
    if (found == NULL) return;
    entry->offset = found->offset;
    entry->leader_epoch = found->leader_epoch;
    entry->topic_id = found->topic_id;
    struct weir_slice metadata = weir_slice(found->metadata, found->metadata_size);
    if (arena != NULL) entry->metadata = weir_arena_copy(arena, metadata);
}

static void show_asked(struct weir_committed_request *request,
                       const struct weir_offsets_image *image)
{
    for (size_t i = 0; i < request->entry_count; i++) {
        struct weir_offset_entry *entry = &request->entries[i];
        const struct weir_committed_offset *found =
            image == NULL ? NULL
                          : weir_offsets_image_find(image, request->group, entry->partition.topic,
                                                    entry->partition.partition);
        show(entry, found, request->arena);
    }
}

static void show_all(struct weir_committed_request *request, const struct weir_offsets_image *image)
{
    const struct weir_committed_group *group =
        image != NULL ? weir_offsets_image_group(image, request->group) : NULL;
    size_t count = group != NULL ? weir_map_count(&group->offsets) : 0;
    struct weir_offset_entry *entries =
        weir_arena_array(request->arena, count > 0 ? count : 1, sizeof *entries);
    const struct weir_committed_offset *found;
    size_t at = 0;
    size_t i = 0;
    while (entries != NULL && i < count && (found = weir_map_next(&group->offsets, &at)) != NULL) {
        entries[i] = (struct weir_offset_entry){
            .partition = {.topic = weir_arena_copy(request->arena, found->topic),
                          .partition = found->partition}};
        show(&entries[i++], found, request->arena);
    }
    request->entries = entries;
    request->entry_count = entries != NULL ? count : 0;
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

static void committed_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_offsets_partition *offsets = weir_offsets_partition_of(partition);
    /* A commit that is durable and could not be folded in for want of memory is whole or not at all
     * for its readers, too. */
    int rc = weir_offsets_partition_catch_up(offsets, offsets->flushed_end, &request->error);
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
    struct weir_slice name = weir_text(WEIR_CONSUMER_OFFSETS_TOPIC);
    int rc = weir_serving_check(&shard->engine->serving, &request->request.error);
    if (rc == 0) rc = check_group(request->group, &request->request.error);
    if (rc == 0 && request->entries == NULL && request->arena == NULL) {
        rc = weir_error_set(&request->request.error, WEIR_INVALID_ARGUMENT,
                            "all offsets of a group need an arena to be put into");
    }
    if (rc < 0) {
        weir_request_reply(&request->request, rc);
    } else if (weir_metadata_topic(weir_metadata_view_look(&shard->metadata), name) == NULL) {
        show_committed(request, NULL);
    } else {
        weir_request_enter(&request->request, partition_of_group(shard->engine, request->group),
                           committed_stage);
    }
}

void weir_coordinator_committed(struct weir_coordinator *coordinator,
                                struct weir_committed_request *request)
{
    send_to_group(coordinator, &request->request, request->group, committed_arrives);
}
