/**
 * Which transactions hang, asked of a server that goes on working meanwhile.
 *
 * Partition and coordinator cannot be asked at one moment, and the times of records are what their producers
 * say: old data that is copied is old from the first moment, and offsets have no time at all. So the order
 * of the questions decides:
 *
 *   1. each partition: what is open in it, and old enough
 *   2. the coordinator: does it have that partition in an open transaction of that producer?
 *   3. what it does not have, the partition once more: is the same one, from the same offset, open still?
 *
 * Of a transactional id whose partition of `__transaction_state` is offline nobody can tell, and so of nothing that is
 * open in a partition: then the search fails.
 *
 * A coordinator has a partition before anything is appended there, and until its marker is written. What is
 * open at 1 and at 3 was open all the while, so the coordinator had it at 2, or it hangs.
 */
#include "cli/hanging_search.h"

#include <string.h>

#include "base/error.h"

enum { ROWS_FIRST = 16 };

struct search {
    struct place *place;
    struct weir_arena *arena;
    struct hanging_list list;
    size_t capacity;
    size_t offline_capacity;
};

/* ---- 1: what is open in the partitions ------------------------------------------------------- */

/* One whose topic is deleted meanwhile has nothing open. */
static int ask_partition(struct search *search, const struct weir_topic_partition *of,
                         struct place_producers *producers_out, struct weir_error *error)
{
    *producers_out = (struct place_producers){0};
    int rc = search->place->ops->transactions->producers(search->place, search->arena, of,
                                                         producers_out, error);
    if (rc != WEIR_UNKNOWN_TOPIC_OR_PARTITION) return rc;
    *producers_out = (struct place_producers){0};
    *error = (struct weir_error){0};
    return 0;
}

static int add(struct search *search, const struct weir_topic_partition *of,
               const struct weir_producer_info *producer, struct weir_error *error)
{
    struct hanging *rows = weir_arena_grow(search->arena, search->list.rows, search->list.count,
                                           &search->capacity, ROWS_FIRST, sizeof *rows);
    if (rows == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "open transactions");
    search->list.rows = rows;
    rows[search->list.count++] = (struct hanging){.of = *of, .producer = *producer};
    return 0;
}

static int add_offline(struct search *search, const struct weir_topic_partition *of,
                       struct weir_error *error)
{
    struct weir_topic_partition *rows =
        weir_arena_grow(search->arena, search->list.offline, search->list.offline_count,
                        &search->offline_capacity, ROWS_FIRST, sizeof *rows);
    if (rows == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "partitions that are offline");
    search->list.offline = rows;
    rows[search->list.offline_count++] = *of;
    *error = (struct weir_error){0};
    return 0;
}

static int collect_partition(struct search *search, const struct weir_topic_partition *of,
                             int64_t before_ms, struct weir_error *error)
{
    struct place_producers producers;
    int rc = ask_partition(search, of, &producers, error);
    if (rc == WEIR_OFFLINE) return add_offline(search, of, error);
    for (size_t i = 0; rc == 0 && i < producers.count; i++) {
        const struct weir_producer_info *row = &producers.rows[i];
        bool is_old = row->transaction_first_offset >= 0 && row->last_timestamp_ms < before_ms;
        if (is_old) rc = add(search, of, row, error);
    }
    return rc;
}

static int collect(struct search *search, int64_t before_ms, struct weir_error *error)
{
    struct place_topics topics = {0};
    struct place *place = search->place;
    int rc = place->ops->list(place, search->arena, &topics, error);
    for (size_t t = 0; rc == 0 && t < topics.count; t++) {
        /* The coordinator's own log has no transactions in it. */
        if (strcmp(topics.rows[t].name, WEIR_TRANSACTION_STATE_TOPIC) == 0) continue;
        for (int32_t p = 0; rc == 0 && p < topics.rows[t].partition_count; p++) {
            const struct weir_topic_partition of = {weir_text(topics.rows[t].name), p};
            rc = collect_partition(search, &of, before_ms, error);
        }
    }
    return rc;
}

/* ---- 2: what the coordinator has ------------------------------------------------------------- */

static bool has_partition(const struct place_transaction *transaction,
                          const struct weir_topic_partition *of)
{
    for (size_t i = 0; i < transaction->partition_count; i++) {
        const struct weir_topic_partition *its = &transaction->partitions[i];
        if (its->partition == of->partition && weir_slice_equal(its->topic, of->topic)) return true;
    }
    return false;
}

/* Will its coordinator end it in this partition? An id that it has forgotten meanwhile has nothing open. */
static int check_coordinator(struct search *search, const struct place_transactions *known,
                             struct hanging *row, struct weir_error *error)
{
    row->hangs = true;
    for (size_t i = 0; row->hangs && i < known->count; i++) {
        if (!place_transaction_is_open(&known->rows[i]) ||
            known->rows[i].producer_id != row->producer.producer_id) {
            continue;
        }
        struct place_transaction described = {0};
        int rc = search->place->ops->transactions->describe(search->place, search->arena,
                                                            known->rows[i].id, &described, error);
        if (rc == WEIR_TRANSACTIONAL_ID_NOT_FOUND) {
            *error = (struct weir_error){0};
            continue;
        }
        if (rc < 0) return rc;
        row->hangs = !has_partition(&described, &row->of);
    }
    return 0;
}

/* ---- 3: whether it is open still ------------------------------------------------------------- */

static int check_partition(struct search *search, struct hanging *row, struct weir_error *error)
{
    struct place_producers producers;
    int rc = ask_partition(search, &row->of, &producers, error);
    row->hangs = false;
    for (size_t i = 0; rc == 0 && i < producers.count; i++) {
        const struct weir_producer_info *now = &producers.rows[i];
        row->hangs =
            row->hangs || (now->producer_id == row->producer.producer_id &&
                           now->transaction_first_offset == row->producer.transaction_first_offset);
    }
    return rc;
}

static int decide(struct search *search, struct weir_error *error)
{
    struct place_transactions known = {0};
    struct place *place = search->place;
    if (search->list.count == 0) return 0;
    int rc = place->ops->transactions->list(place, search->arena, &known, error);
    if (rc == 0) rc = place_transactions_check_whole(&known, error);
    for (size_t i = 0; rc == 0 && i < search->list.count; i++) {
        struct hanging *row = &search->list.rows[i];
        rc = check_coordinator(search, &known, row, error);
        if (rc == 0 && row->hangs) rc = check_partition(search, row, error);
    }
    return rc;
}

int hanging_search(struct place *place, struct weir_arena *arena, int64_t before_ms,
                   struct hanging_list *found_out, struct weir_error *error)
{
    struct search search = {.place = place, .arena = arena};
    *found_out = (struct hanging_list){0};
    int rc = collect(&search, before_ms, error);
    if (rc == 0) rc = decide(&search, error);
    if (rc < 0) return rc;
    *found_out = search.list;
    found_out->count = 0;
    for (size_t i = 0; i < search.list.count; i++) {
        if (search.list.rows[i].hangs) found_out->rows[found_out->count++] = search.list.rows[i];
    }
    return 0;
}
