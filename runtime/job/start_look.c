#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/uuid.h"
#include "runtime/job/start_internal.h"
#include "wire/record_batch_reader.h"

/**
 * Looking, before anything is changed: the group's commit, the partitions, the application's
 * records, where the committed epochs end, who wrote what lies past the commit, and, for a topic
 * that is not ours, whose it is. Costs a few requests per partition and none that grows with the
 * data, except for the headers of a tail that a crash has left.
 */
enum { TAIL_READ_SIZE = 1 << 20 };

/* ---- partitions ------------------------------------------------------------------------------ */

int weir_start_ask_partitions(struct weir_start *start, size_t index, struct weir_error *error)
{
    const struct weir_start_topic *topic = &start->facts.topics[index];
    size_t count = (size_t)topic->partition_count;
    weir_assert(topic->exists && topic->partitions != NULL);
    weir_assert(start->asked[index] == NULL); /* what was asked before has been taken */
    struct weir_describe_partition_request *requests =
        weir_arena_array(&start->arena, count, sizeof *requests);
    if (requests == NULL) return weir_start_no_memory(error);
    start->asked[index] = requests;
    for (size_t p = 0; p < count; p++) {
        requests[p] = (struct weir_describe_partition_request){
            .request = weir_start_asked(start), .of = {weir_text(topic->name), (int32_t)p}};
        weir_log_describe_partition(start->streams->log, &requests[p]);
    }
    return 0;
}

static int take_partition(const struct weir_start_topic *topic, int32_t number,
                          const struct weir_describe_partition_request *described,
                          struct weir_error *error)
{
    int rc = described->request.rc;
    if (rc >= 0 && described->is_offline && weir_start_is_internal(topic)) {
        rc = weir_start_refuse_offline(topic->name, number, described->offline_from, error);
        return weir_error_wrap(error, rc, "topic '%s'", topic->name);
    }
    if (rc < 0) {
        weir_error_copy(error, &described->request.error);
        return weir_error_wrap(error, rc, "partition %" PRId32 " of '%s'", number, topic->name);
    }
    weir_assert(topic->partitions != NULL && number < topic->partition_count);
    weir_start_describe(&topic->partitions[number], described);
    return 0;
}

int weir_start_take_partitions(struct weir_start *start, struct weir_error *error)
{
    weir_assert(start->asked != NULL && start->outstanding == 0);
    for (size_t t = 0; t < start->facts.topic_count; t++) {
        const struct weir_describe_partition_request *described = start->asked[t];
        const struct weir_start_topic *topic = &start->facts.topics[t];
        start->asked[t] = NULL;
        for (int32_t p = 0; described != NULL && p < topic->partition_count; p++) {
            int rc = take_partition(topic, p, &described[p], error);
            if (rc < 0) return rc;
        }
    }
    return 0;
}

/* ---- the commit, the records ----------------------------------------------------------------- */

int weir_start_look_at_commit(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    int rc = weir_start_count_topics(start, error);
    if (rc >= 0) rc = weir_start_make_facts(start, error);
    if (rc < 0) return rc;
    start->committed = (struct weir_commit_recover){.call = weir_start_called(start)};
    streams->commit.kind->recover(streams->commit.impl, &start->committed);
    return 0;
}

/* Behind the commit: what the last run has left open is ended by then, and its markers are there. */
int weir_start_look_at_partitions(struct weir_start *start, struct weir_error *error)
{
    const struct weir_commit_call *committed = &start->committed.call;
    if (committed->rc < 0) {
        weir_error_copy(error, &committed->error);
        return committed->rc;
    }
    int rc = 0;
    for (size_t t = 0; rc >= 0 && t < start->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &start->facts.topics[t];
        if (topic->partitions != NULL) rc = weir_start_ask_partitions(start, t, error);
    }
    return rc;
}

int weir_start_read_records(struct weir_start *start, struct weir_error *error)
{
    if (!start->reader.has_begun) {
        start->records.arena = &start->arena;
        start->reader = (struct weir_records_reader){
            .start = start, .topic = start->application_topic, .into = &start->records};
    }
    int rc = weir_records_read(&start->reader, error);
    if (rc == WEIR_CORRUPT) {
        return weir_error_wrap(error, rc,
                               "the topic is to hold the records of application '%s' alone",
                               start->streams->options.application_id);
    }
    return rc;
}

/* ---- epochs ---------------------------------------------------------------------------------- */

static size_t ask_epochs(struct weir_start *start, struct weir_epoch_end_request *requests)
{
    size_t count = 0;
    for (size_t t = 0; t < start->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &start->facts.topics[t];
        for (int32_t p = 0; topic->partitions != NULL && p < topic->partition_count; p++) {
            const struct weir_start_partition *partition = &topic->partitions[p];
            if (!weir_start_is_in_doubt(topic, partition)) continue;
            if (requests != NULL) {
                requests[count] = (struct weir_epoch_end_request){
                    .request = weir_start_asked(start),
                    .of = {weir_text(topic->name), p},
                    .epoch = partition->committed_epoch,
                };
                weir_log_epoch_end(start->streams->log, &requests[count]);
            }
            count++;
        }
    }
    return count;
}

int weir_start_look_at_epochs(struct weir_start *start, struct weir_error *error)
{
    int rc = weir_start_take_partitions(start, error);
    if (rc >= 0) rc = weir_start_take_commit(start, error);
    if (rc < 0) return rc;
    start->epoch_count = ask_epochs(start, NULL);
    start->epochs = weir_arena_array(&start->arena, start->epoch_count, sizeof *start->epochs);
    if (start->epochs == NULL && start->epoch_count > 0) return weir_start_no_memory(error);
    if (start->epoch_count > 0) (void)ask_epochs(start, start->epochs);
    return 0;
}

static int take_epochs(struct weir_start *start, struct weir_error *error)
{
    size_t next = 0;
    for (size_t t = 0; t < start->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &start->facts.topics[t];
        for (int32_t p = 0; topic->partitions != NULL && p < topic->partition_count; p++) {
            struct weir_start_partition *partition = &topic->partitions[p];
            if (!weir_start_is_in_doubt(topic, partition)) continue;
            weir_assert(next < start->epoch_count); /* the doubts are those that were asked of */
            const struct weir_epoch_end_request *asked = &start->epochs[next++];
            if (asked->request.rc < 0) {
                weir_error_copy(error, &asked->request.error);
                return weir_error_wrap(error, asked->request.rc,
                                       "leader epochs of '%s' partition %" PRId32, topic->name, p);
            }
            weir_start_take_epoch_end(topic, partition, asked->end_offset);
        }
    }
    weir_assert(next == start->epoch_count);
    start->epoch_count = 0;
    return 0;
}

/* ---- tails ----------------------------------------------------------------------------------- */

static struct weir_start_partition *tail_partition(const struct weir_start *start)
{
    weir_assert(start->tail_topic < start->facts.topic_count);
    const struct weir_start_topic *topic = &start->facts.topics[start->tail_topic];
    weir_assert(start->tail_partition >= 0 && start->tail_partition < topic->partition_count);
    return &topic->partitions[start->tail_partition];
}

/* What came of the last fetch; `tail_offset` reaches the log's end where all of it is ours. */
static int take_tail(struct weir_start *start, struct weir_error *error)
{
    struct weir_fetch_request *fetch = &start->tail;
    struct weir_start_partition *partition = tail_partition(start);
    const char *name = start->facts.topics[start->tail_topic].name;
    start->is_tail_asked = false;
    if (fetch->request.rc < 0) {
        weir_error_copy(error, &fetch->request.error);
        return weir_error_wrap(error, fetch->request.rc, "read '%s' partition %" PRId32, name,
                               start->tail_partition);
    }
    bool is_ours = fetch->batches.part_count > 0;
    int rc = 0;
    for (size_t i = 0; rc >= 0 && is_ours && i < fetch->batches.part_count; i++) {
        struct weir_slice bytes = weir_log_part_bytes(&fetch->batches.parts[i]);
        rc = weir_start_check_tail(&start->committed, bytes, &start->tail_offset, &is_ours, error);
    }
    weir_log_batches_release(&fetch->batches);
    if (!is_ours) {
        partition->foreign_at = start->tail_offset;
        start->tail_offset = partition->log_end;
    }
    return weir_error_wrap(error, rc, "read '%s' partition %" PRId32, name, start->tail_partition);
}

static void ask_tail(struct weir_start *start)
{
    weir_assert(!start->is_tail_asked && start->tail_offset <= tail_partition(start)->log_end);
    start->is_tail_asked = true;
    start->tail = (struct weir_fetch_request){
        .request = weir_start_asked(start),
        .from = {weir_text(start->facts.topics[start->tail_topic].name), start->tail_partition},
        .offset = start->tail_offset,
        .size_max = TAIL_READ_SIZE,
        .deadline = WEIR_MONO_NEVER,
        .read_uncommitted_end = true,
    };
    weir_log_fetch(start->streams->log, &start->tail);
}

/* The next partition that is longer than its commit says; false: no more. */
static bool next_tail(struct weir_start *start)
{
    for (; start->tail_topic < start->facts.topic_count; start->tail_topic++) {
        const struct weir_start_topic *topic = &start->facts.topics[start->tail_topic];
        bool is_looked_at = weir_start_is_internal(topic) && weir_start_is_ours(topic);
        while (is_looked_at && ++start->tail_partition < topic->partition_count) {
            const struct weir_start_partition *partition = tail_partition(start);
            if (!partition->has_entry || partition->log_end <= partition->committed_end) continue;
            start->tail_offset = partition->committed_end > partition->log_start
                                     ? partition->committed_end
                                     : partition->log_start;
            /* A reader that has come behind a marker had the log trimmed behind what is committed. */
            if (start->tail_offset < partition->log_end) return true;
        }
        start->tail_partition = -1;
    }
    return false;
}

int weir_start_look_at_tails(struct weir_start *start, struct weir_error *error)
{
    int rc = 0;
    if (!start->is_tail_asked) {
        rc = take_epochs(start, error);
        start->tail_partition = -1;
        start->tail_offset = -1;
    } else {
        rc = take_tail(start, error);
    }
    if (rc < 0) return rc;
    bool goes_on = start->tail_offset >= 0 && start->tail_offset < tail_partition(start)->log_end;
    if (!goes_on && !next_tail(start)) return 0;
    ask_tail(start);
    return WEIR_START_AGAIN;
}

/* ---- owners ---------------------------------------------------------------------------------- */

/* `app-x-counts-changelog` may be of `app`, of `app-x` and of `app-x-counts`: whose records name
 * it? */
static const char *next_candidate(struct weir_start *start)
{
    const struct weir_start_facts *facts = &start->facts;
    for (; start->owner_topic < facts->topic_count; start->owner_topic++, start->owner_at = 0) {
        const struct weir_start_topic *topic = &facts->topics[start->owner_topic];
        bool is_strange = weir_start_is_internal(topic) && topic->exists && topic->owner == NULL &&
                          !weir_start_is_ours(topic);
        bool is_asked_of = is_strange || weir_start_may_write_into_other(start, start->owner_topic);
        while (is_asked_of && topic->name[start->owner_at] != '\0') {
            size_t size = start->owner_at++;
            if (size == 0 || topic->name[size] != '-') continue;
            const char *id = weir_arena_printf(&start->arena, "%.*s", (int)size, topic->name);
            if (id == NULL) return NULL;
            if (strcmp(id, facts->application_id) != 0) return id;
        }
    }
    return NULL;
}

static int take_owner(struct weir_start *start, struct weir_error *error)
{
    weir_assert(start->owner != NULL && start->owner_topic < start->facts.topic_count);
    struct weir_start_topic *topic = &start->facts.topics[start->owner_topic];
    if (!weir_start_is_internal(topic)) {
        return weir_start_refuse_other(start, start->owner_topic, error);
    }
    for (size_t i = 0; i < start->other.topic_count; i++) {
        const struct weir_own_topic *record = &start->other.topics[i];
        if (weir_uuid_equal(record->id, topic->id)) topic->owner = start->owner;
    }
    return 0;
}

int weir_start_look_for_owners(struct weir_start *start, struct weir_error *error)
{
    for (;;) {
        if (start->owner == NULL) {
            start->owner = next_candidate(start);
            if (weir_arena_failed(&start->arena)) return weir_start_no_memory(error);
            if (start->owner == NULL) return 0;
            start->other = (struct weir_application){.arena = &start->arena};
            start->other_reader = (struct weir_records_reader){
                .start = start,
                .topic = weir_application_topic_name(&start->arena, start->owner),
                .into = &start->other,
            };
            if (start->other_reader.topic == NULL) return weir_start_no_memory(error);
        }
        struct weir_error ignored = {0}; /* who cannot be read does not say that it is theirs */
        if (weir_records_read(&start->other_reader, &ignored) > 0) return WEIR_START_AGAIN;
        int rc = take_owner(start, error);
        if (rc < 0) return rc;
        start->owner = NULL;
    }
}
