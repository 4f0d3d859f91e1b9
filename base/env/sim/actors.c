/**
 * Actors of the simulator. An actor has at most one turn and one deadline in the event heap. A turn
 * is what the real environment does: all messages, then run_once; busy actors get another turn. Works
 * take two events, one to run and one to come back.
 */
#include "base/env/sim/sim_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

static struct weir_sim_actor *sim_actor(struct weir_actor *actor)
{
    return (struct weir_sim_actor *)actor;
}

/* ---- turns ----------------------------------------------------------------------------------- */

void weir_sim_actor_queue_turn(struct weir_sim_actor *actor)
{
    struct weir_sim *sim = actor->life->sim;
    if (actor->life->is_dead || actor->turn.place != 0) return;
    int64_t delay_ns = weir_sim_duration(sim, sim->options.turn_ns_max);
    weir_sim_event_add(sim, &actor->turn, sim->now_ns + delay_ns);
}

/* A planned crash may happen in any of the calls: what is left of the turn does not take place. */
static void take_turn(struct weir_sim_actor *actor)
{
    struct weir_sim_life *life = actor->life;
    actor->is_in_turn = true;
    struct weir_message *message = weir_mailbox_take(&actor->base.mailbox);
    while (message != NULL && !life->is_dead) {
        struct weir_message *next = message->next;
        message->handle(message);
        message = next;
    }
    if (life->is_dead) return;
    bool is_busy = actor->options.run_once(actor->options.impl) > 0;
    if (life->is_dead) return;
    actor->is_in_turn = false;
    if (is_busy || atomic_load(&actor->base.mailbox.head) != NULL) weir_sim_actor_queue_turn(actor);
}

/* ---- work ------------------------------------------------------------------------------------ */

static void work_unlink(struct weir_sim_life *life, struct weir_sim_work *work)
{
    *(work->previous != NULL ? &work->previous->next : &life->work_first) = work->next;
    *(work->next != NULL ? &work->next->previous : &life->work_last) = work->previous;
}

static void run_work(struct weir_sim *sim, struct weir_sim_work *work)
{
    struct weir_sim_life *life = work->actor->life;
    work->work->run(work->work);
    if (life->is_dead) return;
    work->event.kind = WEIR_SIM_EVENT_WORK_DONE;
    weir_sim_event_add(sim, &work->event,
                       sim->now_ns + weir_sim_duration(sim, sim->options.work_ns_max));
}

static void finish_work(struct weir_sim_work *work)
{
    work_unlink(work->actor->life, work);
    weir_actor_post(&work->actor->base, &work->work->done);
    free(work);
}

void weir_sim_work_submit(struct weir_env *env, struct weir_work *work)
{
    struct weir_sim_life *life = (struct weir_sim_life *)env;
    weir_assert(work->reply_to != NULL);
    weir_assert(work->reply_to->env == env);
    weir_assert(work->run != NULL);
    if (life->is_dead) return;
    struct weir_sim *sim = life->sim;
    struct weir_sim_work *queued = weir_sim_calloc(1, sizeof *queued);
    queued->work = work;
    queued->actor = sim_actor(work->reply_to);
    queued->event.kind = WEIR_SIM_EVENT_WORK_RUN;
    queued->event.object = queued;
    queued->previous = life->work_last;
    *(life->work_last != NULL ? &life->work_last->next : &life->work_first) = queued;
    life->work_last = queued;
    weir_sim_event_add(sim, &queued->event,
                       sim->now_ns + weir_sim_duration(sim, sim->options.work_ns_max));
}

/* One behind the other, in an order that is drawn: the real one promises none. */
void weir_sim_each(struct weir_env *env, size_t count, void (*run)(void *context, size_t index),
                   void *context)
{
    const struct weir_sim_life *life = (struct weir_sim_life *)env;
    const size_t first = count > 1 ? (size_t)weir_sim_random_below(&life->sim->schedule, count) : 0;
    for (size_t i = 0; i < count; i++) {
        if (life->is_dead) return;
        run(context, (first + i) % count);
    }
}

/* As in the real environment an actor's works are run to their end before it goes; the answers are
 * dropped with its mailbox. */
static void end_works_of(struct weir_sim_actor *actor)
{
    struct weir_sim_life *life = actor->life;
    struct weir_sim_work *work = life->work_first;
    while (work != NULL) {
        struct weir_sim_work *next = work->next;
        if (work->actor == actor) {
            weir_sim_event_remove(life->sim, &work->event);
            work_unlink(life, work);
            bool must_run = work->event.kind == WEIR_SIM_EVENT_WORK_RUN && !life->is_dead;
            life->sim->depth++;
            if (must_run) work->work->run(work->work);
            life->sim->depth--;
            free(work);
        }
        work = next;
    }
}

void weir_sim_works_free(struct weir_sim_life *life)
{
    while (life->work_first != NULL) {
        struct weir_sim_work *work = life->work_first;
        work_unlink(life, work);
        free(work);
    }
}

/* ---- one event ------------------------------------------------------------------------------- */

static const struct weir_sim_actor *actor_of(const struct weir_sim_event *event)
{
    switch (event->kind) {
    case WEIR_SIM_EVENT_WORK_RUN:
    case WEIR_SIM_EVENT_WORK_DONE:
        return ((const struct weir_sim_work *)event->object)->actor;
    case WEIR_SIM_EVENT_PACKET:
        return sim_actor(((const struct weir_sim_packet *)event->object)->to->base.actor);
    case WEIR_SIM_EVENT_RESULT:
        return sim_actor(((const struct weir_sim_socket *)event->object)->base.actor);
    case WEIR_SIM_EVENT_TURN:
    case WEIR_SIM_EVENT_DEADLINE:
        break;
    }
    return event->object;
}

static void trace_event(struct weir_sim *sim, const struct weir_sim_event *event)
{
    const struct weir_sim_actor *actor = actor_of(event);
    weir_sim_trace(sim, (uint64_t)sim->now_ns);
    weir_sim_trace(sim, ((uint64_t)actor->life->node->number << 8) | (uint64_t)event->kind);
    weir_sim_trace(sim, actor->name_hash);
}

void weir_sim_run_event(struct weir_sim *sim, struct weir_sim_event *event)
{
    weir_assert(event->at_ns >= sim->now_ns);
    weir_sim_event_remove(sim, event);
    sim->now_ns = event->at_ns;
    sim->event_count++;
    trace_event(sim, event);
    sim->depth++;
    switch (event->kind) {
    case WEIR_SIM_EVENT_TURN:
    case WEIR_SIM_EVENT_DEADLINE:
        take_turn(event->object);
        break;
    case WEIR_SIM_EVENT_WORK_RUN:
        run_work(sim, event->object);
        break;
    case WEIR_SIM_EVENT_WORK_DONE:
        finish_work(event->object);
        break;
    case WEIR_SIM_EVENT_PACKET:
        weir_sim_packet_arrive(sim, event->object);
        break;
    case WEIR_SIM_EVENT_RESULT:
        weir_sim_socket_report(event->object);
        break;
    }
    sim->depth--;
}

/* ---- actors ---------------------------------------------------------------------------------- */

int weir_sim_actor_start(struct weir_env *env, const struct weir_actor_options *options,
                         struct weir_actor **actor_out, struct weir_error *error)
{
    struct weir_sim_life *life = (struct weir_sim_life *)env;
    weir_assert(options->name != NULL);
    weir_assert(options->run_once != NULL);
    if (life->is_dead)
        return weir_error_set(error, WEIR_CRASHED, "start actor '%s'", options->name);
    struct weir_sim_actor *actor = weir_alloc_zero(env->budget, sizeof *actor);
    char *name = weir_alloc_text(env->budget, options->name, strlen(options->name));
    if (actor == NULL || name == NULL) {
        weir_free(name);
        weir_free(actor);
        return weir_error_set(error, WEIR_NO_MEMORY, "start actor '%s'", options->name);
    }
    actor->base.env = env;
    actor->options = *options;
    actor->options.name = name;
    actor->life = life;
    actor->turn = (struct weir_sim_event){.kind = WEIR_SIM_EVENT_TURN, .object = actor};
    actor->deadline = (struct weir_sim_event){.kind = WEIR_SIM_EVENT_DEADLINE, .object = actor};
    actor->name_hash = weir_sim_hash_text(name);
    actor->next = life->actors;
    if (life->actors != NULL) life->actors->previous = actor;
    life->actors = actor;
    weir_sim_actor_queue_turn(actor);
    *actor_out = &actor->base;
    return WEIR_OK;
}

static void actor_unlink(struct weir_sim_actor *actor)
{
    struct weir_sim_life *life = actor->life;
    *(actor->previous != NULL ? &actor->previous->next : &life->actors) = actor->next;
    if (actor->next != NULL) actor->next->previous = actor->previous;
}

void weir_sim_actor_stop(struct weir_actor *base)
{
    struct weir_sim_actor *actor = sim_actor(base);
    struct weir_sim *sim = actor->life->sim;
    /* In a corpse the turn that the crash cut short may be the one that stops. */
    weir_assert(!actor->is_in_turn || actor->life->is_dead);
    if (actor->is_in_turn) return;
    weir_sim_event_remove(sim, &actor->turn);
    weir_sim_event_remove(sim, &actor->deadline);
    end_works_of(actor);
    weir_sim_sockets_of_actor_close(actor);
    actor_unlink(actor);
    weir_free((char *)(uintptr_t)actor->options.name);
    weir_free(actor);
}

void weir_sim_actor_wake(struct weir_actor *base)
{
    struct weir_sim_actor *actor = sim_actor(base);
    if (!actor->is_in_turn)
        weir_sim_actor_queue_turn(actor); /* the end of the turn looks into the mailbox */
}

void weir_sim_actor_wake_at(struct weir_actor *base, struct weir_mono deadline)
{
    struct weir_sim_actor *actor = sim_actor(base);
    struct weir_sim *sim = actor->life->sim;
    if (actor->life->is_dead) return;
    bool is_same = actor->deadline.place != 0 && actor->deadline.at_ns == deadline.ns;
    if (is_same) return;
    weir_sim_event_remove(sim, &actor->deadline);
    if (deadline.ns != INT64_MAX) weir_sim_event_add(sim, &actor->deadline, deadline.ns);
}

void weir_sim_actors_end(struct weir_sim_life *life)
{
    for (struct weir_sim_actor *actor = life->actors; actor != NULL; actor = actor->next) {
        weir_sim_event_remove(life->sim, &actor->turn);
        weir_sim_event_remove(life->sim, &actor->deadline);
    }
    for (struct weir_sim_work *work = life->work_first; work != NULL; work = work->next) {
        weir_sim_event_remove(life->sim, &work->event);
    }
}

/* ---- waiting --------------------------------------------------------------------------------- */

int weir_sim_wait(struct weir_env *env, bool (*is_done)(void *context), void *context,
                  struct weir_mono deadline)
{
    struct weir_sim_life *life = (struct weir_sim_life *)env;
    struct weir_sim *sim = life->sim;
    if (sim->depth > 0) return life->is_dead ? WEIR_CRASHED : WEIR_WRONG_THREAD;
    int64_t end_ns =
        deadline.ns < sim->options.time_limit_ns ? deadline.ns : sim->options.time_limit_ns;
    for (;;) {
        if (life->is_dead) return WEIR_CRASHED;
        if (is_done(context)) return WEIR_OK;
        struct weir_sim_event *event = weir_sim_event_first(sim);
        if (event == NULL || event->at_ns > end_ns) {
            if (deadline.ns != INT64_MAX && end_ns > sim->now_ns) sim->now_ns = end_ns;
            return WEIR_TIMED_OUT;
        }
        weir_sim_run_event(sim, event);
    }
}
