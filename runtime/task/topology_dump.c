#include "runtime/task/topology_dump.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "runtime/task/task.h"
#include "runtime/task/timed_topics.h"

struct dump {
    const struct weir_topology *topology;
    struct weir_arena *arena;
    struct weir_buffer text;
};

/* Tabs and ends of lines are no part of a name: only a name that a user gave a node might have one. */
static void add(struct dump *dump, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        weir_buffer_u8(&dump->text, (uint8_t)*at < ' ' ? '?' : (uint8_t)*at);
    }
}

static void add_field(struct dump *dump, const char *text)
{
    weir_buffer_u8(&dump->text, '\t');
    add(dump, text != NULL && text[0] != '\0' ? text : "-");
}

static void add_number(struct dump *dump, int64_t number)
{
    add_field(dump, weir_arena_printf(dump->arena, "%" PRId64, number));
}

static void end_line(struct dump *dump)
{
    weir_buffer_u8(&dump->text, '\n');
}

static void add_format(struct dump *dump, struct weir_plan_format format)
{
    add_field(dump, format.text);
    add_number(dump, format.version);
}

/* ---- which inputs a store hears of ----------------------------------------------------------- */

static bool is_input(const struct dump *dump, size_t topic)
{
    if (dump->topology->topics[topic].is_repartition) return false;
    for (size_t s = 0; s < dump->topology->subtopology_count; s++) {
        if (weir_reads_topic(dump->topology, s, topic)) return true;
    }
    return false;
}

/* The sub-topology, and those that write a repartition topic that one of them reads. */
static bool *find_writers(struct dump *dump, size_t subtopology)
{
    const struct weir_topology *topology = dump->topology;
    const size_t count = topology->subtopology_count;
    bool *feeds = weir_arena_alloc_zero(dump->arena, count * sizeof *feeds);
    if (feeds == NULL) return NULL;
    feeds[subtopology] = true;
    for (size_t round = 0; round < count; round++) {
        for (size_t t = 0; t < topology->topic_count; t++) {
            bool is_heard = false;
            if (!topology->topics[t].is_repartition) continue;
            for (size_t s = 0; s < count; s++) {
                is_heard |= feeds[s] && weir_reads_topic(topology, s, t);
            }
            for (size_t s = 0; is_heard && s < count; s++) {
                feeds[s] |= weir_writes_topic(topology, s, t);
            }
        }
    }
    return feeds;
}

static void add_inputs(struct dump *dump, size_t subtopology)
{
    const struct weir_topology *topology = dump->topology;
    const bool *feeds = find_writers(dump, subtopology);
    bool is_first = true;
    for (size_t t = 0; feeds != NULL && t < topology->topic_count; t++) {
        bool is_heard = false;
        for (size_t s = 0; s < topology->subtopology_count; s++) {
            is_heard |= feeds[s] && weir_reads_topic(topology, s, t);
        }
        if (!is_heard || topology->topics[t].is_repartition) continue;
        weir_buffer_u8(&dump->text, is_first ? '\t' : ',');
        add(dump, topology->topics[t].name);
        is_first = false;
    }
    if (is_first) add_field(dump, NULL);
}

/* ---- the lines ------------------------------------------------------------------------------- */

static void add_topic(struct dump *dump, size_t index)
{
    const struct weir_plan_topic *topic = &dump->topology->topics[index];
    if (topic->is_repartition) {
        add(dump, "repartition");
        add_field(dump, topic->name);
        add_number(dump, topic->partition_count);
        add_format(dump, topic->formats.key);
        add_format(dump, topic->formats.value);
        end_line(dump);
    } else if (is_input(dump, index)) {
        add(dump, "input");
        add_field(dump, topic->name);
        end_line(dump);
    }
}

static void add_store(struct dump *dump, const struct weir_plan_store *store)
{
    add(dump, "store");
    add_field(dump, store->spec.name);
    add_field(dump, store->spec.is_logged ? "changelog" : "local");
    add_number(dump, store->spec.window_size_ms);
    add_format(dump, store->formats.key);
    add_format(dump, store->formats.value);
    add_inputs(dump, (size_t)store->subtopology);
    end_line(dump);
}

static int add_nodes(struct dump *dump, size_t subtopology)
{
    const struct weir_topology *topology = dump->topology;
    const struct weir_plan_subtopology *plan = &topology->subtopologies[subtopology];
    const char **names = NULL;
    int rc = weir_mark_names(topology, subtopology, dump->arena, &names);
    for (size_t i = 0; rc == 0 && i < plan->node_count; i++) {
        const struct weir_plan_node *node = &topology->nodes[plan->nodes[i]];
        if (!weir_observes_time(topology, node)) continue;
        add(dump, "node");
        add_field(dump, names[i]);
        add_field(dump, node->ops->traits.has_timers ? "timers" : "time");
        end_line(dump);
    }
    return rc;
}

const char *weir_topology_dump_text(struct weir_topology *topology)
{
    struct dump dump = {.topology = topology, .arena = &topology->arena};
    int rc = 0;
    weir_buffer_init(&dump.text, &topology->budget, 0);
    add(&dump, "weir-topology");
    add_number(&dump, 1);
    end_line(&dump);
    for (size_t i = 0; i < topology->topic_count; i++) {
        add_topic(&dump, i);
    }
    for (size_t i = 0; i < topology->store_count; i++) {
        add_store(&dump, &topology->stores[i]);
    }
    for (size_t s = 0; rc == 0 && s < topology->subtopology_count; s++) {
        rc = add_nodes(&dump, s);
    }
    weir_buffer_u8(&dump.text, '\0');
    const char *text = NULL;
    if (rc == 0 && !dump.text.failed && !weir_arena_failed(dump.arena)) {
        text = (const char *)weir_arena_copy(dump.arena, weir_buffer_slice(&dump.text)).data;
    }
    weir_buffer_close(&dump.text);
    return text;
}
