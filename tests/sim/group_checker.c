/*
 * Events happen at ticks: a call at its beginning, an answer at its end. The checker walks over the ticks and keeps,
 * per group and partition, who was given it, who reads it, up to where it was read, and what a fetch has to show.
 *
 *     commit asked ── floor of generations is noted ──> answered ok ── not below the floor
 *     fetch asked  ── what has to be shown is noted ──> answered   ── not less, unless a commit of the same slot and
 *                                                                     generation, never answered, came late
 */
#include "tests/sim/group_checker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SLOTS_MAX = 256 };

/* One that was given a partition. */
struct gift {
    int32_t generation;
    int slot;
};

/* What a commit or a fetch has to heed, noted when it is asked. */
struct floor {
    int64_t offset; /* -1: nothing */
    int slot;
    int32_t generation;
};

struct part {
    struct gift *gifts;
    size_t gift_count;
    size_t gift_capacity;
    bool holds[SLOTS_MAX];
    int64_t read_end;
    struct floor shown; /* the most that was acknowledged or shown */
};

struct watch {
    struct part *parts;
    int32_t told; /* classic: the newest generation that a slot has an assignment of */
    int32_t told_of[SLOTS_MAX];
    int64_t until_ns[SLOTS_MAX];
    int32_t *listed; /* classic: generation and slot, pairs */
    size_t listed_count;
    size_t listed_capacity;
};

struct checker {
    const struct group_history *history;
    const struct group_shape *shapes;
    int group_count;
    struct watch *watches;
    struct floor *floors; /* by event */
    struct checker_anomaly anomaly;
};

static void *zeroed(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);
    if (memory == NULL) abort();
    return memory;
}

static void *grown(void *memory, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity) return memory;
    *capacity = *capacity == 0 ? 16 : 2 * *capacity;
    memory = realloc(memory, *capacity * size);
    if (memory == NULL) abort();
    return memory;
}

static void flag(struct checker *checker, const char *name, const struct group_event *event,
                 const char *what, int other, int64_t number)
{
    if (checker->anomaly.name != NULL) return;
    checker->anomaly.name = name;
    (void)snprintf(checker->anomaly.text, sizeof checker->anomaly.text,
                   "group %d, partition %" PRId32 ", slot %d in generation %" PRId32
                   ", offset %" PRId64 ": %s (slot %d, %" PRId64 ")",
                   event->group, event->partition, event->slot, event->generation, event->offset,
                   what, other, number);
}

static bool is_consumer(const struct checker *checker, const struct group_event *event)
{
    return checker->shapes[event->group].is_consumer;
}

static bool is_mixed(const struct checker *checker, const struct group_event *event)
{
    return checker->shapes[event->group].is_mixed;
}

static struct watch *watch_of(struct checker *checker, const struct group_event *event)
{
    return &checker->watches[event->group];
}

static struct part *part_of(struct checker *checker, const struct group_event *event)
{
    return &watch_of(checker, event)->parts[event->partition];
}

/* ---- who is a member ------------------------------------------------------------------------- */

static void take_listed(struct checker *checker, const struct group_event *event)
{
    struct watch *watch = watch_of(checker, event);
    watch->listed = grown(watch->listed, &watch->listed_capacity, watch->listed_count + 1,
                          sizeof watch->listed[0]);
    watch->listed[watch->listed_count++] = event->generation;
    watch->listed[watch->listed_count++] = event->slot;
}

static void take_told(struct checker *checker, const struct group_event *event)
{
    struct watch *watch = watch_of(checker, event);
    bool has_list = false;
    bool is_listed = false;
    if (is_mixed(checker, event)) return;
    for (size_t i = 0; i < watch->listed_count; i += 2) {
        if (watch->listed[i] != event->generation) continue;
        has_list = true;
        is_listed |= watch->listed[i + 1] == event->slot;
    }
    if (has_list && !is_listed) {
        flag(checker, "forgotten-member", event, "the leader was not told of it", -1, 0);
    }
    if (event->generation < watch->told_of[event->slot]) {
        flag(checker, "generation-back", event, "it had a newer one", event->slot,
             watch->told_of[event->slot]);
    }
    watch->told_of[event->slot] = event->generation;
    if (event->generation > watch->told) watch->told = event->generation;
}

static void take_lease(struct checker *checker, const struct group_event *event)
{
    struct watch *watch = watch_of(checker, event);
    if (event->until_ns > watch->until_ns[event->slot])
        watch->until_ns[event->slot] = event->until_ns;
}

/* ---- who has a partition --------------------------------------------------------------------- */

/* In a consumer group of one who was silent for too long others know that it has lost it, before it does. */
static bool has_lease(const struct watch *watch, int slot, int64_t now_ns)
{
    return watch->until_ns[slot] > now_ns;
}

static void check_holders(struct checker *checker, const struct group_event *event)
{
    const struct watch *watch = watch_of(checker, event);
    struct part *part = part_of(checker, event);
    if (!has_lease(watch, event->slot, event->at_ns)) return; /* the gift was long on its way */
    for (int slot = 0; slot < SLOTS_MAX; slot++) {
        if (slot == event->slot || !part->holds[slot]) continue;
        if (has_lease(watch, slot, event->at_ns)) {
            flag(checker, "two-owners", event, "another one reads it", slot, watch->until_ns[slot]);
        }
        part->holds[slot] = false;
    }
    part->holds[event->slot] = true;
}

static void take_given(struct checker *checker, const struct group_event *event)
{
    struct part *part = part_of(checker, event);
    for (size_t i = 0; i < part->gift_count; i++) {
        const struct gift *gift = &part->gifts[i];
        if (gift->generation != event->generation || gift->slot == event->slot) continue;
        if (is_consumer(checker, event)) continue; /* epochs are the members' own */
        flag(checker, "two-owners", event, "another one has it in this generation", gift->slot, 0);
    }
    part->gifts = grown(part->gifts, &part->gift_capacity, part->gift_count, sizeof part->gifts[0]);
    part->gifts[part->gift_count++] = (struct gift){event->generation, event->slot};
    if (is_consumer(checker, event)) check_holders(checker, event);
}

/* ---- reads ----------------------------------------------------------------------------------- */

static void take_read(struct checker *checker, const struct group_event *event)
{
    struct part *part = part_of(checker, event);
    if (event->from > part->read_end) {
        flag(checker, "skip", event, "nobody has read what is before", -1, part->read_end);
    }
    if (event->offset > part->read_end) part->read_end = event->offset;
}

/* ---- commits --------------------------------------------------------------------------------- */

/* The newest generation in which the partition, or in a classic group anything, is known to be no more of this one. */
static struct floor floor_of_commit(struct checker *checker, const struct group_event *event)
{
    const struct watch *watch = watch_of(checker, event);
    const struct part *part = part_of(checker, event);
    struct floor floor = {.generation = -1, .slot = -1};
    if (!is_consumer(checker, event)) {
        floor.generation = watch->told;
        return floor;
    }
    for (size_t i = 0; i < part->gift_count; i++) {
        const struct gift *gift = &part->gifts[i];
        if (gift->slot == event->slot || gift->generation <= floor.generation) continue;
        floor = (struct floor){.generation = gift->generation, .slot = gift->slot};
    }
    return floor;
}

static void raise(struct floor *shown, const struct group_event *event)
{
    if (event->offset < shown->offset) return;
    *shown = (struct floor){event->offset, event->slot, event->generation};
}

static void begin_commit(struct checker *checker, const struct group_event *event, size_t index)
{
    const struct part *part = part_of(checker, event);
    checker->floors[index] = floor_of_commit(checker, event);
    if (event->offset > part->read_end) {
        flag(checker, "unread-commit", event, "nobody has read up to it", -1, part->read_end);
    }
}

static void end_commit(struct checker *checker, const struct group_event *event, size_t index)
{
    const struct floor *floor = &checker->floors[index];
    if (event->result != GROUP_OK) return;
    if (event->generation < floor->generation && !is_mixed(checker, event)) {
        flag(checker, "stale-commit", event, "it was accepted, and a newer generation was there",
             floor->slot, floor->generation);
    }
    raise(&part_of(checker, event)->shown, event);
}

/* ---- what is shown --------------------------------------------------------------------------- */

/* The commit that a fetch shows: one that may have happened by now. Of the same slot and generation as the floor's if
 * there is one. */
static const struct group_event *find_commit(const struct checker *checker,
                                             const struct group_event *fetch,
                                             const struct floor *floor)
{
    const struct group_event *found = NULL;
    for (size_t i = 0; i < checker->history->count; i++) {
        const struct group_event *event = &checker->history->events[i];
        bool fits = event->kind == GROUP_COMMIT && event->group == fetch->group &&
                    event->partition == fetch->partition && event->offset == fetch->offset &&
                    event->result != GROUP_REFUSED && event->began < fetch->ended;
        if (!fits) continue;
        found = event;
        if (event->result == GROUP_UNKNOWN && event->slot == floor->slot &&
            event->generation == floor->generation) {
            return event;
        }
    }
    return found;
}

static void end_fetch(struct checker *checker, const struct group_event *event, size_t index)
{
    const struct floor *floor = &checker->floors[index];
    const struct group_event *commit = NULL;
    if (event->result != GROUP_OK) return;
    if (event->offset >= 0) {
        commit = find_commit(checker, event, floor);
        if (commit == NULL) {
            flag(checker, "phantom-commit", event, "nobody committed it", -1, floor->offset);
            return;
        }
    }
    bool came_late = commit != NULL && commit->result == GROUP_UNKNOWN &&
                     commit->slot == floor->slot && commit->generation == floor->generation;
    if (event->offset < floor->offset && !came_late) {
        flag(checker, "committed-lost", event, "more was acknowledged or shown before", floor->slot,
             floor->offset);
    }
    if (commit == NULL) return;
    struct part *part = part_of(checker, event);
    if (came_late) part->shown.offset = event->offset;
    raise(&part->shown, commit);
}

/* ---- the walk -------------------------------------------------------------------------------- */

static void begin(struct checker *checker, const struct group_event *event, size_t index)
{
    if (event->kind == GROUP_COMMIT) begin_commit(checker, event, index);
    if (event->kind == GROUP_FETCHED) checker->floors[index] = part_of(checker, event)->shown;
}

static void end(struct checker *checker, const struct group_event *event, size_t index)
{
    switch (event->kind) {
    case GROUP_LISTED:
        take_listed(checker, event);
        break;
    case GROUP_TOLD:
        take_told(checker, event);
        break;
    case GROUP_LEASE:
        take_lease(checker, event);
        break;
    case GROUP_GIVEN:
        take_given(checker, event);
        break;
    case GROUP_RELEASED:
        part_of(checker, event)->holds[event->slot] = false;
        break;
    case GROUP_READ:
        take_read(checker, event);
        break;
    case GROUP_COMMIT:
        end_commit(checker, event, index);
        break;
    case GROUP_FETCHED:
        end_fetch(checker, event, index);
        break;
    }
}

static bool is_known(const struct checker *checker, const struct group_event *event)
{
    return event->group >= 0 && event->group < checker->group_count && event->slot >= 0 &&
           event->slot < SLOTS_MAX && event->partition >= 0 &&
           event->partition < checker->shapes[event->group].partition_count;
}

/* Each tick is the beginning or the end of one event. */
static void walk(struct checker *checker)
{
    const struct group_history *history = checker->history;
    size_t ticks = (size_t)history->clock + 1;
    size_t *begins = zeroed(ticks, sizeof *begins); /* index + 1; 0: none */
    size_t *ends = zeroed(ticks, sizeof *ends);
    for (size_t i = 0; i < history->count; i++) {
        const struct group_event *event = &history->events[i];
        if (!is_known(checker, event)) {
            flag(checker, "unknown-place", event, "no such group, slot or partition", -1, 0);
            continue;
        }
        begins[event->began] = i + 1;
        if (event->ended > 0) ends[event->ended] = i + 1;
    }
    for (size_t tick = 0; tick < ticks && checker->anomaly.name == NULL; tick++) {
        if (begins[tick] > 0) begin(checker, &history->events[begins[tick] - 1], begins[tick] - 1);
        if (ends[tick] > 0) end(checker, &history->events[ends[tick] - 1], ends[tick] - 1);
    }
    free(begins);
    free(ends);
}

static void open_watches(struct checker *checker)
{
    checker->watches = zeroed((size_t)checker->group_count, sizeof *checker->watches);
    checker->floors = zeroed(checker->history->count, sizeof *checker->floors);
    for (int i = 0; i < checker->group_count; i++) {
        size_t count = (size_t)checker->shapes[i].partition_count;
        checker->watches[i].parts = zeroed(count, sizeof(struct part));
        for (size_t j = 0; j < count; j++)
            checker->watches[i].parts[j].shown = (struct floor){.offset = -1, .slot = -1};
    }
}

static void close_watches(struct checker *checker)
{
    for (int i = 0; i < checker->group_count; i++) {
        for (int32_t j = 0; j < checker->shapes[i].partition_count; j++)
            free(checker->watches[i].parts[j].gifts);
        free(checker->watches[i].parts);
        free(checker->watches[i].listed);
    }
    free(checker->watches);
    free(checker->floors);
}

struct checker_anomaly group_checker_check(const struct group_history *history,
                                           const struct group_shape *shapes, int group_count)
{
    struct checker checker = {.history = history, .shapes = shapes, .group_count = group_count};
    open_watches(&checker);
    walk(&checker);
    close_watches(&checker);
    return checker.anomaly;
}
