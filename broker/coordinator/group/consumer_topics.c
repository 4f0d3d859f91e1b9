#include "broker/coordinator/group/consumer_topics.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "broker/coordinator/group/group_regex.h"

void weir_consumer_topics_init(struct weir_consumer_topics *topics, struct weir_budget *budget)
{
    *topics = (struct weir_consumer_topics){.budget = budget};
    weir_map_init(&topics->names, budget);
    weir_map_init(&topics->regexes, budget);
}

void weir_consumer_topics_close(struct weir_consumer_topics *topics)
{
    size_t at = 0;
    struct weir_wanted_topic *topic;
    struct weir_wanted_regex *regex;
    while ((topic = weir_map_next(&topics->names, &at)) != NULL) {
        weir_free(topic);
    }
    at = 0;
    while ((regex = weir_map_next(&topics->regexes, &at)) != NULL) {
        weir_free(regex->names);
        weir_free(regex);
    }
    weir_map_close(&topics->names);
    weir_map_close(&topics->regexes);
}

/* ---- names ----------------------------------------------------------------------------------- */

static int want_name(struct weir_consumer_topics *topics, struct weir_slice name)
{
    struct weir_wanted_topic *topic = weir_map_get(&topics->names, name);
    if (topic != NULL) {
        topic->wants++;
        return 0;
    }
    topic = weir_alloc(topics->budget, sizeof *topic + name.size + 1);
    if (topic == NULL) return WEIR_NO_MEMORY;
    weir_copy(topic + 1, name.data, name.size);
    *topic = (struct weir_wanted_topic){.name = weir_slice(topic + 1, name.size), .wants = 1};
    int rc = weir_map_add(&topics->names, topic->name, topic);
    if (rc < 0) {
        weir_free(topic);
        return rc;
    }
    topics->bytes += sizeof *topic + name.size;
    return 0;
}

static void unwant_name(struct weir_consumer_topics *topics, struct weir_slice name)
{
    struct weir_wanted_topic *topic = weir_map_get(&topics->names, name);
    weir_assert(topic != NULL && topic->wants > 0);
    if (--topic->wants > 0) return;
    topics->bytes -= sizeof *topic + name.size;
    weir_map_remove(&topics->names, topic->name);
    weir_free(topic);
}

static int want_names(struct weir_consumer_topics *topics, const struct weir_slice *names,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int rc = want_name(topics, names[i]);
        if (rc < 0) return rc;
    }
    return 0;
}

static void unwant_names(struct weir_consumer_topics *topics, const struct weir_slice *names,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unwant_name(topics, names[i]);
    }
}

/* ---- expressions ----------------------------------------------------------------------------- */

struct weir_wanted_regex *weir_consumer_topics_regex(const struct weir_consumer_topics *topics,
                                                     struct weir_slice pattern)
{
    return weir_map_get(&topics->regexes, pattern);
}

static struct weir_wanted_regex *need_regex(struct weir_consumer_topics *topics,
                                            struct weir_slice pattern)
{
    struct weir_wanted_regex *regex = weir_map_get(&topics->regexes, pattern);
    if (regex != NULL) return regex;
    regex = weir_alloc_zero(topics->budget, sizeof *regex + pattern.size + 1);
    if (regex == NULL) return NULL;
    weir_copy(regex + 1, pattern.data, pattern.size);
    regex->pattern = weir_slice(regex + 1, pattern.size);
    if (weir_map_add(&topics->regexes, regex->pattern, regex) < 0) {
        weir_free(regex);
        return NULL;
    }
    topics->bytes += sizeof *regex + pattern.size;
    return regex;
}

size_t weir_wanted_regex_size(const struct weir_slice *names, size_t count)
{
    size_t size = count * sizeof *names;
    for (size_t i = 0; i < count; i++) {
        size += names[i].size;
    }
    return size;
}

static struct weir_slice *copy_names(struct weir_budget *budget, const struct weir_slice *names,
                                     size_t count, size_t size)
{
    struct weir_slice *copies = weir_alloc(budget, size + 1);
    if (copies == NULL) return NULL;
    uint8_t *at = (uint8_t *)(copies + count);
    for (size_t i = 0; i < count; i++) {
        weir_copy(at, names[i].data, names[i].size);
        copies[i] = weir_slice(at, names[i].size);
        at += names[i].size;
    }
    return copies;
}

static void forget_names(struct weir_consumer_topics *topics, struct weir_wanted_regex *regex)
{
    if (regex->members > 0) unwant_names(topics, regex->names, regex->name_count);
    topics->bytes -= regex->size;
    weir_free(regex->names);
    regex->names = NULL;
    regex->name_count = 0;
    regex->size = 0;
}

int weir_consumer_topics_set_regex(struct weir_consumer_topics *topics, struct weir_slice pattern,
                                   const struct weir_slice *names, size_t count)
{
    struct weir_wanted_regex *regex = need_regex(topics, pattern);
    if (regex == NULL) return WEIR_NO_MEMORY;
    size_t size = weir_wanted_regex_size(names, count);
    struct weir_slice *copies = copy_names(topics->budget, names, count, size);
    if (copies == NULL) return WEIR_NO_MEMORY;
    int rc = regex->members > 0 ? want_names(topics, copies, count) : 0;
    if (rc < 0) {
        weir_free(copies);
        return rc;
    }
    forget_names(topics, regex);
    regex->names = copies;
    regex->name_count = count;
    regex->size = size;
    regex->is_resolved = true;
    topics->bytes += size;
    return 0;
}

void weir_consumer_topics_drop_regex(struct weir_consumer_topics *topics,
                                     struct weir_wanted_regex *regex)
{
    weir_assert(regex->members == 0);
    forget_names(topics, regex);
    topics->bytes -= sizeof *regex + regex->pattern.size;
    weir_map_remove(&topics->regexes, regex->pattern);
    weir_free(regex);
}

static bool has_regex(const struct weir_member_words *words)
{
    return words->topic_regex.size > 0;
}

int weir_consumer_topics_add(struct weir_consumer_topics *topics,
                             const struct weir_member_words *words)
{
    int rc = want_names(topics, words->topic_names, words->topic_name_count);
    if (rc < 0 || !has_regex(words)) return rc;
    struct weir_wanted_regex *regex = need_regex(topics, words->topic_regex);
    if (regex == NULL) return WEIR_NO_MEMORY;
    if (regex->members == 0) rc = want_names(topics, regex->names, regex->name_count);
    if (rc == 0) regex->members++;
    return rc;
}

void weir_consumer_topics_remove(struct weir_consumer_topics *topics,
                                 const struct weir_member_words *words)
{
    unwant_names(topics, words->topic_names, words->topic_name_count);
    if (!has_regex(words)) return;
    struct weir_wanted_regex *regex = weir_map_get(&topics->regexes, words->topic_regex);
    weir_assert(regex != NULL && regex->members > 0);
    if (--regex->members == 0) unwant_names(topics, regex->names, regex->name_count);
}

/* ---- topics ---------------------------------------------------------------------------------- */

bool weir_consumer_topics_have(const struct weir_consumer_topics *topics, struct weir_slice name)
{
    return weir_map_get(&topics->names, name) != NULL;
}

/* FNV-1a, 64 bits; source: Fowler, Noll and Vo. */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* Each topic's own hash, stirred (splitmix64's last steps) so that sums of few topics do not meet. */
static uint64_t topic_hash(const struct weir_topic_image *topic)
{
    uint8_t count[4];
    weir_store_u32(count, (uint32_t)topic->partition_count);
    uint64_t hash = hash_bytes(UINT64_C(0xcbf29ce484222325), topic->id.bytes, sizeof topic->id);
    hash = hash_bytes(hash, count, sizeof count);
    hash = hash_bytes(hash, topic->name_slice.data, topic->name_slice.size);
    hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
    return hash ^ hash >> 31;
}

int64_t weir_consumer_topics_hash(const struct weir_consumer_topics *topics,
                                  const struct weir_metadata_image *image, size_t *partitions_out)
{
    size_t at = 0;
    size_t partitions = 0;
    uint64_t sum = 0; /* whatever the order of the names */
    const struct weir_wanted_topic *wanted;
    while ((wanted = weir_map_next(&topics->names, &at)) != NULL) {
        const struct weir_topic_image *topic = weir_metadata_topic(image, wanted->name);
        if (topic == NULL) continue;
        sum += topic_hash(topic);
        partitions += (size_t)topic->partition_count;
    }
    *partitions_out = partitions;
    return (int64_t)sum;
}

int weir_regex_lookup(struct weir_slice pattern, const struct weir_metadata_image *image,
                      struct weir_budget *budget, struct weir_arena *arena,
                      const struct weir_slice **names_out, size_t *count_out,
                      struct weir_error *error)
{
    struct weir_group_regex *regex = NULL;
    struct weir_hamt_walk walk;
    const struct weir_topic_image *topic;
    size_t count = 0;
    int rc = weir_group_regex_new(budget, pattern, &regex, error);
    if (rc < 0) return rc;
    struct weir_slice *names =
        weir_arena_array(arena, weir_metadata_topic_count(image), sizeof *names);
    if (names == NULL) rc = WEIR_NO_MEMORY;
    weir_metadata_walk_topics(image, &walk);
    while (rc >= 0 && (topic = weir_metadata_next_topic(&walk)) != NULL) {
        /* Offsets that are read would be committed, and read again. Kafka leaves that to the client. */
        if (weir_topic_name_is_internal(topic->name_slice)) continue;
        rc = weir_group_regex_matches(regex, topic->name_slice, error);
        if (rc > 0) names[count++] = topic->name_slice;
    }
    weir_group_regex_free(regex);
    if (rc < 0) return rc;
    *names_out = weir_sorted_names(names, count, arena, count_out);
    return weir_arena_failed(arena) ? WEIR_NO_MEMORY : 0;
}
