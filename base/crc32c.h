#ifndef WEIR_BASE_CRC32C_H
#define WEIR_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/** weir_crc32c (hash.h) byte by byte through a table: where ISA-L is missing, and its oracle in the
 * tests. */
uint32_t weir_crc32c_by_table(uint32_t crc, const void *data, size_t size);

#endif
