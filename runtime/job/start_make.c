#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/start_internal.h"

/**
 * Making what is missing, once it is decided. Each step is durable before the next one begins, and
 * what is to be made or emptied stands in the application's records before it is touched: whatever
 * step a kill hits, the next start finds out where it was and goes on there
 * (runtime/job/application.h).
 */

static struct weir_start_topic *topic_at(struct weir_start *start, size_t index)
{
    weir_assert(index < start->facts.topic_count);
    return &start->facts.topics[index];
}

static bool is_empty(const struct weir_start_topic *topic)
{
    for (int32_t p = 0; p < topic->partition_count; p++) {
        if (topic->partitions[p].log_end > 0) return false;
    }
    return true;
}

/* ---- what is to be done ---------------------------------------------------------------------- */

/* One that nothing has been written to can stay as it is. */
static void plan_emptied(const struct weir_start_topic *topic, struct weir_start_work *work)
{
    weir_assert(weir_start_is_internal(topic) && topic->is_emptied);
    bool is_kept = topic->record == NULL || topic->record->phase == WEIR_OWN_TOPIC_KEPT;
    bool is_fresh = topic->exists && !is_kept && is_empty(topic) &&
                    topic->partition_count == topic->wanted_count;
    work->is_deleted = topic->exists && !is_fresh;
    work->is_created = !is_fresh;
    work->is_written = true;
}

static void plan_topic(const struct weir_start_topic *topic, struct weir_start_work *work)
{
    if (!weir_start_is_internal(topic)) {
        work->is_created = topic->name != NULL && !topic->exists;
    } else if (topic->is_emptied) {
        plan_emptied(topic, work);
    } else {
        enum weir_own_topic_phase phase =
            topic->record != NULL ? topic->record->phase : WEIR_OWN_TOPIC_NONE;
        work->is_created = !topic->exists;
        work->is_written = !topic->exists || phase == WEIR_OWN_TOPIC_NONE ||
                           phase == WEIR_OWN_TOPIC_MAKING || phase == WEIR_OWN_TOPIC_EMPTYING;
    }
}

/* The application's topic, and inputs and outputs where auto-create is on; and what those that are there hold. */
int weir_start_make_topics(struct weir_start *start, struct weir_error *error)
{
    size_t count = start->facts.topic_count;
    weir_assert(start->work == NULL && start->outstanding == 0);
    start->work = weir_arena_alloc_zero(&start->arena, count * sizeof *start->work);
    if (start->work == NULL) return weir_start_no_memory(error);
    for (size_t t = 0; t < count; t++) {
        const struct weir_start_work *work = &start->work[t];
        const struct weir_start_topic *topic = topic_at(start, t);
        int rc = 0;
        plan_topic(topic, &start->work[t]);
        if (!weir_start_is_internal(topic) && work->is_created) {
            rc = weir_start_create_given_topic(start, t, error);
        } else if (topic->name != NULL && topic->exists && !work->is_deleted) {
            rc = weir_start_say_formats(start, t, error);
        }
        if (rc < 0) return rc;
    }
    if (start->topics[count].request.rc >= 0) return 0;
    return weir_start_create_application_topic(start, error);
}

/* ---- intents --------------------------------------------------------------------------------- */

static bool add_choice(struct weir_start *start, struct weir_buffer *key, struct weir_buffer *value)
{
    struct weir_application *records = &start->records;
    /* An emptying that is chosen takes the place of a rebuild that was. */
    bool is_rebuilding = start->is_rebuild || (records->is_rebuilding && !start->is_emptying);
    bool is_emptying = start->is_emptying || records->is_emptying;
    bool is_same = is_rebuilding == records->is_rebuilding && is_emptying == records->is_emptying;
    if (is_same) return false;
    records->is_rebuilding = is_rebuilding;
    records->is_emptying = is_emptying;
    weir_application_encode_state(records, key, value);
    return true;
}

static bool add_input(struct weir_start *start, struct weir_start_topic *topic,
                      struct weir_buffer *key, struct weir_buffer *value)
{
    bool is_given_up = start->is_emptying && start->records.is_rebuilding;
    struct weir_own_input *input = weir_arena_array(&start->arena, 1, sizeof *input);
    if (input == NULL) return false;
    switch (weir_start_chosen_work(topic, start->reads_again, is_given_up, &start->arena, input)) {
    case WEIR_START_CHOSEN_STAYS:
        return false;
    case WEIR_START_CHOSEN_IS_OVER:
        topic->chosen = NULL;
        weir_application_forget_input(topic->name, key);
        return true;
    case WEIR_START_CHOSEN_IS_WRITTEN:
        topic->chosen = input;
        weir_application_encode_input(input, key, value);
        return true;
    }
    return false;
}

/* Another life for one that is to be empty: whatever its tasks find on the disk is of before. */
static bool add_store(struct weir_start *start, struct weir_start_store *store,
                      struct weir_buffer *key, struct weir_buffer *value)
{
    if (!store->is_emptied) return false;
    struct weir_own_store *record = weir_arena_array(&start->arena, 1, sizeof *record);
    if (record == NULL) return false;
    *record = (struct weir_own_store){.name = store->name, .phase = WEIR_OWN_STORE_EMPTYING};
    weir_random(start->streams->env, record->life.bytes, sizeof record->life.bytes);
    store->record = record;
    weir_application_encode_store(record, key, value);
    return true;
}

/* All in one batch, so that no kill leaves some without the others; the choice comes behind what is told by
 * it. */
static bool add_intent(struct weir_start *start, size_t number, struct weir_buffer *key,
                       struct weir_buffer *value)
{
    size_t count = start->facts.topic_count;
    const size_t store_count = start->facts.store_count;
    if (number == 2 * count + store_count) return add_choice(start, key, value);
    if (number >= 2 * count) {
        return add_store(start, &start->facts.stores[number - 2 * count], key, value);
    }
    if (number >= count) return add_input(start, topic_at(start, number - count), key, value);
    const struct weir_start_topic *topic = topic_at(start, number);
    const struct weir_start_work *work = &start->work[number];
    if (!weir_start_is_internal(topic) || (!work->is_created && !work->is_deleted)) return false;
    struct weir_own_topic intent = weir_start_own_topic(
        topic, topic->is_emptied ? WEIR_OWN_TOPIC_EMPTYING : WEIR_OWN_TOPIC_MAKING);
    intent.partition_count = topic->wanted_count;
    if (!work->is_deleted) intent.id = (struct weir_uuid){0};
    weir_application_encode_topic(&intent, key, value);
    return true;
}

static int take_made(struct weir_start *start, size_t index, struct weir_error *error)
{
    const struct weir_request *request = &start->topics[index].request;
    weir_assert(index <= start->facts.topic_count); /* the application's comes last */
    if (request->rc >= 0 || request->rc == WEIR_EXISTS) return 0;
    const char *name =
        index < start->facts.topic_count ? topic_at(start, index)->name : start->application_topic;
    weir_error_copy(error, &request->error);
    return weir_error_wrap(error, request->rc, "create topic '%s'", name);
}

int weir_start_write_intents(struct weir_start *start, struct weir_error *error)
{
    int rc = take_made(start, start->facts.topic_count, error);
    for (size_t t = 0; rc >= 0 && t < start->facts.topic_count; t++) {
        bool is_made = start->work[t].is_created && !weir_start_is_internal(topic_at(start, t));
        if (is_made) rc = take_made(start, t, error);
    }
    if (rc < 0) return rc;
    const size_t count = 2 * start->facts.topic_count + start->facts.store_count + 1;
    const struct weir_records_source source = {count, add_intent};
    return weir_records_write(start, &source, error);
}

/* ---- topics ---------------------------------------------------------------------------------- */

int weir_start_delete_topics(struct weir_start *start, struct weir_error *error)
{
    int rc = weir_records_written(start, error);
    if (rc < 0) return rc;
    for (size_t t = 0; t < start->facts.topic_count; t++) {
        if (!start->work[t].is_deleted) continue;
        weir_log(&start->streams->env->logger, WEIR_LOG_WARN, "start.empties",
                 "application=%s topic=%s", start->facts.application_id, topic_at(start, t)->name);
        weir_start_ask_topic(start, t, WEIR_TOPIC_DELETE);
    }
    return 0;
}

int weir_start_create_topics(struct weir_start *start, struct weir_error *error)
{
    for (size_t t = 0; t < start->facts.topic_count; t++) {
        struct weir_start_topic *topic = topic_at(start, t);
        const struct weir_request *request = &start->topics[t].request;
        if (start->work[t].is_deleted && request->rc < 0 &&
            request->rc != WEIR_UNKNOWN_TOPIC_OR_PARTITION) {
            weir_error_copy(error, &request->error);
            return weir_error_wrap(error, request->rc, "delete topic '%s'", topic->name);
        }
        if (!weir_start_is_internal(topic) || !start->work[t].is_created) continue;
        int rc = weir_start_create_topic(start, t, error);
        if (rc < 0) return rc;
    }
    return 0;
}

/* What was made is looked at, for its id and its settings. */
int weir_start_look_again(struct weir_start *start, struct weir_error *error)
{
    size_t count = start->facts.topic_count;
    for (size_t t = 0; t < count; t++) {
        const struct weir_start_topic *topic = topic_at(start, t);
        if (!start->work[t].is_created) continue;
        const struct weir_request *request = &start->topics[t].request;
        if (weir_start_is_internal(topic) && request->rc < 0) {
            weir_error_copy(error, &request->error);
            return weir_error_wrap(error, request->rc, "create internal topic '%s'", topic->name);
        }
        weir_start_ask_topic(start, t, WEIR_TOPIC_DESCRIBE);
    }
    return 0;
}

static int take_new(struct weir_start *start, size_t index, struct weir_error *error)
{
    struct weir_start_topic *topic = topic_at(start, index);
    weir_assert(start->work[index].is_created && start->outstanding == 0);
    const struct weir_topic_request *described = &start->topics[index];
    if (described->request.rc < 0) {
        weir_error_copy(error, &described->request.error);
        return weir_error_wrap(error, described->request.rc, "topic '%s'", topic->name);
    }
    /* What was counted on is what the tasks and the internal topics were made for. */
    int32_t wanted = start->streams->topics[index].partition_count;
    if (described->partition_count != wanted) {
        return weir_error_set(error, WEIR_MISMATCH,
                              "topic '%s' was made with %" PRId32
                              " partitions while the job started, "
                              "which counted on %" PRId32 ": start it again",
                              topic->name, described->partition_count, wanted);
    }
    topic->exists = true;
    topic->id = described->topic_id;
    topic->partition_count = described->partition_count;
    weir_start_take_description(start, index);
    return weir_start_make_partitions(start, topic) < 0 ? weir_start_no_memory(error) : 0;
}

/* ---- ids ------------------------------------------------------------------------------------- */

static bool add_id(struct weir_start *start, size_t number, struct weir_buffer *key,
                   struct weir_buffer *value)
{
    const struct weir_start_topic *topic = topic_at(start, number);
    if (!weir_start_is_internal(topic) || !start->work[number].is_written) return false;
    const struct weir_own_topic record = weir_start_own_topic(topic, WEIR_OWN_TOPIC_MADE);
    weir_application_encode_topic(&record, key, value);
    return true;
}

int weir_start_write_ids(struct weir_start *start, struct weir_error *error)
{
    for (size_t t = 0; t < start->facts.topic_count; t++) {
        if (!start->work[t].is_created) continue;
        int rc = take_new(start, t, error);
        if (rc < 0) return rc;
    }
    const struct weir_records_source source = {start->facts.topic_count, add_id};
    return weir_records_write(start, &source, error);
}

int weir_start_look_at_new(struct weir_start *start, struct weir_error *error)
{
    int rc = weir_records_written(start, error);
    for (size_t t = 0; rc >= 0 && t < start->facts.topic_count; t++) {
        const struct weir_start_topic *topic = topic_at(start, t);
        if (!start->work[t].is_created || topic->partitions == NULL) continue;
        rc = weir_start_ask_partitions(start, t, error);
    }
    return rc;
}
