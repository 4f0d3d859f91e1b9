#include "broker/log/cut_bytes.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/log/small_file.h"

enum { COPY_WINDOW = 1024 * 1024 };

static int copy(const struct weir_cut_piece *piece, struct weir_file *to, struct weir_error *error)
{
    struct weir_buffer window;
    int64_t size = piece->end - piece->position;
    if (size > WEIR_CUT_BYTES_MAX) size = WEIR_CUT_BYTES_MAX;
    weir_buffer_init(&window, piece->segment->budget, 0);
    uint8_t *bytes = weir_buffer_extend(&window, COPY_WINDOW);
    int rc = bytes == NULL ? weir_error_set(error, WEIR_NO_MEMORY, "no memory") : 0;
    for (int64_t at = 0; rc == 0 && at < size;) {
        size_t wish = size - at < COPY_WINDOW ? (size_t)(size - at) : COPY_WINDOW;
        int64_t got =
            weir_file_read(piece->segment->kept->file, bytes, wish, piece->position + at, error);
        if (got <= 0) {
            rc = (int)got;
            break; /* the file ends there */
        }
        struct weir_iovec part = {bytes, (size_t)got};
        rc = weir_file_write(to, &part, 1, at, error);
        at += got;
    }
    weir_buffer_close(&window);
    return rc;
}

/* A name that is free; WEIR_END if there are too many. */
static int create(const struct weir_cut_piece *piece, char name[WEIR_CUT_NAME_SIZE],
                  struct weir_file **file_out, struct weir_error *error)
{
    for (int i = 0; i < WEIR_CUT_FILES_MAX; i++) {
        char number[16] = "";
        if (i > 0) (void)snprintf(number, sizeof number, ".%d", i);
        int size = snprintf(name, WEIR_CUT_NAME_SIZE, "%020" PRId64 ".log.%" PRId64 "%s.cut",
                            piece->segment->facts.base_offset, piece->position, number);
        weir_assert(size > 0 && size < WEIR_CUT_NAME_SIZE);
        struct weir_log_path path = weir_log_path(piece->segment->directory, name);
        struct weir_error local = {0};
        int rc = weir_file_open(piece->segment->env, path.text,
                                WEIR_OPEN_WRITE | WEIR_OPEN_CREATE | WEIR_OPEN_EXCLUSIVE, file_out,
                                &local);
        if (rc == WEIR_EXISTS) continue;
        if (rc < 0 && error != NULL) *error = local;
        return rc;
    }
    return WEIR_END;
}

int weir_cut_bytes_keep(const struct weir_cut_piece *piece, char name_out[WEIR_CUT_NAME_SIZE],
                        struct weir_error *error)
{
    struct weir_segment *segment = piece->segment;
    char name[WEIR_CUT_NAME_SIZE] = "";
    struct weir_file *file = NULL;
    weir_assert(atomic_load(&segment->kept->holds) > 0);
    weir_assert(piece->position < piece->end);
    int rc = create(piece, name, &file, error);
    if (rc == WEIR_END) {
        name_out[0] = '\0';
        return 0;
    }
    if (rc == 0) rc = copy(piece, file, error);
    if (rc == 0) rc = weir_file_sync(file, error);
    if (rc == 0) rc = weir_sync_directory(segment->env, segment->directory, error);
    weir_file_close(file);
    if (rc < 0 && file != NULL) { /* a part of them would only take room */
        (void)weir_remove(segment->env, weir_log_path(segment->directory, name).text, NULL);
    }
    if (rc == 0) (void)snprintf(name_out, WEIR_CUT_NAME_SIZE, "%s", name);
    return weir_error_wrap(error, rc, "keep what is cut as '%s'", name);
}
