#include "broker/retention_sweep.h"

#include <stdio.h>

#include "base/assert.h"
#include "broker/broker_internal.h"

static struct weir_mono after_interval(const struct weir_retention_sweep *sweep)
{
    const struct weir_broker *broker = sweep->controller->broker;
    return weir_mono_after_ms(weir_mono_now(broker->env),
                              broker->options.log_retention_check_interval_ms);
}

void weir_retention_sweep_init(struct weir_retention_sweep *sweep,
                               struct weir_controller *controller)
{
    *sweep = (struct weir_retention_sweep){.controller = controller};
    sweep->next_at = after_interval(sweep);
}

void weir_retention_sweep_again(struct weir_retention_sweep *sweep)
{
    sweep->topic_id = (struct weir_uuid){{0}};
    if (sweep->is_under_way) {
        sweep->begins_again = true;
    } else if (sweep->next_at.ns == WEIR_MONO_NEVER.ns) {
        sweep->next_at = after_interval(sweep);
    }
}

/* ---- choosing -------------------------------------------------------------------------------- */

static bool has_end(const struct weir_controller *controller, const struct weir_topic_image *topic)
{
    struct weir_topic_config config = weir_controller_config(controller, topic);
    return config.cleanup_delete && (config.retention_ms >= 0 || config.retention_bytes >= 0);
}

/* The topic to go on with, and where the walk over the others goes on; from the beginning, if it is
 * gone meanwhile. */
static const struct weir_topic_image *find_current(struct weir_retention_sweep *sweep, size_t *at)
{
    const struct weir_metadata_image *image = &sweep->controller->image;
    const struct weir_topic_image *topic;
    *at = 0;
    while ((topic = weir_metadata_next_topic(image, at)) != NULL) {
        if (weir_uuid_equal(topic->id, sweep->topic_id)) return topic;
    }
    *at = 0;
    sweep->partition = 0;
    return weir_metadata_next_topic(image, at);
}

static void add_place(struct weir_retention_sweep *sweep, const struct weir_topic_image *topic,
                      int32_t partition)
{
    struct weir_sweep_place *place = &sweep->places[sweep->place_count++];
    weir_assert(topic->name_slice.size < sizeof place->topic);
    *place = (struct weir_sweep_place){.sweep = sweep, .partition = partition};
    memcpy(place->topic, topic->name, topic->name_slice.size + 1);
}

static void choose(struct weir_retention_sweep *sweep)
{
    size_t at;
    const struct weir_topic_image *topic = find_current(sweep, &at);
    sweep->place_count = 0;
    while (topic != NULL) {
        bool is_wanted = has_end(sweep->controller, topic);
        while (is_wanted && sweep->partition < topic->partition_count) {
            if (sweep->place_count == WEIR_SWEEP_COUNT_MAX) return;
            sweep->topic_id = topic->id;
            add_place(sweep, topic, sweep->partition++);
        }
        topic = weir_metadata_next_topic(&sweep->controller->image, &at);
        if (topic != NULL) sweep->partition = 0;
    }
}

/* ---- visiting -------------------------------------------------------------------------------- */

static void end_step(struct weir_retention_sweep *sweep)
{
    bool is_through = sweep->place_count < WEIR_SWEEP_COUNT_MAX && !sweep->begins_again;
    if (sweep->begins_again) sweep->topic_id = (struct weir_uuid){{0}};
    sweep->is_under_way = false;
    sweep->begins_again = false;
    sweep->next_at = is_through ? WEIR_MONO_NEVER
                                : weir_mono_after_ms(weir_mono_now(sweep->controller->broker->env),
                                                     WEIR_SWEEP_PAUSE_MS);
}

/* Whatever became of it: a partition that cannot be opened says so to who wants it. */
static void visited(struct weir_request *request)
{
    struct weir_retention_sweep *sweep = ((struct weir_sweep_place *)request)->sweep;
    if (--sweep->visits == 0) end_step(sweep);
}

static void visit_stage(struct weir_partition *partition, struct weir_request *request)
{
    weir_request_reply(request, 0);
    weir_partition_retain(partition);
}

static void visit(struct weir_retention_sweep *sweep, struct weir_sweep_place *place)
{
    struct weir_broker *broker = sweep->controller->broker;
    place->request.done = visited;
    place->request.reply_to = broker->shards[0].actor;
    sweep->visits++;
    weir_request_send(broker, &place->request,
                      (struct weir_topic_partition){weir_text(place->topic), place->partition},
                      visit_stage);
}

/* ---- looking --------------------------------------------------------------------------------- */

static int count_segment(void *context, const char *name, enum weir_file_kind kind)
{
    size_t size = strlen(name);
    if (kind == WEIR_FILE_REGULAR && size > 4 && strcmp(name + size - 4, ".log") == 0) {
        ++*(int *)context;
    }
    return 0;
}

/* On a worker. The newest segment never goes, so one that might go is beside another. */
static void look(struct weir_work *work)
{
    struct weir_retention_sweep *sweep = (struct weir_retention_sweep *)work;
    struct weir_broker *broker = sweep->controller->broker;
    for (size_t i = 0; i < sweep->place_count; i++) {
        struct weir_sweep_place *place = &sweep->places[i];
        char name[WEIR_TOPIC_NAME_SIZE_MAX + 16];
        int count = 0;
        (void)snprintf(name, sizeof name, "%s-%d", place->topic, place->partition);
        struct weir_log_path path = weir_log_path(broker->directory.log_path.text, name);
        (void)weir_list(broker->env, path.text, count_segment, &count, NULL); /* or never written */
        place->has_old_segments = count > 1;
    }
}

static void looked(struct weir_message *message)
{
    struct weir_retention_sweep *sweep = (struct weir_retention_sweep *)message;
    struct weir_broker *broker = sweep->controller->broker;
    for (size_t i = 0; i < sweep->place_count; i++) {
        if (sweep->places[i].has_old_segments) visit(sweep, &sweep->places[i]);
    }
    if (sweep->visits == 0) end_step(sweep);
    weir_broker_release(broker);
}

int weir_retention_sweep_run(struct weir_retention_sweep *sweep, struct weir_mono now)
{
    struct weir_broker *broker = sweep->controller->broker;
    if (sweep->is_under_way || now.ns < sweep->next_at.ns) return 0;
    sweep->next_at = WEIR_MONO_NEVER;
    if (weir_broker_check_serving(broker, NULL) < 0 || !weir_broker_try_hold(broker)) return 0;
    sweep->is_under_way = true;
    choose(sweep);
    sweep->work =
        (struct weir_work){.done.handle = looked, .run = look, .reply_to = broker->shards[0].actor};
    weir_work_submit(broker->env, &sweep->work);
    return 1;
}
