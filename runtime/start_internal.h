#ifndef WEIR_RUNTIME_START_INTERNAL_H
#define WEIR_RUNTIME_START_INTERNAL_H

#include "runtime/streams_internal.h"

/** A job's start, between its rounds of requests; how it goes is told in start.c. */
struct weir_start {
    struct weir_streams *streams;
    size_t step;
    size_t outstanding;
    struct weir_arena arena;
    struct weir_topic_request *topics; /* one per topic of the job's table */
    struct weir_committed_request committed;
    struct weir_describe_partition_request *partitions;
    size_t partition_count;
    struct weir_cut_request *cuts;
    size_t cut_count;
};

/** One more answer is waited for before the next step. */
struct weir_request weir_start_asked(struct weir_start *start);
int weir_start_no_memory(struct weir_error *error);

/* start_topics.c, in order: */
int weir_start_look_at_topics(struct weir_start *start, struct weir_error *error);
int weir_start_make_missing(struct weir_start *start, struct weir_error *error);
int weir_start_look_again(struct weir_start *start, struct weir_error *error);
int weir_start_make_internal(struct weir_start *start, struct weir_error *error);
int weir_start_look_at_internal(struct weir_start *start, struct weir_error *error);
int weir_start_take_internal(struct weir_start *start, struct weir_error *error);

#endif
