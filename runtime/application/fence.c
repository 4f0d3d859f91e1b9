#include "runtime/application/fence.h"

#include "base/error.h"
#include "client/client.h"
#include "runtime/job/application.h"
#include "runtime/job/commit_offsets.h"
#include "runtime/job/commit_transaction.h"

enum { TIMEOUT_MS = 60000 /* of a transaction that nobody begins */ };

/* How many transactional ids its last run had; 0: none, or nothing has committed. */
static int count_transactions(struct weir_log *log, struct weir_arena *arena, const char *id,
                              size_t *count_out, struct weir_error *error)
{
    const char *topic = weir_application_topic_name(arena, id);
    struct weir_committed_request asked = {.group = weir_text(id), .arena = arena};
    struct weir_commit_recover committed = {.call = {.arena = arena}};
    *count_out = 0;
    if (topic == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "no memory");
    int rc = weir_request_wait_begin(log->env, &asked.request, error);
    if (rc < 0) return rc;
    weir_log_committed(log, &asked);
    rc = weir_request_wait(log->env, &asked.request, error);
    if (rc < 0) return rc;
    const struct weir_commit_offsets from = {topic, asked.entries, asked.entry_count};
    rc = weir_commit_offsets_read(&from, arena, &committed, error);
    if (rc >= 0) *count_out = committed.transaction_count;
    return rc;
}

static bool is_open(const struct weir_transaction_info *info)
{
    return info->state == WEIR_TRANSACTION_ONGOING ||
           info->state == WEIR_TRANSACTION_PREPARE_COMMIT ||
           info->state == WEIR_TRANSACTION_PREPARE_ABORT;
}

/* 1: it has a transaction that is open, or being ended. Whom nobody knows has none. */
static int look(struct weir_log *log, struct weir_arena *arena, const char *transactional_id,
                struct weir_error *error)
{
    struct weir_describe_transaction_request request = {
        .base = {.transactional_id = weir_text(transactional_id)}, .arena = arena};
    int rc = weir_request_wait_begin(log->env, &request.base.request, error);
    if (rc < 0) return rc;
    weir_log_describe_transaction(log, &request);
    rc = weir_request_wait(log->env, &request.base.request, error);
    if (rc >= 0) return is_open(&request.info);
    bool is_unknown = rc == WEIR_TRANSACTIONAL_ID_NOT_FOUND || rc == WEIR_UNSUPPORTED;
    if (is_unknown) weir_error_clear(error);
    return is_unknown ? 0 : rc;
}

/* The newest producer of the id, which has what is open aborted and waits for that. */
static int take_over(struct weir_log *log, const char *transactional_id, struct weir_error *error)
{
    int rc;
    do {
        struct weir_init_transactions_request request = {
            .base = {.transactional_id = weir_text(transactional_id),
                     .producer_id = -1,
                     .producer_epoch = -1,
                     .is_version_2 = true,
                     .waits_for_end = true},
            .timeout_ms = TIMEOUT_MS,
        };
        weir_error_clear(error);
        rc = weir_request_wait_begin(log->env, &request.base.request, error);
        if (rc < 0) return rc;
        weir_log_init_transactions(log, &request);
        rc = weir_request_wait(log->env, &request.base.request, error);
    } while (rc == WEIR_CONCURRENT_TRANSACTIONS);
    return weir_error_wrap(error, rc, "transactional id '%s'", transactional_id);
}

int weir_app_end_transactions(struct weir_log *log, struct weir_arena *arena, const char *id,
                              struct weir_error *error)
{
    size_t count;
    int rc = count_transactions(log, arena, id, &count, error);
    for (size_t i = 0; rc >= 0 && i < count; i++) {
        const char *transactional_id = weir_commit_transactional_id(arena, id, i);
        if (transactional_id == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "no memory");
        rc = look(log, arena, transactional_id, error);
        if (rc > 0) rc = take_over(log, transactional_id, error);
    }
    return rc;
}
