/*
 * What shards know of the metadata: the newest version, as soon as somebody has an answer that depends on it,
 * and no older one for longer than it is needed. In the simulator, where the messages to the shards can be
 * held up; and on threads, where looks and changes meet.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "broker/broker_internal.h"
#include "tests/unit/broker/engine/engine_fixture.h"

enum { SHARDS = 4, TOPICS = 60 };

static bool was_called;

static bool is_set(void *context)
{
    return *(const bool *)context;
}

static void note_called(struct weir_request *request)
{
    (void)request;
    was_called = true;
}

/* What a shard says of a topic, at once: no message may be needed for it. */
static struct weir_topic_info look(struct weir_broker *broker, int32_t shard,
                                   struct weir_arena *arena, const char *topic)
{
    struct weir_slice name = weir_text(topic);
    struct weir_list_topics_request request = {
        .request = {.reply_to = weir_broker_shard_actor(broker, shard), .done = note_called},
        .arena = arena,
        .names = &name,
        .asked_count = 1,
        .is_selection = true,
        .with_epochs = true,
        .with_configs = true,
    };
    was_called = false;
    weir_broker_list_topics(broker, &request);
    ck_assert(was_called);
    ck_ok(request.request.rc, &request.request.error);
    ck_assert_uint_eq(request.topic_count, 1);
    return request.topics[0];
}

static void begin(struct engine *engine)
{
    engine_init(engine, 7);
    engine->options.shard_count = SHARDS;
    ck_ok(engine_open(engine), &engine->error);
}

/* How many shards have been told of a version that they have not taken over yet. */
static int count_behind(const struct engine *engine)
{
    int count = 0;
    for (int32_t i = 0; i < SHARDS; i++)
        count += atomic_load(&engine->broker->engine.shards[i].metadata.newest) != NULL;
    return count;
}

/* Created, altered, grown, deleted: whoever has the answer finds it so on each shard, also where the message
 * about it has not been handled. */
START_TEST(what_is_answered_is_seen_on_every_shard)
{
    struct engine engine;
    struct weir_arena arena;
    int behind = 0;
    char topic[32];
    begin(&engine);
    weir_arena_init(&arena, engine.env->budget, 0);
    struct weir_config_entry entry = {.key = "retention.ms", .value = "77000"};
    for (int i = 0; i < TOPICS; i++) {
        (void)snprintf(topic, sizeof topic, "topic-%d", i);
        ck_ok(engine_create(&engine, topic, 2), &engine.error);
        behind += count_behind(&engine);
        struct weir_uuid id = look(engine.broker, 0, &arena, topic).id;
        for (int32_t shard = 0; shard < SHARDS; shard++) {
            struct weir_topic_info info = look(engine.broker, shard, &arena, topic);
            ck_assert_int_eq(info.rc, 0);
            ck_assert_int_eq(info.partition_count, 2);
            ck_assert(weir_uuid_equal(info.id, id));
            struct weir_actor *actor = weir_broker_shard_actor(engine.broker, shard);
            ck_assert(weir_slice_equal(weir_broker_topic_name(engine.broker, actor, id),
                                       weir_text(topic)));
        }
        ck_assert_int_eq(count_behind(&engine), 0);
        struct weir_topic_request grow = {.operation = WEIR_TOPIC_ADD_PARTITIONS,
                                          .topic = weir_text(topic),
                                          .partition_count = 5};
        struct weir_topic_request alter = {.operation = WEIR_TOPIC_ALTER_CONFIG,
                                           .topic = weir_text(topic),
                                           .configs = &entry,
                                           .config_count = 1};
        ck_ok(engine_topic(&engine, &grow), &engine.error);
        ck_ok(engine_topic(&engine, &alter), &engine.error);
        for (int32_t shard = 0; shard < SHARDS; shard++) {
            struct weir_topic_info info = look(engine.broker, shard, &arena, topic);
            ck_assert_int_eq(info.partition_count, 5);
            ck_assert_int_eq(info.config.retention_ms, 77000);
            ck_assert_uint_eq(info.override_count, 1);
        }
        ck_ok(engine_delete(&engine, topic), &engine.error);
        for (int32_t shard = 0; shard < SHARDS; shard++) {
            ck_assert_int_eq(look(engine.broker, shard, &arena, topic).rc,
                             WEIR_UNKNOWN_TOPIC_OR_PARTITION);
        }
    }
    ck_assert_int_gt(behind, 0); /* else the messages are always first, and nothing is shown */
    weir_arena_close(&arena);
    engine_end(&engine);
}
END_TEST

/* Nobody asks the shards anything: they let each version go all the same, and hold one, the newest. */
START_TEST(a_shard_that_does_not_look_lets_versions_go)
{
    struct engine engine;
    begin(&engine);
    const struct weir_shard *shards = engine.broker->engine.shards;
    for (int i = 0; i < TOPICS; i++) {
        struct weir_metadata_version *before = shards[0].metadata.known;
        weir_metadata_version_ref(before);
        ck_ok(engine_create(&engine, "clicks", 5), &engine.error);
        ck_ok(engine_delete(&engine, "clicks"), &engine.error);
        weir_sim_advance_ms(engine.sim, 100);
        ck_assert_int_eq(count_behind(&engine), 0);
        ck_assert_uint_eq(atomic_load(&before->references), 1); /* ours */
        weir_metadata_version_unref(before);
        const struct weir_metadata_version *newest = shards[0].metadata.known;
        ck_assert_uint_eq(atomic_load(&newest->references), SHARDS);
        for (int32_t shard = 1; shard < SHARDS; shard++)
            ck_assert_ptr_eq(shards[shard].metadata.known, newest);
    }
    engine_end(&engine);
}
END_TEST

static bool is_being_written(void *context)
{
    return ((const struct engine *)context)->broker->controller.produce.batches != NULL;
}

static bool waits_or_is_done(void *context)
{
    return ((const struct engine *)context)->broker->controller.needs_retry || was_called;
}

/* There are `spare` bytes left when the topic's records are durable. True if it had to wait for more. */
static bool create_without_memory(struct engine *engine, const char *topic, size_t spare)
{
    struct weir_budget *budget = &engine->broker->engine.budget;
    struct weir_topic_request create = {.operation = WEIR_TOPIC_CREATE,
                                        .topic = weir_text(topic),
                                        .partition_count = 20,
                                        .request.done = note_called};
    was_called = false;
    weir_broker_topic(engine->broker, &create);
    (void)weir_sim_run(engine->sim, is_being_written, engine, 0);
    budget->limit = atomic_load(&budget->used) + spare;
    (void)weir_sim_run(engine->sim, waits_or_is_done, engine, 0);
    bool has_waited = !was_called;
    if (has_waited)
        ck_assert_int_eq(engine_describe(engine, topic), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    budget->limit = 0;
    (void)weir_sim_run(engine->sim, is_set, &was_called, 0);
    ck_ok(create.request.rc, &create.request.error);
    ck_assert_int_eq(engine_describe(engine, topic), 20);
    return has_waited;
}

/* A change that is durable and waits for memory is seen by nobody until all of it is applied. */
START_TEST(half_a_change_is_shown_to_nobody)
{
    struct engine engine;
    int waits = 0;
    char topic[32];
    begin(&engine);
    for (size_t spare = 1; spare < 4096; spare += 50) {
        (void)snprintf(topic, sizeof topic, "topic.%zu", spare);
        waits += create_without_memory(&engine, topic, spare);
    }
    ck_assert_int_gt(waits, 20);
    engine_end(&engine);
}
END_TEST

/* ---- on threads ------------------------------------------------------------------------------ */

enum { MAKERS = 3, ROUNDS = 40 };

struct world {
    char path[WEIR_TEST_PATH_SIZE];
    struct weir_env *env;
    struct weir_broker *broker;
    struct weir_error error;
    atomic_bool is_over;
};

/* A question that a thread has a shard answer to itself, on its own thread. */
struct probe {
    struct weir_message message; /* first */
    struct weir_list_topics_request list;
    struct weir_broker *broker;
    struct weir_arena arena;
    struct weir_slice names[2];
    atomic_bool is_done;
};

static void probe_done(struct weir_request *request)
{
    atomic_store(&((struct probe *)request->context)->is_done, true);
}

static void probe_arrives(struct weir_message *message)
{
    struct probe *probe = (struct probe *)message;
    weir_broker_list_topics(probe->broker, &probe->list);
}

/* The partition counts of the topic that is always there and of `topic` (-1: not there), as `shard` has them. */
static void probe(struct world *world, int32_t shard, const char *topic, int32_t counts[2])
{
    struct probe probe = {.message.handle = probe_arrives,
                          .broker = world->broker,
                          .names = {weir_text("keeper"), weir_text(topic)}};
    struct weir_actor *actor = weir_broker_shard_actor(world->broker, shard);
    weir_arena_init(&probe.arena, world->env->budget, 0);
    probe.list = (struct weir_list_topics_request){
        .request = {.reply_to = actor, .done = probe_done, .context = &probe},
        .arena = &probe.arena,
        .names = probe.names,
        .asked_count = 2,
        .is_selection = true,
        .with_epochs = true,
    };
    weir_actor_post(actor, &probe.message);
    while (!atomic_load(&probe.is_done))
        sched_yield();
    for (int i = 0; i < 2; i++) {
        const struct weir_topic_info *info = &probe.list.topics[i];
        counts[i] = info->rc == 0 ? info->partition_count : -1;
    }
    weir_arena_close(&probe.arena);
}

static int ask(struct world *world, struct weir_topic_request *request)
{
    if (weir_broker_wait_begin(world->broker, &request->request, NULL) < 0) return -1;
    weir_broker_topic(world->broker, request);
    return weir_broker_wait(world->broker, &request->request, NULL);
}

struct thread {
    pthread_t id;
    struct world *world;
    int number;
    bool has_failed;
};

/* Makes topics and removes them, and asks each shard in turn whether it knows. */
static void *make_and_remove(void *context)
{
    struct thread *thread = context;
    struct world *world = thread->world;
    char topic[32];
    int32_t counts[2];
    for (int i = 0; i < ROUNDS; i++) {
        (void)snprintf(topic, sizeof topic, "topic-%d-%d", thread->number, i % 7);
        struct weir_topic_request create = {
            .operation = WEIR_TOPIC_CREATE, .topic = weir_text(topic), .partition_count = 3};
        struct weir_topic_request delete = {.operation = WEIR_TOPIC_DELETE,
                                            .topic = weir_text(topic)};
        bool is_right = ask(world, &create) == 0;
        probe(world, i % SHARDS, topic, counts);
        is_right = is_right && counts[0] == 9 && counts[1] == 3;
        is_right = is_right && ask(world, &delete) == 0;
        probe(world, (i + 1) % SHARDS, topic, counts);
        is_right = is_right && counts[0] == 9 && counts[1] == -1;
        if (!is_right) thread->has_failed = true;
    }
    return NULL;
}

/* Looks without a pause, while versions come and go. */
static void *look_on(void *context)
{
    struct thread *thread = context;
    int32_t counts[2];
    for (int i = 0; !atomic_load(&thread->world->is_over); i++) {
        probe(thread->world, i % SHARDS, "topic-0-0", counts);
        bool is_right = counts[0] == 9 && (counts[1] == -1 || counts[1] == 3);
        if (!is_right) thread->has_failed = true;
    }
    return NULL;
}

/* Looks on every shard while topics come and go: each sees what has been answered, and always what stays. */
START_TEST(looks_and_changes_meet)
{
    struct world world = {0};
    struct thread makers[MAKERS];
    struct thread looker = {.world = &world};
    weir_test_directory(world.path);
    ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &world.env, &world.error),
          &world.error);
    struct weir_broker_options options = {
        .env = world.env,
        .path = world.path,
        .shard_count = SHARDS,
        .topic_defaults = weir_topic_config_default(),
    };
    ck_ok(weir_broker_open(&options, &world.broker, &world.error), &world.error);
    struct weir_topic_request keeper = {
        .operation = WEIR_TOPIC_CREATE, .topic = weir_text("keeper"), .partition_count = 9};
    ck_assert_int_eq(ask(&world, &keeper), 0);
    ck_assert_int_eq(pthread_create(&looker.id, NULL, look_on, &looker), 0);
    for (int i = 0; i < MAKERS; i++) {
        makers[i] = (struct thread){.world = &world, .number = i};
        ck_assert_int_eq(pthread_create(&makers[i].id, NULL, make_and_remove, &makers[i]), 0);
    }
    for (int i = 0; i < MAKERS; i++) {
        pthread_join(makers[i].id, NULL);
        ck_assert(!makers[i].has_failed);
    }
    atomic_store(&world.is_over, true);
    pthread_join(looker.id, NULL);
    ck_assert(!looker.has_failed);
    ck_ok(weir_broker_close(world.broker, &world.error), &world.error); /* its memory is checked */
    weir_env_uv_free(world.env);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("metadata view");
    tcase_add_test(tests, what_is_answered_is_seen_on_every_shard);
    tcase_add_test(tests, a_shard_that_does_not_look_lets_versions_go);
    tcase_add_test(tests, half_a_change_is_shown_to_nobody);
    tcase_add_test(tests, looks_and_changes_meet);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("metadata view", add);
}
