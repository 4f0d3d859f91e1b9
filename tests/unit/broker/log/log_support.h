#ifndef WEIR_TESTS_LOG_SUPPORT_H
#define WEIR_TESTS_LOG_SUPPORT_H

#include "base/env/sim/sim.h"
#include "broker/log/partition_log.h"
#include "broker/log/verify.h"
#include "tests/support/support.h"

/**
 * A log on the simulated disk beside a model of what it must hold: every batch that was appended,
 * as bytes. Whatever happens to the log, the model says what is right.
 */
enum { TEST_BATCHES_MAX = 4096 };

struct test_batch {
    int64_t base_offset;
    int64_t end_offset;
    uint8_t *bytes; /* as stored */
    size_t size;
};

struct test_log {
    struct weir_sim *sim; /* NULL on the real disk */
    struct weir_env *env;
    struct weir_partition_log_options options;
    struct weir_partition_log *log;
    struct weir_log_recovery recovery;
    struct weir_error error;
    struct test_batch batches[TEST_BATCHES_MAX];
    size_t batch_count;
    int64_t acked_offset; /* below it everything has been synced */
};

/** What to append; zeros give one record of 20 bytes without a producer. */
struct test_append {
    int record_count;
    int value_size;
    bool has_producer;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t sequence;
    int64_t timestamp_ms; /* 0: now */
    int64_t now_ms;       /* 0: the environment's */
    bool is_transactional;
    bool is_marker; /* of the producer: nothing else is in it */
    bool is_commit;
    bool is_internal; /* the log's own */
};

/** A simulated world of one node; nothing is opened yet. Options are small: segments of 4 KiB, an
 * index entry every 256 bytes, a mark every 2 KiB, a tail cache that holds next to nothing. */
void test_log_start(struct test_log *test, uint64_t seed);
void test_log_stop(struct test_log *test);
int test_log_open(struct test_log *test);
int test_log_close(struct test_log *test);
/** The node ends, the log with it, and comes back; nothing is opened. */
void test_log_crash(struct test_log *test, enum weir_sim_crash_kind kind);
int test_log_append(struct test_log *test, const struct test_append *append,
                    struct weir_append_result *result_out);
/** Append `count` plain batches, which must work. */
void test_log_fill(struct test_log *test, int count);
int test_log_sync(struct test_log *test);
/** The batch of the model that holds `offset`, or, where that lies in a hole, the next; NULL: none. */
const struct test_batch *test_log_batch_at(const struct test_log *test, int64_t offset);
/** A read in place: begin, run, end. */
int test_log_read(struct test_log *test, struct weir_log_read *read);
/** Everything from `from` (a batch's border) to the end or an error, in reads of `size_max`. Checks
 * each batch against the model. Returns where it ended. */
int64_t test_log_expect_from(struct test_log *test, int64_t from, size_t size_max);
/** From the start to the end by the model, with no more holes than that has. */
void test_log_expect_all(struct test_log *test);
/** What the batches of the model say of transactions, each by itself, is what the log says: where the first open one
 * begins, and which were aborted. */
void test_log_expect_transactions(struct test_log *test);
/** Forget of the model what lies at or above `offset`. */
void test_log_forget(struct test_log *test, int64_t offset);
/** Paths in the log's folder. */
const char *test_log_path(struct test_log *test, const char *name);
int64_t test_log_file_size(struct test_log *test, const char *name);
void test_log_write_file(struct test_log *test, const char *name, const void *bytes, size_t size);
bool test_log_exists(struct test_log *test, const char *name);
/** Remove the durable mark and its copy: nothing but the segments says what the log is. */
void test_log_lose_marks(struct test_log *test);
/** Each file of the folder, by name. */
void test_log_each_file(struct test_log *test,
                        void (*each)(struct test_log *test, const char *name));
/** Verify finds no damage and no torn tail. */
void test_log_expect_verified(struct test_log *test);

#endif
