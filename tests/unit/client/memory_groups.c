/** Producer ids of the log in memory, and its groups, of which there is one. */
#include "tests/unit/client/memory_log_internal.h"

#include <string.h>

#include <check.h>

#include "base/error.h"
#include "base/uuid.h"

void memory_handle_init_producer(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_init_producer_request *request = (struct weir_init_producer_request *)asked;
    request->producer_id = 5000 + memory->producer_count++;
    request->producer_epoch = 0;
    memory_reply(memory, MEMORY_INIT_PRODUCER, asked,
                 memory_fault_of(memory, MEMORY_INIT_PRODUCER));
}

static struct memory_entry *find_entry(struct memory_log *memory, struct weir_topic_partition of)
{
    for (size_t i = 0; i < memory->entry_count; i++) {
        struct memory_entry *entry = &memory->entries[i];
        bool is_it =
            entry->partition == of.partition && weir_slice_equal(weir_text(entry->topic), of.topic);
        if (is_it) return entry;
    }
    return NULL;
}

static struct memory_entry *need_entry(struct memory_log *memory, struct weir_topic_partition of)
{
    struct memory_entry *entry = find_entry(memory, of);
    if (entry != NULL) return entry;
    ck_assert_uint_lt(memory->entry_count, MEMORY_ENTRIES_MAX);
    return &memory->entries[memory->entry_count++];
}

void memory_keep_pending(struct memory_log *memory, struct memory_transaction *transaction)
{
    for (size_t i = 0; i < transaction->pending_count; i++) {
        const struct memory_entry *pending = &transaction->pending[i];
        *need_entry(memory, (struct weir_topic_partition){weir_text(pending->topic),
                                                          pending->partition}) = *pending;
    }
    transaction->pending_count = 0;
}

/* Within a transaction, or at once. */
static void keep(struct memory_log *memory, struct memory_transaction *transaction,
                 const struct weir_commit_request *request, size_t i)
{
    const struct weir_offset_entry *committed = &request->entries[i];
    if (transaction != NULL) ck_assert_uint_lt(transaction->pending_count, MEMORY_ENTRIES_MAX);
    struct memory_entry *entry = transaction != NULL
                                     ? &transaction->pending[transaction->pending_count++]
                                     : need_entry(memory, committed->partition);
    struct memory_topic *topic = memory_find_topic(memory, committed->partition.topic);
    *entry = (struct memory_entry){.partition = committed->partition.partition,
                                   .offset = committed->is_tombstone ? -1 : committed->offset,
                                   .epoch = committed->leader_epoch};
    if (topic != NULL) entry->topic_id = topic->id;
    ck_assert_uint_lt(committed->metadata.size, sizeof entry->metadata);
    memcpy(entry->topic, committed->partition.topic.data, committed->partition.topic.size);
    if (committed->metadata.size > 0) {
        memcpy(entry->metadata, committed->metadata.data, committed->metadata.size);
    }
}

/* An entry that says of which topic it is is of no other one of its name. */
static int check_topic(struct memory_log *memory, const struct weir_offset_entry *committed)
{
    const struct memory_topic *topic = memory_find_topic(memory, committed->partition.topic);
    bool is_its = weir_uuid_is_zero(committed->topic_id) ||
                  (topic != NULL && weir_uuid_equal(committed->topic_id, topic->id));
    return is_its ? 0 : WEIR_UNKNOWN_TOPIC_OR_PARTITION;
}

void memory_handle_commit(struct memory_log *memory, struct weir_request *asked)
{
    const struct weir_commit_request *request = (const struct weir_commit_request *)asked;
    struct memory_transaction *transaction = NULL;
    int rc = memory_fault_of(memory, MEMORY_COMMIT);
    if (rc == 0) rc = memory_check_commit(memory, request);
    for (size_t i = 0; rc == 0 && i < request->entry_count; i++) {
        rc = check_topic(memory, &request->entries[i]);
    }
    if (rc == 0 && !weir_slice_is_null(request->transactional_id)) {
        transaction =
            memory_enter_transaction(memory, request->producer_id, request->producer_epoch, &rc);
    }
    for (size_t i = 0; rc == 0 && i < request->entry_count; i++) {
        keep(memory, transaction, request, i);
    }
    memory_reply(memory, MEMORY_COMMIT, asked, rc);
}

static void show(const struct memory_entry *entry, struct weir_offset_entry *shown)
{
    shown->partition = (struct weir_topic_partition){weir_text(entry->topic), entry->partition};
    shown->offset = entry->offset;
    shown->leader_epoch = entry->epoch;
    shown->metadata = weir_text(entry->metadata);
    shown->topic_id = entry->topic_id;
    shown->commit_time_ms = -1;
}

void memory_handle_committed(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_committed_request *request = (struct weir_committed_request *)asked;
    if (request->entries == NULL) {
        request->entries =
            weir_arena_array(request->arena, MEMORY_ENTRIES_MAX, sizeof *request->entries);
        ck_assert_ptr_nonnull(request->entries);
        for (size_t i = 0; i < memory->entry_count; i++) {
            if (memory->entries[i].offset < 0) continue;
            show(&memory->entries[i], &request->entries[request->entry_count++]);
        }
    } else {
        for (size_t i = 0; i < request->entry_count; i++) {
            const struct memory_entry *entry = find_entry(memory, request->entries[i].partition);
            request->entries[i].offset = -1;
            if (entry != NULL) show(entry, &request->entries[i]);
        }
    }
    memory_reply(memory, MEMORY_COMMITTED, asked, memory_fault_of(memory, MEMORY_COMMITTED));
}

int memory_claim_group(void *impl, struct weir_slice group, struct weir_group_claim *claim,
                       struct weir_error *error)
{
    struct memory_log *memory = impl;
    if (memory->is_claimed) return weir_error_set(error, WEIR_LOCKED, "there is a job");
    memory->is_claimed = true;
    claim->group = group;
    return 0;
}

void memory_release_group(void *impl, struct weir_group_claim *claim)
{
    if (claim->group.size > 0) ((struct memory_log *)impl)->is_claimed = false;
    *claim = (struct weir_group_claim){0};
}
