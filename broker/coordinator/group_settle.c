#include "broker/coordinator/group_settle.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/coordinator/settle_scan.h"
#include "broker/engine/engine.h"
#include "broker/engine/request.h"
#include "broker/log/small_file.h"

static const char MARK_NAME[] = "groups.placed";

static const struct weir_topic_image *find_topic(const struct weir_group_settle *settle)
{
    const struct weir_metadata_image *image =
        weir_metadata_view_look(&settle->engine->shards[0].metadata);
    return weir_metadata_topic(image, weir_text(WEIR_CONSUMER_OFFSETS_TOPIC));
}

/* ---- the mark -------------------------------------------------------------------------------- */

/* For how many partitions it has been done; 0: never, or not to be read. */
static int32_t read_mark(const struct weir_group_settle *settle)
{
    enum { SIZE_MAX_READ = 32 };
    struct weir_engine *engine = settle->engine;
    struct weir_buffer text;
    char digits[SIZE_MAX_READ + 1] = "";
    struct weir_log_path path = weir_log_path(engine->directory.path.text, MARK_NAME);
    weir_buffer_init(&text, &engine->budget, 0);
    int rc = weir_small_file_read(engine->env, path.text, SIZE_MAX_READ, &text, NULL);
    if (rc >= 0) weir_copy(digits, text.data, text.size);
    weir_buffer_close(&text);
    return (int32_t)strtol(digits, NULL, 10);
}

static int write_mark(const struct weir_group_settle *settle, bool is_durable,
                      struct weir_error *error)
{
    char text[16];
    int size = snprintf(text, sizeof text, "%d\n", (int)atomic_load(&settle->partition_count));
    struct weir_small_file_replace replace = {
        .env = settle->engine->env,
        .directory = settle->engine->directory.path.text,
        .name = MARK_NAME,
        .bytes = weir_slice(text, (size_t)size),
        .is_durable = is_durable,
    };
    return weir_small_file_replace(&replace, error);
}

static void run_mark(struct weir_work *work)
{
    struct weir_group_settle *settle =
        (struct weir_group_settle *)((char *)work - offsetof(struct weir_group_settle, mark));
    settle->rc = write_mark(settle, true, &settle->error);
}

/* Groups of a topic that is still to be made will be where they belong. Where the mark is lost the partitions are looked
 * through, so it need not be durable; without it the first start behind the first commit did that, one partition after
 * the other, before anybody was served. */
static void mark_new(const struct weir_group_settle *settle)
{
    int32_t mark = read_mark(settle);
    int32_t count = atomic_load(&settle->partition_count);
    if (mark == count || (mark == 0 && count == 1)) return;
    (void)write_mark(settle, false, NULL);
}

/* ---- its end --------------------------------------------------------------------------------- */

static struct weir_request *take_waiting(struct weir_group_settle *settle)
{
    struct weir_request *request = settle->waiting_first;
    if (request == NULL) return NULL;
    settle->waiting_first = (struct weir_request *)request->message.next;
    if (settle->waiting_first == NULL) settle->waiting_last = NULL;
    return request;
}

/* Who comes next tries again. */
static void fail(struct weir_group_settle *settle, int rc, const char *text)
{
    char quoted[2 * WEIR_ERROR_TEXT_SIZE];
    struct weir_request *request;
    settle->is_running = false;
    if (rc != WEIR_CLOSED) {
        /* An open transaction ends by itself, and nobody has to do anything. */
        enum weir_log_level level = rc == WEIR_LOCKED ? WEIR_LOG_INFO : WEIR_LOG_WARN;
        weir_log(&settle->engine->env->logger, level, "groups.not_placed", "reason=%s",
                 weir_log_quote(quoted, sizeof quoted, text));
    }
    while ((request = take_waiting(settle)) != NULL) {
        weir_request_refuse(request, rc, text);
    }
    weir_serving_release(&settle->engine->serving);
}

static void succeed(struct weir_group_settle *settle)
{
    struct weir_request *request;
    settle->is_running = false;
    atomic_store_explicit(&settle->is_settled, true, memory_order_release);
    while ((request = take_waiting(settle)) != NULL) {
        weir_actor_post(settle->engine->shards[0].actor, &request->message);
    }
    weir_partition_wake_begin(&settle->wake, settle->engine, WEIR_CONSUMER_OFFSETS_TOPIC);
    weir_serving_release(&settle->engine->serving);
}

/* Without the mark the next start looks through them again: no reason to serve nobody now. */
static void marked(struct weir_message *message)
{
    struct weir_group_settle *settle =
        (struct weir_group_settle *)((char *)message - offsetof(struct weir_group_settle, mark));
    struct weir_engine *engine = settle->engine;
    if (settle->rc == WEIR_IO) weir_serving_go_offline(&engine->serving, &settle->error);
    succeed(settle);
    weir_serving_release(&engine->serving);
}

static void begin_mark(struct weir_group_settle *settle)
{
    struct weir_engine *engine = settle->engine;
    settle->rc = 0;
    settle->error = (struct weir_error){0};
    settle->mark = (struct weir_work){
        .done.handle = marked, .run = run_mark, .reply_to = engine->shards[0].actor};
    weir_serving_hold(&engine->serving);
    weir_work_submit(engine->env, &settle->mark);
}

/* ---- its steps ------------------------------------------------------------------------------- */

static void scan_next(struct weir_group_settle *settle);

static void scanned(struct weir_request *request)
{
    struct weir_group_settle *settle = request->context;
    struct weir_error error = request->error;
    int rc = request->rc;
    weir_settle_scan_free(settle->scan);
    settle->scan = NULL;
    if (rc < 0) {
        fail(settle, rc, error.text);
        return;
    }
    settle->next_partition++;
    scan_next(settle);
}

/* Partitions that were never made have no groups. */
static void scan_next(struct weir_group_settle *settle)
{
    struct weir_engine *engine = settle->engine;
    const struct weir_topic_image *topic = find_topic(settle);
    while (settle->next_partition < topic->partition_count &&
           weir_uuid_is_zero(topic->partitions[settle->next_partition].directory_id)) {
        settle->next_partition++;
    }
    if (settle->next_partition >= topic->partition_count) {
        begin_mark(settle);
        return;
    }
    settle->scan = weir_settle_scan_new(engine, settle->next_partition, topic->partition_count);
    if (settle->scan == NULL) {
        fail(settle, WEIR_NO_MEMORY, "look for groups that belong to other partitions");
        return;
    }
    struct weir_request *request = weir_settle_scan_request(settle->scan);
    request->reply_to = engine->shards[0].actor;
    request->done = scanned;
    request->context = settle;
    weir_settle_scan_send(settle->scan);
}

static void grown(struct weir_request *request)
{
    struct weir_group_settle *settle = request->context;
    if (request->rc < 0) {
        fail(settle, request->rc, request->error.text);
        return;
    }
    atomic_store(&settle->partition_count, find_topic(settle)->partition_count);
    settle->next_partition = 0;
    scan_next(settle);
}

static void grow(struct weir_group_settle *settle)
{
    struct weir_engine *engine = settle->engine;
    settle->grow = (struct weir_topic_request){
        .request = {.reply_to = engine->shards[0].actor, .done = grown, .context = settle},
        .operation = WEIR_TOPIC_ADD_PARTITIONS,
        .topic = weir_text(WEIR_CONSUMER_OFFSETS_TOPIC),
        .partition_count = engine->options.offsets_topic_num_partitions,
        .is_internal = true,
    };
    settle->change_topic(settle->change_topic_impl, &settle->grow);
}

/* On shard 0. */
static void begin(struct weir_group_settle *settle)
{
    const struct weir_topic_image *topic = find_topic(settle);
    weir_assert(topic != NULL); /* nobody deletes it */
    if (settle->is_running || weir_group_settle_is_done(settle)) return;
    settle->is_running = true;
    weir_serving_hold(&settle->engine->serving); /* until it succeeds or fails */
    if (topic->partition_count < settle->engine->options.offsets_topic_num_partitions) {
        grow(settle);
    } else {
        settle->next_partition = 0;
        scan_next(settle);
    }
}

/* ---- the door -------------------------------------------------------------------------------- */

void weir_group_settle_open(struct weir_group_settle *settle, struct weir_engine *engine,
                            void (*change_topic)(void *impl, struct weir_topic_request *request),
                            void *change_topic_impl)
{
    settle->engine = engine;
    settle->change_topic = change_topic;
    settle->change_topic_impl = change_topic_impl;
    int32_t wanted = engine->options.offsets_topic_num_partitions;
    const struct weir_topic_image *topic = find_topic(settle);
    int32_t count = topic != NULL ? topic->partition_count : wanted;
    bool is_spread = topic == NULL || (count == 1 && wanted == 1) ||
                     (count >= wanted && read_mark(settle) == count);
    atomic_store(&settle->partition_count, count);
    atomic_store(&settle->is_settled, is_spread);
    if (topic == NULL) mark_new(settle);
}

static void hear_start(struct weir_message *message)
{
    struct weir_group_settle *settle =
        (struct weir_group_settle *)((char *)message -
                                     offsetof(struct weir_group_settle, mark.done));
    struct weir_engine *engine = settle->engine;
    if (weir_group_settle_is_done(settle)) {
        weir_partition_wake_begin(&settle->wake, engine, WEIR_CONSUMER_OFFSETS_TOPIC);
    } else {
        begin(settle);
    }
    weir_serving_release(&engine->serving);
}

void weir_group_settle_start(struct weir_group_settle *settle)
{
    struct weir_engine *engine = settle->engine;
    settle->mark.done.handle = hear_start;
    weir_serving_hold(&engine->serving);
    weir_actor_post(engine->shards[0].actor, &settle->mark.done);
}

static void wait_here(struct weir_group_settle *settle, struct weir_request *request)
{
    request->message.next = NULL;
    if (settle->waiting_last != NULL) {
        settle->waiting_last->message.next = &request->message;
    } else {
        settle->waiting_first = request;
    }
    settle->waiting_last = request;
}

bool weir_group_settle_wait(struct weir_group_settle *settle, struct weir_request *request)
{
    int rc = weir_serving_check(&settle->engine->serving, &request->error);
    if (rc < 0) {
        weir_request_reply(request, rc);
        return false;
    }
    if (weir_group_settle_is_done(settle)) return true;
    wait_here(settle, request);
    begin(settle);
    return false;
}

void weir_group_settle_refuse(struct weir_group_settle *settle, struct weir_request *request)
{
    int rc = weir_serving_check(&settle->engine->serving, &request->error);
    if (rc < 0) {
        weir_request_reply(request, rc);
        return;
    }
    begin(settle);
    weir_request_refuse(request, WEIR_LOCKED,
                        "groups are being moved to the partitions where they belong; ask again");
}
