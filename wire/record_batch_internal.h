#ifndef WEIR_WIRE_RECORD_BATCH_INTERNAL_H
#define WEIR_WIRE_RECORD_BATCH_INTERNAL_H

#include "wire/record_batch.h"

/** Write `header` in front of the records that are there, magic and crc computed. */
void weir_batch_store_header(uint8_t *batch, const struct weir_batch_header *header);

#endif
