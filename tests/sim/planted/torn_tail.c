/* Planted bug: a batch's checksum is believed unseen, so recovery keeps a torn tail. */
#include "wire/record_batch.h"

int __wrap_weir_batch_check_crc(struct weir_slice batch, struct weir_error *error);

int __wrap_weir_batch_check_crc(struct weir_slice batch, struct weir_error *error)
{
    (void)batch, (void)error;
    return 0;
}
