#include "runtime/state/skip_list.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "weir/error.h"

/* The links that a search passes last at each level: where a node is linked in or out. */
struct path {
    struct weir_skip_node **links[WEIR_SKIP_LIST_LEVELS];
};

void weir_skip_list_init(struct weir_skip_list *list, struct weir_budget *budget)
{
    *list = (struct weir_skip_list){.random = 0x9e3779b97f4a7c15u};
    weir_slabs_init(&list->slabs, budget);
}

static size_t node_size(size_t level_count, size_t key_size)
{
    return sizeof(struct weir_skip_node) + level_count * sizeof(struct weir_skip_node *) + key_size;
}

static void node_free(struct weir_skip_list *list, struct weir_skip_node *node)
{
    weir_slabs_free(&list->slabs, (void *)node->value.data, node->value.size, 0);
    weir_slabs_free(&list->slabs, node, node_size(node->level_count, node->key.size), 0);
}

void weir_skip_list_close(struct weir_skip_list *list)
{
    for (struct weir_skip_node *node = list->first[0]; node != NULL;) {
        struct weir_skip_node *next = node->next[0];
        node_free(list, node); /* large blocks are the heap's, not a slab's */
        node = next;
    }
    weir_slabs_close(&list->slabs);
    memset(list->first, 0, sizeof list->first);
    list->count = 0;
}

/* xorshift64*, two bits a level. */
static uint32_t draw_level_count(struct weir_skip_list *list)
{
    list->random ^= list->random >> 12;
    list->random ^= list->random << 25;
    list->random ^= list->random >> 27;
    uint64_t bits = list->random * 0x2545f4914f6cdd1du | (uint64_t)1 << 63;
    uint32_t count = 1 + (uint32_t)__builtin_ctzll(bits) / 2;
    return count < WEIR_SKIP_LIST_LEVELS ? count : WEIR_SKIP_LIST_LEVELS;
}

static struct weir_skip_node *search(const struct weir_skip_list *list, struct weir_slice key,
                                     struct path *path_out)
{
    struct weir_skip_node *const *links = list->first;
    for (int level = WEIR_SKIP_LIST_LEVELS - 1; level >= 0; level--) {
        while (links[level] != NULL && weir_slice_compare(links[level]->key, key) < 0) {
            links = links[level]->next;
        }
        if (path_out != NULL) path_out->links[level] = (struct weir_skip_node **)&links[level];
    }
    return links[0];
}

struct weir_skip_node *weir_skip_list_seek(const struct weir_skip_list *list, struct weir_slice key)
{
    return search(list, key, NULL);
}

static bool is_at(const struct weir_skip_node *node, struct weir_slice key)
{
    return node != NULL && weir_slice_compare(node->key, key) == 0;
}

/* A block with the value's bytes; zero bytes get one too, so that NULL always means failure. */
static uint8_t *copy_value(struct weir_skip_list *list, struct weir_slice value)
{
    uint8_t *bytes = weir_slabs_alloc(&list->slabs, value.size, NULL);
    if (bytes != NULL) weir_copy(bytes, value.data, value.size);
    return bytes;
}

static int replace(struct weir_skip_list *list, struct weir_skip_node *node,
                   struct weir_slice value)
{
    if (weir_slabs_block_size(value.size) == weir_slabs_block_size(node->value.size)) {
        weir_copy((void *)node->value.data, value.data, value.size);
        node->value.size = value.size;
        return WEIR_OK;
    }
    uint8_t *bytes = copy_value(list, value);
    if (bytes == NULL) return WEIR_NO_MEMORY;
    weir_slabs_free(&list->slabs, (void *)node->value.data, node->value.size, 0);
    node->value = weir_slice(bytes, value.size);
    return WEIR_OK;
}

static struct weir_skip_node *node_new(struct weir_skip_list *list, struct weir_slice key,
                                       struct weir_slice value)
{
    uint32_t level_count = draw_level_count(list);
    uint8_t *bytes = copy_value(list, value);
    struct weir_skip_node *node =
        weir_slabs_alloc(&list->slabs, node_size(level_count, key.size), NULL);
    if (bytes == NULL || node == NULL) {
        weir_slabs_free(&list->slabs, bytes, value.size, 0);
        weir_slabs_free(&list->slabs, node, node_size(level_count, key.size), 0);
        return NULL;
    }
    uint8_t *key_bytes = (uint8_t *)&node->next[level_count];
    weir_copy(key_bytes, key.data, key.size);
    node->key = weir_slice(key_bytes, key.size);
    node->value = weir_slice(bytes, value.size);
    node->level_count = level_count;
    return node;
}

int weir_skip_list_put(struct weir_skip_list *list, struct weir_slice key, struct weir_slice value)
{
    weir_assert(!weir_slice_is_null(key));
    weir_assert(!weir_slice_is_null(value));
    struct path path;
    struct weir_skip_node *node = search(list, key, &path);
    if (is_at(node, key)) return replace(list, node, value);

    node = node_new(list, key, value);
    if (node == NULL) return WEIR_NO_MEMORY;
    for (uint32_t level = 0; level < node->level_count; level++) {
        node->next[level] = *path.links[level];
        *path.links[level] = node;
    }
    list->count++;
    return WEIR_OK;
}

bool weir_skip_list_remove(struct weir_skip_list *list, struct weir_slice key)
{
    struct path path;
    struct weir_skip_node *node = search(list, key, &path);
    if (!is_at(node, key)) return false;
    for (uint32_t level = 0; level < node->level_count; level++) {
        *path.links[level] = node->next[level];
    }
    weir_assert(list->count > 0);
    list->count--;
    node_free(list, node);
    return true;
}
