#include <stdio.h>
#include <string.h>

#include "tests/unit/broker/engine/engine_fixture.h"
#include "wire/coordinator_record.h"
#include "wire/generated/consumer_group_target_assignment_member_key.h"
#include "wire/generated/consumer_group_target_assignment_member_value.h"
#include "wire/generated/group_metadata_key.h"
#include "wire/generated/group_metadata_value.h"

/*
 * What is asked of groups as they are found in a log: some have records that no group of theirs would have written,
 * and some a name so long that their offsets do not go into one batch.
 */
static struct engine engine;
static struct weir_heap heap; /* of what is given: it outlives a crash of the engine */
static struct weir_budget budget;
static struct weir_arena arena;

static void set_up(void)
{
    engine_init(&engine, 21);
    engine.options.groups = weir_group_settings_default();
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 4), &engine.error);
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
}

static void tear_down(void)
{
    weir_arena_close(&arena);
    engine_end(&engine);
}

static void begin(struct weir_group_request *request)
{
    request->arena = &arena;
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &request->request, NULL), 0);
}

static int end(struct weir_group_request *request)
{
    return weir_broker_wait(engine.broker, &request->request, &engine.error);
}

/* Into the log as it stands, past the coordinator; it is read at the next start. */
static void write_record(const struct weir_message_type *key_type, const void *key,
                         const struct weir_message_type *value_type, const void *value,
                         int16_t version)
{
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_batch_builder builder;
    struct weir_buffer key_bytes, value_bytes;
    struct weir_slice bytes;
    weir_batch_builder_init(&builder, engine.env->budget, WEIR_CODEC_NONE, 0);
    weir_buffer_init(&key_bytes, &budget, 0);
    weir_buffer_init(&value_bytes, &budget, 0);
    ck_code(weir_coordinator_key_encode(key_type, key, &key_bytes), 0);
    ck_code(weir_coordinator_value_encode(value_type, value, version, &value_bytes), 0);
    struct weir_record record = {.key = weir_buffer_slice(&key_bytes),
                                 .value = weir_buffer_slice(&value_bytes)};
    ck_code(weir_batch_builder_add(&builder, &record), 0);
    ck_code(weir_batch_builder_finish(&builder, &finish, &bytes), 0);
    struct weir_produce_request request = {
        .to = {weir_text("__consumer_offsets"), 0},
        .batches = weir_shared_new(engine.env->budget, bytes.size),
        .acks = WEIR_ACKS_ALL,
        .is_internal = true,
    };
    memcpy(request.batches->data, bytes.data, bytes.size);
    request.batches->size = bytes.size;
    weir_batch_builder_close(&builder);
    weir_buffer_close(&key_bytes);
    weir_buffer_close(&value_bytes);
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &request.request, NULL), 0);
    weir_broker_produce(engine.broker, &request);
    ck_ok(weir_broker_wait(engine.broker, &request.request, &engine.error), &engine.error);
    weir_shared_unref(request.batches);
}

static void restart(void)
{
    engine_crash(&engine, WEIR_SIM_KILL);
    ck_ok(engine_open(&engine), &engine.error);
}

static struct weir_list_groups_request list(void)
{
    struct weir_list_groups_request request = {.offsets_partition = 0};
    begin(&request.base);
    weir_broker_group_list(engine.broker, &request);
    ck_ok(end(&request.base), &engine.error);
    return request;
}

static int delete_group(struct weir_slice group)
{
    struct weir_delete_group_request request = {.base = {.group = group}};
    begin(&request.base);
    weir_broker_group_delete(engine.broker, &request);
    return end(&request.base);
}

static struct weir_slice state_of(const struct weir_list_groups_request *listed, const char *group)
{
    for (size_t i = 0; i < listed->group_count; i++) {
        if (weir_slice_equal(listed->groups[i].group, weir_text(group))) {
            return listed->groups[i].state;
        }
    }
    return weir_null();
}

/* A group whose records make no group is listed as Unknown, and the others as they are; who asks for it is told. */
START_TEST(a_damaged_group_does_not_hide_the_others)
{
    const struct weir_group_metadata_key key = {.group = weir_text("broken")};
    struct weir_group_metadata_value value;
    struct weir_describe_group_request description = {.base = {.group = weir_text("broken")}};
    weir_group_metadata_value_init(&value);
    value.protocol_type = weir_text("consumer");
    value.generation = -7; /* there is none below 0 */
    ck_assert_int_eq(engine_commit(&engine, "simple", "clicks", 0, 1), 0);
    write_record(&weir_group_metadata_key_type, &key, &weir_group_metadata_value_type, &value, 3);
    restart();
    struct weir_list_groups_request listed = list();
    ck_assert_uint_eq(listed.group_count, 2);
    ck_assert(weir_slice_equal(state_of(&listed, "simple"), weir_text("Empty")));
    ck_assert(weir_slice_equal(state_of(&listed, "broken"), weir_text("Unknown")));
    begin(&description.base);
    weir_broker_group_describe(engine.broker, &description);
    ck_code(end(&description.base), WEIR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(engine.error.text, "broken"));
}
END_TEST

/* Where there are many groups others are served between their pieces; one that goes meanwhile is not listed. */
START_TEST(many_groups_are_listed_in_turns)
{
    enum { COUNT = 1000 };
    char name[16];
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(name, sizeof name, "g%d", i);
        ck_assert_int_eq(engine_commit(&engine, name, "clicks", 0, 1), 0);
    }
    struct weir_list_groups_request request = {.offsets_partition = 0};
    struct weir_arena of_list;
    weir_arena_init(&of_list, &budget, 0);
    begin(&request.base);
    request.base.arena = &of_list;
    weir_broker_group_list(engine.broker, &request);
    struct weir_describe_group_request description = {.base = {.group = weir_text("g1")}};
    begin(&description.base);
    weir_broker_group_describe(engine.broker, &description);
    ck_ok(end(&description.base), &engine.error);
    ck_assert_uint_lt(request.group_count, COUNT / 2);
    ck_assert_int_eq(delete_group(request.names[COUNT - 1]), 0);
    ck_ok(end(&request.base), &engine.error);
    ck_assert_uint_eq(request.group_count, COUNT - 1);
    weir_arena_close(&of_list);
}
END_TEST

/* A record that belongs to a group of the other type goes with the group: its name is free afterwards, here and after
 * a start. */
START_TEST(a_deletion_takes_what_others_have_left)
{
    const struct weir_consumer_group_target_assignment_member_key key = {
        .group_id = weir_text("g"), .member_id = weir_text("of old")};
    struct weir_consumer_group_target_assignment_member_value value;
    weir_consumer_group_target_assignment_member_value_init(&value);
    ck_assert_int_eq(engine_commit(&engine, "g", "clicks", 0, 1), 0);
    write_record(&weir_consumer_group_target_assignment_member_key_type, &key,
                 &weir_consumer_group_target_assignment_member_value_type, &value, 0);
    restart();
    ck_assert_uint_eq(list().group_count, 1);
    ck_ok(delete_group(weir_text("g")), &engine.error);
    ck_assert_uint_eq(list().group_count, 0);
    restart();
    ck_assert_uint_eq(list().group_count, 0);
    ck_code(delete_group(weir_text("g")), WEIR_GROUP_ID_NOT_FOUND);
}
END_TEST

/* Offsets whose tombstones make more than a batch may have go in several, and the group with the last. */
START_TEST(a_group_of_many_bytes_is_deleted)
{
    enum { NAME_SIZE = 32000, PARTITIONS = 2200, AT_ONCE = 550 };
    static struct weir_offset_entry entries[AT_ONCE];
    static char name[NAME_SIZE];
    memset(name, 'n', sizeof name);
    ck_ok(engine_create(&engine, "wide", PARTITIONS), &engine.error);
    for (int32_t from = 0; from < PARTITIONS; from += AT_ONCE) {
        for (int32_t i = 0; i < AT_ONCE; i++) {
            entries[i] = (struct weir_offset_entry){.partition = {weir_text("wide"), from + i},
                                                    .offset = 1,
                                                    .leader_epoch = -1,
                                                    .metadata = weir_text("")};
        }
        struct weir_commit_request commit = {
            .group = weir_slice(name, NAME_SIZE), .entries = entries, .entry_count = AT_ONCE};
        ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &commit.request, NULL), 0);
        weir_broker_commit_offsets(engine.broker, &commit);
        ck_ok(weir_broker_wait(engine.broker, &commit.request, &engine.error), &engine.error);
    }
    ck_assert_uint_eq(list().group_count, 1);
    ck_ok(delete_group(weir_slice(name, NAME_SIZE)), &engine.error);
    ck_assert_uint_eq(list().group_count, 0);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("group admin");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_damaged_group_does_not_hide_the_others);
    tcase_add_test(tests, many_groups_are_listed_in_turns);
    tcase_add_test(tests, a_deletion_takes_what_others_have_left);
    tcase_add_test(tests, a_group_of_many_bytes_is_deleted);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("group admin", add);
}
