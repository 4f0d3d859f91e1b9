#include "tests/unit/broker/coordinator/group/consumer_stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/grow.h"
#include "wire/coordinator_record.h"
#include "wire/generated/group_metadata_key.h"

/* Where it is asked for each entry of each group: ck_assert writes a line for each that holds. */
#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) ck_abort_msg("%s", #condition);                                          \
    } while (0)

void stage_open(struct stage *stage)
{
    *stage = (struct stage){.now_ms = 1000000, .topics_version = 1};
    weir_heap_init(&stage->heap, false);
    weir_budget_init(&stage->budget, "test", &stage->heap, NULL, 0);
    weir_heap_init(&stage->own_heap, false);
    weir_budget_init(&stage->own_budget, "stage", &stage->own_heap, NULL, 0);
    weir_metadata_machine_init(&stage->topics, &stage->own_budget);
    stage->settings = weir_group_settings_default();
    stage->settings.config.consumer_assignment_interval_ms = 0; /* tests of its own set it */
    weir_arena_init(&stage->update_arena, &stage->budget, 0);
    weir_arena_init(&stage->arena, &stage->own_budget, 0);
    ck_assert_int_eq(weir_consumer_group_init(&stage->group, &stage->budget, weir_text("readers")),
                     0);
}

void stage_close(struct stage *stage)
{
    for (size_t i = 0; i < stage->record_count; i++) {
        weir_buffer_close(&stage->records[i].key);
        weir_buffer_close(&stage->records[i].value);
    }
    free(stage->records);
    weir_consumer_group_close(&stage->group);
    weir_metadata_machine_close(&stage->topics);
    weir_arena_close(&stage->update_arena);
    weir_arena_close(&stage->arena);
    ck_assert_uint_eq(atomic_load(&stage->budget.used), 0);
    ck_assert_uint_eq(atomic_load(&stage->own_budget.used), 0);
}

/* ---- topics ---------------------------------------------------------------------------------- */

static void apply(struct stage *stage, const struct weir_metadata_record *record)
{
    struct weir_error error = {0};
    ck_ok(weir_metadata_apply(&stage->topics, record, &error), &error);
    stage->topics_version++;
}

const struct weir_topic_image *stage_find_topic(const struct stage *stage, const char *name)
{
    return weir_metadata_topic(&stage->topics.image, weir_text(name));
}

void stage_grow(struct stage *stage, const char *name, int partitions)
{
    const struct weir_topic_image *topic = stage_find_topic(stage, name);
    for (int i = topic->partition_count; i < partitions; i++) {
        struct weir_metadata_record record = {.type = WEIR_METADATA_PARTITION};
        record.partition.topic_id = stage_find_topic(stage, name)->id;
        record.partition.partition = i;
        apply(stage, &record);
    }
}

/* Ids differ in their first bytes, in no order. */
struct weir_uuid stage_topic(struct stage *stage, const char *name, int partitions)
{
    struct weir_metadata_record record = {.type = WEIR_METADATA_TOPIC};
    record.topic.name = weir_text(name);
    uint64_t number = ++stage->next_id;
    uint64_t stirred = number * UINT64_C(0x9e3779b97f4a7c15);
    memcpy(record.topic.id.bytes, &stirred, 8);
    memcpy(record.topic.id.bytes + 8, &number, 8);
    apply(stage, &record);
    stage_grow(stage, name, partitions);
    return record.topic.id;
}

void stage_remove_topic(struct stage *stage, const char *name)
{
    struct weir_metadata_record record = {.type = WEIR_METADATA_REMOVE_TOPIC};
    record.remove_topic.topic_id = stage_find_topic(stage, name)->id;
    apply(stage, &record);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void keep_record(struct stage *stage, const struct weir_group_record *record)
{
    if (stage->record_count == stage->record_capacity) {
        stage->record_capacity = weir_grown(stage->record_capacity, 64);
        stage->records = realloc(stage->records, stage->record_capacity * sizeof *stage->records);
        ck_assert_ptr_nonnull(stage->records);
    }
    struct stage_record *kept = &stage->records[stage->record_count++];
    *kept = (struct stage_record){.is_tombstone = weir_slice_is_null(record->value)};
    weir_buffer_init(&kept->key, &stage->own_budget, 0);
    weir_buffer_init(&kept->value, &stage->own_budget, 0);
    weir_buffer_append(&kept->key, record->key.data, record->key.size);
    weir_buffer_append(&kept->value, record->value.data, record->value.size);
    HOLDS(!kept->key.failed && !kept->value.failed);
}

struct weir_consumer_event stage_event(struct stage *stage, struct weir_consumer_event event)
{
    event.now_ms = stage->now_ms;
    event.wall_ms = stage->now_ms + 1700000000000;
    event.settings = &stage->settings;
    event.topics = &stage->topics.image;
    event.topics_version = stage->topics_version;
    uint64_t number = ++stage->next_id;
    memcpy(event.random.bytes, &number, 8);
    event.random.bytes[15] = 0x77;
    weir_arena_reset(&stage->update_arena);
    weir_group_update_init(&stage->update, &stage->update_arena);
    return event;
}

void stage_keep(struct stage *stage)
{
    stage->written = stage->update.record_count;
    for (size_t i = 0; i < stage->update.record_count; i++) {
        keep_record(stage, &stage->update.records[i]);
    }
}

int stage_step(struct stage *stage, struct weir_consumer_event event)
{
    event = stage_event(stage, event);
    int rc = weir_consumer_group_step(&stage->group, &event, &stage->update);
    if (rc < 0) return rc;
    stage_keep(stage);
    weir_consumer_group_check(&stage->group);
    return 0;
}

int stage_tick(struct stage *stage)
{
    return stage_step(stage, (struct weir_consumer_event){.type = WEIR_CONSUMER_TICK});
}

int stage_metadata(struct stage *stage)
{
    return stage_step(stage, (struct weir_consumer_event){.type = WEIR_CONSUMER_METADATA});
}

int stage_ask(struct stage *stage)
{
    struct weir_consumer_heartbeat_request *request = &stage->request;
    request->base.group = stage->group.name;
    request->base.arena = &stage->arena;
    int rc = stage_step(
        stage, (struct weir_consumer_event){.type = WEIR_CONSUMER_HEARTBEAT, .heartbeat = request});
    if (rc < 0) return rc;
    stage->was_durable = stage->update.durable.first == &request->base;
    HOLDS(stage->was_durable != (stage->update.answered.first == &request->base));
    if (request->base.request.rc < 0) {
        ck_assert_uint_eq(stage->written, 0);
        ck_told(request->base.request.rc, &request->base.request.error);
    }
    return request->base.request.rc;
}

/* ---- what is said ---------------------------------------------------------------------------- */

static struct weir_slice *split(struct stage *stage, const char *text, size_t *count_out)
{
    struct weir_slice *words = weir_arena_array(&stage->arena, strlen(text) / 2 + 1, sizeof *words);
    *count_out = 0;
    for (const char *at = text; *at != '\0';) {
        size_t size = strcspn(at, " ");
        if (size > 0) words[(*count_out)++] = weir_slice(at, size);
        at += size + (at[size] == ' ');
    }
    return words;
}

static struct weir_topic_partitions *parse_owned(struct stage *stage, const char *text,
                                                 size_t *count_out)
{
    struct weir_slice *words = split(stage, text, count_out);
    struct weir_topic_partitions *topics =
        weir_arena_array(&stage->arena, *count_out, sizeof *topics);
    for (size_t i = 0; i < *count_out; i++) {
        const char *colon = memchr(words[i].data, ':', words[i].size);
        const char *end = (const char *)words[i].data + words[i].size;
        struct weir_slice name =
            weir_slice(words[i].data, (size_t)(colon - (const char *)words[i].data));
        int32_t *numbers = weir_arena_array(&stage->arena, words[i].size, sizeof *numbers);
        size_t count = 0;
        for (const char *at = colon + 1; at < end; at += strcspn(at, ", ") + 1) {
            numbers[count++] = atoi(at);
        }
        topics[i] = (struct weir_topic_partitions){
            .topic_id = weir_metadata_topic(&stage->topics.image, name)->id,
            .partitions = numbers,
            .partition_count = count,
        };
    }
    return topics;
}

int stage_says(struct stage *stage, struct says says)
{
    weir_arena_reset(&stage->arena);
    stage->request = (struct weir_consumer_heartbeat_request){
        .member = {.member_id = weir_text(says.member), .instance_id = weir_text(says.instance)},
        .member_epoch = says.epoch,
        .client_id = weir_text("client"),
        .client_host = weir_text("/127.0.0.1"),
        .rack_id = weir_text(says.rack),
        .rebalance_timeout_ms = says.timeout_ms != 0 ? says.timeout_ms : -1,
        .has_topic_names = says.topics != NULL,
        .topic_regex = weir_text(says.regex),
        .assignor = weir_text(says.assignor),
        .has_owned = says.owned != NULL,
    };
    if (says.topics != NULL) {
        stage->request.topic_names = split(stage, says.topics, &stage->request.topic_name_count);
    }
    if (says.owned != NULL) {
        stage->request.owned = parse_owned(stage, says.owned, &stage->request.owned_count);
    }
    return stage_ask(stage);
}

int stage_join(struct stage *stage, const char *member, const char *topics)
{
    return stage_says(
        stage, (struct says){.member = member, .topics = topics, .timeout_ms = 60000, .owned = ""});
}

int stage_assigned_count(const struct stage *stage)
{
    size_t count = 0;
    if (!stage->request.has_assignment) return -1;
    for (size_t i = 0; i < stage->request.assigned_count; i++) {
        count += stage->request.assigned[i].partition_count;
    }
    return (int)count;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

const char *stage_assigned(const struct stage *stage, char *text, size_t size)
{
    static char lines[STAGE_TOPICS_MAX][256];
    char *sorted[STAGE_TOPICS_MAX];
    size_t count = stage->request.assigned_count;
    if (!stage->request.has_assignment) return "same";
    ck_assert_uint_le(count, STAGE_TOPICS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct weir_topic_partitions *topic = &stage->request.assigned[i];
        const struct weir_topic_image *image =
            weir_metadata_topic_by_id(&stage->topics.image, topic->topic_id);
        int used = snprintf(lines[i], sizeof lines[i], "%s:", image != NULL ? image->name : "?");
        for (size_t j = 0; j < topic->partition_count; j++) {
            used += snprintf(lines[i] + used, sizeof lines[i] - (size_t)used, "%s%d",
                             j > 0 ? "," : "", topic->partitions[j]);
        }
        sorted[i] = lines[i];
    }
    qsort(sorted, count, sizeof sorted[0], compare_texts);
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? " " : "", sorted[i]);
    }
    return text;
}

/* ---- the same group again -------------------------------------------------------------------- */

static void same_set(const struct weir_partition_set *a, const struct weir_partition_set *b)
{
    HOLDS(weir_partition_set_equal(a, b));
    for (size_t i = 0; i < a->count; i++) {
        HOLDS(a->items[i].epoch == b->items[i].epoch);
    }
}

static void same_topics(const struct weir_consumer_topics *a, const struct weir_consumer_topics *b)
{
    size_t at = 0;
    const struct weir_wanted_topic *topic;
    const struct weir_wanted_regex *regex;
    HOLDS(weir_map_count(&a->names) == weir_map_count(&b->names));
    HOLDS(weir_map_count(&a->regexes) == weir_map_count(&b->regexes));
    HOLDS(a->bytes == b->bytes);
    while ((topic = weir_map_next(&a->names, &at)) != NULL) {
        const struct weir_wanted_topic *other = weir_map_get(&b->names, topic->name);
        HOLDS(other != NULL);
        HOLDS(other->wants == topic->wants);
    }
    at = 0;
    while ((regex = weir_map_next(&a->regexes, &at)) != NULL) {
        const struct weir_wanted_regex *other = weir_map_get(&b->regexes, regex->pattern);
        HOLDS(other != NULL);
        HOLDS(other->members == regex->members);
        HOLDS(other->name_count == regex->name_count);
        for (size_t i = 0; i < regex->name_count; i++) {
            HOLDS(weir_slice_equal(other->names[i], regex->names[i]));
        }
    }
}

static void same_group(const struct weir_consumer_group *a, const struct weir_consumer_group *b)
{
    size_t at = 0;
    const struct weir_consumer_member *member;
    HOLDS(a->epoch == b->epoch);
    HOLDS(a->topics_hash == b->topics_hash);
    HOLDS(a->assignment_epoch == b->assignment_epoch);
    HOLDS(a->assignment_wall_ms == b->assignment_wall_ms);
    HOLDS(a->words_bytes == b->words_bytes);
    HOLDS(weir_map_count(&a->members) == weir_map_count(&b->members));
    HOLDS(weir_map_count(&a->instances) == weir_map_count(&b->instances));
    while ((member = weir_map_next(&a->members, &at)) != NULL) {
        const struct weir_consumer_member *other = weir_consumer_group_member(b, member->member_id);
        HOLDS(other != NULL);
        HOLDS(other->state == member->state);
        HOLDS(other->epoch == member->epoch);
        HOLDS(other->previous_epoch == member->previous_epoch);
        HOLDS(weir_member_words_equal(other->words, member->words));
        same_set(&other->assigned, &member->assigned);
        same_set(&other->pending_revocation, &member->pending_revocation);
        same_set(&other->target, &member->target);
    }
    same_topics(&a->topics, &b->topics);
}

/* Which of the records count: the last of each key, in any order. */
static size_t pick_last(const struct stage *stage, struct weir_test_random *random, size_t *picked)
{
    struct weir_map last;
    size_t count = 0;
    weir_map_init(&last, (struct weir_budget *)&stage->own_budget);
    for (size_t i = stage->record_count; i-- > 0;) {
        struct stage_record *record = &stage->records[i];
        int rc = weir_map_add(&last, weir_buffer_slice(&record->key), record);
        HOLDS(rc == 0 || rc == WEIR_EXISTS);
        if (rc == 0) picked[count++] = i;
    }
    weir_map_close(&last);
    for (size_t i = count; i > 1; i--) {
        size_t other = weir_test_random_below(random, i);
        size_t moved = picked[i - 1];
        picked[i - 1] = picked[other];
        picked[other] = moved;
    }
    return count;
}

void stage_compact(struct stage *stage)
{
    size_t *picked = calloc(stage->record_count + 1, sizeof *picked);
    bool *is_last = calloc(stage->record_count + 1, sizeof *is_last);
    size_t count = pick_last(stage, &(struct weir_test_random){1}, picked), kept = 0;
    for (size_t i = 0; i < count; i++) {
        is_last[picked[i]] = true;
    }
    for (size_t i = 0; i < stage->record_count; i++) {
        if (is_last[i] && !stage->records[i].is_tombstone) {
            stage->records[kept++] = stage->records[i];
        } else {
            weir_buffer_close(&stage->records[i].key);
            weir_buffer_close(&stage->records[i].value);
        }
    }
    stage->record_count = kept;
    free(picked);
    free(is_last);
}

/* One of a classic group is not this group's. */
static int apply_record(struct weir_consumer_group *group, const struct stage_record *record,
                        struct weir_error *error)
{
    struct weir_slice key = weir_buffer_slice(&record->key);
    int16_t type = 0;
    int rc = weir_coordinator_key_type(key, &type, error);
    if (rc < 0 || type == WEIR_GROUP_METADATA_KEY_API_KEY) return rc;
    return weir_consumer_group_apply(
        group, key, record->is_tombstone ? weir_null() : weir_buffer_slice(&record->value), error);
}

static void load(struct stage *stage, struct weir_test_random *random,
                 struct weir_consumer_group *group)
{
    struct weir_error error = {0};
    size_t *picked = calloc(stage->record_count + 1, sizeof *picked);
    size_t count = stage->record_count;
    for (size_t i = 0; i < count; i++) {
        picked[i] = i;
    }
    if (random != NULL) count = pick_last(stage, random, picked);
    HOLDS(weir_consumer_group_init(group, &stage->budget, weir_text("readers")) == 0);
    for (size_t i = 0; i < count; i++) {
        int rc = apply_record(group, &stage->records[picked[i]], &error);
        if (rc < 0) ck_abort_msg("%s", error.text);
    }
    free(picked);
    ck_ok(weir_consumer_group_loaded(group, stage->now_ms, &stage->settings, &error), &error);
    weir_consumer_group_check(group);
}

int stage_load(struct stage *stage, struct weir_consumer_group *group, struct weir_error *error)
{
    int rc = weir_consumer_group_init(group, &stage->budget, weir_text("readers"));
    for (size_t i = 0; rc == 0 && i < stage->record_count; i++) {
        rc = apply_record(group, &stage->records[i], error);
    }
    if (rc < 0) return rc;
    return weir_consumer_group_loaded(group, stage->now_ms, &stage->settings, error);
}

static void drop_records(struct stage *stage)
{
    for (size_t i = 0; i < stage->record_count; i++) {
        weir_buffer_close(&stage->records[i].key);
        weir_buffer_close(&stage->records[i].value);
    }
    stage->record_count = 0;
}

void stage_forget(struct stage *stage)
{
    drop_records(stage);
    weir_consumer_group_close(&stage->group);
    HOLDS(weir_consumer_group_init(&stage->group, &stage->budget, weir_text("readers")) == 0);
}

void stage_check_reload(struct stage *stage, struct weir_test_random *random)
{
    struct weir_consumer_group group;
    load(stage, random, &group);
    same_group(&stage->group, &group);
    weir_consumer_group_close(&group);
}

void stage_reload(struct stage *stage)
{
    struct weir_consumer_group group;
    load(stage, NULL, &group);
    weir_consumer_group_close(&stage->group);
    stage->group = group;
}
