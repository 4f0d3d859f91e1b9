#include "base/assert.h"
#include "base/bytes.h"
#include "broker/coordinator/offsets_image.h"
#include "broker/metadata/metadata_image.h"
#include "broker/engine/snapshot_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/**
 * What the engine folds from disk. The first byte chooses: 0 the values of metadata records, each
 * behind a size of two bytes, as a log would hold them; 1 keys and values of committed offsets, the
 * same way, each behind a byte that says in whose transaction it is or that one ends; 2 the file of a snapshot. An image that came out of it gives itself back as records.
 */
enum { METADATA_VALUES, OFFSET_RECORDS, SNAPSHOT_FILE, CHOICES };

static struct weir_slice take(struct weir_reader *reader)
{
    size_t size = weir_reader_u16(reader);
    const uint8_t *bytes = weir_reader_take(reader, size);
    return bytes != NULL ? weir_slice(bytes, size) : weir_null();
}

static int append_record(void *context, const struct weir_metadata_record *record)
{
    return weir_metadata_record_encode(context, record);
}

static int apply_record(void *context, const struct weir_metadata_record *record)
{
    return weir_metadata_apply(context, record, NULL);
}

static void try_metadata(struct weir_budget *budget, struct weir_reader *reader)
{
    struct weir_metadata_machine machine, again;
    struct weir_buffer first, second;
    weir_metadata_machine_init(&machine, budget);
    weir_metadata_machine_init(&again, budget);
    weir_buffer_init(&first, budget, 0);
    weir_buffer_init(&second, budget, 0);
    while (!reader->failed && weir_reader_left(reader) > 0) {
        struct weir_slice value = take(reader);
        if (!reader->failed) (void)weir_metadata_apply_value(&machine, value, NULL);
    }
    weir_assert(weir_metadata_each_record(&machine.image, apply_record, &again) == 0);
    weir_assert(weir_metadata_each_record(&machine.image, append_record, &first) == 0);
    weir_assert(weir_metadata_each_record(&again.image, append_record, &second) == 0);
    weir_assert(weir_slice_equal(weir_buffer_slice(&first), weir_buffer_slice(&second)));
    weir_buffer_close(&first);
    weir_buffer_close(&second);
    weir_metadata_machine_close(&machine);
    weir_metadata_machine_close(&again);
}

static int apply_offsets_record(void *context, int64_t producer_id,
                                const struct weir_record *record)
{
    int rc = producer_id < 0 ? weir_offsets_image_apply(context, record, NULL)
                             : weir_offsets_image_apply_pending(context, producer_id, record, NULL);
    weir_assert(rc == 0);
    return 0;
}

static int append_offsets_record(void *context, int64_t producer_id,
                                 const struct weir_record *record)
{
    weir_buffer_u64(context, (uint64_t)producer_id);
    weir_buffer_append(context, record->key.data, record->key.size);
    weir_buffer_append(context, record->value.data, record->value.size);
    return 0;
}

/* 0: in no transaction; 1 to 3: in one of so many; above: one of them ends. */
static void try_offsets_record(struct weir_offsets_image *image, struct weir_reader *reader)
{
    unsigned how = weir_reader_u8(reader) % 10;
    if (how > 3) {
        weir_offsets_image_end_transaction(image, (how - 4) / 2 + 1, how % 2 == 0);
        return;
    }
    struct weir_record record = {.key = take(reader)};
    record.value = take(reader);
    if (record.value.size == 0) record.value = weir_null();
    if (reader->failed) return;
    if (how == 0) {
        (void)weir_offsets_image_apply(image, &record, NULL);
    } else {
        (void)weir_offsets_image_apply_pending(image, how, &record, NULL);
    }
}

static void try_offsets(struct weir_budget *budget, struct weir_reader *reader)
{
    struct weir_offsets_image image, again;
    struct weir_buffer first, second;
    weir_offsets_image_init(&image, budget);
    weir_offsets_image_init(&again, budget);
    weir_buffer_init(&first, budget, 0);
    weir_buffer_init(&second, budget, 0);
    while (!reader->failed && weir_reader_left(reader) > 0) {
        try_offsets_record(&image, reader);
    }
    weir_assert(weir_offsets_image_each(&image, apply_offsets_record, &again) == 0);
    weir_assert(weir_offsets_image_each(&image, append_offsets_record, &first) == 0);
    weir_assert(weir_offsets_image_each(&again, append_offsets_record, &second) == 0);
    weir_assert(weir_slice_equal(weir_buffer_slice(&first), weir_buffer_slice(&second)));
    weir_buffer_close(&first);
    weir_buffer_close(&second);
    weir_offsets_image_close(&image);
    weir_offsets_image_close(&again);
}

static int ignore_record(void *context, const struct weir_batch_header *header,
                         const struct weir_record *record, struct weir_error *error)
{
    (void)header;
    (void)error;
    *(size_t *)context += record->key.size + record->value.size;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_heap heap;
    struct weir_budget budget;
    size_t seen = 0;
    if (size < 1) return 0;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "fuzz", &heap, NULL, 64 << 20);
    struct weir_slice rest = weir_slice(data + 1, size - 1);
    struct weir_reader reader = weir_reader(rest);
    switch (data[0] % CHOICES) {
    case METADATA_VALUES:
        try_metadata(&budget, &reader);
        break;
    case OFFSET_RECORDS:
        try_offsets(&budget, &reader);
        break;
    case SNAPSHOT_FILE:
        (void)weir_snapshot_parse(&budget, rest, ignore_record, &seen, NULL);
        break;
    }
    weir_assert(atomic_load(&budget.used) == 0);
    return 0;
}
