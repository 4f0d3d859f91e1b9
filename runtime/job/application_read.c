#include <inttypes.h>

#include "base/error.h"
#include "runtime/job/application.h"
#include "wire/record_batch_reader.h"

/* The batch at hand. */
static int apply_batch(struct weir_application *application, struct weir_batch_reader *batches,
                       int64_t position, struct weir_error *error)
{
    struct weir_record record;
    int rc = weir_batch_reader_open(batches, error);
    while (rc == 0 && (rc = weir_batch_reader_record(batches, &record, error)) == 0) {
        if (record.offset < position) continue;
        rc = weir_application_apply(application, &record, error);
        (void)weir_error_wrap(error, rc, "offset %" PRId64, record.offset);
    }
    return rc < 0 ? rc : 0;
}

int weir_application_apply_batches(struct weir_application *application, struct weir_slice bytes,
                                   int64_t *position, struct weir_error *error)
{
    struct weir_buffer plain;
    struct weir_batch_reader batches = {
        .rest = bytes, .plain = &plain, .arena = application->arena};
    weir_buffer_init(&plain, application->arena->budget, 0);
    int rc = 0;
    while (rc == 0 && (rc = weir_batch_reader_next(&batches, error)) == 0) {
        int64_t last = weir_batch_last_offset(&batches.header);
        if (last < *position) continue;
        if (!weir_batch_is_control(&batches.header)) {
            rc = apply_batch(application, &batches, *position, error);
        }
        if (rc == 0) *position = last + 1;
    }
    weir_buffer_close(&plain);
    return rc < 0 ? rc : 0;
}
