#ifndef WEIR_TESTS_STATE_STAGE_H
#define WEIR_TESTS_STATE_STAGE_H

#include "base/env/sim/sim.h"
#include "runtime/state/key_schema.h"
#include "runtime/state/sim/backend_model.h"
#include "runtime/state/state.h"
#include "tests/support/support.h"

/**
 * A state, a changelog in memory for each of its stores, and a naive model of what the stores hold.
 *
 * The model is an array: key number to value. The changelog is the list of records that seals gave,
 * of which a commit makes a prefix durable. Whatever a crash leaves has to equal the fold of a prefix
 * of the changelog, and the restored store the fold of all that is durable.
 */
enum { STAGE_STORES = 4, STAGE_KEYS = 48, STAGE_VALUE_MAX = 64, STAGE_KEY_SIZE = 24 };

enum {                 /* the stage's stores */
       STAGE_CACHED,   /* RocksDB, cached, keeps old values, timestamped */
       STAGE_PLAIN,    /* RocksDB, neither */
       STAGE_MEMORY,   /* memory, cached, keeps old values, timestamped */
       STAGE_WINDOWED, /* RocksDB, timestamped, 10 minutes of windows of a minute */
};

struct stage_value {
    bool exists;
    size_t size;
    int64_t timestamp_ms;
    uint8_t bytes[STAGE_VALUE_MAX];
};

struct stage_record {
    size_t key;
    struct stage_value value; /* does not exist: tombstone */
};

struct stage_log {
    struct stage_record *records;
    size_t count;
    size_t capacity;
    size_t durable_count; /* a commit reached this far */
};

struct stage {
    const struct weir_backend_kind *backend;
    struct weir_env *env;
    struct weir_budget budget;
    struct weir_actor *actor; /* NULL: write-downs are done in place */
    char path[WEIR_TEST_PATH_SIZE];
    size_t cache_bytes_max;
    size_t write_down_bytes; /* 0: the default, which the stage never reaches; 1: at every commit */
    size_t rows_bytes_max;   /* 1: a database from the first write on, as at first */
    struct weir_state *state;
    bool was_wiped;
    struct stage_log logs[STAGE_STORES];
    struct stage_value current[STAGE_STORES][STAGE_KEYS];   /* as operators see it */
    struct stage_value forwarded[STAGE_STORES][STAGE_KEYS]; /* as last forwarded */
    size_t written_count;
    int written_rc;
    int64_t window_base; /* added to the start of each window */
    /* A call that fails for want of memory is made once more, and has to succeed then. */
    bool is_short_of_memory;
    size_t shortage_count;
};

extern const struct weir_store_spec *const stage_specs[STAGE_STORES];

/** Over `env`, in `path`; nothing is opened yet. */
void stage_init(struct stage *stage, const struct weir_backend_kind *backend, struct weir_env *env,
                const char *path);
void stage_close(struct stage *stage);
/** Open, and check that the backend equals the fold of the changelog up to its stored position. */
void stage_open(struct stage *stage);
/** Cleanly. It may fail for want of memory, once, and costs what was not flushed then. */
void stage_end(struct stage *stage);
/** Apply what is missing of the durable changelog; the model becomes that. */
void stage_restore(struct stage *stage);
struct weir_store *stage_store(struct stage *stage, size_t store);

/** The key with this number, into `to`. */
struct weir_slice stage_key(const struct stage *stage, size_t store, size_t number,
                            uint8_t to[STAGE_KEY_SIZE]);
struct stage_value stage_random_value(struct weir_test_random *random);

/** Each of these acts on the store and checks it against the model. */
void stage_batch(struct stage *stage, size_t store, struct weir_test_random *random);
void stage_set(struct stage *stage, size_t store, size_t key, struct stage_value value);
void stage_get(struct stage *stage, size_t store, struct weir_test_random *random);
void stage_scan(struct stage *stage, size_t store, size_t from, size_t to);
void stage_check_all(struct stage *stage); /* every key, by get and by scan */
void stage_forward(struct stage *stage, size_t store);
void stage_seal(struct stage *stage);
void stage_commit(struct stage *stage); /* all that was sealed is durable now */

#endif
