#ifndef WEIR_RUNTIME_JOB_START_COMPARE_H
#define WEIR_RUNTIME_JOB_START_COMPARE_H

#include "runtime/job/application.h"
#include "runtime/task/read_batch.h"
#include "runtime/task/timers.h"
#include "weir/streams.h"
#include "wire/request/lost_range.h"

/**
 * What a start compares before it changes anything: what the application has written down and
 * committed, with what is there today. Pure: facts in, differences out, and a verdict on them.
 *
 * The rule: nothing is cut, cleared or skipped because something is *missing*. A kill or a loss of
 * power without damage leaves no difference that refuses; each of the others is a row of the table
 * in start_compare.c, with its text and with what each choice makes of it. docs/guide/restart.md is
 * that table for users.
 */

/** One partition of a topic that the job tracks. */
struct weir_start_partition {
    /* Today's. */
    int64_t log_start;
    int64_t log_end;
    int64_t compacted_end; /* compaction has taken nothing from there on; INT64_MAX: not known */
    int32_t leader_epoch;
    bool
        is_offline; /* an input: damage, or a disk that has failed; an internal topic's stops the start */
    int64_t offline_from;
    struct weir_lost_range lost; /* the last one that a repair gave up; both 0: none */
    size_t lost_count;
    /* The commit's. */
    bool has_entry;        /* for the topic that is there */
    bool is_other_topic;   /* an entry for a topic of this name with another id */
    bool is_foreign_entry; /* not written by this application */
    bool has_processed;    /* an input: a record of it at least */
    int64_t committed;     /* an input, a repartition topic: next to process; -1: none */
    int64_t committed_end; /* an internal topic: the end that the commit covers */
    int32_t committed_epoch;
    struct weir_read_batch read; /* an input: what was read last below `committed` */
    struct weir_read_batch
        found_there; /* and what lies at its last offset today; neither may be known */
    int64_t partition_time_ms;
    const struct weir_node_mark *marks;
    size_t mark_count;
    int64_t epoch_end;  /* where that epoch ends today; INT64_MAX: nothing speaks against it */
    int64_t foreign_at; /* the first batch past `committed_end` of another producer; -1: none */
};

/** Of one that is offline: where its damage begins. Where that is not known, all of it may be. */
static inline int64_t weir_start_damaged_from(const struct weir_start_partition *partition)
{
    return partition->offline_from >= 0 ? partition->offline_from : partition->log_start;
}

enum weir_start_role {
    WEIR_START_OTHER, /* a sink's, the dead letters' */
    WEIR_START_INPUT,
    WEIR_START_REPARTITION,
    WEIR_START_CHANGELOG,
};

struct weir_start_topic {
    enum weir_start_role role;
    const char *name; /* NULL: no such topic */
    const char *of;   /* a changelog's store, or as `name` */
    /* Today's. */
    bool exists;
    struct weir_uuid id;
    int32_t partition_count;
    struct weir_start_partition *partitions; /* of a tracked topic that exists */
    bool is_compacted; /* batches are written anew; as far as it was looked at */
    const char *owner; /* another application whose records name this id; NULL: none is known */
    /* The topology's. */
    int32_t wanted_count;             /* internal topics */
    bool keeps_for_ever;              /* a changelog without retention */
    struct weir_plan_formats formats; /* internal topics: what the program writes and reads there */
    int64_t window_size_ms;           /* a changelog; 0: its store's keys are not windows */
    bool has_progress;   /* a changelog: records have been processed that its store would know */
    int32_t subtopology; /* a changelog */
    /* An input: by sub-topology, whether it reads it, and whether it hears of it at all (through
     * repartition topics); and whether one of those has stores. */
    const bool *read_by;
    const bool *feeds;
    bool has_state;
    bool feeds_state;
    bool
        may_be_cut; /* an input that another application's start may cut: an internal topic of its own */
    /* The application's. */
    const struct weir_own_topic *record; /* NULL: none */
    const struct weir_own_input *chosen; /* an input that is being read again; NULL: it is not */
    int32_t entry_count; /* one past the largest partition that the commit names of it */
    bool is_other_named; /* the commit names a partition that only another topic of this name had */
    /* The verdict's. */
    bool is_emptied; /* an internal topic: deleted if it is there, and made anew */
};

/** What the application has kept, or its commit names, and the topology does not know any more. */
struct weir_start_left {
    const struct weir_own_topic *record;
    int64_t unprocessed; /* records of a repartition topic that nobody would process now */
    bool has_rows;       /* a changelog: the commit covers something of it */
};

/** A store without a changelog that has something on the disk. */
struct weir_start_store {
    const char *name;
    size_t number; /* the topology's */
    int32_t subtopology;
    const struct weir_own_store *record; /* NULL: it was never emptied */
    bool is_emptied;                     /* the verdict's */
};

struct weir_start_facts {
    const char *application_id;
    const struct weir_application *records;
    bool has_topic;         /* the application's own, where the records are */
    bool is_records_cut;    /* it is gone, made anew or shorter than the commit says */
    bool has_commit;        /* one of ours */
    bool is_reset_begun;    /* it is the first half of a reset */
    bool has_no_run;        /* a reset's or an adoption's, and no job has run since */
    size_t foreign_entries; /* without one of ours: how many offsets somebody has committed */
    struct weir_start_topic *topics; /* by the job's table */
    size_t topic_count;
    const struct weir_start_left *left;
    size_t left_count;
    struct weir_start_store *stores;
    size_t store_count;
};

enum weir_start_what {
    WEIR_START_NOTHING,
    WEIR_START_RESET_BEGUN,
    WEIR_START_COMMIT_GONE,
    WEIR_START_COMMIT_FOREIGN,
    WEIR_START_RECORDS_GONE,
    WEIR_START_NOT_OURS,
    WEIR_START_OWNED,
    WEIR_START_REPLACED,
    WEIR_START_MADE_ANEW,
    WEIR_START_GONE,
    WEIR_START_PARTITIONS,
    WEIR_START_NO_ENTRY,
    WEIR_START_ENTRY_FOREIGN,
    WEIR_START_SHORTER,
    WEIR_START_REWRITTEN,
    WEIR_START_FOREIGN_TAIL,
    WEIR_START_HEAD_GONE,
    WEIR_START_LOST,
    WEIR_START_LOST_BETWEEN,
    WEIR_START_FORMAT,
    WEIR_START_FORMAT_BETWEEN,
    WEIR_START_NEW_STORE,
    WEIR_START_RENAMED_STORE,
    WEIR_START_STORE_LEFT,
    WEIR_START_BUFFER_LEFT,
    WEIR_START_REPARTITION_LEFT,
    WEIR_START_INPUT_GONE,
    WEIR_START_INPUT_REPLACED,
    WEIR_START_INPUT_REPLACED_STATELESS,
    WEIR_START_INPUT_MORE,
    WEIR_START_INPUT_FEWER,
    WEIR_START_INPUT_DAMAGED,
    WEIR_START_INPUT_OLDER,
    WEIR_START_INPUT_OLDER_STATELESS,
    WEIR_START_INPUT_OTHER,
    WEIR_START_INPUT_CUT,
    WEIR_START_INPUT_TAIL_LOST,
    WEIR_START_INPUT_TRIMMED,
    WEIR_START_INPUT_UNREADABLE,
    WEIR_START_INPUT_OVERTAKEN,
    /* Since it was chosen to read the inputs again, start_rebuild.c. */
    WEIR_START_CHOSEN_GONE,
    WEIR_START_CHOSEN_REPLACED,
    WEIR_START_CHOSEN_OLDER,
    WEIR_START_CHOSEN_DAMAGED,
    WEIR_START_CHOSEN_TRIMMED,
    WEIR_START_CHOSEN_LOST,
    WEIR_START_CHOSEN_TAIL_LOST,
};

struct weir_start_difference {
    enum weir_start_what what;
    struct weir_start_topic *topic; /* NULL: of the application as a whole */
    const char *topic_name;
    const char *of;
    int32_t partition;
    int64_t a; /* what the text calls {a} and {b} */
    int64_t b;
    int32_t a_epoch; /* the leader epochs of these offsets, {c} and {d} */
    int32_t b_epoch;
    const char *other; /* {x} */
    /* What its bytes were written as, {w}, are to be read as, {n}, and where these differ, {f}. */
    const char *written;
    const char *wanted;
    const char *field;
};

struct weir_start_differences {
    struct weir_arena *arena;
    struct weir_start_difference *items;
    size_t count;
    size_t capacity;
};

/** What holds between the fields, whenever topics are compared or decided of. */
void weir_start_topic_check(const struct weir_start_topic *topic);

/** All that differs, the application as a whole first. WEIR_NO_MEMORY. */
int weir_start_compare(const struct weir_start_facts *facts, struct weir_start_differences *found);

/** One more. WEIR_NO_MEMORY. */
int weir_start_differs(struct weir_start_differences *found,
                       struct weir_start_difference difference);

/* start_formats.c: */
/** 1 with the difference: records of an internal topic, of ours and whole, would be read as something else than they
 * are. 0: none; WEIR_NO_MEMORY. Its texts are in `arena`. */
int weir_start_compare_formats(struct weir_start_topic *topic, struct weir_arena *arena,
                               struct weir_start_difference *difference_out);
/** What is written down about an internal topic of the job, as it is there now. */
struct weir_own_topic weir_start_own_topic(const struct weir_start_topic *topic,
                                           enum weir_own_topic_phase phase);
/** That record says what the topic's bytes are as the program has it. */
bool weir_start_is_format_recorded(const struct weir_start_topic *topic);
/** A record or the commit names the id of the topic that is there. */
bool weir_start_is_ours(const struct weir_start_topic *topic);
/** Of an internal topic: below it lie records that a repair gave up, and the commit covers them; 0: none. */
int64_t weir_start_lost_end(const struct weir_start_partition *partition);
/** An input's log has another batch where the job has read one, and nothing that cuts a log or takes records
 * from it explains that. */
bool weir_start_is_other_log(const struct weir_start_partition *partition);
/** Where an input goes on: as committed, within what is there and was there when it was
 * committed. */
int64_t weir_start_input_position(const struct weir_start_partition *partition);

/* start_rebuild.c: */
/** What the inputs have lost since it was chosen to read them again. WEIR_NO_MEMORY. */
int weir_start_compare_chosen(const struct weir_start_facts *facts,
                              struct weir_start_differences *found);
/** It has been read again as far as it was then, or it is another topic now. */
bool weir_start_is_read_again(const struct weir_start_facts *facts,
                              const struct weir_start_topic *topic);
enum weir_start_chosen_work {
    WEIR_START_CHOSEN_STAYS,      /* what is written down of it, or that nothing is */
    WEIR_START_CHOSEN_IS_WRITTEN, /* anew: `input_out` */
    WEIR_START_CHOSEN_IS_OVER,
};
/**
 * What is to be written down of an input once it is decided what comes of the differences: all of `reads_again`
 * from here on, of others what they have lost meanwhile, which is accepted; nothing more of a reading that is
 * given up. Its partitions are in `arena`, which remembers where there is no memory.
 */
enum weir_start_chosen_work weir_start_chosen_work(const struct weir_start_topic *topic,
                                                   bool reads_again, bool is_given_up,
                                                   struct weir_arena *arena,
                                                   struct weir_own_input *input_out);

/** A word for a log line, and a sentence; whether the job goes on by itself. */
bool weir_start_is_noted(enum weir_start_what what);
const char *weir_start_what_name(enum weir_start_what what);
void weir_start_difference_text(const struct weir_start_difference *difference, char *to,
                                size_t size);

/** WEIR_MISMATCH if an input has lost records or its beginning, which a rebuild that is to lose nothing cannot be
 * made from; 0: all are whole. */
int weir_start_refuse_cut(const struct weir_start_facts *facts, struct weir_error *error);
/** WEIR_MISMATCH: retention has taken the records of an input from `position` on while it was read through. */
int weir_start_refuse_overtaken(const struct weir_start_facts *facts,
                                const struct weir_start_topic *topic, int32_t partition,
                                int64_t position, struct weir_error *error);
/** WEIR_MISMATCH if an input is damaged, that all state would be made anew from; 0: none is. */
int weir_start_refuse_damaged(const struct weir_start_facts *facts, struct weir_error *error);
/** WEIR_OFFLINE if an input is not served at the commit that a start would go on from; 0: all are. Not a mismatch:
 * what a read error took offline may be whole. */
int weir_start_refuse_unserved(const struct weir_start_facts *facts, struct weir_error *error);

enum weir_start_verdict {
    WEIR_START_GO_ON,
    WEIR_START_EMPTY, /* what `is_emptied` says */
    WEIR_START_REBUILD,
};
/**
 * What comes of the differences under a choice; one that was made at a start that was killed holds.
 *
 * Errors: WEIR_MISMATCH, with what differs and the choices that are left.
 */
int weir_start_decide(const struct weir_start_facts *facts,
                      const struct weir_start_differences *found, enum weir_on_mismatch choice,
                      struct weir_error *error);
/** After that verdict state is made anew from inputs that were read before: all inputs of a rebuild, and those of
 * an application whose commit is gone. */
bool weir_start_reads_again(const struct weir_start_facts *facts, int verdict);

#endif
