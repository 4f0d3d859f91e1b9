#ifndef WEIR_RUNTIME_STATE_BACKEND_H
#define WEIR_RUNTIME_STATE_BACKEND_H

#include "base/env/env.h"
#include "weir/types.h"

/**
 * What lies below the tables: an ordered map from bytes to bytes that survives the process, as
 * RocksDB does with its write-ahead log off. A crash keeps a prefix of the write batches, never part
 * of one, and at least those before the last flush that was waited for.
 *
 * Two kinds: RocksDB (backend_rocksdb.c), and its model for a simulated node (sim/backend_model.h).
 * Whoever opens a state says which; nobody below looks what environment it is in.
 *
 * Threads: one thread reads (get_many, iterators), another may write meanwhile (write, expire, flush).
 */
struct weir_backend_write {
    struct weir_slice key;
    struct weir_slice value; /* null: delete */
};

/** What get_many found under key `index`; `value` lives during the call. */
typedef int (*weir_backend_found_fn)(void *context, size_t index, struct weir_slice value);

/** A place in the map, over what was there when it was opened. `key` and `value` live until it moves. The
 * others are the backend's own. */
struct weir_backend_iterator {
    void *impl;
    void *place;
    void *over;   /* the backend that stands over the one which opened it; NULL: none */
    size_t index; /* of the row in what can be counted through */
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
    /** All of it or nothing, now and after a crash. WEIR_NO_MEMORY: nothing, and it may be tried again. */
    int (*write)(void *impl, const struct weir_backend_write *writes, size_t count,
                 struct weir_error *error);
    /** Keys that begin with `prefix` and a segment below `segment` are garbage from now on: they may
     * go at once, later, or not before the map is next tidied. Nobody reads them again. Segment 0
     * takes that back: none is garbage, and what is written from now on stays. */
    int (*expire)(void *impl, uint16_t prefix, uint64_t segment, struct weir_error *error);
    /** What was written so far will soon be, or with `wait` is, safe from a crash. */
    int (*flush)(void *impl, bool wait, struct weir_error *error);
    int64_t (*size)(void *impl); /* bytes on disk, about */
    /** Bytes in memory, about, but for what is in a cache that it shares. NULL: none to speak of. */
    int64_t (*memory)(void *impl);
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

/** What backends of a kind keep of what they have read, together: a kind's own. */
struct weir_backend_cache;

struct weir_backend_options {
    struct weir_env *env;
    struct weir_budget *budget;
    const char *path;          /* its own folder; made by the backend */
    size_t write_buffer_bytes; /* of each of its two write buffers */
    size_t block_cache_bytes;
    struct weir_backend_cache
        *cache;         /* in place of one of its own; of its kind, and outlives it; NULL: none */
    size_t store_count; /* how many prefixes may ever be given to `expire` */
};

/**
 * A kind of backend: where a pair of the above comes from. `static const`, for every state of a job.
 *
 * Thread: one that may block on a disk.
 */
struct weir_backend_kind {
    const char *name; /* "rocksdb", "model" */
    /** Open what is at `options->path`, or make it. Errors: WEIR_CORRUPT or WEIR_IO: what is there
     * cannot be read; wipe and open again. WEIR_NO_MEMORY and WEIR_LIMIT say nothing about it. Borrows
     * `options`; the environment and the budget outlive what is opened, which `close` frees. */
    int (*open)(const struct weir_backend_options *options, struct weir_backend *backend_out,
                struct weir_error *error);
    /** Whether there is something at `path` that `open` would open, rather than make: 1 or 0. NULL: if there
     * is a folder, or anything else, of that name. */
    int (*exists)(struct weir_env *env, const char *path, struct weir_error *error);
    /** Remove what a closed one has kept at `path`; fine if there is nothing. NULL: all of it is in the
     * folder of that name, which is removed with its files. */
    int (*wipe)(struct weir_env *env, const char *path, struct weir_error *error);
    /** A cache of so many bytes, for all that are opened with it. NULL, as the next two: the kind has none.
     * WEIR_NO_MEMORY. */
    int (*cache_new)(struct weir_env *env, size_t bytes, struct weir_backend_cache **cache_out,
                     struct weir_error *error);
    void (*cache_free)(struct weir_backend_cache *cache); /* those opened with it are closed */
    size_t (*cache_used)(const struct weir_backend_cache *cache); /* any thread */
};

/** On the system's own files: the environment has to be the real one. */
extern const struct weir_backend_kind weir_backend_rocksdb;

#endif
