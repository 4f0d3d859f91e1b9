/*
 * The job that the damage suite runs on a directory which something has happened to (damage.py).
 *
 *   in (2 partitions) ──> count by key ─────────────> counts   (store with a changelog)
 *       ├─────────────> count by key and minute ────> minutes  (windowed store)
 *       └─> by value ──> repartition ──> count ─────> values
 *
 * Record i of `in` is known from i alone, so what must be readable and what must have been counted
 * can be told without looking at the directory. usage:
 *
 *   damage_job DIR fill FROM COUNT   produce records FROM up to FROM + COUNT, acknowledged
 *   damage_job DIR run               run the job up to the end of `in`, close
 *   damage_job DIR die FROM COUNT    run it, produce more, and be killed while they are processed
 *   damage_job DIR live              run it and produce, until SIGTERM; says how many there are
 *   damage_job DIR check COUNT       all records, the job run to its end, all its results
 *   damage_job DIR read COUNT [P]    the records only; P: only those of this partition
 *
 * Last line and status: `same` (0), `wrong: ...` (1), `refused: ...` (3): what the library said.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weir.h>

/* A few keys make states that are a file of rows each; many long ones make RocksDB's (runtime/state/backend_run.h). */
#ifdef DAMAGE_LARGE_STATE
enum { KEYS = 1201, KEY_SIZE = 300 };
#else
enum { KEYS = 13, KEY_SIZE = 0 };
#endif
enum { VALUES = 5, PARTITIONS = 2, MINUTES_MAX = 1000, RECORDS_MAX = 60000 };
enum { SAME = 0, WRONG = 1, USAGE = 2, REFUSED = 3 };
enum { STEP_MS = 1000, MINUTE_MS = 60000, WAIT_MS = 30000 };
static const int64_t first_ms = 1700000040000; /* on the minute */

/* ---- record i -------------------------------------------------------------------------------- */

static int key_of(int i)
{
    return i * 7 % KEYS;
}

static int value_of(int i)
{
    return i * 11 % VALUES;
}

static int minute_of(int i)
{
    return i * STEP_MS / MINUTE_MS;
}

struct texts {
    char key[KEY_SIZE + 16];
    char value[64];
};

static struct texts texts_of(int i)
{
    struct texts texts;
    (void)snprintf(texts.key, sizeof texts.key, "k%d", key_of(i));
    for (int size = (int)strlen(texts.key); size < KEY_SIZE; size++) {
        texts.key[size] = '.'; /* no digit */
        texts.key[size + 1] = '\0';
    }
    (void)snprintf(texts.value, sizeof texts.value, "v%d #%d %032d", value_of(i), i, 0);
    return texts;
}

/* ---- saying how it went ---------------------------------------------------------------------- */

static int refused(const struct weir_error *error)
{
    printf("refused: %s\n", error->text);
    return REFUSED;
}

static void log_line(void *context, enum weir_log_level level, const char *line, size_t size)
{
    (void)context, (void)level;
    fprintf(stderr, "%.*s\n", (int)size, line);
}

/* ---- the topology ---------------------------------------------------------------------------- */

static int by_value(struct weir_call *call, const void *key, const void *value,
                    const void **key_out)
{
    (void)key;
    const struct weir_slice *text = value;
    *key_out = weir_call_printf(call, "%.2s", (const char *)text->data);
    return *key_out != NULL ? 0 : WEIR_NO_MEMORY;
}

static struct weir_topology *build(struct weir_error *error)
{
    struct weir_builder *builder = weir_builder_new();
    if (builder == NULL) return NULL;
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_grouped *keys = weir_group_by_key(in);
    struct weir_grouped *values = weir_group_by(in, by_value, NULL, WEIR_STRING);
    const struct weir_tumbling minute = {.size_ms = MINUTE_MS, .grace_ms = MINUTE_MS};
    weir_to(weir_to_stream(weir_count(keys, WEIR_STORE(.name = "counts"))), "counts");
    weir_to(weir_to_stream(
                weir_windowed_count(weir_windowed_by(keys, minute), WEIR_STORE(.name = "minutes"))),
            "minutes");
    weir_to(weir_to_stream(weir_count(values, WEIR_STORE(.name = "values"))), "values");
    struct weir_topology *topology = weir_build(builder, error);
    weir_builder_free(builder);
    return topology;
}

/* ---- producing ------------------------------------------------------------------------------- */

/* Of calls that say "try again": until `deadline`. */
static bool may_retry(int rc, time_t deadline)
{
    return rc < 0 && weir_code_action(rc) == WEIR_ACTION_RETRY && time(NULL) < deadline;
}

static struct weir_producer *open_producer(struct weir_log *log, time_t deadline,
                                           struct weir_error *error)
{
    /* Small batches: a folder then has many of them, in several segments. */
    const struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT, .batch_size = 2048};
    struct weir_producer *producer;
    do {
        producer = weir_producer_new(log, &options, error);
    } while (producer == NULL && may_retry(error->code, deadline));
    return producer;
}

static int fill(struct weir_log *log, int from, int count, struct weir_error *error)
{
    time_t deadline = time(NULL) + WAIT_MS / 1000;
    struct weir_producer *producer = open_producer(log, deadline, error);
    if (producer == NULL) return error->code;
    int rc = 0;
    for (int i = from; rc >= 0 && i < from + count; i++) {
        struct texts texts = texts_of(i);
        const struct weir_record record = {.key = weir_text(texts.key),
                                           .value = weir_text(texts.value),
                                           .timestamp_ms = first_ms + (int64_t)i * STEP_MS};
        do {
            rc = weir_producer_send(producer, "in", -1, &record, NULL, error);
        } while (may_retry(rc, deadline));
    }
    struct weir_error closing = {0};
    int closed = weir_producer_close(producer, &closing);
    if (rc >= 0 && closed < 0) *error = closing;
    return rc < 0 ? rc : closed;
}

static int create_topics(struct weir_log *log, struct weir_error *error)
{
    static const char *const names[] = {"in", "counts", "minutes", "values"};
    static const struct weir_config configs[] = {
        {"retention.ms", "-1"}, {"segment.bytes", "16384"}, {"index.interval.bytes", "4096"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int rc = weir_topic_create(log, names[i], PARTITIONS, configs, 3, error);
        if (rc < 0 && rc != WEIR_EXISTS) return rc;
    }
    return 0;
}

/* ---- running --------------------------------------------------------------------------------- */

static struct weir_streams *start(struct weir_log *log, const struct weir_topology *topology,
                                  struct weir_error *error)
{
    const struct weir_streams_options options = {WEIR_STREAMS_OPTIONS_INIT,
                                                 .application_id = "app"};
    return weir_streams_start(log, topology, &options, error);
}

static int run(struct weir_log *log, struct weir_error *error)
{
    struct weir_topology *topology = build(error);
    if (topology == NULL) return error->code;
    struct weir_streams *job = start(log, topology, error);
    int rc = job != NULL ? weir_streams_drain(job, WAIT_MS, error) : error->code;
    struct weir_error closing = {0};
    int closed = weir_streams_close(job, &closing);
    if (rc >= 0 && closed < 0) *error = closing;
    weir_topology_free(topology);
    return rc < 0 ? rc : closed;
}

/* The kill hits a job that has gone on from its last commit. */
static int die(struct weir_log *log, int from, int count, struct weir_error *error)
{
    struct weir_topology *topology = build(error);
    if (topology == NULL) return error->code;
    struct weir_streams *job = start(log, topology, error);
    if (job == NULL || weir_streams_drain(job, WAIT_MS, error) < 0) return error->code;
    struct weir_streams_metrics before, now;
    weir_streams_metrics(job, &before);
    int rc = fill(log, from, count, error);
    if (rc < 0) return rc;
    do {
        weir_streams_metrics(job, &now);
    } while (now.records_in == before.records_in);
    raise(SIGKILL);
    return 0;
}

/* ---- living through it ----------------------------------------------------------------------- */

static volatile sig_atomic_t is_ended;

static void on_end(int number)
{
    (void)number;
    is_ended = 1;
}

struct life {
    struct weir_log *log;
    struct weir_topology *topology;
    struct weir_streams *job;
    int restarts;
};

/* A job may stop for want of something; started again it goes on. The log stays open. */
static int live_on(struct life *life, struct weir_error *error)
{
    if (life->job != NULL && weir_streams_state(life->job) != WEIR_STREAMS_ERROR) return 0;
    if (life->job != NULL) {
        life->restarts++;
        (void)weir_streams_close(life->job, error);
        printf("stopped: %s\n", error->text);
        life->job = NULL;
    }
    life->job = start(life->log, life->topology, error);
    if (life->job != NULL) return 0;
    bool passes = weir_code_action(error->code) == WEIR_ACTION_RETRY;
    if (passes) printf("not started: %s\n", error->text);
    return passes ? 0 : error->code;
}

/* Twenty records, all acknowledged, again and again; each time a line says how many there are. */
static int live(struct weir_log *log, struct weir_error *error)
{
    struct life life = {.log = log, .topology = build(error)};
    int rc = life.topology != NULL ? create_topics(log, error) : error->code;
    int count = 0;
    (void)signal(SIGTERM, on_end);
    while (rc >= 0 && !is_ended && count + 20 <= RECORDS_MAX) {
        rc = live_on(&life, error);
        if (rc >= 0) rc = fill(log, count, 20, error);
        if (rc < 0) break;
        count += 20;
        printf("at %d\n", count);
        (void)fflush(stdout);
    }
    if (rc >= 0) rc = live_on(&life, error);
    if (rc >= 0 && life.job != NULL) rc = weir_streams_drain(life.job, WAIT_MS, error);
    struct weir_error closing = {0};
    int closed = weir_streams_close(life.job, &closing);
    if (rc >= 0 && closed < 0) *error = closing;
    weir_topology_free(life.topology);
    return rc < 0 ? rc : closed;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct reading {
    int (*take)(struct reading *reading, const struct weir_record *record);
    int *found; /* how often each was seen, or the latest count of each */
    int size;
};

static int read_partition(struct weir_log *log, const char *topic, int32_t partition,
                          struct reading *reading, struct weir_error *error)
{
    struct weir_consumer *consumer = weir_consumer_new(log, NULL, error);
    if (consumer == NULL) return error->code;
    struct weir_batch_view batch;
    int bad = 0;
    int rc = weir_consumer_assign(consumer, topic, partition, WEIR_POSITION_BEGINNING, error);
    while (rc == 0 && (rc = weir_consumer_poll(consumer, 0, &batch, error)) == 0) {
        for (size_t i = 0; i < batch.record_count; i++) {
            bad += reading->take(reading, &batch.records[i]) < 0;
        }
    }
    (void)weir_consumer_close(consumer, NULL);
    if (rc < 0) return rc;
    if (bad > 0)
        printf("wrong: %d records of '%s'-%d that were never written\n", bad, topic, partition);
    return bad > 0 ? WRONG : 0;
}

static int take_input(struct reading *reading, const struct weir_record *record)
{
    char value[64] = {0};
    int number = -1;
    if (record->value.data == NULL || record->value.size >= sizeof value) return -1;
    memcpy(value, record->value.data, record->value.size);
    if (sscanf(value, "v%*d #%d", &number) != 1 || number < 0 || number >= reading->size) return -1;
    struct texts texts = texts_of(number);
    if (!weir_slice_equal(record->key, weir_text(texts.key)) ||
        !weir_slice_equal(record->value, weir_text(texts.value)) ||
        record->timestamp_ms != first_ms + (int64_t)number * STEP_MS) {
        return -1;
    }
    reading->found[number]++;
    return 0;
}

/* `partition` -1: all. */
static int check_input(struct weir_log *log, int count, int partition, struct weir_error *error)
{
    static int found[RECORDS_MAX];
    struct reading reading = {take_input, found, count};
    int rc = 0;
    for (int p = 0; rc == 0 && p < PARTITIONS; p++) {
        if (partition >= 0 && p != partition) continue;
        rc = read_partition(log, "in", p, &reading, error);
    }
    for (int i = 0; rc == 0 && i < count; i++) {
        struct texts texts = texts_of(i);
        int home = weir_partition_for_key(weir_text(texts.key), PARTITIONS);
        int wanted = partition < 0 || home == partition;
        if (found[i] == wanted) continue;
        printf("wrong: record %d of partition %d is there %d times\n", i, home, found[i]);
        rc = WRONG;
    }
    return rc;
}

static int64_t int64_of(struct weir_slice bytes)
{
    int64_t value = -1;
    return weir_deserialize(WEIR_INT64, bytes, &value, NULL) < 0 ? -1 : value;
}

/* "k7" or "v3", and behind it the start of a window. The last count of a key stands. */
static int take_count(struct reading *reading, const struct weir_record *record)
{
    char text[KEY_SIZE + 8] = {0};
    bool is_windowed = record->key.size > 8 && record->key.size != KEY_SIZE;
    size_t size = record->key.size - (is_windowed ? 8 : 0);
    if (record->key.data == NULL || size >= sizeof text || size < 2) return -1;
    memcpy(text, record->key.data, size);
    int at = atoi(text + 1);
    if (is_windowed) {
        int64_t start = int64_of(weir_slice(record->key.data + size, 8));
        at += (int)((start - first_ms) / MINUTE_MS) * KEYS;
    }
    if (at < 0 || at >= reading->size) return -1;
    reading->found[at] = (int)int64_of(record->value);
    return 0;
}

struct expected {
    const char *topic;
    int (*slot_of)(int i);
};

static int minute_slot_of(int i)
{
    return minute_of(i) * KEYS + key_of(i);
}

static int check_counts(struct weir_log *log, const struct expected *expected, int count,
                        struct weir_error *error)
{
    static int wanted[MINUTES_MAX * KEYS], found[MINUTES_MAX * KEYS];
    memset(wanted, 0, sizeof wanted), memset(found, 0, sizeof found);
    for (int i = 0; i < count; i++) {
        wanted[expected->slot_of(i)]++;
    }
    struct reading reading = {take_count, found, MINUTES_MAX * KEYS};
    int rc = 0;
    for (int p = 0; rc == 0 && p < PARTITIONS; p++) {
        rc = read_partition(log, expected->topic, p, &reading, error);
    }
    for (int i = 0; rc == 0 && i < MINUTES_MAX * KEYS; i++) {
        if (found[i] == wanted[i]) continue;
        printf("wrong: '%s' counts %d for key %d of minute %d, there were %d\n", expected->topic,
               found[i], i % KEYS, i / KEYS, wanted[i]);
        rc = WRONG;
    }
    return rc;
}

static int check(struct weir_log *log, int count, struct weir_error *error)
{
    static const struct expected all[] = {
        {"counts", key_of}, {"minutes", minute_slot_of}, {"values", value_of}};
    int rc = check_input(log, count, -1, error);
    if (rc == 0) rc = run(log, error);
    for (size_t i = 0; rc == 0 && i < sizeof all / sizeof all[0]; i++) {
        rc = check_counts(log, &all[i], count, error);
    }
    return rc;
}

/* ---- the door -------------------------------------------------------------------------------- */

struct request {
    const char *command;
    int from;
    int count;
    int partition; /* -1: all */
};

static int perform(struct weir_log *log, const struct request *request, struct weir_error *error)
{
    if (strcmp(request->command, "fill") == 0) {
        int rc = create_topics(log, error);
        return rc < 0 ? rc : fill(log, request->from, request->count, error);
    }
    if (strcmp(request->command, "run") == 0) return run(log, error);
    if (strcmp(request->command, "live") == 0) return live(log, error);
    if (strcmp(request->command, "die") == 0) {
        return die(log, request->from, request->count, error);
    }
    if (strcmp(request->command, "check") == 0) return check(log, request->count, error);
    return check_input(log, request->count, request->partition, error);
}

static int parse(int argc, char **argv, struct request *request)
{
    static const struct {
        const char *name;
        int words;
        bool has_from;
    } commands[] = {
        {"fill", 2, true}, {"run", 0, false},   {"live", 0, false},
        {"die", 2, true},  {"check", 1, false}, {"read", 1, false},
    };
    for (size_t i = 0; argc > 2 && i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[2], commands[i].name) != 0 || argc - 3 < commands[i].words) continue;
        *request = (struct request){.command = commands[i].name, .partition = -1};
        if (commands[i].has_from) request->from = atoi(argv[3]);
        if (commands[i].words > 0) request->count = atoi(argv[2 + commands[i].words]);
        if (argc - 3 > commands[i].words) request->partition = atoi(argv[argc - 1]);
        return request->from >= 0 && request->count >= 0 &&
               request->from + request->count <= RECORDS_MAX;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct request request;
    if (!parse(argc, argv, &request)) {
        fprintf(stderr, "usage: damage_job DIR fill FROM COUNT | run | die FROM COUNT | live | "
                        "check COUNT | read COUNT [PARTITION]\n");
        return USAGE;
    }
    struct weir_error error = {0};
    const struct weir_log_options options = {WEIR_LOG_OPTIONS_INIT, .log = log_line,
                                             .log_level = WEIR_LOG_WARN};
    struct weir_log *log = weir_open(argv[1], &options, &error);
    if (log == NULL) return refused(&error);
    int rc = perform(log, &request, &error);
    struct weir_error closing = {0};
    int closed = weir_close(log, &closing);
    if (rc < 0) return refused(&error);
    if (rc == WRONG) return WRONG;
    if (closed < 0) return refused(&closing);
    printf("same\n");
    return SAME;
}
