#include "tests/unit/broker/coordinator/group/classic_stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WALL_MS = 1000000 }; /* the wall clock is ahead by this */

void stage_init(struct stage *stage)
{
    *stage = (struct stage){.now_ms = 5000, .settings = weir_group_settings_default()};
    weir_heap_init(&stage->heap, false);
    weir_heap_init(&stage->asked_heap, false);
    weir_budget_init(&stage->budget, "group", &stage->heap, NULL, 0);
    weir_budget_init(&stage->asked_budget, "asked", &stage->asked_heap, NULL, 0);
    weir_arena_init(&stage->arena, &stage->budget, 256);
    weir_group_update_init(&stage->update, &stage->arena);
    weir_classic_group_init(&stage->group, &stage->budget, weir_text("orders"));
}

void stage_close(struct stage *stage)
{
    struct weir_group_request *parked = weir_classic_group_take_parked(&stage->group);
    for (; parked != NULL; parked = parked->next) {
        struct asked *asked = parked->request.context;
        ck_assert(!parked->is_parked);
        asked->answer_count++;
    }
    while (stage->asked != NULL) {
        struct asked *asked = stage->asked;
        stage->asked = asked->next;
        ck_assert_uint_eq(asked->answer_count, 1);
        weir_arena_close(&asked->arena);
        weir_free(asked);
    }
    weir_classic_group_close(&stage->group);
    weir_classic_group_close(&stage->group);
    weir_arena_close(&stage->arena);
    ck_assert_uint_eq(atomic_load(&stage->budget.used), 0);
    ck_assert_uint_eq(atomic_load(&stage->asked_budget.used), 0);
}

static void note(const struct weir_group_answers *answers, bool is_durable)
{
    const struct weir_group_request *request = answers->first;
    for (; request != NULL; request = request->next) {
        struct asked *asked = request->request.context;
        ck_assert(!request->is_parked);
        ck_told(request->request.rc, &request->request.error);
        asked->answer_count++;
        asked->was_durable = is_durable;
    }
}

int stage_step(struct stage *stage, struct weir_classic_event event)
{
    event.now_ms = stage->now_ms;
    event.wall_ms = stage->now_ms + WALL_MS;
    event.settings = &stage->settings;
    stage->ids++;
    memcpy(event.random.bytes, &stage->ids, sizeof stage->ids);
    weir_arena_reset(&stage->arena);
    weir_group_update_init(&stage->update, &stage->arena);
    stage->rc = weir_classic_group_step(&stage->group, &event, &stage->update);
    note(&stage->update.answered, false);
    note(&stage->update.durable, true);
    if (stage->rc == 0) {
        ck_assert_int_eq(stage->update.wake_at_ms, weir_classic_group_wake_at(&stage->group));
    }
    return stage->rc;
}

static struct asked *ask(struct stage *stage)
{
    struct asked *asked = weir_alloc_zero(&stage->asked_budget, sizeof *asked);
    ck_assert_ptr_nonnull(asked);
    weir_arena_init(&asked->arena, &stage->asked_budget, 512);
    asked->base.group = weir_text("orders");
    asked->base.arena = &asked->arena;
    asked->base.request.context = asked;
    asked->next = stage->asked;
    stage->asked = asked;
    return asked;
}

struct asked *stage_join(struct stage *stage, const struct joining *joining)
{
    struct asked *asked = ask(stage);
    struct weir_group_protocol *protocols = weir_arena_array(&asked->arena, 4, sizeof *protocols);
    size_t count = 0;
    const char *metadata = joining->metadata != NULL ? joining->metadata : "topics";
    for (; count < 4 && joining->protocols[count] != NULL; count++) {
        protocols[count] =
            (struct weir_group_protocol){weir_text(joining->protocols[count]), weir_text(metadata)};
    }
    if (count == 0) {
        protocols[count++] = (struct weir_group_protocol){weir_text("range"), weir_text(metadata)};
    }
    asked->join.member.member_id = weir_text(joining->id);
    asked->join.member.instance_id = weir_text(joining->instance);
    asked->join.client_id = weir_text(joining->client != NULL ? joining->client : "client");
    asked->join.client_host = weir_text("/127.0.0.1");
    asked->join.protocol_type = weir_text(joining->type != NULL ? joining->type : "consumer");
    asked->join.protocols = protocols;
    asked->join.protocol_count = count;
    asked->join.session_timeout_ms = joining->session_ms != 0 ? joining->session_ms : 10000;
    asked->join.rebalance_timeout_ms = joining->rebalance_ms != 0 ? joining->rebalance_ms : 60000;
    asked->join.requires_member_id = !joining->is_old;
    asked->join.can_skip_assignment = joining->can_skip;
    (void)stage_step(stage,
                     (struct weir_classic_event){.type = WEIR_CLASSIC_JOIN, .join = &asked->join});
    return asked;
}

struct asked *stage_enter(struct stage *stage, const struct joining *joining)
{
    struct asked *asked = stage_join(stage, joining);
    if (asked->answer_count == 0 || asked->base.request.rc != WEIR_MEMBER_ID_REQUIRED) return asked;
    struct joining again = *joining;
    again.id = id_of(asked);
    return stage_join(stage, &again);
}

struct asked *stage_sync_as(struct stage *stage, const char *id, const char *instance,
                            int32_t generation, const struct part *parts)
{
    enum { PARTS_MAX = 64 };
    struct asked *asked = ask(stage);
    struct weir_member_assignment *assignments =
        weir_arena_array(&asked->arena, PARTS_MAX, sizeof *assignments);
    size_t count = 0;
    for (; parts != NULL && parts[count].id != NULL; count++) {
        ck_assert_uint_lt(count, PARTS_MAX);
        assignments[count] = (struct weir_member_assignment){weir_text(parts[count].id),
                                                             weir_text(parts[count].assignment)};
    }
    asked->sync.member = (struct weir_group_member_id){weir_text(id), weir_text(instance)};
    asked->sync.generation = generation;
    asked->sync.assignments = assignments;
    asked->sync.assignment_count = count;
    (void)stage_step(stage,
                     (struct weir_classic_event){.type = WEIR_CLASSIC_SYNC, .sync = &asked->sync});
    return asked;
}

struct asked *stage_sync(struct stage *stage, const char *id, const struct part *parts)
{
    return stage_sync_as(stage, id, NULL, stage->group.generation, parts);
}

int stage_heartbeat_as(struct stage *stage, const char *id, const char *instance,
                       int32_t generation)
{
    struct asked *asked = ask(stage);
    asked->heartbeat.member = (struct weir_group_member_id){weir_text(id), weir_text(instance)};
    asked->heartbeat.generation = generation;
    (void)stage_step(stage, (struct weir_classic_event){.type = WEIR_CLASSIC_HEARTBEAT,
                                                        .heartbeat = &asked->heartbeat});
    ck_assert_uint_eq(asked->answer_count, 1);
    return asked->base.request.rc;
}

int stage_heartbeat(struct stage *stage, const char *id)
{
    return stage_heartbeat_as(stage, id, NULL, stage->group.generation);
}

int stage_leave(struct stage *stage, const char *id, const char *instance)
{
    struct asked *asked = ask(stage);
    struct weir_leaving_member *member = weir_arena_alloc_zero(&asked->arena, sizeof *member);
    member->id = (struct weir_group_member_id){weir_text(id), weir_text(instance)};
    asked->leave.members = member;
    asked->leave.member_count = 1;
    (void)stage_step(
        stage, (struct weir_classic_event){.type = WEIR_CLASSIC_LEAVE, .leave = &asked->leave});
    ck_assert_uint_eq(asked->answer_count, 1);
    return asked->base.request.rc < 0 ? asked->base.request.rc : member->rc;
}

void stage_cancel(struct stage *stage, struct asked *asked)
{
    (void)stage_step(
        stage, (struct weir_classic_event){.type = WEIR_CLASSIC_CANCEL, .cancel = &asked->base});
}

void stage_pass(struct stage *stage, int64_t ms)
{
    int64_t end_ms = stage->now_ms + ms;
    int64_t wake_at_ms;
    while ((wake_at_ms = weir_classic_group_wake_at(&stage->group)) < end_ms) {
        if (wake_at_ms > stage->now_ms) stage->now_ms = wake_at_ms;
        (void)stage_step(stage, (struct weir_classic_event){.type = WEIR_CLASSIC_TICK});
        if (stage->rc < 0) return;
    }
    stage->now_ms = end_ms;
    (void)stage_step(stage, (struct weir_classic_event){.type = WEIR_CLASSIC_TICK});
}

int stage_commit(struct stage *stage, const char *id, const char *instance, int32_t generation)
{
    struct weir_error error = {0};
    struct weir_classic_committer committer = {
        .member = {weir_text(id), weir_text(instance)},
        .generation = generation,
        .now_ms = stage->now_ms,
    };
    int rc = weir_classic_group_check_commit(&stage->group, &committer, &error);
    ck_told(rc, &error);
    weir_classic_group_check(&stage->group);
    return rc;
}

const char *text_of(struct weir_slice slice)
{
    enum { TEXTS = 32, SIZE = 256 };
    static char texts[TEXTS][SIZE];
    static size_t next;
    char *text = texts[next++ % TEXTS];
    ck_assert_uint_lt(slice.size, SIZE);
    if (slice.size > 0) memcpy(text, slice.data, slice.size);
    text[slice.size] = '\0';
    return text;
}

const char *id_of(const struct asked *asked)
{
    ck_assert_uint_gt(asked->join.member_id_out.size, 0);
    return (const char *)weir_arena_copy(
               (struct weir_arena *)&asked->arena,
               weir_slice(text_of(asked->join.member_id_out), asked->join.member_id_out.size + 1))
        .data;
}

void stage_settle(struct stage *stage, size_t count, struct asked **members_out)
{
    for (size_t i = 0; i < count; i++) {
        members_out[i] = ENTER(stage);
    }
    stage_pass(stage, stage->settings.initial_rebalance_delay_ms * 2);
    ck_state(stage, "CompletingRebalance");
    struct asked *leader = NULL;
    for (size_t i = 0; i < count; i++) {
        ck_answered(members_out[i], 0);
        if (members_out[i]->join.member_count == 0) {
            ck_parked(stage_sync(stage, id_of(members_out[i]), NULL));
        } else {
            ck_assert_ptr_null(leader);
            leader = members_out[i];
            members_out[i] = members_out[0];
            members_out[0] = leader;
        }
    }
    ck_assert_ptr_nonnull(leader);
    ck_answered(stage_sync(stage, id_of(leader), NULL), 0);
    ck_state(stage, "Stable");
}
