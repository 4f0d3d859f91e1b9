#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/uuid.h"
#include "runtime/job/start_internal.h"

/* What the topology asks for, what is there and what the commit says, side by side. */

/* ---- the topology's part --------------------------------------------------------------------- */

static bool is_source(const struct weir_topology *topology, size_t topic)
{
    for (size_t n = 0; n < topology->node_count; n++) {
        const struct weir_plan_node *node = &topology->nodes[n];
        if (node->kind == WEIR_PLAN_SOURCE && (size_t)node->topic == topic) return true;
    }
    return false;
}

static enum weir_start_role role_of(const struct weir_streams *streams, size_t topic)
{
    if (streams->topics[topic].name == NULL) return WEIR_START_OTHER;
    if (streams->topics[topic].is_internal) {
        return topic < streams->topology->topic_count ? WEIR_START_REPARTITION
                                                      : WEIR_START_CHANGELOG;
    }
    bool is_declared = topic < streams->topology->topic_count;
    return is_declared && is_source(streams->topology, topic) ? WEIR_START_INPUT : WEIR_START_OTHER;
}

/* Whether sub-topology `s` reads what `marked` sub-topologies write. */
static bool is_fed(const struct weir_topology *topology, const bool *marked, size_t s)
{
    for (size_t n = 0; n < topology->node_count; n++) {
        const struct weir_plan_node *sink = &topology->nodes[n];
        if (sink->kind != WEIR_PLAN_SINK || sink->topic < 0 || !marked[sink->subtopology]) continue;
        if (!topology->topics[sink->topic].is_repartition) continue;
        const struct weir_plan_subtopology *sub = &topology->subtopologies[s];
        for (size_t i = 0; i < sub->source_count; i++) {
            if (topology->nodes[sub->sources[i]].topic == sink->topic) return true;
        }
    }
    return false;
}

static bool has_stores(const struct weir_topology *topology, const bool *marked)
{
    for (size_t s = 0; s < topology->subtopology_count; s++) {
        if (marked[s] && topology->subtopologies[s].store_count > 0) return true;
    }
    return false;
}

/* Which sub-topologies read an input, and which hear of it through repartition topics. */
static int mark_readers(struct weir_start *start, size_t index)
{
    const struct weir_topology *topology = start->streams->topology;
    struct weir_start_topic *topic = &start->facts.topics[index];
    size_t count = topology->subtopology_count;
    weir_assert(index < topology->topic_count && topic->role == WEIR_START_INPUT);
    bool *read_by = weir_arena_alloc_zero(&start->arena, count + 1);
    bool *feeds = weir_arena_alloc_zero(&start->arena, count + 1);
    if (read_by == NULL || feeds == NULL) return WEIR_NO_MEMORY;
    for (size_t n = 0; n < topology->node_count; n++) {
        const struct weir_plan_node *node = &topology->nodes[n];
        if (node->kind == WEIR_PLAN_SOURCE && (size_t)node->topic == index) {
            read_by[node->subtopology] = feeds[node->subtopology] = true;
        }
    }
    for (size_t round = 0; round < count; round++) {
        for (size_t s = 0; s < count; s++) {
            if (!feeds[s]) feeds[s] = is_fed(topology, feeds, s);
        }
    }
    topic->read_by = read_by;
    topic->feeds = feeds;
    topic->has_state = has_stores(topology, read_by);
    topic->feeds_state = has_stores(topology, feeds);
    return 0;
}

static int make_topic(struct weir_start *start, size_t index)
{
    const struct weir_streams *streams = start->streams;
    const struct weir_topology *topology = streams->topology;
    const struct weir_topic_request *described = &start->topics[index];
    struct weir_start_topic *topic = &start->facts.topics[index];
    weir_assert(topic->role == WEIR_START_OTHER && topic->partitions == NULL); /* made once */
    topic->name = streams->topics[index].name;
    topic->of = topic->name;
    topic->role = role_of(streams, index);
    if (topic->name == NULL) return 0;
    topic->exists = described->request.rc >= 0;
    if (topic->exists) {
        topic->id = described->topic_id;
        topic->partition_count = described->partition_count;
    }
    if (topic->role == WEIR_START_REPARTITION) topic->of = topology->topics[index].name;
    if (topic->role == WEIR_START_CHANGELOG) {
        const struct weir_plan_store *store = &topology->stores[index - topology->topic_count];
        topic->of = store->spec.name;
        topic->subtopology = store->subtopology;
        topic->keeps_for_ever = store->changelog_retention_ms == 0;
        topic->window_size_ms = store->spec.window_size_ms;
    }
    if (weir_start_is_internal(topic)) {
        topic->wanted_count = streams->topics[index].partition_count;
        topic->formats = weir_start_formats(start, index);
    }
    if (topic->role != WEIR_START_INPUT) return 0;
    topic->may_be_cut = weir_start_is_named_as_internal(topic->name);
    return mark_readers(start, index);
}

int weir_start_make_partitions(struct weir_start *start, struct weir_start_topic *topic)
{
    if (!topic->exists || topic->role == WEIR_START_OTHER) return 0;
    size_t count = (size_t)topic->partition_count;
    weir_assert(topic->name != NULL);
    topic->partitions =
        weir_arena_alloc_zero(&start->arena, (count + 1) * sizeof *topic->partitions);
    if (topic->partitions == NULL) return WEIR_NO_MEMORY;
    for (size_t p = 0; p < count; p++) {
        topic->partitions[p] = weir_start_partition_new();
    }
    return 0;
}

int weir_start_make_facts(struct weir_start *start, struct weir_error *error)
{
    struct weir_streams *streams = start->streams;
    size_t count = streams->topic_count;
    weir_assert(start->topics != NULL && start->outstanding == 0); /* all are described */
    start->facts = (struct weir_start_facts){
        .application_id = streams->options.application_id,
        .records = &start->records,
        .topics = weir_arena_alloc_zero(&start->arena, count * sizeof(struct weir_start_topic)),
        .topic_count = count,
    };
    start->asked = weir_arena_alloc_zero(&start->arena, count * sizeof *start->asked);
    int rc = weir_arena_failed(&start->arena) ? WEIR_NO_MEMORY : 0;
    for (size_t i = 0; rc >= 0 && i < count; i++) {
        rc = make_topic(start, i);
        if (rc >= 0) rc = weir_start_make_partitions(start, &start->facts.topics[i]);
    }
    return rc < 0 ? weir_start_no_memory(error) : 0;
}

/* ---- the commit's part ----------------------------------------------------------------------- */

static struct weir_start_topic *find_topic(const struct weir_start *start, struct weir_slice name)
{
    for (size_t i = 0; i < start->facts.topic_count; i++) {
        struct weir_start_topic *topic = &start->facts.topics[i];
        if (topic->role == WEIR_START_OTHER) continue;
        if (weir_slice_equal(weir_text(topic->name), name)) return topic;
    }
    return NULL;
}

/* Whether an entry decides anything here: it is of a topic of the topology, or of one of the application's
 * own that the topology has left. */
static bool is_needed(const struct weir_start *start, const struct weir_start_topic *topic,
                      struct weir_slice name)
{
    if (topic != NULL) return true;
    for (size_t i = 0; i < start->records.topic_count; i++) {
        if (weir_slice_equal(weir_text(start->records.topics[i].name), name)) return true;
    }
    return false;
}

static int refuse_unreadable(const struct weir_commit_entry *entry, struct weir_error *error)
{
    const struct weir_slice name = entry->of.topic;
    return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                          "last commit of '%.*s' partition %" PRId32 ": %s", (int)name.size,
                          (const char *)name.data, entry->of.partition, entry->unreadable);
}

static int take_entry(struct weir_start *start, const struct weir_commit_entry *entry,
                      struct weir_error *error)
{
    struct weir_start_topic *topic = find_topic(start, entry->of.topic);
    if (entry->unreadable != NULL && is_needed(start, topic, entry->of.topic)) {
        return refuse_unreadable(entry, error);
    }
    if (topic != NULL) weir_start_take_entry(topic, entry);
    return 0;
}

static bool is_named(const struct weir_start *start, const char *name)
{
    for (size_t i = 0; i < start->facts.topic_count; i++) {
        const char *known = start->facts.topics[i].name;
        if (known != NULL && strcmp(known, name) == 0) return true;
    }
    return false;
}

/* Records of a repartition topic that the last commit covers and does not count as processed. */
static int64_t unprocessed(const struct weir_start *start, const struct weir_own_topic *record)
{
    int64_t count = 0;
    for (size_t i = 0; i < start->committed.entry_count; i++) {
        const struct weir_commit_entry *entry = &start->committed.entries[i];
        if (!weir_slice_equal(entry->of.topic, weir_text(record->name))) continue;
        if (entry->end > entry->offset) count += entry->end - entry->offset;
    }
    return count;
}

/* Rows of a changelog that the last commit covers: whether one of them is still live is not looked at. */
static bool has_rows(const struct weir_start *start, const struct weir_own_topic *record)
{
    for (size_t i = 0; i < start->committed.entry_count; i++) {
        const struct weir_commit_entry *entry = &start->committed.entries[i];
        if (!weir_slice_equal(entry->of.topic, weir_text(record->name))) continue;
        if (entry->end > 0 || entry->offset > 0) return true;
    }
    return false;
}

static int take_left(struct weir_start *start)
{
    const struct weir_application *records = &start->records;
    struct weir_start_left *left =
        weir_arena_array(&start->arena, records->topic_count + 1, sizeof *left);
    if (left == NULL) return WEIR_NO_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < records->topic_count; i++) {
        const struct weir_own_topic *record = &records->topics[i];
        if (record->phase != WEIR_OWN_TOPIC_KEPT || is_named(start, record->name)) continue;
        left[count++] = (struct weir_start_left){.record = record,
                                                 .unprocessed = unprocessed(start, record),
                                                 .has_rows = has_rows(start, record)};
    }
    start->facts.left = left;
    start->facts.left_count = count;
    return 0;
}

/* ---- tables over topics ---------------------------------------------------------------------- */

/* A topic that keeps the latest record of each key for ever may be a changelog itself. */
static bool keeps_all_keys(const struct weir_start *start, int32_t source)
{
    const struct weir_topic_request *described = &start->topics[source];
    return described->request.rc >= 0 && described->config.cleanup_compact &&
           !described->config.cleanup_delete;
}

static bool has_processed(const struct weir_start_topic *topic)
{
    for (int32_t p = 0; topic->exists && p < topic->partition_count; p++) {
        if (topic->partitions[p].has_processed) return true;
    }
    return false;
}

/* What the table passes over by the clock, or takes with another time, stands in the topic as it is: nobody can tell it
 * apart later. */
static bool takes_all(const struct weir_start *start)
{
    return start->streams->options.timestamp_after_max_ms == 0;
}

/*
 * Whether a table has a changelog of its own. What was decided once stands, and is recorded by what is
 * there: a changelog in the application's records or in the commit; without one, records of the table's
 * topic that were processed say that the topic has served so far, and a changelog made now would lack
 * them. So a topic whose policy changes later loses no row of a table that runs already, and one that
 * was reset, or has not read anything yet, is decided about anew.
 */
static bool has_own_changelog(const struct weir_start *start, size_t changelog, int32_t source)
{
    const struct weir_start_topic *own = &start->facts.topics[changelog];
    weir_assert(own->role == WEIR_START_CHANGELOG);
    if (own->record != NULL || own->entry_count > 0) return true;
    if (has_processed(&start->facts.topics[source])) return false;
    if (!takes_all(start)) return true;
    return !keeps_all_keys(start, source) && !start->streams->options.reuse_source_topics;
}

static void say_at_risk(const struct weir_start *start, const struct weir_plan_store *store)
{
    if (keeps_all_keys(start, store->source_topic)) return;
    weir_log(
        &start->streams->env->logger, WEIR_LOG_WARN, "table.without_changelog",
        "application=%s store=%s topic=%s why=\"rows that the topic's retention takes are gone "
        "when local state is lost\"",
        start->facts.application_id, store->spec.name,
        start->facts.topics[store->source_topic].name);
}

static void choose_changelogs(struct weir_start *start)
{
    struct weir_streams *streams = start->streams;
    const struct weir_topology *topology = streams->topology;
    for (size_t i = 0; i < topology->store_count; i++) {
        const struct weir_plan_store *store = &topology->stores[i];
        const size_t changelog = weir_changelog_topic(topology, i);
        if (store->source_topic < 0 || streams->topics[changelog].name == NULL) continue;
        if (has_own_changelog(start, changelog, store->source_topic)) continue;
        say_at_risk(start, store);
        streams->topics[changelog] = (struct weir_job_topic){0};
        start->facts.topics[changelog] = (struct weir_start_topic){0};
        weir_assert(start->facts.topics[changelog].role == WEIR_START_OTHER);
    }
}

static bool is_read_by(const struct weir_topology *topology, int32_t subtopology, size_t topic)
{
    const struct weir_plan_subtopology *sub = &topology->subtopologies[subtopology];
    for (size_t i = 0; i < sub->source_count; i++) {
        if ((size_t)topology->nodes[sub->sources[i]].topic == topic) return true;
    }
    return false;
}

/* What a store's content comes from: a table's own topic, or all that its sub-topology reads, and the inputs that reach
 * that through repartition topics: one of these that was made anew says nothing of what went through it before. */
static bool is_fed_by(const struct weir_start *start, size_t store, size_t topic)
{
    const struct weir_topology *topology = start->streams->topology;
    const struct weir_plan_store *plan = &topology->stores[store];
    const struct weir_start_topic *found = &start->facts.topics[topic];
    bool is_of_input =
        plan->source_topic >= 0 && start->facts.topics[plan->source_topic].role == WEIR_START_INPUT;
    if (is_of_input) return (size_t)plan->source_topic == topic;
    if (found->role == WEIR_START_INPUT) return found->feeds[plan->subtopology];
    return is_read_by(topology, plan->subtopology, topic);
}

/* A store would know the records of what feeds it. */
static void note_progress(struct weir_start *start)
{
    const struct weir_topology *topology = start->streams->topology;
    for (size_t i = 0; i < topology->store_count; i++) {
        struct weir_start_topic *changelog =
            &start->facts.topics[weir_changelog_topic(topology, i)];
        if (changelog->role != WEIR_START_CHANGELOG) continue;
        weir_assert((size_t)changelog->subtopology < topology->subtopology_count);
        for (size_t t = 0; t < topology->topic_count; t++) {
            if (!is_fed_by(start, i, t)) continue;
            changelog->has_progress |= has_processed(&start->facts.topics[t]);
        }
    }
}

/* Those of which nothing but their tasks' folders knows: no changelog, no table's own topic. */
static int take_stores(struct weir_start *start)
{
    const struct weir_topology *topology = start->streams->topology;
    struct weir_start_facts *facts = &start->facts;
    facts->stores =
        weir_arena_array(&start->arena, topology->store_count + 1, sizeof *facts->stores);
    if (facts->stores == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < topology->store_count; i++) {
        const struct weir_plan_store *plan = &topology->stores[i];
        bool is_kept_alone =
            !plan->spec.is_logged && plan->source_topic < 0 && plan->spec.kind != WEIR_STORE_MEMORY;
        if (!is_kept_alone) continue;
        facts->stores[facts->store_count++] = (struct weir_start_store){
            .name = plan->spec.name,
            .number = i,
            .subtopology = plan->subtopology,
            .record = weir_application_find_store(&start->records, plan->spec.name),
        };
    }
    return 0;
}

int weir_start_take_commit(struct weir_start *start, struct weir_error *error)
{
    const struct weir_commit_recover *committed = &start->committed;
    struct weir_start_facts *facts = &start->facts;
    weir_assert(committed->call.rc >= 0 && start->reader.has_ends);
    for (size_t i = 0; i < committed->entry_count; i++) {
        int rc = take_entry(start, &committed->entries[i], error);
        if (rc < 0) return rc;
    }
    facts->has_commit = committed->has_commit;
    facts->is_reset_begun = committed->is_reset_begun;
    facts->has_no_run = committed->has_commit && committed->producer_count == 0;
    if (!facts->has_commit) facts->foreign_entries = committed->entry_count;
    const struct weir_topic_request *described = &start->topics[facts->topic_count];
    facts->has_topic = start->reader.exists;
    facts->is_records_cut =
        facts->has_commit && (!facts->has_topic || start->reader.log_end < committed->records_end ||
                              !weir_uuid_equal(described->topic_id, committed->records_topic_id));
    for (size_t t = 0; t < facts->topic_count; t++) {
        if (facts->topics[t].name == NULL) continue;
        facts->topics[t].record = weir_application_find(&start->records, facts->topics[t].name);
        if (facts->topics[t].role != WEIR_START_INPUT) continue;
        facts->topics[t].chosen =
            weir_application_find_input(&start->records, facts->topics[t].name);
    }
    choose_changelogs(start);
    note_progress(start);
    if (take_left(start) < 0 || take_stores(start) < 0) return weir_start_no_memory(error);
    return 0;
}
