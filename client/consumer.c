/** What a consumer reads, and from where. How it works: consumer_internal.h. */
#include "client/consumer_internal.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/options.h"

enum { FETCH_MAX_BYTES_DEFAULT = 1 << 20 };

/* ---- new and close --------------------------------------------------------------------------- */

static void free_consumer(struct weir_consumer *consumer)
{
    weir_assert(consumer->held.partition == NULL);
    for (size_t i = 0; i < consumer->partition_count; i++) {
        weir_assert(consumer->partitions[i]->turn.state == WEIR_CONSUMER_IDLE);
        weir_free(consumer->partitions[i]);
    }
    weir_free(consumer->partitions);
    weir_free(consumer->chosen);
    weir_free(consumer->chosen_names);
    weir_map_close(&consumer->by_name);
    weir_arena_close(&consumer->headers);
    weir_buffer_close(&consumer->plain);
    weir_free(consumer->records);
    weir_free((void *)consumer->options.group);
    weir_free((void *)consumer->options.group_instance_id);
    weir_free((void *)consumer->options.assignor);
    consumer->magic = 0;
    weir_free(consumer);
}

static bool copy_text(struct weir_log *log, const char *text, const char **copy_out)
{
    *copy_out = text != NULL ? weir_alloc_text(&log->budget, text, strlen(text)) : NULL;
    return text == NULL || *copy_out != NULL;
}

static struct weir_consumer *make_consumer(struct weir_log *log,
                                           const struct weir_consumer_options *options)
{
    struct weir_consumer *consumer = weir_alloc_zero(&log->budget, sizeof *consumer);
    if (consumer == NULL) return NULL;
    consumer->log = log;
    consumer->options = *options;
    consumer->options.auto_offset_reset = NULL; /* the caller's; reset_position has it */
    weir_map_init(&consumer->by_name, &log->budget);
    weir_arena_init(&consumer->headers, &log->budget, 0);
    weir_buffer_init(&consumer->plain, &log->budget, 0);
    consumer->records =
        weir_alloc(&log->budget, WEIR_CONSUMER_RECORDS_MAX * sizeof(struct weir_record));
    bool has_group = copy_text(log, options->group, &consumer->options.group);
    bool has_id = copy_text(log, options->group_instance_id, &consumer->options.group_instance_id);
    bool has_assignor = copy_text(log, options->assignor, &consumer->options.assignor);
    if (consumer->records == NULL || !has_group || !has_id || !has_assignor) {
        free_consumer(consumer);
        return NULL;
    }
    consumer->magic = WEIR_CONSUMER_MAGIC;
    return consumer;
}

struct weir_consumer *weir_consumer_new(struct weir_log *log,
                                        const struct weir_consumer_options *options,
                                        struct weir_error *error)
{
    weir_error_clear(error);
    struct weir_consumer_options taken;
    int rc = weir_log_check(log, "weir_consumer_new", error);
    if (rc == 0) {
        rc = weir_options_take(&taken, sizeof taken, options, "WEIR_CONSUMER_OPTIONS_INIT", error);
    }
    int64_t reset_position = 0;
    if (rc == 0) rc = weir_consumer_take_group_options(&taken, &reset_position, error);
    if (rc < 0) return NULL;
    if (taken.group != NULL && taken.group[0] == '\0') {
        weir_error_set(error, WEIR_INVALID_ARGUMENT,
                       "new consumer: the group's name is empty; NULL is for no group");
        return NULL;
    }
    if (taken.isolation_level != WEIR_READ_COMMITTED &&
        taken.isolation_level != WEIR_READ_UNCOMMITTED) {
        weir_error_set(error, WEIR_INVALID_CONFIG,
                       "new consumer: isolation_level is %d: WEIR_READ_COMMITTED (0) or "
                       "WEIR_READ_UNCOMMITTED",
                       taken.isolation_level);
        return NULL;
    }
    if (taken.fetch_max_bytes == 0) taken.fetch_max_bytes = FETCH_MAX_BYTES_DEFAULT;
    struct weir_consumer *consumer = make_consumer(log, &taken);
    if (consumer == NULL) {
        weir_error_set(error, WEIR_NO_MEMORY, "new consumer: out of memory");
        return NULL;
    }
    consumer->reset_position = reset_position;
    atomic_fetch_add(&log->consumer_count, 1);
    return consumer;
}

int weir_consumer_close(struct weir_consumer *consumer, struct weir_error *error)
{
    if (consumer == NULL) return 0;
    int rc = weir_consumer_enter(consumer, "weir_consumer_close", error);
    if (rc < 0) return rc;
    rc = weir_log_may_wait(consumer->log, "weir_consumer_close", error);
    if (rc == 0 && consumer->in_callback) {
        rc = weir_error_set(error, WEIR_INVALID_ARGUMENT,
                            "weir_consumer_close: not from a callback of a poll");
    }
    if (rc < 0) return weir_consumer_leave(consumer, rc);
    int left = weir_consumer_leave_group(consumer, "weir_consumer_close", error);
    if (left == WEIR_CRASHED || consumer->member != NULL)
        return weir_consumer_leave(consumer, left);
    rc = weir_consumer_stop(consumer, NULL, left < 0 ? NULL : error);
    if (rc < 0) return weir_consumer_leave(consumer, rc);
    struct weir_log *log = consumer->log;
    free_consumer(consumer);
    atomic_fetch_sub(&log->consumer_count, 1); /* last: a weir_close that sees none frees the log */
    return left;
}

/* ---- positions ------------------------------------------------------------------------------- */

/* Take back what was assigned after the first `count`; nothing was fetched for it. */
static void remove_last(struct weir_consumer *consumer, size_t count)
{
    weir_assert(count <= consumer->partition_count);
    while (consumer->partition_count > count) {
        struct weir_consumer_partition *partition =
            consumer->partitions[--consumer->partition_count];
        weir_assert(partition->turn.state == WEIR_CONSUMER_IDLE);
        (void)weir_map_remove(&consumer->by_name, partition->key);
        weir_free(partition);
    }
}

static int resolve(struct weir_consumer *consumer, const char *topic, int32_t partition,
                   int64_t position, struct weir_uuid topic_id, const char *call,
                   struct weir_consumer_place *place_out, struct weir_error *error)
{
    if (position >= 0) {
        *place_out = (struct weir_consumer_place){.offset = position, .epoch = -1};
        return 0;
    }
    if (position < WEIR_POSITION_COMMITTED) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "position %lld: an offset, or one of WEIR_POSITION_...",
                              (long long)position);
    }
    struct weir_consumer_place place = {.offset = -1, .epoch = -1};
    if (position == WEIR_POSITION_COMMITTED) {
        int rc = weir_committed_offset(consumer->log, consumer->options.group, topic, partition,
                                       topic_id, true, call, &place, error);
        if (rc == 0)
            rc = weir_consumer_check_place(consumer, topic, partition, call, &place, error);
        if (rc < 0) return rc;
    }
    int rc = place.offset >= 0 ? 0
                               : weir_consumer_list_offset(consumer, topic, partition, position,
                                                           call, &place.offset, error);
    if (rc < 0) return rc;
    *place_out = place;
    return 0;
}

static int set_position(struct weir_consumer *consumer, struct weir_consumer_partition *partition,
                        const struct weir_consumer_place *place, struct weir_error *error)
{
    int rc = weir_consumer_stop(consumer, partition, error);
    if (rc < 0) return rc;
    weir_assert(partition->turn.state == WEIR_CONSUMER_IDLE && place->offset >= 0);
    weir_assert(consumer->held.partition != partition);
    partition->position = place->offset;
    partition->epoch = place->epoch;
    weir_consumer_note(partition, (struct weir_consumer_event){.type = WEIR_CONSUMER_SOUGHT});
    return 0;
}

static int assign_one(struct weir_consumer *consumer, const char *topic, int32_t index,
                      int64_t position, const struct weir_topic_facts *facts, const char *call,
                      struct weir_error *error)
{
    struct weir_consumer_place place = {0};
    int rc = weir_partition_check(topic, index, facts->partition_count, error);
    if (rc < 0) return rc;
    rc = resolve(consumer, topic, index, position, facts->id, call, &place, error);
    if (rc < 0) return rc;
    struct weir_consumer_partition *partition = weir_consumer_find(consumer, topic, index);
    if (partition != NULL) {
        rc = set_position(consumer, partition, &place, error);
        if (rc == 0) partition->topic_id = facts->id; /* also of one that was made anew since */
        return rc;
    }
    rc = weir_consumer_add(consumer, topic, index, &partition);
    if (rc < 0) return weir_error_set(error, (enum weir_code)rc, "out of memory");
    partition->position = place.offset;
    partition->epoch = place.epoch;
    partition->topic_id = facts->id;
    return 0;
}

static int begin_assign(struct weir_consumer *consumer, const char *topic, const char *call,
                        struct weir_topic_facts *facts_out, struct weir_error *error)
{
    int rc = weir_log_may_wait(consumer->log, call, error);
    if (rc < 0) return rc;
    return weir_topic_look_up(consumer->log, topic, false, call, facts_out, error);
}

/* The group assigns while there is a subscription. */
static int check_by_hand(const struct weir_consumer *consumer, const char *call,
                         struct weir_error *error)
{
    if (consumer->member == NULL) return 0;
    return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                          "%s: group '%s' assigns partitions to this consumer: weir_consumer_seek "
                          "moves within them, weir_consumer_unsubscribe ends that",
                          call, consumer->options.group);
}

static int place(struct weir_consumer *consumer, const char *topic, int32_t partition,
                 int64_t position, const char *call, struct weir_error *error)
{
    struct weir_topic_facts facts;
    int rc = begin_assign(consumer, topic, call, &facts, error);
    if (rc < 0) return rc;
    return assign_one(consumer, topic, partition, position, &facts, call, error);
}

int weir_consumer_assign(struct weir_consumer *consumer, const char *topic, int32_t partition,
                         int64_t position, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = weir_consumer_enter(consumer, "weir_consumer_assign", error);
    if (rc < 0) return rc;
    rc = check_by_hand(consumer, "weir_consumer_assign", error);
    if (rc == 0) rc = place(consumer, topic, partition, position, "weir_consumer_assign", error);
    return weir_consumer_leave(consumer, rc);
}

int weir_consumer_assign_topic(struct weir_consumer *consumer, const char *topic, int64_t position,
                               struct weir_error *error)
{
    weir_error_clear(error);
    struct weir_topic_facts facts = {0};
    int rc = weir_consumer_enter(consumer, "weir_consumer_assign_topic", error);
    if (rc < 0) return rc;
    rc = check_by_hand(consumer, "weir_consumer_assign_topic", error);
    if (rc == 0) rc = begin_assign(consumer, topic, "weir_consumer_assign_topic", &facts, error);
    if (rc < 0) return weir_consumer_leave(consumer, rc);
    size_t count = consumer->partition_count;
    for (int32_t i = 0; i < facts.partition_count && rc == 0; i++) {
        rc = assign_one(consumer, topic, i, position, &facts, "weir_consumer_assign_topic", error);
    }
    if (rc < 0 && rc != WEIR_CRASHED) remove_last(consumer, count);
    return weir_consumer_leave(consumer, rc);
}

static int not_assigned(const struct weir_consumer *consumer, const char *topic, int32_t partition,
                        struct weir_error *error)
{
    const char *shown = topic != NULL ? topic : "(NULL)";
    if (consumer->member != NULL) {
        return weir_error_set(error, WEIR_NOT_FOUND,
                              "topic '%s' partition %d is not assigned to this member of group "
                              "'%s': the group assigns, and weir_consumer_poll takes it up",
                              shown, (int)partition, consumer->options.group);
    }
    return weir_error_set(error, WEIR_NOT_FOUND,
                          "topic '%s' partition %d is not assigned: weir_consumer_assign does it",
                          shown, (int)partition);
}

int weir_consumer_seek(struct weir_consumer *consumer, const char *topic, int32_t partition,
                       int64_t position, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = weir_consumer_enter(consumer, "weir_consumer_seek", error);
    if (rc < 0) return rc;
    bool is_assigned = weir_consumer_find(consumer, topic, partition) != NULL;
    rc = is_assigned ? place(consumer, topic, partition, position, "weir_consumer_seek", error)
                     : not_assigned(consumer, topic, partition, error);
    return weir_consumer_leave(consumer, rc);
}

int weir_consumer_position(const struct weir_consumer *consumer, const char *topic,
                           int32_t partition, int64_t *offset_out)
{
    /* What it says is unchanged; who is inside is not part of that. */
    struct weir_consumer *entered = (struct weir_consumer *)consumer;
    int rc = weir_consumer_enter(entered, "weir_consumer_position", NULL);
    if (rc < 0) return rc;
    const struct weir_consumer_partition *found = weir_consumer_find(consumer, topic, partition);
    if (found != NULL && offset_out != NULL) *offset_out = found->position;
    return weir_consumer_leave(entered, found != NULL ? 0 : WEIR_NOT_FOUND);
}

/* ---- pause ----------------------------------------------------------------------------------- */

/* What was fetched of a paused partition is dropped: its position stands, and it is read from there again. */
static int set_paused(struct weir_consumer *consumer, const char *topic, int32_t partition,
                      bool is_paused, const char *call, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = weir_consumer_enter(consumer, call, error);
    if (rc < 0) return rc;
    struct weir_consumer_partition *found = weir_consumer_find(consumer, topic, partition);
    if (found == NULL) rc = not_assigned(consumer, topic, partition, error);
    if (rc == 0 && is_paused) rc = weir_log_may_wait(consumer->log, call, error);
    if (rc == 0 && is_paused) rc = weir_consumer_stop(consumer, found, error);
    if (rc == 0) found->is_paused = is_paused;
    return weir_consumer_leave(consumer, rc);
}

int weir_consumer_pause(struct weir_consumer *consumer, const char *topic, int32_t partition,
                        struct weir_error *error)
{
    return set_paused(consumer, topic, partition, true, "weir_consumer_pause", error);
}

int weir_consumer_resume(struct weir_consumer *consumer, const char *topic, int32_t partition,
                         struct weir_error *error)
{
    return set_paused(consumer, topic, partition, false, "weir_consumer_resume", error);
}
