/*
 * A job with many keys, for restart_tail.sh: what a restart reads of a changelog is what was not written down, and not what
 * the store holds. usage:
 *
 *   tail_job DIR KEYS fill            a record for each key, counted; closed in order
 *   tail_job DIR KEYS die COUNT       count COUNT records more, committed, and be killed among COUNT others
 *   tail_job DIR KEYS check COUNT     run to the end of what that wrote; last line
 *                                       `restored N of M`      and every count is right, or
 *                                       `wrong: ...`
 *
 * Status 0, 1 (wrong) or 3 (refused). M: the records of the changelogs from the beginning, as their offsets count them.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir.h>

#include "tests/crash/counting.h"

enum { PARTITIONS = 2, STRIDE = 7919 };
enum { DONE = 0, WRONG = 1, USAGE = 2, REFUSED = 3 };

static int refused(const struct weir_error *error)
{
    printf("refused: %s\n", error->text);
    return REFUSED;
}

/* ---- the input ------------------------------------------------------------------------------- */

/* The first `keys` records have one key each, those behind it jump about. */
static long key_of(long i, long keys)
{
    return i < keys ? i : i * STRIDE % keys;
}

static int produce(struct weir_log *log, long from, long count, long keys, struct weir_error *error)
{
    struct weir_producer *producer = weir_producer_new(log, NULL, error);
    if (producer == NULL) return error->code;
    int rc = 0;
    for (long i = from; rc >= 0 && i < from + count; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "key %ld", key_of(i, keys));
        rc = counting_send(producer, key, 1700000000000 + i, error);
    }
    return counting_close(producer, rc, error);
}

/* ---- the job --------------------------------------------------------------------------------- */

static struct weir_streams *start(struct weir_log *log, const struct weir_topology *topology,
                                  struct weir_error *error)
{
    const struct weir_streams_options options = {WEIR_STREAMS_OPTIONS_INIT, .application_id = "app",
                                                 .num_stream_threads = 1};
    return weir_streams_start(log, topology, &options, error);
}

/* Behind it nothing is done in order any more. */
static int die(struct weir_log *log, struct weir_streams *job, long keys, long count,
               struct weir_error *error)
{
    struct weir_streams_metrics metrics = {0};
    int rc = produce(log, keys, count, keys, error);
    if (rc >= 0) rc = weir_streams_drain(job, -1, error);
    if (rc >= 0) rc = produce(log, keys + count, count, keys, error);
    while (rc >= 0 && metrics.records_in <= count) { /* some of the others, committed or not */
        weir_streams_metrics(job, &metrics);
    }
    if (rc >= 0) (void)raise(SIGKILL);
    return rc;
}

/* ---- what has come of it --------------------------------------------------------------------- */

/* Read to the end: the last value of each key, or with `last` NULL how far the offsets go. */
static int read_topic(struct weir_log *log, const char *topic, int64_t *last, long keys,
                      int64_t *end_out, struct weir_error *error)
{
    int rc = 0;
    *end_out = 0;
    for (int32_t p = 0; rc >= 0 && p < PARTITIONS; p++) {
        struct weir_consumer *consumer = weir_consumer_new(log, NULL, error);
        if (consumer == NULL) return error->code;
        struct weir_batch_view batch;
        int64_t end = 0;
        rc = weir_consumer_assign(consumer, topic, p, WEIR_POSITION_BEGINNING, error);
        while (rc == 0 && (rc = weir_consumer_poll(consumer, 0, &batch, error)) == 0) {
            for (size_t i = 0; i < batch.record_count; i++) {
                const struct weir_record *record = &batch.records[i];
                char key[32] = {0};
                long number = -1;
                end = record->offset + 1;
                if (last == NULL || record->key.size >= sizeof key) continue;
                memcpy(key, record->key.data, record->key.size);
                if (sscanf(key, "key %ld", &number) != 1 || number < 0 || number >= keys) continue;
                (void)weir_deserialize(WEIR_INT64, record->value, &last[number], NULL);
            }
        }
        *end_out += end;
        (void)weir_consumer_close(consumer, NULL);
    }
    return rc;
}

static int compare(struct weir_log *log, long keys, long count, int64_t restored,
                   struct weir_error *error)
{
    int64_t *last = calloc((size_t)keys, sizeof *last);
    int64_t *right = calloc((size_t)keys, sizeof *right);
    if (last == NULL || right == NULL) return WEIR_NO_MEMORY;
    int64_t end = 0;
    int64_t changes = 0;
    int rc = read_topic(log, "counts", last, keys, &end, error);
    if (rc >= 0) rc = read_topic(log, "app-counts-changelog", NULL, keys, &changes, error);
    long bad = 0;
    for (long i = 0; i < keys + 2 * count; i++) {
        right[key_of(i, keys)]++;
    }
    for (long k = 0; k < keys; k++) {
        bad += last[k] != right[k];
    }
    free(last);
    free(right);
    if (rc < 0) return rc;
    if (bad > 0) printf("wrong: %ld of %ld counts\n", bad, keys);
    if (bad == 0) printf("restored %" PRId64 " of %" PRId64 "\n", restored, changes);
    return bad > 0 ? WRONG : DONE;
}

static int run(struct weir_log *log, long keys, const char *command, long count,
               struct weir_error *error)
{
    struct weir_topology *topology = counting_topology(error);
    if (topology == NULL) return error->code < 0 ? error->code : WEIR_NO_MEMORY;
    struct weir_streams *job = start(log, topology, error);
    struct weir_streams_metrics metrics = {0};
    weir_streams_metrics(job, &metrics);
    int rc = job != NULL ? 0 : error->code;
    if (rc >= 0 && strcmp(command, "die") == 0) rc = die(log, job, keys, count, error);
    if (rc >= 0) rc = weir_streams_drain(job, -1, error);
    struct weir_error closing = {0};
    int closed = weir_streams_close(job, &closing);
    if (rc >= 0 && closed < 0) *error = closing;
    weir_topology_free(topology);
    if (rc >= 0) rc = closed;
    if (rc < 0 || strcmp(command, "check") != 0) return rc;
    return compare(log, keys, count, metrics.restored_records, error);
}

static int perform(struct weir_log *log, long keys, const char *command, long count,
                   struct weir_error *error)
{
    if (strcmp(command, "fill") == 0) {
        int rc = weir_topic_create(log, "in", PARTITIONS, NULL, 0, error);
        if (rc >= 0) rc = weir_topic_create(log, "counts", PARTITIONS, NULL, 0, error);
        if (rc >= 0) rc = produce(log, 0, keys, keys, error);
        if (rc < 0) return rc;
    }
    return run(log, keys, command, count, error);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: tail_job DIR KEYS fill | die COUNT | check COUNT\n");
        return USAGE;
    }
    const long keys = strtol(argv[2], NULL, 10);
    const long count = argc > 4 ? strtol(argv[4], NULL, 10) : 0;
    struct weir_error error = {0};
    const struct weir_log_options options = {WEIR_LOG_OPTIONS_INIT};
    struct weir_log *log = weir_open(argv[1], &options, &error);
    if (log == NULL) return refused(&error);
    int rc = perform(log, keys, argv[3], count, &error);
    struct weir_error closing = {0};
    int closed = weir_close(log, &closing);
    if (rc < 0) return refused(&error);
    if (rc == WRONG) return WRONG;
    return closed < 0 ? refused(&closing) : DONE;
}
