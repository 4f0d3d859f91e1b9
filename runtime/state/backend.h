#ifndef WEIR_RUNTIME_STATE_BACKEND_H
#define WEIR_RUNTIME_STATE_BACKEND_H

#include "base/env/env.h"
#include "weir/types.h"

/**
 * What lies below the tables: an ordered map from bytes to bytes that survives the process, as
 * RocksDB does with its write-ahead log off. A crash keeps a prefix of the write batches, never part
 * of one, and at least those before the last flush that was waited for.
 *
 * Two implementations: backend_rocksdb.c and, in the simulator, backend_sim.c. Both are opened from a
 * path; everything else goes through the pair below.
 *
 * Threads: one thread reads (get_many, iterators), another may write meanwhile (write, expire, flush).
 */
struct weir_backend_write {
    struct weir_slice key;
    struct weir_slice value; /* null: delete */
};

/** What get_many found under key `index`; `value` lives during the call. */
typedef int (*weir_backend_found_fn)(void *context, size_t index, struct weir_slice value);

/** A place in the map, over what was there when it was opened. `key` and `value` live until it moves. */
struct weir_backend_iterator {
    void *impl;
    void *place;
    struct weir_slice key;
    struct weir_slice value;
};

struct weir_backend_ops {
    const char *name;
    /** Clean: what was written is kept. Frees in any case. */
    int (*close)(void *impl, bool is_clean, struct weir_error *error);
    /** Calls `found` for each key that is there. No key twice. */
    int (*get_many)(void *impl, const struct weir_slice *keys, size_t count,
                    weir_backend_found_fn found, void *context, struct weir_error *error);
    /** All of it or nothing, now and after a crash. */
    int (*write)(void *impl, const struct weir_backend_write *writes, size_t count,
                 struct weir_error *error);
    /** Keys that begin with `prefix` and a segment below `segment` are garbage from now on: they may
     * go at once, later, or not before the map is next tidied. Nobody reads them again. Segment 0
     * takes that back: none is garbage, and what is written from now on stays. */
    int (*expire)(void *impl, uint16_t prefix, uint64_t segment, struct weir_error *error);
    /** What was written so far will soon be, or with `wait` is, safe from a crash. */
    int (*flush)(void *impl, bool wait, struct weir_error *error);
    int64_t (*size)(void *impl); /* bytes on disk, about */
    int (*iterator_open)(void *impl, struct weir_backend_iterator *iterator_out,
                         struct weir_error *error);
    /** To the first key at or after `from`; WEIR_END if there is none. */
    int (*iterator_seek)(struct weir_backend_iterator *iterator, struct weir_slice from,
                         struct weir_error *error);
    int (*iterator_next)(struct weir_backend_iterator *iterator, struct weir_error *error);
    void (*iterator_close)(struct weir_backend_iterator *iterator);
};

struct weir_backend {
    const struct weir_backend_ops *ops; /* NULL: none */
    void *impl;
};

struct weir_backend_options {
    struct weir_env *env;
    struct weir_budget *budget;
    const char *path;          /* its own folder; made by the backend */
    size_t write_buffer_bytes; /* of each of its two write buffers */
    size_t block_cache_bytes;
    size_t store_count; /* how many prefixes may ever be given to `expire` */
};

/** WEIR_CORRUPT or WEIR_IO: what is there cannot be read; wipe and open again. */
int weir_backend_rocksdb_open(const struct weir_backend_options *options,
                              struct weir_backend *backend_out, struct weir_error *error);
/** The model, over an attachment of the node's disk. */
int weir_backend_sim_open(const struct weir_backend_options *options,
                          struct weir_backend *backend_out, struct weir_error *error);
void weir_backend_sim_wipe(struct weir_env *env, const char *path);

#endif
