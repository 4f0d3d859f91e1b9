#include "runtime/task/time_alignment.h"

#include "base/assert.h"

void weir_time_alignment_init(struct weir_time_alignment *alignment, int64_t skew_ms,
                              struct weir_aligned_thread *threads, size_t thread_count)
{
    weir_assert(skew_ms > 0 && thread_count > 0);
    *alignment = (struct weir_time_alignment){
        .skew_ms = skew_ms, .threads = threads, .thread_count = thread_count};
    for (size_t i = 0; i < thread_count; i++) {
        atomic_init(&threads[i].time_ms, -1);
        atomic_init(&threads[i].is_waiting, false);
        atomic_init(&threads[i].is_woken, false);
    }
}

int64_t weir_time_alignment_limit(const struct weir_time_alignment *alignment)
{
    int64_t least_ms = INT64_MAX;
    for (size_t i = 0; i < alignment->thread_count; i++) {
        int64_t time_ms = atomic_load(&alignment->threads[i].time_ms);
        if (time_ms < least_ms) least_ms = time_ms;
    }
    bool is_far = least_ms > INT64_MAX - alignment->skew_ms;
    return is_far ? INT64_MAX : least_ms + alignment->skew_ms;
}

static void wake(struct weir_aligned_thread *thread)
{
    if (!atomic_load(&thread->is_waiting)) return;
    if (atomic_exchange(&thread->is_woken, true)) return;
    weir_actor_post(thread->actor, thread->message);
}

/* All of these are sequentially consistent: whoever moves on stores its time and then looks who
 * waits, whoever waits says so and then looks at the times. One of the two sees the other. */
void weir_time_alignment_publish(struct weir_time_alignment *alignment, size_t thread,
                                 int64_t time_ms)
{
    weir_assert(thread < alignment->thread_count);
    if (atomic_load(&alignment->threads[thread].time_ms) == time_ms) return;
    atomic_store(&alignment->threads[thread].time_ms, time_ms);
    for (size_t i = 0; i < alignment->thread_count; i++) {
        if (i != thread) wake(&alignment->threads[i]);
    }
}

void weir_time_alignment_wait(struct weir_time_alignment *alignment, size_t thread, bool is_waiting)
{
    weir_assert(thread < alignment->thread_count);
    atomic_store(&alignment->threads[thread].is_waiting, is_waiting);
}

void weir_time_alignment_awake(struct weir_time_alignment *alignment, size_t thread)
{
    weir_assert(thread < alignment->thread_count);
    atomic_store(&alignment->threads[thread].is_woken, false);
}
