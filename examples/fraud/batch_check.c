#include "batch_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fraud.h"
#include "generator.h"

/* ---- lists, sorted where they are searched ---------------------------------------------------- */

struct list {
    void *items;
    size_t item_size;
    size_t count;
    size_t capacity;
};

static void *list_add(struct list *list)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 1024 : list->capacity * 2;
        void *items = realloc(list->items, list->capacity * list->item_size);
        if (items == NULL) {
            fprintf(stderr, "fraud: out of memory\n");
            exit(1);
        }
        list->items = items;
    }
    return (char *)list->items + list->item_size * list->count++;
}

static void *list_at(const struct list *list, size_t index)
{
    return (char *)list->items + list->item_size * index;
}

/* Sort, and keep one of each that compare equal: the last, for `order` puts offsets last. */
static void list_sort_unique(struct list *list, int (*order)(const void *, const void *),
                             int (*same)(const void *, const void *))
{
    if (list->count == 0) return;
    qsort(list->items, list->count, list->item_size, order);
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (i + 1 < list->count && same(list_at(list, i), list_at(list, i + 1)) == 0) continue;
        if (kept != i) memcpy(list_at(list, kept), list_at(list, i), list->item_size);
        kept++;
    }
    list->count = kept;
}

/* ---- topics --------------------------------------------------------------------------------------- */

typedef int (*record_fn)(void *context, const struct weir_record *record, int32_t partition);

static int read_topic(struct weir_log *log, const char *topic, record_fn each, void *context,
                      struct weir_error *error)
{
    struct weir_consumer *consumer = weir_consumer_new(log, NULL, error);
    if (consumer == NULL) return error->code;
    int rc = weir_consumer_assign_topic(consumer, topic, WEIR_POSITION_BEGINNING, error);
    struct weir_batch_view batch;
    while (rc == 0 && (rc = weir_consumer_poll(consumer, 0, &batch, error)) == 0) {
        for (size_t i = 0; rc == 0 && i < batch.record_count; i++) {
            rc = each(context, &batch.records[i], batch.partition);
        }
    }
    int closed = weir_consumer_close(consumer, rc >= 0 ? error : NULL);
    return rc < 0 ? rc : closed;
}

/* ---- alerts: by rule, and payment or card and window ------------------------------------------- */

struct flag {
    char rule[20];
    char card[24];
    int64_t number; /* the payment's position; for velocity the window's start */
    int64_t count;  /* for velocity: the window's payments so far; 0 else */
};

static int compare_flags(const void *a, const void *b)
{
    const struct flag *left = a, *right = b;
    int order = strcmp(left->rule, right->rule);
    if (order == 0) order = strcmp(left->card, right->card);
    if (order != 0) return order;
    return left->number < right->number ? -1 : left->number > right->number;
}

/* A window that a commit fell into is told once more, with a larger count: that is no repetition. */
static int compare_updates(const void *a, const void *b)
{
    const struct flag *left = a, *right = b;
    int order = compare_flags(a, b);
    if (order != 0) return order;
    return left->count < right->count ? -1 : left->count > right->count;
}

static void add_flag(struct list *flags, const char *rule, const char *card, int64_t number)
{
    struct flag *flag = list_add(flags);
    *flag = (struct flag){.number = number};
    (void)snprintf(flag->rule, sizeof flag->rule, "%s", rule);
    (void)snprintf(flag->card, sizeof flag->card, "%s", card);
}

/* The text behind `"name":` in an alert of ours, which has no escapes. */
static const char *member(const char *json, const char *name)
{
    char quoted[32];
    (void)snprintf(quoted, sizeof quoted, "\"%s\":", name);
    const char *found = strstr(json, quoted);
    return found == NULL ? NULL : found + strlen(quoted);
}

static int read_alert(void *context, const struct weir_record *record, int32_t partition)
{
    char json[1024], rule[20] = "", card[24] = "";
    (void)partition;
    (void)snprintf(json, sizeof json, "%.*s", (int)record->value.size,
                   (const char *)record->value.data);
    const char *rule_text = member(json, "rule"), *card_text = member(json, "card");
    const char *number = member(json, "payment");
    if (number == NULL) number = member(json, "window");
    if (rule_text == NULL || card_text == NULL || number == NULL) return WEIR_SERDE;
    (void)sscanf(rule_text, "\"%19[^\"]", rule);
    (void)sscanf(card_text, "\"%23[^\"]", card);
    add_flag(context, rule, card, strtoll(number, NULL, 10));
    const char *count = member(json, "count");
    struct flag *flag = list_at(context, ((struct list *)context)->count - 1);
    if (count != NULL) flag->count = strtoll(count, NULL, 10);
    return 0;
}

static bool has_flag(const struct list *flags, const char *rule, const char *card, int64_t number)
{
    struct flag wanted = {.number = number};
    if (flags->count == 0) return false;
    (void)snprintf(wanted.rule, sizeof wanted.rule, "%s", rule);
    (void)snprintf(wanted.card, sizeof wanted.card, "%s", card);
    return bsearch(&wanted, flags->items, flags->count, flags->item_size, compare_flags) != NULL;
}

/* ---- the score against the labels ------------------------------------------------------------------ */

static const char *const payment_rules[] = {"amount", "journey", "blocked-merchant"};

struct scoring {
    const struct list *flags;
    struct list right; /* flags about a fraud */
    struct score *score;
};

static int64_t window_of(const struct payment *payment)
{
    return payment->time_ms - payment->time_ms % VELOCITY_WINDOW_MS;
}

static int score_payment(void *context, const struct weir_record *record, int32_t partition)
{
    struct scoring *scoring = context;
    struct payment payment;
    (void)partition;
    /* What is no payment is somebody else's, and among the dead letters. */
    if (weir_deserialize(&payment_serde, record->value, &payment, NULL) < 0) return 0;
    scoring->score->payments += 1;
    if (!payment.is_fraud) return 0;
    scoring->score->frauds += 1;
    bool is_caught = false;
    for (size_t i = 0; i < 3; i++) {
        if (!has_flag(scoring->flags, payment_rules[i], payment.card, payment.position)) continue;
        add_flag(&scoring->right, payment_rules[i], payment.card, payment.position);
        is_caught = true;
    }
    if (has_flag(scoring->flags, "velocity", payment.card, window_of(&payment))) {
        add_flag(&scoring->right, "velocity", payment.card, window_of(&payment));
        is_caught = true;
    }
    scoring->score->caught += is_caught;
    return 0;
}

int score_alerts(struct weir_log *log, struct score *score_out, struct weir_error *error)
{
    struct score score = {0};
    struct list flags = {.item_size = sizeof(struct flag)};
    struct scoring scoring = {&flags, {.item_size = sizeof(struct flag)}, &score};
    int rc = read_topic(log, "alerts", read_alert, &flags, error);
    score.alerts = (int64_t)flags.count;
    list_sort_unique(&flags, compare_flags, compare_flags);
    if (rc >= 0) rc = read_topic(log, "payments", score_payment, &scoring, error);
    list_sort_unique(&scoring.right, compare_flags, compare_flags);
    score.distinct = (int64_t)flags.count;
    score.right = (int64_t)scoring.right.count;
    free(flags.items);
    free(scoring.right.items);
    if (rc < 0) return rc;
    *score_out = score;
    return 0;
}

/* ---- the batch computation --------------------------------------------------------------------------- */

/* What a key of a state should hold, or does: the bytes as in the changelog. */
struct entry {
    uint8_t key[64];
    size_t key_size;
    uint8_t value[512];
    size_t value_size;
    int64_t offset; /* in the changelog: the last one counts */
};

struct expectation {
    struct list payments; /* all of the source */
    struct list flags;
    struct list windows, profiles, places; /* of struct entry, by state */
    int failures;
};

static int compare_keys(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    size_t common = left->key_size < right->key_size ? left->key_size : right->key_size;
    int order = memcmp(left->key, right->key, common);
    if (order != 0) return order;
    return left->key_size < right->key_size ? -1 : left->key_size > right->key_size;
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    int order = compare_keys(a, b);
    if (order != 0) return order;
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

static int compare_payments(const void *a, const void *b)
{
    const struct payment *left = a, *right = b;
    int order = strcmp(left->card, right->card);
    if (order != 0) return order;
    return left->position < right->position ? -1 : left->position > right->position;
}

static int compare_numbers(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static void store_big_endian(uint8_t *to, int64_t value)
{
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)((uint64_t)value >> (56 - 8 * i));
}

static struct entry *add_entry(struct list *entries, const char *card)
{
    struct entry *entry = list_add(entries);
    *entry = (struct entry){.key_size = strlen(card)};
    memcpy(entry->key, card, entry->key_size);
    return entry;
}

static void add_object(struct list *entries, const char *card, const struct weir_serde *serde,
                       const void *object)
{
    struct entry *entry = add_entry(entries, card);
    int64_t size = weir_serialize(serde, object, entry->value, sizeof entry->value, NULL);
    entry->value_size = size < 0 ? 0 : (size_t)size;
}

static void expect_windows(struct expectation *expected, const struct payment *payments,
                           size_t count)
{
    struct list starts = {.item_size = sizeof(int64_t)};
    for (size_t i = 0; i < count; i++)
        *(int64_t *)list_add(&starts) = window_of(&payments[i]);
    qsort(starts.items, count, sizeof(int64_t), compare_numbers);
    const int64_t *start = starts.items;
    for (size_t i = 0; i < count;) {
        size_t next = i;
        while (next < count && start[next] == start[i])
            next++;
        struct entry *entry = add_entry(&expected->windows, payments->card);
        store_big_endian(entry->key + entry->key_size, start[i]);
        entry->key_size += 8 + 4; /* the start, and a sequence number that is 0 here */
        store_big_endian(entry->value, (int64_t)(next - i));
        entry->value_size = 8;
        if (next - i >= VELOCITY_COUNT)
            add_flag(&expected->flags, "velocity", payments->card, start[i]);
        i = next;
    }
    free(starts.items);
}

static bool is_blocked(const char *merchant)
{
    char name[96];
    for (int i = 0; i < GENERATOR_BLOCKED_COUNT; i++) {
        generate_blocked_merchant(i, name, sizeof name);
        if (strcmp(name, merchant) == 0) return true;
    }
    return false;
}

/* All payments of one card, in order. */
static void expect_card(struct expectation *expected, const struct payment *payments, size_t count)
{
    const char *card = payments->card;
    struct profile profile = {0};
    const struct payment *place = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct payment *payment = &payments[i];
        profile_add(&profile, payment);
        if (profile.deviations > AMOUNT_DEVIATIONS) {
            add_flag(&expected->flags, "amount", card, payment->position);
        }
        if (place != NULL && is_impossible_journey(place, payment)) {
            add_flag(&expected->flags, "journey", card, payment->position);
        } else {
            place = payment;
        }
        if (is_blocked(payment->merchant)) {
            add_flag(&expected->flags, "blocked-merchant", card, payment->position);
        }
    }
    add_object(&expected->profiles, card, &profile_serde, &profile);
    add_object(&expected->places, card, &payment_serde, place);
    expect_windows(expected, payments, count);
}

/* Everything of the source, and whether it came in order of time (nothing can be late then). */
static bool read_source(struct expectation *expected, const struct source_options *options,
                        int64_t end, bool *in_order_out)
{
    const char *csv_path = options->csv_path;
    struct payment payment;
    int64_t latest_ms = INT64_MIN;
    *in_order_out = true;
    struct csv csv = {0};
    char reason[256];
    if (csv_path != NULL && !csv_open(&csv, csv_path, options->latest_ms, reason, sizeof reason)) {
        return false;
    }
    for (int64_t number = 1; csv_path != NULL || number < end; number++) {
        if (csv_path != NULL) {
            enum csv_result result = csv_next(&csv, &payment, reason, sizeof reason);
            if (result == CSV_BAD) continue;
            if (result != CSV_PAYMENT) break;
        } else {
            generate_payment(options->seed, number, &payment);
        }
        if (payment.time_ms < latest_ms) *in_order_out = false;
        latest_ms = payment.time_ms > latest_ms ? payment.time_ms : latest_ms;
        memcpy(list_add(&expected->payments), &payment, sizeof payment);
    }
    csv_close(&csv);
    return true;
}

static void expect_all(struct expectation *expected)
{
    struct list *payments = &expected->payments;
    qsort(payments->items, payments->count, payments->item_size, compare_payments);
    for (size_t i = 0; i < payments->count;) {
        const struct payment *first = list_at(payments, i);
        size_t next = i;
        while (next < payments->count &&
               strcmp(((struct payment *)list_at(payments, next))->card, first->card) == 0) {
            next++;
        }
        expect_card(expected, first, next - i);
        i = next;
    }
}

/* ---- comparing ------------------------------------------------------------------------------------ */

static void differ(struct expectation *expected, const char *what, const char *detail)
{
    if (expected->failures++ < 10) fprintf(stderr, "differs: %s: %s\n", what, detail);
}

static int read_changelog(void *context, const struct weir_record *record, int32_t partition)
{
    struct entry *entry = list_add(context);
    (void)partition; /* a key is in one partition only */
    *entry = (struct entry){.offset = record->offset};
    if (record->key.size > sizeof entry->key || record->value.size > sizeof entry->value) {
        return WEIR_TOO_LARGE;
    }
    entry->key_size = record->key.size;
    entry->value_size = record->value.size;
    memcpy(entry->key, record->key.data, record->key.size);
    if (record->value.size > 0) memcpy(entry->value, record->value.data, record->value.size);
    return 0;
}

static int compare_state(struct expectation *expected, struct weir_log *log,
                         const char *application, const char *store, struct list *wanted,
                         struct weir_error *error)
{
    char topic[250], detail[128];
    struct list found = {.item_size = sizeof(struct entry)};
    (void)snprintf(topic, sizeof topic, "%s-%s-changelog", application, store);
    int rc = read_topic(log, topic, read_changelog, &found, error);
    list_sort_unique(&found, compare_entries, compare_keys);
    list_sort_unique(wanted, compare_entries, compare_keys);
    size_t i = 0, j = 0;
    while (rc >= 0 && (i < wanted->count || j < found.count)) {
        const struct entry *want = i < wanted->count ? list_at(wanted, i) : NULL;
        const struct entry *have = j < found.count ? list_at(&found, j) : NULL;
        int order = want == NULL ? 1 : have == NULL ? -1 : compare_keys(want, have);
        const char *how = order < 0 ? "is missing" : order > 0 ? "should not be there" : NULL;
        if (order == 0 && (want->value_size != have->value_size ||
                           memcmp(want->value, have->value, want->value_size) != 0)) {
            how = "has another value";
        }
        if (how != NULL) {
            const struct entry *shown = order > 0 ? have : want;
            (void)snprintf(detail, sizeof detail, "card %.19s %s", (const char *)shown->key, how);
            differ(expected, store, detail);
        }
        i += order <= 0;
        j += order >= 0;
    }
    printf("checked  state=%s keys=%zu\n", store, found.count);
    free(found.items);
    return rc < 0 ? rc : 0;
}

static int compare_alerts(struct expectation *expected, struct weir_log *log,
                          struct weir_error *error)
{
    char detail[128];
    struct list found = {.item_size = sizeof(struct flag)};
    int rc = read_topic(log, "alerts", read_alert, &found, error);
    if (rc < 0) goto out;
    const size_t total = found.count;
    list_sort_unique(&found, compare_updates, compare_updates);
    const size_t repeated = total - found.count;
    list_sort_unique(&found, compare_flags, compare_flags);
    list_sort_unique(&expected->flags, compare_flags, compare_flags);
    for (int side = 0; side < 2; side++) {
        const struct list *from = side == 0 ? &expected->flags : &found;
        const struct list *in = side == 0 ? &found : &expected->flags;
        for (size_t i = 0; i < from->count; i++) {
            const struct flag *flag = list_at(from, i);
            if (has_flag(in, flag->rule, flag->card, flag->number)) continue;
            (void)snprintf(detail, sizeof detail, "%s, card %s, %" PRId64 " %s", flag->rule,
                           flag->card, flag->number,
                           side == 0 ? "is missing" : "should not be there");
            differ(expected, "alerts", detail);
        }
    }
    printf("checked  alerts=%zu repeated=%zu\n", found.count, repeated);
out:
    free(found.items);
    return rc < 0 ? rc : 0;
}

static int read_payment_position(void *context, const struct weir_record *record, int32_t partition)
{
    struct payment payment;
    (void)partition;
    int rc = weir_deserialize(&payment_serde, record->value, &payment, NULL);
    if (rc == 0) *(int64_t *)list_add(context) = payment.position;
    return rc;
}

/* Each payment of the source is in the topic, once. */
static int compare_payments_topic(struct expectation *expected, struct weir_log *log,
                                  struct weir_error *error)
{
    char detail[64];
    struct list found = {.item_size = sizeof(int64_t)};
    struct list wanted = {.item_size = sizeof(int64_t)};
    int rc = read_topic(log, "payments", read_payment_position, &found, error);
    for (size_t i = 0; i < expected->payments.count; i++) {
        const struct payment *payment = list_at(&expected->payments, i);
        *(int64_t *)list_add(&wanted) = payment->position;
    }
    if (found.count > 0) qsort(found.items, found.count, sizeof(int64_t), compare_numbers);
    if (wanted.count > 0) qsort(wanted.items, wanted.count, sizeof(int64_t), compare_numbers);
    if (rc >= 0 && (found.count != wanted.count ||
                    (found.count > 0 &&
                     memcmp(found.items, wanted.items, found.count * sizeof(int64_t)) != 0))) {
        (void)snprintf(detail, sizeof detail, "%zu in the topic, %zu in the source", found.count,
                       wanted.count);
        differ(expected, "payments", detail);
    }
    printf("checked  payments=%zu\n", found.count);
    free(found.items);
    free(wanted.items);
    return rc < 0 ? rc : 0;
}

bool check_against_batch(struct weir_log *log, const struct source_options *options, int64_t end,
                         const char *application, struct weir_error *error)
{
    bool in_order;
    struct expectation expected = {
        .payments.item_size = sizeof(struct payment),
        .flags.item_size = sizeof(struct flag),
        .windows.item_size = sizeof(struct entry),
        .profiles.item_size = sizeof(struct entry),
        .places.item_size = sizeof(struct entry),
    };
    if (!read_source(&expected, options, end, &in_order)) {
        (void)snprintf(error->text, sizeof error->text, "%s cannot be read again",
                       options->csv_path);
        return false;
    }
    if (!in_order) {
        printf(
            "not checked: the payments are not in order of time, so what is late depends on more "
            "than a batch computation knows\n");
    } else {
        expect_all(&expected);
    }
    int rc = compare_payments_topic(&expected, log, error);
    if (rc == 0 && in_order) rc = compare_alerts(&expected, log, error);
    if (rc == 0 && in_order) {
        rc = compare_state(&expected, log, application, "payments-per-window", &expected.windows,
                           error);
    }
    if (rc == 0 && in_order) {
        rc = compare_state(&expected, log, application, "card-profile", &expected.profiles, error);
    }
    if (rc == 0 && in_order) {
        rc = compare_state(&expected, log, application, "last-place", &expected.places, error);
    }
    if (rc == 0 && expected.failures > 0) {
        (void)snprintf(error->text, sizeof error->text, "%d differences from the batch computation",
                       expected.failures);
    }
    free(expected.payments.items);
    free(expected.flags.items);
    free(expected.windows.items);
    free(expected.profiles.items);
    free(expected.places.items);
    return rc == 0 && expected.failures == 0;
}
