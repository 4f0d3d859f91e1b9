#ifndef WEIR_SERVER_HANDLERS_OFFSET_COMMIT_RUN_H
#define WEIR_SERVER_HANDLERS_OFFSET_COMMIT_RUN_H

#include "server/context.h"
#include "wire/generated/offset_commit_request.h"
#include "wire/generated/offset_commit_response.h"

/**
 * A commit of offsets, by itself (OffsetCommit) or within a transaction (TxnOffsetCommit). What names a partition that is
 * not there, or has too much metadata, is refused by itself; the rest is one commit, durable when it is answered.
 *
 *   read ──> start: which topics are there? ──> the good ones ──> coordinator: may this member? ──> answer
 *      └──> refuse ──────────────────────────────────────────────────────────────────────────────────^
 *
 * Thread: the shard of the connection. In the arena of the context.
 */
struct weir_offset_commit_run {
    struct weir_request_context *context;
    const struct weir_wire_offset_commit_request *asked;
    bool is_by_id; /* topics are named by their ids */
    struct weir_commit_request
        commit; /* what of it no message of both says is the caller's to fill in */
    /** Kafka's number for how the commit went. */
    int16_t (*error_of)(struct weir_request_context *context, const struct weir_request *request);
    /** Reply with what stands in `topics`. */
    void (*answer)(struct weir_offset_commit_run *run);
    /* what is given: a row for each topic and partition that was asked for, in their order */
    struct weir_wire_offset_commit_response_offset_commit_response_topic *topics;
    struct weir_wire_offset_commit_response_offset_commit_response_partition *rows;
    size_t row_count;
    /* its own */
    struct weir_list_topics_request list;
    struct weir_slice *names;
    struct weir_uuid *ids;
    struct weir_offset_entry *entries;
    struct weir_wire_offset_commit_response_offset_commit_response_partition **entry_rows;
};

/** The rows of the answer. False: there was no memory, and the connection is being ended. */
bool weir_offset_commit_run_read(struct weir_offset_commit_run *run);
/** Begin; the answer comes once. */
void weir_offset_commit_run_start(struct weir_offset_commit_run *run);
/** Answer all with this instead. */
void weir_offset_commit_run_refuse(struct weir_offset_commit_run *run, int16_t error_code);

#endif
