/**
 * A table over a compacted topic, which is its own changelog, under random seeds: rows are put and deleted, segments end
 * and are compacted, tombstones go; the job crashes, is stopped, and stays away for longer or shorter than tombstones
 * stay, with its state on the disk. In the end the table has the rows that were put last and not deleted, and no
 * other: none comes back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/job/streams_internal.h"
#include "tests/sim/job.h"
#include "tests/sim/seeds.h"
#include "wire/record_batch.h"

enum { ROWS = 8, RETENTION_MS = 2000, LIVES = 10 };

/* ---- who writes ------------------------------------------------------------------------------ */

/* Rows are put and deleted one after the other, each again until it is stored. */
struct writer {
    struct client client; /* first */
    int64_t left;
    int row;
    int64_t value; /* -1: the row is deleted */
    bool is_waiting;
    struct weir_produce_request produce;
    int64_t stored[ROWS]; /* what each row is to be in the end; -1: nothing */
};

static void written(struct weir_request *request)
{
    struct writer *writer = request->context;
    if (weir_sim_has_crashed(writer->client.simulation->sim, 0)) return;
    writer->is_waiting = false;
    weir_shared_unref(writer->produce.batches);
    simulation_note_code(writer->client.simulation, request);
    if (request->rc < 0) return;
    writer->stored[writer->row] = writer->value;
    writer->row = -1;
    writer->left--;
}

static struct weir_shared *one_row(struct writer *writer)
{
    struct weir_batch_builder builder;
    struct weir_slice bytes;
    struct weir_heap heap;
    struct weir_budget budget;
    uint8_t value[8];
    char key[16];
    put_value(value, writer->value);
    (void)snprintf(key, sizeof key, "row-%d", writer->row);
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "batch", &heap, NULL, 0);
    struct weir_record record = {.key = weir_text(key),
                                 .value = writer->value >= 0 ? weir_slice(value, sizeof value)
                                                             : weir_null(),
                                 .timestamp_ms = weir_wall_now(writer->client.simulation->env).ms};
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    weir_batch_builder_init(&builder, &budget, WEIR_CODEC_NONE, 0);
    if (weir_batch_builder_add(&builder, &record) < 0) abort();
    if (weir_batch_builder_finish(&builder, &finish, &bytes) < 0) abort();
    struct weir_shared *shared =
        simulation_bytes(writer->client.simulation, bytes.data, bytes.size);
    weir_batch_builder_close(&builder);
    return shared;
}

static void write(struct client *client)
{
    struct writer *writer = (struct writer *)client;
    struct simulation *simulation = client->simulation;
    if (writer->is_waiting || writer->left == 0) return;
    if (writer->row < 0) {
        writer->row = (int)simulation_draw(simulation, ROWS);
        writer->value = simulation_chance(simulation, 400) ? -1 : writer->left;
    }
    writer->produce = (struct weir_produce_request){
        .request = {.done = written, .context = writer},
        .to = {weir_text("rows"), 0},
        .batches = one_row(writer),
        .acks = WEIR_ACKS_ALL,
    };
    writer->is_waiting = true;
    weir_broker_produce(simulation->broker, &writer->produce);
}

static void forget(struct client *client)
{
    ((struct writer *)client)->is_waiting = false; /* it is written once more */
}

static bool has_written(const struct client *client)
{
    const struct writer *writer = (const struct writer *)client;
    return writer->left == 0 && !writer->is_waiting;
}

static void close_writer(struct client *client)
{
    free(client);
}

static struct writer *writer_new(struct simulation *simulation)
{
    struct writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) abort();
    for (int i = 0; i < ROWS; i++) {
        writer->stored[i] = -1;
    }
    writer->row = -1;
    writer->client = (struct client){
        .act = write, .forget = forget, .is_done = has_written, .close = close_writer};
    simulation_add(simulation, &writer->client);
    return writer;
}

/* ---- the stage ------------------------------------------------------------------------------- */

static struct weir_topology *table_topology(struct simulation *simulation)
{
    struct weir_error error = {0};
    struct weir_builder *builder = weir_builder_new();
    if (builder == NULL) abort();
    const struct weir_materialized materialized = {WEIR_MATERIALIZED_INIT, .name = "rows",
                                                   .store = WEIR_STORE_ROCKSDB};
    (void)weir_table(builder, "rows", WEIR_STRING, WEIR_INT64, &materialized);
    struct weir_topology *topology = weir_build(builder, &error);
    weir_builder_free(builder);
    if (topology == NULL) simulation_fail(simulation, "does-not-build", "%s", error.text);
    return topology;
}

static bool make_topic(struct simulation *simulation)
{
    struct weir_error error = {0};
    char segment[24], retention[24];
    (void)snprintf(segment, sizeof segment, "%d", (int)(100 << simulation_draw(simulation, 4)));
    (void)snprintf(retention, sizeof retention, "%d", RETENTION_MS);
    const struct weir_config configs[] = {{"cleanup.policy", "compact"},
                                          {"segment.bytes", segment},
                                          {"delete.retention.ms", retention},
                                          {"min.cleanable.dirty.ratio", "0.1"}};
    int rc = weir_topic_create(simulation->log, "rows", 1, configs, 4, &error);
    if (rc == 0) return true;
    return simulation_fail(simulation, "cannot-create", "%s", error.text);
}

static struct weir_store *table_of(const struct weir_streams *streams)
{
    for (size_t i = 0; i < streams->thread_count; i++) {
        const struct weir_stream_thread *thread = streams->threads[i];
        if (thread->task_count > 0) return weir_state_store(thread->tasks[0].task->state, 0);
    }
    return NULL;
}

static void check(struct simulation *simulation, const struct writer *writer, const struct job *job)
{
    struct weir_store *table = table_of(job_streams(job));
    if (table == NULL) {
        simulation_fail(simulation, "no-table", "the job has no task with the table");
        return;
    }
    for (int i = 0; i < ROWS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "row-%d", i);
        const struct weir_slice key = weir_text(name);
        struct weir_slice value = {0};
        struct weir_error error = {0};
        int rc = weir_store_get_many(table, &key, 1, &value, NULL, &error);
        const struct weir_record record = {.value = value};
        int64_t found = weir_slice_is_null(value) ? -1 : record_value(&record);
        if (rc < 0) {
            simulation_fail(simulation, "cannot-read", "%s", error.text);
        } else if (found != writer->stored[i]) {
            simulation_fail(simulation, writer->stored[i] < 0 ? "deleted-row" : "wrong-row",
                            "row %d is %lld in the table, and %lld was written last; -1: deleted",
                            i, (long long)found, (long long)writer->stored[i]);
        }
    }
}

static bool all_are_done(struct simulation *simulation)
{
    return simulation_clients_are_done(simulation);
}

static bool end_job(struct simulation *simulation)
{
    return job_stop(simulation->hooks.context);
}

/* Tombstones go, and the job is there or not. */
static void live(struct simulation *simulation, struct writer *writer, struct job *job)
{
    for (int i = 0; i < LIVES && !simulation_has_failed(simulation); i++) {
        job_rest(job, simulation_chance(simulation, 500));
        writer->left = 1 + simulation_draw(simulation, 40);
        simulation_play(simulation, 50 + (int)simulation_draw(simulation, 200));
        if (simulation_is_up(simulation) && simulation_chance(simulation, 700)) {
            weir_sim_advance_ms(simulation->sim, simulation_draw(simulation, 3 * RETENTION_MS));
        }
    }
}

static void play(struct simulation *simulation, const struct weir_topology *topology)
{
    struct writer *writer = writer_new(simulation);
    struct job *job = job_new(simulation, topology, &(struct job_shape){0});
    simulation->hooks = (struct simulation_hooks){.end = end_job, .context = job};
    simulation_trouble(simulation);
    live(simulation, writer, job);
    job_rest(job, false);
    simulation_heal(simulation);
    if (!simulation_settle(simulation, all_are_done, "writer and job are not done")) return;
    if (!job_drain(job)) return;
    check(simulation, writer, job);
    simulation_finish(simulation);
}

static void run(struct simulation *simulation)
{
    /* How old a tombstone is only a clock can tell that is not put back. */
    simulation->swarm.clock_jump_per_mille = 0;
    struct weir_topology *topology = table_topology(simulation);
    if (topology == NULL) return;
    if (simulation_start(simulation) && make_topic(simulation)) play(simulation, topology);
    weir_topology_free(topology);
}

int main(int argument_count, char **arguments)
{
    return seeds_main(argument_count, arguments, &(struct seeds_scenario){"table", 500, run});
}
