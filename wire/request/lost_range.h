#ifndef WEIR_WIRE_REQUEST_LOST_RANGE_H
#define WEIR_WIRE_REQUEST_LOST_RANGE_H

#include <stdint.h>

/** Offsets whose records a repair has given up. */
struct weir_lost_range {
    int64_t from;
    int64_t to; /* exclusive */
};

#endif
