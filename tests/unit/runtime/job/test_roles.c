/* What a topic is to a job, and what it may therefore not be besides: refused before anything is made. */
#include <string.h>

#include "tests/unit/runtime/task/stage.h"

static struct stage stage;
static struct plan plan;
static struct plan other_plan;
static struct weir_error why;

static void open_stage(void)
{
    stage_open(&stage, 7);
    stage_topic(&stage, "in", 2);
    stage_topic(&stage, "counts", 1);
}

static void close_stage(void)
{
    stage_close(&stage);
}

static int add_topic(void *context, const struct weir_topic_description *description)
{
    int *count = context;
    if (!description->is_internal) ++*count;
    return 0;
}

static int topic_count(void)
{
    int count = 0;
    ck_ok(weir_topic_list(stage.log, add_topic, &count, &stage.error), &stage.error);
    return count;
}

/* "in" -> app-again-repartition -> store counts -> "counts". */
static const struct weir_topology *counting(void)
{
    return plan_repartition(&plan, WEIR_STORE_ROCKSDB);
}

static void expect_refused(const struct weir_topology *topology,
                           const struct weir_streams_options *options, int code, const char *text)
{
    const int before = topic_count();
    stage_start_refused(&stage, topology, options, code, text, &why);
    ck_assert_ptr_nonnull(strstr(why.text, "name a"));
    ck_assert_int_eq(topic_count(), before);
}

/* ---- late records and dead letters ----------------------------------------------------------- */

static const struct {
    const char *topic;
    const char *role;
} not_for_letters[] = {
    {"in", "'in' is an input of the job"},
    {"app-again-repartition", "is a repartition topic of application 'app' itself"},
    {"app-counts-changelog", "is a changelog of application 'app' itself"},
    {"app-application", "holds the records of application 'app'"},
    {"__consumer_offsets", "'__consumer_offsets' is the log's own"},
    {"__transaction_state", "'__transaction_state' is the log's own"},
};
enum { NOT_FOR_LETTERS = sizeof not_for_letters / sizeof not_for_letters[0] };

START_TEST(letters_have_a_topic_that_the_job_does_not_read)
{
    const char *topic = not_for_letters[_i].topic;
    const char *role = not_for_letters[_i].role;
    const struct weir_streams_options *letters =
        STAGE_OPTIONS(.dead_letter_topic = topic, .on_processing_error = WEIR_ON_ERROR_DEAD_LETTER);
    expect_refused(counting(), letters, WEIR_INVALID_ARGUMENT, role);
    ck_assert_ptr_nonnull(strstr(why.text, "dead_letter_topic '"));
    expect_refused(counting(), STAGE_OPTIONS(.late_topic = topic), WEIR_INVALID_ARGUMENT, role);
    ck_assert_ptr_nonnull(strstr(why.text, "late_topic '"));
}
END_TEST

START_TEST(letters_may_share_a_topic_and_go_to_an_output)
{
    static const char *const topics[] = {"counts", "letters"};
    stage_start(&stage, counting(),
                STAGE_OPTIONS(.late_topic = topics[_i], .dead_letter_topic = topics[_i],
                              .on_processing_error = WEIR_ON_ERROR_DEAD_LETTER));
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    stage_drain(&stage);
    ck_assert_uint_eq(stage_stored(&stage, 0, "a") + stage_stored(&stage, 1, "a"), 1);
}
END_TEST

/* ---- the program ----------------------------------------------------------------------------- */

static const struct weir_topology *counting_and_writing(const char *topic)
{
    (void)counting();
    const int32_t more = plan_topic(&plan, topic, false);
    plan_node(&plan, 0, WEIR_PLAN_SINK, &stage_sink, 0, more, NULL);
    return plan_done(&plan);
}

static const struct weir_topology *copying(const char *from, const char *into)
{
    other_plan = (struct plan){0};
    const int32_t in = plan_topic(&other_plan, from, false);
    const int32_t out = plan_topic(&other_plan, into, false);
    const int32_t source = plan_node(&other_plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    plan_node(&other_plan, 0, WEIR_PLAN_SINK, &stage_sink, source, out, NULL);
    return plan_done(&other_plan);
}

static const struct {
    const char *topic;
    const char *role;
} not_to_write[] = {
    {"app-again-repartition", "'app-again-repartition' is a repartition topic of application"},
    {"app-counts-changelog", "'app-counts-changelog' is a changelog of application 'app' itself"},
    {"__consumer_offsets", "writes to topic '__consumer_offsets'"},
    {"__transaction_state", "writes to topic '__transaction_state'"},
    {"__cluster_metadata", "writes to topic '__cluster_metadata'"},
};
enum { NOT_TO_WRITE = sizeof not_to_write / sizeof not_to_write[0] };

/* Then the program that does not write there starts as if nothing had been. */
START_TEST(a_program_does_not_write_into_what_is_the_jobs_or_the_logs_own)
{
    expect_refused(counting_and_writing(not_to_write[_i].topic), STAGE_OPTIONS(0),
                   WEIR_INVALID_TOPOLOGY, not_to_write[_i].role);
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    stage_start(&stage, counting(), STAGE_OPTIONS(0));
    stage_drain(&stage);
    ck_assert_uint_eq(stage_stored(&stage, 0, "a") + stage_stored(&stage, 1, "a"), 1);
}
END_TEST

/* ---- other applications ---------------------------------------------------------------------- */

static const struct {
    const char *topic;
    const char *role;
} of_app[] = {
    {"app-again-repartition", "'app-again-repartition' is an internal topic of application 'app'"},
    {"app-counts-changelog", "'app-counts-changelog' is an internal topic of application 'app'"},
    {"app-application", "'app-application' holds the records of application 'app'"},
};
enum { OF_APP = sizeof of_app / sizeof of_app[0] };

static struct weir_streams_options other_with(const char *late_topic, const char *letters)
{
    return (struct weir_streams_options){
        WEIR_STREAMS_OPTIONS_INIT, .application_id = "other", .late_topic = late_topic,
        .dead_letter_topic = letters,
        .on_processing_error = letters != NULL ? WEIR_ON_ERROR_DEAD_LETTER : WEIR_ON_ERROR_FAIL};
}

/* Loop: what `app` has. It may be read, and `app` starts afterwards as if nobody had tried to write. */
START_TEST(what_is_another_applications_is_not_written_to)
{
    const char *topic = of_app[_i].topic;
    const char *role = of_app[_i].role;
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    stage_start(&stage, counting(), STAGE_OPTIONS(0));
    stage_drain(&stage);
    stage_stop(&stage);
    const struct weir_streams_options plain = other_with(NULL, NULL);
    const struct weir_streams_options late = other_with(topic, NULL);
    const struct weir_streams_options letters = other_with(NULL, topic);
    expect_refused(copying("in", topic), &plain, WEIR_INVALID_TOPOLOGY, role);
    expect_refused(copying("in", "counts"), &late, WEIR_INVALID_ARGUMENT, role);
    expect_refused(copying("in", "counts"), &letters, WEIR_INVALID_ARGUMENT, role);
    stage_topic(&stage, "copy", 1);
    stage_start(&stage, copying(topic, "copy"), &plain);
    stage_drain(&stage);
    stage_stop(&stage);
    stage_produce(&stage, "in", 0, "a", "1", 1001);
    stage_start(&stage, counting(), STAGE_OPTIONS(0));
    stage_drain(&stage);
    ck_assert_uint_eq(stage_stored(&stage, 0, "a") + stage_stored(&stage, 1, "a"), 2);
}
END_TEST

/* A name alone makes a topic nobody's. */
START_TEST(a_topic_that_is_only_named_so_is_written_to)
{
    static const char *const names[] = {"shop-sums-changelog", "shop-application"};
    stage_topic(&stage, names[_i], 1);
    stage_produce(&stage, names[_i], 0, "b", "2", 1000);
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    stage_start(&stage, copying("in", names[_i]), STAGE_OPTIONS(0));
    stage_drain(&stage);
    ck_assert_int_eq(stage_count_records(&stage, names[_i], 0), 2);
}
END_TEST

/* ---- internal topics that somebody else has made --------------------------------------------- */

/* A start that is killed when its intents are written, at whichever step; then somebody makes the changelog, with fewer
 * partitions than the job has tasks. */
START_TEST(an_internal_topic_with_another_number_of_partitions_is_a_mismatch)
{
    static const char changelog[] = "app-counts-changelog";
    struct weir_topic_description found;
    int refused = 0;
    for (uint64_t at = 1;; at++) {
        const struct weir_topology *topology = counting();
        bool has_crashed = stage_start_crashing(&stage, topology, STAGE_OPTIONS(0), at, 0, &why);
        if (!has_crashed) break;
        bool is_made = weir_topic_describe(stage.log, changelog, &found, &why) >= 0;
        if (is_made) break;
        stage_topic(&stage, changelog, 1);
        struct weir_streams *begun = stage_try_start(&stage, counting(), STAGE_OPTIONS(0), &why);
        ck_assert_ptr_null(begun);
        ck_assert_int_eq(why.code, WEIR_MISMATCH);
        ck_assert_ptr_nonnull(strstr(why.text, changelog));
        if (strstr(why.text, "has 1 partitions, and the job now has 2 tasks") != NULL) {
            refused++;
            ck_assert_ptr_nonnull(strstr(why.text, "WEIR_ON_MISMATCH_START_EMPTY"));
            stage_start(&stage, counting(),
                        STAGE_OPTIONS(.on_mismatch = WEIR_ON_MISMATCH_START_EMPTY));
            stage_produce(&stage, "in", 0, "a", "1", 1000);
            stage_drain(&stage);
            break;
        }
        close_stage();
        open_stage();
    }
    ck_assert_int_eq(refused, 1);
    ck_ok(weir_topic_describe(stage.log, changelog, &found, &why), &why);
    ck_assert_int_eq(found.partition_count, 2);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("roles");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, open_stage, close_stage);
    tcase_add_loop_test(tests, letters_have_a_topic_that_the_job_does_not_read, 0, NOT_FOR_LETTERS);
    tcase_add_loop_test(tests, letters_may_share_a_topic_and_go_to_an_output, 0, 2);
    tcase_add_loop_test(tests, a_program_does_not_write_into_what_is_the_jobs_or_the_logs_own, 0,
                        NOT_TO_WRITE);
    tcase_add_loop_test(tests, what_is_another_applications_is_not_written_to, 0, OF_APP);
    tcase_add_loop_test(tests, a_topic_that_is_only_named_so_is_written_to, 0, 2);
    tcase_add_test(tests, an_internal_topic_with_another_number_of_partitions_is_a_mismatch);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("roles", add);
}
