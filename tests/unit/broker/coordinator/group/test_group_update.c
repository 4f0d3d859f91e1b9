#include <stdio.h>

#include "base/error.h"
#include "broker/coordinator/group/group_update.h"
#include "tests/support/support.h"
#include "wire/coordinator_record.h"
#include "wire/generated/group_metadata_key.h"
#include "wire/generated/group_metadata_value.h"

struct stage {
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena;
    struct weir_group_update update;
};

static void stage_init(struct stage *stage)
{
    weir_heap_init(&stage->heap, false);
    weir_budget_init(&stage->budget, "test", &stage->heap, NULL, 0);
    weir_arena_init(&stage->arena, &stage->budget, 64);
    weir_group_update_init(&stage->update, &stage->arena);
}

static void stage_close(struct stage *stage)
{
    weir_arena_close(&stage->arena);
    ck_assert_uint_eq(atomic_load(&stage->budget.used), 0);
}

static int write_group(struct stage *stage, const char *name, int32_t generation)
{
    struct weir_group_metadata_key key = {.group = weir_text(name)};
    struct weir_group_metadata_value value;
    weir_group_metadata_value_init(&value);
    value.generation = generation;
    return weir_group_update_write(&stage->update, &weir_group_metadata_key_type, &key,
                                   &weir_group_metadata_value_type, generation < 0 ? NULL : &value,
                                   3);
}

/* Records stand in the order in which they were written, and one without a value is a tombstone. */
START_TEST(records_keep_their_order)
{
    struct stage stage;
    stage_init(&stage);
    for (int32_t i = 0; i < 40; i++) {
        ck_assert_int_eq(write_group(&stage, "orders", i), 0);
    }
    ck_assert_int_eq(write_group(&stage, "orders", -1), 0);
    ck_assert_uint_eq(stage.update.record_count, 41);
    for (int32_t i = 0; i < 40; i++) {
        struct weir_group_metadata_value value;
        struct weir_arena *arena = &stage.arena;
        ck_assert_int_eq(weir_coordinator_value_decode(stage.update.records[i].value,
                                                       &weir_group_metadata_value_type, &value,
                                                       arena, NULL),
                         0);
        ck_assert_int_eq(value.generation, i);
    }
    ck_assert(weir_slice_is_null(stage.update.records[40].value));
    stage_close(&stage);
}
END_TEST

/* A record that memory was short for is not there, and those before it are. */
START_TEST(a_record_without_memory_is_left_out)
{
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        struct stage stage;
        stage_init(&stage);
        weir_test_failures_arm(&failures, &stage.heap);
        size_t written = 0;
        int rc = 0;
        for (int32_t i = 0; rc == 0 && i < 9; i++) {
            rc = write_group(&stage, "orders", i);
            if (rc == 0) written++;
        }
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : 0);
        ck_assert_uint_eq(stage.update.record_count, written);
        stage_close(&stage);
    }
    ck_assert_uint_gt(failures.hits, 5);
}
END_TEST

/* Answers are in the order in which they were given, those for later apart. */
START_TEST(answers_keep_their_order)
{
    struct stage stage;
    struct weir_group_request requests[4] = {0};
    stage_init(&stage);
    weir_group_answer(&stage.update, &requests[0], 0);
    weir_group_answer_durable(&stage.update, &requests[1], 0);
    weir_group_answer(&stage.update, &requests[2], WEIR_UNKNOWN_MEMBER_ID);
    weir_group_answer_durable(&stage.update, &requests[3], 0);
    ck_assert_ptr_eq(stage.update.answered.first, &requests[0]);
    ck_assert_ptr_eq(requests[0].next, &requests[2]);
    ck_assert_ptr_null(requests[2].next);
    ck_assert_int_eq(requests[2].request.rc, WEIR_UNKNOWN_MEMBER_ID);
    ck_assert_ptr_eq(stage.update.durable.first, &requests[1]);
    ck_assert_ptr_eq(stage.update.durable.last, &requests[3]);
    stage_close(&stage);
}
END_TEST

/* What its own memory was too short for is not answered as if it were whole. */
START_TEST(an_answer_without_memory_says_so)
{
    struct stage stage;
    stage_init(&stage);
    struct weir_arena own;
    weir_arena_init(&own, &stage.budget, 64);
    atomic_store(&stage.heap.fail_at, 1);
    ck_assert_ptr_null(weir_arena_alloc(&own, 1000));
    struct weir_group_request request = {.arena = &own};
    weir_group_answer(&stage.update, &request, 0);
    ck_assert_int_eq(request.request.rc, WEIR_NO_MEMORY);
    ck_assert_str_ne(request.request.error.text, "");
    weir_arena_close(&own);
    stage_close(&stage);
}
END_TEST

/* Members that are out are counted, and the first of them are named by copies. */
START_TEST(silent_members_are_named_up_to_a_bound)
{
    struct stage stage;
    stage_init(&stage);
    for (int i = 0; i < WEIR_SILENT_NAMED_MAX + 4; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "m%d", i);
        weir_group_update_note_silent(&stage.update, weir_text(id), weir_text("c"), "join");
    }
    ck_assert_uint_eq(stage.update.silent_count, WEIR_SILENT_NAMED_MAX + 4);
    int named = 0;
    for (const struct weir_silent_member *i = stage.update.silent; i != NULL; i = i->next) {
        char id[16];
        (void)snprintf(id, sizeof id, "m%d", WEIR_SILENT_NAMED_MAX - 1 - named++);
        ck_assert(weir_slice_equal(i->member_id, weir_text(id)));
    }
    ck_assert_int_eq(named, WEIR_SILENT_NAMED_MAX);
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("group update");
    tcase_add_test(tests, records_keep_their_order);
    tcase_add_test(tests, a_record_without_memory_is_left_out);
    tcase_add_test(tests, answers_keep_their_order);
    tcase_add_test(tests, silent_members_are_named_up_to_a_bound);
    tcase_add_test(tests, an_answer_without_memory_says_so);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("group_update", add);
}
