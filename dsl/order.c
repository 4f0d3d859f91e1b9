/* Where a batch has to go row by row.
 *
 * Processing a batch node by node gives what record-at-a-time, depth-first processing would give,
 * as long as no two paths from a node meet again: at a node (a merge), at a topic that both write,
 * or at a store that one of them changes and the other uses. A node where such paths part forwards
 * row by row. The same holds for a path that comes back to a store: an operator that changes a
 * store which is used further down gets its rows one by one, and a processor hands each forward on
 * at once.
 *
 * Two paths that only read a store may meet there. And where paths meet at topics and nowhere else,
 * nothing sees their order before it is written: the batch goes whole, the sinks of these topics gather
 * what comes to them, and the task puts it in order of the rows that it came from
 * (runtime/task/task_output.c). That needs rows that can be told apart by where they came from, so it
 * does not hold below an operator that makes several of one.
 */
#include "base/assert.h"
#include "base/error.h"
#include "dsl/logical.h"

/* What a node and all below it touch: bits by node, by topic written, by store read or changed. */
struct reach {
    uint64_t *visits;
    uint64_t *writes; /* topics */
    uint64_t *reads;
    uint64_t *changes;
};

struct order {
    struct weir_topology *topology;
    struct weir_plan_node *nodes;
    struct reach *reaches; /* by node, the node itself included */
    size_t visit_words;
    size_t topic_words;
    size_t store_words;
    bool *multiplies;     /* by node: it or one above it makes several rows of one */
    uint64_t *met_topics; /* at which paths meet whose rows are put in order there */
    bool caches; /* cached tables end a path: what they forward at the flush is another story */
};

static void set_bit(uint64_t *words, size_t bit)
{
    words[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static bool has_bit(const uint64_t *words, size_t bit)
{
    return (words[bit / 64] >> (bit % 64) & 1) != 0;
}

static void add_words(uint64_t *to, const uint64_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] |= from[i];
}

static bool meet_words(const uint64_t *a, const uint64_t *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((a[i] & b[i]) != 0) return true;
    }
    return false;
}

static bool changes_stores(const struct weir_plan_node *node)
{
    return node->ops->traits.store_use == WEIR_CHANGES_STORES;
}

/* At a node or at a store. */
static bool meet(const struct order *order, const struct reach *a, const struct reach *b)
{
    return meet_words(a->visits, b->visits, order->visit_words) ||
           meet_words(a->changes, b->changes, order->store_words) ||
           meet_words(a->changes, b->reads, order->store_words) ||
           meet_words(a->reads, b->changes, order->store_words);
}

/* A path from above ends here: the node changes its store, and forwards at the flush. */
static bool ends_paths(const struct order *order, const struct weir_plan_node *node)
{
    if (!order->caches || node->store_count == 0) return false;
    if (!node->ops->traits.forwards_on_flush) return false;
    return order->topology->stores[node->stores[0]].spec.is_cached;
}

/* Children come after their parents, so going backwards all below a node is known. */
static int find_reaches(struct order *order)
{
    const struct weir_topology *topology = order->topology;
    struct weir_arena *arena = &order->topology->arena;
    weir_assert(topology->node_count <= order->visit_words * 64);
    weir_assert(topology->store_count <= order->store_words * 64);
    for (size_t i = topology->node_count; i-- > 0;) {
        const struct weir_plan_node *node = &order->nodes[i];
        struct reach *reach = &order->reaches[i];
        reach->visits = weir_arena_alloc_zero(arena, order->visit_words * sizeof(uint64_t));
        reach->writes = weir_arena_alloc_zero(arena, order->topic_words * sizeof(uint64_t));
        reach->reads = weir_arena_alloc_zero(arena, order->store_words * sizeof(uint64_t));
        reach->changes = weir_arena_alloc_zero(arena, order->store_words * sizeof(uint64_t));
        if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
        set_bit(reach->visits, i);
        weir_assert(node->kind != WEIR_PLAN_SINK || node->topic >= 0);
        if (node->kind == WEIR_PLAN_SINK) set_bit(reach->writes, (size_t)node->topic);
        for (size_t s = 0; s < node->store_count; s++) {
            set_bit(changes_stores(node) ? reach->changes : reach->reads, (size_t)node->stores[s]);
        }
        if (ends_paths(order, node)) continue;
        for (size_t c = 0; c < node->child_count; c++) {
            const struct reach *below = &order->reaches[node->children[c]];
            weir_assert((size_t)node->children[c] > i);
            add_words(reach->visits, below->visits, order->visit_words);
            add_words(reach->writes, below->writes, order->topic_words);
            add_words(reach->reads, below->reads, order->store_words);
            add_words(reach->changes, below->changes, order->store_words);
        }
    }
    return 0;
}

/* Parents come before their children, so going forwards all above a node is known. */
static void find_multiplied(struct order *order)
{
    for (size_t i = 0; i < order->topology->node_count; i++) {
        const struct weir_plan_node *node = &order->nodes[i];
        order->multiplies[i] = node->ops->traits.makes_rows;
        for (size_t p = 0; p < node->parent_count; p++) {
            weir_assert((size_t)node->parents[p] < i);
            order->multiplies[i] |= order->multiplies[node->parents[p]];
        }
    }
}

enum meeting { MEET_NOWHERE, MEET_AT_TOPICS, MEET };

static enum meeting paths_meet(const struct order *order, const struct weir_plan_node *node)
{
    enum meeting meeting = MEET_NOWHERE;
    for (size_t a = 0; a < node->child_count; a++) {
        for (size_t b = a + 1; b < node->child_count; b++) {
            const struct reach *left = &order->reaches[node->children[a]];
            const struct reach *right = &order->reaches[node->children[b]];
            if (meet(order, left, right)) return MEET;
            if (!meet_words(left->writes, right->writes, order->topic_words)) continue;
            meeting = MEET_AT_TOPICS;
        }
    }
    return meeting;
}

/* Topics that two of the node's children write. */
static void note_met_topics(struct order *order, const struct weir_plan_node *node)
{
    for (size_t a = 0; a < node->child_count; a++) {
        for (size_t b = a + 1; b < node->child_count; b++) {
            const uint64_t *left = order->reaches[node->children[a]].writes;
            const uint64_t *right = order->reaches[node->children[b]].writes;
            for (size_t i = 0; i < order->topic_words; i++)
                order->met_topics[i] |= left[i] & right[i];
        }
    }
}

/* One of the node's own stores is used below it, and one of the two changes it. */
static bool comes_back(const struct order *order, const struct weir_plan_node *node)
{
    for (size_t s = 0; s < node->store_count; s++) {
        size_t store = (size_t)node->stores[s];
        for (size_t c = 0; c < node->child_count; c++) {
            const struct reach *below = &order->reaches[node->children[c]];
            if (has_bit(below->changes, store)) return true;
            if (changes_stores(node) && has_bit(below->reads, store)) return true;
        }
    }
    return false;
}

/* Nodes to mark, by index. */
static int find_marks(struct order *order, bool *marks)
{
    if (find_reaches(order) < 0) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < order->topology->node_count; i++) {
        struct weir_plan_node *node = &order->nodes[i];
        enum meeting meeting = paths_meet(order, node);
        if (meeting == MEET_AT_TOPICS && !order->multiplies[i]) {
            node->meets_at_topics = true;
            note_met_topics(order, node);
        } else if (meeting != MEET_NOWHERE) {
            marks[i] = true;
        }
        /* Held back until the flush, its rows find the store as the last of them left it. */
        if (ends_paths(order, node) || !comes_back(order, node)) continue;
        marks[i] = true;
        for (size_t p = 0; p < node->parent_count; p++)
            marks[node->parents[p]] = true;
    }
    return 0;
}

int weir_order_mark(struct weir_topology *topology, struct weir_plan_node *nodes,
                    struct weir_error *error)
{
    size_t count = topology->node_count;
    struct order order = {
        .topology = topology,
        .nodes = nodes,
        .reaches = weir_arena_array(&topology->arena, count, sizeof(struct reach)),
        .visit_words = (count + 63) / 64,
        .topic_words = (topology->topic_count + 63) / 64,
        .store_words = (topology->store_count + 63) / 64,
        .multiplies = weir_arena_array(&topology->arena, count, sizeof(bool)),
    };
    order.met_topics =
        weir_arena_alloc_zero(&topology->arena, order.topic_words * sizeof(uint64_t));
    bool *plain = weir_arena_alloc_zero(&topology->arena, count * sizeof *plain);
    bool *cached = weir_arena_alloc_zero(&topology->arena, count * sizeof *cached);
    int rc = weir_arena_failed(&topology->arena) ? WEIR_NO_MEMORY : 0;
    if (rc == 0) find_multiplied(&order);
    if (rc == 0) rc = find_marks(&order, plain);
    order.caches = true;
    if (rc == 0) rc = find_marks(&order, cached);
    if (rc < 0) return weir_error_set(error, WEIR_NO_MEMORY, "no memory to build");
    for (size_t i = 0; i < count; i++) {
        nodes[i].is_record_by_record = plain[i];
        nodes[i].is_record_by_record_when_cached = cached[i];
        nodes[i].gathers =
            nodes[i].kind == WEIR_PLAN_SINK && has_bit(order.met_topics, (size_t)nodes[i].topic);
    }
    return 0;
}
