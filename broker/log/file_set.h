#ifndef WEIR_BROKER_LOG_FILE_SET_H
#define WEIR_BROKER_LOG_FILE_SET_H

#include <stdatomic.h>

#include "base/env/env.h"

/**
 * The segments' files that are open, a bounded number of them, shared by all logs of a broker: so that
 * ten thousand partitions do with a thousand descriptors.
 *
 *            hold (opens)              release
 *   closed ──────────────> held ─────────────────> idle
 *      ^                     ^──────── hold ─────────┘ │
 *      └────────────── a place is needed ──────────────┘
 *
 * A file is opened when its owner first holds it, stays open when the last holder lets go, and is closed
 * when another needs its place. Which one goes is found by a hand that goes round over the open files
 * and passes by once whatever has been used since it came last ("clock", the usual approximation of
 * least recently used): no list is touched when a file is used, so that to hold one that is open costs
 * one atomic step and no lock.
 *
 * A file with writes that no sync has covered is not just closed. The system reports a failed write-back
 * once to each descriptor, and one that is opened later may hear nothing of it (fsync(2); Rebello et
 * al., ATC'20): it is synced first, and a failure of that is kept for the owner's next sync.
 *
 * Whoever answers with a stretch of a file keeps it until its reader has taken that, a file for each partition of
 * the answer: such files are lent, half of the bound at most, each to as many readers as want it. Of a file beyond
 * these what is asked for is read into memory.
 *
 * The bound gives way where all files are held, or where their syncs fail: better one more descriptor
 * than a log that stands still.
 */
struct weir_file_set {
    atomic_flag
        lock;     /* of the ring and the counts; held for a few steps, never over a system call */
    size_t count; /* open files, those that are just being opened included */
    size_t count_max;
    struct weir_kept_file *hand; /* a ring; NULL: empty */
    _Atomic int64_t closed;      /* ever, to make room */
    _Atomic size_t lent;         /* files that are lent */
};

void weir_file_set_init(struct weir_file_set *set, size_t count_max);
/** How many are open. Any thread. */
size_t weir_file_set_count(struct weir_file_set *set);

/**
 * A file that is opened when somebody needs it. One owner, who holds and writes; a hold may be given to
 * any thread, which may read and sync `file` and releases the hold. Counted by reference, since whoever
 * makes room may be in the middle of a sync of it when its owner lets it go.
 */
struct weir_kept_file {
    struct weir_file_set *set; /* NULL: no bound */
    struct weir_file *file;    /* while it is held */
    _Atomic int references;
    _Atomic int holds;    /* -1: closed */
    _Atomic size_t loans; /* of its holds, those that may last */
    _Atomic bool was_used;
    _Atomic uint64_t written;    /* writes that were begun … */
    _Atomic uint64_t synced;     /* … and how many of them a sync has covered */
    _Atomic bool has_failed;     /* a sync that made room has failed */
    bool is_fresh;               /* a hold has opened it: for its owner to look at, and to clear */
    struct weir_kept_file *next; /* in the ring; the set's lock guards both */
    struct weir_kept_file *previous;
};

/** Closed, one reference; NULL when memory is out. */
struct weir_kept_file *weir_kept_file_new(struct weir_budget *budget, struct weir_file_set *set);
/** The last one closes it and frees. NULL is fine. Any thread. */
void weir_kept_file_unref(struct weir_kept_file *kept);

/** Hold it if it is open, which costs nothing. The owner's thread. */
bool weir_kept_file_try_hold(struct weir_kept_file *kept);
/** Hold it, opened with `flags` if it is closed. What weir_file_open gives. The owner's thread. */
int weir_kept_file_hold(struct weir_kept_file *kept, struct weir_env *env, const char *path,
                        unsigned flags, struct weir_error *error);
/** One more hold of a file that the caller holds. Any thread. */
void weir_kept_file_hold_again(struct weir_kept_file *kept);
void weir_kept_file_release(struct weir_kept_file *kept);

/**
 * One more hold of a file that the caller holds, for somebody who may keep it for long, as a reader does that
 * takes its bytes slowly. False: half of the places are lent, and the rest is for who reads and writes. Any thread.
 */
bool weir_kept_file_lend(struct weir_kept_file *kept);
void weir_kept_file_take_back(struct weir_kept_file *kept);

/** Before each write to it, while it is held. The owner's thread. */
void weir_kept_file_note_write(struct weir_kept_file *kept);
/** Is there anything that a sync has to cover, or was one lost? Then it is open, but for a moment in
 * which somebody else syncs it. */
bool weir_kept_file_is_dirty(const struct weir_kept_file *kept);
/** What a sync that begins now covers, and the word that it has. */
uint64_t weir_kept_file_mark(const struct weir_kept_file *kept);
void weir_kept_file_note_sync(struct weir_kept_file *kept, uint64_t mark);
/** Sync it, if it is held and dirty. WEIR_IO also for a sync that failed while room was made. */
int weir_kept_file_sync(struct weir_kept_file *kept, struct weir_error *error);
/** Its owner has given the log up: nothing of it is waited for any more. */
void weir_kept_file_give_up(struct weir_kept_file *kept);

#endif
