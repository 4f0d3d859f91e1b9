#include "base/assert.h"
#include "broker/engine/data_directory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** meta.properties: what decodes encodes and decodes to the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_buffer text;
    struct weir_meta_properties first, second;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "fuzz", &heap, NULL, 0);
    weir_buffer_init(&text, &budget, 0);
    if (weir_meta_properties_decode(weir_slice(data, size), &first, NULL) == 0) {
        weir_meta_properties_encode(&first, &text);
        weir_assert(weir_meta_properties_decode(weir_buffer_slice(&text), &second, NULL) == 0);
        weir_assert(first.version == second.version && first.node_id == second.node_id);
        weir_assert(weir_uuid_equal(first.cluster_id, second.cluster_id));
        weir_assert(weir_uuid_equal(first.directory_id, second.directory_id));
    }
    weir_buffer_close(&text);
    weir_assert(atomic_load(&budget.used) == 0);
    return 0;
}
