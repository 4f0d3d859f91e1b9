/* Planted bug: an offset within a transaction counts before its marker is there. */
#include "broker/coordinator/offsets_image.h"

int __real_weir_offsets_image_apply_pending(struct weir_offsets_image *image, int64_t producer_id,
                                            const struct weir_record *record,
                                            struct weir_error *error);
int __wrap_weir_offsets_image_apply_pending(struct weir_offsets_image *image, int64_t producer_id,
                                            const struct weir_record *record,
                                            struct weir_error *error);

int __wrap_weir_offsets_image_apply_pending(struct weir_offsets_image *image, int64_t producer_id,
                                            const struct weir_record *record,
                                            struct weir_error *error)
{
    (void)producer_id;
    return weir_offsets_image_apply(image, record, error);
}
