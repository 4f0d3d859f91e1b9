#ifndef WEIR_TESTS_CONSUMER_STAGE_H
#define WEIR_TESTS_CONSUMER_STAGE_H

#include "broker/coordinator/group/consumer_group.h"
#include "broker/metadata/metadata_image.h"
#include "tests/support/support.h"

/**
 * A consumer group with the shell that it needs: topics, a clock, and the records that it has written, from
 * which it can be made again. Each step is followed by the group's own invariants.
 */
enum { STAGE_PARTITIONS_MAX = 64, STAGE_TOPICS_MAX = 16 };

struct stage_record {
    struct weir_buffer key;
    struct weir_buffer value;
    bool is_tombstone;
};

struct stage {
    struct weir_heap heap; /* the group's and its updates' */
    struct weir_budget budget;
    struct weir_heap own_heap; /* the stage's: it never runs out */
    struct weir_budget own_budget;
    struct weir_metadata_machine topics;
    uint64_t topics_version;
    uint64_t next_id;
    struct weir_consumer_group group;
    struct weir_group_settings settings;
    struct weir_arena update_arena;
    struct weir_group_update update;
    struct weir_arena arena; /* of the request at hand */
    int64_t now_ms;
    struct stage_record *records; /* all that were written, in order */
    size_t record_count;
    size_t record_capacity;
    /* the last heartbeat */
    struct weir_consumer_heartbeat_request request;
    bool was_durable; /* it was answered behind its records */
    size_t written;   /* records of the last step */
};

void stage_open(struct stage *stage);
void stage_close(struct stage *stage);

/* ---- topics: each change is a new version of the metadata ---- */

struct weir_uuid stage_topic(struct stage *stage, const char *name, int partitions);
void stage_grow(struct stage *stage, const char *name, int partitions);
void stage_remove_topic(struct stage *stage, const char *name);
const struct weir_topic_image *stage_find_topic(const struct stage *stage, const char *name);

/* ---- heartbeats ---- */

/** What a member says; NULL and 0 where it says nothing. */
struct says {
    const char *member;
    const char *instance;
    int epoch;
    const char *topics; /* names with blanks between; "" for none */
    const char *regex;
    const char *assignor;
    const char *rack;
    int timeout_ms;    /* 0: not said */
    const char *owned; /* "orders:0,1 clicks:2"; "" for none */
};

/** Returns the answer's code; the rest of it is in `stage->request`. */
int stage_says(struct stage *stage, struct says says);
/** One with all fields that a join needs: the topics, 60 s, nothing owned. */
int stage_join(struct stage *stage, const char *member, const char *topics);
/** "orders:0,1 clicks:2": what the last answer assigns, topics in order of name; "same" if it does not. */
const char *stage_assigned(const struct stage *stage, char *text, size_t size);
/** As many of the last answer; -1: not given. */
int stage_assigned_count(const struct stage *stage);
/** The request as it stands in `stage->request`, which the caller has filled. */
int stage_ask(struct stage *stage);

int stage_tick(struct stage *stage);
int stage_metadata(struct stage *stage);
/** The event with the stage's times, settings, topics and an id of its own; the update is a new one. */
struct weir_consumer_event stage_event(struct stage *stage, struct weir_consumer_event event);
/** A step of any kind; keeps what it writes, unless it fails. */
int stage_step(struct stage *stage, struct weir_consumer_event event);
/** Keep the records of the update. */
void stage_keep(struct stage *stage);

/* ---- the same group again ---- */

/** Another group of all records in the order in which they were written, or (`random` not NULL) of the last of each
 * key in any order, must be this one. */
void stage_check_reload(struct stage *stage, struct weir_test_random *random);
/** A group of all records, in order. Returns what apply or loaded did; the group is to be closed. */
int stage_load(struct stage *stage, struct weir_consumer_group *group, struct weir_error *error);
/** Nothing was ever written, and the group is a new one. */
void stage_forget(struct stage *stage);
/** Keep the last record of each key, and no tombstones, as a compacted log does. */
void stage_compact(struct stage *stage);
/** Make it again of its records and go on with that. */
void stage_reload(struct stage *stage);

#endif
