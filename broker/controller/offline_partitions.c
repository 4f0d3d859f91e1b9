#include "broker/controller/offline_partitions.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/controller/offline_step.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"

/* A topic that has partitions which are offline. */
struct weir_offline_topic {
    int32_t count;    /* of them; at least one */
    int32_t capacity; /* partitions that `flags` has room for */
    bool *flags;      /* by partition */
    size_t name_size;
    uint8_t name[WEIR_TOPIC_NAME_SIZE_MAX];
};

/* From a shard to the controller. */
struct weir_offline_news {
    struct weir_message message;    /* first */
    struct weir_offline_news *next; /* in `unkept` */
    struct weir_offline_partitions *to;
    struct weir_engine *engine;
    uint8_t topic[WEIR_TOPIC_NAME_SIZE_MAX];
    size_t topic_size;
    int32_t number;
    struct weir_uuid topic_id;
    bool is_offline;
    int64_t from_offset;
    char reason[WEIR_ERROR_TEXT_SIZE];
};

/* ---- the set --------------------------------------------------------------------------------- */

static struct weir_offline_topic *find(const struct weir_offline_partitions *offline,
                                       struct weir_slice topic)
{
    if (weir_map_count(&offline->topics) == 0) return NULL;
    return weir_map_get(&offline->topics, topic);
}

const struct weir_offline_topic *weir_offline_of(const struct weir_offline_partitions *offline,
                                                 struct weir_slice topic)
{
    return find(offline, topic);
}

bool weir_offline_has(const struct weir_offline_topic *topic, int32_t partition)
{
    return topic != NULL && partition < topic->capacity && topic->flags[partition];
}

static void free_topic(struct weir_offline_partitions *offline, struct weir_offline_topic *topic)
{
    (void)weir_map_remove(&offline->topics, weir_slice(topic->name, topic->name_size));
    weir_free(topic->flags);
    weir_free(topic);
}

/* NULL without memory. */
static struct weir_offline_topic *add_topic(struct weir_offline_partitions *offline,
                                            struct weir_slice name)
{
    struct weir_offline_topic *topic = weir_alloc_zero(offline->topics.budget, sizeof *topic);
    weir_assert(name.size <= sizeof topic->name);
    if (topic == NULL) return NULL;
    memcpy(topic->name, name.data, name.size);
    topic->name_size = name.size;
    if (weir_map_add(&offline->topics, weir_slice(topic->name, name.size), topic) < 0) {
        weir_free(topic);
        return NULL;
    }
    return topic;
}

/* False without memory. */
static bool reserve(struct weir_offline_partitions *offline, struct weir_offline_topic *topic,
                    int32_t partition)
{
    if (partition < topic->capacity) return true;
    int32_t capacity = (partition / 64 + 1) * 64;
    bool *flags = weir_realloc(offline->topics.budget, topic->flags, (size_t)capacity);
    if (flags == NULL) return false;
    memset(flags + topic->capacity, 0, (size_t)(capacity - topic->capacity));
    topic->flags = flags;
    topic->capacity = capacity;
    return true;
}

static int add(struct weir_offline_partitions *offline, struct weir_slice name, int32_t partition)
{
    struct weir_offline_topic *topic = find(offline, name);
    if (topic == NULL) topic = add_topic(offline, name);
    if (topic == NULL) return WEIR_NO_MEMORY;
    if (!reserve(offline, topic, partition)) {
        if (topic->count == 0) free_topic(offline, topic);
        return WEIR_NO_MEMORY;
    }
    weir_assert(!topic->flags[partition]);
    topic->flags[partition] = true;
    topic->count++;
    weir_counter_add(&offline->count, 1);
    return 0;
}

static void take_out(struct weir_offline_partitions *offline, struct weir_slice name,
                     int32_t partition)
{
    struct weir_offline_topic *topic = find(offline, name);
    weir_assert(weir_offline_has(topic, partition));
    topic->flags[partition] = false;
    topic->count--;
    if (topic->count == 0) free_topic(offline, topic);
    weir_counter_add(&offline->count, -1);
}

/* ---- news ------------------------------------------------------------------------------------ */

static void say_offline(const struct weir_offline_news *news)
{
    char reason[2 * sizeof news->reason];
    weir_log(&news->engine->env->logger, WEIR_LOG_ERROR, "partition.offline",
             "topic=%.*s partition=%d from_offset=%lld reason=%s", (int)news->topic_size,
             (const char *)news->topic, news->number, (long long)news->from_offset,
             weir_log_quote(reason, sizeof reason, news->reason));
}

static void say_online(const struct weir_offline_news *news)
{
    weir_log(&news->engine->env->logger, WEIR_LOG_INFO, "partition.online",
             "topic=%.*s partition=%d", (int)news->topic_size, (const char *)news->topic,
             news->number);
}

/* News of a topic that has been deleted meanwhile is none. */
static bool is_stale(const struct weir_offline_news *news)
{
    bool is_metadata = weir_slice_equal(weir_slice(news->topic, news->topic_size),
                                        weir_text(WEIR_CLUSTER_METADATA_TOPIC));
    return !is_metadata && weir_metadata_topic_by_id(news->to->image, news->topic_id) == NULL;
}

static bool is_of_same(const struct weir_offline_news *a, const struct weir_offline_news *b)
{
    return a->number == b->number && weir_slice_equal(weir_slice(a->topic, a->topic_size),
                                                      weir_slice(b->topic, b->topic_size));
}

/* The link to what waits of the same partition; to NULL if nothing does. */
static struct weir_offline_news **find_unkept(struct weir_offline_partitions *offline,
                                              const struct weir_offline_news *news)
{
    struct weir_offline_news **at = &offline->unkept;
    while (*at != NULL && !is_of_same(*at, news))
        at = &(*at)->next;
    return at;
}

static void drop(struct weir_offline_news **at)
{
    struct weir_offline_news *old = *at;
    *at = old->next;
    weir_free(old);
}

static enum weir_offline state_of(struct weir_offline_partitions *offline,
                                  const struct weir_offline_news *news)
{
    struct weir_slice topic = weir_slice(news->topic, news->topic_size);
    if (weir_offline_has(find(offline, topic), news->number)) return WEIR_OFFLINE_KEPT;
    return *find_unkept(offline, news) != NULL ? WEIR_OFFLINE_UNKEPT : WEIR_OFFLINE_ONLINE;
}

/* Take the news as an event of this type, and do what comes of it. True if it waits for memory. */
static bool take(struct weir_offline_partitions *offline, const struct weir_offline_news *news,
                 enum weir_offline_event_type type)
{
    struct weir_slice topic = weir_slice(news->topic, news->topic_size);
    enum weir_offline state = state_of(offline, news);
    struct weir_offline_event event = {.type = type, .is_stale = is_stale(news)};
    struct weir_offline_update update;
    weir_offline_step(&state, &event, &update);
    if (update.drops_older) drop(find_unkept(offline, news));
    if (update.keeps) {
        event.type = WEIR_OFFLINE_WAS_KEPT;
        event.rc = add(offline, topic, news->number);
        weir_offline_step(&state, &event, &update);
    }
    if (update.lets_go) take_out(offline, topic, news->number);
    if (update.says_offline) say_offline(news);
    if (update.says_online) say_online(news);
    return update.waits;
}

static void arrive(struct weir_message *message)
{
    struct weir_offline_news *news = (struct weir_offline_news *)message;
    struct weir_engine *engine = news->engine;
    struct weir_offline_partitions *offline = news->to;
    if (take(offline, news, news->is_offline ? WEIR_OFFLINE_IS_TOLD : WEIR_OFFLINE_OVER_IS_TOLD)) {
        news->next = offline->unkept;
        offline->unkept = news;
    } else {
        weir_free(news);
    }
    weir_serving_release(&engine->serving);
}

void weir_offline_run(struct weir_offline_partitions *offline)
{
    while (offline->unkept != NULL && !take(offline, offline->unkept, WEIR_OFFLINE_TURN))
        drop(&offline->unkept);
}

void weir_offline_init(struct weir_offline_partitions *offline,
                       const struct weir_metadata_image *image)
{
    *offline = (struct weir_offline_partitions){.image = image};
    weir_map_init(&offline->topics, image->budget);
}

void weir_offline_close(struct weir_offline_partitions *offline)
{
    size_t at = 0;
    struct weir_offline_topic *topic;
    if (offline->topics.budget == NULL) return;
    while (offline->unkept != NULL)
        drop(&offline->unkept);
    while ((topic = weir_map_next(&offline->topics, &at)) != NULL)
        free_topic(offline, topic);
    weir_map_close(&offline->topics);
    *offline = (struct weir_offline_partitions){0};
}

void weir_offline_forget(struct weir_offline_partitions *offline, struct weir_slice topic,
                         int32_t partition_count)
{
    for (int32_t i = 0; i < partition_count && find(offline, topic) != NULL; i++) {
        bool is_kept = weir_offline_has(find(offline, topic), i);
        enum weir_offline state = is_kept ? WEIR_OFFLINE_KEPT : WEIR_OFFLINE_ONLINE;
        struct weir_offline_event event = {.type = WEIR_OFFLINE_TOPIC_GONE};
        struct weir_offline_update update;
        weir_offline_step(&state, &event, &update);
        if (update.lets_go) take_out(offline, topic, i);
    }
}

/* ---- the shard ------------------------------------------------------------------------------- */

static struct weir_offline_news *news_new(struct weir_offline_partitions *offline,
                                          const struct weir_partition *partition)
{
    struct weir_engine *engine = partition->shard->engine;
    struct weir_offline_news *news = weir_alloc_zero(&engine->budget, sizeof *news);
    if (news == NULL) return NULL;
    news->message.handle = arrive;
    news->to = offline;
    news->engine = engine;
    memcpy(news->topic, partition->topic.data, partition->topic.size);
    news->topic_size = partition->topic.size;
    news->number = partition->number;
    news->topic_id = partition->topic_id;
    return news;
}

static void send(struct weir_offline_news *news)
{
    weir_serving_hold(&news->engine->serving);
    weir_actor_post(news->engine->shards[0].actor, &news->message);
}

int weir_offline_tell(struct weir_offline_partitions *offline, struct weir_partition *partition,
                      int64_t from_offset, const char *reason)
{
    struct weir_offline_news *news = news_new(offline, partition);
    if (news == NULL) return WEIR_NO_MEMORY;
    atomic_store(&offline->had_any, true);
    news->is_offline = true;
    news->from_offset = from_offset;
    (void)snprintf(news->reason, sizeof news->reason, "%s", reason);
    send(news);
    return 0;
}

/* Of ten thousand partitions that open well nobody is told as long as none has not. */
void weir_offline_tell_over(struct weir_offline_partitions *offline,
                            struct weir_partition *partition)
{
    if (!atomic_load(&offline->had_any)) return;
    struct weir_offline_news *news = news_new(offline, partition);
    if (news != NULL) send(news);
}
