#ifndef WEIR_LOG_CALLBACK_H
#define WEIR_LOG_CALLBACK_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum weir_log_level {
    WEIR_LOG_ERROR = 1,
    WEIR_LOG_WARN = 2,
    WEIR_LOG_INFO = 3,
    WEIR_LOG_DEBUG = 4,
};

/** One logfmt line without its newline. Called from the library's threads; must not call back. */
typedef void (*weir_log_fn)(void *context, enum weir_log_level level, const char *line,
                            size_t size);

#ifdef __cplusplus
}
#endif

#endif
