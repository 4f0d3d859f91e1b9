#include "broker/metadata/metadata_image.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"

/* ---- topics ---------------------------------------------------------------------------------- */

static void ref(void *topic)
{
    weir_topic_image_ref(topic);
}

static void unref(void *topic)
{
    weir_topic_image_unref(topic);
}

static struct weir_slice name_key(const void *value)
{
    return ((const struct weir_topic_image *)value)->name_slice;
}

static struct weir_slice id_key(const void *value)
{
    return weir_uuid_slice(&((const struct weir_topic_image *)value)->id);
}

static struct weir_slice folded_key(const void *value)
{
    return ((const struct weir_topic_image *)value)->folded;
}

static const struct weir_hamt_ops ops[WEIR_TOPICS_BY_COUNT] = {
    [WEIR_TOPICS_BY_NAME] = {name_key, ref, unref, weir_hash_seeded},
    [WEIR_TOPICS_BY_ID] = {id_key, ref, unref, weir_hash_seeded},
    [WEIR_TOPICS_BY_FOLDED_NAME] = {folded_key, ref, unref, weir_hash_seeded},
};

static uint64_t edition_of(const struct weir_metadata_image *image)
{
    return image->topics[0].edition; /* they are shared together */
}

/* Is the topic what this trie has by `key`, which is its own? Another one may have taken its folded name. */
static bool has(const struct weir_metadata_image *image, size_t by, struct weir_slice key,
                const struct weir_topic_image *topic)
{
    return weir_hamt_get(&image->topics[by], key) == topic;
}

/* A topic that is there may be replaced or removed without memory until the next version. */
static int prepare(struct weir_metadata_image *image, const struct weir_topic_image *topic)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < WEIR_TOPICS_BY_COUNT; i++) {
        struct weir_slice key = ops[i].key(topic);
        if (has(image, i, key, topic)) rc = weir_hamt_prepare(&image->topics[i], key);
    }
    return rc;
}

/* The topic, for this image alone to change: in its place in the tries is a copy, unless it has been made
 * since the last version; `topic` may be gone then. NULL without memory: nothing has changed. */
static struct weir_topic_image *own_topic(struct weir_metadata_image *image,
                                          struct weir_topic_image *topic)
{
    if (topic->edition == edition_of(image)) return topic;
    if (prepare(image, topic) < 0) return NULL;
    struct weir_topic_image *copy = weir_topic_image_copy(image->budget, topic);
    if (copy == NULL) return NULL;
    copy->edition = edition_of(image);
    for (size_t i = 0; i < WEIR_TOPICS_BY_COUNT; i++) {
        if (!has(image, i, ops[i].key(copy), topic)) continue;
        int rc = weir_hamt_put(&image->topics[i], copy);
        weir_assert(rc == 0); /* prepared */
    }
    weir_topic_image_unref(copy);
    return copy;
}

static struct weir_topic_image *topic_by_id(const struct weir_metadata_image *image,
                                            struct weir_uuid id)
{
    return weir_hamt_get(&image->topics[WEIR_TOPICS_BY_ID], weir_uuid_slice(&id));
}

static int unknown_topic(struct weir_uuid id, const char *what, struct weir_error *error)
{
    char text[WEIR_UUID_TEXT_SIZE];
    return weir_error_set(error, WEIR_CORRUPT, "a %s record names topic id %s, which is not there",
                          what, weir_uuid_print(id, text));
}

/* ---- groups ---------------------------------------------------------------------------------- */

static void ref_group(void *group)
{
    weir_group_image_ref(group);
}

static void unref_group(void *group)
{
    weir_group_image_unref(group);
}

static struct weir_slice group_key(const void *value)
{
    return ((const struct weir_group_image *)value)->name;
}

static const struct weir_hamt_ops group_ops = {group_key, ref_group, unref_group, weir_hash_seeded};

/* ---- one function per record type ------------------------------------------------------------ */

static int apply_register_broker(struct weir_metadata_machine *machine,
                                 const struct weir_metadata_record *record,
                                 struct weir_error *error)
{
    struct weir_metadata_image *image = &machine->image;
    (void)error;
    struct weir_uuid incarnation = record->register_broker.incarnation_id;
    if (image->is_registered && !weir_uuid_equal(image->incarnation_id, incarnation)) {
        image->raises++;
    }
    image->incarnation_id = incarnation;
    image->is_registered = true;
    return 0;
}

/* Into all tries, or none. */
static int add_topic(struct weir_metadata_image *image, struct weir_topic_image *topic)
{
    for (size_t i = 0; i < WEIR_TOPICS_BY_COUNT; i++) {
        int rc = weir_hamt_put(&image->topics[i], topic);
        if (rc == 0) continue;
        while (i-- > 0)
            (void)weir_hamt_remove(&image->topics[i], ops[i].key(topic)); /* just put */
        return rc;
    }
    return 0;
}

static int apply_topic(struct weir_metadata_machine *machine,
                       const struct weir_metadata_record *record, struct weir_error *error)
{
    struct weir_metadata_image *image = &machine->image;
    int rc = weir_topic_name_check(record->topic.name, error);
    if (rc < 0) return weir_error_set(error, WEIR_CORRUPT, "a topic record has an illegal name");

    struct weir_slice name = record->topic.name;
    if (weir_hamt_get(&image->topics[WEIR_TOPICS_BY_NAME], name) != NULL ||
        topic_by_id(image, record->topic.id) != NULL) {
        return weir_error_set(error, WEIR_CORRUPT, "topic '%.*s' is created a second time",
                              (int)name.size, (const char *)name.data);
    }
    struct weir_topic_image *topic = weir_topic_image_new(image->budget, name, record->topic.id);
    if (topic == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "remember a topic");
    topic->edition = edition_of(image);
    rc = add_topic(image, topic);
    if (rc < 0) (void)weir_error_set(error, WEIR_NO_MEMORY, "remember topic '%s'", topic->name);
    weir_topic_image_unref(topic);
    return rc;
}

static int apply_partition(struct weir_metadata_machine *machine,
                           const struct weir_metadata_record *record, struct weir_error *error)
{
    struct weir_metadata_image *image = &machine->image;
    struct weir_topic_image *topic = topic_by_id(image, record->partition.topic_id);
    if (topic == NULL) return unknown_topic(record->partition.topic_id, "partition", error);
    if (record->partition.partition != topic->partition_count ||
        record->partition.leader_epoch < 0) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "topic '%s' has %d partitions, and then comes partition %d, epoch %d",
                              topic->name, topic->partition_count, record->partition.partition,
                              record->partition.leader_epoch);
    }
    struct weir_partition_image partition = {
        .given_epoch = record->partition.leader_epoch,
        .raises_then = image->raises,
        .directory_id = record->partition.directory_id,
    };
    struct weir_topic_image *own = own_topic(image, topic);
    if (own != NULL && weir_topic_image_add_partition(image->budget, own, &partition) == 0) {
        return 0;
    }
    return weir_error_set(error, WEIR_NO_MEMORY, "remember a partition of '%s'",
                          own != NULL ? own->name : topic->name);
}

static int apply_partition_change(struct weir_metadata_machine *machine,
                                  const struct weir_metadata_record *record,
                                  struct weir_error *error)
{
    struct weir_metadata_image *image = &machine->image;
    struct weir_topic_image *topic = topic_by_id(image, record->partition_change.topic_id);
    if (topic == NULL) {
        return unknown_topic(record->partition_change.topic_id, "partition change", error);
    }
    int32_t partition = record->partition_change.partition;
    if (partition < 0 || partition >= topic->partition_count) {
        return weir_error_set(error, WEIR_CORRUPT, "partition %d of '%s' changes, it has only %d",
                              partition, topic->name, topic->partition_count);
    }
    topic = own_topic(image, topic);
    if (topic == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "change a partition");
    struct weir_partition_image *changed = &topic->partitions[partition];
    if (record->partition_change.leader != WEIR_NO_LEADER_CHANGE) changed->given_epoch++;
    if (!weir_uuid_is_zero(record->partition_change.directory_id)) {
        changed->directory_id = record->partition_change.directory_id;
    }
    return 0;
}

/* Kept as C strings: what has a NUL inside was not written by us. */
static bool is_text(struct weir_slice text)
{
    return text.size == 0 || memchr(text.data, 0, text.size) == NULL;
}

static int set_group(struct weir_metadata_image *image, const struct weir_group_image *old,
                     struct weir_group_image *changed)
{
    if (changed->configs.count > 0) return weir_hamt_put(&image->groups, changed);
    if (old == NULL) return 0;
    int rc = weir_hamt_remove(&image->groups, changed->name);
    return rc < 0 ? rc : 0;
}

/* A group need not be there to have settings, as in Kafka; one that has none any more is not kept. */
static int apply_group_config(struct weir_metadata_image *image,
                              const struct weir_metadata_record *record, struct weir_error *error)
{
    struct weir_slice name = record->config.resource;
    const struct weir_group_image *old = weir_hamt_get(&image->groups, name);
    struct weir_group_image *changed =
        weir_group_image_with(image->budget, old, name, record->config.key, record->config.value);
    int rc = changed != NULL ? set_group(image, old, changed) : WEIR_NO_MEMORY;
    if (changed != NULL) weir_group_image_unref(changed);
    if (rc == 0) return 0;
    return weir_error_set(error, WEIR_NO_MEMORY, "remember a config of group '%.*s'",
                          (int)name.size, (const char *)name.data);
}

static int apply_config(struct weir_metadata_machine *machine,
                        const struct weir_metadata_record *record, struct weir_error *error)
{
    struct weir_metadata_image *image = &machine->image;
    bool is_group = record->config.resource_type == WEIR_RESOURCE_GROUP;
    if (record->config.resource_type != WEIR_RESOURCE_TOPIC && !is_group) {
        image->records_skipped++;
        return 0;
    }
    if (!is_text(record->config.key) || !is_text(record->config.value)) {
        return weir_error_set(error, WEIR_CORRUPT, "a config record of '%.*s' has a NUL inside",
                              (int)record->config.resource.size,
                              (const char *)record->config.resource.data);
    }
    if (is_group) return apply_group_config(image, record, error);
    struct weir_topic_image *topic =
        weir_hamt_get(&image->topics[WEIR_TOPICS_BY_NAME], record->config.resource);
    if (topic == NULL) {
        return weir_error_set(
            error, WEIR_CORRUPT, "a config record names topic '%.*s', which is not there",
            (int)record->config.resource.size, (const char *)record->config.resource.data);
    }
    topic = own_topic(image, topic);
    if (topic != NULL && weir_topic_image_set_config(image->budget, topic, record->config.key,
                                                     record->config.value) == 0) {
        return 0;
    }
    return weir_error_set(error, WEIR_NO_MEMORY, "remember a config of '%.*s'",
                          (int)record->config.resource.size,
                          (const char *)record->config.resource.data);
}

static struct weir_removed_topic *removed_new(struct weir_budget *budget,
                                              const struct weir_topic_image *topic)
{
    struct weir_removed_topic *removed = weir_alloc_zero(budget, sizeof *removed);
    char *name = weir_alloc_text(budget, topic->name, topic->name_slice.size);
    if (removed == NULL || name == NULL) {
        weir_free(removed);
        weir_free(name);
        return NULL;
    }
    removed->name = name;
    removed->id = topic->id;
    removed->partition_count = topic->partition_count;
    return removed;
}

/* Prepared: it goes. */
static void remove_topic(struct weir_metadata_image *image, const struct weir_topic_image *topic)
{
    struct weir_topic_image *held =
        weir_hamt_get(&image->topics[WEIR_TOPICS_BY_NAME], topic->name_slice);
    weir_assert(held == topic);
    weir_topic_image_ref(held); /* its keys are needed to the end */
    for (size_t i = 0; i < WEIR_TOPICS_BY_COUNT; i++) {
        struct weir_slice key = ops[i].key(held);
        if (has(image, i, key, held)) (void)weir_hamt_remove(&image->topics[i], key);
    }
    weir_topic_image_unref(held);
}

static int apply_remove_topic(struct weir_metadata_machine *machine,
                              const struct weir_metadata_record *record, struct weir_error *error)
{
    struct weir_metadata_image *image = &machine->image;
    struct weir_slice id = weir_uuid_slice(&record->remove_topic.topic_id);
    const struct weir_topic_image *topic = weir_hamt_get(&image->topics[WEIR_TOPICS_BY_ID], id);
    if (topic == NULL) return unknown_topic(record->remove_topic.topic_id, "remove topic", error);
    int rc = prepare(image, topic);
    struct weir_removed_topic *removed = NULL;
    if (rc == 0 && machine->keeps_removed) {
        removed = removed_new(image->budget, topic);
        if (removed == NULL) rc = WEIR_NO_MEMORY;
    }
    if (rc < 0) return weir_error_set(error, WEIR_NO_MEMORY, "remove topic '%s'", topic->name);
    if (removed != NULL) {
        removed->next = machine->removed;
        machine->removed = removed;
    }
    remove_topic(image, topic);
    return 0;
}

static int apply_feature_level(struct weir_metadata_machine *machine,
                               const struct weir_metadata_record *record, struct weir_error *error)
{
    struct weir_metadata_image *image = &machine->image;
    if (!weir_slice_equal(record->feature_level.name, weir_text(WEIR_METADATA_FEATURE))) {
        image->records_skipped++;
        return 0;
    }
    if (record->feature_level.level > WEIR_METADATA_LEVEL_MAX) {
        return weir_error_set(
            error, WEIR_UNSUPPORTED_VERSION, "the metadata has %s %d; this version reads up to %d",
            WEIR_METADATA_FEATURE, record->feature_level.level, WEIR_METADATA_LEVEL_MAX);
    }
    image->level = record->feature_level.level;
    return 0;
}

static int apply_producer_ids(struct weir_metadata_machine *machine,
                              const struct weir_metadata_record *record, struct weir_error *error)
{
    struct weir_metadata_image *image = &machine->image;
    if (record->producer_ids.next_producer_id < image->next_producer_id) {
        return weir_error_set(error, WEIR_CORRUPT, "producer ids go back from %lld to %lld",
                              (long long)image->next_producer_id,
                              (long long)record->producer_ids.next_producer_id);
    }
    image->next_producer_id = record->producer_ids.next_producer_id;
    return 0;
}

typedef int (*apply_fn)(struct weir_metadata_machine *machine,
                        const struct weir_metadata_record *record, struct weir_error *error);

static const apply_fn appliers[] = {
    [WEIR_METADATA_REGISTER_BROKER] = apply_register_broker,
    [WEIR_METADATA_TOPIC] = apply_topic,
    [WEIR_METADATA_PARTITION] = apply_partition,
    [WEIR_METADATA_CONFIG] = apply_config,
    [WEIR_METADATA_PARTITION_CHANGE] = apply_partition_change,
    [WEIR_METADATA_REMOVE_TOPIC] = apply_remove_topic,
    [WEIR_METADATA_FEATURE_LEVEL] = apply_feature_level,
    [WEIR_METADATA_PRODUCER_IDS] = apply_producer_ids,
};

/* ---- the door -------------------------------------------------------------------------------- */

void weir_metadata_machine_init(struct weir_metadata_machine *machine, struct weir_budget *budget)
{
    *machine = (struct weir_metadata_machine){.image.budget = budget};
    for (size_t i = 0; i < WEIR_TOPICS_BY_COUNT; i++)
        weir_hamt_init(&machine->image.topics[i], budget, &ops[i]);
    weir_hamt_init(&machine->image.groups, budget, &group_ops);
    weir_arena_init(&machine->scratch, budget, 4096);
}

void weir_metadata_image_close(struct weir_metadata_image *image)
{
    if (image->budget == NULL) return;
    for (size_t i = 0; i < WEIR_TOPICS_BY_COUNT; i++)
        weir_hamt_close(&image->topics[i]);
    weir_hamt_close(&image->groups);
    *image = (struct weir_metadata_image){0};
}

void weir_metadata_machine_close(struct weir_metadata_machine *machine)
{
    if (machine->image.budget == NULL) return;
    while (machine->removed != NULL) {
        struct weir_removed_topic *next = machine->removed->next;
        weir_free(machine->removed->name);
        weir_free(machine->removed);
        machine->removed = next;
    }
    weir_arena_close(&machine->scratch);
    weir_metadata_image_close(&machine->image);
    *machine = (struct weir_metadata_machine){0};
}

int weir_metadata_apply(struct weir_metadata_machine *machine,
                        const struct weir_metadata_record *record, struct weir_error *error)
{
    weir_assert((size_t)record->type < sizeof appliers / sizeof appliers[0]);
    weir_assert(appliers[record->type] != NULL);
    return appliers[record->type](machine, record, error);
}

int weir_metadata_apply_value(struct weir_metadata_machine *machine, struct weir_slice value,
                              struct weir_error *error)
{
    struct weir_metadata_record record;
    weir_arena_reset(&machine->scratch);
    int rc = weir_metadata_record_decode(value, &machine->scratch, &record, error);
    if (rc < 0) return rc;
    if (rc == WEIR_END) {
        machine->image.records_skipped++;
        return 0;
    }
    return weir_metadata_apply(machine, &record, error);
}

const struct weir_topic_image *weir_metadata_topic(const struct weir_metadata_image *image,
                                                   struct weir_slice name)
{
    return weir_hamt_get(&image->topics[WEIR_TOPICS_BY_NAME], name);
}

const struct weir_topic_image *weir_metadata_topic_by_id(const struct weir_metadata_image *image,
                                                         struct weir_uuid id)
{
    return topic_by_id(image, id);
}

const struct weir_topic_image *
weir_metadata_colliding_topic(const struct weir_metadata_image *image, struct weir_slice name)
{
    char folded[WEIR_TOPIC_NAME_SIZE_MAX];
    weir_assert(name.size <= sizeof folded);
    weir_topic_name_fold(name, folded);
    return weir_hamt_get(&image->topics[WEIR_TOPICS_BY_FOLDED_NAME], weir_slice(folded, name.size));
}

size_t weir_metadata_topic_count(const struct weir_metadata_image *image)
{
    return weir_hamt_count(&image->topics[WEIR_TOPICS_BY_NAME]);
}

static int compare_names(const void *a, const void *b)
{
    const struct weir_topic_image *const *left = a;
    const struct weir_topic_image *const *right = b;
    return weir_slice_compare((*left)->name_slice, (*right)->name_slice);
}

const struct weir_topic_image **weir_metadata_sorted_topics(const struct weir_metadata_image *image,
                                                            struct weir_arena *arena)
{
    size_t count = weir_metadata_topic_count(image);
    const struct weir_topic_image **topics =
        weir_arena_array(arena, count > 0 ? count : 1, sizeof *topics);
    if (topics == NULL) return NULL;
    struct weir_hamt_walk walk;
    weir_metadata_walk_topics(image, &walk);
    for (size_t i = 0; i < count; i++)
        topics[i] = weir_metadata_next_topic(&walk);
    qsort(topics, count, sizeof *topics, compare_names);
    return topics;
}

void weir_metadata_walk_topics(const struct weir_metadata_image *image, struct weir_hamt_walk *walk)
{
    weir_hamt_walk_begin(walk, &image->topics[WEIR_TOPICS_BY_NAME]);
}

const struct weir_topic_image *weir_metadata_next_topic(struct weir_hamt_walk *walk)
{
    return weir_hamt_walk_next(walk);
}

int32_t weir_metadata_leader_epoch(const struct weir_metadata_image *image,
                                   const struct weir_topic_image *topic, int32_t partition)
{
    weir_assert(partition >= 0 && partition < topic->partition_count);
    const struct weir_partition_image *given = &topic->partitions[partition];
    return given->given_epoch + (image->raises - given->raises_then);
}

const struct weir_group_image *weir_metadata_group(const struct weir_metadata_image *image,
                                                   struct weir_slice name)
{
    return weir_hamt_get(&image->groups, name);
}

static int compare_groups(const void *a, const void *b)
{
    const struct weir_group_image *const *left = a;
    const struct weir_group_image *const *right = b;
    return weir_slice_compare((*left)->name, (*right)->name);
}

const struct weir_group_image **weir_metadata_sorted_groups(const struct weir_metadata_image *image,
                                                            struct weir_arena *arena)
{
    size_t count = weir_hamt_count(&image->groups);
    const struct weir_group_image **groups =
        weir_arena_array(arena, count > 0 ? count : 1, sizeof *groups);
    if (groups == NULL) return NULL;
    struct weir_hamt_walk walk;
    weir_hamt_walk_begin(&walk, &image->groups);
    for (size_t i = 0; i < count; i++)
        groups[i] = weir_hamt_walk_next(&walk);
    qsort(groups, count, sizeof *groups, compare_groups);
    return groups;
}
