#ifndef WEIR_RUNTIME_JOB_APPLICATION_H
#define WEIR_RUNTIME_JOB_APPLICATION_H

#include "base/arena.h"
#include "base/buffer.h"
#include "runtime/topology/plan.h"
#include "weir/error.h"
#include "weir/record.h"
#include "weir/types.h"
#include "wire/request/log_requests.h"

/**
 * What an application knows of itself: its internal topics, by id, and whether it has ever
 * committed.
 *
 * It is kept in a topic of the application's own, `<application.id>-application`: one partition,
 * compacted, plain records, so that it works on any Kafka cluster. A topic's name says nothing:
 * `app` with store `x-counts` and `app-x` with store `counts` mean one name, and a Kafka Streams
 * application of the same id leaves topics that look like ours. So what a start may cut, fill or
 * clear is what these records name. docs/format/application.md has the bytes.
 *
 * The life of an internal topic, each step durable before the next one is taken:
 *
 *   (none) ──> making ──topic created──> made ──first commit that covers it──> kept
 *                ^                                                              │
 *                └── topic deleted ── emptying <──an operator's choice──────────┘
 *
 * Up to `made` nothing has been written to it, so a kill at any step leaves an empty topic, which
 * the next start goes on with. `kept` without an entry in the commit is always an anomaly.
 */
enum weir_own_topic_phase {
    WEIR_OWN_TOPIC_NONE,
    WEIR_OWN_TOPIC_MAKING,   /* `id` is zero: it may have been created, or not yet */
    WEIR_OWN_TOPIC_MADE,     /* nothing written to it */
    WEIR_OWN_TOPIC_KEPT,     /* a commit covers it */
    WEIR_OWN_TOPIC_EMPTYING, /* to be deleted, with the `id` it had, and made anew */
};

enum weir_own_topic_role { WEIR_OWN_CHANGELOG = 1, WEIR_OWN_REPARTITION = 2 };

/** Of a record that does not say: one of an older version. */
enum { WEIR_OWN_WINDOW_UNKNOWN = -1 };

struct weir_own_topic {
    const char *name; /* in full */
    const char *of;   /* a changelog: its store; a repartition topic: its name in the topology */
    enum weir_own_topic_phase phase;
    enum weir_own_topic_role role;
    struct weir_uuid id;
    int32_t partition_count;
    /* What its records are, by the program that ran last. */
    struct weir_plan_formats formats; /* no text, NULL or empty: not known */
    int64_t window_size_ms;           /* of a changelog; 0: its keys are not windows */
};

/** An input when it was chosen to read it again from its beginning: by then the state was whole that is dropped
 * for it. What it loses from here on, and was counted then, is not counted again. */
struct weir_own_input_partition {
    int64_t from; /* where it began */
    int64_t end;  /* up to here the dropped state may have counted it */
    int32_t leader_epoch;
    int64_t
        lost_to; /* of what repairs had given up: the end of the last range, and how many there were */
    uint32_t lost_count;
};
struct weir_own_input {
    const char *name;
    struct weir_uuid id;
    struct weir_own_input_partition *partitions;
    int32_t partition_count;
};

/** A store without a changelog, from when it was emptied first (a start without a commit does): only its tasks can clear what is on the disk, so that
 * has the id of its `life`, and what is of another one is cleared when they open it. */
enum weir_own_store_phase {
    WEIR_OWN_STORE_KEPT = WEIR_OWN_TOPIC_KEPT,         /* a commit has come since */
    WEIR_OWN_STORE_EMPTYING = WEIR_OWN_TOPIC_EMPTYING, /* by a choice */
};

struct weir_own_store {
    const char *name;
    enum weir_own_store_phase phase;
    struct weir_uuid life;
};

struct weir_application {
    struct weir_arena *arena; /* what it holds lives there */
    bool has_committed;
    /* A choice was made, and a kill does not undo it: all state is dropped; what does not fit
     * starts empty. Until the first commit of the start that it was made for. */
    bool is_rebuilding;
    bool is_emptying;
    struct weir_own_topic *topics;
    size_t topic_count;
    size_t topic_capacity;
    /* Inputs that are being read again, until a start finds that they are. */
    struct weir_own_input *inputs;
    size_t input_count;
    size_t input_capacity;
    struct weir_own_store *stores;
    size_t store_count;
    size_t store_capacity;
};

/** `<application.id>-application`, in `arena`; NULL: no memory. */
const char *weir_application_topic_name(struct weir_arena *arena, const char *application_id);

/** The settings that every topic of an application has; `configs` has room for them, and `count` is moved on. */
enum { WEIR_OWN_TOPIC_CONFIGS = 5 };
void weir_own_topic_configs(struct weir_config_entry *configs, size_t *count);

/** What holds between the fields, after each record. */
void weir_application_check(const struct weir_application *application);
/** Fold one record in. WEIR_CORRUPT: none of ours, or damaged; WEIR_UNSUPPORTED_VERSION;
 * WEIR_NO_MEMORY. The application is as it was then. */
int weir_application_apply(struct weir_application *application, const struct weir_record *record,
                           struct weir_error *error);
/** Fold in what whole batches hold from `*position` on, which is moved behind them. Errors as above, and those of
 * reading a batch. */
int weir_application_apply_batches(struct weir_application *application, struct weir_slice bytes,
                                   int64_t *position, struct weir_error *error);
/** NULL: not known. */
struct weir_own_topic *weir_application_find(const struct weir_application *application,
                                             const char *name);
/** NULL: it is not being read again. */
const struct weir_own_input *weir_application_find_input(const struct weir_application *application,
                                                         const char *name);

/** NULL: it was never emptied. */
const struct weir_own_store *weir_application_find_store(const struct weir_application *application,
                                                         const char *name);

/** Key and value of one fact, appended; the buffers remember a failure. */
void weir_application_encode_topic(const struct weir_own_topic *topic, struct weir_buffer *key,
                                   struct weir_buffer *value);
void weir_application_encode_state(const struct weir_application *application,
                                   struct weir_buffer *key, struct weir_buffer *value);
void weir_application_encode_input(const struct weir_own_input *input, struct weir_buffer *key,
                                   struct weir_buffer *value);
void weir_application_encode_store(const struct weir_own_store *store, struct weir_buffer *key,
                                   struct weir_buffer *value);
/** The key of a fact that holds no longer; its value is null. */
void weir_application_forget_topic(const char *name, struct weir_buffer *key);
void weir_application_forget_input(const char *name, struct weir_buffer *key);

#endif
