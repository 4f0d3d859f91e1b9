#ifndef WEIR_BROKER_ENGINE_REQUEST_H
#define WEIR_BROKER_ENGINE_REQUEST_H

#include "broker/engine/engine.h"

/**
 * The life of a request: set out on the caller's thread, forwarded (route.h) once or twice, answered on a
 * shard, and back at who asked. From `set_out` to its answer a close waits for it.
 *
 *     caller ──set out──> shard 0 ──forward──> shard ──reply──> caller's `done`
 *        └───────────────set out, forward───────┘
 */

/** Count a request in, and make it ready for weir_request_forward. */
void weir_request_set_out(struct weir_engine *engine, struct weir_request *request);
/** Set a request out to the controller, to be handled there by `handle`. */
void weir_request_send_controller(struct weir_engine *engine, struct weir_request *request,
                                  void (*handle)(struct weir_message *message));
/** It asks for a topic by its id too. Such a request never creates one. */
static inline bool weir_request_has_id(const struct weir_request *request)
{
    return !weir_uuid_equal(request->topic_id, (struct weir_uuid){{0}});
}
/** Answer; the request is the caller's again. `request->error` says why if `rc` is negative. */
void weir_request_reply(struct weir_request *request, int rc);
/** Answer with an error of this text. */
void weir_request_refuse(struct weir_request *request, int rc, const char *text);

#endif
