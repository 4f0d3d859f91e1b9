/*
 * A topic's history, replayed through a repartition topic into windows, against the answer that is
 * computed in one go: card payments keyed by category over four partitions, joined with a table of
 * what a category is called, regrouped by that into hourly windows with an hour of grace. usage:
 *
 *   replay_csv DIR FILE       of payments: category in column 5, "2019-01-01 00:00:18" in column 2
 *   replay_csv DIR --made     of a made history of the same shape
 *
 * Once with one stream thread and once with four, with caches and without, each in a directory of
 * its own below DIR. Status 0 (all windows right), 1 (not), 77 (there is no such file: nothing was
 * looked at).
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weir.h>

enum { PARTITIONS = 4, HOUR_MS = 3600000, PAYMENTS_MAX = 2000000, WINDOWS_MAX = 100000 };
enum { RIGHT = 0, WRONG = 1, SKIPPED = 77 };

static const struct category {
    const char *name;
    const char *label;
} categories[] = {
    {"entertainment", "out"},       {"food_dining", "out"},
    {"gas_transport", "out"},       {"grocery_net", "online"},
    {"grocery_pos", "shop"},        {"health_fitness", "household"},
    {"home", "household"},          {"kids_pets", "household"},
    {"misc_net", "online"},         {"misc_pos", "shop"},
    {"personal_care", "household"}, {"shopping_net", "online"},
    {"shopping_pos", "shop"},       {"travel", "out"},
};
enum { CATEGORIES = sizeof categories / sizeof categories[0] };

struct payment {
    int64_t time_ms;
    const struct category *category;
};

struct history {
    struct payment *payments;
    size_t count;
};

static int fail(const char *what, const struct weir_error *error)
{
    printf("%s: %s\n", what, error->text);
    return WRONG;
}

/* ---- the history ----------------------------------------------------------------------------- */

static const struct category *category_of(const char *name)
{
    for (size_t i = 0; i < CATEGORIES; i++) {
        if (strcmp(categories[i].name, name) == 0) return &categories[i];
    }
    return NULL;
}

/* Field `number` of a line, from 0, without its quotes. */
static void field_of(const char *line, int number, char *to, size_t size)
{
    bool is_quoted = false;
    size_t length = 0;
    for (; *line != '\0' && *line != '\n' && number >= 0; line++) {
        if (*line == '"') is_quoted = !is_quoted;
        if (*line == ',' && !is_quoted) number--;
        bool is_its = number == 0 && *line != '"' && (*line != ',' || is_quoted);
        if (is_its && length + 1 < size) to[length++] = *line;
    }
    to[length] = '\0';
}

static bool parse_payment(const char *line, struct payment *payment)
{
    char time_text[32];
    char name[64];
    struct tm tm = {0};
    field_of(line, 1, time_text, sizeof time_text);
    field_of(line, 4, name, sizeof name);
    payment->category = category_of(name);
    if (payment->category == NULL) return false;
    if (sscanf(time_text, "%d-%d-%d %d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec) != 6) {
        return false;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    payment->time_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

static bool read_history(const char *path, struct history *history)
{
    char line[4096];
    FILE *file = fopen(path, "r");
    if (file == NULL) return false;
    while (history->count < PAYMENTS_MAX && fgets(line, sizeof line, file) != NULL) {
        if (parse_payment(line, &history->payments[history->count])) history->count++;
    }
    (void)fclose(file);
    return true;
}

/* As many payments as in three days, one in some 56 s, some categories more often than others. */
static void make_history(struct history *history)
{
    uint64_t random = 1;
    int64_t time_ms = 1546300818000;
    for (size_t i = 0; i < 5000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t drawn = random >> 33;
        time_ms += (int64_t)(drawn % 112000);
        history->payments[history->count++] = (struct payment){
            .time_ms = time_ms,
            .category =
                &categories[(drawn >> 8) % 3 == 0 ? (drawn >> 12) % 4 : (drawn >> 12) % CATEGORIES],
        };
    }
}

/* ---- the job --------------------------------------------------------------------------------- */

static int take_label(struct weir_call *call, const void *key, const void *payment,
                      const void *label, const void **value_out)
{
    (void)call, (void)key, (void)payment;
    *value_out = label;
    return 0;
}

static int select_label(struct weir_call *call, const void *key, const void *value,
                        const void **key_out)
{
    (void)call, (void)key;
    *key_out = value;
    return 0;
}

static struct weir_topology *topology_of(struct weir_error *error)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *payments = weir_stream(builder, "payments", WEIR_STRING, WEIR_STRING);
    struct weir_table *labels = weir_table(builder, "labels", WEIR_STRING, WEIR_STRING, NULL);
    struct weir_stream *labelled = weir_join(payments, labels, take_label, NULL, WEIR_STRING);
    struct weir_windowed_stream *hours =
        weir_windowed_by(weir_group_by(labelled, select_label, NULL, WEIR_STRING),
                         (struct weir_tumbling){.size_ms = HOUR_MS, .grace_ms = HOUR_MS});
    weir_to(weir_to_stream(weir_windowed_count(hours, NULL)), "hours");
    struct weir_topology *topology = weir_build(builder, error);
    weir_builder_free(builder);
    return topology;
}

static int send_text(struct weir_producer *producer, const char *topic, const char *key,
                     const char *value, int64_t time_ms, struct weir_error *error)
{
    const struct weir_record record = {
        .key = weir_text(key), .value = weir_text(value), .timestamp_ms = time_ms};
    int rc;
    do {
        rc = weir_producer_send(producer, topic, -1, &record, NULL, error);
    } while (rc < 0 && weir_code_action((enum weir_code)rc) == WEIR_ACTION_RETRY);
    return rc;
}

static int fill(struct weir_log *log, const struct history *history, struct weir_error *error)
{
    static const struct weir_config for_ever[] = {{"retention.ms", "-1"}};
    static const char *const topics[] = {"payments", "labels", "hours"};
    int rc = 0;
    for (size_t i = 0; rc >= 0 && i < sizeof topics / sizeof topics[0]; i++) {
        rc = weir_topic_create(log, topics[i], PARTITIONS, for_ever, 1, error);
    }
    if (rc < 0) return rc;
    struct weir_producer *producer = weir_producer_new(log, NULL, error);
    if (producer == NULL) return error->code;
    for (size_t i = 0; rc >= 0 && i < CATEGORIES; i++) {
        rc = send_text(producer, "labels", categories[i].name, categories[i].label, 0, error);
    }
    for (size_t i = 0; rc >= 0 && i < history->count; i++) {
        rc = send_text(producer, "payments", history->payments[i].category->name, "paid",
                       history->payments[i].time_ms, error);
    }
    int closed = weir_producer_close(producer, rc < 0 ? NULL : error);
    return rc < 0 ? rc : closed;
}

/* ---- the answer ------------------------------------------------------------------------------ */

struct window {
    char label[16];
    int64_t start_ms;
    int64_t count;
    int64_t answered;
};

struct answer {
    struct window *windows;
    size_t count;
};

static struct window *window_of(struct answer *answer, const char *label, size_t size,
                                int64_t start_ms)
{
    for (size_t i = answer->count; i > 0; i--) {
        struct window *window = &answer->windows[i - 1];
        bool is_its = window->start_ms == start_ms && strlen(window->label) == size &&
                      memcmp(window->label, label, size) == 0;
        if (is_its) return window;
    }
    if (answer->count == WINDOWS_MAX || size >= sizeof answer->windows[0].label) abort();
    struct window *window = &answer->windows[answer->count++];
    *window = (struct window){.start_ms = start_ms};
    memcpy(window->label, label, size);
    return window;
}

static void count_history(struct answer *answer, const struct history *history)
{
    for (size_t i = 0; i < history->count; i++) {
        const struct payment *payment = &history->payments[i];
        const char *label = payment->category->label;
        int64_t start_ms = payment->time_ms - payment->time_ms % HOUR_MS;
        window_of(answer, label, strlen(label), start_ms)->count++;
    }
}

static int64_t integer_of(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | bytes[i];
    return (int64_t)value;
}

static int read_hours(struct weir_log *log, struct answer *answer, struct weir_error *error)
{
    struct weir_consumer *consumer = weir_consumer_new(log, NULL, error);
    if (consumer == NULL) return error->code;
    int rc = weir_consumer_assign_topic(consumer, "hours", WEIR_POSITION_BEGINNING, error);
    struct weir_batch_view view;
    while (rc >= 0 && (rc = weir_consumer_poll(consumer, 0, &view, error)) == 0) {
        for (size_t i = 0; i < view.record_count; i++) {
            const struct weir_record *record = &view.records[i];
            size_t size = record->key.size - 8;
            window_of(answer, (const char *)record->key.data, size,
                      integer_of(record->key.data + size))
                ->answered = integer_of(record->value.data);
        }
    }
    int closed = weir_consumer_close(consumer, rc < 0 ? NULL : error);
    return rc < 0 ? rc : closed;
}

static int compare(const struct answer *answer, int32_t threads, bool has_caches, int64_t late)
{
    size_t wrong = 0;
    for (size_t i = 0; i < answer->count; i++) {
        wrong += answer->windows[i].count != answer->windows[i].answered;
    }
    printf("threads=%d caches=%s windows=%zu wrong=%zu late=%" PRId64 "\n", (int)threads,
           has_caches ? "on" : "off", answer->count, wrong, late);
    return wrong == 0 && late == 0 && answer->count > 0 ? RIGHT : WRONG;
}

/* ---- a replay -------------------------------------------------------------------------------- */

static int run(struct weir_log *log, const struct history *history, int32_t threads,
               bool has_caches)
{
    struct weir_error error = {0};
    struct weir_topology *topology = topology_of(&error);
    if (topology == NULL) return fail("build", &error);
    const struct weir_streams_options options = {
        WEIR_STREAMS_OPTIONS_INIT,
        .application_id = "replay",
        .num_stream_threads = threads,
        .cache_max_bytes = has_caches ? 0 : WEIR_CACHE_OFF,
    };
    struct weir_streams *streams = weir_streams_start(log, topology, &options, &error);
    if (streams == NULL) return fail("start", &error);
    if (weir_streams_drain(streams, -1, &error) < 0) return fail("drain", &error);
    struct weir_streams_metrics metrics;
    weir_streams_metrics(streams, &metrics);
    if (weir_streams_close(streams, &error) < 0) return fail("close", &error);
    weir_topology_free(topology);
    struct answer answer = {.windows = calloc(WINDOWS_MAX, sizeof(struct window))};
    if (answer.windows == NULL) abort();
    count_history(&answer, history);
    int status = read_hours(log, &answer, &error) < 0 ? fail("read", &error) : RIGHT;
    if (status == RIGHT)
        status = compare(&answer, threads, has_caches, metrics.records_dropped_late);
    free(answer.windows);
    return status;
}

static int replay(const char *directory, const struct history *history, int32_t threads,
                  bool has_caches)
{
    char path[4096];
    struct weir_error error = {0};
    (void)snprintf(path, sizeof path, "%s/%d-%d", directory, (int)threads, (int)has_caches);
    struct weir_log *log = weir_open(path, NULL, &error);
    if (log == NULL) return fail("open", &error);
    int status = fill(log, history, &error) < 0 ? fail("fill", &error)
                                                : run(log, history, threads, has_caches);
    if (weir_close(log, &error) < 0) status = fail("close the log", &error);
    return status;
}

int main(int count, char **arguments)
{
    if (count != 3) return WRONG;
    struct history history = {.payments = calloc(PAYMENTS_MAX, sizeof(struct payment))};
    if (history.payments == NULL) abort();
    if (strcmp(arguments[2], "--made") == 0) {
        make_history(&history);
    } else if (!read_history(arguments[2], &history)) {
        printf("no file of payments at '%s': nothing was replayed\n", arguments[2]);
        free(history.payments);
        return SKIPPED;
    }
    int status = RIGHT;
    for (int i = 0; i < 4; i++) {
        if (replay(arguments[1], &history, i % 2 == 0 ? 1 : 4, i / 2 == 0) != RIGHT) status = WRONG;
    }
    free(history.payments);
    return status;
}
