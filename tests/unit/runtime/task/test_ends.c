#include <string.h>

#include "base/error.h"
#include "runtime/state/state.h"
#include "runtime/task/collector.h"
#include "runtime/task/input_queue.h"
#include "runtime/task/stream_thread.h"
#include "runtime/task/task.h"
#include "runtime/task/timers.h"
#include "tests/support/support.h"

/* Whatever could not be made is given back like anything else: nothing is freed, and what is zeroed is closed,
 * as often as one likes. */
START_TEST(nothing_can_be_freed)
{
    struct weir_error error;
    weir_stream_thread_free(NULL);
    weir_task_free(NULL);
    ck_ok(weir_state_close(NULL, true, &error), &error);
}
END_TEST

START_TEST(what_is_zeroed_can_be_closed)
{
    struct weir_collector collector;
    struct weir_input_queue queue;
    struct weir_input_pool pool;
    struct weir_timers timers;
    memset(&pool, 0, sizeof pool);
    memset(&collector, 0, sizeof collector);
    memset(&queue, 0, sizeof queue);
    memset(&timers, 0, sizeof timers);
    for (int i = 0; i < 2; i++) {
        weir_collector_close(&collector);
        weir_input_queue_close(&queue);
        weir_input_pool_close(&pool);
        weir_timers_close(&timers);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("ends");
    tcase_add_test(tests, nothing_can_be_freed);
    tcase_add_test(tests, what_is_zeroed_can_be_closed);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("ends", add);
}
