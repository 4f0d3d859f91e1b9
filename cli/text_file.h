#ifndef WEIR_CLI_TEXT_FILE_H
#define WEIR_CLI_TEXT_FILE_H

#include "base/buffer.h"
#include "weir/error.h"

/** All of a file behind what is in the buffer; those of opening and reading it, WEIR_NO_MEMORY. */
int text_file_read(const char *path, struct weir_buffer *to, struct weir_error *error);

#endif
