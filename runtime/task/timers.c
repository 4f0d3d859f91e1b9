#include "runtime/task/timers.h"

#include <string.h>

#include "base/assert.h"
#include "base/grow.h"
#include "base/saturate.h"

void weir_timers_init(struct weir_timers *timers, struct weir_budget *budget)
{
    *timers = (struct weir_timers){
        .budget = budget, .next_stream_ms = INT64_MAX, .next_wall_ms = INT64_MAX};
}

void weir_timers_close(struct weir_timers *timers)
{
    weir_free(timers->timers);
    weir_timers_init(timers, timers->budget);
}

static void find_next(struct weir_timers *timers)
{
    timers->next_stream_ms = INT64_MAX;
    timers->next_wall_ms = INT64_MAX;
    for (size_t i = 0; i < timers->count; i++) {
        const struct weir_timer *timer = &timers->timers[i];
        int64_t *next = timer->type == WEIR_PUNCTUATE_STREAM_TIME ? &timers->next_stream_ms
                                                                  : &timers->next_wall_ms;
        if (timer->next_ms < *next) *next = timer->next_ms;
    }
}

/* The first point after `now_ms` on the grid through `tick_ms`. Saturates, so that a timestamp from
 * the end of time means "never again", not "for ever". */
static int64_t next_tick(int64_t tick_ms, int64_t interval_ms, int64_t now_ms)
{
    weir_assert(now_ms >= tick_ms);
    int64_t missed = (now_ms - tick_ms) / interval_ms;
    return weir_saturating_add(tick_ms + missed * interval_ms, interval_ms);
}

static int64_t first_tick(const struct weir_timers *timers, const struct weir_timer *timer,
                          int64_t wall_now_ms)
{
    if (timer->type == WEIR_PUNCTUATE_WALL_CLOCK) {
        return weir_saturating_add(wall_now_ms, timer->interval_ms);
    }
    for (size_t i = 0; i < timers->mark_count; i++) {
        const struct weir_node_mark *mark = &timers->marks[i];
        bool is_its = mark->id == timer->id && strcmp(mark->node, timer->node->mark_name) == 0;
        if (is_its) return mark->time_ms;
    }
    return 0;
}

int weir_timers_add(struct weir_timers *timers, struct weir_timer timer, int64_t wall_now_ms)
{
    if (timer.interval_ms < 1 || timer.fire == NULL) return WEIR_INVALID_ARGUMENT;
    if (timers->count == timers->capacity) {
        size_t capacity = weir_grown(timers->capacity, 4);
        struct weir_timer *grown =
            weir_realloc(timers->budget, timers->timers, capacity * sizeof *grown);
        if (grown == NULL) return WEIR_NO_MEMORY;
        timers->timers = grown;
        timers->capacity = capacity;
    }
    timer.id = 0;
    for (size_t i = 0; i < timers->count; i++) {
        if (timers->timers[i].node == timer.node) timer.id++;
    }
    timer.next_ms = first_tick(timers, &timer, wall_now_ms);
    timers->timers[timers->count++] = timer;
    find_next(timers);
    return 0;
}

/* Of those of a type that are due, the one that has been so for the longest; NULL: none is. */
static struct weir_timer *first_due(const struct weir_timers *timers, enum weir_punctuation type,
                                    int64_t now_ms)
{
    struct weir_timer *first = NULL;
    for (size_t i = 0; i < timers->count; i++) {
        struct weir_timer *timer = &timers->timers[i];
        if (timer->type != type || timer->next_ms > now_ms || timer->next_ms == INT64_MAX) continue;
        if (first == NULL || timer->next_ms < first->next_ms) first = timer;
    }
    return first;
}

/* Ends, because each that fires is due after `now_ms` next. */
int weir_timers_run(struct weir_timers *timers, enum weir_punctuation type, int64_t now_ms)
{
    int fired = 0;
    struct weir_timer *timer;
    while ((timer = first_due(timers, type, now_ms)) != NULL) {
        timer->next_ms = next_tick(timer->next_ms, timer->interval_ms, now_ms);
        weir_assert(timer->next_ms > now_ms || timer->next_ms == INT64_MAX);
        fired++;
        weir_timer_fn fire = timer->fire; /* firing may add timers: the array may move */
        int rc = fire(timer->node, timer->context, now_ms);
        if (rc < 0) return rc;
    }
    if (fired > 0) find_next(timers);
    return fired;
}
