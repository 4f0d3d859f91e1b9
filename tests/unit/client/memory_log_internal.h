#ifndef WEIR_TESTS_UNIT_CLIENT_MEMORY_LOG_INTERNAL_H
#define WEIR_TESTS_UNIT_CLIENT_MEMORY_LOG_INTERNAL_H

#include "tests/unit/client/memory_log.h"

/* What the files of the log in memory share. A handler takes up a request on the log's actor, and answers it
 * or puts it in line. */

enum {
    MEMORY_TOPICS_MAX = 16,
    MEMORY_PARTITIONS_MAX = 64,
    MEMORY_ENTRIES_MAX = 64,
    MEMORY_EPOCHS_MAX = 16,
    MEMORY_MEMBERS_MAX = 4,
    MEMORY_NAMES_MAX = 4,
    MEMORY_HEARTBEAT_MS = 1000,
};

struct memory_stored {
    struct memory_stored *next;
    struct weir_log_part part;
    int64_t next_offset;
};

struct memory_partition {
    struct memory_stored *first;
    struct memory_stored **last; /* where the next one goes */
    int64_t start;
    int64_t end;
    int32_t epoch;
    int64_t epoch_starts[MEMORY_EPOCHS_MAX];
    struct weir_fetch_request *waiting;
};

struct memory_topic {
    char name[250];
    struct weir_uuid id; /* zero: the slot is free */
    int32_t partition_count;
    struct weir_topic_config config;
    struct memory_partition partitions[MEMORY_PARTITIONS_MAX];
};

struct memory_entry {
    char topic[250];
    char metadata[512];
    int32_t partition;
    int64_t offset;
    int32_t epoch;
    struct weir_uuid topic_id;
};

struct memory_member {
    char id[64];
    int32_t epoch; /* 0: the slot is free */
    char names[MEMORY_NAMES_MAX][250];
    size_t name_count;
    bool has_pattern; /* which matches all topics */
    bool was_sent;
    bool wanted[MEMORY_TOPICS_MAX][MEMORY_PARTITIONS_MAX];  /* by the assignment */
    bool granted[MEMORY_TOPICS_MAX][MEMORY_PARTITIONS_MAX]; /* it has it, or may have it */
    bool sent[MEMORY_TOPICS_MAX][MEMORY_PARTITIONS_MAX];    /* in the last answer */
};

enum { MEMORY_PRODUCER_ID = 7000, MEMORY_TRANSACTIONS_MAX = 4 };

/* Of one transactional id. Its producer is MEMORY_PRODUCER_ID and its place among them. */
struct memory_transaction {
    char id[64]; /* empty: of none yet */
    bool is_open;
    int16_t epoch;                                   /* of its newest producer */
    struct memory_entry pending[MEMORY_ENTRIES_MAX]; /* offsets */
    size_t pending_count;
};

struct memory_log {
    struct weir_env *env;
    struct weir_actor *actor;
    struct memory_topic topics[MEMORY_TOPICS_MAX];
    int made; /* topics ever: of their ids */
    struct memory_entry entries[MEMORY_ENTRIES_MAX];
    size_t entry_count;
    struct memory_member members[MEMORY_MEMBERS_MAX];
    int32_t group_epoch;
    int32_t left_epoch; /* of the last that left */
    bool is_claimed;
    int64_t producer_count;
    struct memory_transaction transactions[MEMORY_TRANSACTIONS_MAX];
    int ended[2]; /* transactions: aborted, committed */
    struct weir_topic_defaults defaults;
    struct memory_log_faults faults;
    int answered[MEMORY_KINDS];
    struct weir_fetch_request *held;
};

/* ---- memory_topics.c ------------------------------------------------------------------------- */

void memory_reply(struct memory_log *memory, enum memory_kind kind, struct weir_request *request,
                  int rc);
/** What a test wants instead of the answer; 0: nothing. */
int memory_fault_of(struct memory_log *memory, enum memory_kind kind);
struct memory_topic *memory_find_topic(struct memory_log *memory, struct weir_slice name);
int memory_find_partition(struct memory_log *memory, const struct weir_request *request,
                          struct weir_topic_partition of, struct memory_partition **partition_out);
/** Let go of the oldest batch. */
void memory_drop_first(struct memory_partition *partition);
void memory_clear_topic(struct memory_topic *topic);
void memory_handle_topic(struct memory_log *memory, struct weir_request *asked);
void memory_handle_list_topics(struct memory_log *memory, struct weir_request *asked);

/* ---- memory_records.c ------------------------------------------------------------------------ */

/** Take up what is in line. */
void memory_wake(struct memory_log *memory, struct weir_fetch_request **line);
void memory_cancel_fetch(void *impl, struct weir_fetch_request *fetch);
void memory_handle_fetch(struct memory_log *memory, struct weir_request *asked);
void memory_handle_produce(struct memory_log *memory, struct weir_request *asked);
void memory_handle_list_offsets(struct memory_log *memory, struct weir_request *asked);
void memory_handle_epoch_end(struct memory_log *memory, struct weir_request *asked);
void memory_handle_describe(struct memory_log *memory, struct weir_request *asked);
void memory_handle_cut(struct memory_log *memory, struct weir_request *asked);
void memory_handle_report_damage(struct memory_log *memory, struct weir_request *asked);

/* ---- memory_members.c ------------------------------------------------------------------------ */

void memory_handle_consumer_heartbeat(struct memory_log *memory, struct weir_request *asked);
void memory_handle_list_groups(struct memory_log *memory, struct weir_request *asked);
void memory_handle_describe_group(struct memory_log *memory, struct weir_request *asked);
void memory_handle_delete_group(struct memory_log *memory, struct weir_request *asked);
void memory_handle_delete_offsets(struct memory_log *memory, struct weir_request *asked);
/** May this commit be: 0, or why not. */
int memory_check_commit(struct memory_log *memory, const struct weir_commit_request *request);

/* ---- memory_transactions.c ------------------------------------------------------------------- */

void memory_handle_init_transactions(struct memory_log *memory, struct weir_request *asked);
void memory_handle_add_partitions(struct memory_log *memory, struct weir_request *asked);
void memory_handle_end_transaction(struct memory_log *memory, struct weir_request *asked);
void memory_handle_describe_transaction(struct memory_log *memory, struct weir_request *asked);
void memory_handle_list_transactions(struct memory_log *memory, struct weir_request *asked);
void memory_handle_describe_producers(struct memory_log *memory, struct weir_request *asked);
void memory_handle_write_marker(struct memory_log *memory, struct weir_request *asked);
/** The transaction that a producer with this id and epoch may write in, which is open from then on; NULL: none, and `rc_out`
 * says why. */
struct memory_transaction *memory_enter_transaction(struct memory_log *memory, int64_t producer_id,
                                                    int16_t epoch, int *rc_out);

/* ---- memory_groups.c ------------------------------------------------------------------------- */

void memory_handle_init_producer(struct memory_log *memory, struct weir_request *asked);
void memory_handle_commit(struct memory_log *memory, struct weir_request *asked);
void memory_handle_committed(struct memory_log *memory, struct weir_request *asked);
/** What was pending counts from now on. */
void memory_keep_pending(struct memory_log *memory, struct memory_transaction *transaction);
int memory_claim_group(void *impl, struct weir_slice group, struct weir_group_claim *claim,
                       struct weir_error *error);
void memory_release_group(void *impl, struct weir_group_claim *claim);

#endif
