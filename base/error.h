#ifndef WEIR_BASE_ERROR_H
#define WEIR_BASE_ERROR_H

#include "weir/error.h"

/**
 * Write code and message, replacing what was there. Returns `code`, so that a failure is one line:
 * `return weir_error_set(error, WEIR_NOT_FOUND, "topic '%s' does not exist", name);`
 */
int weir_error_set(struct weir_error *error, enum weir_code code, const char *format, ...)
    WEIR_PRINTF(3, 4);

/**
 * Put `format: ` in front of the message that is there. Returns `rc` unchanged; does nothing when
 * `rc` is not negative or `error` is NULL.
 */
int weir_error_wrap(struct weir_error *error, int rc, const char *format, ...) WEIR_PRINTF(3, 4);

/** From an errno (positive), with what was being done and to what: `open '/x/y'`. */
int weir_error_errno(struct weir_error *error, int errno_value, const char *verb, const char *path);

#endif
