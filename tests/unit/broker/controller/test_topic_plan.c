/* What requests make of topics, over an image alone: which records come, and which requests are refused. */
#include "broker/controller/topic_plan.h"

#include "tests/support/support.h"

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_metadata_machine machine;
static struct weir_broker_options options;
static int record_count;
static int fails_at; /* the record that there is no memory for; 0: none */

/* Planned records are what the image becomes, at once: so a plan is right if the image takes it. */
static int take(void *context, const struct weir_metadata_record *record)
{
    struct weir_error error = {0};
    if (++record_count == fails_at) return WEIR_NO_MEMORY;
    ck_ok(weir_metadata_apply(context, record, &error), &error);
    return 0;
}

static const struct weir_metadata_draft draft = {
    .image = &machine.image, .options = &options, .add = take, .context = &machine};

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_metadata_machine_init(&machine, &budget);
    options = (struct weir_broker_options){.num_partitions = 3,
                                           .topic_defaults = weir_topic_config_default()};
    record_count = fails_at = 0;
}

static void tear_down(void)
{
    weir_metadata_machine_close(&machine);
    ck_assert_uint_eq(atomic_load(&budget.used), 0);
}

static int create(const char *name, int32_t partition_count, const struct weir_config_entry *config)
{
    static uint8_t last;
    struct weir_error error = {0};
    struct weir_topic_plan plan = {.name = weir_text(name),
                                   .id = {{++last}},
                                   .partition_count = partition_count,
                                   .configs = config,
                                   .config_count = config != NULL ? 1 : 0};
    record_count = 0;
    int rc = weir_topic_plan_create(&draft, &plan, &error);
    ck_assert_int_eq(rc, rc < 0 && error.code != 0 ? (int)error.code : rc);
    return rc;
}

static const struct weir_topic_image *topic_of(const char *name)
{
    return weir_metadata_topic(&machine.image, weir_text(name));
}

/* The records of a create are the topic: its partitions, the default's number if none is named, its settings. */
START_TEST(a_created_topic_is_what_was_asked_for)
{
    struct weir_config_entry config = {.key = "retention.ms", .value = "5000"};
    ck_assert_int_eq(create("clicks", -1, NULL), 0);
    ck_assert_int_eq(record_count, 1 + 3);
    ck_assert_int_eq(topic_of("clicks")->partition_count, 3);
    ck_assert_int_eq(create("visits", 7, &config), 0);
    ck_assert_int_eq(record_count, 1 + 7 + 1);
    struct weir_topic_config given =
        weir_topic_image_config(topic_of("visits"), &options.topic_defaults);
    ck_assert_int_eq(given.retention_ms, 5000);
    options.keeps_new_topics = true;
    ck_assert_int_eq(create("kept", 1, NULL), 0);
    given = weir_topic_image_config(topic_of("kept"), &options.topic_defaults);
    ck_assert_int_eq(given.retention_ms, -1);
}
END_TEST

/* Whatever is wrong with a name or a number is found before the first record. */
START_TEST(a_refused_topic_has_no_records)
{
    static const struct {
        const char *name;
        int32_t partition_count;
        int rc;
    } wrong[] = {
        {"a.b", 1, WEIR_EXISTS},
        {"a_b", 1, WEIR_INVALID_TOPIC}, /* differs by '.' against '_' alone */
        {"a/b", 1, WEIR_INVALID_TOPIC},
        {"..", 1, WEIR_INVALID_TOPIC},
        {"__mine", 1, WEIR_INVALID_TOPIC},
        {"__cluster_metadata", 1, WEIR_INVALID_TOPIC},
        {"_.consumer_offsets", 1, WEIR_INVALID_TOPIC}, /* taken before it is there */
        {"c", 0, WEIR_INVALID_PARTITIONS},
        {"c", -2, WEIR_INVALID_PARTITIONS},
        {"c", WEIR_TOPIC_PARTITIONS_MAX + 1, WEIR_INVALID_PARTITIONS},
    };
    ck_assert_int_eq(create("a.b", 1, NULL), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int rc = create(wrong[i].name, wrong[i].partition_count, NULL);
        ck_assert_msg(rc == wrong[i].rc, "'%s': %d", wrong[i].name, rc);
        ck_assert_int_eq(record_count, 0);
    }
    struct weir_config_entry unknown = {.key = "no.such.key", .value = "1"};
    ck_assert_int_eq(create("c", 1, &unknown), WEIR_INVALID_CONFIG);
    ck_assert_uint_eq(weir_metadata_topic_count(&machine.image), 2); /* the settings come last */
}
END_TEST

/* A new total adds what is missing behind what is there; a lower or the same one is refused. */
START_TEST(a_topic_only_grows)
{
    ck_assert_int_eq(create("clicks", 2, NULL), 0);
    record_count = 0;
    static const int32_t wrong[] = {-1, 0, 1, 2, WEIR_TOPIC_PARTITIONS_MAX + 1};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_int_eq(weir_topic_plan_grow(&draft, topic_of("clicks"), wrong[i], NULL),
                         WEIR_INVALID_PARTITIONS);
    }
    ck_assert_int_eq(record_count, 0);
    ck_assert_int_eq(weir_topic_plan_grow(&draft, topic_of("clicks"), 5, NULL), 0);
    ck_assert_int_eq(record_count, 3);
    ck_assert_int_eq(topic_of("clicks")->partition_count, 5);
}
END_TEST

/* Wherever there is no memory for a record the plan says so, and adds no more. */
START_TEST(a_plan_ends_at_the_first_record_without_memory)
{
    struct weir_config_entry config = {.key = "retention.ms", .value = "5000"};
    char name[] = "topic-0";
    for (fails_at = 1; fails_at <= 1 + 3 + 1; fails_at++) {
        name[6]++;
        ck_assert_int_eq(create(name, 3, &config), WEIR_NO_MEMORY);
        ck_assert_int_eq(record_count, fails_at);
    }
    name[6]++;
    ck_assert_int_eq(create(name, 3, &config), 0);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("topic plan");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_created_topic_is_what_was_asked_for);
    tcase_add_test(tests, a_refused_topic_has_no_records);
    tcase_add_test(tests, a_topic_only_grows);
    tcase_add_test(tests, a_plan_ends_at_the_first_record_without_memory);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("topic plan", add);
}
