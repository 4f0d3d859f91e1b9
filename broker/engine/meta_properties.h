#ifndef WEIR_BROKER_ENGINE_META_PROPERTIES_H
#define WEIR_BROKER_ENGINE_META_PROPERTIES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "broker/metadata/uuid.h"
#include "weir/error.h"

/** meta.properties, Kafka's file that says whose a data directory is (data_directory.h). */
enum { WEIR_DATA_DIRECTORY_VERSION = 1 };

struct weir_meta_properties {
    int32_t version;
    int32_t node_id;
    struct weir_uuid cluster_id;
    struct weir_uuid directory_id;
    bool log_exists; /* log/ with its first metadata has been made */
};

/** The text form and back. Errors: WEIR_UNSUPPORTED_VERSION, WEIR_CORRUPT, naming the line. */
void weir_meta_properties_encode(const struct weir_meta_properties *properties,
                                 struct weir_buffer *text);
int weir_meta_properties_decode(struct weir_slice text, struct weir_meta_properties *properties_out,
                                struct weir_error *error);

#endif
