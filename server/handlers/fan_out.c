#include "server/handlers/fan_out.h"

#include "base/assert.h"

struct weir_fan_out_slot {
    struct weir_fan_out *fan_out;
    struct weir_request *request;
    size_t index;
};

static void back(struct weir_request *request);

/* Parts that have nothing to ask are passed over. */
static void ask_next(struct weir_fan_out_slot *slot)
{
    struct weir_fan_out *fan_out = slot->fan_out;
    while (fan_out->next_index < fan_out->count) {
        slot->index = fan_out->next_index++;
        memset(slot->request, 0, fan_out->request_size);
        slot->request->reply_to = fan_out->context->actor;
        slot->request->done = back;
        slot->request->context = slot;
        fan_out->under_way++;
        if (fan_out->ask(fan_out, slot->index, slot->request)) return;
        fan_out->under_way--;
    }
}

static void back(struct weir_request *request)
{
    struct weir_fan_out_slot *slot = request->context;
    struct weir_fan_out *fan_out = slot->fan_out;
    weir_assert(fan_out->under_way > 0);
    fan_out->under_way--;
    fan_out->take(fan_out, slot->index, request);
    ask_next(slot);
    if (fan_out->under_way == 0) fan_out->done(fan_out);
}

void weir_fan_out_begin(struct weir_fan_out *fan_out)
{
    struct weir_arena *arena = &fan_out->context->arena;
    size_t window = fan_out->count < WEIR_FAN_OUT_WINDOW ? fan_out->count : WEIR_FAN_OUT_WINDOW;
    if (fan_out->is_one_by_one && window > 1) window = 1;
    weir_assert(fan_out->request_size >= sizeof(struct weir_request));
    struct weir_fan_out_slot *slots = weir_arena_array(arena, window + 1, sizeof *slots);
    for (size_t i = 0; slots != NULL && i < window; i++) {
        slots[i] = (struct weir_fan_out_slot){
            .fan_out = fan_out,
            .request = weir_arena_alloc(arena, fan_out->request_size),
        };
    }
    for (size_t i = 0; !weir_arena_failed(arena) && i < window; i++) {
        ask_next(&slots[i]);
    }
    if (fan_out->under_way == 0) fan_out->done(fan_out);
}
