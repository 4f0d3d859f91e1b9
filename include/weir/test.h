#ifndef WEIR_TEST_H
#define WEIR_TEST_H

#include "weir/streams.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Test a topology: hand-fed records, a hand-cranked clock, no thread, no disk, no sleep.
 *
 * Inside runs the real engine, log, stream thread and commit, in the deterministic simulator: the
 * same seed gives the same run, several partitions are several partitions, and a crash is a crash.
 * Errors of the calls below end in the driver: the first one is kept, and weir_test_error shows it.
 *
 * Thread: one.
 */
struct weir_test;

struct weir_test_options {
    WEIR_SIZE(struct weir_test_options);
    uint64_t seed;           /* 0: 1 */
    int32_t partition_count; /* of input and output topics; 0: 1 */
    int64_t wall_ms;         /* Unix time at the start; 0: 2024-01-01 */
    /** The job's. NULL: its defaults; an application_id of NULL is "test" here, and commit_interval_ms
     * 0 is 100 of the test's clock. The struct is read by weir_test_new alone, its texts until
     * weir_test_free: each restart has them. */
    const struct weir_streams_options *streams;
};
/** `struct weir_test_options options = {WEIR_TEST_OPTIONS_INIT, .seed = 7};` */
#define WEIR_TEST_OPTIONS_INIT .size = sizeof(struct weir_test_options)

WEIR_API struct weir_test *weir_test_new(const struct weir_topology *topology,
                                         const struct weir_test_options *options,
                                         struct weir_error *error);
WEIR_API void weir_test_free(struct weir_test *test);
WEIR_API int weir_test_error(const struct weir_test *test, struct weir_error *error_out);

/** Produce one record (objects of the serdes; partition -1: by key) to a topic that the topology
 * names, and run the job until idle. */
WEIR_API int weir_test_pipe(struct weir_test *test, const char *topic, int32_t partition,
                            const struct weir_serde *key_serde, const void *key,
                            const struct weir_serde *value_serde, const void *value,
                            int64_t timestamp_ms);
/** The same as bytes. `run` false: only produce; weir_test_run later (records arrive together). */
WEIR_API int weir_test_pipe_bytes(struct weir_test *test, const char *topic, int32_t partition,
                                  const struct weir_record *record, bool run);
/** Run until nothing is left to do, without a commit being due. */
WEIR_API int weir_test_run(struct weir_test *test);
/** Commit now: caches forward, state is written. */
WEIR_API int weir_test_commit(struct weir_test *test);
/** Turn the wall clock, running timers and commits that fall due. */
WEIR_API int weir_test_advance_ms(struct weir_test *test, int64_t ms);

/**
 * The next unread record of an output topic: lowest partition first, in order of offset within it.
 * WEIR_END: none. Views last until the next call.
 */
WEIR_API int weir_test_read(struct weir_test *test, const char *topic,
                            struct weir_record *record_out, int32_t *partition_out);
/** Look a key up in a store (bytes; of the partition the key belongs to). WEIR_END: not there. */
WEIR_API int weir_test_store_get(struct weir_test *test, const char *store, struct weir_slice key,
                                 struct weir_slice *value_out);

/** The same of a versioned store, as of a time; INT64_MAX: its latest. `from_ms_out` may be NULL. */
WEIR_API int weir_test_store_get_as_of(struct weir_test *test, const char *store,
                                       struct weir_slice key, int64_t as_of_ms,
                                       struct weir_slice *value_out, int64_t *from_ms_out);

/** Close in order and open again; state, offsets and topics stay. */
WEIR_API int weir_test_restart(struct weir_test *test);
/** Kill the node (power loss: what was not synced may be lost) and open again. */
WEIR_API int weir_test_crash(struct weir_test *test, bool power_loss);

WEIR_API void weir_test_metrics(struct weir_test *test, struct weir_streams_metrics *metrics_out);

#ifdef __cplusplus
}
#endif

#endif
