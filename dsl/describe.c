/* The topology as text, in the form of Kafka Streams' TopologyDescription.
 *
 * Nodes stand by the size of what hangs below them, largest first, then by name; a node that is
 * reached on two ways counts twice. Neighbours stand in the same order. (Kafka Streams sorts its
 * neighbours while sizes still change, so that siblings of different sizes may come out otherwise
 * there: by the order of a hash table.)
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "dsl/logical.h"

struct description {
    const struct weir_topology *topology;
    struct weir_arena *arena;
    struct weir_buffer text;
    uint64_t *sizes; /* by node; saturating */
    bool failed;
};

struct place {
    uint64_t size;
    const char *name;
    int32_t node;
};

static void add(struct description *description, const char *text)
{
    weir_buffer_append(&description->text, text, strlen(text));
}

static void find_sizes(struct description *description)
{
    const struct weir_topology *topology = description->topology;
    for (size_t i = topology->node_count; i-- > 0;) {
        const struct weir_plan_node *node = &topology->nodes[i];
        uint64_t size = 1;
        for (size_t c = 0; c < node->child_count; c++) {
            weir_assert((size_t)node->children[c] > i);
            uint64_t below = description->sizes[node->children[c]];
            if (__builtin_add_overflow(size, below, &size)) size = UINT64_MAX;
        }
        description->sizes[i] = size;
    }
}

static int compare_places(const void *a, const void *b)
{
    const struct place *left = a;
    const struct place *right = b;
    if (left->size != right->size) return left->size > right->size ? -1 : 1;
    return strcmp(left->name, right->name);
}

/* `nodes` in the order of the text; NULL when memory is out. */
static struct place *sort_nodes(struct description *description, const int32_t *nodes, size_t count)
{
    struct place *places = weir_arena_array(description->arena, count, sizeof *places);
    if (places == NULL) {
        description->failed = true;
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        places[i] = (struct place){
            .size = description->sizes[nodes[i]],
            .name = description->topology->nodes[nodes[i]].name,
            .node = nodes[i],
        };
    }
    qsort(places, count, sizeof *places, compare_places);
    return places;
}

static void add_neighbours(struct description *description, const char *arrow, const int32_t *nodes,
                           size_t count)
{
    add(description, "\n      ");
    add(description, arrow);
    if (count == 0) add(description, " none");
    const struct place *places = sort_nodes(description, nodes, count);
    for (size_t i = 0; places != NULL && i < count; i++) {
        add(description, i == 0 ? " " : ", ");
        add(description, places[i].name);
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_stores(struct description *description, const struct weir_plan_node *node)
{
    const char **names = weir_arena_array(description->arena, node->store_count, sizeof *names);
    if (names == NULL) {
        description->failed = true;
        return;
    }
    for (size_t i = 0; i < node->store_count; i++) {
        names[i] = description->topology->stores[node->stores[i]].spec.name;
    }
    qsort(names, node->store_count, sizeof *names, compare_names);
    add(description, " (stores: [");
    for (size_t i = 0; i < node->store_count; i++) {
        if (i > 0) add(description, ", ");
        add(description, names[i]);
    }
    add(description, "])");
}

static void add_node(struct description *description, const struct weir_plan_node *node)
{
    const struct weir_topology *topology = description->topology;
    switch (node->kind) {
    case WEIR_PLAN_SOURCE:
        add(description, "    Source: ");
        add(description, node->name);
        add(description, " (topics: [");
        add(description, topology->topics[node->topic].name);
        add(description, "])");
        add_neighbours(description, "-->", node->children, node->child_count);
        break;
    case WEIR_PLAN_OPERATOR:
        add(description, "    Processor: ");
        add(description, node->name);
        add_stores(description, node);
        add_neighbours(description, "-->", node->children, node->child_count);
        add_neighbours(description, "<--", node->parents, node->parent_count);
        break;
    case WEIR_PLAN_SINK:
        add(description, "    Sink: ");
        add(description, node->name);
        add(description, " (topic: ");
        add(description, topology->topics[node->topic].name);
        add(description, ")");
        add_neighbours(description, "<--", node->parents, node->parent_count);
        break;
    }
    add(description, "\n");
}

static void add_subtopology(struct description *description, size_t id)
{
    const struct weir_plan_subtopology *subtopology = &description->topology->subtopologies[id];
    const char *title = weir_arena_printf(description->arena, "  Sub-topology: %zu\n", id);
    const struct place *places =
        sort_nodes(description, subtopology->nodes, subtopology->node_count);
    if (title == NULL || places == NULL) {
        description->failed = true;
        return;
    }
    add(description, title);
    for (size_t i = 0; i < subtopology->node_count; i++) {
        add_node(description, &description->topology->nodes[places[i].node]);
    }
    add(description, "\n");
}

const char *weir_describe(struct weir_topology *topology)
{
    struct description description = {.topology = topology, .arena = &topology->arena};
    description.sizes = weir_arena_array(description.arena, topology->node_count, sizeof(uint64_t));
    if (description.sizes == NULL) return NULL;
    weir_buffer_init(&description.text, &topology->budget, 0);
    find_sizes(&description);
    add(&description, "Topologies:\n ");
    for (size_t i = 0; i < topology->subtopology_count; i++)
        add_subtopology(&description, i);
    weir_buffer_u8(&description.text, '\0');
    const char *text = NULL;
    if (!description.failed && !description.text.failed) {
        text =
            (const char *)weir_arena_copy(description.arena, weir_buffer_slice(&description.text))
                .data;
    }
    weir_buffer_close(&description.text);
    return text;
}
