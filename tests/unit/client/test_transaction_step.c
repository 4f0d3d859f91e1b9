#include "client/transaction_step.h"

#include <string.h>

#include "base/error.h"
#include "tests/support/support.h"

/** A transactional producer's standing: every call and every answer in each of them, and stories. */

static struct weir_producer_transaction transaction;
static struct weir_error error;

static int take(enum weir_transaction_event_type type, int rc)
{
    struct weir_error why = {0};
    if (rc < 0) (void)weir_error_set(&why, (enum weir_code)rc, "because of %d", rc);
    weir_error_clear(&error);
    return weir_producer_transaction_step(
        &transaction, &(struct weir_transaction_event){type, rc, rc < 0 ? &why : NULL}, &error);
}

/* There by the shortest way. */
static void stand(enum weir_transaction_standing standing)
{
    transaction = (struct weir_producer_transaction){.id = "copier"};
    if (standing == WEIR_STANDING_IDLE) return;
    ck_assert_int_eq(take(WEIR_TRANSACTION_BEGIN, 0), 0);
    ck_assert_int_eq(take(WEIR_TRANSACTION_SEND, 0), 0);
    if (standing == WEIR_STANDING_BROKEN) take(WEIR_TRANSACTION_FAILED, WEIR_NO_SPACE);
    if (standing == WEIR_STANDING_LOST) take(WEIR_TRANSACTION_FAILED, WEIR_PRODUCER_FENCED);
    if (standing == WEIR_STANDING_COMMITTING) take(WEIR_TRANSACTION_COMMIT, 0);
    if (standing == WEIR_STANDING_ABORTING) take(WEIR_TRANSACTION_ABORT, 0);
    ck_assert_int_eq(transaction.standing, standing);
}

enum { STANDINGS = WEIR_STANDING_LOST + 1 };
#define IDLE WEIR_STANDING_IDLE
#define OPEN WEIR_STANDING_OPEN
#define BROKEN WEIR_STANDING_BROKEN
#define COMMITTING WEIR_STANDING_COMMITTING
#define ABORTING WEIR_STANDING_ABORTING
#define LOST WEIR_STANDING_LOST
#define STATE WEIR_INVALID_TXN_STATE
#define ABORTABLE WEIR_TRANSACTION_ABORTABLE
#define FENCED WEIR_PRODUCER_FENCED

struct cell {
    int rc;
    enum weir_transaction_standing after;
};

/* In the order of the standings: what a call gives, and where the producer stands then. */
static const struct cell calls[][STANDINGS] = {
    [WEIR_TRANSACTION_BEGIN] = {{0, OPEN},
                                {STATE, OPEN},
                                {ABORTABLE, BROKEN},
                                {STATE, COMMITTING},
                                {STATE, ABORTING},
                                {FENCED, LOST}},
    [WEIR_TRANSACTION_SEND] = {{STATE, IDLE},
                               {0, OPEN},
                               {ABORTABLE, BROKEN},
                               {STATE, COMMITTING},
                               {STATE, ABORTING},
                               {FENCED, LOST}},
    [WEIR_TRANSACTION_COMMIT] = {{STATE, IDLE},
                                 {1, COMMITTING},
                                 {ABORTABLE, BROKEN},
                                 {1, COMMITTING},
                                 {STATE, ABORTING},
                                 {FENCED, LOST}},
    [WEIR_TRANSACTION_ABORT] = {{STATE, IDLE},
                                {1, ABORTING},
                                {1, ABORTING},
                                {STATE, COMMITTING},
                                {1, ABORTING},
                                {FENCED, LOST}},
};

START_TEST(each_call_is_taken_or_refused_where_it_stands)
{
    for (size_t type = 0; type < sizeof calls / sizeof calls[0]; type++) {
        for (int standing = 0; standing < STANDINGS; standing++) {
            const struct cell *cell = &calls[type][standing];
            stand((enum weir_transaction_standing)standing);
            if (type == WEIR_TRANSACTION_COMMIT || type == WEIR_TRANSACTION_ABORT) {
                bool commits = type == WEIR_TRANSACTION_COMMIT;
                ck_assert_int_eq(weir_producer_transaction_check_end(&transaction, commits, NULL),
                                 cell->rc < 0 ? cell->rc : 0);
            }
            ck_assert_int_eq(take((enum weir_transaction_event_type)type, 0), cell->rc);
            ck_assert_int_eq(transaction.standing, cell->after);
            ck_assert_int_eq(error.code, cell->rc < 0 ? cell->rc : 0);
            if (cell->rc < 0) ck_assert_ptr_nonnull(strstr(error.text, "copier"));
        }
    }
}
END_TEST

/* A failure breaks what is open, and nothing else; one that is final is the end wherever it comes. */
START_TEST(a_failure_breaks_what_is_open)
{
    static const enum weir_transaction_standing after[] = {IDLE,       BROKEN,   BROKEN,
                                                           COMMITTING, ABORTING, LOST};
    static const int final[] = {WEIR_PRODUCER_FENCED, WEIR_INVALID_PRODUCER_ID_MAPPING,
                                WEIR_INVALID_TXN_STATE, WEIR_TRANSACTION_COORDINATOR_FENCED};
    for (int standing = 0; standing < STANDINGS; standing++) {
        stand((enum weir_transaction_standing)standing);
        ck_assert_int_eq(take(WEIR_TRANSACTION_FAILED, WEIR_UNKNOWN_TOPIC_OR_PARTITION), 0);
        ck_assert_int_eq(transaction.standing, after[standing]);
        for (size_t i = 0; i < sizeof final / sizeof *final; i++) {
            stand((enum weir_transaction_standing)standing);
            ck_assert_int_eq(take(WEIR_TRANSACTION_FAILED, final[i]), 0);
            ck_assert_int_eq(transaction.standing, LOST);
            bool was_lost = standing == WEIR_STANDING_LOST;
            ck_assert_int_eq(take(WEIR_TRANSACTION_BEGIN, 0), was_lost ? FENCED : final[i]);
        }
    }
}
END_TEST

/* The first failure says why, until it is aborted; then the producer goes on. */
START_TEST(the_first_failure_is_told)
{
    stand(BROKEN);
    ck_assert_int_eq(take(WEIR_TRANSACTION_FAILED, WEIR_TOO_LARGE), 0);
    ck_assert_int_eq(take(WEIR_TRANSACTION_COMMIT, 0), ABORTABLE);
    ck_assert_ptr_nonnull(strstr(error.text, "because of -4"));
    ck_assert_ptr_nonnull(strstr(error.text, "weir_producer_abort"));
    ck_assert_int_eq(take(WEIR_TRANSACTION_ABORT, 0), 1);
    ck_assert_int_eq(take(WEIR_TRANSACTION_ENDED, 0), 0);
    ck_assert_int_eq(transaction.standing, IDLE);
    ck_assert_int_eq(take(WEIR_TRANSACTION_BEGIN, 0), 0);
    ck_assert_int_eq(transaction.standing, OPEN);
}
END_TEST

/* Of one in which nothing was sent the log need not hear. */
START_TEST(an_empty_one_ends_by_itself)
{
    for (int commits = 0; commits < 2; commits++) {
        stand(IDLE);
        ck_assert_int_eq(take(WEIR_TRANSACTION_BEGIN, 0), 0);
        ck_assert_int_eq(take(commits ? WEIR_TRANSACTION_COMMIT : WEIR_TRANSACTION_ABORT, 0), 0);
        ck_assert_int_eq(transaction.standing, IDLE);
    }
}
END_TEST

/* An end that is not known to be decided is asked for again, the same one; one that is refused breaks the
 * transaction, or is the end of the producer. */
START_TEST(an_end_is_asked_for_until_it_is_decided)
{
    for (int commits = 0; commits < 2; commits++) {
        enum weir_transaction_event_type end =
            commits ? WEIR_TRANSACTION_COMMIT : WEIR_TRANSACTION_ABORT;
        enum weir_transaction_event_type other =
            commits ? WEIR_TRANSACTION_ABORT : WEIR_TRANSACTION_COMMIT;
        stand(commits ? COMMITTING : ABORTING);
        ck_assert_int_eq(take(WEIR_TRANSACTION_ENDED, WEIR_TIMED_OUT), WEIR_TIMED_OUT);
        ck_assert_ptr_nonnull(strstr(error.text, "because of"));
        ck_assert_int_eq(take(other, 0), STATE);
        ck_assert_int_eq(take(end, 0), 1);
        ck_assert_int_eq(take(WEIR_TRANSACTION_ENDED, 0), 0);
        ck_assert_int_eq(transaction.standing, IDLE);
        stand(commits ? COMMITTING : ABORTING);
        ck_assert_int_eq(take(WEIR_TRANSACTION_ENDED, FENCED), FENCED);
        ck_assert_int_eq(transaction.standing, LOST);
    }
    stand(COMMITTING);
    ck_assert_int_eq(take(WEIR_TRANSACTION_ENDED, ABORTABLE), ABORTABLE);
    ck_assert_int_eq(transaction.standing, BROKEN);
    ck_assert_int_eq(take(WEIR_TRANSACTION_ABORT, 0), 1);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("step");
    tcase_add_test(tests, each_call_is_taken_or_refused_where_it_stands);
    tcase_add_test(tests, a_failure_breaks_what_is_open);
    tcase_add_test(tests, the_first_failure_is_told);
    tcase_add_test(tests, an_empty_one_ends_by_itself);
    tcase_add_test(tests, an_end_is_asked_for_until_it_is_decided);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("transaction step", add);
}
