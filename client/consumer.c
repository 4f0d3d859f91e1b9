/** What a consumer reads, and from where. How it works: consumer_internal.h. */
#include "client/consumer_internal.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/grow.h"
#include "base/options.h"
#include "wire/topic_names.h"

enum { FETCH_MAX_BYTES_DEFAULT = 1 << 20, KEY_SIZE_MAX = 4 + WEIR_TOPIC_NAME_SIZE_MAX };

/* ---- new and close --------------------------------------------------------------------------- */

static void free_consumer(struct weir_consumer *consumer)
{
    weir_assert(consumer->held.partition == NULL);
    for (size_t i = 0; i < consumer->partition_count; i++) {
        weir_assert(consumer->partitions[i]->turn.state == WEIR_CONSUMER_IDLE);
        weir_free(consumer->partitions[i]);
    }
    weir_free(consumer->partitions);
    weir_map_close(&consumer->by_name);
    weir_arena_close(&consumer->headers);
    weir_buffer_close(&consumer->plain);
    weir_free(consumer->records);
    weir_free((void *)consumer->options.group);
    consumer->magic = 0;
    weir_free(consumer);
}

static struct weir_consumer *make_consumer(struct weir_log *log,
                                           const struct weir_consumer_options *options)
{
    struct weir_consumer *consumer = weir_alloc_zero(&log->budget, sizeof *consumer);
    if (consumer == NULL) return NULL;
    consumer->log = log;
    consumer->options = *options;
    consumer->options.group = NULL;
    weir_map_init(&consumer->by_name, &log->budget);
    weir_arena_init(&consumer->headers, &log->budget, 0);
    weir_buffer_init(&consumer->plain, &log->budget, 0);
    consumer->records =
        weir_alloc(&log->budget, WEIR_CONSUMER_RECORDS_MAX * sizeof(struct weir_record));
    if (options->group != NULL) {
        consumer->options.group =
            weir_alloc_text(&log->budget, options->group, strlen(options->group));
    }
    if (consumer->records == NULL || (options->group != NULL && consumer->options.group == NULL)) {
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
    if (rc < 0) return NULL;
    if (taken.group != NULL && taken.group[0] == '\0') {
        weir_error_set(error, WEIR_INVALID_ARGUMENT,
                       "new consumer: the group's name is empty; NULL is for no group");
        return NULL;
    }
    if (taken.fetch_max_bytes == 0) taken.fetch_max_bytes = FETCH_MAX_BYTES_DEFAULT;
    struct weir_consumer *consumer = make_consumer(log, &taken);
    if (consumer == NULL) {
        weir_error_set(error, WEIR_NO_MEMORY, "new consumer: out of memory");
        return NULL;
    }
    atomic_fetch_add(&log->consumer_count, 1);
    return consumer;
}

int weir_consumer_close(struct weir_consumer *consumer, struct weir_error *error)
{
    if (consumer == NULL) return 0;
    int rc = weir_consumer_enter(consumer, "weir_consumer_close", error);
    if (rc < 0) return rc;
    rc = weir_log_may_wait(consumer->log, "weir_consumer_close", error);
    if (rc == 0) rc = weir_consumer_stop(consumer, NULL, error);
    if (rc < 0) return weir_consumer_leave(consumer, rc);
    struct weir_log *log = consumer->log;
    free_consumer(consumer);
    atomic_fetch_sub(&log->consumer_count, 1); /* last: a weir_close that sees none frees the log */
    return 0;
}

/* ---- partitions ------------------------------------------------------------------------------ */

static struct weir_slice make_key(uint8_t key[KEY_SIZE_MAX], const char *topic, int32_t partition)
{
    size_t size = strnlen(topic, WEIR_TOPIC_NAME_SIZE_MAX);
    weir_store_u32(key, (uint32_t)partition);
    memcpy(key + 4, topic, size);
    return weir_slice(key, 4 + size);
}

static struct weir_consumer_partition *find(const struct weir_consumer *consumer, const char *topic,
                                            int32_t partition)
{
    uint8_t key[KEY_SIZE_MAX];
    if (topic == NULL) return NULL;
    return weir_map_get(&consumer->by_name, make_key(key, topic, partition));
}

static bool reserve_one(struct weir_consumer *consumer)
{
    if (consumer->partition_count < consumer->partition_capacity) return true;
    size_t capacity = weir_grown(consumer->partition_capacity, 8);
    struct weir_consumer_partition **partitions =
        weir_realloc(&consumer->log->budget, consumer->partitions, capacity * sizeof *partitions);
    if (partitions == NULL) return false;
    consumer->partitions = partitions;
    consumer->partition_capacity = capacity;
    return true;
}

static int add(struct weir_consumer *consumer, const char *topic, int32_t index,
               const struct weir_consumer_place *place)
{
    uint8_t bytes[KEY_SIZE_MAX];
    weir_assert(index >= 0 && place->offset >= 0);
    weir_assert(find(consumer, topic, index) == NULL);
    struct weir_slice key = make_key(bytes, topic, index);
    struct weir_consumer_partition *partition =
        weir_alloc_zero(&consumer->log->budget, sizeof *partition + key.size + 1);
    if (partition == NULL || !reserve_one(consumer)) goto out;
    uint8_t *copy = (uint8_t *)(partition + 1);
    memcpy(copy, key.data, key.size); /* the NUL behind the topic is there already */
    partition->consumer = consumer;
    partition->key = weir_slice(copy, key.size);
    partition->topic = (const char *)copy + 4;
    partition->turn.topic = partition->topic;
    partition->index = index;
    partition->position = place->offset;
    partition->epoch = place->epoch;
    if (weir_map_add(&consumer->by_name, partition->key, partition) < 0) goto out;
    consumer->partitions[consumer->partition_count++] = partition;
    return 0;
out:
    weir_free(partition);
    return WEIR_NO_MEMORY;
}

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

/* ---- positions ------------------------------------------------------------------------------- */

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
                                       topic_id, call, &place, error);
        if (rc == 0)
            rc = weir_consumer_check_place(consumer, topic, partition, call, &place, error);
        if (rc < 0) return rc;
    }
    int64_t start = 0;
    int64_t end = 0;
    bool is_known = place.offset >= 0;
    int rc =
        is_known ? 0 : weir_topic_offsets(consumer->log, topic, partition, &start, &end, error);
    if (rc < 0) return rc;
    if (!is_known) place.offset = position == WEIR_POSITION_END ? end : start;
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
    struct weir_consumer_partition *partition = find(consumer, topic, index);
    if (partition != NULL) return set_position(consumer, partition, &place, error);
    rc = add(consumer, topic, index, &place);
    return rc < 0 ? weir_error_set(error, (enum weir_code)rc, "out of memory") : 0;
}

static int begin_assign(struct weir_consumer *consumer, const char *topic, const char *call,
                        struct weir_topic_facts *facts_out, struct weir_error *error)
{
    int rc = weir_log_may_wait(consumer->log, call, error);
    if (rc < 0) return rc;
    return weir_topic_look_up(consumer->log, topic, false, call, facts_out, error);
}

int weir_consumer_assign(struct weir_consumer *consumer, const char *topic, int32_t partition,
                         int64_t position, struct weir_error *error)
{
    weir_error_clear(error);
    struct weir_topic_facts facts;
    int rc = weir_consumer_enter(consumer, "weir_consumer_assign", error);
    if (rc < 0) return rc;
    rc = begin_assign(consumer, topic, "weir_consumer_assign", &facts, error);
    if (rc == 0) {
        rc =
            assign_one(consumer, topic, partition, position, &facts, "weir_consumer_assign", error);
    }
    return weir_consumer_leave(consumer, rc);
}

int weir_consumer_assign_topic(struct weir_consumer *consumer, const char *topic, int64_t position,
                               struct weir_error *error)
{
    weir_error_clear(error);
    struct weir_topic_facts facts = {0};
    int rc = weir_consumer_enter(consumer, "weir_consumer_assign_topic", error);
    if (rc < 0) return rc;
    rc = begin_assign(consumer, topic, "weir_consumer_assign_topic", &facts, error);
    if (rc < 0) return weir_consumer_leave(consumer, rc);
    size_t count = consumer->partition_count;
    for (int32_t i = 0; i < facts.partition_count && rc == 0; i++) {
        rc = assign_one(consumer, topic, i, position, &facts, "weir_consumer_assign_topic", error);
    }
    if (rc < 0 && rc != WEIR_CRASHED) remove_last(consumer, count);
    return weir_consumer_leave(consumer, rc);
}

static int not_assigned(const char *topic, int32_t partition, struct weir_error *error)
{
    return weir_error_set(error, WEIR_NOT_FOUND,
                          "topic '%s' partition %d is not assigned: weir_consumer_assign does it",
                          topic != NULL ? topic : "(NULL)", (int)partition);
}

int weir_consumer_seek(struct weir_consumer *consumer, const char *topic, int32_t partition,
                       int64_t position, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = weir_consumer_enter(consumer, "weir_consumer_seek", error);
    if (rc < 0) return rc;
    bool is_assigned = find(consumer, topic, partition) != NULL;
    rc = is_assigned ? weir_consumer_assign(consumer, topic, partition, position, error)
                     : not_assigned(topic, partition, error);
    return weir_consumer_leave(consumer, rc);
}

int weir_consumer_position(const struct weir_consumer *consumer, const char *topic,
                           int32_t partition, int64_t *offset_out)
{
    /* What it says is unchanged; who is inside is not part of that. */
    struct weir_consumer *entered = (struct weir_consumer *)consumer;
    int rc = weir_consumer_enter(entered, "weir_consumer_position", NULL);
    if (rc < 0) return rc;
    const struct weir_consumer_partition *found = find(consumer, topic, partition);
    if (found != NULL && offset_out != NULL) *offset_out = found->position;
    return weir_consumer_leave(entered, found != NULL ? 0 : WEIR_NOT_FOUND);
}
