#include "runtime/state/sim/backend_model.h"

#include <string.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/env/sim/sim.h"
#include "base/error.h"
#include "runtime/state/skip_list.h"

/*
 * The model of RocksDB without a write-ahead log, as an object that lives with the node's disk.
 *
 * `flushed` is what the files hold; `batches` are the write batches since, in order; `current` is
 * both together and what is read. A crash of the node, whether killed or out of power, loses the
 * memory: a number of batches that the seed draws is kept, because a memtable may have been flushed
 * at any time, the rest is gone. Expired rows leave the files at once; those in batches stay, and are
 * read, until their own turn comes.
 *
 * The object has a heap of its own: the node's goes with each crash.
 */
enum { MODEL_MAGIC = 0x57534d42 };
#define NO_VALUE UINT32_MAX /* as a size: a delete */

struct model {
    uint32_t magic; /* 0: not set up yet */
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_skip_list flushed;
    struct weir_skip_list current;
    struct weir_buffer batches; /* u32 size · { u32 key size · u32 value size · key · value }... */
    size_t batch_count;
};

/* ---- batches --------------------------------------------------------------------------------- */

static int apply_write(struct weir_skip_list *list, struct weir_slice key, struct weir_slice value)
{
    if (!weir_slice_is_null(value)) return weir_skip_list_put(list, key, value);
    (void)weir_skip_list_remove(list, key); /* deleting what is not there is fine */
    return WEIR_OK;
}

static void log_batch(struct weir_buffer *to, const struct weir_backend_write *writes, size_t count)
{
    size_t start = to->size;
    weir_buffer_u32(to, 0);
    for (size_t i = 0; i < count; i++) {
        bool is_delete = weir_slice_is_null(writes[i].value);
        weir_buffer_u32(to, (uint32_t)writes[i].key.size);
        weir_buffer_u32(to, is_delete ? NO_VALUE : (uint32_t)writes[i].value.size);
        weir_buffer_append(to, writes[i].key.data, writes[i].key.size);
        if (!is_delete) weir_buffer_append(to, writes[i].value.data, writes[i].value.size);
    }
    if (!to->failed) weir_store_u32(to->data + start, (uint32_t)(to->size - start - 4));
}

/* The model's own memory is never short: its heap has no bound and no test fails it. */
static void apply_batch(struct weir_skip_list *list, struct weir_reader *reader)
{
    uint32_t size = weir_reader_u32(reader);
    const uint8_t *end = reader->at + size;
    while (!reader->failed && reader->at < end) {
        uint32_t key_size = weir_reader_u32(reader);
        uint32_t value_size = weir_reader_u32(reader);
        struct weir_slice key = weir_slice(weir_reader_take(reader, key_size), key_size);
        struct weir_slice value = weir_null();
        if (value_size != NO_VALUE) {
            value = weir_slice(weir_reader_take(reader, value_size), value_size);
        }
        weir_assert(apply_write(list, key, value) == WEIR_OK);
    }
    weir_assert(!reader->failed);
}

static void apply_batches(struct weir_skip_list *list, const struct model *model, size_t count)
{
    struct weir_reader reader = weir_reader(weir_buffer_slice(&model->batches));
    for (size_t i = 0; i < count; i++) {
        apply_batch(list, &reader);
    }
}

/* The first `count` batches are in the files from now on; the others are gone from memory too. */
static void keep_batches(struct model *model, size_t count)
{
    apply_batches(&model->flushed, model, count);
    weir_buffer_reset(&model->batches);
    model->batch_count = 0;
}

static void copy_list(struct weir_skip_list *to, const struct weir_skip_list *from)
{
    for (struct weir_skip_node *node = from->first[0]; node != NULL; node = node->next[0]) {
        weir_assert(weir_skip_list_put(to, node->key, node->value) == WEIR_OK);
    }
}

/* What is read is what the files and the batches say. */
static void read_again(struct model *model)
{
    weir_skip_list_close(&model->current);
    weir_skip_list_init(&model->current, &model->budget);
    copy_list(&model->current, &model->flushed);
    apply_batches(&model->current, model, model->batch_count);
}

/* ---- the attachment -------------------------------------------------------------------------- */

static void model_crash(void *object, enum weir_sim_crash_kind kind, struct weir_sim *sim)
{
    struct model *store = object;
    (void)kind; /* without a write-ahead log a kill costs what a power cut costs */
    if (store->magic != MODEL_MAGIC) return;
    keep_batches(store, (size_t)(weir_sim_random(sim) % (store->batch_count + 1)));
    read_again(store);
}

static void model_release(void *object)
{
    struct model *store = object;
    if (store->magic != MODEL_MAGIC) return;
    weir_skip_list_close(&store->flushed);
    weir_skip_list_close(&store->current);
    weir_buffer_close(&store->batches);
    store->magic = 0;
}

static struct model *model_of(struct weir_env *env, const char *path)
{
    return weir_sim_attachment(env, path, sizeof(struct model), model_crash, model_release);
}

static void set_up(struct model *model)
{
    if (model->magic == MODEL_MAGIC) return;
    model->magic = MODEL_MAGIC;
    weir_heap_init(&model->heap, false);
    weir_budget_init(&model->budget, "model of a store", &model->heap, NULL, 0);
    weir_skip_list_init(&model->flushed, &model->budget);
    weir_skip_list_init(&model->current, &model->budget);
    weir_buffer_init(&model->batches, &model->budget, 0);
}

/* ---- the backend ----------------------------------------------------------------------------- */

static struct model *model_from(void *impl)
{
    struct model *model = impl;
    weir_assert(model->magic == MODEL_MAGIC);
    return model;
}

static int model_flush(void *impl, bool wait, struct weir_error *error)
{
    struct model *model = model_from(impl);
    (void)error;
    if (wait) keep_batches(model, model->batch_count); /* else: may happen at any time, as always */
    return WEIR_OK;
}

/* What was not flushed is lost with the memory, as if the process had ended. */
static int model_close(void *impl, bool is_clean, struct weir_error *error)
{
    struct model *model = model_from(impl);
    if (is_clean) return model_flush(impl, true, error);
    keep_batches(model, 0);
    read_again(model);
    return WEIR_OK;
}

static bool is_at(const struct weir_skip_node *node, struct weir_slice key)
{
    return node != NULL && weir_slice_equal(node->key, key);
}

static int model_get_many(void *impl, const struct weir_slice *keys, size_t count,
                          weir_backend_found_fn found, void *context, struct weir_error *error)
{
    struct model *model = model_from(impl);
    (void)error;
    for (size_t i = 0; i < count; i++) {
        const struct weir_skip_node *node = weir_skip_list_seek(&model->current, keys[i]);
        if (!is_at(node, keys[i])) continue;
        int rc = found(context, i, node->value);
        if (rc < 0) return rc;
    }
    return WEIR_OK;
}

static int model_write(void *impl, const struct weir_backend_write *writes, size_t count,
                       struct weir_error *error)
{
    struct model *model = model_from(impl);
    log_batch(&model->batches, writes, count);
    if (model->batches.failed) return weir_error_set(error, WEIR_NO_MEMORY, "write: out of memory");
    model->batch_count++;
    for (size_t i = 0; i < count; i++) {
        int rc = apply_write(&model->current, writes[i].key, writes[i].value);
        if (rc < 0) return weir_error_set(error, (enum weir_code)rc, "write: out of memory");
    }
    return WEIR_OK;
}

static bool is_expired(struct weir_slice key, uint16_t prefix, uint64_t segment)
{
    return key.size >= 10 && weir_load_u16(key.data) == prefix &&
           weir_load_u64(key.data + 2) < segment;
}

static void expire_list(struct weir_skip_list *list, uint16_t prefix, uint64_t segment)
{
    uint8_t start[2];
    weir_store_u16(start, prefix);
    struct weir_skip_node *node = weir_skip_list_seek(list, weir_slice(start, sizeof start));
    while (node != NULL && is_expired(node->key, prefix, segment)) {
        struct weir_skip_node *next = node->next[0];
        (void)weir_skip_list_remove(list, node->key); /* it is there */
        node = next;
    }
}

static int model_expire(void *impl, uint16_t prefix, uint64_t segment, struct weir_error *error)
{
    struct model *model = model_from(impl);
    (void)error;
    expire_list(&model->flushed, prefix, segment);
    read_again(model);
    return WEIR_OK;
}

static int64_t model_size(void *impl)
{
    return (int64_t)model_from(impl)->budget.used;
}

static int show(struct weir_backend_iterator *iterator, struct weir_skip_node *node)
{
    iterator->place = node;
    if (node == NULL) return WEIR_END;
    iterator->key = node->key;
    iterator->value = node->value;
    return WEIR_OK;
}

static int model_iterator_open(void *impl, struct weir_backend_iterator *iterator_out,
                               struct weir_error *error)
{
    (void)error;
    *iterator_out = (struct weir_backend_iterator){.impl = model_from(impl)};
    return WEIR_OK;
}

static int model_iterator_seek(struct weir_backend_iterator *iterator, struct weir_slice from,
                               struct weir_error *error)
{
    (void)error;
    return show(iterator, weir_skip_list_seek(&model_from(iterator->impl)->current, from));
}

static int model_iterator_next(struct weir_backend_iterator *iterator, struct weir_error *error)
{
    (void)error;
    struct weir_skip_node *node = iterator->place;
    return show(iterator, node->next[0]);
}

static void model_iterator_close(struct weir_backend_iterator *iterator)
{
    *iterator = (struct weir_backend_iterator){0};
}

static const struct weir_backend_ops model_ops = {
    .name = "model",
    .close = model_close,
    .get_many = model_get_many,
    .write = model_write,
    .expire = model_expire,
    .flush = model_flush,
    .size = model_size,
    .iterator_open = model_iterator_open,
    .iterator_seek = model_iterator_seek,
    .iterator_next = model_iterator_next,
    .iterator_close = model_iterator_close,
};

static int model_open(const struct weir_backend_options *options, struct weir_backend *backend_out,
                      struct weir_error *error)
{
    struct model *model = model_of(options->env, options->path);
    if (model == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "open '%s'", options->path);
    set_up(model);
    *backend_out = (struct weir_backend){.ops = &model_ops, .impl = model};
    return WEIR_OK;
}

static int model_exists(struct weir_env *env, const char *path, struct weir_error *error)
{
    const struct model *model = model_of(env, path);
    if (model == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "look at '%s'", path);
    return model->magic == MODEL_MAGIC;
}

static int model_wipe(struct weir_env *env, const char *path, struct weir_error *error)
{
    struct model *model = model_of(env, path);
    (void)error;
    if (model != NULL) model_release(model);
    return WEIR_OK;
}

const struct weir_backend_kind weir_backend_model = {
    .name = "model",
    .open = model_open,
    .exists = model_exists,
    .wipe = model_wipe,
};
