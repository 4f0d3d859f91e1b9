#ifndef WEIR_TESTS_TRANSACTION_FIXTURE_H
#define WEIR_TESTS_TRANSACTION_FIXTURE_H

#include "tests/unit/broker/engine/engine_fixture.h"

/**
 * The transaction coordinator on an engine in the simulator. Markers go to a stand-in that writes down which were asked
 * for, and answers as it is told to: what becomes of them in partitions is the engine's tests to say.
 */
enum { MARKERS_MAX = 4096 };

struct marker {
    char topic[64];
    int32_t partition;
    int64_t producer_id;
    int16_t producer_epoch;
    bool is_commit;
    bool is_version_2;
};

struct transactions {
    struct engine engine;
    struct weir_heap heap; /* of what is given: it outlives a crash of the engine */
    struct weir_budget budget;
    struct weir_arena arena;
    struct marker markers[MARKERS_MAX]; /* that were asked for, since the world began */
    size_t marker_count;
    int marker_rc;             /* what each is answered with */
    const char *refused_topic; /* of `marker_rc`; NULL: all */
    bool holds_markers;        /* they are answered by transactions_let_go */
    struct weir_write_marker_request *held;
    bool has_real_markers; /* without the stand-in */
};

void transactions_open(struct transactions *world, uint64_t seed);
/** The options have been changed meanwhile. */
void transactions_open_with(struct transactions *world, uint64_t seed,
                            void (*change)(struct weir_broker_options *options));
/** Markers are written to their partitions: what a producer sends meets them there. */
void transactions_open_with_markers(struct transactions *world, uint64_t seed);
void transactions_end(struct transactions *world);
/** Open it again after a crash or a close. */
void transactions_reopen(struct transactions *world);
void transactions_let_go(struct transactions *world);
/** Let virtual time pass, and what is due happen. */
void transactions_pass(struct transactions *world, int64_t ms);

/** What one producer has. */
struct producer {
    const char *id;
    int64_t producer_id;
    int16_t producer_epoch;
    bool is_version_2;
};

/* Each asks, and waits for the answer. */
int producer_begin(struct transactions *world, struct producer *producer);
int producer_add(struct transactions *world, const struct producer *producer, const char *topic,
                 int32_t partition);
int producer_verify(struct transactions *world, const struct producer *producer, const char *topic,
                    int32_t partition);
int producer_add_offsets(struct transactions *world, const struct producer *producer,
                         const char *group);
int producer_end(struct transactions *world, struct producer *producer, bool is_commit);
/** The same, and asked again while the transaction before is being ended. */
int producer_end_patiently(struct transactions *world, struct producer *producer, bool is_commit);

/** Its state, or a negative code. */
int transaction_state(struct transactions *world, const char *id,
                      struct weir_transaction_info *info_out);
/** How many ids there are, or a negative code. */
int transaction_count(struct transactions *world);
/** Ask it until it is in this state; false: not within a minute of virtual time. */
bool transaction_becomes(struct transactions *world, const char *id,
                         enum weir_transaction_state state);

#endif
