#ifndef WEIR_RUNTIME_JOB_START_INTERNAL_H
#define WEIR_RUNTIME_JOB_START_INTERNAL_H

#include "runtime/job/start_partition.h"
#include "runtime/job/streams_internal.h"

/** Reading the records of an application, this one's or another's; told in start_records.c. */
struct weir_records_reader {
    struct weir_start *start;
    const char *topic;
    struct weir_application *into;
    struct weir_describe_partition_request describe;
    struct weir_fetch_request fetch;
    bool has_begun;
    bool has_ends; /* `describe` was answered */
    bool is_fetching;
    bool exists;
    int64_t position;
    int64_t log_end;
};

/** What holds between the fields, before each step of a reading. */
void weir_records_reader_check(const struct weir_records_reader *reader);

/** A look at the batch that was read last of an input; told in start_read.c. */
struct weir_start_read {
    struct weir_fetch_request fetch;
    struct weir_start_partition *partition;
};

/** What is to be done with an internal topic, once it is decided. */
struct weir_start_work {
    bool is_deleted;
    bool is_created;
    bool is_written; /* a record that says `made` is due */
};

struct weir_start_inputs; /* start_inputs.c */

/** A job's start, between its rounds of requests; how it goes is told in start.c. */
struct weir_start {
    struct weir_streams *streams;
    size_t step;
    size_t outstanding;
    struct weir_arena arena;
    struct weir_topic_request
        *topics; /* one per topic of the job's table, then the application's */
    const char *application_topic;

    /* What is there: start_look.c. */
    struct weir_start_facts facts;
    struct weir_application records;
    struct weir_records_reader reader;
    struct weir_commit_recover committed;           /* the last commit */
    struct weir_describe_partition_request **asked; /* by topic; NULL: nothing is asked of it */
    struct weir_epoch_end_request *epochs;
    size_t epoch_count;
    struct weir_fetch_request tail;
    bool is_tail_asked;
    size_t tail_topic; /* where the look at tails is */
    int32_t tail_partition;
    int64_t tail_offset;
    struct weir_start_read *read; /* asked and not looked at yet: `read_count` */
    size_t read_count;
    size_t owner_topic; /* where the look for owners is */
    size_t owner_at;
    struct weir_application other;
    struct weir_records_reader other_reader;
    const char *owner; /* the candidate that is being read; NULL: none */

    /* What is done about it: start_make.c, start_commit.c. */
    bool is_rebuild;
    bool is_emptying;
    bool reads_again; /* state is made anew from inputs that were read before */
    bool may_lose;    /* whatever these have removed since */
    struct weir_start_inputs *inputs;
    struct weir_start_work *work; /* by the job's table */
    struct weir_commit_prepare prepare;
    struct weir_start_partition **tails; /* of `prepare.tails` */
    struct weir_produce_request written; /* records of the application */
    bool is_writing;
    int64_t records_end;
    struct weir_commit_seal seal; /* the first commit */
    struct weir_commit_call write;
};

/** start.c: what holds between the fields, before each step and behind the last one. Not behind one that has
 * failed: that start is only freed. */
void weir_start_check(const struct weir_start *start);

/** A step's answer: 0, the next one may follow when all is answered; WEIR_START_AGAIN: this one
 * once more; negative: the start has failed. */
enum { WEIR_START_AGAIN = 1 };

/* start_ask.c, which all steps stand on: */
/** One more answer is waited for before the next step. */
struct weir_request weir_start_asked(struct weir_start *start);
/** The same, of the job's commit. */
struct weir_commit_call weir_start_called(struct weir_start *start);
int weir_start_no_memory(struct weir_error *error);

static inline bool weir_start_is_internal(const struct weir_start_topic *topic)
{
    return topic->role == WEIR_START_REPARTITION || topic->role == WEIR_START_CHANGELOG;
}

/* start_records.c: 1 while something is asked, 0 when done. */
int weir_records_read(struct weir_records_reader *reader, struct weir_error *error);
/** Write records into the application's topic; `add` fills the buffers of one and says if there is
 * one. Asked once per number below `count`. */
struct weir_records_source {
    size_t count;
    bool (*add)(struct weir_start *start, size_t number, struct weir_buffer *key,
                struct weir_buffer *value);
};
int weir_records_write(struct weir_start *start, const struct weir_records_source *source,
                       struct weir_error *error);
/** What became of it. */
int weir_records_written(struct weir_start *start, struct weir_error *error);

/* start_roles.c */
/** What the program and its options name is not the job's own, the log's or, of what would come again, an input.
 * WEIR_INVALID_TOPOLOGY; of an option WEIR_INVALID_ARGUMENT. */
int weir_start_check_roles(const struct weir_start *start, struct weir_error *error);
/** The job writes to it, and another application may have a topic of that name. */
bool weir_start_may_write_into_other(const struct weir_start *start, size_t topic);
/** Errors as above: the records of the application that was read last, `owner`, say that the topic is its own. */
int weir_start_refuse_other(const struct weir_start *start, size_t topic, struct weir_error *error);

/* start_topics.c */
int weir_start_look_at_topics(struct weir_start *start, struct weir_error *error);
/** Letters and late records may come without a key, and none replaces another: WEIR_INVALID_ARGUMENT if their topic is
 * compacted. */
int weir_start_check_letters(const struct weir_start *start, struct weir_error *error);
/** Descriptions are taken, missing ones counted as they would be made; counts of internal ones. */
int weir_start_count_topics(struct weir_start *start, struct weir_error *error);
void weir_start_ask_topic(struct weir_start *start, size_t topic,
                          enum weir_topic_operation operation);
/** Names, settings and count of an internal topic of the job. */
int weir_start_create_topic(struct weir_start *start, size_t topic, struct weir_error *error);
/** One of the user's that is not there, where auto-create is on. */
int weir_start_create_given_topic(struct weir_start *start, size_t topic, struct weir_error *error);
/** What a topic that is there says of its records, in weir.key.format and weir.value.format, if it is the job's
 * own or written by it. Where it has neither they are set. Where it says something else than the job writes
 * its own topics are set anew, and of others the log gets a warning: never over what somebody has set. */
int weir_start_say_formats(struct weir_start *start, size_t topic, struct weir_error *error);
/** What the job writes into the topic, as its serdes say. */
struct weir_plan_formats weir_start_formats(const struct weir_start *start, size_t topic);
int weir_start_create_application_topic(struct weir_start *start, struct weir_error *error);
void weir_start_take_description(struct weir_start *start, size_t topic);

/* start_facts.c */
int weir_start_make_facts(struct weir_start *start, struct weir_error *error);
/** Of a topic that exists, as if nothing had been committed. WEIR_NO_MEMORY. */
int weir_start_make_partitions(struct weir_start *start, struct weir_start_topic *topic);
/** What the last commit says, beside what is there. */
int weir_start_take_commit(struct weir_start *start, struct weir_error *error);

/* start_look.c, in order: */
int weir_start_look_at_commit(struct weir_start *start, struct weir_error *error);
int weir_start_look_at_partitions(struct weir_start *start, struct weir_error *error);
int weir_start_read_records(struct weir_start *start, struct weir_error *error);
int weir_start_look_at_epochs(struct weir_start *start, struct weir_error *error);
int weir_start_look_at_tails(struct weir_start *start, struct weir_error *error);
int weir_start_look_at_read(struct weir_start *start, struct weir_error *error); /* start_read.c */
int weir_start_look_for_owners(struct weir_start *start, struct weir_error *error);
/** Ask for the partitions of one topic; they are taken by weir_start_take_partitions. */
int weir_start_ask_partitions(struct weir_start *start, size_t topic, struct weir_error *error);
int weir_start_take_partitions(struct weir_start *start, struct weir_error *error);

/* start_inputs.c */
/** Where state is to be made anew from the inputs: they are read through, before any of it is dropped. */
int weir_start_read_inputs(struct weir_start *start, struct weir_error *error);
/** Of a job that is closed meanwhile. */
void weir_start_drop_inputs(struct weir_start *start);

/* start_make.c, in order: */
int weir_start_make_topics(struct weir_start *start, struct weir_error *error);
int weir_start_write_intents(struct weir_start *start, struct weir_error *error);
int weir_start_delete_topics(struct weir_start *start, struct weir_error *error);
int weir_start_create_topics(struct weir_start *start, struct weir_error *error);
int weir_start_look_again(struct weir_start *start, struct weir_error *error);
int weir_start_write_ids(struct weir_start *start, struct weir_error *error);
int weir_start_look_at_new(struct weir_start *start, struct weir_error *error);

/* start_groups.c */
size_t weir_start_task_count(const struct weir_streams *streams);
size_t weir_start_thread_count(const struct weir_streams *streams);
/** Which threads will commit together. WEIR_NO_MEMORY. */
int weir_start_find_groups(struct weir_streams *streams);
/** Their groups, with the partitions that each commits. */
int weir_start_make_groups(struct weir_start *start, struct weir_error *error);
/** By now each thread is there. */
void weir_start_join_groups(struct weir_streams *streams);

/* start_commit.c, in order: */
int weir_start_prepare(struct weir_start *start, struct weir_error *error);
int weir_start_make_tasks(struct weir_start *start, struct weir_error *error);
int weir_start_seal(struct weir_start *start, struct weir_error *error);
int weir_start_write(struct weir_start *start, struct weir_error *error);
int weir_start_write_kept(struct weir_start *start, struct weir_error *error);
int weir_start_run(struct weir_start *start, struct weir_error *error);

#endif
