/** A connection's life: its states, the calls in their lists, and how all of it ends. */
#include "wire/peer/remote_internal.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/state_table.h"

/* ---- states ---------------------------------------------------------------------------------- */

#define TO(state) WEIR_STATE_BIT(WEIR_REMOTE_##state)
static const struct weir_state_row rows[] = {
    [WEIR_REMOTE_CONNECTING] = {"connecting", TO(NEGOTIATING) | TO(OPEN) | TO(LOST)},
    [WEIR_REMOTE_NEGOTIATING] = {"negotiating", TO(NEGOTIATING) | TO(OPEN) | TO(LOST)},
    [WEIR_REMOTE_OPEN] = {"open", TO(LOST)},
    [WEIR_REMOTE_LOST] = {"lost", 0},
};
#undef TO
static const struct weir_state_table states = WEIR_STATE_TABLE("connection to", rows);

void weir_remote_move(struct weir_remote *remote, enum weir_remote_state to)
{
    remote->state = weir_state_move(&states, remote->options.address, remote->state, to);
}

/* ---- calls in lists -------------------------------------------------------------------------- */

void weir_remote_add(struct weir_remote_calls *list, struct weir_remote_call *call)
{
    weir_assert(call->done != NULL);
    call->next = NULL;
    *(list->last != NULL ? &list->last->next : &list->first) = call;
    list->last = call;
}

struct weir_remote_call *weir_remote_take(struct weir_remote_calls *list)
{
    struct weir_remote_call *call = list->first;
    if (call == NULL) return NULL;
    list->first = call->next;
    if (list->first == NULL) list->last = NULL;
    return call;
}

/* ---- what holds ------------------------------------------------------------------------------ */

static void check_calls(const struct weir_remote_calls *calls)
{
    weir_assert((calls->first == NULL) == (calls->last == NULL));
    weir_assert(calls->last == NULL || calls->last->next == NULL);
}

/* One write at a time, and what could go has gone. */
static void check_output(const struct weir_remote *remote)
{
    weir_assert(remote->is_writing == (remote->sending.size > 0));
    weir_assert(remote->is_writing || remote->pending.size == 0);
    weir_assert(remote->pending.size > 0 || remote->unanswered.first == NULL);
    weir_assert(remote->sending.size > 0 || remote->unanswered_going.first == NULL);
}

void weir_remote_check(const struct weir_remote *remote)
{
    weir_assert(remote->depth == 0);
    weir_assert(weir_remote_is_alive(remote) == (remote->socket != NULL));
    check_calls(&remote->waiting);
    check_calls(&remote->unanswered);
    check_calls(&remote->unanswered_going);
    weir_assert(remote->in.size <= remote->in.capacity);
    if (!weir_remote_is_alive(remote)) return;
    check_output(remote);
    if (remote->state == WEIR_REMOTE_NEGOTIATING) { /* nobody may ask yet */
        weir_assert(remote->waiting.first == &remote->negotiation);
        weir_assert(remote->waiting.last == &remote->negotiation);
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

void weir_remote_free(struct weir_remote *remote)
{
    weir_assert(remote->depth == 0 && remote->socket == NULL);
    weir_arena_close(&remote->arena);
    weir_buffer_close(&remote->pending);
    weir_buffer_close(&remote->sending);
    weir_buffer_close(&remote->in);
    weir_free((void *)(uintptr_t)remote->options.address);
    weir_free((void *)(uintptr_t)remote->options.client_id);
    weir_free(remote);
}

void weir_remote_enter(struct weir_remote *remote)
{
    weir_assert(!remote->is_closed);
    remote->depth++;
}

void weir_remote_leave(struct weir_remote *remote)
{
    weir_assert(remote->depth > 0);
    remote->depth--;
    if (remote->depth > 0) return;
    weir_remote_check(remote);
    if (remote->is_closed) weir_remote_free(remote);
}

void weir_remote_close(struct weir_remote *remote)
{
    if (remote == NULL) return;
    weir_assert(!remote->is_closed);
    remote->is_closed = true;
    weir_socket_close(remote->socket);
    remote->socket = NULL;
    if (remote->depth == 0) weir_remote_free(remote);
}

bool weir_remote_is_alive(const struct weir_remote *remote)
{
    return !remote->is_closed && remote->state != WEIR_REMOTE_LOST;
}

void weir_remote_fail_calls(struct weir_remote *remote, struct weir_remote_calls *list, int rc)
{
    struct weir_remote_call *call;
    weir_assert(remote->depth > 0);
    while (!remote->is_closed && (call = weir_remote_take(list)) != NULL) {
        call->done(call, rc, NULL);
    }
}

void weir_remote_lose(struct weir_remote *remote, int rc, const struct weir_error *error)
{
    weir_assert(rc < 0);
    if (!weir_remote_is_alive(remote)) return;
    struct weir_error told = *error;
    weir_remote_move(remote, WEIR_REMOTE_LOST);
    weir_socket_close(remote->socket);
    remote->socket = NULL;
    weir_error_wrap(&told, rc, "server '%s'", remote->options.address);
    weir_remote_enter(remote);
    weir_remote_fail_calls(remote, &remote->unanswered_going, rc);
    weir_remote_fail_calls(remote, &remote->unanswered, rc);
    weir_remote_fail_calls(remote, &remote->waiting, rc);
    if (!remote->is_closed) remote->options.changed(remote->options.context, rc, &told);
    weir_remote_leave(remote);
}
