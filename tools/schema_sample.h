#ifndef WEIR_TOOLS_SCHEMA_SAMPLE_H
#define WEIR_TOOLS_SCHEMA_SAMPLE_H

#include <stdio.h>

#include "tools/schema.h"

/**
 * Write the bytes of one message in which every field of `version` has a value of its own that is not
 * its default, arrays have two elements and nothing is null. They follow from the schema and the
 * encoding rules alone, not from what is generated: tests and fuzz targets start from them.
 *
 * Source: Kafka protocol guide, Protocol Primitive Types; KIP-482 for compact forms and tags.
 */
void schema_write_sample(struct schema *schema, int version, FILE *file);

#endif
