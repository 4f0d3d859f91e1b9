#ifndef WEIR_BASE_ENV_SIM_DISK_H
#define WEIR_BASE_ENV_SIM_DISK_H

#include "base/env/sim/sim.h"

/**
 * The simulator's model of a disk under a page cache. It knows nothing of nodes, events or faults.
 *
 * Two images. What programs see is the *current* one; what a power loss leaves for certain is the
 * *durable* one. A file's bytes and size become durable by a sync of that file, an entry of a
 * directory by a sync of that directory (a synced file whose entry is not durable is gone with it:
 * stricter than ext4, as POSIX has it), everything by a sync of the file system. There is one, unless
 * others are mounted on directories: a sync of one of them says nothing of the others.
 *
 * A power loss decides anew about all that lies between the two images:
 *   bytes    each unsynced 512-byte sector is kept, lost, torn (a prefix is kept) or garbage. Only bytes
 *            that were being written are touched: a write never harms its neighbours in the sector
 *            ("powersafe overwrite"; without it no log could append behind an acknowledged record)
 *   sizes    the old one, the new one or one between; what was not written reads as zero
 *   entries  each change (create, remove, rename, mkdir) is kept or lost as a whole; those of one
 *            name stay in order
 * Each loss first draws a mood for bytes and one for entries: lose all, keep all, or mixed, so that
 * the extremes are common.
 *
 * A failed sync leaves the written bytes in the current image but takes them off the list of what is
 * still to be written: a later sync succeeds without them (Rebello et al., ATC'20). Dropping the cache
 * then shows the durable bytes.
 *
 * Memory is plain malloc, and running out of it aborts: this is a test's instrument, and must not
 * take from the heap that a test makes fail.
 */

enum { WEIR_DISK_SECTOR = 512, WEIR_DISK_NAME_MAX = 255 };

/** splitmix64; every part of the simulator has a generator of its own, seeded from the run's. */
struct weir_sim_random {
    uint64_t state;
};

uint64_t weir_sim_random_next(struct weir_sim_random *random);
/** Even over [0, bound); `bound > 0`. */
uint64_t weir_sim_random_below(struct weir_sim_random *random, uint64_t bound);

/** Memory for the simulator's own bookkeeping: zeroed, never NULL. */
void *weir_sim_calloc(size_t count, size_t size);
void *weir_sim_realloc(void *memory, size_t size);
char *weir_sim_text(const char *text, size_t size);

enum weir_disk_mood { WEIR_DISK_LOSE_ALL, WEIR_DISK_KEEP_ALL, WEIR_DISK_MIXED };

struct weir_inode;
struct weir_disk;

struct weir_disk_entry {
    char *name;
    struct weir_inode *inode;
};

/* Sorted by name. Each entry holds a reference. */
struct weir_disk_entries {
    struct weir_disk_entry *all;
    size_t count;
    size_t capacity;
};

struct weir_disk_range {
    int64_t begin;
    int64_t end;
};

/* Unsynced bytes that a later unsynced write covered: a power loss may bring them back. */
struct weir_disk_version {
    int64_t position;
    size_t size;
    uint8_t *bytes;
};

/**
 * A file or a directory.
 *
 * The durable bytes of a file are in `durable`; while that is NULL they are the first `durable_size`
 * bytes of `data`: the usual case of a file that only grows costs no second copy. Invariants:
 *   - durable == NULL: no dirty byte and no cut below `durable_size`
 *   - valid_size <= durable_size: behind it the durable bytes were cut off by a truncate
 *   - bytes between `size` and `capacity` are not defined; growing zeroes them
 */
struct weir_inode {
    struct weir_disk *disk;
    struct weir_inode *next; /* all of the disk, in order of creation */
    struct weir_inode *previous;
    enum weir_file_kind kind;
    unsigned references; /* entries of both images, changes, open files */
    uint64_t device;     /* its directory's, unless another file system was mounted on it */
    bool is_removed;     /* no entry of the current image names it any more */
    int64_t modified_ms;
    const void *lock_holder;

    uint8_t *data;
    int64_t size;
    int64_t capacity;
    uint8_t *durable;
    int64_t durable_size;
    int64_t valid_size;
    bool has_lost; /* a sync failed: clean bytes may differ from the durable ones */
    struct weir_disk_range *dirty;
    size_t dirty_count;
    size_t dirty_capacity;
    struct weir_disk_version *versions;
    size_t version_count;

    struct weir_disk_entries current; /* of a directory */
    struct weir_disk_entries settled; /* its durable entries */
};

/* ---- bytes of one file (inode.c) ------------------------------------------------------------- */

void weir_inode_write(struct weir_inode *inode, const void *bytes, size_t size, int64_t position);
void weir_inode_truncate(struct weir_inode *inode, int64_t size);
void weir_inode_sync(struct weir_inode *inode);
void weir_inode_fail_sync(struct weir_inode *inode);
void weir_inode_drop_cache(struct weir_inode *inode, int64_t position, int64_t size);
void weir_inode_lose_power(struct weir_inode *inode, enum weir_disk_mood mood,
                           struct weir_sim_random *random);
void weir_inode_flip(struct weir_inode *inode, int64_t position, int bit);
void weir_inode_close_bytes(struct weir_inode *inode);

/* ---- the tree (disk.c) ----------------------------------------------------------------------- */

struct weir_disk *weir_disk_new(uint64_t seed);
void weir_disk_free(struct weir_disk *disk);
/** Bytes of all files as they are now; `limit` is the user's affair. */
int64_t weir_disk_used(const struct weir_disk *disk);

struct weir_inode *weir_inode_ref(struct weir_inode *inode);
void weir_inode_unref(struct weir_inode *inode); /* NULL is fine */

/** NULL if there is none. */
struct weir_inode *weir_disk_find(struct weir_disk *disk, const char *path);
/** Codes: WEIR_NOT_FOUND (a directory on the way), WEIR_EXISTS, WEIR_INVALID_ARGUMENT (the name). */
int weir_disk_create(struct weir_disk *disk, const char *path, enum weir_file_kind kind,
                     struct weir_inode **inode_out);
int weir_disk_rename(struct weir_disk *disk, const char *from, const char *to);
int weir_disk_remove(struct weir_disk *disk, const char *path);
void weir_disk_sync_directory(struct weir_disk *disk, struct weir_inode *directory);
/** The changes of this directory will never be durable. */
void weir_disk_fail_sync_directory(struct weir_disk *disk, struct weir_inode *directory);
void weir_disk_sync_all(struct weir_disk *disk);
/** One of its file systems. */
void weir_disk_sync_device(struct weir_disk *disk, uint64_t device);
void weir_disk_fail_sync_device(struct weir_disk *disk, uint64_t device);
/** `directory`, empty as yet, and what will be below it, become a file system of their own. */
void weir_disk_mount(struct weir_disk *disk, struct weir_inode *directory);

/** No file may be open. Afterwards what is left is durable. */
void weir_disk_lose_power(struct weir_disk *disk);
/** Files and directories below `inode` with names, sizes and bytes. */
uint64_t weir_disk_hash(const struct weir_inode *inode);
/** A disk of its own with the current files and directories, all durable. */
struct weir_disk *weir_disk_copy(const struct weir_disk *disk, uint64_t seed);

#endif
