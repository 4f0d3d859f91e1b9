#include "broker/engine/partition_cleaning.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/partition_chores.h"
#include "broker/engine/partition_life.h"
#include "broker/engine/request.h"
#include "broker/engine/route.h"

/*
 * A shard's compaction (broker/log/cleaning.h), one pass at a time:
 *
 *   idle ──due──────────────────────> runs <──> rests ──written──> swaps ──more──> rests
 *     └──asked for──> rolls ──────────┘                              └──over──> idle
 *
 * Slices run beside everything else, on a worker that may take long; a swap, and the end of the active segment for a pass
 * that is asked for, have the log alone, like retention. Between two slices it rests as long as
 * log.cleaner.io.max.bytes.per.second wants.
 *
 * Who is due is found among those that have changed: a partition is listed when its log has another segment, its topic
 * other settings or its owner another bound, and leaves the list when it is looked at and nothing but another change can make it
 * due. So partitions that never need compaction cost nothing, however many they are. One whose pass got nowhere (an error, a
 * transaction that ends behind what is sealed) waits for log.cleaner.backoff.ms before it may be chosen again.
 *
 * A changelog of a job that wrote without transactions may be cut back to its last commit, once. What lies above that must
 * not replace what lies below: of a topic that belongs to an application of Weir's nothing is compacted from the end on that
 * its job has said (WEIR_CUT_NEVER_BELOW), and nothing before it has said one. Its tombstones stay for ever: a store is
 * restored from where it was written down last, however long ago that is, and would keep the rows whose tombstones it never
 * saw.
 */
enum { SLICE_BYTES = 8 * 1024 * 1024, RETRY_MS = 20 };

static struct weir_shard *shard_of(struct weir_work *work)
{
    return (struct weir_shard *)((char *)work - offsetof(struct weir_shard, cleaner.work));
}

static const struct weir_cleaner_settings *settings_of(const struct weir_shard *shard)
{
    return &shard->engine->options.cleaner;
}

/* ---- what it may touch ----------------------------------------------------------------------- */

static bool ends_with(struct weir_slice text, const char *end)
{
    size_t size = strlen(end);
    return text.size > size && memcmp(text.data + text.size - size, end, size) == 0;
}

/* `<application id>-<store>-changelog`, where there is a topic `<application id>-application`. */
static bool belongs_to_job(struct weir_partition *partition)
{
    static const char suffix[] = "application";
    char name[WEIR_TOPIC_NAME_SIZE_MAX + sizeof suffix];
    struct weir_slice topic = partition->topic;
    if (!ends_with(topic, "-changelog")) return false;
    const struct weir_metadata_image *image = weir_metadata_view_look(&partition->shard->metadata);
    for (size_t i = 1; i < topic.size; i++) {
        if (topic.data[i - 1] != '-') continue;
        memcpy(name, topic.data, i);
        memcpy(name + i, suffix, sizeof suffix - 1);
        struct weir_slice records = weir_slice(name, i + sizeof suffix - 1);
        if (weir_metadata_topic(image, records) != NULL) return true;
    }
    return false;
}

static int64_t bound_of(struct weir_partition *partition)
{
    if (partition->never_cut_below >= 0) return partition->never_cut_below;
    return belongs_to_job(partition) ? 0 : INT64_MAX;
}

/* The metadata's log has snapshots instead. */
static bool is_compacted(const struct weir_partition *partition)
{
    return partition->config.cleanup_compact &&
           !weir_slice_equal(partition->topic, weir_text(WEIR_CLUSTER_METADATA_TOPIC));
}

void weir_shard_cleaner_glance(struct weir_partition *partition, int64_t *clean_bytes_out,
                               int64_t *dirty_bytes_out)
{
    struct weir_cleaner_plan plan = {0};
    if (is_compacted(partition)) {
        weir_log_cleaning_look(partition->log, bound_of(partition),
                               weir_wall_now(partition->shard->env), &plan);
    }
    *clean_bytes_out = plan.clean_bytes;
    *dirty_bytes_out = plan.dirty_bytes;
}

/* ---- the end of a pass ----------------------------------------------------------------------- */

static void say_compacted(const struct weir_partition *partition,
                          const struct weir_log_cleaning *cleaning)
{
    const struct weir_cleaning_counts *counts = &cleaning->counts;
    if (counts->bytes_read == 0) return;
    weir_log(&partition->shard->env->logger, WEIR_LOG_INFO, "log.compacted",
             "topic=%.*s partition=%d segments=%lld..%lld bytes=%lld..%lld records=%lld..%lld "
             "tombstones_removed=%lld cut_off=%d",
             (int)partition->topic.size, (const char *)partition->topic.data, partition->number,
             (long long)counts->segments_before, (long long)counts->segments_after,
             (long long)counts->bytes_before, (long long)counts->bytes_after,
             (long long)counts->records_before, (long long)counts->records_after,
             (long long)counts->tombstones_removed, cleaning->was_cut_off);
}

static void say_failed(const struct weir_partition *partition, const struct weir_error *error)
{
    char text[2 * WEIR_ERROR_TEXT_SIZE];
    weir_log(&partition->shard->env->logger, WEIR_LOG_WARN, "log.chore_failed", "path=%s reason=%s",
             partition->path, weir_log_quote(text, sizeof text, error->text));
}

static void answer(struct weir_shard_cleaner *cleaner, int rc, const struct weir_error *error)
{
    struct weir_compact_request *request = cleaner->request;
    const struct weir_cleaning_counts *counts = &cleaner->cleaning.counts;
    if (request == NULL) return;
    cleaner->request = NULL;
    request->bytes_before = counts->bytes_before;
    request->bytes_after = counts->bytes_after;
    request->records_before = counts->records_before;
    request->records_after = counts->records_after;
    if (rc < 0) request->request.error = *error;
    weir_request_reply(&request->request, rc);
}

/* Something took the place of something, or is known to be clean. */
static bool got_somewhere(const struct weir_shard_cleaner *cleaner, int rc)
{
    const struct weir_log_cleaning *cleaning = &cleaner->cleaning;
    if (rc < 0 || !cleaner->has_begun) return false;
    return cleaning->counts.segments_after > 0 ||
           (!cleaning->was_cut_off && cleaning->clean_offset > 0);
}

/* Is there perhaps more to do? Where a pass came no further there is not, before another change: a transaction that
 * has its marker in the active segment holds back what lies behind its begin, and passes would follow each other
 * without end. */
static bool came_further(const struct weir_shard_cleaner *cleaner)
{
    struct weir_partition *partition = cleaner->partition;
    struct weir_cleaner_plan plan = {0};
    if (!cleaner->has_begun || cleaner->cleaning.was_cut_off) return true;
    weir_log_cleaning_look(partition->log, bound_of(partition),
                           weir_wall_now(partition->shard->env), &plan);
    return plan.dirty_offset > cleaner->cleaning.plan.dirty_offset;
}

/* The pass is over, whatever came of it; the partition is open, or being closed. */
static void finish(struct weir_shard *shard, int rc, const struct weir_error *error)
{
    struct weir_shard_cleaner *cleaner = &shard->cleaner;
    struct weir_partition *partition = cleaner->partition;
    if (rc < 0) {
        say_failed(partition, error);
    } else if (cleaner->has_begun) {
        say_compacted(partition, &cleaner->cleaning);
    }
    /* Most dirty as before, it would be the next again, and no other would ever have a turn. */
    if (!got_somewhere(cleaner, rc)) {
        partition->cleanable_from =
            weir_mono_after_ms(weir_mono_now(shard->env), settings_of(shard)->backoff_ms);
    }
    /* What a full table, a cut or a bound has left over is looked at again. */
    if (partition->closing == NULL && (rc < 0 || came_further(cleaner))) {
        weir_partition_note_cleanable(partition);
    }
    answer(cleaner, rc, error);
    if (cleaner->has_begun) weir_log_cleaning_close(&cleaner->cleaning);
    cleaner->has_begun = false;
    cleaner->gives_up = false;
    cleaner->partition = NULL;
    cleaner->state = WEIR_CLEANER_IDLE;
}

static void give_up(struct weir_shard *shard, int rc, const char *text)
{
    struct weir_shard_cleaner *cleaner = &shard->cleaner;
    struct weir_error error = {0};
    if (rc < 0) (void)weir_error_set(&error, (enum weir_code)rc, "%s", text);
    if (cleaner->has_begun) {
        weir_log_cleaning_give_up(&cleaner->cleaning);
        weir_log_cleaning_close(&cleaner->cleaning);
        cleaner->has_begun = false;
    }
    answer(cleaner, rc, &error);
    cleaner->gives_up = false;
    cleaner->partition = NULL;
    cleaner->state = WEIR_CLEANER_IDLE;
}

/* ---- swaps: the log with a worker ------------------------------------------------------------ */

static int swap_job(struct weir_partition *partition)
{
    return weir_log_cleaning_end(&partition->shard->cleaner.cleaning, &partition->job_error);
}

static void swapped(struct weir_partition *partition)
{
    struct weir_shard *shard = partition->shard;
    struct weir_shard_cleaner *cleaner = &shard->cleaner;
    int rc = partition->job_rc;
    weir_assert(cleaner->state == WEIR_CLEANER_SWAPS && cleaner->partition == partition);
    if (rc < 0) {
        weir_partition_failed(partition, WEIR_AVAILABILITY_WORK_FAILED, rc, &partition->job_error);
    }
    if (rc == WEIR_END && !cleaner->gives_up) {
        cleaner->state = WEIR_CLEANER_RESTS;
        weir_actor_wake_at(shard->actor, weir_mono_now(shard->env));
    } else if (rc == WEIR_END) {
        give_up(shard, WEIR_CLOSED, "the compaction was given up");
    } else {
        finish(shard, rc, &partition->job_error);
    }
    weir_partition_resume(partition);
}

static void begin_swap(struct weir_partition *partition)
{
    weir_partition_submit(partition, swap_job, swapped);
}

/* ---- slices: beside everything --------------------------------------------------------------- */

static int64_t bytes_done(const struct weir_shard_cleaner *cleaner)
{
    return cleaner->cleaning.counts.bytes_read + cleaner->cleaning.counts.bytes_written;
}

static int64_t bytes_per_second(const struct weir_shard *shard)
{
    int64_t bound = settings_of(shard)->bytes_per_second / shard->engine->shard_count;
    return bound > 0 ? bound : 1;
}

/* Never more at once than a second's worth. */
static int64_t slice_bytes(const struct weir_shard *shard)
{
    int64_t bound = bytes_per_second(shard);
    return bound < SLICE_BYTES ? bound : SLICE_BYTES;
}

static void run_slice(struct weir_work *work)
{
    struct weir_shard *shard = shard_of(work);
    (void)weir_log_cleaning_run(&shard->cleaner.cleaning, slice_bytes(shard));
}

static void slice_is_done(struct weir_message *message)
{
    struct weir_shard *shard = shard_of((struct weir_work *)message);
    struct weir_shard_cleaner *cleaner = &shard->cleaner;
    struct weir_partition *partition = cleaner->partition;
    weir_assert(cleaner->state == WEIR_CLEANER_RUNS && partition->has_slice);
    partition->has_slice = false;
    cleaner->state = WEIR_CLEANER_RESTS;
    int64_t ms = (bytes_done(cleaner) - cleaner->slice_bytes) * 1000 / bytes_per_second(shard);
    cleaner->rests_until = weir_mono_after_ms(cleaner->slice_began, ms);
    if (cleaner->gives_up) {
        give_up(shard, WEIR_CLOSED, "the compaction was given up");
        weir_partition_settle(partition);
    }
    weir_serving_release(&shard->engine->serving);
}

static bool begin_slice(struct weir_shard *shard, struct weir_mono now)
{
    struct weir_shard_cleaner *cleaner = &shard->cleaner;
    if (!weir_serving_try_hold(&shard->engine->serving)) return false;
    cleaner->state = WEIR_CLEANER_RUNS;
    cleaner->partition->has_slice = true;
    cleaner->slice_began = now;
    cleaner->slice_bytes = bytes_done(cleaner);
    cleaner->work = (struct weir_work){
        .done.handle = slice_is_done, .run = run_slice, .reply_to = shard->actor, .is_long = true};
    weir_work_submit(shard->env, &cleaner->work);
    return true;
}

/* A slice more, or what the slices have written takes its place. */
static int go_on(struct weir_shard *shard, struct weir_mono now, struct weir_mono *next)
{
    struct weir_shard_cleaner *cleaner = &shard->cleaner;
    struct weir_partition *partition = cleaner->partition;
    if (now.ns < cleaner->rests_until.ns) {
        if (cleaner->rests_until.ns < next->ns) *next = cleaner->rests_until;
        return 0;
    }
    bool is_written = cleaner->cleaning.phase >= WEIR_CLEANING_SWAP || cleaner->cleaning.rc < 0;
    if (!is_written) return begin_slice(shard, now) ? 1 : 0;
    if (!weir_partition_want(partition, begin_swap)) { /* something else has it first */
        cleaner->rests_until = weir_mono_after_ms(now, RETRY_MS);
        if (cleaner->rests_until.ns < next->ns) *next = cleaner->rests_until;
        return 0;
    }
    cleaner->state = WEIR_CLEANER_SWAPS;
    weir_partition_settle(partition);
    return 1;
}

/* ---- beginning ------------------------------------------------------------------------------- */

/* False: there is nothing to do, and who asked is answered. */
static bool begin(struct weir_shard *shard, struct weir_partition *partition)
{
    struct weir_shard_cleaner *cleaner = &shard->cleaner;
    struct weir_error error = {0};
    struct weir_cleaning_options options = {
        .bound_offset = bound_of(partition),
        .keeps_tombstones = belongs_to_job(partition),
        .is_forced = cleaner->request != NULL,
        .table_bytes_max = (size_t)(settings_of(shard)->table_bytes / shard->engine->shard_count),
        .now = weir_wall_now(shard->env),
    };
    cleaner->partition = partition;
    cleaner->rests_until = (struct weir_mono){0};
    int rc = weir_log_cleaning_begin(partition->log, &options, &cleaner->cleaning, &error);
    if (rc == WEIR_END) {
        cleaner->has_begun = true;
        cleaner->state = WEIR_CLEANER_RESTS;
        return true;
    }
    finish(shard, rc, &error);
    return false;
}

/* Will it be due by time alone, or is it only held back? */
static bool stays_listed(const struct weir_partition *partition,
                         const struct weir_cleaner_plan *plan)
{
    bool is_held_back = plan->end + 1 < partition->shown.segment_count;
    bool has_time = partition->config.max_compaction_lag_ms < INT64_MAX && plan->dirty_bytes > 0;
    return is_held_back || has_time;
}

/* The one with most to gain of those that are due (Kafka's order). Who cannot become due by itself leaves the list. */
static struct weir_partition *choose(struct weir_shard *shard, struct weir_mono mono)
{
    struct weir_partition **at = &shard->cleaner.listed;
    struct weir_partition *best = NULL;
    double best_ratio = -1;
    struct weir_wall now = weir_wall_now(shard->env);
    while (*at != NULL) {
        struct weir_partition *partition = *at;
        struct weir_cleaner_plan plan = {0};
        bool stays = true;
        bool is_open = partition->state == WEIR_PARTITION_OPEN;
        if (!is_compacted(partition)) {
            stays = false;
        } else if (is_open && weir_partition_log_check_online(partition->log, NULL) < 0) {
            stays = false; /* until it is opened again */
        } else if (is_open) {
            weir_log_cleaning_look(partition->log, bound_of(partition), now, &plan);
            stays = plan.is_due || stays_listed(partition, &plan);
        }
        double ratio = (double)plan.dirty_bytes / (double)(plan.clean_bytes + plan.dirty_bytes + 1);
        bool may_begin = plan.is_due && partition->closing == NULL &&
                         mono.ns >= partition->cleanable_from.ns &&
                         weir_log_cleaning_may_begin(partition->log);
        if (may_begin && ratio > best_ratio) {
            best = partition;
            best_ratio = ratio;
        }
        if (stays) {
            at = &partition->cleanable_next;
        } else {
            *at = partition->cleanable_next;
            partition->is_cleanable = false;
        }
    }
    return best;
}

/* It is looked at again when its pass is over. */
static void unlist(struct weir_shard *shard, struct weir_partition *partition)
{
    struct weir_partition **at = &shard->cleaner.listed;
    while (*at != partition) {
        at = &(*at)->cleanable_next;
    }
    *at = partition->cleanable_next;
    partition->is_cleanable = false;
}

static int begin_due(struct weir_shard *shard, struct weir_mono now, struct weir_mono *next)
{
    struct weir_shard_cleaner *cleaner = &shard->cleaner;
    if (!settings_of(shard)->is_on || cleaner->listed == NULL) return 0;
    if (now.ns < cleaner->look_at.ns) {
        if (cleaner->look_at.ns < next->ns) *next = cleaner->look_at;
        return 0;
    }
    cleaner->look_at = weir_mono_after_ms(now, settings_of(shard)->backoff_ms);
    struct weir_partition *partition = choose(shard, now);
    if (partition != NULL) {
        unlist(shard, partition);
        /* When it is through the next one has its turn. What cannot begin is listed again as it was. */
        if (begin(shard, partition)) cleaner->look_at = now;
    }
    if (cleaner->listed != NULL && cleaner->look_at.ns < next->ns) *next = cleaner->look_at;
    return partition != NULL;
}

/* ---- who asks -------------------------------------------------------------------------------- */

static int roll_job(struct weir_partition *partition)
{
    return weir_partition_log_end_segment(partition->log, &partition->job_error);
}

static void rolled(struct weir_partition *partition)
{
    struct weir_shard *shard = partition->shard;
    struct weir_shard_cleaner *cleaner = &shard->cleaner;
    int rc = partition->job_rc;
    weir_assert(cleaner->state == WEIR_CLEANER_ROLLS && cleaner->partition == partition);
    if (rc < 0) {
        weir_partition_failed(partition, WEIR_AVAILABILITY_WORK_FAILED, rc, &partition->job_error);
    }
    if (rc < 0) {
        finish(shard, rc, &partition->job_error);
    } else if (cleaner->gives_up) {
        give_up(shard, WEIR_CLOSED, "the compaction was given up");
    } else if (begin(shard, partition)) {
        weir_actor_wake_at(shard->actor, weir_mono_now(shard->env));
    }
    weir_partition_resume(partition);
}

static void begin_roll(struct weir_partition *partition)
{
    weir_partition_submit(partition, roll_job, rolled);
}

static struct weir_compact_request *take_waiting(struct weir_shard_cleaner *cleaner)
{
    struct weir_compact_request *request = cleaner->waiting_first;
    cleaner->waiting_first = (struct weir_compact_request *)request->request.message.next;
    if (cleaner->waiting_first == NULL) cleaner->waiting_last = NULL;
    return request;
}

/* The partition of the first that waits may have been taken by something else for a moment. */
static int begin_asked(struct weir_shard *shard, struct weir_mono now, struct weir_mono *next)
{
    struct weir_shard_cleaner *cleaner = &shard->cleaner;
    const struct weir_compact_request *first = cleaner->waiting_first;
    if (first == NULL) return 0;
    struct weir_partition *partition =
        weir_shard_find(shard, first->request.topic, first->request.partition);
    if (partition == NULL || partition->closing != NULL) {
        weir_request_refuse(&take_waiting(cleaner)->request, WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                            "the topic has been deleted");
        return 1;
    }
    if (!weir_partition_want(partition, begin_roll)) {
        struct weir_mono again = weir_mono_after_ms(now, RETRY_MS);
        if (again.ns < next->ns) *next = again;
        return 0;
    }
    cleaner->request = take_waiting(cleaner);
    cleaner->partition = partition;
    cleaner->state = WEIR_CLEANER_ROLLS;
    weir_partition_settle(partition);
    return 1;
}

static void compact_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_shard_cleaner *cleaner = &partition->shard->cleaner;
    struct weir_compact_request *compact = (struct weir_compact_request *)request;
    if (!is_compacted(partition)) {
        (void)weir_error_set(&request->error, WEIR_INVALID_CONFIG,
                             "topic '%.*s' is not compacted: its cleanup.policy does not have "
                             "'compact' in it",
                             (int)partition->topic.size, (const char *)partition->topic.data);
        weir_request_reply(request, WEIR_INVALID_CONFIG);
        return;
    }
    int rc = cleaner->is_stopped ? WEIR_CLOSED
                                 : weir_partition_log_check_online(partition->log, &request->error);
    if (rc < 0) {
        weir_request_reply(request, rc);
        return;
    }
    request->message.next = NULL;
    if (cleaner->waiting_last != NULL) {
        cleaner->waiting_last->request.message.next = &request->message;
    } else {
        cleaner->waiting_first = compact;
    }
    cleaner->waiting_last = compact;
}

void weir_engine_compact(struct weir_engine *engine, struct weir_compact_request *request)
{
    request->bytes_before = 0;
    request->bytes_after = 0;
    request->records_before = 0;
    request->records_after = 0;
    weir_request_send(engine, &request->request, request->of, compact_stage);
}

/* ---- turns and ends -------------------------------------------------------------------------- */

/* What waits for its log, or runs in it, is over when that is back; what rests is over now. */
static void leave(struct weir_partition *partition)
{
    struct weir_shard *shard = partition->shard;
    struct weir_shard_cleaner *cleaner = &shard->cleaner;
    if (cleaner->partition != partition) return;
    if (cleaner->state == WEIR_CLEANER_RESTS) {
        give_up(shard, WEIR_UNKNOWN_TOPIC_OR_PARTITION, "the topic has been deleted");
    } else {
        cleaner->gives_up = true;
    }
}

void weir_shard_cleaner_init(struct weir_shard *shard)
{
    shard->cleaner.leave = leave;
}

int weir_shard_cleaner_run(struct weir_shard *shard, struct weir_mono now, struct weir_mono *next)
{
    struct weir_shard_cleaner *cleaner = &shard->cleaner;
    int count = 0;
    if (cleaner->is_stopped) return 0;
    if (cleaner->state == WEIR_CLEANER_IDLE) count += begin_asked(shard, now, next);
    if (cleaner->state == WEIR_CLEANER_IDLE && cleaner->waiting_first == NULL) {
        count += begin_due(shard, now, next);
    }
    if (cleaner->state == WEIR_CLEANER_RESTS) count += go_on(shard, now, next);
    return count;
}

void weir_shard_cleaner_stop(struct weir_shard *shard, int rc, const char *text)
{
    struct weir_shard_cleaner *cleaner = &shard->cleaner;
    cleaner->is_stopped = true;
    while (cleaner->waiting_first != NULL) {
        weir_request_refuse(&take_waiting(cleaner)->request, rc, text);
    }
    if (cleaner->state == WEIR_CLEANER_RESTS) {
        give_up(shard, rc, text);
    } else if (cleaner->state != WEIR_CLEANER_IDLE) {
        cleaner->gives_up = true;
    }
}

void weir_shard_cleaner_close(struct weir_shard *shard)
{
    struct weir_shard_cleaner *cleaner = &shard->cleaner;
    weir_assert(cleaner->waiting_first == NULL && cleaner->request == NULL);
    if (cleaner->has_begun) {
        weir_log_cleaning_give_up(&cleaner->cleaning);
        weir_log_cleaning_close(&cleaner->cleaning);
    }
    cleaner->has_begun = false;
    cleaner->is_stopped = true;
    cleaner->partition = NULL;
    cleaner->state = WEIR_CLEANER_IDLE;
}
