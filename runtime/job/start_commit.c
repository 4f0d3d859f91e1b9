#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/uuid.h"
#include "runtime/job/start_internal.h"
#include "runtime/state/backend.h"
#include "runtime/task/timed_topics.h"

/**
 * The end of a start: tasks and threads are put together, and a first commit says where this run
 * begins, before any of them has done anything. It names all inputs' positions, the ends of all
 * internal partitions and, with the application's own topic, the producer ids of this run. So there
 * is always a commit, an entry that is absent is always an anomaly, and whatever lies past a commit
 * with other producer ids than it names was written by somebody else.
 */

static bool sends_outputs_at_once(const struct weir_streams *streams)
{
    return streams->options.processing_guarantee == WEIR_AT_LEAST_ONCE;
}

/* ---- the run begins -------------------------------------------------------------------------- */

/* Records of this job that no commit covers: they will be processed again. Everything else that
 * lies there was a difference. A changelog may have lost its head up to beyond the committed
 * end. What was written in transactions is void by itself. */
static bool has_tail(const struct weir_start *start, const struct weir_start_partition *partition)
{
    if (start->committed.transaction_count > 0) return false;
    return partition->has_entry && partition->log_end > partition->committed_end &&
           partition->log_end > partition->log_start;
}

static size_t count_own_partitions(const struct weir_start *start)
{
    size_t count = 0;
    for (size_t t = 0; t < start->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &start->facts.topics[t];
        if (weir_start_is_internal(topic)) count += (size_t)topic->partition_count;
    }
    return count;
}

static void add_tails(struct weir_start *start, const struct weir_start_topic *topic)
{
    weir_assert(topic->exists); /* those that were missing are made by now */
    for (int32_t p = 0; p < topic->partition_count; p++) {
        struct weir_start_partition *partition = &topic->partitions[p];
        if (!has_tail(start, partition)) continue;
        weir_assert(partition->foreign_at < 0);
        if (partition->committed_end < partition->log_start) {
            partition->committed_end = partition->log_start;
        }
        const size_t number = start->prepare.tail_count++;
        start->tails[number] = partition;
        start->prepare.tails[number] = (struct weir_commit_tail){
            .of = {weir_text(topic->name), p},
            .topic_id = topic->id,
            .committed_end = partition->committed_end,
            .log_end = partition->log_end,
        };
    }
}

int weir_start_prepare(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    struct weir_commit_prepare *prepare = &start->prepare;
    struct weir_arena *arena = &start->arena;
    weir_assert(prepare->tail_count == 0 && prepare->writers == NULL);
    int rc = weir_start_take_partitions(start, error);
    if (rc < 0) return rc;
    size_t bound = count_own_partitions(start);
    size_t writers = sends_outputs_at_once(streams) ? weir_start_thread_count(streams) : 0;
    start->tails = weir_arena_array(arena, bound + 1, sizeof(struct weir_start_partition *));
    prepare->tails = weir_arena_array(arena, bound + 1, sizeof *prepare->tails);
    prepare->writers = weir_arena_array(arena, writers + 1, sizeof *prepare->writers);
    if (weir_arena_failed(arena) || weir_start_find_groups(streams) < 0)
        return weir_start_no_memory(error);
    prepare->writer_count = writers;
    prepare->transaction_count = streams->commit.by_thread.count;
    prepare->recovered = &start->committed;
    for (size_t t = 0; t < start->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &start->facts.topics[t];
        if (weir_start_is_internal(topic)) add_tails(start, topic);
    }
    prepare->call = weir_start_called(start);
    streams->commit.kind->prepare(streams->commit.impl, prepare);
    return 0;
}

/* ---- partitions of the job ------------------------------------------------------------------- */

static int take_prepared(struct weir_start *start, struct weir_error *error)
{
    const struct weir_commit_prepare *prepare = &start->prepare;
    if (prepare->call.rc < 0) {
        weir_error_copy(error, &prepare->call.error);
        return prepare->call.rc;
    }
    start->streams->commit.timeout_ms = prepare->timeout_ms;
    for (size_t i = 0; i < prepare->tail_count; i++) {
        start->tails[i]->leader_epoch = prepare->tails[i].leader_epoch;
        start->tails[i]->log_end = prepare->tails[i].committed_end;
    }
    return 0;
}

/* Where the job begins with one partition, and what a commit says of it until its task has
 * moved. */
static void place(const struct weir_start *start, const struct weir_start_topic *topic,
                  const struct weir_start_partition *found, struct weir_job_partition *partition)
{
    bool is_input = topic->role != WEIR_START_CHANGELOG;
    bool is_anew = start->is_rebuild || topic->is_emptied || !found->has_entry;
    partition->leader_epoch = found->leader_epoch;
    partition->log_start = found->log_start;
    partition->log_end = found->log_end;
    partition->compacted_end = found->compacted_end;
    if (weir_start_is_internal(topic)) {
        partition->committed_end = is_anew ? found->log_start : found->committed_end;
        if (partition->committed_end < found->log_start) {
            partition->committed_end = found->log_start;
        }
        /* What its writers have committed since its reader has: whatever is there by now is decided, and was looked at. */
        bool is_behind = !is_anew && topic->role == WEIR_START_REPARTITION &&
                         partition->committed_end < found->log_end;
        if (is_behind) partition->committed_end = found->log_end;
        partition->next_end = partition->committed_end;
        if (!is_anew) partition->lost_end = weir_start_lost_end(found);
    }
    if (!is_input) return;
    partition->committed = is_anew ? found->log_start : weir_start_input_position(found);
    partition->sealed_offset = partition->committed;
    partition->sealed_epoch = found->leader_epoch;
    partition->sealed_time_ms = -1;
    if (is_anew || found->is_foreign_entry) return;
    bool is_behind_read = partition->committed == found->committed;
    if (is_behind_read && !weir_start_is_other_log(found)) partition->sealed_read = found->read;
    partition->sealed_time_ms = found->partition_time_ms;
    partition->sealed_marks = found->marks; /* in the job's memory */
    partition->sealed_mark_count = found->mark_count;
}

static bool is_all_emptied(const struct weir_start *start, const struct weir_start_topic *input)
{
    bool is_any = false;
    weir_assert(input->role == WEIR_START_INPUT && input->feeds != NULL);
    for (size_t t = 0; t < start->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &start->facts.topics[t];
        if (topic->role != WEIR_START_CHANGELOG || !input->feeds[topic->subtopology]) continue;
        if (!topic->is_emptied) return false;
        is_any = true;
    }
    for (size_t i = 0; i < start->facts.store_count; i++) {
        const struct weir_start_store *store = &start->facts.stores[i];
        if (!input->feeds[store->subtopology]) continue;
        if (!store->is_emptied) return false;
        is_any = true;
    }
    return is_any;
}

/* What is accepted once may go on: retention does not wait for a start. Emptying accepts for what it empties:
 * another store may still be made anew from this input. */
static bool may_lose(const struct weir_start *start, const struct weir_start_topic *input)
{
    if (!start->may_lose) return false;
    return !start->is_emptying || start->reads_again || is_all_emptied(start, input);
}

/* Up to where an input is read again. */
static int64_t needed_end(const struct weir_start *start, const struct weir_start_topic *topic,
                          int32_t number)
{
    const struct weir_own_input *chosen = topic->chosen;
    bool is_needed = chosen != NULL && weir_uuid_equal(chosen->id, topic->id) &&
                     number < chosen->partition_count && !may_lose(start, topic);
    return is_needed ? chosen->partitions[number].end : 0;
}

/* The same, as its thread is told. */
static struct weir_partition_origin origin_of(const struct weir_start *start,
                                              const struct weir_start_topic *topic,
                                              const struct weir_job_partition *partition)
{
    const struct weir_start_partition *found = &topic->partitions[partition->partition];
    int64_t processed = partition->committed >= 0 ? partition->committed : 0;
    return (struct weir_partition_origin){
        .leader_epoch = partition->leader_epoch,
        .log_start = partition->log_start,
        .log_end = partition->log_end,
        .compacted_end = partition->compacted_end,
        .position = partition->sealed_offset,
        .read = partition->sealed_read,
        .needed_end = needed_end(start, topic, partition->partition),
        .partition_time_ms = partition->sealed_time_ms,
        .end = weir_start_is_internal(topic) ? partition->committed_end : processed,
        .decided_end = weir_start_is_internal(topic) ? found->log_end : 0,
        .lost_end = topic->role == WEIR_START_CHANGELOG ? partition->lost_end : 0,
        .marks = partition->sealed_marks,
        .mark_count = partition->sealed_mark_count,
    };
}

static int make_partitions(struct weir_start *start, size_t index)
{
    struct weir_streams *streams = start->streams;
    const struct weir_start_topic *topic = &start->facts.topics[index];
    if (topic->role == WEIR_START_OTHER) return 0;
    weir_assert(topic->exists && topic->partitions != NULL);
    weir_assert(topic->partition_count == streams->topics[index].partition_count);
    size_t count = (size_t)topic->partition_count;
    struct weir_job_partition *partitions =
        weir_arena_alloc_zero(&streams->memory, count * sizeof *partitions);
    struct weir_partition_origin *origins =
        weir_arena_alloc_zero(&streams->memory, count * sizeof *origins);
    if (partitions == NULL || origins == NULL) return WEIR_NO_MEMORY;
    streams->partitions[index] = partitions;
    streams->origins[index] = origins;
    for (size_t p = 0; p < count; p++) {
        partitions[p].topic = index;
        partitions[p].partition = (int32_t)p;
        partitions[p].committed = -1;
        place(start, topic, &topic->partitions[p], &partitions[p]);
        weir_job_partition_check(&partitions[p]);
        origins[p] = origin_of(start, topic, &partitions[p]);
    }
    return 0;
}

/* ---- tasks and threads ----------------------------------------------------------------------- */

static struct weir_stream_thread_options thread_options(struct weir_streams *streams)
{
    return (struct weir_stream_thread_options){
        .env = streams->env,
        .log = streams->log,
        .budget = &streams->budget,
        .batch_budget = &streams->log->budget,
        .application_id = streams->options.application_id,
        .state_path = streams->state_path,
        .config = &streams->task_config,
        .topic_count = streams->topic_count,
        .origins = streams->origins,
        .lives = streams->lives,
        .sends_outputs_at_once = sends_outputs_at_once(streams),
        .reads_uncommitted = weir_streams_reads_uncommitted(streams),
        .drive = &streams->drive,
        .alignment = streams->alignment,
        .listener = weir_job_thread_listener(streams),
    };
}

static int take_lives(struct weir_start *start)
{
    struct weir_streams *streams = start->streams;
    streams->lives = weir_arena_alloc_zero(&streams->memory, (streams->topology->store_count + 1) *
                                                                 sizeof *streams->lives);
    if (streams->lives == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < start->facts.store_count; i++) {
        const struct weir_start_store *store = &start->facts.stores[i];
        if (store->record != NULL) streams->lives[store->number] = store->record->life;
    }
    return 0;
}

/* One task is together with itself. */
static int align(struct weir_streams *streams, size_t thread_count, size_t task_total)
{
    const int64_t skew_ms = streams->options.task_max_time_skew_ms;
    struct weir_arena *memory = &streams->memory;
    if (skew_ms == WEIR_TIME_SKEW_OFF || task_total < 2 || thread_count == 0) return 0;
    struct weir_time_alignment *alignment = weir_arena_alloc(memory, sizeof *alignment);
    struct weir_aligned_thread *slots = weir_arena_alloc_zero(memory, thread_count * sizeof *slots);
    if (alignment == NULL || slots == NULL) return WEIR_NO_MEMORY;
    weir_time_alignment_init(alignment, skew_ms, slots, thread_count);
    streams->alignment = alignment;
    return 0;
}

static int make_threads(struct weir_start *start, size_t task_total, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    size_t count = weir_start_thread_count(streams);
    struct weir_stream_thread_options options = thread_options(streams);
    if (align(streams, count, task_total) < 0) return weir_start_no_memory(error);
    options.alignment = streams->alignment;
    options.task_capacity = count > 0 ? (task_total + count - 1) / count : 0;
    weir_assert(streams->threads == NULL && streams->thread_count == 0);
    streams->threads =
        weir_arena_alloc_zero(&streams->memory, (count + 1) * sizeof *streams->threads);
    if (streams->threads == NULL) return weir_start_no_memory(error);
    for (size_t i = 0; i < count; i++) {
        struct weir_commit_group *group = weir_commit_group_of(streams, i);
        options.index = i;
        options.transaction = &group->producer;
        options.shares_transaction = group->thread_count > 1;
        int rc = weir_stream_thread_new(&options, &streams->threads[i], error);
        if (rc >= 0) streams->thread_count = i + 1;
        if (rc >= 0 && options.sends_outputs_at_once) {
            const struct weir_commit_writer *writer = &start->prepare.writers[i];
            rc = weir_stream_thread_set_producer(streams->threads[i], writer->producer_id,
                                                 writer->producer_epoch, error);
        }
        if (rc < 0) return rc;
    }
    return 0;
}

/* One bound for all stores, if there is one. */
static int share_memory(struct weir_streams *streams, size_t task_count, struct weir_error *error)
{
    const int64_t bytes_max = streams->options.state_memory_max_bytes;
    const int64_t cache = streams->options.cache_max_bytes;
    struct weir_task_config *config = &streams->task_config;
    const struct weir_backend_kind *backend = streams->backend;
    if (bytes_max == 0 || task_count == 0) return 0;
    int rc = weir_state_divide((size_t)bytes_max, cache > 0 ? (size_t)cache : 0, task_count,
                               &config->shares, error);
    if (rc < 0 || backend->cache_new == NULL) return rc;
    return backend->cache_new(streams->env, config->shares.block_cache_bytes, &config->cache,
                              error);
}

/* Tasks go round the threads: those of one sub-topology, which cost alike, spread over them. */
/* One writer alone tells as well: that it stands idle, its readers know from nobody else. */
static void say_times_everywhere(struct weir_streams *streams)
{
    for (size_t t = 0; t < streams->topology->topic_count; t++) {
        streams->topics[t].is_timed |= streams->topics[t].decides_time;
    }
}

int weir_start_make_tasks(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    int rc = take_prepared(start, error);
    for (size_t t = 0; rc >= 0 && t < streams->topic_count; t++) {
        if (make_partitions(start, t) < 0) rc = weir_start_no_memory(error);
    }
    if (rc >= 0 && take_lives(start) < 0) rc = weir_start_no_memory(error);
    size_t total = weir_start_task_count(streams);
    if (rc >= 0) {
        int64_t cache = streams->options.cache_max_bytes;
        streams->task_config.cache_bytes_max = cache > 0 && total > 0 ? (size_t)cache / total : 0;
    }
    if (rc >= 0) rc = share_memory(streams, total, error);
    if (rc >= 0) {
        streams->task_config.task_count = total;
        streams->task_config.task_counts = streams->task_counts;
        rc = weir_find_timed_topics(streams->topology, streams->task_counts, &streams->memory,
                                    streams->topics);
        if (rc >= 0 && streams->options.idle_close_ms > 0) say_times_everywhere(streams);
        rc = rc < 0 ? weir_start_no_memory(error) : weir_start_make_groups(start, error);
        if (rc >= 0) rc = make_threads(start, total, error);
        if (rc >= 0) weir_start_join_groups(streams);
    }
    size_t next = 0;
    for (size_t s = 0; rc >= 0 && s < streams->topology->subtopology_count; s++) {
        for (int32_t p = 0; rc >= 0 && p < streams->task_counts[s]; p++) {
            struct weir_stream_thread *thread =
                streams->threads[weir_thread_of_task(next++, streams->thread_count)];
            rc = weir_stream_thread_add(thread, (int32_t)s, p, error);
        }
    }
    return rc;
}

/* ---- the first commit ------------------------------------------------------------------------ */

/* A store that the program has given up: its changelog is not what it would be any more, and
 * without an entry the store is not taken up again as if nothing had happened. */
static bool is_given_up(const struct weir_start *start, const struct weir_commit_entry *entry)
{
    for (size_t i = 0; i < start->facts.left_count; i++) {
        const struct weir_own_topic *left = start->facts.left[i].record;
        if (left->role == WEIR_OWN_CHANGELOG &&
            weir_slice_equal(weir_text(left->name), entry->of.topic)) {
            return true;
        }
    }
    return false;
}

static size_t fill_entries(const struct weir_start *start, struct weir_commit_entry *entries)
{
    const struct weir_streams *streams = start->streams;
    size_t count = 0;
    for (size_t t = 0; t < streams->topic_count; t++) {
        const int32_t partitions =
            streams->partitions[t] != NULL ? streams->topics[t].partition_count : 0;
        for (int32_t p = 0; p < partitions; p++) {
            entries[count++] = weir_commit_entry_of(streams, &streams->partitions[t][p]);
        }
    }
    for (size_t i = 0; i < start->committed.entry_count; i++) {
        const struct weir_commit_entry *old = &start->committed.entries[i];
        if (!is_given_up(start, old)) continue;
        entries[count++] = (struct weir_commit_entry){.of = old->of, .is_given_up = true};
    }
    return count;
}

int weir_start_seal(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    size_t bound = start->committed.entry_count;
    for (size_t t = 0; t < streams->topic_count; t++) {
        if (streams->partitions[t] != NULL) bound += (size_t)streams->topics[t].partition_count;
    }
    struct weir_commit_entry *entries = weir_arena_array(&start->arena, bound + 1, sizeof *entries);
    if (entries == NULL) return weir_start_no_memory(error);
    start->seal = (struct weir_commit_seal){
        .call = weir_start_called(start),
        .entries = entries,
        .entry_count = fill_entries(start, entries),
        .records_end = start->records_end,
    };
    weir_assert(start->seal.entry_count <= bound);
    streams->commit.kind->seal(streams->commit.impl, &start->seal);
    return 0;
}

static int first_commit_done(const struct weir_start *start, const struct weir_commit_call *call,
                             struct weir_error *error)
{
    if (call->rc >= 0) return 0;
    weir_error_copy(error, &call->error);
    return weir_error_wrap(error, call->rc, "first commit of '%s'", start->facts.application_id);
}

int weir_start_write(struct weir_start *start, struct weir_error *error)
{
    struct weir_commit *commit = &start->streams->commit;
    int rc = first_commit_done(start, &start->seal.call, error);
    if (rc < 0) return rc;
    start->write = weir_start_called(start);
    commit->kind->write(commit->impl, &start->write);
    return 0;
}

/* ---- what is kept from now on ---------------------------------------------------------------- */

static bool add_read_again(const struct weir_start *start, const struct weir_start_topic *topic,
                           struct weir_buffer *key)
{
    bool is_being_read = topic->role == WEIR_START_INPUT && topic->chosen != NULL;
    if (!is_being_read || start->reads_again) return false;
    if (!weir_start_is_read_again(&start->facts, topic)) return false;
    weir_application_forget_input(topic->name, key);
    return true;
}

/* It went out of the program before it was read again: whoever takes it up once more begins with it anew. */
static bool add_left_input(const struct weir_start *start, const struct weir_own_input *input,
                           struct weir_buffer *key)
{
    for (size_t t = 0; t < start->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &start->facts.topics[t];
        if (topic->role == WEIR_START_INPUT && strcmp(topic->name, input->name) == 0) return false;
    }
    weir_application_forget_input(input->name, key);
    return true;
}

/* It begins its life with the commit that has just come. */
static bool add_kept_store(const struct weir_start_store *store, struct weir_buffer *key,
                           struct weir_buffer *value)
{
    if (store->record == NULL || store->record->phase == WEIR_OWN_STORE_KEPT) return false;
    struct weir_own_store kept = *store->record;
    kept.phase = WEIR_OWN_STORE_KEPT;
    weir_application_encode_store(&kept, key, value);
    return true;
}

static bool add_kept(struct weir_start *start, size_t number, struct weir_buffer *key,
                     struct weir_buffer *value)
{
    struct weir_application *records = &start->records;
    size_t count = start->facts.topic_count;
    size_t before_stores = 2 * count + 1 + records->input_count;
    if (number >= before_stores) {
        weir_assert(number - before_stores < start->facts.store_count);
        return add_kept_store(&start->facts.stores[number - before_stores], key, value);
    }
    if (number > 2 * count) {
        weir_assert(number - 2 * count - 1 < records->input_count);
        return add_left_input(start, &records->inputs[number - 2 * count - 1], key);
    }
    if (number > count) return add_read_again(start, &start->facts.topics[number - count - 1], key);
    if (number == count) {
        bool is_same = records->has_committed && !records->is_rebuilding && !records->is_emptying;
        if (is_same) return false;
        records->has_committed = true;
        records->is_rebuilding = false;
        records->is_emptying = false;
        weir_application_encode_state(records, key, value);
        return true;
    }
    const struct weir_start_topic *topic = &start->facts.topics[number];
    if (!weir_start_is_internal(topic)) return false;
    bool is_kept = topic->record != NULL && topic->record->phase == WEIR_OWN_TOPIC_KEPT;
    bool is_same = is_kept && weir_start_is_format_recorded(topic);
    if (is_same && !start->work[number].is_written) return false;
    const struct weir_own_topic record = weir_start_own_topic(topic, WEIR_OWN_TOPIC_KEPT);
    weir_application_encode_topic(&record, key, value);
    return true;
}

int weir_start_write_kept(struct weir_start *start, struct weir_error *error)
{
    int rc = first_commit_done(start, &start->write, error);
    if (rc < 0) return rc;
    const size_t count =
        2 * start->facts.topic_count + 1 + start->records.input_count + start->facts.store_count;
    const struct weir_records_source source = {count, add_kept};
    return weir_records_write(start, &source, error);
}

int weir_start_run(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    weir_assert(streams->threads_running == 0 && streams->threads_restored == 0);
    int rc = weir_records_written(start, error);
    for (size_t i = 0; rc >= 0 && i < streams->thread_count; i++) {
        rc = weir_stream_thread_start(streams->threads[i], error);
        if (rc >= 0) streams->threads_running++;
    }
    return rc;
}
