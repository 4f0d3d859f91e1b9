#include <inttypes.h>

#include "base/assert.h"
#include "runtime/job/streams_internal.h"

/** What follows a commit now and then: repartition topics lose what is processed, logs hear up to where they may compact. */
enum { TRIM_INTERVAL_MS = 30000, TELL_INTERVAL_MS = 5000 };

struct trim {
    struct weir_cut_request cut; /* first */
    struct weir_streams *streams;
    struct weir_job_partition *partition;
};

static void on_trimmed(struct weir_request *request)
{
    struct trim *trim = (struct trim *)request;
    struct weir_streams *streams = trim->streams;
    weir_assert(streams->commit.trimming > 0);
    streams->commit.trimming--;
    if (request->rc >= 0) {
        trim->partition->trimmed = trim->cut.offset;
        weir_job_partition_check(trim->partition);
    } else {
        weir_log(&streams->env->logger, WEIR_LOG_WARN, "repartition.trim_failed", "code=%s",
                 weir_code_name(request->rc));
    }
    weir_free(trim);
}

static bool is_repartition(const struct weir_streams *streams, size_t topic)
{
    return topic < streams->topology->topic_count &&
           streams->topology->topics[topic].is_repartition;
}

static void trim(struct weir_streams *streams, struct weir_job_partition *partition)
{
    weir_assert(partition->committed > partition->trimmed);
    struct trim *trim = weir_alloc_zero(&streams->budget, sizeof *trim);
    if (trim == NULL) return; /* next time */
    *trim = (struct trim){
        .cut = {.request = {.reply_to = streams->actor, .done = on_trimmed},
                .partition = {weir_text(streams->topics[partition->topic].name),
                              partition->partition},
                .what = WEIR_CUT_HEAD,
                .offset = partition->committed},
        .streams = streams,
        .partition = partition,
    };
    streams->commit.trimming++;
    weir_log_cut(streams->log, &trim->cut);
}

/* A changelog may be compacted as far as it is committed, for no start cuts it below that. What its log has been
 * told last is forgotten when that is closed, and told again with what is committed next. A log that cannot be
 * told compacts by rules of its own. */
static void on_told(struct weir_request *request)
{
    struct trim *tell = (struct trim *)request;
    struct weir_streams *streams = tell->streams;
    weir_assert(streams->commit.trimming > 0);
    streams->commit.trimming--;
    if (request->rc >= 0) tell->partition->told_end = tell->cut.offset;
    weir_free(tell);
}

static void tell_end(struct weir_streams *streams, struct weir_job_partition *partition)
{
    struct trim *tell = weir_alloc_zero(&streams->budget, sizeof *tell);
    if (tell == NULL) return; /* next time */
    *tell = (struct trim){
        .cut = {.request = {.reply_to = streams->actor, .done = on_told},
                .partition = {weir_text(streams->topics[partition->topic].name),
                              partition->partition},
                .what = WEIR_CUT_NEVER_BELOW,
                .offset = partition->committed_end},
        .streams = streams,
        .partition = partition,
    };
    streams->commit.trimming++;
    weir_log_cut(streams->log, &tell->cut);
}

static void tell_ends(struct weir_streams *streams, struct weir_mono now)
{
    struct weir_commit *commit = &streams->commit;
    if (commit->trimming > 0 || now.ns < commit->tell_due.ns) return;
    commit->tell_due = weir_mono_after_ms(now, TELL_INTERVAL_MS);
    for (size_t t = streams->topology->topic_count; t < streams->topic_count; t++) {
        if (streams->partitions[t] == NULL) continue;
        for (int32_t p = 0; p < streams->topics[t].partition_count; p++) {
            struct weir_job_partition *partition = &streams->partitions[t][p];
            if (partition->committed_end > partition->told_end) tell_end(streams, partition);
        }
    }
}

/* Repartition topics are kept until they are processed: what is committed goes, now and then. */
static void trim_repartitions(struct weir_streams *streams, struct weir_mono now)
{
    struct weir_commit *commit = &streams->commit;
    if (commit->trimming > 0 || now.ns < commit->trim_due.ns) return;
    commit->trim_due = weir_mono_after_ms(now, TRIM_INTERVAL_MS);
    for (size_t t = 0; t < streams->topology->topic_count; t++) {
        if (!is_repartition(streams, t) || streams->partitions[t] == NULL) continue;
        for (int32_t p = 0; p < streams->topics[t].partition_count; p++) {
            struct weir_job_partition *partition = &streams->partitions[t][p];
            if (partition->committed > partition->trimmed) trim(streams, partition);
        }
    }
}

void weir_commit_trim(struct weir_streams *streams, struct weir_mono now)
{
    trim_repartitions(streams, now);
    tell_ends(streams, now);
}
