#include "broker/metadata/metadata_version.h"

#include <stdatomic.h>

#include "base/assert.h"

struct weir_metadata_version *weir_metadata_version_new(struct weir_budget *budget)
{
    struct weir_metadata_version *version = weir_alloc_zero(budget, sizeof *version);
    if (version != NULL) atomic_init(&version->references, 1);
    return version;
}

void weir_metadata_version_take(struct weir_metadata_version *version,
                                struct weir_metadata_image *image)
{
    weir_assert(version->image.budget == NULL); /* it has none yet */
    version->image = *image;                    /* but for the tries */
    for (size_t i = 0; i < WEIR_TOPICS_BY_COUNT; i++)
        weir_hamt_share(&image->topics[i], &version->image.topics[i]);
    weir_hamt_share(&image->groups, &version->image.groups);
}

void weir_metadata_version_ref(struct weir_metadata_version *version)
{
    atomic_fetch_add(&version->references, 1);
}

void weir_metadata_version_unref(struct weir_metadata_version *version)
{
    if (version == NULL || atomic_fetch_sub(&version->references, 1) != 1) return;
    weir_metadata_image_close(&version->image);
    weir_free(version);
}
