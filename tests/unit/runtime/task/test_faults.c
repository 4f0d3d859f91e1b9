/* Each allocation fails in turn: the job says so or goes on, and what was committed stays. */
#include "base/hash.h"
#include "tests/unit/runtime/task/stage.h"

static struct stage stage;
static struct plan plan;

/* The node's allocations from here on: number `at` fails, once. */
static void fail_allocation(uint64_t at)
{
    atomic_store(&stage.env->heap->fail_at, at);
}

static bool has_failed_one(void)
{
    return atomic_load(&stage.env->heap->fail_at) == 0;
}

static void no_more_failures(void)
{
    atomic_store(&stage.env->heap->fail_at, 0);
}

/* One life of a job with a failing allocation; true if it came to that. */
static bool live_with_failure(uint64_t at)
{
    struct weir_error error = {0};
    fail_allocation(at);
    struct weir_streams *streams = weir_streams_start(
        stage.log, &plan.topology, STAGE_OPTIONS(.num_stream_threads = 2), &error);
    if (streams == NULL) {
        ck_assert_msg(has_failed_one(), "%s", error.text);
    } else {
        (void)weir_streams_drain(streams, 2000, &error); /* it may fail: that is the point */
        (void)weir_streams_close(streams, &error);
    }
    bool has_failed = has_failed_one();
    no_more_failures();
    return has_failed;
}

/* Start, drain and close with each allocation failing in turn; afterwards a job without failures
 * counts every record once. */
START_TEST(every_allocation_may_fail)
{
    for (uint64_t at = 1;; at += at < 64 ? 1 : 1 + at / 24) {
        stage_open(&stage, at);
        stage_topic(&stage, "in", 2);
        stage_topic(&stage, "counts", 2);
        for (int i = 0; i < 6; i++) {
            stage_produce(&stage, "in", i % 2, "a", "1", 1000 + i);
        }
        plan_repartition(&plan, _i == 0 ? WEIR_STORE_ROCKSDB : WEIR_STORE_MEMORY);
        bool has_failed = live_with_failure(at);
        stage_start(&stage, &plan.topology, STAGE_OPTIONS(0));
        stage_drain(&stage);
        int32_t partition = weir_partition_of_key(weir_text("a"), 2);
        ck_assert_uint_eq(stage_stored(&stage, partition, "a"), 6);
        stage_close(&stage);
        if (!has_failed) return;
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("faults");
    tcase_set_timeout(tests, 240);
    tcase_add_loop_test(tests, every_allocation_may_fail, 0, 2);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("faults", add);
}
