#ifndef WEIR_BASE_ERROR_H
#define WEIR_BASE_ERROR_H

#include <stddef.h>

#include "weir/error.h"

/** What a public call begins with, unless it closes something: success leaves no old text behind. */
static inline void weir_error_clear(struct weir_error *error)
{
    if (error == NULL) return;
    error->code = WEIR_OK;
    error->text[0] = '\0';
}

/** `error` becomes what `from` is. */
static inline void weir_error_copy(struct weir_error *error, const struct weir_error *from)
{
    if (error != NULL) *error = *from;
}

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

/**
 * Something is short that comes back: memory, room on the disk, descriptors, threads. What was asked
 * for has not happened, nothing is broken, and the same call succeeds when the shortage is over. The
 * one question that a log asks of a code before it gives itself up.
 */
bool weir_code_is_shortage(int code);
/**
 * What the failure of a file that must be there means to whoever asked for what is in it: a shortage
 * and a failed disk stay what they are, and anything else (the file is missing, is not ours, may not
 * be read) is WEIR_OFFLINE. The text keeps the reason. Returns the code, which is put into `error`.
 */
int weir_error_storage(struct weir_error *error, int code);

/** From an errno (positive), with what was being done and to what: `open '/x/y'`. */
int weir_error_errno(struct weir_error *error, int errno_value, const char *verb, const char *path);

#endif
