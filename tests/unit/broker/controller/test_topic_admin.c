#include <string.h>

#include "tests/unit/broker/engine/engine_fixture.h"

/* Settings of topics, and topics as they are listed. */

static void open_with_topic(struct engine *engine, uint64_t seed)
{
    engine_init(engine, seed);
    ck_ok(engine_open(engine), &engine->error);
    ck_ok(engine_create(engine, "clicks", 2), &engine->error);
}

static int alter(struct engine *engine, const struct weir_config_entry *entries, size_t count,
                 bool replaces_all)
{
    struct weir_topic_request request = {.operation = WEIR_TOPIC_ALTER_CONFIG,
                                         .topic = weir_text("clicks"),
                                         .configs = entries,
                                         .config_count = count,
                                         .replaces_all = replaces_all};
    return engine_topic(engine, &request);
}

static int alter_one(struct engine *engine, enum weir_config_op op, const char *key,
                     const char *value)
{
    struct weir_config_entry entry = {.key = key, .value = value, .op = op};
    return alter(engine, &entry, 1, false);
}

static struct weir_topic_config config_of(struct engine *engine)
{
    struct weir_topic_request request = {.operation = WEIR_TOPIC_DESCRIBE,
                                         .topic = weir_text("clicks")};
    ck_ok(engine_topic(engine, &request), &engine->error);
    return request.config;
}

static int list(struct engine *engine, struct weir_list_topics_request *request)
{
    ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &request->request, NULL), 0);
    weir_broker_list_topics(engine->broker, request);
    return weir_broker_wait(engine->broker, &request->request, &engine->error);
}

/* ---- settings -------------------------------------------------------------------------------- */

/* Words are added to a list and taken away, each once; what is no list says so. */
START_TEST(lists_are_appended_to_and_subtracted_from)
{
    struct engine engine;
    open_with_topic(&engine, 1);
    ck_ok(alter_one(&engine, WEIR_CONFIG_APPEND, "cleanup.policy", "compact"), &engine.error);
    ck_ok(alter_one(&engine, WEIR_CONFIG_APPEND, "cleanup.policy", "compact"), &engine.error);
    ck_assert(config_of(&engine).cleanup_delete && config_of(&engine).cleanup_compact);
    ck_ok(alter_one(&engine, WEIR_CONFIG_SUBTRACT, "cleanup.policy", "delete"), &engine.error);
    ck_assert(!config_of(&engine).cleanup_delete && config_of(&engine).cleanup_compact);
    ck_assert_int_eq(alter_one(&engine, WEIR_CONFIG_APPEND, "cleanup.policy", "shred"),
                     WEIR_INVALID_CONFIG);
    ck_assert_int_eq(alter_one(&engine, WEIR_CONFIG_APPEND, "retention.ms", "1"),
                     WEIR_INVALID_CONFIG);
    ck_assert_ptr_nonnull(strstr(engine.error.text, "'retention.ms' is not a list"));
    ck_assert(!config_of(&engine).cleanup_delete && config_of(&engine).cleanup_compact);
    engine_end(&engine);
}
END_TEST

/* A replacement resets what it does not name, over a reopen too; what is wrong in it changes
 * nothing. */
START_TEST(a_replacement_resets_what_it_does_not_name)
{
    struct engine engine;
    struct weir_config_entry both[] = {{.key = "retention.ms", .value = "1000"},
                                       {.key = "segment.bytes", .value = "5000"}};
    struct weir_config_entry other[] = {{.key = "segment.bytes", .value = "6000"},
                                        {.key = "max.message.bytes", .value = "700"}};
    struct weir_config_entry wrong[] = {{.key = "retention.ms", .value = "7"},
                                        {.key = "segment.bytes", .value = "none"}};
    open_with_topic(&engine, 2);
    ck_ok(alter(&engine, both, 2, false), &engine.error);
    ck_assert_int_eq(config_of(&engine).retention_ms, 1000);
    ck_assert_int_eq(alter(&engine, wrong, 2, true), WEIR_INVALID_CONFIG);
    ck_assert_int_eq(config_of(&engine).retention_ms, 1000);
    ck_ok(alter(&engine, other, 2, true), &engine.error);
    ck_ok(engine_close(&engine), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(config_of(&engine).retention_ms, 604800000);
    ck_assert_int_eq(config_of(&engine).segment_bytes, 6000);
    ck_assert_int_eq(config_of(&engine).max_message_bytes, 700);
    ck_ok(alter(&engine, NULL, 0, true), &engine.error);
    ck_assert_int_eq(config_of(&engine).max_message_bytes, 1048588);
    engine_end(&engine);
}
END_TEST

/* A key that is given twice, or has no name, is refused and named. */
START_TEST(a_key_is_given_once)
{
    struct engine engine;
    struct weir_config_entry twice[] = {{.key = "retention.ms", .value = "1000"},
                                        {.key = "retention.ms", .value = "2000"}};
    open_with_topic(&engine, 3);
    ck_assert_int_eq(alter(&engine, twice, 2, false), WEIR_INVALID_CONFIG);
    ck_assert_ptr_nonnull(strstr(engine.error.text, "'retention.ms' is given twice"));
    ck_assert_int_eq(alter_one(&engine, WEIR_CONFIG_SET, "", "1"), WEIR_INVALID_CONFIG);
    ck_assert_int_eq(alter_one(&engine, WEIR_CONFIG_SET, NULL, "1"), WEIR_INVALID_CONFIG);
    ck_assert_int_eq(alter_one(&engine, WEIR_CONFIG_SET, "retention.m", NULL), WEIR_INVALID_CONFIG);
    ck_assert_ptr_nonnull(strstr(engine.error.text, "did you mean 'retention.ms'?"));
    ck_assert_int_eq(config_of(&engine).retention_ms, 604800000);
    engine_end(&engine);
}
END_TEST

/* A reset goes back to what this server gives a topic, not to Kafka's default. */
START_TEST(a_reset_goes_back_to_the_servers_default)
{
    struct engine engine;
    engine_init(&engine, 4);
    engine.options.topic_defaults.retention_ms = 12345;
    engine.options.topic_defaults.cleanup_compact = true;
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    ck_ok(alter_one(&engine, WEIR_CONFIG_SET, "retention.ms", "1"), &engine.error);
    ck_ok(alter_one(&engine, WEIR_CONFIG_SET, "cleanup.policy", "delete"), &engine.error);
    ck_ok(alter_one(&engine, WEIR_CONFIG_SET, "retention.ms", NULL), &engine.error);
    ck_ok(alter_one(&engine, WEIR_CONFIG_SET, "cleanup.policy", NULL), &engine.error);
    ck_assert_int_eq(config_of(&engine).retention_ms, 12345);
    ck_assert(config_of(&engine).cleanup_compact);
    engine_end(&engine);
}
END_TEST

/* A text of the topic's own is shown where its settings are listed. Who only fills in what is not there
 * (keeps_own) changes nothing that somebody has set, an empty one neither. */
START_TEST(formats_are_listed_and_not_overwritten)
{
    struct engine engine;
    struct weir_arena arena;
    struct weir_slice name = weir_text("clicks");
    struct weir_config_entry both[] = {{.key = "weir.key.format", .value = "i64"},
                                       {.key = "weir.value.format", .value = "i32"}};
    struct weir_topic_request fill = {.operation = WEIR_TOPIC_ALTER_CONFIG,
                                      .topic = name,
                                      .configs = both,
                                      .config_count = 2,
                                      .keeps_own = true};
    struct weir_topic_request describe = {.operation = WEIR_TOPIC_DESCRIBE, .topic = name};
    open_with_topic(&engine, 6);
    weir_arena_init(&arena, engine.env->budget, 0);
    describe.arena = &arena;
    ck_ok(engine_topic(&engine, &describe), &engine.error);
    ck_assert_ptr_null(describe.key_format);
    ck_assert_ptr_null(describe.value_format);
    ck_ok(alter_one(&engine, WEIR_CONFIG_SET, "weir.key.format", ""), &engine.error);
    ck_ok(engine_topic(&engine, &describe), &engine.error);
    ck_assert_pstr_eq(describe.key_format, "");
    ck_assert_ptr_null(describe.value_format);
    ck_ok(engine_topic(&engine, &fill), &engine.error);
    ck_ok(engine_topic(&engine, &describe), &engine.error);
    ck_assert_pstr_eq(describe.value_format, "i32");
    weir_arena_close(&arena);
    both[1].value = "f64";
    ck_ok(engine_topic(&engine, &fill), &engine.error); /* nothing is left to be set */
    ck_ok(engine_close(&engine), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    weir_arena_init(&arena, engine.env->budget, 0);
    struct weir_list_topics_request listed = {.arena = &arena,
                                              .names = &name,
                                              .asked_count = 1,
                                              .is_selection = true,
                                              .with_configs = true};
    ck_ok(list(&engine, &listed), &engine.error);
    ck_assert_uint_eq(listed.topics[0].override_count, 2);
    ck_assert_str_eq(listed.topics[0].overrides[0].value, "");
    ck_assert_str_eq(listed.topics[0].overrides[1].value, "i32");
    weir_arena_close(&arena);
    ck_ok(alter_one(&engine, WEIR_CONFIG_SET, "weir.value.format", NULL), &engine.error);
    ck_assert_int_eq(alter_one(&engine, WEIR_CONFIG_SET, "weir.value.format", "i65"),
                     WEIR_INVALID_CONFIG);
    engine_end(&engine);
}
END_TEST

/* A dry run checks everything that the real one would, says what would be, and changes nothing. */
START_TEST(a_dry_run_checks_and_changes_nothing)
{
    struct engine engine;
    struct weir_config_entry entry = {.key = "retention.ms", .value = "1000"};
    struct weir_topic_request create = {.operation = WEIR_TOPIC_CREATE,
                                        .topic = weir_text("views"),
                                        .partition_count = -1,
                                        .configs = &entry,
                                        .config_count = 1,
                                        .validate_only = true};
    open_with_topic(&engine, 5);
    ck_ok(engine_topic(&engine, &create), &engine.error);
    ck_assert_int_eq(create.partition_count, 1);
    ck_assert_int_eq(create.config.retention_ms, 1000);
    ck_assert_int_eq(engine_describe(&engine, "views"), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    create.topic = weir_text("clicks");
    ck_assert_int_eq(engine_topic(&engine, &create), WEIR_EXISTS);
    create.topic = weir_text("no/name");
    ck_assert_int_eq(engine_topic(&engine, &create), WEIR_INVALID_TOPIC);
    create.topic = weir_text("views");
    create.partition_count = 0;
    ck_assert_int_eq(engine_topic(&engine, &create), WEIR_INVALID_PARTITIONS);
    create.partition_count = 1;
    entry.value = NULL;
    ck_assert_int_eq(engine_topic(&engine, &create), WEIR_INVALID_CONFIG);
    entry.value = "x";
    ck_assert_int_eq(engine_topic(&engine, &create), WEIR_INVALID_CONFIG);
    struct weir_topic_request change = {.operation = WEIR_TOPIC_ALTER_CONFIG,
                                        .topic = weir_text("clicks"),
                                        .configs = &entry,
                                        .config_count = 1,
                                        .validate_only = true};
    ck_assert_int_eq(engine_topic(&engine, &change), WEIR_INVALID_CONFIG);
    entry.value = "1000";
    ck_ok(engine_topic(&engine, &change), &engine.error);
    ck_assert_int_eq(config_of(&engine).retention_ms, 604800000);
    engine_end(&engine);
}
END_TEST

/* What Kafka Streams asks of its changelogs, and Kafka's tools of any topic, is taken. */
START_TEST(settings_of_kafkas_own_tools_are_taken)
{
    struct engine engine;
    struct weir_config_entry entries[] = {
        {.key = "cleanup.policy", .value = "compact,delete"},
        {.key = "message.timestamp.type", .value = "CreateTime"},
        {.key = "retention.ms", .value = "-1"},
        {.key = "segment.bytes", .value = "52428800"},
        {.key = "min.cleanable.dirty.ratio", .value = "0.01"},
        {.key = "min.insync.replicas", .value = "1"},
        {.key = "flush.messages", .value = "9223372036854775807"},
        {.key = "flush.ms", .value = "1000"},
        {.key = "segment.index.bytes", .value = "10485760"},
        {.key = "segment.jitter.ms", .value = "0"},
        {.key = "preallocate", .value = "false"},
        {.key = "unclean.leader.election.enable", .value = "false"},
        {.key = "max.compaction.lag.ms", .value = "86400000"},
        {.key = "file.delete.delay.ms", .value = "60000"},
    };
    struct weir_topic_request create = {.operation = WEIR_TOPIC_CREATE,
                                        .topic = weir_text("job-counts-changelog"),
                                        .partition_count = 2,
                                        .configs = entries,
                                        .config_count = sizeof entries / sizeof entries[0]};
    open_with_topic(&engine, 6);
    ck_ok(engine_topic(&engine, &create), &engine.error);
    ck_assert_int_eq(create.config.retention_ms, -1);
    ck_assert_int_eq(alter_one(&engine, WEIR_CONFIG_SET, "remote.storage.enable", "true"),
                     WEIR_INVALID_CONFIG);
    ck_assert_ptr_nonnull(strstr(engine.error.text, "tiered storage"));
    engine_end(&engine);
}
END_TEST

/* ---- lists ----------------------------------------------------------------------------------- */

/* Those asked for come in the order they were asked, each with a code of its own. */
START_TEST(topics_are_listed_as_they_were_asked)
{
    struct engine engine;
    struct weir_arena arena;
    open_with_topic(&engine, 10);
    ck_ok(engine_create(&engine, "alpha", 1), &engine.error);
    struct weir_topic_request describe = {.operation = WEIR_TOPIC_DESCRIBE,
                                          .topic = weir_text("alpha")};
    ck_ok(engine_topic(&engine, &describe), &engine.error);
    const struct weir_slice names[] = {weir_text("clicks"), weir_text("nobody"), weir_null(),
                                       weir_text("a/b"), weir_null()};
    const struct weir_uuid ids[] = {{{0}}, {{0}}, describe.topic_id, {{0}}, {{9}}};
    weir_arena_init(&arena, engine.env->budget, 0);
    struct weir_list_topics_request request = {
        .arena = &arena, .names = names, .ids = ids, .asked_count = 5, .is_selection = true};
    ck_ok(list(&engine, &request), &engine.error);
    ck_assert_uint_eq(request.topic_count, 5);
    const struct weir_topic_info *topics = request.topics;
    ck_assert_int_eq(topics[0].rc, 0);
    ck_assert_int_eq(topics[0].partition_count, 2);
    ck_assert_ptr_null(topics[0].leader_epochs);
    ck_assert_ptr_null(topics[0].overrides);
    ck_assert_int_eq(topics[1].rc, WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert(weir_slice_equal(topics[1].name, names[1]));
    ck_assert_int_eq(topics[2].rc, 0);
    ck_assert(weir_slice_equal(topics[2].name, weir_text("alpha")));
    ck_assert_int_eq(topics[3].rc, WEIR_INVALID_TOPIC);
    ck_assert_int_eq(topics[4].rc, WEIR_UNKNOWN_TOPIC_ID);
    ck_assert(weir_slice_is_null(topics[4].name));
    ck_assert_mem_eq(&topics[4].id, &ids[4], sizeof ids[4]);

    request.asked_count = 0; /* none were asked for */
    ck_ok(list(&engine, &request), &engine.error);
    ck_assert_uint_eq(request.topic_count, 0);
    weir_arena_close(&arena);
    engine_end(&engine);
}
END_TEST

/* Epochs by partition, what was set, and what holds, if they were asked for. */
START_TEST(topics_are_listed_with_epochs_and_settings)
{
    struct engine engine;
    struct weir_arena arena;
    open_with_topic(&engine, 11);
    ck_ok(alter_one(&engine, WEIR_CONFIG_SET, "retention.ms", "77"), &engine.error);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    struct weir_cut_request cut = {.partition = {weir_text("clicks"), 1}, .what = WEIR_CUT_TAIL};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &cut.request, NULL), 0);
    weir_broker_cut(engine.broker, &cut);
    ck_ok(weir_broker_wait(engine.broker, &cut.request, &engine.error), &engine.error);

    weir_arena_init(&arena, engine.env->budget, 0);
    struct weir_list_topics_request request = {
        .arena = &arena, .with_epochs = true, .with_configs = true};
    ck_ok(list(&engine, &request), &engine.error);
    ck_assert_uint_eq(request.topic_count, 1);
    const struct weir_topic_info *topic = &request.topics[0];
    ck_assert_int_eq(topic->leader_epochs[0], 1);
    ck_assert_int_eq(topic->leader_epochs[1], 2);
    ck_assert_uint_eq(topic->override_count, 1);
    ck_assert_str_eq(topic->overrides[0].key, "retention.ms");
    ck_assert_str_eq(topic->overrides[0].value, "77");
    ck_assert_int_eq(topic->config.retention_ms, 77);
    ck_assert_int_eq(topic->config.segment_bytes, 1073741824);
    weir_arena_close(&arena);
    engine_end(&engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *settings = tcase_create("settings");
    tcase_add_test(settings, lists_are_appended_to_and_subtracted_from);
    tcase_add_test(settings, a_replacement_resets_what_it_does_not_name);
    tcase_add_test(settings, a_key_is_given_once);
    tcase_add_test(settings, a_reset_goes_back_to_the_servers_default);
    tcase_add_test(settings, formats_are_listed_and_not_overwritten);
    tcase_add_test(settings, a_dry_run_checks_and_changes_nothing);
    tcase_add_test(settings, settings_of_kafkas_own_tools_are_taken);
    suite_add_tcase(suite, settings);
    TCase *lists = tcase_create("lists");
    tcase_add_test(lists, topics_are_listed_as_they_were_asked);
    tcase_add_test(lists, topics_are_listed_with_epochs_and_settings);
    suite_add_tcase(suite, lists);
}

int main(void)
{
    return weir_test_main("topic admin", add);
}
