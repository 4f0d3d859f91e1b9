#ifndef WEIR_BROKER_ENGINE_METADATA_VIEW_H
#define WEIR_BROKER_ENGINE_METADATA_VIEW_H

#include "base/env/env.h"
#include "broker/metadata/metadata_version.h"

/**
 * What a shard knows of the metadata: the newest version that it has been told of. Names and ids, partitions,
 * settings and epochs are looked up here, without a message.
 *
 *     controller, shard 0                     shard n
 *     change durable, applied ──tell──> [ newest ] ──next look, or the message──> known
 *
 * The newest waits in a place of its own: whoever looks takes it over first. So a look sees every change that
 * was answered, by whatever way its answer came here, and not only those whose message has been handled;
 * nobody has to wait until all shards have been told. The message is for a shard that does not look:
 * it lets the older version go. One that is not taken over yet gives way to the next; telling needs no
 * memory, and a shard holds two versions at most.
 *
 * What is looked up may be gone a moment later, as any answer may be. Where that matters the partition's own
 * shard decides: it is told of a deletion by a message behind the version (topic_notice.c), and compares the
 * id of a request with the partition's.
 */
struct weir_metadata_view {
    struct weir_actor *const *actor;     /* the shard's; NULL there: nobody runs yet */
    struct weir_metadata_version *known; /* the shard's reference */
    uint64_t edition; /* another number when `known` is another; 0: before the first look */
    _Atomic(struct weir_metadata_version *) newest; /* with a reference; NULL: `known` is it */
    atomic_bool is_posted;
    struct weir_message message;
};

void weir_metadata_view_init(struct weir_metadata_view *view, struct weir_actor *const *actor);
/** A zeroed one is fine. When the actor is gone. */
void weir_metadata_view_close(struct weir_metadata_view *view);
/** There is a newer version; a reference of its own is taken. Thread: shard 0's. */
void weir_metadata_view_tell(struct weir_metadata_view *view,
                             struct weir_metadata_version *version);
/** The same on the shard's own thread: it knows at once. */
void weir_metadata_view_set(struct weir_metadata_view *view, struct weir_metadata_version *version);
/** The newest. Thread: the shard's. It lives until the next look: who needs it longer keeps what it has
 * found out, or copies it. */
const struct weir_metadata_image *weir_metadata_view_look(struct weir_metadata_view *view);

#endif
