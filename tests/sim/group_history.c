#include "tests/sim/group_history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void group_history_close(struct group_history *history)
{
    free(history->events);
    *history = (struct group_history){0};
}

static const char *const kind_names[] = {
    [GROUP_LISTED] = "is a member to the leader",
    [GROUP_TOLD] = "has its assignment",
    [GROUP_LEASE] = "is in until",
    [GROUP_GIVEN] = "is given",
    [GROUP_RELEASED] = "gives up",
    [GROUP_READ] = "read",
    [GROUP_COMMIT] = "commits",
    [GROUP_FETCHED] = "fetches what is committed",
};
static const char *const result_names[] = {
    [GROUP_UNKNOWN] = "asked", [GROUP_OK] = "ok", [GROUP_REFUSED] = "refused"};

static void print(const struct group_history *history, const struct group_event *event)
{
    if (!history->is_printed) return;
    (void)fprintf(stderr,
                  "  [%" PRId64 " us] group %d slot %d > %s: %s, generation %" PRId32
                  " partition %" PRId32 " from %" PRId64 " offset %" PRId64 "\n",
                  event->at_ns / 1000, event->group, event->slot, kind_names[event->kind],
                  result_names[event->result], event->generation, event->partition, event->from,
                  event->offset);
}

size_t group_history_begin(struct group_history *history, const struct group_event *event)
{
    if (history->count == history->capacity) {
        history->capacity = history->capacity == 0 ? 256 : 2 * history->capacity;
        history->events = realloc(history->events, history->capacity * sizeof history->events[0]);
        if (history->events == NULL) abort(); /* a test without memory has nothing to say */
    }
    struct group_event *added = &history->events[history->count];
    *added = *event;
    added->result = GROUP_UNKNOWN;
    added->began = ++history->clock;
    added->ended = 0;
    if (event->kind == GROUP_COMMIT) print(history, added);
    return history->count++;
}

void group_history_end(struct group_history *history, size_t index, enum group_result result)
{
    struct group_event *event = &history->events[index];
    event->result = result;
    event->ended = ++history->clock;
    print(history, event);
}

void group_history_note(struct group_history *history, const struct group_event *event)
{
    group_history_end(history, group_history_begin(history, event), GROUP_OK);
}
