/*
 * A job whose state is a database of RocksDB per task, for a process that may take so much and no more
 * (limits.py sets the limit before it is run). usage:
 *
 *   limit_job DIR fill        produce all records
 *   limit_job DIR run         run the job up to the end of its input; last line `done`, or `refused: RETRY|STOP text`
 *   limit_job DIR check       the same, and compare all counts: `same` or `wrong: ...`
 *
 * Status 0, 1 (wrong) or 3 (refused). Whatever is short, the process lives to say it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir.h>

#include "tests/crash/counting.h"

enum { KEYS = 20000, ROUNDS = 2, PARTITIONS = 4, WAIT_MS = 60000 };
enum { DONE = 0, WRONG = 1, USAGE = 2, REFUSED = 3 };

static void log_line(void *context, enum weir_log_level level, const char *line, size_t size)
{
    (void)context, (void)level;
    fprintf(stderr, "%.*s\n", (int)size, line);
}

static int refused(const struct weir_error *error)
{
    bool passes = weir_code_action(error->code) == WEIR_ACTION_RETRY;
    printf("refused: %s %s\n", passes ? "RETRY" : "STOP", error->text);
    return REFUSED;
}

/* ---- the input ------------------------------------------------------------------------------- */

static int fill(struct weir_log *log, struct weir_error *error)
{
    int rc = weir_topic_create(log, "in", PARTITIONS, NULL, 0, error);
    if (rc >= 0) rc = weir_topic_create(log, "counts", PARTITIONS, NULL, 0, error);
    if (rc < 0) return rc;
    struct weir_producer *producer = weir_producer_new(log, NULL, error);
    if (producer == NULL) return error->code;
    for (int i = 0; rc >= 0 && i < KEYS * ROUNDS; i++) {
        char key[48];
        (void)snprintf(key, sizeof key, "key %032d", i % KEYS);
        rc = counting_send(producer, key, 1700000000000 + i, error);
    }
    return counting_close(producer, rc, error);
}

/* ---- the job --------------------------------------------------------------------------------- */

static int run(struct weir_log *log, struct weir_error *error)
{
    struct weir_topology *topology = counting_topology(error);
    if (topology == NULL) return error->code < 0 ? error->code : WEIR_NO_MEMORY;
    const struct weir_streams_options options = {WEIR_STREAMS_OPTIONS_INIT, .application_id = "app",
                                                 .num_stream_threads = 2};
    struct weir_streams *job = weir_streams_start(log, topology, &options, error);
    int rc = job != NULL ? weir_streams_drain(job, WAIT_MS, error) : error->code;
    struct weir_error closing = {0};
    int closed = weir_streams_close(job, &closing);
    if (rc >= 0 && closed < 0) *error = closing;
    weir_topology_free(topology);
    return rc < 0 ? rc : closed;
}

/* ---- the counts ------------------------------------------------------------------------------ */

static int take(const struct weir_record *record, int *counts)
{
    char key[64] = {0};
    int number = -1;
    int64_t count = -1;
    if (record->key.data == NULL || record->key.size >= sizeof key) return -1;
    memcpy(key, record->key.data, record->key.size);
    if (sscanf(key, "key %d", &number) != 1 || number < 0 || number >= KEYS) return -1;
    if (weir_deserialize(WEIR_INT64, record->value, &count, NULL) < 0) return -1;
    counts[number] = (int)count;
    return 0;
}

static int compare(struct weir_log *log, struct weir_error *error)
{
    static int counts[KEYS];
    int bad = 0;
    int rc = 0;
    for (int32_t p = 0; rc >= 0 && p < PARTITIONS; p++) {
        struct weir_consumer *consumer = weir_consumer_new(log, NULL, error);
        if (consumer == NULL) return error->code;
        struct weir_batch_view batch;
        rc = weir_consumer_assign(consumer, "counts", p, WEIR_POSITION_BEGINNING, error);
        while (rc == 0 && (rc = weir_consumer_poll(consumer, 0, &batch, error)) == 0) {
            for (size_t i = 0; i < batch.record_count; i++) {
                bad += take(&batch.records[i], counts) < 0;
            }
        }
        (void)weir_consumer_close(consumer, NULL);
    }
    for (int i = 0; rc >= 0 && i < KEYS; i++) {
        bad += counts[i] != ROUNDS;
    }
    if (rc >= 0 && bad > 0) printf("wrong: %d of %d counts\n", bad, KEYS);
    return rc < 0 ? rc : bad > 0 ? WRONG : 0;
}

static int perform(struct weir_log *log, const char *command, struct weir_error *error)
{
    if (strcmp(command, "fill") == 0) return fill(log, error);
    int rc = run(log, error);
    if (rc < 0 || strcmp(command, "run") == 0) return rc;
    return compare(log, error);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: limit_job DIR fill | run | check\n");
        return USAGE;
    }
    struct weir_error error = {0};
    const struct weir_log_options options = {WEIR_LOG_OPTIONS_INIT, .log = log_line,
                                             .log_level = WEIR_LOG_WARN};
    struct weir_log *log = weir_open(argv[1], &options, &error);
    if (log == NULL) return refused(&error);
    int rc = perform(log, argv[2], &error);
    struct weir_error closing = {0};
    int closed = weir_close(log, &closing);
    if (rc < 0) return refused(&error);
    if (rc == WRONG) return WRONG;
    if (closed < 0) return refused(&closing);
    printf("%s\n", strcmp(argv[2], "check") == 0 ? "same" : "done");
    return DONE;
}
