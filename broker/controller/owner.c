#include "base/assert.h"
#include "broker/controller/controller.h"
#include "broker/engine/engine.h"

/* The controller as the engine sees it: its turns, and the table of what it answers. */

static struct weir_controller *controller_of(void *impl)
{
    struct weir_controller *controller = impl;
    weir_assert(controller->magic == WEIR_CONTROLLER_MAGIC);
    return controller;
}

static void create(void *impl, struct weir_auto_create *asked)
{
    weir_controller_ask_create(controller_of(impl), asked);
}

static void assign(void *impl, struct weir_assign *asked)
{
    weir_controller_ask_assign(controller_of(impl), asked);
}

static int raise_epoch(void *impl, struct weir_partition *partition, weir_epoch_raised_fn raised)
{
    return weir_controller_ask_epoch(controller_of(impl), partition, raised);
}

static int tell_offline(void *impl, struct weir_partition *partition, int64_t from_offset,
                        const char *reason)
{
    return weir_offline_tell(&controller_of(impl)->offline, partition, from_offset, reason);
}

static void tell_online(void *impl, struct weir_partition *partition)
{
    weir_offline_tell_over(&controller_of(impl)->offline, partition);
}

static int run_once(void *impl, struct weir_mono now, struct weir_mono *wake_at)
{
    struct weir_controller *controller = controller_of(impl);
    weir_controller_assign_run(controller, now, wake_at);
    int count = weir_controller_run(controller);
    controller->removal_waits = weir_topic_removal_retry(controller);
    weir_offline_run(&controller->offline);
    return count + weir_retention_sweep_run(&controller->sweep, now);
}

static struct weir_mono deadline(void *impl, struct weir_mono now)
{
    const struct weir_controller *controller = controller_of(impl);
    struct weir_mono at = controller->sweep.next_at;
    bool is_late = controller->offline.unkept != NULL;
    if (!controller->needs_retry && !controller->removal_waits && !is_late) return at;
    struct weir_mono soon = weir_mono_after_ms(now, 10);
    return soon.ns < at.ns ? soon : at;
}

const struct weir_metadata_owner_ops weir_controller_owner_ops = {
    .create = create,
    .assign = assign,
    .raise_epoch = raise_epoch,
    .tell_offline = tell_offline,
    .tell_online = tell_online,
    .run_once = run_once,
    .deadline = deadline,
};
