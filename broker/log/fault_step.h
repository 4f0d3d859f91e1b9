#ifndef WEIR_BROKER_LOG_FAULT_STEP_H
#define WEIR_BROKER_LOG_FAULT_STEP_H

#include <stdbool.h>
#include <stdint.h>

/**
 * What is wrong with a partition's log, and what comes of it: the pure part. It does no I/O and
 * reads no clock: an event goes in, and the update says what is to be done. partition_log.c does
 * it.
 *
 *   sound ──damage is found──> damaged ──a write or a sync fails──┐
 *     │                                                           v
 *     └──a write or a sync fails──> failed ──damage is found──> failed and damaged
 *
 * Nothing leads back: what is wrong stays so until the log is opened again, which begins anew from
 * what the disk says then. Damaged, nothing is served from `offline_from` on, and that only goes
 * down. Failed, nothing is written any more, and what is served ends where it is durable. A
 * shortage (room, memory, descriptors) is neither: it passes, and the log stays as it is.
 *
 * Damage is written down (damage_file.h), for the next boot could take it for a torn tail. While
 * that could not be done it is owed, and tried again with the end of a sync, a turn of retention
 * and the close.
 */
enum weir_fault {
    WEIR_FAULT_NONE,
    WEIR_FAULT_DAMAGED,
    WEIR_FAULT_FAILED,
    WEIR_FAULT_FAILED_DAMAGED,
};

/** WEIR_FAULT_STATE_NONE: as it is made. */
struct weir_fault_state {
    enum weir_fault fault;
    bool is_owed;         /* the damage file does not say what is known */
    int64_t offline_from; /* damage: offsets from here on are not served; -1: none */
    int64_t damage_end;   /* the highest end that the damage file has said; -1: none */
};
#define WEIR_FAULT_STATE_NONE ((struct weir_fault_state){.offline_from = -1, .damage_end = -1})

enum weir_fault_event_type {
    WEIR_FAULT_FAILS,      /* a write, a sync, an open of a file: `rc` */
    WEIR_FAULT_UNREADABLE, /* from `offset` on, and may be readable after the next open */
    WEIR_FAULT_DAMAGES,    /* from `offset` on there are other bytes; the log ends at `end` */
    WEIR_FAULT_KNOWN,      /* the damage file says so: from `offset` on, and to `end` */
    WEIR_FAULT_NOTE,       /* the damage file is to say so, whatever is known */
    WEIR_FAULT_NOTED,      /* it does, or `rc` */
    WEIR_FAULT_SETTLE,     /* what is owed may be tried again; the log ends at `end` */
};

struct weir_fault_event {
    enum weir_fault_event_type type;
    int rc;
    int64_t offset;
    int64_t end; /* -1: not known */
};

/** What is to be done, from top to bottom. */
struct weir_fault_update {
    bool says_failure; /* the failure is the log's reason */
    bool says_damage;  /* the damage, from `offline_from` on, is the log's reason */
    bool forgets_boot; /* what is above the mark is no longer this boot's alone */
    bool gives_up;     /* the active segment's file: no sync of it says anything any more */
    bool writes;       /* the damage file, for WEIR_FAULT_NOTED: from `from` on, and to `end` */
    int64_t from;
    int64_t end;
};

/**
 * Take an event.
 *
 * Errors:  none of its own; a move that the drawing does not have ends the program.
 * Owns:    `update` is written whole.
 * Thread:  the log's owner, or the worker that opens or closes it.
 */
void weir_fault_step(struct weir_fault_state *state, const struct weir_fault_event *event,
                     struct weir_fault_update *update);
/** "none", "damaged", … */
const char *weir_fault_name(enum weir_fault fault);
/** The invariants between the fields. */
void weir_fault_check(const struct weir_fault_state *state);

/** Nothing is appended, and not all is served. */
static inline bool weir_fault_is_offline(const struct weir_fault_state *state)
{
    return state->fault != WEIR_FAULT_NONE;
}
/** Nothing is written any more. */
static inline bool weir_fault_has_failed(const struct weir_fault_state *state)
{
    return state->fault == WEIR_FAULT_FAILED || state->fault == WEIR_FAULT_FAILED_DAMAGED;
}

#endif
