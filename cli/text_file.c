#include "cli/text_file.h"

#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "cli/no_memory.h"

int text_file_read(const char *path, struct weir_buffer *to, struct weir_error *error)
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
