#ifndef WEIR_BROKER_METADATA_METADATA_VERSION_H
#define WEIR_BROKER_METADATA_METADATA_VERSION_H

#include "broker/metadata/metadata_image.h"

/**
 * Whoever applies records owns the image. A version of it is what it was at one moment, for all who
 * read: immutable and counted. Making one costs the same whatever is in it, for it shares the topics and
 * the tries that find them; the next record copies the few nodes on its way, and the topic that it
 * changes.
 *
 *     records ──apply──> image ──version──> v1 ──ref, unref──> readers, on any thread
 *                          ├──apply, version──> v2 …
 */
struct weir_metadata_version {
    _Atomic uint32_t references;
    struct weir_metadata_image image; /* to be read */
};
/** Memory for a version, so that publishing what is durable cannot fail. NULL without it; freed by
 * weir_metadata_version_unref as any. */
struct weir_metadata_version *weir_metadata_version_new(struct weir_budget *budget);
/** Give a new one its content, with one reference: the caller's. The image shares it from now on.
 * */
void weir_metadata_version_take(struct weir_metadata_version *version,
                                struct weir_metadata_image *image);
/** Any thread. NULL is fine for unref. */
void weir_metadata_version_ref(struct weir_metadata_version *version);
void weir_metadata_version_unref(struct weir_metadata_version *version);

#endif
