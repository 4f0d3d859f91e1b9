#include "broker/controller/retention_sweep.h"

#include "base/assert.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition_chores.h"
#include "broker/engine/route.h"
#include "broker/log/log_glance.h"
#include "broker/log/small_file.h"

static struct weir_mono after_interval(const struct weir_retention_sweep *sweep)
{
    const struct weir_engine *engine = sweep->engine;
    return weir_mono_after_ms(weir_mono_now(engine->env),
                              engine->options.log_retention_check_interval_ms);
}

void weir_retention_sweep_init(struct weir_retention_sweep *sweep, struct weir_engine *engine,
                               const struct weir_metadata_image *image)
{
    *sweep =
        (struct weir_retention_sweep){.engine = engine, .image = image, .expires_ms = INT64_MAX};
    sweep->next_at = after_interval(sweep);
}

void weir_retention_sweep_again(struct weir_retention_sweep *sweep)
{
    sweep->topic_id = (struct weir_uuid){{0}};
    if (sweep->is_under_way) {
        sweep->begins_again = true;
        return;
    }
    struct weir_mono soon = after_interval(sweep);
    if (soon.ns < sweep->next_at.ns) sweep->next_at = soon;
}

/* ---- choosing -------------------------------------------------------------------------------- */

static bool has_end(const struct weir_topic_config *config)
{
    return config->cleanup_delete && (config->retention_ms >= 0 || config->retention_bytes >= 0);
}

/* The topic to go on with, and where the walk over the others goes on; from the beginning, if it is
 * gone meanwhile. */
static const struct weir_topic_image *find_current(struct weir_retention_sweep *sweep,
                                                   struct weir_hamt_walk *walk)
{
    const struct weir_metadata_image *image = sweep->image;
    const struct weir_topic_image *topic;
    weir_metadata_walk_topics(image, walk);
    while ((topic = weir_metadata_next_topic(walk)) != NULL) {
        if (weir_uuid_equal(topic->id, sweep->topic_id)) return topic;
    }
    weir_metadata_walk_topics(image, walk);
    sweep->partition = 0;
    return weir_metadata_next_topic(walk);
}

static void add_place(struct weir_retention_sweep *sweep, const struct weir_topic_image *topic,
                      const struct weir_topic_config *config, int32_t partition)
{
    struct weir_sweep_place *place = &sweep->places[sweep->place_count++];
    weir_assert(topic->name_slice.size < sizeof place->topic);
    *place = (struct weir_sweep_place){
        .sweep = sweep,
        .partition = partition,
        .retention_ms = config->cleanup_compact ? -1 : config->retention_ms,
        .retention_by = config->retention_by,
        .expires_ms = INT64_MAX,
    };
    memcpy(place->topic, topic->name, topic->name_slice.size + 1);
}

static void choose(struct weir_retention_sweep *sweep)
{
    struct weir_hamt_walk walk;
    const struct weir_topic_image *topic = find_current(sweep, &walk);
    sweep->place_count = 0;
    while (topic != NULL) {
        struct weir_topic_config config =
            weir_topic_image_config(topic, &sweep->engine->options.topic_defaults);
        bool is_wanted = has_end(&config);
        while (is_wanted && sweep->partition < topic->partition_count) {
            if (sweep->place_count == WEIR_SWEEP_COUNT_MAX) return;
            sweep->topic_id = topic->id;
            add_place(sweep, topic, &config, sweep->partition++);
        }
        topic = weir_metadata_next_topic(&walk);
        if (topic != NULL) sweep->partition = 0;
    }
}

/* ---- visiting -------------------------------------------------------------------------------- */

/* All are through. A clock that jumps ahead is noticed within a day. */
static void rest(struct weir_retention_sweep *sweep)
{
    const struct weir_engine *engine = sweep->engine;
    int64_t rest_ms;
    sweep->next_at = WEIR_MONO_NEVER;
    if (sweep->expires_ms == INT64_MAX) return;
    int64_t now_ms = weir_wall_now(engine->env).ms;
    if (__builtin_sub_overflow(sweep->expires_ms, now_ms, &rest_ms)) rest_ms = INT64_MAX;
    if (rest_ms < engine->options.log_retention_check_interval_ms) {
        rest_ms = engine->options.log_retention_check_interval_ms;
    }
    if (rest_ms > WEIR_SWEEP_REST_MS_MAX) rest_ms = WEIR_SWEEP_REST_MS_MAX;
    sweep->topic_id = (struct weir_uuid){{0}};
    sweep->expires_ms = INT64_MAX;
    sweep->next_at = weir_mono_after_ms(weir_mono_now(engine->env), rest_ms);
}

static void end_step(struct weir_retention_sweep *sweep)
{
    bool is_through = sweep->place_count < WEIR_SWEEP_COUNT_MAX && !sweep->begins_again;
    if (sweep->begins_again) sweep->topic_id = (struct weir_uuid){{0}};
    sweep->is_under_way = false;
    sweep->begins_again = false;
    if (is_through) {
        rest(sweep);
    } else {
        sweep->next_at = weir_mono_after_ms(weir_mono_now(sweep->engine->env), WEIR_SWEEP_PAUSE_MS);
    }
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
    struct weir_engine *engine = sweep->engine;
    place->request.done = visited;
    place->request.reply_to = engine->shards[0].actor;
    sweep->visits++;
    weir_request_send(engine, &place->request,
                      (struct weir_topic_partition){weir_text(place->topic), place->partition},
                      visit_stage);
}

/* ---- looking --------------------------------------------------------------------------------- */

/* One that was never written has no folder; one whose newest record is not known is visited. */
static void look_at(struct weir_engine *engine, struct weir_sweep_place *place)
{
    struct weir_log_glance glance;
    struct weir_log_path path = weir_log_partition_path(engine->directory.log_path.text,
                                                        weir_text(place->topic), place->partition);
    if (weir_log_glance_newest(engine->env, &engine->budget, path.text, &glance, NULL) < 0) return;
    place->is_visited = glance.segment_count > 1;
    if (place->is_visited || glance.is_empty || place->retention_ms < 0) return;
    int64_t expires_ms;
    int64_t from_ms = weir_retention_counts_from(place->retention_by, glance.max_timestamp_ms,
                                                 glance.last_append_ms);
    if (__builtin_add_overflow(from_ms, place->retention_ms, &expires_ms)) return;
    place->is_visited = from_ms < 0 || expires_ms < weir_wall_now(engine->env).ms;
    if (!place->is_visited) place->expires_ms = expires_ms;
}

/* On a worker. */
static void look(struct weir_work *work)
{
    struct weir_retention_sweep *sweep = (struct weir_retention_sweep *)work;
    for (size_t i = 0; i < sweep->place_count; i++) {
        look_at(sweep->engine, &sweep->places[i]);
    }
}

static void looked(struct weir_message *message)
{
    struct weir_retention_sweep *sweep = (struct weir_retention_sweep *)message;
    struct weir_engine *engine = sweep->engine;
    for (size_t i = 0; i < sweep->place_count; i++) {
        struct weir_sweep_place *place = &sweep->places[i];
        if (place->expires_ms < sweep->expires_ms) sweep->expires_ms = place->expires_ms;
        if (place->is_visited) visit(sweep, place);
    }
    if (sweep->visits == 0) end_step(sweep);
    weir_serving_release(&engine->serving);
}

int weir_retention_sweep_run(struct weir_retention_sweep *sweep, struct weir_mono now)
{
    struct weir_engine *engine = sweep->engine;
    if (sweep->is_under_way || now.ns < sweep->next_at.ns) return 0;
    sweep->next_at = WEIR_MONO_NEVER;
    if (weir_serving_check(&engine->serving, NULL) < 0 || !weir_serving_try_hold(&engine->serving))
        return 0;
    sweep->is_under_way = true;
    choose(sweep);
    sweep->work = (struct weir_work){
        .done.handle = looked, .run = look, .reply_to = engine->shards[0].actor, .is_long = true};
    weir_work_submit(engine->env, &sweep->work);
    return 1;
}
