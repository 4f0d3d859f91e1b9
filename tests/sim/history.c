#include "tests/sim/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *grow(void *memory, size_t size)
{
    memory = realloc(memory, size);
    if (memory == NULL) abort(); /* a test without memory has nothing to say */
    return memory;
}

void history_close(struct history *history)
{
    free(history->events);
    free(history->logs);
    *history = (struct history){0};
}

int history_log_add(struct history *history, const char *topic, int partition)
{
    history->logs = grow(history->logs, (history->log_count + 1) * sizeof history->logs[0]);
    struct history_log *log = &history->logs[history->log_count];
    *log = (struct history_log){.partition = partition};
    (void)snprintf(log->topic, sizeof log->topic, "%s", topic);
    return (int)history->log_count++;
}

static const char *const kind_names[] = {
    [HISTORY_APPEND] = "append",       [HISTORY_READ] = "read",
    [HISTORY_FINAL] = "last read",     [HISTORY_BOUNDS] = "bounds",
    [HISTORY_COMMIT] = "commit",       [HISTORY_COMMITTED] = "committed",
    [HISTORY_CREATE] = "create topic", [HISTORY_DELETE] = "delete topic",
    [HISTORY_SEEN] = "look at topic",  [HISTORY_RESTART] = "restarted",
};

static void print(const struct history *history, size_t index, const char *what)
{
    if (!history->is_printed) return;
    const struct history_event *event = &history->events[index];
    const char *topic = event->log >= 0 ? history->logs[event->log].topic : "-";
    int partition = event->log >= 0 ? history->logs[event->log].partition : 0;
    (void)fprintf(stderr,
                  "         client %d > %s %s %s-%d: value %" PRId64 " count %" PRId64
                  " offset %" PRId64 " start %" PRId64 " end %" PRId64 "%s\n",
                  event->process, kind_names[event->kind], what, topic, partition,
                  history_value_counter(event->value), event->count, event->offset, event->start,
                  event->end, event->is_lossy ? " lossy" : "");
}

size_t history_begin(struct history *history, const struct history_event *event)
{
    if (history->event_count == history->event_capacity) {
        history->event_capacity = history->event_capacity == 0 ? 256 : 2 * history->event_capacity;
        history->events =
            grow(history->events, history->event_capacity * sizeof history->events[0]);
    }
    struct history_event *added = &history->events[history->event_count];
    *added = *event;
    added->result = HISTORY_UNKNOWN;
    added->began = ++history->clock;
    added->ended = 0;
    print(history, history->event_count, "asked");
    return history->event_count++;
}

void history_end(struct history *history, size_t index)
{
    history->events[index].result = HISTORY_OK;
    history->events[index].ended = ++history->clock;
    print(history, index, "answered");
}

void history_note(struct history *history, const struct history_event *event)
{
    history_end(history, history_begin(history, event));
}

void history_note_since(struct history *history, const struct history_event *event, int64_t began)
{
    size_t index = history_begin(history, event);
    history->events[index].began = began;
    history_end(history, index);
}

int64_t history_now(struct history *history)
{
    return ++history->clock;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    uint64_t mixed = (hash ^ word) * 0x9fb21c651e98df25u;
    return mixed ^ mixed >> 29;
}

uint64_t history_hash(const struct history *history)
{
    uint64_t hash = history->event_count;
    for (size_t i = 0; i < history->event_count; i++) {
        const struct history_event *event = &history->events[i];
        hash = mix(hash, (uint64_t)event->kind << 8 | (uint64_t)event->result);
        hash = mix(hash, (uint64_t)event->process << 32 | (uint64_t)event->log);
        hash = mix(hash, (uint64_t)event->value);
        hash = mix(hash, (uint64_t)event->offset);
        hash = mix(hash, (uint64_t)event->ended);
    }
    return hash;
}
