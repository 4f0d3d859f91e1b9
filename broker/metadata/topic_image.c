#include "broker/metadata/topic_image.h"

#include <stdatomic.h>
#include <string.h>

#include "base/grow.h"

/* ---- memory ---------------------------------------------------------------------------------- */

static void topic_free(struct weir_topic_image *topic)
{
    weir_config_overrides_close(&topic->configs);
    weir_free(topic->partitions);
    weir_free(topic->folded_text);
    weir_free(topic->name);
    weir_free(topic);
}

void weir_topic_image_ref(struct weir_topic_image *topic)
{
    atomic_fetch_add(&topic->references, 1);
}

void weir_topic_image_unref(struct weir_topic_image *topic)
{
    if (atomic_fetch_sub(&topic->references, 1) == 1) topic_free(topic);
}

struct weir_topic_image *weir_topic_image_new(struct weir_budget *budget, struct weir_slice name,
                                              struct weir_uuid id)
{
    struct weir_topic_image *topic = weir_alloc_zero(budget, sizeof *topic);
    if (topic == NULL) return NULL;
    atomic_init(&topic->references, 1);
    topic->id = id;
    topic->name = weir_alloc_text(budget, (const char *)name.data, name.size);
    bool is_folded = memchr(name.data, '.', name.size) == NULL;
    if (!is_folded) topic->folded_text = weir_alloc(budget, name.size);
    if (topic->name == NULL || (!is_folded && topic->folded_text == NULL)) {
        topic_free(topic);
        return NULL;
    }
    topic->name_slice = weir_slice(topic->name, name.size);
    topic->folded = topic->name_slice;
    if (is_folded) return topic;
    weir_topic_name_fold(name, topic->folded_text);
    topic->folded = weir_slice(topic->folded_text, name.size);
    return topic;
}

static bool copy_partitions(struct weir_budget *budget, const struct weir_topic_image *from,
                            struct weir_topic_image *to)
{
    size_t size = (size_t)from->partition_count * sizeof *to->partitions;
    if (size == 0) return true;
    to->partitions = weir_alloc(budget, size);
    if (to->partitions == NULL) return false;
    memcpy(to->partitions, from->partitions, size);
    to->partition_count = to->partition_capacity = from->partition_count;
    return true;
}

struct weir_topic_image *weir_topic_image_copy(struct weir_budget *budget,
                                               const struct weir_topic_image *topic)
{
    struct weir_topic_image *copy = weir_topic_image_new(budget, topic->name_slice, topic->id);
    if (copy == NULL) return NULL;
    bool is_copied = weir_config_overrides_copy(budget, &topic->configs, &copy->configs) == 0;
    if (is_copied && copy_partitions(budget, topic, copy)) return copy;
    topic_free(copy);
    return NULL;
}

/* ---- changes --------------------------------------------------------------------------------- */

/* Make room for one more element of `size` bytes; false when memory is out. */
static bool grow(struct weir_budget *budget, void **array, size_t count, size_t *capacity,
                 size_t size)
{
    if (count < *capacity) return true;
    size_t wanted = weir_grown(*capacity, 4);
    void *grown = weir_realloc(budget, *array, wanted * size);
    if (grown == NULL) return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

int weir_topic_image_add_partition(struct weir_budget *budget, struct weir_topic_image *topic,
                                   const struct weir_partition_image *partition)
{
    size_t capacity = (size_t)topic->partition_capacity;
    if (!grow(budget, (void **)&topic->partitions, (size_t)topic->partition_count, &capacity,
              sizeof *topic->partitions)) {
        return WEIR_NO_MEMORY;
    }
    topic->partition_capacity = (int32_t)capacity;
    topic->partitions[topic->partition_count++] = *partition;
    return 0;
}

int weir_topic_image_set_config(struct weir_budget *budget, struct weir_topic_image *topic,
                                struct weir_slice key, struct weir_slice value)
{
    return weir_config_overrides_set(budget, &topic->configs, key, value);
}

/* ---- settings -------------------------------------------------------------------------------- */

void weir_topic_config_keep_own(struct weir_slice topic, struct weir_topic_config *config)
{
    if (weir_topic_name_is_internal(topic)) config->flush_policy = WEIR_FLUSH_GROUP;
}

struct weir_topic_config weir_topic_image_config(const struct weir_topic_image *topic,
                                                 const struct weir_topic_config *defaults)
{
    struct weir_topic_config config = *defaults;
    for (size_t i = 0; i < topic->configs.count; i++) {
        const struct weir_config_override *own = &topic->configs.rows[i];
        /* It was checked when it was set; a later version's key says nothing to this one. */
        (void)weir_topic_config_set(&config, own->key, own->value, NULL);
    }
    weir_topic_config_keep_own(topic->name_slice, &config);
    return config;
}
