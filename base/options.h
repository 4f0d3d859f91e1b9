#ifndef WEIR_BASE_OPTIONS_H
#define WEIR_BASE_OPTIONS_H

#include <stddef.h>

#include "weir/error.h"

/**
 * Take over the options struct of a public call, from a program that was built with an older, shorter
 * struct or a newer, longer one than ours (include/weir/export.h has the rules).
 *
 * Shape:   both begin with their size, a size_t. `from` NULL: all defaults. `to` is whole afterwards,
 *          with its own size; members that `from` does not have yet are 0. `init` is the struct's
 *          _INIT macro, for the text.
 * Units:   sizes in bytes.
 * Errors:  WEIR_INVALID_ARGUMENT: the size was never set. WEIR_UNSUPPORTED_VERSION: it sets what we do
 *          not know; the text has both sizes.
 * Owns:    borrows `from` until return; what its members point to stays the caller's. `to` is written
 *          on success only.
 * Thread:  any.
 */
int weir_options_take(void *to, size_t to_size, const void *from, const char *init,
                      struct weir_error *error);

#endif
