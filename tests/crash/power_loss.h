#ifndef WEIR_TESTS_CRASH_POWER_LOSS_H
#define WEIR_TESTS_CRASH_POWER_LOSS_H

#include <stdint.h>

/**
 * Power loss for a real program. A SIGKILL leaves what was written in the page cache; a power cut
 * does not. The shim (power_loss_shim.c, under the program by LD_PRELOAD) notes how to undo each
 * change of a file or a directory below one root, and which changes a sync has made durable. After
 * the kill power_loss_apply takes back, by a seed, what was not.
 *
 * The store is a folder on the same file system, outside the root:
 *   STORE/journal   struct power_loss_record, each with its payload, in the order things happened
 *   STORE/N         a hard link to a file that was removed or replaced: it can come back
 *
 * The shim's environment: WEIR_POWER_ROOT and WEIR_POWER_STORE (absolute paths; without them it
 * does nothing), WEIR_SHIM_LIE=1: syncs succeed and make nothing durable, a bug that must be found.
 */
#define POWER_LOSS_JOURNAL "journal"

enum power_loss_kind {
    POWER_LOSS_WRITE = 1, /* payload: the old bytes, as far as there were any */
    POWER_LOSS_TRUNCATE,  /* payload: the bytes that were cut off */
    POWER_LOSS_CREATE,    /* of a file or a folder; payload: its path */
    POWER_LOSS_REMOVE,    /* payload: the path */
    POWER_LOSS_RENAME,    /* payload: both paths, each with its NUL */
    POWER_LOSS_SYNC,      /* what came before record number `offset` is durable */
};

struct power_loss_record {
    uint32_t kind;
    uint32_t payload_size;
    uint64_t inode;  /* the file, or the directory of the entry; SYNC: 0 is everything */
    uint64_t target; /* RENAME: the other directory */
    uint64_t kept;   /* REMOVE, RENAME: the hard link of what went; 0: a folder, or nothing */
    int64_t offset;
    int64_t length;
    int64_t old_size;
};

/** What was taken back, of what could have been. */
struct power_loss_report {
    int64_t writes;
    int64_t writes_undone; /* in part or in full */
    int64_t entries;
    int64_t entries_undone;
};

/**
 * After the program's death. Per file, by `seed`: all that was not synced is lost, kept, or cut at
 * one byte, or sectors of 512 bytes are each kept, lost or torn; per directory the last so many
 * changes of its entries are undone. Seed 0: all of it is lost. Then the store is emptied.
 * Same journal and seed, same outcome. Returns 0, or -1 with the reason on stderr.
 */
int power_loss_apply(const char *root, const char *store, uint64_t seed,
                     struct power_loss_report *report_out);

#endif
