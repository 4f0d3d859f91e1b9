#ifndef WEIR_SERVER_HANDLERS_FAN_OUT_H
#define WEIR_SERVER_HANDLERS_FAN_OUT_H

#include "server/context.h"

/**
 * A request of many parts, each of which asks the engine one thing: they are sent a few at a time,
 * so that one client's thousand topics do not stand before everybody else's requests, and `done`
 * runs when all are back.
 *
 * It lives in the context's arena, as the first member of what the handler keeps.
 */
enum { WEIR_FAN_OUT_WINDOW = 32 };

struct weir_fan_out_slot;

struct weir_fan_out {
    struct weir_request_context *context;
    size_t count;        /* of parts */
    size_t request_size; /* of the engine's struct that begins with a weir_request */
    bool
        is_one_by_one; /* what is given goes into the context's arena, which one may touch at a time */
    /** Fill in `request` (zeroed but for its way back) for part `index`, and send it. False: there
     * is nothing to ask. */
    bool (*ask)(struct weir_fan_out *fan_out, size_t index, struct weir_request *request);
    /** The answer. The struct is used for another part afterwards. */
    void (*take)(struct weir_fan_out *fan_out, size_t index, struct weir_request *request);
    /** Once, at the end; before weir_fan_out_begin returns if there was nothing to ask. */
    void (*done)(struct weir_fan_out *fan_out);
    /* its own */
    size_t next_index;
    size_t under_way;
};

/** Without memory nothing is asked: `done` finds that the arena has failed. */
void weir_fan_out_begin(struct weir_fan_out *fan_out);

#endif
