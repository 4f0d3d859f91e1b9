#include "cli/reset_file.h"

#include <errno.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/error.h"
#include "cli/no_memory.h"

static int read_all(const char *path, struct weir_buffer *to, struct weir_error *error)
{
    char room[4096];
    size_t size;
    FILE *file = fopen(path, "re");
    if (file == NULL) return weir_error_errno(error, errno, "open", path);
    while ((size = fread(room, 1, sizeof room, file)) > 0) {
        weir_buffer_append(to, room, size);
    }
    int rc = ferror(file) ? weir_error_errno(error, errno, "read", path) : 0;
    (void)fclose(file); /* it was read only */
    return rc == 0 && to->failed ? cli_no_memory(error) : rc;
}

int reset_file_read(const char *path, struct weir_arena *arena, struct reset_line **lines_out,
                    size_t *count_out, struct weir_error *error)
{
    struct weir_buffer text;
    weir_buffer_init(&text, arena->budget, 0);
    int rc = read_all(path, &text, error);
    if (rc == 0) {
        rc = reset_file_parse(weir_buffer_slice(&text), arena, lines_out, count_out, error);
        rc = weir_error_wrap(error, rc, "'%s'", path);
    }
    weir_buffer_close(&text);
    return rc;
}
