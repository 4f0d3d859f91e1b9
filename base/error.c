#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct code_row {
    const char *name;
    const char *text;
    enum weir_action action;
};

/* Codes are negative and dense, so a row's place is the code with its sign turned. */
static const struct code_row code_rows[] = {[WEIR_OK] = {"OK", "success", WEIR_ACTION_NONE},
#define CODE_ROW(name, number, action, text) [-(number)] = {#name, text, WEIR_ACTION_##action},
                                            WEIR_CODES(CODE_ROW)
#undef CODE_ROW
};

static const struct code_row code_row_end = {"END", "nothing more", WEIR_ACTION_NONE};
static const struct code_row code_row_unknown = {"UNKNOWN", "unknown error", WEIR_ACTION_STOP};

static const struct code_row *code_row(int code)
{
    const int count = (int)(sizeof code_rows / sizeof code_rows[0]);

    if (code == WEIR_END) return &code_row_end;
    if (code > 0 || code <= -count || code_rows[-code].name == NULL) return &code_row_unknown;
    return &code_rows[-code];
}

const char *weir_code_name(int code)
{
    return code_row(code)->name;
}

const char *weir_code_text(int code)
{
    return code_row(code)->text;
}

enum weir_action weir_code_action(int code)
{
    return code_row(code)->action;
}

bool weir_code_is_shortage(int code)
{
    return code == WEIR_NO_MEMORY || code == WEIR_NO_SPACE || code == WEIR_LIMIT;
}

/* A cut message says so; half a sentence that looks whole misleads. */
static void mark_cut(char *text, int wanted_size)
{
    if (wanted_size >= WEIR_ERROR_TEXT_SIZE) memcpy(text + WEIR_ERROR_TEXT_SIZE - 4, "...", 4);
}

int weir_error_set(struct weir_error *error, enum weir_code code, const char *format, ...)
{
    if (error == NULL) return code;

    /* Not straight into the error: an argument may be the message that is being replaced. */
    char text[WEIR_ERROR_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);

    mark_cut(text, size);
    memcpy(error->text, text, sizeof text);
    error->code = code;
    return code;
}

int weir_error_wrap(struct weir_error *error, int rc, const char *format, ...)
{
    if (rc >= 0 || error == NULL) return rc;

    char text[WEIR_ERROR_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);

    if (size >= 0 && size < WEIR_ERROR_TEXT_SIZE) {
        size_t left = sizeof text - (size_t)size;
        size += snprintf(text + size, left, ": %s", error->text);
    }
    mark_cut(text, size);
    memcpy(error->text, text, sizeof text);
    return rc;
}

int weir_error_storage(struct weir_error *error, int code)
{
    bool is_kept =
        code >= 0 || weir_code_is_shortage(code) || code == WEIR_IO || code == WEIR_CRASHED;
    if (is_kept) return code;
    if (error != NULL) error->code = WEIR_OFFLINE;
    return WEIR_OFFLINE;
}

struct errno_row {
    int errno_value;
    enum weir_code code;
};

/* What is not listed is WEIR_IO: the object stands on something broken. EROFS too: a file system that
 * could be written to was turned to read-only by its own first failure. */
static const struct errno_row errno_rows[] = {
    {EACCES, WEIR_PERMISSION},
    {EPERM, WEIR_PERMISSION},
    {EAGAIN, WEIR_LOCKED}, /* of a file lock; our files are never non-blocking */
    {EBUSY, WEIR_LOCKED},
    {EDQUOT, WEIR_NO_SPACE},
    {ENOSPC, WEIR_NO_SPACE},
    {EEXIST, WEIR_EXISTS},
    {ENOTEMPTY, WEIR_EXISTS},
    {EFBIG, WEIR_TOO_LARGE},
    {EINVAL, WEIR_INVALID_ARGUMENT},
    {ENAMETOOLONG, WEIR_INVALID_ARGUMENT},
    {EMFILE, WEIR_LIMIT},
    {ENFILE, WEIR_LIMIT},
    {ENOENT, WEIR_NOT_FOUND},
    {ENOMEM, WEIR_NO_MEMORY},
    {ETIMEDOUT, WEIR_TIMED_OUT},
};

static enum weir_code code_of_errno(int errno_value)
{
    for (size_t i = 0; i < sizeof errno_rows / sizeof errno_rows[0]; i++) {
        if (errno_rows[i].errno_value == errno_value) return errno_rows[i].code;
    }
    return WEIR_IO;
}

int weir_error_errno(struct weir_error *error, int errno_value, const char *verb, const char *path)
{
    enum weir_code code = code_of_errno(errno_value);
    if (error == NULL) return code;

    char room[128];
    const char *why = strerror_r(errno_value, room, sizeof room); /* GNU's: returns the text */
    if (path == NULL) return weir_error_set(error, code, "%s: %s", verb, why);
    return weir_error_set(error, code, "%s '%s': %s", verb, path, why);
}
