#include "broker/engine/state_machine.h"

#include "base/assert.h"

void weir_state_machines_add(struct weir_state_machines *machines,
                             struct weir_state_machine machine)
{
    weir_assert(machines->count < WEIR_STATE_MACHINES_MAX);
    weir_assert(machine.ops->topic != NULL && machine.ops->open != NULL);
    weir_assert(machine.ops->restore != NULL && machine.ops->close != NULL);
    weir_assert(machine.ops->run_once != NULL && machine.ops->refuse != NULL);
    weir_assert(weir_state_machines_find(machines, weir_text(machine.ops->topic)) == NULL);
    machines->items[machines->count++] = machine;
}

const struct weir_state_machine *
weir_state_machines_find(const struct weir_state_machines *machines, struct weir_slice topic)
{
    weir_assert(topic.size > 0);
    for (size_t i = 0; i < machines->count; i++) {
        const struct weir_state_machine *machine = &machines->items[i];
        if (weir_slice_equal(topic, weir_text(machine->ops->topic))) return machine;
    }
    return NULL;
}
