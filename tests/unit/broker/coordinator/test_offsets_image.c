#include <stdio.h>
#include <string.h>

#include "broker/coordinator/offsets_partition.h"
#include "tests/support/support.h"

struct memory {
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_buffer key;
    struct weir_buffer value;
};

static void memory_init(struct memory *memory)
{
    weir_heap_init(&memory->heap, false);
    weir_budget_init(&memory->budget, "test", &memory->heap, NULL, 0);
    weir_buffer_init(&memory->key, &memory->budget, 0);
    weir_buffer_init(&memory->value, &memory->budget, 0);
}

static void memory_close(struct memory *memory)
{
    weir_buffer_close(&memory->key);
    weir_buffer_close(&memory->value);
    ck_assert_uint_eq(atomic_load(&memory->budget.used), 0);
}

static struct weir_record encode(struct memory *memory, const struct weir_offset_commit *commit)
{
    weir_buffer_reset(&memory->key);
    weir_buffer_reset(&memory->value);
    ck_assert_int_eq(weir_offset_commit_encode(commit, &memory->key, &memory->value), 0);
    return (struct weir_record){
        .key = weir_buffer_slice(&memory->key),
        .value = commit->is_tombstone ? weir_null() : weir_buffer_slice(&memory->value),
    };
}

static struct weir_offset_commit random_commit(struct weir_test_random *random)
{
    static const char *const groups[] = {"a", "b", "the-job"};
    static const char *const topics[] = {"clicks", "payments"};
    struct weir_offset_commit commit = {
        .group = weir_text(groups[weir_test_random_below(random, 3)]),
        .topic = weir_text(topics[weir_test_random_below(random, 2)]),
        .partition = (int32_t)weir_test_random_below(random, 5),
        .is_tombstone = weir_test_random_below(random, 4) == 0,
        .offset = (int64_t)weir_test_random_below(random, 1000000),
        .leader_epoch = (int32_t)weir_test_random_below(random, 9) - 1,
        .metadata = weir_text(weir_test_random_below(random, 2) == 0 ? "" : "position 17"),
        .commit_timestamp_ms = (int64_t)weir_test_random_below(random, 1000000),
        .expire_timestamp_ms = -1,
        .topic_id = {.bytes = {(uint8_t)weir_test_random_below(random, 255)}},
    };
    if (weir_test_random_below(random, 4) > 0) return commit;
    /* One that says itself when it goes: its version of the record has no place for these. */
    commit.expire_timestamp_ms = (int64_t)weir_test_random_below(random, 1000000);
    commit.leader_epoch = -1;
    commit.topic_id = (struct weir_uuid){{0}};
    return commit;
}

static int copy_record(void *context, int64_t producer_id, const struct weir_record *record)
{
    ck_assert_int_eq(producer_id, -1);
    return weir_offsets_image_apply(context, record, NULL);
}

/* The image as its own records make it: what a snapshot keeps. */
static void make_again(struct weir_offsets_image *image, struct memory *memory)
{
    struct weir_offsets_image again;
    weir_offsets_image_init(&again, &memory->budget);
    ck_assert_int_eq(weir_offsets_image_each(image, copy_record, &again), 0);
    weir_offsets_image_close(image);
    *image = again;
}

static struct weir_record encode_owner(struct memory *memory, const char *group, int64_t since_ms)
{
    weir_buffer_reset(&memory->key);
    weir_buffer_reset(&memory->value);
    ck_assert_int_eq(weir_group_owner_encode(weir_text(group), &(struct weir_group_owner){0},
                                             since_ms, &memory->key, &memory->value),
                     0);
    return (struct weir_record){.key = weir_buffer_slice(&memory->key),
                                .value = weir_buffer_slice(&memory->value)};
}

static void check_found(const struct weir_offsets_image *image,
                        const struct weir_offset_commit *commit)
{
    const struct weir_committed_offset *found =
        weir_offsets_image_find(image, commit->group, commit->topic, commit->partition);
    if (commit->is_tombstone) {
        ck_assert_ptr_null(found);
        return;
    }
    ck_assert_ptr_nonnull(found);
    const struct weir_offset_value *value = &found->value;
    ck_assert_int_eq(value->offset, commit->offset);
    ck_assert_int_eq(value->leader_epoch, commit->leader_epoch);
    ck_assert_int_eq(value->commit_timestamp_ms, commit->commit_timestamp_ms);
    ck_assert_int_eq(value->expire_timestamp_ms, commit->expire_timestamp_ms);
    ck_assert_mem_eq(value->topic_id.bytes, commit->topic_id.bytes, 16);
    ck_assert(
        weir_slice_equal(weir_slice(value->metadata, value->metadata_size), commit->metadata));
}

/* The last commit of a key counts, a tombstone forgets, and the image given back as records makes
 * the same image: a snapshot may be taken anywhere. */
START_TEST(the_last_commit_counts_and_survives_a_snapshot)
{
    struct memory memory;
    struct weir_offsets_image image;
    struct weir_test_random random = {(uint64_t)_i + 1};
    memory_init(&memory);
    weir_offsets_image_init(&image, &memory.budget);
    for (int i = 0; i < 500; i++) {
        struct weir_offset_commit commit = random_commit(&random);
        struct weir_record record = encode(&memory, &commit);
        ck_assert_int_eq(weir_offsets_image_apply(&image, &record, NULL), 0);
        check_found(&image, &commit);
        if (i % 50 != 0) continue;
        make_again(&image, &memory);
        check_found(&image, &commit);
    }
    weir_offsets_image_close(&image);
    memory_close(&memory);
}
END_TEST

/* Without memory a record changes nothing, and applies afterwards. */
START_TEST(a_commit_without_memory_changes_nothing)
{
    struct memory memory;
    struct weir_offsets_image image;
    struct weir_test_random random = {3};
    struct weir_offset_commit last = {0};
    int failures = 0;
    memory_init(&memory);
    weir_offsets_image_init(&image, &memory.budget);
    for (int i = 0; i < 200; i++) {
        struct weir_offset_commit commit = random_commit(&random);
        struct weir_record record = encode(&memory, &commit);
        for (uint64_t nth = 1;; nth++) {
            atomic_store(&memory.heap.fail_at, nth);
            int rc = weir_offsets_image_apply(&image, &record, NULL);
            atomic_store(&memory.heap.fail_at, 0);
            if (rc == 0) break;
            ck_assert_int_eq(rc, WEIR_NO_MEMORY);
            failures++;
            if (last.group.size > 0) check_found(&image, &last);
        }
        check_found(&image, &commit);
        last = commit;
    }
    ck_assert_int_gt(failures, 100);
    weir_offsets_image_close(&image);
    memory_close(&memory);
}
END_TEST

/* Records of other types are counted; damaged ones are refused. */
START_TEST(other_records_are_counted_and_damage_is_refused)
{
    static const uint8_t other_type[] = {0, 10, 0, 1, 'g'};
    static const uint8_t cut_key[] = {0, 1, 0, 9, 'g'};
    struct memory memory;
    struct weir_offsets_image image;
    struct weir_offset_commit commit = {
        .expire_timestamp_ms = -1, .group = weir_text("g"), .topic = weir_text("t")};
    memory_init(&memory);
    weir_offsets_image_init(&image, &memory.budget);
    struct weir_record record = {.key = weir_slice(other_type, sizeof other_type)};
    ck_assert_int_eq(weir_offsets_image_apply(&image, &record, NULL), 0);
    ck_assert_int_eq(image.records_skipped, 1);
    record.key = weir_slice(cut_key, sizeof cut_key);
    ck_assert_int_eq(weir_offsets_image_apply(&image, &record, NULL), WEIR_CORRUPT);
    record = encode(&memory, &commit);
    record.value.size--;
    ck_assert_int_eq(weir_offsets_image_apply(&image, &record, NULL), WEIR_CORRUPT);
    record = encode_owner(&memory, "g", 7);
    record.value.size--;
    ck_assert_int_eq(weir_offsets_image_apply(&image, &record, NULL), WEIR_CORRUPT);
    ck_assert_uint_eq(weir_map_count(&image.groups), 0);
    weir_offsets_image_close(&image);
    memory_close(&memory);
}
END_TEST

/* The longest name that a record can hold is found; a longer one, which no record can, is not there and
 * not compared beyond what is kept. */
START_TEST(the_longest_name_of_a_topic_is_found)
{
    static char name[INT16_MAX + 1];
    struct memory memory;
    struct weir_offsets_image image;
    memset(name, 'n', sizeof name);
    memory_init(&memory);
    weir_offsets_image_init(&image, &memory.budget);
    struct weir_offset_commit commit = {.expire_timestamp_ms = -1,
                                        .group = weir_text("g"),
                                        .topic = weir_slice(name, INT16_MAX),
                                        .offset = 7,
                                        .metadata = weir_text("")};
    struct weir_record record = encode(&memory, &commit);
    ck_assert_int_eq(weir_offsets_image_apply(&image, &record, NULL), 0);
    check_found(&image, &commit);
    ck_assert_ptr_null(
        weir_offsets_image_find(&image, commit.group, weir_slice(name, INT16_MAX + 1), 0));
    weir_offsets_image_close(&image);
    memory_close(&memory);
}
END_TEST

/* An application's group stays its own through snapshots, with offsets and without, until a record
 * of another type or a tombstone takes it back. */
START_TEST(an_applications_group_is_its_own_until_that_is_taken_back)
{
    static const uint8_t kafkas[] = {0,   3, 0, 8, 'c', 'o',  'n',  's',  'u',  'm', 'e',
                                     'r', 0, 0, 0, 4,   0xff, 0xff, 0xff, 0xff, 0,   0,
                                     0,   0, 0, 0, 0,   9,    0,    0,    0,    0};
    struct memory memory;
    struct weir_offsets_image image;
    struct weir_offset_commit commit = {.expire_timestamp_ms = -1,
                                        .group = weir_text("app"),
                                        .topic = weir_text("t"),
                                        .offset = 5,
                                        .metadata = weir_text("m")};
    memory_init(&memory);
    weir_offsets_image_init(&image, &memory.budget);
    struct weir_record record = encode_owner(&memory, "app", 7);
    ck_assert_int_eq(weir_offsets_image_apply(&image, &record, NULL), 0);
    make_again(&image, &memory);
    ck_assert(weir_offsets_image_is_application(&image, weir_text("app")));
    ck_assert(!weir_offsets_image_is_application(&image, weir_text("ap")));

    record = encode(&memory, &commit);
    ck_assert_int_eq(weir_offsets_image_apply(&image, &record, NULL), 0);
    make_again(&image, &memory);
    check_found(&image, &commit);
    commit.is_tombstone = true;
    record = encode(&memory, &commit);
    ck_assert_int_eq(weir_offsets_image_apply(&image, &record, NULL), 0);
    ck_assert(weir_offsets_image_is_application(&image, weir_text("app")));

    record = encode_owner(&memory, "app", 7);
    record.value = _i == 0 ? weir_null() : weir_slice(kafkas, sizeof kafkas);
    ck_assert_int_eq(weir_offsets_image_apply(&image, &record, NULL), 0);
    ck_assert(!weir_offsets_image_is_application(&image, weir_text("app")));
    ck_assert_uint_eq(weir_map_count(&image.groups), (size_t)_i);
    weir_offsets_image_close(&image);
    memory_close(&memory);
}
END_TEST

/* What versions before groups had members wrote down of an application is read, and kept as it is. */
START_TEST(an_older_record_of_an_owner_counts)
{
    static const uint8_t older[] = {0,   3,   0,   12,  'w', 'e', 'i', 'r', '-',  's',  't',  'r',
                                    'e', 'a', 'm', 's', 0,   0,   0,   0,   0xff, 0xff, 0xff, 0xff,
                                    0,   0,   0,   0,   0,   0,   0,   9,   0,    0,    0,    0};
    struct memory memory;
    struct weir_offsets_image image;
    memory_init(&memory);
    weir_offsets_image_init(&image, &memory.budget);
    struct weir_record record = encode_owner(&memory, "app", 7);
    record.value = weir_slice(older, sizeof older);
    ck_assert_int_eq(weir_offsets_image_apply(&image, &record, NULL), 0);
    make_again(&image, &memory);
    const struct weir_committed_group *group = weir_offsets_image_group(&image, weir_text("app"));
    ck_assert(group->is_application);
    ck_assert(weir_slice_equal(weir_committed_group_value(group, record.key), record.value));
    weir_offsets_image_close(&image);
    memory_close(&memory);
}
END_TEST

/* Of every record of a group the last value is kept, through snapshots and shortages of memory, until a null value
 * takes it back; a group without records and offsets is none. */
START_TEST(the_last_value_of_each_record_of_a_group_is_kept)
{
    static const uint8_t keys[][8] = {
        {0, 3, 0, 1, 'g'}, {0, 5, 0, 1, 'g', 0, 1, 'm'}, {0, 8, 0, 1, 'g', 0, 1, 'm'}};
    static const size_t sizes[] = {5, 8, 8};
    struct memory memory;
    struct weir_offsets_image image;
    memory_init(&memory);
    weir_offsets_image_init(&image, &memory.budget);
    for (uint8_t i = 0; i < 30; i++) {
        uint8_t value[2] = {i, i};
        struct weir_record record = {.key = weir_slice(keys[i % 3], sizes[i % 3]),
                                     .value = weir_slice(value, sizeof value)};
        struct weir_slice before = weir_null();
        const struct weir_committed_group *group = weir_offsets_image_group(&image, weir_text("g"));
        if (group != NULL) before = weir_committed_group_value(group, record.key);
        int rc;
        uint64_t nth = 0;
        do {
            atomic_store(&memory.heap.fail_at, ++nth);
            rc = weir_offsets_image_apply(&image, &record, NULL);
            atomic_store(&memory.heap.fail_at, 0);
            group = weir_offsets_image_group(&image, weir_text("g"));
            if (rc == 0) continue;
            ck_assert_int_eq(rc, WEIR_NO_MEMORY);
            ck_assert(group != NULL || i == 0);
            if (group == NULL) continue;
            struct weir_slice now = weir_committed_group_value(group, record.key);
            ck_assert(now.data == before.data && now.size == before.size);
        } while (rc != 0);
        ck_assert(weir_slice_equal(weir_committed_group_value(group, record.key), record.value));
        if (i % 7 == 0) make_again(&image, &memory);
    }
    for (size_t i = 0; i < 3; i++) {
        ck_assert_ptr_nonnull(weir_offsets_image_group(&image, weir_text("g")));
        struct weir_record gone = {.key = weir_slice(keys[i], sizes[i]), .value = weir_null()};
        ck_assert_int_eq(weir_offsets_image_apply(&image, &gone, NULL), 0);
    }
    ck_assert_uint_eq(weir_map_count(&image.groups), 0);
    weir_offsets_image_close(&image);
    memory_close(&memory);
}
END_TEST

static int count_record(void *context, const struct weir_batch_header *header,
                        const struct weir_record *record, struct weir_error *error)
{
    (void)header;
    (void)record;
    (void)error;
    (*(int *)context)++;
    return 0;
}

/* Whichever allocation of a snapshot fails, it is refused or whole, never short. */
START_TEST(a_snapshot_without_memory_is_none)
{
    struct memory memory;
    struct weir_offsets_image image;
    char topic[200];
    memory_init(&memory);
    weir_offsets_image_init(&image, &memory.budget);
    struct weir_record owner = encode_owner(&memory, "app", 7);
    ck_assert_int_eq(weir_offsets_image_apply(&image, &owner, NULL), 0);
    memset(topic, 't', sizeof topic);
    for (int32_t p = 0; p < 3000; p++) { /* more than one batch of them */
        struct weir_offset_commit commit = {.expire_timestamp_ms = -1,
                                            .group = weir_text("app"),
                                            .topic = weir_slice(topic, sizeof topic),
                                            .partition = p,
                                            .offset = p};
        struct weir_record record = encode(&memory, &commit);
        ck_assert_int_eq(weir_offsets_image_apply(&image, &record, NULL), 0);
    }
    struct weir_fold fold;
    weir_fold_init(&fold, &weir_offsets_fold_ops, &image, &memory.budget);
    int failures = 0;
    for (uint64_t nth = 1;; nth++) {
        struct weir_snapshot_builder builder;
        int count = 0;
        atomic_store(&memory.heap.fail_at, nth);
        int rc = weir_fold_snapshot(&fold, &builder);
        bool has_failed = atomic_load(&memory.heap.fail_at) == 0;
        atomic_store(&memory.heap.fail_at, 0);
        if (rc == 0) {
            ck_assert_int_eq(weir_snapshot_parse(&memory.budget, weir_buffer_slice(&builder.bytes),
                                                 count_record, &count, NULL),
                             0);
            ck_assert_int_eq(count, 3001);
        } else {
            ck_assert_int_eq(rc, WEIR_NO_MEMORY);
            failures++;
        }
        weir_snapshot_builder_close(&builder);
        if (rc == 0 && !has_failed) break;
    }
    ck_assert_int_ge(failures, 10);
    weir_fold_close(&fold);
    weir_offsets_image_close(&image);
    memory_close(&memory);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("image");
    tcase_add_loop_test(tests, the_last_commit_counts_and_survives_a_snapshot, 0, 4);
    tcase_add_test(tests, a_commit_without_memory_changes_nothing);
    tcase_add_test(tests, other_records_are_counted_and_damage_is_refused);
    tcase_add_test(tests, the_longest_name_of_a_topic_is_found);
    tcase_add_loop_test(tests, an_applications_group_is_its_own_until_that_is_taken_back, 0, 2);
    tcase_add_test(tests, an_older_record_of_an_owner_counts);
    tcase_add_test(tests, the_last_value_of_each_record_of_a_group_is_kept);
    tcase_add_test(tests, a_snapshot_without_memory_is_none);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("offsets image", add);
}
