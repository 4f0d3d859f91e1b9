#ifndef WEIR_BROKER_LOG_CUT_BYTES_H
#define WEIR_BROKER_LOG_CUT_BYTES_H

#include "broker/log/segment.h"

/**
 * Bytes that are taken out of a segment and may have been records are kept beside it, as
 * `<base offset, 20 digits>.log.<position>.cut`: a name that neither Weir nor Kafka's tools take for a
 * segment. At most WEIR_CUT_BYTES_MAX of one piece are kept, its first; a later piece of the same
 * place gets `.1.cut`, and so on, and one more than WEIR_CUT_FILES_MAX of one place is not kept.
 */
enum { WEIR_CUT_BYTES_MAX = 256 * 1024 * 1024, WEIR_CUT_FILES_MAX = 8, WEIR_CUT_NAME_SIZE = 64 };

struct weir_cut_piece {
    struct weir_segment *segment; /* its file is open */
    int64_t position;
    int64_t end;
};

/**
 * Durable on return. `name_out` is the file's name in the segment's folder, "" if it is one too many.
 * Errors: WEIR_NO_SPACE, WEIR_IO, WEIR_NO_MEMORY; nothing may be cut then.
 */
int weir_cut_bytes_keep(const struct weir_cut_piece *piece, char name_out[WEIR_CUT_NAME_SIZE],
                        struct weir_error *error);

#endif
