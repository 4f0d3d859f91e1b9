#include "base/hamt.h"

#include <stdatomic.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "weir/error.h"

/*
 * Five bits of a key's hash choose one of 32 places in a node, the next five one in the node below. A place
 * holds a value, or a node if several keys meet there; a node has slots for its taken places only, and finds
 * them by counting bits:
 *
 *     taken  ...0100 1010     slot 0: place 1     nodes ...0000 1000: slot 1 is a node,
 *                             slot 1: place 3                         the others are values
 *                             slot 2: place 6
 *
 * Below the root a node has at least two values in it or below it, so that the shape follows from the keys
 * alone. When twelve levels have used the hash up, the next twelve use one of another seed.
 *
 * Nodes are counted, for copies share them. A node's edition says whose it is: one made since the last share is
 * reached from this map only, through nodes that are too, and is changed where it is. Any other is copied first,
 * and all above it are by then: so a change costs one small copy per level, once. A copy differs from its
 * original in nothing but that; where memory runs out halfway nothing has changed.
 */
enum { BITS = 5, LEVELS_PER_HASH = 12 };

struct weir_hamt_node {
    _Atomic uint32_t references;
    uint32_t taken; /* a bit per place */
    uint32_t nodes; /* those of `taken` that are nodes */
    uint64_t edition;
    void *slots[];
};

/* ---- nodes ----------------------------------------------------------------------------------- */

static unsigned size_of(const struct weir_hamt_node *node)
{
    return (unsigned)__builtin_popcount(node->taken);
}

static unsigned slot_of(const struct weir_hamt_node *node, uint32_t bit)
{
    return (unsigned)__builtin_popcount(node->taken & (bit - 1));
}

static bool is_node(const struct weir_hamt_node *node, uint32_t bit)
{
    return (node->nodes & bit) != 0;
}

/* The hash that chooses the places of `key` from `depth` on, until it is used up. */
static uint64_t hash_at(const struct weir_hamt *map, struct weir_slice key, int depth)
{
    return map->ops->hash(key, map->seed + (uint64_t)(depth / LEVELS_PER_HASH));
}

/* The place in the node at `depth`, as a bit. */
static uint32_t bit_in(uint64_t hash, int depth)
{
    return UINT32_C(1) << (hash >> (depth % LEVELS_PER_HASH * BITS) & 31);
}

static uint32_t bit_of(const struct weir_hamt *map, struct weir_slice key, int depth)
{
    return bit_in(hash_at(map, key, depth), depth);
}

static struct weir_hamt_node *node_new(const struct weir_hamt *map, unsigned size)
{
    struct weir_hamt_node *node =
        weir_alloc(map->budget, sizeof *node + size * sizeof node->slots[0]);
    if (node == NULL) return NULL;
    atomic_init(&node->references, 1);
    node->taken = node->nodes = 0;
    node->edition = map->edition;
    return node;
}

static void node_unref(const struct weir_hamt_ops *ops, struct weir_hamt_node *node)
{
    if (atomic_fetch_sub(&node->references, 1) != 1) return;
    unsigned slot = 0;
    for (uint32_t left = node->taken; left != 0; left &= left - 1, slot++) {
        if (is_node(node, left & -left)) {
            node_unref(ops, node->slots[slot]);
        } else {
            ops->unref(node->slots[slot]);
        }
    }
    weir_free(node);
}

/* `node` for this map alone. NULL without memory. */
static struct weir_hamt_node *node_copy(const struct weir_hamt *map,
                                        const struct weir_hamt_node *node)
{
    struct weir_hamt_node *copy = node_new(map, size_of(node));
    if (copy == NULL) return NULL;
    copy->taken = node->taken;
    copy->nodes = node->nodes;
    unsigned slot = 0;
    for (uint32_t left = node->taken; left != 0; left &= left - 1, slot++) {
        void *shared = copy->slots[slot] = node->slots[slot];
        if (is_node(node, left & -left)) {
            atomic_fetch_add(&((struct weir_hamt_node *)shared)->references, 1);
        } else {
            map->ops->ref(shared);
        }
    }
    return copy;
}

/* The node at `link`, which may be changed: a copy stands there now if it was not the map's own. */
static struct weir_hamt_node *own(const struct weir_hamt *map, struct weir_hamt_node **link)
{
    struct weir_hamt_node *node = *link;
    if (node->edition == map->edition) return node;
    struct weir_hamt_node *copy = node_copy(map, node);
    if (copy == NULL) return NULL;
    *link = copy;
    node_unref(map->ops, node);
    return copy;
}

/* The own node at `link` with one more value. */
static int add_slot(const struct weir_hamt *map, struct weir_hamt_node **link, uint32_t bit,
                    void *value)
{
    struct weir_hamt_node *node = *link;
    unsigned size = size_of(node);
    unsigned slot = slot_of(node, bit);
    struct weir_hamt_node *grown = node_new(map, size + 1);
    if (grown == NULL) return WEIR_NO_MEMORY;
    grown->taken = node->taken | bit;
    grown->nodes = node->nodes;
    memcpy(grown->slots, node->slots, slot * sizeof node->slots[0]);
    memcpy(grown->slots + slot + 1, node->slots + slot, (size - slot) * sizeof node->slots[0]);
    grown->slots[slot] = value;
    map->ops->ref(value);
    *link = grown;
    weir_free(node); /* nobody else's: what it held has moved */
    return 0;
}

static void remove_slot(struct weir_hamt_node *node, uint32_t bit)
{
    unsigned slot = slot_of(node, bit);
    size_t behind = size_of(node) - slot - 1;
    memmove(node->slots + slot, node->slots + slot + 1, behind * sizeof node->slots[0]);
    node->taken &= ~bit;
    node->nodes &= ~bit;
}

/* A node at `depth` with these two, whose keys differ. */
static struct weir_hamt_node *pair(const struct weir_hamt *map, void *a, void *b, int depth)
{
    weir_assert(depth < WEIR_HAMT_DEPTH_MAX);
    uint32_t bit_a = bit_of(map, map->ops->key(a), depth);
    uint32_t bit_b = bit_of(map, map->ops->key(b), depth);
    struct weir_hamt_node *node = node_new(map, bit_a == bit_b ? 1 : 2);
    if (node == NULL) return NULL;
    node->taken = bit_a | bit_b;
    if (bit_a == bit_b) {
        node->nodes = bit_a;
        node->slots[0] = pair(map, a, b, depth + 1);
        if (node->slots[0] != NULL) return node;
        weir_free(node);
        return NULL;
    }
    map->ops->ref(a);
    map->ops->ref(b);
    node->slots[slot_of(node, bit_a)] = a;
    node->slots[slot_of(node, bit_b)] = b;
    return node;
}

/* ---- the way to a key ------------------------------------------------------------------------ */

/* Where the search for a key ends. */
struct place {
    struct weir_hamt_node **links[WEIR_HAMT_DEPTH_MAX]; /* to each node on the way */
    uint32_t bits[WEIR_HAMT_DEPTH_MAX];
    int depth; /* of the last one */
};

/* All nodes on the way are the map's own afterwards. The map has a root. */
static int find_place(struct weir_hamt *map, struct weir_slice key, struct place *place)
{
    struct weir_hamt_node **link = &map->root;
    uint64_t hash = 0;
    weir_assert(map->edition != 0); /* a shared copy is not changed */
    for (int depth = 0;; depth++) {
        struct weir_hamt_node *node = own(map, link);
        if (node == NULL) return WEIR_NO_MEMORY;
        if (depth % LEVELS_PER_HASH == 0) hash = hash_at(map, key, depth);
        uint32_t bit = bit_in(hash, depth);
        place->links[depth] = link;
        place->bits[depth] = bit;
        place->depth = depth;
        if ((node->taken & bit) == 0 || !is_node(node, bit)) return 0;
        link = (struct weir_hamt_node **)&node->slots[slot_of(node, bit)];
    }
}

/* A node with a single value is no node: the value takes its place. */
static void collapse(const struct weir_hamt *map, struct place *place)
{
    struct weir_hamt_node *node = *place->links[place->depth];
    while (place->depth > 0 && size_of(node) == 1 && node->nodes == 0) {
        void *value = node->slots[0];
        struct weir_hamt_node *above = *place->links[--place->depth];
        weir_assert(node->edition == map->edition);
        above->slots[slot_of(above, place->bits[place->depth])] = value;
        above->nodes &= ~place->bits[place->depth];
        weir_free(node);
        node = above;
    }
}

/* ---- the door -------------------------------------------------------------------------------- */

void weir_hamt_init(struct weir_hamt *map, struct weir_budget *budget,
                    const struct weir_hamt_ops *ops)
{
    *map = (struct weir_hamt){
        .budget = budget, .ops = ops, .seed = budget->heap->hash_seed, .edition = 1};
}

void weir_hamt_close(struct weir_hamt *map)
{
    if (map->root != NULL) node_unref(map->ops, map->root);
    map->root = NULL;
    map->count = 0;
}

void weir_hamt_share(struct weir_hamt *map, struct weir_hamt *copy_out)
{
    weir_assert(map->edition != 0);
    map->edition++;
    *copy_out = *map;
    copy_out->edition = 0;
    if (map->root != NULL) atomic_fetch_add(&map->root->references, 1);
}

void *weir_hamt_get(const struct weir_hamt *map, struct weir_slice key)
{
    const struct weir_hamt_node *node = map->root;
    uint64_t hash = 0;
    for (int depth = 0; node != NULL; depth++) {
        if (depth % LEVELS_PER_HASH == 0) hash = hash_at(map, key, depth);
        uint32_t bit = bit_in(hash, depth);
        if ((node->taken & bit) == 0) return NULL;
        void *found = node->slots[slot_of(node, bit)];
        if (!is_node(node, bit)) {
            return weir_slice_equal(map->ops->key(found), key) ? found : NULL;
        }
        node = found;
    }
    return NULL;
}

int weir_hamt_put(struct weir_hamt *map, void *value)
{
    struct place place;
    struct weir_slice key = map->ops->key(value);
    if (map->root == NULL) map->root = node_new(map, 0);
    if (map->root == NULL || find_place(map, key, &place) < 0) return WEIR_NO_MEMORY;
    struct weir_hamt_node **link = place.links[place.depth];
    struct weir_hamt_node *node = *link;
    uint32_t bit = place.bits[place.depth];
    void **slot = &node->slots[slot_of(node, bit)];
    if ((node->taken & bit) == 0) {
        if (add_slot(map, link, bit, value) < 0) return WEIR_NO_MEMORY;
    } else if (weir_slice_equal(map->ops->key(*slot), key)) {
        void *old = *slot;
        map->ops->ref(value);
        *slot = value;
        map->ops->unref(old);
        return 0;
    } else {
        struct weir_hamt_node *both = pair(map, *slot, value, place.depth + 1);
        if (both == NULL) return WEIR_NO_MEMORY;
        map->ops->unref(*slot); /* `both` holds it */
        *slot = both;
        node->nodes |= bit;
    }
    map->count++;
    return 0;
}

int weir_hamt_remove(struct weir_hamt *map, struct weir_slice key)
{
    struct place place;
    if (weir_hamt_get(map, key) == NULL) return 0;
    if (find_place(map, key, &place) < 0) return WEIR_NO_MEMORY;
    struct weir_hamt_node *node = *place.links[place.depth];
    uint32_t bit = place.bits[place.depth];
    void *value = node->slots[slot_of(node, bit)];
    remove_slot(node, bit);
    map->count--;
    collapse(map, &place);
    if (map->count == 0) weir_hamt_close(map);
    map->ops->unref(value);
    return 1;
}

int weir_hamt_prepare(struct weir_hamt *map, struct weir_slice key)
{
    struct place place;
    weir_assert_slow(weir_hamt_get(map, key) != NULL);
    return find_place(map, key, &place);
}

void weir_hamt_walk_begin(struct weir_hamt_walk *walk, const struct weir_hamt *map)
{
    walk->depth = map->root != NULL ? 0 : -1;
    walk->nodes[0] = map->root;
    walk->next[0] = 0;
}

/* The bit of a node's n-th slot. */
static uint32_t nth_bit(const struct weir_hamt_node *node, unsigned slot)
{
    uint32_t left = node->taken;
    while (slot-- > 0)
        left &= left - 1;
    return left & -left;
}

void *weir_hamt_walk_next(struct weir_hamt_walk *walk)
{
    while (walk->depth >= 0) {
        const struct weir_hamt_node *node = walk->nodes[walk->depth];
        unsigned slot = walk->next[walk->depth]++;
        if (slot == size_of(node)) {
            walk->depth--;
        } else if (is_node(node, nth_bit(node, slot))) {
            walk->nodes[++walk->depth] = node->slots[slot];
            walk->next[walk->depth] = 0;
        } else {
            return node->slots[slot];
        }
    }
    return NULL;
}

/* How many values are in `node` and below. */
static size_t check_node(const struct weir_hamt *map, const struct weir_hamt_node *node, int depth,
                         bool is_own)
{
    size_t count = 0;
    unsigned slot = 0;
    is_own = is_own && node->edition == map->edition;
    weir_assert(atomic_load(&node->references) > 0);
    weir_assert((node->nodes & ~node->taken) == 0);
    weir_assert(node->edition != map->edition || is_own); /* reached through own nodes only */
    for (uint32_t left = node->taken; left != 0; left &= left - 1, slot++) {
        uint32_t bit = left & -left;
        if (is_node(node, bit)) {
            size_t below = check_node(map, node->slots[slot], depth + 1, is_own);
            weir_assert(below >= 2);
            count += below;
        } else {
            weir_assert(bit_of(map, map->ops->key(node->slots[slot]), depth) == bit);
            count++;
        }
    }
    return count;
}

void weir_hamt_check(const struct weir_hamt *map)
{
    size_t count = map->root != NULL ? check_node(map, map->root, 0, map->edition != 0) : 0;
    weir_assert(count == map->count);
}
