#include "broker/engine/metadata_view.h"

#include <stdatomic.h>

#include "base/assert.h"

static void take_over(struct weir_metadata_view *view)
{
    struct weir_metadata_version *newest = atomic_exchange(&view->newest, NULL);
    if (newest == NULL) return;
    weir_metadata_version_unref(view->known);
    view->known = newest;
    view->edition++;
}

/* From here on the message may be posted again: what is told after that is not overlooked. */
static void hear(struct weir_message *message)
{
    struct weir_metadata_view *view =
        (struct weir_metadata_view *)((char *)message -
                                      offsetof(struct weir_metadata_view, message));
    atomic_store(&view->is_posted, false);
    take_over(view);
}

void weir_metadata_view_init(struct weir_metadata_view *view, struct weir_actor *const *actor)
{
    *view = (struct weir_metadata_view){.actor = actor, .message.handle = hear};
}

void weir_metadata_view_close(struct weir_metadata_view *view)
{
    take_over(view);
    weir_metadata_version_unref(view->known);
    view->known = NULL;
}

static void put(struct weir_metadata_view *view, struct weir_metadata_version *version)
{
    weir_metadata_version_ref(version);
    weir_metadata_version_unref(atomic_exchange(&view->newest, version));
}

void weir_metadata_view_tell(struct weir_metadata_view *view, struct weir_metadata_version *version)
{
    put(view, version);
    if (*view->actor == NULL || atomic_exchange(&view->is_posted, true)) return;
    weir_actor_post(*view->actor, &view->message);
}

void weir_metadata_view_set(struct weir_metadata_view *view, struct weir_metadata_version *version)
{
    put(view, version);
    take_over(view);
}

const struct weir_metadata_image *weir_metadata_view_look(struct weir_metadata_view *view)
{
    if (atomic_load_explicit(&view->newest, memory_order_relaxed) != NULL) take_over(view);
    weir_assert(view->known != NULL); /* the first is told before the actors run */
    return &view->known->image;
}
