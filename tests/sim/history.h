#ifndef WEIR_TESTS_SIM_HISTORY_H
#define WEIR_TESTS_SIM_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * What the clients of a log asked for and were told, in order: the only thing the checker looks at.
 *
 * Values are unique: process << 40 | counter. An append carries `count` values that follow each
 * other. An event whose answer never came stays HISTORY_UNKNOWN: it may have happened or not, but
 * at most once.
 */
enum history_kind {
    HISTORY_APPEND,    /* `value`, `count`; acknowledged at `offset` */
    HISTORY_READ,      /* a reader was given `value` at `offset` */
    HISTORY_FINAL,     /* the same, by the fresh reader at the end */
    HISTORY_BOUNDS,    /* `start`, `offset` = high watermark, `end` of a partition */
    HISTORY_COMMIT,    /* a group committed `offset` */
    HISTORY_COMMITTED, /* a group was told `offset`; -1: none */
    HISTORY_CREATE,    /* topic of the log: created */
    HISTORY_DELETE,    /* deleted */
    HISTORY_SEEN,      /* topic of the log: found with `count` partitions; 0: not there */
    HISTORY_RESTART,   /* the node came back; `is_lossy`: what was not synced may be gone */
};

enum history_result { HISTORY_UNKNOWN, HISTORY_OK };

enum history_acks { HISTORY_ACKS_NONE, HISTORY_ACKS_LEADER, HISTORY_ACKS_ALL };

struct history_event {
    enum history_kind kind;
    enum history_result result;
    enum history_acks acks;
    bool is_lossy;
    bool is_hearsay; /* bounds of one who is told of news: they may lag behind what others see */
    int process;     /* producer, reader or group */
    int log;
    int64_t began; /* logical time: one tick per call and per answer */
    int64_t ended; /* 0: no answer */
    int64_t value;
    int64_t count;
    int64_t offset;
    int64_t start;
    int64_t end;
};

/** One partition of one life of a topic. */
struct history_log {
    char topic[40];
    int partition;
    bool is_gone; /* deleted, or its deletion was asked for: nothing is promised any more */
};

struct history {
    struct history_event *events;
    size_t event_count;
    size_t event_capacity;
    struct history_log *logs;
    size_t log_count;
    int64_t clock;
    bool is_printed; /* each call and each answer on stderr */
};

void history_close(struct history *history);
/** The index of a new log. */
int history_log_add(struct history *history, const char *topic, int partition);
/** A call begins; the index of its event, for history_end. */
size_t history_begin(struct history *history, const struct history_event *event);
/** Its answer came. */
void history_end(struct history *history, size_t index);
/** Call and answer at once. */
void history_note(struct history *history, const struct history_event *event);
/** The same, of a call that began when `began` said; for calls that answer for many partitions. */
void history_note_since(struct history *history, const struct history_event *event, int64_t began);
/** Now, for `began`. */
int64_t history_now(struct history *history);
/** Equal for equal histories. */
uint64_t history_hash(const struct history *history);

static inline int64_t history_value(int process, int64_t counter)
{
    return (int64_t)process << 40 | counter;
}
static inline int history_value_process(int64_t value)
{
    return (int)(value >> 40);
}
static inline int64_t history_value_counter(int64_t value)
{
    return value & (((int64_t)1 << 40) - 1);
}

#endif
