/**
 * A job that is driven. Who makes events happen himself, one after the other on one thread, finds the job
 * and its threads at rest in between: he may look at them as they are, and tell them the time. Nothing
 * here asks which environment that is; where actors have threads of their own, none of it may be called.
 */
#include "base/assert.h"
#include "runtime/job/streams_internal.h"

static void poke(struct weir_streams *streams)
{
    for (size_t i = 0; i < streams->thread_count; i++) {
        weir_actor_post(streams->threads[i]->actor, &streams->threads[i]->poke.message);
    }
}

void weir_streams_set_wall(struct weir_streams *streams, int64_t wall_ms)
{
    weir_assert(streams->drive.is_manual); /* else the environment's is read */
    streams->drive.wall_ms = wall_ms;
    poke(streams);
}

void weir_streams_pause(struct weir_streams *streams, bool is_paused)
{
    if (streams->drive.is_paused == is_paused) return;
    streams->drive.is_paused = is_paused;
    if (!is_paused) poke(streams);
}

int64_t weir_streams_next_timer(const struct weir_streams *streams)
{
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < streams->thread_count; i++) {
        const struct weir_stream_thread *thread = streams->threads[i];
        for (size_t t = 0; t < thread->task_count; t++) {
            int64_t wall_ms = thread->tasks[t].task->timers.next_wall_ms;
            if (wall_ms < next_ms) next_ms = wall_ms;
        }
    }
    return next_ms;
}

bool weir_streams_is_dirty(const struct weir_streams *streams)
{
    for (size_t i = 0; i < streams->thread_count; i++) {
        const struct weir_stream_thread *thread = streams->threads[i];
        for (size_t t = 0; t < thread->task_count; t++) {
            if (thread->tasks[t].task->is_dirty) return true;
        }
    }
    return false;
}

int64_t weir_streams_commit_round(const struct weir_streams *streams)
{
    int64_t round = INT64_MAX;
    for (size_t i = 0; i < streams->commit.group_count; i++) {
        const struct weir_commit_state *state = &streams->commit.groups[i].state;
        if (state->round < round) round = state->round;
    }
    return round < INT64_MAX ? round : 0;
}

static bool is_group_idle(const struct weir_commit_group *group)
{
    return group->state.phase == WEIR_COMMIT_IDLE && !group->state.is_wanted &&
           !group->is_transaction_wanted;
}

bool weir_streams_is_idle(const struct weir_streams *streams)
{
    if (weir_streams_state(streams) != WEIR_STREAMS_RUNNING) return false;
    if (streams->outstanding > 0 || streams->drains != NULL) return false;
    for (size_t i = 0; i < streams->commit.group_count; i++) {
        if (!is_group_idle(&streams->commit.groups[i])) return false;
    }
    for (size_t i = 0; i < streams->thread_count; i++) {
        if (!weir_stream_thread_is_idle(streams->threads[i])) return false;
    }
    return true;
}
