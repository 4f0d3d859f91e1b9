/**
 * The invariants of a job and of what its start holds: each row breaks a field of something whole, and the
 * check has to end the program. What costs O(n) to see is asked for only where assertions may be slow.
 */
#include "runtime/job/start_internal.h"
#include "tests/support/broken.h"

/* ---- a job: it runs, with two threads ----------------------------------------------------------- */

static struct weir_streams job;
static struct weir_start start;
static struct weir_topology topology;
static struct weir_job_partition *committed_partitions[1];
static struct weir_commit_group group;

static void set_up_job(void)
{
    memset(&job, 0, sizeof job);
    topology = (struct weir_topology){.topic_count = 2, .store_count = 1};
    job.magic = WEIR_STREAMS_MAGIC;
    job.topology = &topology;
    job.topic_count = 3 + WEIR_JOB_TOPICS_BEHIND;
    job.thread_count = job.threads_opened = job.threads_restored = job.threads_running = 2;
    atomic_store(&job.has_begun, true);
    job.commit.kind = &weir_commit_transaction;
    group = (struct weir_commit_group){.streams = &job, .seal.entry_count = 1};
    group.partitions = committed_partitions;
    job.commit.groups = &group;
    job.commit.group_count = 1;
    atomic_store(&job.state, WEIR_STREAMS_RUNNING);
}

static void be_restoring(void)
{
    atomic_store(&job.state, WEIR_STREAMS_RESTORING);
    job.threads_opened = job.threads_restored = 1;
    atomic_store(&job.has_begun, false);
    job.start = &start;
}

static void be_over(void)
{
    atomic_store(&job.state, WEIR_STREAMS_NOT_RUNNING);
    job.threads_running = 0;
    job.is_stopping = true;
    atomic_store(&job.is_finished, true);
}

START_TEST(a_whole_job_passes)
{
    weir_streams_check(&job);
    be_restoring();
    weir_streams_check(&job);
    be_over();
    weir_streams_check(&job);
}
END_TEST

BREAKS(job_magic, job.magic++)
BREAKS(job_topics, job.topic_count--)
BREAKS(runs_unrestored, job.threads_restored = 1)
BREAKS(runs_with_one_less, job.threads_running = 1)
BREAKS(runs_with_a_start, job.start = &start)
BREAKS(runs_and_stops, job.is_stopping = true)
BREAKS(too_many_restored, be_restoring(); job.threads_opened = job.threads_restored = 3)
BREAKS(too_many_opened, be_restoring(); job.threads_opened = 3)
BREAKS(restored_unopened, be_restoring(); job.threads_opened = 0)
BREAKS(runs_unbegun, atomic_store(&job.has_begun, false))
BREAKS(begun_with_a_start, be_restoring(); atomic_store(&job.has_begun, true))
BREAKS(too_many_running, be_restoring(); job.threads_running = 3)
BREAKS(error_of_none, atomic_store(&job.state, WEIR_STREAMS_ERROR))
BREAKS(over_with_a_thread, be_over(); job.threads_running = 1)
BREAKS(finished_and_runs, atomic_store(&job.is_finished, true))
BREAKS(no_kind, job.commit.kind = NULL)
BREAKS(runs_without_commits, job.commit.group_count = 0)
BREAKS(entries_of_nothing, group.partitions = NULL)

static void (*const broken_jobs[])(void) = {
    job_magic,
    job_topics,
    runs_unrestored,
    runs_with_one_less,
    runs_with_a_start,
    runs_and_stops,
    too_many_restored,
    too_many_running,
    error_of_none,
    over_with_a_thread,
    finished_and_runs,
    no_kind,
    runs_without_commits,
    entries_of_nothing,
    too_many_opened,
    restored_unopened,
    runs_unbegun,
    begun_with_a_start,
};

START_TEST(a_broken_job_ends_the_program)
{
    broken_jobs[_i]();
    weir_streams_check(&job);
}
END_TEST

/* ---- a partition of it: committed up to 5, handed in up to 7 ------------------------------------- */

static struct weir_job_partition partition;
static const struct weir_node_mark mark = {.node = "n"};

static void set_up_partition(void)
{
    partition = (struct weir_job_partition){
        .committed = 5,
        .committed_end = 10,
        .sealed_offset = 7,
        .sealed_marks = &mark,
        .sealed_mark_count = 1,
        .next_end = 12,
        .trimmed = 3,
    };
}

START_TEST(a_whole_partition_passes)
{
    weir_job_partition_check(&partition);
    partition = (struct weir_job_partition){.committed = -1, .next_end = 12}; /* of a changelog */
    weir_job_partition_check(&partition);
}
END_TEST

BREAKS(negative_number, partition.partition = -1)
BREAKS(sealed_behind, partition.sealed_offset = 4)
BREAKS(end_behind, partition.next_end = 9)
BREAKS(trimmed_too_much, partition.trimmed = 6)
BREAKS(marks_of_nothing, partition.sealed_marks = NULL)

static void (*const broken_partitions[])(void) = {
    negative_number, sealed_behind, end_behind, trimmed_too_much, marks_of_nothing,
};

START_TEST(a_broken_partition_ends_the_program)
{
    broken_partitions[_i]();
    weir_job_partition_check(&partition);
}
END_TEST

/* ---- a drain: it asks for one end ----------------------------------------------------------------- */

static struct weir_drain drain;

static void set_up_drain(void)
{
    set_up_job();
    job.outstanding = 1;
    drain = (struct weir_drain){.streams = &job, .asking = 1, .rounds_left = 1};
}

START_TEST(a_whole_drain_passes)
{
    weir_drain_check(&drain);
    drain.asking = 0;
    drain.has_targets = true;
    weir_drain_check(&drain);
}
END_TEST

BREAKS(drain_of_nothing, drain.streams = NULL)
BREAKS(asks_for_more, drain.asking = 2)
BREAKS(rounds_below_none, drain.rounds_left = -1)
BREAKS(targets_too_early, drain.has_targets = true)
BREAKS(drain_rc, drain.rc = 1)

static void (*const broken_drains[])(void) = {
    drain_of_nothing, asks_for_more, rounds_below_none, targets_too_early, drain_rc,
};

START_TEST(a_broken_drain_ends_the_program)
{
    broken_drains[_i]();
    weir_drain_check(&drain);
}
END_TEST

/* ---- a start: a rebuild that reads its inputs, of a job with four topics ------------------------- */

static struct weir_shared *written;
static struct weir_start_read read_of_one[1];
static struct weir_epoch_end_request one_epoch[1];
static struct weir_start_partition *one_tail[1];

static void set_up_start(void)
{
    set_up_job();
    be_restoring();
    job.outstanding = 2;
    memset(&start, 0, sizeof start);
    start.streams = &job;
    start.outstanding = 2;
    start.step = 3;
    start.facts.topic_count = 3 + WEIR_JOB_TOPICS_BEHIND;
    start.is_rebuild = start.reads_again = true;
    start.is_writing = true;
    written = (struct weir_shared *)&mark; /* is not looked at */
    start.written.batches = written;
    start.read = read_of_one;
    start.read_count = 1;
    start.epochs = one_epoch;
    start.epoch_count = 1;
    start.tails = one_tail;
    start.prepare.tail_count = 1;
    start.is_tail_asked = true;
    start.owner = "app";
    start.reader = (struct weir_records_reader){
        .start = &start,
        .topic = "app-application",
        .into = &start.records,
        .has_begun = true,
        .has_ends = true,
        .exists = true,
        .is_fetching = true,
    };
}

START_TEST(a_whole_start_passes)
{
    weir_start_check(&start);
    memset(&start, 0, sizeof start);
    start.streams = &job;
    weir_start_check(&start);
}
END_TEST

BREAKS(start_of_another, job.start = NULL)
BREAKS(step_behind_the_last, start.step = 1000)
BREAKS(asked_beside_the_job, start.outstanding = 3)
BREAKS(other_topics, start.facts.topic_count = 3)
BREAKS(rebuilds_and_empties, start.is_emptying = start.may_lose = true)
BREAKS(rebuild_of_nothing, start.reads_again = false)
BREAKS(empties_and_keeps, start.is_rebuild = false; start.is_emptying = true)
BREAKS(inputs_for_nothing, start.is_rebuild = start.reads_again = false;
       start.inputs = (struct weir_start_inputs *)&mark)
BREAKS(writes_nothing, start.written.batches = NULL)
BREAKS(written_is_left, start.is_writing = false)
BREAKS(tail_of_no_topic, start.tail_topic = start.facts.topic_count)
BREAKS(reads_nothing, start.read = NULL)
BREAKS(epochs_of_nothing, start.epochs = NULL)
BREAKS(tails_of_nothing, start.tails = NULL)
BREAKS(owner_of_nothing, start.owner_topic = start.facts.topic_count)
BREAKS(reads_no_topic, start.reader.topic = NULL)
BREAKS(reads_into_nothing, start.reader.into = NULL)
BREAKS(ends_before_all, start.reader.has_begun = false)
BREAKS(is_there_before_all, start.reader.has_ends = false)
BREAKS(fetches_what_is_not, start.reader.exists = false)
BREAKS(other_reader, start.other_reader.is_fetching = true)

static void (*const broken_starts[])(void) = {
    start_of_another,     step_behind_the_last, asked_beside_the_job, other_topics,
    rebuilds_and_empties, rebuild_of_nothing,   empties_and_keeps,    inputs_for_nothing,
    writes_nothing,       written_is_left,      tail_of_no_topic,     reads_nothing,
    epochs_of_nothing,    tails_of_nothing,     owner_of_nothing,     reads_no_topic,
    reads_into_nothing,   ends_before_all,      is_there_before_all,  fetches_what_is_not,
    other_reader,
};

START_TEST(a_broken_start_ends_the_program)
{
    broken_starts[_i]();
    weir_start_check(&start);
}
END_TEST

/* ---- a topic that it compares: an input that is being read again ---------------------------------- */

static struct weir_start_topic topic;
static struct weir_start_partition topic_partitions[1];
static struct weir_own_topic record;
static struct weir_own_input chosen;

static void set_up_topic(void)
{
    record = (struct weir_own_topic){.phase = WEIR_OWN_TOPIC_KEPT};
    topic = (struct weir_start_topic){
        .role = WEIR_START_INPUT,
        .name = "in",
        .exists = true,
        .partition_count = 1,
        .partitions = topic_partitions,
        .record = &record,
        .chosen = &chosen,
    };
}

START_TEST(a_whole_topic_passes)
{
    weir_start_topic_check(&topic);
    topic = (struct weir_start_topic){.role = WEIR_START_OTHER};
    weir_start_topic_check(&topic);
    topic = (struct weir_start_topic){
        .role = WEIR_START_CHANGELOG, .name = "changelog", .is_emptied = true};
    weir_start_topic_check(&topic);
}
END_TEST

BREAKS(topic_without_name, topic.name = NULL)
BREAKS(no_partitions, topic.partitions = NULL)
BREAKS(record_of_nothing, record.phase = WEIR_OWN_TOPIC_NONE)
BREAKS(chosen_changelog, topic.role = WEIR_START_CHANGELOG)
BREAKS(emptied_input, topic.is_emptied = true)

static void (*const broken_topics[])(void) = {
    topic_without_name, no_partitions, record_of_nothing, chosen_changelog, emptied_input,
};

START_TEST(a_broken_topic_ends_the_program)
{
    broken_topics[_i]();
    weir_start_topic_check(&topic);
}
END_TEST

/* ---- what an application knows: two topics and an input ------------------------------------------- */

static struct weir_application application;
static struct weir_own_topic own_topics[2];
static struct weir_own_input own_inputs[1];
static struct weir_own_input_partition own_partitions[1];
static struct weir_arena arena;

static void set_up_application(void)
{
    own_topics[0] = (struct weir_own_topic){.name = "a",
                                            .of = "a",
                                            .phase = WEIR_OWN_TOPIC_MAKING,
                                            .role = WEIR_OWN_CHANGELOG,
                                            .partition_count = 1};
    own_topics[1] = (struct weir_own_topic){.name = "b",
                                            .of = "b",
                                            .phase = WEIR_OWN_TOPIC_EMPTYING,
                                            .role = WEIR_OWN_REPARTITION,
                                            .partition_count = 1};
    own_inputs[0] =
        (struct weir_own_input){.name = "in", .partitions = own_partitions, .partition_count = 1};
    application = (struct weir_application){
        .arena = &arena,
        .topics = own_topics,
        .topic_count = 2,
        .topic_capacity = 2,
        .inputs = own_inputs,
        .input_count = 1,
        .input_capacity = 1,
    };
}

START_TEST(a_whole_application_passes)
{
    weir_application_check(&application);
    application = (struct weir_application){.arena = &arena};
    weir_application_check(&application);
}
END_TEST

BREAKS(no_arena, application.arena = NULL)
BREAKS(topic_capacity, application.topic_capacity = 1)
BREAKS(input_capacity, application.input_capacity = 0)
#ifdef WEIR_SLOW_ASSERTIONS
BREAKS(twice_of_a_name, own_topics[1].name = "a")
BREAKS(phase_of_none, own_topics[0].phase = WEIR_OWN_TOPIC_NONE)
BREAKS(no_role, own_topics[0].role = (enum weir_own_topic_role)0)
BREAKS(negative_count, own_topics[0].partition_count = -1)
BREAKS(of_nothing, own_topics[0].of = NULL)
BREAKS(input_of_nothing, own_inputs[0].partitions = NULL)
BREAKS(negative_input, own_inputs[0].partition_count = -1)
#endif

static void (*const broken_applications[])(void) = {
    no_arena,        topic_capacity,   input_capacity,
#ifdef WEIR_SLOW_ASSERTIONS
    twice_of_a_name, phase_of_none,    no_role,        negative_count,
    of_nothing,      input_of_nothing, negative_input,
#endif
};

START_TEST(a_broken_application_ends_the_program)
{
    broken_applications[_i]();
    weir_application_check(&application);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("job");
    tcase_add_checked_fixture(tests, set_up_job, NULL);
    tcase_add_test(tests, a_whole_job_passes);
    ADD_BROKEN(tests, a_broken_job_ends_the_program, broken_jobs);
    suite_add_tcase(suite, tests);
    tests = tcase_create("partition");
    tcase_add_checked_fixture(tests, set_up_partition, NULL);
    tcase_add_test(tests, a_whole_partition_passes);
    ADD_BROKEN(tests, a_broken_partition_ends_the_program, broken_partitions);
    suite_add_tcase(suite, tests);
    tests = tcase_create("drain");
    tcase_add_checked_fixture(tests, set_up_drain, NULL);
    tcase_add_test(tests, a_whole_drain_passes);
    ADD_BROKEN(tests, a_broken_drain_ends_the_program, broken_drains);
    suite_add_tcase(suite, tests);
    tests = tcase_create("start");
    tcase_add_checked_fixture(tests, set_up_start, NULL);
    tcase_add_test(tests, a_whole_start_passes);
    ADD_BROKEN(tests, a_broken_start_ends_the_program, broken_starts);
    suite_add_tcase(suite, tests);
    tests = tcase_create("topic");
    tcase_add_checked_fixture(tests, set_up_topic, NULL);
    tcase_add_test(tests, a_whole_topic_passes);
    ADD_BROKEN(tests, a_broken_topic_ends_the_program, broken_topics);
    suite_add_tcase(suite, tests);
    tests = tcase_create("application");
    tcase_add_checked_fixture(tests, set_up_application, NULL);
    tcase_add_test(tests, a_whole_application_passes);
    ADD_BROKEN(tests, a_broken_application_ends_the_program, broken_applications);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("job checks", add);
}
