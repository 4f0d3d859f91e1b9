#include "cli/reset_file.h"

#include "base/error.h"
#include "cli/text_file.h"

int reset_file_read(const char *path, struct weir_arena *arena, struct reset_line **lines_out,
                    size_t *count_out, struct weir_error *error)
{
    struct weir_buffer text;
    weir_buffer_init(&text, arena->budget, 0);
    int rc = text_file_read(path, &text, error);
    if (rc == 0) {
        rc = reset_file_parse(weir_buffer_slice(&text), arena, lines_out, count_out, error);
        rc = weir_error_wrap(error, rc, "'%s'", path);
    }
    weir_buffer_close(&text);
    return rc;
}
