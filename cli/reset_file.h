#ifndef WEIR_CLI_RESET_FILE_H
#define WEIR_CLI_RESET_FILE_H

#include "cli/reset_plan.h"

/** The file of --from-file, read and parsed; `lines_out` is in the arena. WEIR_INVALID_ARGUMENT names the file and the
 * line, WEIR_NOT_FOUND and other errors of opening and reading the file. */
int reset_file_read(const char *path, struct weir_arena *arena, struct reset_line **lines_out,
                    size_t *count_out, struct weir_error *error);

#endif
