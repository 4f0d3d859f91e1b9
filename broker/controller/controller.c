#include "broker/controller/controller.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/controller/incarnation_step.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/partition_life.h"
#include "broker/engine/produce.h"
#include "broker/log/durable_mark.h"

struct weir_controller *weir_controller_of(const struct weir_engine *engine)
{
    struct weir_controller *controller = engine->metadata.impl;
    weir_assert(controller != NULL && controller->magic == WEIR_CONTROLLER_MAGIC);
    return controller;
}

/* ---- the image over its log ------------------------------------------------------------------ */

static int apply_record(void *impl, const struct weir_batch_header *header,
                        const struct weir_record *record, struct weir_error *error)
{
    (void)header; /* nothing of the metadata is in a transaction */
    return weir_metadata_apply_value(impl, record->value, error);
}

struct image_writer {
    struct weir_snapshot_builder *builder;
    struct weir_buffer value;
};

static int write_record(void *context, const struct weir_metadata_record *record)
{
    struct image_writer *writer = context;
    weir_buffer_reset(&writer->value);
    int rc = weir_metadata_record_encode(&writer->value, record);
    if (rc < 0) return rc;
    weir_snapshot_builder_add(writer->builder,
                              &(struct weir_record){.value = weir_buffer_slice(&writer->value)});
    return writer->builder->rc;
}

static void write_image(const void *impl, struct weir_snapshot_builder *builder)
{
    const struct weir_metadata_image *image = &((const struct weir_metadata_machine *)impl)->image;
    struct image_writer writer = {.builder = builder};
    weir_buffer_init(&writer.value, image->budget, 0);
    int rc = weir_metadata_each_record(image, write_record, &writer);
    if (builder->rc == 0) builder->rc = rc;
    weir_buffer_close(&writer.value);
}

static void reset_image(void *impl)
{
    struct weir_metadata_machine *machine = impl;
    struct weir_budget *budget = machine->image.budget;
    bool keeps_removed = machine->keeps_removed;
    weir_metadata_machine_close(machine);
    weir_metadata_machine_init(machine, budget);
    machine->keeps_removed = keeps_removed;
}

static const struct weir_fold_ops image_ops = {
    .apply = apply_record,
    .reset = reset_image,
    .write = write_image,
};

/* ---- changes --------------------------------------------------------------------------------- */

int weir_controller_add(struct weir_controller *controller,
                        const struct weir_metadata_record *record)
{
    weir_buffer_reset(&controller->record);
    int rc = weir_metadata_record_encode(&controller->record, record);
    if (rc < 0) return rc;
    struct weir_record stored = {
        .value = weir_buffer_slice(&controller->record),
        .timestamp_ms = weir_wall_now(controller->engine->env).ms,
    };
    return weir_batch_builder_add(&controller->builder, &stored);
}

/* The records gathered so far as one batch of their own memory. */
static int finish_batch(struct weir_controller *controller, struct weir_shared **batch_out)
{
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_slice bytes;
    int rc = weir_batch_builder_finish(&controller->builder, &finish, &bytes);
    if (rc < 0) return rc;
    struct weir_shared *batch = weir_shared_new(&controller->engine->budget, bytes.size);
    if (batch == NULL) return WEIR_NO_MEMORY;
    memcpy(batch->data, bytes.data, bytes.size);
    batch->size = bytes.size;
    *batch_out = batch;
    return 0;
}

/* The current change is through: tell its maker, go on with the next. */
static void finish_change(struct weir_controller *controller, int rc,
                          const struct weir_error *error)
{
    struct weir_metadata_change *change = controller->current;
    controller->current = NULL;
    weir_shared_unref(controller->produce.batches);
    controller->produce.batches = NULL;
    if (controller->removals == NULL) weir_snapshotter_run(&controller->snapshotter);
    change->done(controller, change, rc, error);
}

/* Memory for the version that the next change makes: taken before anything is written, so that what is
 * durable is always shown. */
static int make_room_for_version(struct weir_controller *controller)
{
    if (controller->version == NULL) {
        controller->version = weir_metadata_version_new(&controller->engine->budget);
    }
    return controller->version != NULL ? 0 : WEIR_NO_MEMORY;
}

/* Show the image to all shards, before anybody is answered: whoever has an answer finds what it says. */
static void publish(struct weir_controller *controller)
{
    struct weir_engine *engine = controller->engine;
    struct weir_metadata_version *version = controller->version;
    controller->version = NULL;
    weir_metadata_version_take(version, &controller->metadata.image);
    for (int32_t i = 1; i < engine->shard_count; i++)
        weir_metadata_view_tell(&engine->shards[i].metadata, version);
    weir_metadata_view_set(&engine->shards[0].metadata, version);
    weir_metadata_version_unref(version);
}

/* Fold what is durable into the image. In a shortage it is tried again, never given up: the log says so
 * already. */
static void apply_durable(struct weir_controller *controller)
{
    struct weir_error error = {0};
    const struct weir_shared *batch = controller->produce.batches;
    int rc = weir_fold_batches(&controller->fold, weir_slice(batch->data, batch->size), &error);
    controller->needs_retry = weir_code_is_shortage(rc);
    if (controller->needs_retry) return;
    if (rc < 0) weir_serving_go_offline(&controller->engine->serving, &error);
    publish(controller);
    finish_change(controller, rc, &error);
}

static void written(struct weir_request *request)
{
    struct weir_controller *controller = request->context;
    if (request->rc < 0) {
        struct weir_error error = request->error;
        finish_change(controller, request->rc, &error);
    } else {
        apply_durable(controller);
    }
}

static void write_current(struct weir_controller *controller)
{
    struct weir_error error = {0};
    struct weir_produce_request *produce = &controller->produce;
    *produce = (struct weir_produce_request){.acks = WEIR_ACKS_ALL, .is_internal = true};
    int rc = weir_serving_check(&controller->engine->serving, &error);
    if (rc == 0) {
        rc = make_room_for_version(controller);
        if (rc == 0) rc = finish_batch(controller, &produce->batches);
        if (rc < 0) (void)weir_error_set(&error, (enum weir_code)rc, "write a metadata record");
    }
    if (rc < 0) {
        finish_change(controller, rc, &error);
        return;
    }
    produce->request.done = written;
    produce->request.context = controller;
    weir_partition_write(controller->partition, produce);
}

static void pump(struct weir_controller *controller)
{
    while (controller->current == NULL && controller->first != NULL) {
        struct weir_metadata_change *change = controller->first;
        struct weir_error error = {0};
        controller->first = change->next;
        if (controller->first == NULL) controller->last = NULL;
        change->next = NULL;
        controller->current = change;
        weir_batch_builder_reset(&controller->builder);
        int rc = change->build(controller, change, &error);
        if (rc < 0 && error.text[0] == '\0') {
            (void)weir_error_set(&error, (enum weir_code)rc, "%s", weir_code_text(rc));
        }
        if (rc == WEIR_CHANGE_WAITS) { /* it stands in another line now */
            controller->current = NULL;
        } else if (rc == 0 && controller->builder.record_count > 0) {
            write_current(controller);
        } else {
            finish_change(controller, rc < 0 ? rc : 0, &error);
        }
    }
}

void weir_controller_submit(struct weir_controller *controller, struct weir_metadata_change *change)
{
    change->next = NULL;
    if (controller->last != NULL) {
        controller->last->next = change;
    } else {
        controller->first = change;
    }
    controller->last = change;
}

void weir_controller_check(const struct weir_controller *controller)
{
    const struct weir_assign_queue *assigns = &controller->assigns;
    weir_assert(controller->magic == WEIR_CONTROLLER_MAGIC);
    weir_assert((controller->first == NULL) == (controller->last == NULL));
    weir_assert(controller->last == NULL || controller->last->next == NULL);
    weir_assert(!controller->needs_retry || controller->current != NULL);
    weir_producer_id_check(&controller->producer_ids);
    weir_assert(controller->producer_ids.end <= controller->metadata.image.next_producer_id);
    weir_assign_check(&assigns->state);
    weir_assert((assigns->first == NULL) == (assigns->last == NULL));
    weir_assert((assigns->first == NULL) == (assigns->state.count == 0));
    weir_assert((assigns->current != NULL) == (assigns->state.phase == WEIR_ASSIGN_WRITING));
}

int weir_controller_run(struct weir_controller *controller)
{
    weir_controller_check(controller);
    bool has_work =
        controller->needs_retry || (controller->current == NULL && controller->first != NULL);
    if (controller->needs_retry) apply_durable(controller);
    pump(controller);
    return has_work ? 1 : 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Append what has been gathered, make it durable and fold it in, in place. */
static int write_now(struct weir_controller *controller, struct weir_partition_log *log,
                     struct weir_error *error)
{
    struct weir_shared *batch = NULL;
    struct weir_log_sync sync = {0};
    struct weir_append_result result;
    int rc = finish_batch(controller, &batch);
    if (rc < 0) goto out;
    struct weir_append append = {.batches = batch, .now = weir_wall_now(controller->engine->env)};
    rc = weir_partition_log_append(log, &append, &result, error);
    if (rc < 0) goto out;
    rc = weir_log_sync_begin(log, &sync);
    if (rc < 0) goto out;
    weir_log_sync_run(&sync, false);
    rc = weir_log_sync_end(log, &sync);
    if (rc < 0) {
        if (error != NULL) *error = sync.error;
        goto out;
    }
    rc = weir_fold_batches(&controller->fold, weir_slice(batch->data, batch->size), error);
out:
    weir_buffer_close(&sync.mark);
    weir_shared_unref(batch);
    return rc;
}

struct folder_search {
    char name[WEIR_TOPIC_NAME_SIZE_MAX + 16];
};

/* Other than the metadata's own. */
static int find_partition_folder(void *context, const char *name, enum weir_file_kind kind)
{
    struct folder_search *search = context;
    struct weir_slice topic;
    bool is_partition = kind == WEIR_FILE_DIRECTORY && weir_log_is_partition_name(name, &topic);
    if (!is_partition || strcmp(name, WEIR_CLUSTER_METADATA_TOPIC "-0") == 0) return 0;
    (void)snprintf(search->name, sizeof search->name, "%s", name);
    return 0;
}

/* It had records once: the directory's properties say so, or its proper close. */
static bool metadata_was_made(const struct weir_engine *engine)
{
    return engine->directory.properties.log_exists || engine->directory.was_clean;
}

/* The first metadata is durable before any partition is made: without it there is none to find. To
 * begin anew beside them would give their topics up without a word. */
static int refuse_orphans(const struct weir_controller *controller, const char *folder,
                          struct weir_error *error)
{
    const struct weir_engine *engine = controller->engine;
    const char *path = engine->directory.log_path.text;
    struct folder_search search = {{0}};
    struct weir_file_stat stat;
    struct weir_log_path mark = weir_log_path(folder, WEIR_DURABLE_MARK_NAME);
    if (weir_stat(engine->env, mark.text, &stat, NULL) == 0) return 0;
    int rc = weir_list(engine->env, path, find_partition_folder, &search, error);
    if (rc < 0 || search.name[0] == '\0') return rc;
    return weir_error_set(error, WEIR_CORRUPT,
                          "'%s' has partitions ('%s' is one) but no metadata; put the folder "
                          "'%s-0' back",
                          path, search.name, WEIR_CLUSTER_METADATA_TOPIC);
}

static int write_incarnation(struct weir_controller *controller, struct weir_partition_log *log,
                             const struct weir_incarnation_update *update, struct weir_error *error)
{
    struct weir_metadata_record feature = {
        .type = WEIR_METADATA_FEATURE_LEVEL,
        .feature_level = {weir_text(WEIR_METADATA_FEATURE), WEIR_METADATA_LEVEL_MAX},
    };
    struct weir_metadata_record incarnation = {
        .type = WEIR_METADATA_REGISTER_BROKER,
        .register_broker.incarnation_id = weir_uuid_random(controller->engine->env),
    };
    int rc = 0;
    weir_batch_builder_reset(&controller->builder);
    if (update->writes_feature) rc = weir_controller_add(controller, &feature);
    if (rc == 0) rc = weir_controller_add(controller, &incarnation);
    if (rc < 0) return weir_error_set(error, (enum weir_code)rc, "write the first metadata");
    if (update->raises_own) {
        int32_t epoch = weir_partition_log_state(log).leader_epoch;
        rc = weir_partition_log_set_epoch(log, epoch + 1, error);
        if (rc < 0) return rc;
    }
    return write_now(controller, log, error);
}

/* What has to be durable before anything is served. */
static int write_first(struct weir_controller *controller, struct weir_partition_log *log,
                       struct weir_error *error)
{
    enum weir_incarnation state = WEIR_INCARNATION_RESTORED;
    struct weir_incarnation_update update;
    struct weir_incarnation_event event = {
        .type = WEIR_INCARNATION_OPEN,
        .has_records = controller->metadata.image.level > 0,
        .were_some = metadata_was_made(controller->engine),
        .was_clean = controller->engine->directory.was_clean,
    };
    weir_incarnation_step(&state, &event, &update);
    if (update.refuses) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "there are no records in it, and there were; put its files back");
    }
    if (!update.writes_incarnation) return 0;
    event.type = WEIR_INCARNATION_WRITTEN;
    event.rc = write_incarnation(controller, log, &update, error);
    weir_incarnation_step(&state, &event, &update);
    return event.rc;
}

static struct weir_topic_config log_config(void)
{
    struct weir_topic_config config = weir_topic_config_default();
    config.retention_ms = -1;
    config.retention_bytes = -1;
    config.segment_bytes = 16 << 20;
    config.max_message_bytes = 64 << 20;
    config.message_timestamp_before_max_ms = INT64_MAX;
    config.message_timestamp_after_max_ms = INT64_MAX;
    return config;
}

static int open_log(struct weir_controller *controller, const char *path,
                    struct weir_partition_log **log_out, struct weir_error *error)
{
    struct weir_engine *engine = controller->engine;
    struct weir_log_recovery recovery;
    bool must_exist = metadata_was_made(engine);
    if (!must_exist) {
        int orphans = refuse_orphans(controller, path, error);
        if (orphans < 0) return orphans;
    }
    struct weir_partition_log_options options = {
        .env = engine->env,
        .budget = &engine->budget,
        .path = path,
        .topic_id = {.bytes = {[15] = 1}}, /* Kafka's for this topic */
        .config = log_config(),
        .must_exist = must_exist,
        .shared_device = engine->shards[0].flush.device,
        .files = &engine->files,
    };
    int rc = weir_partition_log_open(&options, log_out, &recovery, error);
    if (rc == WEIR_OFFLINE) { /* of all topics, not of one partition */
        return weir_error_set(error, WEIR_CORRUPT,
                              "the metadata is missing, and all topics with "
                              "it; put the folder '%s' back",
                              path);
    }
    if (rc < 0) return rc;
    weir_partition_say_recovery(engine->env, weir_text(WEIR_CLUSTER_METADATA_TOPIC), 0, &recovery);
    if (recovery.offline_from >= 0) {
        (void)weir_partition_log_close(*log_out, NULL);
        *log_out = NULL;
        return weir_error_set(error, WEIR_CORRUPT,
                              "'%s' is damaged from offset %lld on: %s; 'weir log repair %s "
                              "%s/0' shows what can be saved",
                              path, (long long)recovery.offline_from, recovery.reason,
                              engine->directory.path.text, WEIR_CLUSTER_METADATA_TOPIC);
    }
    return 0;
}

static int restore(struct weir_controller *controller, struct weir_partition_log *log,
                   const char *path, struct weir_error *error)
{
    struct weir_engine *engine = controller->engine;
    controller->metadata.keeps_removed = true;
    int rc = weir_fold_restore(&controller->fold, engine->env, log, path, error);
    if (rc < 0) return rc;
    controller->metadata.keeps_removed = false;
    if (controller->metadata.image.records_skipped > 0) {
        weir_log(&engine->env->logger, WEIR_LOG_WARN, "metadata.records_skipped", "count=%lld",
                 (long long)controller->metadata.image.records_skipped);
    }
    rc = write_first(controller, log, error);
    if (rc < 0) return rc;
    controller->producer_ids = (struct weir_producer_id_block){
        controller->metadata.image.next_producer_id, controller->metadata.image.next_producer_id};
    return 0;
}

int weir_controller_open(struct weir_controller *controller, struct weir_engine *engine,
                         struct weir_error *error)
{
    struct weir_log_path path =
        weir_log_path(engine->directory.log_path.text, WEIR_CLUSTER_METADATA_TOPIC "-0");
    struct weir_partition_log *log = NULL;
    *controller = (struct weir_controller){.magic = WEIR_CONTROLLER_MAGIC, .engine = engine};
    weir_metadata_machine_init(&controller->metadata, &engine->budget);
    weir_offline_init(&controller->offline, &controller->metadata.image);
    weir_fold_init(&controller->fold, &image_ops, &controller->metadata, &engine->budget);
    weir_batch_builder_init(&controller->builder, &engine->budget, WEIR_CODEC_NONE, 0);
    weir_buffer_init(&controller->record, &engine->budget, 0);
    int rc = open_log(controller, path.text, &log, error);
    if (rc < 0) goto out;
    rc = restore(controller, log, path.text, error);
    if (rc < 0) goto out;
    rc = weir_partition_adopt(&engine->shards[0], WEIR_CLUSTER_METADATA_TOPIC, 0, path.text, log,
                              &controller->partition);
    if (rc < 0) goto out;
    log = NULL;
    controller->partition->config = log_config();
    weir_partition_resolve_epoch(controller->partition,
                                 weir_partition_log_state(controller->partition->log).leader_epoch);
    weir_snapshotter_init(&controller->snapshotter, controller->partition, &controller->fold);
    weir_retention_sweep_init(&controller->sweep, engine, &controller->metadata.image);
    rc = make_room_for_version(controller);
    if (rc == 0) publish(controller);
out:
    (void)weir_partition_log_close(log,
                                   NULL); /* only after a failure: the first error is the news */
    if (rc < 0) weir_controller_close(controller);
    return weir_error_wrap(error, rc, "open the metadata");
}

int weir_controller_snapshot(struct weir_controller *controller, struct weir_error *error)
{
    return weir_snapshotter_finish(&controller->snapshotter, error);
}

void weir_controller_close(struct weir_controller *controller)
{
    if (controller->engine == NULL) return;
    weir_offline_close(&controller->offline);
    weir_metadata_machine_close(&controller->metadata);
    weir_metadata_version_unref(controller->version);
    weir_fold_close(&controller->fold);
    weir_batch_builder_close(&controller->builder);
    weir_buffer_close(&controller->record);
    *controller = (struct weir_controller){0};
}
