#include "client/transaction_step.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/state_table.h"

#define TO(standing) WEIR_STATE_BIT(WEIR_STANDING_##standing)
static const struct weir_state_row rows[] = {
    [WEIR_STANDING_IDLE] = {"idle", TO(OPEN) | TO(LOST)},
    [WEIR_STANDING_OPEN] = {"open",
                            TO(IDLE) | TO(BROKEN) | TO(COMMITTING) | TO(ABORTING) | TO(LOST)},
    [WEIR_STANDING_BROKEN] = {"broken", TO(IDLE) | TO(ABORTING) | TO(LOST)},
    [WEIR_STANDING_COMMITTING] = {"committing", TO(IDLE) | TO(BROKEN) | TO(LOST)},
    [WEIR_STANDING_ABORTING] = {"aborting", TO(IDLE) | TO(LOST)},
    [WEIR_STANDING_LOST] = {"lost", 0},
};
#undef TO
static const struct weir_state_table standings = WEIR_STATE_TABLE("producer's transaction", rows);

static void move(struct weir_producer_transaction *transaction, enum weir_transaction_standing to)
{
    transaction->standing = weir_state_move(&standings, transaction->id, transaction->standing, to);
}

void weir_producer_transaction_check(const struct weir_producer_transaction *transaction)
{
    enum weir_transaction_standing standing = transaction->standing;
    bool has_failed = standing == WEIR_STANDING_BROKEN || standing == WEIR_STANDING_LOST;
    bool is_ending = standing == WEIR_STANDING_COMMITTING || standing == WEIR_STANDING_ABORTING;
    weir_assert(standing <= WEIR_STANDING_LOST);
    weir_assert(has_failed == (transaction->failure.code != 0));
    weir_assert(!is_ending || transaction->has_sent);
    weir_assert(standing != WEIR_STANDING_IDLE || !transaction->has_sent);
}

bool weir_producer_transaction_is_final(int rc)
{
    switch (rc) {
    case WEIR_PRODUCER_FENCED:
    case WEIR_INVALID_PRODUCER_ID_MAPPING:
    case WEIR_INVALID_TXN_STATE: /* what the log and the producer think of it differs */
    case WEIR_TRANSACTION_COORDINATOR_FENCED:
        return true;
    default:
        return false;
    }
}

/* ---- refusals -------------------------------------------------------------------------------- */

static int refuse(const struct weir_producer_transaction *transaction, const char *what,
                  struct weir_error *error)
{
    return weir_error_set(error, WEIR_INVALID_TXN_STATE, "transactional id '%.200s': %s",
                          transaction->id, what);
}

static int tell_broken(const struct weir_producer_transaction *transaction,
                       struct weir_error *error)
{
    return weir_error_set(error, WEIR_TRANSACTION_ABORTABLE,
                          "transactional id '%.100s': the transaction can only be aborted "
                          "(weir_producer_abort), for something of it has failed: %.250s",
                          transaction->id, transaction->failure.text);
}

static int tell_lost(const struct weir_producer_transaction *transaction, struct weir_error *error)
{
    if (error != NULL) *error = transaction->failure;
    return transaction->failure.code;
}

/* Of those that are being ended, and have not heard how. */
static int refuse_undecided(const struct weir_producer_transaction *transaction,
                            struct weir_error *error)
{
    bool commits = transaction->standing == WEIR_STANDING_COMMITTING;
    return refuse(transaction,
                  commits ? "its commit is not decided yet: weir_producer_commit asks again"
                          : "its abort is not done yet: weir_producer_abort asks again",
                  error);
}

/* ---- failures -------------------------------------------------------------------------------- */

/* The first one says why. */
static void keep(struct weir_producer_transaction *transaction, int rc,
                 const struct weir_error *why)
{
    if (transaction->failure.code != 0 && !weir_producer_transaction_is_final(rc)) return;
    if (why != NULL && why->code != 0) {
        transaction->failure = *why;
    } else {
        (void)weir_error_set(&transaction->failure, (enum weir_code)rc, "%s", weir_code_text(rc));
    }
}

static void lose(struct weir_producer_transaction *transaction, int rc,
                 const struct weir_error *why)
{
    keep(transaction, rc, why);
    (void)weir_error_wrap(&transaction->failure, rc,
                          "transactional id '%.200s': this producer is out of use, close it",
                          transaction->id);
    move(transaction, WEIR_STANDING_LOST);
}

static void fail(struct weir_producer_transaction *transaction, int rc,
                 const struct weir_error *why)
{
    weir_assert(rc < 0);
    if (transaction->standing == WEIR_STANDING_LOST) return;
    if (weir_producer_transaction_is_final(rc)) {
        lose(transaction, rc, why);
    } else if (transaction->standing == WEIR_STANDING_OPEN) {
        keep(transaction, rc, why);
        move(transaction, WEIR_STANDING_BROKEN);
    }
}

/* ---- the step -------------------------------------------------------------------------------- */

static void be_idle(struct weir_producer_transaction *transaction)
{
    transaction->has_sent = false;
    transaction->failure = (struct weir_error){0};
    move(transaction, WEIR_STANDING_IDLE);
}

static int begin(struct weir_producer_transaction *transaction, struct weir_error *error)
{
    switch (transaction->standing) {
    case WEIR_STANDING_IDLE:
        move(transaction, WEIR_STANDING_OPEN);
        return 0;
    case WEIR_STANDING_OPEN:
        return refuse(transaction,
                      "a transaction is open: weir_producer_commit or weir_producer_abort ends it",
                      error);
    case WEIR_STANDING_BROKEN:
        return tell_broken(transaction, error);
    case WEIR_STANDING_COMMITTING:
    case WEIR_STANDING_ABORTING:
        return refuse_undecided(transaction, error);
    case WEIR_STANDING_LOST:
        break;
    }
    return tell_lost(transaction, error);
}

static int send(struct weir_producer_transaction *transaction, struct weir_error *error)
{
    switch (transaction->standing) {
    case WEIR_STANDING_OPEN:
        transaction->has_sent = true;
        return 0;
    case WEIR_STANDING_IDLE:
        return refuse(transaction,
                      "nothing is sent outside of a transaction: weir_producer_begin begins one",
                      error);
    case WEIR_STANDING_BROKEN:
        return tell_broken(transaction, error);
    case WEIR_STANDING_COMMITTING:
    case WEIR_STANDING_ABORTING:
        return refuse_undecided(transaction, error);
    case WEIR_STANDING_LOST:
        break;
    }
    return tell_lost(transaction, error);
}

int weir_producer_transaction_check_end(const struct weir_producer_transaction *transaction,
                                        bool is_commit, struct weir_error *error)
{
    switch (transaction->standing) {
    case WEIR_STANDING_OPEN:
        return 0;
    case WEIR_STANDING_IDLE:
        return refuse(transaction, "no transaction is open: weir_producer_begin begins one", error);
    case WEIR_STANDING_BROKEN:
        return is_commit ? tell_broken(transaction, error) : 0;
    case WEIR_STANDING_COMMITTING:
        return is_commit ? 0 : refuse_undecided(transaction, error);
    case WEIR_STANDING_ABORTING:
        return is_commit ? refuse_undecided(transaction, error) : 0;
    case WEIR_STANDING_LOST:
        break;
    }
    return tell_lost(transaction, error);
}

static int end(struct weir_producer_transaction *transaction, bool is_commit,
               struct weir_error *error)
{
    int rc = weir_producer_transaction_check_end(transaction, is_commit, error);
    if (rc < 0) return rc;
    if (!transaction->has_sent) {
        be_idle(transaction);
        return 0;
    }
    enum weir_transaction_standing to =
        is_commit ? WEIR_STANDING_COMMITTING : WEIR_STANDING_ABORTING;
    transaction->failure = (struct weir_error){0};
    if (transaction->standing != to) move(transaction, to);
    return 1;
}

/* A shortage, a time that has run out: what has become of it is not known, so the same is asked for again. */
static int ended(struct weir_producer_transaction *transaction,
                 const struct weir_transaction_event *event, struct weir_error *error)
{
    bool commits = transaction->standing == WEIR_STANDING_COMMITTING;
    weir_assert(commits || transaction->standing == WEIR_STANDING_ABORTING);
    if (event->rc >= 0) {
        be_idle(transaction);
        return 0;
    }
    if (weir_producer_transaction_is_final(event->rc)) {
        lose(transaction, event->rc, event->why);
        return tell_lost(transaction, error);
    }
    if (commits && event->rc == WEIR_TRANSACTION_ABORTABLE) {
        keep(transaction, event->rc, event->why);
        move(transaction, WEIR_STANDING_BROKEN);
        return tell_broken(transaction, error);
    }
    if (error != NULL && event->why != NULL) *error = *event->why;
    return event->rc;
}

int weir_producer_transaction_step(struct weir_producer_transaction *transaction,
                                   const struct weir_transaction_event *event,
                                   struct weir_error *error)
{
    int rc = 0;
    weir_producer_transaction_check(transaction);
    switch (event->type) {
    case WEIR_TRANSACTION_BEGIN:
        rc = begin(transaction, error);
        break;
    case WEIR_TRANSACTION_SEND:
        rc = send(transaction, error);
        break;
    case WEIR_TRANSACTION_COMMIT:
        rc = end(transaction, true, error);
        break;
    case WEIR_TRANSACTION_ABORT:
        rc = end(transaction, false, error);
        break;
    case WEIR_TRANSACTION_FAILED:
        fail(transaction, event->rc, event->why);
        break;
    case WEIR_TRANSACTION_ENDED:
        rc = ended(transaction, event, error);
        break;
    }
    weir_producer_transaction_check(transaction);
    return rc;
}
