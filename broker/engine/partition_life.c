#include "broker/engine/partition_life.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/delayed_fetch.h"
#include "broker/engine/delayed_produce.h"
#include "broker/engine/engine.h"
#include "broker/engine/request.h"
#include "broker/engine/transaction_hold.h"

/*
 * A partition's way through its states (partition.h). It opens by itself when the first request for it
 * comes; that one and those behind it wait in line:
 *
 *     enter ──> resolving: which topic, which config? ──> opening: a worker ──┬──────────────> open
 *                                                                             └─> assigning ──┘
 *
 * From then on its log has one user at a time who may change it. Whoever needs it alone says so (`want`,
 * or a topic's deletion); the partition waits for cold reads and the flush that are out, lets no further
 * request in, and goes on when it is idle: `settle` is called wherever one of them ends.
 *
 *     open ──wanted, idle──> working: a worker ──take back──> open
 *       └───deleted, idle──> closing: a worker ──> gone
 */

/* Nothing but the shard's own next step touches the log. */
static bool is_idle(const struct weir_partition *partition)
{
    return partition->state == WEIR_PARTITION_OPEN && !partition->flush.is_in_flight &&
           partition->reads == 0;
}

/* Out of the map and gone; nothing waits here any more. The log is closed. */
static void leave(struct weir_partition *partition)
{
    struct weir_partition_closing *closing = partition->closing;
    (void)weir_map_remove(&partition->shard->partitions, partition->key);
    (void)weir_partition_free(partition, NULL);
    if (closing != NULL) closing->gone(closing);
}

/* ---- what waits ------------------------------------------------------------------------------ */

static void wait_here(struct weir_partition *partition, struct weir_request *request)
{
    request->message.next = NULL;
    if (partition->waiting_last != NULL) {
        partition->waiting_last->message.next = &request->message;
    } else {
        partition->waiting_first = request;
    }
    partition->waiting_last = request;
}

void weir_partition_put_back(struct weir_partition *partition, struct weir_request *request)
{
    weir_assert(partition->wanted != NULL);
    request->message.next = (struct weir_message *)partition->waiting_first;
    partition->waiting_first = request;
    if (partition->waiting_last == NULL) partition->waiting_last = request;
}

static struct weir_request *take_waiting(struct weir_partition *partition)
{
    struct weir_request *request = partition->waiting_first;
    if (request == NULL) return NULL;
    partition->waiting_first = (struct weir_request *)request->message.next;
    if (partition->waiting_first == NULL) partition->waiting_last = NULL;
    return request;
}

static void fail_waiting(struct weir_partition *partition, int rc, const char *text)
{
    struct weir_request *request;
    while ((request = take_waiting(partition)) != NULL) {
        weir_request_refuse(request, rc, text);
    }
}

/* Those in line for a topic that is gone. */
static void fail_deleted(struct weir_partition *partition)
{
    struct weir_request *request;
    while ((request = take_waiting(partition)) != NULL) {
        int rc =
            weir_request_has_id(request) ? WEIR_UNKNOWN_TOPIC_ID : WEIR_UNKNOWN_TOPIC_OR_PARTITION;
        weir_request_refuse(request, rc, "the topic has been deleted");
    }
}

/* Another topic, that had or will have this name. */
static bool means_another(const struct weir_partition *partition,
                          const struct weir_request *request)
{
    return weir_request_has_id(request) && !weir_uuid_equal(request->topic_id, partition->topic_id);
}

/* Run a request's stage, unless it means another topic. */
static void serve(struct weir_partition *partition, struct weir_request *request)
{
    if (means_another(partition, request)) {
        weir_request_refuse(request, WEIR_UNKNOWN_TOPIC_ID, "no topic of this name has this id");
        return;
    }
    request->stage(partition, request);
}

/* What has been gathered is to be appended before this one is served. */
static bool ends_gathering(const struct weir_partition *partition,
                           const struct weir_request *request)
{
    return partition->append_gathered != NULL && !request->may_gather;
}

/* Run what waits, until something claims the partition again. */
static void run_waiting(struct weir_partition *partition)
{
    struct weir_request *request;
    while (partition->state == WEIR_PARTITION_OPEN && partition->wanted == NULL &&
           (request = partition->waiting_first) != NULL) {
        if (ends_gathering(partition, request)) {
            partition->append_gathered(partition);
        } else {
            serve(partition, take_waiting(partition));
        }
    }
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static struct weir_partition *partition_of(struct weir_work *work)
{
    return (struct weir_partition *)((char *)work - offsetof(struct weir_partition, work));
}

/*
 * Where a sync of the whole file system has failed this log's own may not say so any more, and what it wrote about the log
 * would vouch for what is not there. While both are on their way it does: the system tells each handle that was open of what
 * could not be written.
 */
static int check_disk(struct weir_partition *partition)
{
    bool is_served = partition->state == WEIR_PARTITION_WORKING;
    if (!is_served || !atomic_load(&partition->shard->engine->serving.is_offline)) return 0;
    return weir_error_set(&partition->job_error, WEIR_OFFLINE, "a sync of its disk has failed");
}

static void run_job(struct weir_work *work)
{
    struct weir_partition *partition = partition_of(work);
    partition->job_rc = check_disk(partition);
    if (partition->job_rc == 0) partition->job_rc = partition->job(partition);
}

static void job_is_done(struct weir_message *message)
{
    struct weir_partition *partition = partition_of((struct weir_work *)message);
    struct weir_engine *engine = partition->shard->engine;
    partition->job_done(partition);
    weir_serving_release(&engine->serving);
}

void weir_partition_submit(struct weir_partition *partition,
                           int (*job)(struct weir_partition *partition),
                           void (*done)(struct weir_partition *partition))
{
    weir_assert(partition->state != WEIR_PARTITION_OPEN);
    weir_assert(partition->state != WEIR_PARTITION_RESOLVING);
    weir_assert(job != NULL && done != NULL);
    if (partition->log != NULL) weir_partition_log_share_tail(partition->log, NULL);
    partition->job = job;
    partition->job_done = done;
    partition->job_rc = 0;
    partition->job_error = (struct weir_error){0};
    partition->work = (struct weir_work){
        .done.handle = job_is_done, .run = run_job, .reply_to = partition->shard->actor};
    weir_serving_hold(&partition->shard->engine->serving);
    weir_work_submit(partition->shard->env, &partition->work);
}

bool weir_partition_want(struct weir_partition *partition,
                         void (*begin)(struct weir_partition *partition))
{
    if (partition->wanted != NULL || partition->closing != NULL) return false;
    partition->wanted = begin;
    return true;
}

static const char *const removal_reasons[] = {
    [WEIR_REMOVED_BY_TIME] = "retention.ms",
    [WEIR_REMOVED_BY_SIZE] = "retention.bytes",
    [WEIR_REMOVED_BY_TIME | WEIR_REMOVED_BY_SIZE] = "retention.ms,retention.bytes",
    [WEIR_REMOVED_BY_START_OFFSET] = "start.offset",
    [WEIR_REMOVED_BY_START_OFFSET | WEIR_REMOVED_BY_TIME] = "start.offset,retention.ms",
    [WEIR_REMOVED_BY_START_OFFSET | WEIR_REMOVED_BY_SIZE] = "start.offset,retention.bytes",
    [WEIR_REMOVED_BY_START_OFFSET | WEIR_REMOVED_BY_TIME | WEIR_REMOVED_BY_SIZE] =
        "start.offset,retention.ms,retention.bytes",
};

/* No record goes without a word: a line for whatever a job has removed. */
static void log_removal(struct weir_partition *partition)
{
    struct weir_log_removal removal = weir_partition_log_take_removal(partition->log);
    if (removal.segment_count == 0) return;
    weir_assert(removal.reasons > 0);
    weir_assert(removal.reasons < sizeof removal_reasons / sizeof removal_reasons[0]);
    weir_assert(removal.from_offset <= removal.to_offset);
    /* Who moved the start knows; retention comes by itself. */
    bool is_asked_for = removal.reasons == WEIR_REMOVED_BY_START_OFFSET;
    weir_log(
        &partition->shard->env->logger, is_asked_for ? WEIR_LOG_INFO : WEIR_LOG_WARN, "log.removed",
        "topic=%.*s partition=%d offsets=%lld..%lld segments=%d bytes=%lld reason=%s",
        (int)partition->topic.size, (const char *)partition->topic.data, partition->number,
        (long long)removal.from_offset, (long long)removal.to_offset - 1, removal.segment_count,
        (long long)removal.size_bytes, removal_reasons[removal.reasons]);
}

void weir_partition_take_back(struct weir_partition *partition)
{
    weir_partition_move(partition, WEIR_PARTITION_OPEN);
    log_removal(partition);
    weir_partition_log_share_tail(partition->log, &partition->shard->tails);
    weir_partition_log_configure(partition->log, &partition->config);
    weir_partition_refresh(partition);
    if (partition->state_machine != NULL) {
        weir_partition_wake_at(partition, weir_mono_now(partition->shard->env));
    }
    weir_partition_run_holds(partition);
}

/* ---- closing --------------------------------------------------------------------------------- */

static int close_job(struct weir_partition *partition)
{
    struct weir_partition_log *log = partition->log;
    partition->log = NULL;
    return weir_partition_log_close(log, &partition->job_error);
}

static void begin_closing(struct weir_partition *partition)
{
    static const char text[] = "the topic has been deleted";
    weir_flush_group_remove(&partition->shard->flush, &partition->flush);
    weir_partition_answer_acks(partition, WEIR_UNKNOWN_TOPIC_OR_PARTITION, text);
    weir_partition_answer_fetches(partition, WEIR_UNKNOWN_TOPIC_OR_PARTITION, text);
    weir_partition_refuse_holds(partition, WEIR_UNKNOWN_TOPIC_OR_PARTITION, text);
    weir_partition_refuse_waiting(partition, WEIR_UNKNOWN_TOPIC_OR_PARTITION, text);
    weir_counter_add(&partition->shard->open_partitions, -1);
    weir_partition_move(partition, WEIR_PARTITION_CLOSING);
}

static void closed(struct weir_partition *partition)
{
    fail_deleted(partition);
    leave(partition);
}

void weir_partition_close_for(struct weir_partition *partition,
                              struct weir_partition_closing *closing)
{
    weir_assert(partition->closing == NULL && closing->gone != NULL);
    partition->closing = closing;
    weir_partition_settle(partition);
}

void weir_partition_settle(struct weir_partition *partition)
{
    if (!is_idle(partition)) return;
    bool is_claimed = partition->wanted != NULL || partition->closing != NULL;
    if (is_claimed && partition->append_gathered != NULL) {
        partition->append_gathered(partition); /* which may have it work, or fly */
        if (!is_idle(partition)) return;
    }
    if (partition->wanted != NULL) {
        bool is_waited_for = partition->acks_first != NULL || partition->markers_first != NULL;
        if (partition->cut != NULL && is_waited_for) return;
        void (*begin)(struct weir_partition *) = partition->wanted;
        partition->wanted = NULL;
        weir_partition_move(partition, WEIR_PARTITION_WORKING);
        begin(partition);
        return;
    }
    if (partition->closing != NULL) {
        partition->shard->cleaner.leave(partition);
        if (partition->has_slice)
            return; /* it is given up with the slice's end, who comes here again */
        begin_closing(partition);
        weir_partition_submit(partition, close_job, closed);
        return;
    }
    run_waiting(partition);
}

/* ---- opening --------------------------------------------------------------------------------- */

static int open_job(struct weir_partition *partition)
{
    struct weir_partition_log_options options = {
        .env = partition->shard->env,
        .budget = partition->shard->budget,
        .path = partition->path,
        .topic_id = partition->topic_id,
        .partition = partition->number,
        .leader_epoch = partition->epoch.current,
        .config = partition->job_config,
        .must_exist = partition->is_assigned,
        .shared_device = partition->shard->flush.device,
        .files = &partition->shard->engine->files,
    };
    partition->recovery.offline_from = -1; /* until it is open */
    int rc = weir_partition_log_open(&options, &partition->log, &partition->recovery,
                                     &partition->job_error);
    if (rc < 0) return rc;
    if (!options.must_exist && partition->recovery.mark_rc < 0) {
        rc = weir_error_set(&partition->job_error, (enum weir_code)partition->recovery.mark_rc,
                            "write the durable mark");
    }
    if (rc == 0 && partition->state_machine != NULL) {
        rc = partition->state_machine_ops->restore(partition->state_machine, &partition->job_error);
        (void)weir_error_wrap(&partition->job_error, rc, "restore '%s'", partition->path);
    }
    if (rc < 0) {
        (void)weir_partition_log_close(partition->log, NULL); /* the first error is the news */
        partition->log = NULL;
    }
    return rc;
}

static void say_mark(struct weir_env *env, struct weir_slice topic, int32_t number,
                     const struct weir_log_recovery *recovery)
{
    if (recovery->mark_was == NULL) return;
    const char *came_to =
        recovery->mark_is_lost ? "and its copy could not be read either: the log begins with its "
                                 "first segment, also where records there had been deleted"
        : recovery->offline_from >= 0 ? "its copy was read"
        : recovery->mark_rc < 0       ? "its copy was not, the next append makes it anew"
                                      : "its copy was not, it is made anew";
    weir_log(&env->logger, WEIR_LOG_WARN,
             recovery->mark_is_lost ? "partition.mark_lost" : "partition.mark_mended",
             "topic=%.*s partition=%d reason=\"the durable mark was %s, %s\"", (int)topic.size,
             (const char *)topic.data, number, recovery->mark_was, came_to);
}

void weir_partition_say_recovery(struct weir_env *env, struct weir_slice topic, int32_t number,
                                 const struct weir_log_recovery *recovery)
{
    char reason[2 * sizeof recovery->reason];
    if (recovery->metadata_was_bad) {
        weir_log(&env->logger, WEIR_LOG_WARN, "partition.metadata_mended",
                 "topic=%.*s partition=%d reason=\"partition.metadata was damaged, the durable "
                 "mark says the same\"",
                 (int)topic.size, (const char *)topic.data, number);
    }
    say_mark(env, topic, number, recovery);
    bool is_bad = recovery->cut_bytes > 0; /* what is offline has a line of its own */
    bool is_quiet = recovery->was_clean || recovery->scanned_bytes == 0;
    if (is_quiet && !is_bad) return;
    weir_log(&env->logger, is_bad ? WEIR_LOG_WARN : WEIR_LOG_INFO, "log.recovered",
             "topic=%.*s partition=%d scanned_bytes=%lld cut_bytes=%lld cut_offset=%lld "
             "may_be_rot=%d kept=%s offline_from=%lld reason=%s",
             (int)topic.size, (const char *)topic.data, number, (long long)recovery->scanned_bytes,
             (long long)recovery->cut_bytes, (long long)recovery->cut_offset,
             recovery->cut_may_be_rot, recovery->cut_kept[0] != '\0' ? recovery->cut_kept : "-",
             (long long)recovery->offline_from,
             weir_log_quote(reason, sizeof reason, recovery->reason));
}

static const struct weir_metadata_owner *owner_of(const struct weir_partition *partition)
{
    return &partition->shard->engine->metadata;
}

static int tell_offline(struct weir_partition *partition, int64_t from_offset, const char *reason)
{
    const struct weir_metadata_owner *owner = owner_of(partition);
    return owner->ops->tell_offline(owner->impl, partition, from_offset, reason);
}

static void tell_online(struct weir_partition *partition)
{
    const struct weir_metadata_owner *owner = owner_of(partition);
    owner->ops->tell_online(owner->impl, partition);
}

/* What was there is not, or something else is in its place: what a person can do about it. Of damage that the log
 * knows the log says so itself. */
static void add_remedy(const struct weir_partition *partition, struct weir_error *why)
{
    if (partition->recovery.offline_from >= 0) return;
    struct weir_error found = *why;
    if (weir_topic_name_is_internal(partition->topic)) {
        (void)weir_error_set(why, found.code,
                             "%s; put it back; 'weir log verify %s' names all that is missing",
                             found.text, partition->shard->engine->directory.path.text);
    } else {
        (void)weir_error_set(
            why, found.code,
            "%s; put it back, or give its records up with 'weir topic delete %.*s'", found.text,
            (int)partition->topic.size, (const char *)partition->topic.data);
    }
}

static void note_availability(struct weir_partition *partition,
                              struct weir_availability_event event, struct weir_error *why)
{
    struct weir_availability_update update;
    weir_availability_step(&partition->availability, &event, &update);
    if (update.adds_remedy) add_remedy(partition, why);
    if (update.fails_directory) {
        weir_serving_go_offline(&partition->shard->engine->serving, why);
    }
    if (update.tells_offline) {
        struct weir_availability_event told = {.type = WEIR_AVAILABILITY_TOLD};
        struct weir_availability_update none;
        told.rc = tell_offline(partition, update.offline_from, why->text);
        weir_availability_step(&partition->availability, &told, &none);
    }
    if (update.tells_online) tell_online(partition);
    if (update.answers_fetches) weir_partition_answer_fetches(partition, WEIR_OFFLINE, why->text);
    if (update.answers_acks) weir_partition_answer_acks(partition, WEIR_OFFLINE, why->text);
    if (update.answers_acks) weir_partition_refuse_holds(partition, WEIR_OFFLINE, why->text);
}

/* Where its serving ends: damage, or, where this log alone has failed, what it is known to have on the disk. Of
 * a directory that has failed the directory says so. */
static int64_t offline_from(const struct weir_partition *partition)
{
    int64_t damage = weir_partition_log_offline_from(partition->log);
    bool has_failed = weir_partition_log_check_online(partition->log, NULL) < 0;
    if (damage >= 0 || !has_failed) return damage;
    if (weir_serving_check(&partition->shard->engine->serving, NULL) < 0) return -1;
    return weir_partition_log_state(partition->log).offline_from;
}

/* What the log says now, as an event of this type. */
static void note_log(struct weir_partition *partition, enum weir_availability_event_type type)
{
    struct weir_error why = {0};
    struct weir_availability_event event = {.type = type, .offline_from = offline_from(partition)};
    (void)weir_partition_log_check_online(partition->log, &why);
    note_availability(partition, event, &why);
}

void weir_partition_look_for_damage(struct weir_partition *partition)
{
    if (offline_from(partition) < 0) return;
    note_log(partition, WEIR_AVAILABILITY_LOOKED);
}

void weir_partition_failed(struct weir_partition *partition, enum weir_availability_event_type type,
                           int rc, struct weir_error *why)
{
    note_availability(partition, (struct weir_availability_event){.type = type, .rc = rc}, why);
    weir_partition_look_for_damage(partition);
}

static void begin_serving(struct weir_partition *partition)
{
    weir_counter_add(&partition->shard->open_partitions, 1);
    note_log(partition, WEIR_AVAILABILITY_OPENED);
    weir_assert(partition->fetches == NULL); /* they wait to be served, not for data yet */
    weir_partition_take_back(partition);
    weir_partition_settle(partition);
}

/* The metadata could not say that it is there: nothing is served from it, another try may come. */
static void unassigned(struct weir_partition *partition)
{
    fail_waiting(partition, partition->assign.rc, partition->assign.error.text);
    leave(partition);
}

static void assigned(struct weir_message *message)
{
    struct weir_partition *partition = ((struct weir_assign *)message)->partition;
    if (partition->assign.rc == 0) {
        partition->is_assigned = true;
        begin_serving(partition);
        return;
    }
    weir_partition_move(partition, WEIR_PARTITION_CLOSING);
    weir_partition_submit(partition, close_job, unassigned);
}

void weir_assign_answer(struct weir_assign *assign)
{
    assign->message.handle = assigned;
    weir_actor_post(assign->partition->shard->actor, &assign->message);
}

static void ask_assign(struct weir_partition *partition)
{
    weir_partition_move(partition, WEIR_PARTITION_ASSIGNING);
    const struct weir_metadata_owner *owner = owner_of(partition);
    partition->assign = (struct weir_assign){.partition = partition};
    owner->ops->assign(owner->impl, &partition->assign);
}

static void opened(struct weir_partition *partition)
{
    if (!partition->is_assigned) {
        atomic_fetch_sub(&partition->shard->engine->first_openings, 1);
    }
    weir_shortages_note(&partition->shard->engine->shortages, partition->job_rc, true,
                        &partition->job_error);
    if (partition->job_rc < 0) {
        struct weir_availability_event event = {.type = WEIR_AVAILABILITY_NOT_OPENED,
                                                .rc = partition->job_rc};
        note_availability(partition, event, &partition->job_error);
        int told = weir_error_storage(&partition->job_error, partition->job_rc);
        fail_waiting(partition, told, partition->job_error.text);
        leave(partition);
        return;
    }
    weir_partition_say_recovery(partition->shard->env, partition->topic, partition->number,
                                &partition->recovery);
    if (partition->is_assigned) {
        begin_serving(partition);
    } else {
        ask_assign(partition);
    }
}

/* What a partition that exists needs to be opened. */
static int make_ready(struct weir_partition *partition)
{
    struct weir_shard *shard = partition->shard;
    struct weir_log_path path = weir_log_partition_path(shard->engine->directory.log_path.text,
                                                        partition->topic, partition->number);
    partition->path = weir_alloc_text(shard->budget, path.text, strlen(path.text));
    if (partition->path == NULL) return WEIR_NO_MEMORY;
    const struct weir_state_machine *machine =
        weir_state_machines_find(&shard->engine->state_machines, partition->topic);
    if (machine == NULL) return 0;
    partition->state_machine_ops = machine->ops;
    struct weir_deadline turn = {
        .at = WEIR_MONO_NEVER, .item = partition, .index = &partition->turn_index};
    int rc = weir_deadline_heap_add(&shard->turns, turn);
    return rc < 0 ? rc : machine->ops->open(machine->impl, partition, &partition->state_machine);
}

static void begin_opening(struct weir_partition *partition)
{
    int rc = make_ready(partition);
    if (rc < 0) {
        fail_waiting(partition, rc, weir_code_text(rc));
        leave(partition);
        return;
    }
    if (!partition->is_assigned) atomic_fetch_add(&partition->shard->engine->first_openings, 1);
    weir_partition_move(partition, WEIR_PARTITION_OPENING);
    /* Settings that change meanwhile are the shard's to write; the log has them once it is open. */
    partition->job_config = partition->config;
    weir_partition_submit(partition, open_job, opened);
}

/* ---- resolving ------------------------------------------------------------------------------- */

/* What the metadata says of the partition. `topic_id` stays zero if there is no such topic. */
static int look_up(struct weir_partition *partition, struct weir_error *error)
{
    struct weir_shard *shard = partition->shard;
    const struct weir_metadata_image *image = weir_metadata_view_look(&shard->metadata);
    const struct weir_topic_image *topic = weir_metadata_topic(image, partition->topic);
    int name_size = (int)partition->topic.size;
    const char *name = (const char *)partition->topic.data;
    if (topic == NULL) {
        return weir_error_set(error, WEIR_UNKNOWN_TOPIC_OR_PARTITION, "topic '%.*s' does not exist",
                              name_size, name);
    }
    partition->topic_id = topic->id;
    if (partition->number >= topic->partition_count) {
        return weir_error_set(error, WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                              "topic '%.*s' has %d partitions, numbered from 0; %d is not one",
                              name_size, name, topic->partition_count, partition->number);
    }
    partition->config = weir_topic_image_config(topic, &shard->engine->options.topic_defaults);
    weir_partition_resolve_epoch(partition,
                                 weir_metadata_leader_epoch(image, topic, partition->number));
    partition->is_assigned = !weir_uuid_is_zero(topic->partitions[partition->number].directory_id);
    return 0;
}

/* Answer those in line that only look; true if one is left for whom the folder is to be made. */
static bool answer_lookers(struct weir_partition *partition)
{
    struct weir_request *request = partition->waiting_first;
    partition->waiting_first = NULL;
    partition->waiting_last = NULL;
    while (request != NULL) {
        struct weir_request *next = (struct weir_request *)request->message.next;
        if (request->unmade == NULL || means_another(partition, request)) {
            wait_here(partition, request);
        } else {
            request->unmade(partition, request);
        }
        request = next;
    }
    return partition->waiting_first != NULL;
}

/* Answer those in line that would not have the topic created, or all; true if one is left that would. */
static bool refuse_unknown(struct weir_partition *partition, const struct weir_error *error,
                           bool may_create)
{
    struct weir_request *request = partition->waiting_first;
    partition->waiting_first = NULL;
    partition->waiting_last = NULL;
    while (request != NULL) {
        struct weir_request *next = (struct weir_request *)request->message.next;
        if (may_create && request->may_create) {
            wait_here(partition, request);
        } else {
            bool is_other = means_another(partition, request);
            weir_request_refuse(request, is_other ? WEIR_UNKNOWN_TOPIC_ID : (int)error->code,
                                error->text);
        }
        request = next;
    }
    return partition->waiting_first != NULL;
}

/* `was_created`: what is missing now has been there, and is not made once more. */
static void resolve(struct weir_partition *partition, bool was_created)
{
    struct weir_error error = {0};
    const struct weir_metadata_owner *owner = owner_of(partition);
    weir_assert(partition->state == WEIR_PARTITION_RESOLVING);
    if (look_up(partition, &error) == 0) {
        if (partition->is_assigned || answer_lookers(partition)) {
            begin_opening(partition);
        } else {
            leave(partition);
        }
        return;
    }
    bool has_topic = !weir_uuid_is_zero(partition->topic_id);
    if (refuse_unknown(partition, &error, !has_topic && !was_created)) {
        partition->create = (struct weir_auto_create){.partition = partition};
        owner->ops->create(owner->impl, &partition->create);
    } else {
        leave(partition);
    }
}

static void created(struct weir_message *message)
{
    struct weir_partition *partition = ((struct weir_auto_create *)message)->partition;
    if (partition->create.rc == 0) {
        resolve(partition, true);
        return;
    }
    fail_waiting(partition, partition->create.rc, partition->create.error.text);
    leave(partition);
}

void weir_auto_create_answer(struct weir_auto_create *create)
{
    create->message.handle = created;
    weir_actor_post(create->partition->shard->actor, &create->message);
}

static int check_address(const struct weir_request *request, struct weir_error *error)
{
    if (request->topic.data == NULL || request->topic.size == 0 ||
        request->topic.size > WEIR_TOPIC_NAME_SIZE_MAX) {
        return weir_topic_name_check(request->topic, error);
    }
    if (request->partition < 0) {
        return weir_error_set(error, WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                              "partition %d of '%.*s' does not exist", request->partition,
                              (int)request->topic.size, (const char *)request->topic.data);
    }
    return 0;
}

bool weir_partition_was_made(struct weir_shard *shard, struct weir_slice topic, int32_t number)
{
    if (weir_shard_find(shard, topic, number) != NULL) return true;
    const struct weir_metadata_image *image = weir_metadata_view_look(&shard->metadata);
    const struct weir_topic_image *found = weir_metadata_topic(image, topic);
    return found != NULL && number < found->partition_count &&
           !weir_uuid_is_zero(found->partitions[number].directory_id);
}

void weir_partition_enter(struct weir_shard *shard, struct weir_request *request)
{
    int rc = weir_serving_check(&shard->engine->serving, &request->error);
    if (rc == 0) rc = check_address(request, &request->error);
    if (rc < 0) {
        weir_request_reply(request, rc);
        return;
    }
    struct weir_partition *partition = weir_shard_find(shard, request->topic, request->partition);
    if (partition != NULL && ends_gathering(partition, request)) {
        partition->append_gathered(partition);
    }
    if (partition == NULL) {
        partition = weir_partition_new(shard, request->topic, request->partition);
        if (partition == NULL) {
            weir_request_refuse(request, WEIR_NO_MEMORY, "open a partition");
            return;
        }
        wait_here(partition, request);
        resolve(partition, false);
    } else if (partition->state == WEIR_PARTITION_OPEN && partition->wanted == NULL &&
               partition->closing == NULL && partition->waiting_first == NULL) {
        serve(partition, request);
    } else {
        wait_here(partition, request);
    }
}
