#include <stdio.h>
#include <string.h>

#include "broker/metadata/group_config.h"
#include "broker/metadata/metadata_version.h"
#include "tests/support/support.h"

enum { RECORDS_MAX = 400 };

struct memory {
    struct weir_heap heap;
    struct weir_budget budget;
};

static void memory_init(struct memory *memory)
{
    weir_heap_init(&memory->heap, false);
    weir_budget_init(&memory->budget, "test", &memory->heap, NULL, 0);
}

/* A history that a controller could have written: only what fits the image as it stands. */
struct history {
    struct weir_buffer values[RECORDS_MAX];
    size_t count;
};

static void history_add(struct history *history, struct memory *memory,
                        struct weir_metadata_machine *machine,
                        const struct weir_metadata_record *record)
{
    struct weir_buffer *value = &history->values[history->count++];
    struct weir_error error = {0};
    weir_buffer_init(value, &memory->budget, 0);
    ck_assert_int_eq(weir_metadata_record_encode(value, record), 0);
    ck_ok(weir_metadata_apply_value(machine, weir_buffer_slice(value), &error), &error);
}

static const struct weir_topic_image *pick_topic(const struct weir_metadata_image *image,
                                                 struct weir_test_random *random)
{
    size_t count = weir_metadata_topic_count(image);
    if (count == 0) return NULL;
    uint64_t skip = weir_test_random_below(random, count);
    struct weir_hamt_walk walk;
    weir_metadata_walk_topics(image, &walk);
    const struct weir_topic_image *topic = weir_metadata_next_topic(&walk);
    while (skip-- > 0)
        topic = weir_metadata_next_topic(&walk);
    return topic;
}

/* Of a few groups, each of which has settings at times, and none at others. */
static void add_group_config(struct history *history, struct memory *memory,
                             struct weir_metadata_machine *machine, struct weir_test_random *random)
{
    static const char *const groups[] = {"billing", "", "a.group of any \xff name", "audit"};
    static const char *const keys[] = {"consumer.session.timeout.ms", "a.key.of.tomorrow"};
    bool is_taken_back = weir_test_random_below(random, 2) == 0;
    struct weir_metadata_record record = {
        .type = WEIR_METADATA_CONFIG,
        .config = {.resource_type = WEIR_RESOURCE_GROUP,
                   .resource = weir_text(groups[weir_test_random_below(random, 4)]),
                   .key = weir_text(keys[weir_test_random_below(random, 2)]),
                   .value = is_taken_back ? weir_null() : weir_text("46000")},
    };
    history_add(history, memory, machine, &record);
}

static void add_random(struct history *history, struct memory *memory,
                       struct weir_metadata_machine *machine, struct weir_test_random *random)
{
    struct weir_metadata_record record = {0};
    char text[32];
    const struct weir_topic_image *topic = pick_topic(&machine->image, random);
    if (weir_test_random_below(random, 6) == 0) {
        add_group_config(history, memory, machine, random);
        return;
    }
    uint64_t choice = weir_test_random_below(random, topic == NULL ? 3 : 9);
    (void)snprintf(text, sizeof text, history->count % 2 > 0 ? "topic-%zu" : "a.topic_%zu",
                   history->count);
    if (choice == 0) {
        record.type = WEIR_METADATA_TOPIC;
        record.topic.name = weir_text(text);
        weir_test_random_fill(random, record.topic.id.bytes, 16);
    } else if (choice == 1) {
        record.type = WEIR_METADATA_REGISTER_BROKER;
        weir_test_random_fill(random, record.register_broker.incarnation_id.bytes, 16);
    } else if (choice == 2) {
        record.type = WEIR_METADATA_PRODUCER_IDS;
        record.producer_ids.next_producer_id = machine->image.next_producer_id + 1000;
    } else if (choice <= 5) {
        record.type = WEIR_METADATA_PARTITION;
        record.partition.topic_id = topic->id;
        record.partition.partition = topic->partition_count;
    } else if (choice == 6) {
        static const char *const keys[] = {"retention.ms", "segment.bytes", "cleanup.policy"};
        record.type = WEIR_METADATA_CONFIG;
        record.config.resource_type = WEIR_RESOURCE_TOPIC;
        record.config.resource = topic->name_slice;
        record.config.key = weir_text(keys[weir_test_random_below(random, 3)]);
        bool is_reset = weir_test_random_below(random, 3) == 0;
        record.config.value = is_reset ? weir_null() : weir_text(text);
    } else if (choice == 7 && topic->partition_count > 0) {
        record.type = WEIR_METADATA_PARTITION_CHANGE;
        record.partition_change.topic_id = topic->id;
        record.partition_change.partition =
            (int32_t)weir_test_random_below(random, (uint64_t)topic->partition_count);
    } else {
        record.type = WEIR_METADATA_REMOVE_TOPIC;
        record.remove_topic.topic_id = topic->id;
    }
    history_add(history, memory, machine, &record);
}

static void history_make(struct history *history, struct memory *memory,
                         struct weir_metadata_machine *machine, uint64_t seed, size_t count)
{
    struct weir_test_random random = {seed};
    history->count = 0;
    history_add(history, memory, machine,
                &(struct weir_metadata_record){
                    .type = WEIR_METADATA_FEATURE_LEVEL,
                    .feature_level = {weir_text(WEIR_METADATA_FEATURE), 1},
                });
    while (history->count < count)
        add_random(history, memory, machine, &random);
}

static void history_close(struct history *history)
{
    for (size_t i = 0; i < history->count; i++)
        weir_buffer_close(&history->values[i]);
}

static int append_record(void *context, const struct weir_metadata_record *record)
{
    return weir_metadata_record_encode(context, record);
}

/* The image as bytes: equal bytes, equal images. */
static void dump(const struct weir_metadata_image *image, struct weir_buffer *bytes)
{
    weir_buffer_reset(bytes);
    ck_assert_int_eq(weir_metadata_each_record(image, append_record, bytes), 0);
}

static int apply_record(void *context, const struct weir_metadata_record *record)
{
    return weir_metadata_apply(context, record, NULL);
}

/* The records of an image, and then the rest of the history, give the image of the whole history,
 * wherever the history is split: a snapshot may be taken at any record. */
START_TEST(a_snapshot_at_any_record_gives_the_same_image)
{
    struct memory memory;
    struct weir_metadata_machine whole;
    struct history history;
    struct weir_buffer wanted, got;
    memory_init(&memory);
    weir_buffer_init(&wanted, &memory.budget, 0);
    weir_buffer_init(&got, &memory.budget, 0);
    weir_metadata_machine_init(&whole, &memory.budget);
    history_make(&history, &memory, &whole, (uint64_t)_i + 1, 120);
    dump(&whole.image, &wanted);
    for (size_t split = 1; split <= history.count; split++) {
        struct weir_metadata_machine first, second;
        weir_metadata_machine_init(&first, &memory.budget);
        weir_metadata_machine_init(&second, &memory.budget);
        for (size_t i = 0; i < split; i++) {
            ck_assert_int_eq(
                weir_metadata_apply_value(&first, weir_buffer_slice(&history.values[i]), NULL), 0);
        }
        ck_assert_int_eq(weir_metadata_each_record(&first.image, apply_record, &second), 0);
        for (size_t i = split; i < history.count; i++) {
            ck_assert_int_eq(
                weir_metadata_apply_value(&second, weir_buffer_slice(&history.values[i]), NULL), 0);
        }
        dump(&second.image, &got);
        ck_assert_msg(weir_slice_equal(weir_buffer_slice(&wanted), weir_buffer_slice(&got)),
                      "split at %zu", split);
        weir_metadata_machine_close(&first);
        weir_metadata_machine_close(&second);
    }
    weir_metadata_machine_close(&whole);
    history_close(&history);
    weir_buffer_close(&wanted);
    weir_buffer_close(&got);
    ck_assert_uint_eq(atomic_load(&memory.budget.used), 0);
}
END_TEST

/* When the Nth allocation fails while a record is applied, the image is as it was, and the same
 * record applies afterwards; also where a version shares all of it. */
START_TEST(a_record_without_memory_changes_nothing)
{
    struct memory memory;
    struct weir_metadata_machine source, machine;
    struct history history;
    struct weir_buffer before, after;
    memory_init(&memory);
    weir_buffer_init(&before, &memory.budget, 0);
    weir_buffer_init(&after, &memory.budget, 0);
    weir_metadata_machine_init(&source, &memory.budget);
    weir_metadata_machine_init(&machine, &memory.budget);
    history_make(&history, &memory, &source, 7, 150);
    int failures = 0;
    for (size_t i = 0; i < history.count; i++) {
        struct weir_metadata_version *version = NULL;
        if (_i == 1) {
            version = weir_metadata_version_new(&memory.budget);
            weir_metadata_version_take(version, &machine.image);
        }
        for (uint64_t nth = 1;; nth++) {
            dump(&machine.image, &before);
            atomic_store(&memory.heap.fail_at, nth);
            int rc =
                weir_metadata_apply_value(&machine, weir_buffer_slice(&history.values[i]), NULL);
            atomic_store(&memory.heap.fail_at, 0);
            if (rc == 0) break;
            ck_assert_int_eq(rc, WEIR_NO_MEMORY);
            failures++;
            dump(&machine.image, &after);
            ck_assert(weir_slice_equal(weir_buffer_slice(&before), weir_buffer_slice(&after)));
        }
        weir_metadata_version_unref(version);
    }
    ck_assert_int_gt(failures, 50);
    dump(&source.image, &before);
    dump(&machine.image, &after);
    ck_assert(weir_slice_equal(weir_buffer_slice(&before), weir_buffer_slice(&after)));
    weir_metadata_machine_close(&source);
    weir_metadata_machine_close(&machine);
    history_close(&history);
    weir_buffer_close(&before);
    weir_buffer_close(&after);
    ck_assert_uint_eq(atomic_load(&memory.budget.used), 0);
}
END_TEST

/* Whatever is applied after a version was taken, and whatever fails for want of memory on the way, the
 * version stays as it was; and when image and versions are gone, in either order, nothing is left. */
START_TEST(a_version_stays_as_it_was)
{
    enum { EVERY = 3, VERSIONS = RECORDS_MAX / EVERY + 1 };
    struct memory memory;
    struct weir_metadata_machine source, machine;
    struct history history;
    struct weir_metadata_version *versions[VERSIONS];
    struct weir_buffer dumps[VERSIONS];
    struct weir_buffer now;
    size_t count = 0;
    memory_init(&memory);
    weir_buffer_init(&now, &memory.budget, 0);
    weir_metadata_machine_init(&source, &memory.budget);
    weir_metadata_machine_init(&machine, &memory.budget);
    history_make(&history, &memory, &source, (uint64_t)_i + 100, 300);
    for (size_t i = 0; i < history.count; i++) {
        int rc = WEIR_NO_MEMORY;
        for (uint64_t nth = 1; rc == WEIR_NO_MEMORY; nth++) {
            atomic_store(&memory.heap.fail_at, nth);
            rc = weir_metadata_apply_value(&machine, weir_buffer_slice(&history.values[i]), NULL);
            atomic_store(&memory.heap.fail_at, 0);
        }
        ck_assert_int_eq(rc, 0);
        if (i % EVERY > 0) continue;
        versions[count] = weir_metadata_version_new(&memory.budget);
        weir_metadata_version_take(versions[count], &machine.image);
        weir_buffer_init(&dumps[count], &memory.budget, 0);
        dump(&machine.image, &dumps[count]);
        for (size_t t = 0; t < WEIR_TOPICS_BY_COUNT; t++)
            weir_hamt_check(&machine.image.topics[t]);
        weir_hamt_check(&machine.image.groups);
        weir_hamt_check(&versions[count]->image.groups);
        for (size_t t = 0; t < WEIR_TOPICS_BY_COUNT; t++)
            weir_hamt_check(&versions[count]->image.topics[t]);
        count++;
    }
    dump(&source.image, &dumps[0]);
    dump(&machine.image, &now);
    ck_assert(weir_slice_equal(weir_buffer_slice(&dumps[0]), weir_buffer_slice(&now)));
    dump(&versions[0]->image, &dumps[0]);
    if (_i % 2 == 0) weir_metadata_machine_close(&machine);
    for (size_t i = 0; i < count; i++) {
        dump(&versions[i]->image, &now);
        ck_assert(weir_slice_equal(weir_buffer_slice(&dumps[i]), weir_buffer_slice(&now)));
        weir_metadata_version_ref(versions[i]);
        weir_metadata_version_unref(versions[i]);
        weir_metadata_version_unref(versions[i]);
        weir_buffer_close(&dumps[i]);
    }
    weir_metadata_machine_close(&machine);
    weir_metadata_machine_close(&source);
    history_close(&history);
    weir_buffer_close(&now);
    ck_assert_uint_eq(atomic_load(&memory.budget.used), 0);
}
END_TEST

static int apply(struct weir_metadata_machine *machine, struct weir_metadata_record record)
{
    return weir_metadata_apply(machine, &record, NULL);
}

static struct weir_metadata_record incarnation(uint8_t number)
{
    return (struct weir_metadata_record){.type = WEIR_METADATA_REGISTER_BROKER,
                                         .register_broker.incarnation_id = {{number}}};
}

/* A new incarnation raises the epochs that exist; a change of leader raises one; the first
 * registration and the same one again raise none. */
START_TEST(epochs_rise_by_incarnation_and_by_leader)
{
    struct memory memory;
    struct weir_metadata_machine machine;
    struct weir_uuid id = {{9}};
    memory_init(&memory);
    weir_metadata_machine_init(&machine, &memory.budget);
    ck_assert_int_eq(apply(&machine, incarnation(1)), 0);
    ck_assert_int_eq(
        apply(&machine, (struct weir_metadata_record){.type = WEIR_METADATA_TOPIC,
                                                      .topic = {.name = weir_text("t"), .id = id}}),
        0);
    struct weir_metadata_record partition = {.type = WEIR_METADATA_PARTITION,
                                             .partition = {.topic_id = id}};
    ck_assert_int_eq(apply(&machine, partition), 0);
    ck_assert_int_eq(apply(&machine, incarnation(1)), 0);
    ck_assert_int_eq(apply(&machine, incarnation(2)), 0);
    partition.partition.partition = 1;
    ck_assert_int_eq(apply(&machine, partition), 0);
    const struct weir_topic_image *topic = weir_metadata_topic(&machine.image, weir_text("t"));
    ck_assert_int_eq(weir_metadata_leader_epoch(&machine.image, topic, 0), 1);
    ck_assert_int_eq(weir_metadata_leader_epoch(&machine.image, topic, 1), 0);

    struct weir_metadata_record change = {
        .type = WEIR_METADATA_PARTITION_CHANGE,
        .partition_change = {.topic_id = id, .partition = 1, .leader = 0}};
    ck_assert_int_eq(apply(&machine, change), 0);
    change.partition_change.leader = WEIR_NO_LEADER_CHANGE;
    ck_assert_int_eq(apply(&machine, change), 0);
    ck_assert_int_eq(apply(&machine, incarnation(3)), 0);
    ck_assert_int_eq(weir_metadata_leader_epoch(&machine.image, topic, 0), 2);
    ck_assert_int_eq(weir_metadata_leader_epoch(&machine.image, topic, 1), 2);
    weir_metadata_machine_close(&machine);
}
END_TEST

static struct weir_metadata_record group_config(const char *group, const char *key,
                                                const char *value)
{
    return (struct weir_metadata_record){
        .type = WEIR_METADATA_CONFIG,
        .config = {WEIR_RESOURCE_GROUP, weir_text(group), weir_text(key),
                   value != NULL ? weir_text(value) : weir_null()}};
}

static const struct weir_group_config_bounds bounds = {
    .min = {.consumer_session_timeout_ms = 40000, .consumer_heartbeat_interval_ms = 1000},
    .max = {.consumer_session_timeout_ms = 60000,
            .consumer_heartbeat_interval_ms = 15000,
            .consumer_assignment_interval_ms = 15000},
};

static struct weir_group_config config_of(const struct weir_metadata_machine *machine,
                                          const char *group)
{
    static const struct weir_group_config server = {45000, 5000, 1000, true};
    const struct weir_group_image *image = weir_metadata_group(&machine->image, weir_text(group));
    return image != NULL ? weir_group_config_with(&server, &bounds, &image->configs) : server;
}

/* A group's own settings stand in place of the server's until they are taken back; a key of a later version says
 * nothing, and what is beyond the server's bounds is brought within them. */
START_TEST(a_groups_own_settings_stand_before_the_servers)
{
    struct memory memory;
    struct weir_metadata_machine machine;
    memory_init(&memory);
    weir_metadata_machine_init(&machine, &memory.budget);
    ck_assert_int_eq(
        apply(&machine, group_config("billing", "consumer.session.timeout.ms", "50000")), 0);
    ck_assert_int_eq(apply(&machine, group_config("billing", "a.key.of.tomorrow", "x")), 0);
    ck_assert_int_eq(config_of(&machine, "billing").consumer_session_timeout_ms, 50000);
    ck_assert_int_eq(config_of(&machine, "billing").consumer_heartbeat_interval_ms, 5000);
    ck_assert_int_eq(config_of(&machine, "audit").consumer_session_timeout_ms, 45000);
    ck_assert_int_eq(
        apply(&machine, group_config("billing", "consumer.session.timeout.ms", "90000")), 0);
    ck_assert_int_eq(
        apply(&machine, group_config("billing", "consumer.heartbeat.interval.ms", "1")), 0);
    ck_assert_int_eq(config_of(&machine, "billing").consumer_session_timeout_ms, 60000);
    ck_assert_int_eq(config_of(&machine, "billing").consumer_heartbeat_interval_ms, 1000);
    ck_assert_int_eq(
        apply(&machine, group_config("billing", "consumer.assignment.interval.ms", "99999")), 0);
    ck_assert_int_eq(
        apply(&machine, group_config("billing", "consumer.assignor.offload.enable", "false")), 0);
    ck_assert_int_eq(config_of(&machine, "billing").consumer_assignment_interval_ms, 15000);
    ck_assert(!config_of(&machine, "billing").consumer_assignor_offload);
    ck_assert_int_eq(
        apply(&machine, group_config("billing", "consumer.assignment.interval.ms", NULL)), 0);
    ck_assert_int_eq(
        apply(&machine, group_config("billing", "consumer.assignor.offload.enable", NULL)), 0);
    ck_assert_int_eq(config_of(&machine, "billing").consumer_assignment_interval_ms, 1000);
    ck_assert(config_of(&machine, "billing").consumer_assignor_offload);
    ck_assert_int_eq(apply(&machine, group_config("billing", "consumer.session.timeout.ms", NULL)),
                     0);
    ck_assert_int_eq(
        apply(&machine, group_config("billing", "consumer.heartbeat.interval.ms", NULL)), 0);
    ck_assert_int_eq(config_of(&machine, "billing").consumer_session_timeout_ms, 45000);
    ck_assert_uint_eq(weir_hamt_count(&machine.image.groups), 1);
    ck_assert_int_eq(apply(&machine, group_config("billing", "a.key.of.tomorrow", NULL)), 0);
    ck_assert_uint_eq(weir_hamt_count(&machine.image.groups), 0);
    ck_assert_int_eq(apply(&machine, group_config("billing", "a.key.of.tomorrow", NULL)), 0);
    weir_metadata_machine_close(&machine);
    ck_assert_uint_eq(atomic_load(&memory.budget.used), 0);
}
END_TEST

/* Each refusal names what is wrong, and what would be right; nothing has changed then. */
START_TEST(a_groups_bad_settings_are_refused)
{
    static const struct {
        const char *key, *value, *says;
    } rows[] = {
        {"consumer.sesion.timeout.ms", "50000", "did you mean 'consumer.session.timeout.ms'"},
        {"share.session.timeout.ms", "50000", "unknown setting of a group"},
        {"consumer.session.timeout.ms", "39999", "40000 to 60000"},
        {"consumer.session.timeout.ms", "60001", "group.consumer.max.session.timeout.ms"},
        {"consumer.session.timeout.ms", "soon", "soon"},
        {"consumer.heartbeat.interval.ms", "999", "1000 to 15000"},
        {"consumer.assignment.interval.ms", "15001", "0 to 15000"},
        {"consumer.assignment.interval.ms", "-1", "-1"},
        {"consumer.assignor.offload.enable", "maybe", "true or false"},
    };
    struct weir_group_config config = {45000, 5000, 1000, true};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct weir_error error = {0};
        int rc = weir_group_config_set(&config, &bounds, rows[i].key, rows[i].value, &error);
        ck_assert_int_eq(rc, WEIR_INVALID_CONFIG);
        ck_assert_msg(strstr(error.text, rows[i].says) != NULL, "%s", error.text);
        ck_assert(config.consumer_session_timeout_ms == 45000 &&
                  config.consumer_heartbeat_interval_ms == 5000 &&
                  config.consumer_assignment_interval_ms == 1000 &&
                  config.consumer_assignor_offload);
    }
    ck_assert_int_eq(weir_group_config_check(&config, NULL), 0);
    config.consumer_heartbeat_interval_ms = 45000;
    ck_assert_int_eq(weir_group_config_check(&config, NULL), WEIR_INVALID_CONFIG);
}
END_TEST

/* A record that fails for want of memory says whose it was, also where nobody but the image has the topic any
 * more when a copy takes its place. */
START_TEST(a_record_without_memory_names_its_topic)
{
    static const char name[] = "clicks-of-the-whole-wide-world";
    struct memory memory;
    struct weir_metadata_machine machine;
    struct weir_uuid id = {{9}};
    struct weir_error error = {0};
    memory_init(&memory);
    weir_metadata_machine_init(&machine, &memory.budget);
    struct weir_metadata_record topic = {.type = WEIR_METADATA_TOPIC,
                                         .topic = {.name = weir_text(name), .id = id}};
    struct weir_metadata_record records[] = {
        {.type = WEIR_METADATA_PARTITION, .partition.topic_id = id},
        {.type = WEIR_METADATA_CONFIG,
         .config = {.resource_type = WEIR_RESOURCE_TOPIC,
                    .resource = weir_text(name),
                    .key = weir_text("retention.ms"),
                    .value = weir_text("1000")}},
    };
    ck_assert_int_eq(apply(&machine, topic), 0);
    int failures = 0;
    int rc = WEIR_NO_MEMORY;
    for (uint64_t nth = 1; rc < 0; nth++) {
        struct weir_metadata_version *version = weir_metadata_version_new(&memory.budget);
        weir_metadata_version_take(version, &machine.image);
        weir_metadata_version_unref(version);
        atomic_store(&memory.heap.fail_at, nth);
        rc = weir_metadata_apply(&machine, &records[_i], &error);
        atomic_store(&memory.heap.fail_at, 0);
        if (rc == 0) break;
        ck_assert_int_eq(rc, WEIR_NO_MEMORY);
        ck_assert_ptr_nonnull(strstr(error.text, name));
        failures++;
    }
    ck_assert_int_gt(failures, 5); /* nodes, the topic and its name, what is new */
    weir_metadata_machine_close(&machine);
    ck_assert_uint_eq(atomic_load(&memory.budget.used), 0);
}
END_TEST

/* Records of types that came later are counted; later versions and levels are refused. */
START_TEST(what_is_newer_is_skipped_or_refused)
{
    static const uint8_t unknown_type[] = {1, 99, 0, 1, 2, 3};
    static const uint8_t unknown_version[] = {1, 2, 9, 1, 2, 3};
    static const uint8_t unknown_frame[] = {7, 2, 0, 1};
    static const uint8_t cut_short[] = {1, 2, 0, 5, 'a'};
    struct memory memory;
    struct weir_metadata_machine machine;
    struct weir_error error = {0};
    memory_init(&memory);
    weir_metadata_machine_init(&machine, &memory.budget);
    ck_assert_int_eq(
        weir_metadata_apply_value(&machine, weir_slice(unknown_type, sizeof unknown_type), &error),
        0);
    ck_assert_int_eq(machine.image.records_skipped, 1);
    ck_assert_int_eq(weir_metadata_apply_value(
                         &machine, weir_slice(unknown_version, sizeof unknown_version), &error),
                     WEIR_UNSUPPORTED_VERSION);
    ck_assert_int_eq(weir_metadata_apply_value(
                         &machine, weir_slice(unknown_frame, sizeof unknown_frame), &error),
                     WEIR_UNSUPPORTED_VERSION);
    ck_assert_int_eq(
        weir_metadata_apply_value(&machine, weir_slice(cut_short, sizeof cut_short), &error),
        WEIR_CORRUPT);
    struct weir_metadata_record level = {
        .type = WEIR_METADATA_FEATURE_LEVEL,
        .feature_level = {weir_text(WEIR_METADATA_FEATURE), WEIR_METADATA_LEVEL_MAX + 1}};
    ck_assert_int_eq(weir_metadata_apply(&machine, &level, &error), WEIR_UNSUPPORTED_VERSION);
    ck_assert_int_eq(machine.image.level, 0);
    weir_metadata_machine_close(&machine);
}
END_TEST

/* Records that do not fit the image are damage, and change nothing. */
START_TEST(records_that_do_not_fit_are_refused)
{
    struct memory memory;
    struct weir_metadata_machine machine;
    struct weir_uuid id = {{1}}, other = {{2}};
    memory_init(&memory);
    weir_metadata_machine_init(&machine, &memory.budget);
    struct weir_metadata_record topic = {.type = WEIR_METADATA_TOPIC,
                                         .topic = {.name = weir_text("t"), .id = id}};
    ck_assert_int_eq(apply(&machine, topic), 0);
    ck_assert_int_eq(apply(&machine, topic), WEIR_CORRUPT);
    topic.topic.name = weir_text("a/b");
    ck_assert_int_eq(apply(&machine, topic), WEIR_CORRUPT);
    ck_assert_int_eq(apply(&machine, (struct weir_metadata_record){.type = WEIR_METADATA_PARTITION,
                                                                   .partition = {.topic_id = id,
                                                                                 .partition = 1}}),
                     WEIR_CORRUPT);
    ck_assert_int_eq(
        apply(&machine, (struct weir_metadata_record){.type = WEIR_METADATA_REMOVE_TOPIC,
                                                      .remove_topic.topic_id = other}),
        WEIR_CORRUPT);
    ck_assert_int_eq(
        apply(&machine, (struct weir_metadata_record){.type = WEIR_METADATA_PRODUCER_IDS,
                                                      .producer_ids.next_producer_id = -1}),
        WEIR_CORRUPT);
    ck_assert_uint_eq(weir_metadata_topic_count(&machine.image), 1);
    ck_assert_int_eq(weir_metadata_topic(&machine.image, weir_text("t"))->partition_count, 0);
    weir_metadata_machine_close(&machine);
}
END_TEST

/* A topic is found by any name that differs by '.' against '_' alone, until it is removed. Two of such names,
 * which an older log may have, are two topics all the same. */
START_TEST(names_that_collide_are_found)
{
    struct memory memory;
    struct weir_metadata_machine machine;
    static const char *const names[] = {"a.b_c", "a_b.c"};
    memory_init(&memory);
    weir_metadata_machine_init(&machine, &memory.budget);
    ck_assert_ptr_null(weir_metadata_colliding_topic(&machine.image, weir_text("a_b_c")));
    for (uint8_t i = 0; i < 2; i++) {
        struct weir_metadata_record topic = {
            .type = WEIR_METADATA_TOPIC,
            .topic = {.name = weir_text(names[i]), .id = {{(uint8_t)(i + 1)}}}};
        ck_assert_int_eq(apply(&machine, topic), 0);
        const struct weir_topic_image *found =
            weir_metadata_colliding_topic(&machine.image, weir_text("a.b.c"));
        ck_assert_str_eq(found->name, names[i]);
    }
    ck_assert_ptr_null(weir_metadata_colliding_topic(&machine.image, weir_text("a-b-c")));
    for (uint8_t i = 0; i < 2; i++) {
        struct weir_metadata_record removal = {.type = WEIR_METADATA_REMOVE_TOPIC,
                                               .remove_topic.topic_id = {{(uint8_t)(i + 1)}}};
        ck_assert_ptr_nonnull(weir_metadata_topic(&machine.image, weir_text(names[i])));
        ck_assert_int_eq(apply(&machine, removal), 0);
        ck_assert_ptr_null(weir_metadata_topic(&machine.image, weir_text(names[i])));
    }
    ck_assert_ptr_null(weir_metadata_colliding_topic(&machine.image, weir_text("a_b_c")));
    weir_metadata_machine_close(&machine);
    ck_assert_uint_eq(atomic_load(&memory.budget.used), 0);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("image");
    tcase_add_loop_test(tests, a_snapshot_at_any_record_gives_the_same_image, 0, 8);
    tcase_add_loop_test(tests, a_record_without_memory_changes_nothing, 0, 2);
    tcase_add_loop_test(tests, a_version_stays_as_it_was, 0, 4);
    tcase_add_test(tests, epochs_rise_by_incarnation_and_by_leader);
    tcase_add_loop_test(tests, a_record_without_memory_names_its_topic, 0, 2);
    tcase_add_test(tests, what_is_newer_is_skipped_or_refused);
    tcase_add_test(tests, records_that_do_not_fit_are_refused);
    tcase_add_test(tests, names_that_collide_are_found);
    tcase_add_test(tests, a_groups_own_settings_stand_before_the_servers);
    tcase_add_test(tests, a_groups_bad_settings_are_refused);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("metadata image", add);
}
