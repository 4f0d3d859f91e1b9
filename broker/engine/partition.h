#ifndef WEIR_BROKER_ENGINE_PARTITION_H
#define WEIR_BROKER_ENGINE_PARTITION_H

#include "broker/broker.h"
#include "broker/engine/availability_step.h"
#include "broker/engine/epoch_step.h"
#include "broker/engine/flush_group.h"
#include "broker/engine/metadata_owner.h"
#include "broker/engine/state_machine.h"

/**
 * One partition on its shard: its log, and who waits for what.
 *
 *   resolving ──topic known──> opening ──log open──> open <──────> working ──> (open)
 *       │                         │ │                 ^ └──────────> closing ──> gone
 *       └──unknown──> gone        │ └─its first time──> assigning ──failed──┘
 *                      gone <──failed                 └──durable──> (open)
 *
 * Resolving looks id, configuration and leader epoch up, and whether the partition has been made before:
 * then its folder has to be there. It takes time only where the topic is to be made first. Where the
 * partition is made now, assigning waits until the metadata says so durably, before anything is served
 * from it: a folder that is lost later is not taken for one that never was. While opening, working and
 * closing the log belongs to a worker; requests that arrive meanwhile wait in line. Working is for what
 * may block and must be alone: cutting, retention, trimming, a new segment.
 * Thread: its shard's; jobs run on a worker and touch the log, `job_*` and nothing else.
 */
enum weir_partition_state {
    WEIR_PARTITION_RESOLVING,
    WEIR_PARTITION_OPENING,
    WEIR_PARTITION_ASSIGNING,
    WEIR_PARTITION_OPEN,
    WEIR_PARTITION_WORKING,
    WEIR_PARTITION_CLOSING,
};

/** Who has a partition closed for good, and is told on its shard when it is gone: in the teller's memory. */
struct weir_partition_closing {
    void (*gone)(struct weir_partition_closing *closing);
};

struct weir_transaction_hold;

struct weir_partition {
    struct weir_shard *shard;
    enum weir_partition_state state;
    struct weir_slice key; /* topic and number, behind the struct */
    struct weir_slice topic;
    int32_t number;
    char *path;
    struct weir_uuid topic_id;
    struct weir_topic_config config;
    struct weir_epoch_state epoch;
    bool is_assigned; /* its folder has been made before, says the metadata */
    struct weir_auto_create create;
    struct weir_assign assign;

    struct weir_partition_log *log; /* the shard's while open, else a worker's */
    struct weir_log_offsets shown;  /* as last seen by the shard */
    int64_t high_watermark;
    int64_t last_stable_offset;
    int64_t stable_moves; /* how often that has moved, since it was opened */

    /* What has come in this turn to be appended, in order; before all that waits. Nothing else is done with the
     * log before it is appended (produce.c). */
    struct weir_produce_request *gathered_first;
    struct weir_produce_request *gathered_last;
    size_t gathered_count;
    struct weir_partition *gathering_next; /* in its shard's list of those that gather, or were */
    bool is_gathering;                     /* it is in there */
    void (*append_gathered)(struct weir_partition *partition); /* all of it; NULL: nothing is */

    struct weir_request *waiting_first; /* for the partition to be open, linked by message.next */
    struct weir_request *waiting_last;
    struct weir_produce_request *acks_first; /* for the flush, in order of offset */
    struct weir_produce_request *acks_last;
    struct weir_write_marker_request *markers_first; /* for the flush, likewise */
    struct weir_write_marker_request *markers_last;
    int64_t
        markers_unstable; /* where the first transaction begins that these have ended; INT64_MAX: none */
    struct weir_transaction_hold *holds; /* of who begins a transaction here */
    size_t hold_count;
    struct weir_fetch_request *fetches; /* for data */
    enum weir_availability availability;
    int64_t bytes_appended; /* since it was opened; what fetches wait for */
    int64_t bytes_visible;  /* below the high watermark */
    int32_t reads;          /* cold ones, out with workers */

    struct weir_flush_entry flush; /* in its shard's flush group */
    int64_t flush_bytes;           /* what `bytes_visible` will be when it is through */

    void (*wanted)(struct weir_partition *partition); /* starts what must be alone */
    struct weir_request *cut;
    bool waits_for_roll; /* the first in line does: it is not to wait for another */
    int64_t trim_offset;
    int64_t never_cut_below;               /* as its owner has said; -1: it has not */
    struct weir_partition *cleanable_next; /* in its shard's list of those to be looked at */
    bool is_cleanable;                     /* it is in there */
    struct weir_mono cleanable_from;       /* not before, by itself: its last pass got nowhere */
    bool has_slice; /* a worker writes in its folder (partition_cleaning.h) */
    struct weir_partition_closing *closing; /* told when it is closed */

    struct weir_work work;
    int (*job)(struct weir_partition *partition);       /* on a worker */
    void (*job_done)(struct weir_partition *partition); /* on the shard */
    struct weir_topic_config job_config;                /* what the log is opened with */
    int job_rc;
    struct weir_error job_error;
    struct weir_log_recovery recovery;

    const struct weir_state_machine_ops *state_machine_ops; /* of a topic that has one */
    void *state_machine;                                    /* NULL: none */
    size_t turn_index; /* in the shard's heap of turns; 0: it has no state machine */
};

/** Its invariants, those that cost nothing to look at: with each move, and when a flush is through. Its
 * offsets are those that its shard has seen last. */
void weir_partition_check_state(const struct weir_partition *partition);
/** A new one in its shard's map, resolving. NULL without memory. */
struct weir_partition *weir_partition_new(struct weir_shard *shard, struct weir_slice topic,
                                          int32_t number);
/** Opened by somebody else (the metadata log): takes `log` over. WEIR_NO_MEMORY. */
int weir_partition_adopt(struct weir_shard *shard, const char *topic, int32_t number,
                         const char *path, struct weir_partition_log *log,
                         struct weir_partition **partition_out);
/** Free it and close its log; blocks. For the end, when the actors are gone. First error. */
int weir_partition_free(struct weir_partition *partition, struct weir_error *error);

/** To another state: one that the drawing allows. */
void weir_partition_move(struct weir_partition *partition, enum weir_partition_state to);
/** The metadata says its leader epoch. Once. */
void weir_partition_resolve_epoch(struct weir_partition *partition, int32_t epoch);
/** What a request knows of the leader's epoch: WEIR_FENCED_LEADER_EPOCH, WEIR_UNKNOWN_LEADER_EPOCH. */
int weir_partition_check_epoch(const struct weir_partition *partition,
                               const struct weir_epoch_check *check, struct weir_error *error);
/** Where `epoch` ended, as weir_epoch_end_request says it. */
void weir_partition_epoch_end(const struct weir_partition *partition, int32_t epoch,
                              int32_t *epoch_out, int64_t *end_offset_out);
/** Have the state machine given a turn at this time, and not before. WEIR_MONO_NEVER: none. It has one. */
void weir_partition_wake_at(struct weir_partition *partition, struct weir_mono at);
/** Have the state machine answer all that waits in it. Nothing where there is none. */
void weir_partition_refuse_waiting(struct weir_partition *partition, int rc, const char *text);
/** Its log has another segment, or its topic other settings: it may be due for compaction. */
void weir_partition_note_cleanable(struct weir_partition *partition);
/** Take the log's offsets over, raise the high watermark, and see where the last stable offset is. */
void weir_partition_refresh(struct weir_partition *partition);
/** The latter alone: the markers that wait for the disk are others. */
void weir_partition_note_stable(struct weir_partition *partition);

#endif
