#ifndef WEIR_CLI_NO_MEMORY_H
#define WEIR_CLI_NO_MEMORY_H

#include "base/error.h"

/** WEIR_NO_MEMORY, in the words in which every command says it. */
static inline int cli_no_memory(struct weir_error *error)
{
    return weir_error_set(error, WEIR_NO_MEMORY, "out of memory");
}

#endif
