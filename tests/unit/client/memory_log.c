#include "tests/unit/client/memory_log.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/error.h"
#include "base/uuid.h"
#include "broker/log/topic_config.h"
#include "client/client_internal.h"
#include "wire/record_batch_reader.h"

enum { TOPICS_MAX = 16, PARTITIONS_MAX = 64, ENTRIES_MAX = 64, EPOCHS_MAX = 16 };

struct stored {
    struct stored *next;
    struct weir_log_part part;
    int64_t next_offset;
};

struct partition {
    struct stored *first;
    struct stored **last; /* where the next one goes */
    int64_t start;
    int64_t end;
    int32_t epoch;
    int64_t epoch_starts[EPOCHS_MAX];
    struct weir_fetch_request *waiting;
};

struct topic {
    char name[250];
    struct weir_uuid id; /* zero: the slot is free */
    int32_t partition_count;
    struct weir_topic_config config;
    struct partition partitions[PARTITIONS_MAX];
};

struct entry {
    char topic[250];
    char metadata[512];
    int32_t partition;
    int64_t offset;
    int32_t epoch;
    struct weir_uuid topic_id;
};

struct memory_log {
    struct weir_env *env;
    struct weir_actor *actor;
    struct topic topics[TOPICS_MAX];
    int made; /* topics ever: of their ids */
    struct entry entries[ENTRIES_MAX];
    size_t entry_count;
    bool is_claimed;
    int64_t producer_count;
    struct weir_topic_defaults defaults;
    struct memory_log_faults faults;
    int answered[MEMORY_KINDS];
    struct weir_fetch_request *held;
};

static struct memory_log *memory_of(const struct weir_log *log)
{
    ck_assert_str_eq(log->ops->name, "memory");
    return log->impl;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void deliver(struct weir_message *message)
{
    struct weir_request *request = (struct weir_request *)message;
    request->done(request);
}

static void reply(struct memory_log *memory, enum memory_kind kind, struct weir_request *request,
                  int rc)
{
    memory->answered[kind]++;
    request->rc = rc;
    request->error = (struct weir_error){0};
    if (rc < 0) weir_error_set(&request->error, (enum weir_code)rc, "%s", weir_code_text(rc));
    if (request->reply_to == NULL) {
        request->done(request);
        return;
    }
    request->message.handle = deliver;
    weir_actor_post(request->reply_to, &request->message);
}

/* What a test wants instead of the answer; 0: nothing. */
static int fault_of(struct memory_log *memory, enum memory_kind kind)
{
    struct memory_log_faults *faults = &memory->faults;
    if (faults->left[kind] == 0) return 0;
    if (faults->skipped[kind] > 0) {
        faults->skipped[kind]--;
        return 0;
    }
    faults->left[kind]--;
    return faults->rc[kind];
}

/* ---- topics and partitions ------------------------------------------------------------------- */

static struct topic *find(struct memory_log *memory, struct weir_slice name)
{
    for (size_t i = 0; i < TOPICS_MAX; i++) {
        struct topic *topic = &memory->topics[i];
        if (!weir_uuid_is_zero(topic->id) && weir_slice_equal(weir_text(topic->name), name)) {
            return topic;
        }
    }
    return NULL;
}

static int find_partition(struct memory_log *memory, const struct weir_request *request,
                          struct weir_topic_partition of, struct partition **partition_out)
{
    struct topic *topic = find(memory, of.topic);
    if (topic == NULL || of.partition >= topic->partition_count) {
        return WEIR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    bool is_other =
        !weir_uuid_is_zero(request->topic_id) && !weir_uuid_equal(request->topic_id, topic->id);
    if (is_other) return WEIR_UNKNOWN_TOPIC_ID;
    *partition_out = &topic->partitions[of.partition];
    return 0;
}

static void drop_first(struct partition *partition)
{
    struct stored *stored = partition->first;
    partition->first = stored->next;
    if (partition->first == NULL) partition->last = &partition->first;
    weir_shared_unref(stored->part.bytes);
    free(stored);
}

static void clear(struct topic *topic)
{
    for (size_t i = 0; i < PARTITIONS_MAX; i++) {
        while (topic->partitions[i].first != NULL) {
            drop_first(&topic->partitions[i]);
        }
    }
    *topic = (struct topic){.name = ""};
}

static int create(struct memory_log *memory, const struct weir_topic_request *request)
{
    if (find(memory, request->topic) != NULL) return WEIR_EXISTS;
    size_t at = 0;
    while (at < TOPICS_MAX && !weir_uuid_is_zero(memory->topics[at].id)) {
        at++;
    }
    ck_assert_uint_lt(at, TOPICS_MAX);
    struct topic *topic = &memory->topics[at];
    *topic = (struct topic){.config = memory->defaults.config,
                            .partition_count = memory->defaults.partition_count,
                            .id = {.bytes = {(uint8_t)++memory->made, 1}}};
    memcpy(topic->name, request->topic.data, request->topic.size);
    if (request->partition_count > 0) topic->partition_count = request->partition_count;
    ck_assert_int_le(topic->partition_count, PARTITIONS_MAX);
    for (size_t i = 0; i < request->config_count; i++) {
        const struct weir_config_entry *config = &request->configs[i];
        if (weir_topic_config_is_text(config->key)) continue;
        ck_assert_int_eq(weir_topic_config_set(&topic->config, config->key, config->value, NULL),
                         0);
    }
    for (size_t i = 0; i < PARTITIONS_MAX; i++) {
        topic->partitions[i].last = &topic->partitions[i].first;
    }
    return 0;
}

static int administer(struct memory_log *memory, struct weir_topic_request *request)
{
    if (request->operation == WEIR_TOPIC_CREATE) return create(memory, request);
    struct topic *topic = find(memory, request->topic);
    if (topic == NULL) return WEIR_UNKNOWN_TOPIC_OR_PARTITION;
    if (request->operation == WEIR_TOPIC_DELETE) clear(topic);
    return 0;
}

static void handle_topic(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_topic_request *request = (struct weir_topic_request *)asked;
    int rc = fault_of(memory, MEMORY_TOPIC);
    if (rc == 0) rc = administer(memory, request);
    const struct topic *topic = find(memory, request->topic);
    if (rc == 0 && topic != NULL) {
        request->topic_id = topic->id;
        request->partition_count = topic->partition_count;
        request->config = topic->config;
    }
    reply(memory, MEMORY_TOPIC, asked, rc);
}

/* ---- records --------------------------------------------------------------------------------- */

static void append(struct partition *partition, struct weir_produce_request *request)
{
    size_t size = request->size > 0 ? request->size : request->batches->size;
    struct weir_batch_reader reader = {
        .rest = weir_slice(request->batches->data + request->from, size), .is_whole = true};
    request->base_offset = partition->end;
    while (weir_batch_reader_next(&reader, NULL) == 0) {
        size_t from = (size_t)(reader.batch.data - request->batches->data);
        weir_batch_assign(request->batches->data + from, partition->end, partition->epoch);
        partition->end += reader.header.last_offset_delta + 1;
        struct stored *stored = malloc(sizeof *stored);
        ck_assert_ptr_nonnull(stored);
        *stored = (struct stored){
            .part = {weir_shared_ref(request->batches), from, reader.batch.size},
            .next_offset = partition->end,
        };
        *partition->last = stored;
        partition->last = &stored->next;
    }
    request->last_offset = partition->end - 1;
}

static void give(const struct partition *partition, struct weir_fetch_request *fetch)
{
    struct weir_log_batches *batches = &fetch->batches;
    for (const struct stored *at = partition->first; at != NULL; at = at->next) {
        bool is_full = batches->part_count == WEIR_LOG_PARTS_MAX ||
                       (fetch->size > 0 && fetch->size + at->part.size > fetch->size_max);
        if (is_full) break;
        if (at->next_offset <= fetch->offset) continue;
        weir_shared_ref(at->part.bytes);
        batches->parts[batches->part_count++] = at->part;
        fetch->size += at->part.size;
    }
}

static void answer_fetch(struct memory_log *memory, struct weir_fetch_request *fetch, int rc)
{
    reply(memory, MEMORY_FETCH, &fetch->request, rc);
}

/* Answered, or put in line for what comes. */
static void take_up(struct memory_log *memory, struct weir_fetch_request *fetch)
{
    struct partition *partition = NULL;
    int rc = fault_of(memory, MEMORY_FETCH);
    if (rc == 0) rc = find_partition(memory, &fetch->request, fetch->from, &partition);
    if (partition != NULL) {
        fetch->leader_epoch = partition->epoch;
        fetch->high_watermark = fetch->log_end_offset = partition->end;
        fetch->log_start_offset = partition->start;
        bool is_inside = fetch->offset >= partition->start && fetch->offset <= partition->end;
        if (!is_inside) rc = WEIR_OFFSET_OUT_OF_RANGE;
    }
    if (rc == 0) give(partition, fetch);
    bool is_waiting =
        rc == 0 && fetch->size < fetch->size_min && fetch->deadline.ns == WEIR_MONO_NEVER.ns;
    if (is_waiting) {
        fetch->next = partition->waiting;
        partition->waiting = fetch;
    } else {
        answer_fetch(memory, fetch, rc);
    }
}

static void handle_fetch(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_fetch_request *fetch = (struct weir_fetch_request *)asked;
    if (memory->faults.is_held) {
        fetch->next = memory->held;
        memory->held = fetch;
    } else {
        take_up(memory, fetch);
    }
}

static void wake(struct memory_log *memory, struct weir_fetch_request **line)
{
    struct weir_fetch_request *fetch = *line;
    *line = NULL;
    while (fetch != NULL) {
        struct weir_fetch_request *next = fetch->next;
        take_up(memory, fetch);
        fetch = next;
    }
}

static bool take_out(struct weir_fetch_request **line, const struct weir_fetch_request *fetch)
{
    while (*line != NULL && *line != fetch) {
        line = &(*line)->next;
    }
    if (*line == NULL) return false;
    *line = fetch->next;
    return true;
}

static bool stop_waiting(struct memory_log *memory, const struct weir_fetch_request *fetch)
{
    if (take_out(&memory->held, fetch)) return true;
    for (size_t t = 0; t < TOPICS_MAX; t++) {
        for (size_t p = 0; p < PARTITIONS_MAX; p++) {
            if (take_out(&memory->topics[t].partitions[p].waiting, fetch)) return true;
        }
    }
    return false;
}

/* The simulator is one thread: what is in no line has been answered, or is still in the mailbox, from
 * where it will be answered with what is there. */
static void cancel_fetch(void *impl, struct weir_fetch_request *fetch)
{
    fetch->deadline = (struct weir_mono){0};
    if (stop_waiting(impl, fetch)) answer_fetch(impl, fetch, WEIR_CLOSED);
}

static void handle_produce(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_produce_request *request = (struct weir_produce_request *)asked;
    struct partition *partition = NULL;
    int rc = fault_of(memory, MEMORY_PRODUCE);
    if (rc == 0) rc = find_partition(memory, asked, request->to, &partition);
    if (rc == 0) append(partition, request);
    reply(memory, MEMORY_PRODUCE, asked, rc);
    if (rc == 0) wake(memory, &partition->waiting);
}

/* ---- offsets --------------------------------------------------------------------------------- */

static void handle_list_offsets(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_list_offsets_request *request = (struct weir_list_offsets_request *)asked;
    struct partition *partition = NULL;
    int rc = fault_of(memory, MEMORY_LIST_OFFSETS);
    if (rc == 0) rc = find_partition(memory, asked, request->of, &partition);
    if (rc == 0) {
        bool is_first = request->timestamp_ms == WEIR_OFFSET_EARLIEST;
        request->offset = is_first ? partition->start : partition->end;
        request->timestamp_found_ms = -1;
        request->leader_epoch = partition->epoch;
        request->log_end_offset = partition->end;
    }
    reply(memory, MEMORY_LIST_OFFSETS, asked, rc);
}

static void handle_epoch_end(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_epoch_end_request *request = (struct weir_epoch_end_request *)asked;
    struct partition *partition = NULL;
    int rc = fault_of(memory, MEMORY_EPOCH_END);
    if (rc == 0) rc = find_partition(memory, asked, request->of, &partition);
    if (rc == 0) {
        bool is_last = request->epoch == partition->epoch;
        bool is_unknown = request->epoch > partition->epoch;
        request->epoch_found = is_unknown ? -1 : request->epoch;
        request->end_offset = is_unknown ? -1
                              : is_last  ? partition->end
                                         : partition->epoch_starts[request->epoch + 1];
    }
    reply(memory, MEMORY_EPOCH_END, asked, rc);
}

static void handle_describe(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_describe_partition_request *request =
        (struct weir_describe_partition_request *)asked;
    struct partition *partition = NULL;
    int rc = fault_of(memory, MEMORY_DESCRIBE);
    if (rc == 0) rc = find_partition(memory, asked, request->of, &partition);
    if (rc == 0) {
        request->log_start_offset = partition->start;
        request->log_end_offset = request->high_watermark = partition->end;
        request->leader_epoch = partition->epoch;
        request->offline_from = -1;
    }
    reply(memory, MEMORY_DESCRIBE, asked, rc);
}

/* A tail is not cut, as in a cluster. */
static void handle_cut(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_cut_request *request = (struct weir_cut_request *)asked;
    struct partition *partition = NULL;
    int rc = fault_of(memory, MEMORY_CUT);
    if (rc == 0) rc = find_partition(memory, asked, request->partition, &partition);
    if (rc == 0 && request->what == WEIR_CUT_TAIL) rc = WEIR_UNSUPPORTED;
    if (rc == 0) {
        int64_t start = request->offset < 0 ? partition->end : request->offset;
        if (start > partition->start) partition->start = start;
        while (partition->first != NULL && partition->first->next_offset <= start) {
            drop_first(partition);
        }
        request->start_offset = partition->start;
        request->end_offset = partition->end;
    }
    reply(memory, MEMORY_CUT, asked, rc);
}

static void refuse(struct memory_log *memory, enum memory_kind kind, struct weir_request *asked)
{
    reply(memory, kind, asked, WEIR_UNSUPPORTED);
}

static void handle_report_damage(struct memory_log *memory, struct weir_request *asked)
{
    refuse(memory, MEMORY_FETCH, asked);
}

static void handle_list_topics(struct memory_log *memory, struct weir_request *asked)
{
    refuse(memory, MEMORY_TOPIC, asked);
}

/* ---- producers and groups, of which there is one --------------------------------------------- */

static void handle_init_producer(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_init_producer_request *request = (struct weir_init_producer_request *)asked;
    request->producer_id = 5000 + memory->producer_count++;
    request->producer_epoch = 0;
    reply(memory, MEMORY_INIT_PRODUCER, asked, fault_of(memory, MEMORY_INIT_PRODUCER));
}

static struct entry *find_entry(struct memory_log *memory, struct weir_topic_partition of)
{
    for (size_t i = 0; i < memory->entry_count; i++) {
        struct entry *entry = &memory->entries[i];
        bool is_it =
            entry->partition == of.partition && weir_slice_equal(weir_text(entry->topic), of.topic);
        if (is_it) return entry;
    }
    return NULL;
}

static void keep(struct memory_log *memory, const struct weir_offset_entry *committed)
{
    struct entry *entry = find_entry(memory, committed->partition);
    if (entry == NULL) {
        ck_assert_uint_lt(memory->entry_count, ENTRIES_MAX);
        entry = &memory->entries[memory->entry_count++];
    }
    struct topic *topic = find(memory, committed->partition.topic);
    *entry = (struct entry){.partition = committed->partition.partition,
                            .offset = committed->is_tombstone ? -1 : committed->offset,
                            .epoch = committed->leader_epoch};
    if (topic != NULL) entry->topic_id = topic->id;
    ck_assert_uint_lt(committed->metadata.size, sizeof entry->metadata);
    memcpy(entry->topic, committed->partition.topic.data, committed->partition.topic.size);
    if (committed->metadata.size > 0) {
        memcpy(entry->metadata, committed->metadata.data, committed->metadata.size);
    }
}

static void handle_commit(struct memory_log *memory, struct weir_request *asked)
{
    const struct weir_commit_request *request = (const struct weir_commit_request *)asked;
    int rc = fault_of(memory, MEMORY_COMMIT);
    for (size_t i = 0; rc == 0 && i < request->entry_count; i++) {
        keep(memory, &request->entries[i]);
    }
    reply(memory, MEMORY_COMMIT, asked, rc);
}

static void show(const struct entry *entry, struct weir_offset_entry *shown)
{
    shown->partition = (struct weir_topic_partition){weir_text(entry->topic), entry->partition};
    shown->offset = entry->offset;
    shown->leader_epoch = entry->epoch;
    shown->metadata = weir_text(entry->metadata);
    shown->topic_id = entry->topic_id;
}

static void handle_committed(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_committed_request *request = (struct weir_committed_request *)asked;
    if (request->entries == NULL) {
        request->entries = weir_arena_array(request->arena, ENTRIES_MAX, sizeof *request->entries);
        ck_assert_ptr_nonnull(request->entries);
        for (size_t i = 0; i < memory->entry_count; i++) {
            if (memory->entries[i].offset < 0) continue;
            show(&memory->entries[i], &request->entries[request->entry_count++]);
        }
    } else {
        for (size_t i = 0; i < request->entry_count; i++) {
            const struct entry *entry = find_entry(memory, request->entries[i].partition);
            request->entries[i].offset = -1;
            if (entry != NULL) show(entry, &request->entries[i]);
        }
    }
    reply(memory, MEMORY_COMMITTED, asked, fault_of(memory, MEMORY_COMMITTED));
}

static int claim_group(void *impl, struct weir_slice group, struct weir_group_claim *claim,
                       struct weir_error *error)
{
    struct memory_log *memory = impl;
    if (memory->is_claimed) return weir_error_set(error, WEIR_LOCKED, "there is a job");
    memory->is_claimed = true;
    claim->group = group;
    return 0;
}

static void release_group(void *impl, struct weir_group_claim *claim)
{
    if (claim->group.size > 0) ((struct memory_log *)impl)->is_claimed = false;
    *claim = (struct weir_group_claim){0};
}

/* ---- the table ------------------------------------------------------------------------------- */

static void send(void *impl, struct weir_request *request,
                 void (*arrives)(struct weir_message *message))
{
    struct memory_log *memory = impl;
    request->answerer = memory;
    request->message.handle = arrives;
    weir_actor_post(memory->actor, &request->message);
}

/* A request goes through the mailbox to its handler. */
#define OPERATION(name, type)                                                                      \
    static void name##_arrives(struct weir_message *message)                                       \
    {                                                                                              \
        struct weir_request *request = (struct weir_request *)message;                             \
        handle_##name(request->answerer, request);                                                 \
    }                                                                                              \
    static void name(void *impl, struct weir_##type *request)                                      \
    {                                                                                              \
        send(impl, &request->request, name##_arrives);                                             \
    }
OPERATION(produce, produce_request)
OPERATION(list_offsets, list_offsets_request)
OPERATION(epoch_end, epoch_end_request)
OPERATION(describe, describe_partition_request)
OPERATION(cut, cut_request)
OPERATION(topic, topic_request)
OPERATION(list_topics, list_topics_request)
OPERATION(init_producer, init_producer_request)
OPERATION(commit, commit_request)
OPERATION(committed, committed_request)
OPERATION(report_damage, damage_report)
OPERATION(fetch, fetch_request)

static void fetch_anew(void *impl, struct weir_fetch_request *request)
{
    request->batches.part_count = 0;
    request->size = 0;
    request->diverging_epoch = request->leader_epoch = -1;
    request->high_watermark = request->log_start_offset = request->log_end_offset = -1;
    fetch(impl, request);
}

static const struct weir_topic_defaults *topic_defaults(void *impl)
{
    return &((const struct memory_log *)impl)->defaults;
}

static int close_memory(void *impl, struct weir_error *error)
{
    (void)error;
    struct memory_log *memory = impl;
    weir_actor_stop(memory->actor);
    for (size_t i = 0; i < TOPICS_MAX; i++) {
        clear(&memory->topics[i]);
    }
    free(memory);
    return 0;
}

static const struct weir_log_ops memory_ops = {
    .name = "memory",
    .produce = produce,
    .fetch = fetch_anew,
    .cancel_fetch = cancel_fetch,
    .report_damage = report_damage,
    .list_offsets = list_offsets,
    .epoch_end = epoch_end,
    .describe_partition = describe,
    .cut = cut,
    .topic = topic,
    .list_topics = list_topics,
    .topic_defaults = topic_defaults,
    .init_producer = init_producer,
    .commit_offsets = commit,
    .committed = committed,
    .claim_group = claim_group,
    .release_group = release_group,
    .close = close_memory,
};

/* ---- what a test sees ------------------------------------------------------------------------ */

static int rest(void *impl)
{
    (void)impl;
    return 0;
}

struct weir_log *memory_log_open(struct weir_env *env, const char *directory)
{
    struct weir_error error;
    struct memory_log *memory = calloc(1, sizeof *memory);
    struct weir_log *log = weir_alloc_zero(env->budget, sizeof *log);
    ck_assert(memory != NULL && log != NULL);
    memory->env = env;
    memory->defaults = (struct weir_topic_defaults){1, weir_topic_config_default()};
    const struct weir_actor_options options = {.name = "memory log", .run_once = rest};
    ck_assert_int_eq(weir_actor_start(env, &options, &memory->actor, &error), 0);
    log->env = env;
    log->ops = &memory_ops;
    log->impl = memory;
    log->directory = weir_alloc_text(env->budget, directory, strlen(directory));
    log->auto_create_topics = true;
    log->magic = WEIR_LOG_MAGIC;
    weir_budget_init(&log->budget, "client", env->heap, env->budget, 0);
    (void)weir_make_directory(env, directory, NULL);
    return log;
}

struct memory_log_faults *memory_log_faults(struct weir_log *log)
{
    return &memory_of(log)->faults;
}

int memory_log_answered(const struct weir_log *log, enum memory_kind kind)
{
    return memory_of(log)->answered[kind];
}

static int length(const struct weir_fetch_request *line)
{
    int count = 0;
    for (; line != NULL; line = line->next) {
        count++;
    }
    return count;
}

int memory_log_waiting(const struct weir_log *log)
{
    const struct memory_log *memory = memory_of(log);
    int count = length(memory->held);
    for (size_t t = 0; t < TOPICS_MAX; t++) {
        for (size_t p = 0; p < PARTITIONS_MAX; p++) {
            count += length(memory->topics[t].partitions[p].waiting);
        }
    }
    return count;
}

void memory_log_let_go(struct weir_log *log)
{
    struct memory_log *memory = memory_of(log);
    memory->faults.is_held = false;
    wake(memory, &memory->held);
}
