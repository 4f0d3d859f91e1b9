#include "tests/unit/client/fake_engine.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/error.h"
#include "client/client_internal.h"
#include "wire/record_batch_reader.h"

/* ---- the environment ------------------------------------------------------------------------- */

static struct weir_mono mono_now(struct weir_env *env)
{
    return (struct weir_mono){((struct fake_engine *)env)->now_ns};
}

static struct weir_wall wall_now(struct weir_env *env)
{
    return (struct weir_wall){((struct fake_engine *)env)->now_ns / 1000000};
}

static void fill_random(struct weir_env *env, void *bytes, size_t size)
{
    memset(bytes, (int)++((struct fake_engine *)env)->random, size);
}

static int wait_for(struct weir_env *env, bool (*is_done)(void *), void *context,
                    struct weir_mono deadline)
{
    struct fake_engine *engine = (struct fake_engine *)env;
    while (!is_done(context)) {
        if (fake_engine_run(engine) > 0) continue;
        ck_assert_msg(deadline.ns != INT64_MAX, "waits for ever for something that never comes");
        if (engine->now_ns < deadline.ns) engine->now_ns = deadline.ns;
        return WEIR_TIMED_OUT;
    }
    return 0;
}

static void signal_nobody(struct weir_env *env)
{
    (void)env;
}

static bool may_block(struct weir_env *env)
{
    (void)env;
    return true;
}

static const struct weir_env_ops ops = {
    .name = "fake",
    .mono_now = mono_now,
    .wall_now = wall_now,
    .random = fill_random,
    .wait = wait_for,
    .signal = signal_nobody,
    .may_block = may_block,
};

/* ---- produce --------------------------------------------------------------------------------- */

static const struct fake_batch *last_of(const struct fake_engine *engine,
                                        const struct fake_batch *batch, int back)
{
    for (int i = engine->batch_count - 1; i >= 0; i--) {
        const struct fake_batch *other = &engine->batches[i];
        if (other->producer_id != batch->producer_id || other->partition != batch->partition) {
            continue;
        }
        if (back-- == 0) return other;
    }
    return NULL;
}

/* Kafka's rules for one producer in one partition. WEIR_END: a duplicate. */
static int judge(const struct fake_engine *engine, struct fake_batch *batch)
{
    const struct fake_batch *last = last_of(engine, batch, 0);
    if (batch->producer_id < 0 || last == NULL) return 0;
    if (batch->epoch < last->epoch) return WEIR_PRODUCER_FENCED;
    if (batch->epoch > last->epoch) return batch->sequence == 0 ? 0 : WEIR_OUT_OF_ORDER_SEQUENCE;
    for (int back = 0; back < 5; back++) {
        const struct fake_batch *known = last_of(engine, batch, back);
        if (known == NULL || known->epoch != batch->epoch) break;
        if (known->sequence == batch->sequence && known->record_count == batch->record_count) {
            batch->base_offset = known->base_offset;
            return WEIR_END;
        }
    }
    return weir_sequence_add(last->sequence, last->record_count) == batch->sequence
               ? 0
               : WEIR_OUT_OF_ORDER_SEQUENCE;
}

static int append(struct fake_engine *engine, struct weir_produce_request *request)
{
    struct weir_slice bytes = weir_slice(request->batches->data, request->batches->size);
    struct weir_batch_check check = {.walk_records = true, .budget = &engine->budget};
    struct weir_batch_header header;
    int rc = weir_batch_check(bytes, &check, &request->request.error);
    if (rc < 0) return rc;
    ck_assert_int_ge(weir_batch_peek(bytes, 0, &header, NULL), 0);
    struct fake_batch batch = {
        .producer_id = header.producer_id,
        .partition = request->to.partition,
        .epoch = header.producer_epoch,
        .sequence = header.base_sequence,
        .record_count = header.record_count,
        .base_offset = engine->ends[request->to.partition],
    };
    if (weir_batch_codec(&header) == WEIR_CODEC_NONE) {
        struct weir_batch_reader reader = {.rest = bytes};
        struct weir_record record;
        ck_assert_int_eq(weir_batch_reader_open_next(&reader, NULL), 0);
        ck_assert_int_eq(weir_batch_reader_record(&reader, &record, NULL), 0);
        batch.first_byte = record.value.size > 0 ? record.value.data[0] : 0;
    }
    rc = judge(engine, &batch);
    request->is_duplicate = rc == WEIR_END;
    if (rc == 0) {
        ck_assert_int_lt(engine->batch_count, FAKE_BATCHES_MAX);
        engine->batches[engine->batch_count++] = batch;
        engine->ends[batch.partition] += batch.record_count;
    }
    request->base_offset = batch.base_offset;
    return rc == WEIR_END ? 0 : rc;
}

static void handle(struct fake_engine *engine, struct weir_produce_request *request, int number)
{
    int rc = engine->fault != NULL ? engine->fault(engine, number, request->to.partition) : 0;
    if (rc == 0 || engine->fault_after) {
        int stored = append(engine, request);
        if (rc == 0) rc = stored;
    }
    request->request.rc = rc;
    if (rc < 0) {
        weir_error_set(&request->request.error, (enum weir_code)rc, "fake: %s", weir_code_text(rc));
    }
    engine->in_flight--;
    engine->bytes_in_flight -= request->batches->capacity;
    request->request.done(&request->request);
}

int fake_engine_run(struct fake_engine *engine)
{
    int count = 0;
    struct weir_message *message = engine->queue;
    engine->queue = NULL;
    engine->queue_end = &engine->queue;
    int number = engine->sent - engine->in_flight;
    while (message != NULL) {
        struct weir_message *next = message->next;
        handle(engine, (struct weir_produce_request *)message, ++number);
        message = next;
        count++;
    }
    return count;
}

static void produce(void *impl, struct weir_produce_request *request)
{
    struct fake_engine *engine = impl;
    request->request.message.next = NULL;
    *engine->queue_end = &request->request.message;
    engine->queue_end = &request->request.message.next;
    engine->sent++;
    engine->in_flight++;
    engine->bytes_in_flight += request->batches->capacity;
    if (engine->in_flight > engine->in_flight_most) engine->in_flight_most = engine->in_flight;
    if (engine->bytes_in_flight > engine->bytes_in_flight_most) {
        engine->bytes_in_flight_most = engine->bytes_in_flight;
    }
}

/* ---- the rest, answered at once -------------------------------------------------------------- */

static void topic(void *impl, struct weir_topic_request *request)
{
    struct fake_engine *engine = impl;
    bool exists = request->topic.size == 1 && request->topic.data[0] == 't';
    bool is_created = request->operation == WEIR_TOPIC_CREATE;
    if (engine->auto_create_only) {
        exists = false;
        if (is_created) engine->auto_create_only = false;
    } else if (is_created) {
        request->request.rc = WEIR_EXISTS;
    }
    if (!exists && !is_created) request->request.rc = WEIR_UNKNOWN_TOPIC_OR_PARTITION;
    request->partition_count = FAKE_PARTITIONS;
    request->config = (struct weir_topic_config){.max_message_bytes = 1 << 20};
    request->request.done(&request->request);
}

static void init_producer(void *impl, struct weir_init_producer_request *request)
{
    request->producer_id = 1000 + ((struct fake_engine *)impl)->producer_count++;
    request->producer_epoch = 0;
    request->request.done(&request->request);
}

/* What a producer asks; a call of anything else ends the test. */
static const struct weir_log_ops log_ops = {
    .name = "fake",
    .produce = produce,
    .topic = topic,
    .init_producer = init_producer,
};

struct fake_engine *fake_engine_new(void)
{
    struct fake_engine *engine = calloc(1, sizeof *engine);
    weir_heap_init(&engine->heap, false);
    weir_budget_init(&engine->budget, "fake", &engine->heap, NULL, 0);
    engine->env = (struct weir_env){.ops = &ops, .heap = &engine->heap, .budget = &engine->budget};
    engine->queue_end = &engine->queue;
    engine->now_ns = 1000000000;
    engine->log = calloc(1, sizeof *engine->log);
    engine->log->magic = WEIR_LOG_MAGIC;
    engine->log->env = &engine->env;
    engine->log->ops = &log_ops;
    engine->log->impl = engine;
    engine->log->auto_create_topics = true;
    weir_budget_init(&engine->log->budget, "client", &engine->heap, &engine->budget, 0);
    return engine;
}

void fake_engine_free(struct fake_engine *engine)
{
    ck_assert_uint_eq(engine->budget.used, 0); /* whatever the client took, it gave back */
    free(engine->log);
    free(engine);
}
