#include "broker/coordinator/txn/txn_image.h"

#include "base/buffer.h"
#include "base/error.h"
#include "broker/coordinator/txn/txn_record.h"
#include "wire/coordinator_record.h"
#include "wire/generated/transaction_log_key.h"

static void entry_free(struct weir_txn_entry *entry)
{
    if (entry == NULL) return;
    weir_free(entry->txn);
    weir_free(entry);
}

void weir_txn_image_init(struct weir_txn_image *image, struct weir_budget *budget)
{
    *image = (struct weir_txn_image){.budget = budget};
    weir_map_init(&image->entries, budget);
    weir_arena_init(&image->scratch, budget, 4096);
}

void weir_txn_image_close(struct weir_txn_image *image)
{
    size_t at = 0;
    struct weir_txn_entry *entry;
    while ((entry = weir_map_next(&image->entries, &at)) != NULL) {
        (void)weir_map_remove(&image->entries, entry->id);
        entry_free(entry);
    }
    weir_map_close(&image->entries);
    weir_arena_close(&image->scratch);
}

/* ---- one that is kept ------------------------------------------------------------------------ */

static bool is_topic_before(const struct weir_txn *txn, size_t i)
{
    return i > 0 && weir_slice_equal(txn->partitions[i - 1].topic, txn->partitions[i].topic);
}

/* Each name once. */
static size_t names_size(const struct weir_txn *txn)
{
    size_t size = 0;
    for (size_t i = 0; i < txn->partition_count; i++) {
        if (!is_topic_before(txn, i)) size += txn->partitions[i].topic.size;
    }
    return size;
}

static struct weir_slice put(uint8_t **to, struct weir_slice name)
{
    struct weir_slice copy = weir_slice(*to, name.size);
    weir_copy(*to, name.data, name.size);
    *to += name.size;
    return copy;
}

/* In one block: the struct, its partitions, their topics' names. NULL without memory. */
static struct weir_txn *copy_txn(struct weir_budget *budget, const struct weir_txn *txn)
{
    size_t count = txn->partition_count;
    size_t partitions_size = count * sizeof txn->partitions[0];
    struct weir_txn *copy = weir_alloc(budget, sizeof *copy + partitions_size + names_size(txn));
    if (copy == NULL) return NULL;
    struct weir_topic_partition *partitions = (struct weir_topic_partition *)(copy + 1);
    uint8_t *names = (uint8_t *)(partitions + count);
    *copy = *txn;
    for (size_t i = 0; i < count; i++) {
        partitions[i].partition = txn->partitions[i].partition;
        partitions[i].topic = is_topic_before(txn, i) ? partitions[i - 1].topic
                                                      : put(&names, txn->partitions[i].topic);
    }
    copy->partitions = count > 0 ? partitions : NULL;
    return copy;
}

/* ---- folding --------------------------------------------------------------------------------- */

static void forget(struct weir_txn_image *image, struct weir_slice id)
{
    entry_free(weir_map_remove(&image->entries, id));
}

/* Made if it is not there, without a transaction then; NULL when memory is out. */
static struct weir_txn_entry *need_entry(struct weir_txn_image *image, struct weir_slice id)
{
    struct weir_txn_entry *entry = weir_map_get(&image->entries, id);
    if (entry != NULL) return entry;
    entry = weir_alloc_zero(image->budget, sizeof *entry + id.size);
    if (entry == NULL) return NULL;
    weir_copy(entry + 1, id.data, id.size);
    entry->id = weir_slice(entry + 1, id.size);
    if (weir_map_add(&image->entries, entry->id, entry) < 0) {
        entry_free(entry);
        return NULL;
    }
    return entry;
}

/* In the place of what was known of it. */
static int keep(struct weir_txn_image *image, const struct weir_txn *txn)
{
    struct weir_txn *copy = copy_txn(image->budget, txn);
    struct weir_txn_entry *entry = copy != NULL ? need_entry(image, txn->transactional_id) : NULL;
    if (entry == NULL) {
        weir_free(copy);
        return WEIR_NO_MEMORY;
    }
    copy->transactional_id = entry->id;
    weir_free(entry->txn);
    entry->txn = copy;
    return 0;
}

static int apply(struct weir_txn_image *image, const struct weir_record *record,
                 struct weir_error *error)
{
    struct weir_slice id;
    struct weir_txn txn;
    int rc = weir_txn_key_decode(record->key, &image->scratch, &id, error);
    if (rc < 0) return rc;
    if (weir_slice_is_null(record->value)) {
        forget(image, id);
        return 0;
    }
    rc = weir_txn_value_decode(id, record->value, &image->scratch, &txn, error);
    if (rc < 0) return rc;
    rc = keep(image, &txn);
    return rc < 0 ? weir_error_set(error, (enum weir_code)rc, "remember a transaction") : 0;
}

int weir_txn_image_apply(struct weir_txn_image *image, const struct weir_record *record,
                         struct weir_error *error)
{
    int16_t type;
    int rc = weir_coordinator_key_type(record->key, &type, error);
    if (rc < 0) return rc;
    if (type != weir_transaction_log_key_type.api_key) {
        image->records_skipped++;
        return 0;
    }
    weir_arena_reset(&image->scratch);
    return apply(image, record, error);
}

/* ---- what is there --------------------------------------------------------------------------- */

const struct weir_txn *weir_txn_image_find(const struct weir_txn_image *image, struct weir_slice id)
{
    const struct weir_txn_entry *entry = weir_map_get(&image->entries, id);
    return entry != NULL ? entry->txn : NULL;
}

void weir_txn_image_remember(struct weir_txn_image *image, struct weir_slice id, int16_t last_epoch)
{
    struct weir_txn_entry *entry = weir_map_get(&image->entries, id);
    if (entry != NULL) entry->txn->last_producer_epoch = last_epoch;
}

/* Where one record is made after the other. */
struct writing {
    struct weir_arena arena;
    struct weir_buffer key;
    struct weir_buffer value;
};

static int encode(struct writing *writing, const struct weir_txn *txn)
{
    weir_arena_reset(&writing->arena);
    weir_buffer_reset(&writing->key);
    weir_buffer_reset(&writing->value);
    int rc = weir_txn_key_encode(txn->transactional_id, &writing->key);
    return rc == 0 ? weir_txn_value_encode(txn, &writing->arena, &writing->value) : rc;
}

int weir_txn_image_each(const struct weir_txn_image *image,
                        int (*each)(void *context, const struct weir_record *record), void *context)
{
    struct writing writing;
    const struct weir_txn_entry *entry;
    size_t at = 0;
    int rc = 0;
    weir_arena_init(&writing.arena, image->budget, 4096);
    weir_buffer_init(&writing.key, image->budget, 0);
    weir_buffer_init(&writing.value, image->budget, 0);
    while (rc == 0 && (entry = weir_map_next(&image->entries, &at)) != NULL) {
        rc = encode(&writing, entry->txn);
        if (rc < 0) break;
        struct weir_record record = {.key = weir_buffer_slice(&writing.key),
                                     .value = weir_buffer_slice(&writing.value),
                                     .timestamp_ms = entry->txn->update_ms};
        rc = each(context, &record);
    }
    weir_arena_close(&writing.arena);
    weir_buffer_close(&writing.key);
    weir_buffer_close(&writing.value);
    return rc;
}
