#ifndef WEIR_BASE_LOGGER_H
#define WEIR_BASE_LOGGER_H

#include <stdint.h>

#include "weir/export.h"
#include "weir/log_callback.h"

/**
 * What the engine says, as one logfmt line per event, through a callback. Libraries return, edges
 * log: an actor, a background job or the program at the top, nobody below.
 *
 * Thread: any (the callback must be able to take that).
 */
struct weir_logger {
    weir_log_fn write; /* NULL: silent */
    void *context;
    enum weir_log_level level; /* what is less severe is not formatted */
};

/**
 * `weir_log(logger, WEIR_LOG_WARN, "log.recovered", "topic=%s partition=%d cut_bytes=%zu", …)`
 * gives `level=warn event=log.recovered topic=… …`. Values with spaces or quotes go through
 * weir_log_quote. A NULL logger is silent, a NULL format adds no fields. Control bytes become
 * blanks, and a line over 2047 bytes is cut and ends in `...`.
 */
void weir_log(const struct weir_logger *logger, enum weir_log_level level, const char *event,
              const char *format, ...) WEIR_PRINTF(4, 5);

/** `text` as a logfmt value (quoted and escaped where needed) into `to`, cut to fit; gives `to`. */
const char *weir_log_quote(char *to, size_t size, const char *text);

#endif
