#include <string.h>

#include "base/bytes.h"
#include "broker/coordinator/offsets_partition.h"
#include "tests/support/support.h"

/*
 * Offsets within transactions, folded as they are stored: batches of commits, transactional and not, and markers, from
 * bytes into an image; and out of a snapshot of it.
 */
enum { GROUPS = 2, PARTITIONS = 3, PRODUCERS = 3 };

struct stage {
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_batch_builder builder;
    struct weir_buffer key;
    struct weir_buffer value;
    struct weir_offsets_image image;
    struct weir_fold fold;
};

static const char *const group_names[GROUPS] = {"readers", "others"};

static void stage_init(struct stage *stage)
{
    weir_heap_init(&stage->heap, false);
    weir_budget_init(&stage->budget, "test", &stage->heap, NULL, 0);
    weir_batch_builder_init(&stage->builder, &stage->budget, WEIR_CODEC_NONE, 0);
    weir_buffer_init(&stage->key, &stage->budget, 0);
    weir_buffer_init(&stage->value, &stage->budget, 0);
    weir_offsets_image_init(&stage->image, &stage->budget);
    weir_fold_init(&stage->fold, &weir_offsets_fold_ops, &stage->image, &stage->budget);
}

static void stage_close(struct stage *stage)
{
    weir_fold_close(&stage->fold);
    weir_offsets_image_close(&stage->image);
    weir_batch_builder_close(&stage->builder);
    weir_buffer_close(&stage->key);
    weir_buffer_close(&stage->value);
    ck_assert_uint_eq(atomic_load(&stage->budget.used), 0);
}

/* One batch with what was added, at the end of what is folded in. */
static int fold(struct stage *stage, int64_t producer_id, bool is_control)
{
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_slice batch;
    finish.base_offset = stage->fold.next_offset;
    finish.producer_id = producer_id;
    finish.producer_epoch = producer_id >= 0 ? 0 : -1;
    finish.is_transactional = producer_id >= 0;
    finish.is_control = is_control;
    ck_assert_int_eq(weir_batch_builder_finish(&stage->builder, &finish, &batch), 0);
    return weir_fold_batches(&stage->fold, batch, NULL);
}

static void add_commit(struct stage *stage, int group, int32_t partition, int64_t offset)
{
    struct weir_offset_commit commit = {
        .group = weir_text(group_names[group]),
        .topic = weir_text("clicks"),
        .partition = partition,
        .is_tombstone = offset < 0,
        .offset = offset,
        .leader_epoch = (int32_t)(offset % 7),
        .metadata = weir_text("where it stands"),
        .commit_timestamp_ms = offset * 10,
        .expire_timestamp_ms = -1,
        .topic_id = {.bytes = {7}},
    };
    weir_buffer_reset(&stage->key);
    weir_buffer_reset(&stage->value);
    ck_assert_int_eq(weir_offset_commit_encode(&commit, &stage->key, &stage->value), 0);
    struct weir_record record = {
        .key = weir_buffer_slice(&stage->key),
        .value = commit.is_tombstone ? weir_null() : weir_buffer_slice(&stage->value),
    };
    ck_assert_int_eq(weir_batch_builder_add(&stage->builder, &record), 0);
}

/* A negative offset takes back. */
static void commit(struct stage *stage, int64_t producer_id, int group, int32_t partition,
                   int64_t offset)
{
    weir_batch_builder_reset(&stage->builder);
    add_commit(stage, group, partition, offset);
    ck_assert_int_eq(fold(stage, producer_id, false), 0);
}

static void mark(struct stage *stage, int64_t producer_id, bool is_commit)
{
    uint8_t key[4] = {0, 0, 0, is_commit ? WEIR_CONTROL_COMMIT : WEIR_CONTROL_ABORT};
    uint8_t value[6] = {0};
    weir_batch_builder_reset(&stage->builder);
    struct weir_record record = {.key = weir_slice(key, sizeof key),
                                 .value = weir_slice(value, sizeof value)};
    ck_assert_int_eq(weir_batch_builder_add(&stage->builder, &record), 0);
    ck_assert_int_eq(fold(stage, producer_id, true), 0);
}

static int load_record(void *context, const struct weir_batch_header *header,
                       const struct weir_record *record, struct weir_error *error)
{
    return weir_offsets_fold_ops.apply(context, header, record, error);
}

/* The image that a snapshot of it makes. */
static void make_again(struct stage *stage)
{
    struct weir_snapshot_builder builder;
    struct weir_offsets_image again;
    weir_offsets_image_init(&again, &stage->budget);
    ck_assert_int_eq(weir_fold_snapshot(&stage->fold, &builder), 0);
    ck_assert_int_eq(weir_snapshot_parse(&stage->budget, weir_buffer_slice(&builder.bytes),
                                         load_record, &again, NULL),
                     0);
    weir_snapshot_builder_close(&builder);
    weir_offsets_image_close(&stage->image);
    stage->image = again;
}

/* -1: nothing. */
static int64_t committed(const struct stage *stage, int group, int32_t partition)
{
    const struct weir_committed_offset *found = weir_offsets_image_find(
        &stage->image, weir_text(group_names[group]), weir_text("clicks"), partition);
    if (found == NULL) return -1;
    ck_assert_int_eq(found->value.commit_timestamp_ms, found->value.offset * 10);
    ck_assert_int_eq(found->value.leader_epoch, found->value.offset % 7);
    ck_assert_str_eq(found->value.metadata, "where it stands");
    return found->value.offset;
}

static bool is_pending(const struct stage *stage, int group, int32_t partition)
{
    return weir_offsets_image_is_pending(&stage->image, weir_text(group_names[group]),
                                         weir_text("clicks"), partition);
}

/* Nobody sees an offset of an open transaction; its commit shows it, with what it says; an abort drops it. */
START_TEST(an_offset_is_pending_until_the_marker)
{
    struct stage stage;
    stage_init(&stage);
    commit(&stage, -1, 0, 0, 5);
    commit(&stage, 70, 0, 0, 9);
    commit(&stage, 70, 0, 1, 4);
    for (int round = 0; round < 2; round++) {
        ck_assert_int_eq(committed(&stage, 0, 0), 5);
        ck_assert_int_eq(committed(&stage, 0, 1), -1);
        ck_assert(is_pending(&stage, 0, 0) && is_pending(&stage, 0, 1));
        ck_assert(!is_pending(&stage, 0, 2) && !is_pending(&stage, 1, 0));
        make_again(&stage);
    }
    mark(&stage, 71, true); /* another's */
    ck_assert(is_pending(&stage, 0, 0));
    mark(&stage, 70, _i == 0);
    ck_assert_int_eq(committed(&stage, 0, 0), _i == 0 ? 9 : 5);
    ck_assert_int_eq(committed(&stage, 0, 1), _i == 0 ? 4 : -1);
    ck_assert(!is_pending(&stage, 0, 0) && !is_pending(&stage, 0, 1));
    mark(&stage, 70, true); /* once more: nothing is left of it */
    ck_assert_int_eq(committed(&stage, 0, 0), _i == 0 ? 9 : 5);
    stage_close(&stage);
}
END_TEST

/* The last commit in order of the log counts, whenever the markers come; while one is open the offset is unstable. */
START_TEST(what_was_committed_later_stays)
{
    struct stage stage;
    stage_init(&stage);
    commit(&stage, 70, 0, 0, 1);
    commit(&stage, 71, 0, 0, 2);
    commit(&stage, -1, 0, 0, 3);
    commit(&stage, 72, 0, 0, 4);
    make_again(&stage);
    mark(&stage, 70, true);
    ck_assert_int_eq(committed(&stage, 0, 0), 3);
    ck_assert(is_pending(&stage, 0, 0));
    mark(&stage, 72, true);
    make_again(&stage);
    ck_assert_int_eq(committed(&stage, 0, 0), 4);
    ck_assert(is_pending(&stage, 0, 0));
    mark(&stage, 71, true);
    ck_assert_int_eq(committed(&stage, 0, 0), 4);
    ck_assert(!is_pending(&stage, 0, 0));
    stage_close(&stage);
}
END_TEST

/* Within a transaction the last of a partition counts. A group that has only pending offsets is there, and gone with
 * them; what is taken back is not there when the marker comes. */
START_TEST(a_tombstone_takes_back_what_is_pending)
{
    struct stage stage;
    stage_init(&stage);
    commit(&stage, 70, 0, 0, 1);
    commit(&stage, 70, 0, 0, 2);
    commit(&stage, 70, 0, 1, 3);
    ck_assert_ptr_nonnull(weir_offsets_image_group(&stage.image, weir_text(group_names[0])));
    commit(&stage, -1, 0, 1, -1);
    ck_assert(!is_pending(&stage, 0, 1));
    mark(&stage, 70, true);
    ck_assert_int_eq(committed(&stage, 0, 0), 2);
    ck_assert_int_eq(committed(&stage, 0, 1), -1);

    commit(&stage, 70, 1, 0, 1);
    commit(&stage, -1, 1, 0, -1);
    ck_assert_ptr_null(weir_offsets_image_group(&stage.image, weir_text(group_names[1])));
    commit(&stage, 70, 1, 0, 1);
    mark(&stage, 70, false);
    ck_assert_ptr_null(weir_offsets_image_group(&stage.image, weir_text(group_names[1])));
    stage_close(&stage);
}
END_TEST

/* ---- against a model -------------------------------------------------------------------------- */

/* The log itself, looked through from its beginning: what a reader of its own would find. */
struct entry {
    enum { COMMIT, MARKER } what;
    int64_t producer_id;
    int group;
    int32_t partition;
    int64_t offset; /* of a commit; a marker's: 1 commits */
};

/* Where the transaction that the commit at `i` is in ends; `count`: it is open. */
static int end_of(const struct entry *entries, int count, int i)
{
    int end = i;
    while (end < count &&
           !(entries[end].what == MARKER && entries[end].producer_id == entries[i].producer_id))
        end++;
    return end;
}

/* Is one of the commits at and behind `from` of this partition a tombstone? Those take back at once. */
static bool is_taken_back(const struct entry *entries, int from, int to, const struct entry *one)
{
    for (int i = from; i < to; i++) {
        const struct entry *at = &entries[i];
        bool is_it =
            at->what == COMMIT && at->group == one->group && at->partition == one->partition;
        if (is_it && at->offset < 0) return true;
    }
    return false;
}

static void expect(const struct stage *stage, const struct entry *entries, int count, int group,
                   int32_t partition)
{
    int64_t offset = -1;
    bool pending = false;
    for (int i = 0; i < count; i++) {
        const struct entry *at = &entries[i];
        if (at->what != COMMIT || at->group != group || at->partition != partition) continue;
        bool is_plain = at->producer_id < 0 || at->offset < 0;
        int end = is_plain ? i : end_of(entries, count, i);
        if (is_plain) offset = at->offset;
        if (is_plain || is_taken_back(entries, i, end, at)) continue;
        if (end == count) pending = true;
        if (end < count && entries[end].offset == 1 && !is_taken_back(entries, i, count, at)) {
            offset = at->offset;
        }
    }
    ck_assert_int_eq(committed(stage, group, partition), offset);
    ck_assert_int_eq(is_pending(stage, group, partition), pending);
}

/* Whatever comes in whatever order, and wherever a snapshot is taken, the image says what the log says. */
START_TEST(an_image_says_what_its_log_says)
{
    enum { ENTRIES = 200 };
    static struct entry entries[ENTRIES];
    struct stage stage;
    struct weir_test_random random = {(uint64_t)_i + 1};
    stage_init(&stage);
    for (int i = 0; i < ENTRIES; i++) {
        struct entry *at = &entries[i];
        *at = (struct entry){
            .what = weir_test_random_below(&random, 4) == 0 ? MARKER : COMMIT,
            .producer_id = (int64_t)weir_test_random_below(&random, PRODUCERS + 1) - 1,
            .group = (int)weir_test_random_below(&random, GROUPS),
            .partition = (int32_t)weir_test_random_below(&random, PARTITIONS),
            .offset = i,
        };
        if (at->what == MARKER) {
            if (at->producer_id < 0) at->producer_id = 0;
            at->offset = (int64_t)weir_test_random_below(&random, 2);
            mark(&stage, at->producer_id, at->offset == 1);
        } else {
            bool takes_back = at->producer_id < 0 && weir_test_random_below(&random, 3) == 0;
            if (takes_back) at->offset = -1;
            commit(&stage, at->producer_id, at->group, at->partition, at->offset);
        }
        if (weir_test_random_below(&random, 5) == 0) make_again(&stage);
        for (int cell = 0; cell < GROUPS * PARTITIONS; cell++) {
            expect(&stage, entries, i + 1, cell / PARTITIONS, cell % PARTITIONS);
        }
    }
    stage_close(&stage);
}
END_TEST

/* Without memory a commit within a transaction changes nothing, and is folded in afterwards. */
START_TEST(a_pending_offset_without_memory_changes_nothing)
{
    struct stage stage;
    int failures = 0;
    stage_init(&stage);
    for (int32_t partition = 0; partition < 40; partition++) {
        weir_batch_builder_reset(&stage.builder);
        add_commit(&stage, partition % 2, partition, 3 + partition);
        for (uint64_t nth = 1;; nth++) {
            atomic_store(&stage.heap.fail_at, nth);
            int rc = fold(&stage, 70 + partition % 5, false);
            atomic_store(&stage.heap.fail_at, 0);
            if (rc == 0) break;
            ck_assert_int_eq(rc, WEIR_NO_MEMORY);
            ck_assert(!is_pending(&stage, partition % 2, partition));
            failures++;
        }
        ck_assert(is_pending(&stage, partition % 2, partition));
    }
    ck_assert_int_ge(failures, 60);
    for (int64_t producer_id = 70; producer_id < 75; producer_id++) {
        atomic_store(&stage.heap.fail_at, 1); /* a marker needs none */
        weir_offsets_image_end_transaction(&stage.image, producer_id, true);
        ck_assert_uint_eq(atomic_load(&stage.heap.fail_at), 1);
        atomic_store(&stage.heap.fail_at, 0);
    }
    for (int32_t partition = 0; partition < 40; partition++) {
        ck_assert_int_eq(committed(&stage, partition % 2, partition), 3 + partition);
    }
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("pending offsets");
    tcase_add_loop_test(tests, an_offset_is_pending_until_the_marker, 0, 2);
    tcase_add_test(tests, what_was_committed_later_stays);
    tcase_add_test(tests, a_tombstone_takes_back_what_is_pending);
    tcase_add_loop_test(tests, an_image_says_what_its_log_says, 0, 8);
    tcase_add_test(tests, a_pending_offset_without_memory_changes_nothing);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("pending offsets", add);
}
