/**
 * `weir consume --group`: a member of a group by the consumer protocol, on one thread. What the membership's step
 * (client/membership_step.h) wants is done between two fetches, and no fetch waits longer than to the next heartbeat.
 *
 *   tick ──> heartbeat ──> what is offered: take up, or commit and let go ──> fetch, print ──> commit ──> tick
 */
#include "cli/consume.h"
#include "cli/no_memory.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/error.h"
#include "client/membership_step.h"
#include "cli/place_groups.h"
#include "cli/say.h"

enum {
    COMMIT_INTERVAL_MS = 1000,
    REBALANCE_TIMEOUT_MS = 60000,
    WAIT_MAX_MS = 500,   /* between two looks for Ctrl-C */
    IDLE_HEARTBEATS = 2, /* of a stable member without partitions: it gets none */
    MEMBER_ID_SIZE = 33,
};

/* What is committed of the partition at the same index. */
struct member {
    struct consumption *run;
    struct weir_membership membership;
    struct weir_membership_update update;
    char id[MEMBER_ID_SIZE];
    struct weir_uuid topic_id;
    int64_t *committed; /* -1: nothing */
    size_t capacity;
    int64_t commit_at_ms;
    int idle_heartbeats;
    struct weir_error error; /* of the last heartbeat */
};

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct place_membership membership_of(const struct member *member)
{
    return (struct place_membership){.group = member->run->values->group,
                                     .member_id = member->id,
                                     .epoch = member->membership.epoch};
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

static void take(struct member *member, struct weir_membership_event event)
{
    event.now_ms = event.polled_ms = now_ms();
    weir_membership_step(&member->membership, &event, &member->update);
}

static int say_owned(const struct member *member, struct weir_arena *arena,
                     struct place_heartbeat *heartbeat)
{
    const struct weir_member_partitions *owned = &member->membership.owned;
    int32_t *numbers = weir_arena_array(arena, owned->count + 1, sizeof *numbers);
    if (numbers == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < owned->count; i++) {
        numbers[i] = owned->rows[i].partition;
    }
    heartbeat->owned = numbers;
    heartbeat->owned_count = owned->count;
    return 0;
}

static int read_assigned(const struct member *member, struct weir_arena *arena,
                         const struct place_heartbeat *heartbeat,
                         struct weir_membership_event *event)
{
    struct weir_member_partition *rows =
        weir_arena_array(arena, heartbeat->assigned_count + 1, sizeof *rows);
    if (rows == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < heartbeat->assigned_count; i++) {
        rows[i] = (struct weir_member_partition){member->topic_id, heartbeat->assigned[i]};
    }
    event->assigned = rows;
    event->assigned_count = heartbeat->assigned_count;
    return 0;
}

/* One heartbeat, there and back; what comes of it is in `update` then. */
static void send_heartbeat(struct member *member)
{
    const struct weir_membership_update update = member->update;
    struct weir_membership_event event = {.type = WEIR_MEMBERSHIP_ANSWERED};
    struct place_heartbeat heartbeat = {
        .as = membership_of(member),
        .topic_id = member->topic_id,
        .topic = update.with_subscription ? member->run->topic : NULL,
        .rebalance_timeout_ms = update.with_rest ? REBALANCE_TIMEOUT_MS : -1,
    };
    struct weir_arena arena;
    heartbeat.as.epoch = update.epoch;
    weir_arena_init(&arena, member->run->arena.budget, 0);
    member->error = (struct weir_error){0};
    if (update.with_owned) event.rc = say_owned(member, &arena, &heartbeat);
    if (event.rc == 0) {
        event.rc = member->run->place->ops->groups->heartbeat(member->run->place, &arena,
                                                              &heartbeat, &member->error);
    }
    event.epoch = heartbeat.epoch_out;
    event.interval_ms = heartbeat.interval_ms;
    event.has_assignment = heartbeat.has_assignment;
    if (event.rc == 0 && heartbeat.has_assignment) {
        event.rc = read_assigned(member, &arena, &heartbeat, &event);
    }
    take(member, event);
    bool is_idle = event.rc == 0 && member->membership.phase == WEIR_MEMBER_STABLE;
    member->idle_heartbeats = is_idle ? member->idle_heartbeats + 1 : 0;
    weir_arena_close(&arena);
}

/* ---- commits --------------------------------------------------------------------------------- */

static int collect(const struct member *member, struct place_offsets *offsets)
{
    const struct consumption *run = member->run;
    offsets->rows = weir_alloc(run->arena.budget, run->active * sizeof *offsets->rows + 1);
    if (offsets->rows == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < run->active; i++) {
        if (run->partitions[i].offset == member->committed[i]) continue;
        offsets->rows[offsets->count++] = (struct place_offset){
            .topic = run->topic,
            .topic_id = member->topic_id,
            .partition = run->partitions[i].partition,
            .offset = run->partitions[i].offset,
            .leader_epoch = -1,
        };
    }
    return 0;
}

/* What is printed, with the reader of stdout behind it. */
static int commit(struct member *member, struct weir_error *error)
{
    struct consumption *run = member->run;
    struct place_offsets offsets = {0};
    struct place_membership as = membership_of(member);
    consume_flush(run);
    if (say_is_broken()) return 0; /* nobody has read it */
    if (collect(member, &offsets) < 0) return cli_no_memory(error);
    int rc =
        offsets.count > 0 ? run->place->ops->groups->commit(run->place, &as, &offsets, error) : 0;
    weir_free(offsets.rows);
    for (size_t i = 0; rc == 0 && i < run->active; i++) {
        member->committed[i] = run->partitions[i].offset;
    }
    member->commit_at_ms = now_ms() + COMMIT_INTERVAL_MS;
    return rc;
}

/* The group has moved on, or has forgotten this member: the next heartbeat tells, and what is not committed then is
 * read again by somebody. */
static bool is_of_membership(int rc)
{
    return rc == WEIR_STALE_MEMBER_EPOCH || rc == WEIR_FENCED_MEMBER_EPOCH ||
           rc == WEIR_UNKNOWN_MEMBER_ID || weir_code_action(rc) == WEIR_ACTION_RETRY;
}

static int commit_patiently(struct member *member, struct weir_error *error)
{
    if (!weir_membership_is_member(&member->membership)) return 0;
    int rc = commit(member, error);
    if (rc >= 0 || !is_of_membership(rc)) return rc;
    *error = (struct weir_error){0};
    return 0;
}

/* ---- partitions ------------------------------------------------------------------------------ */

static int grow(struct member *member, struct weir_error *error)
{
    struct consumption *run = member->run;
    if (run->active < member->capacity) return 0;
    size_t capacity = member->capacity == 0 ? 8 : member->capacity * 2;
    void *partitions =
        weir_realloc(run->arena.budget, run->partitions, capacity * sizeof *run->partitions);
    if (partitions == NULL) return cli_no_memory(error);
    run->partitions = partitions;
    void *readers = weir_realloc(run->arena.budget, run->readers, capacity * sizeof *run->readers);
    if (readers == NULL) return cli_no_memory(error);
    run->readers = readers;
    void *committed =
        weir_realloc(run->arena.budget, member->committed, capacity * sizeof *member->committed);
    if (committed == NULL) return cli_no_memory(error);
    member->committed = committed;
    member->capacity = capacity;
    return 0;
}

static int64_t find_committed(const struct place_offsets *offsets, const char *topic,
                              int32_t partition)
{
    for (size_t i = 0; i < offsets->count; i++) {
        const struct place_offset *row = &offsets->rows[i];
        if (row->partition == partition && strcmp(row->topic, topic) == 0) return row->offset;
    }
    return -1;
}

/* It goes on where the group has committed, as far as the log still has that; else at the end that --offset names. */
static int add(struct member *member, int32_t partition, const struct place_offsets *offsets,
               struct weir_error *error)
{
    struct consumption *run = member->run;
    const struct place_ops *ops = run->place->ops;
    int64_t start = 0;
    int64_t end = 0;
    int rc = grow(member, error);
    if (rc == 0)
        rc = ops->offset_at(run->place, run->topic, partition, PLACE_EARLIEST, &start, error);
    if (rc == 0) rc = ops->offset_at(run->place, run->topic, partition, PLACE_LATEST, &end, error);
    if (rc < 0) return rc;
    int64_t committed = find_committed(offsets, run->topic, partition);
    bool is_there = committed >= start && committed <= end;
    int64_t offset = is_there ? committed : run->range.from.kind == OFFSET_END ? end : start;
    if (committed >= 0 && !is_there) {
        say_note(
            "weir: '%s' partition %d: the log does not hold offset %lld, which is committed: it "
            "goes on at %lld",
            run->topic, (int)partition, (long long)committed, (long long)offset);
    }
    bool ends = run->values->ends_at_end || run->place->is_alone;
    size_t at = run->active++;
    run->partitions[at] = (struct place_fetch_partition){.partition = partition, .offset = offset};
    weir_buffer_init(&run->partitions[at].batches, run->arena.budget, 0);
    weir_buffer_init(&run->partitions[at].aborted, run->arena.budget, 0);
    run->readers[at] = (struct consume_reader){.to = ends ? end : INT64_MAX};
    member->committed[at] = is_there ? committed : -1;
    return 0;
}

static int take_assigned(struct member *member, struct weir_error *error)
{
    const struct weir_member_partitions *offered = &member->membership.offered;
    struct consumption *run = member->run;
    struct place_offsets offsets = {0};
    struct weir_arena arena;
    weir_arena_init(&arena, run->arena.budget, 0);
    int rc =
        run->place->ops->groups->offsets(run->place, &arena, run->values->group, &offsets, error);
    for (size_t i = 0; rc == 0 && i < offered->count; i++) {
        rc = add(member, offered->rows[i].partition, &offsets, error);
    }
    weir_arena_close(&arena);
    return rc;
}

static void let_go(struct member *member)
{
    const struct weir_member_partitions *offered = &member->membership.offered;
    struct consumption *run = member->run;
    for (size_t i = 0; i < run->active;) {
        struct weir_member_partition of = {member->topic_id, run->partitions[i].partition};
        if (!weir_member_partitions_have(offered, of)) {
            i++;
            continue;
        }
        size_t last = --run->active;
        weir_buffer_close(&run->partitions[i].batches);
        weir_buffer_close(&run->partitions[i].aborted);
        run->partitions[i] = run->partitions[last];
        run->readers[i] = run->readers[last];
        member->committed[i] = member->committed[last];
    }
}

static int take_offer(struct member *member, struct weir_error *error)
{
    int rc = 0;
    switch (member->membership.offer) {
    case WEIR_OFFER_NONE:
        break;
    case WEIR_OFFER_ASSIGN:
        rc = take_assigned(member, error);
        break;
    case WEIR_OFFER_REVOKE:
        rc = commit_patiently(member, error);
        let_go(member);
        break;
    case WEIR_OFFER_LOSE:
        if (member->membership.offered.count > 0) {
            say_note(
                "weir: group '%s' has given this member's partitions to others: it joins again",
                member->run->values->group);
        }
        let_go(member);
        break;
    case WEIR_OFFER_FAIL:
        let_go(member);
        rc = weir_error_set(error, (enum weir_code)member->membership.rc, "%s",
                            member->error.code != 0 ? member->error.text
                                                    : weir_code_text(member->membership.rc));
        break;
    }
    return rc;
}

/* Heartbeats and offers, until there is nothing to be done before the next wait. */
static int serve(struct member *member, struct weir_error *error)
{
    take(member, (struct weir_membership_event){.type = WEIR_MEMBERSHIP_TICK});
    for (;;) {
        while (member->update.sends) {
            send_heartbeat(member);
        }
        if (member->membership.offer == WEIR_OFFER_NONE) break;
        int rc = take_offer(member, error);
        if (rc < 0) return rc;
        take(member, (struct weir_membership_event){.type = WEIR_MEMBERSHIP_DONE});
    }
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int64_t wait_ms(const struct member *member)
{
    int64_t left =
        member->update.wake_at_ms == INT64_MAX ? WAIT_MAX_MS : member->update.wake_at_ms - now_ms();
    if (left > WAIT_MAX_MS) left = WAIT_MAX_MS;
    return left > 0 ? left : 0;
}

/* Those that are not at their end, in front. */
static size_t order_unfinished(struct member *member)
{
    struct consumption *run = member->run;
    size_t count = 0;
    for (size_t i = 0; i < run->active; i++) {
        if (run->partitions[i].offset >= run->readers[i].to) continue;
        struct place_fetch_partition partition = run->partitions[i];
        struct consume_reader reader = run->readers[i];
        int64_t committed = member->committed[i];
        run->partitions[i] = run->partitions[count];
        run->readers[i] = run->readers[count];
        member->committed[i] = member->committed[count];
        run->partitions[count] = partition;
        run->readers[count] = reader;
        member->committed[count++] = committed;
    }
    return count;
}

static int read_round(struct member *member, size_t count, struct weir_error *error)
{
    struct consumption *run = member->run;
    struct place_fetch fetch = {
        .topic = run->topic,
        .partitions = run->partitions,
        .partition_count = count,
        .read_committed = consume_reads_committed(run),
        .wait_ms = (int32_t)wait_ms(member),
        .size_max = CONSUME_FETCH_SIZE_MAX,
    };
    int rc = run->place->ops->fetch(run->place, &fetch, error);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = consume_print_batches(run, &run->partitions[i], &run->readers[i], error);
    }
    consume_flush(run);
    return rc;
}

/* Nothing to fetch: until the next heartbeat, or Ctrl-C. */
static void rest(const struct member *member)
{
    struct pollfd ask = {.fd = member->run->interrupt.fd, .events = POLLIN};
    (void)poll(&ask, 1, (int)wait_ms(member));
}

/* With --exit-at-end: all that it was given is at its end, or it is given nothing. */
static bool is_at_end(const struct member *member, size_t unfinished)
{
    const struct consumption *run = member->run;
    bool ends = run->values->ends_at_end || run->place->is_alone;
    if (!ends || unfinished > 0 || member->membership.phase != WEIR_MEMBER_STABLE) return false;
    return run->active > 0 || member->idle_heartbeats >= IDLE_HEARTBEATS;
}

static int read_all(struct member *member, struct weir_error *error)
{
    struct consumption *run = member->run;
    while (!consume_has_enough(run) && !say_is_broken() && !interrupt_came(&run->interrupt)) {
        int rc = serve(member, error);
        if (rc < 0) return rc;
        size_t unfinished = order_unfinished(member);
        if (is_at_end(member, unfinished)) return 0;
        if (unfinished > 0) {
            rc = read_round(member, unfinished, error);
            if (place_asks_again(&run->patience, rc)) continue;
        } else {
            rest(member);
        }
        if (rc == 0 && now_ms() >= member->commit_at_ms) rc = commit_patiently(member, error);
        if (rc < 0) return rc;
    }
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void make_id(char id[MEMBER_ID_SIZE])
{
    uint64_t parts[2] = {0};
    arc4random_buf(parts, sizeof parts);
    (void)snprintf(id, MEMBER_ID_SIZE, "%016llx%016llx", (unsigned long long)parts[0],
                   (unsigned long long)parts[1]);
}

/* What was printed last is committed; then others may have the partitions at once. */
static int leave(struct member *member, int rc, struct weir_error *error)
{
    struct weir_error last = {0};
    int committed = 0;
    if (weir_membership_is_member(&member->membership)) committed = commit(member, &last);
    take(member, (struct weir_membership_event){.type = WEIR_MEMBERSHIP_LEAVE});
    while (member->update.sends) {
        send_heartbeat(member);
    }
    if (rc < 0 || committed >= 0) return rc;
    *error = last;
    return committed;
}

int consume_as_member(struct consumption *run, const struct place_topic *topic,
                      struct weir_error *error)
{
    struct member member = {
        .run = run,
        .topic_id = topic->id,
        .membership = {.group = run->values->group,
                       .budget = run->arena.budget,
                       .max_poll_interval_ms = INT64_MAX},
    };
    make_id(member.id);
    weir_membership_init(&member.membership);
    member.commit_at_ms = now_ms() + COMMIT_INTERVAL_MS;
    take(&member, (struct weir_membership_event){.type = WEIR_MEMBERSHIP_SUBSCRIBED});
    while (member.update.sends) {
        send_heartbeat(&member);
    }
    int rc = read_all(&member, error);
    rc = leave(&member, rc, error);
    for (size_t i = 0; i < run->active; i++) {
        weir_buffer_close(&run->partitions[i].batches);
        weir_buffer_close(&run->partitions[i].aborted);
    }
    weir_free(run->partitions);
    weir_free(run->readers);
    weir_free(member.committed);
    weir_membership_close(&member.membership);
    return rc;
}
