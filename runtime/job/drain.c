#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/state_table.h"
#include "runtime/job/streams_internal.h"

enum { COMMIT_WANT_MS = 100 }; /* from one commit that is asked for to the next */

/**
 * Waiting until what was in the input topics is processed and committed.
 *
 * First the ends of the input topics are asked for. Once a commit covers them, what came of them
 * lies in repartition topics, up to the ends in that same commit: those are the next targets, and
 * so on, once per sub-topology at most, or until a commit finds the repartition topics empty.
 * Where commit.interval.ms is long commits are asked for meanwhile, the first at once.
 *
 *   waiting ──the job is first──> done ──seen by the waiter──> (freed)
 *      └──────the waiter is first──> abandoned ──the job comes to it──> (freed)
 */
enum weir_drain_state { DRAIN_WAITING, DRAIN_DONE, DRAIN_ABANDONED };

#define TO(state) WEIR_STATE_BIT(DRAIN_##state)
static const struct weir_state_row rows[] = {
    [DRAIN_WAITING] = {"waiting", TO(DONE) | TO(ABANDONED)},
    [DRAIN_DONE] = {"done", 0},
    [DRAIN_ABANDONED] = {"abandoned", 0},
};
#undef TO
static const struct weir_state_table states = WEIR_STATE_TABLE("drain of", rows);

void weir_drain_check(const struct weir_drain *drain)
{
    weir_assert(drain->streams != NULL);
    weir_assert(drain->asking <= drain->streams->outstanding);
    weir_assert(drain->rounds_left >= 0);
    weir_assert(!drain->has_targets || drain->asking == 0); /* all ends are known by then */
    weir_assert(!drain->is_reached || drain->has_targets || drain->rc < 0);
    weir_assert(drain->rc <= 0);
}

struct ask {
    struct weir_list_offsets_request list; /* first */
    struct weir_drain *drain;
    struct weir_job_partition *partition;
};

/* True for the first of the two, who leaves it to the other; false: it has to be freed. */
static bool settle(struct weir_drain *drain, enum weir_drain_state to)
{
    const char *id = drain->streams->options.application_id;
    int waiting = DRAIN_WAITING;
    const int state = (int)weir_state_move(&states, id, DRAIN_WAITING, to);
    return atomic_compare_exchange_strong(&drain->state, &waiting, state);
}

static void drain_done(struct weir_drain *drain, int rc)
{
    struct weir_env *env = drain->streams->env;
    weir_assert(drain->asking == 0); /* nobody comes back to it */
    drain->rc = rc;
    if (settle(drain, DRAIN_DONE)) {
        weir_signal(env);
    } else {
        weir_free(drain);
    }
}

static void unlink_drain(struct weir_streams *streams, struct weir_drain *drain)
{
    struct weir_drain **place = &streams->drains;
    while (*place != drain) {
        weir_assert(*place != NULL); /* it is in the list */
        place = &(*place)->next;
    }
    *place = drain->next;
}

static bool is_repartition(const struct weir_streams *streams, size_t topic)
{
    return streams->topology->topics[topic].is_repartition;
}

/* Walk the input partitions that are (or are not) repartition ones. */
static struct weir_job_partition *next_input(const struct weir_streams *streams, bool repartition,
                                             size_t *topic, int32_t *partition)
{
    for (; *topic < streams->topology->topic_count; (*topic)++, *partition = 0) {
        if (streams->partitions[*topic] == NULL) continue;
        if (is_repartition(streams, *topic) != repartition) continue;
        if (*partition >= streams->topics[*topic].partition_count) continue;
        return &streams->partitions[*topic][(*partition)++];
    }
    return NULL;
}

static void on_end(struct weir_request *request)
{
    struct ask *ask = (struct ask *)request;
    struct weir_drain *drain = ask->drain;
    struct weir_streams *streams = drain->streams;
    weir_assert(streams->outstanding > 0 && drain->asking > 0);
    streams->outstanding--;
    drain->asking--;
    if (request->rc < 0 && drain->rc == 0) drain->rc = request->rc;
    if (request->rc >= 0 && ask->list.offset > ask->partition->drain_to) {
        ask->partition->drain_to = ask->list.offset;
    }
    weir_free(ask);
}

static int ask_end(struct weir_drain *drain, struct weir_job_partition *partition)
{
    struct weir_streams *streams = drain->streams;
    struct ask *ask = weir_alloc_zero(&streams->budget, sizeof *ask);
    if (ask == NULL) return WEIR_NO_MEMORY;
    *ask = (struct ask){
        .list = {.request = {.reply_to = streams->actor, .done = on_end},
                 .of = {weir_text(streams->topics[partition->topic].name), partition->partition},
                 .timestamp_ms = WEIR_OFFSET_LATEST,
                 .read_committed = !streams->topics[partition->topic].is_internal},
        .drain = drain,
        .partition = partition,
    };
    drain->asking++;
    streams->outstanding++;
    weir_log_list_offsets(streams->log, &ask->list);
    return 0;
}

static void on_drain(struct weir_message *message)
{
    struct weir_drain *drain =
        (struct weir_drain *)((char *)message - offsetof(struct weir_drain, message));
    struct weir_streams *streams = drain->streams;
    drain->rounds_left = (int)streams->topology->subtopology_count;
    drain->next = streams->drains;
    streams->drains = drain;
    size_t topic = 0;
    int32_t number = 0;
    struct weir_job_partition *partition;
    while (streams->partitions != NULL &&
           (partition = next_input(streams, false, &topic, &number)) != NULL) {
        if (ask_end(drain, partition) < 0) drain->rc = WEIR_NO_MEMORY;
    }
}

static bool is_reached(const struct weir_streams *streams, bool repartition)
{
    size_t topic = 0;
    int32_t number = 0;
    const struct weir_job_partition *partition;
    while ((partition = next_input(streams, repartition, &topic, &number)) != NULL) {
        int64_t committed = partition->committed >= 0 ? partition->committed : partition->log_start;
        if (committed < partition->drain_to) return false;
    }
    return true;
}

/* The ends of the repartition topics in the last commit are the next targets; false: all empty. */
static bool aim_at_repartitions(struct weir_streams *streams)
{
    bool has_more = false;
    weir_assert(streams->partitions != NULL);
    size_t topic = 0;
    int32_t number = 0;
    struct weir_job_partition *partition;
    while ((partition = next_input(streams, true, &topic, &number)) != NULL) {
        partition->drain_to = partition->committed_end;
        int64_t committed = partition->committed >= 0 ? partition->committed : partition->log_start;
        has_more |= committed < partition->committed_end;
    }
    return has_more;
}

/* True: all that it waits for is. */
static bool is_committed(struct weir_streams *streams, struct weir_drain *drain)
{
    if (!drain->has_targets) {
        if (!is_reached(streams, false)) return false;
        drain->has_targets = true;
        return !aim_at_repartitions(streams);
    }
    if (!is_reached(streams, true)) return false;
    weir_assert(drain->rounds_left > 0);
    drain->rounds_left--;
    return drain->rounds_left <= 0 || !aim_at_repartitions(streams);
}

/* True when it is over. */
static bool drain_advance(struct weir_streams *streams, struct weir_drain *drain)
{
    weir_drain_check(drain);
    if (drain->asking > 0) return false;
    if (drain->rc < 0) return true;
    if (!drain->is_reached && is_committed(streams, drain)) {
        drain->is_reached = true;
        drain->write_count = streams->commit.write_count;
    }
    /* Others see the last of these commits a little later. */
    return drain->is_reached && weir_transactions_are_settled(streams, drain->write_count);
}

/* Where commits come less often by themselves. Not without a pause: each of them seals the stores, and
 * a drain may have much to wait for. */
static void want_commit(struct weir_streams *streams)
{
    const struct weir_mono now = weir_mono_now(streams->env);
    if (now.ns >= streams->drain_commit_at.ns) {
        streams->drain_commit_at = weir_mono_after_ms(now, COMMIT_WANT_MS);
        weir_commit_handle(streams, WEIR_COMMIT_WANT);
        weir_commit_handle(streams, WEIR_COMMIT_TURN);
    }
    if (!atomic_load(&streams->failed)) streams->drain_wake = streams->drain_commit_at;
}

void weir_drain_step(struct weir_streams *streams)
{
    bool waits = false;
    struct weir_drain *drain = streams->drains;
    while (drain != NULL) {
        struct weir_drain *next = drain->next;
        if (drain_advance(streams, drain)) {
            unlink_drain(streams, drain);
            drain_done(drain, drain->rc);
        } else {
            waits |= drain->asking == 0 && !drain->is_reached;
        }
        drain = next;
    }
    const bool is_long = streams->options.commit_interval_ms > COMMIT_WANT_MS;
    if (waits && is_long && !streams->drive.is_manual) want_commit(streams);
}

void weir_drain_end_all(struct weir_streams *streams, int rc)
{
    while (streams->drains != NULL) {
        struct weir_drain *drain = streams->drains;
        streams->drains = drain->next;
        drain_done(drain, rc);
    }
}

static bool is_done(void *context)
{
    const struct weir_drain *drain = context;
    return atomic_load(&drain->state) == DRAIN_DONE || atomic_load(&drain->streams->failed);
}

int weir_streams_drain(struct weir_streams *streams, int64_t timeout_ms, struct weir_error *error)
{
    weir_error_clear(error);
    if (streams == NULL) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "weir_streams_drain: the job is NULL: weir_streams_start gives one");
    }
    if (!weir_may_block(streams->env)) {
        return weir_error_set(error, WEIR_WRONG_THREAD, "weir_streams_drain waits");
    }
    struct weir_drain *drain = weir_alloc_zero(streams->env->budget, sizeof *drain);
    if (drain == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "no memory for a drain");
    drain->message.handle = on_drain;
    drain->streams = streams;
    weir_actor_post(streams->actor, &drain->message);

    struct weir_mono deadline = timeout_ms < 0
                                    ? WEIR_MONO_NEVER
                                    : weir_mono_after_ms(weir_mono_now(streams->env), timeout_ms);
    int rc = weir_wait(streams->env, is_done, drain, deadline);
    if (rc == WEIR_CRASHED) return rc; /* job and drain went with the node */
    if (!settle(drain, DRAIN_ABANDONED)) {
        rc = drain->rc;
        weir_free(drain);
    } /* else the job frees it when its turn comes */
    if (atomic_load(&streams->failed)) return weir_streams_error(streams, error);
    if (rc < 0)
        return weir_error_set(error, (enum weir_code)rc, "drain of '%s': %s",
                              streams->options.application_id, weir_code_text(rc));
    return 0;
}
