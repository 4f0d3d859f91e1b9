#ifndef WEIR_BROKER_ENGINE_VERIFY_DIRECTORY_H
#define WEIR_BROKER_ENGINE_VERIFY_DIRECTORY_H

#include "base/env/env.h"
#include "weir/error.h"

/**
 * A data directory as a whole: what a start, or the first use of a partition, would trip over
 * beyond what stands in each folder's files (broker/log/verify.h): meta.properties, what the metadata says
 * is there and is not, folders in each other's places. Without a lock, without changing a byte.
 */
typedef void (*weir_directory_finding_fn)(void *context, const char *name, const char *text);

/** `path` is the data directory. Findings are no errors: WEIR_NO_MEMORY, WEIR_IO. */
int weir_data_directory_verify(struct weir_env *env, const char *path,
                               weir_directory_finding_fn each, void *context,
                               struct weir_error *error);

#endif
